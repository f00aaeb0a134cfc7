"""All that a principal can do, counted by service and access level, with how far it reaches."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias

import msgspec

from .catalog import LEVELS, ActionSet, Level, catalog
from .clauses import About
from .patterns import EVERYTHING, Pattern, widest
from .reach import Reach

#: Where actions are granted: patterns, and in words what a NotResource leaves.
Reaches: TypeAlias = tuple[Pattern | str, ...]


class LevelSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Actions of one access level that are granted on something.

    ``count`` of the ``total`` that the catalogue knows; ``conditional`` of them only under conditions;
    ``everywhere`` of them on all resources. ``resources`` is the widest reach of the rest.
    """

    level: Level
    count: int
    total: int
    everywhere: int = 0
    conditional: int = 0
    resources: tuple[str, ...] = ()


class ServiceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One service's levels, the gravest first."""

    service: str
    levels: tuple[LevelSummary, ...]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All that a principal can do, by service and access level.

    ``unknown`` are granted patterns that the catalogue has no action for. ``inert`` are actions that are allowed on
    resources that they cannot act on: they grant nothing.
    """

    services: tuple[ServiceSummary, ...]
    actions: ActionSet
    unknown: tuple[str, ...] = ()
    inert: ActionSet


@lru_cache(maxsize=16384)
def _acting(reach: Reach) -> int:
    """The actions that can act on some resource of a set."""
    index = catalog()
    if reach.everything or reach.negated:
        return index.all
    bits = 0
    for each in reach.patterns:
        bits |= index.acting_on(each)
    return bits


def summary_of(blocks: Iterable[tuple[int, About]], unknown: tuple[str, ...]) -> Summary:
    """Count the actions of ``blocks``, each with the clauses that speak of all of its actions."""
    granted = everywhere = conditional = inert = 0
    elsewhere: dict[Reaches, int] = {}
    for mask, about in blocks:
        verdict = about.verdict((EVERYTHING,))
        if not verdict.possible:
            continue
        acting = mask
        for _, clauses in about.layers:
            bits = 0
            for each in clauses:
                bits |= _acting(each.widest)
            acting &= bits
        granted |= acting
        inert |= mask & ~acting
        if verdict.answer == "yes":
            everywhere |= acting
            continue
        if verdict.answer == "conditional":
            conditional |= acting
        resources = tuple(_bounding(about))
        elsewhere[resources] = elsewhere.get(resources, 0) | acting
    return Summary(
        services=tuple(_services(granted, everywhere, conditional, elsewhere)),
        actions=ActionSet(granted),
        unknown=tuple(dict.fromkeys(unknown)),
        inert=ActionSet(inert & ~granted),
    )


def _bounding(about: About) -> Iterator[Pattern | str]:
    """The resources of the first layer that does not reach everything; of a NotResource, in words."""
    for _, clauses in about.layers:
        if not any(each.widest.everything for each in clauses):
            for each in clauses:
                if each.widest.negated:
                    yield f"all but {', '.join(each.widest.written())}"
                else:
                    yield from each.widest.patterns
            return
    yield EVERYTHING


def _services(
    granted: int, everywhere: int, conditional: int, elsewhere: Mapping[Reaches, int]
) -> Iterator[ServiceSummary]:
    index = catalog()
    for service, part in sorted(index.by_service(granted)):
        certain, open_ = everywhere & part, conditional & part
        reaches = tuple((resources, actions & part) for resources, actions in elsewhere.items() if actions & part)
        alike = certain in (0, part) and open_ in (0, part) and all(actions == part for _, actions in reaches)
        if alike and part == index.of_service(service):
            yield _entire(service, bool(certain), bool(open_), tuple(resources for resources, _ in reaches))
        else:
            yield _service(service, part, certain, open_, reaches)


@lru_cache(maxsize=16384)
def _entire(service: str, certain: bool, open_: bool, reaches: tuple[Reaches, ...]) -> ServiceSummary:
    """A service of which all is granted alike: most of what wide policies give, and the same for all who have them."""
    every = catalog().of_service(service)
    return _service(service, every, every * certain, every * open_, tuple((each, every) for each in reaches))


def _service(
    service: str, granted: int, everywhere: int, conditional: int, reaches: tuple[tuple[Reaches, int], ...]
) -> ServiceSummary:
    index = catalog()
    levels: list[LevelSummary] = []
    for level in LEVELS:
        members = index.at_level[level] & index.of_service(service)
        if granted & members:
            levels.append(
                LevelSummary(
                    level=level,
                    count=(granted & members).bit_count(),
                    total=members.bit_count(),
                    everywhere=(everywhere & members).bit_count(),
                    conditional=(conditional & members).bit_count(),
                    resources=_widest_of(tuple(resources for resources, actions in reaches if actions & members)),
                )
            )
    return ServiceSummary(service=service, levels=tuple(levels))


@lru_cache(maxsize=16384)
def _widest_of(reaches: tuple[Reaches, ...]) -> tuple[str, ...]:
    every = [each for resources in reaches for each in resources]
    patterns = widest(each for each in every if isinstance(each, Pattern))
    return (*map(str, patterns), *dict.fromkeys(each for each in every if isinstance(each, str)))
