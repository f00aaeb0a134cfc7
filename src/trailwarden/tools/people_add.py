"""Let somebody in."""

from typing import Annotated

from msgspec import Meta

from ..access import Role
from ..installation import Installation
from ..tool import tool
from ._people import PersonSaved, saved


@tool(
    effect="setup",
    title="Add a person",
    examples=(
        "trailwarden people add jane@company.com --role responder --role approver --role admin --os-user jane",
        "trailwarden people add omar@company.com --role approver --name 'Omar Aziz'",
    ),
)
def people_add(
    app: Installation,
    login: Annotated[
        str, Meta(description="Email address or name to sign in with", extra={"argument": True, "metavar": "LOGIN"})
    ],
    *,
    role: Annotated[
        tuple[Role, ...],
        Meta(description="What they may do; repeat it for several; viewer if not given"),
    ] = (),
    name: Annotated[
        str, Meta(description="Name that is shown; the login if not given", extra={"metavar": "NAME"})
    ] = "",
    os_user: Annotated[
        str | None,
        Meta(description="User of the operating system who they are on the command line", extra={"metavar": "USER"}),
    ] = None,
) -> PersonSaved:
    """Add a person, who can sign in once `people password` has set a password or a provider's subject is linked.

    Roles: a viewer looks, a responder proposes, an approver decides, an admin keeps people, connections and settings.
    An admin is no approver. The first person must be admin; from then on the owner of the home folder is nobody
    special to the console, and decisions on the command line ask for a login.

    Raises:
        UsageError: not a login, a name or a role; somebody has that login already; or nobody would be admin.
    """
    roles = role or ("viewer",)
    person = app.state.people.add(login, name=name, roles=roles, os_user=os_user, by=app.actor, now=app.now())
    return saved(app, person)
