"""Logins: a password and a second factor, or an OpenID Connect subject; and what failed ones have to wait.

An attempt counts as failed before it is looked at, and is forgiven when it succeeds: guesses made at once count each.
Known or not, a login takes the same path. The audit chain names a login that failed only if it is somebody's: what is
typed there by mistake may be a password.
"""

import math
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from ..access import (
    ADDRESS_WAIT,
    LOGIN_WAIT,
    Person,
    WaitPolicy,
    address_key,
    login_key,
    totp_step,
    vouched_at,
    why_unconfirmed,
)
from ..errors import LoginLimited, NotAuthenticated, UsageError
from ..model.proposal import Actor, Face
from .audit import AuditChain
from .passwords import hash_password, outdated, verify_password
from .person_rows import PEOPLE, Transaction, changing, found, hashed, person_of, sought, totp_place
from .secrets import SecretBox
from .tables import failed_login, one_time_token
from .tables import person as table

Factor = Literal["totp", "webauthn"]
#: For how long the second half of a login can be given.
STEP = timedelta(minutes=5)
#: For how long somebody may be at their identity provider to confirm that it is them.
CONFIRMATION = timedelta(minutes=10)
_POLICIES: Mapping[str, WaitPolicy] = {"login": LOGIN_WAIT, "address": ADDRESS_WAIT}


class SecondFactorNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """The first half of a login is done. ``step`` is what the second half is given with: it is a secret, good for
    STEP, and lets nobody in by itself."""

    step: str
    methods: tuple[Factor, ...]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Where a login comes from: the face, and the network address if there is one. ``again``: by somebody who is
    signed in, and confirms that it is them; those are counted apart, so that whoever knows a login and fails with it
    keeps nobody from confirming."""

    face: Face
    address: str | None = None
    again: bool = False
    now: datetime

    def keys(self, login: str) -> Sequence[str]:
        """What the failures of this attempt are counted under: with a session, under nothing that anybody without one
        can count up."""
        if self.again:
            return [f"login:again:{hashed(login_key(login))}"]
        keys = [f"login:{hashed(login_key(login))}"]
        return keys if self.address is None else [*keys, f"address:{address_key(self.address)}"]


class LoginStore:
    """The logins of one state database."""

    def __init__(self, read: Transaction, write: Transaction, box: SecretBox, audit: AuditChain) -> None:
        self._read = read
        self._write = write
        self._box = box
        self._audit = audit

    def authenticate(
        self, login: str, password: str, *, totp: str | None = None, attempt: Attempt
    ) -> Person | SecondFactorNeeded:
        """Who it is, or what is still to be shown.

        Raises:
            LoginLimited: too many attempts failed.
            NotAuthenticated: no such login, a wrong password or code, or a disabled person; it does not say which.
        """
        self.reserve(login, attempt)
        with self._read() as database:
            row = sought(database, login)
        right = verify_password(row["password_hash"] if row is not None else None, password)
        if row is None or row["disabled"] or not right:
            reason = "unknown" if row is None else "disabled" if row["disabled"] else "password"
            raise self.failed(reason, row, attempt)
        if outdated(row["password_hash"]):
            fresh = hash_password(password)
            with self._write() as database:
                here = sa.and_(table.c.id == row["id"], table.c.password_hash == row["password_hash"])
                database.execute(table.update().where(here).values(password_hash=fresh))
        if not _factors(row):
            return self.succeeded(row["id"], ["password"], attempt)
        if not totp or "totp" not in _factors(row):
            return self.begin_step(row, attempt, authenticated_at=attempt.now)
        return self._with_code(row, totp, ["password", "totp"], attempt)

    def oidc(
        self, issuer: str, subject: str, *, auth_time: datetime | None, attempt: Attempt
    ) -> Person | SecondFactorNeeded:
        """Who it is that an OpenID Connect provider vouches for, after the face has verified the ID token; by its
        ``auth_time`` they signed in there, which may be long ago.

        Raises:
            NotAuthenticated: the subject is linked with nobody, or with a disabled person.
        """
        query = PEOPLE.where(table.c.oidc_issuer == issuer, table.c.oidc_subject == subject)
        with self._read() as database:
            row = database.execute(query).mappings().first()
        if row is None or row["disabled"]:
            raise self.failed("oidc_unknown" if row is None else "disabled", row, attempt)
        return self._vouched(row, auth_time, attempt)

    def begin_confirmation(self, login: str, *, attempt: Attempt) -> str:
        """Keep that a person goes to their identity provider to confirm that it is them; gives what :meth:`confirm`
        takes once, within CONFIRMATION. One before it is void.

        Raises:
            UsageError: there is no such person, or they are linked with no identity provider.
        """
        token = secrets.token_urlsafe(32)
        with changing(self._write) as database:
            row = found(database, login)
            if row["oidc_issuer"] is None:
                raise UsageError("you are linked with no identity provider", remedy="confirm with a password")
            mine = sa.and_(one_time_token.c.purpose == "confirmation", one_time_token.c.person_id == row["id"])
            database.execute(one_time_token.delete().where(mine))
            values = {
                "token_hash": hashed(token),
                "purpose": "confirmation",
                "person_id": row["id"],
                "expires": attempt.now + CONFIRMATION,
            }
            database.execute(one_time_token.insert().values(**values))
        return token

    def confirm(
        self, token: str, person: Person, issuer: str, subject: str, *, auth_time: datetime | None, attempt: Attempt
    ) -> Person | SecondFactorNeeded:
        """The same person, whom an OpenID Connect provider has asked again who they are since the confirmation began.

        Raises:
            NotAuthenticated: no confirmation of theirs is under way; the provider vouches for somebody else, or asked
                too long ago, or does not say when; or the person is disabled.
        """
        here = sa.and_(
            one_time_token.c.token_hash == hashed(token),
            one_time_token.c.purpose == "confirmation",
            one_time_token.c.person_id == person.id,
        )
        with changing(self._write) as database:
            expires = database.execute(sa.select(one_time_token.c.expires).where(here)).scalar()
            database.execute(one_time_token.delete().where(here))
            row = database.execute(PEOPLE.where(table.c.id == person.id)).mappings().first()
        if expires is None or expires <= attempt.now or row is None:
            raise NotAuthenticated("this confirmation was not begun here, or took too long", remedy="begin it again")
        if row["disabled"]:
            raise self.failed("disabled", row, attempt)
        if (row["oidc_issuer"], row["oidc_subject"]) != (issuer, subject):
            self._write_failure("oidc_other", row, attempt)
            raise NotAuthenticated(
                "the identity provider vouches for somebody else than who is signed in here",
                remedy="sign in there as yourself, or sign out here first",
            )
        refusal = why_unconfirmed(auth_time, begun=expires - CONFIRMATION, now=attempt.now)
        if refusal is not None:
            self._write_failure("oidc_not_recent", row, attempt)
            raise refusal
        return self._vouched(row, auth_time, attempt)

    def answer(self, step: str, code: str, *, attempt: Attempt) -> Person:
        """The second half of a login, by the code of an authenticator app.

        Raises:
            LoginLimited, NotAuthenticated: as :meth:`authenticate`; or the first half was too long ago.
        """
        row, _ = self.half_done(step, attempt)
        self.reserve(row["login"], attempt)
        person = self._with_code(row, code, ["totp"], attempt)
        with self._write() as database:
            database.execute(one_time_token.delete().where(one_time_token.c.token_hash == hashed(step)))
        return person

    # ------------------------------------------------------------ for this and the authenticators

    def shown_at(self, step: str, attempt: Attempt) -> datetime | None:
        """When the first half of a login was shown; None where an identity provider did not say.

        Raises:
            NotAuthenticated: no login is half done, or not any more.
        """
        self.half_done(step, attempt)
        query = sa.select(one_time_token.c.authenticated_at).where(one_time_token.c.token_hash == hashed(step))
        with self._read() as database:
            shown: datetime | None = database.execute(query).scalar()
        return shown

    def begin_step(
        self, row: sa.RowMapping, attempt: Attempt, *, authenticated_at: datetime | None, counted: bool = True
    ) -> SecondFactorNeeded:
        """Keep that the first half is done and when it was shown, and forgive it if it was counted."""
        step = secrets.token_urlsafe(32)
        with changing(self._write) as database:
            if counted:
                _forgive(database, attempt.keys(row["login"]), attempt.now)
            database.execute(one_time_token.delete().where(one_time_token.c.expires <= attempt.now))
            values = {
                "token_hash": hashed(step),
                "purpose": "second_factor",
                "person_id": row["id"],
                "challenge": os.urandom(32),
                "expires": attempt.now + STEP,
                "authenticated_at": authenticated_at,
            }
            database.execute(one_time_token.insert().values(**values))
        return SecondFactorNeeded(step=step, methods=_factors(row))

    def half_done(self, step: str, attempt: Attempt) -> tuple[sa.RowMapping, bytes]:
        """Whose login is half done, and the challenge of it.

        Raises:
            NotAuthenticated: nobody's, or not any more.
        """
        query = sa.select(one_time_token.c.person_id, one_time_token.c.challenge).where(
            one_time_token.c.token_hash == hashed(step),
            one_time_token.c.purpose == "second_factor",
            one_time_token.c.expires > attempt.now,
        )
        with self._read() as database:
            kept = database.execute(query).first()
            row = (
                database.execute(PEOPLE.where(table.c.id == kept.person_id)).mappings().first()
                if kept is not None
                else None
            )
        if kept is None or row is None or row["disabled"]:
            raise NotAuthenticated("this login took too long", remedy="begin it again, with the password")
        return row, kept.challenge

    def reserve(self, login: str, attempt: Attempt) -> None:
        """Count an attempt as failed, before it is looked at.

        Raises:
            LoginLimited: it has to wait, and is not counted.
        """
        keys, now = attempt.keys(login), attempt.now
        with changing(self._write) as database:
            _forget(database, now)
            rows = {
                row["key"]: row
                for row in database.execute(sa.select(failed_login).where(failed_login.c.key.in_(keys))).mappings()
            }
            waiting = [row for row in rows.values() if row["wait_until"] > now]
            if waiting:
                self._limited(database, waiting, login, attempt)
            else:
                for key in keys:
                    _count(database, key, rows.get(key), now)
        if waiting:
            raise LoginLimited(math.ceil((max(row["wait_until"] for row in waiting) - now).total_seconds()))

    def failed(self, reason: str, row: sa.RowMapping | None, attempt: Attempt) -> NotAuthenticated:
        """Write down that it failed and why; gives the error, which does not say why."""
        self._write_failure(reason, row, attempt)
        return NotAuthenticated(
            "the login is not right", remedy="check login, password and code; after several failures it has to wait"
        )

    def succeeded(self, identifier: str, by: Sequence[str], attempt: Attempt, *, counted: bool = True) -> Person:
        """Write down that it succeeded, and forgive it if it was counted; the login's failures before it, too.

        Raises:
            NotAuthenticated: the person is not there any more, or disabled since.
        """
        with changing(self._write) as database:
            enabled = sa.and_(table.c.id == identifier, ~table.c.disabled)
            if database.execute(table.update().where(enabled).values(last_login=attempt.now)).rowcount:
                row = database.execute(PEOPLE.where(table.c.id == identifier)).mappings().one()
                if counted:
                    login_counter, *others = attempt.keys(row["login"])
                    database.execute(failed_login.delete().where(failed_login.c.key == login_counter))
                    _forgive(database, others, attempt.now)
                actor = Actor(kind="person", name=row["login"], via=attempt.face)
                body = {"login": row["login"], "address": attempt.address, "by": list(by)}
                self._audit.append(database, at=attempt.now, actor=actor, kind="login.succeeded", body=body)
                return person_of(row)
        raise self.failed("disabled", None, attempt)

    # ------------------------------------------------------------ within

    def _vouched(self, row: sa.RowMapping, auth_time: datetime | None, attempt: Attempt) -> Person | SecondFactorNeeded:
        if _factors(row):
            shown = vouched_at(auth_time, attempt.now)
            return self.begin_step(row, attempt, authenticated_at=shown, counted=False)
        return self.succeeded(row["id"], ["oidc"], attempt, counted=False)

    def _write_failure(self, reason: str, row: sa.RowMapping | None, attempt: Attempt) -> None:
        body = {"login": row["login"] if row is not None else None, "address": attempt.address, "reason": reason}
        self._audit.record(at=attempt.now, actor=_nobody(attempt), kind="login.failed", body=body)

    def _with_code(self, row: sa.RowMapping, code: str, by: Sequence[str], attempt: Attempt) -> Person:
        """A login whose first half is done, with its code, which is used up."""
        sealed = row["totp_encrypted"]
        step = totp_step(self._box.open(sealed, totp_place(row["id"])), code, attempt.now) if sealed else None
        if step is None:
            raise self.failed("totp", row, attempt)
        with self._write() as database:
            unused = sa.or_(table.c.totp_used.is_(None), table.c.totp_used < step)
            here = sa.and_(table.c.id == row["id"], table.c.totp_encrypted == sealed, unused)
            fresh = database.execute(table.update().where(here).values(totp_used=step)).rowcount
        if not fresh:
            raise self.failed("totp_replayed", row, attempt)
        return self.succeeded(row["id"], by, attempt)

    def _limited(self, database: sa.Connection, waiting: Sequence[sa.RowMapping], login: str, attempt: Attempt) -> None:
        """Write down that somebody has to wait: once for each wait, so that nobody fills the audit chain with it."""
        news = [row["key"] for row in waiting if not row["limited"]]
        if not news:
            return
        database.execute(failed_login.update().where(failed_login.c.key.in_(news)).values(limited=True))
        row = sought(database, login)
        body: dict[str, Any] = {
            "login": row["login"] if row is not None else None,
            "address": attempt.address,
            "by": sorted(key.partition(":")[0] for key in news),
        }
        self._audit.append(database, at=attempt.now, actor=_nobody(attempt), kind="login.limited", body=body)


def _forgive(database: sa.Connection, keys: Sequence[str], now: datetime) -> None:
    """Take back what one attempt counted."""
    here = sa.and_(failed_login.c.key.in_(keys), failed_login.c.failures > 0)
    values = {"failures": failed_login.c.failures - 1, "wait_until": now}
    database.execute(failed_login.update().where(here).values(**values))


def _count(database: sa.Connection, key: str, row: sa.RowMapping | None, now: datetime) -> None:
    failures = (row["failures"] if row is not None else 0) + 1
    wait = _POLICIES[key.partition(":")[0]].wait(failures)
    values = {"failures": failures, "last_failure": now, "wait_until": now + wait, "limited": False}
    if row is None:
        database.execute(failed_login.insert().values(key=key, **values))
    else:
        database.execute(failed_login.update().where(failed_login.c.key == key).values(**values))


def _forget(database: sa.Connection, now: datetime) -> None:
    for kind, policy in _POLICIES.items():
        old = sa.and_(failed_login.c.key.startswith(f"{kind}:"), failed_login.c.last_failure <= now - policy.forget)
        database.execute(failed_login.delete().where(old))


def _factors(row: sa.RowMapping) -> tuple[Factor, ...]:
    totp: tuple[Factor, ...] = ("totp",) if row["totp_encrypted"] is not None else ()
    return (*totp, "webauthn") if row["webauthn"] else totp


def _nobody(attempt: Attempt) -> Actor:
    """Whoever it was did not show who they are."""
    return Actor(kind="person", name="", via=attempt.face)
