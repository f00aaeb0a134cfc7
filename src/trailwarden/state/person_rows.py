"""Rows of people, and what their stores share."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from ..access import Person, check_roles, login_key
from ..errors import UsageError
from ..model.proposal import Actor
from ..settings import name_of_os_user
from .audit import AuditChain
from .secrets import Place
from .tables import one_time_token, web_session, webauthn_credential
from .tables import person as table

Transaction = Callable[[], AbstractContextManager[sa.Connection]]
#: Any number that nothing else of this program takes as a PostgreSQL advisory lock.
_ADVISORY_LOCK = 7_234_881_905_313
_WEBAUTHN = (
    sa.select(sa.func.count()).where(webauthn_credential.c.person_id == table.c.id).scalar_subquery().label("webauthn")
)
#: Every column of people, and how many WebAuthn credentials they have.
PEOPLE = sa.select(table, _WEBAUTHN)


@contextmanager
def changing(write: Transaction) -> Iterator[sa.Connection]:
    """A transaction that changes people or counts logins; one at a time, so that what it read still holds when it
    writes (SQLite has one writer anyway)."""
    with write() as database:
        if database.dialect.name == "postgresql":
            database.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        yield database


def anybody(database: sa.Connection) -> bool:
    """Whether there are people."""
    return database.execute(sa.select(table.c.id).limit(1)).first() is not None


def sought(database: sa.Connection, login: str) -> sa.RowMapping | None:
    """The row of the person with that login, if there is one."""
    key = login_key(login)
    if not key.isprintable():  # no login is kept that is not, and no database takes every such text
        return None
    return database.execute(PEOPLE.where(table.c.login_key == key)).mappings().first()


def found(database: sa.Connection, login: str) -> sa.RowMapping:
    """The row of the person with that login.

    Raises:
        UsageError: there is none.
    """
    row = sought(database, login)
    if row is None:
        raise UsageError(f"nobody has the login {login[:320]!r}", remedy="`trailwarden people list` shows who is here")
    return row


def keep_an_admin(database: sa.Connection) -> None:
    """Refuse what would leave nobody to administer; called at the end of the change.

    Raises:
        UsageError: no enabled person is admin any more.
    """
    enabled = database.execute(sa.select(table.c.roles).where(~table.c.disabled)).scalars()
    if not any("admin" in roles.split() for roles in enabled):
        raise UsageError("somebody must be admin", remedy="give somebody else the role admin first")


def end_sessions(
    database: sa.Connection, audit: AuditChain, row: sa.RowMapping, reason: str, *, by: Actor, now: datetime
) -> int:
    """End every session of a person, and every login of theirs that is half done; gives how many sessions."""
    database.execute(one_time_token.delete().where(one_time_token.c.person_id == row["id"]))
    ended = database.execute(web_session.delete().where(web_session.c.person_id == row["id"])).rowcount
    if ended:
        body = {"login": row["login"], "sessions": ended, "reason": reason}
        audit.append(database, at=now, actor=by, kind="session.ended", body=body)
    return ended


def home_owner(home: Path) -> str:
    """The user of the operating system who owns the folder, by name, or by number where it has no name."""
    return name_of_os_user(home.stat().st_uid)


def hashed(token: str) -> str:
    """What is kept of a random token. It needs no salt: nobody can guess 256 bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def person_of(row: sa.RowMapping) -> Person:
    """A person from a row of ``PEOPLE``."""
    return Person(
        id=row["id"],
        login=row["login"],
        name=row["name"],
        roles=check_roles(row["roles"].split()),
        disabled=row["disabled"],
        password=row["password_hash"] is not None,
        totp=row["totp_encrypted"] is not None,
        webauthn=row["webauthn"],
        oidc=row["oidc_issuer"],
        os_user=row["os_user"],
        created_at=row["created_at"],
        last_login=row["last_login"],
    )


def totp_place(identifier: str) -> Place:
    """Where a person's secret is kept."""
    return Place(str(table.name), identifier, "totp_encrypted")


def checked_os_user(database: sa.Connection, os_user: str | None) -> str | None:
    """A user of the operating system, as it is kept of a person.

    Raises:
        UsageError: not a name, or a person's already.
    """
    if os_user is None:
        return None
    if not os_user.strip() or len(os_user) > 256 or not os_user.isprintable():
        raise UsageError("not a user of the operating system", remedy="its name, as `id -un` prints it")
    if database.execute(sa.select(table.c.id).where(table.c.os_user == os_user)).first() is not None:
        raise UsageError(
            f"{os_user} is a person's already",
            remedy="`trailwarden people list` shows whose; `people link LOGIN --no-os-user` takes it away",
        )
    return os_user


def checked_secret(secret: str) -> str:
    """The secret of an authenticator app: base32 of at least 160 bits, as RFC 4226 asks for.

    Raises:
        UsageError: it is not one.
    """
    try:
        strong = len(base64.b32decode(secret)) >= 20
    except ValueError:
        strong = False
    if not strong:
        raise UsageError("not a secret of an authenticator app", remedy="take the one that was offered")
    return secret
