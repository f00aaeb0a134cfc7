"""What the intruder does, call by call, with each credential that he gets hold of."""

from random import Random
from typing import Any

from .ids import access_key_id, hex_id, principal_id, uuid
from .issuance import Timed, assume_role
from .records import locale_time, session_key, single
from .scenario import REGIONS, Scenario

ATTACKER_IP = "185.220.101.1"
ATTACKER_CLI = (
    "Boto3/1.34.11 md/Botocore#1.34.11 ua/2.0 os/linux#6.6.9-amd64 md/arch#x86_64 lang/python#3.11.8 "
    "md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.11"
)
CHAIN_REGION = "us-west-2"
SESSION = "deploy-hotfix"


def denied(arn: str, action: str, resource: str = "") -> tuple[str, str]:
    """The error of a call that no policy of the caller allows."""
    on = f" on resource: {resource}" if resource else ""
    reason = f"because no identity-based policy allows the {action} action"
    return "AccessDenied", f"User: {arn} is not authorized to perform: {action}{on} {reason}"


class Stage:
    """Collects the records of one credential's calls."""

    def __init__(self, scenario: Scenario, label: str, identity: dict[str, Any], account_id: str) -> None:
        self.scenario = scenario
        self.label = label
        self.identity = identity
        self.arn = str(identity["arn"])
        self.account_id = account_id
        self.ids: list[str] = []
        self.failed: list[str] = []
        self.records: list[Timed] = []

    def next_id(self) -> str:
        """The id of the next event, which depends on the scenario alone."""
        when = self.scenario.anchor.isoformat()
        self.ids.append(uuid(self.scenario.seed, "incident", self.label, when, str(len(self.ids))))
        return self.ids[-1]

    def call(
        self,
        at: int,
        operation: str,
        region: str,
        request: dict[str, Any] | None = None,
        *,
        response: Any = None,
        error: tuple[str, str] | None = None,
        read: bool = True,
    ) -> str:
        """Record ``service:Name`` at an instant; gives the event's id."""
        service, name = operation.split(":")
        region = "us-east-1" if service in {"iam", "organizations"} else region
        host = "iam.amazonaws.com" if service == "iam" else f"{service}.{region}.amazonaws.com"
        event_id = self.next_id()
        record = single(
            identity=self.identity,
            source=service,
            name=name,
            account_id=self.account_id,
            region=region,
            ip=ATTACKER_IP,
            agent=f"[{ATTACKER_CLI}]" if service == "s3" else ATTACKER_CLI,
            request=request,
            response=response,
            error=error,
            read=read,
            event_id=event_id,
            host=host,
        )
        self.records.append(Timed(at, record))
        if error:
            self.failed.append(event_id)
        return event_id


class Backdoor:
    """What the intruder leaves behind."""

    def __init__(self, scenario: Scenario) -> None:
        account_id = scenario.development.id
        self.name = "svc-backup"
        self.arn = f"arn:aws:iam::{account_id}:user/{self.name}"
        self.id = principal_id("AIDA", scenario.seed, account_id, self.name)
        self.key = access_key_id(scenario.seed, account_id, self.name, "0")
        self.instance = hex_id("i-", scenario.seed, "rogue instance")
        self.identity = {
            "type": "IAMUser",
            "principalId": self.id,
            "arn": self.arn,
            "accountId": account_id,
            "userName": self.name,
            "accessKeyId": self.key,
        }


def look_around(stage: Stage, scenario: Scenario, at: int) -> None:
    """The development account, with john's PowerUser session: twelve calls, of which the last find his key."""
    sandbox = next(w.instances[0] for w in scenario.workloads if w.name == "dev-sandbox")
    region, arn = "eu-west-1", stage.arn
    parameter = "/sandbox/john/aws-access-key"
    name = f"arn:aws:ssm:{region}:{stage.account_id}:parameter{parameter}"
    calls: list[tuple[str, dict[str, Any] | None, tuple[str, str] | None]] = [
        ("sts:GetCallerIdentity", None, None),
        ("s3:ListBuckets", {"Host": f"s3.{region}.amazonaws.com"}, None),
        ("ec2:DescribeInstances", {"instancesSet": {}, "filterSet": {}}, None),
        ("ec2:DescribeInstanceAttribute", {"instanceId": sandbox, "attribute": "userData"}, None),
        ("iam:ListUsers", None, denied(arn, "iam:ListUsers", f"arn:aws:iam::{stage.account_id}:user/")),
        ("iam:ListRoles", None, denied(arn, "iam:ListRoles", f"arn:aws:iam::{stage.account_id}:role/")),
        ("lambda:ListFunctions20150331", None, None),
        ("secretsmanager:ListSecrets", {"maxResults": 100}, None),
        ("ssm:DescribeParameters", {"maxResults": 50}, None),
        ("ssm:GetParameter", {"name": "/sandbox/webshop/feature-flags", "withDecryption": True}, None),
        ("ssm:GetParameter", {"name": name, "withDecryption": True}, None),
        ("ssm:GetParameter", {"name": name.replace("access-key", "secret-key"), "withDecryption": True}, None),
    ]
    for number, (operation, request, error) in enumerate(calls):
        stage.call(at + 17 * number + number % 3, operation, region, request, error=error)


def use_stolen_key(
    stage: Stage, scenario: Scenario, at: int, random: Random
) -> tuple[tuple[str, ...], tuple[str, str], str, int, str]:
    """47 calls in less than five minutes with john's old key in production; the last one opens the other account."""
    arn, account, short = stage.arn, stage.account_id, "us-east-1"
    admin = scenario.role(account, "AdminRole")

    def refused(action: str, resource: str = "", code: str = "AccessDenied") -> tuple[str, str]:
        return code, denied(arn, action, resource)[1]

    def hidden(action: str) -> tuple[str, str]:
        return refused(action, code="AccessDeniedException")

    def bucket(what: str, extra: str) -> dict[str, Any]:
        name = f"acme-production-{what}"
        return {"bucketName": name, "Host": f"{name}.s3.{short}.amazonaws.com", extra: ""}

    def secret(name: str) -> tuple[str, str, dict[str, Any], tuple[str, str]]:
        wanted = f"arn:aws:secretsmanager:{short}:{account}:secret:{name}"
        return (
            "secretsmanager:GetSecretValue",
            short,
            {"secretId": wanted},
            refused("secretsmanager:GetSecretValue", wanted, "AccessDeniedException"),
        )

    def attempt(session_name: str) -> tuple[str, str, dict[str, Any], tuple[str, str]]:
        request = {"roleArn": admin.arn, "roleSessionName": session_name}
        message = f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {admin.arn}"
        return "sts:AssumeRole", short, request, ("AccessDenied", message)

    everything: dict[str, Any] = {"instancesSet": {}, "filterSet": {}}
    calls: list[tuple[Any, ...]] = [
        ("sts:GetCallerIdentity", short),
        ("iam:GetUser", short),
        ("iam:ListAttachedUserPolicies", short, {"userName": "john"}),
        ("iam:ListUserPolicies", short, {"userName": "john"}),
        ("iam:ListGroupsForUser", short, {"userName": "john"}),
        ("iam:ListAccessKeys", short, {"userName": "john"}),
        ("iam:GetAccountSummary", short),
        ("iam:ListAccountAliases", short),
        ("iam:GetAccountAuthorizationDetails", short, None, refused("iam:GetAccountAuthorizationDetails", "*")),
        ("iam:ListUsers", short),
        ("iam:ListRoles", short),
        ("iam:ListPolicies", short, None, refused("iam:ListPolicies", "*")),
        ("iam:GetRole", short, {"roleName": "AdminRole"}),
        ("iam:ListAttachedRolePolicies", short, {"roleName": "AdminRole"}),
        ("iam:ListInstanceProfiles", short),
        ("s3:ListBuckets", short, {"Host": "s3.us-east-1.amazonaws.com"}),
        ("s3:GetBucketAcl", short, bucket("assets", "acl")),
        ("s3:GetBucketPolicy", short, bucket("invoices", "policy")),
        ("s3:GetBucketAcl", short, bucket("exports", "acl"), ("AccessDenied", "Access Denied")),
        ("s3:GetBucketLocation", short, bucket("invoices", "location")),
        *(("ec2:DescribeInstances", region, everything) for region in REGIONS),
        ("ec2:DescribeSecurityGroups", "eu-central-1", {"securityGroupSet": {}, "filterSet": {}}),
        ("ec2:DescribeSnapshots", "eu-central-1", {"ownersSet": {"items": [{"owner": "self"}]}}),
        ("ec2:DescribeRegions", short, {"regionSet": {}}),
        ("ec2:DescribeVpcs", "eu-central-1", {"vpcSet": {}, "filterSet": {}}),
        ("lambda:ListFunctions20150331", short),
        ("lambda:GetFunction20150331v2", short, {"functionName": "order-processor"}, hidden("lambda:GetFunction")),
        ("rds:DescribeDBInstances", short),
        ("secretsmanager:ListSecrets", short, {"maxResults": 100}),
        *(secret(f"prod/{name}") for name in ("api/database", "api/signing-key", "webshop/smtp", "ledger/token")),
        ("ssm:DescribeParameters", short, {"maxResults": 50}, hidden("ssm:DescribeParameters")),
        ("ssm:GetParametersByPath", short, {"path": "/", "recursive": True}, hidden("ssm:GetParametersByPath")),
        ("kms:ListKeys", short, {"limit": 100}),
        ("organizations:ListAccounts", short, None, hidden("organizations:ListAccounts")),
        ("organizations:DescribeOrganization", short),
        ("cloudtrail:DescribeTrails", short, {"includeShadowTrails": True}),
        attempt("john"),
        attempt("admin"),
        attempt("john-admin"),
        ("iam:SimulatePrincipalPolicy", short, {"policySourceArn": arn}, refused("iam:SimulatePrincipalPolicy", arn)),
    ]  # fmt: skip
    attempts: list[str] = []
    moment = at
    for number, (operation, region, *rest) in enumerate(calls):
        event_id = stage.call(moment, operation, region, *rest[:1], error=rest[1] if len(rest) > 1 else None)
        if operation == "sts:AssumeRole":
            attempts.append(event_id)
        moment += 5 + (number * 7 + int(random.random() * 3)) % 3
    deploy = scenario.role(scenario.development.id, "DeployRole")
    key = session_key(random)
    own = stage.next_id()
    theirs = uuid(scenario.seed, "incident", "handover", scenario.anchor.isoformat())
    opened = assume_role(
        stage.identity, deploy, SESSION, moment, random, key=key, ip=ATTACKER_IP, agent=ATTACKER_CLI,
        region=short, event_ids=(own, theirs),
    )  # fmt: skip
    stage.records += opened
    shared_id = opened[0].record.text.split('"sharedEventID":"')[1].split('"')[0]
    return tuple(attempts), (own, theirs), key, moment, shared_id


def settle(stage: Stage, scenario: Scenario, backdoor: Backdoor, at: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A user with every permission, a key for it, and a large instance; then the attempts to stop the trail."""
    policy = "arn:aws:iam::aws:policy/AdministratorAccess"
    user = {"path": "/", "userName": backdoor.name, "userId": backdoor.id, "arn": backdoor.arn}
    created = {"user": user | {"createDate": locale_time(at)}}
    access_key = {"accessKeyId": backdoor.key, "status": "Active", "userName": backdoor.name}
    image = "ami-0demo5b1f2c3d4e5f"
    instance = {"instanceId": backdoor.instance, "imageId": image, "instanceType": "g5.12xlarge"}
    state = {"code": 0, "name": "pending"}
    named = {"userName": backdoor.name}
    calls: tuple[tuple[str, dict[str, Any], Any], ...] = (
        ("iam:CreateUser", named, created),
        ("iam:AttachUserPolicy", named | {"policyArn": policy}, None),
        ("iam:CreateAccessKey", named, {"accessKey": access_key | {"createDate": locale_time(at + 40)}}),
        (
            "ec2:RunInstances",
            {
                "instancesSet": {"items": [{"imageId": image, "minCount": 1, "maxCount": 1}]},
                "instanceType": "g5.12xlarge",
                "monitoring": {"enabled": False},
                "disableApiTermination": False,
            },
            {
                "reservationId": hex_id("r-", scenario.seed, "rogue reservation"),
                "ownerId": stage.account_id,
                "instancesSet": {"items": [instance | {"instanceState": state}]},
            },
        ),
    )
    persistence = tuple(
        stage.call(at + 20 * number, operation, CHAIN_REGION, request, response=response, read=False)
        for number, (operation, request, response) in enumerate(calls)
    )
    trail = f"arn:aws:cloudtrail:us-east-1:{scenario.management.id}:trail/{scenario.trail_name}"
    because = "with an explicit deny in a service control policy"
    stopped = tuple(
        stage.call(
            at + 110 + 15 * number,
            f"cloudtrail:{name}",
            "us-east-1",
            {"name": trail},
            error=("AccessDenied", f"User: {stage.arn} is not authorized to perform: cloudtrail:{name} {because}"),
            read=False,
        )
        for number, name in enumerate(("StopLogging", "StopLogging", "DeleteTrail"))
    )
    return persistence, stopped
