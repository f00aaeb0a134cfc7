"""What guards the console: rights, forged requests, sessions, headers, hosts."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from fastapi import APIRouter
from starlette.responses import Response
from web_kit import EVERYTHING, PASSWORD, PEOPLE, Served, form_token, serving, sign_in

from trailwarden.access import RIGHTS, rights_of
from trailwarden.app import App
from trailwarden.faces.web.access import Access
from trailwarden.faces.web.app import create_app
from trailwarden.faces.web.routes import Declared, declared, local_path
from trailwarden.faces.web.security import CSP
from trailwarden.model.proposal import Actor


@pytest.fixture(scope="module")
def clients(console: Served) -> Iterator[dict[str, httpx.Client]]:
    with ExitStack() as opened:
        made = {login: opened.enter_context(console.client(login)) for login in PEOPLE}
        yield made | {"nobody": opened.enter_context(console.client())}


def test_every_route_is_open_to_those_who_have_its_right_and_to_nobody_else(
    console: Served, clients: dict[str, httpx.Client]
) -> None:
    """The authorisation matrix: every route, every role, and nobody. Refused is told from all else by the status."""
    wrong = []
    for route in declared(console.asgi):
        if route.right == "anyone" or route.path == "/logout" or route.path.startswith("/api/"):
            continue
        path = re.sub(r"\{[^}]*\}", "x", route.path)
        for login, client in clients.items():
            rights = rights_of(PEOPLE[login]) if login in PEOPLE else frozenset()
            # Without the form's token: a POST that is allowed is then refused for that reason, after its right.
            answer = client.request(route.method, path, headers={"HX-Request": "true"})
            refused_right = answer.status_code == 403 and "takes the right" in answer.text
            if login == "nobody":
                stopped = answer.headers.get("HX-Redirect", "").startswith("/login") or answer.status_code in (401, 403)
                if not stopped:
                    wrong.append((route, login, answer.status_code))
            elif refused_right == (route.right in rights):
                wrong.append((route, login, answer.status_code))
    assert wrong == []


def test_a_session_is_no_token_where_the_api_takes_bodies(console: Served, clients: dict[str, httpx.Client]) -> None:
    posts = [route for route in declared(console.asgi) if route.path.startswith("/api/") and route.right != "anyone"]
    assert posts
    for route in posts:
        if route.method == "POST":
            answer = clients[EVERYTHING].post(route.path, json={})
            assert (route.path, answer.status_code) == (route.path, 401)


def test_a_route_without_a_right_cannot_be_served(console: Served) -> None:
    router = APIRouter()
    router.add_api_route("/open", _open, methods=["GET"])
    with pytest.raises(TypeError, match="/open declares no right"):
        create_app(
            console.app,
            Access(console.app, origin=console.origin),
            origins=(console.origin,),
            secure=False,
            routers=(router,),
        )


def test_the_rights_of_routes_are_rights(console: Served) -> None:
    known = {*RIGHTS, "anyone"}
    assert {route.right for route in declared(console.asgi)} <= known
    assert Declared("/", "GET", "read") in declared(console.asgi)


def test_nobody_is_sent_to_the_login_and_back(console: Served) -> None:
    with console.client() as client:
        answer = client.get("/search?ip=203.0.113.7&last=7d")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=%2Fsearch%3Fip%3D203.0.113.7%26last%3D7d"
        client.get("/login")
        data = {"login": EVERYTHING, "password": PASSWORD, "csrf": form_token(client)}
        back = client.post(answer.headers["location"], data=data)
        assert back.headers["location"] == "/search?ip=203.0.113.7&last=7d"


def test_data_without_a_login_is_refused_as_data(console: Served) -> None:
    with console.client() as client:
        answer = client.get("/search?format=json")
        assert (answer.status_code, answer.json()["kind"]) == (401, "NotSignedIn")
        assert answer.json()["remedy"] == "sign in"


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/search?a=b", "/search?a=b"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\nb", "/"),
        ("", "/"),
    ],
)
def test_a_login_leads_to_no_other_site(path: str, leads: str) -> None:
    assert local_path(path) == leads


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"Origin": "https://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({}, False),
        ({"Origin": ""}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
    ],
    ids=["other origin", "opaque origin", "no token", "empty origin", "cross site", "same site, other host"],
)
def test_forged_forms_are_refused(console: Served, headers: dict[str, str], token: bool) -> None:
    with console.client(EVERYTHING) as client:
        if headers:
            del client.headers["Origin"]
        data = {"csrf": csrf_of(client)} if token else {"csrf": "x"}
        answer = client.post("/logout", data=data, headers=headers)
        assert answer.status_code == 403
        assert "was not sent from a page of this session" in answer.text
        assert client.get("/ui").status_code == 200


def test_one_session_s_token_is_of_no_use_in_another(console: Served) -> None:
    with console.client(EVERYTHING) as one, console.client(EVERYTHING) as other:
        answer = other.post("/logout", data={"csrf": csrf_of(one)})
        assert answer.status_code == 403


def test_a_login_form_needs_its_token_too(console: Served) -> None:
    with console.client() as client:
        client.get("/login")
        data = {"login": EVERYTHING, "password": PASSWORD, "csrf": "x"}
        assert client.post("/login", data=data).status_code == 403


def test_logging_out_ends_the_session_itself(console: Served) -> None:
    with console.client(EVERYTHING) as client:
        session = client.cookies["trailwarden"]
        assert client.post("/logout", data={"csrf": csrf_of(client)}).status_code == 303
        client.cookies.set("trailwarden", session)
        assert client.get("/ui").headers["location"].startswith("/login")


def test_a_session_s_value_changes_at_login_and_when_shown_again(console: Served) -> None:
    chosen = {"Cookie": "trailwarden=chosen-by-somebody-else"}
    with console.client() as client:
        client.get("/login")
        data = {"login": EVERYTHING, "password": PASSWORD, "csrf": form_token(client)}
        cookies = chosen["Cookie"] + f"; trailwarden_form={form_token(client)}"
        client.post("/login", data=data, headers={"Cookie": cookies})
        first = client.cookies["trailwarden"]
        assert first != "chosen-by-somebody-else"
        answer = client.post("/reauthenticate?next=/ui", data={"csrf": csrf_of(client), "password": PASSWORD})
        assert answer.headers["location"] == "/ui"
        assert client.cookies["trailwarden"] != first
        assert client.get("/ui", headers={"Cookie": f"trailwarden={first}"}).status_code == 303


def test_wrong_logins_say_nothing_of_whom_there_is(console: Served) -> None:
    with console.client() as client:
        wrong = sign_in(client, EVERYTHING, "not the password at all")
        unknown = sign_in(client, "nobody-of-that-name@company.com", "not the password at all")
    assert wrong.status_code == unknown.status_code == 401
    strip = re.compile(r'value="[^"]*"')
    assert strip.sub("", wrong.text) == strip.sub("", unknown.text)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", ""])
def test_other_names_for_this_machine_are_not_served(console: Served, host: str) -> None:
    with console.client() as client:
        answer = client.get("/login", headers={"Host": host})
        assert answer.status_code in (400, 421)


def test_bodies_are_bounded(console: Served) -> None:
    with console.client() as client:
        assert client.post("/login", content=b"x" * (1 << 20 | 1)).status_code == 413
        assert client.post("/login", content=iter([b"x"])).status_code == 413


def test_every_answer_carries_the_headers(console: Served) -> None:
    with console.client() as client:
        for path in ("/login", "/search", "/nowhere", "/static/x/y"):
            answer = client.get(path)
            assert answer.headers["content-security-policy"] == CSP
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["cache-control"] == "no-store"
    for directive in ("script-src 'self'", "style-src 'self'", "default-src 'none'", "frame-ancestors 'none'"):
        assert directive in CSP.split("; ")
    assert "unsafe" not in CSP


def test_cookies_are_kept_from_scripts_and_plain_http(console: Served) -> None:
    app = create_app(
        console.app, Access(console.app, origin="https://w.example"), origins=("https://w.example",), secure=True
    )
    with httpx.Client(transport=_Asgi(app), base_url="https://w.example") as client:
        answer = client.get("/login")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-trailwarden_form=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_the_first_run_s_link_makes_one_person(tmp_path_factory: pytest.TempPathFactory) -> None:
    with App.open(tmp_path_factory.mktemp("first")) as app, serving(app) as served, served.client() as client:
        by = Actor(kind="person", name="owner", via="command_line")
        address = app.state.people.first_run_link(served.origin, by=by, now=app.now())
        path = address.removeprefix(served.origin)
        assert client.get(path).status_code == 200
        token = path.partition("token=")[2]
        data = {
            "token": token,
            "login": "ana@company.com",
            "name": "Ana",
            "password": PASSWORD,
            "csrf": form_token(client),
        }
        assert client.post("/first-run", data=data | {"again": "another"}).status_code == 400
        assert client.post("/first-run", data=data | {"password": "short", "again": "short"}).status_code == 400
        assert client.post("/first-run", data=data | {"again": PASSWORD}).headers["location"] == "/"
        assert client.get("/ui").status_code == 200
    with App.open(app.home) as again, serving(again) as served, served.client() as client:
        client.get(path)
        answer = client.post("/first-run", data=data | {"again": PASSWORD, "csrf": form_token(client)})
        assert answer.status_code == 401
        assert len(again.state.people.list()) == 1


def _open() -> Response:
    return Response()


def csrf_of(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', client.get("/ui").text)
    assert found is not None
    return found[1]


class _Asgi(httpx.BaseTransport):
    """An application, called without a network."""

    def __init__(self, app: object) -> None:
        from starlette.testclient import TestClient  # noqa: PLC0415

        self._client = TestClient(app, base_url="https://w.example")  # type: ignore[arg-type]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._client.request(request.method, str(request.url))
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
