"""How a terminal shows sessions, persons, and the ways into an account."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..authreport import Configured
from ..identity import Person
from ..model.session import KIND_WORDS, ChainStep, Session
from ..tools._sessions import Action
from ..tools.auth_model import AuthModelReport
from ..tools.identity import IdentityReport, PersonSession
from ..tools.sessions_list import SessionPage
from ..tools.sessions_show import SessionShown
from .output import View
from .render import counted, new_table, show, show_coverage, show_findings
from .terminal import safe

__all__ = ["session_block", "sessions_table"]

_STRENGTH_STYLE = {"proven": "green", "claimed": "yellow"}
#: Widths of a terminal from which on a column is shown.
_MIDDLE, _WIDE = 110, 150
_LISTED = 6
#: A column: its heading, the least width of a terminal that shows it, and its cells.
_Column = tuple[str, int, Callable[[Any], Text | str]]
_NUMBERS = ("PEOPLE", "WORKLOADS", "SESSIONS", "CALLS", "ERRORS", "MFA")
_YIELDING = ("WHO", "AS", "MOSTLY", "PROVIDERS")
_COUNTS: tuple[_Column, ...] = (
    ("CALLS", 0, lambda each: f"{each.events:,}"),
    ("ERRORS", 0, lambda each: Text(f"{each.errors:,}", style="red" if each.errors else "dim")),
)


@show.register
def _(page: SessionPage, view: View) -> RenderableType:
    if not page.sessions:
        return Group(Text("No session matches.", style="bold"), Text(), show_coverage(page.coverage, view))
    text = Text(f"{len(page.sessions):,} of {counted(page.total, 'session')}, the one seen last first", style="bold")
    parts: list[RenderableType] = [sessions_table(page.sessions, view), Text(), text]
    if page.next_cursor:
        parts.append(Text(f"Next page: the same command with --cursor {page.next_cursor}", style="dim"))
    return Group(*parts, Text(), show_coverage(page.coverage, view))


def sessions_table(sessions: Sequence[Session], view: View) -> RenderableType:
    """Sessions, one a row; with details, a block each."""
    if view.details:
        return Group(*(session_block(each, view) for each in sessions))
    columns: list[_Column] = [
        (f"LAST SEEN ({view.zone_name})", 0, lambda each: view.time(each.last_seen)),
        ("WHO", 0, who),
        ("KNOWN", 0, known),
        ("METHOD", 0, lambda each: each.method),
        ("ACCOUNT", 0, lambda each: safe(each.account or "", cap=20)),
        ("AS", _MIDDLE, _acting_as),
        ("FROM", _MIDDLE, lambda each: _some(each.source_ips, 1)),
        *_COUNTS,
        ("SESSION", _WIDE, lambda each: Text(each.session_id, style="dim")),
    ]
    return _columned(columns, sessions, view)


def _columned(columns: Sequence[_Column], sessions: Sequence[Any], view: View) -> Table:
    """A row a session. Columns that the terminal is too narrow for are left out; AS, WHO and MOSTLY give way."""
    shown = [(heading, cell) for heading, least, cell in columns if view.width >= least]
    table = new_table(*(heading for heading, _ in shown))
    rows = [[Text.assemble(cell(each)) for _, cell in shown] for each in sessions]
    for number, column in enumerate(table.columns):
        heading = shown[number][0]
        column.no_wrap, column.overflow = True, "ellipsis"
        column.justify = "right" if heading in _NUMBERS else "left"
        if heading not in _YIELDING:
            column.min_width = max(len(heading), *(row[number].cell_len for row in rows))
    for row in rows:
        table.add_row(*row)
    return table


def known(session: Session) -> Text:
    """``proven`` or ``claimed``."""
    return Text(session.strength, style=_STRENGTH_STYLE[session.strength])


def who(session: Session) -> Text:
    """The person or workload at the root."""
    root = session.root
    if root is None:
        return Text(safe(session.session_name or session.principal_id or "not known", cap=60), style="dim")
    return Text(safe(root.name or root.arn or KIND_WORDS[root.kind], cap=60))


def _acting_as(session: Session) -> Text:
    if session.role_arn:
        return Text(safe(session.role_arn.rsplit("/", 1)[-1], cap=60))
    return Text(safe(session.user_name or session.principal_arn or "", cap=60))


def session_block(session: Session, view: View) -> RenderableType:
    """One session with everything that an analyst reads first."""
    head = Text(f"{view.time(session.last_seen)}  ", style="bold").append_text(who(session))
    head.append(f"  {session.method}  ", style="default").append(
        session.strength, style=_STRENGTH_STYLE[session.strength]
    )
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", no_wrap=True, min_width=9)
    grid.add_column(overflow="fold")
    for name, value in _facts(session, view):
        grid.add_row(name, value)
    return Group(head, Padding(grid, (0, 0, 1, 2)))


def _facts(session: Session, view: View) -> Iterable[tuple[str, Text]]:
    yield "session", Text(f"{session.session_id}  {safe(session.principal_arn or session.principal_id or '', cap=300)}")
    if session.chain:
        yield "chain", chain(session)
    yield "method", Text(f"{session.method}: {safe(session.reason, cap=300)}")
    seen = f"{view.time(session.first_seen)} to {view.time(session.last_seen)} {view.zone_name}"
    yield "seen", Text(f"{seen}{f', created {view.time(session.created)}' if session.created else ''}")
    yield "account", Text(safe(", ".join(dict.fromkeys((session.account or "", *session.recorded_in))), cap=300))
    errors = f", {session.errors:,} of them failed" if session.errors else ""
    yield "calls", Text(f"{session.events:,}{errors}, in {_some(session.regions, _LISTED) or 'no Region'}")
    if session.access_keys:
        yield "keys", Text(_some(session.access_keys, _LISTED))
    if session.source_ips:
        yield "from", Text(_some(session.source_ips, _LISTED))
    if session.user_agents:
        yield "agents", Text(_some(session.user_agents, 2, cap=120))
    if session.mfa is not None:
        yield "MFA", Text("yes" if session.mfa else "no")
    did: Sequence[Action] = getattr(session, "did", ())
    if did:
        yield "did", Text(_actions(did))
    yield "evidence", Text(", ".join(dict.fromkeys(safe(each.event_id, cap=80) for each in session.evidence[:4])))


def chain(session: Session) -> Text:
    """Who issued what to whom, a line each, nearest first."""
    text = Text()
    for number, step in enumerate(session.chain):
        text.append("\n" if number else "").append("from " if number else "by ", style="dim").append_text(_step(step))
    return text


def _step(step: ChainStep) -> Text:
    text = Text(f"{KIND_WORDS[step.kind]} ", style="dim")
    text.append(safe(step.name or step.arn or "", cap=120), style="default not dim")
    if step.account:
        text.append(f" in {safe(step.account, cap=20)}", style="default not dim")
    text.append("  ")
    text.append(step.link, style=f"not dim {_STRENGTH_STYLE[step.link]}").append(f" by {safe(step.by, cap=120)}")
    return text


def _some(values: Sequence[str], most: int, *, cap: int = 60) -> str:
    shown = ", ".join(safe(each, cap=cap) for each in values[:most])
    return shown + (f" and {len(values) - most:,} more" if len(values) > most else "")


def _actions(did: Sequence[Action]) -> str:
    shown = ", ".join(
        f"{safe(each.event, cap=60)} {each.events:,}" + (f" ({each.errors:,} failed)" if each.errors else "")
        for each in did[:8]
    )
    return shown + (f" and {len(did) - 8:,} more kinds" if len(did) > 8 else "")


@show.register
def _(shown: SessionShown, view: View) -> RenderableType:
    parts: list[RenderableType] = [
        Text.assemble(("Whose: ", "bold"), safe(shown.whose, cap=500)),
        Text(),
        session_block(shown, view),
    ]
    for title, others in (("Sessions that it issued", shown.issued), ("Others of this name", shown.others)):
        if others:
            parts += [Text(title, style="bold"), sessions_table(others, view), Text()]
    return Group(*parts, show_coverage(shown.coverage, view))


@show.register
def _(report: IdentityReport, view: View) -> RenderableType:
    parts: list[RenderableType] = [show_person(report.person)]
    if report.findings:
        parts += [Text("Notable", style="bold"), show_findings(report.findings), Text()]
    if report.sessions:
        parts.append(Group(*map(_own_block(view), report.sessions)) if view.details else _own_table(report, view))
        parts.append(Text(f"{len(report.sessions):,} of {counted(report.total, 'session')}", style="bold"))
    else:
        parts.append(Text("No session of theirs is in the records that were looked at.", style="bold"))
    return Group(*parts, Text(), show_coverage(report.coverage, view))


def show_person(person: Person) -> RenderableType:
    """Who was asked for: every user that is theirs, and how that is known."""
    head = Text(safe(person.label, cap=120), style="bold")
    if person.label != person.asked:
        head.append(f"  asked as {safe(person.asked, cap=120)}", style="not bold dim")
    if person.ambiguous:
        head.append("  more than one person may be meant", style="bold yellow")
    lines: list[RenderableType] = [head]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for each in person.identities:
        text = Text(safe(each.id if each.label in each.id else f"{each.label}  {each.id}", cap=200))
        text.append("" if each.active is not False else "  no longer active", style="yellow")
        text.append("\n").append(each.strength, style=_STRENGTH_STYLE[each.strength])
        text.append(f" by {safe(each.by, cap=200)}" if each.by else "", style="dim")
        names = tuple(dict.fromkeys(alias.value for alias in each.aliases if alias.value != each.label))
        text.append(f"\nalso {_some(names, 4)}" if names else "", style="dim")
        grid.add_row(each.kind.replace("_", " "), text)
    if person.identities:
        lines.append(grid)
    else:
        lines.append(Text("No user of that name is in the directory, the records or the alias list."))
    lines += [Text(f"Note: {safe(note, cap=400)}", style="yellow") for note in person.notes]
    return Group(*lines, Text())


def _own_table(report: IdentityReport, view: View) -> RenderableType:
    """A person's sessions, one a row, with how each is known to be theirs."""
    columns: list[_Column] = [
        (f"LAST SEEN ({view.zone_name})", 0, lambda each: view.time(each.last_seen)),
        ("KNOWN", 0, known),
        ("METHOD", 0, lambda each: each.method),
        ("ACCOUNT", 0, lambda each: safe(each.account or "", cap=20)),
        ("AS", 0, _acting_as),
        ("FROM", _MIDDLE, lambda each: _some(each.source_ips, 1)),
        *_COUNTS,
        ("MOSTLY", _MIDDLE, lambda each: _some(tuple(action.event for action in each.did), 2)),
    ]
    return _columned(columns, report.sessions, view)


def _own_block(view: View) -> Callable[[PersonSession], RenderableType]:
    def block(each: PersonSession) -> RenderableType:
        note = [Text(f"  Note: {safe(each.note, cap=400)}", style="yellow")] if each.note else []
        known = Text(f"  theirs by {safe(each.by, cap=120)}", style="dim")
        return Group(session_block(each, view), known, *note, Text())

    return block


@show.register
def _(report: AuthModelReport, view: View) -> RenderableType:
    parts: list[RenderableType] = [Text(safe(line, cap=600), style="bold") for line in report.summary]
    if report.methods:
        columns: list[_Column] = [
            ("METHOD", 0, lambda each: Text(each.method, style="bold")),
            ("PEOPLE", 0, lambda each: _number(each.people)),
            ("WORKLOADS", 0, lambda each: _number(each.workloads)),
            ("SESSIONS", 0, lambda each: f"{each.sessions:,}"),
            ("CALLS", 0, lambda each: f"{each.events:,}"),
            ("MFA", _MIDDLE, lambda each: f"{each.mfa.with_mfa:,} of {each.mfa.known:,}" if each.mfa.known else ""),
            (f"LAST SEEN ({view.zone_name})", _MIDDLE, lambda each: view.time(each.last_seen)),
            ("ACCOUNTS", _MIDDLE, lambda each: _some(each.accounts, 3)),
            ("PROVIDERS", _WIDE, lambda each: _some(tuple(dict.fromkeys(one.name for one in each.providers)), 3)),
        ]
        parts += [Text(), _columned(columns, report.methods, view)]
    parts += [Text(), *_configured(report.configured, view)]
    if report.findings:
        parts += [Text(), Text("Notable", style="bold"), show_findings(report.findings)]
    return Group(*parts, Text(), show_coverage(report.coverage, view))


def _number(value: int) -> str:
    return f"{value:,}" if value else ""


def _configured(configured: Configured, view: View) -> Iterable[RenderableType]:
    """What AWS is set up for, seen or not."""
    table = new_table("SET UP", "NAME", "ACCOUNT", "IN THE RECORDS")
    for kind, providers in (("SAML provider", configured.saml_providers), ("OIDC provider", configured.oidc_providers)):
        for each in providers:
            table.add_row(kind, safe(each.name, cap=120), each.account, _seen(each.seen, each.last_seen, view))
    for instance in configured.identity_center:
        people = f", {counted(instance.users, 'user')}" if instance.users is not None else ""
        name = safe(f"{instance.name or instance.identity_store_id}{people}", cap=120)
        table.add_row("Identity Center", name, instance.owner or "", _seen(instance.seen, instance.last_seen, view))
    for each_set in configured.permission_sets:
        name, accounts = safe(each_set.name, cap=120), _some(each_set.accounts, 2)
        table.add_row("Permission set", name, accounts, _seen(each_set.seen, each_set.last_seen, view))
    for root in configured.root_users:
        words = {True: "yes", False: "no", None: "not known"}
        state = f"MFA {words[root.mfa]}, access keys {words[root.access_keys]}"
        table.add_row("Root user", state, root.account, _seen(root.seen, root.last_seen, view))
    users = configured.iam_users
    if users is not None:
        without = f" ({users.console_without_mfa} without MFA)" if users.console_without_mfa else ""
        oldest = f", oldest {users.oldest_key_days:,} days" if users.oldest_key_days is not None else ""
        keys = "keys not read" if users.active_keys is None else f"{counted(users.active_keys, 'active key')}{oldest}"
        state = f"{counted(users.total, 'user')}, {users.console_password} with a password{without}, {keys}"
        table.add_row("IAM users", state, _some(users.accounts, 3), f"{users.seen:,} of them")
    if table.row_count:
        yield Text("Set up, and seen or not", style="bold")
        yield table
    else:
        yield Text("What AWS is configured for was not read: no account is connected, or none may be read.", "dim")


def _seen(seen: bool | None, last: datetime | None, view: View) -> Text:
    if seen is None:
        return Text("not known", style="dim")
    return Text(f"last {view.time(last)}") if seen else Text("not seen", style="yellow")
