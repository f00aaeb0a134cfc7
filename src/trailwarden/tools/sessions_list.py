"""Sessions: who used which credentials."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.event import EventFilter
from ..model.finding import Coverage
from ..model.session import AuthMethod, Session, SessionFilter, SessionLimit
from ..model.time import Window
from ..tool import tool
from ._sessions import AccountFilter, LiveOption, ask_history, coverage_of, session_index
from .search import SEARCH_NEEDS


class SessionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions, the one seen last first. ``total`` counts all that match; ``next_cursor`` asks for the next page."""

    sessions: tuple[Session, ...]
    total: int
    next_cursor: str | None
    where: SessionFilter
    coverage: Coverage


@tool(
    effect="read",
    title="List sessions: who used which credentials",
    command="sessions list",
    needs=SEARCH_NEEDS,
    examples=(
        "trailwarden sessions list --role AdminRole --from '2026-11-23 14:00' --to '2026-11-23 16:00'",
        "trailwarden sessions list --method root --method iam_user_console --last 30d",
        "trailwarden sessions list --ip 203.0.113.0/24 --account 222222222222",
        "trailwarden sessions list --user 'john*' --last 7d --format csv",
    ),
)
def sessions_list(
    app: Installation,
    *,
    user: Annotated[
        tuple[str, ...],
        Meta(
            description="User name, email, role session name, SourceIdentity, subject or id of who it is",
            extra={"metavar": "VALUE"},
        ),
    ] = (),
    role: Annotated[tuple[str, ...], Meta(description="Role: its name or ARN", extra={"metavar": "VALUE"})] = (),
    access_key: Annotated[
        tuple[str, ...], Meta(description="Access key id, AKIA… or ASIA…", extra={"metavar": "VALUE"})
    ] = (),
    ip: Annotated[tuple[str, ...], Meta(description="Source IP address or CIDR", extra={"metavar": "VALUE"})] = (),
    account: AccountFilter = (),
    region: Annotated[
        tuple[str, ...], Meta(description="Region in which it made calls", extra={"metavar": "VALUE"})
    ] = (),
    method: Annotated[tuple[AuthMethod, ...], Meta(description="How the credentials came to be")] = (),
    window: Window | None = None,
    limit: SessionLimit = 100,
    cursor: Annotated[
        str | None, Meta(description="Where the next page starts: next_cursor of the page before")
    ] = None,
    live: LiveOption = "auto",
) -> SessionPage:
    """Sessions that made calls in the window, the one seen last first, each with the chain to who stands behind it.

    A session is what one set of credentials did: a role session, a console sign-in, a long-lived key. Values
    match whole, without regard to case; * is a wildcard. Counts are of the whole session, also beyond the window.
    """
    where = SessionFilter(
        user=user, role=role, access_key=access_key, ip=ip, account=account, region=region, method=method
    )
    events = EventFilter(user=user, role=role, access_key=access_key, ip=ip, account=account, region=region)
    history = ask_history(app, events, window, live)
    with session_index(app) as index:
        page = index.page(where, window, limit=limit, cursor=cursor)
        shown = tuple(index.chained(each) for each in page.sessions)
    return SessionPage(
        sessions=shown,
        total=page.total,
        next_cursor=page.next_cursor,
        where=where,
        coverage=coverage_of(app, events, window, history, shown),
    )
