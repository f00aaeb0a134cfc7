"""People who keep searches and pins, in a state database of their own."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from trailwarden.access import Person
from trailwarden.errors import TrailwardenError
from trailwarden.model.kept import Pin, PinnedEvent, SavedSearch
from trailwarden.model.proposal import Actor
from trailwarden.state import State

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
KEEPER = Actor(kind="person", name="keeper", via="command_line")


class Keeping:
    """An installation with Jane and Omar, who may read, and Ada, who is admin."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.now = NOW
        self.ada = self.person("ada@example.com", "admin")
        self.jane, self.omar = self.person("jane@example.com"), self.person("omar@example.com")

    def person(self, login: str, *roles: str) -> Person:
        return self.state.people.add(login, roles=roles or ("viewer",), by=KEEPER, now=NOW)

    def later(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def save(self, person: Person, name: str = "Exit node", query: str = "ip=203.0.113.7", **more: bool) -> SavedSearch:
        return self.state.kept.save(person, name, query, by=actor(person), now=self.later(), **more)

    def pin(self, person: Person, event: PinnedEvent | None = None, *, board: str = "", note: str | None = None) -> Pin:
        kept = self.state.kept
        return kept.pin(person, event or happened(), board=board, note=note, by=actor(person), now=self.later())

    def remove(self, person: Person) -> None:
        self.state.people.remove(person.login, by=KEEPER, now=self.later())

    def entries(self, *kinds: str) -> list[tuple[str, str]]:
        """Who did what, of these kinds, by the audit chain; what was said of it must be readable."""
        entries = [each for each in self.state.audit.entries() if each.kind in kinds]
        assert all(isinstance(json.loads(each.body), dict) for each in entries)
        return [(json.loads(each.actor)["name"], each.kind) for each in entries]


def actor(person: Person) -> Actor:
    return Actor(kind="person", name=person.login, via="console")


def happened(number: int = 1, **fields: str) -> PinnedEvent:
    """An event; each number is another one, a second later than the one before."""
    return PinnedEvent(
        event_id=fields.pop("event_id", f"6e882b9d-2af8-4c67-b91f-{number:012x}"),
        time=NOW + timedelta(seconds=number),
        **{
            "who": "john",
            "what": "iam:CreateAccessKey",
            "account": "111111111111",
            "source_ip": "203.0.113.7",
            "access_key": "AKIAIOSFODNN7EXAMPLE",
            **fields,
        },
    )


def refused(action: Callable[[], object]) -> TrailwardenError:
    """The error of an action that must fail; it says what to do."""
    with pytest.raises(TrailwardenError) as caught:
        action()
    assert caught.value.remedy
    return caught.value
