"""What a principal may do widely: on all resources of a type, but for those that a policy spares by name.

Wide is what stands on ``*``, what a NotResource leaves, and what a pattern gives that covers every resource of one of
the action's types, in one Region at least. Decided layer by layer on sets of actions: a boundary or SCP that is not
wide itself leaves nothing wide, and a wide Deny takes it away. All statements are taken together.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources

import msgspec

from ..model.iam_report import IamEvidence
from ..model.policy import Condition
from .catalog import catalog, matching, rcp_services, resource_types
from .clauses import Clause, Template
from .effective import Permissions
from .patterns import Pattern, covers, overlaps
from .reach import Reach

#: How many of a finding's statements are shown, and how many of a statement's texts.
SHOWN_STATEMENTS, SHOWN_TEXTS = 5, 4


class Wide(msgspec.Struct, frozen=True):
    """Actions that are wide, in the catalogue's numbering: ``sure`` whatever the context, ``may`` under conditions.

    ``sure_allowed`` and ``may_allowed`` are the same before denials.
    """

    sure: int
    may: int
    sure_allowed: int
    may_allowed: int


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Actions of ``rules/iam_concerns.yaml`` that make a finding when they are wide; ``what`` they let one do."""

    finding: str
    what: str
    source: str
    actions: tuple[str, ...]
    blind_spots: str

    @property
    def mask(self) -> int:
        """The actions in the catalogue's numbering."""
        return _bits(self.actions)


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """The families, read at the first call."""
    import yaml  # noqa: PLC0415

    text = (resources.files("trailwarden") / "rules" / "iam_concerns.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), tuple[Family, ...])


def wide_of(permissions: Permissions) -> Wide:
    """What the principal may do widely."""
    account = permissions.principal.account or ""
    sure = may = catalog().all
    for _, clauses in permissions.layers:
        layer_sure = layer_may = 0
        for clause in clauses:
            if clause.widest is not clause.surest:
                layer_may |= wide_actions(clause.template, clause.widest, account)
                layer_sure |= wide_actions(clause.template, clause.surest, account)
            else:
                actions = wide_actions(clause.template, clause.widest, account)
                layer_may |= actions
                layer_sure |= actions
        sure &= layer_sure
        may &= layer_may
        if not may:
            return Wide(0, 0, 0, 0)
    sure_allowed, may_allowed = sure, may
    for clause in permissions.denies:
        bound = _rcp_actions() if clause.ref.source.kind == "rcp" else -1
        may &= ~(wide_actions(clause.template, clause.surest, account) & bound)
        sure &= ~(wide_actions(clause.template, clause.widest, account) & bound)
    return Wide(sure & may, may, sure_allowed, may_allowed)


@lru_cache(maxsize=65536)
def wide_actions(template: Template, reach: Reach, account: str) -> int:
    """The actions of a statement that stand on all resources of a type; beside ``*``, only listed ones."""
    if reach.everything:
        return template.actions
    whole = 0
    for each in reach.patterns:
        whole |= _whole_types(each, account)
    return template.actions & (~whole if reach.negated else whole)


def evidence_of(clauses: Iterable[Clause], actions: int, account: str) -> tuple[IamEvidence, ...]:
    """The Allow statements that give some of these actions widely."""
    found = (each for each in clauses if wide_actions(each.template, each.widest, account) & actions)
    return tuple(evidence(each, actions) for each, _ in zip(found, range(SHOWN_STATEMENTS), strict=False))


def evidence(clause: Clause, actions: int = -1) -> IamEvidence:
    """One statement, with as much of its text as bears on ``actions``."""
    source = clause.ref.source
    return IamEvidence(
        policy=source.arn or source.name,
        holder=source.holder,
        statement=clause.ref.index,
        sid=clause.ref.sid,
        text=_text(clause.template, actions, clause.widest.negated, clause.conditions),
    )


@lru_cache(maxsize=16384)
def _text(template: Template, actions: int, all_but: bool, conditions: tuple[Condition, ...]) -> str:
    """A statement as far as it bears on actions: many principals have it, and it reads the same for all."""
    texts = [text for text in template.texts if template.negated or actions < 0 or matching(text) & actions]
    words = f"{'NotAction' if template.negated else template.statement.effect} {_some(texts)}"
    asked = "".join(f" if {each}" for each in conditions)
    return f"{words} on {'all but ' if all_but else ''}{_some(template.resources.texts)}{asked}"


def _some(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f" and {len(every) - SHOWN_TEXTS} more" if len(every) > SHOWN_TEXTS else ""
    return f"{', '.join(every[:SHOWN_TEXTS])}{more}"


def _bits(actions: Iterable[str]) -> int:
    bits = 0
    for action in actions:
        bits |= matching(action)
    return bits


@lru_cache(maxsize=1)
def _rcp_actions() -> int:
    bits = 0
    for service in rcp_services():
        bits |= catalog().of_service(service)
    return bits


@lru_cache(maxsize=1)
def _listed() -> Mapping[str, tuple[tuple[Pattern, int], ...]]:
    """The resource types of the families' actions, by the service field of their ARNs, with the actions on them."""
    found: dict[str, dict[Pattern, int]] = {}
    for action in sorted({action for family in families() for action in family.actions}):
        for kind in resource_types(action):
            each = kind.pattern()
            of_service = found.setdefault(kind.arn.split(":", 3)[2], {})
            of_service[each] = of_service.get(each, 0) | matching(action)
    return {service: tuple(kinds.items()) for service, kinds in found.items()}


@lru_cache(maxsize=65536)
def _whole_types(pattern: Pattern, account: str) -> int:
    """The listed actions of which a pattern covers every resource of a type, in one Region at least."""
    fields = pattern.fields
    if len(fields) == 1 or not (fields[4].matches(account) or fields[4].matches("")):
        return 0
    index = _listed()
    services = (fields[2].prefix,) if fields[2].literal else tuple(filter(fields[2].matches, index))
    bits = 0
    for service in services:
        for kind, actions in index.get(service, ()):
            # Region and account are left out: one Region's whole is wide, and the account has been compared.
            if covers(fields[5], kind.fields[5]) and overlaps(fields[1], kind.fields[1]):
                bits |= actions
    return bits
