"""One emulator for a module, emptied between tests; see actions_kit."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3
import pytest
from actions_kit import ACCOUNT, LiveWorld

from trailwarden.demo.emulator import Emulator


@dataclass
class Running:
    emulator: Emulator
    admin: boto3.Session


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Emulator(now=lambda: datetime.now(UTC)) as emulator:
        yield Running(emulator, emulator.session(ACCOUNT))


@pytest.fixture
def emulator(running: Running) -> Iterator[Emulator]:
    world = running.emulator._world
    administrator = world.admin(ACCOUNT)
    yield running.emulator
    world.reset()
    world.remember(administrator)


@pytest.fixture
def admin(running: Running, emulator: Emulator) -> boto3.Session:
    """The account's administrator, whom IAM does not list."""
    return running.admin


@pytest.fixture
def live(admin: boto3.Session) -> LiveWorld:
    """The emulator as the administrator reads it, without a snapshot."""
    return LiveWorld(admin)
