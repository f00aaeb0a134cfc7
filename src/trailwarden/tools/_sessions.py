"""What the tools about sessions share: an index that is up to date, live history, and the coverage of the answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.event import EventFilter, EventQuery
from ..model.finding import Coverage
from ..model.session import KIND_WORDS, Session
from ..model.time import Window
from .search import Live, LiveHistory, live_history

if TYPE_CHECKING:
    from ..lake.sessions import SessionIndex

LiveOption = Annotated[
    Live,
    Meta(
        description="Ask event history (LookupEvents): auto, where the lake lacks a connected account's records; "
        "always; never"
    ),
]
AccountFilter = Annotated[
    tuple[str, ...],
    Meta(description="Only this account: its id (repeat for several)", extra={"metavar": "ACCOUNT"}),
]
#: The calls that issue credentials, for event history: without them a session is known, but not who stands behind it.
ISSUING = (
    "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "AssumeRoleForPodIdentity", "AssumeRoot",
    "GetSessionToken", "GetFederationToken", "ConsoleLogin", "SwitchRole", "GetRoleCredentials", "CreateOAuth2Token",
)  # fmt: skip
_CLAIMS = (
    "a role session's name is chosen by whoever assumes the role, unless Identity Center or a trust policy sets it: "
    "links marked claimed rest on such a name"
)


class Action(msgspec.Struct, frozen=True):
    """Calls of one kind that a session made: ``event`` as ``iam:CreateUser``, and how many failed."""

    event: str
    events: int
    errors: int


def whose(session: Session) -> str:
    """Who stands behind a session, in words: ``Identity Center user john@company.com (proven)``."""
    root = session.root
    if root is None:
        return f"not known: {session.reason}"
    name = f" {root.name or root.arn}" if root.name or root.arn else ""
    account = f" of {root.account}" if root.account and root.account != session.account else ""
    return f"{KIND_WORDS[root.kind]}{name}{account} ({session.strength})"


@contextmanager
def session_index(app: Installation) -> Iterator["SessionIndex"]:
    """The sessions of the lake, up to date."""
    from ..lake.sessions import SessionIndex  # noqa: PLC0415

    with SessionIndex(app.lake) as index:
        index.refresh(app.progress)
        yield index


def ask_history(app: Installation, where: EventFilter, window: Window | None, live: Live) -> LiveHistory:
    """Fetch what event history holds of the calls in question, and of those that issue credentials."""
    asked = live_history(app, EventQuery(where=where, window=window), live)
    if not asked.regions or where.event:
        return asked
    scope = EventFilter(event=ISSUING, account=where.account, region=where.region)
    issuing = live_history(app, EventQuery(where=scope, window=window), live)
    return LiveHistory(
        asked.regions,
        tuple(dict.fromkeys((*asked.gaps, *issuing.gaps))),
        tuple(dict.fromkeys((*asked.notes, *issuing.notes))),
    )


def coverage_of(
    app: Installation,
    where: EventFilter,
    window: Window | None,
    history: LiveHistory,
    sessions: tuple[Session, ...] = (),
) -> Coverage:
    """The coverage of an answer about sessions: that of the events that they were made from."""
    from ..lake.coverage import coverage  # noqa: PLC0415

    looked = coverage(app.lake, where, window, now=app.now(), history=history.regions)
    claimed = any(each.strength == "claimed" for each in sessions)
    return looked.with_gaps(history.gaps, (*history.notes, *((_CLAIMS,) if claimed else ())))
