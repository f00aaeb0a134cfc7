"""Sessions out of records: the same pieces that a lake keeps apart, put together in memory."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from ..errors import SourceError
from ..model.event import Event
from ..model.session import Session
from ..model.time import format_instant
from .build import session_of
from .chains import with_chain
from .groups import Group, group_of, merge, placed
from .issuances import ISSUING_EVENTS, Issuance, issuance_of
from .uses import SharedCall, Use, use_of

_canonical = msgspec.json.Encoder(order="sorted")


def link_sessions(events: Iterable[Mapping[str, Any] | bytes | str | Event]) -> tuple[Session, ...]:
    """The sessions that made these calls, newest ``last_seen`` first, linked to what issued them.

    ``events`` are CloudTrail records, as objects or as JSON, in any order; a record that comes twice
    (same eventID, eventTime, eventName and recipientAccountId) counts once. An ``Event`` tells less than
    its record: without creationDate its session is found by its key, and ``onBehalfOf``,
    ``webIdFederationData`` and what else an Event leaves out is missing. All records of a question should
    be given at once: what issued a session may be in any of them.

    Raises:
        SourceError: a text that is not a JSON object.
    """
    seen: set[Any] = set()
    tallies: dict[Any, _Tally] = {}
    issuances: list[Issuance] = []
    for event in events:
        record = as_record(event)
        same = _same(record)
        if same in seen:
            continue
        seen.add(same)
        use = use_of(record)
        which = (
            _encoded(use.identity), use.account, use.user_name, use.from_console, use.event_source, use.source_ip,
        )  # fmt: skip
        tally = tallies.get(which)
        if tally is None:
            tallies[which] = _Tally(use)
        else:
            tally.add(use)
        if (record.get("eventSource"), record.get("eventName")) in ISSUING_EVENTS:
            issuance = issuance_of(record)
            if issuance is not None:
                issuances.append(issuance)
    pieces: dict[str, list[Group]] = {}
    for tally in tallies.values():
        piece = group_of(tally.use())
        pieces.setdefault(piece.key, []).append(piece)
    return sessions_of(placed(merge(parts) for parts in pieces.values()), issuances)


def sessions_of(groups: Iterable[Group], issuances: Iterable[Issuance]) -> tuple[Session, ...]:
    """The sessions of whole, placed groups, with their chains, newest first."""
    by_token: dict[str, list[Issuance]] = {}
    for issuance in issuances:
        for token in issuance.tokens:
            by_token.setdefault(token, []).append(issuance)
    sessions = {
        group.session_id: session_of(group, [one for token in group.tokens for one in by_token.get(token, ())])
        for group in groups
    }
    linked = [with_chain(session, sessions.get) for session in sessions.values()]
    linked.sort(key=lambda session: session.session_id)
    linked.sort(key=lambda session: session.last_seen, reverse=True)
    return tuple(linked)


def _same(record: Mapping[str, Any]) -> Any:
    """What makes two deliveries one record; a record without an eventID is the same only as an equal one."""
    event_id = record.get("eventID")
    if not isinstance(event_id, str) or not event_id:
        return _encoded(record)
    rest = [record.get(name) for name in ("eventTime", "eventName", "recipientAccountId")]
    return (event_id, *(value if isinstance(value, str) else None for value in rest))


def _encoded(value: Mapping[str, Any]) -> bytes:
    try:
        return _canonical.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write and UTF-8 cannot
        return json.dumps(value, sort_keys=True, default=str).encode()


class _Tally:
    """The calls of one identity from one address, counted."""

    __slots__ = ("agents", "errors", "events", "first", "last", "one", "regions", "shared")

    def __init__(self, use: Use) -> None:
        self.one = use
        self.events, self.errors = use.events, use.errors
        self.first: tuple[datetime, str] = (use.first, use.first_event)
        self.last: tuple[datetime, str] = (use.last, use.last_event)
        self.regions, self.agents = set(use.regions), set(use.user_agents)
        self.shared: list[SharedCall] = list(use.shared)

    def add(self, use: Use) -> None:
        """Count one more."""
        self.events += use.events
        self.errors += use.errors
        self.first = min(self.first, (use.first, use.first_event))
        self.last = max(self.last, (use.last, use.last_event))
        self.regions.update(use.regions)
        self.agents.update(use.user_agents)
        self.shared += use.shared

    def use(self) -> Use:
        """All of them as one use."""
        return msgspec.structs.replace(
            self.one,
            events=self.events,
            errors=self.errors,
            first=self.first[0],
            first_event=self.first[1],
            last=self.last[0],
            last_event=self.last[1],
            regions=tuple(self.regions),
            user_agents=tuple(self.agents),
            shared=tuple(self.shared),
        )


def as_record(event: Mapping[str, Any] | bytes | str | Event) -> Mapping[str, Any]:
    """A record as an object, whatever it comes as.

    Raises:
        SourceError: a text that is not a JSON object.
    """
    if isinstance(event, Event):
        return _record_of(event)
    if not isinstance(event, bytes | str):
        return event
    try:
        value = msgspec.json.decode(event)
    except msgspec.DecodeError:
        try:  # a number beyond a double, which the standard library reads
            value = json.loads(event, parse_int=float)
        except ValueError:
            raise SourceError("an event is not JSON", remedy="give CloudTrail records, one JSON object each") from None
    if not isinstance(value, dict):
        raise SourceError("an event is not a JSON object", remedy="give CloudTrail records, one JSON object each")
    return value


def _record_of(event: Event) -> dict[str, Any]:
    who = event.principal
    context: dict[str, Any] = {"sourceIdentity": event.source_identity}
    if event.mfa is not None:
        context["attributes"] = {"mfaAuthenticated": event.mfa}
    if event.role_arn is not None:
        context["sessionIssuer"] = {"type": "Role", "arn": event.role_arn}
    identity = {
        "type": who.type,
        "arn": who.arn,
        "principalId": who.id,
        "accountId": who.account,
        "accessKeyId": event.access_key,
        "userName": who.name if who.type in ("IAMUser", "SAMLUser", "WebIdentityUser") else None,
        "invokedBy": who.name if who.type == "AWSService" else None,
        "sessionContext": context,
    }
    return {
        "eventID": event.event_id,
        "eventTime": format_instant(event.time),
        "eventSource": event.source,
        "eventName": event.name,
        "awsRegion": event.region,
        "recipientAccountId": event.account,
        "sourceIPAddress": event.source_ip,
        "userAgent": event.user_agent,
        "errorCode": event.error_code or (event.outcome == "failure" and "Failure") or None,
        "errorMessage": event.error_message,
        "requestParameters": event.request,
        "responseElements": event.response,
        "sharedEventID": event.shared_event_id,
        "userIdentity": {name: value for name, value in identity.items() if value is not None},
    }
