"""Identity, Sessions and Auth model: what the pages show is what the tools answer."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from web_kit import EVERYTHING, Served, Watch, browser_sign_in, violations

from trailwarden.demo.run import Running
from trailwarden.faces.web.pages.sessions import calls_of, person_of
from trailwarden.state.tables import web_session

#: Two of the looks of these pages are taken by test_web_all_pages.
LOOKS = [(1280, "dark"), (390, "light"), (3840, "light")]
JOHN = "john@company.com"
PATHS = [
    "/identity",
    f"/identity?who={JOHN}",
    "/identity?who=nobody-of-that-name",
    f"/identity?who={JOHN}&last=1h",
    "/sessions",
    "/sessions?user=nobody-of-that-name",
    "/sessions?sort=failed&method=iam_user_key&account=222222222222",
    "/auth-model",
    "/auth-model?account=333333333333&last=7d",
]


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
@pytest.mark.parametrize("path", PATHS)
def test_pages_are_accessible_and_fit(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_person_s_page_shows_what_the_tool_answers(page: Page, console: Served) -> None:
    report = console.app.identity(JOHN, limit=200, live="never")
    page.goto(f"/identity?who={JOHN}")
    expect(page.locator(".figure b").first).to_have_text(f"{report.total:,}")
    ids = [each.session_id for each in report.sessions]
    rows = page.locator("table.sessions tbody tr")
    assert [row.get_attribute("id") for row in rows.all()] == [f"row-{each}" for each in ids]
    bars = page.locator(".lane-bars a").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    assert sorted(bars) == sorted(f"/sessions/{each}" for each in ids)
    assert page.locator(".lane").count() == len({each.account for each in report.sessions}) + 1
    for address in {ip for each in report.sessions for ip in each.source_ips}:
        expect(page.locator(".values").get_by_text(address, exact=True)).to_be_visible()
    for each in report.person.identities:
        expect(page.locator(".values").get_by_text(each.id)).to_be_visible()
    for finding in report.findings:
        expect(page.get_by_text(finding.title).first).to_be_visible()
    expect(page.locator("[data-ways] canvas").first).to_be_visible()
    expect(page.locator("details.coverage")).to_be_visible()


def test_the_data_of_the_pages_are_the_tools_own(console: Served) -> None:
    with console.client(EVERYTHING) as client:
        person = client.get("/identity", params={"who": JOHN, "format": "json"}).json()
        sheet = client.get("/identity", params={"who": JOHN, "format": "csv"}).text
        listed = client.get("/sessions", params={"method": "root", "format": "json"}).json()
        model = client.get("/auth-model", params={"format": "json"}).json()
    expected = console.app.identity(JOHN, limit=10_000, live="never")
    assert [each["session_id"] for each in person["sessions"]] == [each.session_id for each in expected.sessions]
    assert sheet.startswith("session_id,")
    assert len(sheet.splitlines()) == len(expected.sessions) + 1
    roots = console.app.sessions_list(method=("root",), live="never")
    assert [each["session_id"] for each in listed["sessions"]] == [each.session_id for each in roots.sessions]
    assert model["summary"] == list(console.app.auth_model(live="never").summary)


def test_a_span_is_chosen_by_dragging_over_the_timeline(page: Page) -> None:
    page.goto(f"/identity?who={JOHN}&account=111111111111")
    box = page.locator(".lane-bars").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 4, steps=4)
    page.mouse.up()
    page.wait_for_url("**from=*")
    query = parse_qs(urlsplit(page.url).query)
    assert query["who"] == [JOHN]
    assert query["account"] == ["111111111111"]
    assert query["from"][0] < query["to"][0]
    assert "last" not in query


def test_a_bar_says_what_it_is_and_leads_to_its_session(page: Page) -> None:
    page.goto(f"/identity?who={JOHN}")
    bar = page.locator(".lane-bars a").first
    bar.focus()
    expect(page.locator(".timeline-tip")).to_contain_text("calls")
    address = bar.get_attribute("href")
    assert address is not None
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(re.escape(address) + "$"))


def test_whom_to_ask_for_is_offered(page: Page) -> None:
    page.goto("/identity")
    page.get_by_role("link", name=re.compile(f"^{re.escape(JOHN)}")).click()
    expect(page).to_have_url(re.compile(r"/identity\?who=john%40company\.com$"))
    page.goto("/identity")
    page.keyboard.press("/")
    page.keyboard.type("jane@company.com")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("jane@company.com")


def test_nobody_is_said_to_be_nobody(page: Page) -> None:
    page.goto("/identity?who=nobody-of-that-name")
    expect(page.get_by_text("No user of that name is in the directory, the records or the alias list.")).to_be_visible()
    expect(page.get_by_text("No session of theirs")).to_be_visible()


HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def recent(console: Served, signed_in: object) -> None:
    """The session that the browser tests share was confirmed just now, however long they have been running."""
    with console.app.state.write() as database:
        database.execute(web_session.update().values(authenticated_at=console.app.now()))


@pytest.mark.usefixtures("recent")
def test_a_name_is_added_to_the_alias_list_and_taken_off(page: Page, console: Served) -> None:
    page.goto(f"/identity?who={JOHN}")
    page.get_by_text("Add a name").click()
    page.get_by_label("Name", exact=True).fill("j-smith")
    page.get_by_label("Only in this account").fill("222222222222")
    page.get_by_label("How you know").fill(HOSTILE)
    assert violations(page) == []
    page.get_by_role("button", name="Add", exact=True).click()
    row = page.locator("#aliases tbody tr", has_text="j-smith")
    expect(row).to_contain_text(HOSTILE)
    assert page.locator("#aliases img").count() == 0
    (alias,) = console.app.identity_alias_list(JOHN).aliases
    assert (alias.value, alias.kind, alias.account, alias.denies) == ("j-smith", "iam_user_name", "222222222222", False)
    assert violations(page) == []
    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Remove j-smith").click()
    expect(page.get_by_text("Nothing was said by hand.")).to_be_visible()
    assert console.app.identity_alias_list(JOHN).aliases == ()


@pytest.mark.usefixtures("recent")
def test_a_name_that_is_refused_is_said_with_its_remedy(page: Page, watch_of: dict[Page, Watch]) -> None:
    page.goto(f"/identity?who={JOHN}")
    page.get_by_text("Add a name").click()
    page.get_by_label("Name", exact=True).fill("   ")
    page.get_by_label("How you know").fill("HR list")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".toast.bad")).to_be_visible()
    watch = watch_of[page]
    watch.expect_status(400)
    # htmx says the same once more.
    watch.complaints = [each for each in watch.complaints if "Status Error Code 400 from /identity/aliases" not in each]


@pytest.mark.parametrize("login", ["viewer@company.com", "responder@company.com", "approver@company.com"])
def test_only_admins_change_the_alias_list(browser: Browser, console: Served, login: str) -> None:
    context = browser.new_context(base_url=console.origin)
    opened = context.new_page()
    browser_sign_in(opened, console.origin, login)
    opened.goto(f"/identity?who={JOHN}")
    expect(opened.get_by_role("heading", level=1)).to_have_text(JOHN)
    assert opened.get_by_text("Add a name").count() == 0
    token = opened.locator('meta[name="csrf"]').get_attribute("content")
    form: dict[str, str | float | bool] = {
        "csrf": token or "",
        "who": JOHN,
        "person": JOHN,
        "name": "x",
        "kind": "email",
        "reason": "r",
    }
    for path in ("/identity/aliases/add", "/identity/aliases/remove"):
        answer = context.request.post(path, form=form, headers={"Origin": console.origin})
        assert answer.status == 403
    context.close()
    assert console.app.identity_alias_list(JOHN).aliases == ()


@pytest.mark.parametrize("sort", ["last", "first", "calls", "failed", "who", "method", "account"])
def test_the_pages_of_the_list_hold_every_session_once_in_order(page: Page, console: Served, sort: str) -> None:
    page.goto(f"/sessions?sort={sort}")
    seen: list[str] = []
    while True:
        rows = page.locator("table.sessions tbody tr")
        seen += [(row or "").removeprefix("row-") for row in rows.evaluate_all("rows => rows.map((row) => row.id)")]
        following = page.get_by_role("link", name="Next")
        if not following.count():
            break
        page.goto(following.get_attribute("href") or "")
    whole = {each.session_id: each for each in console.app.sessions_list(limit=10_000, live="never").sessions}
    assert sorted(seen) == sorted(whole)
    orders = {
        "last": [-whole[each].last_seen.timestamp() for each in seen],
        "first": [-whole[each].first_seen.timestamp() for each in seen],
        "calls": [-whole[each].events for each in seen],
        "failed": [-whole[each].errors for each in seen],
        "who": [person_of(whole[each]).casefold() for each in seen],
        "account": [whole[each].account or "" for each in seen],
    }
    if sort in orders:
        assert orders[sort] == sorted(orders[sort])


def test_typed_filters_become_chips_and_can_be_dropped(page: Page, console: Served) -> None:
    page.goto("/sessions")
    page.keyboard.press("/")
    page.keyboard.type("role:Deploy*")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"role=Deploy"))
    total = console.app.sessions_list(role=("Deploy*",), live="never").total
    expect(page.locator(".pager")).to_contain_text(f"{total} of {total}")
    page.locator("summary", has_text="Method").click()
    page.get_by_role("link", name="Cross-account role").click()
    expect(page.locator(".chip.set")).to_have_count(2)
    page.get_by_role("link", name="Without role Deploy*").click()
    expect(page.locator(".chip.set")).to_have_count(1)
    page.get_by_role("link", name="Without method Cross-account role").click()
    expect(page.locator(".chip.set")).to_have_count(0)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("add=event:CreateUser", 400),
        ("event=CreateUser", 400),
        ("failed=true", 400),
        ("last=soon", 400),
        ("sort=calls&cursor=-1", 400),
        ("cursor=nonsense", 400),
        ("method=magic", 422),
        ("sort=colour", 422),
    ],
)
def test_odd_addresses_are_refused_with_a_remedy(console: Served, query: str, status: int) -> None:
    with console.client(EVERYTHING) as client:
        answer = client.get(f"/sessions?{query}")
    assert answer.status_code == status
    assert "Remedy" in answer.text


def test_a_session_s_page_shows_its_chain_and_what_it_did(page: Page, console: Served) -> None:
    chained = console.app.sessions_list(method=("role_chain",), live="never").sessions[0]
    shown = console.app.sessions_show(chained.session_id, live="never")
    page.goto(f"/sessions/{shown.session_id}")
    assert violations(page) == []
    expect(page.locator(".whose")).to_contain_text(f"({shown.strength})")
    steps = page.locator(".chain li")
    assert steps.count() == len(shown.chain) + 1
    for step, said in zip(reversed(shown.chain), steps.all(), strict=False):
        expect(said).to_contain_text(step.name or step.arn or "")
        expect(said).to_contain_text(f"{step.link} by {step.by}")
    rows = page.locator("table.did tbody tr")
    assert [row.locator("td").first.inner_text() for row in rows.all()] == [each.event for each in shown.did]
    for each in shown.evidence[:12]:
        expect(page.locator(f'.values a[data-record="{each.event_id}"]').first).to_be_visible()
    page.get_by_role("link", name="Whole identity").click()
    expect(page).to_have_url(re.compile(r"/identity\?who="))


def test_the_calls_of_a_session_are_one_search_away(page: Page, console: Served, organisation: Running) -> None:
    keyed = console.app.sessions_list(user=(organisation.story.iam_user,), method=("iam_user_key",), live="never")
    session = next(each for each in keyed.sessions if calls_of(each)[1])
    page.goto(f"/sessions/{session.session_id}")
    page.get_by_role("link", name="Its calls").click()
    expect(page.locator(".figure b").first).to_have_text(f"{session.events:,}")


def test_a_key_leads_to_its_session(page: Page, console: Served) -> None:
    key = console.app.sessions_list(method=("iam_user_key",), live="never").sessions[0].access_keys[0]
    page.goto(f"/sessions/{key}")
    expect(page.get_by_role("link", name=key)).to_be_visible()


def test_an_unknown_session_is_said(console: Served) -> None:
    with console.client(EVERYTHING) as client:
        answer = client.get("/sessions/ses-0000000000000000")
    assert answer.status_code == 404
    assert "No session of" in answer.text
    assert "Remedy" in answer.text


def test_the_auth_model_shows_what_the_tool_answers(page: Page, console: Served) -> None:
    report = console.app.auth_model(live="never")
    page.goto("/auth-model")
    assert page.locator(".said-list li").all_inner_texts() == list(report.summary)
    assert page.locator("a.spot.method").count() == len(report.methods)
    accounts = {account for each in report.methods for account in each.accounts}
    assert page.locator("a.spot.account").count() == len(accounts)
    seen = page.get_by_label("Seen").locator("tbody tr")
    sessions = seen.evaluate_all("rows => rows.map((row) => row.querySelector('[data-label=Sessions]').innerText)")
    assert sessions == [f"{each.sessions:,}" for each in report.methods]
    configured = report.configured
    rows = (
        len(configured.saml_providers)
        + len(configured.oidc_providers)
        + len(configured.identity_center)
        + len(configured.permission_sets)
        + len(configured.root_users)
        + (configured.iam_users is not None)
    )
    assert page.get_by_label("Set up").locator("tbody tr").count() == rows
    for each in report.unused[:20]:
        expect(page.locator(".pair-cards").get_by_text(each.name, exact=False).first).to_be_visible()
    page.locator("a.spot.method", has_text="Root user").click()
    expect(page).to_have_url(re.compile(r"/sessions\?.*method=root"))


def test_pages_can_be_read_without_scripts(browser: Browser, console: Served, signed_in: object) -> None:
    context = browser.new_context(base_url=console.origin, storage_state=signed_in, java_script_enabled=False)  # type: ignore[arg-type]
    opened = context.new_page()
    opened.goto(f"/identity?who={JOHN}")
    expect(opened.locator(".lane-bars a").first).to_be_visible()
    expect(opened.locator("table.sessions tbody tr").first).to_be_visible()
    opened.goto("/auth-model")
    expect(opened.locator(".entrances")).to_be_visible()
    context.close()


def test_one_page_is_one_question_of_that_person_in_the_audit_chain(console: Served) -> None:
    with console.client(EVERYTHING) as client:
        client.get("/sessions", params={"user": "audited-person"})
    entry = next(each for each in console.app.state.audit.newest() if each.kind == "question")
    assert json.loads(entry.actor)["name"] == EVERYTHING
    assert json.loads(entry.body)["tool"] == "sessions_list"
    assert "audited-person" in entry.body
