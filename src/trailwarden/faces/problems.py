"""Failures as HTTP and MCP say them: one shape, ``{"error", "kind", "remedy"}``, and a status for each kind.

``suggestions`` stands beside them where a question was not understood. It is the command line's shape, too.
"""

from collections.abc import Mapping
from typing import Any

from ..errors import (
    AwsError,
    Busy,
    Forbidden,
    LakeError,
    LoginLimited,
    NotAuthenticated,
    NotFound,
    NotUnderstood,
    SetupError,
    SourceError,
    Throttled,
    TrailwardenError,
    UsageError,
)
from ..state.idempotency import Conflict


class TooLarge(UsageError):  # noqa: N818 - reads as the outcome it is
    """The body is longer than any request needs."""


class NotJson(UsageError):  # noqa: N818
    """The body is of a type that is not read."""


class NotHere(UsageError):  # noqa: N818
    """Nothing is at that address."""


class WrongMethod(UsageError):  # noqa: N818
    """Something is at that address, but not by that method."""


#: The largest body that is read, in bytes.
LARGEST_BODY = 1 << 20
#: HTTP's status of a kind of failure; the first that fits counts.
STATUS: tuple[tuple[type[TrailwardenError], int], ...] = (
    (LoginLimited, 429),
    (NotAuthenticated, 401),
    (Forbidden, 403),
    (TooLarge, 413),
    (NotJson, 415),
    (NotHere, 404),
    (WrongMethod, 405),
    (Conflict, 409),
    (NotUnderstood, 422),
    (UsageError, 400),
    (NotFound, 404),
    (Throttled, 503),
    (AwsError, 502),
    (Busy, 503),
    (SetupError, 503),
    (SourceError, 500),
    (LakeError, 500),
)
#: In how many seconds it is worth to ask again.
_RETRY = {503: 5}


def status_of(error: TrailwardenError) -> int:
    """The HTTP status of a failure."""
    # What a tool raises without a kind of its own is that nothing, or not one thing, has the given name.
    otherwise = 404 if type(error) is TrailwardenError else 500
    return next((status for kind, status in STATUS if isinstance(error, kind)), otherwise)


def body_of(error: TrailwardenError) -> dict[str, Any]:
    """A failure as JSON has it."""
    body: dict[str, Any] = {"error": error.message, "kind": type(error).__name__, "remedy": error.remedy}
    if isinstance(error, NotUnderstood):
        body["suggestions"] = list(error.suggestions)
    return body


def headers_of(error: TrailwardenError) -> Mapping[str, str]:
    """The headers that belong to the status of a failure."""
    if status_of(error) == 401:
        return {"WWW-Authenticate": 'Bearer realm="trailwarden"'}
    return retry_after(error)


def retry_after(error: TrailwardenError) -> Mapping[str, str]:
    """When it is worth to ask again, as a header, if that is known."""
    status = status_of(error)
    seconds = error.retry_after if isinstance(error, LoginLimited) else _RETRY.get(status)
    return {} if seconds is None else {"Retry-After": str(seconds)}
