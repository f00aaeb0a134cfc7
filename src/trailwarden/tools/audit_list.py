"""Audit: who did what, entry by entry."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.proposal import Actor
from ..tool import tool


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the chain: ``seq`` is its number, ``at`` its time in UTC, ``hash`` what the next one holds."""

    seq: int
    at: str
    actor: Actor
    kind: str
    body: Any
    hash: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries, newest first; ``next_before`` asks for the page after, None on the last."""

    entries: tuple[AuditEntry, ...]
    next_before: int | None


@tool(
    effect="read",
    title="List what was asked, proposed, decided and done",
    examples=(
        "trailwarden audit list",
        "trailwarden audit list --kind denied",
        "trailwarden audit list --kind proposal --proposal 3f9a1c27b604",
    ),
)
def audit_list(
    app: Installation,
    *,
    kind: Annotated[
        tuple[str, ...], Meta(description="Only this kind, or those under it: denied, proposal, step, question, login")
    ] = (),
    proposal: Annotated[str | None, Meta(description="Only entries about this proposal")] = None,
    who: Annotated[str | None, Meta(description="Only what this person, rule, model or token did")] = None,
    before: Annotated[int | None, Meta(ge=1, description="Only entries before this number")] = None,
    limit: Annotated[int, Meta(ge=1, le=10_000, description="How many entries at most")] = 50,
) -> AuditPage:
    """The audit chain as it is kept, newest first; whether it holds is what `audit verify` says."""
    found: list[AuditEntry] = []
    for each in app.state.audit.newest(before=before):
        actor = msgspec.json.decode(each.actor, type=Actor)
        body = msgspec.json.decode(each.body)
        if kind and not any(each.kind == wanted or each.kind.startswith(f"{wanted}.") for wanted in kind):
            continue
        if who is not None and actor.name.casefold() != who.strip().casefold():
            continue
        if proposal is not None and body.get("proposal") != proposal:
            continue
        if len(found) == limit:
            return AuditPage(entries=tuple(found), next_before=found[-1].seq)
        found.append(AuditEntry(seq=each.seq, at=each.at, actor=actor, kind=each.kind, body=body, hash=each.hash))
    return AuditPage(entries=tuple(found), next_before=None)
