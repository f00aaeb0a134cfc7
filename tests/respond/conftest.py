"""A state database of its own for each test, copied from one that was migrated once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from respond_kit import Office

from trailwarden.state import State


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("migrated")
    State.open(home).close()
    return home


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Path:
    shutil.copytree(migrated, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def office(home: Path) -> Iterator[Office]:
    with State.open(home) as state:
        yield Office(state)
