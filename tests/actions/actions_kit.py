"""What the tests of the actions share: a world of given answers, the emulator as a world, and plans carried out in it.

    world = FakeWorld().answer("iam:GetUser", {"User": {...}}, UserName="john")
    planned = DisableUser(user="john").plan(world, Guard())

Scenarios are in ``actions_scenarios_*.py`` beside this file: one function for each action, named as the action. It sets
a target up with an administrator's session, so that every ``Need`` of the action without a ``when`` is needed, and
gives the action.
"""

import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trailwarden.action import Action, Need
from trailwarden.aws.broker import AwsSession, CallSettings
from trailwarden.aws.change import Change
from trailwarden.aws.facts import AccountFacts
from trailwarden.demo.emulator import Emulator
from trailwarden.errors import NotFound, TrailwardenError
from trailwarden.model.authorization import AuthorizationSnapshot
from trailwarden.model.policy import parse_authorization_details
from trailwarden.model.proposal import Call, Plan

ACCOUNT, OTHER_ACCOUNT = "111111111111", "222222222222"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
REGION = "us-east-1"
ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"
NO_RETRY = Config(retries={"total_max_attempts": 1, "mode": "standard"})
#: An action's target, set up by an administrator, and the action that is to be done to it.
Scenario = Callable[[boto3.Session], Action]


class FakeWorld:
    """A world that answers what it was told to, and fails on any other question; ``asked`` are the questions, and
    ``listed`` those that were asked for all pages."""

    def __init__(self, *, partition: str = "aws", snapshot: AuthorizationSnapshot | None = None) -> None:
        self.account = ACCOUNT
        self.partition = partition
        self.regions: Sequence[str] = (REGION, "eu-central-1")
        self.now = NOW
        self.snapshot = snapshot
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.listed: list[str] = []
        self._answers: list[tuple[str, str | None, dict[str, Any], Any]] = []

    def answer(
        self, api: str, result: Mapping[str, Any] | TrailwardenError, *, region: str | None = None, **params: Any
    ) -> Self:
        """Answer (or refuse) every question with these parameters, whatever others it has; the latest answer holds."""
        self._answers.append((api, region, params, result))
        return self

    def call(self, api: str, region: str | None = None, **params: Any) -> Mapping[str, Any]:
        self.asked.append((api, params))
        for known, where, wanted, result in reversed(self._answers):
            if known == api and where in (None, region) and wanted.items() <= params.items():
                if isinstance(result, TrailwardenError):
                    raise result
                return dict(result)
        raise AssertionError(f"this world has no answer to {api} {params} in {region or 'its home'}")

    def items(self, api: str, key: str, region: str | None = None, **params: Any) -> Iterator[Any]:
        self.listed.append(api)
        yield from self.call(api, region, **params)[key]

    def authorization(self) -> AuthorizationSnapshot | None:
        return self.snapshot


@lru_cache(maxsize=256)
def client(session: boto3.Session, service: str, region: str | None = None) -> Any:
    """A client that asks once."""
    return session.client(service, region_name=region, config=NO_RETRY)


@lru_cache(maxsize=256)
def aws_session(session: boto3.Session, account: str = ACCOUNT) -> AwsSession:
    """A session as the broker would give it, which asks once."""
    return AwsSession(session, account=account, default_region=REGION, settings=CallSettings(attempts=1))


class LiveWorld(AccountFacts):
    """The emulator as a world, through a session's permissions. ``snapshot``: what ``authorization`` gives."""

    def __init__(
        self,
        session: boto3.Session,
        *,
        account: str = ACCOUNT,
        regions: Sequence[str] = (REGION,),
        snapshot: AuthorizationSnapshot | None = None,
    ) -> None:
        self.session = session
        super().__init__(
            aws_session(session, account),
            account=account,
            partition="aws",
            regions=regions,
            now=NOW,
            snapshot=lambda: snapshot,
        )


def snapshot_of(admin: boto3.Session, account: str = ACCOUNT) -> AuthorizationSnapshot:
    """The account's IAM, as it is now."""
    pages = client(admin, "iam").get_paginator("get_account_authorization_details").paginate()
    return AuthorizationSnapshot(
        account=account, taken=NOW, authorization=parse_authorization_details(pages), read=("authorization",)
    )


def do(session: boto3.Session, call: Call, *, account: str = ACCOUNT) -> str | None:
    """Make one call of a plan, as an approved one is made; gives AWS's request id."""
    return Change(aws_session(session, account), now=lambda: datetime.now(UTC)).do(call)


def carry_out(session: boto3.Session, plan: Plan) -> None:
    """Make all calls of a plan, in order."""
    for step in plan.steps:
        do(session, step.call)


def undo(session: boto3.Session, plan: Plan) -> None:
    """Make the calls that reverse the steps, the last step's first."""
    for step in reversed(plan.steps):
        if step.undo is not None:
            do(session, step.undo)


def policy_of(needs: Iterable[Need], *, account: str = ACCOUNT, partition: str = "aws") -> str:
    """The policy that allows exactly these."""
    statements: list[dict[str, Any]] = []
    for need in needs:
        resources = [each.format(partition=partition, account=account) for each in need.resources]
        statement: dict[str, Any] = {"Effect": "Allow", "Action": need.action, "Resource": resources}
        if need.condition:
            statement["Condition"] = {
                operator: {
                    key: [value.format(partition=partition, account=account) for value in values]
                    for key, values in block.items()
                }
                for operator, block in need.condition.items()
            }
        statements.append(statement)
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def session_with(
    emulator: Emulator, admin: boto3.Session, needs: Iterable[Need], *, name: str = "responder", account: str = ACCOUNT
) -> boto3.Session:
    """The session of a new user who may do exactly what is needed."""
    iam = client(admin, "iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="needs", PolicyDocument=policy_of(needs, account=account))
    return emulator.session(account, user=name)


def scenarios() -> dict[str, Scenario]:
    """Every scenario, by the name of its action."""
    found: dict[str, Scenario] = {}
    for file in sorted(Path(__file__).parent.glob("actions_scenarios_*.py")):
        module = importlib.import_module(file.stem)
        found |= {name: value for name, value in vars(module).items() if callable(value) and _of(value, module)}
    return found


def _of(value: Any, module: Any) -> bool:
    """Whether a function is a scenario of this file: its own, and public."""
    return getattr(value, "__module__", "") == module.__name__ and not value.__name__.startswith("_")


# --- a user with everything -----------------------------------------------------------------------------------------

HARDWARE_MFA = "GAHT12345678"
SECURITY_KEY = f"arn:aws:iam::{ACCOUNT}:u2f/user/john/desk-EXAMPLE"
VIRTUAL_MFA = f"arn:aws:iam::{ACCOUNT}:mfa/john"
SSH_KEY = "ssh-rsa AAAAB3NzaC1yc2EAAA john"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def make_john(admin: boto3.Session) -> str:
    """The user john with two access keys, a password, a virtual and a hardware MFA device and a security key, an SSH
    key, a signing certificate, a service-specific credential, inline and attached policies, two groups, tags and a
    boundary; gives the ARN."""
    iam = client(admin, "iam")
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/staff"
    iam.create_policy(PolicyName="staff", PolicyDocument=document("s3:*", "sts:*"))
    john = {"UserName": "john"}
    arn: str = iam.create_user(
        **john, Path="/staff/", PermissionsBoundary=boundary, Tags=[{"Key": "team", "Value": "sales"}]
    )["User"]["Arn"]
    for _ in range(2):
        iam.create_access_key(**john)
    iam.create_login_profile(**john, Password="example-password")
    iam.create_virtual_mfa_device(VirtualMFADeviceName="john")
    for serial in (VIRTUAL_MFA, HARDWARE_MFA, SECURITY_KEY):
        iam.enable_mfa_device(**john, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321")
    iam.upload_ssh_public_key(**john, SSHPublicKeyBody=SSH_KEY)
    iam.upload_signing_certificate(**john, CertificateBody=certificate("john"))
    iam.create_service_specific_credential(**john, ServiceName="codecommit.amazonaws.com")
    for name in ("reports", "buckets"):
        iam.put_user_policy(**john, PolicyName=name, PolicyDocument=document("s3:ListAllMyBuckets"))
    for policy in (ADMINISTRATOR_ACCESS, READ_ONLY):
        iam.attach_user_policy(**john, PolicyArn=policy)
    for group in ("sales", "everybody"):
        iam.create_group(GroupName=group)
        iam.add_user_to_group(**john, GroupName=group)
    return arn


def world_of_john(
    *,
    arn: str = f"arn:aws:iam::{ACCOUNT}:user/john",
    access_keys: Mapping[str, str] | None = None,
    services: Mapping[str, str] | None = None,
    ssh_keys: Mapping[str, str] | None = None,
    certificates: Mapping[str, str] | None = None,
    password: str | None = None,
    mfa: Iterable[str] = (),
    attached: Iterable[str] = (),
    groups: Iterable[str] = (),
    inline: Mapping[str, Any] | None = None,
    snapshot: AuthorizationSnapshot | None = None,
    **user: Any,
) -> FakeWorld:
    """A world with one user: credentials as id → status, ``password`` the time at which it was set, ``inline`` policies
    as name → document; what else GetUser says goes in ``user``."""
    iam = f"arn:aws:iam::{ACCOUNT}"
    held = {"UserName": "john", "UserId": "AIDAJOHNEXAMPLE", "Arn": arn, "Path": "/", "CreateDate": NOW, **user}

    def entries(name: str, statuses: Mapping[str, str] | None) -> list[dict[str, Any]]:
        return [{"UserName": "john", name: key, "Status": status} for key, status in (statuses or {}).items()]

    world = FakeWorld(snapshot=snapshot)
    answers: dict[str, dict[str, Any]] = {
        "iam:GetUser": {"User": held},
        "iam:ListAccessKeys": {"AccessKeyMetadata": entries("AccessKeyId", access_keys)},
        "iam:ListSigningCertificates": {"Certificates": entries("CertificateId", certificates)},
        "iam:ListSSHPublicKeys": {"SSHPublicKeys": entries("SSHPublicKeyId", ssh_keys)},
        "iam:ListServiceSpecificCredentials": {
            "ServiceSpecificCredentials": entries("ServiceSpecificCredentialId", services)
        },
        "iam:ListMFADevices": {"MFADevices": [{"UserName": "john", "SerialNumber": serial} for serial in mfa]},
        "iam:ListAttachedUserPolicies": {
            "AttachedPolicies": [{"PolicyName": each.rpartition("/")[2], "PolicyArn": each} for each in attached]
        },
        "iam:ListGroupsForUser": {
            "Groups": [{"GroupName": each, "GroupId": f"AGPA{each}", "Arn": f"{iam}:group/{each}"} for each in groups]
        },
        "iam:ListUserPolicies": {"PolicyNames": list(inline or {})},
    }
    for api, answer in answers.items():
        world.answer(api, answer, UserName="john")
    if password is None:
        world.answer("iam:GetLoginProfile", NotFound("Login Profile for User john cannot be found."))
    else:
        world.answer("iam:GetLoginProfile", {"LoginProfile": {"UserName": "john", "CreateDate": password}})
    for key in access_keys or {}:
        world.answer("sts:GetAccessKeyInfo", {"Account": ACCOUNT}, AccessKeyId=key)
        used = {"ServiceName": "N/A", "Region": "N/A"}
        world.answer("iam:GetAccessKeyLastUsed", {"UserName": "john", "AccessKeyLastUsed": used}, AccessKeyId=key)
    for name, policy in (inline or {}).items():
        world.answer("iam:GetUserPolicy", {"PolicyName": name, "PolicyDocument": policy}, PolicyName=name)
    for key in ssh_keys or {}:
        world.answer("iam:GetSSHPublicKey", {"SSHPublicKey": {"SSHPublicKeyBody": SSH_KEY}}, SSHPublicKeyId=key)
    return world


def document(*actions: str, **more: Any) -> str:
    """A policy that allows these actions on everything."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: str) -> str:
    """A trust policy that lets one principal assume the role."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def certificate(name: str) -> str:
    """A self-signed X.509 certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    built = x509.CertificateBuilder(subject, subject, key.public_key(), 1, start, start + timedelta(days=365))
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
