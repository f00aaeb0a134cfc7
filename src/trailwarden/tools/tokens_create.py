"""Make an API token."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..access import TOKEN_DAYS, TOKEN_MOST_DAYS, ApiToken, Scope
from ..installation import Installation
from ..tool import tool
from ._people import Login


class TokenCreated(msgspec.Struct, frozen=True, kw_only=True):
    """The token, whose text nobody can be told again."""

    secret: str
    token: ApiToken


@tool(
    effect="setup",
    title="Make an API token for a person",
    examples=(
        "trailwarden tokens create jane@company.com --name 'nightly report'",
        "trailwarden tokens create jane@company.com --name ticketing --scope propose --days 30",
    ),
)
def tokens_create(
    app: Installation,
    login: Login,
    *,
    name: Annotated[str, Meta(description="What it is for", extra={"metavar": "NAME"})],
    scope: Annotated[
        tuple[Scope, ...],
        Meta(description="What it may do; repeat it for several; read if not given"),
    ] = (),
    days: Annotated[int, Meta(ge=1, le=TOKEN_MOST_DAYS, description="For how many days it holds")] = TOKEN_DAYS,
) -> TokenCreated:
    """Make a token for the HTTP API, and show it once; this installation keeps its hash alone.

    It may do what its scopes say, as far as its person may: read asks, propose files proposals too. No token approves,
    rejects, carries out or administers anything.

    Raises:
        UsageError: no such person, or not a name.
    """
    scopes = scope or ("read",)
    secret, token = app.state.tokens.create(login, name, scopes=scopes, days=days, by=app.actor, now=app.now())
    return TokenCreated(secret=secret, token=token)
