"""Care of a lake: what is in it, whether it is whole, and the end of what is too old."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from ..errors import Busy, LakeError, UsageError
from ..model.time import Window, format_instant
from ..progress import Progress
from .compact import rows_between
from .layout import COLUMN_NAMES
from .manifest import Commit, Part, Quarantined, Span
from .parts import PartWriter, part_file
from .store import Lake

_FAR = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC).replace(tzinfo=None)


class LakeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a lake. ``bytes`` are of its records, ``disk_bytes`` of its whole folder."""

    root: str
    records: int
    first: datetime | None
    last: datetime | None
    parts: int
    loose_parts: int
    objects: int
    quarantined: int
    bytes: int
    disk_bytes: int
    months: dict[str, int]
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    sources: tuple[Span, ...]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with a lake: which file, what, and what to do."""

    path: str
    problem: str
    remedy: str


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What verification checked and found; ``damaged`` are the parts whose records cannot be trusted or read."""

    parts: int
    records: int
    bytes: int
    faults: tuple[Fault, ...]
    damaged: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


class ExpireReport(msgspec.Struct, frozen=True, kw_only=True):
    """What expiry removed: records before ``before``, and the memory of objects that held nothing newer."""

    before: datetime
    records: int
    parts_dropped: int
    parts_rewritten: int
    bytes_freed: int
    objects_forgotten: int


def info(lake: Lake) -> LakeInfo:
    """What is in the lake, from its manifest."""
    parts, spans = lake.manifest.parts(), lake.manifest.source_spans()
    months: dict[str, int] = {}
    for part in parts:
        months[part.month] = months.get(part.month, 0) + part.records
    return LakeInfo(
        root=str(lake.root),
        records=sum(part.records for part in parts),
        first=min((part.first for part in parts), default=None),
        last=max((part.last for part in parts), default=None),
        parts=len(parts),
        loose_parts=sum(part.kind == "loose" for part in parts),
        objects=lake.manifest.object_count(),
        quarantined=len(lake.manifest.quarantined()),
        bytes=sum(part.bytes for part in parts),
        disk_bytes=sum(path.stat().st_size for path in lake.root.rglob("*") if path.is_file()),
        months=dict(sorted(months.items())),
        accounts=tuple(sorted({span.account_id for span in spans} - {""})),
        regions=tuple(sorted({span.aws_region for span in spans} - {""})),
        sources=tuple(spans),
    )


def quarantine(lake: Lake) -> list[Quarantined]:
    """What could not be read, newest first."""
    return lake.manifest.quarantined()


def verify(lake: Lake, *, progress: Progress, now: datetime) -> VerifyReport:
    """Read every part and compare it with the manifest: there, of its size and checksum, with its records."""
    faults = [
        Fault(path="manifest.db", problem=problem, remedy="move the lake's folder away and ingest the sources again")
        for problem in lake.manifest.check()
    ]
    damaged: list[str] = []
    notes: list[str] = []
    parts = lake.manifest.parts()
    with progress.task("Verifying the lake", total=sum(part.bytes for part in parts), unit="bytes") as task:
        for part in parts:
            problem = _problem(lake, part)
            task.advance(part.bytes)
            if problem is not None:
                damaged.append(part.path)
                remedy = "restore the file from a backup, or run repair and ingest the sources of its time again"
                faults.append(Fault(path=part.path, problem=problem, remedy=remedy))
    try:
        with lake.writing(now, sweep=False):
            faults.extend(
                Fault(path=path, problem="no commit names this file", remedy="the next ingest or compaction removes it")
                for path in lake.unlisted()
            )
    except Busy:
        notes.append("another process is writing: files that no commit names yet were not judged")
    return VerifyReport(
        parts=len(parts),
        records=sum(part.records for part in parts),
        bytes=sum(part.bytes for part in parts),
        faults=tuple(faults),
        damaged=tuple(damaged),
        notes=tuple(notes),
    )


def _problem(lake: Lake, part: Part) -> str | None:
    path = lake.path(part)
    try:
        size = path.stat().st_size
        if size != part.bytes:
            return f"the file has {size:,} bytes instead of {part.bytes:,}"
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != part.sha256:
                return "the file's content has changed (SHA-256)"
        with part_file(lake.root, part) as stored:
            rows, names = stored.metadata.num_rows, tuple(stored.schema_arrow.names)
    except FileNotFoundError:
        return "the file is missing"
    except LakeError as error:
        return error.message
    except OSError as error:
        return f"the file cannot be read: {error.strerror or error}"
    if rows != part.records:
        return f"the file has {rows:,} records instead of {part.records:,}"
    return None if names == COLUMN_NAMES else "the file has other columns than this format"


def repair(lake: Lake, report: VerifyReport, *, now: datetime) -> int:
    """Give up the damaged parts of a report, and forget the objects and fetched windows that they may have come from.

    Ingesting the same sources again then brings the records back, and doubles nothing.

    Returns:
        how many objects were forgotten.

    Raises:
        Busy: another process is writing.
    """
    forgotten = 0
    with lake.writing(now):
        for part in lake.manifest.parts():
            if part.path in report.damaged:
                span = Window(part.first, part.last + timedelta(microseconds=1))
                forgotten += lake.manifest.give_up(part, span, now)
    return forgotten


def expire(
    lake: Lake,
    *,
    progress: Progress,
    now: datetime,
    before: datetime | None = None,
    keep: timedelta | None = None,
) -> ExpireReport:
    """Remove the records older than an instant, or than ``keep`` before now.

    Objects that held nothing newer are forgotten: ingesting them again would bring their records back.
    What live history fetched and what sources delivered before that instant is no longer claimed.

    Raises:
        UsageError: neither or both limits, or one in the future.
        Busy: another process is writing.
        LakeError: a part is damaged, or the disk is full; the lake is as before.
    """
    if (before is None) == (keep is None):
        raise UsageError("give one limit", remedy="either an instant, or how long records are kept")
    limit = (before if before is not None else now - (keep or timedelta())).astimezone(UTC)
    if limit > now:
        raise UsageError(f"{format_instant(limit)} is in the future", remedy="give an instant that has passed")
    with lake.writing(now):
        older = [part for part in lake.manifest.parts() if part.first < limit]
        with progress.task("Expiring records", total=sum(part.records for part in older), unit="records") as task:
            kept: list[Part] = []
            for part in older:
                if part.last >= limit:
                    kept.append(_rewrite(lake, part, limit))
                task.advance(part.records)
        change = Commit(parts=kept, replaced=[part.path for part in older])
        left = _left_on_day(lake, [*kept, *(p for p in lake.manifest.parts() if p.first >= limit)], limit)
        forgotten = lake.manifest.expire(limit, change, left, now)
    return ExpireReport(
        before=limit,
        records=sum(part.records for part in older) - sum(part.records for part in kept),
        parts_dropped=len(older) - len(kept),
        parts_rewritten=len(kept),
        bytes_freed=sum(part.bytes for part in older) - sum(part.bytes for part in kept),
        objects_forgotten=forgotten,
    )


def _rewrite(lake: Lake, part: Part, limit: datetime) -> Part:
    """A copy of a part without what is older than the limit."""
    try:
        with PartWriter(lake.root, part.month, part.kind) as writer:
            for table in rows_between(lake, part, limit.replace(tzinfo=None), _FAR, None):
                writer.write(table)
            return writer.finish()
    except OSError as error:
        raise LakeError(
            f"cannot rewrite {part.path}: {error}", remedy="free space and run this again; the lake is as before"
        ) from error


def _left_on_day(lake: Lake, parts: Sequence[Part], limit: datetime) -> dict[tuple[str, str], int]:
    """By account and Region, the records left on the limit's UTC day."""
    start = limit.replace(tzinfo=None)
    end = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    left: dict[tuple[str, str], int] = {}
    for part in parts:
        if part.first.replace(tzinfo=None) >= end:
            continue
        for table in rows_between(lake, part, start, end, ["account_id", "aws_region", "event_time"]):
            counted = table.group_by(["account_id", "aws_region"]).aggregate([("event_time", "count")])
            for row in counted.to_pylist():
                key = row["account_id"] or "", row["aws_region"] or ""
                left[key] = left.get(key, 0) + row["event_time_count"]
    return left
