"""Sign in and out, the first run, links to set a password, and showing again who one is."""

from typing import Annotated

from fastapi import Form
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ....errors import NotAuthenticated, TrailwardenError, UsageError
from ....state.logins import SecondFactorNeeded
from ...problems import retry_after, status_of
from ..access import SignedIn
from ..oidc import CALLBACK, Flow, Provider, Vouched
from ..routes import Here, OnPage, Pages, local_path

pages = Pages()
Text = Annotated[str, Form(max_length=20_000)]
#: What the form of the login says after another page.
_SAID = {"password": "The password is set. Sign in with it."}


@pages.get("/login", right="anyone")
def login(here: OnPage, next: str = "/", said: str = "") -> Response:  # noqa: A002 - the name that addresses use
    """The form; straight on for whoever is signed in."""
    if here.visitor is not None:
        return here.go(local_path(next))
    return here.page("login.html", next=local_path(next), login="", failure="", remedy="", said=_SAID.get(said, ""))


@pages.post("/login", right="anyone")
def sign_in(here: OnPage, login: Text, password: Text, next: str = "/") -> Response:  # noqa: A002
    """A session for the right password, or the second half of the login."""
    try:
        known = here.console.access.authenticate(login, password, address=here.address)
    except NotAuthenticated as refused:
        return _again(here, "login.html", refused, next=local_path(next), login=login)
    return _known(here, known, next_page=local_path(next))


@pages.post("/login/second", right="anyone")
def second(here: OnPage, step: Text, code: Text = "", credential: Text = "", next: str = "/") -> Response:  # noqa: A002
    """A session for the right second factor."""
    try:
        known = _second_factor(here, step, code, credential)
    except NotAuthenticated as refused:
        return _again(here, "login.html", refused, next=local_path(next), login="")
    return _known(here, known, next_page=local_path(next))


@pages.get("/login/oidc", right="anyone")
async def begin_oidc(here: OnPage, next: str = "/") -> Response:  # noqa: A002
    """On to the OpenID Connect provider."""
    return await _provider(here).begin(here.request, local_path(next))


@pages.get(CALLBACK, right="anyone")
async def finish_oidc(here: OnPage) -> Response:
    """Back from it, signed in or confirmed."""
    provider = _provider(here)
    try:
        flow = provider.under_way(here.request)
    except NotAuthenticated as refused:
        return _again(here, "login.html", refused, next="/", login="")
    try:
        vouched = await provider.finish(here.request, flow)
        response = await run_in_threadpool(_confirmed if flow.confirmation else _vouched, here, vouched, flow)
    except NotAuthenticated as refused:
        next_page = local_path(flow.next)
        if flow.confirmation and here.visitor is not None:
            response = _again(here, "reauthenticate.html", refused, next=next_page)
        else:
            response = _again(here, "login.html", refused, next=next_page, login="")
    provider.forget(response)
    return response


def _vouched(here: Here, vouched: Vouched, flow: Flow) -> Response:
    known = here.console.access.vouched(
        vouched.issuer, vouched.subject, auth_time=vouched.auth_time, address=here.address
    )
    return _known(here, known, next_page=local_path(flow.next))


def _confirmed(here: Here, vouched: Vouched, flow: Flow) -> Response:
    if here.visitor is None:
        raise NotAuthenticated("the session ended before it was confirmed", remedy="sign in")
    known = here.console.access.confirmed(
        flow.confirmation,
        here.visitor.person,
        vouched.issuer,
        vouched.subject,
        auth_time=vouched.auth_time,
        address=here.address,
    )
    return _known(here, known, next_page=local_path(flow.next), again=True)


def _provider(here: Here) -> Provider:
    if here.console.provider is None:
        raise UsageError("no OpenID Connect provider is set up", remedy="sign in with a password")
    return here.console.provider


@pages.post("/logout", right="read")
def logout(here: OnPage) -> Response:
    """The end of the session."""
    here.console.access.end(_session(here))
    response = here.go("/login")
    here.console.cookies.drop_session(response)
    return response


@pages.get("/first-run", right="anyone")
def first_run(here: OnPage, token: str) -> Response:
    """The form of the first person, behind the link that the server printed."""
    return here.page("first_run.html", token=token, login="", name="", failure="", remedy="")


@pages.post("/first-run", right="anyone")
def make_first(here: OnPage, *, token: Text, login: Text, name: Text, password: Text, again: Text) -> Response:
    """The first person, signed in."""
    if password != again:
        differ = UsageError("the two passwords differ", remedy="type the same one twice")
        return _again(here, "first_run.html", differ, token=token, login=login, name=name)
    try:
        person, _ = here.console.access.first_run(token, login=login, name=name, password=password)
    except (UsageError, NotAuthenticated) as refused:
        return _again(here, "first_run.html", refused, token=token, login=login, name=name)
    return _known(here, SignedIn(person, here.console.app.now()), next_page="/")


@pages.get("/set-password", right="anyone")
def password_of_link(here: OnPage, token: str = "") -> Response:
    """The form behind the link that an admin gave, or what became of the link."""
    try:
        person = here.console.access.whose_password(token)
    except NotAuthenticated as void:
        return here.page("set_password.html", token="", login="", failure=void.message, remedy=void.remedy)
    return here.page("set_password.html", token=token, login=person.login, failure="", remedy="")


@pages.post("/set-password", right="anyone")
def set_password_by_link(here: OnPage, token: Text, password: Text, again: Text) -> Response:
    """The password is set; whose it is signs in with it, and with their second factor."""
    access = here.console.access
    try:
        person = access.whose_password(token)
        if password != again:
            differ = UsageError("the two passwords differ", remedy="type the same one twice")
            return _again(here, "set_password.html", differ, token=token, login=person.login)
        access.set_password(token, password)
    except UsageError as refused:
        return _again(here, "set_password.html", refused, token=token, login=person.login)
    except NotAuthenticated as void:
        return _again(here, "set_password.html", void, token="", login="")
    return here.go("/login?said=password")


@pages.get("/reauthenticate", right="read")
def confirm(here: OnPage, next: str = "/") -> Response:  # noqa: A002
    """The form that asks for the password again, or leads to the person's identity provider."""
    return here.page("reauthenticate.html", next=local_path(next), failure="", remedy="")


@pages.post("/reauthenticate", right="read")
def reauthenticate(here: OnPage, password: Text, next: str = "/") -> Response:  # noqa: A002
    """The same session, its person authenticated now; or the second half of that."""
    try:
        known = here.console.access.authenticate(here.session.person.login, password, address=here.address, again=True)
    except NotAuthenticated as refused:
        return _again(here, "reauthenticate.html", refused, next=local_path(next))
    return _known(here, known, next_page=local_path(next), again=True)


@pages.get("/reauthenticate/oidc", right="read")
async def begin_confirmation(here: OnPage, next: str = "/") -> Response:  # noqa: A002
    """On to the OpenID Connect provider, which asks the person again who they are."""
    provider, person = _provider(here), here.session.person
    if person.oidc != provider.issuer:
        raise UsageError(f"you are not linked with {provider.name}", remedy="confirm with a password")
    token = await run_in_threadpool(here.console.access.begin_confirmation, person, address=here.address)
    return await provider.begin(here.request, local_path(next), confirmation=token)


@pages.post("/reauthenticate/second", right="read")
def reauthenticate_second(
    here: OnPage,
    step: Text,
    code: Text = "",
    credential: Text = "",
    next: str = "/",  # noqa: A002
) -> Response:
    """The same session, its person authenticated when they showed the first half."""
    try:
        known = _second_factor(here, step, code, credential, again=True)
        return _known(here, known, next_page=local_path(next), again=True)
    except NotAuthenticated as refused:
        return _again(here, "reauthenticate.html", refused, next=local_path(next))


def _known(here: Here, known: SignedIn | SecondFactorNeeded, *, next_page: str, again: bool = False) -> Response:
    """On with somebody who has signed in, in a new session, or ``again``, in theirs; or the form of the second factor.

    Raises:
        NotAuthenticated: it is somebody else than whose session it is.
    """
    access = here.console.access
    if isinstance(known, SecondFactorNeeded):
        challenge = access.challenge(known, address=here.address)
        action = "/reauthenticate/second" if again else "/login/second"
        return here.page("second_factor.html", action=action, next=next_page, needed=known, challenge=challenge)
    if again:
        session = access.renew(_session(here), known)
    else:
        old = here.console.cookies.session(here.request)
        session = access.start(known, address=here.address, agent=here.agent, replaces=old)
    response = here.go(next_page)
    here.console.cookies.set_session(response, session)
    return response


def _second_factor(here: Here, step: str, code: str, credential: str, *, again: bool = False) -> SignedIn:
    return here.console.access.second_factor(
        step, code="".join(code.split()), credential=credential, address=here.address, again=again
    )


def _session(here: Here) -> str:
    session = here.console.cookies.session(here.request)
    assert session is not None
    return session


def _again(here: Here, template: str, refused: TrailwardenError, **context: str) -> Response:
    said = here.page(template, status=status_of(refused), failure=refused.message, remedy=refused.remedy, **context)
    said.headers.update(retry_after(refused))
    return said
