"""People at rest: who is kept, who may approve, the first run, and what the audit chain says of it."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from access_kit import JANE, KEEPER, NOW, OMAR, PASSWORD, House

from trailwarden.access import FIRST_ROLES, Person
from trailwarden.errors import NotAuthenticated, UsageError
from trailwarden.model.proposal import Actor
from trailwarden.state import State, tables
from trailwarden.state.secrets import new_key

ISSUER = "https://login.example.com"
OWNER = pwd.getpwuid(os.getuid()).pw_name


def test_a_person_is_kept_with_what_they_may(house: House) -> None:
    added = house.state.people.add(
        "Jane@Example.com", name="Jane Doe", roles=("admin", "approver"), os_user="jane", by=KEEPER, now=NOW
    )
    assert added == house.state.people.get("jane@EXAMPLE.com")
    assert (added.login, added.name, added.roles, added.os_user) == (
        "Jane@Example.com", "Jane Doe", ("approver", "admin"), "jane",
    )  # fmt: skip
    assert (added.password, added.totp, added.webauthn, added.oidc, added.last_login) == (False, False, 0, None, None)
    assert house.state.people.list() == (added,)
    assert house.state.people.of_os_user("jane") == added
    assert house.state.people.of_os_user("john") is None


@pytest.mark.parametrize("other", [JANE, JANE.upper(), f" {JANE} ", "ｊａｎｅ@example.com"])
def test_a_login_is_taken_in_every_spelling(house: House, other: str) -> None:
    house.add(JANE)
    with pytest.raises(UsageError, match="already"):
        house.add(other, "viewer")
    assert len(house.state.people.list()) == 1


def test_a_user_of_the_operating_system_is_one_person(house: House) -> None:
    house.add(JANE)
    house.add(OMAR, "viewer")
    house.state.people.set_os_user(JANE, "jane", by=KEEPER, now=NOW)
    with pytest.raises(UsageError, match="already"):
        house.state.people.set_os_user(OMAR, "jane", by=KEEPER, now=NOW)
    house.state.people.set_os_user(JANE, None, by=KEEPER, now=NOW)
    assert house.state.people.set_os_user(OMAR, "jane", by=KEEPER, now=NOW).os_user == "jane"


LOSES_ITS_ADMIN: dict[str, Callable[[House], object]] = {
    "disabled": lambda house: house.state.people.set_disabled(JANE, True, by=KEEPER, now=NOW),
    "another role": lambda house: house.state.people.set_roles(JANE, ("approver",), by=KEEPER, now=NOW),
    "removed": lambda house: house.state.people.remove(JANE, by=KEEPER, now=NOW),
}


@pytest.mark.parametrize("how", LOSES_ITS_ADMIN)
def test_the_last_admin_stays(house: House, how: str) -> None:
    before = house.add(JANE)
    house.add(OMAR, "approver", "responder")
    entries = len(list(house.state.audit.entries()))
    with pytest.raises(UsageError, match="somebody must be admin"):
        LOSES_ITS_ADMIN[how](house)
    assert house.state.people.get(JANE) == before
    assert len(list(house.state.audit.entries())) == entries, "what did not happen is not in the chain"
    house.state.people.set_roles(OMAR, ("admin",), by=KEEPER, now=NOW)
    LOSES_ITS_ADMIN[how](house)


def test_a_disabled_admin_does_not_count(house: House) -> None:
    house.add(JANE)
    house.add(OMAR, "admin")
    house.state.people.set_disabled(OMAR, True, by=KEEPER, now=NOW)
    with pytest.raises(UsageError, match="somebody must be admin"):
        house.state.people.set_roles(JANE, ("viewer",), by=KEEPER, now=NOW)


def test_the_first_person_must_be_admin(house: House) -> None:
    with pytest.raises(UsageError, match="somebody must be admin"):
        house.add(JANE, "approver")
    assert house.state.people.list() == ()


def test_approvers_are_those_who_have_the_role_and_are_let_in(house: House) -> None:
    assert house.state.people.approvers() == (OWNER,)
    house.add(JANE, "admin")
    assert house.state.people.approvers() == (), "an admin is no approver, and the owner is nobody any more"
    house.add(OMAR, "approver")
    house.add("Priya@example.com", "approver", "responder")
    assert house.state.people.approvers() == (OMAR, "Priya@example.com")
    house.state.people.set_disabled(OMAR, True, by=KEEPER, now=NOW)
    assert house.state.people.approvers() == ("Priya@example.com",)
    house.state.people.set_disabled(OMAR, False, by=KEEPER, now=NOW)
    house.state.people.remove("priya@example.com", by=KEEPER, now=NOW)
    assert house.state.people.approvers() == (OMAR,)


def test_the_owner_of_the_home_is_its_one_user_until_there_are_people(house: House) -> None:
    assert house.state.people.single_user() == OWNER
    house.add(JANE)
    assert house.state.people.single_user() is None


def test_a_shared_database_has_no_single_user(home: Path, tmp_path: Path) -> None:
    with State.open(tmp_path / "other", f"sqlite:///{home / 'state.db'}") as state:
        assert state.people.single_user() is None
        assert state.people.approvers() == ()


def test_who_is_removed_leaves_nothing_but_the_chain(house: House) -> None:
    house.add(JANE)
    house.add(OMAR, "viewer")
    house.enrol(OMAR)
    house.half(OMAR)
    house.state.tokens.create(OMAR, "ci", by=KEEPER, now=house.now)
    house.state.people.remove(OMAR.upper(), by=KEEPER, now=house.now)
    with house.state.read() as database:
        for table in (tables.api_token, tables.one_time_token, tables.web_session):
            assert database.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0
    with pytest.raises(UsageError, match="nobody has the login"):
        house.state.people.get(OMAR)
    assert house.entries("person.removed") == [{"login": OMAR}]


CHANGES: dict[str, tuple[Callable[[House], object], str, dict[str, Any]]] = {
    "roles": (
        lambda house: house.state.people.set_roles(OMAR, ("approver", "viewer"), by=KEEPER, now=NOW),
        "role.changed",
        {"roles": ["viewer", "approver"], "before": ["viewer"]},
    ),
    "disabled": (
        lambda house: house.state.people.set_disabled(OMAR, True, by=KEEPER, now=NOW), "person.disabled", {},
    ),
    "enabled": (
        lambda house: house.state.people.set_disabled(OMAR, False, by=KEEPER, now=NOW), "person.enabled", {},
    ),
    "password": (
        lambda house: house.state.people.set_password(OMAR, PASSWORD, by=KEEPER, now=NOW), "person.password_set", {},
    ),
    "no code": (lambda house: house.state.people.remove_totp(OMAR, by=KEEPER, now=NOW), "person.totp_removed", {}),
    "operating system": (
        lambda house: house.state.people.set_os_user(OMAR, "omar", by=KEEPER, now=NOW),
        "person.os_user_set",
        {"os_user": "omar"},
    ),
    "provider": (
        lambda house: house.state.people.link_oidc(OMAR, ISSUER, "00u1", by=KEEPER, now=NOW),
        "person.oidc_linked",
        {"oidc_issuer": ISSUER, "oidc_subject": "00u1"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_every_change_is_in_the_chain_with_who_made_it(house: House, what: str) -> None:
    house.add(JANE)
    house.add(OMAR, "viewer", password=None)
    change, kind, body = CHANGES[what]
    change(house)
    *_, last = house.state.audit.entries()
    assert last.kind == kind
    assert '"keeper"' in last.actor
    assert house.entries(kind)[-1] == {"login": OMAR, **body}
    house.whole()


def test_adding_is_in_the_chain(house: House) -> None:
    house.add(JANE)
    assert house.entries("person.added") == [
        {"login": JANE, "name": JANE, "roles": ["responder", "approver", "admin"], "os_user": None}
    ]


@pytest.mark.home_database
def test_no_secret_is_in_the_database_in_the_clear(house: House, home: Path) -> None:
    house.add(JANE)
    secret = house.enrol(JANE)
    token, _ = house.state.tokens.create(JANE, "ci", by=KEEPER, now=house.now)
    house.state.engine.dispose()
    stored = b"".join(path.read_bytes() for path in home.glob("state.db*"))
    assert JANE.encode() in stored
    for each in (PASSWORD, secret, token, token.removeprefix("tw_")):
        assert each.encode() not in stored


def test_a_rotated_key_still_opens_the_secret_of_the_app(house: House) -> None:
    house.add(JANE)
    secret = house.enrol(JANE)
    assert house.state.rotate_key(new_key()) == 1
    assert isinstance(house.login(JANE, totp=house.code(secret)), Person)


@pytest.mark.parametrize(
    ("secret", "code"),
    [("JBSWY3DPEHPK3PXP", "000000"), ("not base32!", "000000"), ("", "000000")],
    ids=["80 bits", "no base32", "empty"],
)
def test_a_weak_secret_is_refused(house: House, secret: str, code: str) -> None:
    house.add(JANE)
    with pytest.raises(UsageError, match="not a secret"):
        house.state.people.set_totp(JANE, secret, code, by=KEEPER, now=NOW)


def test_an_app_is_kept_once_it_has_shown_its_code(house: House) -> None:
    house.add(JANE)
    enrolment = house.state.people.new_totp(JANE)
    assert "Trailwarden" in enrolment.uri
    wrong = f"{(int(house.code(enrolment.secret)) + 1) % 1_000_000:06}"
    with pytest.raises(UsageError, match="not the code"):
        house.state.people.set_totp(JANE, enrolment.secret, wrong, by=KEEPER, now=NOW)
    assert not house.state.people.get(JANE).totp
    house.state.people.set_totp(JANE, enrolment.secret, house.code(enrolment.secret), by=KEEPER, now=NOW)
    assert house.state.people.get(JANE).totp


def test_a_subject_is_one_person(house: House) -> None:
    house.add(JANE)
    house.add(OMAR, "viewer")
    assert house.state.people.link_oidc(JANE, ISSUER, "00u1", by=KEEPER, now=NOW).oidc == ISSUER
    house.state.people.link_oidc(JANE, ISSUER, "00u1", by=KEEPER, now=NOW)
    with pytest.raises(UsageError, match="somebody else"):
        house.state.people.link_oidc(OMAR, ISSUER, "00u1", by=KEEPER, now=NOW)
    with pytest.raises(UsageError, match="not a subject"):
        house.state.people.link_oidc(OMAR, "http://login.example.com", "00u2", by=KEEPER, now=NOW)
    found = house.state.people.of_oidc(ISSUER, "00u1")
    assert found is not None
    assert found.login == JANE
    assert house.state.people.of_oidc("https://evil.example.com", "00u1") is None


# ---------------------------------------------------------------- the first run


def offered(house: House) -> str:
    link = house.state.people.first_run_link("http://127.0.0.1:8765/", by=KEEPER, now=house.now)
    address, _, token = link.partition("?token=")
    assert address == "http://127.0.0.1:8765/first-run"
    return token


def claim(house: House, token: str, login: str = JANE, password: str = PASSWORD) -> tuple[Person, str]:
    return house.state.people.first_run(token, login=login, password=password, now=house.now)


def test_the_first_run_makes_the_first_person(house: House) -> None:
    person, notice = claim(house, offered(house))
    assert person.roles == FIRST_ROLES
    assert "no four eyes" in notice
    assert house.signed_in(JANE).id == person.id
    assert house.state.people.approvers() == (JANE,)
    assert [entry.kind for entry in house.state.audit.entries()][:3] == [
        "first_run.offered", "person.added", "person.password_set",
    ]  # fmt: skip
    house.whole()


def test_the_first_person_is_who_printed_the_link(house: House) -> None:
    person, _ = house.state.people.first_run(
        offered(house), login=JANE, password=PASSWORD, os_user=OWNER, now=house.now
    )
    assert house.state.people.of_os_user(OWNER) == person


def test_the_link_of_the_first_run_works_once(house: House) -> None:
    token = offered(house)
    claim(house, token)
    with pytest.raises(NotAuthenticated):
        claim(house, token, "mallory@example.com")
    with pytest.raises(UsageError, match="there are people"):
        offered(house)
    assert [each.login for each in house.state.people.list()] == [JANE]


def test_a_link_expires(house: House) -> None:
    token = offered(house)
    house.forward(minutes=15)
    with pytest.raises(NotAuthenticated):
        claim(house, token)


def test_a_second_link_voids_the_first(house: House) -> None:
    first, second = offered(house), offered(house)
    with pytest.raises(NotAuthenticated):
        claim(house, first)
    claim(house, second)


def test_a_link_is_no_good_once_there_are_people(house: House) -> None:
    token = offered(house)
    house.add(JANE)
    with pytest.raises(NotAuthenticated):
        claim(house, token, "mallory@example.com")


@pytest.mark.parametrize("token", ["", "x" * 43, "\ud800"])
def test_a_guessed_link_is_none(house: House, token: str) -> None:
    offered(house)
    with pytest.raises(NotAuthenticated):
        claim(house, token)


@pytest.mark.parametrize(("login", "password"), [("", PASSWORD), (JANE, "short")], ids=["login", "password"])
def test_a_mistake_does_not_use_up_the_link(house: House, login: str, password: str) -> None:
    token = offered(house)
    with pytest.raises(UsageError):
        claim(house, token, login, password)
    claim(house, token)


def test_the_half_of_a_login_is_no_link(house: House) -> None:
    house.add(JANE)
    house.enrol(JANE)
    with pytest.raises(NotAuthenticated):
        claim(house, house.half(JANE).step, "mallory@example.com")


def test_who_changes_people_is_kept_as_given(house: House) -> None:
    by = Actor(kind="person", name=OMAR, via="console")
    house.state.people.add(JANE, roles=("admin",), by=by, now=NOW)
    *_, last = house.state.audit.entries()
    assert OMAR in last.actor
    assert '"console"' in last.actor
