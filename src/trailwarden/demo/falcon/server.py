"""The HTTP side of the stand-in.

https://www.falconpy.io/Service-Collections/Alerts.html and https://www.falconpy.io/Service-Collections/Hosts.html
"""

import base64
import binascii
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from ...model.time import parse_event_time
from .fql import FqlError, parse, value_at
from .tenant import ALERTS_READ, HOSTS_READ, Fault, Tenant

ALERT_FIELDS = frozenset(
    {
        *("composite_id", "id", "cid", "agent_id", "product", "type", "status", "severity", "severity_name", "name"),
        *("timestamp", "created_timestamp", "updated_timestamp", "context_timestamp", "tactic", "tactic_id"),
        *("technique", "technique_id", "user_name", "user_id", "user_principal", "logon_domain"),
        *("source_account_upn", "source_account_name", "source_endpoint_host_name", "source_endpoint_ip_address"),
        *("device.device_id", "device.hostname", "device.external_ip", "device.local_ip"),
    }
)
HOST_FIELDS = frozenset(
    {
        *("device_id", "hostname", "external_ip", "local_ip", "machine_domain", "platform_name", "instance_id"),
        *("service_provider", "service_provider_account_id", "last_seen", "last_login_user"),
    }
)
#: Fields by which alerts may be paged: those that never change.
SORTS = frozenset({"created_timestamp", "composite_id"})


class Refused(Exception):  # noqa: N818 - reads as the outcome it is
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


class Request(msgspec.Struct, frozen=True):
    """What a route gets: the query's parameters, the first of each, and the JSON body."""

    query: Mapping[str, str]
    body: Mapping[str, Any]


class Reply(msgspec.Struct, frozen=True):
    """What a route gives: resources, errors beside them, and paging."""

    resources: list[Any]
    pagination: Mapping[str, Any] | None = None
    errors: tuple[str, ...] = ()


class FalconServer:
    """The stand-in at work, from here to the end of the ``with`` block; ``endpoint`` is its address."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self._stopped = threading.Event()
        tenant_, stopped = tenant, self._stopped

        class Handler(_Handler):
            tenant = tenant_
            stopped_event = stopped

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="falcon", daemon=True)

    @property
    def endpoint(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FalconServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One request, one connection: an address that stays open would outlive its test."""

    tenant: Tenant
    stopped_event: threading.Event
    timeout = 10.0

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing is written: the terminal is the person's."""

    def do_GET(self) -> None:
        """Answer."""
        self._answer("GET")

    def do_POST(self) -> None:
        """Answer."""
        self._answer("POST")

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.tenant.called(method, parts.path)
        try:
            self._before(fault)
            if parts.path == "/oauth2/token":
                self._token(method, content, fault)
                return
            route = ROUTES.get((method, parts.path), (None, _no_page))
            self._authorised(route[0])
            reply = route[1](self.tenant, self._request(parts.query, content))
        except Refused as refused:
            errors = [{"code": refused.status, "message": refused.message}]
            self._write(refused.status, {"meta": _meta(), "errors": errors}, refused.headers, fault)
            return
        if fault is not None and fault.do == "lose":
            reply = Reply(reply.resources[1:], reply.pagination, ("one resource is not available",))
        meta = _meta() | ({"pagination": dict(reply.pagination)} if reply.pagination is not None else {})
        errors = [{"code": 500, "message": message} for message in reply.errors]
        self._write(200, {"meta": meta, "errors": errors, "resources": reply.resources}, {}, fault)

    def _before(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.do == "throttle":
            again = int(self.tenant.now().timestamp()) + int(fault.seconds)
            raise Refused(429, "API rate limit exceeded.", {"X-Ratelimit-RetryAfter": str(again)})
        if fault.do == "fail":
            raise Refused(500, "Internal Server Error: Please provide trace-id to support")
        if fault.do == "expire":
            self.tenant.revoke_all()
        if fault.do == "stall":
            self.stopped_event.wait(fault.seconds)

    def _token(self, method: str, content: bytes, fault: Fault | None) -> None:
        kind = self.headers.get("Content-Type", "").split(";")[0]
        if method != "POST" or kind != "application/x-www-form-urlencoded":
            raise Refused(400, "Failed to generate access token: the request is not a form")
        form = {name: values[0] for name, values in parse_qs(content.decode("utf-8", "replace")).items()}
        token = self.tenant.sign_in(form.get("client_id", ""), form.get("client_secret", ""))
        if token is None:
            raise Refused(403 if form.get("client_id") in self.tenant.clients else 401, "access denied, invalid bearer")
        body = {"access_token": token, "expires_in": self.tenant.limits.token, "token_type": "bearer"}
        region = self.tenant.region
        self._write(201, body, {"X-Cs-Region": region} if region is not None else {}, fault)

    def _authorised(self, scope: str | None) -> None:
        word, _, token = self.headers.get("Authorization", "").partition(" ")
        client = self.tenant.bearer(token) if word.lower() == "bearer" else None
        if client is None:
            raise Refused(401, "access denied, invalid bearer token")
        if scope is not None and scope not in client.scopes:
            raise Refused(403, "access denied, authorization failed")

    def _request(self, query: str, content: bytes) -> Request:
        body: Any = {}
        if content:
            try:
                body = json.loads(content)
            except ValueError:
                raise Refused(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise Refused(400, "the body is not an object")
        return Request({name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}, body)

    def _write(self, status: int, body: Any, headers: Mapping[str, str], fault: Fault | None) -> None:
        content = json.dumps(body).encode()
        do = fault.do if fault is not None and status < 300 else None
        sent = content[: len(content) // 2] if do in ("truncate", "cut") else content
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content if do == "cut" else sent)))
            self.send_header("X-Ratelimit-Limit", "6000")
            self.send_header("X-Ratelimit-Remaining", "0" if status == 429 else "5999")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # who asked has given up waiting


def _no_page(_tenant: Tenant, _request: Request) -> Reply:
    raise Refused(404, "404: Page Not Found")


def _meta() -> dict[str, Any]:
    return {"query_time": 0.01, "powered_by": "falcon", "trace_id": f"{time.monotonic_ns():032x}"}


def _number(request: Mapping[str, Any], name: str, default: int, most: int, least: int = 0) -> int:
    try:
        value = int(request.get(name, default))
    except (TypeError, ValueError):
        raise Refused(400, f"{name} is not a number") from None
    if not least <= value <= most:
        raise Refused(400, f"{name} must be from {least} to {most}")
    return value


def _ids(request: Request, name: str, most: int) -> list[str]:
    ids = request.body.get(name)
    if not isinstance(ids, list) or not ids or not all(isinstance(each, str) for each in ids):
        raise Refused(400, f"{name} must be a list of ids")
    if len(ids) > most:
        raise Refused(400, f"{name}: at most {most} ids")
    return ids


def _matching(entities: Mapping[str, Mapping[str, Any]], text: str, fields: frozenset[str]) -> list[Mapping[str, Any]]:
    try:
        matches = parse(text, fields)
        return [entity for entity in entities.values() if matches(entity)]
    except FqlError as error:
        raise Refused(400, str(error)) from None


def _sorted_alerts(tenant: Tenant, text: str, sort: str) -> list[Mapping[str, Any]]:
    field, _, direction = (sort or "created_timestamp|desc").replace(".", "|").partition("|")
    if field not in SORTS or direction not in ("asc", "desc"):
        raise Refused(400, f"invalid sort: {sort}")
    found = _matching(tenant.alerts, text, ALERT_FIELDS)
    return sorted(found, key=lambda alert: _place(alert, field), reverse=direction == "desc")


def _place(alert: Mapping[str, Any], field: str) -> tuple[str, str]:
    return str(value_at(alert, field)), str(alert["composite_id"])


def _query_alerts(tenant: Tenant, request: Request) -> Reply:
    limits = tenant.limits
    limit = _number(request.query, "limit", limits.query, limits.query, 1)
    offset = _number(request.query, "offset", 0, limits.reach)
    if offset + limit > limits.reach:
        raise Refused(400, f"offset + limit must not exceed {limits.reach}")
    found = _sorted_alerts(tenant, request.query.get("filter", ""), request.query.get("sort", ""))
    ids = [alert["composite_id"] for alert in found[offset : offset + limit]]
    return Reply(ids, {"offset": offset, "limit": limit, "total": len(found)})


def _get_alerts(tenant: Tenant, request: Request) -> Reply:
    ids = _ids(request, "composite_ids", tenant.limits.details)
    found = [tenant.alerts[each] for each in ids if each in tenant.alerts]
    if not found:
        raise Refused(404, "no alert with these ids")
    return Reply(found)


def _combined_alerts(tenant: Tenant, request: Request) -> Reply:
    if set(request.body) - {"after", "filter", "limit", "sort"}:
        raise Refused(400, "unknown field in the body")
    limit = _number(request.body, "limit", 100, tenant.limits.combined, 1)
    text, sort = str(request.body.get("filter", "")), str(request.body.get("sort", ""))
    found = _sorted_alerts(tenant, text, sort)
    field = (sort or "created_timestamp").replace(".", "|").partition("|")[0]
    asked = hashlib.sha256(f"{text}\0{sort}".encode()).hexdigest()[:16]
    if token := request.body.get("after"):
        last = _cursor(str(token), asked)
        rest = [number for number, alert in enumerate(found) if list(_place(alert, field)) == last]
        if not rest:
            raise Refused(400, "invalid after token")
        found = found[rest[0] + 1 :]
    page = found[:limit]
    paging: dict[str, Any] = {"total": len(found), "limit": limit}
    if len(found) > limit:
        place = json.dumps([asked, *_place(page[-1], field)])
        paging["after"] = base64.urlsafe_b64encode(place.encode()).decode()
    return Reply(page, paging)


def _cursor(token: str, asked: str) -> list[str]:
    try:
        made_for, *place = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, binascii.Error):
        raise Refused(400, "invalid after token") from None
    if made_for != asked:
        raise Refused(400, "the after token belongs to another filter or sort")
    return [str(each) for each in place]


def _query_devices(tenant: Tenant, request: Request) -> Reply:
    limit = _number(request.query, "limit", 100, tenant.limits.devices, 1)
    offset = _number(request.query, "offset", 0, tenant.limits.reach)
    found = _matching(tenant.hosts, request.query.get("filter", ""), HOST_FIELDS)
    ids = sorted(str(host["device_id"]) for host in found)
    return Reply(ids[offset : offset + limit], {"offset": offset, "limit": limit, "total": len(ids)})


def _get_devices(tenant: Tenant, request: Request) -> Reply:
    ids = _ids(request, "ids", tenant.limits.devices)
    return Reply([tenant.hosts[each] for each in ids if each in tenant.hosts])


def _login_history(tenant: Tenant, request: Request) -> Reply:
    ids = _ids(request, "ids", tenant.limits.login_devices)
    limit = _number(request.query, "limit", 10, tenant.limits.logins, 1)
    since = tenant.now() - timedelta(days=7)
    if text := request.query.get("from"):
        given = parse_event_time(text)
        if given is None:
            raise Refused(400, f"from is no time: {text}")
        since = given

    def recent(device_id: str) -> list[Mapping[str, Any]]:
        dated = [(parse_event_time(str(each["login_time"])), each) for each in tenant.logins.get(device_id, ())]
        return [each for moment, each in dated if moment is not None and moment >= since]

    return Reply([{"device_id": each, "recent_logins": recent(each)[:limit]} for each in ids if each in tenant.hosts])


def _address_history(tenant: Tenant, request: Request) -> Reply:
    ids = _ids(request, "ids", tenant.limits.devices)
    return Reply(
        [
            {"cid": tenant.hosts[each].get("cid"), "device_id": each, "history": list(tenant.addresses.get(each, ()))}
            for each in ids
            if each in tenant.hosts
        ]
    )


#: Method and path -> the scope that is needed, and what answers.
ROUTES: Mapping[tuple[str, str], tuple[str, Callable[[Tenant, Request], Reply]]] = {
    ("GET", "/alerts/queries/alerts/v2"): (ALERTS_READ, _query_alerts),
    ("POST", "/alerts/entities/alerts/v2"): (ALERTS_READ, _get_alerts),
    ("POST", "/alerts/combined/alerts/v1"): (ALERTS_READ, _combined_alerts),
    ("GET", "/devices/queries/devices/v1"): (HOSTS_READ, _query_devices),
    ("POST", "/devices/entities/devices/v2"): (HOSTS_READ, _get_devices),
    ("POST", "/devices/combined/devices/login-history/v2"): (HOSTS_READ, _login_history),
    ("POST", "/devices/combined/devices/network-address-history/v1"): (HOSTS_READ, _address_history),
}
