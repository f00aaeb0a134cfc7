"""Which events the lake has already: asked by key, a UTC day at a time.

A day's keys are loaded from the parts when a record of that day first arrives, and dropped again, least
recently used first, when too many are held. Objects arrive ordered by day, so that a day is loaded once.
"""

from collections import deque
from collections.abc import Sequence
from datetime import date, timedelta

from .manifest import Part
from .parts import KEY, stored_keys
from .store import Lake

#: Keys held at most (about 110 bytes each), and keys to load at once when a part must be read anyway.
HELD = 4_000_000
LOADED_AT_ONCE = 500_000
#: Keys held at most between two uses.
KEPT = 500_000


class Seen:
    """The events of a lake, and those on their way into it through :meth:`new`; ``held`` of them are in memory."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._parts = lake.manifest.parts(newest_first=False)  # what is added later goes through new()
        self._days: dict[date, set[bytes]] = {}
        self._under_way: deque[set[date]] = deque()
        self.held = 0
        self.stamp = -1

    @classmethod
    def of(cls, lake: Lake) -> "Seen":
        """What was known at the end of the last write, if nothing has changed the lake's parts since; else anew."""
        kept = lake.kept.pop(cls.__name__, None)
        return kept if isinstance(kept, cls) and kept.stamp == lake.manifest.parts_stamp() else cls(lake)

    def keep(self) -> None:
        """All that was asked is committed; keep it with the lake for :meth:`of`, unless it is large."""
        if self.held <= KEPT:
            self.stamp = self._lake.manifest.parts_stamp()
            self._lake.kept[type(self).__name__] = self

    def new(self, days: Sequence[tuple[date, int]], keys: bytes) -> bytes | None:
        """A byte for each key, 1 for an event that was not there before; None if all are new. They are there then."""
        self._under_way.append({day for day, _ in days})
        mask = bytearray()
        repeats = False
        offset = 0
        for day, count in days:
            end = offset + count * KEY
            mine = [keys[at : at + KEY] for at in range(offset, end, KEY)]
            offset = end
            seen = self._of(day)
            distinct = set(mine)
            if len(distinct) == count and seen.isdisjoint(distinct):
                mask += b"\1" * count
            else:
                repeats = True
                distinct -= seen
                left = set(distinct)
                for key in mine:
                    if key in left:
                        left.remove(key)
                        mask.append(1)
                    else:
                        mask.append(0)
            seen |= distinct
            self.held += len(distinct)
        return bytes(mask) if repeats else None

    def committed(self) -> None:
        """The oldest question that was not yet committed is now; days of none of the others may be dropped."""
        self._under_way.popleft()
        if self.held > HELD:
            needed = set().union(*self._under_way)
            for day in [day for day in self._days if day not in needed]:
                self.held -= len(self._days.pop(day))
                if self.held <= HELD // 2:
                    break
            self._parts = self._lake.manifest.parts(newest_first=False)

    def _of(self, day: date) -> set[bytes]:
        if day not in self._days:
            self._load(day)
        seen = self._days.pop(day)  # to the end of the order: recently used
        self._days[day] = seen
        return seen

    def _load(self, day: date) -> None:
        """Load a day, and as many after it as come cheaply with the same parts."""
        overlapping = [part for part in self._parts if _touches(part, day, day)]
        last = day
        if overlapping:
            span = max((part.last - part.first) / timedelta(days=1) for part in overlapping) or 1.0
            a_day = sum(part.records for part in overlapping) / max(span, 1.0)
            last = min(
                day + timedelta(days=int(LOADED_AT_ONCE / max(a_day, 1.0))), max(p.last.date() for p in overlapping)
            )
            while last in self._days:
                last -= timedelta(days=1)
            overlapping = [part for part in self._parts if _touches(part, day, last)]
        wanted = {day + timedelta(days=n) for n in range((last - day).days + 1)} - self._days.keys() | {day}
        for each in wanted:
            self._days[each] = set()
        for found, keys in stored_keys(self._lake.root, overlapping, day, last):
            if found in wanted:
                distinct = {keys[at : at + KEY] for at in range(0, len(keys), KEY)}
                self.held += len(distinct - self._days[found])
                self._days[found] |= distinct


def _touches(part: Part, first: date, last: date) -> bool:
    return part.first.date() <= last and part.last.date() >= first
