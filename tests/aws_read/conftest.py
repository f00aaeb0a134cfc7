"""An organisation on the strict emulator, the way into it, and a clock that only the test's own waiting moves."""

import json
import threading
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.cloudtrail.models import cloudtrail_backends
from moto.s3.models import s3_backends

from trailwarden.aws.broker import Broker, CallSettings
from trailwarden.aws.connection import Connection, Purpose
from trailwarden.demo.emulator import Emulator
from trailwarden.lake.store import Lake

HOME = "100000000001"
ACCOUNTS = ("111111111111", "222222222222")
NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
Records = list[dict[str, Any]]
EXTERNAL_ID = "example-external-id"
NEEDED = (
    "cloudtrail:LookupEvents",
    "cloudtrail:ListTrails",
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetTrailStatus",
    "account:ListRegions",
    "s3:GetObject",
    "s3:ListBucket",
)


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.seconds += seconds


class Organisation:
    """Accounts with a role that this installation may assume; ``broker`` makes one attempt a call."""

    def __init__(self, emulator: Emulator, clock: Clock) -> None:
        self.emulator = emulator
        self.clock = clock
        self.broker = Broker(self, now=lambda: NOW, settings=CallSettings(attempts=1))
        self._iam = {account: emulator.session(account).client("iam") for account in ACCOUNTS}
        self._changed = set(ACCOUNTS)

    def list(self, *, purpose: Purpose | None = None) -> Sequence[Connection]:
        return [self.connection(account) for account in ACCOUNTS]

    def external_id(self, connection: Connection) -> str:
        return EXTERNAL_ID

    def connection(self, account: str) -> Connection:
        return Connection(
            id=account,
            account_id=account,
            role_arn=f"arn:aws:iam::{account}:role/Trailwarden",
            partition="aws",
            label="",
            purpose="read",
            created_at=NOW,
        )

    def start_anew(self) -> None:
        """As at first: nothing but the roles is in the accounts, and nobody has a session."""
        self.emulator.faults.clear()
        self.emulator._world.histories.clear()
        self.emulator._world.lookups.clear()
        self.clock.slept.clear()
        for account in ACCOUNTS:
            s3_backends[account]["aws"].reset()
            for held in cloudtrail_backends[account].values():
                held.reset()
            self.broker.forget(self.connection(account))
        for account in tuple(self._changed):
            self.remove_role(account)
            self._make_role(account)
        self._changed.clear()

    def _make_role(self, account: str) -> None:
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{HOME}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
        }
        self._iam[account].create_role(RoleName="Trailwarden", AssumeRolePolicyDocument=_policy(trust))
        self.allow(account, *NEEDED)

    def remove_role(self, account: str) -> None:
        self._changed.add(account)
        iam = self._iam[account]
        if any(role["RoleName"] == "Trailwarden" for role in iam.list_roles()["Roles"]):
            iam.delete_role_policy(RoleName="Trailwarden", PolicyName="read")
            iam.delete_role(RoleName="Trailwarden")

    def allow(self, account: str, *actions: str) -> None:
        """Let the role do these and nothing else."""
        self._changed.add(account)
        policy = _policy({"Effect": "Allow", "Action": actions, "Resource": "*"})
        self._iam[account].put_role_policy(RoleName="Trailwarden", PolicyName="read", PolicyDocument=policy)

    def put(self, account: str, region: str, count: int, **more: Any) -> Records:
        made = records(account, region, count, **more)
        self.emulator.put_events(account, region, made)
        return made


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def _organisation() -> Iterator[Organisation]:
    clock = Clock()
    with (
        pytest.MonkeyPatch.context() as patch,
        Emulator(now=lambda: NOW, clock=clock.monotonic, lookup_rate=2) as emulator,
    ):
        # The SDK's own brake of adaptive retries waits by the real clock.
        patch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_, **__: True)
        for name, value in emulator.environment(HOME).items():
            patch.setenv(name, value)
        yield Organisation(emulator, clock)


@pytest.fixture
def org(_organisation: Organisation) -> Organisation:
    """Accounts as new, where event history answers two requests a second, as on AWS, by the test's clock."""
    _organisation.start_anew()
    return _organisation


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with Lake.open(tmp_path / "lake") as opened:
        yield opened


def records(
    account: str,
    region: str,
    count: int,
    *,
    newest: datetime = NOW - timedelta(hours=1),
    every: timedelta = timedelta(minutes=1),
    user: str = "alice",
    event: str = "CreateUser",
    source: str = "iam.amazonaws.com",
    extra: dict[str, Any] | None = None,
) -> Records:
    """Management events, the newest first, ``every`` apart."""
    batch = zlib.crc32(f"{account} {region} {newest} {user} {event}".encode())
    return [
        {
            "eventVersion": "1.11",
            "eventID": f"{batch:08x}-0000-4000-8000-{number:012}",
            "eventTime": f"{newest - number * every:%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": source,
            "eventName": event,
            "awsRegion": region,
            "recipientAccountId": account,
            "readOnly": event.startswith(("Get", "List")),
            "managementEvent": True,
            "eventCategory": "Management",
            "eventType": "AwsApiCall",
            "sourceIPAddress": "203.0.113.9",
            "userAgent": "aws-cli/2.0",
            "userIdentity": {
                "type": "IAMUser",
                "principalId": "AIDAEXAMPLE",
                "arn": f"arn:aws:iam::{account}:user/{user}",
                "accountId": account,
                "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
                "userName": user,
            },
            "requestParameters": {"userName": f"made-{number}"},
            **(extra or {}),
        }
        for number in range(count)
    ]
