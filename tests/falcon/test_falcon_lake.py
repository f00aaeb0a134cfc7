"""Alerts and hosts in the lake: landed twice they are there once, and what was fetched is not fetched again."""

import sqlite3
import stat
import threading
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from falcon_kit import AID, CLIENT, DAY, NOW, alert, composite, host, moment, reading, tenant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trailwarden.demo.falcon import ApiClient, Fault
from trailwarden.errors import LakeError
from trailwarden.falcon.fetch import HOST_AGE, SETTLED, fetch_alerts, fetch_hosts, fetch_named
from trailwarden.falcon.parse import alert_of
from trailwarden.lake.alerts import AlertStore, Landed
from trailwarden.model.alert import AddressUse, Alert, Host, HostLogin
from trailwarden.model.time import EPOCH, Window


def value(number: int, *arguments: Any, **fields: Any) -> Alert:
    made = alert_of(alert(number, *arguments, **fields))
    assert isinstance(made, Alert)
    return made


@pytest.fixture
def store(tmp_path: Path) -> AlertStore:
    return AlertStore(tmp_path / "lake")


def test_a_lake_without_alerts_stays_untouched(store: AlertStore, tmp_path: Path) -> None:
    assert store.alerts(DAY) == ()
    assert store.alert(composite(1)) is None
    assert store.host(AID) is None
    assert store.hosts_named("x") == ()
    assert store.missing(DAY) == [DAY]
    assert store.hosts_to_read([AID], since=NOW) == (AID,)
    assert not (tmp_path / "lake").exists()


def test_an_alert_comes_back_whole(store: AlertStore) -> None:
    landed = value(
        1, network_accesses=[{"remote_address": "203.0.113.9", "remote_port": 443}], unheard={"of": [1, None]}
    )
    assert store.land([landed]) == Landed(new=1, changed=0)
    assert store.alert(composite(1)) == landed
    assert store.alerts(DAY) == (landed,)


def test_landing_again_changes_nothing(store: AlertStore) -> None:
    alerts = [value(number) for number in range(5)]
    assert store.land(alerts) == Landed(new=5, changed=0)
    assert store.land(reversed(alerts)) == Landed(new=0, changed=0)
    assert len(store.alerts(DAY)) == 5


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_the_version_that_was_changed_last_stays(store: AlertStore, order: tuple[int, ...]) -> None:
    states = ("new", "in_progress", "closed")
    versions = [
        value(1, status=status, updated_timestamp=moment(NOW - timedelta(hours=3 - number)))
        for number, status in enumerate(states)
    ]
    for number in order:
        store.land([versions[number]])
    (found,) = store.alerts(DAY)
    assert found.status == "closed"
    assert found == store.alert(composite(1))


def test_alerts_of_a_window_by_severity_oldest_first(store: AlertStore) -> None:
    times = [DAY.start - timedelta(microseconds=1), DAY.start, DAY.end - timedelta(microseconds=1), DAY.end]
    store.land([value(number, at, severity=10 * number) for number, at in enumerate(times)])
    store.land([value(9, DAY.start + timedelta(hours=1), severity=None)])
    assert [each.composite_id for each in store.alerts(DAY)] == [composite(number) for number in (1, 9, 2)]
    assert [each.composite_id for each in store.alerts(DAY, min_severity=20)] == [composite(2)]


def test_files_are_the_owners_alone(store: AlertStore, tmp_path: Path) -> None:
    store.land([value(1)])
    assert stat.S_IMODE((tmp_path / "lake" / "falcon").stat().st_mode) == 0o700
    files = list((tmp_path / "lake" / "falcon").iterdir())
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_landing_that_fails_leaves_nothing(store: AlertStore) -> None:
    def some() -> Any:
        yield value(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.land(some(), DAY)
    assert store.alerts(DAY) == ()
    assert store.missing(DAY) == [DAY]


def test_many_land_at_once(store: AlertStore) -> None:
    failures: list[BaseException] = []

    def land(first: int) -> None:
        try:
            for number in range(first, first + 20):
                store.land(
                    [value(number), value(0)],
                    Window(DAY.start + number * timedelta(minutes=1), DAY.start + (number + 1) * timedelta(minutes=1)),
                )
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=land, args=(100 * number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(store.alerts(DAY)) == 81
    assert len(DAY.subtract(store.missing(DAY))) == 4


@pytest.mark.parametrize("damage", ["file", "content", "version"])
def test_damage_is_said_to_be_damage(store: AlertStore, tmp_path: Path, damage: str) -> None:
    store.land([value(1)])
    path = tmp_path / "lake" / "falcon" / "alerts.db"
    if damage == "file":
        for leftover in path.parent.iterdir():
            leftover.unlink()
        path.write_bytes(b"not a database" * 500)
    else:
        database = sqlite3.connect(path)
        database.execute("UPDATE alert SET content = x'00'" if damage == "content" else "PRAGMA user_version = 99")
        database.commit()
        database.close()
    with pytest.raises(LakeError) as caught:
        store.alert(composite(1))
    assert caught.value.remedy


MINUTES = st.integers(0, 60)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(MINUTES, MINUTES).map(sorted), max_size=8), st.tuples(MINUTES, MINUTES).map(sorted))
def test_what_is_missing_is_what_was_not_fetched(
    tmp_path_factory: pytest.TempPathFactory, fetched: list[list[int]], asked: list[int]
) -> None:
    store = AlertStore(tmp_path_factory.mktemp("lake"))

    def window(bounds: list[int]) -> Window:
        return Window(*(EPOCH + timedelta(minutes=minute) for minute in bounds))

    for bounds in fetched:
        store.land((), window(bounds), source="tenant")
    covered = {minute for start, end in fetched for minute in range(start, end)}
    expected = set(range(*asked)) - covered
    missing = store.missing(window(asked), source="tenant")
    found = {
        minute
        for part in missing
        for minute in range(*((at - EPOCH) // timedelta(minutes=1) for at in (part.start, part.end)))
    }
    assert found == expected
    assert all(before.end < after.start for before, after in pairwise(missing))
    whole = window(asked)
    assert store.missing(whole, source="another") == ([whole] if whole.start < whole.end else [])


# --- hosts ---


def seen(device_id: str = AID, **fields: Any) -> Host:
    return Host(**{"device_id": device_id, "hostname": "LAPTOP-7", "raw": {"device_id": device_id}, **fields})


def test_hosts_are_found_by_id_and_by_name_in_any_case(store: AlertStore) -> None:
    twin = seen("b" * 32, hostname="laptop-7")
    store.land_hosts([twin, seen(), seen("c" * 32, hostname="LAPTOP-70")], now=NOW)
    assert store.host(AID) == seen()
    assert store.hosts_named("Laptop-7") == (seen(), twin)


@pytest.mark.parametrize("forward", [True, False])
def test_histories_grow_and_the_rest_is_the_latest(store: AlertStore, forward: bool) -> None:
    early, late = NOW - timedelta(days=10), NOW - timedelta(days=1)
    first = seen(
        external_ip="203.0.113.10",
        addresses=(AddressUse("203.0.113.10", early), AddressUse("198.51.100.1", early)),
        logins=(HostLogin("john", early),),
        read=("addresses", "logins"),
    )
    second = seen(
        external_ip="91.14.16.33",
        addresses=(AddressUse("203.0.113.10", early, late), AddressUse("91.14.16.33", late)),
        read=("addresses",),
    )
    landings = [(first, NOW - timedelta(days=5)), (second, NOW)]
    for landed, at in landings if forward else reversed(landings):
        store.land_hosts([landed], now=at)
    found = store.host(AID)
    assert found is not None
    assert found.external_ip == "91.14.16.33"
    assert found.addresses == (
        AddressUse("198.51.100.1", early, NOW - timedelta(days=5)),
        AddressUse("203.0.113.10", early, late),
        AddressUse("91.14.16.33", late),
    )
    assert found.logins == first.logins
    assert found.read == ("addresses", "logins")


def test_a_host_that_landed_lately_is_not_read_again(store: AlertStore) -> None:
    store.land_hosts([seen()], now=NOW)
    wanted = ["e" * 32, AID, "e" * 32]
    assert store.hosts_to_read(wanted, since=NOW) == ("e" * 32,)
    assert store.hosts_to_read(wanted, since=NOW + timedelta(seconds=1)) == ("e" * 32, AID)


# --- fetching ---


def test_a_question_asked_twice_fetches_once(store: AlertStore) -> None:
    old = Window(DAY.start - timedelta(days=3), DAY.start)
    held = tenant(alerts=[alert(1, old.start), alert(2, old.end - timedelta(seconds=1))])
    with reading(held) as falcon:
        first = fetch_alerts(falcon, store, old, now=NOW)
        calls = list(held.calls)
        second = fetch_alerts(falcon, store, old, now=NOW)
    assert (first.read, first.new, first.gaps) == (2, 2, ())
    assert second.asked == ()
    assert held.calls == calls
    assert len(store.alerts(old)) == 2


def test_only_what_is_missing_is_asked_for(store: AlertStore) -> None:
    week = Window(NOW - timedelta(days=7), NOW - timedelta(days=1))
    middle = Window(NOW - timedelta(days=5), NOW - timedelta(days=4))
    with reading(tenant()) as falcon:
        fetch_alerts(falcon, store, middle, now=NOW)
        report = fetch_alerts(falcon, store, week, now=NOW)
    assert report.asked == (Window(week.start, middle.start), Window(middle.end, week.end))


def test_the_last_hour_is_asked_for_again_and_finds_what_came_late(store: AlertStore) -> None:
    held = tenant()
    with reading(held) as falcon:
        fetch_alerts(falcon, store, DAY, now=NOW)
        late = alert(1, NOW - SETTLED + timedelta(seconds=1))
        held.alerts[composite(1)] = late
        report = fetch_alerts(falcon, store, DAY, now=NOW)
    assert report.asked == (Window(NOW - SETTLED, NOW),)
    assert report.new == 1


def test_the_future_is_not_asked_for(store: AlertStore) -> None:
    with reading(tenant()) as falcon:
        assert fetch_alerts(falcon, store, Window(NOW, NOW + timedelta(days=1)), now=NOW).asked == ()
        report = fetch_alerts(falcon, store, Window(NOW - timedelta(days=1), NOW + timedelta(days=1)), now=NOW)
    assert report.asked == (Window(NOW - timedelta(days=1), NOW),)


def test_a_long_window_is_fetched_in_pieces_that_stay(store: AlertStore) -> None:
    month = Window(NOW - timedelta(days=30), NOW - timedelta(days=1))
    held = tenant(alerts=[alert(number, month.start + timedelta(days=number)) for number in range(29)])
    held.arm(Fault("/alerts/queries", "fail", times=3, after=2))
    with reading(held) as falcon:
        broken = fetch_alerts(falcon, store, month, now=NOW)
        assert len(broken.asked) == 3
        left = [gap.window for gap in broken.gaps if gap.window is not None]
        assert (left[0].start, left[-1].end) == (month.start + timedelta(days=14), month.end)
        mended = fetch_alerts(falcon, store, month, now=NOW)
    assert mended.asked == tuple(left)
    assert (broken.new, mended.new, mended.gaps) == (14, 15, ())
    assert len(store.alerts(month)) == 29


def test_a_client_that_is_refused_is_a_gap_beside_what_the_lake_has(store: AlertStore) -> None:
    known, machine = alert_of(alert(1)), host()
    assert isinstance(known, Alert)
    store.land([known])
    store.land_hosts([seen()], now=NOW - timedelta(days=1))
    with reading(tenant(alerts=[alert(2)], hosts=[machine]), secret="a-wrong-secret") as falcon:
        fetched = fetch_alerts(falcon, store, DAY, now=NOW)
        hosts = fetch_hosts(falcon, store, [AID], now=NOW)
        named, gaps = fetch_named(falcon, store, "LAPTOP-7", now=NOW)
    assert {gap.kind for gap in (*fetched.gaps, *hosts.gaps, *gaps)} == {"denied"}
    assert all(gap.remedy for gap in (*fetched.gaps, *hosts.gaps, *gaps))
    assert store.alerts(DAY) == (known,)
    assert named == (seen(),)


def test_what_was_fetched_of_one_tenant_says_nothing_of_another(store: AlertStore) -> None:
    other = ApiClient("f" * 32, "another-secret")
    held = tenant(alerts=[alert(1)], clients=[CLIENT, other])
    old = Window(NOW - timedelta(days=1), NOW - timedelta(hours=2))
    for client in (CLIENT, other):
        with reading(held, client_id=client.id, secret=client.secret) as falcon:
            assert fetch_alerts(falcon, store, old, now=NOW).asked == (old,)


def test_hosts_are_fetched_once_an_hour(store: AlertStore) -> None:
    held = tenant(hosts=[host()])
    with reading(held) as falcon:
        assert fetch_hosts(falcon, store, [AID], now=NOW).new == 1
        calls = list(held.calls)
        assert fetch_hosts(falcon, store, [AID], now=NOW + HOST_AGE).read == 0
        assert held.calls == calls
        again = fetch_hosts(falcon, store, [AID], now=NOW + HOST_AGE + timedelta(seconds=1))
    assert (again.read, again.new) == (1, 0)
    assert store.host(AID) is not None


def test_hosts_by_name_are_those_of_falcon_and_of_the_lake(store: AlertStore) -> None:
    gone = seen("d" * 32, hostname="laptop-7")
    store.land_hosts([gone], now=NOW - timedelta(days=90))
    with reading(tenant(hosts=[host()])) as falcon:
        found, gaps = fetch_named(falcon, store, "LAPTOP-7", now=NOW)
    assert [each.device_id for each in found] == [AID, gone.device_id]
    assert gaps == ()
