"""Alerts against sessions: an index of the sessions once, then each alert looks up what it holds."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeVar

from ..identity import fold
from ..model.alert import Alert, Host, MatchEvidence, SessionMatch
from ..model.finding import Evidence
from ..model.session import Session
from .addresses import popularity, public_address
from .against import Known, against
from .grounds import Grounds, Hit, best, combined, time_factor
from .names import Name, names_of
from .subject import Subject, Term, UserTerm, subject_of
from .values import AddressPopularity, People, Weights, default_weights

#: Kinds of names that can be a host's: its sessions are named after it.
_OF_HOSTS = frozenset({"session_name", "source_identity"})
#: From so many sessions with one value on, those near an alert are found by their times.
_MANY = 32
_LONG = timedelta(days=2)
_T = TypeVar("_T")


def correlate(
    alert: Alert,
    host: Host | None,
    sessions: Iterable[Session],
    *,
    people: People | None = None,
    address_use: Mapping[str, AddressPopularity] | None = None,
    weights: Weights | None = None,
    now: datetime | None = None,
    least: float = 0.0,
) -> tuple[SessionMatch, ...]:
    """The sessions that an alert may belong to, the best first (then by id).

    ``people`` are the reviewed aliases (:func:`~trailwarden.correlate.people_of`), ``address_use`` how many used each
    address; without it, it is taken from ``sessions``. ``now`` is until when an address of the host is known to
    hold that has no end. Matches that score no more than ``least`` are left out.
    """
    index = Correlator(sessions, people=people, address_use=address_use, weights=weights)
    return index.correlate(alert, host, now=now, least=least)


class Correlator:
    """Sessions, indexed by their names, addresses and issuers, to correlate many alerts with."""

    def __init__(
        self,
        sessions: Iterable[Session],
        *,
        people: People | None = None,
        address_use: Mapping[str, AddressPopularity] | None = None,
        weights: Weights | None = None,
    ) -> None:
        unique = {session.session_id: session for session in sessions}
        self.sessions: Sequence[Session] = sorted(unique.values(), key=lambda each: each.session_id)
        self._people: People = {} if people is None else people
        self._weights = default_weights() if weights is None else weights
        self._address_use = popularity(self.sessions, self._people) if address_use is None else address_use
        self._by_name: dict[str, list[tuple[int, Name]]] = defaultdict(list)
        self._by_local: dict[str, list[tuple[int, Name]]] = defaultdict(list)
        self._by_address: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self._issued_by: dict[str, list[int]] = defaultdict(list)
        self._timelines: dict[int, _Timeline] = {}
        for at, session in enumerate(self.sessions):
            self._index(at, session)

    def _index(self, at: int, session: Session) -> None:
        for name in names_of(session):
            self._by_name[name.folded].append((at, name))
            if name.local:
                self._by_local[name.local].append((at, name))
        seen = set()
        for text in session.source_ips:
            address = public_address(text)
            if address is not None and address not in seen:
                seen.add(address)
                self._by_address[address].append((at, text))
        if session.issuer is not None and session.issuer.session_id is not None:
            self._issued_by[session.issuer.session_id].append(at)

    def correlate(
        self, alert: Alert, host: Host | None = None, *, now: datetime | None = None, least: float = 0.0
    ) -> tuple[SessionMatch, ...]:
        """The sessions that an alert may belong to, as :func:`correlate` says."""
        subject = subject_of(alert, host, self._people, self._weights, now)
        hits: dict[int, list[Hit]] = defaultdict(list)
        for at, hit in self._hits(subject):
            hits[at].append(hit)
        factors = {at: self._factor(subject, at) for at in hits}
        found = {at: self._grounds(each) for at, each in hits.items() if factors[at] > 0}
        self._follow(subject, found, factors)
        hop = self._weights.hop
        ranked = sorted(
            ((grounds.worth(hop) * factors[at], at, grounds) for at, grounds in found.items()),
            key=lambda each: (-each[0], each[1]),
        )
        return tuple(
            self._match(subject, at, score, grounds, factors[at]) for score, at, grounds in ranked if score > least
        )

    def _factor(self, subject: Subject, at: int) -> float:
        session = self.sessions[at]
        return time_factor(subject.time, session.first_seen, session.last_seen, self._weights)

    def _grounds(self, hits: Sequence[Hit]) -> Grounds:
        """The best that a session has by itself and by its chain: what counts must be equally far away."""
        hop = self._weights.hop
        levels: dict[int, list[Hit]] = defaultdict(list)
        for hit in hits:
            levels[hit.name.hops if hit.name is not None else 0].append(hit)
        options = []
        for hops, each in sorted(levels.items()):
            chosen = best(each)
            options.append(Grounds(chosen, combined(hit.weight for hit in chosen), hops))
        return max(options, key=lambda each: (each.worth(hop), -each.hops))

    def _follow(self, subject: Subject, found: dict[int, Grounds], factors: dict[int, float]) -> None:
        """What sessions that matched have issued matches too, at a discount a hop."""
        hop = self._weights.hop
        waiting = sorted(found)
        while waiting:
            source = waiting.pop()
            grounds, issuer = found[source], self.sessions[source].session_id
            passed = Grounds(grounds.hits, grounds.combined, grounds.hops + 1, issuer)
            for at in self._issued_by.get(issuer, ()):
                if at not in factors:
                    factors[at] = self._factor(subject, at)
                if factors[at] > 0 and _replaces(passed, found.get(at), hop):
                    found[at] = passed
                    waiting.append(at)

    def _match(self, subject: Subject, at: int, score: float, grounds: Grounds, factor: float) -> SessionMatch:
        session = self.sessions[at]
        return SessionMatch(
            session=session,
            score=score,
            evidence=tuple(_shown(hit) for hit in grounds.hits),
            against=against(subject, session, grounds, self._known),
            time_factor=factor,
            hops=grounds.hops,
        )

    @cached_property
    def _known(self) -> Known:
        namesakes: dict[str, set[str]] = defaultdict(set)
        for local, names in self._by_local.items():
            namesakes[local] = {name.folded for _, name in names if "@" in name.folded}
        return Known(namesakes, self._address_use)

    # --- What an alert and a session have in common

    def _hits(self, subject: Subject) -> Iterator[tuple[int, Hit]]:
        yield from self._of_instance(subject)
        for user in subject.users:
            yield from self._of_user(subject, user)
        for address, term in subject.addresses:
            yield from self._of_address(subject, address, term)
        for host, term in subject.hosts:
            for at, name in self._close(self._by_name.get(host), subject.time):
                if name.kind in _OF_HOSTS:
                    yield at, self._named("hostname", term, host, name)

    def _of_instance(self, subject: Subject) -> Iterator[tuple[int, Hit]]:
        """The session that AWS gave the instance; a name that a caller chose is far less."""
        if subject.instance is None:
            return
        instance = fold("session_name", subject.instance.value)
        for at, name in self._close(self._by_name.get(instance), subject.time):
            session = self.sessions[at]
            if name.kind != "session_name" or name.hops or subject.account not in {None, session.account}:
                continue
            if session.method != "instance_profile":
                yield at, self._named("instance_name_chosen", subject.instance, instance, name)
                continue
            kind = "instance_id" if subject.account is not None else "instance_id_without_account"
            yield at, self._named(kind, subject.instance, instance, name)

    def _of_user(self, subject: Subject, user: UserTerm) -> Iterator[tuple[int, Hit]]:
        denied = [(fold("email", each.value), each.account) for each in user.known if each.denies]
        kind = "login" if user.login else "user_email"
        wanted: list[tuple[str, str | None, str]] = [(user.email, None, kind)] if user.email is not None else []
        for each in user.known:
            if not each.denies:
                kind = "login" if user.login else "alias"
                wanted += [(value, each.account, kind) for value in {each.value, fold("email", each.value)}]
        for value, account, kind in wanted:
            for at, name in self._close(self._by_name.get(value), subject.time):
                if account in {None, name.account} and not _is_denied(name, denied):
                    yield at, self._named(kind, user.term, fold("email", user.name), name, user)
        for at, name in self._close(self._by_local.get(user.local), subject.time):
            if name.folded != user.email and not _is_denied(name, denied):
                yield at, self._named("bare_name", user.term, fold("email", user.name), name, user)

    def _of_address(self, subject: Subject, address: str, term: Term) -> Iterator[tuple[int, Hit]]:
        use = self._address_use.get(address)
        kind = "address_exclusive" if use is not None and use.exclusive else "address_shared"
        for at, text in self._close(self._by_address.get(address), subject.time):
            yield (
                at,
                Hit(
                    kind=kind,
                    weight=self._weights[kind],
                    term=term,
                    alert_key=address,
                    event_key=address,
                    evidence=_address_evidence(self.sessions[at], address, text),
                    address=address,
                ),
            )

    def _named(self, kind: str, term: Term, key: str, name: Name, user: UserTerm | None = None) -> Hit:
        return Hit(
            kind=kind,
            weight=self._weights[kind],
            term=term,
            alert_key=key,
            event_key=name.folded,
            evidence=name.evidence,
            name=name,
            user=user,
        )

    def _close(self, found: Sequence[tuple[int, _T]] | None, time: datetime) -> Iterator[tuple[int, _T]]:
        """Those of sessions that are near enough to a time."""
        if not found:
            return
        reach = self._weights.time
        first, last = time - timedelta(hours=reach.before.last), time + timedelta(hours=reach.after.last)
        if len(found) > _MANY:
            timeline = self._timelines.get(id(found))
            if timeline is None:
                timeline = self._timelines[id(found)] = _Timeline(self.sessions, [at for at, _ in found])
            found = [found[position] for position in timeline.near(first, last)]
        for each in found:
            session = self.sessions[each[0]]
            if session.last_seen >= first and session.first_seen <= last:
                yield each


class _Timeline:
    """Sessions by when they began; the few that are long are apart, so that the others are found by bisection."""

    def __init__(self, sessions: Sequence[Session], numbers: Sequence[int]) -> None:
        spans = [(sessions[at].first_seen, sessions[at].last_seen, position) for position, at in enumerate(numbers)]
        short = sorted((first, position) for first, last, position in spans if last - first <= _LONG)
        self._long = [position for first, last, position in spans if last - first > _LONG]
        self._begins = [first for first, _ in short]
        self._positions = [position for _, position in short]

    def near(self, first: datetime, last: datetime) -> list[int]:
        """Positions of sessions that may overlap the span: all that do, and perhaps others."""
        begin, end = bisect_left(self._begins, first - _LONG), bisect_right(self._begins, last)
        return [*self._positions[begin:end], *self._long]


def _replaces(passed: Grounds, own: Grounds | None, hop: float) -> bool:
    """Whether what a session's issuer passes on is better than what it has; the issuer's too, of two alike by hops."""
    if own is None or passed.worth(hop) > own.worth(hop):
        return True
    return passed.worth(hop) == own.worth(hop) and own.hops > 0 and own.source is None


def _is_denied(name: Name, denied: Sequence[tuple[str, str | None]]) -> bool:
    return any(name.folded.casefold() == value and account in {None, name.account} for value, account in denied)


def _address_evidence(session: Session, address: str, text: str) -> Evidence:
    """A record with the address. A session cites those of its first addresses; of others none is at hand."""
    for each in session.evidence:
        if each.field == "sourceIPAddress" and public_address(each.value) == address:
            return each
    return Evidence("", "sourceIPAddress", text)


def _shown(hit: Hit) -> MatchEvidence:
    return MatchEvidence(
        kind=hit.kind,
        weight=hit.weight,
        alert_field=hit.term.field,
        alert_value=hit.term.value,
        event_id=hit.evidence.event_id,
        event_field=hit.evidence.field,
        event_value=hit.evidence.value,
    )
