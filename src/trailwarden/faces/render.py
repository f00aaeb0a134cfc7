"""Results as people and programs read them: tables, JSON, JSON lines, CSV.

Every recorded text passes through ``safe`` before it reaches a terminal, and CSV cells that a spreadsheet
would run as a formula are disarmed. A result is shown by its fields; where that is not enough, ``views``
registers a ``show`` for its type.
"""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import singledispatch
from typing import Any

import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..model.event import EventPage
from ..model.finding import Coverage, Gap
from ..model.time import format_duration, format_instant
from ..tools.accounts_policy import RoleDocument
from ..tools.event import RawEvents
from ..tools.export import EventExport
from .terminal import safe

#: Off a terminal there is no width to fit into.
UNBOUNDED = 240
#: Accounts and Regions of like gaps that are named before "and … more".
_PLACES = 6
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class View(msgspec.Struct, frozen=True):
    """How to show: the zone of times, the present, and whether to show more of each row."""

    zone: tzinfo = UTC
    now: datetime | None = None
    details: bool = False

    def time(self, instant: datetime | None) -> str:
        """``2026-11-24 03:42:38`` in the zone; empty for none."""
        return "" if instant is None else instant.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")

    @property
    def zone_name(self) -> str:
        """The zone as a heading names it."""
        return str(self.zone) if self.zone is not UTC else "UTC"


def console(*, stderr: bool = False) -> Console:
    """A console that does not wrap what is piped, and takes no markup, emoji or highlights from data."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else UNBOUNDED, markup=False, emoji=False, highlight=False
    )


def write(result: Any, format_name: str, view: View) -> None:
    """Write a result to standard output."""
    from . import views as _views  # noqa: F401, PLC0415 - registers what it shows

    if isinstance(result, EventExport):
        write_export(result, format_name, view)
    elif format_name == "json":
        sys.stdout.write(msgspec.json.format(encode(result), indent=2).decode() + "\n")
    elif format_name == "jsonl":
        for row in rows(result):
            sys.stdout.write(encode(row).decode() + "\n")
    elif format_name == "csv":
        write_csv(rows(result), sys.stdout, view)
    elif isinstance(result, RoleDocument):
        sys.stdout.write(result.text)
        console(stderr=True).print(Group(*(Text(f"Note: {note}") for note in result.notes)))
    elif isinstance(result, RawEvents):
        for record in result.records:
            sys.stdout.write(safe_lines(msgspec.json.format(msgspec.json.encode(record), indent=2).decode()) + "\n")
    else:
        console().print(show(result, view))


def write_export(export: EventExport, format_name: str, view: View) -> None:
    """Events as they come; the coverage on standard error."""
    if format_name == "csv":
        write_csv(export.events, sys.stdout, view)
    else:
        for event in export.events:
            sys.stdout.buffer.write(encode(event) + b"\n")
    console(stderr=True).print(show_coverage(export.coverage, view))


def safe_lines(text: str) -> str:
    """Text of several lines, each of them safe, none cut."""
    return "\n".join(safe(line, cap=len(line) * 10 + 1) for line in text.split("\n"))


def encode(result: Any) -> bytes:
    """JSON as the contracts describe it; times are ISO 8601 in UTC."""
    return msgspec.json.encode(result, enc_hook=str)


def write_csv(records: Iterable[Any], stream: Any, view: View = View()) -> None:  # noqa: B008 - frozen
    """Rows as CSV, one column a field; nested values as JSON.

    A cell that begins with ``= + - @``, a tab or a carriage return gets an apostrophe before it, so that no
    spreadsheet runs what an attacker wrote into a user agent.
    """
    writer: Any = None
    for record in records:
        flat = flatten(record, view)
        if writer is None:
            writer = csv.DictWriter(stream, list(flat), lineterminator="\n", extrasaction="ignore")
            writer.writeheader()
        writer.writerow({name: disarm(value) for name, value in flat.items()})


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


@singledispatch
def show(result: Any, view: View) -> RenderableType:
    """What a terminal shows of a result; by default its fields, lists of values as tables."""
    if isinstance(result, msgspec.Struct):
        return Group(*_struct(result, view))
    if isinstance(result, (list, tuple)):
        return Group(*(show(item, view) for item in result))
    if isinstance(result, Mapping):
        return Text(safe_lines(msgspec.json.format(encode(result), indent=2).decode()))
    return Text(safe(str(result), cap=100_000))


def _struct(result: msgspec.Struct, view: View) -> Iterable[RenderableType]:
    pairs = Table.grid(padding=(0, 2))
    pairs.add_column(style="bold", no_wrap=True)
    pairs.add_column()
    lists: list[RenderableType] = []
    for field in result.__struct_fields__:
        value = getattr(result, field)
        title = field.replace("_", " ").capitalize()
        if isinstance(value, Coverage):
            lists.append(show_coverage(value, view))
        elif isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
            lists += [Text(), Text(title, style="bold"), table_of(value, view)]
        elif value is not None and value not in ((), ""):
            pairs.add_row(title, _plain(value, view))
    yield pairs
    yield from lists


def _plain(value: Any, view: View) -> Text:
    if isinstance(value, datetime):
        return Text(f"{view.time(value)} {view.zone_name}")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int):
        return Text(f"{value:,}")
    if isinstance(value, float):
        return Text(f"{value:,.2f}")
    if isinstance(value, str):
        return Text(safe(value, cap=1000))
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return Text(", ".join(safe(item) for item in value))
    return Text(safe(encode(value).decode(), cap=1000))


def table_of(items: Sequence[msgspec.Struct], view: View) -> Table:
    """A table with one column a field."""
    fields = [f for f in items[0].__struct_fields__ if any(getattr(item, f) not in (None, "", ()) for item in items)]
    table = new_table(*(field.replace("_", " ").upper() for field in fields))
    for item in items:
        table.add_row(*(_plain(v, view) if (v := getattr(item, f)) is not None else Text() for f in fields))
    return table


def new_table(*headings: str) -> Table:
    """An empty table in the house's manner."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1), show_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def show_coverage(coverage: Coverage, view: View) -> RenderableType:
    """What was looked at and what was not: gaps stand out, notes stay in the background."""
    lines: list[Text] = []
    looked = Text("Looked at: ", style="bold")
    looked.append(
        f"{counted(len(coverage.accounts), 'account')}, {counted(len(coverage.regions), 'Region')}", "default"
    )
    if coverage.window:
        looked.append(f", {view.time(coverage.window.start)} to {view.time(coverage.window.end)} {view.zone_name}")
    if coverage.fresh_until:
        age = f" ({format_duration(view.now - coverage.fresh_until)} ago)" if view.now else ""
        looked.append(f"; fresh until {view.time(coverage.fresh_until)}{age}")
    lines.append(looked)
    lines += [_gaps(alike, view) for alike in _alike(coverage.gaps)]
    lines += [Text(f"Note: {safe(note, cap=500)}", style="dim") for note in coverage.notes]
    return Group(*lines)


def _alike(gaps: Sequence[Gap]) -> Iterable[list[Gap]]:
    """Gaps that differ only in where they are, together."""
    groups: dict[tuple[object, ...], list[Gap]] = {}
    for gap in gaps:
        reason = gap.reason if gap.account is None else gap.reason.replace(gap.account, "")
        groups.setdefault((gap.kind, reason, gap.window, gap.remedy), []).append(gap)
    return groups.values()


def _gaps(alike: Sequence[Gap], view: View) -> Text:
    first = alike[0]
    places = [" ".join(part for part in (gap.account, gap.region) if part) for gap in alike]
    shown = ", ".join(safe(place, cap=60) for place in places[:_PLACES] if place)
    more = f" and {len(places) - _PLACES:,} more" if len(places) > _PLACES else ""
    text = Text("Not looked at: ", style="bold yellow")
    text.append(f"{shown}{more}: " if shown else "", style="bold default")
    text.append(safe(first.reason, cap=500), style="not bold default")
    if first.window:
        text.append(f" ({view.time(first.window.start)} to {view.time(first.window.end)})", style="not bold default")
    if first.remedy:
        text.append(f"\n  Remedy: {safe(first.remedy, cap=500)}", style="not bold dim default")
    return text


def counted(number: int, noun: str) -> str:
    """``1 account``, ``2,000 accounts``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
