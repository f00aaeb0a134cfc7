"""The organisation for the whole module, and each test's installation with nothing failing at first."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="the demo's emulator is an optional part")

from directory_kit import ANCHOR, Clock, World

from trailwarden.demo.emulator import Emulator
from trailwarden.demo.organisation import build_organisation
from trailwarden.demo.scenario import INSTALLATION_USER, build_scenario
from trailwarden.model.directory import Directory


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    scenario = build_scenario(anchor=ANCHOR, records=1_000)
    clock = Clock()
    nowhere: Path = tmp_path_factory.mktemp("no-configuration")
    with pytest.MonkeyPatch.context() as patch, Emulator(now=lambda: clock.now, lookup_rate=None) as emulator:
        build_organisation(scenario, emulator)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", str(nowhere / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "credentials"))
        for name, value in emulator.environment(scenario.management.id, user=INSTALLATION_USER).items():
            patch.setenv(name, value)
        # The SDK's waits before another attempt are by the real clock.
        patch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_, **__: True)
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
        yield World(scenario, emulator, clock)


@pytest.fixture(scope="module")
def whole(organisation: World) -> Directory:
    """The directory when nothing fails."""
    return _start_anew(organisation).read()


@pytest.fixture
def world(organisation: World) -> World:
    return _start_anew(organisation)


def _start_anew(organisation: World) -> World:
    organisation.emulator.faults.clear()
    organisation.emulator._world.credential_reports.clear()
    organisation.clock.now = ANCHOR
    organisation.slept.clear()
    connections = organisation.scenario.connections
    organisation.roles = {each.account.id: each.role_arn for each in connections}
    organisation.external_ids = {each.account.id: each.external_id for each in connections}
    return organisation
