# ruff: noqa: ARG001 - every operation takes the same arguments
"""Which IAM action a call is, and the ARNs of the resources that it names."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends

from .call import Call
from .world import PARTITION, Caller, World

#: S3 operations whose IAM action has another name ("Actions, resources, and condition keys for Amazon S3").
_S3_ACTIONS = {
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "GetObjectAttributes": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListObjectVersions": "ListBucketVersions",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
}
_EC2_TYPES = {
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "sg": "security-group",
    "eni": "network-interface",
    "ami": "image",
    "vpc": "vpc",
    "subnet": "subnet",
    "sir": "spot-instances-request",
}
#: Operations that make snapshots, which have no id when they are allowed.
CREATES_SNAPSHOTS = frozenset({"CreateSnapshot", "CreateSnapshots"})
#: Operations whose resource is the group, though they name a user too.
_GROUP_OPERATIONS = frozenset({"AddUserToGroup", "RemoveUserFromGroup"})
#: IAM operations on a user that mean the caller when they name none.
_OWN_USER_OPERATIONS = frozenset(
    {
        *("GetUser", "ListAccessKeys", "CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "ListMFADevices"),
        *("ListSSHPublicKeys", "ListSigningCertificates", "ListServiceSpecificCredentials", "GetLoginProfile"),
    }
)


def iam_action(call: Call) -> str:
    """The action that policies must allow for the call."""
    if call.service == "s3":
        return f"s3:{_S3_ACTIONS.get(call.operation, call.operation)}"
    return call.action


def resources_of(world: World, call: Call, caller: Caller) -> list[str]:
    """ARNs of what the call acts on, each of which must be allowed; ["*"] where it names nothing."""
    find = _RESOURCES.get(call.service)
    return (find(world, call, caller) if find else []) or ["*"]


def _iam(world: World, call: Call, caller: Caller) -> list[str]:
    params, backend = call.params, world.iam(caller.account)
    base = f"arn:{PARTITION}:iam::{caller.account}"
    if "GroupName" in params and ("UserName" not in params or call.operation in _GROUP_OPERATIONS):
        group = backend.groups.get(params["GroupName"])
        return [group.arn if group else f"{base}:group/{params['GroupName']}"]
    if "InstanceProfileName" in params:
        return [f"{base}:instance-profile/{params['InstanceProfileName']}"]
    if "RoleName" in params:
        role = next((role for role in list(backend.roles.values()) if role.name == params["RoleName"]), None)
        return [role.arn if role else f"{base}:role{params.get('Path') or '/'}{params['RoleName']}"]
    if call.operation in ("DeleteVirtualMFADevice", "CreateVirtualMFADevice"):
        return [params.get("SerialNumber") or f"{base}:mfa/{params.get('VirtualMFADeviceName', '')}"]
    if call.operation == "GetAccessKeyLastUsed":
        owner = next(
            (user for user in list(backend.users.values()) if user.has_access_key(params.get("AccessKeyId", ""))), None
        )
        return [owner.arn] if owner else ["*"]
    if "UserName" in params:
        user = backend.users.get(params["UserName"])
        return [user.arn if user else f"{base}:user{params.get('Path') or '/'}{params['UserName']}"]
    if call.operation in _OWN_USER_OPERATIONS:
        return [caller.owner_arn]
    if "PolicyArn" in params:
        return [params["PolicyArn"]]
    if call.operation == "CreatePolicy":
        return [f"{base}:policy{params.get('Path') or '/'}{params.get('PolicyName', '')}"]
    return []


def _ec2(world: World, call: Call, caller: Caller) -> list[str]:
    if call.operation.startswith(("Describe", "Get", "Run")):
        return []
    named = [*call.get("InstanceIds", []), *call.get("Resources", [])]
    named += [call.params[name] for name in ("InstanceId", "VolumeId", "GroupId") if name in call.params]
    named += call.get("SpotInstanceRequestIds", [])
    if instance := call.get("InstanceSpecification", {}).get("InstanceId"):
        named += [instance, *_attached_volumes(call, caller, instance)]
    base = f"arn:{PARTITION}:ec2:{call.region}:{caller.account}"
    made = [f"arn:{PARTITION}:ec2:{call.region}::snapshot/*"] if call.operation in CREATES_SNAPSHOTS else []
    return [*(f"{base}:{_EC2_TYPES.get(name.partition('-')[0], 'resource')}/{name}" for name in named), *made]


def _attached_volumes(call: Call, caller: Caller, instance: str) -> list[str]:
    held: Iterable[Any] = ec2_backends[caller.account][call.region].volumes.values()
    return [each.id for each in list(held) if each.attachment and each.attachment.instance.id == instance]


def _autoscaling(world: World, call: Call, caller: Caller) -> list[str]:
    if call.operation.startswith("Describe") or "AutoScalingGroupName" not in call.params:
        return []
    name = call.params["AutoScalingGroupName"]
    group = autoscaling_backends[caller.account][call.region].autoscaling_groups.get(name)
    base = f"arn:{PARTITION}:autoscaling:{call.region}:{caller.account}:autoScalingGroup"
    return [str(group.arn) if group else f"{base}:*:autoScalingGroupName/{name}"]


def _wafv2(world: World, call: Call, caller: Caller) -> list[str]:
    params = call.params
    kind = next((kind for part, kind in _WAF_TYPES.items() if part in call.operation), None)
    if arn := params.get("ResourceArn") or params.get("WebACLArn") or params.get("ResourceARN"):
        return [arn]
    if kind is None or call.operation.startswith("List") or "Name" not in params:
        return []
    place = "global" if params.get("Scope") == "CLOUDFRONT" else "regional"
    base = f"arn:{PARTITION}:wafv2:{call.region}:{caller.account}"
    return [f"{base}:{place}/{kind}/{params['Name']}/{params.get('Id', '*')}"]


_WAF_TYPES = {"IPSet": "ipset", "WebACL": "webacl", "RuleGroup": "rulegroup", "RegexPatternSet": "regexpatternset"}


def _cloudtrail(world: World, call: Call, caller: Caller) -> list[str]:
    name = call.get("Name") or call.get("TrailName")
    if not isinstance(name, str):
        return []
    arn = f"arn:{PARTITION}:cloudtrail:{call.region}:{caller.account}:trail/{name}"
    return [name if name.startswith("arn:") else arn]


def _s3(world: World, call: Call, caller: Caller) -> list[str]:
    bucket, key = call.path_parameters.get("Bucket"), call.path_parameters.get("Key")
    if not bucket:
        return []
    return [f"arn:{PARTITION}:s3:::{bucket}/{key}" if key else f"arn:{PARTITION}:s3:::{bucket}"]


def _by_arn_parameter(world: World, call: Call, caller: Caller) -> list[str]:
    """Services whose operations name their resource by ARN."""
    arns = [value for name, value in call.params.items() if re.search("Arn$|ARN$", name) and isinstance(value, str)]
    return arns[:1]


_RESOURCES: Mapping[str, Callable[[World, Call, Caller], list[str]]] = {
    "iam": _iam,
    "ec2": _ec2,
    "autoscaling": _autoscaling,
    "wafv2": _wafv2,
    "cloudtrail": _cloudtrail,
    "s3": _s3,
    "sso": _by_arn_parameter,
}
