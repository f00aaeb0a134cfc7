"""Make an API token useless."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..access import ApiToken
from ..installation import Installation
from ..tool import tool


class TokenRevoked(msgspec.Struct, frozen=True):
    """The token that holds no more."""

    token: ApiToken


@tool(effect="setup", title="Revoke an API token", examples=("trailwarden tokens revoke 0f3a9c21d4e87b65",))
def tokens_revoke(
    app: Installation,
    id_: Annotated[
        str, Meta(description="The token's id, as `tokens list` shows it", extra={"argument": True, "metavar": "ID"})
    ],
) -> TokenRevoked:
    """Make a token useless at once, and for good.

    Raises:
        UsageError: no such token, or it is revoked already.
    """
    return TokenRevoked(app.state.tokens.revoke(id_, by=app.actor, now=app.now()))
