"""The life of a proposal: every event in every state, in the table and through the ledger."""

from collections.abc import Callable

import pytest
from respond_kit import NOW, Office, person, plan_for, reach

from trailwarden.model.proposal import Proposal, State
from trailwarden.respond import Denied, IllegalMove, Lease, LeaseLost
from trailwarden.respond.machine import EVENTS, OPEN, STATES, TABLE, Event, next_state

#: Written out once more, by hand: state, event, state.
MOVES = """
pending join pending
pending approve_in_part pending
pending approve approved
pending reject rejected
pending cancel cancelled
pending expire expired
approved join approved
approved reject rejected
approved cancel cancelled
approved expire expired
approved begin executing
approved unapprove pending
executing join executing
executing take_over executing
executing supersede superseded
executing succeed succeeded
executing fail failed
executing lose outcome_unknown
succeeded verify verified
succeeded contradict outcome_unknown
succeeded undo undone
failed undo undone
outcome_unknown verify verified
outcome_unknown contradict outcome_unknown
outcome_unknown settle_done succeeded
outcome_unknown settle_failed failed
outcome_unknown undo undone
verified undo undone
"""
LEGAL = {(state, event): after for state, event, after in (line.split() for line in MOVES.strip().splitlines())}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_every_event_in_every_state(state: State, event: Event) -> None:
    after = LEGAL.get((state, event))
    if after is not None:
        assert next_state("p", state, event) == after
        return
    with pytest.raises(IllegalMove) as caught:
        next_state("p", state, event)
    assert (caught.value.state, caught.value.event) == (state, event)
    assert state in str(caught.value)
    assert event in str(caught.value)


def test_every_state_is_reached_and_every_open_one_is_left() -> None:
    reached = {after for moves in TABLE.values() for after in moves.values()} | {"pending"}
    assert reached == set(STATES)
    assert all(set(TABLE[state].values()) - {state} for state in OPEN)


def _stale(proposal: Proposal) -> Lease:
    return Lease(proposal=proposal.id, worker="one", token=99, until=NOW)


def _verify(ok: bool) -> Callable[[Office, Proposal], object]:
    return lambda office, it: office.ledger.verified(it.id, ok=ok, detail="read back", worker="one")


def _settle(done: bool) -> Callable[[Office, Proposal], object]:
    return lambda office, it: office.ledger.settle(it.id, office.approver(), done=done, reason="seen in the console")


DOORS: dict[str, Callable[[Office, Proposal], object]] = {
    "approve": lambda office, it: office.ledger.approve(it.id, office.approver(), it.plan.sha256),
    "reject": lambda office, it: office.ledger.reject(it.id, office.approver(), "no"),
    "cancel": lambda office, it: office.ledger.cancel(it.id, person("jane@example.com")),
    "begin": lambda office, it: office.ledger.begin(it.id, "two"),
    "verify": _verify(True),
    "contradict": _verify(False),
    "settle_done": _settle(True),
    "settle_failed": _settle(False),
    "undo": lambda office, it: office.propose(plan_for(steps=1), undoes=it.id),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("state", STATES)
def test_the_ledger_keeps_to_the_table(office: Office, state: State, door: str) -> None:
    proposal = reach(office, state)
    assert proposal.state == state
    if state == "executing" and door == "begin":
        office.clock.forward(office.ledger.lease_for)  # what is executing is begun again when its worker has gone
    entries = len(office.kinds())
    expected = LEGAL.get((state, "take_over" if (state, door) == ("executing", "begin") else door))
    if expected is None:
        with pytest.raises((IllegalMove, Denied)) as caught:
            DOORS[door](office, proposal)
        if isinstance(caught.value, Denied):
            assert (state, door, caught.value.code) == ("expired", "approve", "expired")
        assert office.ledger.get(proposal.id) == proposal, "a refusal changed something"
        assert office.kinds()[entries:] == ["denied"]
    else:
        DOORS[door](office, proposal)
        after = office.ledger.get(proposal.id)
        if door != "undo":  # what is proposed to undo it has yet to be done
            assert after.state == expected
            assert after.history[:-1] == proposal.history
            assert after.history[-1].state == expected
        assert len(office.kinds()) == entries + 1
        assert "denied" not in office.kinds()[entries:]
    office.whole()


@pytest.mark.parametrize("state", [state for state in STATES if state != "executing"])
def test_nothing_is_written_of_steps_outside_of_an_execution(office: Office, state: State) -> None:
    proposal = reach(office, state)
    lease = _stale(proposal)
    entries = office.kinds()
    ledger = office.ledger
    writes: tuple[Callable[[], object], ...] = (
        lambda: ledger.intend(lease, 1),
        lambda: ledger.outcome(lease, 1, "done"),
        lambda: ledger.finish(lease),
        lambda: ledger.heartbeat(lease),
        lambda: ledger.superseded(lease, "changed"),
        lambda: ledger.note(lease, "reread", "x"),
    )
    for write in writes:
        with pytest.raises(LeaseLost):
            write()
    assert ledger.get(proposal.id) == proposal
    assert office.kinds() == entries
