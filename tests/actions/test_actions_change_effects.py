"""Whether a call's effect is there: not before it, and after it; another principal of the same name tells nothing."""

from typing import Any

import boto3
import pytest
from actions_kit import ACCOUNT, REGION, LiveWorld, client, do, document, make_john, scenarios

from trailwarden.action import target_of
from trailwarden.actions import actions
from trailwarden.actions.delete_user import DeleteUser
from trailwarden.demo.emulator import Emulator, Fault
from trailwarden.effects import KNOWN, step_effect, verify_steps
from trailwarden.errors import AccessDenied
from trailwarden.guardrails import Guard
from trailwarden.model.proposal import Call, Plan, Target

GUARD = Guard(revoke_sessions=True)
SCENARIOS = [name for name in actions() if name in scenarios()]
JOHN = Target(kind="iam_user", id="AIDAJOHNEXAMPLE", account=ACCOUNT, name="john")
IMAGE = "ami-12c6146b"


def call_of(api: str, **params: Any) -> Call:
    return Call(api=api, params=params, region=REGION)


def instance_of(identifier: str) -> Target:
    return Target(kind="ec2_instance", id=identifier, account=ACCOUNT, name=identifier, region=REGION)


def plan_of(name: str, admin: boto3.Session) -> Plan:
    return scenarios()[name](admin).plan(LiveWorld(admin), GUARD).plan


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_effect_of_each_step_is_there_after_it_and_not_before(
    admin: boto3.Session, live: LiveWorld, name: str
) -> None:
    plan = plan_of(name, admin)
    assert not verify_steps(live, plan).ok
    for step in plan.steps:
        dry = bool(step.call.params.get("DryRun"))
        assert step_effect(live, step.call, target_of(plan, step)) is False, step.does
        do(admin, step.call)
        assert step_effect(live, step.call, target_of(plan, step)) is not dry, step.does
    assert verify_steps(live, plan).ok


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_effect_of_each_call_of_a_plan_can_be_read(admin: boto3.Session, name: str) -> None:
    calls = [call for step in plan_of(name, admin).steps for call in (step.call, step.undo) if call is not None]
    assert {call.api for call in calls} <= KNOWN


def test_a_user_made_anew_under_the_name_is_another(admin: boto3.Session, live: LiveWorld) -> None:
    make_john(admin)
    plan = DeleteUser(user="john").plan(live, GUARD).plan
    for step in plan.steps:
        do(admin, step.call)
    client(admin, "iam").create_user(UserName="john")
    for step in plan.steps:
        if "UserName" in step.call.params:
            assert step_effect(live, step.call, target_of(plan, step)) is None, step.does
    assert not verify_steps(live, DeleteUser(user="john").plan(live, GUARD).plan).ok


def test_what_is_gone_with_its_user_is_gone_and_what_should_be_there_is_not(live: LiveWorld) -> None:
    named = {"UserName": "nobody", "PolicyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}
    assert step_effect(live, call_of("iam:DetachUserPolicy", **named), JOHN) is True
    assert step_effect(live, call_of("iam:AttachUserPolicy", **named), JOHN) is False
    assert step_effect(live, call_of("iam:DeleteUser", UserName="nobody"), JOHN) is True


def test_what_cannot_be_read_is_not_said_to_be_undone(emulator: Emulator, admin: boto3.Session) -> None:
    plan = plan_of("delete_access_key", admin)
    emulator.faults.append(Fault.deny("iam:ListAccessKeys"))
    with pytest.raises(AccessDenied, match="iam:ListAccessKeys"):
        verify_steps(LiveWorld(admin), plan)


def test_a_call_that_no_action_makes_is_refused(live: LiveWorld) -> None:
    with pytest.raises(ValueError, match="iam:CreateUser"):
        step_effect(live, call_of("iam:CreateUser", UserName="john"), JOHN)


def test_another_document_under_the_name_is_not_the_one_put(admin: boto3.Session, live: LiveWorld) -> None:
    made = client(admin, "iam").create_user(UserName="john")["User"]["UserId"]
    john = Target(kind="iam_user", id=made, account=ACCOUNT, name="john")
    wanted = {"UserName": "john", "PolicyName": "p", "PolicyDocument": document("s3:GetObject")}
    put = call_of("iam:PutUserPolicy", **wanted)
    assert step_effect(live, put, john) is False
    client(admin, "iam").put_user_policy(UserName="john", PolicyName="p", PolicyDocument=document("s3:*"))
    assert step_effect(live, put, john) is False
    do(admin, put)
    assert step_effect(live, put, john) is True


def test_instances(admin: boto3.Session, live: LiveWorld) -> None:
    ec2 = client(admin, "ec2")
    instance = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, DisableApiTermination=True)["Instances"][0]
    identifier = instance["InstanceId"]
    target = instance_of(identifier)
    unprotect = call_of("ec2:ModifyInstanceAttribute", InstanceId=identifier, DisableApiTermination={"Value": False})
    for call in (
        unprotect,
        call_of("ec2:StopInstances", InstanceIds=[identifier]),
        call_of("ec2:TerminateInstances", InstanceIds=[identifier]),
    ):
        assert step_effect(live, call, target) is False, call.api
        do(admin, call)
        assert step_effect(live, call, target) is True, call.api
    assert step_effect(live, unprotect, target) is True, "a terminated instance is not protected"


def test_a_dry_run_leaves_nothing_and_may_be_made_again(admin: boto3.Session, live: LiveWorld) -> None:
    identifier = client(admin, "ec2").run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    dry = call_of("ec2:TerminateInstances", InstanceIds=[identifier], DryRun=True)
    do(admin, dry)
    assert step_effect(live, dry, instance_of(identifier)) is False


def test_addresses_of_a_set(admin: boto3.Session, live: LiveWorld) -> None:
    made = client(admin, "wafv2").create_ip_set(
        Name="blocked", Scope="REGIONAL", IPAddressVersion="IPV6", Addresses=["2001:db8::/32"]
    )["Summary"]
    target = Target(kind="ip_address", id="2001:db8::7/128", account=ACCOUNT, name="2001:db8::7/128")
    named = {"Name": "blocked", "Scope": "REGIONAL", "Id": made["Id"]}
    add = call_of("wafv2:UpdateIPSet", **named, AddAddresses=["2001:db8::7/128"])
    remove = call_of("wafv2:UpdateIPSet", **named, RemoveAddresses=["2001:0db8:0:0::7/128"])
    for there, gone in ((add, remove), (remove, add)):
        do(admin, there)
        assert step_effect(live, there, target) is True
        assert step_effect(live, gone, target) is False
