"""Saved searches, and pinned events on boards."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _owned(name: str, *more: sa.Column[str]) -> None:
    """A table whose rows are one person's, under names of their own."""
    op.create_table(
        name,
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("person_id", sa.String(32), nullable=True),
        sa.Column("by", sa.String(320), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("name_key", sa.String(240), nullable=False),
        *more,
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=f"fk_{name}_person_id"),
        sa.UniqueConstraint("person_id", "name_key", name=f"uq_{name}_person_id"),
    )


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    _owned("saved_search", sa.Column("query", sa.String(4000), nullable=False))
    _owned("board")
    op.create_table(
        "pin",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("board_id", sa.String(32), nullable=False),
        sa.Column("event_id", sa.String(512), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(300), nullable=False),
        sa.Column("what", sa.String(200), nullable=False),
        sa.Column("account", sa.String(64), nullable=True),
        sa.Column("source_ip", sa.String(100), nullable=True),
        sa.Column("access_key", sa.String(128), nullable=True),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pin"),
        sa.ForeignKeyConstraint(["board_id"], ["board.id"], name="fk_pin_board_id"),
        sa.UniqueConstraint("board_id", "event_id", name="uq_pin_board_id"),
    )
    op.create_index("ix_pin_event_id", "pin", ["event_id"])


def downgrade() -> None:
    """Go back to the revision before."""
    for name in ("pin", "board", "saved_search"):
        op.drop_table(name)
