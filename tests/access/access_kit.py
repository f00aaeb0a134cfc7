"""People, what they hold, and a clock that a test sets."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp

from trailwarden.access import Person, SessionLimits
from trailwarden.model.proposal import Actor
from trailwarden.state import State
from trailwarden.state.logins import Attempt, SecondFactorNeeded

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
LIMITS = SessionLimits(idle=timedelta(minutes=30), absolute=timedelta(hours=12))
JANE, OMAR = "jane@example.com", "omar@example.com"
PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.10"
KEEPER = Actor(kind="person", name="keeper", via="command_line")


@dataclass
class House:
    """An installation with its people; ``now`` moves when a test says so."""

    state: State
    now: datetime = NOW
    secrets: dict[str, str] = field(default_factory=dict)

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)

    def attempt(self, address: str | None = ADDRESS) -> Attempt:
        return Attempt(face="console", address=address, now=self.now)

    def add(self, login: str = JANE, *roles: str, password: str | None = PASSWORD) -> Person:
        people = self.state.people
        added = people.add(login, roles=roles or ("responder", "approver", "admin"), by=KEEPER, now=self.now)
        return people.set_password(login, password, by=KEEPER, now=self.now) if password else added

    def enrol(self, login: str = JANE) -> str:
        """An authenticator app for a person; gives its secret. Its first code is used up, and the time moves on."""
        secret = self.state.people.new_totp(login).secret
        self.state.people.set_totp(login, secret, self.code(secret), by=KEEPER, now=self.now)
        self.forward(minutes=2)
        return secret

    def code(self, secret: str, steps: int = 0) -> str:
        return pyotp.TOTP(secret).at(self.now + timedelta(seconds=30 * steps))

    def login(self, login: str = JANE, password: str = PASSWORD, **more: Any) -> Person | SecondFactorNeeded:
        attempt = more.pop("attempt", None) or self.attempt()
        return self.state.logins.authenticate(login, password, attempt=attempt, **more)

    def signed_in(self, login: str = JANE, password: str = PASSWORD) -> Person:
        found = self.login(login, password)
        assert isinstance(found, Person)
        return found

    def half(self, login: str = JANE) -> SecondFactorNeeded:
        found = self.login(login)
        assert isinstance(found, SecondFactorNeeded)
        return found

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of the audit chain's entries of a kind."""
        return [json.loads(entry.body) for entry in self.state.audit.entries() if entry.kind == kind]

    def whole(self) -> None:
        verified = self.state.audit.verify()
        assert verified.ok, verified.broken


def seen(action: Callable[[], object], kind: type[Exception]) -> str:
    """The whole of what somebody is told when it fails."""
    try:
        action()
    except kind as error:
        return f"{type(error).__name__}: {error} / {getattr(error, 'remedy', '')}"
    raise AssertionError("it went through")
