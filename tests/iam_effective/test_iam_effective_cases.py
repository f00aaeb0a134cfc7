"""Named cases: what each kind of policy gives, takes away and bounds, and what the answer says about it."""

from typing import Any

import pytest
from iam_effective_kit import ACCOUNT, ALICE, FULL, allow, deny, document, permissions

from trailwarden.errors import UsageError
from trailwarden.iam import Policies
from trailwarden.iam.effective import PermissionIndex, administrator, effective, effective_in, who_can
from trailwarden.model.policy import parse_authorization_details

BUCKET = "arn:aws:s3:::b"
OBJECT = f"{BUCKET}/k"
GET, PASS = "s3:GetObject", "iam:PassRole"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
ROLES = f"arn:aws:iam::{ACCOUNT}:role/*"
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
NO_MFA = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
ABROAD = {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}
NOT_ADMIN = {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/OrgAdmin"}}

ONLY_S3 = {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}
ONLY_B = {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/*"}
ALL_BUT_IAM = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
IN_B = [allow("s3:*", "arn:aws:s3:::b/*")]
BY_NAME = [allow("s3:*", "arn:aws:s3:::${aws:username}/*")]
BY_TEAM = "arn:aws:s3:::${aws:PrincipalTag/team}/*"
GUARDED = [[FULL, deny("iam:*", Condition=NOT_ADMIN)]]
LINKED = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/x.amazonaws.com/R"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/OrgAdmin"
OF_AWS = "arn:aws:iam::aws:policy/ReadOnlyAccess"
#: Parts that only together are all of a bucket's objects.
PARTS = [allow("s3:GetObject", f"{BUCKET}/{part}") for part in ("a*", "?", "??*", "")]
YES, NO, PART, IF = ("yes", ()), ("no", ("identity",)), ("part", ()), ("conditional", ())

# id: identity statements, other arguments, action, resource, the answer and what blocks
CASES: dict[str, tuple[list[Any], dict[str, Any], str, str, tuple[str, tuple[str, ...]]]] = {
    "allow": ([allow("s3:*")], {}, GET, "*", YES),
    "nothing": ([], {}, GET, "*", NO),
    "allow-on-part": ([allow("s3:*", BUCKET)], {}, "s3:ListBucket", "*", PART),
    "allow-on-one": (IN_B, {}, GET, OBJECT, YES),
    "all-roles-of-the-account-are-all": ([allow(PASS, ROLES)], {}, PASS, "*", YES),
    "rule-2-deny": ([FULL, deny("s3:*")], {}, GET, "*", NO),
    "rule-3-every-level-of-scps": ([FULL], {"scps": [[FULL], [allow("s3:*")]]}, PASS, "*", ("no", ("scp",))),
    "rule-3-allowed-at-every-level": ([FULL], {"scps": [[FULL], [FULL]]}, PASS, "*", YES),
    "rule-3-management-account": ([FULL], {"scps": [[deny("*")]], "management_account": True}, PASS, "*", YES),
    "rule-3-service-linked-role": ([FULL], {"scps": [[deny("*")]], "principal": LINKED}, PASS, "*", YES),
    "rule-3-rcp": ([FULL], {"rcps": [{**deny("s3:*"), "Principal": "*"}]}, GET, "*", ("no", ("rcp",))),
    "rule-3-rcp-of-other-services": ([FULL], {"rcps": [{**deny("*"), "Principal": "*"}]}, "ec2:RunInstances", "*", YES),
    "rule-6-boundary": ([FULL], {"boundary": [allow("s3:*")]}, PASS, "*", ("no", ("boundary",))),
    "rule-6-within-boundary": ([FULL], {"boundary": [allow("s3:*")]}, GET, "*", YES),
    "rule-6-deny-in-boundary": ([FULL], {"boundary": [FULL, deny("s3:*")]}, GET, "*", ("no", ("boundary",))),
    "rule-6-empty-boundary": ([FULL], {"boundary": []}, GET, "*", ("no", ("boundary",))),
    "rule-6-boundary-elsewhere": (
        [allow("s3:*", "arn:aws:s3:::a/*")],
        {"boundary": IN_B},
        GET,
        "*",
        ("no", ("boundary",)),
    ),
    "rule-11-of-aws": ([FULL], {}, "iam:CreatePolicyVersion", OF_AWS, ("no", ())),
    "rule-13-not-action-grants-what-is-not-known": ([ALL_BUT_IAM], {}, "qx:Do", "*", YES),
    "rule-13-not-action-leaves-out": ([ALL_BUT_IAM], {}, PASS, "*", NO),
    "rule-13-not-resource": (
        [{"Effect": "Allow", "Action": "s3:*", "NotResource": OBJECT}],
        {},
        GET,
        "arn:aws:s3:::b/*",
        PART,
    ),
    "rule-13-parts-that-make-a-whole": (PARTS, {}, GET, f"{BUCKET}/*", YES),
    "rule-13-parts-that-lack-one": (PARTS[:3], {}, GET, f"{BUCKET}/*", PART),
    "rule-16-variable-of-known-value": (BY_NAME, {}, GET, "arn:aws:s3:::alice/*", YES),
    "rule-16-variable-of-another-value": (BY_NAME, {}, GET, "arn:aws:s3:::bob/*", NO),
    "rule-16-variable-of-unknown-value": ([allow("s3:*", BY_TEAM)], {}, GET, "arn:aws:s3:::x/*", IF),
    "rule-16-deny-by-unknown-value": ([FULL, deny("s3:*", BY_TEAM)], {}, GET, "arn:aws:s3:::x/*", IF),
    "rule-16-variable-without-value": (BY_NAME, {"principal": ROLE}, GET, "*", NO),
    "rule-16-not-resource-with-variable-without-value": (
        [{"Effect": "Allow", "Action": "s3:*", "NotResource": BY_NAME[0]["Resource"]}],
        {"principal": ROLE},
        GET,
        "*",
        NO,
    ),
    "rule-18-condition": ([allow("s3:*", Condition=MFA)], {}, GET, "*", IF),
    "rule-18-a-part-without-condition": ([allow("s3:*", Condition=MFA), *IN_B], {}, GET, "*", PART),
    "rule-18-condition-on-the-principal-is-decided": ([FULL], {"scps": GUARDED}, PASS, "*", ("no", ("scp",))),
    "rule-18-condition-that-spares": ([FULL], {"scps": GUARDED, "principal": ADMIN}, PASS, "*", YES),
    "rule-21-deny-by-resource-removes-a-part": ([FULL, deny("s3:*", OBJECT)], {}, GET, "*", PART),
    "rule-21-deny-by-resource-on-it": ([FULL, deny("s3:*", OBJECT)], {}, GET, OBJECT, NO),
    "rule-21-deny-by-resource-beside-it": ([FULL, deny("s3:*", OBJECT)], {}, GET, f"{OBJECT}2", YES),
    "rule-21-deny-by-condition": ([FULL, deny("s3:*", Condition=NO_MFA)], {}, GET, "*", IF),
    "rule-21-deny-not-action": ([FULL, ONLY_S3], {}, PASS, "*", NO),
    "rule-21-deny-not-action-spares": ([FULL, ONLY_S3], {}, GET, "*", YES),
    "rule-21-deny-not-resource": ([FULL, ONLY_B], {}, GET, "arn:aws:s3:::c/*", NO),
    "rule-21-deny-not-resource-spares": ([FULL, ONLY_B], {}, GET, OBJECT, YES),
    "unknown-service": ([allow("qx:*")], {}, "qx:Do", "arn:aws:qx:::x", YES),
    "unknown-service-not-allowed": ([allow("s3:Get*")], {}, "qx:Do", "*", NO),
}


@pytest.mark.parametrize("case", CASES)
def test_allows(case: str) -> None:
    statements, more, action, resource, expected = CASES[case]
    verdict = permissions(*statements, **more).allows(action, resource)
    answer = verdict.answer
    assert (answer, verdict.blocked_by) == expected
    assert verdict.possible == (answer != "no")
    assert (verdict.when is True) == (answer in ("yes", "part"))
    assert (verdict.when is False) == (answer == "no")
    if answer == "yes":
        assert verdict.limited_by == ()
    if verdict.possible:
        assert verdict.permitted_by


def test_a_conditional_verdict_names_conditions_and_statements() -> None:
    verdict = permissions(
        allow("s3:*", Sid="Read", Condition=MFA),
        deny("s3:*", Sid="Elsewhere", Condition=ABROAD),
        boundary=[allow("s3:*", Sid="Within", Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}})],
    ).allows("s3:GetObject", OBJECT)
    assert verdict.answer == "conditional"
    assert str(verdict.when) == (
        "Bool aws:MultiFactorAuthPresent true (inline policy #1, statement 1 (Read))"
        " and StringEquals aws:SourceVpc vpc-1 (permissions boundary #1, statement 1 (Within))"
        " and not [StringNotEquals aws:RequestedRegion eu-west-1 (inline policy #1, statement 2 (Elsewhere))]"
    )
    assert [each.sid for each in verdict.permitted_by] == ["Read"]
    assert [each.sid for each in verdict.limited_by] == ["Elsewhere", "Within"]


def test_a_condition_that_matters_only_elsewhere_is_not_named() -> None:
    """The statement without condition is outside the boundary, so that only the conditional one counts."""
    verdict = permissions(
        allow("s3:*", "arn:aws:s3:::a/*"),
        allow("s3:*", "arn:aws:s3:::b/*", Condition=MFA),
        boundary=[allow("s3:*", "arn:aws:s3:::b/*")],
    ).allows("s3:GetObject", "*")
    assert verdict.answer == "conditional"
    assert str(verdict.when) == "Bool aws:MultiFactorAuthPresent true (inline policy #1, statement 2)"


@pytest.mark.parametrize("action", ["s3:*", "s3:Get?bject", "s3", ""])
def test_allows_asks_about_one_action(action: str) -> None:
    with pytest.raises(UsageError):
        permissions(FULL).allows(action)


def test_known_context_decides() -> None:
    inside = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    statement = allow("s3:*", Condition=inside)
    assert permissions(statement).allows(GET).answer == "conditional"
    assert (
        permissions(allow("s3:*", Condition=inside), known={"aws:PrincipalOrgID": "o-1"}).allows("s3:GetObject").answer
        == "yes"
    )
    assert (
        permissions(allow("s3:*", Condition=inside), known={"aws:PrincipalOrgID": None}).allows("s3:GetObject").answer
        == "no"
    )


def test_the_context_of_a_question_decides() -> None:
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    passing = permissions(allow(PASS, Condition=to_lambda), deny(PASS, "arn:aws:iam::*:role/x", Condition=MFA))
    service = {"iam:PassedToService": "lambda.amazonaws.com"}
    assert passing.allows(PASS, ROLE).answer == "conditional"
    assert passing.allows(PASS, ROLE, given=service).answer == "yes"
    assert passing.allows(PASS, ROLE, given={"iam:PassedToService": "ec2.amazonaws.com"}).answer == "no"
    protected = f"arn:aws:iam::{ACCOUNT}:role/x"
    assert passing.allows(PASS, protected, given=service).answer == "conditional"
    assert passing.allows(PASS, protected, given={**service, "aws:MultiFactorAuthPresent": "true"}).answer == "no"
    assert passing.allows(PASS, ROLE).answer == "conditional", "asking changes nothing"
    of_org = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    both = permissions(
        allow(PASS, Condition={"StringEquals": {**of_org["StringEquals"], **to_lambda["StringEquals"]}}),
        known={"aws:PrincipalOrgID": "o-1"},
    )
    assert both.allows(PASS, given=service).answer == "yes", "what was known stays known"


def test_the_account_of_a_resource_is_known_from_its_arn() -> None:
    own = {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}
    some = permissions(allow(PASS, Condition=own), allow("s3:*", Condition=own))
    assert some.allows(PASS, ROLE).answer == "yes"
    assert some.allows(PASS, "arn:aws:iam::222222222222:role/app").answer == "no"
    assert some.allows(PASS, ROLES).answer == "yes"
    assert some.allows(PASS, "arn:aws:iam::*:role/app").answer == "conditional"
    assert some.allows(GET, OBJECT).answer == "conditional", "a bucket's ARN tells no account"
    assert {each.verdict.answer for each in some.on(ROLE)} == {"yes"}
    assert some.on("arn:aws:iam::222222222222:role/app") == ()


def test_policies_made_to_be_slow_get_the_careful_answer() -> None:
    """Nothing is allowed here, which only a long search could tell: never is it called certain."""
    verdict = permissions(
        *(allow("s3:*", f"arn:aws:s3:::{at}*") for at in range(20)),
        boundary=[allow("s3:*", f"arn:aws:s3:::*{at}") for at in range(20)],
        scps=[
            [allow("s3:*", f"arn:aws:s3:::*x{at}*") for at in range(20)],
            [allow("s3:*", f"arn:aws:s3:::??{at}?") for at in range(10, 30)],
        ],
    ).allows(GET, "*")
    assert verdict.answer in ("no", "conditional")


def test_on_a_resource() -> None:
    listed = permissions(allow("s3:*", "arn:aws:s3:::b/*"), allow("iam:*"), deny("s3:Delete*", Condition=NO_MFA)).on(
        OBJECT
    )
    by_answer = {each.verdict.answer: each.actions for each in listed}
    assert "s3:GetObject" in by_answer["yes"]
    assert "s3:DeleteObject" in by_answer["conditional"]
    assert all("s3:ListBucket" not in each.actions for each in listed), "a bucket's action"
    assert all(not action.startswith("iam:") for each in listed for action in each.actions)


def test_on_a_role_of_aws_leaves_out_what_no_customer_can_do() -> None:
    linked = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    actions = {action for each in permissions(FULL).on(linked) for action in each.actions}
    assert "iam:GetRole" in actions
    assert "iam:PutRolePolicy" not in actions
    assert "iam:PutRolePolicy" in {action for each in permissions(FULL).on(ROLE) for action in each.actions}


def test_grants_show_what_is_left_and_what_bounds_it() -> None:
    grants = permissions(
        allow(["s3:GetObject", "s3:PutObject", "iam:PassRole", "qx:Do"], Sid="Mixed"),
        allow("ec2:*", Sid="Gone"),
        deny("s3:PutObject", Sid="Never"),
        deny("s3:*", OBJECT, Sid="NotThis"),
        boundary=[allow("s3:*", "arn:aws:s3:::b/*", Sid="Bucket"), allow("qx:*", Sid="New"), allow("iam:GetRole")],
    ).grants
    (grant,) = grants
    assert grant.statement.sid == "Mixed"
    assert list(grant.actions) == ["s3:GetObject", "qx:Do"]
    assert [each.statement.sid for each in grant.minus] == ["NotThis"]
    assert [[each.statement.sid for each in layer] for layer in grant.within] == [["Bucket", "New"]]


def test_grants_of_actions_that_are_not_known_are_bounded_too() -> None:
    assert permissions(allow("qx:Do"), deny("qx:*")).grants == ()
    assert permissions(allow("qx:Do"), deny("qx:*")).summary().unknown == ()
    assert permissions(allow("qx:*"), boundary=[allow("qx:Do")]).grants == ()
    (grant,) = permissions(allow("qx:Do"), deny("qx:Other"), boundary=[allow("q*")]).grants
    assert list(grant.actions) == ["qx:Do"]


def test_a_grant_within_an_open_boundary_is_whole() -> None:
    (grant,) = permissions(allow("s3:*", "arn:aws:s3:::b/*"), boundary=[FULL], scps=[[FULL]]).grants
    assert grant.within == ()
    assert grant.minus == ()
    assert grant.actions.written() == ("s3:*",)


def test_summary_counts_by_service_and_level() -> None:
    summary = permissions(
        allow(["s3:GetObject", "s3:ListBucket", "s3:ListAllMyBuckets"], "arn:aws:s3:::b/*"),
        allow(["sqs:SendMessage", "sqs:DeleteMessage"], Condition=MFA),
        allow("qx:*"),
        allow("iam:PassRole", ["arn:aws:iam::111111111111:role/a", "arn:aws:iam::111111111111:role/*"]),
        allow("sts:GetFederationToken"),
    ).summary()
    rows = {
        (each.service, level.level): (level.count, level.everywhere, level.conditional, level.resources)
        for each in summary.services
        for level in each.levels
    }
    assert rows == {
        ("iam", "Permissions management"): (1, 0, 0, ("arn:aws:iam::111111111111:role/*",)),
        ("s3", "Read"): (1, 0, 0, ("arn:aws:s3:::b/*",)),
        ("sqs", "Write"): (2, 0, 2, ("*",)),
        ("sts", "Write"): (1, 1, 0, ()),
    }
    assert summary.unknown == ("qx:*",)
    assert set(summary.inert) == {"s3:ListBucket", "s3:ListAllMyBuckets"}, "an object's ARN is neither bucket nor *"


def test_the_summary_of_everything_is_everything() -> None:
    summary = permissions(FULL).summary()
    assert summary.actions.written() == ("*",)
    assert all(level.everywhere == level.count == level.total for each in summary.services for level in each.levels)
    assert not summary.inert


PROTECTED = [[FULL, deny("iam:*", "arn:aws:iam::*:role/Protected*")]]
ADMINISTRATORS: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "everything": ([FULL], {}, "yes"),
    "rule-22-iam": ([allow("iam:*")], {}, "yes"),
    "iam-of-the-account": ([allow("iam:*", f"arn:aws:iam::{ACCOUNT}:*")], {}, "yes"),
    "rule-13-split-over-statements": ([allow("iam:A*"), allow("iam:P*"), allow(["iam:U*", "iam:C*"])], {}, "yes"),
    "rule-13-not-action": ([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], {}, "yes"),
    "rule-13-all-but-iam": ([ALL_BUT_IAM], {}, "no"),
    "rule-13-all-but-one-role": ([{"Effect": "Allow", "Action": "iam:*", "NotResource": ROLE}], {}, "yes"),
    "of-another-account": ([allow("iam:*", "arn:aws:iam::222222222222:*")], {}, "no"),
    "some-of-iam": ([allow("iam:Get*"), allow("iam:PassRole")], {}, "no"),
    "some-roles": ([allow("iam:*", f"arn:aws:iam::{ACCOUNT}:role/app-*")], {}, "no"),
    "some-roles-under-a-condition": ([allow("iam:*", f"{ROLE}*", Condition=MFA)], {}, "no"),
    "rule-20-deny": ([FULL, deny("iam:*")], {}, "no"),
    "rule-20-deny-of-what-gives-permissions": ([FULL, deny(["iam:Put*", "iam:Attach*"])], {}, "no"),
    "rule-20-boundary": ([FULL], {"boundary": [allow("s3:*")]}, "no"),
    "rule-20-scp": ([FULL], {"scps": [[FULL], *GUARDED]}, "no"),
    "rule-18-condition": ([allow("*", Condition=MFA)], {}, "conditional"),
    "rule-18-deny-by-condition": ([FULL, deny("*", Condition=NO_MFA)], {}, "conditional"),
    "rule-22-fewer-are-steps": ([allow(["iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy"])], {}, "no"),
    "rule-22-all-of-roles": (
        [allow(["iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"])],
        {},
        "yes",
    ),
    "rule-21-deny-of-one-way": ([FULL, deny("iam:CreateAccessKey")], {}, "yes"),
    "rule-21-deny-that-protects-one-role": ([FULL, deny("iam:*", ADMIN)], {}, "yes"),
    "rule-21-scp-that-protects-some": ([FULL], {"scps": PROTECTED}, "yes"),
    "open-boundary": ([FULL], {"boundary": [FULL]}, "yes"),
}


@pytest.mark.parametrize("case", ADMINISTRATORS)
def test_administrator(case: str) -> None:
    statements, more, answer = ADMINISTRATORS[case]
    found = administrator(permissions(*statements, **more))
    assert found.answer == answer
    assert bool(found.by) == (answer != "no")
    assert all(refs for _, refs in found.by)
    assert (found.when is True) == (answer == "yes")
    assert (found.when is False) == (answer == "no")


TRUSTED = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
TAGGED = {**TRUSTED, "Action": ["sts:AssumeRole", "sts:TagSession"]}
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
MISSING = f"arn:aws:iam::{ACCOUNT}:policy/Missing"
EDGE = f"arn:aws:iam::{ACCOUNT}:policy/Edge"


def inline(*statements: Any) -> list[dict[str, Any]]:
    return [{"PolicyName": "own", "PolicyDocument": document(*statements)}]


def entity(kind: str, arn: str, policies: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """One entry of GetAccountAuthorizationDetails."""
    name = arn.rpartition("/")[2]
    lists = {f"{kind}PolicyList": policies, "AttachedManagedPolicies": []}
    return {f"{kind}Name": name, f"{kind}Id": f"EXAMPLE{name.upper()}", "Arn": arn, "Path": "/", **lists, **more}


TEAM = {"Tags": [{"Key": "team", "Value": "x"}]}
PAGE = {
    "UserDetailList": [
        entity("User", ALICE, inline(allow("s3:PutObject", BY_TEAM)), GroupList=["readers"], **TEAM),
        entity(
            "User",
            BOB,
            [],
            GroupList=["readers"],
            AttachedManagedPolicies=[{"PolicyName": "Missing", "PolicyArn": MISSING}],
            PermissionsBoundary={"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": EDGE},
        ),
    ],
    "GroupDetailList": [entity("Group", f"arn:aws:iam::{ACCOUNT}:group/readers", inline(allow("s3:GetObject")))],
    "RoleDetailList": [
        entity("Role", arn, inline(allow("s3:PutObject", BY_TEAM)), AssumeRolePolicyDocument=document(trust), **TEAM)
        for arn, trust in ((ROLE, TRUSTED), (f"{ROLE}-tagged", TAGGED))
    ],
    "Policies": [
        {
            "PolicyName": "Edge",
            "PolicyId": "ANPAEXAMPLE",
            "Arn": EDGE,
            "Path": "/",
            "DefaultVersionId": "v1",
            "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": True, "Document": document(*IN_B)}],
        }
    ],
    "IsTruncated": False,
}


def test_an_account_groups_boundaries_and_tags_included() -> None:
    found = effective_in(parse_authorization_details([PAGE]))
    assert list(found) == [ALICE, BOB, ROLE, f"{ROLE}-tagged"]
    alice, bob, app, tagged = found.values()
    assert alice.allows("s3:GetObject").answer == "yes"
    assert [str(each) for each in alice.allows("s3:GetObject").permitted_by] == [
        "group's inline policy own, statement 1"
    ]
    assert bob.allows("s3:GetObject").answer == "part"
    assert bob.allows("s3:GetObject", "arn:aws:s3:::b/*").answer == "yes"
    assert bob.unknown == (MISSING,), "not read is not empty"
    assert alice.unknown == ()
    assert alice.allows("s3:PutObject", "arn:aws:s3:::x/k").answer == "yes"
    assert app.allows("s3:PutObject", "arn:aws:s3:::y/k").answer == "no"
    assert tagged.allows("s3:PutObject", "arn:aws:s3:::y/k").answer == "conditional", "its sessions may bring tags"


def test_who_can() -> None:
    found = effective_in(parse_authorization_details([PAGE]))
    answers = {arn: verdict.answer for arn, verdict in who_can("s3:getobject", "arn:aws:s3:::c/k", found.values())}
    assert answers == {ALICE: "yes"}
    writers = {arn: verdict.answer for arn, verdict in who_can("s3:PutObject", "arn:aws:s3:::x/k", found.values())}
    assert writers == {ALICE: "yes", ROLE: "yes", f"{ROLE}-tagged": "conditional"}
    index = PermissionIndex(found.values())
    assert index.who_can("qx:Do") == ()
    assert [arn for arn, _ in index.who_can("sts:GetCallerIdentity")] == list(found)


def test_who_can_do_what_the_catalogue_does_not_know() -> None:
    some = effective(Policies([document(allow("qx:*"))]), principal=ALICE)
    none = effective(Policies([document(allow("s3:*"))]), principal=ROLE)
    assert [arn for arn, _ in who_can("qx:Do", "*", [some, none])] == [ALICE]
