"""People, the sessions of the console, API tokens, and failed logins."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "person",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("login", sa.String(320), nullable=False),
        sa.Column("login_key", sa.String(960), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("roles", sa.String(64), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=True),
        sa.Column("totp_encrypted", sa.LargeBinary(), nullable=True),
        sa.Column("totp_used", sa.Integer(), nullable=True),
        sa.Column("oidc_issuer", sa.String(300), nullable=True),
        sa.Column("oidc_subject", sa.String(255), nullable=True),
        sa.Column("os_user", sa.String(256), nullable=True),
        _time("created_at"),
        _time("last_login", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        sa.UniqueConstraint("login_key", name="uq_person_login_key"),
        sa.UniqueConstraint("oidc_issuer", "oidc_subject", name="uq_person_oidc_issuer"),
        sa.UniqueConstraint("os_user", name="uq_person_os_user"),
    )
    op.create_table(
        "webauthn_credential",
        sa.Column("id", sa.String(1400), nullable=False),
        sa.Column("person_id", sa.String(32), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        _time("created_at"),
        _time("last_used", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_webauthn_credential"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_webauthn_credential_person_id"),
    )
    op.create_index("ix_webauthn_credential_person_id", "webauthn_credential", ["person_id"])
    op.create_table(
        "web_session",
        sa.Column("id_hash", sa.String(64), nullable=False),
        sa.Column("person_id", sa.String(32), nullable=False),
        _time("created_at"),
        _time("authenticated_at"),
        _time("last_seen"),
        sa.Column("address", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id_hash", name="pk_web_session"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_web_session_person_id"),
    )
    op.create_index("ix_web_session_person_id", "web_session", ["person_id"])
    op.create_table(
        "api_token",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("person_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("scopes", sa.String(64), nullable=False),
        _time("created_at"),
        _time("expires"),
        _time("last_used", nullable=True),
        _time("last_refused", nullable=True),
        _time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
        sa.UniqueConstraint("token_hash", name="uq_api_token_token_hash"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_api_token_person_id"),
    )
    op.create_index("ix_api_token_person_id", "api_token", ["person_id"])
    op.create_table(
        "one_time_token",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("person_id", sa.String(32), nullable=True),
        sa.Column("challenge", sa.LargeBinary(), nullable=True),
        _time("expires"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_one_time_token"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_one_time_token_person_id"),
        sa.CheckConstraint(
            "purpose IN ('first_run', 'second_factor', 'registration')", name=op.f("ck_one_time_token_purpose")
        ),
    )
    op.create_table(
        "failed_login",
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        _time("last_failure"),
        _time("wait_until"),
        sa.Column("limited", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_failed_login"),
    )
