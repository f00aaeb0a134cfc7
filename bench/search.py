"""How fast the lake answers, side by side with other ways to ask the same of the same records.

    python -m bench.search --records 200000
    python -m bench.search --records 1000000 --home /data/bench

Each question asks for the number of matches and the newest 100 of them, whole. ``lake`` is ``search()`` as every face
calls it, coverage included; ``process`` the command line from its start; ``table`` a DuckDB table, ``glob`` a glob over
Parquet files by day, sorted by time; ``bytes`` inflates every log file and looks for the text. Cold: after the files
were dropped from the page cache, over a new connection; warm: the best of five. Milliseconds; ratios are to ``lake``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from bench.ingest import generate

from trailwarden.lake.engines.duckdb import DuckDB
from trailwarden.lake.ingest import ingest
from trailwarden.lake.query import search
from trailwarden.lake.sources import local_objects
from trailwarden.lake.store import Lake
from trailwarden.model.event import EventFilter, EventQuery
from trailwarden.model.time import Window
from trailwarden.progress import Silent

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PER_FILE = 500
REPEATS = 5


class Question(msgspec.Struct, frozen=True):
    """One question, in each of the ways: the filter, the command line, the condition in SQL, the bytes."""

    name: str
    where: EventFilter
    options: tuple[str, ...]
    condition: str
    values: tuple[str, ...]
    needle: bytes
    window: Window | None = None


def questions(sample: dict[str, str]) -> list[Question]:
    key, user, ip, role = sample["access_key_id"], sample["session_name"], sample["source_ip"], sample["role_name"]
    text = sample["event_id"][:13]
    month = Window(NOW - timedelta(days=54), NOW - timedelta(days=24))
    inside = "event_time >= TIMESTAMP '2026-10-01' AND event_time < TIMESTAMP '2026-10-31'"
    wide = ("event_id", "request_id", "user_identity", "request_parameters", "response_elements", "resources")
    anywhere = " OR ".join(f"contains(lower({column}), $1)" for column in wide)
    return [
        Question("access key", EventFilter(access_key=(key,)), ("--access-key", key), "access_key_id = $1", (key,),
                 key.encode()),
        Question("user", EventFilter(user=(user,)), ("--user", user),
                 "(lower(session_name) = $1 OR lower(user_name) = $1 OR lower(source_identity) = $1)", (user,),
                 user.encode()),
        Question("session", EventFilter(session=(user,)), ("--session", user), "session_name = $1", (user,),
                 user.encode()),
        Question("address", EventFilter(ip=(ip,)), ("--ip", ip), "source_ip = $1", (ip,), ip.encode()),
        Question("absent address", EventFilter(ip=("192.0.2.99",)), ("--ip", "192.0.2.99"), "source_ip = $1",
                 ("192.0.2.99",), b"192.0.2.99"),
        Question("role, 30 days", EventFilter(role=(role,)),
                 ("--role", role, "--from", "2026-10-01", "--to", "2026-10-30"),
                 f"role_name = $1 AND {inside}", (role,), role.encode(), month),
        Question("text", EventFilter(text=(text,)), ("--text", text), f"({anywhere})", (text,), text.encode()),
        Question("everything", EventFilter(), (), "TRUE", (), b'"eventID"'),
    ]  # fmt: skip


def milliseconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1e3


def evict(paths: Iterable[Path]) -> None:
    """Drop files from the page cache."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class Table:
    """DuckDB over a table of its own, or over a glob of daily files."""

    def __init__(self, database: Path | None, source: str) -> None:
        import duckdb  # noqa: PLC0415

        self._connection = duckdb.connect(str(database) if database else ":memory:", read_only=database is not None)
        self._source = source

    def ask(self, question: Question) -> int:
        of = f"FROM {self._source} WHERE {question.condition}"
        values = list(question.values)
        row = self._connection.execute(f"SELECT count(*) {of}", values).fetchone()
        newest = f"SELECT * {of} ORDER BY event_time DESC, event_id DESC LIMIT 100"
        self._connection.execute(newest, values).fetchall()
        return int(row[0]) if row else 0

    def close(self) -> None:
        self._connection.close()


def byte_search(files: Iterable[Path], needle: bytes) -> int:
    from deflate import gzip_decompress  # noqa: PLC0415

    return sum(gzip_decompress(path.read_bytes()).count(needle) for path in files)


def write_rivals(lake: Lake, folder: Path) -> tuple[Path, Path]:
    """A DuckDB database with all records, sorted by time, and the same as a Parquet file for each day."""
    import duckdb  # noqa: PLC0415

    database, daily = folder / "events.duckdb", folder / "daily"
    daily.mkdir()
    parts = [str(lake.path(part)) for part in lake.manifest.parts()]
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE TABLE events AS SELECT * FROM read_parquet($1) ORDER BY event_time", [parts])
        days = connection.execute("SELECT DISTINCT CAST(event_time AS DATE) FROM events ORDER BY 1").fetchall()
        for (day,) in days:
            connection.execute(
                f"COPY (SELECT * FROM events WHERE CAST(event_time AS DATE) = DATE '{day}' ORDER BY event_time) "
                f"TO '{daily}/{day}.parquet' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)"
            )
    return database, daily


def sample_of(lake: Lake) -> dict[str, str]:
    """Values of a record in the middle, of a person's session."""
    columns = ("access_key_id", "session_name", "source_ip", "role_name", "event_id")
    sql = (
        f"SELECT {', '.join(columns)} FROM events WHERE session_name LIKE 'person%' AND event_time > "
        "TIMESTAMP '2026-10-05 00:00:00' ORDER BY event_time LIMIT 1"
    )
    files = [str(lake.path(part)) for part in lake.manifest.parts()]
    return dict(zip(columns, DuckDB(lake.root).rows(sql, (), files)[0], strict=True))


def run_process(home: Path, question: Question) -> None:
    main = "from trailwarden.faces.cli import main; main()"
    command = [sys.executable, "-c", main, "search", *question.options, "--live", "never", "--format", "json"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "TRAILWARDEN_HOME": str(home)}, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr.decode())


def measure(lake: Lake, logs: list[Path], rivals: tuple[Path, Path], *, process: bool) -> None:
    database, daily = rivals
    parts = [lake.path(part) for part in lake.manifest.parts()]
    print(f"\n{'':16}{'matches':>10}{'lake':>16}{'process':>10}{'table':>22}{'glob':>22}{'bytes':>16}")
    print(
        f"{'':16}{'':>10}{'cold/warm':>16}{'warm':>10}{'cold/warm    ratio':>22}{'cold/warm    ratio':>22}{'ratio':>16}"
    )
    for question in questions(sample_of(lake)):
        query = EventQuery(where=question.where, window=question.window)

        def ask(engine: DuckDB, query: EventQuery = query) -> int:
            return search(lake, query, now=NOW, facets=False, histogram=False, engine=engine).total

        engine = DuckDB(lake.root)
        total = ask(engine)  # translated once, as in every later process
        engine.close()
        engine = DuckDB(lake.root)
        evict(parts)
        cold = milliseconds(partial(ask, engine))
        warm = min(milliseconds(partial(ask, engine)) for _ in range(REPEATS))
        engine.close()
        line = f"{question.name:16}{total:>10,}{f'{cold:.0f}/{warm:.0f}':>16}"
        started = ""
        if process:
            started = f"{min(milliseconds(partial(run_process, lake.root.parent, question)) for _ in range(3)):.0f}"
        line += f"{started:>10}"
        for path, source in ((database, "events"), (None, f"read_parquet('{daily}/*.parquet')")):
            table = Table(path, source)
            evict([database] if path else files_in(daily))
            first = milliseconds(partial(table.ask, question))
            best = min(milliseconds(partial(table.ask, question)) for _ in range(REPEATS))
            if table.ask(question) != total:
                line += " (another count)"
            table.close()
            line += f"{f'{first:.0f}/{best:.0f}':>14}{best / warm:>7.2f}x"
        line += f"{milliseconds(partial(byte_search, logs, question.needle)) / warm:>15.0f}x"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--home", type=Path, help="keep the records here (default: a temporary folder)")
    parser.add_argument("--no-process", action="store_true", help="leave the command line out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = options.home or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        logs, raw = generate(home / "logs", options.records, PER_FILE)
        with Lake.open(home / "lake") as lake, tempfile.TemporaryDirectory(dir=home) as folder:
            objects: list[Any] = list(local_objects(home / "logs"))
            seconds = milliseconds(lambda: ingest(lake, objects, progress=Silent(), now=NOW)) / 1e3
            held = sum(part.bytes for part in lake.manifest.parts())
            packed = sum(path.stat().st_size for path in logs)
            print(
                f"{options.records:,} records, {raw / 1e6:,.0f} MB, gz {packed / 1e6:,.0f} MB, "
                f"lake {held / 1e6:,.0f} MB in {len(lake.manifest.parts())} parts, ingested in {seconds:.1f} s"
            )
            measure(lake, logs, write_rivals(lake, Path(folder)), process=not options.no_process)


if __name__ == "__main__":
    main()
