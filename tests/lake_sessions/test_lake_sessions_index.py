"""The index of sessions: whatever the order in which files arrive, it holds what all records together tell."""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trailwarden.demo.activity import generate
from trailwarden.demo.scenario import build_scenario
from trailwarden.errors import BadCursor, UsageError
from trailwarden.lake import session_refresh
from trailwarden.lake.compact import compact
from trailwarden.lake.ingest import land
from trailwarden.lake.sessions import SessionIndex
from trailwarden.lake.store import Lake
from trailwarden.lake.upkeep import expire
from trailwarden.model.session import Session, SessionFilter
from trailwarden.model.time import Window
from trailwarden.progress import Silent
from trailwarden.sessions import link_sessions

NOW = datetime(2026, 11, 24, 3, 42, 38, tzinfo=UTC)


@cache
def records() -> tuple[bytes, ...]:
    return tuple(generate(build_scenario(anchor=NOW, seed=7, records=1_500)))


@cache
def linked() -> dict[str, Session]:
    return {session.session_id: session for session in link_sessions(records())}


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with Lake.open(tmp_path / "lake") as opened:
        yield opened


def put(lake: Lake, batch: Sequence[bytes]) -> None:
    land(lake, batch, source="files", location="here", now=NOW)


def indexed(lake: Lake) -> dict[str, Session]:
    with SessionIndex(lake) as index:
        index.refresh(Silent())
        return {session.session_id: session for session in index.whole(SessionFilter(), None)}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), pieces=st.integers(1, 5), each=st.booleans())
def test_records_in_any_order_and_split_give_the_same_sessions(
    tmp_path_factory: pytest.TempPathFactory, seed: int, pieces: int, each: bool
) -> None:
    shuffled = list(records())
    random.Random(seed).shuffle(shuffled)
    shuffled += shuffled[:200]
    with Lake.open(tmp_path_factory.mktemp("lake")) as lake:
        for start in range(pieces):
            put(lake, shuffled[start::pieces])
            if each:
                indexed(lake)
        assert indexed(lake) == linked()


def test_compaction_and_the_same_records_again_change_nothing(lake: Lake) -> None:
    for start in range(4):
        put(lake, records()[start::4])
    before = indexed(lake)
    put(lake, records())
    compact(lake, progress=Silent(), now=NOW)
    assert len(lake.manifest.parts()) < 8
    assert indexed(lake) == before == linked()


def test_what_expires_takes_its_sessions_along(lake: Lake) -> None:
    put(lake, records())
    indexed(lake)
    compact(lake, progress=Silent(), now=NOW)
    expire(lake, before=NOW - timedelta(days=2), now=NOW, progress=Silent())
    kept = [record for record in map(msgspec.json.decode, records()) if record["eventTime"] >= "2026-11-22T03:42:38Z"]
    assert 0 < len(kept) < len(records())
    assert indexed(lake) == {session.session_id: session for session in link_sessions(kept)}


def test_an_index_of_another_version_and_a_deleted_one_are_made_anew(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake, records())
    indexed(lake)
    monkeypatch.setattr(session_refresh, "VERSION", session_refresh.VERSION + 1)
    assert indexed(lake) == linked()
    for file in lake.root.glob("sessions.db*"):
        file.unlink()
    assert indexed(lake) == linked()


def test_what_fails_in_the_middle_leaves_the_index_as_it_was(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    put(lake, records()[::2])
    before = indexed(lake)
    put(lake, records()[1::2])

    def fail(*_: Any) -> Session:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session_refresh, "session_of", fail)
        with pytest.raises(KeyboardInterrupt):
            indexed(lake)
    with SessionIndex(lake) as index:
        assert {session.session_id: session for session in index.whole(SessionFilter(), None)} == before
    assert indexed(lake) == linked()


def test_an_up_to_date_index_is_not_touched(lake: Lake) -> None:
    put(lake, records())
    indexed(lake)
    changes = sqlite3.connect(lake.root / "sessions.db").execute("PRAGMA data_version").fetchone()
    indexed(lake)
    assert sqlite3.connect(lake.root / "sessions.db").execute("PRAGMA data_version").fetchone() == changes


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionIndex]:
    with Lake.open(tmp_path_factory.mktemp("lake")) as lake:
        put(lake, records())
        with SessionIndex(lake) as index:
            index.refresh(Silent())
            yield index


def named(session: Session) -> set[str]:
    own = (session.session_name, session.user_name, session.source_identity, session.principal_arn)
    return {text.lower() for text in (*own, *(each.value for each in session.identifiers)) if text}


FILTERS: dict[str, tuple[SessionFilter, Any]] = {
    "method": (SessionFilter(method=("root", "saml")), lambda s: s.method in ("root", "saml")),
    "user": (SessionFilter(user=("John@Company.com",)), lambda s: "john@company.com" in named(s)),
    "wildcard": (SessionFilter(user=("j*@company.com",)), lambda s: any(
        name.startswith("j") and name.endswith("@company.com") for name in named(s)
    )),
    "role": (SessionFilter(role=("bastion",)), lambda s: (s.role_arn or "").endswith("/bastion")),
    "account": (
        SessionFilter(account=("333333333333",)), lambda s: "333333333333" in (s.account, *s.recorded_in),
    ),
    "network": (SessionFilter(ip=("10.0.0.0/8",)), lambda s: any(ip.startswith("10.") for ip in s.source_ips)),
    "address": (SessionFilter(ip=("185.220.101.1",)), lambda s: "185.220.101.1" in s.source_ips),
    "and": (
        SessionFilter(account=("222222222222",), region=("us-east-1",)),
        lambda s: "222222222222" in (s.account, *s.recorded_in) and "us-east-1" in s.regions,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
def test_filters_find_what_they_say(full: SessionIndex, name: str) -> None:
    where, holds = FILTERS[name]
    expected = {session_id for session_id, session in linked().items() if holds(session)}
    assert expected
    assert {session.session_id for session in full.whole(where, None)} == expected


def test_a_window_finds_the_sessions_that_were_in_use_in_it(full: SessionIndex) -> None:
    window = Window(NOW - timedelta(days=3), NOW - timedelta(days=2))
    expected = {
        session_id
        for session_id, session in linked().items()
        if session.first_seen < window.end and session.last_seen >= window.start
    }
    assert expected
    assert {session.session_id for session in full.whole(SessionFilter(), window)} == expected


def test_pages_hold_every_session_once_in_order(full: SessionIndex) -> None:
    seen: list[Session] = []
    cursor = None
    while True:
        page = full.page(SessionFilter(), None, limit=37, cursor=cursor)
        assert page.total == len(linked())
        seen += page.sessions
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [session.session_id for session in seen] == [session.session_id for session in link_sessions(records())]


def test_a_cursor_of_another_question_is_refused(full: SessionIndex) -> None:
    cursor = full.page(SessionFilter(), None, limit=5, cursor=None).next_cursor
    for where, given_cursor in (
        (SessionFilter(role=("x",)), cursor),
        (SessionFilter(), "nonsense"),
        (SessionFilter(), ""),
    ):
        with pytest.raises(BadCursor):
            full.page(where, None, limit=5, cursor=given_cursor)


def test_a_range_of_addresses_that_is_none_is_refused(full: SessionIndex) -> None:
    with pytest.raises(UsageError, match="range"):
        full.page(SessionFilter(ip=("10.0.0.0/99",)), None, limit=5, cursor=None)


def test_descendants_are_found_through_any_number_of_hops(full: SessionIndex) -> None:
    parents = {session_id: session.issuer.session_id for session_id, session in linked().items() if session.issuer}
    root = next(
        session_id
        for session_id, session in linked().items()
        if session.method == "iam_user_key" and session_id in parents.values()
    )
    expected: set[str] = set()
    while more := {one for one, parent in parents.items() if parent in {root, *expected}} - expected:
        expected |= more
    assert {session.session_id for session in full.descendants((root,))} == expected


def test_what_sessions_did_adds_up_to_their_calls(full: SessionIndex) -> None:
    did = full.actions(list(linked().values()))
    assert {each: sum(calls for _, calls, _ in made) for each, made in did.items()} == {
        each: session.events for each, session in linked().items()
    }
