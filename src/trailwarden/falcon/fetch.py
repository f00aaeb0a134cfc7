"""Fetch into the lake what of Falcon's alerts and hosts it has not yet."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from ..model.alert import Host
from ..model.finding import Gap
from ..model.time import Window
from .client import Falcon, HostsRead, gap_of
from .errors import ClientRefused

if TYPE_CHECKING:
    from ..lake.alerts import AlertStore

#: How long after its time an alert may still come or change its verdict. Sensors that were offline report later yet:
#: their alerts are found when a window that has not been fetched reaches back to them, or by their id.
SETTLED = timedelta(hours=1)
#: Windows are fetched and landed in pieces of this length, so that an interruption loses little.
PIECE = timedelta(days=7)
#: How long what Falcon says of a host holds.
HOST_AGE = timedelta(hours=1)


class FetchReport(msgspec.Struct, frozen=True, kw_only=True):
    """Windows that were ``asked``, how many alerts or hosts came (``read``), how many of those the lake had not."""

    asked: tuple[Window, ...] = ()
    read: int = 0
    new: int = 0
    gaps: tuple[Gap, ...] = ()


def fetch_alerts(falcon: Falcon, store: "AlertStore", window: Window, *, now: datetime) -> FetchReport:
    """Fetch the alerts of a window; what was fetched before, and has settled, is not asked for again.

    What Falcon refuses, or fails to give, becomes a gap. After a failure that gave nothing, the rest is not asked for.

    Raises:
        LakeError, Busy: the lake cannot be written.
    """
    source = falcon.connection.source
    asked: list[Window] = []
    gaps: list[Gap] = []
    count = new = 0
    upto = window.intersect(Window(window.start, max(now, window.start)))
    missing = store.missing(upto, source=source) if upto is not None else ()
    pieces = [piece for each in missing for piece in _pieces(each)]
    for number, piece in enumerate(pieces):
        asked.append(piece)
        try:
            read = falcon.alerts(piece)
        except ClientRefused as error:
            gaps += [gap_of(error, each) for each in pieces[number:]]
            break
        settled = piece.intersect(Window(piece.start, max(now - SETTLED, piece.start)))
        landed = store.land(read.alerts, settled if read.coverage.complete else None, source=source)
        gaps += read.coverage.gaps
        count, new = count + len(read.alerts), new + landed.new
        if read.coverage.gaps and not read.alerts:
            why = read.coverage.gaps[-1]
            gaps += [msgspec.structs.replace(why, window=each) for each in pieces[number + 1 :]]
            break
    return FetchReport(asked=tuple(asked), read=count, new=new, gaps=tuple(dict.fromkeys(gaps)))


def fetch_hosts(
    falcon: Falcon, store: "AlertStore", device_ids: Iterable[str], *, now: datetime, since: datetime | None = None
) -> FetchReport:
    """Fetch hosts, and their histories, that have not been fetched in the last hour. ``since``: as ``Falcon.hosts``.

    What Falcon refuses, or fails to give, becomes a gap.

    Raises:
        LakeError, Busy: the lake cannot be written.
    """
    wanted = store.hosts_to_read(device_ids, since=now - HOST_AGE)
    if not wanted:
        return FetchReport()
    try:
        read = falcon.hosts(wanted, since=since)
    except ClientRefused as error:
        read = HostsRead(hosts=(), gaps=(gap_of(error, None),))
    new = sum(store.host(host.device_id) is None for host in read.hosts)
    store.land_hosts(read.hosts, now=now)
    return FetchReport(read=len(read.hosts), new=new, gaps=read.gaps)


def fetch_named(
    falcon: Falcon, store: "AlertStore", hostname: str, *, now: datetime, since: datetime | None = None
) -> tuple[tuple[Host, ...], tuple[Gap, ...]]:
    """Fetch the hosts of this name; those that the lake knows by it are among them, with all their history.

    Raises:
        As ``fetch_hosts``.
    """
    try:
        read = falcon.find_hosts(hostname, since=since)
    except ClientRefused as error:
        read = HostsRead(hosts=(), gaps=(gap_of(error, None),))
    store.land_hosts(read.hosts, now=now)
    return store.hosts_named(hostname), read.gaps


def _pieces(window: Window) -> Iterable[Window]:
    start = window.start
    while start < window.end:
        end = min(start + PIECE, window.end)
        yield Window(start, end)
        start = end
