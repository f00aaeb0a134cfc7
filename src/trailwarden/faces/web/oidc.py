"""Sign-in with an OpenID Connect provider: code flow with PKCE, state and nonce, by authlib.

What the flow has to remember lies in a cookie of the browser that began it, for ten minutes; whoever comes back without
that cookie began nothing here. The ID token must be signed with a key of the provider's, by no algorithm that takes a
shared secret, for this client, by the configured issuer.

A provider that has a session of its own signs somebody in without asking them anything. When it last did is in the ID
token's ``auth_time``, which it owes to whoever sends ``max_age`` (OpenID Connect Core 1.0, 2 and 3.1.2.1); to confirm
that it is still the same person at the keyboard, it is told to ask again (``prompt=login``, ``max_age=0``). The browser
may leave that out of the request: what counts is ``auth_time``.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ...errors import NotAuthenticated, SetupError
from ...settings import ConsoleSettings

SECRET_VARIABLE = "TRAILWARDEN_OIDC_SECRET"  # noqa: S105 - the variable's name
CALLBACK = "/login/oidc/callback"
_MINUTES = 10
#: Signatures that nobody but the holder of a private key can make.
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})


class Vouched(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the provider vouches for, and when they last showed there who they are, if it says so."""

    issuer: str
    subject: str
    auth_time: datetime | None


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow under way in this browser: where it leads to, and the person's token if it is there to confirm that it is
    them. ``state`` is authlib's."""

    next: str
    confirmation: str = ""
    state: dict[str, dict[str, Any]] = {}


class Provider:
    """The configured provider."""

    def __init__(self, console: ConsoleSettings, secret: str | None, *, origin: str) -> None:
        """
        Raises:
            SetupError: the issuer's address is not HTTPS, or the client's id is missing.
        """
        parts = urlsplit(console.oidc_issuer)
        loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not console.oidc_client_id or not parts.hostname or (parts.scheme != "https" and not loopback):
            raise SetupError(
                "the OpenID Connect provider is not set up",
                remedy="console.oidc_issuer is an https:// address, and console.oidc_client_id this client's id there",
            )
        self.name = parts.hostname
        self.issuer = console.oidc_issuer
        self._client_id = console.oidc_client_id
        self._secret = secret
        #: After that long a session here ends in any case, so that nobody needs one there that is older.
        self._max_age = console.absolute_hours * 3600
        self._return_to = origin + CALLBACK
        self._cookie = "__Host-trailwarden_oidc" if origin.startswith("https:") else "trailwarden_oidc"
        self._known: Any = None

    async def begin(self, request: Request, next_page: str, *, confirmation: str = "") -> Response:
        """On to the provider, which sends the browser back to CALLBACK. With the token of a ``confirmation``, it is
        told to ask the person again who they are.

        Raises:
            SetupError: the provider cannot be reached, or is another issuer.
        """
        state: dict[str, dict[str, Any]] = {}
        request.scope["session"] = state
        asked = {"prompt": "login", "max_age": 0} if confirmation else {"max_age": self._max_age}
        client = await self._client()
        response: Response = await client.authorize_redirect(request, self._return_to, **asked)
        self._remember(response, Flow(next=next_page, confirmation=confirmation, state=state))
        return response

    def under_way(self, request: Request) -> Flow:
        """What this browser has begun.

        Raises:
            NotAuthenticated: nothing.
        """
        try:
            return msgspec.json.decode(urlsafe_b64decode(request.cookies.get(self._cookie, "")), type=Flow)
        except (binascii.Error, ValueError, msgspec.MsgspecError):
            raise NotAuthenticated("this browser has begun no such login", remedy="begin the login again") from None

    async def finish(self, request: Request, flow: Flow) -> Vouched:
        """Whom the provider vouches for.

        Raises:
            NotAuthenticated: what came back does not hold.
            SetupError: the provider cannot be reached.
        """
        from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415
        from httpx2 import HTTPError  # noqa: PLC0415
        from joserfc.errors import JoseError  # noqa: PLC0415

        request.scope["session"] = flow.state
        client = await self._client()
        options = {"iss": {"essential": True, "values": [self.issuer]}, "aud": {"values": [self._client_id]}}
        try:
            token = await client.authorize_access_token(request, claims_options=options)
        except (AuthlibBaseError, JoseError) as error:
            raise NotAuthenticated("the provider's answer does not hold", remedy="begin the login again") from error
        except (HTTPError, ValueError) as error:
            raise self._unreachable() from error
        claims = token.get("userinfo")
        subject = claims.get("sub") if claims is not None else None
        if not isinstance(subject, str) or not subject:
            raise NotAuthenticated("the provider named nobody", remedy="begin the login again")
        return Vouched(issuer=self.issuer, subject=subject, auth_time=_time(claims.get("auth_time")))

    def forget(self, response: Response) -> None:
        """Take away what the flow had to remember."""
        secure = self._cookie.startswith("__Host-")
        response.delete_cookie(self._cookie, secure=secure, httponly=True, samesite="lax", path="/")

    async def _client(self) -> Any:
        """The client, with what the provider publishes of itself."""
        from authlib.integrations.starlette_client import OAuth  # noqa: PLC0415
        from httpx2 import HTTPError  # noqa: PLC0415

        if self._known is None:
            client = OAuth().register(
                "provider",
                client_id=self._client_id,
                client_secret=self._secret,
                server_metadata_url=f"{self.issuer.rstrip('/')}/.well-known/openid-configuration",
                client_kwargs={"scope": "openid", "code_challenge_method": "S256"},
            )
            try:
                published = await client.load_server_metadata()
            except (HTTPError, ValueError) as error:
                raise self._unreachable() from error
            if published.get("issuer") != self.issuer:
                raise SetupError(
                    "the OpenID Connect provider says that it is another issuer",
                    remedy="write console.oidc_issuer exactly as the provider does",
                )
            offered = published.get("id_token_signing_alg_values_supported") or ()
            published["id_token_signing_alg_values_supported"] = sorted(_ALGORITHMS & set(offered)) or ["RS256"]
            self._known = client
        return self._known

    def _remember(self, response: Response, flow: Flow) -> None:
        value = urlsafe_b64encode(msgspec.json.encode(flow)).decode()
        secure = self._cookie.startswith("__Host-")
        response.set_cookie(
            self._cookie, value, max_age=_MINUTES * 60, secure=secure, httponly=True, samesite="lax", path="/"
        )

    def _unreachable(self) -> SetupError:
        return SetupError(
            f"the OpenID Connect provider {self.name} cannot be reached",
            remedy="check console.oidc_issuer and the way from this machine to it, or sign in with a password",
        )


def _time(claim: object) -> datetime | None:
    """A time as ID tokens give it, in whole seconds since 1970; None if there is none.

    Raises:
        NotAuthenticated: it is something else.
    """
    if claim is None:
        return None
    # Up to the year 9999, which is as far as times go here; a boolean is a number to Python.
    if not isinstance(claim, int | float) or isinstance(claim, bool) or not 0 <= claim < 253_402_300_800:
        raise NotAuthenticated("the provider's answer does not hold", remedy="begin the login again")
    return datetime.fromtimestamp(claim, UTC)
