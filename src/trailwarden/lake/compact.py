"""Compaction: many loose parts of a month become few large ones, sorted by actor, then time.

What an analyst asks about one session or person then lies together. A month's records are cut into slices of
time of at most SLICE_ROWS, each becomes one part. A slice is sorted in bounded memory: ranks are computed from
the two sort columns alone, rows are spilled into buckets by rank, and each bucket is sorted and written.
Duplicates (there should be none) are dropped. New parts replace the old ones in one transaction; the old files
stay for readers that hold them, and the next writer removes them after :data:`~.store.GRACE`.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import LakeError
from ..progress import Progress, Task
from .layout import ROW_GROUP
from .manifest import Commit, Part
from .parts import KEY, PartWriter, event_keys, part_file
from .store import SPILL, Lake

if TYPE_CHECKING:
    import pyarrow as pa

#: A month is due after an ingest when it has this many loose parts, or this many bytes of them.
DUE_PARTS = 12
DUE_BYTES = 32 << 20
#: Compacted parts smaller than this are merged with what is new; larger ones are left alone.
SMALL_PART = 64 << 20
#: A slice has at most so many rows, and about so many bytes when written.
SLICE_ROWS = 1_000_000
SLICE_BYTES = 160 << 20
BUCKET_ROWS = ROW_GROUP


class CompactReport(msgspec.Struct, frozen=True, kw_only=True):
    """What compaction did: ``before`` parts were merged into ``after``, ``duplicates`` were dropped."""

    months: tuple[str, ...]
    before: int
    after: int
    records: int
    duplicates: int
    bytes_before: int
    bytes_after: int


def compact(lake: Lake, *, progress: Progress, now: datetime) -> CompactReport:
    """Merge all loose parts.

    Raises:
        Busy: another process is writing.
        LakeError: a part is damaged, or the disk is full; the lake is as before.
    """
    return _compact(lake, progress, now, everything=True)


def compact_if_due(lake: Lake, *, progress: Progress, now: datetime) -> CompactReport:
    """Merge the loose parts of the months that have many.

    Raises:
        Busy, LakeError: as for :func:`compact`.
    """
    return _compact(lake, progress, now, everything=False)


def _compact(lake: Lake, progress: Progress, now: datetime, *, everything: bool) -> CompactReport:
    merged: list[tuple[list[Part], list[Part]]] = []
    with lake.writing(now):
        plans = _plans(lake.manifest.parts(newest_first=False), everything=everything)
        total = sum(part.records for sources in plans.values() for part in sources)
        with progress.task("Compacting the lake", total=total, unit="records") as task:
            for month, sources in plans.items():
                try:
                    made = _merge_month(lake, month, sources, task)
                except OSError as error:
                    raise LakeError(
                        f"cannot compact {month}: {error}",
                        remedy="free space, or run `trailwarden lake verify`; the lake is as it was before",
                    ) from error
                lake.manifest.commit(Commit(parts=made, replaced=[part.path for part in sources]), now)
                merged.append((sources, made))
    before = [part for sources, _ in merged for part in sources]
    after = [part for _, made in merged for part in made]
    records = sum(part.records for part in after)
    return CompactReport(
        months=tuple(plans),
        before=len(before),
        after=len(after),
        records=records,
        duplicates=sum(part.records for part in before) - records,
        bytes_before=sum(part.bytes for part in before),
        bytes_after=sum(part.bytes for part in after),
    )


def _plans(parts: Sequence[Part], *, everything: bool) -> dict[str, list[Part]]:
    """Month -> the parts to merge."""
    months: dict[str, list[Part]] = {}
    for part in parts:
        months.setdefault(part.month, []).append(part)
    plans: dict[str, list[Part]] = {}
    for month, mine in sorted(months.items()):
        loose = [part for part in mine if part.kind == "loose"]
        due = len(loose) >= DUE_PARTS or sum(part.bytes for part in loose) >= DUE_BYTES
        if loose and (due or everything):
            plans[month] = [p for p in mine if p.kind == "loose" or p.bytes < SMALL_PART]
    return plans


def _merge_month(lake: Lake, month: str, sources: Sequence[Part], task: Task) -> list[Part]:
    import tempfile  # noqa: PLC0415

    made: list[Part] = []
    for start, end in _slices(lake, sources):
        inside = [
            part
            for part in sources
            if part.first.replace(tzinfo=None) < end and part.last.replace(tzinfo=None) >= start
        ]
        with (
            PartWriter(lake.root, month, "compacted") as writer,
            tempfile.TemporaryDirectory(dir=lake.root, prefix=SPILL) as folder,
        ):
            for table in _sorted_rows(lake, inside, start, end, Path(folder)):
                writer.write(table)
                task.advance(table.num_rows)
            if writer.records:
                made.append(writer.finish())
    return made


def _slices(lake: Lake, sources: Sequence[Part]) -> list[tuple[datetime, datetime]]:
    """Contiguous spans of whole hours that hold about equally many rows, as many spans as SLICE_* ask for."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    first = min(part.first for part in sources).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    last = max(part.last for part in sources).replace(tzinfo=None) + timedelta(microseconds=1)
    rows = sum(part.records for part in sources)
    wanted = max(-(-rows // SLICE_ROWS), -(-sum(part.bytes for part in sources) // SLICE_BYTES))
    if wanted <= 1:
        return [(first, last)]
    hours: dict[datetime, int] = {}
    for part in sources:
        with part_file(lake.root, part) as file:
            times = file.read(columns=["event_time"])["event_time"]
        counted = pc.value_counts(pc.floor_temporal(times, unit="hour"))
        for each in (counted.combine_chunks() if isinstance(counted, pa.ChunkedArray) else counted).to_pylist():
            hours[each["values"]] = hours.get(each["values"], 0) + each["counts"]
    edges, filled = [first], 0
    for hour in sorted(hours):
        if filled >= rows / wanted * len(edges) and hour > edges[-1]:
            edges.append(hour)
        filled += hours[hour]
    return list(zip(edges, [*edges[1:], last], strict=True))


def _sorted_rows(
    lake: Lake, sources: Sequence[Part], start: datetime, end: datetime, folder: Path
) -> "Iterator[pa.Table]":
    """The slice's rows by actor and time, each event once, a bucket at a time."""
    previous: set[bytes] = set()
    for table in _buckets(lake, sources, start, end, folder):
        keys = event_keys(table)
        mine = [keys[at : at + KEY] for at in range(0, len(keys), KEY)]
        distinct = set(mine)
        if len(distinct) < len(mine) or not distinct.isdisjoint(previous):
            table = _first_of_each(table, mine, previous)  # noqa: PLW2901
        previous = distinct
        if table.num_rows:
            yield table


def _first_of_each(table: "pa.Table", keys: Sequence[bytes], before: set[bytes]) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415

    seen = set(before)
    mask = []
    for key in keys:
        mask.append(key not in seen)
        seen.add(key)
    return table.filter(pa.array(mask, pa.bool_()))


def _buckets(lake: Lake, sources: Sequence[Part], start: datetime, end: datetime, folder: Path) -> "Iterator[pa.Table]":
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    keys = pa.concat_tables(
        [table for part in sources for table in rows_between(lake, part, start, end, ["actor", "event_time"])]
    )
    if not keys.num_rows:
        return
    ranks = _ranks(keys)
    del keys
    buckets = -(-len(ranks) // BUCKET_ROWS)
    spill = [folder / str(number) for number in range(buckets)]
    writers: list[pa.ipc.RecordBatchFileWriter] = []
    position = 0
    try:
        for part in sources:
            for table in rows_between(lake, part, start, end, None):
                mine = ranks.slice(position, table.num_rows)
                position += table.num_rows
                ranked = table.append_column("rank", mine).take(pc.sort_indices(mine)).combine_chunks()
                if not writers:
                    options = pa.ipc.IpcWriteOptions(compression="lz4")
                    writers = [pa.ipc.new_file(path, ranked.schema, options=options) for path in spill]
                bucket_of = pc.divide(ranked["rank"], BUCKET_ROWS)
                at = 0
                for each in pc.value_counts(bucket_of).to_pylist():  # in order of appearance, which is by rank
                    writers[each["values"]].write_table(ranked.slice(at, each["counts"]))
                    at += each["counts"]
    finally:
        for writer in writers:
            writer.close()
    del ranks
    for path in spill:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all().sort_by("rank").drop_columns(["rank"])
        yield table
        path.unlink()


def _ranks(keys: "pa.Table") -> "pa.Array":
    """Each row's place in the order by actor and time."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    encoded = keys["actor"].combine_chunks().dictionary_encode()
    place_of_actor = pc.rank(encoded.dictionary).cast(pa.int32())
    actors = pc.fill_null(place_of_actor.take(encoded.indices), 0)
    order = pc.sort_indices(
        pa.table({"actor": actors, "time": keys["event_time"]}),
        sort_keys=[("actor", "ascending"), ("time", "ascending")],
    )
    return pc.inverse_permutation(order.cast(pa.int64()))


def rows_between(
    lake: Lake, part: Part, start: datetime, end: datetime, columns: list[str] | None
) -> "Iterator[pa.Table]":
    """A part's rows with start <= event_time < end, a row group at a time."""
    import pyarrow.compute as pc  # noqa: PLC0415

    whole = part.first.replace(tzinfo=None) >= start and part.last.replace(tzinfo=None) < end
    with part_file(lake.root, part) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=columns)
            if not whole:
                times = table["event_time"]
                table = table.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, end)))
            if table.num_rows:
                yield table
