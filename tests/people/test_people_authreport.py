"""How accounts are entered: the records beside the configuration."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_kit import (
    ALL_PARTS,
    DEV,
    JANE,
    JANE_ID,
    JOHN,
    JOHN_ID,
    MANAGEMENT,
    NOW,
    OLD_JOHN,
    OLD_JOHN_ID,
    PROD,
    STORE_ARN,
    access_key,
    ago,
    arn_of,
    directory,
    event_id,
    iam_user,
    key_session,
    portal_session,
    session,
    sign_in_attempt,
    step,
)

from trailwarden.authreport import AuthModel, MethodUse, auth_model, event_ids, permission_set_of
from trailwarden.model.directory import Directory, OidcProvider, PermissionSet, RootUser, SamlProvider
from trailwarden.model.finding import Finding
from trailwarden.model.session import OnBehalfOf, Provider, Session

EMAIL = "john@company.com"
OKTA = f"arn:aws:iam::{PROD}:saml-provider/Okta"
GITHUB = f"arn:aws:iam::{PROD}:oidc-provider/token.actions.githubusercontent.com"
PORTAL = f"arn:aws:iam::{PROD}:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE"


def model(*sessions: Session, known: Directory | None = None, **more: Any) -> AuthModel:
    return auth_model(sessions, directory() if known is None else known, now=NOW, **more)


def use(method: str, *sessions: Session, known: Directory | None = None) -> MethodUse:
    (only,) = [each for each in model(*sessions, known=known).methods if each.method == method]
    return only


def saml_session(number: int = 1, *, subject: str = "diego", arn: str = OKTA) -> Session:
    return session(
        number,
        method="saml",
        saml=Provider(arn.rsplit("/", 1)[-1], arn, subject),
        chain=(step("saml_user", subject, arn=arn),),
    )


def oidc_session(number: int = 1, *, subject: str, arn: str | None = GITHUB) -> Session:
    name = "token.actions.githubusercontent.com"
    return session(
        number,
        method="oidc",
        web_identity=Provider(name, arn, subject),
        chain=(step("web_identity", subject, arn=arn),),
    )


def instance_session(number: int, instance: str, role: str = "Web") -> Session:
    role_arn = f"arn:aws:iam::{PROD}:role/{role}"
    return session(
        number,
        method="instance_profile",
        session_name=instance,
        role_arn=role_arn,
        chain=(step("ec2_instance", instance),),
    )


# --- One entry a method


def test_a_method_sums_its_sessions() -> None:
    found = use(
        "role_chain",
        session(1, events=5, errors=2, first_seen=ago(9), last_seen=ago(8), regions=("us-east-1",)),
        session(2, events=7, errors=0, first_seen=ago(3), last_seen=ago(2), account=DEV),
    )
    assert (found.sessions, found.events, found.errors) == (2, 12, 2)
    assert found.accounts == (PROD, DEV)
    assert found.regions == ("eu-central-1", "us-east-1")
    assert (found.first_seen, found.last_seen) == (ago(9), ago(2))
    assert found.examples == (event_id(200), event_id(100))


def test_methods_that_were_not_seen_have_no_entry() -> None:
    assert [each.method for each in model(session(1), key_session(2, name="bob")).methods] == [
        "iam_user_key",
        "role_chain",
    ]
    assert model().methods == ()


def test_a_session_without_an_account_counts_where_it_was_recorded() -> None:
    assert use("role_chain", session(1, account=None, recorded_in=(DEV,))).accounts == (DEV,)


# --- People and workloads


@pytest.mark.parametrize(
    ("sessions", "people"),
    [
        ([portal_session(1, name=EMAIL, user_id=JOHN_ID), portal_session(2, name=EMAIL, user_id=JOHN_ID)], 1),
        ([portal_session(1, name=EMAIL, user_id=JOHN_ID), portal_session(2, name="JOHN@company.com")], 1),
        ([portal_session(1, name="jane"), portal_session(2, name="x", user_id=JANE_ID)], 1),
        ([portal_session(1, name=EMAIL, user_id=JOHN_ID), portal_session(2, name=EMAIL, user_id=OLD_JOHN_ID)], 2),
        (
            [
                portal_session(1, name=EMAIL, user_id=JOHN_ID),
                portal_session(2, name=EMAIL, user_id=OLD_JOHN_ID),
                portal_session(3, name=EMAIL),
            ],
            2,
        ),
        ([portal_session(1, name="nobody@company.com")], 1),
    ],
    ids=["one user", "once by name", "a user name", "a rehire", "a rehire, once by name", "not in the directory"],
)
def test_people_of_identity_center_are_counted_once(sessions: list[Session], people: int) -> None:
    found = use("identity_center", *sessions, known=directory(JOHN, OLD_JOHN, JANE))
    assert (found.people, found.workloads, found.unattributed) == (people, 0, 0)


def test_a_name_that_two_users_have_is_of_the_one_that_is_seen() -> None:
    sessions = (portal_session(1, name=EMAIL, user_id=OLD_JOHN_ID), portal_session(2, name=EMAIL))
    assert use("identity_center", *sessions, known=directory(JOHN, OLD_JOHN)).people == 1


def test_two_users_of_one_address_are_one_where_only_the_name_is_known() -> None:
    found = use("identity_center", portal_session(1, name=EMAIL), known=directory(JOHN, OLD_JOHN))
    assert found.people == 1


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (saml_session(), (1, 0, 0)),
        (key_session(name="bob"), (1, 0, 0)),
        (session(method="root", chain=(step("root", "root"),)), (1, 0, 0)),
        (oidc_session(subject="110248495921238986420"), (1, 0, 0)),
        (oidc_session(subject="repo:acme/shop:ref:refs/heads/main"), (0, 1, 0)),
        (session(method="irsa", chain=(step("kubernetes_service_account", "system:serviceaccount:a:b"),)), (0, 1, 0)),
        (session(method="lambda", chain=(step("lambda_function", "resize"),)), (0, 1, 0)),
        (session(method="aws_service", chain=(step("aws_service", "config.amazonaws.com"),)), (0, 1, 0)),
        (instance_session(1, "i-0123456789abcdef0"), (0, 1, 0)),
        (session(chain=(step("unknown", EMAIL, by="SourceIdentity"),)), (1, 0, 0)),
        (session(chain=(step("unknown", "ticket-4711", by="SourceIdentity"),)), (0, 0, 1)),
        (session(chain=(step("unknown", EMAIL, link="claimed", by="session name"),)), (0, 0, 1)),
        (session(chain=(step("external_principal", None, account="444444444444"),)), (0, 0, 1)),
        (session(chain=(step("role_session", "hop"),)), (0, 0, 1)),
        (sign_in_attempt(name=EMAIL), (0, 0, 1)),
        (session(chain=(step("iam_user", "bob", arn=arn_of("bob"), link="claimed"),)), (0, 0, 1)),
        (session(method="instance_profile", chain=(step("ec2_instance", "i-0", link="claimed"),)), (0, 1, 0)),
        (session(), (0, 0, 1)),
        (session(chain=(step("role_session", "hop"), step("iam_user", "bob", arn=arn_of("bob")))), (1, 0, 0)),
    ],
    ids=[
        "SAML subject",
        "IAM user",
        "root",
        "OIDC subject",
        "pipeline",
        "service account",
        "function",
        "service",
        "instance",
        "SourceIdentity that is an address",
        "SourceIdentity that is none",
        "a claimed name",
        "another organisation",
        "an open end",
        "a name typed at the portal",
        "a user by a claim",
        "an instance by a claim",
        "no chain",
        "a user behind a role",
    ],
)
def test_what_counts_as_what(one: Session, counts: tuple[int, int, int]) -> None:
    found = use(one.method, one)
    assert (found.people, found.workloads, found.unattributed) == counts


def test_instances_count_by_their_role() -> None:
    fleet = [instance_session(number, f"i-{number:017x}") for number in range(50)]
    found = use("instance_profile", *fleet, instance_session(99, "i-0", role="Jobs"))
    assert (found.workloads, found.sessions) == (2, 51)


def test_instances_behind_another_role_count_by_their_role() -> None:
    def behind(number: int) -> Session:
        hop = step("role_session", "i", arn=f"arn:aws:sts::{PROD}:assumed-role/Web/i-{number}")
        return session(number, chain=(hop, step("ec2_instance", f"i-{number}")))

    assert use("role_chain", behind(1), behind(2)).workloads == 1


@pytest.mark.parametrize(
    ("fields", "workloads"),
    [
        ({"console_password": False}, 1),
        ({"console_password": None}, 0),
        ({"console_password": True}, 0),
        ({"console_password": False, "mfa": True}, 0),
        ({"console_password": False, "tags": {"email": EMAIL}}, 0),
        ({"console_password": False, "tags": {"owner": EMAIL}}, 1),
    ],
    ids=["no password", "not said", "a password", "MFA", "an address", "only somebody responsible"],
)
def test_an_iam_user_that_nobody_can_sign_in_as_is_a_workload(fields: dict[str, Any], workloads: int) -> None:
    found = use("iam_user_key", key_session(name="bot"), known=directory(iam_user("bot", **fields)))
    assert (found.people, found.workloads) == (1 - workloads, workloads)


def test_the_busiest_are_named() -> None:
    sessions = [key_session(number, name=f"user{number:02}", events=number) for number in range(1, 15)]
    found = use("iam_user_key", *sessions)
    assert found.people == 14
    assert found.people_sample[:2] == (arn_of("user14"), arn_of("user13"))
    assert len(found.people_sample) == 10


# --- MFA and providers


@pytest.mark.parametrize(
    ("method", "chain", "mfa", "share"),
    [
        ("iam_user_console", (), True, (1, 1)),
        ("iam_user_console", (), False, (1, 0)),
        ("iam_user_console", (), None, (0, 0)),
        ("saml", (), False, (0, 0)),
        ("identity_center", (), False, (0, 0)),
        ("role_chain", (step("iam_user", "bob"),), False, (1, 0)),
        ("role_chain", (step("iam_user", "bob"),), True, (1, 1)),
        ("role_chain", (step("saml_user", "diego"),), False, (0, 0)),
        ("root", (), False, (1, 0)),
    ],
)
def test_mfa_is_known_where_the_records_tell_it(method: str, chain: Any, mfa: bool | None, share: Any) -> None:
    found = use(method, session(method=method, chain=chain, mfa=mfa))
    assert (found.mfa.known, found.mfa.with_mfa) == share


def test_providers_are_named_with_their_sessions() -> None:
    (okta,) = use("saml", saml_session(1), saml_session(2)).providers
    assert (okta.name, okta.arn, okta.sessions) == ("Okta", OKTA, 2)


# --- Configuration


def configured(**prod: Any) -> Directory:
    return directory(prod=prod)


def test_a_saml_provider_is_seen_or_not() -> None:
    providers = (
        SamlProvider(arn=OKTA, account=PROD),
        SamlProvider(arn=f"arn:aws:iam::{PROD}:saml-provider/Old", account=PROD),
    )
    found = model(saml_session(), known=configured(saml_providers=providers))
    assert {each.name: each.seen for each in found.configured.saml_providers} == {"Okta": True, "Old": False}
    assert [(each.kind, each.name) for each in found.unused] == [("saml_provider", "Old")]
    assert found.unknown == ()


def test_identity_centers_own_provider_is_seen_by_its_sessions() -> None:
    known = configured(saml_providers=(SamlProvider(arn=PORTAL, account=PROD),))
    assert model(portal_session(1, name=EMAIL), known=known).configured.saml_providers[0].seen is True


def test_nothing_is_unused_in_an_account_without_records() -> None:
    known = configured(
        saml_providers=(SamlProvider(arn=OKTA, account=PROD),), iam_users=(iam_user("bob", console_password=True),)
    )
    found = model(session(account=DEV), known=known)
    assert found.configured.saml_providers[0].seen is None
    assert found.unused == ()


@pytest.mark.parametrize(("read", "unknown"), [(ALL_PARTS, 1), ((), 0)], ids=["read", "not read"])
def test_a_provider_that_does_not_exist_is_unknown_only_where_providers_were_read(read: Any, unknown: int) -> None:
    found = model(saml_session(), oidc_session(2, subject="repo:a/b"), known=directory(read=read))
    assert [each.kind for each in found.unknown] == ["oidc_provider", "saml_provider"] * unknown
    assert any("not read" in note for note in found.notes) == (not unknown)


def test_an_oidc_provider_is_seen_by_url() -> None:
    known = configured(
        oidc_providers=(
            OidcProvider(arn=GITHUB, account=PROD, url="token.actions.githubusercontent.com"),
            OidcProvider(arn=GITHUB + "2", account=PROD, url="gitlab.example"),
        )
    )
    found = model(oidc_session(subject="repo:a/b"), oidc_session(2, subject="repo:a/b", arn=None), known=known)
    assert {each.name: each.seen for each in found.configured.oidc_providers} == {
        "token.actions.githubusercontent.com": True,
        "gitlab.example": False,
    }
    assert found.unknown == ()


def test_permission_sets_are_seen_by_the_names_of_their_roles() -> None:
    sets = tuple(
        PermissionSet(
            arn=f"arn:aws:sso:::permissionSet/ssoins-0/{name}", name=name, instance_arn="i", accounts=accounts
        )
        for name, accounts in (("ReadOnly", (PROD,)), ("Admin", (PROD, DEV)), ("Elsewhere", ("444444444444",)))
    )
    found = model(portal_session(1, name=EMAIL), known=directory(management={"permission_sets": sets}))
    assert {each.name: each.seen for each in found.configured.permission_sets} == {
        "ReadOnly": True,
        "Admin": False,
        "Elsewhere": None,
    }
    assert [each.name for each in found.unused] == ["Admin"]


def test_a_role_of_no_permission_set_is_unknown() -> None:
    sets = (PermissionSet(arn="arn:aws:sso:::permissionSet/s/p", name="Admin", instance_arn="i", accounts=(PROD,)),)
    found = model(portal_session(1, name=EMAIL), known=directory(management={"permission_sets": sets}))
    assert [(each.kind, each.name) for each in found.unknown] == [("permission_set", "ReadOnly")]


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("AWSReservedSSO_Read_Only_0123456789abcdef", "Read_Only"),
        ("AWSReservedSSO_ReadOnly_0123456789abcde", None),
        ("ReadOnly", None),
    ],
)
def test_the_permission_set_of_a_role(role: str, name: str | None) -> None:
    assert permission_set_of(session(role_arn=f"arn:aws:iam::{PROD}:role/{role}")) == name


def test_iam_users_are_counted() -> None:
    users = (
        iam_user("a", console_password=True, mfa=True, access_keys=(access_key(1, created=ago(24 * 40)),)),
        iam_user("b", console_password=True, mfa=False),
        iam_user("c", console_password=False, mfa=False, access_keys=(access_key(2, last_used=ago(5)), access_key(3))),
        iam_user("d", access_keys=(access_key(4, active=False),)),
    )
    counted = model(key_session(2, name="c"), known=directory(*users)).configured.iam_users
    assert counted is not None
    assert (counted.total, counted.console_password, counted.console_without_mfa, counted.with_mfa) == (4, 2, 1, 1)
    assert (counted.unsaid, counted.with_active_keys, counted.active_keys, counted.active_keys_never_used) == (
        1,
        2,
        3,
        2,
    )
    assert (counted.oldest_key_days, counted.oldest_key, counted.seen) == (430, "AKIA00000002EXAMPLE", 1)


def test_what_was_not_read_is_not_zero() -> None:
    assert model(known=directory(read=())).configured.iam_users is None
    assert model(known=Directory()).configured.iam_users is None
    keys_unread = model(known=directory(iam_user("a"), read=("iam_users",)))
    assert keys_unread.configured.iam_users is not None
    assert keys_unread.configured.iam_users.active_keys is None
    assert "with active keys" not in " ".join(keys_unread.summary)


def test_doors_of_iam_users_that_are_not_used() -> None:
    users = (
        iam_user("idle", console_password=True, password_last_used=ago(24 * 90)),
        iam_user("closed", console_password=False, access_keys=(access_key(9, active=False),)),
        iam_user("busy", access_keys=(access_key(1), access_key(2))),
    )
    found = model(key_session(1, name="busy"), known=directory(*users))
    doors = [each for each in found.unused if each.kind in {"iam_user", "access_key"}]
    assert [(each.kind, each.name) for each in doors] == [("access_key", "AKIA00000002EXAMPLE"), ("iam_user", "idle")]
    assert "a password" in doors[1].detail


def test_users_and_keys_that_are_gone_are_unknown() -> None:
    known = directory(iam_user("kept", access_keys=(access_key(1),)))
    found = model(
        key_session(1, name="kept"), key_session(2, name="kept"), key_session(3, name="gone"), known=known
    ).unknown
    assert [(each.kind, each.name) for each in found] == [("access_key", "AKIA00000002EXAMPLE"), ("iam_user", "gone")]


def test_no_user_is_unknown_where_users_were_not_read() -> None:
    assert model(key_session(3, name="gone"), known=directory(read=())).unknown == ()
    assert model(key_session(3, name="gone"), known=Directory()).unknown == ()


def test_a_user_id_that_the_identity_store_does_not_have_is_unknown() -> None:
    sessions = (portal_session(1, name=EMAIL, user_id=JOHN_ID), portal_session(2, name=EMAIL, user_id=OLD_JOHN_ID))
    (one,) = model(*sessions, known=directory(JOHN)).unknown
    assert (one.kind, one.name) == ("identity_center_user", OLD_JOHN_ID)
    other_store = OnBehalfOf(OLD_JOHN_ID, STORE_ARN.replace("d-9067642ac7", "d-0000000000"))
    elsewhere = msgspec.structs.replace(sessions[1], on_behalf_of=other_store)
    assert model(elsewhere, known=directory(JOHN)).unknown == ()


def test_root_users_stand_in_the_configuration() -> None:
    known = configured(root=RootUser(account=PROD, mfa=False, access_keys=True))
    (root,) = model(session(method="root", chain=(step("root", "root"),)), known=known).configured.root_users
    assert (root.account, root.mfa, root.access_keys, root.seen) == (PROD, False, True, True)


def test_the_identity_center_instance_is_seen_by_its_store() -> None:
    (seen,) = model(portal_session(1, name=EMAIL, user_id=JOHN_ID), known=directory(JOHN)).configured.identity_center
    assert (seen.seen, seen.users, seen.owner) == (True, 1, MANAGEMENT)
    (untold,) = model(session(1), known=directory(JOHN)).configured.identity_center
    assert untold.seen is None
    sets = (
        PermissionSet(arn="arn:aws:sso:::permissionSet/s/p", name="Admin", instance_arn=seen.arn, accounts=(PROD,)),
    )
    unseen = model(session(1), known=directory(JOHN, management={"permission_sets": sets}))
    assert unseen.configured.identity_center[0].seen is False
    assert {each.kind for each in unseen.unused} == {"identity_center", "permission_set"}


# --- In words


def test_the_summary_says_it_in_numbers_of_the_report() -> None:
    users = (iam_user("bob", console_password=True, mfa=False, access_keys=(access_key(3),)),)
    known = directory(
        JOHN, JANE, *users, prod={"iam_users": users, "saml_providers": (SamlProvider(arn=OKTA, account=PROD),)}
    )
    found = model(
        portal_session(1, name=EMAIL, user_id=JOHN_ID),
        portal_session(2, name="jane", user_id=JANE_ID),
        key_session(3, name="bob"),
        saml_session(4),
        instance_session(5, "i-0123456789abcdef0"),
        session(6),
        session(7, method="unknown"),
        key_session(8, name="bob", method="iam_user_console", mfa=False, access_keys=()),
        known=known,
        labels={PROD: "acme-production"},
    )
    where = "in acme-production"
    roles = "Roles assumed within the account: 1 session of 0 people and 0 workloads"
    assert found.summary == (
        (
            f"People enter through IAM Identity Center (2 people, 2 sessions {where}), "
            f"console sign-in of IAM users (1 person, 1 session {where}), "
            f"long-lived keys of IAM users (1 person, 1 session {where}) "
            f"and SAML federation by Okta (1 person, 1 session {where})."
        ),
        f"Workloads come through EC2 instance profiles (1 workload, 1 session {where}).",
        f"{roles}; of 1 the records at hand do not tell whose.",
        "Of 1 session by console sign-in of IAM users whose MFA is recorded, 1 had none.",
        "How 1 session (10 events) began, the records at hand do not tell.",
        (
            "1 IAM user is configured, 1 with a console password (1 of them without MFA) and 1 with active keys; "
            "the oldest active key is 430 days old."
        ),
    )


def test_an_empty_lake_is_said_to_be_empty() -> None:
    assert model(known=Directory()).summary == ("No session is in the records at hand.",)


def test_the_limits_are_said() -> None:
    notes = model(session(1), known=directory(read=("iam_users",))).notes
    assert any("Absence in the records is not disuse" in note for note in notes)
    assert sum("not read" in note for note in notes) == 3


def test_the_parts_of_identity_center_are_needed_from_one_account_only() -> None:
    others = tuple(part for part in ALL_PARTS if not part.startswith("identity"))
    known = directory(prod={"read": others}, dev={"read": others})
    assert model(session(1), known=known).configured.not_read == {}


def test_findings_are_carried() -> None:
    finding = Finding(id="root_use", severity="high", title="The root user was used")
    assert model(findings=(finding,)).findings == (finding,)


def test_event_ids_of_a_session() -> None:
    assert event_ids(key_session(4, name="bob")) == (event_id(400), event_id(401), event_id(4))


_ALL = (
    portal_session(1, name=EMAIL, user_id=JOHN_ID),
    portal_session(2, name=EMAIL),
    portal_session(3, name=EMAIL, user_id=OLD_JOHN_ID),
    key_session(4, name="bob"),
    saml_session(5),
    oidc_session(6, subject="repo:a/b"),
    instance_session(7, "i-0123456789abcdef0"),
    session(8, account=DEV),
    key_session(9, name="gone"),
)


@given(st.permutations(_ALL))
def test_order_changes_nothing(sessions: list[Session]) -> None:
    known = directory(JOHN, iam_user("bob"))
    assert model(*sessions, known=known) == model(*_ALL, known=known)


@given(st.lists(st.sampled_from(_ALL), unique_by=lambda each: each.session_id))
def test_the_methods_hold_every_session_once(sessions: list[Session]) -> None:
    found = model(*sessions)
    assert sum(each.sessions for each in found.methods) == len(sessions)
    assert sum(each.events for each in found.methods) == sum(each.events for each in sessions)
    for each in found.methods:
        assert each.people + each.workloads + each.unattributed <= each.sessions


def test_the_report_can_be_written_as_json() -> None:
    written = msgspec.json.encode(model(*_ALL))
    assert re.search(rb'"method":"identity_center","people":2,', written)
