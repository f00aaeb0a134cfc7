"""IP sets of AWS WAF, and what the rules of the web ACLs do with them.

Sources: https://docs.aws.amazon.com/waf/latest/APIReference/API_UpdateIPSet.html,
https://docs.aws.amazon.com/waf/latest/APIReference/API_Statement.html and
https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-group-using.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..action import Refused, World
from ..errors import AccessDenied, NotFound, RegionDisabled, UsageError
from ..model.arn import PARTITIONS, Arn

SCOPES = ("REGIONAL", "CLOUDFRONT")
#: What a web ACL can protect in a Region, and what listing it takes beside wafv2:ListResourcesForWebACL, if anything.
#: Distributions of CloudFront are not listed by WAF.
RESOURCE_TYPES: Mapping[str, str] = {
    "APPLICATION_LOAD_BALANCER": "",
    "API_GATEWAY": "",
    "APPSYNC": "appsync:ListResourcesForWebACL",
    "COGNITO_USER_POOL": "cognito-idp:ListResourcesForWebACL",
    "APP_RUNNER_SERVICE": "apprunner:ListAssociatedServicesForWebAcl",
    "VERIFIED_ACCESS_INSTANCE": "ec2:DescribeVerifiedAccessInstanceWebAclAssociations",
}

#: What a rule does that stops a request, or holds it up.
_TURNING_AWAY = frozenset({"Block", "Captcha", "Challenge"})


class IpSet(msgspec.Struct, frozen=True, kw_only=True):
    """An IP set: ``version`` is IPV4 or IPV6, ``addresses`` CIDR texts as WAF holds them."""

    name: str
    id: str
    arn: str
    scope: str
    region: str
    version: str
    addresses: tuple[str, ...]


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that looks at an IP set.

    ``acl`` is the ARN of the web ACL, ``action`` what the rule does (Block, Allow, Count, Captcha, Challenge);
    ``inverted`` whether it is about whoever is *not* in the set; ``narrowed`` whether it asks for more than the
    address; ``header`` whether it takes the address from a header, which a client may write itself.
    """

    acl: str
    rule: str
    action: str
    inverted: bool
    narrowed: bool
    header: bool

    @property
    def words(self) -> str:
        """The rule in words."""
        return f"rule {self.rule} of web ACL {self.acl.split('/')[-2]}"

    @property
    def blocks(self) -> bool:
        """Whether the rule turns away who is in the set."""
        return self.action == "Block" and not self.inverted

    @property
    def lets_in(self) -> bool:
        """Whether who is put in the set is let through by the rule, or spared by it."""
        return self.inverted if self.action in _TURNING_AWAY else self.action == "Allow" and not self.inverted


def find_sets(world: World, version: str, name: str, scope: str, region: str) -> tuple[IpSet, ...]:
    """The IP set with this name or ARN; without one, all of that version.

    Raises:
        UsageError: no such scope, or a Region that has not the scope.
        NotFound: there is none, or it is of another account.
        Refused: several have the name, or the one that has it is of another version.
        AwsError: as AWS answered.
    """
    if scope and scope not in SCOPES:
        raise UsageError(f"no scope of WAF: {scope[:32]!r}", remedy=f"one of {', '.join(SCOPES)}")
    home = PARTITIONS[world.partition]
    if name.startswith("arn:"):
        scope, region = _of_arn(world, name)
    if region and region not in {*world.regions, home}:
        raise UsageError(f"no enabled Region {region[:64]!r}", remedy=f"one of {', '.join(world.regions)}")
    if scope == "CLOUDFRONT" and region not in ("", home):
        raise UsageError(f"scope CLOUDFRONT is in {home} only, not in {region}", remedy=f"leave region out, or {home}")
    found: list[Mapping[str, Any]] = []
    unread: list[AccessDenied | RegionDisabled] = []
    for where, place in _places(world, scope, region, home):
        try:
            listed = list(world.items("wafv2:ListIPSets", "IPSets", region=place, Scope=where))
        except (AccessDenied, RegionDisabled) as error:
            unread.append(error)
            continue
        found += [
            {**each, "scope": where, "region": place}
            for each in listed
            if not name or name in (each["ARN"], each["Name"])
        ]
    if unread and (not found or not name):
        raise unread[0]
    sets = [each for each in (_read(world, one) for one in found) if name or each.version == version]
    if not sets:
        what = f"IP set {name[:300]}" if name else f"IP set of version {version}"
        raise NotFound(
            f"there is no {what} in {region or 'the account'}",
            remedy="make one, and a rule of a web ACL that blocks it; then propose it again",
        )
    if name and len(sets) > 1:
        raise several(sets)
    if sets[0].version != version:
        raise Refused(
            f"{sets[0].name} holds addresses of {sets[0].version}, and this is {version}",
            remedy="name a set of the address's version, or leave ip_set out",
        )
    return tuple(sorted(sets, key=lambda each: each.arn))


def several(sets: Sequence[IpSet]) -> Refused:
    """The refusal to choose among sets."""
    names = ", ".join(sorted(each.arn for each in sets))
    return Refused(f"{len(sets)} IP sets fit: {names}", remedy="name one: ip_set=ARN")


def _of_arn(world: World, text: str) -> tuple[str, str]:
    """The scope and Region of an IP set's ARN: arn:aws:wafv2:us-east-1:111111111111:regional/ipset/NAME/ID."""
    arn = Arn.parse(text)
    place, _, rest = arn.resource.partition("/")
    scope = {"regional": "REGIONAL", "global": "CLOUDFRONT"}.get(place)
    if arn.service != "wafv2" or scope is None or not rest.startswith("ipset/"):
        raise UsageError(f"not the ARN of an IP set: {text[:300]!r}", remedy="the set's name, or its ARN")
    if (arn.account, arn.partition) != (world.account, world.partition):
        raise NotFound(
            f"the IP set is of account {arn.account}, this is {world.account}",
            remedy="propose it for the account that owns the set",
        )
    return scope, arn.region


def _places(world: World, scope: str, region: str, home: str) -> Iterator[tuple[str, str]]:
    if scope != "CLOUDFRONT":
        yield from (("REGIONAL", each) for each in ((region,) if region else world.regions))
    # WAF for CloudFront is in the home Region of AWS's commercial partition, and in no other partition.
    if scope != "REGIONAL" and region in ("", home) and world.partition == "aws":
        yield "CLOUDFRONT", home


def _read(world: World, listed: Mapping[str, Any]) -> IpSet:
    named = {"Name": listed["Name"], "Id": listed["Id"], "Scope": listed["scope"]}
    held = world.call("wafv2:GetIPSet", region=listed["region"], **named)["IPSet"]
    return IpSet(
        name=held["Name"],
        id=held["Id"],
        arn=held["ARN"],
        scope=listed["scope"],
        region=listed["region"],
        version=held["IPAddressVersion"],
        addresses=tuple(held["Addresses"]),
    )


def uses_of(world: World, held: IpSet) -> tuple[Use, ...]:
    """Every rule of a web ACL of the set's scope that looks at it, those of rule groups among them; by ACL and rule.

    Raises:
        AwsError: as AWS answered.
    """
    found: list[Use] = []
    params = {"region": held.region, "Scope": held.scope}
    for listed in world.items("wafv2:ListWebACLs", "WebACLs", **params):
        acl = world.call("wafv2:GetWebACL", Name=listed["Name"], Id=listed["Id"], **params)["WebACL"]
        for rule in acl.get("Rules") or ():
            found += _of_rule(world, held, listed["ARN"], rule)
    return tuple(sorted(found, key=lambda each: (each.acl, each.rule)))


def _of_rule(world: World, held: IpSet, acl: str, rule: Mapping[str, Any]) -> Iterator[Use]:
    group = rule["Statement"].get("RuleGroupReferenceStatement")
    counted = "Count" in (rule.get("OverrideAction") or {})
    if group is None:
        # A managed rule group has no action of its own: what its rules do is taken for blocking.
        managed = "Count" if counted else "Block"
        action = _action(rule["Action"]) if rule.get("Action") else managed
        yield from _looking(held, acl, rule["Name"], action, rule["Statement"])
        return
    name, identifier = group["ARN"].split("/")[-2:]
    answer = world.call("wafv2:GetRuleGroup", region=held.region, Name=name, Id=identifier, Scope=held.scope)
    instead = {each["Name"]: _action(each["ActionToUse"]) for each in group.get("RuleActionOverrides") or ()}
    instead |= {each["Name"]: "Count" for each in group.get("ExcludedRules") or ()}
    for each in answer["RuleGroup"].get("Rules") or ():
        action = "Count" if counted else instead.get(each["Name"], _action(each.get("Action")))
        yield from _looking(held, acl, f"{rule['Name']}/{each['Name']}", action, each["Statement"])


def _action(action: Mapping[str, Any] | None) -> str:
    return next(iter(action or ()), "Count")


def _looking(held: IpSet, acl: str, rule: str, action: str, statement: Mapping[str, Any]) -> Iterator[Use]:
    for reference, inverted, narrowed in _references(statement):
        if reference["ARN"] == held.arn:
            header = "IPSetForwardedIPConfig" in reference
            yield Use(acl=acl, rule=rule, action=action, inverted=inverted, narrowed=narrowed, header=header)


def _references(
    statement: Mapping[str, Any], *, inverted: bool = False, narrowed: bool = False
) -> Iterator[tuple[Mapping[str, Any], bool, bool]]:
    """Every reference to an IP set within a statement: itself, whether inverted, and whether narrowed."""
    if reference := statement.get("IPSetReferenceStatement"):
        yield reference, inverted, narrowed
    if negated := statement.get("NotStatement"):
        yield from _references(negated["Statement"], inverted=not inverted, narrowed=narrowed)
    for name in ("AndStatement", "OrStatement"):
        # Under a Not, "or" is what narrows ("neither … nor …").
        narrows = (name == "AndStatement") != inverted
        for each in (statement.get(name) or {}).get("Statements", ()):
            yield from _references(each, inverted=inverted, narrowed=narrowed or narrows)
    for name in ("RateBasedStatement", "ManagedRuleGroupStatement"):
        if scope := (statement.get(name) or {}).get("ScopeDownStatement"):
            yield from _references(scope, inverted=inverted, narrowed=True)


def protected_by(world: World, held: IpSet, acls: Iterable[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The ARNs of what web ACLs protect in the set's Region, and the kinds of RESOURCE_TYPES that could not be read."""
    found: set[str] = set()
    unread: set[str] = set()
    for acl in set(acls):
        for kind in RESOURCE_TYPES:
            params = {"region": held.region, "WebACLArn": acl, "ResourceType": kind}
            try:
                found |= set(world.call("wafv2:ListResourcesForWebACL", **params).get("ResourceArns", ()))
            except AccessDenied:
                unread.add(kind)
    return sorted(found), sorted(unread)
