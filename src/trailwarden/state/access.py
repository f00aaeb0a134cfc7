"""Sessions of the console, and API tokens: what a browser or a program holds instead of a password.

The database holds the SHA-256 of each, so that who reads it can use none. Roles are the person's at the moment of use:
whoever is disabled, or loses a role, loses it in every session and token at once.
"""

import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from ..access import (
    TOKEN_DAYS,
    TOKEN_MOST_DAYS,
    TOKEN_PREFIX,
    ApiToken,
    KeptSession,
    Person,
    SessionLimits,
    TokenUse,
    WebSession,
    check_name,
    check_scopes,
    kept_agent,
)
from ..errors import NotAuthenticated, UsageError
from ..model.proposal import Actor
from .audit import AuditChain
from .person_rows import PEOPLE, Transaction, end_sessions, found, hashed, person_of
from .tables import api_token, web_session
from .tables import person as people

#: The last use of a session or token is kept to this: not every request writes.
_SEEN = timedelta(seconds=30)
#: How often the audit chain is told that a dead token is still in use.
_REFUSED = timedelta(hours=1)


class SessionStore:
    """The console's sessions of one state database."""

    def __init__(self, read: Transaction, write: Transaction, audit: AuditChain) -> None:
        self._read = read
        self._write = write
        self._audit = audit

    def start(
        self,
        person: Person,
        *,
        limits: SessionLimits,
        now: datetime,
        authenticated_at: datetime | None = None,
        address: str | None = None,
        agent: str = "",
        replaces: str | None = None,
    ) -> tuple[str, WebSession]:
        """A new session of somebody who signed in, and its id for the cookie. An id that the browser came with is
        never taken over; the session that it was of, ``replaces``, ends.

        ``authenticated_at`` is when they showed who they are; where that is not known, they have to show it again
        before they decide. ``agent`` is what the browser says of itself.

        Raises:
            NotAuthenticated: the person is not there any more, or disabled.
        """
        with self._write() as database:
            if replaces is not None:
                self._end(database, replaces, "signed in again", now)
            self._sweep(database, limits, now)
            values = {"created_at": now, "authenticated_at": authenticated_at, "address": address}
            return self._begin(database, person, {**values, "agent": kept_agent(agent)}, limits=limits, now=now)

    def find(self, identifier: str, *, limits: SessionLimits, now: datetime) -> WebSession:
        """The session of that id, which it keeps alive.

        Raises:
            NotAuthenticated: there is none, it ended, or its person is disabled.
        """
        key = hashed(identifier)
        with self._read() as database:
            row = _row(database, key)
            if row is None:
                raise _signed_out()
            person = _person(database, row["person_id"])
        if _over(row, limits, now) or row["disabled"]:
            with self._write() as database:
                self._end(database, identifier, "disabled" if row["disabled"] else "expired", now)
            raise _signed_out()
        seen: datetime = row["last_seen"]
        if now - seen >= _SEEN:
            with self._write() as database:
                database.execute(web_session.update().where(web_session.c.id_hash == key).values(last_seen=now))
            seen = now
        return _session(identifier, row, person, limits, seen)

    def reauthenticated(
        self,
        identifier: str,
        person: Person,
        *,
        limits: SessionLimits,
        authenticated_at: datetime | None,
        now: datetime,
    ) -> tuple[str, WebSession]:
        """The session, under a new id, of a person who has authenticated again; it lasts no longer for that.

        Raises:
            NotAuthenticated: there is no such session, or it is somebody else's.
        """
        session = self.find(identifier, limits=limits, now=now)
        if session.person.id != person.id:
            raise NotAuthenticated("this is another person's session", remedy="sign out first")
        with self._write() as database:
            row = _row(database, hashed(identifier))
            here = web_session.c.id_hash == hashed(identifier)
            if row is None or not database.execute(web_session.delete().where(here)).rowcount:
                raise _signed_out()
            values = {name: row[name] for name in ("created_at", "address", "agent")}
            values["authenticated_at"] = authenticated_at
            return self._begin(database, person, values, limits=limits, now=now)

    def list(self, login: str, *, limits: SessionLimits, now: datetime) -> Sequence[KeptSession]:
        """A person's sessions that have not ended, the last used first.

        Raises:
            UsageError: no such person.
        """
        with self._read() as database:
            mine = _SESSIONS.where(web_session.c.person_id == found(database, login)["id"])
            last_used = (web_session.c.last_seen.desc(), web_session.c.created_at.desc(), web_session.c.id_hash)
            rows = database.execute(mine.order_by(*last_used)).mappings().all()
        return tuple(_kept(row, limits) for row in rows if not _over(row, limits, now))

    def end_one(self, login: str, shown: str, *, by: Actor, now: datetime) -> None:
        """End one of a person's sessions, by the id that :meth:`list` shows.

        Raises:
            UsageError: no such person, or they have no such session.
        """
        with self._write() as database:
            mine = _SESSIONS.where(web_session.c.person_id == found(database, login)["id"])
            row = next((each for each in database.execute(mine).mappings() if _shown(each["id_hash"]) == shown), None)
            if row is None or not self._end_row(database, row, "ended from the list", now, by=by):
                raise UsageError(
                    "there is no such session", remedy="it has ended already; the list shows those there are"
                )

    def end_others(self, identifier: str, *, by: Actor, now: datetime) -> int:
        """End every session of a person but the one of that cookie's id; gives how many.

        Raises:
            NotAuthenticated: that one has ended.
        """
        with self._write() as database:
            own = _row(database, hashed(identifier))
            if own is None:
                raise _signed_out()
            others = sa.and_(web_session.c.person_id == own["person_id"], web_session.c.id_hash != own["id_hash"])
            ended = database.execute(web_session.delete().where(others)).rowcount
            if ended:
                body = {"login": own["login"], "sessions": ended, "reason": "signed out elsewhere"}
                self._audit.append(database, at=now, actor=by, kind="session.ended", body=body)
        return ended

    def end(self, identifier: str, *, now: datetime) -> None:
        """Sign out; nothing happens if the session is over already."""
        with self._write() as database:
            self._end(database, identifier, "signed out", now)

    def end_all(self, login: str, *, by: Actor, now: datetime) -> int:
        """Sign a person out everywhere; gives of how many sessions.

        Raises:
            UsageError: no such person.
        """
        with self._write() as database:
            return end_sessions(database, self._audit, found(database, login), "signed out everywhere", by=by, now=now)

    def _begin(
        self,
        database: sa.Connection,
        person: Person,
        values: Mapping[str, datetime | str | None],
        *,
        limits: SessionLimits,
        now: datetime,
    ) -> tuple[str, WebSession]:
        identifier = secrets.token_urlsafe(32)
        enabled = sa.select(people.c.id).where(people.c.id == person.id, ~people.c.disabled)
        if database.execute(enabled).first() is None:
            raise _signed_out()
        fresh = {"id_hash": hashed(identifier), "person_id": person.id, "last_seen": now}
        database.execute(web_session.insert().values(**values, **fresh))
        row = _row(database, hashed(identifier))
        assert row is not None
        return identifier, _session(identifier, row, _person(database, person.id), limits, now)

    def _end(self, database: sa.Connection, identifier: str, reason: str, now: datetime) -> None:
        row = _row(database, hashed(identifier))
        if row is not None:
            self._end_row(database, row, reason, now)

    def _end_row(
        self, database: sa.Connection, row: sa.RowMapping, reason: str, now: datetime, *, by: Actor | None = None
    ) -> bool:
        if not database.execute(web_session.delete().where(web_session.c.id_hash == row["id_hash"])).rowcount:
            return False  # another worker was faster, and has said so
        actor = by or Actor(kind="person", name=row["login"], via="console")
        body = {"login": row["login"], "sessions": 1, "reason": reason}
        self._audit.append(database, at=now, actor=actor, kind="session.ended", body=body)
        return True

    def _sweep(self, database: sa.Connection, limits: SessionLimits, now: datetime) -> None:
        """End what nobody came back to."""
        over = sa.or_(web_session.c.last_seen <= now - limits.idle, web_session.c.created_at <= now - limits.absolute)
        for row in database.execute(_SESSIONS.where(over)).mappings().all():
            self._end_row(database, row, "expired", now)


class TokenStore:
    """The API tokens of one state database."""

    def __init__(self, read: Transaction, write: Transaction, audit: AuditChain) -> None:
        self._read = read
        self._write = write
        self._audit = audit

    def create(
        self,
        login: str,
        name: str,
        *,
        scopes: Collection[str] = ("read",),
        days: int = TOKEN_DAYS,
        by: Actor,
        now: datetime,
    ) -> tuple[str, ApiToken]:
        """Make a token of a person; gives what is sent with a request, which nobody can be told again.

        Raises:
            UsageError: no such person, not a name or scopes, or a time that is not from 1 day to TOKEN_MOST_DAYS.
        """
        if not 1 <= days <= TOKEN_MOST_DAYS:
            raise UsageError(f"a token cannot hold for {days} days", remedy=f"from 1 to {TOKEN_MOST_DAYS} days")
        checked, called = check_scopes(scopes), check_name(name, what="token's name")
        text = TOKEN_PREFIX + secrets.token_urlsafe(32)
        expires = now + timedelta(days=days)
        with self._write() as database:
            row = found(database, login)
            values = {
                "id": secrets.token_hex(8),
                "token_hash": hashed(text),
                "person_id": row["id"],
                "name": called,
                "scopes": " ".join(checked),
                "created_at": now,
                "expires": expires,
            }
            database.execute(api_token.insert().values(**values))
            body = {"id": values["id"], "login": row["login"], "name": called, "scopes": list(checked), "days": days}
            self._audit.append(database, at=now, actor=by, kind="token.created", body=body)
            made = database.execute(_TOKENS.where(api_token.c.id == values["id"])).mappings().one()
        return text, _token(made)

    def list(self, login: str | None = None) -> Sequence[ApiToken]:
        """Every token, or a person's, also those that hold no more; the last made first.

        Raises:
            UsageError: no such person.
        """
        query = _TOKENS.order_by(api_token.c.created_at.desc(), api_token.c.id)
        with self._read() as database:
            if login is not None:
                query = query.where(api_token.c.person_id == found(database, login)["id"])
            return tuple(_token(row) for row in database.execute(query).mappings())

    def revoke(self, identifier: str, *, by: Actor, now: datetime, of: str | None = None) -> ApiToken:
        """Make a token useless at once; ``of`` limits that to a person's own.

        Raises:
            UsageError: no such token, or it is revoked already.
        """
        query = _TOKENS.where(api_token.c.id == identifier)
        with self._write() as database:
            if of is not None:
                query = query.where(api_token.c.person_id == found(database, of)["id"])
            row = database.execute(query).mappings().first()
            holds = sa.and_(api_token.c.id == identifier, api_token.c.revoked_at.is_(None))
            if row is None or not database.execute(api_token.update().where(holds).values(revoked_at=now)).rowcount:
                said = "there is no such token" if row is None else "the token is revoked already"
                raise UsageError(said, remedy="`trailwarden tokens list` shows those that hold, with their ids")
            body = {"id": identifier, "login": row["login"], "name": row["name"]}
            self._audit.append(database, at=now, actor=by, kind="token.revoked", body=body)
            return _token(database.execute(query).mappings().one())

    def use(self, text: str, *, now: datetime) -> TokenUse:
        """Whose token it is, and what it may do.

        Raises:
            NotAuthenticated: no token of ours, expired, revoked, or its person is disabled.
        """
        if not text.startswith(TOKEN_PREFIX):
            raise _no_token()
        with self._read() as database:
            row = database.execute(_TOKENS.where(api_token.c.token_hash == hashed(text))).mappings().first()
            if row is None:
                raise _no_token()
            person = _person(database, row["person_id"])
        reason = _why_not(row, now)
        if reason:
            self._refuse(row, reason, now)
            raise _no_token()
        last: datetime | None = row["last_used"]
        if last is None or now - last >= _SEEN:
            with self._write() as database:
                database.execute(api_token.update().where(api_token.c.id == row["id"]).values(last_used=now))
        return TokenUse(token=_token(row), person=person)

    def _refuse(self, row: sa.RowMapping, reason: str, now: datetime) -> None:
        last: datetime | None = row["last_refused"]
        if last is not None and now - last < _REFUSED:
            return
        with self._write() as database:
            database.execute(api_token.update().where(api_token.c.id == row["id"]).values(last_refused=now))
            actor = Actor(kind="token", name=row["login"], via="api")
            body = {"id": row["id"], "login": row["login"], "name": row["name"], "reason": reason}
            self._audit.append(database, at=now, actor=actor, kind="token.refused", body=body)


def csrf_of(identifier: str) -> str:
    """What the forms of a session carry: bound to the session's id, and of no use to find it."""
    return hmac.digest(identifier.encode(), b"trailwarden csrf", "sha256").hex()


def shown_id(identifier: str) -> str:
    """What names the session of that cookie's id in :meth:`SessionStore.list`."""
    return _shown(hashed(identifier))


def check_csrf(identifier: str, given: str) -> bool:
    """Whether a form carries what this session's forms do."""
    return hmac.compare_digest(csrf_of(identifier).encode(), given.encode("utf-8", "surrogatepass"))


_SESSIONS = sa.select(web_session, people.c.login, people.c.disabled).join(people)
_TOKENS = sa.select(api_token, people.c.login, people.c.disabled).join(people)


def _row(database: sa.Connection, key: str) -> sa.RowMapping | None:
    return database.execute(_SESSIONS.where(web_session.c.id_hash == key)).mappings().first()


def _person(database: sa.Connection, identifier: str) -> Person:
    return person_of(database.execute(PEOPLE.where(people.c.id == identifier)).mappings().one())


def _over(row: sa.RowMapping, limits: SessionLimits, now: datetime) -> bool:
    last_seen: datetime = row["last_seen"]
    created_at: datetime = row["created_at"]
    return now - last_seen >= limits.idle or now - created_at >= limits.absolute


def _session(
    identifier: str, row: sa.RowMapping, person: Person, limits: SessionLimits, last_seen: datetime
) -> WebSession:
    return WebSession(
        person=person,
        created_at=row["created_at"],
        authenticated_at=row["authenticated_at"],
        last_seen=last_seen,
        expires=min(last_seen + limits.idle, row["created_at"] + limits.absolute),
        csrf=csrf_of(identifier),
    )


def _kept(row: sa.RowMapping, limits: SessionLimits) -> KeptSession:
    names = ("created_at", "authenticated_at", "last_seen", "address", "agent")
    expires = min(row["last_seen"] + limits.idle, row["created_at"] + limits.absolute)
    return KeptSession(id=_shown(row["id_hash"]), expires=expires, **{name: row[name] for name in names})


def _shown(id_hash: str) -> str:
    """Of what is kept, again a hash: pages and logs show it, and it finds no row by itself."""
    return hashed(id_hash)[:16]


def _token(row: sa.RowMapping) -> ApiToken:
    return ApiToken(
        id=row["id"],
        name=row["name"],
        person=row["login"],
        scopes=check_scopes(row["scopes"].split()),
        created_at=row["created_at"],
        expires=row["expires"],
        last_used=row["last_used"],
        revoked_at=row["revoked_at"],
    )


def _why_not(row: sa.RowMapping, now: datetime) -> str:
    expires: datetime = row["expires"]
    if row["revoked_at"] is not None:
        return "revoked"
    if expires <= now:
        return "expired"
    return "disabled" if row["disabled"] else ""


def _signed_out() -> NotAuthenticated:
    return NotAuthenticated("nobody is signed in, or the session is over", remedy="sign in")


def _no_token() -> NotAuthenticated:
    return NotAuthenticated(
        "the API token does not hold: it is none of this installation's, expired, or revoked",
        remedy="make another one with `trailwarden tokens create`",
    )
