"""What the tools about endpoint alerts share: alerts and hosts, of Falcon or the lake, and the sessions they match."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from ..errors import NotFound
from ..identity import owners
from ..installation import Installation
from ..model.alert import Alert, Host, SessionMatch
from ..model.event import EVERYTHING
from ..model.finding import Coverage, Gap, Source
from ..model.time import Window
from ._afterwards import Afterwards
from ._directory import directory_of
from ._sessions import ask_history, coverage_of, session_index
from .search import Live

if TYPE_CHECKING:
    from ..correlate import People
    from ..falcon.client import Falcon
    from ..lake.alerts import AlertStore

#: Sessions further from an alert than this are no match.
REACH = timedelta(hours=24)
#: Matches below this score are left out, and how many of an alert are shown at most.
LEAST, MOST = 0.05, 20
#: From this score on, what a session did after the alert is looked at.
TOLD = 0.1
_MICROSECOND = timedelta(microseconds=1)

LeastScore = Annotated[float, Meta(ge=0, le=1, description="Leave out matches that score less")]


class AlertMatches(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, its host, and the sessions that it may belong to, the best first; ``coverage``: what was looked at."""

    alert: Alert
    host: Host | None
    matches: tuple[SessionMatch, ...]
    coverage: Coverage


class Desk:
    """Falcon, if it is connected, and the alerts and hosts that the lake keeps."""

    def __init__(self, app: Installation, falcon: "Falcon | None", store: "AlertStore") -> None:
        self._app = app
        self.falcon = falcon
        self.store = store
        self.gaps: list[Gap] = []

    def window(self, window: Window) -> tuple[Alert, ...]:
        """The alerts of a window, fetched where they were not yet."""
        from ..falcon.fetch import fetch_alerts  # noqa: PLC0415

        if self.falcon is not None:
            self.gaps += fetch_alerts(self.falcon, self.store, window, now=self._app.now()).gaps
        else:
            self.gaps.append(_not_connected(window))
        return self.store.alerts(window)

    def alert(self, composite_id: str) -> Alert:
        """One alert by its id.

        Raises:
            NotFound: neither the lake nor Falcon has it.
        """
        found = self.store.alert(composite_id)
        if found is None and self.falcon is not None:
            found = self.falcon.alert(composite_id)
            if found is not None:
                self.store.land([found])
        if found is None:
            raise NotFound(
                f"no alert {composite_id!r}",
                remedy="`trailwarden correlate recent` lists alerts with their ids; one that was never fetched needs a "
                "connection (trailwarden falcon connect)",
            )
        return found

    def hosts(self, alerts: Sequence[Alert]) -> dict[str, Host]:
        """The hosts of alerts, by device id, as far as they are known."""
        from ..falcon.fetch import fetch_hosts  # noqa: PLC0415

        wanted = list(dict.fromkeys(each.device_id for each in alerts if each.device_id))
        if self.falcon is not None and wanted:
            since = min(each.time for each in alerts) - REACH
            self.gaps += fetch_hosts(self.falcon, self.store, wanted, now=self._app.now(), since=since).gaps
        found = ((each, self.store.host(each)) for each in wanted)
        return {device_id: host for device_id, host in found if host is not None}

    def named(self, name: str) -> tuple[Host, ...]:
        """The hosts of a name, or the one of a device id.

        Raises:
            NotFound: there is none.
        """
        from ..falcon.fetch import fetch_named  # noqa: PLC0415

        by_id = self.store.host(name)
        if by_id is not None:
            return (by_id,)
        if self.falcon is not None:
            found, gaps = fetch_named(self.falcon, self.store, name, now=self._app.now())
            self.gaps += gaps
            if not found:
                found = self.falcon.hosts([name]).hosts if len(name) == _DEVICE_ID else ()
        else:
            found = self.store.hosts_named(name)
        if not found:
            raise NotFound(
                f"no host {name!r} is known",
                remedy="give the hostname as Falcon shows it (LAPTOP-7), or a device id",
            )
        return found


_DEVICE_ID = 32


def _not_connected(window: Window | None) -> Gap:
    return Gap(
        kind="not_covered",
        window=window,
        reason="CrowdStrike Falcon is not connected: only alerts that the lake keeps already were looked at",
        remedy="trailwarden falcon connect CLIENT_ID --cloud us-1",
    )


@contextmanager
def desk(app: Installation) -> Iterator[Desk]:
    """Falcon and the lake's alerts."""
    from ..falcon.client import Falcon  # noqa: PLC0415
    from ..lake.alerts import AlertStore  # noqa: PLC0415

    store = AlertStore(app.lake.root)
    connection = app.state.falcon.find()
    if connection is None:
        yield Desk(app, None, store)
        return
    with Falcon(connection, app.state.falcon.secret(connection), now=app.now, progress=app.progress) as falcon:
        yield Desk(app, falcon, store)


def matched(
    app: Installation, at: Desk, alerts: Sequence[Alert], *, least: float = LEAST, live: Live = "auto"
) -> tuple[tuple[AlertMatches, ...], Coverage]:
    """Each alert with the sessions that it may belong to, and the coverage of all of it."""
    now = app.now()
    hosts = at.hosts(alerts)
    if not alerts:
        return (), at_least(app, at, None)
    window = Window(
        min(each.time for each in alerts) - REACH,
        max(min(max(each.time for each in alerts) + REACH, now), min(each.time for each in alerts) + _MICROSECOND),
    )
    history = ask_history(app, EVERYTHING, window, live)
    with session_index(app) as index:
        afterwards = Afterwards(app, index)
        correlator = afterwards.correlator(window, _people(app))
        looked = coverage_of(app, EVERYTHING, window, history).with_gaps(at.gaps)
        best = [
            correlator.correlate(alert, hosts.get(alert.device_id or ""), now=now, least=least)[:MOST]
            for alert in alerts
        ]
        notable = afterwards.notable(
            (match.session, alert.time)
            for alert, matches in zip(alerts, best, strict=True)
            for match in matches
            if match.score >= TOLD and match.session.last_seen >= alert.time
        )
    found = tuple(
        AlertMatches(
            alert=alert,
            host=hosts.get(alert.device_id or ""),
            matches=tuple(
                msgspec.structs.replace(
                    match, notable_events=notable.get((match.session.session_id, alert.time), match.notable_events)
                )
                for match in matches
            ),
            coverage=looked,
        )
        for alert, matches in zip(alerts, best, strict=True)
    )
    return found, looked


def _people(app: Installation) -> "People":
    """The alias list; and for an email, the IAM users that are theirs by tag or name.

    An IAM user's name leads from a person to the user, never from an endpoint's user of that name to a person.
    """
    from ..correlate import PersonName, people_of  # noqa: PLC0415

    kept = tuple(app.state.aliases.list())
    found = {name: tuple(names) for name, names in people_of(kept).items()}
    for arn, email in owners(directory_of(app), kept).items():
        name = PersonName(arn.rsplit("/", 1)[-1], arn.split(":")[4], person=email)
        found[email] = (*found.get(email, (PersonName(email, person=email),)), name)
    return found


def at_least(app: Installation, at: Desk, window: Window | None) -> Coverage:
    """The coverage of an answer without alerts."""
    source = Source(kind="falcon", location=at.falcon.connection.source if at.falcon is not None else "the lake")
    return Coverage(sources=(source,), window=window, fresh_until=app.now()).with_gaps(at.gaps)
