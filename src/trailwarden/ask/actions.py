"""IAM actions as questions name them: "read bucket logs" is ``s3:GetObject`` on ``arn:aws:s3:::logs/*``.

A verb and the kind of resource that it is done to give one action, by ``ACTIONS``; where they could be several, or
none is listed, the question is refused and asks for the action itself. Names of actions and shapes of ARNs:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Mapping

import msgspec

from ..errors import NotUnderstood

#: Word of a question, as it begins -> the verb of the table. Tried by longest start.
_VERBS: Mapping[str, str] = {
    "read": "read", "view": "read", "look": "read", "get": "read", "download": "read", "receive": "read",
    "consume": "read", "write": "write", "wrote": "write", "written": "write", "put": "write", "upload": "write",
    "save": "write", "overwrite": "write", "send": "write", "publish": "write", "delet": "delete",
    "remov": "delete", "schedule deletion": "delete", "list": "list", "show": "list", "creat": "create",
    "add": "create", "launch": "create", "terminat": "terminate", "stop": "stop", "disabl": "stop",
    "deactivat": "stop", "start": "start", "reboot": "reboot", "invok": "invoke", "run": "invoke", "call": "invoke",
    "execut": "invoke", "updat": "change", "modif": "change", "chang": "change", "edit": "change",
    "alter": "change", "attach": "attach", "detach": "detach", "assum": "assume", "switch": "assume", "use": "use",
    "using": "use", "pass": "pass", "decrypt": "decrypt", "encrypt": "encrypt", "share": "share",
    "rotat": "rotate", "reset": "reset", "restor": "restore", "tag": "tag", "authoriz": "authorize",
    "access": "access", "touch": "access",
}  # fmt: skip
#: Verb -> kind -> the action.
ACTIONS: Mapping[str, Mapping[str, str]] = {
    "read": {
        "bucket": "s3:GetObject", "object": "s3:GetObject", "secret": "secretsmanager:GetSecretValue",
        "parameter": "ssm:GetParameter", "table": "dynamodb:GetItem", "queue": "sqs:ReceiveMessage",
        "function": "lambda:GetFunction", "log group": "logs:GetLogEvents", "role": "iam:GetRole",
        "user": "iam:GetUser", "policy": "iam:GetPolicyVersion",
    },
    "write": {
        "bucket": "s3:PutObject", "object": "s3:PutObject", "secret": "secretsmanager:PutSecretValue",
        "parameter": "ssm:PutParameter", "table": "dynamodb:PutItem", "queue": "sqs:SendMessage",
        "topic": "sns:Publish", "log group": "logs:PutLogEvents",
    },
    "delete": {
        "bucket": "s3:DeleteBucket", "object": "s3:DeleteObject", "secret": "secretsmanager:DeleteSecret",
        "parameter": "ssm:DeleteParameter", "table": "dynamodb:DeleteTable", "queue": "sqs:DeleteQueue",
        "topic": "sns:DeleteTopic", "kms key": "kms:ScheduleKeyDeletion", "function": "lambda:DeleteFunction",
        "log group": "logs:DeleteLogGroup", "instance": "ec2:TerminateInstances", "volume": "ec2:DeleteVolume",
        "snapshot": "ec2:DeleteSnapshot", "image": "ec2:DeregisterImage", "security group": "ec2:DeleteSecurityGroup",
        "access key": "iam:DeleteAccessKey", "user": "iam:DeleteUser", "role": "iam:DeleteRole",
        "group": "iam:DeleteGroup", "policy": "iam:DeletePolicy", "login profile": "iam:DeleteLoginProfile",
        "trail": "cloudtrail:DeleteTrail", "detector": "guardduty:DeleteDetector",
        "stack": "cloudformation:DeleteStack", "database": "rds:DeleteDBInstance",
        "repository": "ecr:DeleteRepository", "alarm": "cloudwatch:DeleteAlarms",
        "mfa device": "iam:DeleteVirtualMFADevice", "key pair": "ec2:DeleteKeyPair",
    },
    "list": {
        "bucket": "s3:ListAllMyBuckets", "object": "s3:ListBucket", "secret": "secretsmanager:ListSecrets",
        "table": "dynamodb:ListTables", "queue": "sqs:ListQueues", "topic": "sns:ListTopics",
        "function": "lambda:ListFunctions", "kms key": "kms:ListKeys", "parameter": "ssm:DescribeParameters",
        "user": "iam:ListUsers", "role": "iam:ListRoles", "group": "iam:ListGroups", "policy": "iam:ListPolicies",
        "access key": "iam:ListAccessKeys", "instance": "ec2:DescribeInstances",
    },
    "create": {
        "bucket": "s3:CreateBucket", "secret": "secretsmanager:CreateSecret", "table": "dynamodb:CreateTable",
        "queue": "sqs:CreateQueue", "topic": "sns:CreateTopic", "kms key": "kms:CreateKey",
        "function": "lambda:CreateFunction", "instance": "ec2:RunInstances", "snapshot": "ec2:CreateSnapshot",
        "volume": "ec2:CreateVolume", "image": "ec2:CreateImage", "security group": "ec2:CreateSecurityGroup",
        "access key": "iam:CreateAccessKey", "user": "iam:CreateUser", "role": "iam:CreateRole",
        "group": "iam:CreateGroup", "policy": "iam:CreatePolicy", "login profile": "iam:CreateLoginProfile",
        "trail": "cloudtrail:CreateTrail", "stack": "cloudformation:CreateStack",
        "database": "rds:CreateDBInstance", "key pair": "ec2:CreateKeyPair", "repository": "ecr:CreateRepository",
    },
    "terminate": {"instance": "ec2:TerminateInstances"},
    "stop": {
        "instance": "ec2:StopInstances", "trail": "cloudtrail:StopLogging", "logging": "cloudtrail:StopLogging",
        "cloudtrail": "cloudtrail:StopLogging", "database": "rds:StopDBInstance",
        "mfa device": "iam:DeactivateMFADevice", "access key": "iam:UpdateAccessKey",
        "kms key": "kms:DisableKey", "alarm": "cloudwatch:DisableAlarmActions",
    },
    "start": {
        "instance": "ec2:StartInstances", "database": "rds:StartDBInstance", "logging": "cloudtrail:StartLogging",
        "trail": "cloudtrail:StartLogging",
    },
    "reboot": {"instance": "ec2:RebootInstances", "database": "rds:RebootDBInstance"},
    "invoke": {"function": "lambda:InvokeFunction", "instance": "ec2:RunInstances"},
    "change": {
        "function": "lambda:UpdateFunctionCode", "secret": "secretsmanager:PutSecretValue",
        "parameter": "ssm:PutParameter", "policy": "iam:CreatePolicyVersion", "trail": "cloudtrail:UpdateTrail",
        "access key": "iam:UpdateAccessKey", "login profile": "iam:UpdateLoginProfile",
        "trust": "iam:UpdateAssumeRolePolicy", "stack": "cloudformation:UpdateStack",
        "table": "dynamodb:UpdateItem", "security group": "ec2:AuthorizeSecurityGroupIngress",
    },
    "authorize": {"security group": "ec2:AuthorizeSecurityGroupIngress"},
    "attach": {"policy/role": "iam:AttachRolePolicy", "policy/user": "iam:AttachUserPolicy",
               "policy/group": "iam:AttachGroupPolicy", "volume": "ec2:AttachVolume"},
    "detach": {"policy/role": "iam:DetachRolePolicy", "policy/user": "iam:DetachUserPolicy",
               "policy/group": "iam:DetachGroupPolicy", "volume": "ec2:DetachVolume"},
    "assume": {"role": "sts:AssumeRole"},
    "use": {"role": "sts:AssumeRole", "kms key": "kms:Decrypt"},
    "pass": {"role": "iam:PassRole"},
    "decrypt": {"kms key": "kms:Decrypt"},
    "encrypt": {"kms key": "kms:Encrypt"},
    "share": {"snapshot": "ec2:ModifySnapshotAttribute", "image": "ec2:ModifyImageAttribute"},
    "rotate": {"secret": "secretsmanager:RotateSecret"},
    "restore": {"secret": "secretsmanager:RestoreSecret", "kms key": "kms:CancelKeyDeletion"},
    "reset": {"login profile": "iam:UpdateLoginProfile"},
}  # fmt: skip
#: Action -> its verb and kind where the resource is named and another action is meant: one bucket is listed by
#: its objects.
_OF_ONE: Mapping[tuple[str, str], str] = {("list", "bucket"): "s3:ListBucket", ("list", "secret"): ""}
#: Kind -> the ARN of the resource of a name. ``{account}`` and ``{name}`` are filled in.
_ARNS: Mapping[str, str] = {
    "bucket": "arn:aws:s3:::{name}", "object": "arn:aws:s3:::{name}/*",
    "secret": "arn:aws:secretsmanager:*:{account}:secret:{name}-??????",
    "parameter": "arn:aws:ssm:*:{account}:parameter/{name}", "table": "arn:aws:dynamodb:*:{account}:table/{name}",
    "queue": "arn:aws:sqs:*:{account}:{name}", "topic": "arn:aws:sns:*:{account}:{name}",
    "kms key": "arn:aws:kms:*:{account}:key/{name}", "function": "arn:aws:lambda:*:{account}:function:{name}",
    "log group": "arn:aws:logs:*:{account}:log-group:{name}:*", "instance": "arn:aws:ec2:*:{account}:instance/{name}",
    "volume": "arn:aws:ec2:*:{account}:volume/{name}", "snapshot": "arn:aws:ec2:*::snapshot/{name}",
    "image": "arn:aws:ec2:*::image/{name}", "security group": "arn:aws:ec2:*:{account}:security-group/{name}",
    "user": "arn:aws:iam::{account}:user/{name}", "role": "arn:aws:iam::{account}:role/{name}",
    "group": "arn:aws:iam::{account}:group/{name}", "policy": "arn:aws:iam::{account}:policy/{name}",
    "trail": "arn:aws:cloudtrail:*:{account}:trail/{name}",
    "stack": "arn:aws:cloudformation:*:{account}:stack/{name}/*",
    "database": "arn:aws:rds:*:{account}:db:{name}", "repository": "arn:aws:ecr:*:{account}:repository/{name}",
    "alarm": "arn:aws:cloudwatch:*:{account}:alarm:{name}", "key pair": "arn:aws:ec2:*:{account}:key-pair/{name}",
    "mfa device": "arn:aws:iam::{account}:mfa/{name}", "detector": "arn:aws:guardduty:*:{account}:detector/{name}",
}  # fmt: skip
#: Start of an ARN's resource, by service -> the kind. ``""`` is any.
_KINDS_OF_ARNS: Mapping[tuple[str, str], str] = {
    ("secretsmanager", "secret"): "secret", ("ssm", "parameter"): "parameter", ("dynamodb", "table"): "table",
    ("sqs", ""): "queue", ("sns", ""): "topic", ("kms", "key"): "kms key", ("lambda", "function"): "function",
    ("logs", "log-group"): "log group", ("ec2", "instance"): "instance", ("ec2", "volume"): "volume",
    ("ec2", "snapshot"): "snapshot", ("ec2", "image"): "image", ("ec2", "security-group"): "security group",
    ("iam", "user"): "user", ("iam", "role"): "role", ("iam", "group"): "group", ("iam", "policy"): "policy",
    ("cloudtrail", "trail"): "trail", ("cloudformation", "stack"): "stack", ("rds", "db"): "database",
    ("ecr", "repository"): "repository",
}  # fmt: skip
#: Start of a resource's own id -> its kind.
KINDS_OF_IDS: Mapping[str, str] = {
    "i-": "instance", "vol-": "volume", "snap-": "snapshot", "ami-": "image", "sg-": "security group",
}  # fmt: skip
#: Actions on what lies in a bucket.
_OF_OBJECTS = frozenset(("s3:GetObject", "s3:PutObject", "s3:DeleteObject"))
#: Actions that no resource can be named for: they are on ``*`` alone.
_OF_NOTHING = frozenset(
    ("secretsmanager:ListSecrets", "s3:ListAllMyBuckets", "iam:ListUsers", "iam:ListRoles", "iam:ListGroups",
     "iam:ListPolicies", "ec2:DescribeInstances", "kms:ListKeys", "kms:CreateKey")
)  # fmt: skip
_LOWER: Mapping[str, str] = {
    action.lower(): action for kinds in ACTIONS.values() for action in (*kinds.values(), *_OF_ONE.values()) if action
}


class Meant(msgspec.Struct, frozen=True):
    """An action on a resource, both as IAM writes them; ``*`` is any resource."""

    action: str
    resource: str = "*"


def verb_of(text: str) -> str:
    """The verb of the table for a word of a question; empty if it has none."""
    lowered = text.lower()
    start = max((start for start in _VERBS if lowered.startswith(start)), key=len, default="")
    return _VERBS[start] if start else ""


def action_of(verb: str, kind: str, words: str, *, named: bool = False) -> str:
    """The action of a verb on a kind of resource. ``named``: one resource of it is named.

    Raises:
        NotUnderstood: none is listed, or several could be meant.
    """
    found = verb_of(verb)
    if found == "access":
        raise NotUnderstood(
            f"{words!r} can mean to read or to write",
            remedy="ask who can read or who can write it, or what one role can do on it",
        )
    action = ACTIONS.get(found, {}).get(kind, "")
    if named:
        action = _OF_ONE.get((found, kind), action)
    if not action:
        raise NotUnderstood(
            f"which action {words!r} is, is not known", remedy="name the action as IAM does, such as s3:GetObject"
        )
    return action


def full_name(event: str) -> str:
    """An action with its service, from what a question names.

    Raises:
        NotUnderstood: the service is missing, and it is not the one action of that name that questions know.
    """
    service, _, name = event.partition(":")
    if name:
        return _LOWER.get(event.lower(), f"{service.lower()}:{name}")
    known = [action for lowered, action in _LOWER.items() if lowered.partition(":")[2] == event.lower()]
    if len(known) != 1:
        raise NotUnderstood(
            f"{event!r} lacks its service", remedy=f"write the action as IAM does, such as iam:{event.strip('*')}"
        )
    return known[0]


def resource_of(action: str, kind: str, name: str, account: str = "*") -> str:
    """The ARN that ``action`` acts on, from the kind and name of a resource, or from its ARN.

    Raises:
        NotUnderstood: the action acts on no single resource, or ARNs of that kind are not known.
    """
    if action in _OF_NOTHING:
        raise NotUnderstood(f"{action} acts on no single resource", remedy="leave the name out")
    if name.startswith("arn:"):
        return f"{name}/*" if action in _OF_OBJECTS and name.startswith("arn:aws:s3:::") and "/" not in name else name
    shape = _ARNS.get("object" if action in _OF_OBJECTS and kind == "bucket" else kind)
    if shape is None:
        raise NotUnderstood(f"how the ARN of {name!r} is written is not known", remedy="give the ARN")
    return shape.format(name=name.lstrip("/"), account=account)


def kind_of_arn(arn: str) -> str:
    """The kind of resource that an ARN names; empty if it is not known."""
    _, _, service, _, _, resource = arn.split(":", 5)
    if service == "s3":
        return "bucket"
    start = resource.replace(":", "/").partition("/")[0]
    return _KINDS_OF_ARNS.get((service, start)) or _KINDS_OF_ARNS.get((service, ""), "")
