"""The organisation in the emulator: it answers as the records say, and the connection roles let in whom they should."""

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("moto", reason="the demo's emulator is an optional part")

from botocore.exceptions import ClientError

from trailwarden.demo.emulator import Emulator
from trailwarden.demo.incident import Story, incident
from trailwarden.demo.organisation import build_organisation
from trailwarden.demo.scenario import INSTALLATION_USER, REGIONS, Scenario, build_scenario

ANCHOR = datetime(2026, 11, 24, 4, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return build_scenario(anchor=ANCHOR, records=3_000)


@pytest.fixture(scope="module")
def story(scenario: Scenario) -> Story:
    return incident(scenario)


@pytest.fixture(scope="module")
def emulator(scenario: Scenario) -> Iterator[Emulator]:
    with Emulator(now=lambda: ANCHOR, lookup_rate=None) as running:
        build_organisation(scenario, running)
        yield running


@pytest.fixture(scope="module")
def sts(scenario: Scenario, emulator: Emulator) -> Any:
    """STS, as this installation's own principal calls it."""
    return emulator.session(scenario.management.id, user=INSTALLATION_USER).client("sts")


@pytest.fixture(scope="module")
def connected(scenario: Scenario, emulator: Emulator, sts: Any) -> Callable[[int], Any]:
    """Sessions of the connection roles, by the number of the account."""
    return lambda number: assume(scenario, emulator, sts, number)


def assume(scenario: Scenario, emulator: Emulator, sts: Any, number: int) -> Any:
    connection = scenario.connections[number]
    credentials = sts.assume_role(
        RoleArn=connection.role_arn, RoleSessionName="trailwarden", ExternalId=connection.external_id
    )["Credentials"]
    return emulator.session_with(
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]
    )


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_connection_role_asks_for_its_external_id(
    scenario: Scenario, number: int, connected: Callable[[int], Any], sts: Any
) -> None:
    session = connected(number)
    assert session.client("sts").get_caller_identity()["Account"] == scenario.accounts[number].id
    wrong: tuple[dict[str, str], ...] = ({}, {"ExternalId": "a-guess"})
    for options in wrong:
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=scenario.connections[number].role_arn, RoleSessionName="trailwarden", **options)


def test_users_and_keys_are_those_of_the_records(
    scenario: Scenario, story: Story, connected: Callable[[int], Any]
) -> None:
    iam = connected(1).client("iam")
    users = {user["UserName"]: user for user in iam.list_users()["Users"]}
    expected = {user.name for user in scenario.iam_users if user.account_id == scenario.production.id}
    assert set(users) == expected
    john = scenario.iam_user("john")
    assert users["john"]["UserId"] == john.id
    assert iam.list_user_tags(UserName="john")["Tags"] == [{"Key": "email", "Value": "john@company.com"}]
    keys = {key["AccessKeyId"]: key for key in iam.list_access_keys(UserName="john")["AccessKeyMetadata"]}
    assert set(keys) == {story.stolen_key, story.current_key}
    assert ANCHOR - keys[story.stolen_key]["CreateDate"] == timedelta(days=412)
    used = iam.get_access_key_last_used(AccessKeyId=story.stolen_key)["AccessKeyLastUsed"]["LastUsedDate"]
    assert used == story.last_call
    for role in scenario.roles:
        if role.account_id == scenario.production.id:
            assert iam.get_role(RoleName=role.name)["Role"]["RoleId"] == role.id


def test_the_admin_role_is_one(connected: Callable[[int], Any]) -> None:
    iam = connected(1).client("iam")
    attached = iam.list_attached_role_policies(RoleName="AdminRole")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AdministratorAccess"]
    trusted = iam.get_role(RoleName="AdminRole")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert trusted["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def test_what_the_intruder_left_is_there(story: Story, connected: Callable[[int], Any]) -> None:
    session = connected(2)
    iam = session.client("iam")
    attached = iam.list_attached_user_policies(UserName="svc-backup")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AdministratorAccess"]
    keys = iam.list_access_keys(UserName="svc-backup")["AccessKeyMetadata"]
    assert [key["AccessKeyId"] for key in keys] == [story.backdoor_key]
    ec2 = session.client("ec2", region_name=story.rogue_region)
    found = [i["InstanceId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    assert found == [story.rogue_instance]


def test_instances_carry_the_ids_of_their_sessions(scenario: Scenario, connected: Callable[[int], Any]) -> None:
    ec2 = connected(1).client("ec2", region_name="eu-central-1")
    found = {i["InstanceId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]}
    expected = {
        instance
        for workload in scenario.workloads
        if workload.kind == "instance"
        and (workload.account_id, workload.region) == (scenario.production.id, "eu-central-1")
        for instance in workload.instances
    }
    assert found == expected


def test_event_history_finds_the_47_calls_of_the_key(story: Story, connected: Callable[[int], Any]) -> None:
    session = connected(1)
    found: list[str] = []
    for region in REGIONS:
        cloudtrail = session.client("cloudtrail", region_name=region)
        pages = cloudtrail.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": "AccessKeyId", "AttributeValue": story.stolen_key}]
        )
        found += [event["EventId"] for page in pages for event in page["Events"]]
    assert sorted(found) == sorted(story.key_calls)


def test_the_trail_delivers_into_its_bucket(connected: Callable[[int], Any]) -> None:
    session = connected(0)
    trail = session.client("cloudtrail").describe_trails()["trailList"][0]
    assert (trail["IsMultiRegionTrail"], trail["IsOrganizationTrail"]) == (True, True)
    s3 = session.client("s3")
    objects = [
        item
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=trail["S3BucketName"], Prefix="AWSLogs/")
        for item in page["Contents"]
    ]
    assert len(objects) > 200
    body = s3.get_object(Bucket=trail["S3BucketName"], Key=objects[0]["Key"])["Body"].read()
    assert json.loads(gzip.decompress(body))["Records"]


def test_organization_and_directory(scenario: Scenario, story: Story, connected: Callable[[int], Any]) -> None:
    session = connected(0)
    accounts = session.client("organizations").list_accounts()["Accounts"]
    assert {account["Id"]: account["Name"] for account in accounts} == {a.id: a.name for a in scenario.accounts}
    instances = session.client("sso-admin", region_name=scenario.sso_region).list_instances()["Instances"]
    assert [instance["IdentityStoreId"] for instance in instances] == [scenario.identity_store_id]
    directory = session.client("identitystore", region_name=scenario.sso_region)
    user = directory.describe_user(IdentityStoreId=scenario.identity_store_id, UserId=story.user_id)
    assert user["UserName"] == "john@company.com"
    users = directory.list_users(IdentityStoreId=scenario.identity_store_id)["Users"]
    assert len(users) == 40


def test_the_service_control_policy_guards_the_trail(scenario: Scenario, emulator: Emulator) -> None:
    cloudtrail = emulator.session(scenario.development.id).client("cloudtrail")
    with pytest.raises(ClientError, match="service control policy"):
        cloudtrail.stop_logging(Name=scenario.trail_name)


def test_blocked_addresses_are_behind_a_blocking_rule(connected: Callable[[int], Any]) -> None:
    waf = connected(1).client("wafv2", region_name="eu-central-1")
    sets = {item["Name"]: item["ARN"] for item in waf.list_ip_sets(Scope="REGIONAL")["IPSets"]}
    assert set(sets) == {"blocked-ipv4", "blocked-ipv6"}
    acl = waf.list_web_acls(Scope="REGIONAL")["WebACLs"][0]
    rules = waf.get_web_acl(Name=acl["Name"], Scope="REGIONAL", Id=acl["Id"])["WebACL"]["Rules"]
    assert {rule["Statement"]["IPSetReferenceStatement"]["ARN"] for rule in rules} == set(sets.values())
    assert all(rule["Action"] == {"Block": {}} for rule in rules)
