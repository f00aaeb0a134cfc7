"""Settings of one's own account, people, tokens and rules: who may change what, and what it leaves behind."""

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pyotp
import pytest
from decisions_kit import ADMIN, APPROVER, EVERYTHING, RESPONDER, VIEWER, Clock, csrf
from web_kit import PASSWORD, Served, add_people, serving, sign_in

from trailwarden.app import App
from trailwarden.faces.web.pages.settings import values_of
from trailwarden.model.proposal import Actor
from trailwarden.settings import Settings
from trailwarden.state.logins import Attempt, SecondFactorNeeded

SETUP = Actor(kind="person", name="setup", via="command_line")
ANOTHER = "a better horse of four words"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with people, whose passwords take a while to hash: every test has a copy."""
    home = tmp_path_factory.mktemp("pattern")
    with App.open(home) as app:
        add_people(app)
    return home


@pytest.fixture
def served(pattern: Path, tmp_path: Path, clock: Clock) -> Iterator[Served]:
    home = shutil.copytree(pattern, tmp_path / "home")
    with App.open(home, clock=clock) as app, serving(app) as up:
        yield up


def send(client: httpx.Client, path: str, **fields: object) -> httpx.Response:
    return client.post(path, data={"csrf": csrf(client), **fields})


def kinds(served: Served) -> list[str]:
    return [each.kind for each in served.app.audit_list(limit=1000).entries]


def signs_in(served: Served, login: str, password: str) -> bool:
    with served.client() as client:
        return sign_in(client, login, password).status_code == 303


CHANGES = {
    "/settings/aws/connect": {"role_arns": "arn:aws:iam::111111111111:role/Trailwarden"},
    "/settings/aws/role": {},
    "/settings/aws/remove": {"role": "arn:aws:iam::111111111111:role/Trailwarden"},
    "/settings/crowdstrike/connect": {"client_id": "0123456789abcdef", "secret": "0123456789abcdef", "cloud": "us-1"},
    "/settings/crowdstrike/disconnect": {},
    "/settings/people/add": {"login": "new@company.com"},
    "/settings/people/roles": {"login": VIEWER, "role": "admin"},
    "/settings/people/disable": {"login": APPROVER},
    "/settings/people/enable": {"login": APPROVER},
    "/settings/people/sign-out": {"login": APPROVER},
    "/settings/people/link": {"login": APPROVER, "oidc_subject": "1"},
    "/settings/people/password": {"login": APPROVER, "new": ANOTHER},
    "/settings/people/totp/remove": {"login": APPROVER},
    "/settings/people/remove": {"login": APPROVER, "typed": APPROVER},
    "/settings/data/expire": {"days": 1, "typed": "remove"},
}


@pytest.mark.parametrize("login", [VIEWER, RESPONDER, APPROVER])
def test_who_is_no_admin_changes_nothing_of_others(served: Served, login: str) -> None:
    before = served.app.state.people.list()
    with served.client(login) as client:
        for path, fields in CHANGES.items():
            answer = send(client, path, **fields)
            assert (path, answer.status_code) == (path, 403)
            assert "ask an admin for the role admin" in answer.text.lower()
        assert client.get("/settings/people").status_code == 403
        assert client.get("/settings/aws/connect").status_code == 403
        assert client.get("/settings").headers["location"] == "/settings/account"
        shown = [client.get(path).text for path in ("/settings/aws", "/settings/crowdstrike", "/settings/data")]
        assert not any('action="/settings/aws' in text or "/connect" in text or "expire" in text for text in shown)
    assert [each.roles for each in served.app.state.people.list()] == [each.roles for each in before]
    assert not [kind for kind in kinds(served) if kind in ("person.disabled", "person.removed", "setting")]


# These two change nothing, or would lose the External ID that AWS has been told.
FRESH = frozenset({"/settings/aws/connect", "/settings/aws/role"})


def test_a_change_takes_a_recent_login(served: Served, clock: Clock) -> None:
    own = {"/settings/account/password": {"new": ANOTHER, "again": ANOTHER}, "/settings/tokens/create": {"name": "x"}}
    with served.client(ADMIN) as client:
        client.get("/ui")
        clock.ahead = timedelta(minutes=16)
        for path, fields in (CHANGES | own).items():
            if path in FRESH:
                continue
            answer = send(client, path, **fields)
            assert (path, answer.status_code) == (path, 303)
            assert answer.headers["location"].startswith("/reauthenticate?next=%2Fsettings%2F")
        assert "Confirm that it is you" in client.get("/settings/account").text
    assert signs_in(served, ADMIN, PASSWORD)
    assert not served.app.state.tokens.list()
    assert len(served.app.state.people.list()) == 5


def test_a_form_from_elsewhere_is_refused(served: Served) -> None:
    with served.client(ADMIN) as client:
        for path, fields in CHANGES.items():
            assert client.post(path, data=fields).status_code == 403


# ── one's own account ────────────────────────────────────────────────────


def test_a_password_is_set_and_ends_the_other_sessions(served: Served) -> None:
    with served.client(VIEWER) as client, served.client(VIEWER) as elsewhere:
        answer = send(client, "/settings/account/password", new=ANOTHER, again=ANOTHER)
        assert answer.headers["location"] == "/settings/account?said=password"
        assert "Every other session of yours has ended" in client.get("/settings/account?said=password").text
        assert elsewhere.get("/settings/account").headers["location"].startswith("/login")
    assert signs_in(served, VIEWER, ANOTHER)
    assert not signs_in(served, VIEWER, PASSWORD)


@pytest.mark.parametrize(
    ("new", "again", "said"),
    [(ANOTHER, ANOTHER + "s", "two passwords differ"), ("short", "short", "at least 12 characters"),
     ("viewer@company.com 1", "viewer@company.com 1", "without the login")],
    ids=["differ", "short", "login"],
)  # fmt: skip
def test_a_password_that_cannot_be_set_is_told(served: Served, new: str, again: str, said: str) -> None:
    with served.client(VIEWER) as client:
        answer = send(client, "/settings/account/password", new=new, again=again)
    assert answer.status_code == 400
    assert said in answer.text.lower()
    assert new not in answer.text.replace("viewer@company.com<", "")
    assert signs_in(served, VIEWER, PASSWORD)


def test_an_app_is_set_up_with_its_first_code_and_removed(served: Served) -> None:
    app = served.app
    with served.client(VIEWER) as client:
        offered = client.get("/settings/account/totp").text
        secret = re.search(r'name="secret" value="([A-Z2-7]+)"', offered)
        assert secret is not None
        assert "data:image/svg+xml" in offered
        again = send(client, "/settings/account/totp", secret=secret[1], code="000000")
        assert again.status_code == 400
        assert f'name="secret" value="{secret[1]}"' in again.text
        assert not app.state.people.get(VIEWER).totp
        code = pyotp.TOTP(secret[1]).at(app.now())
        answer = send(client, "/settings/account/totp", secret=secret[1], code=f"{code[:3]} {code[3:]}")
        assert answer.headers["location"] == "/settings/account?said=totp"
        attempt = Attempt(face="console", now=app.now())
        assert isinstance(app.state.logins.authenticate(VIEWER, PASSWORD, attempt=attempt), SecondFactorNeeded)
        assert secret[1] not in client.get("/settings/account").text
        assert send(client, "/settings/account/totp/remove").status_code == 303
        assert client.get("/settings/account").status_code == 200
    assert signs_in(served, VIEWER, PASSWORD)
    assert {"person.totp_set", "person.totp_removed"} <= set(kinds(served))


@pytest.mark.parametrize("secret", ["", "AAAA", "not base32!", "A" * 200], ids=["none", "short", "other", "long"])
def test_an_app_s_secret_is_not_any_text(served: Served, secret: str) -> None:
    with served.client(VIEWER) as client:
        answer = send(client, "/settings/account/totp", secret=secret, code="123456")
    assert answer.status_code in (400, 422)
    assert not served.app.state.people.get(VIEWER).totp


def test_signing_out_everywhere_ends_this_session_too(served: Served) -> None:
    with served.client(VIEWER) as client, served.client(VIEWER) as elsewhere, served.client(APPROVER) as other:
        assert send(client, "/settings/account/sign-out").headers["location"] == "/login"
        assert client.get("/settings/account").status_code == 303
        assert elsewhere.get("/settings/account").status_code == 303
        assert other.get("/settings/account").status_code == 200


def test_nobody_removes_another_s_key(served: Served) -> None:
    with served.client(VIEWER) as client:
        answer = send(client, "/settings/account/passkeys/remove", id="somebody-else-s")
    assert answer.status_code == 400
    assert "there is no such authenticator" in answer.text.lower()


def test_a_new_key_takes_a_recent_login(served: Served, clock: Clock) -> None:
    with served.client(VIEWER) as client:
        assert json.loads(send(client, "/settings/account/passkeys/begin").text)["token"]
        clock.ahead = timedelta(minutes=16)
        assert send(client, "/settings/account/passkeys/begin").status_code == 403


# ── people ───────────────────────────────────────────────────────────────


def test_a_person_is_added_given_a_password_and_roles(served: Served) -> None:
    with served.client(ADMIN) as client:
        added = send(client, "/settings/people/add", login="jane@company.com", name="Jane", role=["viewer"])
        assert added.headers["location"] == "/settings/people/jane@company.com"
        assert "cannot sign in yet" in client.get("/settings/people/jane@company.com").text
        send(client, "/settings/people/password", login="jane@company.com", new=ANOTHER)
        send(client, "/settings/people/roles", login="jane@company.com", role=["responder", "approver"])
        shown = client.get("/settings/people?format=json").json()
        jane = next(each for each in shown["people"] if each["login"] == "jane@company.com")
        assert jane["roles"] == ["responder", "approver"]
        assert ANOTHER not in client.get("/settings/people/jane@company.com").text
    assert signs_in(served, "jane@company.com", ANOTHER)
    entry = next(each for each in served.app.audit_list(kind=("role.changed",)).entries)
    assert (entry.actor.name, entry.actor.via, entry.body["before"]) == (ADMIN, "console", ["viewer"])


def test_somebody_disabled_is_out_at_once_until_enabled(served: Served) -> None:
    with served.client(ADMIN) as client, served.client(VIEWER) as viewer:
        send(client, "/settings/people/disable", login=VIEWER)
        assert viewer.get("/ui").status_code == 303
        assert not signs_in(served, VIEWER, PASSWORD)
        send(client, "/settings/people/enable", login=VIEWER)
        assert signs_in(served, VIEWER, PASSWORD)


def test_removing_takes_the_login_typed(served: Served) -> None:
    with served.client(ADMIN) as client:
        assert send(client, "/settings/people/remove", login=VIEWER, typed="viewer").status_code == 400
        assert served.app.state.people.get(VIEWER)
        assert send(client, "/settings/people/remove", login=VIEWER, typed=VIEWER).status_code == 303
    assert VIEWER not in [each.login for each in served.app.state.people.list()]


def test_the_last_admin_stays_and_it_is_said_at_the_form(served: Served) -> None:
    served.app.state.people.set_roles(EVERYTHING, ("viewer",), by=SETUP, now=served.app.now())
    with served.client(ADMIN) as client:
        for path, fields in (
            ("/settings/people/roles", {"role": "viewer"}),
            ("/settings/people/disable", {}),
            ("/settings/people/remove", {"typed": ADMIN}),
        ):
            answer = send(client, path, login=ADMIN, **fields)
            assert answer.status_code == 400
            assert "Somebody must be admin" in answer.text
    assert served.app.state.people.get(ADMIN).roles == ("admin",)


def test_a_refused_form_keeps_what_was_typed_and_escapes_it(served: Served) -> None:
    with served.client(ADMIN) as client:
        answer = send(client, "/settings/people/add", login="<b>x y", name='"><script>', role="viewer")
    assert answer.status_code == 400
    assert "data-open" in answer.text
    assert "<b>x" not in answer.text
    assert "<script>" not in answer.text


def test_without_a_provider_nobody_is_linked(served: Served) -> None:
    with served.client(ADMIN) as client:
        answer = send(client, "/settings/people/add", login="jane@company.com", role="viewer", oidc_subject="1")
        assert answer.status_code == 400
    assert "jane@company.com" not in [each.login for each in served.app.state.people.list()]


# ── tokens ───────────────────────────────────────────────────────────────


def test_a_token_is_shown_once_and_works_until_revoked(served: Served) -> None:
    with served.client(RESPONDER) as client:
        made = send(client, "/settings/tokens/create", name="Nightly report", scope=["read"], days=30)
        secret = re.search(r"tw_[\w-]+", made.text)
        assert secret is not None
        use = served.app.state.tokens.use(secret[0], now=served.app.now())
        assert (use.person.login, use.token.scopes) == (RESPONDER, ("read",))
        shown = client.get("/settings/tokens").text
        assert "Nightly report" in shown
        assert secret[0] not in shown
        assert send(client, "/settings/tokens/revoke", id=use.token.id).status_code == 303
    assert served.app.state.tokens.list()[0].revoked_at is not None
    assert secret[0] not in json.dumps([str(each.body) for each in served.app.audit_list(limit=1000).entries])


def test_tokens_of_others_take_an_admin(served: Served) -> None:
    secret, token = served.app.state.tokens.create(APPROVER, "theirs", by=SETUP, now=served.app.now())
    with served.client(VIEWER) as client:
        assert send(client, "/settings/tokens/create", login=APPROVER, name="x").status_code == 403
        assert send(client, "/settings/tokens/revoke", id=token.id).status_code == 400
        for form in ("", "?format=json", "?format=csv"):
            assert token.id not in client.get(f"/settings/tokens{form}").text
    assert served.app.state.tokens.use(secret, now=served.app.now())
    with served.client(ADMIN) as client:
        assert token.id in client.get("/settings/tokens").text
        send(client, "/settings/tokens/revoke", id=token.id)
    assert served.app.state.tokens.list(APPROVER)[0].revoked_at is not None


@pytest.mark.parametrize("days", [0, 366, "x"])
def test_a_token_expires_within_a_year(served: Served, days: object) -> None:
    with served.client(VIEWER) as client:
        assert send(client, "/settings/tokens/create", name="x", days=days).status_code == 422
    assert not served.app.state.tokens.list()


# ── rules, records ───────────────────────────────────────────────────────


def test_the_lines_to_put_are_the_settings_that_hold(served: Served) -> None:
    settings = Settings()
    for section in ("respond", "console", "lake"):
        values = values_of(settings, section)
        read = tomllib.loads("\n".join(each.line for each in values))
        assert {name: tuple(value) if isinstance(value, list) else value for name, value in read.items()} == {
            each.name: each.value for each in values
        }
        assert all(each.description for each in values)
    with served.client(VIEWER) as client:
        shown = client.get("/settings/rules?format=json").json()
        assert {each["name"] for each in shown["values"]} == set(Settings().respond.__struct_fields__)
        assert shown["approvers"] == [APPROVER, EVERYTHING]


def test_records_are_removed_by_an_admin_who_types_it(served: Served) -> None:
    with served.client(ADMIN) as client:
        refused = send(client, "/settings/data/expire", days=30, typed="yes")
        assert refused.status_code == 400
        assert "setting" not in kinds(served)
        assert "records before" in send(client, "/settings/data/expire", days=30, typed="remove").text
    entry = next(each for each in served.app.audit_list(kind=("setting",)).entries)
    assert entry.body["tool"] == "lake_expire"
