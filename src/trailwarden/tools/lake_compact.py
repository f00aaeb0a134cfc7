"""Merge small parts."""

from ..installation import Installation
from ..lake.compact import CompactReport, compact
from ..tool import tool


@tool(effect="setup", title="Merge small parts, for faster searches", examples=("trailwarden lake compact",))
def lake_compact(app: Installation) -> CompactReport:
    """Merge the small parts that ingest left into large ones, sorted by actor and time.

    Ingest does this by itself for months with many parts. Searches go on meanwhile.

    Raises:
        Busy: another process is writing to the lake.
    """
    return compact(app.lake, progress=app.progress, now=app.now())
