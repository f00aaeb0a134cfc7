"""Remove old records."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta

from ..installation import Installation
from ..lake.upkeep import ExpireReport, expire
from ..model.time import parse_instant
from ..tool import tool


@tool(
    effect="setup",
    title="Remove records older than a limit",
    examples=("trailwarden lake expire --keep 400d", "trailwarden lake expire --before 2025-01-01"),
)
def lake_expire(
    app: Installation,
    *,
    keep: Annotated[timedelta | None, Meta(description="Keep records of so long, remove older ones (400d)")] = None,
    before: Annotated[
        str | None, Meta(description="Remove records before this time", extra={"metavar": "TIME"})
    ] = None,
) -> ExpireReport:
    """Remove records for good, with the claims about them: later answers say that the time is not covered.

    Raises:
        UsageError: neither or both limits, or one in the future.
        Busy: another process is writing to the lake.
    """
    instant = None if before is None else parse_instant(before, now=app.now(), zone=app.zone)
    return expire(app.lake, progress=app.progress, now=app.now(), before=instant, keep=keep)
