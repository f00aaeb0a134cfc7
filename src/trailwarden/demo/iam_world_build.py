"""The IAM world in the emulator, built through AWS's own API; ids and times are then set in the emulator's model."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .iam_principals import (
    NAME_SUFFIX,
    IamWorld,
    OrganizationPolicy,
    WorldPolicy,
    WorldResource,
    WorldRole,
    WorldUser,
    iam_world,
)
from .scenario import Scenario

if TYPE_CHECKING:
    from .emulator import Emulator

_PARTITION = "aws"


def build_iam_world(scenario: Scenario, emulator: "Emulator") -> None:
    """Create the principals, policies and resources of ``iam_world`` in an emulator that has the organisation."""
    world = iam_world(scenario.seed, scenario.organization_id)
    for account in scenario.accounts:
        _Builder(world, account.id, emulator, scenario.anchor).build()
    _organization(scenario, emulator, world.organization)


class _Builder:
    """One account's part."""

    def __init__(self, world: IamWorld, account: str, emulator: "Emulator", now: datetime) -> None:
        from moto.iam.models import iam_backends  # noqa: PLC0415

        self._world = world
        self._account = account
        self._emulator = emulator
        self._now = now
        self._iam = emulator.session(account).client("iam")
        self._model: Any = iam_backends[account][_PARTITION]

    def build(self) -> None:
        """What policies name must be there before they do."""
        for policy in self._mine(self._world.policies):
            self._policy(policy)
        for group in self._mine(self._world.groups):
            self._iam.create_group(GroupName=group.name)
            for name, document in group.inline.items():
                self._iam.put_group_policy(GroupName=group.name, PolicyName=name, PolicyDocument=document)
            for arn in group.managed:
                self._iam.attach_group_policy(GroupName=group.name, PolicyArn=arn)
            self._model.groups[group.name].id = group.id
        for role in self._mine(self._world.roles):
            self._role(role)
        for user in self._mine(self._world.users):
            self._user(user)
        for resource in self._mine(self._world.resources):
            _RESOURCES[resource.service](self._emulator, resource)

    def _mine(self, items: tuple[Any, ...]) -> list[Any]:
        return [item for item in items if item.account_id == self._account]

    def _ago(self, days: int) -> datetime:
        return self._now - timedelta(days=days)

    def _policy(self, policy: WorldPolicy) -> None:
        self._iam.create_policy(PolicyName=policy.name, PolicyDocument=policy.documents[0])
        for document in policy.documents[1:]:
            self._iam.create_policy_version(PolicyArn=policy.arn, PolicyDocument=document, SetAsDefault=True)
        held = self._model.managed_policies[policy.arn]
        held.id, held.create_date, held.update_date = policy.id, self._ago(policy.age), self._ago(policy.age)

    def _role(self, role: WorldRole) -> None:
        bounded = {"PermissionsBoundary": role.boundary} if role.boundary else {}
        tags = [{"Key": key, "Value": value} for key, value in role.tags.items()]
        if all(held.name != role.name for held in self._model.roles.values()):  # one comes with a member account
            self._iam.create_role(
                RoleName=role.name, Path=role.path, AssumeRolePolicyDocument=role.trust, Tags=tags, **bounded
            )
        for name, document in role.inline.items():
            self._iam.put_role_policy(RoleName=role.name, PolicyName=name, PolicyDocument=document)
        for arn in role.managed:
            self._iam.attach_role_policy(RoleName=role.name, PolicyArn=arn)
        if role.instance_profile:
            self._iam.create_instance_profile(InstanceProfileName=role.name)
            self._iam.add_role_to_instance_profile(InstanceProfileName=role.name, RoleName=role.name)
        drawn = next(key for key, held in self._model.roles.items() if held.name == role.name)
        held = self._model.roles.pop(drawn)
        held.id, held.create_date = role.id, self._ago(role.age)
        if role.idle is not None:
            held.last_used, held.last_used_region = self._ago(role.idle), "eu-central-1"
        self._model.roles[role.id] = held

    def _user(self, user: WorldUser) -> None:
        from moto.iam.models import AccessKeyLastUsed  # noqa: PLC0415

        tags = [{"Key": key, "Value": value} for key, value in user.tags.items()]
        self._iam.create_user(UserName=user.name, Tags=tags)
        held = self._model.users[user.name]
        held.id, held.create_date = user.id, self._ago(user.age)
        for name, document in user.inline.items():
            self._iam.put_user_policy(UserName=user.name, PolicyName=name, PolicyDocument=document)
        for arn in user.managed:
            self._iam.attach_user_policy(UserName=user.name, PolicyArn=arn)
        for group in user.groups:
            self._iam.add_user_to_group(GroupName=group, UserName=user.name)
        if user.boundary:
            self._iam.put_user_permissions_boundary(UserName=user.name, PermissionsBoundary=user.boundary)
        for key in user.keys:
            drawn = self._iam.create_access_key(UserName=user.name)["AccessKey"]["AccessKeyId"]
            made = self._model.access_keys.pop(drawn)
            made.access_key_id, made.create_date = key.id, self._ago(key.age)
            made.status = "Active" if key.active else "Inactive"
            used = AccessKeyLastUsed(self._ago(key.idle), "s3", "eu-central-1") if key.idle is not None else None
            made.last_used = used
            self._model.access_keys[key.id] = made


def _organization(scenario: Scenario, emulator: "Emulator", policies: tuple[OrganizationPolicy, ...]) -> None:
    client = emulator.session(scenario.management.id).client("organizations")
    root = client.list_roots()["Roots"][0]["Id"]
    for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        client.enable_policy_type(RootId=root, PolicyType=kind)
    units = client.list_organizational_units_for_parent(ParentId=root)["OrganizationalUnits"]
    by_name = {unit["Name"]: unit["Id"] for unit in units}
    for policy in policies:
        made = client.create_policy(
            Name=policy.name, Description=policy.name, Type=policy.type, Content=policy.document
        )
        target = by_name.get(policy.target, policy.target)
        client.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=target)


def _client(emulator: "Emulator", resource: WorldResource) -> Any:
    return emulator.session(resource.account_id, region=resource.region).client(resource.service)


def _bucket(emulator: "Emulator", resource: WorldResource) -> None:
    client = _client(emulator, resource)
    client.create_bucket(Bucket=resource.name, CreateBucketConfiguration={"LocationConstraint": resource.region})
    client.put_bucket_policy(Bucket=resource.name, Policy=resource.policy)
    if resource.sealed:
        settings = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        client.put_public_access_block(
            Bucket=resource.name, PublicAccessBlockConfiguration=dict.fromkeys(settings, True)
        )


def _key(emulator: "Emulator", resource: WorldResource) -> None:
    from moto.kms import models  # noqa: PLC0415

    drawn = models.generate_key_id
    models.generate_key_id = lambda *_: resource.name
    try:
        _client(emulator, resource).create_key(Policy=resource.policy)
    finally:
        models.generate_key_id = drawn


def _function(emulator: "Emulator", resource: WorldResource) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "def handle(event, context):\n    return {'statusCode': 204}\n")
    client = _client(emulator, resource)
    client.create_function(
        FunctionName=resource.name,
        Runtime="python3.13",
        Role=f"arn:aws:iam::{resource.account_id}:role/service-role/{resource.name}",
        Handler="handler.handle",
        Code={"ZipFile": code.getvalue()},
    )
    client.add_permission(
        FunctionName=resource.name, StatementId="public", Action="lambda:InvokeFunction", Principal="*"
    )


def _queue(emulator: "Emulator", resource: WorldResource) -> None:
    _client(emulator, resource).create_queue(QueueName=resource.name, Attributes={"Policy": resource.policy})


def _topic(emulator: "Emulator", resource: WorldResource) -> None:
    _client(emulator, resource).create_topic(Name=resource.name, Attributes={"Policy": resource.policy})


def _secret(emulator: "Emulator", resource: WorldResource) -> None:
    from moto.secretsmanager.models import secretsmanager_backends  # noqa: PLC0415

    client = _client(emulator, resource)
    client.create_secret(Name=resource.name, SecretString="simulated")
    client.put_resource_policy(SecretId=resource.name, ResourcePolicy=resource.policy)
    held = secretsmanager_backends[resource.account_id][resource.region].secrets[resource.name]
    held.arn = held.arn[: -len(NAME_SUFFIX)] + NAME_SUFFIX


_RESOURCES: dict[str, Callable[["Emulator", WorldResource], None]] = {
    "kms": _key,
    "lambda": _function,
    "s3": _bucket,
    "secretsmanager": _secret,
    "sns": _topic,
    "sqs": _queue,
}
