"""The permissions that the actions on rights and sessions declare suffice, and the lack of any is told by its name."""

import boto3
import pytest
from actions_kit import (
    ACCOUNT,
    ADMINISTRATOR_ACCESS,
    READ_ONLY,
    LiveWorld,
    carry_out,
    client,
    document,
    scenarios,
    session_with,
    undo,
)
from actions_roles_kit import EVERYTHING, group, managed, role, user
from botocore.exceptions import ClientError

from trailwarden.action import Action, Need
from trailwarden.actions.detach_admin_policies import DetachAdminPolicies
from trailwarden.actions.revoke_sessions import RevokeSessions
from trailwarden.demo.emulator import Emulator
from trailwarden.errors import AccessDenied
from trailwarden.guardrails import Guard

DETACHING = (*DetachAdminPolicies.reads, *DetachAdminPolicies.writes)
REVOKING = (*RevokeSessions.reads, *RevokeSessions.writes)
KINDS = ("user", "role", "group")
OWN = f"arn:aws:iam::{ACCOUNT}:policy/own"


def all_of_it(action: Action, session: boto3.Session) -> None:
    """Plan, do, read back, undo, and read that back, with one session's permissions."""
    world = LiveWorld(session)
    plan = action.plan(world, Guard(revoke_sessions=True)).plan
    carry_out(session, plan)
    assert action.verify(world, plan).ok
    undo(session, plan)
    assert not action.verify(world, plan).ok


def everything(admin: boto3.Session, kind: str) -> Action:
    """A principal with one of the three, one of its own, an inline policy that gives as much, and others."""
    managed(admin, "own", EVERYTHING)
    attached = (ADMINISTRATOR_ACCESS, OWN, READ_ONLY)
    if kind == "user":
        user(admin, "john", *attached, all=EVERYTHING)
        group(admin, "admins", "john", attached=attached, all=EVERYTHING)
    elif kind == "role":
        role(admin, "john", *attached)
        client(admin, "iam").put_role_policy(RoleName="john", PolicyName="all", PolicyDocument=EVERYTHING)
    else:
        user(admin, "mary")
        group(admin, "john", "mary", attached=attached, all=EVERYTHING)
    return DetachAdminPolicies(principal=f"{kind}/john", groups=kind == "user", inline=True)


def takes(kind: str, need: Need) -> bool:
    """Whether a permission is declared for a kind of principal, by the words that say when it is needed."""
    if not any(f"{word} a {each}" in need.when for each in KINDS for word in ("is", "for", "or")):
        return True
    return any(f"{word} a {kind}" in need.when for word in ("is", "for", "or"))


def needed(kind: str) -> list[Need]:
    """The permissions that a kind of principal takes, where no tags protect."""
    return [each for each in DETACHING if takes(kind, each) and not (kind == "group" and "tags protect" in each.when)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_declared_for_a_kind_suffices(emulator: Emulator, admin: boto3.Session, kind: str) -> None:
    action = everything(admin, kind)
    all_of_it(action, session_with(emulator, admin, needed(kind)))


@pytest.mark.parametrize(
    ("kind", "need"),
    [
        pytest.param(kind, need, id=f"{kind}-{number}-{need.action}")
        for kind in KINDS
        for number, need in enumerate(needed(kind))
    ],
)
def test_the_lack_of_one_is_told_by_its_name(emulator: Emulator, admin: boto3.Session, kind: str, need: Need) -> None:
    action = everything(admin, kind)
    with pytest.raises(AccessDenied, match=f"{need.action} failed"):
        all_of_it(action, session_with(emulator, admin, [each for each in DETACHING if each is not need]))


def test_for_the_three_alone_the_narrow_permissions_do(emulator: Emulator, admin: boto3.Session) -> None:
    user(admin, "john", ADMINISTRATOR_ACCESS)
    narrow = [each for each in needed("user") if "gives as much" not in each.when and "=true" not in each.when]
    session = session_with(emulator, admin, narrow)
    all_of_it(DetachAdminPolicies(principal="user/john"), session)
    user(admin, "mary", READ_ONLY)
    with pytest.raises(ClientError, match="AccessDenied"):
        client(session, "iam").detach_user_policy(UserName="mary", PolicyArn=READ_ONLY)


def test_members_are_read_where_tags_protect(emulator: Emulator, admin: boto3.Session) -> None:
    action = everything(admin, "group")
    world = LiveWorld(session_with(emulator, admin, needed("group")))
    with pytest.raises(AccessDenied, match="iam:GetUser failed"):
        action.plan(world, Guard(tags=("team",)))
    reading = [*needed("group"), *(each for each in DETACHING if each.action == "iam:GetUser")]
    world = LiveWorld(session_with(emulator, admin, reading, name="reader"))
    assert action.plan(world, Guard(tags=("team",))).plan.steps


def test_what_is_declared_for_revoking_suffices(emulator: Emulator, admin: boto3.Session) -> None:
    action = scenarios()["revoke_sessions"](admin)
    all_of_it(action, session_with(emulator, admin, REVOKING))


@pytest.mark.parametrize("need", REVOKING, ids=lambda need: need.action)
def test_the_lack_of_one_for_revoking_is_told_by_its_name(emulator: Emulator, admin: boto3.Session, need: Need) -> None:
    action = scenarios()["revoke_sessions"](admin)
    with pytest.raises(AccessDenied, match=f"{need.action} failed"):
        all_of_it(action, session_with(emulator, admin, [each for each in REVOKING if each is not need]))


def test_a_role_of_another_path_is_not_what_is_granted(emulator: Emulator, admin: boto3.Session) -> None:
    """The steps name the exact ARNs that a session policy takes, the path among them."""
    action = scenarios()["revoke_sessions"](admin)
    plan = action.plan(LiveWorld(admin), Guard(revoke_sessions=True)).plan
    exact = [Need(action=step.call.api, resources=step.call.resources) for step in plan.steps]
    session = session_with(emulator, admin, exact)
    carry_out(session, plan)
    role(admin, "Other")
    with pytest.raises(ClientError, match="AccessDenied"):
        client(session, "iam").put_role_policy(RoleName="Other", PolicyName="x", PolicyDocument=document("s3:*"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_resources_of_the_steps_suffice_for_them(emulator: Emulator, admin: boto3.Session, kind: str) -> None:
    plan = everything(admin, kind).plan(LiveWorld(admin), Guard()).plan
    calls = [call for step in plan.steps for call in (step.call, step.undo) if call is not None]
    exact = [Need(action=call.api, resources=call.resources) for call in calls]
    session = session_with(emulator, admin, exact)
    carry_out(session, plan)
    undo(session, plan)
