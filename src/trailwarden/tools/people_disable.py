"""Shut a person out."""

from ..installation import Installation
from ..tool import tool
from ._people import Login, PersonSaved, saved


@tool(effect="setup", title="Shut a person out", examples=("trailwarden people disable john@company.com",))
def people_disable(app: Installation, login: Login) -> PersonSaved:
    """Shut a person out: their sessions end at once, and their tokens do nothing until `people enable`.

    Raises:
        UsageError: no such person, or nobody would be admin any more.
    """
    return saved(app, app.state.people.set_disabled(login, True, by=app.actor, now=app.now()))
