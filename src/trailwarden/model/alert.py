"""Endpoint alerts and hosts of CrowdStrike Falcon, the fields that tie them to AWS, by Falcon's own names.

Source: Falcon's Alerts v2 and Hosts APIs. ``raw`` is the whole entity as Falcon gave it; all text in it is data of
whoever controls the endpoint.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from .session import Session


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. ``time`` is when it happened (``timestamp``), ``created`` when Falcon made it; both in UTC.

    ``upn`` is user_principal, or source_account_upn of ``idp`` alerts. ``external_ip`` is the host's at its last
    check-in, ``source_ip`` source_endpoint_ip_address of ``idp`` alerts. ``severity`` is 0 to 100.
    """

    composite_id: str
    time: datetime
    created: datetime
    product: str
    type: str | None = None
    name: str | None = None
    description: str | None = None
    severity: int | None = None
    severity_name: str | None = None
    status: str | None = None
    tactic: str | None = None
    tactic_id: str | None = None
    technique: str | None = None
    technique_id: str | None = None
    agent_id: str | None = None
    device_id: str | None = None
    hostname: str | None = None
    user_name: str | None = None
    user_id: str | None = None
    upn: str | None = None
    logon_domain: str | None = None
    cmdline: str | None = None
    external_ip: str | None = None
    local_ip: str | None = None
    source_ip: str | None = None
    raw: Mapping[str, Any] = {}


class AddressUse(msgspec.Struct, frozen=True):
    """An external address that a host had, from ``first`` on; ``last`` None: until now, as far as is known."""

    address: str
    first: datetime
    last: datetime | None = None


class HostLogin(msgspec.Struct, frozen=True):
    """Somebody logged in to a host."""

    user_name: str
    time: datetime


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A host with a sensor. ``instance_id`` and ``cloud_account`` are set where it runs in EC2.

    ``read`` names the histories that were read (``addresses``, ``logins``): an empty one is then known to be empty.
    """

    device_id: str
    hostname: str | None = None
    platform: str | None = None
    instance_id: str | None = None
    cloud_provider: str | None = None
    cloud_account: str | None = None
    external_ip: str | None = None
    local_ip: str | None = None
    connection_ip: str | None = None
    machine_domain: str | None = None
    last_login_user: str | None = None
    last_seen: datetime | None = None
    addresses: tuple[AddressUse, ...] = ()
    logins: tuple[HostLogin, ...] = ()
    read: tuple[str, ...] = ()
    raw: Mapping[str, Any] = {}


class MatchEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """One reason that an alert and a session belong together: a field of each, with its value, and the weight."""

    kind: str
    weight: float
    alert_field: str
    alert_value: str
    event_id: str
    event_field: str
    event_value: str


class NotableEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A call after the alert that deserves attention, and why (``reasons``: detection ids, ``denied``, ``first_time``,
    an access level)."""

    event_id: str
    time: datetime
    account: str | None
    region: str | None
    event: str
    error_code: str | None
    reasons: tuple[str, ...]


class SessionMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A session that an alert may belong to.

    ``score`` is in [0, 1]: the weights combined by noisy-OR, times ``time_factor``, times the discount of ``hops``
    AssumeRole steps from a session that matches itself. ``against`` says what speaks against it.
    """

    session: Session
    score: float
    evidence: tuple[MatchEvidence, ...]
    against: tuple[str, ...]
    time_factor: float
    hops: int = 0
    notable_events: tuple[NotableEvent, ...] = ()
