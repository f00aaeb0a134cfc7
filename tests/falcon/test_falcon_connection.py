"""The connection: addresses, the secret at rest, and the commands falcon connect, test and disconnect."""

import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from falcon_kit import CLIENT, NOW, run, tenant

from trailwarden.demo.falcon import ApiClient, FalconServer, Fault, Tenant
from trailwarden.demo.falcon.tenant import ALERTS_READ
from trailwarden.errors import KeyUnavailable, SetupError, UsageError
from trailwarden.faces.cli import build
from trailwarden.falcon.connection import CLOUDS, base_url_of
from trailwarden.state import State
from trailwarden.tools import _falcon
from trailwarden.tools._falcon import SECRET_VARIABLE, read_secret

BASE = "https://api.eu-1.crowdstrike.com"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path / "home") as opened:
        yield opened


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("us-1", None), "https://api.crowdstrike.com"),
        (("us-2", None), "https://api.us-2.crowdstrike.com"),
        (("eu-1", None), "https://api.eu-1.crowdstrike.com"),
        (("us-gov-1", None), "https://api.laggar.gcw.crowdstrike.com"),
        ((None, "https://falcon.example.com/"), "https://falcon.example.com"),
        ((None, " https://Falcon.example.com:8443 "), "https://falcon.example.com:8443"),
        ((None, "http://127.0.0.1:8080"), "http://127.0.0.1:8080"),
        ((None, "http://localhost"), "http://localhost"),
        ((None, "http://[::1]:8080"), "http://[::1]:8080"),
    ],
    ids=str,
)
def test_addresses(given: tuple[Any, str | None], expected: str) -> None:
    assert base_url_of(*given) == expected


@pytest.mark.parametrize(
    "given",
    [
        (None, None),
        ("us-1", "https://falcon.example.com"),
        ("us-9", None),
        (None, "http://falcon.example.com"),
        (None, "http://127.0.0.1.example.com"),
        (None, "http://localhost.example.com"),
        (None, "ftp://127.0.0.1"),
        (None, "falcon.example.com"),
        (None, "https://"),
        (None, ""),
        (None, "https://user:word@falcon.example.com"),
        (None, "https://falcon.example.com/path"),
        (None, "https://falcon.example.com?x=1"),
        (None, "https://falcon.example.com:port"),
        (None, "https://falcon.example.com\nX: y"),
        (None, "https://" + "a" * 300),
    ],
    ids=str,
)
def test_addresses_that_are_refused(given: tuple[Any, str | None]) -> None:
    with pytest.raises(UsageError) as caught:
        base_url_of(*given)
    assert caught.value.remedy


def test_a_connection_comes_back_and_its_secret_with_it(state: State, tmp_path: Path) -> None:
    made = state.falcon.connect(f" {CLIENT.id} ", CLIENT.secret, base_url=BASE, now=NOW)
    assert (made.client_id, made.cloud) == (CLIENT.id, "eu-1")
    checked = state.falcon.record_check(made, "ok", at=NOW)
    with State.open(tmp_path / "home") as again:
        assert again.falcon.get() == checked
        assert again.falcon.secret(checked) == CLIENT.secret


def test_nothing_that_is_shown_or_stored_holds_the_secret(state: State, tmp_path: Path) -> None:
    made = state.falcon.connect(CLIENT.id, CLIENT.secret, base_url=BASE, now=NOW)
    assert CLIENT.secret not in repr(made) + msgspec.json.encode(made).decode()
    state.close()
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert CLIENT.secret.encode() not in path.read_bytes()


def test_connecting_again_takes_the_place_of_the_first(state: State) -> None:
    first = state.falcon.connect(CLIENT.id, CLIENT.secret, base_url=BASE, now=NOW)
    second = state.falcon.connect("f" * 32, "another-secret", base_url=CLOUDS["us-2"], now=NOW)
    assert state.falcon.find() == second
    assert state.falcon.secret(second) == "another-secret"
    with pytest.raises(SetupError):
        state.falcon.secret(first)
    with pytest.raises(SetupError):
        state.falcon.record_check(first, "ok", at=NOW)


def test_a_secret_opens_for_the_address_it_was_entered_for_alone(state: State, tmp_path: Path) -> None:
    state.falcon.connect(CLIENT.id, CLIENT.secret, base_url=BASE, now=NOW)
    with sqlite3.connect(tmp_path / "home" / "state.db") as database:
        database.execute("UPDATE falcon SET base_url = 'https://attacker.example'")
    database.close()
    moved = state.falcon.get()
    assert moved.base_url == "https://attacker.example"
    with pytest.raises(KeyUnavailable):
        state.falcon.secret(moved)


def test_a_new_key_seals_the_secret_anew(state: State) -> None:
    made = state.falcon.connect(CLIENT.id, CLIENT.secret, base_url=BASE, now=NOW)
    assert state.rotate_key() == 1
    assert state.falcon.secret(made) == CLIENT.secret


def test_without_a_connection(state: State) -> None:
    assert state.falcon.find() is None
    for call in (state.falcon.get, state.falcon.remove):
        with pytest.raises(SetupError) as caught:
            call()
        assert "falcon connect" in caught.value.remedy


@pytest.mark.parametrize(
    ("client_id", "secret"),
    [
        ("", CLIENT.secret),
        ("short", CLIENT.secret),
        ("with space" * 3, CLIENT.secret),
        ("x" * 200, CLIENT.secret),
        (CLIENT.id, ""),
        (CLIENT.id, "with a space"),
        (CLIENT.id, "line\nbreak"),
        (CLIENT.id, "schlüssel-äöü"),
    ],
)
def test_what_cannot_be_a_client_is_refused(state: State, client_id: str, secret: str) -> None:
    with pytest.raises(UsageError) as caught:
        state.falcon.connect(client_id, secret, base_url=BASE, now=NOW)
    assert not secret or secret not in caught.value.message + caught.value.remedy
    assert state.falcon.find() is None


# --- where the secret is read from ---


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_secret_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from-standard-input\r\nmore\n"))
    monkeypatch.setenv(SECRET_VARIABLE, "from-the-environment")
    assert read_secret(stdin=True) == "from-standard-input"
    assert read_secret(stdin=False) == "from-the-environment"


def test_the_secret_is_asked_for_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    monkeypatch.setattr("sys.stdin", _Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "typed-at-the-prompt")
    assert read_secret(stdin=False) == "typed-at-the-prompt"


def test_without_any_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    for stdin in (True, False):
        with pytest.raises(UsageError, match="missing"):
            read_secret(stdin=stdin)


# --- the commands ---


@pytest.fixture
def held() -> Tenant:
    return tenant()


@pytest.fixture
def server(held: Tenant) -> Iterator[FalconServer]:
    with FalconServer(held) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    return tmp_path / "home"


def connect(home: Path, server: FalconServer, *more: str, secret: str = CLIENT.secret) -> Result:
    return run(home, "connect", CLIENT.id, "--base-url", server.endpoint, "--secret-stdin", *more, secret=f"{secret}\n")


def test_connect_test_and_disconnect(home: Path, server: FalconServer) -> None:
    connected = connect(home, server, "--format", "json")
    assert connected.exit_code == 0, connected.output
    answer = json.loads(connected.stdout)
    assert (answer["status"], answer["base_url"]) == ("ok", server.endpoint)
    assert {each["scope"]: each["status"] for each in answer["scopes"]} == {"Alerts: read": "ok", "Hosts: read": "ok"}
    tested = run(home, "test")
    assert tested.exit_code == 0, tested.output
    assert "Hosts: read" in tested.output
    with State.open(home) as state:
        assert state.falcon.get().last_status == "ok"
    assert run(home, "disconnect").exit_code == 0
    again = run(home, "test")
    assert again.exit_code == 1
    assert "falcon connect" in again.output


def test_connect_reads_the_secret_of_the_environment(
    home: Path, server: FalconServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, CLIENT.secret)
    assert run(home, "connect", CLIENT.id, "--base-url", server.endpoint).exit_code == 0


def test_a_missing_scope_is_named_with_what_it_costs(home: Path, server: FalconServer, held: Tenant) -> None:
    held.clients[CLIENT.id] = ApiClient(CLIENT.id, CLIENT.secret, frozenset({ALERTS_READ}))
    connected = connect(home, server, "--format", "json")
    assert connected.exit_code == 1
    answer = json.loads(connected.stdout)
    assert answer["status"] == "scopes"
    (missing,) = [each for each in answer["scopes"] if each["status"] == "missing"]
    assert missing["scope"] == "Hosts: read"
    assert "EC2 instance" in missing["feature"]
    assert "Hosts: read" in missing["remedy"]
    assert run(home, "test").exit_code == 1
    with State.open(home) as state:
        assert state.falcon.get().last_status == "scopes"


def test_a_client_that_is_refused_is_not_kept(home: Path, server: FalconServer) -> None:
    assert connect(home, server).exit_code == 0
    refused = connect(home, server, "--format", "json", secret="a-wrong-secret")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["kind"] == "ClientRefused"
    assert "a-wrong-secret" not in refused.output
    with State.open(home) as state:
        assert state.falcon.secret(state.falcon.get()) == CLIENT.secret


def test_a_client_that_is_refused_later_is_said_to_be(home: Path, server: FalconServer, held: Tenant) -> None:
    assert connect(home, server).exit_code == 0
    held.clients.clear()
    tested = run(home, "test", "--format", "json")
    assert tested.exit_code == 1
    assert json.loads(tested.stdout)["kind"] == "ClientRefused"
    with State.open(home) as state:
        assert state.falcon.get().last_status == "failed"


def test_a_tenant_that_cannot_be_reached_is_kept_and_said_to_fail(
    home: Path, server: FalconServer, held: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trailwarden.tools.falcon_connect.ATTEMPTS", 1)
    monkeypatch.setattr("trailwarden.tools.falcon_test.ATTEMPTS", 1)
    held.arm(Fault("/oauth2/token", "fail", times=1))
    connected = connect(home, server, "--format", "json")
    assert connected.exit_code == 1
    answer = json.loads(connected.stdout)
    assert answer["status"] == "failed"
    assert answer["remedy"]
    tested = run(home, "test", "--format", "json")
    assert tested.exit_code == 0, tested.output


def test_a_wrong_address_is_refused_before_the_secret_is_read(home: Path) -> None:
    for arguments in (["--base-url", "http://falcon.example.com"], []):
        refused = run(home, "connect", CLIENT.id, *arguments, "--format", "json")
        assert refused.exit_code == 2
        assert json.loads(refused.stdout)["kind"] == "UsageError"


def test_no_parameter_of_a_command_takes_the_secret() -> None:
    command = build().commands["falcon"].commands["connect"]  # type: ignore[attr-defined]
    assert {parameter.name for parameter in command.params if "secret" in (parameter.name or "")} == {"secret_stdin"}
    assert _falcon.SECRET_VARIABLE == "TRAILWARDEN_FALCON_SECRET"
