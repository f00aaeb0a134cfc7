"""Say that a name is a person's."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.directory import Alias
from ..model.session import IdentifierKind
from ..tool import tool


class AliasSaved(msgspec.Struct, frozen=True):
    """What was written; ``outcome`` is added, replaced (it said something else before) or unchanged."""

    alias: Alias
    outcome: str


@tool(
    effect="setup",
    title="Say that a name is a person's",
    command="identity alias add",
    examples=(
        "trailwarden identity alias add john@company.com jsmith --account 222222222222 --reason 'HR list, 2026-11-03'",
        "trailwarden identity alias add john@company.com john --kind session_name --deny --reason 'another John'",
    ),
)
def identity_alias_add(
    app: Installation,
    person: Annotated[str, Meta(description="The person, by email", extra={"argument": True, "metavar": "PERSON"})],
    name: Annotated[str, Meta(description="The name", extra={"argument": True, "metavar": "NAME"})],
    *,
    kind: Annotated[IdentifierKind, Meta(description="What kind of name it is")] = "iam_user_name",
    account: Annotated[str | None, Meta(description="Only in this account", extra={"metavar": "ACCOUNT"})] = None,
    deny: Annotated[bool, Meta(description="Say that the name is not this person's")] = False,
    reason: Annotated[str, Meta(description="How you know: kept, and shown as evidence")],
) -> AliasSaved:
    """Keep that a name is a person's, with the reason and who says so. Answers show such a link as taken from the list.

    The email of an Identity Center user, tags of IAM users and names in the records need no alias.

    Raises:
        UsageError: an empty person, name or reason, or one that is too long.
    """
    alias = Alias(
        person=person.strip(), kind=kind, value=name.strip(), account=account, denies=deny, reason=reason.strip(),
        added=app.now(), added_by=app.actor.name,
    )  # fmt: skip
    return AliasSaved(alias, app.state.aliases.add(alias))
