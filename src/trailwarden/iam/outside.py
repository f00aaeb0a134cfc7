"""Whether somebody outside of an account gets past a policy that names everyone, or an account as a whole.

The policy is put to `authorize` with callers that stand for all outsiders: of another organisation and of none, with
every permission on their own side, calling directly. What such a caller could choose freely (session names, tags, the
name of a role of theirs) is no protection; what they could not (accounts, organisations, endpoints) is known here, and
everything else (addresses, External IDs) stays unknown and is told as a condition.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from ..model.policy import Policy, PolicySource, parse_policy
from .context import Given
from .evaluate import authorize
from .formula import Formula, leaves
from .request import Decision, Policies, Request

#: An account that does not exist: it stands for every account that a policy does not name.
OUTSIDER = "000000000000"
ALLOW_ALL = parse_policy(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
    source=PolicySource(kind="identity_inline", name="the outsider's own"),
)
#: What holds of a request that an outsider makes directly. Source:
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
_DIRECT: Mapping[str, Given] = {
    "aws:CalledVia": None,
    "aws:PrincipalIsAWSService": "false",
    "aws:PrincipalServiceName": None,
    "aws:PrincipalServiceNamesList": None,
    "aws:SecureTransport": "true",
    "aws:SourceAccount": None,
    "aws:SourceArn": None,
    "aws:SourceOrgID": None,
    "aws:SourceOrgPaths": None,
    "aws:SourceOwner": None,
    "aws:ViaAWSService": "false",
}
#: Outsiders of no organisation, over the internet; and of another one, from a network of theirs.
_SURROUNDINGS: tuple[Mapping[str, Given], ...] = (
    {
        **_DIRECT,
        "aws:PrincipalOrgID": None,
        "aws:PrincipalOrgPaths": None,
        "aws:SourceVpc": None,
        "aws:SourceVpce": None,
    },
    {
        **_DIRECT,
        "aws:PrincipalOrgID": "o-0000outside",
        "aws:PrincipalOrgPaths": ["o-0000outside/r-0000/"],
        "aws:SourceVpc": "vpc-0000outside",
        "aws:SourceVpce": "vpce-0000outside",
    },
)
_ACCOUNT_KEYS = ("kms:CallerAccount",)
#: Keys whose value a caller picks: a condition on them keeps nobody out.
_CHOSEN = ("sts:rolesessionname", "sts:sourceidentity", "sts:durationseconds", "aws:useragent", "aws:referer")
_CHOSEN_FAMILIES = ("aws:principaltag/", "aws:requesttag/")


class Way(msgspec.Struct, frozen=True):
    """An outsider gets in, if ``conditions`` (in words) hold; ``keys`` are what they ask for, in lower case."""

    action: str
    resource: str
    conditions: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()

    @property
    def certain(self) -> bool:
        """Whether nothing but what the caller chooses is asked for."""
        return not self.keys


def way_in(
    policy: Policy,
    action: str,
    resource: str,
    *,
    account: str,
    callers: Sequence[str],
    context: Mapping[str, Given] | None = None,
    rcps: Sequence[Sequence[Policy]] = (),
    management_account: bool = False,
) -> Way | None:
    """The easiest way past a resource's policy for any of the callers; None if there is none.

    ``account`` owns the resource; ``context`` are further keys of the request (None: absent).
    """
    found: list[Way] = []
    for caller in callers:
        for surroundings in _SURROUNDINGS:
            decision = _decision(
                policy,
                Request(
                    action=action,
                    resource=resource,
                    principal=caller,
                    resource_account=account,
                    context={**surroundings, **_accounts(caller), **(context or {})},
                    unknown_context=True,
                ),
                rcps,
                management_account,
            )
            if decision.effect == "Allowed":
                way = _way(action, resource, decision)
                if way.certain:
                    return way
                found.append(way)
    return min(found, key=lambda way: len(way.keys), default=None)


def outsiders(policy: Policy, *, anonymous: bool = False) -> tuple[str, ...]:
    """Callers of an account that a policy does not name, those among them that its own conditions would let by name."""
    named = (
        value
        for statement in policy.statements
        for condition in statement.conditions
        if condition.key.lower() == "aws:principalarn"
        for value in condition.values
    )
    callers = [f"arn:aws:iam::{OUTSIDER}:role/outsider", *_namesakes(named)]
    return tuple(dict.fromkeys([*callers, *(["anonymous"] if anonymous else [])]))


def _namesakes(patterns: Iterable[str]) -> Iterator[str]:
    """ARNs of an outsider's account that ``aws:PrincipalArn`` patterns with an open account match."""
    for text in patterns:
        parts = text.split(":", 5)
        if len(parts) == 6 and ("*" in parts[4] or "?" in parts[4]) and parts[5].startswith(("role/", "user/")):
            name = parts[5].replace("*", "outsider").replace("?", "x")
            yield f"arn:aws:iam::{OUTSIDER}:{name}"


def _accounts(caller: str) -> Mapping[str, Given]:
    account = caller.split(":")[4] if caller.startswith("arn:") else None
    return dict.fromkeys(_ACCOUNT_KEYS, account)


def _decision(policy: Policy, request: Request, rcps: Sequence[Sequence[Policy]], management_account: bool) -> Decision:
    # A caller from outside is bound by the RCPs of the resource's organisation, not of its own.
    levels = () if management_account else rcps
    own = () if request.principal == "anonymous" else (ALLOW_ALL,)
    return authorize(request, Policies(own, resource=policy, rcps=levels))


def _way(action: str, resource: str, decision: Decision) -> Way:
    guarding = [each for each in decision.conditional if _keys(each)]
    keys = frozenset(key for each in guarding for key in _keys(each))
    return Way(action, resource, tuple(map(str, guarding)), keys)


@lru_cache(maxsize=4096)
def _keys(formula: Formula) -> frozenset[str]:
    """What a requirement asks for that a caller cannot choose."""
    keys = (condition.key.lower() for leaf in leaves(formula) for condition in leaf.conditions)
    return frozenset(key for key in keys if key not in _CHOSEN and not key.startswith(_CHOSEN_FAMILIES))
