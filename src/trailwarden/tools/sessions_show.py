"""One session: whose it is, and how it came to be."""

from typing import Annotated

from msgspec import Meta

from ..errors import TrailwardenError
from ..installation import Installation
from ..model.event import EventFilter
from ..model.finding import Coverage
from ..model.session import Session
from ..tool import tool
from ._sessions import Action, LiveOption, ask_history, coverage_of, session_index, whose
from .search import SEARCH_NEEDS

#: Sessions that it issued, and others that the words name, which are listed at most.
_LISTED = 50


class SessionShown(Session, frozen=True, kw_only=True):
    """A session, what it did, the sessions that it issued, and ``others`` that the same words name, newest first.

    ``whose`` says in words who stands behind it.
    """

    whose: str
    did: tuple[Action, ...]
    issued: tuple[Session, ...]
    others: tuple[Session, ...]
    coverage: Coverage


@tool(
    effect="read",
    title="Show whose a session or key is",
    command="sessions show",
    needs=SEARCH_NEEDS,
    examples=(
        "trailwarden sessions show ASIAIOSFODNN7EXAMPLE",
        "trailwarden sessions show arn:aws:sts::111111111111:assumed-role/Admin/john@company.com",
        "trailwarden sessions show ses-3f2a9c1e5b7d8046 --format json",
    ),
)
def sessions_show(
    app: Installation,
    session: Annotated[
        str,
        Meta(
            description="Access key id, session id, role session ARN, principal id, or session name",
            extra={"argument": True, "metavar": "SESSION"},
        ),
    ],
    *,
    live: LiveOption = "auto",
) -> SessionShown:
    """Whose a session is: the chain of who issued what to whom, how each link is known, and what the session did.

    Where the words name several sessions, the newest is shown and the others are listed.

    Raises:
        TrailwardenError: no session of that name, key or id is in the records.
    """
    asked = session.strip()
    name = asked.rsplit("/", 1)[-1] if asked.startswith("arn:") else asked.rpartition(":")[2]
    key = asked[:4] in ("AKIA", "ASIA") and ":" not in asked
    events = EventFilter(access_key=(asked,)) if key else EventFilter(user=(name,))
    history = ask_history(app, events, None, "never" if asked.startswith("ses-") else live)
    with session_index(app) as index:
        found = index.named(asked)
        if not found:
            raise TrailwardenError(
                f"no session of {asked!r} is in the records",
                remedy="sessions list shows the sessions; a key that made no recorded call has none; "
                "`trailwarden lake info` says which times and accounts the records cover",
            )
        shown, *others = found
        whole = index.chained(shown)
        issued = index.issued_by((shown.session_id,))
        did = index.actions((shown,)).get(shown.session_id, ())
        others_shown = tuple(index.chained(each) for each in others[:_LISTED])
    return SessionShown(
        **{field: getattr(whole, field) for field in Session.__struct_fields__},
        whose=whose(whole),
        did=tuple(Action(*each) for each in did),
        issued=issued[:_LISTED],
        others=others_shown,
        coverage=coverage_of(app, EventFilter() if not key else events, None, history, (whole,)),
    )
