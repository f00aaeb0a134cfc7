"""WebAuthn, answered by an authenticator made of a key and a counter, as the specification describes one."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import Any

import cbor2
import pytest
from access_kit import JANE, KEEPER, OMAR, House
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

from trailwarden.access import Person
from trailwarden.errors import LoginLimited, NotAuthenticated, UsageError
from trailwarden.state.authenticators import Registration, Site
from trailwarden.state.logins import Attempt

SITE = Site("https://warden.example.com")
#: Flags of authenticator data: user present, user verified, attested credential data follows.
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    """A key of curve P-256. ``origin`` is where its browser is."""

    credential: bytes = b"credential-of-jane"
    origin: str = SITE.origin
    counter: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: str) -> str:
        """The answer to ``navigator.credentials.create``."""
        asked = json.loads(options)
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32), numbers.y.to_bytes(32)
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        attested = bytes(16) + len(self.credential).to_bytes(2) + self.credential + public
        data = self._data(asked["rp"]["id"], ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": bytes_to_base64url(self._client("webauthn.create", asked["challenge"])),
            "attestationObject": bytes_to_base64url(attestation),
        }
        return self._answer(response)

    def get(self, options: str) -> str:
        """The answer to ``navigator.credentials.get``."""
        asked = json.loads(options)
        self.counter += 1
        data = self._data(asked["rpId"], 0)
        client = self._client("webauthn.get", asked["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": bytes_to_base64url(client),
            "authenticatorData": bytes_to_base64url(data),
            "signature": bytes_to_base64url(signature),
        }
        return self._answer(response)

    def _data(self, site: str, flags: int) -> bytes:
        return hashlib.sha256(site.encode()).digest() + bytes([PRESENT | VERIFIED | flags]) + self.counter.to_bytes(4)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        identifier = bytes_to_base64url(self.credential)
        return json.dumps({"id": identifier, "rawId": identifier, "type": "public-key", "response": response})


@pytest.fixture
def key(house: House) -> Authenticator:
    """Jane's, registered."""
    house.add(JANE)
    made = Authenticator()
    register(house, made)
    return made


def begun(house: House, login: str = JANE) -> Registration:
    return house.state.authenticators.begin_registration(login, site=SITE, now=house.now)


def register(house: House, key: Authenticator, login: str = JANE, **more: Any) -> None:
    asked = begun(house, login)
    house.state.authenticators.register(
        asked.token, more.get("answer") or key.create(asked.options), label="blue key", site=SITE, by=KEEPER,
        now=house.now,
    )  # fmt: skip


def answer(house: House, step: str, text: str) -> Person:
    return house.state.authenticators.answer(step, text, site=SITE, attempt=house.attempt())


def options(house: House, step: str) -> str:
    return house.state.authenticators.options(step, site=SITE, attempt=house.attempt())


def test_a_key_is_the_second_half_of_a_login(house: House, key: Authenticator) -> None:
    assert house.state.people.get(JANE).webauthn == 1
    half = house.half()
    assert half.methods == ("webauthn",)
    asked = options(house, half.step)
    assert json.loads(asked)["allowCredentials"][0]["id"] == bytes_to_base64url(key.credential)
    assert answer(house, half.step, key.get(asked)).login == JANE
    assert house.entries("login.succeeded")[0]["by"] == ["webauthn"]
    (kept,) = house.state.authenticators.list(JANE)
    assert (kept.label, kept.last_used) == ("blue key", house.now)
    house.whole()


def test_an_app_and_a_key_are_two_ways(house: House, key: Authenticator) -> None:
    secret = house.enrol(JANE)
    half = house.half()
    assert half.methods == ("totp", "webauthn")
    assert answer(house, half.step, key.get(options(house, half.step)))
    assert house.state.logins.answer(house.half().step, house.code(secret), attempt=house.attempt())


def test_a_registration_is_in_the_chain(house: House, key: Authenticator) -> None:
    assert house.entries("person.webauthn_added") == [
        {"login": JANE, "label": "blue key", "id": bytes_to_base64url(key.credential)}
    ]


def test_a_page_of_another_origin_gets_nothing(house: House, key: Authenticator) -> None:
    key.origin = "https://warden.example.com.evil.example"
    half = house.half()
    with pytest.raises(NotAuthenticated):
        answer(house, half.step, key.get(options(house, half.step)))
    other = Authenticator(credential=b"another", origin="https://evil.example")
    with pytest.raises(UsageError, match="does not hold"):
        register(house, other)


def test_an_answer_is_good_once(house: House, key: Authenticator) -> None:
    half = house.half()
    said = key.get(options(house, half.step))
    answer(house, half.step, said)
    with pytest.raises(NotAuthenticated):
        answer(house, half.step, said)
    with pytest.raises(NotAuthenticated):
        answer(house, house.half().step, said)


def test_an_answer_is_good_once_even_at_once(house: House, key: Authenticator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a passkey without a counter, which would not show it, and both past the first look at the step."""
    key.counter = -1
    half = house.half()
    said = key.get(options(house, half.step))
    look, both, outcomes = house.state.logins.half_done, threading.Barrier(2), list[str]()

    def half_done(step: str, attempt: Attempt) -> Any:
        seen = look(step, attempt)
        both.wait()
        return seen

    def give() -> None:
        try:
            outcomes.append(answer(house, half.step, said).login)
        except NotAuthenticated:
            outcomes.append("refused")

    monkeypatch.setattr(house.state.logins, "half_done", half_done)
    threads = [threading.Thread(target=give) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == [JANE, "refused"]
    assert house.entries("login.failed")[0]["reason"] == "webauthn_replayed"


def test_a_wrong_answer_uses_the_half_up(house: House, key: Authenticator) -> None:
    half = house.half()
    asked = options(house, half.step)
    with pytest.raises(NotAuthenticated):
        answer(house, half.step, Authenticator().get(asked))
    with pytest.raises(NotAuthenticated, match="too long"):
        answer(house, half.step, key.get(asked))


def test_a_copy_of_a_key_is_found_by_its_counter(house: House, key: Authenticator) -> None:
    copy = Authenticator(key=key.key)
    for _ in range(3):
        half = house.half()
        answer(house, half.step, key.get(options(house, half.step)))
    half = house.half()
    with pytest.raises(NotAuthenticated):
        answer(house, half.step, copy.get(options(house, half.step)))
    assert house.entries("login.failed")[0]["reason"] == "webauthn"


def test_anothers_key_is_not_mine(house: House, key: Authenticator) -> None:
    house.add(OMAR, "approver")
    his = Authenticator(credential=b"credential-of-omar")
    register(house, his, OMAR)
    half = house.half(JANE)
    with pytest.raises(NotAuthenticated):
        answer(house, half.step, his.get(options(house, half.step)))
    assert house.entries("login.failed")[0]["reason"] == "webauthn_unknown"


MALFORMED = [
    "",
    "null",
    "[]",
    "{}",
    "not json",
    '{"id": 1}',
    '{"id":"A","rawId":"A","type":"public-key","response":{}}',
    pytest.param("[" * 20_000, id="nested without end"),
]


@pytest.mark.parametrize("text", [*MALFORMED, "damaged"])
def test_what_is_no_answer_is_refused(house: House, key: Authenticator, text: str) -> None:
    half = house.half()
    asked = options(house, half.step)
    sent = text
    if text == "damaged":
        said = json.loads(key.get(asked))
        said["response"]["authenticatorData"] = said["response"]["authenticatorData"][:40]
        sent = json.dumps(said)
    with pytest.raises(NotAuthenticated):
        answer(house, half.step, sent)


@pytest.mark.parametrize("text", [*MALFORMED, "damaged"])
def test_what_is_no_registration_is_refused(house: House, text: str) -> None:
    house.add(JANE)
    asked = begun(house)
    sent = text
    if text == "damaged":
        said = json.loads(Authenticator().create(asked.options))
        said["response"]["attestationObject"] = said["response"]["attestationObject"][:60]
        sent = json.dumps(said)
    with pytest.raises(UsageError):
        house.state.authenticators.register(asked.token, sent, label="key", site=SITE, by=KEEPER, now=house.now)
    assert house.state.authenticators.list(JANE) == ()


def test_a_registration_is_answered_once_and_in_time(house: House, key: Authenticator) -> None:
    asked = begun(house)
    more = Authenticator(credential=b"another").create(asked.options)
    house.state.authenticators.register(asked.token, more, label="second", site=SITE, by=KEEPER, now=house.now)
    with pytest.raises(UsageError, match="too long"):
        house.state.authenticators.register(asked.token, more, label="third", site=SITE, by=KEEPER, now=house.now)
    asked = begun(house)
    house.forward(minutes=5)
    with pytest.raises(UsageError, match="too long"):
        house.state.authenticators.register(asked.token, more, label="third", site=SITE, by=KEEPER, now=house.now)
    assert [each.label for each in house.state.authenticators.list(JANE)] == ["blue key", "second"]


def test_a_key_is_registered_once(house: House, key: Authenticator) -> None:
    house.add(OMAR, "approver")
    with pytest.raises(UsageError, match="registered already"):
        register(house, key, OMAR)


def test_the_half_of_a_login_registers_nothing(house: House, key: Authenticator) -> None:
    """Who knows the password alone must not add a key of their own."""
    half = house.half()
    forged = Authenticator(credential=b"mallory").create(begun(house).options)
    with pytest.raises(UsageError, match="too long"):
        house.state.authenticators.register(half.step, forged, label="m", site=SITE, by=KEEPER, now=house.now)


def test_a_registration_is_no_login(house: House, key: Authenticator) -> None:
    asked = begun(house)
    with pytest.raises(NotAuthenticated, match="too long"):
        answer(house, asked.token, "{}")


def test_a_lost_key_is_removed_and_sessions_with_it(house: House, key: Authenticator) -> None:
    (kept,) = house.state.authenticators.list(JANE)
    with pytest.raises(UsageError, match="no such authenticator"):
        house.state.authenticators.remove(JANE, "nothing", by=KEEPER, now=house.now)
    house.state.authenticators.remove(JANE, kept.id, by=KEEPER, now=house.now)
    assert isinstance(house.login(), Person)


def test_guesses_at_a_key_wait_too(house: House, key: Authenticator) -> None:
    with pytest.raises(LoginLimited):  # noqa: PT012 - one of so many
        for _ in range(30):
            half = house.half()
            try:
                answer(house, half.step, "{}")
            except LoginLimited:
                raise
            except NotAuthenticated:
                continue
