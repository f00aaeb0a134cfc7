"""A writer killed at any moment loses nothing and doubles nothing."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lake_write_records import NOW, START, contents, document, multiset, read_in, record, write

from trailwarden.lake import upkeep
from trailwarden.lake.store import Lake
from trailwarden.progress import Silent

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from trailwarden.lake import compact, ingest, landing
from trailwarden.lake.sources import local_objects
from trailwarden.lake.store import Lake
from trailwarden.progress import Silent

landing.PORTION, landing.CHUNK = 40, 10
ingest.SMALL = 0 if sys.argv[3] == "2" else 1 << 30
compact.DUE_PARTS = 3
compact.BUCKET_ROWS = 50
now = datetime(2026, 11, 24, tzinfo=UTC)
print("ready", flush=True)
with Lake.open(Path(sys.argv[1])) as lake:
    ingest.ingest(lake, local_objects(Path(sys.argv[2])), progress=Silent(), now=now, workers=int(sys.argv[3]))
"""


def start(root: Path, logs: Path, workers: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(root), str(logs), str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def files_seen(root: Path) -> int:
    """Files that were made so far, temporary ones and those of a compaction included."""
    return sum(1 for _ in root.rglob("*.parquet*")) + sum(1 for _ in root.glob(".compact-*/*"))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("logs")
    values = [record(n, at=START + timedelta(hours=n // 4, seconds=n)) for n in range(600)]
    for number in range(20):
        # every file repeats a third of the one before it
        write(folder, f"{number:02d}.json.gz", document(values[max(0, number * 30 - 10) : number * 30 + 30]))
    return folder, values


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_again_and_again_the_lake_is_whole_in_the_end(
    workers: int, tmp_path: Path, logs: tuple[Path, list[dict[str, Any]]]
) -> None:
    folder, values = logs
    root, dice = tmp_path / "lake", random.Random(workers)
    kills = 0
    for attempt in range(6 if workers == 1 else 4):
        target = files_seen(root) + dice.randint(0, 4) if attempt else 1
        with start(root, folder, workers) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            deadline = time.monotonic() + 60
            while writer.poll() is None and files_seen(root) < target and time.monotonic() < deadline:
                os.sched_yield()  # the state of the disk decides when
            if writer.poll() is None:
                writer.send_signal(signal.SIGKILL)
                kills += 1
        with Lake.open(root) as lake:  # whatever was committed is whole, and each event is there once
            seen = contents(lake)
            assert set(seen.values()) <= {1}
            assert seen.keys() <= multiset(values).keys()
    assert kills >= 2
    with start(root, folder, workers) as writer:
        writer.communicate()
    assert writer.returncode == 0
    with Lake.open(root) as lake:
        assert contents(lake) == multiset(values)
        assert upkeep.verify(lake, progress=Silent(), now=NOW).sound
        assert read_in(lake, folder).unchanged == 20


def test_workers_end_with_their_parent(tmp_path: Path, logs: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, _ = logs
    with start(tmp_path / "lake", folder, 2) as writer:
        children: list[int] = []
        deadline = time.monotonic() + 60
        while len(children) < 2 and writer.poll() is None and time.monotonic() < deadline:
            children = children_of(writer.pid)
        writer.kill()
    if len(children) < 2:
        pytest.skip("this system does not show child processes")
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline, "a worker outlived its parent"


def children_of(pid: int) -> list[int]:
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
