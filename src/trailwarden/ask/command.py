"""A search in words, and as the command line that is equal to it."""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

import msgspec

from ..model.event import VALUE_FIELDS, EventFilter, Order
from ..model.time import EPOCH, Window, format_instant

DEFAULT_LIMIT = 100
#: Switch of EventFilter -> the options for true and for false.
SWITCHES = {
    "denied": ("--denied", "--not-denied"),
    "failed": ("--failed", "--succeeded"),
    "read_only": ("--read-only", "--changes"),
}
Tool = Literal["search", "lake_info", "accounts_doctor"]
_TOOL_WORDS: dict[Tool, str] = {
    "lake_info": "What the lake holds",
    "accounts_doctor": "Whether the connected accounts can be read",
}
_COMMANDS: dict[Tool, str] = {"lake_info": "trailwarden lake info", "accounts_doctor": "trailwarden accounts doctor"}
#: How each field is said, in the order of the sentence.
_PHRASES = {
    "user": "by {}", "role": "by role {}", "session": "by session {}", "arn": "by {}",
    "principal_type": "by {} callers", "access_key": "with access key {}", "ip": "from {}", "event": "named {}",
    "source": "of {}", "resource": "on {}", "error": "with error {}", "user_agent": "with user agent {}",
    "account": "in account {}", "region": "in {}", "text": "that mention {}",
}  # fmt: skip
_LAST_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_UNIT_WORDS = {"d": "day", "h": "hour", "m": "minute", "s": "second"}


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """A search as a question asks for it. ``last`` is set where the window is that span up to now."""

    tool: Tool = "search"
    where: EventFilter = EventFilter()
    window: Window | None = None
    order: Order = "newest"
    limit: int = DEFAULT_LIMIT
    zone: tzinfo
    last: timedelta | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """What the tool is called with, JSON-able; times are ISO 8601 in UTC."""
        if self.tool != "search":
            return {}
        window = self.window and {"start": format_instant(self.window.start), "end": format_instant(self.window.end)}
        where = msgspec.to_builtins(self.where)
        return {"where": where, "window": window, "order": self.order, "limit": self.limit}

    @property
    def command(self) -> str:
        """The command line that asks the same; a shell reads it as it stands."""
        return _COMMANDS.get(self.tool) or shlex.join(("trailwarden", "search", *_options(self)))

    @property
    def words(self) -> str:
        """The search as a sentence, without its full stop."""
        if self.tool != "search":
            return _TOOL_WORDS[self.tool]
        said = [what_in_words(self.where), when_in_words(self.window, self.last, self.zone)]
        if self.order == "oldest":
            said.append("oldest first")
        if self.limit == 1:
            said.append("only the first of them" if self.order == "oldest" else "only the newest")
        elif self.limit != DEFAULT_LIMIT:
            said.append(f"at most {self.limit:,}")
        return ", ".join(said)

    @property
    def echo(self) -> str:
        """The search in words, and on the next line as the command that can be edited and run."""
        return f"{self.words}\n{self.command}"


def _options(search: Search) -> Iterator[str]:
    where = search.where
    for prefix, part in (("--", where), ("--not-", where.exclude)):
        for field in VALUE_FIELDS:
            for value in getattr(part, field, ()):
                option = f"{prefix}{field.replace('_', '-')}"
                yield from (f"{option}={value}",) if value.startswith("-") else (option, value)
    for field, (yes, no) in SWITCHES.items():
        switched = getattr(where, field)
        if switched is not None:
            yield yes if switched else no
    if search.last is not None:
        yield from ("--last", "".join(f"{count}{unit}" for count, unit in _parts(search.last)))
    elif search.window is not None:
        if search.window.start != EPOCH:
            yield from ("--from", format_instant(search.window.start))
        yield from ("--to", format_instant(search.window.end))
    if search.order != "newest":
        yield from ("--order", search.order)
    if search.limit != DEFAULT_LIMIT:
        yield from ("--limit", str(search.limit))
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
    """``a, b or c``; long lists and long values are cut."""
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
