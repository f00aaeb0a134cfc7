"""Each kind of evidence by itself: what it rests on, what it weighs, and what must not count."""

from typing import Any, NamedTuple

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
    event_id,
    host,
    hours,
    iam_user,
    identifier,
    instance,
    portal,
    session,
    step,
)

from trailwarden.correlate import AddressPopularity, PersonName, correlate
from trailwarden.model.alert import AddressUse, Alert, Host, HostLogin, MatchEvidence, SessionMatch
from trailwarden.model.session import OnBehalfOf, Session

JOHN_ID = "9067642ac7-1f2e3d4c-0000-4000-8000-000000000001"
ALONE = {address: AddressPopularity(address, 1, 0) for address in (HOME_IP, OFFICE_IP, ATTACKER_IP, "2001:db8::7")}
SHARED = {OFFICE_IP: AddressPopularity(OFFICE_IP, 40, 3)}
ADDRESSES_READ = ("addresses",)


def only(one: Session, of: Alert, on: Host | None = None, **known: Any) -> SessionMatch | None:
    """The match of one session, if there is one."""
    found = correlate(of, on, [one], **known)
    return found[0] if found else None


class Case(NamedTuple):
    alert: Alert
    host: Host | None
    session: Session
    kind: str
    weight: float
    alert_field: str
    event_field: str
    known: dict[str, Any] = {}  # noqa: RUF012 - read only


EC2 = host(instance_id=INSTANCE, cloud_account=PROD)
FOUND = {
    "instance": Case(
        alert(), EC2, instance(), "instance_id", 0.95, "host.instance_id", "userIdentity.principalId"
    ),
    "instance-account-unknown": Case(
        alert(), host(instance_id=INSTANCE), instance(), "instance_id_without_account", 0.60,
        "host.instance_id", "userIdentity.principalId",
    ),
    "instance-name-chosen": Case(
        alert(), EC2, session(name=INSTANCE), "instance_name_chosen", 0.10,
        "host.instance_id", "userIdentity.principalId",
    ),
    "upn-is-portal-user": Case(
        alert(upn=JOHN), None, portal(), "user_email", 0.85, "user_principal", "userIdentity.principalId"
    ),
    "upn-in-any-case": Case(
        alert(upn="John@Company.COM"), None, portal(), "user_email", 0.85,
        "user_principal", "userIdentity.principalId",
    ),
    "upn-of-idp": Case(
        alert(product="idp", device_id=None, upn=JOHN), None, portal(), "user_email", 0.85,
        "source_account_upn", "userIdentity.principalId",
    ),
    "upn-by-the-entity": Case(
        alert(product="idp", upn=JOHN, raw={"user_principal": JOHN}), None, portal(), "user_email", 0.85,
        "user_principal", "userIdentity.principalId",
    ),
    "email-as-user-name": Case(
        alert(user_name=JOHN), None, portal(), "user_email", 0.85, "user_name", "userIdentity.principalId"
    ),
    "upn-is-source-identity": Case(
        alert(upn=JOHN), None, session(names=(identifier("source_identity", JOHN),)), "user_email", 0.85,
        "user_principal", "userIdentity.sessionContext.sourceIdentity",
    ),
    "upn-is-chosen-session-name": Case(
        alert(upn=JOHN), None, session(name=JOHN), "user_email", 0.85,
        "user_principal", "userIdentity.principalId",
    ),
    "upn-is-saml-subject": Case(
        alert(upn=JOHN), None, session(names=(identifier("saml_subject", JOHN),)), "user_email", 0.85,
        "user_principal", "responseElements.subject",
    ),
    "fields-without-identifiers": Case(
        alert(upn=JOHN), None, portal(identifiers=(), source_ips=(HOME_IP,)), "user_email", 0.85,
        "user_principal", "userIdentity.principalId",
    ),
    "alias-to-email": Case(
        alert(user_name="jsmith"), None, portal(), "alias", 0.60, "user_name", "userIdentity.principalId",
        {"people": {"jsmith": [JOHN]}},
    ),
    "alias-of-domain-user": Case(
        alert(user_name="COMPANY\\JSmith"), None, portal(), "alias", 0.60,
        "user_name", "userIdentity.principalId", {"people": {"jsmith": [JOHN]}},
    ),
    "alias-to-iam-user": Case(
        alert(upn="j.smith@corp.example"), None, iam_user(name="deploy-js"), "alias", 0.60,
        "user_principal", "userIdentity.userName",
        {"people": {"j.smith@corp.example": [PersonName("deploy-js", PROD)]}},
    ),
    "alias-to-user-id": Case(
        alert(user_name="jsmith"), None, session(on_behalf_of=OnBehalfOf(JOHN_ID, None), source_ips=(HOME_IP,)),
        "alias", 0.60, "user_name", "userIdentity.onBehalfOf.userId", {"people": {"jsmith": [JOHN_ID]}},
    ),
    "alias-by-function": Case(
        alert(user_name="JSmith"), None, portal(), "alias", 0.60, "user_name", "userIdentity.principalId",
        {"people": lambda name: [JOHN] if name == "jsmith" else []},
    ),
    "login-around-the-alert": Case(
        alert(), host(logins=(HostLogin(JOHN, hours(-2)),), read=("logins",)), portal(), "login", 0.40,
        "host.recent_logins.user_name", "userIdentity.principalId",
    ),
    "login-by-alias": Case(
        alert(), host(logins=(HostLogin("COMPANY\\jsmith", hours(-2)),)), portal(), "login", 0.40,
        "host.recent_logins.user_name", "userIdentity.principalId", {"people": {"jsmith": [JOHN]}},
    ),
    "last-login": Case(
        alert(), host(last_login_user=JOHN), portal(), "login", 0.40,
        "host.last_login_user", "userIdentity.principalId",
    ),
    "address-exclusive": Case(
        alert(external_ip=HOME_IP), None, session(source_ips=(HOME_IP,)), "address_exclusive", 0.50,
        "device.external_ip", "sourceIPAddress", {"address_use": ALONE},
    ),
    "address-of-the-host": Case(
        alert(), host(external_ip=HOME_IP), session(source_ips=(HOME_IP,)), "address_exclusive", 0.50,
        "host.external_ip", "sourceIPAddress", {"address_use": ALONE},
    ),
    "address-of-the-connection": Case(
        alert(), host(external_ip="10.1.2.3", connection_ip=HOME_IP), session(source_ips=(HOME_IP,)),
        "address_exclusive", 0.50, "host.connection_ip", "sourceIPAddress", {"address_use": ALONE},
    ),
    "address-of-the-alerts-time": Case(
        alert(external_ip=OFFICE_IP),
        host(addresses=(AddressUse(HOME_IP, hours(-5), hours(2)),), read=ADDRESSES_READ),
        session(source_ips=(HOME_IP,)), "address_exclusive", 0.50,
        "host.history.ip_address", "sourceIPAddress", {"address_use": ALONE},
    ),
    "address-of-idp": Case(
        alert(product="idp", device_id=None, source_ip=ATTACKER_IP), None, session(source_ips=(ATTACKER_IP,)),
        "address_exclusive", 0.50, "source_endpoint_ip_address", "sourceIPAddress", {"address_use": ALONE},
    ),
    "address-written-otherwise": Case(
        alert(external_ip="2001:DB8:0::7"), None, session(source_ips=("2001:db8::7",)), "address_exclusive", 0.50,
        "device.external_ip", "sourceIPAddress", {"address_use": ALONE},
    ),
    "address-shared": Case(
        alert(external_ip=OFFICE_IP), None, session(source_ips=(OFFICE_IP,)), "address_shared", 0.15,
        "device.external_ip", "sourceIPAddress", {"address_use": SHARED},
    ),
    "address-of-unknown-use": Case(
        alert(external_ip=HOME_IP), None, session(source_ips=(HOME_IP,)), "address_shared", 0.15,
        "device.external_ip", "sourceIPAddress", {"address_use": {}},
    ),
    "bare-name": Case(
        alert(user_name="john"), None, portal(), "bare_name", 0.10, "user_name", "userIdentity.principalId"
    ),
    "bare-name-of-iam-user": Case(
        alert(upn=JOHN), None, iam_user(name="john"), "bare_name", 0.10,
        "user_principal", "userIdentity.userName",
    ),
    "bare-name-of-a-login": Case(
        alert(), host(logins=(HostLogin("john", hours(0)),)), portal(), "bare_name", 0.10,
        "host.recent_logins.user_name", "userIdentity.principalId",
    ),
    "hostname": Case(
        alert(hostname="LAPTOP-7"), None, session(name="laptop-7"), "hostname", 0.10,
        "device.hostname", "userIdentity.principalId",
    ),
    "hostname-of-a-domain": Case(
        alert(), host(hostname="LAPTOP-7.corp.company.com"), session(name="laptop-7"), "hostname", 0.10,
        "host.hostname", "userIdentity.principalId",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND.values(), ids=FOUND)
def test_one_kind_of_evidence(case: Case) -> None:
    found = only(case.session, case.alert, case.host, **case.known)
    assert found is not None
    (evidence,) = found.evidence
    assert (evidence.kind, evidence.weight) == (case.kind, case.weight)
    assert (evidence.alert_field, evidence.event_field) == (case.alert_field, case.event_field)
    assert found.score == pytest.approx(case.weight)
    assert (found.time_factor, found.hops) == (1.0, 0)


@pytest.mark.parametrize("case", FOUND.values(), ids=FOUND)
def test_evidence_cites_values_that_are_in_alert_or_host_and_in_the_session(case: Case) -> None:
    found = only(case.session, case.alert, case.host, **case.known)
    assert found is not None
    (evidence,) = found.evidence
    texts = [getattr(case.alert, field) for field in case.alert.__struct_fields__]
    if case.host is not None:
        texts += [getattr(case.host, field) for field in case.host.__struct_fields__]
        texts += [each.user_name for each in case.host.logins] + [each.address for each in case.host.addresses]
    assert evidence.alert_value in texts
    cited = [*case.session.evidence, *(each.evidence for each in case.session.identifiers)]
    assert evidence.event_id in {each.event_id for each in cited}


NOT_FOUND = {
    "nothing-in-common": (alert(upn="jane@company.com"), None, portal()),
    "nothing-known": (alert(), host(), session()),
    "instance-of-another-account": (alert(), EC2, instance(account=DEV)),
    "another-instance": (alert(), EC2, instance(name="i-0fedcba9876543210")),
    "private-address": (alert(external_ip="10.0.0.7", local_ip="10.0.0.7"), None, session(source_ips=("10.0.0.7",))),
    "shared-space": (alert(external_ip="100.64.3.4"), None, session(source_ips=("100.64.3.4",))),
    "mapped-private": (alert(external_ip="::ffff:10.0.0.7"), None, session(source_ips=("10.0.0.7",))),
    "local-address": (alert(local_ip=HOME_IP), host(local_ip=HOME_IP), session(source_ips=(HOME_IP,))),
    "service-name": (
        alert(external_ip="cloudformation.amazonaws.com"),
        None,
        session(source_ips=("cloudformation.amazonaws.com",)),
    ),
    "aws-internal": (alert(external_ip="AWS Internal"), None, session(source_ips=("AWS Internal",))),
    "host-had-another-address-then": (
        alert(external_ip=OFFICE_IP),
        host(external_ip=OFFICE_IP, addresses=(AddressUse(HOME_IP, hours(-5), hours(2)),), read=ADDRESSES_READ),
        session(source_ips=(OFFICE_IP,)),
    ),
    "host-got-the-address-later": (
        alert(external_ip=OFFICE_IP),
        host(external_ip=OFFICE_IP, addresses=(AddressUse(OFFICE_IP, hours(3)),), read=ADDRESSES_READ),
        session(source_ips=(OFFICE_IP,)),
    ),
    "login-long-before": (alert(), host(logins=(HostLogin(JOHN, hours(-30)),)), portal()),
    "login-after": (alert(), host(logins=(HostLogin(JOHN, hours(3)),)), portal()),
    "last-login-where-the-history-was-read": (alert(), host(last_login_user=JOHN, read=("logins",)), portal()),
    "system-account": (alert(user_name="NT AUTHORITY\\SYSTEM"), None, session(name="system")),
    "image-account": (alert(user_name="ec2-user"), None, session(name="ec2-user")),
    "machine-account": (alert(user_name="LAPTOP-7$"), None, session(name="LAPTOP-7$")),
    "part-of-a-name": (alert(user_name="jo"), None, portal()),
    "pipeline-named-as-a-user": (
        alert(user_name="repo:org/app:ref:refs/heads/main"),
        None,
        session(names=(identifier("oidc_subject", "repo:org/app:ref:refs/heads/main"),)),
    ),
    "id-is-no-name": (
        alert(user_name=f"arn:aws:iam::{PROD}:user/x"),
        None,
        iam_user(name="y", identifiers=(identifier("iam_user", f"arn:aws:iam::{PROD}:user/x"),)),
    ),
}


@pytest.mark.parametrize("case", NOT_FOUND.values(), ids=NOT_FOUND)
def test_what_is_no_evidence(case: tuple[Alert, Host | None, Session]) -> None:
    one, on, other = case
    assert correlate(one, on, [other]) == ()


ALIASES_THAT_DO_NOT_HOLD = {
    "other-account": [PersonName("deploy-js", DEV)],
    "denied": [PersonName("deploy-js", denies=True)],
}


@pytest.mark.parametrize("names", ALIASES_THAT_DO_NOT_HOLD.values(), ids=ALIASES_THAT_DO_NOT_HOLD)
def test_an_alias_holds_where_the_list_says_so(names: list[PersonName]) -> None:
    assert only(iam_user(name="deploy-js"), alert(user_name="jsmith"), people={"jsmith": names}) is None


def test_what_the_alias_list_denies_is_not_matched_by_name_either() -> None:
    denied = {"john": [PersonName("john", denies=True)]}
    assert only(iam_user(name="john"), alert(user_name="john")) is not None
    assert only(iam_user(name="john"), alert(user_name="john"), people=denied) is None


def test_a_name_behind_the_session_counts_at_a_hop() -> None:
    behind = step("role_session", JOHN, event_id=event_id(9)), step("identity_center_user", JOHN, by="userIdentity")
    found = only(session(chain=behind), alert(upn=JOHN))
    assert found is not None
    assert found.hops == 1
    assert found.score == pytest.approx(0.85 * 0.9)


def test_an_address_that_no_record_at_hand_shows_cites_none() -> None:
    found = only(session(source_ips=(HOME_IP,), evidence=()), alert(external_ip=HOME_IP), address_use=ALONE)
    assert found is not None
    assert found.evidence == (
        MatchEvidence(
            kind="address_exclusive",
            weight=0.5,
            alert_field="device.external_ip",
            alert_value=HOME_IP,
            event_id="",
            event_field="sourceIPAddress",
            event_value=HOME_IP,
        ),
    )
