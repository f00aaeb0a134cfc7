"""Secrets at rest: sealed for one place, and where the key may come from."""

import base64
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from trailwarden.errors import KeyUnavailable
from trailwarden.state.keys import FileKey, GivenKey, KmsKey, encode_key, key_source, parse_key
from trailwarden.state.secrets import Keyring, Place, SecretBox, new_key

PLACES = st.builds(Place, st.sampled_from(["connection", "token"]), st.text("ab01", min_size=1), st.just("secret"))


def box_with(key: bytes) -> SecretBox:
    return SecretBox(GivenKey(encode_key(key)))


KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
BOX = box_with(KEY)


@given(st.text(), PLACES)
def test_what_was_sealed_opens_in_its_place(secret: str, place: Place) -> None:
    sealed = BOX.seal(secret, place)
    assert BOX.open(sealed, place) == secret
    assert not secret or len(secret) < 4 or secret.encode() not in sealed


@given(st.text(min_size=1), PLACES)
def test_the_same_secret_never_looks_the_same(secret: str, place: Place) -> None:
    assert BOX.seal(secret, place) != BOX.seal(secret, place)


@given(st.text(), PLACES, PLACES)
def test_moved_to_another_row_or_table_it_does_not_open(secret: str, place: Place, other: Place) -> None:
    sealed = BOX.seal(secret, place)
    if place != other:
        with pytest.raises(KeyUnavailable, match="does not authenticate"):
            BOX.open(sealed, other)


@given(st.text(), PLACES, st.data())
def test_one_flipped_bit_anywhere_and_it_does_not_open(secret: str, place: Place, data: st.DataObject) -> None:
    sealed = bytearray(BOX.seal(secret, place))
    position = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[position // 8] ^= 1 << position % 8
    with pytest.raises(KeyUnavailable):
        BOX.open(bytes(sealed), place)


@given(st.binary(max_size=60), PLACES)
def test_bytes_of_somebody_else_do_not_open(garbage: bytes, place: Place) -> None:
    with pytest.raises(KeyUnavailable):
        BOX.open(garbage, place)


@given(st.text(), PLACES)
def test_a_wrong_key_is_told_from_damage(secret: str, place: Place) -> None:
    sealed = box_with(OTHER_KEY).seal(secret, place)
    with pytest.raises(KeyUnavailable, match=r"was written with key [0-9a-f]{16}; the key at hand is") as caught:
        BOX.open(sealed, place)
    assert "TRAILWARDEN_KEY" in caught.value.remedy


@pytest.mark.parametrize(
    "text", [KEY.hex(), encode_key(KEY), base64.urlsafe_b64encode(KEY).decode(), f"  {KEY.hex()}\n", KEY.hex().upper()]
)
def test_forms_of_a_key(text: str) -> None:
    assert parse_key(text, "x") == KEY


@pytest.mark.parametrize("text", ["", "secret", encode_key(KEY[:31]), KEY.hex()[:-1] + "g", "ä" * 64])
def test_what_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(KeyUnavailable) as caught:
        parse_key(text, "TRAILWARDEN_KEY")
    assert not text or text not in caught.value.message
    assert "openssl rand" in caught.value.remedy


def test_neither_keyring_nor_source_shows_a_key() -> None:
    for shown in (repr(Keyring(KEY)), repr(GivenKey(encode_key(KEY))), repr(BOX)):
        assert KEY.hex() not in shown
        assert encode_key(KEY) not in shown


def test_the_first_use_makes_a_key_that_only_its_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "state.key"
    key = FileKey(path).load()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert FileKey(path).load().primary_id == key.primary_id


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.key"
    FileKey(path).load()
    path.chmod(0o640)
    with pytest.raises(KeyUnavailable, match="mode 0640") as caught:
        FileKey(path).load()
    assert f"chmod 600 {path}" in caught.value.remedy


def test_a_key_file_that_was_named_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        key_source(tmp_path, {"TRAILWARDEN_KEY_FILE": str(tmp_path / "absent")}).load()
    assert not (tmp_path / "absent").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file where the folder should be")
    with pytest.raises(KeyUnavailable, match="cannot be"):
        FileKey(tmp_path / "keys" / "state.key").load()


def test_the_first_use_in_many_threads_makes_one_key(tmp_path: Path) -> None:
    path, start, found = tmp_path / "keys" / "state.key", threading.Barrier(8), []

    def use() -> None:
        start.wait()
        found.append(FileKey(path).load().primary_id)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [item.name for item in path.parent.iterdir()] == ["state.key"]


def test_which_source_is_taken(tmp_path: Path) -> None:
    key_file = tmp_path / "k"
    key_file.write_text(OTHER_KEY.hex())
    key_file.chmod(0o600)
    both = {"TRAILWARDEN_KEY": KEY.hex(), "TRAILWARDEN_KEY_FILE": str(key_file)}
    assert key_source(tmp_path, both).load().primary_id == Keyring(KEY).primary_id
    del both["TRAILWARDEN_KEY"]
    assert key_source(tmp_path, both).load().primary_id == Keyring(OTHER_KEY).primary_id
    assert isinstance(key_source(tmp_path, {}, kms_key_arn="arn:aws:kms:x", kms=lambda: None), KmsKey)
    assert isinstance(key_source(tmp_path, {}), FileKey)


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        yield boto3.client("kms", region_name="us-east-1")


def test_a_key_that_kms_wraps(kms: Any, tmp_path: Path) -> None:
    arn, path = kms.create_key()["KeyMetadata"]["Arn"], tmp_path / "state.key.kms"
    box, place = SecretBox(KmsKey(path, arn, lambda: kms)), Place("connection", "1", "x")
    sealed = box.seal("secret", place)
    assert SecretBox(KmsKey(path, arn, lambda: kms)).open(sealed, place) == "secret"
    keyring = KmsKey(path, arn, lambda: kms).load()
    assert (keyring.get(keyring.primary_id) or b"?") not in base64.b64decode(path.read_text())


def test_a_refusal_of_kms_says_what_to_do(kms: Any, tmp_path: Path) -> None:
    arn, path = kms.create_key()["KeyMetadata"]["Arn"], tmp_path / "state.key.kms"
    KmsKey(path, arn, lambda: kms).load()

    def refuse(**_: Any) -> None:
        message = "User is not authorized to perform: kms:Decrypt because no identity-based policy allows it"
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, "Decrypt")

    kms.meta.events.register("before-call.kms.Decrypt", refuse)
    with pytest.raises(KeyUnavailable, match="KMS does not give") as caught:
        KmsKey(path, arn, lambda: kms).load()
    assert "allow kms:Decrypt" in caught.value.remedy


def test_a_wrapped_key_is_bound_to_its_purpose(kms: Any, tmp_path: Path) -> None:
    arn, path = kms.create_key()["KeyMetadata"]["Arn"], tmp_path / "state.key.kms"
    other = kms.generate_data_key_without_plaintext(
        KeyId=arn, KeySpec="AES_256", EncryptionContext={"application": "x"}
    )
    path.write_text(base64.b64encode(other["CiphertextBlob"]).decode())
    path.chmod(0o600)
    with pytest.raises(KeyUnavailable):
        KmsKey(path, arn, lambda: kms).load()


@pytest.mark.parametrize("source", ["file", "kms"])
def test_a_staged_key_is_kept_until_it_is_promoted(source: str, kms: Any, tmp_path: Path) -> None:
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    path = tmp_path / "state.key"

    def again() -> FileKey | KmsKey:
        return FileKey(path) if source == "file" else KmsKey(path, arn, lambda: kms)

    place = Place("connection", "1", "x")
    old = SecretBox(again()).seal("secret", place)
    staged = again().stage(None)
    assert again().stage(None) == staged, "a rotation that was cut off goes on with the same key"
    assert SecretBox(again()).open(old, place) == "secret"
    new = SecretBox(again()).seal("secret", place)
    assert Keyring(staged).primary_id in new, "what is written during a rotation has the new key"
    again().promote()
    assert SecretBox(again()).open(new, place) == "secret"
    with pytest.raises(KeyUnavailable):
        SecretBox(again()).open(old, place)


def test_a_key_read_long_ago_is_read_again_when_another_process_has_rotated(tmp_path: Path) -> None:
    path, place = tmp_path / "state.key", Place("connection", "1", "x")
    long_lived = SecretBox(FileKey(path))
    long_lived.seal("warm up", place)
    rotating = FileKey(path)
    rotating.stage(None)
    rotating.promote()
    sealed = SecretBox(FileKey(path)).seal("new", place)
    assert long_lived.open(sealed, place) == "new"


def test_what_is_written_after_a_rotation_elsewhere_has_the_new_key(tmp_path: Path) -> None:
    path, place = tmp_path / "state.key", Place("connection", "1", "x")
    long_lived = SecretBox(FileKey(path))
    long_lived.seal("warm up", place)
    FileKey(path).stage(None)
    FileKey(path).promote()
    assert SecretBox(FileKey(path)).open(long_lived.seal("new", place), place) == "new"


def test_environment_keys_cannot_be_rotated_in_place() -> None:
    with pytest.raises(KeyUnavailable, match="cannot change"):
        GivenKey(encode_key(KEY)).stage(None)
    assert GivenKey(encode_key(KEY)).stage(OTHER_KEY) == OTHER_KEY


def test_new_keys_are_random() -> None:
    assert len({new_key() for _ in range(50)}) == 50
    assert os.environ.get("TRAILWARDEN_KEY") is None, "these tests must not meet a real key"
