"""Who may sign in."""

import msgspec

from ..access import Person, four_eyes_notice
from ..installation import Installation
from ..tool import tool


class PeopleList(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody who was added. ``single_user`` is whose installation it is while there is nobody."""

    people: tuple[Person, ...]
    single_user: str | None
    notes: tuple[str, ...]


@tool(effect="read", title="List the people and their roles", examples=("trailwarden people list",))
def people_list(app: Installation) -> PeopleList:
    """Everybody who may sign in: their roles, by what they show who they are, and when they last did."""
    notice = four_eyes_notice(app.state.people.approvers())
    return PeopleList(
        people=tuple(app.state.people.list()),
        single_user=app.state.people.single_user(),
        notes=(notice,) if notice else (),
    )
