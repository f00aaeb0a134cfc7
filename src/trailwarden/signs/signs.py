"""The signs of one subject in a window: its calls, against its history, lists, and each other."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from ..detect import called, detection, in_order
from ..model.event import Event
from ..model.finding import Evidence, Finding, Severity
from ..model.time import format_instant
from ..places import Place
from .addresses import AddressList, neighbourhood, public_address
from .conduct import ASSUME_ADMINISTRATOR, DENIED_BURST, RECONNAISSANCE, assumed_role, conduct, is_outsiders
from .history import MIN_DAYS, MIN_HOURS, USUAL_DAYS, Amounts, History
from .rules import Family, rule_of

#: Records that a sign cites at most.
MOST_EVIDENCE = 5
_NAMED = 3
#: What a sign that is usual for the subject, or that has an innocent explanation in the records, still weighs.
_LESS = 0.5
_OFF_INSTANCE = "conduct-instance-credentials"


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """One rule that holds for the subject: ``count`` calls show it, from ``first`` to ``last``, of which ``evidence``
    cites some. ``weight`` is the rule's, halved where ``reason`` says why."""

    id: str
    title: str
    technique: str
    severity: Severity
    family: Family
    weight: float
    reason: str
    count: int
    first: datetime | None
    last: datetime | None
    evidence: tuple[Evidence, ...]


class Signs(msgspec.Struct, frozen=True):
    """The signs, the weightiest first, and what could not be judged, in words."""

    signs: tuple[Sign, ...] = ()
    notes: tuple[str, ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules look at.

    ``events`` are the subject's in the window; ``counted`` those of them that its history counts, where that is not all
    (sessions that the subject issued are none of its history). ``history`` None: there is none to compare with, for the
    reason in ``no_history``. ``place_of`` tells where an address is, None if unknown. ``administrators`` are ARNs of
    roles, None: not known. ``findings`` are those of :mod:`trailwarden.session_findings` on the subject's sessions.
    """

    events: Sequence[Event]
    history: History | None
    no_history: str = ""
    place_of: Callable[[str], Place | None]
    lists: Sequence[AddressList] = ()
    administrators: frozenset[str] | None = None
    findings: Sequence[Finding] = ()
    counted: Sequence[Event] | None = None


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule found: the calls that show it, what is said of them, and the field that each is cited by."""

    rule: str
    events: Sequence[Event]
    reason: str
    cite: Callable[[Event], tuple[str, str]]


def signs_of(facts: Facts) -> Signs:
    """Every rule that holds for the subject. The order of its events changes nothing."""
    calls = in_order(facts.events)
    theirs = [each for each in calls if not is_outsiders(each)]
    found = [*_origin(facts, theirs), *_listed(facts, theirs), *_amounts(facts), *_conduct(facts, calls)]
    signs = [_sign(each, facts.history) for each in found]
    signs += [_of_finding(each) for each in facts.findings if each.id == "instance_credentials_off_instance"]
    signs.sort(key=lambda sign: (-sign.weight, sign.id))
    return Signs(tuple(signs), tuple(_notes(facts, calls)))


def _sign(found: _Found, history: History | None) -> Sign:
    rule = rule_of(found.rule)
    days = history.usual.get(rule.id, 0) if history is not None else 0
    usual = days >= USUAL_DAYS
    times = [each.time for each in found.events]
    return Sign(
        id=rule.id,
        title=rule.title,
        technique=rule.technique,
        severity=rule.severity,
        family=rule.family,
        weight=rule.weight * _LESS if usual else rule.weight,
        reason=f"{found.reason}; seen on {days} days before, so it counts half" if usual else found.reason,
        count=len(found.events),
        first=min(times),
        last=max(times),
        evidence=tuple(Evidence(each.event_id, *found.cite(each)) for each in found.events[:MOST_EVIDENCE]),
    )


# --- Where calls came from


def _origin(facts: Facts, calls: Sequence[Event]) -> Iterator[_Found]:
    """Addresses, countries and networks that the subject never called from before, in all of a long enough history."""
    history = facts.history
    if history is None or not history.enough or history.addresses_cut or not history.addresses:
        return
    before = {neighbourhood(each) for each in history.addresses}
    places = [place for each in sorted(history.addresses) if (place := facts.place_of(each)) is not None]
    known: Mapping[str, set[str]] = {
        "country": {place.country for place in places if place.country},
        "network": {place.network for place in places if place.network},
    }
    new = [(event, address) for event, address in _addressed(calls) if neighbourhood(address) not in before]
    if new:
        addresses = [address for _, address in new]
        yield _Found(
            rule="origin-first-address",
            events=[event for event, _ in new],
            reason=f"{_number(len(new), 'call')} from {_some(addresses)}, never seen here {_when(history)}",
            cite=_by_address,
        )
    for what, rule in (("country", "origin-first-country"), ("network", "origin-first-network")):
        strange = []
        for event, address in new:
            place = facts.place_of(address)
            value = getattr(place, what) if place is not None else None
            if known[what] and value is not None and value not in known[what]:
                strange.append((event, f"{value} ({address})"))
        if strange:
            usual = ", ".join(sorted(known[what])[:_NAMED])
            yield _Found(
                rule=rule,
                events=[event for event, _ in strange],
                reason=f"{_number(len(strange), 'call')} from {_some([said for _, said in strange])}; before: {usual}",
                cite=_by_address,
            )


def _listed(facts: Facts, calls: Sequence[Event]) -> Iterator[_Found]:
    on = [
        (event, address, each.name) for event, address in _addressed(calls) for each in facts.lists if address in each
    ]
    if on:
        events = list({event.event_id: event for event, _, _ in on}.values())
        said = _some([f"{address} (list {name})" for _, address, name in on])
        yield _Found(
            rule="origin-listed", events=events, reason=f"{_number(len(events), 'call')} from {said}", cite=_by_address
        )


def _addressed(calls: Sequence[Event]) -> list[tuple[Event, str]]:
    pairs = ((event, public_address(event.source_ip)) for event in calls)
    return [(event, address) for event, address in pairs if address is not None]


# --- How many calls there were


def _amounts(facts: Facts) -> Iterator[_Found]:
    history = facts.history
    if history is None:
        return
    every = in_order(facts.events if facts.counted is None else facts.counted)
    calls = [each for each in every if not is_outsiders(each)]
    for rule, amounts, least, unit, start_of in (
        ("amount-unusual-day", history.days, MIN_DAYS, "day", _day),
        ("amount-unusual-hour", history.hours, MIN_HOURS, "hour", _hour),
    ):
        if len(amounts.counts) >= least:
            yield from _outlier(rule, amounts, unit, start_of, calls)


def _outlier(
    rule: str, amounts: Amounts, unit: str, start_of: Callable[[datetime], datetime], calls: Sequence[Event]
) -> Iterator[_Found]:
    counted = Counter(start_of(event.time) for event in calls)
    over = {start: count for start, count in counted.items() if count > amounts.threshold}
    if not over:
        return
    start, most = max(over.items(), key=lambda item: (item[1], item[0]))
    yield _Found(
        rule=rule,
        events=[event for event in calls if start_of(event.time) in over],
        reason=(
            f"{most:,} calls in the {unit} from {format_instant(start)}; in {_number(len(amounts.counts), unit)} with "
            f"calls before, usually {amounts.median:,.0f}, and more than {amounts.threshold:,.0f} is unusual"
        ),
        cite=lambda event: ("eventTime", format_instant(event.time)),
    )


def _day(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _hour(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


# --- What the calls did


def _conduct(facts: Facts, calls: Sequence[Event]) -> Iterator[_Found]:
    for rule, events in conduct(calls, facts.administrators).items():
        yield _Found(rule=rule, events=events, reason=_did(rule, events), cite=_by_name(rule))


def _did(rule: str, events: Sequence[Event]) -> str:
    calls = _some([called(each) for each in events])
    if rule == ASSUME_ADMINISTRATOR:
        failed = sum(1 for each in events if each.outcome == "failure")
        roles = _some([assumed_role(each) or "" for each in events])
        return f"{_number(len(events), 'attempt')} to assume {roles}; {failed} failed"
    if rule == DENIED_BURST:
        return f"{_number(len(events), 'call')} denied in bursts: {calls}"
    if rule == RECONNAISSANCE:
        return f"within a quarter of an hour: {', '.join(called(each) for each in events)}"
    known = detection(rule)
    if known is not None and known.burst is not None:
        return f"{_number(len(events), 'burst')}, beginning with {calls}"
    failed = sum(1 for each in events if each.outcome == "failure")
    return f"{calls}: {_number(len(events), 'call')}{f', {failed} failed' if failed else ''}"


def _by_name(rule: str) -> Callable[[Event], tuple[str, str]]:
    if rule == ASSUME_ADMINISTRATOR:
        return lambda event: ("requestParameters.roleArn", assumed_role(event) or "")
    if rule == DENIED_BURST:
        return lambda event: ("errorCode", event.error_code or "")
    return lambda event: ("eventName", event.name or "")


def _by_address(event: Event) -> tuple[str, str]:
    return "sourceIPAddress", event.source_ip or ""


def _of_finding(finding: Finding) -> Sign:
    rule = rule_of(_OFF_INSTANCE)
    pooled = finding.severity != "high"
    return Sign(
        id=rule.id,
        title=rule.title,
        technique=rule.technique,
        severity=finding.severity,
        family=rule.family,
        weight=rule.weight * _LESS if pooled else rule.weight,
        reason=f"{finding.detail}; it could be a NAT gateway, so it counts half" if pooled else finding.detail,
        count=finding.count,
        first=None,
        last=None,
        evidence=finding.evidence[:MOST_EVIDENCE],
    )


# --- What could not be judged


def _notes(facts: Facts, calls: Sequence[Event]) -> Iterator[str]:
    history = facts.history
    if history is None:
        if calls:
            yield f"{facts.no_history or 'there is no history'}: what is new or unusual cannot be told"
    else:
        yield from _history_notes(history)
    if facts.administrators is None and (tried := {each for event in calls if (each := assumed_role(event))}):
        yield f"who is an administrator is not known: whether {_some(sorted(tried))} are, was not looked at"


def _history_notes(history: History) -> Iterator[str]:
    days, hours = len(history.days.counts), len(history.hours.counts)
    if not history.enough:
        yield (
            f"not enough history: {_number(days, 'day')} with calls {_when(history)}, {MIN_DAYS} are needed to tell "
            "new addresses, countries and networks, and unusual amounts"
        )
    elif not history.addresses:
        yield f"no public address {_when(history)}: a new address, country or network cannot be told"
    elif history.addresses_cut:
        yield "so many addresses before that a new one says nothing: addresses, countries and networks were not judged"
    if history.enough and hours < MIN_HOURS:
        yield f"not enough history for an unusual hour: {_number(hours, 'hour')} with calls, {MIN_HOURS} are needed"


# --- In words


def _when(history: History) -> str:
    return f"from {history.window.start:%Y-%m-%d} to {history.window.end:%Y-%m-%d}"


def _number(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def _some(texts: Sequence[str]) -> str:
    counted: dict[str, None] = dict.fromkeys(text if len(text) <= 200 else f"{text[:199]}…" for text in texts)
    names = list(counted)
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def merged(signs: Sequence[Sign]) -> tuple[Sign, ...]:
    """The signs of several subjects as those of one: of each rule the weightiest, with the records of all."""
    by_rule: dict[str, list[Sign]] = defaultdict(list)
    for sign in signs:
        by_rule[sign.id].append(sign)
    found = []
    for own in by_rule.values():
        best, *others = sorted(own, key=lambda sign: (-sign.weight, sign.reason))
        more = f" (and {_number(len(others), 'more principal')})" if others else ""
        evidence = tuple(dict.fromkeys(each for sign in (best, *others) for each in sign.evidence))
        found.append(
            msgspec.structs.replace(
                best,
                reason=f"{best.reason}{more}",
                count=sum(sign.count for sign in own),
                first=min((sign.first for sign in own if sign.first), default=None),
                last=max((sign.last for sign in own if sign.last), default=None),
                evidence=evidence[:MOST_EVIDENCE],
            )
        )
    return tuple(sorted(found, key=lambda sign: (-sign.weight, sign.id)))
