"""Actions: what the rules' signs call for, proposed."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..errors import TrailwardenError
from ..installation import Installation
from ..model.finding import Coverage
from ..model.proposal import Actor
from ..model.time import Window
from ..tool import tool
from ._respond import ProposalCard, propose
from ._sessions import LiveOption
from .hunt import Hunted, hunt

_REACHED = {"medium": ("medium", "high"), "high": ("high",)}


class NotSuggested(msgspec.Struct, frozen=True, kw_only=True):
    """A suspicious principal for which nothing was proposed, and why."""

    who: str
    confidence: str
    why: str


class Suggested(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules propose, and of whom they do not, with the coverage of the records they looked at."""

    proposals: tuple[ProposalCard, ...]
    others: tuple[NotSuggested, ...]
    coverage: Coverage


@tool(
    effect="propose",
    title="Propose what the signs of misuse call for",
    needs=hunt.declaration.needs,  # type: ignore[attr-defined] # set by @tool
    examples=("trailwarden actions suggest --last 24h", "trailwarden actions suggest --last 7d --least medium"),
)
def actions_suggest(
    app: Installation,
    *,
    window: Window | None = None,
    least: Annotated[
        Literal["medium", "high"], Meta(description="How sure the signs must make: medium (40%), high (80%)")
    ] = "high",
    live: LiveOption = "auto",
) -> Suggested:
    """Look for signs of misuse by anybody, and propose to disable the IAM users whom they point to.

    The proposals are the rules', on behalf of whoever runs this; a person approves each, or rejects it. Roles are not
    proposed for: ending a role's sessions hits everybody who uses it, so that a person has to choose it.
    """
    found = hunt(app, window=window, live=live)
    rules = app.acting(
        Actor(kind="rule", name="signs", via=app.actor.via),
        on_behalf_of=app.on_behalf_of or app.actor.name,
        may_propose=app.may_propose,
    )
    proposals: list[ProposalCard] = []
    others: list[NotSuggested] = []
    for each in found.subjects:
        if each.label not in _REACHED[least]:
            continue
        if ":user/" not in each.who:
            why = "no IAM user: see `trailwarden hunt`, then revoke_sessions or what its owner needs"
            others.append(NotSuggested(who=each.who, confidence=each.text, why=why))
            continue
        try:
            proposals.append(_proposed(rules, each, found.window))
        except TrailwardenError as error:
            others.append(NotSuggested(who=each.who, confidence=each.text, why=error.message))
    return Suggested(proposals=tuple(proposals), others=tuple(others), coverage=found.coverage)


def _proposed(app: Installation, found: Hunted, window: Window) -> ProposalCard:
    signs = "; ".join(each.title for each in found.signs[:3])
    reason = f"{found.text}: {signs}" + (f" and {len(found.signs) - 3} more signs" if len(found.signs) > 3 else "")
    account = found.who.split(":")[4]
    return propose(app, "disable_user", {"user": found.who}, reason=reason[:2000], account=account, window=window)
