"""How a terminal shows a result: by its fields, lists as tables, coverage at the end.

Every recorded text passes through ``safe``. Where the fields are not enough, ``views`` registers a ``show`` for the
result's type.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import singledispatch
from typing import Any

import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..model.finding import Coverage, Finding, Gap
from ..model.time import format_duration
from .output import UNBOUNDED, View, encode
from .terminal import safe, safe_lines

#: Accounts and Regions of like gaps that are named before "and … more".
_PLACES = 6
SEVERITY_STYLE = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}


def console(*, stderr: bool = False) -> Console:
    """A console that does not wrap what is piped, and takes no markup, emoji or highlights from data."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else UNBOUNDED, markup=False, emoji=False, highlight=False
    )


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
    if not pairs.row_count and not lists:
        yield Text("None.")
        return
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
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0), show_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def show_coverage(coverage: Coverage, view: View) -> RenderableType:
    """What was looked at and what was not: gaps stand out, notes stay in the background."""
    lines: list[Text] = []
    looked = Text("Looked at: ", style="bold")
    regions = f", {counted(len(coverage.regions), 'Region')}" if coverage.regions or not coverage.accounts else ""
    looked.append(f"{counted(len(coverage.accounts), 'account')}{regions}", "default")
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


def show_findings(findings: Sequence[Finding]) -> RenderableType:
    """Notable points, the gravest first, each with the ids of records that show it."""
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        text = Text(safe(finding.title, cap=200), style="bold")
        if finding.technique:
            text.append(f"  ATT&CK {finding.technique}", style="not bold dim")
        if finding.detail:
            text.append(f"\n{safe(finding.detail, cap=500)}", style="not bold")
        if finding.evidence:
            ids = ", ".join(dict.fromkeys(safe(each.event_id, cap=80) for each in finding.evidence[:3]))
            more = f" and {len(finding.evidence) - 3:,} more" if len(finding.evidence) > 3 else ""
            text.append(f"\nevidence: {ids}{more}", style="not bold dim")
        table.add_row(Text(finding.severity, style=SEVERITY_STYLE[finding.severity]), text)
    return table


def counted(number: int, noun: str) -> str:
    """``1 account``, ``2,000 accounts``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
