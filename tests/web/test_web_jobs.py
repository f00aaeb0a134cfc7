"""What the console does by itself, on a clock that the tests drive."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from decisions_kit import ACCOUNT, APPROVER, RESPONDER, Clock, filed, plan_for
from web_kit import add_people

from trailwarden.app import App
from trailwarden.demo.run import Running
from trailwarden.faces.web.jobs import RETRY, TICK, Jobs, is_unread, is_watch_due
from trailwarden.model.proposal import Actor, Confidence, Proposal, State, StepOutcome, Transition, Watch
from trailwarden.respond import Approver, Session
from trailwarden.tools._respond import desk_of, ledger_of

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
WORKER, OMAR = Actor(kind="rule", name="worker", via="python"), Actor(kind="person", name="omar", via="console")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Iterator[App]:
    with App.open(tmp_path, clock=clock) as opened:
        add_people(opened)
        yield opened


@pytest.fixture
def jobs(app: App) -> Iterator[Jobs]:
    made = Jobs(app)
    yield made
    made.close()


def approved(app: App, proposal: Proposal) -> Proposal:
    session = Session(
        person=APPROVER, roles=frozenset({"approver"}), authenticated_at=app.now(), method="interactive", face="console"
    )
    return ledger_of(app).approve(proposal.id, Approver.from_session(session), proposal.plan.sha256)


def asked(app: App, tool: str) -> int:
    """How often the console itself called a tool."""
    entries = app.audit_list(kind=("request",), who="console", limit=1000).entries
    return sum(each.body["tool"] == tool for each in entries)


def test_a_tick_closes_what_nobody_decided(app: App, jobs: Jobs, clock: Clock) -> None:
    proposal = filed(app, "john")
    jobs.tick()
    jobs.drain()
    assert ledger_of(app).get(proposal.id).state == "pending"
    clock.ahead += timedelta(hours=25)
    jobs.tick()
    jobs.drain()
    assert ledger_of(app).get(proposal.id).state == "expired"
    assert jobs.failure(TICK) is None


def test_a_tick_leaves_alone_what_is_only_approved(app: App, jobs: Jobs) -> None:
    proposal = approved(app, filed(app, "john"))
    jobs.tick()
    jobs.drain()
    assert ledger_of(app).get(proposal.id).state == "approved"
    assert jobs.failure(proposal.id) is None


def test_what_was_interrupted_is_tried_again_but_not_every_minute(app: App, jobs: Jobs, clock: Clock) -> None:
    proposal = approved(app, filed(app, "john"))
    ledger_of(app).begin(proposal.id, "a process that is gone")
    jobs.tick()
    jobs.drain()
    assert jobs.failure(proposal.id) is None, "its lease holds still"
    clock.ahead += timedelta(minutes=11)
    jobs.tick()
    jobs.drain()
    failed = jobs.failure(proposal.id)
    assert failed is not None
    assert "no role to respond with" in failed.message
    assert failed.remedy
    clock.ahead += timedelta(minutes=1)
    jobs.tick()
    jobs.drain()
    assert jobs.failure(proposal.id) == failed
    clock.ahead += RETRY
    jobs.tick()
    jobs.drain()
    later = jobs.failure(proposal.id)
    assert later is not None
    assert later.at > failed.at


def test_what_a_person_asks_for_is_tried_at_once(app: App, jobs: Jobs) -> None:
    proposal = approved(app, filed(app, "john"))
    jobs.carry_out(proposal.id)
    jobs.drain()
    first = jobs.failure(proposal.id)
    jobs.carry_out(proposal.id)
    jobs.drain()
    second = jobs.failure(proposal.id)
    assert first is not None
    assert second is not None
    assert second.at > first.at
    assert not jobs.is_under_way(proposal.id)


def test_what_was_done_is_watched_less_and_less_and_then_no_more(app: App, jobs: Jobs, clock: Clock) -> None:
    proposal = approved(app, filed(app, "john"))
    ledger = ledger_of(app)
    lease = ledger.begin(proposal.id, "a worker")
    ledger.intend(lease, 1)
    ledger.outcome(lease, 1, "done")
    ledger.finish(lease)
    ledger.verified(proposal.id, ok=True, detail="", worker="a worker")
    for minutes, looks in ((1, 0), (6, 1), (7, 1), (12, 2), (13, 2)):
        clock.ahead = timedelta(minutes=minutes)
        jobs.tick()
        jobs.drain()
        assert (minutes, asked(app, "actions_watch")) == (minutes, looks)
        assert (minutes, len(ledger.get(proposal.id).watches)) == (minutes, looks)
    clock.ahead = timedelta(hours=25)
    jobs.tick()
    jobs.drain()
    assert asked(app, "actions_watch") == 2


def test_a_stop_ends_the_waiting(app: App) -> None:
    jobs = Jobs(app)
    jobs.start()
    jobs.drain()
    jobs.close()
    jobs.carry_out("nothing-of-that-name")
    assert not jobs.is_under_way("nothing-of-that-name")


@pytest.fixture
def demo(organisation: Running, clock: Clock) -> Iterator[App]:
    """The demo organisation, as a responder uses it, on the clock of the test."""
    with App.open(organisation.home, clock=clock) as opened:
        yield opened.acting(Actor(kind="person", name=RESPONDER, via="console"))


def test_what_a_crash_left_is_gone_on_with(demo: App, clock: Clock) -> None:
    made = demo.actions_propose("disable_user", arg=("user=maria",), account="222222222222", reason="case 4711")
    proposal = approved(demo, ledger_of(demo).get(made.id))
    ledger = ledger_of(demo)
    lease = ledger.begin(proposal.id, "a process that is gone")
    ledger.intend(lease, 1)
    clock.ahead += timedelta(minutes=11)
    jobs = Jobs(demo)
    jobs.tick()
    jobs.drain()
    found = ledger.get(proposal.id)
    jobs.close()
    assert jobs.failure(proposal.id) is None
    assert found.state == "verified"
    assert {each.state for each in found.outcomes} == {"done"}
    assert found.watches


def test_what_was_to_last_a_while_is_proposed_to_be_undone_once(demo: App, clock: Clock) -> None:
    desk = desk_of(demo)
    planned = desk.plan("block_ip", {"address": "198.51.100.23", "ttl_hours": "1"}, account="222222222222")
    assert planned.undo_after is not None
    # Sooner than the action has it: an hour from now, the demo's sessions of AWS are over.
    soon = msgspec.structs.replace(planned, undo_after=demo.now() + timedelta(minutes=5))
    made = desk.file(soon, reason="case 4711", by=demo.actor).proposal
    jobs, ledger = Jobs(demo), ledger_of(demo)
    approved(demo, made)
    jobs.carry_out(made.id)
    jobs.drain()
    found = ledger.get(made.id)
    assert found.state == "verified", (found.outcomes, found.history)
    for minutes, undos in ((4, 0), (2, 1), (1, 1)):
        clock.ahead += timedelta(minutes=minutes)
        jobs.tick()
        jobs.drain()
        assert sum(each.undoes == made.id for each in ledger.list()) == undos
    jobs.close()
    undo = next(each for each in ledger.list() if each.undoes == made.id)
    assert undo.state == "pending"
    assert (undo.proposer.kind, undo.proposer.name) == ("rule", "console")


def proposal_in(state: State, *, by: Actor = WORKER, at: datetime = NOW, watched: datetime | None = None) -> Proposal:
    seen = () if watched is None else (Watch(at=watched, since=at, until=watched, calls=0, refused=0, complete=True),)
    return msgspec.structs.replace(
        _PROPOSAL, state=state, history=(Transition(at=at, state=state, actor=by),),
        outcomes=(StepOutcome(number=1, state="done", at=at),), watches=seen,
    )  # fmt: skip


_PROPOSAL = Proposal(
    id="3f9a1c27b604", state="pending", action="disable_user", arguments={}, account=ACCOUNT, plan=plan_for("john"),
    blast_radius=(), confidence=Confidence(score=0, label="none"),
    evidence=(), reason="r",
    proposer=Actor(kind="person", name=RESPONDER, via="console"), proposed=NOW, expires=NOW + DAY,
)  # fmt: skip


@pytest.mark.parametrize(
    ("state", "by", "minutes", "unread"),
    [
        ("succeeded", WORKER, 11, True),
        ("succeeded", WORKER, 9, False),
        ("succeeded", OMAR, 11, False),
        ("verified", WORKER, 11, False),
        ("failed", WORKER, 11, False),
    ],
    ids=["left", "being read", "settled by a person", "verified", "failed"],
)
def test_unread(state: State, by: Actor, minutes: int, unread: bool) -> None:
    assert is_unread(proposal_in(state, by=by), NOW + timedelta(minutes=minutes)) is unread


@pytest.mark.parametrize(
    ("minutes", "watched", "due"),
    [
        (4, None, False),
        (5, None, True),
        (9, 5, False),
        (10, 5, True),
        (60, 45, False),
        (60, 40, True),
        (600, 541, False),
        (600, 540, True),
        (24 * 60, 540, True),
        (24 * 60 + 1, 540, False),
    ],
)
def test_when_a_watch_is_due(minutes: int, watched: int | None, due: bool) -> None:
    last = None if watched is None else NOW + timedelta(minutes=watched)
    proposal = proposal_in("verified", watched=last)
    assert is_watch_due(proposal, NOW + timedelta(minutes=minutes), DAY) is due


def test_nothing_done_nothing_watched() -> None:
    untouched = msgspec.structs.replace(proposal_in("failed"), outcomes=())
    assert not is_watch_due(untouched, NOW + timedelta(hours=1), DAY)
    assert not is_watch_due(proposal_in("verified"), NOW + timedelta(hours=1), timedelta())
