"""Regions as an account sees them, and the termination protection that moto's RunInstances ignores."""

import re
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

from .call import Answer, Call, Refusal
from .world import OPT_IN_REGIONS, Caller, World

_NAMES = sorted(
    region.name for region in RegionsAndZonesBackend.regions if not region.name.startswith(("us-gov-", "cn-"))
)
_INSTANCE = re.compile(rb"<instanceId>(i-[0-9a-f]+)</instanceId>")


def describe_regions(world: World, call: Call, caller: Caller) -> Answer:
    """DescribeRegions: the enabled ones, or all with their opt-in status."""
    named, show_all = call.get("RegionNames", []), bool(call.get("AllRegions"))
    unknown = [name for name in named if name not in _NAMES]
    if unknown:
        raise Refusal("InvalidParameterValue", f"Invalid region name: {', '.join(unknown)}")
    if call.get("DryRun"):
        raise Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    regions = [
        {
            "RegionName": name,
            "Endpoint": f"ec2.{name}.amazonaws.com",
            "OptInStatus": _opt_in_status(world, caller.account, name),
        }
        for name in named or _NAMES
        if show_all or world.region_enabled(caller.account, name)
    ]
    for condition in call.get("Filters", []):
        member = {"region-name": "RegionName", "opt-in-status": "OptInStatus", "endpoint": "Endpoint"}.get(
            condition.get("Name", "")
        )
        if member is None:
            raise Refusal("InvalidParameterValue", f"The filter '{condition.get('Name')}' is invalid")
        regions = [region for region in regions if region[member] in condition.get("Values", [])]
    return call.answer({"Regions": regions})


def _opt_in_status(world: World, account: str, region: str) -> str:
    if region not in OPT_IN_REGIONS:
        return "opt-in-not-required"
    return "opted-in" if world.region_enabled(account, region) else "not-opted-in"


def run_instances(world: World, call: Call, caller: Caller) -> Answer:
    """RunInstances of an image that exists, with DisableApiTermination."""
    backend: Any = ec2_backends[caller.account][call.region]
    image = call.get("ImageId")
    if image is not None and image not in backend.amis:
        raise Refusal("InvalidAMIID.NotFound", f"The image id '[{image}]' does not exist")
    answer = world.moto(call)
    if answer.status == 200 and call.get("DisableApiTermination"):
        for instance_id in _INSTANCE.findall(answer.body):
            backend.get_instance(instance_id.decode()).disable_api_termination = True
    return answer


def describe_spot_requests(world: World, call: Call, caller: Caller) -> Answer:
    """DescribeSpotInstanceRequests with the filter by instance, which moto lacks."""
    wanted = [each for each in call.get("Filters", []) if each.get("Name") == "instance-id"]
    if not wanted:
        return world.moto(call)
    held: Any = ec2_backends[caller.account][call.region].spot_instance_requests.values()
    found = [
        {
            "SpotInstanceRequestId": each.id,
            "InstanceId": each.instance.id,
            "State": each.state,
            "Type": each.type,
            "InstanceInterruptionBehavior": each.instance_interruption_behaviour,
        }
        for each in list(held)
        if all(each.instance.id in condition.get("Values", []) for condition in wanted)
    ]
    return call.answer({"SpotInstanceRequests": found})


def _account_of(call: Call, caller: Caller) -> str:
    return str(call.get("AccountId") or caller.account)


def _account_status(world: World, account: str, region: str) -> str:
    if region not in OPT_IN_REGIONS:
        return "ENABLED_BY_DEFAULT"
    return "ENABLED" if world.region_enabled(account, region) else "DISABLED"


def list_regions(world: World, call: Call, caller: Caller) -> Answer:
    """account:ListRegions."""
    account, wanted = _account_of(call, caller), call.get("RegionOptStatusContains", [])
    regions = [{"RegionName": name, "RegionOptStatus": _account_status(world, account, name)} for name in _NAMES]
    shown = [region for region in regions if not wanted or region["RegionOptStatus"] in wanted]
    start, limit = int(call.get("NextToken", 0)), int(call.get("MaxResults", 50))
    result: dict[str, Any] = {"Regions": shown[start : start + limit]}
    if start + limit < len(shown):
        result["NextToken"] = str(start + limit)
    return call.answer(result)


def get_region_opt_status(world: World, call: Call, caller: Caller) -> Answer:
    """account:GetRegionOptStatus."""
    region = _known(call)
    return call.answer(
        {"RegionName": region, "RegionOptStatus": _account_status(world, _account_of(call, caller), region)}
    )


def change_region(world: World, call: Call, caller: Caller) -> Answer:
    """account:EnableRegion and DisableRegion, done at once."""
    region = _known(call)
    if region not in OPT_IN_REGIONS:
        raise Refusal("ValidationException", f"{region} is enabled by default and cannot be changed")
    world.opted[_account_of(call, caller), region] = call.operation == "EnableRegion"
    return call.answer({})


def _known(call: Call) -> str:
    region = str(call.get("RegionName", ""))
    if region not in _NAMES:
        raise Refusal("ValidationException", f"{region} is not a Region")
    return region


OPERATIONS = {
    "DescribeRegions": describe_regions,
    "RunInstances": run_instances,
    "DescribeSpotInstanceRequests": describe_spot_requests,
}
ACCOUNT_OPERATIONS = {
    "ListRegions": list_regions,
    "GetRegionOptStatus": get_region_opt_status,
    "EnableRegion": change_region,
    "DisableRegion": change_region,
}
