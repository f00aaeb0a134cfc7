"""Audit: write the chain to a file, with a signed checkpoint."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.audit import Checkpoint
from ..tool import tool


class AuditExport(msgspec.Struct, frozen=True, kw_only=True):
    """The file that was written, and the checkpoint at its end."""

    path: str
    checkpoint: Checkpoint


@tool(
    effect="read",
    title="Export the audit chain with a signed checkpoint",
    examples=("trailwarden audit export audit-2026-11-24.jsonl",),
)
def audit_export(
    app: Installation,
    path: Annotated[Path, Meta(description="File to write", extra={"argument": True, "metavar": "FILE"})],
) -> AuditExport:
    """Write the whole chain as JSON Lines, ended by a checkpoint that is signed with this installation's Ed25519 key.

    Keep it where whoever administers this machine cannot change it: `audit verify --against FILE` then shows what was
    cut off or written anew.

    Raises:
        ChainBroken: the chain does not hold; nothing is written.
        UsageError: the file is there already, or cannot be written.
    """
    return AuditExport(path=str(path), checkpoint=app.state.audit.export(path, now=app.now()))
