"""Proposals, and the audit chain that nothing changes once it is written."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_REFUSAL = "the audit chain is append-only"
_SQLITE = tuple(
    f"CREATE TRIGGER audit_no_{what.lower()} BEFORE {what} ON audit BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    for what in ("UPDATE", "DELETE")
)
_FUNCTION = f"""
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$
"""
_POSTGRESQL = (
    _FUNCTION,
    "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
    "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_append_only()",
)
_TRIGGERS = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "proposal",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("open_key", sa.String(64), nullable=True),
        sa.Column("asked_by", sa.String(320), nullable=True),
        sa.Column("proposed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("lease_worker", sa.String(200), nullable=True),
        sa.Column("lease_token", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_proposal"),
        sa.UniqueConstraint("open_key", name="uq_proposal_open_key"),
    )
    op.create_index("ix_proposal_state", "proposal", ["state"])
    op.create_table(
        "proposal_record",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("proposal_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proposal_record"),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposal.id"], name="fk_proposal_record_proposal_id"),
        sa.CheckConstraint(
            "kind IN ('approval', 'outcome', 'transition', 'evidence', 'watch')", name=op.f("ck_proposal_record_kind")
        ),
    )
    op.create_index("ix_proposal_record_proposal_id", "proposal_record", ["proposal_id"])
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("prev", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_table(
        "audit_key",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("private_key_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_key"),
    )
    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.execute(sa.text(statement))
