"""The AWS calls that the simulated organisation makes: names, parameters, answers, and how they fail.

Parameters and answers are rendered once for each account, Region and action, a dozen variants of each, and
then picked from; what must be new in every record (ids of what a call creates) stands in the text as a
placeholder that ``fresh`` fills.
"""

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from .ids import BASE32, MARK
from .inventory import Inventory

VARIANTS = 12
#: Services whose events are recorded in us-east-1, wherever the call is made from.
GLOBAL_SERVICES = frozenset({"iam", "organizations", "route53", "cloudfront", "ce"})
#: eventSource without ``.amazonaws.com``, where it is not the name in IAM actions.
_SOURCES = {"cloudwatch": "monitoring", "tag": "tagging"}
_HOSTS = {"iam": "iam.amazonaws.com", "organizations": "organizations.us-east-1.amazonaws.com"}
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PLACEHOLDER = re.compile(r"<(hex17|hex8|key|user|uuid|long)>")


class Variant(msgspec.Struct, frozen=True):
    """requestParameters, responseElements and resources of one call, as JSON."""

    request: str
    response: str
    resources: str


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One API operation. ``make`` gives request and response (and resources) for an inventory."""

    service: str
    name: str
    read: bool
    make: Callable[[Inventory, Random], tuple[Any, ...]]
    failure: str = ""

    @property
    def source(self) -> str:
        """Its eventSource."""
        return f"{_SOURCES.get(self.service, self.service)}.amazonaws.com"

    @property
    def command(self) -> str:
        """What the AWS CLI calls it, for the user agent."""
        bare = re.sub(r"20\d{6}(v\d)?$", "", self.name)
        return f"{self.service}.{_WORDS.sub('-', bare).lower()}"

    def host(self, region: str) -> str:
        """The endpoint, as clientProvidedHostHeader."""
        return _HOSTS.get(self.service, f"{self.source.removesuffix('.amazonaws.com')}.{region}.amazonaws.com")


def fresh(text: str, random: Random) -> str:
    """The text with every placeholder filled by something new."""

    def fill(match: re.Match[str]) -> str:
        match match[1]:
            case "hex17":
                return f"0{random.getrandbits(64):016x}"
            case "hex8":
                return f"{random.getrandbits(32):08x}"
            case "key":
                return f"AKIA{MARK}{''.join(random.choices(BASE32, k=12))}"
            case "user":
                return f"AIDA{MARK}{''.join(random.choices(BASE32, k=13))}"
            case "long":
                return "".join(random.choices(BASE32, k=32)).lower()
            case _:
                return new_uuid(random)

    return _PLACEHOLDER.sub(fill, text)


def new_uuid(random: Random) -> str:
    """A new UUID, version 4."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _items(key: str, *values: str) -> dict[str, Any]:
    return {"items": [{key: value} for value in values]}


def _bucket(extra: str) -> Callable[[Inventory, Random], tuple[Any, ...]]:
    def make(at: Inventory, random: Random) -> tuple[Any, ...]:
        bucket = random.choice(at.buckets)
        request = {"bucketName": bucket, "Host": f"{bucket}.s3.{at.region}.amazonaws.com", extra: ""}
        resource = {"accountId": at.account_id, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}
        return request, None, [resource]

    return make


def _nothing(_at: Inventory, _random: Random) -> tuple[Any, ...]:
    return None, None


def _just(**request: Any) -> Callable[[Inventory, Random], tuple[Any, ...]]:
    return lambda _at, _random: (request, None)


def _named(parameter: str, pool: str) -> Callable[[Inventory, Random], tuple[Any, ...]]:
    return lambda at, random: ({parameter: random.choice(getattr(at, pool))}, None)


def _instance_filter(at: Inventory, random: Random) -> tuple[Any, ...]:
    if random.random() < 0.4:
        return {"instancesSet": {}, "filterSet": {}}, None
    return {"instancesSet": _items("instanceId", random.choice(at.instances)), "filterSet": {}}, None


def _run_instances(at: Inventory, random: Random) -> tuple[Any, ...]:
    kind = random.choice(("t3.medium", "m6i.large", "c7g.xlarge"))
    subnet, group = random.choice(at.subnets), random.choice(at.groups)
    request = {
        "instancesSet": {"items": [{"imageId": "ami-0demo5b1f2c3d4e5f", "minCount": 1, "maxCount": 1}]},
        "instanceType": kind,
        "subnetId": subnet,
        "groupSet": _items("groupId", group),
        "monitoring": {"enabled": False},
        "clientToken": "<uuid>",
    }
    address = f"10.20.{random.randrange(16)}.{random.randrange(4, 250)}"
    running = {
        "instanceId": "i-<hex17>",
        "imageId": "ami-0demo5b1f2c3d4e5f",
        "instanceState": {"code": 0, "name": "pending"},
        "instanceType": kind,
    }
    response = {
        "requestId": "<uuid>",
        "reservationId": "r-<hex17>",
        "ownerId": at.account_id,
        "groupSet": {},
        "instancesSet": {"items": [{**running, "subnetId": subnet, "privateIpAddress": address}]},
    }
    return request, response


def _change_state(at: Inventory, random: Random) -> tuple[Any, ...]:
    instance = random.choice(at.instances)
    request = {"instancesSet": _items("instanceId", instance), "force": False}
    states = {"currentState": {"code": 64, "name": "stopping"}, "previousState": {"code": 16, "name": "running"}}
    return request, {"requestId": "<uuid>", "instancesSet": {"items": [{"instanceId": instance, **states}]}}


def _terminate(at: Inventory, random: Random) -> tuple[Any, ...]:
    request, response = _change_state(at, random)
    return {"instancesSet": request["instancesSet"]}, response


def _create_tags(at: Inventory, random: Random) -> tuple[Any, ...]:
    tags = {"items": [{"key": "cost-center", "value": str(random.randrange(4100, 4180))}]}
    request = {"resourcesSet": _items("resourceId", random.choice(at.instances)), "tagSet": tags}
    return request, {"requestId": "<uuid>", "_return": True}


def _ingress(at: Inventory, random: Random) -> tuple[Any, ...]:
    group = random.choice(at.groups)
    permission = {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "groups": {}, "ipv6Ranges": {}}
    ranges = _items("cidrIp", f"10.{random.randrange(10, 60)}.0.0/16")
    request = {"groupId": group, "ipPermissions": {"items": [{**permission, "ipRanges": ranges}]}}
    return request, {"requestId": "<uuid>", "_return": True}


def _secret(at: Inventory, random: Random) -> tuple[Any, ...]:
    name = random.choice(at.secrets)
    return {"secretId": f"arn:aws:secretsmanager:{at.region}:{at.account_id}:secret:{name}-d3M0xY"}, None


def _decrypt(at: Inventory, random: Random) -> tuple[Any, ...]:
    key = random.choice(at.key_arns)
    context = {"aws:lambda:FunctionArn": f"arn:aws:lambda:{at.region}:{at.account_id}:function:{at.functions[0]}"}
    request = {"encryptionContext": context, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    return request, None, [{"accountId": at.account_id, "type": "AWS::KMS::Key", "ARN": key}]


def _data_key(at: Inventory, random: Random) -> tuple[Any, ...]:
    key = random.choice(at.key_arns)
    resource = {"accountId": at.account_id, "type": "AWS::KMS::Key", "ARN": key}
    return {"keyId": key, "keySpec": "AES_256"}, None, [resource]


def _update_function(at: Inventory, random: Random) -> tuple[Any, ...]:
    name = random.choice(at.functions)
    arn = f"arn:aws:lambda:{at.region}:{at.account_id}:function:{name}"
    response = {"functionName": name, "functionArn": arn, "revisionId": "<uuid>"}
    return {"functionName": name, "publish": True, "dryRun": False}, response


def _change_set(at: Inventory, random: Random) -> tuple[Any, ...]:
    stack = random.choice(("webshop", "network", "data-lake", "observability"))
    name = f"deploy-{random.randrange(1000, 9999)}"
    request = {"stackName": stack, "changeSetName": name, "capabilities": ["CAPABILITY_NAMED_IAM"]}
    arn = f"arn:aws:cloudformation:{at.region}:{at.account_id}:"
    return request, {"id": f"{arn}changeSet/deploy/<uuid>", "stackId": f"{arn}stack/{stack}/<uuid>"}


def _service_of(family: str) -> Callable[[Inventory, Random], tuple[Any, ...]]:
    def make(at: Inventory, random: Random) -> tuple[Any, ...]:
        service = random.choice(("checkout", "catalog", "search"))
        request: dict[str, Any] = {"cluster": f"{at.name}-{family}", "service": service}
        return request, None

    return make


def _group_read(at: Inventory, random: Random) -> tuple[Any, ...]:
    chosen = _items("groupId", random.choice(at.groups))
    return {"securityGroupSet": {}, "securityGroupIdSet": chosen, "filterSet": {}}, None


def _subnet_read(at: Inventory, random: Random) -> tuple[Any, ...]:
    return {"subnetSet": _items("subnetId", random.choice(at.subnets)), "filterSet": {}}, None


def _tag_role(at: Inventory, random: Random) -> tuple[Any, ...]:
    return {"roleName": random.choice(at.roles), "tags": [{"key": "owner", "value": "platform"}]}, None


def _execute_change_set(at: Inventory, random: Random) -> tuple[Any, ...]:
    request, _ = _change_set(at, random)
    return {"changeSetName": request["changeSetName"], "stackName": request["stackName"]}, None


def _log_query(at: Inventory, random: Random) -> tuple[Any, ...]:
    return {"logGroupName": f"/aws/lambda/{random.choice(at.functions)}", "limit": 1000}, {"queryId": "<uuid>"}


def _query(_at: Inventory, _random: Random) -> tuple[Any, ...]:
    return {"workGroup": "analysts", "queryString": "***OMITTED***"}, {"queryExecutionId": "<uuid>"}


def _queue(at: Inventory, random: Random) -> tuple[Any, ...]:
    queue = random.choice(("orders", "images", "ledger", "dead-letters"))
    url = f"https://sqs.{at.region}.amazonaws.com/{at.account_id}/{queue}"
    return {"queueUrl": url, "attributeNames": ["All"]}, None


def _log_streams(at: Inventory, random: Random) -> tuple[Any, ...]:
    group = f"/aws/lambda/{random.choice(at.functions)}"
    return {"logGroupName": group, "orderBy": "LastEventTime", "descending": True}, None


def _log_stream(at: Inventory, random: Random) -> tuple[Any, ...]:
    group = f"/aws/lambda/{random.choice(at.functions)}"
    return {"logGroupName": group, "logStreamName": "[$LATEST]<long>"}, None


def _metrics(_at: Inventory, random: Random) -> tuple[Any, ...]:
    namespace = random.choice(("AWS/EC2", "AWS/Lambda", "AWS/ApplicationELB", "AWS/SQS"))
    return {"namespace": namespace, "recentlyActive": "PT3H"}, None


def _table(_at: Inventory, random: Random) -> tuple[Any, ...]:
    return {"databaseName": "sales", "name": random.choice(("orders", "customers", "returns"))}, None


def _record_sets(_at: Inventory, random: Random) -> tuple[Any, ...]:
    host = f"{random.choice(('api', 'shop', 'img'))}.company.com"
    change = {"action": "UPSERT", "resourceRecordSet": {"name": host, "type": "A", "tTL": 300}}
    request = {"hostedZoneId": "Z0DEMO1K2L3M4N5P6Q7R", "changeBatch": {"changes": [change]}}
    return request, {"changeInfo": {"id": f"/change/C{random.getrandbits(48):012X}", "status": "PENDING"}}


def _capacity(_at: Inventory, random: Random) -> tuple[Any, ...]:
    desired = random.randrange(3, 9)
    return {"autoScalingGroupName": "eks-prod-nodes", "desiredCapacity": desired, "honorCooldown": False}, None


def _volume(_at: Inventory, _random: Random) -> tuple[Any, ...]:
    request = {
        "volumeId": "vol-<hex17>",
        "instanceId": "i-<hex17>",
        "device": "/dev/xvdba",
        "deleteOnTermination": False,
    }
    return request, {"requestId": "<uuid>", **request, "status": "attaching"}


def _heartbeat(at: Inventory, random: Random) -> tuple[Any, ...]:
    request = {"instanceId": random.choice(at.instances), "agentVersion": "3.3.3050.0", "agentStatus": "Active"}
    return {**request, "platformType": "Linux", "platformName": "Amazon Linux", "platformVersion": "2023"}, None


def _actions(service: str, *rows: tuple[Any, ...]) -> list[Action]:
    return [
        Action(service=service, name=name, read=read, make=make, failure=failure[0] if failure else "")
        for name, read, make, *failure in rows
    ]


_TABLE: list[Action] = [
    *_actions(
        "ec2",
        ("DescribeInstances", True, _instance_filter),
        ("DescribeSecurityGroups", True, _group_read),
        ("DescribeVolumes", True, _just(volumeSet={}, filterSet={})),
        ("DescribeVpcs", True, _just(vpcSet={}, filterSet={})),
        ("DescribeSubnets", True, _subnet_read),
        ("DescribeRegions", True, _just(regionSet={}, allRegions=False)),
        ("DescribeImages", True, _just(imagesSet={}, ownersSet={"items": [{"owner": "self"}]}, filterSet={})),
        ("DescribeInstanceStatus", True, _just(instancesSet={}, filterSet={}, includeAllInstances=False)),
        (
            "DescribeTags",
            True,
            _just(filterSet={"items": [{"name": "resource-type", "valueSet": _items("value", "instance")}]}),
        ),
        ("DescribeNetworkInterfaces", True, _just(networkInterfaceIdSet={}, filterSet={})),
        ("DescribeLaunchTemplateVersions", True, _just(launchTemplateName="eks-prod-nodes")),
        ("RunInstances", False, _run_instances),
        ("StopInstances", False, _change_state),
        ("TerminateInstances", False, _terminate),
        ("CreateTags", False, _create_tags),
        ("AuthorizeSecurityGroupIngress", False, _ingress),
        ("AttachVolume", False, _volume),
    ),
    *_actions(
        "s3",
        ("ListBuckets", True, lambda at, _r: ({"Host": f"s3.{at.region}.amazonaws.com"}, None)),
        ("GetBucketLocation", True, _bucket("location"), "NoSuchBucket"),
        ("GetBucketAcl", True, _bucket("acl"), "NoSuchBucket"),
        ("GetBucketPolicy", True, _bucket("policy"), "NoSuchBucketPolicy"),
        ("GetBucketVersioning", True, _bucket("versioning"), "NoSuchBucket"),
        ("PutBucketTagging", False, _bucket("tagging"), "NoSuchBucket"),
    ),
    *_actions(
        "iam",
        ("ListRoles", True, _just(maxItems=100)),
        ("ListUsers", True, _just(maxItems=100)),
        ("GetUser", True, _named("userName", "users"), "NoSuchEntityException"),
        ("GetRole", True, _named("roleName", "roles"), "NoSuchEntityException"),
        ("ListAttachedRolePolicies", True, _named("roleName", "roles"), "NoSuchEntityException"),
        ("ListAccessKeys", True, _named("userName", "users")),
        ("GetAccountSummary", True, _nothing),
        ("ListMFADevices", True, _named("userName", "users")),
        ("TagRole", False, _tag_role),
    ),
    *_actions(
        "lambda",
        ("ListFunctions20150331", True, _nothing),
        ("GetFunction20150331v2", True, _named("functionName", "functions"), "ResourceNotFoundException"),
        ("UpdateFunctionCode20150331v2", False, _update_function),
    ),
    *_actions(
        "cloudformation",
        ("DescribeStacks", True, _just(stackName="webshop"), "ValidationException"),
        ("DescribeStackEvents", True, _just(stackName="webshop")),
        ("CreateChangeSet", False, _change_set),
        ("ExecuteChangeSet", False, _execute_change_set),
    ),
    *_actions(
        "cloudwatch",
        ("DescribeAlarms", True, _nothing),
        ("ListMetrics", True, _metrics),
        ("GetMetricData", True, _just(startTime="1 hour", maxDatapoints=100)),
        ("PutMetricAlarm", False, _just(alarmName="webshop-5xx", evaluationPeriods=3, threshold=10.0)),
    ),
    *_actions(
        "logs",
        ("DescribeLogGroups", True, _just(limit=50)),
        ("DescribeLogStreams", True, _log_streams, "ResourceNotFoundException"),
        ("CreateLogStream", False, _log_stream, "ResourceAlreadyExistsException"),
        ("StartQuery", True, _log_query),
    ),
    *_actions(
        "secretsmanager",
        ("ListSecrets", True, _just(maxResults=100)),
        ("GetSecretValue", True, _secret, "ResourceNotFoundException"),
        ("DescribeSecret", True, _secret),
    ),
    *_actions(
        "ssm",
        ("DescribeInstanceInformation", True, _just(maxResults=50)),
        ("GetParameter", True, _just(name="/acme/webshop/feature-flags", withDecryption=True), "ParameterNotFound"),
        ("GetParametersByPath", True, _just(path="/acme/", recursive=True, withDecryption=False)),
        ("UpdateInstanceInformation", False, _heartbeat),
    ),
    *_actions(
        "kms", ("Decrypt", True, _decrypt), ("GenerateDataKey", True, _data_key), ("ListKeys", True, _just(limit=100))
    ),
    *_actions(
        "sts",
        ("GetCallerIdentity", True, _nothing),
    ),
    *_actions("sqs", ("GetQueueAttributes", True, _queue), ("ListQueues", True, _nothing)),
    *_actions(
        "eks",
        ("DescribeCluster", True, _just(name="eks-prod"), "ResourceNotFoundException"),
        ("ListClusters", True, _nothing),
    ),
    *_actions(
        "ecs",
        ("DescribeServices", True, _service_of("web")),
        ("UpdateService", False, _service_of("web")),
        ("RegisterTaskDefinition", False, _just(family="webshop", networkMode="awsvpc", cpu="512", memory="1024")),
    ),
    *_actions("ecr", ("DescribeRepositories", True, _nothing), ("GetAuthorizationToken", True, _nothing)),
    *_actions(
        "rds",
        ("DescribeDBInstances", True, _nothing),
        ("DescribeDBSnapshots", True, _just(dBInstanceIdentifier="orders")),
    ),
    *_actions(
        "cloudtrail",
        ("DescribeTrails", True, _just(includeShadowTrails=True)),
        ("GetTrailStatus", True, _just(name="organization-trail")),
    ),
    *_actions(
        "config",
        ("DescribeConfigRules", True, _nothing),
        ("GetResourceConfigHistory", True, _just(resourceType="AWS::EC2::Instance")),
    ),
    *_actions(
        "guardduty",
        ("ListDetectors", True, _nothing),
        ("ListFindings", True, _just(detectorId="12abc34d567e8fa901bc2d34e56789f0", maxResults=50)),
    ),
    *_actions("organizations", ("ListAccounts", True, _nothing), ("DescribeOrganization", True, _nothing)),
    *_actions(
        "ce",
        ("GetCostAndUsage", True, _just(Granularity="DAILY", Metrics=["UnblendedCost"])),
        ("GetCostForecast", True, _just(Granularity="MONTHLY", Metric="UNBLENDED_COST")),
    ),
    *_actions(
        "route53",
        ("ListHostedZones", True, _nothing),
        ("ListResourceRecordSets", True, _just(hostedZoneId="Z0DEMO1K2L3M4N5P6Q7R")),
        ("ChangeResourceRecordSets", False, _record_sets),
    ),
    *_actions("autoscaling", ("DescribeAutoScalingGroups", True, _nothing), ("SetDesiredCapacity", False, _capacity)),
    *_actions("tag", ("GetResources", True, _just(resourcesPerPage=100))),
    *_actions(
        "glue", ("GetTable", True, _table), ("GetPartitions", True, _just(databaseName="sales", tableName="orders"))
    ),
    *_actions(
        "athena",
        ("StartQueryExecution", False, _query),
        ("GetQueryExecution", True, _just(queryExecutionId="3f0c5d1e-0000-4000-a000-0000000000aa")),
    ),
]
ACTIONS: dict[str, Action] = {f"{action.service}:{action.name}": action for action in _TABLE}


def variants(action: Action, at: Inventory, seed: int) -> tuple[Variant, ...]:
    """A dozen of this call's parameters and answers, as JSON text with placeholders."""
    random = Random(f"{action.service}:{action.name} {at.account_id} {at.region} {seed}")

    def text(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    made = (action.make(at, random) for _ in range(VARIANTS))
    return tuple(Variant(text(r[0]), text(r[1]), text(r[2]) if len(r) > 2 else "") for r in made)


def denial(action: Action, arn: str, because: str = "no identity-based policy allows the {} action") -> tuple[str, str]:
    """The error code and message with which AWS refuses a call that the caller may not make."""
    name = f"{action.service}:{re.sub(r'20[0-9]{6}(v[0-9])?$', '', action.name)}"
    if action.service == "ec2":
        reason = because.format(name)
        message = f"User: {arn} is not authorized to perform: {name} because {reason}"
        return "Client.UnauthorizedOperation", f"You are not authorized to perform this operation. {message}"
    if action.service == "s3":
        return "AccessDenied", "Access Denied"
    json_service = action.service in {"secretsmanager", "ssm", "kms", "logs", "guardduty"}
    code = "AccessDeniedException" if json_service else "AccessDenied"
    message = f"User: {arn} is not authorized to perform: {name} because {because.format(name)}"
    return code, message
