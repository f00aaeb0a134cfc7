"""Pins and boards: what a pin holds, whose it is, who sees it, and how many there may be."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_kit import NOW, Keeping, actor, happened, refused

from trailwarden.access import Person
from trailwarden.errors import Forbidden, TrailwardenError, UsageError
from trailwarden.model.kept import DEFAULT_BOARD, LONGEST_NAME, LONGEST_NOTE, MOST_PINS
from trailwarden.state.tables import board as boards
from trailwarden.state.tables import pin as pins


def test_a_pin_holds_what_the_record_said(keeping: Keeping) -> None:
    pin = keeping.pin(keeping.jane, note="  first use\r\nof the key ")
    event = happened()
    assert (pin.event_id, pin.time, pin.who, pin.what) == (event.event_id, event.time, event.who, event.what)
    assert (pin.account, pin.source_ip, pin.access_key) == (event.account, event.source_ip, event.access_key)
    assert (pin.board, pin.note, pin.by) == (DEFAULT_BOARD, "first use\nof the key", "jane@example.com")
    (board,) = keeping.state.kept.boards(keeping.jane)
    assert (board.name, board.pins, board.shared, board.mine, board.last) == (DEFAULT_BOARD, 1, False, True, pin.added)
    assert keeping.state.kept.pins(keeping.jane, board.id) == (board, (pin,))
    assert keeping.state.kept.pins_of(keeping.jane, pin.event_id) == (pin,)
    assert keeping.state.kept.pins_of(keeping.omar, pin.event_id) == ()


def test_pins_stand_in_the_order_of_their_events(keeping: Keeping) -> None:
    for number in (3, 1, 2):
        keeping.pin(keeping.jane, happened(number))
    (board,) = keeping.state.kept.boards(keeping.jane)
    _, listed = keeping.state.kept.pins(keeping.jane, board.id)
    assert [each.time - NOW for each in listed] == [timedelta(seconds=number) for number in (1, 2, 3)]


def test_an_event_is_on_a_board_once_and_on_several_boards(keeping: Keeping) -> None:
    first = keeping.pin(keeping.jane, note="why")
    assert keeping.pin(keeping.jane) == first
    assert keeping.pin(keeping.jane, board=" pinned ", note="another").note == "another"
    other = keeping.pin(keeping.jane, board="Case 4713")
    assert [each.board for each in keeping.state.kept.pins_of(keeping.jane, first.event_id)] == ["Pinned", "Case 4713"]
    assert [(each.name, each.pins) for each in keeping.state.kept.boards(keeping.jane)] == [
        ("Case 4713", 1),
        ("Pinned", 1),
    ]
    assert keeping.pin(keeping.omar, board="Case 4713").board_id != other.board_id


def test_a_board_is_shared_with_its_pins_and_changed_by_its_person_alone(keeping: Keeping) -> None:
    kept, jane, omar = keeping.state.kept, keeping.jane, keeping.omar
    pin = keeping.pin(jane, board="Case 4713", note="why")
    assert kept.boards(omar) == ()
    assert type(refused(lambda: kept.pins(omar, pin.board_id))) is TrailwardenError
    assert type(refused(lambda: kept.unpin(omar, pin.id, by=actor(omar), now=NOW))) is TrailwardenError
    kept.share_board(jane, pin.board_id, True, by=actor(jane), now=NOW)
    board, listed = kept.pins(omar, pin.board_id)
    assert (board.mine, board.by, listed) == (False, "jane@example.com", (pin,))
    assert (kept.boards(omar), kept.boards(omar, mine=True)) == ((board,), ())
    for change in (
        lambda: kept.unpin(omar, pin.id, by=actor(omar), now=NOW),
        lambda: kept.note(omar, pin.id, "mine now", by=actor(omar), now=NOW),
        lambda: kept.share_board(omar, pin.board_id, False, by=actor(omar), now=NOW),
        lambda: kept.unpin(keeping.ada, pin.id, by=actor(keeping.ada), now=NOW),
    ):
        assert type(refused(change)) is Forbidden
    assert kept.pins(jane, pin.board_id)[1] == (pin,)
    kept.share_board(jane, pin.board_id, False, by=actor(jane), now=NOW)
    assert kept.boards(omar) == ()


def test_a_board_is_gone_with_its_last_pin(keeping: Keeping) -> None:
    kept, jane = keeping.state.kept, keeping.jane
    one, two = keeping.pin(jane, happened(1)), keeping.pin(jane, happened(2))
    kept.share_board(jane, one.board_id, True, by=actor(jane), now=NOW)
    assert kept.unpin(jane, one.id, by=actor(jane), now=NOW) == one
    assert [each.pins for each in kept.boards(jane)] == [1]
    kept.unpin(jane, two.id, by=actor(jane), now=NOW)
    assert kept.boards(jane) == ()
    assert type(refused(lambda: kept.unpin(jane, two.id, by=actor(jane), now=NOW))) is TrailwardenError
    again = keeping.pin(jane)
    assert kept.boards(keeping.omar) == (), "a board that is made again is not shared"
    assert again.board_id != one.board_id


def test_changes_are_in_the_audit_chain_without_the_notes(keeping: Keeping) -> None:
    kept, jane = keeping.state.kept, keeping.jane
    pin = keeping.pin(jane, note="a secret thought")
    keeping.pin(jane)
    kept.note(jane, pin.id, "another thought", by=actor(jane), now=NOW)
    kept.note(jane, pin.id, "another thought", by=actor(jane), now=NOW)
    for share in (True, True, False):
        kept.share_board(jane, pin.board_id, share, by=actor(jane), now=NOW)
    kept.unpin(jane, pin.id, by=actor(jane), now=NOW)
    kinds = ("pin.added", "pin.noted", "board.shared", "board.unshared", "pin.removed")
    assert keeping.entries(*kinds) == [("jane@example.com", kind) for kind in kinds]
    assert not [each for each in keeping.state.audit.entries() if "thought" in each.body]
    assert keeping.state.audit.verify().ok


def test_who_is_removed_leaves_the_boards_that_they_shared(keeping: Keeping) -> None:
    kept = keeping.state.kept
    keeping.pin(keeping.jane, board="private")
    shared = keeping.pin(keeping.jane, board="shared", note="stays")
    kept.share_board(keeping.jane, shared.board_id, True, by=actor(keeping.jane), now=NOW)
    keeping.remove(keeping.jane)
    assert [each.name for each in kept.boards(keeping.omar)] == ["shared"]
    assert kept.pins(keeping.omar, shared.board_id)[1] == (shared,)
    with keeping.state.read() as database:
        assert len(database.execute(pins.select()).all()) == len(database.execute(boards.select()).all()) == 1
    by_omar = refused(lambda: kept.unpin(keeping.omar, shared.id, by=actor(keeping.omar), now=NOW))
    assert type(by_omar) is Forbidden
    kept.unpin(keeping.ada, shared.id, by=actor(keeping.ada), now=NOW)
    assert kept.boards(keeping.omar) == ()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"board": "b" * (LONGEST_NAME + 1)}, "board's name"),
        ({"board": "two\nlines"}, "board's name"),
        ({"note": "n" * (LONGEST_NOTE + 1)}, "note"),
        ({"note": "right\u202eleft"}, "note"),
        ({"note": "bell\x07"}, "note"),
    ],
    ids=["long board", "board of lines", "long note", "direction", "control"],
)
def test_what_cannot_be_kept_is_refused(keeping: Keeping, fields: dict[str, str], message: str) -> None:
    error = refused(lambda: keeping.pin(keeping.jane, **fields))
    assert type(error) is UsageError
    assert message in error.message
    assert keeping.state.kept.boards(keeping.jane) == ()


@pytest.mark.parametrize("event_id", ["", "e" * 513, "nul\0", "two\nlines"], ids=["empty", "long", "NUL", "lines"])
def test_an_event_without_a_usable_id_is_not_pinned(keeping: Keeping, event_id: str) -> None:
    assert type(refused(lambda: keeping.pin(keeping.jane, happened(event_id=event_id)))) is UsageError
    assert keeping.state.kept.boards(keeping.jane) == ()


def test_texts_of_a_record_are_capped(keeping: Keeping) -> None:
    pin = keeping.pin(keeping.jane, happened(who="w" * 9_000, what="x\0" * 9_000, source_ip="s" * 9_000))
    assert (len(pin.who), len(pin.what), len(pin.source_ip or "")) == (300, 200, 100)
    assert "\0" not in pin.what


def test_the_most_is_the_most_for_each_person_over_all_boards(keeping: Keeping) -> None:
    board = keeping.pin(keeping.jane, happened(1), board="one").board_id
    _fill(keeping, board, MOST_PINS - 2)
    last = keeping.pin(keeping.jane, happened(2), board="two")
    error = refused(lambda: keeping.pin(keeping.jane, happened(3), board="three"))
    assert f"{MOST_PINS:,}" in error.message
    assert [each.name for each in keeping.state.kept.boards(keeping.jane)] == ["two", "one"], "no empty board is left"
    assert keeping.pin(keeping.jane, happened(2), board="two", note="still") == _noted(keeping, keeping.jane, last.id)
    assert keeping.pin(keeping.omar, happened(3)).board == DEFAULT_BOARD
    keeping.state.kept.unpin(keeping.jane, last.id, by=actor(keeping.jane), now=NOW)
    assert keeping.pin(keeping.jane, happened(3)).event_id == happened(3).event_id


_TEXT = st.text(st.characters(codec="utf-8"), max_size=LONGEST_NOTE + 5)


@settings(max_examples=60, deadline=None)
@given(note=_TEXT | st.text("ab \r\n", min_size=LONGEST_NOTE - 3, max_size=LONGEST_NOTE + 3))
def test_a_note_is_within_its_bounds_and_comes_back(standing: Keeping, note: str) -> None:
    kept, jane = standing.state.kept, standing.jane
    plain = note.replace("\r\n", "\n").strip()
    fits = len(plain) <= LONGEST_NOTE and all(each == "\n" or each.isprintable() for each in plain)
    if fits:
        pin = standing.pin(jane, note=note)
        assert pin.note == plain
        assert kept.pins(jane, pin.board_id)[1] == (pin,)
        kept.unpin(jane, pin.id, by=actor(jane), now=NOW)
    else:
        assert type(refused(lambda: standing.pin(jane, note=note))) is UsageError
    assert kept.boards(jane) == ()


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.sampled_from(["a", "b", "A"])), max_size=12))
def test_boards_say_how_many_pins_they_have(standing: Keeping, steps: list[tuple[bool, int, str]]) -> None:
    kept, jane = standing.state.kept, standing.jane
    expected: dict[str, set[str]] = {}
    for adds, number, board in steps:
        event, key = happened(number), board.casefold()
        if adds:
            standing.pin(jane, event, board=board)
            expected.setdefault(key, set()).add(event.event_id)
        else:
            for pin in kept.pins_of(jane, event.event_id):
                if pin.board.casefold() == key:
                    kept.unpin(jane, pin.id, by=actor(jane), now=NOW)
                    expected[key].discard(event.event_id)
    found = {each.name.casefold(): {pin.event_id for pin in kept.pins(jane, each.id)[1]} for each in kept.boards(jane)}
    assert found == {name: events for name, events in expected.items() if events}
    assert {each.name.casefold(): each.pins for each in kept.boards(jane)} == {k: len(v) for k, v in found.items()}
    for board_ in kept.boards(jane):
        for pin in kept.pins(jane, board_.id)[1]:
            kept.unpin(jane, pin.id, by=actor(jane), now=NOW)


def _noted(keeping: Keeping, person: Person, identifier: str) -> object:
    board = next(each for each in keeping.state.kept.boards(person) if each.name == "two")
    return next(each for each in keeping.state.kept.pins(person, board.id)[1] if each.id == identifier)


def _fill(keeping: Keeping, board: str, count: int) -> None:
    """So many pins, without the time that pinning each would take."""
    rows = [
        {
            "id": f"filled-{number}",
            "board_id": board,
            "event_id": f"filled-{number}",
            "time": NOW,
            "who": "",
            "what": "",
            "note": "",
            "added": NOW,
        }
        for number in range(count)
    ]
    with keeping.state.write() as database:
        database.execute(pins.insert(), rows)
