"""What a subject did before: the measure of what is unusual for it.

Amounts are judged by the modified z-score (Iglewicz and Hoaglin 1993; NIST e-Handbook of Statistics, 1.3.5.17):
``0.6745 (x - median) / MAD``, of which more than 3.5 is an outlier. Median and MAD, unlike mean and standard
deviation, are not moved by the few wild days that the history itself may hold. Only days and hours with calls count,
so that weekends and nights do not make every working hour unusual.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from statistics import median

import msgspec

from ..model.event import Event
from ..model.time import Window
from .conduct import conduct

#: Days, and hours, with calls that a history must have before amounts, and first addresses, are judged by it.
MIN_DAYS, MIN_HOURS = 5, 12
#: Fewer calls than these are never unusually many.
LEAST_CALLS = 50
#: On so many days a rule must have found something before for it to count as usual for the subject.
USUAL_DAYS = 3
_OUTLIER, _CONSISTENT = 3.5, 0.6745
#: The spread is at least this part of the median: a job that makes 100 calls a day has no spread at all.
_LEAST_SPREAD = 0.1
_LEAST_FACTOR = 2


class Amounts(msgspec.Struct, frozen=True):
    """How many calls a subject made in each of the days or hours in which it made any."""

    counts: tuple[int, ...] = ()

    @property
    def median(self) -> float:
        """The middle amount; 0 without any."""
        return median(self.counts) if self.counts else 0.0

    @property
    def threshold(self) -> float:
        """Above how many calls an amount is unusual."""
        middle = self.median
        spread = median(abs(each - middle) for each in self.counts) if self.counts else 0.0
        outlier = middle + _OUTLIER / _CONSISTENT * max(spread, _LEAST_SPREAD * middle, 1.0)
        return max(outlier, _LEAST_FACTOR * middle, float(LEAST_CALLS - 1))


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What a subject did in a time before the one in question.

    ``addresses`` are the public addresses that it called from (``addresses_cut``: there were more than are here);
    ``days`` and ``hours`` the amounts; ``usual`` on how many days each rule found something, as far back as
    single calls were looked at.
    """

    window: Window
    addresses: frozenset[str] = frozenset()
    addresses_cut: bool = False
    days: Amounts = Amounts()
    hours: Amounts = Amounts()
    usual: Mapping[str, int] = {}

    @property
    def enough(self) -> bool:
        """Whether it has enough days to say what is new."""
        return len(self.days.counts) >= MIN_DAYS


def history_of(
    window: Window,
    *,
    addresses: Iterable[str],
    addresses_cut: bool,
    days: Mapping[date, int],
    hours: Mapping[datetime, int],
    sample: Iterable[Event],
    administrators: frozenset[str] | None,
) -> History:
    """The history from counts by day, by hour and by address, and from a sample of single calls."""
    by_day: dict[date, list[Event]] = defaultdict(list)
    for event in sample:
        by_day[event.time.date()].append(event)
    usual: dict[str, int] = defaultdict(int)
    for events in by_day.values():
        for rule in conduct(events, administrators):
            usual[rule] += 1
    return History(
        window=window,
        addresses=frozenset(addresses),
        addresses_cut=addresses_cut,
        days=Amounts(tuple(count for count in days.values() if count)),
        hours=Amounts(tuple(count for count in hours.values() if count)),
        usual=dict(usual),
    )
