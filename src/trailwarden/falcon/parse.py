"""Falcon's entities as values: what is there is taken as it is, what is missing is None. Nothing is guessed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address, ip_network
from itertools import groupby, pairwise
from typing import Any

import msgspec

from ..model.alert import AddressUse, Alert, Host, HostLogin
from ..model.time import parse_event_time

#: Addresses that mean nothing outside of the network they are in: RFC 1918, RFC 6598, link-local, loopback, RFC 4193.
INTERNAL = tuple(
    map(
        ip_network,
        (
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
            *("0.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128", "::/128"),
        ),
    )
)


class Unreadable(msgspec.Struct, frozen=True):
    """An entity that lacks what it cannot do without."""

    id: str
    reason: str


def alert_of(entity: Any) -> Alert | Unreadable:
    """An alert of the Alerts v2 API.

    The time is ``timestamp``, else ``context_timestamp``, else ``created_timestamp``; without an id or any time it is
    unreadable. ``idp`` alerts have no ``device``: their account is ``source_account_…``.
    """
    if not isinstance(entity, Mapping):
        return Unreadable("", "it is not an object")
    composite_id = _text(entity, "composite_id")
    if composite_id is None:
        return Unreadable(_text(entity, "id") or "", "it has no composite_id")
    created = _instant(entity, "created_timestamp")
    moment = _instant(entity, "timestamp") or _instant(entity, "context_timestamp") or created
    if moment is None:
        return Unreadable(composite_id, "it has no time")
    found = entity.get("device")
    device: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    return Alert(
        composite_id=composite_id,
        time=moment,
        created=created or moment,
        product=_text(entity, "product") or "",
        type=_text(entity, "type"),
        name=_text(entity, "display_name") or _text(entity, "name"),
        description=_text(entity, "description"),
        severity=_severity(entity.get("severity")),
        severity_name=_text(entity, "severity_name"),
        status=_text(entity, "status"),
        tactic=_text(entity, "tactic"),
        tactic_id=_text(entity, "tactic_id"),
        technique=_text(entity, "technique"),
        technique_id=_text(entity, "technique_id"),
        agent_id=_text(entity, "agent_id"),
        device_id=_text(device, "device_id") or _text(entity, "agent_id"),
        hostname=_text(device, "hostname"),
        user_name=_text(entity, "user_name") or _text(entity, "source_account_name"),
        user_id=_text(entity, "user_id") or _text(entity, "source_account_object_sid"),
        upn=_text(entity, "user_principal") or _text(entity, "source_account_upn"),
        logon_domain=_text(entity, "logon_domain") or _text(entity, "source_account_domain"),
        cmdline=_text(entity, "cmdline"),
        external_ip=_address(device.get("external_ip")),
        local_ip=_address(device.get("local_ip")),
        source_ip=_address(entity.get("source_endpoint_ip_address")),
        raw=dict(entity),
    )


def updated_at(alert: Alert) -> datetime:
    """When Falcon last changed the alert; when it made it, where it does not say."""
    return _instant(alert.raw, "updated_timestamp") or alert.created


def host_of(entity: Any) -> Host | Unreadable:
    """A host of the Hosts API, without its histories."""
    if not isinstance(entity, Mapping):
        return Unreadable("", "it is not an object")
    device_id = _text(entity, "device_id")
    if device_id is None:
        return Unreadable(_text(entity, "hostname") or "", "it has no device_id")
    return Host(
        device_id=device_id,
        hostname=_text(entity, "hostname"),
        platform=_text(entity, "platform_name"),
        instance_id=_text(entity, "instance_id"),
        cloud_provider=_text(entity, "service_provider"),
        cloud_account=_text(entity, "service_provider_account_id"),
        external_ip=_address(entity.get("external_ip")),
        local_ip=_address(entity.get("local_ip")),
        connection_ip=_address(entity.get("connection_ip")),
        machine_domain=_text(entity, "machine_domain"),
        last_login_user=_text(entity, "last_login_user"),
        last_seen=_instant(entity, "last_seen"),
        raw=dict(entity),
    )


def logins_of(entity: Mapping[str, Any]) -> tuple[HostLogin, ...]:
    """The logins in one device's login history, oldest first; entries without a name or a time are left out."""
    found = ((_text(each, "user_name"), _instant(each, "login_time")) for each in _objects(entity.get("recent_logins")))
    logins = {HostLogin(name, moment) for name, moment in found if name is not None and moment is not None}
    return tuple(sorted(logins, key=lambda login: (login.time, login.user_name)))


def addresses_of(entity: Mapping[str, Any]) -> tuple[AddressUse, ...]:
    """The external addresses in one device's network address history, oldest first.

    An entry says from when on an interface (by its MAC address) had an address: it ends where the same interface's
    next one begins. Addresses of internal networks end others and are not given.
    """
    entries = [
        (_text(each, "mac_address") or "", moment, address)
        for each in _objects(entity.get("history"))
        if (moment := _instant(each, "timestamp")) is not None
        and (address := _address(each.get("ip_address"))) is not None
    ]
    uses: set[AddressUse] = set()
    for _, group in groupby(sorted(entries), key=lambda entry: entry[0]):
        changes: list[tuple[datetime, str]] = []
        for _, moment, address in group:
            if not changes or changes[-1][1] != address:
                changes.append((moment, address))
        ends: Sequence[datetime | None] = [*(after[0] for _, after in pairwise(changes)), None]
        uses |= {
            AddressUse(address, first, last)
            for (first, address), last in zip(changes, ends, strict=True)
            if not is_internal(address)
        }
    return tuple(sorted(uses, key=lambda use: (use.first, use.address)))


def is_internal(address: str) -> bool:
    """Whether an address means nothing outside of its own network."""
    parsed = ip_address(address)
    return any(parsed in network for network in INTERNAL if network.version == parsed.version)


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()


def _text(entity: Mapping[str, Any], field: str) -> str | None:
    value = entity.get(field)
    return value if isinstance(value, str) and value else None


def _instant(entity: Mapping[str, Any], field: str) -> datetime | None:
    text = _text(entity, field)
    return parse_event_time(text) if text is not None else None


def _severity(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100 else None


def _address(value: Any) -> str | None:
    """An address in its canonical form; what is none is None."""
    try:
        return str(ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None
