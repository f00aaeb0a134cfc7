"""The answer in words: how many, who, what, when and from where, and what was not looked at.

The counts are of all events that match; lists are of the most frequent values, and say so where there are more.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, tzinfo

import msgspec

from ..model.event import Event, EventFilter, EventPage, FacetValue
from ..model.finding import Coverage, Finding
from ..model.time import DELIVERY_DELAY, Window, format_duration
from .command import any_of, clauses, moment_in_words, shorten, when_in_words
from .interpret import Interpretation
from .meanings import FAILED_SIGN_INS, SIGN_INS, Focus
from .notable import actor, findings

#: An EventPage shows at most so many values of a facet: fewer are all that there are.
FACET_VALUES = 10
_SHOWN_FIRST, _SHOWN_BESIDES = 10, 3
_MOST_GAPS = 3


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: ``summary`` in words, ``findings`` with the records that show them, ``notices`` about names."""

    summary: str
    findings: tuple[Finding, ...] = ()
    notices: tuple[str, ...] = ()


class _Facet(msgspec.Struct, frozen=True):
    """How the values of a facet are told."""

    name: str
    one: str
    many: str
    lead: str
    missing: str


_FACETS: Mapping[Focus, _Facet] = {
    "who": _Facet("principal", "caller", "callers", "By", "an unnamed caller"),
    "where_from": _Facet("source_ip", "address", "addresses", "From", "no recorded address"),
    "actions": _Facet("event", "operation", "operations", "Of", "unnamed"),
    "regions": _Facet("region", "Region", "Regions", "In", "no Region"),
    "accounts": _Facet("account", "account", "accounts", "In", "no account"),
    "keys": _Facet("access_key", "access key", "access keys", "With", "no access key"),
    "agents": _Facet("user_agent", "user agent", "user agents", "With", "no user agent"),
    "errors": _Facet("error", "error code", "error codes", "With", "no error code"),
}


def summarize(interpretation: Interpretation, page: EventPage, *, now: datetime, zone: tzinfo) -> Answer:
    """What ``page`` says to the question. Times are told in ``zone``.

    ``page`` is the answer of the search that ``interpretation`` stands for; one whose coverage is incomplete
    says so in the summary itself.
    """
    teller = _Teller(interpretation, page, now=now, zone=zone)
    sentences = teller.found() if page.total else teller.nothing()
    return Answer(
        summary=" ".join((*sentences, *not_looked_at(page.coverage, interpretation.window, now=now))),
        findings=findings(page),
        notices=interpretation.notices,
    )


class _Teller:
    """The sentences of one answer."""

    def __init__(self, interpretation: Interpretation, page: EventPage, *, now: datetime, zone: tzinfo) -> None:
        self.asked = interpretation
        self.where = interpretation.where
        self.page = page
        self.now = now
        self.zone = zone
        self.noun = _noun(self.where)
        self.when = when_in_words(interpretation.window, interpretation.last, zone)

    # ---- something was found

    def found(self) -> Iterator[str]:
        """The sentences, what was asked for first."""
        focus = self.asked.focus
        told: set[Focus] = {focus}
        if focus in {"when_last", "when_first"} and self.page.events:
            yield from self._moment()
        else:
            yield self._count(yes=focus == "exists")
        for asked in (focus, *self.asked.also):
            told.add(asked)
            yield from self._asked(asked)
        if focus in {"when_last", "when_first"}:
            return
        if self.where.failed is None and self.where.denied is None:
            yield self._outcomes()
        besides: tuple[Focus, ...] = ("who", "where_from", "actions")
        for other in besides:
            if other not in told and not self._fixed(other):
                yield self._list(other, most=_SHOWN_BESIDES)
        yield from self._span()

    def _count(self, *, yes: bool) -> str:
        subject, rest = _subject(self.where)
        counted = f"{_adjectives(self.where)}{self.noun[0] if self.page.total == 1 else self.noun[1]}"
        counted = f"{self.page.total:,} {counted}"
        clause = " ".join(("", *rest)) if rest else ""
        if subject:
            said = f"{subject} made {counted}{clause} {self.when}."
        else:
            said = f"There {'was' if self.page.total == 1 else 'were'} {counted}{clause} {self.when}."
        return f"Yes: {said[0].lower() if said.startswith('There') else said[0]}{said[1:]}" if yes else said

    def _moment(self) -> Iterator[str]:
        """The first or the last event, whole: who, what, from where, with which outcome."""
        event = (max if self.asked.focus == "when_last" else min)(self.page.events, key=lambda found: found.time)
        which = "last" if self.asked.focus == "when_last" else "first"
        span = self.now - event.time
        ago = f" ({format_duration(span)} ago)" if span >= timedelta(seconds=1) else ""
        yield (
            f"The {which} {_adjectives(self.where)}{self.noun[0]}{_searched(self.where)} was at "
            f"{moment_in_words(event.time, self.zone)}{ago}: {self._described(event)}."
        )
        if self.page.total == 1:
            yield f"It is the only one {self.when}."
        else:
            yield f"It is the {which} of {self.page.total:,} {self.when}."

    def _described(self, event: Event) -> str:
        parts = [f"{shorten(event.name or 'an unnamed call')} by {actor(event)}"]
        if event.source_ip:
            parts.append(f"from {shorten(event.source_ip)}")
        if event.region:
            parts.append(f"in {shorten(event.region)}")
        if event.account:
            parts.append(f"in account {shorten(event.account)}")
        failed = f"failed ({shorten(event.error_code or event.error_message or 'no reason recorded')})"
        outcome = "it succeeded" if event.outcome == "success" else f"it {failed}"
        return f"{' '.join(parts)}; {outcome}"

    def _asked(self, focus: Focus) -> Iterator[str]:
        if focus in _FACETS:
            yield self._list(focus, most=_SHOWN_FIRST)
        elif focus == "services":
            yield self._services()
        elif focus == "roles":
            yield self._roles()
        elif focus == "when_last" and self.asked.focus != "when_last" and self.page.last:
            yield f"The last was at {moment_in_words(self.page.last, self.zone)}."

    def _values(self, focus: Focus) -> tuple[FacetValue, ...]:
        found = self.page.facets.get(_FACETS[focus].name, ())
        return tuple(value for value in found if value.value is not None) if focus == "errors" else tuple(found)

    def _fixed(self, focus: Focus) -> bool:
        """Whether the question itself says it, or there is nothing to tell."""
        if focus == "who" and _subject(self.where)[0]:
            return True
        values = self._values(focus)
        asked = {"where_from": self.where.ip, "actions": self.where.event, "who": ()}[focus]
        return not values or (len(values) == 1 and bool(asked)) or (len(values) == 1 and values[0].value is None)

    def _list(self, focus: Focus, *, most: int) -> str:
        """``From 3 addresses: 185.220.101.1 (47 calls), …``."""
        facet, values = _FACETS[focus], self._values(focus)
        if not values:
            return f"No {facet.one} is recorded for them."
        shown = ", ".join(self._counted(value, facet, first=index == 0) for index, value in enumerate(values[:most]))
        if len(values) == 1:
            single = shown if values[0].value is None else f"one {facet.one}: {shown}"
            return f"{facet.lead} {single}."
        count = (
            f"{len(values):,}" if len(values) < FACET_VALUES or self._all(focus, values) else f"{len(values):,} or more"
        )
        more = ", most often" if len(values) > most or count.endswith("more") else ""
        return f"{facet.lead} {count} {facet.many}{more}: {shown}."

    def _all(self, focus: Focus, values: tuple[FacetValue, ...]) -> bool:
        return sum(value.count for value in values) == (self.page.failed if focus == "errors" else self.page.total)

    def _counted(self, value: FacetValue, facet: _Facet, *, first: bool) -> str:
        name = facet.missing if value.value is None else shorten(value.value)
        unit = f" {self.noun[0] if value.count == 1 else self.noun[1]}" if first else ""
        return f"{name} ({value.count:,}{unit})"

    def _services(self) -> str:
        counts: Counter[str] = Counter()
        values = self.page.facets.get("event", ())
        for value in values:
            counts[(value.value or "unnamed").split(":", 1)[0]] += value.count
        listed = ", ".join(f"{shorten(name)} ({count:,})" for name, count in counts.most_common(_SHOWN_FIRST))
        seen = sum(counts.values())
        told = (
            ""
            if seen == self.page.total
            else f" in the most frequent operations ({seen:,} of {self.page.total:,} calls)"
        )
        number = f"{len(counts):,} service{'' if len(counts) == 1 else 's'}"
        return f"Of {number}{told}: {listed}."

    def _roles(self) -> str:
        counts: Counter[str] = Counter()
        for event in self.page.events:
            assumed = (event.name or "").startswith("AssumeRole")
            asked = event.request.get("roleArn") if assumed and isinstance(event.request, dict) else None
            role = asked if isinstance(asked, str) else None if assumed else event.role_arn
            counts[role or "no recorded role"] += 1
        listed = ", ".join(f"{shorten(name, 160)} ({count:,})" for name, count in counts.most_common(_SHOWN_FIRST))
        part = len(self.page.events) < self.page.total
        told = f" in the {len(self.page.events):,} of {self.page.total:,} events on this page" if part else ""
        return f"Roles{told}: {listed}."

    def _outcomes(self) -> str:
        failed, total = self.page.failed, self.page.total
        if not failed:
            return "It succeeded." if total == 1 else "All succeeded."
        codes = self._values("errors")
        listed = ", ".join(f"{shorten(value.value or '')} {value.count:,}" for value in codes[:_SHOWN_BESIDES])
        more = ", …" if len(codes) > _SHOWN_BESIDES else ""
        why = f" ({listed}{more})" if listed else ""
        if failed == total:
            return f"It failed{why}." if total == 1 else f"All failed{why}."
        return f"{total - failed:,} succeeded, {failed:,} failed{why}."

    def _span(self) -> Iterator[str]:
        first, last = self.page.first, self.page.last
        if first is None or last is None:
            return
        if first == last:
            yield f"{'It was' if self.page.total == 1 else 'All were'} at {moment_in_words(first, self.zone)}."
        else:
            yield (
                f"The first was at {moment_in_words(first, self.zone)}, the last at {moment_in_words(last, self.zone)}."
            )

    # ---- nothing was found

    def nothing(self) -> Iterator[str]:
        """That nothing matches, and what was looked at: nothing found and not looked are different answers."""
        coverage = self.page.coverage
        asked = f"{_adjectives(self.where)}{self.noun[1]}{_searched(self.where)} {self.when}"
        if not coverage.accounts and not coverage.sources:
            yield f"Nothing was looked at, so there is no answer to: {asked}."
            return
        yield f"No events match: {asked}."
        yield f"This looked at {looked_at(coverage, self.zone)}."


def not_looked_at(coverage: Coverage, window: Window | None, *, now: datetime) -> Iterator[str]:
    """What was not looked at, and what may still come, in sentences."""
    gaps = coverage.gaps
    if gaps:
        reasons = "; ".join(dict.fromkeys(shorten(gap.reason, 200).rstrip(".") for gap in gaps[:_MOST_GAPS]))
        more = f"; and {len(gaps) - _MOST_GAPS:,} more" if len(gaps) > _MOST_GAPS else ""
        yield f"This is not everything: {reasons}{more}."
    if (window is None or window.end > now - DELIVERY_DELAY) and not gaps:
        yield "Events of the last 15 minutes may not have been delivered yet."


def _noun(where: EventFilter) -> tuple[str, str]:
    names = set(where.event)
    if names and names <= {*SIGN_INS, *FAILED_SIGN_INS}:
        return ("sign-in attempt", "sign-in attempts") if where.failed else ("sign-in", "sign-ins")
    return "call", "calls"


def _adjectives(where: EventFilter) -> str:
    kind = {None: "", True: "reading ", False: "changing "}[where.read_only]
    failed = {None: "", True: "failed ", False: "successful "}[where.failed]
    return {None: "", True: "denied ", False: "not denied "}[where.denied] + failed + kind


def _subject(where: EventFilter) -> tuple[str, list[str]]:
    """Who the sentence is about, if the question names one, and the other conditions in words."""
    leads = {
        "user": "", "role": "Role ", "access_key": "Access key ", "session": "Session ", "arn": "",
        "principal_type": "Callers of type ",
    }  # fmt: skip
    if where.principal_type == ("Root",) and not where.user:
        rest = list(clauses(msgspec.structs.replace(where, principal_type=())))
        return "The root user", _without_sign_in(where, rest)
    for field, lead in leads.items():
        if values := getattr(where, field):
            rest = list(clauses(msgspec.structs.replace(where, **{field: ()})))
            return f"{lead}{any_of(values)}", _without_sign_in(where, rest)
    return "", _without_sign_in(where, list(clauses(where)))


def _searched(where: EventFilter) -> str:
    """The conditions in words, with a space before them; empty if there is none."""
    return "".join(f" {clause}" for clause in _without_sign_in(where, list(clauses(where))))


def _without_sign_in(where: EventFilter, said: list[str]) -> list[str]:
    """The noun says sign-ins already, so that the event names need not be."""
    if _noun(where)[0] == "call":
        return said
    names = f"named {any_of(where.event)}"
    return [clause for clause in said if clause != names]


def looked_at(coverage: Coverage, zone: tzinfo) -> str:
    """``2 accounts in 17 Regions, up to 2026-11-24 03:37:38 UTC``."""
    accounts, regions = coverage.accounts, coverage.regions
    said = f"{len(accounts):,} account{'' if len(accounts) == 1 else 's'}"
    if 0 < len(accounts) <= 3:
        said = f"account{'' if len(accounts) == 1 else 's'} {', '.join(accounts)}"
    if regions:
        said += f" in {regions[0]}" if len(regions) == 1 else f" in {len(regions):,} Regions"
    if coverage.fresh_until is not None:
        said += f", up to {moment_in_words(coverage.fresh_until, zone)}"
    return said
