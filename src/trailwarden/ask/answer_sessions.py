"""Answers about sessions in words: how many, who stands behind them and how that is known, where and how they came.

Counts of sessions are of all that match; what is told of them is of those at hand, and says so where there are more.
Counts of calls are of the whole sessions, also beyond the window that was asked for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, tzinfo

from ..model.finding import Coverage, Finding
from ..model.session import KIND_WORDS, ChainStep, Session
from .answer import Answer, looked_at, not_looked_at
from .command import METHOD_WORDS, any_of, moment_in_words, said_of_sessions, shorten, when_in_words
from .interpret import Interpretation
from .meanings import Focus

_SHOWN = 10
#: What each kind of step is called before its name; those who need no name are told by the kind alone.
_NOT_TOLD = "not recorded"


def summarize_sessions(
    interpretation: Interpretation,
    sessions: Sequence[Session],
    *,
    total: int,
    coverage: Coverage,
    now: datetime,
    zone: tzinfo,
    findings: tuple[Finding, ...] = (),
) -> Answer:
    """What the sessions of ``identity`` or ``sessions_list`` say to the question. Times are told in ``zone``.

    ``total`` counts all that match, of which ``sessions`` are those seen last. Of ``identity``, a session's
    ``strength`` is how it is known to be the person's.
    """
    sentences = (
        _Teller(interpretation, sessions, total, zone).found() if total else _nothing(interpretation, coverage, zone)
    )
    return Answer(
        summary=" ".join((*sentences, *not_looked_at(coverage, interpretation.window, now=now))),
        findings=findings,
        notices=interpretation.notices,
    )


def summarize_session(
    interpretation: Interpretation,
    session: Session,
    *,
    coverage: Coverage,
    now: datetime,
    zone: tzinfo,
    others: int = 0,
) -> Answer:
    """What ``sessions_show`` says to the question whose a key or session is; ``others`` are named by it as well."""
    sentences = _one(interpretation.session, session, others, zone)
    return Answer(
        summary=" ".join((*sentences, *not_looked_at(coverage, None, now=now))), notices=interpretation.notices
    )


def _nothing(asked: Interpretation, coverage: Coverage, zone: tzinfo) -> Iterator[str]:
    what = f"{_conditions(asked)} {when_in_words(asked.window, asked.last, zone)}"
    if not coverage.accounts and not coverage.sources:
        yield f"Nothing was looked at, so there is no answer to: sessions{what}."
        return
    yield f"No sessions match: sessions{what}."
    yield f"This looked at {looked_at(coverage, zone)}."


def _conditions(asked: Interpretation) -> str:
    said = list(said_of_sessions(asked.where))
    if asked.method:
        said.append(f"by method {any_of(tuple(METHOD_WORDS[method] for method in asked.method))}")
    return "".join(f" {clause}" for clause in said)


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


class _Teller:
    """The sentences of one answer about sessions."""

    def __init__(self, asked: Interpretation, sessions: Sequence[Session], total: int, zone: tzinfo) -> None:
        self.asked = asked
        self.sessions = sessions
        self.total = total
        self.zone = zone

    def found(self) -> Iterator[str]:
        """The sentences, what was asked for first."""
        when = when_in_words(self.asked.window, self.asked.last, self.zone)
        yes = "Yes: " if self.asked.focus == "exists" else ""
        yield f"{yes}{_counted(self.total, 'session')}{_conditions(self.asked)} made calls {when}."
        if not self.sessions:
            return
        if len(self.sessions) < self.total:
            yield f"What follows is told of the {_counted(len(self.sessions), 'session')} seen last."
        told: set[Focus] = set()
        besides: tuple[Focus, ...] = ("accounts",) if self.asked.focus == "no_mfa" else ("who", "accounts")
        for focus in (self.asked.focus, *self.asked.also, *besides):
            if focus not in told:
                told.add(focus)
                yield from self._asked(focus)
        yield self._methods()
        yield self._strength()
        yield self._calls()
        yield self._span()

    def _asked(self, focus: Focus) -> Iterator[str]:
        match focus:
            case "who":
                yield from self._who()
            case "no_mfa":
                yield from self._mfa()
            case "accounts":
                yield self._list("In", "account", (s.account for s in self.sessions))
            case "roles":
                yield self._list("With", "role", (s.role_arn for s in self.sessions), missing="no role")
            case "regions":
                yield self._list("In", "Region", _each(self.sessions, lambda s: s.regions))
            case "where_from":
                yield self._list(
                    "From",
                    "address",
                    _each(self.sessions, lambda s: s.source_ips),
                    many="addresses",
                    missing="no address",
                )
            case "keys":
                yield self._list("With", "access key", _each(self.sessions, lambda s: s.access_keys))
            case "agents":
                yield self._list("With", "user agent", _each(self.sessions, lambda s: s.user_agents))
            case "when_last":
                last = max(self.sessions, key=lambda s: (s.last_seen, s.session_id))
                seen = moment_in_words(last.last_seen, self.zone)
                yield f"The last was seen at {seen}: {shorten(last.session_id)}, {_principal(last)}."

    def _list(
        self, lead: str, one: str, values: Iterable[str | None], *, many: str = "", missing: str = _NOT_TOLD
    ) -> str:
        """``In 2 accounts: 111111111111 (3 sessions), 222222222222 (1).``"""
        counts = Counter(value or missing for value in values)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(
            f"{shorten(name, 160)} ({_counted(number, 'session') if index == 0 else f'{number:,}'})"
            for index, (name, number) in enumerate(ranked[:_SHOWN])
        )
        known = len(counts) - (missing in counts)
        if not known:
            return f"No {one} is recorded for them."
        return f"{lead} {_counted(known, one, many)}{', most often' if len(ranked) > _SHOWN else ''}: {shown}."

    def _who(self) -> Iterator[str]:
        """Who stands behind the sessions, and for how many the records do not tell."""
        roots: Counter[str] = Counter()
        claimed: set[str] = set()
        single = len(self.sessions) == 1

        def counted(number: int) -> str:
            return "" if single else f"{_counted(number, 'session')}, "

        for session in self.sessions:
            if session.root is not None:
                name = _step(session.root, session)
                roots[name] += 1
                if session.strength == "claimed":
                    claimed.add(name)
        if roots:
            ranked = sorted(roots.items(), key=lambda item: (-item[1], item[0]))
            shown = ", ".join(
                f"{name} ({counted(number)}{'claimed' if name in claimed else 'proven'})"
                for name, number in ranked[:_SHOWN]
            )
            more = f", and {len(ranked) - _SHOWN:,} more" if len(ranked) > _SHOWN else ""
            yield f"Behind {'it' if single else 'them'} {_stands(len(ranked))} {shown}{more}."
        unknown = len(self.sessions) - roots.total()
        if unknown:
            yield f"Of {_counted(unknown, 'session')} the records do not tell who stands behind."

    def _mfa(self) -> Iterator[str]:
        without = [s for s in self.sessions if s.mfa is False]
        having = sum(s.mfa is True for s in self.sessions)
        names = Counter(_step(s.root, s) if s.root is not None else _principal(s) for s in without)
        ranked = sorted(names.items(), key=lambda item: (-item[1], item[0]))
        listed = ", ".join(f"{name} ({number:,})" for name, number in ranked[:_SHOWN])
        more = f", and {len(ranked) - _SHOWN:,} more" if len(ranked) > _SHOWN else ""
        named = f": {listed}{more}" if listed else ""
        yield f"{_counted(len(without), 'session')} without MFA{named}; {having:,} with it."
        if untold := len(self.sessions) - len(without) - having:
            yield f"Of {_counted(untold, 'session')} the records do not tell."
        yield "Identity Center and SAML ask for MFA outside these records, and are not among them."

    def _methods(self) -> str:
        counts = Counter(METHOD_WORDS[s.method] for s in self.sessions)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return f"By method: {', '.join(f'{name} ({number:,})' for name, number in ranked)}."

    def _strength(self) -> str:
        """How it is known: by records of AWS, or by a name that the caller chose."""
        proven = sum(s.strength == "proven" for s in self.sessions)
        claimed = len(self.sessions) - proven
        theirs = self.asked.tool == "identity"
        if not claimed:
            one = len(self.sessions) == 1
            return (
                f"{'It is' if one else 'All are'} proven to be theirs."
                if theirs
                else "Every link to who stands behind is proven."
            )
        if theirs:
            return f"{proven:,} proven to be theirs, {claimed:,} only by a name that the caller chose."
        return f"For {proven:,} every link is proven, for {claimed:,} it rests on a name that the caller chose."

    def _calls(self) -> str:
        calls, errors = sum(s.events for s in self.sessions), sum(s.errors for s in self.sessions)
        they = "In its whole time it" if len(self.sessions) == 1 else "In their whole time they"
        return f"{they} made {_counted(calls, 'call')}, of which {errors:,} failed."

    def _span(self) -> str:
        first, last = min(s.first_seen for s in self.sessions), max(s.last_seen for s in self.sessions)
        seen = "It was seen" if len(self.sessions) == 1 else "They were seen"
        return f"{seen} from {moment_in_words(first, self.zone)} to {moment_in_words(last, self.zone)}."


def _each(sessions: Sequence[Session], values: Callable[[Session], tuple[str, ...]]) -> Iterator[str | None]:
    for session in sessions:
        yield from values(session) or (None,)


def _stands(number: int) -> str:
    return "stands" if number == 1 else "stand"


def _step(step: ChainStep, session: Session) -> str:
    """``IAM user john of account 222222222222``."""
    name = step.name or step.arn
    said = f"{KIND_WORDS[step.kind]} {shorten(name)}" if name and step.kind != "root" else KIND_WORDS[step.kind]
    other = step.account if step.account and (step.account != session.account or step.kind == "root") else None
    return f"{said} of account {shorten(other)}" if other else said


def _principal(session: Session) -> str:
    """What the credentials are: ``role AdminRole, session name deploy-12``."""
    if session.role_arn:
        name = f", session name {shorten(session.session_name)}" if session.session_name else ""
        return f"role {shorten(session.role_arn.rpartition('/')[2])}{name}"
    if session.user_name:
        return f"user {shorten(session.user_name)}"
    return shorten(session.principal_arn or session.principal_id or "an unnamed principal", 160)


def _one(asked: str, session: Session, others: int, zone: tzinfo) -> Iterator[str]:
    account = f" in account {shorten(session.account)}" if session.account else ""
    yield f"{shorten(asked)} is {_principal(session)}{account}, by method {METHOD_WORDS[session.method]}."
    root = session.root
    if root is None:
        yield f"Who stands behind it is not recorded: {shorten(session.reason, 200)}."
    else:
        yield f"Behind it stands {_step(root, session)} ({session.strength})."
    if (issuer := session.issuer) is not None:
        issued_by = shorten(issuer.name or issuer.arn or KIND_WORDS[issuer.kind], 160)
        address = f" from {shorten(issuer.source_ip)}" if issuer.source_ip else ""
        at = moment_in_words(issuer.time, zone)
        yield f"It was issued by {shorten(issuer.event_name)} of {issued_by}{address} at {at}."
    if len(session.chain) > 1:
        steps = ", then ".join(f"{_step(step, session)} ({step.link}: {shorten(step.by)})" for step in session.chain)
        yield f"The chain behind it: {steps}."
    elif root is not None:
        yield f"This is known by {shorten(root.by)}."
    yield f"It made {_counted(session.events, 'call')}, of which {session.errors:,} failed."
    if session.source_ips:
        shown = ", ".join(shorten(address) for address in session.source_ips[:_SHOWN])
        more = f" and {len(session.source_ips) - _SHOWN:,} more" if len(session.source_ips) > _SHOWN else ""
        yield f"It came from {shown}{more}."
    yield f"It was seen from {moment_in_words(session.first_seen, zone)} to {moment_in_words(session.last_seen, zone)}."
    if others:
        yield f"The same name stands for {_counted(others, 'other session')}; this is the one seen last."
