"""What the records say for suspecting a subject: its signs, the confidence that they make, and what was not looked at.

Bounded: of the calls in the window the newest CALLS, and as many of the changes; of the history counts, and the newest
SAMPLE calls. Where something was left out, the coverage or a note says so.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from ..confidence import Weighed, combine
from ..errors import AwsError, SetupError, UsageError
from ..installation import Installation
from ..model.directory import Directory
from ..model.event import Event, EventFilter, EventPage, EventQuery
from ..model.finding import Coverage, Evidence, Finding, Gap
from ..model.proposal import Confidence, Target
from ..model.session import Session, SessionFilter
from ..model.time import Window
from ..places import Places, places
from ..signs import (
    AddressList,
    Facts,
    History,
    Sign,
    Signs,
    assumed_role,
    history_of,
    is_outsiders,
    merged,
    public_address,
)
from ..signs import signs_of as judge
from ._sessions import session_index
from .search import Live, live_history

if TYPE_CHECKING:
    from ..lake.sessions import SessionIndex

#: Calls of the window that are looked at one by one, and calls of the history.
CALLS, SAMPLE = 10_000, 2_000
#: Calls of each account and Region that event history is asked for.
_FETCHED = 500
#: How far back the history goes: as many days as a histogram has steps of a day.
REACH = timedelta(days=80)
#: The time just before the window is no history: what is in question may have begun then.
APART = timedelta(days=1)
#: Hours are counted in as many spans of so many hours: as many as a histogram has steps of an hour.
_HOUR_SPAN, _HOUR_SPANS = timedelta(hours=80), 4
#: Addresses of a history that are told apart.
_ADDRESSES = 2_000
#: Principals behind one address, instances, and issued keys, that are looked at.
MOST_PRINCIPALS, _INSTANCES, _KEYS = 10, 5, 500
_INSTANCE = re.compile(r"i-[0-9a-f]{8,17}")
#: Where sign-ins come from, which count apart: one that failed is nobody's history.
_SIGN_IN = ("signin.amazonaws.com",)
_BUT_SIGN_INS = EventFilter(exclude=EventFilter(source=_SIGN_IN))


class Evidenced(msgspec.Struct, frozen=True, kw_only=True):
    """The signs of a subject and the confidence that they make. ``calls`` is how many calls it made in the window.

    ``evidence`` are the records under the signs; ``notes`` say what could not be judged.
    """

    confidence: Confidence
    evidence: tuple[Evidence, ...]
    coverage: Coverage
    notes: tuple[str, ...]
    signs: tuple[Sign, ...] = ()
    calls: int = 0


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Whose calls are in question: ``own`` are theirs, ``history`` finds what they did before (None: nobody knows
    whose that would be, as ``no_history`` says), ``sessions`` are those that may have issued others."""

    own: EventFilter
    history: EventFilter | None
    no_history: str = ""
    sessions: SessionFilter | None = None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls of one principal were looked at, and their signs; ``arn`` None: of several, not told apart."""

    arn: str | None
    calls: int
    signs: Signs


def evidence_for(app: Installation, target: Target, window: Window, *, live: Live = "auto") -> Evidenced:
    """The signs that speak for acting on a target, in the window, against its history before.

    Raises:
        UsageError: a filter that cannot be searched for.
        LakeError, SetupError: the lake, or the database of places, cannot be read.
    """
    if target.kind == "iam_group":
        note = "a group makes no calls: look for signs of its members"
        return Evidenced(confidence=combine(()), evidence=(), coverage=Coverage(window=window), notes=(note,))
    seek = Seek(app, window, live)
    if target.kind == "ip_address":
        return seek.of_address(target.name)
    return seek.of_subject(subject_of(target))


def subject_of(target: Target) -> Subject:
    """Whose calls an action on the target is about.

    Raises:
        UsageError: the target makes no calls.
    """
    account = (target.account,)
    match target.kind:
        case "iam_user":
            own = EventFilter(arn=(target.arn,)) if target.arn else EventFilter(user=(target.name,), account=account)
            sessions = SessionFilter(user=(target.arn or target.name,))
        case "access_key":
            own, sessions = EventFilter(access_key=(target.id,)), SessionFilter(access_key=(target.id,))
            if target.arn:  # the user's other keys and sign-ins are their history too
                return Subject(own=own, history=EventFilter(arn=(target.arn,)), sessions=sessions)
        case "iam_role":
            role = (target.arn or target.name,)
            own, sessions = EventFilter(role=role, account=account), SessionFilter(role=role)
        case "ec2_instance":
            own = EventFilter(session=(target.id,), account=account)
            sessions = SessionFilter(user=(target.id,), account=account)
        case _:
            raise UsageError(f"{target.kind} {target.name} makes no calls", remedy="name a user, role, key or instance")
    return Subject(own=own, history=own, sessions=sessions)


class Seek:
    """One search for signs; what several subjects need is read once."""

    def __init__(self, app: Installation, window: Window, live: Live) -> None:
        self._app = app
        self.window = window
        self._live = live
        end = window.start - APART
        self._before = Window(end - REACH, end)
        self._administrators: dict[str, frozenset[str] | str] = {}

    def of_subject(self, subject: Subject) -> Evidenced:
        """The signs of one subject, its issued sessions among its calls."""
        own, total, coverage = self.calls(subject.own)
        with session_index(self._app) as index:
            issued = self._issued(index, subject)
            findings = self._off_instance(index, own)
        more: tuple[Event, ...] = ()
        if issued.access_key:
            more, others, also = self.calls(issued)
            total += others
            coverage = coverage.with_gaps(also.gaps, also.notes)
        signs = self._judged(
            (*own, *more), history=subject.history, no_history=subject.no_history, findings=findings, counted=own
        )
        return self._made(signs.signs, signs.notes, coverage, total, (*own, *more))

    def of_address(self, address: str) -> Evidenced:
        """The signs of all who called from an address or range, each against their own history."""
        events, total, coverage = self.calls(EventFilter(ip=(address,)))
        groups = self.groups(events, most=MOST_PRINCIPALS)
        signs = merged([sign for group in groups for sign in group.signs.signs])
        notes = [f"{group.arn}: {note}" if group.arn else note for group in groups for note in group.signs.notes]
        return self._made(signs, notes, coverage, total, events)

    def calls(self, where: EventFilter) -> tuple[tuple[Event, ...], int, Coverage]:
        """The calls that match in the window: those looked at, how many there are, and the coverage."""
        asked = live_history(self._app, EventQuery(where=where, window=self.window, limit=_FETCHED), self._live)
        page = self._page(where, self.window, CALLS, history=asked.regions)
        coverage = page.coverage.with_gaps(asked.gaps, asked.notes)
        events = page.events
        if page.total > len(events):
            if where.read_only is None:
                changes = self._page(msgspec.structs.replace(where, read_only=False), self.window, CALLS)
                events = tuple({each.event_id: each for each in (*events, *changes.events)}.values())
            reason = (
                f"only {len(events):,} of {page.total:,} calls were looked at one by one: the newest, and the newest "
                "changes"
            )
            gap = Gap(kind="not_covered", reason=reason, window=self.window, remedy="ask for a shorter time")
            coverage = coverage.with_gaps((gap,))
        return events, page.total, coverage

    def groups(self, events: Sequence[Event], *, most: int) -> tuple[Group, ...]:
        """The calls by principal, each judged against its own history; beyond ``most`` principals, and where the record
        names none by ARN, without one. AWS's own services are no principals here.

        First come those whose calls alone show most, then those from addresses that nobody called from before.
        """
        calls: dict[str, list[Event]] = defaultdict(list)
        nameless: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            if event.principal.arn and event.principal.type != "AWSService":
                calls[event.principal.arn].append(event)
            elif event.principal.type != "AWSService":
                nameless[event.principal.id or event.access_key or event.source_ip or ""].append(event)
        ranked = sorted(calls, key=lambda arn: (*self._rank(calls[arn]), arn)) if len(calls) > most else sorted(calls)
        made = []
        with session_index(self._app) as index:
            for arn in ranked[:most]:
                findings = self._off_instance(index, calls[arn])
                signs = self._judged(calls[arn], history=EventFilter(arn=(arn,)), findings=findings)
                made.append(Group(arn=arn, calls=len(calls[arn]), signs=signs))
        others = [calls[arn] for arn in ranked[most:]]
        for left, why in (
            (others, f"{len(others):,} more principals were not compared with their history"),
            (list(nameless.values()), "calls whose record names no principal by ARN were not compared with a history"),
        ):
            if left:
                found = merged([sign for own in left for sign in self._judged(own, history=None).signs])
                made.append(Group(arn=None, calls=sum(map(len, left)), signs=Signs(found, (why,))))
        return tuple(made)

    def _rank(self, events: Sequence[Event]) -> tuple[float, bool, int]:
        """What orders principals before their histories are read: the lowest first."""
        signs = judge(Facts(events=events, history=None, place_of=self.places.of, lists=self._lists[0]))
        known = self._everybodys
        new = known is not None and any(
            address not in known for each in events if (address := public_address(each.source_ip)) is not None
        )
        return (-confidence_of(signs.signs).score, not new, -len(events))

    def _judged(
        self,
        events: Sequence[Event],
        *,
        history: EventFilter | None,
        no_history: str = "",
        findings: Sequence[Finding] = (),
        counted: Sequence[Event] | None = None,
    ) -> Signs:
        if not events:
            return Signs(notes=("no calls in that time",))
        administrators, notes = self._administrators_among(events)
        signs = judge(
            Facts(
                events=events,
                history=self._history(history, administrators) if history is not None else None,
                no_history=no_history,
                place_of=self.places.of,
                lists=self._lists[0],
                administrators=administrators,
                findings=findings,
                counted=counted,
            )
        )
        return Signs(signs.signs, (*signs.notes, *notes))

    def _made(
        self, signs: Sequence[Sign], notes: Iterable[str], coverage: Coverage, total: int, events: Sequence[Event]
    ) -> Evidenced:
        evidence = tuple(dict.fromkeys(each for sign in signs for each in sign.evidence))
        said = tuple(dict.fromkeys((*notes, *self.notes(events))))
        return Evidenced(
            confidence=confidence_of(signs),
            evidence=evidence,
            coverage=coverage,
            notes=said,
            signs=tuple(signs),
            calls=total,
        )

    def notes(self, events: Iterable[Event]) -> tuple[str, ...]:
        """What is to be said of the lists, and of the places of addresses where there are any."""
        addressed = any(public_address(each.source_ip) for each in events)
        return (*self._lists[1], *((self.places.note,) if addressed else ()))

    # --- What is read

    @cached_property
    def places(self) -> Places:
        """The database of countries and networks."""
        return places()

    @cached_property
    def _lists(self) -> tuple[tuple[AddressList, ...], tuple[str, ...]]:
        return address_lists(self._app)

    @cached_property
    def _everybodys(self) -> frozenset[str] | None:
        """Every address in the history of everybody; None if there are too many."""
        found, cut = self._addresses(_BUT_SIGN_INS, _ADDRESSES * 10)
        return None if cut else found

    def _page(
        self,
        where: EventFilter,
        window: Window,
        limit: int,
        *,
        histogram: bool = False,
        history: Mapping[str, Sequence[str]] | None = None,
    ) -> EventPage:
        from ..lake.query import search  # noqa: PLC0415

        query = EventQuery(where=where, window=window, limit=limit)
        return search(self._app.lake, query, now=self._app.now(), facets=False, histogram=histogram, history=history)

    def _addresses(self, where: EventFilter, most: int) -> tuple[frozenset[str], bool]:
        from ..lake.query import counts  # noqa: PLC0415

        found = counts(self._app.lake, EventQuery(where=where, window=self._before), by="source_ip", most=most)
        named = {address for each in found if (address := public_address(each.value)) is not None}
        return frozenset(named), len(found) >= most

    def _history(self, where: EventFilter, administrators: frozenset[str] | None) -> History:
        page = self._page(where, self._before, SAMPLE)
        days: dict[date, int] = defaultdict(int)
        hours: dict[datetime, int] = defaultdict(int)
        addresses, cut = frozenset[str](), False
        single, since = page.events, self._before.start
        if page.total > len(page.events):
            single = self._page(msgspec.structs.replace(where, source=_SIGN_IN), self._before, SAMPLE).events
            others = msgspec.structs.replace(where, exclude=_BUT_SIGN_INS.exclude)
            for start, count in self._buckets(others, self._before, timedelta(days=1)):
                days[start.date()] += count
            for span in range(_HOUR_SPANS):
                end = self._before.end - span * _HOUR_SPAN
                for start, count in self._buckets(others, Window(end - _HOUR_SPAN, end), timedelta(hours=1)):
                    hours[_hour(start)] += count
            since = self._before.end - _HOUR_SPANS * _HOUR_SPAN
            addresses, cut = self._addresses(others, _ADDRESSES)
        theirs = [each for each in single if not is_outsiders(each)]
        for event in theirs:
            days[event.time.date()] += 1
            if event.time >= since:
                hours[_hour(event.time)] += 1
        return history_of(
            self._before,
            addresses=addresses.union(filter(None, (public_address(each.source_ip) for each in theirs))),
            addresses_cut=cut,
            days=days,
            hours=hours,
            sample=page.events,
            administrators=administrators,
        )

    def _buckets(self, where: EventFilter, window: Window, step: timedelta) -> Iterable[tuple[datetime, int]]:
        """Calls over time in steps that fit into ``step``; none where the histogram's own steps are longer."""
        found = self._page(where, window, 1, histogram=True).histogram
        if found is None or found.step > step.total_seconds():
            return ()
        return ((bucket.start, bucket.count) for bucket in found.buckets)

    def _issued(self, index: "SessionIndex", subject: Subject) -> EventFilter:
        """The calls of the sessions that the subject's issued; of no keys, where there are none."""
        if subject.sessions is None:
            return EventFilter()
        own = index.whole(subject.sessions, self.window)
        keys = {key for each in index.descendants(s.session_id for s in own) for key in _recent(each, self.window)}
        return EventFilter(access_key=tuple(sorted(keys)[:_KEYS]))

    def _off_instance(self, index: "SessionIndex", events: Sequence[Event]) -> tuple[Finding, ...]:
        """Use of instances' credentials off the instance that the window's sessions show, and not those before."""
        from ..session_findings import session_findings  # noqa: PLC0415

        instances = {
            (each.session_name, each.account)
            for each in events
            if each.session_name and each.account and _INSTANCE.fullmatch(each.session_name)
        }
        found: list[Finding] = []
        for instance, account in sorted(instances)[:_INSTANCES]:
            where = SessionFilter(user=(instance,), account=(account,))
            sessions = index.whole(where, Window(self._before.start, self.window.end))
            now = session_findings(sessions, Directory(), now=self._app.now())
            older = [each for each in sessions if each.last_seen < self.window.start]
            before = {each.detail for each in session_findings(older, Directory(), now=self._app.now())}
            found += [each for each in now if each.detail not in before]
        return tuple(found)

    def _administrators_among(self, events: Sequence[Event]) -> tuple[frozenset[str] | None, tuple[str, ...]]:
        """The administrators among the roles that calls ask to assume; None where no such account is known."""
        from ._iam import judged  # noqa: PLC0415

        accounts = {part[4] for each in events if (part := (assumed_role(each) or "").split(":")) and len(part) > 5}
        connected = {each.account_id for each in self._app.state.connections.list() if each.purpose != "respond"}
        for account in sorted(accounts & connected - self._administrators.keys()):
            try:
                answers = judged(self._app, accounts=(account,)).administrators
            except (AwsError, SetupError, UsageError) as error:
                self._administrators[account] = f"administrators of account {account} are not known: {error.message}"
                continue
            self._administrators[account] = frozenset(arn for arn, each in answers.items() if each.answer != "no")
        read = {each: self._administrators[each] for each in sorted(accounts & connected)}
        known = [each for each in read.values() if isinstance(each, frozenset)]
        notes = [each for each in read.values() if isinstance(each, str)]
        if known and (strange := sorted(accounts - connected)):
            more = f" and {len(strange) - 3:,} more" if len(strange) > 3 else ""
            named = ", ".join(each[:20] for each in strange[:3])
            notes.append(f"administrators of accounts that are not connected are not known: {named}{more}")
        return (frozenset().union(*known) if known or not accounts else None), tuple(notes)


def confidence_of(signs: Iterable[Sign]) -> Confidence:
    """The confidence that signs make together."""
    return combine(
        Weighed(
            rule=each.id,
            family=each.family,
            weight=each.weight,
            reason=f"{each.title}: {each.reason}",
            evidence=each.evidence,
        )
        for each in signs
    )


def address_lists(app: Installation) -> tuple[tuple[AddressList, ...], tuple[str, ...]]:
    """The lists in the folder ``lists`` of the installation's home (``*.txt``), and what is wrong with them."""
    from ..signs import read_list  # noqa: PLC0415

    found: list[AddressList] = []
    notes: list[str] = []
    for path in sorted((app.home / "lists").glob("*.txt")):
        try:
            text = path.read_text(encoding="utf-8-sig", errors="replace")
        except OSError as error:
            notes.append(f"list {path.stem} cannot be read: {error.strerror}")
            continue
        made, said = read_list(path.stem, text.splitlines())
        found.append(made)
        notes += said
    return tuple(found), tuple(notes)


def _hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def _recent(session: Session, window: Window) -> tuple[str, ...]:
    return session.access_keys if session.first_seen < window.end and session.last_seen >= window.start else ()
