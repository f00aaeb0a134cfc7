"""The connected accounts."""

from datetime import datetime

import msgspec

from ..installation import Installation
from ..tool import tool


class ConnectedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One connection. ``status`` is what the last diagnosis said; None if there was none yet."""

    account: str
    label: str
    role_arn: str
    purpose: str
    status: str | None
    last_checked: datetime | None
    connected: datetime


class ConnectedAccounts(msgspec.Struct, frozen=True):
    """Every connection of this installation, by account."""

    accounts: tuple[ConnectedAccount, ...]


@tool(effect="read", title="List the connected accounts", examples=("trailwarden accounts list",))
def accounts_list(app: Installation) -> ConnectedAccounts:
    """The connected accounts, each with what the last doctor said. External IDs are not shown."""
    return ConnectedAccounts(
        tuple(
            ConnectedAccount(
                account=each.account_id,
                label=each.label,
                role_arn=each.role_arn,
                purpose=each.purpose,
                status=each.last_status,
                last_checked=each.last_checked,
                connected=each.created_at,
            )
            for each in app.state.connections.list()
        )
    )
