"""Who may approve what, and every way around it that was thought of."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from respond_kit import JANE, MODEL, NOW, OMAR, PRIYA, RULE, TOKEN, Office, person, plan_for, reach, user

from trailwarden.model.proposal import Approval, Plan
from trailwarden.respond import ApprovalPolicy, Approver, Denied, IllegalMove, Ledger, Session
from trailwarden.respond.approval import Method

MINUTE = timedelta(minutes=1)


def denied(office: Office, code: str, attempt: Callable[[], object]) -> None:
    """It is refused with that code, changes nothing, and stands in the audit chain."""
    before, entries = office.ledger.list(), len(office.kinds())
    with pytest.raises(Denied) as caught:
        attempt()
    assert caught.value.code == code
    assert caught.value.remedy
    assert office.ledger.list() == before
    assert office.kinds()[entries:] == ["denied"]
    assert office.last_body()["code"] == code
    office.whole()


def test_another_approver_approves_and_the_history_tells_it(office: Office) -> None:
    proposal = office.propose()
    approved = office.ledger.approve(proposal.id, office.approver(), proposal.plan.sha256, note="call 4711")
    assert approved.state == "approved"
    assert approved.approvals == (Approval(approver=OMAR, at=NOW, plan_sha256=proposal.plan.sha256, note="call 4711"),)
    last = approved.history[-1]
    assert (last.state, last.actor.kind, last.actor.name, last.actor.via) == ("approved", "person", OMAR, "console")
    assert office.kinds() == ["proposal.propose", "proposal.approve"]
    assert office.last_body()["plan_sha256"] == proposal.plan.sha256


@pytest.mark.parametrize("name", [JANE, JANE.upper(), f" {JANE} "])
def test_nobody_approves_what_they_proposed(office: Office, name: str) -> None:
    proposal = office.propose(by=person(JANE))
    denied(office, "own_proposal", lambda: office.ledger.approve(proposal.id, office.approver(name), _sha(office)))


@pytest.mark.parametrize("tool", [MODEL, TOKEN, RULE], ids=lambda actor: actor.kind)
def test_nobody_approves_what_a_tool_proposed_for_them(office: Office, tool: Any) -> None:
    proposal = office.propose(by=tool, on_behalf_of=JANE)
    denied(office, "own_proposal", lambda: office.ledger.approve(proposal.id, office.approver(JANE), _sha(office)))
    assert office.ledger.approve(proposal.id, office.approver(OMAR), _sha(office)).state == "approved"


def test_a_token_of_the_approvers_own_name_does_not_get_around_it(office: Office) -> None:
    proposal = office.propose(by=msgspec.structs.replace(TOKEN, name=OMAR))
    denied(office, "own_proposal", lambda: office.ledger.approve(proposal.id, office.approver(OMAR), _sha(office)))


def test_what_a_rule_proposed_any_approver_may_approve(office: Office) -> None:
    proposal = office.propose(by=RULE)
    assert office.ledger.approve(proposal.id, office.approver(JANE), _sha(office)).state == "approved"


def test_joining_a_proposal_does_not_make_its_proposer_an_approver(office: Office) -> None:
    proposal = office.propose(by=person(JANE))
    assert office.propose(by=person(OMAR), reason="I saw it too").id == proposal.id
    denied(office, "own_proposal", lambda: office.ledger.approve(proposal.id, office.approver(JANE), _sha(office)))


@pytest.mark.parametrize("method", ["api_token", "mcp", "model", "somehow"])
@pytest.mark.parametrize("decision", ["approve", "reject", "settle"])
def test_only_interactive_sessions_decide(office: Office, method: Method, decision: str) -> None:
    proposal = office.propose()
    approver = office.approver(method=method)
    denied(office, "not_interactive", lambda: _decide(office, decision, proposal.id, approver))
    *_, entry = office.state.audit.entries()
    assert msgspec.json.decode(entry.actor)["kind"] == ("model" if method == "model" else "token")


@pytest.mark.parametrize("decision", ["approve", "reject", "settle"])
def test_the_role_is_needed_in_the_session_and_still_held(office: Office, decision: str) -> None:
    proposal = office.propose()
    for approver in (
        office.approver(roles=frozenset()),
        office.approver(roles=frozenset({"analyst", "administrator"})),
        office.approver("mallory@example.com"),  # had the role when the session began
    ):
        denied(office, "not_approver", partial(_decide, office, decision, proposal.id, approver))


@pytest.mark.parametrize(
    ("age", "fresh"),
    [
        (timedelta(0), True),
        (15 * MINUTE, True),
        (15 * MINUTE + timedelta(microseconds=1), False),
        (timedelta(hours=9), False),
        (timedelta(seconds=-30), True),
        (timedelta(seconds=-31), False),
        (timedelta(days=-300), False),
    ],
    ids=str,
)
@pytest.mark.parametrize("decision", ["approve", "reject", "settle"])
def test_the_person_has_authenticated_lately(office: Office, age: timedelta, fresh: bool, decision: str) -> None:
    proposal = office.propose()
    approver = office.approver(authenticated_at=NOW - age)
    if not fresh:
        denied(office, "stale_session", lambda: _decide(office, decision, proposal.id, approver))
    elif decision == "settle":
        with pytest.raises(IllegalMove):
            _decide(office, decision, proposal.id, approver)
    else:
        _decide(office, decision, proposal.id, approver)


def test_how_lately_is_a_setting(office: Office) -> None:
    office.policy = ApprovalPolicy(reauthenticated_within=MINUTE)
    proposal, approver = office.propose(), office.approver()
    office.clock.forward(2 * MINUTE)
    denied(office, "stale_session", lambda: office.ledger.approve(proposal.id, approver, _sha(office)))


@pytest.mark.parametrize(
    "plan",
    [
        plan_for(user("john", "AIDAANOTHEREXAMPLE")),
        plan_for(steps=4),
        plan_for(pre_state={"keys": 3, "console": True}),
        plan_for(evidence=()),
    ],
    ids=["a user made anew", "another step", "another state", "other evidence"],
)
def test_an_approval_is_of_the_plan_that_was_seen(office: Office, plan: Plan) -> None:
    proposal = office.propose()
    denied(office, "wrong_plan", lambda: office.ledger.approve(proposal.id, office.approver(), plan.sha256))


@pytest.mark.parametrize("sha", ["", "0" * 64, "*", None, True])
def test_nothing_stands_for_any_plan(office: Office, sha: Any) -> None:
    proposal = office.propose()
    denied(office, "wrong_plan", lambda: office.ledger.approve(proposal.id, office.approver(), sha))


def test_an_approval_of_one_proposal_is_none_of_another(office: Office) -> None:
    office.approved()
    other = office.propose(plan_for(user("ann", "AIDAANNEXAMPLE")), arguments={"user": "ann"})
    first = next(each for each in office.ledger.list() if each.id != other.id)
    denied(office, "wrong_plan", lambda: office.ledger.approve(other.id, office.approver(), first.plan.sha256))
    with pytest.raises(IllegalMove):
        office.ledger.begin(other.id, "one")


def test_a_proposal_that_has_expired_is_not_approved_whoever_looked_after_it(office: Office) -> None:
    proposal = office.propose()
    office.clock.forward(office.policy.pending_for)
    entries = len(office.kinds())
    with pytest.raises(Denied) as caught:
        office.ledger.approve(proposal.id, office.approver(), proposal.plan.sha256)
    assert caught.value.code == "expired"
    assert office.ledger.get(proposal.id).state == "expired"
    assert office.kinds()[entries:] == ["proposal.expire", "denied"]


def test_a_moment_before_it_expires_it_is(office: Office) -> None:
    proposal = office.propose()
    office.clock.forward(office.policy.pending_for - timedelta(microseconds=1))
    approved = office.ledger.approve(proposal.id, office.approver(), proposal.plan.sha256)
    assert approved.expires == office.clock.at + office.policy.approved_for


def test_an_approval_holds_for_its_time(office: Office) -> None:
    proposal = office.approved()
    office.clock.forward(office.policy.approved_for)
    with pytest.raises(IllegalMove):
        office.ledger.begin(proposal.id, "one")
    assert office.ledger.get(proposal.id).state == "expired"


def test_an_approval_is_not_given_again(office: Office) -> None:
    proposal = office.approved()
    entries = office.kinds()
    with pytest.raises(IllegalMove):
        office.ledger.approve(proposal.id, office.approver(PRIYA), proposal.plan.sha256)
    assert office.kinds() == [*entries, "denied"]


# ---------------------------------------------------------------- two approvers


@pytest.mark.parametrize(
    ("policy", "irreversible", "administrator", "needed"),
    [
        (ApprovalPolicy(), ("the key",), True, 1),
        (ApprovalPolicy(two_for_irreversible=True), ("the key",), False, 2),
        (ApprovalPolicy(two_for_irreversible=True), (), True, 1),
        (ApprovalPolicy(two_for_administrators=True), ("the key",), False, 1),
        (ApprovalPolicy(two_for_administrators=True), (), True, 2),
        (ApprovalPolicy(two_for_administrators=True), (), None, 2),
        (ApprovalPolicy(two_for_administrators=True, two_for_irreversible=True), (), False, 1),
    ],
)
def test_how_many_must_approve(
    office: Office, policy: ApprovalPolicy, irreversible: tuple[str, ...], administrator: bool | None, needed: int
) -> None:
    office.policy = policy
    proposal = office.propose(plan_for(irreversible=irreversible), administrator=administrator)
    assert proposal.approvals_needed == needed


def test_two_people_approve_and_neither_does_twice(office: Office) -> None:
    office.policy = ApprovalPolicy(two_for_administrators=True)
    proposal = office.propose(administrator=True)
    once = office.ledger.approve(proposal.id, office.approver(OMAR), proposal.plan.sha256)
    assert (once.state, len(once.approvals), once.expires) == ("pending", 1, proposal.expires)
    with pytest.raises(IllegalMove):
        office.ledger.begin(proposal.id, "one")
    for again in (OMAR, OMAR.title()):
        denied(
            office,
            "already_approved",
            partial(office.ledger.approve, proposal.id, office.approver(again), _sha(office)),
        )
    denied(office, "own_proposal", lambda: office.ledger.approve(proposal.id, office.approver(JANE), _sha(office)))
    twice = office.ledger.approve(proposal.id, office.approver(PRIYA), proposal.plan.sha256)
    assert twice.state == "approved"
    assert [each.approver for each in twice.approvals] == [OMAR, PRIYA]
    assert office.ledger.begin(proposal.id, "one").token == 1


def test_too_few_approvers_are_said_at_once(office: Office) -> None:
    office.policy = ApprovalPolicy(two_for_administrators=True)
    office.approvers = (JANE, OMAR)
    assert office.propose(administrator=True).history[0].note == "it needs 2 approvals, and 1 may give one"


def test_a_setting_that_was_tightened_holds_for_what_waits(office: Office) -> None:
    proposal = office.propose(administrator=True)
    office.policy = ApprovalPolicy(two_for_administrators=True)
    once = office.ledger.approve(proposal.id, office.approver(), proposal.plan.sha256)
    assert (once.state, office.ledger.needed(once)) == ("pending", 2)
    twice = office.ledger.approve(proposal.id, office.approver(PRIYA), proposal.plan.sha256)
    assert twice.state == "approved"


def test_a_setting_that_was_loosened_does_not_hold_for_what_waits(office: Office) -> None:
    office.policy = ApprovalPolicy(two_for_administrators=True)
    proposal = office.propose(administrator=True)
    office.policy = ApprovalPolicy()
    assert office.ledger.approve(proposal.id, office.approver(), proposal.plan.sha256).state == "pending"


def test_a_setting_changes_nothing_of_what_is_done(office: Office) -> None:
    proposal = reach(office, "verified")
    office.policy = ApprovalPolicy(two_for_administrators=True, two_for_irreversible=True)
    assert office.ledger.needed(proposal) == 1


def test_the_approval_of_somebody_who_is_shut_out_since_is_none(office: Office) -> None:
    office.policy = ApprovalPolicy(two_for_administrators=True)
    proposal = office.propose(administrator=True)
    office.ledger.approve(proposal.id, office.approver(OMAR), proposal.plan.sha256)
    office.approvers = (JANE, PRIYA)
    second = office.ledger.approve(proposal.id, office.approver(PRIYA), proposal.plan.sha256)
    assert second.state == "pending"
    with pytest.raises(IllegalMove):
        office.ledger.begin(proposal.id, "one")


def test_whoever_proposed_before_there_were_people_could_be_any_of_them(office: Office) -> None:
    """The owner of the home proposes as the user of the operating system, and is then added as jane."""
    office.people = ("jane",)
    proposal = office.propose(by=person("jane"))
    office.people = office.approvers
    for each in (JANE, OMAR):
        denied(
            office,
            "unknown_proposer",
            partial(office.ledger.approve, proposal.id, office.approver(each), proposal.plan.sha256),
        )


# ---------------------------------------------------------------- no four eyes


@pytest.mark.parametrize("proposer", [person(JANE), RULE], ids=lambda actor: actor.kind)
def test_alone_the_targets_name_is_typed_and_the_history_says_so(office: Office, proposer: Any) -> None:
    office.approvers = (JANE,)
    proposal = office.propose(by=proposer)
    for typed in ("", "yes", "John", "johnn", "AIDAJOHNEXAMPLE"):
        denied(
            office,
            "not_confirmed",
            partial(office.ledger.approve, proposal.id, office.approver(JANE), _sha(office), typed=typed),
        )
    approved = office.ledger.approve(proposal.id, office.approver(JANE), proposal.plan.sha256, typed="john ")
    assert approved.state == "approved"
    assert "without four eyes" in approved.history[-1].note
    assert "without four eyes" in office.last_body()["note"]


def test_several_targets_are_all_typed(office: Office) -> None:
    office.approvers = (JANE,)
    both = msgspec.structs.replace(plan_for(), targets=(user(), user("ann", "AIDAANNEXAMPLE")))
    proposal = office.propose(both)
    denied(
        office,
        "not_confirmed",
        lambda: office.ledger.approve(proposal.id, office.approver(JANE), both.sha256, typed="john"),
    )
    assert office.ledger.approve(proposal.id, office.approver(JANE), both.sha256, typed="john ann").state == "approved"


def test_typing_it_does_not_help_where_there_is_another_approver(office: Office) -> None:
    proposal = office.propose()
    denied(
        office,
        "own_proposal",
        lambda: office.ledger.approve(proposal.id, office.approver(JANE), _sha(office), typed="john"),
    )


def test_with_four_eyes_nothing_is_said_of_them(office: Office) -> None:
    assert office.approved().history[-1].note == ""


# ---------------------------------------------------------------- forged approvers


def _bare(office: Office) -> object:
    return object.__new__(Approver)


def _dressed(office: Office) -> object:
    made = object.__new__(Approver)
    object.__setattr__(made, "_session", office.session())
    object.__setattr__(made, "_seal", b"0" * 32)
    return made


def _seal_of_another(office: Office) -> object:
    made, other = object.__new__(Approver), office.approver(JANE)
    object.__setattr__(made, "_session", office.session(OMAR))
    object.__setattr__(made, "_seal", other._seal)
    return made


def _raised(office: Office) -> object:
    """A real one of somebody without the role, given the role afterwards."""
    made = office.approver(roles=frozenset())
    object.__setattr__(made, "_session", office.session(OMAR))
    return made


def _subclass(office: Office) -> object:
    class Mine(Approver):
        pass

    return Mine.from_session(office.session())


def _look_alike(office: Office) -> object:
    return SimpleNamespace(session=office.session(), actor=person(OMAR))


@pytest.mark.parametrize(
    "forge",
    [
        _bare,
        _dressed,
        _seal_of_another,
        _raised,
        _subclass,
        _look_alike,
        lambda office: office.session(),
        lambda _: OMAR,
        lambda _: {"approver": OMAR, "confirmed": True},
        lambda _: person(OMAR),
        lambda _: None,
    ],
    ids=["bare", "dressed", "seal", "raised", "subclass", "alike", "session", "name", "body", "actor", "nobody"],
)
@pytest.mark.parametrize("decision", ["approve", "reject", "settle"])
def test_a_forged_approver_is_refused(office: Office, forge: Callable[[Office], Any], decision: str) -> None:
    proposal = office.propose()
    denied(office, "forged", lambda: _decide(office, decision, proposal.id, forge(office)))


def test_an_approver_is_not_made_copied_stored_or_changed(office: Office) -> None:
    approver = office.approver()
    with pytest.raises(TypeError, match="from_session"):
        Approver()
    for spread in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            spread(approver)
    with pytest.raises(AttributeError):
        approver.person = JANE
    with pytest.raises(dataclasses.FrozenInstanceError):
        approver.session.person = JANE
    with pytest.raises(TypeError, match="not a session"):
        Approver.from_session(SimpleNamespace(person=OMAR))  # type: ignore[arg-type]


def test_no_request_can_be_decoded_into_one() -> None:
    with pytest.raises((TypeError, msgspec.ValidationError)):
        msgspec.json.decode(b'{"person": "omar@example.com", "roles": ["approver"]}', type=Approver)


def test_there_is_no_parameter_by_which_an_approver_could_be_named() -> None:
    for name, door in inspect.getmembers(Ledger, inspect.isfunction):
        if name.startswith("_"):
            continue
        for parameter in inspect.signature(door).parameters.values():
            if "approv" in parameter.name or parameter.name in ("person", "confirmed", "force"):
                assert parameter.annotation in ("Approver", Approver), f"{name}({parameter.name})"
    assert list(inspect.signature(Approver.from_session).parameters) == ["session"]
    assert inspect.signature(Approver.from_session).parameters["session"].annotation is Session


# ---------------------------------------------------------------- rejecting, cancelling, tampering


@pytest.mark.parametrize("reason", ["", " \n "])
def test_a_rejection_has_a_reason(office: Office, reason: str) -> None:
    proposal = office.propose()
    denied(office, "no_reason", lambda: office.ledger.reject(proposal.id, office.approver(), reason))


def test_a_rejection_is_final(office: Office) -> None:
    proposal = office.approved()
    rejected = office.ledger.reject(proposal.id, office.approver(PRIYA), "that is our own scanner")
    assert (rejected.state, rejected.history[-1].note) == ("rejected", "that is our own scanner")
    with pytest.raises(IllegalMove):
        office.ledger.begin(proposal.id, "one")
    assert office.propose().id != proposal.id, "a closed proposal is not joined"


@pytest.mark.parametrize("other", [person(OMAR), msgspec.structs.replace(TOKEN, name=JANE), MODEL], ids=str)
def test_only_the_proposer_cancels(office: Office, other: Any) -> None:
    proposal = office.propose(by=person(JANE))
    denied(office, "not_proposer", lambda: office.ledger.cancel(proposal.id, other))
    assert office.ledger.cancel(proposal.id, person(JANE)).state == "cancelled"


def test_an_attempt_on_what_is_not_there_is_kept_too(office: Office) -> None:
    from trailwarden.errors import UsageError  # noqa: PLC0415

    hostile = "nothing\u202e\x1b[2J" + "x" * 5000
    with pytest.raises(UsageError, match="no proposal"):
        office.ledger.approve(hostile, office.approver(), "0" * 64)
    assert office.kinds() == ["denied"]
    kept = office.last_body()["proposal"]
    assert len(kept) == 64
    assert kept.isprintable()


def test_an_approval_that_was_written_into_the_database_for_another_plan_begins_nothing(office: Office) -> None:
    proposal = office.approved()
    changed = msgspec.structs.replace(proposal, plan=plan_for(user("ann", "AIDAANNEXAMPLE")), history=(), approvals=())
    with office.state.write() as database:
        from trailwarden.state.tables import proposal as table  # noqa: PLC0415

        database.execute(table.update().values(document=msgspec.json.encode(changed)))
    with pytest.raises(IllegalMove, match="approvals of its plan"):
        office.ledger.begin(proposal.id, "one")


def _sha(office: Office) -> str:
    (proposal,) = office.ledger.list()
    return proposal.plan.sha256


def _decide(office: Office, decision: str, identifier: str, approver: Approver) -> None:
    if decision == "approve":
        office.ledger.approve(identifier, approver, _sha(office))
    elif decision == "reject":
        office.ledger.reject(identifier, approver, "no")
    else:
        office.ledger.settle(identifier, approver, done=True, reason="seen")
