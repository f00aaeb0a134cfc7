"""Names that questions use for what AWS calls otherwise: Regions, services, errors, kinds of resources.

Sources: https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html and
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-aws-service-specific-topics.html
"""

import re


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: What people call a Region -> its code. Lower case; codes stand for themselves.
REGION_NAMES = {
    "cape town": "af-south-1", "hong kong": "ap-east-1", "taipei": "ap-east-2", "tokyo": "ap-northeast-1",
    "seoul": "ap-northeast-2", "osaka": "ap-northeast-3", "mumbai": "ap-south-1", "hyderabad": "ap-south-2",
    "singapore": "ap-southeast-1", "sydney": "ap-southeast-2", "jakarta": "ap-southeast-3",
    "melbourne": "ap-southeast-4", "malaysia": "ap-southeast-5", "new zealand": "ap-southeast-6",
    "thailand": "ap-southeast-7", "canada central": "ca-central-1", "montreal": "ca-central-1",
    "calgary": "ca-west-1", "beijing": "cn-north-1", "ningxia": "cn-northwest-1", "frankfurt": "eu-central-1",
    "zurich": "eu-central-2", "stockholm": "eu-north-1", "milan": "eu-south-1", "spain": "eu-south-2",
    "ireland": "eu-west-1", "dublin": "eu-west-1", "london": "eu-west-2", "paris": "eu-west-3",
    "tel aviv": "il-central-1", "uae": "me-central-1", "bahrain": "me-south-1", "mexico": "mx-central-1",
    "sao paulo": "sa-east-1", "são paulo": "sa-east-1", "n. virginia": "us-east-1",
    "northern virginia": "us-east-1", "virginia": "us-east-1", "ohio": "us-east-2", "n. california": "us-west-1",
    "northern california": "us-west-1", "oregon": "us-west-2", "govcloud us-east": "us-gov-east-1",
    "govcloud us-west": "us-gov-west-1",
}  # fmt: skip
REGION_CODES = frozenset(REGION_NAMES.values())
REGION_CODE = re.compile(
    r"(?<![\w-])(?:af|ap|ca|cn|eu|il|me|mx|sa|us)(?:-gov|-isob?)?-"
    r"(?:north|south|east|west|central|northeast|northwest|southeast|southwest)-\d(?![\w-])",
    re.IGNORECASE,
)

#: What people call a service -> the first label of its eventSource.
SERVICE_NAMES = {
    "s3": "s3", "iam": "iam", "ec2": "ec2", "sts": "sts", "kms": "kms", "lambda": "lambda", "rds": "rds",
    "dynamodb": "dynamodb", "cloudtrail": "cloudtrail", "cloudwatch": "monitoring", "cloudwatch logs": "logs",
    "cloudformation": "cloudformation", "secrets manager": "secretsmanager", "secretsmanager": "secretsmanager",
    "ssm": "ssm", "systems manager": "ssm", "parameter store": "ssm", "sns": "sns", "sqs": "sqs", "eks": "eks",
    "ecs": "ecs", "ecr": "ecr", "route 53": "route53", "route53": "route53", "aws organizations": "organizations",
    "organizations": "organizations", "guardduty": "guardduty", "security hub": "securityhub",
    "securityhub": "securityhub", "aws config": "config", "cloudfront": "cloudfront",
    "elastic load balancing": "elasticloadbalancing", "elb": "elasticloadbalancing",
    "auto scaling": "autoscaling", "autoscaling": "autoscaling", "api gateway": "apigateway",
    "apigateway": "apigateway", "athena": "athena", "glue": "glue", "redshift": "redshift", "bedrock": "bedrock",
    "sagemaker": "sagemaker", "waf": "wafv2", "wafv2": "wafv2", "cognito": "cognito-idp",
    "identity store": "identitystore", "kinesis": "kinesis", "step functions": "states",
    "eventbridge": "events", "acm": "acm", "codebuild": "codebuild", "codepipeline": "codepipeline",
    "codecommit": "codecommit", "elasticache": "elasticache", "efs": "elasticfilesystem",
    "opensearch": "es", "macie": "macie2", "inspector": "inspector2", "access analyzer": "access-analyzer",
    "aws backup": "backup", "service quotas": "servicequotas", "ses": "ses", "cloudshell": "cloudshell",
}  # fmt: skip

#: The first words of API operations. ``CreateUser`` is an event name because it begins with one of them.
OPERATION_VERBS = _words(
    "Accept Activate Add Allocate Apply Approve Assign Associate Assume Attach Authorize Batch Begin Cancel "
    "Change Check Complete Confirm Connect Copy Create Deactivate Decode Delete Deploy Deregister Describe Detach "
    "Disable Disassociate Discover Download Enable Encrypt Estimate Execute Export Filter Generate Get Head "
    "Import Initiate Invoke Issue Leave List Lookup Modify Move Publish Purchase Put Query Reboot Receive "
    "Register Reject Release Remove Renew Replace Report Request Reset Restore Resume Resync Retire Revoke Rotate "
    "Run Scan Schedule Search Select Send Set Share Simulate Start Stop Submit Subscribe Suspend Switch Tag "
    "Terminate Test Transfer Unassign Unsubscribe Untag Update Upload Upgrade Validate Verify"
)
#: Event names that no verb begins.
OTHER_EVENTS = frozenset(
    _words(
        "ConsoleLogin UserAuthentication CredentialVerification CredentialChallenge PasswordRecoveryRequested "
        "PasswordRecoveryCompleted PasswordUpdated ExitRole Federate Authenticate Logout Decrypt Encrypt Publish "
        "ReEncrypt Sign Invoke TagResource"
    )
)
EVENT_NAME = re.compile(
    rf"(?<![\w:./@-])(?:(?:{'|'.join(OPERATION_VERBS)})[A-Z][A-Za-z0-9]*\*?"
    rf"|(?:{'|'.join(OPERATION_VERBS)})[A-Za-z]*\*|{'|'.join(sorted(OTHER_EVENTS))})(?![\w@/*-]|\.\w)"
)
QUALIFIED_EVENT = re.compile(r"(?<![\w:./@-])([a-z][a-z0-9-]{1,30}):([A-Za-z*][A-Za-z0-9*]*)(?![\w:/@])")
ERROR_CODE = re.compile(
    r"(?<![\w@./-])(?:Client\.\w+|Server\.\w+|NoSuch[A-Z]\w+|Invalid[A-Z]\w+|UnauthorizedOperation"
    r"|[A-Z][a-z]+[A-Za-z]*(?:Exception|Denied|Error|Fault|NotFound|Exceeded|Failure))(?![\w@/-])"
)
#: Ids of resources that say by their shape what they are.
RESOURCE_ID = re.compile(
    r"(?<![\w-])(?:vol|snap|ami|sg|sgr|vpc|subnet|eni|igw|nat|rtb|acl|lt|vpce|eipalloc|tgw|pcx|fs|cgw|vgw|key|dopt)"
    r"-(?:[0-9a-f]{17}|[0-9a-f]{8})(?![\w-])"
)

#: What may stand before a resource's name -> the end of the operations' names that are about such a resource.
RESOURCE_KINDS = {
    "instance": "Instances", "bucket": "Bucket*", "policy": "*Policy*", "group": "Group", "trail": "Trail",
    "security group": "SecurityGroup*", "function": "Function*", "secret": "Secret", "table": "Table",
    "queue": "Queue", "topic": "Topic", "volume": "Volume", "snapshot": "Snapshot", "image": "Image",
    "login profile": "LoginProfile", "mfa device": "*MFADevice", "stack": "Stack", "cluster": "Cluster",
    "database": "DBInstance", "repository": "Repository", "parameter": "Parameter*", "object": "Object*",
    "alarm": "Alarm*", "rule": "Rule", "detector": "Detector", "log group": "LogGroup", "key pair": "KeyPair",
    "user": "User", "role": "Role", "access key": "AccessKey", "kms key": "Key",
}  # fmt: skip
#: (operation verb, kind) whose operation is named otherwise than verb + kind.
IRREGULAR_OPERATIONS = {
    ("Create*", "instance"): ("RunInstances",),
    ("Delete*", "instance"): ("TerminateInstances",),
    ("Remove*", "instance"): ("TerminateInstances",),
    ("Delete*", "image"): ("DeregisterImage",),
    ("Stop*", "trail"): ("StopLogging",),
    ("Disable*", "trail"): ("StopLogging",),
    ("Start*", "trail"): ("StartLogging",),
    ("Disable*", "access key"): ("UpdateAccessKey",),
    ("Enable*", "access key"): ("UpdateAccessKey",),
    ("Delete*", "kms key"): ("ScheduleKeyDeletion",),
}

#: The operations that there are on any kind of resource, and those that some kinds have besides.
COMMON_OPERATIONS = frozenset(("Create*", "Delete*", "Update*", "Put*", "Tag*", "Untag*", "Restore*", "Copy*"))
MORE_OPERATIONS = {
    "instance": ("Start*", "Stop*", "Reboot*", "Terminate*"), "policy": ("Attach*", "Detach*"),
    "security group": ("Authorize*", "Revoke*"), "volume": ("Attach*", "Detach*"), "secret": ("Rotate*",),
    "mfa device": ("Enable*",), "alarm": ("Enable*", "Disable*"), "rule": ("Enable*", "Disable*"),
    "image": ("Register*", "Deregister*"), "database": ("Start*", "Stop*", "Reboot*"), "cluster": ("Register*",),
    "logging": ("Start*", "Stop*"),
}  # fmt: skip

#: Words that are never taken for a bare name of a user: who means such a name puts it in quotes or says "user …".
NOT_NAMES = frozenset(
    _words(
        "i me my mine we us our ours you your yours he him his she her hers it its they them their theirs one ones "
        "this that these those here there then than so too very much many more most less least few some such same "
        "other others another else own both either neither nor none nobody nothing never no not yes ok if because "
        "while though although since until unless whether per via into onto over under above below about across along "
        "around behind beside beyond near off out up down through throughout toward upon within without during after "
        "before and or but can could may might must shall should will would cannot be being become need want like let "
        "go going gone come coming take taken put make making keep kept look looking ask asked say said know known "
        "think thought hour hourly day daily week weekly month monthly year yearly minute second time date when where "
        "why how which what who whom whose accident mistake force hand default design attacker attackers hacker "
        "hackers intruder intruders adversary malware bots human humans employee employees admins administrators "
        "customer customers vendor vendors team teams staff external internal suspicious malicious weird strange "
        "unusual abnormal anomalous risky dangerous important new old nowhere somewhere anywhere everywhere home "
        "office good bad normal privileged "
        "unprivileged compromised stolen leaked public private recently lately soon later earlier ago currently mfa "
        "multi-factor password passwords permission permissions number numbers total percent average sum size amount "
        "list count group sort order"
    )
)
