"""Detaching administrator policies: what is found, and what is done."""

import json

import boto3
import pytest
from actions_kit import (
    ACCOUNT,
    ADMINISTRATOR_ACCESS,
    READ_ONLY,
    FakeWorld,
    LiveWorld,
    carry_out,
    client,
    document,
    undo,
)
from actions_roles_kit import (
    DENIED_TOO,
    EVERYTHING,
    POWER,
    WITH_MFA,
    answer_managed,
    calls,
    graves,
    group,
    managed,
    proposed,
    rights,
    role,
    said,
    seen,
    user,
)

from trailwarden.action import Refused
from trailwarden.demo.emulator import Emulator

# --- what is found and done -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AdministratorAccess", "PowerUserAccess", "IAMFullAccess"])
@pytest.mark.parametrize("kind", ["user", "role", "group"])
def test_each_of_the_three_is_detached_and_nothing_else(admin: boto3.Session, kind: str, name: str) -> None:
    policy = f"arn:aws:iam::aws:policy/{name}"
    if kind == "group":
        arn = group(admin, "john", attached=(policy, READ_ONLY))
    else:
        arn = {"user": user, "role": role}[kind](admin, "john", policy, READ_ONLY)
    planned = proposed(LiveWorld(admin), f"{kind}/john")
    (step,) = planned.plan.steps
    word = kind.title()
    assert step.call.api == f"iam:Detach{word}Policy"
    assert step.call.params == {f"{word}Name": "john", "PolicyArn": policy}
    assert step.call.resources == (arn,)
    assert step.undo is not None
    assert (step.undo.api, step.undo.params) == (f"iam:Attach{word}Policy", step.call.params)
    (target,) = planned.plan.targets
    assert (target.kind, target.arn) == (f"iam_{kind}", arn)
    read = getattr(client(admin, "iam"), f"get_{kind}")(**{f"{word}Name": "john"})[word]
    assert target.id == read[f"{word}Id"]
    assert planned.plan.irreversible == ()


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_other_partitions_have_their_own_three(partition: str) -> None:
    arn = f"arn:{partition}:iam::{ACCOUNT}:role/Deploy"
    policy = f"arn:{partition}:iam::aws:policy/IAMFullAccess"
    world = FakeWorld(partition=partition)
    world.answer("iam:GetRole", {"Role": {"RoleName": "Deploy", "RoleId": "AROADEPLOYEXAMPLE", "Arn": arn}})
    world.answer(
        "iam:ListAttachedRolePolicies", {"AttachedPolicies": [{"PolicyName": "IAMFullAccess", "PolicyArn": policy}]}
    )
    world.answer("iam:ListRolePolicies", {"PolicyNames": []})
    answer_managed(world, document("iam:*"))
    (step,) = proposed(world, arn).plan.steps
    assert step.call.params["PolicyArn"] == policy
    assert step.call.region == {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}[partition]
    assert {"iam:ListAttachedRolePolicies", "iam:ListRolePolicies"} <= set(world.listed)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(EVERYTHING, "every role", id="everything"),
        pytest.param(document("iam:*"), "every role", id="all of IAM"),
        pytest.param(document("iam:Put*", "iam:Attach*", "iam:Update*"), "every role", id="what it takes for roles"),
        pytest.param(document("iam:*User*", "iam:CreateAccessKey"), "every user", id="what it takes for users"),
        pytest.param(document("*", Condition=WITH_MFA), "under conditions", id="with MFA"),
        pytest.param(POWER, "everything but iam:*, organizations:*", id="everything but"),
        pytest.param(DENIED_TOO, "every role", id="with a denial"),
    ],
)
def test_equivalents_of_ones_own_are_found_by_what_they_allow(admin: boto3.Session, text: str, why: str) -> None:
    arn = managed(admin, "harmless", text)
    user(admin, "john", arn, READ_ONLY)
    (step,) = proposed(LiveWorld(admin)).plan.steps
    assert step.call.params["PolicyArn"] == arn
    assert why in step.does


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(document("s3:*", "ec2:*"), id="two services"),
        pytest.param(document("iam:Get*", "iam:List*"), id="reads IAM"),
        pytest.param(document("iam:PutRolePolicy"), id="a step of an escalation"),
        pytest.param(POWER.replace('"*"', '"arn:aws:s3:::example/*"'), id="everything but, on a bucket"),
        pytest.param(document("*", Resource="arn:aws:s3:::example/*"), id="everything on a bucket"),
    ],
)
def test_what_does_not_give_as_much_is_left(admin: boto3.Session, text: str) -> None:
    user(admin, "john", managed(admin, "admin", text), own=text)
    with pytest.raises(Refused, match="john is already without") as refused:
        proposed(LiveWorld(admin), inline=True)
    assert f"trailwarden iam role arn:aws:iam::{ACCOUNT}:user/john" in refused.value.remedy


@pytest.mark.parametrize("kind", ["user", "role", "group"])
def test_inline_policies_are_deleted_only_when_asked_for_and_are_kept_in_the_export(
    admin: boto3.Session, kind: str
) -> None:
    if kind == "group":
        group(admin, "john")
    else:
        {"user": user, "role": role}[kind](admin, "john")
    put = getattr(client(admin, "iam"), f"put_{kind}_policy")
    for name, text in (("all", EVERYTHING), ("buckets", document("s3:*"))):
        put(**{f"{kind.title()}Name": "john"}, PolicyName=name, PolicyDocument=text)
    with pytest.raises(Refused, match="without an attached policy") as refused:
        proposed(LiveWorld(admin), f"{kind}/john")
    assert refused.value.remedy == "inline=true deletes all"
    before = rights(admin)
    plan = proposed(LiveWorld(admin), f"{kind}/john", inline=True).plan
    assert calls(plan) == [(f"Delete{kind.title()}Policy", "all")]
    assert plan.export == {"inline_policies": {"all": json.loads(EVERYTHING)}}
    carry_out(admin, plan)
    assert rights(admin) != before
    undo(admin, plan)
    assert rights(admin) == before


def test_a_user_leaves_groups_that_give_as_much_only_when_asked_for(admin: boto3.Session) -> None:
    user(admin, "john", ADMINISTRATOR_ACCESS)
    group(admin, "admins", "john", attached=(ADMINISTRATOR_ACCESS,), buckets=document("s3:*"))
    group(admin, "inliners", "john", everything=EVERYTHING)
    group(admin, "readers", "john", attached=(READ_ONLY,))
    planned = proposed(LiveWorld(admin))
    assert calls(planned.plan) == [("DetachUserPolicy", ADMINISTRATOR_ACCESS)]
    assert len(said(planned, "inherited")) == 2
    assert all("groups=true" in text for text in said(planned, "inherited"))
    assert any("principal=group/admins" in note for note in planned.notes)

    before = rights(admin)
    planned = proposed(LiveWorld(admin), groups=True)
    assert sorted(calls(planned.plan)) == [
        ("DetachUserPolicy", ADMINISTRATOR_ACCESS),
        ("RemoveUserFromGroup", "admins"),
        ("RemoveUserFromGroup", "inliners"),
    ]
    assert said(planned, "inherited") == ["out of admins, john also loses what else it gives: buckets"]
    assert {step.call.resources for step in planned.plan.steps[1:]} == {
        (f"arn:aws:iam::{ACCOUNT}:group/admins",),
        (f"arn:aws:iam::{ACCOUNT}:group/inliners",),
    }
    carry_out(admin, planned.plan)
    assert rights(admin)["john"] == ([], [], ["readers"])
    undo(admin, planned.plan)
    assert rights(admin) == before


def test_a_group_loses_it_for_every_member_who_are_named(admin: boto3.Session) -> None:
    for name in ("john", "mary"):
        user(admin, name)
    role(admin, "Break", ADMINISTRATOR_ACCESS)
    group(admin, "admins", "mary", "john", attached=(ADMINISTRATOR_ACCESS,))
    planned = proposed(seen(admin), "group/admins")
    assert said(planned, "inherited") == graves(planned) == ["every member of admins loses it: john, mary"]
    left = [text.split()[0] for text in said(planned, "remains") if "is no administrator afterwards" in text]
    assert left == [f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("john", "mary")]
    assert planned.administrator is True
    client(admin, "iam").remove_user_from_group(GroupName="admins", UserName="mary")
    assert proposed(seen(admin), "group/admins").plan.sha256 != planned.plan.sha256


def test_the_plan_changes_with_what_it_relies_on_and_with_nothing_else(admin: boto3.Session) -> None:
    arn = managed(admin, "own", EVERYTHING)
    user(admin, "john", arn)
    user(admin, "mary", ADMINISTRATOR_ACCESS)
    first = proposed(LiveWorld(admin)).plan.sha256
    assert proposed(seen(admin)).plan.sha256 == first
    client(admin, "iam").create_access_key(UserName="john")
    assert proposed(LiveWorld(admin)).plan.sha256 == first
    client(admin, "iam").create_policy_version(PolicyArn=arn, PolicyDocument=DENIED_TOO, SetAsDefault=True)
    changed = proposed(LiveWorld(admin))
    assert changed.plan.sha256 != first
    assert any("also denies something" in text for text in graves(changed))


def test_the_arn_of_a_session_means_its_role(admin: boto3.Session) -> None:
    arn = role(admin, "Deploy", ADMINISTRATOR_ACCESS, path="/ci/")
    planned = proposed(LiveWorld(admin), f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/build-7")
    assert planned.arguments == {"principal": arn, "groups": False, "inline": False}
    assert any("sessions of Deploy" in text for text in said(planned, "sessions"))


def test_the_emulator_takes_the_rights_away_and_gives_them_back(emulator: Emulator, admin: boto3.Session) -> None:
    user(admin, "john", ADMINISTRATOR_ACCESS)
    john = client(emulator.session(ACCOUNT, user="john"), "iam")
    john.list_users()
    plan = proposed(LiveWorld(admin)).plan
    carry_out(admin, plan)
    with pytest.raises(john.exceptions.ClientError, match="AccessDenied"):
        john.list_users()
    undo(admin, plan)
    john.list_users()
