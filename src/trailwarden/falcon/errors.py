"""What Falcon and its SDK say when something fails, mapped to errors of this program in one place.

    FalconError                 Falcon, or the way to it, refused
    ├── ClientRefused           the API client's id or secret is not accepted
    ├── ScopeMissing            the API client lacks a scope
    ├── RateLimited             Falcon asked to slow down, and retries ran out
    ├── FalconNotFound          the named thing does not exist
    └── FalconUnreachable       no connection, or an answer that arrived damaged

HTTP statuses: https://www.falconpy.io/Usage/Response-Handling.html
"""

from collections.abc import Mapping

import msgspec

from ..errors import TrailwardenError

#: Longest text of Falcon that is passed on.
MESSAGE_LIMIT = 600


class FalconError(TrailwardenError):
    """Falcon refused a call, or could not be reached. ``status`` is its HTTP status, 0 without an answer."""

    def __init__(self, message: str, *, remedy: str = "", status: int = 0, operation: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.operation = operation


class ClientRefused(FalconError):  # noqa: N818 - reads as the outcome it is
    """The API client's id or secret is not accepted."""


class ScopeMissing(FalconError):  # noqa: N818
    """The API client lacks the scope that the call needs."""


class RateLimited(FalconError):  # noqa: N818
    """Falcon asked to slow down, and the retries were used up."""


class FalconNotFound(FalconError):  # noqa: N818
    """The named thing does not exist."""


class FalconUnreachable(FalconError):  # noqa: N818
    """No connection to Falcon, or what arrived of its answer was damaged."""


class Rule(msgspec.Struct, frozen=True):
    """What one kind of failure becomes; ``retry`` if the same call may succeed a moment later."""

    error: type[FalconError]
    remedy: str
    retry: bool = False


class Operation(msgspec.Struct, frozen=True):
    """An operation of the API: the SDK's class that has it, the scope it needs, and what of Trailwarden needs it."""

    service: str
    scope: str
    feature: str


_ALERTS = Operation("Alerts", "Alerts: read", "endpoint alerts, and what happened in AWS around them")
_HOSTS = Operation("Hosts", "Hosts: read", "the host of an alert: its EC2 instance, address history and logins")
#: Operations by their method's name in the SDK, with the scopes of
#: https://www.falconpy.io/Service-Collections/Alerts.html and https://www.falconpy.io/Service-Collections/Hosts.html
OPERATIONS: Mapping[str, Operation] = {
    "query_alerts_v2": _ALERTS,
    "get_alerts_v2": _ALERTS,
    "get_alerts_combined": _ALERTS,
    "query_devices_by_filter": _HOSTS,
    "get_device_details": _HOSTS,
    "query_device_login_history_v2": _HOSTS,
    "query_network_address_history": _HOSTS,
}
SIGN_IN = "oauth2/token"

_CREDENTIALS = (
    "create an API client in the Falcon console (Support and resources > API clients and keys) and connect it"
)
_ADDRESS = "check the cloud or address of the connection, the network and the proxy (HTTPS_PROXY), then repeat"
_SLOWER = "wait a minute and repeat the command; other programs share this API client's limit"
_FALCON = "Falcon's side failed; repeat the command in a few minutes, and see https://supportportal.crowdstrike.com"
_REQUEST = "check the names and ids that were given; Falcon does not accept one of them"
_OTHER_CLOUD = "connect again with the cloud that the Falcon console is on: its address in the browser names it"

_UNREACHABLE = Rule(FalconUnreachable, _ADDRESS, retry=True)
DAMAGED = Rule(FalconUnreachable, "repeat the command; if it stays, a proxy changes what passes through it", retry=True)
_SERVER = Rule(FalconError, _FALCON, retry=True)
_BAD_REQUEST = Rule(FalconError, _REQUEST)
_ELSEWHERE = Rule(FalconError, _OTHER_CLOUD)
_SDK = Rule(FalconError, "update crowdstrike-falconpy (`pip install -U crowdstrike-falconpy`); if it stays, report it")

#: HTTP status -> what it means. Others go by their hundreds.
STATUSES: Mapping[int, Rule] = {
    300: _ELSEWHERE,
    400: _BAD_REQUEST,
    401: Rule(ClientRefused, _CREDENTIALS),
    403: Rule(
        ScopeMissing, "give the API client the scope {scope} (Support and resources > API clients and keys > Edit)"
    ),
    404: Rule(FalconNotFound, _REQUEST),
    408: _UNREACHABLE,
    429: Rule(RateLimited, _SLOWER, retry=True),
    500: _SERVER,
}
#: Where the secret itself is presented, these mean the client; a 403 may also be the tenant's IP allow-list.
SIGN_IN_STATUSES: Mapping[int, Rule] = {
    400: Rule(ClientRefused, _CREDENTIALS),
    401: Rule(ClientRefused, _CREDENTIALS),
    403: Rule(ClientRefused, f"{_CREDENTIALS}; or let this machine's address through the tenant's IP allow-list"),
    404: _ELSEWHERE,
}

#: Exception of requests or falconpy -> what it means; a class that is not in here goes by its nearest base that is.
EXCEPTIONS: Mapping[str, Rule] = {
    "RequestException": _UNREACHABLE,
    "ConnectionError": _UNREACHABLE,
    "Timeout": _UNREACHABLE,
    "ProxyError": Rule(FalconUnreachable, "check HTTPS_PROXY and NO_PROXY; the proxy does not answer"),
    "SSLError": Rule(FalconUnreachable, "trust the proxy's certificate (REQUESTS_CA_BUNDLE), and check the clock"),
    "TooManyRedirects": _ELSEWHERE,
    "ChunkedEncodingError": DAMAGED,
    "ContentDecodingError": DAMAGED,
    "StreamConsumedError": _SDK,
    "JSONDecodeError": DAMAGED,
    "InvalidJSONError": DAMAGED,
    "RetryError": _UNREACHABLE,
    "URLRequired": _BAD_REQUEST,
    "MissingSchema": _BAD_REQUEST,
    "InvalidSchema": _BAD_REQUEST,
    "InvalidURL": _BAD_REQUEST,
    "InvalidHeader": _BAD_REQUEST,
    "UnrewindableBodyError": _SDK,
    "HTTPError": _SERVER,
    "SDKError": _SDK,
    "SDKWarning": _SDK,
    "SDKDeprecationWarning": _SDK,
    "InvalidCredentials": Rule(ClientRefused, _CREDENTIALS),
    "InvalidCredentialFormat": Rule(ClientRefused, _CREDENTIALS),
    "InvalidBaseURL": _ELSEWHERE,
    "RegionSelectError": _ELSEWHERE,
    "NoContentWarning": DAMAGED,
}


def rule_for_status(status: int, *, signing_in: bool = False) -> Rule:
    """What an HTTP status means; of one that is not in the table, what its hundreds mean."""
    tables = (SIGN_IN_STATUSES, STATUSES) if signing_in else (STATUSES,)
    for code in (status, status // 100 * 100):
        for table in tables:
            if code in table:
                return table[code]
    return _SDK


def rule_for_exception(kind: type[BaseException]) -> Rule:
    """What an exception of requests or falconpy means: its own entry, else that of its nearest base class."""
    return next((EXCEPTIONS[base.__name__] for base in kind.__mro__ if base.__name__ in EXCEPTIONS), _SDK)


def failure(rule: Rule, operation: str, said: str, *, status: int = 0) -> FalconError:
    """The error of a rule. ``said`` is Falcon's text, or the SDK's."""
    known = OPERATIONS.get(operation)
    text = " ".join(said.split()) or "no reason given"
    if len(text) > MESSAGE_LIMIT:
        text = text[: MESSAGE_LIMIT - 1] + "…"
    scope = f'"{known.scope}"' if known is not None else "that the operation needs"
    lacks = f" the API client lacks the scope {scope}:" if rule.error is ScopeMissing else ""
    return rule.error(
        f"Falcon's {operation} failed:{lacks} {text}" + (f" (HTTP {status})" if status else ""),
        remedy=rule.remedy.replace("{scope}", scope),
        status=status,
        operation=operation,
    )
