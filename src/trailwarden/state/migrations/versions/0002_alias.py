"""Aliases of people."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "alias",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("person", sa.String(320), nullable=False),
        sa.Column("person_key", sa.String(640), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("value", sa.String(512), nullable=False),
        sa.Column("value_key", sa.String(1024), nullable=False),
        sa.Column("account", sa.String(12), nullable=True),
        sa.Column("account_key", sa.String(12), nullable=False),
        sa.Column("denies", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(320), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alias"),
        sa.UniqueConstraint("person_key", "kind", "value_key", "account_key", name="uq_alias_person_key"),
    )
