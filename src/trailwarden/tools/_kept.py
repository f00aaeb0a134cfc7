"""What is worked out of the lake once, and used again by this process while the lake stays as it is."""

from collections.abc import Callable
from typing import TypeVar

from ..installation import Installation

T = TypeVar("T")


def of_the_lake(app: Installation, name: str, make: Callable[[], T]) -> T:
    """What ``make()`` gave for the parts that the lake has now. One ``name`` is of one kind of value."""
    stamp = app.lake.manifest.parts_stamp()  # read first: what changes meanwhile is made again, not missed
    known: tuple[int, T] | None = app.kept.get(name)
    if known is None or known[0] != stamp:
        known = app.kept[name] = (stamp, make())
    return known[1]
