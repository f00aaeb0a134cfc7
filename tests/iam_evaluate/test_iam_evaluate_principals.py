"""Who a principal is, and which entries of a Principal element mean them (rules 6 and 10)."""

from typing import Any

import msgspec
import pytest
from iam_evaluate_kit import document

from trailwarden.errors import UsageError
from trailwarden.iam import Decision, Policies, Request, RequestPrincipal, authorize, parse_principal
from trailwarden.iam.evaluate import immutable
from trailwarden.iam.principals import Grade, grade_of
from trailwarden.model.policy import PrincipalPattern

PARSED: list[tuple[str, str, str | None, str | None]] = [
    ("arn:aws:iam::111111111111:user/team/alice", "user", "111111111111", "alice"),
    ("arn:aws:iam::111111111111:role/App", "role", "111111111111", "App"),
    ("arn:aws:sts::111111111111:assumed-role/App/run-1", "role_session", "111111111111", "App"),
    ("arn:aws-cn:sts::111111111111:federated-user/alice", "federated_user", "111111111111", "alice"),
    ("arn:aws:iam::111111111111:root", "root", "111111111111", None),
    ("111111111111", "root", "111111111111", None),
    ("ec2.amazonaws.com", "service", None, None),
    ("logs.eu-west-1.amazonaws.com", "service", None, None),
    ("s3.amazonaws.com.cn", "service", None, None),
    ("cognito-identity.amazonaws.com", "federated", None, None),
    ("arn:aws:iam::111111111111:saml-provider/Okta", "federated", "111111111111", "Okta"),
    ("arn:aws:identitystore::111111111111:user/a1b2", "identity_center", "111111111111", "a1b2"),
    ("anonymous", "anonymous", None, None),
    ("*", "anonymous", None, None),
]


@pytest.mark.parametrize(("text", "kind", "account", "name"), PARSED, ids=[each[0] for each in PARSED])
def test_a_principal_is_recognized(text: str, kind: str, account: str | None, name: str | None) -> None:
    principal = parse_principal(text)
    assert (principal.kind, principal.account, principal.name) == (kind, account, name)


@pytest.mark.parametrize(
    "text", ["alice", "", "arn:aws:iam::111111111111:group/readers", "arn:aws:s3:::data", "example.com"]
)
def test_what_is_no_principal_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_principal(text)


def test_a_session_knows_its_role() -> None:
    session = parse_principal("arn:aws-us-gov:sts::111111111111:assumed-role/App/run-1")
    assert session.issuer == "arn:aws-us-gov:iam::111111111111:role/App"
    assert session.session_name == "run-1"
    person = parse_principal(
        "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/jo@example.com"
    )
    assert person.issuer == (
        "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef"
    )


USER = RequestPrincipal(
    arn="arn:aws:iam::111111111111:user/alice", kind="user", account="111111111111", id="AIDAEXAMPLE0000000001"
)
SESSION = RequestPrincipal(
    arn="arn:aws:sts::111111111111:assumed-role/App/run-1",
    kind="role_session",
    account="111111111111",
    id="AROAEXAMPLE0000000001:run-1",
    issuer="arn:aws:iam::111111111111:role/teams/App",
)
ROLE = RequestPrincipal(arn="arn:aws:iam::111111111111:role/teams/App", kind="role", account="111111111111")
FEDERATED = RequestPrincipal(
    arn="arn:aws:sts::111111111111:federated-user/kiosk",
    kind="federated_user",
    account="111111111111",
    issuer="arn:aws:iam::111111111111:user/alice",
)
BUCKET_OWNER = RequestPrincipal(arn="arn:aws:iam::222222222222:root", kind="root", account="222222222222", id="79a59d")
SERVICE = parse_principal("ec2.amazonaws.com")
GRADES: list[tuple[str, RequestPrincipal, str, str, Grade]] = [
    ("user-by-arn", USER, "AWS", "arn:aws:iam::111111111111:user/alice", Grade.DIRECT),
    ("user-by-id", USER, "AWS", "AIDAEXAMPLE0000000001", Grade.DIRECT),
    ("user-by-another-id", USER, "AWS", "AIDAEXAMPLE0000000002", Grade.NONE),
    ("user-by-case", USER, "AWS", "arn:aws:iam::111111111111:user/Alice", Grade.NONE),
    ("user-by-account", USER, "AWS", "111111111111", Grade.ACCOUNT),
    ("user-by-root", USER, "AWS", "arn:aws:iam::111111111111:root", Grade.ACCOUNT),
    ("user-by-another-account", USER, "AWS", "222222222222", Grade.NONE),
    ("user-as-a-service", USER, "Service", "ec2.amazonaws.com", Grade.NONE),
    ("user-by-everyone", USER, "*", "*", Grade.DIRECT),
    ("user-as-federated-star", USER, "Federated", "*", Grade.NONE),
    ("session-by-arn", SESSION, "AWS", "arn:aws:sts::111111111111:assumed-role/App/run-1", Grade.DIRECT),
    ("session-by-another-session", SESSION, "AWS", "arn:aws:sts::111111111111:assumed-role/App/run-2", Grade.NONE),
    ("session-by-role", SESSION, "AWS", "arn:aws:iam::111111111111:role/teams/App", Grade.ISSUER),
    ("session-by-role-id", SESSION, "AWS", "AROAEXAMPLE0000000001", Grade.ISSUER),
    ("session-by-role-of-another-account", SESSION, "AWS", "arn:aws:iam::222222222222:role/teams/App", Grade.NONE),
    ("session-by-a-user-of-its-role's-name", SESSION, "AWS", "arn:aws:iam::111111111111:user/App", Grade.NONE),
    ("role-by-arn", ROLE, "AWS", "arn:aws:iam::111111111111:role/teams/App", Grade.ISSUER),
    ("role-by-a-session", ROLE, "AWS", "arn:aws:sts::111111111111:assumed-role/App/run-1", Grade.NONE),
    ("federated-by-arn", FEDERATED, "AWS", "arn:aws:sts::111111111111:federated-user/kiosk", Grade.DIRECT),
    ("federated-by-user", FEDERATED, "AWS", "arn:aws:iam::111111111111:user/alice", Grade.ISSUER),
    ("root-by-account", BUCKET_OWNER, "AWS", "222222222222", Grade.DIRECT),
    ("canonical-user", BUCKET_OWNER, "CanonicalUser", "79a59d", Grade.DIRECT),
    ("another-canonical-user", BUCKET_OWNER, "CanonicalUser", "79a59e", Grade.NONE),
    ("service-by-name", SERVICE, "Service", "ec2.amazonaws.com", Grade.DIRECT),
    ("service-by-another-name", SERVICE, "Service", "lambda.amazonaws.com", Grade.NONE),
    ("service-by-everyone", SERVICE, "AWS", "*", Grade.DIRECT),
    ("service-as-federated", SERVICE, "Federated", "ec2.amazonaws.com", Grade.NONE),
]


@pytest.mark.parametrize(
    ("principal", "kind", "value", "grade"), [each[1:] for each in GRADES], ids=[each[0] for each in GRADES]
)
def test_how_an_entry_means_the_caller(principal: RequestPrincipal, kind: str, value: str, grade: Grade) -> None:
    assert grade_of([PrincipalPattern(kind, value)], principal) is grade


def test_of_several_entries_the_closest_counts() -> None:
    entries = [PrincipalPattern("AWS", "111111111111"), PrincipalPattern("AWS", USER.arn)]
    assert grade_of(entries, USER) is Grade.DIRECT
    assert grade_of([], USER) is Grade.NONE


def decide(principal: Any, **policies: Any) -> Decision:
    return authorize(
        Request("s3:GetObject", "arn:aws:s3:::data/a", principal, resource_account="111111111111"), Policies(**policies)
    )


def test_a_federated_user_named_by_its_user_stays_within_its_session_policy() -> None:
    resource = document(
        [{"Effect": "Allow", "Principal": {"AWS": FEDERATED.issuer}, "Action": "s3:*", "Resource": "*"}]
    )
    session = document([["Allow", "ec2:*", "*"]])
    assert decide(FEDERATED, resource=resource, session=session).blocked_by == ("session",)
    assert decide(FEDERATED, resource=resource).effect == "Allowed"


def test_a_federated_user_is_its_own_principal_arn() -> None:
    condition = {"ArnEquals": {"aws:PrincipalArn": FEDERATED.arn}}
    identity = document([{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}])
    assert decide(FEDERATED, identity=identity).effect == "Allowed"


def test_the_unique_id_is_the_user_id() -> None:
    condition = {"StringLike": {"aws:userid": "AROAEXAMPLE0000000001:*"}}
    identity = document([{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}])
    assert decide(SESSION, identity=identity).effect == "Allowed"
    assert decide(USER, identity=identity).effect == "ImplicitlyDenied"


def test_tags_of_the_caller_and_of_the_resource_meet_in_a_condition() -> None:
    condition = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    identity = [document([{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}])]

    def effect(mine: str, its: str) -> str:
        request = Request(
            "s3:GetObject", "arn:aws:s3:::data/a", USER.arn, resource_tags={"team": its}, principal_tags={"Team": mine}
        )
        return authorize(request, Policies(identity)).effect

    assert effect("red", "red") == "Allowed"
    assert effect("red", "blue") == "ImplicitlyDenied"


def test_nothing_known_of_the_context() -> None:
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    identity = [document([{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}])]
    request = Request("s3:GetObject", "arn:aws:s3:::data/a", USER.arn, context=None)
    assert authorize(request, Policies(identity)).unknown == ("aws:MultiFactorAuthPresent",)
    told = Request("s3:GetObject", "arn:aws:s3:::data/a", USER.arn, context={"aws:multifactorauthpresent": True})
    assert authorize(told, Policies(identity)).certain


def test_a_decision_is_data() -> None:
    condition = {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}
    identity = [document([{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}])]
    decision = authorize(Request("s3:GetObject", "arn:aws:s3:::data/a", USER, context=None), Policies(identity))
    assert msgspec.json.decode(msgspec.json.encode(decision.conditional)) == [
        {
            "type": "Holds",
            "statement": {
                "source": {"kind": "identity_inline", "name": "#1", "arn": None, "holder": None},
                "index": 0,
                "sid": None,
                "effect": "Allow",
            },
            "conditions": [
                {
                    "operator": "IpAddress",
                    "key": "aws:SourceIp",
                    "values": ["198.51.100.0/24"],
                    "qualifier": None,
                    "if_exists": False,
                }
            ],
            "resources": [],
        }
    ]


OWNERS = [
    ("arn:aws:sqs:eu-west-1:222222222222:orders", None, ("resource",)),
    ("arn:aws:sqs:eu-west-1:111111111111:orders", None, ()),
    ("arn:aws:sqs:eu-west-1:111111111111:orders", "222222222222", ("resource",)),
    ("arn:aws:s3:::data", None, ()),
    ("arn:aws:iam::aws:policy/ReadOnlyAccess", None, ()),
    ("*", None, ()),
]


@pytest.mark.parametrize(("resource", "account", "blocked_by"), OWNERS)
def test_whose_the_resource_is(resource: str, account: str | None, blocked_by: tuple[str, ...]) -> None:
    request = Request("sqs:SendMessage", resource, USER, resource_account=account)
    assert authorize(request, Policies(document([["Allow", "*", "*"]]))).blocked_by == blocked_by


def test_what_belongs_to_aws_is_told_whatever_the_case_of_the_action() -> None:
    assert immutable("iam:PutRolePolicy", "arn:aws:iam::111111111111:role/aws-service-role/x.amazonaws.com/X")
    assert not immutable("iam:GetRole", "arn:aws:iam::111111111111:role/aws-service-role/x.amazonaws.com/X")


def test_an_action_without_service_is_refused() -> None:
    with pytest.raises(UsageError):
        Request("GetObject", "*", "arn:aws:iam::111111111111:user/alice")
