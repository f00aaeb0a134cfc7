"""One installation: its home, and the parts that are opened when they are first needed."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .errors import SetupError
from .model.arn import Arn
from .model.proposal import Actor, Face
from .progress import Progress, Silent
from .settings import Settings, default_home, load_settings, this_os_user
from .tool import Tool

if TYPE_CHECKING:
    from .aws.broker import Broker
    from .lake.store import Lake
    from .state import State


def system_clock() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def operating_user(face: Face) -> Actor:
    """The user of the operating system as whom this process runs, as who asks."""
    return Actor(kind="person", name=this_os_user(), via=face)


class Installation:
    """What a tool works with: the lake, the state, AWS, the clock, and whoever watches the progress."""

    def __init__(
        self,
        home: Path,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = system_clock,
        progress: Progress | None = None,
        zone: tzinfo | None = None,
        actor: Actor | None = None,
        on_behalf_of: str | None = None,
    ) -> None:
        self.home = home
        self.settings = settings
        self.now = clock
        self.progress: Progress = progress or Silent()
        self.zone = zone or settings.zone
        self.actor = actor or operating_user("python")
        self.on_behalf_of = on_behalf_of
        self.may_propose = True
        #: What was computed and may be used again while this process runs; shared by all who act through it.
        self.kept: dict[str, Any] = {}

    @classmethod
    def open(
        cls,
        home: Path | str | None = None,
        *,
        clock: Callable[[], datetime] = system_clock,
        progress: Progress | None = None,
        zone: tzinfo | None = None,
        actor: Actor | None = None,
    ) -> Self:
        """Open the installation at ``home`` (default: ``TRAILWARDEN_HOME``, else the platform's data folder).

        The folder is created, readable by its owner only. ``zone`` overrides the configured time zone; ``actor`` is
        who asks (default: the user of the operating system).

        Raises:
            SetupError: the folder cannot be made.
            UsageError: its ``config.toml`` is wrong.
        """
        path = Path(home).expanduser() if home is not None else default_home()
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise SetupError(
                f"cannot create {path}: {error.strerror}", remedy="set TRAILWARDEN_HOME to a folder that you may write"
            ) from error
        return cls(path, load_settings(path), clock=clock, progress=progress, zone=zone, actor=actor)

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools of this installation, by id; none are known on this floor."""
        return {}

    @cached_property
    def lake(self) -> Lake:
        """The lake of this installation."""
        from .lake.store import Lake  # noqa: PLC0415

        configured = self.settings.lake.path
        return Lake.open(Path(configured).expanduser() if configured else self.home / "lake")

    @cached_property
    def state(self) -> State:
        """Connections and the rest of the state that is not records."""
        from .state import State  # noqa: PLC0415
        from .state.keys import key_source  # noqa: PLC0415

        arn = self.settings.state.kms_key

        def kms() -> Any:
            return self.broker.own().client("kms", Arn.parse(arn).region)

        keys = key_source(self.home, os.environ, kms_key_arn=arn or None, kms=kms)
        return State.open(self.home, self.settings.state.url or None, keys=keys)

    @cached_property
    def broker(self) -> Broker:
        """Credentials and clients for the connected accounts."""
        return self.new_broker()

    def acting(
        self,
        actor: Actor,
        *,
        on_behalf_of: str | None = None,
        may_propose: bool = True,
        progress: Progress | None = None,
    ) -> Self:
        """The same installation, its opened parts shared, as ``actor`` uses it. ``on_behalf_of`` is the person whose
        token or question it is; without ``may_propose`` nothing can be filed. Close the original, not this one."""
        _ = self.lake, self.state, self.broker  # opened once, so that both use the same
        other = copy.copy(self)
        other.actor, other.on_behalf_of, other.may_propose = actor, on_behalf_of, may_propose
        other.progress = progress or self.progress
        return other

    def audit(self, kind: str, body: Mapping[str, Any]) -> None:
        """Write into the audit chain what the actor does.

        Raises:
            Busy, SetupError: it cannot be written, and so must not be done.
        """
        said = dict(body) if self.on_behalf_of is None else {**body, "on_behalf_of": self.on_behalf_of}
        self.state.audit.record(at=self.now(), actor=self.actor, kind=kind, body=said)

    def new_broker(self, *, attempts: int | None = None) -> Broker:
        """Another broker, which tries a call ``attempts`` times (default: the broker's own patience)."""
        from .aws.broker import Broker, CallSettings  # noqa: PLC0415

        aws = self.settings.aws
        return Broker(
            self.state.connections,
            profile=aws.profile or None,
            config_file=aws.config_file or None,
            credentials_file=aws.credentials_file or None,
            region=aws.region,
            now=self.now,
            settings=CallSettings(attempts=attempts) if attempts is not None else None,
        )

    def expect_accounts(self) -> None:
        """Tell the lake which accounts are connected: an answer without their records is incomplete."""
        self.lake.manifest.expect_accounts({each.account_id: each.label for each in self.state.connections.list()})

    def close(self) -> None:
        """Close what was opened."""
        for name in ("broker", "state", "lake"):
            opened = self.__dict__.pop(name, None)
            if opened is not None and hasattr(opened, "close"):
                opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
