"""Pages of events: their order, the position after a page, and the cursor that holds it.

Events are ordered by time, then id, then a digest of the row: ids of masked or hand-made records repeat.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Literal

import msgspec

from ..errors import BadCursor, UsageError
from ..model.event import EventQuery, Order
from ..model.time import Window
from .engines import Row
from .events import EVENT_COLUMNS, aware
from .where import Predicate, timestamp

_ID, _TIME = EVENT_COLUMNS.index("event_id"), EVENT_COLUMNS.index("event_time")


class Position(msgspec.Struct, frozen=True):
    """The last event of a page.

    Where others share its time and id and some of them are still to come, ``digest`` is its row's, and ``same``
    how many rows with that digest were given.
    """

    time: datetime
    event_id: str
    digest: str = ""
    same: int = 0


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    version: Literal[1]
    query: str
    window: Window | None
    position: Position


def cursor_at(query: EventQuery, position: Position) -> str:
    """The cursor of a query at a position."""
    cursor = _Cursor(1, _digest_of(query), query.window, position)
    return urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def position_in(cursor: str, query: EventQuery) -> Position:
    """The position of a cursor of this query; the limit may have changed.

    Raises:
        BadCursor: not a cursor, or of another filter, window or order.
    """
    decoded = _decoded(cursor)
    if decoded.query != _digest_of(query):
        raise BadCursor(
            "the cursor belongs to another search",
            remedy="repeat the search with the filter, window and order of the page before, or leave the cursor out",
        )
    return decoded.position


def window_of(cursor: str) -> Window | None:
    """The window of the query that a cursor belongs to: ``--last 24h`` means another one at every call.

    Raises:
        BadCursor: not a cursor.
    """
    return _decoded(cursor).window


def key(row: Row) -> tuple[datetime, str]:
    """What a row is ordered by first."""
    return row[_TIME], row[_ID]


def at(row: Row) -> Position:
    """The position after a row that shares its time and id with none that follows."""
    return Position(aware(row[_TIME]), row[_ID])


def beyond(position: Position, order: Order) -> Predicate:
    """What comes after a position; the plain comparison of times lets engines skip files and row groups."""
    sign = "<" if order == "newest" else ">"
    time = timestamp(position.time)
    return Predicate(
        f"event_time {sign}= CAST(? AS TIMESTAMP) AND (event_time {sign} CAST(? AS TIMESTAMP) OR event_id {sign} ?)",
        (time, time, position.event_id),
    )


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Rows that are ordered by time and id already, those that tie by digest."""
    ordered: list[Row] = []
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or key(rows[end]) != key(rows[start]):
            ordered += by_digest(rows[start:end]) if end - start > 1 else rows[start:end]
            start = end
    return ordered


def by_digest(tied: Sequence[Row]) -> list[Row]:
    """Rows that share time and id, in their order."""
    return sorted(tied, key=_digest)


def within_tie(tied: Sequence[Row], taken: int) -> Position:
    """The position after the first ``taken`` of rows in their order; past the last of them it is a plain one."""
    last = tied[taken - 1]
    if taken == len(tied):
        return at(last)
    digest = _digest(last)
    same = sum(_digest(row) == digest for row in tied[:taken])
    return Position(aware(last[_TIME]), last[_ID], digest, same)


def rest_of_tie(tied: Sequence[Row], position: Position) -> list[Row]:
    """The rows after a position inside of a tie."""
    same = [row for row in tied if _digest(row) == position.digest]
    return same[position.same :] + [row for row in tied if _digest(row) > position.digest]


def _digest(row: Row) -> str:
    return blake2b(repr(row).encode(), digest_size=12).hexdigest()


def _digest_of(query: EventQuery) -> str:
    text = msgspec.json.encode((query.where, query.window, query.order))
    return blake2b(text, digest_size=9).hexdigest()


def _decoded(cursor: str) -> _Cursor:
    try:
        text = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        decoded = msgspec.json.decode(text, type=_Cursor)
        if decoded.position.time.tzinfo is not None:
            return decoded
    except (ValueError, UsageError):  # base64's and msgspec's errors are ValueErrors
        pass
    raise BadCursor("not a cursor of a search", remedy="give next_cursor of the page before, whole, or none at all")
