"""What a connection to an AWS account is: the role to assume there, and what to call it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from ..model.arn import Arn, parse_role_arn

#: ``read`` roles are assumed by every tool; ``respond`` roles only to carry out an approved proposal.
Purpose = Literal["read", "respond"]


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One IAM role that this installation may assume. Its External ID is a secret and is not in here.

    ``last_checked`` is when ``doctor`` last diagnosed it, ``last_status`` what came out (``ok``,
    ``warning``, ``failed``, ``unknown``); both None before the first time.
    """

    id: str
    account_id: str
    role_arn: str
    partition: str
    label: str
    purpose: Purpose
    created_at: datetime
    last_checked: datetime | None = None
    last_status: str | None = None

    @property
    def arn(self) -> Arn:
        """The role's ARN, taken apart."""
        return parse_role_arn(self.role_arn)

    @property
    def role_name(self) -> str:
        """The role's name without its path, as IAM's API takes it."""
        return self.arn.name

    def __str__(self) -> str:
        return f"{self.label} ({self.account_id})" if self.label else self.account_id


class Connections(Protocol):
    """Where connections and their External IDs are kept."""

    def list(self, *, purpose: Purpose | None = None) -> Sequence[Connection]:
        """Every connection, or those of one purpose."""

    def external_id(self, connection: Connection) -> str:
        """The connection's External ID, in the clear.

        Raises:
            KeyUnavailable: the key that it was encrypted with is not at hand.
        """
