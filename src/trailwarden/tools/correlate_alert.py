"""One endpoint alert: the AWS sessions that it may belong to."""

from typing import Annotated

from msgspec import Meta

from ..installation import Installation
from ..tool import tool
from ._alerts import LEAST, AlertMatches, LeastScore, desk, matched
from ._sessions import LiveOption
from .search import SEARCH_NEEDS


@tool(
    effect="read",
    title="Find the AWS sessions of a CrowdStrike alert",
    needs=SEARCH_NEEDS,
    examples=(
        "trailwarden correlate alert 'c1a2…:ind:9f…:1234567890'",
        "trailwarden correlate alert 'c1a2…:ind:9f…:1234567890' --format json",
    ),
)
def correlate_alert(
    app: Installation,
    alert: Annotated[
        str, Meta(description="composite_id of the alert", extra={"argument": True, "metavar": "COMPOSITE_ID"})
    ],
    *,
    min_score: LeastScore = LEAST,
    live: LiveOption = "auto",
) -> AlertMatches:
    """The AWS sessions that an alert may belong to, the best first, each with every reason and what speaks against it.

    A reason names a field of the alert or its host, and the record and field of the session that it agrees with.
    docs/correlation.md has the weights, and how a score is made up. Under each match stands what the session did
    after the alert that deserves attention.

    Raises:
        TrailwardenError: no such alert.
    """
    with desk(app) as at:
        found, _ = matched(app, at, [at.alert(alert.strip())], least=min_score, live=live)
    return found[0]
