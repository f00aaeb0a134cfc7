"""Blocking addresses: where they go, what is refused, and what the plan says of its effect."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import msgspec
import pytest
from actions_hosts_kit import (
    ADDRESS,
    BALANCER,
    addresses_of,
    block_rule,
    looks_at,
    make_set,
    rule,
    rule_group,
    web_acl,
)
from actions_kit import FakeWorld, LiveWorld, carry_out, client, do, undo

from trailwarden.action import Planned, Refused
from trailwarden.actions._waf import RESOURCE_TYPES
from trailwarden.actions.block_ip import BlockIp, own_addresses
from trailwarden.demo.emulator import Emulator, Fault
from trailwarden.errors import AccessDenied, NotFound, UsageError
from trailwarden.guardrails import Guard
from trailwarden.iam.catalog import catalog
from trailwarden.model.proposal import Call

KEPT = "9.9.9.9/32"


def plan(world: LiveWorld, address: str = ADDRESS, guard: Guard | None = None, **more: Any) -> Planned:
    return BlockIp(address=address, **more).plan(world, guard or Guard())


def nat_gateway(state: str) -> dict[str, Any]:
    """A NAT gateway as DescribeNatGateways lists it; the private address has no public one."""
    addresses = [{"PublicIp": "3.120.10.20", "PrivateIp": "10.0.0.5"}, {"PrivateIp": "10.0.0.6"}]
    return {"NatGatewayId": "nat-0example", "State": state, "NatGatewayAddresses": addresses}


def texts(planned: Planned, kind: str = "references", *, grave: bool | None = None) -> str:
    found = (each for each in planned.blast_radius if each.kind == kind and grave in (None, each.grave))
    return " ".join(each.text for each in found)


def test_it_is_added_and_taken_out_again(admin: boto3.Session, live: LiveWorld) -> None:
    arn = make_set(admin, "blocked", KEPT)
    web_acl(admin, "site", block_rule(arn))
    planned = plan(live, ttl_hours=24)
    assert planned.plan.targets[0].id == f"{ADDRESS}/32"
    assert planned.arguments["ip_set"] == arn
    assert planned.undo_after is not None
    assert (planned.undo_after - live.now).total_seconds() == 24 * 3600
    assert "rule known of web ACL site blocks it" in texts(planned, grave=False)
    assert BALANCER in texts(planned, "dependents")
    assert "does not stop stolen AWS keys" in planned.notes[0]
    again = msgspec.convert(planned.arguments, BlockIp)
    assert again.plan(live, Guard()).plan.sha256 == planned.plan.sha256
    carry_out(admin, planned.plan)
    assert addresses_of(admin, arn) == {KEPT, f"{ADDRESS}/32"}
    assert again.verify(live, planned.plan).ok
    with pytest.raises(Refused, match="already in the IP set"):
        plan(live)
    undo(admin, planned.plan)
    assert addresses_of(admin, arn) == {KEPT}
    assert not again.verify(live, planned.plan).ok


@pytest.mark.parametrize(
    ("given", "canonical", "version"),
    [
        ("192.0.3.7", "192.0.3.7/32", "IPV4"),
        ("::ffff:192.0.3.7", "192.0.3.7/32", "IPV4"),
        ("192.0.3.0/24", "192.0.3.0/24", "IPV4"),
        ("2A00:1450:0::1", "2a00:1450::1/128", "IPV6"),
        ("2a00:1450::/32", "2a00:1450::/32", "IPV6"),
    ],
)
def test_the_set_is_of_its_version(
    admin: boto3.Session, live: LiveWorld, given: str, canonical: str, version: str
) -> None:
    sets = {each: make_set(admin, each, version=each) for each in ("IPV4", "IPV6")}
    planned = plan(live, given)
    assert planned.arguments["ip_set"] == sets[version]
    carry_out(admin, planned.plan)
    assert addresses_of(admin, sets[version]) == {canonical}


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("0.0.0.0/0", "every address"),
        ("8.0.0.0/8", "wider than"),
        ("10.1.2.3", "not a public network"),
        ("fe80::1", "not a public network"),
        ("::ffff:10.0.0.1", "not a public network"),
        ("1.1.1.1", "one's own"),
    ],
)
def test_what_must_not_be_blocked(admin: boto3.Session, live: LiveWorld, address: str, why: str) -> None:
    make_set(admin)
    with pytest.raises(Refused, match=why):
        plan(live, address, guard=Guard(addresses=("1.1.1.0/24",)))


@pytest.mark.parametrize("address", ["", "john", "192.0.3.7/33", "192.0.3.7/24", "192.0.3.07", "1", "::ffff:"])
def test_what_is_no_address(live: LiveWorld, address: str) -> None:
    with pytest.raises(UsageError, match="not an IP address"):
        plan(live, address)


PUBLIC = "3.120.10.20"


@pytest.mark.parametrize(
    ("api", "answer", "why"),
    [
        ("ec2:DescribeAddresses", {"Addresses": [{"PublicIp": PUBLIC}]}, "an Elastic IP address in eu-central-1"),
        ("ec2:DescribeNatGateways", {"NatGateways": [nat_gateway("available")]}, "nat-0example in eu-central-1"),
        ("ec2:DescribeNatGateways", {"NatGateways": [nat_gateway("deleting")]}, "nat-0example in eu-central-1"),
        ("ec2:DescribeNatGateways", {"NatGateways": [nat_gateway("deleted")]}, None),
    ],
    ids=["elastic", "gateway", "going", "gone"],
)
@pytest.mark.parametrize("address", [PUBLIC, "3.120.10.0/24"])
def test_the_accounts_own_addresses_of_all_regions(api: str, answer: Any, why: str | None, address: str) -> None:
    """The emulator gives addresses out of 127.0.0.0/8, which nobody would block anyway."""
    world = FakeWorld()
    world.answer("ec2:DescribeAddresses", {"Addresses": []}).answer("ec2:DescribeNatGateways", {"NatGateways": []})
    world.answer("wafv2:ListIPSets", {"IPSets": []})
    world.answer(api, answer, region="eu-central-1")
    with pytest.raises(Refused if why else NotFound, match=why or "there is no IP set"):
        BlockIp(address=address).plan(world, Guard())


def test_the_emulators_own_addresses_are_read(admin: boto3.Session) -> None:
    world = LiveWorld(admin, regions=("us-east-1", "eu-central-1"))
    ec2 = client(admin, "ec2", "eu-central-1")
    address = ec2.allocate_address(Domain="vpc")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    gateway = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address["AllocationId"])["NatGateway"]
    public = {str(network): what for network, what in own_addresses(world)}
    assert f"{address['PublicIp']}/32" in public
    assert f"the NAT gateway {gateway['NatGatewayId']} in eu-central-1" in public.values()


@pytest.mark.parametrize("action", ["ec2:DescribeAddresses", "wafv2:GetWebACL", "wafv2:ListIPSets"])
def test_what_cannot_be_read_is_not_taken_for_nothing(
    emulator: Emulator, admin: boto3.Session, live: LiveWorld, action: str
) -> None:
    web_acl(admin, "site", block_rule(make_set(admin)))
    emulator.faults.append(Fault.deny(action))
    with pytest.raises(AccessDenied, match=action):
        plan(live)


def test_several_sets_have_to_be_told_apart(admin: boto3.Session, live: LiveWorld) -> None:
    one, two = make_set(admin, "one"), make_set(admin, "two")
    make_set(admin, "six", version="IPV6")
    with pytest.raises(Refused, match="2 IP sets fit") as caught:
        plan(live)
    assert one in caught.value.message
    assert two in caught.value.message
    assert plan(live, ip_set="two").arguments["ip_set"] == two
    assert plan(live, ip_set=one).arguments["ip_set"] == one
    with pytest.raises(Refused, match="holds addresses of IPV6"):
        plan(live, ip_set="six")
    with pytest.raises(NotFound, match="there is no IP set three"):
        plan(live, ip_set="three")
    with pytest.raises(NotFound, match="of account 222222222222"):
        plan(live, ip_set=one.replace("111111111111", "222222222222"))
    with pytest.raises(UsageError, match="not the ARN of an IP set"):
        plan(live, ip_set="arn:aws:iam::111111111111:user/john")


def test_without_a_name_every_set_that_rules_block_is_used(admin: boto3.Session, live: LiveWorld) -> None:
    one, two, unused = make_set(admin, "one", KEPT), make_set(admin, "two"), make_set(admin, "unused")
    edge = make_set(admin, "edge", scope="CLOUDFRONT")
    web_acl(admin, "site", block_rule(one))
    web_acl(admin, "shop", block_rule(two))
    web_acl(admin, "front", block_rule(edge), scope="CLOUDFRONT")
    planned = plan(live)
    assert {step.call.resources for step in planned.plan.steps} == {(one,), (two,), (edge,)}
    assert planned.arguments["ip_set"] == ""
    carry_out(admin, planned.plan)
    assert addresses_of(admin, one) == {KEPT, f"{ADDRESS}/32"}
    assert addresses_of(admin, unused) == set()
    with pytest.raises(Refused, match="already in the IP set"):
        plan(live)
    undo(admin, planned.plan)
    assert addresses_of(admin, two) == set()


def test_there_is_none(live: LiveWorld) -> None:
    with pytest.raises(NotFound, match="there is no IP set of version IPV4"):
        plan(live)


def test_cloudfront_is_of_one_region(admin: boto3.Session) -> None:
    arn = make_set(admin, "edge", scope="CLOUDFRONT")
    web_acl(admin, "site", block_rule(arn), scope="CLOUDFRONT")
    world = LiveWorld(admin, regions=("eu-central-1", "us-east-1"))
    planned = plan(world)
    assert planned.plan.steps[0].call.region == "us-east-1"
    assert planned.arguments["scope"] == "CLOUDFRONT"
    assert "CloudFront" in texts(planned, "dependents")
    carry_out(admin, planned.plan)
    assert addresses_of(admin, arn) == {f"{ADDRESS}/32"}
    with pytest.raises(UsageError, match="us-east-1 only"):
        plan(world, scope="CLOUDFRONT", region="eu-central-1")
    with pytest.raises(UsageError, match="no scope of WAF"):
        plan(world, scope="GLOBAL")


def test_a_wider_entry_blocks_it_already(admin: boto3.Session, live: LiveWorld) -> None:
    make_set(admin, "blocked", "192.0.3.0/24")
    with pytest.raises(Refused, match=r"already .* within 192\.0\.3\.0/24"):
        plan(live)
    assert plan(live, "192.0.2.0/23".replace("2.0/23", "4.0/23")).plan.steps


def negated(statement: dict[str, Any]) -> dict[str, Any]:
    return {"NotStatement": {"Statement": statement}}


def both(statement: dict[str, Any]) -> dict[str, Any]:
    return {"AndStatement": {"Statements": [statement, {"GeoMatchStatement": {"CountryCodes": ["US"]}}]}}


def either(statement: dict[str, Any]) -> dict[str, Any]:
    return {"OrStatement": {"Statements": [{"GeoMatchStatement": {"CountryCodes": ["US"]}}, statement]}}


@pytest.mark.parametrize(
    ("wrap", "action", "outcome"),
    [
        (lambda each: each, "Block", "blocks"),
        (either, "Block", "blocks"),
        (both, "Block", "narrowed"),
        (lambda each: negated(negated(each)), "Block", "blocks"),
        (negated, "Block", "refused"),
        (lambda each: negated(both(each)), "Block", "refused"),
        (lambda each: both(negated(each)), "Block", "refused"),
        (negated, "Captcha", "refused"),
        (lambda each: each, "Allow", "refused"),
        (negated, "Allow", "none"),
        (lambda each: each, "Count", "none"),
        (negated, "Count", "none"),
    ],
)
def test_what_the_rules_do_with_the_set(
    admin: boto3.Session, live: LiveWorld, wrap: Any, action: str, outcome: str
) -> None:
    arn = make_set(admin)
    web_acl(admin, "site", rule(wrap(looks_at(arn)), action))
    if outcome == "refused":
        with pytest.raises(Refused, match="would let it in: rule known of web ACL site"):
            plan(live)
        return
    planned = plan(live)
    assert ("no effect" in texts(planned, grave=True)) == (outcome == "none")
    assert ("other conditions" in texts(planned, grave=True)) == (outcome == "narrowed")


def test_a_set_that_no_rule_looks_at_has_no_effect(admin: boto3.Session, live: LiveWorld) -> None:
    make_set(admin)
    assert "no effect: no web ACL blocks" in texts(plan(live), grave=True)


def test_a_web_acl_that_protects_nothing(admin: boto3.Session, live: LiveWorld) -> None:
    web_acl(admin, "site", block_rule(make_set(admin)), protects=None)
    assert "protects nothing" in texts(plan(live), grave=True)


@pytest.mark.parametrize(
    ("more", "override", "effective"),
    [
        ({}, {"None": {}}, True),
        ({}, {"Count": {}}, False),
        ({"RuleActionOverrides": [{"Name": "known", "ActionToUse": {"Count": {}}}]}, {"None": {}}, False),
        ({"ExcludedRules": [{"Name": "known"}]}, {"None": {}}, False),
    ],
    ids=["as it is", "counted", "overridden", "excluded"],
)
def test_rules_of_rule_groups(
    admin: boto3.Session, live: LiveWorld, more: dict[str, Any], override: dict[str, Any], effective: bool
) -> None:
    made = rule_group(admin, block_rule(make_set(admin)))
    using = rule({"RuleGroupReferenceStatement": {"ARN": made, **more}}, name="group")
    del using["Action"]
    web_acl(admin, "site", {**using, "OverrideAction": override})
    planned = plan(live)
    assert ("rule group/known of web ACL site blocks it" in texts(planned)) == effective
    assert ("no effect" in texts(planned)) != effective


def numbered(number: int) -> str:
    return f"11.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32"


def test_a_full_set_takes_no_more(admin: boto3.Session, live: LiveWorld) -> None:
    make_set(admin, "blocked", *map(numbered, range(10_000)))
    with pytest.raises(Refused, match="holds 10,000 addresses"):
        plan(live)


def test_writers_at_once_lose_nothing_near_the_limit(admin: boto3.Session, live: LiveWorld) -> None:
    held = {numbered(each) for each in range(9_992)}
    arn = make_set(admin, "blocked", *held)
    web_acl(admin, "site", block_rule(arn))
    addresses = [f"192.0.3.{each}/32" for each in range(8)]
    planned = [plan(live, each) for each in addresses]
    assert "9,992 addresses" in texts(planned[0], "capacity")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: carry_out(admin, each.plan), planned))
    assert addresses_of(admin, arn) == held | set(addresses)
    step = planned[0].plan.steps[0].call
    more = Call(api=step.api, params={**step.params, "AddAddresses": ["192.0.3.99/32"]}, region=step.region)
    with pytest.raises(UsageError, match="10,001 addresses"):
        do(admin, more)
    assert len(addresses_of(admin, arn)) == 10_000


# --- what the web ACL protects, as far as that can be read ----------------------------------------------------------


class Blind(LiveWorld):  # type: ignore[misc] # the shared kit is Any here
    """The emulator to a role that may not list what web ACLs protect of these kinds."""

    kinds: frozenset[str] = frozenset()

    def call(self, api: str, region: str | None = None, **params: Any) -> Mapping[str, Any]:
        if params.get("ResourceType") in self.kinds:
            raise AccessDenied(f"not authorized to perform: {RESOURCE_TYPES[params['ResourceType']]}", operation=api)
        return super().call(api, region, **params)


@pytest.mark.parametrize(
    ("kinds", "protects", "said", "grave"),
    [
        ({"COGNITO_USER_POOL"}, BALANCER, "any COGNITO_USER_POOL could not be read", False),
        ({"APPSYNC", "COGNITO_USER_POOL"}, None, "any APPSYNC, COGNITO_USER_POOL could not be read", True),
        (RESOURCE_TYPES, BALANCER, "any API_GATEWAY, APPLICATION_LOAD_BALANCER", True),
    ],
    ids=["one", "nothing-seen", "all"],
)
def test_it_is_blocked_although_not_all_that_it_protects_can_be_read(
    admin: boto3.Session, kinds: Iterable[str], protects: str | None, said: str, grave: bool
) -> None:
    web_acl(admin, "site", block_rule(make_set(admin)), protects=protects)
    world = Blind(admin)
    world.kinds = frozenset(kinds)
    planned = plan(world)
    (unread,) = [each for each in planned.blast_radius if "could not be read" in each.text]
    assert said in unread.text
    assert unread.grave is grave
    assert not any("protects nothing" in each.text for each in planned.blast_radius)
    assert [each.call.api for each in planned.plan.steps] == ["wafv2:UpdateIPSet"]


def test_each_kind_that_a_service_lists_for_waf_has_its_permission() -> None:
    declared = {each.action for each in BlockIp.reads}
    assert set(filter(None, RESOURCE_TYPES.values())) <= declared
    assert {catalog().number(each) for each in declared}.isdisjoint({None}), "AWS knows no such permission"


# --- one's own addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("guard", "why"),
    [
        ({"addresses": ("192.0.3.0/24",)}, "the setting respond.own_addresses"),
        ({"used_addresses": (ADDRESS,)}, "calls from it day by day"),
    ],
)
def test_own_addresses_are_refused(live: LiveWorld, guard: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        plan(live, guard=Guard(**guard))


def test_an_address_from_which_our_own_role_was_used_can_be_blocked_with_a_warning(
    admin: boto3.Session, live: LiveWorld
) -> None:
    web_acl(admin, "site", block_rule(make_set(admin)))
    seen = Guard(seen_addresses=(ADDRESS, "192.0.3.8"))
    (warned,) = [each for each in plan(live, guard=seen).blast_radius if each.kind == "own_address"]
    assert warned.grave
    assert f"our own role was used from {ADDRESS}: it may be ours" in warned.text
    (wide,) = [each for each in plan(live, "192.0.3.0/24", guard=seen).blast_radius if each.kind == "own_address"]
    assert f"{ADDRESS} and 1 more of it" in wide.text
    assert not [each for each in plan(live, "192.0.3.9", guard=seen).blast_radius if each.kind == "own_address"]
