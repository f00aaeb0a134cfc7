"""What the tools about people share: how the connected accounts are configured to be entered."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta

from ..aws.inventory import DIRECTORY_NEEDS
from ..installation import Installation
from ..model.directory import Directory

__all__ = ["DIRECTORY_NEEDS", "Refresh", "directory_of"]

#: How old the kept directory may be.
MAX_AGE = timedelta(hours=1)

Refresh = Annotated[
    bool, Meta(description="Read users and providers from AWS again, even if they were read within the hour")
]


def directory_of(app: Installation, *, refresh: bool = False) -> Directory:
    """The directory of the connected accounts, at most MAX_AGE old; an empty one where none is connected."""
    connections = [each for each in app.state.connections.list() if each.purpose != "respond"]
    if not connections:
        return Directory()
    from ..aws.inventory import read_directory  # noqa: PLC0415
    from ..aws.kept_directory import kept_directory  # noqa: PLC0415

    return kept_directory(
        app.home,
        lambda accounts: read_directory(
            app.broker, connections, progress=app.progress, now=app.now(), accounts=accounts
        ),
        accounts=[each.account_id for each in connections],
        now=app.now(),
        max_age=timedelta(0) if refresh else MAX_AGE,
    )
