"""fetch_history against the strict emulator, over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from trailwarden.aws.history import HistoryReport, fetch_history
from trailwarden.demo.emulator import Fault
from trailwarden.errors import Busy
from trailwarden.lake.ingest import land
from trailwarden.lake.query import search
from trailwarden.lake.store import Lake
from trailwarden.model.event import EventFilter, EventQuery
from trailwarden.model.time import Window
from trailwarden.progress import Silent

ALPHA, BETA = "111111111111", "222222222222"
FRANKFURT, VIRGINIA = "eu-central-1", "us-east-1"
NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTES = timedelta(minutes=1)
SETTLED = NOW - 15 * MINUTES


def ask(
    org: Any, lake: Lake, window: Window | None = None, *, accounts: tuple[str, ...] = (ALPHA, BETA), **more: Any
) -> HistoryReport:
    """Fetch for a filter in two Regions, unless it names others."""
    options = {name: more.pop(name) for name in ("exhaustive", "progress", "now") if name in more}
    where = EventFilter(**{"region": (FRANKFURT, VIRGINIA), **more})
    return fetch_history(
        org.broker,
        lake,
        EventQuery(where=where, window=window or Window(NOW - 2 * DAY, NOW)),
        accounts=accounts,
        **{"now": NOW, "progress": Silent(), **options},
        monotonic=org.clock.monotonic,
        sleep=org.clock.sleep,
    )


def held(lake: Lake, **where: Any) -> list[str]:
    """The ids that a search gives, in order of id."""
    query = EventQuery(where=EventFilter(**where), window=None, limit=10_000)
    return sorted(event.event_id for event in search(lake, query, now=NOW).events)


def ids(records: list[dict[str, Any]]) -> list[str]:
    return sorted(record["eventID"] for record in records)


class Watch:
    """Progress that counts, keeps what it was told, and may stop the work like Ctrl-C."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.done = 0.0
        self.totals: list[float] = []
        self.notes: list[str] = []
        self._stop_after = stop_after

    @contextmanager
    def task(self, title: str, *, total: float | None = None, unit: str = "") -> Iterator["Watch"]:
        yield self

    def advance(self, amount: float, *, note: str = "") -> None:
        self.done += amount
        self.notes.append(note)
        if self._stop_after is not None and self.done >= self._stop_after:
            raise KeyboardInterrupt

    def total(self, amount: float) -> None:
        self.totals.append(amount)


def test_all_accounts_and_regions_land_and_search_gives_them(org: Any, lake: Lake) -> None:
    put = {
        (account, region): org.put(account, region, count)
        for account, region, count in [(ALPHA, FRANKFURT, 130), (ALPHA, VIRGINIA, 3), (BETA, VIRGINIA, 51)]
    }
    report = ask(org, lake)
    assert (report.gaps, report.records, report.new) == ((), 184, 184)
    assert report.requests == 3 + 1 + 1 + 2
    assert report.accounts == (ALPHA, BETA)
    assert report.regions == (FRANKFURT, VIRGINIA)
    assert held(lake) == ids([record for records in put.values() for record in records])
    assert held(lake, account=(BETA,)) == ids(put[BETA, VIRGINIA])


def test_every_enabled_region_is_asked_unless_the_filter_names_some(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, "sa-east-1", 2)
    report = ask(org, lake, accounts=(ALPHA,), region=())
    assert "sa-east-1" in report.regions
    assert "me-south-1" not in report.regions
    assert report.requests == len(report.regions) == 17
    assert held(lake) == ids(made)


@pytest.mark.parametrize(
    ("where", "regions"),
    [
        ({"region": ("EU-Central-1",)}, (FRANKFURT,)),
        ({"region": ("us-*",), "exclude": EventFilter(region=("us-west-*", "us-east-2"))}, (VIRGINIA,)),
    ],
)
def test_regions_of_the_filter(org: Any, lake: Lake, where: dict[str, Any], regions: tuple[str, ...]) -> None:
    assert ask(org, lake, accounts=(ALPHA,), **where).regions == regions


def test_accounts_of_the_filter(org: Any, lake: Lake) -> None:
    assert ask(org, lake, account=(BETA,)).accounts == (BETA,)
    assert ask(org, lake, exclude=EventFilter(account=(BETA,))).accounts == (ALPHA,)


def test_a_region_that_is_not_enabled_is_named(org: Any, lake: Lake) -> None:
    report = ask(org, lake, accounts=(ALPHA,), region=("me-south-1",))
    assert report.requests == 0
    assert any("me-south-1" in note and ALPHA in note for note in report.notes)


def test_an_account_that_is_not_connected_is_a_gap(org: Any, lake: Lake) -> None:
    (gap,) = ask(org, lake, accounts=(ALPHA, "333333333333")).gaps
    assert (gap.kind, gap.account) == ("not_covered", "333333333333")
    assert "accounts connect" in gap.remedy


def test_the_same_question_again_asks_nothing(org: Any, lake: Lake) -> None:
    org.put(ALPHA, FRANKFURT, 60)
    window = Window(NOW - 2 * DAY, SETTLED)
    assert ask(org, lake, window).requests == 5
    again = ask(org, lake, window)
    assert (again.requests, again.records, again.gaps) == (0, 0, ())
    # what was fetched whole also answers a narrower question by an attribute
    assert ask(org, lake, Window(NOW - DAY, SETTLED), event=("CreateUser",)).requests == 0


def test_only_the_last_fifteen_minutes_are_asked_for_again(org: Any, lake: Lake) -> None:
    org.put(ALPHA, FRANKFURT, 200)
    first = ask(org, lake)
    assert any("15 minutes" in note for note in first.notes)
    assert lake.manifest.fetched(ALPHA, FRANKFURT, None) == [Window(NOW - 2 * DAY, SETTLED)]
    late = org.put(ALPHA, FRANKFURT, 1, newest=NOW - 14 * MINUTES, user="late")
    again = ask(org, lake)
    assert again.requests == 4
    assert again.new == 1
    assert held(lake, user=("late",)) == ids(late)


def test_a_window_that_ended_long_ago_says_nothing_of_the_delay(org: Any, lake: Lake) -> None:
    notes = ask(org, lake, Window(NOW - 2 * DAY, NOW - DAY)).notes
    assert not any("15 minutes" in note for note in notes)
    assert any("management events only" in note for note in notes)


def test_fractions_of_seconds_lose_nothing(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, FRANKFURT, 3, newest=NOW - DAY, every=timedelta(seconds=1))
    half = timedelta(milliseconds=500)
    ask(org, lake, Window(NOW - DAY - timedelta(seconds=2) + half, NOW - DAY - half))
    assert set(ids(made[1:])) <= set(held(lake))
    ask(org, lake, Window(NOW - DAY - half, NOW - DAY + half))
    assert held(lake) == ids(made)


def test_adjacent_windows_and_pages_within_one_second_lose_nothing(org: Any, lake: Lake) -> None:
    border = NOW - DAY
    made = org.put(ALPHA, FRANKFURT, 120, newest=border, every=timedelta(0))
    made += org.put(
        ALPHA, FRANKFURT, 10, newest=border + 5 * timedelta(seconds=1), every=timedelta(seconds=1), user="b"
    )
    ask(org, lake, Window(border, border + DAY / 2))
    assert held(lake) == ids([r for r in made if r["eventTime"] >= f"{border:%Y-%m-%dT%H:%M:%SZ}"])
    ask(org, lake, Window(border - DAY, border))
    assert held(lake) == ids(made)


def test_a_region_that_is_denied_is_a_gap_and_the_others_go_on(org: Any, lake: Lake) -> None:
    there, refused = org.put(ALPHA, VIRGINIA, 60), org.put(ALPHA, FRANKFURT, 10)
    org.emulator.faults.append(Fault.deny("cloudtrail:LookupEvents", account=ALPHA, region=FRANKFURT))
    report = ask(org, lake)
    (gap,) = report.gaps
    assert (gap.kind, gap.account, gap.region) == ("denied", ALPHA, FRANKFURT)
    assert gap.window == Window(NOW - 2 * DAY, NOW)
    assert report.looked_at == {ALPHA: (VIRGINIA,), BETA: (FRANKFURT, VIRGINIA)}
    assert "not authorized to perform: cloudtrail:LookupEvents" in gap.reason
    assert "cloudtrail:LookupEvents" in gap.remedy
    assert held(lake) == ids(there)
    assert lake.manifest.fetched(ALPHA, FRANKFURT, None) == []
    org.emulator.faults.clear()
    assert ask(org, lake, Window(NOW - 2 * DAY, SETTLED)).requests == 1
    assert held(lake) == ids(there + refused)


def test_a_permission_missing_in_all_regions_is_one_gap(org: Any, lake: Lake) -> None:
    org.emulator.faults.append(Fault.deny("cloudtrail:LookupEvents", account=ALPHA))
    (gap,) = ask(org, lake).gaps
    assert (gap.kind, gap.account, gap.region) == ("denied", ALPHA, None)


def test_an_account_that_cannot_be_entered_is_a_gap(org: Any, lake: Lake) -> None:
    made = org.put(BETA, FRANKFURT, 5)
    org.remove_role(ALPHA)
    report = ask(org, lake, region=(FRANKFURT,))
    (gap,) = report.gaps
    assert (gap.kind, gap.account, gap.region) == ("denied", ALPHA, None)
    assert "sts:AssumeRole" in gap.reason
    assert report.accounts == (BETA,)
    assert held(lake) == ids(made)


def test_regions_that_aws_does_not_show_can_be_named(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, FRANKFURT, 5)
    org.emulator.faults.extend([Fault.deny("account:ListRegions"), Fault.deny("ec2:DescribeRegions")])
    (gap,) = ask(org, lake, accounts=(ALPHA,), region=()).gaps
    assert (gap.kind, gap.account, gap.region) == ("denied", ALPHA, None)
    assert "--region" in gap.remedy
    assert ask(org, lake, accounts=(ALPHA,)).gaps == ()
    assert held(lake) == ids(made)


def test_two_requests_a_second_are_kept_to(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, FRANKFURT, 300)
    report = ask(org, lake, accounts=(ALPHA,), region=(FRANKFURT,))
    assert (report.gaps, report.requests) == ((), 6)
    assert held(lake) == ids(made)
    assert org.clock.slept == [0.5] * 5


def test_throttling_slows_down_and_completes(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, FRANKFURT, 300)
    org.emulator.faults.append(Fault.throttle("cloudtrail:LookupEvents", times=4, after=1))
    report = ask(org, lake, accounts=(ALPHA,), region=(FRANKFURT,))
    assert (report.gaps, report.requests) == ((), 6)
    assert held(lake) == ids(made)
    assert max(org.clock.slept) == 8.0
    assert org.clock.slept[-1] < 8.0


def test_throttling_without_end_is_a_gap(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, VIRGINIA, 60)
    org.emulator.faults.append(
        Fault(kind="throttled", action="cloudtrail:LookupEvents", account=ALPHA, region=FRANKFURT)
    )
    (gap,) = ask(org, lake).gaps
    assert (gap.kind, gap.account, gap.region) == ("failed", ALPHA, FRANKFURT)
    assert "ThrottlingException" in gap.reason
    assert gap.remedy
    assert held(lake) == ids(made)


def test_ctrl_c_keeps_what_came_and_the_next_time_fetches_the_rest(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, FRANKFURT, 500)
    report = ask(org, lake, accounts=(ALPHA,), region=(FRANKFURT,), progress=Watch(stop_after=3))
    (gap,) = report.gaps
    assert (gap.kind, gap.account, gap.region) == ("interrupted", ALPHA, FRANKFURT)
    assert 150 <= report.new <= 500
    assert len(held(lake)) == report.new
    (fetched,) = lake.manifest.fetched(ALPHA, FRANKFURT, None)
    assert fetched.end == SETTLED
    assert gap.window == Window(NOW - 2 * DAY, fetched.start)
    again = ask(org, lake, Window(NOW - 2 * DAY, SETTLED), accounts=(ALPHA,), region=(FRANKFURT,))
    assert again.gaps == ()
    assert again.requests + report.requests <= 11
    assert held(lake) == ids(made)


def test_ctrl_c_before_anything_came_is_a_gap_of_the_whole_window(org: Any, lake: Lake) -> None:
    class AtOnce(Watch):
        def total(self, amount: float) -> None:
            raise KeyboardInterrupt

    gaps = ask(org, lake, progress=AtOnce()).gaps
    assert {gap.kind for gap in gaps} == {"interrupted"}
    assert {gap.account for gap in gaps} == {ALPHA, BETA}


def test_a_failure_midway_keeps_what_came(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, FRANKFURT, 300)
    org.emulator.faults.append(
        Fault(kind="error", action="cloudtrail:LookupEvents", region=FRANKFURT, after=3, code="InternalFailure")
    )
    report = ask(org, lake, accounts=(ALPHA,))
    (gap,) = report.gaps
    assert gap.kind == "failed"
    assert report.new == 150
    org.emulator.faults.clear()
    again = ask(org, lake, Window(NOW - 2 * DAY, SETTLED), accounts=(ALPHA,))
    assert (again.gaps, again.requests) == ((), 4)  # 151: the second at the border comes again
    assert held(lake) == ids(made)


def test_a_failure_within_one_second_leaves_the_whole_second_to_fetch(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, FRANKFURT, 120, every=timedelta(0))
    second = datetime.fromisoformat(made[0]["eventTime"])
    org.emulator.faults.append(Fault(kind="error", action="cloudtrail:LookupEvents", after=1))
    assert [gap.kind for gap in ask(org, lake, accounts=(ALPHA,), region=(FRANKFURT,)).gaps] == ["failed"]
    assert lake.manifest.fetched(ALPHA, FRANKFURT, None) == [Window(second + timedelta(seconds=1), SETTLED)]
    org.emulator.faults.clear()
    assert ask(org, lake, accounts=(ALPHA,), region=(FRANKFURT,)).gaps == ()
    assert held(lake) == ids(made)


def test_a_token_that_is_no_longer_taken_starts_anew_where_it_had_come_to(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, FRANKFURT, 300)
    org.emulator.faults.append(
        Fault(
            kind="error",
            action="cloudtrail:LookupEvents",
            after=3,
            times=1,
            code="InvalidNextTokenException",
            message="Invalid NextToken",
            status=400,
        )
    )
    report = ask(org, lake, accounts=(ALPHA,), region=(FRANKFURT,))
    assert report.gaps == ()
    assert report.records == 301
    assert held(lake) == ids(made)


def test_tokens_that_are_never_taken_are_a_gap(org: Any, lake: Lake) -> None:
    org.put(ALPHA, FRANKFURT, 300, every=timedelta(0))
    org.emulator.faults.append(
        Fault(kind="error", action="cloudtrail:LookupEvents", after=1, code="InvalidNextTokenException", status=400)
    )
    (gap,) = ask(org, lake, accounts=(ALPHA,), region=(FRANKFURT,)).gaps
    assert gap.kind == "failed"
    assert "InvalidNextToken" in gap.reason


def test_what_is_older_than_event_history_is_a_gap(org: Any, lake: Lake) -> None:
    report = ask(org, lake, Window(NOW - 120 * DAY, NOW), accounts=(ALPHA,))
    (gap,) = report.gaps
    assert (gap.kind, gap.account, gap.window) == ("out_of_reach", ALPHA, Window(NOW - 120 * DAY, NOW - 90 * DAY))
    assert "trailwarden ingest" in gap.remedy
    assert report.requests == 2


def test_a_window_wholly_out_of_reach_asks_nothing(org: Any, lake: Lake) -> None:
    report = ask(org, lake, Window(NOW - 120 * DAY, NOW - 100 * DAY), accounts=(ALPHA,))
    assert report.requests == 0
    assert [gap.kind for gap in report.gaps] == ["out_of_reach"]


def test_what_an_archive_holds_is_not_out_of_reach(org: Any, lake: Lake) -> None:
    old = org.put(ALPHA, FRANKFURT, 2, newest=NOW - 80 * DAY, every=50 * DAY)
    land(lake, [msgspec.json.encode(record) for record in old], source="archive", location="s3://b", now=NOW)
    window = Window(NOW - 120 * DAY, NOW)
    assert ask(org, lake, window, accounts=(ALPHA,), region=(FRANKFURT,)).gaps == ()
    assert [gap.kind for gap in ask(org, lake, window, accounts=(ALPHA,)).gaps] == ["out_of_reach"]


def test_what_was_fetched_while_in_reach_is_not_out_of_reach_later(org: Any, lake: Lake) -> None:
    window = Window(NOW - 80 * DAY, NOW - 70 * DAY)
    ask(org, lake, window, accounts=(ALPHA,))
    later = ask(org, lake, window, accounts=(ALPHA,), now=NOW + 30 * DAY)
    assert (later.gaps, later.requests) == ((), 0)


def test_without_a_window_all_ninety_days_are_fetched(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, FRANKFURT, 2, every=80 * DAY)
    query = EventQuery(where=EventFilter(region=(FRANKFURT,)), window=None)
    report = fetch_history(
        org.broker, lake, query, accounts=(ALPHA,), now=NOW, progress=Silent(), monotonic=org.clock.monotonic
    )
    assert (report.gaps, report.new) == ((), 2)
    assert held(lake) == ids(made)


def test_a_look_up_by_attribute_fetches_little_and_is_recorded_as_that(org: Any, lake: Lake) -> None:
    org.put(ALPHA, FRANKFURT, 400, event="DescribeInstances", source="ec2.amazonaws.com")
    wanted = org.put(ALPHA, FRANKFURT, 3, event="CreateUser")
    window = Window(NOW - 2 * DAY, SETTLED)
    report = ask(org, lake, window, accounts=(ALPHA,), event=("iam:createuser",))
    assert (report.gaps, report.requests, report.records) == ((), 2, 3)
    assert held(lake, event=("createUser",)) == ids(wanted)
    assert lake.manifest.fetched(ALPHA, FRANKFURT, ("EventName", "CreateUser")) == [window]
    assert lake.manifest.fetched(ALPHA, FRANKFURT, None) == []
    assert ask(org, lake, window, accounts=(ALPHA,), event=("CreateUser",), ip=("203.0.113.9",)).requests == 0


def test_a_user_is_looked_up_by_name_and_the_note_says_what_that_misses(org: Any, lake: Lake) -> None:
    org.put(ALPHA, FRANKFURT, 100, user="deploy")
    mine = org.put(ALPHA, FRANKFURT, 2, user="alice")
    behind = org.put(
        ALPHA,
        FRANKFURT,
        1,
        user="role",
        extra={
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLE:nightly",
                "arn": f"arn:aws:sts::{ALPHA}:assumed-role/Deploy/nightly",
                "accountId": ALPHA,
                "sessionContext": {"sourceIdentity": "alice"},
            }
        },
    )
    report = ask(org, lake, accounts=(ALPHA,), user=("alice",))
    assert report.records == 2
    assert any("SourceIdentity" in note for note in report.notes)
    assert held(lake, user=("alice",)) == ids(mine)
    whole = ask(org, lake, accounts=(ALPHA,), user=("alice",), exhaustive=True)
    assert not any("SourceIdentity" in note for note in whole.notes)
    assert held(lake, user=("alice",)) == ids(mine + behind)


def test_several_values_are_several_look_ups(org: Any, lake: Lake) -> None:
    made = org.put(ALPHA, FRANKFURT, 2, user="alice") + org.put(ALPHA, FRANKFURT, 3, user="bob")
    org.put(ALPHA, FRANKFURT, 60, user="deploy")
    report = ask(org, lake, accounts=(ALPHA,), region=(FRANKFURT,), user=("alice", "bob"))
    assert (report.requests, report.records) == (2, 5)
    assert held(lake) == ids(made)


def test_progress_says_where_it_is_and_how_long_it_takes(org: Any, lake: Lake) -> None:
    org.put(ALPHA, FRANKFURT, 500)
    watch = Watch()
    report = ask(org, lake, accounts=(ALPHA,), region=(FRANKFURT,), progress=watch)
    assert watch.done == report.requests == 10
    assert f"{ALPHA} {FRANKFURT}: 50 events, about" in watch.notes[0]
    assert watch.notes[-1].endswith("about 0 s left")
    assert watch.totals[-1] == 10


def test_a_lake_that_another_writes_to_is_an_error(org: Any, lake: Lake) -> None:
    org.put(ALPHA, FRANKFURT, 5)
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lake.writing(NOW):
            holding.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait()
    try:
        with pytest.raises(Busy):
            ask(org, lake)
    finally:
        done.set()
        holder.join()
    assert lake.manifest.fetched(ALPHA, FRANKFURT, None) == []
