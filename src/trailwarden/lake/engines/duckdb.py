"""DuckDB, in this process, over the lake's Parquet files: the default engine.

The connection is in memory, reads nothing but the folder ``events`` of its lake, writes nothing but its own
temporary folder, loads no extensions, and its configuration is locked before the first statement.
"""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from ...errors import LakeError, TrailwardenError
from ..where import Param
from . import PartReplaced, Row, translate

#: Grows whenever canonical SQL is translated in another way, so that no translation kept on disk is used again.
TRANSLATION = 1
#: How many translations are kept; a filter's shape is one statement, whatever its values.
KEPT_TRANSLATIONS = 400
#: Rows that are read by position after a top-N has chosen them by time: a page, and one more.
LATE_ROWS = 10_002
_BATCH = 2_000
_GLOB = re.compile(r"[*?\[]")
_MEMORY = 4 << 30
# Values go over as two JSON texts: for each single one that it is given, the client looks for the package pandas
# and, where that is not installed, searches the whole path for it; a long list of files cost more than a search.
_TABLE = """read_parquet(from_json($files, '["VARCHAR"]'), hive_partitioning = true, hive_types = {'month': VARCHAR})"""


class DuckDB:
    """The lake at ``root``, read by DuckDB. Usable from several threads."""

    name = "duckdb"
    reads_files = True

    def __init__(self, root: Path) -> None:
        duckdb = _client()
        self._statements = Translations(root / "cache" / f"sql-{TRANSLATION}.json")
        scratch = root / "cache" / "tmp"
        events = root / "events"
        try:
            scratch.mkdir(parents=True, exist_ok=True)
        except OSError:
            # A lake on a read-only disk can still be searched: what does not fit into memory spills elsewhere.
            scratch = Path(tempfile.gettempdir())
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_community_extensions": "false",
                "temp_directory": str(scratch),
                "memory_limit": f"{_memory_limit() >> 20}MiB",
            },
        )
        folders = dict.fromkeys((str(events), str(events.resolve()), _unglobbed(str(events))))
        self._connection.execute(f"SET allowed_directories = [{', '.join(map(_literal, folders))}]")
        for setting in (
            "enable_external_access = false",
            "parquet_metadata_cache = true",
            "enable_progress_bar = false",
            "preserve_insertion_order = false",
            f"late_materialization_max_rows = {LATE_ROWS}",
            "lock_configuration = true",
        ):
            self._connection.execute(f"SET {setting}")

    def rows(self, sql: str, params: Sequence[Param], files: Sequence[str]) -> list[Row]:
        """All rows. Raises as :class:`Engine` says."""
        duckdb = _client()
        try:
            with self._connection.cursor() as cursor:
                rows: list[Row] = cursor.execute(self._statements[sql], _arguments(params, files)).fetchall()
                return rows
        except duckdb.Error as error:
            raise _mapped(error, files) from error

    def batches(self, sql: str, params: Sequence[Param], files: Sequence[str]) -> Iterator[list[Row]]:
        """All rows, some thousands at a time. Raises as :class:`Engine` says."""
        duckdb = _client()
        try:
            with self._connection.cursor() as cursor:
                result = cursor.execute(self._statements[sql], _arguments(params, files))
                while batch := result.fetchmany(_BATCH):
                    yield batch
        except duckdb.Error as error:
            raise _mapped(error, files) from error

    def close(self) -> None:
        """Close the connection; a statement under way fails."""
        self._connection.close()


@lru_cache(maxsize=4)
def duckdb_of(root: Path) -> DuckDB:
    """The one engine of a lake in this process: its caches of files' metadata are worth keeping."""
    return DuckDB(root)


class Translations:
    """Canonical SQL -> DuckDB's, kept in a file, because importing sqlglot takes longer than most searches.

    The file is a cache: without it, or with a damaged one, everything is translated again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._known: dict[str, str] | None = None

    def __getitem__(self, sql: str) -> str:
        with self._lock:
            if self._known is None:
                self._known = self._read()
            if sql not in self._known:
                self._known[sql] = translate(sql, "duckdb", table=_TABLE, value=_value)
                self._write()
            return self._known[sql]

    def _read(self) -> dict[str, str]:
        try:
            kept = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict):
            return {}
        return {sql: text for sql, text in kept.items() if isinstance(text, str)}

    def _write(self) -> None:
        assert self._known is not None
        self._known = dict(list(self._known.items())[-KEPT_TRANSLATIONS:])
        # A cache that cannot be written costs time and nothing else.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
            with os.fdopen(handle, "w") as file:
                json.dump(self._known, file)
            Path(name).replace(self._path)


def _client() -> Any:
    """DuckDB's client. Its native module has all that is used here, and loads in half of the package's time."""
    try:
        return import_module("_duckdb")
    except ImportError:  # a version that names it otherwise
        return import_module("duckdb")


def _value(number: int) -> str:
    return f"($params ->> {number - 1})"


def _arguments(params: Sequence[Param], files: Sequence[str]) -> dict[str, str]:
    return {"files": json.dumps([_unglobbed(file) for file in files])} | (
        {"params": json.dumps(params)} if params else {}
    )


def _unglobbed(path: str) -> str:
    """A path that read_parquet takes for itself: it expands patterns."""
    return _GLOB.sub(r"[\g<0>]", path)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _memory_limit() -> int:
    """Half of the machine's memory, and at most 4 GiB, in bytes."""
    return min(_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def _mapped(error: Exception, files: Sequence[str]) -> TrailwardenError:
    duckdb = _client()
    text = str(error).split("\n", 1)[0]
    if missing := [file for file in files if not Path(file).exists()]:
        return PartReplaced(
            f"a part of the lake is gone: {missing[0]}", remedy="run it again; if it stays, ingest the sources again"
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return LakeError(f"not enough memory: {text}", remedy="ask for a smaller window, or a narrower filter")
    return LakeError(
        f"the lake cannot be read: {text}",
        remedy="a damaged part can be deleted and its sources ingested again; the message names it",
    )
