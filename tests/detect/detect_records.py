"""CloudTrail records of john, whose key is stolen on 23 November, and of others who only do their work."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 11, 24, 9, 0, 0, tzinfo=UTC)
PROD = "111111111111"
JOHN, BOB = (f"arn:aws:iam::{PROD}:user/{name}" for name in ("john", "bob"))
JOHNS_KEY, BOBS_KEY, DEPLOY_KEY = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "ASIAIOSFODNN7EXAMPLE"
DEPLOY = f"arn:aws:iam::{PROD}:role/Deploy"
INSTANCE = "i-0123456789abcdef0"
INSTANCE_KEYS = ("ASIA0000INSTANCE0001", "ASIA0000INSTANCE0002", "ASIA0000INSTANCE0003")
OFFICE, ATTACKER, EGRESS = "198.51.100.10", "192.0.2.66", "203.0.113.99"
STOLEN = datetime(2026, 11, 23, 21, 0, 0, tzinfo=UTC)

Record = dict[str, Any]


def record(number: int, time: datetime, what: str, identity: Record, ip: str, **more: Any) -> bytes:
    source, name = what.split(":", 1)
    body: Record = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": ip,
        "userAgent": "aws-cli/2.31.0",
        "requestParameters": None,
        "responseElements": None,
        "requestID": f"req-{number}",
        "eventID": f"00000000-0000-4000-8000-{number:012}",
        "readOnly": name.startswith(("Get", "List", "Describe")),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": PROD,
        "eventCategory": "Management",
    }
    return json.dumps({**body, **more}).encode()


def iam_user(arn: str, key: str) -> Record:
    name = arn.rsplit("/", 1)[-1]
    principal = f"AIDA{name.upper()}EXAMPLE"
    return {
        "type": "IAMUser",
        "principalId": principal,
        "arn": arn,
        "accountId": PROD,
        "accessKeyId": key,
        "userName": name,
    }


def role_session(role: str, session: str, key: str, created: datetime, **context: Any) -> Record:
    unique = f"AROA{role.upper()}EXAMPLE"
    return {
        "type": "AssumedRole",
        "principalId": f"{unique}:{session}",
        "arn": f"arn:aws:sts::{PROD}:assumed-role/{role}/{session}",
        "accountId": PROD,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": unique,
                "arn": f"arn:aws:iam::{PROD}:role/{role}",
                "accountId": PROD,
                "userName": role,
            },
            "attributes": {"creationDate": f"{created:%Y-%m-%dT%H:%M:%SZ}", "mfaAuthenticated": "false"},
            **context,
        },
    }


def everyday() -> list[bytes]:
    """Three weeks of work of john and bob, from the office."""
    made = []
    for day in range(2, 23):
        for hour in range(8, 14):
            time = datetime(2026, 11, day, hour, tzinfo=UTC)
            number = day * 1000 + hour * 10
            made.append(record(number, time, "s3:ListBuckets", iam_user(JOHN, JOHNS_KEY), OFFICE))
            made.append(record(number + 1, time, "ec2:DescribeInstances", iam_user(BOB, BOBS_KEY), OFFICE))
    return made


def theft() -> list[bytes]:
    """What was done with john's key, and with the session of a role that it led to."""
    john, at = iam_user(JOHN, JOHNS_KEY), iter(range(100_000, 200_000))

    def call(minutes: float, what: str, who: Record = john, **more: Any) -> bytes:
        return record(next(at), STOLEN + timedelta(minutes=minutes), what, who, ATTACKER, **more)

    denied: Record = {"errorCode": "AccessDenied", "errorMessage": "is not authorized to perform"}
    issued: Record = {
        "credentials": {
            "accessKeyId": DEPLOY_KEY, "sessionToken": "…", "expiration": "Nov 23, 2026, 10:20:00 PM",
        },
        "assumedRoleUser": {
            "assumedRoleId": "AROADEPLOYEXAMPLE:work", "arn": f"arn:aws:sts::{PROD}:assumed-role/Deploy/work",
        },
    }  # fmt: skip
    deploy = role_session("Deploy", "work", DEPLOY_KEY, STOLEN + timedelta(minutes=20))
    return [
        call(0, "sts:GetCallerIdentity"),
        call(1, "iam:ListUsers"),
        call(2, "s3:ListBuckets"),
        call(3, "secretsmanager:ListSecrets", **denied),
        *(call(5 + at / 10, "s3:GetBucketPolicy", **denied) for at in range(12)),
        call(10, "iam:CreateAccessKey", requestParameters={"userName": "backup-svc"}),
        call(12, "cloudtrail:StopLogging", requestParameters={"name": "org-trail"}, **denied),
        call(
            20,
            "sts:AssumeRole",
            requestParameters={"roleArn": DEPLOY, "roleSessionName": "work"},
            responseElements=issued,
        ),
        call(25, "cloudtrail:DeleteTrail", deploy, requestParameters={"name": "org-trail"}),
        call(26, "kms:ListKeys"),
    ]


def instance() -> list[bytes]:
    """An instance whose second credentials are used from elsewhere, while it goes on from its own address."""
    made = []
    for number, key in enumerate(INSTANCE_KEYS):
        created = STOLEN + timedelta(hours=6 * (number - 1))
        who = role_session("web", INSTANCE, key, created, ec2RoleDelivery="2.0")
        for at, ip in enumerate((EGRESS, ATTACKER if number == 1 else EGRESS)):
            time = created + timedelta(minutes=10 + at)
            made.append(record(300_000 + number * 10 + at, time, "sqs:ListQueues", who, ip))
    return made
