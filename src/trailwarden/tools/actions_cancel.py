"""Actions: take back one's own proposal."""

from ..installation import Installation
from ..tool import tool
from ._respond import ProposalCard, ProposalId, card, ledger_of


@tool(
    effect="propose",
    title="Take back a proposal of one's own",
    examples=("trailwarden actions cancel 3f9a1c27b604",),
)
def actions_cancel(app: Installation, id_: ProposalId) -> ProposalCard:
    """End a proposal that waits, by whoever made it; others reject it.

    Raises:
        Denied: somebody else made it.
        IllegalMove: it does not wait any more.
        UsageError: no such proposal.
    """
    return card(app, ledger_of(app).cancel(id_, app.actor))
