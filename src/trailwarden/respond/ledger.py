"""The ledger: what may happen to a proposal, and the record of what did.

Every move is one database transaction with its audit entry, and a move that cannot be recorded does not happen. What
is refused is recorded too. Executing takes a lease with a fencing token: whoever holds an older token can record
nothing more, and so begins no further step.
"""

import hashlib
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..errors import Busy, TrailwardenError, UsageError
from ..model.finding import Evidence
from ..model.proposal import (
    Actor,
    Approval,
    BlastItem,
    Confidence,
    Plan,
    Proposal,
    State,
    StepOutcome,
    Transition,
    Watch,
    canonical_json,
)
from ..model.time import format_instant
from .approval import ApprovalPolicy, Approver, Approvers, Denied, check_approval, check_session, genuine, same_person
from .machine import OPEN, UNDOABLE, Event, IllegalMove, next_state

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..state import State as Database
    from ..state.ledger import Record, Stored

#: Longest reason or note that a person writes, and longest detail that is kept of what AWS said.
TEXT_LIMIT, DETAIL_LIMIT = 2000, 1000
#: What happens by itself: time passing. Executing is done by workers, see ``_worker``.
_CLOCK = Actor(kind="rule", name="expiry", via="python")
_NOBODY = Actor(kind="token", name="not from a session", via="python")
_NO_CONFIDENCE = Confidence(score=0.0, label="none")
_DONE = frozenset({"done", "already"})
_EXECUTING: tuple[State, ...] = ("executing",)


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to execute one proposal until ``until``. Of two leases, the one with the higher token holds."""

    proposal: str
    worker: str
    token: int
    until: datetime


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal that was made, or the open one for the same target that was joined. ``same_plan`` is False where the
    plan that was made now is another than the one that waits: the one that waits stands."""

    proposal: Proposal
    joined: bool = False
    same_plan: bool = True


class Interrupted(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal whose worker has gone: its lease ran out at ``lapsed``. ``in_doubt`` is the step that was begun and of
    which no outcome was written: the world must be read before it is tried again."""

    proposal: Proposal
    worker: str
    lapsed: datetime
    in_doubt: int | None


class LeaseHeld(Busy):
    """Another worker is executing the proposal, or another one in the same account."""


class LeaseLost(TrailwardenError):  # noqa: N818 - reads as the outcome it is
    """The lease that something is done under does not hold any more: another worker has taken over."""


class OutOfTime(TrailwardenError):  # noqa: N818
    """The time for executing an approved proposal is over: no further step may begin."""


class Ledger:
    """The proposals of one installation.

    ``now`` is the clock; ``approvers`` gives the people who have the role approver at present, ``people`` all people.
    ``lease_for`` must be longer than the longest call of a step, retries included: it is renewed before each step, and
    by heartbeats.
    """

    def __init__(
        self,
        state: "Database",
        *,
        now: Callable[[], datetime],
        approvers: Approvers,
        people: Approvers,
        policy: ApprovalPolicy | None = None,
        lease_for: timedelta = timedelta(minutes=10),
    ) -> None:
        self._state = state
        self._store = state.proposals
        self._now = now
        self._approvers = approvers
        self._people = people
        self.policy = policy or ApprovalPolicy()
        self.lease_for = lease_for

    # ------------------------------------------------------------ looking

    def get(self, identifier: str) -> Proposal:
        """The proposal of that id.

        Raises:
            UsageError: there is none.
        """
        with self._store.read() as database:
            return self._found(database, identifier).proposal

    def asked_by(self, identifier: str) -> str | None:
        """The person behind a proposal, who does not approve it; None for a rule, or a model that nobody asked.

        Raises:
            UsageError: no such proposal.
        """
        with self._store.read() as database:
            return self._found(database, identifier).asked_by

    def list(
        self, *, states: Collection[State] | None = None, account: str | None = None, limit: int | None = None
    ) -> Sequence[Proposal]:
        """Proposals, newest first; of some states, of one account."""
        with self._store.read() as database:
            stored = self._store.list(database, states=states, account=account, limit=limit)
        return tuple(each.proposal for each in stored)

    def resume(self) -> Sequence[Interrupted]:
        """What a crash left: proposals that are executing and whose lease has run out. ``execute`` goes on with one."""
        now = self._now()
        with self._store.read() as database:
            executing = self._store.list(database, states=_EXECUTING)
        return tuple(
            Interrupted(
                proposal=each.proposal,
                worker=each.lease.worker or "",
                lapsed=each.lease.until,
                in_doubt=_in_doubt(each.proposal),
            )
            for each in executing
            if each.lease.until is not None and each.lease.until <= now
        )

    # ------------------------------------------------------------ proposing

    def propose(
        self,
        plan: Plan,
        *,
        arguments: Mapping[str, Any],
        reason: str,
        by: Actor,
        administrator: bool | None,
        blast_radius: tuple[BlastItem, ...] = (),
        confidence: Confidence = _NO_CONFIDENCE,
        evidence: tuple[Evidence, ...] = (),
        missing_permissions: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
        undo_after: datetime | None = None,
        on_behalf_of: str | None = None,
        undoes: str | None = None,
    ) -> Proposed:
        """Propose a plan. An open proposal of the same action, arguments and targets is joined instead: the reason and
        the new evidence are added to it.

        ``administrator`` says whether a target has administrator access, None if that is not known. ``on_behalf_of``
        is the person who asked the model, or whose token it is: they are taken for the proposer when it is approved.

        Raises:
            UsageError: no reason, a plan without steps or targets, or an undo of other targets than were acted on.
            IllegalMove: what it would undo cannot be undone.
        """
        now = self._now()
        said = _text(reason, "reason")
        _check_plan(plan)
        people = self._approvers()
        asked_by = on_behalf_of if on_behalf_of is not None else by.name if by.kind in ("person", "token") else None
        key = _open_key(plan, arguments, undoes)
        with self._attempt("propose", undoes or "", by, now) as database:
            if undoes is not None:
                _check_undo(self._found(database, undoes).proposal, plan)
            there = self._store.find_open(database, key)
            if there is not None and not self._expire(database, there, now):
                return self._join(database, there.proposal, plan, reason=said, by=by, evidence=evidence, now=now)
            proposal = Proposal(
                id=secrets.token_hex(6),
                state="pending",
                action=plan.action,
                arguments=arguments,
                account=plan.account,
                plan=plan,
                blast_radius=blast_radius,
                confidence=confidence,
                evidence=evidence,
                reason=said,
                proposer=by,
                proposed=now,
                expires=now + self.policy.pending_for,
                missing_permissions=missing_permissions,
                notes=notes,
                administrator=administrator,
                undo_after=undo_after,
                approvals_needed=self.policy.approvals_needed(plan, administrator=administrator),
                undoes=undoes,
            )
            self._store.insert(database, proposal, open_key=key, asked_by=asked_by)
            note = self._shortage(proposal, asked_by, people)
            self._store.add(database, proposal.id, Transition(at=now, state="pending", actor=by, note=note))
            body = {
                "proposal": proposal.id,
                "action": proposal.action,
                "account": proposal.account,
                "targets": [[target.kind, target.id, target.account] for target in plan.targets],
                "plan_sha256": plan.sha256,
                "reason": said,
                "evidence": _shown(evidence),
                "confidence": f"{confidence.score:.4f}",
                "approvals_needed": proposal.approvals_needed,
                "asked_by": asked_by,
                "undoes": undoes,
            }
            self._state.audit.append(database, at=now, actor=by, kind="proposal.propose", body=body)
            return Proposed(proposal=self._found(database, proposal.id).proposal)

    def _join(
        self,
        database: "Connection",
        there: Proposal,
        plan: Plan,
        *,
        reason: str,
        by: Actor,
        evidence: tuple[Evidence, ...],
        now: datetime,
    ) -> Proposed:
        same = _same_doing(there.plan, plan)
        fresh = tuple(each for each in dict.fromkeys(evidence) if each not in there.evidence)
        note = f"proposed again: {reason}" + ("" if same else " (the plan made then was another; this one stands)")
        if fresh and there.approvals:
            note += f" ({len(fresh)} records of evidence are added after an approval, which is not of them)"
        if (fresh or reason != there.reason) and not (
            not fresh and any(each.note == note and each.actor == by for each in there.history)
        ):
            self._store.add(database, there.id, *fresh)
            more = {"reason": reason, "evidence": _shown(fresh), "plan_sha256": plan.sha256}
            self._move(database, there, "join", by, now, note=note, more=more)
        return Proposed(proposal=self._found(database, there.id).proposal, joined=True, same_plan=same)

    def needed(self, proposal: Proposal) -> int:
        """How many must approve what is not begun: what it needed when it was proposed, or by the settings now,
        whichever is more."""
        if proposal.state not in ("pending", "approved"):
            return proposal.approvals_needed
        now = self.policy.approvals_needed(proposal.plan, administrator=proposal.administrator)
        return max(proposal.approvals_needed, now)

    def _shortage(self, proposal: Proposal, asked_by: str | None, people: Collection[str]) -> str:
        """What should be known at once: that there are fewer people who may approve it than it needs."""
        may = {same_person(each) for each in people}
        if asked_by is not None and len(may) > 1:
            may.discard(same_person(asked_by))
        if len(may) >= proposal.approvals_needed:
            return ""
        return f"it needs {proposal.approvals_needed} approvals, and {len(may)} may give one"

    # ------------------------------------------------------------ deciding

    def approve(
        self, identifier: str, approver: Approver, plan_sha256: str, *, typed: str = "", note: str = ""
    ) -> Proposal:
        """Approve exactly the plan with that SHA-256. ``typed`` is what a person typed to confirm it where nobody else
        may approve: the target's name.

        Raises:
            Denied: they may not, or not so; ``code`` says why.
            IllegalMove: it does not wait for an approval.
            UsageError: no such proposal, or an unusable note.
        """
        now, people = self._now(), self._approvers()
        said = _text(note, "note", needed=False)
        with self._decision("approve", identifier, approver, now, people) as (database, stored, who):
            proposal = stored.proposal
            if proposal.state == "expired":
                raise Denied("expired")
            next_state(identifier, proposal.state, "approve")
            remark = check_approval(
                proposal,
                who,
                plan_sha256,
                asked_by=stored.asked_by,
                approvers=people,
                people=self._people(),
                typed=typed,
                now=now,
            )
            approval = Approval(approver=who.session.person, at=now, plan_sha256=plan_sha256, note=said)
            enough = len(_approved_by(proposal, people)) + 1 >= self.needed(proposal)
            self._store.add(database, identifier, approval)
            self._move(
                database,
                proposal,
                "approve" if enough else "approve_in_part",
                who.actor,
                now,
                note="; ".join(each for each in (remark, said) if each),
                more={"authenticated_at": who.session.authenticated_at.isoformat()},
                columns={"expires": now + self.policy.approved_for} if enough else {},
            )
            return self._found(database, identifier).proposal

    def reject(self, identifier: str, approver: Approver, reason: str) -> Proposal:
        """Reject it, or take back an approval before anything is begun.

        Raises:
            Denied: they may not decide, or give no reason.
            IllegalMove: it cannot be rejected any more.
            UsageError: no such proposal.
        """
        now = self._now()
        with self._decision("reject", identifier, approver, now, self._approvers()) as (database, stored, who):
            if not reason.strip():
                raise Denied("no_reason")
            self._move(database, stored.proposal, "reject", who.actor, now, note=_text(reason, "reason"))
            return self._found(database, identifier).proposal

    def settle(self, identifier: str, approver: Approver, *, done: bool, reason: str) -> Proposal:
        """Say what a person found who looked at a proposal with an unknown outcome: it is done, or it is not.

        Raises:
            Denied: they may not decide, or give no reason.
            IllegalMove: its outcome is not unknown.
            UsageError: no such proposal.
        """
        now = self._now()
        with self._decision("settle", identifier, approver, now, self._approvers()) as (database, stored, who):
            if not reason.strip():
                raise Denied("no_reason")
            event: Event = "settle_done" if done else "settle_failed"
            self._move(database, stored.proposal, event, who.actor, now, note=_text(reason, "reason"))
            if done:
                self._undone(database, stored.proposal, who.actor, now)
            return self._found(database, identifier).proposal

    def cancel(self, identifier: str, by: Actor, reason: str = "") -> Proposal:
        """Withdraw it before anything is begun; only who proposed it does.

        Raises:
            Denied: somebody else proposed it.
            IllegalMove: it cannot be cancelled any more.
            UsageError: no such proposal.
        """
        now = self._now()
        said = _text(reason, "reason", needed=False)
        with self._attempt("cancel", identifier, by, now) as database:
            proposal = self._current(database, identifier, now).proposal
            if (by.kind, same_person(by.name)) != (proposal.proposer.kind, same_person(proposal.proposer.name)):
                raise Denied("not_proposer")
            self._move(database, proposal, "cancel", by, now, note=said)
            return self._found(database, identifier).proposal

    def expire_due(self) -> Sequence[Proposal]:
        """Close what nobody decided, began or finished in time; gives those that were closed now."""
        now = self._now()
        with self._store.write() as database:
            self._store.lock(database)
            due = [
                each.proposal.id
                for each in self._store.list(database, states=tuple(OPEN))
                if self._expire(database, each, now)
            ]
            return tuple(self._found(database, each).proposal for each in due)

    # ------------------------------------------------------------ executing

    def begin(self, identifier: str, worker: str) -> Lease:
        """Take the right to execute an approved proposal, or to go on with one whose worker has gone.

        An approval counts while who gave it may approve: without enough that count, the proposal is pending again.

        Raises:
            LeaseHeld: another worker is executing it, or another proposal in its account.
            IllegalMove: it is neither, or too few approvals of its plan count.
            UsageError: no such proposal.
        """
        now, people = self._now(), self._approvers()
        actor = _worker(worker)
        with self._attempt("begin", identifier, actor, now) as database:
            stored = self._current(database, identifier, now, close_executing=False)
            proposal, held = stored.proposal, stored.lease
            if proposal.state == "executing" and held.until is not None and held.until > now:
                raise LeaseHeld(
                    f"proposal {identifier} is being executed by {held.worker}",
                    remedy=f"wait for it; if it is gone, its lease ends at {held.until:%Y-%m-%d %H:%M:%S} UTC",
                )
            self._alone(database, proposal, now)
            event: Event = "take_over" if proposal.state == "executing" else "begin"
            next_state(identifier, proposal.state, event)
            lacking = _lacking(proposal, people, self.needed(proposal)) if event == "begin" else ""
            if not lacking:
                lease = Lease(proposal=identifier, worker=worker, token=held.token + 1, until=now + self.lease_for)
                columns = {"lease_worker": worker, "lease_token": lease.token, "lease_until": lease.until}
                columns |= {"expires": now + self.policy.executing_for} if event == "begin" else {}
                self._move(database, proposal, event, actor, now, columns=columns, more={"lease_token": lease.token})
                return lease
            until = proposal.proposed + self.policy.pending_for
            self._move(database, proposal, "unapprove", actor, now, note=lacking, columns={"expires": until})
        raise IllegalMove(identifier, "pending", "begin", why=lacking)

    def _alone(self, database: "Connection", proposal: Proposal, now: datetime) -> None:
        """Let one proposal at a time change an account: what a plan relies on, such as who else is an administrator,
        must not be taken away by another meanwhile."""
        for other in self._store.list(database, states=_EXECUTING, account=proposal.account):
            until = other.lease.until
            if other.proposal.id != proposal.id and until is not None and until > now:
                raise LeaseHeld(
                    f"proposal {other.proposal.id} is being carried out in account {proposal.account}",
                    remedy="one at a time changes an account: try again when it has ended",
                )

    def heartbeat(self, lease: Lease) -> Lease:
        """Renew a lease.

        Raises:
            LeaseLost: another worker has taken over, or it is finished.
        """
        now = self._now()
        with self._held(lease) as (database, _):
            return self._renew(database, lease, now)

    def intend(self, lease: Lease, number: int, *, found_undone: bool = False) -> Lease:
        """Write that a step is about to be done, and renew the lease; only then may it be done.

        ``found_undone`` says that the world was read, and does not show the effect of an earlier try.

        Raises:
            LeaseLost: another worker has taken over.
            OutOfTime: the time for executing it is over.
            IllegalMove: it is not this step's turn, or the step is in doubt and the world was not read.
        """
        now = self._now()
        with self._held(lease) as (database, proposal):
            if proposal.expires <= now:
                raise OutOfTime(
                    f"the time for executing proposal {proposal.id} ended at {proposal.expires:%Y-%m-%d %H:%M:%S} UTC",
                    remedy="propose what is left to do anew",
                )
            there = {each.number: each.state for each in proposal.outcomes}
            turn = next((step.number for step in proposal.plan.steps if there.get(step.number) not in _DONE), None)
            if number != turn or there.get(number) not in (None, "intended"):
                raise IllegalMove(proposal.id, proposal.state, "intend", why=f"it is not step {number}'s turn")
            if number in there and not found_undone:
                raise IllegalMove(proposal.id, proposal.state, "intend", why=f"step {number} may have been done")
            more = {"found_undone": True} if number in there else {}
            self._outcome(database, proposal, lease, StepOutcome(number=number, state="intended", at=now), more)
            return self._renew(database, lease, now)

    def outcome(
        self,
        lease: Lease,
        number: int,
        state: Literal["done", "already", "failed", "unknown"],
        *,
        detail: str = "",
        request_id: str | None = None,
    ) -> None:
        """Write what became of a step that was intended.

        Raises:
            LeaseLost: another worker has taken over; it will read the world.
            IllegalMove: the step was not intended, or its outcome is written.
        """
        now = self._now()
        with self._held(lease) as (database, proposal):
            if _in_doubt(proposal) != number:
                raise IllegalMove(proposal.id, proposal.state, "outcome", why=f"step {number} is not under way")
            written = StepOutcome(number=number, state=state, at=now, detail=_capped(detail), request_id=request_id)
            self._outcome(database, proposal, lease, written, {})

    def finish(self, lease: Lease, note: str = "") -> Proposal:
        """End the execution. The state follows from what is written of the steps: all done, ``succeeded``; one whose
        outcome nobody knows, ``outcome_unknown``; else ``failed``.

        Raises:
            LeaseLost: another worker has taken over.
        """
        now = self._now()
        with self._held(lease) as (database, proposal):
            self._finish(database, proposal, _worker(lease.worker), now, _capped(note))
            return self._found(database, proposal.id).proposal

    def superseded(self, lease: Lease, detail: str) -> Proposal:
        """The target, read again before the first step, is not what was approved.

        Raises:
            LeaseLost: another worker has taken over.
            IllegalMove: a step has been begun.
        """
        now = self._now()
        with self._held(lease) as (database, proposal):
            if proposal.outcomes:
                raise IllegalMove(proposal.id, proposal.state, "supersede", why="a step has been begun")
            self._move(database, proposal, "supersede", _worker(lease.worker), now, note=_capped(detail))
            return self._found(database, proposal.id).proposal

    def verified(self, identifier: str, *, ok: bool, detail: str, worker: str) -> Proposal:
        """Write what reading the target back has shown: as planned, or not. What is not as planned needs a person. An
        undo that is as planned ends what it undoes.

        Raises:
            IllegalMove: it is not executed, or was verified before.
            UsageError: no such proposal.
        """
        now, actor = self._now(), _worker(worker)
        with self._attempt("verify", identifier, actor, now) as database:
            proposal = self._found(database, identifier).proposal
            event: Event = "verify" if ok else "contradict"
            self._move(database, proposal, event, actor, now, note=_capped(detail))
            if ok:
                self._undone(database, proposal, actor, now)
            return self._found(database, identifier).proposal

    def watched(self, identifier: str, watch: Watch, *, worker: str) -> Proposal:
        """Write what was seen of the target after the action.

        Raises:
            UsageError: no such proposal, or nothing of it was executed.
        """
        now, actor = self._now(), _worker(worker)
        with self._attempt("watch", identifier, actor, now) as database:
            proposal = self._found(database, identifier).proposal
            if proposal.state not in UNDOABLE and proposal.state != "undone":
                raise IllegalMove(proposal.id, proposal.state, "watch", why="nothing of it was done")
            self._store.add(database, proposal.id, watch)
            body = {
                "proposal": proposal.id,
                "since": format_instant(watch.since),
                "until": format_instant(watch.until),
                "calls": watch.calls,
                "refused": watch.refused,
                "complete": watch.complete,
                "note": watch.note,
            }
            self._state.audit.append(database, at=now, actor=actor, kind="proposal.watch", body=body)
            return self._found(database, identifier).proposal

    def note(self, lease: Lease, kind: str, detail: str) -> None:
        """Write something that was found while executing into the audit chain; ``kind`` is one word.

        Raises:
            LeaseLost: another worker has taken over.
        """
        now = self._now()
        with self._held(lease) as (database, proposal):
            body = {"proposal": proposal.id, "detail": _capped(detail), "lease_token": lease.token}
            self._state.audit.append(database, at=now, actor=_worker(lease.worker), kind=f"proposal.{kind}", body=body)

    # ------------------------------------------------------------ within a transaction

    @contextmanager
    def _attempt(self, what: str, identifier: str, actor: Actor, now: datetime) -> "Iterator[Connection]":
        """One transaction. What is refused in it changes nothing, and is written into the audit chain before it is
        raised: everything that refuses does so before anything is written."""
        refused: UsageError | None = None
        with self._store.write() as database:
            self._store.lock(database)
            try:
                yield database
            except UsageError as error:
                refused = error
                code = error.code if isinstance(error, Denied) else type(error).__name__
                body = {"attempt": what, "proposal": _capped(identifier)[:64], "code": code, "why": _capped(str(error))}
                self._state.audit.append(database, at=now, actor=actor, kind="denied", body=body)
        if refused is not None:
            raise refused

    @contextmanager
    def _decision(
        self, what: str, identifier: str, approver: object, now: datetime, people: Collection[str]
    ) -> "Iterator[tuple[Connection, Stored, Approver]]":
        """One transaction of somebody who may decide."""
        actor = approver.actor if isinstance(approver, Approver) and genuine(approver) else _NOBODY
        with self._attempt(what, identifier, actor, now) as database:
            who = check_session(approver, approvers=people, policy=self.policy, now=now)
            yield database, self._current(database, identifier, now), who

    @contextmanager
    def _held(self, lease: Lease) -> "Iterator[tuple[Connection, Proposal]]":
        """One transaction of the worker that holds the lease."""
        with self._store.write() as database:
            self._store.lock(database)
            stored = self._found(database, lease.proposal)
            now_held = (stored.proposal.state, stored.lease.token, stored.lease.worker)
            if now_held != ("executing", lease.token, lease.worker):
                raise LeaseLost(
                    f"{lease.worker} does not execute proposal {lease.proposal} any more: it is "
                    f"{stored.proposal.state}, under lease {stored.lease.token}, not {lease.token}",
                    remedy=f"see `trailwarden actions show {lease.proposal}`",
                )
            yield database, stored.proposal

    def _found(self, database: "Connection", identifier: str) -> "Stored":
        stored = self._store.find(database, identifier)
        if stored is None:
            shown = _capped(identifier)[:64]
            raise UsageError(f"no proposal {shown!r}", remedy="`trailwarden actions list` shows what there is")
        return stored

    def _current(
        self, database: "Connection", identifier: str, now: datetime, *, close_executing: bool = True
    ) -> "Stored":
        """The proposal, closed first if its time is over."""
        stored = self._found(database, identifier)
        if stored.proposal.state == "executing" and not close_executing:
            return stored
        return self._found(database, identifier) if self._expire(database, stored, now) else stored

    def _expire(self, database: "Connection", stored: "Stored", now: datetime) -> bool:
        """Close an open proposal whose time is over; whether it was."""
        proposal = stored.proposal
        if proposal.state not in OPEN or proposal.expires > now:
            return False
        if proposal.state != "executing":
            self._move(database, proposal, "expire", _CLOCK, now)
            return True
        if stored.lease.until is not None and stored.lease.until > now:
            return False
        self._finish(database, proposal, _CLOCK, now, "its worker has gone, and the time for executing it is over")
        return True

    def _finish(self, database: "Connection", proposal: Proposal, actor: Actor, now: datetime, note: str) -> None:
        there = {each.number: each.state for each in proposal.outcomes}
        event: Event = "fail"
        if all(there.get(step.number) in _DONE for step in proposal.plan.steps):
            event = "succeed"
        elif any(state in ("unknown", "intended") for state in there.values()):
            event = "lose"
        self._move(database, proposal, event, actor, now, note=note)

    def _undone(self, database: "Connection", proposal: Proposal, actor: Actor, now: datetime) -> None:
        """End what a proposal undoes, once its effect was seen."""
        if proposal.undoes is None:
            return
        undone = self._found(database, proposal.undoes).proposal
        if undone.state in UNDOABLE:
            self._move(database, undone, "undo", actor, now, note=f"by proposal {proposal.id}")

    def _move(
        self,
        database: "Connection",
        proposal: Proposal,
        event: Event,
        actor: Actor,
        now: datetime,
        *,
        note: str = "",
        more: Mapping[str, Any] | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> None:
        """Change the state by an event, with its line in the history and its audit entry."""
        after = next_state(proposal.id, proposal.state, event)
        closed = {"open_key": None} if after not in OPEN else {}
        free = {"lease_worker": None, "lease_until": None} if after != "executing" else {}
        self._store.set(database, proposal.id, **{"state": after, **closed, **free, **(columns or {})})
        self._store.add(database, proposal.id, Transition(at=now, state=after, actor=actor, note=note))
        body = {
            "proposal": proposal.id,
            "from": proposal.state,
            "to": after,
            "plan_sha256": proposal.plan.sha256,
            "note": note,
            **(more or {}),
        }
        self._state.audit.append(database, at=now, actor=actor, kind=f"proposal.{event}", body=body)

    def _outcome(
        self, database: "Connection", proposal: Proposal, lease: Lease, outcome: StepOutcome, more: Mapping[str, Any]
    ) -> None:
        step = next(each for each in proposal.plan.steps if each.number == outcome.number)
        records: tuple[Record, ...] = (outcome,)
        self._store.add(database, proposal.id, *records)
        body = {
            "proposal": proposal.id,
            "step": outcome.number,
            "api": step.call.api,
            "detail": outcome.detail,
            "request_id": outcome.request_id,
            "lease_token": lease.token,
            **more,
        }
        self._state.audit.append(
            database, at=outcome.at, actor=_worker(lease.worker), kind=f"step.{outcome.state}", body=body
        )

    def _renew(self, database: "Connection", lease: Lease, now: datetime) -> Lease:
        until = now + self.lease_for
        self._store.set(database, lease.proposal, lease_until=until)
        return msgspec.structs.replace(lease, until=until)


def _worker(name: str) -> Actor:
    return Actor(kind="rule", name=f"worker {name}", via="python")


def _in_doubt(proposal: Proposal) -> int | None:
    """The step that was begun and of which no outcome is written."""
    return next((each.number for each in proposal.outcomes if each.state == "intended"), None)


def _open_key(plan: Plan, arguments: Mapping[str, Any], undoes: str | None) -> str:
    """What two proposals for the same have in common."""
    targets = sorted([target.kind, target.id, target.account, target.region or ""] for target in plan.targets)
    return hashlib.sha256(canonical_json([plan.action, plan.account, targets, arguments, undoes])).hexdigest()


def _same_doing(one: Plan, other: Plan) -> bool:
    """Whether two plans are the same but for the evidence that they were made on."""
    return msgspec.structs.replace(one, evidence=()).sha256 == msgspec.structs.replace(other, evidence=()).sha256


def _check_plan(plan: Plan) -> None:
    if not plan.steps or not plan.targets:
        raise UsageError("the plan has nothing to do", remedy="name a target, and look whether it is done already")
    if [step.number for step in plan.steps] != list(range(1, len(plan.steps) + 1)):
        raise ValueError("the steps of a plan are numbered from 1, in their order")


def _check_undo(original: Proposal, plan: Plan) -> None:
    if original.state not in UNDOABLE:
        raise IllegalMove(original.id, original.state, "undo")
    if {target.id for target in plan.targets} != {target.id for target in original.plan.targets}:
        raise UsageError(
            f"the undo has other targets than proposal {original.id}", remedy="an undo is of what was acted on"
        )


def _approved_by(proposal: Proposal, approvers: Collection[str]) -> set[str]:
    """Who approved this very plan, and may still approve: the approval of somebody who was shut out since is none."""
    given = {same_person(each.approver) for each in proposal.approvals if each.plan_sha256 == proposal.plan.sha256}
    return given & set(map(same_person, approvers))


def _lacking(proposal: Proposal, approvers: Collection[str], needed: int) -> str:
    """Why too few approvals of this very plan count, before anything is done; nothing if there are enough."""
    counting = _approved_by(proposal, approvers)
    if len(counting) >= needed:
        return ""
    given = {same_person(each.approver): each.approver for each in proposal.approvals}
    gone = ", ".join(sorted(name for key, name in given.items() if key not in counting))
    said = f"; that of {gone} counts no more, who may not approve now" if gone else ""
    return f"it needs {needed} approvals of its plan, and has {len(counting)}{said}"


def _text(text: str, what: str, *, needed: bool = True) -> str:
    """What a person wrote, checked: not empty where it is needed, not too long, nothing that cannot be seen."""
    stripped = text.strip()
    visible = all(character.isprintable() or character == "\n" for character in stripped)
    if (needed and not stripped) or len(stripped) > TEXT_LIMIT or not visible:
        raise UsageError(f"not usable as a {what}", remedy=f"write a sentence of at most {TEXT_LIMIT} characters")
    return stripped


def _capped(text: str) -> str:
    """What came from elsewhere, fit to be kept: of bounded length, and nothing in it that cannot be seen."""
    return "".join(each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text)[
        :DETAIL_LIMIT
    ]


def _shown(evidence: tuple[Evidence, ...]) -> Sequence[Sequence[str]]:
    return [[_capped(each.event_id), _capped(each.field), _capped(each.value)] for each in evidence]
