"""Questions about permissions: what a principal can do on a resource, and who can do something. Pure.

A resource's own policy is taken into account where it is at hand and the question names one resource: then the whole
evaluation decides. Else the principal's side alone is answered.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import msgspec

from ..errors import UsageError
from ..model.policy import StatementRef
from .catalog import expand
from .clauses import Answer, Verdict
from .effective import Permissions
from .formula import Formula
from .request import Decision

#: So many actions of a pattern are judged one by one at most.
MOST_ACTIONS = 5_000
#: Decides one action on the resource asked about, everything that is known taken into account.
Decide = Callable[[str], Decision]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Actions that have the same answer on a resource; ``when`` is what must hold of a conditional one, in words."""

    actions: tuple[str, ...]
    resource: str
    answer: Answer
    when: str = ""
    permitted_by: tuple[StatementRef, ...] = ()
    limited_by: tuple[StatementRef, ...] = ()
    blocked_by: tuple[str, ...] = ()


def can(
    permissions: Permissions, action: str, resource: str = "*", *, decide: Decide | None = None
) -> tuple[Answered, ...]:
    """Whether a principal can do an action, or the actions of a pattern (``iam:*``), grouped by answer.

    Raises:
        UsageError: no action, or a pattern that names none or more than MOST_ACTIONS.
    """
    actions = _actions(action)
    judge = partial(_of_decision, decide) if decide is not None else _by_permissions(permissions, resource)
    groups: dict[tuple[object, ...], list[str]] = {}
    answers: dict[tuple[object, ...], Answered] = {}
    for each in actions:
        answered = judge(each)
        alike = (answered.answer, answered.when, answered.permitted_by, answered.limited_by, answered.blocked_by)
        groups.setdefault(alike, []).append(each)
        answers[alike] = answered
    return tuple(
        msgspec.structs.replace(answers[alike], actions=tuple(names), resource=resource)
        for alike, names in sorted(groups.items(), key=lambda item: (_RANK[answers[item[0]].answer], -len(item[1])))
    )


def actions_on(permissions: Permissions, resource: str) -> tuple[Answered, ...]:
    """Everything that a principal can do on a resource, by its own side, grouped by answer."""
    return tuple(
        msgspec.structs.replace(_of_verdict(each.verdict), actions=tuple(each.actions), resource=resource)
        for each in sorted(permissions.on(resource), key=lambda each: _RANK[each.verdict.answer])
    )


_RANK: Mapping[Answer, int] = {"yes": 0, "part": 1, "conditional": 2, "no": 3}


def _actions(action: str) -> tuple[str, ...]:
    if ":" not in action:
        raise UsageError(f"not an action: {action!r}", remedy="name one, such as s3:GetObject or iam:*")
    if "*" not in action and "?" not in action:
        return (action,)
    found = expand(action)
    if not 1 <= len(found) <= MOST_ACTIONS:
        count = f"{len(found):,} actions" if found else "no known action"
        raise UsageError(f"{action!r} stands for {count}", remedy="name a service, such as s3:*, or one action")
    return found


def _by_permissions(permissions: Permissions, resource: str) -> Callable[[str], Answered]:
    return lambda action: _of_verdict(permissions.allows(action, resource))


def _of_verdict(verdict: Verdict) -> Answered:
    return Answered(
        actions=(),
        resource="",
        answer=verdict.answer,
        when=_words(verdict.when),
        permitted_by=verdict.permitted_by,
        limited_by=verdict.limited_by,
        blocked_by=verdict.blocked_by,
    )


def _of_decision(decide: Decide, action: str) -> Answered:
    decision = decide(action)
    applied = (*decision.matched, *decision.possible)
    allowed = decision.effect == "Allowed"
    return Answered(
        actions=(),
        resource="",
        answer="no" if not allowed else "yes" if decision.certain else "conditional",
        when=" and ".join(str(part) for part in decision.conditional) if allowed else "",
        permitted_by=tuple(ref for ref in applied if ref.effect == "Allow") if allowed else (),
        limited_by=tuple(ref for ref in applied if ref.effect == "Deny"),
        blocked_by=decision.blocked_by,
    )


def _words(formula: Formula) -> str:
    return "" if isinstance(formula, bool) else str(formula)


def holders(answers: Iterable[tuple[str, Verdict]]) -> tuple[tuple[str, Answered], ...]:
    """The answers of ``PermissionIndex.who_can`` in the same form: certain ones first, then by ARN."""
    return _ranked((arn, _of_verdict(verdict)) for arn, verdict in answers if verdict.possible)


def by_decision(action: str, deciding: Iterable[tuple[str, Decide]]) -> tuple[tuple[str, Answered], ...]:
    """Who of these can do an action, each decided by everything that is known, the resource's own policy included."""
    found = ((arn, _of_decision(decide, action)) for arn, decide in deciding)
    return _ranked((arn, answered) for arn, answered in found if answered.answer != "no")


def _ranked(answers: Iterable[tuple[str, Answered]]) -> tuple[tuple[str, Answered], ...]:
    return tuple(sorted(answers, key=lambda each: (_RANK[each[1].answer], each[0])))
