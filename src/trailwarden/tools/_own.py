"""The addresses from which this installation's own roles call, as the lake shows them."""

from collections.abc import Collection, Iterator
from datetime import timedelta

from ..installation import Installation
from ..model.event import EventFilter, EventQuery
from ..model.time import Window
from ..signs import public_address

#: An address is one's own by its calls if there were some on so many different days (UTC) of so many: whoever steals a
#: session of the role calls from elsewhere, too.
OWN_DAYS, REACH = 3, timedelta(days=30)
#: Addresses that are looked at, and those of them whose days are counted, the most used first.
_MOST, _COUNTED = 1000, 20


def own_addresses(app: Installation, roles: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The public addresses from which these roles called on OWN_DAYS or more, and the others that they called from.

    Raises:
        LakeError: the lake cannot be read.
    """
    from ..lake.query import counts  # noqa: PLC0415

    if not roles:
        return (), ()
    now = app.now()
    query = EventQuery(where=EventFilter(role=tuple(roles)), window=Window(now - REACH, now))
    found = [
        (address, each.last.date() - each.first.date() >= timedelta(days=OWN_DAYS - 1))
        for each in counts(app.lake, query, by="source_ip", most=_MOST)
        if (address := public_address(each.value)) is not None
    ]
    long = [address for address, lasting in found if lasting][:_COUNTED]
    own = {each for each in long if len(set(_days(app, query, each))) >= OWN_DAYS}
    return tuple(sorted(own)), tuple(sorted({address for address, _ in found} - own))


def _days(app: Installation, query: EventQuery, address: str) -> Iterator[object]:
    """The days on which there were calls from an address."""
    from ..lake.query import search  # noqa: PLC0415

    where = EventFilter(role=query.where.role, ip=(address,))
    asked = EventQuery(where=where, window=query.window, limit=1)
    found = search(app.lake, asked, now=app.now(), facets=False, histogram=True).histogram
    if found is not None:
        yield from (each.start.date() for each in found.buckets)
