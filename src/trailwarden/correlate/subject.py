"""What of an alert and its host can be looked for in sessions, by Falcon's own names of the fields."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ..identity import fold
from ..identity.values import EMAIL
from ..model.alert import Alert, Host, HostLogin
from .addresses import public_address
from .values import People, PersonName, Weights, known_names

#: Said of an address that is not known to be the one of the alert's time.
LAST_CHECK_IN = "address is of the last check-in, not of the alert's time"


class Term(msgspec.Struct, frozen=True):
    """Something to look for: a field of the alert or host with its value as Falcon gave it, and what weakens it."""

    field: str
    value: str
    note: str = ""


class UserTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A name of a person at the endpoint. ``login``: it only logged in to the host. ``domain`` is its logon domain."""

    term: Term
    name: str
    domain: str | None = None
    login: bool = False
    known: tuple[PersonName, ...] = ()

    @property
    def email(self) -> str | None:
        """The name as sessions would hold it, if it is an address or UPN."""
        return fold("email", self.name) if EMAIL.fullmatch(self.name) else None

    @property
    def local(self) -> str:
        """The name before the @, as it is compared."""
        return fold("email", self.name).split("@", 1)[0]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """An alert and its host, ready to be looked for. ``account`` is where the host runs, None if that is not known."""

    time: datetime
    instance: Term | None
    account: str | None
    users: tuple[UserTerm, ...]
    addresses: tuple[tuple[str, Term], ...]
    hosts: tuple[tuple[str, Term], ...]


def subject_of(alert: Alert, host: Host | None, people: People, weights: Weights, now: datetime | None) -> Subject:
    """What to look for. ``now`` ends what Falcon leaves open."""
    return Subject(
        time=alert.time,
        instance=Term("host.instance_id", host.instance_id) if host is not None and host.instance_id else None,
        account=host.cloud_account if host is not None else None,
        users=tuple(_users(alert, host, people, weights)),
        addresses=tuple(_addresses(alert, host, now)),
        hosts=tuple(_hostnames(alert, host)),
    )


def _users(alert: Alert, host: Host | None, people: People, weights: Weights) -> Iterator[UserTerm]:
    domain = alert.logon_domain or (host.machine_domain if host is not None else None)
    found: dict[str, UserTerm] = {}
    for term, login in (*_named(alert), *_logged_in(alert, host, weights)):
        before, _, after = term.value.strip().rpartition("\\")
        if _is_nobody(after, weights) or fold("email", term.value) in found:
            continue
        names = dict.fromkeys((term.value, after))
        known = dict.fromkeys(each for name in names for each in known_names(people, name))
        found[fold("email", term.value)] = UserTerm(
            term=term, name=after, domain=before or domain, login=login, known=tuple(known)
        )
    yield from found.values()


def _named(alert: Alert) -> Iterator[tuple[Term, bool]]:
    if alert.upn:
        yield Term(_field_of(alert.raw, alert.upn, *_upn_fields(alert)), alert.upn), False
    if alert.user_name:
        yield Term("user_name", alert.user_name), False


def _upn_fields(alert: Alert) -> tuple[str, str]:
    own = ("user_principal", "source_account_upn")
    return own if alert.product != "idp" else (own[1], own[0])


def _field_of(raw: Mapping[str, Any], value: str, *fields: str) -> str:
    """Which field of the entity holds the value; the first where none is at hand."""
    return next((field for field in fields if raw.get(field) == value), fields[0])


def _logged_in(alert: Alert, host: Host | None, weights: Weights) -> Iterator[tuple[Term, bool]]:
    """Who logged in around the alert. The last one to log in stands in where the history was not read."""
    if host is None:
        return
    reach = weights.logins
    first, last = alert.time - timedelta(hours=reach.before), alert.time + timedelta(hours=reach.after)
    around: list[HostLogin] = [login for login in host.logins if first <= login.time <= last]
    for login in sorted(around, key=lambda each: (abs(each.time - alert.time), each.user_name)):
        yield Term("host.recent_logins.user_name", login.user_name), True
    if "logins" not in host.read and not host.logins and host.last_login_user:
        note = f"{host.last_login_user} was the last to log in to the host, not necessarily at the alert's time"
        yield Term("host.last_login_user", host.last_login_user, note), True


def _is_nobody(name: str, weights: Weights) -> bool:
    plain = name.strip().casefold()
    return not plain or plain.endswith("$") or plain in weights.names_of_nobody


def _addresses(alert: Alert, host: Host | None, now: datetime | None) -> Iterator[tuple[str, Term]]:
    """Public addresses of the alert's time. That of the last check-in stands in where the history has none."""
    terms = [Term("source_endpoint_ip_address", alert.source_ip)] if alert.source_ip else []
    then, not_then = _history(alert.time, host, now)
    terms += [Term("host.history.ip_address", address) for address in then]
    if not then:
        last = [("device.external_ip", alert.external_ip)]
        if host is not None:
            last += [("host.external_ip", host.external_ip), ("host.connection_ip", host.connection_ip)]
        terms += [
            Term(field, text, LAST_CHECK_IN)
            for field, text in last
            if text and public_address(text) not in not_then and public_address(text) != public_address(alert.source_ip)
        ]
    found: dict[str, Term] = {}
    for term in terms:
        address = public_address(term.value)
        if address is not None:
            found.setdefault(address, term)
    yield from found.items()


def _history(time: datetime, host: Host | None, now: datetime | None) -> tuple[list[str], set[str | None]]:
    """The addresses that the host had at that time, and those it is known to have had at other times only."""
    uses = [use for use in (host.addresses if host is not None else ()) if public_address(use.address) is not None]
    then = [use.address for use in uses if use.first <= time <= (use.last or now or time)]
    return then, {public_address(use.address) for use in uses} - {public_address(each) for each in then}


def _hostnames(alert: Alert, host: Host | None) -> Iterator[tuple[str, Term]]:
    found: dict[str, Term] = {}
    terms = []
    if alert.hostname:
        field = _field_of(alert.raw, alert.hostname, "device.hostname", "source_endpoint_host_name")
        terms.append(Term(field, alert.hostname))
    terms += [Term("host.hostname", host.hostname)] if host is not None and host.hostname else []
    for term in terms:
        whole = fold("session_name", term.value)
        for name in (whole, whole.split(".", 1)[0]):
            if name:
                found.setdefault(name, term)
    yield from found.items()
