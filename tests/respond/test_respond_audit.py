"""The audit chain: broken in every field and in every way, against itself, a checkpoint and an export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from respond_kit import JANE, NOW, Office, person
from sqlalchemy.exc import IntegrityError

from trailwarden.errors import KeyUnavailable, UsageError
from trailwarden.model.audit import Entry
from trailwarden.state import State
from trailwarden.state.audit import ChainBroken, read_checkpoint, verify_export

Lines = list[bytes]


@pytest.fixture
def kept(office: Office) -> Office:
    for number in range(1, 6):
        say(office, number)
    return office


def say(office: Office, number: int) -> None:
    office.state.audit.record(at=NOW, actor=person(JANE), kind="question.asked", body={"number": number})


def tamper(office: Office, *statements: str) -> None:
    """What somebody with the whole database can do: the triggers are theirs to drop."""
    with office.state.write() as database:
        triggers = {"sqlite": ("update", "delete"), "postgresql": ("change ON audit", "truncate ON audit")}
        for trigger in triggers[database.dialect.name]:
            database.execute(sa.text(f"DROP TRIGGER audit_no_{trigger}"))
        for statement in statements:
            database.execute(sa.text(statement))


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET body = '{}' WHERE seq = 2", "DELETE FROM audit", "DELETE FROM audit WHERE seq = 5"]
)
def test_the_database_refuses_to_change_what_is_written(kept: Office, statement: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"), kept.state.write() as database:
        database.execute(sa.text(statement))
    assert kept.state.audit.verify().entries == 5


def test_a_chain_that_holds(kept: Office) -> None:
    found = kept.state.audit.verify()
    *_, last = kept.state.audit.entries()
    assert (found.ok, found.entries, found.last) == (True, 5, last.hash)
    assert [entry.seq for entry in kept.state.audit.entries(after=3)] == [4, 5]


def test_an_empty_chain_holds(office: Office) -> None:
    assert office.state.audit.verify().entries == 0


@pytest.mark.parametrize("seq", [1, 3, 5])
@pytest.mark.parametrize("column", ["at", "actor", "kind", "body", "prev", "hash"])
def test_a_changed_field_is_found_where_it_is(kept: Office, column: str, seq: int) -> None:
    tamper(kept, f"UPDATE audit SET {column} = '~' || substr({column}, 2) WHERE seq = {seq}")
    found = kept.state.audit.verify()
    assert found.broken is not None
    assert (found.broken.seq, found.broken.fault, found.entries) == (seq, "changed", seq - 1)


@pytest.mark.parametrize(
    ("statements", "seq", "fault"),
    [
        (["DELETE FROM audit WHERE seq = 1"], 1, "missing"),
        (["DELETE FROM audit WHERE seq = 3"], 3, "missing"),
        (["UPDATE audit SET seq = 9 WHERE seq = 5"], 5, "missing"),
        (["DELETE FROM audit WHERE seq = 3", "UPDATE audit SET seq = seq - 1 WHERE seq > 3"], 3, "changed"),
        (
            [
                "UPDATE audit SET seq = -2 WHERE seq = 2",
                "UPDATE audit SET seq = 2 WHERE seq = 3",
                "UPDATE audit SET seq = 3 WHERE seq = -2",
            ],
            2,
            "changed",
        ),
        (["UPDATE audit SET seq = 0 WHERE seq = 1"], 1, "reordered"),
        (["INSERT INTO audit SELECT 6, at, actor, kind, body, prev, hash FROM audit WHERE seq = 5"], 6, "changed"),
    ],
    ids=["first gone", "one gone", "renumbered", "closed up", "swapped", "before the first", "doubled"],
)
def test_what_is_missing_or_moved_is_found(kept: Office, statements: list[str], seq: int, fault: str) -> None:
    tamper(kept, *statements)
    found = kept.state.audit.verify()
    assert found.broken is not None
    assert (found.broken.seq, found.broken.fault) == (seq, fault)


def test_an_entry_whose_hash_was_made_anew_breaks_the_next(kept: Office) -> None:
    entry = list(kept.state.audit.entries())[2]
    forged = msgspec.structs.replace(entry, body="{}")
    tamper(kept, f"UPDATE audit SET body = '{forged.body}', hash = '{forged.computed()}' WHERE seq = 3")
    found = kept.state.audit.verify()
    assert found.broken is not None
    assert (found.broken.seq, found.broken.fault) == (4, "reordered")


def test_a_cut_end_shows_against_a_checkpoint_only(kept: Office, tmp_path: Path) -> None:
    checkpoint = kept.state.audit.export(tmp_path / "a.jsonl", now=NOW)
    say(kept, 6)
    assert kept.state.audit.verify(checkpoint).ok
    tamper(kept, "DELETE FROM audit WHERE seq > 3")
    assert kept.state.audit.verify().ok
    found = kept.state.audit.verify(checkpoint)
    assert found.broken is not None
    assert (found.broken.seq, found.broken.fault) == (4, "truncated")


def test_a_chain_written_anew_shows_against_a_checkpoint(kept: Office, tmp_path: Path) -> None:
    checkpoint = kept.state.audit.export(tmp_path / "a.jsonl", now=NOW)
    tamper(kept, "DELETE FROM audit")
    for number in (1, 2, 99, 4, 5, 6):
        say(kept, number)
    assert kept.state.audit.verify().ok
    for found in (kept.state.audit.verify(checkpoint), kept.state.audit.verify_export(tmp_path / "a.jsonl")):
        assert found.broken is not None
        assert (found.broken.seq, found.broken.fault) == (5, "rewritten")


def test_an_export_verifies_here_and_elsewhere(kept: Office, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    checkpoint = kept.state.audit.export(path, now=NOW)
    assert (path.stat().st_mode & 0o777, read_checkpoint(path)) == (0o600, checkpoint)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.jsonl", "home"]
    say(kept, 6)
    assert kept.state.audit.verify_export(path).ok
    found = verify_export(path, kept.state.audit.public_key())
    assert (found.ok, found.entries, found.checkpoint) == (True, 5, checkpoint)
    assert kept.state.audit.export(tmp_path / "b.jsonl", now=NOW).public_key == checkpoint.public_key


def test_an_export_of_nothing_verifies(office: Office, tmp_path: Path) -> None:
    office.state.audit.export(tmp_path / "a.jsonl", now=NOW)
    assert office.state.audit.verify_export(tmp_path / "a.jsonl").ok


def test_an_export_is_not_written_over_nor_of_a_broken_chain(kept: Office, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    kept.state.audit.export(path, now=NOW)
    with pytest.raises(UsageError, match="there already"):
        kept.state.audit.export(path, now=NOW)
    tamper(kept, "UPDATE audit SET kind = 'x' WHERE seq = 4")
    with pytest.raises(ChainBroken, match="entry 4"):
        kept.state.audit.export(tmp_path / "b.jsonl", now=NOW)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.jsonl", "home"]


def _field(name: str) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        entry = msgspec.json.decode(lines[2])
        entry[name] = entry[name] + (1 if name == "seq" else " ")
        return [*lines[:2], msgspec.json.encode(entry) + b"\n", *lines[3:]]

    return change


def _checkpoint(**more: Any) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        said = msgspec.json.decode(lines[-1])["checkpoint"] | more
        return [*lines[:-1], msgspec.json.encode({"checkpoint": said}) + b"\n"]

    return change


def _doubled_key(lines: Lines) -> Lines:
    return [lines[0].replace(b'{"seq":1,', b'{"seq":7,"seq":1,'), *lines[1:]]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        *((_field(name), "missing" if name == "seq" else "changed") for name in Entry.__struct_fields__),
        (lambda lines: lines[1:], "missing"),
        (lambda lines: [*lines[:2], *lines[3:]], "missing"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "missing"),
        (lambda lines: lines[:-1], "truncated"),
        (lambda lines: [*lines[:-2], lines[-1]], "truncated"),
        (lambda lines: [*lines, lines[0]], "unreadable"),
        (lambda lines: [*lines[:2], b"{}\n", *lines[2:]], "unreadable"),
        (lambda lines: [*lines[:2], b"\xff\xfe\n", *lines[2:]], "unreadable"),
        (lambda lines: [lines[0].replace(b'"at"', b'"more":1,"at"'), *lines[1:]], "unreadable"),
        (_doubled_key, "unreadable"),
        (_checkpoint(seq=4), "signature"),
        (_checkpoint(hash="0" * 64), "signature"),
        (_checkpoint(at="2027-01-01T00:00:00Z"), "signature"),
        (_checkpoint(version=2), "signature"),
        (_checkpoint(signature="AAAA"), "signature"),
        (_checkpoint(signature="not base64"), "signature"),
        (_checkpoint(signature="é"), "signature"),
        (_checkpoint(public_key="ed25519:" + "A" * 43 + "="), "signature"),
    ],
)
def test_an_export_that_was_changed_is_found_out(
    kept: Office, tmp_path: Path, change: Callable[[Lines], Lines], fault: str
) -> None:
    path = tmp_path / "a.jsonl"
    kept.state.audit.export(path, now=NOW)
    before = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(before)))
    assert path.read_bytes() != b"".join(before)
    found = verify_export(path, kept.state.audit.public_key())
    assert found.broken is not None
    assert found.broken.fault == fault
    assert not kept.state.audit.verify_export(path).ok


def test_an_export_of_another_installation_is_not_ours(kept: Office, tmp_path: Path) -> None:
    with State.open(tmp_path / "other") as other:
        other.audit.export(tmp_path / "theirs.jsonl", now=NOW)
    kept.state.audit.export(tmp_path / "ours.jsonl", now=NOW)
    found = kept.state.audit.verify_export(tmp_path / "theirs.jsonl")
    assert found.broken is not None
    assert found.broken.fault == "signature"


def test_the_signing_key_is_sealed_and_survives_rotation(kept: Office, tmp_path: Path) -> None:
    kept.state.audit.export(tmp_path / "a.jsonl", now=NOW)
    public = kept.state.audit.public_key()
    kept.state.rotate_key()
    assert kept.state.audit.public_key() == public
    with kept.state.write() as database:
        database.execute(sa.text("UPDATE audit_key SET id = 'swapped'"))
    with pytest.raises(KeyUnavailable):
        kept.state.audit.public_key()


def test_there_is_no_key_before_the_first_signature(office: Office) -> None:
    with pytest.raises(UsageError, match="not signed"):
        office.state.audit.public_key()
    assert office.state.audit.public_key(now=NOW).startswith("ed25519:")


@pytest.mark.parametrize("key", ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 43 + "=", "ed25519:é"])
def test_what_is_no_public_key(kept: Office, tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError):
        verify_export(tmp_path / "a.jsonl", key)


@pytest.mark.parametrize("kind", ["", "Upper", "a b", "a.", "x" * 65])
def test_what_is_no_kind(office: Office, kind: str) -> None:
    with pytest.raises(ValueError, match="not a kind"):
        office.state.audit.record(at=NOW, actor=person(JANE), kind=kind, body={})


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))))
def test_any_text_is_kept_as_it_was(office: Office, body: dict[str, str]) -> None:
    entry = office.state.audit.record(at=NOW, actor=person(JANE), kind="question.asked", body=body)
    assert msgspec.json.decode(entry.body) == body
    office.whole()
