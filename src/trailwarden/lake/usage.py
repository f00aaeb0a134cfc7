"""What roles and IAM users were recorded to do: the calls of each principal, counted by operation."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from ..model.event import EventFilter
from ..model.time import Window
from . import statements
from . import where as conditions
from .events import aware, decoded, resource_names
from .query import LakeParts, again_if_replaced
from .where import every

if TYPE_CHECKING:
    from .store import Lake

#: (eventSource, eventName).
Operation = tuple[str, str]


class Called(msgspec.Struct, frozen=True):
    """Calls of one operation that were not denied. ``resources``: the ARNs that they name; None if some name none, or
    if that was not asked."""

    calls: int
    last: datetime
    resources: tuple[str, ...] | None = None


def calls_of_principals(
    lake: "Lake", where: EventFilter, window: Window | None, *, resources: bool = False
) -> Mapping[str, Mapping[Operation, Called]]:
    """The operations of each role and IAM user whose events match, by its ARN (a role's has no path if no record shows
    it). ``resources`` costs memory: ask for one principal at a time.

    Raises:
        UsageError: a filter that cannot be searched for.
        LakeError: the lake cannot be read.
    """

    def answer() -> Mapping[str, Mapping[Operation, Called]]:
        within = conditions.ANYTHING if window is None else conditions.within(window)
        asked = every((within, conditions.predicate(where, tuple)))
        found: dict[str, dict[Operation, Called]] = defaultdict(dict)
        parts = LakeParts(lake, window, "newest", None)
        for arn, source, name, calls, last, *rest in parts.rows(
            statements.calls_of_principals(asked, window, resources=resources)
        ):
            if source is not None and name is not None:
                found[arn][source, name] = Called(calls, aware(last), _arns(*rest) if rest else None)
        return found

    return again_if_replaced(answer)


def _arns(unnamed: int, texts: list[str | None]) -> tuple[str, ...] | None:
    if unnamed:
        return None
    names = {name for text in texts for name in resource_names(decoded(text))}
    return tuple(sorted(names)) if names and all(name.startswith("arn:") for name in names) else None
