"""Forget a connection."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..tool import tool


class RemovedAccount(msgspec.Struct, frozen=True):
    """What was forgotten, and what remains."""

    account: str
    role_arn: str
    note: str


@tool(effect="setup", title="Forget a connected account", examples=("trailwarden accounts remove 222222222222",))
def accounts_remove(
    app: Installation,
    account: Annotated[
        str,
        Meta(
            description="Account id, label or role ARN of the connection",
            extra={"argument": True, "metavar": "ACCOUNT"},
        ),
    ],
) -> RemovedAccount:
    """Forget a connection and its External ID. The role in the account and the records in the lake stay.

    Raises:
        UsageError: no such connection, or several.
    """
    connection = app.state.connections.get(account)
    app.state.connections.remove(connection)
    app.broker.forget(connection)
    app.expect_accounts()
    return RemovedAccount(
        connection.account_id,
        connection.role_arn,
        "The role stays in the account; delete it there if it is not needed.",
    )
