"""What comes after an approval: evidence that is no part of it, and approvers who may not approve any more."""

from datetime import timedelta

import pytest
from respond_kit import JANE, OMAR, PRIYA, RULE, SIGN, Office, person, plan_for

from trailwarden.model.finding import Evidence
from trailwarden.respond import ApprovalPolicy, IllegalMove

MORE = Evidence(event_id="99999999-aaaa-4bbb-8ccc-000000000009", field="eventName", value="CreateUser")


def test_evidence_after_an_approval_is_known_as_such(office: Office) -> None:
    proposal = office.approved(evidence=(SIGN,))
    assert proposal.late_evidence == ()
    said = {"arguments": {"user": "john"}, "administrator": False}
    office.ledger.propose(plan_for(), by=RULE, reason="more", evidence=(SIGN, MORE), **said)
    now = office.ledger.get(proposal.id)
    assert (now.state, now.evidence, now.late_evidence) == ("approved", (SIGN, MORE), (MORE,))
    assert now.plan.sha256 == proposal.plan.sha256
    assert "added after an approval" in now.history[-1].note


def test_evidence_before_an_approval_is_not(office: Office) -> None:
    proposal = office.propose(evidence=(SIGN,))
    office.propose(evidence=(MORE,), by=RULE, reason="more")
    now = office.ledger.approve(proposal.id, office.approver(), proposal.plan.sha256)
    assert (now.evidence, now.late_evidence) == ((SIGN, MORE), ())
    assert not any("added after" in each.note for each in now.history)


def test_the_approval_of_one_who_may_not_approve_any_more_does_not_count(office: Office) -> None:
    proposal = office.approved()
    office.approvers = (JANE, PRIYA)
    with pytest.raises(IllegalMove, match="it needs 1 approvals of its plan, and has 0") as caught:
        office.ledger.begin(proposal.id, "one")
    assert OMAR in caught.value.message
    now = office.ledger.get(proposal.id)
    assert (now.state, now.outcomes) == ("pending", ())
    assert OMAR in now.history[-1].note
    assert now.expires == proposal.proposed + office.policy.pending_for
    assert office.kinds()[-1] == "proposal.unapprove"
    again = office.ledger.approve(proposal.id, office.approver(PRIYA), proposal.plan.sha256)
    assert again.state == "approved"
    assert office.ledger.begin(proposal.id, "one").token == 1
    office.whole()


def test_who_lost_the_role_is_none_of_two(office: Office) -> None:
    office.policy = ApprovalPolicy(two_for_administrators=True)
    proposal = office.propose(administrator=True, by=RULE)
    office.ledger.approve(proposal.id, office.approver(OMAR), proposal.plan.sha256)
    office.approvers = (JANE, PRIYA)
    after = office.ledger.approve(proposal.id, office.approver(PRIYA), proposal.plan.sha256)
    assert after.state == "pending"
    after = office.ledger.approve(proposal.id, office.approver(JANE), proposal.plan.sha256)
    assert after.state == "approved"


def test_one_who_may_approve_again_counts_again(office: Office) -> None:
    proposal = office.approved()
    office.approvers = (JANE,)
    office.approvers = (JANE, OMAR)
    assert office.ledger.begin(proposal.id, "one").token == 1


def test_what_was_begun_is_gone_on_with(office: Office) -> None:
    proposal, _ = office.begun()
    office.approvers = (JANE,)
    office.clock.forward(office.ledger.lease_for)
    assert office.ledger.begin(proposal.id, "two").token == 2


def test_what_nobody_approves_again_expires(office: Office) -> None:
    proposal = office.approved()
    office.approvers = (JANE,)
    with pytest.raises(IllegalMove):
        office.ledger.begin(proposal.id, "one")
    office.clock.forward(office.policy.pending_for + timedelta(seconds=1))
    assert [each.id for each in office.ledger.expire_due()] == [proposal.id]
    assert office.ledger.get(proposal.id).state == "expired"


def test_only_the_proposer_cancels_what_is_pending_again(office: Office) -> None:
    proposal = office.approved()
    office.approvers = (PRIYA,)
    with pytest.raises(IllegalMove):
        office.ledger.begin(proposal.id, "one")
    assert office.ledger.cancel(proposal.id, person(JANE)).state == "cancelled"
