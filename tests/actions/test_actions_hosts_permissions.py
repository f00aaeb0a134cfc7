"""The permissions that the actions on instances and addresses declare suffice, and the lack of any is told by name."""

import boto3
import pytest
from actions_hosts_kit import ADDRESS, group, make_set, rule, rule_group, run, spot, web_acl
from actions_hosts_kit import block_rule as blocking
from actions_kit import LiveWorld, carry_out, client, scenarios, session_with, undo
from botocore.exceptions import ClientError

from trailwarden.action import Action, Need
from trailwarden.actions._waf import RESOURCE_TYPES
from trailwarden.actions.block_ip import BlockIp
from trailwarden.actions.terminate_instances import TerminateInstances
from trailwarden.demo.emulator import Emulator
from trailwarden.errors import AccessDenied
from trailwarden.guardrails import Guard

KINDS: tuple[type[Action], ...] = (TerminateInstances, BlockIp)
#: What only widens what can be said: without it, an action is done all the same.
WIDENING = {"wafv2:ListResourcesForWebACL", *filter(None, RESOURCE_TYPES.values())}


def needs_of(kind: type[Action]) -> tuple[Need, ...]:
    return (*kind.reads, *kind.writes)


def everything(kind: type[Action], admin: boto3.Session) -> Action:
    """A target for which each permission is needed."""
    if kind is BlockIp:
        arn = make_set(admin)
        using = rule({"RuleGroupReferenceStatement": {"ARN": rule_group(admin, blocking(arn))}}, name="group")
        del using["Action"]
        web_acl(admin, "site", {**using, "OverrideAction": {"None": {}}})
        return BlockIp(address=ADDRESS)
    ids = (run(admin, profile=True, DisableApiTermination=True), spot(admin, "persistent"))
    grouped = group(admin, desired=1, minimum=0)
    return TerminateInstances(instance_ids=(*ids, *grouped), snapshots=True, override_protection=True)


def all_of_it(action: Action, session: boto3.Session) -> None:
    """Plan, do, read back, and undo what can be undone, with one session's permissions."""
    world = LiveWorld(session)
    plan = action.plan(world, Guard()).plan
    carry_out(session, plan)
    assert action.verify(world, plan).ok
    if action.reversible:
        undo(session, plan)
        assert not action.verify(world, plan).ok


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_declared_suffices(emulator: Emulator, admin: boto3.Session, kind: type[Action]) -> None:
    action = everything(kind, admin)
    all_of_it(action, session_with(emulator, admin, needs_of(kind)))


@pytest.mark.parametrize(
    ("kind", "need"),
    [
        pytest.param(kind, need, id=f"{kind.name}-{need.action}")
        for kind in KINDS
        for need in needs_of(kind)
        if need.action not in WIDENING
    ],
)
def test_the_lack_of_one_is_told_by_its_name(
    emulator: Emulator, admin: boto3.Session, kind: type[Action], need: Need
) -> None:
    action = everything(kind, admin)
    rest = [each for each in needs_of(kind) if each is not need]
    named = "ec2:CreateSnapshots|ec2:CreateTags" if need.action == "ec2:CreateTags" else need.action
    with pytest.raises(AccessDenied, match=f"({named}) failed"):
        all_of_it(action, session_with(emulator, admin, rest))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_without_what_is_needed_at_times_a_plain_one_is_done(
    emulator: Emulator, admin: boto3.Session, kind: type[Action]
) -> None:
    action = scenarios()[kind.name](admin)
    always = [each for each in needs_of(kind) if not each.when]
    all_of_it(action, session_with(emulator, admin, always))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_resources_of_the_steps_suffice_for_them(
    emulator: Emulator, admin: boto3.Session, kind: type[Action]
) -> None:
    plan = everything(kind, admin).plan(LiveWorld(admin), Guard()).plan
    exact = [Need(action=step.call.api, resources=step.call.resources) for step in plan.steps]
    beside = {"ec2:CreateSnapshots": "ec2:CreateTags", "wafv2:UpdateIPSet": "wafv2:GetIPSet"}
    exact += [Need(action=beside[each.action], resources=each.resources) for each in exact if each.action in beside]
    session = session_with(emulator, admin, exact)
    other = run(admin)
    carry_out(session, plan)
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        client(session, "ec2").terminate_instances(InstanceIds=[other])
