"""Whether AWS would allow a request: one door, `authorize`.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
Blind spots: ACLs, S3 Block Public Access, KMS grants, and service-specific checks behind the policies.
"""

import re
from collections.abc import Iterable, Mapping

from ..model.policy import Policy
from .catalog import rcp_services
from .formula import Formula, conjunction, disjunction, none
from .principals import WITH_BOUNDARY, WITHOUT_IDENTITY, Grade, RequestPrincipal
from .request import Decision, Layer, Outcome, Policies, Request, context_of, requirements
from .statements import Match, matches_of

#: Needs no permission, and no policy can take it away.
ALWAYS_ALLOWED = frozenset({"sts:getcalleridentity"})
_ASSUMING = frozenset(
    {
        "sts:assumerole",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
        "sts:setcontext",
        "sts:setsourceidentity",
        "sts:tagsession",
    }
)
_ROLE = re.compile(r"arn:[\w-]+:iam::\d*:role/.*", re.DOTALL)
_KEY = re.compile(r"arn:[\w-]+:kms:[^:]*:[^:]*:key/.*", re.DOTALL)

_ROLE_POLICIES = frozenset(
    f"iam:{action}"
    for action in (
        "attachrolepolicy",
        "deleterole",
        "deleterolepermissionsboundary",
        "deleterolepolicy",
        "detachrolepolicy",
        "putrolepermissionsboundary",
        "putrolepolicy",
        "updateassumerolepolicy",
    )
)
#: What belongs to AWS, and the changes of it that no customer can make, whatever their policies say.
_IMMUTABLE: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = (
    (
        re.compile(r"arn:[\w-]+:iam::aws:policy/.*", re.DOTALL),
        frozenset(
            f"iam:{action}"
            for action in (
                "createpolicy",
                "createpolicyversion",
                "deletepolicy",
                "deletepolicyversion",
                "setdefaultpolicyversion",
                "tagpolicy",
                "untagpolicy",
            )
        ),
    ),
    (re.compile(r"arn:[\w-]+:iam::\d*:role/aws-service-role/.*", re.DOTALL), _ROLE_POLICIES),
    (
        re.compile(r"arn:[\w-]+:iam::\d*:role/aws-reserved/.*", re.DOTALL),
        _ROLE_POLICIES
        | {
            "iam:createrole",
            "iam:passrole",
            "iam:tagrole",
            "iam:untagrole",
            "iam:updaterole",
            "iam:updateroledescription",
        },
    ),
    (
        re.compile(r"arn:[\w-]+:kms:[^:]*:[^:]*:alias/aws/.*", re.DOTALL),
        frozenset({"kms:createalias", "kms:deletealias", "kms:updatealias"}),
    ),
)


def authorize(request: Request, policies: Policies) -> Decision:
    """Decide one request as AWS would.

    Same-account and cross-account rules, boundaries, session policies, SCPs and RCPs by level, endpoint policies,
    and the policies that must themselves allow (role trust, KMS keys). With unknown context the decision is
    "allowed if", and ``conditional`` says what must hold.

    Raises:
        UsageError: the principal is none (a `PolicyError` has been raised before, when the policies were read).
    """
    if request.action.lower() in ALWAYS_ALLOWED:
        return Decision(request=request, effect="Allowed", note="it needs no permission, and no policy can deny it")
    return _Evaluation(request, policies).decision()


def immutable(action: str, resource: str) -> bool:
    """Whether the action would change what belongs to AWS: no policy can allow that."""
    lowered = action.lower()
    return any(lowered in actions and owned.fullmatch(resource) for owned, actions in _IMMUTABLE)


class _Evaluation:
    """One request on its way: which statements apply in each layer, then how the layers combine."""

    def __init__(self, request: Request, policies: Policies) -> None:
        self.request = request
        self.action = request.action.lower()
        self.caller: RequestPrincipal = request.caller
        owner = request.owner(self.caller)
        self.context = context_of(request, self.caller, owner)
        self.same_account = self.caller.account is not None and self.caller.account == owner
        self.bounded = bool(policies.boundaries) and self.caller.kind in WITH_BOUNDARY
        self.with_session = bool(policies.session)
        exempt = policies.service_linked or self.caller.service_linked
        self.scps: tuple[list[Match], ...] = ()
        if not (exempt or policies.management_account or self.caller.kind in WITHOUT_IDENTITY):
            self.scps = tuple(self._matches(level) for level in policies.scps)
        rcps: tuple[tuple[Policy, ...], ...] = ()
        if not exempt and not (policies.management_account and self.same_account):
            rcps = policies.rcps if self.action.partition(":")[0] in rcp_services() else ()
        self.with_endpoint = bool(policies.vpc_endpoints)
        self.layers: dict[Layer, list[Match]] = {
            "vpce": self._matches(policies.vpc_endpoints),
            "rcp": [match for level in rcps for match in self._matches(level)],
            "scp": [match for level in self.scps for match in level],
            "resource": self._matches(policies.resource),
            "boundary": self._matches(policies.boundaries) if self.bounded else [],
            "session": self._matches(policies.session),
            "identity": self._matches(policies.identity),
        }

    def _matches(self, policies: Iterable[Policy]) -> list[Match]:
        return [
            match
            for policy in policies
            for match in matches_of(
                policy,
                action=self.action,
                resource=self.request.resource,
                principal=self.caller,
                context=self.context,
                bounded=self.bounded,
            )
        ]

    def decision(self) -> Decision:
        denies = {layer: _denied(matches) for layer, matches in self.layers.items()}
        limits = self._limits()
        own = self._own()
        grant = self._grant(own)
        final = conjunction((none(denies.values()), *limits.values(), grant))
        effect: Outcome = "Allowed"
        if True in denies.values():
            effect = "ExplicitlyDenied"
        elif final is False:
            effect = "ImplicitlyDenied"
        note = ""
        if effect != "ExplicitlyDenied" and immutable(self.action, self.request.resource):
            effect, note = "ImplicitlyDenied", "it belongs to AWS, and no customer can change it"
        blocking: set[Layer] = set()
        if effect != "Allowed":
            blocking = {layer for layer, deny in denies.items() if deny is True}
            blocking |= {layer for layer, allow in limits.items() if allow is False}
            blocking |= self._lacking(own) if grant is False else set()
        every = [match for matches in self.layers.values() for match in matches]
        return Decision(
            request=self.request,
            effect=effect,
            blocked_by=tuple(layer for layer in self.layers if layer in blocking),
            matched=tuple(match.statement for match in every if match.when is True),
            possible=tuple(match.statement for match in every if match.when is not True),
            conditional=requirements(final) if effect == "Allowed" else (),
            note=note,
        )

    def _limits(self) -> Mapping[Layer, Formula]:
        """What must allow whoever grants. RCPs are not among them: AWS's own, which allows all, is always attached."""
        return {
            "vpce": _allowed(self.layers["vpce"]) if self.with_endpoint else True,
            "scp": conjunction(_allowed(level) for level in self.scps),
        }

    def _own(self) -> Mapping[Layer, Formula]:
        """What the caller's own side allows."""
        return {
            "boundary": _allowed(self.layers["boundary"]) if self.bounded else True,
            "session": _allowed(self.layers["session"]) if self.with_session else True,
            "identity": True if self.caller.kind == "root" else _allowed(self.layers["identity"]),
        }

    def _grant(self, own: Mapping[Layer, Formula]) -> Formula:
        """Whether identity and resource policies, within boundary and session policy, grant the request."""
        direct = self._resource_allows(Grade.DIRECT)
        if self.caller.kind in WITHOUT_IDENTITY:
            return direct
        issuer = self._resource_allows(Grade.ISSUER)
        account = self._resource_allows(Grade.ACCOUNT)
        by_identity = conjunction(own.values())
        if not self.same_account:
            return conjunction((disjunction((direct, issuer, account)), by_identity))
        if self._must_allow_itself():
            by_identity = conjunction((account, by_identity))
        within = conjunction((issuer, own["boundary"], own["session"]))
        return disjunction((direct, within, by_identity))

    def _lacking(self, own: Mapping[Layer, Formula]) -> set[Layer]:
        """The layers for want of whose Allow nothing grants the request."""
        if self.caller.kind in WITHOUT_IDENTITY:
            return {"resource"}
        lacking = {layer for layer, allow in own.items() if allow is False}
        named = self._resource_allows(Grade.ISSUER, Grade.DIRECT)
        if self.same_account and named is not False:
            return lacking - {"identity"}
        if (not self.same_account or self._must_allow_itself()) and (
            named is False and self._resource_allows(Grade.ACCOUNT) is False
        ):
            lacking.add("resource")
        return lacking

    def _resource_allows(self, *grades: Grade) -> Formula:
        return _allowed(match for match in self.layers["resource"] if match.grade in grades)

    def _must_allow_itself(self) -> bool:
        """Whether the resource's policy must allow even within the account: role trust, and key policies."""
        resource = self.request.resource
        if self.action.startswith("kms:"):
            return _KEY.fullmatch(resource) is not None
        return self.action in _ASSUMING and _ROLE.fullmatch(resource) is not None


def _allowed(matches: Iterable[Match]) -> Formula:
    return disjunction(match.when for match in matches if not match.deny)


def _denied(matches: Iterable[Match]) -> Formula:
    return disjunction(match.when for match in matches if match.deny)
