"""Evidence together: combinations, time, chains, the order of matches, and the data file behind it all."""

from datetime import timedelta
from importlib import resources
from typing import Any

import msgspec
import pytest
import yaml
from correlate_kit import (
    DEV,
    HOME_IP,
    INSTANCE,
    JOHN,
    OFFICE_IP,
    PROD,
    T0,
    alert,
    host,
    hours,
    iam_user,
    identifier,
    ids,
    instance,
    issued_by,
    portal,
    session,
)

from trailwarden.correlate import AddressPopularity, Correlator, Weights, correlate, default_weights
from trailwarden.model.alert import Alert, Host, HostLogin
from trailwarden.model.session import Session

ALONE = {HOME_IP: AddressPopularity(HOME_IP, 1, 0), OFFICE_IP: AddressPopularity(OFFICE_IP, 40, 3)}
PEOPLE = {"jsmith": [JOHN]}
LAPTOP = host(hostname="LAPTOP-7", external_ip=HOME_IP)

#: Alert, host, session, and the weights that count beside each other.
TOGETHER: dict[str, tuple[Alert, Host | None, Session, list[float]]] = {
    "upn-and-own-address": (alert(upn=JOHN, external_ip=HOME_IP), None, portal(source_ips=(HOME_IP,)), [0.85, 0.5]),
    "upn-and-shared-address": (
        alert(upn=JOHN, external_ip=OFFICE_IP), None, portal(source_ips=(OFFICE_IP,)), [0.85, 0.15]
    ),
    "both-kinds-of-address": (
        alert(external_ip=OFFICE_IP), LAPTOP, session(source_ips=(HOME_IP, OFFICE_IP)), [0.5, 0.15]
    ),
    "instance-and-address": (
        alert(external_ip=HOME_IP),
        host(instance_id=INSTANCE, cloud_account=PROD),
        instance(source_ips=(HOME_IP,)),
        [0.95, 0.5],
    ),
    "one-name-in-two-fields": (alert(upn=JOHN, user_name="john"), None, portal(), [0.85]),
    "one-name-by-alias-too": (alert(upn=JOHN, user_name="jsmith"), None, portal(), [0.85]),
    "one-name-that-logged-in-too": (
        alert(upn=JOHN), host(last_login_user="COMPANY\\john"), portal(), [0.85]
    ),
    "two-names": (
        alert(upn=JOHN, user_name="jsmith"),
        None,
        session(name="jsmith", names=(identifier("source_identity", JOHN),)),
        [0.85, 0.1],
    ),
    "one-address-in-two-fields": (alert(external_ip=HOME_IP), LAPTOP, session(source_ips=(HOME_IP,)), [0.5]),
    "one-value-in-two-records": (
        alert(upn=JOHN), None, session(name=JOHN, names=(identifier("source_identity", JOHN),)), [0.85]
    ),
    "all-of-it": (
        alert(upn=JOHN, external_ip=OFFICE_IP, hostname="LAPTOP-7"),
        LAPTOP,
        session(name="laptop-7", names=(identifier("source_identity", JOHN),), source_ips=(HOME_IP, OFFICE_IP)),
        [0.85, 0.5, 0.15, 0.1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TOGETHER.values(), ids=TOGETHER)
def test_what_counts_beside_each_other(case: tuple[Alert, Host | None, Session, list[float]]) -> None:
    one, on, other, weights = case
    (found,) = correlate(one, on, [other], people=PEOPLE, address_use=ALONE)
    assert [each.weight for each in found.evidence] == weights
    against = 1.0
    for weight in weights:
        against *= 1 - weight
    assert found.score == pytest.approx(1 - against)


TIMES = {
    "during": (-1.0, 1.0, 1.0),
    "alert-in-the-first-second": (0.0, 1.0, 1.0),
    "just-ended": (-3.0, -0.5, 1.0),
    "ended-an-hour-before": (-3.0, -1.0, 1.0),
    "ended-half-a-day-before": (-14.0, -12.5, 0.65),
    "ended-a-day-before": (-30.0, -24.0, 0.3),
    "ended-earlier": (-30.0, -24.1, None),
    "a-week-too-early": (-170.0, -168.0, None),
    "soon-after": (2.0, 3.0, 1.0),
    "at-the-end-of-the-working-day": (12.0, 13.0, 1.0),
    "that-night": (18.0, 19.0, 0.65),
    "a-day-after": (24.0, 25.0, 0.3),
    "later": (24.1, 25.0, None),
    "a-key-of-months": (-2000.0, 2000.0, 1.0),
}


@pytest.mark.parametrize(("begin", "end", "factor"), TIMES.values(), ids=TIMES)
def test_time(begin: float, end: float, factor: float | None) -> None:
    found = correlate(alert(upn=JOHN), None, [portal(first_seen=hours(begin), last_seen=hours(end))])
    assert [each.time_factor for each in found] == ([pytest.approx(factor)] if factor is not None else [])
    assert [each.score for each in found] == ([pytest.approx(0.85 * factor)] if factor is not None else [])


def test_sessions_from_a_match_follow_at_a_discount_with_the_evidence_of_the_match() -> None:
    first = portal(1)
    second = issued_by(first, 2, chain=())
    third = issued_by(second, 3, chain=(), account=DEV)
    fourth = issued_by(third, 4, chain=(), first_seen=hours(18), last_seen=hours(19))
    found = correlate(alert(upn=JOHN), None, [fourth, third, second, first])
    assert ids(found) == [each.session_id for each in (first, second, third, fourth)]
    assert [each.hops for each in found] == [0, 1, 2, 3]
    assert [each.score for each in found] == pytest.approx([0.85, 0.85 * 0.9, 0.85 * 0.81, 0.85 * 0.729 * 0.65])
    assert {each.evidence for each in found} == {found[0].evidence}


def test_a_session_follows_no_issuer_that_does_not_match() -> None:
    far = portal(1, first_seen=hours(-200), last_seen=hours(-190))
    assert correlate(alert(upn=JOHN), None, [far, issued_by(far, 2, chain=())]) == ()
    assert correlate(alert(upn=JOHN), None, [issued_by(portal(1), 2, chain=())]) == ()


def test_a_session_keeps_its_own_evidence_where_that_is_better() -> None:
    first = session(1, source_ips=(OFFICE_IP,))
    second = issued_by(first, 2, names=(identifier("source_identity", JOHN),))
    found = correlate(alert(upn=JOHN, external_ip=OFFICE_IP), None, [first, second], address_use=ALONE)
    assert [(each.session.session_id, each.hops) for each in found] == [(second.session_id, 0), (first.session_id, 0)]


def test_sessions_that_issued_each_other_end() -> None:
    first, second = portal(1), session(2)
    ring = [issued_by(second, 1, identifiers=first.identifiers), issued_by(first, 2)]
    found = correlate(alert(upn=JOHN), None, ring)
    assert [each.hops for each in found] == [0, 1]
    for_free = msgspec.structs.replace(default_weights(), hop=1.0)
    assert len(correlate(alert(upn=JOHN), None, ring, weights=for_free)) == 2


def test_matches_are_ranked_by_score_and_then_by_id() -> None:
    given = [
        session(5, name="john"),
        portal(4),
        session(3, name="john"),
        portal(2, first_seen=hours(18), last_seen=hours(19)),
    ]
    found = correlate(alert(upn=JOHN), None, given)
    assert [each.session.session_id[-1] for each in found] == ["4", "2", "3", "5"]


def test_least_leaves_out_what_scores_no_more() -> None:
    given = [session(1, name="john"), portal(2)]
    assert ids(correlate(alert(upn=JOHN), None, given, least=0.1)) == [given[1].session_id]
    assert len(correlate(alert(upn=JOHN), None, given, least=0.09)) == 2


def test_one_index_serves_many_alerts() -> None:
    given = [portal(1), instance(2), session(3, source_ips=(HOME_IP,)), iam_user(4)]
    index = Correlator(given, people=PEOPLE)
    cases: list[tuple[Alert, Host | None]] = [
        (alert(upn=JOHN), None),
        (alert(), host(instance_id=INSTANCE, cloud_account=PROD)),
        (alert(user_name="jsmith"), LAPTOP),
        (alert(), host(logins=(HostLogin(JOHN, T0),))),
    ]
    for one, on in cases:
        assert index.correlate(one, on) == correlate(one, on, given, people=PEOPLE) != ()


def test_sessions_that_are_given_twice_match_once() -> None:
    assert len(correlate(alert(upn=JOHN), None, [portal(), portal()])) == 1


def test_many_sessions_of_one_address_are_found_by_their_times() -> None:
    def one(number: int) -> Session:
        begin = hours(-2000 + number * 10)
        return session(number, source_ips=(HOME_IP,), first_seen=begin, last_seen=begin + timedelta(hours=1))

    given = [*map(one, range(1, 401)), session(900, source_ips=(HOME_IP,), first_seen=hours(-3000), last_seen=hours(5))]
    found = correlate(alert(external_ip=HOME_IP), None, given)
    assert {each.session.session_id for each in found} == {f"ses-{n:016x}" for n in (198, 199, 200, 201, 202, 900)}


# --- The data file


def written() -> Any:
    return yaml.safe_load((resources.files("trailwarden") / "rules" / "correlation.yaml").read_text())


def test_the_weights_of_the_file() -> None:
    weights = default_weights()
    assert {kind: each.weight for kind, each in weights.kinds.items()} == {
        "instance_id": 0.95,
        "instance_id_without_account": 0.60,
        "user_email": 0.85,
        "alias": 0.60,
        "address_exclusive": 0.50,
        "login": 0.40,
        "address_shared": 0.15,
        "bare_name": 0.10,
        "hostname": 0.10,
        "instance_name_chosen": 0.10,
    }
    assert weights.hop == 0.9
    assert (weights.time.after.full, weights.time.after.last, weights.time.least) == (12, 24, 0.3)
    assert (weights.time.before.full, weights.time.before.last) == (1, 24)
    assert (weights.logins.before, weights.logins.after) == (24, 1)


def test_every_kind_says_what_it_means_and_is_documented() -> None:
    from pathlib import Path  # noqa: PLC0415

    page = (Path(__file__).parents[2] / "docs" / "correlation.md").read_text(encoding="utf-8")
    for kind, each in default_weights().kinds.items():
        assert each.what
        assert f"| `{kind}` | {each.weight:.2f} |" in page


WRONG = {
    "weight-above-one": ("kinds.alias.weight", 1.1),
    "weight-below-zero": ("kinds.alias.weight", -0.1),
    "reach-turned-round": ("time.after", {"full": 24, "last": 12}),
    "unknown-field": ("time.unit", "days"),
}


@pytest.mark.parametrize(("path", "value"), WRONG.values(), ids=WRONG)
def test_a_file_that_makes_no_sense_is_refused(path: str, value: object) -> None:
    document = written()
    *into, last = path.split(".")
    at = document
    for key in into:
        at = at[key]
    at[last] = value
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, Weights)


def test_other_weights_give_other_scores() -> None:
    document = written()
    document["kinds"]["user_email"]["weight"] = 0.5
    (found,) = correlate(alert(upn=JOHN), None, [portal()], weights=msgspec.convert(document, Weights))
    assert (found.evidence[0].weight, found.score) == (0.5, 0.5)
