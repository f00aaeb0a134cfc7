"""What speaks against a match, decoys, and how many use an address."""

from datetime import datetime

import pytest
from correlate_kit import (
    ATTACKER_IP,
    DEV,
    HOME_IP,
    INSTANCE,
    JOHN,
    OFFICE_IP,
    OTHER,
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
    step,
)

from trailwarden.correlate import (
    AddressPopularity,
    PersonName,
    correlate,
    is_workload,
    people_of,
    popularity,
    public_address,
)
from trailwarden.model.alert import AddressUse, Alert, Host
from trailwarden.model.directory import Alias
from trailwarden.model.session import Session

ALONE = {HOME_IP: AddressPopularity(HOME_IP, 1, 0)}
JANE = "jane@company.com"
AT = (HOME_IP,)

#: What is said, and a case in which it is; then a near one in which it is not.
SAID: dict[str, tuple[str, tuple[Alert, Host | None, Session], tuple[Alert, Host | None, Session]]] = {
    "last-check-in": (
        "address is of the last check-in, not of the alert's time",
        (alert(external_ip=HOME_IP), None, session(source_ips=(HOME_IP,))),
        (
            alert(external_ip=HOME_IP),
            host(addresses=(AddressUse(HOME_IP, hours(-3)),), read=("addresses",)),
            session(source_ips=(HOME_IP,)),
        ),
    ),
    "last-login": (
        "was the last to log in to the host",
        (alert(), host(last_login_user=JOHN), portal()),
        (alert(upn=JOHN), host(last_login_user=JOHN), portal()),
    ),
    "unknown-use": (
        "how many others use 198.51.100.1 is not known",
        (alert(external_ip=OFFICE_IP), None, session(source_ips=(OFFICE_IP,))),
        (alert(external_ip=HOME_IP), None, session(source_ips=(HOME_IP,))),
    ),
    "other-domain": (
        "the domain of john@other.example is not that of john@company.com",
        (alert(upn="john@other.example"), None, portal()),
        (alert(upn=JOHN), None, portal()),
    ),
    "other-logon-domain": (
        "john is of the logon domain PARTNER, which is not that of john@company.com",
        (alert(user_name="john", logon_domain="PARTNER"), None, portal()),
        (alert(user_name="john", logon_domain="COMPANY"), None, portal()),
    ),
    "machine-domain": (
        "john is of the logon domain corp.partner.example, which is not that of john@company.com",
        (alert(user_name="john"), host(machine_domain="corp.partner.example"), portal()),
        (alert(user_name="john"), host(machine_domain="corp.company.com"), portal()),
    ),
    "domain-in-the-name": (
        "john is of the logon domain PARTNER, which is not that of john@company.com",
        (alert(user_name="PARTNER\\john", logon_domain="COMPANY"), None, portal()),
        (alert(user_name="COMPANY\\john", logon_domain="PARTNER"), None, portal()),
    ),
    "name-only": (
        "only the name before the @ is the same: john, and john@company.com",
        (alert(user_name="john"), None, portal()),
        (alert(user_name=JOHN), None, portal()),
    ),
    "chosen-name": (
        "john@company.com is a name that the session's caller could choose",
        (alert(upn=JOHN), None, session(name=JOHN)),
        (alert(upn=JOHN), None, portal()),
    ),
    "chosen-instance": (
        "i-0123456789abcdef0 is a name that the session's caller could choose",
        (alert(), host(instance_id=INSTANCE, cloud_account=PROD), session(name=INSTANCE)),
        (alert(), host(instance_id=INSTANCE, cloud_account=PROD), instance()),
    ),
    "account-not-told": (
        "Falcon does not say in which account i-0123456789abcdef0 runs",
        (alert(), host(instance_id=INSTANCE), instance()),
        (alert(), host(instance_id=INSTANCE, cloud_account=PROD), instance()),
    ),
    "host-of-another-account": (
        "the host runs in account 222222222222, the session is of 111111111111",
        (alert(external_ip=HOME_IP), host(cloud_account=DEV), session(source_ips=(HOME_IP,))),
        (alert(external_ip=HOME_IP), host(cloud_account=PROD), session(source_ips=(HOME_IP,))),
    ),
    "another-person": (
        "the records prove that jane@company.com (Identity Center user) stands behind the session",
        (alert(upn=JOHN, external_ip=HOME_IP), None, portal(name=JANE, source_ips=(HOME_IP,))),
        (alert(upn=JOHN, external_ip=HOME_IP), None, portal(source_ips=(HOME_IP,))),
    ),
    "another-person-behind-a-name": (
        "the records prove that jane@company.com (Identity Center user) stands behind the session",
        (alert(upn=JOHN), None, issued_by(portal(2, name=JANE), 1, name=JOHN, identifiers=(
            identifier("session_name", JOHN, "claimed"),))),
        (alert(upn=JOHN), None, issued_by(portal(2), 1, name=JOHN)),
    ),
    "another-instance": (
        "the records prove that i-0fedcba9876543210 (EC2 instance) stands behind the session",
        (
            alert(external_ip=HOME_IP),
            host(instance_id=INSTANCE, cloud_account=PROD),
            instance(name="i-0fedcba9876543210", source_ips=(HOME_IP,)),
        ),
        (
            alert(external_ip=HOME_IP),
            host(instance_id=INSTANCE, cloud_account=PROD),
            instance(source_ips=(HOME_IP,)),
        ),
    ),
    "ended-before": (
        "the session was last seen 5 hours before the alert",
        (alert(upn=JOHN), None, portal(first_seen=hours(-6), last_seen=hours(-5))),
        (alert(upn=JOHN), None, portal(first_seen=hours(-6), last_seen=hours(5))),
    ),
    "began-long-before": (
        "the session began 10 days before the alert",
        (alert(upn=JOHN), None, portal(first_seen=hours(-240), last_seen=hours(1))),
        (alert(upn=JOHN), None, portal(first_seen=hours(-23), last_seen=hours(1))),
    ),
    "began-long-after": (
        "the session began 18 hours after the alert",
        (alert(upn=JOHN), None, portal(first_seen=hours(18), last_seen=hours(19))),
        (alert(upn=JOHN), None, portal(first_seen=hours(11), last_seen=hours(19))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID.values(), ids=SAID)
def test_what_is_said_against(
    case: tuple[str, tuple[Alert, Host | None, Session], tuple[Alert, Host | None, Session]],
) -> None:
    said, (one, on, other), (near, near_on, near_other) = case
    (found,) = correlate(one, on, [other], address_use=ALONE)
    assert any(said in each for each in found.against), found.against
    (found,) = correlate(near, near_on, [near_other], address_use=ALONE)
    assert not any(said in each for each in found.against), found.against


def test_a_shared_address_says_how_many_share_it() -> None:
    given = [
        *(portal(n, name=f"user{n}@company.com", source_ips=(OFFICE_IP,)) for n in range(1, 6)),
        instance(7, source_ips=(OFFICE_IP,)),
    ]
    found = correlate(alert(external_ip=OFFICE_IP), None, given)
    assert len(found) == 6
    assert all("198.51.100.1 is shared: 5 people and 1 workload used it" in each.against for each in found)


def test_namesakes_are_named() -> None:
    given = [
        portal(n, name=f"john@{company}") for n, company in enumerate(("a.example", "b.example", "company.com"), 1)
    ]
    found = correlate(alert(user_name="john"), None, given)
    assert "others of the same name are in the records: john@a.example, john@b.example" in found[2].against


def test_a_chain_that_is_only_claimed_is_said_to_be() -> None:
    first = portal(1)
    second = issued_by(
        first, 2, chain=(step("role_session", JOHN, link="claimed", by="assumedRoleId and creation time"),)
    )
    found = correlate(alert(upn=JOHN), None, [first, second])
    assert f"the records do not prove that session {first.session_id} issued this one" in found[1].against


# --- Decoys: what looks like the incident


def test_the_laptops_user_comes_before_everything_that_looks_like_it() -> None:
    """John's laptop: his portal session and what he assumed; beside it all that only seems to be his."""
    office = tuple(portal(n, name=f"user{n}@company.com", source_ips=(OFFICE_IP,)) for n in range(10, 16))
    johns = portal(1, source_ips=(OFFICE_IP,))
    chained = issued_by(johns, 2)
    namesake = portal(3, name="john@partner.example", account=OTHER)
    too_early = portal(4, first_seen=hours(-170), last_seen=hours(-168))
    pretender = issued_by(portal(6, name="mallory@company.com"), 5, name=JOHN)
    found = correlate(
        alert(upn=JOHN, user_name="john", logon_domain="COMPANY", hostname="LAPTOP-7", external_ip=OFFICE_IP),
        host(hostname="LAPTOP-7"),
        [*office, johns, chained, namesake, too_early, pretender],
    )
    order = ids(found)
    assert order[0] == johns.session_id
    assert too_early.session_id not in order
    scores = {each.session.session_id: each.score for each in found}
    assert scores[chained.session_id] > 0.75
    assert scores[namesake.session_id] == pytest.approx(0.1)
    assert all(scores[each.session_id] == pytest.approx(0.15) for each in office)
    deceived = next(each for each in found if each.session == pretender)
    assert any("mallory@company.com" in each for each in deceived.against)


def test_an_idp_alert_without_a_device_finds_the_sign_in_from_the_attackers_address() -> None:
    signed_in = portal(1, source_ips=(ATTACKER_IP,))
    elsewhere = portal(2, source_ips=(HOME_IP,))
    idp = alert(product="idp", device_id=None, upn=JOHN, source_ip=ATTACKER_IP)
    found = correlate(idp, None, [signed_in, elsewhere])
    assert ids(found) == [signed_in.session_id, elsewhere.session_id]
    assert [each.alert_field for each in found[0].evidence] == ["source_account_upn", "source_endpoint_ip_address"]
    assert found[0].against == ()


# --- The alias list


def alias(person: str, kind: str, value: str, *, account: str | None = None, denies: bool = False) -> Alias:
    added = datetime(2026, 11, 1, tzinfo=T0.tzinfo)
    return Alias(person=person, kind=kind, value=value, account=account, denies=denies, added=added, added_by="jane")


def test_the_alias_list_as_names() -> None:
    names = people_of(
        [
            alias("John@company.com", "session_name", "JSmith"),
            alias("john@company.com", "iam_user_name", "deploy-js", account=PROD),
            alias("john@company.com", "iam_user_name", "john", account=DEV, denies=True),
            alias("jane@company.com", "session_name", "jsmith"),
        ]
    )
    assert set(names) == {"john@company.com", "jane@company.com", "jsmith", "deploy-js"}
    assert PersonName("deploy-js", PROD, person=JOHN) in names["jsmith"]
    assert PersonName(JANE, person=JANE) in names["jsmith"]
    assert PersonName("john", DEV, denies=True, person=JOHN) in names["john@company.com"]
    assert PersonName(JANE, person=JANE) not in names["john@company.com"]


def test_the_alias_list_ties_an_endpoint_user_to_an_iam_user() -> None:
    listed = [
        alias(JOHN, "session_name", "jsmith"),
        alias(JOHN, "iam_user_name", "deploy-js", account=PROD),
        alias(JOHN, "iam_user_name", "john", account=DEV, denies=True),
    ]
    given = [iam_user(1, name="deploy-js"), iam_user(2, name="deploy-js", account=DEV), iam_user(3, account=DEV)]
    found = correlate(alert(upn=JOHN, user_name="jsmith"), None, given, people=people_of(listed))
    assert ids(found) == [given[0].session_id]
    assert [each.kind for each in found[0].evidence] == ["alias"]


def test_a_name_of_several_people_says_so() -> None:
    people = people_of([alias(JOHN, "session_name", "jsmith"), alias(JANE, "session_name", "jsmith")])
    given = [portal(1, source_ips=AT), portal(2, name=JANE, source_ips=AT), session(3, name="jsmith", source_ips=AT)]
    found = correlate(alert(user_name="jsmith"), None, given, people=people)
    assert [each.score for each in found] == pytest.approx([0.6, 0.6, 0.6])
    assert all(f"the alias list gives jsmith to several people: {JANE}, {JOHN}" in each.against for each in found)
    assert popularity(given, people)[HOME_IP].people == 3


# --- Addresses

ADDRESSES = {
    "203.0.113.7": "203.0.113.7",
    " 203.0.113.7 ": "203.0.113.7",
    "2001:DB8::0:1": "2001:db8::1",
    "::ffff:203.0.113.7": "203.0.113.7",
    "10.1.2.3": None,
    "172.16.0.1": None,
    "172.32.0.1": "172.32.0.1",
    "192.168.1.1": None,
    "100.64.0.1": None,
    "169.254.169.254": None,
    "127.0.0.1": None,
    "0.0.0.0": None,
    "255.255.255.255": None,
    "224.0.0.1": None,
    "::1": None,
    "fd00::1": None,
    "fe80::1": None,
    "ff02::1": None,
    "::ffff:10.0.0.1": None,
    "AWS Internal": None,
    "ec2.amazonaws.com": None,
    "203.0.113.7; DROP TABLE": None,
    "": None,
}


@pytest.mark.parametrize(("text", "address"), ADDRESSES.items(), ids=[*ADDRESSES])
def test_public_addresses(text: str, address: str | None) -> None:
    assert public_address(text) == address


USES: dict[str, tuple[list[Session], int, int]] = {
    "one-person": ([portal(1, source_ips=AT)], 1, 0),
    "one-person-often": ([portal(1, source_ips=AT), portal(2, source_ips=AT)], 1, 0),
    "two-people": ([portal(1, source_ips=AT), portal(2, name=JANE, source_ips=AT)], 2, 0),
    "a-person-and-what-they-assumed": ([portal(1, source_ips=AT), issued_by(portal(1), 2, source_ips=AT)], 1, 0),
    "one-role-session-name-of-two": (
        [issued_by(portal(1), 3, source_ips=AT), issued_by(portal(2, name=JANE), 4, source_ips=AT)], 2, 0,
    ),
    "an-instance": ([instance(1, source_ips=AT), instance(2, source_ips=AT)], 0, 1),
    "instances": ([instance(1, source_ips=AT), instance(2, name="i-0fedcba9876543210", source_ips=AT)], 0, 2),
    "a-person-and-an-instance": ([portal(1, source_ips=AT), instance(2, source_ips=AT)], 1, 1),
    "one-iam-user-in-two-accounts": (
        [iam_user(1, source_ips=AT), iam_user(2, account=DEV, source_ips=AT)], 2, 0,
    ),
    "a-pipeline": (
        [session(1, source_ips=AT, chain=(step("web_identity", "repo:org/app:ref:refs/heads/main"),))], 0, 1,
    ),
    "nobody-known": ([session(1, source_ips=AT), session(2, name="other", source_ips=AT)], 2, 0),
}  # fmt: skip


@pytest.mark.parametrize(("given", "people", "workloads"), USES.values(), ids=USES)
def test_how_many_use_an_address(given: list[Session], people: int, workloads: int) -> None:
    assert popularity(given) == {HOME_IP: AddressPopularity(HOME_IP, people, workloads)}
    assert popularity(reversed(given)) == popularity(given)


def test_names_that_the_alias_list_ties_are_one_person() -> None:
    given = [portal(1, source_ips=AT), iam_user(2, name="deploy-js", source_ips=AT)]
    assert popularity(given)[HOME_IP].people == 2
    people = people_of([alias(JOHN, "iam_user_name", "deploy-js", account=PROD)])
    assert popularity(given, people)[HOME_IP].people == 1
    assert popularity(given, people_of([alias(JOHN, "iam_user_name", "deploy-js", account=DEV)]))[HOME_IP].people == 2


def test_a_user_id_and_a_name_in_one_session_are_one_person() -> None:
    user_id = "9067642ac7-1f2e3d4c-0000-4000-8000-000000000001"
    both = portal(1, source_ips=AT)
    both = portal(1, source_ips=AT, identifiers=(*both.identifiers, identifier("identity_center_user", user_id)))
    by_id = session(2, source_ips=AT, names=(identifier("identity_center_user", user_id),))
    assert popularity([by_id, both, portal(3, source_ips=AT)])[HOME_IP].people == 1


def test_addresses_of_aws_are_not_counted() -> None:
    assert popularity([portal(source_ips=("AWS Internal", "lambda.amazonaws.com", "10.0.0.1"))]) == {}


def test_workloads() -> None:
    assert is_workload(instance())
    assert not is_workload(portal())
    assert not is_workload(iam_user())
