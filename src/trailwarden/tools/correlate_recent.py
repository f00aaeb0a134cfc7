"""New endpoint alerts, ranked by what happened in AWS afterwards."""

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.alert import Alert
from ..model.finding import Coverage
from ..model.time import Window
from ..tool import tool
from ._alerts import LEAST, AlertMatches, LeastScore, at_least, desk, matched
from ._sessions import LiveOption
from .search import SEARCH_NEEDS

DEFAULT = timedelta(hours=24)


class RecentMatches(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts, those first whose sessions did the most after them; ``total`` counts them all."""

    alerts: tuple[AlertMatches, ...]
    total: int
    coverage: Coverage


@tool(
    effect="read",
    title="Rank new alerts by what they did in AWS",
    needs=SEARCH_NEEDS,
    examples=(
        "trailwarden correlate recent --last 24h",
        "trailwarden correlate recent --user john --last 7d --format json",
    ),
)
def correlate_recent(
    app: Installation,
    *,
    user: Annotated[
        tuple[str, ...],
        Meta(description="Only alerts of this user: name, UPN or email", extra={"metavar": "USER"}),
    ] = (),
    min_severity: Annotated[int, Meta(ge=0, le=100, description="Only alerts of at least this severity")] = 0,
    window: Window | None = None,
    limit: Annotated[int, Meta(ge=1, le=1000, description="How many alerts the answer holds at most")] = 50,
    min_score: LeastScore = LEAST,
    live: LiveOption = "auto",
) -> RecentMatches:
    """The alerts of the window (default: the last 24 hours) with the AWS sessions that they may belong to.

    First come alerts whose best match has notable calls after them, by score times their number.
    """
    asked = window or Window(app.now() - DEFAULT, app.now())
    with desk(app) as at:
        alerts = [each for each in at.window(asked) if (each.severity or 0) >= min_severity and _is_of(each, user)]
        found, coverage = matched(app, at, alerts, least=min_score, live=live)
        if not found:
            coverage = at_least(app, at, asked)
    ranked = sorted(found, key=_impact, reverse=True)
    return RecentMatches(alerts=tuple(ranked[:limit]), total=len(ranked), coverage=coverage)


def _is_of(alert: Alert, users: tuple[str, ...]) -> bool:
    own = {text.casefold() for text in (alert.user_name, alert.upn) if text}
    own |= {text.partition("@")[0] for text in own}
    return not users or any(each.casefold() in own or each.casefold().partition("@")[0] in own for each in users)


def _impact(each: AlertMatches) -> tuple[float, float, int, str]:
    did = max((match.score * len(match.notable_events) for match in each.matches), default=0.0)
    score = max((match.score for match in each.matches), default=0.0)
    return (did, score, each.alert.severity or 0, each.alert.composite_id)
