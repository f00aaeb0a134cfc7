"""Search CloudTrail: the lake, and live history where the lake does not reach."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.event import EVERYTHING, EventFilter, EventPage, EventQuery, Order
from ..model.finding import Gap
from ..model.time import DELIVERY_DELAY, Window
from ..tool import tool

#: What a search needs, and whatever is answered by one.
SEARCH_NEEDS = ("cloudtrail:LookupEvents", "account:ListRegions", "ec2:DescribeRegions")
#: How far back event history is asked where the question names no time.
DEFAULT_REACH = timedelta(days=1)

Live = Literal["auto", "always", "never"]
Limit = Annotated[int, Meta(ge=1, le=10_000, description="How many events a page holds at most")]


@tool(
    effect="read",
    title="Search CloudTrail",
    needs=SEARCH_NEEDS,
    examples=(
        "trailwarden search --user john@company.com --last 24h",
        "trailwarden search --access-key AKIAIOSFODNN7EXAMPLE --changes --last 7d --details",
        "trailwarden search --ip 203.0.113.0/24 --denied --format csv",
        "trailwarden search --event 'iam:Create*' --not-user deploy --from 2026-11-01 --to 2026-11-07 --tz +01:00",
    ),
)
def search(
    app: Installation,
    where: EventFilter = EVERYTHING,
    window: Window | None = None,
    *,
    order: Annotated[Order, Meta(description="Which events come first")] = "newest",
    limit: Limit = 100,
    cursor: Annotated[
        str | None, Meta(description="Where the next page starts: next_cursor of the page before")
    ] = None,
    live: Annotated[
        Live,
        Meta(
            description="Ask event history (LookupEvents): auto, where the lake lacks a connected account's records; "
            "always; never"
        ),
    ] = "auto",
    exhaustive: Annotated[
        bool,
        Meta(
            description="Fetch event history whole where looking up by name could miss something (slower; see the "
            "answer's notes)"
        ),
    ] = False,
) -> EventPage:
    """CloudTrail events that match, with totals, the most frequent values, and the coverage of the answer.

    Without a window, everything that the lake holds is searched. Values match whole and without regard to
    case for names.
    """
    from ..lake.paging import window_of  # noqa: PLC0415
    from ..lake.query import search as search_lake  # noqa: PLC0415

    if cursor is not None and window is not None:
        first_page = window_of(cursor)
        # --last 24h is another window at every call: a later page belongs to that of the first.
        window = first_page if first_page is not None and first_page.length == window.length else window
    query = EventQuery(where=where, window=window, order=order, limit=limit)
    # Later pages go on with what the first one fetched.
    asked = live_history(app, query, live, exhaustive=exhaustive) if cursor is None else LiveHistory()
    page = search_lake(app.lake, query, now=app.now(), cursor=cursor, history=asked.regions)
    return msgspec.structs.replace(page, coverage=page.coverage.with_gaps(asked.gaps, asked.notes))


class LiveHistory(msgspec.Struct, frozen=True):
    """What event history was asked of: the Regions by account, and what is to be said of it."""

    regions: Mapping[str, tuple[str, ...]] = {}
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()


def live_history(app: Installation, query: EventQuery, live: Live, *, exhaustive: bool = False) -> LiveHistory:
    """Fetch into the lake what event history holds of the query and the lake does not.

    ``auto`` asks for an account without an archive, and for the time since an archive's newest record where
    the query reaches into it. Without a window, event history is asked for the last day.
    """
    connected = {each: label for each, label in app.lake.manifest.expected_accounts().items() if _wanted(query, each)}
    if live == "never" or not connected:
        return LiveHistory()
    now = app.now()
    archived = {} if live == "always" else _archived_until(app)
    windows: dict[Window, list[str]] = {}
    for account in connected:
        asked = query.window or (Window(now - DEFAULT_REACH, now) if account not in archived else None)
        until = archived.get(account)
        missing = asked and (asked if until is None else asked.intersect(Window(until, max(until, now))))
        # What an archive may still deliver is not missing yet.
        if missing and (until is None or missing.end - until > DELIVERY_DELAY):
            # By the hour, so that accounts whose archives end at about the same time are asked together.
            start = missing.start.replace(minute=0, second=0, microsecond=0) if until else missing.start
            windows.setdefault(Window(start, missing.end), []).append(account)
    if not windows:
        return LiveHistory()
    from ..aws.history import fetch_history  # noqa: PLC0415

    gaps: list[Gap] = []
    notes: list[str] = []
    regions: dict[str, tuple[str, ...]] = {}
    for window, accounts in windows.items():
        asked_query = msgspec.structs.replace(query, window=window)
        report = fetch_history(
            app.broker,
            app.lake,
            asked_query,
            accounts=accounts,
            now=now,
            progress=app.progress,
            exhaustive=exhaustive,
        )
        gaps += report.gaps
        notes += report.notes
        regions |= report.looked_at
        if any(gap.kind == "interrupted" for gap in report.gaps):
            break
    return LiveHistory(regions, tuple(gaps), tuple(notes))


def _wanted(query: EventQuery, account: str) -> bool:
    accounts = query.where.account
    excluded = query.where.exclude.account if query.where.exclude else ()
    matches = not accounts or any(fnmatchcase(account, pattern) for pattern in accounts)
    return matches and not any(fnmatchcase(account, pattern) for pattern in excluded)


def _archived_until(app: Installation) -> dict[str, datetime]:
    """Until when the lake's archives reach, by account."""
    until: dict[str, datetime] = {}
    for span in app.lake.manifest.source_spans():
        if span.source == "archive" and span.account_id:
            until[span.account_id] = max(span.last, until.get(span.account_id, span.last))
    return until
