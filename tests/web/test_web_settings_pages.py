"""Settings in a browser, over the demo organisation: connections, what is wrong with them, keys, and how pages look."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from decisions_kit import ADMIN, VIEWER, csrf
from playwright.sync_api import Browser, Page, expect
from web_kit import EVERYTHING, PASSWORD, Served, Watch, add_people, browser_sign_in, serving, sign_in, violations

from trailwarden.app import App
from trailwarden.demo.run import Running

PAGES = (
    "/settings/account",
    "/settings/account/totp",
    "/settings/tokens",
    "/settings/aws",
    "/settings/aws/connect",
    "/settings/aws/connect?purpose=respond&form=terraform",
    "/settings/crowdstrike",
    "/settings/people",
    f"/settings/people/{VIEWER}",
    "/settings/rules",
    "/settings/data",
)
NEW_PASSWORD = "a better horse of four words"
WIDE, NARROW = (1280, "light"), (390, "dark")


@pytest.fixture
def untouched(console: Served) -> Iterator[Served]:
    """The console, whose connections are as before afterwards."""
    store = console.app.state.connections
    before = {each.role_arn for each in store.list()}
    yield console
    for each in store.list():
        if each.role_arn not in before:
            store.remove(each)
    console.app.expect_accounts()
    assert {each.role_arn for each in store.list()} == before


@pytest.mark.parametrize("page", [WIDE, NARROW], indirect=True, ids=["wide-light", "narrow-dark"])
def test_every_page_is_accessible_and_fits(page: Page) -> None:
    for path in PAGES:
        answer = page.goto(path)
        assert answer is not None
        assert (path, answer.status) == (path, 200)
        assert (path, violations(page)) == (path, [])
        assert (path, page.evaluate("document.documentElement.scrollWidth - innerWidth")) == (path, 0)
        expect(page.locator(".tabs [aria-current=page]")).to_be_in_viewport()


def test_dialogs_are_accessible(page: Page) -> None:
    for path, opener in (("/settings/people", "Add a person"), ("/settings/tokens", "Make a token")):
        page.goto(path)
        page.get_by_role("button", name=opener).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert violations(page) == []


def test_what_an_address_cannot_ask_for_is_told(console: Served) -> None:
    with console.client(ADMIN) as client:
        assert client.get("/settings/aws/connect?purpose=destroy").status_code == 422
        assert client.get("/settings/aws/connect?action=destroy").status_code == 400
        assert client.get("/settings/aws/account?role=nothing").status_code == 400
        data = {"csrf": csrf(client), "permissions": "Everything"}
        assert client.post("/settings/aws/role", data=data).status_code == 400


# ── AWS ──────────────────────────────────────────────────────────────────


def test_the_accounts_are_those_that_are_connected(page: Page, console: Served) -> None:
    page.goto("/settings/aws")
    known = console.app.accounts_list().accounts
    assert page.locator("tbody tr").count() == len(known) > 0
    for each in known:
        row = page.locator("tbody tr", has_text=each.role_arn)
        assert each.account in row.inner_text()
        assert each.label in row.inner_text()
    with console.client(VIEWER) as client:
        listed = client.get("/settings/aws?format=json").json()["accounts"]
        assert [each["role_arn"] for each in listed] == [each.role_arn for each in known]
        assert client.get("/settings/aws?format=csv").text.count("\n") == len(known) + 1


def test_a_role_s_document_follows_the_choices_with_one_external_id(page: Page) -> None:
    page.goto("/settings/aws/connect")
    made = page.input_value("#external_id")
    assert len(made) == 43
    document = page.locator("#role pre")
    assert f'"sts:ExternalId": "{made}"' in document.inner_text()
    page.get_by_text("least-privilege").click()
    expect(document).to_contain_text("cloudtrail:LookupEvents")
    page.get_by_text("Responding").click()
    page.get_by_text("Delete an access key").click()
    expect(document).to_contain_text("iam:DeleteAccessKey")
    expect(document).not_to_contain_text("ec2:TerminateInstances")
    page.get_by_text("AWS CLI").click()
    expect(document).to_contain_text("aws iam create-role")
    assert page.input_value("#external_id") == made
    page.locator("#role .with-button").get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == made
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    assert started.value.suggested_filename == "trailwarden-respond.sh"
    assert Path(started.value.path()).read_text(encoding="utf-8").strip() == document.inner_text().strip()


def test_accounts_are_connected_several_at_once_and_wait_for_their_roles(page: Page, untouched: Served) -> None:
    page.goto("/settings/aws/connect")
    made = page.input_value("#external_id")
    arns = [f"arn:aws:iam::{account}:role/NotThereYet" for account in ("222222222222", "333333333333")]
    page.fill("#role_arns", "\n".join(arns))
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("heading", name="Kept, and waiting")).to_be_visible()
    store = untouched.app.state.connections
    for arn in arns:
        expect(page.locator("tbody tr", has_text=arn)).to_contain_text("waiting")
        assert store.external_id(store.get(arn)) == made
    page.get_by_role("link", name="222222222222").click()
    expect(page.locator("#role pre")).to_contain_text(made)
    page.get_by_role("link", name="Diagnose").click()
    expect(page.locator("#doctor .failed .remedy").first).to_be_visible(timeout=60_000)
    assert violations(page) == []
    page.get_by_text("Remove…").click()
    page.get_by_role("button", name="Remove 222222222222 now").click()
    expect(page.get_by_role("heading", name="AWS", exact=True)).to_be_visible()
    assert arns[0] not in page.locator("main").inner_text()
    audited = untouched.app.audit_list(kind=("setting",)).entries
    assert [each.body["tool"] for each in audited[:2]] == ["accounts_remove", "accounts_connect"]
    assert audited[0].actor.name == EVERYTHING
    assert made not in json.dumps([str(each.body) for each in audited])


@pytest.mark.parametrize("wrong", ["", "arn:aws:iam::222222222222:user/john", "nothing"])
def test_one_wrong_arn_connects_nothing(untouched: Served, wrong: str) -> None:
    right = "arn:aws:iam::222222222222:role/Good\n" if wrong else ""
    with untouched.client(ADMIN) as client:
        data = {"csrf": csrf(client), "external_id": "an-id-of-ours", "role_arns": right + wrong}
        answer = client.post("/settings/aws/connect", data=data)
    assert answer.status_code == 400
    assert "Nothing was connected" in answer.text
    assert 'value="an-id-of-ours"' in answer.text
    assert not [each for each in untouched.app.state.connections.list() if each.role_arn.endswith("/Good")]


def test_the_diagnosis_is_the_doctor_s(page: Page, console: Served) -> None:
    role = next(each for each in console.app.state.connections.list() if each.purpose == "respond")
    with console.client(VIEWER) as client:
        told = client.get("/settings/aws/doctor", params={"account": role.role_arn, "format": "json"}).json()
    [diagnosis] = told["diagnoses"]
    page.goto(f"/settings/aws/account?role={role.role_arn}")
    page.get_by_role("link", name="Diagnose").click()
    shown = page.locator("#doctor article")
    expect(shown).to_have_count(1, timeout=60_000)
    for check in diagnosis["checks"]:
        expect(shown).to_contain_text(check["title"])
    expect(shown).to_contain_text("May carry out: Delete an access key")


# ── CrowdStrike ──────────────────────────────────────────────────────────


def test_a_tenant_is_tested_and_connected_anew(page: Page, console: Served, organisation: Running) -> None:
    store = console.app.state.falcon
    known = store.get()
    secret = store.secret(known)
    page.goto("/settings/crowdstrike")
    page.get_by_role("link", name="Test").click()
    expect(page.locator("#tested")).to_contain_text("works", timeout=60_000)
    expect(page.locator("#tested")).to_contain_text("Alerts: read")
    assert violations(page) == []
    page.fill("#base_url", organisation.falcon_endpoint)
    page.fill("#client_id", known.client_id)
    page.fill("#secret", secret)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator("#tested")).to_contain_text("works", timeout=60_000)
    assert secret not in page.content()
    assert (store.get().last_status, store.secret(store.get())) == ("ok", secret)
    assert secret not in json.dumps([str(each.body) for each in console.app.audit_list(limit=500).entries])


def test_a_client_that_falcon_refuses_is_not_kept(console: Served, organisation: Running) -> None:
    before = console.app.state.falcon.get()
    with console.client(ADMIN) as client:
        data = {
            "csrf": csrf(client), "client_id": "f" * 32, "secret": "0123456789wrong", "cloud": "us-1",
            "base_url": organisation.falcon_endpoint,
        }  # fmt: skip
        answer = client.post("/settings/crowdstrike/connect", data=data)
    assert answer.status_code == 400
    assert "Not connected" in answer.text
    assert f'value="{"f" * 32}"' in answer.text
    assert "0123456789wrong" not in answer.text
    assert console.app.state.falcon.get().client_id == before.client_id


# ── without AWS, and keys ────────────────────────────────────────────────


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A console under a name, of an installation without credentials and connections."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    home = tmp_path / "home"
    home.mkdir()
    for name in ("config_file", "credentials_file"):
        (tmp_path / name).touch()
    (home / "config.toml").write_text(
        f'[aws]\nconfig_file = "{tmp_path}/config_file"\ncredentials_file = "{tmp_path}/credentials_file"\n'
    )
    with App.open(home) as app:
        add_people(app)
        with serving(app, name="localhost") as served:
            yield served


def token_of(client: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def test_without_connections_pages_say_what_to_do(alone: Served) -> None:
    with alone.client(ADMIN) as client:
        assert "No account is connected" in client.get("/settings/aws").text
        assert "Connect a tenant" in client.get("/settings/crowdstrike").text
        assert "Nothing was taken in yet" in client.get("/settings/data").text
        empty = client.get("/settings/aws/connect")
        assert "There is no document yet" in empty.text
        assert "Principal of this installation" in empty.text
        named = {
            "csrf": token_of(client, "/ui"),
            "external_id": "an-id-of-ours",
            "principal": "arn:aws:iam::111111111111:role/Server",
        }
        made = client.post("/settings/aws/role", data=named)
        assert "arn:aws:iam::111111111111:role/Server" in made.text
        assert "There is no document yet" not in made.text
        assert client.get("/settings/crowdstrike/test").status_code == 503
    with alone.client(VIEWER) as client:
        assert "An admin connects accounts" in client.get("/settings/aws").text
        assert "No tenant is connected" in client.get("/settings/crowdstrike").text


def test_a_key_is_registered_asked_for_and_removed(alone: Served, browser: Browser) -> None:
    context = browser.new_context(base_url=alone.origin)
    watch, page = Watch(context), context.new_page()
    devices = context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "hasUserVerification": True, "isUserVerified": True}
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, "automaticPresenceSimulation": True}})
    browser_sign_in(page, alone.origin, VIEWER)
    page.goto("/settings/account")
    page.fill("#key-label", "Blue key")
    page.get_by_role("button", name="Register").click()
    expect(page.locator(".keys-list", has_text="Blue key")).to_be_visible()
    assert violations(page) == []
    assert [each.label for each in alone.app.state.authenticators.list(VIEWER)] == ["Blue key"]

    page.get_by_role("button", name="Sign out everywhere").click()
    page.fill("#login", VIEWER)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.get_by_role("button", name="Use your security key").click()
    expect(page.locator("nav.nav")).to_be_visible()
    page.goto("/settings/account")
    page.locator(".keys-list summary").click()
    page.get_by_role("button", name="Remove Blue key now").click()
    expect(page.get_by_text("The authenticator is forgotten")).to_be_visible()
    assert not alone.app.state.authenticators.list(VIEWER)
    context.close()
    assert watch.complaints == []
    with alone.client() as client:
        assert sign_in(client, VIEWER).status_code == 303


# ── people, and their sessions ───────────────────────────────────────────


@pytest.mark.parametrize("look", [WIDE, NARROW], ids=["wide-light", "narrow-dark"])
def test_a_link_leads_from_an_admin_to_a_password(alone: Served, browser: Browser, look: tuple[int, str]) -> None:
    width, scheme = look
    admin, viewer = (
        browser.new_context(base_url=alone.origin, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        for _ in range(2)
    )
    watches = Watch(admin), Watch(viewer)
    page, door = admin.new_page(), viewer.new_page()
    browser_sign_in(page, alone.origin, ADMIN)
    browser_sign_in(door, alone.origin, VIEWER)
    for each in (page, door):
        each.set_viewport_size({"width": width, "height": 900})
    page.goto(f"/settings/people/{VIEWER}")
    expect(page.locator(".keys-list li")).to_have_count(1)
    page.get_by_role("button", name="Make a link").click()
    link = page.locator(".secret").inner_text()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0

    sent: list[str] = []
    viewer.on("request", lambda request: sent.append(f"{request.url} {request.headers.get('referer', '')}"))
    door.goto(link)
    assert violations(door) == []
    door.get_by_label("New password").fill(NEW_PASSWORD)
    door.get_by_label("The same again").fill(NEW_PASSWORD)
    door.get_by_role("button", name="Set the password").click()
    expect(door.get_by_text("The password is set. Sign in with it.")).to_be_visible()
    assert violations(door) == []
    assert all(each.startswith(alone.origin) for each in sent), "the link is told to nobody else"
    door.fill("#login", VIEWER)
    door.fill("#password", NEW_PASSWORD)
    door.click("button[type=submit]")
    expect(door).to_have_url(f"{alone.origin}/")
    for context in (admin, viewer):
        context.close()
    assert [each.complaints for each in watches] == [[], []]


def test_a_session_is_ended_from_the_list(alone: Served, browser: Browser) -> None:
    contexts = [browser.new_context(base_url=alone.origin) for _ in range(2)]
    watch = Watch(contexts[0])
    page, elsewhere = (each.new_page() for each in contexts)
    browser_sign_in(elsewhere, alone.origin, VIEWER)
    browser_sign_in(page, alone.origin, VIEWER)
    page.goto("/settings/account")
    rows = page.locator(".keys-list li")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="this one").get_by_role("button")).to_have_count(0)
    expect(rows.first).to_contain_text("on Linux")
    assert violations(page) == []
    page.get_by_role("button", name=re.compile("^End the session of .* on Linux since")).click()
    expect(page.get_by_text("The session has ended.")).to_be_visible()
    expect(page.locator(".keys-list li")).to_have_count(1)
    elsewhere.goto("/settings/account")
    expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
    for context in contexts:
        context.close()
    assert watch.complaints == []
