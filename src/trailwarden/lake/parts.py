"""Parts: the Parquet files that hold the records. A part appears whole, under its final name, or not at all."""

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LakeError
from .layout import ROW_GROUP, arrow_schema, month_folder, parquet_options
from .manifest import Part, PartKind

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

KEY = 16
#: The columns that say whether two records are the same event.
KEY_COLUMNS = ("event_id", "event_time", "event_name", "recipient_account_id")
TEMPORARY = ".tmp"


class PartWriter:
    """Writes one part of a month, table by table; :meth:`finish` gives it its name. Leaving it early removes it."""

    def __init__(self, root: Path, month: str, kind: PartKind) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._root, self._kind = root, kind
        folder = month_folder(root, month)
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{kind}-{secrets.token_hex(12)}.parquet"
        self._temporary = folder / f"{self._path.name}{TEMPORARY}"
        self._writer = pq.ParquetWriter(self._temporary, arrow_schema(), **parquet_options(bloom=kind == "compacted"))
        self._first: datetime | None = None
        self._last: datetime | None = None
        self.records = 0

    def write(self, table: "pa.Table") -> None:
        """Add rows; every call ends its last row group."""
        import pyarrow.compute as pc  # noqa: PLC0415

        bounds = pc.min_max(table["event_time"]).as_py()
        first, last = (bounds[end].replace(tzinfo=UTC) for end in ("min", "max"))
        self._first = first if self._first is None else min(first, self._first)
        self._last = last if self._last is None else max(last, self._last)
        self.records += table.num_rows
        self._writer.write_table(table, row_group_size=ROW_GROUP)

    @property
    def bytes(self) -> int:
        """How large the file is so far, without the row group under way."""
        return self._temporary.stat().st_size

    def finish(self) -> Part:
        """Make the part durable under its name."""
        assert self._first is not None
        assert self._last is not None
        self._writer.close()
        with self._temporary.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        self._temporary.rename(self._path)
        sync_folder(self._path.parent)
        return Part(
            str(self._path.relative_to(self._root)), self._kind, self._first, self._last, self.records, size, digest
        )

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._writer.close()
        finally:
            self._temporary.unlink(missing_ok=True)


@contextmanager
def part_file(root: Path, part: Part) -> "Iterator[pq.ParquetFile]":
    """A part, opened to be read.

    Raises:
        LakeError: missing, or not a Parquet file.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    remedy = "run `trailwarden lake verify` to see what else is damaged"
    try:
        file = pq.ParquetFile(root / part.path)
    except FileNotFoundError:
        raise LakeError(f"a part of the lake is missing: {part.path}", remedy=remedy) from None
    except pa.ArrowInvalid as error:
        raise LakeError(f"a part of the lake is damaged: {part.path}: {error}", remedy=remedy) from error
    with file:
        yield file


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def day_runs(table: "pa.Table") -> list[tuple[date, int]]:
    """The UTC days of the rows in their order, each with how many rows follow each other on it."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if not table.num_rows:
        return []
    runs = pc.run_end_encode(table["event_time"].cast(pa.date32()).cast(pa.int32()).combine_chunks())
    days = runs.values.cast(pa.date32()).to_pylist()
    ends = runs.run_ends.to_pylist()
    return [(day, end - start) for day, start, end in zip(days, [0, *ends], ends, strict=False)]


def write_months(root: Path, table: "pa.Table", kind: PartKind) -> list[Part]:
    """The rows as one part for each month that they touch."""
    months: dict[str, list[pa.Table]] = {}
    start = 0
    for month, days in groupby(day_runs(table), key=lambda run: run[0].isoformat()[:7]):
        length = sum(count for _, count in days)
        months.setdefault(month, []).append(table.slice(start, length))
        start += length
    return [_write_part(root, month, kind, slices) for month, slices in months.items()]


def _write_part(root: Path, month: str, kind: PartKind, slices: "list[pa.Table]") -> Part:
    import pyarrow as pa  # noqa: PLC0415

    with PartWriter(root, month, kind) as writer:
        writer.write(pa.concat_tables(slices))
        return writer.finish()


def event_keys(table: "pa.Table") -> bytes:
    """What identifies each row's event, KEY bytes a row: a hash of event id, time, name and recipient account.

    Event ids alone do not: masked and hand-made sets repeat them for different events.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    event_id, time, name, account = (table[column] for column in KEY_COLUMNS)
    joined = pc.binary_join_element_wise(
        pc.cast(pc.cast(time, pa.int64()), pa.string()), event_id, pc.coalesce(name, ""), pc.coalesce(account, ""), "\0"
    )
    return b"".join([blake2b(key, digest_size=KEY).digest() for key in joined.cast(pa.binary()).to_pylist()])


def stored_keys(root: Path, parts: Iterable[Part], first: date, last: date) -> Iterator[tuple[date, bytes]]:
    """The keys of the events that parts hold on the UTC days from ``first`` to ``last``, piece by piece, by day."""
    import pyarrow.compute as pc  # noqa: PLC0415

    start = datetime.combine(first, time())
    end = datetime.combine(last, time()) + timedelta(days=1)
    column = KEY_COLUMNS.index("event_time")
    for part in parts:
        with part_file(root, part) as file:
            position = file.schema_arrow.get_field_index(KEY_COLUMNS[column])
            for group in range(file.num_row_groups):
                statistics = file.metadata.row_group(group).column(position).statistics
                if statistics is not None and (statistics.max < start or statistics.min >= end):
                    continue
                table = file.read_row_group(group, columns=list(KEY_COLUMNS))
                times = table["event_time"]
                wanted = table.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, end)))
                wanted = wanted.sort_by("event_time")
                keys, offset = event_keys(wanted), 0
                for day, count in day_runs(wanted):
                    yield day, keys[offset : offset + count * KEY]
                    offset += count * KEY
