"""What a decision still depends on, when part of the context is unknown: a small logic of statements.

A `Formula` is True, False, or a tree of `Holds` under `AllOf`, `AnyOf` and `NoneOf`, kept as simple as it can be.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from ..model.policy import Condition, StatementRef


class Holds(msgspec.Struct, frozen=True, tag=True):
    """A statement applies: all these conditions hold, and one of ``resources`` (if any) matches once its variables
    have values."""

    statement: StatementRef
    conditions: tuple[Condition, ...] = ()
    resources: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [str(condition) for condition in self.conditions]
        if self.resources:
            parts.append(f"the resource is matched by {' or '.join(self.resources)}")
        return f"{' and '.join(parts)} ({self.statement})"


class AllOf(msgspec.Struct, frozen=True, tag=True):
    """Every part is true."""

    parts: "tuple[Formula, ...]"

    def __str__(self) -> str:
        return " and ".join(_bracketed(part) for part in self.parts)


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    """At least one part is true."""

    parts: "tuple[Formula, ...]"

    def __str__(self) -> str:
        return " or ".join(_bracketed(part) for part in self.parts)


class NoneOf(msgspec.Struct, frozen=True, tag=True):
    """No part is true."""

    parts: "tuple[Formula, ...]"

    def __str__(self) -> str:
        return f"not {' and not '.join(_bracketed(part, always=True) for part in self.parts)}"


Formula: TypeAlias = bool | Holds | AllOf | AnyOf | NoneOf


def conjunction(parts: Iterable[Formula]) -> Formula:
    """All of the parts, simplified."""
    kept: dict[Formula, None] = {}
    for part in parts:
        if part is False:
            return False
        if part is not True:
            kept.update(dict.fromkeys(part.parts if isinstance(part, AllOf) else (part,)))
    return _one_or(kept, AllOf, empty=True)


def disjunction(parts: Iterable[Formula]) -> Formula:
    """Any of the parts, simplified."""
    kept: dict[Formula, None] = {}
    for part in parts:
        if part is True:
            return True
        if part is not False:
            kept.update(dict.fromkeys(part.parts if isinstance(part, AnyOf) else (part,)))
    return _one_or(kept, AnyOf, empty=False)


def none(parts: Iterable[Formula]) -> Formula:
    """None of the parts, simplified."""
    found = disjunction(parts)
    if isinstance(found, bool):
        return not found
    return NoneOf(found.parts if isinstance(found, AnyOf) else (found,))


def _one_or(kept: dict[Formula, None], kind: type[AllOf | AnyOf], *, empty: bool) -> Formula:
    if not kept:
        return empty
    return next(iter(kept)) if len(kept) == 1 else kind(tuple(kept))


def leaves(formula: Formula) -> Iterator[Holds]:
    """Every statement that the formula speaks of."""
    if isinstance(formula, Holds):
        yield formula
    elif not isinstance(formula, bool):
        for part in formula.parts:
            yield from leaves(part)


def _bracketed(formula: Formula, *, always: bool = False) -> str:
    text = str(formula)
    return f"[{text}]" if always or isinstance(formula, AllOf | AnyOf) else text
