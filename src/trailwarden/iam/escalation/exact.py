"""One step, exactly: whether a principal can use a rule on a target, what permits it, and what it depends on."""

from collections.abc import Iterable, Iterator, Mapping

from ...model.policy import IamRole, IamUserEntity
from ..clauses import Verdict
from ..effective import Administrator
from ..evaluate import immutable
from ..request import Decision
from .actor import Actor
from .proof import Part, Proof
from .rule import KINDS, EscalationRule, Fact, Inventory
from .trust import Holdings, TrustIndex

#: To take off a boundary, or widen it, on a role (True) or user.
LIFTS = {
    True: ("iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"),
    False: ("iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"),
}


class Prover:
    """Goes through a rule's predicates for one principal and one target."""

    def __init__(self, trust: TrustIndex, holdings: Mapping[int, Holdings], inventory: Inventory) -> None:
        self._trust = trust
        self._holdings = holdings
        self._inventory = inventory

    def prove(self, actor: Actor, rule: EscalationRule, target: Actor, *, sure: bool = False) -> Proof | None:
        """The step, with all that permits it and all that it depends on. None: it cannot be; ``sure``: for certain."""
        proof = Proof(rule=rule, actor=actor, target=target)
        for holds in self._predicates(proof, sure=sure):
            if not holds or (sure and not proof.certain):
                return None
        return proof

    def _predicates(self, proof: Proof, *, sure: bool) -> Iterator[bool]:
        """Whether each predicate of the rule holds, one after the other; what it rests on is noted in the proof."""
        rule, unknown = proof.rule, proof.actor.permissions.unknown
        yield not (sure and (rule.assumes or unknown))
        yield from (self._fact(proof, fact) for fact in rule.facts)
        yield self._present(proof)
        if "trusting_target" in rule.places:
            yield self._trust.may_be(proof.actor, proof.target, sure=sure)
        yield from (self._placed(proof, place, actions) for place, actions in rule.places.items())
        yield from (self._undenied(proof, action) for action in rule.not_denied)
        yield not rule.trusts or self._trusting(proof)
        yield self._gained(proof)
        for assumed in rule.assumes:
            proof.depends(f"if {assumed}")
        if unknown:
            proof.depends(f"unless what could not be read takes it away: {', '.join(unknown)}")

    @staticmethod
    def _fact(proof: Proof, fact: Fact) -> bool:
        target = proof.target
        match fact:
            case "instance_profile":
                if isinstance(target.entity, IamRole) and target.entity.instance_profiles:
                    return True
                proof.depends(f"if {target.arn} is in an instance profile")
                return not target.subject.shows_instance_profiles
            case "spare_key":
                proof.depends(f"if {target.arn} has fewer than two access keys")
                return target.subject.keys.get(target.arn, 0) < 2
            case "password":
                proof.depends(f"if {target.arn} has a password")
            case "no_password":
                proof.depends(f"if {target.arn} has no password")
        return True

    def _present(self, proof: Proof) -> bool:
        for kind in proof.rule.present:
            held = self._inventory.get(kind)
            if held is None:
                proof.depends(f"if there is {KINDS[kind][0]}")
            elif not held:
                return False
        return True

    def _placed(self, proof: Proof, place: str, actions: tuple[str, ...]) -> bool:
        target = proof.target
        match place:
            case "target":
                return all(self._on(proof, action, (target.arn,)) for action in actions)
            case "trusting_target":
                return self._assuming(proof)
            case "attached_policy":
                held = self._holdings[id(target.subject)].policies_of(target)
                return all(self._on(proof, action, held, replacing=True) for action in actions)
            case "group_of_target":
                held = self._holdings[id(target.subject)].groups_of(target)
                return all(self._on(proof, action, held) for action in actions)
            case "group":
                return all(self._joining(proof, action) for action in actions)
            case "existing":
                return self._existing(proof, actions)
        return self._somewhere(proof, place, actions)

    @staticmethod
    def _on(proof: Proof, action: str, resources: Iterable[str], *, replacing: bool = False) -> bool:
        """Whether an action is allowed on one of the resources; the first certain one is taken."""
        actor = proof.actor
        best: Part | None = None
        for resource in resources:
            if untouchable(action, resource) or (
                replacing and proof.target.raised(replaced=resource).answer == "no" and not proof.target.bounded
            ):
                continue
            for given in actor.choices(action, proof.rule.services):
                target = proof.target if resource == proof.target.arn else None
                verdict = actor.on_target(action, given, target).about.verdict(resource)
                if verdict.possible and (best is None or (verdict.answer == "yes" != best.verdict.answer)):
                    best = Part(action, resource, verdict)
        if best is None:
            return False
        proof.add(best)
        if replacing:
            proof.replaced = best.resource
        return True

    def _assuming(self, proof: Proof) -> bool:
        decision = self._trust.decide(proof.actor, proof.target)
        if decision is None or decision.effect != "Allowed":
            return False
        proof.admit(decision, "")
        refs = (*decision.matched, *decision.possible)
        own = tuple(each for each in refs if each.effect == "Allow" and each in proof.actor.statements)
        proof.add(Part("sts:AssumeRole", proof.target.arn, Verdict(answer="yes", when=True, permitted_by=own)))
        return True

    @staticmethod
    def _joining(proof: Proof, action: str) -> bool:
        """Whether the user can join a group that makes it an administrator; the first certain one is taken."""
        actor = proof.actor
        member_of = actor.entity.groups if isinstance(actor.entity, IamUserEntity) else ()
        best: tuple[Administrator, Part] | None = None
        for group in actor.subject.authorization.groups.values():
            verdict = actor.about(action).verdict(group.arn)
            if group.name in member_of or not verdict.possible:
                continue
            joined = actor.joined(group.name)
            certain = joined.answer == "yes" == verdict.answer
            if joined.answer != "no" and (best is None or certain):
                best = (joined, Part(action, group.arn, verdict))
            if certain:
                break
        if best is None:
            return False
        proof.depends_on(best[0].when)
        proof.add(best[1])
        return True

    def _existing(self, proof: Proof, actions: tuple[str, ...]) -> bool:
        rule = proof.rule
        assert rule.existing is not None
        held = self._inventory.get(rule.existing)
        noun, place = KINDS[rule.existing]
        if held is None:
            with_role = f" with the role {proof.target.arn}" if rule.runs_as_target else ""
            proof.depends(f"if there is {noun}{with_role} among those that the statements reach")
            return self._somewhere(proof, place, actions)
        best: list[Part] = []
        for each in held:
            if rule.runs_as_target and each.role != proof.target.arn:
                continue
            parts = [Part(action, each.arn, proof.actor.about(action).verdict(each.arn)) for action in actions]
            if all(part.verdict.possible for part in parts):
                certain = all(part.verdict.answer == "yes" for part in parts)
                best = parts if certain or not best else best
                if certain:
                    break
        for part in best:
            proof.add(part)
        return bool(best)

    @staticmethod
    def _somewhere(proof: Proof, place: str, actions: tuple[str, ...]) -> bool:
        possible, certain = proof.actor.together(actions, place)
        if not possible:
            return False
        certain_before = proof.certain
        for action in actions:
            proof.add(Part(action, place, proof.actor.on_some(action, place)))
        if not certain and certain_before == proof.certain:
            proof.depends("if the conditions of all statements are met on one and the same resource")
        return True

    @staticmethod
    def _undenied(proof: Proof, action: str) -> bool:
        """Whether nothing takes an action away that the principal needs no permission for."""
        verdict = proof.actor.if_let_in(action, proof.target)
        proof.depends_on(verdict.when)
        return verdict.possible

    def _trusting(self, proof: Proof) -> bool:
        """Whether the target role lets one of the rule's services in."""
        role = proof.target.entity
        if not isinstance(role, IamRole):
            return False
        best: tuple[Decision, str] | None = None
        for service in proof.rule.trusts:
            for name in self._trust.names_of(service):
                decision = proof.target.subject.lets_in(role, name)
                if decision is not None and decision.effect == "Allowed" and (best is None or decision.certain):
                    best = (decision, name)
        if best is None:
            return False
        proof.admit(*best)
        return True

    def _gained(self, proof: Proof) -> bool:
        """Whether the step makes an administrator, where that is not left to what the target is."""
        if proof.rule.gives in ("target", "membership"):
            return True
        if proof.rule.gives == "unbounded":
            if not proof.actor.bounded:
                return False
            gain = proof.actor.unbound()
        else:
            target = proof.target
            gain = target.raised(replaced=proof.replaced)
            if gain.answer != "yes" and target.bounded:
                unbounded = target.raised(replaced=proof.replaced, unbounded=True)
                if unbounded.answer != "no" and self._lifting(proof):
                    gain = unbounded
        proof.depends_on(gain.when)
        return gain.answer != "no"

    def _lifting(self, proof: Proof) -> bool:
        """Whether the target's boundary can be taken off, or widened, first."""
        target = proof.target
        if any(self._on(proof, action, (target.arn,)) for action in LIFTS[target.is_role]):
            return True
        written = (target.entity.boundary,) if self._holdings[id(target.subject)].owns(target.entity.boundary) else ()
        return self._on(proof, "iam:CreatePolicyVersion", (each for each in written if each))


def untouchable(action: str, arn: str) -> bool:
    """Whether AWS forbids the change; a service-linked role can be passed by nobody either."""
    return immutable(action, arn) or (action == "iam:PassRole" and ":role/aws-service-role/" in arn)
