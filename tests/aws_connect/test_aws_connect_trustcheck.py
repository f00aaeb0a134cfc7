"""A trust policy, as one caller meets it; compared with the strict emulator's own judgement."""

import json
from typing import Any

import pytest
from aws_connect_kit import EXTERNAL_ID, OWN_ACCOUNT, World, trust_document
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.aws.broker import CallerIdentity
from trailwarden.aws.trust import trust_policy, trusted_principal
from trailwarden.aws.trustcheck import TrustReading, read_trust
from trailwarden.errors import AccessDenied

USER = CallerIdentity(OWN_ACCOUNT, f"arn:aws:iam::{OWN_ACCOUNT}:user/trailwarden", "AIDAEXAMPLE")
SESSION = CallerIdentity(OWN_ACCOUNT, f"arn:aws:sts::{OWN_ACCOUNT}:assumed-role/runner/host", "AROAEXAMPLE:host")
SSO = CallerIdentity(
    OWN_ACCOUNT, f"arn:aws:sts::{OWN_ACCOUNT}:assumed-role/AWSReservedSSO_Audit_0123456789abcdef/jo", "AROAEXAMPLE:jo"
)


def lets_in(reading: TrustReading) -> bool:
    return not reading.denied_by and any(
        statement.external_id != "differs" and not statement.failed and not statement.unknown
        for statement in reading.naming_us
    )


@pytest.mark.parametrize(
    ("principal", "caller", "naming"),
    [
        (USER.arn, USER, "principal"),
        ([f"arn:aws:iam::{OWN_ACCOUNT}:user/other", USER.arn], USER, "principal"),
        (f"arn:aws:iam::{OWN_ACCOUNT}:user/other", USER, "nobody"),
        (f"arn:aws:iam::{OWN_ACCOUNT}:role/trailwarden", USER, "nobody"),
        (f"arn:aws:iam::{OWN_ACCOUNT}:root", USER, "account"),
        (OWN_ACCOUNT, USER, "account"),
        ("999999999999", USER, "nobody"),
        ("*", USER, "anyone"),
        (f"arn:aws:iam::{OWN_ACCOUNT}:role/runner", SESSION, "principal"),
        (f"arn:aws:iam::{OWN_ACCOUNT}:role/a/path/runner", SESSION, "principal"),
        ("arn:aws:iam::999999999999:role/runner", SESSION, "nobody"),
        (f"arn:aws:sts::{OWN_ACCOUNT}:assumed-role/runner/host", SESSION, "principal"),
        (f"arn:aws:sts::{OWN_ACCOUNT}:assumed-role/runner/other", SESSION, "nobody"),
        (f"arn:aws:iam::{OWN_ACCOUNT}:user/runner", SESSION, "nobody"),
        ("AROAEXAMPLEID1234567", SESSION, "nobody"),
        ("arn:not:enough", SESSION, "nobody"),
    ],
)
def test_how_the_caller_is_named(principal: Any, caller: CallerIdentity, naming: str) -> None:
    (statement,) = read_trust(trust_document(principal), caller, EXTERNAL_ID).statements
    assert statement.naming == naming


@pytest.mark.parametrize(
    ("statement", "naming"),
    [
        ({"Principal": "*"}, "anyone"),
        ({"Principal": {"AWS": "*"}}, "anyone"),
        ({"NotPrincipal": {"AWS": "999999999999"}}, "anyone"),
        ({"NotPrincipal": {"AWS": USER.arn}}, "nobody"),
    ],
)
def test_everyone(statement: dict[str, Any], naming: str) -> None:
    document = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", **statement}}
    (read,) = read_trust(document, USER, EXTERNAL_ID).statements
    assert read.naming == naming


@pytest.mark.parametrize(
    ("action", "covered"),
    [
        ("sts:AssumeRole", True),
        ("STS:assumerole", True),
        ("sts:*", True),
        ("*", True),
        ("sts:Assume*", True),
        (["sts:TagSession", "sts:AssumeRole"], True),
        ("sts:AssumeRoleWithSAML", False),
        ("sts:TagSession", False),
    ],
)
def test_which_statements_are_about_assuming_the_role(action: Any, covered: bool) -> None:
    reading = read_trust(trust_document(Action=action), USER, EXTERNAL_ID)
    assert bool(reading.statements) is covered


def test_services_and_identity_providers_are_no_principals_of_ours() -> None:
    document = {
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}},
            {"Effect": "Allow", "Action": "sts:AssumeRoleWithSAML", "Principal": {"Federated": "arn:aws:iam::1:saml"}},
        ]
    }
    assert read_trust(document, USER, EXTERNAL_ID).statements == ()


@pytest.mark.parametrize(
    ("condition", "demand"),
    [
        ({}, "absent"),
        ({"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}, "matches"),
        ({"StringEquals": {"STS:externalid": EXTERNAL_ID}}, "matches"),
        ({"StringEquals": {"sts:ExternalId": ["x", EXTERNAL_ID]}}, "matches"),
        ({"StringEquals": {"sts:ExternalId": "x"}}, "differs"),
        ({"StringEquals": {"sts:ExternalId": EXTERNAL_ID.upper()}}, "differs"),
        ({"StringEqualsIgnoreCase": {"sts:ExternalId": EXTERNAL_ID.upper()}}, "matches"),
        ({"StringLike": {"sts:ExternalId": EXTERNAL_ID[:5] + "*"}}, "matches"),
        ({"StringLike": {"sts:ExternalId": "*"}}, "absent"),
        ({"StringEqualsIfExists": {"sts:ExternalId": EXTERNAL_ID}}, "absent"),
        ({"StringNotEquals": {"sts:ExternalId": "x"}}, "absent"),
        ({"StringNotEquals": {"sts:ExternalId": EXTERNAL_ID}}, "differs"),
        ({"Null": {"sts:ExternalId": "true"}}, "differs"),
        ({"Null": {"sts:ExternalId": "false"}}, "absent"),
        ({"ForAnyValue:StringEquals": {"sts:ExternalId": EXTERNAL_ID}}, "matches"),
        (
            {"StringEquals": {"sts:ExternalId": "x"}, "StringLike": {"sts:ExternalId": EXTERNAL_ID[:3] + "*"}},
            "differs",
        ),
    ],
)
def test_what_is_demanded_of_the_external_id(condition: dict[str, Any], demand: str) -> None:
    (statement,) = read_trust(trust_document(Condition=condition), USER, EXTERNAL_ID).statements
    assert statement.external_id == demand


@pytest.mark.parametrize(
    ("caller", "condition", "failed", "unknown"),
    [
        (USER, {"StringEquals": {"aws:PrincipalAccount": OWN_ACCOUNT}}, 0, 0),
        (USER, {"StringEquals": {"aws:PrincipalAccount": "999999999999"}}, 1, 0),
        (USER, {"StringNotEquals": {"aws:PrincipalAccount": OWN_ACCOUNT}}, 1, 0),
        (USER, {"ArnEquals": {"aws:PrincipalArn": USER.arn}}, 0, 0),
        (USER, {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OWN_ACCOUNT}:user/trail*"}}, 0, 0),
        (USER, {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OWN_ACCOUNT}:user/other"}}, 1, 0),
        (USER, {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, 0, 1),
        (USER, {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, 0, 1),
        (USER, {"Bool": {"aws:MultiFactorAuthPresent": "true"}}, 0, 1),
        (USER, {"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}, 0, 1),
        (SESSION, {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{OWN_ACCOUNT}:role/runner"}}, 0, 0),
        (SESSION, {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{OWN_ACCOUNT}:role/a/path/runner"}}, 0, 1),
        (SESSION, {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{OWN_ACCOUNT}:role/other"}}, 1, 0),
        (SESSION, {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::999999999999:role/runner"}}, 1, 0),
    ],
)
def test_other_conditions_are_met_not_met_or_unknown(
    caller: CallerIdentity, condition: dict[str, Any], failed: int, unknown: int
) -> None:
    document = trust_document(f"arn:aws:iam::{OWN_ACCOUNT}:root", Condition=condition)
    (statement,) = read_trust(document, caller, EXTERNAL_ID).statements
    assert (len(statement.failed), len(statement.unknown)) == (failed, unknown)


def test_a_deny_that_is_for_those_without_the_external_id_is_not_for_us() -> None:
    document = trust_document()
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}
    document["Statement"].append({**deny, "Condition": {"StringNotEquals": {"sts:ExternalId": EXTERNAL_ID}}})
    assert lets_in(read_trust(document, USER, EXTERNAL_ID))
    assert read_trust(document, USER, "another").denied_by == ("statement 2",)
    document["Statement"].append(deny)
    assert read_trust(document, USER, EXTERNAL_ID).denied_by == ("statement 3",)


@pytest.mark.parametrize("caller", [USER, SESSION])
@pytest.mark.parametrize("purpose", ["read", "respond"])
def test_what_this_program_prints_lets_it_in(caller: CallerIdentity, purpose: Any) -> None:
    reading = read_trust(trust_policy(trusted_principal(caller.arn), EXTERNAL_ID, purpose=purpose), caller, EXTERNAL_ID)
    assert lets_in(reading)
    assert reading.without_external_id == ()


def test_roles_of_identity_center_have_a_path_that_is_known() -> None:
    policy = trust_policy(trusted_principal(SSO.arn), EXTERNAL_ID)
    assert lets_in(read_trust(policy, SSO, EXTERNAL_ID))
    condition, sso = policy["Statement"][0]["Condition"], "role/aws-reserved/sso.amazonaws.com"
    for pattern, failed, unknown in (
        (f"{sso}/eu-north-1/AWSReservedSSO_Audit_*", 0, 1),
        (f"{sso}/eu-north-1/AWSReservedSSO_Other_*", 1, 0),
        (f"{sso}*/AWSReservedSSO_Other_*", 1, 0),
    ):
        condition["ArnLike"] = {"aws:PrincipalArn": f"arn:aws:iam::{OWN_ACCOUNT}:{pattern}"}
        (statement,) = read_trust(policy, SSO, EXTERNAL_ID).naming_us
        assert (len(statement.failed), len(statement.unknown)) == (failed, unknown), pattern


CONDITIONS = st.lists(
    st.sampled_from(
        [
            ("StringEquals", "sts:ExternalId", EXTERNAL_ID),
            ("StringEquals", "sts:ExternalId", "another"),
            ("StringLike", "sts:ExternalId", "a-*"),
            ("StringNotEquals", "sts:ExternalId", "another"),
            ("StringEqualsIfExists", "sts:ExternalId", "another"),
            ("Null", "sts:ExternalId", "false"),
            ("StringEquals", "aws:PrincipalAccount", OWN_ACCOUNT),
            ("StringNotEquals", "aws:PrincipalAccount", OWN_ACCOUNT),
            ("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{OWN_ACCOUNT}:user/*"),
        ]
    ),
    max_size=3,
)
PRINCIPALS = st.sampled_from([USER.arn, OWN_ACCOUNT, "*", f"arn:aws:iam::{OWN_ACCOUNT}:root", "999999999999"])
STATEMENTS = st.lists(st.tuples(st.sampled_from(["Allow", "Allow", "Deny"]), PRINCIPALS, CONDITIONS), max_size=3)


def build(statements: list[tuple[str, str, list[tuple[str, str, str]]]]) -> dict[str, Any]:
    document: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
    for effect, principal, conditions in statements:
        block: dict[str, dict[str, str]] = {}
        for operator, key, value in conditions:
            block.setdefault(operator, {})[key] = value
        entry = {"Effect": effect, "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
        document["Statement"].append({**entry, "Condition": block} if block else entry)
    return document


@given(statements=STATEMENTS)
def test_conditions_and_principals_in_any_mix_are_read_without_failing(statements: Any) -> None:
    reading = read_trust(build(statements), USER, EXTERNAL_ID)
    assert len(reading.statements) + len(reading.denied_by) <= len(statements)


def test_the_reading_agrees_with_the_emulators_independent_evaluator(world: World) -> None:
    """Forty mixed trust policies, each tried for real."""
    iam = world.admin("222222222222").client("iam")
    connection = world.connect(world.role("222222222222"))
    cases = [
        [(effect, principal, [condition]), ("Allow", other, [("StringEquals", "sts:ExternalId", EXTERNAL_ID)])]
        for effect in ("Allow", "Deny")
        for principal, other in ((USER.arn, "999999999999"), ("999999999999", USER.arn))
        for condition in (
            ("StringEquals", "sts:ExternalId", EXTERNAL_ID),
            ("StringEquals", "sts:ExternalId", "another"),
            ("StringLike", "sts:ExternalId", "a-*"),
            ("StringNotEquals", "sts:ExternalId", "another"),
            ("StringNotEquals", "sts:ExternalId", EXTERNAL_ID),
            ("StringEqualsIfExists", "sts:ExternalId", "another"),
            ("Null", "sts:ExternalId", "false"),
            ("Null", "sts:ExternalId", "true"),
            ("StringNotEquals", "aws:PrincipalAccount", OWN_ACCOUNT),
            ("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{OWN_ACCOUNT}:user/*"),
        )
    ]
    for case in cases:
        document = build(case)
        iam.update_assume_role_policy(RoleName="Trailwarden", PolicyDocument=json.dumps(document))
        assert lets_in(read_trust(document, USER, EXTERNAL_ID)) is may_assume(world, connection), document


def may_assume(world: World, connection: Any) -> bool:
    try:
        world.broker.assume(connection)
    except AccessDenied:
        return False
    return True
