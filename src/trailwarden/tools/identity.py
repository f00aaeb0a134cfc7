"""Whose: every user, session and key of a person, in every account."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from ..identity import Match, Person, identifiers_of, matches, person
from ..installation import Installation
from ..model.event import EventFilter
from ..model.finding import Coverage, Finding
from ..model.session import Session, SessionLimit
from ..model.time import Window
from ..tool import tool
from ._directory import DIRECTORY_NEEDS, Refresh, directory_of
from ._sessions import AccountFilter, Action, LiveOption, ask_history, coverage_of, session_index
from .search import SEARCH_NEEDS

if TYPE_CHECKING:
    from ..lake.sessions import SessionIndex

#: How often names found in sessions are asked for again: email -> user id -> other names of that id.
_ROUNDS = 4


class PersonSession(Session, frozen=True, kw_only=True):
    """A session of the person: ``identity`` says as which of their users (None: that cannot be told), ``strength``
    ``by`` and ``evidence`` how it is known to be theirs, ``note`` what speaks against it, ``did`` what it did."""

    identity: str | None
    by: str
    note: str
    did: tuple[Action, ...]


class IdentityReport(msgspec.Struct, frozen=True, kw_only=True):
    """A person and their sessions, the one seen last first; ``total`` counts them all."""

    person: Person
    sessions: tuple[PersonSession, ...]
    total: int
    findings: tuple[Finding, ...]
    coverage: Coverage


@tool(
    effect="read",
    title="Map a person to their users, sessions and keys",
    command="identity",
    needs=(*SEARCH_NEEDS, *DIRECTORY_NEEDS),
    examples=(
        "trailwarden identity john@company.com",
        "trailwarden identity john@company.com --last 7d --account 222222222222 --details",
        "trailwarden identity john@company.com --format json",
        "trailwarden identity alias add john@company.com jsmith --reason 'HR list of 2026-11-03'",
    ),
)
def identity(
    app: Installation,
    who: Annotated[
        str,
        Meta(
            description="Email, user name, Identity Center user id, or ARN of an IAM user",
            extra={"argument": True, "metavar": "WHO"},
        ),
    ],
    *,
    account: AccountFilter = (),
    window: Window | None = None,
    limit: SessionLimit = 100,
    refresh: Refresh = False,
    live: LiveOption = "auto",
) -> IdentityReport:
    """Everything that is a person's: IAM users, Identity Center users, federated users and role sessions.

    Names are tied together by the directory (identity store, tags of IAM users), by the records, and by the
    alias list; every session says how it is known to be theirs: proven, or claimed by a name alone.
    """
    from ..session_findings import session_findings  # noqa: PLC0415

    asked = who.strip()
    events = EventFilter(user=(asked,), account=account)
    history = ask_history(app, events, window, live)
    directory = directory_of(app, refresh=refresh)
    aliases = app.state.aliases.list()
    with session_index(app) as index:
        found, own = _theirs(index, lambda sessions: person(asked, directory, aliases, sessions=sessions))
        theirs = matches((index.chained(each) for each in own), found)
        inside = [each for each in theirs if _is_inside(each.session, account, window)]
        shown = inside[:limit]
        did = index.actions([each.session for each in shown])
    sessions = tuple(_shown(each, did.get(each.session.session_id, ())) for each in shown)
    return IdentityReport(
        person=found,
        sessions=sessions,
        total=len(inside),
        findings=session_findings([each.session for each in inside], directory, now=app.now(), aliases=aliases),
        coverage=coverage_of(app, events, window, history, sessions).with_gaps(directory.all_gaps),
    )


def _theirs(index: "SessionIndex", find: Callable[[Sequence[Session]], Person]) -> tuple[Person, tuple[Session, ...]]:
    """The person, and every session that may be theirs: those that name them, and those issued by one that does.

    What such sessions say of their own principal may tell further names, which are asked for in turn.
    """
    own: tuple[Session, ...] = ()
    found = find(own)
    for _ in range(_ROUNDS):
        naming = index.having(identifiers_of(found))
        if len(naming) == len(own):
            break
        own = naming
        found = find(own)
    return found, (*own, *index.descendants(each.session_id for each in own))


def _is_inside(session: Session, account: Sequence[str], window: Window | None) -> bool:
    here = not account or session.account in account or not {*account}.isdisjoint(session.recorded_in)
    return here and (window is None or (session.first_seen < window.end and session.last_seen >= window.start))


def _shown(match: Match, did: Sequence[tuple[str, int, int]]) -> PersonSession:
    fields = {name: getattr(match.session, name) for name in Session.__struct_fields__}
    fields |= {"strength": match.strength, "evidence": tuple(dict.fromkeys((*match.evidence, *match.session.evidence)))}
    return PersonSession(
        **fields, identity=match.identity, by=match.by, note=match.note, did=tuple(Action(*each) for each in did)
    )
