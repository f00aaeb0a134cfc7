"""Connections to AWS accounts, kept in the state database; External IDs encrypted."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..aws.connection import Connection, Purpose
from ..aws.trust import check_external_id
from ..errors import UsageError
from ..model.arn import parse_role_arn
from .secrets import Place, SecretBox
from .tables import connection as table

_SHOWN = [table.c[field] for field in Connection.__struct_fields__]
Transaction = Callable[[], AbstractContextManager[sa.Connection]]


class ConnectionStore:
    """The connections of one state database. A role is connected once; an account may have several roles."""

    def __init__(self, read: Transaction, write: Transaction, box: SecretBox) -> None:
        self._read = read
        self._write = write
        self._box = box

    def add(
        self, role_arn: str, external_id: str, *, label: str = "", purpose: Purpose = "read", now: datetime
    ) -> Connection:
        """Keep a connection; nothing is asked of AWS.

        Raises:
            UsageError: not a role's ARN, not an External ID, not a label, or the role is connected already.
            KeyUnavailable: there is no key to encrypt the External ID with.
        """
        arn = parse_role_arn(role_arn)
        check_external_id(external_id)
        added = Connection(
            id=secrets.token_hex(8),
            account_id=arn.account,
            role_arn=str(arn),
            partition=arn.partition,
            label=_checked_label(label),
            purpose=purpose,
            created_at=now,
        )
        values = msgspec.structs.asdict(added)
        try:
            with self._write() as database:
                sealed = self._box.seal(external_id, _place(added.id))
                database.execute(table.insert().values(**values, external_id_encrypted=sealed))
        except IntegrityError as error:
            raise UsageError(
                f"{arn} is connected already",
                remedy="`trailwarden accounts list` shows it; remove it first to connect it with another External ID",
            ) from error
        return added

    def list(self, *, purpose: Purpose | None = None) -> Sequence[Connection]:
        """Every connection, or those of one purpose, by account and then by when they were added."""
        query = sa.select(*_SHOWN).order_by(table.c.account_id, table.c.created_at, table.c.id)
        if purpose is not None:
            query = query.where(table.c.purpose == purpose)
        with self._read() as database:
            return tuple(Connection(**row) for row in database.execute(query).mappings())

    def matching(self, reference: str) -> Sequence[Connection]:
        """Every connection that ``reference`` names: its id, role ARN, account id, or label.

        Raises:
            UsageError: none.
        """
        known = self.list()
        for field in ("id", "role_arn", "account_id", "label"):
            found = tuple(connection for connection in known if getattr(connection, field) == reference.strip())
            if found:
                return found
        raise UsageError(
            f"no connection {reference!r}",
            remedy="`trailwarden accounts list` shows them; `trailwarden accounts connect ROLE_ARN` adds one",
        )

    def get(self, reference: str, *, purpose: Purpose | None = None) -> Connection:
        """The one connection that ``reference`` names: its id, role ARN, account id, or label; with ``purpose``, of
        several the one for that.

        Raises:
            UsageError: none, or more than one.
        """
        found = self.matching(reference)
        if len(found) > 1 and purpose is not None:
            found = tuple(connection for connection in found if connection.purpose == purpose) or found
        if len(found) > 1:
            raise UsageError(
                f"{len(found)} connections are {reference!r}: "
                + ", ".join(connection.role_arn for connection in found),
                remedy="name one by its role ARN",
            )
        return found[0]

    def remove(self, connection: Connection) -> None:
        """Forget a connection and its External ID. The role in the account stays.

        Raises:
            UsageError: it is not there any more.
        """
        with self._write() as database:
            gone = database.execute(table.delete().where(table.c.id == connection.id)).rowcount
        if not gone:
            raise _vanished(connection)

    def external_id(self, connection: Connection) -> str:
        """The connection's External ID, in the clear.

        Raises:
            UsageError: the connection is not there any more.
            KeyUnavailable: the key that it was encrypted with is not at hand, or the row was tampered with.
        """
        query = sa.select(table.c.external_id_encrypted).where(table.c.id == connection.id)
        with self._read() as database:
            sealed = database.execute(query).scalar()
        if sealed is None:
            raise _vanished(connection)
        return self._box.open(sealed, _place(connection.id))

    def set_external_id(self, connection: Connection, external_id: str) -> None:
        """Replace the External ID.

        Raises:
            UsageError: not an External ID, or the connection is not there any more.
            KeyUnavailable: there is no key to encrypt it with.
        """
        check_external_id(external_id)
        self._change(connection, lambda: {"external_id_encrypted": self._box.seal(external_id, _place(connection.id))})

    def set_label(self, connection: Connection, label: str) -> Connection:
        """Name it otherwise; gives the connection as it is then. Raises UsageError if it is gone, or not a label."""
        checked = _checked_label(label)
        self._change(connection, lambda: {"label": checked})
        return msgspec.structs.replace(connection, label=checked)

    def record_check(self, connection: Connection, status: str, *, at: datetime) -> Connection:
        """Keep when it was diagnosed and what came out. Raises UsageError if it is gone."""
        self._change(connection, lambda: {"last_checked": at, "last_status": status})
        return msgspec.structs.replace(connection, last_checked=at, last_status=status)

    def _change(self, connection: Connection, values: Callable[[], Mapping[str, Any]]) -> None:
        """``values`` is called inside the transaction."""
        with self._write() as database:
            query = table.update().where(table.c.id == connection.id).values(**values())
            changed = database.execute(query).rowcount
        if not changed:
            raise _vanished(connection)


def _checked_label(label: str) -> str:
    stripped = label.strip()
    if len(stripped) > 200 or not stripped.isprintable():
        raise UsageError("not a label", remedy="at most 200 characters on one line")
    return stripped


def _place(row: str) -> Place:
    return Place(str(table.name), row, "external_id_encrypted")


def _vanished(connection: Connection) -> UsageError:
    return UsageError(
        f"the connection to {connection} is not there any more", remedy="`trailwarden accounts list` shows what is"
    )
