"""The steps that may be, for all targets at once: quick, and never too narrow; `exact` looks at each more closely."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ..catalog import catalog
from .actor import Actor, Subject
from .exact import LIFTS, Prover, untouchable
from .index import NOTHING_FOUND, Found, Space, Traits, members
from .rule import KINDS, EscalationRule, Inventory
from .trust import Holdings, TrustIndex


class Edge(msgspec.Struct, frozen=True):
    """A rule that a principal may use, and the targets that it may use it on."""

    rule: EscalationRule
    found: Found


class _Gains:
    """Which principals more permissions make administrators: as they are, or without their boundary."""

    def __init__(self, *, rewriting: bool) -> None:
        self._rewriting = rewriting
        self.known = self.direct = self.lifted = 0

    def learn(self, target: Actor, holdings: Holdings) -> None:
        """Find out for one principal; ``rewriting``: by a new version of a policy that it holds."""
        policies: tuple[str | None, ...] = holdings.policies_of(target) if self._rewriting else (None,)
        self.known |= target.bit
        if any(target.raised(replaced=each).answer != "no" for each in policies):
            self.direct |= target.bit
        elif target.bounded and any(target.raised(replaced=each, unbounded=True).answer != "no" for each in policies):
            self.lifted |= target.bit


class Steps:
    """The steps that rules offer the principals of some accounts."""

    def __init__(
        self,
        actors: Sequence[Actor],
        space: Space,
        subjects: Sequence[Subject],
        rules: Sequence[EscalationRule],
        inventory: Inventory,
    ) -> None:
        self.actors = actors
        self.space = space
        self.rules = rules
        self.inventory = inventory
        self.roles = 0
        self.of_account = {id(subject): 0 for subject in subjects}
        for each in actors:
            self.of_account[id(each.subject)] |= each.bit
            self.roles |= each.bit if each.is_role else 0
        self.traits = Traits(space, (each.entity for each in actors))
        self.trust = TrustIndex(actors, self.traits)
        self.holdings = {id(subject): Holdings(subject, space) for subject in subjects}
        self.prove = Prover(self.trust, self.holdings, self.inventory).prove
        self._gains = {rewriting: _Gains(rewriting=rewriting) for rewriting in (False, True)}
        self._owned: dict[tuple[int, str], int] = {}
        #: What must be named in an Allow for a rule to be of use: trust policies alone can let in.
        self._masks = [
            (rule, actions_of(action for action, on in rule.needs.items() if on != "trusting_target")) for rule in rules
        ]
        self._mask = actions_of(action for rule in rules for action in rule.actions)

    def edges(self, actor: Actor) -> Iterator[Edge]:
        """The rules that a principal may use; `exact` looks at each target more closely, and none is missing here."""
        named = actor.permissions.named.known
        if not named & self._mask and not self.trust.named(actor):
            return
        for rule, mask in self._masks:
            if named & mask == mask:
                found = self._found(actor, rule)
                if found.possible:
                    yield Edge(rule, found)

    def _found(self, actor: Actor, rule: EscalationRule) -> Found:
        found = self._candidates(actor, rule)
        certain = not rule.assumes and all(kind in self.inventory for kind in rule.present)
        certain = certain and all(fact == "instance_profile" for fact in rule.facts)
        for place, actions in sorted(rule.places.items(), key=lambda each: ":" in each[0]):
            if not found.possible:
                return NOTHING_FOUND
            if place == "existing":
                here, sure = self._existing(actor, rule, actions)
                found = found.within(here)
                certain = certain and sure
            elif place == "any" or ":" in place:
                possible, sure = actor.together(actions, place)
                found = found if possible else NOTHING_FOUND
                certain = certain and sure
            else:
                for action in actions:
                    found = found.also(self._on(actor, rule, action, place))
        if rule.trusts:
            found = found.also(self._trusting(actor, rule.trusts))
        if rule.gives == "administrator" and found.possible:
            found = found.within(self._gaining(actor, found.possible, rewriting="attached_policy" in rule.places))
        return found if certain else Found(found.possible, 0, 0)

    def _candidates(self, actor: Actor, rule: EscalationRule) -> Found:
        match rule.target:
            case "own" | "own_role" | "own_user":
                fits = rule.target == "own" or (rule.target == "own_role") == actor.is_role
                bits = actor.bit if fits else 0
            case "role" | "user":
                kind = self.roles if rule.target == "role" else self.space.all & ~self.roles
                near = self.of_account[id(actor.subject)]
                bits = kind & ~actor.bit & (self.space.all if "trusting_target" in rule.needs.values() else near)
                if rule.gives != "target":
                    bits &= near
        if rule.gives == "unbounded" and not actor.bounded:
            bits = 0
        return Found(bits, bits, 0)

    def _on(self, actor: Actor, rule: EscalationRule, action: str, place: str) -> Found:
        if place == "trusting_target":
            return self.trust.assumable(actor, self.space, self.of_account[id(actor.subject)])
        space, spread = self.space, None
        if place != "target":
            holdings = self.holdings[id(actor.subject)]
            space, spread = (
                (holdings.policies, holdings.by_policy)
                if place == "attached_policy"
                else (holdings.groups, holdings.by_group)
            )
        found = NOTHING_FOUND
        for given in actor.choices(action, rule.services):
            found = found.either(actor.reached(action, given, space, None if spread else self.traits))
        found = found.within(~self._immutable(space, action))
        if place == "group":
            return Found(actor.bit, 0, actor.bit) if found.possible else NOTHING_FOUND
        return found if spread is None else Found(*(_spread(bits, spread) for bits in found))

    def _gaining(self, actor: Actor, bits: int, *, rewriting: bool) -> int:
        """The targets that more permissions make administrators, if need be once the actor lifts their boundary."""
        gains = self._gains[rewriting]
        for number in members(bits & ~gains.known):
            gains.learn(self.actors[number], self.holdings[id(actor.subject)])
        lifted = gains.lifted & bits
        if lifted:
            holdings = self.holdings[id(actor.subject)]
            reached = _spread(
                actor.reached("iam:CreatePolicyVersion", {}, holdings.policies, None).possible, holdings.by_boundary
            )
            for action in (*LIFTS[True], *LIFTS[False]):
                for given in actor.choices(action, ()):
                    reached |= actor.reached(action, given, self.space, self.traits).possible
            lifted &= reached
        return gains.direct | lifted

    def _immutable(self, space: Space, action: str) -> int:
        key = (id(space), action)
        bits = self._owned.get(key)
        if bits is None:
            bits = sum(
                1 << number
                for number, arn in enumerate(space.arns)
                if (":role/aws-" in arn or ":aws:policy/" in arn) and untouchable(action, arn)
            )
            self._owned[key] = bits
        return bits

    def _trusting(self, actor: Actor, services: Iterable[str]) -> Found:
        found = NOTHING_FOUND
        for service in services:
            found = found.either(self.trust.of_service(service))
        return found.within(self.of_account[id(actor.subject)])

    def _existing(self, actor: Actor, rule: EscalationRule, actions: tuple[str, ...]) -> tuple[int, bool]:
        """The targets of which there may be a resource that the actions can be done on."""
        assert rule.existing is not None
        held = self.inventory.get(rule.existing)
        if held is None:
            possible, _ = actor.together(actions, KINDS[rule.existing][1])
            return (self.space.all if possible else 0), False
        bits = 0
        for each in held:
            wanted = self.space.bit(each.role or "") if rule.runs_as_target else self.space.all
            if wanted & ~bits and all(actor.about(action).verdict(each.arn).possible for action in actions):
                bits |= wanted
        return bits, True


def actions_of(actions: Iterable[str]) -> int:
    """Actions as a set in the catalogue's numbering.

    Raises:
        ValueError: the catalogue does not know one of them: a rule that names it would never be of use.
    """
    bits = 0
    for each in actions:
        number = catalog().number(each)
        if number is None:
            raise ValueError(f"a rule needs {each}, which is no known action")
        bits |= 1 << number
    return bits


def _spread(bits: int, holders: Sequence[int]) -> int:
    found = 0
    for number in members(bits):
        found |= holders[number]
    return found
