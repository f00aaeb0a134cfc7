"""Logins and what attacks them: guesses, replayed codes, unknown and disabled logins, and many at once."""

import json
import threading
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from access_kit import ADDRESS, JANE, KEEPER, NOW, OMAR, PASSWORD, House, seen
from argon2 import PasswordHasher
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trailwarden.access import ADDRESS_WAIT, LOGIN_WAIT, Person
from trailwarden.errors import LoginLimited, NotAuthenticated
from trailwarden.state import passwords, tables
from trailwarden.state.logins import Attempt, SecondFactorNeeded

ISSUER = "https://login.example.com"


@pytest.fixture
def jane(house: House) -> Person:
    return house.add(JANE)


def fail(house: House, times: int, login: str = JANE, address: str | None = ADDRESS) -> None:
    for _ in range(times):
        with pytest.raises(NotAuthenticated):
            house.login(login, "wrong wrong wrong", attempt=house.attempt(address))


def test_whoever_is_signed_in_is_counted_apart(house: House, jane: Person) -> None:
    again = msgspec.structs.replace(house.attempt(), again=True)
    for login in (JANE, f"again {JANE}", f"again:{JANE}"):
        fail(house, 12, login)
    with pytest.raises(LoginLimited):
        house.login()
    assert house.login(attempt=again) == house.state.people.get(JANE)
    for _ in range(12):
        with pytest.raises(NotAuthenticated):
            house.login(JANE, "wrong wrong wrong", attempt=again)
    with pytest.raises(LoginLimited):
        house.login(attempt=again)


@pytest.mark.parametrize("login", [JANE, JANE.upper(), f"  {JANE} ", "ｊａｎｅ@example.com"])
def test_a_login_is_found_in_every_spelling(house: House, jane: Person, login: str) -> None:
    assert house.signed_in(login).id == jane.id
    (body,) = house.entries("login.succeeded")
    assert body == {"login": JANE, "address": ADDRESS, "by": ["password"]}
    assert house.state.people.get(JANE).last_login == house.now


def test_a_password_is_found_in_every_spelling(house: House) -> None:
    house.add(JANE, password="caf\u00e9 au lait, s'il vous plait")
    assert house.signed_in(JANE, "cafe\u0301 au lait, s'il vous plait")


REFUSED: dict[str, tuple[str, str, str]] = {
    "password": (JANE, "wrong wrong wrong", "password"),
    "case": (JANE, PASSWORD.upper(), "password"),
    "empty": (JANE, "", "password"),
    "long": (JANE, PASSWORD * 10_000, "password"),
    "surrogate": (JANE, "\ud800" * 12, "password"),
    "unknown": ("mallory@example.com", PASSWORD, "unknown"),
    "no text": ("\x00", PASSWORD, "unknown"),
    "surrogate login": ("\ud800", PASSWORD, "unknown"),
    "empty login": ("", PASSWORD, "unknown"),
    "disabled": ("gone@example.com", PASSWORD, "disabled"),
    "disabled, wrong password": ("gone@example.com", "wrong wrong wrong", "disabled"),
    "without a password": (OMAR, "", "password"),
}


def crowd(house: House) -> None:
    house.add(JANE)
    house.add(OMAR, "viewer", password=None)
    house.add("gone@example.com", "viewer")
    house.state.people.set_disabled("gone@example.com", True, by=KEEPER, now=NOW)


def test_whoever_is_refused_is_told_the_same(house: House) -> None:
    crowd(house)
    told = {
        seen(lambda: house.login(*each[:2], attempt=house.attempt(None)), NotAuthenticated)  # noqa: B023 - at once
        for each in REFUSED.values()
    }
    assert len(told) == 1


@pytest.mark.parametrize("what", REFUSED)
def test_the_audit_chain_knows_why(house: House, what: str) -> None:
    crowd(house)
    login, password, reason = REFUSED[what]
    with pytest.raises(NotAuthenticated):
        house.login(login, password)
    known = login if reason != "unknown" else None
    assert house.entries("login.failed") == [{"login": known, "address": ADDRESS, "reason": reason}]
    *_, last = house.state.audit.entries()
    assert json.loads(last.actor)["name"] == "", "nobody showed who they are"
    house.whole()


@pytest.mark.parametrize("what", REFUSED)
def test_every_login_takes_the_same_path(
    house: House, what: str, cheap_hashes: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(house)
    passwords.verify_password(None, "")  # its decoy is made once
    asked: list[str] = []

    class Counting:
        def verify(self, stored: str, password: bytes) -> bool:
            asked.append(stored.rpartition("$")[0].rpartition("$")[0])
            return cheap_hashes.verify(stored, password)

    monkeypatch.setattr(passwords, "hasher", Counting)
    with pytest.raises(NotAuthenticated):
        house.login(*REFUSED[what][:2])
    assert asked == ["$argon2id$v=19$m=8,t=1,p=1"], "one hash is verified, with the parameters of all"


def test_a_decoy_is_nobodys_password(house: House) -> None:
    assert passwords.verify_password(None, "") is False
    assert passwords.verify_password(passwords.hash_password(PASSWORD), PASSWORD) is True


def test_what_is_typed_into_the_wrong_field_is_not_kept(house: House, jane: Person) -> None:
    with pytest.raises(NotAuthenticated):
        house.login("My-Secret-Passphrase-7", "")
    fail(house, LOGIN_WAIT.free, login="My-Secret-Passphrase-7")
    with pytest.raises(LoginLimited):
        house.login("My-Secret-Passphrase-7", "")
    kept = "".join(entry.body + entry.actor for entry in house.state.audit.entries())
    with house.state.read() as database:
        kept += str(database.execute(sa.select(tables.failed_login)).all())
    assert "passphrase" not in kept.casefold()


def test_a_hash_of_other_parameters_is_renewed(house: House, jane: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    monkeypatch.setattr(passwords, "hasher", lambda: stronger)
    house.signed_in()
    with house.state.read() as database:
        stored = database.execute(sa.select(tables.person.c.password_hash)).scalar_one()
    assert "m=16,t=2,p=1" in stored
    assert house.signed_in()


def test_new_hashes_are_argon2id_as_recommended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert passwords.hash_password(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


# ---------------------------------------------------------------- limits


def test_a_login_that_failed_often_waits_and_then_succeeds(house: House, jane: Person) -> None:
    fail(house, LOGIN_WAIT.free + 1)
    with pytest.raises(LoginLimited) as caught:
        house.login()
    assert caught.value.retry_after == 1
    house.forward(seconds=1)
    assert house.signed_in()
    fail(house, LOGIN_WAIT.free)
    assert house.signed_in(), "a success forgives what was before it"


def test_waiting_does_not_lengthen_the_wait(house: House, jane: Person) -> None:
    fail(house, LOGIN_WAIT.free + 1)
    for _ in range(20):
        with pytest.raises(LoginLimited):
            house.login()
    house.forward(seconds=1)
    assert house.signed_in()


def test_the_limit_of_a_login_holds_for_every_address_and_spelling(house: House, jane: Person) -> None:
    for number in range(LOGIN_WAIT.free + 1):
        fail(house, 1, JANE.upper() if number % 2 else JANE, f"198.51.100.{number}")
    with pytest.raises(LoginLimited):
        house.login(f" {JANE}", attempt=house.attempt("203.0.113.1"))


def test_the_limit_of_an_address_holds_for_every_login(house: House, jane: Person) -> None:
    for number in range(ADDRESS_WAIT.free + 1):
        fail(house, 1, f"user{number}@example.com", f"2001:db8::{number:x}")
    with pytest.raises(LoginLimited):
        house.login(JANE, attempt=house.attempt("2001:db8::ffff"))
    assert house.login(JANE, attempt=house.attempt("2001:db8:0:1::1"))


def test_one_good_account_does_not_buy_guesses_at_others(house: House, jane: Person) -> None:
    house.add("mallory@example.com", "viewer")
    for number in range(ADDRESS_WAIT.free + 1):
        fail(house, 1, f"user{number}@example.com")
        house.forward(seconds=0 if number < ADDRESS_WAIT.free else 1)
        if number < ADDRESS_WAIT.free:
            house.signed_in("mallory@example.com")
    fail(house, 1, "another@example.com")
    with pytest.raises(LoginLimited):
        house.login("mallory@example.com")


def test_an_unknown_login_waits_as_a_known_one_does(house: House, jane: Person) -> None:
    told = {}
    for login, address in ((JANE, "192.0.2.1"), ("mallory@example.com", "192.0.2.2")):
        fail(house, LOGIN_WAIT.free + 1, login, address)
        told[login] = seen(lambda: house.login(login, attempt=house.attempt(address)), LoginLimited)  # noqa: B023
    assert len(set(told.values())) == 1


def test_failures_are_forgotten_after_a_day(house: House, jane: Person) -> None:
    fail(house, LOGIN_WAIT.free)
    house.now += LOGIN_WAIT.forget
    fail(house, LOGIN_WAIT.free)
    assert house.signed_in()
    with house.state.read() as database:
        assert database.execute(sa.select(sa.func.max(tables.failed_login.c.failures))).scalar() == LOGIN_WAIT.free


def test_a_limit_is_in_the_chain_once_for_each_wait(house: House, jane: Person) -> None:
    fail(house, LOGIN_WAIT.free + 1)
    for _ in range(5):
        with pytest.raises(LoginLimited):
            house.login()
    assert house.entries("login.limited") == [{"login": JANE, "address": ADDRESS, "by": ["login"]}]
    house.forward(seconds=1)
    fail(house, 1)
    with pytest.raises(LoginLimited):
        house.login()
    assert len(house.entries("login.limited")) == 2


def test_guesses_at_once_count_each(house: House, jane: Person) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def guess() -> None:
        start.wait()
        outcomes.append(seen(lambda: house.login(JANE, "wrong wrong wrong"), NotAuthenticated).split(":")[0])

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == ["LoginLimited"] * 2 + ["NotAuthenticated"] * 6
    house.whole()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 900)), max_size=25))
def test_no_order_of_attempts_gets_more_guesses_than_the_policy(house: House, steps: list[tuple[bool, int]]) -> None:
    """Whatever is tried and waited: the n-th failure since a success that is looked at has waited for its turn."""
    with house.state.write() as database:
        for table in (tables.failed_login, tables.person):
            database.execute(table.delete())
    house.add(JANE)
    failures, free_at = 0, house.now
    for right, seconds in steps:
        house.forward(seconds=seconds)
        password = PASSWORD if right else "wrong wrong wrong"
        if house.now < free_at:
            with pytest.raises(LoginLimited):
                house.login(JANE, password, attempt=house.attempt(None))
        elif right:
            assert house.login(JANE, password, attempt=house.attempt(None))
            failures, free_at = 0, house.now
        else:
            fail(house, 1, address=None)
            failures += 1
            free_at = house.now + LOGIN_WAIT.wait(failures)


# ---------------------------------------------------------------- the code of an app


@pytest.fixture
def secret(house: House, jane: Person) -> str:
    return house.enrol(JANE)


def test_a_password_alone_does_not_do(house: House, secret: str) -> None:
    half = house.half()
    assert half.methods == ("totp",)
    assert house.entries("login.succeeded") == []
    person = house.state.logins.answer(half.step, house.code(secret), attempt=house.attempt())
    assert person.login == JANE
    assert house.entries("login.succeeded")[0]["by"] == ["totp"]


def test_both_halves_at_once(house: House, secret: str) -> None:
    assert isinstance(house.login(totp=house.code(secret)), Person)
    assert isinstance(house.login(totp=""), SecondFactorNeeded)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_clock_may_be_half_a_minute_off(house: House, secret: str, steps: int) -> None:
    assert isinstance(house.login(totp=house.code(secret, steps)), Person)


@pytest.mark.parametrize("steps", [-3, -2, 2, 3])
def test_a_code_of_another_time_is_wrong(house: House, secret: str, steps: int) -> None:
    with pytest.raises(NotAuthenticated):
        house.login(totp=house.code(secret, steps))
    assert house.entries("login.failed")[0]["reason"] == "totp"


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12 34"])
def test_what_is_no_code_is_wrong(house: House, secret: str, code: str) -> None:
    with pytest.raises(NotAuthenticated):
        house.state.logins.answer(house.half().step, code, attempt=house.attempt())


def test_a_code_is_accepted_once(house: House, secret: str) -> None:
    code = house.code(secret)
    assert isinstance(house.login(totp=code), Person)
    with pytest.raises(NotAuthenticated):
        house.login(totp=code)
    half = house.half()
    with pytest.raises(NotAuthenticated):
        house.state.logins.answer(half.step, code, attempt=house.attempt())
    assert [each["reason"] for each in house.entries("login.failed")] == ["totp_replayed"] * 2
    house.forward(seconds=30)
    assert isinstance(house.login(totp=house.code(secret)), Person)


def test_a_code_before_one_that_was_used_is_replayed(house: House, secret: str) -> None:
    assert isinstance(house.login(totp=house.code(secret)), Person)
    with pytest.raises(NotAuthenticated):
        house.login(totp=house.code(secret, -1))


def test_the_code_of_the_enrolment_is_used_up(house: House, jane: Person) -> None:
    secret = house.state.people.new_totp(JANE).secret
    code = house.code(secret)
    house.state.people.set_totp(JANE, secret, code, by=KEEPER, now=house.now)
    with pytest.raises(NotAuthenticated):
        house.login(totp=code)


def test_a_code_is_accepted_once_even_at_once(house: House, secret: str) -> None:
    code, outcomes = house.code(secret), list[Any]()
    start = threading.Barrier(4)

    def answer(step: str) -> None:
        start.wait()
        try:
            outcomes.append(house.state.logins.answer(step, code, attempt=house.attempt()).login)
        except NotAuthenticated:
            outcomes.append(None)

    threads = [threading.Thread(target=answer, args=(house.half().step,)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes, key=str) == [None, None, None, JANE]


def test_who_has_the_password_gets_no_free_guesses_at_the_code(house: House, secret: str) -> None:
    guesses = 0
    for _ in range(30):
        try:
            half = house.half()
            house.state.logins.answer(half.step, house.code(secret, 9), attempt=house.attempt(None))
        except LoginLimited:
            break
        except NotAuthenticated:
            guesses += 1
    assert guesses == LOGIN_WAIT.free + 1


def test_one_half_is_good_for_many_guesses_only_as_the_limit_says(house: House, secret: str) -> None:
    half = house.half()
    for _ in range(LOGIN_WAIT.free + 1):
        with pytest.raises(NotAuthenticated):
            house.state.logins.answer(half.step, "000000", attempt=house.attempt(None))
    with pytest.raises(LoginLimited):
        house.state.logins.answer(half.step, house.code(secret), attempt=house.attempt(None))


def test_a_half_is_used_once_and_expires(house: House, secret: str) -> None:
    half = house.half()
    house.state.logins.answer(half.step, house.code(secret), attempt=house.attempt())
    house.forward(seconds=30)
    with pytest.raises(NotAuthenticated, match="too long"):
        house.state.logins.answer(half.step, house.code(secret), attempt=house.attempt())
    half = house.half()
    house.forward(minutes=5)
    with pytest.raises(NotAuthenticated, match="too long"):
        house.state.logins.answer(half.step, house.code(secret), attempt=house.attempt())


@pytest.mark.parametrize("change", ["disabled", "password"])
def test_a_half_ends_with_what_it_stood_on(house: House, secret: str, change: str) -> None:
    house.add(OMAR, "admin")
    half = house.half()
    if change == "disabled":
        house.state.people.set_disabled(JANE, True, by=KEEPER, now=house.now)
    else:
        house.state.people.set_password(JANE, "another good password", by=KEEPER, now=house.now)
    with pytest.raises(NotAuthenticated):
        house.state.logins.answer(half.step, house.code(secret), attempt=house.attempt())


def test_a_lost_device_is_helped(house: House, secret: str) -> None:
    house.state.people.remove_totp(JANE, by=KEEPER, now=house.now)
    assert isinstance(house.login(), Person)


# ---------------------------------------------------------------- by somebody who is signed in


def again(house: House, address: str = "192.0.2.99") -> Attempt:
    return Attempt(face="console", address=address, again=True, now=house.now)


def test_who_fails_with_a_login_keeps_nobody_from_confirming(house: House, secret: str) -> None:
    fail(house, 6, address="198.51.100.1")
    with pytest.raises(LoginLimited):
        house.login(attempt=house.attempt("192.0.2.99"))
    half = house.login(attempt=again(house))
    assert isinstance(half, SecondFactorNeeded)
    assert house.state.logins.answer(half.step, house.code(secret), attempt=again(house)).login == JANE
    with pytest.raises(LoginLimited):
        house.login(attempt=house.attempt("192.0.2.99"))


def test_guesses_at_a_confirmation_wait_too(house: House, jane: Person) -> None:
    for _ in range(6):
        with pytest.raises(NotAuthenticated):
            house.login(JANE, "wrong wrong wrong", attempt=again(house))
    with pytest.raises(LoginLimited):
        house.login(attempt=again(house, "192.0.2.98"))
    assert house.signed_in(), "and keep nobody from signing in"


# ---------------------------------------------------------------- OpenID Connect


def test_a_linked_subject_signs_in(house: House, jane: Person) -> None:
    house.state.people.link_oidc(JANE, ISSUER, "00u1", by=KEEPER, now=house.now)
    person = house.state.logins.oidc(ISSUER, "00u1", auth_time=house.now, attempt=house.attempt())
    assert isinstance(person, Person)
    assert person.login == JANE
    assert house.entries("login.succeeded")[0]["by"] == ["oidc"]


@pytest.mark.parametrize(
    ("issuer", "subject"), [(ISSUER, "00u2"), ("https://evil.example.com", "00u1"), (ISSUER, JANE)]
)
def test_an_unknown_subject_does_not(house: House, jane: Person, issuer: str, subject: str) -> None:
    house.state.people.link_oidc(JANE, ISSUER, "00u1", by=KEEPER, now=house.now)
    with pytest.raises(NotAuthenticated):
        house.state.logins.oidc(issuer, subject, auth_time=house.now, attempt=house.attempt())
    assert house.entries("login.failed")[0]["reason"] == "oidc_unknown"


def test_a_disabled_person_does_not_come_in_by_the_provider(house: House, jane: Person) -> None:
    house.add(OMAR, "admin")
    house.state.people.link_oidc(JANE, ISSUER, "00u1", by=KEEPER, now=house.now)
    house.state.people.set_disabled(JANE, True, by=KEEPER, now=house.now)
    with pytest.raises(NotAuthenticated):
        house.state.logins.oidc(ISSUER, "00u1", auth_time=house.now, attempt=house.attempt())


def test_the_code_is_asked_for_after_the_provider_too(house: House, secret: str) -> None:
    house.state.people.link_oidc(JANE, ISSUER, "00u1", by=KEEPER, now=house.now)
    fail(house, 3)
    half = house.state.logins.oidc(ISSUER, "00u1", auth_time=house.now, attempt=house.attempt())
    assert isinstance(half, SecondFactorNeeded)
    with house.state.read() as database:
        failures = database.execute(sa.select(tables.failed_login.c.failures)).scalars().all()
    assert failures == [3, 3], "what the provider says forgives no guess at the password"
    assert house.state.logins.answer(half.step, house.code(secret), attempt=house.attempt()).login == JANE
