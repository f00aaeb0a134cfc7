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
from web_kit import PASSWORD, Served, add_people, form_token, serving, sign_in

from trailwarden.access import SessionLimits
from trailwarden.app import App
from trailwarden.faces.web.pages.settings import values_of
from trailwarden.faces.web.pages.settings_account import device
from trailwarden.model.proposal import Actor
from trailwarden.settings import Settings
from trailwarden.state.logins import Attempt, SecondFactorNeeded
from trailwarden.state.tables import webauthn_credential

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
    "/settings/people/password-link": {"login": APPROVER},
    "/settings/people/totp/remove": {"login": APPROVER},
    "/settings/people/passkeys/remove": {"login": APPROVER, "id": "a-key"},
    "/settings/people/sessions/end": {"login": APPROVER, "id": "0123456789abcdef"},
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


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1"
    " Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("agent", "short"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/131.0.0.0", "Edge on Windows"),
        (SAFARI, "Safari on iPhone"),
        ("Firefox/1.0", "Firefox"),
        ("python-httpx/0.28.1", "python-httpx/0.28.1"),
        ("<script>alert(1)</script>" + "x" * 100, "<script>alert(1)</script>" + "x" * 35),
        (None, "Unnamed browser"),
    ],
    ids=["firefox", "chrome", "edge", "safari", "no system", "program", "hostile", "nothing"],
)
def test_a_browser_is_named_in_short(agent: str | None, short: str) -> None:
    assert device(agent) == short


def ids(client: httpx.Client, path: str = "/settings/account") -> list[str]:
    return [each["id"] for each in client.get(f"{path}?format=json").json()["sessions"]]


def test_one_s_sessions_are_listed_and_one_is_ended(served: Served, clock: Clock) -> None:
    with served.client(VIEWER) as elsewhere, served.client() as client:
        clock.ahead = timedelta(minutes=2)
        client.headers["User-Agent"] = FIREFOX
        sign_in(client, VIEWER)
        shown = client.get("/settings/account?format=json").json()["sessions"]
        assert [each["agent"] for each in shown] == [FIREFOX, elsewhere.headers["User-Agent"]]
        assert [each["address"] for each in shown] == ["127.0.0.1"] * 2
        page = client.get("/settings/account").text
        assert "Firefox on Linux" in page
        assert page.count(">this one<") == 1
        own, other = (each["id"] for each in shown)
        assert f'value="{own}"' not in page, "this one is ended by signing out"
        assert all(client.cookies["trailwarden"] not in text for text in (page, str(shown)))
        assert send(client, "/settings/account/sessions/end", id=other).headers["location"].endswith("session-ended")
        assert elsewhere.get("/ui").status_code == 303
        assert ids(client) == [own]
        again = send(client, "/settings/account/sessions/end", id=other)
        assert again.status_code == 400
        assert "There is no such session" in again.text


def test_ending_the_session_that_asks_signs_out(served: Served) -> None:
    with served.client(VIEWER) as client:
        (own,) = ids(client)
        answer = send(client, "/settings/account/sessions/end", id=own)
        assert answer.headers["location"] == "/login"
        assert client.get("/ui").status_code == 303


def test_all_other_sessions_are_ended(served: Served) -> None:
    with served.client(VIEWER) as client, served.client(VIEWER) as elsewhere, served.client(ADMIN) as other:
        assert "End all others" in client.get("/settings/account").text
        answer = send(client, "/settings/account/sessions/end-others")
        assert answer.headers["location"] == "/settings/account?said=others-ended"
        assert elsewhere.get("/ui").status_code == 303
        assert other.get("/ui").status_code == client.get("/ui").status_code == 200
        assert "End all others" not in client.get("/settings/account").text


def test_nobody_ends_a_session_of_another_s(served: Served) -> None:
    with served.client(VIEWER) as client, served.client(APPROVER) as other:
        (theirs,) = ids(other)
        assert send(client, "/settings/account/sessions/end", id=theirs).status_code == 400
        assert other.get("/ui").status_code == 200


def test_what_a_browser_says_of_itself_is_escaped(served: Served) -> None:
    with served.client(ADMIN) as admin, served.client() as client:
        client.headers["User-Agent"] = '"><script>alert(1)</script>'
        sign_in(client, VIEWER)
        for page in (client.get("/settings/account"), admin.get(f"/settings/people/{VIEWER}")):
            assert page.status_code == 200
            assert "<script>alert" not in page.text
            assert "&lt;script&gt;alert" in page.text


def test_a_change_that_ends_the_sessions_makes_none_recent(served: Served, clock: Clock) -> None:
    """The session that goes on is as old as the one before: nobody stays recent by changing the password again."""
    with served.client(VIEWER) as client:
        clock.ahead = timedelta(minutes=14)
        assert send(client, "/settings/account/password", new=ANOTHER, again=ANOTHER).status_code == 303
        assert client.get("/settings/account/totp").status_code == 200
        clock.ahead = timedelta(minutes=16)
        assert client.get("/settings/account/totp").status_code == 303


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


def link_of(client: httpx.Client, login: str = VIEWER) -> str:
    """The path of a link that an admin makes."""
    made = send(client, "/settings/people/password-link", login=login)
    found = re.search(r"<code class=\"code secret\">(http://[^<]+)</code>", made.text)
    assert found is not None
    return found[1]


def set_by(client: httpx.Client, link: str, new: str = ANOTHER, again: str | None = None) -> httpx.Response:
    token = link.partition("token=")[2]
    data = {"token": token, "password": new, "again": new if again is None else again, "csrf": form_token(client)}
    return client.post("/set-password", data=data)


def test_a_link_is_shown_once_and_sets_the_password_once(served: Served) -> None:
    with served.client(ADMIN) as admin, served.client(VIEWER) as before, served.client() as client:
        link = link_of(admin)
        assert link.startswith(f"{served.origin}/set-password?token=")
        page = admin.get(f"/settings/people/{VIEWER}").text
        assert link.partition("token=")[2] not in page
        assert "A link is out" in page
        form = client.get(link)
        assert (form.status_code, form.headers["referrer-policy"]) == (200, "same-origin")
        assert VIEWER in form.text
        assert "two passwords differ" in set_by(client, link, again="something else").text
        assert "at least 12 characters" in set_by(client, link, "short").text.lower()
        answer = set_by(client, link)
        assert answer.headers["location"] == "/login?said=password"
        assert "The password is set" in client.get(answer.headers["location"]).text
        assert client.get("/ui").status_code == before.get("/ui").status_code == 303, "it signs nobody in"
        assert "This link does not hold" in client.get(link).text
        assert 'type="password"' not in client.get(link).text
        assert set_by(client, link, "yet another good one").status_code == 401
        assert "A link is out" not in admin.get(f"/settings/people/{VIEWER}").text
    assert signs_in(served, VIEWER, ANOTHER)
    entries = served.app.audit_list(limit=1000).entries
    made = next(each for each in entries if each.kind == "person.password_link_made")
    assert (made.actor.name, made.actor.via, made.body["login"]) == (ADMIN, "console", VIEWER)
    assert link.partition("token=")[2] not in json.dumps([str(each.body) for each in entries])


def test_a_link_gets_past_no_second_factor(served: Served) -> None:
    people, now = served.app.state.people, served.app.now()
    secret = people.new_totp(VIEWER).secret
    people.set_totp(VIEWER, secret, pyotp.TOTP(secret).at(now), by=SETUP, now=now)
    with served.client(ADMIN) as admin, served.client() as client:
        link = link_of(admin)
        client.get(link)
        assert set_by(client, link).status_code == 303
        assert "One more step" in sign_in(client, VIEWER, ANOTHER).text
        assert client.get("/ui").status_code == 303


def test_a_link_s_form_comes_from_its_page(served: Served) -> None:
    with served.client(ADMIN) as admin, served.client() as client, served.client() as elsewhere:
        link = link_of(admin)
        client.get(link)
        token = form_token(client)
        data = {"token": link.partition("token=")[2], "password": ANOTHER, "again": ANOTHER}
        assert client.post("/set-password", data=data).status_code == 403
        assert elsewhere.post("/set-password", data=data | {"csrf": token}).status_code == 403
    assert signs_in(served, VIEWER, PASSWORD)


def test_somebody_disabled_gets_no_link(served: Served) -> None:
    with served.client(ADMIN) as client:
        send(client, "/settings/people/disable", login=VIEWER)
        assert "/settings/people/password-link" not in client.get(f"/settings/people/{VIEWER}").text
        answer = send(client, "/settings/people/password-link", login=VIEWER)
    assert answer.status_code == 400
    assert "enable them first" in answer.text.lower()


def test_an_admin_ends_one_session_of_somebody(served: Served) -> None:
    with served.client(ADMIN) as client, served.client(VIEWER) as one, served.client(VIEWER) as other:
        page = f"/settings/people/{VIEWER}"
        newest, oldest = ids(client, page)
        assert newest in client.get(page).text
        assert send(client, "/settings/people/sessions/end", login=VIEWER, id=newest).headers["location"] == page
        assert sorted((one.get("/ui").status_code, other.get("/ui").status_code)) == [200, 303]
        again = send(client, "/settings/people/sessions/end", login=VIEWER, id=newest)
        assert again.status_code == 400
        assert "There is no such session" in again.text
        assert send(client, "/settings/people/sessions/end", login=APPROVER, id=oldest).status_code == 400
        assert ids(client, page) == [oldest]
    entry = next(each for each in served.app.audit_list(kind=("session.ended",)).entries)
    assert (entry.actor.name, entry.body["login"], entry.body["sessions"]) == (ADMIN, VIEWER, 1)


def test_an_admin_removes_a_lost_key_and_a_lost_app(served: Served) -> None:
    app = served.app
    key = {
        "id": "a-lost-key", "person_id": app.state.people.get(VIEWER).id, "public_key": b"x", "sign_count": 0,
        "label": "Lost <key>", "created_at": app.now(),
    }  # fmt: skip
    secret = app.state.people.new_totp(VIEWER).secret
    app.state.people.set_totp(VIEWER, secret, pyotp.TOTP(secret).at(app.now()), by=SETUP, now=app.now())
    page = f"/settings/people/{VIEWER}"
    with served.client(ADMIN) as client, served.client(VIEWER) as viewer:
        session, _ = app.state.sessions.start(app.state.people.get(VIEWER), limits=SessionLimits(), now=app.now())
        viewer.cookies.set("trailwarden", session, domain="127.0.0.1", path="/")
        with app.state.write() as database:
            database.execute(webauthn_credential.insert().values(**key))
        assert "Lost &lt;key&gt;" in client.get(page).text
        assert viewer.get("/ui").status_code == 200
        refused = send(client, "/settings/people/passkeys/remove", login=APPROVER, id="a-lost-key")
        assert refused.status_code == 400, "it is somebody else's"
        answer = send(client, "/settings/people/passkeys/remove", login=VIEWER, id="a-lost-key")
        assert answer.headers["location"] == page
        assert viewer.get("/ui").status_code == 303
        assert not app.state.authenticators.list(VIEWER)
        assert app.state.people.get(VIEWER).totp
        assert send(client, "/settings/people/totp/remove", login=VIEWER).status_code == 303
        assert "Second factors" not in client.get(page).text
    assert signs_in(served, VIEWER, PASSWORD)
    entry = next(each for each in app.audit_list(kind=("person.webauthn_removed",)).entries)
    assert (entry.actor.name, entry.body["login"], entry.body["id"]) == (ADMIN, VIEWER, "a-lost-key")


ALIAS = {"who": "john", "person": "john", "name": "j-smith", "kind": "iam_user_name", "reason": "HR list"}


@pytest.mark.parametrize("path", ["/identity/aliases/add", "/identity/aliases/remove"])
def test_the_alias_list_takes_a_recent_login(served: Served, clock: Clock, path: str) -> None:
    app = served.app
    if path.endswith("remove"):
        app.identity_alias_add("john", "j-smith", kind="iam_user_name", reason="HR list")
    before = app.identity_alias_list().aliases
    with served.client(ADMIN) as client:
        token = csrf(client)
        clock.ahead = timedelta(minutes=16)
        plain = client.post(path, data=ALIAS | {"csrf": token})
        assert plain.headers["location"] == "/reauthenticate?next=%2Fidentity%3Fwho%3Djohn"
        by_script = client.post(path, data=ALIAS | {"csrf": token}, headers={"HX-Request": "true"})
        assert by_script.headers["HX-Redirect"] == plain.headers["location"]
        assert app.identity_alias_list().aliases == before
        again = client.post("/reauthenticate", data={"password": PASSWORD, "csrf": token})
        assert again.status_code == 303
        assert client.post(path, data=ALIAS | {"csrf": csrf(client)}).headers["location"] == "/identity?who=john"
    assert len(app.identity_alias_list().aliases) == (0 if before else 1)


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
