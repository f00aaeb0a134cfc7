"""A principal's risk score, 0 to 100, as a list of points that add up to it exactly.

The points are in ``rules/iam_risk.yaml``; docs/iam.md says how to redo a score by hand.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources

import msgspec

from ..model.finding import Severity
from ..model.iam_report import IamFinding, ScorePart

HIGHEST = 100


class Group(msgspec.Struct, frozen=True):
    """Points of one kind; together they count no more than ``cap``."""

    cap: int
    what: str


class Weights(msgspec.Struct, frozen=True):
    """``rules/iam_risk.yaml``: points by finding and group, and the lowest score of each severity."""

    groups: Mapping[str, Group]
    bands: Mapping[Severity, int]
    weights: Mapping[str, Mapping[str, int]]


@lru_cache(maxsize=1)
def weights() -> Weights:
    """The weights, read at the first call."""
    import yaml  # noqa: PLC0415

    text = (resources.files("trailwarden") / "rules" / "iam_risk.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Weights)


def score(findings: Iterable[IamFinding]) -> tuple[int, tuple[ScorePart, ...]]:
    """The score of a principal with these findings, and its parts. Their points add up to the score.

    Where a cap takes points away, a part with negative points says so (``cap-power``, ``cap-total``).
    """
    table = weights()
    by_group: dict[str, list[ScorePart]] = {group: [] for group in table.groups}
    for each in findings:
        for group, points in table.weights[each.id].items():
            counted = points if each.certain else (points + 1) // 2
            doubt = "" if each.certain else " (half: under conditions)"
            by_group[group].append(ScorePart(rule=each.id, points=counted, reason=f"{each.title}{doubt}"))
    parts: list[ScorePart] = []
    for group, members in by_group.items():
        members.sort(key=lambda part: (-part.points, part.rule))
        parts += members
        over = sum(part.points for part in members) - table.groups[group].cap
        if over > 0:
            parts.append(_cap(group, over, f"{table.groups[group].what}: at most {table.groups[group].cap}"))
    over = sum(part.points for part in parts) - HIGHEST
    if over > 0:
        parts.append(_cap("total", over, f"at most {HIGHEST}"))
    return sum(part.points for part in parts), tuple(parts)


def severity_of(points: int) -> Severity:
    """The severity of a score."""
    bands = sorted(weights().bands.items(), key=lambda band: -band[1])
    return next((severity for severity, lowest in bands if points >= lowest), "info")


def _cap(group: str, over: int, reason: str) -> ScorePart:
    return ScorePart(rule=f"cap-{group}", points=-over, reason=reason)
