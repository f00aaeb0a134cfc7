"""How sure the signs make: one number, its band, and the parts from which anybody can compute it again.

The score is the noisy-OR of the parts' weights, ``1 - (1 - w1)(1 - w2)…``: each part is a reason of its own to believe
it, and none can take another away. Signs of one family tell of one thing (a new address, and its new country), so only
the strongest of a family counts in full; the next one counts a quarter of its weight, the next a sixteenth, and so on.
A part holds the weight as it was counted, so that the parts alone give the score.

======  ==================  ========================================================================================
label   score               meaning
======  ==================  ========================================================================================
none    0                   no sign was found; with gaps in the coverage that says little
low     below 0.4           one weak sign: look, do not act
medium  from 0.4, below 0.8 a strong sign, or several weak ones: ask the person
high    from 0.8            strong signs of several kinds, which rarely have one innocent cause
======  ==================  ========================================================================================

The weights are the judgement of those who wrote the rules, not frequencies that were measured: a score of 0.9 does not
say that nine of ten such cases are attacks. It orders cases, and approves nothing.
"""

from collections import defaultdict
from collections.abc import Iterable
from math import prod
from typing import Literal

import msgspec

from .model.finding import Evidence
from .model.proposal import Confidence, ConfidencePart

Label = Literal["none", "low", "medium", "high"]
#: From which score on a label holds, the highest first.
BANDS: tuple[tuple[float, Label], ...] = ((0.8, "high"), (0.4, "medium"))
#: What a further sign of the same family counts, of the one before it.
DAMPING = 0.25
_PLACES = 4


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """A sign before it is combined with others: its rule, family, and weight in [0, 1), and the records."""

    rule: str
    family: str
    weight: float
    reason: str
    evidence: tuple[Evidence, ...] = ()


def combine(found: Iterable[Weighed]) -> Confidence:
    """The confidence that signs give together, the part that counts most first. Their order changes nothing.

    Raises:
        ValueError: a weight outside of [0, 1): no sign proves anything.
    """
    families: dict[str, list[Weighed]] = defaultdict(list)
    for each in found:
        if not 0 <= each.weight < 1:
            raise ValueError(f"the weight of {each.rule} is {each.weight}, and must be at least 0 and below 1")
        families[each.family].append(each)
    parts = [
        _part(each, rank)
        for own in families.values()
        for rank, each in enumerate(sorted(own, key=lambda each: (-each.weight, each.rule, each.reason)))
    ]
    parts.sort(key=lambda part: (-part.weight, part.rule, part.reason))
    score = score_of(parts)
    return Confidence(score=score, label=label_of(score), parts=tuple(parts))


def score_of(parts: Iterable[ConfidencePart]) -> float:
    """The noisy-OR of the parts' weights, to four decimals."""
    return round(1 - prod(1 - part.weight for part in parts), _PLACES)


def label_of(score: float) -> Label:
    """The band of a score."""
    if score <= 0:
        return "none"
    return next((label for least, label in BANDS if score >= least), "low")


def in_words(confidence: Confidence) -> str:
    """As people read it, ``High (94%)``. Rounded down, so that no score seems to be of a higher band, or certain."""
    percent = min(int(confidence.score * 100 + 1e-9), 99)
    return f"{confidence.label.capitalize()} ({percent}%)"


def _part(sign: Weighed, rank: int) -> ConfidencePart:
    damped = f"; counted less beside a stronger sign of the same kind ({sign.family})" if rank else ""
    return ConfidencePart(
        rule=sign.rule,
        weight=round(sign.weight * DAMPING**rank, _PLACES),
        reason=f"{sign.reason}{damped}",
        evidence=sign.evidence,
    )
