from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_cases import CASES, in_words
from agent_kit import Setting, StandIn, ingest, record, spaced, standing_in

from trailwarden.app import App
from trailwarden.demo.run import connect_and_ingest, running


@pytest.fixture(scope="session")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """The demo organisation, with a record for each case whose text commands its reader."""
    folder: Path = tmp_path_factory.mktemp("records")
    with running(records=1_000, seed=7) as up, App.open(up.home, clock=lambda: up.scenario.anchor) as app:
        connect_and_ingest(up, app)
        times = spaced(up.scenario.anchor, len(CASES))
        written = [
            record(number, at, case.place, in_words(case, up))
            for number, (case, at) in enumerate(zip(CASES, times, strict=True))
        ]
        ingest(app, folder, written)
        own = (up.home / "aws" / "credentials").read_text(encoding="utf-8")
        secrets = (
            *(each.external_id for each in (*up.scenario.connections, *up.scenario.responders)),
            own.split("aws_secret_access_key = ")[1].split("\n")[0],
            app.state.falcon.secret(app.state.falcon.get()),
            (up.home / "keys" / "state.key").read_text(encoding="utf-8").strip(),
        )
        assert all(len(each) >= 16 for each in secrets)
        yield Setting(app, up, secrets)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with standing_in() as server:
        yield server
