"""Sessions: who used which credentials; and one session with its chain, its calls and its evidence."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from starlette.datastructures import QueryParams
from starlette.responses import Response

from ....errors import BadCursor, UsageError
from ....model.event import EventFilter
from ....model.session import AUTH_METHODS, KIND_WORDS, AuthMethod, Session, SessionFilter
from ....model.time import Window
from ....tools.search import Live
from ....tools.sessions_list import SessionPage
from ..filters import SPANS, Asked, asked, said, understood, window_parameters
from ..pictures import METHOD_NAMES, NAME_WORDS, role_name
from ..routes import Here, OnPage, Pages
from ..shown import link

pages = Pages()
#: Sessions on a page, and in a file.
SHOWN, WRITTEN = 50, 1000
#: Sessions among which another order than the usual is made, those seen last.
SORTED_MOST = 10_000
Sort = Literal["last", "first", "calls", "failed", "who", "method", "account"]
#: Orders, and whether the largest comes first.
_ORDERS: Mapping[Sort, tuple[Callable[[Session], Any], bool]] = {
    "last": (lambda each: each.last_seen, True),
    "first": (lambda each: each.first_seen, True),
    "calls": (lambda each: each.events, True),
    "failed": (lambda each: each.errors, True),
    "who": (lambda each: person_of(each).casefold(), False),
    "method": (lambda each: METHOD_NAMES[each.method].casefold(), False),
    "account": (lambda each: each.account or "", False),
}
FIELDS = ("user", "role", "access_key", "ip", "account", "region")
#: Keys that a search for a session's calls names; more make no address.
_KEYS = 20
_SECOND = timedelta(seconds=1)


@pages.get("/sessions", right="read")
def sessions(
    here: OnPage,
    *,
    method: Annotated[list[AuthMethod] | None, Query()] = None,
    sort: Sort = "last",
    cursor: str | None = None,
    add: str = "",
    live: Live = "never",
) -> Response:
    """Sessions in the span, those of all time if none is named."""
    query = window_asked(here)
    methods = tuple(method or ())
    mine = [("method", each) for each in methods]
    if add:
        name, value = understood(add)
        if name == "session":
            name = "user"
        if name not in FIELDS:
            raise UsageError(
                f"sessions are not filtered by {name.replace('_', ' ')}",
                remedy=f"type {', '.join(FIELDS)} and a value, such as role:Admin*",
            )
        return here.go(link("/sessions", _together([*query.adding(name, value), *mine])))
    limit = SHOWN if here.format is None else WRITTEN
    page = _page(here, _where(query, methods), query.window, sort=sort, limit=limit, cursor=cursor, live=live)
    return here.answer(
        "sessions.html",
        page,
        name="sessions",
        asked=query,
        sort=sort,
        chips=_chips(query, methods),
        methods=[(each, METHOD_NAMES[each]) for each in AUTH_METHODS],
        chosen=methods,
        **words(here),
        **spans(here),
    )


@pages.get("/sessions/{session:path}", right="read")
def session(here: OnPage, session: str, live: Live = "never") -> Response:
    """One session, by its id; an access key, the ARN of a role session or a name lead to the session seen last."""
    shown = here.app.sessions_show(session, live=live)
    found, exact = calls_of(shown)
    return here.answer(
        "session.html",
        shown,
        name=f"session-{shown.session_id}",
        calls=found,
        exact=exact,
        keys_most=_KEYS,
        most=max((each.events for each in shown.did), default=1),
        **words(here),
    )


def calls_of(session: Session) -> tuple[list[tuple[str, str]], bool]:
    """The search for a session's calls, and whether it finds no others: credentials name them, a name may be shared."""
    window = Window(session.first_seen, session.last_seen + _SECOND)
    if session.access_keys and len(session.access_keys) <= _KEYS:
        where, exact = EventFilter(access_key=session.access_keys), True
    elif session.principal_arn:
        where, exact = EventFilter(arn=(session.principal_arn,)), False
    else:
        names = (session.session_name, session.user_name, *(each.value for each in session.identifiers))
        name = next((each for each in names if each), None)
        if name is None:
            return [], False
        where, exact = EventFilter(user=(name,), account=session.recorded_in), False
    return [*_parameters(where), *window_parameters(window)], exact


def person_of(session: Session) -> str:
    """Who stands behind a session, as far as the records tell."""
    root = session.root
    if root is None:
        return session.session_name or session.principal_id or "not known"
    if root.name is None and root.arn is not None and ":identitystore:" in root.arn:
        return root.arn.rsplit("/", 1)[-1]  # the userId, by which the directory knows them
    return root.name or root.arn or KIND_WORDS[root.kind]


def acting_as(session: Session) -> str:
    """The role or user whose rights the session has."""
    return role_name(session.role_arn) if session.role_arn else session.user_name or session.principal_arn or ""


def window_asked(here: Here) -> Asked:
    """The span that an address names, all time if it names none, with the filters of events in it."""
    query = here.request.query_params
    if not any(query.get(name, "").strip() for name in ("last", "from", "to")):
        query = QueryParams([*query.multi_items(), ("last", "all")])
    view = here.view
    assert view.now is not None
    return asked(query, now=view.now, zone=view.zone)


def words(here: Here) -> dict[str, Any]:
    """What the templates of sessions call: names of methods, kinds and accounts."""
    return {
        "person_of": person_of,
        "acting_as": acting_as,
        "method_names": METHOD_NAMES,
        "kind_words": KIND_WORDS,
        "name_words": NAME_WORDS,
        "role_name": role_name,
        "labels": here.console.app.lake.manifest.expected_accounts(),
    }


def spans(here: Here) -> dict[str, Any]:
    """The spans that a page offers, each with its address."""
    query = {name: here.request.query_params.getlist(name) for name in here.request.query_params}
    kept = {name: value for name, value in query.items() if name not in ("from", "to", "cursor", "format", "live")}
    path = here.request.url.path
    return {"spans": [(said_, link(path, {**kept, "last": span}), span) for span, said_ in SPANS], "kept": kept}


def _where(query: Asked, methods: tuple[AuthMethod, ...]) -> SessionFilter:
    wanted = {name: getattr(query.where, name) for name in FIELDS}
    if query.where != EventFilter(**wanted):
        raise UsageError("sessions are not filtered by that", remedy=f"sessions have {', '.join(FIELDS)} and method")
    return SessionFilter(**wanted, method=methods)


def _chips(query: Asked, methods: tuple[AuthMethod, ...]) -> list[tuple[str, str, str, str, str]]:
    """The filters that are set, each with the address without it."""
    mine = [("method", each) for each in methods]
    chips = [
        (*chip, link("/sessions", _together([*query.without(chip[0], chip[2]), *mine])))
        for chip in said(query.parameters())
    ]
    for each in methods:
        kept = [(name, value) for name, value in mine if value != each]
        href = link("/sessions", _together([*query.parameters(), *kept]))
        chips.append(("method", "method", each, METHOD_NAMES[each], href))
    return chips


def account_chips(path: str, query: Asked, **more: str) -> list[tuple[str, str, str, str, str]]:
    """The accounts that a page is narrowed to, each with the address without it."""
    return [
        (*chip, link(path, {**more, **_together(query.without("account", chip[2]))}))
        for chip in said([("account", each) for each in query.where.account])
    ]


def _page(
    here: Here, where: SessionFilter, window: Window | None, *, sort: Sort, limit: int, cursor: str | None, live: Live
) -> SessionPage:
    given = {name: getattr(where, name) for name in SessionFilter.__struct_fields__}
    if sort == "last":
        page: SessionPage = here.app.sessions_list(**given, window=window, limit=limit, cursor=cursor, live=live)
        return page
    start = _offset(cursor)
    whole: SessionPage = here.app.sessions_list(**given, window=window, limit=SORTED_MOST, live=live)
    key, largest = _ORDERS[sort]
    ordered = sorted(whole.sessions, key=key, reverse=largest)
    following = str(start + limit) if start + limit < len(ordered) else None
    return msgspec.structs.replace(whole, sessions=tuple(ordered[start : start + limit]), next_cursor=following)


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isdecimal() or len(cursor) > 6:
        raise BadCursor(f"not a place in this order: {cursor!r}", remedy="begin at the first page")
    return int(cursor)


def _together(parameters: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in parameters:
        found.setdefault(name, []).append(value)
    return found


def _parameters(where: EventFilter) -> list[tuple[str, str]]:
    return [(name, value) for name in ("access_key", "arn", "user", "account") for value in getattr(where, name)]
