"""Confirming by an identity provider that it is still the same person; and since when a session counts as confirmed."""

from datetime import UTC, datetime, timedelta

import pytest
from access_kit import JANE, KEEPER, NOW, OMAR, House
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.access import CLOCK_SKEW, Person, vouched_at, why_unconfirmed
from trailwarden.errors import NotAuthenticated, UsageError
from trailwarden.state.logins import CONFIRMATION, SecondFactorNeeded

ISSUER, SUBJECT = "https://idp.example.com", "00u1"
SECOND = timedelta(seconds=1)
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone beside it


@pytest.fixture
def jane(house: House) -> Person:
    house.add(OMAR, "admin", "approver")
    house.add(JANE, "approver", password=None)
    return house.state.people.link_oidc(JANE, ISSUER, SUBJECT, by=KEEPER, now=house.now)


def begin(house: House, login: str = JANE) -> str:
    return house.state.logins.begin_confirmation(login, attempt=house.attempt())


def confirm(
    house: House,
    token: str,
    person: Person,
    auth_time: datetime | None,
    *,
    subject: str = SUBJECT,
    issuer: str = ISSUER,
) -> Person | SecondFactorNeeded:
    attempt = house.attempt()
    return house.state.logins.confirm(token, person, issuer, subject, auth_time=auth_time, attempt=attempt)


def reasons(house: House) -> list[tuple[str | None, str]]:
    return [(each["login"], each["reason"]) for each in house.entries("login.failed")]


def test_who_was_asked_again_is_confirmed(house: House, jane: Person) -> None:
    token = begin(house)
    house.forward(minutes=2)
    person = confirm(house, token, jane, house.now - timedelta(seconds=20))
    assert isinstance(person, Person)
    assert person.id == jane.id
    assert house.entries("login.succeeded")[0]["by"] == ["oidc"]
    house.whole()


@pytest.mark.parametrize(
    ("auth_time", "said"),
    [
        (NOW - CLOCK_SKEW - SECOND, "did not ask you again"),
        (NOW - timedelta(days=3), "did not ask you again"),
        (None, "does not say when"),
        (NOW + timedelta(minutes=1) + CLOCK_SKEW + SECOND, "in the future"),
    ],
    ids=["a moment too old", "silent", "missing", "future"],
)
def test_a_silent_login_confirms_nothing(house: House, jane: Person, auth_time: datetime | None, said: str) -> None:
    token = begin(house)
    house.forward(minutes=1)
    with pytest.raises(NotAuthenticated, match=said) as refused:
        confirm(house, token, jane, auth_time)
    assert refused.value.remedy
    assert reasons(house) == [(JANE, "oidc_not_recent")]
    with pytest.raises(NotAuthenticated, match="not begun here"):
        confirm(house, token, jane, house.now)


@pytest.mark.parametrize(
    "auth_time", [NOW - CLOCK_SKEW, NOW, NOW + timedelta(minutes=1) + CLOCK_SKEW], ids=["behind", "same", "ahead"]
)
def test_clocks_may_differ_by_a_minute(house: House, jane: Person, auth_time: datetime) -> None:
    token = begin(house)
    house.forward(minutes=1)
    assert isinstance(confirm(house, token, jane, auth_time), Person)


@pytest.mark.parametrize(
    ("issuer", "subject"), [(ISSUER, "00u2"), ("https://evil.example.com", SUBJECT)], ids=["subject", "issuer"]
)
def test_somebody_else_there_is_not_who_is_here(house: House, jane: Person, issuer: str, subject: str) -> None:
    house.state.people.link_oidc(OMAR, ISSUER, "00u2", by=KEEPER, now=house.now)
    with pytest.raises(NotAuthenticated, match="somebody else") as refused:
        confirm(house, begin(house), jane, house.now, subject=subject, issuer=issuer)
    assert refused.value.remedy
    assert reasons(house) == [(JANE, "oidc_other")]


def test_a_confirmation_is_its_person_s(house: House, jane: Person) -> None:
    house.state.people.link_oidc(OMAR, ISSUER, "00u2", by=KEEPER, now=house.now)
    token = begin(house, OMAR)
    with pytest.raises(NotAuthenticated, match="not begun here"):
        confirm(house, token, jane, house.now)
    assert isinstance(confirm(house, token, house.state.people.get(OMAR), house.now, subject="00u2"), Person)


def test_it_holds_once(house: House, jane: Person) -> None:
    token = begin(house)
    assert isinstance(confirm(house, token, jane, house.now), Person)
    with pytest.raises(NotAuthenticated, match="not begun here"):
        confirm(house, token, jane, house.now)


def test_it_holds_for_ten_minutes(house: House, jane: Person) -> None:
    token = begin(house)
    house.now += CONFIRMATION
    with pytest.raises(NotAuthenticated, match="took too long"):
        confirm(house, token, jane, house.now)


def test_the_last_one_begun_holds(house: House, jane: Person) -> None:
    before, token = begin(house), begin(house)
    with pytest.raises(NotAuthenticated):
        confirm(house, before, jane, house.now)
    assert isinstance(confirm(house, token, jane, house.now), Person)


@pytest.mark.parametrize("made", ["", "x" * 43, "\ud800"])
def test_a_guess_confirms_nothing(house: House, jane: Person, made: str) -> None:
    begin(house)
    with pytest.raises(NotAuthenticated):
        confirm(house, made, jane, house.now)


def test_the_second_half_of_a_login_is_no_confirmation(house: House, jane: Person) -> None:
    house.enrol()
    half = house.state.logins.oidc(ISSUER, SUBJECT, auth_time=house.now, attempt=house.attempt())
    assert isinstance(half, SecondFactorNeeded)
    with pytest.raises(NotAuthenticated):
        confirm(house, half.step, jane, house.now)
    with pytest.raises(NotAuthenticated):
        house.state.logins.half_done(begin(house), house.attempt())


def test_who_is_linked_with_nobody_there_begins_none(house: House, jane: Person) -> None:
    with pytest.raises(UsageError, match="linked with no identity provider"):
        begin(house, OMAR)


def test_who_is_disabled_meanwhile_is_not_confirmed(house: House, jane: Person) -> None:
    token = begin(house)
    house.state.people.set_disabled(JANE, True, by=KEEPER, now=house.now)
    with pytest.raises(NotAuthenticated):
        confirm(house, token, jane, house.now)


# ---------------------------------------------------------------- with a second factor


@pytest.mark.parametrize(
    ("ago", "kept"),
    [(timedelta(hours=3), timedelta(hours=3)), (timedelta(0), timedelta(0)), (-CLOCK_SKEW, timedelta(0)), (None, None)],
    ids=["long ago", "now", "a clock ahead", "unknown"],
)
def test_a_code_does_not_make_an_old_login_recent(
    house: House, jane: Person, ago: timedelta | None, kept: timedelta | None
) -> None:
    secret = house.enrol()
    auth_time = house.now - ago if ago is not None else None
    half = house.state.logins.oidc(ISSUER, SUBJECT, auth_time=auth_time, attempt=house.attempt())
    assert isinstance(half, SecondFactorNeeded)
    shown = house.state.logins.shown_at(half.step, house.attempt())
    assert shown == (house.now - kept if kept is not None else None)
    house.forward(minutes=1)
    assert house.state.logins.shown_at(half.step, house.attempt()) == shown
    assert house.state.logins.answer(half.step, house.code(secret), attempt=house.attempt()).id == jane.id
    with pytest.raises(NotAuthenticated):
        house.state.logins.shown_at(half.step, house.attempt())


def test_a_password_counts_from_when_it_was_typed(house: House, jane: Person) -> None:
    house.state.people.set_password(JANE, "correct horse battery", by=KEEPER, now=house.now)
    house.enrol()
    half, typed = house.half(), house.now
    house.forward(minutes=3)
    assert house.state.logins.shown_at(half.step, house.attempt()) == typed


def test_a_confirmation_asks_for_the_second_factor_too(house: House, jane: Person) -> None:
    secret = house.enrol()
    half = confirm(house, begin(house), jane, house.now)
    assert isinstance(half, SecondFactorNeeded)
    assert house.state.logins.shown_at(half.step, house.attempt()) == house.now
    assert house.state.logins.answer(half.step, house.code(secret), attempt=house.attempt()).id == jane.id


# ---------------------------------------------------------------- for all times


@given(TIMES, TIMES, st.timedeltas(timedelta(0), CONFIRMATION))
def test_what_is_confirmed_was_shown_since_it_began(auth_time: datetime, begun: datetime, took: timedelta) -> None:
    now = begun + took
    confirmed = why_unconfirmed(auth_time, begun=begun, now=now) is None
    assert confirmed == (begun - CLOCK_SKEW <= auth_time <= now + CLOCK_SKEW)
    shown = vouched_at(auth_time, now)
    assert shown is None or shown <= now
    assert shown is None or shown == auth_time or auth_time - now <= CLOCK_SKEW
