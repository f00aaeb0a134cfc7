"""Search CloudTrail: the lake, and live history where the lake does not reach."""

from typing import Annotated, Literal

from msgspec import Meta

from ..installation import Installation
from ..model.event import EventFilter, EventPage, EventQuery, Order
from ..model.time import Window
from ..tool import tool

Live = Literal["auto", "always", "never"]
Limit = Annotated[int, Meta(ge=1, le=10_000, description="How many events a page holds at most")]


@tool(
    effect="read",
    title="Search CloudTrail",
    needs=("cloudtrail:LookupEvents", "account:ListRegions", "ec2:DescribeRegions"),
    examples=(
        "trailwarden search --user john@company.com --last 24h",
        "trailwarden search --access-key AKIAIOSFODNN7EXAMPLE --changes --last 7d --details",
        "trailwarden search --ip 203.0.113.0/24 --denied --format csv",
        "trailwarden search --event 'iam:Create*' --not-user deploy --from 2026-11-01 --to 2026-11-07 --tz Europe/Berlin",
    ),
)
def search(
    app: Installation,
    where: EventFilter = EventFilter(),
    window: Window | None = None,
    order: Annotated[Order, Meta(description="Which events come first")] = "newest",
    limit: Limit = 100,
    cursor: Annotated[str | None, Meta(description="Where the next page starts: next_cursor of the page before")] = None,
    live: Annotated[
        Live,
        Meta(
            description="Ask event history (LookupEvents): auto, where the lake lacks a connected account's records; "
            "always; never"
        ),
    ] = "auto",
    export: Annotated[bool, Meta(description="All matching events instead of a page (with --format jsonl or csv)")] = False,
) -> EventPage:
    """CloudTrail events that match, with totals, the most frequent values, and the coverage of the answer.

    Without a window, everything that the lake holds is searched. Values match whole and without regard to
    case for names.
    """
    query = EventQuery(where=where, window=window, order=order, limit=limit)
    return answer(app, query, cursor=cursor, live=live)
