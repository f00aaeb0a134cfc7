"""What every page has: its frame, keys, states, accessibility, and that no policy is broken."""

import gzip

import pytest
from playwright.sync_api import Page, expect
from web_kit import Served, Watch, violations

#: The other two looks of these pages are taken by test_web_all_pages.
LOOKS = [(1280, "dark"), (390, "light")]


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
@pytest.mark.parametrize("path", ["/ui", "/reauthenticate"])
def test_pages_are_accessible_and_fit(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.locator("h1").first).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_keys_open_help_palette_and_go(page: Page) -> None:
    page.goto("/ui")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Go to")
    field.fill("AKIAIOSFODNN7EXAMPLE")
    expect(page.get_by_role("listbox").get_by_role("option").first).to_contain_text("Everything this key did")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("j")
    expect(page.locator("[data-row]").first).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("[data-row]").first).to_be_focused()


def test_theme_is_kept(page: Page) -> None:
    page.goto("/ui")
    page.get_by_role("button", name="Light or dark").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_navigation_opens_on_a_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/ui")
    expect(page.get_by_role("link", name="Roles")).not_to_be_visible()
    page.get_by_role("button", name="Navigation").click()
    expect(page.get_by_role("link", name="Roles")).to_be_visible()
    assert violations(page) == []


def test_dialogs_and_drawers_open_and_close(page: Page) -> None:
    page.goto("/ui")
    for words in ("Dialog", "Drawer"):
        page.get_by_role("button", name=words, exact=True).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_errors_say_the_remedy(page: Page, watch_of: dict[Page, Watch]) -> None:
    page.goto("/nowhere")
    expect(page.get_by_role("alert")).to_contain_text("Remedy")
    assert violations(page) == []
    watch_of[page].expect_status(404)


def test_hostile_text_is_shown_and_does_nothing(page: Page) -> None:
    page.goto("/ui")
    assert "\u202e" not in page.content()
    expect(page.get_by_text("\\u202edirection").first).to_be_visible()


def test_static_files_are_kept_for_good_and_compressed(console: Served) -> None:
    with console.client() as client:
        login = client.get("/login")
        path = login.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        style = client.get(path)
        assert style.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert style.headers["content-encoding"] == "gzip"
        assert client.get("/static/000000000000/css/app.css").headers["cache-control"] == "no-cache"
        assert client.get("/static/000000000000/..%2fapp.py").status_code == 404


@pytest.mark.parametrize("path", ["/", "/search?last=30d", "/ui"])
def test_pages_weigh_little(page: Page, console: Served, path: str) -> None:
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(gzip.compress(answer.body()))))
    page.goto(path)
    page.wait_for_load_state("networkidle")
    assert len(sizes) > 5
    assert sum(sizes) < 200 * 1024, sum(sizes)


def test_nothing_comes_from_elsewhere(page: Page, console: Served) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/", "/search?last=30d", "/ui"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
    assert {url for url in asked if not url.startswith(console.origin + "/")} == set()
    assert not [url for url in asked if "cytoscape" in url]


def test_graphs_are_drawn_within_the_policy(page: Page) -> None:
    page.goto("/ui")
    drawn = page.evaluate(
        """async () => {
            const own = document.querySelector('script[src$="js/app.js"]').src;
            const { draw } = await import(own.replace("app.js", "graph.js"));
            const place = document.createElement("div");
            place.className = "graph";
            document.querySelector("main").append(place);
            const nodes = [{ id: "a", label: "john\\u202e" }, { id: "b", label: "AdminRole", kind: "bad" }];
            const shown = draw(place, { nodes, edges: [{ source: "a", target: "b", label: "AssumeRole" }] });
            document.querySelector("[data-theme-switch]").click();
            return [shown.nodes().map((node) => node.data("label")), place.querySelectorAll("canvas").length > 0];
        }"""
    )
    assert drawn == [["john\\u202e", "AdminRole"], True]
