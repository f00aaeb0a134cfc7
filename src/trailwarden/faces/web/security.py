"""What guards every request: hosts, response headers, the session's cookie, and requests forged from elsewhere.

A request that changes something must come from one of the console's own origins (``Origin``, or ``Sec-Fetch-Site``
where a browser leaves it out) **and** carry the session's token, in the field ``csrf`` or the header ``X-CSRF-Token``.
Before login, the token is a random cookie of its own.
"""

import hmac
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..problems import LARGEST_BODY

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_HSTS = "max-age=31536000"


class Guard:
    """Refuses hosts that are not the console's and bodies that are too large; sets the headers of every response."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str], secure: bool) -> None:
        self.app = app
        self.hosts = frozenset(urlsplit(origin).netloc.lower() for origin in origins)
        self.secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if self.secure:
                    headers.setdefault("Strict-Transport-Security", _HSTS)
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, guarded)
        else:
            await self.app(scope, receive, guarded)

    def _refusal(self, headers: Headers) -> Response | None:
        if headers.get("host", "").lower() not in self.hosts:
            # Another name for this address is how a page elsewhere would reach a console on this machine.
            hosts = ", ".join(sorted(self.hosts))
            return PlainTextResponse(f"This console is not served under that name. Remedy: open it as {hosts}\n", 421)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY or "transfer-encoding" in headers:
            return PlainTextResponse("The request is too large. Remedy: send at most 1 MiB, with its length\n", 413)
        return None


class Forwarded:
    """Takes the client's address from the proxy in front: the last of ``X-Forwarded-For``, which is what the proxy saw.
    Those before it are the client's own words."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            last = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).rpartition(",")[2].strip()
            scope = {**scope, "client": (last, 0)} if last else scope
        await self.app(scope, receive, send)


class Cookies:
    """The console's two cookies: the session, and the token of forms before there is one."""

    def __init__(self, *, secure: bool) -> None:
        prefix = "__Host-" if secure else ""
        self.secure = secure
        self.session_name = f"{prefix}trailwarden"
        self.before_name = f"{prefix}trailwarden_form"

    def session(self, request: Request) -> str | None:
        """The session's value, if the browser has one."""
        return request.cookies.get(self.session_name)

    def before(self, request: Request) -> str | None:
        """The token of forms before login."""
        return request.cookies.get(self.before_name)

    def set_session(self, response: Response, session: str) -> None:
        """Give the browser its session, and a new start for the next form before login."""
        self._set(response, self.session_name, session)
        self._drop(response, self.before_name)

    def set_before(self, response: Response, token: str) -> None:
        """Give the browser the token of forms before login."""
        self._set(response, self.before_name, token)

    def drop_session(self, response: Response) -> None:
        """Take the session away."""
        self._drop(response, self.session_name)

    def _set(self, response: Response, name: str, value: str) -> None:
        # Lax, so that a link to a view opens signed in; no GET changes anything.
        response.set_cookie(name, value, secure=self.secure, httponly=True, samesite="lax", path="/")

    def _drop(self, response: Response, name: str) -> None:
        response.delete_cookie(name, secure=self.secure, httponly=True, samesite="lax", path="/")


def own_origin(request: Request, origins: Sequence[str]) -> bool:
    """Whether the browser says that one of the console's own pages sent this."""
    origin = request.headers.get("origin")
    if origin is not None:
        return origin.lower() in origins
    return request.headers.get("sec-fetch-site") == "same-origin"


async def sent_token(request: Request) -> str:
    """The token that the request carries; empty if none."""
    header = request.headers.get("x-csrf-token")
    if header is not None:
        return header
    if request.headers.get("content-type", "").partition(";")[0] in (
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ):
        value = (await request.form()).get("csrf")
        return value if isinstance(value, str) else ""
    return ""


def same(sent: str, expected: str | None) -> bool:
    """Whether two tokens are equal, in constant time; nothing equals no token."""
    return bool(expected) and hmac.compare_digest(sent.encode(), (expected or "").encode())


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(32)
