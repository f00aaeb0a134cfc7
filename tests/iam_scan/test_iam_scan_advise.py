"""Advice: each change is made for real, ranked by what it takes off the score, with what would break."""

import json
from typing import Any

import pytest
from iam_scan_kit import (
    ACCOUNT,
    ADMINISTRATOR,
    ADMINISTRATOR_ACCESS,
    GITHUB,
    PARTNER,
    ROLE,
    USER,
    account,
    ago,
    allow,
    analyzed,
    customer,
    deny,
    document,
    group,
    managed,
    report,
    role,
    trust,
    usage,
    user,
)

from trailwarden.errors import UsageError
from trailwarden.iam.advise import statement_document
from trailwarden.model.authorization import AccessKeyUse, AuthorizationSnapshot, ServiceLastAccess
from trailwarden.model.iam_report import EscalationPath, EscalationStep, Recommendation
from trailwarden.model.policy import PolicySource, parse_policy

OBJECT = "arn:aws:s3:::reports/*"
BOSS = f"arn:aws:iam::{ACCOUNT}:role/boss"


def advice(snapshot: AuthorizationSnapshot, name: str = "subject", **more: Any) -> dict[str, Recommendation]:
    return {each.id: each for each in analyzed(snapshot, name, **more).recommendations}


def test_a_literal_action_leaves_its_statement() -> None:
    snapshot = account(roles=[role(document(allow(["s3:GetObject", "sqs:SendMessage"], Sid="Work")))])
    found = advice(snapshot)["narrow-data-exposure"]
    [before], [after] = found.before, found.after
    assert before["is"] == {
        "Sid": "Work",
        "Effect": "Allow",
        "Action": ["s3:GetObject", "sqs:SendMessage"],
        "Resource": ["*"],
    }
    assert after["is"] == [{"Sid": "Work", "Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": ["*"]}]
    assert (before["policy"], before["statement"]) == ("inline policy inline-0", 0)
    assert found.removes == 8


def test_a_wildcard_that_holds_more_gets_a_deny_beside_it() -> None:
    found = advice(account(roles=[role(document(allow("s3:*")))]))["narrow-resource-exposure"]
    [after] = found.after
    assert after["is"]["Effect"] == "Deny"
    assert "s3:PutBucketPolicy" in after["is"]["Action"]
    assert found.removes == 8


def test_a_policy_of_aws_is_not_edited() -> None:
    arn = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
    snapshot = account(roles=[role(attached=[arn])], policies=[managed(arn, document(allow("sqs:ReceiveMessage")))])
    [after] = advice(snapshot)["narrow-data-exposure"].after
    assert after == {
        "policy": "new inline policy of subject",
        "is": {"Effect": "Deny", "Action": ["sqs:ReceiveMessage"], "Resource": "*"},
    }


def test_a_shared_policy_names_who_else_is_touched() -> None:
    arn = customer("readers")
    snapshot = account(
        roles=[role(attached=[arn]), role(attached=[arn], name="other")],
        policies=[managed(arn, document(allow("s3:GetObject")))],
    )
    assert advice(snapshot)["narrow-data-exposure"].breaks == ("readers changes for other too",)


def test_what_is_in_use_stays_and_the_rest_goes() -> None:
    snapshot = account(roles=[role(document(allow(["s3:GetObject", "dynamodb:Scan"])))])
    found = advice(snapshot, used={ROLE: usage({"s3:GetObject": (OBJECT,)})})["narrow-data-exposure"]
    assert found.after[0]["is"][0]["Action"] == ["s3:GetObject"]
    assert found.breaks == ()
    assert found.rests_on == "CloudTrail of 90 days, all Regions"


def test_a_change_says_what_it_breaks() -> None:
    snapshot = account(roles=[role(attached=[ADMINISTRATOR_ACCESS])], policies=[ADMINISTRATOR])
    found = advice(snapshot, used={ROLE: usage({"s3:GetObject": (OBJECT,), "sqs:SendMessage": None})})
    detached = found["detach-administratoraccess"]
    assert detached.breaks == (f"s3:GetObject on {OBJECT}, which is in use", "sqs:SendMessage, which is in use")
    assert detached.after == {"AttachedManagedPolicies": []}
    assert found["least-privilege"].breaks == ()


def test_without_records_nothing_is_called_safe() -> None:
    snapshot = account(roles=[role(document(allow("s3:GetObject")))])
    [found] = advice(snapshot).values()
    assert "not known" in found.rests_on


def test_the_least_privilege_policy() -> None:
    snapshot = account(roles=[role(document(allow(["s3:*", "sqs:*", "ec2:Describe*"])))])
    used = usage(
        {
            "s3:GetObject": (OBJECT,),
            "s3:getobjecttagging": (OBJECT,),
            "ec2:DescribeInstances": None,
            "iam:ListRoles": None,  # refused: the role may not do it
        }
    )
    found = advice(snapshot, used={ROLE: used})["least-privilege"]
    assert found.after == document(
        {"Effect": "Allow", "Action": ["ec2:DescribeInstances"], "Resource": ["*"]},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectTagging"], "Resource": [OBJECT]},
    )
    assert found.removes == report(snapshot, used={ROLE: used}).score


def test_removes_is_what_the_score_loses_when_the_change_is_made() -> None:
    statements = [allow(["s3:GetObject", "secretsmanager:GetSecretValue"]), allow("sqs:SendMessage")]
    snapshot = account(roles=[role(document(*statements))])
    found = advice(snapshot)["narrow-secrets-exposure"]
    changed = account(roles=[role(document(*found.after[0]["is"], statements[1]))])
    assert report(snapshot).score - report(changed).score == found.removes == 12


def test_the_most_risk_comes_first() -> None:
    snapshot = account(
        roles=[role(document(allow(["s3:GetObject", "secretsmanager:GetSecretValue"])), trusts=[trust("*")])]
    )
    ranked = [(each.id, each.removes) for each in analyzed(snapshot).recommendations]
    assert ranked == [("trust-anyone", 30), ("narrow-secrets-exposure", 12), ("narrow-data-exposure", 8)]


def path() -> EscalationPath:
    step = EscalationStep(
        principal=ROLE,
        rule="ec2-run-instances",
        to=BOSS,
        actions=("ec2:RunInstances", "iam:PassRole"),
        statement=None,
    )
    return EscalationPath(id="p", to=BOSS, steps=(step,), certain=True)


def test_escalation_is_broken_at_its_first_step() -> None:
    snapshot = account(roles=[role(document(allow("ec2:RunInstances"), allow("iam:PassRole", BOSS, Sid="Pass")))])
    found = advice(snapshot, paths={ROLE: (path(),)})
    assert found["break-escalation"].removes == 45
    assert found["break-escalation"].after[0]["is"] == []
    condition = found["condition-passed-to-service"]
    assert condition.removes == 0
    assert condition.after[0]["is"] == [
        {
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": [BOSS],
            "Condition": {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com"]}},
        }
    ]


def test_passing_roles_is_parted_from_what_else_a_statement_allows() -> None:
    snapshot = account(roles=[role(document(allow(["iam:PassRole", "lambda:CreateFunction"])))])
    [after] = advice(snapshot)["condition-passed-to-service"].after
    assert [each["Action"] for each in after["is"]] == [["lambda:CreateFunction"], ["iam:PassRole"]]
    assert after["is"][1]["Condition"] == {"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com"]}}


def test_a_wildcard_that_passes_roles_gets_a_deny() -> None:
    snapshot = account(roles=[role(document(allow(["iam:P*", "lambda:CreateFunction"])))])
    [after] = advice(snapshot)["condition-passed-to-service"].after
    assert after["is"][1]["Condition"] == {"StringNotEquals": {"iam:PassedToService": ["lambda.amazonaws.com"]}}


TRUSTS: dict[str, tuple[dict[str, Any], str, dict[str, Any], int]] = {
    "anyone": (
        trust("*"),
        "trust-anyone",
        {"Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]}},
        30,
    ),
    "an External ID": (
        trust({"AWS": f"arn:aws:iam::{PARTNER}:root"}),
        "trust-without-external-id",
        {"Condition": {"StringEquals": {"sts:ExternalId": ["REPLACE-UNIQUE-VALUE-AGREED-WITH-THE-THIRD-PARTY"]}}},
        16,
    ),
    "a subject": (
        trust(
            {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"},
            "sts:AssumeRoleWithWebIdentity",
            StringEquals={f"{GITHUB}:aud": "sts.amazonaws.com"},
            StringLike={f"{GITHUB}:sub": "repo:*"},
        ),
        "trust-oidc-without-subject",
        {
            "Condition": {
                "StringEquals": {
                    f"{GITHUB}:aud": ["sts.amazonaws.com"],
                    f"{GITHUB}:sub": ["repo:REPLACE-ORGANIZATION/REPOSITORY:ref:refs/heads/BRANCH"],
                }
            }
        },
        25,
    ),
    "a sign-in's audience": (
        trust({"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/Okta"}, "sts:AssumeRoleWithSAML"),
        "trust-saml-without-audience",
        {"Condition": {"StringEquals": {"SAML:aud": ["https://signin.aws.amazon.com/saml"]}}},
        4,
    ),
    "a deleted principal": (
        trust({"AWS": ["AROAEXAMPLEEXAMPLEEXA", BOSS]}),
        "trust-deleted-principal",
        {"Principal": {"AWS": [BOSS]}},
        1,
    ),
    "a service's account": (
        trust({"Service": "scheduler.amazonaws.com"}),
        "trust-service-without-source",
        {"Condition": {"StringEquals": {"aws:SourceAccount": [ACCOUNT]}}},
        1,
    ),
}


@pytest.mark.parametrize(("statement", "id_", "part", "removes"), TRUSTS.values(), ids=TRUSTS)
def test_trust_is_mended(statement: dict[str, Any], id_: str, part: dict[str, Any], removes: int) -> None:
    found = advice(account(roles=[role(trusts=[statement])]))[id_]
    assert {key: found.after[key] for key in part} == part
    assert found.removes == removes


def test_an_unused_role_can_go() -> None:
    snapshot = account(roles=[role(document(allow("s3:GetObject")), used=None)])
    found = advice(snapshot)["delete-unused-principal"]
    assert found.removes == report(snapshot).score > 0


def test_unused_services_can_go() -> None:
    last = {ROLE: (ServiceLastAccess(service="sqs", last=None, tracked_since=ago(400)),)}
    snapshot = account(roles=[role(document(allow(["s3:ListAllMyBuckets", "sqs:*"])))], last_access=last)
    found = advice(snapshot)["remove-unused-services"]
    assert found.after[0]["is"][0]["Action"] == ["s3:ListAllMyBuckets"]
    assert found.removes == report(snapshot).score


def test_keys_can_be_rotated() -> None:
    keys = {USER: (AccessKeyUse(number=1, active=True, rotated=ago(500), last_used=ago(1)),)}
    found = advice(account(users=[user()], access_keys=keys))
    assert found["old-access-key"].removes == 6


def test_a_groups_policy_is_changed_where_it_is() -> None:
    snapshot = account(
        users=[user(groups=["team"])], groups=[group(document(allow(["s3:GetObject", "sqs:*"])), name="team")]
    )
    found = advice(snapshot)["narrow-data-exposure"]
    assert found.removes > 0
    assert found.after[0]["policy"] == "group's inline policy inline-0"


def test_a_policy_held_twice_is_changed_once() -> None:
    arn = customer("readers")
    team = {**group(name="team"), "AttachedManagedPolicies": [{"PolicyName": "readers", "PolicyArn": arn}]}
    snapshot = account(
        users=[user(groups=["team"], attached=[arn])],
        groups=[team],
        policies=[managed(arn, document(allow(["s3:GetObject", "sqs:SendMessage"])))],
    )
    found = advice(snapshot)["narrow-data-exposure"]
    assert len(found.before) == len(found.after) == 1
    assert found.removes == 8


# --- the analysis of one principal ---


def test_an_analysis_holds_all_that_it_rests_on() -> None:
    arn, bound = customer("readers"), customer("bound")
    snapshot = account(
        roles=[role(document(allow("s3:GetObject", OBJECT)), attached=[arn], boundary=bound)],
        policies=[
            managed(arn, document(allow("s3:ListBucket", "arn:aws:s3:::reports"))),
            managed(bound, document(allow("s3:*"))),
        ],
    )
    found = analyzed(snapshot)
    assert [(each.name, each.held, each.arn) for each in found.policies] == [
        ("inline-0", "inline", None),
        ("readers", "attached", arn),
    ]
    assert (found.boundary, found.boundary_known) == (bound, True)
    [s3] = found.effective
    assert (s3.service, [(level.level, level.count) for level in s3.levels]) == ("s3", [("Read", 1), ("List", 1)])
    assert sum(part.points for part in found.score_parts) == found.score


def test_what_a_user_inherits_is_told_with_the_group() -> None:
    snapshot = account(users=[user(groups=["team"])], groups=[group(document(allow("s3:GetObject")), name="team")])
    [policy] = analyzed(snapshot).policies
    assert (policy.held, policy.group) == ("inherited", "team")


@pytest.mark.parametrize("name", ["subject", "SUBJECT", ROLE])
def test_a_principal_is_found_by_name_or_arn(name: str) -> None:
    assert analyzed(account(roles=[role()]), name).arn == ROLE


@pytest.mark.parametrize(
    ("name", "text"), [("subjekt", "did you mean subject"), ("nobody-at-all", "list them")], ids=["near", "far"]
)
def test_an_unknown_principal_is_an_error(name: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        analyzed(account(roles=[role()]), name)
    assert text in caught.value.remedy


def test_a_name_that_two_have_needs_the_arn() -> None:
    with pytest.raises(UsageError, match="several principals"):
        analyzed(account(roles=[role()], users=[user()]))


def test_a_statement_is_written_as_it_was_read() -> None:
    content = document(
        allow(["s3:GetObject"], [OBJECT], Sid="A", Condition={"ForAnyValue:StringLike": {"aws:TagKeys": ["a*", "b"]}}),
        {"Effect": "Deny", "NotAction": ["iam:*"], "NotResource": ["arn:aws:s3:::x"]},
        deny(["*"], ["*"], Condition={"BoolIfExists": {"aws:SecureTransport": ["false"]}}),
    )
    policy = parse_policy(content, source=PolicySource(kind="identity_inline", name="p"))
    assert [statement_document(each) for each in policy.statements] == content["Statement"]
    trusted = document(trust("*"), trust({"AWS": [BOSS], "Service": ["ec2.amazonaws.com"]}))
    read = parse_policy(json.dumps(trusted), source=PolicySource(kind="trust", name="t"))
    again = [statement_document(each) for each in read.statements]
    assert again[0]["Principal"] == "*"
    assert again[1]["Principal"] == {"AWS": [BOSS], "Service": ["ec2.amazonaws.com"]}
