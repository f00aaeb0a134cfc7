"""Results as people and programs read them: tables, JSON, JSON lines, CSV.

Every recorded text passes through ``safe`` before it reaches a terminal, and CSV cells that a spreadsheet
would run as a formula are disarmed. Adding a result type is adding one ``rows`` (for CSV and JSON lines)
and, where a list is not enough, one ``show`` (for the terminal).
"""

import csv
import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import singledispatch
from typing import Any

import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..model.event import Event, EventPage
from ..model.finding import Coverage, Finding
from ..model.time import format_duration, format_instant
from .terminal import safe

#: Off a terminal there is no width to fit into.
UNBOUNDED = 240
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SEVERITY_STYLE = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}


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
    if format_name == "json":
        sys.stdout.write(msgspec.json.format(encode(result), indent=2).decode() + "\n")
    elif format_name == "jsonl":
        for row in rows(result):
            sys.stdout.write(encode(row).decode() + "\n")
    elif format_name == "csv":
        write_csv(rows(result), sys.stdout, view)
    else:
        console().print(show(result, view), soft_wrap=False)


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
        return Text(safe(msgspec.json.format(encode(result), indent=2).decode(), cap=100_000).replace("\\n", "\n"))
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
        elif value is not None and value != () and value != "":
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


@show.register
def _(page: EventPage, view: View) -> RenderableType:
    parts: list[RenderableType] = []
    if page.events:
        parts.append(events_table(page.events, view))
    else:
        parts.append(Text("No events match.", style="bold"))
    parts += [Text(), totals(page, view)]
    if page.facets and page.total > 1:
        parts += [Text(), facets_grid(page)]
    parts += [Text(), show_coverage(page.coverage, view)]
    if page.next_cursor:
        parts.append(Text(f"Next page: the same command with --cursor {page.next_cursor}", style="dim"))
    return Group(*parts)


def totals(page: EventPage, view: View) -> Text:
    """``Showing 100 of 1,204 events, 54 of them failed, from … to …``."""
    text = Text()
    text.append(f"{len(page.events):,} of {page.total:,} events", style="bold")
    if page.failed:
        text.append(f", {page.failed:,} of them failed", style="red")
    if page.first and page.last:
        text.append(f", from {view.time(page.first)} to {view.time(page.last)} {view.zone_name}")
    return text


def events_table(events: Sequence[Event], view: View) -> Table:
    """Events, one a row; with details, a second line of what was asked, from where, and why it failed."""
    several_accounts = len({event.account for event in events}) > 1
    headings = [f"TIME ({view.zone_name})", *(["ACCOUNT"] if several_accounts else []), "REGION", "ACTION", "WHO"]
    table = new_table(*headings, "ACCESS KEY", "SOURCE IP", "OUTCOME")
    table.columns[0].no_wrap = True
    for event in events:
        failed = event.outcome == "failure"
        outcome = Text(safe(event.error_code or "failure", cap=60), style="red") if failed else Text("ok", style="green")
        action = Text(action_name(event), style="" if event.read_only else "bold")
        cells = [view.time(event.time), *([event.account or ""] if several_accounts else []), event.region or ""]
        table.add_row(
            *(Text(safe(cell, cap=40)) for cell in cells),
            action,
            who(event),
            Text(safe(event.access_key or "", cap=40)),
            Text(safe(event.source_ip or "", cap=60)),
            outcome,
        )
        if view.details:
            table.add_row(*([""] * len(cells)), details(event))
            table.add_section()
    return table


def details(event: Event) -> RenderableType:
    """The rest of an event: message, request parameters, user agent, id."""
    lines: list[tuple[str, str]] = []
    if event.error_message:
        lines.append(("message", event.error_message))
    if event.request is not None:
        lines.append(("request", encode(event.request).decode()))
    if event.user_agent:
        lines.append(("agent", event.user_agent))
    lines.append(("event", event.event_id))
    return Padding(Text("\n".join(f"{name}: {safe(value, cap=400)}" for name, value in lines), style="dim"), 0)


def action_name(event: Event) -> str:
    """``iam:CreateUser``."""
    service = (event.source or "").removesuffix(".amazonaws.com")
    return safe(f"{service}:{event.name or ''}" if service else event.name or "", cap=80)


def who(event: Event) -> Text:
    """The person or workload at the front, the role behind it."""
    name = event.session_name or event.principal.name or event.principal.arn or event.principal.type or "unknown"
    text = Text(safe(name, cap=70))
    if event.session_name and event.role_arn:
        text.append(f" as {safe(event.role_arn.rsplit('/', 1)[-1], cap=60)}", style="dim")
    return text


def facets_grid(page: EventPage) -> Table:
    """The most frequent values of each facet, side by side."""
    shown = {name: values for name, values in page.facets.items() if values and name in _FACET_TITLES}
    grid = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold dim")
    for name in shown:
        grid.add_column(_FACET_TITLES[name], no_wrap=True)
    depth = min(5, max((len(values) for values in shown.values()), default=0))
    for line in range(depth):
        cells = []
        for values in shown.values():
            if line < len(values):
                cell = Text(f"{values[line].count:>7,}  ", style="dim")
                cell.append(safe(values[line].value or "none", cap=38), style="default not dim")
                cells.append(cell)
            else:
                cells.append(Text())
        grid.add_row(*cells)
    return grid


_FACET_TITLES = {
    "event": "ACTIONS",
    "principal": "PRINCIPALS",
    "source_ip": "SOURCE IPS",
    "error": "ERRORS",
    "region": "REGIONS",
}


def show_coverage(coverage: Coverage, view: View) -> RenderableType:
    """What was looked at and what was not: gaps stand out, notes stay in the background."""
    lines: list[Text] = []
    looked = Text("Looked at: ", style="bold")
    looked.append(f"{_count(len(coverage.accounts), 'account')}, {_count(len(coverage.regions), 'Region')}", "default")
    if coverage.window:
        looked.append(f", {view.time(coverage.window.start)} to {view.time(coverage.window.end)} {view.zone_name}")
    if coverage.fresh_until:
        age = f" ({format_duration(view.now - coverage.fresh_until)} ago)" if view.now else ""
        looked.append(f"; fresh until {view.time(coverage.fresh_until)}{age}")
    lines.append(looked)
    for gap in coverage.gaps:
        where = " ".join(part for part in (gap.account, gap.region) if part)
        text = Text("Not looked at: ", style="bold yellow")
        text.append(f"{where + ': ' if where else ''}{safe(gap.reason, cap=500)}", style="default")
        if gap.window:
            text.append(f" ({view.time(gap.window.start)} to {view.time(gap.window.end)})")
        if gap.remedy:
            text.append(f" Remedy: {safe(gap.remedy, cap=300)}", style="dim")
        lines.append(text)
    lines += [Text(f"Note: {safe(note, cap=500)}", style="dim") for note in coverage.notes]
    return Group(*lines)


def show_findings(findings: Sequence[Finding]) -> RenderableType:
    """Notable points, the gravest first, each with the ids of records that show it."""
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        text = Text(safe(finding.title, cap=200), style="bold")
        if finding.detail:
            text.append(f"\n{safe(finding.detail, cap=500)}", style="not bold")
        if finding.evidence:
            ids = ", ".join(dict.fromkeys(safe(each.event_id, cap=80) for each in finding.evidence[:3]))
            more = f" and {len(finding.evidence) - 3:,} more" if len(finding.evidence) > 3 else ""
            text.append(f"\nevidence: {ids}{more}", style="not bold dim")
        table.add_row(Text(finding.severity, style=_SEVERITY_STYLE[finding.severity]), text)
    return table


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def as_text(result: Any, view: View) -> str:
    """What the terminal would show, as plain text."""
    buffer = io.StringIO()
    Console(file=buffer, width=UNBOUNDED, markup=False, emoji=False, highlight=False).print(show(result, view))
    return buffer.getvalue()
