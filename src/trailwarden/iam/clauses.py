"""Statements of policies for one principal, and what several of them say together about an action on a resource."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec

from ..model.policy import Condition, Policy, Statement, StatementRef
from .catalog import catalog, matching
from .conditions import condition_test
from .context import Context, Given
from .formula import Formula, Holds, conjunction, disjunction, none
from .patterns import Pattern, covers, overlaps, pattern
from .reach import NOTHING, Reach, Written, contained, exists
from .request import Layer, layer_of

#: ``yes``: all of the resource asked for, whatever the context. ``part``: some of it, whatever the context.
#: ``conditional``: only if conditions hold. ``no``: never.
Answer = Literal["yes", "part", "conditional", "no"]
#: What is asked about: one resource's ARN, or all that some patterns match.
Target: TypeAlias = str | tuple[Pattern, ...]
#: Allow statements by layer, identity first; of each layer one must allow.
Layers: TypeAlias = "tuple[tuple[Layer, tuple[Clause, ...]], ...]"
#: How many answers are remembered before memory starts anew.
REMEMBERED = 4096


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a principal can do an action on a resource.

    ``when``: True where the answer is certain (``yes``, ``part``), False for ``no``, else what must hold.
    ``permitted_by``: the identity policies' statements that allow. ``limited_by``: the statements that take away
    or bound. ``blocked_by``: for ``no``, the kinds of policy that stand in the way, ``identity`` if none allows;
    empty where AWS itself forbids the change.
    """

    answer: Answer
    when: Formula
    permitted_by: tuple[StatementRef, ...] = ()
    limited_by: tuple[StatementRef, ...] = ()
    blocked_by: tuple[Layer, ...] = ()

    @property
    def possible(self) -> bool:
        """Whether it can be at all."""
        return self.answer != "no"


class Template:
    """One statement, as far as it does not depend on the principal."""

    __slots__ = ("actions", "negated", "resources", "statement", "tests", "texts")

    def __init__(self, statement: Statement, *, variables: bool) -> None:
        self.statement = statement
        self.negated = statement.actions is None
        self.texts = statement.actions if statement.actions is not None else statement.not_actions or ()
        bits = 0
        for text in self.texts:
            bits |= matching(text)
        self.actions = catalog().all & ~bits if self.negated else bits
        not_resource = statement.resources is None and statement.not_resources is not None
        texts = statement.not_resources if not_resource else statement.resources
        self.resources = Written(("*",) if texts is None else texts, negated=not_resource, variables=variables)
        self.tests = tuple((condition, condition_test(condition, variables)) for condition in statement.conditions)

    def speaks_of(self, action: str) -> bool:
        """Whether it names an action that the catalogue does not know; in lower case."""
        return any(pattern(text.lower()).matches(action) for text in self.texts) is not self.negated


class Clause:
    """One statement for one principal: what its context decides is decided."""

    __slots__ = ("actions", "conditions", "ref", "surest", "template", "variables", "widest")

    def __init__(self, template: Template, ref: StatementRef, context: Context, open_: tuple[Condition, ...]) -> None:
        self.template = template
        self.actions = template.actions
        self.ref = ref
        self.conditions = open_
        self.widest, surest, self.variables = template.resources.within(context)
        self.surest = NOTHING if open_ else surest

    @property
    def certain(self) -> bool:
        """Whether it applies whatever the context."""
        return not self.conditions and not self.variables

    def holds(self) -> Formula:
        """What must hold for it to apply."""
        return True if self.certain else Holds(self.ref, self.conditions, self.variables)

    def holds_on(self, resource: str) -> Formula:
        """What must hold for it to apply to one resource of its widest set."""
        return self.surest.has(resource) or Holds(self.ref, self.conditions, self.variables)

    def names(self, actions: str) -> bool:
        """Whether it speaks of everything that a pattern of unknown actions stands for."""
        wanted = pattern(actions.lower())
        texts = [pattern(each.lower()) for each in self.template.texts]
        if self.template.negated:
            return not any(overlaps(each, wanted) for each in texts)
        return any(covers(each, wanted) for each in texts)


@lru_cache(maxsize=65536)
def template_of(statement: Statement, variables: bool) -> Template:
    """The statement, compiled once for all who have it; ``variables``: whether its policy substitutes ``${…}``."""
    return Template(statement, variables=variables)


def clauses_of(policies: Iterable[Policy], context: Context) -> Iterator[Clause]:
    """The statements of policies that may apply in a context, in their order."""
    for policy in policies:
        for statement in policy.statements:
            clause = _clause(template_of(statement, policy.variables), policy.ref(statement), context)
            if clause is not None:
                yield clause


def refined(clauses: Iterable[Clause], context: Context) -> tuple[Clause, ...]:
    """The clauses that may still apply in a context that knows more."""
    again = (each if each.certain else _clause(each.template, each.ref, context) for each in clauses)
    return tuple(each for each in again if each is not None)


def _clause(template: Template, ref: StatementRef, context: Context) -> Clause | None:
    undecided: list[Condition] = []
    for condition, test in template.tests:
        truth = test(context)
        if truth is False:
            return None
        if truth is None:
            undecided.append(condition)
    return Clause(template, ref, context, tuple(undecided))


class About:
    """The clauses that speak of an action: the Allows by layer, and the Denies."""

    __slots__ = ("_by_account", "_verdicts", "certain", "denies", "layers")

    def __init__(self, layers: Layers, denies: tuple[Clause, ...]) -> None:
        self.layers = layers
        self.denies = denies
        self._verdicts: dict[Target, Verdict] = {}
        every = (*(each for _, clauses in layers for each in clauses), *denies)
        #: Whether nothing depends on the context of a request.
        self.certain = all(each.certain for each in every)
        self._by_account = any(
            condition.key.lower() == "aws:resourceaccount" for each in every for condition in each.conditions
        )

    def verdict(self, target: Target) -> Verdict:
        """The answer for a resource, remembered."""
        found = self._verdicts.get(target)
        if found is None:
            if len(self._verdicts) >= REMEMBERED:
                self._verdicts.clear()
            judge = self._on_one if isinstance(target, str) else self._on_all
            found = self._verdicts[target] = judge(target)  # type: ignore[arg-type]
        return found

    def told_by(self, resource: str) -> Mapping[str, Given]:
        """The condition keys that the clauses ask for and that a resource's ARN answers."""
        if not self._by_account:
            return {}
        fields = resource.split(":", 5)
        account = fields[4] if len(fields) == 6 else ""
        return {"aws:ResourceAccount": account} if account.isdigit() else {}

    def within(self, context: Context) -> "About":
        """The same of a context that knows more."""
        layers = tuple((layer, refined(clauses, context)) for layer, clauses in self.layers)
        return About(layers, refined(self.denies, context))

    def holds_whole(self, target: tuple[Pattern, ...]) -> Formula:
        """What must hold for all of a target to be allowed, but for parts that are spared by name.

        Parts that a Deny takes or a NotResource leaves out do not count, as long as they are not the whole.
        """
        goal = (_goal(target),)
        required: list[Formula] = []
        for _, clauses in self.layers:
            if _whole(goal, (each.surest for each in clauses)):
                continue
            if not _whole(goal, (each.widest for each in clauses)):
                return False
            required.append(disjunction(each.holds() for each in clauses if not each.certain))
        denied = (each.holds() for each in self.denies if _whole(goal, (each.widest,)))
        return conjunction((*required, none(denied)))

    def _on_one(self, resource: str) -> Verdict:
        met = [(layer, [each for each in clauses if each.widest.has(resource)]) for layer, clauses in self.layers]
        denies = [each for each in self.denies if each.widest.has(resource)]
        sure = [each for each in denies if each.surest.has(resource)]
        if sure or not all(clauses for _, clauses in met):
            return _refused(met, [layer for layer, clauses in met if not clauses], sure)
        permitted = tuple(each.ref for each in met[0][1])
        certain = [any(each.surest.has(resource) for each in clauses) for _, clauses in met]
        if not denies and all(certain):
            return Verdict(answer="yes", when=True, permitted_by=permitted)
        required = (disjunction(each.holds_on(resource) for each in clauses) for _, clauses in met)
        bounding = (
            each.ref for (_, clauses), sure in zip(met[1:], certain[1:], strict=True) if not sure for each in clauses
        )
        return Verdict(
            answer="conditional",
            when=conjunction((*required, none(each.holds_on(resource) for each in denies))),
            permitted_by=permitted,
            limited_by=(*(each.ref for each in denies), *bounding),
        )

    def _on_all(self, target: tuple[Pattern, ...]) -> Verdict:
        goal = (_goal(target),)
        met = [(layer, [each for each in clauses if _meets(goal, each.widest)]) for layer, clauses in self.layers]
        denies = [each for each in self.denies if _meets(goal, each.widest)]
        removed = tuple(each.surest for each in denies)
        groups = [tuple(each.widest for each in clauses) for _, clauses in met]
        if not exists((goal, *groups), removed):
            lacking = [layer for layer, clauses in met if not clauses]
            if not lacking and not exists((goal, *groups)):
                # Each layer allows some of it, and none of that is allowed by all.
                lacking = [layer for layer, _ in met[1:]]
            return _refused(met, lacking, [each for each in denies if each.surest is not NOTHING])
        permitted = tuple(each.ref for each in met[0][1])
        certain = [tuple(each.surest for each in clauses) for _, clauses in met]
        bounding = (
            each.ref
            for (_, clauses), sure in zip(met[1:], certain[1:], strict=True)
            if not contained(goal, sure)
            for each in clauses
        )
        limited = (*(each.ref for each in denies), *bounding)
        if not limited and contained(goal, certain[0]):
            return Verdict(answer="yes", when=True, permitted_by=permitted)
        if exists((goal, *certain), tuple(each.widest for each in denies), doubt=False):
            return Verdict(answer="part", when=True, permitted_by=permitted, limited_by=limited)
        required: list[Formula] = []
        for at, (_, clauses) in enumerate(met):
            others = (goal, *groups[:at], *groups[at + 1 :])
            useful = [each for each in clauses if exists((*others, (each.widest,)), removed)]
            required.append(disjunction(each.holds() for each in useful))
        when = conjunction((*required, none(each.holds() for each in denies if not each.certain)))
        return Verdict(answer="conditional", when=when, permitted_by=permitted, limited_by=limited)


@lru_cache(maxsize=16384)
def _goal(target: tuple[Pattern, ...]) -> Reach:
    return Reach(target)


def _meets(goal: tuple[Reach, ...], reach: Reach) -> bool:
    return reach.everything or exists((goal, (reach,)))


def _whole(goal: tuple[Reach, ...], reaches: Iterable[Reach]) -> bool:
    """Whether the sets hold all of the goal, but for what a NotResource spares by name."""
    given = tuple(reaches)
    nearly = any(each.negated and not contained(goal, (Reach(each.patterns),)) for each in given)
    return nearly or contained(goal, given)


def _refused(
    met: Sequence[tuple[Layer, Sequence[Clause]]], lacking: Sequence[Layer], denies: Sequence[Clause]
) -> Verdict:
    blocking = (*lacking, *(layer_of(each.ref.source.kind) for each in denies))
    return Verdict(
        answer="no",
        when=False,
        permitted_by=tuple(each.ref for each in met[0][1]),
        limited_by=tuple(each.ref for each in denies),
        blocked_by=tuple(dict.fromkeys(blocking)),
    )
