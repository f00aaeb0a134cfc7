"""What is recorded as fetched, whatever is asked in whatever order: never an instant that was not, and none twice."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from trailwarden.aws.broker import EnabledRegions
from trailwarden.aws.connection import Connection
from trailwarden.aws.history import _Fetch, fetch_history
from trailwarden.aws.lookup import Lookup, Pacer, pages, whole_seconds
from trailwarden.errors import AwsError
from trailwarden.lake.store import Lake
from trailwarden.model.event import EventFilter, EventQuery
from trailwarden.model.time import DELIVERY_DELAY, Window

START = datetime(2026, 11, 24, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ACCOUNT, REGION = "111111111111", "eu-central-1"


class OneRegion:
    """Event history of one Region in memory, and the way to it: broker, connections, client and progress in one.

    Events appear in it up to 15 minutes late. Pages hold three events. ``stop_after`` presses Ctrl-C
    when so many pages came; ``fail_after`` lets AWS fail after so many requests.
    """

    page = 3

    def __init__(self, events: Sequence[tuple[int, int, str]]) -> None:
        #: (when it appears, when it happened, name), oldest first
        self.events = sorted(
            ((START + (at + delay) * MINUTE / 4, START + at * MINUTE / 4, name) for at, delay, name in events),
            key=lambda event: event[1],
        )
        self.now = START
        self.asked: list[tuple[Window, str | None]] = []
        self.stop_after: int | None = None
        self.fail_after: int | None = None
        self.requests = 0

    # the client
    def lookup_events(self, **request: Any) -> dict[str, Any]:
        self.requests += 1
        if self.fail_after is not None and self.requests > self.fail_after:
            raise AwsError("LookupEvents failed", code="InternalFailure")
        (wanted,) = [a["AttributeValue"] for a in request.get("LookupAttributes", [])] or [None]
        window = Window(request["StartTime"], request["EndTime"])
        if "NextToken" not in request:
            self.asked.append((window, wanted))
        found = [
            (number, event)
            for number, event in reversed(list(enumerate(self.events)))
            if event[0] <= self.now
            and window.start <= event[1] <= window.end
            and wanted in (None, event[2])
            and number < request.get("NextToken", len(self.events))
        ]
        shown = [
            {"EventTime": when, "CloudTrailEvent": self.record(number)} for number, (_, when, _) in found[: self.page]
        ]
        return {"Events": shown, **({"NextToken": found[self.page - 1][0]} if len(found) > self.page else {})}

    def record(self, number: int) -> str:
        _, when, name = self.events[number]
        identity = {"type": "IAMUser", "userName": "alice", "accountId": ACCOUNT}
        return msgspec.json.encode(
            {
                "eventID": f"00000000-0000-4000-8000-{number:012}",
                "eventTime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
                "eventName": name,
                "eventSource": "iam.amazonaws.com",
                "awsRegion": REGION,
                "recipientAccountId": ACCOUNT,
                "userIdentity": identity,
            }
        ).decode()

    # the broker and its connections
    @property
    def connections(self) -> "OneRegion":
        return self

    def list(self, *, purpose: str) -> list[Connection]:
        role = f"arn:aws:iam::{ACCOUNT}:role/Trailwarden"
        return [
            Connection(
                id="1", account_id=ACCOUNT, role_arn=role, partition="aws", label="", purpose="read", created_at=START
            )
        ]

    def enabled_regions(self, connection: Connection) -> EnabledRegions:
        return EnabledRegions((REGION,), (), "account:ListRegions")

    def client(self, connection: Connection, service: str, region: str) -> "OneRegion":
        return self

    # progress
    @contextmanager
    def task(self, title: str, *, total: float | None = None, unit: str = "") -> Iterator["OneRegion"]:
        self.pages_seen = 0
        yield self

    def total(self, amount: float) -> None:
        pass

    def advance(self, amount: float, *, note: str = "") -> None:
        self.pages_seen += 1
        if self.pages_seen == self.stop_after:
            raise KeyboardInterrupt


NAMES = st.sampled_from(("CreateUser", "DeleteUser"))
# Many share a second, so that pages end within one.
EVENTS = st.lists(st.tuples(st.integers(0, 8).map(lambda n: n * 50), st.integers(0, 59), NAMES), max_size=40)
QUESTIONS = st.lists(
    st.tuples(
        st.integers(0, 100),  # from, in minutes
        st.integers(1, 60),  # so many minutes long
        st.integers(0, 30),  # so much later than the question before
        st.none() | NAMES,
        st.none() | st.integers(1, 4),  # Ctrl-C after so many pages
        st.none() | st.integers(1, 6),  # failure after so many requests
        st.integers(0, 999_999),  # fraction of a second
    ),
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(EVENTS, QUESTIONS)
def test_what_is_recorded_was_fetched_and_is_not_fetched_again(
    events: list[tuple[int, int, str]], questions: list[tuple[int, int, int, str | None, int | None, int | None, int]]
) -> None:
    world = OneRegion(events)
    world.now = START + 40 * MINUTE
    with TemporaryDirectory() as folder, Lake.open(Path(folder) / "lake") as lake:
        for first, length, later, name, stop_after, fail_after, fraction in questions:
            world.now += later * MINUTE
            world.stop_after, world.fail_after, world.requests = stop_after, fail_after, 0
            start = START + first * MINUTE + timedelta(microseconds=fraction)
            where = EventFilter(event=(name,) if name else (), region=(REGION,))
            query = EventQuery(where=where, window=Window(start, start + length * MINUTE))
            before = claims(lake, name)
            world.asked.clear()
            report = fetch_history(
                world,  # type: ignore[arg-type]
                lake,
                query,
                accounts=(ACCOUNT,),
                now=world.now,
                progress=world,
                sleep=lambda _: None,
            )
            for thread in threading.enumerate():
                if thread.name.startswith("history-"):  # Ctrl-C does not wait for them
                    thread.join()
            for window, _ in world.asked:
                # EndTime is inclusive: the borders touch, and nothing more
                assert not any(window.intersect(claim) for claim in before)
            asked = whole_seconds(query.window).intersect(Window(START - MINUTE, world.now)) if query.window else None
            settled = asked.intersect(Window(START - MINUTE, world.now - DELIVERY_DELAY)) if asked else None
            if settled and not report.gaps:
                assert settled.subtract(claims(lake, name)) == []
            held = ids(lake)
            for attribute in (None, "CreateUser", "DeleteUser"):
                for claim in claims(lake, attribute):
                    assert claim.end <= world.now - DELIVERY_DELAY
                    assert {
                        number
                        for number, (_, when, event) in enumerate(world.events)
                        if when in claim and attribute in (None, event)
                    } <= held


def test_nothing_below_a_page_that_was_lost_is_recorded(tmp_path: Path) -> None:
    """Ctrl-C may come between taking a page out of the queue and keeping it."""
    world = OneRegion([(at, 0, "CreateUser") for at in range(0, 80, 4)])
    world.now = START + 60 * MINUTE
    window = Window(START, START + 20 * MINUTE)
    lookup = Lookup(ACCOUNT, REGION, None, window)
    came = list(pages(world, lookup, Pacer(sleep=lambda _: None, monotonic=lambda: 0.0), lambda: False))
    assert len(came) > 3
    with Lake.open(tmp_path / "lake") as lake:
        fetch = _Fetch(
            world,  # type: ignore[arg-type]
            lake,
            EventQuery(where=EventFilter(), window=window),
            now=world.now,
            exhaustive=False,
            monotonic=lambda: 0.0,
            sleep=None,
        )
        fetch._reached[lookup] = window.end
        for page in (came[0], *came[2:]):
            fetch._page(page)
        fetch._land()
        assert claims(lake, None) == [Window(came[0].reached, window.end)]
        assert len(ids(lake)) == len(world.events) - 3


def test_windows_are_widened_to_whole_seconds() -> None:
    half = timedelta(milliseconds=500)
    second = timedelta(seconds=1)
    assert whole_seconds(Window(START + half, START + second + half)) == Window(START, START + 2 * second)
    assert whole_seconds(Window(START, START + second)) == Window(START, START + second)


def claims(lake: Lake, name: str | None) -> list[Window]:
    return lake.manifest.fetched(ACCOUNT, REGION, ("EventName", name) if name else None)


def ids(lake: Lake) -> set[int]:
    """The numbers of the events that the lake holds."""
    return {
        int(str(event_id)[-12:])
        for part in lake.manifest.parts()
        for event_id in pq.read_table(lake.path(part), columns=["event_id"])["event_id"].to_pylist()
    }
