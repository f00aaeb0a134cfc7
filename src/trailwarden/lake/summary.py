"""Summaries of matching events: totals, facets and histograms, from their rows where there are few.

The statements of ``statements.py`` compute the same for any number of matches; reading the lake once for a few
rows, and counting them here, is several times faster than reading it once for each kind of count.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from ..model.event import Bucket, FacetValue, Histogram
from ..model.time import Window
from .engines import Row
from .events import aware
from .statements import BUCKET_ORIGIN
from .where import SIGN_IN_SOURCES

By = Literal[
    "event", "principal", "source_ip", "region", "account", "error", "access_key", "user_agent",
    "source", "user", "session", "role", "source_identity", "principal_type",
]  # fmt: skip

#: How many values of a facet an EventPage shows.
FACET_VALUES = 10
#: What events can be grouped by, as columns; an event's name is that of two columns.
GROUPS: Mapping[By, tuple[str, ...]] = {
    "event": ("event_source", "event_name"),
    "principal": ("actor",),
    "source_ip": ("source_ip",),
    "region": ("aws_region",),
    "account": ("account_id",),
    "error": ("error_code",),
    "access_key": ("access_key_id",),
    "user_agent": ("user_agent",),
    "source": ("event_source",),
    "user": ("user_name",),
    "session": ("session_name",),
    "role": ("role_name",),
    "source_identity": ("source_identity",),
    "principal_type": ("user_type",),
}
#: The facets of an EventPage.
FACETS: tuple[By, ...] = (
    "event", "principal", "source_ip", "region", "account", "error", "access_key", "user_agent",
)  # fmt: skip
#: The columns of all facets, each once.
FACET_COLUMNS: tuple[str, ...] = tuple(dict.fromkeys(column for facet in FACETS for column in GROUPS[facet]))
#: The columns of the rows that are counted here; after them comes whether the call failed.
BRIEF_COLUMNS: tuple[str, ...] = ("event_time", "event_id", *FACET_COLUMNS)

MICROSECOND = timedelta(microseconds=1)
_FAILED = len(BRIEF_COLUMNS)
_AT = {name: place for place, name in enumerate(BRIEF_COLUMNS)}
_MOST_BUCKETS = 80
_HOUR, _DAY = 3600, 86_400
_STEPS = (
    1, 5, 15, 30, 60, 300, 900, 1800, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 7 * _DAY, 28 * _DAY,
)  # fmt: skip


class Totals(msgspec.Struct, frozen=True):
    """What holds for all matches; ``actors`` bounds the sort key, if all have one, and ``sign_ins`` counts those
    among them that may have failed without an error."""

    count: int = 0
    failed: int = 0
    first: datetime | None = None
    last: datetime | None = None
    actors: tuple[str, str] | None = None
    sign_ins: int = 0

    @property
    def window(self) -> Window:
        """From the first to the last match, of which there must be one."""
        assert self.first is not None
        assert self.last is not None
        return Window(self.first, self.last + MICROSECOND)


def totals_of(rows: Sequence[Row]) -> Totals:
    """Totals from the row of ``statements.totals``, if there is one."""
    if not rows or not rows[0][0]:
        return Totals()
    count, failed, first, last, named, low, high, sign_ins = rows[0]
    return Totals(count, failed, aware(first), aware(last), (low, high) if named == count else None, sign_ins)


def totals_of_few(rows: Sequence[Row]) -> Totals:
    """Totals from all matches, as rows of BRIEF_COLUMNS."""
    if not rows:
        return Totals()
    times = [row[_AT["event_time"]] for row in rows]
    actors = [row[_AT["actor"]] for row in rows]
    return Totals(
        len(rows),
        sum(row[_FAILED] for row in rows),
        aware(min(times)),
        aware(max(times)),
        (min(actors), max(actors)) if None not in actors else None,
        sum(row[_AT["event_source"]] in SIGN_IN_SOURCES for row in rows),
    )


def facets_of(rows: Sequence[Row]) -> dict[str, tuple[FacetValue, ...]]:
    """Facets from the rows of ``statements.frequent`` over FACETS: the place of a facet, a count, FACET_COLUMNS."""
    values: dict[str, tuple[FacetValue, ...]] = {}
    for number, facet in enumerate(FACETS):
        places = [2 + FACET_COLUMNS.index(column) for column in GROUPS[facet]]
        mine = (row for row in rows if row[0] == number)
        values[facet] = tuple(FacetValue(shown([row[place] for place in places]), row[1]) for row in mine)
    return values


def facets_of_few(rows: Sequence[Row]) -> dict[str, tuple[FacetValue, ...]]:
    """Facets from all matches, as rows of BRIEF_COLUMNS."""
    values: dict[str, tuple[FacetValue, ...]] = {}
    for facet in FACETS:
        places = [_AT[column] for column in GROUPS[facet]]
        counted = Counter(tuple(row[place] for place in places) for row in rows)
        frequent = sorted(counted.items(), key=lambda item: (-item[1], [(text is None, text) for text in item[0]]))
        values[facet] = tuple(FacetValue(shown(value), count) for value, count in frequent[:FACET_VALUES])
    return values


def histogram_of(rows: Sequence[Row], step: int, also_failed: Mapping[int, int]) -> Histogram:
    """The histogram from rows of its statement: bucket, matches, failed; ``also_failed`` adds failures by bucket."""
    return Histogram(
        step,
        tuple(
            Bucket(BUCKET_ORIGIN + timedelta(seconds=start), count, failed + also_failed.get(start, 0))
            for start, count, failed in rows
        ),
    )


def buckets_of_few(rows: Sequence[Row], step: int) -> list[Row]:
    """The rows of the histogram's statement from all matches, as rows of BRIEF_COLUMNS."""
    origin = BUCKET_ORIGIN.replace(tzinfo=None)
    counted: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    for row in rows:
        second = (row[_AT["event_time"]] - origin) // timedelta(seconds=1)
        counted[second - second % step] += 1
        failed[second - second % step] += row[_FAILED]
    return [(start, count, failed[start]) for start, count in sorted(counted.items())]


def step_of(span: timedelta) -> int:
    """The smallest step of which _MOST_BUCKETS reach over a span, in seconds."""
    needed = span.total_seconds() / _MOST_BUCKETS
    step = next((step for step in _STEPS if step >= needed), None)
    return step if step is not None else _STEPS[-1] * -int(-needed // _STEPS[-1])


def shown(values: Sequence[str | None]) -> str | None:
    """A group's value: ``iam:CreateUser`` for an event, else as it is."""
    if len(values) == 1:
        return values[0]
    source, name = values
    if source is None or name is None:
        return name
    return f"{source.removesuffix('.amazonaws.com')}:{name}"
