"""Every condition operator, and the rules for absent keys, several values and set operators (rules 14 to 17)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iam_evaluate_kit import document

from trailwarden.iam.conditions import OPERATORS, holds
from trailwarden.iam.context import Context
from trailwarden.iam.principals import parse_principal
from trailwarden.model.policy import OPERATORS as NAMES
from trailwarden.model.policy import Condition, Policy, PolicySource, parse_policy

ALICE = parse_principal("arn:aws:iam::111111111111:user/alice")
SESSION = parse_principal("arn:aws:sts::111111111111:assumed-role/App/run-1")


def conditions(block: dict[str, Any], version: str = "2012-10-17") -> Policy:
    written = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": block}
    return parse_policy(document([written], version=version), source=PolicySource(kind="identity_inline"))


def verdict(
    block: dict[str, Any], context: dict[str, Any], *, version: str = "2012-10-17", unknown: bool = False
) -> bool | None:
    policy = conditions(block, version)
    known = Context(context, principal=ALICE, resource_account="111111111111", unknown=unknown)
    truths = [holds(each, known, variables=policy.variables) for each in policy.statements[0].conditions]
    return False if False in truths else None if None in truths else True


def test_every_operator_is_in_the_table() -> None:
    assert {*OPERATORS, "Null"} == set(NAMES)


KEY = "ex:key"
# operator, the policy's values, the request's value, expected
OPERATOR_CASES: list[tuple[str, Any, str, bool]] = [
    ("StringEquals", "red", "red", True),
    ("StringEquals", "red", "Red", False),
    ("StringEquals", "r*", "red", False),
    ("StringEquals", "r*", "r*", True),
    ("StringNotEquals", "red", "blue", True),
    ("StringNotEquals", "red", "red", False),
    ("StringEqualsIgnoreCase", "RED", "red", True),
    ("StringEqualsIgnoreCase", "RED", "blue", False),
    ("StringNotEqualsIgnoreCase", "RED", "red", False),
    ("StringNotEqualsIgnoreCase", "RED", "blue", True),
    ("StringLike", "r?d*", "redder", True),
    ("StringLike", "r?d", "reed", False),
    ("StringLike", "*", "", True),
    ("StringNotLike", "r*", "red", False),
    ("StringNotLike", "r*", "blue", True),
    ("NumericEquals", "10", "10.0", True),
    ("NumericEquals", 10, "11", False),
    ("NumericNotEquals", "10", "11", True),
    ("NumericNotEquals", "10", "10", False),
    ("NumericLessThan", "10", "9.5", True),
    ("NumericLessThan", "10", "10", False),
    ("NumericLessThanEquals", "10", "10", True),
    ("NumericLessThanEquals", "10", "10.01", False),
    ("NumericGreaterThan", "10", "100", True),
    ("NumericGreaterThan", "10", "9", False),
    ("NumericGreaterThanEquals", "10", "10", True),
    ("NumericGreaterThanEquals", "10", "-10", False),
    ("NumericLessThan", "10", "few", False),
    ("NumericNotEquals", "10", "few", False),
    ("DateEquals", "2026-11-24T00:00:00Z", "2026-11-24T01:00:00+01:00", True),
    ("DateEquals", "2026-11-24", "1795478400", True),
    ("DateEquals", "2026-11-24", "2026-11-24T00:00:01Z", False),
    ("DateNotEquals", "2026-11-24", "2026-11-25", True),
    ("DateNotEquals", "2026-11-24", "2026-11-24T00:00:00Z", False),
    ("DateLessThan", "2026", "2025-12-31T23:59:59Z", True),
    ("DateLessThan", "2026", "2026-01-01T00:00:00Z", False),
    ("DateLessThanEquals", "2026-11", "2026-11-01T00:00:00Z", True),
    ("DateLessThanEquals", "2026-11", "2026-11-01T00:00:01Z", False),
    ("DateGreaterThan", "1700000000", "2026-11-24T00:00:00Z", True),
    ("DateGreaterThan", "2026-11-24T00:00:00Z", "1700000000", False),
    ("DateGreaterThanEquals", "2026-11-24", "2026-11-24", True),
    ("DateGreaterThanEquals", "2026-11-24", "2026-11-23", False),
    ("DateLessThan", "2026-11-24", "yesterday", False),
    ("Bool", "true", "true", True),
    ("Bool", True, "TRUE", True),
    ("Bool", "false", "true", False),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ6", False),
    ("BinaryEquals", "not base64!", "not base64!", False),
    ("IpAddress", "203.0.113.0/24", "203.0.113.77", True),
    ("IpAddress", "203.0.113.0/24", "203.0.114.1", False),
    ("IpAddress", "203.0.113.7", "203.0.113.7", True),
    ("IpAddress", "203.0.113.9/24", "203.0.113.77", True),
    ("IpAddress", "2001:db8::/32", "2001:db8:1::1", True),
    ("IpAddress", "2001:db8::/32", "2001:db9::1", False),
    ("IpAddress", "0.0.0.0/0", "2001:db8::1", False),
    ("IpAddress", "0.0.0.0/0", "cloudtrail.amazonaws.com", False),
    ("NotIpAddress", "203.0.113.0/24", "203.0.114.1", True),
    ("NotIpAddress", "203.0.113.0/24", "203.0.113.1", False),
    ("NotIpAddress", "203.0.113.0/24", "2001:db8::1", True),
    ("NotIpAddress", "203.0.113.0/24", "cloudtrail.amazonaws.com", False),
    ("ArnLike", "arn:aws:iam::*:role/App*", "arn:aws:iam::111111111111:role/App/x", True),
    ("ArnLike", "arn:aws:*:111111111111:role/App", "arn:aws:iam::111111111111:role/App", False),
    ("ArnLike", "arn:aws:iam::*", "arn:aws:iam::111111111111:role/App", False),
    ("ArnLike", "*", "arn:aws:iam::111111111111:role/App", True),
    ("ArnEquals", "arn:aws:sns:*:111111111111:alerts", "arn:aws:sns:eu-west-1:111111111111:alerts", True),
    ("ArnEquals", "arn:aws:sns:*:111111111111:alerts", "arn:aws:sns:eu-west-1:222222222222:alerts", False),
    ("ArnEquals", "arn:aws:iam::111111111111:role/App", "arn:aws:iam::111111111111:role/app", False),
    ("ArnNotEquals", "arn:aws:iam::111111111111:role/App", "arn:aws:iam::111111111111:role/Other", True),
    ("ArnNotEquals", "arn:aws:iam::111111111111:role/App", "arn:aws:iam::111111111111:role/App", False),
    ("ArnNotLike", "arn:aws:iam::111111111111:role/*", "arn:aws:iam::111111111111:role/App", False),
    ("ArnNotLike", "arn:aws:iam::111111111111:role/*", "arn:aws:iam::111111111111:user/App", True),
]


@pytest.mark.parametrize(
    ("operator", "values", "value", "expected"),
    OPERATOR_CASES,
    ids=[f"rule-17-{case[0]}-{case[1]}-{case[2]}" for case in OPERATOR_CASES],
)
def test_operator(operator: str, values: Any, value: str, expected: bool) -> None:
    assert verdict({operator: {KEY: values}}, {KEY: value}) is expected


def test_every_operator_has_a_case_that_holds_and_one_that_does_not() -> None:
    shown = {(case[0], case[3]) for case in OPERATOR_CASES}
    assert shown == {(name, expected) for name in OPERATORS for expected in (True, False)}


BLOCK_CASES: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("rule-14-absent-key-is-false", {"StringEquals": {KEY: "a"}}, {}, False),
    ("rule-14-absent-key-like-star-is-false", {"StringLike": {KEY: "*"}}, {}, False),
    ("rule-14-absent-key-negated-is-true", {"StringNotEquals": {KEY: "a"}}, {}, True),
    ("rule-14-absent-key-arn-negated-is-true", {"ArnNotLike": {KEY: "*"}}, {}, True),
    ("rule-14-absent-key-not-ip-is-true", {"NotIpAddress": {KEY: "0.0.0.0/0"}}, {}, True),
    ("rule-14-absent-key-if-exists-is-true", {"StringEqualsIfExists": {KEY: "a"}}, {}, True),
    ("rule-14-present-key-if-exists-is-compared", {"StringEqualsIfExists": {KEY: "a"}}, {KEY: "b"}, False),
    ("rule-14-absent-key-bool-false-is-false", {"Bool": {KEY: "false"}}, {}, False),
    ("rule-14-absent-key-bool-if-exists-is-true", {"BoolIfExists": {KEY: "true"}}, {}, True),
    ("rule-14-absent-key-for-all-values-is-true", {"ForAllValues:StringEquals": {KEY: "a"}}, {}, True),
    ("rule-14-empty-key-for-all-values-is-true", {"ForAllValues:StringEquals": {KEY: "a"}}, {KEY: []}, True),
    ("rule-14-absent-key-for-any-value-is-false", {"ForAnyValue:StringEquals": {KEY: "a"}}, {}, False),
    ("rule-14-absent-key-for-any-value-negated-is-false", {"ForAnyValue:StringNotEquals": {KEY: "a"}}, {}, False),
    ("rule-14-absent-for-any-value-if-exists-is-false", {"ForAnyValue:StringLikeIfExists": {KEY: "a"}}, {}, False),
    ("rule-14-null-true-asks-for-absence", {"Null": {KEY: "true"}}, {}, True),
    ("rule-14-null-true-fails-on-presence", {"Null": {KEY: True}}, {KEY: "x"}, False),
    ("rule-14-null-ignores-case", {"Null": {KEY: "TRUE"}}, {}, True),
    ("rule-14-null-false-asks-for-presence", {"Null": {KEY: "false"}}, {KEY: "x"}, True),
    ("rule-14-null-false-fails-on-absence", {"Null": {KEY: False}}, {}, False),
    ("rule-14-null-of-an-empty-list-is-absence", {"Null": {KEY: "true"}}, {KEY: []}, True),
    ("rule-15-values-are-or", {"StringEquals": {KEY: ["a", "b"]}}, {KEY: "b"}, True),
    ("rule-15-values-none-of-them", {"StringEquals": {KEY: ["a", "b"]}}, {KEY: "c"}, False),
    ("rule-15-negated-values-are-nor", {"StringNotEquals": {KEY: ["a", "b"]}}, {KEY: "b"}, False),
    ("rule-15-negated-values-none-of-them", {"StringNotEquals": {KEY: ["a", "b"]}}, {KEY: "c"}, True),
    ("rule-15-no-values-match-nothing", {"StringEquals": {KEY: []}}, {KEY: "a"}, False),
    ("rule-15-keys-are-and", {"StringEquals": {KEY: "a", "ex:other": "b"}}, {KEY: "a", "ex:other": "x"}, False),
    ("rule-15-keys-all-hold", {"StringEquals": {KEY: "a", "ex:other": "b"}}, {KEY: "a", "ex:other": "b"}, True),
    ("rule-15-operators-are-and", {"StringEquals": {KEY: "a"}, "Bool": {"ex:on": "true"}}, {KEY: "a"}, False),
    ("rule-15-keys-ignore-case", {"StringEquals": {"EX:Key": "a"}}, {"ex:KEY": "a"}, True),
    ("rule-15-operators-ignore-case", {"stringequals": {KEY: "a"}}, {KEY: "a"}, True),
    ("rule-17-for-all-values-each-is-listed", {"ForAllValues:StringEquals": {KEY: ["a", "b"]}}, {KEY: ["a"]}, True),
    ("rule-17-for-all-values-one-is-not", {"ForAllValues:StringEquals": {KEY: ["a"]}}, {KEY: ["a", "b"]}, False),
    ("rule-17-for-all-values-negated", {"ForAllValues:StringNotEquals": {KEY: ["a"]}}, {KEY: ["b", "c"]}, True),
    ("rule-17-for-all-values-negated-one", {"ForAllValues:StringNotEquals": {KEY: ["a"]}}, {KEY: ["a", "c"]}, False),
    ("rule-17-for-any-value-one-is-listed", {"ForAnyValue:StringLike": {KEY: ["a*"]}}, {KEY: ["x", "ab"]}, True),
    ("rule-17-for-any-value-none-is", {"ForAnyValue:StringLike": {KEY: ["a*"]}}, {KEY: ["x", "y"]}, False),
    ("rule-17-for-any-value-negated", {"ForAnyValue:StringNotEquals": {KEY: ["a"]}}, {KEY: ["a", "b"]}, True),
    ("rule-17-for-any-value-negated-all", {"ForAnyValue:StringNotEquals": {KEY: ["a"]}}, {KEY: ["a"]}, False),
    ("rule-17-set-operator-on-one-value", {"ForAnyValue:StringEquals": {KEY: "a"}}, {KEY: "a"}, True),
    ("rule-17-several-values-need-a-set-operator", {"StringEquals": {KEY: "a"}}, {KEY: ["a", "b"]}, False),
    ("rule-16-variable", {"StringEquals": {KEY: "${aws:username}"}}, {KEY: "alice"}, True),
    ("rule-16-variable-in-arn", {"ArnLike": {KEY: "arn:aws:iam::*:user/${aws:username}"}}, {KEY: ALICE.arn}, True),
    ("rule-16-variable-ignoring-case", {"StringEqualsIgnoreCase": {KEY: "${aws:username}"}}, {KEY: "ALICE"}, True),
    (
        "rule-16-value-ignoring-case",
        {"StringEqualsIgnoreCase": {KEY: "${ex:v}"}},
        {KEY: "alice", "ex:v": "Alice"},
        True,
    ),
    ("rule-16-value-keeps-its-case", {"StringEquals": {KEY: "${ex:v}"}}, {KEY: "Alice", "ex:v": "Alice"}, True),
    ("rule-16-variable-negated", {"StringNotEquals": {KEY: "${aws:username}"}}, {KEY: "bob"}, True),
    ("rule-16-variable-negated-equal", {"StringNotEquals": {KEY: "${aws:username}"}}, {KEY: "alice"}, False),
    ("rule-16-variable-without-value", {"StringEquals": {KEY: "${ex:none}"}}, {KEY: ""}, False),
    ("rule-16-variable-without-value-negated", {"StringNotEquals": {KEY: "${ex:none}"}}, {KEY: "a"}, False),
    ("rule-16-variable-default", {"StringEquals": {KEY: "${ex:none, 'guest'}"}}, {KEY: "guest"}, True),
    ("rule-16-value-wins-over-default", {"StringEquals": {KEY: "${aws:username, 'x'}"}}, {KEY: "x"}, False),
    ("rule-16-value-is-no-pattern", {"StringLike": {KEY: "${ex:v}"}}, {KEY: "anything", "ex:v": "*"}, False),
    ("rule-16-value-is-text", {"StringLike": {KEY: "${ex:v}"}}, {KEY: "*", "ex:v": "*"}, True),
    ("rule-16-several-values-are-no-value", {"StringEquals": {KEY: "${ex:v}"}}, {KEY: "a", "ex:v": ["a", "b"]}, False),
    ("rule-16-escaped-star", {"StringLike": {KEY: "a${*}"}}, {KEY: "a*"}, True),
    ("rule-16-escaped-star-is-no-wildcard", {"StringLike": {KEY: "a${*}"}}, {KEY: "ab"}, False),
    ("rule-16-escaped-dollar", {"StringEquals": {KEY: "${$}{x}"}}, {KEY: "${x}"}, True),
    ("rule-16-no-variables-in-numbers", {"NumericEquals": {KEY: "${ex:n}"}}, {KEY: "1", "ex:n": "1"}, False),
    ("derived-principal-arn", {"ArnEquals": {"aws:PrincipalArn": ALICE.arn}}, {}, True),
    ("derived-account", {"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}, {}, True),
    ("derived-type", {"StringEquals": {"aws:PrincipalType": "User"}}, {}, True),
    ("derived-not-a-service", {"Bool": {"aws:PrincipalIsAWSService": "false"}}, {}, True),
    (
        "derived-keys-of-numbers-and-booleans",
        {"StringEquals": {KEY: "true", "ex:n": "5"}},
        {KEY: True, "ex:n": 5},
        True,
    ),
    ("given-wins-over-derived", {"StringEquals": {"aws:username": "bob"}}, {"aws:UserName": "bob"}, True),
]


@pytest.mark.parametrize(
    ("block", "context", "expected"), [case[1:] for case in BLOCK_CASES], ids=[case[0] for case in BLOCK_CASES]
)
def test_block(block: dict[str, Any], context: dict[str, Any], expected: bool) -> None:
    assert verdict(block, context) is expected


def test_rule_16_before_2012_a_variable_is_text() -> None:
    block = {"StringEquals": {KEY: "${aws:username}"}}
    assert verdict(block, {KEY: "alice"}, version="2008-10-17") is False
    assert verdict(block, {KEY: "${aws:username}"}, version="2008-10-17") is True


UNKNOWN_CASES: list[tuple[str, dict[str, Any], dict[str, Any], bool | None]] = [
    ("positive", {"StringEquals": {KEY: "a"}}, {}, None),
    ("negated", {"StringNotEquals": {KEY: "a"}}, {}, None),
    ("if-exists", {"StringEqualsIfExists": {KEY: "a"}}, {}, None),
    ("null", {"Null": {KEY: "true"}}, {}, None),
    ("for-all-values", {"ForAllValues:StringEquals": {KEY: "a"}}, {}, None),
    ("variable-that-may-match", {"StringEquals": {KEY: "${ex:v}"}}, {KEY: "a"}, None),
    ("variable-that-cannot", {"StringLike": {KEY: "x${ex:v}"}}, {KEY: "a"}, False),
    ("variable-negated-that-cannot", {"StringNotLike": {KEY: "x${ex:v}"}}, {KEY: "a"}, None),
    ("known-false-beside-unknown", {"StringEquals": {KEY: "a", "ex:other": "b"}}, {KEY: "x"}, False),
    ("known-absent", {"StringEquals": {KEY: "a"}}, {KEY: None}, False),
]


@pytest.mark.parametrize(
    ("block", "context", "expected"),
    [case[1:] for case in UNKNOWN_CASES],
    ids=[f"rule-18-{case[0]}" for case in UNKNOWN_CASES],
)
def test_unknown_context(block: dict[str, Any], context: dict[str, Any], expected: bool | None) -> None:
    assert verdict(block, context, unknown=True) is expected


def test_tags_that_are_known_leave_no_tag_unknown() -> None:
    known = Context({}, principal=ALICE, resource_account="111111111111", resource_tags={"team": "red"}, unknown=True)
    assert known.get("aws:ResourceTag/Team") == ("red",)
    assert known.get("aws:ResourceTag/other") is None


def test_a_session_has_its_role_as_principal_arn_and_no_username() -> None:
    known = Context({}, principal=SESSION, resource_account=None, unknown=True)
    assert known.get("aws:PrincipalArn") == ("arn:aws:iam::111111111111:role/App",)
    assert known.get("aws:username") is None


NEGATIONS = {
    "StringEquals": "StringNotEquals",
    "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
    "StringLike": "StringNotLike",
    "ArnLike": "ArnNotLike",
    "ArnEquals": "ArnNotEquals",
}
TEXTS = st.text(alphabet="ab*?:", max_size=5)


@settings(deadline=None)
@given(st.sampled_from(sorted(NEGATIONS)), st.lists(TEXTS, max_size=3), st.none() | TEXTS)
def test_a_negated_operator_is_the_opposite_also_of_an_absent_key(
    operator: str, values: list[str], value: str | None
) -> None:
    context = Context({KEY: value}, principal=ALICE, resource_account=None)

    def says(name: str) -> bool | None:
        return holds(Condition(name, KEY, tuple(values)), context, variables=False)

    assert says(operator) is not says(NEGATIONS[operator])


@settings(deadline=None)
@given(st.sampled_from(sorted(OPERATORS)), st.lists(TEXTS, max_size=3), st.lists(TEXTS, min_size=1, max_size=3))
def test_for_any_value_holds_where_for_all_values_does_and_there_are_values(
    operator: str, values: list[str], given_values: list[str]
) -> None:
    context = Context({KEY: given_values}, principal=ALICE, resource_account=None)
    every = holds(Condition(operator, KEY, tuple(values), "ForAllValues"), context, variables=False)
    some = holds(Condition(operator, KEY, tuple(values), "ForAnyValue"), context, variables=False)
    assert some or not every
