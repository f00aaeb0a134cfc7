"""What must hold for all policies: narrowing narrows, splitting changes nothing, unknown covers every known."""

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from iam_evaluate_kit import PRINCIPALS, document

from trailwarden.iam import Policies, Request, authorize

ACTIONS = ["s3:GetObject", "s3:PutObject", "ec2:StartInstances", "iam:PassRole"]
RESOURCES = ["arn:aws:s3:::data/a", "arn:aws:s3:::logs/b", "arn:aws:iam::111111111111:role/App"]
REGION = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
REQUESTS = st.builds(
    lambda action, resource, principal, region: Request(
        action,
        resource,
        PRINCIPALS[principal],
        resource_account="111111111111",
        context={} if region is None else {"aws:RequestedRegion": region},
    ),
    st.sampled_from(ACTIONS),
    st.sampled_from(RESOURCES),
    st.sampled_from(sorted(PRINCIPALS)),
    st.sampled_from([None, "eu-west-1", "us-east-1"]),
)
EFFECTS = st.sampled_from(["Allow", "Allow", "Deny"])


def statements(effects: st.SearchStrategy[str] = EFFECTS, *, principals: bool = False) -> st.SearchStrategy[Any]:
    subsets = st.lists(st.sampled_from(["*", "s3:*", "s3:Get*", *ACTIONS]), min_size=1, max_size=2)
    reach = st.lists(st.sampled_from(["*", "arn:aws:s3:::data/*", *RESOURCES]), min_size=1, max_size=2)
    named = st.sampled_from(["*", {"AWS": "111111111111"}, {"AWS": PRINCIPALS["user"]}, {"AWS": PRINCIPALS["role"]}])

    return st.fixed_dictionaries(
        {
            "Effect": effects,
            "actions": st.tuples(st.sampled_from(["Action", "Action", "NotAction"]), subsets),
            "resources": st.tuples(st.sampled_from(["Resource", "Resource", "NotResource"]), reach),
            "Condition": st.sampled_from([{}, {}, REGION]),
            **({"Principal": named} if principals else {}),
        }
    ).map(written)


def written(drawn: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in drawn.items() if name not in ("actions", "resources")}
    return dict([drawn["actions"], drawn["resources"], *rest.items()])


LISTS = st.lists(statements(), max_size=4)


def policies(identity: list[Any], boundary: list[Any] | None, resource: list[Any] | None, **more: Any) -> Policies:
    return Policies(
        [document(identity)],
        None if boundary is None else [document(boundary)],
        None,
        None if resource is None else document(resource),
        **more,
    )


OPTIONAL = st.none() | LISTS
RESOURCE = st.none() | st.lists(statements(principals=True), max_size=3)


@settings(deadline=None)
@given(REQUESTS, LISTS, OPTIONAL, RESOURCE, statements(st.just("Deny")))
def test_adding_a_deny_never_allows(
    request: Request, identity: list[Any], boundary: list[Any] | None, resource: list[Any] | None, deny: Any
) -> None:
    before = authorize(request, policies(identity, boundary, resource))
    after = authorize(request, policies([*identity, deny], boundary, resource))
    assert before.effect == "Allowed" or after.effect != "Allowed"
    assert before.effect != "ExplicitlyDenied" or after.effect == "ExplicitlyDenied"


@settings(deadline=None)
@given(REQUESTS, LISTS, OPTIONAL, RESOURCE, statements(st.just("Allow")))
def test_adding_an_allow_never_takes_away(
    request: Request, identity: list[Any], boundary: list[Any] | None, resource: list[Any] | None, allow: Any
) -> None:
    before = authorize(request, policies(identity, boundary, resource))
    after = authorize(request, policies([*identity, allow], boundary, resource))
    assert before.effect != "Allowed" or after.effect == "Allowed"


@settings(deadline=None)
@given(REQUESTS, LISTS, OPTIONAL, RESOURCE)
def test_rule_13_splitting_over_statements_and_policies_changes_nothing(
    request: Request, identity: list[Any], boundary: list[Any] | None, resource: list[Any] | None
) -> None:
    whole = authorize(request, policies(identity, boundary, resource))
    split = [
        document([{**each, "Action": action, "Resource": reach}])
        if "Action" in each and "Resource" in each
        else document([each])
        for each in identity
        for action, reach in product(each.get("Action", [""]), each.get("Resource", [""]))
    ]
    parted = authorize(
        request,
        Policies(
            split,
            None if boundary is None else [document(boundary)],
            None,
            None if resource is None else document(resource),
        ),
    )
    assert (parted.effect, parted.blocked_by) == (whole.effect, whole.blocked_by)


@settings(deadline=None)
@given(REQUESTS, LISTS, OPTIONAL, RESOURCE)
def test_the_case_of_an_action_is_irrelevant(
    request: Request, identity: list[Any], boundary: list[Any] | None, resource: list[Any] | None
) -> None:
    given_policies = policies(identity, boundary, resource)
    shouted = Request(
        request.action.upper(),
        request.resource,
        request.principal,
        resource_account=request.resource_account,
        context=request.context,
    )
    assert authorize(shouted, given_policies).effect == authorize(request, given_policies).effect


@settings(deadline=None)
@given(REQUESTS, LISTS, LISTS, RESOURCE)
def test_a_boundary_never_widens(
    request: Request, identity: list[Any], boundary: list[Any], resource: list[Any] | None
) -> None:
    free = authorize(request, policies(identity, None, resource))
    bounded = authorize(request, policies(identity, boundary, resource))
    assert free.effect == "Allowed" or bounded.effect != "Allowed"


@settings(deadline=None)
@given(REQUESTS, LISTS, LISTS)
def test_identity_and_boundary_are_an_intersection_whichever_is_which(
    request: Request, one: list[Any], other: list[Any]
) -> None:
    bounded = {PRINCIPALS[name] for name in ("user", "role", "session")}
    if request.principal not in bounded:
        return
    assert (
        authorize(request, policies(one, other, None)).effect == authorize(request, policies(other, one, None)).effect
    )


@settings(deadline=None)
@given(REQUESTS, LISTS, OPTIONAL, RESOURCE, st.lists(st.lists(LISTS, max_size=2), max_size=2))
def test_rule_18_what_is_certain_with_unknown_context_holds_for_every_context(
    request: Request,
    identity: list[Any],
    boundary: list[Any] | None,
    resource: list[Any] | None,
    levels: list[list[list[Any]]],
) -> None:
    scps = [[document(each) for each in level] for level in levels]
    given_policies = policies(identity, boundary, resource, scps=scps)
    unknown = authorize(
        Request(
            request.action,
            request.resource,
            request.principal,
            resource_account=request.resource_account,
            unknown_context=True,
        ),
        given_policies,
    )
    known = authorize(request, given_policies)
    if unknown.effect == "Allowed" and unknown.certain:
        assert known.effect == "Allowed"
    elif unknown.effect == "ExplicitlyDenied":
        assert known.effect == "ExplicitlyDenied"
    elif unknown.effect == "ImplicitlyDenied":
        assert known.effect != "Allowed"
    if known.effect == "Allowed":
        assert unknown.effect == "Allowed"


@settings(deadline=None)
@given(REQUESTS, LISTS, OPTIONAL, RESOURCE)
def test_what_blocks_is_named_exactly_when_something_does(
    request: Request, identity: list[Any], boundary: list[Any] | None, resource: list[Any] | None
) -> None:
    decision = authorize(request, policies(identity, boundary, resource))
    assert bool(decision.blocked_by) == (decision.effect != "Allowed")
    if decision.effect == "ExplicitlyDenied":
        assert any(each.effect == "Deny" for each in decision.matched)
