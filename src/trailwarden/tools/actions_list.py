"""Actions: the proposals there are, and what can be proposed."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.proposal import State
from ..tool import tool
from ._respond import ProposalCard, card, ledger_of

_OPEN: tuple[State, ...] = ("pending", "approved", "executing", "succeeded", "outcome_unknown")


class OfferedAction(msgspec.Struct, frozen=True, kw_only=True):
    """An action that can be proposed: ``arguments`` as ``--arg`` takes them, those in brackets optional."""

    name: str
    title: str
    description: str
    arguments: tuple[str, ...]
    reversible: bool


class Proposals(msgspec.Struct, frozen=True, kw_only=True):
    """Proposals, newest first; ``waiting`` of them wait for a decision. ``offered`` are the actions there are."""

    proposals: tuple[ProposalCard, ...]
    waiting: int
    offered: tuple[OfferedAction, ...]


@tool(
    effect="read",
    title="List proposals, and the actions that can be proposed",
    examples=(
        "trailwarden actions list",
        "trailwarden actions list --all --account 222222222222",
        "trailwarden actions list --state pending --format json",
    ),
)
def actions_list(
    app: Installation,
    *,
    state: Annotated[tuple[State, ...], Meta(description="Only proposals in this state (repeat for several)")] = (),
    all_: Annotated[bool, Meta(description="Closed ones too")] = False,
    account: Annotated[str | None, Meta(description="Only proposals for this account")] = None,
    limit: Annotated[int, Meta(ge=1, le=1000, description="How many proposals at most")] = 100,
) -> Proposals:
    """The proposals that something may still be done about, newest first; with --all, closed ones too."""
    from ..actions import actions  # noqa: PLC0415

    ledger = ledger_of(app)
    ledger.expire_due()
    states = state or (None if all_ else _OPEN)
    found = tuple(card(app, each) for each in ledger.list(states=states, account=account, limit=limit))
    return Proposals(
        proposals=found,
        waiting=sum(each.state == "pending" for each in found),
        offered=tuple(
            OfferedAction(
                name=name,
                title=kind.title,
                description=(kind.__doc__ or "").strip(),
                arguments=tuple(
                    field.name if field.required else f"[{field.name}]" for field in msgspec.structs.fields(kind)
                ),
                reversible=kind.reversible,
            )
            for name, kind in actions().items()
        ),
    )
