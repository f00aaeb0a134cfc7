"""The alerts of one host, and the AWS sessions that they may belong to."""

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.alert import Host
from ..model.finding import Coverage
from ..model.time import Window
from ..tool import tool
from ._alerts import LEAST, AlertMatches, LeastScore, at_least, desk, matched
from ._sessions import LiveOption
from .search import SEARCH_NEEDS

#: How far back alerts are looked for where the question names no time.
DEFAULT = timedelta(days=7)


class HostMatches(msgspec.Struct, frozen=True, kw_only=True):
    """The hosts of the name, and their alerts, the newest first."""

    hosts: tuple[Host, ...]
    alerts: tuple[AlertMatches, ...]
    coverage: Coverage


@tool(
    effect="read",
    title="Find the AWS sessions of a host's alerts",
    needs=SEARCH_NEEDS,
    examples=("trailwarden correlate host LAPTOP-7", "trailwarden correlate host LAPTOP-7 --last 30d --format json"),
)
def correlate_host(
    app: Installation,
    host: Annotated[str, Meta(description="Hostname or device id", extra={"argument": True, "metavar": "HOST"})],
    *,
    window: Window | None = None,
    min_score: LeastScore = LEAST,
    live: LiveOption = "auto",
) -> HostMatches:
    """The alerts of a host in the window (default: the last 7 days), each with the AWS sessions it may belong to.

    Raises:
        TrailwardenError: no such host is known.
    """
    asked = window or Window(app.now() - DEFAULT, app.now())
    with desk(app) as at:
        hosts = at.named(host.strip())
        devices = {each.device_id for each in hosts}
        alerts = [each for each in reversed(at.window(asked)) if each.device_id in devices]
        found, coverage = matched(app, at, alerts, least=min_score, live=live)
        if not found:
            coverage = at_least(app, at, asked)
    return HostMatches(hosts=hosts, alerts=found, coverage=coverage)
