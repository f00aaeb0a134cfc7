"""IAM principals, policies and resources of the simulated organisation beside those that work in its story."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import msgspec

from .ids import access_key_id, principal_id
from .roles import AWS_POLICY, Role, allow, policy, trust

MANAGEMENT, PRODUCTION, DEVELOPMENT = "111111111111", "222222222222", "333333333333"
#: Accounts outside the organisation: one that was once let in, a vendor with an External ID.
STRANGER, BACKUP_VENDOR = "555555555555", "666666666666"
REGION = "eu-central-1"
#: Key ids, and what AWS adds to a secret's name, would be drawn at random.
EXPORTS_KEY, PAYMENTS_KEY = "0f1e2d3c-4b5a-4697-8877-665544332211", "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d"
NAME_SUFFIX = "-dEmOxx"
#: ARNs of the resources, by service, with a place for the name.
ARNS = {
    "kms": f"arn:aws:kms:{REGION}:{PRODUCTION}:key/{{}}",
    "lambda": f"arn:aws:lambda:{REGION}:{PRODUCTION}:function:{{}}",
    "s3": "arn:aws:s3:::{}",
    "secretsmanager": f"arn:aws:secretsmanager:{REGION}:{PRODUCTION}:secret:{{}}{NAME_SUFFIX}",
    "sns": f"arn:aws:sns:{REGION}:{PRODUCTION}:{{}}",
    "sqs": f"arn:aws:sqs:{REGION}:{PRODUCTION}:{{}}",
}
_GITHUB = "token.actions.githubusercontent.com"


class WorldRole(Role, frozen=True, kw_only=True):
    """A role. ``age`` and ``idle`` are in days: since it was made, and since it was last used (None: never)."""

    boundary: str | None = None
    tags: Mapping[str, str] = {}
    age: int = 380
    idle: int | None = 1
    instance_profile: bool = False


class WorldKey(msgspec.Struct, frozen=True):
    """An access key; ``age`` and ``idle`` in days as for roles."""

    id: str
    age: int
    idle: int | None = None
    active: bool = True


class WorldUser(msgspec.Struct, frozen=True, kw_only=True):
    """An IAM user."""

    name: str
    account_id: str
    id: str
    managed: tuple[str, ...] = ()
    inline: Mapping[str, str] = {}
    groups: tuple[str, ...] = ()
    boundary: str | None = None
    tags: Mapping[str, str] = {}
    keys: tuple[WorldKey, ...] = ()
    age: int = 480

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:iam::{self.account_id}:user/{self.name}"


class WorldGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group of IAM users."""

    name: str
    account_id: str
    id: str
    managed: tuple[str, ...] = ()
    inline: Mapping[str, str] = {}

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:iam::{self.account_id}:group/{self.name}"


class WorldPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A customer managed policy: its versions from the first on, the last of which is the default."""

    name: str
    account_id: str
    id: str
    documents: tuple[str, ...]
    age: int = 380

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:iam::{self.account_id}:policy/{self.name}"


class WorldResource(msgspec.Struct, frozen=True, kw_only=True):
    """A resource with a policy. ``sealed`` buckets have all of Block Public Access switched on."""

    service: str
    name: str
    arn: str
    account_id: str
    region: str
    policy: str
    sealed: bool = False


class OrganizationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy of the organisation; ``target`` is an account id or the name of an organizational unit."""

    name: str
    type: Literal["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
    target: str
    document: str


class IamWorld(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, of all three accounts."""

    roles: tuple[WorldRole, ...]
    users: tuple[WorldUser, ...]
    groups: tuple[WorldGroup, ...]
    policies: tuple[WorldPolicy, ...]
    resources: tuple[WorldResource, ...]
    organization: tuple[OrganizationPolicy, ...]


def _role_arn(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def _policy_arn(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:policy/{name}"


def _deny(actions: str | list[str], resources: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {**allow(actions, resources, **more), "Effect": "Deny"}


def _service(name: str) -> str:
    return trust({"Service": f"{name}.amazonaws.com"})


def _roles_of(account: str, *names: str) -> str:
    return trust({"AWS": [_role_arn(account, name) for name in names]})


def _pipeline(account: str, **condition: Any) -> str:
    provider = f"arn:aws:iam::{account}:oidc-provider/{_GITHUB}"
    return trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", **condition)


#: Every verb that IAM's actions begin with, in two halves: neither is more than a help desk's or a pipeline's.
_IAM_FIRST_HALF = [
    *("iam:Accept*", "iam:Add*", "iam:Associate*", "iam:Attach*", "iam:Change*", "iam:Create*", "iam:Deactivate*"),
    *("iam:Delegate*", "iam:Delete*", "iam:Detach*", "iam:Disable*", "iam:Enable*", "iam:Generate*", "iam:Get*"),
]
_IAM_SECOND_HALF = [
    *("iam:List*", "iam:Pass*", "iam:Put*", "iam:Reject*", "iam:Remove*", "iam:Reset*", "iam:Resync*", "iam:Send*"),
    *("iam:Set*", "iam:Simulate*", "iam:Tag*", "iam:Untag*", "iam:Update*", "iam:Upload*"),
]


@cache
def iam_world(seed: int, organization_id: str) -> IamWorld:
    """The principals and policies; their ids follow from ``seed``."""
    return IamWorld(
        roles=(*_production_roles(seed), *_development_roles(seed, organization_id)),
        users=_users(seed),
        groups=_groups(seed),
        policies=_policies(seed),
        resources=_resources(),
        organization=_organization_policies(organization_id),
    )


def _role_maker(seed: int, account: str) -> Any:
    def role(name: str, trusted: str, *managed: str, **more: Any) -> WorldRole:
        known = {"path", "boundary", "tags", "age", "idle", "instance_profile"}
        fields = {key: value for key, value in more.items() if key in known}
        return WorldRole(
            name=name,
            account_id=account,
            id=principal_id("AROA", seed, account, name),
            trust=trusted,
            managed=tuple(each if each.startswith("arn:") else AWS_POLICY + each for each in managed),
            inline={key: value for key, value in more.items() if key not in known},
            **fields,
        )

    return role


def _account_access(role: Any) -> WorldRole:
    """The role that Organizations puts into each account that it creates."""
    made: WorldRole = role(
        "OrganizationAccountAccessRole",
        trust({"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}),
        age=900,
        idle=None,
        AdministratorAccess=policy(allow("*")),
    )
    return made


def _production_roles(seed: int) -> tuple[WorldRole, ...]:
    role = _role_maker(seed, PRODUCTION)
    own = f"arn:aws:iam::{PRODUCTION}:root"
    return (
        _account_access(role),
        role(
            "OperationsAdmin",
            trust({"AWS": own}, Bool={"aws:MultiFactorAuthPresent": "true"}),
            "AdministratorAccess",
            tags={"owner": "platform"},
        ),
        role(
            "IdentityAutomation",
            _service("lambda"),
            IdentityLifecycle=policy(allow(_IAM_FIRST_HALF)),
            IdentityUpkeep=policy(allow(_IAM_SECOND_HALF)),
        ),
        role("PolicyMaintainer", trust({"AWS": own}), _policy_arn(PRODUCTION, "TeamPermissions")),
        role(
            "ManagedPolicyEditor",
            trust({"AWS": own}),
            "ReadOnlyAccess",
            EditPolicies=policy(allow(["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"], f"{AWS_POLICY}*")),
        ),
        # The last two of a chain that begins in the development account
        role(
            "ReleaseGate",
            _roles_of(DEVELOPMENT, "ReleaseRelay"),
            Release=policy(allow("sts:AssumeRole", _role_arn(PRODUCTION, "ReleaseAdmin"))),
        ),
        role("ReleaseAdmin", _roles_of(PRODUCTION, "ReleaseGate"), "AdministratorAccess"),
        role(
            "VendorBackup",
            trust(
                {"AWS": f"arn:aws:iam::{BACKUP_VENDOR}:root"}, StringEquals={"sts:ExternalId": "acme-4f9c2d7e81b04a6c"}
            ),
            Snapshots=policy(allow(["ec2:CreateSnapshot", "ec2:DescribeVolumes", "ec2:DescribeSnapshots"])),
        ),
        role(
            "GitHubActionsRelease",
            _pipeline(
                PRODUCTION,
                StringEquals={
                    f"{_GITHUB}:aud": "sts.amazonaws.com",
                    f"{_GITHUB}:sub": "repo:company/release:environment:production",
                },
            ),
            Deploy=policy(allow(["ecs:UpdateService", "ecs:DescribeServices"])),
        ),
        role(
            "GitHubActionsAny",
            _pipeline(
                PRODUCTION,
                StringEquals={f"{_GITHUB}:aud": "sts.amazonaws.com"},
                StringLike={f"{_GITHUB}:sub": "repo:*"},
            ),
            Images=policy(allow(["ecr:GetAuthorizationToken", "ecr:PutImage"])),
        ),
        role("AnalyticsExport", _service("glue"), Export=policy(allow(["s3:GetObject", "s3:ListBucket"]))),
        role(
            "InvoiceExport",
            _service("glue"),
            Export=policy(allow(["s3:GetObject"], "arn:aws:s3:::acme-invoices/*")),
        ),
        role(
            "SecretsSync",
            _service("ecs-tasks"),
            Sync=policy(allow(["secretsmanager:GetSecretValue", "secretsmanager:ListSecrets"])),
        ),
        role("DeprecatedDashboard", _service("ec2"), _policy_arn(PRODUCTION, "DashboardViewer"), idle=60),
        role("OldMigration", _service("dms"), "AmazonS3ReadOnlyAccess", age=700, idle=310),
        role("PlannedFailover", trust({"AWS": own}), "AmazonRoute53FullAccess", age=520, idle=None),
        role("FreshExperiment", _service("lambda"), "AmazonSQSReadOnlyAccess", age=3, idle=None),
        role("webhook-receiver", _service("lambda"), "service-role/AWSLambdaBasicExecutionRole", path="/service-role/"),
    )


def _development_roles(seed: int, organization_id: str) -> tuple[WorldRole, ...]:
    role = _role_maker(seed, DEVELOPMENT)
    own = trust({"AWS": f"arn:aws:iam::{DEVELOPMENT}:root"})
    build_server = _role_arn(DEVELOPMENT, "BuildServerAdmin")
    function_admin = _role_arn(DEVELOPMENT, "FunctionAdmin")
    functions = ["lambda:CreateFunction", "lambda:InvokeFunction"]
    return (
        _account_access(role),
        role("BuildServerAdmin", _service("ec2"), "AdministratorAccess", instance_profile=True),
        role("FunctionAdmin", _service("lambda"), "AdministratorAccess"),
        role("BoundedAdmin", own, "AdministratorAccess", boundary=_policy_arn(DEVELOPMENT, "DeveloperBoundary")),
        role(
            "GuardedAdmin",
            own,
            "AdministratorAccess",
            Guard=policy(
                {"Effect": "Deny", "NotAction": ["s3:Get*", "s3:List*", "cloudwatch:*", "logs:*"], "Resource": "*"}
            ),
        ),
        role("LegacyAutomation", own, "AdministratorAccess", path="/legacy/", idle=200),
        role(
            "DeveloperCompute",
            own,
            Compute=policy(
                allow(["ec2:RunInstances", "ec2:Describe*", "ec2:CreateTags"]), allow("iam:PassRole", build_server)
            ),
        ),
        role(
            "SplitCompute",
            own,
            Compute=policy(allow("ec2:RunInstances")),
            Passing=policy(allow("iam:PassRole", f"arn:aws:iam::{DEVELOPMENT}:role/Build*")),
        ),
        role(
            "WebCompute",
            own,
            Compute=policy(allow("ec2:RunInstances"), allow("iam:PassRole", f"arn:aws:iam::{DEVELOPMENT}:role/web-*")),
        ),
        role(
            "DeniedCompute",
            own,
            Compute=policy(
                allow("ec2:RunInstances"),
                allow("iam:PassRole"),
                {
                    "Effect": "Deny",
                    "Action": "iam:PassRole",
                    "NotResource": f"arn:aws:iam::{DEVELOPMENT}:role/web-*",
                },
            ),
        ),
        role("FunctionPublisher", own, Functions=policy(allow(functions), allow("iam:PassRole", function_admin))),
        role(
            "EtlPublisher",
            own,
            Functions=policy(
                allow(functions),
                allow("iam:PassRole", function_admin, Condition=_passed_to("glue.amazonaws.com")),
            ),
        ),
        role("ReportPublisher", own, Functions=policy(allow(functions), allow("iam:PassRole", build_server))),
        role(
            "TrustMaintainer",
            own,
            Trust=policy(allow(["iam:UpdateAssumeRolePolicy", "iam:GetRole", "sts:AssumeRole"], build_server)),
        ),
        role("ReleaseStart", own, Release=policy(allow("sts:AssumeRole", _role_arn(DEVELOPMENT, "ReleaseRelay")))),
        role(
            "ReleaseRelay",
            _roles_of(DEVELOPMENT, "ReleaseStart"),
            Release=policy(allow("sts:AssumeRole", _role_arn(PRODUCTION, "ReleaseGate"))),
        ),
        role(
            "PublicReader", trust({"AWS": "*"}), Listing=policy(allow(["s3:ListAllMyBuckets", "ec2:DescribeRegions"]))
        ),
        role(
            "OrganizationReader",
            trust({"AWS": "*"}, StringEquals={"aws:PrincipalOrgID": organization_id}),
            Listing=policy(allow("ec2:DescribeRegions")),
        ),
        role(
            "PartnerExchange",
            trust({"AWS": f"arn:aws:iam::{STRANGER}:root"}),
            Exchange=policy(allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::acme-dev-exchange/*")),
        ),
        role(
            "GitHubActionsPlayground",
            _pipeline(DEVELOPMENT, StringEquals={f"{_GITHUB}:aud": "sts.amazonaws.com"}),
            "AmazonEC2ReadOnlyAccess",
        ),
        role(
            "Contractor",
            own,
            Everything=policy(
                {
                    "Effect": "Allow",
                    "NotAction": ["iam:*", "sts:*", "organizations:*", "account:*", "sso:*", "sso-directory:*"],
                    "Resource": "*",
                }
            ),
        ),
    )


def _passed_to(service: str) -> dict[str, Any]:
    return {"StringEquals": {"iam:PassedToService": service}}


def _users(seed: int) -> tuple[WorldUser, ...]:
    def user(name: str, *keys: tuple[int, int | None, bool], **more: Any) -> WorldUser:
        return WorldUser(
            name=name,
            account_id=DEVELOPMENT,
            id=principal_id("AIDA", seed, DEVELOPMENT, name),
            keys=tuple(WorldKey(access_key_id(seed, DEVELOPMENT, name, str(key[0])), *key) for key in keys),
            tags={"purpose": "automation"},
            **more,
        )

    admin = f"arn:aws:iam::{DEVELOPMENT}:user/ops-admin"
    return (
        user("ops-admin", (200, 2, True), managed=(f"{AWS_POLICY}AdministratorAccess",)),
        user("helpdesk", groups=("support",)),
        user(
            "helpdesk-limited",
            inline={
                "Keys": policy(
                    allow("iam:CreateAccessKey", f"arn:aws:iam::{DEVELOPMENT}:user/*"),
                    _deny("iam:CreateAccessKey", admin),
                    # the other administrators among the users; the story's intruder left svc-backup
                    _deny("iam:CreateAccessKey", f"arn:aws:iam::{DEVELOPMENT}:user/svc-backup"),
                )
            },
            boundary=_policy_arn(DEVELOPMENT, "DeveloperBoundary"),
        ),
        user(
            "self-service",
            inline={
                "OwnKeys": policy(
                    allow(
                        ["iam:CreateAccessKey", "iam:DeleteAccessKey", "iam:ListAccessKeys"],
                        f"arn:aws:iam::{DEVELOPMENT}:user/${{aws:username}}",
                    )
                )
            },
        ),
        user("etl-legacy", (431, 20, True), (35, None, True), managed=(f"{AWS_POLICY}AmazonS3ReadOnlyAccess",)),
        user("ci-artifacts", (30, 1, True), managed=(f"{AWS_POLICY}AmazonEC2ContainerRegistryPowerUser",)),
    )


def _groups(seed: int) -> tuple[WorldGroup, ...]:
    return (
        WorldGroup(
            name="support",
            account_id=DEVELOPMENT,
            id=principal_id("AGPA", seed, DEVELOPMENT, "support"),
            inline={
                "support-keys": policy(
                    allow(["iam:CreateAccessKey", "iam:ListAccessKeys"], f"arn:aws:iam::{DEVELOPMENT}:user/ops-*")
                )
            },
        ),
    )


def _policies(seed: int) -> tuple[WorldPolicy, ...]:
    def customer(account: str, name: str, *documents: str) -> WorldPolicy:
        return WorldPolicy(
            name=name, account_id=account, id=principal_id("ANPA", seed, account, name), documents=documents
        )

    reading = allow(["s3:ListAllMyBuckets", "cloudwatch:GetMetricData", "logs:FilterLogEvents"])
    team = _policy_arn(PRODUCTION, "TeamPermissions")
    return (
        customer(
            PRODUCTION,
            "TeamPermissions",
            policy(reading),
            policy(reading, allow(["iam:CreatePolicyVersion", "iam:GetPolicyVersion"], team)),
        ),
        customer(
            PRODUCTION,
            "DashboardViewer",
            policy(allow(["cloudwatch:GetDashbord", "cloudwatch:ListDashbords", "dashboards:View"])),
        ),
        customer(
            DEVELOPMENT,
            "DeveloperBoundary",
            policy(allow(["s3:*", "logs:*", "cloudwatch:*", "ec2:Describe*", "sqs:*"])),
        ),
    )


def _resources() -> tuple[WorldResource, ...]:
    def resource(service: str, name: str, *statements: dict[str, Any], **more: Any) -> WorldResource:
        return WorldResource(
            service=service,
            name=name,
            arn=ARNS[service].format(name),
            account_id=more.pop("account", PRODUCTION),
            region=REGION,
            policy=policy(*statements),
            **more,
        )

    def grant(principal: Any, actions: str | list[str], on: str | list[str], **more: Any) -> dict[str, Any]:
        return {"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": on, **more}

    def reading(bucket: str) -> dict[str, Any]:
        return grant("*", "s3:GetObject", f"arn:aws:s3:::{bucket}/*")

    stranger = {"AWS": f"arn:aws:iam::{STRANGER}:root"}
    return (
        resource("s3", "acme-public-downloads", reading("acme-public-downloads")),
        resource("s3", "acme-sealed-site", reading("acme-sealed-site"), sealed=True),
        resource("s3", "acme-dev-shared", reading("acme-dev-shared"), account=DEVELOPMENT),
        resource(
            "s3",
            "acme-invoices",
            grant({"AWS": _role_arn(PRODUCTION, "InvoiceExport")}, "s3:GetObject", "arn:aws:s3:::acme-invoices/*"),
        ),
        resource(
            "kms",
            EXPORTS_KEY,
            grant({"AWS": f"arn:aws:iam::{PRODUCTION}:root"}, "kms:*", "*"),
            grant(stranger, ["kms:Decrypt", "kms:DescribeKey"], "*"),
        ),
        resource("kms", PAYMENTS_KEY, grant({"AWS": f"arn:aws:iam::{PRODUCTION}:root"}, "kms:*", "*")),
        resource(
            "lambda",
            "webhook-receiver",
            grant("*", "lambda:InvokeFunction", ARNS["lambda"].format("webhook-receiver"), Sid="public"),
        ),
        resource(
            "sqs",
            "orders-intake",
            grant("*", "sqs:SendMessage", ARNS["sqs"].format("orders-intake")),
        ),
        resource(
            "sns",
            "order-events",
            grant(
                "*",
                "sns:Subscribe",
                ARNS["sns"].format("order-events"),
                Condition={"StringEquals": {"aws:SourceAccount": PRODUCTION}},
            ),
        ),
        resource("secretsmanager", "partner/api-token", grant(stranger, "secretsmanager:GetSecretValue", "*")),
    )


def _organization_policies(organization_id: str) -> tuple[OrganizationPolicy, ...]:
    legacy = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/legacy/*"}}
    outsiders = {
        "Sid": "OnlyOwnIdentities",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {
            "StringNotEqualsIfExists": {"aws:PrincipalOrgID": organization_id},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    }
    return (
        OrganizationPolicy(
            name="RetireLegacyRoles",
            type="SERVICE_CONTROL_POLICY",
            target=DEVELOPMENT,
            document=policy(_deny("*", Condition=legacy)),
        ),
        OrganizationPolicy(
            name="OwnIdentitiesOnly", type="RESOURCE_CONTROL_POLICY", target="Sandbox", document=policy(outsiders)
        ),
    )


#: The service control policy on the root, which the scenario's story runs into.
PROTECT_TRAIL = policy(_deny(["cloudtrail:StopLogging", "cloudtrail:DeleteTrail", "cloudtrail:UpdateTrail"]))
