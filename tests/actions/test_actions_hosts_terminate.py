"""Terminating instances: what is done, in which order, what is refused, and what it would hit."""

import boto3
import msgspec
import pytest
from actions_hosts_kit import group, run, spot, state_of
from actions_kit import ACCOUNT, LiveWorld, carry_out, client, snapshot_of

from trailwarden.action import Planned, Refused
from trailwarden.actions.terminate_instances import TerminateInstances
from trailwarden.demo.emulator import Emulator, Fault
from trailwarden.effects import step_effect
from trailwarden.errors import AccessDenied, NotFound, UsageError
from trailwarden.guardrails import Guard


def plan(world: LiveWorld, *ids: str, guard: Guard | None = None, **more: object) -> Planned:
    return TerminateInstances(instance_ids=ids, **more).plan(world, guard or Guard())  # type: ignore[arg-type]


def apis(planned: Planned) -> list[str]:
    return [
        each.call.api.partition(":")[2] + ("?" if each.call.params.get("DryRun") else "") for each in planned.plan.steps
    ]


def texts(planned: Planned, kind: str) -> str:
    return " ".join(each.text for each in planned.blast_radius if each.kind == kind)


def done(admin: boto3.Session, live: LiveWorld, planned: Planned) -> None:
    carry_out(admin, planned.plan)
    action = msgspec.convert(planned.arguments, TerminateInstances)
    assert action.verify(live, planned.plan).ok


def test_one_is_stopped_and_terminated(admin: boto3.Session, live: LiveWorld) -> None:
    instance = run(admin)
    planned = plan(live, instance)
    assert apis(planned) == ["TerminateInstances?", "StopInstances", "TerminateInstances"]
    assert planned.plan.targets[0].id == instance
    assert planned.plan.irreversible
    assert planned.administrator is False
    assert planned.plan.export[instance]["instance"]["InstanceId"] == instance
    assert planned.plan.export[instance]["volumes"]
    assert plan(live, instance).plan.sha256 == planned.plan.sha256
    assert not TerminateInstances(instance_ids=(instance,)).verify(live, planned.plan).ok
    done(admin, live, planned)
    assert state_of(admin, instance) == "terminated"
    with pytest.raises(Refused, match="already terminated"):
        plan(live, instance)


def test_regions_are_looked_through(admin: boto3.Session) -> None:
    near, far = run(admin), run(admin, region="eu-central-1")
    world = LiveWorld(admin, regions=("us-east-1", "eu-central-1"))
    planned = plan(world, far, near)
    assert [each.region for each in planned.plan.targets] == ["eu-central-1", "us-east-1"]
    done(admin, world, planned)
    assert state_of(admin, far, "eu-central-1") == "terminated"
    with pytest.raises(NotFound, match=near):
        plan(world, near, region="eu-central-1")


def test_a_region_that_cannot_be_read_is_not_one_without_it(emulator: Emulator, admin: boto3.Session) -> None:
    instance = run(admin)
    emulator.faults.append(Fault.deny("ec2:DescribeInstances", region="eu-central-1"))
    world = LiveWorld(admin, regions=("eu-central-1", "us-east-1"))
    assert plan(world, instance).plan.steps
    with pytest.raises(AccessDenied):
        plan(world, "i-0123456789abcdef0")


@pytest.mark.parametrize("text", ["", "i-", "john", "i-0123456789abcdefg", "i-0123456789abcdef0\u0660"])
def test_what_is_no_id_is_refused(live: LiveWorld, text: str) -> None:
    with pytest.raises(UsageError, match="not an instance id"):
        plan(live, text)


@pytest.mark.parametrize(
    ("guard", "why"),
    [
        (Guard(instances=("{}",)), "protected_instances"),
        (Guard(tags=("keep=yes",)), "keep=yes"),
        (Guard(own=(f"arn:aws:sts::{ACCOUNT}:assumed-role/Trailwarden/{{}}",)), "runs on"),
    ],
    ids=["setting", "tag", "own"],
)
def test_the_protected_are_refused(admin: boto3.Session, live: LiveWorld, guard: Guard, why: str) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "keep", "Value": "yes"}]}]
    instance = run(admin, TagSpecifications=tags)
    named = {each: tuple(text.format(instance) for text in getattr(guard, each)) for each in ("instances", "own")}
    with pytest.raises(Refused, match=why):
        plan(live, instance, guard=msgspec.structs.replace(guard, **named))


def test_protection_holds_unless_it_is_overridden(admin: boto3.Session, live: LiveWorld) -> None:
    instance = run(admin, DisableApiTermination=True)
    client(admin, "ec2").modify_instance_attribute(InstanceId=instance, DisableApiStop={"Value": True})
    with pytest.raises(Refused, match="termination and stop protection"):
        plan(live, instance)
    planned = plan(live, instance, override_protection=True)
    assert apis(planned) == [
        *("ModifyInstanceAttribute", "ModifyInstanceAttribute", "TerminateInstances?"),
        *("StopInstances", "TerminateInstances"),
    ]
    assert [each.undo is not None for each in planned.plan.steps] == [True, True, False, False, False]
    done(admin, live, planned)


def test_snapshots_are_taken_and_told_from_earlier_ones(admin: boto3.Session, live: LiveWorld) -> None:
    instance = run(admin)
    first = plan(live, instance, snapshots=True).plan
    step = first.steps[0]
    assert step.call.api == "ec2:CreateSnapshots"
    assert step_effect(live, step.call, first.targets[0]) is False
    carry_out(admin, msgspec.structs.replace(first, steps=(step,)))
    assert step_effect(live, step.call, first.targets[0]) is True
    again = plan(live, instance, snapshots=True)
    assert step_effect(live, again.plan.steps[0].call, first.targets[0]) is False
    done(admin, live, again)
    taken = client(admin, "ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]
    mine = [each for each in taken if {"Key": "trailwarden:snapshot-of", "Value": instance} in each.get("Tags", [])]
    assert len(mine) == 2


def test_a_group_shrinks_down_to_its_minimum(admin: boto3.Session, live: LiveWorld) -> None:
    ids = group(admin, desired=3, minimum=2)
    planned = plan(live, *ids[:2])
    detached = [each.call.params for each in planned.plan.steps if each.call.api == "autoscaling:DetachInstances"]
    assert [each["ShouldDecrementDesiredCapacity"] for each in detached] == [True, False]
    assert "launches another instance" in texts(planned, "auto_scaling")
    done(admin, live, planned)
    left = client(admin, "autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert left["DesiredCapacity"] == 2
    assert not set(ids[:2]) & {each["InstanceId"] for each in left["Instances"]}


@pytest.mark.parametrize(("kind", "cancelled"), [("persistent", True), ("one-time", False)])
def test_spot_instances_are_not_stopped(admin: boto3.Session, live: LiveWorld, kind: str, cancelled: bool) -> None:
    planned = plan(live, spot(admin, kind))
    expected = ["TerminateInstances?", "TerminateInstances"]
    assert apis(planned) == (["CancelSpotInstanceRequests", *expected] if cancelled else expected)
    assert kind in texts(planned, "spot")
    done(admin, live, planned)


def test_the_role_outlives_the_instance(admin: boto3.Session) -> None:
    instance = run(admin, profile=True)
    planned = plan(LiveWorld(admin, snapshot=snapshot_of(admin)), instance)
    assert planned.administrator is True
    assert "12 hours" in texts(planned, "sessions")
    assert any("revoke_sessions for Web" in each for each in planned.notes)
    assert plan(LiveWorld(admin), instance).administrator is None


def test_what_is_lost_and_what_stays(admin: boto3.Session, live: LiveWorld) -> None:
    instance = run(admin, InstanceType="m5d.large")
    planned = plan(live, instance)
    assert "instance store" in planned.plan.irreversible[0]
    assert "vol-" in planned.plan.irreversible[0]
    assert "instance store" in texts(planned, "dependents")
    with_snapshots = plan(live, instance, snapshots=True)
    assert "the snapshots stay" in with_snapshots.plan.irreversible[0]


def test_a_stopped_one_is_not_stopped_again(admin: boto3.Session, live: LiveWorld) -> None:
    instance = run(admin)
    before = plan(live, instance).plan.sha256
    client(admin, "ec2").stop_instances(InstanceIds=[instance])
    planned = plan(live, instance)
    assert apis(planned) == ["TerminateInstances?", "TerminateInstances"]
    assert planned.plan.sha256 != before
    done(admin, live, planned)
