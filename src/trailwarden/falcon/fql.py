"""Filters in Falcon Query Language. Values come from logs and endpoints, where an attacker may have chosen them."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ..model.time import Window

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def quoted(value: str) -> str:
    """A value in single quotes, so that nothing in it is read as FQL.

    Control characters are left out: no name has them. ``*`` stays a wildcard, for which FQL documents no escape: what
    it finds too much is for the caller to drop.
    """
    escaped = _CONTROL.sub("", value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def any_of(fields: Sequence[str], values: Iterable[str]) -> str:
    """That one of the fields has one of the values."""
    listed = ",".join(quoted(value) for value in values)
    return "(" + ",".join(f"{field}:[{listed}]" for field in fields) + ")"


def during(field: str, window: Window) -> str:
    """That a time is in the window."""
    return f"{field}:>='{_written(window.start)}'+{field}:<'{_written(window.end)}'"


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
