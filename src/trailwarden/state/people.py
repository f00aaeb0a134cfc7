"""The people of an installation: who may sign in, with which roles, and by what they show who they are.

As long as nobody is kept here, and the state is the home's own database, the installation has one user: whoever owns
the home folder. Every change is in the audit chain, in the transaction that makes it.
"""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from ..access import (
    FIRST_ROLES,
    Person,
    check_login,
    check_name,
    check_password,
    check_roles,
    four_eyes_notice,
    login_key,
    totp_step,
)
from ..errors import NotAuthenticated, UsageError
from ..model.proposal import Actor, Face
from .audit import AuditChain
from .kept import forget
from .passwords import hash_password
from .person_rows import (
    PEOPLE,
    anybody,
    changing,
    checked_os_user,
    checked_secret,
    end_sessions,
    found,
    hashed,
    keep_an_admin,
    person_of,
    totp_place,
)
from .secrets import SecretBox
from .tables import api_token, one_time_token, webauthn_credential
from .tables import person as table

Transaction = Callable[[], AbstractContextManager[sa.Connection]]
#: For how long the first run's link can be used, and one to set a password.
FIRST_RUN, PASSWORD_LINK = timedelta(minutes=15), timedelta(hours=24)


class TotpEnrolment(msgspec.Struct, frozen=True, kw_only=True):
    """A secret for an authenticator app, not kept yet; ``uri`` is what its QR code holds."""

    secret: str
    uri: str


class PasswordLink(msgspec.Struct, frozen=True, kw_only=True):
    """What lets whoever has it set a person's password, once, until ``expires``."""

    login: str
    token: str
    expires: datetime

    def address(self, base_url: str) -> str:
        """Where the password is set in the console at ``base_url``."""
        return f"{base_url.rstrip('/')}/set-password?token={self.token}"


class PeopleStore:
    """The people of one state database. ``owner`` is whose installation it is as long as there are none."""

    def __init__(
        self, read: Transaction, write: Transaction, box: SecretBox, audit: AuditChain, owner: str | None = None
    ) -> None:
        self._read = read
        self._write = write
        self._box = box
        self._audit = audit
        self._owner = owner

    # ------------------------------------------------------------ looking

    def list(self) -> Sequence[Person]:
        """Everybody, by login."""
        with self._read() as database:
            return tuple(person_of(row) for row in database.execute(PEOPLE.order_by(table.c.login_key)).mappings())

    def get(self, login: str) -> Person:
        """The person with that login, in any case.

        Raises:
            UsageError: there is none.
        """
        with self._read() as database:
            return person_of(found(database, login))

    def of_oidc(self, issuer: str, subject: str) -> Person | None:
        """The person that this subject of an OpenID Connect issuer is linked with."""
        query = PEOPLE.where(table.c.oidc_issuer == issuer, table.c.oidc_subject == subject)
        with self._read() as database:
            row = database.execute(query).mappings().first()
        return person_of(row) if row is not None else None

    def of_os_user(self, name: str) -> Person | None:
        """The person who is that user of the operating system on the command line."""
        with self._read() as database:
            row = database.execute(PEOPLE.where(table.c.os_user == name)).mappings().first()
        return person_of(row) if row is not None else None

    def single_user(self) -> str | None:
        """Whose installation it is, if there are no people; None if there are, or if the database is shared."""
        with self._read() as database:
            return None if anybody(database) else self._owner

    def approvers(self) -> tuple[str, ...]:
        """The logins of those who may approve at present, by login."""
        with self._read() as database:
            if not anybody(database):
                return () if self._owner is None else (self._owner,)
            enabled = database.execute(PEOPLE.where(~table.c.disabled).order_by(table.c.login_key)).mappings()
            return tuple(row["login"] for row in enabled if "approver" in row["roles"].split())

    def logins(self) -> tuple[str, ...]:
        """The logins of everybody, by login; of whose installation it is, while there are no people."""
        with self._read() as database:
            known = tuple(row["login"] for row in database.execute(PEOPLE.order_by(table.c.login_key)).mappings())
        return known or (() if self._owner is None else (self._owner,))

    # ------------------------------------------------------------ keeping

    def add(
        self,
        login: str,
        *,
        roles: Collection[str],
        by: Actor,
        now: datetime,
        name: str = "",
        os_user: str | None = None,
    ) -> Person:
        """Keep a person, who cannot sign in yet: that takes a password or an OpenID Connect subject.

        Raises:
            UsageError: not a login, a name or roles; somebody has that login or that user of the operating system
                already; or nobody would be admin.
        """
        with changing(self._write) as database:
            return self._add(database, login, name=name, roles=roles, os_user=os_user, by=by, now=now)

    def set_roles(self, login: str, roles: Collection[str], *, by: Actor, now: datetime) -> Person:
        """Give a person these roles, and no others. It holds for the next thing they do.

        Raises:
            UsageError: no such person, not roles, or nobody would be admin.
        """
        checked = check_roles(roles)
        said = {"roles": list(checked)}
        return self._change(login, {"roles": " ".join(checked)}, "role.changed", said, by=by, now=now)

    def set_disabled(self, login: str, disabled: bool, *, by: Actor, now: datetime) -> Person:
        """Shut a person out, which ends their sessions at once and makes their tokens useless, or let them in again.

        Raises:
            UsageError: no such person, or nobody would be admin.
        """
        kind = "person.disabled" if disabled else "person.enabled"
        return self._change(login, {"disabled": disabled}, kind, {}, by=by, now=now, ends_sessions=disabled)

    def set_os_user(self, login: str, os_user: str | None, *, by: Actor, now: datetime) -> Person:
        """Say as which user of the operating system a person uses the command line.

        Raises:
            UsageError: no such person, not a name, or it is somebody else's.
        """
        with changing(self._write) as database:
            return self._update(
                database,
                found(database, login),
                {"os_user": checked_os_user(database, os_user)},
                "person.os_user_set",
                {"os_user": os_user},
                by=by,
                now=now,
            )

    def set_password(self, login: str, password: str, *, by: Actor, now: datetime) -> Person:
        """Set or replace a person's password, which ends their sessions.

        Raises:
            UsageError: no such person, or not a password.
        """
        person = self.get(login)
        hashed = hash_password(check_password(password, login=person.login))
        return self._change(
            login, {"password_hash": hashed}, "person.password_set", {}, by=by, now=now, ends_sessions=True
        )

    def new_totp(self, login: str) -> TotpEnrolment:
        """A secret for a person's authenticator app; :meth:`set_totp` keeps it once the app has shown a code.

        Raises:
            UsageError: no such person.
        """
        import pyotp  # noqa: PLC0415

        secret = pyotp.random_base32()
        uri = pyotp.TOTP(secret).provisioning_uri(name=self.get(login).login, issuer_name="Trailwarden")
        return TotpEnrolment(secret=secret, uri=uri)

    def set_totp(self, login: str, secret: str, code: str, *, by: Actor, now: datetime) -> Person:
        """Keep the secret of a person's authenticator app, which then is asked for at each login.

        Raises:
            UsageError: no such person, not a secret, or not the code that it gives now.
            KeyUnavailable: there is no key to encrypt it with.
        """
        step = totp_step(checked_secret(secret), code, now)
        if step is None:
            raise UsageError(
                "that is not the code of this secret at this time",
                remedy="enter the six digits that the app shows now; check the clock of the device and of this machine",
            )
        with changing(self._write) as database:
            row = found(database, login)
            values = {"totp_encrypted": self._box.seal(secret, totp_place(row["id"])), "totp_used": step}
            return self._update(database, row, values, "person.totp_set", {}, by=by, now=now)

    def remove_totp(self, login: str, *, by: Actor, now: datetime) -> Person:
        """Ask a person for no code any more, as when the device is lost; it ends their sessions.

        Raises:
            UsageError: no such person.
        """
        values = {"totp_encrypted": None, "totp_used": None}
        return self._change(login, values, "person.totp_removed", {}, by=by, now=now, ends_sessions=True)

    def link_oidc(self, login: str, issuer: str, subject: str, *, by: Actor, now: datetime) -> Person:
        """Let a person sign in as this subject of an OpenID Connect issuer. An email address that the provider
        claims links nobody: it may be another's tomorrow.

        Raises:
            UsageError: no such person, nothing to link, or it is somebody else's.
        """
        if not issuer.startswith("https://") or len(issuer) > 300 or not subject or len(subject) > 255:
            raise UsageError("not a subject of an OpenID Connect issuer", remedy="an https address, and its `sub`")
        with changing(self._write) as database:
            row = found(database, login)
            taken = sa.select(table.c.id).where(table.c.oidc_issuer == issuer, table.c.oidc_subject == subject)
            if database.execute(taken).scalar() not in (None, row["id"]):
                raise UsageError("somebody else signs in as that subject", remedy="`trailwarden people list` shows who")
            values = {"oidc_issuer": issuer, "oidc_subject": subject}
            return self._update(database, row, values, "person.oidc_linked", values, by=by, now=now)

    def remove(self, login: str, *, by: Actor, now: datetime) -> Person:
        """Forget a person, their sessions, tokens and authenticators. What they did stays in the audit chain.

        Raises:
            UsageError: no such person, or nobody would be admin.
        """
        with changing(self._write) as database:
            row = found(database, login)
            end_sessions(database, self._audit, row, "person removed", by=by, now=now)
            for other in (api_token, webauthn_credential):
                database.execute(other.delete().where(other.c.person_id == row["id"]))
            forget(database, row["id"])
            database.execute(table.delete().where(table.c.id == row["id"]))
            self._audit.append(database, at=now, actor=by, kind="person.removed", body={"login": row["login"]})
            keep_an_admin(database)
        return person_of(row)

    # ------------------------------------------------------------ the first run

    def first_run_link(self, base_url: str, *, by: Actor, now: datetime) -> str:
        """The address, good once and for FIRST_RUN, at which the first person is made; a link before it is void.

        Raises:
            UsageError: there are people already.
        """
        token = secrets.token_urlsafe(32)
        with changing(self._write) as database:
            if anybody(database):
                raise UsageError("there are people already", remedy="sign in; an admin adds others")
            database.execute(one_time_token.delete().where(one_time_token.c.purpose == "first_run"))
            made = {"token_hash": hashed(token), "purpose": "first_run", "expires": now + FIRST_RUN}
            database.execute(one_time_token.insert().values(**made))
            self._audit.append(database, at=now, actor=by, kind="first_run.offered", body={})
        return f"{base_url.rstrip('/')}/first-run?token={token}"

    def first_run(
        self,
        token: str,
        *,
        login: str,
        password: str,
        now: datetime,
        name: str = "",
        os_user: str | None = None,
        face: Face = "console",
    ) -> tuple[Person, str]:
        """Make the first person, with every role but viewer, and use up the link; gives what must be said of that.

        ``os_user`` is the user of the operating system who the link was printed for, if that is known.

        Raises:
            NotAuthenticated: the link is used, expired or never was, or there are people already.
            UsageError: not a login, a name or a password; the link stays good.
        """
        checked = check_password(password, login=check_login(login))
        here = sa.and_(one_time_token.c.token_hash == hashed(token), one_time_token.c.purpose == "first_run")
        with self._read() as database:  # hashing is dear: nobody without the link makes this machine do it
            holds = database.execute(sa.select(one_time_token.c.expires).where(here)).first() is not None
        digest = hash_password(checked) if holds else ""
        with changing(self._write) as database:
            used = database.execute(one_time_token.delete().where(here, one_time_token.c.expires > now)).rowcount
            if not used or anybody(database):
                raise NotAuthenticated(
                    "the link of the first run does not hold: it was used, or it is older than fifteen minutes",
                    remedy="start the console again, and use the link that it prints then",
                )
            by = Actor(kind="person", name=check_login(login), via=face)
            added = self._add(database, login, name=name, roles=FIRST_ROLES, os_user=os_user, by=by, now=now)
            row = found(database, added.login)
            person = self._update(database, row, {"password_hash": digest}, "person.password_set", {}, by=by, now=now)
        return person, four_eyes_notice((person.login,))

    # ------------------------------------------------------------ links to set a password

    def password_link(self, login: str, *, by: Actor, now: datetime) -> PasswordLink:
        """A link by which a person sets their password, good once and for PASSWORD_LINK; a link before it is void.
        It is void, too, once their sessions are ended, as by another password.

        Raises:
            UsageError: no such person, or they are disabled.
        """
        token = secrets.token_urlsafe(32)
        with changing(self._write) as database:
            row = found(database, login)
            if row["disabled"]:
                raise UsageError(f"{row['login']} is disabled", remedy="enable them first")
            database.execute(one_time_token.delete().where(_PASSWORD_LINK, one_time_token.c.person_id == row["id"]))
            made = PasswordLink(login=row["login"], token=token, expires=now + PASSWORD_LINK)
            values = {"token_hash": hashed(token), "purpose": "password", "person_id": row["id"]}
            database.execute(one_time_token.insert().values(**values, expires=made.expires))
            body = {"login": row["login"], "expires": made.expires.isoformat()}
            self._audit.append(database, at=now, actor=by, kind="person.password_link_made", body=body)
        return made

    def password_link_until(self, login: str, *, now: datetime) -> datetime | None:
        """Until when a link is good by which a person may set their password; None if there is none.

        Raises:
            UsageError: no such person.
        """
        with self._read() as database:
            here = sa.and_(_PASSWORD_LINK, one_time_token.c.person_id == found(database, login)["id"])
            expires: datetime | None = database.execute(sa.select(one_time_token.c.expires).where(here)).scalar()
        return expires if expires is not None and expires > now else None

    def of_password_link(self, token: str, *, now: datetime) -> Person:
        """Whose password a link sets; looking does not use it up.

        Raises:
            NotAuthenticated: the link is used, expired, void or never was.
        """
        with self._read() as database:
            return person_of(_row_of_link(database, token, now))

    def use_password_link(self, token: str, password: str, *, now: datetime, face: Face = "console") -> Person:
        """Set the password of the person whose link it is, which ends their sessions, and use up the link. It signs
        nobody in: their login, with its second half, is still to be done.

        Raises:
            NotAuthenticated: the link is used, expired, void or never was.
            UsageError: not a password; the link stays good.
        """
        person = self.of_password_link(token, now=now)
        digest = hash_password(check_password(password, login=person.login))
        by = Actor(kind="person", name=person.login, via=face)
        with changing(self._write) as database:
            row = _row_of_link(database, token, now)
            end_sessions(database, self._audit, row, "person.password_set", by=by, now=now)
            values = {"password_hash": digest}
            return self._update(database, row, values, "person.password_set", {"by_link": True}, by=by, now=now)

    # ------------------------------------------------------------ within

    def _add(
        self,
        database: sa.Connection,
        login: str,
        *,
        name: str,
        roles: Collection[str],
        os_user: str | None,
        by: Actor,
        now: datetime,
    ) -> Person:
        shown, checked = check_login(login), check_roles(roles)
        if database.execute(sa.select(table.c.id).where(table.c.login_key == login_key(shown))).first() is not None:
            raise UsageError(f"{shown} is here already", remedy="`trailwarden people roles` changes what they may do")
        values = {
            "id": secrets.token_hex(8),
            "login": shown,
            "login_key": login_key(shown),
            "name": check_name(name) if name.strip() else shown[:200],
            "roles": " ".join(checked),
            "disabled": False,
            "os_user": checked_os_user(database, os_user),
            "created_at": now,
        }
        database.execute(table.insert().values(**values))
        said = {"login": shown, "name": values["name"], "roles": list(checked), "os_user": os_user}
        self._audit.append(database, at=now, actor=by, kind="person.added", body=said)
        keep_an_admin(database)
        return person_of(found(database, shown))

    def _change(
        self,
        login: str,
        values: Mapping[str, Any],
        kind: str,
        said: Mapping[str, Any],
        *,
        by: Actor,
        now: datetime,
        ends_sessions: bool = False,
    ) -> Person:
        with changing(self._write) as database:
            row = found(database, login)
            if ends_sessions:
                end_sessions(database, self._audit, row, kind, by=by, now=now)
            return self._update(database, row, values, kind, said, by=by, now=now)

    def _update(
        self,
        database: sa.Connection,
        row: sa.RowMapping,
        values: Mapping[str, Any],
        kind: str,
        said: Mapping[str, Any],
        *,
        by: Actor,
        now: datetime,
    ) -> Person:
        database.execute(table.update().where(table.c.id == row["id"]).values(**values))
        body = {"login": row["login"], **said}
        if kind == "role.changed":
            body["before"] = row["roles"].split()
        self._audit.append(database, at=now, actor=by, kind=kind, body=body)
        keep_an_admin(database)
        return person_of(found(database, row["login"]))


_PASSWORD_LINK = one_time_token.c.purpose == "password"


def _row_of_link(database: sa.Connection, token: str, now: datetime) -> sa.RowMapping:
    here = sa.and_(_PASSWORD_LINK, one_time_token.c.token_hash == hashed(token), one_time_token.c.expires > now)
    query = PEOPLE.join(one_time_token, one_time_token.c.person_id == table.c.id).where(here, ~table.c.disabled)
    row = database.execute(query).mappings().first()
    if row is None:
        raise NotAuthenticated(
            "this link does not hold: it was used, it is older than a day, or there is a later one",
            remedy="ask an admin for another one",
        )
    return row
