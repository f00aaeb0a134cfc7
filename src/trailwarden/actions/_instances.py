"""EC2 instances, read whole: what terminating them relies on, and what it hits.

Sources: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-requests.html and
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-detach-attach-instances.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..action import Need, Refused, World
from ..errors import AccessDenied, NotFound, RegionDisabled, UsageError
from ..guardrails import Guard
from ..model.arn import Arn
from ..model.proposal import Call, Target
from ._admin import Principal
from ._users import json_of, tags_of

_ID = re.compile(r"i-[0-9a-f]{8,17}", re.ASCII)
#: States in which an instance is, or is sure to be, gone; and those in which it can be stopped.
GONE, STOPPABLE = frozenset({"shutting-down", "terminated"}), frozenset({"running"})
#: States of a request for Spot instances that launches none any more.
_OVER = frozenset({"cancelled", "closed", "failed"})
#: Attributes that protect an instance, by the key of their answer.
PROTECTIONS: Mapping[str, str] = {"DisableApiTermination": "termination", "DisableApiStop": "stop"}
#: States in an Auto Scaling group in which an instance can be detached, and those in which that is done with already.
_DETACHABLE = frozenset({"InService", "Standby"})
_LEAVING = ("Terminating", "Terminated", "Detach")

READS: tuple[Need, ...] = (
    Need(action="ec2:DescribeInstances"),
    Need(action="ec2:DescribeInstanceAttribute"),
    Need(action="ec2:DescribeInstanceTypes"),
    Need(action="ec2:DescribeVolumes"),
    Need(action="ec2:DescribeSpotInstanceRequests", when="an instance is a Spot instance"),
    Need(action="ec2:DescribeSnapshots", when="snapshots=true"),
    Need(action="autoscaling:DescribeAutoScalingInstances"),
    Need(action="autoscaling:DescribeAutoScalingGroups", when="an instance is of an Auto Scaling group"),
    Need(
        action="iam:GetInstanceProfile",
        resources=("arn:{partition}:iam::{account}:instance-profile/*",),
        when="an instance has an instance profile",
    ),
)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The Auto Scaling group of an instance. ``decrement``: whether its capacity goes down with the instance, which
    its minimum may forbid; ``detach``: whether the instance is still to be taken out."""

    name: str
    arn: str
    state: str
    decrement: bool
    detach: bool
    minimum: int


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance as JSON would hold AWS's answers: ``read`` is DescribeInstances', ``volumes`` DescribeVolumes'.

    ``spot`` is its request, if it is a Spot instance; ``roles`` are those of its instance profile, None where the
    profile is gone; ``instance_store`` whether its type has volumes that are lost with it; ``takes`` how often
    snapshots of it were taken.
    """

    region: str
    partition: str
    account: str
    read: Mapping[str, Any]
    protections: Mapping[str, bool]
    user_data: bool
    volumes: tuple[Mapping[str, Any], ...]
    instance_store: bool
    group: Group | None = None
    spot: Mapping[str, Any] | None = None
    roles: tuple[Principal, ...] | None = ()
    takes: int = 0

    @property
    def id(self) -> str:
        """The instance's id (i-…), which no other instance ever has."""
        return str(self.read["InstanceId"])

    @property
    def state(self) -> str:
        """Its state, as EC2 names it."""
        return str(self.read["State"]["Name"])

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""
        return tags_of(self.read)

    @property
    def profile(self) -> str | None:
        """The ARN of its instance profile."""
        return (self.read.get("IamInstanceProfile") or {}).get("Arn")

    @property
    def is_spot(self) -> bool:
        """Whether it is a Spot instance."""
        return self.read.get("InstanceLifecycle") == "spot"

    @property
    def stops(self) -> bool:
        """Whether it can be stopped first. A Spot instance cannot once its request is cancelled, nor a one-time one;
        nor can one whose root is instance store."""
        return self.state in STOPPABLE and not self.is_spot and self.read.get("RootDeviceType") != "instance-store"

    @property
    def persistent(self) -> bool:
        """Whether a persistent Spot request would launch it anew."""
        return self.spot is not None and self.spot["Type"] == "persistent" and self.spot["State"] not in _OVER

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:{self.partition}:ec2:{self.region}:{self.account}:instance/{self.id}"

    def call(self, api: str, *resources: str, **params: Any) -> Call:
        """A call in its Region; ``resources`` are its ARN where none is given."""
        return Call(api=f"ec2:{api}", params=params, region=self.region, resources=resources or (self.arn,))

    def target(self) -> Target:
        """The instance as a target."""
        return Target(
            kind="ec2_instance", id=self.id, account=self.account, name=self.tags.get("Name") or self.id,
            arn=self.arn, region=self.region, owner=self.tags.get("owner") or self.tags.get("Owner"),
        )  # fmt: skip

    def deletes(self, volume: str) -> bool:
        """Whether a volume is deleted with the instance."""
        return any(
            each["Ebs"]["VolumeId"] == volume and bool(each["Ebs"].get("DeleteOnTermination"))
            for each in self.read.get("BlockDeviceMappings") or ()
            if "Ebs" in each
        )

    def elastic_addresses(self) -> list[str]:
        """The Elastic IP addresses that are on it: the account owns those, Amazon the others."""
        return sorted(
            interface["Association"]["PublicIp"]
            for interface in self.read.get("NetworkInterfaces") or ()
            if interface.get("Association", {}).get("IpOwnerId") == self.account
        )


def find_instances(
    world: World, guard: Guard, ids: Sequence[str], region: str | None, *, snapshots: bool
) -> tuple[Instance, ...]:
    """The instances with these ids, in their order; over all Regions unless one is given.

    Raises:
        UsageError: not an instance id, or none.
        Refused: one is protected, belongs to a service, or cannot be taken out of its Auto Scaling group now.
        NotFound: there is none of an id, in any Region.
        AwsError: as AWS answered.
    """
    wanted = tuple(dict.fromkeys(each.strip() for each in ids))
    for each in wanted:
        if not _ID.fullmatch(each):
            raise UsageError(f"not an instance id: {each[:64]!r}", remedy="write it like i-0123456789abcdef0")
    if not wanted:
        raise UsageError("no instance is named", remedy="instance_ids=i-0123456789abcdef0")
    if region is not None and region not in world.regions:
        raise UsageError(f"no enabled Region {region[:64]!r}", remedy=f"one of {', '.join(world.regions)}")
    found = _located(world, wanted, region)
    _guarded(guard, [found[each] for each in wanted])
    reading = _Reading(world, snapshots=snapshots)
    groups = reading.groups({each: found[each][0] for each in wanted})
    return tuple(reading.instance(*found[each], groups.get(each)) for each in wanted)


def _located(world: World, wanted: Sequence[str], region: str | None) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """By id, the Region and what DescribeInstances says. A Region that cannot be read counts if one is missing."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    unread: list[AccessDenied | RegionDisabled] = []
    for place in (region,) if region else world.regions:
        filters = [{"Name": "instance-id", "Values": [each for each in wanted if each not in found]}]
        try:
            for reservation in world.items("ec2:DescribeInstances", "Reservations", region=place, Filters=filters):
                found |= {each["InstanceId"]: (place, json_of(each)) for each in reservation["Instances"]}
        except (AccessDenied, RegionDisabled) as error:
            unread.append(error)
        if len(found) == len(wanted):
            return found
    if unread:
        raise unread[0]
    missing = ", ".join(each for each in wanted if each not in found)
    where = region or f"any of {len(world.regions)} Regions"
    raise NotFound(
        f"account {world.account} has no instance {missing} in {where}",
        remedy="check the id and the account; EC2 forgets an instance about an hour after it was terminated",
        operation="ec2:DescribeInstances",
        account=world.account,
        region=region,
    )


def _guarded(guard: Guard, found: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    for _, read in found:
        instance = read["InstanceId"]
        why = guard.instance(instance, tags_of(read))
        # The session of an instance's role is named after the instance.
        if why is None and any(_session_of(each) == instance for each in guard.own):
            why = f"{instance} is the instance that this installation runs on"
        if why is not None:
            raise Refused(why, remedy="what must be done to it, an administrator does by hand")
        operator = read.get("Operator") or {}
        if operator.get("Managed"):
            raise Refused(
                f"{instance} is managed by {operator.get('Principal', 'a service')}: EC2 lets nobody else change it",
                remedy="terminate it through that service",
            )


def _session_of(arn: str) -> str:
    parsed = Arn.parse(arn)
    return parsed.resource.rpartition("/")[2] if parsed.resource.startswith("assumed-role/") else ""


class _Reading:
    """What belongs to instances, each question asked once."""

    def __init__(self, world: World, *, snapshots: bool) -> None:
        self._world = world
        self._snapshots = snapshots
        self._stores: dict[tuple[str, str], bool] = {}

    def groups(self, places: Mapping[str, str]) -> dict[str, Group]:
        """The Auto Scaling groups of instances, by instance id."""
        world, found = self._world, {}
        for region in sorted(set(places.values())):
            ids = [each for each, place in places.items() if place == region]
            held = {
                each["InstanceId"]: each
                for each in world.items(
                    "autoscaling:DescribeAutoScalingInstances", "AutoScalingInstances", region=region, InstanceIds=ids
                )
            }
            names = sorted({each["AutoScalingGroupName"] for each in held.values()})
            if not names:
                continue
            listed = world.items(
                "autoscaling:DescribeAutoScalingGroups", "AutoScalingGroups", region=region, AutoScalingGroupNames=names
            )
            known = {each["AutoScalingGroupName"]: each for each in listed}
            room = {name: each["DesiredCapacity"] - each["MinSize"] for name, each in known.items()}
            for instance in (each for each in ids if each in held):
                name, state = held[instance]["AutoScalingGroupName"], held[instance]["LifecycleState"]
                leaving = state.startswith(_LEAVING)
                if state not in _DETACHABLE and not leaving:
                    raise Refused(
                        f"{instance} is {state} in the Auto Scaling group {name}, and cannot be taken out of it now",
                        remedy="propose it again when it is InService; or suspend the group's Launch process by hand",
                    )
                # An instance in Standby has left the capacity already.
                decrement = state == "InService" and not leaving and room[name] > 0
                room[name] -= decrement
                found[instance] = Group(
                    name=name, arn=known[name]["AutoScalingGroupARN"], state=state, decrement=decrement,
                    detach=not leaving, minimum=known[name]["MinSize"],
                )  # fmt: skip
        return found

    def instance(self, region: str, read: Mapping[str, Any], group: Group | None) -> Instance:
        """An instance with everything that belongs to it."""
        world, instance = self._world, str(read["InstanceId"])
        gone = read["State"]["Name"] in GONE
        mapped = [each["Ebs"]["VolumeId"] for each in read.get("BlockDeviceMappings") or () if "Ebs" in each]
        filters = [{"Name": "attachment.instance-id", "Values": [instance]}]
        volumes = world.items("ec2:DescribeVolumes", "Volumes", region=region, Filters=filters) if mapped else ()
        profile = (read.get("IamInstanceProfile") or {}).get("Arn")
        return Instance(
            region=region,
            partition=world.partition,
            account=world.account,
            read=read,
            protections={} if gone else {name: self._attribute(region, instance, name) for name in PROTECTIONS},
            user_data=not gone and self._attribute(region, instance, "UserData"),
            volumes=tuple(sorted(map(json_of, volumes), key=lambda each: str(each["VolumeId"]))),
            instance_store=self._instance_store(region, str(read["InstanceType"])),
            group=group,
            spot=self._spot(region, instance) if read.get("InstanceLifecycle") == "spot" else None,
            roles=() if profile is None else self._roles(profile),
            takes=self._takes(region, instance) if self._snapshots else 0,
        )

    def _attribute(self, region: str, instance: str, name: str) -> bool:
        attribute = name[0].lower() + name[1:]
        answer = self._world.call(
            "ec2:DescribeInstanceAttribute", region=region, InstanceId=instance, Attribute=attribute
        )
        return bool((answer.get(name) or {}).get("Value"))

    def _instance_store(self, region: str, kind: str) -> bool:
        if (region, kind) not in self._stores:
            answer = self._world.call("ec2:DescribeInstanceTypes", region=region, InstanceTypes=[kind])
            self._stores[region, kind] = any(each.get("InstanceStorageSupported") for each in answer["InstanceTypes"])
        return self._stores[region, kind]

    def _spot(self, region: str, instance: str) -> Mapping[str, Any] | None:
        requests: Iterator[Mapping[str, Any]] = self._world.items(
            "ec2:DescribeSpotInstanceRequests", "SpotInstanceRequests", region=region,
            Filters=[{"Name": "instance-id", "Values": [instance]}],
        )  # fmt: skip
        found = next(iter(requests), None)
        return None if found is None else json_of(found)

    def _roles(self, profile: str) -> tuple[Principal, ...] | None:
        try:
            found = self._world.call("iam:GetInstanceProfile", InstanceProfileName=Arn.parse(profile).name)
        except NotFound:
            return None
        roles = sorted(found["InstanceProfile"]["Roles"], key=lambda each: str(each["Arn"]))
        return tuple(
            Principal(kind="Role", name=each["RoleName"], id=each["RoleId"], arn=each["Arn"]) for each in roles
        )

    def _takes(self, region: str, instance: str) -> int:
        """How many times snapshots of the instance were taken by this action."""
        filters = [{"Name": f"tag:{SNAPSHOT_OF}", "Values": [instance]}]
        held = self._world.items(
            "ec2:DescribeSnapshots", "Snapshots", region=region, OwnerIds=["self"], Filters=filters
        )
        return max((int(tags_of(each)[TAKE]) for each in held if tags_of(each).get(TAKE, "").isdecimal()), default=0)


#: Tags of the snapshots: the instance, and the how manieth taking of it this is, so that no two takings are alike.
SNAPSHOT_OF, TAKE = "trailwarden:snapshot-of", "trailwarden:take"
