"""Sets of resources as policies write them, and whether anything is left when such sets are combined.

Nothing is enumerated: a set is its patterns, and `exists` decides by `patterns.witness`.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product

from .context import Context
from .matching import UNKNOWN, Variable, Wildcard, tokens_of
from .patterns import EVERYTHING, Pattern, Token, Undecided, Wild, arn_of, arn_pattern, covers, overlaps, witness

_WILD: dict[Wildcard, Wild] = {Wildcard.ANY: Wild.STAR, Wildcard.ONE: Wild.ANY}


class Reach:
    """The resources that one of ``patterns`` matches (Resource), or that none does (NotResource: ``negated``)."""

    __slots__ = ("_hash", "everything", "negated", "patterns")

    def __init__(self, patterns: Iterable[Pattern], *, negated: bool = False) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        self.negated = negated
        #: Whether no resource is left out.
        self.everything = not self.patterns if negated else any(each.universal for each in self.patterns)
        self._hash = hash((self.patterns, negated))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reach) and (self.negated, self.patterns) == (other.negated, other.patterns)

    def __hash__(self) -> int:
        return self._hash

    def has(self, resource: str) -> bool:
        """Whether one resource, given without wildcards, is in it."""
        if self.everything:
            return True
        for each in self.patterns:
            if each.matches(resource):
                return not self.negated
        return self.negated

    def written(self) -> tuple[str, ...]:
        """The patterns as texts."""
        return tuple(str(each) for each in self.patterns)

    def __repr__(self) -> str:
        return f"Reach({'not ' if self.negated else ''}{', '.join(self.written())})"


#: All resources.
ALL = Reach((EVERYTHING,))
#: No resource.
NOTHING = Reach(())


@lru_cache(maxsize=65536)
def exists(required: tuple[tuple[Reach, ...], ...], excluded: tuple[Reach, ...] = (), *, doubt: bool = True) -> bool:
    """Whether some resource is in one set of each required group, and in none of the excluded sets.

    ``doubt`` is the answer for sets so intricate that it cannot be decided.
    """
    if any(each.everything for each in excluded):
        return False
    groups = [group for group in required if not any(each.everything for each in group)]
    # What lies outside of a NotResource is what its patterns match.
    groups += [(Reach(each.patterns),) for each in excluded if each.negated]
    barred = [each for reach in excluded if not reach.negated for each in reach.patterns]
    choices = [[(patterns, ()), *negated] if patterns else negated for patterns, negated in map(_alternatives, groups)]
    try:
        for chosen in product(*choices):
            inside = [patterns for patterns, _ in chosen if patterns]
            if _left(inside, [*barred, *(each for _, outside in chosen for each in outside)]):
                return True
    except Undecided:
        return doubt
    return False


_Choice = tuple[tuple[Pattern, ...], tuple[Pattern, ...]]


def _alternatives(group: Iterable[Reach]) -> tuple[tuple[Pattern, ...], list[_Choice]]:
    """The patterns of which one may match, and as choices of their own those of which none may."""
    given = tuple(group)
    patterns = dict.fromkeys(each for reach in given if not reach.negated for each in reach.patterns)
    return tuple(patterns), [((), reach.patterns) for reach in given if reach.negated]


def _left(groups: Sequence[tuple[Pattern, ...]], barred: Sequence[Pattern]) -> bool:
    """Whether some resource is matched by one pattern of each group and by none that is barred."""
    if not groups:
        return not barred or witness((), barred) is not None
    first, *others = sorted(groups, key=len)
    for each in first:
        if any(covers(other, each) for other in barred):
            continue
        near = [tuple(other for other in group if overlaps(each, other)) for group in others]
        if not all(near):
            continue
        near = [group for group in near if not any(covers(other, each) for other in group)]
        far = [other for other in barred if overlaps(each, other)]
        if not near or (len(near) == 1 and not far):
            if not far or witness((each,), far) is not None:
                return True
        elif witness((each,), far, near) is not None:
            return True
    return False


def contained(inner: tuple[Reach, ...], outer: tuple[Reach, ...]) -> bool:
    """Whether every resource of the inner sets is in one of the outer ones."""
    return any(each.everything for each in outer) or not exists((inner,), outer)


# --- from a policy's text -------------------------------------------------------------------------------------------


class Written:
    """A Resource or NotResource element, its patterns built once; what holds variables waits for a context."""

    __slots__ = ("_fixed", "_negated", "_open", "_reach", "texts")

    def __init__(self, texts: Sequence[str], *, negated: bool, variables: bool) -> None:
        self._negated = negated
        self._open = tuple(text for text in texts if variables and _has_variables(text))
        self._fixed = tuple(arn_pattern(text, escapes=variables) for text in texts if text not in self._open)
        self._reach = Reach(self._fixed, negated=negated)
        self.texts = tuple(texts)

    def within(self, context: Context) -> "tuple[Reach, Reach, tuple[str, ...]]":
        """The widest and the surest set that it may be, and the texts on whose variables the difference depends."""
        if not self._open:
            return self._reach, self._reach, ()
        resolved = [(text, *_resolved(text, context)) for text in self._open]
        known = [found for _, found, exact in resolved if found is not None and exact]
        possible = [found for _, found, exact in resolved if found is not None and not exact]
        depends = tuple(text for text, _, exact in resolved if not exact)
        sure = Reach((*self._fixed, *known), negated=self._negated)
        if not self._negated:
            return Reach((*self._fixed, *known, *possible)), sure, depends
        # A NotResource with a variable that has no value matches nothing, and an unknown one may have none.
        if any(found is None for _, found, _ in resolved):
            return NOTHING, NOTHING, ()
        return sure, NOTHING if depends else sure, depends


def _has_variables(text: str) -> bool:
    return "${" in text and any(isinstance(token, Variable) for token in tokens_of(text, variables=True))


def _resolved(text: str, context: Context) -> tuple[Pattern | None, bool]:
    """A text's pattern as far as the context knows its variables, and whether it is exact.

    None if a variable has no value: nothing is matched. A variable of unknown value becomes ``*``, and the
    pattern then is the widest that it may be.
    """
    exact = True
    tokens: list[Token] = []
    for token in tokens_of(text, variables=True):
        if isinstance(token, Variable):
            value = context.resolve(token.name)
            if value is None:
                value = token.default
            if value is None:
                return None, True
            if value is UNKNOWN:
                exact = False
                tokens.append(Wild.STAR)
            else:
                tokens += value
        elif isinstance(token, Wildcard):
            tokens.append(_WILD[token])
        else:
            # A colon inside a variable's value parts no fields.
            tokens += (Wild.FIELD if char == ":" else char for char in token)
    return arn_of(tokens), exact
