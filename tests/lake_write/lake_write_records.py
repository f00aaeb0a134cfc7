"""Records in CloudTrail's shapes, files of them, and what a lake gives back."""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from trailwarden.lake.decode import restore
from trailwarden.lake.ingest import IngestReport, ingest
from trailwarden.lake.sources import local_objects
from trailwarden.lake.store import Lake
from trailwarden.progress import Silent

NOW = datetime(2026, 11, 24, tzinfo=UTC)
START = datetime(2026, 11, 3, 10, 15, tzinfo=UTC)


def role_session(name: str = "alice@example.com", role: str = "Admin") -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLEROLE000001:{name}",
        "arn": f"arn:aws:sts::111111111111:assumed-role/{role}/{name}",
        "accountId": "111111111111",
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLEROLE000001",
                "arn": f"arn:aws:iam::111111111111:role/team/{role}",
                "accountId": "111111111111",
                "userName": role,
            },
            "attributes": {"creationDate": "2026-11-03T10:00:00Z", "mfaAuthenticated": "true"},
        },
    }


def record(number: int, *, at: datetime | None = None, **changes: Any) -> dict[str, Any]:
    """A management event; each number is another event, a minute later. ``...`` as a value leaves the key out."""
    made = {
        "eventVersion": "1.11",
        "userIdentity": role_session(),
        "eventTime": f"{at or START + number * timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "DescribeInstances",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.17.0",
        "requestParameters": {"instancesSet": {"items": [{"instanceId": f"i-{number:017x}"}]}},
        "responseElements": None,
        "requestID": f"00000000-0000-4000-9000-{number:012x}",
        "eventID": f"00000000-0000-4000-8000-{number:012x}",
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": "111111111111",
        "eventCategory": "Management",
    }
    return {key: value for key, value in (made | changes).items() if value is not ...}


def document(records: Sequence[Any], **dumps: Any) -> bytes:
    return json.dumps({"Records": records}, **dumps).encode()


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    return path


def read_in(lake: Lake, path: Path, **options: Any) -> IngestReport:
    settings: dict[str, Any] = {"workers": 1, "compact": False, "now": NOW, **options}
    report = ingest(lake, local_objects(path), progress=Silent(), **settings)
    assert report.records == report.new + report.duplicates + report.quarantined
    return report


def rows(lake: Lake) -> list[dict[str, Any]]:
    """The rows of all parts, by time."""
    found = [row for part in lake.manifest.parts() for row in pq.ParquetFile(lake.path(part)).read().to_pylist()]
    return sorted(found, key=lambda row: (row["event_time"], row["event_id"]))


def contents(lake: Lake) -> "Counter[str]":
    """The records as read, as a multiset of canonical JSON."""
    return Counter(canonical(restore(row)) for row in rows(lake))


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def multiset(records: Sequence[Any]) -> "Counter[str]":
    return Counter(map(canonical, records))
