"""WebAuthn: security keys and passkeys as the second half of a login (W3C Web Authentication, Level 2).

A credential is bound to the console's own origin by the browser, so that a look-alike page gets nothing. What is asked
of an authenticator (the challenge) is made here, is kept here, and is used up by one answer.
"""

import os
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa

from ..access import Person, check_name
from ..errors import UsageError
from ..model.proposal import Actor
from .audit import AuditChain
from .logins import STEP, Attempt, LoginStore
from .person_rows import Transaction, changing, end_sessions, found, hashed
from .tables import one_time_token
from .tables import person as people
from .tables import webauthn_credential as table

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor


class Site(msgspec.Struct, frozen=True):
    """Where the console is: its origin as browsers write it, ``https://warden.example.com``."""

    origin: str

    @property
    def id(self) -> str:
        """The relying party's id: the host alone."""
        return urlsplit(self.origin).hostname or ""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """``options`` is what the browser's ``navigator.credentials.create`` takes, as JSON; ``token`` comes back with
    its answer."""

    token: str
    options: str


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A person's authenticator."""

    id: str
    label: str
    created_at: datetime
    last_used: datetime | None = None


class AuthenticatorStore:
    """The WebAuthn credentials of one state database."""

    def __init__(self, read: Transaction, write: Transaction, audit: AuditChain, logins: LoginStore) -> None:
        self._read = read
        self._write = write
        self._audit = audit
        self._logins = logins

    def list(self, login: str) -> Sequence[Credential]:
        """A person's credentials, the oldest first.

        Raises:
            UsageError: no such person.
        """
        columns = [table.c[name] for name in Credential.__struct_fields__]
        with self._read() as database:
            query = sa.select(*columns).where(table.c.person_id == found(database, login)["id"])
            rows = database.execute(query.order_by(table.c.created_at, table.c.id)).mappings()
            return tuple(Credential(**row) for row in rows)

    def begin_registration(self, login: str, *, site: Site, now: datetime) -> Registration:
        """Ask a person's browser for a new credential.

        Raises:
            UsageError: no such person.
        """
        from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415
        from webauthn.helpers.structs import (  # noqa: PLC0415
            AuthenticatorSelectionCriteria,
            UserVerificationRequirement,
        )

        token, challenge = secrets.token_urlsafe(32), os.urandom(32)
        with changing(self._write) as database:
            row = found(database, login)
            known = database.execute(sa.select(table.c.id).where(table.c.person_id == row["id"])).scalars().all()
            values = {
                "token_hash": hashed(token),
                "purpose": "registration",
                "person_id": row["id"],
                "challenge": challenge,
                "expires": now + STEP,
            }
            database.execute(one_time_token.insert().values(**values))
        options = generate_registration_options(
            rp_id=site.id,
            rp_name="Trailwarden",
            user_name=row["login"],
            user_id=row["id"].encode(),
            user_display_name=row["name"],
            challenge=challenge,
            exclude_credentials=[_descriptor(each) for each in known],
            authenticator_selection=AuthenticatorSelectionCriteria(
                user_verification=UserVerificationRequirement.PREFERRED
            ),
        )
        return Registration(token=token, options=options_to_json(options))

    def register(self, token: str, answer: str, *, label: str, site: Site, by: Actor, now: datetime) -> Credential:
        """Keep the credential that a browser answered with (JSON). It is asked for at the person's next login.

        Raises:
            UsageError: the question was too long ago, or the answer is not one to it.
        """
        from webauthn import verify_registration_response  # noqa: PLC0415
        from webauthn.helpers import bytes_to_base64url  # noqa: PLC0415
        from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

        called = check_name(label, what="label")
        here = sa.and_(one_time_token.c.token_hash == hashed(token), one_time_token.c.purpose == "registration")
        query = sa.select(one_time_token.c.challenge, people.c.id, people.c.login).join(people)
        with changing(self._write) as database:
            asked = database.execute(query.where(here, one_time_token.c.expires > now)).first()
            database.execute(one_time_token.delete().where(here))
        if asked is None:
            raise UsageError("this registration took too long", remedy="begin it again")
        try:
            verified = verify_registration_response(
                credential=answer,
                expected_challenge=asked.challenge,
                expected_rp_id=site.id,
                expected_origin=site.origin,
            )
        except (WebAuthnException, RecursionError) as error:  # JSON that is nested without end
            raise UsageError(
                f"the authenticator's answer does not hold: {error}"[:500], remedy="begin the registration again"
            ) from error
        made = Credential(id=bytes_to_base64url(verified.credential_id), label=called, created_at=now)
        with changing(self._write) as database:
            if database.execute(sa.select(table.c.id).where(table.c.id == made.id)).first() is not None:
                raise UsageError("this authenticator is registered already", remedy="take another one")
            values = msgspec.structs.asdict(made) | {
                "person_id": asked.id,
                "public_key": verified.credential_public_key,
                "sign_count": verified.sign_count,
            }
            database.execute(table.insert().values(**values))
            body = {"login": asked.login, "label": called, "id": made.id}
            self._audit.append(database, at=now, actor=by, kind="person.webauthn_added", body=body)
        return made

    def remove(self, login: str, identifier: str, *, by: Actor, now: datetime) -> None:
        """Forget a credential, as when it is lost; it ends the person's sessions.

        Raises:
            UsageError: no such person, or they have no such credential.
        """
        with changing(self._write) as database:
            row = found(database, login)
            here = sa.and_(table.c.id == identifier, table.c.person_id == row["id"])
            if not database.execute(table.delete().where(here)).rowcount:
                raise UsageError("there is no such authenticator", remedy="the person's page lists them")
            end_sessions(database, self._audit, row, "person.webauthn_removed", by=by, now=now)
            body = {"login": row["login"], "id": identifier}
            self._audit.append(database, at=now, actor=by, kind="person.webauthn_removed", body=body)

    def options(self, step: str, *, site: Site, attempt: Attempt) -> str:
        """What the browser's ``navigator.credentials.get`` takes, as JSON, for a login whose first half is done.

        Raises:
            NotAuthenticated: the first half was too long ago.
        """
        from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415

        row, challenge = self._logins.half_done(step, attempt)
        with self._read() as database:
            known = database.execute(sa.select(table.c.id).where(table.c.person_id == row["id"])).scalars().all()
        options = generate_authentication_options(
            rp_id=site.id, challenge=challenge, allow_credentials=[_descriptor(each) for each in known]
        )
        return options_to_json(options)

    def answer(self, step: str, answer: str, *, site: Site, attempt: Attempt) -> Person:
        """The second half of a login, by an authenticator's answer (JSON). The step is used up, whatever it is.

        Raises:
            LoginLimited: too many attempts failed.
            NotAuthenticated: the answer does not hold, its credential is not the person's or was copied (its counter
                went back), or the first half was too long ago.
        """
        from webauthn import verify_authentication_response  # noqa: PLC0415
        from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json  # noqa: PLC0415
        from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

        row, challenge = self._logins.half_done(step, attempt)
        self._logins.reserve(row["login"], attempt)
        with changing(self._write) as database:
            used = database.execute(one_time_token.delete().where(one_time_token.c.token_hash == hashed(step))).rowcount
        if not used:
            raise self._logins.failed("webauthn_replayed", row, attempt)
        try:
            credential = parse_authentication_credential_json(answer)
            here = sa.and_(table.c.id == bytes_to_base64url(credential.raw_id), table.c.person_id == row["id"])
            with self._read() as database:
                kept = database.execute(sa.select(table).where(here)).first()
            if kept is None:
                raise self._logins.failed("webauthn_unknown", row, attempt)
            verified = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=site.id,
                expected_origin=site.origin,
                credential_public_key=kept.public_key,
                credential_current_sign_count=kept.sign_count,
            )
        except (WebAuthnException, RecursionError):  # JSON that is nested without end
            raise self._logins.failed("webauthn", row, attempt) from None
        with self._write() as database:
            values = {"sign_count": verified.new_sign_count, "last_used": attempt.now}
            unchanged = sa.and_(here, table.c.sign_count == kept.sign_count)
            fresh = database.execute(table.update().where(unchanged).values(**values)).rowcount
        if not fresh:
            raise self._logins.failed("webauthn_replayed", row, attempt)
        return self._logins.succeeded(row["id"], ["webauthn"], attempt)


def _descriptor(identifier: str) -> "PublicKeyCredentialDescriptor":
    from webauthn.helpers import base64url_to_bytes  # noqa: PLC0415
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor  # noqa: PLC0415

    return PublicKeyCredentialDescriptor(id=base64url_to_bytes(identifier))
