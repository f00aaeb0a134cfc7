"""Ingest: objects that hold records, into the lake, each event once.

What is committed at any moment is a prefix of the work: a crash loses and doubles nothing, and the same command
again takes up what is left. Counts of the report: ``records == new + duplicates + quarantined``.
"""

import os
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from ..errors import LakeError
from ..model.finding import SourceKind
from ..progress import Progress, Silent, Task
from .manifest import Commit
from .sources import RecordObject
from .store import Lake

if TYPE_CHECKING:
    from .landing import Item, Landed

#: Ingests of less than this, in bytes as stored, are done in this process: workers take longer to start.
SMALL = 12 << 20


class IngestReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an ingest.

    ``files`` counts the objects that were given; of these ``unchanged`` were read before, in the same
    version, and are not read again (their records count as duplicates), ``digests`` are digest files,
    ``unreadable`` could be read in no part and are in quarantine whole, each counted as one record.
    ``records == new + duplicates + quarantined``: records in the objects, those that the lake did not have,
    those that it had, and those in quarantine. ``interrupted``: stopped by Ctrl-C; what is counted is in
    the lake.
    """

    files: int
    records: int
    new: int
    duplicates: int
    quarantined: int
    seconds: float
    unchanged: int = 0
    digests: int = 0
    unreadable: int = 0
    bytes: int = 0
    interrupted: bool = False


class _Tally:
    def __init__(self, files: int, task: Task) -> None:
        self.files, self.task = files, task
        self.records = self.new = self.duplicates = self.quarantined = 0
        self.unchanged = self.digests = self.unreadable = self.bytes = 0
        self.started = time.perf_counter()

    def add(self, landed: "Landed") -> None:
        self.records += landed.records
        self.new += landed.new
        self.quarantined += landed.bad_records
        self.duplicates += landed.records - landed.bad_records - landed.new
        self.digests += landed.digests
        self.unreadable += landed.unreadable
        self.bytes += landed.bytes
        rate = self.records / max(time.perf_counter() - self.started, 1e-3)
        self.task.advance(landed.bytes, note=f"{self.records:,} records, {rate:,.0f}/s")

    def report(self, *, interrupted: bool) -> IngestReport:
        return IngestReport(
            files=self.files,
            records=self.records + self.unreadable,
            new=self.new,
            duplicates=self.duplicates,
            quarantined=self.quarantined + self.unreadable,
            seconds=time.perf_counter() - self.started,
            unchanged=self.unchanged,
            digests=self.digests,
            unreadable=self.unreadable,
            bytes=self.bytes,
            interrupted=interrupted,
        )


def ingest(
    lake: Lake,
    objects: Iterable[RecordObject],
    *,
    progress: Progress,
    now: datetime,
    workers: int | None = None,
    compact: bool = True,
) -> IngestReport:
    """Read objects into the lake, with ``workers`` processes (default: as many as cores, at most 4).

    Raises:
        Busy: another process is writing.
        LakeError: the lake cannot be written to; what was committed before stays.
    """
    from .pool import items  # noqa: PLC0415

    with lake.writing(now):
        given = sorted(objects, key=lambda o: (o.day or date.max, o.uri))
        with progress.task("Reading CloudTrail records", unit="bytes") as task:
            tally = _Tally(len(given), task)
            fresh = _unread(lake, given, tally)
            total = sum(each.size for each in fresh)
            task.total(total)
            count = workers if workers is not None else min(os.cpu_count() or 1, 4)
            interrupted = False
            try:
                if count <= 1 or total < SMALL:
                    _land(lake, items(fresh), tally, now)
                else:
                    _land_in_pool(lake, fresh, tally, now, count)
            except KeyboardInterrupt:
                interrupted = True
        if compact and not interrupted and tally.new:
            from .compact import compact_if_due  # noqa: PLC0415

            compact_if_due(lake, progress=progress, now=now)
        return tally.report(interrupted=interrupted)


def land(lake: Lake, records: Sequence[bytes], *, source: SourceKind, location: str, now: datetime) -> IngestReport:
    """Put single records into the lake: the JSON texts of LookupEvents' ``CloudTrailEvent``, for one.

    Raises:
        Busy: another process is writing.
    """
    from .landing import Item  # noqa: PLC0415

    size = sum(map(len, records))
    item = Item(uri=location, version="", source=source, location=location, size=size, records=list(records))
    with lake.writing(now), Silent().task("") as task:
        tally = _Tally(0, task)
        _land(lake, [item], tally, now)
        return tally.report(interrupted=False)


def _unread(lake: Lake, given: Sequence[RecordObject], tally: _Tally) -> list[RecordObject]:
    """The objects that were not read yet, each once; the others are counted."""
    known = lake.manifest.objects_read((each.uri, each.version) for each in given)
    fresh: dict[tuple[str, str], RecordObject] = {}
    for each in given:
        key = each.uri, each.version
        if key in known or key in fresh:
            tally.unchanged += 1
            tally.records += known.get(key, 0)
            tally.duplicates += known.get(key, 0)
        else:
            fresh[key] = each
    return list(fresh.values())


def _commit(lake: Lake, landed: "Landed", tally: _Tally, now: datetime) -> None:
    change = Commit(objects=landed.objects, parts=landed.parts, quarantined=landed.quarantined, spans=landed.spans)
    if landed.objects or landed.parts or landed.quarantined or landed.spans:
        lake.manifest.commit(change, now)
    tally.add(landed)


def _land(lake: Lake, work: "Iterable[Item]", tally: _Tally, now: datetime) -> None:
    from .dedupe import Seen  # noqa: PLC0415
    from .landing import portions  # noqa: PLC0415

    seen = Seen.of(lake)
    for portion in portions(work, now):
        mask = seen.new(*portion.close())
        try:
            landed = portion.write(lake.root, mask)
        except OSError as error:
            raise LakeError(
                f"cannot write to the lake: {error.strerror or error}",
                remedy="free space or fix permissions, then run this again: nothing is lost or doubled",
            ) from error
        _commit(lake, landed, tally, now)
        seen.committed()
    seen.keep()


def _land_in_pool(lake: Lake, objects: Sequence[RecordObject], tally: _Tally, now: datetime, workers: int) -> None:
    from .dedupe import Seen  # noqa: PLC0415
    from .pool import Pool  # noqa: PLC0415

    seen = Seen.of(lake)

    def commit(landed: "Landed") -> None:
        _commit(lake, landed, tally, now)
        seen.committed()

    with Pool(lake.root, now, ask=seen.new, commit=commit) as pool:
        pool.run(objects, workers)
    seen.keep()
