"""Coverage: nothing found and not looked are different answers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lake_read_records import NOW, Record, record, written

from trailwarden.lake.coverage import coverage
from trailwarden.lake.ingest import land
from trailwarden.lake.query import search
from trailwarden.lake.store import Lake
from trailwarden.model.event import EventFilter, EventQuery
from trailwarden.model.finding import Coverage, SourceKind
from trailwarden.model.time import DELIVERY_DELAY, Window

ONE, TWO = "111111111111", "222222222222"
EVERYTHING = EventFilter()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with Lake.open(tmp_path / "lake") as lake:
        yield lake


def put(
    lake: Lake, times: list[datetime], *, account: str = ONE, region: str = "us-east-1", source: SourceKind = "archive"
) -> None:
    made: list[Record] = [
        record(number, eventID=f"{account}-{region}-{time}", eventTime=written(time), awsRegion=region)
        | {"recipientAccountId": account}
        for number, time in enumerate(times)
    ]
    location = "event history" if source == "event_history" else "s3://bucket/logs"
    land(lake, [json.dumps(each).encode() for each in made], source=source, location=location, now=NOW)


def of(
    lake: Lake, window: Window | None = None, where: EventFilter = EVERYTHING, **history: tuple[str, ...]
) -> Coverage:
    asked = {account.removeprefix("a"): regions for account, regions in history.items()}
    return coverage(lake, where, window, now=NOW, history=asked)


def gaps(found: Coverage) -> list[tuple[str, str | None, str | None, Window | None]]:
    assert all(gap.reason and gap.remedy for gap in found.gaps)
    return [(gap.kind, gap.account, gap.region, gap.window) for gap in found.gaps]


def test_an_empty_lake_covers_nothing(lake: Lake) -> None:
    found = of(lake)
    assert gaps(found) == [("not_covered", None, None, None)]
    assert "ingest" in found.gaps[0].remedy
    assert (found.sources, found.accounts, found.fresh_until) == ((), (), None)


def test_what_was_looked_at(lake: Lake) -> None:
    put(lake, [NOW - 3 * HOUR, NOW - HOUR])
    put(lake, [NOW - 2 * HOUR], account=TWO, region="eu-west-1")
    found = of(lake)
    assert (found.accounts, found.regions) == ((ONE, TWO), ("eu-west-1", "us-east-1"))
    assert found.fresh_until == NOW - 2 * HOUR
    assert gaps(found) == []
    (source,) = found.sources
    assert (source.kind, source.location, source.accounts, source.records) == (
        "archive", "s3://bucket/logs", (ONE, TWO), 3,
    )  # fmt: skip
    assert (source.first, source.last) == (NOW - 3 * HOUR, NOW - HOUR)
    query = EventQuery(where=EVERYTHING, window=None)
    assert search(lake, query, now=NOW).coverage == found


def test_the_window_may_reach_past_the_newest_record(lake: Lake) -> None:
    put(lake, [NOW - 5 * HOUR, NOW - 2 * HOUR])
    put(lake, [NOW - 5 * HOUR, NOW - 5 * timedelta(minutes=1)], account=TWO)
    found = of(lake, Window(NOW - 4 * HOUR, NOW + 9 * HOUR))
    newest = NOW - 2 * HOUR + timedelta(microseconds=1)
    assert gaps(found) == [("not_fresh", ONE, None, Window(newest, NOW))]
    assert found.fresh_until == NOW - 2 * HOUR
    assert gaps(of(lake, Window(NOW - 4 * HOUR, NOW - 3 * HOUR))) == []


def test_the_window_may_start_before_the_oldest_record(lake: Lake) -> None:
    put(lake, [NOW - 5 * HOUR, NOW - HOUR])
    found = of(lake, Window(NOW - 9 * HOUR, NOW - 2 * HOUR))
    assert gaps(found) == [("not_covered", ONE, None, Window(NOW - 9 * HOUR, NOW - 5 * HOUR))]
    edge = NOW - 5 * HOUR - DELIVERY_DELAY
    assert gaps(of(lake, Window(edge, NOW - HOUR))) == []
    assert len(of(lake, Window(edge - SECOND, NOW - HOUR)).gaps) == 1


def test_without_a_window_only_missing_accounts_are_gaps(lake: Lake) -> None:
    put(lake, [NOW - 50 * DAY])
    lake.manifest.expect_accounts({ONE: "prod", TWO: "audit"})
    found = of(lake)
    assert gaps(found) == [("not_covered", TWO, None, None)]
    assert "audit" in found.gaps[0].reason


@pytest.mark.parametrize(
    ("where", "accounts", "missing"),
    [
        (EventFilter(account=(ONE,)), (ONE,), []),
        (EventFilter(account=("2*",)), (), [TWO]),
        (EventFilter(exclude=EventFilter(account=(TWO,))), (ONE,), []),
        (EventFilter(region=("EU-*",)), (), [TWO]),
        (EventFilter(exclude=EventFilter(region=("us-east-1",))), (), [TWO]),
        (EVERYTHING, (ONE,), [TWO]),
    ],
)
def test_what_the_filter_leaves_out_is_neither_covered_nor_missed(
    lake: Lake, where: EventFilter, accounts: tuple[str, ...], missing: list[str]
) -> None:
    put(lake, [NOW - HOUR])
    lake.manifest.expect_accounts({TWO: ""})
    found = of(lake, where=where)
    assert found.accounts == accounts
    assert [gap.account for gap in found.gaps] == missing


def test_records_of_other_accounts_do_not_cover_the_one_asked_for(lake: Lake) -> None:
    put(lake, [NOW - HOUR])
    found = of(lake, where=EventFilter(account=(TWO,)))
    assert gaps(found) == [("not_covered", TWO, None, None)]


def test_event_history_covers_what_was_fetched_whole(lake: Lake) -> None:
    put(lake, [NOW - 3 * HOUR], source="event_history")
    asked = Window(NOW - 6 * HOUR, NOW - HOUR)
    assert [gap.kind for gap in of(lake, asked).gaps] == ["not_covered"]
    lake.manifest.record_fetched(ONE, "us-east-1", None, Window(NOW - 6 * HOUR, NOW - 2 * HOUR), NOW)
    assert gaps(of(lake, asked)) == [("not_fresh", ONE, None, Window(NOW - 2 * HOUR, NOW - HOUR))]
    lake.manifest.record_fetched(ONE, "us-east-1", None, Window(NOW - 2 * HOUR, NOW), NOW)
    found = of(lake, asked)
    assert (gaps(found), found.fresh_until) == ([], NOW)


def test_what_was_fetched_by_an_attribute_covers_that_attribute_only(lake: Lake) -> None:
    put(lake, [NOW - 3 * HOUR], source="event_history")
    window = Window(NOW - 6 * HOUR, NOW)
    asked = Window(NOW - 5 * HOUR, NOW - HOUR)
    for attribute in (("Username", "alice"), ("AccessKeyId", "AKIA1"), ("EventSource", "s3.amazonaws.com")):
        lake.manifest.record_fetched(ONE, "us-east-1", attribute, window, NOW)
    for covered in (
        EventFilter(user=("alice",)),
        EventFilter(user=("arn:aws:iam::111111111111:user/alice",), failed=True),
        EventFilter(access_key=("AKIA1",), user=("bob",)),
        EventFilter(event=("s3:*",)),
        EventFilter(source=("S3",)),
    ):
        assert gaps(of(lake, asked, covered)) == []
    for uncovered in (
        EVERYTHING,
        EventFilter(user=("alice", "bob")),
        EventFilter(user=("al*",)),
        EventFilter(exclude=EventFilter(user=("alice",))),
        EventFilter(access_key=("AKIA1", "AKIA2")),
        EventFilter(event=("s3:GetObject",)),
    ):
        assert len(of(lake, asked, uncovered).gaps) == 1


def test_several_values_are_covered_where_all_of_them_were_fetched(lake: Lake) -> None:
    put(lake, [NOW - 3 * HOUR], source="event_history")
    lake.manifest.record_fetched(ONE, "us-east-1", ("Username", "alice"), Window(NOW - 6 * HOUR, NOW - 3 * HOUR), NOW)
    lake.manifest.record_fetched(ONE, "us-east-1", ("Username", "bob"), Window(NOW - 4 * HOUR, NOW), NOW)
    found = of(lake, Window(NOW - 6 * HOUR, NOW), EventFilter(user=("alice", "bob")))
    assert sorted(gap.window for gap in found.gaps if gap.window) == [
        Window(NOW - 6 * HOUR, NOW - 4 * HOUR),
        Window(NOW - 3 * HOUR, NOW),
    ]


def test_each_region_of_event_history_counts(lake: Lake) -> None:
    window = Window(NOW - 6 * HOUR, NOW)
    lake.manifest.expect_accounts({ONE: ""})
    lake.manifest.record_fetched(ONE, "us-east-1", None, window, NOW)
    assert gaps(of(lake, window)) == [("not_covered", ONE, None, window)]
    assert gaps(of(lake, window, a111111111111=("us-east-1",))) == []
    found = of(lake, window, a111111111111=("us-east-1", "eu-west-1"))
    assert gaps(found) == [("not_fresh", ONE, "eu-west-1", window)] or gaps(found) == [
        ("not_covered", ONE, "eu-west-1", window)
    ]
    assert found.regions == ("eu-west-1", "us-east-1")


def test_an_archive_covers_all_regions_alike(lake: Lake) -> None:
    put(lake, [NOW - 5 * HOUR, NOW - timedelta(minutes=3)])
    put(lake, [NOW - 4 * HOUR], region="eu-west-1")
    assert gaps(of(lake, Window(NOW - 3 * HOUR, NOW), EventFilter())) == []


def test_notes(lake: Lake) -> None:
    put(lake, [NOW - 9 * DAY, NOW - 5 * DAY])
    late = Window(NOW - 7 * DAY, NOW - timedelta(minutes=14))
    assert "up to 15" in " ".join(of(lake, late).notes)
    assert "up to 15" in " ".join(of(lake).notes)
    early = Window(NOW - 9 * DAY, NOW - 8 * DAY)
    assert "up to 15" not in " ".join(of(lake, early).notes)
    land(lake, [b"{broken"], source="files", location="/logs", now=NOW)
    assert any("lake quarantine" in note and note.startswith("1 ") for note in of(lake, early).notes)


def test_whole_days_without_a_record_are_told(lake: Lake) -> None:
    day = datetime(2026, 11, 10, 12, tzinfo=UTC)
    put(lake, [day, day + DAY, day + 4 * DAY])
    (note,) = [note for note in of(lake).notes if "no record" in note]
    assert "2026-11-12T00:00:00Z to 2026-11-14T00:00:00Z" in note
    before = Window(day, day + DAY)
    assert not [note for note in of(lake, before).notes if "no record" in note]
