"""Who calls the API or the MCP server, and what they may do: by a token, a browser's session, or as the user of this
machine. No caller decides or executes: those rights are taken away here, whatever the person has.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeVar

import msgspec
from starlette.requests import Request

from ..access import Right, TokenUse, WebSession, check_right, right_for
from ..errors import Busy, Forbidden, NotAuthenticated
from ..installation import Installation
from ..model.proposal import Actor, Face
from ..progress import Progress
from ..tool import Tool

Used = TypeVar("Used", bound=Installation)
#: The rights that a program can have.
PROGRAM_RIGHTS: frozenset[Right] = frozenset({"read", "propose", "audit"})
#: How many calls of one person run at once. All share the server's threads, of which there are 40.
AT_ONCE = 8


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever calls. ``person`` is whose token or session it is; ``key`` tells callers apart (the token's id)."""

    actor: Actor
    person: str
    rights: frozenset[Right]
    key: str

    def check(self, tool: Tool) -> None:
        """Let pass whoever may call the tool.

        Raises:
            Forbidden: they lack the right.
        """
        check_right(self.rights, right_for(tool.id, tool.effect), who=self.person)

    def checked(self, app: Installation, tool: Tool) -> None:
        """The same, and who was refused what is in the audit chain of ``app``.

        Raises:
            Forbidden: they lack the right.
        """
        try:
            self.check(tool)
        except Forbidden as refused:
            body = {"attempt": tool.id, "code": "Forbidden", "why": refused.message}
            self.acting(app, may_propose=False).audit("denied", body)
            raise

    def acting(self, app: Used, *, may_propose: bool, progress: Progress | None = None) -> Used:
        """The installation as this caller uses it; a tool files nothing unless this call and the caller may propose."""
        return app.acting(
            self.actor,
            on_behalf_of=self.person,
            progress=progress,
            may_propose=may_propose and "propose" in self.rights,
        )


class Callers(Protocol):
    """Where callers are known."""

    def of_token(self, text: str, *, face: Face) -> Caller:
        """Whose token it is.

        Raises:
            NotAuthenticated: no token of ours, expired or revoked.
        """

    def of_browser(self, request: Request) -> Caller | None:
        """Whose session the browser has; None without one."""


class KnownCallers:
    """The callers of an installation: tokens by ``use`` (of the token store), browsers by ``session`` (the console's;
    without one, browsers are nobody's)."""

    def __init__(
        self, use: Callable[[str], TokenUse], session: Callable[[Request], WebSession | None] | None = None
    ) -> None:
        self._use = use
        self._session = session

    def of_token(self, text: str, *, face: Face) -> Caller:
        """Whose token it is; raises as the token store does."""
        used = self._use(text)
        login = used.person.login
        # What comes by MCP is a model's doing, on behalf of the person.
        actor = (
            Actor(kind="model", name="mcp", via="mcp") if face == "mcp" else Actor(kind="token", name=login, via=face)
        )
        return Caller(actor=actor, person=login, rights=used.rights & PROGRAM_RIGHTS, key=used.token.id)

    def of_browser(self, request: Request) -> Caller | None:
        """Whose session the browser has; nobody's, where a page elsewhere makes the browser ask."""
        here = request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        session = self._session(request) if self._session is not None and here else None
        if session is None:
            return None
        person = session.person
        actor = Actor(kind="person", name=person.login, via="console")
        return Caller(actor=actor, person=person.login, rights=person.rights & PROGRAM_RIGHTS, key=person.id)


@contextmanager
def running(app: Installation, person: str) -> Iterator[None]:
    """While a call of this person runs, in the console or by the API.

    Raises:
        Busy: AT_ONCE of theirs run already.
    """
    under_way: _UnderWay = app.kept.setdefault("calls under way", _UnderWay())
    with under_way.lock:
        if under_way.calls[person] >= AT_ONCE:
            raise Busy(f"{AT_ONCE} calls of {person} are under way", remedy="wait for them, then try again")
        under_way.calls[person] += 1
    try:
        yield
    finally:
        with under_way.lock:
            under_way.calls[person] -= 1
            if not under_way.calls[person]:
                del under_way.calls[person]


class _UnderWay:
    """How many calls of each person run."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls: Counter[str] = Counter()


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an ``Authorization`` header; None without that header.

    Raises:
        NotAuthenticated: the header holds something else.
    """
    given = headers.get("authorization")
    if given is None:
        return None
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated(
            "the Authorization header holds no token", remedy="send it as: Authorization: Bearer tw_…"
        )
    return token.strip()


def local_caller(app: Installation) -> Caller:
    """The user of this machine, for whom a model runs beside them: as much as that person may on the command line,
    except to decide and to execute."""
    name = app.actor.name
    people = app.state.people
    person = people.of_os_user(name)
    if person is not None:
        login, rights = person.login, person.rights
    else:
        # Whoever can open the home can read it; to propose takes somebody who is known, or whose installation it is.
        login = name
        rights = frozenset({"read", "propose"}) if people.single_user() == name else frozenset({"read"})
    actor = Actor(kind="model", name="mcp", via="mcp")
    return Caller(actor=actor, person=login, rights=rights & {"read", "propose"}, key=f"local:{login}")
