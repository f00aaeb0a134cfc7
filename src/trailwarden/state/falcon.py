"""The connection to CrowdStrike Falcon, kept in the state database; the client's secret encrypted."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

import msgspec
import sqlalchemy as sa

from ..errors import SetupError
from ..falcon.connection import FalconConnection, check_client, cloud_of
from .secrets import Place, SecretBox
from .tables import falcon as table

Transaction = Callable[[], AbstractContextManager[sa.Connection]]

_SHOWN = [table.c[field] for field in FalconConnection.__struct_fields__]


class FalconStore:
    """The Falcon connection of one state database; there is one, or none."""

    def __init__(self, read: Transaction, write: Transaction, box: SecretBox) -> None:
        self._read = read
        self._write = write
        self._box = box

    def connect(self, client_id: str, secret: str, *, base_url: str, now: datetime) -> FalconConnection:
        """Keep a connection, in place of the one there is; nothing is asked of Falcon.

        ``base_url`` is what ``falcon.base_url_of`` gives.

        Raises:
            UsageError: not an API client's id, or not a secret.
            KeyUnavailable: there is no key to encrypt the secret with.
        """
        checked = check_client(client_id, secret)
        connection = FalconConnection(base_url=base_url, client_id=checked, cloud=cloud_of(base_url), created_at=now)
        with self._write() as database:
            sealed = self._box.seal(secret, _place(base_url))
            database.execute(table.delete())
            database.execute(
                table.insert().values(**msgspec.structs.asdict(connection), client_secret_encrypted=sealed)
            )
        return connection

    def find(self) -> FalconConnection | None:
        """The connection, if there is one."""
        with self._read() as database:
            row = database.execute(sa.select(*_SHOWN)).mappings().first()
        return FalconConnection(**row) if row is not None else None

    def get(self) -> FalconConnection:
        """The connection.

        Raises:
            SetupError: there is none.
        """
        found = self.find()
        if found is None:
            raise SetupError(
                "no CrowdStrike Falcon tenant is connected",
                remedy="trailwarden falcon connect CLIENT_ID --cloud us-1, with an API client that has the scopes "
                "Alerts: read and Hosts: read",
            )
        return found

    def secret(self, connection: FalconConnection) -> str:
        """The client's secret, in the clear.

        Raises:
            SetupError: the connection is not there any more.
            KeyUnavailable: the key that it was encrypted with is not at hand, or the row was tampered with.
        """
        query = sa.select(table.c.client_secret_encrypted).where(
            table.c.base_url == connection.base_url, table.c.client_id == connection.client_id
        )
        with self._read() as database:
            sealed = database.execute(query).scalar()
        if sealed is None:
            raise _vanished()
        return self._box.open(sealed, _place(connection.base_url))

    def remove(self) -> FalconConnection:
        """Forget the connection and its secret, and give back what it was. The alerts in the lake stay.

        Raises:
            SetupError: there is none.
        """
        found = self.get()
        with self._write() as database:
            database.execute(table.delete())
        return found

    def record_check(self, connection: FalconConnection, status: str, *, at: datetime) -> FalconConnection:
        """Keep when it was tested and what came out.

        Raises:
            SetupError: the connection is not there any more.
        """
        query = (
            table.update()
            .where(table.c.base_url == connection.base_url, table.c.client_id == connection.client_id)
            .values(last_checked=at, last_status=status)
        )
        with self._write() as database:
            changed = database.execute(query).rowcount
        if not changed:
            raise _vanished()
        return msgspec.structs.replace(connection, last_checked=at, last_status=status)


def _place(base_url: str) -> Place:
    return Place(str(table.name), base_url, "client_secret_encrypted")


def _vanished() -> SetupError:
    return SetupError("the Falcon connection is not there any more", remedy="trailwarden falcon connect makes one")
