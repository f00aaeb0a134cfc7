"""The console over HTTP on 127.0.0.1, people with every role, and browser pages that notice whatever goes wrong."""

import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright

from trailwarden.access import ROLES
from trailwarden.app import App
from trailwarden.faces.serve import Listening, application
from trailwarden.model.proposal import Actor

PASSWORD = "correct horse battery staple"
#: One person with everything, and one for each role.
PEOPLE: Mapping[str, tuple[str, ...]] = {
    "everything@company.com": ("responder", "approver", "admin"),
    **{f"{role}@company.com": (role,) for role in ROLES},
}
EVERYTHING = "everything@company.com"
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Served(msgspec.Struct, frozen=True):
    """A console that is being served."""

    app: App
    asgi: FastAPI
    origin: str

    @contextmanager
    def client(self, login: str | None = None) -> Iterator[httpx.Client]:
        """A client without a browser; signed in if ``login`` says as whom."""
        with httpx.Client(base_url=self.origin, headers={"Origin": self.origin}, timeout=60) as client:
            if login is not None:
                sign_in(client, login)
            yield client


def add_people(app: App) -> None:
    """Make PEOPLE, all with PASSWORD."""
    by = Actor(kind="person", name="setup", via="command_line")
    for login, roles in PEOPLE.items():
        app.state.people.add(login, name=login.partition("@")[0].title(), roles=roles, by=by, now=app.now())
        app.state.people.set_password(login, PASSWORD, by=by, now=app.now())


@contextmanager
def serving(app: App, *, name: str = "127.0.0.1") -> Iterator[Served]:
    """The console over ``app`` on a free port, under a name of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        origin = f"http://{name}:{port}"
        asgi = application(app, Listening(host="127.0.0.1", port=port, origins=(origin,), behind_proxy=False))
        server = uvicorn.Server(uvicorn.Config(asgi, log_level="warning", access_log=False))
        accepting = threading.Event()

        async def started(sockets: list[socket.socket] | None = None) -> None:
            await uvicorn.Server.startup(server, sockets=sockets)
            accepting.set()

        server.startup = started  # type: ignore[method-assign]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert accepting.wait(30), "the console did not start"
        try:
            yield Served(app, asgi, origin)
        finally:
            server.should_exit = True
            thread.join(30)


def sign_in(client: httpx.Client, login: str, password: str = PASSWORD) -> httpx.Response:
    """Post the form of the login page, as a browser does."""
    client.get("/login")
    return client.post("/login", data={"login": login, "password": password, "csrf": form_token(client)})


def form_token(client: httpx.Client) -> str:
    """The token of forms before login."""
    return client.cookies["trailwarden_form"]


def chromium(playwright: Playwright) -> Browser:
    """An installed Chromium, else Playwright's own; a test without one fails, and says what to do."""
    found = next((path for name in _CHROMIUM if (path := shutil.which(name))), None)
    if found is None and Path(playwright.chromium.executable_path).exists():
        found = playwright.chromium.executable_path
    if found is None:
        pytest.fail(
            "no Chromium for the browser tests. Remedy: apt-get install chromium, or playwright install chromium"
        )
    return playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])


class Watch:
    """What a browser context complained of: errors of scripts, refused by the policy, resources that failed."""

    def __init__(self, context: BrowserContext) -> None:
        self.complaints: list[str] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(f"script: {error.error}"))
        context.on("requestfailed", lambda request: self._failed(request.url, request.failure or ""))

    def expect_status(self, status: int) -> None:
        """Forgive that a page answered with a status that the test asked for."""
        said = (f"status of {status}", f"Error Code {status}")  # the browser's words, and htmx's
        self.complaints = [each for each in self.complaints if not any(words in each for words in said)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _failed(self, url: str, failure: str) -> None:
        # Leaving a page ends what it was still loading.
        if "ERR_ABORTED" not in failure:
            self.complaints.append(f"request: {url}: {failure}")


def browser_sign_in(page: Page, origin: str, login: str) -> None:
    """Sign in by the form."""
    page.goto(f"{origin}/login")
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector("nav.nav")


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page, by WCAG 2.2 A and AA; axe comes from npm, and is not shipped."""
    axe = Path(__file__).resolve().parents[2] / "web/node_modules/axe-core/axe.min.js"
    assert axe.exists(), "axe-core is not installed. Remedy: make assets"
    # Evaluated by the debugger: the page's policy allows no script of others, and stays as it is.
    page.evaluate(axe.read_text(encoding="utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("tags => axe.run({runOnly: {type: 'tag', values: tags}})", tags)
    return [f"{each['id']}: {each['nodes'][0]['html'][:160]} ({len(each['nodes'])})" for each in found["violations"]]
