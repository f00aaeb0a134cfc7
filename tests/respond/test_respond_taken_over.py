"""Execution that another worker goes on with, calls whose effect is late, and undoing that is only then an undoing."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from respond_kit import LEASE, Office, World, plan_for, reach

from trailwarden.errors import AccessDenied, AwsError, NotFound, Throttled, TrailwardenError, Unreachable, UsageError
from trailwarden.model.proposal import Plan, Proposal, Step
from trailwarden.respond import execute
from trailwarden.respond.execute import LATE_LOOKS


@dataclass(kw_only=True)
class Changed(World):  # type: ignore[misc] # the shared kit is Any here
    """A world in which no plan can be made any more."""

    error: TrailwardenError

    def replan(self) -> Plan:
        raise self.error


@dataclass(kw_only=True)
class Late(World):  # type: ignore[misc]
    """A world in which a call fails, takes effect all the same, and shows it at the ``shows``-th look."""

    error: TrailwardenError
    shows: int = 3
    unread: bool = False
    looks: int = 0

    def do(self, step: Step) -> str | None:
        super().do(step)
        raise self.error

    def is_done(self, step: Step) -> bool | None:
        self.looks += 1
        if self.looks < self.shows:
            if self.unread:
                raise AccessDenied("may not read")
            return False
        return super().is_done(step)


class Contradicted(World):  # type: ignore[misc]
    """A world in which what was done is not to be seen."""

    def verify(self) -> tuple[bool, str]:
        return False, "the key is still inactive"


def left(office: Office, world: World, *, states: tuple[str, ...]) -> Proposal:
    """A proposal of two steps, left by its worker: what is written of the steps, ``intended`` if it was interrupted."""
    proposal, lease = office.begun(world.plan)
    for number, state in enumerate(states, 1):
        lease = office.ledger.intend(lease, number)
        if state == "intended":
            continue
        World.do(world, proposal.plan.steps[number - 1])
        office.ledger.outcome(lease, number, state)
    office.clock.forward(LEASE)
    return office.ledger.get(proposal.id)


# ---------------------------------------------------------------- a target that cannot be planned for any more


@pytest.mark.parametrize("error", [Throttled("slow"), Unreachable("no route"), AccessDenied("no")], ids=str)
def test_nothing_goes_on_if_the_target_cannot_be_read(office: Office, tmp_path: Path, error: TrailwardenError) -> None:
    world = Changed(tmp_path, plan_for(steps=2), error=error)
    proposal = left(office, world, states=("done",))
    with pytest.raises(type(error)):
        execute(office.ledger, proposal.id, world, worker="two")
    now = office.ledger.get(proposal.id)
    assert (now.state, [each.state for each in now.outcomes], world.effects()) == ("executing", ["done"], [1])
    assert "proposal.reread" in office.kinds()
    office.clock.forward(LEASE)
    done = execute(office.ledger, proposal.id, World(tmp_path, world.plan), worker="three").proposal
    assert (done.state, world.effects()) == ("verified", [1, 2])
    office.whole()


@pytest.mark.parametrize("error", [NotFound("no user john"), UsageError("the last administrator")], ids=str)
def test_what_a_plan_would_refuse_by_now_is_not_begun(office: Office, tmp_path: Path, error: TrailwardenError) -> None:
    world = Changed(tmp_path, plan_for(steps=2), error=error)
    proposal = left(office, world, states=("done",))
    done = execute(office.ledger, proposal.id, world, worker="two").proposal
    assert (done.state, [each.state for each in done.outcomes], world.effects()) == ("failed", ["done"], [1])
    assert "step 2 was not begun" in done.history[-1].note
    assert error.message in done.history[-1].note


@pytest.mark.parametrize(
    ("landed", "states", "end"),
    [(True, ["done", "already"], "verified"), (False, ["done", "failed"], "failed")],
    ids=["landed", "not-landed"],
)
def test_the_step_in_doubt_is_read_although_no_plan_can_be_made(
    office: Office, tmp_path: Path, landed: bool, states: list[str], end: str
) -> None:
    world = Changed(tmp_path, plan_for(steps=2), error=NotFound("no user john"))
    proposal = left(office, world, states=("done", "intended"))
    if landed:
        World.do(world, proposal.plan.steps[1])
    done = execute(office.ledger, proposal.id, world, worker="two").proposal
    assert ([each.state for each in done.outcomes], done.state) == (states, end)
    assert world.effects() == ([1, 2] if landed else [1])


# ---------------------------------------------------------------- effects that are late


@pytest.mark.parametrize("unread", [False, True], ids=["not-there", "not-read"])
@pytest.mark.parametrize("error", [Unreachable("timed out"), AwsError("500")], ids=str)
def test_an_effect_that_is_late_is_waited_for(
    office: Office, tmp_path: Path, error: TrailwardenError, unread: bool
) -> None:
    world = Late(tmp_path, plan_for(steps=1), error=error, unread=unread)
    proposal = office.approved(world.plan)
    done = execute(office.ledger, proposal.id, world, worker="one").proposal
    assert ([each.state for each in done.outcomes], done.state) == (["already"], "verified")
    assert world.looks == 3


@pytest.mark.parametrize(
    ("error", "unread", "looks", "state"),
    [
        (Unreachable("timed out"), False, LATE_LOOKS, "failed"),
        (Unreachable("timed out"), True, LATE_LOOKS, "unknown"),
        (Throttled("slow down"), False, 1, "failed"),
    ],
)
def test_patience_ends(  # noqa: PLR0917
    office: Office, tmp_path: Path, error: TrailwardenError, unread: bool, looks: int, state: str
) -> None:
    world = Late(tmp_path, plan_for(steps=1), error=error, shows=99, unread=unread)
    proposal = office.approved(world.plan)
    done = execute(office.ledger, proposal.id, world, worker="one").proposal
    assert ([each.state for each in done.outcomes], world.looks) == ([state], looks)


# ---------------------------------------------------------------- undoing


def test_nothing_is_undone_before_the_undo_is_seen(office: Office, tmp_path: Path) -> None:
    original = reach(office, "verified")
    undo = office.approved(plan_for(steps=1), undoes=original.id)
    seen = execute(office.ledger, undo.id, Contradicted(tmp_path, undo.plan), worker="one").proposal
    assert (seen.state, office.ledger.get(original.id).state) == ("outcome_unknown", "verified")
    again = office.propose(plan_for(steps=1), undoes=original.id)
    assert (again.state, again.id != undo.id) == ("pending", True)


def test_an_undo_that_is_seen_ends_what_it_undoes(office: Office, tmp_path: Path) -> None:
    original = reach(office, "verified")
    undo = office.approved(plan_for(steps=1), undoes=original.id)
    execute(office.ledger, undo.id, World(tmp_path, undo.plan), worker="one")
    assert office.ledger.get(original.id).state == "undone"


@pytest.mark.parametrize(("done", "state"), [(True, "undone"), (False, "verified")])
def test_a_person_settles_an_undo(office: Office, done: bool, state: str) -> None:
    original = reach(office, "verified")
    undo = office.approved(plan_for(steps=1), undoes=original.id)
    lease = office.ledger.intend(office.ledger.begin(undo.id, "one"), 1)
    office.ledger.outcome(lease, 1, "unknown")
    office.ledger.finish(lease)
    office.ledger.settle(undo.id, office.approver(), done=done, reason="looked at the key")
    assert office.ledger.get(original.id).state == state
