"""An emulator for each test, at a settable time, and sessions in two accounts.

One server and its two administrators' sessions serve a module; between tests everything in it is emptied. (A boto3
session with its clients costs more than most tests here.)
"""

from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest
from emulator_kit import FAR, HOME, Clock

from trailwarden.demo.emulator import Emulator


@dataclass
class Running:
    emulator: Emulator
    clock: Clock
    home: boto3.Session
    far: boto3.Session


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    clock = Clock()
    with Emulator(now=lambda: clock.now, clock=lambda: clock.seconds) as emulator:
        yield Running(emulator, clock, emulator.session(HOME), emulator.session(FAR))


@pytest.fixture
def emulator(running: Running) -> Iterator[Emulator]:
    world = running.emulator._world
    administrators = [world.admin(HOME), world.admin(FAR)]
    yield running.emulator
    world.reset()
    for credential in administrators:
        world.remember(credential)
    running.clock.reset()


@pytest.fixture
def clock(running: Running) -> Clock:
    return running.clock


@pytest.fixture
def home(running: Running, emulator: Emulator) -> boto3.Session:
    return running.home


@pytest.fixture
def far(running: Running, emulator: Emulator) -> boto3.Session:
    return running.far
