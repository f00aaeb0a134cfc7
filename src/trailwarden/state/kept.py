"""What people keep of an investigation: searches under a name, and events that are pinned on boards.

Each is of one person, who alone changes it; what they share, everybody sees. What was shared outlives its owner: it is
then nobody's, and an admin may take it away. Every change is in the audit chain, in the transaction that makes it.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..access import Person
from ..errors import Forbidden, NotAuthenticated, TrailwardenError, UsageError
from ..model.kept import (
    DEFAULT_BOARD,
    LONGEST_QUERY,
    MOST_PINS,
    MOST_SEARCHES,
    Board,
    Pin,
    PinnedEvent,
    SavedSearch,
    checked_name,
    checked_note,
)
from ..model.proposal import Actor
from .audit import AuditChain
from .tables import board as boards
from .tables import person as people
from .tables import pin as pins
from .tables import saved_search as searches

Transaction = Callable[[], AbstractContextManager[sa.Connection]]
_LONGEST_EVENT_ID = 512
#: Texts of a record, and how much of each a pin holds: an attacker may have chosen them.
_TEXTS: Mapping[str, int] = {"who": 300, "what": 200, "account": 64, "source_ip": 100, "access_key": 128}


class KeptStore:
    """The saved searches and pins of one state database, as ``person`` sees and may change them."""

    def __init__(self, read: Transaction, write: Transaction, audit: AuditChain) -> None:
        self._read = read
        self._write = write
        self._audit = audit

    # ------------------------------------------------------------ searches

    def searches(self, person: Person) -> Sequence[SavedSearch]:
        """One's own, then what others share; the last saved first."""
        mine = searches.c.person_id == person.id
        query = (
            sa.select(searches)
            .where(sa.or_(mine, searches.c.shared))
            .order_by(sa.case((mine, 0), else_=1), searches.c.created.desc(), searches.c.id)
        )
        with self._read() as database:
            return tuple(_search(row, person) for row in database.execute(query).mappings())

    def save(
        self, person: Person, name: str, query: str, *, shared: bool = False, by: Actor, now: datetime
    ) -> SavedSearch:
        """Keep a search under a name of one's own; the same again changes nothing, unless it is to be shared now.

        Raises:
            UsageError: not a name, a query that is too long, another search of that name, or MOST_SEARCHES are kept.
        """
        called = checked_name(name, "search")
        if len(query) > LONGEST_QUERY:
            raise UsageError(
                f"the search is too long to be saved: {len(query):,} characters",
                remedy=f"at most {LONGEST_QUERY:,}: leave filters out, or use * in place of several values",
            )
        with self._write() as database:
            _lock(database, person)
            mine = searches.c.person_id == person.id
            same = sa.and_(mine, searches.c.name_key == called.casefold())
            there = database.execute(sa.select(searches).where(same)).mappings().first()
            if there is not None and there["query"] == query:
                return self._share_search(database, there, person, shared or there["shared"], by=by, now=now)
            if there is not None:
                raise UsageError(
                    f"another search of yours has the name {called!r}",
                    remedy="take another name, or delete that search first",
                )
            if _count(database, searches, mine) >= MOST_SEARCHES:
                raise UsageError(
                    f"you keep {MOST_SEARCHES} searches, which is the most", remedy="delete some of them first"
                )
            row = {
                "id": secrets.token_hex(8),
                "person_id": person.id,
                "by": person.login,
                "name": called,
                "name_key": called.casefold(),
                "query": query,
                "shared": shared,
                "created": now,
            }
            database.execute(searches.insert().values(**row))
            self._say(database, "search.saved", row, ("id", "name", "query", "shared"), by=by, now=now)
        return _search(row, person)

    def share_search(self, person: Person, identifier: str, shared: bool, *, by: Actor, now: datetime) -> SavedSearch:
        """Show a search of one's own to everybody, or to nobody else any more.

        Raises:
            TrailwardenError: there is none of that id.
            Forbidden: it is somebody else's.
        """
        with self._write() as database:
            row = self._own(database, searches, identifier, person, "saved search")
            return self._share_search(database, row, person, shared, by=by, now=now)

    def delete_search(self, person: Person, identifier: str, *, by: Actor, now: datetime) -> SavedSearch:
        """Forget a search, and give it back. Of those that are nobody's any more, an admin may.

        Raises:
            TrailwardenError: there is none of that id.
            Forbidden: it is somebody else's.
        """
        with self._write() as database:
            row = self._own(database, searches, identifier, person, "saved search", or_admin=True)
            database.execute(searches.delete().where(searches.c.id == identifier))
            self._say(database, "search.deleted", row, ("id", "name"), by=by, now=now)
        return _search(row, person)

    # ------------------------------------------------------------ boards and pins

    def boards(self, person: Person, *, mine: bool = False) -> Sequence[Board]:
        """One's own, then (unless only ``mine`` are asked for) what others share; the last pinned on first."""
        query = _boards(person).where(boards.c.person_id == person.id) if mine else _boards(person)
        with self._read() as database:
            return tuple(_board(row, person) for row in database.execute(query).mappings())

    def pins(self, person: Person, board: str) -> tuple[Board, Sequence[Pin]]:
        """A board, by its id, and its pins in the order of their events.

        Raises:
            TrailwardenError: there is none of that id, or it is neither one's own nor shared.
        """
        query = _PINS.where(pins.c.board_id == board).order_by(pins.c.time, pins.c.id)
        with self._read() as database:
            row = database.execute(_boards(person).where(boards.c.id == board)).mappings().first()
            if row is None:
                raise _none("board", board)
            return _board(row, person), tuple(_pin(each) for each in database.execute(query).mappings())

    def pins_of(self, person: Person, event_id: str) -> Sequence[Pin]:
        """One's own pins of an event, the first pinned first."""
        query = _PINS.where(boards.c.person_id == person.id, pins.c.event_id == event_id)
        with self._read() as database:
            return tuple(_pin(row) for row in database.execute(query.order_by(pins.c.added, pins.c.id)).mappings())

    def pin(
        self,
        person: Person,
        event: PinnedEvent,
        *,
        board: str = DEFAULT_BOARD,
        note: str | None = None,
        by: Actor,
        now: datetime,
    ) -> Pin:
        """Pin an event on a board of one's own, which is made if there is none of that name. An event that is there
        stays as it is, except for a note that is given.

        Raises:
            UsageError: not a board's name or a note, an event id that is too long, or MOST_PINS are kept.
        """
        called = checked_name(board.strip() or DEFAULT_BOARD, "board")
        noted = None if note is None else checked_note(note)
        if not event.event_id.isprintable() or not 0 < len(event.event_id) <= _LONGEST_EVENT_ID:
            raise UsageError(
                "the event's id cannot be kept", remedy=f"from 1 to {_LONGEST_EVENT_ID} characters that can be seen"
            )
        with self._write() as database:
            _lock(database, person)
            of_board = self._board(database, person, called, now)
            on_board = sa.and_(pins.c.board_id == of_board, pins.c.event_id == event.event_id)
            there = database.execute(sa.select(pins.c.id, pins.c.note).where(on_board)).mappings().first()
            if there is not None:
                if noted is not None and noted != there["note"]:
                    self._note(database, there["id"], noted, event.event_id, by=by, now=now)
                return _one(database, there["id"])
            if _count(database, pins.join(boards), boards.c.person_id == person.id) >= MOST_PINS:
                raise UsageError(
                    f"you keep {MOST_PINS:,} pins, which is the most", remedy="take some of them off first"
                )
            row: dict[str, Any] = {
                "id": secrets.token_hex(8),
                "board_id": of_board,
                "event_id": event.event_id,
                "time": event.time,
                "note": noted or "",
                "added": now,
                **{name: _cut(getattr(event, name), longest) for name, longest in _TEXTS.items()},
            }
            database.execute(pins.insert().values(**row))
            said = {**row, "board": called}
            self._say(database, "pin.added", said, ("id", "event_id", "board"), by=by, now=now)
            return _one(database, row["id"])

    def note(self, person: Person, identifier: str, note: str, *, by: Actor, now: datetime) -> Pin:
        """Write a pin's note anew; empty takes it away. The audit chain has that it was, not the words.

        Raises:
            UsageError: not a note.
            TrailwardenError: there is no pin of that id.
            Forbidden: it is somebody else's.
        """
        noted = checked_note(note)
        with self._write() as database:
            row = self._own(database, pins, identifier, person, "pin")
            if row["note"] != noted:
                self._note(database, identifier, noted, row["event_id"], by=by, now=now)
            return _one(database, identifier)

    def unpin(self, person: Person, identifier: str, *, by: Actor, now: datetime) -> Pin:
        """Take a pin off its board, and give it back; a board without pins is gone. Of boards that are nobody's any
        more, an admin may.

        Raises:
            TrailwardenError: there is none of that id.
            Forbidden: it is somebody else's.
        """
        with self._write() as database:
            row = self._own(database, pins, identifier, person, "pin", or_admin=True)
            gone = _one(database, identifier)
            database.execute(pins.delete().where(pins.c.id == identifier))
            if not _count(database, pins, pins.c.board_id == row["board_id"]):
                database.execute(boards.delete().where(boards.c.id == row["board_id"]))
            said = {"id": identifier, "event_id": gone.event_id, "board": gone.board}
            self._say(database, "pin.removed", said, tuple(said), by=by, now=now)
        return gone

    def share_board(self, person: Person, identifier: str, shared: bool, *, by: Actor, now: datetime) -> Board:
        """Show a board of one's own to everybody, or to nobody else any more.

        Raises:
            TrailwardenError: there is none of that id.
            Forbidden: it is somebody else's.
        """
        with self._write() as database:
            row = self._own(database, boards, identifier, person, "board")
            if row["shared"] != shared:
                database.execute(boards.update().where(boards.c.id == identifier).values(shared=shared))
                kind = "board.shared" if shared else "board.unshared"
                self._say(database, kind, row, ("id", "name"), by=by, now=now)
            found = database.execute(_boards(person).where(boards.c.id == identifier)).mappings().one()
        return _board(found, person)

    # ------------------------------------------------------------ steps of them

    def _share_search(
        self, database: sa.Connection, row: sa.RowMapping, person: Person, shared: bool, *, by: Actor, now: datetime
    ) -> SavedSearch:
        if row["shared"] != shared:
            database.execute(searches.update().where(searches.c.id == row["id"]).values(shared=shared))
            self._say(database, "search.shared" if shared else "search.unshared", row, ("id", "name"), by=by, now=now)
        return _search({**row, "shared": shared}, person)

    def _board(self, database: sa.Connection, person: Person, name: str, now: datetime) -> str:
        """The id of a person's board of that name, which is made if there is none."""
        named = sa.and_(boards.c.person_id == person.id, boards.c.name_key == name.casefold())
        there: str | None = database.execute(sa.select(boards.c.id).where(named)).scalar()
        if there is not None:
            return there
        made = secrets.token_hex(8)
        row = {"id": made, "person_id": person.id, "by": person.login, "name": name, "name_key": name.casefold()}
        database.execute(boards.insert().values(**row, shared=False, created=now))
        return made

    def _note(
        self, database: sa.Connection, identifier: str, note: str, event_id: str, *, by: Actor, now: datetime
    ) -> None:
        database.execute(pins.update().where(pins.c.id == identifier).values(note=note))
        said = {"id": identifier, "event_id": event_id}
        self._say(database, "pin.noted", said, tuple(said), by=by, now=now)

    def _own(
        self,
        database: sa.Connection,
        table: sa.Table,
        identifier: str,
        person: Person,
        what: str,
        *,
        or_admin: bool = False,
    ) -> sa.RowMapping:
        """The row of that id, which the person may change. Of what others do not share, nothing is said."""
        owned = boards if table is pins else table
        rows = sa.select(table, owned.c.person_id, owned.c.shared, owned.c.by)
        rows = rows.select_from(pins.join(boards) if table is pins else table)
        row = database.execute(rows.where(table.c.id == identifier).with_for_update()).mappings().first()
        if row is None or not (row["shared"] or row["person_id"] == person.id):
            raise _none(what, identifier)
        nobodys = row["person_id"] is None and or_admin and "administer" in person.rights
        if row["person_id"] != person.id and not nobodys:
            raise Forbidden(
                f"this {what} is {row['by']}'s: only they may change it", remedy=f"keep a {what} of your own instead"
            )
        return row

    def _say(
        self,
        database: sa.Connection,
        kind: str,
        row: Mapping[Any, Any],
        names: Sequence[str],
        *,
        by: Actor,
        now: datetime,
    ) -> None:
        self._audit.append(database, at=now, actor=by, kind=kind, body={name: row[name] for name in names})


def forget(database: sa.Connection, person_id: str) -> None:
    """Forget what a person kept who is removed; what they shared stays, and is nobody's."""
    private = sa.select(boards.c.id).where(boards.c.person_id == person_id, ~boards.c.shared)
    database.execute(pins.delete().where(pins.c.board_id.in_(private)))
    for table in (boards, searches):
        database.execute(table.delete().where(table.c.person_id == person_id, ~table.c.shared))
        database.execute(table.update().where(table.c.person_id == person_id).values(person_id=None))


_PINS = sa.select(pins, boards.c.name.label("board"), boards.c.by).select_from(pins.join(boards))


def _boards(person: Person) -> sa.Select[Any]:
    """The boards that a person sees."""
    mine = boards.c.person_id == person.id
    last = sa.func.max(pins.c.added, type_=pins.c.added.type)
    return (
        sa.select(boards, sa.func.count(pins.c.id).label("pins"), last.label("last"))
        .select_from(boards.join(pins))
        .where(sa.or_(mine, boards.c.shared))
        .group_by(*boards.c)
        .order_by(sa.case((mine, 0), else_=1), last.desc(), boards.c.id)
    )


def _lock(database: sa.Connection, person: Person) -> None:
    """Let one person's changes follow each other, so that what was counted still holds when it is written.

    Raises:
        NotAuthenticated: the person is not there any more.
    """
    here = sa.select(people.c.id).where(people.c.id == person.id).with_for_update()
    if database.execute(here).first() is None:
        raise NotAuthenticated(f"{person.login} is not here any more", remedy="sign in")


def _count(database: sa.Connection, of: sa.FromClause, where: sa.ColumnElement[bool]) -> int:
    return database.execute(sa.select(sa.func.count()).select_from(of).where(where)).scalar_one()


def _one(database: sa.Connection, identifier: str) -> Pin:
    return _pin(database.execute(_PINS.where(pins.c.id == identifier)).mappings().one())


def _none(what: str, identifier: str) -> TrailwardenError:
    return TrailwardenError(
        f"there is no {what} {identifier[:40]!r} that you can see",
        remedy="open the list again: it may have been removed",
    )


def _search(row: Mapping[Any, Any], person: Person) -> SavedSearch:
    return SavedSearch(**_as_seen(row, SavedSearch.__struct_fields__, person))


def _board(row: Mapping[Any, Any], person: Person) -> Board:
    return Board(**_as_seen(row, Board.__struct_fields__, person))


def _as_seen(row: Mapping[Any, Any], fields: Sequence[str], person: Person) -> dict[str, Any]:
    of = row["person_id"]
    return {**{name: row[name] for name in fields if name in row}, "mine": of == person.id, "owned": of is not None}


def _pin(row: Mapping[Any, Any]) -> Pin:
    return Pin(**{name: row[name] for name in Pin.__struct_fields__})


def _cut(text: str | None, longest: int) -> str | None:
    """Text of a record as far as a pin holds it; PostgreSQL keeps no NUL."""
    return None if text is None else text.replace("\0", "\ufffd")[:longest]
