"""The tables. Imported only once a database is open: SQLAlchemy takes longer to import than a command may.

A column with ``info={"secret": True}`` holds what ``SecretBox.seal`` made for that table, row and column; key
rotation finds the secrets by that mark. Its table's primary key is one column.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import DateTime, TypeDecorator

#: Constraints have names, so that a later migration can name them on every database.
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware time in UTC; SQLite drops the zone, so that it is put back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Into the database: in UTC; a naive time is a programming error."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"a stored time needs a zone: {value!r}")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Out of the database: aware, in UTC."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


connection = Table(
    "connection",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(12), nullable=False, index=True),
    Column("role_arn", String(600), nullable=False, unique=True),
    Column("partition", String(32), nullable=False),
    Column("label", String(200), nullable=False),
    Column("purpose", String(16), CheckConstraint("purpose IN ('read', 'respond')", name="purpose"), nullable=False),
    Column("external_id_encrypted", LargeBinary, nullable=False, info={"secret": True}),
    Column("created_at", Instant, nullable=False),
    Column("last_checked", Instant),
    Column("last_status", String(16)),
)

#: The columns ``…_key`` hold what is compared: without case where that does not matter, and never NULL.
alias = Table(
    "alias",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("person", String(320), nullable=False),
    Column("person_key", String(640), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("value", String(512), nullable=False),
    Column("value_key", String(1024), nullable=False),
    Column("account", String(12)),
    Column("account_key", String(12), nullable=False),
    Column("denies", Boolean, nullable=False),
    Column("reason", String(1000), nullable=False),
    Column("added", Instant, nullable=False),
    Column("added_by", String(320), nullable=False),
    UniqueConstraint("person_key", "kind", "value_key", "account_key"),
)

#: The address is the key: a secret is bound to its row, and so opens for the address that it was entered for alone.
falcon = Table(
    "falcon",
    METADATA,
    Column("base_url", String(300), primary_key=True),
    Column("client_id", String(128), nullable=False),
    Column("client_secret_encrypted", LargeBinary, nullable=False, info={"secret": True}),
    Column("cloud", String(16)),
    Column("created_at", Instant, nullable=False),
    Column("last_checked", Instant),
    Column("last_status", String(16)),
)

#: ``document`` is what does not change once it is proposed, as JSON; ``open_key`` is what two proposals for the same
#: have in common, and NULL once it is closed; ``lease_token`` grows with every beginning and never goes back.
proposal = Table(
    "proposal",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("account", String(12), nullable=False),
    Column("open_key", String(64), unique=True),
    Column("asked_by", String(320)),
    Column("proposed", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("lease_worker", String(200)),
    Column("lease_token", Integer, nullable=False),
    Column("lease_until", Instant),
)

#: What was found or said about a proposal after it was made, in the order in which it was: ``kind`` says what
#: ``document`` (JSON) is.
proposal_record = Table(
    "proposal_record",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("proposal_id", String(32), ForeignKey("proposal.id"), nullable=False, index=True),
    Column(
        "kind",
        String(16),
        CheckConstraint("kind IN ('approval', 'outcome', 'transition', 'evidence', 'watch')", name="kind"),
        nullable=False,
    ),
    Column("document", LargeBinary, nullable=False),
)

#: The columns hold exactly the text that is hashed. Triggers refuse to change or delete an entry.
audit = Table(
    "audit",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

#: The key that signs checkpoints of the audit chain; ``id`` is its public half.
audit_key = Table(
    "audit_key",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("private_key_encrypted", LargeBinary, nullable=False, info={"secret": True}),
    Column("created_at", Instant, nullable=False),
)

#: ``login_key`` is what all spellings of a login have in common; ``roles`` stand one after the other with a space
#: between; ``totp_used`` is the last time step whose code was accepted: no code is accepted twice.
person = Table(
    "person",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("login", String(320), nullable=False),
    Column("login_key", String(960), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("roles", String(64), nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("password_hash", String(255)),
    Column("totp_encrypted", LargeBinary, info={"secret": True}),
    Column("totp_used", Integer),
    Column("oidc_issuer", String(300)),
    Column("oidc_subject", String(255)),
    Column("os_user", String(256), unique=True),
    Column("created_at", Instant, nullable=False),
    Column("last_login", Instant),
    UniqueConstraint("oidc_issuer", "oidc_subject"),
)

#: ``id`` is the credential's own, in base64url.
webauthn_credential = Table(
    "webauthn_credential",
    METADATA,
    Column("id", String(1400), primary_key=True),
    Column("person_id", String(32), ForeignKey("person.id"), nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("label", String(200), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used", Instant),
)

#: Of what a browser or a program holds (session id, token), the database holds the SHA-256 alone. ``authenticated_at``
#: is NULL where an identity provider does not say when somebody last showed who they are.
web_session = Table(
    "web_session",
    METADATA,
    Column("id_hash", String(64), primary_key=True),
    Column("person_id", String(32), ForeignKey("person.id"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("authenticated_at", Instant),
    Column("last_seen", Instant, nullable=False),
    Column("address", String(64)),
    Column("agent", String(200)),
)

api_token = Table(
    "api_token",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("person_id", String(32), ForeignKey("person.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("scopes", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("last_used", Instant),
    Column("last_refused", Instant),
    Column("revoked_at", Instant),
)

#: What may be used once: the first run's link, the second half of a login (``authenticated_at``: when the first was
#: shown, NULL if that is not known), the registration of an authenticator, a link to set a password, and a confirmation
#: by an identity provider.
one_time_token = Table(
    "one_time_token",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column(
        "purpose",
        String(16),
        CheckConstraint(
            "purpose IN ('first_run', 'second_factor', 'registration', 'password', 'confirmation')", name="purpose"
        ),
        nullable=False,
    ),
    Column("person_id", String(32), ForeignKey("person.id")),
    Column("challenge", LargeBinary),
    Column("expires", Instant, nullable=False),
    Column("authenticated_at", Instant),
)

#: ``key`` is the SHA-256 of a login, known or not, or a network address; ``limited`` that the audit chain has been told
#: of the present wait.
failed_login = Table(
    "failed_login",
    METADATA,
    Column("key", String(128), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_failure", Instant, nullable=False),
    Column("wait_until", Instant, nullable=False),
    Column("limited", Boolean, nullable=False),
)

#: Answers by idempotency key: ``key`` is the SHA-256 of caller and key, ``request`` that of the request; ``answer`` is
#: NULL while it is under way.
answered_request = Table(
    "answered_request",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("claimed", Instant, nullable=False),
    Column("answer", LargeBinary),
)

#: Searches that people keep. ``person_id`` is NULL once a person is removed who shared it; ``by`` is their login.
saved_search = Table(
    "saved_search",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("person_id", String(32), ForeignKey("person.id")),
    Column("by", String(320), nullable=False),
    Column("name", String(80), nullable=False),
    Column("name_key", String(240), nullable=False),
    Column("query", String(4000), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("created", Instant, nullable=False),
    UniqueConstraint("person_id", "name_key"),
)

#: Cases, and the events that are pinned on them: what the record said when it was pinned.
board = Table(
    "board",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("person_id", String(32), ForeignKey("person.id")),
    Column("by", String(320), nullable=False),
    Column("name", String(80), nullable=False),
    Column("name_key", String(240), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("created", Instant, nullable=False),
    UniqueConstraint("person_id", "name_key"),
)

pin = Table(
    "pin",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("board_id", String(32), ForeignKey("board.id"), nullable=False),
    Column("event_id", String(512), nullable=False, index=True),
    Column("time", Instant, nullable=False),
    Column("who", String(300), nullable=False),
    Column("what", String(200), nullable=False),
    Column("account", String(64)),
    Column("source_ip", String(100)),
    Column("access_key", String(128)),
    Column("note", String(500), nullable=False),
    Column("added", Instant, nullable=False),
    UniqueConstraint("board_id", "event_id"),
)
