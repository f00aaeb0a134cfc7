"""From the first run's link to an action that two people decided on, was carried out, verified and undone, in a browser
on the demo organisation."""

import configparser
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from decisions_kit import Clock
from playwright.sync_api import Browser, Page, expect
from web_kit import PASSWORD, Served, Watch, browser_sign_in, serving, violations

from trailwarden.app import App
from trailwarden.demo.run import PROFILE, Running, connect_and_ingest

ANA, BEN = "ana@company.com", "ben@company.com"
_SETTLED = 60_000


@pytest.fixture
def clock() -> Clock:
    """The clock of the console."""
    return Clock()


@pytest.fixture
def fresh(organisation: Running, clock: Clock, tmp_path: Path) -> Iterator[Served]:
    """An installation of the demo organisation that knows nobody yet, and its console."""
    for name in ("config.toml", "aws"):
        source = organisation.home / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, tmp_path / name)
    with App.open(tmp_path, clock=clock) as app:
        connect_and_ingest(organisation, app)
        with serving(app, name="localhost") as served:
            yield served


@contextmanager
def opened(browser: Browser, console: Served) -> Iterator[Page]:
    """A browser of somebody's own, which must have nothing to complain of in the end."""
    context = browser.new_context(base_url=console.origin, reduced_motion="reduce")
    watch = Watch(context)
    yield context.new_page()
    context.close()
    assert watch.complaints == []


def test_from_the_first_run_to_an_action_that_was_undone(
    fresh: Served, organisation: Running, browser: Browser, clock: Clock
) -> None:
    story = organisation.story
    before = _keys(organisation)
    assert "Active" in before.values()
    with opened(browser, fresh) as ana, opened(browser, fresh) as ben:
        _make_the_first_person(ana, fresh)
        _add_an_approver(ana)
        browser_sign_in(ben, fresh.origin, BEN)

        _look_at_what_the_key_did(ana, story.stolen_key, calls=len(story.key_calls))
        disabling = _propose_by_asking(ana, f"Disable the user {story.iam_user} because of case 4711")
        _cannot_approve_ones_own(ana, fresh, disabling)
        assert _keys(organisation) == before

        clock.ahead = timedelta(minutes=16)
        ben.goto("/proposals")
        ben.locator(f"a[href='{disabling}']").first.click()
        expect(ben.get_by_role("button", name="Approve")).to_have_count(0)
        _show_again_who_it_is(ben, disabling)
        ben.get_by_label("Note").fill("spoke with john")
        _approve(ben)
        expect(ben.locator(".history")).to_contain_text("spoke with john")
        assert set(_keys(organisation).values()) == {"Inactive"}

        ana.goto(disabling)
        ana.get_by_text("Undo…").click()
        ana.get_by_label("Why").fill("john has a new key; the old one is gone")
        ana.get_by_role("button", name="Propose the undo").click()
        ana.wait_for_url(lambda url: "/proposals/" in url and not url.endswith(disabling))
        undoing = _path(ana)
        _show_again_who_it_is(ana, undoing)
        _cannot_approve_ones_own(ana, fresh, undoing)
        ben.goto(undoing)
        _approve(ben)
        assert _keys(organisation) == before
        ana.goto(disabling)
        expect(ana.locator("#progress")).to_have_attribute("data-state", "undone")

        _is_in_the_audit_chain(ben, disabling)


def _make_the_first_person(page: Page, console: Served) -> None:
    app = console.app
    page.goto(app.state.people.first_run_link(console.origin, by=app.actor, now=app.now()))
    assert violations(page) == []
    page.get_by_label("Login").fill(ANA)
    page.get_by_label("Name").fill("Ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    expect(page.locator(".who")).to_contain_text("Ana")
    expect(page.get_by_text("there are no four eyes")).to_be_visible()


def _add_an_approver(page: Page) -> None:
    page.goto("/settings/people")
    page.get_by_role("button", name="Add a person").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Login").fill(BEN)
    form.get_by_label("Name").fill("Ben")
    form.get_by_label("viewer").uncheck()
    form.get_by_label("approver").check()
    assert violations(page) == []
    form.get_by_role("button", name="Add").click()
    page.get_by_label("A first password").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_label("Another password")).to_be_visible()
    assert violations(page) == []


def _look_at_what_the_key_did(page: Page, key: str, *, calls: int) -> None:
    page.goto("/")
    expect(page.get_by_text("there are no four eyes")).to_have_count(0)
    _ask(page, f"Show me all API calls by {key} in the last 24 hours")
    expect(page.locator(".summary")).to_contain_text(f"{calls} ", timeout=_SETTLED)
    page.locator("a[data-record]").first.click()
    record = page.get_by_role("dialog")
    expect(record).to_contain_text(key)
    assert violations(page) == []
    page.keyboard.press("Escape")


def _ask(page: Page, words: str) -> None:
    page.keyboard.press("Escape")  # out of the box, as from any other page
    page.keyboard.press("/")
    page.keyboard.type(words)
    page.keyboard.press("Enter")


def _propose_by_asking(page: Page, words: str) -> str:
    page.goto("/")
    _ask(page, words)
    page.get_by_role("button", name="Propose it").click(timeout=_SETTLED)
    page.locator("main a[href^='/proposals/']").first.click(timeout=_SETTLED)
    page.wait_for_url(re.compile(r"/proposals/[0-9a-f]{12}$"))
    expect(page.locator(".call.undoes").first).to_be_visible()
    return _path(page)


def _cannot_approve_ones_own(page: Page, console: Served, address: str) -> None:
    """Neither by what the page offers, nor by the form that it offers to others."""
    page.goto(address)
    refused = page.locator(".why-not")
    expect(refused).to_contain_text("You proposed it")
    expect(refused).to_contain_text(BEN)
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    card = console.app.actions_show(_identifier(address))
    token = page.locator('meta[name="csrf"]').get_attribute("content") or ""
    form: Mapping[str, str | float | bool] = {"csrf": token, "plan_sha256": card.plan.sha256}
    answer = page.request.post(f"{address}/approve", form=dict(form), headers={"Origin": console.origin})
    assert answer.status == 403
    assert "Not done" in answer.text()
    assert console.app.actions_show(card.id).state == "pending"


def _show_again_who_it_is(page: Page, address: str) -> None:
    page.get_by_role("link", name="Confirm that it is you").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(f"**{address}")
    assert violations(page) == []


def _approve(page: Page) -> None:
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#progress")).to_have_attribute("data-state", "verified", timeout=_SETTLED)
    expect(page.locator(".decide")).to_contain_text("The target was read back, and is as planned.")
    expect(page.locator(".step.done").first).to_be_visible()
    assert violations(page) == []


def _is_in_the_audit_chain(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="in the audit chain").click()
    rows = page.locator(".audit tbody")
    for kind in ("proposal.propose", "proposal.approve", "denied"):
        expect(rows).to_contain_text(kind)
    expect(rows).to_contain_text(ANA)
    expect(rows).to_contain_text(BEN)
    page.goto("/audit/verify")
    expect(page.locator("main")).to_contain_text("The chain holds")


def _path(page: Page) -> str:
    return "/proposals/" + _identifier(page.url)


def _identifier(address: str) -> str:
    return address.rsplit("/", 1)[-1].partition("?")[0]


def _keys(organisation: Running) -> Mapping[str, str]:
    """The access keys of the story's user as IAM has them, with their status."""
    story, scenario = organisation.story, organisation.scenario
    profile = configparser.ConfigParser()
    profile.read(organisation.home / "aws" / "credentials")
    own = boto3.Session(
        aws_access_key_id=profile[PROFILE]["aws_access_key_id"],
        aws_secret_access_key=profile[PROFILE]["aws_secret_access_key"],
        region_name="us-east-1",
    )
    connection = next(each for each in scenario.connections if each.account.id == story.account_id)
    role: Any = own.client("sts").assume_role(
        RoleArn=connection.role_arn, ExternalId=connection.external_id, RoleSessionName="looks"
    )["Credentials"]
    reader = boto3.Session(
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
        region_name="us-east-1",
    )
    keys: Any = reader.client("iam").list_access_keys(UserName=story.iam_user)["AccessKeyMetadata"]
    return {each["AccessKeyId"]: each["Status"] for each in keys}
