"""What stands out in the events of a page: a small table of rules, each with the records that show it.

The rules see the page only, not all events that match: each finding says so where the page holds fewer. They
judge nobody: a rule names what was done, and who reads the records decides what it means.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, timedelta

import msgspec

from ..model.event import DENIED_CODES, Event, EventPage, Outcome
from ..model.finding import Evidence, Finding, Severity
from ..model.indicator import indicator_of
from .command import moment_in_words, shorten

MOST_EVIDENCE = 10
#: So many calls from one address within so long are a burst. No baseline is known to a page: it is volume alone.
BURST_CALLS, BURST_SPAN = 40, timedelta(minutes=5)
#: So many denied calls of one caller, to so many operations, look like trying out what is allowed.
PROBING_CALLS, PROBING_OPERATIONS = 10, 5
FAILED_SIGN_INS = 3


class Match(msgspec.Struct, frozen=True):
    """Records that show one thing, oldest first, with the field that matters and what is said about them."""

    events: tuple[Event, ...]
    field: str
    detail: str


class Rule(msgspec.Struct, frozen=True):
    """A rule: its stable id, its severity, what it says, and how it is found."""

    id: str
    severity: Severity
    title: str
    find: Callable[[Sequence[Event]], Iterable[Match]]


def findings(page: EventPage) -> tuple[Finding, ...]:
    """Every rule that holds for the events of the page, the gravest first."""
    events = sorted(page.events, key=lambda event: event.time)
    part = f" (seen in {len(events):,} of {page.total:,} matching events)" if len(events) < page.total else ""
    found = [_finding(rule, match, part) for rule in RULES for match in rule.find(events)]
    order: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def _finding(rule: Rule, match: Match, part: str) -> Finding:
    shown = match.events[:MOST_EVIDENCE]
    return Finding(
        id=rule.id,
        severity=rule.severity,
        title=rule.title,
        detail=f"{match.detail}{part}",
        count=len(match.events),
        evidence=tuple(Evidence(event.event_id, match.field, _recorded(event, match.field)) for event in shown),
    )


def _recorded(event: Event, field: str) -> str:
    value = {
        "eventName": event.name,
        "errorCode": event.error_code,
        "sourceIPAddress": event.source_ip,
        "userIdentity.type": event.principal.type,
        "additionalEventData.MFAUsed": {True: "Yes", False: "No"}.get(event.mfa) if event.mfa is not None else None,
    }[field]
    return shorten(value or "", 200)


def actor(event: Event) -> str:
    """Who called, as short as it can be said: the session name, else the user's, else the type."""
    if event.principal.type == "Root":
        return "root"
    named = event.session_name or event.principal.name or event.principal.arn or event.principal.type
    return shorten(named or "unknown")


def is_denied(event: Event) -> bool:
    """Whether access was denied."""
    code = event.error_code or ""
    return any(code == denied or code.endswith(denied) for denied in DENIED_CODES)


def _named(names: tuple[str, ...], outcome: Outcome) -> Callable[[Sequence[Event]], Iterator[Match]]:
    """Calls of these operations that ended so, by whoever made them."""

    def find(events: Sequence[Event]) -> Iterator[Match]:
        matching = tuple(event for event in events if event.name in names and event.outcome == outcome)
        if matching:
            yield Match(matching, "eventName", _who_did_what(matching))

    return find


def _who_did_what(events: Sequence[Event]) -> str:
    done = Counter((event.name or "unknown", actor(event), event.outcome) for event in events)
    said = [
        f"{name} by {who}{f', {count:,} times' if count > 1 else ''}{', failed' if outcome == 'failure' else ''}"
        for (name, who, outcome), count in done.most_common(4)
    ]
    return "; ".join(said) + (f"; and {len(done) - 4} more" if len(done) > 4 else "")


def _denied_assume_role(events: Sequence[Event]) -> Iterator[Match]:
    matching = tuple(event for event in events if (event.name or "").startswith("AssumeRole") and is_denied(event))
    if matching:
        yield Match(matching, "errorCode", _who_did_what(matching))


def _root(events: Sequence[Event]) -> Iterator[Match]:
    matching = tuple(event for event in events if event.principal.type == "Root")
    if matching:
        yield Match(matching, "userIdentity.type", _who_did_what(matching))


def _sign_in_without_mfa(events: Sequence[Event]) -> Iterator[Match]:
    """IAM users and root only: a federated sign-in always says No, since the identity provider asked."""
    matching = tuple(
        event
        for event in events
        if event.name == "ConsoleLogin"
        and event.outcome == "success"
        and event.mfa is False
        and event.principal.type in {"IAMUser", "Root"}
    )
    if matching:
        yield Match(matching, "additionalEventData.MFAUsed", _who_did_what(matching))


def _failed_sign_ins(events: Sequence[Event]) -> Iterator[Match]:
    failed = tuple(
        event
        for event in events
        if event.name in {"ConsoleLogin", "CredentialVerification"} and event.outcome == "failure"
    )
    if len(failed) >= FAILED_SIGN_INS:
        yield Match(failed, "sourceIPAddress", _who_did_what(failed))


def _key_from_several_addresses(events: Sequence[Event]) -> Iterator[Match]:
    for key, used in _grouped(events, lambda event: event.access_key):
        addressed = tuple(event for event in used if _is_address(event.source_ip))
        addresses = Counter(event.source_ip or "" for event in addressed)
        if len(addresses) > 1:
            listed = ", ".join(f"{address} ({count:,})" for address, count in addresses.most_common(5))
            yield Match(addressed, "sourceIPAddress", f"{shorten(key)} from {len(addresses):,} addresses: {listed}")


def _burst(events: Sequence[Event]) -> Iterator[Match]:
    for address, made in _grouped(events, lambda event: event.source_ip if _is_address(event.source_ip) else None):
        best, start = (0, 0), 0
        for end, event in enumerate(made):
            while event.time - made[start].time > BURST_SPAN:
                start += 1
            best = max(best, (end - start + 1, start))
        count, start = best
        if count >= BURST_CALLS:
            within = made[start : start + count]
            minutes = max(1, -(-int((within[-1].time - within[0].time).total_seconds()) // 60))
            span = f"{minutes} minute{'s' if minutes > 1 else ''}"
            began = moment_in_words(within[0].time, UTC)
            yield Match(tuple(within), "sourceIPAddress", f"{count:,} calls within {span} from {address}, from {began}")


def _probing(events: Sequence[Event]) -> Iterator[Match]:
    for who, made in _grouped([event for event in events if is_denied(event)], actor):
        operations = {event.name for event in made}
        if len(made) >= PROBING_CALLS and len(operations) >= PROBING_OPERATIONS:
            yield Match(
                tuple(made), "errorCode", f"{len(made):,} denied calls to {len(operations):,} operations by {who}"
            )


def _grouped(events: Sequence[Event], key: Callable[[Event], str | None]) -> Iterator[tuple[str, list[Event]]]:
    groups: dict[str, list[Event]] = {}
    for event in events:
        if name := key(event):
            groups.setdefault(name, []).append(event)
    yield from groups.items()


def _is_address(text: str | None) -> bool:
    found = indicator_of(text or "")
    return found is not None and found.kind == "ip"


_TAMPERING = (
    "StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "DeleteEventDataStore",
    "StopEventDataStoreIngestion", "DeleteFlowLogs", "DeleteDetector", "StopConfigurationRecorder",
    "DeleteConfigurationRecorder", "DisableSecurityHub",
)  # fmt: skip
_PERSISTENCE = (
    "CreateUser", "CreateAccessKey", "CreateLoginProfile", "UpdateLoginProfile", "AttachUserPolicy",
    "AttachRolePolicy", "AttachGroupPolicy", "PutUserPolicy", "PutRolePolicy", "PutGroupPolicy", "AddUserToGroup",
    "CreatePolicyVersion", "SetDefaultPolicyVersion", "UpdateAssumeRolePolicy", "CreateSAMLProvider",
    "UpdateSAMLProvider", "CreateOpenIDConnectProvider", "DeactivateMFADevice",
)  # fmt: skip
RULES: tuple[Rule, ...] = (
    Rule(
        "trail_tampering", "critical", "Recording was changed, stopped or deleted", _named(_TAMPERING, "success")
    ),
    Rule(
        "persistence", "high", "Credentials, identities or permissions were changed", _named(_PERSISTENCE, "success")
    ),
    Rule("root_use", "high", "The root user was used", _root),
    Rule("sign_in_without_mfa", "high", "Console sign-in without MFA", _sign_in_without_mfa),
    Rule(
        "trail_tampering_attempt", "medium", "Changing, stopping or deleting the recording failed",
        _named(_TAMPERING, "failure"),
    ),
    Rule(
        "persistence_attempt", "medium", "Changing credentials, identities or permissions failed",
        _named(_PERSISTENCE, "failure"),
    ),
    Rule("denied_assume_role", "medium", "Assuming a role was denied", _denied_assume_role),
    Rule(
        "key_from_several_addresses", "medium", "One access key was used from several addresses",
        _key_from_several_addresses,
    ),
    Rule("probing", "medium", "Many different calls of one caller were denied", _probing),
    Rule("burst", "low", "Many calls in a short time from one address", _burst),
    Rule("failed_sign_ins", "low", "Sign-ins failed repeatedly", _failed_sign_ins),
)  # fmt: skip
