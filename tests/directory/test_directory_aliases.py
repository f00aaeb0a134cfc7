"""The alias list: kept, compared, replaced and removed; and the database of a version before it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from trailwarden.errors import UsageError
from trailwarden.model.directory import Alias
from trailwarden.model.session import IdentifierKind
from trailwarden.state import State
from trailwarden.state import store as store_module
from trailwarden.state.migrate import revisions

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEPT = Alias(
    person="john@company.com",
    kind="iam_user_name",
    value="jdoe",
    account="111111111111",
    reason="the contract says so",
    added=NOW,
    added_by="jane@company.com",
)


def alias(**changed: Any) -> Alias:
    return msgspec.structs.replace(KEPT, **changed)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path / "home") as opened:
        yield opened


def test_an_alias_comes_back_as_it_was(state: State) -> None:
    assert state.aliases.list() == ()
    assert state.aliases.add(KEPT) == "added"
    assert state.aliases.list() == (KEPT,)
    (got,) = state.aliases.list()
    assert got.added.tzinfo is not None


def test_aliases_outlast_the_process(tmp_path: Path) -> None:
    with State.open(tmp_path / "home") as first:
        first.aliases.add(KEPT)
    with State.open(tmp_path / "home") as second:
        assert second.aliases.list() == (KEPT,)


@pytest.mark.parametrize(
    ("changed", "outcome", "kept"),
    [
        pytest.param({}, "unchanged", 1, id="the same"),
        pytest.param({"reason": ""}, "unchanged", 1, id="no reason given this time"),
        pytest.param({"added_by": "x@company.com"}, "unchanged", 1, id="by somebody else"),
        pytest.param({"person": "John@Company.com"}, "unchanged", 1, id="person in another case"),
        pytest.param({"reason": "asked him"}, "replaced", 1, id="another reason"),
        pytest.param({"denies": True}, "replaced", 1, id="denied now"),
        pytest.param({"value": "JDOE"}, "added", 2, id="IAM keeps case"),
        pytest.param({"account": None}, "added", 2, id="in all accounts"),
        pytest.param({"account": "222222222222"}, "added", 2, id="in another account"),
        pytest.param({"kind": "session_name"}, "added", 2, id="another kind of name"),
        pytest.param({"person": "jane@company.com"}, "added", 2, id="of somebody else"),
    ],
)
def test_there_is_one_alias_for_a_person_and_a_name(
    state: State, changed: dict[str, Any], outcome: str, kept: int
) -> None:
    state.aliases.add(KEPT)
    assert state.aliases.add(alias(**changed)) == outcome
    assert len(state.aliases.list()) == kept
    if outcome == "replaced":
        assert state.aliases.list() == (alias(**changed),)
    if outcome == "unchanged":
        assert state.aliases.list() == (KEPT,)


def test_a_denial_is_taken_back_by_its_opposite(state: State) -> None:
    state.aliases.add(alias(denies=True))
    assert state.aliases.add(KEPT) == "replaced"
    assert [each.denies for each in state.aliases.list()] == [False]


def test_emails_are_compared_without_case_and_kept_with_it(state: State) -> None:
    written = alias(kind="email", value="J.Doe@Company.com", account=None)
    state.aliases.add(written)
    assert state.aliases.add(alias(kind="email", value="j.doe@company.COM", account=None)) == "unchanged"
    assert state.aliases.list("JOHN@COMPANY.COM") == (written,)
    assert state.aliases.remove("John@company.com", "email", "j.DOE@company.com") == written


def test_the_list_is_of_one_person_where_asked(state: State) -> None:
    other = alias(person="jane@company.com", value="jane-admin")
    state.aliases.add(KEPT)
    state.aliases.add(other)
    assert state.aliases.list() == (other, KEPT)
    assert state.aliases.list("jane@company.com") == (other,)
    assert state.aliases.list("nobody@company.com") == ()


def test_what_is_removed_is_gone_and_what_is_not_there_is_an_error(state: State) -> None:
    state.aliases.add(KEPT)
    state.aliases.add(alias(account=None))
    assert state.aliases.remove(KEPT.person, KEPT.kind, KEPT.value, KEPT.account) == KEPT
    assert state.aliases.list() == (alias(account=None),)
    with pytest.raises(UsageError, match="no alias"):
        state.aliases.remove(KEPT.person, KEPT.kind, KEPT.value, KEPT.account)


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "nickname"},
        {"account": "1234"},
        {"person": " "},
        {"value": ""},
        {"value": "two\nlines"},
        {"value": "\u202egnp"},
        {"value": "x" * 513},
        {"added_by": ""},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_is_no_alias_is_refused(state: State, changed: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        state.aliases.add(alias(**changed))
    assert state.aliases.list() == ()


def test_every_kind_of_identifier_may_be_an_alias(state: State) -> None:
    for kind in get_args(IdentifierKind):
        assert state.aliases.add(alias(kind=kind)) == "added"
    assert {each.kind for each in state.aliases.list()} == set(get_args(IdentifierKind))


@settings(max_examples=25)
@given(
    st.lists(
        st.builds(
            alias,
            person=st.sampled_from(["john@company.com", "John@company.com", "jane@company.com"]),
            kind=st.sampled_from(["email", "session_name"]),
            value=st.sampled_from(["a@company.com", "A@company.com", "b"]),
            account=st.sampled_from([None, "111111111111"]),
            denies=st.booleans(),
            reason=st.just(""),
        ),
        max_size=8,
    )
)
def test_the_last_word_on_a_name_holds(tmp_path_factory: pytest.TempPathFactory, said: list[Alias]) -> None:
    def thing(each: Alias) -> tuple[str, str, str, str | None]:
        value = each.value.casefold() if each.kind == "email" else each.value
        return each.person.casefold(), each.kind, value, each.account

    with State.open(tmp_path_factory.mktemp("home")) as state:
        for each in said:
            state.aliases.add(each)
        kept = {thing(each): each.denies for each in state.aliases.list()}
        assert len(kept) == len(state.aliases.list())
    assert kept == {thing(each): each.denies for each in said}


def test_a_database_of_the_version_before_gains_the_list_and_loses_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    engine = sa.create_engine(f"sqlite:///{home / 'state.db'}")
    with engine.begin() as database:
        config = Config(attributes={"connection": database})
        config.set_main_option("script_location", str(Path(store_module.__file__).parent / "migrations"))
        command.upgrade(config, "0001")
        assert not sa.inspect(database).has_table("alias")
        database.execute(
            sa.text(
                "INSERT INTO connection (id, account_id, role_arn, partition, label, purpose, external_id_encrypted, "
                "created_at) VALUES ('c1', '111111111111', 'arn:aws:iam::111111111111:role/Trailwarden', 'aws', '', "
                "'read', x'00', '2026-11-01 00:00:00.000000')"
            )
        )
    engine.dispose()
    with State.open(home) as state:
        assert state.aliases.add(KEPT) == "added"
        assert [each.id for each in state.connections.list()] == ["c1"]
        with state.read() as database:
            version = database.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    assert version == revisions()[-1] >= "0002"
    assert revisions()[:2] == ("0001", "0002")
