"""Results for programs, and the choice between them and the terminal: JSON, JSON lines, CSV.

CSV cells that a spreadsheet would run as a formula are disarmed. Nothing here imports what draws tables, so that
a program does not wait for it.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from functools import singledispatch
from typing import Any
from urllib.parse import urlencode

import msgspec

from ..model.event import EventPage
from ..model.time import format_instant
from ..tools._respond import ProposalCard
from ..tools.accounts_policy import RoleDocument
from ..tools.event import RawEvents
from ..tools.export import EventExport
from ..tools.sessions_show import SessionShown
from .terminal import safe_json, safe_lines

#: Off a terminal there is no width to fit into.
UNBOUNDED = 240
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class View(msgspec.Struct, frozen=True):
    """How to show: the zone of times, the present, whether to show more of each row, and how wide a line is."""

    zone: tzinfo = UTC
    now: datetime | None = None
    details: bool = False
    width: int = UNBOUNDED

    def time(self, instant: datetime | None) -> str:
        """``2026-11-24 03:42:38`` in the zone; empty for none."""
        return "" if instant is None else instant.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")

    @property
    def zone_name(self) -> str:
        """The zone as a heading names it."""
        return str(self.zone) if self.zone is not UTC else "UTC"


def write(result: Any, format_name: str, view: View) -> None:
    """Write a result to standard output."""
    if isinstance(result, EventExport):
        _write_export(result, format_name, view)
    elif format_name == "json":
        _put((msgspec.json.format(encode(result), indent=2).decode() + "\n",), safe_json)
    elif format_name == "jsonl":
        _put((encode(row).decode() + "\n" for row in rows(result)), safe_json)
    elif format_name == "csv":
        _put(csv_lines(rows(result), view), safe_lines)
    elif isinstance(result, RoleDocument):
        sys.stdout.write(result.text)
        sys.stderr.write("".join(f"Note: {safe_lines(note)}\n" for note in result.notes))
    elif isinstance(result, RawEvents):
        for record in result.records:
            sys.stdout.write(safe_lines(msgspec.json.format(msgspec.json.encode(record), indent=2).decode()) + "\n")
    else:
        from .views import console, show  # noqa: PLC0415

        screen = console()
        screen.print(show(result, msgspec.structs.replace(view, width=screen.width)))


def _write_export(export: EventExport, format_name: str, view: View) -> None:
    """Events as they come; the coverage on standard error."""
    from .views import console, show_coverage  # noqa: PLC0415

    if format_name == "csv":
        _put(csv_lines(export.events, view), safe_lines)
    else:
        _put((encode(event).decode() + "\n" for event in export.events), safe_json)
    console(stderr=True).print(show_coverage(export.coverage, view))


def _put(texts: Iterable[str], safely: Callable[[str], str]) -> None:
    """To standard output as it is, which a program reads; to a terminal, safely."""
    terminal = sys.stdout.isatty()
    for text in texts:
        sys.stdout.write(safely(text) if terminal else text)


def encode(result: Any) -> bytes:
    """JSON as the contracts describe it; times are ISO 8601 in UTC."""
    return msgspec.json.encode(result, enc_hook=str)


def csv_lines(records: Iterable[Any], view: View = View()) -> Iterator[str]:  # noqa: B008 - frozen
    """Rows as CSV, one at a time after the heading, one column a field; nested values as JSON.

    A cell that begins with ``= + - @``, a tab or a carriage return gets an apostrophe before it, so that no
    spreadsheet runs what an attacker wrote into a user agent.
    """
    buffer = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for record in records:
        flat = flatten(record, view)
        if writer is None:
            writer = csv.DictWriter(buffer, list(flat), lineterminator="\n", extrasaction="ignore")
            writer.writeheader()
        writer.writerow({name: disarm(value) for name, value in flat.items()})
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def disarm(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def flatten(record: Any, view: View) -> dict[str, str]:
    """The fields of a record as text; fields of a principal stand beside the others."""
    builtin = msgspec.to_builtins(record, builtin_types=(datetime,), enc_hook=str)
    pairs = builtin if isinstance(builtin, dict) else {"value": builtin}
    flat: dict[str, str] = {}
    for name, value in pairs.items():
        if isinstance(value, dict) and name == "principal":
            flat.update({f"principal_{key}": _cell(inner, view) for key, inner in value.items()})
        else:
            flat[name] = _cell(value, view)
    return flat


def _cell(value: Any, view: View) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return format_instant(value, view.zone)
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, enc_hook=str).decode()


#: By which parameter a page of results is followed by the next, and the field that says where that begins.
_NEXT = (("cursor", "next_cursor"), ("before", "next_before"))


def next_page(path: str, query: Iterable[tuple[str, str]], result: Any) -> str | None:
    """The address of the page after ``result``, which is what ``path`` gave for ``query``; None on the last."""
    for parameter, field in _NEXT:
        there = getattr(result, field, None)
        if there is not None:
            others = [(name, value) for name, value in query if name != parameter]
            return f"{path}?{urlencode([*others, (parameter, there)])}"
    return None


@singledispatch
def rows(result: Any) -> Iterable[Any]:
    """What JSON lines and CSV hold a line each: the one list of a result, else the result itself."""
    if isinstance(result, msgspec.Struct):
        for field in result.__struct_fields__:
            value = getattr(result, field)
            if isinstance(value, tuple) and value and all(isinstance(item, msgspec.Struct) for item in value):
                return value
    return result if isinstance(result, (list, tuple)) else (result,)


@rows.register
def _(page: EventPage) -> Iterable[Any]:
    return page.events


@rows.register(SessionShown | ProposalCard)
def _(one: Any) -> Iterable[Any]:
    """One thing is one line, whatever lists it has."""
    return (one,)
