"""Terminate EC2 instances.

Sources: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html and
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..action import Action, Need, Planned, Refused, Verification, World, steps_of
from ..guardrails import Guard
from ..model.proposal import BlastItem, Call, Plan
from ._admin import is_administrator
from ._instances import GONE, PROTECTIONS, READS, SNAPSHOT_OF, TAKE, Instance, find_instances

_INSTANCES = ("arn:{partition}:ec2:*:{account}:instance/*",)
_VOLUMES = "arn:{partition}:ec2:*:{account}:volume/*"
_SNAPSHOTS = "arn:{partition}:ec2:*::snapshot/*"
#: Tags that AWS sets, and nobody else can → what owns the instance, and whether that launches another one.
_OWNERS: Mapping[str, tuple[str, bool]] = {
    "aws:ec2:fleet-id": ("the EC2 Fleet {}, which launches another one if it maintains its capacity", True),
    "aws:ec2spot:fleet-request-id": (
        "the Spot Fleet {}, which launches another one if it maintains its capacity",
        True,
    ),
    "aws:elasticmapreduce:job-flow-id": ("the EMR cluster {}", False),
    "aws:eks:cluster-name": ("the EKS cluster {}", False),
    "aws:cloudformation:stack-name": ("the CloudFormation stack {}, which will have drifted", False),
}


class TerminateInstances(Action, frozen=True, kw_only=True):
    """Terminate EC2 instances, for good.

    Each is taken out of its Auto Scaling group, its persistent Spot request is cancelled, it is stopped where it can
    be, and terminated. Credentials of its role that were taken from it go on: revoke_sessions ends them.
    """

    name = "terminate_instances"
    title = "Terminate EC2 instances"
    reads = READS
    writes = (
        Need(action="ec2:TerminateInstances", resources=_INSTANCES),
        Need(action="ec2:StopInstances", resources=_INSTANCES),
        Need(action="ec2:ModifyInstanceAttribute", resources=_INSTANCES, when="override_protection=true"),
        Need(action="ec2:CreateSnapshots", resources=(*_INSTANCES, _VOLUMES, _SNAPSHOTS), when="snapshots=true"),
        Need(
            action="ec2:CreateTags",
            resources=(_SNAPSHOTS,),
            condition={"StringEquals": {"ec2:CreateAction": ("CreateSnapshots",)}},
            when="snapshots=true",
        ),
        Need(
            action="ec2:CancelSpotInstanceRequests",
            resources=("arn:{partition}:ec2:*:{account}:spot-instances-request/*",),
            when="an instance was launched by a persistent Spot request",
        ),
        Need(
            action="autoscaling:DetachInstances",
            resources=("arn:{partition}:autoscaling:*:{account}:autoScalingGroup:*:autoScalingGroupName/*",),
            when="an instance is of an Auto Scaling group",
        ),
    )
    reversible = False
    examples = (
        "instance_ids=i-0123456789abcdef0",
        "instance_ids=i-0123456789abcdef0 region=eu-central-1 snapshots=true",
    )

    instance_ids: Annotated[
        tuple[str, ...], Meta(description="The instances' ids; 20 at most.", min_length=1, max_length=20)
    ]
    region: Annotated[str, Meta(description="Their Region; all are looked through without it.")] = ""
    snapshots: Annotated[bool, Meta(description="Take snapshots of their EBS volumes first.")] = False
    override_protection: Annotated[
        bool, Meta(description="Take termination and stop protection away where they are on.")
    ] = False

    def plan(self, world: World, guard: Guard) -> Planned:
        """See `Action.plan`."""
        found = find_instances(world, guard, self.instance_ids, self.region or None, snapshots=self.snapshots)
        for each in found:
            self._wanted(each)
        return Planned(
            plan=Plan(
                action="terminate_instances",
                account=world.account,
                targets=tuple(each.target() for each in found),
                steps=steps_of(*(call for each in found for call in self._calls(each))),
                pre_state={each.id: _relied_on(each) for each in found},
                export={each.id: _export(each) for each in found},
                irreversible=tuple(_lost(each, snapshots=self.snapshots) for each in found),
            ),
            arguments={**msgspec.to_builtins(self), "instance_ids": [each.id for each in found]},
            blast_radius=tuple(item for each in found for item in _hit(each)),
            administrator=_administrator(world, found),
            notes=(
                "target groups and DNS records that name an instance are not read: take it out of those that stay",
                *_credentials(found),
            ),
        )

    def verify(self, world: World, plan: Plan) -> Verification:
        """As `Action.verify`; an instance that is shutting down is not terminated yet."""
        read = super().verify(world, plan)
        if not read.ok:
            return read
        for target in plan.targets:
            filters = [{"Name": "instance-id", "Values": [target.id]}]
            for reservation in world.items(
                "ec2:DescribeInstances", "Reservations", region=target.region, Filters=filters
            ):
                for each in reservation["Instances"]:
                    if each["State"]["Name"] != "terminated":
                        return Verification(ok=False, detail=f"{target.id} is still {each['State']['Name']}")
        return read

    def _wanted(self, instance: Instance) -> None:
        if instance.state in GONE:
            raise Refused(
                f"{instance.id} is already {instance.state}",
                remedy="name the others only; its role's sessions may go on: revoke_sessions",
            )
        on = [words for name, words in PROTECTIONS.items() if instance.protections[name]]
        if on and not self.override_protection:
            raise Refused(
                f"{instance.id} has {' and '.join(on)} protection",
                remedy="if it is to go all the same: override_protection=true",
            )

    def _calls(self, instance: Instance) -> Iterator[tuple[Call, str, Call | None]]:
        one = {"InstanceIds": [instance.id]}
        if self.snapshots and instance.volumes:
            yield _snapshots(instance), f"take snapshots of the volumes of {instance.id}", None
        if (group := instance.group) is not None and group.detach:
            params = {
                **one,
                "AutoScalingGroupName": group.name,
                "ShouldDecrementDesiredCapacity": group.decrement,
            }
            call = Call(
                api="autoscaling:DetachInstances", params=params, region=instance.region, resources=(group.arn,)
            )
            yield call, f"take {instance.id} out of the Auto Scaling group {group.name}", None
        if instance.persistent and instance.spot is not None:
            request = str(instance.spot["SpotInstanceRequestId"])
            arn = instance.arn.replace(f":instance/{instance.id}", f":spot-instances-request/{request}")
            call = instance.call("CancelSpotInstanceRequests", arn, SpotInstanceRequestIds=[request])
            yield call, f"cancel the persistent Spot request {request}, which would launch another one", None
        for name, words in PROTECTIONS.items():
            if instance.protections[name]:
                yield (
                    instance.call("ModifyInstanceAttribute", InstanceId=instance.id, **{name: {"Value": False}}),
                    f"take the {words} protection of {instance.id} away",
                    instance.call("ModifyInstanceAttribute", InstanceId=instance.id, **{name: {"Value": True}}),
                )
        yield (
            instance.call("TerminateInstances", **one, DryRun=True),
            f"ask AWS whether {instance.id} may be terminated",
            None,
        )
        if instance.stops:
            yield instance.call("StopInstances", **one), f"stop {instance.id}", None
        yield instance.call("TerminateInstances", **one), f"terminate {instance.id}", None


def _snapshots(instance: Instance) -> Call:
    tags = [{"Key": SNAPSHOT_OF, "Value": instance.id}, {"Key": TAKE, "Value": str(instance.takes + 1)}]
    return instance.call(
        "CreateSnapshots",
        instance.arn,
        # The instance says which volumes; the snapshots have no name before they are there.
        _VOLUMES.format(partition=instance.partition, account=instance.account).replace(":*:", f":{instance.region}:"),
        _SNAPSHOTS.format(partition=instance.partition).replace(":*:", f":{instance.region}:"),
        InstanceSpecification={"InstanceId": instance.id},
        Description=f"Before {instance.id} was terminated",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
    )


def _relied_on(instance: Instance) -> dict[str, Any]:
    group = instance.group
    return {
        "region": instance.region,
        "state": instance.state,
        "launched": instance.read.get("LaunchTime"),
        "protections": dict(instance.protections),
        "group": None if group is None else {"arn": group.arn, "state": group.state},
        "spot": None if instance.spot is None else {k: instance.spot[k] for k in ("SpotInstanceRequestId", "State")},
        "profile": instance.profile,
        "volumes": {str(each["VolumeId"]): instance.deletes(each["VolumeId"]) for each in instance.volumes},
    }


def _export(instance: Instance) -> dict[str, Any]:
    return {
        "region": instance.region,
        "instance": instance.read,
        "volumes": list(instance.volumes),
        "protections": dict(instance.protections),
        "user_data": instance.user_data,
        "spot_request": instance.spot,
        "roles": None if instance.roles is None else [each.arn for each in instance.roles],
        "auto_scaling_group": None if instance.group is None else instance.group.name,
    }


def _lost(instance: Instance, *, snapshots: bool) -> str:
    deleted = [str(each["VolumeId"]) for each in instance.volumes if instance.deletes(each["VolumeId"])]
    lost = ["its memory"]
    if instance.instance_store:
        lost.append("its instance store")
    if deleted and not snapshots:
        lost.append(f"the volumes {', '.join(deleted)}")
    kept = f"; of the volumes {', '.join(deleted)} the snapshots stay" if deleted and snapshots else ""
    return f"{instance.id} cannot be brought back: {', '.join(lost)} are lost{kept}."


def _hit(instance: Instance) -> Iterator[BlastItem]:
    name = instance.id
    launched = f"{name} ({instance.read['InstanceType']}) is {instance.state}, last launched at "
    yield BlastItem(kind="last_used", text=launched + str(instance.read.get("LaunchTime")))
    if (group := instance.group) is not None:
        yield _scaling(instance.id, group.name, group.minimum, keeps=group.decrement or group.state == "Standby",
                       detach=group.detach)  # fmt: skip
    if instance.is_spot:
        text = f"{name} is a Spot instance of " + (
            f"the {instance.spot['Type']} request {instance.spot['SpotInstanceRequestId']}"
            if instance.spot
            else "a request that EC2 does not list any more"
        )
        yield BlastItem(kind="spot", text=text)
    for tag, (words, again) in _OWNERS.items():
        if tag in instance.tags:
            yield BlastItem(
                kind="dependents", text=f"{name} belongs to {words.format(instance.tags[tag])}", grave=again
            )
    if addresses := instance.elastic_addresses():
        text = f"{', '.join(addresses)} is left without {name}: an Elastic IP address stays with the account, and costs"
        yield BlastItem(kind="dependents", text=text)
    kept = [str(each["VolumeId"]) for each in instance.volumes if not instance.deletes(each["VolumeId"])]
    if kept:
        yield BlastItem(kind="remains", text=f"the volumes {', '.join(kept)} stay, with what is on them")
    if instance.instance_store:
        text = f"{instance.read['InstanceType']} has instance store: what is on it is in no snapshot, and is lost"
        yield BlastItem(kind="dependents", text=text, grave=True)
    if instance.profile is not None:
        who = "a role that cannot be told: its instance profile is gone" if instance.roles is None else (
            ", ".join(each.name for each in instance.roles) or "no role"
        )  # fmt: skip
        if instance.roles != ():
            text = f"credentials that were taken from {name} outlive it, for 12 hours at most: they are of {who}"
            yield BlastItem(kind="sessions", text=text, grave=True)


def _scaling(instance: str, group: str, minimum: int, *, keeps: bool, detach: bool) -> BlastItem:
    if not detach:
        text = f"the Auto Scaling group {group} is taking {instance} out by itself, and may launch another one"
    elif keeps:
        text = f"the Auto Scaling group {group} goes on with one instance less than {instance} made it"
    else:
        text = (
            f"the Auto Scaling group {group} is at its minimum of {minimum}: it launches another instance instead of "
            f"{instance}, from the same template, with the same way in"
        )
    return BlastItem(kind="auto_scaling", text=text, grave=not (keeps and detach))


def _credentials(found: Iterable[Instance]) -> Iterator[str]:
    roles = sorted({role.name for each in found for role in each.roles or ()})
    if roles:
        yield f"propose revoke_sessions for {', '.join(roles)}: credentials taken from the instance go on without it"


def _administrator(world: World, found: Iterable[Instance]) -> bool | None:
    """Whether a role of an instance is an administrator."""
    answers: set[bool | None] = set()
    for each in found:
        answers |= (
            {None} if each.roles is None else {is_administrator(world.authorization(), role) for role in each.roles}
        )
    return True if True in answers else None if None in answers else False
