"""The manifest: which objects were read, which parts hold what, what was quarantined, what live history fetched.

SQLite in WAL mode, one connection a thread. A change and the growth of ``generation`` are one transaction, so
that a reader sees a commit whole or not at all. Times are integers, microseconds since 1970 in UTC; the last
instant of a span is in it.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import msgspec

from ..errors import LakeError
from ..model.finding import SourceKind
from ..model.time import EPOCH, Window
from .layout import FORMAT

PartKind = Literal["loose", "compacted"]
BUSY_MS = 30_000
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE object (
  uri TEXT NOT NULL, version TEXT NOT NULL, source TEXT NOT NULL, location TEXT NOT NULL, size INTEGER NOT NULL,
  records INTEGER NOT NULL, quarantined INTEGER NOT NULL, first INTEGER, last INTEGER,
  read_at INTEGER NOT NULL, PRIMARY KEY (uri, version)
) WITHOUT ROWID;
CREATE TABLE part (
  path TEXT PRIMARY KEY, kind TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  records INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE retired (path TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE quarantine (
  uri TEXT NOT NULL, version TEXT NOT NULL, place TEXT NOT NULL, reason TEXT NOT NULL, snippet TEXT NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (uri, version, place)
) WITHOUT ROWID;
CREATE TABLE span (
  source TEXT NOT NULL, location TEXT NOT NULL, account_id TEXT NOT NULL, aws_region TEXT NOT NULL,
  day INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, records INTEGER NOT NULL,
  delivered INTEGER NOT NULL,
  PRIMARY KEY (source, location, account_id, aws_region, day)
) WITHOUT ROWID;
CREATE TABLE fetched (
  account_id TEXT NOT NULL, aws_region TEXT NOT NULL, attribute TEXT NOT NULL, value TEXT NOT NULL,
  start INTEGER NOT NULL, end INTEGER NOT NULL, at INTEGER NOT NULL
);
CREATE INDEX fetched_by_scope ON fetched (account_id, aws_region, attribute, value);
CREATE TABLE expected_account (account_id TEXT PRIMARY KEY, label TEXT NOT NULL) WITHOUT ROWID;
"""


class Part(NamedTuple):
    """A Parquet file of the lake: ``path`` is relative to its root, ``first`` and ``last`` are event times in it."""

    path: str
    kind: PartKind
    first: datetime
    last: datetime
    records: int
    bytes: int
    sha256: str

    @property
    def month(self) -> str:
        """``2026-11``."""
        return self.path.split("month=", 1)[1][:7]


class ObjectRead(msgspec.Struct, frozen=True, kw_only=True):
    """An object that was read to its end, and its count of records, of which ``quarantined`` are not in the lake."""

    uri: str
    version: str
    source: SourceKind
    location: str
    size: int
    records: int
    quarantined: int
    first: datetime | None
    last: datetime | None


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could not be read: ``place`` is ``file``, ``record 3`` or ``line 7`` of the object ``uri``."""

    uri: str
    version: str
    place: str
    reason: str
    snippet: str
    at: datetime


class Span(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """Records of one account and Region from one source on one UTC day (or, summed up, on all days).

    ``account_id`` and ``aws_region`` are empty where the records name none. ``records`` counts those read,
    duplicates included; ``delivered`` is when the latest of them were read.
    """

    source: SourceKind
    location: str
    account_id: str
    aws_region: str
    first: datetime
    last: datetime
    records: int
    delivered: datetime


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the lake, all of it or nothing."""

    objects: Sequence[ObjectRead] = ()
    parts: Sequence[Part] = ()
    quarantined: Sequence[Quarantined] = ()
    spans: Sequence[Span] = ()
    replaced: Sequence[str] = ()


def micros(instant: datetime) -> int:
    """Microseconds since 1970; a time without a zone is UTC."""
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def instant_of(value: int) -> datetime:
    """The inverse of :func:`micros`."""
    return EPOCH + timedelta(microseconds=value)


def _opt(value: datetime | None) -> int | None:
    return None if value is None else micros(value)


def _part(row: Any) -> Part:
    path, kind, first, last, records, size, digest = row
    return Part(path, kind, instant_of(first), instant_of(last), records, size, digest)


class Manifest:
    """The manifest of one lake. Opening creates it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._prepare()

    def _prepare(self) -> None:
        try:
            connection = self._connection()
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found == 0:
                with self._transaction(grow=False) as change:
                    if change.execute("PRAGMA user_version").fetchone()[0] == 0:
                        for statement in _SCHEMA.split(";"):
                            change.execute(statement)
                        change.execute("INSERT INTO meta VALUES ('generation', 0), ('parts', 0)")
                        change.execute(f"PRAGMA user_version = {FORMAT:d}")
                found = connection.execute("PRAGMA user_version").fetchone()[0]
        except (sqlite3.Error, LakeError) as error:
            self.close()
            raise LakeError(
                f"the lake's manifest {self._path} cannot be read: {error}",
                remedy="if it is damaged, move the lake's folder away and ingest again; the sources are unchanged",
            ) from error
        if found > FORMAT:
            self.close()
            raise LakeError(
                f"the lake {self._path.parent} has format {found}, and this version reads formats up to {FORMAT}",
                remedy="upgrade trailwarden (pip install -U trailwarden), or use another lake",
            )

    def _connection(self) -> sqlite3.Connection:
        connection = cast("sqlite3.Connection | None", getattr(self._local, "connection", None))
        if connection is None:
            connection = sqlite3.connect(
                self._path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._local.connection = connection
            with self._guard:
                self._open.append(connection)
        return connection

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._guard:
            while self._open:
                self._open.pop().close()
        self._local = threading.local()

    @contextmanager
    def _transaction(self, *, grow: bool = True) -> Iterator[sqlite3.Connection]:
        with self._errors_named():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                if grow:
                    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LakeError(
                f"the lake's manifest {self._path} cannot be used: {error}",
                remedy="free space, or wait until other processes are done; if it is damaged, move the lake's folder "
                "away and ingest again",
            ) from error

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._errors_named():
            return self._connection().execute(sql, parameters).fetchall()

    def generation(self) -> int:
        """A number that grows with every committed change: the key of anything cached about the lake."""
        return int(self._rows("SELECT value FROM meta WHERE key = 'generation'")[0][0])

    def parts_stamp(self) -> int:
        """A number that changes with every change of the parts."""
        return int(self._rows("SELECT value FROM meta WHERE key = 'parts'")[0][0])

    def commit(self, change: Commit, at: datetime) -> None:
        """Make a change: add objects, parts, quarantine and spans; retire the parts in ``replaced``.

        Counts of an object or a span that is there already are added to.
        """
        now = micros(at)
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO object VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
                [
                    (o.uri, o.version, o.source, o.location, o.size, o.records, o.quarantined, _opt(o.first),
                     _opt(o.last), now)
                    for o in change.objects
                ],
            )  # fmt: skip
            _add_parts(db, change.parts)
            db.executemany(
                "DELETE FROM quarantine WHERE uri = ? AND version = ? AND place = 'file'",
                [(o.uri, o.version) for o in change.objects],
            )
            db.executemany(
                "INSERT OR REPLACE INTO quarantine VALUES (?,?,?,?,?,?)",
                [(q.uri, q.version, q.place, q.reason, q.snippet, micros(q.at)) for q in change.quarantined],
            )
            db.executemany(
                "INSERT INTO span VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
                " first = min(first, excluded.first), last = max(last, excluded.last),"
                " records = records + excluded.records, delivered = max(delivered, excluded.delivered)",
                [
                    (s.source, s.location, s.account_id, s.aws_region, (micros(s.first) // 86_400_000_000),
                     micros(s.first), micros(s.last), s.records, micros(s.delivered))
                    for s in change.spans
                ],
            )  # fmt: skip
            _retire(db, change.replaced, now)
            if change.parts or change.replaced:
                _stamp(db)

    def objects_read(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Of these (uri, version), those that were read, and how many records each held."""
        found: dict[tuple[str, str], int] = {}
        query = "SELECT records - quarantined FROM object WHERE uri = ? AND version = ?"
        with self._errors_named():
            connection = self._connection()
            for key in keys:
                row = connection.execute(query, key).fetchone()
                if row is not None:
                    found[key] = row[0]
        return found

    def parts(self, window: Window | None = None, *, newest_first: bool = True) -> list[Part]:
        """The parts that may hold events of a window (None: all), by their last, or by their first event time."""
        order = "last DESC, path DESC" if newest_first else "first, path"
        if window is None:
            return [_part(row) for row in self._rows(f"SELECT * FROM part ORDER BY {order}")]  # noqa: S608 - fixed
        sql = f"SELECT * FROM part WHERE first < ? AND last >= ? ORDER BY {order}"  # noqa: S608 - fixed
        return [_part(row) for row in self._rows(sql, (micros(window.end), micros(window.start)))]

    def retired(self) -> dict[str, datetime]:
        """Replaced files that still lie on disk for readers that hold them, and when they were replaced."""
        return {path: instant_of(at) for path, at in self._rows("SELECT path, at FROM retired")}

    def forget_retired(self, paths: Iterable[str]) -> None:
        """Replaced files that are deleted now."""
        with self._transaction(grow=False) as db:
            db.executemany("DELETE FROM retired WHERE path = ?", [(path,) for path in paths])

    def quarantined(self) -> list[Quarantined]:
        """Everything in quarantine, newest first."""
        rows = self._rows("SELECT * FROM quarantine ORDER BY at DESC, uri, place")
        return [
            Quarantined(uri=uri, version=version, place=place, reason=reason, snippet=text, at=instant_of(at))
            for uri, version, place, reason, text, at in rows
        ]

    def object_count(self) -> int:
        """How many objects were read."""
        return int(self._rows("SELECT count(*) FROM object")[0][0])

    def source_spans(self) -> list[Span]:
        """What the lake holds of each source, account and Region: first and last event, records, and when read."""
        rows = self._rows(
            "SELECT source, location, account_id, aws_region, min(first), max(last), sum(records), max(delivered)"
            " FROM span GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        )
        return [_span(row) for row in rows]

    def daily_spans(self) -> list[Span]:
        """The same for each UTC day, so that days without a record show."""
        rows = self._rows(
            "SELECT source, location, account_id, aws_region, first, last, records, delivered FROM span"
            " ORDER BY 1, 2, 3, 4, 5"
        )
        return [_span(row) for row in rows]

    def fetched(self, account: str, region: str, attribute: tuple[str, str] | None) -> list[Window]:
        """The windows that live history fetched whole, joined and oldest first; attribute None: of everything.

        What was fetched without an attribute covers every attribute.
        """
        name, value = attribute or ("", "")
        rows = self._rows(
            "SELECT start, end FROM fetched WHERE account_id = ? AND aws_region = ?"
            " AND ((attribute = ? AND value = ?) OR attribute = '') ORDER BY start",
            (account, region, name, value),
        )
        joined: list[list[int]] = []
        for start, end in rows:
            if joined and start <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], end)
            else:
                joined.append([start, end])
        return [Window(instant_of(start), instant_of(end)) for start, end in joined]

    def record_fetched(
        self, account: str, region: str, attribute: tuple[str, str] | None, window: Window, at: datetime
    ) -> None:
        """Live history fetched this window whole; the records were landed before."""
        name, value = attribute or ("", "")
        with self._transaction() as db:
            db.execute(
                "INSERT INTO fetched VALUES (?,?,?,?,?,?,?)",
                (account, region, name, value, micros(window.start), micros(window.end), micros(at)),
            )

    def expect_accounts(self, labels: Mapping[str, str]) -> None:
        """The accounts that are connected now, with their labels: coverage misses those that deliver nothing."""
        with self._transaction() as db:
            db.execute("DELETE FROM expected_account")
            db.executemany("INSERT INTO expected_account VALUES (?,?)", list(labels.items()))

    def expected_accounts(self) -> dict[str, str]:
        """Account id -> label of the connected accounts."""
        return dict(self._rows("SELECT account_id, label FROM expected_account ORDER BY 1"))

    def expire(self, before: datetime, change: Commit, remaining: Mapping[tuple[str, str], int], at: datetime) -> int:
        """Carry out an expiry: replace parts, and claim nothing before ``before`` any longer.

        ``remaining`` has, by account and Region, the records left on the day of ``before``. Objects whose
        records are all older are forgotten, so that ingesting them again brings them back.

        Returns:
            how many objects were forgotten.
        """
        limit = micros(before)
        day = limit // 86_400_000_000
        with self._transaction() as db:
            _add_parts(db, change.parts)
            _retire(db, change.replaced, micros(at))
            _stamp(db)
            db.execute("DELETE FROM span WHERE last < ?", (limit,))
            db.execute("UPDATE span SET first = ? WHERE first < ?", (limit, limit))
            for (account, region), records in remaining.items():
                db.execute(
                    "UPDATE span SET records = min(records, ?) WHERE day = ? AND account_id = ? AND aws_region = ?",
                    (records, day, account, region),
                )
            db.execute("DELETE FROM fetched WHERE end <= ?", (limit,))
            db.execute("UPDATE fetched SET start = ? WHERE start < ?", (limit, limit))
            return int(db.execute("DELETE FROM object WHERE last < ?", (limit,)).rowcount)

    def give_up(self, part: Part, span: Window, at: datetime) -> int:
        """Drop a part whose records are lost, and forget which objects and fetched windows held events of its time.

        Returns:
            how many objects were forgotten.
        """
        start, end = micros(span.start), micros(span.end)
        with self._transaction() as db:
            _retire(db, [part.path], micros(at))
            _stamp(db)
            db.execute("DELETE FROM fetched WHERE start < ? AND end > ?", (end, start))
            return int(db.execute("DELETE FROM object WHERE first < ? AND last >= ?", (end, start)).rowcount)

    def check(self) -> list[str]:
        """What SQLite finds wrong with the manifest itself."""
        try:
            return [row[0] for row in self._rows("PRAGMA integrity_check(20)") if row[0] != "ok"]
        except LakeError as error:
            return [error.message]


def _add_parts(db: sqlite3.Connection, parts: Iterable[Part]) -> None:
    db.executemany(
        "INSERT INTO part VALUES (?,?,?,?,?,?,?)",
        [(p.path, p.kind, micros(p.first), micros(p.last), p.records, p.bytes, p.sha256) for p in parts],
    )


def _retire(db: sqlite3.Connection, paths: Iterable[str], at: int) -> None:
    for path in paths:
        db.execute("DELETE FROM part WHERE path = ?", (path,))
        db.execute("INSERT INTO retired VALUES (?,?)", (path, at))


def _stamp(db: sqlite3.Connection) -> None:
    db.execute("UPDATE meta SET value = value + 1 WHERE key = 'parts'")


def _span(row: Any) -> Span:
    source, location, account, region, first, last, records, delivered = row
    return Span(
        source=source,
        location=location,
        account_id=account,
        aws_region=region,
        first=instant_of(first),
        last=instant_of(last),
        records=records,
        delivered=instant_of(delivered),
    )


def day_of(instant: datetime) -> date:
    """The UTC day of an instant."""
    return instant.astimezone(UTC).date()
