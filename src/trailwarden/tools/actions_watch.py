"""Actions: what the target did since."""

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from ..action import Refused
from ..errors import TrailwardenError
from ..installation import Installation
from ..model.proposal import Proposal, State
from ..tool import tool
from ._respond import ProposalCard, card, desk_of, ledger_of, watch
from .search import SEARCH_NEEDS

_DONE: tuple[State, ...] = ("succeeded", "verified", "failed", "outcome_unknown")


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The proposals whose targets were looked at just now."""

    proposals: tuple[ProposalCard, ...]


@tool(
    effect="propose",
    title="Look whether the target of an action was active since",
    needs=SEARCH_NEEDS,
    examples=("trailwarden actions watch", "trailwarden actions watch 3f9a1c27b604"),
)
def actions_watch(
    app: Installation,
    id_: Annotated[
        str | None,
        Meta(description="One proposal, even if its time is over", extra={"argument": True, "metavar": "[ID]"}),
    ] = None,
) -> Watched:
    """Look in the lake and in event history for calls by the key, user, session or address since the action.

    Without an id, every action of the last respond.watch_hours is looked at; the console does so by itself. What was
    seen stays on the proposal. Where an action has a time to live that is over, its undo is proposed.

    Raises:
        UsageError: no such proposal.
    """
    ledger = ledger_of(app)
    wanted = [ledger.get(id_)] if id_ else [each for each in ledger.list(states=_DONE) if _is_due(app, each)]
    seen: list[Proposal] = []
    with app.progress.task("Watching", total=len(wanted)) as bar:
        for each in wanted:
            found = watch(app, each)
            if found is not None:
                seen.append(ledger.watched(each.id, found, worker="watch"))
            bar.advance(1)
    _propose_undo_of_what_is_over(app)
    return Watched(proposals=tuple(card(app, each) for each in seen))


def _propose_undo_of_what_is_over(app: Installation) -> None:
    """Propose, once, to undo each action whose time to live is over."""
    desk, ledger = desk_of(app), ledger_of(app)
    over = [
        each for each in ledger.list(states=["verified"]) if each.undo_due is not None and each.undo_due <= app.now()
    ]
    undone = {each.undoes for each in ledger.list() if each.state != "expired"} if over else set()
    failed: TrailwardenError | None = None
    for each in over:
        if each.id in undone:
            continue
        reason = f"the time to live of proposal {each.id} is over"
        try:
            desk.file(desk.undo_plan(each.id), reason=reason, by=app.actor, undoes=each.id)
        except Refused:  # somebody undid it by hand: nothing is left to undo
            continue
        except TrailwardenError as error:  # the others are no worse for it
            failed = failed or error
    if failed is not None:
        raise failed


def _is_due(app: Installation, proposal: Proposal) -> bool:
    ends = [each.at for each in proposal.outcomes]
    return bool(ends) and app.now() - max(ends) <= timedelta(hours=app.settings.respond.watch_hours)
