"""Run tests that keep state on PostgreSQL: with TRAILWARDEN_TEST_POSTGRESQL=postgresql://postgres@127.0.0.1:5432/postgres,
``State.open(home)`` opens a database of its own for each home, made from one that was migrated once.
"""

import os
from hashlib import blake2b
from pathlib import Path

import sqlalchemy as sa

from trailwarden.state.person_rows import home_owner
from trailwarden.state.secrets import KeySource
from trailwarden.state.store import State

VARIABLE = "TRAILWARDEN_TEST_POSTGRESQL"


def use(url: str) -> None:
    """Keep the state of every home there, from now on."""
    server = sa.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    template = f"trailwarden_template_{os.getpid()}"
    opened = State.open

    def address(name: str) -> str:
        return server.set(database=name).render_as_string(hide_password=False)

    def make(name: str, *, of: str | None = None) -> bool:
        """Whether it was not there before."""
        with engine.connect() as connection:
            if connection.scalar(sa.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}):
                return False
            connection.execute(sa.text(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{of}"' if of else "")))
            return True

    def open_there(home: Path, url: str | None = None, *, keys: KeySource | None = None) -> State:
        if url is not None:
            return opened(home, url, keys=keys)
        if make(template):
            opened(home, address(template)).close()
        name = f"trailwarden_{blake2b(str(home).encode(), digest_size=10).hexdigest()}"
        make(name, of=template)
        state = opened(home, address(name), keys=keys)
        state.people._owner = home_owner(home)  # as the home's own database has it
        return state

    State.open = staticmethod(open_there)  # type: ignore[method-assign]
