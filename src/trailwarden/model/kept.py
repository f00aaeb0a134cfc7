"""What people keep of an investigation: searches under a name, and events that are pinned on boards."""

from datetime import datetime

import msgspec

from ..errors import UsageError

#: The most that one person keeps.
MOST_SEARCHES, MOST_PINS = 200, 2_000
#: The longest name (of a search or a board), note and query, in characters.
LONGEST_NAME, LONGEST_NOTE, LONGEST_QUERY = 80, 500, 4_000
#: Where an event is pinned if no board is named.
DEFAULT_BOARD = "Pinned"


class SavedSearch(msgspec.Struct, frozen=True, kw_only=True):
    """A search under a name. ``query`` is that of its address (``ip=203.0.113.7&last=all``). ``by`` is who saved it,
    ``mine`` whether that is who looks, and ``owned`` whether they are still a person here."""

    id: str
    name: str
    query: str
    shared: bool
    created: datetime
    by: str
    mine: bool
    owned: bool


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """A case: ``pins`` events that one person pinned, the last of them at ``last``. It is gone with its last pin."""

    id: str
    name: str
    shared: bool
    created: datetime
    by: str
    mine: bool
    owned: bool
    pins: int
    last: datetime


class PinnedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What a pin holds of an event, as the record said when it was pinned. Text is the caller's, not to be trusted."""

    event_id: str
    time: datetime
    who: str
    what: str
    account: str | None = None
    source_ip: str | None = None
    access_key: str | None = None


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """An event on a board, and what its person noted on it."""

    id: str
    time: datetime
    who: str
    what: str
    note: str
    source_ip: str | None
    account: str | None
    access_key: str | None
    event_id: str
    board: str
    board_id: str
    added: datetime
    by: str


def checked_name(name: str, what: str) -> str:
    """The name of a ``what`` (search, board), as it is kept.

    Raises:
        UsageError: empty, too long, or not on one line.
    """
    text = name.strip()
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise UsageError(f"not usable as a {what}'s name", remedy=f"at most {LONGEST_NAME} characters on one line")
    return text


def checked_note(note: str) -> str:
    """A note, as it is kept; it may have several lines, and be empty.

    Raises:
        UsageError: too long, or with characters that cannot be seen.
    """
    text = note.replace("\r\n", "\n").strip()
    if len(text) > LONGEST_NOTE or not text.replace("\n", " ").isprintable():
        raise UsageError(
            f"not usable as a note: {len(text)} characters",
            remedy=f"at most {LONGEST_NOTE} that can be seen, and lines",
        )
    return text
