"""Deleting an access key: whose it is, AWS says; temporary, foreign, root's and one's own keys are refused."""

import boto3
import pytest
from actions_kit import ACCOUNT, OTHER_ACCOUNT, FakeWorld, LiveWorld, carry_out, client, do, make_john, world_of_john
from botocore.exceptions import ClientError

from trailwarden.action import Refused
from trailwarden.actions.delete_access_key import DeleteAccessKey
from trailwarden.actions.delete_user import DeleteUser
from trailwarden.demo.emulator import Emulator
from trailwarden.errors import AccessDenied, NotFound, UsageError
from trailwarden.guardrails import Guard

JOHN = f"arn:aws:iam::{ACCOUNT}:user/john"
KEY, SPARE = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"
ACTION = DeleteAccessKey(access_key_id=KEY)


def test_inactive_first_then_deleted() -> None:
    plan = ACTION.plan(world_of_john(access_keys={KEY: "Active"}), Guard()).plan
    john = {"UserName": "john", "AccessKeyId": KEY}
    assert [(step.call.api, step.call.params, step.call.resources, step.undo) for step in plan.steps] == [
        ("iam:UpdateAccessKey", {**john, "Status": "Inactive"}, (JOHN,), None),
        ("iam:DeleteAccessKey", john, (JOHN,), None),
    ]
    (target,) = plan.targets
    assert (target.kind, target.id, target.name) == ("access_key", KEY, "john")
    assert "cannot be recovered" in plan.irreversible[0]


def test_a_key_that_is_inactive_is_only_deleted() -> None:
    plan = ACTION.plan(world_of_john(access_keys={KEY: "Inactive"}), Guard()).plan
    assert [step.call.api for step in plan.steps] == ["iam:DeleteAccessKey"]


def test_a_key_that_was_used_meanwhile_is_the_same_but_one_made_active_is_not() -> None:
    world = world_of_john(access_keys={KEY: "Inactive"})
    before = ACTION.plan(world, Guard()).plan.sha256
    used = {"LastUsedDate": "2026-11-24T11:59:00Z", "ServiceName": "s3", "Region": "eu-central-1"}
    world.answer("iam:GetAccessKeyLastUsed", {"UserName": "john", "AccessKeyLastUsed": used})
    found = ACTION.plan(world, Guard())
    assert found.plan.sha256 == before
    assert found.blast_radius[0].text.endswith("was last used at 2026-11-24T11:59:00Z, with s3 in eu-central-1")
    assert ACTION.plan(world_of_john(access_keys={KEY: "Active"}), Guard()).plan.sha256 != before


def test_another_key_that_stays_active_is_grave() -> None:
    found = ACTION.plan(world_of_john(access_keys={KEY: "Active", SPARE: "Active"}), Guard())
    assert [item.text for item in found.blast_radius if item.grave] == [f"access key {SPARE} of john stays active"]
    found = ACTION.plan(world_of_john(access_keys={KEY: "Active", SPARE: "Inactive"}), Guard())
    assert not any(item.grave for item in found.blast_radius)


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        ("ASIAIOSFODNN7EXAMPLE", Refused, "temporary key"),
        ("AROAIOSFODNN7EXAMPLE", UsageError, "not the id of an access key"),
        ("ACCAIOSFODNN7EXAMPLE", UsageError, "not the id of an access key"),
    ],
)
def test_other_ids_are_refused_before_anything_is_asked(key: str, error: type[UsageError], words: str) -> None:
    world = FakeWorld()
    with pytest.raises(error, match=words) as refusal:
        DeleteAccessKey(access_key_id=key).plan(world, Guard())
    assert not world.asked
    assert refusal.value.remedy


def test_a_key_of_another_account() -> None:
    world = FakeWorld().answer("sts:GetAccessKeyInfo", {"Account": OTHER_ACCOUNT})
    with pytest.raises(NotFound, match=f"a key of account {OTHER_ACCOUNT}"):
        ACTION.plan(world, Guard())


@pytest.mark.parametrize("owner", ["", "<root_account>"])
def test_a_key_that_no_user_owns_is_roots(owner: str) -> None:
    world = FakeWorld().answer("sts:GetAccessKeyInfo", {"Account": ACCOUNT})
    world.answer("iam:GetAccessKeyLastUsed", {"UserName": owner, "AccessKeyLastUsed": {}})
    world.answer("iam:GetUser", NotFound("no such user"))
    with pytest.raises(Refused, match="root user"):
        ACTION.plan(world, Guard())


def test_a_key_that_is_gone_from_its_owner() -> None:
    world = world_of_john(access_keys={KEY: "Active"}).answer("iam:ListAccessKeys", {"AccessKeyMetadata": []})
    with pytest.raises(Refused, match="is not a key of"):
        ACTION.plan(world, Guard())


@pytest.mark.parametrize(
    "guard",
    [Guard(own_access_keys=(KEY,)), Guard(own_access_keys=(SPARE,)), Guard(own=(JOHN,)), Guard(tags=("break-glass",))],
    ids=["own key", "another key of the own user", "own user", "protected owner"],
)
def test_keys_that_are_protected(guard: Guard) -> None:
    tags = [{"Key": "break-glass", "Value": "yes"}]
    with pytest.raises(Refused):
        ACTION.plan(world_of_john(access_keys={KEY: "Active", SPARE: "Active"}, Tags=tags), guard)


# --- against the emulator -------------------------------------------------------------------------------------------


def test_a_key_is_gone_with_its_user_too(admin: boto3.Session, live: LiveWorld) -> None:
    john = make_john(admin)
    key = client(admin, "iam").list_access_keys(UserName="john")["AccessKeyMetadata"][0]["AccessKeyId"]
    action = DeleteAccessKey(access_key_id=key)
    plan = action.plan(live, Guard()).plan
    assert not action.verify(live, plan).ok
    do(admin, plan.steps[0].call)
    assert not action.verify(live, plan).ok
    carry_out(admin, DeleteUser(user=john).plan(live, Guard()).plan)
    assert action.verify(live, plan).ok


def test_a_key_is_found_to_be_johns_and_deleted(emulator: Emulator, admin: boto3.Session, live: LiveWorld) -> None:
    make_john(admin)
    iam = client(admin, "iam")
    johns = emulator.session(ACCOUNT, user="john")
    client(johns, "s3").list_buckets()
    key = johns.get_credentials().access_key
    action = DeleteAccessKey(access_key_id=key)
    found = action.plan(live, Guard())
    assert "with s3 in us-east-1" in found.blast_radius[0].text
    carry_out(admin, found.plan)
    assert key not in {each["AccessKeyId"] for each in iam.list_access_keys(UserName="john")["AccessKeyMetadata"]}
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client(johns, "s3").list_buckets()
    assert action.verify(live, found.plan).ok
    with pytest.raises(AccessDenied) as refusal:
        action.plan(live, Guard())
    assert "deleted already" in refusal.value.remedy
