"""Sessions of the console: fixation, rotation, both expiries, and what happens to a person in the middle of one."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from access_kit import JANE, KEEPER, LIMITS, OMAR, House
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trailwarden.access import AGENT_MOST, KeptSession, Person, WebSession
from trailwarden.errors import NotAuthenticated, UsageError
from trailwarden.respond import Approver, Denied, Ledger
from trailwarden.state import tables
from trailwarden.state.access import check_csrf, csrf_of, shown_id


@pytest.fixture
def jane(house: House) -> Person:
    house.add(OMAR, "admin", "approver")
    return house.add(JANE, "approver", "viewer")


def start(house: House, person: Person, replaces: str | None = None, agent: str = "") -> tuple[str, WebSession]:
    return house.state.sessions.start(
        person,
        limits=LIMITS,
        now=house.now,
        authenticated_at=house.now,
        address="192.0.2.1",
        agent=agent,
        replaces=replaces,
    )


def renew(house: House, identifier: str, person: Person) -> tuple[str, WebSession]:
    return house.state.sessions.reauthenticated(
        identifier, person, limits=LIMITS, authenticated_at=house.now, now=house.now
    )


def listed(house: House, login: str = JANE) -> list[KeptSession]:
    return list(house.state.sessions.list(login, limits=LIMITS, now=house.now))


def find(house: House, identifier: str) -> WebSession:
    return house.state.sessions.find(identifier, limits=LIMITS, now=house.now)


def over(house: House, identifier: str) -> bool:
    try:
        find(house, identifier)
    except NotAuthenticated:
        return True
    return False


def test_a_session_is_a_persons(house: House, jane: Person) -> None:
    identifier, session = start(house, jane)
    assert len(identifier) >= 43, "256 bits"
    assert session == find(house, identifier)
    assert session.session.person == JANE
    assert session.session.roles == {"viewer", "approver"}
    assert session.session.method == "interactive"
    assert session.session.authenticated_at == house.now


@pytest.mark.parametrize("identifier", ["", "x" * 43, "\ud800", "' OR 1=1 --"])
def test_a_guess_is_no_session(house: House, jane: Person, identifier: str) -> None:
    start(house, jane)
    assert over(house, identifier)


def test_an_id_that_the_browser_came_with_is_never_taken_over(house: House, jane: Person) -> None:
    planted = "an-id-that-an-attacker-chose-for-the-victim"
    identifier, _ = start(house, jane, replaces=planted)
    assert identifier != planted
    assert over(house, planted)


def test_signing_in_again_ends_the_session_before(house: House, jane: Person) -> None:
    attackers, _ = start(house, house.state.people.get(OMAR))
    victims, session = start(house, jane, replaces=attackers)
    assert over(house, attackers), "whoever knows the id that the browser had before gets nothing"
    assert find(house, victims).person.login == session.person.login == JANE
    assert house.entries("session.ended") == [{"login": OMAR, "sessions": 1, "reason": "signed in again"}]


def test_the_database_does_not_hold_what_the_browser_holds(house: House, jane: Person, home: Path) -> None:
    identifier, session = start(house, jane)
    house.state.engine.dispose()
    stored = b"".join(path.read_bytes() for path in home.glob("state.db*"))
    assert identifier.encode() not in stored
    assert session.csrf.encode() not in stored


@pytest.mark.parametrize("minutes", [30, 31, 10_000])
def test_a_session_that_is_not_used_ends(house: House, jane: Person, minutes: int) -> None:
    identifier, _ = start(house, jane)
    house.forward(minutes=minutes)
    assert over(house, identifier)
    assert house.entries("session.ended") == [{"login": JANE, "sessions": 1, "reason": "expired"}]


def test_use_keeps_it_alive_but_not_for_ever_and_renews_no_authentication(house: House, jane: Person) -> None:
    identifier, session = start(house, jane)
    began = house.now
    while house.now - began < LIMITS.absolute - timedelta(minutes=29):
        house.forward(minutes=29)
        assert find(house, identifier).authenticated_at == session.authenticated_at
    house.now = began + LIMITS.absolute
    assert over(house, identifier)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 3000), max_size=20))
def test_it_holds_exactly_as_long_as_it_says(house: House, seconds: list[int]) -> None:
    if not house.state.people.list():
        house.add(JANE)
    identifier, session = start(house, house.state.people.get(JANE))
    expires = session.expires
    for each in seconds:
        house.forward(seconds=each)
        assert over(house, identifier) == (house.now >= expires)
        if house.now >= expires:
            return
        expires = find(house, identifier).expires
        assert expires <= session.created_at + LIMITS.absolute
        assert expires > house.now


def test_authenticating_again_renews_that_alone_under_a_new_id(house: House, jane: Person) -> None:
    before, session = start(house, jane)
    house.forward(minutes=20)
    after, renewed = renew(house, before, jane)
    assert after != before
    assert over(house, before)
    assert renewed.authenticated_at == house.now
    assert renewed.created_at == session.created_at
    assert renewed.csrf != session.csrf
    house.now = session.created_at + LIMITS.absolute
    assert over(house, after)


def test_somebody_else_does_not_take_a_session_over_by_authenticating(house: House, jane: Person) -> None:
    identifier, session = start(house, jane)
    with pytest.raises(NotAuthenticated, match="another person"):
        renew(house, identifier, house.state.people.get(OMAR))
    assert find(house, identifier) == session


def test_a_session_that_is_over_is_not_renewed(house: House, jane: Person) -> None:
    identifier, _ = start(house, jane)
    house.state.sessions.end(identifier, now=house.now)
    with pytest.raises(NotAuthenticated):
        renew(house, identifier, jane)


ENDS: dict[str, Callable[[House], object]] = {
    "disabled": lambda house: house.state.people.set_disabled(JANE, True, by=KEEPER, now=house.now),
    "removed": lambda house: house.state.people.remove(JANE, by=KEEPER, now=house.now),
    "password": lambda house: house.state.people.set_password(JANE, "another good password", by=KEEPER, now=house.now),
    "code removed": lambda house: house.state.people.remove_totp(JANE, by=KEEPER, now=house.now),
    "everywhere": lambda house: house.state.sessions.end_all(JANE.upper(), by=KEEPER, now=house.now),
}


@pytest.mark.parametrize("how", ENDS)
def test_what_ends_every_session_of_a_person_and_of_nobody_else(house: House, jane: Person, how: str) -> None:
    hers = [start(house, jane)[0] for _ in range(3)]
    his, _ = start(house, house.state.people.get(OMAR))
    ENDS[how](house)
    assert all(over(house, each) for each in hers)
    assert not over(house, his)
    (ended,) = house.entries("session.ended")
    assert (ended["login"], ended["sessions"]) == (JANE, 3)
    house.whole()


def test_who_is_disabled_cannot_begin_one(house: House, jane: Person) -> None:
    house.state.people.set_disabled(JANE, True, by=KEEPER, now=house.now)
    with pytest.raises(NotAuthenticated):
        start(house, jane)


def test_a_row_of_a_disabled_person_is_no_session(house: House, jane: Person) -> None:
    """As when the database was changed past this program."""
    identifier, _ = start(house, jane)
    with house.state.write() as database:
        database.execute(tables.person.update().where(tables.person.c.id == jane.id).values(disabled=True))
    assert over(house, identifier)
    assert house.entries("session.ended")[0]["reason"] == "disabled"


def test_a_role_that_is_taken_is_gone_in_the_middle_of_a_session(house: House, jane: Person) -> None:
    identifier, session = start(house, jane)
    people = house.state.people
    ledger = Ledger(house.state, now=lambda: house.now, approvers=people.approvers, people=people.logins)
    house.state.people.set_roles(JANE, ("viewer",), by=KEEPER, now=house.now)
    assert find(house, identifier).session.roles == {"viewer"}
    with pytest.raises(Denied) as caught:
        ledger.reject("0" * 12, Approver.from_session(session.session), "no")
    assert caught.value.code == "not_approver", "nor by what was read before"


def test_signing_out_twice_is_no_error(house: House, jane: Person) -> None:
    identifier, _ = start(house, jane)
    house.state.sessions.end(identifier, now=house.now)
    house.state.sessions.end(identifier, now=house.now)
    assert over(house, identifier)
    assert house.entries("session.ended") == [{"login": JANE, "sessions": 1, "reason": "signed out"}]


def test_signing_out_nobody_everywhere_is_an_error(house: House, jane: Person) -> None:
    assert house.state.sessions.end_all(JANE, by=KEEPER, now=house.now) == 0
    with pytest.raises(UsageError):
        house.state.sessions.end_all("mallory@example.com", by=KEEPER, now=house.now)


def test_sessions_that_nobody_came_back_to_are_swept(house: House, jane: Person) -> None:
    start(house, jane)
    house.forward(hours=1)
    start(house, house.state.people.get(OMAR))
    assert house.entries("session.ended") == [{"login": JANE, "sessions": 1, "reason": "expired"}]


def test_the_token_of_a_form_is_its_sessions(house: House, jane: Person) -> None:
    one, session = start(house, jane)
    other, _ = start(house, jane)
    assert check_csrf(one, session.csrf)
    assert session.csrf == csrf_of(one) != one
    for wrong in ("", csrf_of(other), session.csrf[:-1], session.csrf.upper(), one, "\ud800"):
        assert not check_csrf(one, wrong)


# ---------------------------------------------------------------- what is known of when


def test_a_session_of_unknown_authentication_decides_nothing(house: House, jane: Person) -> None:
    identifier, session = house.state.sessions.start(jane, limits=LIMITS, now=house.now)
    assert session.authenticated_at is None
    assert find(house, identifier).authenticated_at is None
    people = house.state.people
    ledger = Ledger(house.state, now=lambda: house.now, approvers=people.approvers, people=people.logins)
    with pytest.raises(Denied) as caught:
        ledger.reject("0" * 12, Approver.from_session(session.session), "no")
    assert caught.value.code == "stale_session"
    _, renewed = renew(house, identifier, jane)
    assert renewed.session.authenticated_at == house.now


# ---------------------------------------------------------------- the list


def test_the_list_is_of_what_holds_the_last_used_first(house: House, jane: Person) -> None:
    start(house, jane, agent="curl/8.5")
    house.forward(minutes=20)
    phone, _ = start(house, jane, agent="Phone")
    start(house, house.state.people.get(OMAR))
    house.forward(minutes=1)
    laptop, _ = start(house, jane, agent="Laptop")
    house.forward(minutes=5)
    find(house, phone)
    house.forward(minutes=5)
    assert [(each.agent, each.id) for each in listed(house)] == [
        ("Phone", shown_id(phone)),
        ("Laptop", shown_id(laptop)),
    ], "the first has not been used for half an hour"
    first = listed(house)[0]
    assert (first.address, first.last_seen) == ("192.0.2.1", house.now - timedelta(minutes=5))
    assert first.authenticated_at == first.created_at == house.now - timedelta(minutes=11)
    assert first.expires == first.last_seen + LIMITS.idle


def test_what_the_list_shows_lets_nobody_in(house: House, jane: Person) -> None:
    identifier, _ = start(house, jane)
    (shown,) = listed(house)
    with house.state.read() as database:
        kept = database.execute(sa.select(tables.web_session.c.id_hash)).scalar_one()
    assert shown.id not in identifier
    assert shown.id not in kept
    assert over(house, shown.id)


@pytest.mark.parametrize(
    ("said", "kept"),
    [("", None), ("  \t", None), ("a\nb\x1b[31m", "ab[31m"), ("x" * 5000, "x" * AGENT_MOST), ("<b>", "<b>")],
    ids=["nothing", "space", "control characters", "long", "markup"],
)
def test_what_a_browser_says_of_itself_is_kept_in_bounds(house: House, jane: Person, said: str, kept: str) -> None:
    identifier, _ = start(house, jane, agent=said)
    assert listed(house)[0].agent == kept
    renew(house, identifier, jane)
    assert [each.agent for each in listed(house)] == [kept], "and stays with the session under its new id"


def test_one_of_the_list_is_ended(house: House, jane: Person) -> None:
    lost, _ = start(house, jane)
    own, _ = start(house, jane)
    house.state.sessions.end_one(JANE, shown_id(lost), by=KEEPER, now=house.now)
    assert over(house, lost)
    assert not over(house, own)
    assert house.entries("session.ended") == [{"login": JANE, "sessions": 1, "reason": "ended from the list"}]
    with pytest.raises(UsageError, match="no such session"):
        house.state.sessions.end_one(JANE, shown_id(lost), by=KEEPER, now=house.now)


def test_nobody_ends_another_s_by_its_id(house: House, jane: Person) -> None:
    his, _ = start(house, house.state.people.get(OMAR))
    for shown in (shown_id(his), his, "", "%", "\ud800"):
        with pytest.raises(UsageError, match="no such session"):
            house.state.sessions.end_one(JANE, shown, by=KEEPER, now=house.now)
    assert not over(house, his)
    assert house.entries("session.ended") == []


def test_all_others_are_ended(house: House, jane: Person) -> None:
    others = [start(house, jane)[0] for _ in range(3)]
    own, _ = start(house, jane)
    his, _ = start(house, house.state.people.get(OMAR))
    assert house.state.sessions.end_others(own, by=KEEPER, now=house.now) == 3
    assert all(over(house, each) for each in others)
    assert not over(house, own)
    assert not over(house, his)
    assert house.state.sessions.end_others(own, by=KEEPER, now=house.now) == 0
    assert house.entries("session.ended") == [{"login": JANE, "sessions": 3, "reason": "signed out elsewhere"}]
    with pytest.raises(NotAuthenticated):
        house.state.sessions.end_others(others[0], by=KEEPER, now=house.now)
    assert not over(house, own), "who was signed out signs nobody out"
