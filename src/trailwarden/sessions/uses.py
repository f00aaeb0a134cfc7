"""Uses: calls with one userIdentity from one address in one account, the smallest piece that sessions are made of."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ..model.time import EPOCH
from .reading import SIGN_IN, Record, creation, flag, instant, is_address, is_failed, member, text


class SharedCall(msgspec.Struct, frozen=True):
    """One record of a call that has a sharedEventID. ``account`` is the recipientAccountId."""

    shared_event_id: str
    failed: bool
    event_id: str
    time: datetime
    account: str | None


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """Calls made with one userIdentity (exact JSON) from one address, recorded in one account.

    ``identity`` is the userIdentity as recorded, ``{}`` where there is none. ``account`` is the
    recipientAccountId, else the account of the identity. ``user_name`` is additionalEventData.UserName of
    sign-in events. ``event_source`` is set where :func:`needs_source` says that it matters: calls to
    different services are then different uses. ``first_event`` is the id of the earliest call, the least id
    of those if there are several; ``last_event`` that of the latest, the greatest id. ``source_ip`` is None
    for calls from a service. ``shared`` are the calls among them that carry a sharedEventID.
    """

    identity: Mapping[str, Any]
    account: str | None
    user_name: str | None
    from_console: bool
    event_source: str | None
    events: int
    errors: int
    first: datetime
    last: datetime
    first_event: str
    last_event: str
    regions: tuple[str, ...]
    source_ip: str | None
    user_agents: tuple[str, ...]
    shared: tuple[SharedCall, ...]


def identity_of(record: Record) -> dict[str, Any]:
    """The userIdentity; empty if it is missing or no object."""
    return member(record, "userIdentity")


def source_of(record: Record) -> str | None:
    """The event source where it matters (see :func:`needs_source`), else None."""
    return text(record, "eventSource") if needs_source(identity_of(record)) else None


def recorded_in(record: Record) -> str | None:
    """The account whose trail holds the record."""
    return text(record, "recipientAccountId") or text(identity_of(record), "accountId")


def needs_source(identity: Record) -> bool:
    """Whether the event source tells what the identity does not: it names neither a key nor a time of creation."""
    return text(identity, "accessKeyId") is None and creation(identity) is None


def use_of(record: Record) -> Use:
    """The use that a single record is. A record without a readable eventTime counts as of 1970."""
    identity = identity_of(record)
    source = text(record, "eventSource")
    account = recorded_in(record)
    time = instant(record.get("eventTime")) or EPOCH
    event_id = text(record, "eventID") or ""
    failed = is_failed(record)
    region, address, agent = text(record, "awsRegion"), text(record, "sourceIPAddress"), text(record, "userAgent")
    shared_id = text(record, "sharedEventID")
    return Use(
        identity=identity,
        account=account,
        user_name=text(member(record, "additionalEventData"), "UserName") if source == SIGN_IN else None,
        from_console=flag(record.get("sessionCredentialFromConsole")) is True,
        event_source=source_of(record),
        events=1,
        errors=int(failed),
        first=time,
        last=time,
        first_event=event_id,
        last_event=event_id,
        regions=(region,) if region else (),
        source_ip=address if address and is_address(address) else None,
        user_agents=(agent,) if agent else (),
        shared=(SharedCall(shared_id, failed, event_id, time, account),) if shared_id else (),
    )
