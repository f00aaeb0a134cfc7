"""Compaction, expiry, verification and repair: what the lake holds stays what it held, and damage is named."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from lake_write_records import NOW, START, contents, document, multiset, read_in, record, role_session, rows, write

from trailwarden.errors import Busy, LakeError, UsageError
from trailwarden.lake import compact as compaction
from trailwarden.lake import upkeep
from trailwarden.lake.compact import compact, compact_if_due
from trailwarden.lake.layout import COLUMN_NAMES, COLUMNS, ROW_GROUP
from trailwarden.lake.manifest import Commit
from trailwarden.lake.parts import write_months
from trailwarden.lake.store import GRACE, Lake
from trailwarden.model.time import Window
from trailwarden.progress import Silent

DAY = timedelta(days=1)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with Lake.open(tmp_path / "lake") as opened:
        yield opened


def fill(lake: Lake, folder: Path, files: int = 6, per_file: int = 30, step: timedelta = DAY) -> list[dict[str, Any]]:
    """Files of a day each, read one by one, so that each leaves a loose part."""
    dice = random.Random(3)
    values: list[dict[str, Any]] = []
    for number in range(files):
        mine = [
            record(
                number * per_file + n,
                at=START + number * step + timedelta(minutes=n),
                userIdentity=role_session(f"user{dice.randint(0, 9)}") if n % 7 else ...,
                awsRegion="us-east-1" if n % 5 == 0 else "eu-central-1",
            )
            for n in range(per_file)
        ]
        values += mine
        read_in(lake, write(folder, f"{number}.json.gz", document(mine)))
    return values


def test_compaction_merges_a_month_sorted_by_actor_and_time(tmp_path: Path, lake: Lake) -> None:
    values = fill(lake, tmp_path)
    report = compact(lake, progress=Silent(), now=NOW)
    assert (report.months, report.before, report.after, report.records, report.duplicates) == (
        ("2026-11",),
        6,
        1,
        180,
        0,
    )
    part = lake.manifest.parts()[0]
    assert (part.kind, part.records, part.first, part.last) == (
        "compacted", 180, START, START + 5 * DAY + timedelta(minutes=29),
    )  # fmt: skip
    stored = pq.ParquetFile(lake.path(part)).read().to_pylist()
    order = [(row["actor"], row["event_time"]) for row in stored]
    assert order == sorted(order)
    assert contents(lake) == multiset(values)
    assert compact(lake, progress=Silent(), now=NOW).before == 0


@pytest.mark.parametrize("sizes", [(7, 1_000_000, 1), (50, 70, 3), (5, 40, 5)])
def test_compaction_in_buckets_and_slices_gives_the_same(
    sizes: tuple[int, int, int], tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket_rows, slice_rows, parts = sizes
    monkeypatch.setattr(compaction, "BUCKET_ROWS", bucket_rows)
    monkeypatch.setattr(compaction, "SLICE_ROWS", slice_rows)
    values = fill(lake, tmp_path)
    assert compact(lake, progress=Silent(), now=NOW).after == parts
    spans = sorted((part.first, part.last) for part in lake.manifest.parts())
    assert all(before[1] < after[0] for before, after in pairwise(spans))
    assert contents(lake) == multiset(values)
    for part in lake.manifest.parts():
        order = [(r["actor"], r["event_time"]) for r in pq.ParquetFile(lake.path(part)).read().to_pylist()]
        assert order == sorted(order)
    assert not list(lake.root.glob(".compact-*"))


@pytest.mark.parametrize("bucket_rows", [1, 2, 1000])
def test_compaction_drops_what_is_double(
    bucket_rows: int, tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "BUCKET_ROWS", bucket_rows)
    values = fill(lake, tmp_path, files=2, per_file=5)
    part = lake.manifest.parts()[0]
    with lake.writing(NOW):
        doubled = write_months(lake.root, pq.ParquetFile(lake.path(part)).read(), "loose")
        lake.manifest.commit(Commit(parts=doubled), NOW)
    assert sum(contents(lake).values()) == 15
    report = compact(lake, progress=Silent(), now=NOW)
    assert (report.records, report.duplicates) == (10, 5)
    assert contents(lake) == multiset(values)


def test_compaction_is_due_when_a_month_has_many_loose_parts(tmp_path: Path, lake: Lake) -> None:
    fill(lake, tmp_path, files=compaction.DUE_PARTS - 1, per_file=2, step=timedelta(hours=1))
    assert compact_if_due(lake, progress=Silent(), now=NOW).months == ()
    extra = record(999, at=START + timedelta(hours=20))
    read_in(lake, write(tmp_path, "last.json", document([extra])), compact=True)
    assert [part.kind for part in lake.manifest.parts()] == ["compacted"]
    assert len(rows(lake)) == 2 * (compaction.DUE_PARTS - 1) + 1


def test_large_compacted_parts_are_left_alone(tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(lake, tmp_path, files=2)
    compact(lake, progress=Silent(), now=NOW)
    large = lake.manifest.parts()[0]
    monkeypatch.setattr(compaction, "SMALL_PART", 1)
    read_in(lake, write(tmp_path, "more.json", document([record(900), record(1)])))
    assert compact(lake, progress=Silent(), now=NOW).before == 1
    assert large in lake.manifest.parts()
    assert len(lake.manifest.parts()) == 2


def test_what_arrives_after_compaction_is_still_deduplicated(tmp_path: Path, lake: Lake) -> None:
    values = fill(lake, tmp_path)
    compact(lake, progress=Silent(), now=NOW)
    report = read_in(lake, write(tmp_path, "all.json", document([*values, record(5000)])))
    assert (report.new, report.duplicates) == (1, 180)


def test_a_reader_keeps_its_parts_during_compaction_and_they_go_after_the_grace(tmp_path: Path, lake: Lake) -> None:
    values = fill(lake, tmp_path)
    with Lake.open(lake.root) as reader:
        listed = reader.manifest.parts()
        generation = reader.manifest.generation()
        compact(lake, progress=Silent(), now=NOW)
        assert reader.manifest.generation() == generation + 1
        assert sum(pq.ParquetFile(reader.path(part)).metadata.num_rows for part in listed) == len(values)
        assert len(reader.manifest.parts()) == 1
    with lake.writing(NOW + GRACE - timedelta(seconds=1)):
        assert all(lake.path(part).exists() for part in listed)
    with lake.writing(NOW + GRACE):
        assert not any(lake.path(part).exists() for part in listed)
    assert lake.manifest.retired() == {}
    assert contents(lake) == multiset(values)


def test_parts_are_written_for_fast_reading(tmp_path: Path, lake: Lake) -> None:
    fill(lake, tmp_path, files=2)
    compact(lake, progress=Silent(), now=NOW)
    file = pq.ParquetFile(lake.path(lake.manifest.parts()[0]))
    group = file.metadata.row_group(0)
    stored = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert tuple(stored) == COLUMN_NAMES
    assert {column.compression for column in stored.values()} == {"ZSTD"}
    assert "RLE_DICTIONARY" not in stored["event_id"].encodings
    assert "RLE_DICTIONARY" in stored["event_name"].encodings
    assert all(stored[column.name].has_offset_index for column in COLUMNS)
    assert ROW_GROUP == 20_000
    import duckdb  # noqa: PLC0415

    blooms = duckdb.execute(
        "SELECT path_in_schema FROM parquet_metadata(?) WHERE bloom_filter_offset IS NOT NULL",
        [str(lake.path(lake.manifest.parts()[0]))],
    ).fetchall()
    assert {name for (name,) in blooms} == {column.name for column in COLUMNS if column.bloom}


def test_a_sound_lake_verifies_and_says_what_it_holds(tmp_path: Path, lake: Lake) -> None:
    fill(lake, tmp_path)
    report = upkeep.verify(lake, progress=Silent(), now=NOW)
    assert (report.sound, report.parts, report.records, report.notes) == (True, 6, 180, ())
    found = upkeep.info(lake)
    assert (found.records, found.parts, found.loose_parts, found.objects, found.quarantined) == (180, 6, 6, 6, 0)
    assert (found.accounts, found.regions) == (("111111111111",), ("eu-central-1", "us-east-1"))
    assert (found.months, found.first, found.last) == ({"2026-11": 180}, START, START + 5 * DAY + timedelta(minutes=29))
    assert found.bytes == sum(part.bytes for part in lake.manifest.parts()) < found.disk_bytes
    assert len(found.sources) == 12


def test_an_empty_lake_is_sound(lake: Lake) -> None:
    assert upkeep.verify(lake, progress=Silent(), now=NOW).sound
    found = upkeep.info(lake)
    assert (found.records, found.first, found.months, found.sources) == (0, None, {}, ())


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x01
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("harm", "problem"),
    [(Path.unlink, "the file is missing"), (flip_a_byte, "the file's content has changed"), (cut, "the file has ")],
)
def test_damage_is_named_and_repair_brings_the_records_back(
    harm: Any, problem: str, tmp_path: Path, lake: Lake
) -> None:
    values = fill(lake, tmp_path / "logs")
    lake.manifest.record_fetched("1", "eu", None, Window(START, START + 9 * DAY), NOW)
    part = lake.manifest.parts()[2]
    harm(lake.path(part))
    report = upkeep.verify(lake, progress=Silent(), now=NOW)
    assert (report.damaged, [fault.path for fault in report.faults]) == ((part.path,), [part.path])
    assert report.faults[0].problem.startswith(problem)
    assert "ingest" in report.faults[0].remedy
    assert upkeep.repair(lake, report, now=NOW) == 1
    assert lake.manifest.fetched("1", "eu", None) == []
    again = read_in(lake, tmp_path / "logs")
    assert (again.new, again.duplicates) == (30, 150)
    assert contents(lake) == multiset(values)
    assert upkeep.verify(lake, progress=Silent(), now=NOW + GRACE).sound


def test_a_part_that_is_not_what_the_manifest_says_is_named(tmp_path: Path, lake: Lake) -> None:
    fill(lake, tmp_path, files=1)
    with closing(sqlite3.connect(lake.root / "manifest.db")) as db, db:
        db.execute("UPDATE part SET records = 7")
    assert upkeep.verify(lake, progress=Silent(), now=NOW).faults[0].problem == "the file has 30 records instead of 7"


def test_a_file_that_no_commit_names_is_reported_unless_someone_writes(tmp_path: Path, lake: Lake) -> None:
    fill(lake, tmp_path, files=1)
    stray = write(lake.root, "events/month=2026-11/stray.parquet", b"x")
    report = upkeep.verify(lake, progress=Silent(), now=NOW)
    assert [(fault.path, fault.problem) for fault in report.faults] == [
        ("events/month=2026-11/stray.parquet", "no commit names this file")
    ]
    assert (report.damaged, stray.exists()) == ((), True)
    with Lake.open(lake.root) as writer:
        stray_holder = writer.writing(NOW, sweep=False)
        with stray_holder:
            report = upkeep.verify(lake, progress=Silent(), now=NOW)
    assert (report.faults, len(report.notes)) == ((), 1)


def test_compaction_of_a_damaged_part_changes_nothing(tmp_path: Path, lake: Lake) -> None:
    fill(lake, tmp_path, files=3)
    before = lake.manifest.parts()
    lake.path(before[1]).unlink()
    with pytest.raises(LakeError, match="is missing"):
        compact(lake, progress=Silent(), now=NOW)
    assert lake.manifest.parts() == before
    cut(lake.path(before[0]))
    with pytest.raises(LakeError, match=r"damaged|missing"):
        compact(lake, progress=Silent(), now=NOW)
    assert not list(lake.root.rglob("*.tmp"))


def test_expiry_removes_what_is_older_and_claims_it_no_longer(tmp_path: Path, lake: Lake) -> None:
    values = fill(lake, tmp_path / "logs")
    lake.manifest.record_fetched("1", "eu", None, Window(START - DAY, START + 9 * DAY), NOW)
    limit = START + 2 * DAY + timedelta(minutes=10)
    report = upkeep.expire(lake, progress=Silent(), now=NOW, before=limit)
    assert (report.records, report.parts_dropped, report.parts_rewritten, report.objects_forgotten) == (70, 2, 1, 2)
    assert contents(lake) == multiset(values[70:])
    spans = lake.manifest.source_spans()
    assert min(span.first for span in spans) >= limit
    assert sum(span.records for span in spans) == 110
    assert lake.manifest.fetched("1", "eu", None) == [Window(limit, START + 9 * DAY)]
    assert upkeep.verify(lake, progress=Silent(), now=NOW).sound
    again = read_in(lake, tmp_path / "logs")
    assert (again.new, again.unchanged) == (60, 4)


def test_expiry_by_age_of_a_compacted_lake(tmp_path: Path, lake: Lake) -> None:
    values = fill(lake, tmp_path)
    compact(lake, progress=Silent(), now=NOW)
    report = upkeep.expire(lake, progress=Silent(), now=START + 10 * DAY, keep=8 * DAY)
    assert (report.before, report.records, report.parts_rewritten) == (START + 2 * DAY, 60, 1)
    assert contents(lake) == multiset(values[60:])
    part = lake.manifest.parts()[0]
    assert (part.kind, part.first) == ("compacted", START + 2 * DAY)
    everything = upkeep.expire(lake, progress=Silent(), now=NOW, before=NOW)
    assert (everything.records, lake.manifest.parts(), lake.manifest.source_spans()) == (120, [], [])


def test_expiry_wants_one_limit_that_has_passed(lake: Lake) -> None:
    for limits in ({}, {"before": NOW, "keep": DAY}, {"before": NOW + DAY}, {"keep": -DAY}):
        with pytest.raises(UsageError):
            upkeep.expire(lake, progress=Silent(), now=NOW, **limits)


def test_care_is_refused_while_another_writes(tmp_path: Path, lake: Lake) -> None:
    fill(lake, tmp_path, files=1)
    with Lake.open(lake.root) as other, other.writing(NOW):
        for care in (
            lambda: compact(lake, progress=Silent(), now=NOW),
            lambda: upkeep.expire(lake, progress=Silent(), now=NOW, before=NOW),
        ):
            with pytest.raises(Busy):
                care()


def test_the_quarantine_is_listed_newest_first(tmp_path: Path, lake: Lake) -> None:
    read_in(lake, write(tmp_path, "a.json", document(["x" * 1000])))
    read_in(lake, write(tmp_path, "b.json", document([{"eventName": "<b>"}])), now=NOW + DAY)
    listed = upkeep.quarantine(lake)
    assert [(q.uri[-6:], q.place, q.at) for q in listed] == [
        ("b.json", "record 1", NOW + DAY),
        ("a.json", "record 1", NOW),
    ]
    assert len(listed[1].snippet) == 200
