"""Alerts and hosts of a Falcon tenant, read through CrowdStrike's SDK.

Alerts: ``GET /alerts/queries/alerts/v2`` and ``POST /alerts/entities/alerts/v2``; past 10,000, the cursor of ``POST
/alerts/combined/alerts/v1``. Always by ``created_timestamp|asc``: paging on a field that changes skips some.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import msgspec

from ..errors import UsageError
from ..model.alert import Alert, Host
from ..model.finding import Coverage, Gap
from ..model.time import Window
from ..progress import Progress, Silent, Task
from .connection import FalconConnection
from .errors import (
    DAMAGED,
    OPERATIONS,
    SIGN_IN,
    ClientRefused,
    FalconError,
    FalconNotFound,
    FalconUnreachable,
    ScopeMissing,
    failure,
)
from .fql import any_of, during, quoted
from .parse import Unreadable, addresses_of, alert_of, host_of, logins_of
from .transport import ATTEMPTS, TIMEOUT, Answer, Transport

T = TypeVar("T")
SORT = "created_timestamp|asc"
#: Fields of an alert that name a host, and those that name a user; ``idp`` alerts have the last ones of each.
HOST_FIELDS = ("device.device_id", "device.hostname", "agent_id", "source_endpoint_host_name")
USER_FIELDS = ("user_name", "user_principal", "user_id", "source_account_upn", "source_account_name")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one request may ask for. ``reach`` is how far offsets go; beyond it there is only the cursor."""

    query: int = 10_000
    reach: int = 10_000
    details: int = 1_000
    combined: int = 1_000
    devices: int = 5_000
    device_details: int = 1_000
    addresses: int = 100
    login_devices: int = 10
    logins: int = 100


class AlertsRead(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts, oldest first, and what could not be read of those asked for."""

    alerts: tuple[Alert, ...]
    coverage: Coverage


class HostsRead(msgspec.Struct, frozen=True, kw_only=True):
    """Hosts by device id. ``unknown`` are ids that Falcon does not know; ``gaps`` say what could not be read."""

    hosts: tuple[Host, ...]
    unknown: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()


class ScopeCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the API client has a scope, and what of Trailwarden needs it."""

    scope: str
    feature: str
    status: Literal["ok", "missing", "failed"]
    detail: str = ""
    remedy: str = ""


class Falcon:
    """One tenant. Not to be shared between threads; nothing is asked before the first read."""

    def __init__(
        self,
        connection: FalconConnection,
        secret: str,
        *,
        now: Callable[[], datetime],
        progress: Progress | None = None,
        sleep: Callable[[float], object] = time.sleep,
        timeout: tuple[float, float] = TIMEOUT,
        attempts: int = ATTEMPTS,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self.connection = connection
        self._now = now
        self._progress: Progress = progress or Silent()
        self._limits = limits
        self._transport = Transport(
            connection.base_url,
            connection.client_id,
            secret,
            now=now,
            sleep=sleep,
            timeout=timeout,
            attempts=attempts,
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> "Falcon":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> tuple[ScopeCheck, ...]:
        """Which scopes the API client has, found by the smallest request that needs each.

        Raises:
            ClientRefused: it is not accepted at all.
            FalconError: nobody answers at the address, or no token is to be had.
        """
        return (
            self._checked("query_alerts_v2"),
            self._checked("query_devices_by_filter"),
        )

    def alerts(
        self,
        window: Window,
        *,
        hosts: Sequence[str] = (),
        users: Sequence[str] = (),
        min_severity: int | None = None,
    ) -> AlertsRead:
        """The alerts of things that happened in the window, hidden ones too.

        ``hosts`` are hostnames or device ids, ``users`` names, SIDs or UPNs, both compared without regard to case;
        ``min_severity`` is 0 to 100. What fails on the way is a gap beside what came before it.

        Raises:
            ClientRefused: the API client is not accepted at all.
            UsageError: ``min_severity`` is none.
        """
        if min_severity is not None and not 0 <= min_severity <= 100:
            raise UsageError(f"not a severity: {min_severity}", remedy="Falcon's go from 0 to 100")
        parts = [during("timestamp", window)]
        parts += [any_of(HOST_FIELDS, hosts)] if hosts else []
        parts += [any_of(USER_FIELDS, users)] if users else []
        parts += [f"severity:>={min_severity}"] if min_severity is not None else []
        found: dict[str, Alert] = {}
        gaps: list[Gap] = []
        with self._progress.task("Falcon alerts", unit="alerts") as task:
            try:
                for entity in self._entities("+".join(parts), task, gaps, window):
                    alert = alert_of(entity)
                    if isinstance(alert, Unreadable):
                        gaps.append(_gap(f"an alert cannot be read: {alert.reason} (id {alert.id or 'none'})", window))
                    elif _asked(alert, hosts, users):
                        found[alert.composite_id] = alert
            except FalconError as error:
                if isinstance(error, ClientRefused) and not found:
                    raise
                gaps.append(gap_of(error, window))
        return AlertsRead(
            alerts=tuple(sorted(found.values(), key=lambda alert: (alert.time, alert.composite_id))),
            coverage=Coverage(
                window=window,
                fresh_until=min(window.end, self._now()) if not gaps else None,
                gaps=tuple(dict.fromkeys(gaps)),
            ),
        )

    def alert(self, composite_id: str) -> Alert | None:
        """One alert by its id; None if Falcon has none of it.

        Raises:
            FalconError: or the subclass that fits; also where Falcon gave it in a form that cannot be read.
        """
        answer = self._details([composite_id])
        for entity in answer.resources:
            found = alert_of(entity)
            if isinstance(found, Alert) and found.composite_id == composite_id:
                return found
            if isinstance(found, Unreadable):
                raise FalconError(
                    f"the alert {composite_id} cannot be read: {found.reason}",
                    remedy="look at it in the Falcon console",
                    operation="get_alerts_v2",
                )
        return None

    def hosts(self, device_ids: Iterable[str], *, since: datetime | None = None) -> HostsRead:
        """Hosts with their histories. ``since``: how far back logins go; Falcon's own default is 7 days.

        Raises:
            ClientRefused: the API client is not accepted at all.
        """
        wanted = list(dict.fromkeys(device_ids))
        gaps: list[Gap] = []
        found, unread = self._device_details(wanted, gaps)
        return HostsRead(
            hosts=self._with_histories([found[each] for each in wanted if each in found], gaps, since),
            unknown=tuple(each for each in wanted if each not in found and each not in unread),
            gaps=tuple(dict.fromkeys(gaps)),
        )

    def find_hosts(self, hostname: str, *, since: datetime | None = None) -> HostsRead:
        """The hosts of this name, in any case; several may share it.

        Raises:
            ClientRefused: the API client is not accepted at all.
        """
        gaps: list[Gap] = []
        ids: list[str] = []
        asked = f"hostname:{quoted(hostname)}"
        while True:
            answer = self._tried(
                "query_devices_by_filter",
                gaps,
                filter=asked,
                limit=self._limits.devices,
                offset=len(ids),
                sort="device_id.asc",
            )
            if answer is None or not answer.resources:
                break
            ids += [each for each in answer.resources if isinstance(each, str)]
            if answer.total is None or len(ids) >= answer.total:
                break
        found, _ = self._device_details(ids, gaps)
        # A name with a * finds hosts of other names: those are dropped before their histories are asked for.
        named = [host for host in found.values() if (host.hostname or "").casefold() == hostname.casefold()]
        named.sort(key=lambda host: host.device_id)
        return HostsRead(hosts=self._with_histories(named, gaps, since), gaps=tuple(dict.fromkeys(gaps)))

    def _device_details(self, wanted: Sequence[str], gaps: list[Gap]) -> tuple[dict[str, Host], set[str]]:
        """Hosts by device id, without their histories, and the ids that could not be asked for."""
        found: dict[str, Host] = {}
        unread: set[str] = set()
        with self._progress.task("Falcon hosts", total=float(len(wanted)), unit="hosts") as task:
            for chunk in _chunks(wanted, self._limits.device_details):
                answer = self._tried("get_device_details", gaps, ids=list(chunk))
                task.advance(len(chunk))
                if answer is None:
                    unread.update(chunk)
                    continue
                for entity in answer.resources:
                    host = host_of(entity)
                    if isinstance(host, Unreadable):
                        gaps.append(_gap(f"a host cannot be read: {host.reason} ({host.id or 'nameless'})", None))
                    else:
                        found[host.device_id] = host
        return found, unread

    def _checked(self, operation: str) -> ScopeCheck:
        needed = OPERATIONS[operation]
        try:
            self._transport.call(operation, limit=1)
        except ScopeMissing as error:
            return ScopeCheck(
                scope=needed.scope,
                feature=needed.feature,
                status="missing",
                detail=error.message,
                remedy=error.remedy,
            )
        except (ClientRefused, FalconUnreachable):
            raise
        except FalconError as error:
            if error.operation == SIGN_IN:
                raise
            return ScopeCheck(
                scope=needed.scope, feature=needed.feature, status="failed", detail=error.message, remedy=error.remedy
            )
        return ScopeCheck(scope=needed.scope, feature=needed.feature, status="ok")

    def _entities(self, asked: str, task: Task, gaps: list[Gap], window: Window) -> Iterator[Any]:
        """The alerts of a filter: by their ids where offsets reach, else by the cursor."""
        ids: list[str] = []
        while True:
            answer = self._transport.call(
                "query_alerts_v2",
                filter=asked,
                sort=SORT,
                limit=min(self._limits.query, self._limits.reach - len(ids)),
                offset=len(ids),
            )
            total = answer.total if answer.total is not None else len(ids) + len(answer.resources)
            task.total(total)
            if total > self._limits.reach:
                yield from self._by_cursor(asked, task)
                return
            ids += [each for each in answer.resources if isinstance(each, str)]
            if len(ids) >= total or not answer.resources:
                break
        if len(ids) < total:
            gaps.append(_gap(f"Falcon counts {total:,} alerts and gave {len(ids):,}", window))
        for chunk in _chunks(ids, self._limits.details):
            answer = self._details(chunk)
            task.advance(len(chunk))
            yield from answer.resources
            gaps += [_gap(f"an alert could not be given: {error}", window) for error in answer.errors]
            if len(answer.resources) < len(chunk) and not answer.errors:
                gaps.append(_gap(f"of {len(chunk):,} alerts Falcon gave {len(answer.resources):,}", window))

    def _by_cursor(self, asked: str, task: Task) -> Iterator[Any]:
        after: str | None = None
        while True:
            body = {
                "filter": asked,
                "sort": SORT,
                "limit": self._limits.combined,
                **({"after": after} if after else {}),
            }
            answer = self._transport.call("get_alerts_combined", body=body)
            task.advance(len(answer.resources))
            yield from answer.resources
            if answer.after is None:
                return
            if answer.after == after:
                raise failure(DAMAGED, "get_alerts_combined", "the cursor does not move on")
            after = answer.after

    def _details(self, ids: Sequence[str]) -> Answer:
        try:
            return self._transport.call("get_alerts_v2", body={"composite_ids": list(ids)})
        except FalconNotFound as error:
            return Answer((), (error.message,), None, None)

    def _with_histories(self, hosts: Sequence[Host], gaps: list[Gap], since: datetime | None) -> tuple[Host, ...]:
        ids = [host.device_id for host in hosts]
        addresses = self._history("query_network_address_history", ids, self._limits.addresses, gaps)
        asked: dict[str, Any] = {"limit": self._limits.logins}
        if since is not None:
            asked |= {"from": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "to": "now"}
        logins = self._history("query_device_login_history_v2", ids, self._limits.login_devices, gaps, parameters=asked)
        return tuple(
            msgspec.structs.replace(
                host,
                addresses=addresses_of(addresses[host.device_id]) if host.device_id in addresses else (),
                logins=logins_of(logins[host.device_id]) if host.device_id in logins else (),
                read=tuple(
                    name
                    for name, history in (("addresses", addresses), ("logins", logins))
                    if host.device_id in history
                ),
            )
            for host in hosts
        )

    def _history(
        self, operation: str, ids: Sequence[str], most: int, gaps: list[Gap], **arguments: Any
    ) -> dict[str, Mapping[str, Any]]:
        """A history by device id; of a device that was asked for and is not in the answer it is empty."""
        found: dict[str, Mapping[str, Any]] = {}
        for chunk in _chunks(ids, most):
            # The SDK adds to the parameters that it is given.
            copies = {name: dict(value) for name, value in arguments.items()}
            answer = self._tried(operation, gaps, body={"ids": list(chunk)}, **copies)
            if answer is None or answer.errors:
                continue
            empty: dict[str, Mapping[str, Any]] = {each: {} for each in chunk}
            found |= empty | {
                each["device_id"]: each
                for each in answer.resources
                if isinstance(each, Mapping) and each.get("device_id") in empty
            }
        return found

    def _tried(self, operation: str, gaps: list[Gap], **arguments: Any) -> Answer | None:
        """What a call gives; None where it fails. What it lacks is among the gaps."""
        try:
            answer = self._transport.call(operation, **arguments)
        except ClientRefused:
            raise
        except FalconError as error:
            if isinstance(error, FalconNotFound) and len(arguments.get("body", arguments).get("ids", ())) == 1:
                return Answer((), (), 0, None)
            gaps.append(gap_of(error, None))
            return None
        gaps += [_gap(f"Falcon's {operation} left something out: {error}", None) for error in answer.errors]
        return answer


def _asked(alert: Alert, hosts: Sequence[str], users: Sequence[str]) -> bool:
    """Whether the alert is of one of the hosts and users: a ``*`` in a name finds more than the name."""
    of_host = (alert.device_id, alert.agent_id, alert.hostname, alert.raw.get("source_endpoint_host_name"))
    of_user = (alert.user_name, alert.upn, alert.user_id, *(alert.raw.get(field) for field in USER_FIELDS))
    return _names(of_host, hosts) and _names(of_user, users)


def _names(values: Iterable[Any], wanted: Sequence[str]) -> bool:
    known = {value.casefold() for value in values if isinstance(value, str)}
    return not wanted or any(each.casefold() in known for each in wanted)


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _gap(reason: str, window: Window | None, remedy: str = "", *, denied: bool = False) -> Gap:
    return Gap(kind="denied" if denied else "failed", reason=reason, window=window, remedy=remedy)


def gap_of(error: FalconError, window: Window | None) -> Gap:
    """What a failure leaves out."""
    return _gap(error.message, window, error.remedy, denied=isinstance(error, (ScopeMissing, ClientRefused)))
