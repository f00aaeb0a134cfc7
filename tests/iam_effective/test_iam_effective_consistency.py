"""The symbolic answer and the evaluator's agree, request by request; and what must not change an answer does not."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iam_effective_kit import (
    ACTIONS,
    ALICE,
    FULL,
    RESOURCE_PATTERNS,
    RESOURCES,
    Document,
    document,
    documents,
    policy_sets,
    statements,
)

from trailwarden.iam import Policies, Request, authorize
from trailwarden.iam.effective import Permissions, effective

ASKED = st.sampled_from([each for each in RESOURCE_PATTERNS if "$" not in each])
KNOWN_CONTEXT = {"aws:MultiFactorAuthPresent": "true", "aws:RequestedRegion": "us-east-1"}


def answers(permissions: Permissions, resources: Sequence[str] = RESOURCES) -> list[str]:
    return [permissions.allows(action, each).answer for action in ACTIONS for each in (*resources, "*")]


@settings(deadline=None, max_examples=120)
@given(policy_sets(conditions=False))
def test_without_conditions_it_allows_what_authorize_allows(policies: Policies) -> None:
    permissions = effective(policies, principal=ALICE)
    for action in ACTIONS:
        for resource in RESOURCES:
            decision = authorize(Request(action, resource, ALICE, principal_tags={}), policies)
            answer = permissions.allows(action, resource).answer
            assert (answer == "yes") == (decision.effect == "Allowed"), (action, resource)
            assert answer in ("yes", "no")


@settings(deadline=None, max_examples=120)
@given(policy_sets())
def test_with_unknown_context_it_is_conditional_where_authorize_is(policies: Policies) -> None:
    permissions = effective(policies, principal=ALICE)
    for action in ACTIONS:
        for resource in RESOURCES:
            decision = authorize(Request(action, resource, ALICE, unknown_context=True), policies)
            verdict = permissions.allows(action, resource)
            expected = "no" if decision.effect != "Allowed" else "conditional" if decision.conditional else "yes"
            assert verdict.answer == expected, (action, resource, verdict, decision.explanation)


@settings(deadline=None, max_examples=120)
@given(policy_sets(), st.sampled_from(ACTIONS))
def test_a_pattern_is_judged_as_its_resources_are(policies: Policies, action: str) -> None:
    permissions = effective(policies, principal=ALICE)
    for asked in ("arn:aws:s3:::*", "arn:aws:s3:::a/*", "arn:aws:iam::111111111111:role/*"):
        whole = permissions.allows(action, asked).answer
        within = [each for each in RESOURCES if each.startswith(asked[:-1])]
        single = {permissions.allows(action, each).answer for each in within}
        if whole == "no":
            assert single <= {"no"}
        if whole == "yes":
            assert single <= {"yes"}
        if whole == "conditional":
            assert "yes" not in single


@settings(deadline=None)
@given(policy_sets(), statements(effects=("Deny",)), st.sampled_from(["identity", "boundary", "scp"]))
def test_another_deny_never_widens(policies: Policies, denial: Document, where: str) -> None:
    more = document(FULL, denial) if where != "identity" else document(denial)
    narrowed = Policies(
        [*policies.identity, more] if where == "identity" else policies.identity,
        [*policies.boundaries, more] if where == "boundary" and policies.boundaries else policies.boundaries or None,
        policies.session or None,
        scps=[*policies.scps, [more]] if where == "scp" else policies.scps,
    )
    if where == "boundary" and policies.boundaries:
        narrowed = Policies(
            narrowed.identity, [*policies.boundaries, document(denial)], policies.session or None, scps=policies.scps
        )
    rank = {"no": 0, "conditional": 1, "part": 2, "yes": 3}
    before = answers(effective(policies, principal=ALICE))
    after = answers(effective(narrowed, principal=ALICE))
    assert all(rank[new] <= rank[old] for old, new in zip(before, after, strict=True))


@settings(deadline=None)
@given(st.lists(statements(), min_size=1, max_size=4))
def test_splitting_statements_over_policies_changes_nothing(given_: list[Document]) -> None:
    together = effective(Policies([document(*given_)]), principal=ALICE)
    apart = effective(Policies([document(each) for each in given_]), principal=ALICE)
    assert answers(together) == answers(apart)
    assert together.summary() == apart.summary()


@settings(deadline=None)
@given(documents())
def test_splitting_actions_and_resources_over_statements_changes_nothing(whole: Document) -> None:
    parts: list[Document] = []
    for statement in whole["Statement"]:
        actions, resources = statement.get("Action"), statement.get("Resource")
        if actions is None or resources is None:
            parts.append(statement)
            continue
        parts += ({**statement, "Action": action, "Resource": each} for action in actions for each in resources)
    together = effective(Policies([whole]), principal=ALICE)
    apart = effective(Policies([document(*parts)]), principal=ALICE)
    assert answers(together) == answers(apart)
    assert together.summary().actions == apart.summary().actions


@settings(deadline=None)
@given(documents(), documents())
def test_boundary_and_identity_policy_are_interchangeable(one: Document, other: Document) -> None:
    assert answers(effective(Policies([one], [other]), principal=ALICE)) == answers(
        effective(Policies([other], [one]), principal=ALICE)
    )


@settings(deadline=None)
@given(documents())
def test_the_case_of_actions_is_irrelevant(whole: Document) -> None:
    swapped = [
        {
            key: [text.swapcase() for text in value] if key in ("Action", "NotAction") else value
            for key, value in statement.items()
        }
        for statement in whole["Statement"]
    ]
    one, other = (
        effective(Policies([whole]), principal=ALICE),
        effective(Policies([document(*swapped)]), principal=ALICE),
    )
    assert answers(one) == answers(other)
    assert [other.allows(action.upper(), RESOURCES[0]).answer for action in ACTIONS] == [
        one.allows(action, RESOURCES[0]).answer for action in ACTIONS
    ]


@settings(deadline=None)
@given(policy_sets(), ASKED)
def test_what_is_listed_on_a_resource_is_what_is_allowed_there(policies: Policies, asked: str) -> None:
    permissions = effective(policies, principal=ALICE)
    listed = {action: each.verdict.answer for each in permissions.on(asked) for action in each.actions}
    for action, answer in listed.items():
        if asked != "*" and action in ACTIONS:
            assert permissions.allows(action, asked).answer == answer
    assert "no" not in listed.values()


@settings(deadline=None)
@given(policy_sets())
def test_grants_and_summary_speak_of_the_same_actions(policies: Policies) -> None:
    permissions = effective(policies, principal=ALICE)
    summary = permissions.summary()
    granted = {action for grant in permissions.grants for action in grant.actions}
    assert {*summary.actions} <= granted
    assert sum(level.count for service in summary.services for level in service.levels) == len(summary.actions)
    for action in ACTIONS[:-1]:
        possible = any(permissions.allows(action, each).possible for each in RESOURCES if _acts(action, each))
        if possible:
            assert action in summary.actions


def _acts(action: str, resource: str) -> bool:
    return {"s3": "/k", "iam": ":role/"}[action.partition(":")[0]] in resource


@pytest.mark.parametrize("action", ["sts:GetCallerIdentity", "STS:getcalleridentity"])
def test_rule_9_asking_who_one_is_needs_no_permission(action: str) -> None:
    permissions = effective(Policies([document({"Effect": "Deny", "Action": "*", "Resource": "*"})]), principal=ALICE)
    assert permissions.allows(action).answer == "yes"
