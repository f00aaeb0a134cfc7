"""What people keep: saved searches, and pinned events on boards. Whose they are is the session's person, always."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from fastapi import Form, Query
from starlette.datastructures import QueryParams
from starlette.responses import Response

from ....model.kept import DEFAULT_BOARD, LONGEST_NOTE, Board, Pin, PinnedEvent, SavedSearch
from ....model.time import Window
from ...output import encode
from ..filters import asked, said, window_parameters
from ..routes import Here, OnPage, Pages
from ..shown import link
from .search import who

pages = Pages()
SAVED, PINS = "/saved", "/pins"
Text = Annotated[str, Form(max_length=20_000)]
Cursor = Annotated[int, Query(ge=0, le=1_000_000)]
#: How many rows a page shows.
PER_PAGE = 100


class SavedSearches(msgspec.Struct, frozen=True, kw_only=True):
    """One's own searches, and those that others share."""

    searches: tuple[SavedSearch, ...]


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """A board and its pins, in the order of their events; no board where nothing is pinned. ``search`` is the address
    of a search that contains all of them, and what happened between them."""

    pins: tuple[Pin, ...]
    board: Board | None = None
    search: str = ""


@pages.get(SAVED, right="read")
def saved(here: OnPage, cursor: Cursor = 0) -> Response:
    """Saved searches: one's own, then what others share."""
    found = SavedSearches(searches=tuple(here.app.state.kept.searches(here.session.person)))
    return _answer(
        here,
        "saved.html",
        found,
        found.searches,
        name="searches",
        cursor=cursor,
        chips=lambda search: _chips(here, search.query),
    )


@pages.post(SAVED, right="read")
def save(here: OnPage, name: Text = "", query: Text = "", shared: Annotated[bool, Form()] = False) -> Response:
    """Keep a search under a name, in the one spelling that searches have."""
    canonical = urlencode(_understood(here, query).parameters())
    app = here.app
    kept = app.state.kept.save(here.session.person, name, canonical, shared=shared, by=app.actor, now=app.now())
    return _done(here, kept, f"/search?{kept.query}")


@pages.post("/saved/{identifier}/delete", right="read")
def delete(here: OnPage, identifier: str) -> Response:
    """Forget a search."""
    app = here.app
    gone = app.state.kept.delete_search(here.session.person, identifier, by=app.actor, now=app.now())
    return _done(here, gone, SAVED)


@pages.post("/saved/{identifier}/share", right="read")
def share_search(here: OnPage, identifier: str, shared: Annotated[bool, Form()]) -> Response:
    """Show a search to everybody, or to nobody else."""
    app = here.app
    changed = app.state.kept.share_search(here.session.person, identifier, shared, by=app.actor, now=app.now())
    return _done(here, changed, SAVED)


@pages.get(PINS, right="read")
def pins(here: OnPage, board: str = "", cursor: Cursor = 0) -> Response:
    """One board with its pins: the one that was last pinned on, unless another is named."""
    kept, person = here.app.state.kept, here.session.person
    boards = kept.boards(person)
    found = Pinned(pins=())
    if board or boards:
        shown, listed = kept.pins(person, board or boards[0].id)
        found = Pinned(board=shown, pins=tuple(listed), search=_containing(listed))
    return _answer(
        here,
        "pins.html",
        found,
        found.pins,
        name="pins",
        cursor=cursor,
        boards=boards,
        note_length=LONGEST_NOTE,
    )


@pages.post(PINS, right="read")
def pin(
    here: OnPage, event_id: Text, board: Text = DEFAULT_BOARD, note: Annotated[str | None, Form()] = None
) -> Response:
    """Pin an event, as its record describes it."""
    app = here.app
    event = _event(here, event_id.strip())
    made = app.state.kept.pin(here.session.person, event, board=board, note=note, by=app.actor, now=app.now())
    return _done(here, made, link(PINS, board=made.board_id))


@pages.post("/pins/{identifier}/delete", right="read")
def unpin(here: OnPage, identifier: str) -> Response:
    """Take a pin off its board."""
    app = here.app
    gone = app.state.kept.unpin(here.session.person, identifier, by=app.actor, now=app.now())
    left = any(each.id == gone.board_id for each in app.state.kept.boards(here.session.person, mine=True))
    return _done(here, gone, link(PINS, board=gone.board_id if left else ""))


@pages.post("/pins/{identifier}/note", right="read")
def note(here: OnPage, identifier: str, note: Text = "") -> Response:
    """Write a pin's note anew."""
    app = here.app
    changed = app.state.kept.note(here.session.person, identifier, note, by=app.actor, now=app.now())
    return _done(here, changed, link(PINS, board=changed.board_id))


@pages.post("/boards/{identifier}/share", right="read")
def share_board(here: OnPage, identifier: str, shared: Annotated[bool, Form()]) -> Response:
    """Show a board to everybody, or to nobody else."""
    app = here.app
    changed = app.state.kept.share_board(here.session.person, identifier, shared, by=app.actor, now=app.now())
    return _done(here, changed, link(PINS, board=changed.id))


def _answer(
    here: Here, template: str, result: Any, listed: Sequence[Any], *, name: str, cursor: int, **context: Any
) -> Response:
    """A list, a page of it at a time; as data, the whole of it."""
    if here.format in ("csv", "jsonl"):
        return here.stream(listed, name=name)
    after = cursor + PER_PAGE
    return here.answer(
        template,
        result,
        name=name,
        rows=listed[cursor:after],
        before=cursor,
        next_cursor=after if after < len(listed) else None,
        total=len(listed),
        **context,
    )


def _done(here: Here, result: Any, path: str) -> Response:
    """What was changed, for a script; for a form, the way on."""
    if here.request.headers.get("accept", "").startswith("application/json"):
        return here.data(result)
    return here.go(path)


def _understood(here: Here, query: str) -> Any:
    view = here.view
    assert view.now is not None
    return asked(QueryParams(query.removeprefix("/search").removeprefix("?")), now=view.now, zone=view.zone)


def _chips(here: Here, query: str) -> list[tuple[str, str]]:
    """A search's filters and span in words."""
    wanted = _understood(here, query)
    span = "all time" if wanted.last == "all" else f"last {wanted.last}" if wanted.last else ""
    between = " to ".join(each for each in (wanted.start, wanted.end) if each)
    return [(words, value) for _, words, _, value in said(wanted.parameters())] + [("time", span or between)]


def _event(here: Here, event_id: str) -> PinnedEvent:
    """What a pin holds of the event with that id, read from its record as the lake reads it.

    Raises:
        TrailwardenError: the lake holds no such event.
    """
    from ....lake.columns import columns  # noqa: PLC0415
    from ....lake.decode import decode_records  # noqa: PLC0415
    from ....lake.events import EVENT_COLUMNS, event_of  # noqa: PLC0415

    record = here.app.event(event_id).records[0]
    (row,) = columns([*decode_records([encode(record)])]).rows.select(list(EVENT_COLUMNS)).to_pylist()
    event = event_of(tuple(row.values()))
    return PinnedEvent(
        event_id=event_id,
        time=event.time,
        who=who(event),
        what=f"{(event.source or '').removesuffix('.amazonaws.com')}:{event.name or ''}",
        account=event.account,
        source_ip=event.source_ip,
        access_key=event.access_key,
    )


def _containing(listed: Sequence[Pin]) -> str:
    """The address of the search over the span of these pins, and over what all of them have in common."""
    common = [
        (name, value)
        for name, field in (("access_key", "access_key"), ("ip", "source_ip"), ("account", "account"))
        if len(values := {getattr(each, field) for each in listed}) == 1 and (value := values.pop()) is not None
    ]
    window = Window(listed[0].time, listed[-1].time + timedelta(seconds=1))
    return f"/search?{urlencode([*common, *window_parameters(window)])}"
