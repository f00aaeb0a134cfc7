"""What a simulated Falcon tenant holds: alerts, hosts, API clients, limits, and the faults that are to happen."""

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

ALERTS_READ, HOSTS_READ = "alerts:read", "hosts:read"
Doing = Literal[
    "throttle",  # 429, with the time at which to come back
    "fail",  # 500
    "expire",  # every token is revoked, and the call is refused
    "stall",  # nothing for ``seconds``
    "truncate",  # half of the JSON, under a length that says so
    "cut",  # half of the JSON, under a length that promises the whole
    "lose",  # the first of the resources is left out, and an error says so
]


class Fault(msgspec.Struct, frozen=True):
    """Something that goes wrong ``times`` times at paths that begin with ``path``, after ``after`` calls that work."""

    path: str
    do: Doing
    times: int = 1
    after: int = 0
    seconds: float = 2.0


class ApiClient(msgspec.Struct, frozen=True):
    """An API client of the tenant, and its scopes."""

    id: str
    secret: str
    scopes: frozenset[str] = frozenset({ALERTS_READ, HOSTS_READ})


class TenantLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one request may ask for, and how long a token holds, in seconds."""

    query: int = 10_000
    reach: int = 10_000
    details: int = 1_000
    combined: int = 1_000
    devices: int = 5_000
    login_devices: int = 10
    logins: int = 100
    token: int = 1_799


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.passed = 0
        self.left = fault.times


class Tenant:
    """Alerts and hosts by id, in Falcon's shapes, and who may read them. Safe to use from several threads.

    ``region`` is the cloud that a token's answer names, if it names one.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        alerts: Iterable[Mapping[str, Any]] = (),
        hosts: Iterable[Mapping[str, Any]] = (),
        logins: Mapping[str, list[Mapping[str, Any]]] | None = None,
        addresses: Mapping[str, list[Mapping[str, Any]]] | None = None,
        clients: Iterable[ApiClient] = (),
        limits: TenantLimits = TenantLimits(),  # noqa: B008 - frozen
        region: str | None = None,
    ) -> None:
        self.now = now
        self.alerts = {str(alert["composite_id"]): dict(alert) for alert in alerts}
        self.hosts = {str(host["device_id"]): dict(host) for host in hosts}
        self.logins = dict(logins or {})
        self.addresses = dict(addresses or {})
        self.clients = {client.id: client for client in clients}
        self.limits = limits
        self.region = region
        self.calls: list[str] = []
        self._faults: list[_Armed] = []
        self._tokens: dict[str, tuple[ApiClient, datetime]] = {}
        self._lock = threading.Lock()

    def arm(self, *faults: Fault) -> None:
        """Have faults happen from now on."""
        with self._lock:
            self._faults += map(_Armed, faults)

    def called(self, method: str, path: str) -> Fault | None:
        """Note a call; gives the fault that is to happen to it."""
        with self._lock:
            self.calls.append(f"{method} {path}")
            for armed in self._faults:
                if not path.startswith(armed.fault.path) or not armed.left:
                    continue
                if armed.passed < armed.fault.after:
                    armed.passed += 1
                    continue
                armed.left -= 1
                return armed.fault
        return None

    def sign_in(self, client_id: str, secret: str) -> str | None:
        """A token, if the client and its secret are known."""
        client = self.clients.get(client_id)
        if client is None or not secrets.compare_digest(client.secret.encode(), secret.encode()):
            return None
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._tokens[token] = (client, self.now() + timedelta(seconds=self.limits.token))
        return token

    def revoke_all(self) -> None:
        """No token that was given out holds any more."""
        with self._lock:
            self._tokens.clear()

    def bearer(self, token: str) -> ApiClient | None:
        """Whose a token is, while it holds."""
        with self._lock:
            client, until = self._tokens.get(token, (None, None))
        return client if until is not None and self.now() < until else None
