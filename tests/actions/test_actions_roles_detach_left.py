"""Detaching administrator policies: what is refused, and what is said to be left."""

from typing import Any

import boto3
import msgspec
import pytest
from actions_kit import (
    ACCOUNT,
    ADMINISTRATOR_ACCESS,
    OTHER_ACCOUNT,
    READ_ONLY,
    FakeWorld,
    LiveWorld,
    carry_out,
    client,
    document,
    snapshot_of,
    trust,
)
from actions_roles_kit import (
    EVERYTHING,
    WITH_MFA,
    answer_managed,
    calls,
    graves,
    group,
    managed,
    proposed,
    role,
    said,
    seen,
    user,
)

from trailwarden.action import Refused
from trailwarden.actions.detach_admin_policies import DetachAdminPolicies
from trailwarden.errors import NotFound, UsageError
from trailwarden.guardrails import Guard
from trailwarden.model.policy import IamRole, PolicySource, UnreadablePolicy, parse_policy

# --- what is left ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "answer"),
    [
        pytest.param({"own": EVERYTHING}, "yes", id="inline"),
        pytest.param({"own": document("iam:*", Condition=WITH_MFA)}, "perhaps", id="MFA"),
        pytest.param(
            {
                "roles": document("iam:PutRolePolicy"),
                "more": document("iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy"),
            },
            "yes",
            id="two together",
        ),
        pytest.param({"own": document("s3:*")}, "no", id="nothing"),
    ],
)
def test_effective_access_afterwards_is_told_with_what_gives_it(
    admin: boto3.Session, kept: dict[str, str], answer: str
) -> None:
    arn = user(admin, "john", ADMINISTRATOR_ACCESS, **kept)
    user(admin, "mary", ADMINISTRATOR_ACCESS)
    planned = proposed(seen(admin))
    assert planned.administrator is True
    (text,) = [text for text in said(planned, "remains") if text.startswith(arn)]
    expected = {"yes": "stays an administrator, ", "perhaps": "stays an administrator under conditions", "no": "is no"}
    assert expected[answer] in text
    assert all(name in text for name in kept) == (answer != "no")
    assert (text in graves(planned)) == (answer != "no")


def test_a_group_that_still_gives_it_is_counted(admin: boto3.Session) -> None:
    arn = user(admin, "john", ADMINISTRATOR_ACCESS)
    group(admin, "admins", "john", attached=(ADMINISTRATOR_ACCESS,))
    user(admin, "mary", ADMINISTRATOR_ACCESS)
    (text,) = [text for text in graves(proposed(seen(admin))) if text.startswith(f"{arn} stays an administrator")]
    assert text.endswith("AdministratorAccess, statement 1 of admins")
    afterwards = proposed(seen(admin), groups=True)
    assert any(text.startswith(f"{arn} is no administrator") for text in said(afterwards, "remains"))


def test_a_boundary_that_holds_it_down_makes_it_no_administrator_before(admin: boto3.Session) -> None:
    arn = user(admin, "john", ADMINISTRATOR_ACCESS)
    boundary = managed(admin, "staff", document("s3:*"))
    client(admin, "iam").put_user_permissions_boundary(UserName="john", PermissionsBoundary=boundary)
    planned = proposed(seen(admin), arn)
    assert planned.administrator is False
    assert said(planned, "last_administrator") == []


def test_a_power_user_is_no_administrator_and_the_last_one_is_not_asked_about(admin: boto3.Session) -> None:
    user(admin, "john", "arn:aws:iam::aws:policy/PowerUserAccess")
    planned = proposed(seen(admin))
    assert planned.administrator is False
    assert graves(planned) == []


def test_roles_that_trust_it_by_name_remain(admin: boto3.Session) -> None:
    arn = user(admin, "john", ADMINISTRATOR_ACCESS)
    role(admin, "Break", ADMINISTRATOR_ACCESS)
    client(admin, "iam").create_role(RoleName="Ops", AssumeRolePolicyDocument=trust(arn))
    assert any(text.endswith(f"arn:aws:iam::{ACCOUNT}:role/Ops") for text in said(proposed(seen(admin)), "remains"))


def test_a_policy_that_cannot_be_understood_is_said_to_be_unknown() -> None:
    world = FakeWorld()
    arn = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
    world.answer("iam:GetRole", {"Role": {"RoleName": "Deploy", "RoleId": "AROADEPLOYEXAMPLE", "Arn": arn}})
    world.answer("iam:ListAttachedRolePolicies", {"AttachedPolicies": [{"PolicyArn": ADMINISTRATOR_ACCESS}]})
    world.answer("iam:ListRolePolicies", {"PolicyNames": ["odd"]})
    answer_managed(world, EVERYTHING)
    world.answer("iam:GetRolePolicy", {"PolicyDocument": {"Version": "2012-10-17"}}, PolicyName="odd")
    (text,) = [text for text in graves(proposed(world, "role/Deploy")) if "odd" in text]
    assert "cannot be told" in text


# --- what is refused ------------------------------------------------------------------------------------------------


def test_the_last_administrator_is_refused(admin: boto3.Session) -> None:
    user(admin, "john", ADMINISTRATOR_ACCESS)
    user(admin, "mary", READ_ONLY)
    with pytest.raises(Refused, match="nobody would be left"):
        proposed(seen(admin))
    user(admin, "sometimes", own=document("*", Condition=WITH_MFA))
    assert any("only such as are one under conditions" in text for text in graves(proposed(seen(admin))))
    role(admin, "Break", ADMINISTRATOR_ACCESS)
    planned = proposed(seen(admin))
    assert calls(planned.plan) == [("DetachUserPolicy", ADMINISTRATOR_ACCESS)]
    assert said(planned, "last_administrator") == []


@pytest.mark.parametrize("lack", ["incomplete", "unreadable"])
def test_an_account_that_was_not_read_whole_may_have_another(admin: boto3.Session, lack: str) -> None:
    user(admin, "john", ADMINISTRATOR_ACCESS)
    snapshot = snapshot_of(admin)
    source = PolicySource(kind="identity_inline", name="odd", holder=f"arn:aws:iam::{ACCOUNT}:user/mary")
    account = msgspec.structs.replace(
        snapshot.authorization,
        complete=lack != "incomplete",
        unreadable=(UnreadablePolicy(source, "not JSON"),) if lack == "unreadable" else (),
    )
    planned = proposed(LiveWorld(admin, snapshot=msgspec.structs.replace(snapshot, authorization=account)))
    (text,) = said(planned, "last_administrator")
    assert "none that is known would be left" in text
    assert text in graves(planned)


def test_what_changed_since_iam_was_read_is_counted(admin: boto3.Session) -> None:
    arn = user(admin, "john")
    user(admin, "mary", ADMINISTRATOR_ACCESS)
    snapshot = snapshot_of(admin)
    client(admin, "iam").attach_user_policy(UserName="john", PolicyArn=ADMINISTRATOR_ACCESS)
    world = LiveWorld(admin, snapshot=snapshot)
    planned = proposed(world)
    assert planned.administrator is True
    assert any(text.startswith(f"{arn} is no administrator") for text in said(planned, "remains"))
    group(admin, "new", "john", own=EVERYTHING)
    assert any(text.startswith(f"{arn} stays an administrator") for text in graves(proposed(world)))
    assert proposed(world, "group/new", inline=True).administrator is True
    user(admin, "late")
    client(admin, "iam").add_user_to_group(GroupName="new", UserName="late")
    assert proposed(world, "group/new", inline=True).administrator is None


def test_a_group_of_the_only_administrators_is_refused(admin: boto3.Session) -> None:
    for name in ("john", "mary"):
        user(admin, name)
    group(admin, "admins", "john", "mary", attached=(ADMINISTRATOR_ACCESS,))
    with pytest.raises(Refused, match="nobody would be left"):
        proposed(seen(admin), "group/admins")
    with pytest.raises(Refused, match="groups=true removes john from admins"):
        raise_remedy(lambda: proposed(seen(admin)))
    assert calls(proposed(seen(admin), groups=True).plan) == [("RemoveUserFromGroup", "admins")]


def raise_remedy(ask: Any) -> None:
    """Raise a refusal anew with its remedy as the message."""
    try:
        ask()
    except Refused as refused:
        raise Refused(refused.remedy) from refused


@pytest.mark.parametrize("when", ["never", "before it was made", "before it was made anew"])
def test_without_knowledge_of_the_account_the_last_administrator_is_not_known(admin: boto3.Session, when: str) -> None:
    if when == "before it was made anew":
        user(admin, "john")
    snapshot = None if when == "never" else snapshot_of(admin)
    if when == "before it was made anew":
        client(admin, "iam").delete_user(UserName="john")
    user(admin, "john", ADMINISTRATOR_ACCESS)
    planned = proposed(LiveWorld(admin, snapshot=snapshot))
    assert planned.administrator is None
    assert [text for text in graves(planned) if "not known" in text] == [
        *said(planned, "last_administrator"),
        *said(planned, "remains"),
    ]
    assert len(said(planned, "last_administrator")) == 1


@pytest.mark.parametrize(
    ("name", "path", "guard", "why"),
    [
        ("AWSReservedSSO_Admin_0123456789abcdef", "/aws-reserved/sso.amazonaws.com/", Guard(), "Identity Center"),
        ("AWSServiceRoleForSupport", "/aws-service-role/support.amazonaws.com/", Guard(), "service-linked"),
        ("Trailwarden", "/", Guard(own=(f"arn:aws:iam::{ACCOUNT}:role/Trailwarden",)), "reaches the account"),
        ("BreakGlass", "/", Guard(principals=("Break*",)), "protected_principals"),
    ],
    ids=["Identity Center", "service-linked", "own role", "protected"],
)
def test_protected_roles_are_refused_before_anything_else_is_read(name: str, path: str, guard: Guard, why: str) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role{path}{name}"
    world = FakeWorld().answer("iam:GetRole", {"Role": {"RoleName": name, "RoleId": "AROAEXAMPLE", "Arn": arn}})
    with pytest.raises(Refused, match=why):
        proposed(world, arn, guard)
    assert [api for api, _ in world.asked] == ["iam:GetRole"]


@pytest.mark.parametrize(
    "guard", [Guard(principals=("mary",)), Guard(tags=("team=security",))], ids=["by name", "by tag"]
)
def test_a_group_with_a_protected_member_is_refused(admin: boto3.Session, guard: Guard) -> None:
    for name in ("john", "mary"):
        user(admin, name)
    client(admin, "iam").tag_user(UserName="mary", Tags=[{"Key": "team", "Value": "security"}])
    group(admin, "admins", "john", "mary", attached=(ADMINISTRATOR_ACCESS,))
    with pytest.raises(Refused, match="mary is in admins"):
        proposed(LiveWorld(admin), "group/admins", guard)


def test_a_protected_group_is_not_left(admin: boto3.Session) -> None:
    user(admin, "john", ADMINISTRATOR_ACCESS)
    group(admin, "admins", "john", attached=(ADMINISTRATOR_ACCESS,))
    with pytest.raises(Refused, match="protected_principals"):
        proposed(LiveWorld(admin), guard=Guard(principals=("admins",)), groups=True)
    assert len(proposed(LiveWorld(admin), guard=Guard(principals=("admins",))).plan.steps) == 1


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("john", UsageError, "not a user, role or group"),
        ("user/", UsageError, "not a user, role or group"),
        ("policy/john", UsageError, "not a user, role or group"),
        ("group/a b", UsageError, "not a user, role or group"),
        ("arn:aws:s3:::example", UsageError, "not a user, role or group"),
        (f"arn:aws:iam::{OTHER_ACCOUNT}:role/Deploy", NotFound, "is a role of account 222222222222"),
        (f"arn:aws-cn:iam::{ACCOUNT}:role/Deploy", NotFound, "this is 111111111111"),
        (f"arn:aws:iam::{ACCOUNT}:root", Refused, "root user"),
        ("group/none", NotFound, "none"),
        ("role/none", NotFound, "none"),
        (f"arn:aws:iam::{ACCOUNT}:role/Deploy", Refused, "the role of that name is .*role/ci/Deploy"),
    ],
)
def test_other_principals_are_refused(admin: boto3.Session, text: str, error: type[Exception], match: str) -> None:
    role(admin, "Deploy", ADMINISTRATOR_ACCESS, path="/ci/")
    with pytest.raises(error, match=match):
        proposed(LiveWorld(admin), text)


def test_a_role_of_a_service_is_no_other_administrator(admin: boto3.Session) -> None:
    user(admin, "john", ADMINISTRATOR_ACCESS)
    snapshot = snapshot_of(admin)
    arn = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/example.amazonaws.com/AWSServiceRoleForExample"
    source = PolicySource(kind="identity_inline", name="all", holder=arn)
    service = IamRole(
        arn=arn,
        name="AWSServiceRoleForExample",
        id="AROAEXAMPLE",
        path="/aws-service-role/example.amazonaws.com/",
        inline=(parse_policy(EVERYTHING, source=source),),
    )
    account = msgspec.structs.replace(snapshot.authorization, roles={arn: service})
    with pytest.raises(Refused, match="nobody would be left"):
        proposed(LiveWorld(admin, snapshot=msgspec.structs.replace(snapshot, authorization=account)))


@pytest.mark.parametrize("lack", ["boundary", "inline policy that is readable now"])
def test_what_of_its_policies_was_not_read_leaves_it_unknown(admin: boto3.Session, lack: str) -> None:
    arn = user(admin, "john", "arn:aws:iam::aws:policy/PowerUserAccess")
    boundary = managed(admin, "staff", document("s3:*"))
    client(admin, "iam").put_user_permissions_boundary(UserName="john", PermissionsBoundary=boundary)
    read = snapshot_of(admin)
    account = read.authorization
    if lack == "boundary":
        policies = {each: policy for each, policy in account.policies.items() if each != boundary}
        account = msgspec.structs.replace(account, policies=policies)
    else:
        source = PolicySource(kind="identity_inline", name="odd", holder=arn)
        account = msgspec.structs.replace(account, unreadable=(UnreadablePolicy(source, "not JSON"),))
    planned = proposed(LiveWorld(admin, snapshot=msgspec.structs.replace(read, authorization=account)))
    unknown = [text for text in graves(planned) if text.startswith(f"whether {arn} stays an administrator")]
    if lack == "boundary":
        assert planned.administrator is None
        assert unknown == [f"whether {arn} stays an administrator is not known: {boundary} not read"]
    else:
        assert planned.administrator is False
        assert unknown == []


# --- other ways to administrator access -------------------------------------------------------------------------------


def test_the_ways_that_are_left_are_in_the_plan_and_in_what_was_read_back(admin: boto3.Session) -> None:
    user(admin, "boss", ADMINISTRATOR_ACCESS)
    user(admin, "john", ADMINISTRATOR_ACCESS, own=document("iam:AttachUserPolicy"))
    action = DetachAdminPolicies(principal="user/john")
    world = seen(admin)
    planned = action.plan(world, Guard())
    (way,) = [each for each in graves(planned) if "can still become an administrator" in each]
    assert "iam:AttachUserPolicy" in way
    carry_out(admin, planned.plan)
    seen_back = action.verify(world, planned.plan)
    assert seen_back.ok
    assert "john can still become an administrator" in seen_back.detail
    assert "iam:AttachUserPolicy" in seen_back.detail


def test_where_no_way_is_left_that_is_said(admin: boto3.Session) -> None:
    user(admin, "boss", ADMINISTRATOR_ACCESS)
    user(admin, "john", ADMINISTRATOR_ACCESS, own=document("s3:ListAllMyBuckets"))
    action, world = DetachAdminPolicies(principal="user/john"), seen(admin)
    planned = action.plan(world, Guard())
    assert not [each for each in said(planned, "remains") if "become an administrator" in each]
    carry_out(admin, planned.plan)
    assert "no other way to administrator access is known" in action.verify(world, planned.plan).detail


def test_what_is_left_of_one_who_is_gone_or_not_read_is_said(admin: boto3.Session) -> None:
    user(admin, "boss", ADMINISTRATOR_ACCESS)
    user(admin, "john", ADMINISTRATOR_ACCESS)
    action = DetachAdminPolicies(principal="user/john")
    planned = action.plan(seen(admin), Guard())
    carry_out(admin, planned.plan)
    assert "is not known: IAM was not read" in action.verify(LiveWorld(admin), planned.plan).detail
    client(admin, "iam").delete_user(UserName="john")
    assert "john is gone" in action.verify(LiveWorld(admin), planned.plan).detail
