from collections.abc import Iterator
from pathlib import Path

import pytest
from kept_kit import Keeping

from trailwarden.state import State


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    with State.open(tmp_path) as state:
        yield Keeping(state)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeping]:
    """One for all examples of a property, each of which leaves it as it found it."""
    with State.open(tmp_path_factory.mktemp("kept")) as state:
        yield Keeping(state)
