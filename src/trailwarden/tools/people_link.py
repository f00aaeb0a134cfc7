"""Say who a person is elsewhere."""

from typing import Annotated

from msgspec import Meta

from ..errors import UsageError
from ..installation import Installation
from ..tool import tool
from ._people import Login, PersonSaved, saved


@tool(
    effect="setup",
    title="Say who a person is on the command line, or at the identity provider",
    examples=(
        "trailwarden people link jane@company.com --os-user jane",
        "trailwarden people link john@company.com --no-os-user",
        "trailwarden people link jane@company.com --oidc-subject 00u1abcd2EFGHIJKL3x4",
    ),
)
def people_link(
    app: Installation,
    login: Login,
    *,
    os_user: Annotated[str | None, Meta(description="User of the operating system", extra={"metavar": "USER"})] = None,
    no_os_user: Annotated[bool, Meta(description="Take the user of the operating system away")] = False,
    oidc_subject: Annotated[
        str | None, Meta(description="`sub` of the person at console.oidc_issuer", extra={"metavar": "SUB"})
    ] = None,
) -> PersonSaved:
    """Say as which user a person uses the command line, or as which subject they sign in with OpenID Connect.

    What a user of the operating system proposes on the command line is then the person's, so that they cannot approve
    it themselves. Who has a user that is to be another person's gives it up first. A subject is linked by its id alone:
    an email address may be another's tomorrow.

    Raises:
        UsageError: no such person, nothing to link, it is somebody else's, or no issuer is set.
    """
    if os_user is None and oidc_subject is None and not no_os_user:
        raise UsageError("there is nothing to link", remedy="give --os-user, --oidc-subject or both")
    if os_user is not None and no_os_user:
        raise UsageError("a user of the operating system is given and taken away", remedy="give one of the two")
    issuer, people = app.settings.console.oidc_issuer, app.state.people
    if oidc_subject is not None and not issuer:
        raise UsageError("no OpenID Connect provider is set", remedy="set console.oidc_issuer in config.toml")
    person = people.get(login)
    if os_user is not None or no_os_user:
        person = people.set_os_user(login, os_user, by=app.actor, now=app.now())
    if oidc_subject is not None:
        person = people.link_oidc(login, issuer, oidc_subject, by=app.actor, now=app.now())
    return saved(app, person)
