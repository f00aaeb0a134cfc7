"""Saved searches: whose they are, who sees them, who may change them, and how many there may be."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_kit import NOW, Keeping, actor, refused

from trailwarden.access import Person
from trailwarden.errors import Forbidden, NotAuthenticated, TrailwardenError, UsageError
from trailwarden.model.kept import LONGEST_NAME, LONGEST_QUERY, MOST_SEARCHES
from trailwarden.state import State
from trailwarden.state.tables import saved_search


def test_a_search_is_kept_for_its_person_alone(keeping: Keeping) -> None:
    saved = keeping.save(keeping.jane)
    assert (saved.name, saved.query, saved.shared, saved.mine) == ("Exit node", "ip=203.0.113.7", False, True)
    assert saved.by == "jane@example.com"
    assert keeping.state.kept.searches(keeping.jane) == (saved,)
    assert keeping.state.kept.searches(keeping.omar) == ()
    assert keeping.state.kept.searches(keeping.ada) == ()


def test_what_is_shared_is_seen_by_everybody_after_their_own(keeping: Keeping) -> None:
    keeping.save(keeping.omar, "Own")
    shared = keeping.save(keeping.jane, "Jane's", shared=True)
    seen = keeping.state.kept.searches(keeping.omar)
    assert [(each.name, each.mine, each.by) for each in seen] == [
        ("Own", True, "omar@example.com"),
        ("Jane's", False, "jane@example.com"),
    ]
    kept = keeping.state.kept
    kept.share_search(keeping.jane, shared.id, False, by=actor(keeping.jane), now=NOW)
    assert [each.name for each in kept.searches(keeping.omar)] == ["Own"]


def test_the_last_saved_comes_first_and_survives_a_restart(keeping: Keeping, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        keeping.save(keeping.jane, name)
    with State.open(tmp_path) as again:
        assert [each.name for each in again.kept.searches(keeping.jane)] == ["three", "two", "one"]


@pytest.mark.parametrize("name", ["Exit node", "  exit NODE "])
def test_a_name_is_one_search(keeping: Keeping, name: str) -> None:
    first = keeping.save(keeping.jane)
    assert keeping.save(keeping.jane, name) == first
    error = refused(lambda: keeping.save(keeping.jane, name, "ip=198.51.100.1"))
    assert type(error) is UsageError
    assert "another search of yours has the name" in error.message
    assert keeping.state.kept.searches(keeping.jane) == (first,)
    assert keeping.save(keeping.omar, name, "ip=198.51.100.1").mine


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("", "ip=1"),
        ("   ", "ip=1"),
        ("n" * (LONGEST_NAME + 1), "ip=1"),
        ("two\nlines", "ip=1"),
        ("right\u202eleft", "ip=1"),
        ("nul\0", "ip=1"),
        ("name", "q" * (LONGEST_QUERY + 1)),
    ],
    ids=["empty", "blank", "long", "lines", "direction", "NUL", "long query"],
)
def test_what_cannot_be_kept_is_refused(keeping: Keeping, name: str, query: str) -> None:
    assert type(refused(lambda: keeping.save(keeping.jane, name, query))) is UsageError
    assert keeping.state.kept.searches(keeping.jane) == ()


def test_only_their_person_changes_them(keeping: Keeping) -> None:
    kept = keeping.state.kept
    private, shared = keeping.save(keeping.jane, "private"), keeping.save(keeping.jane, "shared", shared=True)
    for other in (keeping.omar, keeping.ada):
        for share in (True, False):
            error = refused(lambda: kept.share_search(other, shared.id, share, by=actor(other), now=NOW))  # noqa: B023
            assert type(error) is Forbidden
            assert "jane@example.com" in error.message
        assert type(refused(lambda: kept.delete_search(other, shared.id, by=actor(other), now=NOW))) is Forbidden  # noqa: B023
        hidden = refused(lambda: kept.delete_search(other, private.id, by=actor(other), now=NOW))  # noqa: B023
        nothing = refused(lambda: kept.delete_search(other, "0" * 16, by=actor(other), now=NOW))  # noqa: B023
        assert type(hidden) is type(nothing) is TrailwardenError
        assert hidden.message.replace(private.id, "") == nothing.message.replace("0" * 16, "")
    assert len(kept.searches(keeping.jane)) == 2
    assert kept.delete_search(keeping.jane, private.id, by=actor(keeping.jane), now=NOW) == private
    assert kept.searches(keeping.jane) == (shared,)


def test_the_same_saved_again_can_be_shared_by_that(keeping: Keeping) -> None:
    first = keeping.save(keeping.jane)
    assert keeping.save(keeping.jane, shared=True).id == first.id
    assert [each.id for each in keeping.state.kept.searches(keeping.omar)] == [first.id]
    assert keeping.save(keeping.jane).shared, "what is shared is not hidden by saving it again"
    assert keeping.entries("search.shared", "search.unshared") == [("jane@example.com", "search.shared")]


def test_changes_are_in_the_audit_chain_once(keeping: Keeping) -> None:
    kept, jane = keeping.state.kept, keeping.jane
    saved = keeping.save(jane)
    keeping.save(jane)
    for share in (True, True, False):
        kept.share_search(jane, saved.id, share, by=actor(jane), now=NOW)
    kept.delete_search(jane, saved.id, by=actor(jane), now=NOW)
    kinds = ("search.saved", "search.shared", "search.unshared", "search.deleted")
    assert keeping.entries(*kinds) == [("jane@example.com", kind) for kind in kinds]
    assert keeping.state.audit.verify().ok


def test_the_most_is_the_most_for_each_person(keeping: Keeping) -> None:
    _fill(keeping, keeping.jane, MOST_SEARCHES - 1)
    last = keeping.save(keeping.jane, "the last")
    error = refused(lambda: keeping.save(keeping.jane, "one more"))
    assert str(MOST_SEARCHES) in error.message
    assert keeping.save(keeping.jane, "the last") == last
    assert keeping.save(keeping.omar, "one more").mine
    keeping.state.kept.delete_search(keeping.jane, last.id, by=actor(keeping.jane), now=NOW)
    assert keeping.save(keeping.jane, "one more").mine


def test_the_most_holds_for_several_at_once(keeping: Keeping) -> None:
    _fill(keeping, keeping.jane, MOST_SEARCHES - 1)
    together = Barrier(4)

    def save(number: int) -> bool:
        together.wait()
        try:
            keeping.state.kept.save(keeping.jane, f"new {number}", "last=7d", by=actor(keeping.jane), now=NOW)
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(save, range(4))) == [False, False, False, True]
    assert len(keeping.state.kept.searches(keeping.jane)) == MOST_SEARCHES


def test_who_is_removed_leaves_what_they_shared_and_an_admin_may_take_it_away(keeping: Keeping) -> None:
    kept = keeping.state.kept
    keeping.save(keeping.jane, "private")
    shared = keeping.save(keeping.jane, "shared", shared=True)
    keeping.remove(keeping.jane)
    with keeping.state.read() as database:
        assert database.execute(sa.select(saved_search.c.name)).scalars().all() == ["shared"]
    (seen,) = kept.searches(keeping.omar)
    assert (seen.id, seen.by, seen.mine) == (shared.id, "jane@example.com", False)
    assert (
        type(refused(lambda: kept.delete_search(keeping.omar, shared.id, by=actor(keeping.omar), now=NOW))) is Forbidden
    )
    share = refused(lambda: kept.share_search(keeping.ada, shared.id, False, by=actor(keeping.ada), now=NOW))
    assert type(share) is Forbidden
    kept.delete_search(keeping.ada, shared.id, by=actor(keeping.ada), now=NOW)
    assert kept.searches(keeping.omar) == ()
    assert type(refused(lambda: keeping.save(keeping.jane))) is NotAuthenticated


_BOUND_TEXT = st.text(st.characters(codec="utf-8"), max_size=LONGEST_NAME + 5)


@settings(max_examples=60, deadline=None)
@given(name=_BOUND_TEXT, query=st.integers(LONGEST_QUERY - 1, LONGEST_QUERY + 1))
def test_whatever_is_kept_is_within_its_bounds_and_comes_back(standing: Keeping, name: str, query: int) -> None:
    before = len(standing.state.kept.searches(standing.jane))
    fits = bool(name.strip()) and len(name.strip()) <= LONGEST_NAME and name.strip().isprintable()
    if fits and query <= LONGEST_QUERY:
        saved = standing.save(standing.jane, name, "q" * query)
        assert saved.name == name.strip()
        assert standing.state.kept.searches(standing.jane)[0] == saved
        standing.state.kept.delete_search(standing.jane, saved.id, by=actor(standing.jane), now=NOW)
    else:
        assert type(refused(lambda: standing.save(standing.jane, name, "q" * query))) is UsageError
    assert len(standing.state.kept.searches(standing.jane)) == before


def _fill(keeping: Keeping, person: Person, count: int) -> None:
    """So many searches, without the time that saving each would take."""
    rows = [
        {
            "id": f"{person.id}-{number}"[-32:],
            "person_id": person.id,
            "by": person.login,
            "name": f"search {number}",
            "name_key": f"search {number}",
            "query": f"text={number}",
            "shared": False,
            "created": NOW,
        }
        for number in range(count)
    ]
    with keeping.state.write() as database:
        database.execute(saved_search.insert(), rows)
