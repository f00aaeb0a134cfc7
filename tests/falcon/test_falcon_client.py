"""CrowdStrike's SDK against the stand-in: what is read, by which requests, and what is said of failures."""

import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import falconpy
import falconpy._error as falconpy_errors
import pytest
import requests.exceptions
from falcon_kit import AID, CLIENT, DAY, NOW, Sleeps, alert, composite, connection_to, host, moment, reading, tenant

from trailwarden.demo.falcon import ApiClient, FalconServer, Fault, TenantLimits
from trailwarden.demo.falcon.server import Refused
from trailwarden.demo.falcon.tenant import ALERTS_READ, HOSTS_READ
from trailwarden.errors import UsageError
from trailwarden.falcon.client import Falcon
from trailwarden.falcon.errors import (
    EXCEPTIONS,
    OPERATIONS,
    ClientRefused,
    FalconError,
    FalconUnreachable,
    RateLimited,
    ScopeMissing,
    rule_for_exception,
    rule_for_status,
)
from trailwarden.falcon.transport import Answer
from trailwarden.model.alert import AddressUse, HostLogin
from trailwarden.model.time import Window

QUERY, DETAILS, COMBINED = "/alerts/queries/alerts/v2", "/alerts/entities/alerts/v2", "/alerts/combined/alerts/v1"
DEVICES, DEVICE_QUERY = "/devices/entities/devices/v2", "/devices/queries/devices/v1"
LOGINS = "/devices/combined/devices/login-history/v2"
ADDRESSES = "/devices/combined/devices/network-address-history/v1"
TOKEN = "/oauth2/token"


def test_alerts_of_a_window_come_oldest_first_with_the_entity_as_given() -> None:
    late, early = alert(1, NOW - timedelta(hours=2)), alert(2, NOW - timedelta(hours=9))
    outside = [alert(3, DAY.start - timedelta(seconds=1)), alert(4, DAY.end)]
    with reading(tenant(alerts=[late, *outside, early])) as falcon:
        read = falcon.alerts(DAY)
    assert [each.composite_id for each in read.alerts] == [composite(2), composite(1)]
    assert read.alerts[1].raw == late
    assert read.coverage.complete
    assert read.coverage.window == DAY
    assert read.coverage.fresh_until == NOW


def test_nothing_found_is_complete() -> None:
    with reading(tenant()) as falcon:
        read = falcon.alerts(DAY)
    assert read.alerts == ()
    assert read.coverage.complete


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"hosts": ("laptop-7",)}, [1, 4]),
        ({"hosts": (AID,)}, [1, 4]),
        ({"hosts": ("dc-1",)}, [3]),
        ({"hosts": ("LAPTOP-7", "LAPTOP-8")}, [1, 2, 4]),
        ({"users": ("JOHN",)}, [1, 4]),
        ({"users": ("john@company.com",)}, [3]),
        ({"users": ("S-1-5-21-7",)}, [2]),
        ({"min_severity": 70}, [2, 3]),
        ({"users": ("john",), "min_severity": 70}, []),
    ],
    ids=str,
)
def test_alerts_by_host_user_and_severity(asked: dict[str, object], numbers: list[int]) -> None:
    known = [
        alert(1),
        alert(2, severity=70, user_name="maria", user_id="S-1-5-21-7", agent_id="b" * 32,
              device={"device_id": "b" * 32, "hostname": "LAPTOP-8"}),
        alert(3, severity=90, product="idp", agent_id=None, user_name=None, device=None,
              source_account_upn="john@company.com", source_endpoint_host_name="DC-1"),
        alert(4),
    ]  # fmt: skip
    with reading(tenant(alerts=known)) as falcon:
        read = falcon.alerts(DAY, **asked)
    assert [each.composite_id for each in read.alerts] == [composite(number) for number in numbers]
    assert read.coverage.complete


@pytest.mark.parametrize(
    "name",
    [
        "x'+severity:>=0,timestamp:>'1970-01-01",
        "x']),(severity:>=0",
        "x\\'+severity:>=0,(agent_id:*",
        "x\\",
        "*",
        "LAPTOP-*",
        "'",
        "x','LAPTOP-7",
        "Ünïcode – 'quoted'",
        "100%3A",
    ],
)
def test_a_name_that_an_attacker_chose_is_a_name(name: str) -> None:
    named = alert(2, agent_id="b" * 32, device={"device_id": "b" * 32, "hostname": name}, user_name=name)
    with reading(tenant(alerts=[alert(1), named, alert(3)], hosts=[host(), host("b" * 32, name)])) as falcon:
        by_host, by_user = falcon.alerts(DAY, hosts=(name,)), falcon.alerts(DAY, users=(name,))
        hosts = falcon.find_hosts(name)
    for read in (by_host, by_user):
        assert [each.composite_id for each in read.alerts] == [composite(2)]
        assert read.coverage.complete
    assert [each.hostname for each in hosts.hosts] == [name]


def test_more_than_offsets_reach_come_by_the_cursor_without_skipping_one() -> None:
    same_instant = NOW - timedelta(hours=5)
    many = [alert(number, same_instant + timedelta(seconds=number // 40)) for number in range(12_345)]
    held = tenant(alerts=reversed(many))
    with reading(held, limits={"combined": 1_000}) as falcon:
        read = falcon.alerts(DAY)
    assert read.coverage.complete
    assert {each.composite_id for each in read.alerts} == {composite(number) for number in range(12_345)}
    assert held.calls.count(f"POST {COMBINED}") == 13
    assert not held.calls.count(f"POST {DETAILS}")


@pytest.mark.parametrize("count", [0, 1, 6, 7, 14, 20])
def test_ids_and_details_are_paged(count: int) -> None:
    held = tenant(
        alerts=[alert(number) for number in range(count)],
        limits=TenantLimits(query=7, reach=20, details=3),
    )
    with reading(held, limits={"query": 7, "reach": 20, "details": 3}) as falcon:
        read = falcon.alerts(DAY)
    assert len(read.alerts) == count
    assert read.coverage.complete
    assert held.calls.count(f"GET {QUERY}") == max(1, -(-count // 7))
    assert held.calls.count(f"POST {DETAILS}") == -(-count // 3)


def test_one_alert_more_than_offsets_reach() -> None:
    held = tenant(
        alerts=[alert(number) for number in range(21)],
        limits=TenantLimits(query=7, reach=20, details=3, combined=4),
    )
    with reading(held, limits={"query": 7, "reach": 20, "details": 3, "combined": 4}) as falcon:
        read = falcon.alerts(DAY)
    assert len(read.alerts) == 21
    assert held.calls.count(f"POST {COMBINED}") == 6


def test_an_alert_by_its_id() -> None:
    with reading(tenant(alerts=[alert(1)])) as falcon:
        found = falcon.alert(composite(1))
        assert found is not None
        assert found.raw == alert(1)
        assert falcon.alert(composite(2)) is None


@pytest.mark.parametrize("lost", ["composite_id", "timestamp"])
def test_an_alert_that_cannot_be_read_is_a_gap_and_not_left_out(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with reading(tenant(alerts=[alert(1), alert(2)])) as falcon:
        original = falcon._transport.call

        def call(operation: str, **arguments: Any) -> Answer:
            answer = original(operation, **arguments)
            if operation == "get_alerts_v2":
                for entity in answer.resources:
                    if entity["composite_id"] == composite(2):
                        entity.pop("created_timestamp")
                        entity.pop(lost)
            return answer

        monkeypatch.setattr(falcon._transport, "call", call)
        read = falcon.alerts(DAY)
        if lost == "timestamp":
            with pytest.raises(FalconError, match="no time"):
                falcon.alert(composite(2))
    assert [each.composite_id for each in read.alerts] == [composite(1)]
    (gap,) = read.coverage.gaps
    assert "cannot be read" in gap.reason
    assert lost != "timestamp" or composite(2) in gap.reason


def test_a_time_may_be_missing_where_another_tells_it() -> None:
    with reading(tenant(alerts=[alert(1, context_timestamp="never", created_timestamp=5)])) as falcon:
        (found,) = falcon.alerts(DAY).alerts
    assert found.created == found.time


# --- failures ---


def test_throttled_waits_as_long_as_falcon_says() -> None:
    held, sleeps = tenant(alerts=[alert(1)]), Sleeps()
    held.arm(Fault(QUERY, "throttle", seconds=17), Fault(DETAILS, "throttle", seconds=5))
    with reading(held, sleep=sleeps) as falcon:
        read = falcon.alerts(DAY)
    assert len(read.alerts) == 1
    assert sleeps == [17.0, 5.0]


def test_a_wait_has_an_end() -> None:
    held, sleeps = tenant(), Sleeps()
    held.arm(Fault(QUERY, "throttle", seconds=86_400))
    with reading(held, sleep=sleeps) as falcon:
        falcon.alerts(DAY)
    assert sleeps == [90.0]


def test_throttled_for_good_is_a_gap_with_its_remedy() -> None:
    held = tenant(alerts=[alert(1)])
    held.arm(Fault(QUERY, "throttle", times=99))
    with reading(held) as falcon:
        read = falcon.alerts(DAY)
        with pytest.raises(RateLimited):
            falcon._transport.call("query_alerts_v2", limit=1)
    assert read.alerts == ()
    (gap,) = read.coverage.gaps
    assert (gap.kind, gap.window) == ("failed", DAY)
    assert "wait a minute" in gap.remedy


def test_what_came_before_a_failure_stays() -> None:
    held = tenant(alerts=[alert(number) for number in range(9)])
    held.arm(Fault(DETAILS, "fail", times=99, after=2))
    with reading(held, limits={"details": 3}) as falcon:
        read = falcon.alerts(DAY)
    assert len(read.alerts) == 6
    assert read.coverage.fresh_until is None
    assert [gap.kind for gap in read.coverage.gaps] == ["failed"]


@pytest.mark.parametrize("do", ["fail", "truncate", "cut"])
@pytest.mark.parametrize("path", [QUERY, DETAILS, COMBINED, DEVICES, ADDRESSES, LOGINS])
def test_a_failure_that_passes_is_not_seen(path: str, do: str) -> None:
    held, sleeps = tenant(alerts=[alert(1), alert(2), alert(3)], hosts=[host()]), Sleeps()
    held.arm(Fault(path, do, times=2))  # type: ignore[arg-type]
    with reading(held, sleep=sleeps, limits={"reach": 2} if path == COMBINED else None) as falcon:
        if path.startswith("/alerts"):
            read = falcon.alerts(DAY)
            assert (len(read.alerts), read.coverage.gaps) == (3, ())
        else:
            hosts = falcon.hosts([AID])
            assert (len(hosts.hosts), hosts.gaps) == (1, ())
            assert hosts.hosts[0].read == ("addresses", "logins")
    assert sleeps == [1.0, 2.0]


@pytest.mark.parametrize("do", ["truncate", "cut"])
def test_a_damaged_answer_is_never_an_empty_one(do: str) -> None:
    held = tenant(alerts=[alert(1)])
    held.arm(Fault(QUERY, do, times=99))  # type: ignore[arg-type]
    with reading(held) as falcon:
        read = falcon.alerts(DAY)
    assert [gap.kind for gap in read.coverage.gaps] == ["failed"]


def test_nobody_answers_in_time() -> None:
    held = tenant(alerts=[alert(1)])
    held.arm(Fault(QUERY, "stall", times=99, seconds=30))
    with reading(held, timeout=(5.0, 0.2), attempts=2) as falcon, pytest.raises(FalconUnreachable) as caught:
        falcon.check()
    assert "imed out" in caught.value.message


def test_an_answer_that_stalls_once_is_asked_for_again() -> None:
    held = tenant(alerts=[alert(1)])
    held.arm(Fault(QUERY, "stall", seconds=30))
    with reading(held, timeout=(5.0, 0.3), attempts=2) as falcon:
        assert len(falcon.alerts(DAY).alerts) == 1


def test_nobody_is_there() -> None:
    with (
        Falcon(connection_to("http://127.0.0.1:9"), CLIENT.secret, now=lambda: NOW, sleep=Sleeps()) as falcon,
        pytest.raises(FalconUnreachable) as caught,
    ):
        falcon.alert(composite(1))
    assert "HTTPS_PROXY" in caught.value.remedy


def test_a_token_that_ends_midway_is_renewed() -> None:
    held = tenant(alerts=[alert(number) for number in range(9)])
    held.arm(Fault(DETAILS, "expire", after=1))
    with reading(held, limits={"details": 3}) as falcon:
        read = falcon.alerts(DAY)
    assert (len(read.alerts), read.coverage.gaps) == (9, ())
    assert held.calls.count(f"POST {TOKEN}") == 2


def test_a_token_is_renewed_once_and_no_more() -> None:
    held = tenant()
    held.arm(Fault(QUERY, "expire", times=99))
    with reading(held) as falcon, pytest.raises(ClientRefused):
        falcon.alerts(DAY)
    assert held.calls.count(f"POST {TOKEN}") == 2


def test_a_client_that_is_revoked_midway_leaves_what_came() -> None:
    held = tenant(alerts=[alert(number) for number in range(9)])
    held.arm(Fault(DETAILS, "expire", times=99, after=1))
    with reading(held, limits={"details": 3}) as falcon:
        read = falcon.alerts(DAY)
    assert len(read.alerts) == 3
    assert [gap.kind for gap in read.coverage.gaps] == ["denied"]


def test_one_token_serves_many_calls() -> None:
    held = tenant(alerts=[alert(1)], hosts=[host()])
    with reading(held) as falcon:
        falcon.alerts(DAY)
        falcon.hosts([AID])
        falcon.alert(composite(1))
    assert held.calls.count(f"POST {TOKEN}") == 1


@pytest.mark.parametrize(
    ("client_id", "secret"), [("f" * 32, CLIENT.secret), (CLIENT.id, "another-secret")], ids=["id", "secret"]
)
def test_a_client_that_is_not_known(client_id: str, secret: str) -> None:
    with reading(tenant(), client_id=client_id, secret=secret) as falcon, pytest.raises(ClientRefused) as caught:
        falcon.alerts(DAY)
    assert "API client" in caught.value.remedy
    assert secret not in "".join(traceback.format_exception(caught.value))
    assert secret not in repr(falcon._transport)


def test_a_server_that_says_the_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    held = tenant()

    def refuse(client_id: str, secret: str) -> None:
        raise Refused(401, f"no client {client_id} with {secret}")

    monkeypatch.setattr(held, "sign_in", refuse)
    with reading(held) as falcon, pytest.raises(ClientRefused) as caught:
        falcon.alerts(DAY)
    assert CLIENT.id in caught.value.message
    assert CLIENT.secret not in caught.value.message


@pytest.mark.parametrize("do", ["throttle", "fail", "truncate", "cut"])
def test_signing_in_is_repeated_too(do: str) -> None:
    held, sleeps = tenant(alerts=[alert(1)]), Sleeps()
    held.arm(Fault(TOKEN, do, times=2, seconds=3))  # type: ignore[arg-type]
    with reading(held, sleep=sleeps) as falcon:
        assert len(falcon.alerts(DAY).alerts) == 1
    assert len(sleeps) == 2


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ({ALERTS_READ, HOSTS_READ}, {"Alerts: read": "ok", "Hosts: read": "ok"}),
        ({ALERTS_READ}, {"Alerts: read": "ok", "Hosts: read": "missing"}),
        ({HOSTS_READ}, {"Alerts: read": "missing", "Hosts: read": "ok"}),
        (set(), {"Alerts: read": "missing", "Hosts: read": "missing"}),
    ],
    ids=["both", "no hosts", "no alerts", "none"],
)
def test_the_scope_that_is_missing_is_named(scopes: set[str], expected: dict[str, str]) -> None:
    with reading(tenant(clients=[ApiClient(CLIENT.id, CLIENT.secret, frozenset(scopes))])) as falcon:
        checks = {check.scope: check for check in falcon.check()}
    assert {scope: check.status for scope, check in checks.items()} == expected
    for scope, check in checks.items():
        assert check.feature
        assert (check.status == "ok") == (check.remedy == "")
        assert check.status == "ok" or scope in check.remedy


def test_without_the_hosts_scope_alerts_are_read_and_hosts_are_a_gap() -> None:
    held = tenant(
        alerts=[alert(1)], hosts=[host()], clients=[ApiClient(CLIENT.id, CLIENT.secret, frozenset({ALERTS_READ}))]
    )
    with reading(held) as falcon:
        assert len(falcon.alerts(DAY).alerts) == 1
        hosts = falcon.hosts([AID])
        with pytest.raises(ScopeMissing, match="Hosts: read"):
            falcon._transport.call("get_device_details", ids=[AID])
    assert (hosts.hosts, hosts.unknown) == ((), ())
    assert [gap.kind for gap in hosts.gaps] == ["denied"]


def test_what_falcon_says_it_left_out_is_a_gap() -> None:
    held = tenant(alerts=[alert(1), alert(2)])
    held.arm(Fault(DETAILS, "lose"))
    with reading(held) as falcon:
        read = falcon.alerts(DAY)
    assert len(read.alerts) == 1
    assert "not available" in read.coverage.gaps[0].reason


def test_an_alert_that_vanishes_between_query_and_details_is_a_gap() -> None:
    held = tenant(alerts=[alert(1), alert(2)])
    with reading(held) as falcon:
        original = falcon._transport.call

        def call(operation: str, **arguments: object) -> object:
            if operation == "get_alerts_v2":
                held.alerts.pop(composite(1), None)
            return original(operation, **arguments)

        falcon._transport.call = call
        read = falcon.alerts(DAY)
    assert len(read.alerts) == 1
    assert "of 2 alerts Falcon gave 1" in read.coverage.gaps[0].reason


def test_a_cursor_that_does_not_move_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    held = tenant(alerts=[alert(number) for number in range(9)])
    with reading(held, limits={"reach": 2, "combined": 2}) as falcon:
        first: list[object] = []
        original = falcon._transport.call

        def call(operation: str, **arguments: object) -> object:
            if operation != "get_alerts_combined":
                return original(operation, **arguments)
            first.append(first[0] if first else original(operation, **arguments))
            return first[0]

        monkeypatch.setattr(falcon._transport, "call", call)
        read = falcon.alerts(DAY)
    assert len(read.alerts) == 2
    assert "cursor" in read.coverage.gaps[0].reason


def test_a_severity_that_is_none_is_refused() -> None:
    with reading(tenant()) as falcon, pytest.raises(UsageError):
        falcon.alerts(DAY, min_severity=101)


# --- hosts ---


def test_a_host_comes_with_its_histories() -> None:
    began = [NOW - timedelta(days=days) for days in (9, 5, 2, 1)]
    addresses = [
        {"ip_address": ip, "mac_address": "02-00-00-00-00-01", "timestamp": moment(at)}
        for ip, at in zip(("203.0.113.10", "203.0.113.10", "91.14.16.33", "192.168.1.4"), began, strict=True)
    ] + [{"ip_address": "198.51.100.9", "mac_address": "02-00-00-00-00-02", "timestamp": moment(began[1])}]
    logins = [{"user_name": "john", "login_time": moment(NOW - timedelta(days=days))} for days in (1, 3, 20)]
    held = tenant(
        hosts=[
            host(
                instance_id="i-0123456789abcdef0",
                service_provider="AWS_EC2_V2",
                service_provider_account_id="222222222222",
            )
        ],
        addresses={AID: list(reversed(addresses))},
        logins={AID: logins},
    )
    with reading(held) as falcon:
        (found,) = falcon.hosts([AID]).hosts
        (further,) = falcon.hosts([AID], since=NOW - timedelta(days=30)).hosts
    assert (found.instance_id, found.cloud_provider, found.cloud_account) == (
        *("i-0123456789abcdef0", "AWS_EC2_V2", "222222222222"),
    )
    assert (found.external_ip, found.last_login_user) == ("203.0.113.10", "COMPANY\\john")
    assert found.addresses == (
        AddressUse("203.0.113.10", began[0], began[2]),
        AddressUse("198.51.100.9", began[1], None),
        AddressUse("91.14.16.33", began[2], began[3]),
    )
    assert found.logins == (HostLogin("john", NOW - timedelta(days=3)), HostLogin("john", NOW - timedelta(days=1)))
    assert len(further.logins) == 3
    assert found.read == ("addresses", "logins")


def test_a_host_without_histories_is_known_to_have_none() -> None:
    with reading(tenant(hosts=[host()])) as falcon:
        (found,) = falcon.hosts([AID]).hosts
    assert (found.addresses, found.logins, found.read) == ((), (), ("addresses", "logins"))


def test_a_history_that_cannot_be_read_is_not_an_empty_one() -> None:
    held = tenant(hosts=[host()])
    held.arm(Fault(LOGINS, "fail", times=99))
    with reading(held) as falcon:
        read = falcon.hosts([AID])
    assert read.hosts[0].read == ("addresses",)
    assert [gap.kind for gap in read.gaps] == ["failed"]


def test_hosts_that_falcon_does_not_know_are_named() -> None:
    with reading(tenant(hosts=[host()])) as falcon:
        read = falcon.hosts(["e" * 32, AID, "e" * 32])
    assert [each.device_id for each in read.hosts] == [AID]
    assert read.unknown == ("e" * 32,)
    assert read.gaps == ()


def test_many_hosts_are_asked_for_in_pieces() -> None:
    ids = [f"{number:032x}" for number in range(23)]
    held = tenant(hosts=[host(each, "SAME-NAME") for each in ids], limits=TenantLimits(devices=10))
    with reading(held, limits={"devices": 10, "device_details": 10, "addresses": 10}) as falcon:
        read = falcon.find_hosts("same-name")
    assert [each.device_id for each in read.hosts] == ids
    assert read.gaps == ()
    assert held.calls.count(f"GET {DEVICE_QUERY}") == 3
    assert held.calls.count(f"POST {LOGINS}") == 3


def test_a_name_with_a_wildcard_asks_for_no_strangers_histories() -> None:
    held = tenant(hosts=[host(f"{number:032x}", f"LAPTOP-{number}") for number in range(40)])
    with reading(held) as falcon:
        assert falcon.find_hosts("LAPTOP-*").hosts == ()
    assert not [call for call in held.calls if LOGINS in call or ADDRESSES in call]


def test_a_host_of_no_name_is_not_found() -> None:
    with reading(tenant(hosts=[host()])) as falcon:
        assert falcon.find_hosts("LAPTOP-8").hosts == ()


# --- where the secret goes ---


def test_the_secret_follows_no_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    held = tenant()
    with reading(held) as falcon:
        falcon.check()
        seen: list[bool] = []
        original = requests.Session.request

        def request(self: requests.Session, *arguments: object, **settings: object) -> requests.Response:
            seen.append(bool(settings["allow_redirects"]))
            return original(self, *arguments, **settings)  # type: ignore[arg-type]

        monkeypatch.setattr(requests.Session, "request", request)
        held.revoke_all()
        falcon.check()
    assert len(seen) >= 3
    assert not any(seen)


def test_a_header_does_not_send_the_token_elsewhere() -> None:
    held = tenant(alerts=[alert(1)], region="us-2")
    with reading(held) as falcon:
        assert len(falcon.alerts(DAY).alerts) == 1
    assert f"GET {QUERY}" in held.calls


@pytest.mark.parametrize(("region", "works"), [("us-1", True), ("eu-1", False), (None, True)])
def test_a_client_of_another_cloud_is_told_so(region: str | None, works: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    held = tenant(region=region)
    with FalconServer(held) as server:
        monkeypatch.setattr("trailwarden.falcon.connection.CLOUDS", {"us-1": server.endpoint})
        with Falcon(connection_to(server.endpoint), CLIENT.secret, now=lambda: NOW, sleep=Sleeps()) as falcon:
            if works:
                assert falcon.alert(composite(1)) is None
                return
            with pytest.raises(FalconError, match="cloud eu-1, not to us-1") as caught:
                falcon.alert(composite(1))
    assert "connect again" in caught.value.remedy
    assert not [call for call in held.calls if TOKEN not in call]


def test_a_login_of_netrc_does_not_take_the_place_of_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login somebody password else\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(path))
    with reading(tenant(alerts=[alert(1)])) as falcon:
        assert len(falcon.alerts(DAY).alerts) == 1


class Watched:
    def __init__(self) -> None:
        self.done: dict[str, float] = {}
        self.totals: dict[str, float] = {}

    @contextmanager
    def task(self, title: str, *, total: float | None = None, unit: str = "") -> Iterator["_Task"]:
        yield _Task(self, title)


class _Task:
    def __init__(self, watched: Watched, title: str) -> None:
        self.watched, self.title = watched, title

    def advance(self, amount: float, *, note: str = "") -> None:
        self.watched.done[self.title] = self.watched.done.get(self.title, 0) + amount

    def total(self, amount: float) -> None:
        self.watched.totals[self.title] = amount


def test_progress_is_reported() -> None:
    watched = Watched()
    with reading(
        tenant(alerts=[alert(number) for number in range(9)]), limits={"details": 4}, progress=watched
    ) as falcon:
        falcon.alerts(DAY)
    assert (watched.done, watched.totals) == ({"Falcon alerts": 9}, {"Falcon alerts": 9})


# --- the table of errors ---


def _exceptions_of(module: object) -> list[type[Exception]]:
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Exception) and not issubclass(value, Warning | ImportError)
    ]


@pytest.mark.parametrize(
    "kind", [*_exceptions_of(requests.exceptions), *_exceptions_of(falconpy_errors)], ids=lambda kind: kind.__name__
)
def test_every_exception_of_the_sdk_has_a_meaning(kind: type[Exception]) -> None:
    assert any(base.__name__ in EXCEPTIONS for base in kind.__mro__), kind
    assert rule_for_exception(kind).remedy


@pytest.mark.parametrize("status", [*range(300, 309), *range(400, 452), *range(500, 512), 520, 599])
def test_every_status_has_a_meaning(status: int) -> None:
    for signing_in in (False, True):
        rule = rule_for_status(status, signing_in=signing_in)
        assert rule.remedy
        assert issubclass(rule.error, FalconError)
        assert rule.retry == (status >= 500 or status in (408, 429))


def test_every_operation_exists_in_the_sdk() -> None:
    for name, operation in OPERATIONS.items():
        assert callable(getattr(getattr(falconpy, operation.service), name))


def test_a_window_in_another_zone_is_the_same_window() -> None:
    eastern = datetime.fromisoformat("2026-11-24T06:59:59+01:00")
    window = Window(eastern.astimezone(UTC), NOW)
    with reading(tenant(alerts=[alert(1, NOW - timedelta(hours=6)), alert(2, NOW - timedelta(hours=7))])) as falcon:
        assert [each.composite_id for each in falcon.alerts(window).alerts] == [composite(1)]
