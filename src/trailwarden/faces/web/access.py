"""Who is at the other end of a request: the installation's people, logins and sessions, as the console uses them."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from ... import access
from ...errors import NotAuthenticated
from ...installation import Installation
from ...state.authenticators import Site
from ...state.logins import Attempt, SecondFactorNeeded

#: What a route asks for: a right of a person who has signed in, or nothing (``anyone``).
Right = Literal["anyone", access.Right]


class SignedIn(msgspec.Struct, frozen=True):
    """Somebody who has shown who they are, and when; None where their identity provider did not say when."""

    person: access.Person
    at: datetime | None


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

    def authenticate(
        self, login: str, password: str, *, address: str, again: bool = False
    ) -> SignedIn | SecondFactorNeeded:
        """Who it is, or what is still to be shown; ``again`` if they are signed in, and confirm that it is them.

        Raises:
            NotAuthenticated: the login is not right, or has to wait.
        """
        attempt = self._attempt(address, again=again)
        known = self._app.state.logins.authenticate(login, password, attempt=attempt)
        return known if isinstance(known, SecondFactorNeeded) else SignedIn(known, attempt.now)

    def second_factor(self, step: str, *, code: str, credential: str, address: str, again: bool = False) -> SignedIn:
        """The second half of a login: the code of an app, or an authenticator's answer. What counts is when the first
        half was shown.

        Raises:
            NotAuthenticated: it is not right, or the first half was too long ago.
        """
        state, attempt = self._app.state, self._attempt(address, again=again)
        shown = state.logins.shown_at(step, attempt)
        if credential:
            return SignedIn(state.authenticators.answer(step, credential, site=self._site, attempt=attempt), shown)
        return SignedIn(state.logins.answer(step, code, attempt=attempt), shown)

    def vouched(
        self, issuer: str, subject: str, *, auth_time: datetime | None, address: str
    ) -> SignedIn | SecondFactorNeeded:
        """Who it is that a provider vouches for, or what is still to be shown.

        Raises:
            NotAuthenticated: the subject is linked with nobody.
        """
        attempt = self._attempt(address)
        known = self._app.state.logins.oidc(issuer, subject, auth_time=auth_time, attempt=attempt)
        return _vouched(known, auth_time, attempt)

    def begin_confirmation(self, person: access.Person, *, address: str) -> str:
        """What :meth:`confirmed` takes, once the person comes back from their provider.

        Raises:
            UsageError: they are linked with none.
        """
        return self._app.state.logins.begin_confirmation(person.login, attempt=self._attempt(address))

    def confirmed(
        self,
        token: str,
        person: access.Person,
        issuer: str,
        subject: str,
        *,
        auth_time: datetime | None,
        address: str,
    ) -> SignedIn | SecondFactorNeeded:
        """The person, whom their provider has asked again who they are; or what is still to be shown.

        Raises:
            NotAuthenticated: it has not, or vouches for somebody else.
        """
        attempt = self._attempt(address, again=True)
        known = self._app.state.logins.confirm(token, person, issuer, subject, auth_time=auth_time, attempt=attempt)
        return _vouched(known, auth_time, attempt)

    def challenge(self, needed: SecondFactorNeeded, *, address: str) -> str:
        """What an authenticator is asked, as JSON; empty if the person has none."""
        if "webauthn" not in needed.methods:
            return ""
        return self._app.state.authenticators.options(needed.step, site=self._site, attempt=self._attempt(address))

    def start(self, known: SignedIn, *, address: str, agent: str, replaces: str | None) -> str:
        """A new session; the one that the browser came with ends."""
        session, _ = self._app.state.sessions.start(
            known.person,
            limits=self._limits,
            now=self._app.now(),
            authenticated_at=known.at,
            address=address,
            agent=agent,
            replaces=replaces,
        )
        return session

    def renew(self, session: str, known: SignedIn) -> str:
        """The session of a person who has shown again who they are, under a new value.

        Raises:
            NotAuthenticated: it is another person's, or has ended.
        """
        renewed, _ = self._app.state.sessions.reauthenticated(
            session, known.person, limits=self._limits, authenticated_at=known.at, now=self._app.now()
        )
        return renewed

    def sessions_of(self, login: str) -> tuple[access.KeptSession, ...]:
        """A person's sessions, the last used first.

        Raises:
            UsageError: no such person.
        """
        return tuple(self._app.state.sessions.list(login, limits=self._limits, now=self._app.now()))

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

    def whose_password(self, token: str) -> access.Person:
        """Whose password a link sets.

        Raises:
            NotAuthenticated: the link does not hold any more.
        """
        return self._app.state.people.of_password_link(token, now=self._app.now())

    def set_password(self, token: str, password: str) -> access.Person:
        """Set the password by the link, which signs nobody in.

        Raises:
            NotAuthenticated: the link does not hold any more.
            UsageError: not a password.
        """
        return self._app.state.people.use_password_link(token, password, now=self._app.now())

    def _attempt(self, address: str, *, again: bool = False) -> Attempt:
        return Attempt(face="console", address=address, again=again, now=self._app.now())


def _vouched(
    known: access.Person | SecondFactorNeeded, auth_time: datetime | None, attempt: Attempt
) -> SignedIn | SecondFactorNeeded:
    if isinstance(known, SecondFactorNeeded):
        return known
    return SignedIn(known, access.vouched_at(auth_time, attempt.now))
