"""What could not be read."""

import msgspec

from ..installation import Installation
from ..lake.manifest import Quarantined
from ..lake.upkeep import quarantine
from ..tool import tool


class QuarantineList(msgspec.Struct, frozen=True):
    """Every file and record that could not be read, newest first."""

    quarantined: tuple[Quarantined, ...]


@tool(
    effect="read",
    title="What could not be read, where and why",
    examples=("trailwarden lake quarantine", "trailwarden lake quarantine --format csv"),
)
def lake_quarantine(app: Installation) -> QuarantineList:
    """Files and records that could not be read: the place, the reason, and the start of the text.

    Correct a file and ingest it again: what was read from it then leaves the quarantine.
    """
    return QuarantineList(tuple(quarantine(app.lake)))
