"""What one person, or a stranger, cannot do to the console: stop it, hide from it, lock others out, or mislead a reader
of what it exports."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from web_kit import PASSWORD, Served, add_people, form_token, serving, sign_in

from trailwarden.app import App
from trailwarden.faces.callers import AT_ONCE
from trailwarden.faces.web.routes import Here
from trailwarden.model.proposal import Actor
from trailwarden.state import people

VIEWER, APPROVER = "viewer@company.com", "approver@company.com"
SETUP = Actor(kind="person", name="setup", via="command_line")
#: The threads that all requests share.
THREADS = 40


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Served]:
    """A console with people, and nothing else."""
    with App.open(tmp_path) as app:
        add_people(app)
        with serving(app) as served:
            yield served


def token_of(served: Served, login: str) -> str:
    token, _ = served.app.state.tokens.create(login, "test", by=SETUP, now=served.app.now())
    return token


def csrf_of(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', client.get("/ui").text)
    assert found is not None
    return found[1]


def entries(served: Served, kind: str) -> list[tuple[str, dict[str, Any]]]:
    chain = served.app.state.audit.entries()
    return [(json.loads(each.actor)["name"], json.loads(each.body)) for each in chain if each.kind == kind]


class Held:
    """Calls of one tool that wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
        self.go = threading.Event()
        self.here = threading.Semaphore(0)
        call = App.call

        def held(app: App, called: Any, /, *given: Any, **named: Any) -> Any:
            if called.id == tool:
                self.here.release()
                assert self.go.wait(120)
            return call(app, called, *given, **named)

        monkeypatch.setattr(App, "call", held)

    def wait_for(self, many: int) -> None:
        for _ in range(many):
            assert self.here.acquire(timeout=60)


def test_a_long_word_for_a_filter_is_soon_refused(bare: Served) -> None:
    with bare.client(VIEWER) as client:
        answer = client.get("/search", params={"add": "Aa" + "A" * 30_000 + "!"})
        assert answer.status_code in (303, 400)


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/proposals/0123456789ab/approve", "decide"),
        ("/proposals/0123456789ab/reject", "decide"),
        ("/settings/people/roles", "administer"),
    ],
)
def test_what_was_tried_without_the_right_is_in_the_audit_chain(bare: Served, path: str, right: str) -> None:
    with bare.client(VIEWER) as client:
        assert client.post(path, data={"csrf": csrf_of(client)}).status_code == 403
    [(who, body)] = entries(bare, "denied")
    assert who == VIEWER
    assert body == {"attempt": f"POST {path}", "code": "Forbidden", "why": f"it takes the right {right}"}


def test_an_api_token_without_the_right_is_in_the_audit_chain(bare: Served) -> None:
    headers = {"Authorization": f"Bearer {token_of(bare, VIEWER)}"}
    with bare.client() as client:
        answer = client.post("/api/v1/tools/actions_propose", json={"name": "disable_user"}, headers=headers)
    assert answer.status_code == 403
    [(who, body)] = entries(bare, "denied")
    assert (who, body["attempt"], body["on_behalf_of"]) == (VIEWER, "actions_propose", VIEWER)


def test_a_viewer_files_nothing_by_whatever_page(bare: Served) -> None:
    with bare.client(VIEWER) as client:
        visitor = bare.asgi.state.console.access.visitor(client.cookies["trailwarden"])
    here = Here(None, bare.asgi.state.console, visitor)  # type: ignore[arg-type]
    assert here.app.may_propose is False


def test_nobody_without_the_link_makes_this_machine_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def counted(password: str) -> str:
        hashed.append(password)
        return ""

    monkeypatch.setattr(people, "hash_password", counted)
    with App.open(tmp_path) as app, serving(app) as served, served.client() as client:
        client.get("/login")
        data = {"token": "none", "login": "new@company.com", "name": "New", "password": PASSWORD, "again": PASSWORD}
        answer = client.post("/first-run", data={**data, "csrf": form_token(client)})
    assert answer.status_code == 401
    assert hashed == []


@pytest.mark.parametrize("tried", [APPROVER, f"again {APPROVER}", f"again:{APPROVER}"])
def test_failed_logins_of_others_keep_nobody_from_confirming(bare: Served, tried: str) -> None:
    with bare.client(APPROVER) as mine:
        with bare.client() as stranger:
            for _ in range(8):
                refused = sign_in(stranger, tried, "wrong wrong wrong")
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) > 0
        answer = mine.post("/reauthenticate?next=/ui", data={"csrf": csrf_of(mine), "password": PASSWORD})
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui")


def test_guesses_in_a_session_wait_too(bare: Served) -> None:
    with bare.client(APPROVER) as mine:
        csrf = csrf_of(mine)
        for _ in range(8):
            answer = mine.post("/reauthenticate", data={"csrf": csrf, "password": "wrong wrong wrong"})
        assert answer.status_code == 429
        assert mine.post("/reauthenticate", data={"csrf": csrf, "password": PASSWORD}).status_code == 429


def test_streams_that_wait_leave_the_pages_their_threads(bare: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Authorization": f"Bearer {token_of(bare, VIEWER)}", "Accept": "text/event-stream"}
    held, begun = Held(monkeypatch, "accounts_list"), threading.Semaphore(0)
    many = THREADS + 4

    def stream() -> str:
        with bare.client() as client, client.stream("GET", "/api/v1/tools/accounts_list", headers=headers) as answer:
            pieces = answer.iter_text()
            first = next(pieces)
            begun.release()
            return first + "".join(pieces)

    with ThreadPoolExecutor(many) as pool:
        streams = [pool.submit(stream) for _ in range(many)]
        try:
            for _ in range(many):
                assert begun.acquire(timeout=60), "a stream that waits keeps others from beginning"
            with bare.client() as stranger:
                assert stranger.get("/login").status_code == 200
        finally:
            held.go.set()
        told = [each.result() for each in streams]
    assert all("event: result" in each or '"status":503' in each for each in told)
    assert sum("event: result" in each for each in told) >= AT_ONCE


def test_one_persons_calls_leave_threads_to_others(bare: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Authorization": f"Bearer {token_of(bare, VIEWER)}"}
    held = Held(monkeypatch, "accounts_list")

    def call() -> int:
        with bare.client() as client:
            return client.get("/api/v1/tools/accounts_list", headers=headers).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool, bare.client(VIEWER) as mine, bare.client(APPROVER) as other:
        calls = [pool.submit(call) for _ in range(AT_ONCE)]
        try:
            held.wait_for(AT_ONCE)
            refused = [mine.get("/ui"), mine.get("/api/v1/tools/lake_info")]
            assert [each.status_code for each in refused] == [503, 503]
            assert all(each.headers["Retry-After"] for each in refused)
            assert other.get("/ui").status_code == 200
        finally:
            held.go.set()
        assert [each.result() for each in calls] == [200] * AT_ONCE
        assert mine.get("/ui").status_code == 200, "what has ended counts no more"


def test_a_number_that_no_entry_has_is_after_all_of_them(bare: Served) -> None:
    with bare.client("admin@company.com") as client:
        answer = client.get("/audit", params={"before": 10**22, "format": "json"})
    assert answer.status_code == 200
    assert answer.json()["entries"]


def test_the_way_on_is_an_address_in_whatever_script(bare: Served) -> None:
    with bare.client(VIEWER) as client:
        answer = client.get("/login", params={"next": "/identity?who=日本&x=1"}, headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"] == "/identity?who=%E6%97%A5%E6%9C%AC&x=1"


def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_saw(tmp_path: Path, free_port: int) -> None:
    origin = f"http://localhost:{free_port}"
    command = [sys.executable, "-c", "from trailwarden.faces.serve import serve; serve()", "--port", str(free_port)]
    environment = {**os.environ, "TRAILWARDEN_HOME": str(tmp_path)}
    with subprocess.Popen(
        [*command, "--behind-proxy", "--public-url", origin], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == f"The console: {origin}\n"
            forwarded = {"X-Forwarded-For": "198.51.100.7, 192.0.2.33", "Host": f"localhost:{free_port}"}
            with httpx.Client(
                base_url=f"http://127.0.0.1:{free_port}", headers={**forwarded, "Origin": origin}
            ) as client:
                assert sign_in(client, "nobody@company.com").status_code == 401
        finally:
            process.send_signal(signal.SIGTERM)
        process.wait(20)
    with App.open(tmp_path) as app:
        [failed] = [each for each in app.state.audit.entries() if each.kind == "login.failed"]
    assert json.loads(failed.body)["address"] == "192.0.2.33"
