"""Export: all matching events, one after the other."""

from collections.abc import Iterator

import msgspec

from ..installation import Installation
from ..model.event import EVERYTHING, Event, EventFilter, EventQuery
from ..model.finding import Coverage
from ..model.time import Window
from ..tool import tool
from .search import SEARCH_NEEDS, search


class EventExport(msgspec.Struct, frozen=True):
    """All matching events, oldest first, read as they are asked for; ``total`` says how many there are."""

    events: Iterator[Event]
    total: int
    coverage: Coverage


@tool(
    effect="read",
    title="Export all matching events",
    needs=SEARCH_NEEDS,
    examples=(
        "trailwarden export --access-key AKIAIOSFODNN7EXAMPLE --last 30d --format csv > key.csv",
        "trailwarden export --account 222222222222 --denied --format jsonl | head",
    ),
)
def export(app: Installation, where: EventFilter = EVERYTHING, window: Window | None = None) -> EventExport:
    """Every matching event, oldest first, without pages: for spreadsheets, notebooks and case files.

    Written as JSON lines, or as CSV with --format csv; the coverage goes to standard error.
    """
    from ..lake.query import stream  # noqa: PLC0415

    page = search(app, where, window, order="oldest", limit=1)
    return EventExport(
        stream(app.lake, EventQuery(where=where, window=window, order="oldest")), page.total, page.coverage
    )
