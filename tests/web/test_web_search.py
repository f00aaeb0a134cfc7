"""Search: filters as addresses, facets, the histogram, a table of any length, records, exports."""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect
from web_kit import EVERYTHING, Served, Watch, violations

from trailwarden.faces.web.pages.search import _Question
from trailwarden.lake.paging import Position, cursor_at
from trailwarden.model.event import EventFilter, EventQuery
from trailwarden.model.time import Window

#: The other two looks of these pages are taken by test_web_all_pages.
LOOKS = [(1280, "dark"), (390, "light")]
MANY = 100_000


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
@pytest.mark.parametrize(
    "path", ["/search?last=30d", "/search?user=nobody-of-that-name", "/search?ip=185.220.101.1&last=all"]
)
def test_search_is_accessible_and_fits(page: Page, path: str) -> None:
    page.goto(path)
    if "nobody" not in path:
        expect(page.locator(".vt-row").first).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_event_s_own_page_is_accessible(page: Page, console: Served) -> None:
    event = console.app.search(EventFilter(failed=True), limit=1).events[0]
    page.goto(f"/events/{event.event_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(event.name or "")
    assert violations(page) == []


def test_typed_filters_become_chips_and_can_be_dropped(page: Page) -> None:
    page.goto("/search?last=all")
    page.keyboard.press("/")
    page.keyboard.type("185.220.101.1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search\?last=all&ip=185\.220\.101\.1$"))
    page.locator("[data-search]").fill("-event:sts:GetCallerIdentity")
    page.keyboard.press("Enter")
    expect(page.locator(".chip.set")).to_have_count(2)
    page.get_by_role("link", name="Without IP 185.220.101.1").click()
    expect(page.locator(".chip.set")).to_have_count(1)


def test_facets_narrow_and_leave_out(page: Page, console: Served) -> None:
    page.goto("/search?last=all")
    facet = page.locator(".facet", has_text="Address").first
    value = facet.locator(".choice-value").first.inner_text()
    facet.locator("a.choice").first.click()
    expect(page.locator(".chip.set")).to_contain_text(value)
    total = console.app.search(EventFilter(ip=(value,)), limit=1).total
    expect(page.locator(".figure b").first).to_have_text(f"{total:,}")
    page.go_back()
    page.locator(".facet", has_text="Address").first.locator(".choice-out").first.click()
    expect(page.locator(".chip.set")).to_contain_text(f"not IP{value}")


def test_the_histogram_is_brushed_into_a_window(page: Page) -> None:
    page.goto("/search?last=30d")
    over = page.locator(".u-over")
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20, steps=4)
    page.mouse.up()
    page.wait_for_url("**from=*")
    query = parse_qs(urlsplit(page.url).query)
    assert set(query) >= {"from", "to"}
    assert "last" not in query
    assert query["from"][0] < query["to"][0]


def test_a_row_opens_its_record_and_leads_on(page: Page, watch_of: dict[Page, Watch]) -> None:
    page.goto("/search?user=john@company.com&last=all")
    expect(page.locator(".vt-row").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator('.vt-row[aria-selected="true"]')).to_have_attribute("data-at", "1")
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("The record, as CloudTrail wrote it")).to_be_visible()
    assert violations(page) == []
    page.locator(".pivot", has_text="this key").click()
    expect(page).to_have_url(re.compile(r"/search\?access_key=\w+&last=all$"))
    assert watch_of[page].complaints == []


def test_a_table_of_many_rows_keeps_few_in_the_page(page: Page) -> None:
    def rows(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        start = int(query.get("cursor", ["0"])[0])
        end = min(start + 1000, MANY)
        body = {
            "rows": [
                [
                    f"id-{n}",
                    "2026-11-24 03:42:38",
                    f"user-{n}",
                    "iam",
                    "GetUser",
                    "203.0.113.7",
                    "1" * 12,
                    "us-east-1",
                    "",
                    "read",
                ]
                for n in range(start, end)
            ],
            "next": str(end) if end < MANY else None,
            "total": MANY,
        }
        route.fulfill(json=body)

    page.route("**/search/rows*", rows)
    page.goto("/search?last=all")
    view = page.locator(".vt-view")
    expect(page.locator(".vt-row").first).to_be_visible()
    # Down to the end, again and again, as the table grows.
    page.evaluate(
        """async (end) => {
            const view = document.querySelector(".vt-view");
            for (let tries = 0; tries < 2000; tries += 1) {
                view.scrollTop = view.scrollHeight;
                await new Promise(requestAnimationFrame);
                const last = [...document.querySelectorAll(".vt-row")].at(-1);
                if (last && Number(last.dataset.at) === end) return;
            }
        }""",
        MANY - 1,
    )
    expect(view.locator(".vt-row").last).to_contain_text(f"user-{MANY - 1}")
    assert page.locator(".vt-row").count() < 80
    expect(page.locator("[data-loaded]")).to_have_text(f"{MANY:,}")
    page.keyboard.press("k")
    view.press("Home")
    expect(page.locator(".vt-row").first).to_contain_text("user-0")


def test_hostile_rows_are_text(page: Page) -> None:
    hostile = '<img src=x onerror="alert(1)">\u202e\x1b'
    row = ["id", "2026-11-24 03:42:38", hostile, hostile, hostile, hostile, hostile, hostile, hostile, hostile]
    page.route("**/search/rows*", lambda route: route.fulfill(json={"rows": [row], "next": None, "total": 1}))
    page.goto("/search?last=all")
    expect(page.locator(".vt-row")).to_have_count(1)
    assert page.locator(".vt-row img").count() == 0
    shown = page.locator(".vt-row").inner_text()
    assert "\\u202e\\x1b" in shown
    assert "\u202e" not in shown


def test_a_refused_piece_of_the_table_is_said(page: Page, watch_of: dict[Page, Watch]) -> None:
    refused = {"error": "the lake is busy", "kind": "Busy", "remedy": "wait a minute"}
    page.route("**/search/rows*", lambda route: route.fulfill(status=503, json=refused))
    page.goto("/search?last=all")
    expect(page.locator(".vt-more")).to_contain_text("the lake is busy. Remedy: wait a minute")
    page.unroute("**/search/rows*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".vt-row").first).to_be_visible()
    watch_of[page].expect_status(503)


def test_live_tail_puts_new_events_on_top(page: Page) -> None:
    page.goto("/search?last=30d")
    expect(page.locator(".vt-row").first).to_be_visible()
    first = page.locator(".vt-row").first.inner_text()
    new = [
        "new-id",
        "2026-11-24 23:59:59",
        "somebody-new",
        "iam",
        "CreateUser",
        "203.0.113.7",
        "1" * 12,
        "us-east-1",
        "",
        "change",
    ]
    page.route("**/search/rows*live=auto*", lambda route: route.fulfill(json={"rows": [new], "next": None, "total": 1}))
    page.get_by_role("button", name="Live").click()
    expect(page.locator(".vt-row").first).to_contain_text("somebody-new")
    expect(page.locator(".vt-row").nth(1)).to_have_text(re.compile(re.escape(first.split("\n")[0])))
    page.get_by_role("button", name="Live").click()
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "false")


def test_all_filters_are_in_a_form(page: Page) -> None:
    page.goto("/search?last=all&user=john@company.com&user=jane@company.com")
    page.get_by_role("button", name="All filters").click()
    assert violations(page) == []
    page.get_by_label("Region", exact=True).fill("us-east-1")
    page.locator("#filter-failed").select_option("true")
    page.get_by_role("dialog").get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile("user=john.*user=jane.*region=us-east-1.*failed=true"))


def test_pages_and_tables_agree_with_the_command_line(console: Served) -> None:
    where = EventFilter(user=("john@company.com",))
    expected = console.app.search(where, limit=1000)
    with console.client(EVERYTHING) as client:
        query = {"user": "john@company.com", "last": "all"}
        answer = client.get("/search", params={**query, "format": "json"}).json()
        rows = client.get("/search/rows", params={**query, "limit": "10"}).json()
        rest = client.get("/search/rows", params={**query, "limit": "1000", "cursor": rows["next"]}).json()
    assert answer["total"] == expected.total
    assert [each["event_id"] for each in answer["events"]] == [each.event_id for each in expected.events]
    assert [row[0] for row in rows["rows"] + rest["rows"]] == [each.event_id for each in expected.events]


def test_exports_hold_every_event_and_no_formula(console: Served) -> None:
    total = console.app.search(EventFilter(), limit=1).total
    with console.client(EVERYTHING) as client:
        lines = client.get("/search/export", params={"last": "all", "format": "jsonl"})
        sheet = client.get("/search/export", params={"last": "all", "format": "csv"})
    *events, last = map(json.loads, lines.text.splitlines())
    assert len({each["event_id"] for each in events}) == len(events) == total
    assert last["coverage"]["sources"]
    assert lines.headers["trailwarden-coverage"] == sheet.headers["trailwarden-coverage"] == "complete"
    assert sheet.headers["content-disposition"] == 'attachment; filename="events.csv"'
    assert sheet.text.startswith("event_id,time,")


def test_a_page_of_events_says_that_it_is_one_and_leads_to_the_next(console: Served) -> None:
    total = console.app.search(EventFilter(), limit=1).total
    path, found, names = "/search?last=all&format=csv", 0, []
    with console.client(EVERYTHING) as client:
        while path:
            sheet = client.get(path)
            found += len(sheet.text.splitlines()) - 1
            names.append(sheet.headers["content-disposition"].partition("filename=")[2])
            path = sheet.headers.get("link", "").partition("<")[2].partition(">")[0]
    assert found == total > 1000
    assert names == ['"events-partial.csv"'] * (len(names) - 1) + ['"events.csv"']


def test_a_file_with_gaps_says_so(console: Served) -> None:
    query = {"last": "30d", "live": "always", "account": "999999999999"}
    with console.client(EVERYTHING) as client:
        page = client.get("/search", params={**query, "format": "json"}).json()
        lines = client.get("/search", params={**query, "format": "jsonl"})
        sheet = client.get("/search", params={**query, "format": "csv"})
    gaps = page["coverage"]["gaps"]
    assert gaps
    assert json.loads(lines.text.splitlines()[-1])["coverage"]["gaps"] == gaps
    for each in (lines, sheet):
        assert each.headers["trailwarden-coverage"] == f"partial; gaps={len(gaps)}"
        assert "-partial." in each.headers["content-disposition"]


@pytest.mark.parametrize("query", ["failed=maybe", "last=soon", "format=xml", "cursor=nonsense", "order=sideways"])
def test_odd_addresses_are_refused_with_a_remedy(console: Served, query: str) -> None:
    with console.client(EVERYTHING) as client:
        page = client.get(f"/search?{query}")
        assert page.status_code in (400, 422)
        assert "Remedy" in page.text


def test_an_unknown_event_is_said(console: Served) -> None:
    with console.client(EVERYTHING) as client:
        answer = client.get("/events/there-is-none?format=json")
    assert answer.json()["error"].startswith("the lake holds no event")


def test_one_question_is_one_entry_of_the_audit_chain(console: Served) -> None:
    def asked() -> int:
        return sum(1 for entry in console.app.state.audit.entries() if entry.kind == "question")

    before = asked()
    with console.client(EVERYTHING) as client:
        first = client.get("/search", params={"last": "30d"})
        client.get("/search/counts", params={"last": "30d"})
        rows = client.get("/search/rows", params={"last": "30d", "limit": "10"}).json()
        client.get("/search/rows", params={"last": "30d", "limit": "10", "cursor": rows["next"]})
        assert first.status_code == 200
        assert asked() == before + 1
        # What is no piece of that question is one of its own, whichever address it is asked at.
        for number, (path, query) in enumerate(
            (
                ("/search/rows", {"last": "all"}),
                ("/search/counts", {"last": "all", "user": "john@company.com"}),
                ("/search/rows", {"last": "30d", "user": "john@company.com"}),
                ("/search/rows", {"from": "2026-01-01", "to": "2026-01-31", "user": "john@company.com"}),
                ("/search/rows", {"from": "2025-01-01", "to": "2025-01-31", "user": "john@company.com"}),
            ),
            start=2,
        ):
            assert client.get(path, params=query).status_code == 200
            assert asked() == before + number
    with console.client(EVERYTHING) as another:
        another.get("/search/rows", params={"from": "2025-01-01", "to": "2025-01-31", "user": "john@company.com"})
    assert asked() == before + 7


@pytest.mark.parametrize(
    ("passed", "moved", "same"),
    [
        (timedelta(), timedelta(), True),
        (timedelta(minutes=5), timedelta(minutes=5), True),
        (timedelta(seconds=1), timedelta(seconds=2), True),  # noted later than it was read
        (timedelta(seconds=1), timedelta(minutes=5), False),
        (timedelta(minutes=5), timedelta(minutes=-1), False),
        (timedelta(minutes=61), timedelta(minutes=61), False),
    ],
)
def test_a_question_moves_with_the_clock_alone(passed: timedelta, moved: timedelta, same: bool) -> None:
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    asked = _Question(EventFilter(), Window(at - timedelta(days=1), at), at)
    now = Window(at - timedelta(days=1) + moved, at + moved)
    assert asked.holds(EventFilter(), now, at + passed) is same
    assert not asked.holds(EventFilter(failed=True), now, at + passed)
    assert not asked.holds(EventFilter(), None, at + passed)
    assert not asked.holds(EventFilter(), Window(now.start - timedelta(hours=1), now.end), at + passed)


def test_a_made_up_cursor_cannot_hide_which_time_was_read(console: Served) -> None:
    app, end = console.app, console.app.now()
    other = EventQuery(where=EventFilter(), window=Window(end - timedelta(days=20), end - timedelta(days=13)))
    cursor = cursor_at(other, Position(end - timedelta(days=13), ""))

    def questions() -> list[str]:
        return [entry.body for entry in app.state.audit.entries() if entry.kind == "question"]

    with console.client(EVERYTHING) as client:
        client.get("/search", params={"last": "7d"})
        before = questions()
        rows = client.get("/search/rows", params={"last": "7d", "cursor": cursor})
    assert rows.json()["rows"]
    (asked,) = questions()[len(before) :]
    assert (end - timedelta(days=20)).strftime("%Y-%m-%d %H:%M:%S") in asked


def test_events_are_there_before_they_are_counted(page: Page, console: Served) -> None:
    waiting: list[Route] = []
    page.route("**/search/counts*", lambda route: waiting.append(route))  # noqa: PLW0108 - named by the browser's driver
    page.goto("/search?last=30d")
    expect(page.locator(".vt-row").first).to_be_visible()
    expect(page.locator("#overview")).to_have_attribute("aria-busy", "true")
    expect(page.locator("[data-loaded]")).to_have_text("1,000 loaded")
    assert violations(page) == []
    waiting[0].continue_()
    expect(page.locator(".u-over")).to_be_visible()
    total = page.locator(".figure b").first.inner_text()
    expect(page.locator("[data-loaded]")).to_have_text(f"1,000 of {total} loaded")
    expect(page.locator(".facet a.choice").first).to_be_visible()


def test_a_count_that_fails_is_said_and_the_events_stay(page: Page, watch_of: dict[Page, Watch]) -> None:
    page.route("**/search/counts*", lambda route: route.fulfill(status=503, body="", content_type="text/html"))
    page.goto("/search?last=30d")
    expect(page.locator("#overview [role=alert]")).to_contain_text("could not be counted")
    expect(page.locator(".vt-row").first).to_be_visible()
    page.unroute("**/search/counts*")
    page.locator("#overview").get_by_role("button", name="Try again").click()
    expect(page.locator(".u-over")).to_be_visible()
    watch_of[page].expect_status(503)


def test_without_scripts_the_counts_are_a_link_away(console: Served) -> None:
    with console.client(EVERYTHING) as client:
        page = client.get("/search?last=30d").text
        whole = client.get("/search?last=30d&counts=true").text
    assert 'href="/search?last=30d&amp;counts=true"' in page
    assert "data-histogram" not in page
    assert "data-histogram" in whole
    assert 'class="facet"' in whole
