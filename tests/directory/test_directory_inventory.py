"""Reading who can enter the accounts: all of it, and what is left when AWS refuses or fails to show a part."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from directory_kit import ANCHOR, World

from trailwarden.aws.inventory import DIRECTORY_NEEDS, read_directory
from trailwarden.aws.kept_directory import kept_directory
from trailwarden.aws.trust import least_privilege
from trailwarden.demo.activity import root_sign_in
from trailwarden.demo.emulator import Fault
from trailwarden.demo.roles import PERMISSION_SETS, oidc_issuer, saml_provider_name
from trailwarden.model.directory import AccountDirectory, Directory
from trailwarden.progress import Silent

MANAGEMENT, PRODUCTION, DEVELOPMENT = "111111111111", "222222222222", "333333333333"
ACCOUNT_PARTS = {"root", "iam_users", "access_keys", "saml_providers", "oidc_providers"}
PARTS = {*ACCOUNT_PARTS, "identity_center", "identity_store"}


def of(directory: Directory, account: str) -> AccountDirectory:
    return next(each for each in directory.accounts if each.account == account)


def test_all_three_accounts_are_read_without_a_gap(whole: Directory) -> None:
    assert [each.account for each in whole.accounts] == [MANAGEMENT, PRODUCTION, DEVELOPMENT]
    assert whole.all_gaps == ()
    assert set(of(whole, MANAGEMENT).read) == PARTS
    # The organisation's instance is the management account's to show.
    assert set(of(whole, PRODUCTION).read) == set(of(whole, DEVELOPMENT).read) == ACCOUNT_PARTS
    assert {each.taken for each in whole.accounts} == {ANCHOR}


def test_iam_users_have_the_credentials_of_the_scenario(world: World, whole: Directory) -> None:
    users = {(each.account, each.name): each for account in whole.accounts for each in account.iam_users}
    for planned in world.scenario.iam_users:
        user = users[planned.account_id, planned.name]
        assert (user.arn, user.id) == (planned.arn, planned.id)
        assert user.tags == ({"email": planned.owner} if planned.owner else {"purpose": "automation"})
        assert (user.console_password, user.mfa) == (planned.console, planned.mfa)
        assert [(key.id, (ANCHOR - key.created).days) for key in user.access_keys] == list(planned.keys)
        assert all(key.active and key.last_used is not None for key in user.access_keys)
        assert (user.password_last_used == ANCHOR - timedelta(hours=30)) is planned.console
    john = users[PRODUCTION, "john"]
    assert john.tags == {"email": "john@company.com"}
    assert [(ANCHOR - key.created).days for key in john.access_keys] == [412, 96]
    assert {(key.last_service, key.last_region) for key in john.access_keys} == {
        ("sts", "us-east-1"),
        ("ec2", "us-east-1"),
    }


def test_what_nobody_has_used_is_told_from_what_was(whole: Directory) -> None:
    (emma,) = (user for user in of(whole, DEVELOPMENT).iam_users if user.name == "emma")
    assert (emma.console_password, emma.password_last_used, emma.mfa) == (True, None, False)
    (key,) = emma.access_keys
    assert ((ANCHOR - key.created).days, key.active) == (430, True)
    assert (key.last_used, key.last_service, key.last_region) == (None, None, None)
    (emergency,) = (user for user in of(whole, MANAGEMENT).iam_users if user.name == "break-glass")
    assert (emergency.console_password, emergency.password_last_used, emergency.mfa) == (True, None, True)
    assert emergency.access_keys == ()


def test_root_users_are_read(world: World, whole: Directory) -> None:
    shown = {each.account: each.root for each in whole.accounts}
    roots = {account: (root.mfa, root.access_keys, root.password_last_used) for account, root in shown.items() if root}
    assert roots == {
        MANAGEMENT: (True, False, root_sign_in(world.scenario)),
        PRODUCTION: (True, False, None),
        DEVELOPMENT: (False, False, None),
    }


def test_federation_providers_are_read(world: World, whole: Directory) -> None:
    seed = world.scenario.seed
    names = {each.account: [provider.name for provider in each.saml_providers] for each in whole.accounts}
    assert names == {
        MANAGEMENT: [saml_provider_name(seed, MANAGEMENT)],
        PRODUCTION: [saml_provider_name(seed, PRODUCTION), "CompanyOkta"],
        DEVELOPMENT: [saml_provider_name(seed, DEVELOPMENT), "LegacyADFS"],
    }
    github = "token.actions.githubusercontent.com"
    urls = {each.account: {provider.url for provider in each.oidc_providers} for each in whole.accounts}
    assert urls == {MANAGEMENT: {github}, PRODUCTION: {github, oidc_issuer(seed)}, DEVELOPMENT: {github}}
    providers = [provider for each in whole.accounts for provider in each.oidc_providers]
    assert {provider.client_ids for provider in providers} == {("sts.amazonaws.com",)}
    assert all(provider.created is not None and provider.created < ANCHOR for provider in providers)


def test_identity_center_is_read_with_its_people(world: World, whole: Directory) -> None:
    scenario = world.scenario
    for account in whole.accounts:
        (instance,) = account.instances
        assert (instance.arn, instance.owner) == (scenario.instance_arn, MANAGEMENT)
        assert instance.identity_store_id == scenario.identity_store_id
    management = of(whole, MANAGEMENT)
    assigned = defaultdict(set)
    centre = [person for person in scenario.people if person.federation == "identity_center"]
    for person in centre:
        for assignment in person.assignments:
            assigned[assignment.permission_set].add(assignment.account_id)
    assert {each.name: set(each.accounts) for each in management.permission_sets} == dict(assigned)
    assert set(assigned) == set(PERMISSION_SETS)
    assert {each.session_duration for each in management.permission_sets} == {"PT8H"}
    people = {person.user_id: (person.user_name, person.emails, person.active) for person in whole.people}
    assert people == {person.user_id: (person.email, (person.email,), True) for person in centre}
    assert len(people) == 40
    assert of(whole, PRODUCTION).people == ()


def test_whoever_was_hired_again_is_in_the_store_once(world: World, whole: Directory) -> None:
    rosa = world.scenario.person("rosa")
    assert rosa.rehire is not None
    users = [person.user_id for person in whole.people if rosa.email in person.emails]
    assert users == [rosa.user_id]
    assert rosa.rehire.user_id != rosa.user_id


#: The action that is denied -> the parts that are then not read, and the fields that then differ.
REFUSALS = {
    "iam:*CredentialReport": ({"root"}, {"root"}),
    "iam:ListAccessKeys": ({"access_keys"}, {"iam_users"}),
    "iam:ListSAMLProviders": ({"saml_providers"}, {"saml_providers"}),
    "iam:ListOpenIDConnectProviders": ({"oidc_providers"}, {"oidc_providers"}),
    "iam:GetOpenIDConnectProvider": ({"oidc_providers"}, {"oidc_providers"}),
    "sso:ListInstances": ({"identity_center", "identity_store"}, {"instances", "permission_sets", "people"}),
    "sso:ListPermissionSets": ({"identity_center"}, {"permission_sets"}),
    "sso:DescribePermissionSet": ({"identity_center"}, {"permission_sets"}),
    "sso:ListAccountsForProvisionedPermissionSet": ({"identity_center"}, {"permission_sets"}),
    "identitystore:ListUsers": ({"identity_store"}, {"people"}),
}


@pytest.mark.parametrize(("action", "lost"), REFUSALS.items(), ids=REFUSALS)
def test_what_is_denied_is_one_gap_and_the_rest_is_read(
    world: World, whole: Directory, action: str, lost: tuple[set[str], set[str]]
) -> None:
    world.emulator.faults.append(Fault.deny(action, account=MANAGEMENT))
    got, before = world.read_one(MANAGEMENT), of(whole, MANAGEMENT)
    (gap,) = got.gaps
    assert (gap.kind, gap.account) == ("denied", MANAGEMENT)
    named = action.replace("*", "Generate")
    assert named in gap.reason
    assert named in gap.remedy
    assert set(got.read) == PARTS - lost[0]
    fields = [name for name in AccountDirectory.__struct_fields__ if name not in {"read", "gaps"}]
    assert {name for name in fields if getattr(got, name) != getattr(before, name)} == lost[1]


def test_a_provider_whose_details_are_denied_is_still_listed(world: World, whole: Directory) -> None:
    world.emulator.faults.append(Fault.deny("iam:GetOpenIDConnectProvider"))
    got = world.read_one(PRODUCTION)
    assert [each.url for each in got.oidc_providers] == [each.url for each in of(whole, PRODUCTION).oidc_providers]
    assert {(each.client_ids, each.created) for each in got.oidc_providers} == {((), None)}
    (gap,) = got.gaps
    assert "and 1 more calls alike" in gap.reason


@pytest.mark.parametrize(
    "action",
    [
        "iam:GetAccountSummary",
        "iam:ListUsers",
        "iam:GetAccountAuthorizationDetails",
        "iam:GetLoginProfile",
        "iam:ListMFADevices",
        "iam:GetAccessKeyLastUsed",
        "sso:DescribeInstance",
        "account:ListRegions",
    ],
)
def test_what_another_action_tells_too_is_no_gap(world: World, whole: Directory, action: str) -> None:
    world.emulator.faults.append(Fault.deny(action))
    assert world.read() == whole


def test_a_report_that_somebody_else_had_made_will_do(world: World, whole: Directory) -> None:
    iam = world.emulator.session(PRODUCTION).client("iam")
    iam.generate_credential_report()
    world.emulator.faults.append(Fault.deny("iam:GenerateCredentialReport"))
    assert world.read_one(PRODUCTION) == of(whole, PRODUCTION)


def test_without_the_report_every_user_is_asked_about(world: World, whole: Directory) -> None:
    world.emulator.faults.append(Fault.deny("iam:*CredentialReport"))
    for account in (PRODUCTION, DEVELOPMENT):
        assert world.read_one(account).iam_users == of(whole, account).iam_users
    root = world.read_one(MANAGEMENT).root
    assert root is not None
    assert (root.mfa, root.access_keys, root.password_last_used) == (True, False, None)


def test_what_nothing_tells_is_unknown_and_not_empty(world: World) -> None:
    world.emulator.faults += [Fault.deny("iam:*CredentialReport"), Fault.deny("iam:GetAccountSummary")]
    world.emulator.faults += [Fault.deny("iam:GetLoginProfile"), Fault.deny("iam:ListMFADevices")]
    got = world.read_one(PRODUCTION)
    assert got.root is not None
    assert (got.root.mfa, got.root.access_keys) == (None, None)
    assert {(user.console_password, user.mfa) for user in got.iam_users} == {(None, None)}
    assert len(got.gaps) == 4
    assert {"root", "iam_users"}.isdisjoint(got.read)


def test_users_that_no_action_lists_are_one_gap(world: World) -> None:
    world.emulator.faults += [Fault.deny("iam:ListUsers"), Fault.deny("iam:GetAccountAuthorizationDetails")]
    got = world.read_one(PRODUCTION)
    assert got.iam_users == ()
    assert len(got.gaps) == 1
    assert {"iam_users", "access_keys"}.isdisjoint(got.read)


def test_without_the_list_and_the_report_the_last_use_of_passwords_is_unknown(world: World, whole: Directory) -> None:
    world.emulator.faults += [Fault.deny("iam:ListUsers"), Fault.deny("iam:*CredentialReport")]
    got = world.read_one(PRODUCTION)
    assert ["iam:GenerateCredentialReport" in got.gaps[0].reason, "iam:ListUsers" in got.gaps[1].reason] == [True] * 2
    assert len(got.gaps) == 2
    unknown = [msgspec.structs.replace(user, password_last_used=None) for user in of(whole, PRODUCTION).iam_users]
    assert list(got.iam_users) == unknown
    assert "iam_users" not in got.read


def test_tags_are_asked_for_one_by_one_where_they_are_not_shown_together(world: World, whole: Directory) -> None:
    world.emulator.faults.append(Fault.deny("iam:GetAccountAuthorizationDetails"))
    world.emulator.faults.append(Fault.deny("iam:ListUserTags"))
    got = world.read_one(PRODUCTION)
    (gap,) = got.gaps
    assert "iam:ListUserTags" in gap.reason
    without = [msgspec.structs.replace(user, tags={}) for user in of(whole, PRODUCTION).iam_users]
    assert list(got.iam_users) == without
    assert "iam_users" not in got.read


@pytest.mark.parametrize("action", ["iam:ListUsers", "iam:ListAccessKeys", "sso:ListPermissionSets", "sts:AssumeRole"])
def test_a_throttled_call_recovers(world: World, whole: Directory, action: str) -> None:
    world.emulator.faults.append(Fault.throttle(action, times=2))
    assert world.read_one(MANAGEMENT) == of(whole, MANAGEMENT)


def test_a_call_that_fails_for_good_is_a_gap(world: World) -> None:
    world.emulator.faults.append(Fault(kind="error", action="identitystore:ListUsers"))
    (gap,) = world.read_one(MANAGEMENT).gaps
    assert gap.kind == "failed"
    assert "identitystore:ListUsers" in gap.reason


def test_a_report_in_the_making_is_waited_for(world: World) -> None:
    world.read_one(PRODUCTION)
    assert world.slept == [0.5]
    world.read_one(PRODUCTION)
    assert world.slept == [0.5]


def test_a_report_that_is_never_made_is_given_up(world: World) -> None:
    world.emulator.faults.append(
        Fault(kind="error", action="iam:GetCredentialReport", code="ReportInProgress", status=404)
    )
    got = world.read_one(PRODUCTION)
    assert sum(world.slept) == 90
    (gap,) = got.gaps
    assert (gap.kind, "ReportInProgress" in gap.reason) == ("failed", True)
    assert "iam_users" in got.read


def test_an_older_report_dates_the_directory_and_newer_users_are_asked_about(world: World) -> None:
    world.read_one(DEVELOPMENT)
    world.pass_time(hours=3)
    iam = world.emulator.session(DEVELOPMENT).client("iam")
    iam.create_user(UserName="newcomer")
    iam.create_login_profile(UserName="newcomer", Password="Correct-Horse-7-Battery")
    try:
        got = world.read_one(DEVELOPMENT)
    finally:
        iam.delete_login_profile(UserName="newcomer")
        iam.delete_user(UserName="newcomer")
    assert got.taken == ANCHOR
    assert got.gaps == ()
    (newcomer,) = (user for user in got.iam_users if user.name == "newcomer")
    assert (newcomer.console_password, newcomer.mfa) == (True, False)
    world.pass_time(hours=1)
    assert world.read_one(DEVELOPMENT).taken == world.clock.now


def test_the_report_does_not_speak_for_a_later_user_of_the_same_name(world: World) -> None:
    iam = world.emulator.session(DEVELOPMENT).client("iam")
    iam.create_user(UserName="again")
    iam.create_login_profile(UserName="again", Password="Correct-Horse-7-Battery")
    held = world.emulator._world.iam(DEVELOPMENT).users
    held["again"].create_date = ANCHOR - timedelta(days=9)
    world.read_one(DEVELOPMENT)
    iam.delete_login_profile(UserName="again")
    iam.delete_user(UserName="again")
    iam.create_user(UserName="again")
    try:
        got = world.read_one(DEVELOPMENT)
    finally:
        iam.delete_user(UserName="again")
    assert [user.console_password for user in got.iam_users if user.name == "again"] == [False]


def test_an_account_with_two_roles_is_read_once(world: World, whole: Directory) -> None:
    seen: list[str] = []

    class Watching(Silent):
        @contextmanager
        def task(self, title: str, *, total: float | None = None, unit: str = "") -> Iterator[Any]:
            seen.append(f"{total:g} {unit}")
            yield self

        def advance(self, amount: float, *, note: str = "") -> None:
            seen.append(f"{amount:g} {note}")

    second = [
        msgspec.structs.replace(each, id=f"second-{each.id}", role_arn="arn:aws:iam::222222222222:role/Nobody")
        for each in world.list()
    ]
    got = read_directory(
        world.broker(), [*world.list(), *second], progress=Watching(), now=ANCHOR, sleep=world.slept.append
    )
    assert got == whole
    assert seen[0] == "3 accounts"
    assert sorted(seen[1:]) == [f"1 {account}" for account in (MANAGEMENT, PRODUCTION, DEVELOPMENT)]


def test_the_kept_copy_gives_the_whole_directory_back(world: World, whole: Directory, tmp_path: Path) -> None:
    def kept(read: Callable[[Collection[str]], Directory]) -> Directory:
        return kept_directory(tmp_path, read, accounts=world.roles, now=ANCHOR, max_age=timedelta(hours=1))

    assert kept(lambda accounts: world.read(accounts=accounts)) == whole
    assert kept(lambda _: pytest.fail("it was read again")) == whole


def test_an_account_that_cannot_be_entered_is_a_gap_and_the_others_are_read(world: World, whole: Directory) -> None:
    world.external_ids[PRODUCTION] = "not-the-one"
    got = world.read()
    (gap,) = got.gaps
    assert (gap.kind, gap.account) == ("denied", PRODUCTION)
    assert got.accounts == tuple(each for each in whole.accounts if each.account != PRODUCTION)


def test_an_instance_whose_owner_is_not_connected_is_read_as_far_as_it_shows(world: World, whole: Directory) -> None:
    directory = world.read(connected=[PRODUCTION])
    (got,) = directory.accounts
    assert got.people == of(whole, MANAGEMENT).people
    assert got.permission_sets == ()
    (gap,) = got.gaps
    assert gap.kind == "denied"
    assert f"connect account {MANAGEMENT}" in gap.remedy
    assert set(got.read) == {*ACCOUNT_PARTS, "identity_store"}


def test_regions_are_asked_one_by_one_where_they_cannot_be_asked_together(world: World, whole: Directory) -> None:
    refusal = Fault(kind="error", action="sso:ListInstances", code="ValidationException", status=400, times=1)
    world.emulator.faults.append(refusal)
    assert world.read_one(MANAGEMENT) == of(whole, MANAGEMENT)


def test_a_region_that_refuses_is_a_gap_and_the_others_are_asked(world: World) -> None:
    refusal = Fault(kind="error", action="sso:ListInstances", code="ValidationException", status=400, times=1)
    world.emulator.faults += [refusal, Fault.deny("sso:ListInstances", region="eu-west-1")]
    got = world.read_one(MANAGEMENT)
    (gap,) = got.gaps
    assert "eu-west-1" in gap.reason
    assert [each.owner for each in got.instances] == [MANAGEMENT]
    assert {"identity_center", "identity_store"}.isdisjoint(got.read)
    assert len(got.people) == 40


def test_an_instance_for_applications_alone_has_no_permission_sets(world: World) -> None:
    enabled = world.emulator.enable_identity_center(DEVELOPMENT, "eu-west-1")
    try:
        got = world.read_one(DEVELOPMENT)
    finally:
        world.emulator._world.identity_centers.remove(enabled)
    assert {each.owner for each in got.instances} == {MANAGEMENT, DEVELOPMENT}
    assert (got.gaps, got.permission_sets, got.people) == ((), (), ())


def test_a_disabled_person_is_shown_as_such(world: World) -> None:
    store, zoe = world.scenario.identity_store_id, world.scenario.person("zoe").user_id
    world.emulator.disable_person(store, zoe)
    try:
        people = world.read_one(MANAGEMENT).people
    finally:
        world.emulator._world.disabled_people.clear()
    assert [person.user_id for person in people if not person.active] == [zoe]


def test_the_listed_needs_suffice(world: World, whole: Directory) -> None:
    iam = world.emulator.session(MANAGEMENT).client("iam")
    trust = iam.get_role(RoleName="TrailwardenReadOnly")["Role"]["AssumeRolePolicyDocument"]
    made = iam.create_role(RoleName="TrailwardenNarrow", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    (document,) = least_privilege(DIRECTORY_NEEDS)
    iam.put_role_policy(RoleName="TrailwardenNarrow", PolicyName="needs", PolicyDocument=json.dumps(document))
    world.roles[MANAGEMENT] = made
    try:
        assert world.read_one(MANAGEMENT) == of(whole, MANAGEMENT)
        world.emulator.faults.append(Fault.deny("iam:*CredentialReport"))
        world.emulator.faults.append(Fault.deny("iam:GetAccountAuthorizationDetails"))
        assert len(world.read_one(MANAGEMENT).gaps) == 1
    finally:
        iam.delete_role_policy(RoleName="TrailwardenNarrow", PolicyName="needs")
        iam.delete_role(RoleName="TrailwardenNarrow")
