"""Whether the effect of a call is there: what is read before a step is tried again, and after the last one.

One table, from the API to the reading that tells. A reading gives True or False, or None where the world cannot tell:
the target may be another one by now (a user made anew under the same name), or the API leaves nothing to be read.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from .errors import NotFound
from .guardrails import parse_network
from .model.proposal import Call, Plan, Target
from .world import Verification, World, target_of

Effect = Callable[[World, Call, Target], bool | None]
#: Stands in a document for the time of execution, which the document that is read back has instead.
NOW = "{now}"

#: What a principal is called in parameters → the call that reads it, and its key and id in the answer.
_PRINCIPALS: Mapping[str, tuple[str, str, str]] = {
    "UserName": ("iam:GetUser", "User", "UserId"),
    "RoleName": ("iam:GetRole", "Role", "RoleId"),
    "GroupName": ("iam:GetGroup", "Group", "GroupId"),
}
_TARGET_IDS = {"iam_user": "UserName", "iam_role": "RoleName", "iam_group": "GroupName"}
#: States of an instance in which it is, or is sure to be, gone; and those in which it does not run.
_GONE, _STOPPED = frozenset({"shutting-down", "terminated"}), frozenset({"stopping", "stopped"})
#: States of a Spot request that launches no instance any more; a disabled one starts its instance again.
_SPOT_OVER = frozenset({"cancelled", "closed", "failed"})


def step_effect(world: World, call: Call, target: Target) -> bool | None:
    """Whether the effect of ``call`` on ``target`` is there now; None if that cannot be known.

    Raises:
        ValueError: no action makes such a call.
        AccessDenied, AwsError: it could not be read.
    """
    effect = _EFFECTS.get(call.api)
    if effect is None:
        raise ValueError(f"nothing tells whether {call.api} has taken effect")
    return effect(world, call, target)


def verify_steps(world: World, plan: Plan) -> Verification:
    """Read back every step of a plan; the detail names the first ones whose effect is not there."""
    missing, unknown = [], []
    steps = [each for each in plan.steps if not each.call.params.get("DryRun")]
    for step in steps:
        seen = step_effect(world, step.call, target_of(plan, step))
        if seen is None:
            unknown.append(f"step {step.number} ({step.does})")
        elif not seen:
            missing.append(f"step {step.number} ({step.does})")
    if missing:
        return Verification(ok=False, detail=f"read back, not in effect: {'; '.join(missing)}")
    if unknown and len(unknown) == len(steps):
        return Verification(ok=False, detail=f"nothing can be read back of: {'; '.join(unknown)}")
    detail = f"read back: {len(steps) - len(unknown)} of {len(steps)} steps are in effect"
    return Verification(ok=True, detail=detail + (f"; not to be told of {'; '.join(unknown)}" if unknown else ""))


def _same(world: World, call: Call, target: Target) -> bool | None:
    """Whether the principal that the call names is still the target: True, None if another one bears its name.

    Raises:
        NotFound: nobody bears the name.
    """
    name = _TARGET_IDS.get(target.kind)
    if name is None or name not in call.params:
        return True
    api, key, identifier = _PRINCIPALS[name]
    found = world.call(api, **{name: call.params[name]})[key]
    return True if found[identifier] == target.id else None


def same_target(world: World, call: Call, target: Target) -> bool:
    """Whether whom the call names is there, and still is the target. Raises as ``step_effect``."""
    try:
        return _same(world, call, target) is True
    except NotFound:
        return False


def _gone_with_its_holder(read: Effect) -> Effect:
    """A reading of something that belongs to a principal: gone if the holder is, unknown if the holder is another."""

    def effect(world: World, call: Call, target: Target) -> bool | None:
        try:
            return None if _same(world, call, target) is None else read(world, call, target)
        except NotFound:
            return True

    return effect


def _there_with_its_holder(read: Effect) -> Effect:
    """A reading of something that must be there: not there if the holder is gone, unknown if the holder is another."""

    def effect(world: World, call: Call, target: Target) -> bool | None:
        try:
            return None if _same(world, call, target) is None else read(world, call, target)
        except NotFound:
            return False

    return effect


def _listed(world: World, api: str, key: str, field: str | None, value: Any, **params: Any) -> Any:
    """The entry of a list whose ``field`` is ``value`` (the entry itself, without a field); None if there is none."""
    for each in world.items(api, key, **params):
        if (each if field is None else each[field]) == value:
            return each
    return None


def _status(api: str, key: str, field: str) -> Effect:
    def effect(world: World, call: Call, _target: Target) -> bool | None:
        found = _listed(world, api, key, field, call.params[field], UserName=call.params["UserName"])
        return None if found is None else bool(found["Status"] == call.params["Status"])

    return _there_with_its_holder(effect)


def _absent(api: str, key: str, field: str | None, parameter: str, holder: str = "UserName") -> Effect:
    def effect(world: World, call: Call, _target: Target) -> bool | None:
        return _listed(world, api, key, field, call.params[parameter], **{holder: call.params[holder]}) is None

    return _gone_with_its_holder(effect)


def _attached(kind: str, *, wanted: bool) -> Effect:
    holder = f"{kind}Name"

    def effect(world: World, call: Call, _target: Target) -> bool | None:
        found = _listed(
            world, f"iam:ListAttached{kind}Policies", "AttachedPolicies", "PolicyArn", call.params["PolicyArn"],
            **{holder: call.params[holder]},
        )  # fmt: skip
        return (found is not None) is wanted

    return _there_with_its_holder(effect) if wanted else _gone_with_its_holder(effect)


def _inline_put(kind: str) -> Effect:
    holder = f"{kind}Name"

    def effect(world: World, call: Call, _target: Target) -> bool | None:
        name = call.params["PolicyName"]
        try:
            found = world.call(f"iam:Get{kind}Policy", PolicyName=name, **{holder: call.params[holder]})
        except NotFound:
            return False
        return _same_document(found["PolicyDocument"], call.params["PolicyDocument"])

    return _there_with_its_holder(effect)


def _same_document(found: Any, wanted: str) -> bool | None:
    """Whether a document is the wanted one. A time of execution that stood in it cannot be told from another."""
    document = json.loads(unquote(found)) if isinstance(found, str) else found
    if NOW not in wanted:
        return bool(document == json.loads(wanted))
    head, _, tail = json.dumps(json.loads(wanted), sort_keys=True).partition(NOW)
    text = json.dumps(document, sort_keys=True)
    return text.startswith(head) and text.endswith(tail) and '"' not in text[len(head) : len(text) - len(tail)]


def _login_profile_gone(world: World, call: Call, _target: Target) -> bool | None:
    try:
        world.call("iam:GetLoginProfile", UserName=call.params["UserName"])
    except NotFound:
        return True
    return False


def _virtual_mfa_gone(world: World, call: Call, _target: Target) -> bool | None:
    serial = call.params["SerialNumber"]
    return _listed(world, "iam:ListVirtualMFADevices", "VirtualMFADevices", "SerialNumber", serial) is None


def _boundary_gone(world: World, call: Call, _target: Target) -> bool | None:
    user = world.call("iam:GetUser", UserName=call.params["UserName"])["User"]
    return not user.get("PermissionsBoundary")


def _member(*, wanted: bool) -> Effect:
    def effect(world: World, call: Call, _target: Target) -> bool | None:
        params = {"UserName": call.params["UserName"]}
        found = _listed(world, "iam:ListGroupsForUser", "Groups", "GroupName", call.params["GroupName"], **params)
        return (found is not None) is wanted

    return _there_with_its_holder(effect) if wanted else _gone_with_its_holder(effect)


def _user_gone(_world: World, _call: Call, _target: Target) -> bool | None:
    return False  # its holder, the user, is there: `_gone_with_its_holder` tells the rest


def _instances(world: World, call: Call) -> list[Mapping[str, Any]]:
    ids = call.params.get("InstanceIds") or [call.params["InstanceId"]]
    try:
        reservations = list(
            world.items("ec2:DescribeInstances", "Reservations", region=call.region, InstanceIds=list(ids))
        )
    except NotFound:
        return []  # an instance is forgotten about an hour after it was terminated
    return [each for reservation in reservations for each in reservation["Instances"]]


def _terminated(world: World, call: Call, _target: Target) -> bool | None:
    if call.params.get("DryRun"):
        return False  # it leaves nothing, and may be tried as often as one likes
    return all(each["State"]["Name"] in _GONE for each in _instances(world, call))


def _stopped(world: World, call: Call, _target: Target) -> bool | None:
    return all(each["State"]["Name"] in _STOPPED | _GONE for each in _instances(world, call))


def _attribute(world: World, call: Call, _target: Target) -> bool | None:
    wanted = {name: value for name, value in call.params.items() if name in ("DisableApiTermination", "DisableApiStop")}
    if all(each["State"]["Name"] in _GONE for each in _instances(world, call)):
        return True
    for name, value in wanted.items():
        attribute = name[0].lower() + name[1:]
        answer = world.call(
            "ec2:DescribeInstanceAttribute", region=call.region, InstanceId=call.params["InstanceId"],
            Attribute=attribute,
        )  # fmt: skip
        if answer[name]["Value"] != value["Value"]:
            return False
    return True if wanted else None


def _spot_cancelled(world: World, call: Call, _target: Target) -> bool | None:
    ids = list(call.params["SpotInstanceRequestIds"])
    requests = world.items(
        "ec2:DescribeSpotInstanceRequests", "SpotInstanceRequests", region=call.region, SpotInstanceRequestIds=ids
    )
    try:
        return all(each["State"] in _SPOT_OVER for each in requests)
    except NotFound:
        return True


def _snapshots_made(world: World, call: Call, _target: Target) -> bool | None:
    """By the tags that the call gives its snapshots: they name the plan, and no other snapshot bears them."""
    tags = next((each["Tags"] for each in call.params.get("TagSpecifications", ()) if each.get("Tags")), None)
    if not tags:
        return None
    filters = [{"Name": f"tag:{each['Key']}", "Values": [each["Value"]]} for each in tags]
    found = list(
        world.items("ec2:DescribeSnapshots", "Snapshots", region=call.region, OwnerIds=["self"], Filters=filters)
    )
    return bool(found) and all(each["State"] != "error" for each in found)


def _detached_from_group(world: World, call: Call, _target: Target) -> bool | None:
    ids = list(call.params["InstanceIds"])
    found = world.items(
        "autoscaling:DescribeAutoScalingInstances", "AutoScalingInstances", region=call.region, InstanceIds=ids
    )
    return all(each["LifecycleState"].startswith("Detach") for each in found)


def _address_set(world: World, call: Call, _target: Target) -> bool | None:
    params = {name: call.params[name] for name in ("Name", "Scope", "Id")}
    held = world.call("wafv2:GetIPSet", region=call.region, **params)["IPSet"]["Addresses"]
    addresses = {parse_network(each) for each in held}
    added = all(parse_network(each) in addresses for each in call.params.get("AddAddresses", ()))
    removed = all(parse_network(each) not in addresses for each in call.params.get("RemoveAddresses", ()))
    return added and removed


_EFFECTS: Mapping[str, Effect] = {
    "iam:UpdateAccessKey": _status("iam:ListAccessKeys", "AccessKeyMetadata", "AccessKeyId"),
    "iam:UpdateServiceSpecificCredential": _status(
        "iam:ListServiceSpecificCredentials", "ServiceSpecificCredentials", "ServiceSpecificCredentialId"
    ),
    "iam:UpdateSSHPublicKey": _status("iam:ListSSHPublicKeys", "SSHPublicKeys", "SSHPublicKeyId"),
    "iam:UpdateSigningCertificate": _status("iam:ListSigningCertificates", "Certificates", "CertificateId"),
    "iam:DeleteAccessKey": _absent("iam:ListAccessKeys", "AccessKeyMetadata", "AccessKeyId", "AccessKeyId"),
    "iam:DeleteServiceSpecificCredential": _absent(
        "iam:ListServiceSpecificCredentials",
        "ServiceSpecificCredentials",
        "ServiceSpecificCredentialId",
        "ServiceSpecificCredentialId",
    ),
    "iam:DeleteSSHPublicKey": _absent("iam:ListSSHPublicKeys", "SSHPublicKeys", "SSHPublicKeyId", "SSHPublicKeyId"),
    "iam:DeleteSigningCertificate": _absent(
        "iam:ListSigningCertificates", "Certificates", "CertificateId", "CertificateId"
    ),
    "iam:DeactivateMFADevice": _absent("iam:ListMFADevices", "MFADevices", "SerialNumber", "SerialNumber"),
    "iam:DeleteUserPolicy": _absent("iam:ListUserPolicies", "PolicyNames", None, "PolicyName"),
    "iam:DeleteRolePolicy": _absent("iam:ListRolePolicies", "PolicyNames", None, "PolicyName", "RoleName"),
    "iam:DeleteGroupPolicy": _absent("iam:ListGroupPolicies", "PolicyNames", None, "PolicyName", "GroupName"),
    "iam:DeleteLoginProfile": _gone_with_its_holder(_login_profile_gone),
    "iam:DeleteVirtualMFADevice": _virtual_mfa_gone,
    "iam:DeleteUserPermissionsBoundary": _gone_with_its_holder(_boundary_gone),
    "iam:DeleteUser": _gone_with_its_holder(_user_gone),
    "iam:RemoveUserFromGroup": _member(wanted=False),
    "iam:AddUserToGroup": _member(wanted=True),
    **{f"iam:Attach{kind}Policy": _attached(kind, wanted=True) for kind in ("User", "Role", "Group")},
    **{f"iam:Detach{kind}Policy": _attached(kind, wanted=False) for kind in ("User", "Role", "Group")},
    **{f"iam:Put{kind}Policy": _inline_put(kind) for kind in ("User", "Role", "Group")},
    "ec2:TerminateInstances": _terminated,
    "ec2:StopInstances": _stopped,
    "ec2:ModifyInstanceAttribute": _attribute,
    "ec2:CancelSpotInstanceRequests": _spot_cancelled,
    "ec2:CreateSnapshots": _snapshots_made,
    "autoscaling:DetachInstances": _detached_from_group,
    "wafv2:UpdateIPSet": _address_set,
}
#: The calls whose effect can be read, which are all that a plan may hold.
KNOWN: frozenset[str] = frozenset(_EFFECTS)
