"""Who lets whom in, and who holds what: the account's own relations, each looked up once."""

from collections.abc import Sequence

from ...model.policy import IamPrincipal, IamRole, Statement
from ..evaluate import authorize
from ..principals import account_named
from ..request import Decision, Policies, Request
from .actor import Actor, Subject
from .index import NOTHING_FOUND, Found, Space, Traits, members, target_keys


class TrustIndex:
    """Which roles let whom in, by their trust policies; what only a request can tell is left to `decide`."""

    def __init__(self, actors: Sequence[Actor], traits: Traits) -> None:
        self._traits = traits
        self._roles = [each for each in actors if isinstance(each.entity, IamRole) and each.entity.trust is not None]
        self._actors = actors
        self.everyone = self.plain = 0
        self.by_arn: dict[str, int] = {}
        self.by_account: dict[str, int] = {}
        self._services: dict[str, dict[str, int]] = {}
        self._found: dict[str, Found] = {}
        self._said_by: dict[int, tuple[Found, Found]] = {}
        self._alike: dict[tuple[object, ...], tuple[bool, bool]] = {}
        for actor in self._roles:
            self._enter(actor)

    def _enter(self, actor: Actor) -> None:
        assert isinstance(actor.entity, IamRole)
        assert actor.entity.trust is not None
        statements = actor.entity.trust.statements
        if not actor.subject.rcps and all(each.effect == "Allow" and not each.conditions for each in statements):
            self.plain |= actor.bit
        for statement in statements:
            if statement.effect == "Deny":
                continue
            if statement.principals is None:
                self.everyone |= actor.bit
                self.plain &= ~actor.bit
            for each in statement.principals or ():
                if each.type == "Service":
                    named = self._services.setdefault(each.value.removesuffix(".cn"), {})
                    named[each.value] = named.get(each.value, 0) | actor.bit
                elif each.value == "*":
                    self.everyone |= actor.bit
                elif each.type == "AWS":
                    account = account_named(each.value)
                    index, key = (self.by_arn, each.value) if account is None else (self.by_account, account)
                    index[key] = index.get(key, 0) | actor.bit

    def named(self, actor: Actor) -> int:
        """The roles that name a principal, or everyone."""
        return self.by_arn.get(actor.arn, 0) | self.everyone

    def names_of(self, service: str) -> tuple[str, ...]:
        """A service's names in trust policies: those of China end otherwise."""
        return tuple(dict.fromkeys((service, *self._services.get(service, {}))))

    def of_service(self, service: str) -> Found:
        """The roles that a service may take."""
        found = self._found.get(service)
        if found is None:
            possible = certain = 0
            named = self._services.get(service, {})
            for name in self.names_of(service):
                for number in members(named.get(name, 0) | self.everyone):
                    actor = self._actors[number]
                    assert isinstance(actor.entity, IamRole)
                    decision = actor.subject.lets_in(actor.entity, name)
                    if decision is not None and decision.effect == "Allowed" and not actor.entity.service_linked:
                        possible |= actor.bit
                        certain |= actor.bit if decision.certain else 0
            found = self._found[service] = Found(possible, certain, 0)
        return found

    def assumable(self, actor: Actor, space: Space, near: int) -> Found:
        """The roles that a principal may assume; ``near`` are the principals of its account."""
        account = actor.permissions.principal.account or ""
        allowed, untaken = self._said(actor, space)
        named = self.named(actor)
        possible = (allowed.possible & (named | self.by_account.get(account, 0))) | (untaken.possible & named & near)
        possible &= ~actor.bit
        certain = allowed.certain & possible & self.plain
        return Found(possible, certain, possible & ~certain)

    def _said(self, actor: Actor, space: Space) -> tuple[Found, Found]:
        """The roles that a principal's policies let it assume, and those that they do not keep from it."""
        found = self._said_by.get(actor.number)
        if found is None:
            said = actor.says("sts:AssumeRole")
            allowed = actor.reached("sts:AssumeRole", {}, space, self._traits) if said.layers[0][1] else NOTHING_FOUND
            found = self._said_by[actor.number] = (allowed, said.of_layers("scp").found(space))
        return found

    def may_be(self, actor: Actor, target: Actor, *, sure: bool) -> bool:
        """False if it is known that the principal cannot (``sure``: for certain) assume the role, nor its like.

        Roles of one account with equal trust policies are alike to who may do the same to them.
        """
        found = self._said_by.get(actor.number)
        entity = target.entity
        if found is None or not isinstance(entity, IamRole) or entity.trust is None:
            return True
        allowed, untaken = found
        if (allowed.unchecked | untaken.unchecked) & target.bit or any(map(_asks_role, entity.trust.statements)):
            return True
        standing = tuple(bool(bits & target.bit) for each in found for bits in each)
        key = (actor.number, id(target.subject), entity.trust.statements, entity.trust.version, standing)
        answer = self._alike.get(key)
        if answer is None:
            decision = self.decide(actor, target)
            possible = decision is not None and decision.effect == "Allowed"
            answer = self._alike[key] = (possible, possible and decision is not None and decision.certain)
        return answer[sure]

    @staticmethod
    def decide(actor: Actor, target: Actor) -> Decision | None:
        """Whether a principal may assume a role. None: its trust policy is unreadable."""
        entity = target.entity
        if not isinstance(entity, IamRole) or entity.trust is None:
            return None
        said = actor.says("sts:AssumeRole")
        request = Request(
            "sts:AssumeRole",
            entity.arn,
            actor.permissions.principal,
            resource_account=target.subject.account,
            context={**actor.subject.known, **target_keys(said, entity.tags)},
            resource_tags=entity.tags,
            unknown_context=True,
        )
        policies = Policies(
            *actor.assuming,
            resource=entity.trust,
            scps=actor.subject.scps,
            rcps=target.subject.rcps,
            management_account=actor.subject.management,
        )
        return authorize(request, policies)


def _asks_role(statement: Statement) -> bool:
    """Whether a trust policy's statement asks for the tags of its role."""
    return any("resourcetag/" in text.lower() for each in statement.conditions for text in (each.key, *each.values))


class Holdings:
    """Of one account: which principals hold which customer-managed policy, and are in which group."""

    def __init__(self, subject: Subject, space: Space) -> None:
        authorization = subject.authorization
        own = [each.arn for each in authorization.policies.values() if not each.aws_managed]
        self.policies = Space(own)
        self.groups = Space(each.arn for each in authorization.groups.values())
        self._authorization = authorization
        self.by_policy = [0] * len(self.policies.arns)
        self.by_group = [0] * len(self.groups.arns)
        #: By policy: who has it as permissions boundary.
        self.by_boundary = [0] * len(self.policies.arns)
        for each in authorization.principals():
            bit = space.bit(each.arn)
            for group in authorization.groups_of(each):
                self.by_group[self.groups.numbers[group.arn]] |= bit
            if each.boundary in self.policies.numbers:
                self.by_boundary[self.policies.numbers[each.boundary]] |= bit
            for arn in self._attached(each):
                self.by_policy[self.policies.numbers[arn]] |= bit

    def owns(self, policy: str | None) -> bool:
        """Whether it is a customer-managed policy of the account."""
        return policy in self.policies.numbers

    def policies_of(self, actor: Actor) -> tuple[str, ...]:
        """The customer-managed policies that a principal holds, by its groups too."""
        return self._attached(actor.entity)

    def groups_of(self, actor: Actor) -> tuple[str, ...]:
        """The groups that a user is in."""
        return tuple(each.arn for each in self._authorization.groups_of(actor.entity))

    def _attached(self, entity: IamPrincipal) -> tuple[str, ...]:
        groups = self._authorization.groups_of(entity)
        arns = (*entity.attached, *(arn for group in groups for arn in group.attached))
        return tuple(arn for arn in dict.fromkeys(arns) if arn in self.policies.numbers)
