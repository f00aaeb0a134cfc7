"""Say what a person may do."""

from typing import Annotated

from msgspec import Meta

from ..access import Role
from ..installation import Installation
from ..tool import tool
from ._people import Login, PersonSaved, saved


@tool(
    effect="setup",
    title="Give a person roles, in place of those they have",
    examples=("trailwarden people roles omar@company.com --role responder --role approver",),
)
def people_roles(
    app: Installation,
    login: Login,
    *,
    role: Annotated[
        tuple[Role, ...],
        Meta(description="What they may do; repeat it for several"),
    ] = (),
) -> PersonSaved:
    """Give a person these roles and no others. It holds at once, also in the sessions and tokens they have.

    Raises:
        UsageError: no such person, no role given, or nobody would be admin any more.
    """
    return saved(app, app.state.people.set_roles(login, role, by=app.actor, now=app.now()))
