"""What a principal can do, without a request at hand: its policies as sets of actions, resources and conditions.

(Allow − Deny), within the permissions boundary, within each level of SCPs, less what RCPs deny. Nothing is enumerated:
actions are bits of the catalogue's numbering, resources stay patterns, conditions are kept. All policies of a principal
are taken together, so that how permissions are split over policies and statements changes nothing. What is known of the
principal (its ARN, account, tags) decides the conditions and variables that ask for it; all other context is unknown.

Blind spots: resource policies, role trust and KMS key policies are not looked at, so that access that only they give or
withhold does not show. Conditions are judged one by one: two that exclude each other still read "if both hold".
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from ..errors import UsageError
from ..model.authorization import AuthorizationSnapshot
from ..model.policy import AccountAuthorization, Condition, IamPrincipal, IamRole, Policy, StatementRef
from .catalog import ActionSet, catalog, matching, rcp_services, universe
from .clauses import REMEMBERED, About, Answer, Clause, Layers, Template, Verdict, clauses_of, template_of
from .context import Context, Given
from .evaluate import ALWAYS_ALLOWED, immutable
from .formula import Formula, conjunction, disjunction
from .patterns import arn_pattern
from .principals import Grade, RequestPrincipal, grade_of, parse_principal
from .reach import Reach, contained, exists
from .request import Layer, Policies
from .summary import Summary, summary_of


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that takes away (Deny) or bounds (an Allow of a boundary, session policy or SCP)."""

    statement: StatementRef
    actions: ActionSet
    resources: Reach
    conditions: tuple[Condition, ...] = ()


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What one Allow statement of the identity policies gives, after everything that bounds it.

    ``actions`` are those that are left of the statement's. ``minus``: denials that remove only a part, by resource
    or by condition. ``within``: per bounding layer that does not let the grant pass whole, the statements of which
    one must allow. ``resources`` is the widest set; ``variables`` are Resource texts with variables of unknown value.
    """

    statement: StatementRef
    actions: ActionSet
    resources: Reach
    conditions: tuple[Condition, ...] = ()
    variables: tuple[str, ...] = ()
    minus: tuple[Limit, ...] = ()
    within: tuple[tuple[Limit, ...], ...] = ()


class Administrator(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a principal controls IAM. ``answer`` is never ``part``.

    ``by``: for each way that it has, what that is and the statements that permit it. ``when`` as in a `Verdict`.
    """

    answer: Answer
    when: Formula
    by: tuple[tuple[str, tuple[StatementRef, ...]], ...] = ()


class OnResource(msgspec.Struct, frozen=True, kw_only=True):
    """Actions that have the same verdict on a resource."""

    actions: ActionSet
    verdict: Verdict


#: Ways to hold IAM itself: actions that must all be possible on all roles, or on all users, of the account. Who has one
#: can give any permission to a principal and take that principal's place. Fewer than these are steps of an escalation.
CONTROL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "writes the permissions and the trust of every role": (
        "role",
        ("iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"),
    ),
    "writes the permissions and makes the credentials of every user": (
        "user",
        ("iam:AttachUserPolicy", "iam:PutUserPolicy", "iam:CreateAccessKey"),
    ),
}


_ALWAYS = Verdict(answer="yes", when=True)
_NEVER = Verdict(answer="no", when=False)


class Permissions:
    """The effective permissions of one principal; build it with `effective`.

    ``unknown`` names policies that bear on the principal and could not be read: what follows from them is missing
    here, whether they give or take away. ``known`` is the context that was taken for granted.
    """

    def __init__(
        self,
        principal: RequestPrincipal,
        layers: Layers,
        denies: tuple[Clause, ...],
        *,
        known: Mapping[str, Given],
        unknown: tuple[str, ...] = (),
    ) -> None:
        self.principal = principal
        self.known = known
        self.unknown = unknown
        self.layers = layers
        self.denies = denies
        self._abouts: dict[str, About] = {}
        fields = principal.arn.split(":")
        self._partition = fields[1] if len(fields) > 1 else "aws"

    def allows(self, action: str, resource: str = "*", *, given: Mapping[str, Given] | None = None) -> Verdict:
        """Whether the action can be done on a resource: an ARN, or a pattern of ARNs.

        ``*`` asks for everything that the action can act on within the principal's account. ``given`` are condition
        keys of the requests asked about (None: absent), such as iam:PassedToService; aws:ResourceAccount follows from
        an ARN that holds the account.

        Raises:
            UsageError: the action holds a wildcard (`catalog.expand` lists what it stands for) or is none.
        """
        key = action.lower()
        if key in ALWAYS_ALLOWED:
            return _ALWAYS
        about = self._abouts.get(key)
        if about is None:
            if ":" not in key or "*" in key or "?" in key:
                raise UsageError(f"not one action: {action!r}", remedy="name one, such as s3:GetObject")
            if len(self._abouts) >= REMEMBERED:
                self._abouts.clear()
            about = self._abouts[key] = self._speaking_of(key)
        about = self._told(about, resource, given or {})
        if resource == "*":
            return about.verdict(universe(key, partition=self._partition, account=self.principal.account or "*"))
        if not _is_one(resource):
            return about.verdict((arn_pattern(resource),))
        return _NEVER if immutable(key, resource) else about.verdict(resource)

    def on(self, resource: str) -> tuple[OnResource, ...]:
        """All that can be done on a resource, or on some of a pattern of ARNs, grouped by verdict."""
        one = _is_one(resource)
        asked = arn_pattern(resource)
        acting = catalog().acting_on(asked)
        found: dict[Verdict, int] = {}
        for mask, about in self._partitioned():
            here = mask & acting
            if not here:
                continue
            verdict = self._told(about, resource, {}).verdict(resource if one else (asked,))
            if one:
                here = _changeable(here, resource)
            if verdict.possible and here:
                found[verdict] = found.get(verdict, 0) | here
        return tuple(OnResource(actions=ActionSet(actions), verdict=verdict) for verdict, actions in found.items())

    @property
    def named(self) -> ActionSet:
        """The known actions that each layer names in an Allow: all that may be possible, and quick to tell."""
        named = catalog().all
        for _, clauses in self.layers:
            named &= _union(clauses)
        return ActionSet(named)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Each Allow of the identity policies with what is left of it; those of which nothing is left are not here."""
        return tuple(grant for grant in map(self._grant, self.layers[0][1]) if grant.actions)

    def summary(self) -> Summary:
        """All that can be done, by service and access level."""
        strange = (each for each in self.layers[0][1] if not all(map(matching, each.template.texts)))
        return summary_of(
            self._partitioned(), tuple(text for each in strange for text in self._grant(each).actions.unknown)
        )

    def holds_whole(self, action: str, resource: str) -> Formula:
        """What must hold for the action to be possible on all of a resource, but for parts that are spared by name.

        Parts that a Deny takes or a NotResource leaves out do not count, as long as they are not the whole.
        """
        return self._speaking_of(action.lower()).holds_whole((arn_pattern(resource),))

    def _told(self, about: About, resource: str, given: Mapping[str, Given]) -> About:
        """The clauses in the context that a question brings."""
        if about.certain:
            return about
        more = {**about.told_by(resource), **given}
        return about.within(_context(self.principal, {**self.known, **more})) if more else about

    def _speaking_of(self, action: str) -> About:
        number = catalog().number(action)

        def speaking(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
            if number is None:
                return tuple(each for each in clauses if each.template.speaks_of(action))
            return tuple(each for each in clauses if each.actions >> number & 1)

        bound = action.partition(":")[0] in rcp_services()
        denies = (each for each in self.denies if bound or each.ref.source.kind != "rcp")
        return About(tuple((layer, speaking(clauses)) for layer, clauses in self.layers), speaking(denies))

    def _partitioned(self) -> tuple[tuple[int, About], ...]:
        """The known actions that each layer allows on something, parted by which clauses speak of them."""
        candidates = self.named.known
        groups = [*(clauses for _, clauses in self.layers), self.denies]
        group_of = {id(each): at for at, clauses in enumerate(groups) for each in clauses}
        blocks: list[tuple[int, list[Clause]]] = [(candidates, [])] if candidates else []
        for clause in (each for clauses in groups for each in clauses):
            actions = _bound_actions(clause)
            parted: list[tuple[int, list[Clause]]] = []
            for mask, speaking in blocks:
                inside = mask & actions
                if inside:
                    parted.append((inside, [*speaking, clause]))
                if inside != mask:
                    parted.append((mask ^ inside, speaking))
            blocks = parted

        def about(speaking: Iterable[Clause]) -> About:
            parts: list[list[Clause]] = [[] for _ in groups]
            for each in speaking:
                parts[group_of[id(each)]].append(each)
            *allows, denies = map(tuple, parts)
            layers = zip((layer for layer, _ in self.layers), allows, strict=True)
            return About(tuple(layers), denies)

        return tuple((mask, about(speaking)) for mask, speaking in blocks)

    def _grant(self, clause: Clause) -> Grant:
        own = (clause.widest,)
        actions = clause.actions
        unknown = tuple(text for text in clause.template.texts if not matching(text) and not clause.template.negated)
        layers = [[each for each in clauses if exists((own, (each.widest,)))] for _, clauses in self.layers[1:]]
        for near in layers:
            actions &= _union(near)
            unknown = tuple(text for text in unknown if any(each.names(text) for each in near))
        minus: list[Clause] = []
        for each in self.denies:
            if not exists((own, (each.widest,))):
                continue
            if contained(own, (each.surest,)):
                actions &= ~_bound_actions(each)
                unknown = tuple(text for text in unknown if not each.names(text))
            else:
                minus.append(each)

        def speaking(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
            return tuple(
                each for each in clauses if each.actions & actions or any(each.names(text) for text in unknown)
            )

        def whole(clauses: Iterable[Clause]) -> bool:
            passing = [each for each in clauses if contained(own, (each.surest,))]
            return not actions & ~_union(passing) and all(any(each.names(text) for each in passing) for text in unknown)

        within = [speaking(near) for near in layers if not whole(near)]
        return Grant(
            statement=clause.ref,
            actions=ActionSet(actions, unknown),
            resources=clause.widest,
            conditions=clause.conditions,
            variables=clause.variables,
            minus=tuple(map(_limit, speaking(minus))),
            within=tuple(tuple(map(_limit, clauses)) for clauses in within),
        )


def effective(
    policies: Policies,
    *,
    principal: RequestPrincipal | str,
    known: Mapping[str, Given] | None = None,
    unknown: tuple[str, ...] = (),
) -> Permissions:
    """The effective permissions that ``policies`` leave a principal.

    Of ``policies``, ``resource`` and ``vpc_endpoints`` are not used. ``known`` holds condition keys whose value is
    the same in every request of the principal (None: always absent), such as aws:PrincipalOrgID.

    Raises:
        UsageError: not a principal.
    """
    caller = parse_principal(principal) if isinstance(principal, str) else principal
    context = _context(caller, known or {})
    exempt = policies.service_linked or caller.service_linked
    sources: list[tuple[Layer, Iterable[Policy]]] = [("identity", policies.identity)]
    if policies.boundaries:
        sources.append(("boundary", policies.boundaries))
    if policies.session:
        sources.append(("session", policies.session))
    if not exempt and not policies.management_account:
        sources += (("scp", level) for level in policies.scps)
    layers: list[tuple[Layer, tuple[Clause, ...]]] = []
    denies: list[Clause] = []
    for layer, given in sources:
        clauses = tuple(clauses_of(given, context))
        layers.append((layer, tuple(each for each in clauses if each.ref.effect == "Allow")))
        denies += (each for each in clauses if each.ref.effect == "Deny")
    if not exempt and not policies.management_account:
        bound = (each for level in policies.rcps for each in clauses_of(level, context) if each.ref.effect == "Deny")
        denies += (
            each for each in bound if grade_of(each.template.statement.principals or (), caller) is not Grade.NONE
        )
    return Permissions(caller, tuple(layers), tuple(denies), known=known or {}, unknown=unknown)


def effective_in(
    account: AccountAuthorization,
    *,
    scps: Sequence[Sequence[Policy]] = (),
    rcps: Sequence[Sequence[Policy]] = (),
    management_account: bool = False,
    known: Mapping[str, Given] | None = None,
) -> Mapping[str, Permissions]:
    """The effective permissions of every user and role of an account, by ARN; users, then roles."""
    return {
        each.arn: effective(
            Policies(
                account.identity_policies(each),
                account.boundary_of(each),
                scps=scps,
                rcps=rcps,
                management_account=management_account,
            ),
            principal=principal_of(each),
            known=known,
            unknown=account.unknown_to(each),
        )
        for each in account.principals()
    }


def permissions_in(
    snapshot: AuthorizationSnapshot, account: AccountAuthorization | None = None
) -> Mapping[str, Permissions]:
    """The effective permissions of an account's users and roles, by ARN, within the organisation that it knows.

    ``account`` stands for the snapshot's own where it is to be judged as it would be after a change.
    """
    organization = snapshot.organization
    return effective_in(
        snapshot.authorization if account is None else account,
        scps=(organization.binding_scps or ()) if organization else (),
        rcps=(organization.binding_rcps or ()) if organization else (),
        management_account=organization is not None and organization.account == organization.management_account,
        known={"aws:PrincipalOrgID": organization.id} if organization is not None else None,
    )


def principal_of(entity: IamPrincipal) -> RequestPrincipal:
    """A user or role as a caller. A role's tags count as known only if its trust policy lets no session add any."""
    taggable = isinstance(entity, IamRole) and (
        entity.trust is None
        or any(
            each.effect == "Allow" and template_of(each, entity.trust.variables).actions & matching("sts:TagSession")
            for each in entity.trust.statements
        )
    )
    return msgspec.structs.replace(parse_principal(entity.arn), tags=None if taggable else entity.tags)


def administrator(permissions: Permissions) -> Administrator:
    """Whether a principal controls IAM: effective control, with every Deny, boundary, SCP and condition counted.

    A Deny that spares most roles or users but protects some by name leaves an administrator.
    """
    account = permissions.principal.account or "*"
    partition = permissions.principal.arn.split(":")[1] if ":" in permissions.principal.arn else "*"
    ways: list[tuple[str, tuple[StatementRef, ...], Formula]] = []
    named = permissions.named
    for way, (kind, actions) in CONTROL.items():
        if not all(action in named for action in actions):
            continue
        target = f"arn:{partition}:iam::{account}:{kind}/*"
        verdicts = [permissions.allows(action, target) for action in actions]
        if all(each.possible for each in verdicts):
            when = conjunction(permissions.holds_whole(action, target) for action in actions)
            ways.append((way, tuple(dict.fromkeys(ref for each in verdicts for ref in each.permitted_by)), when))
    by = [(way, refs) for way, refs, when in ways if when is True]
    if by:
        return Administrator(answer="yes", when=True, by=tuple(by))
    by = [(way, refs) for way, refs, when in ways if when is not False]
    when = disjunction(when for _, _, when in ways)
    return Administrator(answer="conditional" if by else "no", when=when, by=tuple(by))


def who_can(action: str, resource: str, permissions: Iterable[Permissions]) -> tuple[tuple[str, Verdict], ...]:
    """The principals that can do an action on a resource, by ARN, with the verdict; see `Permissions.allows`.

    The resource's own policy is not looked at. To ask often, keep a `PermissionIndex`.
    """
    return PermissionIndex(permissions).who_can(action, resource)


class PermissionIndex:
    """Many principals' permissions, found by action: only those with an Allow that names it are asked."""

    def __init__(self, permissions: Iterable[Permissions]) -> None:
        self.permissions = tuple(permissions)
        self._allowing: dict[Template, list[int]] = {}
        for number, each in enumerate(self.permissions):
            for template in {clause.template for clause in each.layers[0][1]}:
                self._allowing.setdefault(template, []).append(number)

    def who_can(self, action: str, resource: str = "*") -> tuple[tuple[str, Verdict], ...]:
        """The principals that can do it, by ARN, in the order in which they were given."""
        number = catalog().number(action)
        asked: set[int] = set()
        if action.lower() in ALWAYS_ALLOWED:
            asked.update(range(len(self.permissions)))
        for template, holders in self._allowing.items():
            if template.actions >> number & 1 if number is not None else template.speaks_of(action.lower()):
                asked.update(holders)
        verdicts = (
            (self.permissions[each].principal.arn, self.permissions[each].allows(action, resource))
            for each in sorted(asked)
        )
        return tuple((arn, verdict) for arn, verdict in verdicts if verdict.possible)


# --- parts ----------------------------------------------------------------------------------------------------------


def _context(principal: RequestPrincipal, known: Mapping[str, Given]) -> Context:
    return Context(known, principal=principal, resource_account=None, unknown=True)


def _union(clauses: Iterable[Clause]) -> int:
    bits = 0
    for each in clauses:
        bits |= each.actions
    return bits


def _bound_actions(clause: Clause) -> int:
    """The known actions of a clause; an RCP's only those of services that RCPs bind."""
    return clause.actions & _rcp_actions() if clause.ref.source.kind == "rcp" else clause.actions


@lru_cache(maxsize=1)
def _rcp_actions() -> int:
    bits = 0
    for service in rcp_services():
        bits |= catalog().of_service(service)
    return bits


def _changeable(actions: int, resource: str) -> int:
    """The actions without those that would change what belongs to AWS."""
    if not any(each in resource for each in (":aws:policy/", ":role/aws-", ":alias/aws/")):
        return actions
    index = catalog()
    for action in index.members(actions):
        if immutable(action, resource):
            actions &= ~(1 << index.numbers[action.lower()])
    return actions


def _is_one(resource: str) -> bool:
    """Whether a text is one resource's whole ARN."""
    return "*" not in resource and "?" not in resource and resource.count(":") >= 5


def _limit(clause: Clause) -> Limit:
    return Limit(
        statement=clause.ref,
        actions=ActionSet(clause.actions),
        resources=clause.widest,
        conditions=clause.conditions,
    )
