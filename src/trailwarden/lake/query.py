"""What happened: searches over the lake, each a few statements of canonical SQL over the same list of parts.

The first statement of a search reads the columns of the filter, and gives the totals, and the span of the matches'
times and of the sort key; the statements for the page, the facets and the histogram then look only where these
spans say that matches are. A filter that is costly to apply, such as text, is applied to everything only once where
its matches are few: they are then counted here, and the page is read by id. A page's rows are chosen by time and id
alone; engines that can (DuckDB) read the wide columns of just these rows.
"""

import calendar
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import UsageError
from ..model.event import Event, EventPage, EventQuery, FacetValue, Histogram, Order
from ..model.finding import Coverage
from ..model.time import EPOCH, Window
from . import paging, statements
from . import where as conditions
from .coverage import coverage
from .engines import Engine, PartReplaced, Row
from .events import aware, event_of
from .kept import kept
from .layout import COLUMN_NAMES
from .paging import Position
from .statements import Statement
from .summary import (
    BRIEF_COLUMNS,
    FACET_VALUES,
    FACETS,
    GROUPS,
    MICROSECOND,
    By,
    Totals,
    buckets_of_few,
    facets_of,
    facets_of_few,
    histogram_of,
    shown,
    step_of,
    totals_of,
    totals_of_few,
)
from .where import Predicate, every

if TYPE_CHECKING:
    from .manifest import Part
    from .store import Lake

T = TypeVar("T")
#: How many events a page may have.
LARGEST_PAGE = 10_000
#: How many names of one kind a Vocabulary has at most: the most frequent.
VOCABULARY_SIZE = 20_000
#: Up to so many matches are read as rows and counted here; more are counted by the engine.
FEW = 2000
#: A page is looked for piece by piece where the lake holds more than so many records of the window: the first piece
#: is this part of it, and each further one so many times as long as the one before.
PIECEWISE, FIRST_PIECE, GROWTH = 50_000, 32, 6

#: Whatever a table that is not the lake's own may hold.
EVER = Window(EPOCH, datetime(9000, 1, 1, tzinfo=UTC))

_ATTEMPTS = 4


class ValueCount(FacetValue, frozen=True):
    """A value, how many events have it, and when the first and the last of them were."""

    first: datetime
    last: datetime


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """The names that occur in the lake and how many events have each, the most frequent first.

    ``users`` has user names, session names and source identities; ``events`` eventName (``CreateUser``);
    ``sources`` eventSource (``iam.amazonaws.com``).
    """

    users: dict[str, int] = {}
    roles: dict[str, int] = {}
    events: dict[str, int] = {}
    sources: dict[str, int] = {}
    regions: dict[str, int] = {}
    accounts: dict[str, int] = {}


class EventRows(msgspec.Struct, frozen=True, kw_only=True):
    """One page of events alone, nothing counted; ``next_cursor`` is None on the last page, as in an EventPage."""

    events: tuple[Event, ...]
    next_cursor: str | None
    query: EventQuery
    coverage: Coverage


def search(
    lake: "Lake",
    query: EventQuery,
    *,
    now: datetime,
    cursor: str | None = None,
    facets: bool = True,
    histogram: bool = True,
    history: Mapping[str, Sequence[str]] | None = None,
    engine: Engine | None = None,
) -> EventPage:
    """One page of the events that match, with totals over all of them, and the answer's coverage.

    Events are ordered by time, then by event id, then by a digest of the row, so that no two are in doubt.
    ``cursor`` is the ``next_cursor`` of the page before. Records that land between two pages change no page that
    was given: those further along the order appear on a later page, those before the cursor only in a new search;
    ``total`` counts what is in the lake when the page is asked for. ``facets`` and ``histogram`` may be left out,
    as later pages do not need them. ``history``: see :func:`coverage`.

    Raises:
        UsageError: a limit out of bounds, or a filter that cannot be searched for.
        BadCursor: a cursor of another query (filter, window or order), or none at all.
        LakeError: the lake cannot be read.
    """
    _check(query)
    after = paging.position_in(cursor, query) if cursor is not None else None

    def answer() -> EventPage:
        view = _View(lake, query, engine)
        totals = view.totals()
        page, position = view.page(totals, after) if totals.count else ((), None)
        return EventPage(
            events=tuple(event_of(row) for row in page),
            total=totals.count,
            failed=totals.failed,
            first=totals.first,
            last=totals.last,
            next_cursor=paging.cursor_at(query, position) if position is not None else None,
            facets=view.facets(totals) if facets else {},
            histogram=view.histogram(totals) if histogram else None,
            query=query,
            coverage=coverage(lake, query.where, query.window, now=now, history=history),
        )

    return again_if_replaced(answer)


def page(
    lake: "Lake",
    query: EventQuery,
    *,
    now: datetime,
    cursor: str | None = None,
    history: Mapping[str, Sequence[str]] | None = None,
    engine: Engine | None = None,
) -> EventRows:
    """The same page as :func:`search` gives, without what counts all matches: it is there long before.

    Raises:
        UsageError, BadCursor, LakeError: as :func:`search`.
    """
    _check(query)
    after = paging.position_in(cursor, query) if cursor is not None else None

    def answer() -> EventRows:
        view = _View(lake, query, engine, counting=False)
        span = view.held()
        found: Sequence[Row] = ()
        position = None
        if span is not None:
            found, position = view.page(Totals(first=span.start, last=span.end - MICROSECOND), after)
        return EventRows(
            events=tuple(event_of(row) for row in found),
            next_cursor=paging.cursor_at(query, position) if position is not None else None,
            query=query,
            coverage=coverage(lake, query.where, query.window, now=now, history=history),
        )

    return again_if_replaced(answer)


def stream(lake: "Lake", query: EventQuery, *, engine: Engine | None = None) -> Iterator[Event]:
    """Every event that matches, in the query's order; its limit does not apply. Memory stays bounded.

    Raises:
        UsageError: a filter that cannot be searched for.
        LakeError: the lake cannot be read.
    """
    view = _View(lake, query, engine)
    for window in view.months():
        where = every((conditions.within(window), view.where))
        for batch in view.batches(statements.page(where, query.order, None, window)):
            yield from map(event_of, batch)


def counts(
    lake: "Lake", query: EventQuery, *, by: By, most: int = 1000, engine: Engine | None = None
) -> tuple[ValueCount, ...]:
    """How many matching events have each value of ``by``, the ``most`` frequent ones first; None is no value.

    Raises:
        UsageError: ``by`` is nothing to group by, or ``most`` is not positive.
        LakeError: the lake cannot be read.
    """
    if by not in GROUPS:
        raise UsageError(f"events cannot be grouped by {by!r}", remedy=f"group by one of: {', '.join(GROUPS)}")
    if most < 1:
        raise UsageError(f"{most} values", remedy="ask for one value or more")

    def answer() -> tuple[ValueCount, ...]:
        view = _View(lake, query, engine)
        rows = view.rows(statements.counts(view.where, GROUPS[by], most))
        return tuple(ValueCount(shown(row[:-3]), row[-3], aware(row[-2]), aware(row[-1])) for row in rows)

    return again_if_replaced(answer)


def records(lake: "Lake", event_id: str, *, engine: Engine | None = None) -> list[dict[str, Any]]:
    """The raw records with this eventID, whole, oldest first; [] if the lake holds none.

    Raises:
        LakeError: the lake cannot be read.
    """
    from .decode import restore  # noqa: PLC0415

    conditions.check("event_id", (event_id,))

    def answer() -> list[dict[str, Any]]:
        parts = LakeParts(lake, None, "newest", engine)
        rows = parts.rows(statements.whole_records(event_id))
        return [restore(dict(zip(COLUMN_NAMES, row, strict=True))) for row in rows]

    return again_if_replaced(answer)


def vocabulary(lake: "Lake", *, engine: Engine | None = None) -> Vocabulary:
    """The names that occur in the lake. Kept on disk until the lake changes.

    Raises:
        LakeError: the lake cannot be read.
    """

    def make() -> Vocabulary:
        return again_if_replaced(lambda: _vocabulary(LakeParts(lake, None, "newest", engine)))

    return kept(lake, "vocabulary", Vocabulary, make)


class LakeParts:
    """The parts of the lake as they are now (or ``only`` some of them), and the engine that reads them."""

    def __init__(
        self,
        lake: "Lake",
        window: Window | None,
        order: Order,
        engine: Engine | None,
        *,
        only: Sequence["Part"] | None = None,
    ) -> None:
        if engine is None:
            from .engines.duckdb import duckdb_of  # noqa: PLC0415

            engine = duckdb_of(lake.root)
        self._engine = engine
        self._root = lake.root
        parts = only if only is not None else lake.manifest.parts(window, newest_first=order == "newest")
        self.parts: list[Part] = list(parts)

    def rows(self, statement: Statement) -> list[Row]:
        """The rows of a statement; none, not even of counts, where there is nothing to read."""
        files = self._files(statement.window)
        if not files and self._engine.reads_files:
            return []
        return self._engine.rows(statement.sql, statement.params, files)

    def batches(self, statement: Statement) -> Iterator[list[Row]]:
        """The same, some thousands at a time."""
        files = self._files(statement.window)
        if files or not self._engine.reads_files:
            yield from self._engine.batches(statement.sql, statement.params, files)

    def _files(self, window: Window | None) -> list[str]:
        touched = (p for p in self.parts if window is None or (p.first < window.end and p.last >= window.start))
        return [str(self._root / part.path) for part in touched]


class _View(LakeParts):
    """One query over the parts; ``counting``: what all matches have in common will be asked for."""

    def __init__(self, lake: "Lake", query: EventQuery, engine: Engine | None, *, counting: bool = True) -> None:
        super().__init__(lake, query.window, query.order, engine)
        self._query = query
        within = conditions.ANYTHING if query.window is None else conditions.within(query.window)
        self.where = every((within, conditions.predicate(query.where, lambda: self._colon_addresses(within))))
        self._also_failed: dict[int, int] = {}
        self._few: Sequence[Row] | None = None
        if counting and conditions.is_costly(query.where):
            rows = self.rows(statements.some(self.where, BRIEF_COLUMNS, most=FEW + 1))
            self._few = rows if len(rows) <= FEW else None

    def _colon_addresses(self, within: Predicate) -> Iterable[str]:
        return [row[0] for row in self.rows(statements.colon_addresses(within))]

    def totals(self) -> Totals:
        """Counts and spans of all matches."""
        if self._few is not None:
            totals = totals_of_few(self._few)
        else:
            totals = totals_of(self.rows(statements.totals(self.where)))
        self._also_failed = self._failed_sign_ins(totals)
        return msgspec.structs.replace(totals, failed=totals.failed + sum(self._also_failed.values()))

    def page(self, totals: Totals, after: Position | None) -> tuple[list[Row], Position | None]:
        """The rows after a position, and the position of the last of them if there are more."""
        limit = self._query.limit
        page: list[Row] = []
        if after is not None and after.digest:
            tied = self._tied(totals, after)
            page = paging.rest_of_tie(tied, after)
            if len(page) > limit:
                return page[:limit], paging.within_tie(tied, len(tied) - len(page) + limit)
        rows = self._ordered(totals, after, limit - len(page) + 1)
        if len(page) + len(rows) <= limit:
            return page + paging.in_order(rows), None
        *shown, following = rows
        if not shown:  # the page is full with the rest of the tie, and something follows
            return page, paging.at(page[-1])
        if paging.key(shown[-1]) != paging.key(following):
            return page + paging.in_order(shown), paging.at(shown[-1])
        # The page ends inside of a tie, of which the engine gave any rows: take its first ones.
        whole = [row for row in shown if paging.key(row) != paging.key(following)]
        tied = self._tied(totals, paging.at(following))
        taken = len(shown) - len(whole)
        return page + paging.in_order(whole) + tied[:taken], paging.within_tie(tied, taken)

    def facets(self, totals: Totals) -> dict[str, tuple[FacetValue, ...]]:
        """The most frequent values of each facet."""
        few = self._all_if_few(totals)
        if few is not None:
            return facets_of_few(few)
        sets = [GROUPS[facet] for facet in FACETS]
        where = self._narrowed(totals)
        return facets_of(self.rows(statements.frequent(where, sets, most=FACET_VALUES, window=totals.window)))

    def histogram(self, totals: Totals) -> Histogram:
        """The matches over time."""
        if not totals.count:
            return Histogram(1, ())
        step = self._step(totals)
        few = self._all_if_few(totals)
        if few is not None:
            rows: Sequence[Row] = buckets_of_few(few, step)
        else:
            rows = self.rows(statements.histogram(self._narrowed(totals), step, totals.window))
        return histogram_of(rows, step, self._also_failed)

    def months(self) -> list[Window]:
        """The months that may hold matches, cut to the query's window, in its order."""
        asked = self._query.window
        named = {part.month for part in self.parts}
        if not self._engine.reads_files and asked is not None:
            named |= {day.strftime("%Y-%m") for day in asked.days()}
        months = (_month(name) for name in sorted(named, reverse=self._query.order == "newest"))
        cut = (month if asked is None else month.intersect(asked) for month in months)
        return [month for month in cut if month is not None]

    def _all_if_few(self, totals: Totals) -> Sequence[Row] | None:
        """All matches as rows of BRIEF_COLUMNS, if they are few."""
        if self._few is None and totals.count <= FEW:
            self._few = ()
            if totals.count:
                narrowed = self._narrowed(totals)
                self._few = self.rows(statements.some(narrowed, BRIEF_COLUMNS, window=totals.window))
        return self._few

    def _narrowed(self, totals: Totals) -> Predicate:
        """The same matches, with what the totals say about them: engines skip what lies outside."""
        named = Predicate("actor >= ? AND actor <= ?", totals.actors) if totals.actors else conditions.ANYTHING
        return every((conditions.within(totals.window), named, self.where))

    def _ordered(self, totals: Totals, after: Position | None, most: int) -> list[Row]:
        """The first ``most`` matches after a position."""
        span, order = totals.window, self._query.order
        where = self._narrowed(totals)
        if after is not None:
            where = every((paging.beyond(after, order), where))
            known = Window(span.start, max(span.start, after.time + MICROSECOND))
            cut = span.intersect(known if order == "newest" else Window(after.time, max(after.time, span.end)))
            if cut is None:
                return []
            span = cut
        if self._few is not None and conditions.is_costly(self._query.where):
            where = every((self._ids(self._few, after, most), where))
        found: list[Row] = []
        for piece in self._pieces(span):
            within = every((conditions.within(piece), where))
            found += self.rows(statements.page(within, order, most - len(found), piece))
            if len(found) >= most:
                break
        return found

    def _pieces(self, span: Window) -> Iterator[Window]:
        """A span in the query's order: a short piece where the matches asked for probably are, then longer ones."""
        held = sum(part.records for part in self.parts if part.first < span.end and part.last >= span.start)
        newest, length = self._query.order == "newest", span.length / FIRST_PIECE
        start, end = span.start, span.end
        while held > PIECEWISE and end - start > length >= MICROSECOND:
            yield Window(end - length, end) if newest else Window(start, start + length)
            start, end = (start, end - length) if newest else (start + length, end)
            length *= GROWTH
        yield Window(start, end)

    def _ids(self, matches: Sequence[Row], after: Position | None, most: int) -> Predicate:
        """The ids of the first ``most`` matches after a position: what is cheap to look for a second time."""
        keys = sorted({(row[0], row[1]) for row in matches}, reverse=self._query.order == "newest")
        if after is not None:
            at = (after.time.replace(tzinfo=None), after.event_id)
            keys = [key for key in keys if (key < at if self._query.order == "newest" else key > at)]
        ids = tuple(dict.fromkeys(event_id for _, event_id in keys[:most]))
        return Predicate(f"event_id IN ({', '.join('?' * len(ids))})", ids) if ids else conditions.NOTHING

    def _tied(self, totals: Totals, position: Position) -> list[Row]:
        """All matches with the time and id of a position, in their order."""
        instant = Window(position.time, position.time + MICROSECOND)
        return paging.by_digest(self.rows(statements.one_event(self._narrowed(totals), position.event_id, instant)))

    def _failed_sign_ins(self, totals: Totals) -> dict[int, int]:
        """Failures that only a JSON column tells, by bucket: looked up apart, as few records are sign-ins."""
        if not totals.sign_ins:
            return {}
        rows = self.rows(statements.failed_sign_ins(self._narrowed(totals), self._step(totals), totals.window))
        return dict(rows)

    def _step(self, totals: Totals) -> int:
        return step_of(self._span(totals).length)

    def _span(self, totals: Totals) -> Window:
        """What the histogram spans: the window, as far as the lake reaches; without one, the matches."""
        held = self.held() if self._query.window is not None else None
        return held or totals.window

    def held(self) -> Window | None:
        """The query's window, as far as the lake reaches."""
        asked = self._query.window
        if not self._engine.reads_files:
            return asked or EVER
        if not self.parts:
            return None
        held = Window(min(p.first for p in self.parts), max(p.last for p in self.parts) + MICROSECOND)
        return held if asked is None else asked.intersect(held)


def _check(query: EventQuery) -> None:
    if not 1 <= query.limit <= LARGEST_PAGE:
        raise UsageError(f"a page of {query.limit} events", remedy=f"ask for 1 to {LARGEST_PAGE:,}")


def again_if_replaced(answer: Callable[[], T]) -> T:
    """Compaction may replace a part after the manifest was read; the next reading knows its successor."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(PartReplaced):
            return answer()
    return answer()


def _month(text: str) -> Window:
    start = datetime(int(text[:4]), int(text[5:7]), 1, tzinfo=UTC)
    return Window(start, start + timedelta(days=calendar.monthrange(start.year, start.month)[1]))


def _vocabulary(parts: LakeParts) -> Vocabulary:
    kinds = {
        "user_name": "users", "session_name": "users", "source_identity": "users", "role_name": "roles",
        "event_name": "events", "event_source": "sources", "aws_region": "regions", "account_id": "accounts",
    }  # fmt: skip
    sets = [(column,) for column in kinds]
    rows = parts.rows(statements.frequent(conditions.ANYTHING, sets, most=VOCABULARY_SIZE, window=None))
    known: dict[str, dict[str, int]] = {kind: {} for kind in kinds.values()}
    for number, count, *values in sorted(rows, key=lambda row: -row[1]):
        kind, name = list(kinds.values())[number], values[number]
        if name is not None:
            known[kind].setdefault(name, count)
    return Vocabulary(**known)
