"""Fixtures of the connection tests; see aws_connect_kit."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_connect_kit import OWN_ACCOUNT, Clock, Kept, World, allowing, broker_of

from trailwarden.demo.emulator import Emulator


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def emulator(clock: Clock) -> Iterator[Emulator]:
    with Emulator(lookup_rate=None, now=clock.now) as running:
        yield running


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No AWS configuration of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    return monkeypatch


@pytest.fixture
def world(emulator: Emulator, clock: Clock, bare_environment: pytest.MonkeyPatch) -> World:
    kept = Kept()
    made = World(emulator, kept, broker_of(kept, clock.now), clock)
    iam = made.admin(OWN_ACCOUNT).client("iam")
    iam.create_user(UserName="trailwarden")
    allowed = allowing(["sts:AssumeRole", "sts:SetSourceIdentity", "iam:SimulatePrincipalPolicy"])
    iam.put_user_policy(UserName="trailwarden", PolicyName="assume", PolicyDocument=json.dumps(allowed))
    for name, value in emulator.environment(OWN_ACCOUNT, user="trailwarden").items():
        bare_environment.setenv(name, value)
    return made
