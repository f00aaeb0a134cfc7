"""The simulated organisation, and an installation that reads who can enter it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from botocore.loaders import create_loader

from trailwarden.aws.broker import Broker, CallSettings
from trailwarden.aws.connection import Connection, Purpose
from trailwarden.aws.inventory import read_directory
from trailwarden.demo.emulator import Emulator
from trailwarden.demo.scenario import Scenario
from trailwarden.model.directory import AccountDirectory, Directory
from trailwarden.progress import Silent

ANCHOR = datetime(2026, 11, 24, 4, 10, tzinfo=UTC)
#: Parsing the service models once for all sessions is half of the time of these tests.
LOADER = create_loader()


class Clock:
    def __init__(self) -> None:
        self.now = ANCHOR


@dataclass
class World:
    """An organisation, and the connections of an installation to it."""

    scenario: Scenario
    emulator: Emulator
    clock: Clock
    external_ids: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    slept: list[float] = field(default_factory=list)

    def list(self, *, purpose: Purpose | None = None) -> Sequence[Connection]:
        return [
            Connection(
                id=account,
                account_id=account,
                role_arn=role,
                partition="aws",
                label="",
                purpose="read",
                created_at=ANCHOR,
            )
            for account, role in self.roles.items()
        ]

    def external_id(self, connection: Connection) -> str:
        return self.external_ids[connection.account_id]

    def broker(self) -> Broker:
        made = Broker(self, now=lambda: self.clock.now, settings=CallSettings(attempts=3))
        made._loader = LOADER
        return made

    def read(self, *, accounts: Collection[str] | None = None, connected: Collection[str] | None = None) -> Directory:
        """Read with new sessions; ``connected`` leaves connections out."""
        connections = [each for each in self.list() if connected is None or each.account_id in connected]
        return read_directory(
            self.broker(),
            connections,
            progress=Silent(),
            now=self.clock.now,
            accounts=accounts,
            sleep=self.slept.append,
        )

    def read_one(self, account: str) -> AccountDirectory:
        """One account, as part of the organisation."""
        directory = self.read(accounts=[account])
        assert directory.gaps == ()
        (only,) = directory.accounts
        return only

    def pass_time(self, **span: float) -> None:
        self.clock.now += timedelta(**span)
