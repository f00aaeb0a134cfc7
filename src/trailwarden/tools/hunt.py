"""Signs: what an analyst would notice about somebody, or about anybody, in a time."""

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from ..confidence import Label, in_words
from ..errors import TrailwardenError, UsageError
from ..installation import Installation
from ..model.event import EventFilter
from ..model.finding import Coverage
from ..model.proposal import Confidence
from ..model.session import Session, SessionFilter
from ..model.time import Window
from ..signs import Sign
from ..tool import tool
from ._directory import DIRECTORY_NEEDS
from ._evidence import APART, REACH, Evidenced, Seek, Subject, confidence_of
from ._iam_needs import AUTHORIZATION_NEEDS
from ._sessions import AccountFilter, LiveOption, ask_history, session_index, whose
from .identity import identity
from .search import SEARCH_NEEDS, Live

#: The time that is looked at where none is named.
_DEFAULT = timedelta(days=7)
_SECOND = timedelta(seconds=1)
#: Sessions and names of a person, and keys of a session, that are asked for.
_SESSIONS, _NAMES, _KEYS = 10_000, 500, 200


class Hunted(msgspec.Struct, frozen=True, kw_only=True):
    """The signs of one subject, the weightiest first. ``calls`` is how many calls it made; ``text`` is the confidence
    as people read it, ``High (94%)``; ``notes`` say what could not be judged."""

    who: str
    calls: int
    score: float
    label: Label
    text: str
    signs: tuple[Sign, ...]
    notes: tuple[str, ...]


class HuntReport(msgspec.Struct, frozen=True, kw_only=True):
    """Those who were looked at, the most suspicious first; ``principals`` counts them all, also those without signs."""

    window: Window
    subjects: tuple[Hunted, ...]
    principals: int
    notes: tuple[str, ...]
    coverage: Coverage


@tool(
    effect="read",
    title="Look for signs of misuse",
    command="hunt",
    needs=tuple(dict.fromkeys((*SEARCH_NEEDS, *DIRECTORY_NEEDS, *AUTHORIZATION_NEEDS))),
    examples=(
        "trailwarden hunt --last 24h",
        "trailwarden hunt --person john@company.com --last 7d",
        "trailwarden hunt --access-key AKIAIOSFODNN7EXAMPLE",
        "trailwarden hunt --ip 203.0.113.7 --from 2026-11-23 --to 2026-11-24 --format json",
    ),
)
def hunt(
    app: Installation,
    *,
    person: Annotated[
        str | None, Meta(description="A person: email, user name, or ARN of an IAM user", extra={"metavar": "WHO"})
    ] = None,
    session: Annotated[
        str | None,
        Meta(description="A session: its id, ARN or name", extra={"metavar": "SESSION"}),
    ] = None,
    access_key: Annotated[str | None, Meta(description="An access key id, AKIA… or ASIA…")] = None,
    role: Annotated[str | None, Meta(description="A role: its name or ARN")] = None,
    instance: Annotated[str | None, Meta(description="An EC2 instance, i-…", extra={"metavar": "INSTANCE_ID"})] = None,
    ip: Annotated[str | None, Meta(description="A source address or CIDR")] = None,
    account: AccountFilter = (),
    window: Window | None = None,
    limit: Annotated[
        int, Meta(ge=1, le=200, description="How many principals are compared with their history at most")
    ] = 20,
    live: LiveOption = "auto",
) -> HuntReport:
    """Signs that somebody misuses credentials, with the records under them and the confidence that they make together.

    Looks at one subject, or at every principal that made calls (default: in the last 7 days; of a temporary session:
    while it lasted), and compares with what the same principal did before: in 80 days, without the last one before.
    Lists of addresses that you keep in the folder lists of the installation's home count too. `docs/detections.md`
    explains every rule.

    Raises:
        UsageError: more than one subject.
        TrailwardenError: no session of that name, key or id is in the records.
    """
    subjects = {"person": person, "session": session, "access key": access_key, "role": role}
    given = [name for name, value in {**subjects, "instance": instance, "ip": ip}.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other", remedy="hunt for one subject at a time")
    now = app.now()
    span = window or Window(now - _DEFAULT, now)
    if ip is not None:
        return _report(span, ip, Seek(app, span, live).of_address(ip.strip()))
    if person is not None:
        return _of_person(app, person.strip(), span, account, live)
    if session is not None or access_key is not None:
        return _of_session(app, (session or access_key or "").strip(), window, live)
    if role is not None:
        where = EventFilter(role=(role,), account=account)
        subject = Subject(own=where, history=where, sessions=SessionFilter(role=(role,), account=account))
        return _report(span, role, Seek(app, span, live).of_subject(subject))
    if instance is not None:
        where = EventFilter(session=(instance,), account=account)
        subject = Subject(own=where, history=where, sessions=SessionFilter(user=(instance,), account=account))
        return _report(span, instance, Seek(app, span, live).of_subject(subject))
    return _of_everybody(app, span, account, limit, live)


def _of_everybody(app: Installation, window: Window, account: tuple[str, ...], limit: int, live: Live) -> HuntReport:
    seek = Seek(app, window, live)
    events, _, coverage = seek.calls(EventFilter(account=account))
    found = [
        _hunted(each.arn or "others", each.calls, confidence_of(each.signs.signs), each.signs.signs, each.signs.notes)
        for each in seek.groups(events, most=limit)
    ]
    return HuntReport(
        window=window,
        subjects=tuple(sorted((each for each in found if each.signs), key=lambda each: (-each.score, each.who))),
        principals=len({each.principal.arn for each in events if each.principal.arn}),
        notes=seek.notes(events),
        coverage=coverage,
    )


def _of_person(app: Installation, asked: str, window: Window, account: tuple[str, ...], live: Live) -> HuntReport:
    ask_history(app, EventFilter(user=(asked,), account=account), window, live)
    before = Window(window.start - APART - REACH, window.end)
    known = identity(app, asked, account=account, window=before, limit=_SESSIONS, live="never")
    names = {each.principal_arn or each.user_name or each.session_name or "" for each in known.sessions} - {""}
    users = {each.id for each in known.person.identities if each.kind == "iam_user"}
    wanted = sorted(users | names)
    where = EventFilter(user=tuple(wanted[:_NAMES]) or (asked,), account=account)
    notes = known.person.notes
    if len(wanted) > _NAMES:
        notes = (*notes, f"only {_NAMES:,} of {len(wanted):,} names of {asked} were looked for")
    found = Seek(app, window, live).of_subject(Subject(own=where, history=where))
    return _report(window, known.person.label, found, notes, known.coverage)


def _of_session(app: Installation, words: str, window: Window | None, live: Live) -> HuntReport:
    key = words[:4] in ("AKIA", "ASIA")
    asked = EventFilter(access_key=(words,)) if key else EventFilter(user=(words.rsplit("/", 1)[-1],))
    ask_history(app, asked, window, "never" if words.startswith("ses-") else live)
    with session_index(app) as index:
        found = index.named(words)
        if not found:
            raise TrailwardenError(
                f"no session of {words!r} is in the records",
                remedy="sessions list shows the sessions; a key that made no recorded call has none",
            )
        meant = index.chained(found[0])
    lasting = meant.method == "iam_user_key"
    now = app.now()
    span = window or (Window(now - _DEFAULT, now) if lasting else Window(meant.first_seen, meant.last_seen + _SECOND))
    more = (f"{words} names {len(found):,} sessions: this is the newest",) if len(found) > 1 else ()
    return _report(span, whose_session(meant), Seek(app, span, live).of_subject(subject_of_session(meant)), more)


def whose_session(session: Session) -> str:
    """A session and who stands behind it, in words."""
    return f"{session.principal_arn or session.session_id} ({whose(session)})"


def subject_of_session(session: Session) -> Subject:
    """The calls of a session, and the history of who stands behind it, as far as that is known."""
    few = 0 < len(session.access_keys) <= _KEYS
    own = (
        EventFilter(access_key=session.access_keys)
        if few
        else EventFilter(arn=(session.principal_arn or session.session_id,))
    )
    root = session.root
    names = tuple(dict.fromkeys(name for name in (root.name, root.arn) if name)) if root is not None else ()
    issued = SessionFilter(access_key=session.access_keys) if few else None
    if names:
        return Subject(own=own, history=EventFilter(user=names), sessions=issued)
    if session.method == "iam_user_key" and session.principal_arn:
        return Subject(own=own, history=EventFilter(arn=(session.principal_arn,)), sessions=issued)
    return Subject(own=own, history=None, no_history=f"who is behind it is {whose(session)}", sessions=issued)


def _report(
    window: Window,
    who: str,
    found: Evidenced,
    notes: tuple[str, ...] = (),
    coverage: Coverage | None = None,
) -> HuntReport:
    looked = found.coverage
    if coverage is not None:
        looked = looked.with_gaps((each for each in coverage.gaps if each.kind != "not_covered"), coverage.notes)
    return HuntReport(
        window=window,
        subjects=(_hunted(who, found.calls, found.confidence, found.signs, found.notes),),
        principals=1,
        notes=notes,
        coverage=looked,
    )


def _hunted(who: str, calls: int, confidence: Confidence, signs: tuple[Sign, ...], notes: tuple[str, ...]) -> Hunted:
    return Hunted(
        who=who,
        calls=calls,
        score=confidence.score,
        label=confidence.label,
        text=in_words(confidence),
        signs=signs,
        notes=notes,
    )
