"""Carrying out an approved proposal: intent before each step, outcome after it, and the world read before a retry.

The target is read again before the first step: if its plan is not the approved one any more, nothing is done. After a
crash, whoever goes on reads whether the step that was under way has taken effect, so that each takes effect once; what
cannot be read is left to a person, as ``outcome_unknown``.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Protocol

import msgspec

from ..errors import (
    AccessDenied,
    Busy,
    ExpiredCredentials,
    NoCredentials,
    NotFound,
    RegionDisabled,
    Throttled,
    TrailwardenError,
    UsageError,
)
from ..model.proposal import Plan, Proposal, Step
from .ledger import Lease, LeaseLost, Ledger, OutOfTime

#: Refusals after which nothing can have happened. After any other failure, the world is read: a call that timed out,
#: or was answered by a server's error, may have taken effect.
DEFINITE = (AccessDenied, NoCredentials, ExpiredCredentials, RegionDisabled)
#: Answers that nothing comes after: one look tells. After any other failure the effect may be late, and so many looks
#: are taken before it is said not to be there.
_ANSWERED = (Throttled, NotFound, UsageError)
LATE_LOOKS = 5


class Doer(Protocol):
    """What knows how to do the steps of one proposal."""

    def replan(self) -> Plan:
        """The plan, made anew from the target as it is now, with the evidence of the approved one."""

    def is_done(self, step: Step) -> bool | None:
        """Whether the step's effect is there; None if that cannot be known."""

    def waits(self) -> Iterable[None]:
        """Once at once, then after a while, each time that something is worth another look."""

    def do(self, step: Step) -> str | None:
        """Make the step's call; gives AWS's request id, where there is one."""

    def verify(self) -> tuple[bool, str]:
        """Whether the target, read back, is as planned, and what was seen."""


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the proposal. ``replanned`` is the plan that holds now, where the approved one was superseded;
    ``successor`` the proposal that was made of it."""

    proposal: Proposal
    replanned: Plan | None = None
    successor: str | None = None


def execute(ledger: Ledger, identifier: str, doer: Doer, *, worker: str) -> Execution:
    """Carry out an approved proposal, or go on with one whose worker has gone; then read the target back.

    A proposal that has succeeded and was not read back is only read back. ``worker`` names this process.

    Raises:
        LeaseHeld: another worker executes it.
        LeaseLost: another worker took over meanwhile.
        IllegalMove, UsageError: it cannot be executed.
        AwsError: the target could not be read back: it stays ``succeeded``, to be executed again for the reading.
    """
    execution = Execution(proposal=ledger.get(identifier))
    if execution.proposal.state != "succeeded":
        lease = ledger.begin(identifier, worker)
        with _pulse(ledger, lease):
            execution = _carry_out(ledger, lease, doer)
    if execution.proposal.state != "succeeded":
        return execution
    ok, detail = doer.verify()
    return Execution(proposal=ledger.verified(identifier, ok=ok, detail=detail, worker=worker))


def _carry_out(ledger: Ledger, lease: Lease, doer: Doer) -> Execution:
    proposal = ledger.get(lease.proposal)
    barred = ""
    try:
        fresh = doer.replan()
    except (NotFound, UsageError) as error:
        if not proposal.outcomes:
            return Execution(proposal=ledger.superseded(lease, f"the target cannot be planned for any more: {error}"))
        # All may be done, so that the step in doubt is read; but what a guardrail forbids by now is not begun.
        barred = f"a plan cannot be made any more: {error}"
        ledger.note(lease, "reread", barred)
    except TrailwardenError as error:
        if not proposal.outcomes:
            return Execution(proposal=ledger.finish(lease, f"the target could not be read, nothing was done: {error}"))
        ledger.note(lease, "reread", f"the target could not be read: {error}")
        raise  # whether it still is the target is not known: whoever takes over reads it again
    else:
        if not proposal.outcomes and fresh.sha256 != proposal.plan.sha256:
            detail = f"the plan of the target as it is now is {fresh.sha256}"
            return Execution(proposal=ledger.superseded(lease, detail), replanned=fresh)
        if _identities(fresh) != _identities(proposal.plan):
            # Done steps stay done; what is left would be done to something else that bears the same name.
            return Execution(proposal=ledger.finish(lease, "the target is another one now: the rest was not done"))
    return Execution(proposal=ledger.finish(lease, _steps(ledger, lease, proposal, doer, barred)))


def _steps(ledger: Ledger, lease: Lease, proposal: Proposal, doer: Doer, barred: str) -> str:
    """Do what is left, up to the first step that does not succeed, or must not begin since ``barred`` says why; gives
    what is to be said of it."""
    written = {outcome.number: outcome.state for outcome in proposal.outcomes}
    for step in proposal.plan.steps:
        before = written.get(step.number)
        if before in ("done", "already"):
            continue
        if before in ("failed", "unknown"):
            return f"step {step.number} did not succeed"
        if before == "intended":
            seen, detail = _look(doer, step)
            if seen is None:
                ledger.outcome(lease, step.number, "unknown", detail=detail)
                return f"nobody can know whether step {step.number} took effect"
            if seen:
                ledger.outcome(lease, step.number, "already", detail="its effect was there when it was read again")
                continue
        stopped = barred or _begin(ledger, lease, step, again=before == "intended")
        if stopped:
            if before == "intended":
                ledger.outcome(lease, step.number, "failed", detail=f"its effect was not there; {stopped}")
            return f"step {step.number} was not begun: {stopped}"
        stopped = _do(ledger, lease, step, doer)
        if stopped:
            return stopped
    return ""


def _begin(ledger: Ledger, lease: Lease, step: Step, *, again: bool) -> str:
    """Write the intent of a step; gives why it must not be done, or nothing."""
    try:
        ledger.intend(lease, step.number, found_undone=again)
    except OutOfTime as error:
        return str(error)
    return ""


def _do(ledger: Ledger, lease: Lease, step: Step, doer: Doer) -> str:
    """Do one step whose intent is written, and write its outcome; gives why to stop, or nothing."""
    try:
        request = doer.do(step)
    except DEFINITE as error:
        ledger.outcome(lease, step.number, "failed", detail=str(error))
        return f"step {step.number} was refused"
    except TrailwardenError as error:
        seen, detail = _look(doer, step, looks=1 if isinstance(error, _ANSWERED) else LATE_LOOKS)
        if seen:
            ledger.outcome(lease, step.number, "already", detail=f"its effect is there, although: {error}")
            return ""
        if seen is None:
            ledger.outcome(lease, step.number, "unknown", detail=f"{error}; {detail}")
            return f"nobody can know whether step {step.number} took effect"
        ledger.outcome(lease, step.number, "failed", detail=f"its effect is not there: {error}")
        return f"step {step.number} failed"
    ledger.outcome(lease, step.number, "done", request_id=request)
    return ""


def _look(doer: Doer, step: Step, *, looks: int = 1) -> tuple[bool | None, str]:
    """Read whether a step has taken effect, up to so many times; what cannot be read at last is not known."""
    seen, detail = None, ""
    for _ in islice(doer.waits(), looks):
        try:
            seen, detail = doer.is_done(step), "the world does not show whether it took effect"
        except TrailwardenError as error:
            seen, detail = None, f"whether it took effect could not be read: {error}"
        if seen:
            break
    return seen, detail


def _identities(plan: Plan) -> frozenset[tuple[str, str, str]]:
    return frozenset((target.kind, target.account, target.id) for target in plan.targets)


@contextmanager
def _pulse(ledger: Ledger, lease: Lease) -> Iterator[None]:
    """Renew the lease in the background: a step may wait for minutes."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(ledger.lease_for.total_seconds() / 3):
            try:
                ledger.heartbeat(lease)
            except LeaseLost:
                return  # the next step's intent is refused for the same reason, and says so
            except Busy:
                continue  # two more beats fit into the lease

    thread = threading.Thread(target=beat, name=f"lease of {lease.proposal}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
