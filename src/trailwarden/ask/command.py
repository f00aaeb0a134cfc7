"""What a question asks for, in words and as the command line that is equal to it."""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

import msgspec

from ..model.event import VALUE_FIELDS, EventFilter, Order
from ..model.finding import Severity
from ..model.iam_report import PrincipalKind
from ..model.session import AuthMethod
from ..model.time import EPOCH, Window, format_instant

DEFAULT_LIMIT = 100
#: Switch of EventFilter -> the options for true and for false.
SWITCHES = {
    "denied": ("--denied", "--not-denied"),
    "failed": ("--failed", "--succeeded"),
    "read_only": ("--read-only", "--changes"),
}
Tool = Literal[
    "search", "identity", "sessions_list", "sessions_show", "auth_model", "lake_info", "accounts_doctor",
    "iam_role", "iam_scan", "iam_can", "iam_who_can", "iam_changes",
    "correlate_host", "correlate_alert", "correlate_session", "correlate_recent",
]  # fmt: skip
_TOOL_WORDS: dict[Tool, str] = {
    "lake_info": "What the lake holds",
    "accounts_doctor": "Whether the connected accounts can be read",
}
_COMMANDS: dict[Tool, tuple[str, ...]] = {
    "search": ("search",), "identity": ("identity",), "sessions_list": ("sessions", "list"),
    "sessions_show": ("sessions", "show"), "auth_model": ("auth-model",), "lake_info": ("lake", "info"),
    "accounts_doctor": ("accounts", "doctor"), "iam_role": ("iam", "role"), "iam_scan": ("iam", "scan"),
    "iam_can": ("iam", "can"), "iam_who_can": ("iam", "who-can"), "iam_changes": ("iam", "changes"),
    "correlate_host": ("correlate", "host"), "correlate_alert": ("correlate", "alert"),
    "correlate_session": ("correlate", "session"), "correlate_recent": ("correlate", "recent"),
}  # fmt: skip
#: Words that the command line takes for another command where the name of a person stands.
_NOT_PEOPLE = {"alias"}
#: Tool -> the conditions of ``where`` that it is called with.
_FIELDS: dict[Tool, tuple[str, ...]] = {
    "identity": ("account",), "auth_model": ("account",),
    "sessions_list": ("user", "role", "access_key", "ip", "account", "region"),
}  # fmt: skip
#: The tools that answer what roles and users may do, and those of endpoint alerts.
RIGHTS_TOOLS: frozenset[Tool] = frozenset(("iam_role", "iam_scan", "iam_can", "iam_who_can", "iam_changes"))
ALERT_TOOLS: frozenset[Tool] = frozenset(("correlate_host", "correlate_alert", "correlate_session", "correlate_recent"))
#: Those of them that look at a time.
TIMED_TOOLS: frozenset[Tool] = frozenset(("iam_changes", "correlate_host", "correlate_recent"))
#: How each method is said of credentials.
METHOD_WORDS: dict[AuthMethod, str] = {
    "identity_center": "Identity Center", "saml": "SAML", "oidc": "OIDC", "irsa": "IRSA",
    "pod_identity": "EKS Pod Identity", "iam_user_console": "console sign-in of an IAM user",
    "iam_user_key": "long-lived key of an IAM user", "session_token": "GetSessionToken",
    "federation_token": "GetFederationToken", "root": "root user", "assumed_root": "AssumeRoot",
    "instance_profile": "EC2 instance profile", "lambda": "Lambda function", "aws_service": "AWS service",
    "cross_account": "AssumeRole from another account", "role_chain": "AssumeRole within the account",
    "aws_login": "aws login", "unknown": "unknown method",
}  # fmt: skip
#: How each field is said, in the order of the sentence.
_PHRASES = {
    "user": "by {}", "role": "by role {}", "session": "by session {}", "arn": "by {}",
    "principal_type": "by {} callers", "access_key": "with access key {}", "ip": "from {}", "event": "named {}",
    "source": "of {}", "resource": "on {}", "error": "with error {}", "user_agent": "with user agent {}",
    "account": "in account {}", "region": "in {}", "text": "that mention {}",
}  # fmt: skip
_LAST_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_UNIT_WORDS = {"d": "day", "h": "hour", "m": "minute", "s": "second"}


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of IAM. ``on``: all that ``principal`` can do on ``resource`` is asked, not one ``action``.

    ``principal_kind`` is ``role``, ``user``, ``group``, or empty where only a name is known. ``kind`` and
    ``min_severity`` choose principals; ``iam_who_can`` is not called with them, its answer tells of them.
    """

    principal: str = ""
    principal_kind: str = ""
    action: str = ""
    resource: str = "*"
    on: bool = False
    kind: tuple[PrincipalKind, ...] = ()
    min_severity: Severity = "info"


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What a question asks for. ``last`` is set where the window is that span up to now.

    ``where`` holds the conditions, also of the tools that take only some of them; ``method`` those of sessions,
    and the methods that are asked about. ``session`` is what ``sessions_show`` and ``correlate_session`` show;
    ``rights`` is for the tools of IAM, ``host`` and ``alert`` for those of endpoint alerts.
    """

    tool: Tool = "search"
    where: EventFilter = EventFilter()
    window: Window | None = None
    order: Order = "newest"
    limit: int = DEFAULT_LIMIT
    zone: tzinfo
    last: timedelta | None = None
    method: tuple[AuthMethod, ...] = ()
    session: str = ""
    rights: Rights = Rights()
    host: str = ""
    alert: str = ""

    @property
    def call(self) -> dict[str, Any]:
        """The keyword arguments that the tool is called with."""
        if self.tool == "search":
            return {"where": self.where, "window": self.window, "order": self.order, "limit": self.limit}
        if self.tool in {"sessions_show", "correlate_session"}:
            return {"session": self.session}
        if self.tool in RIGHTS_TOOLS or self.tool in ALERT_TOOLS:
            return _asked_with(self)
        if self.tool not in _FIELDS:
            return {}
        arguments: dict[str, Any] = {"who": self.where.user[0]} if self.tool == "identity" else {}
        arguments |= {field: value for field in _FIELDS[self.tool] if (value := getattr(self.where, field))}
        if self.tool == "sessions_list" and self.method:
            arguments["method"] = self.method
        arguments["window"] = self.window
        if self.limit != DEFAULT_LIMIT:
            arguments["limit"] = self.limit
        return arguments

    @property
    def arguments(self) -> dict[str, Any]:
        """What the tool is called with, JSON-able; times are ISO 8601 in UTC."""
        window = self.window and {"start": format_instant(self.window.start), "end": format_instant(self.window.end)}
        said: dict[str, Any] = msgspec.to_builtins({k: v for k, v in self.call.items() if k != "window"})
        return said | ({"window": window} if "window" in self.call else {})

    @property
    def command(self) -> str:
        """The command line that asks the same; a shell reads it as it stands."""
        words = ["trailwarden", *_COMMANDS[self.tool]]
        if self.tool == "search":
            words.extend(_options(self))
        elif self.tool in {"sessions_show", "correlate_session"}:
            words.extend(_positional(self.session, ()))
        elif self.tool in RIGHTS_TOOLS or self.tool in ALERT_TOOLS:
            words.extend(_asked_options(self))
        elif self.tool == "identity":
            words.extend(_positional(self.where.user[0], tuple(_session_options(self))))
        elif self.tool in _FIELDS:
            words.extend(_session_options(self))
        return shlex.join(words)

    @property
    def words(self) -> str:
        """What is asked for as a sentence, without its full stop."""
        if self.tool in _TOOL_WORDS:
            return _TOOL_WORDS[self.tool]
        if self.tool == "sessions_show":
            return f"Whose session {shorten(self.session)} is, and who issued it to whom"
        if self.tool in RIGHTS_TOOLS or self.tool in ALERT_TOOLS:
            said = [_asked_in_words(self)]
            if self.tool in TIMED_TOOLS and self.window is not None:
                said.append(when_in_words(self.window, self.last, self.zone))
            return ", ".join(said)
        said = [_subject_in_words(self), when_in_words(self.window, self.last, self.zone)]
        if self.order == "oldest":
            said.append("oldest first")
        if self.limit == 1:
            said.append("only the first of them" if self.order == "oldest" else "only the newest")
        elif self.limit != DEFAULT_LIMIT:
            said.append(f"at most {self.limit:,}")
        return ", ".join(said)

    @property
    def echo(self) -> str:
        """The question in words, and on the next line as the command that can be edited and run."""
        return f"{self.words}\n{self.command}"


def _subject_in_words(search: Search) -> str:
    if search.tool == "search":
        return what_in_words(search.where)
    account = f" in account {any_of(search.where.account)}" if search.where.account else ""
    if search.tool == "identity":
        return f"All that is known of {shorten(search.where.user[0])}: users, roles and sessions{account}"
    methods = any_of(tuple(METHOD_WORDS[method] for method in search.method)) if search.method else ""
    if search.tool == "auth_model":
        asked = f", asked about {methods}" if methods else ""
        return f"How people and workloads authenticate{account}{asked}"
    said = ["Sessions", *(said_of_sessions(search.where))]
    return " ".join((*said, f"by method {methods}")) if methods else " ".join(said)


#: How the conditions of sessions are said, in the order of the sentence.
_SESSION_PHRASES = {
    "user": "of {}", "role": "of role {}", "access_key": "with access key {}", "ip": "from {}",
    "account": "in account {}", "region": "in {}",
}  # fmt: skip


def said_of_sessions(where: EventFilter) -> Iterator[str]:
    """The conditions of sessions in words: ``of role AdminRole``, ``from 203.0.113.7``."""
    for field, phrase in _SESSION_PHRASES.items():
        if values := getattr(where, field):
            yield phrase.format(any_of(values))


#: What of each tool of IAM and of endpoint alerts stands without an option, in order.
_ARGUMENTS: dict[Tool, tuple[str, ...]] = {
    "iam_role": ("name",), "iam_can": ("principal", "action", "resource"), "iam_who_can": ("action", "resource"),
    "correlate_host": ("host",), "correlate_alert": ("alert",),
}  # fmt: skip


def _asked_with(search: Search) -> dict[str, Any]:
    """The keyword arguments of the tools of IAM and of endpoint alerts."""
    rights = search.rights
    with_resource = {} if rights.resource == "*" else {"resource": rights.resource}
    own: dict[Tool, dict[str, Any]] = {
        "iam_role": {"name": rights.principal},
        "iam_scan": {
            **({"kind": rights.kind} if rights.kind else {}),
            **({} if rights.min_severity == "info" else {"min_severity": rights.min_severity}),
        },
        "iam_can": {
            "principal": rights.principal,
            **({"on": rights.resource} if rights.on else {"action": rights.action, **with_resource}),
        },
        "iam_who_can": {"action": rights.action, **with_resource},
        "correlate_host": {"host": search.host},
        "correlate_alert": {"alert": search.alert},
        "correlate_recent": {"user": search.where.user} if search.where.user else {},
    }
    found = own.get(search.tool, {})
    if search.tool in RIGHTS_TOOLS and search.where.account:
        found["account"] = search.where.account
    return found | ({"window": search.window} if search.tool in TIMED_TOOLS else {})


def _asked_options(search: Search) -> Iterator[str]:
    """The same as words of a command line; what could be taken for an option stands behind two dashes."""
    asked = _asked_with(search)
    asked.pop("window", None)
    alone = [asked.pop(name) for name in _ARGUMENTS.get(search.tool, ()) if name in asked]
    options: list[str] = []
    for name, values in asked.items():
        for value in values if isinstance(values, tuple) else (values,):
            options.extend(_option(f"--{name.replace('_', '-')}", value))
    if search.tool in TIMED_TOOLS:
        options.extend((*_time_options(search), *_zone_option(search)))
    dashed = any(value.startswith("-") for value in alone)
    yield from (*options, "--", *alone) if dashed else (*alone, *options)


def _asked_in_words(search: Search) -> str:
    """What is asked of IAM or of endpoint alerts, without its time."""
    rights = search.rights
    account = f" in account {any_of(search.where.account)}" if search.where.account else ""
    who = " ".join(filter(None, (rights.principal_kind, shorten(rights.principal, 160))))
    kinds = " and ".join(f"{kind}s" for kind in rights.kind) or "principals"
    resource = "any resource" if rights.resource == "*" else shorten(rights.resource, 160)
    action = shorten(rights.action)
    match search.tool:
        case "iam_role":
            return f"What {who} can do{account}, who can become it, and how far it can climb"
        case "iam_scan":
            least = "" if rights.min_severity == "info" else f" of at least {rights.min_severity} severity"
            return f"What all {kinds}{account} can do, and how far they can climb{least}"
        case "iam_can" if rights.on:
            return f"All that {who} can do on {resource}{account}"
        case "iam_can":
            return f"Whether {who} can {action} on {resource}{account}"
        case "iam_who_can":
            return f"Which principals can {action} on {resource}{account}"
        case "iam_changes":
            return f"What changed in IAM{account}, and who can do what since"
        case "correlate_host":
            return f"Endpoint alerts on host {shorten(search.host)}, and the AWS sessions that they may belong to"
        case "correlate_alert":
            return f"The AWS sessions that endpoint alert {shorten(search.alert, 200)} may belong to"
        case "correlate_session":
            return f"Which endpoint alerts touch {shorten(search.session)}"
        case _:
            of = f" of user {any_of(search.where.user)}" if search.where.user else ""
            return f"Endpoint alerts{of}, and what happened in AWS afterwards"


def _option(name: str, value: str) -> tuple[str, ...]:
    return (f"{name}={value}",) if value.startswith("-") else (name, value)


def _positional(value: str, options: tuple[str, ...]) -> tuple[str, ...]:
    """An argument with options; what could be taken for an option or a command stands behind two dashes."""
    if value.startswith("-") or value in _NOT_PEOPLE:
        return (*options, "--", value)
    return (value, *options)


def _session_options(search: Search) -> Iterator[str]:
    for field in _FIELDS[search.tool]:
        for value in getattr(search.where, field):
            yield from _option(f"--{field.replace('_', '-')}", value)
    if search.tool == "sessions_list":
        for method in search.method:
            yield from ("--method", method)
    yield from _time_options(search)
    if search.limit != DEFAULT_LIMIT:
        yield from ("--limit", str(search.limit))
    yield from _zone_option(search)


def _options(search: Search) -> Iterator[str]:
    where = search.where
    for prefix, part in (("--", where), ("--not-", where.exclude)):
        for field in VALUE_FIELDS:
            for value in getattr(part, field, ()):
                yield from _option(f"{prefix}{field.replace('_', '-')}", value)
    for field, (yes, no) in SWITCHES.items():
        switched = getattr(where, field)
        if switched is not None:
            yield yes if switched else no
    yield from _time_options(search)
    if search.order != "newest":
        yield from ("--order", search.order)
    if search.limit != DEFAULT_LIMIT:
        yield from ("--limit", str(search.limit))
    yield from _zone_option(search)


def _time_options(search: Search) -> Iterator[str]:
    if search.last is not None:
        yield from ("--last", "".join(f"{count}{unit}" for count, unit in _parts(search.last)))
    elif search.window is not None:
        if search.window.start != EPOCH:
            yield from ("--from", format_instant(search.window.start))
        yield from ("--to", format_instant(search.window.end))


def _zone_option(search: Search) -> Iterator[str]:
    if (name := zone_name(search.zone)) != "UTC":
        yield from ("--tz", name)


def _parts(span: timedelta) -> list[tuple[int, str]]:
    """A span as counts of units, the largest first; one day is said as 24 hours."""
    seconds = int(span.total_seconds())
    if seconds == 86400:
        return [(24, "h")]
    parts = []
    for unit, size in _LAST_UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append((count, unit))
    return parts


def zone_name(zone: tzinfo) -> str:
    """The zone as ``--tz`` reads it: an IANA name or an offset."""
    key = getattr(zone, "key", None)
    if key:
        return str(key)
    offset = zone.utcoffset(None)
    if not offset:
        return "UTC"
    minutes = int(offset.total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def what_in_words(where: EventFilter) -> str:
    """The filter in words: ``Failed calls by jane in eu-central-1``."""
    kind = {None: "", True: "reading ", False: "changing "}[where.read_only]
    outcome = {None: "", True: "failed ", False: "successful "}[where.failed]
    denied = {None: "", True: "denied ", False: "not denied "}[where.denied]
    text = " ".join((f"{outcome}{denied}{kind}".strip() or "API", "calls", *clauses(where)))
    return text[0].upper() + text[1:]


def clauses(where: EventFilter) -> Iterator[str]:
    """The conditions of a filter in words, without its switches: ``by jane``, ``in eu-central-1``."""
    for field, phrase in _PHRASES.items():
        values: tuple[str, ...] = getattr(where, field)
        if values:
            yield phrase.format(any_of(_without_paths(values)))
    if where.exclude is not None:
        yield "except those"
        yield " or ".join(clauses(where.exclude))


def _without_paths(values: tuple[str, ...]) -> tuple[str, ...]:
    """``AdminRole`` says ``*/AdminRole`` as well."""
    return tuple(value for value in values if not value.startswith("*/") or value[2:] not in values)


def any_of(values: tuple[str, ...], *, most: int = 5) -> str:
    """``a, b or c``; long lists and long values are cut. Empty for no values."""
    if not values:
        return ""
    shown = [shorten(value) for value in values[:most]]
    if len(values) > most:
        shown.append(f"{len(values) - most} others")
    return " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def shorten(text: str, most: int = 80) -> str:
    """Text of a log or a question, made safe to stand in a sentence: printable, and not longer than ``most``."""
    plain = "".join(character if character.isprintable() else "�" for character in text)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def when_in_words(window: Window | None, last: timedelta | None, zone: tzinfo) -> str:
    """``in the last 24 hours (2026-11-23 03:42 to 2026-11-24 03:42 UTC)``; to the minute."""
    if window is None:
        return "at any recorded time"
    if window.start == EPOCH:
        return f"before {moment_in_words(window.end, zone, seconds=False)}"
    joint = " to " if last is not None else " and "
    ends = span_in_words(window.start, window.end, zone, joint)
    return f"in the last {_span_words(last)} ({ends})" if last is not None else f"between {ends}"


def _span_words(span: timedelta) -> str:
    parts = _parts(span)
    if parts[0][0] == 1 and len(parts) == 1:
        return _UNIT_WORDS[parts[0][1]]
    return " ".join(f"{count} {_UNIT_WORDS[unit]}{'' if count == 1 else 's'}" for count, unit in parts)


def span_in_words(start: datetime, end: datetime, zone: tzinfo, joint: str) -> str:
    """``2026-11-23 14:00 to 16:00 UTC``; an end on the same day leaves its date out."""
    first, second = start.astimezone(zone), end.astimezone(zone)
    if first.utcoffset() != second.utcoffset():
        return joint.join(moment_in_words(each, zone, seconds=False) for each in (start, end))
    left = f"{first:%Y-%m-%d %H:%M}"
    right = f"{second:%H:%M}" if first.date() == second.date() else f"{second:%Y-%m-%d %H:%M}"
    return f"{left}{joint}{right} {_zone_words(second)}"


def moment_in_words(instant: datetime, zone: tzinfo, *, seconds: bool = True) -> str:
    """``2026-11-24 03:42:38 UTC``."""
    local = instant.astimezone(zone)
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    return f"{local:%Y-%m-%d} {clock} {_zone_words(local)}"


def _zone_words(local: datetime) -> str:
    if local.tzinfo is UTC or zone_name(local.tzinfo or UTC) == "UTC":
        return "UTC"
    offset = f"{local:%z}"
    return f"UTC{offset[:3]}:{offset[3:]}"
