"""How a terminal shows what IAM lets principals do."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..iam.summary import LevelSummary
from ..model.iam_report import EscalationPath, IamEvidence, IamFinding, PrincipalReport, Recommendation
from ..tools.iam_can import Permission, Permitted
from ..tools.iam_changes import IamChanges
from ..tools.iam_role import RoleReport
from ..tools.iam_scan import IamScan
from ..tools.iam_who_can import WhoCan
from .output import View
from .render import SEVERITY_STYLE, counted, new_table, show, show_coverage
from .terminal import safe, safe_lines

__all__ = ["scan_table"]

_ANSWER_STYLE = {"yes": "red", "part": "yellow", "conditional": "yellow", "no": "green"}
_MIDDLE = 110
_LISTED = 8


@show.register
def _(result: IamScan, view: View) -> RenderableType:
    if not result.principals:
        return Group(Text("No principal matches.", style="bold"), Text(), show_coverage(result.coverage, view))
    head = Text(f"{counted(result.administrators, 'administrator')}", style="bold red" if result.administrators else "")
    head.append(f", {result.reach_administrator:,} more can become one", style="bold default")
    head.append(f"; {len(result.principals):,} of {result.total:,} principals shown", style="not bold default")
    parts = [head, Text()]
    body: RenderableType = (
        Group(*(report_block(each, view) for each in result.principals))
        if view.details
        else scan_table(result.principals, view)
    )
    return Group(*parts, body, *_others(result, view), Text(), show_coverage(result.coverage, view))


def _others(result: IamScan, view: View) -> Iterable[RenderableType]:
    """Resources and root users with findings."""
    if not result.others:
        return
    yield Text()
    yield Text("Resources and root users", style="bold")
    for each in result.others if view.details else result.others[:_LISTED]:
        yield Text(f"  {safe(each.arn, cap=300)}", style="bold")
        yield Padding(Group(*_findings(each.findings)), (0, 0, 0, 4))
    if not view.details and len(result.others) > _LISTED:
        yield Text(f"  {len(result.others) - _LISTED:,} more: --details shows them", style="dim")


def scan_table(reports: Sequence[PrincipalReport], view: View) -> Table:
    """Principals, the riskiest first, a row each."""
    columns: list[tuple[str, int, Callable[[PrincipalReport], Text | str]]] = [
        ("SCORE", 0, lambda each: Text(f"{each.score}", style=SEVERITY_STYLE[each.severity])),
        ("SEVERITY", _MIDDLE, lambda each: Text(each.severity, style=SEVERITY_STYLE[each.severity])),
        ("ACCOUNT", _MIDDLE, lambda each: each.arn.split(":")[4]),
        ("KIND", 0, lambda each: each.kind),
        ("NAME", 0, lambda each: safe(each.name, cap=64)),
        ("ADMIN", 0, _admin),
        ("LAST USED", _MIDDLE, lambda each: f"{each.last_used:%Y-%m-%d}" if each.last_used else ""),
        ("FOUND", 0, lambda each: Text(_titles(each.findings))),
    ]
    shown = [(heading, cell) for heading, least, cell in columns if view.width >= least]
    table = new_table(*(heading for heading, _ in shown))
    rows = [[Text.assemble(cell(each)) for _, cell in shown] for each in reports]
    for number, column in enumerate(table.columns):
        heading = shown[number][0]
        column.no_wrap, column.overflow = True, "ellipsis"
        column.justify = "right" if heading == "SCORE" else "left"
        if heading not in ("NAME", "FOUND"):
            column.min_width = max(len(heading), *(row[number].cell_len for row in rows))
    for row in rows:
        table.add_row(*row)
    return table


def _admin(report: PrincipalReport) -> Text:
    if report.admin:
        return Text("yes", style="bold red")
    if report.reaches_admin:
        steps = min((len(path.steps) for path in report.paths), default=1)
        return Text(f"in {counted(steps, 'step')}", style="yellow")
    return Text("no", style="dim")


def _titles(findings: Sequence[IamFinding]) -> str:
    shown = "; ".join(safe(each.title, cap=80) for each in findings[:3])
    return shown + (f"; {len(findings) - 3} more" if len(findings) > 3 else "")


def report_block(report: PrincipalReport, view: View) -> RenderableType:
    """One principal with its findings and paths."""
    head = Text(f"{report.score:>3} ", style=SEVERITY_STYLE[report.severity])
    head.append(safe(report.arn, cap=300), style="bold default")
    head.append("  administrator" if report.admin else "", style="bold red")
    parts: list[RenderableType] = [*_findings(report.findings), *_paths(report.paths, view)]
    return Group(head, Padding(Group(*parts), (0, 0, 1, 2)))


def _findings(findings: Sequence[IamFinding]) -> Iterable[RenderableType]:
    for each in findings:
        text = Text(f"{each.severity:<8} ", style=SEVERITY_STYLE[each.severity])
        text.append(safe(each.title, cap=200), style="bold default")
        text.append("" if each.certain else "  if conditions hold", style="yellow")
        text.append(f"  ATT&CK {each.technique}" if each.technique else "", style="dim not bold")
        lines = [each.detail, *(f"shown by {_evidence(one)}" for one in each.evidence[:2])]
        for line in filter(None, lines):
            text.append(f"\n         {safe(line, cap=400)}", style="default not bold")
        if each.recommendation:
            text.append(f"\n         Do: {safe(each.recommendation, cap=400)}", style="dim not bold")
        yield text


def _evidence(evidence: IamEvidence) -> str:
    place = evidence.policy or evidence.holder or ""
    number = f" statement {evidence.statement}" if evidence.statement is not None else ""
    sid = f" ({evidence.sid})" if evidence.sid else ""
    return f"{place}{number}{sid}{f': {evidence.text}' if evidence.text else ''}"


def _paths(paths: Sequence[EscalationPath], view: View) -> Iterable[RenderableType]:
    shown = paths if view.details else paths[:3]
    for path in shown:
        text = Text("path     ", style="magenta").append(
            f"to {safe(path.to, cap=200)}" + ("" if path.certain else ", if conditions hold"), style="bold default"
        )
        for number, step in enumerate(path.steps, 1):
            text.append(f"\n         {number}. ", style="dim not bold")
            text.append(f"{safe(step.principal.rsplit(':', 1)[-1], cap=120)} ", style="default not bold")
            text.append(f"{safe(', '.join(step.actions), cap=200)}", style="cyan not bold")
            text.append(f" → {safe(step.to.rsplit(':', 1)[-1], cap=120)}  {step.rule}", style="default not bold")
            if step.statement is not None:
                text.append(
                    f"\n            permitted by {safe(_evidence(step.statement), cap=300)}", style="dim not bold"
                )
            for condition in step.conditions:
                text.append(f"\n            if {safe(condition, cap=300)}", style="yellow not bold")
            if view.details:
                for broken in step.breaks:
                    text.append(f"\n            broken by: {safe(broken, cap=300)}", style="dim not bold")
        yield text
    if len(paths) > len(shown):
        yield Text(f"         {len(paths) - len(shown)} more paths: --details shows them", style="dim")


@show.register
def _(report: RoleReport, view: View) -> RenderableType:
    head = Text(safe(report.arn, cap=300), style="bold")
    score = Text("Risk ", style="bold").append(f"{report.score} of 100", style=SEVERITY_STYLE[report.severity])
    score.append(f" ({report.severity})", style="default not bold")
    if report.admin:
        score.append("  administrator: " + safe("; ".join(report.admin_by), cap=300), style="bold red")
    elif report.reaches_admin:
        score.append("  can become an administrator", style="yellow")
    parts: list[RenderableType] = [head, score, *_score(report), Text()]
    parts += _section("Policies", (_policy(each) for each in report.policies))
    if report.boundary:
        known = "" if report.boundary_known else " (could not be read: the answer leaves it out)"
        parts.append(Text(f"  Boundary: {safe(report.boundary, cap=300)}{known}"))
    parts += _section("Who can become it", (_trust(each) for each in report.trust))
    parts += _section("Findings", _findings(report.findings))
    parts += _section("Ways to an administrator", _paths(report.paths, view))
    parts += [Text(), Text("What it can do", style="bold"), _effective(report, view)]
    parts += _section("What to change", (_recommendation(each, view) for each in report.recommendations))
    return Group(*parts, Text(), show_coverage(report.coverage, view))


def _section(title: str, lines: Iterable[RenderableType]) -> list[RenderableType]:
    found = list(lines)
    return [Text(), Text(title, style="bold"), *(Padding(line, (0, 0, 0, 2)) for line in found)] if found else []


def _score(report: RoleReport) -> Iterable[RenderableType]:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", min_width=5)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for part in report.score_parts:
        grid.add_row(f"{part.points:+d}", part.rule, safe(part.reason, cap=300))
    if grid.row_count:
        yield grid


def _policy(held: Any) -> Text:
    text = Text(safe(held.name, cap=128))
    via = f" through group {held.group.rsplit('/', 1)[-1]}" if held.group else ""
    text.append(f"  {held.held}{via}, {counted(held.statements, 'statement')}", style="dim")
    return text


def _trust(line: Any) -> Text:
    text = Text(safe(line.who, cap=300), style="bold" if line.concern else "")
    text.append(f": {safe(line.how, cap=300)}", style="default not bold")
    for condition in line.conditions:
        text.append(f"\n  if {safe(condition, cap=300)}", style="dim not bold")
    text.append(f"\n  {line.concern}" if line.concern else "", style="yellow not bold")
    return text


def _effective(report: RoleReport, view: View) -> RenderableType:
    """What is left of the permissions, a service a row."""
    table = new_table("SERVICE", "ACCESS", "REACH")
    services = report.effective if view.details else report.effective[:20]
    for service in services:
        levels = ", ".join(_level(each) for each in service.levels)
        reach = dict.fromkeys(
            text for each in service.levels for text in ("*" if each.everywhere else "", *each.resources)
        )
        table.add_row(safe(service.service), levels, safe(", ".join([each for each in reach if each][:3]), cap=160))
    if not table.row_count:
        return Text("  Nothing.", style="dim")
    hidden = len(report.effective) - len(services)
    more = Text(f"  and {hidden:,} more services: --details shows them", style="dim") if hidden else Text()
    return Group(Padding(table, (0, 0, 0, 2)), more)


def _level(each: LevelSummary) -> str:
    share = f"{each.count:,} of {each.total:,}" if each.count < each.total else f"all {each.total:,}"
    return f"{each.level} {share}" + (f" ({each.conditional:,} if conditions hold)" if each.conditional else "")


def _recommendation(each: Recommendation, view: View) -> RenderableType:
    text = Text(f"-{each.removes:<3} " if each.removes else "     ", style="green")
    text.append(safe(each.title, cap=300), style="bold default")
    if each.detail:
        text.append(f"\n     {safe(each.detail, cap=600)}", style="default not bold")
    for broken in each.breaks:
        text.append(f"\n     Breaks: {safe(broken, cap=400)}", style="yellow not bold")
    if each.rests_on:
        text.append(f"\n     Rests on: {safe(each.rests_on, cap=400)}", style="dim not bold")
    if not view.details:
        return text
    documents = [
        Text(f"     {name}\n{_indented(document)}", style="dim")
        for name, document in (("Before:", each.before), ("After:", each.after))
        if document is not None
    ]
    return Group(text, *documents)


def _indented(document: Any) -> str:
    written = safe_lines(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    return "\n".join(f"     {line}" for line in written.splitlines())


@show.register
def _(result: Permitted, view: View) -> RenderableType:
    parts: list[RenderableType] = [_permission(each, view) for each in result.permissions]
    return Group(*(parts or [Text("Nothing.", style="bold")]), Text(), show_coverage(result.coverage, view))


def _permission(each: Permission, view: View) -> RenderableType:
    actions = each.actions if view.details else each.actions[:_LISTED]
    more = f" and {len(each.actions) - len(actions):,} more" if len(each.actions) > len(actions) else ""
    text = Text(f"{each.answer:<12}", style=f"bold {_ANSWER_STYLE[each.answer]}")
    text.append(f"{safe(', '.join(actions), cap=100_000)}{more}", style="default")
    text.append(f" on {safe(each.resource, cap=300)}", style="not bold default")
    for line in (
        f"if {each.when}" if each.when else "",
        f"stopped by {', '.join(each.blocked_by)}" if each.blocked_by else "",
        *(f"permitted by {_evidence(one)}" for one in each.permitted_by[:3]),
        *(f"limited by {_evidence(one)}" for one in each.limited_by[:3]),
    ):
        text.append(f"\n            {safe(line, cap=600)}" if line else "", style="not bold dim")
    return text


@show.register
def _(result: WhoCan, view: View) -> RenderableType:
    if not result.principals:
        words = Text(f"Nobody can {safe(result.action)} on {safe(result.resource, cap=300)}.", style="bold")
        return Group(words, Text(), show_coverage(result.coverage, view))
    table = new_table("ANSWER", "PRINCIPAL", "BY", "IF")
    for each in result.principals:
        table.add_row(
            Text(each.answer, style=_ANSWER_STYLE[each.answer]),
            safe(each.principal, cap=300),
            safe("; ".join(_place(one) for one in each.permitted_by[:2]), cap=200),
            safe(each.when, cap=300),
        )
    total = Text(f"{counted(len(result.principals), 'principal')} can {safe(result.action)}", style="bold")
    return Group(table, Text(), total, Text(), show_coverage(result.coverage, view))


def _place(evidence: IamEvidence) -> str:
    name = (evidence.policy or "").rsplit("/", 1)[-1]
    return f"{name} statement {evidence.statement}" if evidence.statement is not None else name


@show.register
def _(result: IamChanges, view: View) -> RenderableType:
    parts: list[RenderableType] = []
    for each in result.accounts:
        head = Text(f"{each.account}  ", style="bold")
        head.append(f"{view.time(each.before)} to {view.time(each.after)} {view.zone_name}", style="not bold default")
        parts.append(head)
        table = new_table("CHANGE", "OF", "WHAT")
        for change in each.changes:
            what = " ".join(
                text
                for text in (
                    change.name,
                    f"{change.before} → {change.after}" if change.before or change.after else "",
                    f"+{counted(len(change.added), 'statement')}" if change.added else "",
                    f"-{counted(len(change.removed), 'statement')}" if change.removed else "",
                )
                if text
            )
            table.add_row(change.kind.replace("_", " "), safe(change.subject, cap=300), safe(what, cap=300))
        parts.append(table if table.row_count else Text("  Nothing changed.", style="dim"))
        for moved in each.permissions:
            text = Text(f"  {safe(moved.principal, cap=300)}", style="bold")
            if moved.administrator is not None:
                became = "became an administrator" if moved.administrator else "is no longer an administrator"
                text.append(f"  {became}", style="bold red" if moved.administrator else "green")
            for sign, actions in (("+", moved.gained), ("-", moved.lost)):
                if actions:
                    more = (
                        f" and {len(actions) - _LISTED:,} more" if len(actions) > _LISTED and not view.details else ""
                    )
                    shown = actions if view.details else actions[:_LISTED]
                    text.append(f"\n    {sign} {', '.join(shown)}{more}", style="not bold default")
            parts.append(text)
        parts.append(Text())
    return Group(*parts, show_coverage(result.coverage, view))
