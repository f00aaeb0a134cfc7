"""Which calls deserve attention: detection rules, denied calls, first calls of that kind, and access levels.

Rules are data (``rules/detections``, a file for each service), each with its cases beside it. ``_TESTS`` is all of
their vocabulary. A rule names what was done, and judges nobody; its ``blind_spots`` say what it does not see.

A rule sees one call, but for those with ``burst``: they count different operations of one caller within a span.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from .model.alert import NotableEvent
from .model.event import DENIED_CODES, Event
from .model.finding import Severity
from .model.policy import Policy, PolicyError, PolicySource, PrincipalPattern, Statement, parse_policy
from .rules import documents

#: Access levels that are a reason by themselves, where the call succeeded.
NOTABLE_LEVELS = ("Permissions management", "Write")
Known = Callable[[str], str | None]
Outcome = Literal["success", "failure", "any"]
#: What a rule's sign tells of. Signs of one family are not independent: :mod:`.confidence` damps all but the strongest.
Family = Literal[
    "origin",  # where calls came from
    "amount",  # how many calls there were
    "authentication",  # how somebody signed in
    "credentials",  # secrets and credentials, taken or used elsewhere
    "denied",  # what was tried without permission
    "discovery",  # looking around
    "privilege",  # more permissions, or the way to an administrator
    "persistence",  # ways back in: users, keys, trusts
    "evasion",  # recording and guarding turned off
    "execution",  # code run on what others own
    "exposure",  # data or networks opened to others
    "impact",  # destruction, and use of resources
]
Test = Literal[
    "any_of",  # one of the values matches one of these patterns (*), in any case
    "none_of",  # there is a value, and none matches any of these
    "present",  # whether there is a value at all
    "over",  # one of the values is a number above this
    "policy_allows_anyone",  # a policy document allows anybody something, under no condition
    "policy_allows_everything",  # a policy document allows all actions on all resources
    "policy_names_other_account",  # a policy document allows a principal of another account than the call's
]


class Predicate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A test of one field: ``request.…``, ``response.…`` (lists are gone through), or a field of Event."""

    field: str
    test: Test
    value: tuple[str, ...] | float | bool = True


class Burst(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many different operations of one caller within so many minutes."""

    operations: Annotated[int, Meta(ge=2)]
    minutes: Annotated[int, Meta(ge=1)]


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that a rule finds, or does not: what of it differs from a successful call with nothing in it.

    ``times`` operations, ``event`` with 0, 1, … behind its name, a second each, where a burst is meant.
    """

    event: str
    request: Any = None
    response: Any = None
    error_code: str | None = None
    outcome: Literal["success", "failure"] | None = None
    principal_type: str = "AssumedRole"
    mfa: bool | None = None
    times: int = 1


class Detection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. It finds a call of one of ``events`` (``service:Name``, ``*`` for any run) that ended as ``outcome``
    says, with one of ``errors`` where there are any, and of which every predicate in ``when`` holds.

    ``technique`` is MITRE ATT&CK's. ``weight`` is what it adds to the belief that somebody means harm, below 0.4 where
    it is common in daily work. ``positive`` and ``negative`` are its cases.
    """

    id: str
    title: str
    technique: str
    severity: Severity
    weight: Annotated[float, Meta(ge=0, lt=1)]
    family: Family
    source: str
    blind_spots: str
    events: tuple[str, ...]
    positive: tuple[Case, ...]
    negative: tuple[Case, ...]
    outcome: Outcome = "success"
    errors: tuple[str, ...] = ()
    when: tuple[Predicate, ...] = ()
    burst: Burst | None = None


@lru_cache(maxsize=1)
def detections() -> tuple[Detection, ...]:
    """All rules, by file and then in their order there; read at the first call."""
    return tuple(
        msgspec.convert(rule, Detection) for _, content in documents("detections") for rule in content["rules"]
    )


@lru_cache(maxsize=1)
def _by_id() -> Mapping[str, Detection]:
    return {rule.id: rule for rule in detections()}


def detection(reason: str) -> Detection | None:
    """The rule that a reason of a NotableEvent names; None if it is a reason of another kind."""
    return _by_id().get(reason)


def called(event: Event) -> str:
    """What was called, as ``service:Name``: the event source without its domain, and the event's name."""
    return f"{(event.source or '').removesuffix('.amazonaws.com')}:{event.name or ''}"


def notable(
    events: Iterable[Event],
    *,
    known_actions: Collection[str] | None = None,
    level: Known | None = None,
    rules: Sequence[Detection] | None = None,
) -> tuple[NotableEvent, ...]:
    """The calls that deserve attention, oldest first, each with every reason.

    ``reasons`` are ids of rules, ``denied``, ``first_time`` (the first call here of an operation that is not among
    ``known_actions``, written as :func:`called` does; without them nothing is said), and the access level of a call
    that succeeded, by ``level`` (an operation → its IAM access level, None: not known), if it is in
    ``NOTABLE_LEVELS``.

    A record that comes twice, and the two records of a cross-account call, count once: all reasons of both.
    """
    calls = in_order(events)
    reasons: dict[str, dict[str, None]] = {event.event_id: {} for event in calls}
    for event, rule in _found(calls, detections() if rules is None else rules):
        reasons[event.event_id][rule.id] = None
    seen = None if known_actions is None else {action.casefold() for action in known_actions}
    for event in calls:
        reasons[event.event_id].update(dict.fromkeys(_plain(event, seen, level)))
    return tuple(_notable(event, why) for event, why in _once(calls, reasons) if why)


def detected(events: Iterable[Event]) -> Mapping[str, tuple[Event, ...]]:
    """The calls that each rule finds, by its id, oldest first; the two records of a cross-account call count once."""
    found: dict[str, dict[tuple[str, str], Event]] = defaultdict(dict)
    for event, rule in _found(in_order(events), detections()):
        found[rule.id].setdefault((event.shared_event_id or event.event_id, called(event)), event)
    return {rule: tuple(calls.values()) for rule, calls in found.items()}


def in_order(events: Iterable[Event]) -> list[Event]:
    """The events by time, each once."""
    return sorted({event.event_id: event for event in events}.values(), key=lambda each: (each.time, each.event_id))


def is_denied(event: Event) -> bool:
    """Whether access was denied."""
    code = event.error_code or ""
    return any(code == denied or code.endswith(denied) for denied in DENIED_CODES)


def _plain(event: Event, seen: set[str] | None, level: Known | None) -> Iterator[str]:
    if is_denied(event):
        yield "denied"
    what = called(event)
    if seen is not None and what.casefold() not in seen:
        seen.add(what.casefold())
        yield "first_time"
    found = level(what) if level is not None and event.outcome == "success" else None
    if found in NOTABLE_LEVELS:
        yield found


def _once(calls: Sequence[Event], reasons: Mapping[str, dict[str, None]]) -> Iterator[tuple[Event, Collection[str]]]:
    shared: dict[tuple[str, str], dict[str, None]] = {}
    for event in calls:
        key = (event.shared_event_id or event.event_id, called(event))
        shared.setdefault(key, {}).update(reasons[event.event_id])
    for event in calls:
        why = shared.pop((event.shared_event_id or event.event_id, called(event)), None)
        if why is not None:
            yield event, why


def _notable(event: Event, reasons: Collection[str]) -> NotableEvent:
    return NotableEvent(
        event_id=event.event_id,
        time=event.time,
        account=event.account,
        region=event.region,
        event=called(event),
        error_code=event.error_code,
        reasons=tuple(reasons),
    )


# --- Rules


def _found(calls: Sequence[Event], rules: Sequence[Detection]) -> Iterator[tuple[Event, Detection]]:
    exact: dict[str, list[Detection]] = defaultdict(list)
    patterns: list[tuple[str, Detection]] = []
    bursts: list[Detection] = []
    for rule in rules:
        if rule.burst is not None:
            bursts.append(rule)
            continue
        for name in rule.events:
            if "*" in name:
                patterns.append((name, rule))
            else:
                exact[name].append(rule)
    for event in calls:
        what = called(event)
        by_pattern = [rule for name, rule in patterns if fnmatchcase(what, name)]
        candidates = {rule.id: rule for rule in (*exact.get(what, ()), *by_pattern)}
        yield from ((event, rule) for rule in candidates.values() if _holds(rule, event))
    for rule in bursts:
        yield from ((event, rule) for event in _bursts(rule, calls))


def _holds(rule: Detection, event: Event) -> bool:
    """Whether a call that a rule names is one that it finds."""
    if rule.outcome not in ("any", event.outcome):
        return False
    if rule.errors and not any((event.error_code or "").endswith(code) for code in rule.errors):
        return False
    return all(_TESTS[each.test](each, event, _values(event, each.field)) for each in rule.when)


def _bursts(rule: Detection, calls: Sequence[Event]) -> Iterator[Event]:
    """The first call of each burst of one caller; the next burst begins after it."""
    assert rule.burst is not None
    by_caller: dict[str, list[Event]] = defaultdict(list)
    for event in calls:
        caller = event.access_key or event.principal.arn or event.principal.id
        if caller and any(fnmatchcase(called(event), name) for name in rule.events) and _holds(rule, event):
            by_caller[caller].append(event)
    span = timedelta(minutes=rule.burst.minutes)
    for own in by_caller.values():
        within: Counter[str] = Counter()
        start = 0
        for end, event in enumerate(own):
            within[called(event)] += 1
            while event.time - own[start].time > span:
                within -= Counter((called(own[start]),))
                start += 1
            if len(within) >= rule.burst.operations:
                yield own[start]
                within.clear()
                start = end + 1


def _values(event: Event, field: str) -> list[Any]:
    """Every value that a field's path leads to; keys in any case, lists gone through. Empty: there is none."""
    first, *path = field.split(".")
    found = [event.principal.type if first == "principal_type" else getattr(event, first)]
    for key in path:
        found = [
            value
            for each in _flat(found)
            if isinstance(each, Mapping)
            for name, value in each.items()
            if str(name).casefold() == key.casefold()
        ]
    return [each for each in _flat(found) if each is not None]


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for each in values:
        if isinstance(each, list | tuple):
            yield from _flat(each)
        else:
            yield each


def _text(value: Any) -> str:
    return str(value).casefold() if not isinstance(value, bool) else str(value).lower()


def _matches(predicate: Predicate, values: Sequence[Any]) -> bool:
    patterns = predicate.value if isinstance(predicate.value, tuple) else ()
    return any(fnmatchcase(_text(value), pattern.casefold()) for value in values for pattern in patterns)


def _over(predicate: Predicate, values: Sequence[Any]) -> bool:
    limit = predicate.value
    assert isinstance(limit, int | float)
    return any(isinstance(each, int | float) and not isinstance(each, bool) and each > limit for each in values)


def _policies(values: Sequence[Any]) -> Iterator[Policy]:
    """The policy documents among the values; what AWS would refuse is none."""
    for each in values:
        if isinstance(each, str | Mapping):
            try:
                yield parse_policy(each, source=PolicySource(kind="resource"))
            except PolicyError:
                continue


def _allowing(values: Sequence[Any]) -> Iterator[Statement]:
    return (each for policy in _policies(values) for each in policy.statements if each.effect == "Allow")


def _anyone(_predicate: Predicate, _event: Event, values: Sequence[Any]) -> bool:
    return any(
        not each.conditions
        and (each.not_principals is not None or any(_is_anyone(one) for one in each.principals or ()))
        for each in _allowing(values)
    )


def _is_anyone(principal: PrincipalPattern) -> bool:
    return principal.value == "*" and principal.type in ("*", "AWS")


def _everything(_predicate: Predicate, _event: Event, values: Sequence[Any]) -> bool:
    return any(
        any(action in ("*", "*:*") for action in each.actions or ())
        and any(resource == "*" for resource in each.resources or ())
        for each in _allowing(values)
    )


def _other_account(_predicate: Predicate, event: Event, values: Sequence[Any]) -> bool:
    named = (one for each in _allowing(values) for one in each.principals or () if one.type in ("*", "AWS"))
    return any(_is_anyone(one) or _account(one.value) not in (None, event.account) for one in named)


def _account(principal: str) -> str | None:
    """The account of an ARN or of a bare account id."""
    parts = principal.split(":")
    found = parts[4] if len(parts) > 5 else principal
    return found if found.isdigit() and len(found) == 12 else None


#: What a rule can ask of a field's values.
_TESTS: Mapping[Test, Callable[[Predicate, Event, Sequence[Any]], bool]] = {
    "any_of": lambda predicate, _event, values: _matches(predicate, values),
    "none_of": lambda predicate, _event, values: bool(values) and not _matches(predicate, values),
    "present": lambda predicate, _event, values: bool(values) is bool(predicate.value),
    "over": lambda predicate, _event, values: _over(predicate, values),
    "policy_allows_anyone": _anyone,
    "policy_allows_everything": _everything,
    "policy_names_other_account": _other_account,
}
