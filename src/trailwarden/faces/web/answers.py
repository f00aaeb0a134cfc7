"""An answer as the Ask page shows it: sentences that link to their evidence, the query as chips, tables, follow-ups."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from ...model.alert import SessionMatch
from ...model.event import EventPage
from ...model.iam_report import PrincipalReport
from ...model.session import Session
from ...tools._alerts import AlertMatches
from ...tools._respond import ProposalCard
from ...tools.ask import Answered
from ..output import encode
from .filters import FACETS, facet_parameter, said, where_parameters, window_parameters
from .shown import Shown, link

#: Rows of a table under an answer; the page that the answer leads to has all.
MOST_ROWS = 15
#: Where the whole is, by the tool that answered.
_PAGES: Mapping[str, tuple[str, str]] = {
    "search": ("/search", "Open in Search"),
    "identity": ("/identity", "Open the person"),
    "sessions_list": ("/sessions", "All sessions"),
    "sessions_show": ("/sessions", "All sessions"),
    "auth_model": ("/auth-model", "Open the auth model"),
    "iam_role": ("/roles", "All roles"),
    "iam_scan": ("/roles", "All roles"),
    "iam_can": ("/roles/can", "Open under Roles"),
    "iam_who_can": ("/roles/who-can", "Open under Roles"),
    "iam_changes": ("/roles/changes", "Open under Roles"),
    "correlate_host": ("/alerts", "All alerts"),
    "correlate_alert": ("/alerts", "All alerts"),
    "correlate_session": ("/alerts", "All alerts"),
    "correlate_recent": ("/alerts", "All alerts"),
    "actions_propose": ("/proposals", "All proposals"),
    "accounts_doctor": ("/settings", "Settings"),
}
#: Arguments of those tools that their pages take under the same names.
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "identity": ("who",),
    "iam_can": ("principal", "action", "resource", "on"),
    "iam_who_can": ("action", "resource", "account"),
    "iam_changes": ("account",),
}
#: Questions that go on from the one before, by the tool that answered it; docs/ask.md lists them.
FOLLOW_UPS: Mapping[str, tuple[str, ...]] = {
    "search": ("and yesterday?", "and in the last 7 days?", "only failures", "only changes", "and from where?", "who?"),
    "identity": ("and in the last 7 days?", "what did this user do?"),
    "sessions_list": ("and yesterday?", "and in the last 7 days?"),
}
#: Columns of a table by the fields of its rows; a dot leads into a field. Other rows show their first plain fields.
_SESSION = (
    "last_seen", "user_name", "session_name", "role_arn", "account", "method", "strength", "source_ips", "events",
    "errors",
)  # fmt: skip
#: For each kind of row: its columns, and the field whose address the first of them leads to.
COLUMNS: tuple[tuple[type[msgspec.Struct], tuple[str, ...], str], ...] = (
    (Session, _SESSION, "session_id"),
    (SessionMatch, ("score", *(f"session.{name}" for name in _SESSION)), "session.session_id"),
    (PrincipalReport, ("name", "kind", "severity", "score", "admin", "reaches_admin", "last_used"), "arn"),
    (
        AlertMatches,
        ("alert.time", "alert.name", "alert.severity_name", "alert.hostname", "alert.user_name"),
        "alert.composite_id",
    ),
    (ProposalCard, ("title", "state", "account", "expires"), "id"),
)
_MOST_COLUMNS = 8
#: Fields whose values are words of this program.
_CODED = frozenset({"method", "state", "kind", "action"})
_HEADS = {"source_ips": "Addresses", "role_arn": "Role", "events": "Calls", "errors": "Failed"}
#: Fields whose values have an address of their own.
_ADDRESSES: Mapping[str, tuple[str, str]] = {
    "event_id": ("/events/", ""),
    "session_id": ("/sessions/", ""),
    "composite_id": ("/alerts/", ""),
    "access_key": ("/search", "access_key"),
    "access_keys": ("/search", "access_key"),
    "source_ip": ("/search", "ip"),
    "source_ips": ("/search", "ip"),
    "external_ip": ("/search", "ip"),
    "session_name": ("/search", "user"),
    "user_name": ("/search", "user"),
    "role_arn": ("/search", "role"),
    "account": ("/search", "account"),
    "arn": ("/roles/principal", "arn"),
    "id": ("/proposals/", ""),
}
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\w\"'‘“])")
_SHORTEST = 4


class Piece(msgspec.Struct, frozen=True):
    """A piece of a sentence, with the address of its evidence if it has one of its own."""

    text: str
    href: str = ""


class Sentence(msgspec.Struct, frozen=True):
    """A sentence of the summary, and where the records are that it rests on."""

    pieces: tuple[Piece, ...]
    evidence: str


class Cell(msgspec.Struct, frozen=True):
    """A cell of a table; ``fixed`` text does not wrap, ``badge`` is the kind of badge that it is shown as."""

    text: str
    href: str = ""
    number: bool = False
    fixed: bool = False
    badge: str = ""


class Listing(msgspec.Struct, frozen=True):
    """A table under the answer: ``total`` rows, of which the first are here."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int


class Chip(msgspec.Struct, frozen=True):
    """A part of the query as it was understood; ``without`` is the answer without it, where it can be left out."""

    key: str
    value: str
    without: str = ""


def sentences(answer: Answered) -> list[Sentence]:
    """The summary, every sentence with its evidence: the records that it counts, else the table below it."""
    known = _unambiguous(_addresses(answer))
    values = sorted((value for value in known if len(value) >= _SHORTEST), key=len, reverse=True)
    named = (
        re.compile("|".join(rf"(?<![\w.@:/-]){re.escape(value)}(?![\w@/-])" for value in values)) if values else None
    )
    return [
        Sentence(tuple(_pieces(sentence, named, known)), _evidence(sentence, answer))
        for sentence in _SENTENCE.split(answer.summary)
        if sentence
    ]


def _unambiguous(addresses: Iterable[tuple[str, str]]) -> dict[str, str]:
    """One address a value: a name that two accounts have leads nowhere."""
    found: dict[str, set[str]] = {}
    for value, href in addresses:
        found.setdefault(value, set()).add(href)
    return {value: hrefs.pop() for value, hrefs in found.items() if len(hrefs) == 1}


def _pieces(sentence: str, named: re.Pattern[str] | None, known: Mapping[str, str]) -> Iterator[Piece]:
    done = 0
    for found in named.finditer(sentence) if named is not None else ():
        if found.start() > done:
            yield Piece(sentence[done : found.start()])
        yield Piece(found.group(), known[found.group()])
        done = found.end()
    if done < len(sentence):
        yield Piece(sentence[done:])


def _evidence(sentence: str, answer: Answered) -> str:
    page = answer.result
    if not isinstance(page, EventPage):
        return "#result"
    query = search_parameters(page)
    if re.search(r"\bfailed\b|\bfailures?\b", sentence) and page.failed and ("failed", "true") not in query:
        return _path("/search", [*query, ("failed", "true")])
    return _path("/search", query)


def _addresses(answer: Answered) -> Iterator[tuple[str, str]]:
    """Values that occur in the result, and where each leads."""
    page = answer.result
    if isinstance(page, EventPage):
        query = search_parameters(page)
        for name in FACETS:
            for each in page.facets.get(name, ()):
                if each.value is not None:
                    yield each.value, _path("/search", [*query, facet_parameter(name, each.value)])
        return
    yield from _walk(msgspec.to_builtins(page, builtin_types=(datetime,), enc_hook=str))


def _walk(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("name"), str) and isinstance(value.get("arn"), str):
            yield value["name"], _address("arn", value["arn"])
        for name, each in value.items():
            yield from _walk(each, str(name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _walk(each, field)
    elif isinstance(value, str) and field in _ADDRESSES:
        yield value, _address(field, value)


def _address(field: str, value: str) -> str:
    path, parameter = _ADDRESSES[field]
    if not parameter:
        return link(path + urlencode({"": value})[1:])
    return link(path, {parameter: value} | ({"last": "all"} if path == "/search" else {}))


def search_parameters(page: EventPage) -> list[tuple[str, str]]:
    """The search that a page is of, as the query of an address."""
    return [*where_parameters(page.query.where), *window_parameters(page.query.window)]


def chips(answer: Answered, shown: Shown) -> list[Chip]:
    """The query as it was understood; a search's parts can be left out."""
    page = answer.result
    if not isinstance(page, EventPage):
        given = answer.interpretation.arguments.items()
        return [Chip(key.replace("_", " "), _said(value)) for key, value in given if value not in (None, "", [], {})]
    query = search_parameters(page)
    parts = [
        Chip(key, words, _path("/search", [each for each in query if each != (name, value)]))
        for name, key, value, words in said(query)
    ]
    window = page.query.window
    when = f"{shown.full(window.start)} to {shown.full(window.end)} {shown.zone}" if window else "all time"
    return [*parts, Chip("time", when, _path("/search", [*where_parameters(page.query.where), ("last", "all")]))]


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return encode(value).decode()


def whole(answer: Answered) -> tuple[str, str]:
    """Where the whole answer is, and the words of that link."""
    tool, arguments = answer.interpretation.tool, answer.interpretation.arguments
    if isinstance(answer.result, EventPage):
        return _path("/search", search_parameters(answer.result)), _PAGES["search"][1]
    path, words = _PAGES.get(tool, ("", ""))
    query = {name: arguments.get(name) for name in _TAKEN.get(tool, ())}
    when = dict(window_parameters(arguments.get("window"))) if tool == "iam_changes" else {}
    return link(path, query | when), words


def follow_ups(answer: Answered) -> tuple[str, ...]:
    """Questions that go on from this one."""
    return FOLLOW_UPS.get(answer.interpretation.tool, ())


def listings(result: Any, shown: Shown) -> list[Listing]:
    """The lists of a result as tables; of events and what else the page shows by itself, none."""
    if isinstance(result, EventPage) or not isinstance(result, msgspec.Struct):
        return []
    found: list[Listing] = []
    for field in result.__struct_fields__:
        items = getattr(result, field)
        if field not in ("findings", "coverage", "evidence") and _is_list(items):
            found.append(_listing(field, items, shown))
        if field == "alerts" and (matches := tuple(match for each in items for match in each.matches)):
            found.append(_listing("matches", matches, shown))
    return found


def _is_list(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(each, msgspec.Struct) for each in value)


def _listing(field: str, items: Sequence[msgspec.Struct], shown: Shown) -> Listing:
    known = next(((columns, leads) for kind, columns, leads in COLUMNS if isinstance(items[0], kind)), None)
    wanted, leads = known or (_plain_fields(items), "")
    columns = [path for path in wanted if any(_at(item, path) not in (None, "", ()) for item in items)]
    heads = tuple(_HEADS.get(path.rpartition(".")[2]) or _words(path.rpartition(".")[2]) for path in columns)
    rows = [[_cell(path, _at(item, path), shown) for path in columns] for item in items[:MOST_ROWS]]
    for item, row in zip(items, rows, strict=False):
        if leads:
            row[0] = msgspec.structs.replace(row[0], href=_address(leads.rpartition(".")[2], _at(item, leads)))
    return Listing(_words(field), heads, tuple(map(tuple, rows)), len(items))


def _plain_fields(items: Sequence[msgspec.Struct]) -> list[str]:
    names = items[0].__struct_fields__
    plain = [name for name in names if not _is_list(getattr(items[0], name))]
    return plain[:_MOST_COLUMNS]


def _at(item: Any, path: str) -> Any:
    for name in path.split("."):
        item = getattr(item, name)
    return item


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _cell(path: str, value: Any, shown: Shown) -> Cell:
    field = path.rpartition(".")[2]
    if value is None:
        return Cell("")
    if isinstance(value, datetime):
        return Cell(shown.full(value), fixed=True)
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int | float):
        return Cell(f"{value:,}" if isinstance(value, int) else f"{value:,.2f}", number=True)
    if isinstance(value, str) and field == "severity":
        return Cell(value, badge=value)
    if isinstance(value, str):
        words = (
            value.rpartition("/")[2] if field == "role_arn" else value.replace("_", " ") if field in _CODED else value
        )
        return Cell(words, _address(field, value) if field in _ADDRESSES else "", fixed=field == "account")
    if isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        more = f" and {len(value) - 3} more" if len(value) > 3 else ""
        return Cell(", ".join(value[:3]) + more)
    return Cell(encode(value).decode())


def _path(path: str, parameters: Iterable[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(list(parameters))}"
