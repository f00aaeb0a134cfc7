"""The permissions that the actions on users declare suffice, and the lack of any one is told by its name."""

import boto3
import pytest
from actions_kit import LiveWorld, carry_out, client, document, scenarios, session_with, undo
from botocore.exceptions import ClientError

from trailwarden.action import Action, Need
from trailwarden.actions.delete_access_key import DeleteAccessKey
from trailwarden.actions.delete_user import DeleteUser
from trailwarden.actions.disable_user import DisableUser
from trailwarden.demo.emulator import Emulator
from trailwarden.errors import AccessDenied
from trailwarden.guardrails import Guard

KINDS: tuple[type[Action], ...] = (DisableUser, DeleteUser, DeleteAccessKey)


def needs_of(kind: type[Action]) -> tuple[Need, ...]:
    return (*kind.reads, *kind.writes)


def all_of_it(action: Action, session: boto3.Session) -> None:
    """Plan, do, read back, and undo what can be undone, with one session's permissions."""
    world = LiveWorld(session)
    plan = action.plan(world, Guard()).plan
    carry_out(session, plan)
    assert action.verify(world, plan).ok
    undo(session, plan)


def target_of(kind: type[Action], admin: boto3.Session, need: Need | None = None) -> Action:
    action = scenarios()[kind.name](admin)
    if need is not None and need.action == "iam:GetAccountSummary":
        for number in range(8):  # two are attached
            arn = client(admin, "iam").create_policy(PolicyName=f"p{number}", PolicyDocument=document("s3:*"))[
                "Policy"
            ]["Arn"]
            client(admin, "iam").attach_user_policy(UserName="john", PolicyArn=arn)
    if need is not None and need.when == "password=delete":
        return DisableUser(user="john", password="delete")
    return action


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_declared_suffices(emulator: Emulator, admin: boto3.Session, kind: type[Action]) -> None:
    action = target_of(kind, admin)
    all_of_it(action, session_with(emulator, admin, needs_of(kind)))


@pytest.mark.parametrize(
    ("kind", "need"),
    [pytest.param(kind, need, id=f"{kind.name}-{need.action}") for kind in KINDS for need in needs_of(kind)],
)
def test_the_lack_of_one_is_told_by_its_name(
    emulator: Emulator, admin: boto3.Session, kind: type[Action], need: Need
) -> None:
    action = target_of(kind, admin, need)
    rest = [each for each in needs_of(kind) if each is not need]
    with pytest.raises(AccessDenied, match=f"{need.action} failed"):
        all_of_it(action, session_with(emulator, admin, rest))


def test_no_other_policy_than_the_deny_can_be_attached(emulator: Emulator, admin: boto3.Session) -> None:
    target_of(DisableUser, admin)
    session = session_with(emulator, admin, DisableUser.writes)
    with pytest.raises(ClientError, match="AccessDenied"):
        client(session, "iam").attach_user_policy(
            UserName="john", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
        )
