"""Who is at the other end of a request: the installation's people, logins and sessions, as the console uses them."""

from datetime import timedelta
from typing import Literal

from ... import access
from ...errors import NotAuthenticated
from ...installation import Installation
from ...state.authenticators import Site
from ...state.logins import Attempt, SecondFactorNeeded

#: What a route asks for: a right of a person who has signed in, or nothing (``anyone``).
Right = Literal["anyone", access.Right]


class Access:
    """Logins and sessions over ``app``'s state. A ``session`` is the cookie's value."""

    def __init__(self, app: Installation, *, origin: str) -> None:
        self._app = app
        self._site = Site(origin)
        console = app.settings.console
        self._limits = access.SessionLimits(
            idle=timedelta(minutes=console.idle_minutes), absolute=timedelta(hours=console.absolute_hours)
        )

    def visitor(self, session: str) -> access.WebSession | None:
        """Whose session it is, which keeps it alive; None if it has ended or never was."""
        try:
            return self._app.state.sessions.find(session, limits=self._limits, now=self._app.now())
        except NotAuthenticated:
            return None

    def authenticate(self, login: str, password: str, *, address: str) -> access.Person | SecondFactorNeeded:
        """Who it is, or what is still to be shown.

        Raises:
            NotAuthenticated: the login is not right, or has to wait.
        """
        return self._app.state.logins.authenticate(login, password, attempt=self._attempt(address))

    def second_factor(self, step: str, *, code: str, credential: str, address: str) -> access.Person:
        """The second half of a login: the code of an app, or an authenticator's answer.

        Raises:
            NotAuthenticated: it is not right, or the first half was too long ago.
        """
        state, attempt = self._app.state, self._attempt(address)
        if credential:
            return state.authenticators.answer(step, credential, site=self._site, attempt=attempt)
        return state.logins.answer(step, code, attempt=attempt)

    def vouched(self, issuer: str, subject: str, *, address: str) -> access.Person | SecondFactorNeeded:
        """Who it is that a provider vouches for, or what is still to be shown.

        Raises:
            NotAuthenticated: the subject is linked with nobody.
        """
        return self._app.state.logins.oidc(issuer, subject, attempt=self._attempt(address))

    def challenge(self, needed: SecondFactorNeeded, *, address: str) -> str:
        """What an authenticator is asked, as JSON; empty if the person has none."""
        if "webauthn" not in needed.methods:
            return ""
        return self._app.state.authenticators.options(needed.step, site=self._site, attempt=self._attempt(address))

    def start(self, person: access.Person, *, address: str, replaces: str | None) -> str:
        """A new session; the one that the browser came with ends."""
        session, _ = self._app.state.sessions.start(
            person, limits=self._limits, now=self._app.now(), address=address, replaces=replaces
        )
        return session

    def renew(self, session: str, person: access.Person) -> str:
        """The session of a person who has just shown again who they are, under a new value.

        Raises:
            NotAuthenticated: it is another person's, or has ended.
        """
        renewed, _ = self._app.state.sessions.reauthenticated(session, person, limits=self._limits, now=self._app.now())
        return renewed

    def end(self, session: str) -> None:
        """Sign out."""
        self._app.state.sessions.end(session, now=self._app.now())

    def first_run(self, token: str, *, login: str, name: str, password: str) -> tuple[access.Person, str]:
        """Make the first person, and what is to be said of that.

        Raises:
            NotAuthenticated: the link does not hold any more.
            UsageError: not a login, a name or a password.
        """
        return self._app.state.people.first_run(
            token, login=login, name=name, password=password, now=self._app.now(), face="console"
        )

    def _attempt(self, address: str) -> Attempt:
        return Attempt(face="console", address=address, now=self._app.now())
