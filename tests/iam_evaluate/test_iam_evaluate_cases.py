"""Every rule of policy evaluation as named cases, kept as data in ``cases/``."""

import pytest
from iam_evaluate_kit import Case, cases

from trailwarden.iam import authorize

CASES = [*cases("decision.yaml"), *cases("matching.yaml")]
#: Rules that this folder must show; those on conditions have their table in test_iam_evaluate_conditions.
RULES = {*range(1, 14), 16, 18, 21}


def test_ids_are_unique_and_every_rule_has_a_case() -> None:
    ids = [case.id for case in CASES]
    assert len(ids) == len(set(ids))
    assert {int(each.split("-")[1]) for each in ids if each.startswith("rule-")} == RULES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case) -> None:
    decision = authorize(case.request(), case.policies())
    assert decision.effect == case.expect, decision.explanation
    if case.blocked_by is not None:
        assert sorted(decision.blocked_by) == sorted(case.blocked_by)
    if case.matched is not None:
        assert [str(each) for each in decision.matched] == case.matched
    if case.unknown_keys is not None:
        assert sorted(decision.unknown) == sorted(case.unknown_keys)
        assert decision.certain == (not case.unknown_keys)
    if case.says is not None:
        assert case.says in decision.explanation


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_decision_says_why(case: Case) -> None:
    decision = authorize(case.request(), case.policies())
    head, *reasons = decision.explanation
    assert case.action in head
    caller_is_root = case.principal in ("root", "222222222222")
    assert reasons or (decision.effect == "Allowed" and caller_is_root)
