"""Policies compiled for evaluation, and which of their statements apply to one request."""

from functools import lru_cache

import msgspec

from ..model.policy import WITH_PRINCIPALS, Condition, Policy, Statement, StatementRef
from .conditions import ConditionTest, condition_test
from .context import Context
from .formula import Formula, Holds
from .matching import Pattern, Truth, any_matches, none_matches, pattern
from .principals import Grade, RequestPrincipal, grade_of, spared

#: How many actions one policy remembers the statements of, before it starts anew.
_REMEMBERED = 4096


class Match(msgspec.Struct, frozen=True):
    """A statement that applies: surely if ``when`` is True, else if that holds. ``grade``: how it means the caller."""

    statement: StatementRef
    when: Formula
    grade: Grade = Grade.DIRECT

    @property
    def deny(self) -> bool:
        """Whether it denies."""
        return self.statement.effect == "Deny"


class CompiledStatement:
    """One statement with its patterns and conditions compiled."""

    __slots__ = ("_conditions", "_not_resources", "_resources", "ref", "statement")

    def __init__(self, policy: Policy, statement: Statement) -> None:
        variables = policy.variables
        self.statement = statement
        self.ref = policy.ref(statement)
        self._resources = _resource_patterns(statement.resources, variables=variables)
        self._not_resources = _resource_patterns(statement.not_resources, variables=variables)
        self._conditions: tuple[tuple[Condition, ConditionTest], ...] = tuple(
            (condition, condition_test(condition, variables)) for condition in statement.conditions
        )

    def on(self, resource: str, context: Context) -> Formula:
        """Whether resource and conditions are met."""
        reach = self._reaches(resource, context)
        if reach is False:
            return False
        pending: list[Condition] = []
        for condition, test in self._conditions:
            truth = test(context)
            if truth is False:
                return False
            if truth is None:
                pending.append(condition)
        if reach is True and not pending:
            return True
        statement = self.statement
        open_resources = () if reach else statement.resources or statement.not_resources or ()
        return Holds(self.ref, tuple(pending), open_resources)

    def _reaches(self, resource: str, context: Context) -> Truth:
        if self._resources is not None:
            return any_matches(self._resources, resource, context.resolve)
        if self._not_resources is not None:
            return none_matches(self._not_resources, resource, context.resolve)
        return True


def _resource_patterns(texts: tuple[str, ...] | None, *, variables: bool) -> tuple[Pattern, ...] | None:
    if texts is None:
        return None
    return tuple(pattern(text, variables=variables, arn=True, whole=True) for text in texts)


class _Actions:
    """Which actions a statement speaks of, and the services that they are of (None: perhaps any)."""

    __slots__ = ("_negated", "_patterns", "services")

    def __init__(self, statement: Statement) -> None:
        self._negated = statement.actions is None
        texts = statement.not_actions if statement.actions is None else statement.actions
        self._patterns = tuple(pattern(text, ignore_case=True) for text in texts or ())
        services = {_service(text) for text in texts or ()}
        self.services = None if self._negated or None in services else services

    def include(self, action: str) -> bool:
        """Whether the statement speaks of an action."""
        return (any_matches(self._patterns, action, _no_variables) is True) is not self._negated


def _service(action: str) -> str | None:
    """The service of an action pattern, in lower case; None if a wildcard leaves it open."""
    service, colon, _ = action.partition(":")
    return service.lower() if colon and not {"*", "?"} & set(service) else None


def _no_variables(name: str) -> None:
    """Actions hold no variables."""
    del name


class CompiledPolicy:
    """One policy's statements, found by action."""

    __slots__ = ("_by_action", "_by_service", "_statements", "principals")

    def __init__(self, policy: Policy) -> None:
        self.principals = policy.source.kind in WITH_PRINCIPALS
        self._statements = tuple((_Actions(each), CompiledStatement(policy, each)) for each in policy.statements)
        self._by_service: dict[str, tuple[tuple[_Actions, CompiledStatement], ...]] = {}
        self._by_action: dict[str, tuple[CompiledStatement, ...]] = {}

    def about(self, action: str) -> tuple[CompiledStatement, ...]:
        """The statements that speak of an action, given in lower case."""
        found = self._by_action.get(action)
        if found is None:
            if len(self._by_action) >= _REMEMBERED:
                self._by_action.clear()
                self._by_service.clear()
            candidates = self._of_service(action.partition(":")[0])
            found = tuple(statement for actions, statement in candidates if actions.include(action))
            self._by_action[action] = found
        return found

    def _of_service(self, service: str) -> tuple[tuple[_Actions, CompiledStatement], ...]:
        found = self._by_service.get(service)
        if found is None:
            found = self._by_service[service] = tuple(
                each for each in self._statements if each[0].services is None or service in each[0].services
            )
        return found


@lru_cache(maxsize=16384)
def compiled(policy: Policy) -> CompiledPolicy:
    """The compiled policy, from a cache."""
    return CompiledPolicy(policy)


def matches_of(
    policy: Policy,
    *,
    action: str,
    resource: str,
    principal: RequestPrincipal,
    context: Context,
    bounded: bool = False,
) -> list[Match]:
    """The statements of a policy that apply, or may apply, to a request; ``action`` in lower case.

    ``bounded``: the caller has a permissions boundary, which makes every Deny with NotPrincipal apply.
    """
    found: list[Match] = []
    policy_compiled = compiled(policy)
    for each in policy_compiled.about(action):
        grade = _meant(each.statement, principal, bounded=bounded) if policy_compiled.principals else Grade.DIRECT
        if grade is Grade.NONE:
            continue
        when = each.on(resource, context)
        if when is not False:
            found.append(Match(each.ref, when, grade))
    return found


def _meant(statement: Statement, principal: RequestPrincipal, *, bounded: bool) -> Grade:
    """How a statement means the caller; one without Principal means nobody."""
    if statement.principals is not None:
        return grade_of(statement.principals, principal)
    if statement.not_principals is None:
        return Grade.NONE
    if bounded and statement.effect == "Deny":
        return Grade.DIRECT
    return Grade.NONE if spared(statement.not_principals, principal) else Grade.DIRECT
