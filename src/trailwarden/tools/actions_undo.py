"""Actions: propose the undo of what was done."""

from typing import Annotated

from msgspec import Meta

from ..installation import Installation
from ..tool import tool
from ._respond import ProposalCard, ProposalId, card, desk_of


@tool(
    effect="propose",
    title="Propose to undo an executed proposal",
    examples=("trailwarden actions undo 3f9a1c27b604 --reason 'it was a test of the red team'",),
)
def actions_undo(
    app: Installation, id_: ProposalId, *, reason: Annotated[str, Meta(description="Why, in a sentence")]
) -> ProposalCard:
    """Propose what undoes it: a proposal of its own, which needs an approval like any other.

    Raises:
        UsageError: no such proposal.
        Refused: nothing of it can be undone, or all of it is.
        IllegalMove: nothing of it was done.
    """
    desk = desk_of(app)
    made = desk.file(desk.undo_plan(id_), reason=reason, by=app.actor, on_behalf_of=app.on_behalf_of, undoes=id_)
    return card(app, made.proposal, joined=made.joined)
