"""A search as the query of an address, and what a person types as a filter.

``/search?user=john@company.com&not_event=s3:*&last=24h&failed=true``: the fields of EventFilter by name, repeated for
alternatives; ``not_…`` leaves out; the window is ``last`` (``all``: no window), or ``from`` and ``to``.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from starlette.datastructures import QueryParams

from ...errors import UsageError
from ...model.event import VALUE_FIELDS, EventFilter
from ...model.time import Window, format_instant, parse_window

SWITCHES: tuple[str, ...] = ("denied", "failed", "read_only")
#: The facets of an answer, their headings, and the filter that one of their values becomes.
FACETS: Mapping[str, tuple[str, str]] = {
    "principal": ("Who", "user"),
    "event": ("Event", "event"),
    "source_ip": ("Address", "ip"),
    "error": ("Error", "error"),
    "access_key": ("Access key", "access_key"),
    "account": ("Account", "account"),
    "region": ("Region", "region"),
    "user_agent": ("User agent", "user_agent"),
}
#: Spans that are offered.
SPANS: tuple[tuple[str, str], ...] = (
    ("1h", "Last hour"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
    ("90d", "Last 90 days"),
    ("all", "All time"),
)
#: The span where an address names none: a lake is large, and an incident is usually young.
USUAL_SPAN = "24h"
_NAMES = {"ip": "IP", "not_ip": "not IP", "arn": "ARN", "not_arn": "not ARN"}
_KIND: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(AKIA|ASIA)[A-Z0-9]{12,}"), "access_key"),
    (re.compile(r"\d{12}"), "account"),
    (re.compile(r"\d{1,3}(\.(\d{1,3}|\*)){3}(/\d{1,2})?"), "ip"),
    (re.compile(r"[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}(/\d{1,3})?", re.IGNORECASE), "ip"),
    (re.compile(r"arn:[\w-]+:(iam|sts)::\S+"), "arn"),
    (re.compile(r"arn:\S+"), "resource"),
    (re.compile(r"[\w.+-]+@[\w.-]+"), "user"),
    (re.compile(r"[a-z]{2}(-[a-z]+)+-\d"), "region"),
    (re.compile(r"[a-z0-9-]+:[A-Z*][A-Za-z0-9*]*"), "event"),
    (re.compile(r"[a-z0-9-]+\.amazonaws\.com"), "source"),
    (re.compile(r"[A-Z][a-z]+[A-Z0-9][A-Za-z0-9]*"), "event"),
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A search as an address says it. ``last``, ``start`` and ``end`` as written; ``window`` is what they mean."""

    where: EventFilter
    window: Window | None
    last: str = ""
    start: str = ""
    end: str = ""

    def parameters(self, **changes: str) -> list[tuple[str, str]]:
        """The query of the same search; ``changes`` replace parts of it, an empty text takes a part away."""
        said = [*where_parameters(self.where), ("last", self.last), ("from", self.start), ("to", self.end)]
        kept = [(name, value) for name, value in said if value and name not in changes]
        return [*kept, *((name, value) for name, value in changes.items() if value)]

    def values(self, name: str) -> list[str]:
        """The values of a filter, for a form: an empty one if it is not set."""
        return [value for each, value in where_parameters(self.where) if each == name] or [""]

    def adding(self, name: str, value: str) -> list[tuple[str, str]]:
        """The query with one filter more."""
        kept = self.parameters()
        return kept if (name, value) in kept else [*kept, (name, value)]

    def without(self, name: str, value: str) -> list[tuple[str, str]]:
        """The query with one filter less."""
        return [each for each in self.parameters() if each != (name, value)]


def asked(query: QueryParams, *, now: datetime, zone: tzinfo) -> Asked:
    """The search that an address stands for.

    Raises:
        UsageError: a time that cannot be read, or a switch that is neither true nor false.
    """
    given = {name: tuple(value for value in query.getlist(name) if value.strip()) for name in query}
    excluded = {name: given[f"not_{name}"] for name in VALUE_FIELDS if given.get(f"not_{name}")}
    fields: dict[str, Any] = {name: given[name] for name in VALUE_FIELDS if name in given}
    fields |= {name: _switch(name, given[name][-1]) for name in SWITCHES if given.get(name)}
    fields["exclude"] = msgspec.convert(excluded, EventFilter) if excluded else None
    where = EventFilter(**fields)
    last, start, end = (query.get(name, "").strip() for name in ("last", "from", "to"))
    if not (last or start or end):
        last = USUAL_SPAN
    span = None if last == "all" else last or None
    window = parse_window(last=span, start=start or None, end=end or None, now=now, zone=zone)
    return Asked(where=where, window=window, last=last, start=start, end=end)


def _switch(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise UsageError(f"{name}={value}", remedy=f"{name} is true or false")
    return value == "true"


def where_parameters(where: EventFilter) -> list[tuple[str, str]]:
    """A filter as the query of an address."""
    said = [(name, value) for name in VALUE_FIELDS for value in getattr(where, name)]
    said += [(name, "true" if wanted else "false") for name in SWITCHES if (wanted := getattr(where, name)) is not None]
    if where.exclude is not None:
        said += [(f"not_{name}", value) for name in VALUE_FIELDS for value in getattr(where.exclude, name)]
    return said


def window_parameters(window: Window | None) -> list[tuple[str, str]]:
    """A window as the query of an address: it stays where it is, whenever the address is opened."""
    return (
        [("last", "all")]
        if window is None
        else [("from", format_instant(window.start)), ("to", format_instant(window.end))]
    )


def facet_parameter(facet: str, value: str) -> tuple[str, str]:
    """The filter that a facet's value stands for. A service that calls has its name as its address."""
    if facet == "principal" and value.endswith(".amazonaws.com"):
        return "ip", value
    return FACETS[facet][1], value


def understood(text: str) -> tuple[str, str]:
    """What a person types as a filter: ``ip:203.0.113.7``, ``-user:deploy`` leaves out; without a field, by its form.

    Raises:
        UsageError: nothing is typed, or nothing after the field.
    """
    typed = text.strip()
    no, body = ("not_", typed[1:]) if typed[:1] in ("-", "!") else ("", typed)
    field, colon, value = body.partition(":")
    name = field.strip().lower().replace("-", "_")
    if body.startswith("arn:aws"):  # an ARN's first field is no filter's name
        name = ""
    if colon and name in VALUE_FIELDS and value.strip():
        return no + name, value.strip()
    if not body.strip() or (colon and name in VALUE_FIELDS):
        raise UsageError("an empty filter", remedy="type a value, such as ip:203.0.113.7 or john@company.com")
    kind = next((kind for pattern, kind in _KIND if pattern.fullmatch(body)), "text")
    return no + kind, body


def words_of(name: str) -> str:
    """A field as people read it: ``not user agent``."""
    return _NAMES.get(name) or name.replace("_", " ")


def said(parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str, str, str]]:
    """Filters as chips: the field, its words, the value, and the value's words."""
    switches = {
        ("denied", "true"): "denied", ("denied", "false"): "not denied", ("failed", "true"): "failed",
        ("failed", "false"): "succeeded", ("read_only", "true"): "reads", ("read_only", "false"): "changes",
    }  # fmt: skip
    chips = [(name, value) for name, value in parameters if name not in ("last", "from", "to")]
    return [
        (name, "only", value, switches[name, value])
        if (name, value) in switches
        else (name, words_of(name), value, value)
        for name, value in chips
    ]
