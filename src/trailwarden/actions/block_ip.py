"""Block an IP address or network in an IP set of AWS WAF.

Sources: https://docs.aws.amazon.com/waf/latest/APIReference/API_UpdateIPSet.html,
https://docs.aws.amazon.com/waf/latest/developerguide/waf-ip-set-managing.html and
https://docs.aws.amazon.com/waf/latest/developerguide/limits.html
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..action import Action, Need, Planned, Refused, World, steps_of
from ..errors import AccessDenied, AwsError, NotFound, RegionDisabled, UsageError
from ..guardrails import Guard, Network, parse_network
from ..model.arn import PARTITIONS, Arn
from ..model.proposal import BlastItem, Call, Plan, Target

Scope = Literal["REGIONAL", "CLOUDFRONT"]
#: Addresses that a set holds at most, and how near to that is said.
LIMIT, NEAR = 10_000, 9_500
_SETS = ("arn:{partition}:wafv2:*:{account}:*/ipset/*/*",)
_NAMED = 10


class HeldSet(msgspec.Struct, frozen=True, kw_only=True):
    """An IP set: ``region`` is where it is managed, us-east-1 for CLOUDFRONT; ``networks`` what it holds."""

    name: str
    id: str
    arn: str
    scope: Scope
    region: str
    version: str
    networks: tuple[Network, ...]


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a web ACL that refers to a set: what it does to whom the set names. ``negated`` if it does so to all
    others, ``by`` the rule group that holds it."""

    web_acl: str
    web_acl_arn: str
    rule: str
    effect: str
    negated: bool
    by: str = ""

    @property
    def blocks(self) -> bool:
        """Whether being in the set is what gets an address blocked."""
        return self.effect == "Block" and not self.negated

    @property
    def lets_in(self) -> bool:
        """Whether being in the set could let an address in, or spare it from being blocked."""
        return (self.effect == "Allow") is not self.negated and self.effect in ("Allow", "Block")

    def __str__(self) -> str:
        via = f" (by the rule group {self.by})" if self.by else ""
        return f"rule {self.rule} of the web ACL {self.web_acl}{via}"


class BlockIp(Action, frozen=True, kw_only=True):
    """Put an IP address or network into an IP set that a web ACL blocks.

    It keeps the address from web applications behind AWS WAF. It does not stop calls to AWS with stolen keys.
    """

    name = "block_ip"
    title = "Block an IP address in WAF"
    reads = (
        Need(action="wafv2:ListIPSets"),
        Need(action="wafv2:GetIPSet", resources=_SETS),
        Need(action="wafv2:ListWebACLs"),
        Need(action="wafv2:GetWebACL", when="there are web ACLs"),
        Need(action="wafv2:GetRuleGroup", when="web ACLs use rule groups of the account"),
        Need(action="wafv2:ListResourcesForWebACL", when="a web ACL of a Region blocks the set"),
        Need(action="ec2:DescribeAddresses"),
        Need(action="ec2:DescribeNatGateways"),
    )
    writes = (
        Need(action="wafv2:UpdateIPSet", resources=_SETS),
        Need(action="wafv2:GetIPSet", resources=_SETS),
    )
    reversible = True
    examples = (
        "address=203.0.113.7",
        "address=203.0.113.0/24 ip_set=blocked-ipv4 scope=CLOUDFRONT",
        "address=203.0.113.7 ttl_hours=72",
    )

    address: Annotated[str, Meta(description="IP address or CIDR network.", min_length=2, max_length=64)]
    ip_set: Annotated[str, Meta(description="Name or ARN of the IP set; the only one that fits without it.")] = ""
    scope: Annotated[
        str, Meta(description="REGIONAL or CLOUDFRONT; both without it.", pattern="^(|REGIONAL|CLOUDFRONT)$")
    ] = ""
    region: Annotated[str, Meta(description="Region of a REGIONAL set; all enabled ones without it.")] = ""
    ttl_hours: Annotated[
        int, Meta(description="Propose to unblock it after so many hours; 0: never by itself.", ge=0, le=8760)
    ] = 0

    def plan(self, world: World, guard: Guard) -> Planned:
        """See `Action.plan`."""
        network = parse_network(self.address)
        self._guarded(world, guard, network)
        held = self._set(world, network)
        cover = next((each for each in held.networks if _covers(each, network)), None)
        if cover is not None:
            raise Refused(f"{network} is in {held.name} already, as {cover}", remedy="nothing is to be done")
        if len(held.networks) >= LIMIT:
            raise Refused(
                f"{held.name} holds {len(held.networks):,} addresses, as many as a set can",
                remedy="take out what is not needed any more, or use another set: ip_set",
            )
        uses = tuple(uses_of(world, held))
        if letting := [each for each in uses if each.lets_in]:
            raise Refused(
                f"{held.name} lets in what it names, by {letting[0]}: adding {network} would open the way, not close it",
                remedy="name a set that is used to block: ip_set",
            )
        named = {"Name": held.name, "Scope": held.scope, "Id": held.id}

        def update(what: str) -> Call:
            params = {**named, what: [str(network)]}
            return Call(api="wafv2:UpdateIPSet", params=params, region=held.region, resources=(held.arn,))

        return Planned(
            plan=Plan(
                action="block_ip",
                account=world.account,
                targets=(
                    Target(
                        kind="ip_address",
                        id=f"{held.arn}#{network}",
                        account=world.account,
                        name=str(network.network_address) if network.num_addresses == 1 else str(network),
                        arn=held.arn,
                        region=held.region,
                    ),
                ),
                steps=steps_of(
                    (update("AddAddresses"), f"add {network} to the IP set {held.name}", update("RemoveAddresses"))
                ),
                pre_state={"ip_set": held.arn, "blocked_by": sorted(str(each) for each in uses if each.blocks)},
            ),
            arguments={**msgspec.to_builtins(self), "address": str(network), "ip_set": held.arn},
            blast_radius=tuple(_hit(world, held, network, uses)),
            administrator=False,
            notes=(
                "this does not stop calls to AWS with stolen keys: delete_access_key and revoke_sessions do",
                *(("undoing it is proposed by itself when its time is over",) if self.ttl_hours else ()),
            ),
            undo_after=world.now + timedelta(hours=self.ttl_hours) if self.ttl_hours else None,
        )

    def _guarded(self, world: World, guard: Guard, network: Network) -> None:
        why = guard.network(network) or guard.network(network, tuple(own_addresses(world, network.version)))
        if why is not None:
            raise Refused(why, remedy="name what attacks from the outside, and no more of it")

    def _set(self, world: World, network: Network) -> HeldSet:
        """The set to put it into.

        Raises:
            Refused: none fits, or several do.
        """
        version = f"IPV{network.version}"
        found = [each for each in self._listed(world) if _named(each, self.ip_set)]
        fitting = [each for each in (_read(world, *entry) for entry in found) if each.version == version]
        if not fitting:
            raise NotFound(
                f"account {world.account} has no IP set for {version} addresses"
                + (f" named {self.ip_set[:200]}" if self.ip_set else "")
                + (f" in {self.region}" if self.region else ""),
                remedy="make one and a web ACL rule that blocks it, or name another: ip_set, scope, region",
            )
        if len(fitting) > 1:
            names = "; ".join(f"{each.name} ({each.scope}, {each.region}): {each.arn}" for each in fitting[:_NAMED])
            raise Refused(
                f"{len(fitting)} IP sets fit: {names}", remedy="name one by its ARN: ip_set; each blocks for itself"
            )
        return fitting[0]

    def _listed(self, world: World) -> Iterator[tuple[Scope, str, Mapping[str, Any]]]:
        """The sets in question: scope, Region, and the entry of the list."""
        home = PARTITIONS[world.partition]
        if arn := (Arn.parse(self.ip_set) if self.ip_set.startswith("arn:") else None):
            if (arn.service, arn.account) != ("wafv2", world.account):
                raise UsageError(f"not an IP set of account {world.account}: {arn}", remedy="name one by its own ARN")
            scopes: Iterable[tuple[Scope, str]] = (
                [("CLOUDFRONT", home)] if arn.resource.startswith("global/") else [("REGIONAL", arn.region)]
            )
        else:
            regions = [self.region] if self.region else world.regions
            scopes = [("REGIONAL", each) for each in regions if self.scope != "CLOUDFRONT"]
            if self.scope != "REGIONAL" and not self.region:
                scopes = [*scopes, ("CLOUDFRONT", home)]
        for scope, region in scopes:
            for entry in world.items("wafv2:ListIPSets", "IPSets", region=region, Scope=scope):
                yield scope, region, entry


def _covers(wide: Network, narrow: Network) -> bool:
    return (
        wide.version == narrow.version
        and wide.network_address <= narrow.network_address  # type: ignore[operator]
        and narrow.broadcast_address <= wide.broadcast_address  # type: ignore[operator]
    )


def _named(listed: tuple[Scope, str, Mapping[str, Any]], wanted: str) -> bool:
    return not wanted or wanted in (listed[2]["Name"], listed[2]["ARN"])


def _read(world: World, scope: Scope, region: str, entry: Mapping[str, Any]) -> HeldSet:
    held = world.call("wafv2:GetIPSet", region=region, Name=entry["Name"], Scope=scope, Id=entry["Id"])["IPSet"]
    return HeldSet(
        name=str(held["Name"]),
        id=str(held["Id"]),
        arn=str(held["ARN"]),
        scope=scope,
        region=region,
        version=str(held["IPAddressVersion"]),
        networks=tuple(parse_network(each) for each in held["Addresses"]),
    )


def own_addresses(world: World, version: int) -> Iterator[tuple[Network, str]]:
    """The account's own public addresses in every Region: Elastic IPs and those of NAT gateways.

    Raises:
        AccessDenied, AwsError: a Region cannot be read; then nobody knows that the address is not one's own.
    """
    for region in world.regions:
        try:
            addresses = list(world.items("ec2:DescribeAddresses", "Addresses", region=region))
            gateways = list(world.items("ec2:DescribeNatGateways", "NatGateways", region=region))
        except RegionDisabled:
            continue
        named = [(str(each["PublicIp"]), f"an Elastic IP in {region}") for each in addresses if each.get("PublicIp")]
        named += [
            (str(address["PublicIp"]), f"the NAT gateway {gateway['NatGatewayId']} in {region}")
            for gateway in gateways
            if gateway.get("State") not in ("deleted", "failed")
            for address in gateway.get("NatGatewayAddresses") or ()
            if address.get("PublicIp")
        ]
        for text, what in named:
            network = parse_network(text)
            if network.version == version:
                yield network, what


def uses_of(world: World, held: HeldSet) -> Iterator[Use]:
    """The rules of web ACLs of the set's scope and Region that refer to it, through rule groups too."""
    for entry in world.items("wafv2:ListWebACLs", "WebACLs", region=held.region, Scope=held.scope):
        read = world.call("wafv2:GetWebACL", region=held.region, Name=entry["Name"], Scope=held.scope, Id=entry["Id"])[
            "WebACL"
        ]
        for rule in read.get("Rules") or ():
            yield from _rule_uses(world, held, read, rule)


def _rule_uses(
    world: World, held: HeldSet, acl: Mapping[str, Any], rule: Mapping[str, Any], group: str = ""
) -> Iterator[Use]:
    statement = rule.get("Statement") or {}
    reference = statement.get("RuleGroupReferenceStatement")
    if reference is not None and not group:
        try:
            found = world.call("wafv2:GetRuleGroup", region=held.region, ARN=reference["ARN"])["RuleGroup"]
        except (NotFound, AccessDenied):  # another account's, which only it can read
            return
        for inner in found.get("Rules") or ():
            yield from _rule_uses(world, held, acl, inner, str(found["Name"]))
        return
    action = (
        "Count" if "Count" in (rule.get("OverrideAction") or {}) else next(iter(rule.get("Action") or {"None": {}}))
    )
    for negated in _references(statement, held.arn, negated=False):
        yield Use(
            web_acl=str(acl["Name"]),
            web_acl_arn=str(acl["ARN"]),
            rule=str(rule.get("Name")),
            effect=action,
            negated=negated,
            by=group,
        )


def _references(statement: Any, arn: str, *, negated: bool) -> Iterator[bool]:
    """For every reference to the set in a statement, whether it stands under a negation."""
    if isinstance(statement, Mapping):
        for name, inner in statement.items():
            if name == "IPSetReferenceStatement" and inner.get("ARN") == arn:
                yield negated
            else:
                yield from _references(inner, arn, negated=negated is not (name == "NotStatement"))
    elif isinstance(statement, list | tuple):
        for inner in statement:
            yield from _references(inner, arn, negated=negated)


def _hit(world: World, held: HeldSet, network: Network, uses: tuple[Use, ...]) -> Iterator[BlastItem]:
    blocking = [each for each in uses if each.blocks]
    if not blocking:
        text = f"no web ACL blocks {held.name}: being in it has no effect until a rule does"
        yield BlastItem(kind="references", text=text, grave=True)
    for each in blocking:
        yield BlastItem(kind="references", text=f"blocked by {each}{_protected(world, held, each)}")
    for each in uses:
        if not each.blocks:
            yield BlastItem(kind="references", text=f"{each} refers to the set too, and does not block: {each.effect}")
    if network.num_addresses > 1:
        text = f"{network} is {network.num_addresses:,} addresses, whoever uses them"
        yield BlastItem(kind="dependents", text=text, grave=network.num_addresses > 256)
    if len(held.networks) >= NEAR:
        text = f"{held.name} holds {len(held.networks):,} of {LIMIT:,} addresses"
        yield BlastItem(kind="capacity", text=text)


def _protected(world: World, held: HeldSet, use: Use) -> str:
    """What the web ACL stands in front of, in words."""
    if held.scope == "CLOUDFRONT":
        return ", in front of the CloudFront distributions that use it"
    try:
        answer = world.call("wafv2:ListResourcesForWebACL", region=held.region, WebACLArn=use.web_acl_arn)
    except AwsError as error:
        return f"; what it stands in front of could not be read: {error.code}"
    arns = sorted(str(each) for each in answer.get("ResourceArns") or ())
    if not arns:
        return ", which stands in front of no load balancer"
    return f", in front of {', '.join(arns[:_NAMED])}"
