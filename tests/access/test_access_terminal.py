"""Who decides at a terminal, and the commands about people."""

import json
import os
import pwd
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa
from access_kit import JANE, KEEPER, OMAR, PASSWORD, House
from click.testing import CliRunner, Result

from trailwarden.app import App
from trailwarden.errors import NotAuthenticated
from trailwarden.faces import cli_people, views_people
from trailwarden.faces.cli import build
from trailwarden.faces.cli_common import ToolGroup
from trailwarden.faces.cli_people import add_commands, authenticate_on_terminal, terminal_actor

OWNER = pwd.getpwuid(os.getuid()).pw_name
#: Takes the terminal on its standard input as its own, authenticates there, and says who it was.
_DECIDES = """
import json, os, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))
from trailwarden.app import App
from trailwarden.errors import TrailwardenError
from trailwarden.faces.cli_people import authenticate_on_terminal
with App.open(sys.argv[1]) as app:
    try:
        session = authenticate_on_terminal(app)
        said = {"person": session.person, "roles": sorted(session.roles), "method": session.method}
    except TrailwardenError as error:
        said = {"error": type(error).__name__, "message": error.message}
print(json.dumps(said))
"""


def decide(home: Path, *answers: tuple[str, str]) -> dict[str, Any]:
    """What comes out of authenticating at a real terminal, where each question, as it appears, gets its answer."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", _DECIDES, str(home)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "LOGNAME": "mallory", "USER": "mallory"},
    ) as process:
        os.close(theirs)
        try:
            shown = ""
            for question, text in answers:
                shown += _until(ours, question)
                os.write(ours, text.encode() + b"\n")
            out, _ = process.communicate(timeout=60)
            shown += _rest(ours)
        finally:
            process.kill()
            os.close(ours)
    assert not [text for question, text in answers if question != "Login" and text and text in shown]
    said: dict[str, Any] = json.loads(out)
    return said


def _rest(terminal: int) -> str:
    shown = b""
    while select.select([terminal], [], [], 0)[0]:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # nobody is at the other end any more
            break
    return shown.decode()


def _until(terminal: int, question: str) -> str:
    shown, ends = "", time.monotonic() + 60
    while question not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0, ends - time.monotonic()))
        assert ready, f"{question!r} was not asked, but: {shown!r}"
        shown += os.read(terminal, 4096).decode()
    return shown


@pytest.mark.home_database
def test_as_long_as_there_are_no_people_the_owner_of_the_home_decides(home: Path) -> None:
    """Whatever the environment says the user's name is."""
    said = decide(home)
    assert said == {"person": OWNER, "roles": ["admin", "approver", "responder"], "method": "interactive"}


@pytest.mark.home_database
def test_a_person_decides_with_login_and_password(house: House, home: Path) -> None:
    house.add(JANE, "admin", "approver")
    said = decide(home, ("Login", JANE.upper()), ("Password", PASSWORD))
    assert said == {"person": JANE, "roles": ["admin", "approver"], "method": "interactive"}


@pytest.mark.home_database
def test_the_login_of_the_linked_user_is_offered(house: House, home: Path) -> None:
    house.add(JANE)
    house.state.people.set_os_user(JANE, OWNER, by=KEEPER, now=house.now)
    assert decide(home, (f"[{JANE}]", ""), ("Password", PASSWORD))["person"] == JANE


@pytest.mark.home_database
def test_a_wrong_password_decides_nothing(house: House, home: Path) -> None:
    house.add(JANE)
    said = decide(home, ("Login", JANE), ("Password", "wrong wrong wrong"))
    assert said == {"error": "NotAuthenticated", "message": "the login is not right"}
    assert house.entries("login.failed") == [{"login": JANE, "address": None, "reason": "password"}]


@pytest.mark.home_database
def test_the_code_is_asked_for(house: House, home: Path) -> None:
    house.add(JANE)
    secret = house.enrol(JANE)
    code = pyotp.TOTP(secret).now()
    said = decide(home, ("Login", JANE), ("Password", PASSWORD), ("Code", code))
    assert said["person"] == JANE


@pytest.mark.home_database
def test_who_is_nobodys_person_decides_nothing_once_there_are_people(house: House, home: Path) -> None:
    house.add(JANE)
    said = decide(home, ("Login", OWNER), ("Password", PASSWORD))
    assert said["error"] == "NotAuthenticated"


@pytest.mark.parametrize("people", [False, True], ids=["single user", "people"])
def test_without_a_terminal_nobody_decides(house: House, home: Path, people: bool) -> None:
    if people:
        house.add(JANE)
    program = _DECIDES.replace("os.close(os.open(os.ttyname(0), os.O_RDWR))", "")
    done = subprocess.run(
        [sys.executable, "-c", program, str(home)],
        input=f"{JANE}\n{PASSWORD}\n",
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    assert json.loads(done.stdout)["error"] == "NotAuthenticated"
    assert house.entries("login.succeeded") == []


def test_somebody_elses_home_is_not_decided_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_people, "check_terminal", lambda: None)
    monkeypatch.setattr(os, "getuid", lambda: home.stat().st_uid + 1)
    with App.open(home) as app, pytest.raises(NotAuthenticated, match="installation of"):
        authenticate_on_terminal(app)


def test_a_shared_database_without_people_is_decided_for_by_nobody(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_people, "check_terminal", lambda: None)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.toml").write_text(f'[state]\nurl = "sqlite:///{home / "state.db"}"\n')
    with App.open(tmp_path / "other") as app, pytest.raises(NotAuthenticated, match="shared"):
        authenticate_on_terminal(app)


@pytest.mark.home_database
def test_a_security_key_is_asked_for_in_the_console(house: House, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add(JANE)
    with house.state.write() as database:
        database.execute(
            sa.text(
                "INSERT INTO webauthn_credential (id, person_id, public_key, sign_count, label, created_at)"
                " SELECT 'AAAA', id, :key, 0, 'key', created_at FROM person WHERE login = :login"
            ),
            {"key": b"\0", "login": JANE},
        )
    said = decide(home, ("Login", JANE), ("Password", PASSWORD))
    assert said["error"] == "NotAuthenticated"
    assert "security key" in said["message"]


# ---------------------------------------------------------------- who proposes


def test_who_proposes_is_the_linked_person(house: House, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "mallory")
    with App.open(home) as app:
        assert terminal_actor(app, proposes=True).name == OWNER
        house.add(JANE)
        assert terminal_actor(app).name == OWNER
        with pytest.raises(NotAuthenticated, match="not known which person"):
            terminal_actor(app, proposes=True)
        house.state.people.set_os_user(JANE, OWNER, by=KEEPER, now=house.now)
        assert terminal_actor(app, proposes=True).name == JANE
        house.add(OMAR, "admin")
        house.state.people.set_disabled(JANE, True, by=KEEPER, now=house.now)
        with pytest.raises(NotAuthenticated):
            terminal_actor(app, proposes=True)


# ---------------------------------------------------------------- commands


assert views_people, "it registers how people are shown"


def run(home: Path, *words: str, typed: str | None = None) -> Result:
    root = build()
    group = root.commands["people"]
    assert isinstance(group, ToolGroup)
    add_commands(group)
    return CliRunner().invoke(root, ["--home", str(home), *words], prog_name="trailwarden", input=typed)


def answer(home: Path, *words: str) -> dict[str, Any]:
    result = run(home, *words, "--format", "json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_from_nobody_to_a_person_who_signs_in(house: House, home: Path) -> None:
    empty = answer(home, "people", "list")
    assert (empty["people"], empty["single_user"]) == ([], OWNER)
    added = answer(
        home, "people", "add", JANE, "--role", "admin", "--role", "approver", "--name", "Jane", "--os-user", OWNER
    )
    assert added["person"]["roles"] == ["approver", "admin"]
    assert any("no four eyes" in note for note in added["notes"])
    assert any("cannot sign in yet" in note for note in added["notes"])
    assert run(home, "people", "password", JANE.upper(), "--stdin", typed=f"{PASSWORD}\n").exit_code == 0
    assert house.signed_in().name == "Jane"
    listed = answer(home, "people", "list")
    assert listed["people"][0]["password"] is True
    assert "password_hash" not in listed["people"][0]
    assert house.entries("person.password_set")[-1] == {"login": JANE}


def test_the_chain_holds_no_password_that_was_typed(house: House, home: Path) -> None:
    house.add(JANE, password=None)
    run(home, "people", "password", JANE, typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert house.signed_in()
    assert PASSWORD not in "".join(entry.body for entry in house.state.audit.entries())


def test_a_user_of_the_operating_system_is_taken_away_and_given_to_another(house: House, home: Path) -> None:
    house.add(JANE)
    house.add(OMAR)
    answer(home, "people", "link", JANE, "--os-user", "jane")
    refused = run(home, "people", "link", OMAR, "--os-user", "jane")
    assert refused.exit_code == 2
    assert "--no-os-user" in refused.stderr
    assert answer(home, "people", "link", JANE, "--no-os-user")["person"]["os_user"] is None
    assert answer(home, "people", "link", OMAR, "--os-user", "jane")["person"]["os_user"] == "jane"
    assert [each["os_user"] for each in house.entries("person.os_user_set")] == ["jane", None, "jane"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("people", "add", JANE, "--role", "approver"), "somebody must be admin"),
        (("people", "add", "a b", "--role", "admin"), "not usable as a login"),
        (("people", "password", OMAR, "--stdin"), "nobody has the login"),
        (("people", "totp", OMAR), "nobody has the login"),
        (("people", "remove", OMAR), "nobody has the login"),
        (("people", "link", OMAR), "nothing to link"),
        (("people", "link", OMAR, "--os-user", "omar", "--no-os-user"), "given and taken away"),
        (("people", "link", OMAR, "--oidc-subject", "00u1"), "no OpenID Connect provider"),
        (("tokens", "create", OMAR, "--name", "ci"), "nobody has the login"),
        (("tokens", "revoke", "0123"), "no such token"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_fails_says_why(home: Path, words: tuple[str, ...], says: str) -> None:
    result = run(home, *words, typed="x\n")
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Remedy:" in result.stderr


STEPS: Sequence[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("people", "roles", OMAR, "--role", "approver", "--role", "responder"), {"roles": ["responder", "approver"]}),
    (("people", "disable", OMAR), {"disabled": True}),
    (("people", "enable", OMAR), {"disabled": False}),
    (("people", "link", OMAR, "--os-user", "omar", "--oidc-subject", "00u1"), {"os_user": "omar"}),
    (("people", "remove", OMAR), {"login": OMAR}),
]


def test_a_person_from_role_to_removal(house: House, home: Path) -> None:
    (home / "config.toml").write_text('[console]\noidc_issuer = "https://login.example.com"\n')
    house.add(JANE)
    house.add(OMAR, "viewer")
    for words, expected in STEPS:
        person = answer(home, *words)["person"]
        assert {name: person[name] for name in expected} == expected
    assert answer(home, "people", "sign-out", JANE) == {"login": JANE, "sessions": 0}


def test_a_token_is_shown_once(house: House, home: Path) -> None:
    house.add(JANE)
    made = answer(home, "tokens", "create", JANE, "--name", "ci", "--scope", "propose", "--days", "30")
    with App.open(home) as app:
        assert app.state.tokens.use(made["secret"], now=app.now()).rights == {"read", "propose"}
        assert made["secret"] not in "".join(entry.body for entry in app.state.audit.entries())
    (listed,) = answer(home, "tokens", "list", JANE)["tokens"]
    assert listed["id"] == made["token"]["id"]
    assert made["secret"] not in json.dumps(listed)
    assert answer(home, "tokens", "revoke", listed["id"])["token"]["revoked_at"]
    with App.open(home) as app, pytest.raises(NotAuthenticated):
        app.state.tokens.use(made["secret"], now=app.now())


@pytest.mark.parametrize(
    ("config", "options", "begins"),
    [
        ("", [], "http://localhost:8765/"),
        ('[console]\npublic_url = "https://warden.example.com"\n', [], "https://warden.example.com/"),
        ("[console]\nbehind_proxy = true\n", ["--public-url", "https://w.example.com/"], "https://w.example.com/"),
    ],
    ids=["own", "set", "given"],
)
def test_a_link_sets_a_password(house: House, home: Path, config: str, options: list[str], begins: str) -> None:
    (home / "config.toml").write_text(config)
    house.add(JANE)
    shown = run(home, "people", "password-link", JANE, *options)
    assert shown.exit_code == 0, shown.output
    assert JANE in shown.stderr
    link = shown.stdout.strip()
    assert link.startswith(f"{begins}set-password?token=")
    with App.open(home) as app:
        token = link.partition("token=")[2]
        assert app.state.people.use_password_link(token, "a fresh and long one", now=app.now()).login == JANE
        made = next(each for each in app.state.audit.newest() if each.kind == "person.password_link_made")
        assert json.loads(made.actor)["via"] == "command_line"
        assert token not in "".join(entry.body for entry in app.state.audit.entries())


def test_a_link_without_an_address_is_not_made(house: House, home: Path) -> None:
    (home / "config.toml").write_text("[console]\nbehind_proxy = true\n")
    house.add(JANE)
    refused = run(home, "people", "password-link", JANE)
    assert refused.exit_code == 2
    assert "--public-url" in refused.stderr
    assert run(home, "people", "password-link", OMAR, "--public-url", "https://w.example.com").exit_code == 2
    assert house.entries("person.password_link_made") == []


def test_an_app_is_enrolled_at_a_terminal(house: House, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add(JANE)
    assert run(home, "people", "totp", JANE).exit_code == 1, "there is none here"
    secret = pyotp.random_base32()
    monkeypatch.setattr(cli_people, "check_terminal", lambda: None)
    monkeypatch.setattr(pyotp, "random_base32", lambda: secret)
    code = pyotp.TOTP(secret).now()
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    assert run(home, "people", "totp", JANE, typed=f"{wrong}\n" * 3).exit_code == 2
    assert not house.state.people.get(JANE).totp
    shown = run(home, "people", "totp", JANE, typed=f"{wrong}\n{pyotp.TOTP(secret).now()}\n")
    assert shown.exit_code == 0, shown.output
    assert secret in shown.stderr
    assert secret not in shown.stdout
    assert house.state.people.get(JANE).totp
    assert run(home, "people", "totp", JANE, "--remove").exit_code == 0
    assert not house.state.people.get(JANE).totp


def test_the_terminal_shows_people_and_tokens(house: House, home: Path) -> None:
    nobody = run(home, "people", "list")
    assert f"{OWNER}, who owns the home folder" in nobody.stdout
    assert "There are no API tokens" in run(home, "tokens", "list").stdout
    house.state.people.add(JANE, name="[red]Jane", roles=("admin",), os_user=OWNER, by=KEEPER, now=house.now)
    house.add(OMAR, "viewer")
    house.state.people.set_disabled(OMAR, True, by=KEEPER, now=house.now)
    house.enrol(OMAR)
    text, _ = house.state.tokens.create(JANE, "[link]ci", by=KEEPER, now=house.now)
    people, tokens = run(home, "people", "list").stdout, run(home, "tokens", "list").stdout
    for words in (JANE, "[red]Jane", "nothing yet", "disabled", "password + code", "nobody may approve"):
        assert words in people
    for words in (JANE, "[link]ci", "read", "never"):
        assert words in tokens
    assert text not in tokens
    made = run(home, "tokens", "create", JANE, "--name", "again").stdout
    assert "not shown again:  tw_" in made
