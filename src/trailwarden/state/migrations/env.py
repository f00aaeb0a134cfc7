"""How Alembic runs here: on the connection that ``migrate`` opened, inside its transaction."""

from alembic import context

from trailwarden.state.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
