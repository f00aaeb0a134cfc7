"""Each event once, whatever the files, their order and their repetition; and a report that adds up."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_write_records import NOW, START, contents, document, multiset, read_in, record, rows, write

from trailwarden.errors import Busy, LakeError, SourceError
from trailwarden.lake import dedupe, landing, pool
from trailwarden.lake import ingest as ingest_module
from trailwarden.lake.compact import compact
from trailwarden.lake.ingest import ingest, land
from trailwarden.lake.sources import RecordObject, local_objects
from trailwarden.lake.store import Lake
from trailwarden.lake.upkeep import expire
from trailwarden.model.finding import SourceKind
from trailwarden.progress import Silent, Task


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with Lake.open(tmp_path / "lake") as opened:
        yield opened


def test_the_same_file_is_not_read_twice_and_its_records_count_as_duplicates(tmp_path: Path, lake: Lake) -> None:
    path = write(tmp_path, "a.json.gz", document([record(1), record(2), "bad"]))
    assert (read_in(lake, path).new, lake.manifest.generation()) == (2, 1)
    stat = path.stat()
    path.write_bytes(b"x" * stat.st_size)  # nobody looks
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = read_in(lake, path)
    assert (again.files, again.unchanged, again.records, again.new, again.duplicates, again.unreadable) == (
        1,
        1,
        2,
        0,
        2,
        0,
    )
    assert lake.manifest.generation() == 1


def test_a_file_named_twice_is_read_once(tmp_path: Path, lake: Lake) -> None:
    path = write(tmp_path, "a.json", document([record(1)]))
    objects = [*local_objects(path), *local_objects(path)]
    report = ingest(lake, objects, progress=Silent(), now=NOW, workers=1)
    assert (report.files, report.unchanged, report.new) == (2, 1, 1)


def test_a_file_that_has_grown_is_read_again_and_only_what_is_new_lands(tmp_path: Path, lake: Lake) -> None:
    path = write(tmp_path, "a.json", document([record(1), record(2)]))
    read_in(lake, path)
    write(tmp_path, "a.json", document([record(1), record(2), record(3)]))
    report = read_in(lake, path)
    assert (report.records, report.new, report.duplicates) == (3, 1, 2)
    assert contents(lake) == multiset([record(1), record(2), record(3)])


def test_the_same_event_in_other_formatting_and_key_order_is_one(tmp_path: Path, lake: Lake) -> None:
    other = dict(reversed(record(1).items()))
    write(tmp_path, "logs/a.json.gz", document([record(1)]))
    write(tmp_path, "logs/b.json", document([other], indent=4))
    write(tmp_path, "logs/c.jsonl", json.dumps({"CloudTrailEvent": json.dumps(other)}).encode() + b"\n{}\n")
    report = read_in(lake, tmp_path / "logs")
    assert (report.records, report.new, report.duplicates, report.quarantined) == (4, 1, 2, 1)


def test_an_id_that_repeats_for_other_events_is_kept(tmp_path: Path, lake: Lake) -> None:
    masked = [
        record(1),
        record(1, eventName="RunInstances"),
        record(1, eventTime="2026-11-03T10:16:01Z"),
        record(1, recipientAccountId="222222222222"),
        record(1, userAgent="another copy of the first"),
    ]
    report = read_in(lake, write(tmp_path, "a.json", document(masked)))
    assert (report.new, report.duplicates) == (4, 1)
    assert contents(lake) == multiset(masked[:4])


def test_both_views_of_a_shared_event_are_kept(tmp_path: Path, lake: Lake) -> None:
    views = [record(n, sharedEventID="5e", recipientAccountId=f"{n}" * 12) for n in (1, 2)]
    assert read_in(lake, write(tmp_path, "a.json", document(views))).new == 2
    assert contents(lake) == multiset(views)


def test_what_live_history_brings_is_one_with_the_archive(tmp_path: Path, lake: Lake) -> None:
    read_in(lake, write(tmp_path, "a.json.gz", document([record(1)])))
    raw = [json.dumps(record(n), indent=1).encode() for n in (1, 2)]
    report = land(lake, [*raw, b"broken"], source="event_history", location="111111111111/eu-central-1", now=NOW)
    assert (report.files, report.records, report.new, report.duplicates, report.quarantined) == (0, 3, 1, 1, 1)
    assert [(s.source, s.location, s.records) for s in lake.manifest.source_spans()] == [
        ("event_history", "111111111111/eu-central-1", 2),
        ("files", str(tmp_path / "a.json.gz"), 1),
    ]
    assert land(lake, raw, source="event_history", location="x", now=NOW).new == 0
    assert land(lake, [], source="event_history", location="x", now=NOW).records == 0


def test_repeated_landings_remember_what_they_need_and_notice_what_changed(tmp_path: Path, lake: Lake) -> None:
    def landed(*numbers: int) -> int:
        raw = [json.dumps(record(n, at=START + timedelta(days=n % 3))).encode() for n in numbers]
        return land(lake, raw, source="event_history", location="x", now=NOW).new

    assert [landed(1, 2), landed(2, 3), landed(3, 4, 1)] == [2, 1, 1]
    compact(lake, progress=Silent(), now=NOW)
    assert [landed(1, 5), landed(5, 6)] == [1, 1]
    with Lake.open(lake.root) as other:
        other_day = [json.dumps(record(7, at=START + timedelta(days=1))).encode()]
        assert land(other, other_day, source="event_history", location="x", now=NOW).new == 1
    assert [landed(7), landed(8)] == [0, 1]
    expire(lake, progress=Silent(), now=NOW, before=NOW)
    assert landed(1, 7) == 2


def test_spans_say_what_each_source_holds_by_account_and_region(tmp_path: Path, lake: Lake) -> None:
    values = [
        record(1),
        record(2),
        record(3, recipientAccountId=..., userIdentity=..., awsRegion="us-east-1"),
        record(4, at=START + timedelta(days=2)),
    ]
    read_in(lake, write(tmp_path, "a.json", document(values)))
    spans = lake.manifest.source_spans()
    assert [(s.account_id, s.aws_region, s.first, s.last, s.records, s.delivered) for s in spans] == [
        ("", "us-east-1", START + timedelta(minutes=3), START + timedelta(minutes=3), 1, NOW),
        ("111111111111", "eu-central-1", START + timedelta(minutes=1), START + timedelta(days=2), 3, NOW),
    ]
    assert [s.first.date().day for s in lake.manifest.daily_spans()] == [3, 3, 5]


def test_parts_are_of_one_month_and_carry_their_bounds(tmp_path: Path, lake: Lake) -> None:
    october = record(1, eventTime="2026-10-31T23:59:59Z")
    november = record(2, eventTime="2026-11-01T00:00:00Z")
    read_in(lake, write(tmp_path, "a.json", document([november, october, record(3)])))
    parts = lake.manifest.parts()
    assert [(p.month, p.records, p.first.isoformat()[:19], p.last.isoformat()[:19]) for p in parts] == [
        ("2026-11", 2, "2026-11-01T00:00:00", "2026-11-03T10:18:00"),
        ("2026-10", 1, "2026-10-31T23:59:59", "2026-10-31T23:59:59"),
    ]
    assert [p.month for p in lake.manifest.parts(newest_first=False)] == ["2026-10", "2026-11"]


def test_records_of_alternating_days_and_very_old_ones_land(tmp_path: Path, lake: Lake) -> None:
    values = [record(n, at=START + timedelta(days=n % 3, seconds=n)) for n in range(600)]
    values += [record(1000, eventTime="1969-12-31T23:00:00Z"), record(1001, eventTime="2999-01-01T00:00:00Z")]
    path = write(tmp_path, "a.json.gz", document(values))
    assert read_in(lake, path).new == 602
    copied = write(tmp_path, "b.json.gz", document(list(reversed(values))))
    assert read_in(lake, copied).duplicates == 602
    assert contents(lake) == multiset(values)


events = st.integers(0, 11).map(
    lambda n: record(n % 9, at=START + timedelta(hours=9 * (n % 9)), recipientAccountId=f"{n // 9}" * 12)
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.lists(events, max_size=5), st.sampled_from(["json", "jsonl", "gz"])), min_size=1, max_size=5),
    st.data(),
)
def test_any_split_order_and_repetition_gives_the_same_lake(
    files: list[tuple[list[Any], str]], data: st.DataObject
) -> None:
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, Lake.open(Path(folder) / "lake") as lake:
        expected: dict[str, Any] = {}
        for number, (values, kind) in enumerate(files):
            expected |= {json.dumps(v, sort_keys=True): v for v in values}
            if kind == "jsonl":
                content = b"".join(json.dumps(v).encode() + b"\n" for v in values)
            else:
                content = document(values, indent=1 if kind == "json" else None)
            write(Path(folder), f"logs/{number}.{'json.gz' if kind == 'gz' else kind}", content)
        objects = list(local_objects(Path(folder) / "logs"))
        total = new = 0
        for _ in range(data.draw(st.integers(1, 3))):
            chosen = data.draw(st.permutations(objects))
            cut = data.draw(st.integers(0, len(chosen)))
            for some in (chosen[:cut], chosen[cut:]):
                report = ingest(lake, some, progress=Silent(), now=NOW, workers=1, compact=data.draw(st.booleans()))
                assert report.records == report.new + report.duplicates + report.quarantined
                total, new = total + report.records, new + report.new
        assert new == len(expected)
        assert contents(lake) == multiset(list(expected.values()))


def many(folder: Path, files: int, per_file: int) -> list[dict[str, Any]]:
    values = []
    for number in range(files):
        mine = [
            record(number * per_file + n, at=START + timedelta(minutes=20 * number, seconds=n)) for n in range(per_file)
        ]
        values += mine
        write(folder, f"2026/11/03/{number:03d}.json.gz", document(mine))
    return values


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "SMALL", 0)
    monkeypatch.setattr("trailwarden.lake.pool.BATCH_LEAST", 4000)


@pytest.mark.usefixtures("small_batches")
def test_workers_give_the_same_lake(tmp_path: Path, lake: Lake) -> None:
    values = many(tmp_path / "logs", 30, 20)
    shutil.copytree(tmp_path / "logs", tmp_path / "logs/copy")
    report = read_in(lake, tmp_path / "logs", workers=2)
    assert (report.files, report.records, report.new, report.duplicates) == (60, 1200, 600, 600)
    assert contents(lake) == multiset(values)
    assert not any((lake.root / "events").rglob("*.tmp"))
    again = read_in(lake, tmp_path / "logs", workers=2)
    assert (again.unchanged, again.new, again.duplicates) == (60, 0, 1200)


@pytest.mark.timeout(60)
def test_workers_that_are_all_idle_before_the_end_is_known_are_not_waited_for(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch, small_batches: None
) -> None:
    batches, receive = pool.batches, pool.Pool._receive
    landed: list[float] = []
    all_idle = threading.Event()

    def late_end(*given: Any) -> Iterator[Any]:
        yield from batches(*given)
        assert all_idle.wait(30)

    def watch(self: pool.Pool, pipe: Any, idle: set[Any]) -> None:
        receive(self, pipe, idle)
        if sum(landed) == 40 and len(idle) == 2:
            all_idle.set()

    monkeypatch.setattr(pool, "batches", late_end)
    monkeypatch.setattr(pool.Pool, "_receive", watch)
    folder = many_files(tmp_path, 8)
    watcher = Watcher(lambda seen: landed.__setitem__(slice(None), [float(seen.seen[-1][1].split()[0])]))
    assert ingest(lake, local_objects(folder), progress=watcher, now=NOW, workers=2, compact=False).new == 40
    assert all_idle.is_set()


class Remote(msgspec.Struct, frozen=True):
    """An object that only this process can read."""

    uri: str
    content: bytes
    gate: Any = None
    version: str = "etag"
    source: SourceKind = "archive"
    location: str = "s3://logs/AWSLogs"
    day: date | None = None

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self) -> bytes:
        if self.gate is not None:
            self.gate()
        if not self.content:
            raise SourceError("the bucket says no", remedy="ask it nicely")
        return self.content


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("workers", [1, 2])
def test_remote_objects_are_read_here_ahead_and_landed_in_order(workers: int, lake: Lake) -> None:
    both = threading.Barrier(2)
    objects = [
        Remote(f"s3://logs/{n}.json.gz", gzip.compress(document([record(n)])), lambda: both.wait(timeout=30) and None)
        for n in range(4)
    ]
    report = ingest(
        lake, [*objects, Remote("s3://logs/x", b"")], progress=Silent(), now=NOW, workers=workers, compact=False
    )
    assert (report.files, report.new, report.unreadable) == (5, 4, 1)
    assert contents(lake) == multiset([record(n) for n in range(4)])
    assert [(q.uri, q.reason) for q in lake.manifest.quarantined()] == [("s3://logs/x", "the bucket says no")]
    assert ingest(lake, objects, progress=Silent(), now=NOW, workers=workers).unchanged == 4


@pytest.mark.usefixtures("small_batches")
def test_a_failing_reader_stops_the_ingest_with_what_is_committed(tmp_path: Path, lake: Lake) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    objects: list[RecordObject] = [
        *local_objects(many_files(tmp_path, 6)),
        Remote("z", b"x", broken, day=date(2026, 12, 1)),
    ]
    with pytest.raises(ZeroDivisionError):
        ingest(lake, objects, progress=Silent(), now=NOW, workers=2)
    assert read_in(lake, tmp_path / "logs").records == 30
    assert contents(lake) == multiset(
        [record(n, at=START + timedelta(minutes=20 * (n // 5), seconds=n % 5)) for n in range(30)]
    )


def many_files(folder: Path, files: int) -> Path:
    many(folder / "logs", files, 5)
    return folder / "logs"


class Watcher:
    """Progress that calls back after each advance."""

    def __init__(self, on_advance: Any = None) -> None:
        self.seen: list[tuple[float, str]] = []
        self.totals: list[float] = []
        self.titles: list[str] = []
        self._on_advance = on_advance

    @contextmanager
    def task(self, title: str, *, total: float | None = None, unit: str = "") -> Iterator[Task]:
        self.titles.append(f"{title} [{unit}]")
        yield self

    def advance(self, amount: float, *, note: str = "") -> None:
        self.seen.append((amount, note))
        if self._on_advance is not None:
            self._on_advance(self)

    def total(self, amount: float) -> None:
        self.totals.append(amount)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("workers", [1, 2])
def test_progress_adds_up_to_the_bytes_of_the_files(workers: int, tmp_path: Path, lake: Lake) -> None:
    folder = many_files(tmp_path, 8)
    watcher = Watcher()
    ingest(lake, local_objects(folder), progress=watcher, now=NOW, workers=workers, compact=False)
    assert watcher.titles == ["Reading CloudTrail records [bytes]"]
    assert watcher.totals == [sum(path.stat().st_size for path in folder.rglob("*.gz"))]
    assert sum(amount for amount, _ in watcher.seen) == watcher.totals[0]
    assert watcher.seen[-1][1].startswith("40 records, ")


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_what_is_committed_and_says_so(
    workers: int, tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "PORTION", 5)
    monkeypatch.setattr(landing, "CHUNK", 1)
    monkeypatch.setattr("trailwarden.lake.pool.BATCH_LEAST", 100)
    folder = many_files(tmp_path, 8)

    def interrupt(watcher: Watcher) -> None:
        if len(watcher.seen) == 2:
            signal.raise_signal(signal.SIGINT)

    report = ingest(lake, local_objects(folder), progress=Watcher(interrupt), now=NOW, workers=workers)
    assert report.interrupted
    assert 0 < report.new < 40
    assert sum(contents(lake).values()) == report.new
    rest = read_in(lake, folder)
    assert (rest.interrupted, rest.new, rest.duplicates) == (False, 40 - report.new, report.new)


def test_a_second_writer_is_refused_with_a_remedy_and_readers_are_not(tmp_path: Path, lake: Lake) -> None:
    path = write(tmp_path, "a.json", document([record(1)]))
    read_in(lake, path)
    with lake.writing(NOW), Lake.open(lake.root) as other:
        with pytest.raises(Busy, match=f"pid {os.getpid()}") as refused:
            read_in(other, path)
        assert "searching goes on" in refused.value.remedy
        assert len(rows(other)) == 1
        with lake.writing(NOW):  # the one that holds it may use it again
            pass
    with Lake.open(lake.root) as other:
        assert read_in(other, path).unchanged == 1


def test_another_thread_is_refused_too(lake: Lake) -> None:
    outcomes: list[str] = []

    def try_it() -> None:
        try:
            with lake.writing(NOW):
                outcomes.append("written")
        except Busy as error:
            outcomes.append(error.message)

    with lake.writing(NOW):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert outcomes == ["this process is already writing to the lake"]


def test_a_lock_of_a_dead_process_holds_nobody_up(tmp_path: Path) -> None:
    script = (
        "import os,sys,datetime as d;from pathlib import Path;from trailwarden.lake.store import Lake\n"
        "lake=Lake.open(Path(sys.argv[1]))\nwith lake.writing(d.datetime.now(d.UTC)):\n"
        " print('held',flush=True)\n os.kill(os.getpid(),9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "lake")], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("held\n", -9)
    with Lake.open(tmp_path / "lake") as lake, lake.writing(NOW):
        pass


def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path: Path, lake: Lake) -> None:
    read_in(lake, write(tmp_path, "a.json", document([record(1)])))
    left = [
        write(lake.root, "events/month=2026-11/loose-x.parquet", b"unlisted"),
        write(lake.root, "events/month=2026-12/loose-y.parquet.tmp", b"half"),
        write(lake.root, ".compact-abc/0", b"spilled"),
    ]
    with Lake.open(lake.root) as reader:
        assert all(path.exists() for path in left)
        assert len(rows(reader)) == 1
    read_in(lake, tmp_path / "a.json")
    assert not any(path.exists() for path in left)
    assert len(rows(lake)) == 1


def test_a_lake_that_cannot_be_written_says_so_and_loses_nothing(tmp_path: Path, lake: Lake) -> None:
    path = write(tmp_path, "a.json", document([record(1)]))
    blocker = lake.root / "events/month=2026-11"
    with lake.writing(NOW):
        write(lake.root, "events/month=2026-11", b"a file where a folder belongs, after the sweep")
        with pytest.raises(LakeError, match="cannot write to the lake") as failed:
            read_in(lake, path)
    assert "nothing is lost or doubled" in failed.value.remedy
    assert not read_in(lake, path).unchanged
    assert blocker.is_dir()


def test_days_that_were_dropped_from_memory_are_loaded_again(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedupe, "HELD", 4)
    monkeypatch.setattr(dedupe, "LOADED_AT_ONCE", 2)
    monkeypatch.setattr(landing, "PORTION", 1)
    monkeypatch.setattr(landing, "CHUNK", 1)
    values = [record(n, at=START + timedelta(days=n % 7, minutes=n)) for n in range(40)]
    for number in range(4):
        write(tmp_path, f"logs/{number}.json", document(values[number * 8 : number * 8 + 16]))
    report = read_in(lake, tmp_path / "logs")
    assert (report.new, report.duplicates) == (40, 24)
    assert contents(lake) == multiset(values)


def test_days_that_nobody_waits_for_are_dropped_from_memory(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "HELD", 4)
    seen = dedupe.Seen(lake)
    asked = [([(date(2026, 11, day), 3)], bytes(16 * 2) + bytes([day] * 16)) for day in range(1, 9)]
    for days, keys in asked[:3]:  # two of three keys are the same
        assert seen.new(days, keys) == b"\1\0\1"
    assert seen.held == 6
    seen.committed()
    assert seen.held == 4  # only the first day's question is answered
    assert seen.new(*asked[1]) == b"\0\0\0"
    for days, keys in asked[3:]:
        seen.new(days, keys)
    for _ in range(8):
        seen.committed()
    assert seen.held <= 4


def test_an_object_larger_than_a_portion_is_read_once_it_is_whole(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "PORTION", 10)
    monkeypatch.setattr(landing, "CHUNK", 4)
    monkeypatch.setattr("trailwarden.lake.decode.CHUNK", 4)
    values = [record(n) for n in range(55)]
    content = document([*values[:30], "bad", *values[30:]])
    path = write(tmp_path, "a.json", content)
    report = read_in(lake, path)
    assert (report.records, report.new, report.quarantined) == (56, 55, 1)
    assert len(lake.manifest.parts()) > 3
    assert read_in(lake, path).records == 55
    assert contents(lake) == multiset(values)


def test_a_newer_format_is_refused(tmp_path: Path, lake: Lake) -> None:
    import sqlite3  # noqa: PLC0415

    lake.close()
    with sqlite3.connect(lake.root / "manifest.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LakeError, match="format 99") as refused:
        Lake.open(lake.root)
    assert "upgrade" in refused.value.remedy


def test_a_manifest_that_is_no_database_is_named(tmp_path: Path) -> None:
    write(tmp_path, "lake/manifest.db", b"not a database, but long enough to look like a file of some kind" * 20)
    with pytest.raises(LakeError, match=r"manifest\.db cannot be read"):
        Lake.open(tmp_path / "lake")
    write(tmp_path, "file", b"x")
    with pytest.raises(LakeError, match="cannot use"):
        Lake.open(tmp_path / "file")


def test_threads_share_a_handle(tmp_path: Path, lake: Lake) -> None:
    read_in(lake, write(tmp_path, "a.json", document([record(1)])))
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(lake.manifest.parts()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1, 1, 1, 1]


def test_fetched_windows_are_joined_and_those_of_everything_count_for_each_attribute(lake: Lake) -> None:
    from trailwarden.model.time import Window  # noqa: PLC0415

    hour = timedelta(hours=1)

    def window(start: int, end: int) -> Window:
        return Window(START + start * hour, START + end * hour)

    manifest = lake.manifest
    manifest.record_fetched("1", "eu", None, window(0, 2), NOW)
    manifest.record_fetched("1", "eu", None, window(2, 3), NOW)
    manifest.record_fetched("1", "eu", ("Username", "alice"), window(5, 6), NOW)
    assert manifest.fetched("1", "eu", None) == [window(0, 3)]
    assert manifest.fetched("1", "eu", ("Username", "alice")) == [window(0, 3), window(5, 6)]
    assert manifest.fetched("1", "eu", ("Username", "bob")) == [window(0, 3)]
    assert manifest.fetched("2", "eu", None) == []
    manifest.expect_accounts({"111111111111": "prod", "222222222222": "dev"})
    manifest.expect_accounts({"111111111111": "production"})
    assert manifest.expected_accounts() == {"111111111111": "production"}


def test_parts_are_pruned_by_time(tmp_path: Path, lake: Lake) -> None:
    from trailwarden.model.time import Window  # noqa: PLC0415

    for day in range(3):
        read_in(lake, write(tmp_path, f"{day}.json", document([record(day, at=START + timedelta(days=day))])))
    assert [p.first.day for p in lake.manifest.parts()] == [5, 4, 3]
    at = START + timedelta(days=1)
    assert [p.first.day for p in lake.manifest.parts(Window(at, at + timedelta(seconds=1)))] == [4]
    assert lake.manifest.parts(Window(at - timedelta(hours=1), at)) == []
    assert isinstance(lake.manifest.parts()[0].first, datetime)
