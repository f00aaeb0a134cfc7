"""Bring a database to this version's schema; nothing to do is one short query, without importing Alembic."""

import re
import threading
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from ..errors import SetupError

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_REVISION = re.compile(r"(\d{4})_\w+\.py")
#: Alembic keeps what it works on in a module: two threads that bring up two databases would mix them up. What keeps
#: other processes away is the database's own write lock.
_ONE_AT_A_TIME = threading.Lock()
#: Any number that nothing else of this program takes as a PostgreSQL advisory lock.
_ADVISORY_LOCK = 7_234_881_905_311


def revisions() -> tuple[str, ...]:
    """Every revision that this version knows, oldest first; the last is its schema."""
    return tuple(sorted(match[1] for path in _VERSIONS.iterdir() if (match := _REVISION.fullmatch(path.name))))


def migrate(engine: Engine) -> None:
    """Apply what is missing, all of it in one transaction; processes that open at once wait for each other.

    Raises:
        SetupError: the database was written by a newer version, or by something else.
    """
    head = revisions()[-1]
    with engine.connect() as connection:
        if _stored_version(connection) == head:
            return
    with _ONE_AT_A_TIME:
        if engine.dialect.name == "sqlite":
            raw = engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA journal_mode=WAL")  # kept in the file; not possible in a transaction
            finally:
                raw.close()
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            stored = _stored_version(connection)
            if stored is not None and stored not in revisions():
                raise SetupError(
                    f"the state database has schema {stored}; this version of trailwarden knows schemas up to {head}",
                    remedy="a newer version wrote it: update trailwarden, or point it at another home",
                )
            if stored != head:
                _upgrade(connection)


def _stored_version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_VERSIONS.parent).replace("%", "%%"))
    command.upgrade(config, "head")
