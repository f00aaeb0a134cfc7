"""The API tokens."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..access import ApiToken
from ..installation import Installation
from ..tool import tool


class TokenList(msgspec.Struct, frozen=True):
    """API tokens, also those that hold no more; the last made first."""

    tokens: tuple[ApiToken, ...]


@tool(
    effect="read",
    title="List the API tokens",
    examples=("trailwarden tokens list", "trailwarden tokens list jane@company.com"),
)
def tokens_list(
    app: Installation,
    login: Annotated[
        str | None, Meta(description="Only this person's", extra={"argument": True, "metavar": "[LOGIN]"})
    ] = None,
) -> TokenList:
    """API tokens: whose they are, what they may do, until when, and when they were last used.

    Raises:
        UsageError: no such person.
    """
    return TokenList(tuple(app.state.tokens.list(login)))
