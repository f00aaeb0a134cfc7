"""A strict emulator, an installation in its own account, and roles in other accounts."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import msgspec
import pytest
from botocore.loaders import create_loader

from trailwarden.aws.broker import Broker, CallSettings
from trailwarden.aws.connection import Connection, Purpose
from trailwarden.demo.emulator import Emulator

OWN_ACCOUNT = "111111111111"
EXTERNAL_ID = "a-secret-that-only-two-know"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@dataclass
class Kept:
    """Connections in memory."""

    items: dict[str, tuple[Connection, str]] = field(default_factory=dict)

    def add(self, connection: Connection, external_id: str = EXTERNAL_ID) -> Connection:
        self.items[connection.id] = (connection, external_id)
        return connection

    def list(self, *, purpose: Purpose | None = None) -> Sequence[Connection]:
        return [each for each, _ in self.items.values() if purpose in (None, each.purpose)]

    def external_id(self, connection: Connection) -> str:
        return self.items[connection.id][1]


def trust_document(
    principal: Any = f"arn:aws:iam::{OWN_ACCOUNT}:user/trailwarden", external_id: str | None = EXTERNAL_ID, **more: Any
) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    if external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return {"Version": "2012-10-17", "Statement": [{**statement, **more}]}


@dataclass
class Clock:
    """The time of the emulator and of the installation, which a test may set forward."""

    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


#: Parsing the service models once for all sessions is half of the time of these tests.
LOADER = create_loader()


@dataclass
class World:
    """The emulator with an installation: an IAM user of OWN_ACCOUNT that may assume roles and ask the simulator."""

    emulator: Emulator
    kept: Kept
    broker: Broker
    clock: "Clock"
    _accounts: Iterator[int] = field(default_factory=lambda: itertools.count(222222222222))

    def now(self) -> datetime:
        return self.clock.now()

    def admin(self, account: str, user: str | None = None) -> boto3.Session:
        session = self.emulator.session(account, user=user)
        session._session.register_component("data_loader", LOADER)
        return session

    def account(self) -> str:
        return str(next(self._accounts))

    def role(
        self,
        account: str,
        trust: dict[str, Any] | None = None,
        *,
        name: str = "Trailwarden",
        path: str = "/",
        attach: Sequence[str] = (READ_ONLY,),
        allow: Sequence[str] = (),
        **more: Any,
    ) -> str:
        iam = self.admin(account).client("iam")
        document = json.dumps(trust if trust is not None else trust_document())
        role = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document, **more)["Role"]
        for attached in attach:
            iam.attach_role_policy(RoleName=name, PolicyArn=attached)
        if allow:
            self.allow_role(account, name, allow)
        arn: str = role["Arn"]
        return arn

    def allow_role(self, account: str, name: str, actions: Sequence[str]) -> None:
        self.admin(account).client("iam").put_role_policy(
            RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(allowing(actions))
        )

    def connect(self, role_arn: str, external_id: str = EXTERNAL_ID, **more: Any) -> Connection:
        connection = Connection(
            id=f"c{len(self.kept.items)}",
            account_id=role_arn.split(":")[4],
            role_arn=role_arn,
            partition=role_arn.split(":")[1],
            label="",
            purpose="read",
            created_at=self.now(),
        )
        return self.kept.add(msgspec.structs.replace(connection, **more), external_id)

    def connected(self, trust: dict[str, Any] | None = None, **more: Any) -> Connection:
        return self.connect(self.role(self.account(), trust, **more))


def allowing(actions: Sequence[str], resource: str = "*") -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}],
    }


def broker_of(kept: Kept, now: Callable[[], datetime], **more: Any) -> Broker:
    settings = CallSettings(attempts=2, connect_timeout=2, read_timeout=10)
    broker = Broker(kept, now=now, settings=more.pop("settings", settings), **more)
    broker._loader = LOADER
    return broker


def use_session_of(world: World, role_arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, the environment's credentials are a session of a role of OWN_ACCOUNT."""
    keys = world.broker.own().client("sts").assume_role(RoleArn=role_arn, RoleSessionName="host")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", keys["SessionToken"])
