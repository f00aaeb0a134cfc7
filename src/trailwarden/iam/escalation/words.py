"""Steps and paths as reports show them: the statements that permit, the conditions, and what would break them."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from ...model.iam_report import EscalationPath, EscalationStep, IamEvidence
from ...model.policy import IamRole, Statement, StatementRef
from ..patterns import pattern
from .proof import Part, Proof


def step_of(proof: Proof) -> EscalationStep:
    """A proven step. ``statement`` is the first that permits; the trust policy's comes last."""
    evidence = tuple(dict.fromkeys((*_permitting(proof), *_trusting(proof))))
    return EscalationStep(
        principal=proof.actor.arn,
        rule=proof.rule.id,
        to=proof.target.arn,
        actions=proof.rule.actions + tuple(part.action for part in proof.parts if part.action not in proof.rule.needs),
        statement=evidence[0] if evidence else None,
        statements=evidence,
        certain=proof.certain,
        conditions=tuple(proof.conditions),
        breaks=tuple(dict.fromkeys(_breaks(proof))),
    )


def path_of(steps: Sequence[EscalationStep], conditions: Iterable[str] = ()) -> EscalationPath:
    """Steps that follow on one another; ``conditions`` are those of the arrival."""
    every = tuple(dict.fromkeys((*(each for step in steps for each in step.conditions), *conditions)))
    visited = "|".join((*(step.principal for step in steps), steps[-1].to))
    digest = hashlib.sha256(visited.encode()).hexdigest()[:12]
    return EscalationPath(
        id=f"{'>'.join(step.rule for step in steps)}:{digest}",
        to=steps[-1].to,
        steps=tuple(steps),
        certain=not every,
        conditions=every,
    )


def evidence_of(ref: StatementRef, statement: Statement | None, action: str) -> IamEvidence:
    """A statement as evidence of one action; ``text`` is its effect, what names the action, and its resources."""
    source = ref.source
    return IamEvidence(
        policy=source.arn or source.name,
        holder=source.holder,
        statement=ref.index,
        sid=ref.sid,
        text=_text(statement, action) if statement else "",
    )


def _permitting(proof: Proof) -> Iterator[IamEvidence]:
    for part in proof.parts:
        for ref in part.verdict.permitted_by:
            yield evidence_of(ref, proof.actor.statements.get(ref), part.action)


def _trusting(proof: Proof) -> Iterator[IamEvidence]:
    role = proof.target.entity
    if proof.trust is None or not isinstance(role, IamRole) or role.trust is None:
        return
    for ref in (*proof.trust.matched, *proof.trust.possible):
        if ref.effect == "Allow" and ref.source.kind == "trust":
            statement = next(each for each in role.trust.statements if each.index == ref.index)
            principals = ", ".join(map(str, statement.principals or ())) or "all but those of NotPrincipal"
            yield IamEvidence(
                policy=role.trust.source.name,
                holder=role.arn,
                statement=ref.index,
                sid=ref.sid,
                text=f"trust policy: {statement.effect} {principals}",
            )


def _text(statement: Statement, action: str) -> str:
    if statement.actions is None:
        actions = f"all but {', '.join(statement.not_actions or ())}"
    else:
        lowered = action.lower()
        actions = ", ".join(each for each in statement.actions if pattern(each.lower()).matches(lowered))
    if statement.resources is None and statement.not_resources is not None:
        return f"{statement.effect} {actions} on all but {', '.join(statement.not_resources)}"
    return f"{statement.effect} {actions} on {', '.join(statement.resources or ('*',))}"


def _breaks(proof: Proof) -> Iterator[str]:
    for part in proof.parts:
        if part.verdict.permitted_by:
            yield f"remove {part.action} from {_listed(part)}"
    passing = next((part for part in proof.parts if part.action == "iam:PassRole"), None)
    if passing is not None:
        services = " or ".join(proof.rule.services)
        yield f"add a condition on iam:PassedToService, without {services}, to {_listed(passing)}"
        yield f"leave {proof.target.arn} out of the resources of {_listed(passing)}"
    if proof.trust is not None:
        yield f"remove {proof.service or 'the principal'} from the trust policy of {proof.target.arn}"
    yield from proof.rule.breaks


def _listed(part: Part) -> str:
    return " and from ".join(map(str, part.verdict.permitted_by))
