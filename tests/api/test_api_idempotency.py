"""Answers by idempotency key: done once, by whoever asks, and not for ever."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from trailwarden.state import State
from trailwarden.state.idempotency import KEPT, PATIENCE, AnswerStore, Conflict

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Shelf:
    """A store with a clock that is set by hand, and how often work was done."""

    def __init__(self, state: State) -> None:
        self.now = START
        self.done = 0
        self.store = AnswerStore(state.write, lambda: self.now)

    def work(self) -> bytes:
        self.done += 1
        return f"answer {self.done}".encode()

    def once(self, caller: str = "ana", key: str = "k", digest: str = "d") -> tuple[bytes, bool]:
        return self.store.once(caller, key, digest, self.work)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with State.open(tmp_path) as state:
        yield Shelf(state)


def test_the_second_time_has_the_first_ones_answer(shelf: Shelf) -> None:
    assert shelf.once() == (b"answer 1", False)
    assert shelf.once() == (b"answer 1", True)
    assert shelf.done == 1


def test_a_key_is_its_callers_own(shelf: Shelf) -> None:
    assert shelf.once("ana") == (b"answer 1", False)
    assert shelf.once("ben") == (b"answer 2", False)
    assert shelf.once("ana 1", "k") == (b"answer 3", False)
    assert shelf.once("ana", "1 k") == (b"answer 4", False)


def test_another_request_under_the_key_is_refused(shelf: Shelf) -> None:
    shelf.once(digest="one")
    with pytest.raises(Conflict, match="another request"):
        shelf.once(digest="two")
    assert shelf.done == 1


def test_an_answer_is_kept_for_a_day(shelf: Shelf) -> None:
    shelf.once()
    shelf.now = START + KEPT - timedelta(seconds=1)
    assert shelf.once() == (b"answer 1", True)
    shelf.now = START + KEPT
    assert shelf.once() == (b"answer 2", False)


def test_a_failure_frees_the_key(shelf: Shelf) -> None:
    def fail() -> bytes:
        raise LookupError("no such thing")

    with pytest.raises(LookupError):
        shelf.store.once("ana", "k", "d", fail)
    assert shelf.once() == (b"answer 1", False)


def test_while_it_is_under_way_nobody_else_begins(shelf: Shelf) -> None:
    def within() -> bytes:
        with pytest.raises(Conflict, match="under way"):
            shelf.once()
        return b"mine"

    assert shelf.store.once("ana", "k", "d", within) == (b"mine", False)
    assert shelf.once() == (b"mine", True)


def test_a_claim_whose_process_is_gone_is_taken_over(shelf: Shelf) -> None:
    def late() -> bytes:
        shelf.now = START + PATIENCE
        assert shelf.once() == (b"answer 1", False)
        return b"too late"

    shelf.store.once("ana", "k", "d", late)
    assert shelf.once() == (b"answer 1", True)


def test_of_many_at_once_one_does_it(shelf: Shelf) -> None:
    together = Barrier(4)
    outcomes: list[str] = []

    def ask() -> None:
        together.wait()
        try:
            answer, _ = shelf.once()
            outcomes.append(answer.decode())
        except Conflict:
            outcomes.append("under way")

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shelf.done == 1
    assert set(outcomes) <= {"answer 1", "under way"}
    assert "answer 1" in outcomes
