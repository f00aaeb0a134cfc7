"""``load_authorization_file``: every form that the AWS CLI leaves behind, and words for everything else."""

import codecs
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from iam_source_kit import ACCOUNT, allow, arn, attached, document, inline, managed, page, role, trusting, user

from trailwarden.aws.authorization import load_authorization_file
from trailwarden.errors import UsageError

OWN = arn("policy", "Deploy")
GRANT = document(allow("s3:PutObject", "arn:aws:s3:::example/*"))
WHOLE = page(
    roles=[role("Deploy", RolePolicyList=[inline("Inline", GRANT)], AttachedManagedPolicies=attached(OWN))],
    users=[user("alice")],
    policies=[managed(OWN, GRANT)],
)
PAGES = [
    page(users=[user("alice")], IsTruncated=True, Marker="AAE="),
    page(
        roles=[role("Deploy", RolePolicyList=[inline("Inline", GRANT)], AttachedManagedPolicies=attached(OWN))],
        policies=[managed(OWN, GRANT)],
        IsTruncated=False,
    ),
]


def encoded(value: Any) -> Any:
    """The same with every policy document URL-encoded, as IAM's API sends it."""
    if isinstance(value, dict):
        return {
            key: quote(json.dumps(each)) if key.endswith("Document") and isinstance(each, dict) else encoded(each)
            for key, each in value.items()
        }
    return [encoded(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(WHOLE).encode(), id="as printed"),
        pytest.param(json.dumps(PAGES).encode(), id="a list of pages"),
        pytest.param(json.dumps([PAGES[0], WHOLE]).encode(), id="pages that repeat"),
        pytest.param(json.dumps(encoded(WHOLE)).encode(), id="documents URL-encoded"),
        pytest.param(codecs.BOM_UTF8 + json.dumps(WHOLE).encode(), id="UTF-8 with a mark"),
        pytest.param(json.dumps(WHOLE).encode("utf-16"), id="UTF-16, as PowerShell writes"),
        pytest.param(codecs.BOM_UTF16_BE + json.dumps(WHOLE).encode("utf-16-be"), id="UTF-16, big-endian"),
        pytest.param(json.dumps(WHOLE, indent=4).encode() + b"\n", id="indented"),
    ],
)
def test_every_form_gives_the_same_account(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(content)
    snapshot = load_authorization_file(path)
    assert snapshot.account == ACCOUNT
    assert (snapshot.read, snapshot.gaps) == (("authorization",), ())
    held = snapshot.authorization
    deploy = held.roles[arn("role", "Deploy")]
    assert [policy.source.name for policy in held.identity_policies(deploy)] == ["Inline", "Deploy"]
    assert {policy.statements[0].actions for policy in held.identity_policies(deploy)} == {("s3:PutObject",)}
    assert deploy.trust is not None
    assert list(held.users) == [arn("user", "alice")]


def test_its_time_is_the_file_s(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(WHOLE), encoding="utf-8")
    moment = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    os.utime(path, (moment.timestamp(), moment.timestamp()))
    assert load_authorization_file(path).taken == moment


def test_a_file_that_ends_early_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(PAGES[0]), encoding="utf-8")
    snapshot = load_authorization_file(path)
    assert snapshot.read == ()
    (gap,) = snapshot.gaps
    assert (gap.kind, gap.account) == ("not_covered", ACCOUNT)
    assert "--max-items" in gap.remedy


def test_documents_that_cannot_be_read_are_one_gap(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    broken = [
        role("One", AssumeRolePolicyDocument={"Statement": [{"Effect": "Perhaps"}]}),
        role("Two", RolePolicyList=[inline("Bad", "{not JSON")]),
    ]
    path.write_text(json.dumps(page(roles=broken)), encoding="utf-8")
    snapshot = load_authorization_file(path)
    (gap,) = snapshot.gaps
    assert gap.kind == "failed"
    assert arn("role", "One") in gap.reason
    assert gap.reason.endswith("and 1 more policies")


def _another_account() -> list[Any]:
    return [page(roles=[role("A")]), page(roles=[role("B", Arn="arn:aws:iam::222222222222:role/B")])]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "is empty", id="nothing"),
        pytest.param(b" \n", "is empty", id="white space"),
        pytest.param(b"Unable to locate credentials\n", "not JSON", id="an error message"),
        pytest.param(json.dumps(WHOLE).encode()[:-20], "not JSON", id="cut off"),
        pytest.param(b"\xff\xfe\x00", "not JSON", id="half a UTF-16 character"),
        pytest.param(b"[" * 100_000, "not JSON", id="nested without end"),
        pytest.param(b"[]", "names no account", id="no pages"),
        pytest.param(b"3", "not an answer of", id="a number"),
        pytest.param(b'{"Roles": []}', "not an answer of", id="list-roles"),
        pytest.param(b'[["RoleDetailList"]]', "not an answer of", id="lists of lists"),
        pytest.param(json.dumps(page()).encode(), "names no account", id="empty lists"),
        pytest.param(json.dumps(page(roles=[{"RoleName": "x"}])).encode(), "an entry is not", id="half a role"),
        pytest.param(json.dumps(page(roles=["x"])).encode(), "an entry is not", id="a text for a role"),
        pytest.param(json.dumps(_another_account()).encode(), "several accounts", id="two accounts"),
    ],
)
def test_anything_else_is_refused_with_a_remedy(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        load_authorization_file(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    "make",
    [pytest.param(lambda path: None, id="missing"), pytest.param(lambda path: path.mkdir(), id="a folder")],
)
def test_what_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "account.json"
    make(path)
    with pytest.raises(UsageError, match="cannot be read") as caught:
        load_authorization_file(path)
    assert "get-account-authorization-details" in caught.value.remedy


def test_roles_without_a_trust_policy_are_read(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    bare = role("Bare")
    del bare["AssumeRolePolicyDocument"]
    path.write_text(json.dumps(page(roles=[bare, role("Other", AssumeRolePolicyDocument=trusting("ec2"))])), "utf-8")
    held = load_authorization_file(path).authorization
    assert held.roles[arn("role", "Bare")].trust is None
    assert held.roles[arn("role", "Other")].trust is not None
