"""Check what is stored."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..lake.upkeep import Fault, repair, verify
from ..tool import tool


class LakeVerification(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked, what is wrong, and how many objects a repair forgot so that they can be read again."""

    sound: bool
    parts: int
    records: int
    bytes: int
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    forgotten: int | None = None

    @property
    def exit_code(self) -> int:
        """1 if something is wrong."""
        return 0 if self.sound else 1


@tool(
    effect="setup",
    title="Check stored records against their checksums",
    examples=("trailwarden lake verify", "trailwarden lake verify --repair"),
)
def lake_verify(
    app: Installation,
    *,
    repair_: Annotated[
        bool, Meta(description="Give damaged parts up, so that ingesting their sources again brings the records back")
    ] = False,
) -> LakeVerification:
    """Read every part and compare it with the manifest: present, of its size and checksum, with its records.

    Raises:
        Busy: another process is writing to the lake (with --repair).
    """
    report = verify(app.lake, progress=app.progress, now=app.now())
    return LakeVerification(
        sound=report.sound,
        parts=report.parts,
        records=report.records,
        bytes=report.bytes,
        faults=report.faults,
        notes=report.notes,
        forgotten=repair(app.lake, report, now=app.now()) if repair_ else None,
    )
