"""Let a person in again."""

from ..installation import Installation
from ..tool import tool
from ._people import Login, PersonSaved, saved


@tool(effect="setup", title="Let a person in again", examples=("trailwarden people enable john@company.com",))
def people_enable(app: Installation, login: Login) -> PersonSaved:
    """Let a person in again who was shut out; tokens that have not expired or been revoked hold again.

    Raises:
        UsageError: no such person.
    """
    return saved(app, app.state.people.set_disabled(login, False, by=app.actor, now=app.now()))
