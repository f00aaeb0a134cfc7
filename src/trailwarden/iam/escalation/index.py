"""Sets of principals, groups and policies as bits, and which of them an action reaches."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ...model.policy import IamPrincipal
from ..catalog import catalog, rcp_services
from ..clauses import About, Clause, Layers, refined
from ..conditions import ConditionTest
from ..context import Context, Given
from ..effective import Permissions
from ..patterns import Pattern, Wild
from ..reach import Reach

#: Condition keys that hold what only the target tells.
_OF_TARGET = ("iam:resourcetag/", "aws:resourcetag/", "iam:permissionsboundary")


class Space:
    """ARNs in order, each with a number; sets of them are ints, bit by number."""

    def __init__(self, arns: Iterable[str]) -> None:
        self.arns = tuple(sorted(set(arns)))
        self.numbers = {arn: number for number, arn in enumerate(self.arns)}
        self.all = (1 << len(self.arns)) - 1
        self._of_pattern: dict[Pattern, int] = {}
        self._of_reach: dict[Reach, int] = {}

    def of(self, reach: Reach) -> int:
        """Those that are in a set of resources."""
        found = self._of_reach.get(reach)
        if found is None:
            bits = 0
            for each in reach.patterns:
                bits |= self._matched(each)
            found = self._of_reach[reach] = self.all & ~bits if reach.negated else bits
        return found

    def bit(self, arn: str) -> int:
        """The set of one ARN; empty if it is not here."""
        number = self.numbers.get(arn)
        return 0 if number is None else 1 << number

    def _matched(self, pattern: Pattern) -> int:
        if pattern.universal:
            return self.all
        if pattern.literal:
            return self.bit(pattern.prefix)
        found = self._of_pattern.get(pattern)
        if found is None:
            start = bisect_left(self.arns, pattern.prefix)
            if pattern.tokens[-1] is Wild.STAR and len(pattern.prefix) == len(pattern.tokens) - 1:
                end = bisect_left(self.arns, pattern.prefix + "\U0010ffff")
                found = (1 << end) - (1 << start)
            else:
                found = 0
                for number in range(start, len(self.arns)):
                    if not self.arns[number].startswith(pattern.prefix):
                        break
                    if pattern.matches(self.arns[number]):
                        found |= 1 << number
            self._of_pattern[pattern] = found
        return found


def members(bits: int) -> Iterator[int]:
    """The numbers of a set, in order."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


class Found(NamedTuple):
    """Which of a space are reached: at all, for certain, and those of which only a closer look can tell."""

    possible: int
    certain: int
    unchecked: int

    def within(self, bits: int) -> "Found":
        """Those that are in a set, too."""
        return Found(self.possible & bits, self.certain & bits, self.unchecked & bits)

    def also(self, other: "Found") -> "Found":
        """Those that are in both."""
        possible = self.possible & other.possible
        return Found(possible, self.certain & other.certain, (self.unchecked | other.unchecked) & possible)

    def either(self, other: "Found") -> "Found":
        """Those that are in one of them."""
        certain = self.certain | other.certain
        return Found(self.possible | other.possible, certain, (self.unchecked | other.unchecked) & ~certain)


NOTHING_FOUND = Found(0, 0, 0)


class Saying(NamedTuple):
    """The statements that speak of one action: the Allows by layer, and the Denies."""

    layers: Layers
    denies: tuple[Clause, ...]

    @property
    def open(self) -> bool:
        """Whether any of them depends on context that is not known."""
        clauses = (*(each for _, clauses in self.layers for each in clauses), *self.denies)
        return not all(each.certain for each in clauses)

    @property
    def about(self) -> About:
        """What they say together."""
        return About(self.layers, self.denies)

    def of_layers(self, *wanted: str) -> "Saying":
        """Without the Allows of other layers, which then need not allow."""
        return Saying(tuple(each for each in self.layers if each[0] in wanted), self.denies)

    def within(self, context: Context) -> "Saying":
        """As a context decides them that knows more than the principal's own."""
        if not self.open:
            return self
        layers = tuple((layer, refined(clauses, context)) for layer, clauses in self.layers)
        return Saying(layers, refined(self.denies, context))

    def found(self, space: Space, decide: "Decide | None" = None) -> Found:
        """What of a space they allow; ``decide`` tells of a statement that asks for the target's traits where it may
        apply, and where it does for certain."""

        def reached(clause: Clause) -> tuple[int, int]:
            if decide is not None and clause.conditions and asks_target(clause):
                return decide(clause)
            return space.of(clause.widest), space.of(clause.surest)

        possible = certain = space.all
        unchecked = 0
        for _, clauses in self.layers:
            wide = sure = 0
            for each in clauses:
                may, must = reached(each)
                wide |= may
                sure |= must
                if each.variables and asks_target(each):
                    unchecked |= may
            possible &= wide
            certain &= sure
        for each in self.denies:
            may, must = reached(each)
            possible &= ~must
            certain &= ~may
            if each.variables and asks_target(each):
                unchecked |= may
        return Found(possible, certain, unchecked & possible & ~certain)


#: Where a statement may apply, and where it does for certain.
Decide = Callable[[Clause], tuple[int, int]]


class Traits:
    """What conditions can ask of principals as targets, their tags and boundaries: sets of them by value."""

    def __init__(self, space: Space, entities: Iterable[IamPrincipal]) -> None:
        self._space = space
        self._tags: dict[str, dict[str, int]] = {}
        self._boundaries: dict[str, int] = {}
        self._met: dict[ConditionTest, tuple[int, int]] = {}
        for each in entities:
            bit = space.bit(each.arn)
            for name, value in each.tags.items():
                of_tag = self._tags.setdefault(name.lower(), {})
                of_tag[value] = of_tag.get(value, 0) | bit
            if each.boundary:
                self._boundaries[each.boundary] = self._boundaries.get(each.boundary, 0) | bit

    def values(self, key: str) -> Mapping[str | None, int] | None:
        """Who has which value of a condition key, in lower case. None as a value: no such tag, no boundary."""
        name, slash, tag = key.partition("/")
        if slash and name in ("iam:resourcetag", "aws:resourcetag"):
            held = self._tags.get(tag, {})
        elif key == "iam:permissionsboundary":
            held = self._boundaries
        else:
            return None
        values: dict[str | None, int] = {None: self._space.all & ~_union(held.values())}
        values.update(held)
        return values

    def reached(
        self, clause: Clause, context: Callable[[Mapping[str, Given]], Context], *, by_boundary: bool
    ) -> tuple[int, int]:
        """Where a statement may apply, and where it does for certain; ``context`` is that of a request, and
        ``by_boundary`` whether iam:PermissionsBoundary is that of the target."""
        may = must = self._space.of(clause.widest)
        for condition, test in clause.template.tests:
            if condition not in clause.conditions:
                continue
            key = condition.key.lower()
            values = self.values(key) if by_boundary or key != "iam:permissionsboundary" else None
            if values is None:
                must = 0
                continue
            met = self._met.get(test)
            if met is None:
                truths = [(bits, test(context({key: value}))) for value, bits in values.items() if bits]
                met = (
                    _union(bits for bits, truth in truths if truth is not False),
                    _union(bits for bits, t in truths if t),
                )
                if not any("${" in value for value in condition.values):
                    self._met[test] = met
            may &= met[0]
            must &= met[1]
        return may, 0 if clause.variables else must


def _union(sets: Iterable[int]) -> int:
    found = 0
    for each in sets:
        found |= each
    return found


def saying(permissions: Permissions, action: str) -> Saying:
    """The statements of a principal that speak of an action."""
    lowered = action.lower()
    number = catalog().number(lowered)

    def speaking(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
        if number is None:
            return tuple(each for each in clauses if each.template.speaks_of(lowered))
        return tuple(each for each in clauses if each.actions >> number & 1)

    bound = lowered.partition(":")[0] in rcp_services()
    denies = speaking(each for each in permissions.denies if bound or each.ref.source.kind != "rcp")
    return Saying(tuple((layer, speaking(clauses)) for layer, clauses in permissions.layers), denies)


def asks_target(clause: Clause) -> bool:
    """Whether a statement asks what the target is like: its tags, its boundary."""
    return any(each.key.lower().startswith(_OF_TARGET) for each in clause.conditions) or any(
        key in text.lower() for text in clause.variables for key in _OF_TARGET
    )


def target_keys(saying: Saying, tags: Mapping[str, str]) -> dict[str, Given]:
    """What the keys iam:ResourceTag/… hold that the statements ask for; None: the target has no such tag."""
    held = {f"iam:resourcetag/{name.lower()}": value for name, value in tags.items()}
    clauses = (*(each for _, clauses in saying.layers for each in clauses), *saying.denies)
    asked = {condition.key.lower() for each in clauses for condition in each.conditions}
    return {key: held.get(key) for key in asked if key.startswith("iam:resourcetag/")}
