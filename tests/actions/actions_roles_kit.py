"""Principals with rights, and what is said of taking them away; see actions_kit."""

import json
from typing import Any

import boto3
from actions_kit import (
    OTHER_ACCOUNT,
    FakeWorld,
    LiveWorld,
    client,
    document,
    snapshot_of,
    trust,
)

from trailwarden.action import Planned
from trailwarden.actions.detach_admin_policies import DetachAdminPolicies
from trailwarden.guardrails import Guard
from trailwarden.model.proposal import Plan

EVERYTHING = document("*")
WITH_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
POWER = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "NotAction": ["iam:*", "organizations:*"], "Resource": "*"}],
    }
)
DENIED_TOO = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"},
        ],
    }
)


def user(admin: boto3.Session, name: str = "john", *attached: str, **inline: str) -> str:
    """A user with managed and inline policies."""
    iam = client(admin, "iam")
    arn: str = iam.create_user(UserName=name)["User"]["Arn"]
    for policy in attached:
        iam.attach_user_policy(UserName=name, PolicyArn=policy)
    for policy, text in inline.items():
        iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=text)
    return arn


def group(admin: boto3.Session, name: str, *members: str, attached: tuple[str, ...] = (), **inline: str) -> str:
    """A group with members and policies."""
    iam = client(admin, "iam")
    arn: str = iam.create_group(GroupName=name)["Group"]["Arn"]
    for member in members:
        iam.add_user_to_group(GroupName=name, UserName=member)
    for policy in attached:
        iam.attach_group_policy(GroupName=name, PolicyArn=policy)
    for policy, text in inline.items():
        iam.put_group_policy(GroupName=name, PolicyName=policy, PolicyDocument=text)
    return arn


def role(admin: boto3.Session, name: str = "Deploy", *attached: str, path: str = "/") -> str:
    """A role that another account may assume."""
    iam = client(admin, "iam")
    text = trust(f"arn:aws:iam::{OTHER_ACCOUNT}:root")
    arn: str = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=text)["Role"]["Arn"]
    for policy in attached:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    return arn


def managed(admin: boto3.Session, name: str, text: str) -> str:
    arn: str = client(admin, "iam").create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"]
    return arn


def answer_managed(world: FakeWorld, text: str) -> None:
    """Let every managed policy have this document."""
    world.answer("iam:GetPolicy", {"Policy": {"DefaultVersionId": "v1"}})
    world.answer("iam:GetPolicyVersion", {"PolicyVersion": {"Document": json.loads(text)}})


def proposed(world: Any, principal: str = "user/john", guard: Guard | None = None, **arguments: bool) -> Planned:
    return DetachAdminPolicies(principal=principal, **arguments).plan(world, guard or Guard())


def seen(admin: boto3.Session) -> LiveWorld:
    """The emulator as a world whose IAM has just been read."""
    return LiveWorld(admin, snapshot=snapshot_of(admin))


def calls(plan: Plan) -> list[tuple[str, str]]:
    """What is done, and to which policy or group."""
    return [
        (
            step.call.api.removeprefix("iam:"),
            step.call.params.get("PolicyArn", step.call.params.get("PolicyName", step.call.params.get("GroupName"))),
        )
        for step in plan.steps
    ]


def said(planned: Planned, kind: str) -> list[str]:
    return [each.text for each in planned.blast_radius if each.kind == kind]


def graves(planned: Planned) -> list[str]:
    return [each.text for each in planned.blast_radius if each.grave]


def rights(admin: boto3.Session) -> dict[str, Any]:
    """Who holds what, without what changes by itself."""
    account = snapshot_of(admin).authorization
    return {
        each.name: (
            sorted(each.attached),
            sorted(str(one.statements) for one in each.inline),
            sorted(getattr(each, "groups", ())),
        )
        for each in (*account.principals(), *account.groups.values())
    }
