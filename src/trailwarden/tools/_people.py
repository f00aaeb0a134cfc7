"""What the tools about people share."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..access import Person, four_eyes_notice
from ..installation import Installation

Login = Annotated[
    str, Meta(description="The person's login, in any case", extra={"argument": True, "metavar": "LOGIN"})
]


class PersonSaved(msgspec.Struct, frozen=True, kw_only=True):
    """A person as they are now; ``notes`` say what follows from it for everybody."""

    person: Person
    notes: tuple[str, ...] = ()


def saved(app: Installation, person: Person) -> PersonSaved:
    """A person who was just changed, with what has to be said."""
    notes = [four_eyes_notice(app.state.people.approvers())]
    if not person.password and person.oidc is None:
        notes.append(f"{person.login} cannot sign in yet: `trailwarden people password {person.login}` sets a password")
    return PersonSaved(person=person, notes=tuple(note for note in notes if note))
