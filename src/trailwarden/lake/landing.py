"""From objects to parts: what a worker does. Decode, sort by time, name the events, and write those that are new.

A worker is a process of its own that speaks over one pipe; small ingests call the same functions in place. What
it holds at a time is bounded by PORTION records, and the largest single file.
"""

import signal
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from itertools import groupby
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import SourceError
from ..model.finding import SourceKind
from .columns import columns
from .decode import CHUNK, CHUNK_BYTES, Decoded, decode_file, decode_records
from .formats import Bad, Digest, Unreadable
from .manifest import ObjectRead, Part, Quarantined, Span
from .parts import day_runs, event_keys, write_months

if TYPE_CHECKING:
    import pyarrow as pa

#: A portion is closed when it has this many records, or this many bytes of Arrow data.
PORTION = 40_000
PORTION_BYTES = 64 << 20
#: So many records of one object are listed in the quarantine.
LISTED = 500
#: Records whose days alternate more often than this are sorted by time first.
MANY_RUNS = 256


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An object to land: its bytes, or the local path where the worker reads them, or single ``records``, or why it
    could not be read."""

    uri: str
    version: str
    source: SourceKind
    location: str
    size: int
    path: str | None = None
    data: bytes | None = None
    records: list[bytes] | None = None
    failure: str | None = None


class Landed(msgspec.Struct, kw_only=True):
    """What came of a portion: objects that were read to their end in it, and counts of its records."""

    objects: list[ObjectRead]
    quarantined: list[Quarantined]
    spans: list[Span]
    parts: list[Part]
    records: int
    new: int
    bad_records: int
    unreadable: int
    digests: int
    bytes: int


class Portion:
    """Records that land together. ``days`` and ``keys`` go to whoever knows which events are there already."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._batches: list[pa.RecordBatch] = []
        self._owners: list[tuple[Reading, int]] = []
        self._waiting: list[tuple[Reading, Decoded]] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._ended: list[Reading] = []
        self._table: pa.Table | None = None
        self.rows = 0
        self.size = 0
        self.landed = Landed(
            objects=[], quarantined=[], spans=[], parts=[], records=0, new=0, bad_records=0, unreadable=0, digests=0,
            bytes=0,
        )  # fmt: skip

    @property
    def full(self) -> bool:
        """Whether nothing should be added."""
        return self.rows >= PORTION or self.size >= PORTION_BYTES

    def add(self, reading: "Reading", piece: Decoded) -> None:
        """Add records of an object."""
        for bad in piece.bad:
            self._quarantine_record(reading, bad)
        self._waiting.append((reading, piece))
        self._waiting_rows += len(piece.records)
        self._waiting_bytes += piece.size
        if self._waiting_rows >= CHUNK or self._waiting_bytes >= CHUNK_BYTES:
            self._convert()

    def _convert(self) -> None:
        """Turn the waiting records, of many small files maybe, into columns at once."""
        waiting, self._waiting = self._waiting, []
        self._waiting_rows = self._waiting_bytes = 0
        batch = columns([piece for _, piece in waiting])
        for number, bad in batch.bad:
            self._quarantine_record(waiting[number][0], bad)
        start = 0
        for (reading, _), count in zip(waiting, batch.counts, strict=True):
            if count:
                reading.rows(batch.rows["event_time"].slice(start, count))
                self._owners.append((reading, count))
            start += count
        if batch.rows.num_rows:
            self._batches.append(batch.rows)
        self.rows += batch.rows.num_rows
        self.size += batch.rows.nbytes

    def end(self, reading: "Reading") -> None:
        """The object was read to its end."""
        self._ended.append(reading)

    def quarantine(self, item: Item, bad: Bad) -> None:
        """Add something that cannot land."""
        self.landed.quarantined.append(
            Quarantined(
                uri=item.uri,
                version=item.version,
                place=bad.place,
                reason=bad.reason,
                snippet=bad.snippet,
                at=self._now,
            )
        )

    def _quarantine_record(self, reading: "Reading", bad: Bad) -> None:
        if reading.quarantined < LISTED:
            self.quarantine(reading.item, bad)
        elif reading.quarantined == LISTED:
            more = Bad("further records", f"only the first {LISTED} of this file are listed; all are counted", "")
            self.quarantine(reading.item, more)
        self.landed.bad_records += 1
        reading.records += 1
        reading.quarantined += 1

    def close(self) -> tuple[list[tuple[date, int]], bytes]:
        """No more comes. The days of the records, as runs in their order, and the events' keys in the same order."""
        import pyarrow as pa  # noqa: PLC0415

        if self._waiting:
            self._convert()
        self.landed.records = self.rows + self.landed.bad_records
        self.landed.objects = [reading.outcome() for reading in self._ended if reading.item.records is None]
        if not self.rows:
            return [], b""
        table = pa.Table.from_batches(self._batches)
        self._batches = []
        self.landed.spans = self._spans(table)
        runs = day_runs(table)
        if len(runs) > MANY_RUNS:
            table = table.sort_by("event_time")
            runs = day_runs(table)
        self._table = table
        return runs, event_keys(table)

    def _spans(self, table: "pa.Table") -> list[Span]:
        import pyarrow as pa  # noqa: PLC0415

        sources: dict[tuple[SourceKind, str], list[pa.Table]] = {}
        start = 0
        for (kind, location), run in groupby(
            self._owners, key=lambda owner: (owner[0].item.source, owner[0].item.location)
        ):
            count = sum(rows for _, rows in run)
            mine = table.select(["account_id", "aws_region", "event_time"]).slice(start, count)
            sources.setdefault((kind, location), []).append(mine)
            start += count
        spans: list[Span] = []
        for (kind, location), tables in sources.items():
            mine = pa.concat_tables(tables)
            mine = mine.append_column("day", mine["event_time"].cast(pa.date32()))
            grouped = mine.group_by(["account_id", "aws_region", "day"]).aggregate(
                [("event_time", "min"), ("event_time", "max"), ("event_time", "count")]
            )
            spans.extend(
                Span(
                    source=kind,
                    location=location,
                    account_id=row["account_id"] or "",
                    aws_region=row["aws_region"] or "",
                    first=row["event_time_min"].replace(tzinfo=UTC),
                    last=row["event_time_max"].replace(tzinfo=UTC),
                    records=row["event_time_count"],
                    delivered=self._now,
                )
                for row in grouped.to_pylist()
            )
        return spans

    def write(self, root: Path, keep: bytes | None) -> Landed:
        """Write the records that are new: ``keep`` has a byte for each, 1 for new; None means that all are."""
        import pyarrow as pa  # noqa: PLC0415

        table, self._table = self._table, None
        if table is not None:
            if keep is not None:
                table = table.filter(pa.array([byte == 1 for byte in keep]))
            self.landed.new = table.num_rows
            if table.num_rows:
                self.landed.parts = write_months(root, table, "loose")
        return self.landed


class Reading:
    """An object under way: counts of its records so far, and the span of their times."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.records = self.quarantined = 0
        self._first: datetime | None = None
        self._last: datetime | None = None

    def rows(self, times: "pa.Array") -> None:
        """These records of the object land."""
        import pyarrow.compute as pc  # noqa: PLC0415

        bounds = pc.min_max(times).as_py()
        first, last = bounds["min"].replace(tzinfo=UTC), bounds["max"].replace(tzinfo=UTC)
        self._first = first if self._first is None else min(first, self._first)
        self._last = last if self._last is None else max(last, self._last)
        self.records += len(times)

    def outcome(self) -> ObjectRead:
        """What the manifest keeps of it."""
        item = self.item
        return ObjectRead(
            uri=item.uri, version=item.version, source=item.source, location=item.location, size=item.size,
            records=self.records, quarantined=self.quarantined, first=self._first, last=self._last,
        )  # fmt: skip


def portions(items: Iterable[Item], now: datetime) -> Iterator[Portion]:
    """The records of objects, portion by portion; an object ends in the portion that names it as read."""
    portion = Portion(now)
    for item in items:
        portion.landed.bytes += item.size
        reading = Reading(item)
        try:
            for piece in _decoded(item):
                portion.add(reading, piece)
                if portion.full:
                    yield portion
                    portion = Portion(now)
        except Digest:
            portion.landed.digests += 1
        except Unreadable as error:
            portion.quarantine(item, Bad("file", str(error), ""))
            portion.landed.unreadable += 1
        except SourceError as error:
            portion.quarantine(item, Bad("file", str(error), ""))
            portion.landed.unreadable += 1
            continue  # not marked as read: it may be readable the next time
        portion.end(reading)
        if portion.full:
            yield portion
            portion = Portion(now)
    yield portion


def _decoded(item: Item) -> Iterator[Decoded]:
    if item.failure is not None:
        raise SourceError(item.failure)
    if item.records is not None:
        return decode_records(item.records)
    if "CloudTrail-Digest" in item.uri:
        raise Digest
    if item.data is not None:
        return decode_file(item.data)
    assert item.path is not None
    try:
        return decode_file(Path(item.path).read_bytes())
    except OSError as error:
        raise SourceError(f"cannot read {item.path}: {error.strerror or error}") from error


class Work(msgspec.Struct, tag=True):
    """To a worker: land these."""

    items: list[Item]
    now: datetime


class Keep(msgspec.Struct, tag=True):
    """To a worker: which of the portion's records are new."""

    mask: bytes | None


class Keys(msgspec.Struct, tag=True):
    """From a worker: the events of its portion."""

    days: list[tuple[date, int]]
    keys: bytes


class Done(msgspec.Struct, tag=True):
    """From a worker: a portion is on disk."""

    landed: Landed


class Idle(msgspec.Struct, tag=True):
    """From a worker: give me work."""


class Failed(msgspec.Struct, tag=True):
    """From a worker: it cannot go on (no space, no permission)."""

    reason: str


ToWorker = Work | Keep
FromWorker = Keys | Done | Idle | Failed


def main(handle: int, root: Path) -> None:
    """A worker: speaks on the pipe ``handle`` until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = Connection(handle)
    incoming = msgspec.msgpack.Decoder(ToWorker)

    def send(message: FromWorker) -> None:
        pipe.send_bytes(msgspec.msgpack.encode(message))

    try:
        while True:
            send(Idle())
            work = incoming.decode(pipe.recv_bytes())
            assert isinstance(work, Work)
            for portion in portions(work.items, work.now):
                send(Keys(*portion.close()))
                answer = incoming.decode(pipe.recv_bytes())
                assert isinstance(answer, Keep)
                try:
                    send(Done(portion.write(root, answer.mask)))
                except OSError as error:
                    send(Failed(f"cannot write to the lake: {error.strerror or error}"))
                    return
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
