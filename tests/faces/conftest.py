from collections.abc import Iterator

import pytest

from trailwarden.app import App
from trailwarden.demo.run import Running, connect_and_ingest, running


@pytest.fixture(scope="module")
def up() -> Iterator[Running]:
    """The demo organisation, connected, with its archive in the lake."""
    with running(records=2_000, seed=7) as organisation:
        with App.open(organisation.home) as app:
            connect_and_ingest(organisation, app)
        yield organisation
