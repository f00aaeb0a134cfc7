"""What a step depends on beside its actions: trust, boundaries, conditions on the target, what exists."""

from datetime import UTC, datetime
from typing import Any

import pytest
from iam_escalation_kit import (
    ACCOUNT,
    ADMINISTRATOR,
    EVERYTHING,
    OTHER,
    Detail,
    Document,
    account,
    allow,
    climb,
    deny,
    document,
    first_rules,
    group,
    group_arn,
    managed,
    policy_arn,
    role,
    role_arn,
    service,
    steps,
    trust,
    user,
    user_arn,
)

from trailwarden.iam.escalation import Existing, Subject, escalations
from trailwarden.model.authorization import AccessKeyUse, AuthorizationSnapshot
from trailwarden.model.iam_report import EscalationPath
from trailwarden.model.policy import Policy, PolicySource, parse_policy

ACTOR = role_arn("actor")
LAMBDA = "lambda.amazonaws.com"
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def paths(*details: Detail, **options: Any) -> tuple[EscalationPath, ...]:
    """Those of the first principal."""
    return climb(*details, **options).get(details[0]["Arn"], ())


def admin(name: str = "admin", **more: Any) -> Detail:
    return role(name, attached=[ADMINISTRATOR], **more)


# --- assuming a role ------------------------------------------------------------------------------------------------

ASSUMING: dict[str, tuple[list[Document], Document, bool | None]] = {
    "the role names it, and it needs no permission": ([], trust({"AWS": ACTOR}), True),
    "the role names it, and a Deny keeps it out": ([deny("sts:*")], trust({"AWS": ACTOR}), None),
    "the role names its account, and it has no permission": ([], trust(ROOT), None),
    "the role names its account": ([allow("sts:AssumeRole")], trust(ROOT), True),
    "the account's id alone": ([allow("sts:AssumeRole")], trust({"AWS": ACCOUNT}), True),
    "permission for another role": ([allow("sts:AssumeRole", role_arn("other"))], trust(ROOT), None),
    "everyone, and it needs no permission": ([], trust("*"), True),
    "everyone but it": (
        [allow("sts:AssumeRole")],
        document({"Effect": "Allow", "NotPrincipal": {"AWS": [ACTOR, ACCOUNT]}, "Action": "sts:AssumeRole"}),
        None,
    ),
    "another account": ([allow("sts:AssumeRole")], trust({"AWS": OTHER}), None),
    "another role": ([allow("sts:AssumeRole")], trust({"AWS": role_arn("other")}), None),
    "an External ID that is not known": (
        [allow("sts:AssumeRole")],
        trust(ROOT, StringEquals={"sts:ExternalId": "4711"}),
        False,
    ),
    "a condition that it meets": ([allow("sts:AssumeRole")], trust(ROOT, ArnLike={"aws:PrincipalArn": ACTOR}), True),
    "a condition that it does not meet": (
        [allow("sts:AssumeRole")],
        trust(ROOT, ArnLike={"aws:PrincipalArn": role_arn("ops-*")}),
        None,
    ),
    "MFA on its own side": (
        [allow("sts:AssumeRole", Bool={"aws:MultiFactorAuthPresent": "true"})],
        trust(ROOT),
        False,
    ),
    "tags of the role that fit": (
        [allow("sts:AssumeRole", StringEquals={"aws:ResourceTag/team": "ops"})],
        trust(ROOT),
        True,
    ),
    "tags of the role that do not fit": (
        [allow("sts:AssumeRole", StringEquals={"aws:ResourceTag/team": "web"})],
        trust(ROOT),
        None,
    ),
    "the older key of the same": (
        [allow("sts:AssumeRole", StringEquals={"iam:ResourceTag/team": "ops"})],
        trust(ROOT),
        True,
    ),
    "a Deny in the trust policy": (
        [allow("sts:AssumeRole")],
        document(
            {"Effect": "Allow", "Principal": ROOT, "Action": "sts:AssumeRole"},
            {"Effect": "Deny", "Principal": {"AWS": ACTOR}, "Action": "sts:AssumeRole"},
        ),
        None,
    ),
}


@pytest.mark.parametrize(("statements", "trusts", "certain"), ASSUMING.values(), ids=ASSUMING)
def test_assuming_an_administrators_role(statements: list[Document], trusts: Document, certain: bool | None) -> None:
    found = paths(role("actor", *statements), admin(trusts=trusts, tags={"team": "ops"}))
    assert [(steps(each), each.certain) for each in found] == (
        [] if certain is None else [([("actor", "sts-001", "admin")], certain)]
    )


def test_assuming_shows_the_permission_and_the_trust() -> None:
    (path,) = paths(role("actor", allow(["s3:*", "sts:Assume*"], "arn:aws:iam::*")), admin(trusts=trust(ROOT)))
    own, other = path.steps[0].statements
    assert path.steps[0].statement == own
    assert (own.policy, own.holder, own.statement) == ("work", ACTOR, 0)
    assert own.text == "Allow sts:Assume* on arn:aws:iam::*"
    assert (other.policy, other.holder, other.statement) == ("admin", role_arn("admin"), 0)
    assert other.text == f"trust policy: Allow arn:aws:iam::{ACCOUNT}:root"
    (path,) = paths(role("actor"), admin(trusts=trust({"AWS": ACTOR})))
    assert path.steps[0].statement == path.steps[0].statements[0]
    assert path.steps[0].statement is not None
    assert path.steps[0].statement.text == f"trust policy: Allow {ACTOR}"


def test_a_boundary_limits_a_role_that_is_named_but_not_a_user_that_is() -> None:
    boundary = managed(policy_arn("boundary"), allow("s3:*"))
    named = trust({"AWS": [ACTOR, user_arn("alice")]})
    bounded: dict[str, Any] = {"boundary": policy_arn("boundary")}
    assert not paths(role("actor", allow("sts:AssumeRole"), **bounded), admin(trusts=named), boundary)
    assert paths(user("alice", **bounded), admin(trusts=named), boundary)


def across(statements: list[Document], trusts: Document, **options: Any) -> tuple[EscalationPath, ...]:
    near = account(role("actor", *statements))
    far = account(role("admin", attached=[ADMINISTRATOR], trusts=trusts, account=OTHER))
    return escalations([Subject(near), Subject(far, **options)]).get(ACTOR, ())


def test_into_another_account_both_sides_must_allow() -> None:
    (path,) = across([allow("sts:AssumeRole")], trust({"AWS": ACTOR}))
    assert (path.to, path.certain) == (role_arn("admin", OTHER), True)
    assert across([allow("sts:AssumeRole")], trust(ROOT))
    assert not across([], trust({"AWS": ACTOR}))
    assert not across([], trust("*"))
    assert not across([allow("sts:AssumeRole")], trust({"AWS": OTHER}))
    own = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
    assert not across([allow("sts:AssumeRole", **own)], trust(ROOT))


def control(kind: Any, *statements: Document) -> tuple[tuple[Policy, ...], ...]:
    return ((parse_policy(document(*statements), source=PolicySource(kind=kind, name="control")),),)


def test_a_resource_control_policy_keeps_other_accounts_out() -> None:
    strangers = {"StringNotEquals": {"aws:PrincipalAccount": OTHER}}
    rcps = control("rcp", {**deny("sts:AssumeRole", **strangers), "Principal": "*"})
    assert not across([allow("sts:AssumeRole")], trust(ROOT), rcps=rcps)
    friends = control("rcp", {**deny("sts:AssumeRole", StringNotEquals={"aws:PrincipalAccount": [ACCOUNT, OTHER]})})
    assert across([allow("sts:AssumeRole")], trust(ROOT), rcps=friends)


def test_only_iam_of_ones_own_account_is_changed() -> None:
    near = account(role("actor", allow(["iam:*AccessKey", "iam:UpdateAssumeRolePolicy", "iam:PassRole", "lambda:*"])))
    far = account(
        user("boss", attached=[ADMINISTRATOR], account=OTHER), role("admin", attached=[ADMINISTRATOR], account=OTHER)
    )
    assert ACTOR not in escalations([Subject(near), Subject(far)])


# --- services that take roles ---------------------------------------------------------------------------------------

PASS = [allow("iam:PassRole"), allow(["lambda:CreateFunction", "lambda:InvokeFunction"])]
FUNCTION = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:"


def passing(trusts: Document, *statements: Document) -> tuple[EscalationPath, ...]:
    found = paths(role("actor", *(statements or PASS)), admin(trusts=trusts))
    return tuple(each for each in found if each.steps[0].rule == "lambda-001")


def test_a_trust_policy_may_ask_for_the_account_that_a_service_acts_for() -> None:
    assert passing(service(LAMBDA, StringEquals={"aws:SourceAccount": ACCOUNT}))[0].certain
    assert not passing(service(LAMBDA, StringEquals={"aws:SourceAccount": OTHER}))
    (path,) = passing(service(LAMBDA, ArnLike={"aws:SourceArn": FUNCTION + "report"}))
    assert not path.certain
    assert "aws:SourceArn" in path.conditions[0]


def test_a_service_among_others_and_in_china() -> None:
    assert passing(trust({"Service": ["ec2.amazonaws.com", LAMBDA]}))
    assert passing(service(LAMBDA + ".cn"))


def test_actions_must_meet_on_one_resource() -> None:
    def two(created: str, invoked: str) -> bool:
        statements = (
            allow("iam:PassRole"),
            allow("lambda:CreateFunction", FUNCTION + created),
            allow("lambda:InvokeFunction", FUNCTION + invoked),
        )
        return bool(passing(service(LAMBDA), *statements))

    assert two("report", "report")
    assert two("report-*", "*-daily")
    assert not two("report", "invoice")
    assert not two("report-*", "invoice-*")


def test_passing_needs_the_role_among_the_resources() -> None:
    create = allow(["lambda:CreateFunction", "lambda:InvokeFunction"])
    assert passing(service(LAMBDA), create, allow("iam:PassRole", role_arn("adm*")))
    assert not passing(service(LAMBDA), create, allow("iam:PassRole", role_arn("web-*")))
    assert not passing(service(LAMBDA), create, allow("iam:PassRole"), deny("iam:PassRole", role_arn("admin")))
    spared = {"Effect": "Deny", "Action": "iam:PassRole", "NotResource": role_arn("web-*")}
    assert not passing(service(LAMBDA), create, allow("iam:PassRole"), spared)
    tagged = {"StringEquals": {"iam:ResourceTag/tier": "low"}}
    assert not passing(service(LAMBDA), create, allow("iam:PassRole", **tagged))


def test_an_instance_needs_a_role_with_an_instance_profile() -> None:
    actor = role("actor", allow(["iam:PassRole", "ec2:RunInstances"]))
    ec2 = service("ec2.amazonaws.com")
    (path,) = paths(actor, admin(trusts=ec2, profile=True))
    assert path.certain
    (path,) = paths(actor, admin(trusts=ec2))
    assert path.conditions == (f"if {role_arn('admin')} is in an instance profile",)
    assert not paths(actor, admin(trusts=ec2), role("web", trusts=ec2, profile=True))


# --- what exists ----------------------------------------------------------------------------------------------------

TAKING_OVER = role("actor", allow("lambda:UpdateFunctionCode", FUNCTION + "report-*"), allow("lambda:InvokeFunction"))
TARGET = admin(trusts=service(LAMBDA))
HELD: dict[str, tuple[dict[str, list[Existing]], bool | None]] = {
    "unknown": ({}, False),
    "none": ({"lambda_function": []}, None),
    "one with the role": ({"lambda_function": [Existing(FUNCTION + "report-daily", role_arn("admin"))]}, True),
    "one with another role": ({"lambda_function": [Existing(FUNCTION + "report-daily", role_arn("web"))]}, None),
    "one that the statement does not reach": ({"lambda_function": [Existing(FUNCTION + "x", role_arn("admin"))]}, None),
    "one without a role": ({"lambda_function": [Existing(FUNCTION + "report-daily")]}, None),
    "several": (
        {"lambda_function": [Existing(FUNCTION + each, role_arn("admin")) for each in ("x", "y", "report-z")]},
        True,
    ),
}


@pytest.mark.parametrize(("inventory", "certain"), HELD.values(), ids=HELD)
def test_functions_that_may_be_taken_over(inventory: dict[str, list[Existing]], certain: bool | None) -> None:
    found = [each for each in paths(TAKING_OVER, TARGET, inventory=inventory) if each.steps[0].rule == "lambda-004"]
    assert [each.certain for each in found] == ([] if certain is None else [certain])
    if certain is False:
        assert found[0].conditions == (
            f"if there is a Lambda function with the role {role_arn('admin')} among those that the statements reach",
        )


def test_what_must_be_there_beside() -> None:
    actor = role("actor", allow(["iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:RunTask"]))
    target = admin(trusts=service("ecs-tasks.amazonaws.com"))
    (path,) = paths(actor, target)
    assert path.conditions == ("if there is an ECS cluster",)
    cluster = Existing(f"arn:aws:ecs:eu-central-1:{ACCOUNT}:cluster/web")
    assert [each.certain for each in paths(actor, target, inventory={"ecs_cluster": [cluster]})] == [True]
    assert not paths(actor, target, inventory={"ecs_cluster": []})


def test_jobs_that_are_given_another_role() -> None:
    job = f"arn:aws:glue:eu-central-1:{ACCOUNT}:job/report"
    actor = role("actor", allow("iam:PassRole"), allow(["glue:UpdateJob", "glue:StartJobRun"], job))
    target = admin(trusts=service("glue.amazonaws.com"))
    assert [each.conditions for each in paths(actor, target)] == [
        ("if there is a Glue job among those that the statements reach",)
    ]
    assert [each.certain for each in paths(actor, target, inventory={"glue_job": [Existing(job)]})] == [True]
    assert not paths(actor, target, inventory={"glue_job": [Existing(job + "-2")]})


def snapshot(keys: int, *details: Detail) -> AuthorizationSnapshot:
    used = tuple(AccessKeyUse(number=number, active=True) for number in range(1, keys + 1))
    return AuthorizationSnapshot(
        account=ACCOUNT,
        taken=datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
        authorization=account(*details),
        access_keys={user_arn("boss"): used},
    )


def test_a_user_has_room_for_two_keys() -> None:
    boss = user("boss", attached=[ADMINISTRATOR])
    creating = role("actor", allow("iam:CreateAccessKey"))
    (path,) = escalations(snapshot(1, creating, boss))[ACTOR]
    assert path.conditions == (f"if {user_arn('boss')} has fewer than two access keys",)
    assert ACTOR not in escalations(snapshot(2, creating, boss))
    both = role("actor", allow(["iam:CreateAccessKey", "iam:DeleteAccessKey"]))
    assert [each.steps[0].rule for each in escalations(snapshot(2, both, boss))[ACTOR]] == ["iam-003"]


# --- changing permissions -------------------------------------------------------------------------------------------

BOUNDARY = policy_arn("boundary")
NARROW = managed(BOUNDARY, allow(["iam:AttachRolePolicy", "iam:PutRolePolicy", "s3:*"]))


def test_permissions_beyond_a_boundary_make_no_administrator() -> None:
    actor = role("actor", allow("iam:AttachRolePolicy", ACTOR), boundary=BOUNDARY)
    assert not paths(actor, NARROW)
    assert paths(actor, managed(BOUNDARY, EVERYTHING))


@pytest.mark.parametrize("lift", ["iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"])
def test_a_boundary_that_can_be_taken_off_first(lift: str) -> None:
    actor = role("actor", allow(["iam:AttachRolePolicy", lift], ACTOR), boundary=BOUNDARY)
    (path,) = paths(actor, managed(BOUNDARY, allow("iam:*RolePermissionsBoundary"), allow("iam:AttachRolePolicy")))
    assert path.steps[0].rule == "iam-009"
    assert path.steps[0].actions == ("iam:AttachRolePolicy", lift)
    assert any(each.startswith(f"remove {lift} from ") for each in path.steps[0].breaks)
    assert not paths(actor, NARROW)


UNBOUNDED = {
    "iam-delete-role-boundary": ("role", "iam:DeleteRolePermissionsBoundary"),
    "iam-put-role-boundary": ("role", "iam:PutRolePermissionsBoundary"),
    "iam-delete-user-boundary": ("user", "iam:DeleteUserPermissionsBoundary"),
    "iam-put-user-boundary": ("user", "iam:PutUserPermissionsBoundary"),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_an_administrator_behind_a_boundary(name: str) -> None:
    kind, action = UNBOUNDED[name]
    make = role if kind == "role" else user
    bounded = make("actor", EVERYTHING, boundary=BOUNDARY)
    (path,) = paths(bounded, managed(BOUNDARY, allow([action, "s3:*"])))
    assert (path.steps[0].rule, path.steps[0].actions, path.certain) == (name, (action,), True)
    assert not paths(bounded, managed(BOUNDARY, allow("s3:*")))
    assert not paths(bounded, managed(BOUNDARY, allow([action, "s3:*"]), deny(action)))
    assert not paths(make("actor", EVERYTHING, deny(action), boundary=BOUNDARY), managed(BOUNDARY, allow(action)))
    condition = {"StringEquals": {"aws:PrincipalTag/team": "iam"}}
    assert not paths(make("actor", EVERYTHING, boundary=BOUNDARY), managed(BOUNDARY, allow(action, **condition)))
    assert not paths(bounded, managed(BOUNDARY, allow(action, "arn:aws:iam::*:*/other")))
    weak = make("actor", allow([action, "s3:*"]), boundary=BOUNDARY)
    assert not paths(weak, managed(BOUNDARY, allow([action, "s3:*"])))


def test_changes_that_are_allowed_under_a_boundary_alone() -> None:
    delegated = {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    actor = role("actor", allow("iam:AttachRolePolicy", **delegated), allow("sts:AssumeRole"))
    bounded = role("bounded", trusts=trust(ROOT), boundary=BOUNDARY)
    free = role("free", trusts=trust(ROOT))
    assert not paths(actor, bounded, free, NARROW)
    assert [steps(each) for each in paths(actor, bounded, free, managed(BOUNDARY, EVERYTHING))] == [
        [("actor", "iam-014", "bounded")]
    ]


ATTACHING: dict[str, tuple[str, bool]] = {
    "AdministratorAccess": (ADMINISTRATOR, True),
    "any of AWS's": ("arn:aws:iam::aws:policy/*", True),
    "one that grants little": ("arn:aws:iam::aws:policy/ReadOnlyAccess", False),
    "one of the account's that grants everything": (policy_arn("wide"), True),
    "one of the account's that does not": (policy_arn("narrow"), False),
}


@pytest.mark.parametrize(("attachable", "found"), ATTACHING.values(), ids=ATTACHING)
def test_the_policies_that_may_be_attached(attachable: str, found: bool) -> None:
    wide, narrow = managed(policy_arn("wide"), EVERYTHING), managed(policy_arn("narrow"), allow("s3:*"))
    statement = allow("iam:AttachRolePolicy", ArnLike={"iam:PolicyARN": attachable})
    assert bool(paths(role("actor", statement), wide, narrow)) == found


def test_the_name_of_the_user_in_a_resource() -> None:
    own = allow("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}")
    boss = user("boss", attached=[ADMINISTRATOR])
    assert not paths(user("alice", own), boss)
    assert paths(user("alice", allow("iam:PutUserPolicy", "arn:aws:iam::*:user/${aws:username}")), boss)


def test_a_deny_of_its_own_stays_when_a_policy_is_attached() -> None:
    assert not paths(role("actor", allow("iam:AttachRolePolicy"), deny(["iam:Create*", "iam:PutRolePolicy"])))
    spared = deny("iam:*", role_arn("break-glass"))
    assert paths(role("actor", allow("iam:AttachRolePolicy"), spared))


def test_a_deny_goes_with_the_policy_that_is_rewritten() -> None:
    team = policy_arn("team")
    writing = ["iam:PutRolePolicy", "iam:PutUserPolicy"]
    guarded = managed(team, allow("iam:CreatePolicyVersion"), deny(writing))
    (path,) = paths(role("actor", attached=[team]), guarded)
    assert path.steps[0].rule == "iam-001"
    assert not paths(role("actor", deny(writing), attached=[team]), guarded)


def test_a_policy_that_nobody_holds_is_not_worth_rewriting() -> None:
    assert not paths(role("actor", allow("iam:CreatePolicyVersion")), managed(policy_arn("team"), allow("s3:*")))


def test_a_policy_that_a_group_brings() -> None:
    team = policy_arn("team")
    holding = [group("team", attached=[team]), managed(team, allow("s3:*"))]
    (path,) = paths(user("alice", allow("iam:CreatePolicyVersion", team), groups=["team"]), *holding)
    assert steps(path) == [("alice", "iam-001", "alice")]


def test_letting_oneself_in_needs_no_permission_to_assume_but_no_deny() -> None:
    change = allow("iam:UpdateAssumeRolePolicy", role_arn("admin"))
    (path,) = paths(role("actor", change), admin())
    assert (path.steps[0].rule, path.steps[0].actions, path.certain) == (
        "iam-012",
        ("iam:UpdateAssumeRolePolicy",),
        True,
    )
    assert not paths(role("actor", change, deny("sts:AssumeRole")), admin())
    unmet = deny("sts:AssumeRole", Bool={"aws:MultiFactorAuthPresent": "false"})
    (path,) = paths(role("actor", change, unmet), admin())
    assert not path.certain
    scps = control("scp", allow(["iam:*", "s3:*"]))
    assert not escalations(Subject(account(role("actor", change), admin()), scps=scps))


GROUPS: dict[str, tuple[Detail, list[Document], bool]] = {
    "of administrators": (group("ops", attached=[ADMINISTRATOR]), [], True),
    "of administrators by an inline policy": (group("ops", EVERYTHING), [], True),
    "of others": (group("ops", allow("s3:*")), [], False),
    "that brings the rest": (group("ops", allow("iam:*", role_arn("*"))), [allow("s3:*")], True),
    "of administrators, with a Deny of the user's own": (
        group("ops", attached=[ADMINISTRATOR]),
        [deny(["iam:PutRolePolicy", "iam:PutUserPolicy"])],
        False,
    ),
}


@pytest.mark.parametrize(("joined", "own", "found"), GROUPS.values(), ids=GROUPS)
def test_joining_a_group(joined: Detail, own: list[Document], found: bool) -> None:
    alice = user("alice", allow("iam:AddUserToGroup", group_arn("ops")), *own)
    assert first_rules(paths(alice, joined)) == ({"iam-013"} if found else set())


def test_who_is_in_the_group_already_gains_nothing_by_joining() -> None:
    bounded = user("alice", allow("iam:AddUserToGroup"), groups=["ops"], boundary=BOUNDARY)
    assert not paths(bounded, group("ops", attached=[ADMINISTRATOR]), managed(BOUNDARY, allow("iam:AddUserToGroup")))


def test_what_could_not_be_read_may_take_the_step_away() -> None:
    actor = role("actor", allow("iam:PutRolePolicy", ACTOR), attached=[policy_arn("missing")])
    (path,) = paths(actor)
    assert path.conditions == (f"unless what could not be read takes it away: {policy_arn('missing')}",)
    assert not path.certain


def test_a_role_whose_trust_policy_could_not_be_read_lets_nobody_in() -> None:
    broken = admin(trusts={"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]})
    assert not paths(role("actor", allow(["sts:AssumeRole", "iam:PassRole", "lambda:*"])), broken)
