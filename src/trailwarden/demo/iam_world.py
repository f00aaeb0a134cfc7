"""The IAM of the simulated organisation, which an analysis of IAM is measured by.

``PLANTED`` lists what it must find and what it must not. ``authorization_file`` shows an account as IAM would, and
``world_snapshot`` as reading it from AWS would, without an emulator. No planted principal occurs in the records.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..model.arn import Arn
from ..model.authorization import (
    AccessKeyUse,
    AuthorizationSnapshot,
    Levels,
    OrganizationPolicies,
    ResourcePolicyDocument,
)
from ..model.policy import PolicyKind, PolicySource, parse_authorization_details, parse_policy
from .iam_planted import PLANTED, Planted
from .iam_principals import (
    ARNS,
    DEVELOPMENT,
    MANAGEMENT,
    PRODUCTION,
    PROTECT_TRAIL,
    REGION,
    IamWorld,
    OrganizationPolicy,
    WorldGroup,
    WorldRole,
    WorldUser,
    iam_world,
)
from .iam_synthetic import aws_managed_policy, synthetic_account
from .ids import principal_id
from .people import IamUser
from .roles import Role, allow, policy
from .scenario import Scenario, build_scenario

__all__ = [
    "ANCHOR",
    "DEVELOPMENT",
    "MANAGEMENT",
    "PLANTED",
    "PRODUCTION",
    "IamWorld",
    "Planted",
    "authorization_file",
    "iam_world",
    "synthetic_account",
    "world_snapshot",
]

#: The present of ``authorization_file``, unless another is given.
ANCHOR = datetime(2026, 11, 24, 4, 10, tzinfo=UTC)
SEED = 7


def authorization_file(account: str, *, anchor: datetime = ANCHOR, seed: int = SEED) -> dict[str, Any]:
    """What ``aws iam get-account-authorization-details`` prints of an account of the organisation at ``anchor``.

    It holds the scenario's roles, IAM users and groups, and all of this module; not what the story's intruder and the
    installation have left. Last uses of the scenario's roles are as of ``anchor``.

    Raises:
        ValueError: not an account of the organisation.
    """
    scenario = build_scenario(anchor=anchor, seed=seed)
    if account not in {each.id for each in scenario.accounts}:
        raise ValueError(f"the organisation has no account {account}")
    return _Details(scenario, account).document()


def world_snapshot(account: str, *, anchor: datetime = ANCHOR, seed: int = SEED) -> AuthorizationSnapshot:
    """An account as reading it from AWS gives it, without AWS: IAM, organisation, resources, keys; no last accesses.

    Ids of the organisation's root and units are invented; of resources and keys, those of this module are there.

    Raises:
        ValueError: not an account of the organisation.
    """
    authorization = parse_authorization_details([authorization_file(account, anchor=anchor, seed=seed)])
    scenario = build_scenario(anchor=anchor, seed=seed)
    world = iam_world(seed, scenario.organization_id)
    resources = [
        ResourcePolicyDocument(
            arn=each.arn,
            service=each.service,
            account=account,
            policy=parse_policy(
                each.policy,
                source=PolicySource(kind="resource", name=Arn.parse(each.arn).name, arn=each.arn, holder=each.arn),
            ),
            restricts_public=each.sealed if each.service == "s3" else None,
        )
        for each in world.resources
        if each.account_id == account
    ]

    def ago(days: int | None) -> datetime | None:
        return scenario.anchor - timedelta(days=days) if days is not None else None

    keys = {
        user.arn: tuple(
            AccessKeyUse(
                number=number,
                active=key.active,
                rotated=ago(key.age) if key.active else None,
                last_used=ago(key.idle),
                last_service="s3" if key.idle is not None else None,
                last_region=REGION if key.idle is not None else None,
            )
            for number, key in enumerate(user.keys, 1)
        )
        for user in world.users
        if user.account_id == account
    }
    return AuthorizationSnapshot(
        account=account,
        taken=scenario.anchor,
        authorization=authorization,
        organization=_organization_of(scenario, account, world.organization),
        resource_policies=tuple(sorted(resources, key=lambda each: each.arn)),
        access_keys=keys,
        keys_taken=scenario.anchor,
        read=("authorization", "organization", "access_keys", *(f"resource_policies.{each}" for each in ARNS)),
    )


def _organization_of(scenario: Scenario, account: str, policies: Iterable[OrganizationPolicy]) -> OrganizationPolicies:
    unit = next(each.unit for each in scenario.accounts if each.id == account)
    path = ("r-acme", *((f"ou-acme-{unit.lower()}",) if unit else ()), account)
    attached = {
        "SERVICE_CONTROL_POLICY": {target: [("FullAWSAccess", policy(allow("*")))] for target in path},
        "RESOURCE_CONTROL_POLICY": {
            target: [("RCPFullAWSAccess", policy(allow("*", Principal="*")))] for target in path
        },
    }
    attached["SERVICE_CONTROL_POLICY"]["r-acme"].append(("ProtectTrail", PROTECT_TRAIL))
    for each in policies:
        target = f"ou-acme-{each.target.lower()}" if each.target == unit else each.target
        if target in path:
            attached[each.type][target].append((each.name, each.document))

    def levels(kind: PolicyKind, type_: str) -> Levels:
        return tuple(
            tuple(
                parse_policy(document, source=PolicySource(kind=kind, name=name, holder=target))
                for name, document in attached[type_][target]
            )
            for target in path
        )

    return OrganizationPolicies(
        id=scenario.organization_id,
        management_account=MANAGEMENT,
        account=account,
        path=path,
        scps=levels("scp", "SERVICE_CONTROL_POLICY"),
        rcps=levels("rcp", "RESOURCE_CONTROL_POLICY"),
    )


class _Details:
    """The answer of GetAccountAuthorizationDetails for one account."""

    def __init__(self, scenario: Scenario, account: str) -> None:
        self._scenario = scenario
        self._account = account
        self._world = iam_world(scenario.seed, scenario.organization_id)
        self._customer = {each.arn: each for each in self._world.policies if each.account_id == account}
        self._used: dict[str, int] = {}
        self._bounding: dict[str, int] = {}

    def document(self) -> dict[str, Any]:
        """All four lists."""
        from .organisation import developer_groups  # noqa: PLC0415 - builds on this module

        own = [role for role in self._world.roles if role.account_id == self._account]
        story = [role for role in self._scenario.roles if role.account_id == self._account]
        roles = [*(self._role(_as_world(role)) for role in story), *(self._role(role) for role in own)]
        users = [
            *(self._user(_as_user(user)) for user in self._scenario.iam_users if user.account_id == self._account),
            *(self._user(user) for user in self._world.users if user.account_id == self._account),
        ]
        groups = [each for each in self._world.groups if each.account_id == self._account]
        if self._account != MANAGEMENT:
            groups += [
                WorldGroup(
                    name=name,
                    account_id=self._account,
                    id=principal_id("AGPA", self._scenario.seed, self._account, name),
                    managed=(managed,) if managed else (),
                    inline={f"{name}-access": inline} if inline else {},
                )
                for name, (managed, inline) in developer_groups(self._scenario).items()
            ]
        shown_groups = [self._group(group) for group in groups]
        policies = [self._policy(arn) for arn in sorted({*self._used, *self._bounding, *self._customer})]
        return {
            "UserDetailList": users,
            "GroupDetailList": shown_groups,
            "RoleDetailList": roles,
            "Policies": policies,
        }

    def _role(self, role: WorldRole) -> dict[str, Any]:
        profiles = []
        if role.instance_profile:
            profiles.append(
                {
                    "Path": "/",
                    "InstanceProfileName": role.name,
                    "InstanceProfileId": principal_id("AIPA", self._scenario.seed, role.account_id, role.name),
                    "Arn": f"arn:aws:iam::{role.account_id}:instance-profile/{role.name}",
                    "CreateDate": self._ago(role.age),
                    "Roles": [],
                }
            )
        used = {"LastUsedDate": self._ago(role.idle), "Region": REGION} if role.idle is not None else {}
        return {
            "Path": role.path,
            "RoleName": role.name,
            "RoleId": role.id,
            "Arn": role.arn,
            "CreateDate": self._ago(role.age),
            "AssumeRolePolicyDocument": json.loads(role.trust),
            "InstanceProfileList": profiles,
            "RolePolicyList": _inline(role.inline),
            "AttachedManagedPolicies": self._attached(role.managed),
            "Tags": _tags(role.tags),
            "RoleLastUsed": used,
            **self._boundary(role.boundary),
        }

    def _user(self, user: WorldUser) -> dict[str, Any]:
        return {
            "Path": "/",
            "UserName": user.name,
            "UserId": user.id,
            "Arn": user.arn,
            "CreateDate": self._ago(user.age),
            "UserPolicyList": _inline(user.inline),
            "GroupList": list(user.groups),
            "AttachedManagedPolicies": self._attached(user.managed),
            "Tags": _tags(user.tags),
            **self._boundary(user.boundary),
        }

    def _group(self, group: WorldGroup) -> dict[str, Any]:
        return {
            "Path": "/",
            "GroupName": group.name,
            "GroupId": group.id,
            "Arn": group.arn,
            "CreateDate": self._ago(480),
            "GroupPolicyList": _inline(group.inline),
            "AttachedManagedPolicies": self._attached(group.managed),
        }

    def _policy(self, arn: str) -> dict[str, Any]:
        counts = {
            "AttachmentCount": self._used.get(arn, 0),
            "PermissionsBoundaryUsageCount": self._bounding.get(arn, 0),
            "IsAttachable": True,
        }
        customer = self._customer.get(arn)
        if customer is None:
            return {**aws_managed_policy(arn), **counts}
        versions = [
            {
                "Document": json.loads(document),
                "VersionId": f"v{number}",
                "IsDefaultVersion": number == len(customer.documents),
                "CreateDate": self._ago(customer.age),
            }
            for number, document in enumerate(customer.documents, 1)
        ]
        return {
            "PolicyName": customer.name,
            "PolicyId": customer.id,
            "Arn": arn,
            "Path": "/",
            "DefaultVersionId": f"v{len(versions)}",
            **counts,
            "CreateDate": self._ago(customer.age),
            "UpdateDate": self._ago(customer.age),
            "PolicyVersionList": versions,
        }

    def _attached(self, arns: Iterable[str]) -> list[dict[str, str]]:
        listed = list(arns)
        for arn in listed:
            self._used[arn] = self._used.get(arn, 0) + 1
        return [{"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn} for arn in listed]

    def _boundary(self, arn: str | None) -> dict[str, Any]:
        if arn is None:
            return {}
        self._bounding[arn] = self._bounding.get(arn, 0) + 1
        return {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}}

    def _ago(self, days: int) -> str:
        return (self._scenario.anchor - timedelta(days=days)).isoformat()


def _as_world(role: Role) -> WorldRole:
    """A role of the scenario, used yesterday if it is used at all."""
    idle = None if role.name in {"AdminRole", "TrailwardenReadOnly"} else 1
    fields = {name: getattr(role, name) for name in Role.__struct_fields__}
    return WorldRole(**fields, idle=idle)


def _as_user(user: IamUser) -> WorldUser:
    return WorldUser(
        name=user.name,
        account_id=user.account_id,
        id=user.id,
        managed=user.policies,
        groups=user.groups,
        tags={"email": user.owner} if user.owner else {"purpose": "automation"},
    )


def _inline(policies: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"PolicyName": name, "PolicyDocument": json.loads(document)} for name, document in policies.items()]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
