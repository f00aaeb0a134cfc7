"""Accounts of the simulated organisation as a broker reaches them, and snapshots with as little said as can be."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from trailwarden.aws.broker import Broker, CallSettings
from trailwarden.aws.connection import Connection, Purpose
from trailwarden.demo.scenario import Scenario
from trailwarden.model.authorization import AuthorizationSnapshot
from trailwarden.model.policy import (
    AccountAuthorization,
    Policy,
    PolicyKind,
    PolicySource,
    parse_authorization_details,
    parse_policy,
)

NOW = datetime(2026, 11, 24, 4, 10, tzinfo=UTC)
ACCOUNT = "111111111111"
MADE = "2026-01-02T03:04:05+00:00"


class Reach:
    """Connections to the accounts of a scenario; ``broker`` makes one attempt a call."""

    def __init__(self, scenario: Scenario) -> None:
        self._held = {each.account.id: each for each in scenario.connections}
        self.broker = Broker(self, now=lambda: NOW, settings=CallSettings(attempts=1))

    def list(self, *, purpose: Purpose | None = None) -> Sequence[Connection]:
        return [
            Connection(
                id=account,
                account_id=account,
                role_arn=held.role_arn,
                partition="aws",
                label=held.account.name,
                purpose="read",
                created_at=NOW,
            )
            for account, held in self._held.items()
        ]

    def external_id(self, connection: Connection) -> str:
        return self._held[connection.account_id].external_id


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def arn(kind: str, name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:{kind}/{name}"


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: str | list[str], resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trusting(service: str) -> dict[str, Any]:
    return document(
        {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    )


def role(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "Path": "/",
        "RoleName": name,
        "RoleId": f"AROAEXAMPLE{name.upper()}",
        "Arn": arn("role", name),
        "CreateDate": MADE,
        "AssumeRolePolicyDocument": trusting("lambda"),
        "InstanceProfileList": [],
        "RolePolicyList": [],
        "AttachedManagedPolicies": [],
        "Tags": [],
        "RoleLastUsed": {},
        **fields,
    }


def user(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "Path": "/",
        "UserName": name,
        "UserId": f"AIDAEXAMPLE{name.upper()}",
        "Arn": arn("user", name),
        "CreateDate": MADE,
        "GroupList": [],
        "AttachedManagedPolicies": [],
        "Tags": [],
        **fields,
    }


def group(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "Path": "/",
        "GroupName": name,
        "GroupId": f"AGPAEXAMPLE{name.upper()}",
        "Arn": arn("group", name),
        "CreateDate": MADE,
        "GroupPolicyList": [],
        "AttachedManagedPolicies": [],
        **fields,
    }


def managed(policy_arn: str, written: Any) -> dict[str, Any]:
    return {
        "PolicyName": policy_arn.rsplit("/", 1)[-1],
        "PolicyId": "ANPAEXAMPLE",
        "Arn": policy_arn,
        "Path": "/",
        "DefaultVersionId": "v2",
        "AttachmentCount": 1,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": MADE,
        "UpdateDate": MADE,
        "PolicyVersionList": [
            {"Document": document(allow("s3:OldAction")), "VersionId": "v1", "IsDefaultVersion": False},
            {"Document": written, "VersionId": "v2", "IsDefaultVersion": True},
        ],
    }


def inline(name: str, written: Any) -> dict[str, Any]:
    return {"PolicyName": name, "PolicyDocument": written}


def attached(*arns: str) -> list[dict[str, str]]:
    return [{"PolicyName": each.rsplit("/", 1)[-1], "PolicyArn": each} for each in arns]


def bounded(policy_arn: str) -> dict[str, str]:
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": policy_arn}


def page(
    *,
    roles: Sequence[Any] = (),
    users: Sequence[Any] = (),
    groups: Sequence[Any] = (),
    policies: Sequence[Any] = (),
    **more: Any,
) -> dict[str, Any]:
    return {
        "UserDetailList": list(users),
        "GroupDetailList": list(groups),
        "RoleDetailList": list(roles),
        "Policies": list(policies),
        **more,
    }


def authorization(**lists: Any) -> AccountAuthorization:
    """An account with role Anchor, so that it has an account id, and what else is given."""
    lists["roles"] = [role("Anchor"), *lists.get("roles", ())]
    return parse_authorization_details([page(**lists)])


def snapshot(held: AccountAuthorization | None = None, **fields: Any) -> AuthorizationSnapshot:
    known: dict[str, Any] = {
        "account": ACCOUNT,
        "taken": NOW,
        "authorization": held if held is not None else authorization(),
        "read": ("authorization",),
    }
    return AuthorizationSnapshot(**{**known, **fields})


def policy(kind: PolicyKind, written: Any, *, name: str = "", on: str | None = None) -> Policy:
    return parse_policy(written, source=PolicySource(kind=kind, name=name, arn=on))
