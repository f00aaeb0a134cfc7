"""Sign-in with an OpenID Connect provider, against one on 127.0.0.1 that can be told to lie."""

import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import msgspec
import pyotp
import pytest
from decisions_kit import csrf
from joserfc import jwt
from joserfc.jwk import RSAKey
from web_kit import EVERYTHING, Served, add_people, serving

from trailwarden.access import SessionLimits
from trailwarden.app import App
from trailwarden.errors import SetupError
from trailwarden.faces.web.oidc import Provider
from trailwarden.model.proposal import Actor
from trailwarden.settings import ConsoleSettings
from trailwarden.state.tables import person

CLIENT = "trailwarden-console"
SUBJECT = "248289761001"
#: Linked too: somebody without a password, and somebody who is asked for a code.
OTHER, OTHER_SUBJECT = "approver@company.com", "248289761002"
CODED, CODED_SUBJECT = "responder@company.com", "248289761003"
BY = Actor(kind="person", name="setup", via="command_line")


class Idp:
    """A provider. ``claims`` replace those of its ID tokens, ``forged`` signs them with a key that is not its own.

    ``signed_in`` is since when it knows the browser: it asks nobody anything unless it is told to, and never if it is
    ``deaf``.
    """

    def __init__(self) -> None:
        self.signed_in = 0
        self.deaf = False
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one"})
        self.claims: dict[str, object] = {}
        self.forged = ""
        self.codes: dict[str, dict[str, str]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"

    def authorize(self, address: str) -> str:
        """What the person's browser does there: signs in, and is sent back to this address."""
        asked = dict(parse_qsl(urlsplit(address).query))
        if asked.get("prompt") == "login" and not self.deaf:
            self.signed_in = int(time.time())
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, list[str]]) -> dict[str, object]:
        """The answer of the token endpoint; PKCE is checked."""
        asked = self.codes.pop(form["code"][0], None)
        if asked is None:
            return {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        assert _packed(digest) == asked["code_challenge"]
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self.issuer, "sub": SUBJECT, "aud": CLIENT, "exp": now + 60, "iat": now, "nonce": asked["nonce"],
        }  # fmt: skip
        if "max_age" in asked:
            claims["auth_time"] = self.signed_in
        claims = {name: value for name, value in (claims | self.claims).items() if value is not None}
        key, header = self.key, {"alg": "RS256", "kid": "one"}
        if self.forged == "other key":
            key = RSAKey.generate_key(2048, parameters={"kid": "one"})
        elif self.forged == "none":
            unsigned = map(_packed, (json.dumps({"alg": "none"}).encode(), json.dumps(claims).encode(), b""))
            return {"access_token": "x", "token_type": "Bearer", "id_token": ".".join(unsigned)}
        elif self.forged == "shared secret":
            return {"access_token": "x", "token_type": "Bearer", "id_token": self._by_public_key(claims)}
        return {"access_token": "x", "token_type": "Bearer", "id_token": jwt.encode(header, claims, key)}

    def _by_public_key(self, claims: dict[str, object]) -> str:
        """A token whose shared secret is what everybody knows: the provider's public key."""
        signed = ".".join(
            map(_packed, (json.dumps({"alg": "HS256", "kid": "one"}).encode(), json.dumps(claims).encode()))
        )
        return f"{signed}.{_packed(hmac.digest(self.key.as_pem(private=False), signed.encode(), 'sha256'))}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        idp = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                published = {
                    "issuer": idp.issuer,
                    "authorization_endpoint": f"{idp.issuer}/authorize",
                    "token_endpoint": f"{idp.issuer}/token",
                    "jwks_uri": f"{idp.issuer}/jwks",
                    "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                }
                keys = {"keys": [idp.key.as_dict(private=False)]}
                self._say(keys if self.path == "/jwks" else published)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self._say(idp.token(parse_qs(body.decode())))

            def _say(self, body: object) -> None:
                text = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _packed(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def idp() -> Iterator[Idp]:
    made = Idp()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def federated(idp: Idp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("oidc")
    (home / "config.toml").write_text(f'[console]\noidc_issuer = "{idp.issuer}"\noidc_client_id = "{CLIENT}"\n')
    with App.open(home) as app:
        add_people(app)
        with app.state.write() as database:  # people link with https alone; this provider has no certificate
            for login, subject in ((EVERYTHING, SUBJECT), (OTHER, OTHER_SUBJECT), (CODED, CODED_SUBJECT)):
                linked = person.update().where(person.c.login == login)
                database.execute(linked.values(oidc_issuer=idp.issuer, oidc_subject=subject))
            database.execute(person.update().where(person.c.login == OTHER).values(password_hash=None))
        with serving(app) as served:
            yield served


@pytest.fixture(autouse=True)
def honest(idp: Idp) -> Iterator[None]:
    idp.signed_in = int(time.time()) - 3 * 3600
    yield
    idp.claims, idp.forged, idp.deaf = {}, "", False


def begin(client: httpx.Client, path: str = "/login/oidc?next=/ui") -> str:
    answer = client.get(path)
    assert answer.status_code == 302
    return answer.headers["location"]


def test_a_linked_subject_signs_in(federated: Served, idp: Idp) -> None:
    with federated.client() as client:
        assert "Sign in with 127.0.0.1" in client.get("/login").text
        back = idp.authorize(begin(client))
        answer = client.get(back)
        assert answer.headers["location"] == "/ui"
        assert "Everything" in client.get("/ui").text
        assert "trailwarden_oidc" not in client.cookies


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "somebody-else"},
        {"sub": ""},
        {"aud": "another-client"},
        {"aud": "another-client", "azp": CLIENT},
        {"iss": "https://evil.example"},
        {"nonce": "another"},
        {"exp": 1},
    ],
    ids=",".join,
)
def test_claims_that_do_not_hold_sign_nobody_in(federated: Served, idp: Idp, claims: dict[str, object]) -> None:
    idp.claims = claims
    with federated.client() as client:
        answer = client.get(idp.authorize(begin(client)))
        assert answer.status_code == 401
        assert client.get("/ui").status_code == 303


@pytest.mark.parametrize("forged", ["other key", "shared secret", "none"])
def test_signatures_that_are_not_the_provider_s_sign_nobody_in(federated: Served, idp: Idp, forged: str) -> None:
    idp.forged = forged
    with federated.client() as client:
        assert client.get(idp.authorize(begin(client))).status_code == 401


def test_an_answer_signs_in_once(federated: Served, idp: Idp) -> None:
    with federated.client() as client, federated.client() as replaying:
        back = idp.authorize(begin(client))
        replaying.cookies.update(client.cookies)  # of whoever saw all that the browser had before
        assert client.get(back).headers["location"] == "/ui"
        assert client.get(back).status_code == 401
        assert replaying.get(back).status_code == 401
        assert replaying.get("/ui").status_code == 303


def test_another_browser_s_answer_is_refused(federated: Served, idp: Idp) -> None:
    with federated.client() as attacker, federated.client() as victim:
        planted = idp.authorize(begin(attacker))
        assert victim.get(planted).status_code == 401
        begin(victim)
        assert victim.get(planted).status_code == 401
        assert victim.get("/ui").status_code == 303


def test_a_login_leads_to_no_other_site(federated: Served, idp: Idp) -> None:
    with federated.client() as client:
        back = idp.authorize(begin(client, "/login/oidc?next=https://evil.example"))
        assert client.get(back).headers["location"] == "/"


# ---------------------------------------------------------------- since when


def authenticated_at(served: Served, client: httpx.Client) -> datetime | None:
    """Since when the client's session counts as confirmed."""
    limits = SessionLimits(idle=timedelta(hours=1), absolute=timedelta(hours=12))
    cookie = client.cookies["trailwarden"]
    return served.app.state.sessions.find(cookie, limits=limits, now=served.app.now()).authenticated_at


def may_change(client: httpx.Client) -> bool:
    """Whether the session counts as recently confirmed: what takes that leads on to the confirmation otherwise."""
    answer = client.get("/settings/account/totp")
    assert answer.status_code in (200, 303)
    return answer.status_code == 200


def silently(served: Served, idp: Idp, client: httpx.Client) -> None:
    """Sign in by the provider's own session."""
    assert client.get(idp.authorize(begin(client))).status_code == 303


def reasons(served: Served) -> list[str]:
    entries = served.app.state.audit.newest()
    return [json.loads(each.body)["reason"] for each in entries if each.kind == "login.failed"]


def test_a_login_asks_the_provider_since_when(federated: Served) -> None:
    with federated.client() as client:
        asked = parse_qs(urlsplit(begin(client)).query)
    assert asked["max_age"] == [str(12 * 3600)]
    assert "prompt" not in asked


def test_a_silent_login_is_as_old_as_the_provider_s(federated: Served, idp: Idp) -> None:
    with federated.client() as client:
        silently(federated, idp, client)
        assert authenticated_at(federated, client) == datetime.fromtimestamp(idp.signed_in, UTC)
        assert not may_change(client)


@pytest.mark.parametrize("ahead", [45, 3600], ids=["a clock ahead", "future"])
def test_no_login_is_later_than_now(federated: Served, idp: Idp, ahead: int) -> None:
    idp.claims = {"auth_time": int(time.time()) + ahead}
    with federated.client() as client:
        silently(federated, idp, client)
        shown = authenticated_at(federated, client)
        assert shown is None or shown <= datetime.now(UTC)
        assert may_change(client) == (ahead == 45), "what cannot be shows nothing"


def test_a_login_without_a_time_is_not_recent(federated: Served, idp: Idp) -> None:
    idp.claims = {"auth_time": None}
    with federated.client() as client:
        silently(federated, idp, client)
        assert authenticated_at(federated, client) is None
        assert not may_change(client)
        page = client.get("/settings/account")
        assert page.status_code == 200
        assert "your identity provider does not say" in page.text


@pytest.mark.parametrize(
    "auth_time", ["yesterday", True, -1, 1e300, [1], {"at": 1}, "1764000000"], ids=lambda value: f"{value!r}"[:20]
)
def test_a_time_that_is_none_signs_nobody_in(federated: Served, idp: Idp, auth_time: object) -> None:
    idp.claims = {"auth_time": auth_time}
    with federated.client() as client:
        assert client.get(idp.authorize(begin(client))).status_code == 401
        assert client.get("/ui").status_code == 303


# ---------------------------------------------------------------- confirming that it is them


CONFIRM = "/reauthenticate/oidc?next=/settings/account"


def refused(client: httpx.Client, address: str, said: str) -> None:
    """Coming back to that address confirms nothing, and the page says why and what to do."""
    before = client.cookies["trailwarden"]
    answer = client.get(address)
    assert answer.status_code == 401
    assert said in answer.text
    assert 'class="remedy"' in answer.text
    assert "/reauthenticate/oidc?next=%2Fsettings%2Faccount" in answer.text, "it can be tried again"
    assert client.cookies["trailwarden"] == before
    assert "trailwarden_oidc" not in client.cookies
    assert not may_change(client)


def test_confirming_asks_the_provider_to_ask_again(federated: Served, idp: Idp) -> None:
    with federated.client() as client:
        silently(federated, idp, client)
        assert "Confirm with 127.0.0.1" in client.get("/reauthenticate?next=/settings/account").text
        before, address = client.cookies["trailwarden"], begin(client, CONFIRM)
        asked = parse_qs(urlsplit(address).query)
        assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
        answer = client.get(idp.authorize(address))
        assert (answer.status_code, answer.headers["location"]) == (303, "/settings/account")
        assert client.cookies["trailwarden"] != before
        assert authenticated_at(federated, client) == datetime.fromtimestamp(idp.signed_in, UTC)
        assert may_change(client)
        assert "trailwarden_oidc" not in client.cookies


@pytest.mark.parametrize(
    ("ago", "said"),
    [(120, "did not ask you again"), (None, "does not say when"), (-3600, "in the future")],
    ids=["old", "missing", "future"],
)
def test_what_the_provider_knew_before_confirms_nothing(
    federated: Served, idp: Idp, ago: int | None, said: str
) -> None:
    with federated.client() as client:
        silently(federated, idp, client)
        address = begin(client, CONFIRM)
        idp.claims = {"auth_time": int(time.time()) - ago if ago is not None else None}
        refused(client, idp.authorize(address), said)
        assert reasons(federated)[0] == "oidc_not_recent"


def test_a_provider_that_asks_nobody_confirms_nothing(federated: Served, idp: Idp) -> None:
    idp.deaf = True
    with federated.client() as client:
        silently(federated, idp, client)
        refused(client, idp.authorize(begin(client, CONFIRM)), "did not ask you again")


def test_a_request_without_its_demand_confirms_nothing(federated: Served, idp: Idp) -> None:
    """Whoever holds the browser takes from the address what makes the provider ask."""
    with federated.client() as client:
        silently(federated, idp, client)
        parts = urlsplit(begin(client, CONFIRM))
        meek = [(name, value) for name, value in parse_qsl(parts.query) if name != "prompt"]
        meek = [(name, "86400" if name == "max_age" else value) for name, value in meek]
        refused(client, idp.authorize(parts._replace(query=urlencode(meek)).geturl()), "did not ask you again")


def test_another_person_there_confirms_nothing(federated: Served, idp: Idp) -> None:
    with federated.client() as client:
        silently(federated, idp, client)
        address = begin(client, CONFIRM)
        for subject in ("somebody-else", OTHER_SUBJECT):
            idp.claims = {"sub": subject}
            refused(client, idp.authorize(address), "somebody else")
            assert reasons(federated)[0] == "oidc_other"
            address = begin(client, CONFIRM)
        assert "Everything" in client.get("/ui").text, "the session is still its person's"


def flow_of(client: httpx.Client) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(urlsafe_b64decode(client.cookies["trailwarden_oidc"]))
    return kept


def keep_flow(client: httpx.Client, flow: dict[str, Any]) -> None:
    client.cookies.delete("trailwarden_oidc")
    value = urlsafe_b64encode(json.dumps(flow).encode()).decode()
    client.cookies.set("trailwarden_oidc", value, domain="127.0.0.1", path="/")


@pytest.mark.parametrize("token", ["another's", "made up"])
def test_a_login_does_not_end_as_a_confirmation(federated: Served, idp: Idp, token: str) -> None:
    """Whoever holds the browser writes into its cookie what they like, and the provider has just asked them."""
    with federated.client() as client, federated.client() as other:
        silently(federated, idp, client)
        idp.claims = {"sub": OTHER_SUBJECT}
        silently(federated, idp, other)
        begin(other, CONFIRM)
        idp.claims = {}
        address = begin(client)
        made = flow_of(other)["confirmation"] if token == "another's" else "x" * 43
        keep_flow(client, flow_of(client) | {"confirmation": made, "next": "/settings/account"})
        idp.signed_in = int(time.time())
        refused(client, idp.authorize(address), "not begun here")


def test_a_confirmation_that_ends_as_a_login_is_as_old_as_the_provider_s(federated: Served, idp: Idp) -> None:
    idp.deaf = True
    with federated.client() as client:
        silently(federated, idp, client)
        address = begin(client, CONFIRM)
        keep_flow(client, flow_of(client) | {"confirmation": ""})
        assert client.get(idp.authorize(address)).status_code == 303
        assert not may_change(client)


def test_a_confirmation_holds_once(federated: Served, idp: Idp) -> None:
    with federated.client() as client:
        silently(federated, idp, client)
        address = begin(client, CONFIRM)
        flow, back = flow_of(client), idp.authorize(address)
        assert client.get(back).status_code == 303
        assert client.get(back).status_code == 401, "the cookie is gone"
        keep_flow(client, flow)
        assert client.get(back).status_code == 401, "the code is used"
        keep_flow(client, flow)
        answer = client.get(idp.authorize(address))
        assert answer.status_code == 401
        assert "not begun here" in answer.text, "the token is used"


def test_a_confirmation_takes_a_session(federated: Served, idp: Idp) -> None:
    with federated.client() as client:
        assert client.get(CONFIRM).status_code == 303
        silently(federated, idp, client)
        back = idp.authorize(begin(client, CONFIRM))
        client.cookies.delete("trailwarden")
        answer = client.get(back)
        assert answer.status_code == 401
        assert "the session ended" in answer.text.casefold()
        assert client.get("/ui").status_code == 303


def test_who_gave_up_at_the_provider_is_told(federated: Served, idp: Idp) -> None:
    with federated.client() as client:
        silently(federated, idp, client)
        state = parse_qs(urlsplit(begin(client, CONFIRM)).query)["state"][0]
        refused(client, f"/login/oidc/callback?error=access_denied&state={state}", "does not hold")


@pytest.mark.parametrize("cookie", ["", "%", "e30", "bnVsbA==", "eyJuZXh0IjogMX0="], ids=repr)
def test_a_cookie_that_is_no_flow_is_refused(federated: Served, cookie: str) -> None:
    with federated.client() as client:
        client.cookies.set("trailwarden_oidc", cookie, domain="127.0.0.1", path="/")
        answer = client.get("/login/oidc/callback?code=x&state=y")
        assert answer.status_code == 401
        assert "begun no such login" in answer.text


# ---------------------------------------------------------------- who confirms by what


def test_who_has_no_password_is_asked_for_none(federated: Served, idp: Idp) -> None:
    idp.claims = {"sub": OTHER_SUBJECT}
    with federated.client() as client:
        silently(federated, idp, client)
        page = client.get("/reauthenticate").text
        assert 'type="password"' not in page
        assert "Confirm with 127.0.0.1" in page
        assert client.get(idp.authorize(begin(client, CONFIRM))).headers["location"] == "/settings/account"
        assert may_change(client)


def test_who_is_linked_with_nobody_confirms_by_password(federated: Served) -> None:
    with federated.client("viewer@company.com") as client:
        page = client.get("/reauthenticate").text
        assert 'type="password"' in page
        assert "Confirm with" not in page
        answer = client.get(CONFIRM)
        assert answer.status_code == 400
        assert "not linked" in answer.text


def code(served: Served, secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(served.app.now() + timedelta(seconds=30 * steps))


def enrol(served: Served) -> str:
    """An app for CODED, whose code of half a minute ago is used up."""
    people, now = served.app.state.people, served.app.now()
    secret = people.new_totp(CODED).secret
    people.set_totp(CODED, secret, code(served, secret, -1), by=BY, now=now)
    return secret


def test_a_code_makes_no_silent_login_recent(federated: Served, idp: Idp) -> None:
    """The form of the second factor names where it is sent, and whoever has the browser sends it elsewhere."""
    secret = enrol(federated)
    idp.claims = {"sub": CODED_SUBJECT}
    with federated.client() as client:
        first = client.get(idp.authorize(begin(client)))
        assert "One more step" in first.text
        data = {"csrf": client.cookies["trailwarden_form"], "code": code(federated, secret)}
        assert client.post("/login/second", data=data | {"step": step_of(first)}).status_code == 303
        assert not may_change(client)
        again = client.get(idp.authorize(begin(client)))
        data = {"csrf": csrf(client), "code": code(federated, secret, 1), "step": step_of(again)}
        assert client.post("/reauthenticate/second", data=data).status_code == 303
        assert authenticated_at(federated, client) == datetime.fromtimestamp(idp.signed_in, UTC)
        assert not may_change(client)


def step_of(page: httpx.Response) -> str:
    return page.text.partition('name="step" value="')[2].partition('"')[0]


def test_another_s_second_factor_takes_over_no_session(federated: Served, idp: Idp) -> None:
    secret = enrol(federated)
    with federated.client() as client, federated.client() as other:
        idp.claims = {"sub": CODED_SUBJECT}
        step = step_of(other.get(idp.authorize(begin(other))))
        idp.claims = {}
        silently(federated, idp, client)
        data = {"csrf": csrf(client), "code": code(federated, secret), "step": step}
        answer = client.post("/reauthenticate/second", data=data)
        assert answer.status_code == 401
        assert "another person" in answer.text
        assert "Everything" in client.get("/ui").text


# ---------------------------------------------------------------- providers that are none


def test_a_provider_that_is_down_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("down")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        issuer = f"http://127.0.0.1:{taken.getsockname()[1]}"
        (home / "config.toml").write_text(f'[console]\noidc_issuer = "{issuer}"\noidc_client_id = "{CLIENT}"\n')
        with App.open(home) as app, serving(app) as served, served.client() as client:
            answer = client.get("/login/oidc")
    assert answer.status_code == 503
    assert "cannot be reached" in answer.text
    assert "Remedy" in answer.text


def test_without_a_provider_there_is_none(console: Served) -> None:
    with console.client() as client:
        assert "Sign in with" not in client.get("/login").text
        assert client.get("/login/oidc").status_code == 400


@pytest.mark.parametrize(
    "settings",
    [{"oidc_issuer": "http://idp.example.com", "oidc_client_id": "x"}, {"oidc_issuer": "https://idp.example.com"}],
    ids=["plain http", "no client"],
)
def test_half_a_provider_is_refused(settings: dict[str, str]) -> None:
    console = msgspec.structs.replace(ConsoleSettings(), **settings)
    with pytest.raises(SetupError) as refused:
        Provider(console, None, origin="https://warden.example.com")
    assert refused.value.remedy
