"""How long the sessions of a lake take to derive, and questions about them to answer, on the simulated organisation.

    python -m bench.sessions --records 1000000

``derive`` makes the index of a lake that has none, in a process that does nothing else: seconds, and peak memory.
``identity`` is the question about a person, whole: users, sessions, chains, and what each session did; ``show`` is
whose a key is, ``list`` the newest 100 sessions, ``model`` the ways in. In process, warm, the best of five, in
milliseconds; ``process`` is the person's question as a command, from its start.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from trailwarden.app import App
from trailwarden.demo.activity import generate
from trailwarden.demo.scenario import build_scenario
from trailwarden.lake.ingest import land
from trailwarden.lake.sessions import SessionIndex

ANCHOR = datetime(2026, 11, 24, 3, 42, tzinfo=UTC)
BATCH = 200_000
REPEATS = 5
_DERIVE = """
import sys, time
from pathlib import Path
from trailwarden.lake.sessions import SessionIndex
from trailwarden.lake.store import Lake
from trailwarden.model.session import SessionFilter
from trailwarden.progress import Silent
with Lake.open(Path(sys.argv[1])) as lake, SessionIndex(lake) as index:
    started = time.perf_counter()
    index.refresh(Silent())
    seconds = time.perf_counter() - started
    total = index.page(SessionFilter(), None, limit=1, cursor=None).total
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(seconds, int(peak.split()[1]) / 1024, total)
"""


def fill(app: App, records: int) -> int:
    """Put the organisation's records into the lake; returns how many."""
    count = 0
    for batch in _batches(generate(build_scenario(anchor=ANCHOR, records=records))):
        count += land(app.lake, batch, source="files", location="bench", now=ANCHOR).new
    return count


def _batches(records: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for record in records:
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def best(question: Callable[[], object]) -> float:
    """The least of REPEATS runs, in milliseconds."""
    question()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        question()
        times.append(time.perf_counter() - started)
    return min(times) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder, App.open(folder) as app:
        count = fill(app, records)
        derived = subprocess.run(
            [sys.executable, "-c", _DERIVE, str(app.lake.root)], check=True, capture_output=True, text=True
        ).stdout.split()
        seconds, megabytes, sessions = float(derived[0]), float(derived[1]), int(derived[2])
        size = sum(file.stat().st_size for file in app.lake.root.glob("sessions.db*")) / 1e6
        events = sum(part.bytes for part in app.lake.manifest.parts()) / 1e6
        with SessionIndex(app.lake) as index:
            key = next(s.access_keys[0] for s in index.having([("email", "john@company.com")]) if s.access_keys)
        print(f"{count:,} records, {sessions:,} sessions")
        print(f"derive    {seconds:8.1f} s   {1e6 * seconds / count:5.1f} µs a record   peak {megabytes:,.0f} MB")
        print(f"index     {size:8.1f} MB  beside {events:,.1f} MB of events")
        for name, question in (
            ("identity", lambda: app.identity("john@company.com", live="never")),
            ("show", lambda: app.sessions_show(key, live="never")),
            ("list", lambda: app.sessions_list(live="never")),
            ("model", lambda: app.auth_model(live="never")),
        ):
            print(f"{name:<9} {best(question):8.0f} ms")
        command = ["-m", "trailwarden", "--home", folder, "identity", "john@company.com", "--format", "json"]
        started = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        print(f"process   {1000 * (time.perf_counter() - started):8.0f} ms")


if __name__ == "__main__":
    main()
