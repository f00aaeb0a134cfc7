"""My account: password, authenticator app, security keys and passkeys, and the sessions."""

from typing import Annotated
from urllib.parse import quote

import msgspec
from fastapi import Form
from starlette.responses import Response

from ....access import KeptSession, Person
from ....errors import Forbidden, UsageError
from ....state.access import shown_id
from ....state.authenticators import Credential, Site
from ....state.people import TotpEnrolment
from ..access import SignedIn
from ..routes import Here, OnPage, Pages
from .settings import Text, confirm_first, is_recent, shown

pages = Pages()
ACCOUNT = "/settings/account"
#: What the page says after a form.
_SAID = {
    "password": "The password is set. Every other session of yours has ended.",
    "totp": "From now on each login asks for a code of the app.",
    "totp-removed": "No login asks for a code any more. Every other session of yours has ended.",
    "passkey": "From now on each login asks for a second factor: this authenticator is one.",
    "passkey-removed": "The authenticator is forgotten. Every other session of yours has ended.",
    "session-ended": "The session has ended.",
    "others-ended": "Every other session of yours has ended.",
}
#: How browsers and systems give themselves away, in the order in which they are looked for: many name others too.
_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "Windows": "Windows",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person, their security keys and passkeys, and their sessions."""

    person: Person
    authenticators: tuple[Credential, ...]
    sessions: tuple[KeptSession, ...]


def account_of(here: Here, login: str) -> Account:
    """A person's account.

    Raises:
        UsageError: no such person.
    """
    state = here.app.state
    return Account(
        person=state.people.get(login),
        authenticators=tuple(state.authenticators.list(login)),
        sessions=here.console.access.sessions_of(login),
    )


def device(agent: str | None) -> str:
    """What a browser says of itself, in short: browser and system, else its beginning. Nobody vouches for it."""
    said = agent or ""
    browser = next((name for mark, name in _BROWSERS.items() if mark in said), None)
    system = next((name for mark, name in _SYSTEMS.items() if mark in said), None)
    if browser is None:
        return said[:60] or "Unnamed browser"
    return browser if system is None else f"{browser} on {system}"


def this_session(here: Here) -> str:
    """The id under which the list has the session that asks for it."""
    return shown_id(_cookie(here))


@pages.get(ACCOUNT, right="read")
def account(here: OnPage, said: str = "") -> Response:
    """Who one is here, and by what one shows it."""
    return _account(here, said=_SAID.get(said, ""))


@pages.post("/settings/account/password", right="read")
def password(here: OnPage, new: Text, again: Text) -> Response:
    """Set one's password, which ends the other sessions."""
    if (first := confirm_first(here, ACCOUNT)) is not None:
        return first
    if new != again:
        differ = UsageError("the two passwords differ", remedy="type the same one twice")
        return _account(here, refused=differ, at="password", status=400)
    try:
        person = here.app.state.people.set_password(_login(here), new, by=here.app.actor, now=here.app.now())
    except UsageError as refused:
        return _account(here, refused=refused, at="password", status=400)
    return _anew(here, person, "password")


@pages.get("/settings/account/totp", right="read")
def totp(here: OnPage) -> Response:
    """A secret for an authenticator app, as a QR code; it is kept with the app's first code."""
    if (first := confirm_first(here, "/settings/account/totp")) is not None:
        return first
    return _totp(here, here.app.state.people.new_totp(_login(here)))


@pages.post("/settings/account/totp", right="read")
def keep_totp(here: OnPage, secret: Annotated[str, Form(max_length=200)], code: Text) -> Response:
    """Keep the secret, if the app gives the code of it."""
    if (first := confirm_first(here, "/settings/account/totp")) is not None:
        return first
    people = here.app.state.people
    try:
        people.set_totp(_login(here), secret, code, by=here.app.actor, now=here.app.now())
    except UsageError as refused:
        return _totp(here, _same(people.new_totp(_login(here)), secret), refused=refused, status=400)
    return here.go(f"{ACCOUNT}?said=totp")


@pages.post("/settings/account/totp/remove", right="read")
def remove_totp(here: OnPage) -> Response:
    """Ask for no code any more."""
    if (first := confirm_first(here, ACCOUNT)) is not None:
        return first
    person = here.app.state.people.remove_totp(_login(here), by=here.app.actor, now=here.app.now())
    return _anew(here, person, "totp-removed")


@pages.post("/settings/account/passkeys/begin", right="read")
def begin_passkey(here: OnPage) -> Response:
    """What the browser asks an authenticator for a new credential, as JSON."""
    if not is_recent(here):
        raise Forbidden("a new key takes a recent login", remedy="confirm that it is you, at the top of this page")
    app = here.app
    return here.data(app.state.authenticators.begin_registration(_login(here), site=_site(here), now=app.now()))


@pages.post("/settings/account/passkeys", right="read")
def keep_passkey(here: OnPage, token: Text, answer: Text, label: Text) -> Response:
    """Keep the credential that the authenticator made."""
    if (first := confirm_first(here, ACCOUNT)) is not None:
        return first
    app = here.app
    try:
        app.state.authenticators.register(token, answer, label=label, site=_site(here), by=app.actor, now=app.now())
    except UsageError as refused:
        return _account(here, refused=refused, at="passkeys", status=400)
    return here.go(f"{ACCOUNT}?said=passkey")


@pages.post("/settings/account/passkeys/remove", right="read")
def remove_passkey(here: OnPage, id: Text) -> Response:  # noqa: A002 - the credential's own word
    """Forget an authenticator."""
    if (first := confirm_first(here, ACCOUNT)) is not None:
        return first
    app, login = here.app, _login(here)
    try:
        app.state.authenticators.remove(login, id, by=app.actor, now=app.now())
    except UsageError as refused:
        return _account(here, refused=refused, at="passkeys", status=400)
    return _anew(here, app.state.people.get(login), "passkey-removed")


@pages.post("/settings/account/sessions/end", right="read")
def end_session(here: OnPage, id: Text) -> Response:  # noqa: A002 - the list's own word
    """End one of one's sessions."""
    app = here.app
    if id == this_session(here):
        here.console.access.end(_cookie(here))
        return _signed_out(here)
    try:
        app.state.sessions.end_one(_login(here), id, by=app.actor, now=app.now())
    except UsageError as refused:
        return _account(here, refused=refused, at="sessions", status=400)
    return here.go(f"{ACCOUNT}?said=session-ended")


@pages.post("/settings/account/sessions/end-others", right="read")
def end_other_sessions(here: OnPage) -> Response:
    """End every session of one's own but this one."""
    app = here.app
    app.state.sessions.end_others(_cookie(here), by=app.actor, now=app.now())
    return here.go(f"{ACCOUNT}?said=others-ended")


@pages.post("/settings/account/sign-out", right="read")
def sign_out_everywhere(here: OnPage) -> Response:
    """End every session of one's own, this one too."""
    here.app.state.sessions.end_all(_login(here), by=here.app.actor, now=here.app.now())
    return _signed_out(here)


def _account(
    here: Here, *, said: str = "", refused: UsageError | None = None, at: str = "", status: int = 200
) -> Response:
    named = _site(here).id
    return shown(
        here,
        "settings/account.html",
        account_of(here, _login(here)),
        name="account",
        status=status,
        said=said,
        refused=refused,
        at=at,
        # Browsers bind credentials to names; an address has none.
        nameless=named.replace(".", "").isdigit() or ":" in named,
        site=named,
        this=this_session(here),
        device=device,
    )


def _totp(here: Here, enrolment: TotpEnrolment, *, refused: UsageError | None = None, status: int = 200) -> Response:
    import segno  # noqa: PLC0415

    drawn = segno.make(enrolment.uri, micro=False).svg_data_uri(scale=5, border=2, dark="#14201b", light="#ffffff")
    return shown(here, "settings/totp.html", enrolment, name="totp", status=status, picture=drawn, refused=refused)


def _same(fresh: TotpEnrolment, secret: str) -> TotpEnrolment:
    """The enrolment that the page offered already: the app has its secret."""
    return TotpEnrolment(secret=secret, uri=fresh.uri.replace(fresh.secret, quote(secret)))


def _anew(here: Here, person: Person, said: str) -> Response:
    """On in a new session: the change has ended all of the person's. It shows nothing anew of who they are."""
    known = SignedIn(person, here.session.authenticated_at)
    session = here.console.access.start(known, address=here.address, agent=here.agent, replaces=None)
    response = here.go(f"{ACCOUNT}?said={said}")
    here.console.cookies.set_session(response, session)
    return response


def _signed_out(here: Here) -> Response:
    response = here.go("/login")
    here.console.cookies.drop_session(response)
    return response


def _cookie(here: Here) -> str:
    session = here.console.cookies.session(here.request)
    assert session is not None
    return session


def _login(here: Here) -> str:
    return here.session.person.login


def _site(here: Here) -> Site:
    return Site(here.console.origins[0])
