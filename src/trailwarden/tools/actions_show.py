"""Actions: one proposal, whole."""

from ..installation import Installation
from ..tool import tool
from ._respond import ProposalCard, ProposalId, card, ledger_of


@tool(
    effect="read",
    title="Show a proposal: plan, evidence, blast radius, history",
    examples=(
        "trailwarden actions show 3f9a1c27b604",
        "trailwarden actions show 3f9a1c27b604 --details",
        "trailwarden actions show 3f9a1c27b604 --format json",
    ),
)
def actions_show(app: Installation, id_: ProposalId) -> ProposalCard:
    """What is proposed, why, what it would hit, who decided, and what became of every step.

    Raises:
        UsageError: no such proposal.
    """
    ledger = ledger_of(app)
    ledger.expire_due()
    return card(app, ledger.get(id_))
