# ruff: noqa: ARG001 - every operation takes the same arguments
"""WAF's checks of IP sets and of the scope, which moto leaves out."""

import ipaddress
import threading

from moto.wafv2.models import GLOBAL_REGION, wafv2_backends

from .call import Answer, Call, Refusal
from .world import Caller, World

_ADDRESS_LIMIT = 10_000
#: What a web ACL protects, by what its ARN contains.
_RESOURCE_TYPES = {
    "APPLICATION_LOAD_BALANCER": ":loadbalancer/app/",
    "API_GATEWAY": ":/restapis/",
    "APPSYNC": ":apis/",
    "COGNITO_USER_POOL": ":userpool/",
    "APP_RUNNER_SERVICE": ":service/",
    "VERIFIED_ACCESS_INSTANCE": ":verified-access-instance/",
    "AMPLIFY": ":apps/",
}
_WRITING = threading.Lock()


def checked(world: World, call: Call, caller: Caller) -> Answer:
    """Any WAF operation: CloudFront's scope has one Region, and addresses are CIDR blocks of the set's version."""
    scope = call.get("Scope")
    if scope is not None and scope not in ("REGIONAL", "CLOUDFRONT"):
        raise _invalid("SCOPE_VALUE", scope, "The scope is not valid.")
    if scope == "CLOUDFRONT" and call.region != "us-east-1":
        raise _invalid("SCOPE_VALUE", scope, "The scope is not valid.")
    if call.operation in ("CreateIPSet", "UpdateIPSet"):
        version = call.get("IPAddressVersion") or _version_of(call)
        addresses = call.get("Addresses", [])
        if len(addresses) > _ADDRESS_LIMIT:
            raise Refusal(
                "WAFLimitsExceededException",
                "AWS WAF couldn’t perform the operation because you exceeded your resource limit.",
            )
        for address in addresses:
            _check(address, version)
    if call.operation == "UpdateIPSet":
        with _WRITING:  # moto compares the lock token and writes in two steps, between which another thread may come
            return world.moto(call)
    if call.operation == "ListResourcesForWebACL":
        return _resources_of_acl(call)
    return world.moto(call)


def _resources_of_acl(call: Call) -> Answer:
    """ListResourcesForWebACL, which moto lacks: what is associated, of one kind."""
    acl = wafv2_backends[call.account][call.region].wacls.get(str(call.get("WebACLArn")))
    if acl is None:
        raise Refusal(
            "WAFNonexistentItemException",
            "AWS WAF couldn’t perform the operation because your resource doesn’t exist.",
        )
    wanted = _RESOURCE_TYPES.get(str(call.get("ResourceType", "APPLICATION_LOAD_BALANCER")))
    if wanted is None:
        raise _invalid("RESOURCE_TYPE", call.get("ResourceType"), "The resource type is not valid.")
    return call.answer({"ResourceArns": [each for each in acl.associated_resources if wanted in each]})


def _version_of(call: Call) -> str | None:
    region = GLOBAL_REGION if call.get("Scope") == "CLOUDFRONT" else call.region
    held = wafv2_backends[call.account][region].ip_sets.values()
    found = next((item for item in held if item.ip_set_id == call.get("Id")), None)
    return str(found.ip_address_version) if found else None


def _check(address: str, version: str | None) -> None:
    try:
        network = ipaddress.ip_network(address, strict=True)
    except ValueError:
        network = None
    if network is None or "/" not in address or network.prefixlen == 0:
        raise _invalid("IP_ADDRESS", address, "Your request contains a CIDR block that is not valid.")
    if version is not None and f"IPV{network.version}" != version:
        raise _invalid("IP_ADDRESS", address, f"The address is not of the set's version, {version}.")


def _invalid(field: str, parameter: object, why: str) -> Refusal:
    return Refusal(
        "WAFInvalidParameterException",
        f"Error reason: {why}, field: {field}, parameter: {parameter}",
    )
