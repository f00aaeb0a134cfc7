"""Block an IP address or network in AWS WAF.

Sources: https://docs.aws.amazon.com/waf/latest/APIReference/API_UpdateIPSet.html and
https://docs.aws.amazon.com/waf/latest/developerguide/limits.html
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from ..action import Action, Need, Planned, Refused, World, steps_of
from ..errors import UsageError
from ..guardrails import Guard, Network, parse_network, within
from ..model.proposal import BlastItem, Call, Plan, Target
from ._waf import RESOURCE_TYPES, SCOPES, IpSet, Use, find_sets, protected_by, several, uses_of

#: Addresses that an IP set holds at most.
_LIMIT = 10_000
#: Addresses at which a set is nearly full.
_NEARLY = 9_500
_WAF = "arn:{partition}:wafv2:*:{account}:*"
_SETS = (f"{_WAF}/ipset/*",)
_LONGEST_HOURS = 24 * 365
_NOT_KEYS = (
    "this does not stop stolen AWS keys: calls of AWS's APIs pass no web ACL. For those: disable_user, "
    "delete_access_key, revoke_sessions"
)


class BlockIp(Action, frozen=True, kw_only=True):
    """Put an IP address or network in an IP set of AWS WAF, whose rules turn it away from what web ACLs protect.

    It does not stop stolen AWS keys: calls of AWS's APIs do not pass a web ACL.
    """

    name = "block_ip"
    title = "Block an IP address in WAF"
    reads = (
        Need(action="wafv2:ListIPSets"),
        Need(action="wafv2:GetIPSet", resources=_SETS),
        Need(action="wafv2:ListWebACLs"),
        Need(action="wafv2:GetWebACL", resources=(f"{_WAF}/webacl/*",)),
        Need(action="wafv2:GetRuleGroup", resources=(f"{_WAF}/rulegroup/*",), when="a web ACL has a rule group"),
        Need(
            action="wafv2:ListResourcesForWebACL",
            resources=(f"{_WAF}/webacl/*",),
            when="to say what the web ACL protects, where a rule of a regional one blocks the set",
        ),
        *(
            Need(action=action, when=f"to say whether the web ACL protects any {kind}")
            for kind, action in RESOURCE_TYPES.items()
            if action
        ),
        Need(action="ec2:DescribeAddresses"),
        Need(action="ec2:DescribeNatGateways"),
    )
    writes = (Need(action="wafv2:UpdateIPSet", resources=_SETS),)
    reversible = True
    examples = ("address=198.51.100.7", "address=198.51.100.0/24 ip_set=blocked ttl_hours=24")

    address: Annotated[str, Meta(description="The address or CIDR network.", min_length=2, max_length=64)]
    ip_set: Annotated[
        str, Meta(description="The IP set's name or ARN; without it every one that rules block.", max_length=512)
    ] = ""
    scope: Annotated[str, Meta(description="REGIONAL or CLOUDFRONT; without it both are looked through.")] = ""
    region: Annotated[str, Meta(description="The set's Region; all are looked through without it.")] = ""
    ttl_hours: Annotated[
        int, Meta(description="After how many hours unblocking is proposed; 0: never.", ge=0, le=_LONGEST_HOURS)
    ] = 0

    def plan(self, world: World, guard: Guard) -> Planned:
        """See `Action.plan`."""
        network = parse_network(self.address)
        if self.scope and self.scope not in SCOPES:
            raise UsageError(f"no scope of WAF: {self.scope[:32]!r}", remedy=f"one of {', '.join(SCOPES)}")
        why = guard.network(network) or guard.network(network, own=own_addresses(world))
        if why is not None:
            raise Refused(why, remedy="block the very address that attacked, if it is not one's own")
        found = find_sets(world, f"IPV{network.version}", self.ip_set, self.scope, self.region)
        sets = _chosen({held: uses_of(world, held) for held in found}, network)
        (one,) = sets if len(sets) == 1 else (None,)
        return Planned(
            plan=Plan(
                action="block_ip",
                account=world.account,
                targets=(Target(kind="ip_address", id=str(network), account=world.account, name=_short(network)),),
                steps=steps_of(
                    *(
                        (
                            _update(held, "AddAddresses", network),
                            f"add {network} to the IP set {held.name} ({held.scope}, {held.region})",
                            _update(held, "RemoveAddresses", network),
                        )
                        for held in sets
                    )
                ),
                pre_state={
                    held.arn: [f"{each.acl} {each.rule} {each.action}" for each in uses] for held, uses in sets.items()
                },
            ),
            arguments={
                **msgspec.to_builtins(self), "address": str(network),
                **({"ip_set": one.arn, "scope": one.scope, "region": one.region} if one is not None else {}),
            },
            blast_radius=(
                *_own(guard, network),
                *(item for held, uses in sets.items() for item in _hit(world, held, network, uses)),
            ),
            administrator=False,
            notes=(_NOT_KEYS, "WAF takes seconds, at times minutes, until a change holds everywhere"),
            undo_after=world.now + timedelta(hours=self.ttl_hours) if self.ttl_hours else None,
        )  # fmt: skip


def _own(guard: Guard, network: Network) -> Iterator[BlastItem]:
    seen = guard.seen_within(network)
    if seen is not None:
        yield BlastItem(kind="own_address", text=seen, grave=True)


def _short(network: Network) -> str:
    """A single address without its prefix."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _chosen(found: Mapping[IpSet, tuple[Use, ...]], network: Network) -> dict[IpSet, tuple[Use, ...]]:
    """Of the sets in question, those that rules block; where rules block none, the only one that there is.

    Raises:
        Refused: the address would be let in, is blocked already, or does not fit in; or several sets are there, of
            which rules block none.
    """
    if len(found) == 1:
        ((held, uses),) = found.items()
        _only_blocking(held, network, uses)
        _room(held, network)
        return {held: uses}
    blocked = {
        held: uses
        for held, uses in found.items()
        if any(each.blocks for each in uses) and not any(each.lets_in for each in uses)
    }
    if not blocked:
        raise several(tuple(found))
    lacking = {held: uses for held, uses in blocked.items() if not _holder(held, network)}
    for held in lacking or blocked:
        _room(held, network)
    return lacking


def _update(held: IpSet, what: str, network: Network) -> Call:
    params = {"Name": held.name, "Scope": held.scope, "Id": held.id, what: [str(network)]}
    return Call(api="wafv2:UpdateIPSet", params=params, region=held.region, resources=(held.arn,))


def _hit(world: World, held: IpSet, network: Network, uses: tuple[Use, ...]) -> Iterator[BlastItem]:
    blocking = [each for each in uses if each.blocks]
    regional = held.scope == "REGIONAL"
    protected, unread = protected_by(world, held, (each.acl for each in blocking)) if regional else ((), ())
    yield from _effect(held, network, blocking, uses)
    yield from _protected(held, blocking, protected, unread)


def own_addresses(world: World) -> Iterator[tuple[Network, str]]:
    """The account's Elastic IP addresses and its NAT gateways', in every Region."""
    for region in world.regions:
        for address in world.call("ec2:DescribeAddresses", region=region)["Addresses"]:
            if public := address.get("PublicIp"):
                yield parse_network(public), f"an Elastic IP address in {region}"
        for gateway in world.items("ec2:DescribeNatGateways", "NatGateways", region=region):
            for address in gateway.get("NatGatewayAddresses") or ():
                if (public := address.get("PublicIp")) and gateway.get("State") not in ("deleted", "failed"):
                    yield parse_network(public), f"the NAT gateway {gateway['NatGatewayId']} in {region}"


def _holder(held: IpSet, network: Network) -> Network | None:
    """The entry of a set that the network lies in."""
    return next((each for each in map(parse_network, held.addresses) if within(network, each)), None)


def _room(held: IpSet, network: Network) -> None:
    there = _holder(held, network)
    if there is not None:
        raise Refused(
            f"{network} is already in the IP set {held.name}" + ("" if there == network else f", within {there}"),
            remedy="if it still gets through, see which web ACL's rule uses the set, and what it protects",
        )
    if len(held.addresses) >= _LIMIT:
        raise Refused(
            f"the IP set {held.name} holds {len(held.addresses):,} addresses, as many as it can",
            remedy="take out what is not needed any more, or name another set: ip_set=…",
        )


def _only_blocking(held: IpSet, network: Network, uses: tuple[Use, ...]) -> None:
    letting = [each.words for each in uses if each.lets_in]
    if letting:
        raise Refused(
            f"to put {network} in the IP set {held.name} would let it in: {'; '.join(letting)}",
            remedy="name a set that rules block, and no rule allows: ip_set=…",
        )


def _effect(held: IpSet, network: Network, blocking: list[Use], uses: tuple[Use, ...]) -> Iterator[BlastItem]:
    if not blocking:
        others = "; ".join(f"{each.words} ({each.action})" for each in uses)
        text = f"no effect: no web ACL blocks the IP set {held.name}" + (f", only {others}" if others else "")
        yield BlastItem(kind="references", text=text, grave=True)
    for each in blocking:
        more = (", if its other conditions hold too" if each.narrowed else "") + (
            ", by an address that a header gives, which a client may write itself" if each.header else ""
        )
        yield BlastItem(kind="references", text=f"{each.words} blocks it{more}", grave=each.narrowed or each.header)
    if network.num_addresses > 1:
        text = f"{network} holds {network.num_addresses:,} addresses: others than the attacker's may be among them"
        yield BlastItem(kind="dependents", text=text, grave=True)
    if len(held.addresses) >= _NEARLY:
        text = f"the IP set {held.name} holds {len(held.addresses):,} addresses, and {_LIMIT:,} at most"
        yield BlastItem(kind="capacity", text=text)


def _protected(
    held: IpSet, blocking: list[Use], protected: Sequence[str], unread: Sequence[str]
) -> Iterator[BlastItem]:
    if not blocking:
        return
    if held.scope == "CLOUDFRONT":
        text = "which distributions of CloudFront the web ACL protects was not read"
        yield BlastItem(kind="dependents", text=text)
        return
    if unread:
        text = f"whether the web ACL protects any {', '.join(unread)} could not be read"
        yield BlastItem(kind="dependents", text=text, grave=not protected)
        if not protected:
            return
    text = (
        f"turned away from {', '.join(protected)}"
        if protected
        else "no effect: the web ACL protects nothing in its Region"
    )
    yield BlastItem(kind="dependents" if protected else "references", text=text, grave=not protected)
