"""Ask: every example and follow-up is understood, sentences lead to their evidence, nothing is done by an address."""

import json
import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec
import pytest
from playwright.sync_api import Page, expect
from web_kit import EVERYTHING, Served, Watch, violations

from trailwarden.faces.output import View, encode
from trailwarden.faces.web.answers import COLUMNS, FOLLOW_UPS, chips, listings, sentences, whole
from trailwarden.faces.web.pages.ask import EXAMPLES
from trailwarden.faces.web.shown import Shown
from trailwarden.model.finding import Coverage
from trailwarden.model.time import Window
from trailwarden.tools.ask import Answered, Understood

JOHN = "Show me all API calls by john@company.com in the last 24 hours"
#: The other two looks of these pages are taken by test_web_all_pages.
LOOKS = [(1280, "dark"), (390, "light")]


@pytest.mark.parametrize("question", [each for _, _, questions in EXAMPLES for each in questions])
def test_examples_are_understood(console: Served, question: str) -> None:
    answer: Answered = console.app.ask(question, new=True)
    assert answer.summary


@pytest.mark.parametrize(
    ("first", "tool"),
    [(JOHN, "search"), ("Which sessions belong to john@company.com?", "identity")],
    ids=["search", "identity"],
)
def test_follow_ups_are_understood(console: Served, first: str, tool: str) -> None:
    for follow_up in FOLLOW_UPS[tool]:
        asked: Answered = console.app.ask(first, new=True)
        assert asked.interpretation.tool == tool
        assert console.app.ask(follow_up).summary


def test_every_sentence_leads_to_its_evidence(console: Served) -> None:
    answer: Answered = console.app.ask(JOHN, new=True)
    told = sentences(answer)
    assert "".join(piece.text for piece in told[0].pieces).startswith("john@company.com made ")
    assert all(sentence.evidence for sentence in told)
    hrefs = {piece.text: piece.href for sentence in told for piece in sentence.pieces if piece.href}
    assert "ip=185.220.101.1" in hrefs["185.220.101.1"]
    assert "user=john%40company.com" in hrefs["185.220.101.1"]
    failed = next(each for each in told if any("failed" in piece.text for piece in each.pieces))
    assert "failed=true" in failed.evidence
    with console.client(EVERYTHING) as client:
        counted = client.get(failed.evidence, params=None).status_code
        page = client.get(failed.evidence + "&format=json").json()
    assert (counted, page["total"]) == (200, answer.result.failed)


def test_the_query_is_shown_as_chips_that_can_be_left_out(console: Served) -> None:
    answer: Answered = console.app.ask(JOHN, new=True)
    shown = chips(answer, Shown(View(zone=UTC, now=console.app.now())))
    assert (shown[0].key, shown[0].value) == ("user", "john@company.com")
    assert "user=" not in shown[0].without
    assert "user=john" in shown[1].without
    assert "last=all" in shown[1].without


@pytest.mark.parametrize(("kind", "columns", "leads"), COLUMNS, ids=lambda each: getattr(each, "__name__", ""))
def test_columns_are_fields(kind: type[msgspec.Struct], columns: tuple[str, ...], leads: str) -> None:
    for path in (*columns, leads):
        found: object = kind
        for name in path.split("."):
            fields = {field.name: field.type for field in msgspec.structs.fields(found)}  # type: ignore[arg-type]
            assert name in fields, path
            found = fields[name]


def test_lists_of_an_answer_become_tables(console: Served) -> None:
    answer: Answered = console.app.ask("Which sessions belong to john@company.com?", new=True)
    table = listings(answer.result, Shown(View(zone=UTC, now=console.app.now())))[0]
    assert (table.title, table.total) == ("Sessions", answer.result.total)
    assert table.rows[0][0].href == f"/sessions/{answer.result.sessions[0].session_id}"


@pytest.mark.parametrize(
    ("question", "path", "same"),
    [
        ("Can role AdminRole create access keys?", "/roles/can", "permissions"),
        ("What can role AdminRole do on arn:aws:s3:::reports?", "/roles/can", "permissions"),
        ("Who can create access keys in account 222222222222?", "/roles/who-can", "principals"),
    ],
    ids=["can", "on", "who can"],
)
def test_answers_about_rights_lead_to_their_pages(console: Served, question: str, path: str, same: str) -> None:
    answer: Answered = console.app.ask(question, new=True)
    href, _ = whole(answer)
    assert href.partition("?")[0] == path
    with console.client(EVERYTHING) as client:
        page = client.get(f"{href}&format=json").json()
    assert page[same] == json.loads(encode(answer.result))[same]


def test_an_answer_about_changes_leads_to_the_same_span() -> None:
    window = Window(start=datetime(2026, 11, 1, tzinfo=UTC), end=datetime(2026, 11, 8, tzinfo=UTC))
    arguments = {"account": ("222222222222",), "window": window}
    asked = Understood(tool="iam_changes", arguments=arguments, words="", command="")
    answer = Answered(
        question="", interpretation=asked, summary="", findings=(), notices=(), result=None, coverage=Coverage()
    )
    path, _, query = whole(answer)[0].partition("?")
    assert path == "/roles/changes"
    assert dict(parse_qsl(query)) == {
        "account": "222222222222", "from": "2026-11-01T00:00:00Z", "to": "2026-11-08T00:00:00Z",
    }  # fmt: skip


def test_the_keys_that_lead_on_are_all_in_the_help(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("m Auth model")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page).to_have_url(re.compile("/auth-model$"))


def test_answers_as_data_are_the_command_line_s(console: Served) -> None:
    with console.client(EVERYTHING) as client:
        answer = client.get("/", params={"q": JOHN, "format": "json"}).json()
    assert answer["interpretation"]["tool"] == "search"
    assert answer["summary"].startswith("john@company.com made ")


def test_an_answer_comes_piece_by_piece(console: Served) -> None:
    with console.client(EVERYTHING) as client:
        pieces = [json.loads(line) for line in client.get("/ask/answer", params={"q": JOHN}).text.splitlines()]
    assert "john@company.com" in pieces[-1]["html"]
    assert all(set(piece) == {"step"} for piece in pieces[:-1])


@pytest.mark.parametrize("query", [{"format": "json"}, {"wait": "true"}])
def test_opening_an_address_never_proposes(console: Served, query: dict[str, str]) -> None:
    asked = "Disable the user john"
    before = _proposals(console)
    with console.client(EVERYTHING) as client:
        assert client.get("/", params={"q": asked, **query}).status_code == 400
        assert "Propose it" in client.get("/ask/answer", params={"q": asked}).text
        assert client.post("/ask/propose", data={"q": asked}).status_code == 403
    with console.client("viewer@company.com") as client:
        html = json.loads(client.get("/ask/answer", params={"q": asked}).text)["html"]
        assert "role responder" in html
        assert "<form" not in html
    assert _proposals(console) == before


def test_a_question_is_no_proposal(console: Served) -> None:
    with console.client(EVERYTHING) as client:
        answer = _post(client, "/ask/propose", {"q": JOHN})
    assert answer.status_code == 400
    assert "asks for nothing to be done" in answer.text


def test_history_is_one_s_own(console: Served) -> None:
    with console.client("approver@company.com") as client:
        client.get("/", params={"q": "Show root activity this month", "format": "json"})
        assert "Your last questions" in client.get("/").text
    with console.client("admin@company.com") as client:
        assert "Your last questions" not in client.get("/").text


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
@pytest.mark.parametrize(
    "question", ["", JOHN, "Which sessions belong to john@company.com?", "Which roles are over-privileged?"]
)
def test_ask_is_accessible_and_fits(page: Page, question: str) -> None:
    page.goto("/?" + urlencode({"q": question}) if question else "/")
    if question:
        expect(page.locator(".summary")).to_be_visible(timeout=30_000)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_asking_in_the_browser(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type(JOHN)
    page.keyboard.press("Enter")
    expect(page.locator(".summary")).to_contain_text("john@company.com made", timeout=30_000)
    page.locator(".because").first.click()
    expect(page).to_have_url(re.compile(r"/search\?user=john"))


def test_an_event_opens_beside_the_answer(page: Page) -> None:
    page.goto("/?" + urlencode({"q": JOHN}))
    page.locator("a[data-record]").first.click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("The record, as CloudTrail wrote it")).to_be_visible()
    assert violations(page) == []
    drawer.get_by_role("button", name="Pin", exact=True).click()
    expect(drawer.get_by_role("button", name="Pin", exact=True)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_is_not_understood_is_said_with_what_is(page: Page, watch_of: dict[Page, Watch]) -> None:
    page.goto("/?" + urlencode({"q": "what is the weather <img src=x onerror=alert(1)>"}))
    expect(page.get_by_role("alert")).to_contain_text("not understood")
    expect(page.get_by_text("Questions that are understood")).to_be_visible()
    assert page.locator("img").count() == 0
    assert violations(page) == []
    assert watch_of[page].complaints == []


def _proposals(console: Served) -> int:
    with console.app.state.read() as database:
        return len(console.app.state.proposals.list(database))


def _post(client: httpx.Client, path: str, data: dict[str, str]) -> httpx.Response:
    token = client.get("/ui").text.partition('name="csrf" content="')[2].partition('"')[0]
    return client.post(path, data={**data, "csrf": token})
