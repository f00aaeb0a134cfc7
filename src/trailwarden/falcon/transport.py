"""One call of the SDK: the token, waiting and repeating, and what went wrong.

The SDK answers a failure on the way with a 500 of its own making, so that its session keeps what it was.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from .connection import cloud_of
from .errors import DAMAGED, OPERATIONS, SIGN_IN, FalconError, Rule, failure, rule_for_exception, rule_for_status

if TYPE_CHECKING:
    import requests
    from falconpy import OAuth2

#: Seconds to connect, and to wait for bytes.
TIMEOUT = (10.0, 60.0)
ATTEMPTS = 5
#: The longest wait that Falcon is granted at once, in seconds: its limit is by the minute.
LONGEST_WAIT = 90.0
_RETRY_AFTER = "X-Ratelimit-RetryAfter"
_REGION = "X-Cs-Region"


class Answer(msgspec.Struct, frozen=True):
    """What a call gave. ``errors`` are what Falcon says of parts that it could not give."""

    resources: tuple[Any, ...]
    errors: tuple[str, ...]
    total: int | None
    after: str | None


class Transport:
    """Calls Falcon by its SDK, one call at a time."""

    def __init__(
        self,
        base_url: str,
        client_id: str,
        secret: str,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], object] = time.sleep,
        timeout: tuple[float, float] = TIMEOUT,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.base_url = base_url
        self._client_id = client_id
        self._secret = secret
        self._now = now
        self._sleep = sleep
        self._timeout = timeout
        self._attempts = attempts
        self._session: Any = None
        self._auth: OAuth2 | None = None
        self._services: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Transport({self.base_url!r}, {self._client_id!r})"

    def close(self) -> None:
        """Close the connections; the next call opens them again."""
        if self._session is not None:
            self._session.close()
        self._session = self._auth = None
        self._services = {}

    def call(self, operation: str, **arguments: Any) -> Answer:
        """What an operation of ``errors.OPERATIONS`` gives, after as many attempts as it takes.

        Raises:
            FalconError: or the subclass that fits, when it cannot succeed or the attempts are used up.
        """
        renewed = False
        for attempt in range(1, self._attempts + 1):
            self._signed_in()
            outcome, headers = self._once(operation, arguments)
            if isinstance(outcome, Answer):
                return outcome
            rule, error = outcome
            if error.status == 401 and not renewed and self._auth is not None:
                renewed = True
                self._auth.bearer_token.fail_token(401)  # revoked before its time: the next attempt signs in anew
                continue
            if not rule.retry or attempt == self._attempts:
                raise error
            self._wait(attempt, headers)
        raise failure(rule_for_status(401), operation, "the token is refused again and again", status=401)

    def _once(
        self, operation: str, arguments: Mapping[str, Any]
    ) -> tuple[Answer | tuple[Rule, FalconError], Mapping[str, str]]:
        self._session.failure = None
        service = self._services[OPERATIONS[operation].service]
        status, headers, body = _parts(getattr(service, operation)(**arguments))
        return self._problem(operation, status, body) or _answer(body), headers

    def _problem(self, operation: str, status: int, body: Mapping[str, Any]) -> tuple[Rule, FalconError] | None:
        """What is wrong with an answer, None if nothing is."""
        kept: Exception | None = self._session.failure
        if kept is not None:
            rule = rule_for_exception(type(kept))
            error = failure(rule, operation, self._without_secret(str(kept)))
            error.__cause__ = kept
            return rule, error
        said = "; ".join(_messages(body))
        if not 200 <= status < 300:
            rule = rule_for_status(status, signing_in=operation == SIGN_IN)
            return rule, failure(rule, operation, self._without_secret(said), status=status)
        if operation != SIGN_IN and not _whole(body):
            return DAMAGED, failure(DAMAGED, operation, self._without_secret(said or "not what the API describes"))
        return None

    def _without_secret(self, text: str) -> str:
        return text.replace(self._secret, "…") if self._secret else text

    def _signed_in(self) -> None:
        """See that there is a token that still holds.

        Raises:
            FalconError: there is none to be had.
        """
        auth = self._auth if self._auth is not None else self._opened()
        if auth.token_value and not auth.token_stale:
            return
        headers: Mapping[str, str] = {}
        for attempt in range(1, self._attempts + 1):
            self._session.failure = None
            try:
                result = auth.login()
            except (KeyError, TypeError, AttributeError, ValueError):  # the SDK reads the token's answer unchecked
                rule, headers = DAMAGED, {}
                error: FalconError = failure(DAMAGED, SIGN_IN, "the answer holds no token")
            else:
                status, headers, body = _parts(result)
                problem = self._problem(SIGN_IN, status, body)
                if problem is None and auth.token_value:
                    self._stay(auth, headers)
                    return
                rule, error = problem or (DAMAGED, failure(DAMAGED, SIGN_IN, "the answer holds no token"))
            if not rule.retry or attempt == self._attempts:
                raise error
            self._wait(attempt, headers)

    def _stay(self, auth: "OAuth2", headers: Mapping[str, str]) -> None:
        """Keep to the connection's address; the SDK would go where the answer's header says.

        Raises:
            FalconError: the client belongs to another cloud.
        """
        auth.base_url = self.base_url
        cloud, region = cloud_of(self.base_url), headers.get(_REGION.lower(), "")
        if cloud is not None and region and region.lower() != cloud:
            auth.bearer_token.fail_token(401)
            raise failure(
                rule_for_status(300), SIGN_IN, f"the API client belongs to the cloud {region}, not to {cloud}"
            )
        if not self._services:
            from falconpy import Alerts, Hosts  # noqa: PLC0415

            self._services = {"Alerts": Alerts(auth_object=auth), "Hosts": Hosts(auth_object=auth)}

    def _opened(self) -> "OAuth2":
        from falconpy import OAuth2  # noqa: PLC0415

        self._session = _session()
        self._auth = OAuth2(
            client_id=self._client_id,
            client_secret=self._secret,
            base_url=self.base_url,
            timeout=self._timeout,
            user_agent=f"trailwarden/{version('trailwarden')}",
            session=self._session,
        )
        return self._auth

    def _wait(self, attempt: int, headers: Mapping[str, str]) -> None:
        """Until Falcon says (an epoch second), or 1, 2, 4 … seconds."""
        pause = float(2 ** (attempt - 1))
        text = headers.get(_RETRY_AFTER.lower(), "")
        if text.isascii() and text.isdigit():
            pause = int(text) - self._now().timestamp()
        self._sleep(min(max(pause, 0.0), LONGEST_WAIT))


def _session() -> "requests.Session":
    import requests  # noqa: PLC0415

    class Session(requests.Session):
        """A session that keeps what failed, and never follows: the client's secret goes to one address only."""

        failure: Exception | None = None

        def request(self, *arguments: Any, **settings: Any) -> Any:
            settings["allow_redirects"] = False
            try:
                return super().request(*arguments, **settings)
            except requests.RequestException as error:
                self.failure = error
                raise

    session = Session()
    session.auth = lambda request: request  # without one of its own, requests takes ~/.netrc's, instead of the token
    return session


def _parts(result: Any) -> tuple[int, Mapping[str, str], Mapping[str, Any]]:
    """Status, headers (names in lower case) and body of what the SDK returned; a body that is none is empty."""
    found: Mapping[str, Any] = result if isinstance(result, Mapping) else {}
    status, body = found.get("status_code"), found.get("body")
    headers = {str(name).lower(): str(value) for name, value in dict(found.get("headers") or {}).items()}
    return (status if isinstance(status, int) else 0), headers, body if isinstance(body, Mapping) else {}


def _messages(body: Mapping[str, Any]) -> tuple[str, ...]:
    errors = body.get("errors")
    return tuple(
        str(each.get("message") or each) if isinstance(each, Mapping) else str(each)
        for each in (errors if isinstance(errors, list) else ())
    )


def _whole(body: Mapping[str, Any]) -> bool:
    """Whether it is an answer of the API: with ``meta`` and ``resources``; the SDK makes up one without ``meta``."""
    resources = body.get("resources")
    return isinstance(body.get("meta"), Mapping) and (resources is None or isinstance(resources, list))


def _answer(body: Mapping[str, Any]) -> Answer:
    paging = body["meta"].get("pagination")
    paging = paging if isinstance(paging, Mapping) else {}
    total, after = paging.get("total"), paging.get("after")
    return Answer(
        resources=tuple(body.get("resources") or ()),
        errors=_messages(body),
        total=total if isinstance(total, int) else None,
        after=after if isinstance(after, str) and after else None,
    )
