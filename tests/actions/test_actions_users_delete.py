"""Deleting a user: everything goes, in an order that AWS takes, and all of it is exported first."""

from typing import Any

import boto3
import pytest
from actions_kit import (
    ACCOUNT,
    ADMINISTRATOR_ACCESS,
    HARDWARE_MFA,
    SECURITY_KEY,
    SSH_KEY,
    VIRTUAL_MFA,
    LiveWorld,
    carry_out,
    client,
    make_john,
    snapshot_of,
    trust,
    world_of_john,
)
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.action import Planned, Refused
from trailwarden.actions.delete_user import DeleteUser, is_virtual
from trailwarden.actions.disable_user import DisableUser
from trailwarden.demo.emulator import Emulator
from trailwarden.errors import AccessDenied, NotFound
from trailwarden.guardrails import Guard
from trailwarden.model.proposal import Plan, canonical_json

IAM = f"arn:aws:iam::{ACCOUNT}"
JOHN = f"{IAM}:user/john"
KEY = "AKIAIOSFODNN7EXAMPLE"
DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
QUARANTINE = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"


def planned(**held: Any) -> Plan:
    return DeleteUser(user="john").plan(world_of_john(**held), Guard()).plan


def calls(plan: Plan) -> list[tuple[str, dict[str, Any], tuple[str, ...]]]:
    return [
        (step.call.api, {k: v for k, v in step.call.params.items() if k != "UserName"}, step.call.resources)
        for step in plan.steps
    ]


# --- what is done ---------------------------------------------------------------------------------------------------


def test_the_order_that_aws_takes_and_the_resource_of_each_call() -> None:
    plan = planned(
        access_keys={KEY: "Inactive"},
        certificates={"CERTEXAMPLE": "Active"},
        ssh_keys={"APKAEXAMPLE": "Active"},
        services={"ACCAEXAMPLE": "Expired"},
        password="2026-01-01T00:00:00Z",
        mfa=[VIRTUAL_MFA, HARDWARE_MFA, SECURITY_KEY],
        inline={"own": {"Statement": []}},
        attached=[DENY_ALL, ADMINISTRATOR_ACCESS, QUARANTINE],
        groups=["sales"],
        PermissionsBoundary={"PermissionsBoundaryArn": f"{IAM}:policy/staff"},
    )
    assert calls(plan) == [
        ("iam:DeleteLoginProfile", {}, (JOHN,)),
        ("iam:DeleteAccessKey", {"AccessKeyId": KEY}, (JOHN,)),
        ("iam:DeleteSigningCertificate", {"CertificateId": "CERTEXAMPLE"}, (JOHN,)),
        ("iam:DeleteSSHPublicKey", {"SSHPublicKeyId": "APKAEXAMPLE"}, (JOHN,)),
        ("iam:DeleteServiceSpecificCredential", {"ServiceSpecificCredentialId": "ACCAEXAMPLE"}, (JOHN,)),
        ("iam:DeactivateMFADevice", {"SerialNumber": HARDWARE_MFA}, (JOHN,)),
        ("iam:DeactivateMFADevice", {"SerialNumber": VIRTUAL_MFA}, (JOHN,)),
        ("iam:DeleteVirtualMFADevice", {"SerialNumber": VIRTUAL_MFA}, (VIRTUAL_MFA,)),
        ("iam:DeactivateMFADevice", {"SerialNumber": SECURITY_KEY}, (JOHN,)),
        ("iam:DeleteUserPolicy", {"PolicyName": "own"}, (JOHN,)),
        ("iam:DetachUserPolicy", {"PolicyArn": ADMINISTRATOR_ACCESS}, (JOHN,)),
        ("iam:RemoveUserFromGroup", {"GroupName": "sales"}, (f"{IAM}:group/sales",)),
        ("iam:DeleteUserPermissionsBoundary", {}, (JOHN,)),
        # what only denies holds until nothing else is left
        ("iam:DetachUserPolicy", {"PolicyArn": QUARANTINE}, (JOHN,)),
        ("iam:DetachUserPolicy", {"PolicyArn": DENY_ALL}, (JOHN,)),
        ("iam:DeleteUser", {}, (JOHN,)),
    ]
    assert all(step.undo is None for step in plan.steps)
    assert len(plan.irreversible) == 2


def test_a_policy_of_ones_own_that_is_called_like_aws_deny_is_detached_with_the_rest() -> None:
    impostor = f"{IAM}:policy/AWSDenyAll"
    plan = planned(attached=[impostor], groups=["sales"])
    assert [api for api, *_ in calls(plan)] == ["iam:DetachUserPolicy", "iam:RemoveUserFromGroup", "iam:DeleteUser"]


def test_a_user_with_nothing_is_deleted_at_once() -> None:
    assert calls(planned()) == [("iam:DeleteUser", {}, (JOHN,))]


@pytest.mark.parametrize(
    ("serial", "virtual"),
    [
        (VIRTUAL_MFA, True),
        (f"{IAM}:mfa/phones/john", True),
        (f"arn:aws-us-gov:iam::{ACCOUNT}:mfa/john", True),
        (SECURITY_KEY, False),
        (f"{IAM}:u2f/user/mfa/key", False),
        (HARDWARE_MFA, False),
        (f"{IAM}:sms-mfa/john", False),
    ],
)
def test_which_mfa_devices_are_virtual(serial: str, virtual: bool) -> None:
    assert is_virtual(serial) is virtual


NAMES = st.lists(st.text("abcdefgh", min_size=1, max_size=6), unique=True, max_size=5)


@given(
    held=st.fixed_dictionaries(
        {
            "access_keys": st.dictionaries(st.sampled_from([KEY, "AKIAI44QH8DHBEXAMPLE"]), st.just("Active")),
            "groups": NAMES,
            "attached": NAMES.map(lambda names: [f"{IAM}:policy/{name}" for name in names]),
            "mfa": NAMES.map(lambda names: [f"{IAM}:mfa/{name}" for name in names] + [f"GAHT{n}" for n in names]),
            "inline": NAMES.map(lambda names: {name: {"Statement": []} for name in names}),
        }
    ),
    order=st.randoms(use_true_random=False),
)
def test_nothing_is_left_whatever_there_is_and_in_whatever_order(held: dict[str, Any], order: Any) -> None:
    plan = planned(**held)
    named = [value for _, params, _ in calls(plan) for value in params.values()]
    virtual = [serial for serial in held["mfa"] if is_virtual(serial)]
    everything = [item for each in held.values() for item in each]
    assert sorted(named) == sorted([*everything, *virtual])
    assert [step.call.api for step in plan.steps].index("iam:DeleteUser") == len(plan.steps) - 1
    for serial in virtual:
        deactivated, deleted = (api for api, params, _ in calls(plan) if params.get("SerialNumber") == serial)
        assert (deactivated, deleted) == ("iam:DeactivateMFADevice", "iam:DeleteVirtualMFADevice")

    def shuffled(items: Any) -> Any:
        if isinstance(items, dict):
            return dict(order.sample(list(items.items()), len(items)))
        return order.sample(items, len(items))

    assert planned(**{name: shuffled(items) for name, items in held.items()}).sha256 == plan.sha256


def test_a_policy_document_with_a_fraction_can_be_approved() -> None:
    odd = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"N": {"a": 0.5}}}]}
    plan = planned(inline={"odd": odd})
    assert b"0.5" in canonical_json(plan.pre_state)
    assert plan.export["inline_policies"]["odd"] == odd


@pytest.mark.parametrize(
    "changed",
    [
        {"access_keys": {KEY: "Active"}},
        {"inline": {"own": {"Statement": [{"Effect": "Deny"}]}}},
        {"inline": {"other": {"Statement": []}}},
        {"groups": ["sales"]},
        {"mfa": [VIRTUAL_MFA]},
        {"password": "2026-01-01T00:00:00Z"},
        {"Tags": [{"Key": "team", "Value": "sales"}]},
        {"PermissionsBoundary": {"PermissionsBoundaryArn": f"{IAM}:policy/staff"}},
        {"UserId": "AIDAOTHEREXAMPLE"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_user_that_changed_has_another_plan(changed: Any) -> None:
    before: dict[str, Any] = {"inline": {"own": {"Statement": []}}}
    assert planned(**before).sha256 != planned(**{**before, **changed}).sha256


def test_a_user_that_signed_in_meanwhile_has_not() -> None:
    held = {"password": "2026-01-01T00:00:00Z"}
    assert planned(**held).sha256 == planned(**held, PasswordLastUsed="2026-11-24T11:59:00Z").sha256


@pytest.mark.parametrize("guard", [Guard(own=(JOHN,)), Guard(principals=(JOHN,)), Guard(own_access_keys=(KEY,))])
def test_users_that_are_protected(guard: Guard) -> None:
    with pytest.raises(Refused):
        DeleteUser(user="john").plan(world_of_john(access_keys={KEY: "Inactive"}), guard)


@pytest.mark.parametrize(
    "api", ["iam:ListMFADevices", "iam:GetUserPolicy", "iam:GetSSHPublicKey", "iam:GetLoginProfile"]
)
def test_what_cannot_be_read_cannot_be_exported_and_is_not_deleted(api: str) -> None:
    world = world_of_john(inline={"own": {"Statement": []}}, ssh_keys={"APKAEXAMPLE": "Active"})
    with pytest.raises(AccessDenied, match=api):
        DeleteUser(user="john").plan(world.answer(api, AccessDenied(f"no {api}")), Guard())


# --- against the emulator -------------------------------------------------------------------------------------------


def test_a_user_with_everything_is_exported_and_deleted(admin: boto3.Session, live: LiveWorld) -> None:
    iam = client(admin, "iam")
    action = DeleteUser(user=make_john(admin))
    plan = action.plan(live, Guard()).plan
    export = plan.export
    assert export["user"]["Tags"] == [{"Key": "team", "Value": "sales"}]
    assert export["user"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == f"{IAM}:policy/staff"
    assert sorted(export["inline_policies"]) == ["buckets", "reports"]
    assert export["inline_policies"]["buckets"]["Statement"][0]["Action"] == ["s3:ListAllMyBuckets"]
    assert export["ssh_public_keys"][0]["SSHPublicKeyBody"] == SSH_KEY
    assert "BEGIN CERTIFICATE" in export["signing_certificates"][0]["CertificateBody"]
    assert [each["GroupName"] for each in export["groups"]] == ["everybody", "sales"]
    assert {each["SerialNumber"] for each in export["mfa_devices"]} == {VIRTUAL_MFA, HARDWARE_MFA, SECURITY_KEY}
    canonical_json(export)  # holds nothing but JSON
    with pytest.raises(ClientError, match="DeleteConflict"):
        iam.delete_user(UserName="john")
    carry_out(admin, plan)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_user(UserName="john")
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.get_group(GroupName="sales")["Users"] == []
    assert action.verify(live, plan).ok
    with pytest.raises(NotFound):
        action.plan(live, Guard())


def one_a_page(params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
    return {**params, "MaxItems": 1} if model.name.startswith("List") else params


def test_lists_of_several_pages_are_read_to_their_end(
    emulator: Emulator, admin: boto3.Session, live: LiveWorld
) -> None:
    action = DeleteUser(user=make_john(admin))
    session = emulator.session(ACCOUNT)
    session.events.register("provide-client-params.iam", one_a_page)
    paged = LiveWorld(session)
    assert len(paged.call("iam:ListAccessKeys", UserName="john")["AccessKeyMetadata"]) == 1
    plan = action.plan(paged, Guard()).plan
    assert plan == action.plan(live, Guard()).plan
    carry_out(admin, plan)
    assert action.verify(live, plan).ok


def test_a_user_that_was_disabled_is_deleted(admin: boto3.Session, live: LiveWorld) -> None:
    john = make_john(admin)
    carry_out(admin, DisableUser(user=john).plan(live, Guard()).plan)
    action = DeleteUser(user=john)
    plan = action.plan(live, Guard()).plan
    carry_out(admin, plan)
    assert action.verify(live, plan).ok


def test_a_user_made_anew_under_the_same_name_is_another_target(admin: boto3.Session, live: LiveWorld) -> None:
    iam = client(admin, "iam")
    iam.create_user(UserName="john")
    first = DeleteUser(user="john").plan(live, Guard()).plan
    iam.delete_user(UserName="john")
    iam.create_user(UserName="john")
    second = DeleteUser(user="john").plan(live, Guard()).plan
    assert first.targets[0].id != second.targets[0].id
    assert first.sha256 != second.sha256


def hit(planned: Planned, kind: str) -> list[str]:
    return [item.text for item in planned.blast_radius if item.kind == kind]


def test_what_names_the_user_is_said(admin: boto3.Session) -> None:
    iam = client(admin, "iam")
    identifier = iam.create_user(UserName="john")["User"]["UserId"]
    for role, principal in (("deploy", JOHN), ("other", f"{IAM}:root")):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust(principal))
    found = DeleteUser(user="john").plan(LiveWorld(admin, snapshot=snapshot_of(admin)), Guard())
    (text,) = hit(found, "references")
    assert text == (
        f"the trust policy of {IAM}:role/deploy names this user: afterwards it names {identifier}, who is nobody"
    )
    assert hit(found, "remains")
    assert any("disable_user" in note for note in found.notes)
