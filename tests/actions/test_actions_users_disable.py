"""Disabling a user: what is done, what is refused, what is said beside it, and that it can be given back."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from actions_kit import (
    ACCOUNT,
    ADMINISTRATOR_ACCESS,
    OTHER_ACCOUNT,
    FakeWorld,
    LiveWorld,
    carry_out,
    client,
    document,
    make_john,
    snapshot_of,
    trust,
    undo,
    world_of_john,
)
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.action import Refused
from trailwarden.actions.delete_user import DeleteUser
from trailwarden.actions.disable_user import DisableUser
from trailwarden.demo.emulator import Emulator
from trailwarden.errors import AccessDenied, NotFound, TrailwardenError, UsageError
from trailwarden.guardrails import Guard
from trailwarden.model.proposal import Plan

JOHN = f"arn:aws:iam::{ACCOUNT}:user/john"
DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
KEY, SPARE = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"


def planned(world: FakeWorld, guard: Guard | None = None, **arguments: Any) -> Plan:
    return DisableUser(user="john", **arguments).plan(world, guard or Guard()).plan


def apis(plan: Plan) -> list[str]:
    return [step.call.api for step in plan.steps]


# --- what is done ---------------------------------------------------------------------------------------------------


def test_keys_first_then_the_deny_on_the_user_that_is_read() -> None:
    plan = planned(world_of_john(access_keys={KEY: "Active", SPARE: "Inactive"}, password="2026-01-01T00:00:00Z"))
    assert [(step.call.api, step.call.params, step.call.resources) for step in plan.steps] == [
        ("iam:UpdateAccessKey", {"UserName": "john", "AccessKeyId": KEY, "Status": "Inactive"}, (JOHN,)),
        ("iam:AttachUserPolicy", {"UserName": "john", "PolicyArn": DENY_ALL}, (JOHN,)),
    ]
    assert [step.undo.api for step in plan.steps if step.undo] == ["iam:UpdateAccessKey", "iam:DetachUserPolicy"]
    (target,) = plan.targets
    assert (target.kind, target.id, target.arn) == ("iam_user", "AIDAJOHNEXAMPLE", JOHN)
    assert plan.irreversible == ()


def test_a_password_is_deleted_only_when_asked_for_and_that_is_not_undone() -> None:
    plan = planned(world_of_john(password="2026-01-01T00:00:00Z"), password="delete", deny=False)
    assert [(step.call.api, step.undo) for step in plan.steps] == [("iam:DeleteLoginProfile", None)]
    assert "password of john is lost" in plan.irreversible[0]


def test_an_expired_credential_cannot_be_made_inactive_and_is_left() -> None:
    assert apis(planned(world_of_john(services={"ACCAEXAMPLE": "Expired"}))) == ["iam:AttachUserPolicy"]


@pytest.mark.parametrize(("partition", "region"), [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")])
def test_other_partitions_have_their_own_deny(partition: str, region: str) -> None:
    world = world_of_john(arn=f"arn:{partition}:iam::{ACCOUNT}:user/john")
    world.partition = partition
    (step,) = planned(world).steps
    assert step.call.params["PolicyArn"] == f"arn:{partition}:iam::aws:policy/AWSDenyAll"
    assert step.call.region == region


STATUSES = st.sampled_from(["Active", "Inactive"])


def credentials(prefix: str, most: int) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(
        st.integers(1, 9).map(lambda number: f"{prefix}{number}EXAMPLE0000"), STATUSES, max_size=most
    )


@given(
    held=st.fixed_dictionaries(
        {
            "access_keys": credentials("AKIA", 2),
            "services": credentials("ACCA", 4),
            "ssh_keys": credentials("APKA", 5),
            "certificates": credentials("CERT", 2),
        }
    ),
    attached=st.lists(st.sampled_from([DENY_ALL, ADMINISTRATOR_ACCESS]), unique=True),
    order=st.randoms(use_true_random=False),
)
def test_each_active_credential_has_one_step_and_its_undo_whatever_the_order_of_the_lists(
    held: dict[str, dict[str, str]], attached: list[str], order: Any
) -> None:
    active = {key for each in held.values() for key, status in each.items() if status == "Active"}
    if not active and DENY_ALL in attached:
        with pytest.raises(Refused, match="already disabled"):
            planned(world_of_john(**held, attached=attached))
        return
    plan = planned(world_of_john(**held, attached=attached))
    shuffled = {name: dict(order.sample(list(each.items()), len(each))) for name, each in held.items()}
    assert planned(world_of_john(**shuffled, attached=reversed(attached))).sha256 == plan.sha256
    stopped = [step for step in plan.steps if step.call.params.get("Status") == "Inactive"]
    assert len(stopped) == len(active)
    assert {value for step in stopped for value in step.call.params.values()} - {"john", "Inactive"} == active
    assert ("iam:AttachUserPolicy" in apis(plan)) is (DENY_ALL not in attached)
    for step in stopped:
        assert step.undo is not None
        assert step.undo.params == {**step.call.params, "Status": "Active"}


def test_every_list_is_read_to_its_end() -> None:
    world = world_of_john(access_keys={KEY: "Active"})
    planned(world)
    listed = {api for api, _ in world.asked if ":List" in api}
    assert listed == set(world.listed)
    assert len(listed) == 8


@pytest.mark.parametrize(
    "changed",
    [
        {"access_keys": {KEY: "Active", SPARE: "Active"}},
        {"access_keys": {KEY: "Active", SPARE: "Inactive"}},
        {"attached": [ADMINISTRATOR_ACCESS]},
        {"password": "2026-11-24T12:00:00Z"},
        {"UserId": "AIDAOTHEREXAMPLE"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_user_that_changed_has_another_plan(changed: Any) -> None:
    before = {"access_keys": {KEY: "Active"}, "password": "2026-01-01T00:00:00Z"}
    assert planned(world_of_john(**before)).sha256 != planned(world_of_john(**{**before, **changed})).sha256


def test_a_key_that_was_used_meanwhile_has_not() -> None:
    world = world_of_john(access_keys={KEY: "Active"}, password="2026-01-01T00:00:00Z")
    before = planned(world).sha256
    used = {"LastUsedDate": "2026-11-24T11:59:00Z", "ServiceName": "s3", "Region": "eu-central-1"}
    world.answer("iam:GetAccessKeyLastUsed", {"UserName": "john", "AccessKeyLastUsed": used})
    assert planned(world).sha256 == before


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "error", "why"),
    [
        (f"arn:aws:iam::{ACCOUNT}:root", Refused, "root user"),
        ("<root_account>", Refused, "root user"),
        ("root", Refused, "root user"),
        (f"arn:aws:iam::{OTHER_ACCOUNT}:user/john", NotFound, f"account {OTHER_ACCOUNT}"),
        (f"arn:aws-cn:iam::{ACCOUNT}:user/john", NotFound, "a user of account"),
        (f"arn:aws:iam::{ACCOUNT}:user/staff/john", Refused, "the user of that name is"),
    ],
)
def test_users_that_are_not_reached(user: str, error: type[TrailwardenError], why: str) -> None:
    world = world_of_john().answer("iam:GetUser", NotFound("no such user"), UserName="root")
    with pytest.raises(error, match=why) as refusal:
        DisableUser(user=user).plan(world, Guard())
    assert refusal.value.remedy


@pytest.mark.parametrize("user", ["john doe", "a" * 65, f"arn:aws:iam::{ACCOUNT}:role/john", "arn:aws:iam", "jöhn"])
def test_what_is_no_user(user: str) -> None:
    with pytest.raises(UsageError):
        DisableUser(user=user).plan(FakeWorld(), Guard())


def test_nobody_of_that_name() -> None:
    world = FakeWorld().answer("iam:GetUser", NotFound("The user with name jane cannot be found."))
    with pytest.raises(NotFound, match="jane"):
        DisableUser(user="jane").plan(world, Guard())


def test_a_user_named_root_is_not_root(admin: boto3.Session, live: LiveWorld) -> None:
    arn = client(admin, "iam").create_user(UserName="root")["User"]["Arn"]
    (target,) = DisableUser(user="root").plan(live, Guard()).plan.targets
    assert target.arn == arn == f"arn:aws:iam::{ACCOUNT}:user/root"


@pytest.mark.parametrize(
    ("guard", "why"),
    [
        (Guard(own=(JOHN,)), "is how this installation reaches the account"),
        (Guard(own_access_keys=(SPARE,)), f"{SPARE} is the key that this installation itself signs with"),
        (Guard(principals=("jo*",)), "protected_principals"),
        (Guard(tags=("team=sales",)), "protected_tags"),
    ],
    ids=["own user", "own key", "protected", "tag"],
)
def test_users_that_are_protected(guard: Guard, why: str) -> None:
    world = world_of_john(access_keys={KEY: "Active", SPARE: "Active"}, Tags=[{"Key": "team", "Value": "sales"}])
    with pytest.raises(Refused, match=why):
        planned(world, guard)


def test_a_password_that_would_go_on_working() -> None:
    with pytest.raises(Refused, match="go on signing in") as refusal:
        planned(world_of_john(password="2026-01-01T00:00:00Z", access_keys={KEY: "Active"}), deny=False)
    assert "password=delete" in refusal.value.remedy


@pytest.mark.parametrize(
    ("attached", "quota", "fits"),
    [(9, None, True), (10, 10, False), (10, 20, True), (20, 20, False)],
    ids=["room", "full", "quota raised", "raised and full"],
)
def test_the_quota_of_attached_policies(attached: int, quota: int | None, fits: bool) -> None:
    world = world_of_john(attached=[f"arn:aws:iam::{ACCOUNT}:policy/p{number:02}" for number in range(attached)])
    if quota is not None:
        world.answer("iam:GetAccountSummary", {"SummaryMap": {"AttachedPoliciesPerUserQuota": quota}})
    if fits:
        assert apis(planned(world)) == ["iam:AttachUserPolicy"]
        return
    with pytest.raises(Refused, match="AWSDenyAll does not fit") as refusal:
        planned(world)
    assert "deny=false" in refusal.value.remedy


def test_a_list_that_cannot_be_read_is_not_an_empty_one() -> None:
    world = world_of_john().answer("iam:ListSSHPublicKeys", AccessDenied("no iam:ListSSHPublicKeys"))
    with pytest.raises(AccessDenied, match="iam:ListSSHPublicKeys"):
        planned(world)


# --- what is said beside it -----------------------------------------------------------------------------------------


def test_what_it_hits_and_what_remains() -> None:
    world = world_of_john(
        access_keys={KEY: "Active", SPARE: "Inactive"},
        password="2026-01-01T00:00:00Z",
        PasswordLastUsed="2026-11-23T08:00:00Z",
        groups=["sales"],
    )
    used = {"LastUsedDate": "2026-11-24T11:59:00Z", "ServiceName": "s3", "Region": "eu-central-1"}
    world.answer("iam:GetAccessKeyLastUsed", {"UserName": "john", "AccessKeyLastUsed": used}, AccessKeyId=KEY)
    found = DisableUser(user="john").plan(world, Guard())
    texts = {(item.kind, item.text) for item in found.blast_radius if item.kind in ("last_used", "inherited")}
    assert texts == {
        ("last_used", f"access key {KEY} was last used at 2026-11-24T11:59:00Z, with s3 in eu-central-1"),
        ("last_used", "john: last signed in with the password at 2026-11-23T08:00:00Z"),
        ("inherited", "john stays in sales; the deny overrules what they allow"),
    }
    assert not any(item.grave for item in found.blast_radius)
    assert any("revoke_sessions" in note for note in found.notes)


def test_without_the_deny_sessions_go_on_and_that_is_grave() -> None:
    found = DisableUser(user="john", deny=False).plan(world_of_john(access_keys={KEY: "Active"}), Guard())
    (item,) = [item for item in found.blast_radius if item.grave]
    assert item.kind == "remains"
    assert "GetFederationToken" in item.text


def attach(iam: Any, name: str = "john", policy: str = ADMINISTRATOR_ACCESS) -> None:
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=policy)


def alone(iam: Any) -> None:
    attach(iam)


def with_another(iam: Any) -> None:
    attach(iam)
    attach(iam, "jane")


def with_another_under_conditions(iam: Any) -> None:
    attach(iam)
    iam.create_user(UserName="jane")
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    iam.put_user_policy(UserName="jane", PolicyName="p", PolicyDocument=document("*", Condition=mfa))


def under_conditions(iam: Any) -> None:
    iam.create_user(UserName="john")
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    iam.put_user_policy(UserName="john", PolicyName="p", PolicyDocument=document("*", Condition=mfa))
    attach(iam, "jane")


def by_group(iam: Any) -> None:
    iam.create_group(GroupName="admins")
    iam.attach_group_policy(GroupName="admins", PolicyArn=ADMINISTRATOR_ACCESS)
    iam.create_user(UserName="john")
    iam.add_user_to_group(UserName="john", GroupName="admins")


def nobody_special(iam: Any) -> None:
    iam.create_user(UserName="john")


@pytest.mark.parametrize(
    ("people", "administrator", "grave"),
    [
        (with_another, True, False),
        (with_another_under_conditions, True, True),
        (under_conditions, True, False),
        (nobody_special, False, False),
    ],
)
def test_the_last_administrator(
    admin: boto3.Session, people: Callable[[Any], None], administrator: bool, grave: bool
) -> None:
    people(client(admin, "iam"))
    world = LiveWorld(admin, snapshot=snapshot_of(admin))
    found = DisableUser(user="john").plan(world, Guard())
    assert found.administrator is administrator
    assert [item.grave for item in found.blast_radius if item.kind == "last_administrator"] == [True] * grave


@pytest.mark.parametrize("people", [alone, by_group])
@pytest.mark.parametrize("kind", [DisableUser, DeleteUser])
def test_the_very_last_administrator_is_left_alone(
    admin: boto3.Session, people: Callable[[Any], None], kind: type[DisableUser | DeleteUser]
) -> None:
    people(client(admin, "iam"))
    with pytest.raises(Refused, match="last administrator"):
        kind(user="john").plan(LiveWorld(admin, snapshot=snapshot_of(admin)), Guard())


def test_a_user_whom_no_snapshot_knows_may_be_anything(admin: boto3.Session) -> None:
    iam = client(admin, "iam")
    iam.create_user(UserName="john")
    before = snapshot_of(admin)
    iam.delete_user(UserName="john")
    attach(iam)
    for snapshot, why in ((None, "has not been read"), (before, "this user was not there")):
        found = DisableUser(user="john").plan(LiveWorld(admin, snapshot=snapshot), Guard())
        assert found.administrator is None
        (item,) = [item for item in found.blast_radius if item.kind == "last_administrator"]
        assert why in item.text


def test_roles_that_trust_the_user_by_name_are_named(admin: boto3.Session) -> None:
    with_another(client(admin, "iam"))
    client(admin, "iam").create_role(RoleName="deploy", AssumeRolePolicyDocument=trust(JOHN))
    found = DisableUser(user="john").plan(LiveWorld(admin, snapshot=snapshot_of(admin)), Guard())
    assert f"arn:aws:iam::{ACCOUNT}:role/deploy" in found.notes[0]


# --- against the emulator -------------------------------------------------------------------------------------------


def state_of(admin: boto3.Session) -> dict[str, Any]:
    """Everything about john that disabling may change."""
    iam, john = client(admin, "iam"), {"UserName": "john"}
    lists = {
        "keys": iam.list_access_keys(**john)["AccessKeyMetadata"],
        "ssh": iam.list_ssh_public_keys(**john)["SSHPublicKeys"],
        "certificates": iam.list_signing_certificates(**john)["Certificates"],
        "services": iam.list_service_specific_credentials(**john)["ServiceSpecificCredentials"],
    }
    attached = iam.list_attached_user_policies(**john)["AttachedPolicies"]
    return {
        **{name: [each["Status"] for each in entries] for name, entries in lists.items()},
        "attached": sorted(each["PolicyName"] for each in attached),
    }


def test_everything_is_stopped_and_given_back(emulator: Emulator, admin: boto3.Session, live: LiveWorld) -> None:
    action = DisableUser(user=make_john(admin))
    before, johns = state_of(admin), emulator.session(ACCOUNT, user="john")
    assert client(johns, "s3").list_buckets()["Buckets"] == []
    plan = action.plan(live, Guard()).plan
    carry_out(admin, plan)
    assert state_of(admin) == {
        "keys": ["Inactive", "Inactive"],
        "ssh": ["Inactive"],
        "certificates": ["Inactive"],
        "services": ["Inactive"],
        "attached": ["AWSDenyAll", *before["attached"]],
    }
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client(johns, "s3").list_buckets()
    assert action.verify(live, plan).ok
    with pytest.raises(Refused, match="already disabled"):
        action.plan(live, Guard())
    undo(admin, plan)
    assert state_of(admin) == before
    assert not action.verify(live, plan).ok
    assert client(johns, "s3").list_buckets()["Buckets"] == []
    assert action.plan(live, Guard()).plan.sha256 == plan.sha256


def test_the_deny_reaches_a_session_that_the_user_made_before(emulator: Emulator, admin: boto3.Session) -> None:
    make_john(admin)
    held = client(emulator.session(ACCOUNT, user="john"), "sts").get_session_token()["Credentials"]
    session = emulator.session_with(held["AccessKeyId"], held["SecretAccessKey"], held["SessionToken"])
    assert client(session, "s3").list_buckets()["Buckets"] == []
    carry_out(admin, DisableUser(user="john").plan(LiveWorld(admin), Guard()).plan)
    with pytest.raises(ClientError, match="explicit deny in an identity-based policy"):
        client(session, "s3").list_buckets()


def test_deleting_the_password_too(admin: boto3.Session, live: LiveWorld) -> None:
    action = DisableUser(user=make_john(admin), password="delete")
    plan = action.plan(live, Guard()).plan
    carry_out(admin, plan)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        client(admin, "iam").get_login_profile(UserName="john")
    assert action.verify(live, plan).ok


# --- the order, and what the user got meanwhile ----------------------------------------------------------------------


def test_keys_and_the_deny_come_before_what_is_worth_less() -> None:
    held: dict[str, Any] = {"ssh_keys": {"APKA1": "Active"}, "services": {"ACCA1": "Active"}}
    plan = planned(world_of_john(access_keys={KEY: "Active"}, certificates={"CERT1": "Active"}, **held))
    assert apis(plan) == [
        "iam:UpdateAccessKey",
        "iam:AttachUserPolicy",
        "iam:UpdateServiceSpecificCredential",
        "iam:UpdateSSHPublicKey",
        "iam:UpdateSigningCertificate",
    ]


@pytest.mark.parametrize(
    ("deny", "more", "active"),
    [
        (True, {}, None),
        (True, {"access_keys": {KEY: "Inactive", SPARE: "Active"}}, f"access key {SPARE}"),
        (False, {"access_keys": {KEY: "Inactive", SPARE: "Active"}}, f"access key {SPARE}"),
        (False, {"services": {"ACCA1": "Active"}}, "service-specific credential ACCA1"),
        (False, {"password": "2026-11-24T11:59:00Z"}, "a password"),
        (True, {"password": "2026-11-24T11:59:00Z"}, None),
    ],
)
def test_what_the_user_got_meanwhile_is_read_back(deny: bool, more: dict[str, Any], active: str | None) -> None:
    action = DisableUser(user="john", deny=deny)
    plan = action.plan(world_of_john(access_keys={KEY: "Active"}), Guard()).plan
    after = {"access_keys": {KEY: "Inactive"}, "attached": [DENY_ALL] if deny else [], **more}
    seen = action.verify(world_of_john(**after), plan)
    assert seen.ok is (active is None)
    assert active is None or active in seen.detail
