"""Joining, leases and undoing; and the execution of a plan, whatever happens on the way."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from respond_kit import ACCOUNT, JANE, LEASE, NOW, OMAR, RULE, SIGN, Clock, Office, World, person, plan_for, reach, user

from trailwarden.errors import AccessDenied, AwsError, NotFound, Throttled, TrailwardenError, Unreachable, UsageError
from trailwarden.model.finding import Evidence
from trailwarden.model.proposal import Plan, Step
from trailwarden.respond import Denied, IllegalMove, LeaseHeld, LeaseLost, OutOfTime, execute
from trailwarden.respond.machine import STATES, TABLE

# ---------------------------------------------------------------- joining


def test_the_same_is_joined_with_its_new_evidence(office: Office) -> None:
    first = office.propose(evidence=(SIGN,))
    more = Evidence(event_id="22222222-aaaa-4bbb-8ccc-000000000002", field="sourceIPAddress", value="198.51.100.7")
    said = {"arguments": {"user": "john"}, "administrator": False}
    joined = office.ledger.propose(plan_for(), by=RULE, reason="again", evidence=(SIGN, more), **said)
    assert (joined.joined, joined.same_plan, joined.proposal.id) == (True, True, first.id)
    assert joined.proposal.evidence == (SIGN, more)
    assert joined.proposal.plan == first.plan
    assert (joined.proposal.history[-1].actor, joined.proposal.history[-1].note) == (RULE, "proposed again: again")
    entries = office.kinds()
    assert entries == ["proposal.propose", "proposal.join"]
    office.ledger.propose(plan_for(), by=RULE, reason="again", evidence=(SIGN, more), **said)
    assert office.kinds() == entries, "a rule that says the same each minute fills the chain"
    other = office.ledger.propose(plan_for(steps=2), by=RULE, reason="other", **said)
    assert (other.joined, other.same_plan, other.proposal.plan) == (True, False, first.plan)


@pytest.mark.parametrize(
    ("plan", "arguments"),
    [
        (plan_for(user("john", "AIDANEWJOHNEXAMPLE")), {"user": "john"}),
        (plan_for(), {"user": "john", "password": True}),
    ],
    ids=["another target", "other arguments"],
)
def test_what_is_not_the_same_is_not_joined(office: Office, plan: Plan, arguments: dict[str, object]) -> None:
    assert office.propose().id != office.propose(plan, arguments=arguments).id


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001, "a\x1b[31m", "a\u202eb", "\ud800"], ids=ascii)
def test_what_is_no_reason(office: Office, reason: str) -> None:
    with pytest.raises(UsageError):
        office.propose(reason=reason)


def test_a_proposal_comes_back_as_it_was_made(office: Office) -> None:
    plan = plan_for(irreversible=("the keys",), export={"user": {"Path": "/"}})
    proposal = office.propose(plan, evidence=(SIGN,), missing_permissions=("iam:GetUser",))
    assert office.ledger.get(proposal.id) == proposal
    assert (proposal.plan, proposal.plan.sha256) == (plan, plan.sha256)
    assert office.ledger.list(states=("pending",), account=ACCOUNT) == (proposal,)
    assert office.ledger.list(account="222222222222") == ()


# ---------------------------------------------------------------- leases


def test_a_lease_keeps_others_away_until_it_lapses(office: Office) -> None:
    proposal, lease = office.begun()
    office.clock.forward(LEASE - timedelta(seconds=1))
    with pytest.raises(LeaseHeld, match="one"):
        office.ledger.begin(proposal.id, "two")
    assert office.ledger.resume() == ()
    office.ledger.heartbeat(lease)
    office.clock.forward(timedelta(seconds=2))
    with pytest.raises(LeaseHeld):
        office.ledger.begin(proposal.id, "two")
    office.ledger.intend(lease, 1)
    office.clock.forward(LEASE)
    (left,) = office.ledger.resume()
    assert (left.proposal.id, left.worker, left.in_doubt) == (proposal.id, "one", 1)
    taken = office.ledger.begin(proposal.id, "one")
    assert taken.token == lease.token + 1
    writes: tuple[Callable[[], object], ...] = (
        lambda: office.ledger.outcome(lease, 1, "done"),
        lambda: office.ledger.finish(lease),
    )
    for write in writes:
        with pytest.raises(LeaseLost):
            write()
    with pytest.raises(IllegalMove, match="may have been done"):
        office.ledger.intend(taken, 1)
    office.ledger.intend(taken, 1, found_undone=True)


def test_one_proposal_at_a_time_changes_an_account(office: Office) -> None:
    first, _ = office.begun()
    other = office.approved(plan_for(user("second", "AIDASECONDEXAMPLE")))
    with pytest.raises(LeaseHeld, match=f"{first.id} is being carried out in account {ACCOUNT}") as held:
        office.ledger.begin(other.id, "two")
    assert held.value.remedy
    assert office.ledger.get(other.id).state == "approved"
    elsewhere = office.approved(plan_for(user("third", "AIDATHIRDEXAMPLE", account="222222222222")))
    assert office.ledger.begin(elsewhere.id, "two").token == 1
    office.clock.forward(LEASE)  # a worker that has gone keeps nobody away
    assert office.ledger.begin(other.id, "two").token == 1


def test_steps_are_taken_in_turn_and_written_once(office: Office) -> None:
    _, lease = office.begun()
    ledger = office.ledger
    tries: tuple[Callable[[], object], ...] = (
        lambda: ledger.intend(lease, 2),
        lambda: ledger.intend(lease, 9),
        lambda: ledger.outcome(lease, 1, "done"),
    )
    for early in tries:
        with pytest.raises(IllegalMove):
            early()
    ledger.intend(lease, 1)
    ledger.outcome(lease, 1, "failed")
    tries = (
        lambda: ledger.intend(lease, 1),
        lambda: ledger.intend(lease, 2),
        lambda: ledger.outcome(lease, 1, "done"),
    )
    for late in tries:
        with pytest.raises(IllegalMove):
            late()
    with pytest.raises(IllegalMove, match="has been begun"):
        ledger.superseded(lease, "changed")
    assert ledger.finish(lease).state == "failed"


@pytest.mark.parametrize(("in_doubt", "state"), [(False, "failed"), (True, "outcome_unknown")])
def test_an_execution_that_nobody_ended_is_closed_when_its_time_is_over(
    office: Office, in_doubt: bool, state: str
) -> None:
    proposal, lease = office.begun()
    if in_doubt:
        office.ledger.intend(lease, 1)
    office.clock.forward(office.policy.executing_for)
    with pytest.raises(OutOfTime):
        office.ledger.intend(lease, 1)
    (closed,) = office.ledger.expire_due()
    assert (closed.id, closed.state) == (proposal.id, state)
    assert office.ledger.expire_due() == ()


def test_an_undo_is_of_the_same_targets(office: Office) -> None:
    done = reach(office, "verified")
    with pytest.raises(UsageError, match="other targets"):
        office.propose(plan_for(user("ann", "AIDAANNEXAMPLE")), undoes=done.id)
    assert reach(office, "undone").state == "undone"


# ---------------------------------------------------------------- carrying out


@dataclass
class Odd(World):  # type: ignore[misc] # the shared kit is Any here
    """A world in which things go wrong: what each step raises, and whether its effect is there all the same."""

    raises: dict[int, TrailwardenError] = field(default_factory=dict)
    lands: bool = False
    sight: bool | TrailwardenError | None = True
    fresh: Plan | TrailwardenError | None = None
    read_back: bool = True

    def replan(self) -> Plan:
        if isinstance(self.fresh, TrailwardenError):
            raise self.fresh
        return self.fresh or self.plan

    def do(self, step: Step) -> str | None:
        error = self.raises.get(step.number)
        if error is None or self.lands:
            super().do(step)
        if error is not None:
            raise error
        return f"request-{step.number}"

    def is_done(self, step: Step) -> bool | None:
        if isinstance(self.sight, TrailwardenError):
            raise self.sight
        return super().is_done(step) if self.sight else self.sight

    def verify(self) -> tuple[bool, str]:
        return (False, "a key is active again") if not self.read_back else super().verify()


def odd(tmp_path: Path, **more: object) -> Odd:
    return Odd(tmp_path, plan_for(), **more)  # type: ignore[arg-type]


def test_a_plan_is_carried_out_and_read_back(office: Office, tmp_path: Path) -> None:
    proposal, world = office.approved(), World(tmp_path, plan_for())
    done = execute(office.ledger, proposal.id, world, worker="one").proposal
    assert (done.state, world.effects()) == ("verified", [1, 2, 3])
    assert [(each.number, each.state, each.request_id) for each in done.outcomes] == [
        (number, "done", f"request-{number}") for number in (1, 2, 3)
    ]
    assert office.kinds()[2:] == [
        "proposal.begin",
        *["step.intended", "step.done"] * 3,
        "proposal.succeed",
        "proposal.verify",
    ]
    office.whole()
    with pytest.raises(IllegalMove):
        execute(office.ledger, proposal.id, world, worker="one")
    assert world.effects() == [1, 2, 3]


@pytest.mark.parametrize(
    ("more", "states", "end"),
    [
        ({"raises": {2: AccessDenied("no")}}, ["done", "failed"], "failed"),
        ({"raises": {2: AccessDenied("no")}, "sight": None}, ["done", "failed"], "failed"),
        ({"raises": {2: Throttled("slow down")}}, ["done", "failed"], "failed"),
        ({"raises": {2: Unreachable("timeout")}, "lands": True}, ["done", "already", "done"], "verified"),
        ({"raises": {2: Unreachable("timeout")}}, ["done", "failed"], "failed"),
        ({"raises": {2: Unreachable("timeout")}, "sight": None}, ["done", "unknown"], "outcome_unknown"),
        ({"raises": {2: AwsError("500")}, "sight": Unreachable("still")}, ["done", "unknown"], "outcome_unknown"),
        ({"raises": {1: NotFound("gone")}, "lands": True}, ["already", "done", "done"], "verified"),
        ({"raises": {3: UsageError("the set is full")}}, ["done", "done", "failed"], "failed"),
        ({"read_back": False}, ["done", "done", "done"], "outcome_unknown"),
    ],
)
def test_a_step_that_goes_wrong(
    office: Office, tmp_path: Path, more: dict[str, object], states: list[str], end: str
) -> None:
    proposal, world = office.approved(), odd(tmp_path, **more)
    done = execute(office.ledger, proposal.id, world, worker="one").proposal
    assert ([each.state for each in done.outcomes], done.state) == (states, end)
    assert max(Counter(world.effects()).values()) == 1 if world.effects() else True
    office.whole()


@pytest.mark.parametrize(
    ("fresh", "end"),
    [
        (plan_for(pre_state={"keys": 4}), "superseded"),
        (plan_for(user("john", "AIDANEWJOHNEXAMPLE")), "superseded"),
        (NotFound("no user john"), "superseded"),
        (UsageError("the last administrator"), "superseded"),
        (Unreachable("no route"), "failed"),
    ],
    ids=["state", "identity", "gone", "guarded", "unreadable"],
)
def test_a_target_that_is_not_as_approved_is_left_alone(
    office: Office, tmp_path: Path, fresh: Plan | TrailwardenError, end: str
) -> None:
    proposal, world = office.approved(), odd(tmp_path, fresh=fresh)
    execution = execute(office.ledger, proposal.id, world, worker="one")
    assert (execution.proposal.state, execution.proposal.outcomes, world.effects()) == (end, (), [])
    assert execution.replanned == (fresh if isinstance(fresh, Plan) else None)


@pytest.mark.parametrize(
    ("landed", "sight", "states", "end"),
    [
        (True, True, ["already", "done", "done"], "verified"),
        (False, True, ["done", "done", "done"], "verified"),
        (True, None, ["unknown"], "outcome_unknown"),
        (False, Unreachable("no route"), ["unknown"], "outcome_unknown"),
    ],
)
def test_the_world_is_read_before_a_retry(  # noqa: PLR0917
    office: Office, tmp_path: Path, landed: bool, sight: bool | TrailwardenError | None, states: list[str], end: str
) -> None:
    (proposal, lease), world = office.begun(), odd(tmp_path)
    office.ledger.intend(lease, 1)
    if landed:
        World.do(world, proposal.plan.steps[0])
    world.sight = sight
    office.clock.forward(LEASE)
    done = execute(office.ledger, proposal.id, world, worker="two").proposal
    assert ([each.state for each in done.outcomes], done.state) == (states, end)
    assert len(world.effects()) == len(set(world.effects()))


def test_what_is_left_is_not_done_to_another_of_that_name(office: Office, tmp_path: Path) -> None:
    (proposal, lease), world = office.begun(), odd(tmp_path, fresh=plan_for(user("john", "AIDANEWJOHNEXAMPLE")))
    office.ledger.intend(lease, 1)
    office.ledger.outcome(lease, 1, "done")
    office.clock.forward(LEASE)
    done = execute(office.ledger, proposal.id, world, worker="two").proposal
    assert (done.state, world.effects()) == ("failed", [])
    assert "another one" in done.history[-1].note


def test_no_step_begins_after_its_time(office: Office, tmp_path: Path) -> None:
    (proposal, lease), world = office.begun(), odd(tmp_path)
    office.ledger.intend(lease, 1)
    office.clock.forward(office.policy.executing_for)
    done = execute(office.ledger, proposal.id, world, worker="two").proposal
    assert (done.state, [each.state for each in done.outcomes], world.effects()) == ("failed", ["failed"], [])


# ---------------------------------------------------------------- two at once


def test_of_many_threads_one_executes(office: Office, tmp_path: Path) -> None:
    proposal, world = office.approved(), World(tmp_path, plan_for())
    start = threading.Barrier(6)
    ends: list[str] = []

    def run(number: int) -> None:
        start.wait()
        try:
            ends.append(execute(office.ledger, proposal.id, world, worker=str(number)).proposal.state)
        except (LeaseHeld, IllegalMove) as refusal:
            ends.append(type(refusal).__name__)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 6
    assert ends.count("verified") == 1
    assert world.effects() == [1, 2, 3]
    office.whole()


#: Executes one proposal: dies by SIGKILL at one of so many points, on either side of every commit and effect.
WORKER = """
import os, random, signal, sys
from datetime import datetime
from pathlib import Path
import sqlalchemy as sa
sys.path.insert(0, KIT)
from respond_kit import Clock, Office, World, plan_for
from trailwarden.respond import IllegalMove, LeaseHeld, execute
from trailwarden.state import State
import trailwarden.respond.ledger, trailwarden.state.audit, sqlalchemy.dialects.sqlite

def run(home, folder, identifier, at, fatal):
    points = [0]
    def point(_):
        points[0] += 1
        if points[0] == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
    with State.open(Path(home)) as state:
        commit = state.engine.dialect.do_commit
        def do_commit(connection):
            point("before the commit")
            commit(connection)
            point("after the commit")
        state.engine.dialect.do_commit = do_commit
        office = Office(state, Clock(datetime.fromisoformat(at)))
        world = World(Path(folder), plan_for(), point)
        try:
            return execute(office.ledger, identifier, world, worker=str(os.getpid())).proposal.state
        except (IllegalMove, LeaseHeld) as refusal:
            return type(refusal).__name__

if sys.argv[1:]:
    print(run(*sys.argv[1:], 0))
else:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            *words, fatal = line.split()
            run(*words, int(fatal))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
""".replace("KIT", repr(str(Path(__file__).parent)))


@pytest.mark.home_database
def test_of_two_processes_one_executes(office: Office, home: Path, tmp_path: Path) -> None:
    proposal = office.approved()
    words = [sys.executable, "-c", WORKER, str(home), str(tmp_path), proposal.id, NOW.isoformat()]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ends = [process.communicate() for process in running]
    assert [errors for _, errors in ends] == [""] * 3
    assert [out.strip() for out, _ in ends].count("verified") == 1
    assert World(tmp_path, plan_for()).effects() == [1, 2, 3]
    office.whole()


@pytest.mark.home_database
def test_killed_at_any_point_no_step_is_done_twice_or_lost(office: Office, home: Path, tmp_path: Path) -> None:
    runs, chance = int(os.environ.get("TRAILWARDEN_TEST_KILLS", "40")), random.Random(20261124)
    killed = 0
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for number in range(runs):
            folder = tmp_path / str(number)
            folder.mkdir()
            world, proposal = World(folder, plan_for()), office.approved(arguments={"run": number})
            for life in range(50):
                fatal = chance.randint(1, 24) if life < 4 else 0
                nursery.stdin.write(f"{home} {folder} {proposal.id} {office.clock.at.isoformat()} {fatal}\n")
                nursery.stdin.flush()
                code = int(nursery.stdout.readline())
                assert code in (0, -signal.SIGKILL)
                now = office.ledger.get(proposal.id)
                recorded = [each.number for each in now.outcomes if each.state in ("done", "already")]
                seen = world.effects()
                assert len(seen) == len(set(seen)), "done twice"
                assert set(recorded) <= set(seen), "recorded, and not done"
                assert set(seen) <= {each.number for each in now.outcomes}, "done without intent"
                killed += code != 0
                if code == 0 or now.state == "verified":  # killed after the last thing that is written
                    break
                office.clock.forward(LEASE)
            assert (now.state, seen) == ("verified", [1, 2, 3])
        nursery.stdin.close()
    assert killed >= runs // 2
    assert "denied" not in office.kinds()
    office.whole()


# ---------------------------------------------------------------- whatever happens

EVENTS = (
    "propose", "approve", "reject", "cancel", "expire_due", "begin", "intend", "found", "done", "failed", "unknown",
    "finish", "superseded", "verified", "contradicted", "settle", "undo", "minute", "hour",
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(st.sampled_from(EVENTS), max_size=25))
def test_any_sequence_of_events_leaves_a_legal_state_and_a_whole_chain(office: Office, events: list[str]) -> None:
    office.clock = Clock(office.clock.at + timedelta(days=2))
    ledger, first = office.ledger, office.propose(plan_for(steps=2), arguments={"run": office.clock.at.isoformat()})
    lease, turn = None, 1
    for event in events:
        it = ledger.get(first.id)
        try:
            match event:
                case "propose":
                    office.propose(plan_for(steps=2), by=RULE, arguments=dict(first.arguments))
                case "approve":
                    ledger.approve(it.id, office.approver(OMAR), it.plan.sha256)
                case "reject":
                    ledger.reject(it.id, office.approver(OMAR), "no")
                case "cancel":
                    ledger.cancel(it.id, person(JANE))
                case "expire_due":
                    ledger.expire_due()
                case "begin":
                    lease = ledger.begin(it.id, "one")
                case "intend" | "found" if lease:
                    turn = len([each for each in it.outcomes if each.state == "done"]) + 1
                    ledger.intend(lease, turn, found_undone=event == "found")
                case "done" | "failed" | "unknown" if lease:
                    ledger.outcome(lease, turn, event)
                case "finish" if lease:
                    ledger.finish(lease)
                case "superseded" if lease:
                    ledger.superseded(lease, "changed")
                case "verified" | "contradicted":
                    ledger.verified(it.id, ok=event == "verified", detail="", worker="one")
                case "settle":
                    ledger.settle(it.id, office.approver(OMAR), done=True, reason="seen")
                case "undo":
                    office.propose(plan_for(steps=2), undoes=it.id)
                case "minute" | "hour":
                    office.clock.forward(timedelta(minutes=1 if event == "minute" else 61))
        except (Denied, IllegalMove, LeaseHeld, LeaseLost, OutOfTime):
            assert ledger.get(first.id).state in (it.state, "expired", "failed", "outcome_unknown")
    story = [each.state for each in ledger.get(first.id).history]
    assert ledger.get(first.id).state == story[-1]
    assert set(story) <= set(STATES)
    assert story[0] == "pending"
    assert all(after in TABLE[before].values() for before, after in pairwise(story))
    moves = [
        e for e in office.state.audit.entries() if f'"proposal":"{first.id}"' in e.body and e.kind.startswith("prop")
    ]
    assert len(moves) == len(story), "a move without its audit entry"
    office.whole()
