"""The state database: opened by many at once, migrated, and what it keeps of connections."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trailwarden.errors import Busy, KeyUnavailable, MissingDependency, SetupError, UsageError
from trailwarden.state import State
from trailwarden.state import store as store_module
from trailwarden.state.keys import FileKey, GivenKey, encode_key
from trailwarden.state.migrate import revisions
from trailwarden.state.tables import METADATA

NOW = datetime(2026, 11, 24, 3, 42, 38, 123456, tzinfo=UTC)
ROLE = "arn:aws:iam::222222222222:role/Trailwarden"
KEY, NEXT_KEY = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path / "home") as opened:
        yield opened


def test_a_connection_comes_back_as_it_was_added(state: State, tmp_path: Path) -> None:
    added = state.connections.add(ROLE, "the-external-id", label=" production ", purpose="respond", now=NOW)
    with State.open(tmp_path / "home") as again:
        assert again.connections.list() == (added,)
        assert again.connections.external_id(added) == "the-external-id"
    assert (added.account_id, added.partition, added.label, added.role_name) == (
        *("222222222222", "aws", "production", "Trailwarden"),
    )
    assert added.created_at == NOW


ACCOUNTS = st.from_regex(r"\A[0-9]{12}\Z")
NAMES = st.from_regex(r"\A[A-Za-z0-9+=,.@_-]{1,64}\Z")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.tuples(st.sampled_from(["aws", "aws-cn", "aws-us-gov"]), ACCOUNTS, NAMES),
    st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=60),
    st.from_regex(r"\A[A-Za-z0-9_+=,.@:/-]{2,80}\Z"),
)
def test_any_connection_makes_the_round_trip(
    state: State, where: tuple[str, str, str], label: str, external_id: str
) -> None:
    arn = "arn:{}:iam::{}:role/some/path/{}".format(*where)
    added = state.connections.add(arn, external_id, label=label, now=NOW)
    assert state.connections.get(added.id) == added
    assert state.connections.external_id(added) == external_id
    state.connections.remove(added)
    assert state.connections.list() == ()


def test_nothing_that_is_shown_or_stored_holds_the_external_id(state: State, tmp_path: Path) -> None:
    added = state.connections.add(ROLE, "the-external-id", now=NOW)
    assert "the-external-id" not in repr(added) + msgspec.json.encode(added).decode()
    state.close()
    for path in (tmp_path / "home").rglob("*"):
        assert not path.is_file() or b"the-external-id" not in path.read_bytes()


def test_files_are_the_owners_alone(state: State, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert home.stat().st_mode & 0o077 == 0
    assert (home / "state.db").stat().st_mode & 0o077 == 0


def test_a_role_is_connected_once(state: State) -> None:
    state.connections.add(ROLE, "one", now=NOW)
    with pytest.raises(UsageError, match="connected already"):
        state.connections.add(f" {ROLE} ", "two", now=NOW)
    assert len(state.connections.list()) == 1


@pytest.mark.parametrize(
    ("arn", "external_id"),
    [
        ("arn:aws:iam::222222222222:user/x", "fine"),
        ("not an arn", "fine"),
        (ROLE, "x"),
        (ROLE, "with space"),
        (ROLE, "ümlaut"),
        (ROLE, "new\nline"),
        (ROLE, "a" * 1225),
    ],
)
def test_what_cannot_be_is_refused(state: State, arn: str, external_id: str) -> None:
    with pytest.raises(UsageError):
        state.connections.add(arn, external_id, now=NOW)
    assert state.connections.list() == ()


def test_what_is_no_label_is_refused(state: State) -> None:
    for label in ("a" * 201, "two\nlines", "bell\a"):
        with pytest.raises(UsageError, match="not a label"):
            state.connections.add(ROLE, "id-1", label=label, now=NOW)


def test_a_connection_is_found_by_each_of_its_names(state: State) -> None:
    one = state.connections.add(ROLE, "id-1", label="prod", now=NOW)
    state.connections.add("arn:aws:iam::333333333333:role/Trailwarden", "id-2", label="dev", now=NOW)
    for reference in (one.id, one.role_arn, one.account_id, "prod", " prod "):
        assert state.connections.get(reference) == one
    with pytest.raises(UsageError, match="no connection 'stage'"):
        state.connections.get("stage")
    state.connections.add(f"{ROLE}Respond", "id-3", purpose="respond", now=NOW + timedelta(1))
    with pytest.raises(UsageError, match="2 connections are '222222222222'"):
        state.connections.get(one.account_id)
    assert [each.purpose for each in state.connections.list(purpose="respond")] == ["respond"]


def test_changes_to_a_connection(state: State) -> None:
    added = state.connections.add(ROLE, "id-1", now=NOW)
    checked = state.connections.record_check(added, "ok", at=NOW)
    named = state.connections.set_label(checked, "prod")
    state.connections.set_external_id(added, "id-2")
    assert state.connections.get(ROLE) == named
    assert (named.last_status, named.last_checked, named.label) == ("ok", NOW, "prod")
    assert state.connections.external_id(added) == "id-2"
    state.connections.remove(added)
    for change in (
        lambda: state.connections.remove(added),
        lambda: state.connections.set_label(added, "x"),
        lambda: state.connections.external_id(added),
        lambda: state.connections.set_external_id(added, "id-3"),
    ):
        with pytest.raises(UsageError, match="not there any more"):
            change()


def test_secrets_of_two_rows_cannot_be_swapped(state: State) -> None:
    one = state.connections.add(ROLE, "id-1", now=NOW)
    two = state.connections.add("arn:aws:iam::333333333333:role/Trailwarden", "id-2", now=NOW)
    with state.write() as database:
        database.execute(
            sa.text(
                "UPDATE connection SET external_id_encrypted ="
                " (SELECT external_id_encrypted FROM connection WHERE id = :other) WHERE id = :one"
            ),
            {"one": one.id, "other": two.id},
        )
    with pytest.raises(KeyUnavailable, match="moved there from another row"):
        state.connections.external_id(one)
    assert state.connections.external_id(two) == "id-2"


def test_another_key_is_said(state: State, tmp_path: Path) -> None:
    added = state.connections.add(ROLE, "id-1", now=NOW)
    with State.open(tmp_path / "home", keys=GivenKey(encode_key(KEY))) as other:
        assert other.connections.list() == (added,), "without the key the rest is there"
        with pytest.raises(KeyUnavailable, match="was written with key"):
            other.connections.external_id(added)


def test_rotation_of_the_homes_key(state: State, tmp_path: Path) -> None:
    added = [state.connections.add(f"{ROLE}{n}", f"id-{n}", now=NOW) for n in range(3)]
    before = (tmp_path / "home/keys/state.key").read_text()
    assert state.rotate_key() == 3
    after = (tmp_path / "home/keys/state.key").read_text()
    assert before != after
    assert not (tmp_path / "home/keys/state.key.next").exists()
    with State.open(tmp_path / "home") as again:
        assert [again.connections.external_id(each) for each in added] == ["id-0", "id-1", "id-2"]


def test_rotation_of_a_key_of_the_environment(tmp_path: Path) -> None:
    with State.open(tmp_path, keys=GivenKey(encode_key(KEY))) as old:
        added = old.connections.add(ROLE, "id-1", now=NOW)
        assert old.rotate_key(NEXT_KEY) == 1
        assert old.rotate_key(NEXT_KEY) == 1, "again changes nothing"
        with pytest.raises(KeyUnavailable):
            old.connections.external_id(added)
    with State.open(tmp_path, keys=GivenKey(encode_key(NEXT_KEY))) as new:
        assert new.connections.external_id(added) == "id-1"


class Crash(BaseException):
    pass


@pytest.mark.parametrize("moment", ["stage", "promote"])
def test_a_rotation_that_crashes_loses_nothing_and_is_completed_by_the_next(tmp_path: Path, moment: str) -> None:
    class Crashing(FileKey):
        def stage(self, key: bytes | None) -> bytes:
            staged = super().stage(key)
            if moment == "stage":
                raise Crash
            return staged

        def promote(self) -> None:
            raise Crash

    path = tmp_path / "state.key"
    with State.open(tmp_path, keys=Crashing(path)) as state:
        one = state.connections.add(f"{ROLE}1", "id-1", now=NOW)
        with pytest.raises(Crash):
            state.rotate_key()
    with State.open(tmp_path, keys=FileKey(path)) as state:
        two = state.connections.add(f"{ROLE}2", "id-2", now=NOW)
        assert [state.connections.external_id(each) for each in (one, two)] == ["id-1", "id-2"]
        assert state.rotate_key() == 2
        assert [state.connections.external_id(each) for each in (one, two)] == ["id-1", "id-2"]
    assert not (tmp_path / "state.key.next").exists()


def test_a_rotation_that_meets_a_damaged_secret_changes_none(state: State) -> None:
    one = state.connections.add(ROLE, "id-1", now=NOW)
    two = state.connections.add(f"{ROLE}2", "id-2", now=NOW)
    with state.write() as database:
        damage = sa.text("UPDATE connection SET external_id_encrypted = x'00' WHERE id = :id")
        database.execute(damage, {"id": two.id})
    with pytest.raises(KeyUnavailable, match="damaged"):
        state.rotate_key()
    assert state.connections.external_id(one) == "id-1"


# ---------------------------------------------------------------- opening and schema


def test_many_threads_may_open_it_at_once(tmp_path: Path) -> None:
    start, failures, opened = threading.Barrier(6), [], []

    def open_it(number: int) -> None:
        start.wait()
        try:
            with State.open(tmp_path) as state:
                opened.append(state.connections.add(f"{ROLE}{number}", "id", now=NOW))
        except Exception as error:  # noqa: BLE001 - whatever a thread raises fails the test
            failures.append(error)

    threads = [threading.Thread(target=open_it, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with State.open(tmp_path) as state:
        assert len(state.connections.list()) == 6
        assert [state.connections.external_id(each) for each in opened] == ["id"] * 6


def test_threads_may_open_several_databases_at_once(tmp_path: Path) -> None:
    start, failures = threading.Barrier(4), []

    def open_it(number: int) -> None:
        start.wait()
        try:
            with State.open(tmp_path / str(number)) as state:
                state.connections.add(f"{ROLE}{number}", "id", now=NOW)
        except Exception as error:  # noqa: BLE001 - whatever a thread raises fails the test
            failures.append(error)

    threads = [threading.Thread(target=open_it, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_several_processes_may_open_it_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from trailwarden.state import State\n"
        f"s = State.open(Path({str(tmp_path)!r}))\n"
        f"s.connections.add({ROLE!r} + sys.argv[1], 'id', now=datetime.now(UTC))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(n)], stderr=subprocess.PIPE, text=True) for n in range(3)
    ]
    outcomes = [(process.communicate()[1], process.returncode) for process in running]
    assert outcomes == [("", 0)] * 3
    with State.open(tmp_path) as state:
        assert [state.connections.external_id(each) for each in state.connections.list()] == ["id"] * 3


def test_opening_what_is_up_to_date_does_not_import_alembic(state: State, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from trailwarden.state import State\n"
        f"State.open(Path({str(tmp_path / 'home')!r})); print('alembic' in sys.modules, 'boto3' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = ("sqlalchemy", "alembic", "boto3", "botocore", "cryptography")
    program = (
        "import sys, trailwarden.state, trailwarden.aws.broker, trailwarden.aws.doctor, trailwarden.aws.templates\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_migrations_make_the_tables_that_the_program_uses(state: State) -> None:
    with state.read() as database:
        assert compare_metadata(MigrationContext.configure(database), METADATA) == []
        assert database.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == revisions()[-1]
    folder = Path(store_module.__file__).parent / "migrations"
    assert tuple(reversed([each.revision for each in ScriptDirectory(str(folder)).walk_revisions()])) == revisions()


def test_a_database_of_a_newer_version_is_left_alone(state: State, tmp_path: Path) -> None:
    with state.write() as database:
        database.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SetupError, match="schema 9999") as caught:
        State.open(tmp_path / "home")
    assert "update trailwarden" in caught.value.remedy


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = command.upgrade

    def upgrade_and_crash(config: Config, revision: str) -> None:
        upgrade(config, revision)
        raise Crash

    monkeypatch.setattr(command, "upgrade", upgrade_and_crash)
    with pytest.raises(Crash):
        State.open(tmp_path)
    with sqlite3.connect(tmp_path / "state.db") as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == []
    raw.close()
    monkeypatch.undo()
    with State.open(tmp_path) as state:
        assert state.connections.list() == ()


def test_sqlite_is_set_up_for_many_readers_and_checked_references(state: State) -> None:
    with state.read() as database:
        assert database.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert database.execute(sa.text("PRAGMA foreign_keys")).scalar() == 1


def test_a_transaction_happens_whole_or_not_at_all(state: State) -> None:
    def forget_and_crash() -> None:
        with state.write() as database:
            database.execute(sa.text("DELETE FROM alembic_version"))
            raise Crash

    with pytest.raises(Crash):
        forget_and_crash()
    with state.read() as database:
        assert database.execute(sa.text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_a_database_that_stays_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_PATIENCE", 50)
    with State.open(tmp_path) as state, state.write(), State.open(tmp_path) as other:
        assert other.connections.list() == (), "readers do not wait"
        with pytest.raises(Busy), other.write():
            pass


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database at all, whatever its name says" * 30)
    with pytest.raises(SetupError, match="not a database"):
        State.open(tmp_path)


def test_a_home_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be used"):
        State.open(tmp_path / "file" / "home")


@pytest.mark.parametrize("url", ["nonsense", "oracle9i://x", "postgresql+nothing://secret-user:secret@h/d"])
def test_urls_that_cannot_be_used(tmp_path: Path, url: str) -> None:
    with pytest.raises(SetupError) as caught:
        State.open(tmp_path, url)
    assert "secret" not in caught.value.message
    assert caught.value.remedy


def test_a_driver_that_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match="driver 'pg8000'"):
        State.open(tmp_path, "postgresql+pg8000://user@127.0.0.1/d")


def test_postgresql_is_reached_by_the_extra_s_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependency, match="driver 'psycopg'") as caught:
        State.open(tmp_path, "postgresql://user@127.0.0.1/d")
    assert "trailwarden[postgresql]" in caught.value.remedy


def test_a_database_by_url(tmp_path: Path) -> None:
    with State.open(tmp_path / "home", f"sqlite:///{tmp_path / 'elsewhere.db'}") as state:
        state.connections.add(ROLE, "id", now=NOW)
    assert (tmp_path / "elsewhere.db").exists()
    assert not (tmp_path / "home" / "state.db").exists()


def test_opening_it_again_does_not_drop_the_locks_of_this_process(tmp_path: Path) -> None:
    """Whoever opens and closes the file itself drops SQLite's locks: another process that ends then takes itself for
    the last one, and deletes the log that this process still writes to."""
    other = (
        "import sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1])\n"
        "database.execute('SELECT * FROM alembic_version').fetchall()\n"
        "database.close()\n"
    )
    with State.open(tmp_path) as first:
        first.connections.list()  # leaves a connection in the pool
        State.open(tmp_path).close()
        subprocess.run([sys.executable, "-c", other, str(tmp_path / "state.db")], check=True)
        assert (tmp_path / "state.db-wal").exists()
