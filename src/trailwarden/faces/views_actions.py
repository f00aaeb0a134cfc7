"""How a terminal shows proposals: the card that an approver reads, the queue, and the audit chain."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..model.proposal import BlastItem, State, StepOutcome, Watch
from ..tools._requests import ProposedActions
from ..tools._respond import ProposalCard, ShownStep
from ..tools.actions_list import OfferedAction, Proposals
from ..tools.actions_suggest import Suggested
from ..tools.actions_watch import Watched
from ..tools.audit_export import AuditExport
from ..tools.audit_list import AuditEntry, AuditPage
from ..tools.audit_verify import AuditReport
from .output import View, encode
from .render import counted, new_table, show, show_coverage
from .terminal import safe

_STATE_STYLE: Mapping[State, str] = {
    "pending": "bold yellow",
    "approved": "bold cyan",
    "executing": "bold cyan",
    "succeeded": "green",
    "verified": "bold green",
    "failed": "bold red",
    "outcome_unknown": "bold magenta",
    "rejected": "dim",
    "expired": "dim",
    "superseded": "dim",
    "cancelled": "dim",
    "undone": "green",
}
_CONFIDENCE_STYLE = {"high": "bold red", "medium": "yellow", "low": "cyan", "none": "dim"}
_OUTCOMES: Mapping[str, tuple[str, str]] = {
    "intended": ("…", "cyan"),
    "done": ("✓", "green"),
    "already": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "unknown": ("?", "bold magenta"),
}
#: The widest that a card is drawn, evidence and history lines and confidence parts
#: that a card shows without --details.
_CARD_WIDTH, _FEW, _PARTS = 110, 8, 6


@show.register
def _(card: ProposalCard, view: View) -> RenderableType:
    return proposal_card(card, view)


def proposal_card(card: ProposalCard, view: View) -> RenderableType:
    """The card: what, to whom, why, how sure, what it would hit, what is done step by step, and who decides."""
    parts: list[RenderableType] = [_facts(card, view)]
    parts += _evidence(card, view)
    parts += _blast(card.blast_radius.items)
    parts += _plan(card, view)
    parts += _lines("Cannot be undone", card.plan.irreversible, "red")
    lacking = ", ".join(card.missing_permissions)
    if lacking and card.state in ("pending", "approved"):
        parts += _lines("The respond role lacks", (lacking,), "bold red")
    parts += _lines("To know", card.notes, "default")
    parts += _watches(card.watches, view)
    if card.history and (view.details or card.state != "pending"):
        parts += _history(card, view)
    title = Text.assemble(("Proposed action: ", "bold"), (safe(card.title, cap=80), "bold"))
    state = Text(f" {card.state.replace('_', ' ')} ", style=_STATE_STYLE[card.state])
    panel = Panel(
        Group(*parts), title=title, title_align="left", subtitle=state, subtitle_align="right",
        box=box.ROUNDED, padding=(1, 2), width=min(view.width, _CARD_WIDTH),
    )  # fmt: skip
    return Group(panel, *_next(card, view))


def _facts(card: ProposalCard, view: View) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=10)
    grid.add_column(overflow="fold")
    for each in card.targets[:_FEW]:
        key = each.kind == "access_key"
        name = Text(safe(each.id if key else each.name, cap=120), style="bold")
        if key:
            name.append(f"  of {safe(each.name, cap=80)}", "default")
        elif each.id not in (each.name, f"{each.name}/32", f"{each.name}/128"):
            name.append(f"  {safe(each.id, cap=80)}", "dim")
        if each.kind == "ip_address" and each.arn:
            name.append(f"  in the IP set {safe(each.arn.split('/')[-2], cap=80)}", "default")
        name.append(f"  {each.kind.replace('_', ' ')}{f' in {each.region}' if each.region else ''}", "dim")
        grid.add_row("Target", name)
        if each.owner:
            grid.add_row("Owner", Text(safe(each.owner, cap=120)))
    if len(card.targets) > _FEW:
        grid.add_row("", Text(f"and {len(card.targets) - _FEW} more", style="dim"))
    label = f" ({safe(card.account_label, cap=60)})" if card.account_label else ""
    grid.add_row("Account", Text(f"{card.account}{label}"))
    grid.add_row("Reason", Text(safe(card.reason, cap=600)))
    confidence = Text(card.confidence.text, style=_CONFIDENCE_STYLE.get(card.confidence.label, ""))
    grid.add_row("Confidence", confidence)
    parts = card.confidence.parts if view.details else card.confidence.parts[:_PARTS]
    for part in parts:
        line = Text(f"{part.weight:.2f}  ", style="dim").append(safe(part.reason, cap=240), "default")
        grid.add_row("", line.append(f"  {part.rule}", "dim"))
    if left := len(card.confidence.parts) - len(parts):
        grid.add_row("", Text(f"and {left} lesser signs: --details", style="dim"))
    if card.administrator is not False:
        words = "yes" if card.administrator else "not known: who may do what in the account was not read"
        grid.add_row("Admin", Text(words, style="bold red" if card.administrator else "yellow"))
    who = f"{safe(card.proposer.name, cap=80)}, a {card.proposer.kind}, {view.time(card.proposed)} {view.zone_name}"
    grid.add_row("Proposed by", Text(who))
    if card.undoes:
        grid.add_row("Undoes", Text(card.undoes))
    return grid


def _evidence(card: ProposalCard, view: View) -> Iterable[RenderableType]:
    if not card.evidence:
        yield from _lines("Evidence", ("none of this installation's: the reason above is all there is",), "yellow")
        return
    shown = card.evidence if view.details else card.evidence[:_FEW]
    yield _heading("Evidence")
    for each in shown:
        line = (
            Text("• ").append(safe(f"{each.field} = {each.value}", cap=140)).append(f"  {safe(each.event_id)}", "dim")
        )
        yield Padding(line, (0, 0, 0, 2))
    if left := len(card.evidence) - len(shown):
        yield Padding(Text(f"and {left} more: --details", style="dim"), (0, 0, 0, 2))
    yield Padding(Text("each opens: trailwarden event EVENT_ID", style="dim"), (0, 0, 0, 2))


def _blast(items: Iterable[BlastItem]) -> Iterable[RenderableType]:
    ordered = sorted(items, key=lambda each: not each.grave)
    if not ordered:
        return
    yield _heading("Blast radius")
    for each in ordered:
        mark = Text("! " if each.grave else "• ", style="bold red" if each.grave else "dim")
        kind = Text(f"{each.kind.replace('_', ' ')}: ", style="dim")
        yield Padding(Text.assemble(mark, kind, (safe(each.text, cap=600), "red" if each.grave else "")), (0, 0, 0, 2))


def _plan(card: ProposalCard, view: View) -> Iterable[RenderableType]:
    yield _heading(f"Plan, {counted(len(card.plan.steps), 'step')}")
    for step in card.plan.steps:
        yield Padding(_step(step, view), (0, 0, 0, 2))
    yield Padding(Text(f"SHA-256 {card.plan.sha256}", style="dim"), (0, 0, 0, 2))


def _step(step: ShownStep, view: View) -> RenderableType:
    mark, style = _OUTCOMES[step.outcome.state] if step.outcome else (str(step.number), "dim")
    line = Text(f"{mark:>2}  ", style=style).append(safe(step.does, cap=200), "default")
    if not step.undo and not step.params.get("DryRun"):
        line.append("  cannot be undone", "red")
    lines = [line, Text("    ").append(_call(step.api, step.params, cap=2000 if view.details else 160), "dim")]
    if step.undo and view.details:
        lines.append(Text("    undo: ", style="dim").append(_call(step.undo.api, step.undo.params, cap=2000), "dim"))
    if step.outcome and (step.outcome.detail or view.details):
        lines.append(Text("    ").append(_outcome(step.outcome, view), style))
    return Group(*lines)


def _call(api: str, params: Mapping[str, Any], *, cap: int) -> str:
    return safe(f"{api} {encode(params).decode()}", cap=cap)


def _outcome(outcome: StepOutcome, view: View) -> str:
    request = f", request {outcome.request_id}" if outcome.request_id else ""
    detail = f": {outcome.detail}" if outcome.detail else ""
    return safe(f"{outcome.state} {view.time(outcome.at)}{request}{detail}", cap=700)


def _watches(watches: Iterable[Watch], view: View) -> Iterable[RenderableType]:
    last = list(watches)[-1:]
    for each in last:
        yield _heading("Since then")
        if each.calls:
            text = Text(f"{each.calls:,} calls, {each.refused:,} of them refused", style="bold red")
        else:
            text = Text("no call seen", style="green" if each.complete else "yellow")
        text.append(f", {view.time(each.since)} to {view.time(each.until)}", "default")
        yield Padding(text, (0, 0, 0, 2))
        yield Padding(Text(safe(each.note, cap=600), style="dim" if each.complete else "yellow"), (0, 0, 0, 2))


def _history(card: ProposalCard, view: View) -> Iterable[RenderableType]:
    yield _heading("History")
    shown = card.history if view.details else card.history[-_FEW:]
    for each in shown:
        line = Text(f"{view.time(each.at)}  ", style="dim")
        line.append(each.state.replace("_", " "), _STATE_STYLE[each.state])
        line.append(f"  {safe(each.actor.name, cap=80)}").append(f" ({each.actor.kind}, {each.actor.via})", "dim")
        if each.note:
            line.append(f"  {safe(each.note, cap=300)}")
        yield Padding(line, (0, 0, 0, 2))


def _next(card: ProposalCard, view: View) -> Iterable[RenderableType]:
    """What can be done with it now."""
    if card.joined:
        yield Text("The same was proposed before: this is that proposal, with your reason added.", style="yellow")
    match card.state:
        case "pending":
            left = card.approvals_needed - len(card.approvals)
            who = "an approver decides" if left == 1 else f"{left} approvers decide"
            yield Text(f"Nothing is done before {who}. It expires {view.time(card.expires)} {view.zone_name}.")
            yield _commands(("approve", f"actions approve {card.id}"), ("reject", f"actions reject {card.id}"))
        case "approved":
            yield Text(f"Approved, not begun. The approval holds until {view.time(card.expires)}.")
            yield _commands(("carry out", f"actions run {card.id}"), ("take back", f"actions reject {card.id}"))
        case "succeeded" | "verified" | "failed":
            offers = [("watch", f"actions watch {card.id}")]
            if any(each.undo for each in card.plan.steps):
                offers.append(("undo", f"actions undo {card.id} --reason TEXT"))
            yield _commands(*offers)
        case "outcome_unknown":
            yield Text("Look at the target, then say what you found:")
            yield _commands(("settle", f"actions settle {card.id} --done|--not-done --reason TEXT"))
        case _:
            return


def _commands(*offers: tuple[str, str]) -> Text:
    text = Text()
    for number, (word, command) in enumerate(offers):
        text.append("   " if number else "").append(f"[{word}] ", "bold").append(f"trailwarden {command}", "cyan")
    return text


def _heading(text: str) -> RenderableType:
    return Padding(Text(text, style="bold"), (1, 0, 0, 0))


def _lines(title: str, lines: Iterable[str], style: str) -> Iterable[RenderableType]:
    several = tuple(lines)
    if not several:
        return
    yield _heading(title)
    for each in several:
        yield Padding(Text("• ").append(safe(each, cap=1200), style), (0, 0, 0, 2))


@show.register
def _(made: ProposedActions, view: View) -> RenderableType:
    parts: list[RenderableType] = []
    for each in made.proposals:
        parts += [proposal_card(each, view), Text()]
    for refused in made.refused:
        parts.append(Text.assemble(("Not proposed: ", "bold red"), safe(refused.clause, cap=200)))
        parts.append(Text(f"  {safe(refused.why, cap=600)}"))
        parts += [Text(f"  Remedy: {safe(refused.remedy, cap=600)}", style="dim")] if refused.remedy else []
    return Group(*parts)


@show.register
def _(made: Suggested, view: View) -> RenderableType:
    parts: list[RenderableType] = []
    for each in made.proposals:
        parts += [proposal_card(each, view), Text()]
    if not made.proposals:
        parts += [Text("The signs call for no proposal.", style="bold"), Text()]
    for other in made.others:
        parts.append(
            Text.assemble((safe(other.who, cap=200), "bold"), f"  {other.confidence}  {safe(other.why, cap=400)}")
        )
    return Group(*parts, Text(), show_coverage(made.coverage, view))


@show.register
def _(found: Proposals, view: View) -> RenderableType:
    if not found.proposals:
        return Group(
            Text("No proposal waits.", style="bold"),
            Text("--all shows closed ones. What can be proposed:", style="dim"),
            Text(),
            _offered(found.offered),
        )
    table = new_table("ID", "STATE", "ACTION", "TARGET", "ACCOUNT", "CONFIDENCE", "BY", f"PROPOSED ({view.zone_name})")
    for each in found.proposals:
        more = f" +{len(each.targets) - 1}" if len(each.targets) > 1 else ""
        table.add_row(
            each.id,
            Text(each.state.replace("_", " "), style=_STATE_STYLE[each.state]),
            each.action,
            Text(safe(each.target.name, cap=60) + more),
            each.account,
            Text(each.confidence.text, style=_CONFIDENCE_STYLE.get(each.confidence.label, "")),
            Text(safe(each.proposer.name, cap=40)),
            view.time(each.proposed),
        )
    for column in table.columns[:-1]:
        column.no_wrap, column.overflow = True, "ellipsis"
    waiting = f", {found.waiting} of them waiting for a decision" if found.waiting else ""
    return Group(table, Text(), Text(f"{counted(len(found.proposals), 'proposal')}{waiting}", style="bold"))


def _offered(offered: Iterable[OfferedAction]) -> Table:
    table = new_table("ACTION", "WHAT IT DOES", "ARGUMENTS", "UNDO")
    for each in offered:
        undo = Text("yes", style="green") if each.reversible else Text("no", style="red")
        table.add_row(each.name, each.title, Text(" ".join(each.arguments), style="dim"), undo)
    return table


@show.register
def _(watched: Watched, _view: View) -> RenderableType:
    if not watched.proposals:
        return Text("No action within respond.watch_hours: nothing to look at.")
    table = new_table("ID", "ACTION", "TARGET", "SINCE THEN")
    for each in watched.proposals:
        last = each.watches[-1]
        style = "bold red" if last.calls else "green" if last.complete else "yellow"
        seen = f"{last.calls:,} calls, {last.refused:,} refused" if last.calls else "no call seen"
        seen += "" if last.complete else ", not all could be looked at"
        table.add_row(each.id, each.action, Text(safe(each.target.name, cap=60)), Text(seen, style=style))
    last_note = watched.proposals[-1].watches[-1].note
    return Group(table, Text(), Text(f"Note: {safe(last_note, cap=600)}", style="dim"))


@show.register
def _(report: AuditReport, _view: View) -> RenderableType:
    lines = []
    if report.broken is None:
        lines.append(Text.assemble(("✓ ", "bold green"), f"{report.entries:,} entries, none broken"))
    else:
        broken = report.broken
        lines.append(
            Text.assemble(
                ("✗ ", "bold red"), (f"broken at entry {broken.seq} ({broken.fault}): ", "bold red"), broken.detail
            )
        )
        lines.append(Text(f"{report.entries:,} entries before it hold"))
    lines.append(Text(f"last hash {report.last}", style="dim"))
    if report.checkpoint is None:
        lines.append(Text("Note: without a former export (--against), a cut end does not show.", style="dim"))
    else:
        lines.append(Text(f"checkpoint of {report.checkpoint.at}, entry {report.checkpoint.seq}", style="dim"))
    lines.append(Text(f"key {report.public_key}", style="dim"))
    return Group(*lines)


@show.register
def _(report: AuditExport, _view: View) -> RenderableType:
    point = report.checkpoint
    return Group(
        Text.assemble(("✓ ", "bold green"), f"{point.seq:,} entries written to {safe(report.path)}"),
        Text(f"signed {point.at} with {point.public_key}", style="dim"),
        Text("Keep it where whoever administers this machine cannot change it.", style="dim"),
    )


@show.register
def _(page: AuditPage, view: View) -> RenderableType:
    if not page.entries:
        return Text("No entry matches.", style="bold")
    table = new_table("ENTRY", "AT (UTC)", "WHO", "WHAT", "ABOUT")
    for each in page.entries:
        who = Text(safe(each.actor.name, cap=40)).append(f" ({each.actor.kind}, {each.actor.via})", "dim")
        style = "red" if each.kind == "denied" else ""
        table.add_row(
            str(each.seq), each.at[:19].replace("T", " "), who, Text(each.kind, style=style), _about(each, view)
        )
    parts: list[RenderableType] = [table]
    if page.next_before is not None:
        parts.append(Text(f"Older ones: the same command with --before {page.next_before}", style="dim"))
    return Group(*parts)


def _about(entry: AuditEntry, view: View) -> Text:
    return Text(safe(encode(entry.body).decode(), cap=2000 if view.details else 110), style="dim")
