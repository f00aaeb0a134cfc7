"""Pages, facets, histograms, exports, raw records and the vocabulary: the answer around the events."""

import tempfile
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import lake_read_records as the
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_read_records import NOW, Facts, record

from trailwarden.errors import BadCursor, UsageError
from trailwarden.lake.engines import Row
from trailwarden.lake.paging import window_of
from trailwarden.lake.query import EventRows, LakeParts, page, records, search, stream, vocabulary
from trailwarden.lake.statements import Statement
from trailwarden.lake.store import Lake
from trailwarden.lake.summary import FACET_VALUES, FACETS
from trailwarden.model.event import EventFilter, EventPage, EventQuery, Order
from trailwarden.model.time import Window

RECORDS = the.random_records(seed=5, count=500)
FACTS = sorted((Facts(each) for each in RECORDS), key=lambda facts: facts.order)
EVERYTHING = EventFilter()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with the.build(tmp_path_factory.mktemp("pages") / "lake", RECORDS) as lake:
        yield lake


def pages(lake: Lake, query: EventQuery) -> Iterator[EventPage]:
    cursor = None
    while True:
        page = search(lake, query, now=NOW, cursor=cursor, facets=False, histogram=False)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return


def all_ids(lake: Lake, query: EventQuery) -> list[str]:
    return [event.event_id for page in pages(lake, query) for event in page.events]


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize(("limit", "few"), [(1, 2000), (21, 0), (100, 2000), (499, 0), (500, 2000), (501, 0)])
def test_pages_have_no_gaps_and_no_repeats(
    lake: Lake, order: Order, limit: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trailwarden.lake.query.FEW", few)
    where = EventFilter(region=("us-east-1",), event=("kms:*",)) if limit == 1 else EVERYTHING
    expected = [facts.record["eventID"] for facts in FACTS if the.matches(facts, where)]
    query = EventQuery(where=where, window=None, order=order, limit=limit)
    got = list(pages(lake, query))
    assert [event.event_id for page in got for event in page.events] == (
        expected if order == "oldest" else expected[::-1]
    )
    assert all(len(page.events) == limit for page in got[:-1])
    assert {page.total for page in got} == {len(expected)}
    assert got[-1].events


@pytest.mark.parametrize(("limit", "few"), [(1, 0), (2, 2000), (3, 0), (5, 2000), (6, 0), (100, 2000)])
def test_records_that_share_id_and_time_are_each_given_once(
    tmp_path: Path, limit: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trailwarden.lake.query.FEW", few)
    masked = [
        record(7, eventName=f"Event{number // 2}", awsRegion=f"r-{number}", eventTime=f"2026-11-20T10:00:0{second}Z")
        for second in (0, 1)
        for number in range(10)
    ]
    with Lake.open(tmp_path / "lake") as lake:
        the.add(lake, [record(1), *masked, record(9, eventTime="2026-11-20T10:00:01Z")])
        total = search(lake, EventQuery(where=EVERYTHING, window=None), now=NOW).total
        query = EventQuery(where=EVERYTHING, window=None, limit=limit)
        events = [event for page in pages(lake, query) for event in page.events]
        assert len(events) == len({(e.event_id, e.time, e.name, e.region) for e in events}) == total
        assert total >= 12
        assert [e.time for e in events] == sorted((e.time for e in events), reverse=True)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=25), st.integers(1, 6))
def test_pages_over_any_ties(times_and_ids: list[tuple[int, int]], limit: int) -> None:
    made = [
        record(number, eventTime=f"2026-11-20T10:00:0{second}Z", eventName=f"Event{place}")
        for place, (second, number) in enumerate(times_and_ids)
    ]
    with tempfile.TemporaryDirectory() as folder, the.build(Path(folder) / "lake", made) as lake:
        orders: tuple[Order, ...] = ("newest", "oldest")
        for order in orders:
            query = EventQuery(where=EVERYTHING, window=None, order=order, limit=limit)
            events = [event for page in pages(lake, query) for event in page.events]
            keys = [(event.time, event.event_id) for event in events]
            assert keys == sorted(keys, reverse=order == "newest")
            assert sorted(event.name or "" for event in events) == sorted(each["eventName"] for each in made)


def pages_alone(lake: Lake, query: EventQuery) -> Iterator[EventRows]:
    cursor = None
    while True:
        rows = page(lake, query, now=NOW, cursor=cursor)
        yield rows
        cursor = rows.next_cursor
        if cursor is None:
            return


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.sampled_from(("newest", "oldest")),
    limit=st.integers(40, 300),
    where=st.sampled_from(
        (
            EVERYTHING,
            EventFilter(region=("us-east-1",)),
            EventFilter(event=("kms:*",), failed=True),
            EventFilter(text=("example",)),
            EventFilter(user=("nobody-at-all",)),
        )
    ),
    window=st.sampled_from((None, Window(the.START, NOW), Window(NOW, NOW + timedelta(days=1)))),
    growth=st.integers(2, 6),
)
def test_a_page_alone_is_the_page_of_the_search(
    lake: Lake, *, order: Order, limit: int, where: EventFilter, window: Window | None, growth: int
) -> None:
    query = EventQuery(where=where, window=window, order=order, limit=limit)
    expected = [each.event_id for answer in pages(lake, query) for each in answer.events]
    with patch("trailwarden.lake.query.PIECEWISE", 0), patch("trailwarden.lake.query.GROWTH", growth):
        alone = list(pages_alone(lake, query))
    assert [each.event_id for answer in alone for each in answer.events] == expected
    assert all(len(answer.events) == limit for answer in alone[:-1])
    assert alone[0].coverage == search(lake, query, now=NOW).coverage


def test_a_page_reads_no_further_than_it_must(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trailwarden.lake.query.PIECEWISE", 0)
    asked: list[Window | None] = []
    rows = LakeParts.rows

    def noted(parts: LakeParts, statement: Statement) -> list[Row]:
        asked.append(statement.window)
        return rows(parts, statement)

    monkeypatch.setattr(LakeParts, "rows", noted)
    page(lake, EventQuery(where=EVERYTHING, window=None, limit=3), now=NOW)
    first, last = FACTS[0].time, FACTS[-1].time
    assert [each is not None and each.end > last and each.start > first for each in asked] == [True] * len(asked)
    asked.clear()
    page(lake, EventQuery(where=EventFilter(user=("nobody-at-all",)), window=None, limit=3), now=NOW)
    assert asked[-1] is not None
    assert asked[-1].start == first


def test_what_lands_between_pages_moves_nothing(tmp_path: Path) -> None:
    def at(number: int, second: int) -> the.Record:
        return record(number, eventTime=f"2026-11-20T10:00:{second:02d}Z")

    with the.build(tmp_path / "lake", [at(second, second) for second in range(10, 20)]) as lake:
        query = EventQuery(where=EVERYTHING, window=None, limit=4)
        first = search(lake, query, now=NOW)
        the.add(lake, [at(90, 50), at(91, 12), at(92, 16)])
        second = search(lake, query, now=NOW, cursor=first.next_cursor)
        third = search(lake, query, now=NOW, cursor=second.next_cursor)
    seconds = [[event.time.second for event in page.events] for page in (first, second, third)]
    assert seconds == [[19, 18, 17, 16], [15, 14, 13, 12], [12, 11, 10]]
    assert (first.total, second.total, third.next_cursor) == (10, 13, None)


def test_a_cursor_belongs_to_its_query(lake: Lake) -> None:
    window = Window(the.START, NOW)
    query = EventQuery(where=EventFilter(region=("us-east-1",)), window=window, limit=3)
    cursor = search(lake, query, now=NOW).next_cursor
    assert cursor is not None
    assert window_of(cursor) == window
    larger = search(lake, msgspec.structs.replace(query, limit=5), now=NOW, cursor=cursor)
    assert len(larger.events) == 5
    for other in (
        msgspec.structs.replace(query, where=EVERYTHING),
        msgspec.structs.replace(query, order="oldest"),
        msgspec.structs.replace(query, window=Window(the.START, NOW - timedelta(seconds=1))),
    ):
        with pytest.raises(BadCursor, match="another search"):
            search(lake, other, now=NOW, cursor=cursor)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "{}",
        "AAAA",
        urlsafe_b64encode(b'[1,"a",null,{"time":"2026-01-01T00:00:00","event_id":""}]').decode(),
    ],
)
def test_what_is_no_cursor_is_refused(lake: Lake, cursor: str) -> None:
    with pytest.raises(BadCursor) as refused:
        search(lake, EventQuery(where=EVERYTHING, window=None), now=NOW, cursor=cursor)
    assert refused.value.remedy


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_limits_are_bounded(lake: Lake, limit: int) -> None:
    with pytest.raises(UsageError):
        search(lake, EventQuery(where=EVERYTHING, window=None, limit=limit), now=NOW)


def test_windows_are_half_open(tmp_path: Path) -> None:
    with the.build(tmp_path / "lake", [record(n, eventTime=f"2026-11-30T23:59:5{n}Z") for n in (7, 8, 9)]) as lake:

        def numbers(start: datetime, end: datetime) -> list[str]:
            query = EventQuery(where=EVERYTHING, window=Window(start, end), order="oldest")
            return [event.event_id[7] for event in search(lake, query, now=NOW).events]

        start = datetime(2026, 11, 30, 23, 59, 57, tzinfo=UTC)
        second = timedelta(seconds=1)
        assert numbers(start, start + 2 * second) == ["7", "8"]
        assert numbers(start + second, start + 3 * second) == ["8", "9"]
        assert numbers(start, start) == []
        assert numbers(start + timedelta(microseconds=1), start + 3 * second) == ["8", "9"]
        assert numbers(start + 2 * second, datetime(2026, 12, 1, tzinfo=UTC)) == ["9"]
        assert numbers(datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)) == []


FACET_OF: dict[str, Callable[[Facts], str | None]] = {
    "event": lambda facts: f"{facts.record['eventSource'].split('.')[0]}:{facts.record['eventName']}",
    "principal": lambda facts: facts.actor,
    "source_ip": lambda facts: facts.record.get("sourceIPAddress"),
    "region": lambda facts: facts.record.get("awsRegion"),
    "account": lambda facts: facts.account,
    "error": lambda facts: facts.record.get("errorCode"),
    "access_key": lambda facts: facts.access_key,
    "user_agent": lambda facts: facts.record.get("userAgent"),
}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        [
            EVERYTHING,
            EventFilter(user=("alice", "bob@*")),
            EventFilter(failed=True),
            EventFilter(event=("signin:*",)),
            EventFilter(source=("none",)),
            EventFilter(exclude=EventFilter(region=("us-east-1",))),
        ]
    ),
    st.none() | st.tuples(st.integers(0, 55), st.integers(1, 40 * 86400)),
    st.sampled_from((0, 2000)),
)
def test_facets_and_histogram_are_of_all_matches(
    lake: Lake, where: EventFilter, span: tuple[int, int] | None, few: int
) -> None:
    window = None
    if span is not None:
        start = the.START + timedelta(days=span[0])
        window = Window(start, start + timedelta(seconds=span[1]))
    expected = [f for f in FACTS if the.matches(f, where) and (window is None or f.time in window)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trailwarden.lake.query.FEW", few)
        page = search(lake, EventQuery(where=where, window=window, limit=1), now=NOW)
    assert set(page.facets) == set(FACETS) == set(FACET_OF)
    for name, values in page.facets.items():
        everything = Counter(FACET_OF[name](facts) for facts in expected)
        shown = {each.value: each.count for each in values}
        ranks = [(-each.count, each.value is None, each.value) for each in values]
        assert name == "event" or ranks == sorted(ranks)
        assert len(shown) == len(values) == min(FACET_VALUES, len(everything))
        assert all(everything[value] == count for value, count in shown.items())
        assert list(shown.values()) == sorted(everything.values(), reverse=True)[:FACET_VALUES]
    histogram = page.histogram
    assert histogram is not None
    assert sum(bucket.count for bucket in histogram.buckets) == page.total == len(expected)
    assert sum(bucket.failed for bucket in histogram.buckets) == page.failed
    assert len(histogram.buckets) <= 82
    assert [bucket.start for bucket in histogram.buckets] == sorted(bucket.start for bucket in histogram.buckets)
    for bucket in histogram.buckets:
        inside = [f for f in expected if bucket.start <= f.time < bucket.start + timedelta(seconds=histogram.step)]
        assert (len(inside), sum(f.failed for f in inside)) == (bucket.count, bucket.failed)


@pytest.mark.parametrize(
    ("span", "step"),
    [
        (0, 1),
        (60, 1),
        (3600, 60),
        (86_400, 1800),
        (7 * 86_400, 10_800),
        (7_776_000, 604_800),
        (777_600_000, 12_096_000),
    ],
)
def test_steps_suit_the_span(tmp_path: Path, span: int, step: int) -> None:
    last = datetime(2026, 11, 20, tzinfo=UTC)
    times = (last - timedelta(seconds=span), last)
    made = [record(number, eventTime=the.written(time)) for number, time in enumerate(times)]
    with the.build(tmp_path / "lake", made) as lake:
        histogram = search(lake, EventQuery(where=EVERYTHING, window=None), now=NOW).histogram
        assert histogram is not None
        assert histogram.step == step
        assert sum(bucket.count for bucket in histogram.buckets) == 2


def test_facets_and_histogram_can_be_left_out(lake: Lake) -> None:
    page = search(lake, EventQuery(where=EVERYTHING, window=None), now=NOW, facets=False, histogram=False)
    assert (page.facets, page.histogram) == ({}, None)


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_an_export_has_every_event_in_order(lake: Lake, order: Order) -> None:
    where = EventFilter(exclude=EventFilter(source=("kms",)))
    window = Window(the.START + timedelta(days=1), the.START + timedelta(days=45))
    query = EventQuery(where=where, window=window, order=order, limit=60)
    assert the.ids(list(stream(lake, query))) == all_ids(lake, query)
    assert sum(1 for _ in stream(lake, EventQuery(where=EVERYTHING, window=None))) == len(FACTS)


def test_events_show_the_record(tmp_path: Path) -> None:
    made = record(
        1,
        userIdentity={
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:sam",
            "arn": "arn:aws:sts::111111111111:assumed-role/Admin/sam",
            "accountId": "111111111111",
            "accessKeyId": "ASIAEXAMPLE000000001",
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::111111111111:role/Admin", "userName": "Admin"},
                "attributes": {"mfaAuthenticated": "true"},
                "sourceIdentity": "sam@example.com",
            },
        },
        requestParameters={"userName": "x", "big": 12345678901234567890},
        responseElements="text",
        resources=[{"ARN": "arn:aws:iam::111111111111:user/x"}, {"arn": "arn:aws:iam::111111111111:user/x"}, {"a": 1}],
        sharedEventID="shared",
    )
    with the.build(tmp_path / "lake", [made]) as lake:
        (event,) = search(lake, EventQuery(where=EVERYTHING, window=None), now=NOW).events
        assert records(lake, made["eventID"]) == [made]
        assert records(lake, "no such id") == []
    assert event.time == datetime(2026, 11, 20, 10, tzinfo=UTC)
    principal = event.principal
    assert (principal.type, principal.name, principal.id) == ("AssumedRole", "Admin", "AROAEXAMPLE:sam")
    assert (event.session_name, event.role_arn) == ("sam", "arn:aws:iam::111111111111:role/Admin")
    assert (event.request, event.response) == (made["requestParameters"], "text")
    assert event.resources == ("arn:aws:iam::111111111111:user/x",)
    assert (event.source_identity, event.mfa, event.shared_event_id) == ("sam@example.com", True, "shared")
    assert (event.account, event.region, event.outcome) == ("111111111111", "us-east-1", "success")


def test_the_vocabulary_follows_the_lake(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "lake") as lake:
        assert vocabulary(lake) == vocabulary(lake)
        assert not vocabulary(lake).users
        the.add(lake, [record(1), record(2), record(3, eventName="CreateUser", awsRegion="eu-west-1")])
        known = vocabulary(lake)
        assert known.users == {"dana": 3}
        assert list(known.events.items()) == [("ListUsers", 2), ("CreateUser", 1)]
        assert known.sources == {"iam.amazonaws.com": 3}
        assert known.regions == {"us-east-1": 2, "eu-west-1": 1}
        assert known.accounts == {"111111111111": 3}
        kept = lake.root / "cache" / "vocabulary.json"
        kept.write_bytes(b"damaged")
        assert vocabulary(lake) == known
        assert b"dana" in kept.read_bytes()


def test_an_empty_lake_answers(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "lake") as lake:
        query = EventQuery(where=EventFilter(ip=("2001:db8::/32",)), window=None)
        page = search(lake, query, now=NOW)
        assert (page.events, page.total, page.failed, page.first, page.next_cursor) == ((), 0, 0, None, None)
        assert set(page.facets) == set(FACETS)
        assert not page.coverage.complete
        assert list(stream(lake, query)) == []
        assert records(lake, "x") == []
