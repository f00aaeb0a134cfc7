"""The principals of the accounts under analysis, with what is asked of each of them again and again."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec

from ...model.authorization import AuthorizationSnapshot
from ...model.policy import (
    AccountAuthorization,
    IamPrincipal,
    IamRole,
    IamUserEntity,
    Policy,
    PolicySource,
    Statement,
    StatementRef,
)
from ..catalog import catalog, matching, resource_types, universe
from ..clauses import About, Clause, Verdict, clauses_of, template_of
from ..context import Context, Given
from ..effective import Administrator, Permissions, administrator, effective, effective_in
from ..evaluate import authorize
from ..patterns import Pattern, arn_pattern
from ..principals import parse_principal
from ..reach import Reach, exists
from ..request import Decision, Policies, Request
from .index import Found, Saying, Space, Traits, saying, target_keys
from .rule import resource

ADMINISTRATOR_ACCESS = "policy/AdministratorAccess"
#: Managed policies of AWS by which who holds one controls IAM.
_AWS_ADMINISTRATORS = (ADMINISTRATOR_ACCESS, "policy/IAMFullAccess")
#: The actions for which iam:PermissionsBoundary is the boundary that the target has.
_BY_BOUNDARY = frozenset(
    f"iam:{action}"
    for action in (
        "attachrolepolicy",
        "attachuserpolicy",
        "deleterolepermissionsboundary",
        "deleteuserpermissionsboundary",
        "putrolepolicy",
        "putuserpolicy",
    )
)
_UNLIMITED = Administrator(answer="yes", when=True)
_EVERYTHING = Statement(index=0, effect="Allow", actions=("*",), resources=("*",))


def _on_assuming(policy: Policy) -> Policy:
    action = matching("sts:AssumeRole")
    speaking = (each for each in policy.statements if template_of(each, policy.variables).actions & action)
    return msgspec.structs.replace(policy, statements=tuple(speaking))


class Subject:
    """One account: its authorization, and what binds it from outside.

    ``permissions`` (by ARN, as `effective_in` gives them) saves working them out again. ``scps`` and ``rcps`` are by
    level, root first, in place of those of a snapshot. ``known`` are condition keys that all requests have in common.
    """

    def __init__(
        self,
        source: AuthorizationSnapshot | AccountAuthorization,
        *,
        permissions: Mapping[str, Permissions] | None = None,
        scps: Sequence[Sequence[Policy]] | None = None,
        rcps: Sequence[Sequence[Policy]] | None = None,
        known: Mapping[str, Given] | None = None,
    ) -> None:
        snapshot = source if isinstance(source, AuthorizationSnapshot) else None
        organization = snapshot.organization if snapshot else None
        self.authorization = source.authorization if isinstance(source, AuthorizationSnapshot) else source
        self.account = self.authorization.account or (snapshot.account if snapshot else None) or "*"
        self.management = organization is not None and organization.management_account == organization.account
        self.scps = (organization.binding_scps if organization and scps is None else scps) or ()
        self.rcps = (organization.binding_rcps if organization and rcps is None else rcps) or ()
        self.known = dict(known or {})
        if organization is not None:
            self.known = {"aws:PrincipalOrgID": organization.id, **self.known}
        self.keys = {arn: len(keys) for arn, keys in snapshot.access_keys.items()} if snapshot else {}
        self.permissions = permissions or effective_in(
            self.authorization,
            scps=self.scps,
            rcps=self.rcps,
            management_account=self.management,
            known=self.known,
        )
        #: The resources that rules name, as patterns of the account.
        self.places: dict[str, Pattern] = {}
        self._trusted: dict[tuple[object, ...], Decision] = {}

    @cached_property
    def shows_instance_profiles(self) -> bool:
        """Whether any role has an instance profile: then a role without one has none."""
        return any(role.instance_profiles for role in self.authorization.roles.values())

    @cached_property
    def administrator_policies(self) -> tuple[str, ...]:
        """The ARNs of managed policies that make who holds one an administrator."""
        made = tuple(
            each.arn
            for each in self.authorization.policies.values()
            if each.policy is not None
            and not each.aws_managed
            and administrator(
                effective(Policies((each.policy,)), principal=f"arn:aws:iam::{self.account}:user/any")
            ).answer
            == "yes"
        )
        return (*(f"arn:{self.partition}:iam::aws:{each}" for each in _AWS_ADMINISTRATORS), *made)

    @cached_property
    def partition(self) -> str:
        """``aws``, or that of China or GovCloud."""
        return next((each.arn.split(":")[1] for each in self.authorization.principals()), "aws")

    def group_policies(self, name: str) -> tuple[Policy, ...]:
        """The policies that a group gives its members."""
        member = IamUserEntity(arn="", name="", id="", groups=(name,))
        return self.authorization.identity_policies(member)

    def lets_in(self, role: IamRole, service: str) -> Decision | None:
        """Whether a role's trust policy lets a service in that acts for the account. None: it is unreadable."""
        if role.trust is None:
            return None
        # Decisions name statements; those of roles with equal policies can stand for each other unless they are told.
        told = any(each.conditions for each in role.trust.statements)
        key = (role.trust.statements, role.trust.version, service, role.arn if told else None)
        found = self._trusted.get(key)
        if found is None:
            request = Request(
                "sts:AssumeRole",
                role.arn,
                parse_principal(service),
                resource_account=self.account,
                context={"aws:SourceAccount": self.account},
                unknown_context=True,
            )
            found = self._trusted[key] = authorize(request, Policies(resource=role.trust))
        return found


class Actor:
    """One user or role."""

    def __init__(self, number: int, entity: IamPrincipal, subject: Subject, admin: Administrator) -> None:
        self.number = number
        self.bit = 1 << number
        self.entity = entity
        self.arn = entity.arn
        self.subject = subject
        self.admin = admin
        self.permissions = subject.permissions[entity.arn]
        self.bounded = any(layer == "boundary" for layer, _ in self.permissions.layers)
        self._sayings: dict[str, Saying] = {}
        self._abouts: dict[str, About] = {}
        self._together: dict[tuple[tuple[str, ...], str], tuple[bool, bool]] = {}
        self._reached: dict[tuple[object, ...], Found] = {}
        self._raised: dict[tuple[object, ...], Administrator] = {}

    @property
    def is_role(self) -> bool:
        """Whether it is a role; else a user."""
        return isinstance(self.entity, IamRole)

    @cached_property
    def assuming(self) -> tuple[tuple[Policy, ...], Policy | None]:
        """Its identity policies and its boundary, as far as they speak of sts:AssumeRole."""
        authorization = self.subject.authorization
        held = tuple(map(_on_assuming, authorization.identity_policies(self.entity)))
        boundary = authorization.boundary_of(self.entity)
        return tuple(each for each in held if each.statements), boundary and _on_assuming(boundary)

    @cached_property
    def statements(self) -> Mapping[StatementRef, Statement]:
        """The statements of its own, by reference."""
        return {each.ref: each.template.statement for each in self.permissions.layers[0][1]}

    def says(self, action: str) -> Saying:
        """What its policies say of an action; of all but sts:AssumeRole, on what is in its own account."""
        found = self._sayings.get(action)
        if found is None:
            found = saying(self.permissions, action)
            if action != "sts:AssumeRole":
                found = found.within(self.context({}))
            self._sayings[action] = found
        return found

    def about(self, action: str) -> About:
        """What its policies say of an action together."""
        found = self._abouts.get(action)
        if found is None:
            found = self._abouts[action] = self.says(action).about
        return found

    def on_some(self, action: str, place: str) -> Verdict:
        """Whether an action is possible on something of a rule's place."""
        about = self.about(action)
        if place != "any":
            return about.verdict((self.place(place),))
        if catalog().number(action) is not None and not resource_types(action):
            return about.verdict("*")
        return about.verdict(universe(action, partition=self.subject.partition, account=self.subject.account))

    def together(self, actions: tuple[str, ...], place: str) -> tuple[bool, bool]:
        """Whether all actions are possible, and certain, on one and the same resource of a rule's place."""
        found = self._together.get((actions, place))
        if found is None:
            found = self._together[actions, place] = self._on_one(actions, place)
        return found

    def _on_one(self, actions: tuple[str, ...], place: str) -> tuple[bool, bool]:
        if place == "any" or len(actions) == 1:
            answers = [self.on_some(action, place).answer for action in actions]
            return "no" not in answers, all(answer in ("yes", "part") for answer in answers)
        sayings = [self.says(action) for action in actions]
        goal = (Reach((self.place(place),)),)
        groups: dict[tuple[Reach, ...], None] = {goal: None}
        sure = dict(groups)
        for said in sayings:
            for _, clauses in said.layers:
                groups[tuple(each.widest for each in clauses)] = None
                sure[tuple(each.surest for each in clauses)] = None
        denies = [each for said in sayings for each in said.denies]
        if not exists(tuple(groups), tuple(dict.fromkeys(each.surest for each in denies))):
            return False, False
        return True, exists(tuple(sure), tuple(dict.fromkeys(each.widest for each in denies)))

    def context(self, given: Mapping[str, Given], target: "Actor | None" = None) -> Context:
        """What is known of a request of its own, on a target of its account."""
        return Context(
            {**self.subject.known, **given},
            principal=self.permissions.principal,
            resource_account=self.subject.account,
            resource_tags=target.entity.tags if target else None,
            unknown=True,
        )

    def on_target(self, action: str, given: Mapping[str, Given], target: "Actor | None") -> Saying:
        """What its policies say of an action once the target's tags and boundary are known; None: a group or policy."""
        said = self.says(action)
        if not said.open:
            return said
        if target is None:
            return said.within(self.context(given))
        known: dict[str, Given] = {**target_keys(said, target.entity.tags)}
        if action.lower() in _BY_BOUNDARY:
            known["iam:PermissionsBoundary"] = target.entity.boundary
        return said.within(self.context({**known, **given}, target))

    def reached(self, action: str, given: Mapping[str, Given], space: Space, traits: Traits | None) -> Found:
        """What of a space its policies let it do an action on; with ``traits`` the space is that of principals."""
        key = (action, tuple(given.items()), id(space))
        found = self._reached.get(key)
        if found is None:
            said = self.says(action)
            if given:
                said = said.within(self.context(given))

            def decide(clause: Clause) -> tuple[int, int]:
                assert traits is not None
                by_boundary = action.lower() in _BY_BOUNDARY
                return traits.reached(clause, lambda more: self.context({**given, **more}), by_boundary=by_boundary)

            found = self._reached[key] = said.found(space, decide if traits else None)
        return found

    def if_let_in(self, action: str, target: "Actor") -> Verdict:
        """Whether it could do an action on a target that lets it in by itself: only Denies and SCPs count then."""
        said = self.on_target(action, {}, target).of_layers("scp")
        return About((("identity", (self._everything(),)), *said.layers), said.denies).verdict(target.arn)

    def choices(self, action: str, services: tuple[str, ...]) -> tuple[Mapping[str, Given], ...]:
        """The values of request keys that serve an escalation; one of them must be allowed."""
        match action.lower():
            case "iam:passrole":
                return tuple({"iam:PassedToService": each} for each in services) or ({},)
            case "iam:attachrolepolicy" | "iam:attachuserpolicy" | "iam:attachgrouppolicy":
                if not self.says(action).open:
                    return ({},)
                return tuple({"iam:PolicyARN": each} for each in self.subject.administrator_policies)
            case "iam:putrolepermissionsboundary" | "iam:putuserpermissionsboundary":
                wide = f"arn:{self.subject.partition}:iam::aws:{ADMINISTRATOR_ACCESS}"
                return ({"iam:PermissionsBoundary": wide},)
        return ({},)

    def place(self, text: str) -> Pattern:
        """A rule's resource as an ARN pattern of its account."""
        found = self.subject.places.get(text)
        if found is None:
            written = resource(text, partition=self.subject.partition, account=self.subject.account)
            found = self.subject.places[text] = arn_pattern(written)
        return found

    # --- what becomes of it if its permissions change ---------------------------------------------------------------

    def raised(self, *, replaced: str | None = None, unbounded: bool = False) -> Administrator:
        """Whether it would be an administrator if it were allowed everything, by the policy ``replaced`` or another."""
        if not self.permissions.denies and len(self.permissions.layers) == 1:
            return _UNLIMITED
        unbounded = unbounded or (replaced is not None and replaced == self.entity.boundary)
        found = self._raised.get((replaced, unbounded))
        if found is None:
            changed = self._changed((self._everything(),), replaced=replaced, unbounded=unbounded)
            found = self._raised[replaced, unbounded] = administrator(changed)
        return found

    def unbound(self) -> Administrator:
        """Whether it would be an administrator without its boundary."""
        return administrator(self._changed(self.permissions.layers[0][1], unbounded=True))

    def joined(self, group: str) -> Administrator:
        """Whether it would be an administrator as a member of a group."""
        policies = self.subject.group_policies(group)
        more = tuple(clauses_of(policies, self.context({})))
        allows = tuple(each for each in more if each.ref.effect == "Allow")
        denies = tuple(each for each in more if each.ref.effect == "Deny")
        return administrator(self._changed((*self.permissions.layers[0][1], *allows), denies=denies))

    def _changed(
        self,
        identity: tuple[Clause, ...],
        *,
        denies: tuple[Clause, ...] = (),
        replaced: str | None = None,
        unbounded: bool = False,
    ) -> Permissions:
        def stays(clause: Clause) -> bool:
            source = clause.ref.source
            return not (unbounded and source.kind == "boundary") and (replaced is None or source.arn != replaced)

        first, *others = self.permissions.layers
        layers = ((first[0], identity), *(each for each in others if not (unbounded and each[0] == "boundary")))
        kept = tuple(each for each in self.permissions.denies if stays(each))
        return Permissions(self.permissions.principal, layers, (*kept, *denies), known=self.permissions.known)

    def _everything(self) -> Clause:
        source = PolicySource(kind="identity_inline", holder=self.arn)
        return Clause(template_of(_EVERYTHING, True), StatementRef(source, 0, None, "Allow"), self.context({}), ())
