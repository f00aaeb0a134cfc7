"""A state database of its own for each test, and passwords that are hashed in no time."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from access_kit import House
from argon2 import PasswordHasher

from trailwarden.state import State, passwords


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("migrated")
    State.open(home).close()
    return home


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Path:
    shutil.copytree(migrated, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> PasswordHasher:
    """The same algorithm, with parameters that no installation should have."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "hasher", lambda: cheap)
    return cheap


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    with State.open(home) as state:
        yield House(state)
