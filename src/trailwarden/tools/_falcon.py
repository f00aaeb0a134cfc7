"""The Falcon tenant of an installation, and what its tools have in common."""

import os
import sys

import msgspec

from ..errors import UsageError
from ..falcon.client import Falcon, ScopeCheck
from ..falcon.connection import FalconConnection
from ..falcon.errors import ClientRefused, FalconError
from ..installation import Installation

SECRET_VARIABLE = "TRAILWARDEN_FALCON_SECRET"  # noqa: S105 - the variable's name


class FalconReport(msgspec.Struct, frozen=True, kw_only=True):
    """The connection and its test. ``status``: ``ok``, ``scopes`` where one is missing, or ``failed``."""

    base_url: str
    client_id: str
    status: str
    detail: str = ""
    remedy: str = ""
    scopes: tuple[ScopeCheck, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 if the connection does not work as it should."""
        return 0 if self.status == "ok" else 1


def falcon_of(app: Installation) -> Falcon:
    """A client for the connected tenant; close it after use.

    Raises:
        SetupError: none is connected.
        KeyUnavailable: its secret cannot be decrypted.
    """
    connection = app.state.falcon.get()
    return Falcon(connection, app.state.falcon.secret(connection), now=app.now, progress=app.progress)


def tested(app: Installation, connection: FalconConnection, secret: str, *, attempts: int) -> FalconReport:
    """Test a connection that may not be kept yet.

    Raises:
        ClientRefused: the API client is not accepted at all.
    """
    with Falcon(connection, secret, now=app.now, progress=app.progress, attempts=attempts) as falcon:
        try:
            scopes = falcon.check()
        except ClientRefused:
            raise
        except FalconError as error:
            return FalconReport(
                base_url=connection.base_url,
                client_id=connection.client_id,
                status="failed",
                detail=error.message,
                remedy=error.remedy,
            )
    found = {check.status for check in scopes}
    return FalconReport(
        base_url=connection.base_url,
        client_id=connection.client_id,
        status="failed" if "failed" in found else "scopes" if "missing" in found else "ok",
        scopes=scopes,
    )


def read_secret(*, stdin: bool) -> str:
    """The client's secret: from standard input, the environment, or a prompt that does not show it.

    Raises:
        UsageError: there is none of the three.
    """
    if stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    elif SECRET_VARIABLE in os.environ:
        given = os.environ[SECRET_VARIABLE]
    elif sys.stdin.isatty():
        import getpass  # noqa: PLC0415

        given = getpass.getpass("Client secret: ")
    else:
        given = ""
    if not given:
        raise UsageError(
            "the API client's secret is missing",
            remedy=f"type it at the prompt, pipe it in with --secret-stdin, or set {SECRET_VARIABLE}; never on the "
            "command line, where other users of the machine see it",
        )
    return given
