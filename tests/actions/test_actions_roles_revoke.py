"""Revoking a role's sessions: the policy that is written, what is refused, what is said, and that it can be undone."""

import json
import shlex
from datetime import timedelta
from typing import Any

import boto3
import msgspec
import pytest
from actions_kit import (
    ACCOUNT,
    ADMINISTRATOR_ACCESS,
    NOW,
    OTHER_ACCOUNT,
    FakeWorld,
    LiveWorld,
    aws_session,
    client,
    document,
    scenarios,
    snapshot_of,
    trust,
)
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.action import Planned, Refused
from trailwarden.actions.revoke_sessions import RevokeSessions
from trailwarden.aws.change import Change
from trailwarden.errors import NotFound, UsageError
from trailwarden.guardrails import Guard
from trailwarden.model.time import format_instant

ARN = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
POLICY, SID = "AWSRevokeOlderSessions", "RevokeOlderSessions1"
WANTED = Guard(revoke_sessions=True)


def revoking(time: str, **more: str) -> dict[str, Any]:
    """The policy that the IAM console writes."""
    statement = {
        "Effect": "Deny",
        "Action": ["*"],
        "Resource": ["*"],
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": time}},
    }
    return {"Version": "2012-10-17", "Statement": [{**statement, **more}]}


def world_of(
    *, inline: dict[str, Any] | None = None, profiles: tuple[str, ...] = (), trusts: Any = None, **role: Any
) -> FakeWorld:
    """A world with the role Deploy."""
    trusted = json.loads(trust(f"arn:aws:iam::{OTHER_ACCOUNT}:root")) if trusts is None else trusts
    held = {"RoleName": "Deploy", "RoleId": "AROADEPLOYEXAMPLE", "Arn": ARN, "AssumeRolePolicyDocument": trusted}
    world = FakeWorld()
    world.answer("iam:GetRole", {"Role": {**held, **role}}, RoleName="Deploy")
    world.answer("iam:ListRolePolicies", {"PolicyNames": list(inline or {})}, RoleName="Deploy")
    for name, text in (inline or {}).items():
        world.answer("iam:GetRolePolicy", {"PolicyDocument": text}, PolicyName=name)
    entries = [{"Arn": f"arn:aws:iam::{ACCOUNT}:instance-profile/{name}"} for name in profiles]
    world.answer("iam:ListInstanceProfilesForRole", {"InstanceProfiles": entries}, RoleName="Deploy")
    return world


def proposed(world: Any, role: str = "Deploy", guard: Guard = WANTED) -> Planned:
    return RevokeSessions(role=role).plan(world, guard)


def said(planned: Planned, kind: str) -> list[str]:
    return [each.text for each in planned.blast_radius if each.kind == kind]


def grave(planned: Planned) -> set[str]:
    return {each.kind for each in planned.blast_radius if each.grave}


# --- what is done ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Deploy", "role/Deploy", ARN, f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/build-7"])
def test_everything_is_denied_to_sessions_issued_before_the_step_is_done(name: str) -> None:
    planned = proposed(world_of(), name)
    (step,) = planned.plan.steps
    assert (step.call.api, step.call.resources) == ("iam:PutRolePolicy", (ARN,))
    assert {each: step.call.params[each] for each in ("RoleName", "PolicyName")} == {
        "RoleName": "Deploy",
        "PolicyName": POLICY,
    }
    assert json.loads(step.call.params["PolicyDocument"]) == revoking("{now}", Sid=SID)
    assert step.undo is not None
    assert (step.undo.api, step.undo.params) == (
        "iam:DeleteRolePolicy",
        {"RoleName": "Deploy", "PolicyName": POLICY},
    )
    (target,) = planned.plan.targets
    assert (target.kind, target.id) == ("iam_role", "AROADEPLOYEXAMPLE")
    assert planned.arguments == {"role": ARN}


def test_the_plan_does_not_change_with_the_clock_or_other_policies() -> None:
    one, other = world_of(), world_of(inline={"more": json.loads(document("s3:*"))}, RoleLastUsed={"LastUsedDate": NOW})
    other.now = NOW + timedelta(hours=1)
    assert proposed(one).plan.sha256 == proposed(other).plan.sha256


@pytest.mark.parametrize(
    ("former", "text", "alarming"),
    [
        (revoking("2026-11-01T00:00:00Z"), "the time 2026-11-01T00:00:00Z", False),
        (json.loads(document("*")), "other statements", True),
        (revoking("soon"), "other statements", True),
        ({**revoking("2026-11-01T00:00:00Z"), "Id": "x"}, "other statements", True),
    ],
    ids=["an earlier revocation", "another policy of that name", "no time", "more than that"],
)
def test_a_former_policy_is_kept_and_put_back(former: dict[str, Any], text: str, alarming: bool) -> None:
    planned = proposed(world_of(inline={POLICY: former}))
    (step,) = planned.plan.steps
    assert step.undo is not None
    assert step.undo.api == "iam:PutRolePolicy"
    assert json.loads(step.undo.params["PolicyDocument"]) == former
    assert planned.plan.export == {"inline_policies": {POLICY: former}}
    (reference,) = said(planned, "references")
    assert text in reference
    assert ("references" in grave(planned)) is alarming
    assert planned.plan.sha256 != proposed(world_of()).plan.sha256


def test_done_and_undone_in_the_emulator(admin: boto3.Session) -> None:
    action = scenarios()["revoke_sessions"](admin)
    iam, world = client(admin, "iam"), LiveWorld(admin)
    change = Change(aws_session(admin, ACCOUNT), now=lambda: NOW)
    for former in (None, revoking("2026-01-01T00:00:00Z"), revoking("2026-02-01T00:00:00Z", Sid=SID)):
        if former is not None:
            iam.put_role_policy(RoleName="Deploy", PolicyName=POLICY, PolicyDocument=json.dumps(former))
        before = snapshot_of(admin).authorization.roles
        plan = action.plan(world, WANTED).plan
        (step,) = plan.steps
        assert not action.verify(world, plan).ok
        change.do(step.call)
        assert action.verify(world, plan).ok
        found = iam.get_role_policy(RoleName="Deploy", PolicyName=POLICY)["PolicyDocument"]
        assert found["Statement"][0]["Condition"] == {
            "DateLessThan": {"aws:TokenIssueTime": format_instant(NOW + timedelta(seconds=1))}
        }
        assert step.undo is not None
        change.do(step.undo)
        assert snapshot_of(admin).authorization.roles == before


def test_each_revocation_is_told_from_the_one_that_it_replaces(admin: boto3.Session) -> None:
    action = scenarios()["revoke_sessions"](admin)
    world, plans = LiveWorld(admin), []
    for minutes in range(4):
        at = NOW - timedelta(hours=1) + timedelta(minutes=minutes)
        plan = action.plan(world, WANTED).plan
        Change(aws_session(admin, ACCOUNT), now=lambda at=at: at).do(plan.steps[0].call)  # type: ignore[misc]
        plans.append(plan)
        assert [action.verify(world, each).ok for each in plans] == [False] * minutes + [True]


@pytest.mark.parametrize(
    ("former", "sid"),
    [
        (revoking("2026-11-01T00:00:00Z"), "RevokeOlderSessions1"),
        (revoking("2026-11-01T00:00:00Z", Sid="RevokeOlderSessions1"), "RevokeOlderSessions2"),
        (revoking("2026-11-01T00:00:00Z", Sid="RevokeOlderSessions41"), "RevokeOlderSessions42"),
        (revoking("2026-11-01T00:00:00Z", Sid="Other"), "RevokeOlderSessions1"),
        (revoking("2026-11-01T00:00:00Z", Sid="RevokeOlderSessions01"), "RevokeOlderSessions1"),
        ({"Version": "2012-10-17", "Statement": revoking("x", Sid=SID)["Statement"][0]}, "RevokeOlderSessions1"),
        ({"Version": "2012-10-17", "Statement": []}, "RevokeOlderSessions1"),
    ],
    ids=["the console's", "the first", "a later", "another Sid", "another number", "not in a list", "nothing"],
)
def test_the_sid_is_never_that_of_the_policy_there(former: dict[str, Any], sid: str) -> None:
    (step,) = proposed(world_of(inline={POLICY: former})).plan.steps
    assert json.loads(step.call.params["PolicyDocument"])["Statement"][0]["Sid"] == sid


# --- what is said ---------------------------------------------------------------------------------------------------


def test_whoever_may_assume_it_again_is_named(admin: boto3.Session) -> None:
    services = {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}
    statements = [
        {"Effect": "Allow", "Principal": services, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/john"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
        {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::333333333333:root"}, "Action": "sts:AssumeRole"},
    ]
    planned = proposed(world_of(trusts={"Version": "2012-10-17", "Statement": statements}, profiles=("build",)))
    (remains,) = said(planned, "remains")
    assert f"lets arn:aws:iam::{ACCOUNT}:user/john, everybody assume Deploy anew" in remains
    assert "333333333333" not in remains
    instances, service = said(planned, "dependents")
    assert f"arn:aws:iam::{ACCOUNT}:instance-profile/build" in instances
    assert "ec2.amazonaws.com, lambda.amazonaws.com" in service
    assert grave(planned) == {"sessions", "dependents", "remains"}
    assert any("cut the trust of Deploy first" in note for note in planned.notes)


def test_a_role_for_services_alone_has_nobody_else_to_name() -> None:
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    planned = proposed(world_of(trusts={"Version": "2012-10-17", "Statement": statement}))
    assert said(planned, "remains") == []
    assert len(said(planned, "dependents")) == 1


def test_all_but_some_are_named_as_such() -> None:
    statement = {"Effect": "Allow", "NotPrincipal": {"AWS": ARN}, "Action": "sts:AssumeRole"}
    (text,) = said(proposed(world_of(trusts={"Version": "2012-10-17", "Statement": statement})), "remains")
    assert f"everybody but {ARN}" in text


def test_a_trust_that_cannot_be_understood_is_said_to_be_unknown() -> None:
    planned = proposed(world_of(trusts={"Version": "2012-10-17"}))
    (text,) = said(planned, "remains")
    assert "who may assume Deploy again cannot be told" in text
    assert "remains" in grave(planned)


def test_when_it_was_last_used_and_what_was_assumed_from_it(admin: boto3.Session) -> None:
    action = scenarios()["revoke_sessions"](admin)
    arn = f"arn:aws:iam::{ACCOUNT}:role/ci/Deploy"
    client(admin, "iam").create_role(RoleName="Next", AssumeRolePolicyDocument=trust(arn))
    planned = action.plan(LiveWorld(admin, snapshot=snapshot_of(admin)), WANTED)
    chained = f"assumed from Deploy go on; these trust it by name: arn:aws:iam::{ACCOUNT}:role/Next"
    assert any(chained in text for text in said(planned, "remains"))
    used = proposed(world_of(RoleLastUsed={"LastUsedDate": NOW, "Region": "eu-central-1"}))
    assert said(used, "last_used") == ["Deploy was last used at 2026-11-24T12:00:00Z in eu-central-1"]


@pytest.mark.parametrize(("rights", "expected"), [("*", True), ("s3:*", False)])
def test_whether_the_role_is_an_administrator(admin: boto3.Session, rights: str, expected: bool) -> None:
    iam = client(admin, "iam")
    iam.create_role(RoleName="Deploy", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{OTHER_ACCOUNT}:root"))
    before = snapshot_of(admin)
    iam.put_role_policy(RoleName="Deploy", PolicyName="own", PolicyDocument=document(rights))
    assert proposed(LiveWorld(admin)).administrator is None
    assert proposed(LiveWorld(admin, snapshot=snapshot_of(admin))).administrator is expected
    iam.delete_role_policy(RoleName="Deploy", PolicyName="own")
    iam.delete_role(RoleName="Deploy")
    iam.create_role(RoleName="Deploy", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{OTHER_ACCOUNT}:root"))
    assert proposed(LiveWorld(admin, snapshot=before)).administrator is None


def test_an_administrator_policy_that_was_not_read_leaves_it_unknown(admin: boto3.Session) -> None:
    scenarios()["revoke_sessions"](admin)
    read = snapshot_of(admin)
    lacking = {arn: each for arn, each in read.authorization.policies.items() if arn != ADMINISTRATOR_ACCESS}
    account = msgspec.structs.replace(read.authorization, policies=lacking)
    world = LiveWorld(admin, snapshot=msgspec.structs.replace(read, authorization=account))
    assert proposed(world).administrator is None


# --- what is refused ------------------------------------------------------------------------------------------------


def test_where_it_is_not_wanted_the_command_is_given_instead(admin: boto3.Session) -> None:
    world = world_of()
    with pytest.raises(Refused, match=r"respond\.revoke_sessions is off") as refused:
        proposed(world, guard=Guard())
    assert [api for api, _ in world.asked] == ["iam:GetRole"]
    words = shlex.split(refused.value.remedy[refused.value.remedy.index("aws iam") :])
    assert words[:3] == ["aws", "iam", "put-role-policy"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options.keys() == {"--role-name", "--policy-name", "--policy-document"}
    assert (options["--role-name"], options["--policy-name"]) == ("Deploy", POLICY)
    assert json.loads(options["--policy-document"]) == revoking("2026-11-24T12:00:00Z")


def test_a_revocation_that_goes_further_is_let_be() -> None:
    later = format_instant(NOW + timedelta(days=1))
    with pytest.raises(Refused, match=f"already denies everything to sessions issued before {later}"):
        proposed(world_of(inline={POLICY: revoking(later)}))


@given(room=st.integers(-50, 50), spaces=st.integers(0, 300))
def test_the_quota_of_inline_policies_is_kept_to_the_character(room: int, spaces: int) -> None:
    own = len(json.dumps(revoking("2026-01-01T00:00:00.000000Z", Sid=SID), separators=(",", ":")))
    bare = len(json.dumps(json.loads(document("s3:*", Sid="")), separators=(",", ":")))
    sid = "x" * (10_240 - own - bare - room)
    inline = {"much": json.loads(document("s3:*", Sid=sid + " " * spaces))}
    if room < 0:
        with pytest.raises(Refused, match=f"would have {10_240 - room} characters"):
            proposed(world_of(inline=inline))
    else:
        assert len(proposed(world_of(inline=inline)).plan.steps) == 1


def test_a_former_policy_of_the_name_does_not_count() -> None:
    """It is replaced."""
    much = json.loads(document("s3:*", Sid="x" * 10_000))
    assert len(proposed(world_of(inline={POLICY: much})).plan.steps) == 1


@pytest.mark.parametrize(
    ("arn", "guard", "why"),
    [
        (
            f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_A_0123",
            WANTED,
            "Identity Center",
        ),
        (f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/s.amazonaws.com/AWSServiceRoleForS", WANTED, "service-linked"),
        (ARN, Guard(revoke_sessions=True, own=(ARN,)), "reaches the account"),
        (ARN, Guard(revoke_sessions=True, tags=("team",)), "bears the tag team=security"),
        (ARN, Guard(principals=("Deploy",)), "protected_principals"),
    ],
    ids=["Identity Center", "service-linked", "own role", "tag", "protected"],
)
def test_protected_roles_are_refused(arn: str, guard: Guard, why: str) -> None:
    name = arn.rpartition("/")[2]
    world = FakeWorld().answer(
        "iam:GetRole",
        {"Role": {"RoleName": name, "RoleId": "AROAX", "Arn": arn, "Tags": [{"Key": "team", "Value": "security"}]}},
        RoleName=name,
    )
    with pytest.raises(Refused, match=why):
        proposed(world, arn, guard)


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("none", NotFound, "none"),
        (f"arn:aws:iam::{ACCOUNT}:role/Deploy", Refused, "the role of that name is .*role/ci/Deploy"),
        (f"arn:aws:iam::{OTHER_ACCOUNT}:role/Deploy", NotFound, "is a role of account"),
        ("a b", UsageError, "not a user, role or group"),
        (f"arn:aws:iam::{ACCOUNT}:user/john", UsageError, "john is no role"),
    ],
)
def test_others_are_refused(admin: boto3.Session, text: str, error: type[Exception], match: str) -> None:
    scenarios()["revoke_sessions"](admin)
    client(admin, "iam").create_user(UserName="john")
    with pytest.raises(error, match=match):
        proposed(LiveWorld(admin), text)
