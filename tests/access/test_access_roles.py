"""Roles and rights, what a token may at most, logins, passwords, and how long a wrong one waits."""

from datetime import timedelta

import msgspec
import pytest
from access_kit import JANE, NOW
from hypothesis import given
from hypothesis import strategies as st

from trailwarden import access, catalog
from trailwarden.access import (
    FIRST_ROLES,
    RIGHT_OF_EFFECT,
    RIGHT_OF_TOOL,
    RIGHTS,
    ROLES,
    SCOPES,
    ApiToken,
    Person,
    Right,
    Role,
    Scope,
    TokenUse,
)
from trailwarden.errors import Forbidden, UsageError
from trailwarden.respond.approval import same_person
from trailwarden.tool import Effect

roles_of = st.sets(st.sampled_from(ROLES)).map(tuple)


def person(*roles: Role, disabled: bool = False) -> Person:
    return Person(id="1", login=JANE, name="Jane", roles=roles, disabled=disabled, created_at=NOW)


MATRIX: dict[Role, set[Right]] = {
    "viewer": {"read"},
    "responder": {"read", "propose", "execute"},
    "approver": {"read", "decide", "execute", "audit"},
    "admin": {"read", "audit", "administer"},
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gives_these_rights_and_no_others(role: Role) -> None:
    assert access.rights_of((role,)) == MATRIX[role]


def test_every_right_is_given_by_some_role() -> None:
    assert all(RIGHTS.values())
    assert set(RIGHTS) == set(msgspec.json.schema(Right)["enum"])


@given(roles_of)
def test_only_an_approver_decides_whatever_else_they_are(roles: tuple[Role, ...]) -> None:
    assert ("decide" in access.rights_of(roles)) == ("approver" in roles)


@given(roles_of, roles_of)
def test_rights_add_up(one: tuple[Role, ...], other: tuple[Role, ...]) -> None:
    assert access.rights_of((*one, *other)) == access.rights_of(one) | access.rights_of(other)


@given(roles_of)
def test_who_is_disabled_may_do_nothing(roles: tuple[Role, ...]) -> None:
    assert person(*roles, disabled=True).rights == frozenset()


@given(roles_of, st.sets(st.sampled_from(SCOPES), min_size=1).map(tuple))
def test_a_token_may_no_more_than_its_person_and_never_decides(
    roles: tuple[Role, ...], scopes: tuple[Scope, ...]
) -> None:
    token = ApiToken(id="1", name="ci", person=JANE, scopes=scopes, created_at=NOW, expires=NOW)
    use = TokenUse(token=token, person=person(*roles))
    assert use.rights <= use.person.rights & {"read", "propose"}
    assert ("propose" in use.rights) == ("responder" in roles and "propose" in scopes)
    assert use.session.method == "api_token"


def test_every_effect_takes_a_right_and_every_exception_is_a_tool() -> None:
    assert set(RIGHT_OF_EFFECT) == set(msgspec.json.schema(Effect)["enum"])
    assert set(RIGHT_OF_TOOL) <= set(catalog.tools())
    assert access.right_for("people_list", "read") == "administer"
    assert access.right_for("search", "read") == "read"


def test_a_missing_right_is_said_with_the_roles_that_give_it() -> None:
    access.check_right(person("approver").rights, "decide", who=JANE)
    with pytest.raises(Forbidden) as caught:
        access.check_right(person("admin").rights, "decide", who=JANE)
    assert JANE in caught.value.message
    assert "approver" in caught.value.remedy


def test_the_first_person_may_all_that_there_is() -> None:
    assert access.rights_of(FIRST_ROLES) == set(RIGHTS)


@pytest.mark.parametrize(
    ("check", "names"),
    [
        (access.check_roles, ["approver", "root"]),
        (access.check_roles, []),
        (access.check_roles, ["Admin"]),
        (access.check_scopes, ["approve"]),
        (access.check_scopes, ["read", "decide"]),
        (access.check_scopes, []),
    ],
    ids=lambda value: getattr(value, "__name__", None) or "-".join(value) or "none",
)
def test_what_is_no_role_or_scope_is_refused(check: object, names: list[str]) -> None:
    assert callable(check)
    with pytest.raises(UsageError):
        check(names)


def test_roles_have_one_order() -> None:
    assert access.check_roles(["admin", "viewer", "admin"]) == ("viewer", "admin")


@pytest.mark.parametrize(
    "other",
    ["JANE@example.com", " jane@Example.COM ", "ＪＡＮＥ@example.com"],
    ids=["upper case", "spaces around", "full width"],
)
def test_spellings_of_one_login_are_one_person(other: str) -> None:
    assert access.login_key(other) == access.login_key(JANE)
    assert same_person(access.check_login(other)) == same_person(JANE)


@given(st.text(max_size=40))
def test_a_login_that_is_kept_is_found_by_its_own_spelling(text: str) -> None:
    try:
        kept = access.check_login(text)
    except UsageError:
        return
    assert access.check_login(kept) == kept
    assert access.login_key(kept) == access.login_key(text)
    assert access.login_key(kept).isprintable()


@pytest.mark.parametrize(
    "login",
    ["", "  ", "jane doe", "ja\u202ene", "j\x00", "j" * 321, "\ud800"],
    ids=["empty", "spaces", "a space in it", "reordering", "nul", "long", "surrogate"],
)
def test_what_cannot_be_a_login(login: str) -> None:
    with pytest.raises(UsageError):
        access.check_login(login)


@pytest.mark.parametrize(
    "password",
    ["short", "a" * 20, "abab" * 5, "my jane@example.com!", "My JANE@Example.com!", "x1y2z3" * 200],
    ids=["short", "one character", "two characters", "the login", "the login in another case", "long"],
)
def test_what_cannot_be_a_password(password: str) -> None:
    with pytest.raises(UsageError):
        access.check_password(password, login=JANE)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_more_failures_never_wait_less_and_never_more_than_the_most(one: int, other: int) -> None:
    policy = access.LOGIN_WAIT
    less, more = sorted((one, other))
    assert timedelta() <= policy.wait(less) <= policy.wait(more) <= policy.most


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (5, 0), (6, 1), (7, 2), (8, 4), (15, 512), (16, 900), (1000, 900)]
)
def test_the_wait_doubles(failures: int, seconds: int) -> None:
    assert access.LOGIN_WAIT.wait(failures) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.10", "192.0.2.10"),
        ("::ffff:192.0.2.10", "192.0.2.10"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_one_party_is_counted_once_whatever_address_it_takes(address: str, key: str) -> None:
    assert access.address_key(address) == key


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(UsageError):
        access.address_key("192.0.2.10, 198.51.100.1")


@pytest.mark.parametrize(
    ("approvers", "words"),
    [((), "nobody may approve"), ((JANE,), "no four eyes"), ((JANE, JANE.upper()), "no four eyes"), ((JANE, "o"), "")],
    ids=["none", "one", "one in two spellings", "two"],
)
def test_four_eyes_are_two_people(approvers: tuple[str, ...], words: str) -> None:
    notice = access.four_eyes_notice(approvers)
    assert words in notice
    assert bool(notice) == bool(words)
