import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from web_kit import EVERYTHING, Served, Watch, add_people, browser_sign_in, chromium, serving

from trailwarden.app import App
from trailwarden.demo.run import Running, connect_and_ingest, running


@pytest.fixture(scope="session")
def organisation() -> Iterator[Running]:
    """The demo organisation, connected, with its archive in the lake, and people of every role."""
    with running(records=2_000, seed=7) as up:
        with App.open(up.home) as app:
            connect_and_ingest(up, app)
            add_people(app)
        yield up


@pytest.fixture(scope="session")
def console(organisation: Running) -> Iterator[Served]:
    """The console over the demo organisation."""
    with App.open(organisation.home) as app, serving(app) as served:
        yield served


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    with sync_playwright() as playwright:
        started = chromium(playwright)
        yield started
        started.close()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, console: Served) -> object:
    """Cookies of somebody with every role, who has signed in lately enough to decide."""
    context = browser.new_context()
    browser_sign_in(context.new_page(), console.origin, EVERYTHING)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.fixture
def watch_of() -> dict[Page, Watch]:
    """What each page complained of."""
    return {}


@pytest.fixture
def page(
    browser: Browser, console: Served, signed_in: object, watch_of: dict[Page, Watch], request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A page of somebody with every role, 1280 wide and light unless parametrised with ``(width, scheme)``.

    The test fails if the browser complained: an error, a violation of the policy, a resource that failed.
    """
    width, scheme = getattr(request, "param", (1280, "light"))
    context = browser.new_context(
        base_url=console.origin,
        storage_state=signed_in,  # type: ignore[arg-type]
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    watch = Watch(context)
    opened = context.new_page()
    watch_of[opened] = watch
    yield opened
    context.close()
    assert watch.complaints == []
