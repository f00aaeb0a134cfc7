"""Every page there is, by its declaration: in light and dark, wide and narrow, for every role; a page that has no
example here fails."""

import gzip
from collections.abc import Mapping

import httpx
import pytest
from decisions_kit import csrf
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, Response, expect
from web_kit import EVERYTHING, PEOPLE, Served, Watch, violations

from trailwarden.access import rights_of
from trailwarden.demo.run import Running
from trailwarden.faces.web.app import collected
from trailwarden.faces.web.oidc import CALLBACK
from trailwarden.faces.web.routes import declared

#: Each width and each scheme once; the tests of an area take the other two looks of its pages.
LOOKS = [(1280, "light"), (390, "dark")]
#: The most that a page loads, in bytes, compressed; where a graph is drawn, its library comes on top.
HEAVIEST = 200 * 1024
_GRAPHS = "vendor/cytoscape.js"

#: An address of every page, by its route; {names} are what the demo organisation has (``facts``).
PAGES: Mapping[str, str] = {
    "/": "/?q=Who+signed+in+without+MFA+in+the+last+24+hours%3F",
    "/alerts": "/alerts?last=30d",
    "/alerts/{composite_id}": "/alerts/{alert}",
    "/audit": "/audit",
    "/audit/verify": "/audit/verify",
    "/auth-model": "/auth-model",
    "/events/{event_id}": "/events/{event}",
    "/identity": "/identity?who=john%40company.com",
    "/pins": "/pins",
    "/proposals": "/proposals?all=true",
    "/proposals/new": "/proposals/new?action=disable_user&user=john",
    "/proposals/{identifier}": "/proposals/{proposal}",
    "/proposals/{identifier}/progress": "/proposals/{proposal}/progress",
    "/reauthenticate": "/reauthenticate?next=/",
    "/roles": "/roles",
    "/roles/can": "/roles/can?principal={principal}&action=iam%3ACreateAccessKey",
    "/roles/changes": "/roles/changes?last=all",
    "/roles/principal": "/roles/principal?arn={principal}",
    "/roles/who-can": "/roles/who-can?action=iam%3ACreateAccessKey",
    "/saved": "/saved",
    "/search": "/search?user=john%40company.com&last=30d",
    "/sessions": "/sessions?last=30d",
    "/sessions/{session:path}": "/sessions/{key}",
    "/settings": "/settings",
    "/settings/account": "/settings/account",
    "/settings/account/totp": "/settings/account/totp",
    "/settings/aws": "/settings/aws",
    "/settings/aws/account": "/settings/aws/account?role={role}",
    "/settings/aws/connect": "/settings/aws/connect?purpose=respond",
    "/settings/aws/doctor": "/settings/aws/doctor?account=111111111111",
    "/settings/crowdstrike": "/settings/crowdstrike",
    "/settings/crowdstrike/test": "/settings/crowdstrike/test",
    "/settings/data": "/settings/data",
    "/settings/people": "/settings/people",
    "/settings/people/{login:path}": "/settings/people/responder@company.com",
    "/settings/rules": "/settings/rules",
    "/settings/tokens": "/settings/tokens",
    "/ui": "/ui",
}
#: What pages fetch behind the scenes, and what is for programs: an address, and the type of the answer.
PARTS: Mapping[str, tuple[str, str]] = {
    "/ask/answer": ("/ask/answer?q=Show+root+activity+this+month", "application/x-ndjson"),
    "/search/counts": ("/search/counts?last=30d", "text/html"),
    "/search/export": ("/search/export?last=30d&format=csv", "text/csv"),
    "/search/rows": ("/search/rows?last=30d&limit=5", "application/json"),
}
#: Pages of those who have not signed in.
DOORS: Mapping[str, str] = {
    "/first-run": "/first-run?token=of-no-use",
    "/login": "/login?next=/search",
    "/set-password": "/set-password?token=of-no-use",
}
#: Steps of a sign-in by a provider, which have tests of their own: here there is none, and they say so.
PROVIDER = ("/login/oidc", CALLBACK, "/reauthenticate/oidc")


def _rights() -> Mapping[str, str]:
    """The right of every GET route of the pages."""
    application = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for pages in collected():
        application.include_router(pages.router)
    return {route.path: route.right for route in declared(application) if route.method == "GET"}


@pytest.fixture(scope="module")
def facts(console: Served, organisation: Running) -> Mapping[str, str]:
    """What the examples name."""
    story = organisation.story
    alert = console.app.correlate_recent(live="never").alerts[0].alert
    asked = {"action": "disable_user", "user": story.iam_user, "account": story.account_id, "reason": "case 4713"}
    with console.client(EVERYTHING) as client:
        filed = client.post("/proposals/new", data={"csrf": csrf(client), **asked})
    assert filed.status_code == 303, filed.text
    proposal = filed.headers["location"].partition("?")[0].rsplit("/", 1)[-1]
    return {
        "alert": alert.composite_id,
        "event": story.key_calls[0],
        "key": story.stolen_key,
        "principal": story.deploy_role_arn,
        "proposal": proposal,
        "role": organisation.scenario.connections[0].role_arn,
    }


def test_every_page_has_an_example() -> None:
    examples = [*PAGES, *PARTS, *DOORS, *PROVIDER]
    assert sorted(examples) == sorted(_rights())


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
@pytest.mark.parametrize("path", PAGES)
def test_pages_are_whole(page: Page, path: str, facts: Mapping[str, str]) -> None:
    _is_whole(page, PAGES[path].format(**facts))


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
@pytest.mark.parametrize("path", DOORS)
def test_doors_are_whole(browser: Browser, console: Served, look: tuple[int, str], path: str) -> None:
    context = browser.new_context(
        base_url=console.origin,
        viewport={"width": look[0], "height": 900},
        color_scheme=look[1],  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    watch = Watch(context)
    _is_whole(context.new_page(), DOORS[path])
    context.close()
    assert watch.complaints == []


@pytest.mark.parametrize("login", PEOPLE)
def test_pages_answer_whoever_has_their_right(console: Served, facts: Mapping[str, str], login: str) -> None:
    rights, held = _rights(), rights_of(PEOPLE[login])
    addresses = {path: address.format(**facts) for path, address in PAGES.items()}
    addresses |= {path: address for path, (address, _) in PARTS.items()}
    with console.client(login) as client:
        answered = {path: client.get(address, follow_redirects=True) for path, address in addresses.items()}
    wrong = [
        (path, answer.status_code)
        for path, answer in answered.items()
        if answer.status_code != (httpx.codes.OK if rights[path] in held else httpx.codes.FORBIDDEN)
    ]
    assert wrong == []


@pytest.mark.parametrize(("address", "kind"), PARTS.values(), ids=PARTS)
def test_parts_are_of_their_type(console: Served, address: str, kind: str) -> None:
    with console.client(EVERYTHING) as client:
        answer = client.get(address)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (httpx.codes.OK, kind)
    assert answer.text


@pytest.mark.parametrize("path", PROVIDER)
def test_without_a_provider_its_steps_say_so(console: Served, path: str) -> None:
    with console.client(EVERYTHING) as client:
        answer = client.get(path)
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert "No OpenID Connect provider is set up" in answer.text


#: Texts in tables that have become cards, a row each, which are pressed into a narrow column of many lines.
_SQUEEZED = """[...document.querySelectorAll(".table.fold td")]
    .filter((cell) => getComputedStyle(cell.parentElement).display === "block")
    .filter((cell) => cell.offsetWidth < 0.5 * cell.parentElement.offsetWidth && cell.offsetHeight > 100)
    .map((cell) => cell.innerText)"""


def _is_whole(page: Page, address: str) -> None:
    """A page that answers, fits, weighs little, loads nothing from elsewhere, and is accessible."""
    loaded: list[Response] = []
    page.on("response", lambda answer: loaded.append(answer))  # noqa: PLW0108 - Playwright marks its handlers
    answer = page.goto(address)
    page.wait_for_load_state("networkidle")
    assert answer is not None
    assert answer.status == httpx.codes.OK
    expect(page.locator("h1").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(_SQUEEZED) == []
    origin = page.evaluate("location.origin")
    assert [each.url for each in loaded if not each.url.startswith(f"{origin}/")] == []
    weights = {each.url: _weight(each) for each in loaded if each.ok and _GRAPHS not in each.url}
    assert sum(weights.values()) < HEAVIEST, weights
    assert violations(page) == []


def _weight(answer: Response) -> int:
    if answer.headers["content-type"].startswith("application/x-ndjson"):
        return answer.request.sizes()["responseBodySize"]  # read as it came, so that the browser has not kept it
    return len(gzip.compress(answer.body()))
