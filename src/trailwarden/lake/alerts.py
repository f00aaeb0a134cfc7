"""Endpoint alerts and hosts, kept beside the records: a question asked twice fetches once, and the history stays.

::

    <lake>/falcon/alerts.db

One SQLite file, readable by its owner alone: an alert changes while people work on it, and the newest version takes the
place of the one before in one transaction, whoever else reads or lands at the time. Times are integers, microseconds
since 1970 in UTC. ``source`` tells tenants apart: what was fetched of one says nothing of another.
"""

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from ..errors import Busy, LakeError
from ..model.alert import Alert, Host
from ..model.time import EPOCH, Window, parse_event_time

_FORMAT = 1
_PATIENCE = 30.0
_SCHEMA = """
CREATE TABLE alert (
  composite_id TEXT PRIMARY KEY, time INTEGER NOT NULL, updated INTEGER NOT NULL, severity INTEGER,
  content BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX alert_by_time ON alert (time);
CREATE TABLE host (
  device_id TEXT PRIMARY KEY, hostname TEXT NOT NULL, landed INTEGER NOT NULL, content BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX host_by_name ON host (hostname);
CREATE TABLE fetched (source TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL);
"""
_MICROSECOND = timedelta(microseconds=1)
T = TypeVar("T")


class Landed(msgspec.Struct, frozen=True):
    """What landing did: alerts that are ``new``, and known ones of which a later version came (``changed``)."""

    new: int
    changed: int


class AlertStore:
    """The alerts and hosts of a lake; ``lake_root`` is its folder. Nothing is made before something lands."""

    def __init__(self, lake_root: Path) -> None:
        self._folder = lake_root / "falcon"
        self._file = self._folder / "alerts.db"

    def land(self, alerts: Iterable[Alert], window: Window | None = None, *, source: str = "") -> Landed:
        """Keep alerts; of one alert the version with the latest ``updated_timestamp`` stays.

        ``window`` is what of time ``alerts`` are all alerts of ``source``: it counts as fetched from then on. None:
        they are only some.

        Raises:
            LakeError: it cannot be written. Busy: another process keeps it locked.
        """
        new = changed = 0
        with self._opened(write=True) as database:
            for alert in alerts:
                there = database.execute(
                    "SELECT updated, content FROM alert WHERE composite_id = ?", (alert.composite_id,)
                ).fetchone()
                updated, content = _micros(_updated(alert)), _packed(alert)
                if there is None:
                    new += 1
                elif updated < there[0] or content == there[1]:
                    continue
                else:
                    changed += 1
                database.execute(
                    "INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?)",
                    (alert.composite_id, _micros(alert.time), updated, alert.severity, content),
                )
            if window is not None and window.start < window.end:
                _remember(database, window, source)
        return Landed(new, changed)

    def alerts(self, window: Window, *, min_severity: int | None = None) -> tuple[Alert, ...]:
        """The alerts of things that happened in the window, oldest first."""
        query = "SELECT content FROM alert WHERE time >= ? AND time < ?"
        bounds: list[int] = [_micros(window.start), _micros(window.end)]
        if min_severity is not None:
            query, bounds = f"{query} AND severity >= ?", [*bounds, min_severity]
        with self._opened() as database:
            rows = database.execute(f"{query} ORDER BY time, composite_id", bounds).fetchall()
        return tuple(self._unpacked(content, Alert) for (content,) in rows)

    def alert(self, composite_id: str) -> Alert | None:
        """One alert by its id, None if it never landed."""
        with self._opened() as database:
            row = database.execute("SELECT content FROM alert WHERE composite_id = ?", (composite_id,)).fetchone()
        return self._unpacked(row[0], Alert) if row is not None else None

    def missing(self, window: Window, *, source: str = "") -> list[Window]:
        """What of the window was not fetched yet, oldest first."""
        with self._opened() as database:
            return window.subtract(_fetched(database, source))

    def land_hosts(self, hosts: Iterable[Host], *, now: datetime) -> None:
        """Keep hosts as they are ``now``. Histories grow: what an earlier read had, and this one lacks, stays.

        Raises:
            LakeError: it cannot be written. Busy: another process keeps it locked.
        """
        with self._opened(write=True) as database:
            for host in hosts:
                row = database.execute(
                    "SELECT landed, content FROM host WHERE device_id = ?", (host.device_id,)
                ).fetchone()
                landed, kept = _micros(now), host
                if row is not None:
                    before = self._unpacked(row[1], Host)
                    older, newer = (before, host) if row[0] <= landed else (host, before)
                    kept = _merged(older, newer, seen=EPOCH + min(landed, row[0]) * _MICROSECOND)
                    landed = max(landed, row[0])
                database.execute(
                    "INSERT OR REPLACE INTO host VALUES (?, ?, ?, ?)",
                    (host.device_id, (kept.hostname or "").casefold(), landed, _packed(kept)),
                )

    def host(self, device_id: str) -> Host | None:
        """One host by its device id, None if it never landed."""
        with self._opened() as database:
            row = database.execute("SELECT content FROM host WHERE device_id = ?", (device_id,)).fetchone()
        return self._unpacked(row[0], Host) if row is not None else None

    def hosts_named(self, hostname: str) -> tuple[Host, ...]:
        """The hosts of this name, in any case, by device id; several may share it."""
        with self._opened() as database:
            rows = database.execute(
                "SELECT content FROM host WHERE hostname = ? ORDER BY device_id", (hostname.casefold(),)
            ).fetchall()
        return tuple(self._unpacked(content, Host) for (content,) in rows)

    def hosts_to_read(self, device_ids: Iterable[str], *, since: datetime) -> tuple[str, ...]:
        """Those of the ids whose host has not landed at ``since`` or later, in the order given."""
        with self._opened() as database:
            fresh = {
                device_id
                for (device_id,) in database.execute("SELECT device_id FROM host WHERE landed >= ?", (_micros(since),))
            }
        return tuple(each for each in dict.fromkeys(device_ids) if each not in fresh)

    @contextmanager
    def _opened(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """The database, in one transaction; an empty one in memory where nothing has landed.

        Raises:
            LakeError, Busy: it cannot be used.
        """
        try:
            if write:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                # A file that is there is not opened: closing it would drop the locks of SQLite's own connections to it.
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            there = write or self._file.exists()
        except OSError as error:
            raise LakeError(
                f"the alerts in {self._file} cannot be written: {error.strerror}",
                remedy="make the lake's folder writable, and see that the disk is not full",
            ) from error
        try:
            path = str(self._file) if there else ":memory:"
            with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as database:
                if there:
                    database.execute("PRAGMA journal_mode = WAL")
                    database.execute("PRAGMA synchronous = FULL")
                database.execute("BEGIN IMMEDIATE" if write or not there else "BEGIN")
                self._prepare(database, write=write or not there)
                yield database
                database.execute("COMMIT")
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise Busy(
                    f"another process kept {self._file} locked for {_PATIENCE:.0f} seconds",
                    remedy="let it finish, or stop it, and repeat the command",
                ) from error
            raise self._damaged(str(error)) from error

    def _prepare(self, database: sqlite3.Connection, *, write: bool) -> None:
        """See that the tables are there, and of this version."""
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0 and not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            # A reader between the making of the file and its first transaction sees no tables: it makes them itself.
            if not write:
                database.execute("COMMIT")
                database.execute("BEGIN IMMEDIATE")
                self._prepare(database, write=True)
                return
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {_FORMAT}")
        elif version != _FORMAT:
            raise LakeError(
                f"the alerts in {self._file} are of version {version}, and this program reads version {_FORMAT}",
                remedy="use the version of Trailwarden that wrote it, or delete the file: alerts are fetched again",
            )

    def _unpacked(self, content: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(zlib.decompress(content), type=kind)
        except (zlib.error, msgspec.DecodeError) as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, reason: str) -> LakeError:
        return LakeError(
            f"the alerts in {self._file} are damaged: {reason}",
            remedy="delete the file, or restore it from a backup; alerts that Falcon still has are fetched again",
        )


def _remember(database: sqlite3.Connection, window: Window, source: str) -> None:
    """Add a window to those that were fetched; what touches it becomes one with it."""
    start, end = window.start, window.end
    for other in _fetched(database, source):
        if other.start <= end and start <= other.end:
            start, end = min(start, other.start), max(end, other.end)
    database.execute(
        "DELETE FROM fetched WHERE source = ? AND start >= ? AND end <= ?", (source, _micros(start), _micros(end))
    )
    database.execute("INSERT INTO fetched VALUES (?, ?, ?)", (source, _micros(start), _micros(end)))


def _fetched(database: sqlite3.Connection, source: str) -> list[Window]:
    rows = database.execute("SELECT start, end FROM fetched WHERE source = ? ORDER BY start", (source,))
    return [Window(EPOCH + start * _MICROSECOND, EPOCH + end * _MICROSECOND) for start, end in rows]


def _merged(older: Host, newer: Host, *, seen: datetime) -> Host:
    """The newer host, with the histories of both; ``seen`` is when the older one was read.

    An address that the older history had to its end, and the newer one has no more, is known to that time only.
    """
    told = {(use.address, use.first) for use in newer.addresses}
    closed = (
        msgspec.structs.replace(use, last=max(use.first, seen))
        if use.last is None and "addresses" in newer.read
        else use
        for use in older.addresses
        if (use.address, use.first) not in told
    )
    return msgspec.structs.replace(
        newer,
        addresses=tuple(sorted((*closed, *newer.addresses), key=lambda use: (use.first, use.address))),
        logins=tuple(sorted({*older.logins, *newer.logins}, key=lambda login: (login.time, login.user_name))),
        read=tuple(sorted({*older.read, *newer.read})),
    )


def _updated(alert: Alert) -> datetime:
    text = alert.raw.get("updated_timestamp")
    return (parse_event_time(text) if isinstance(text, str) else None) or alert.created


def _packed(value: Alert | Host) -> bytes:
    return zlib.compress(msgspec.json.encode(value))


def _micros(instant: datetime) -> int:
    return (instant - EPOCH) // _MICROSECOND
