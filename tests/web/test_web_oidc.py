"""Sign-in with an OpenID Connect provider, against one on 127.0.0.1 that can be told to lie."""

import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from web_kit import EVERYTHING, Served, add_people, serving

from trailwarden.app import App
from trailwarden.errors import SetupError
from trailwarden.faces.web.oidc import Provider
from trailwarden.settings import ConsoleSettings
from trailwarden.state.tables import person

CLIENT = "trailwarden-console"
SUBJECT = "248289761001"


class Idp:
    """A provider. ``claims`` replace those of its ID tokens, ``forged`` signs them with a key that is not its own."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one"})
        self.claims: dict[str, object] = {}
        self.forged = ""
        self.codes: dict[str, dict[str, str]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"

    def authorize(self, address: str) -> str:
        """What the person's browser does there: signs in, and is sent back to this address."""
        asked = dict(parse_qsl(urlsplit(address).query))
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
        claims = {
            "iss": self.issuer, "sub": SUBJECT, "aud": CLIENT, "exp": now + 60, "iat": now, "nonce": asked["nonce"],
        } | self.claims  # fmt: skip
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
            linked = person.update().where(person.c.login == EVERYTHING)
            database.execute(linked.values(oidc_issuer=idp.issuer, oidc_subject=SUBJECT))
        with serving(app) as served:
            yield served


@pytest.fixture(autouse=True)
def honest(idp: Idp) -> Iterator[None]:
    yield
    idp.claims, idp.forged = {}, ""


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


def test_a_provider_that_is_down_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("down")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        issuer = f"http://127.0.0.1:{taken.getsockname()[1]}"
        (home / "config.toml").write_text(f'[console]\noidc_issuer = "{issuer}"\noidc_client_id = "{CLIENT}"\n')
        with App.open(home) as app, serving(app) as served, served.client() as client:
            answer = client.get("/login/oidc")
    assert answer.status_code == 500
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
