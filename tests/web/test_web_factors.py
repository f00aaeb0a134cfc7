"""Second factors at the login: an app's code over HTTP, a security key in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, expect
from web_kit import EVERYTHING, PASSWORD, Served, Watch, add_people, form_token, serving, sign_in, violations

from trailwarden.app import App
from trailwarden.model.proposal import Actor
from trailwarden.state.authenticators import Site

BY = Actor(kind="person", name="setup", via="command_line")
CREATE = """async (options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options));
    return JSON.stringify((await navigator.credentials.create({publicKey})).toJSON());
}"""


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Served]:
    with App.open(tmp_path) as app:
        add_people(app)
        with serving(app, name="localhost") as served:
            yield served


def test_an_app_s_code_is_asked_for_and_used_up(guarded: Served) -> None:
    app = guarded.app
    enrolment = app.state.people.new_totp(EVERYTHING)
    codes = pyotp.TOTP(enrolment.secret)
    # Of half a minute ago: it is still good, and the one of now is not used up by it.
    before = codes.at(int(app.now().timestamp()) - 30)
    app.state.people.set_totp(EVERYTHING, enrolment.secret, before, by=BY, now=app.now())
    with guarded.client() as client:
        step = sign_in(client, EVERYTHING).text.partition('name="step" value="')[2].partition('"')[0]
        assert step
        assert client.get("/ui").status_code == 303
        data = {"step": step, "csrf": form_token(client)}
        assert client.post("/login/second", data=data | {"code": "000000"}).status_code == 401
        now = codes.at(int(app.now().timestamp()))
        answer = client.post("/login/second?next=/ui", data=data | {"code": f" {now[:3]} {now[3:]}"})
        assert answer.headers["location"] == "/ui"
        assert client.get("/ui").status_code == 200
    with guarded.client() as client:
        step = sign_in(client, EVERYTHING).text.partition('name="step" value="')[2].partition('"')[0]
        data = {"step": step, "csrf": form_token(client), "code": now}
        assert client.post("/login/second", data=data).status_code == 401


def test_a_security_key_signs_in(guarded: Served, browser: Browser) -> None:
    context = browser.new_context(base_url=guarded.origin)
    watch, page = Watch(context), context.new_page()
    devices = context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "hasUserVerification": True, "isUserVerified": True}
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, "automaticPresenceSimulation": True}})
    site, store = Site(guarded.origin), guarded.app.state.authenticators
    page.goto("/login")
    begun = store.begin_registration(EVERYTHING, site=site, now=guarded.app.now())
    made = page.evaluate(CREATE, begun.options)
    store.register(begun.token, made, label="Test key", site=site, by=BY, now=guarded.app.now())

    page.fill("#login", EVERYTHING)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Use your security key").click()
    expect(page.locator("nav.nav")).to_be_visible()
    context.close()
    assert watch.complaints == []
