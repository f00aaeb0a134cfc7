"""How the index of sessions is brought up to date: what a new part holds is added, what a gone part held is dropped,
and the sessions that either touches are put together anew.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from zlib import compress, decompress

import msgspec

from ..model.session import Session
from ..progress import Progress, Task
from ..sessions import ISSUING_EVENTS, Group, Issuance, group_of, issuance_of, merge, placed, session_of
from . import statements
from .decode import restore
from .layout import COLUMN_NAMES
from .manifest import micros
from .query import LakeParts
from .session_uses import uses_of_rows

if TYPE_CHECKING:
    from .manifest import Part
    from .store import Lake

#: Grows whenever what is kept, or how it is derived, changes: an index of another version is made anew.
VERSION = 3
#: ``piece``: credential groups by part; ``copy``: sharedEventIDs by group; ``issuance``: issuing calls by part;
#: ``offered`` and ``wanted``: the tokens that join both; ``session``, ``term``: what is made of them, and what it
#: is found by. Groups go by number.
SCHEMA = """
CREATE TABLE part (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE credential (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE piece (number INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (number, part))
  WITHOUT ROWID;
CREATE INDEX piece_of_part ON piece (part);
CREATE TABLE copy (call TEXT NOT NULL, number INTEGER NOT NULL, part INTEGER NOT NULL,
  PRIMARY KEY (call, number, part)) WITHOUT ROWID;
CREATE INDEX copy_of_number ON copy (number);
CREATE INDEX copy_of_part ON copy (part);
CREATE TABLE issuance (id INTEGER PRIMARY KEY, part INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX issuance_of_part ON issuance (part);
CREATE TABLE offered (issuance INTEGER NOT NULL, token TEXT NOT NULL, PRIMARY KEY (issuance, token)) WITHOUT ROWID;
CREATE INDEX offered_by_token ON offered (token);
CREATE TABLE wanted (number INTEGER NOT NULL, token TEXT NOT NULL, PRIMARY KEY (number, token)) WITHOUT ROWID;
CREATE INDEX wanted_by_token ON wanted (token);
CREATE TABLE session (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, method TEXT NOT NULL, issuer TEXT,
  first INTEGER NOT NULL, last INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX session_by_time ON session (last DESC, id);
CREATE INDEX session_by_issuer ON session (issuer) WHERE issuer IS NOT NULL;
CREATE TABLE term (field TEXT NOT NULL, value TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (field, value, number)) WITHOUT ROWID;
CREATE INDEX term_of_number ON term (number);
"""
_ISSUING_NAMES = sorted({name for _, name in ISSUING_EVENTS})
_GROUPS = msgspec.msgpack.Decoder(Group)
_ISSUANCES = msgspec.msgpack.Decoder(Issuance)
_SESSIONS = msgspec.msgpack.Decoder(Session)


def is_current(db: sqlite3.Connection, lake: "Lake") -> bool:
    """Whether the index was made of the lake's parts as they are, by this version."""
    made = db.execute("SELECT * FROM pragma_user_version, pragma_application_id").fetchone()
    return bool(made == (VERSION, _stamp(lake)))


def _stamp(lake: "Lake") -> int:
    return lake.manifest.parts_stamp() & 0x7FFFFFFF


def refresh(db: sqlite3.Connection, lake: "Lake", progress: Progress) -> None:
    """Bring the index up to date, all of it or nothing. Another process that does so meanwhile is waited for."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if not is_current(db, lake):
            _Refresh(db, lake).run(progress)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


class _Refresh:
    """One transaction; the groups in the table ``touched`` are those whose sessions may have changed."""

    def __init__(self, db: sqlite3.Connection, lake: "Lake") -> None:
        self._db = db
        self._lake = lake

    def run(self, progress: Progress) -> None:
        if self._db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            self._begin_anew()
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS touched (number INTEGER PRIMARY KEY)")
        self._db.execute("DELETE FROM touched")
        stamp = _stamp(self._lake)
        parts = {part.path: part for part in self._lake.manifest.parts(newest_first=False)}
        known = dict(self._db.execute("SELECT path, id FROM part"))
        for path in known.keys() - parts.keys():
            self._forget(known[path])
        fresh = [part for path, part in parts.items() if path not in known]
        with progress.task("Linking sessions", total=sum(part.records for part in fresh), unit="records") as task:
            for part in fresh:
                self._add(part)
                task.advance(part.records)
            self._touch("SELECT b.number FROM touched JOIN copy a USING (number) JOIN copy b USING (call)")
            self._link(task)
        for table in ("credential", "wanted"):
            self._db.execute(
                f"DELETE FROM {table} WHERE number IN (SELECT number FROM touched EXCEPT SELECT number FROM piece)"  # noqa: S608
            )
        self._db.execute(f"PRAGMA application_id = {stamp:d}")

    def _begin_anew(self) -> None:
        for (table,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            self._db.execute(f"DROP TABLE {table}")
        for statement in SCHEMA.split(";"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {VERSION:d}")

    def _touch(self, numbers: str, *values: object) -> None:
        self._db.execute(f"INSERT OR IGNORE INTO touched {numbers}", values)

    def _touch_issued(self, part: int) -> None:
        self._touch(
            "SELECT wanted.number FROM issuance JOIN offered ON offered.issuance = issuance.id"
            " JOIN wanted USING (token) WHERE issuance.part = ?",
            part,
        )

    def _forget(self, part: int) -> None:
        """Drop what a part held, and note whose sessions that changes."""
        self._touch("SELECT number FROM piece WHERE part = ?", part)
        self._touch("SELECT b.number FROM copy a JOIN copy b USING (call) WHERE a.part = ?", part)
        self._touch_issued(part)
        for condition in (
            "offered WHERE issuance IN (SELECT id FROM issuance WHERE part = ?)", "issuance WHERE part = ?",
            "piece WHERE part = ?", "copy WHERE part = ?", "part WHERE id = ?",
        ):  # fmt: skip
            self._db.execute(f"DELETE FROM {condition}", (part,))  # noqa: S608 - fixed, above

    def _add(self, part: "Part") -> None:
        """Take in what a part holds, and note whose sessions that changes."""
        number = self._inserted("INSERT INTO part (path) VALUES (?)", part.path)
        reading = LakeParts(self._lake, None, "oldest", None, only=(part,))
        pieces: dict[str, list[Group]] = defaultdict(list)
        for use in uses_of_rows(reading):
            group = group_of(use)
            pieces[group.key].append(group)
        for group in map(merge, pieces.values()):
            self._add_piece(group, number)
        for issuance in _issuances(reading):
            at = self._inserted("INSERT INTO issuance (part, body) VALUES (?,?)", number, _packed(issuance))
            self._db.executemany("INSERT OR IGNORE INTO offered VALUES (?,?)", ((at, each) for each in issuance.tokens))
        self._touch_issued(number)

    def _add_piece(self, group: Group, part: int) -> None:
        self._db.execute("INSERT OR IGNORE INTO credential (key) VALUES (?)", (group.key,))
        number = self._db.execute("SELECT number FROM credential WHERE key = ?", (group.key,)).fetchone()[0]
        self._db.execute("INSERT INTO piece VALUES (?,?,?)", (number, part, _packed(group)))
        self._db.executemany("INSERT OR IGNORE INTO wanted VALUES (?,?)", ((number, each) for each in group.tokens))
        self._db.executemany("INSERT INTO copy VALUES (?,?,?)", ((call, number, part) for call in group.shared_ids))
        self._touch("VALUES (?)", number)

    def _inserted(self, sql: str, *values: object) -> int:
        row = self._db.execute(sql, values).lastrowid
        assert row is not None
        return row

    def _link(self, task: Task) -> None:
        """Put the touched sessions together anew."""
        pieces = self._db.cursor().execute(
            "SELECT touched.number, piece.body FROM touched LEFT JOIN piece USING (number) ORDER BY 1"
        )
        issued = _InStep(
            self._db.cursor().execute(
                "SELECT DISTINCT touched.number, issuance.id, issuance.body FROM touched JOIN wanted USING (number)"
                " JOIN offered USING (token) JOIN issuance ON issuance.id = offered.issuance ORDER BY 1, 2"
            )
        )
        for linked, (number, rows) in enumerate(groupby(pieces, key=itemgetter(0)), 1):
            bodies = [body for _, body in rows if body is not None]
            calls = [_ISSUANCES.decode(decompress(body)) for _, _, body in issued.of(number)]
            group = self._placed(number, merge(map(_group, bodies))) if bodies else None
            self._db.execute("DELETE FROM term WHERE number = ?", (number,))
            if group is None:
                self._db.execute("DELETE FROM session WHERE number = ?", (number,))
            else:
                self._keep(number, session_of(group, calls))
            if linked % 1000 == 0:
                task.advance(0, note=f"{linked:,} sessions")

    def _placed(self, number: int, group: Group) -> Group | None:
        """A whole group without the copies of others' calls; None if nothing is left of it."""
        if not group.shared:
            return group
        neighbours = self._db.execute(
            "SELECT DISTINCT b.number FROM copy a JOIN copy b USING (call) WHERE a.number = ? AND b.number <> ?",
            (number, number),
        ).fetchall()
        others = [
            merge(_group(body) for (body,) in self._db.execute("SELECT body FROM piece WHERE number = ?", other))
            for other in neighbours
        ]
        return next((each for each in placed([group, *others]) if each.key == group.key), None)

    def _keep(self, number: int, session: Session) -> None:
        issuer = session.issuer.session_id if session.issuer is not None else None
        self._db.execute(
            "INSERT OR REPLACE INTO session VALUES (?,?,?,?,?,?,?)",
            (
                number, session.session_id, session.method, issuer, micros(session.first_seen),
                micros(session.last_seen), _packed(session),
            ),
        )  # fmt: skip
        self._db.executemany(
            "INSERT OR IGNORE INTO term VALUES (?,?,?)", ((field, value, number) for field, value in terms_of(session))
        )


def _issuances(reading: LakeParts) -> Iterator[Issuance]:
    for batch in reading.batches(statements.issuing_records(_ISSUING_NAMES)):
        for row in batch:
            record = restore(dict(zip(COLUMN_NAMES, row, strict=True)))
            if (record.get("eventSource"), record.get("eventName")) in ISSUING_EVENTS:
                issuance = issuance_of(record)
                if issuance is not None:
                    yield issuance


class _InStep:
    """Rows that are ordered by their first column, taken a number at a time, in the same order."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)

    def of(self, number: int) -> Iterator[Any]:
        """The rows of a number."""
        while self._next is not None and self._next[0] <= number:
            if self._next[0] == number:
                yield self._next
            self._next = next(self._rows, None)


def terms_of(session: Session) -> Iterator[tuple[str, str]]:
    """What a session is found by: (field, value in lower case)."""
    for field, values in (
        ("user", (session.session_name, session.user_name, session.source_identity, session.principal_arn)),
        ("user", [each.value for each in session.identifiers]),
        ("role", (session.role_arn, session.role_arn.rsplit("/", 1)[-1] if session.role_arn else None)),
        ("access_key", session.access_keys),
        ("ip", session.source_ips),
        ("region", session.regions),
        ("account", (session.account, *session.recorded_in)),
        ("principal_id", (session.principal_id,)),
        ("arn", (session.principal_arn, session.role_arn)),
    ):
        yield from ((field, value.lower()) for value in values if value)
    yield from ((f"is:{each.kind}", each.value.lower()) for each in session.identifiers)


def read_session(body: bytes) -> Session:
    """A session as the index keeps it."""
    return _SESSIONS.decode(decompress(body))


def _packed(value: msgspec.Struct) -> bytes:
    return compress(msgspec.msgpack.encode(value), 1)


def _group(body: bytes) -> Group:
    return _GROUPS.decode(decompress(body))
