"""Take a name off the alias list."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.directory import Alias
from ..model.session import IdentifierKind
from ..tool import tool


class AliasRemoved(msgspec.Struct, frozen=True):
    """What is no longer on the list."""

    alias: Alias


@tool(
    effect="setup",
    title="Take a name off the alias list",
    command="identity alias remove",
    examples=("trailwarden identity alias remove john@company.com jsmith --kind iam_user_name",),
)
def identity_alias_remove(
    app: Installation,
    person: Annotated[str, Meta(description="The person, by email", extra={"argument": True, "metavar": "PERSON"})],
    name: Annotated[str, Meta(description="The name", extra={"argument": True, "metavar": "NAME"})],
    *,
    kind: Annotated[IdentifierKind, Meta(description="What kind of name it is")] = "iam_user_name",
    account: Annotated[str | None, Meta(description="Only in this account", extra={"metavar": "ACCOUNT"})] = None,
) -> AliasRemoved:
    """Take a name off the alias list.

    Raises:
        UsageError: it is not on the list.
    """
    return AliasRemoved(app.state.aliases.remove(person.strip(), kind, name.strip(), account))
