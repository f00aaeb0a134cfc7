"""Alerts: what endpoints saw, and the AWS sessions that it may belong to, the evidence side by side."""

from typing import Annotated

import msgspec
from fastapi import Query
from starlette.responses import Response

from ....model.alert import SessionMatch
from ....model.session import KIND_WORDS, Session
from ....model.time import parse_window
from ....tools._alerts import LEAST, AlertMatches
from ....tools.search import Live
from ..filters import SPANS
from ..routes import Here, OnPage, Pages
from ..shown import link

pages = Pages()
#: The span where an address names none.
_USUAL = "24h"
#: From which score on a match is shown as strong, or as fair.
_STRONG, _FAIR = 0.7, 0.3
#: What can be chosen as the least severity.
_SEVERITIES = ((0, "Any severity"), (40, "Medium and above"), (60, "High and above"), (80, "Critical"))


class Offer(msgspec.Struct, frozen=True):
    """An action that a match suggests, and the address of its form."""

    words: str
    href: str


@pages.get("/alerts", right="read")
def alerts(
    here: OnPage,
    user: Annotated[list[str] | None, Query()] = None,
    min_severity: Annotated[int, Query(ge=0, le=100)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    live: Live = "never",
) -> Response:
    """The alerts of a span, those first whose sessions did the most after them. ``live`` asks event history too."""
    query, view = here.request.query_params, here.view
    last, start, end = (query.get(name, "").strip() for name in ("last", "from", "to"))
    if not (last or start or end):
        last = _USUAL
    assert view.now is not None
    users = tuple(each for each in user or () if each.strip())
    window = parse_window(last=last or None, start=start or None, end=end or None, now=view.now, zone=view.zone)
    found = here.app.correlate_recent(user=users, min_severity=min_severity, window=window, limit=limit, live=live)
    return here.answer(
        "alerts.html",
        found,
        name="alerts",
        last=last,
        start=start,
        end=end,
        user=users,
        min_severity=min_severity,
        spans=[each for each in SPANS if each[0] != "all"],
        severities=_SEVERITIES,
        limit=limit,
        live=live,
        notable=notable,
        strength=strength,
        who=who,
    )


@pages.get("/alerts/{composite_id}", right="read")
def alert(
    here: OnPage,
    composite_id: str,
    min_score: Annotated[float, Query(ge=0, le=1)] = LEAST,
    live: Live = "never",
) -> Response:
    """One alert and its matches, each with every reason, what speaks against it, and what the session did after."""
    found = here.app.correlate_alert(composite_id, min_score=min_score, live=live)
    return here.answer(
        "alert.html",
        found,
        name="alert",
        told=next((place for place, each in enumerate(found.matches) if each.notable_events), None),
        offers=[_offers(here, each, found.alert.name or found.alert.composite_id) for each in found.matches],
        strength=strength,
        who=who,
    )


def notable(found: AlertMatches) -> int:
    """The most notable calls that a session made after the alert."""
    return max((len(each.notable_events) for each in found.matches), default=0)


def strength(score: float) -> str:
    """The badge of a score."""
    return "critical" if score >= _STRONG else "medium" if score >= _FAIR else ""


def who(session: Session) -> str:
    """The person or workload behind a session, as far as the records tell."""
    root = session.root
    if root is None:
        return session.session_name or session.principal_id or "not known"
    return root.name or root.arn or KIND_WORDS[root.kind]


def _offers(here: Here, match: SessionMatch, alert_name: str) -> tuple[Offer, ...]:
    """What could be proposed about the session, for those who may; its evidence goes along."""
    if not here.may("propose"):
        return ()
    session = match.session
    common = {
        "account": session.account,
        "reason": f"CrowdStrike alert: {alert_name}"[:300],
        "evidence": ", ".join(dict.fromkeys(each.event_id for each in match.evidence)),
    }
    found: list[Offer] = []
    for key in session.access_keys[:1] if session.method == "iam_user_key" else ():
        if key.startswith("AKIA"):
            href = link("/proposals/new", action="delete_access_key", access_key_id=key, **common)
            found.append(Offer("Delete the access key", href))
    if session.user_name and session.role_arn is None:
        href = link("/proposals/new", action="disable_user", user=session.user_name, **common)
        found.append(Offer("Disable the user", href))
    if session.role_arn:
        href = link("/proposals/new", action="revoke_sessions", role=session.role_arn, **common)
        found.append(Offer("Revoke the role's sessions", href))
    return tuple(found)
