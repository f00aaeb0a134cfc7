"""Audit: whether the chain holds."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.audit import Broken, Checkpoint
from ..tool import tool


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found: ``entries`` hold, up to the one with the hash ``last``; ``broken`` is the first place
    that does not. ``checkpoint`` is what it was held against; without one, an end that was cut off does not show."""

    ok: bool
    entries: int
    last: str
    broken: Broken | None
    checkpoint: Checkpoint | None
    public_key: str

    @property
    def exit_code(self) -> int:
        """1 where the chain is broken."""
        return 0 if self.ok else 1


@tool(
    effect="read",
    title="Verify the audit chain",
    examples=(
        "trailwarden audit verify",
        "trailwarden audit verify --against audit-2026-11-01.jsonl",
        "trailwarden audit verify --export audit-2026-11-01.jsonl --public-key ed25519:…",
    ),
)
def audit_verify(
    app: Installation,
    *,
    against: Annotated[
        Path | None,
        Meta(description="A former export: the chain must go on from its signed checkpoint", extra={"metavar": "FILE"}),
    ] = None,
    export: Annotated[
        Path | None, Meta(description="Verify this export instead of the chain", extra={"metavar": "FILE"})
    ] = None,
    public_key: Annotated[
        str | None, Meta(description="Key that must have signed the export (default: this installation's)")
    ] = None,
) -> AuditReport:
    """Walk the chain of everything that was asked, proposed, decided, refused, done and set, and find where it breaks.

    A chain alone cannot show that its end was cut off or that all of it was written anew: hold it against a former
    export, kept elsewhere. Exit code 1 if it does not hold.

    Raises:
        UsageError: a file cannot be read, or is no export.
    """
    from ..state.audit import read_checkpoint, verify_export  # noqa: PLC0415

    chain = app.state.audit
    key = public_key or chain.public_key(now=app.now())
    if export is not None:
        found = verify_export(export, key)
    else:
        found = chain.verify(read_checkpoint(against) if against is not None else None)
    return AuditReport(
        ok=found.ok, entries=found.entries, last=found.last, broken=found.broken, checkpoint=found.checkpoint,
        public_key=key,
    )  # fmt: skip
