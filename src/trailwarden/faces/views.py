"""How a terminal shows the results that people read most."""

from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..aws.diagnosis import Check, Diagnosis
from ..lake.ingest import IngestReport
from ..lake.upkeep import LakeInfo
from ..model.event import Event, EventPage
from ..tools.accounts_connect import ConnectReport
from ..tools.accounts_doctor import DoctorReport
from ..tools.accounts_list import ConnectedAccounts
from ..tools.ask import Answered
from . import (  # noqa: F401 - they register their shows
    views_actions,
    views_alerts,
    views_hunt,
    views_iam,
    views_people,
    views_sessions,
)
from .output import View, encode
from .render import console, counted, new_table, show, show_coverage, show_findings
from .terminal import safe

__all__ = ["console", "show", "show_coverage"]

#: A terminal at least so wide shows every column of an event; an impossible width.
_WIDE, _NEVER = 160, 1 << 30
#: How wide the columns of events may be at most; ACTION and WHO share what is left.
_WIDEST = {"TIME": 19, "ACCOUNT": 12, "REGION": 16, "ACCESS KEY": 24, "SOURCE IP": 39, "OUTCOME": 32}
_NARROWEST = {**_WIDEST, "SOURCE IP": 22, "OUTCOME": 14}
_FACET_WIDTH = 32
_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "bold red"), "unknown": ("?", "magenta")}


@show.register
def _(page: EventPage, view: View) -> RenderableType:
    parts: list[RenderableType] = []
    if page.events:
        parts.append(events_table(page.events, view))
    else:
        parts.append(Text("No events match.", style="bold"))
    parts += [Text(), totals(page, view)]
    if page.facets and page.total > 1:
        parts += [Text(), facets_grid(page, view)]
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


def events_table(events: Sequence[Event], view: View) -> RenderableType:
    """Events, one a row; with details, a block each."""
    if view.details:
        return Group(*(event_block(event, view) for event in events))
    several_accounts = len({event.account for event in events}) > 1
    columns: list[tuple[str, int, Callable[[Event], Text | str]]] = [
        (f"TIME ({view.zone_name})", 0, lambda event: view.time(event.time)),
        ("ACCOUNT", 130 if several_accounts else _NEVER, lambda event: safe(event.account or "", cap=20)),
        ("REGION", 115, lambda event: safe(event.region or "", cap=40)),
        ("ACTION", 0, lambda event: Text(action_name(event), style="" if event.read_only else "bold")),
        ("WHO", 0, lambda event: who(event, role=view.width >= _WIDE)),
        ("ACCESS KEY", _WIDE, lambda event: safe(event.access_key or "", cap=40)),
        ("SOURCE IP", 0, lambda event: safe(event.source_ip or "", cap=60)),
        ("OUTCOME", 0, outcome),
    ]
    shown = [(heading, cell) for heading, least, cell in columns if view.width >= least]
    table = new_table(*(heading for heading, _ in shown))
    rows = [[Text.assemble(cell(event)) for _, cell in shown] for event in events]
    widths = _widths([heading for heading, _ in shown], rows, view.width)
    for column, width in zip(table.columns, widths, strict=True):
        column.no_wrap, column.overflow, column.max_width = True, "ellipsis", width
    for row in rows:
        table.add_row(*row)
    return table


def _widths(headings: Sequence[str], rows: Sequence[Sequence[Text]], room: int) -> list[int]:
    """How wide each column may be: as wide as its cells up to a limit; ACTION and WHO give way on a narrow terminal."""
    limits = _WIDEST if room >= _WIDE else _NARROWEST
    widths = [
        min(limits.get(heading.split(" (")[0], _NEVER), max(len(heading), *(row[n].cell_len for row in rows)))
        for n, heading in enumerate(headings)
    ]
    action, caller = headings.index("ACTION"), headings.index("WHO")
    left = max(26, room - 2 * len(headings) - sum(widths) + widths[action] + widths[caller])
    widths[action] = min(widths[action], max(left * 55 // 100, left - widths[caller]))
    widths[caller] = min(widths[caller], left - widths[action])
    return widths


def outcome(event: Event) -> Text:
    """``ok``, or the error code."""
    if event.outcome == "success":
        return Text("ok", style="green")
    return Text(safe(event.error_code or "failure", cap=60), style="red")


def event_block(event: Event, view: View) -> RenderableType:
    """One event with everything that an analyst reads first."""
    head = Text(f"{view.time(event.time)}  ", style="bold")
    head.append(action_name(event)).append("  ").append_text(outcome(event))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", no_wrap=True, min_width=9)
    grid.add_column(overflow="fold")
    principal = Text.assemble(who(event), (f"  {safe(event.principal.arn or '', cap=200)}", "dim"))
    grid.add_row("who", principal)
    where = " ".join(part for part in (event.account, event.region, event.source_ip) if part)
    grid.add_row("where", Text(safe(where, cap=200)))
    for name, value in (
        ("key", event.access_key),
        ("agent", event.user_agent),
        ("message", event.error_message),
        ("request", None if event.request is None else encode(event.request).decode()),
        ("event", event.event_id),
    ):
        if value:
            grid.add_row(name, Text(safe(value, cap=1000)))
    return Group(head, Padding(grid, (0, 0, 1, 2)))


def action_name(event: Event) -> str:
    """``iam:CreateUser``."""
    service = (event.source or "").removesuffix(".amazonaws.com")
    return safe(f"{service}:{event.name or ''}" if service else event.name or "", cap=80)


def who(event: Event, *, role: bool = True) -> Text:
    """The person or workload at the front, the role behind it."""
    name = event.session_name or event.principal.name or event.principal.arn or event.principal.type or "unknown"
    text = Text(safe(name, cap=70))
    if role and event.session_name and event.role_arn:
        text.append(f" as {safe(event.role_arn.rsplit('/', 1)[-1], cap=60)}", style="dim")
    return text


def facets_grid(page: EventPage, view: View) -> Table:
    """The most frequent values of each facet, side by side."""
    fitting = list(_FACET_TITLES)[: max(1, view.width // _FACET_WIDTH)]
    shown = {name: page.facets[name] for name in fitting if page.facets.get(name)}
    room = max(12, min(38, view.width // max(1, len(shown)) - 12))
    grid = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold dim")
    for name in shown:
        grid.add_column(_FACET_TITLES[name], no_wrap=True)
    depth = min(5, max((len(values) for values in shown.values()), default=0))
    for line in range(depth):
        cells = []
        for values in shown.values():
            if line < len(values):
                cell = Text(f"{values[line].count:>7,}  ", style="dim")
                cell.append(safe(values[line].value or "none", cap=room), style="default not dim")
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


@show.register
def _(report: DoctorReport, view: View) -> RenderableType:
    return Group(*(show_diagnosis(each, view) for each in report.diagnoses))


def show_diagnosis(diagnosis: Diagnosis, view: View) -> RenderableType:
    """A connection's checks: what is in order in a line each, what is not with its remedy."""
    connection = diagnosis.connection
    mark, style = _MARKS[diagnosis.status]
    head = Text(f"{mark} ", style=style).append(safe(connection.account_id), style="bold default")
    head.append(f" {safe(connection.label)}" if connection.label else "", style="default")
    head.append(f"  {safe(connection.role_arn)}", style="dim default")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for check in diagnosis.checks:
        mark, style = _MARKS[check.status]
        grid.add_row(Text(mark, style=style), _check(check, view))
    return Group(head, Padding(grid, (0, 0, 1, 2)))


def _check(check: Check, view: View) -> Text:
    text = Text(safe(check.title, cap=200), style="" if check.status == "ok" else "bold")
    if check.detail:
        text.append(f": {safe(check.detail, cap=1500)}", style="dim" if check.status == "ok" else "not bold")
    if check.remedy:
        text.append("\nRemedy: ", style="bold").append(safe(check.remedy, cap=1500), style="not bold")
    if view.details:
        text.append("".join(f"\n{name}: {safe(value)}" for name, value in check.evidence.items()), style="not bold dim")
    return text


@show.register
def _(report: ConnectReport, view: View) -> RenderableType:  # noqa: ARG001
    lines = []
    for each in report.accounts:
        mark, style = _MARKS["ok" if each.status == "connected" else "failed"]
        line = Text(f"{mark} ", style=style).append(f"{each.account} {each.status}", style="bold default")
        line.append(f"  {safe(each.role_arn)}", style="dim default")
        if each.status != "connected":
            line.append(f"\n  {safe(each.detail, cap=1000)}\n  Remedy: {safe(each.remedy, cap=1000)}", style="default")
        lines.append(line)
    if report.external_id:
        lines.append(Text.assemble(("External ID, generated now: ", "bold"), report.external_id))
    lines += [Text(f"Next: {safe(step)}", style="dim") for step in report.next]
    return Group(*lines)


@show.register
def _(listed: ConnectedAccounts, view: View) -> RenderableType:
    if not listed.accounts:
        return Text("No account is connected. trailwarden accounts policy prints a role; accounts connect connects it.")
    table = new_table("ACCOUNT", "LABEL", "ROLE", "PURPOSE", "STATUS", f"LAST CHECKED ({view.zone_name})")
    for each in listed.accounts:
        style = {"connected": "green", "ok": "green", "failed": "red", "waiting": "yellow"}.get(each.status or "", "")
        table.add_row(
            each.account, safe(each.label), safe(each.role_arn), each.purpose,
            Text(each.status or "not checked", style=style), view.time(each.last_checked),
        )  # fmt: skip
    return table


@show.register
def _(report: IngestReport, view: View) -> RenderableType:  # noqa: ARG001
    rate = f", {report.records / report.seconds:,.0f} records a second" if report.seconds else ""
    text = Text(f"{counted(report.new, 'new record')}", style="bold")
    text.append(f" of {report.records:,} in {counted(report.files, 'file')} ({report.seconds:.1f} s{rate})", "not bold")
    lines = [text]
    if report.duplicates:
        unchanged = f", {counted(report.unchanged, 'file')} not read again" if report.unchanged else ""
        lines.append(Text(f"{counted(report.duplicates, 'record')} the lake had already{unchanged}", style="dim"))
    if report.digests:
        lines.append(Text(f"{counted(report.digests, 'digest file')} passed over", style="dim"))
    if report.quarantined:
        lines.append(
            Text(f"{report.quarantined:,} could not be read: trailwarden lake quarantine says where and why", "yellow")
        )
    if report.interrupted:
        lines.append(Text("Interrupted: the same command goes on where this one stopped", style="bold yellow"))
    return Group(*lines)


@show.register
def _(info: LakeInfo, view: View) -> RenderableType:
    if not info.records:
        return Text("The lake is empty. trailwarden ingest PATH reads records into it.")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    size = f"{info.bytes / 1e6:,.1f} MB in {counted(info.parts, 'part')}"
    for title, value in (
        ("Records", f"{info.records:,}, {view.time(info.first)} to {view.time(info.last)} {view.zone_name}"),
        ("Size", f"{size}, {info.bytes / info.records:,.0f} bytes a record"),
        ("Read from", counted(info.objects, "object")),
        ("Quarantined", f"{info.quarantined:,}"),
        ("Folder", info.root),
    ):
        grid.add_row(title, safe(value, cap=500))
    months = new_table("MONTH", "RECORDS")
    for month, records in info.months.items():
        months.add_row(month, Text(f"{records:,}", justify="right"))
    sources = new_table("ACCOUNT", "REGION", f"FIRST ({view.zone_name})", "LAST", "RECORDS", "SOURCE")
    for span in info.sources:
        sources.add_row(
            span.account_id, safe(span.aws_region), view.time(span.first), view.time(span.last),
            Text(f"{span.records:,}", justify="right"), safe(f"{span.source} {span.location}", cap=120),
        )  # fmt: skip
    return Group(grid, Text(), months, Text(), sources)


@show.register
def _(answer: Answered, view: View) -> RenderableType:
    understood = answer.interpretation
    parts: list[RenderableType] = [
        Text.assemble(("Understood as: ", "bold"), safe(understood.words, cap=1000)),
        Text(safe(understood.command, cap=2000), style="dim"),
        Text(),
        *(Text(f"Note: {safe(notice, cap=500)}", style="yellow") for notice in answer.notices),
        Text(safe(answer.summary, cap=4000), style="bold"),
    ]
    if answer.findings:
        parts += [Text(), Text("Notable", style="bold"), show_findings(answer.findings)]
    return Group(*parts, Text(), show(answer.result, view))
