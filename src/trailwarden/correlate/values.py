"""Weights, names and the use of addresses: what a correlation is told beside alert, host and sessions."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib import resources
from typing import Annotated

import msgspec
from msgspec import Meta

from ..identity import fold
from ..model.directory import Alias

Share = Annotated[float, Meta(ge=0, le=1)]
Hours = Annotated[float, Meta(ge=0)]


class KindOfEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of evidence: its weight, and what it means."""

    weight: Share
    what: str


class Reach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hours to one side of the alert: up to ``full`` all counts, beyond ``last`` nothing does."""

    full: Hours
    last: Hours

    def __post_init__(self) -> None:
        if self.last < self.full:
            raise ValueError("last is less than full")


class TimeReach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far from the alert a session may be; ``least`` is the factor at the far ends."""

    before: Reach
    after: Reach
    least: Share


class LoginReach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hours before and after the alert in which a login to the host counts."""

    before: Hours
    after: Hours


class Weights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``rules/correlation.yaml``: the constants of a correlation."""

    kinds: Mapping[str, KindOfEvidence]
    hop: Share
    time: TimeReach
    logins: LoginReach
    names_of_nobody: frozenset[str]

    def __getitem__(self, kind: str) -> float:
        return self.kinds[kind].weight


class AddressPopularity(msgspec.Struct, frozen=True):
    """How many distinct people and workloads used an address, in the window that was looked at."""

    address: str
    people: int
    workloads: int

    @property
    def exclusive(self) -> bool:
        """Whether it was one's alone."""
        return self.people + self.workloads <= 1


class PersonName(msgspec.Struct, frozen=True):
    """A name in AWS of an endpoint's user; in one account, or in all. ``denies``: it is not theirs.

    ``person`` tells people apart to whom the list gives one name; empty: there is but one.
    """

    value: str
    account: str | None = None
    denies: bool = False
    person: str = ""


#: The name of an endpoint's user (folded) → the names of that person in AWS; plain texts hold in every account.
People = Mapping[str, Iterable[str | PersonName]] | Callable[[str], Iterable[str | PersonName]]


@lru_cache(maxsize=1)
def default_weights() -> Weights:
    """The weights, read at the first call."""
    import yaml  # noqa: PLC0415

    text = (resources.files("trailwarden") / "rules" / "correlation.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Weights)


def people_of(aliases: Iterable[Alias]) -> Mapping[str, tuple[PersonName, ...]]:
    """The alias list as ``correlate`` takes it: every name of a person → all names of that person.

    An alias that denies leads nowhere; it stands among the person's names as one that is not theirs. A name that the
    list gives to several people leads to all of them.
    """
    names: dict[str, dict[PersonName, None]] = {}
    keys: dict[str, set[str]] = {}
    for alias in aliases:
        person = fold("email", alias.person)
        own = names.setdefault(person, {PersonName(alias.person, person=person): None})
        own[PersonName(alias.value, alias.account, alias.denies, person)] = None
        keys.setdefault(person, {person})
        if not alias.denies:
            keys[person].add(fold("session_name", alias.value))
    found: dict[str, dict[PersonName, None]] = {}
    for person in sorted(names):
        for key in keys[person]:
            found.setdefault(key, {}).update(names[person])
    return {key: tuple(sorted(each, key=_order)) for key, each in found.items()}


def several_people(names: Iterable[PersonName]) -> tuple[str, ...]:
    """The people to whom the alias list gives one name; empty if it gives it to one."""
    people = {each.person for each in names if not each.denies}
    return tuple(sorted(people)) if len(people) > 1 else ()


def known_names(people: People, name: str) -> tuple[PersonName, ...]:
    """What the alias list says of a name."""
    key = fold("session_name", name)
    found = people.get(key, ()) if isinstance(people, Mapping) else people(key)
    return tuple(PersonName(each) if isinstance(each, str) else each for each in found)


def _order(name: PersonName) -> tuple[str, str, bool, str]:
    return (name.value, name.account or "", name.denies, name.person)
