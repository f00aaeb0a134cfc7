"""Links to set a password, proofs of a recent login, and what a session was begun with."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_CHECK = "ck_one_time_token_purpose"
_BEFORE = ("first_run", "second_factor", "registration")
_NOW = (*_BEFORE, "password", "confirmation")


def _among(purposes: tuple[str, ...]) -> str:
    return f"purpose IN ({', '.join(map(repr, purposes))})"


def upgrade() -> None:
    """Bring the schema here from the revision before."""
    with op.batch_alter_table("one_time_token") as changed:
        changed.drop_constraint(op.f(_CHECK), type_="check")
        changed.create_check_constraint(op.f(_CHECK), sa.text(_among(_NOW)))
        changed.add_column(sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("web_session") as changed:
        changed.alter_column("authenticated_at", existing_type=sa.DateTime(timezone=True), nullable=True)
        changed.add_column(sa.Column("agent", sa.String(200), nullable=True))
