"""What holds of every correlation, whatever alert, host and sessions say."""

from typing import Any

import msgspec
import pytest
from correlate_kit import (
    ATTACKER_IP,
    DEV,
    HOME_IP,
    INSTANCE,
    JOHN,
    OFFICE_IP,
    PROD,
    alert,
    host,
    hours,
    iam_user,
    identifier,
    instance,
    issued_by,
    portal,
    session,
)
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.correlate import AddressPopularity, Correlator, correlate
from trailwarden.model.alert import AddressUse, Alert, Host, HostLogin, SessionMatch
from trailwarden.model.session import Session

NAMES = [
    JOHN,
    "john",
    "john@partner.example",
    "jsmith",
    "JOHN",
    "jane@company.com",
    "laptop-7",
    INSTANCE,
    "Ünïcode",
    "@",
]
ADDRESSES = [HOME_IP, OFFICE_IP, ATTACKER_IP, "10.0.0.1", "AWS Internal", ""]
USE = {
    HOME_IP: AddressPopularity(HOME_IP, 1, 0),
    OFFICE_IP: AddressPopularity(OFFICE_IP, 30, 4),
}
PEOPLE = {"jsmith": [JOHN], "john": ["jsmith"]}

names = st.sampled_from(NAMES)
addresses = st.sampled_from(ADDRESSES)
times = st.floats(-60, 60, allow_nan=False).map(hours)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


#: What an alert and a host can say more of. Not the host's addresses over time: they correct, and do not add.
MORE_OF_ALERT: dict[str, st.SearchStrategy[Any]] = {
    "upn": names,
    "user_name": names,
    "hostname": names,
    "external_ip": addresses,
    "source_ip": addresses,
}
MORE_OF_HOST: dict[str, st.SearchStrategy[Any]] = {
    "instance_id": st.just(INSTANCE),
    "hostname": names,
    "external_ip": addresses,
    "connection_ip": addresses,
    "logins": st.lists(st.builds(HostLogin, names, times), max_size=3).map(tuple),
}
alerts = st.builds(alert, **{field: maybe(values) for field, values in MORE_OF_ALERT.items()})
hosts = st.builds(
    host,
    cloud_account=st.sampled_from([None, PROD, DEV]),
    last_login_user=maybe(names),
    addresses=st.lists(st.builds(AddressUse, addresses, times, maybe(times)), max_size=2).map(tuple),
    **{field: values if field == "logins" else maybe(values) for field, values in MORE_OF_HOST.items()},
)


@st.composite
def many_sessions(draw: st.DrawFn) -> list[Session]:
    found: list[Session] = []
    for number in range(draw(st.integers(0, 6))):
        begin, end = sorted([draw(times), draw(times)])
        fields: dict[str, Any] = {
            "first_seen": begin,
            "last_seen": end,
            "source_ips": tuple(draw(st.lists(addresses, max_size=2, unique=True))),
        }
        make = draw(st.sampled_from([session, portal, iam_user, instance]))
        name = INSTANCE if make is instance else draw(names)
        one = make(number, name=name, **fields)
        if draw(st.booleans()) and found:
            one = issued_by(draw(st.sampled_from(found)), number, name=name, **fields)
        found.append(one)
    return found


def found_by(one: Alert, on: Host | None, given_sessions: list[Session]) -> dict[str, SessionMatch]:
    matches = correlate(one, on, given_sessions, people=PEOPLE, address_use=USE)
    return {match.session.session_id: match for match in matches}


@given(alerts, maybe(hosts), many_sessions())
def test_a_score_is_what_the_evidence_comes_to(one: Alert, on: Host | None, sessions: list[Session]) -> None:
    for match in found_by(one, on, sessions).values():
        against = 1.0
        for each in match.evidence:
            against *= 1 - each.weight
        assert match.score == pytest.approx((1 - against) * match.time_factor * 0.9**match.hops)
        assert 0 < match.score <= 1
        assert 0.3 <= match.time_factor <= 1
        assert match.evidence
        assert len({each.kind for each in match.evidence}) == len(match.evidence)


@given(alerts, maybe(hosts), many_sessions(), st.randoms(use_true_random=False))
def test_order_is_irrelevant(one: Alert, on: Host | None, sessions: list[Session], random: Any) -> None:
    shuffled = [
        msgspec.structs.replace(
            each,
            identifiers=tuple(random.sample(each.identifiers, len(each.identifiers))),
            source_ips=each.source_ips[::-1],
            evidence=each.evidence[::-1],
        )
        for each in random.sample(sessions, len(sessions))
    ]
    turned = msgspec.structs.replace(on, logins=on.logins[::-1], addresses=on.addresses[::-1]) if on else None
    first, second = found_by(one, on, sessions), found_by(one, turned, shuffled)
    assert list(first) == list(second)
    for key, match in first.items():
        assert (match.score, match.hops, match.against) == (second[key].score, second[key].hops, second[key].against)
        assert [each.kind for each in match.evidence] == [each.kind for each in second[key].evidence]


def _no_less(before: dict[str, SessionMatch], after: dict[str, SessionMatch]) -> None:
    for key, match in before.items():
        assert key in after
        assert after[key].score >= match.score - 1e-12


@given(alerts, maybe(hosts), many_sessions(), st.data())
def test_more_of_the_alert_never_lowers_a_score(
    one: Alert, on: Host | None, sessions: list[Session], data: st.DataObject
) -> None:
    # An address of the alert's own is better than the last check-in's, and takes no place from it.
    missing = [field for field in MORE_OF_ALERT if getattr(one, field) is None]
    if not missing:
        return
    field = data.draw(st.sampled_from(missing))
    more = msgspec.structs.replace(one, **{field: data.draw(MORE_OF_ALERT[field])})
    _no_less(found_by(one, on, sessions), found_by(more, on, sessions))


@given(alerts, hosts, many_sessions(), st.data())
def test_more_of_the_host_never_lowers_a_score(
    one: Alert, on: Host, sessions: list[Session], data: st.DataObject
) -> None:
    _no_less(found_by(one, None, sessions), found_by(one, msgspec.structs.replace(on, addresses=()), sessions))
    missing = [field for field in MORE_OF_HOST if field != "logins" and getattr(on, field) is None]
    if not missing:
        return
    field = data.draw(st.sampled_from(missing))
    more = msgspec.structs.replace(on, **{field: data.draw(MORE_OF_HOST[field])})
    _no_less(found_by(one, on, sessions), found_by(one, more, sessions))


@given(alerts, maybe(hosts), many_sessions(), st.data())
def test_more_of_a_session_never_lowers_its_score(
    one: Alert, on: Host | None, sessions: list[Session], data: st.DataObject
) -> None:
    if not sessions:
        return
    at = data.draw(st.integers(0, len(sessions) - 1))
    kind = data.draw(st.sampled_from(["source_identity", "email", "saml_subject", "session_name"]))
    more = msgspec.structs.replace(
        sessions[at],
        identifiers=(*sessions[at].identifiers, identifier(kind, data.draw(names), "proven", 7)),
        source_ips=(*sessions[at].source_ips, data.draw(addresses)),
    )
    richer = [*sessions[:at], more, *sessions[at + 1 :]]
    _no_less(found_by(one, on, sessions), found_by(one, on, richer))


@given(alerts, maybe(hosts), many_sessions())
def test_nothing_given_is_changed_and_an_index_can_be_used_again(
    one: Alert, on: Host | None, sessions: list[Session]
) -> None:
    index = Correlator(sessions, people=PEOPLE, address_use=USE)
    first = index.correlate(one, on)
    index.correlate(alert(upn="jane@company.com"), None)
    assert index.correlate(one, on) == first
    assert {each.session for each in first} <= set(sessions)
