"""Large invented accounts, for measuring what an analysis of IAM costs; and AWS's own policies, as IAM shows them."""

import json
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from .ids import principal_id
from .roles import AWS_POLICY, allow, policy, trust

_ACCOUNT = "123456789012"
_MADE, _USED = "2025-03-04T09:12:31+00:00", "2026-11-20T07:44:02+00:00"
_TEAMS = (
    "billing",
    "catalog",
    "checkout",
    "data",
    "edge",
    "fraud",
    "identity",
    "mobile",
    "orders",
    "platform",
    "search",
)
_REGIONS = ("us-east-1", "eu-central-1", "eu-west-1")
#: What AWS's own policies grant, as far as a synthetic account attaches them.
_LAMBDA_BASICS = "service-role/AWSLambdaBasicExecutionRole"
_PEOPLE = ("ReadOnlyAccess", "SecurityAudit", "PowerUserAccess", "job-function/ViewOnlyAccess", "AmazonEC2FullAccess")


@cache
def _aws_policies() -> dict[str, dict[str, Any]]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data  # noqa: PLC0415

    held: dict[str, dict[str, Any]] = json.loads(aws_managed_policies_data)
    return {f"{AWS_POLICY.removesuffix('/')}{data.get('Path') or '/'}{name}": data for name, data in held.items()}


def aws_managed_policy(arn: str) -> dict[str, Any]:
    """A managed policy of AWS, as GetAccountAuthorizationDetails lists it, but without how often it is attached.

    Raises:
        KeyError: there is none of this ARN.
    """
    data = _aws_policies()[arn]
    version, name = data["DefaultVersionId"], arn.rsplit("/", 1)[-1]
    return {
        "PolicyName": name,
        "PolicyId": principal_id("ANPA", 0, arn),
        "Arn": arn,
        "Path": data.get("Path") or "/",
        "DefaultVersionId": version,
        "CreateDate": data["CreateDate"],
        "UpdateDate": data["UpdateDate"],
        "PolicyVersionList": [
            {
                "Document": data["Document"],
                "VersionId": version,
                "IsDefaultVersion": True,
                "CreateDate": data["UpdateDate"],
            }
        ],
    }


def synthetic_account(principals: int, seed: int = 7) -> dict[str, Any]:
    """An account of so many roles and users (one in 25 is a user), as ``aws iam get-account-authorization-details``.

    Roles are those of functions, instances, containers, pipelines, people and vendors, of eleven teams, with their
    policies inline, attached and shared; few are administrators or can become one. The same arguments give the same
    account.
    """
    return _Account(principals, seed).document()


class _Account:
    def __init__(self, principals: int, seed: int) -> None:
        self._seed = seed
        self._count = principals
        self._random = Random(f"synthetic account {seed} {principals}")
        self._used: dict[str, int] = {}
        self._bounding: dict[str, int] = {}
        self._customer = self._customer_policies()

    def document(self) -> dict[str, Any]:
        users = [self._user(number) for number in range(self._count // 25)]
        roles = [self._role(number) for number in range(self._count - len(users))]
        groups = [self._group(team) for team in _TEAMS] if users else []
        used = {*self._used, *self._bounding}
        policies = [self._policy(arn) for arn in sorted(used | self._customer.keys())]
        return {"UserDetailList": users, "GroupDetailList": groups, "RoleDetailList": roles, "Policies": policies}

    def _customer_policies(self) -> dict[str, str]:
        """By ARN: some for each team, more of them in a large account."""
        made = {
            self._arn("policy", "developer-boundary"): policy(
                allow(["s3:*", "sqs:*", "sns:*", "dynamodb:*", "lambda:*", "logs:*", "cloudwatch:*", "ec2:Describe*"]),
                allow("iam:PassRole", self._arn("role", "${aws:PrincipalTag/team}-*")),
            ),
            self._arn("policy", "deny-leaving-regions"): policy(
                {
                    "Effect": "Deny",
                    "NotAction": ["iam:*", "sts:*", "cloudfront:*", "route53:*", "support:*"],
                    "Resource": "*",
                    "Condition": {"StringNotEquals": {"aws:RequestedRegion": list(_REGIONS)}},
                }
            ),
        }
        for number in range(2 * len(_TEAMS) + self._count // 20):
            team = _TEAMS[number % len(_TEAMS)]
            made[self._arn("policy", f"{team}-{number}")] = self._random.choice(_DOCUMENTS)(team, number)
        return made

    def _role(self, number: int) -> dict[str, Any]:
        team = self._random.choice(_TEAMS)
        trusted, suffix, managed, inline = self._random.choices(_ROLES, weights=_WEIGHTS)[0](self._random, team, number)
        name = f"{team}-{suffix}-{number}"
        attached = [AWS_POLICY + each for each in managed]
        attached += self._random.sample(sorted(self._customer), k=self._random.choice((0, 0, 1, 1, 2)))
        idle = self._random.random() < 0.15
        bounded = self._random.random() < 0.05
        return {
            "Path": "/",
            "RoleName": name,
            "RoleId": principal_id("AROA", self._seed, name),
            "Arn": self._arn("role", name),
            "CreateDate": _MADE,
            "AssumeRolePolicyDocument": json.loads(trusted),
            "InstanceProfileList": self._profile(name) if suffix == "instance" else [],
            "RolePolicyList": [
                {"PolicyName": title, "PolicyDocument": json.loads(document)} for title, document in inline.items()
            ],
            "AttachedManagedPolicies": self._attached(attached),
            "Tags": [{"Key": "team", "Value": team}],
            "RoleLastUsed": {} if idle else {"LastUsedDate": _USED, "Region": self._random.choice(_REGIONS)},
            **(self._bounded() if bounded else {}),
        }

    def _profile(self, name: str) -> list[dict[str, Any]]:
        return [
            {
                "Path": "/",
                "InstanceProfileName": name,
                "InstanceProfileId": principal_id("AIPA", self._seed, name),
                "Arn": self._arn("instance-profile", name),
                "CreateDate": _MADE,
                "Roles": [],
            }
        ]

    def _user(self, number: int) -> dict[str, Any]:
        team = self._random.choice(_TEAMS)
        name = f"{team}-user-{number}"
        managed = [] if self._random.random() < 0.9 else [AWS_POLICY + self._random.choice(_PEOPLE)]
        return {
            "Path": "/",
            "UserName": name,
            "UserId": principal_id("AIDA", self._seed, name),
            "Arn": self._arn("user", name),
            "CreateDate": _MADE,
            "UserPolicyList": [],
            "GroupList": [team],
            "AttachedManagedPolicies": self._attached(managed),
            "Tags": [],
        }

    def _group(self, team: str) -> dict[str, Any]:
        return {
            "Path": "/",
            "GroupName": team,
            "GroupId": principal_id("AGPA", self._seed, team),
            "Arn": self._arn("group", team),
            "CreateDate": _MADE,
            "GroupPolicyList": [
                {
                    "PolicyName": "assume",
                    "PolicyDocument": json.loads(
                        policy(allow("sts:AssumeRole", self._arn("role", f"{team}-people-*")))
                    ),
                }
            ],
            "AttachedManagedPolicies": self._attached([f"{AWS_POLICY}IAMUserChangePassword"]),
        }

    def _policy(self, arn: str) -> dict[str, Any]:
        counts = {
            "AttachmentCount": self._used.get(arn, 0),
            "PermissionsBoundaryUsageCount": self._bounding.get(arn, 0),
            "IsAttachable": True,
        }
        document = self._customer.get(arn)
        if document is None:
            return {**aws_managed_policy(arn), **counts}
        version = {
            "Document": json.loads(document),
            "VersionId": "v1",
            "IsDefaultVersion": True,
            "CreateDate": _MADE,
        }
        return {
            "PolicyName": arn.rsplit("/", 1)[-1],
            "PolicyId": principal_id("ANPA", self._seed, arn),
            "Arn": arn,
            "Path": "/",
            "DefaultVersionId": "v1",
            **counts,
            "CreateDate": _MADE,
            "UpdateDate": _MADE,
            "PolicyVersionList": [version],
        }

    def _attached(self, arns: list[str]) -> list[dict[str, str]]:
        for arn in arns:
            self._used[arn] = self._used.get(arn, 0) + 1
        return [{"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn} for arn in arns]

    def _bounded(self) -> dict[str, Any]:
        arn = self._arn("policy", "developer-boundary")
        self._bounding[arn] = self._bounding.get(arn, 0) + 1
        return {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}}

    @staticmethod
    def _arn(kind: str, name: str) -> str:
        return f"arn:aws:iam::{_ACCOUNT}:{kind}/{name}"


#: Trust policy, what the name ends in, AWS's policies, and inline policies by name.
_Made = tuple[str, str, tuple[str, ...], dict[str, str]]


def _service(name: str) -> str:
    return trust({"Service": f"{name}.amazonaws.com"})


def _function(random: Random, team: str, number: int) -> _Made:
    table = f"arn:aws:dynamodb:*:{_ACCOUNT}:table/{team}-*"
    documents = {
        "table": policy(allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], table)),
        "queue": policy(
            allow(
                ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                f"arn:aws:sqs:*:{_ACCOUNT}:{team}-*",
            )
        ),
        "bucket": policy(allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{team}-data-{number % 50}/*")),
        "secret": policy(
            allow("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:*:{_ACCOUNT}:secret:{team}/*"),
            allow("kms:Decrypt", "*", Condition={"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}),
        ),
    }
    chosen = random.sample(sorted(documents), k=random.randint(1, 3))
    return _service("lambda"), "function", (_LAMBDA_BASICS,), {name: documents[name] for name in chosen}


def _instance(random: Random, _team: str, _number: int) -> _Made:
    managed = (
        "AmazonSSMManagedInstanceCore",
        *random.sample(("CloudWatchAgentServerPolicy", "AmazonS3ReadOnlyAccess"), 1),
    )
    if random.random() < 0.03:
        managed = (*managed, "AdministratorAccess")
    return _service("ec2"), "instance", managed, {"tags": policy(allow(["ec2:DescribeTags", "ec2:DescribeInstances"]))}


def _container(_random: Random, team: str, number: int) -> _Made:
    inline = {
        "task": policy(
            allow(["s3:GetObject", "s3:ListBucket"], [f"arn:aws:s3:::{team}-*", f"arn:aws:s3:::{team}-*/*"]),
            allow(["kms:Decrypt", "kms:GenerateDataKey"], f"arn:aws:kms:eu-central-1:{_ACCOUNT}:key/{number:08x}-demo"),
            allow("xray:Put*"),
        )
    }
    return _service("ecs-tasks"), "task", (), inline


def _pipeline(_random: Random, team: str, _number: int) -> _Made:
    github = "token.actions.githubusercontent.com"
    trusted = trust(
        {"Federated": f"arn:aws:iam::{_ACCOUNT}:oidc-provider/{github}"},
        "sts:AssumeRoleWithWebIdentity",
        StringEquals={f"{github}:aud": "sts.amazonaws.com"},
        StringLike={f"{github}:sub": f"repo:company/{team}-*:ref:refs/heads/main"},
    )
    inline = {
        "deploy": policy(
            allow(
                ["cloudformation:*", "ecr:*", "ecs:UpdateService", "lambda:UpdateFunctionCode", "lambda:GetFunction"]
            ),
            allow(
                "iam:PassRole",
                f"arn:aws:iam::{_ACCOUNT}:role/{team}-task-*",
                Condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            ),
        ),
        "guard": policy({"Effect": "Deny", "Action": ["iam:Create*", "iam:Put*", "iam:Attach*"], "Resource": "*"}),
    }
    return trusted, "pipeline", (), inline


def _people(random: Random, team: str, _number: int) -> _Made:
    trusted = trust(
        {"AWS": f"arn:aws:iam::{_ACCOUNT}:root"},
        Bool={"aws:MultiFactorAuthPresent": "true"},
        StringEquals={"aws:PrincipalTag/team": team},
    )
    inline = {
        "work": policy(
            allow(["cloudwatch:*", "logs:*", "ec2:Describe*", "lambda:Get*", "lambda:List*"]),
            allow("sts:AssumeRole", f"arn:aws:iam::{_ACCOUNT}:role/{team}-people-*"),
            {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"},
        )
    }
    return trusted, "people", (random.choice(_PEOPLE),), inline


def _vendor(_random: Random, team: str, number: int) -> _Made:
    trusted = trust({"AWS": "arn:aws:iam::999999999999:root"}, StringEquals={"sts:ExternalId": f"{team}-{number:06d}"})
    return trusted, "vendor", ("SecurityAudit",), {}


def _risky(random: Random, team: str, _number: int) -> _Made:
    document = random.choice(
        (
            policy(allow(["iam:PassRole", "ec2:RunInstances"])),
            policy(allow(["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"])),
            policy(allow(["iam:PutRolePolicy", "iam:AttachRolePolicy"], f"arn:aws:iam::{_ACCOUNT}:role/{team}-*")),
            policy(allow("iam:CreateAccessKey", f"arn:aws:iam::{_ACCOUNT}:user/*")),
            policy({"Effect": "Allow", "NotAction": ["iam:*", "organizations:*"], "Resource": "*"}),
            policy(allow(["s3:GetObject", "secretsmanager:GetSecretValue"])),
        )
    )
    return _service("lambda"), "automation", (), {"automation": document}


_ROLES: tuple[Callable[[Random, str, int], _Made], ...] = (
    *(_function, _instance, _container, _pipeline, _people, _vendor, _risky),
)
_WEIGHTS = (40, 15, 18, 10, 12, 2, 3)


def _bucket_document(team: str, number: int) -> str:
    arn = f"arn:aws:s3:::{team}-{number}"
    return policy(
        allow("s3:ListBucket", arn, Condition={"StringLike": {"s3:prefix": ["${aws:PrincipalTag/team}/*"]}}),
        allow(["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], f"{arn}/*"),
    )


def _operator_document(team: str, _number: int) -> str:
    return policy(
        allow(["ec2:StartInstances", "ec2:StopInstances", "ec2:RebootInstances"], "*", Condition=_tagged(team)),
        allow(["ec2:Describe*", "autoscaling:Describe*", "elasticloadbalancing:Describe*"]),
    )


def _stream_document(team: str, number: int) -> str:
    return policy(
        allow(
            ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:DescribeStream", "kinesis:PutRecord*"],
            f"arn:aws:kinesis:*:{_ACCOUNT}:stream/{team}-{number}",
        ),
        allow("cloudwatch:PutMetricData", "*", Condition={"StringEquals": {"cloudwatch:namespace": team}}),
    )


def _tagged(team: str) -> dict[str, Any]:
    return {"StringEquals": {"aws:ResourceTag/team": team}}


_DOCUMENTS = (_bucket_document, _operator_document, _stream_document)
