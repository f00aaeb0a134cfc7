"""The sessions of a lake, derived from its parts and kept in ``sessions.db``, so that no question scans the events.

For every part the index keeps what :mod:`trailwarden.sessions` makes of its records: credential groups and issuing
calls. They merge in any order, and a part's go with the part; a session is put together from all that share a key,
a token or a cross-account call. The index is a cache: deleting it costs time only. It is brought up to date at the
end of every ingest, and by any question that finds it behind.
"""

import re
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ..errors import BadCursor, LakeError, UsageError
from ..model.session import Session, SessionFilter
from ..model.time import Window
from ..progress import Progress
from ..sessions import session_id_of, with_chain
from ..sessions.groups import credentials_of
from . import statements
from . import where as conditions
from .derive import load_object
from .manifest import micros
from .query import LakeParts, again_if_replaced
from .session_refresh import is_current, read_session, refresh
from .summary import MICROSECOND, shown
from .where import Predicate, either, every

if TYPE_CHECKING:
    from .store import Lake

BUSY_MS = 60_000
_REMEDY = "make the lake's folder writable; if sessions.db in it is damaged, delete it: it is made again"


class SessionPlace(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of sessions ended, for the cursor: the filter's digest, and the last row's time and id."""

    digest: str
    last: int
    session_id: str


class SessionRows(msgspec.Struct, frozen=True):
    """One page of sessions, without chains."""

    sessions: tuple[Session, ...]
    total: int
    next_cursor: str | None


class SessionIndex:
    """The sessions of a lake. Use as a context manager; :meth:`refresh` brings it up to date."""

    def __init__(self, lake: "Lake") -> None:
        self._lake = lake
        self._path = lake.root / "sessions.db"
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(self._path, timeout=BUSY_MS / 1000, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = OFF")  # a cache: what a power cut damages is made again
            db.execute("PRAGMA cache_size = -65536")
        except sqlite3.Error as error:
            raise LakeError(
                f"the index of sessions {self._path} cannot be opened: {error}",
                remedy="make the lake's folder writable; if the file is damaged, delete it: it is made again",
            ) from error
        return db

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LakeError(f"the index of sessions {self._path} cannot be used: {error}", remedy=_REMEDY) from error

    def refresh(self, progress: Progress) -> None:
        """Bring the index up to date with the lake's parts.

        Raises:
            LakeError: the index cannot be written, or a part cannot be read.
        """
        with self._errors_named():
            if not is_current(self._db, self._lake):
                again_if_replaced(lambda: refresh(self._db, self._lake, progress))

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._errors_named():
            return self._db.execute(sql, parameters).fetchall()

    def get(self, session_id: str) -> Session | None:
        """A session by its id, without its chain."""
        rows = self._rows("SELECT body FROM session WHERE id = ?", (session_id,))
        return read_session(rows[0][0]) if rows else None

    def chained(self, session: Session) -> Session:
        """The same session with its chain."""
        return with_chain(session, self.get)

    def named(self, words: str) -> tuple[Session, ...]:
        """The sessions that an id, access key, ARN, principal id or session name names, the one seen last first."""
        found = self.get(words)
        if found is not None:
            return (found,)
        fields = ("access_key", "principal_id", "arn", "user")
        for field in fields:  # the first field that knows the words: a session may be named like a key
            rows = self._rows(
                "SELECT body FROM session WHERE number IN (SELECT number FROM term WHERE field = ? AND value = ?)"
                " ORDER BY last DESC, id",
                (field, words.lower()),
            )
            if rows:
                return tuple(read_session(body) for (body,) in rows)
        return ()

    def having(self, identifiers: Iterable[tuple[str, str]]) -> tuple[Session, ...]:
        """The sessions that hold one of these identifiers themselves: (kind, value), without regard to case."""
        found: dict[str, Session] = {}
        for kind, value in identifiers:
            rows = self._rows(
                "SELECT id, body FROM session WHERE number IN (SELECT number FROM term WHERE field = ? AND value = ?)",
                (f"is:{kind}", value.lower()),
            )
            found.update((each, read_session(body)) for each, body in rows if each not in found)
        return tuple(found.values())

    def issued_by(self, session_ids: Iterable[str]) -> tuple[Session, ...]:
        """The sessions whose credentials these issued, the one seen last first."""
        bodies = [
            row
            for each in session_ids
            for row in self._rows("SELECT last, id, body FROM session WHERE issuer = ?", (each,))
        ]
        return tuple(read_session(body) for _, _, body in sorted(bodies, reverse=True))

    def descendants(self, session_ids: Iterable[str]) -> tuple[Session, ...]:
        """All sessions that these issued, and those issued by them in turn."""
        known = set(session_ids)
        found: list[Session] = []
        waiting = tuple(known)
        while waiting:
            issued = [each for each in self.issued_by(waiting) if each.session_id not in known]
            found += issued
            waiting = tuple(each.session_id for each in issued)
            known.update(waiting)
        return tuple(found)

    def page(self, where: SessionFilter, window: Window | None, *, limit: int, cursor: str | None) -> SessionRows:
        """One page of the sessions that match, the one seen last first.

        Raises:
            BadCursor: a cursor of another question.
        """
        sql, parameters = self._matching(where, window)
        digest = digest_of(where, window)
        total = self._rows(f"SELECT count(*) FROM session WHERE {sql}", parameters)[0][0]  # noqa: S608 - fixed parts
        if cursor is not None:
            after = read_cursor(cursor, digest)
            sql = f"{sql} AND (last < ? OR (last = ? AND id > ?))"
            parameters = [*parameters, after.last, after.last, after.session_id]
        rows = self._rows(
            f"SELECT last, id, body FROM session WHERE {sql} ORDER BY last DESC, id LIMIT ?",  # noqa: S608 - fixed parts
            (*parameters, limit + 1),
        )
        more = len(rows) > limit
        shown = rows[:limit]
        place = SessionPlace(digest, shown[-1][0], shown[-1][1]) if more else None
        return SessionRows(
            tuple(read_session(body) for _, _, body in shown), total, write_cursor(place) if place is not None else None
        )

    def whole(self, where: SessionFilter, window: Window | None) -> tuple[Session, ...]:
        """All sessions that match, with their chains."""
        sql, parameters = self._matching(where, window)
        rows = self._rows(f"SELECT body FROM session WHERE {sql} ORDER BY last DESC, id", parameters)  # noqa: S608 - fixed
        found = [read_session(body) for (body,) in rows]
        known = {each.session_id: each for each in found}
        return tuple(with_chain(each, lambda wanted: known.get(wanted) or self.get(wanted)) for each in found)

    def _matching(self, where: SessionFilter, window: Window | None) -> tuple[str, list[Any]]:
        """The condition that the sessions of a filter fulfil, and its values."""
        parts = ["TRUE"]
        values: list[Any] = []
        if window is not None:
            parts.append("first < ? AND last >= ?")
            values += [micros(window.end), micros(window.start)]
        if where.method:
            parts.append("method IN (SELECT value FROM json_each(?))")
            values.append(_json(where.method))
        for field in ("user", "role", "access_key", "account", "region"):
            wanted: tuple[str, ...] = getattr(where, field)
            if wanted:
                alike = " OR ".join("value GLOB ?" if "*" in each else "value = ?" for each in wanted)
                parts.append(f"number IN (SELECT number FROM term WHERE field = ? AND ({alike}))")  # noqa: S608 - fixed parts
                values += [field, *(_glob(each) if "*" in each else each.lower() for each in wanted)]
        if where.ip:
            parts.append(
                "number IN (SELECT number FROM term WHERE field = 'ip' AND value IN (SELECT value FROM json_each(?)))"
            )
            values.append(_json(self._addresses(where.ip)))
        return " AND ".join(parts), values

    def _addresses(self, wanted: Sequence[str]) -> list[str]:
        """The addresses of sessions that are meant."""
        known = [value for (value,) in self._rows("SELECT DISTINCT value FROM term WHERE field = 'ip'")]
        found: set[str] = set()
        for each in wanted:
            network = _network(each)
            if network is None:
                found.update(value for value in known if fnmatchcase(value, _glob(each)))
            else:
                found.update(value for value in known if _in(value, network))
        return sorted(found)

    def actions(self, sessions: Sequence[Session]) -> dict[str, tuple[tuple[str, int, int], ...]]:
        """What sessions did: by session id, (``iam:CreateUser``, calls, failed), the most frequent first."""
        return again_if_replaced(lambda: self._actions(sessions))

    def _actions(self, sessions: Sequence[Session]) -> dict[str, tuple[tuple[str, int, int], ...]]:
        if not sessions:
            return {}
        window = Window(
            min(each.first_seen for each in sessions), max(each.last_seen for each in sessions) + MICROSECOND
        )
        where = every((conditions.within(window), _of_principals(sessions)))
        wanted = {each.session_id for each in sessions}
        made: dict[str, dict[str, tuple[int, int]]] = {each: {} for each in wanted}
        for identity, account, bare, source, name, calls, failed in LakeParts(self._lake, window, "newest", None).rows(
            statements.actions(where, window)
        ):
            owner = _session_of(identity, account, bare)
            if owner in wanted:
                event = shown((source, name)) or ""
                before = made[owner].get(event, (0, 0))
                made[owner][event] = (before[0] + calls, before[1] + failed)
        return {
            owner: tuple(
                (event, calls, failed)
                for event, (calls, failed) in sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))
            )
            for owner, counts in made.items()
        }


def _of_principals(sessions: Sequence[Session]) -> Predicate:
    """The calls of the principals of sessions, which are few enough to be told apart one by one."""
    columns: dict[str, set[str]] = {
        "principal_id": {each.principal_id for each in sessions if each.principal_id},
        "on_behalf_of": {each.on_behalf_of.user_id for each in sessions if each.on_behalf_of},
        "access_key_id": {key for each in sessions if not each.principal_id for key in each.access_keys},
        "invoked_by": {
            each.root.name for each in sessions if each.method == "aws_service" and each.root and each.root.name
        },
    }
    alternatives = [
        Predicate(f"{column} IN ({', '.join('?' * len(values))})", tuple(sorted(values)))
        for column, values in columns.items()
        if values
    ]
    return either(alternatives) if alternatives else conditions.NOTHING


def _session_of(identity: str | None, account: str | None, bare: str | None) -> str:
    """The id of the session that a userIdentity's calls belong to."""
    recorded = load_object(identity.encode() if identity is not None else None)
    return session_id_of(credentials_of(recorded, account, bare).key)


def digest_of(where: SessionFilter, window: Window | None) -> str:
    """What says that a cursor belongs to a question."""
    return blake2b(msgspec.json.encode((where, window)), digest_size=8).hexdigest()


def write_cursor(place: SessionPlace) -> str:
    """A cursor as text."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor(cursor: str, digest: str) -> SessionPlace:
    """The place that a cursor holds.

    Raises:
        BadCursor: not a cursor, or of another question.
    """
    try:
        place = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=SessionPlace)
    except (ValueError, msgspec.DecodeError):
        raise BadCursor("this is no cursor of sessions", remedy="leave the cursor out to begin anew") from None
    if place.digest != digest:
        raise BadCursor(
            "the cursor belongs to another question",
            remedy="repeat the filters and times of the page before, or leave the cursor out",
        )
    return place


def _json(values: Iterable[str]) -> str:
    return msgspec.json.encode(list(values)).decode()


def _glob(value: str) -> str:
    """A value with ``*`` as a pattern in which nothing else is special."""
    return re.sub(r"[\[?]", r"[\g<0>]", value.lower())


def _network(value: str) -> IPv4Network | IPv6Network | None:
    if "*" in value:
        return None
    try:
        return ip_network(value, strict=False)
    except ValueError:
        if "/" not in value:
            return None
        raise UsageError(f"no range of addresses: {value!r}", remedy="write it as 203.0.113.0/24") from None


def _in(value: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(value) in network
    except ValueError:  # a service's name
        return False
