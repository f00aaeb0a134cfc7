"""Confidence: a number that anybody can compute again from its parts."""

import random
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.confidence import Weighed, combine, in_words, label_of, score_of
from trailwarden.model.proposal import Confidence
from trailwarden.signs import every_rule

weighed = st.lists(
    st.builds(
        Weighed,
        rule=st.sampled_from("abcdef"),
        family=st.sampled_from(["origin", "denied", "evasion"]),
        weight=st.floats(0, 0.95),
        reason=st.sampled_from(["one", "two"]),
    ),
    max_size=12,
)


def sign(rule: str, family: str, weight: float) -> Weighed:
    return Weighed(rule=rule, family=family, weight=weight, reason="seen")


@given(weighed)
def test_the_score_is_the_noisy_or_of_the_parts(found: list[Weighed]) -> None:
    made = combine(found)
    assert made.score == score_of(made.parts) == round(1 - prod(1 - part.weight for part in made.parts), 4)
    assert 0 <= made.score <= 1
    assert made.label == label_of(made.score)
    assert len(made.parts) == len(found)


@given(weighed, st.randoms(use_true_random=False))
def test_order_changes_nothing(found: list[Weighed], shuffle: random.Random) -> None:
    mixed = list(found)
    shuffle.shuffle(mixed)
    assert combine(mixed) == combine(found)


@given(weighed, st.floats(0.01, 0.9))
def test_another_sign_never_lowers_the_score(found: list[Weighed], weight: float) -> None:
    assert combine([*found, sign("z", "exposure", weight)]).score >= combine(found).score


@given(st.lists(st.floats(0, 0.6), min_size=1, max_size=200))
def test_a_family_alone_stays_near_its_strongest_sign(weights: list[float]) -> None:
    made = combine([sign(str(at), "origin", weight) for at, weight in enumerate(weights)])
    assert made.score <= 1 - (1 - max(weights)) * (1 - 0.25 * max(weights)) * (1 - 0.0625 * max(weights)) * 0.98


EXPECTED = {
    "nothing": ([], "None (0%)"),
    "one-weak": ([sign("a", "origin", 0.15)], "Low (15%)"),
    "one-strong": ([sign("a", "origin", 0.65)], "Medium (65%)"),
    "two-of-one-family": ([sign("a", "origin", 0.4), sign("b", "origin", 0.4)], "Medium (46%)"),
    "two-of-two": ([sign("a", "origin", 0.4), sign("b", "denied", 0.4)], "Medium (64%)"),
    "three-strong": ([sign(each, each, 0.55) for each in ("origin", "denied", "evasion")], "High (90%)"),
    "never-certain": ([sign(str(at), str(at), 0.9) for at in range(9)], "High (99%)"),
    "never-of-a-higher-band": ([sign("a", "origin", 0.7999)], "Medium (79%)"),
}


@pytest.mark.parametrize(("found", "text"), EXPECTED.values(), ids=EXPECTED)
def test_in_words(found: list[Weighed], text: str) -> None:
    assert in_words(combine(found)) == text


def test_a_damped_part_says_so() -> None:
    strong, weak = combine([sign("a", "origin", 0.6), sign("b", "origin", 0.4)]).parts
    assert (strong.weight, weak.weight) == (0.6, 0.1)
    assert (strong.reason, weak.reason) == (
        "seen",
        "seen; counted less beside a stronger sign of the same kind (origin)",
    )


@pytest.mark.parametrize("weight", [-0.1, 1.0, 1.5])
def test_no_sign_proves_anything(weight: float) -> None:
    with pytest.raises(ValueError, match="must be at least 0 and below 1"):
        combine([sign("a", "origin", weight)])


def test_the_rules_weights_keep_what_the_bands_promise() -> None:
    """One weak sign is low, one strong sign never high; three strong signs of three families are at least 0.9."""
    rules = every_rule()
    for rule in rules:
        alone: Confidence = combine([sign(rule.id, rule.family, rule.weight)])
        assert alone.label in (("low",) if rule.severity in ("low", "info") else ("low", "medium")), rule.id
        assert rule.severity != "medium" or alone.label == "low", rule.id
    strong = {
        rule.family: rule.weight for rule in rules if rule.severity in ("high", "critical") and rule.weight >= 0.55
    }
    assert len(strong) >= 3
    three = sorted(strong.items(), key=lambda item: item[1])[:3]
    assert combine([sign(family, family, weight) for family, weight in three]).score >= 0.9
