"""Forget a person."""

from ..access import four_eyes_notice
from ..installation import Installation
from ..tool import tool
from ._people import Login, PersonSaved


@tool(effect="setup", title="Remove a person", examples=("trailwarden people remove john@company.com",))
def people_remove(app: Installation, login: Login) -> PersonSaved:
    """Forget a person: their sessions end, their tokens hold no more. What they did stays in the audit chain.

    To shut somebody out and keep what is known of them, use `people disable`.

    Raises:
        UsageError: no such person, or nobody would be admin any more.
    """
    gone = app.state.people.remove(login, by=app.actor, now=app.now())
    notice = four_eyes_notice(app.state.people.approvers())
    return PersonSaved(person=gone, notes=(notice,) if notice else ())
