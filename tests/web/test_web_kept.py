"""Saved searches and pinned events: on the server, of one person, shared if they say so, and changed by them alone."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from decisions_kit import csrf
from playwright.sync_api import Browser, Page, Route, expect
from web_kit import EVERYTHING, PASSWORD, PEOPLE, Served, Watch, browser_sign_in, violations

from trailwarden.model.event import Event, EventFilter
from trailwarden.model.kept import LONGEST_NOTE, PinnedEvent
from trailwarden.model.proposal import Actor
from trailwarden.state.tables import board, pin, saved_search

VIEWER, RESPONDER = "viewer@company.com", "responder@company.com"
#: The other two looks of these pages are taken by test_web_all_pages.
LOOKS = [(1280, "dark"), (390, "light")]
EXIT_NODE = {"name": "The exit node", "query": "?ip=185.220.101.1&last=all"}


@pytest.fixture(autouse=True)
def nothing_is_kept(console: Served) -> Iterator[None]:
    """Other tests use the same console."""
    yield
    with console.app.state.write() as database:
        for table in (pin, board, saved_search):
            database.execute(table.delete())


@pytest.fixture
def events(console: Served) -> tuple[Event, ...]:
    """Three calls of one key, oldest first."""
    found = console.app.search(EventFilter(ip=("185.220.101.1",)), limit=50, order="oldest").events
    keys = [each.access_key for each in found if each.access_key is not None]
    key = max(keys, key=keys.count)
    assert keys.count(key) >= 3
    return tuple(each for each in found if each.access_key == key)[:3]


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send fields as a script does."""
    return client.post(path, data={"csrf": csrf(client), **fields}, headers={"Accept": "application/json"})


# ── searches ─────────────────────────────────────────────────────────────


def test_a_search_that_is_saved_in_one_browser_is_in_another(page: Page, browser: Browser, console: Served) -> None:
    page.goto("/search?ip=185.220.101.1&not_event=sts:*&last=all")
    page.locator("summary", has_text="Saved").click()
    expect(page.get_by_label("Save this search as")).to_have_value("185.220.101.1, not sts:*")
    page.get_by_label("Save this search as").fill("The exit node")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".toast")).to_have_text("Saved")
    context = browser.new_context(base_url=console.origin)
    watch, other = Watch(context), context.new_page()
    browser_sign_in(other, console.origin, EVERYTHING)
    other.goto("/search")
    other.locator("summary", has_text="Saved").click()
    assert violations(other) == []
    other.get_by_role("link", name="The exit node").click()
    expect(other).to_have_url(re.compile(r"/search\?ip=185\.220\.101\.1&not_event=sts%3A%2A&last=all$"))
    context.close()
    assert watch.complaints == []


def test_a_save_that_is_refused_is_taken_back_and_said(page: Page, watch_of: dict[Page, Watch]) -> None:
    refused = {"error": "the state database is busy", "kind": "Busy", "remedy": "repeat it"}
    page.route("**/saved", lambda route: route.fulfill(status=503, json=refused))
    page.goto("/search?ip=185.220.101.1&last=all")
    page.locator("summary", has_text="Saved").click()
    page.get_by_label("Save this search as").fill("The exit node")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".toast.bad")).to_have_text("the state database is busy. Remedy: repeat it")
    expect(page.get_by_role("link", name="The exit node")).to_have_count(0)
    expect(page.get_by_label("Save this search as")).to_have_value("The exit node")
    watch_of[page].expect_status(503)


def test_what_is_shared_a_colleague_sees_and_cannot_change(page: Page, console: Served) -> None:
    with console.client(VIEWER) as viewer, console.client(EVERYTHING) as colleague:
        private = post(viewer, "/saved", name="private", query="?ip=203.0.113.9&last=7d").json()
        shared = post(viewer, "/saved", **EXIT_NODE, shared="true").json()
        page.goto("/saved")
        expect(page.get_by_role("link", name="The exit node")).to_be_visible()
        expect(page.get_by_text("private")).to_have_count(0)
        row = page.locator("tr", has_text="The exit node")
        expect(row).to_contain_text(VIEWER)
        expect(row.get_by_role("button")).to_have_count(0)
        for change in ("delete", "share"):
            answer = post(colleague, f"/saved/{shared['id']}/{change}", shared="false")
            assert (answer.status_code, answer.json()["kind"]) == (403, "Forbidden")
            assert VIEWER in answer.json()["error"]
            hidden = post(colleague, f"/saved/{private['id']}/{change}", shared="true")
            assert hidden.status_code == 404
        listed = colleague.get("/saved", params={"format": "json"}).json()["searches"]
        assert [(each["name"], each["by"], each["mine"]) for each in listed] == [("The exit node", VIEWER, False)]
        assert post(viewer, f"/saved/{shared['id']}/share", shared="false").json()["shared"] is False
        assert colleague.get("/saved", params={"format": "json"}).json()["searches"] == []
        assert len(viewer.get("/saved", params={"format": "json"}).json()["searches"]) == 2


def test_searches_are_shared_and_deleted_on_their_page(page: Page, console: Served) -> None:
    with console.client(EVERYTHING) as client:
        post(client, "/saved", **EXIT_NODE)
    page.goto("/saved")
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.locator(".badge", has_text="shared")).to_be_visible()
    page.get_by_role("button", name="Stop sharing").click()
    expect(page.locator(".badge", has_text="shared")).to_have_count(0)
    page.get_by_role("button", name="Delete The exit node").click()
    expect(page.get_by_role("heading", name="No search is saved")).to_be_visible()


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?ip=203.0.113.7&last=24h", "ip=203.0.113.7&last=24h"),
        ("/search?last=24h&ip=203.0.113.7&cursor=x&order=oldest&bogus=1", "ip=203.0.113.7&last=24h"),
        ("", "last=24h"),
        ("user=a%26b&user=c&from=2026-11-01&to=2026-11-02", "user=a%26b&user=c&from=2026-11-01&to=2026-11-02"),
    ],
)
def test_a_search_is_kept_in_one_spelling(console: Served, query: str, kept: str) -> None:
    with console.client(VIEWER) as client:
        assert post(client, "/saved", name="one", query=query).json()["query"] == kept


# ── pins ─────────────────────────────────────────────────────────────────


def test_a_pin_is_set_in_a_record_and_taken_off_again(page: Page, console: Served, events: tuple[Event, ...]) -> None:
    page.goto("/search?ip=185.220.101.1&last=all&order=oldest")
    page.locator(".vt-row").first.click()
    drawer = page.get_by_role("dialog")
    button = drawer.get_by_role("button", name="Pin", exact=True)
    button.click()
    expect(drawer.get_by_role("link", name="Pinned", exact=True)).to_be_visible()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-pin-count]")).to_have_text("1")
    assert violations(page) == []
    page.reload()
    expect(page.locator("[data-pin-count]")).to_have_text("1")
    page.locator(".vt-row").first.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(drawer.locator("[data-boards] a")).to_have_count(0)
    expect(page.locator("[data-pin-count]")).to_have_text("")
    page.goto("/pins")
    expect(page.get_by_role("heading", name="Nothing is pinned")).to_be_visible()


def test_a_pin_that_is_refused_is_taken_back_and_said(
    page: Page, events: tuple[Event, ...], watch_of: dict[Page, Watch]
) -> None:
    refused = {"error": "you keep 2,000 pins, which is the most", "kind": "UsageError", "remedy": "take some off"}
    page.route("**/pins", lambda route: route.fulfill(status=400, json=refused))
    page.goto(f"/events/{events[0].event_id}")
    button = page.get_by_role("button", name="Pin", exact=True)
    button.click()
    expect(page.locator(".toast.bad")).to_contain_text("which is the most. Remedy: take some off")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[data-boards] a")).to_have_count(0)
    watch_of[page].expect_status(400)


def test_a_pin_with_a_note_stands_on_its_board(page: Page, events: tuple[Event, ...]) -> None:
    page.goto(f"/events/{events[1].event_id}")
    page.get_by_text("Pin with a note").click()
    page.get_by_label("Board").fill("Case 4713")
    page.get_by_label("Note").fill("First use of the key.\nAsk John.")
    page.get_by_role("button", name="Pin it there").click()
    expect(page.locator("[data-boards] .note")).to_have_text("First use of the key.\nAsk John.", use_inner_text=True)
    page.get_by_role("link", name="Case 4713").click()
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(events[1].name or "")
    expect(row).to_contain_text("185.220.101.1")
    expect(row.locator(".note")).to_have_text("First use of the key.\nAsk John.", use_inner_text=True)
    row.get_by_text("Change the note").click()
    row.get_by_role("textbox").fill("It was not John.")
    row.get_by_role("button", name="Save the note").click()
    expect(page.locator("tbody .note")).to_have_text("It was not John.")
    page.locator("tbody a[data-record]").click()
    expect(page.get_by_role("dialog").get_by_text("The record, as CloudTrail wrote it")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("tbody .sure summary").click()
    page.get_by_role("button", name="Unpin, with its note").click()
    expect(page.get_by_role("heading", name="Nothing is pinned")).to_be_visible()


def test_a_board_leads_to_the_search_that_contains_all_its_pins(console: Served, events: tuple[Event, ...]) -> None:
    with console.client(VIEWER) as client:
        for each in events:
            assert post(client, "/pins", event_id=each.event_id).status_code == 200
        pinned = client.get("/pins", params={"format": "json"}).json()
        assert [each["event_id"] for each in pinned["pins"]] == [each.event_id for each in events]
        assert [each["what"] for each in pinned["pins"]] == [
            f"{(each.source or '').removesuffix('.amazonaws.com')}:{each.name}" for each in events
        ]
        assert [each["access_key"] for each in pinned["pins"]] == [each.access_key for each in events]
        query = parse_qs(urlsplit(pinned["search"]).query)
        assert query["access_key"] == [events[0].access_key]
        found = client.get(pinned["search"], params={**query, "format": "json"}).json()["events"]
        assert {each.event_id for each in events} <= {each["event_id"] for each in found}


def test_a_shared_board_is_read_and_not_changed(page: Page, console: Served, events: tuple[Event, ...]) -> None:
    with console.client(RESPONDER) as owner, console.client(EVERYTHING) as colleague:
        made = post(owner, "/pins", event_id=events[0].event_id, board="Case 4713", note="why").json()
        address = f"/pins?board={made['board_id']}"
        assert colleague.get(address).status_code == 404
        assert post(owner, f"/boards/{made['board_id']}/share", shared="true").json()["shared"] is True
        page.goto("/pins")
        page.get_by_role("link", name="Case 4713").click()
        expect(page.locator("tbody tr")).to_contain_text("why")
        expect(page.locator("section").get_by_role("button")).to_have_count(0)
        for path, fields in (
            (f"/pins/{made['id']}/delete", {}),
            (f"/pins/{made['id']}/note", {"note": "mine"}),
            (f"/boards/{made['board_id']}/share", {"shared": "false"}),
        ):
            answer = post(colleague, path, **fields)
            assert (path, answer.status_code) == (path, 403)
        assert [each["note"] for each in colleague.get(f"{address}&format=json").json()["pins"]] == ["why"]


def test_exports_hold_the_whole_board_and_no_formula(console: Served, events: tuple[Event, ...]) -> None:
    with console.client(VIEWER) as client:
        for each in events:
            post(client, "/pins", event_id=each.event_id, note="=HYPERLINK(1)")
        sheet = client.get("/pins", params={"format": "csv"})
        lines = client.get("/pins", params={"format": "jsonl"})
        post(client, "/saved", **EXIT_NODE)
        searches = client.get("/saved", params={"format": "csv"})
    assert sheet.headers["content-disposition"] == 'attachment; filename="pins.csv"'
    assert sheet.text.startswith("id,time,who,what,note,")
    assert sheet.text.count("'=HYPERLINK(1)") == len(events)
    assert [json.loads(line)["event_id"] for line in lines.text.splitlines()] == [each.event_id for each in events]
    assert searches.text.splitlines()[1].split(",")[1:3] == ["The exit node", "ip=185.220.101.1&last=all"]


def test_a_long_board_has_pages_and_its_export_has_all(console: Served) -> None:
    app, viewer = console.app, console.app.state.people.get(VIEWER)
    made = app.state.kept.pin(viewer, _event(0), by=_by(VIEWER), now=app.now())
    rows = [
        {"id": f"{n}", "board_id": made.board_id, "event_id": f"id-{n}", "note": "", "added": app.now()}
        | {"time": app.now(), "who": "john", "what": "iam:GetUser"}
        for n in range(1, 250)
    ]
    with app.state.write() as database:
        database.execute(pin.insert(), rows)
    with console.client(VIEWER) as client:
        first = client.get("/pins")
        assert (first.text.count("<tr data-row"), "100 of 250" in first.text) == (100, True)
        last = client.get("/pins", params={"cursor": 200})
        assert (last.text.count("<tr data-row"), "Next" in last.text) == (50, False)
        assert len(client.get("/pins", params={"format": "json"}).json()["pins"]) == 250


# ── both ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
@pytest.mark.parametrize("path", ["/saved", "/pins"])
def test_pages_with_much_text_are_accessible_and_fit(
    page: Page, console: Served, events: tuple[Event, ...], path: str
) -> None:
    with console.client(EVERYTHING) as client:
        post(client, "/saved", name="W" * 80, query="?last=all&user=" + "x" * 300, shared="true")
        post(client, "/pins", event_id=events[0].event_id, board="W" * 80, note="W" * LONGEST_NOTE)
    page.goto(path)
    expect(page.locator("tbody tr")).to_have_count(1)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_works_without_scripts(browser: Browser, console: Served, events: tuple[Event, ...]) -> None:
    context = browser.new_context(base_url=console.origin, java_script_enabled=False)
    page = context.new_page()
    page.goto("/login")
    page.fill("#login", VIEWER)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.goto("/search?ip=185.220.101.1&last=all")
    page.locator("summary", has_text="Saved").click()
    page.get_by_label("Save this search as").fill("The exit node")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(r"/search\?ip=185\.220\.101\.1&last=all$"))
    page.goto("/saved")
    expect(page.get_by_role("link", name="The exit node")).to_be_visible()
    page.goto(f"/events/{events[0].event_id}")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page).to_have_url(re.compile(r"/pins\?board="))
    page.get_by_role("button", name="Unpin").click()
    expect(page.get_by_role("heading", name="Nothing is pinned")).to_be_visible()
    context.close()


def test_text_of_people_is_text(page: Page, console: Served, events: tuple[Event, ...]) -> None:
    hostile = "<img src=x onerror=alert(1)>{{ 7*7 }}\"'"
    with console.client(VIEWER) as client:
        post(client, "/saved", name=hostile, query="?text=" + hostile, shared="true")
        made = post(client, "/pins", event_id=events[0].event_id, board=hostile, note=hostile).json()
        post(client, f"/boards/{made['board_id']}/share", shared="true")
    for path in ("/saved", "/pins", "/search?last=1h"):
        page.goto(path)
        if path.startswith("/search"):
            page.locator("summary", has_text="Saved").click()
        expect(page.get_by_text("<img src=x onerror=alert(1)>{{ 7*7 }}").first).to_be_visible()
        assert page.locator("main img").count() == 0


@pytest.mark.parametrize("login", PEOPLE)
def test_every_role_keeps_its_own(console: Served, events: tuple[Event, ...], login: str) -> None:
    with console.client(login) as client:
        claims = {"person_id": "0" * 16, "by": "somebody@else.com", "login": "somebody@else.com"}
        saved = post(client, "/saved", **EXIT_NODE, **claims).json()
        pinned = post(client, "/pins", event_id=events[0].event_id, **claims).json()
        assert saved["by"] == pinned["by"] == login
        assert post(client, f"/pins/{pinned['id']}/note", note="mine").json()["note"] == "mine"
        assert post(client, f"/pins/{pinned['id']}/note", note="").json()["note"] == ""
        assert post(client, f"/pins/{pinned['id']}/delete").status_code == 200
        assert post(client, f"/saved/{saved['id']}/delete").status_code == 200
        assert post(client, f"/saved/{saved['id']}/delete").status_code == 404
    kinds = ["search.saved", "pin.added", "pin.noted", "pin.noted", "pin.removed", "search.deleted"]
    told = [each for each in console.app.state.audit.entries() if each.kind in kinds]
    assert [each.kind for each in told[-6:]] == kinds
    assert {json.loads(each.actor)["name"] for each in told[-6:]} == {login}


def test_nothing_is_kept_by_a_get_or_without_the_token(console: Served, events: tuple[Event, ...]) -> None:
    with console.client(VIEWER) as client:
        saved = post(client, "/saved", **EXIT_NODE).json()
        pinned = post(client, "/pins", event_id=events[0].event_id).json()
        before = [client.get(path, params={"format": "json"}).text for path in ("/saved", "/pins")]
        for path in (
            f"/saved/{saved['id']}/delete",
            f"/saved/{saved['id']}/share",
            f"/pins/{pinned['id']}/delete",
            f"/pins/{pinned['id']}/note",
            f"/boards/{pinned['board_id']}/share",
        ):
            assert client.get(path, params={"shared": "true", "note": "x"}).status_code in (404, 405)
            assert client.post(path, data={"shared": "true", "note": "x"}).status_code == 403
        assert client.post("/saved", data={"name": "two", "query": ""}).status_code == 403
        assert client.post("/pins", data={"event_id": events[1].event_id}).status_code == 403
        assert [client.get(path, params={"format": "json"}).text for path in ("/saved", "/pins")] == before


@pytest.mark.parametrize(
    ("path", "fields", "status", "said"),
    [
        ("/saved", {"name": "", "query": "last=7d"}, 400, "not usable as a search's name"),
        ("/saved", {"name": "n" * 81, "query": "last=7d"}, 400, "not usable as a search's name"),
        ("/saved", {"name": "odd", "query": "failed=maybe"}, 400, "failed=maybe"),
        ("/saved", {"name": "odd", "query": "last=soon"}, 400, "soon"),
        ("/saved", {"name": "long", "query": "text=" + "x" * 4_001}, 400, "too long to be saved"),
        ("/saved", {}, 400, "not usable as a search's name"),
        ("/saved", {"name": "odd", "shared": "perhaps"}, 422, "shared"),
        ("/pins", {"event_id": "there-is-none"}, 404, "holds no event"),
        ("/pins", {}, 422, "event_id"),
        ("/pins/0000/note", {"note": "x"}, 404, "there is no pin"),
        ("/boards/0000/share", {"shared": "true"}, 404, "there is no board"),
    ],
)
def test_what_cannot_be_kept_is_said_with_a_remedy(
    console: Served, path: str, fields: dict[str, str], status: int, said: str
) -> None:
    with console.client(VIEWER) as client:
        answer = post(client, path, **fields)
        shown = client.post(path, data={"csrf": csrf(client), **fields})
    assert (answer.status_code, shown.status_code) == (status, status)
    assert said in answer.json()["error"]
    assert answer.json()["remedy"]
    assert "Remedy" in shown.text


@pytest.mark.parametrize("note", ["n" * (LONGEST_NOTE + 1), "right\u202eleft"], ids=["long", "direction"])
def test_a_note_that_cannot_be_kept_is_refused(console: Served, events: tuple[Event, ...], note: str) -> None:
    with console.client(VIEWER) as client:
        assert post(client, "/pins", event_id=events[0].event_id, note=note).status_code == 400
        assert client.get("/pins", params={"format": "json"}).json()["pins"] == []


def test_what_somebody_shared_who_was_removed_an_admin_takes_away(
    page: Page, console: Served, events: tuple[Event, ...]
) -> None:
    app, by = console.app, _by("setup")
    app.state.people.add("leaver@company.com", roles=("viewer",), by=by, now=app.now())
    app.state.people.set_password("leaver@company.com", PASSWORD, by=by, now=app.now())
    with console.client("leaver@company.com") as client:
        post(client, "/saved", **EXIT_NODE, shared="true")
        made = post(client, "/pins", event_id=events[0].event_id).json()
        post(client, f"/boards/{made['board_id']}/share", shared="true")
    app.state.people.remove("leaver@company.com", by=by, now=app.now())
    with console.client(VIEWER) as viewer:
        assert viewer.get("/saved").text.count("/delete") == 0
        assert post(viewer, f"/pins/{made['id']}/delete").status_code == 403
    page.goto("/saved")
    expect(page.locator("tbody")).to_contain_text("leaver@company.com")
    page.get_by_role("button", name="Delete The exit node").click()
    expect(page.get_by_role("heading", name="No search is saved")).to_be_visible()
    page.goto("/pins")
    page.get_by_role("button", name="Unpin").click()
    expect(page.get_by_role("heading", name="Nothing is pinned")).to_be_visible()


# ── what a browser kept before ───────────────────────────────────────────


def _remember(page: Page, searches: object, pins: object) -> None:
    page.goto("/ui")
    page.evaluate(
        "([searches, pins]) => { localStorage.setItem('saved-searches', JSON.stringify(searches));"
        " localStorage.setItem('pinned-events', JSON.stringify(pins)); }",
        [searches, pins],
    )


def _left(page: Page) -> list[str]:
    found: list[str] = page.evaluate("Object.keys(localStorage).filter((name) => name !== 'theme')")
    return found


def test_what_the_browser_kept_before_is_taken_over_once(page: Page, events: tuple[Event, ...]) -> None:
    old = [{"id": each.event_id, "what": each.name, "when": "then"} for each in events[:2]]
    _remember(page, [EXIT_NODE], old)
    page.goto("/search?last=1h")
    page.get_by_role("button", name="Keep these 3 on the server").click()
    expect(page.locator("[data-pin-count]")).to_have_text("2")
    assert _left(page) == []
    expect(page.locator("[data-take]")).to_be_hidden()
    page.goto("/saved")
    expect(page.get_by_role("link", name="The exit node")).to_be_visible()
    expect(page.locator("[data-take]")).to_be_hidden()


def test_what_cannot_be_taken_over_is_named(page: Page, events: tuple[Event, ...], watch_of: dict[Page, Watch]) -> None:
    _remember(page, [EXIT_NODE], [{"id": "of-another-lake", "what": "iam:GetUser", "when": "then"}])
    page.goto("/pins")
    page.get_by_role("button", name="Keep these 2 on the server").click()
    taken = page.locator("[data-take]")
    expect(taken).to_contain_text("1 kept on the server, 1 not:")
    expect(taken).to_contain_text("iam:GetUser: the lake holds no event")
    assert violations(page) == []
    assert _left(page) == []
    watch_of[page].expect_status(404)


def test_what_could_not_be_sent_at_all_stays(page: Page, watch_of: dict[Page, Watch]) -> None:
    _remember(page, [EXIT_NODE], "not a list")

    def refuse(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=503, json={"error": "busy", "kind": "Busy", "remedy": "repeat it"})
        else:
            route.continue_()

    page.route("**/saved", refuse)
    page.goto("/saved")
    page.get_by_role("button", name="Keep it on the server").click()
    expect(page.locator("[data-take]")).to_contain_text("The exit node: busy. Remedy: repeat it")
    assert sorted(_left(page)) == ["pinned-events", "saved-searches"]
    page.get_by_role("button", name="Delete them").click()
    assert _left(page) == []
    watch_of[page].expect_status(503)


def _by(name: str) -> Actor:
    return Actor(kind="person", name=name, via="console")


def _event(number: int) -> PinnedEvent:
    when = datetime(2026, 11, 1, tzinfo=UTC)
    return PinnedEvent(event_id=f"id-{number}", time=when, who="john", what="iam:GetUser")
