"""Audit: who asked, proposed, decided and did what; whether the chain holds; and its export."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from ...output import encode
from ..routes import OnPage, Pages

pages = Pages()
#: What can be chosen as the kind; an address may name any.
KINDS = ("question", "request", "setting", "proposal", "step", "denied", "login")


@pages.get("/audit", right="audit")
def audit(
    here: OnPage,
    *,
    kind: Annotated[list[str] | None, Query()] = None,
    who: str = "",
    proposal: str = "",
    before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 50,
) -> Response:
    """Entries of the chain, newest first."""
    kinds = tuple(each for each in kind or () if each.strip())
    found = here.app.audit_list(
        kind=kinds, proposal=proposal.strip() or None, who=who.strip() or None, before=before, limit=limit
    )
    return here.answer(
        "audit.html", found, name="audit", kind=kinds, who=who, proposal=proposal, kinds=KINDS, compact=_compact
    )


@pages.get("/audit/verify", right="audit")
def verify(here: OnPage) -> Response:
    """Walk the whole chain, and say whether it holds, or where it breaks."""
    return here.answer("audit_verify.html", here.app.audit_verify(), block="verified", name="audit-verify")


@pages.post("/audit/export", right="audit")
def export(here: OnPage) -> Response:
    """The whole chain as JSON lines, ended by a signed checkpoint."""
    name = f"audit-{here.app.now():%Y-%m-%dT%H%M%SZ}.jsonl"
    with tempfile.TemporaryDirectory(prefix="export-", dir=here.app.home) as folder:
        file = Path(folder) / name
        here.app.audit_export(file)
        body = file.read_bytes()
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type="application/x-ndjson", headers=headers)


def _compact(value: Any) -> str:
    return encode(value).decode()
