"""Snapshots on disk: what is saved is what is loaded, and damage is said."""

import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iam_source_kit import ACCOUNT, NOW, ago, allow, arn, authorization, document, inline, policy, role, snapshot

from trailwarden.demo.iam_world import synthetic_account
from trailwarden.errors import LakeError, UsageError
from trailwarden.lake.iam_snapshots import IamSnapshots, changes
from trailwarden.model.authorization import (
    AccessKeyUse,
    AuthorizationSnapshot,
    OrganizationPolicies,
    ResourcePolicyDocument,
    ServiceLastAccess,
)
from trailwarden.model.finding import Gap
from trailwarden.model.policy import parse_authorization_details

EVERYTHING = snapshot(
    authorization(
        roles=[
            role("Reader", RolePolicyList=[inline("Read", document(allow("s3:Get*", Condition={"Bool": {"a": True}})))])
        ]
    ),
    organization=OrganizationPolicies(
        id="o-example",
        management_account="999999999999",
        account=ACCOUNT,
        path=("r-ab12", ACCOUNT),
        scps=((policy("scp", document(allow("*")), name="FullAWSAccess"),), ()),
    ),
    resource_policies=(
        ResourcePolicyDocument(
            arn="arn:aws:s3:::example",
            service="s3",
            account=ACCOUNT,
            policy=policy("resource", document(allow("s3:*", Principal="*"))),
            restricts_public=True,
        ),
    ),
    last_access={
        arn("role", "Reader"): (
            ServiceLastAccess(service="s3", last=ago(3), tracked_since=ago(400), region="eu-west-1"),
            ServiceLastAccess(service="ec2", last=None, tracked_since=ago(400)),
        )
    },
    access_keys={arn("user", "alice"): (AccessKeyUse(number=1, active=True, rotated=ago(420), last_used=ago(2)),)},
    keys_taken=ago(0.1),
    read=("authorization", "organization", "access_keys", "resource_policies.s3"),
    gaps=(Gap(kind="denied", reason="kms:ListKeys failed", account=ACCOUNT, remedy="allow it"),),
)


@pytest.fixture
def kept(tmp_path: Path) -> IamSnapshots:
    return IamSnapshots(tmp_path / "lake")


def at(days: float) -> AuthorizationSnapshot:
    return snapshot(taken=ago(days))


def test_what_is_saved_is_loaded(kept: IamSnapshots, tmp_path: Path) -> None:
    path = kept.save(EVERYTHING)
    assert path == tmp_path / "lake" / "iam" / ACCOUNT / "20261124T041000.000000Z.json.zst"
    assert kept.load(ACCOUNT, NOW) == EVERYTHING
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@settings(max_examples=15, deadline=None)
@given(principals=st.integers(min_value=1, max_value=120), seed=st.integers(min_value=0, max_value=10**6))
def test_whole_accounts_come_back(tmp_path_factory: pytest.TempPathFactory, principals: int, seed: int) -> None:
    kept = IamSnapshots(tmp_path_factory.mktemp("lake"))
    held = parse_authorization_details([synthetic_account(principals, seed)])
    saved = snapshot(held, account=held.account)
    kept.save(saved)
    loaded = kept.load(saved.account, saved.taken)
    assert loaded == saved
    assert changes(saved, loaded) == ()


def test_the_list_is_newest_first_and_of_one_account(kept: IamSnapshots) -> None:
    for days in (3, 1, 2.5):
        kept.save(at(days))
    kept.save(msgspec.structs.replace(at(0), account="222222222222"))
    assert kept.list(ACCOUNT) == (ago(1), ago(2.5), ago(3))
    assert kept.list("333333333333") == ()


def test_other_files_in_the_folder_are_no_snapshots(kept: IamSnapshots) -> None:
    folder = kept.save(at(1)).parent
    for name in (".20261124T041000.000000Z.json.zst.0a1b2c3d", "notes.txt", "yesterday.json.zst"):
        (folder / name).write_bytes(b"")
    assert kept.list(ACCOUNT) == (ago(1),)


@pytest.mark.parametrize(
    ("max_age", "days"),
    [
        pytest.param(None, 2, id="any age"),
        pytest.param(timedelta(days=2), 2, id="just young enough"),
        pytest.param(timedelta(days=2) - timedelta(microseconds=1), None, id="too old"),
    ],
)
def test_the_latest_is_the_newest_that_is_young_enough(
    kept: IamSnapshots, max_age: timedelta | None, days: float | None
) -> None:
    for each in (9, 2, 5):
        kept.save(at(each))
    found = kept.latest(ACCOUNT, now=NOW, max_age=max_age)
    assert (found.taken if found is not None else None) == (ago(days) if days is not None else None)


def test_there_may_be_none(kept: IamSnapshots) -> None:
    assert kept.latest(ACCOUNT, now=NOW) is None
    with pytest.raises(UsageError, match="no snapshot of account 111111111111") as caught:
        kept.load(ACCOUNT, NOW)
    assert caught.value.remedy


def test_saving_again_replaces(kept: IamSnapshots) -> None:
    kept.save(snapshot())
    kept.save(EVERYTHING)
    assert kept.list(ACCOUNT) == (NOW,)
    assert kept.load(ACCOUNT, NOW) == EVERYTHING


def compressed(content: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(msgspec.json.encode(content))
    return bytes(sink.getvalue().to_pybytes())


def opened(raw: bytes) -> dict[str, Any]:
    with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as stream:
        return msgspec.json.decode(stream.read(), type=dict[str, Any])


def _widened(raw: bytes) -> bytes:
    held = opened(raw)
    held["snapshot"]["account"] = "222222222222"
    return compressed(held)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(lambda raw: b"", "is damaged", id="emptied"),
        pytest.param(lambda raw: raw[: len(raw) // 2], "is damaged", id="cut off"),
        pytest.param(lambda raw: raw[:40] + bytes([raw[40] ^ 0xFF]) + raw[41:], "is damaged", id="one byte"),
        pytest.param(lambda raw: b"{}", "is damaged", id="not compressed"),
        pytest.param(lambda raw: compressed({}), "is damaged", id="another object"),
        pytest.param(_widened, "not what was written", id="changed by hand"),
        pytest.param(lambda raw: compressed({**opened(raw), "format": 2}), "version 2", id="a later version"),
    ],
)
def test_damage_is_said(kept: IamSnapshots, damage: Callable[[bytes], bytes], words: str) -> None:
    kept.save(at(5))
    path = kept.save(EVERYTHING)
    path.write_bytes(damage(path.read_bytes()))
    calls: tuple[Callable[[], object], ...] = (
        lambda: kept.load(ACCOUNT, NOW),
        lambda: kept.latest(ACCOUNT, now=NOW),
    )
    for call in calls:
        with pytest.raises(LakeError, match=words) as caught:
            call()
        assert str(path) in caught.value.message
        assert caught.value.remedy
    assert kept.load(ACCOUNT, ago(5)).taken == ago(5)


def test_a_file_of_another_account_is_refused(kept: IamSnapshots) -> None:
    other = kept.save(msgspec.structs.replace(EVERYTHING, account="222222222222"))
    path = kept.save(EVERYTHING)
    other.replace(path)
    with pytest.raises(LakeError, match="is of account 222222222222"):
        kept.load(ACCOUNT, NOW)


@pytest.mark.parametrize("account", ["", "../../etc", "11111111111", "1111111111111", "12345678901x", "\uff11" * 12])
def test_accounts_are_account_ids(kept: IamSnapshots, account: str) -> None:
    for call in (lambda: kept.list(account), lambda: kept.save(msgspec.structs.replace(EVERYTHING, account=account))):
        with pytest.raises(UsageError, match="not an account id"):
            call()


def test_a_lake_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    (lake / "iam").write_text("a file where the folder should be", encoding="utf-8")
    kept = IamSnapshots(lake)
    for call in (lambda: kept.save(EVERYTHING), lambda: kept.list(ACCOUNT)):
        with pytest.raises(LakeError, match=r"cannot be (written|read)") as caught:
            call()
        assert caught.value.remedy


def test_a_write_that_fails_leaves_the_old_one(kept: IamSnapshots, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept.save(at(0))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LakeError, match="No space left"):
        kept.save(EVERYTHING)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert kept.load(ACCOUNT, NOW) == at(0)
