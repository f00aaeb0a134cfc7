"""Falcon's entities as values, and FQL: whatever the text in them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from falcon_kit import AID, alert, composite
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.demo.falcon.fql import FqlError, parse
from trailwarden.falcon.fql import any_of, quoted
from trailwarden.falcon.parse import Unreadable, addresses_of, alert_of, host_of, is_internal, logins_of
from trailwarden.model.alert import AddressUse, Alert, Host

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def read(**fields: Any) -> Alert:
    made = alert_of(alert(1, **fields))
    assert isinstance(made, Alert)
    return made


def test_an_endpoint_alert() -> None:
    made = read(cmdline="cmd /c x", user_principal="john@company.com", user_id="S-1-5-21-7", display_name="Shown")
    assert (made.composite_id, made.product, made.name, made.severity) == (composite(1), "epp", "Shown", 50)
    assert (made.device_id, made.hostname, made.external_ip, made.local_ip) == (
        *(AID, "LAPTOP-7", "203.0.113.10", "10.0.0.7"),
    )
    assert (made.user_name, made.user_id, made.upn) == ("john", "S-1-5-21-7", "john@company.com")
    assert made.source_ip is None


def test_an_identity_alert_has_no_device() -> None:
    body = alert(1, product="idp", source_account_name="john", source_account_upn="john@company.com",
                 source_account_domain="COMPANY.COM", source_endpoint_ip_address="185.220.101.1")  # fmt: skip
    for field in ("device", "agent_id", "user_name"):
        del body[field]
    made = alert_of(body)
    assert isinstance(made, Alert)
    assert (made.device_id, made.hostname, made.external_ip) == (None, None, None)
    assert (made.user_name, made.upn, made.logon_domain) == ("john", "john@company.com", "COMPANY.COM")
    assert made.source_ip == "185.220.101.1"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"timestamp": "2026-11-24T01:02:03.123456789Z"}, datetime(2026, 11, 24, 1, 2, 3, 123456, tzinfo=UTC)),
        ({"timestamp": "2026-11-24T01:02:03+02:00"}, datetime(2026, 11, 23, 23, 2, 3, tzinfo=UTC)),
        ({"timestamp": None, "context_timestamp": "2026-11-24T01:00:00Z"}, datetime(2026, 11, 24, 1, tzinfo=UTC)),
        ({"timestamp": "x", "created_timestamp": "2026-11-24T02:00:00Z"}, datetime(2026, 11, 24, 2, tzinfo=UTC)),
    ],
    ids=["nanoseconds", "zone", "context", "created"],
)
def test_the_time_of_an_alert(fields: dict[str, Any], expected: datetime) -> None:
    assert read(**fields).time == expected


@pytest.mark.parametrize(
    ("entity", "reason"),
    [
        ("text", "not an object"),
        (None, "not an object"),
        ({}, "composite_id"),
        ({"composite_id": ""}, "composite_id"),
        ({"composite_id": "x"}, "no time"),
        ({"composite_id": "x", "timestamp": 1_700_000_000}, "no time"),
    ],
    ids=str,
)
def test_what_is_no_alert(entity: Any, reason: str) -> None:
    made = alert_of(entity)
    assert isinstance(made, Unreadable)
    assert reason in made.reason


@pytest.mark.parametrize("severity", [-1, 101, True, "50", 5.5, None])
def test_a_severity_that_is_none_is_unknown(severity: Any) -> None:
    assert read(severity=severity).severity is None


@pytest.mark.parametrize("text", ["", "999.1.1.1", "x", 7, None, ["203.0.113.1"]])
def test_an_address_that_is_none_is_unknown(text: Any) -> None:
    assert read(device={"external_ip": text}).external_ip is None


@given(st.dictionaries(st.sampled_from(sorted({*alert(1), "user_principal", "context_timestamp"})), JSON))
def test_any_alert_is_read_or_said_to_be_unreadable(changed: dict[str, Any]) -> None:
    body = {**alert(1), **changed}
    made = alert_of(body)
    assert isinstance(made, Unreadable) or made.raw == body


@given(st.dictionaries(st.sampled_from(["device_id", "hostname", "external_ip", "last_seen", "instance_id"]), JSON))
def test_any_host_is_read_or_said_to_be_unreadable(body: dict[str, Any]) -> None:
    made = host_of(body)
    assert isinstance(made, Unreadable) or (isinstance(made, Host) and made.raw == body)


@given(st.fixed_dictionaries({"history": JSON, "recent_logins": JSON}))
def test_any_history_is_read(body: dict[str, Any]) -> None:
    assert isinstance(addresses_of(body), tuple)
    assert isinstance(logins_of(body), tuple)


def test_an_address_ends_where_the_next_begins_though_that_is_internal() -> None:
    at = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2, 3)]
    history = [
        {"ip_address": ip, "mac_address": "m", "timestamp": moment.isoformat()}
        for ip, moment in zip(("198.51.100.1", "10.0.0.4", "198.51.100.1"), at, strict=True)
    ]
    assert addresses_of({"history": history}) == (
        AddressUse("198.51.100.1", at[0], at[1]),
        AddressUse("198.51.100.1", at[2], None),
    )


@pytest.mark.parametrize(
    ("address", "internal"),
    [
        ("10.255.255.255", True), ("172.15.255.255", False), ("172.16.0.0", True), ("172.32.0.0", False),
        ("192.168.0.1", True), ("100.64.0.1", True), ("100.128.0.1", False), ("169.254.169.254", True),
        ("127.0.0.1", True), ("203.0.113.10", False), ("fd00::1", True), ("fe80::1", True), ("2001:db8::1", False),
        ("::1", True), ("8.8.8.8", False),
    ],
)  # fmt: skip
def test_internal_addresses(address: str, internal: bool) -> None:
    assert is_internal(address) is internal


# --- FQL ---

FIELDS = frozenset({"name", "other", "number", "at"})
PLAIN = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="*"), max_size=20)


@given(PLAIN, PLAIN)
def test_a_quoted_value_is_that_value_and_no_more(value: str, another: str) -> None:
    matches = parse(f"name:{quoted(value)}", FIELDS)
    assert matches({"name": value})
    assert matches({"name": another}) == (value.casefold() == another.casefold() or value.lower() == another.lower()
                                          or value.upper() == another.upper())  # fmt: skip


@given(st.text(max_size=20))
def test_no_value_gets_out_of_its_quotes(value: str) -> None:
    matches = parse(any_of(("name", "other"), [value, "fixed"]), FIELDS)
    assert matches({"name": "fixed"})
    assert not matches({"number": 5, "at": "2026-11-24T00:00:00Z"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name:'a'", True), ("name:'A'", True), ("name:'b'", False), ("name:!'b'", True), ("name:!'a'", False),
        ("name:'a'+number:5", True), ("name:'a'+number:6", False), ("name:'b',number:5", True),
        ("name:'b',name:'a'+number:6", False), ("(name:'b',name:'a')+number:>=5", True), ("number:>5", False),
        ("number:<6", True), ("number:<=4", False), ("name:['b','a']", True), ("name:['b','c']", False),
        ("name:'*'", True), ("at:>='2026-11-24T00:00:00Z'", True), ("at:>'2026-11-24T00:00:00.000Z'", False),
        ("at:<'2026-11-24T01:00:00+01:00'", False), ("other:'x'", False), ("", True),
    ],
)  # fmt: skip
def test_the_stand_ins_fql(text: str, expected: bool) -> None:
    entity = {"name": "a", "number": 5, "at": "2026-11-24T00:00:00Z"}
    assert parse(text, FIELDS)(entity) is expected


@pytest.mark.parametrize(
    "text",
    ["x", "name", "name:", "name:a", "name:'a", "name:'a'+", "name:'a' + other:'b'", "(name:'a'", "name:'a')",
     "unknown:'a'", "name:['a'", "name:[]", "name:>['a','b']", ":'a'", "name:~'a'", "name:'a';", "name:'a''b'"],
)  # fmt: skip
def test_what_the_stand_in_refuses(text: str) -> None:
    with pytest.raises(FqlError):
        parse(text, FIELDS)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(FqlError):
        parse("at:>'yesterday'", FIELDS)({"at": "2026-11-24T00:00:00Z"})
