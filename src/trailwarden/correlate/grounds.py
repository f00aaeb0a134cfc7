"""Evidence put together: which pieces count beside each other, and what they come to."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from ..model.finding import Evidence
from .names import Name
from .subject import Term, UserTerm
from .values import Weights


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A value of the alert that a session has too.

    ``alert_key`` and ``event_key`` are the values as they are compared. ``name`` and ``user`` are set where it is a
    name's, ``address`` where it is an address's.
    """

    kind: str
    weight: float
    term: Term
    alert_key: str
    event_key: str
    evidence: Evidence
    name: Name | None = None
    user: UserTerm | None = None
    address: str | None = None


class Grounds(msgspec.Struct, frozen=True):
    """Why a session may belong to an alert: the evidence that counts, what it comes to, and over how many hops.

    ``source`` is the id of the session that has the evidence, if it is another.
    """

    hits: tuple[Hit, ...]
    combined: float
    hops: int = 0
    source: str | None = None

    def worth(self, hop: float) -> float:
        """What is left of it after its hops."""
        return self.combined * hop**self.hops


def combined(weights: Iterable[float]) -> float:
    """Noisy-OR: how likely at least one of several independent reasons is right. In [0, 1]; 0 of none."""
    against = 1.0
    for weight in weights:
        against *= 1 - weight
    return 1 - against


def best(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The pieces that come to most together, where no kind, no value of the alert and no value of the session counts
    twice. More pieces never come to less.
    """
    kinds: dict[str, dict[tuple[str, str], Hit]] = {}
    for hit in sorted(hits, key=_order):
        kinds.setdefault(hit.kind, {}).setdefault((hit.alert_key, hit.event_key), hit)
    options = sorted(
        kinds.values(), key=lambda each: (-next(iter(each.values())).weight, next(iter(each.values())).kind)
    )
    if len(options) == 1:
        return (next(iter(options[0].values())),)
    return _chosen([tuple(each.values()) for each in options], frozenset())[1]


def _chosen(options: Sequence[tuple[Hit, ...]], taken: frozenset[str]) -> tuple[float, tuple[Hit, ...]]:
    """The best choice of at most one of each, none of which has a value that is taken: its odds against, and itself."""
    if not options:
        return 1.0, ()
    first, rest = options[0], options[1:]
    later = {key for kind in rest for hit in kind for key in (hit.alert_key, hit.event_key)}
    free = [(hit, keys) for hit in first if not (keys := {hit.alert_key, hit.event_key}) & taken]
    for hit, keys in free:
        if not keys & later:
            odds, others = _chosen(rest, taken)
            return odds * (1 - hit.weight), (hit, *others)
    found = _chosen(rest, taken)
    for hit, keys in free:
        odds, others = _chosen(rest, taken | keys)
        if odds * (1 - hit.weight) < found[0]:
            found = odds * (1 - hit.weight), (hit, *others)
    return found


def _order(hit: Hit) -> tuple[bool, bool, bool, str, str, str, str, str]:
    """The piece to show where several say the same: proven first, and in a record at hand."""
    claimed = hit.name is not None and hit.name.strength == "claimed"
    own = hit.evidence
    return (
        bool(hit.term.note),
        claimed,
        not own.event_id,
        hit.term.field,
        hit.term.value,
        own.event_id,
        own.field,
        own.value,
    )


def time_factor(alert: datetime, first: datetime, last: datetime, weights: Weights) -> float:
    """How well a session that was seen from ``first`` to ``last`` fits an alert's time, in [0, 1]; 0: not at all."""
    if first <= alert <= last:
        return 1.0
    reach, away = (weights.time.after, first - alert) if first > alert else (weights.time.before, alert - last)
    hours = away / timedelta(hours=1)
    if hours <= reach.full:
        return 1.0
    if hours > reach.last:
        return 0.0
    return 1.0 - (1.0 - weights.time.least) * (hours - reach.full) / (reach.last - reach.full)
