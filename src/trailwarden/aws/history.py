"""Event history: what CloudTrail keeps of every account for 90 days, fetched into the lake by LookupEvents.

Two requests a second for each account and Region, 50 events a page, newest first, one attribute to look up by,
management events only: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from ..errors import AccessDenied, AwsError, TrailwardenError
from ..model.event import EventFilter, EventQuery
from ..model.finding import Gap
from ..model.time import DELIVERY_DELAY, HISTORY_REACH, Window, format_duration
from ..progress import Progress, Task
from .connection import Connection
from .lookup import REQUEST_INTERVAL, Lookup, Pacer, Page, pages, whole_seconds
from .pushdown import Attribute, known_spellings, pushdown

if TYPE_CHECKING:
    from ..lake.store import Lake
    from .broker import Broker

#: Account × Regions that are asked at the same time.
MOST_WORKERS = 64
LOCATION = "event history"
_LAND_AT = 10_000
_SECOND = timedelta(seconds=1)


class HistoryReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked and what came: ``requests`` counts the pages, ``records`` the events in them, ``new`` those that
    the lake did not hold. ``looked_at`` has the Regions of each account that event history was asked of without
    refusal or failure, now or before; ``accounts`` and ``regions`` are all that occur in it.
    """

    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()
    requests: int = 0
    records: int = 0
    new: int = 0
    looked_at: Mapping[str, tuple[str, ...]] = {}
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


def fetch_history(
    broker: "Broker",
    lake: "Lake",
    query: EventQuery,
    *,
    accounts: Sequence[str],
    now: datetime,
    progress: Progress,
    exhaustive: bool = False,
    workers: int = MOST_WORKERS,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] | None = None,
) -> HistoryReport:
    """Fetch into the lake what event history holds of the query's window and filter, and the lake has not yet.

    ``accounts`` are the ids of connected accounts; the filter may narrow them. A query without a window means the 90
    days that event history holds. All accounts and enabled Regions are asked at once, each at its own pace; the
    calling thread alone writes to the lake. What was fetched is recorded, so that it is not fetched again, except the
    last 15 minutes before ``now``, which may not be complete yet. ``exhaustive``: look up only by what misses nothing.
    Ctrl-C keeps what came and leaves gaps. ``sleep`` is for tests; the default wakes when the fetch is stopped.

    Raises:
        LakeError, Busy: the lake cannot be written; what AWS refuses becomes a gap.
    """
    fetch = _Fetch(broker, lake, query, now=now, exhaustive=exhaustive, monotonic=monotonic, sleep=sleep)
    with progress.task("Event history", unit="requests") as task:
        fetch.run(accounts, workers, task)
    fetch.tidy(progress)
    return fetch.report()


class _Regions(msgspec.Struct, frozen=True):
    """The Regions of an account that are to be asked, and those named that are not enabled."""

    account: str
    regions: tuple[str, ...]
    disabled: tuple[str, ...] = ()


class _Failed(msgspec.Struct, frozen=True):
    account: str
    region: str | None
    error: TrailwardenError


class _Ended(msgspec.Struct, frozen=True):
    """A job is over; ``broken`` if by a defect, which its thread has shown."""

    broken: bool


_Message = _Regions | _Failed | _Ended | Page


class _Crew:
    """Daemon threads that run jobs, and one queue for what those yield. A person who stops need not wait for them."""

    def __init__(self, most: int) -> None:
        self.messages: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self.stop = threading.Event()
        self._jobs: queue.SimpleQueue[Callable[[], Iterator[_Message]] | None] = queue.SimpleQueue()
        self._most = most
        self._threads = 0
        self.running = 0

    def add(self, job: Callable[[], Iterator[_Message]]) -> None:
        self.running += 1
        self._jobs.put(job)
        if self._threads < min(self._most, self.running):
            self._threads += 1
            threading.Thread(target=self._work, name=f"history-{self._threads}", daemon=True).start()

    def dismiss(self) -> None:
        self.stop.set()
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            broken = True
            try:
                for message in job():
                    self.messages.put(message)
                broken = False
            finally:
                self.messages.put(_Ended(broken))


class _Progress:
    """How far the look-ups are, from how much of their windows has come."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._made: dict[Lookup, int] = {}
        self._expected: dict[Lookup, float] = {}
        self._total = 0.0
        #: Requests still expected of each account and Region; the slowest of them is done last.
        self._left: dict[tuple[str, str], float] = {}

    def planned(self, lookups: Iterable[Lookup]) -> None:
        for lookup in lookups:
            self._expect(lookup, 1.0)
        self._task.total(self._total)

    def came(self, page: Page, events: int) -> None:
        lookup = page.lookup
        made = self._made[lookup] = self._made.get(lookup, 0) + 1
        share = (lookup.window.end - page.reached) / lookup.window.length
        self._left[lookup.account, lookup.region] -= 1
        self._expect(lookup, made / share if share > 0 else made + 1.0)
        self._task.total(self._total)
        remaining = timedelta(seconds=max(self._left.values()) * REQUEST_INTERVAL)
        self._task.advance(
            1, note=f"{lookup.account} {lookup.region}: {events:,} events, about {format_duration(remaining)} left"
        )

    def _expect(self, lookup: Lookup, requests: float) -> None:
        more = requests - self._expected.get(lookup, 0.0)
        where = (lookup.account, lookup.region)
        self._expected[lookup] = requests
        self._total += more
        self._left[where] = self._left.get(where, 0.0) + more


class _Fetch:
    """One run of fetch_history; everything but the jobs runs in the calling thread."""

    def __init__(
        self,
        broker: "Broker",
        lake: "Lake",
        query: EventQuery,
        *,
        now: datetime,
        exhaustive: bool,
        monotonic: Callable[[], float],
        sleep: Callable[[float], object] | None,
    ) -> None:
        self._broker = broker
        self._lake = lake
        self._where = query.where
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep
        horizon = whole_seconds(Window(now - HISTORY_REACH, now))
        asked = whole_seconds(query.window) if query.window is not None else horizon
        self._asked = asked.intersect(horizon)
        self._too_old = asked.intersect(Window(min(asked.start, horizon.start), horizon.start))
        self._pushdown = pushdown(query.where, spellings=known_spellings(lake), exhaustive=exhaustive)
        self._regions: dict[str, tuple[str, ...] | None] = {}
        self._errors: dict[tuple[str, str | None], TrailwardenError] = {}
        self._pending: list[Page] = []
        #: Down to where the pages of a look-up have come without a break, and down to where that is recorded.
        self._reached: dict[Lookup, datetime] = {}
        self._recorded: dict[Lookup, datetime] = {}
        self._gaps: list[Gap] = []
        self._notes: list[str] = []
        self._interrupted = False
        self._requests = self._records = self._new = 0

    def run(self, accounts: Sequence[str], workers: int, task: Task) -> None:
        connections = {c.account_id: c for c in reversed(self._broker.connections.list(purpose="read"))}
        crew = _Crew(workers)
        progress = _Progress(task)
        try:
            for account in dict.fromkeys(accounts):
                if not _in_scope(account, self._where.account, _excluded(self._where, "account")):
                    continue
                if account not in connections:
                    self._gaps.append(_not_connected(account))
                else:
                    self._regions[account] = None
                    crew.add(_regions_job(self._broker, connections[account], self._where))
            while crew.running:
                message = crew.messages.get()
                self._take(message, crew, connections, progress)
                if sum(len(page.records) for page in self._pending) >= _LAND_AT:
                    self._land()
        except KeyboardInterrupt:
            self._interrupted = True
        finally:
            crew.dismiss()
        while self._interrupted and not crew.messages.empty():
            message = crew.messages.get()
            if isinstance(message, Page):
                self._page(message)
            elif isinstance(message, _Failed):
                self._errors[message.account, message.region] = message.error
        self._land()

    def tidy(self, progress: Progress) -> None:
        """Merge the small parts that landing leaves, if they are many."""
        if self._new and not self._interrupted:
            from ..lake.compact import compact_if_due  # noqa: PLC0415

            compact_if_due(self._lake, progress=progress, now=self._now)

    def _take(self, message: _Message, crew: _Crew, connections: Mapping[str, Connection], progress: _Progress) -> None:
        match message:
            case Page():
                self._page(message)
                progress.came(message, self._records)
            case _Regions(account=account, regions=regions, disabled=disabled):
                self._regions[account] = regions
                if disabled:
                    self._notes.append(f"not enabled in account {account}, and not asked: {', '.join(disabled)}")
                for region in regions:
                    lookups = self._plan(account, region)
                    self._reached.update((lookup, lookup.window.end) for lookup in lookups)
                    progress.planned(lookups)
                    if lookups:
                        pacer = Pacer(sleep=self._sleep or crew.stop.wait, monotonic=self._monotonic)
                        crew.add(_lookups_job(self._broker, connections[account], lookups, pacer, crew.stop.is_set))
            case _Failed(account=account, region=region, error=error):
                self._errors[account, region] = error
            case _Ended(broken=broken):
                crew.running -= 1
                if broken:
                    raise RuntimeError("a look-up ended by a defect; its traceback stands above")

    def _plan(self, account: str, region: str) -> list[Lookup]:
        """What of the asked window is missing here, the newest first."""
        missing = self._unfetched(account, region, self._asked) if self._asked is not None else ()
        lookups = [Lookup(account, region, attribute, window) for attribute, window in missing]
        return sorted(lookups, key=lambda lookup: lookup.window.end, reverse=True)

    def _unfetched(self, account: str, region: str, window: Window) -> Iterator[tuple[Attribute | None, Window]]:
        for attribute in self._pushdown.attributes or (None,):
            for missing in window.subtract(self._lake.manifest.fetched(account, region, attribute)):
                yield attribute, missing

    def _page(self, page: Page) -> None:
        self._pending.append(page)
        self._requests += 1
        self._records += len(page.records)
        if page.above == self._reached[page.lookup]:  # else Ctrl-C lost a page, and nothing below it may be claimed
            self._reached[page.lookup] = page.reached

    def _land(self) -> None:
        """Put what came into the lake, then record it as fetched: a crash in between costs requests, not events."""
        from ..lake.ingest import land  # noqa: PLC0415

        records = [record for page in self._pending for record in page.records]
        if records:
            self._new += land(self._lake, records, source="event_history", location=LOCATION, now=self._now).new
        settled = self._now - DELIVERY_DELAY
        for lookup in {page.lookup for page in self._pending}:
            reached = self._reached[lookup]
            until = min(self._recorded.get(lookup, lookup.window.end), settled)
            if reached < until:
                fetched = Window(reached, until)
                self._lake.manifest.record_fetched(lookup.account, lookup.region, lookup.attribute, fetched, self._now)
                self._recorded[lookup] = reached
        self._pending = []

    def report(self) -> HistoryReport:
        looked_at = {
            account: tuple(sorted(region for region in regions or () if (account, region) not in self._errors))
            for account, regions in self._regions.items()
        }
        return HistoryReport(
            gaps=(*self._gaps, *self._unfinished(), *self._out_of_reach()),
            notes=tuple(dict.fromkeys((*self._standing_notes(), *self._notes))),
            requests=self._requests,
            records=self._records,
            new=self._new,
            looked_at={account: regions for account, regions in looked_at.items() if regions},
            accounts=tuple(sorted(account for account, regions in looked_at.items() if regions)),
            regions=tuple(sorted({region for regions in looked_at.values() for region in regions})),
        )

    def _standing_notes(self) -> Iterator[str]:
        yield "event history holds management events only: data events, such as s3:GetObject, are in trails alone"
        yield from self._pushdown.notes
        if self._asked is not None and self._asked.end > self._now - DELIVERY_DELAY:
            yield (
                "CloudTrail delivers an event within about 5 minutes, at most 15: the last 15 minutes may be "
                "incomplete, and are asked for again next time"
            )

    def _unfinished(self) -> Iterator[Gap]:
        """One gap for each account and Region that was not fetched whole, and one for all Regions alike."""
        for account, regions in self._regions.items():
            missing = {region: self._missing(account, region) for region in regions or ()}
            failed = self._errors.get((account, None))
            if regions is None and (failed is not None or self._interrupted):
                yield _gap(failed, account, None, self._asked)
            open_ones = {region: window for region, window in missing.items() if window is not None}
            errors = [self._errors.get((account, region)) for region in open_ones]
            codes = {error.code if isinstance(error, AwsError) else type(error).__name__ for error in errors}
            if len(open_ones) > 1 and len(open_ones) == len(missing) and len(codes) == 1:
                yield _gap(errors[0], account, None, _hull(open_ones.values()))
            else:
                for (region, window), error in zip(open_ones.items(), errors, strict=True):
                    yield _gap(error, account, region, window)

    def _missing(self, account: str, region: str) -> Window | None:
        return _hull(
            Window(lookup.window.start, reached)
            for lookup, reached in self._reached.items()
            if (lookup.account, lookup.region) == (account, region) and lookup.window.start < reached
        )

    def _out_of_reach(self) -> Iterator[Gap]:
        """The part of the window that is older than event history, where nothing else in the lake covers it."""
        if self._too_old is None:
            return
        archived: dict[tuple[str, str], list[Window]] = {}
        for span in self._lake.manifest.source_spans():
            if span.source != "event_history":
                held = Window(span.first, span.last + _SECOND)
                archived.setdefault((span.account_id, span.aws_region), []).append(held)
        for account, regions in self._regions.items():
            left = _hull(
                missing
                for region in regions or ()
                for _, unfetched in self._unfetched(account, region, self._too_old)
                for missing in unfetched.subtract(archived.get((account, region), []))
            )
            if left is not None:
                yield Gap(
                    kind="out_of_reach",
                    reason=f"event history reaches back {HISTORY_REACH.days} days",
                    account=account,
                    window=left,
                    remedy="read the trail's archive: trailwarden ingest s3://BUCKET/PREFIX",
                )


def _regions_job(broker: "Broker", connection: Connection, where: EventFilter) -> Callable[[], Iterator[_Message]]:
    """Tells which Regions of the account are to be asked. If AWS does not show them, those named by the filter are."""

    def job() -> Iterator[_Message]:
        account = connection.account_id
        excluded = _excluded(where, "region")
        try:
            known = broker.enabled_regions(connection)
        except AccessDenied as error:
            entered = error.operation != "sts:AssumeRole"
            if not entered or not where.region or any("*" in name for name in where.region):
                yield _Failed(account, None, error)
                return
            named = tuple(dict.fromkeys(name.lower() for name in where.region))
            yield _Regions(account, tuple(name for name in named if _in_scope(name, (), excluded)))
        except TrailwardenError as error:
            yield _Failed(account, None, error)
        else:
            named = tuple(name.lower() for name in where.region if "*" not in name)
            yield _Regions(
                account,
                tuple(region for region in known.enabled if _in_scope(region, where.region, excluded)),
                tuple(name for name in named if name not in known.enabled),
            )

    return job


def _lookups_job(
    broker: "Broker", connection: Connection, lookups: Sequence[Lookup], pacer: Pacer, stopped: Callable[[], bool]
) -> Callable[[], Iterator[_Message]]:
    """Fetches the look-ups of one account and Region, one after the other, for they share one rate."""

    def job() -> Iterator[_Message]:
        account, region = lookups[0].account, lookups[0].region
        try:
            client = broker.client(connection, "cloudtrail", region)
            for lookup in lookups:
                yield from pages(client, lookup, pacer, stopped)
        except TrailwardenError as error:
            yield _Failed(account, region, error)

    return job


def _in_scope(name: str, wanted: Sequence[str], excluded: Sequence[str]) -> bool:
    def matches(pattern: str) -> bool:
        return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.IGNORECASE) is not None

    return (not wanted or any(map(matches, wanted))) and not any(map(matches, excluded))


def _excluded(where: EventFilter, field: str) -> Sequence[str]:
    """Values of an exclusion: each of its fields rejects on its own."""
    return getattr(where.exclude, field) if where.exclude is not None else ()


def _hull(windows: Iterable[Window]) -> Window | None:
    found = list(windows)
    return Window(min(w.start for w in found), max(w.end for w in found)) if found else None


def _not_connected(account: str) -> Gap:
    return Gap(
        kind="not_covered",
        reason=f"account {account} is not connected: its event history was not asked",
        account=account,
        remedy="connect it: trailwarden accounts connect",
    )


def _gap(error: TrailwardenError | None, account: str, region: str | None, window: Window | None) -> Gap:
    """Why this was not fetched; without an error the person stopped it."""
    if error is None:
        return Gap(
            kind="interrupted",
            reason="stopped before all of it was fetched",
            account=account,
            region=region,
            window=window,
            remedy="ask again: what came is kept, and the rest is fetched",
        )
    return Gap(
        kind="denied" if isinstance(error, AccessDenied) else "failed",
        reason=error.message,
        account=account,
        region=region,
        window=window,
        remedy=error.remedy,
    )
