"""Sign in and out, the first run, and showing again who one is."""

from typing import Annotated

from fastapi import Form
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ....access import Person
from ....errors import NotAuthenticated, TrailwardenError, UsageError
from ....state.logins import SecondFactorNeeded
from ..oidc import CALLBACK, Provider
from ..routes import Here, OnPage, Pages, local_path

pages = Pages()
Text = Annotated[str, Form(max_length=20_000)]


@pages.get("/login", right="anyone")
def login(here: OnPage, next: str = "/") -> Response:  # noqa: A002 - the name that addresses use
    """The form; straight on for whoever is signed in."""
    if here.visitor is not None:
        return here.go(local_path(next))
    return here.page("login.html", next=local_path(next), login="", failure="", remedy="")


@pages.post("/login", right="anyone")
def sign_in(here: OnPage, login: Text, password: Text, next: str = "/") -> Response:  # noqa: A002
    """A session for the right password, or the second half of the login."""
    try:
        known = here.console.access.authenticate(login, password, address=here.address)
    except NotAuthenticated as refused:
        return _again(here, "login.html", refused, next=local_path(next), login=login)
    return _known(here, known, action="/login/second", next_page=local_path(next))


@pages.post("/login/second", right="anyone")
def second(here: OnPage, step: Text, code: Text = "", credential: Text = "", next: str = "/") -> Response:  # noqa: A002
    """A session for the right second factor."""
    try:
        person = _second_factor(here, step, code, credential)
    except NotAuthenticated as refused:
        return _again(here, "login.html", refused, next=local_path(next), login="")
    return _known(here, person, action="", next_page=local_path(next))


@pages.get("/login/oidc", right="anyone")
async def begin_oidc(here: OnPage, next: str = "/") -> Response:  # noqa: A002
    """On to the OpenID Connect provider."""
    return await _provider(here).begin(here.request, local_path(next))


@pages.get(CALLBACK, right="anyone")
async def finish_oidc(here: OnPage) -> Response:
    """Back from it."""
    provider = _provider(here)
    subject, next_page = await provider.finish(here.request)

    def known() -> Response:
        person = here.console.access.vouched(subject.issuer, subject.id, address=here.address)
        return _known(here, person, action="/login/second", next_page=local_path(next_page))

    response = await run_in_threadpool(known)
    provider.forget(response)
    return response


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
    return _known(here, person, action="", next_page="/")


@pages.get("/reauthenticate", right="read")
def confirm(here: OnPage, next: str = "/") -> Response:  # noqa: A002
    """The form that asks for the password again."""
    return here.page("reauthenticate.html", next=local_path(next), failure="", remedy="")


@pages.post("/reauthenticate", right="read")
def reauthenticate(here: OnPage, password: Text, next: str = "/") -> Response:  # noqa: A002
    """The same session, its person authenticated now; or the second half of that."""
    try:
        known = here.console.access.authenticate(here.session.person.login, password, address=here.address)
    except NotAuthenticated as refused:
        return _again(here, "reauthenticate.html", refused, next=local_path(next))
    return _known(here, known, action="/reauthenticate/second", next_page=local_path(next))


@pages.post("/reauthenticate/second", right="read")
def reauthenticate_second(
    here: OnPage,
    step: Text,
    code: Text = "",
    credential: Text = "",
    next: str = "/",  # noqa: A002
) -> Response:
    """The same session, its person authenticated now."""
    try:
        person = _second_factor(here, step, code, credential)
    except NotAuthenticated as refused:
        return _again(here, "reauthenticate.html", refused, next=local_path(next))
    return _known(here, person, action="", next_page=local_path(next))


def _known(here: Here, known: Person | SecondFactorNeeded, *, action: str, next_page: str) -> Response:
    """On with somebody who has signed in, in a new session or a renewed one; or the form of the second factor."""
    access = here.console.access
    if isinstance(known, SecondFactorNeeded):
        challenge = access.challenge(known, address=here.address)
        return here.page("second_factor.html", action=action, next=next_page, needed=known, challenge=challenge)
    old = here.console.cookies.session(here.request)
    if here.visitor is not None and here.visitor.person.id == known.id:
        session = access.renew(_session(here), known)
    else:
        session = access.start(known, address=here.address, replaces=old)
    response = here.go(next_page)
    here.console.cookies.set_session(response, session)
    return response


def _second_factor(here: Here, step: str, code: str, credential: str) -> Person:
    return here.console.access.second_factor(
        step, code="".join(code.split()), credential=credential, address=here.address
    )


def _session(here: Here) -> str:
    session = here.console.cookies.session(here.request)
    assert session is not None
    return session


def _again(here: Here, template: str, refused: TrailwardenError, **context: str) -> Response:
    status = 400 if isinstance(refused, UsageError) else 401
    return here.page(template, status=status, failure=refused.message, remedy=refused.remedy, **context)
