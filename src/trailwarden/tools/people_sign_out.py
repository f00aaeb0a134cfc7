"""End a person's sessions."""

import msgspec

from ..installation import Installation
from ..tool import tool
from ._people import Login


class SignedOut(msgspec.Struct, frozen=True):
    """Whose sessions ended, and how many there were."""

    login: str
    sessions: int


@tool(
    effect="setup",
    title="Sign a person out everywhere",
    command="people sign-out",
    examples=("trailwarden people sign-out john@company.com",),
)
def people_sign_out(app: Installation, login: Login) -> SignedOut:
    """End every session of a person in the console. They can sign in again; `people disable` keeps them out.

    Raises:
        UsageError: no such person.
    """
    person = app.state.people.get(login)
    return SignedOut(person.login, app.state.sessions.end_all(login, by=app.actor, now=app.now()))
