"""Each step of the actions on users is told to be done once it is, and not before; its undo likewise."""

import boto3
import pytest
from actions_kit import LiveWorld, client, do, make_john, scenarios

from trailwarden.action import target_of
from trailwarden.actions.delete_user import DeleteUser
from trailwarden.actions.disable_user import DisableUser
from trailwarden.effects import step_effect, verify_steps
from trailwarden.errors import NotFound
from trailwarden.guardrails import Guard
from trailwarden.model.proposal import Plan


def done(world: LiveWorld, plan: Plan) -> list[bool | None]:
    return [step_effect(world, step.call, target_of(plan, step)) for step in plan.steps]


@pytest.mark.parametrize("name", ["disable_user", "delete_user", "delete_access_key"])
def test_steps_are_told_to_be_done_one_after_the_other(admin: boto3.Session, live: LiveWorld, name: str) -> None:
    action = scenarios()[name](admin)
    plan = action.plan(live, Guard()).plan
    assert done(live, plan) == [False] * len(plan.steps)
    assert not verify_steps(live, plan).ok
    for number, step in enumerate(plan.steps, 1):
        assert do(admin, step.call)
        seen = done(live, plan)
        assert seen[number - 1] is True, step.does
        # a key that was made inactive and is gone by now has no status that could be read
        assert all(each is not False for each in seen[:number])
        if step.call.api != "iam:DeleteUser":
            assert seen[number:] == [False] * (len(plan.steps) - number), step.does
    assert action.verify(live, plan).ok


def test_undoing_is_told_too(admin: boto3.Session, live: LiveWorld) -> None:
    plan = DisableUser(user=make_john(admin)).plan(live, Guard()).plan
    for step in plan.steps:
        do(admin, step.call)
    for step in reversed(plan.steps):
        assert step.undo is not None
        assert step_effect(live, step.undo, plan.targets[0]) is False
        do(admin, step.undo)
        assert step_effect(live, step.undo, plan.targets[0]) is True
    assert done(live, plan) == [False] * len(plan.steps)


def test_a_deletion_that_stopped_half_way_is_planned_for_what_is_left(admin: boto3.Session, live: LiveWorld) -> None:
    action = DeleteUser(user=make_john(admin))
    plan = action.plan(live, Guard()).plan
    for step in plan.steps[:7]:
        do(admin, step.call)
    rest = action.plan(live, Guard()).plan
    assert [step.call for step in rest.steps] == [step.call for step in plan.steps[7:]]
    assert rest.targets == plan.targets
    for step in rest.steps:
        do(admin, step.call)
    with pytest.raises(NotFound):
        live.call("iam:GetUser", UserName="john")


def test_of_a_user_made_anew_nothing_is_told(admin: boto3.Session, live: LiveWorld) -> None:
    iam = client(admin, "iam")
    plan = DeleteUser(user=make_john(admin)).plan(live, Guard()).plan
    for step in plan.steps:
        do(admin, step.call)
    iam.create_user(UserName="john")
    assert done(live, plan)[-1] is None
    assert not any(each is False for each in done(live, plan))
