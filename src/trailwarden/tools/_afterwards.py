"""What sessions did after alerts: each session is read once for all alerts that match it, and what was found is kept
for as long as the lake stays as it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..installation import Installation
from ..model.alert import NotableEvent
from ..model.event import Event, EventFilter, EventQuery
from ..model.session import Session, SessionFilter
from ..model.time import EPOCH, Window
from ._kept import of_the_lake

if TYPE_CHECKING:
    from ..correlate import Correlator, People
    from ..lake.sessions import SessionIndex

#: So many calls of a session after an alert are judged, and so many earlier sessions of its person are its history.
CALLS, EARLIER = 1000, 200
#: Sessions with more keys than this are read by their ARN.
_KEYS = 200
#: So many answers are kept at most.
_KEPT = 20_000
_HOUR, _MICROSECOND = timedelta(hours=1), timedelta(microseconds=1)

#: A session, and the instant after which it is looked at.
After = tuple[Session, datetime]


class _Kept:
    """What was worked out of the lake in one of its states."""

    def __init__(self) -> None:
        self.notable: dict[tuple[str, datetime], tuple[NotableEvent, ...]] = {}
        self.correlator: tuple[Window, People, Correlator] | None = None


class Afterwards:
    """What is known of the sessions of a lake around alerts. ``index`` is up to date."""

    def __init__(self, app: Installation, index: "SessionIndex") -> None:
        self._app = app
        self._index = index
        self._kept = of_the_lake(app, "what sessions did after alerts", _Kept)
        if len(self._kept.notable) > _KEPT:
            self._kept.notable = {}

    def correlator(self, window: Window, people: "People") -> "Correlator":
        """The sessions of a window, indexed by what ties them to alerts."""
        from ..correlate import Correlator  # noqa: PLC0415

        start, end = (each.replace(minute=0, second=0, microsecond=0) for each in (window.start, window.end))
        hours = Window(start, end + _HOUR)  # until the next hour begins, the index that there is will do
        known = self._kept.correlator
        if known is None or known[:2] != (hours, people):
            sessions = self._index.whole(SessionFilter(), hours)
            known = self._kept.correlator = (hours, people, Correlator(sessions, people=people))
        return known[2]

    def notable(self, asked: Iterable[After]) -> Mapping[tuple[str, datetime], tuple[NotableEvent, ...]]:
        """By session id and instant: the calls of the session after it that deserve attention, oldest first."""
        from ..detect import notable  # noqa: PLC0415

        wanted = {(session.session_id, since): session for session, since in asked}
        known = self._kept.notable
        missing = {key: session for key, session in wanted.items() if key not in known}
        first: dict[str, datetime] = {}
        for session_id, since in missing:
            first[session_id] = min(since, first.get(session_id, since))
        history = _History(self._index, missing)
        calls: dict[str, tuple[Event, ...]] = {}
        for (session_id, since), session in missing.items():
            if session_id not in calls:
                calls[session_id] = self._calls(session, first[session_id])
            after = tuple(each for each in calls[session_id] if each.time >= since)
            if len(calls[session_id]) == CALLS and since > first[session_id]:  # the first ones are not all there are
                after = self._calls(session, since)
            known[session_id, since] = notable(after, known_actions=history.before(session, since), level=_level_of)
        return {key: known[key] for key in wanted}

    def _calls(self, session: Session, since: datetime) -> tuple[Event, ...]:
        """The first CALLS calls of a session from an instant on."""
        from ..lake.query import page  # noqa: PLC0415

        few = 0 < len(session.access_keys) <= _KEYS
        where = EventFilter(access_key=session.access_keys) if few else EventFilter(arn=(session.principal_arn or "",))
        window = Window(max(since, session.first_seen), session.last_seen + _MICROSECOND)
        query = EventQuery(where=where, window=window, order="oldest", limit=CALLS)
        return page(self._app.lake, query, now=self._app.now()).events


class _History:
    """What those who stand behind sessions had called before."""

    def __init__(self, index: "SessionIndex", asked: Mapping[tuple[str, datetime], Session]) -> None:
        by_person: dict[tuple[str, ...], datetime] = defaultdict(lambda: EPOCH)
        for (_, since), session in asked.items():
            names = _names(session)
            if names:
                by_person[names] = max(since, by_person[names])
        self._sessions = {
            names: index.whole(SessionFilter(user=names), Window(EPOCH, max(until, EPOCH + _MICROSECOND)))
            for names, until in by_person.items()
        }
        needed = {
            each.session_id: each for (_, since), session in asked.items() for each in self._earlier(session, since)
        }
        self._did = {
            session_id: frozenset(event for event, _, _ in did)
            for session_id, did in index.actions(tuple(needed.values())).items()
        }

    def before(self, session: Session, since: datetime) -> frozenset[str] | None:
        """The calls (``iam:CreateUser``) before an instant; None if nothing is recorded."""
        earlier = self._earlier(session, since)
        if not earlier:
            return None
        return frozenset().union(*(self._did[each.session_id] for each in earlier))

    def _earlier(self, session: Session, since: datetime) -> tuple[Session, ...]:
        theirs = self._sessions.get(_names(session), ())
        ended = (each for each in theirs if each.last_seen < since and each.session_id != session.session_id)
        return tuple(ended)[:EARLIER]


def _names(session: Session) -> tuple[str, ...]:
    root = session.root
    return tuple(name for name in (root.name, root.arn) if name) if root is not None else ()


def _level_of(call: str) -> str | None:
    from ..iam.catalog import level  # noqa: PLC0415
    from ..iam.used import action_of  # noqa: PLC0415

    service, _, name = call.partition(":")
    action = action_of(f"{service}.amazonaws.com", name)
    return level(action) if action is not None else None
