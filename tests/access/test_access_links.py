"""Links to set a password: once, for a day, for one person, and past no second factor."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from access_kit import JANE, KEEPER, LIMITS, OMAR, PASSWORD, House
from alembic import command
from alembic.config import Config

from trailwarden.access import Person
from trailwarden.errors import NotAuthenticated, UsageError
from trailwarden.state import State, migrate, tables
from trailwarden.state.logins import SecondFactorNeeded
from trailwarden.state.people import PASSWORD_LINK, PasswordLink

FRESH = "a fresh and long one"


@pytest.fixture
def jane(house: House) -> Person:
    house.add(OMAR, "admin")
    return house.add(JANE, "approver")


def link(house: House, login: str = JANE) -> PasswordLink:
    return house.state.people.password_link(login, by=KEEPER, now=house.now)


def use(house: House, made: PasswordLink, password: str = FRESH) -> Person:
    return house.state.people.use_password_link(made.token, password, now=house.now)


def holds(house: House, made: PasswordLink) -> bool:
    try:
        house.state.people.of_password_link(made.token, now=house.now)
    except NotAuthenticated:
        return False
    return True


def test_a_link_sets_the_password_and_ends_the_sessions(house: House, jane: Person) -> None:
    session, _ = house.state.sessions.start(jane, limits=LIMITS, now=house.now)
    made = link(house, JANE.upper())
    assert made.address("https://warden.example.com/") == (
        f"https://warden.example.com/set-password?token={made.token}"
    )
    assert len(made.token) >= 43, "256 bits"
    assert house.state.people.of_password_link(made.token, now=house.now).login == JANE
    assert use(house, made).login == JANE
    with pytest.raises(NotAuthenticated):
        house.state.sessions.find(session, limits=LIMITS, now=house.now)
    with pytest.raises(NotAuthenticated):
        house.login()
    assert house.signed_in(password=FRESH).login == JANE
    house.whole()


def test_the_audit_chain_says_who_made_it_and_who_used_it(house: House, jane: Person) -> None:
    made = link(house)
    use(house, made)
    (said,) = house.entries("person.password_link_made")
    assert said == {"login": JANE, "expires": made.expires.isoformat()}
    assert house.entries("person.password_set")[-1] == {"login": JANE, "by_link": True}
    entry = max(house.state.audit.entries(), key=lambda each: each.seq)
    assert '"name":"jane@example.com"' in entry.actor.replace(" ", "")
    assert all(made.token not in each.body for each in house.state.audit.entries())


def test_the_first_password_comes_by_a_link_too(house: House, jane: Person) -> None:
    house.add("new@example.com", "viewer", password=None)
    use(house, link(house, "new@example.com"))
    assert house.signed_in("new@example.com", FRESH).login == "new@example.com"


def test_it_holds_once(house: House, jane: Person) -> None:
    made = link(house)
    use(house, made)
    with pytest.raises(NotAuthenticated) as refused:
        use(house, made, "somebody else's idea")
    assert refused.value.remedy
    assert house.signed_in(password=FRESH).login == JANE


def test_it_holds_for_a_day(house: House, jane: Person) -> None:
    made = link(house)
    house.now += PASSWORD_LINK - timedelta(seconds=1)
    assert holds(house, made)
    assert house.state.people.password_link_until(JANE, now=house.now) == made.expires
    house.forward(seconds=1)
    assert not holds(house, made)
    assert house.state.people.password_link_until(JANE, now=house.now) is None
    with pytest.raises(NotAuthenticated):
        use(house, made)


def test_a_later_one_ends_the_earlier_and_nobody_else_s(house: House, jane: Person) -> None:
    before, his = link(house), link(house, OMAR)
    made = link(house)
    assert not holds(house, before)
    assert holds(house, made)
    assert holds(house, his)


@pytest.mark.parametrize("token", ["", "x" * 43, "\ud800"])
def test_a_guess_is_none(house: House, jane: Person, token: str) -> None:
    link(house)
    with pytest.raises(NotAuthenticated):
        house.state.people.use_password_link(token, FRESH, now=house.now)


@pytest.mark.parametrize("password", ["short", JANE + " and more", "aaaaaaaaaaaaaaaa"], ids=["short", "login", "weak"])
def test_a_bad_password_leaves_it_good(house: House, jane: Person, password: str) -> None:
    made = link(house)
    with pytest.raises(UsageError):
        use(house, made, password)
    assert holds(house, made)
    assert house.signed_in().login == JANE


def test_it_gets_past_no_second_factor(house: House, jane: Person) -> None:
    house.enrol()
    use(house, link(house))
    assert isinstance(house.login(password=FRESH), SecondFactorNeeded)


@pytest.mark.parametrize("of", ["first_run", "second_factor", "confirmation"])
def test_what_else_is_used_once_sets_no_password(house: House, jane: Person, of: str) -> None:
    made = link(house)
    with house.state.write() as database:
        database.execute(tables.one_time_token.update().values(purpose=of))
    assert not holds(house, made)


VOID: dict[str, Callable[[House], object]] = {
    "disabled": lambda house: house.state.people.set_disabled(JANE, True, by=KEEPER, now=house.now),
    "removed": lambda house: house.state.people.remove(JANE, by=KEEPER, now=house.now),
    "password": lambda house: house.state.people.set_password(JANE, "another good password", by=KEEPER, now=house.now),
    "everywhere": lambda house: house.state.sessions.end_all(JANE, by=KEEPER, now=house.now),
}


@pytest.mark.parametrize("how", VOID)
def test_what_ends_the_sessions_ends_the_link(house: House, jane: Person, how: str) -> None:
    made = link(house)
    VOID[how](house)
    assert not holds(house, made)


def test_a_row_of_a_disabled_person_is_no_link(house: House, jane: Person) -> None:
    """As when the database was changed past this program."""
    made = link(house)
    with house.state.write() as database:
        database.execute(tables.person.update().where(tables.person.c.id == jane.id).values(disabled=True))
    assert not holds(house, made)


def test_nobody_and_who_is_disabled_get_none(house: House, jane: Person) -> None:
    house.state.people.set_disabled(JANE, True, by=KEEPER, now=house.now)
    with pytest.raises(UsageError, match="disabled"):
        link(house)
    with pytest.raises(UsageError, match="nobody has the login"):
        link(house, "mallory@example.com")
    assert house.entries("person.password_link_made") == []


def test_the_database_does_not_hold_the_link(house: House, jane: Person, home: Path) -> None:
    made = link(house)
    house.state.engine.dispose()
    assert made.token.encode() not in b"".join(path.read_bytes() for path in home.glob("state.db*"))


# ---------------------------------------------------------------- the schema before


@pytest.mark.home_database
def test_what_was_kept_before_this_schema_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_before(connection: sa.Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        command.upgrade(config, "0006")

    with monkeypatch.context() as patched:
        patched.setattr(migrate, "_upgrade", stop_before)
        State.open(tmp_path).close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'state.db'}")
    at = "2026-11-24 09:00:00.000000"
    with engine.begin() as database:
        for table, values in (
            ("person", {"id": "p1", "login": JANE, "login_key": JANE, "name": "Jane", "roles": "admin", "disabled": 0}),
            ("web_session", {"id_hash": "h1", "person_id": "p1", "authenticated_at": at, "last_seen": at}),
            ("one_time_token", {"token_hash": "t1", "purpose": "registration", "person_id": "p1", "expires": at}),
        ):
            more = {} if table == "one_time_token" else {"created_at": at}
            columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in (*values, *more)]
            database.execute(sa.insert(sa.table(table, *columns)).values(**values, **more))
    engine.dispose()
    with State.open(tmp_path) as state, state.read() as database:
        session = database.execute(sa.select(tables.web_session)).mappings().one()
        token = database.execute(sa.select(tables.one_time_token)).mappings().one()
    assert (session["id_hash"], session["agent"]) == ("h1", None)
    assert session["authenticated_at"] == session["created_at"]
    assert (token["token_hash"], token["purpose"], token["authenticated_at"]) == ("t1", "registration", None)


def test_the_database_takes_no_other_purpose(house: House, jane: Person) -> None:
    values = {"token_hash": "t", "purpose": "anything", "person_id": jane.id, "expires": house.now}
    with pytest.raises(sa.exc.IntegrityError), house.state.write() as database:
        database.execute(tables.one_time_token.insert().values(**values))


def test_the_password_before_is_wrong_afterwards(house: House, jane: Person) -> None:
    use(house, link(house))
    with pytest.raises(NotAuthenticated):
        house.login(password=PASSWORD)
