"""How a terminal shows endpoint alerts and the sessions that they may belong to."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..model.alert import Alert, Host, NotableEvent, SessionMatch
from ..tools._alerts import AlertMatches
from ..tools.correlate_host import HostMatches
from ..tools.correlate_recent import RecentMatches
from ..tools.correlate_session import SessionAlerts
from .output import View
from .render import counted, show, show_coverage
from .terminal import safe
from .views_sessions import session_block, who

__all__ = ["alert_block"]

_NOTABLE = 8


@show.register
def _(found: AlertMatches, view: View) -> RenderableType:
    return Group(alert_block(found, view), Text(), show_coverage(found.coverage, view))


@show.register
def _(found: HostMatches, view: View) -> RenderableType:
    parts: list[RenderableType] = [_host(each, view) for each in found.hosts]
    parts += [Text(), *_blocks(found.alerts, view, "No alert of it in that time.")]
    return Group(*parts, show_coverage(found.coverage, view))


@show.register
def _(found: RecentMatches, view: View) -> RenderableType:
    parts = _blocks(found.alerts, view, "No alert in that time.")
    total = Text(f"{len(found.alerts):,} of {counted(found.total, 'alert')}", style="bold")
    return Group(*parts, total, Text(), show_coverage(found.coverage, view))


@show.register
def _(found: SessionAlerts, view: View) -> RenderableType:
    parts = [session_block(found.session, view), *_blocks(found.alerts, view, "No alert touches it.")]
    return Group(*parts, show_coverage(found.coverage, view))


def _blocks(alerts: Sequence[AlertMatches], view: View, nothing: str) -> list[RenderableType]:
    return [alert_block(each, view) for each in alerts] or [Text(nothing, style="bold"), Text()]


def alert_block(found: AlertMatches, view: View) -> RenderableType:
    """An alert, and its matches."""
    parts: list[RenderableType] = [_alert(found.alert, found.host, view)]
    shown = found.matches if view.details else found.matches[:5]
    parts += [Padding(_match(match, view), (0, 0, 0, 2)) for match in shown]
    if not found.matches:
        parts.append(Text("  No AWS session matches.", style="dim"))
    elif len(found.matches) > len(shown):
        parts.append(Text(f"  {len(found.matches) - len(shown)} weaker matches: --details shows them", style="dim"))
    return Group(*parts, Text())


def _alert(alert: Alert, host: Host | None, view: View) -> Text:
    text = Text(f"{view.time(alert.time)}  ", style="bold")
    text.append(safe(alert.name or alert.type or alert.product, cap=120), style="bold default")
    severity = alert.severity_name or (str(alert.severity) if alert.severity is not None else "")
    text.append(f"  {safe(severity, cap=40)}", style="red")
    on = alert.hostname or (host.hostname if host is not None else None)
    facts = [
        f"on {on}" if on else "",
        f"user {alert.upn or alert.user_name}" if alert.upn or alert.user_name else "",
        f"from {alert.source_ip}" if alert.source_ip else "",
        " ".join(part for part in (alert.tactic, alert.technique) if part),
    ]
    text.append(f"\n  {safe(', '.join(fact for fact in facts if fact), cap=400)}", style="not bold default")
    text.append(f"\n  {safe(alert.composite_id, cap=200)}", style="dim not bold")
    return text


def _host(host: Host, view: View) -> Text:
    text = Text(safe(host.hostname or host.device_id, cap=120), style="bold")
    facts = [
        host.platform or "",
        f"instance {host.instance_id} in {host.cloud_account}" if host.instance_id else "",
        f"last login {host.last_login_user}" if host.last_login_user else "",
        f"last seen {view.time(host.last_seen)}" if host.last_seen else "",
        f"device {host.device_id}",
    ]
    return text.append(f"  {safe(', '.join(fact for fact in facts if fact), cap=400)}", style="dim")


def _match(match: SessionMatch, view: View) -> RenderableType:
    session = match.session
    head = Text(f"{match.score:.2f}  ", style=_style(match.score))
    head.append_text(who(session)).append(f"  {session.method} in {safe(session.account or '', cap=20)}", "default")
    role = f" as {safe(session.role_arn.rsplit('/', 1)[-1], cap=64)}" if session.role_arn else ""
    head.append(f"{role}  {counted(session.events, 'call')}", style="default")
    head.append(f"  {session.session_id}", style="dim")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", no_wrap=True, min_width=7)
    grid.add_column(overflow="fold")
    for each in match.evidence:
        fact = f"{each.alert_field} {each.alert_value} = {each.event_field} {each.event_value}"
        grid.add_row(f"+{each.weight:.2f}", Text(safe(f"{fact}  ({each.kind}, event {each.event_id})", cap=400)))
    if match.hops:
        grid.add_row("hops", Text(f"{match.hops} from a session that matches itself"))
    grid.add_row("time", Text(f"× {match.time_factor:.2f}"))
    for sentence in match.against:
        grid.add_row("but", Text(safe(sentence, cap=400), style="yellow"))
    for line in _notable(match.notable_events, view):
        grid.add_row("then", line)
    return Group(head, Padding(grid, (0, 0, 0, 6)))


def _notable(events: Sequence[NotableEvent], view: View) -> Iterable[Text]:
    shown = events if view.details else events[:_NOTABLE]
    for each in shown:
        text = Text(f"{view.time(each.time)}  ").append(safe(each.event, cap=80), style="bold")
        text.append(f" {safe(each.error_code, cap=40)}" if each.error_code else "", style="red")
        text.append(f"  {', '.join(each.reasons)}  event {safe(each.event_id, cap=80)}", style="dim")
        yield text
    if len(events) > len(shown):
        yield Text(f"and {len(events) - len(shown):,} more: --details shows them", style="dim")


def _style(score: float) -> str:
    return "bold red" if score >= 0.7 else "yellow" if score >= 0.3 else "dim"
