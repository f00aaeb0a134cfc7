"""Policy documents and accounts: read as tolerantly as AWS writes them, refused exactly, lost never."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trailwarden.errors import UsageError
from trailwarden.model.policy import (
    Condition,
    IamRole,
    Policy,
    PolicyError,
    PolicyKind,
    PolicySource,
    PrincipalPattern,
    UnreadablePolicy,
    parse_authorization_details,
    parse_policy,
)

INLINE = PolicySource(kind="identity_inline", name="app")
TRUST = PolicySource(kind="trust", name="App")


def read(document: Any, kind: PolicyKind = "identity_inline") -> Policy:
    return parse_policy(document, source=PolicySource(kind=kind, name="app"))


def test_single_values_and_a_single_statement_stand_for_lists() -> None:
    one = read({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
    many = read({"Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]})
    assert one == many
    assert one.version == "2008-10-17"
    assert not one.variables
    assert one.statements[0].not_actions is None


@pytest.mark.parametrize("encode", [json.dumps, lambda document: quote(json.dumps(document))], ids=["json", "url"])
def test_text_is_read_as_the_api_sends_it(encode: Any) -> None:
    document = {
        "Version": "2012-10-17",
        "Id": "x",
        "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "a%2A"}],
    }
    assert read(encode(document)) == read(document)
    assert read(encode(document)).statements[0].resources == ("a%2A",)


def test_conditions_are_taken_apart() -> None:
    block = {
        "ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a", "b"]},
        "Bool": {"aws:SecureTransport": False},
        "NumericLessThan": {"s3:max-keys": 10},
    }
    policy = read({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": block}]})
    assert policy.statements[0].conditions == (
        Condition("StringLike", "aws:TagKeys", ("a", "b"), "ForAnyValue", if_exists=True),
        Condition("Bool", "aws:SecureTransport", ("false",)),
        Condition("NumericLessThan", "s3:max-keys", ("10",)),
    )
    assert [each.written for each in policy.statements[0].conditions] == list(block)


def test_principals_keep_their_type() -> None:
    written = {"AWS": ["111111111111", "*"], "Service": "ec2.amazonaws.com", "Federated": "accounts.google.com"}
    policy = read({"Statement": {"Effect": "Allow", "Principal": written, "Action": "sts:AssumeRole"}}, "trust")
    assert policy.statements[0].principals == (
        PrincipalPattern("AWS", "111111111111"),
        PrincipalPattern("AWS", "*"),
        PrincipalPattern("Service", "ec2.amazonaws.com"),
        PrincipalPattern("Federated", "accounts.google.com"),
    )
    anyone = read({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}}, "resource")
    assert anyone.statements[0].principals == (PrincipalPattern("*", "*"),)


def test_a_reference_names_policy_and_statement() -> None:
    policy = read({"Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "*", "Resource": "*"}]})
    assert str(policy.ref(policy.statements[0])) == "inline policy app, statement 1 (Read)"


ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
REFUSED: list[tuple[str, Any, PolicyKind, str]] = [
    ("not-json", "{", "resource", ""),
    ("nested-too-deeply", "[" * 100_000, "resource", ""),
    ("not-an-object", [], "resource", ""),
    ("json-that-is-no-object", "[]", "resource", ""),
    ("no-statement", {}, "resource", ""),
    ("statement-is-a-text", {"Statement": "all"}, "resource", "Statement"),
    ("version", {"Version": "2020-01-01", "Statement": []}, "resource", "Version"),
    ("effect-missing", {"Statement": [{"Action": "*", "Resource": "*"}]}, "identity_inline", "Statement[0].Effect"),
    ("effect-in-lower-case", {"Statement": {**ALLOW, "Effect": "allow"}}, "identity_inline", "Statement.Effect"),
    ("no-action", {"Statement": [ALLOW, {"Effect": "Allow", "Resource": "*"}]}, "identity_inline", "Statement[1]"),
    ("both-actions", {"Statement": [{**ALLOW, "NotAction": "*"}]}, "identity_inline", "Statement[0]"),
    ("both-resources", {"Statement": [{**ALLOW, "NotResource": "*"}]}, "identity_inline", "Statement[0]"),
    ("no-resource", {"Statement": [{"Effect": "Allow", "Action": "*"}]}, "identity_managed", "Statement[0]"),
    ("unknown-element", {"Statement": [{**ALLOW, "Conditions": {}}]}, "identity_inline", "Statement[0]"),
    ("element-given-twice", {"Statement": [{**ALLOW, "effect": "Deny"}]}, "identity_inline", "Statement[0]"),
    ("action-not-text", {"Statement": [{**ALLOW, "Action": ["a", 1]}]}, "identity_inline", "Statement[0].Action[1]"),
    ("principal-type", {"Statement": [{**ALLOW, "Principal": {"Role": "x"}}]}, "resource", "Statement[0].Principal"),
    (
        "operator",
        {"Statement": [{**ALLOW, "Condition": {"StringIs": {"a": "b"}}}]},
        "resource",
        "Statement[0].Condition.StringIs",
    ),
    (
        "qualifier",
        {"Statement": [{**ALLOW, "Condition": {"ForSome:StringEquals": {"a": "b"}}}]},
        "resource",
        "Statement[0].Condition.ForSome:StringEquals",
    ),
    (
        "null-if-exists",
        {"Statement": [{**ALLOW, "Condition": {"NullIfExists": {"a": "true"}}}]},
        "resource",
        "Statement[0].Condition.NullIfExists",
    ),
    (
        "condition-value",
        {"Statement": [{**ALLOW, "Condition": {"StringEquals": {"a": None}}}]},
        "resource",
        "Statement[0].Condition.StringEquals.a",
    ),
]


@pytest.mark.parametrize(
    ("document", "kind", "position"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_aws_would_refuse_is_refused_with_its_position(document: Any, kind: PolicyKind, position: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read(document, kind)
    assert caught.value.position == position
    assert "app" in caught.value.message
    assert caught.value.remedy


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Statement", "Effect", "Action", "Principal", "Condition", "StringEquals", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_any_json_is_read_or_refused(document: Any) -> None:
    try:
        parsed = read(json.dumps(document), "resource")
    except PolicyError:
        return
    assert parsed.statements == read(document, "resource").statements


CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
READ_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
LIMIT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
TRUST_EC2 = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}


def managed(name: str, document: Any, account: str = "111111111111") -> dict[str, Any]:
    return {
        "PolicyName": name,
        "PolicyId": "ANPAEXAMPLE0000000001",
        "Arn": f"arn:aws:iam::{account}:policy/{name}",
        "Path": "/",
        "DefaultVersionId": "v2",
        "AttachmentCount": 1,
        "PermissionsBoundaryUsageCount": 0,
        "CreateDate": CREATED,
        "PolicyVersionList": [
            {"VersionId": "v1", "IsDefaultVersion": False, "Document": {"Statement": []}},
            {"VersionId": "v2", "IsDefaultVersion": True, "Document": document},
        ],
    }


PAGES: list[dict[str, Any]] = [
    {
        "UserDetailList": [
            {
                "Path": "/",
                "UserName": "alice",
                "UserId": "AIDAEXAMPLE0000000001",
                "Arn": "arn:aws:iam::111111111111:user/alice",
                "CreateDate": CREATED,
                "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": READ_ALL}],
                "GroupList": ["readers", "gone"],
                "AttachedManagedPolicies": [],
                "Tags": [{"Key": "team", "Value": "red"}],
                "PermissionsBoundary": {
                    "PermissionsBoundaryType": "Policy",
                    "PermissionsBoundaryArn": "arn:aws:iam::111111111111:policy/limit",
                },
            }
        ],
        "GroupDetailList": [
            {
                "Path": "/",
                "GroupName": "readers",
                "GroupId": "AGPAEXAMPLE0000000001",
                "Arn": "arn:aws:iam::111111111111:group/readers",
                "CreateDate": CREATED,
                "GroupPolicyList": [{"PolicyName": "list", "PolicyDocument": quote(json.dumps(READ_ALL))}],
                "AttachedManagedPolicies": [
                    {"PolicyName": "ReadOnlyAccess", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
                ],
            }
        ],
        "IsTruncated": True,
        "Marker": "next",
    },
    {
        "RoleDetailList": [
            {
                "Path": "/aws-service-role/ecs.amazonaws.com/",
                "RoleName": "AWSServiceRoleForECS",
                "RoleId": "AROAEXAMPLE0000000001",
                "Arn": "arn:aws:iam::111111111111:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
                "CreateDate": "2026-01-02T03:04:05+00:00",
                "AssumeRolePolicyDocument": TRUST_EC2,
                "InstanceProfileList": [{"Arn": "arn:aws:iam::111111111111:instance-profile/ecs"}],
                "RolePolicyList": [{"PolicyName": "odd", "PolicyDocument": {"Statement": "?"}}],
                "AttachedManagedPolicies": [
                    {"PolicyName": "missing", "PolicyArn": "arn:aws:iam::111111111111:policy/missing"}
                ],
                "RoleLastUsed": {"LastUsedDate": "2026-11-01T00:00:00Z", "Region": "eu-west-1"},
            }
        ],
        "Policies": [managed("limit", LIMIT), managed("ReadOnlyAccess", READ_ALL, account="aws")],
        "IsTruncated": False,
    },
]
ROLE_ARN = "arn:aws:iam::111111111111:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"


def test_an_account_is_read_from_its_pages() -> None:
    account = parse_authorization_details(PAGES)
    assert account.account == "111111111111"
    assert account.complete
    alice = account.users["arn:aws:iam::111111111111:user/alice"]
    assert alice.tags == {"team": "red"}
    assert [policy.source.name for policy in account.identity_policies(alice)] == ["own", "list", "ReadOnlyAccess"]
    assert [policy.source.kind for policy in account.identity_policies(alice)] == [
        "identity_inline",
        "group_inline",
        "group_managed",
    ]
    boundary = account.boundary_of(alice)
    assert boundary is not None
    assert (boundary.source.kind, boundary.source.holder) == ("boundary", alice.arn)
    assert boundary.statements == parse_policy(LIMIT, source=INLINE).statements
    assert account.policies["arn:aws:iam::aws:policy/ReadOnlyAccess"].aws_managed


def test_roles_keep_trust_use_and_owner() -> None:
    account = parse_authorization_details(PAGES)
    role = account.roles[ROLE_ARN]
    assert isinstance(role, IamRole)
    assert role.service_linked
    assert not role.reserved
    assert role.created == CREATED
    assert role.last_used == datetime(2026, 11, 1, tzinfo=UTC)
    assert role.trust is not None
    assert role.trust.statements == parse_policy(TRUST_EC2, source=TRUST).statements
    assert role.instance_profiles == ("arn:aws:iam::111111111111:instance-profile/ecs",)


def test_what_is_not_known_is_said_not_left_out() -> None:
    account = parse_authorization_details(PAGES)
    alice, role = account.principals()
    assert account.unknown_to(alice) == ("group gone",)
    assert account.unknown_to(role) == ("arn:aws:iam::111111111111:policy/missing", "inline policy odd")
    [unreadable] = account.unreadable
    assert unreadable == UnreadablePolicy(
        PolicySource(kind="identity_inline", name="odd", holder=ROLE_ARN), unreadable.reason
    )
    assert "Statement" in unreadable.reason


def test_a_managed_policy_that_cannot_be_read_is_unknown_to_who_has_it() -> None:
    pages = [PAGES[0], {"Policies": [managed("limit", {"Statement": "?"})]}]
    account = parse_authorization_details(pages)
    [alice] = account.principals()
    assert account.boundary_of(alice) is None
    assert "arn:aws:iam::111111111111:policy/limit" in account.unknown_to(alice)
    assert [str(each.source) for each in account.unreadable] == ["managed policy limit"]


def test_pages_that_end_early_are_incomplete() -> None:
    assert not parse_authorization_details(PAGES[:1]).complete
    assert parse_authorization_details(PAGES[:1]).unknown_to(
        next(iter(parse_authorization_details(PAGES[:1]).principals()))
    ) == ("arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::111111111111:policy/limit", "group gone")


@pytest.mark.parametrize(
    "pages",
    [
        [{"Reservations": []}],
        [["UserDetailList"]],
        [{"UserDetailList": [{"UserName": "alice"}]}],
        [{"UserDetailList": ["alice"]}],
        [PAGES[0], {"Policies": [managed("other", LIMIT, account="222222222222")]}],
    ],
    ids=["another-answer", "no-object", "fields-missing", "entry-is-text", "two-accounts"],
)
def test_what_is_no_account_is_refused(pages: Any) -> None:
    with pytest.raises(UsageError) as caught:
        parse_authorization_details(pages)
    assert caught.value.remedy
