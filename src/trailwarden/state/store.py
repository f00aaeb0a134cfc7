"""The state database: opened, brought to this version's schema, and handed out in transactions."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Busy, MissingDependency, SetupError
from .keys import key_source
from .secrets import KeySource, Place, SecretBox, key_id, reseal, sealed_with

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: How long a writer waits for another one, in milliseconds.
_PATIENCE = 30_000


class State:
    """What this installation keeps. May be shared between threads; several processes may have it open at once."""

    def __init__(self, engine: "Engine", box: SecretBox, *, owner: str | None = None) -> None:
        from .access import SessionStore, TokenStore  # noqa: PLC0415
        from .aliases import AliasStore  # noqa: PLC0415
        from .audit import AuditChain  # noqa: PLC0415
        from .authenticators import AuthenticatorStore  # noqa: PLC0415
        from .connections import ConnectionStore  # noqa: PLC0415
        from .falcon import FalconStore  # noqa: PLC0415
        from .kept import KeptStore  # noqa: PLC0415
        from .ledger import ProposalStore  # noqa: PLC0415
        from .logins import LoginStore  # noqa: PLC0415
        from .people import PeopleStore  # noqa: PLC0415

        self.engine = engine
        self.box = box
        self.connections = ConnectionStore(self.read, self.write, box)
        self.aliases = AliasStore(self.read, self.write)
        self.falcon = FalconStore(self.read, self.write, box)
        self.audit = AuditChain(self.read, self.write, box)
        self.proposals = ProposalStore(self.read, self.write)
        self.people = PeopleStore(self.read, self.write, box, self.audit, owner)
        self.logins = LoginStore(self.read, self.write, box, self.audit)
        self.authenticators = AuthenticatorStore(self.read, self.write, self.audit, self.logins)
        self.sessions = SessionStore(self.read, self.write, self.audit)
        self.tokens = TokenStore(self.read, self.write, self.audit)
        self.kept = KeptStore(self.read, self.write, self.audit)

    @classmethod
    def open(cls, home: Path, url: str | None = None, *, keys: KeySource | None = None) -> "State":
        """Open ``home``/state.db, or the database at ``url`` (``postgresql://…``), and bring its schema up to date.

        ``keys`` is where the key of the secrets comes from; without it, the environment or ``home``/keys/state.key.
        The home's own database is, as long as it holds no people, its owner's; one at a ``url`` is nobody's.

        Raises:
            SetupError: the database cannot be opened, or a newer version wrote it.
            MissingDependency: the driver of ``url`` is not installed.
            Busy: another process has kept it locked.
        """
        from .migrate import migrate  # noqa: PLC0415
        from .person_rows import home_owner  # noqa: PLC0415

        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            if url is None:
                create_private(home / "state.db")
        except OSError as error:
            raise SetupError(
                f"the home folder {home} cannot be used: {error.strerror}",
                remedy="make it writable, or choose another with TRAILWARDEN_HOME",
            ) from error
        engine = _engine(url if url is not None else f"sqlite:///{home / 'state.db'}")
        try:
            with _database_errors():
                migrate(engine)
        except BaseException:
            engine.dispose()
            raise
        box = SecretBox(keys if keys is not None else key_source(home, os.environ))
        return cls(engine, box, owner=home_owner(home) if url is None else None)

    @contextmanager
    def read(self) -> "Iterator[Connection]":
        """A transaction that sees one state of the database throughout.

        Raises:
            Busy, SetupError: the database is locked for long, damaged, or out of reach.
        """
        with _database_errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> "Iterator[Connection]":
        """A transaction that may change the database: all of it happens or none; one writer at a time on SQLite.

        Raises:
            Busy, SetupError: the database is locked for long, damaged, full, or out of reach.
        """
        with _database_errors(), self.engine.connect() as connection:
            writing = connection.execution_options(write=True)
            with writing.begin():
                yield writing

    def rotate_key(self, key: bytes | None = None) -> int:
        """Encrypt every secret with a new key, in one transaction; gives how many there were.

        A crash at any point leaves every secret readable, and rotating again completes it. ``key`` must be given
        where the key comes from TRAILWARDEN_KEY, and then be set there.

        Raises:
            KeyUnavailable: the present key is not at hand, or the new one cannot be kept.
        """
        import sqlalchemy as sa  # noqa: PLC0415

        from .tables import METADATA  # noqa: PLC0415

        new = self.box.source.stage(key)
        self.box.reload()
        count = 0
        with self.write() as database:
            for table in METADATA.sorted_tables:
                (primary,) = table.primary_key.columns
                for column in (column for column in table.columns if column.info.get("secret")):
                    query = sa.select(primary, column).where(column.is_not(None))
                    for row, sealed in database.execute(query).all():
                        count += 1
                        if sealed_with(sealed) == key_id(new):
                            continue
                        fresh = reseal(self.box, sealed, Place(str(table.name), str(row), column.name), new)
                        database.execute(table.update().where(primary == row).values({column: fresh}))
        self.box.source.promote()
        self.box.reload()
        return count

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def __enter__(self) -> "State":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_private(path: Path) -> None:
    """Make an empty file, readable by its owner only, unless there is one.

    One that is there is not opened: closing a descriptor of a file drops every lock that this process has on it, also
    those of SQLite's own connections. https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_

    Raises:
        OSError: it cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _engine(url: str) -> "Engine":
    import sqlalchemy as sa  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415

    try:
        address = sa.make_url(url)
        if address.drivername == "postgresql":  # the driver that the extra brings along
            address = address.set(drivername="postgresql+psycopg")
        engine = sa.create_engine(address, pool_pre_ping=address.get_backend_name() != "sqlite")
    except (ArgumentError, NoSuchModuleError) as error:
        raise SetupError(
            "the state database's URL cannot be used: " + str(error).split("'", maxsplit=1)[0].strip(),
            remedy="write it like postgresql://user@host/database, or leave it out for SQLite",
        ) from error
    except ModuleNotFoundError as error:
        package = "trailwarden[postgresql]" if error.name == "psycopg" else error.name
        raise MissingDependency(
            f"the database driver {error.name!r} is not installed", remedy=f"pip install '{package}'"
        ) from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not where the driver guesses
    connection.execute(f"PRAGMA busy_timeout={_PATIENCE}")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: "Connection") -> None:
    """A writer takes the lock at once: one that read first and wrote later could not be made to wait."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN")


@contextmanager
def _database_errors() -> Iterator[None]:
    from sqlalchemy.exc import DBAPIError, IntegrityError  # noqa: PLC0415

    try:
        yield
    except IntegrityError:
        raise  # what a caller wrote contradicts what is there: the caller knows what it means
    except DBAPIError as error:
        reason = str(error.orig)
        if "locked" in reason:
            raise Busy(
                f"another process kept the state database locked for {_PATIENCE // 1000} seconds",
                remedy="let it finish, or stop it, and repeat the command",
            ) from error
        raise SetupError(
            f"the state database cannot be used: {reason}",
            remedy="check that it can be reached and written, and that its disk is not full; else restore a backup",
        ) from error
