"""Which account a target is in, when an undo is due, and what a card says of evidence that came late."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from respond_kit import NOW, RULE, SIGN, Office, plan_for, reach

from trailwarden.action import Refused
from trailwarden.errors import AccessDenied, NotFound, TrailwardenError, UsageError
from trailwarden.model.finding import Evidence
from trailwarden.model.proposal import Proposal
from trailwarden.progress import Silent
from trailwarden.respond import IllegalMove
from trailwarden.settings import Settings
from trailwarden.tools import actions_watch
from trailwarden.tools._respond import card, planned_somewhere

ONE, TWO, THREE = "111111111111", "222222222222", "333333333333"
PROTECTED = Refused("john is protected by the setting respond.protected_principals (john)", remedy="see the settings")
ABSENT = NotFound("no user john")


# ---------------------------------------------------------------- which account


class Accounts:
    """A desk of several accounts: what planning gives, or raises, in each."""

    def __init__(self, **answers: str | TrailwardenError) -> None:
        self._answers = {name.removeprefix("a"): answer for name, answer in answers.items()}

    def accounts(self) -> tuple[str, ...]:
        return tuple(self._answers)

    def plan(self, name: str, arguments: dict[str, Any], *, account: str) -> str:
        answer = self._answers[account]
        if isinstance(answer, TrailwardenError):
            raise answer
        return answer


def somewhere(desk: Accounts) -> Any:
    app: Any = SimpleNamespace(progress=Silent(), state=SimpleNamespace(connections=SimpleNamespace(list=list)))
    return planned_somewhere(app, desk, "delete_user", {"user": "john"}, None)  # type: ignore[arg-type]


def test_the_only_account_that_has_the_target_is_taken() -> None:
    assert somewhere(Accounts(a111111111111=ABSENT, a222222222222="plan")) == "plan"


@pytest.mark.parametrize("refusal", [PROTECTED, AccessDenied("may not read")], ids=str)
def test_a_namesake_is_not_taken_where_another_account_refused(refusal: TrailwardenError) -> None:
    with pytest.raises(UsageError, match=f"could be in {ONE}, {TWO}") as caught:
        somewhere(Accounts(a111111111111=refusal, a222222222222="plan", a333333333333=ABSENT))
    assert refusal.message in caught.value.message
    assert THREE not in caught.value.message
    assert "--account" in (caught.value.remedy or "")


def test_a_refusal_of_the_only_account_that_has_it_is_given() -> None:
    with pytest.raises(Refused, match="is protected"):
        somewhere(Accounts(a111111111111=PROTECTED, a222222222222=ABSENT))


def test_nobody_has_it() -> None:
    with pytest.raises(NotFound, match="no user john"):
        somewhere(Accounts(a111111111111=ABSENT, a222222222222=ABSENT))


# ---------------------------------------------------------------- what has outlived its time


class Undoing:
    """A desk that plans undos, but for those it refuses."""

    def __init__(self, **refused: TrailwardenError) -> None:
        self.filed: list[str] = []
        self._refused = refused

    def undo_plan(self, identifier: str) -> str:
        if identifier in self._refused:
            raise self._refused[identifier]
        return identifier

    def file(self, planned: str, **_: Any) -> None:
        self.filed.append(planned)


def look(office: Office, monkeypatch: pytest.MonkeyPatch, desk: Undoing, ledger: Any = None) -> None:
    monkeypatch.setattr(actions_watch, "desk_of", lambda _: desk)
    monkeypatch.setattr(actions_watch, "ledger_of", lambda _: ledger or office.ledger)
    actions_watch._propose_undo_of_what_is_over(SimpleNamespace(now=office.clock, actor=RULE))  # type: ignore[arg-type]


def blocked(office: Office, *, after: timedelta, hours: int = 1) -> Proposal:
    """What was proposed now with a time to live, and carried out so much later."""
    office.clock.at = NOW
    proposal = office.propose(plan_for(steps=1), undo_after=NOW + timedelta(hours=hours))
    office.clock.forward(after)
    ledger = office.ledger
    ledger.approve(proposal.id, office.approver(), proposal.plan.sha256)
    lease = ledger.intend(ledger.begin(proposal.id, "one"), 1)
    ledger.outcome(lease, 1, "done")
    ledger.finish(lease)
    return ledger.verified(proposal.id, ok=True, detail="blocked", worker="one")


def test_the_time_to_live_runs_from_the_last_step(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal = blocked(office, after=timedelta(hours=20))
    assert proposal.undo_due == NOW + timedelta(hours=21)
    for forward, filed in ((timedelta(), []), (timedelta(minutes=59), []), (timedelta(minutes=1), [proposal.id])):
        office.clock.forward(forward)
        desk = Undoing()
        look(office, monkeypatch, desk)
        assert desk.filed == filed


def test_what_has_no_time_to_live_or_was_not_done_has_no_end(office: Office) -> None:
    assert reach(office, "verified").undo_due is None
    assert office.propose(arguments={"run": 2}, undo_after=NOW + timedelta(hours=1)).undo_due is None


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [(UsageError("account 1 is not connected"), True), (Refused("nothing is left"), False)],
    ids=["not-connected", "nothing-left"],
)
def test_one_that_cannot_be_undone_does_not_stop_the_others(
    office: Office, monkeypatch: pytest.MonkeyPatch, refusal: TrailwardenError, raised: bool
) -> None:
    due = [SimpleNamespace(id=each, undo_due=NOW, undoes=None, state="verified") for each in ("a", "b", "c")]
    ledger = SimpleNamespace(list=lambda states=None: due)
    desk = Undoing(b=refusal)
    if raised:
        with pytest.raises(UsageError, match="account 1 is not connected"):
            look(office, monkeypatch, desk, ledger)
    else:
        look(office, monkeypatch, desk, ledger)
    assert desk.filed == ["a", "c"]


# ---------------------------------------------------------------- the card


def carded(office: Office, proposal: Proposal) -> Any:
    app: Any = SimpleNamespace(state=office.state, now=office.clock, settings=Settings())
    return card(app, proposal)


def test_a_card_says_what_evidence_came_after_an_approval(office: Office) -> None:
    proposal = office.approved(evidence=(SIGN,), notes=("IAM takes seconds",))
    assert carded(office, proposal).notes == ("IAM takes seconds",)
    late = [Evidence(event_id=f"99999999-aaaa-4bbb-8ccc-{n:012}", field="eventName", value="x") for n in range(7)]
    said: dict[str, Any] = {"arguments": {"user": "john"}, "administrator": False}
    office.ledger.propose(plan_for(), by=RULE, reason="more", evidence=(SIGN, *late), **said)
    shown = carded(office, office.ledger.get(proposal.id))
    assert shown.evidence == (SIGN, *late)
    first, note = shown.notes
    assert first == "IAM takes seconds"
    assert note.startswith("evidence added after an approval, which is not of it: ")
    assert late[0].event_id in note
    assert SIGN.event_id not in note
    assert note.endswith("and 2 more")


def test_a_card_says_when_an_undo_is_due_by_what_was_done(office: Office) -> None:
    proposed = office.propose(arguments={"run": 2}, undo_after=NOW + timedelta(hours=1))
    assert carded(office, proposed).undo_after == NOW + timedelta(hours=1)
    done = blocked(office, after=timedelta(hours=20))
    assert carded(office, done).undo_after == NOW + timedelta(hours=21)


def test_a_proposal_that_is_pending_again_says_why_on_its_card(office: Office) -> None:
    proposal = office.approved()
    office.approvers = ("jane@example.com",)
    with pytest.raises(IllegalMove):
        office.ledger.begin(proposal.id, "one")
    shown = carded(office, office.ledger.get(proposal.id))
    assert (shown.state, [each.state for each in shown.history]) == ("pending", ["pending", "approved", "pending"])
    assert "omar@example.com" in shown.history[-1].note
