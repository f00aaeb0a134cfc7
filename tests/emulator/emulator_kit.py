"""The few things that every test does with an emulator."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from trailwarden.demo.emulator import Emulator

HOME, FAR = "111111111111", "222222222222"
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NO_RETRY = Config(retries={"total_max_attempts": 1, "mode": "standard"}, parameter_validation=False)


class Clock:
    """A settable time for sessions and event history, and seconds for the rate limit."""

    def __init__(self) -> None:
        self.now = START
        self.seconds = 0.0

    def reset(self) -> None:
        self.now, self.seconds = START, self.seconds + 10

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds


@lru_cache(maxsize=128)
def client(session: boto3.Session, service: str, region: str | None = None) -> Any:
    """A client that asks once and sends what it is given."""
    return session.client(service, region_name=region, config=NO_RETRY)


def refused(call: Callable[[], Any]) -> tuple[str, str, int]:
    """Code, message and HTTP status of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    error = response["Error"]
    return error["Code"], error.get("Message", ""), response["ResponseMetadata"]["HTTPStatusCode"]


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions: str, resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def deny(*actions: str, resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {**allow(*actions, resource=resource, **more), "Effect": "Deny"}


def trust(principal: Any, *, action: str | list[str] = "sts:AssumeRole", effect: str = "Allow", **more: Any) -> Any:
    """A trust statement; ``principal`` is an ARN, a list of them, or a whole Principal."""
    named = principal if isinstance(principal, dict) or principal == "*" else {"AWS": principal}
    return {"Effect": effect, "Principal": named, "Action": action, **more}


def make_role(admin: boto3.Session, name: str, *statements: Any, policies: str | None = None, **more: Any) -> str:
    """A role with trust statements and, in ``policies``, an inline policy; returns its ARN."""
    iam = client(admin, "iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(*statements), **more)["Role"]["Arn"]
    if policies is not None:
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policies)
    return arn


def make_user(admin: boto3.Session, name: str, *, policies: str | None = None, **more: Any) -> str:
    """A user with an inline policy; returns its ARN."""
    iam = client(admin, "iam")
    arn: str = iam.create_user(UserName=name, **more)["User"]["Arn"]
    if policies is not None:
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=policies)
    return arn


def assume(emulator: Emulator, session: boto3.Session, role_arn: str, name: str = "tester", **more: Any) -> Any:
    """Assume a role; returns a session with its credentials."""
    held = client(session, "sts").assume_role(RoleArn=role_arn, RoleSessionName=name, **more)["Credentials"]
    return emulator.session_with(held["AccessKeyId"], held["SecretAccessKey"], held["SessionToken"])
