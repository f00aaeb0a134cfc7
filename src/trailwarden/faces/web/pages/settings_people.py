"""People, their roles, and API tokens."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Form
from starlette.responses import Response

from ....access import RIGHTS, ROLES, SCOPES, TOKEN_DAYS, TOKEN_MOST_DAYS, ApiToken, Right
from ....errors import Forbidden, TrailwardenError, UsageError
from ....respond.approval import same_person
from ....state.people import PasswordLink
from ....tools.tokens_create import TokenCreated
from ....tools.tokens_list import TokenList
from ..routes import Here, OnPage, Pages
from .settings import Text, confirm_first, shown
from .settings_account import account_of, device, this_session

pages = Pages()
PEOPLE, TOKENS = "/settings/people", "/settings/tokens"
Chosen = Annotated[list[str] | None, Form()]
#: What each right lets somebody do, in the console's words.
RIGHT_WORDS: dict[Right, str] = {
    "read": "Ask, search, look at everything that was found",
    "propose": "Propose an action",
    "decide": "Approve, reject, settle",
    "execute": "Have carried out what was approved",
    "audit": "Read, verify and export the audit chain",
    "administer": "People, tokens of others, connections, settings",
}


@pages.get(PEOPLE, right="administer")
def people(here: OnPage) -> Response:
    """Everybody, and what each may do."""
    return _people(here)


@pages.post("/settings/people/add", right="administer")
def add(here: OnPage, login: Text, name: Text = "", role: Chosen = None, oidc_subject: Text = "") -> Response:
    """Add a person, linked with a subject of the provider if one is given."""

    def change() -> None:
        if oidc_subject.strip() and not here.console.app.settings.console.oidc_issuer:
            raise UsageError("no OpenID Connect provider is set", remedy="set console.oidc_issuer in config.toml")
        here.app.people_add(login, name=name, role=tuple(role or ()))
        if oidc_subject.strip():
            here.app.people_link(login, oidc_subject=oidc_subject.strip())

    return _changed(here, change, at="add", given={"login": login, "name": name, "role": role or []}, then=login)


@pages.get("/settings/people/{login:path}", right="administer")
def person(here: OnPage, login: str) -> Response:
    """One person."""
    return _person(here, login)


@pages.post("/settings/people/roles", right="administer")
def roles(here: OnPage, login: Text, role: Chosen = None) -> Response:
    """Give a person these roles and no others."""
    return _changed(here, lambda: here.app.people_roles(login, role=tuple(role or ())), at="roles", then=login)


@pages.post("/settings/people/disable", right="administer")
def disable(here: OnPage, login: Text) -> Response:
    """Shut a person out."""
    return _changed(here, lambda: here.app.people_disable(login), at="access", then=login)


@pages.post("/settings/people/enable", right="administer")
def enable(here: OnPage, login: Text) -> Response:
    """Let a person in again."""
    return _changed(here, lambda: here.app.people_enable(login), at="access", then=login)


@pages.post("/settings/people/sign-out", right="administer")
def sign_out(here: OnPage, login: Text) -> Response:
    """End a person's sessions."""
    return _changed(here, lambda: here.app.people_sign_out(login), at="access", then=login)


@pages.post("/settings/people/link", right="administer")
def link_subject(here: OnPage, login: Text, oidc_subject: Text) -> Response:
    """Say as which subject of the provider a person signs in."""
    return _changed(
        here, lambda: here.app.people_link(login, oidc_subject=oidc_subject.strip() or None), at="link", then=login
    )


@pages.post("/settings/people/password", right="administer")
def set_password(here: OnPage, login: Text, new: Text) -> Response:
    """Set a person's password, which they change in their account."""
    app = here.app

    def change() -> None:
        app.state.people.set_password(login, new, by=app.actor, now=app.now())

    return _changed(here, change, at="password", then=login)


@pages.post("/settings/people/password-link", right="administer")
def password_link(here: OnPage, login: Text) -> Response:
    """Make a link by which the person sets their password, and show it this once."""
    if (first := confirm_first(here, _address(login))) is not None:
        return first
    app = here.app
    try:
        made = app.state.people.password_link(login, by=app.actor, now=app.now())
    except UsageError as refused:
        return _person(here, login, refused=refused, at="password", status=400)
    return _person(here, login, made=made)


@pages.post("/settings/people/passkeys/remove", right="administer")
def remove_passkey(here: OnPage, login: Text, id: Text) -> Response:  # noqa: A002 - the credential's own word
    """Forget a person's authenticator, as when it is lost."""
    app = here.app
    return _changed(
        here,
        lambda: app.state.authenticators.remove(login, id, by=app.actor, now=app.now()),
        at="factors",
        then=login,
    )


@pages.post("/settings/people/sessions/end", right="administer")
def end_session(here: OnPage, login: Text, id: Text) -> Response:  # noqa: A002 - the list's own word
    """End one of a person's sessions."""
    app = here.app
    return _changed(
        here, lambda: app.state.sessions.end_one(login, id, by=app.actor, now=app.now()), at="sessions", then=login
    )


@pages.post("/settings/people/totp/remove", right="administer")
def remove_totp(here: OnPage, login: Text) -> Response:
    """Ask a person for no code any more, as when the device is lost."""
    app = here.app
    return _changed(
        here, lambda: app.state.people.remove_totp(login, by=app.actor, now=app.now()), at="factors", then=login
    )


@pages.post("/settings/people/remove", right="administer")
def remove(here: OnPage, login: Text, typed: Text = "") -> Response:
    """Forget a person."""

    def change() -> None:
        if same_person(typed.strip()) != same_person(login):
            raise UsageError("nobody was removed", remedy="type the person's login to confirm")
        here.app.people_remove(login)

    return _changed(here, change, at="remove", then=login, gone=True)


@pages.get(TOKENS, right="read")
def tokens(here: OnPage) -> Response:
    """API tokens: an admin's view has everybody's, others see their own."""
    return _tokens(here)


@pages.post("/settings/tokens/create", right="read")
def create_token(
    here: OnPage,
    name: Text,
    login: Text = "",
    scope: Chosen = None,
    days: Annotated[int, Form(ge=1, le=TOKEN_MOST_DAYS)] = TOKEN_DAYS,
) -> Response:
    """Make a token, and show it this once."""
    if (first := confirm_first(here, TOKENS)) is not None:
        return first
    whose = login.strip() or here.session.person.login
    if not here.may("administer") and same_person(whose) != same_person(here.session.person.login):
        raise Forbidden("a token of somebody else's takes the role admin", remedy="make one of your own")
    try:
        made: TokenCreated = here.app.tokens_create(whose, name=name, scope=tuple(scope or ()), days=days)
    except UsageError as refused:
        return _tokens(here, refused=refused, given={"name": name, "days": days}, status=400)
    if here.format is not None:
        return here.data(made, name="token")
    return _tokens(here, made=made)


@pages.post("/settings/tokens/revoke", right="read")
def revoke_token(here: OnPage, id: Text) -> Response:  # noqa: A002 - the token's own word
    """Make a token useless."""
    app = here.app
    try:
        if here.may("administer"):
            app.tokens_revoke(id)
        else:
            app.state.tokens.revoke(id, by=app.actor, now=app.now(), of=here.session.person.login)
    except UsageError as refused:
        return _tokens(here, refused=refused, status=400)
    return here.go(TOKENS)


def _changed(
    here: Here,
    change: Callable[[], Any],
    *,
    at: str,
    then: str,
    given: dict[str, Any] | None = None,
    gone: bool = False,
) -> Response:
    """Make a change, and go on to whom it was made to; or say why not, where the form is."""
    page = PEOPLE if at == "add" else _address(then)
    if (first := confirm_first(here, page)) is not None:
        return first
    try:
        change()
    except UsageError as refused:
        if at == "add":
            return _people(here, refused=refused, given=given, status=400)
        return _person(here, then, refused=refused, at=at, status=400)
    return here.go(PEOPLE if gone else _address(then.strip()))


def _address(login: str) -> str:
    return f"{PEOPLE}/{quote(login, safe='@')}"


def _people(
    here: Here, *, refused: TrailwardenError | None = None, given: dict[str, Any] | None = None, status: int = 200
) -> Response:
    return shown(
        here,
        "settings/people.html",
        here.app.people_list(),
        name="people",
        status=status,
        refused=refused,
        given={"login": "", "name": "", "role": ["viewer"], **(given or {})},
        roles=ROLES,
        rights=RIGHTS,
        right_words=RIGHT_WORDS,
        issuer=here.console.app.settings.console.oidc_issuer,
        address=_address,
    )


def _person(
    here: Here,
    login: str,
    *,
    refused: TrailwardenError | None = None,
    at: str = "",
    made: PasswordLink | None = None,
    status: int = 200,
) -> Response:
    found = account_of(here, login)
    return shown(
        here,
        "settings/person.html",
        found,
        name="person",
        status=status,
        made=made,
        address=made.address(here.console.origins[0]) if made is not None else "",
        link_until=here.app.state.people.password_link_until(found.person.login, now=here.console.app.now()),
        this=this_session(here),
        device=device,
        refused=refused,
        at=at,
        roles=ROLES,
        issuer=here.console.app.settings.console.oidc_issuer,
    )


def _tokens(
    here: Here,
    *,
    made: TokenCreated | None = None,
    refused: TrailwardenError | None = None,
    given: dict[str, Any] | None = None,
    status: int = 200,
) -> Response:
    everybody = here.may("administer")
    found: TokenList = here.app.tokens_list(None if everybody else here.session.person.login)
    return shown(
        here,
        "settings/tokens.html",
        found,
        name="tokens",
        status=status,
        made=made,
        refused=refused,
        given={"name": "", "days": TOKEN_DAYS, **(given or {})},
        most=TOKEN_MOST_DAYS,
        scopes=SCOPES,
        everybody=everybody,
        holds=lambda token: _holds(here, token),
        people=[each.login for each in here.app.state.people.list()] if everybody else [],
    )


def _holds(here: Here, token: ApiToken) -> str:
    """Whether a token may be used: ``holds``, ``revoked`` or ``expired``."""
    if token.revoked_at is not None:
        return "revoked"
    return "holds" if token.expires > here.console.app.now() else "expired"
