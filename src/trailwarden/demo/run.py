"""The simulated organisation at work: an emulator of AWS and a stand-in for Falcon on 127.0.0.1, and an installation
that is aimed at both."""

import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from ..app import App
from ..errors import MissingDependency
from ..installation import system_clock
from ..progress import Progress, Silent
from ..settings import HOME_VARIABLE
from .falcon import ApiClient, FalconServer, Tenant
from .falcon.story import FalconStory, tell
from .ids import HEX, draw
from .incident import Story, incident
from .scenario import INSTALLATION_USER, Scenario, build_scenario

PROFILE = "trailwarden-demo"


class Running(msgspec.Struct, frozen=True):
    """The organisation while it is up: ``home`` is an installation whose AWS profile is the demo's own user."""

    home: Path
    endpoint: str
    scenario: Scenario
    story: Story
    falcon: FalconServer
    falcon_story: FalconStory

    @property
    def archive(self) -> str:
        """Where the organisation trail delivers."""
        return f"s3://{self.scenario.trail_bucket}"

    @property
    def falcon_endpoint(self) -> str:
        """Where the stand-in for CrowdStrike Falcon listens."""
        return self.falcon.endpoint


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The line that ``demo up`` prints when everything is ready."""

    ready: bool = True
    home: str
    aws_endpoint: str
    falcon_endpoint: str | None = None
    console: str | None = None


@contextmanager
def running(
    *, records: int, seed: int, clock: Callable[[], datetime] = system_clock, progress: Progress | None = None
) -> Iterator[Running]:
    """The organisation, from here to the end of the ``with`` block; nothing of it stays.

    The environment's AWS_ENDPOINT_URL and TRAILWARDEN_HOME name it meanwhile, and are then as before.

    Raises:
        MissingDependency: the demo's extra packages are not installed.
    """
    try:
        from .emulator import Emulator  # noqa: PLC0415
        from .organisation import build_organisation  # noqa: PLC0415
    except ImportError as error:
        raise MissingDependency(
            f"the demo needs the package {error.name}",
            remedy="install Trailwarden with its extra: pip install 'trailwarden[demo]', or make install",
        ) from error

    scenario = build_scenario(anchor=clock(), seed=seed, records=records)
    story = incident(scenario)
    told = tell(scenario, story)
    client = ApiClient(draw(seed, HEX, 32, "falcon client"), secrets.token_urlsafe(30))
    tenant = Tenant(
        now=clock,
        alerts=told.alerts,
        hosts=told.hosts,
        logins=told.logins,
        addresses=told.addresses,
        clients=(client,),
    )
    home = Path(tempfile.mkdtemp(prefix="trailwarden-demo-"))
    try:
        with Emulator() as emulator, FalconServer(tenant) as falcon:
            build_organisation(scenario, emulator, progress=progress or Silent())
            credentials = emulator.environment(scenario.management.id, user=INSTALLATION_USER)
            _write_settings(home, credentials)
            aimed = {"AWS_ENDPOINT_URL": emulator.endpoint, HOME_VARIABLE: str(home)}
            with _environment(aimed):
                _connect_falcon(home, client, falcon.endpoint, clock())
                yield Running(home, emulator.endpoint, scenario, story, falcon, told.story)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _write_settings(home: Path, credentials: dict[str, str]) -> None:
    """The installation's own principal: a profile in a shared credentials file, as AWS's tools read it."""
    folder = home / "aws"
    folder.mkdir(mode=0o700)
    file = folder / "credentials"
    file.touch(mode=0o600)
    file.write_text(
        f"[{PROFILE}]\naws_access_key_id = {credentials['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {credentials['AWS_SECRET_ACCESS_KEY']}\nregion = us-east-1\n",
        encoding="utf-8",
    )
    (folder / "config").write_text(f"[profile {PROFILE}]\nregion = us-east-1\n", encoding="utf-8")
    (home / "config.toml").write_text(
        "# The demo's own principal: an IAM user of the simulated management account.\n"
        f'[aws]\nprofile = "{PROFILE}"\ncredentials_file = "{file}"\nconfig_file = "{folder / "config"}"\n',
        encoding="utf-8",
    )


def _connect_falcon(home: Path, client: ApiClient, endpoint: str, now: datetime) -> None:
    """The installation's Falcon connection, as `falcon connect` keeps it."""
    with App.open(home) as app:
        app.state.falcon.connect(client.id, client.secret, base_url=endpoint, now=now)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def connect_and_ingest(up: Running, app: App) -> None:
    """Connect the three accounts, to read and to respond, and read the organisation trail's archive."""
    for purpose, connections in (("read", up.scenario.connections), ("respond", up.scenario.responders)):
        for each in connections:
            app.accounts_connect(
                (each.role_arn,), external_id=each.external_id, label=each.account.name, purpose=purpose
            )
    app.ingest((up.archive,))


def stay_up(
    *, records: int, seed: int, progress: Progress, console: Callable[[App], AbstractContextManager[str]]
) -> None:
    """Bring the organisation up, connected and ingested, with the console over it (``console`` serves one and gives its
    address); print one line; stay until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with running(records=records, seed=seed, progress=progress) as up:
        with App.open(up.home, progress=progress) as app:
            connect_and_ingest(up, app)
        with App.open(up.home) as app, console(app) as origin:
            ready = Ready(
                home=str(up.home),
                aws_endpoint=up.endpoint,
                falcon_endpoint=up.falcon_endpoint,
                console=origin,
            )
            first = app.state.people.first_run_link(origin, by=app.actor, now=app.now())
            sys.stderr.write(f"Within 15 minutes, make the console's first person at\n  {first}\n")
            sys.stdout.write(msgspec.json.encode(ready).decode() + "\n")
            sys.stdout.flush()
            stop.wait()
