"""A step that was looked at closely: what permits it, and what it depends on."""

import msgspec

from ..clauses import Verdict
from ..formula import Formula, NoneOf
from ..request import Decision, requirements
from .actor import Actor
from .rule import EscalationRule


class Part(msgspec.Struct, frozen=True):
    """One action of a step, and what it is allowed on: an ARN, or a rule's words for it."""

    action: str
    resource: str
    verdict: Verdict


class Proof:
    """A rule, the principal and the target, and what was found as the rule's predicates were gone through."""

    __slots__ = ("actor", "conditions", "parts", "replaced", "rule", "service", "target", "trust")

    def __init__(self, *, rule: EscalationRule, actor: Actor, target: Actor) -> None:
        self.rule = rule
        self.actor = actor
        self.target = target
        self.parts: list[Part] = []
        self.conditions: list[str] = []
        #: The target's trust policy, where it matters, and the service that it lets in (none: the principal).
        self.trust: Decision | None = None
        self.service = ""
        #: The policy of which a new version is written.
        self.replaced: str | None = None

    @property
    def certain(self) -> bool:
        """Whether it depends on nothing that is not known."""
        return not self.conditions

    def add(self, part: Part) -> None:
        """An action that is allowed."""
        self.parts.append(part)
        self.depends_on(part.verdict.when)

    def admit(self, trust: Decision, service: str) -> None:
        """The trust policy lets the service, or the principal itself, in."""
        self.trust, self.service = trust, service
        for each in trust.conditional:
            self.depends_on(each)

    def depends(self, condition: str) -> None:
        """It holds only under a condition, in words."""
        if condition not in self.conditions:
            self.conditions.append(condition)

    def depends_on(self, formula: Formula) -> None:
        """It holds only if a formula does."""
        for each in requirements(formula):
            self.depends(in_words(each))


def in_words(formula: Formula) -> str:
    """A requirement as a clause: "if …", or "unless …" where something must not hold."""
    if isinstance(formula, NoneOf):
        return f"unless {' or '.join(map(str, formula.parts))}"
    return f"if {formula}"
