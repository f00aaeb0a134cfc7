"""What stands out in sessions."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_kit import (
    DEV,
    JANE,
    JANE_ID,
    JOHN,
    JOHN_ID,
    NOW,
    OLD_JOHN,
    PROD,
    access_key,
    ago,
    alias,
    arn_of,
    directory,
    event_id,
    iam_user,
    identifier,
    key_session,
    portal_session,
    session,
    sign_in_attempt,
    step,
)

from trailwarden.model.finding import Evidence, Finding
from trailwarden.model.session import Issuer, Session
from trailwarden.session_findings import session_findings

HOME, AWAY, SECOND = "203.0.113.10", "198.51.100.99", "203.0.113.11"
INSTANCE = "i-0123456789abcdef0"
EMAIL = "john@company.com"


def instance_session(number: int, *ips: str, at: float = 5, **fields: Any) -> Session:
    """Six hours of an instance's credentials, which end ``at`` hours ago."""
    return session(
        number,
        **{
            "method": "instance_profile",
            "session_name": INSTANCE,
            "source_ips": ips,
            "first_seen": ago(at + 6),
            "last_seen": ago(at),
            "chain": (step("ec2_instance", INSTANCE),),
            **fields,
        },
    )


def root_session(number: int = 1, **fields: Any) -> Session:
    known = {"method": "root", "role_arn": None, "session_name": None, "principal_arn": f"arn:aws:iam::{PROD}:root"}
    return session(number, **{**known, **fields})


def console_session(number: int = 1, *, name: str = "bob", **fields: Any) -> Session:
    return key_session(number, name=name, method="iam_user_console", access_keys=(), **{"mfa": False, **fields})


def issuer() -> Issuer:
    return Issuer(
        event_id=event_id(9),
        event_name="AssumeRole",
        time=ago(2),
        kind="iam_user",
        name="bob",
        arn=arn_of("bob"),
        account=PROD,
        access_key="AKIA00000009EXAMPLE",
        source_ip=HOME,
        by="issued access key",
    )


def found(rule: str, *sessions: Session, users: Any = (), **more: Any) -> list[Finding]:
    return [each for each in session_findings(sessions, directory(*users), now=NOW, **more) if each.id == rule]


# --- Instance credentials off the instance


@pytest.mark.parametrize(
    ("sessions", "severity"),
    [
        ([instance_session(1, HOME, AWAY)], "high"),
        ([instance_session(1, HOME, AWAY), instance_session(2, HOME, at=11)], "high"),
        ([instance_session(1, HOME, SECOND), instance_session(2, HOME, SECOND, at=11)], "medium"),
        ([instance_session(1, HOME, "10.0.0.4", AWAY)], "high"),
        ([instance_session(1, HOME, at=17), instance_session(2, AWAY, at=11), instance_session(3, HOME, at=5)], "high"),
        ([instance_session(1, "2001:db8::1", "2001:db8::2")], "high"),
    ],
    ids=[
        "a second public address",
        "one that no other session has",
        "a pool that other sessions have too",
        "beside a private one",
        "a whole session between two at home",
        "IPv6",
    ],
)
def test_instance_credentials_off_the_instance(sessions: list[Session], severity: str) -> None:
    (one,) = found("instance_credentials_off_instance", *sessions)
    assert one.severity == severity
    assert INSTANCE in one.detail
    assert one.evidence


@pytest.mark.parametrize(
    "sessions",
    [
        [instance_session(1, HOME)],
        [instance_session(1, HOME, "10.0.0.4", "172.31.2.2", "192.168.7.7", "100.64.1.1")],
        [instance_session(1, HOME, "ec2.amazonaws.com", "AWS Internal")],
        [instance_session(1, HOME, "2001:db8::1")],
        [instance_session(1, HOME, at=11), instance_session(2, AWAY, at=5)],
        [instance_session(1, HOME, at=17), instance_session(2, "2001:db8::1", at=11), instance_session(3, HOME, at=5)],
        [instance_session(1, HOME), instance_session(2, AWAY, session_name="i-00000000000000000")],
        [instance_session(1, HOME), instance_session(2, AWAY, account=DEV)],
        [session(1, source_ips=(HOME, AWAY))],
        [instance_session(1)],
    ],
    ids=[
        "one egress address",
        "private addresses",
        "calls by services",
        "both families",
        "a new address after a restart",
        "a session over IPv6 alone",
        "another instance",
        "another account",
        "no instance",
        "no address at all",
    ],
)
def test_what_an_instance_does_by_itself(sessions: list[Session]) -> None:
    assert found("instance_credentials_off_instance", *sessions) == []


def test_one_instance_is_one_finding() -> None:
    stolen = [instance_session(number, HOME, f"198.51.100.{number}", at=number * 6) for number in range(1, 21)]
    (one,) = found("instance_credentials_off_instance", *stolen)
    assert one.count == 200
    assert len(one.evidence) == 10
    assert "20 sessions" in one.detail


def test_the_record_that_holds_the_address_is_cited_where_it_is_known() -> None:
    evidence = Evidence(event_id(77), "sourceIPAddress", AWAY)
    (one,) = found(
        "instance_credentials_off_instance", instance_session(1, HOME, AWAY, evidence=(*session().evidence, evidence))
    )
    assert one.evidence == (evidence,)


# --- Root


def test_root_use_is_one_finding_an_account() -> None:
    used = [root_session(1), root_session(2, mfa=False), root_session(3, account=DEV)]
    prod, dev = sorted(found("root_use", *used), key=lambda each: each.detail)
    assert (prod.count, dev.count) == (20, 10)
    assert "2 sessions" in prod.detail
    assert "1 session without MFA" in prod.detail
    assert DEV in dev.detail


def test_failed_root_use_is_less_than_root_use() -> None:
    tried = root_session(1, events=3, errors=3)
    assert found("root_use", tried) == []
    assert [each.severity for each in found("root_use_failed", tried)] == ["medium"]
    assert found("root_use_failed", tried, root_session(2)) == []


def test_assumed_root_is_its_own_rule() -> None:
    assumed = session(1, method="assumed_root", issuer=issuer())
    (one,) = found("assumed_root_use", assumed)
    assert arn_of("bob") in one.detail
    assert found("root_use", assumed) == []


# --- MFA


def test_console_sign_in_without_mfa_is_one_finding_a_user() -> None:
    own = [console_session(1), console_session(2), console_session(3, name="kim")]
    bob, kim = sorted(found("sign_in_without_mfa", *own), key=lambda each: each.detail)
    assert (bob.count, kim.count) == (20, 10)
    assert arn_of("bob") in bob.detail


@pytest.mark.parametrize(
    ("mfa", "said"), [(True, "has an MFA device"), (False, "has no MFA device"), (None, None)], ids=str
)
def test_the_directory_says_whether_there_is_a_device(mfa: bool | None, said: str | None) -> None:
    (one,) = found("sign_in_without_mfa", console_session(), users=[iam_user("bob", mfa=mfa)])
    assert ("MFA device" in one.detail) == (said is not None)
    assert said is None or said in one.detail


@pytest.mark.parametrize(
    "other",
    [
        console_session(mfa=True),
        console_session(mfa=None),
        console_session(events=2, errors=2),
        session(method="saml", mfa=False),
        portal_session(name=EMAIL, mfa=False),
        key_session(name="bob", mfa=False),
    ],
    ids=["with MFA", "not recorded", "failed", "SAML", "Identity Center", "a key"],
)
def test_no_finding_where_no_mfa_says_nothing(other: Session) -> None:
    assert found("sign_in_without_mfa", other) == []


# --- Keys beside Identity Center


TAGGED = iam_user("john", tags={"email": EMAIL}, access_keys=(access_key(4),))


@pytest.mark.parametrize(
    "portal",
    [
        portal_session(1, name=EMAIL, user_id=JOHN_ID),
        portal_session(1, name="JOHN@company.com"),
        portal_session(1, name="other-name", user_id=JOHN_ID),
    ],
    ids=["userId and name", "the name alone", "the userId alone"],
)
def test_a_key_beside_identity_center(portal: Session) -> None:
    (one,) = found("long_lived_key_beside_identity_center", portal, key_session(4, name="john"), users=[JOHN, TAGGED])
    assert EMAIL in one.detail
    assert "AKIA00000004EXAMPLE, the oldest 430 days old" in one.detail


@pytest.mark.parametrize(
    ("portal", "users"),
    [
        (portal_session(1, name="jane", user_id=JANE_ID), [JOHN, JANE, TAGGED]),
        (portal_session(1, name=EMAIL), [JOHN, iam_user("john")]),
        (portal_session(1, name=EMAIL), [JOHN, iam_user("john", tags={"owner": EMAIL})]),
        (session(1), [JOHN, TAGGED]),
        (sign_in_attempt(name=EMAIL), [JOHN, TAGGED]),
    ],
    ids=["another person", "nothing says whose it is", "only responsible for it", "no portal session", "an attempt"],
)
def test_no_key_beside_identity_center(portal: Session, users: Any) -> None:
    assert found("long_lived_key_beside_identity_center", portal, key_session(4, name="john"), users=users) == []


def test_the_alias_list_says_whose_a_key_is() -> None:
    sessions = [portal_session(1, name=EMAIL), key_session(4, name="jm")]
    users = [JOHN, iam_user("jm")]
    assert found("long_lived_key_beside_identity_center", *sessions, users=users) == []
    said = [alias(EMAIL, "iam_user_name", "jm")]
    assert len(found("long_lived_key_beside_identity_center", *sessions, users=users, aliases=said)) == 1


# --- SourceIdentity


@pytest.mark.parametrize(
    ("source", "name"),
    [(EMAIL, "jane@company.com"), (EMAIL, "jane"), ("jane", EMAIL), (EMAIL, "john@evil.example"), ("bob", "kim")],
    ids=["two emails", "an email and a user name", "the other way round", "another domain", "two IAM users"],
)
def test_source_identity_that_contradicts_the_name(source: str, name: str) -> None:
    users = [
        JOHN,
        JANE,
        iam_user("bob", tags={"email": "bob@company.com"}),
        iam_user("kim", tags={"email": "kim@company.com"}),
    ]
    marked = session(source_identity=source, session_name=name, identifiers=(identifier("source_identity", source),))
    (one,) = found("source_identity_contradicts_session_name", marked, users=users)
    assert one.evidence[0].value == source
    assert source in one.detail
    assert name in one.detail


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (EMAIL, "JOHN@Company.com"),
        (EMAIL, "john"),
        (EMAIL, "deploy-4711"),
        (EMAIL, INSTANCE),
        (EMAIL, "botocore-session-1790000000"),
        (None, EMAIL),
        (EMAIL, None),
        ("john.miller", EMAIL),
    ],
    ids=[
        "case",
        "without the domain",
        "a job",
        "an instance",
        "a program",
        "no source",
        "no name",
        "two names of one user",
    ],
)
def test_source_identity_that_does_not(source: str | None, name: str | None) -> None:
    marked = session(source_identity=source, session_name=name)
    assert found("source_identity_contradicts_session_name", marked, users=[JOHN, OLD_JOHN, JANE]) == []


def test_the_same_contradiction_is_one_finding() -> None:
    marked = [session(number, source_identity=EMAIL, session_name="jane@company.com") for number in range(30)]
    (one,) = found("source_identity_contradicts_session_name", *marked)
    assert one.count == 300


def test_what_a_caller_chose_is_made_safe() -> None:
    marked = session(source_identity=EMAIL, session_name="jane\x1b[2J@company.com")
    (one,) = found("source_identity_contradicts_session_name", marked)
    assert "\x1b" not in one.detail


# --- No issuer


@pytest.mark.parametrize(
    "orphan",
    [
        session(),
        session(method="unknown"),
        session(method="saml"),
        portal_session(name=EMAIL),
        key_session(name="bob", method="session_token"),
        session(method="federation_token", role_arn=None),
    ],
    ids=["a role", "an unknown origin", "SAML", "Identity Center", "GetSessionToken", "GetFederationToken"],
)
def test_a_session_without_its_issuer(orphan: Session) -> None:
    (one,) = found("issuer_not_in_records", orphan)
    assert one.severity == "info"
    assert "a coverage gap, or forged" in one.detail
    assert found("issuer_not_in_records", msgspec.structs.replace(orphan, issuer=issuer())) == []


@pytest.mark.parametrize(
    "other",
    [
        key_session(name="bob"),
        console_session(),
        root_session(),
        instance_session(1, HOME),
        session(method="lambda"),
        session(method="aws_service"),
        session(method="aws_login", role_arn=None),
        session(method="unknown", role_arn=None),
        session(method="identity_center", role_arn=None),
    ],
    ids=["a key", "console", "root", "instance", "lambda", "service", "aws login", "no role", "the portal itself"],
)
def test_sessions_that_need_no_issuer(other: Session) -> None:
    assert found("issuer_not_in_records", other) == []


def test_sessions_of_one_role_are_one_finding_and_say_what_the_records_cover() -> None:
    early = session(1, first_seen=ago(20), created=ago(21))
    later = [session(number, created=ago(10)) for number in range(2, 9)]
    (one,) = found("issuer_not_in_records", early, *later)
    assert one.count == 80
    assert "8 sessions" in one.detail
    assert "7 began within the time" in one.detail


# --- All of them


_ALL = (
    instance_session(1, HOME, AWAY),
    root_session(2),
    console_session(3),
    key_session(4, name="john"),
    portal_session(5, name=EMAIL, user_id=JOHN_ID),
    session(6, source_identity=EMAIL, session_name="jane@company.com"),
    session(7),
    session(8, method="assumed_root", issuer=issuer()),
    root_session(9, account=DEV, events=1, errors=1),
)


def test_the_gravest_comes_first_and_each_names_its_technique() -> None:
    everything = session_findings(_ALL, directory(JOHN, TAGGED), now=NOW)
    assert {each.id for each in everything} == {
        "instance_credentials_off_instance",
        "root_use",
        "root_use_failed",
        "assumed_root_use",
        "sign_in_without_mfa",
        "long_lived_key_beside_identity_center",
        "source_identity_contradicts_session_name",
        "issuer_not_in_records",
    }
    order = ["critical", "high", "medium", "low", "info"]
    assert [order.index(each.severity) for each in everything] == sorted(
        order.index(each.severity) for each in everything
    )
    assert all(each.technique.startswith("T1") and each.evidence and each.count for each in everything)


@given(st.permutations(_ALL))
def test_order_changes_nothing(sessions: list[Session]) -> None:
    known = directory(JOHN, TAGGED)
    assert session_findings(sessions, known, now=NOW) == session_findings(_ALL, known, now=NOW)


def test_nothing_seen_is_nothing_found() -> None:
    assert session_findings((), directory(), now=NOW) == ()


@given(st.lists(st.sampled_from([HOME, AWAY, SECOND, "10.0.0.1", "s3.amazonaws.com", "", "::1", "not an ip"])))
def test_fewer_than_two_public_addresses_are_never_suspicious(ips: list[str]) -> None:
    public = {ip for ip in ips if ip in {HOME, AWAY, SECOND}}
    assert bool(found("instance_credentials_off_instance", instance_session(1, *ips))) == (len(public) > 1)
