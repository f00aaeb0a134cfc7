"""The event history of one account and Region: what LookupEvents searches."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

MANAGEMENT = "Management"


class _Identity(msgspec.Struct):
    type: str | None = None
    principalId: str | None = None  # noqa: N815
    userName: str | None = None  # noqa: N815
    accessKeyId: str | None = None  # noqa: N815


class _Record(msgspec.Struct):
    eventTime: str  # noqa: N815
    eventSource: str  # noqa: N815
    eventName: str  # noqa: N815
    eventID: str  # noqa: N815
    readOnly: bool | None = None  # noqa: N815
    managementEvent: bool | None = None  # noqa: N815
    eventCategory: str = MANAGEMENT  # noqa: N815
    userIdentity: _Identity | None = None  # noqa: N815
    requestParameters: Any = None  # noqa: N815
    resources: Any = None


class Event(msgspec.Struct, frozen=True):
    """One event as LookupEvents returns it; ``sequence`` breaks ties of time."""

    seconds: int
    sequence: int
    event_id: str
    name: str
    source: str
    read_only: str | None
    username: str | None
    access_key_id: str | None
    resources: tuple[tuple[str, str], ...]
    raw: bytes

    @property
    def position(self) -> tuple[int, int]:
        """The order of the history: newest first, and within a second the one put last first."""
        return (-self.seconds, -self.sequence)

    def shape(self) -> dict[str, Any]:
        """The Event shape of the API; what a record lacks is left out."""
        shown: dict[str, Any] = {
            "EventId": self.event_id,
            "EventName": self.name,
            "ReadOnly": self.read_only,
            "AccessKeyId": self.access_key_id,
            "EventTime": self.seconds,
            "EventSource": self.source,
            "Username": self.username,
            "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in self.resources],
            "CloudTrailEvent": self.raw.decode(),
        }
        return {name: value for name, value in shown.items() if value is not None}


#: Attribute key of LookupAttributes → the values of an event under it.
ATTRIBUTES: Mapping[str, Any] = {
    "EventId": lambda event: (event.event_id,),
    "EventName": lambda event: (event.name,),
    "ReadOnly": lambda event: (event.read_only,),
    "Username": lambda event: (event.username,),
    "ResourceType": lambda event: {kind for kind, _ in event.resources},
    "ResourceName": lambda event: {name for _, name in event.resources},
    "EventSource": lambda event: (event.source,),
    "AccessKeyId": lambda event: (event.access_key_id,),
}
#: Request parameter → the resource type that event history gives it.
_RESOURCE_TYPES = {
    "userName": "AWS::IAM::User",
    "roleName": "AWS::IAM::Role",
    "roleArn": "AWS::IAM::Role",
    "groupName": "AWS::IAM::Group",
    "policyArn": "AWS::IAM::Policy",
    "accessKeyId": "AWS::IAM::AccessKey",
    "instanceProfileName": "AWS::IAM::InstanceProfile",
    "bucketName": "AWS::S3::Bucket",
    "instanceId": "AWS::EC2::Instance",
    "groupId": "AWS::EC2::SecurityGroup",
    "vpcId": "AWS::EC2::VPC",
    "subnetId": "AWS::EC2::Subnet",
    "functionName": "AWS::Lambda::Function",
    "keyId": "AWS::KMS::Key",
    "secretId": "AWS::SecretsManager::Secret",
    "trailName": "AWS::CloudTrail::Trail",
}


class EventHistory:
    """Events in the order of the API, with an index for each attribute that was asked for."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._indexes: dict[str, dict[str, list[Event]]] = {}
        self._sorted = True

    def __iter__(self) -> Iterator[Event]:
        return iter(list(self._events))

    def put(self, records: Iterable[bytes | dict[str, Any]]) -> int:
        """Add records; returns how many were management events (the others event history does not hold)."""
        before = len(self._events)
        for record in records:
            raw = record if isinstance(record, bytes) else msgspec.json.encode(record)
            read = _DECODER.decode(raw)
            if read.eventCategory == MANAGEMENT and read.managementEvent is not False:
                self._events.append(_event(read, raw, len(self._events)))
        self._indexes.clear()
        self._sorted = False
        return len(self._events) - before

    def page(
        self,
        attribute: tuple[str, str] | None,
        *,
        first: datetime,
        last: datetime,
        after: tuple[int, int] | None,
        limit: int,
    ) -> tuple[list[Event], bool]:
        """At most ``limit`` events of [first, last] behind the position ``after``, and whether more follow."""
        events = self._matching(attribute)
        start = bisect_left(events, -int(last.timestamp()), key=lambda event: -event.seconds)
        if after is not None:
            start = max(start, bisect_left(events, (after[0], after[1] + 1), key=lambda event: event.position))
        end = bisect_left(events, 1 - int(-(-first.timestamp() // 1)), key=lambda event: -event.seconds)
        return events[start : min(start + limit, end)], start + limit < end

    def _matching(self, attribute: tuple[str, str] | None) -> list[Event]:
        if not self._sorted:
            self._events.sort(key=lambda event: event.position)
            self._sorted = True
        if attribute is None:
            return self._events
        key, value = attribute
        index = self._indexes.get(key)
        if index is None:
            index = self._indexes[key] = {}
            values_of = ATTRIBUTES[key]
            for event in self._events:
                for found in values_of(event):
                    if found is not None:
                        index.setdefault(found, []).append(event)
        return index.get(value, [])


_DECODER = msgspec.json.Decoder(_Record)


def _event(record: _Record, raw: bytes, sequence: int) -> Event:
    identity = record.userIdentity or _Identity()
    return Event(
        seconds=int(datetime.fromisoformat(record.eventTime).timestamp()),
        sequence=sequence,
        event_id=record.eventID,
        name=record.eventName,
        source=record.eventSource,
        read_only=None if record.readOnly is None else str(record.readOnly).lower(),
        username=_username(identity),
        access_key_id=identity.accessKeyId or None,
        resources=_resources(record),
        raw=raw,
    )


def _username(identity: _Identity) -> str | None:
    if identity.type == "Root":
        return identity.userName or "root"
    if identity.type in ("AssumedRole", "FederatedUser") and ":" in (identity.principalId or ""):
        return str(identity.principalId).rpartition(":")[2]
    return identity.userName


def _resources(record: _Record) -> tuple[tuple[str, str], ...]:
    found: dict[tuple[str, str], None] = {}
    if isinstance(record.resources, list):
        for item in record.resources:
            if isinstance(item, dict) and item.get("type") and (item.get("ARN") or item.get("ARNPrefix")):
                found[(str(item["type"]), str(item.get("ARN") or item["ARNPrefix"]))] = None
    if isinstance(record.requestParameters, dict):
        for name, value in record.requestParameters.items():
            kind = _RESOURCE_TYPES.get(name)
            if kind and isinstance(value, str):
                found[(kind, value)] = None
        instances = record.requestParameters.get("instancesSet")
        for item in instances.get("items", []) if isinstance(instances, dict) else []:
            if isinstance(item, dict) and isinstance(item.get("instanceId"), str):
                found[("AWS::EC2::Instance", item["instanceId"])] = None
    return tuple(found)
