"""The search: the shortest ways of principals to an administrator, level by level from the administrators back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from ...model.authorization import AuthorizationSnapshot
from ...model.iam_report import EscalationPath
from ...model.policy import AccountAuthorization
from ..context import Given
from ..effective import Administrator, administrator
from .actor import Actor, Subject
from .index import Found, Space, members
from .proof import Proof, in_words
from .rule import EscalationRule, Inventory, escalation_rules
from .steps import Edge, Steps
from .words import path_of, step_of


def escalations(
    subjects: Subject | AuthorizationSnapshot | AccountAuthorization | Iterable[Subject | AuthorizationSnapshot],
    *,
    administrators: Mapping[str, Administrator] | None = None,
    inventory: Inventory | None = None,
    known: Mapping[str, Given] | None = None,
    rules: Sequence[EscalationRule] | None = None,
) -> Mapping[str, tuple[EscalationPath, ...]]:
    """The shortest paths of each principal to an administrator, by its ARN; only those that have one are in it.

    For each rule that can be the first step of a shortest path there is one path. If all of these depend on something
    that is not known, the shortest paths that are certain follow. Principals of several accounts are searched together.

    ``administrators`` (by ARN) saves asking again. ``inventory`` holds what exists, by kind: a kind that is missing is
    unknown, an empty one known to be none. ``known`` are condition keys that all requests have in common.

    Raises:
        UsageError: the ARN of a principal is none.
    """
    given = (subjects,) if isinstance(subjects, Subject | AuthorizationSnapshot | AccountAuthorization) else subjects
    accounts = [each if isinstance(each, Subject) else Subject(each, known=known) for each in given]
    return Graph(accounts, administrators=administrators, inventory=inventory, rules=rules).paths()


class Way(msgspec.Struct, frozen=True):
    """A first step that is proven, and the principal (by number) from whom the path goes on; None: it has arrived."""

    proof: Proof
    then: int | None


#: In the order of their distance.
Ways = Mapping[int, tuple[Way, ...]]


class Graph:
    """All principals of some accounts, and the steps between them."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        *,
        administrators: Mapping[str, Administrator] | None = None,
        inventory: Inventory | None = None,
        rules: Sequence[EscalationRule] | None = None,
    ) -> None:
        entities = {each.arn: (each, subject) for subject in subjects for each in subject.authorization.principals()}
        space = Space(entities)
        self.actors: tuple[Actor, ...] = tuple(
            Actor(
                number,
                *entities[arn],
                (administrators or {}).get(arn) or administrator(entities[arn][1].permissions[arn]),
            )
            for number, arn in enumerate(space.arns)
        )
        self.steps = Steps(
            self.actors, space, subjects, escalation_rules() if rules is None else tuple(rules), inventory or {}
        )

    def paths(self) -> Mapping[str, tuple[EscalationPath, ...]]:
        """See `escalations`."""
        climbing = [each for each in self.actors if each.admin.answer != "yes"]
        edges = {each.number: found for each in climbing if (found := tuple(self.steps.edges(each)))}
        likely, certain = self._search(edges, sure=False)
        depending = [number for number in likely if not certain >> number & 1]
        sure = self._search(edges, sure=True)[0] if depending else {}
        told = self._told(likely, likely)
        told_sure = self._told(sure, depending)
        return {
            each.arn: (*told[each.number], *(told_sure.get(each.number, ()) if each.number in depending else ()))
            for each in climbing
            if each.number in told
        }

    def _search(self, edges: Mapping[int, Sequence[Edge]], *, sure: bool) -> tuple[Ways, int]:
        """The first steps of each principal, the nearest to an administrator first, and for whom some way is certain.

        ``sure``: by certain steps to certain administrators alone.
        """
        certain = sum(each.bit for each in self.actors if each.admin.answer == "yes")
        perhaps = 0 if sure else sum(each.bit for each in self.actors if each.admin.answer == "conditional")
        reached = frontier = certain | perhaps
        ways: dict[int, tuple[Way, ...]] = {}
        waiting = list(edges)
        arriving = True
        while waiting and (frontier or arriving):
            new = 0
            for number in waiting:
                actor = self.actors[number]
                found = tuple(self._ways(actor, edges[number], frontier, arriving=arriving, sure=sure))
                if found:
                    ways[number] = found
                    new |= actor.bit
            # A path ends at an administrator under a condition, whatever else that one could do.
            on = certain & ~perhaps
            for number in members(new):
                if any(way.proof.certain and (way.then is None or on >> way.then & 1) for way in ways[number]):
                    certain |= 1 << number
            frontier = new & ~reached
            reached |= new
            waiting = [number for number in waiting if not new >> number & 1]
            arriving = False
        return ways, certain

    def _ways(self, actor: Actor, edges: Iterable[Edge], frontier: int, *, arriving: bool, sure: bool) -> Iterator[Way]:
        for edge in edges:
            acting = edge.rule.gives == "target"
            if not acting and not arriving:
                continue
            among = edge.found.within(frontier) if acting else edge.found
            proof = self._proven(actor, edge.rule, among, sure=sure)
            if proof is not None:
                yield Way(proof, proof.target.number if acting else None)

    def _proven(self, actor: Actor, rule: EscalationRule, among: Found, *, sure: bool) -> Proof | None:
        """The first target on which the rule can be used for certain, or else the first at all."""
        for number in members(among.certain | among.unchecked):
            proof = self.steps.prove(actor, rule, self.actors[number], sure=True)
            if proof is not None:
                return proof
        for number in members(0 if sure else among.possible):
            proof = self.steps.prove(actor, rule, self.actors[number])
            if proof is not None:
                return proof
        return None

    def _told(self, ways: Ways, wanted: Iterable[int]) -> Mapping[int, tuple[EscalationPath, ...]]:
        """The paths of the wanted principals, certain ones first, then as the rules are listed."""
        needed: set[int] = set()
        todo = [number for number in wanted if number in ways]
        while todo:
            number = todo.pop()
            if number not in needed:
                needed.add(number)
                todo += (way.then for way in ways[number] if way.then is not None and way.then in ways)
        found: dict[int, tuple[EscalationPath, ...]] = {}
        for number, steps in ways.items():
            if number in needed:
                paths = [self._path(way, found) for way in steps]
                found[number] = tuple(sorted(paths, key=lambda path: not path.certain))
        return found

    def _path(self, way: Way, found: Mapping[int, tuple[EscalationPath, ...]]) -> EscalationPath:
        step = step_of(way.proof)
        last = None if way.then is None else self.actors[way.then]
        if last is None or last.admin.answer == "yes":
            return path_of((step,))
        if last.admin.answer == "conditional":
            return path_of((step,), (f"{in_words(last.admin.when)}: only then is {last.arn} an administrator",))
        rest = found[last.number][0]
        return path_of((step, *rest.steps), rest.conditions)
