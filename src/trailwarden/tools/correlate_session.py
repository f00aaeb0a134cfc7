"""One AWS session: the endpoint alerts that touch it."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..errors import TrailwardenError
from ..installation import Installation
from ..model.finding import Coverage
from ..model.session import Session
from ..model.time import Window
from ..tool import tool
from ._alerts import LEAST, REACH, AlertMatches, LeastScore, at_least, desk, matched
from ._sessions import LiveOption, session_index
from .search import SEARCH_NEEDS


class SessionAlerts(msgspec.Struct, frozen=True, kw_only=True):
    """The session, and the alerts that match it, the best first; each alert's ``matches`` holds this session alone."""

    session: Session
    alerts: tuple[AlertMatches, ...]
    coverage: Coverage


@tool(
    effect="read",
    title="Find the CrowdStrike alerts of a session or key",
    needs=SEARCH_NEEDS,
    examples=(
        "trailwarden correlate session ASIAIOSFODNN7EXAMPLE",
        "trailwarden correlate session ses-3f2a9c1e5b7d8046",
    ),
)
def correlate_session(
    app: Installation,
    session: Annotated[
        str,
        Meta(
            description="Access key id, session id, role session ARN, or session name",
            extra={"argument": True, "metavar": "SESSION"},
        ),
    ],
    *,
    min_score: LeastScore = LEAST,
    live: LiveOption = "auto",
) -> SessionAlerts:
    """Which endpoint alerts touch an AWS session: those of the day before it to the day after it.

    Raises:
        TrailwardenError: no session of that name, key or id is in the records.
    """
    with session_index(app) as index:
        named = index.named(session.strip())
        if not named:
            raise TrailwardenError(
                f"no session of {session!r} is in the records", remedy="`trailwarden sessions list` shows the sessions"
            )
        asked = index.chained(named[0])
    # What a stolen long-lived key did may be long after the alert, and nothing bounds how long it was used before.
    window = Window(asked.first_seen - REACH, min(asked.last_seen + REACH, app.now()))
    with desk(app) as at:
        alerts = at.window(window)
        found, coverage = matched(app, at, alerts, least=min_score, live=live)
        if not found:
            coverage = at_least(app, at, window)
    touching = [
        msgspec.structs.replace(each, matches=own)
        for each in found
        if (own := tuple(match for match in each.matches if match.session.session_id == asked.session_id))
    ]
    touching.sort(key=lambda each: (-each.matches[0].score, each.alert.composite_id))
    return SessionAlerts(session=asked, alerts=tuple(touching), coverage=coverage)
