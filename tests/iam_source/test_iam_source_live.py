"""Authorisation of the simulated organisation, read as from AWS: whole, in part, and of accounts that do not answer."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("moto", reason="the demo's emulator is an optional part")

from botocore.exceptions import ClientError
from iam_source_kit import NOW, Reach, ago

from trailwarden.aws.authorization import read_authorization
from trailwarden.demo.emulator import Emulator, Fault, iam_reports
from trailwarden.demo.iam_world import (
    DEVELOPMENT,
    MANAGEMENT,
    PLANTED,
    PRODUCTION,
    IamWorld,
    Planted,
    authorization_file,
    iam_world,
    world_snapshot,
)
from trailwarden.demo.organisation import build_organisation
from trailwarden.demo.scenario import INSTALLATION_USER, Scenario, build_scenario
from trailwarden.errors import UsageError
from trailwarden.model.authorization import AuthorizationSnapshot, Levels
from trailwarden.model.finding import Gap
from trailwarden.model.policy import AccountAuthorization, IamRole, parse_authorization_details
from trailwarden.progress import Silent

ACCOUNTS = (MANAGEMENT, PRODUCTION, DEVELOPMENT)
REGIONS = ("eu-central-1", "us-east-1")
SERVICES = ("kms", "lambda", "s3", "secretsmanager", "sns", "sqs")
ALL_PARTS = {"authorization", "access_keys", "organization", *(f"resource_policies.{each}" for each in SERVICES)}
Read = Callable[..., tuple[dict[str, AuthorizationSnapshot], tuple[Gap, ...]]]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return build_scenario(anchor=NOW, records=3_000)


@pytest.fixture(scope="module")
def world(scenario: Scenario) -> IamWorld:
    return iam_world(scenario.seed, scenario.organization_id)


@pytest.fixture(scope="module")
def emulator(scenario: Scenario) -> Iterator[Emulator]:
    with Emulator(now=lambda: NOW, lookup_rate=None) as running:
        build_organisation(scenario, running)
        yield running


@pytest.fixture(scope="module")
def credentials(scenario: Scenario, emulator: Emulator) -> Iterator[None]:
    """The environment of this installation's own principal."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment(scenario.management.id, user=INSTALLATION_USER).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def reach(scenario: Scenario, credentials: None) -> Reach:
    return Reach(scenario)


@pytest.fixture
def read(reach: Reach, emulator: Emulator) -> Iterator[Read]:
    """Reads accounts (all three unless told otherwise) in two Regions; snapshots by account."""

    def reading(*accounts: str, **options: Any) -> tuple[dict[str, AuthorizationSnapshot], tuple[Gap, ...]]:
        connections = [each for each in reach.list() if each.account_id in (accounts or ACCOUNTS)]
        known = {"progress": Silent(), "now": NOW, "regions": REGIONS, "sleep": lambda _: None, **options}
        snapshots, gaps = read_authorization(reach.broker, connections, **known)
        return {snapshot.account: snapshot for snapshot in snapshots}, gaps

    yield reading
    emulator.faults.clear()


@pytest.fixture(scope="module")
def whole(reach: Reach) -> dict[str, AuthorizationSnapshot]:
    """All three accounts, in all Regions that are enabled."""
    snapshots, gaps = read_authorization(
        reach.broker,
        reach.list(),
        progress=Silent(),
        now=NOW,
        deep=(f"arn:aws:iam::{PRODUCTION}:role/AdminRole", f"arn:aws:iam::{PRODUCTION}:role/api-backend"),
        sleep=lambda _: None,
    )
    assert gaps == ()
    return {snapshot.account: snapshot for snapshot in snapshots}


def names(levels: Levels | None) -> list[list[str]]:
    assert levels is not None
    return [[policy.source.name for policy in level] for level in levels]


def test_every_part_of_every_account_is_read(whole: dict[str, AuthorizationSnapshot]) -> None:
    assert set(whole) == set(ACCOUNTS)
    for snapshot in whole.values():
        assert (snapshot.taken, snapshot.gaps, set(snapshot.read)) == (NOW, (), ALL_PARTS)
        assert snapshot.authorization.account == snapshot.account
        assert snapshot.authorization.complete
        assert snapshot.authorization.unreadable == ()


def shape(held: AccountAuthorization) -> dict[str, Any]:
    """What decides over permissions, by ARN, in no order."""
    return {
        each.arn: (
            each.id,
            frozenset(each.attached),
            frozenset(policy.statements for policy in each.inline),
            frozenset(policy.source.name for policy in each.inline),
            getattr(each, "boundary", None),
            frozenset(getattr(each, "groups", ())),
            each.trust.statements if isinstance(each, IamRole) and each.trust is not None else None,
        )
        for each in held.principals()
    }


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_file_shows_what_the_emulator_shows(
    scenario: Scenario, whole: dict[str, AuthorizationSnapshot], account: str
) -> None:
    served = whole[account].authorization
    written = parse_authorization_details([authorization_file(account, anchor=NOW, seed=scenario.seed)])
    left_by_the_story = {"trailwarden-installation", "break-glass", "svc-backup", "emma"}
    expected = {arn: each for arn, each in shape(served).items() if arn.rsplit("/", 1)[-1] not in left_by_the_story}
    assert shape(written) == expected
    assert {name: group.inline for name, group in written.groups.items()} == {
        name: group.inline for name, group in served.groups.items()
    }
    for arn, policy in written.policies.items():
        shown = served.policies[arn]
        assert (shown.name, shown.default_version) == (policy.name, policy.default_version)
        assert shown.policy is not None
        assert policy.policy is not None
        assert shown.policy.statements == policy.policy.statements


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_snapshot_without_aws_is_the_one_with_it(
    scenario: Scenario, whole: dict[str, AuthorizationSnapshot], account: str
) -> None:
    served, written = whole[account], world_snapshot(account, anchor=NOW, seed=scenario.seed)
    assert (set(written.read), written.gaps, written.taken) == (set(served.read), served.gaps, served.taken)
    trail = f"arn:aws:s3:::{scenario.trail_bucket}"
    documents = [
        {
            each.arn: (each.service, each.account, each.policy.source, each.policy.statements, each.restricts_public)
            for each in snapshot.resource_policies
            if each.arn != trail
        }
        for snapshot in (written, served)
    ]
    assert documents[0] == documents[1]
    assert written.access_keys.items() <= served.access_keys.items()
    ours, theirs = written.organization, served.organization
    assert ours is not None
    assert theirs is not None
    assert (ours.id, ours.management_account, len(ours.path)) == (
        theirs.id,
        theirs.management_account,
        len(theirs.path),
    )
    for one, two in ((ours.scps, theirs.scps), (ours.rcps, theirs.rcps)):
        assert names(one) == names(two)
        assert statements(one) == statements(two)


def statements(levels: Levels | None) -> list[list[Any]]:
    return [[policy.statements for policy in level] for level in levels or ()]


def test_ages_and_last_uses_are_those_of_the_world(world: IamWorld, whole: dict[str, AuthorizationSnapshot]) -> None:
    for role in world.roles:
        held = whole[role.account_id].authorization.roles[role.arn]
        assert held.created == ago(role.age)
        assert held.last_used == (ago(role.idle) if role.idle is not None else None)
        assert bool(held.instance_profiles) == role.instance_profile


def test_pages_are_put_together(
    read: Read, whole: dict[str, AuthorizationSnapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    page = iam_reports._page

    def counted(call: Any, items: Any) -> Any:
        asked.append(call.get("Marker"))
        return page(call, items)

    monkeypatch.setattr(iam_reports, "_PAGE", 7)
    monkeypatch.setattr(iam_reports, "_page", counted)
    snapshots, _ = read(DEVELOPMENT)
    assert len(asked) > 5
    assert shape(snapshots[DEVELOPMENT].authorization) == shape(whole[DEVELOPMENT].authorization)


def test_organisation_policies_come_by_level(scenario: Scenario, whole: dict[str, AuthorizationSnapshot]) -> None:
    held = {account: snapshot.organization for account, snapshot in whole.items()}
    for account, organization in held.items():
        assert organization is not None
        assert (organization.id, organization.management_account) == (scenario.organization_id, MANAGEMENT)
        assert organization.path[-1] == account
        assert organization.path[0].startswith("r-")
        assert len(organization.path) == (2 if account == MANAGEMENT else 3)
    development, management = held[DEVELOPMENT], held[MANAGEMENT]
    assert development is not None
    assert names(development.scps) == [
        ["FullAWSAccess", "ProtectTrail"],
        ["FullAWSAccess"],
        ["FullAWSAccess", "RetireLegacyRoles"],
    ]
    assert names(development.rcps) == [
        ["RCPFullAWSAccess"],
        ["RCPFullAWSAccess", "OwnIdentitiesOnly"],
        ["RCPFullAWSAccess"],
    ]
    assert development.binding_scps == development.scps
    scp = (development.scps or ())[2][1]
    assert (scp.source.kind, scp.source.holder) == ("scp", DEVELOPMENT)
    assert management is not None
    assert names(management.scps)[0] == ["FullAWSAccess", "ProtectTrail"]
    assert (management.binding_scps, management.binding_rcps) == (None, None)


def test_resource_policies_are_those_of_the_world(
    world: IamWorld, whole: dict[str, AuthorizationSnapshot], scenario: Scenario
) -> None:
    found = {each.arn: each for snapshot in whole.values() for each in snapshot.resource_policies}
    trail = f"arn:aws:s3:::{scenario.trail_bucket}"
    assert set(found) == {resource.arn for resource in world.resources} | {trail}
    for resource in world.resources:
        held = found[resource.arn]
        assert (held.service, held.account) == (resource.service, resource.account_id)
        wanted = json.loads(resource.policy)["Statement"]
        assert [statement.actions for statement in held.policy.statements] == [
            tuple([each["Action"]] if isinstance(each["Action"], str) else each["Action"]) for each in wanted
        ]
        assert held.policy.source.kind == "resource"
        assert held.restricts_public == (resource.sealed if resource.service == "s3" else None)


def test_access_keys_have_their_ages(world: IamWorld, whole: dict[str, AuthorizationSnapshot]) -> None:
    for user in world.users:
        held = whole[user.account_id].access_keys[user.arn]
        assert [(key.active, key.rotated) for key in held] == [(True, ago(key.age)) for key in user.keys]
        used = [ago(key.idle) if key.idle is not None else None for key in user.keys]
        assert [key.last_used for key in held] == used
    for snapshot in whole.values():
        assert snapshot.access_keys[f"arn:aws:iam::{snapshot.account}:root"] == ()
        assert snapshot.keys_taken is not None


def test_last_access_is_asked_of_the_named_alone(whole: dict[str, AuthorizationSnapshot]) -> None:
    admin, backend = (f"arn:aws:iam::{PRODUCTION}:role/{name}" for name in ("AdminRole", "api-backend"))
    held = whole[PRODUCTION].last_access
    assert set(held) == {admin, backend}
    assert len(held[admin]) > 400  # * allows every service
    assert all(each.last is None or each.last <= NOW for each in held[admin])
    used = {each.service: each.last for each in held[backend] if each.last is not None}
    assert used
    assert all(NOW - timedelta(days=7) < last < NOW for last in used.values())
    assert {each.tracked_since for each in held[backend]} == {NOW - timedelta(days=400)}
    assert not whole[MANAGEMENT].last_access


def test_what_is_planted_is_there(whole: dict[str, AuthorizationSnapshot]) -> None:
    for case in PLANTED:
        snapshot = whole[case.account]
        arns = {*snapshot.authorization.users, *snapshot.authorization.roles}
        arns |= {each.arn for each in snapshot.resource_policies}
        assert case.subject in arns


ADMINISTRATION = ("iam:AttachRolePolicy", "iam:CreateUser", "iam:PutUserPolicy", "iam:CreatePolicyVersion")


@pytest.mark.parametrize(
    "case", [case for case in PLANTED if case.expects == "administrator"], ids=lambda case: case.subject.rsplit("/")[-1]
)
def test_administrators_are_those_whom_the_emulator_lets_administer(emulator: Emulator, case: Planted) -> None:
    iam = emulator.session(case.account).client("iam")
    answer = iam.simulate_principal_policy(PolicySourceArn=case.subject, ActionNames=ADMINISTRATION)
    decisions = {each["EvalActionName"]: each["EvalDecision"] for each in answer["EvaluationResults"]}
    assert {action for action in ADMINISTRATION if decisions[action] == "allowed"} == (
        set(ADMINISTRATION) if case.found else set()
    )


def in_development(kind: str, name: str) -> str:
    return f"arn:aws:iam::{DEVELOPMENT}:{kind}/{name}"


LAMBDA, EC2, GLUE = ({"iam:PassedToService": f"{each}.amazonaws.com"} for each in ("lambda", "ec2", "glue"))
BUILD, FUNCTION = in_development("role", "BuildServerAdmin"), in_development("role", "FunctionAdmin")
OWN_ADMIN = in_development("user", "ops-admin")


@pytest.mark.parametrize(
    ("kind", "name", "action", "resource", "context", "allowed"),
    [
        pytest.param("role", "DeveloperCompute", "iam:PassRole", BUILD, EC2, True, id="passes a role"),
        pytest.param("role", "SplitCompute", "iam:PassRole", BUILD, EC2, True, id="passes by a pattern"),
        pytest.param("role", "WebCompute", "iam:PassRole", BUILD, EC2, False, id="another name"),
        pytest.param("role", "DeniedCompute", "iam:PassRole", BUILD, EC2, False, id="a Deny with NotResource"),
        pytest.param("role", "DeniedCompute", "iam:PassRole", FUNCTION, LAMBDA, False, id="the same, for Lambda"),
        pytest.param("role", "FunctionPublisher", "iam:PassRole", FUNCTION, LAMBDA, True, id="passes to Lambda"),
        pytest.param("role", "EtlPublisher", "iam:PassRole", FUNCTION, LAMBDA, False, id="PassedToService is another"),
        pytest.param("role", "EtlPublisher", "iam:PassRole", FUNCTION, GLUE, True, id="PassedToService is right"),
        pytest.param("role", "TrustMaintainer", "iam:UpdateAssumeRolePolicy", BUILD, {}, True, id="edits a trust"),
        pytest.param("user", "helpdesk", "iam:CreateAccessKey", OWN_ADMIN, {}, True, id="keys by a group"),
        pytest.param("user", "helpdesk-limited", "iam:CreateAccessKey", OWN_ADMIN, {}, False, id="a boundary"),
        pytest.param("user", "self-service", "iam:CreateAccessKey", OWN_ADMIN, {}, False, id="only one's own keys"),
    ],
)
def test_steps_are_allowed_where_they_must_be(
    emulator: Emulator, *, kind: str, name: str, action: str, resource: str, context: dict[str, str], allowed: bool
) -> None:
    answer = (
        emulator.session(DEVELOPMENT)
        .client("iam")
        .simulate_principal_policy(
            PolicySourceArn=in_development(kind, name),
            ActionNames=[action],
            ResourceArns=[resource],
            ContextEntries=[
                {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
                for key, value in {"aws:username": name, **context}.items()
            ],
        )
    )
    assert (answer["EvaluationResults"][0]["EvalDecision"] == "allowed") == allowed


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        pytest.param("kms:ListKeys", {"resource_policies.kms"}, id="a list"),
        pytest.param("sqs:GetQueueAttributes", {"resource_policies.sqs"}, id="one resource"),
        pytest.param("s3:GetBucketPolicy", {"resource_policies.s3"}, id="several resources"),
        pytest.param("s3:GetPublicAccessBlock", {"resource_policies.s3"}, id="Block Public Access"),
        pytest.param("organizations:DescribeOrganization", {"organization"}, id="the organisation"),
        pytest.param("iam:G*CredentialReport", {"access_keys"}, id="the credential report"),
    ],
)
def test_one_refusal_is_one_gap_and_the_rest_is_read(
    read: Read, emulator: Emulator, action: str, missing: set[str]
) -> None:
    emulator.faults.append(Fault.deny(action, account=PRODUCTION))
    snapshots, gaps = read()
    assert gaps == ()
    refused = snapshots[PRODUCTION]
    assert ALL_PARTS - set(refused.read) == missing
    (gap,) = refused.gaps
    assert (gap.kind, gap.account) == ("denied", PRODUCTION)
    assert gap.remedy
    for account in (MANAGEMENT, DEVELOPMENT):
        assert set(snapshots[account].read) == ALL_PARTS


def test_alike_refusals_are_counted(read: Read, emulator: Emulator) -> None:
    emulator.faults.append(Fault.deny("s3:GetBucketPolicy", account=PRODUCTION))
    snapshots, _ = read(PRODUCTION, MANAGEMENT)
    assert snapshots[PRODUCTION].gaps[0].reason.endswith(", and 2 more calls alike")
    assert not [each for each in snapshots[PRODUCTION].resource_policies if each.service == "s3"]


def test_bucket_policies_stay_where_block_public_access_is_not_shown(read: Read, emulator: Emulator) -> None:
    emulator.faults.append(Fault.deny("s3:GetPublicAccessBlock"))
    snapshots, _ = read(PRODUCTION, MANAGEMENT)
    buckets = [each for each in snapshots[PRODUCTION].resource_policies if each.service == "s3"]
    assert len(buckets) == 3
    assert {each.restricts_public for each in buckets} == {None}


def test_an_account_that_does_not_show_its_iam_is_a_gap(read: Read, emulator: Emulator) -> None:
    emulator.faults.append(Fault.deny("iam:GetAccountAuthorizationDetails", account=PRODUCTION))
    snapshots, (gap,) = read()
    assert set(snapshots) == {MANAGEMENT, DEVELOPMENT}
    assert (gap.kind, gap.account) == ("denied", PRODUCTION)
    assert "iam:GetAccountAuthorizationDetails" in gap.reason


def test_a_second_page_that_fails_leaves_no_half_account(
    read: Read, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iam_reports, "_PAGE", 20)
    emulator.faults.append(Fault.throttle("iam:GetAccountAuthorizationDetails", times=1, after=1, account=PRODUCTION))
    snapshots, (gap,) = read(PRODUCTION, MANAGEMENT)
    assert set(snapshots) == {MANAGEMENT}
    assert (gap.kind, gap.account) == ("failed", PRODUCTION)


def test_an_account_that_lets_nobody_in_is_a_gap(
    scenario: Scenario, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach = Reach(scenario)
    known = reach.external_id
    monkeypatch.setattr(reach, "external_id", lambda held: "wrong" if held.account_id == PRODUCTION else known(held))
    connections = [each for each in reach.list() if each.account_id != DEVELOPMENT]
    snapshots, (gap,) = read_authorization(
        reach.broker, connections, progress=Silent(), now=NOW, regions=(), sleep=lambda _: None
    )
    assert [snapshot.account for snapshot in snapshots] == [MANAGEMENT]
    assert (gap.kind, gap.account) == ("denied", PRODUCTION)


def test_regions_that_are_not_shown_leave_global_services(read: Read, reach: Reach, emulator: Emulator) -> None:
    for connection in reach.list():
        reach.broker.forget(connection)
    emulator.faults += [
        Fault.deny("account:ListRegions", account=DEVELOPMENT),
        Fault.deny("ec2:DescribeRegions", account=DEVELOPMENT),
    ]
    snapshots, _ = read(DEVELOPMENT, MANAGEMENT, regions=None)
    held = snapshots[DEVELOPMENT]
    assert {part for part in held.read if part.startswith("resource_policies.")} == {"resource_policies.s3"}
    (gap,) = held.gaps
    assert "ListRegions" in gap.remedy


def test_other_regions_are_not_looked_at(read: Read) -> None:
    snapshots, _ = read(PRODUCTION, MANAGEMENT, regions=("us-east-1",))
    assert {each.service for each in snapshots[PRODUCTION].resource_policies} == {"s3"}


def test_without_the_management_account_scps_are_unknown(read: Read) -> None:
    snapshots, _ = read(PRODUCTION, DEVELOPMENT)
    for snapshot in snapshots.values():
        assert snapshot.organization is None
        assert ALL_PARTS - set(snapshot.read) == {"organization"}
        (gap,) = snapshot.gaps
        assert (gap.kind, gap.account) == ("denied", snapshot.account)
        assert MANAGEMENT in gap.remedy
        assert "delegated administrator" in gap.remedy


def test_a_delegated_administrator_may_tell_too(
    read: Read, emulator: Emulator, whole: dict[str, AuthorizationSnapshot]
) -> None:
    client = emulator.session(MANAGEMENT).client("organizations")
    service = {"AccountId": DEVELOPMENT, "ServicePrincipal": "access-analyzer.amazonaws.com"}
    client.register_delegated_administrator(**service)
    try:
        snapshots, _ = read(PRODUCTION, DEVELOPMENT)
    finally:
        client.deregister_delegated_administrator(**service)
    for account in (PRODUCTION, DEVELOPMENT):
        assert snapshots[account].organization == whole[account].organization
        assert snapshots[account].gaps == ()


def test_the_management_account_that_fails_is_no_reason_to_connect_it(read: Read, emulator: Emulator) -> None:
    emulator.faults.append(Fault.deny("organizations:ListRoots", account=MANAGEMENT))
    snapshots, _ = read()
    for snapshot in snapshots.values():
        (gap,) = snapshot.gaps
        assert "organizations:ListRoots" in gap.reason
        assert "connect" not in gap.remedy


def test_member_accounts_may_not_look_around_in_the_organisation(emulator: Emulator) -> None:
    client = emulator.session(PRODUCTION).client("organizations")
    assert client.describe_organization()["Organization"]["MasterAccountId"] == MANAGEMENT
    for call in (client.list_roots, client.list_accounts):
        with pytest.raises(ClientError, match="AccessDeniedException"):
            call()


@pytest.mark.parametrize(
    ("arn", "kind", "in_snapshot"),
    [
        pytest.param(f"arn:aws:iam::{PRODUCTION}:role/Nobody", "failed", True, id="no such role"),
        pytest.param("arn:aws:iam::999999999999:role/Elsewhere", "not_covered", False, id="another account"),
    ],
)
def test_last_access_that_cannot_be_asked_is_a_gap(read: Read, arn: str, kind: str, *, in_snapshot: bool) -> None:
    snapshots, gaps = read(PRODUCTION, MANAGEMENT, deep=(arn,))
    held = snapshots[PRODUCTION].gaps if in_snapshot else gaps
    assert [gap.kind for gap in held] == [kind]
    assert arn not in snapshots[PRODUCTION].last_access
    assert set(snapshots[PRODUCTION].read) == ALL_PARTS


def test_last_access_wants_arns(read: Read) -> None:
    with pytest.raises(UsageError, match="not an ARN"):
        read(MANAGEMENT, deep=("AdminRole",))
