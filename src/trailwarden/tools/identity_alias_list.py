"""The alias list."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.directory import Alias
from ..tool import tool


class AliasList(msgspec.Struct, frozen=True):
    """Names that this installation's keepers tied to a person, or cut from one (``denies``)."""

    aliases: tuple[Alias, ...]


@tool(
    effect="read",
    title="List the names that were said to be a person's",
    command="identity alias list",
    examples=("trailwarden identity alias list", "trailwarden identity alias list john@company.com"),
)
def identity_alias_list(
    app: Installation,
    person: Annotated[
        str | None, Meta(description="Only this person's", extra={"argument": True, "metavar": "[PERSON]"})
    ] = None,
) -> AliasList:
    """The alias list: who said when, and why, that a name is a person's."""
    return AliasList(tuple(app.state.aliases.list(person)))
