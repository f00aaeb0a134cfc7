"""The desk: plans an action on a connected account, files the proposal, and carries out what was approved.

Planning reads through the account's read role. Carrying out assumes its respond role, for one proposal, with a session
policy of exactly its steps and the approver's name as SourceIdentity where the role's trust allows that.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from .action import Action, Planned, Refused, target_of
from .actions import actions
from .aws.broker import source_identity
from .aws.change import Change
from .aws.connection import Connection
from .aws.facts import AccountFacts
from .aws.session_policy import missing_permissions, session_policy
from .effects import same_target, step_effect, verify_steps
from .errors import AccessDenied, SetupError, UsageError
from .guardrails import Guard
from .model.authorization import AuthorizationSnapshot
from .model.finding import Evidence
from .model.proposal import Actor, BlastItem, Confidence, Plan, Proposal, Step
from .progress import Progress, Silent
from .respond.execute import Execution, execute
from .respond.ledger import Ledger, Proposed

if TYPE_CHECKING:
    from .aws.broker import AwsSession, Broker
    from .state import State

#: Seconds between two looks at a target that is not as planned yet: changes of IAM and EC2 take their time to show.
VERIFY_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, *(30.0,) * 9)
_DONE = ("done", "already")
_NO_CONFIDENCE = Confidence(score=0.0, label="none")


class Desk:
    """Where proposals of one installation are planned and carried out.

    ``guard`` is asked for what is protected each time; ``snapshot_of`` gives who may do what in an account (read now
    where its second argument says so), None where that was not read; ``sleep`` (seconds) is for tests.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        state: "State",
        broker: "Broker",
        now: Callable[[], datetime],
        guard: Callable[[], Guard],
        snapshot_of: Callable[[str, bool], AuthorizationSnapshot | None],
        progress: Progress | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.ledger = ledger
        self._state = state
        self._broker = broker
        self._now = now
        self._guard = guard
        self._snapshot_of = snapshot_of
        self._progress: Progress = progress or Silent()
        self._sleep = sleep

    # ------------------------------------------------------------ planning

    def accounts(self) -> tuple[str, ...]:
        """The accounts that a plan can be made for."""
        return tuple(dict.fromkeys(each.account_id for each in self._state.connections.list()))

    def plan(self, name: str, arguments: Mapping[str, Any], *, account: str, fresh: bool = False) -> Planned:
        """What the action would do in that account, from what is there now. Nothing is changed or kept.

        ``arguments`` may be texts, as a command line gives them. ``fresh``: who may do what is read now, not within the
        hour.

        Raises:
            UsageError: no such action or argument, or no such account.
            Refused: a guardrail forbids it, or it would have no effect.
            NotFound: no such target in that account.
            AwsError: the target cannot be read.
        """
        return parse_action(name, arguments).plan(self.world(account, fresh=fresh), self._guard())

    def undo_plan(self, identifier: str) -> Planned:
        """What undoes an executed proposal: the undo of each step that was done and whose undo is not there yet, the
        last one first.

        Raises:
            Refused: nothing of it can be undone, or all of it is.
            AwsError: the target cannot be read.
        """
        return self._undoing(self.ledger.get(identifier))

    def world(self, account: str, *, fresh: bool = False) -> AccountFacts:
        """The account as it is now, to read.

        Raises:
            UsageError: it is not connected.
            AwsError: its role cannot be assumed.
        """
        connection = self._connection(account, "read") or self._connection(account, "respond")
        if connection is None:
            raise UsageError(
                f"account {account} is not connected",
                remedy="`trailwarden accounts list` shows those that are; `trailwarden accounts connect` adds one",
            )
        return AccountFacts(
            self._broker.session(connection),
            account=account,
            partition=connection.partition,
            regions=self._broker.enabled_regions(connection).enabled,
            now=self._now(),
            snapshot=cache(lambda: self._snapshot_of(account, fresh)),
        )

    def file(
        self,
        planned: Planned,
        *,
        reason: str,
        by: Actor,
        confidence: Confidence = _NO_CONFIDENCE,
        evidence: tuple[Evidence, ...] = (),
        blast_radius: tuple[BlastItem, ...] = (),
        on_behalf_of: str | None = None,
        undoes: str | None = None,
    ) -> Proposed:
        """Propose what was planned; ``blast_radius`` is what is known beside the plan's own.

        The evidence is part of what is approved. Raises as ``Ledger.propose``.
        """
        cited = tuple(sorted({each.event_id for each in evidence if each.event_id}))
        plan = msgspec.structs.replace(planned.plan, evidence=cited)
        session_policy(plan)  # one that AWS would not take is refused now, not when it is approved
        lacking, notes = self._lacking(plan)
        return self.ledger.propose(
            plan,
            arguments=planned.arguments,
            reason=reason,
            by=by,
            administrator=planned.administrator,
            blast_radius=(*planned.blast_radius, *blast_radius),
            confidence=confidence,
            evidence=evidence,
            missing_permissions=lacking,
            notes=(*planned.notes, *notes),
            undo_after=planned.undo_after,
            on_behalf_of=on_behalf_of,
            undoes=undoes,
        )

    # ------------------------------------------------------------ carrying out

    def execute(self, identifier: str) -> Execution:
        """Carry out an approved proposal, or go on with one whose worker has gone, and read the target back.

        Where the target is not what was approved any more, what would be done now is proposed anew.

        Raises:
            SetupError: no role to respond with is connected.
            LeaseHeld, LeaseLost, IllegalMove, UsageError, AwsError: as ``respond.execute``.
        """
        proposal = self.ledger.get(identifier)
        connection = self._connection(proposal.account, "respond")
        if connection is None and proposal.state in ("approved", "executing"):
            raise SetupError(
                f"account {proposal.account} has no role to respond with: what is approved cannot be carried out",
                remedy="`trailwarden accounts policy --for respond` prints the role; connect it with --purpose respond",
            )
        doer = _Doer(self, proposal, connection)
        with self._progress.task(f"{proposal.action} {proposal.id}", total=len(proposal.plan.steps)) as bar:
            doer.tell = bar.advance
            execution = execute(self.ledger, identifier, doer, worker=worker_name())
        if execution.replanned is not None and doer.planned is not None:
            again = self.file(
                doer.planned,
                reason=f"the target of proposal {identifier} changed before it was carried out: {proposal.reason}"[
                    :2000
                ],
                by=proposal.proposer,
                confidence=proposal.confidence,
                evidence=proposal.evidence,
                on_behalf_of=self.ledger.asked_by(identifier),
                undoes=proposal.undoes,
            )
            return msgspec.structs.replace(execution, successor=again.proposal.id)
        return execution

    # ------------------------------------------------------------ within

    def _connection(self, account: str, purpose: str) -> Connection | None:
        found = (each for each in self._state.connections.list() if each.account_id == account)
        return next((each for each in found if each.purpose == purpose), None)

    def _replan(self, proposal: Proposal) -> Planned:
        if proposal.undoes is not None:
            return self._undoing(self.ledger.get(proposal.undoes))
        again = self.plan(proposal.action, proposal.arguments, account=proposal.account, fresh=True)
        if proposal.administrator is not None and again.administrator is None:
            raise SetupError(
                f"who is an administrator of account {proposal.account} was known when this was proposed, and could "
                "not be read again",
                remedy="`trailwarden iam scan --refresh` says why; then propose it again",
            )
        return again

    def _undoing(self, original: Proposal) -> Planned:
        world = self.world(original.account)
        done = {each.number for each in original.outcomes if each.state in _DONE}
        steps: list[Step] = []
        lost: list[str] = []
        for step in reversed([each for each in original.plan.steps if each.number in done and each.undo is not None]):
            assert step.undo is not None
            back = Step(number=len(steps) + 1, call=step.undo, does=f"undo: {step.does}", undo=step.call)
            target = target_of(original.plan, step)
            seen = step_effect(world, step.undo, target)
            if seen:
                continue
            there = same_target(world, step.undo, target)
            if there and seen is False:
                steps.append(back)
            elif there or seen is False:
                lost.append(step.does)  # the target is gone, or what of it this was done to
            else:
                raise Refused(
                    f"whether “{step.does}” is still in force cannot be known: the target may be another one now",
                    remedy="look at the target, and propose what it needs by itself",
                )
        if not steps:
            why = " ".join(original.plan.irreversible)
            raise Refused(
                f"nothing of proposal {original.id} is left that could be undone" + (f": {why}" if why else ""),
                remedy="its export says what was destroyed, so that it can be made again by hand",
            )
        plan = Plan(
            action=original.action,
            account=original.account,
            targets=original.plan.targets,
            steps=tuple(steps),
            pre_state={"undoes": original.id, "steps": [step.call.api for step in steps]},
        )
        notes = tuple(f"not undone, since what it was done to is gone: {each}" for each in lost)
        return Planned(plan=plan, arguments=original.arguments, administrator=original.administrator, notes=notes)

    def _lacking(self, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The permissions that the respond role lacks for the plan, and what cannot be said of it."""
        connection = self._connection(plan.account, "respond")
        if connection is None:
            every = tuple(sorted({step.call.api for step in plan.steps}))
            return every, ("no role to respond with is connected in this account, so that nothing can be carried out",)
        snapshot = self._snapshot_of(plan.account, False)
        if snapshot is None:
            return (), ("what the respond role may do was not read: lacking permissions show only when it is used",)
        return missing_permissions(plan, snapshot, connection.role_arn), ()

    def credentials(self, proposal: Proposal, connection: Connection) -> "AwsSession":
        """A session of the respond role for this one proposal; its approver is its SourceIdentity where the trust
        allows that, and the audit chain says whether it was.

        Raises:
            AccessDenied, AwsError: as ``Broker.assume``.
        """
        policy = session_policy(proposal.plan)
        approver = proposal.approvals[-1].approver
        named: str | None = source_identity(approver)
        trace = f"approved-{proposal.id}"
        try:
            session = self._broker.assume(connection, session_policy=policy, source_identity=named, trace=trace)
        except AccessDenied:
            session, named = self._broker.assume(connection, session_policy=policy, trace=trace), None
        body = {
            "proposal": proposal.id,
            "role": connection.role_arn,
            "source_identity": named,
            "session_policy": policy,
            "note": "" if named else "the role's trust does not allow sts:SetSourceIdentity",
        }
        actor = Actor(kind="rule", name=f"worker {worker_name()}", via="python")
        self._state.audit.record(at=self._now(), actor=actor, kind="proposal.credentials", body=body)
        return session

    def waits(self) -> Iterator[None]:
        """Once at once, then after each wait of VERIFY_WAITS."""
        yield
        for seconds in VERIFY_WAITS:
            self._sleep(seconds)
            yield


class _Doer:
    """What does the steps of one proposal."""

    def __init__(self, desk: Desk, proposal: Proposal, connection: Connection | None) -> None:
        self.planned: Planned | None = None
        self.tell: Callable[[float], object] = lambda _: None
        self._desk = desk
        self._proposal = proposal
        self._connection = connection
        self._change: Change | None = None

    def replan(self) -> Plan:
        """The plan for the target as it is now, with the evidence of the approved one."""
        self.planned = self._desk._replan(self._proposal)  # noqa: SLF001 - two halves of one
        return msgspec.structs.replace(self.planned.plan, evidence=self._proposal.plan.evidence)

    def is_done(self, step: Step) -> bool | None:
        """Whether the step's effect is there."""
        return step_effect(self._desk.world(self._proposal.account), step.call, target_of(self._proposal.plan, step))

    def waits(self) -> Iterator[None]:
        """Once at once, then after each wait of VERIFY_WAITS."""
        return self._desk.waits()

    def do(self, step: Step) -> str | None:
        """Make the step's call with the credentials of this proposal."""
        if self._change is None:
            assert self._connection is not None
            session = self._desk.credentials(self._proposal, self._connection)
            self._change = Change(session, now=self._desk._now)  # noqa: SLF001
        request = self._change.do(step.call)
        self.tell(1)
        return request

    def verify(self) -> tuple[bool, str]:
        """Read the target back until it is as planned, or patience ends."""
        action = parse_action(self._proposal.action, self._proposal.arguments)
        look = verify_steps if self._proposal.undoes is not None else action.verify
        seen = None
        for _ in self.waits():
            seen = look(self._desk.world(self._proposal.account), self._proposal.plan)
            if seen.ok:
                break
        assert seen is not None
        return seen.ok, seen.detail


def parse_action(name: str, arguments: Mapping[str, Any]) -> Action:
    """The action of that name with its arguments, which may be texts; a list may be a text with commas.

    Raises:
        UsageError: no such action, or an argument that is unknown, missing or of another kind.
    """
    known = actions()
    if name not in known:
        raise UsageError(f"no action {name[:64]!r}", remedy=f"there are: {', '.join(known)}")
    kind = known[name]  # type: ignore[index]
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    usage = ", ".join(each.name if each.required else f"[{each.name}]" for each in fields.values())
    if unknown := sorted(set(arguments) - set(fields)):
        raise UsageError(f"{name} has no argument {', '.join(unknown)[:200]}", remedy=f"it takes: {usage}")
    given = {key: _listed(fields[key].type, value) for key, value in arguments.items()}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{name}: {error}", remedy=f"it takes: {usage}") from error


def _listed(kind: Any, value: Any) -> Any:
    """A text as a list where a list is wanted."""
    wants_many = "tuple" in str(kind)
    if wants_many and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def worker_name() -> str:
    """This process, as leases and the audit chain call it."""
    return f"{socket.gethostname()}:{os.getpid()}"[:190]
