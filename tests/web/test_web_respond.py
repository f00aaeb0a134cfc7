"""Alerts, proposals and the audit chain in a browser, on the demo organisation: from an alert to what was verified."""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from decisions_kit import APPROVER, EVERYTHING, RESPONDER, VIEWER, csrf
from playwright.sync_api import Browser, Locator, Page, expect
from web_kit import Served, Watch, browser_sign_in, violations

from trailwarden.demo.run import Running
from trailwarden.faces.web.deciding import bars, percent
from trailwarden.model.proposal import ConfidencePart

#: The other two looks of these pages are taken by test_web_all_pages.
LOOKS = [(1280, "dark"), (390, "light")]
_SETTLED = 60_000


@contextmanager
def person(browser: Browser, console: Served, login: str) -> Iterator[Page]:
    """A page of somebody; the browser must have nothing to complain of."""
    context = browser.new_context(base_url=console.origin, reduced_motion="reduce")
    watch = Watch(context)
    page = context.new_page()
    browser_sign_in(page, console.origin, login)
    yield page
    context.close()
    assert watch.complaints == []


@pytest.fixture(scope="module")
def deletion(console: Served, organisation: Running) -> str:
    """The address of a proposal that waits: to delete the stolen key."""
    sent = {"action": "delete_access_key", "access_key_id": organisation.story.stolen_key, "reason": "case 4711"}
    with console.client(RESPONDER) as client:
        answer = client.post("/proposals/new", data={"csrf": csrf(client), **sent})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("?")[0]


@pytest.fixture(scope="module")
def alerts(console: Served) -> dict[str, Any]:
    with console.client(VIEWER) as client:
        found: dict[str, Any] = client.get("/alerts?last=30d&format=json").json()
    return found


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
@pytest.mark.parametrize(
    "path",
    [
        "/alerts?last=30d",
        "/alerts?user=nobody-of-that-name",
        "/proposals?all=true",
        "/proposals?state=undone&account=333333333333",
        "/proposals/new",
        "/proposals/new?action=block_ip&address=203.0.113.7",
        "/audit",
        "/audit?who=nobody-of-that-name",
        "/audit/verify",
    ],
)
def test_pages_are_accessible_and_fit(page: Page, path: str, deletion: str) -> None:
    page.goto(path)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
def test_one_of_them_is_accessible_and_fits(page: Page, deletion: str, alerts: dict[str, Any]) -> None:
    for path in (deletion, f"/alerts/{alerts['alerts'][0]['alert']['composite_id']}"):
        page.goto(path)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# ------------------------------------------------------------ alerts


def test_alerts_are_those_of_the_tool_in_its_order(page: Page, alerts: dict[str, Any]) -> None:
    page.goto("/alerts?last=30d")
    rows = page.locator(".alerts tbody tr")
    expect(rows).to_have_count(len(alerts["alerts"]))
    shown = [each.split("/alerts/")[1] for each in hrefs(rows.locator("td:nth-child(2) a"))]
    assert shown == [each["alert"]["composite_id"].replace(":", "%3A") for each in alerts["alerts"]]
    best = alerts["alerts"][0]["matches"][0]
    expect(rows.first.locator(".score")).to_have_text(f"{best['score']:.2f}")
    most = max(len(each["notable_events"]) for each in alerts["alerts"][0]["matches"])
    expect(rows.first.locator("td").last).to_have_text(str(most))
    expect(page.locator("details.coverage")).to_be_visible()


def test_alerts_are_filtered_by_their_address(page: Page, alerts: dict[str, Any]) -> None:
    page.goto("/alerts?last=30d")
    page.get_by_label("Severity").select_option("80")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**min_severity=80*")
    severe = [each for each in alerts["alerts"] if (each["alert"]["severity"] or 0) >= 80]
    expect(page.locator(".alerts tbody tr")).to_have_count(len(severe))


def test_an_alert_and_its_sessions_stand_side_by_side(page: Page, alerts: dict[str, Any]) -> None:
    found = next(each for each in alerts["alerts"] if each["matches"])
    page.goto("/alerts?last=30d")
    page.locator(".alerts tbody a.strong").first.click()
    matches = page.locator("article.card")
    expect(matches).to_have_count(len(found["matches"]))
    left, right = page.locator(".alert-side").bounding_box(), matches.first.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    for place, match in enumerate(found["matches"]):
        reasons = matches.nth(place).locator(".agree tbody tr")
        expect(reasons).to_have_count(len(match["evidence"]))
        for row, reason in enumerate(match["evidence"]):
            expect(reasons.nth(row)).to_contain_text(f"+{reason['weight']:.2f}")
            expect(reasons.nth(row)).to_contain_text(reason["alert_value"])
            expect(reasons.nth(row)).to_contain_text(reason["event_value"])
        for sentence in match["against"]:
            expect(matches.nth(place)).to_contain_text(sentence, ignore_case=True)
    matches.first.locator(".agree a").first.click()
    expect(page.get_by_role("dialog").get_by_text("The record, as CloudTrail wrote it")).to_be_visible()


def test_a_match_leads_to_a_proposal_only_for_those_who_may(
    console: Served, browser: Browser, alerts: dict[str, Any]
) -> None:
    path = f"/alerts/{alerts['alerts'][0]['alert']['composite_id']}"
    with console.client(VIEWER) as client:
        assert "/proposals/new" not in client.get(path).text
    with person(browser, console, RESPONDER) as page:
        page.goto(path)
        card = page.locator("article.card", has_text="iam user key").first
        card.get_by_text("Propose", exact=True).click()
        card.get_by_role("link", name="Disable the user").click()
        expect(page.get_by_label("User")).not_to_have_value("")
        expect(page.get_by_label("Reason")).to_have_value(re.compile("^CrowdStrike alert: "))
        expect(page.get_by_label("Evidence")).not_to_have_value("")


# ------------------------------------------------------------ proposals


def test_the_card_says_what_the_tool_says(page: Page, console: Served, deletion: str) -> None:
    card = console.app.actions_show(deletion.rsplit("/", 1)[-1])
    page.goto(deletion)
    facts = page.locator(".proposal-facts")
    for text in (card.target.id, card.target.owner, card.account, card.reason, card.confidence.text, RESPONDER):
        expect(facts).to_contain_text(text)
    expect(page.locator(".evidence-list a")).to_have_count(len(card.evidence))
    expect(page.locator(".blast li")).to_have_count(len(card.blast_radius.items))
    grave = sum(each.grave for each in card.blast_radius.items)
    kinds = [each.get_attribute("class") or "" for each in page.locator(".blast li").all()]
    assert kinds == ["grave"] * grave + [""] * (len(kinds) - grave)
    steps = page.locator(".step")
    expect(steps).to_have_count(len(card.plan.steps))
    for place, step in enumerate(card.plan.steps):
        expect(steps.nth(place).locator(".call.does b")).to_have_text(step.api)
        for value in step.params.values():
            expect(steps.nth(place).locator(".call.does summary")).to_contain_text(str(value))
        expect(steps.nth(place).locator(".call.undoes")).to_have_count(1 if step.undo else 0)
    expect(page.locator("#progress")).to_contain_text(card.plan.sha256)
    for text in (*card.plan.irreversible, *card.notes):
        expect(page.locator(".decide")).to_contain_text(text)
    gains = [
        int(re.sub(r"\D", "", each)) for each in page.locator(".waterfall li:not(.total) .gained").all_inner_texts()
    ]
    assert f"({sum(gains)}%)" in card.confidence.text
    expect(page.locator(".waterfall .total")).to_contain_text(f"{sum(gains)}%")
    page.locator(".evidence-list a").first.click()
    expect(page.get_by_role("dialog").get_by_text("The record, as CloudTrail wrote it")).to_be_visible()


def test_the_bars_add_up_to_the_score() -> None:
    parts = [ConfidencePart(rule=f"r{weight}", weight=weight, reason="") for weight in (0.55, 0.55, 0.45, 0.1, 0.0)]
    found = bars(parts)
    assert [(each.start, each.gain) for each in found] == [(0, 55), (55, 24), (79, 9), (88, 1), (89, 0)]
    assert sum(each.gain for each in found) == percent(1 - 0.45 * 0.45 * 0.55 * 0.9)
    assert percent(1.0) == 99
    assert bars([]) == ()


@pytest.mark.parametrize("login", [VIEWER, RESPONDER])
def test_who_may_not_decide_is_told_why(console: Served, browser: Browser, deletion: str, login: str) -> None:
    with person(browser, console, login) as page:
        page.goto(deletion)
        expect(page.locator(".why-not")).to_contain_text("Deciding takes the role approver")
        expect(page.locator(".why-not")).to_contain_text(f"Ask {APPROVER}, {EVERYTHING}")
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        expect(page.get_by_text("Reject")).to_have_count(0)
        assert violations(page) == []


def test_a_key_is_proposed_approved_deleted_and_watched(console: Served, browser: Browser, deletion: str) -> None:
    identifier = deletion.rsplit("/", 1)[-1]
    with person(browser, console, APPROVER) as page:
        page.goto("/proposals")
        page.locator(f'main a[href="{deletion}"]').first.click()
        page.get_by_label("Note").fill("seen with jane")
        page.get_by_role("button", name="Approve").click()
        expect(page.locator("#progress")).to_have_attribute("data-state", "verified", timeout=_SETTLED)
        expect(page.locator(".step.done")).to_have_count(2)
        expect(page.locator(".progressing")).to_have_count(0)
        expect(page.locator("#since")).to_contain_text("no call seen")
        expect(page.locator(".decide")).to_contain_text("The target was read back, and is as planned.")
        expect(page.locator(".history")).to_contain_text("seen with jane")
        assert violations(page) == []
    card = console.app.actions_show(identifier)
    assert [each.approver for each in card.approvals] == [APPROVER]
    assert card.state == "verified"
    assert {each.outcome.state for each in card.plan.steps if each.outcome} == {"done"}
    (used,) = console.app.audit_list(kind=("proposal.credentials",), proposal=identifier).entries
    assert used.body["source_identity"] == APPROVER


def test_a_user_is_disabled_and_enabled_again(console: Served, browser: Browser) -> None:
    with person(browser, console, RESPONDER) as page:
        page.goto("/proposals/new")
        page.get_by_role("link", name="Disable an IAM user").click()
        page.get_by_label("User").fill("laura")
        page.get_by_label("Account").select_option("222222222222")
        page.get_by_label("Reason").fill("her laptop was stolen")
        page.get_by_role("button", name="Propose").click()
        page.wait_for_url(re.compile(r"/proposals/[0-9a-f]{12}$"))
        first = page.url
        expect(page.locator(".call.undoes").first).to_be_visible()
    _approve(console, browser, first)
    with person(browser, console, RESPONDER) as page:
        page.goto(first)
        page.get_by_text("Undo…").click()
        page.get_by_label("Why").fill("it was the red team")
        page.get_by_role("button", name="Propose the undo").click()
        page.wait_for_url(lambda url: url != first and "/proposals/" in url)
        second = page.url
        expect(page.locator(".proposal-facts")).to_contain_text(f"Undoes{first.rsplit('/', 1)[-1]}")
    _approve(console, browser, second)
    assert console.app.actions_show(first.rsplit("/", 1)[-1]).state == "undone"


def _approve(console: Served, browser: Browser, address: str) -> None:
    with person(browser, console, APPROVER) as page:
        page.goto(address)
        page.get_by_role("button", name="Approve").click()
        expect(page.locator("#progress")).to_have_attribute("data-state", "verified", timeout=_SETTLED)


@pytest.mark.parametrize("page", [(390, "dark")], indirect=True, ids=["390-dark"])
def test_what_was_done_fits_too(page: Page, console: Served) -> None:
    done = [each for each in console.app.actions_list(all_=True).proposals if each.state in ("verified", "undone")]
    for each in done:
        page.goto(f"/proposals/{each.id}")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_is_read_and_decided_without_scripts(console: Served, browser: Browser) -> None:
    with console.client(RESPONDER) as client:
        sent = {"action": "disable_user", "user": "john", "account": "222222222222", "reason": "case 4713"}
        address = client.post("/proposals/new", data={"csrf": csrf(client), **sent}).headers["location"]
    context = browser.new_context(base_url=console.origin, java_script_enabled=False)
    page = context.new_page()
    browser_sign_in(page, console.origin, APPROVER)
    page.goto(address)
    expect(page.locator(".step")).not_to_have_count(0)
    page.get_by_text("Reject").first.click()
    page.get_by_label("Why not").fill("not without scripts")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator(".decide")).to_contain_text("It was rejected: nothing was done.")
    context.close()


def test_what_cannot_be_proposed_is_said_and_nothing_typed_is_lost(page: Page, watch_of: dict[Page, Watch]) -> None:
    page.goto("/proposals/new?action=disable_user&user=nobody-at-all&reason=case+4711&account=222222222222")
    page.get_by_role("button", name="Propose").click()
    expect(page.get_by_role("alert")).to_contain_text("nobody-at-all")
    expect(page.get_by_label("User")).to_have_value("nobody-at-all")
    expect(page.get_by_label("Reason")).to_have_value("case 4711")
    watch_of[page].expect_status(400)


def test_a_rejection_is_a_sentence(console: Served, browser: Browser) -> None:
    with console.client(RESPONDER) as client:
        sent = {"action": "disable_user", "user": "reporting", "account": "222222222222", "reason": "case 4712"}
        address = client.post("/proposals/new", data={"csrf": csrf(client), **sent}).headers["location"]
    with person(browser, console, APPROVER) as page:
        page.goto(address)
        page.get_by_text("Reject").first.click()
        page.get_by_label("Why not").fill("it is our own report")
        page.get_by_role("button", name="Reject").click()
        expect(page.locator(".history")).to_contain_text("it is our own report")
        expect(page.locator(".decide")).to_contain_text("It was rejected: nothing was done.")


def test_proposals_are_data_too(console: Served, deletion: str) -> None:
    with console.client(VIEWER) as client:
        whole = client.get(f"{deletion}?format=json").json()
        assert {"plan", "blast_radius", "confidence", "evidence", "history"} <= set(whole)
        listed = client.get("/proposals?all=true&format=json").json()
        rows = list(csv.DictReader(io.StringIO(client.get("/proposals?all=true&format=csv").text)))
        assert [each["id"] for each in rows] == [each["id"] for each in listed["proposals"]]
        assert client.get("/proposals?state=&account=").status_code == 200
        assert client.get("/proposals?state=no-such-state").status_code == 400


# ------------------------------------------------------------ audit


def test_the_audit_chain_is_filtered_paged_and_verified(page: Page, console: Served, deletion: str) -> None:
    identifier = deletion.rsplit("/", 1)[-1]
    page.goto(f"{deletion}")
    page.get_by_role("link", name="in the audit chain").click()
    rows = page.locator(".audit tbody tr")
    expect(rows.last).to_contain_text("proposal.propose")
    page.goto("/audit?kind=proposal")
    kinds = page.locator(".audit tbody td:nth-child(4)").all_inner_texts()
    assert kinds == [each.kind for each in console.app.audit_list(kind=("proposal",)).entries][: len(kinds)]
    assert all(each.startswith("proposal.") for each in kinds)
    page.goto("/audit?limit=5")
    page.get_by_role("link", name="Older").click()
    expect(page).to_have_url(re.compile("before="))
    page.locator("details summary code").first.click()
    expect(page.locator(".audit pre").first).to_be_visible()
    page.get_by_role("link", name="Verify").click()
    expect(page.locator("#verified")).to_contain_text("The chain holds")
    assert identifier


def test_an_export_of_the_chain_is_signed(page: Page, console: Served, tmp_path: Path) -> None:
    page.goto("/audit")
    with page.expect_download() as started:
        page.get_by_role("button", name="Signed export").click()
    file = tmp_path / "audit.jsonl"
    started.value.save_as(file)
    assert started.value.suggested_filename.endswith(".jsonl")
    report = console.app.audit_verify(export=file)
    assert report.ok
    assert report.checkpoint is not None
    assert console.app.audit_verify(against=file).ok


def hrefs(links: Locator) -> list[str]:
    return [each.get_attribute("href") or "" for each in links.all()]
