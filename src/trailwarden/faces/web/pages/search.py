"""Search: filters, facets, the histogram, the events, and one event whole.

A page has its events at once; what counts all matches takes longer in a large lake, and comes after them. Both, and
what the table fetches as it is scrolled, are pieces of one question, which stands in the audit chain once.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from fastapi import Query
from starlette.responses import Response

from .... import catalog
from ....lake.paging import window_of
from ....lake.query import EventRows
from ....lake.query import page as page_of_lake
from ....lake.query import search as search_lake
from ....model.event import VALUE_FIELDS, Event, EventFilter, EventPage, EventQuery, Order
from ....model.time import Window
from ....tools.search import Live, live_history
from ..filters import FACETS, SPANS, Asked, asked, facet_parameter, said, understood, words_of
from ..routes import Here, OnPage, Pages
from ..shown import Shown, link

pages = Pages()
#: Events that the page brings along; its script fetches the rest.
FIRST = 50
#: How long pieces of an answer belong to the question that was asked, and of how many sessions the last is known.
ONE_QUESTION, SESSIONS = timedelta(hours=1), 1000
#: How much time may pass between the reading of an address, whose window it fixes, and the noting of its question.
_A_MOMENT = timedelta(minutes=1)
#: Facets that are open at first.
_OPEN = ("principal", "event", "source_ip", "error")


class Choice(msgspec.Struct, frozen=True):
    """A value of a facet: how many events have it, its share of the most frequent one, and the ways in and out."""

    value: str | None
    count: int
    share: int
    only: str
    without: str


class Facet(msgspec.Struct, frozen=True):
    """A facet as the page shows it."""

    name: str
    heading: str
    opened: bool
    choices: tuple[Choice, ...]


class Rows(msgspec.Struct, frozen=True):
    """Rows for the table's script, each a list in the order of ``row_of``; ``next`` asks for those after them."""

    rows: list[list[str]]
    next: str | None


class _Question(msgspec.Struct, frozen=True):
    """What a session asked last, and when."""

    where: EventFilter
    window: Window | None
    at: datetime

    def holds(self, where: EventFilter, window: Window | None, now: datetime) -> bool:
        """Whether it is the same question still, whose window (``last=24h``) has moved with the clock at most."""
        if where != self.where or not timedelta() <= now - self.at <= ONE_QUESTION:
            return False
        if window is None or self.window is None:
            return window is self.window
        moved = window.start - self.window.start
        return window.length == self.window.length and timedelta() <= moved <= now - self.at + _A_MOMENT


@pages.get("/search", right="read")
def search(
    here: OnPage,
    *,
    cursor: str | None = None,
    add: str = "",
    order: Order = "newest",
    live: Live = "never",
    counts: bool = False,
) -> Response:
    """What matches, in the usual span if none is named. ``live`` asks event history as well, which takes longer;
    ``counts`` has everything that is counted in the page itself."""
    query = _asked(here)
    if add:
        return here.go(_path("/search", query.adding(*understood(add))))
    if counts or here.format is not None:
        limit = FIRST if here.format is None else 1000
        page = here.app.search(query.where, query.window, order=order, limit=limit, cursor=cursor, live=live)
    else:
        page = _piece(here, query, _Piece(order, FIRST, cursor, live))
    return here.answer(
        "search.html",
        page,
        name="events",
        asked=query,
        order=order,
        chips=[(*chip, _path("/search", query.without(chip[0], chip[2]))) for chip in said(query.parameters())],
        spans=[
            (words, _path("/search", query.parameters(last=span, **{"from": "", "to": ""})), span)
            for span, words in SPANS
        ],
        fields=[(name, words_of(name), description) for name, description in _DESCRIPTIONS.items()],
        plain=_path("", query.parameters()),
        events=page.events,
        nothing=not page.events and cursor is None,
        who=who,
        saved=here.console.app.state.kept.searches(here.session.person),
        boards=here.console.app.state.kept.boards(here.session.person, mine=True),
        **(_counted(query, page) if isinstance(page, EventPage) else {}),
    )


@pages.get("/search/counts", right="read")
def counts(here: OnPage) -> Response:
    """What is counted of all matches: totals, histogram and facets, for the page that has its events already."""
    query = _asked(here)
    _note(here, query.where, query.window)
    asks = EventQuery(where=query.where, window=query.window, limit=1)
    page = search_lake(here.console.app.lake, asks, now=here.console.app.now())
    return here.page("search_counts.html", **_counted(query, page))


@pages.get("/search/rows", right="read")
def rows(
    here: OnPage,
    cursor: str | None = None,
    order: Order = "newest",
    limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    live: Live = "never",
) -> Response:
    """A further piece of the table."""
    page = _piece(here, _asked(here), _Piece(order, limit, cursor, live))
    shown = Shown(here.view)
    return here.data(Rows([row_of(event, shown) for event in page.events], page.next_cursor))


@pages.get("/search/export", right="read")
def export(here: OnPage) -> Response:
    """Every event that matches, oldest first, as JSON lines or CSV."""
    query = _asked(here)
    found = here.app.export(query.where, query.window)
    return here.stream(found.events, name="events", coverage=found.coverage)


@pages.get("/events/{event_id}", right="read")
def event(here: OnPage, event_id: str) -> Response:
    """One event whole, and ways to everything that its key, address, person and session did."""
    found = here.app.event(event_id)
    records = [(record, _pivots(record)) for record in found.records]
    kept, person = here.console.app.state.kept, here.session.person
    return here.answer(
        "event.html",
        found,
        block="record",
        name=f"event-{event_id[:8]}",
        event_id=event_id,
        records=records,
        pins=kept.pins_of(person, event_id),
        boards=kept.boards(person, mine=True),
    )


def row_of(event: Event, shown: Shown) -> list[str]:
    """id, time, who, service, event, address, account, Region, error (empty where it succeeded), what kind of call."""
    return [
        event.event_id,
        shown.full(event.time),
        who(event),
        (event.source or "").removesuffix(".amazonaws.com"),
        event.name or "",
        event.source_ip or "",
        event.account or "",
        event.region or "",
        (event.error_code or "failed") if event.outcome == "failure" else "",
        "" if event.read_only is None else "read" if event.read_only else "change",
    ]


def who(event: Event) -> str:
    """The caller in one word or two: the session of a role, else the user, role, or service."""
    return event.session_name or event.principal.name or event.principal.arn or event.principal.type or ""


def _asked(here: Here) -> Asked:
    view = here.view
    assert view.now is not None
    return asked(here.request.query_params, now=view.now, zone=view.zone)


class _Piece(msgspec.Struct, frozen=True):
    """Which piece of the events."""

    order: Order
    limit: int
    cursor: str | None
    live: Live


def _piece(here: Here, query: Asked, piece: _Piece) -> EventRows:
    """A piece of the events alone; after the first, of the window that the first one had."""
    app, window = here.app, query.window
    first = window_of(piece.cursor) if piece.cursor is not None else None
    if first is not None and window is not None and first.length == window.length:
        window = first
    _note(here, query.where, window, piece.order)
    asks = EventQuery(where=query.where, window=window, order=piece.order, limit=piece.limit)
    history = live_history(app, asks, piece.live)
    page = page_of_lake(app.lake, asks, now=app.now(), cursor=piece.cursor, history=history.regions)
    return msgspec.structs.replace(page, coverage=page.coverage.with_gaps(history.gaps, history.notes))


def _note(here: Here, where: EventFilter, window: Window | None, order: Order = "newest") -> None:
    """Write into the audit chain who asks what, unless it is a further piece of what this session asked last."""
    app = here.app
    asked: OrderedDict[str, _Question] = app.kept.setdefault("searches", OrderedDict())
    before, now = asked.get(here.session.csrf), app.now()
    if before is not None and before.holds(where, window, now):
        return
    app.asked(catalog.tools()["search"], where, window, order=order)
    asked[here.session.csrf] = _Question(where, window, now)
    asked.move_to_end(here.session.csrf)
    while len(asked) > SESSIONS:
        asked.popitem(last=False)


def _counted(query: Asked, page: EventPage) -> dict[str, Any]:
    """What a template needs to show what was counted."""
    return {"counted": page, "facets": _facets(query, page), "histogram": _histogram(page)}


def _path(path: str, parameters: list[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


def _facets(query: Asked, page: EventPage) -> list[Facet]:
    found: list[Facet] = []
    for name, (heading, _) in FACETS.items():
        values = page.facets.get(name, ())
        most = max((each.count for each in values), default=1)
        choices = tuple(_choice(query, name, each.value, each.count, most) for each in values)
        if any(each.value is not None for each in choices):
            found.append(Facet(name, heading, name in _OPEN, choices))
    return found


def _choice(query: Asked, facet: str, value: str | None, count: int, most: int) -> Choice:
    if value is None:
        return Choice(None, count, -(-count * 100 // most), "", "")
    field, text = facet_parameter(facet, value)
    only, without = (_path("/search", query.adding(each, text)) for each in (field, f"not_{field}"))
    return Choice(value, count, -(-count * 100 // most), only, without)


def _histogram(page: EventPage) -> Mapping[str, Any] | None:
    """Seconds since 1970 at which the steps start, and how many calls succeeded and failed in each."""
    histogram = page.histogram
    if histogram is None or not histogram.buckets:
        return None
    counted = {int(each.start.timestamp()): each for each in histogram.buckets}
    starts = range(min(counted), max(counted) + 1, histogram.step)
    return {
        "step": histogram.step,
        "starts": list(starts),
        "succeeded": [counted[at].count - counted[at].failed if at in counted else 0 for at in starts],
        "failed": [counted[at].failed if at in counted else 0 for at in starts],
    }


_DESCRIPTIONS = {
    each.name: str(each.type.__metadata__[0].description)
    for each in msgspec.structs.fields(EventFilter)
    if each.name in VALUE_FIELDS
}


class Pivot(msgspec.Struct, frozen=True):
    """A way from a record to everything with the same value."""

    words: str
    value: str
    href: str


def _pivots(record: Mapping[str, Any]) -> tuple[Pivot, ...]:
    """Ways to everything of the same key, address, person and session, as far as the record names them."""
    identity = record.get("userIdentity")
    identity = identity if isinstance(identity, Mapping) else {}
    arn = _text(identity.get("arn"))
    session = arn.split("/", 2)[2] if ":assumed-role/" in arn and arn.count("/") >= 2 else ""
    on_behalf = identity.get("onBehalfOf")
    wanted = (
        ("this key", "access_key", _text(identity.get("accessKeyId"))),
        ("this address", "ip", _text(record.get("sourceIPAddress"))),
        (
            "this person",
            "user",
            session
            or _text(identity.get("userName"))
            or _text(on_behalf.get("userId") if isinstance(on_behalf, Mapping) else ""),
        ),
        ("this session", "arn", arn),
        ("this kind of call", "event", _call(record)),
        ("this account", "account", _text(record.get("recipientAccountId"))),
    )
    return tuple(
        Pivot(words, value, link("/search", {name: value, "last": "all"})) for words, name, value in wanted if value
    )


def _call(record: Mapping[str, Any]) -> str:
    source, name = _text(record.get("eventSource")), _text(record.get("eventName"))
    return f"{source.removesuffix('.amazonaws.com')}:{name}" if source and name else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
