"""Records for the tests of reading, and what a filter means, said a second time in plain Python."""

import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from trailwarden.lake.ingest import land
from trailwarden.lake.store import Lake
from trailwarden.model.event import DENIED_CODES, VALUE_FIELDS, EventFilter

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
START = datetime(2026, 9, 28, tzinfo=UTC)
Record = dict[str, Any]

#: Names that differ in case, in characters that LIKE and regular expressions read, or try to be SQL.
NAMES = (
    "alice", "Alice", "ALICE", "al%ce", "a_ice", "al\\ce", "o'brien", "bob@example.com", "Bob@Example.com", "Zoë",
    "ZOË", "'; DROP TABLE events; --", "x') OR TRUE --", "100%!_", "root", "ünï.cöde", "名前", "?", ":p1", "$files",
)  # fmt: skip
ADDRESSES = (
    "10.0.0.1", "10.0.0.200", "10.0.1.1", "10.16.5.4", "10.31.255.255", "10.32.0.0", "192.0.2.7", "255.090.254.5",
    "AWS Internal", "ec2.amazonaws.com", "2001:db8::1", "2001:DB8:0:0::1", "2001:db8:1::5", "::ffff:10.0.0.1",
    "10.0.0.1:443", "10.0.0.300", "10.0.0.01", "fe80::1",
)  # fmt: skip
EVENTS = (
    ("iam", "CreateUser"), ("iam", "CreateAccessKey"), ("iam", "ListUsers"), ("s3", "GetObject"), ("s3", "ListBuckets"),
    ("sts", "AssumeRole"), ("ec2", "RunInstances"), ("kms", "Decrypt"), ("ec2", "runinstances"),
)  # fmt: skip
ERRORS = (
    None, None, None, "AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "NoSuchBucket",
    "accessdenied", "AccessDeniedNot", "", "ThrottlingException",
)  # fmt: skip
ROLES = ("Admin", "admin", "Read_Only", "AWSReservedSSO_Admin_0123456789abcdef")
REGIONS = ("us-east-1", "eu-west-1", "eu-central-1")
ACCOUNTS = ("111111111111", "222222222222")
BUCKETS = ("logs", "lo%gs", 'quo"ted', "back\\slash", "ARN", "bücket", "a/b")


def record(number: int, **fields: Any) -> Record:
    """One record; ``fields`` replace the usual ones."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "userName": "dana", "arn": "arn:aws:iam::111111111111:user/dana"},
        "eventTime": "2026-11-20T10:00:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "ListUsers",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.1",
        "userAgent": "aws-cli/2.1",
        "requestParameters": None,
        "responseElements": None,
        "eventID": f"{number:08d}-0000-4000-8000-000000000000",
        "readOnly": True,
        "eventType": "AwsApiCall",
        "recipientAccountId": "111111111111",
    } | fields


def written(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build(root: Path, records: Iterable[Record], *, location: str = "/logs") -> Lake:
    """A lake that holds these records."""
    lake = Lake.open(root)
    add(lake, records, location=location)
    return lake


def add(lake: Lake, records: Iterable[Record], *, location: str = "/logs") -> None:
    texts = [json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode() for each in records]
    land(lake, texts, source="files", location=location, now=NOW)


def random_records(seed: int, count: int) -> list[Record]:
    """Records over two months, many of them of the same second, drawn from the values above."""
    chance = random.Random(seed)
    return [_random_record(chance, number) for number in range(count)]


def _random_record(chance: random.Random, number: int) -> Record:
    source, name = chance.choice(EVENTS)
    account = chance.choice(ACCOUNTS)
    error = chance.choice(ERRORS)
    bucket = chance.choice(BUCKETS)
    moment = START + timedelta(days=chance.randrange(50), seconds=chance.choice((0, 0, 1, 59, 3600, 86399)))
    made = record(
        number,
        userIdentity=_random_identity(chance, account),
        eventTime=written(moment),
        eventSource=f"{source}.amazonaws.com",
        eventName=name,
        awsRegion=chance.choice(REGIONS),
        sourceIPAddress=chance.choice(ADDRESSES),
        userAgent=chance.choice(("aws-cli/2.1", "AWS-CLI/2.1", "Boto3/1.4%", "console.amazonaws.com")),
        requestParameters=chance.choice((None, {"bucketName": bucket}, {"nested": [{"logs": 1}, [bucket, "x"]]})),
        responseElements=chance.choice((None, {"arn": f"arn:aws:s3:::{bucket}"}, {"logs": "other", "ok": True})),
        recipientAccountId=account,
    )
    if chance.random() < 0.3:
        made["resources"] = [{"ARN": f"arn:aws:s3:::{bucket}", "accountId": account, "type": "AWS::S3::Bucket"}]
    if error is not None:
        made |= {"errorCode": error, "errorMessage": f"no: {error}"} if error else {"errorCode": error}
    if chance.random() < 0.1:
        made |= {
            "eventSource": "signin.amazonaws.com",
            "eventName": "ConsoleLogin",
            "responseElements": {"ConsoleLogin": chance.choice(("Success", "Failure"))},
        }
    for key in ("readOnly", "sourceIPAddress", "userAgent", "awsRegion"):
        if chance.random() < 0.07:
            del made[key]
    return made


def _random_identity(chance: random.Random, account: str) -> Record:
    name, role = chance.choice(NAMES), chance.choice(ROLES)
    kind = chance.randrange(6)
    if kind < 2:
        return {
            "type": "IAMUser",
            "userName": name,
            "arn": f"arn:aws:iam::{account}:user/{name}",
            "accountId": account,
            "accessKeyId": f"AKIA{NAMES.index(name):016d}",
        }
    if kind < 4:
        issuer = {"type": "Role", "userName": role, "arn": f"arn:aws:iam::{account}:role/path/{role}"}
        context: Record = {"sessionIssuer": issuer} if chance.random() < 0.8 else {}
        if chance.random() < 0.4:
            context["sourceIdentity"] = chance.choice(NAMES)
        return {
            "type": "AssumedRole",
            "principalId": f"AROAEXAMPLE:{name}",
            "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
            "accountId": account,
            "accessKeyId": f"ASIA{NAMES.index(name):016d}",
            "sessionContext": context,
        }
    if kind == 4:
        return {"type": "Root", "arn": f"arn:aws:iam::{account}:root", "accountId": account}
    return {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}


class Facts:
    """What the record reference says of one record, read in the plainest way."""

    def __init__(self, of: Record) -> None:
        identity = of.get("userIdentity") or {}
        context = identity.get("sessionContext") or {}
        issuer = context.get("sessionIssuer") or {}
        session = identity.get("type") == "AssumedRole"
        self.record = of
        self.time = datetime.fromisoformat(of["eventTime"])
        self.arn = identity.get("arn")
        self.session = identity["principalId"].split(":", 1)[1] if session else None
        self.users = [identity.get("userName"), self.session, context.get("sourceIdentity")]
        self.type = identity.get("type")
        self.role_arn = issuer.get("arn")
        self.role = issuer.get("userName") or (identity["arn"].split("/")[1] if session else None)
        self.access_key = identity.get("accessKeyId")
        self.account = of.get("recipientAccountId")
        self.actor = self.session or identity.get("userName") or self.arn or identity.get("invokedBy")
        self.failed = bool(of.get("errorCode") or of.get("errorMessage")) or '"Failure"' in json.dumps(
            of.get("responseElements")
        )

    @property
    def order(self) -> tuple[datetime, str]:
        return self.time, self.record["eventID"]


def matches(facts: Facts, where: EventFilter) -> bool:
    """Whether a record is one that the filter asks for."""
    asked = [_holds(facts, where, name) for name in _given(where)]
    excluded = [_holds(facts, where.exclude, name) for name in _given(where.exclude)] if where.exclude else []
    return all(asked) and not any(excluded)


def _given(where: EventFilter) -> Iterator[str]:
    yield from (name for name in VALUE_FIELDS if getattr(where, name))
    yield from (name for name in ("denied", "failed", "read_only") if getattr(where, name) is not None)


def _holds(facts: Facts, where: EventFilter, name: str) -> bool:
    value = getattr(where, name)
    if name == "denied":
        return bool(value) == (facts.record.get("errorCode") or "").endswith(DENIED_CODES)
    if name == "failed":
        return bool(value) == facts.failed
    if name == "read_only":
        return bool(facts.record.get("readOnly") == value)
    return any(_has(facts, name, each) for each in value)


def _has(facts: Facts, name: str, value: str) -> bool:
    of = facts.record
    source = of["eventSource"]
    if name == "user":
        return (
            any(same(user, value, fold=True) for user in facts.users)
            or (value.startswith("arn:") and same(facts.arn, value))
            or (value.lower() == "root" and facts.type == "Root")
        )
    if name == "event":
        service, colon, event = value.rpartition(":")
        return same(of["eventName"], event, fold=True) and (not colon or _from(source, service))
    if name == "source":
        return _from(source, value)
    if name == "role":
        if value.startswith("arn:"):
            return same(facts.role_arn, value) or _in_role(facts, value)
        return same(facts.role, value, fold=True)
    if name == "ip":
        return _address(of.get("sourceIPAddress"), value)
    if name == "resource":
        return _resource(of, value)
    if name == "text":
        return any(_contains(text, value) for text in texts(of))
    column, fold = {
        "access_key": (facts.access_key, False),
        "session": (facts.session, True),
        "arn": (facts.arn, False),
        "error": (of.get("errorCode"), True),
        "account": (facts.account, False),
        "region": (of.get("awsRegion"), True),
        "user_agent": (of.get("userAgent"), True),
        "principal_type": (facts.type, True),
    }[name]
    return same(column, value, fold=fold)


def same(recorded: str | None, value: str, *, fold: bool = False) -> bool:
    if recorded is None:
        return False
    if fold:
        recorded, value = recorded.lower(), value.lower()
    return re.fullmatch(".*".join(map(re.escape, value.split("*"))), recorded, re.DOTALL) is not None


def _from(source: str, value: str) -> bool:
    full = value if "." in value or value.endswith("*") else f"{value}.amazonaws.com"
    return same(source, full, fold=True)


def _in_role(facts: Facts, value: str) -> bool:
    if facts.session is None:
        return False
    if facts.role_arn is None and ":role/" in value:
        account, name = value.split(":")[4], value.rsplit("/", 1)[-1]
        return bool(facts.arn and facts.arn.startswith(f"arn:aws:sts::{account}:assumed-role/{name}/"))
    return facts.arn == value or (value.count("/") == 1 and (facts.arn or "").startswith(f"{value}/"))


def _address(recorded: str | None, value: str) -> bool:
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return same(recorded, value)
    try:
        return recorded is not None and ip_address(recorded) in network
    except ValueError:
        return False


def _resource(of: Record, value: str) -> bool:
    arns = [each["ARN"] for each in of.get("resources", ())]
    if any(same(arn, value) or any(same(arn[at + 1 :], value) for at in _separators(arn)) for arn in arns):
        return True
    return any(same(leaf, value) for key in ("requestParameters", "responseElements") for leaf in _leaves(of.get(key)))


def _separators(arn: str) -> list[int]:
    return [at for at, character in enumerate(arn) if character in ":/"]


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _leaves(member)
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member)


def texts(of: Record) -> Iterator[str]:
    """What text search looks into: the top-level texts, and the nested values as JSON."""
    for key, value in of.items():
        if isinstance(value, str) and key != "eventTime":
            yield value
        elif isinstance(value, dict | list):
            yield json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _contains(text: str, value: str) -> bool:
    if value == value.lower():
        text = text.lower()
    if "*" in value:
        return re.search(".*".join(map(re.escape, value.split("*"))), text, re.DOTALL) is not None
    return value in text or json.dumps(value, ensure_ascii=False)[1:-1] in text


def ids(events: Sequence[Any]) -> list[str]:
    return [event.event_id for event in events]
