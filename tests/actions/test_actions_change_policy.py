"""The session policy of a plan, the least policy of a role, and what a role lacks."""

import json
from typing import Any

import boto3
import msgspec
import pytest
from actions_kit import (
    ACCOUNT,
    ADMINISTRATOR_ACCESS,
    NOW,
    READ_ONLY,
    LiveWorld,
    carry_out,
    client,
    make_john,
    scenarios,
    snapshot_of,
    trust,
    world_of_john,
)
from botocore.exceptions import ClientError

from trailwarden.action import steps_of
from trailwarden.actions import actions
from trailwarden.actions.delete_access_key import DeleteAccessKey
from trailwarden.actions.delete_user import DeleteUser
from trailwarden.actions.disable_user import DisableUser
from trailwarden.aws.session_policy import (
    PUBLISHED_SAMPLE,
    SESSION_POLICY_LIMIT,
    lacking_for_action,
    lacking_in_published_sample,
    least_policy,
    missing_permissions,
    session_policy,
)
from trailwarden.demo.emulator import Emulator
from trailwarden.errors import UsageError
from trailwarden.guardrails import Guard
from trailwarden.model.proposal import Call, Plan, Target

GUARD = Guard(revoke_sessions=True)
#: The actions that have a scenario beside these tests.
KNOWN = [name for name in actions() if name in scenarios()]
RESPONDER = f"arn:aws:iam::{ACCOUNT}:role/Responder"


def plan_of(*calls: Call, action: Any = "disable_user") -> Plan:
    target = Target(kind="iam_user", id="AIDAJOHNEXAMPLE", account=ACCOUNT, name="john")
    steps = steps_of(*((call, "does it", None) for call in calls))
    return Plan(action=action, account=ACCOUNT, targets=(target,), steps=steps, pre_state={})


def attach(policy: str, user: str = "john") -> Call:
    resource = f"arn:aws:iam::{ACCOUNT}:user/{user}"
    params = {"UserName": user, "PolicyArn": policy}
    return Call(api="iam:AttachUserPolicy", params=params, region="us-east-1", resources=(resource,))


def of_john(verb: str, kind: str, name: str, *policies: str) -> list[Call]:
    """Calls that attach or detach policies of one holder."""
    resource = f"arn:aws:iam::{ACCOUNT}:{kind.lower()}/{name}"
    return [
        Call(
            api=f"iam:{verb}{kind}Policy", params={f"{kind}Name": name, "PolicyArn": each}, region="us-east-1",
            resources=(resource,),
        )
        for each in policies
    ]  # fmt: skip


def responder(admin: boto3.Session, policy: dict[str, Any] | str) -> None:
    """The role Responder with one policy."""
    iam = client(admin, "iam")
    iam.create_role(RoleName="Responder", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:user/worker"))
    text = policy if isinstance(policy, str) else json.dumps(policy)
    iam.put_role_policy(RoleName="Responder", PolicyName="respond", PolicyDocument=text)


def narrowed(emulator: Emulator, admin: boto3.Session, policy: str) -> boto3.Session:
    """A session of an all-powerful Responder that a session policy narrows."""
    client(admin, "iam").create_user(UserName="worker")
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    client(admin, "iam").put_user_policy(UserName="worker", PolicyName="all", PolicyDocument=json.dumps(everything))
    responder(admin, everything)
    sts = client(emulator.session(ACCOUNT, user="worker"), "sts")
    held = sts.assume_role(RoleArn=RESPONDER, RoleSessionName="approved", Policy=policy)["Credentials"]
    return emulator.session_with(held["AccessKeyId"], held["SecretAccessKey"], held["SessionToken"])


# --- the session policy ---------------------------------------------------------------------------------------------


def test_it_is_the_calls_on_their_resources_and_nothing_else() -> None:
    key = Call(
        api="iam:UpdateAccessKey",
        params={"UserName": "john", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive"},
        region="us-east-1",
        resources=(f"arn:aws:iam::{ACCOUNT}:user/john",),
    )
    delete = msgspec.structs.replace(key, api="iam:DeleteAccessKey")
    assert json.loads(session_policy(plan_of(key, delete, attach(READ_ONLY)))) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["iam:UpdateAccessKey", "iam:DeleteAccessKey"],
                "Resource": f"arn:aws:iam::{ACCOUNT}:user/john",
            },
            {
                "Effect": "Allow",
                "Action": "iam:AttachUserPolicy",
                "Resource": f"arn:aws:iam::{ACCOUNT}:user/john",
                "Condition": {"ArnEquals": {"iam:PolicyARN": READ_ONLY}},
            },
        ],
    }


def test_one_that_aws_would_not_take_is_refused() -> None:
    few = plan_of(*(attach(READ_ONLY, f"user-{number}") for number in range(5)))
    assert len(session_policy(few)) <= SESSION_POLICY_LIMIT
    many = plan_of(*(attach(READ_ONLY, f"user-{number}") for number in range(60)))
    with pytest.raises(UsageError, match="AWS takes 2,048"):
        session_policy(many)


def test_snapshots_may_be_tagged_only_as_they_are_made() -> None:
    arns = ("arn:aws:ec2:us-east-1::snapshot/*",)
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "made-by", "Value": "plan"}]}]
    bare = Call(api="ec2:CreateSnapshots", params={}, region="us-east-1", resources=arns)
    tagged = msgspec.structs.replace(bare, params={"TagSpecifications": tags})
    assert "ec2:CreateTags" not in session_policy(plan_of(bare))
    (_, tagging) = json.loads(session_policy(plan_of(tagged)))["Statement"]
    assert tagging["Action"] == "ec2:CreateTags"
    assert tagging["Condition"] == {"StringEquals": {"ec2:CreateAction": "CreateSnapshots"}}


@pytest.mark.parametrize("name", KNOWN)
def test_a_plan_is_carried_out_under_its_own(emulator: Emulator, admin: boto3.Session, name: str) -> None:
    action = scenarios()[name](admin)
    world = LiveWorld(admin)
    plan = action.plan(world, GUARD).plan
    carry_out(narrowed(emulator, admin, session_policy(plan)), plan)
    assert action.verify(world, plan).ok


def test_nothing_else_can_be_done_under_it(emulator: Emulator, admin: boto3.Session) -> None:
    make_john(admin)
    iam = client(admin, "iam")
    iam.create_user(UserName="mary")
    key = iam.create_access_key(UserName="mary")["AccessKey"]["AccessKeyId"]
    plan = DisableUser(user="john").plan(LiveWorld(admin), GUARD).plan
    session = client(narrowed(emulator, admin, session_policy(plan)), "iam")
    john = {"UserName": "john"}
    for refused in (
        lambda: session.update_access_key(UserName="mary", AccessKeyId=key, Status="Inactive"),
        lambda: session.attach_user_policy(**john, PolicyArn=ADMINISTRATOR_ACCESS),
        lambda: session.delete_user(**john),
        session.list_users,
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


# --- the least policy -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KNOWN)
def test_a_role_with_the_least_policy_lacks_nothing(admin: boto3.Session, name: str) -> None:
    kind = actions()[name]  # type: ignore[index]
    responder(admin, least_policy([kind], partition="aws", account=ACCOUNT))
    action = scenarios()[name](admin)
    plan = action.plan(LiveWorld(admin), GUARD).plan
    snapshot = snapshot_of(admin)
    assert lacking_for_action(kind, snapshot, RESPONDER) == ()
    assert missing_permissions(plan, snapshot, RESPONDER) == ()


def test_every_declared_permission_is_in_it_and_no_wildcard_action() -> None:
    document = least_policy(actions().values(), partition="aws", account="*")
    granted = {
        action
        for each in document["Statement"]
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    }
    assert granted == {need.action for kind in actions().values() for need in (*kind.reads, *kind.writes)}
    assert not [action for action in granted if "*" in action]
    assert "{" not in json.dumps(document).replace('{"', "").replace("{}", "")


def test_the_partition_is_that_of_the_account() -> None:
    document = json.dumps(least_policy([DisableUser], partition="aws-us-gov", account=ACCOUNT))
    assert "arn:aws-us-gov:iam::aws:policy/AWSDenyAll" in document
    assert "arn:aws:" not in document


def test_reads_can_be_left_to_another_role() -> None:
    text = json.dumps(least_policy([DeleteAccessKey], partition="aws", account=ACCOUNT, reads=False))
    assert "iam:DeleteAccessKey" in text
    assert not [need.action for need in DeleteAccessKey.reads if need.action in text]


def test_what_the_published_sample_lacks() -> None:
    lacking = lacking_in_published_sample(actions().values())
    assert "iam:AttachUserPolicy" in lacking["disable_user"]
    assert lacking["revoke_sessions"] == ("iam:DeleteRolePolicy", "iam:PutRolePolicy")
    assert "delete_access_key" not in lacking, "it takes UpdateAccessKey and DeleteAccessKey, which the sample has"
    assert not {each for names in lacking.values() for each in names} & PUBLISHED_SAMPLE


# --- what a role lacks ----------------------------------------------------------------------------------------------


def test_a_role_with_the_published_sample_is_told_what_it_lacks(admin: boto3.Session) -> None:
    sample = {"Effect": "Allow", "Action": sorted(PUBLISHED_SAMPLE), "Resource": "*"}
    responder(admin, {"Version": "2012-10-17", "Statement": [sample]})
    snapshot = snapshot_of(admin)
    told = lacking_in_published_sample(actions().values())
    for name, kind in actions().items():
        assert lacking_for_action(kind, snapshot, RESPONDER) == told.get(name, ())


def test_another_target_or_policy_than_allowed_is_lacking(admin: boto3.Session) -> None:
    responder(admin, least_policy([DisableUser], partition="aws", account=ACCOUNT))
    snapshot = snapshot_of(admin)
    deny_all = "arn:aws:iam::aws:policy/AWSDenyAll"
    assert missing_permissions(plan_of(attach(deny_all)), snapshot, RESPONDER) == ()
    assert missing_permissions(plan_of(attach(ADMINISTRATOR_ACCESS)), snapshot, RESPONDER) == ("iam:AttachUserPolicy",)
    other = msgspec.structs.replace(attach(deny_all), resources=("arn:aws:iam::222222222222:user/john",))
    assert missing_permissions(plan_of(other), snapshot, RESPONDER) == ("iam:AttachUserPolicy",)


def test_a_deny_and_a_boundary_count(admin: boto3.Session) -> None:
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "iam:DeleteAccessKey", "Resource": "*"}
    responder(admin, {"Version": "2012-10-17", "Statement": [allow, deny]})
    assert lacking_for_action(DeleteAccessKey, snapshot_of(admin), RESPONDER) == ("iam:DeleteAccessKey",)
    client(admin, "iam").put_role_permissions_boundary(RoleName="Responder", PermissionsBoundary=READ_ONLY)
    lacking = lacking_for_action(DeleteAccessKey, snapshot_of(admin), RESPONDER)
    assert lacking == ("iam:DeleteAccessKey", "iam:UpdateAccessKey")


def test_a_role_that_was_not_read_is_not_one_that_lacks_nothing(admin: boto3.Session) -> None:
    snapshot = snapshot_of(admin)
    assert snapshot.taken == NOW
    with pytest.raises(UsageError, match="was not there when IAM was read"):
        lacking_for_action(DisableUser, snapshot, RESPONDER)
    with pytest.raises(UsageError, match="was not there when IAM was read"):
        missing_permissions(plan_of(attach(READ_ONLY)), snapshot, RESPONDER)


# --- many policies of one holder --------------------------------------------------------------------------------------

MANY = [
    f"arn:aws:iam::aws:policy/{name}"
    for name in (
        "AmazonS3FullAccess", "AmazonEC2FullAccess", "AmazonRDSFullAccess", "AWSLambda_FullAccess", "IAMReadOnlyAccess",
        "CloudWatchFullAccess", "AmazonSQSFullAccess", "AmazonSNSFullAccess", "AmazonVPCFullAccess",
        "AmazonDynamoDBFullAccess",
    )
]  # fmt: skip


def test_as_many_policies_as_the_quota_allows_fit_into_one_session_policy() -> None:
    everything: dict[str, Any] = {
        "access_keys": {"AKIAIOSFODNN7EXAMPLE": "Active", "AKIAI44QH8DHBEXAMPLE": "Active"},
        "password": "2026-01-01T00:00:00Z",
        "groups": ["dev", "ops"],
        "mfa": [f"arn:aws:iam::{ACCOUNT}:mfa/john"],
    }
    planned = DeleteUser(user="john").plan(world_of_john(attached=MANY, **everything), GUARD).plan
    text = session_policy(planned)
    assert len(text) <= SESSION_POLICY_LIMIT
    (detaching,) = [each for each in json.loads(text)["Statement"] if "iam:DetachUserPolicy" in each["Action"]]
    assert sorted(detaching["Condition"]["ArnEquals"]["iam:PolicyARN"]) == sorted(MANY)
    assert detaching["Resource"] == f"arn:aws:iam::{ACCOUNT}:user/john"


def test_no_holder_gets_another_ones_policies() -> None:
    calls = [*of_john("Detach", "User", "john", *MANY[:2]), *of_john("Detach", "Group", "ops", *MANY[2:4])]
    statements = json.loads(session_policy(plan_of(*calls)))["Statement"]
    assert [(each["Action"], each["Resource"].rsplit(":", 1)[-1]) for each in statements] == [
        ("iam:DetachUserPolicy", "user/john"),
        ("iam:DetachGroupPolicy", "group/ops"),
    ]
    assert [each["Condition"]["ArnEquals"]["iam:PolicyARN"] for each in statements] == [MANY[:2], MANY[2:4]]
