"""Regions, termination protection, WAF's checks, faults, and the launcher."""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from emulator_kit import FAR, HOME, Clock, allow, assume, client, make_role, policy, refused, trust
from moto import mock_aws

from trailwarden.demo.emulator import Emulator, Fault


def test_regions_have_to_be_enabled(emulator: Emulator, home: Any) -> None:
    ec2 = client(home, "ec2")
    enabled = {item["RegionName"] for item in ec2.describe_regions()["Regions"]}
    everything = {item["RegionName"]: item["OptInStatus"] for item in ec2.describe_regions(AllRegions=True)["Regions"]}
    assert "us-east-1" in enabled
    assert "af-south-1" not in enabled
    assert everything["af-south-1"] == "not-opted-in"
    assert everything["us-east-1"] == "opt-in-not-required"
    assert refused(client(home, "cloudtrail", "af-south-1").lookup_events)[0] == "UnrecognizedClientException"
    assert refused(client(home, "ec2", "af-south-1").describe_instances)[0] == "AuthFailure"
    assert refused(client(home, "sts", "af-south-1").get_caller_identity)[0] == "RegionDisabledException"
    emulator.enable_region(HOME, "af-south-1")
    assert client(home, "cloudtrail", "af-south-1").lookup_events()["Events"] == []
    assert "af-south-1" in {item["RegionName"] for item in ec2.describe_regions()["Regions"]}
    assert refused(client(emulator.session(FAR), "cloudtrail", "af-south-1").lookup_events)[0] == (
        "UnrecognizedClientException"
    )
    wanted = [{"Name": "opt-in-status", "Values": ["opted-in"]}]
    assert [item["RegionName"] for item in ec2.describe_regions(Filters=wanted)["Regions"]] == ["af-south-1"]


def test_account_service_lists_and_enables_regions(home: Any) -> None:
    account = client(home, "account")
    wanted = ["ENABLED", "ENABLED_BY_DEFAULT"]
    pages = account.get_paginator("list_regions").paginate(
        RegionOptStatusContains=wanted, PaginationConfig={"PageSize": 5}
    )
    names = [item["RegionName"] for page in pages for item in page["Regions"]]
    assert len(names) == len(set(names)) > 10
    assert "ap-east-1" not in names
    assert account.get_region_opt_status(RegionName="ap-east-1")["RegionOptStatus"] == "DISABLED"
    account.enable_region(RegionName="ap-east-1")
    assert account.get_region_opt_status(RegionName="ap-east-1")["RegionOptStatus"] == "ENABLED"
    account.disable_region(RegionName="ap-east-1")
    assert account.get_region_opt_status(RegionName="ap-east-1")["RegionOptStatus"] == "DISABLED"
    assert refused(lambda: account.disable_region(RegionName="us-east-1"))[0] == "ValidationException"


def test_termination_protection_holds_from_the_start(home: Any) -> None:
    ec2 = client(home, "ec2")
    launch = {"ImageId": "ami-12c6146b", "MinCount": 2, "MaxCount": 2, "DisableApiTermination": True}
    instances = [item["InstanceId"] for item in ec2.run_instances(**launch)["Instances"]]
    for instance in instances:
        attribute = ec2.describe_instance_attribute(InstanceId=instance, Attribute="disableApiTermination")
        assert attribute["DisableApiTermination"]["Value"] is True
        assert refused(partial(ec2.terminate_instances, InstanceIds=[instance]))[0] == "OperationNotPermitted"
        ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
        assert ec2.terminate_instances(InstanceIds=[instance])["TerminatingInstances"]


def test_images_have_to_exist(home: Any) -> None:
    launch = {"ImageId": "ami-0123456789abcdef0", "MinCount": 1, "MaxCount": 1}
    assert refused(lambda: client(home, "ec2").run_instances(**launch))[0] == "InvalidAMIID.NotFound"


def test_dry_run_tells_whether_it_would_be_allowed(emulator: Emulator, home: Any) -> None:
    ec2 = client(home, "ec2")
    launched = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    instance = launched["Instances"][0]["InstanceId"]
    call = {"InstanceIds": [instance], "DryRun": True}
    assert refused(lambda: ec2.terminate_instances(**call))[0] == "DryRunOperation"
    reader = make_role(home, "reader", trust(f"arn:aws:iam::{HOME}:root"), policies=policy(allow("ec2:Describe*")))
    session = client(assume(emulator, home, reader), "ec2")
    assert refused(lambda: session.terminate_instances(**call))[0] == "UnauthorizedOperation"
    state = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"]
    assert state == "running"


@pytest.mark.parametrize(
    ("version", "address"),
    [
        ("IPV4", "192.0.2.1"),
        ("IPV4", "192.0.2.1/24"),
        ("IPV4", "0.0.0.0/0"),
        ("IPV4", "192.0.2.300/32"),
        ("IPV4", "2001:db8::/32"),
        ("IPV6", "192.0.2.0/24"),
        ("IPV6", "::/0"),
        ("IPV4", "example.com"),
    ],
)
def test_addresses_of_an_ip_set_are_checked(home: Any, version: str, address: str) -> None:
    waf = client(home, "wafv2")
    new = {"Name": "blocked", "Scope": "REGIONAL", "IPAddressVersion": version}
    code, message, _ = refused(lambda: waf.create_ip_set(**new, Addresses=[address]))
    assert code == "WAFInvalidParameterException"
    assert address in message
    made = waf.create_ip_set(**new, Addresses=["192.0.2.0/24"] if version == "IPV4" else ["2001:db8::/48"])["Summary"]
    change = {"Name": "blocked", "Scope": "REGIONAL", "Id": made["Id"], "LockToken": made["LockToken"]}
    assert refused(lambda: waf.update_ip_set(**change, Addresses=[address]))[0] == "WAFInvalidParameterException"
    assert waf.update_ip_set(**change, Addresses=[])["NextLockToken"]
    assert refused(lambda: waf.update_ip_set(**change, Addresses=[]))[0] == "WAFOptimisticLockException"


def test_cloudfront_scope_is_of_one_region(home: Any) -> None:
    new = {"Name": "edge", "Scope": "CLOUDFRONT", "IPAddressVersion": "IPV4", "Addresses": ["192.0.2.1/32"]}
    assert refused(lambda: client(home, "wafv2", "eu-west-1").create_ip_set(**new))[0] == "WAFInvalidParameterException"
    elsewhere = client(home, "wafv2", "eu-west-1")
    assert refused(lambda: elsewhere.list_ip_sets(Scope="CLOUDFRONT"))[0] == "WAFInvalidParameterException"
    waf = client(home, "wafv2")
    made = waf.create_ip_set(**new)["Summary"]
    change = {"Name": "edge", "Scope": "CLOUDFRONT", "Id": made["Id"], "LockToken": made["LockToken"]}
    assert (
        refused(lambda: waf.update_ip_set(**change, Addresses=["2001:db8::/48"]))[0] == "WAFInvalidParameterException"
    )
    assert len(waf.list_ip_sets(Scope="CLOUDFRONT")["IPSets"]) == 1


def test_denied_action_of_one_account_and_region(emulator: Emulator, home: Any, far: Any) -> None:
    emulator.faults.append(Fault.deny("cloudtrail:Lookup*", account=HOME, region="eu-west-1"))
    code, message, _ = refused(client(home, "cloudtrail", "eu-west-1").lookup_events)
    assert code == "AccessDeniedException"
    assert "emulator-admin is not authorized to perform: cloudtrail:LookupEvents" in message
    assert client(home, "cloudtrail").lookup_events()["Events"] == []
    assert client(far, "cloudtrail", "eu-west-1").lookup_events()["Events"] == []
    emulator.faults.clear()
    assert client(home, "cloudtrail", "eu-west-1").lookup_events()["Events"] == []


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("iam", "list_users", "Throttling"),
        ("cloudtrail", "describe_trails", "ThrottlingException"),
        ("ec2", "describe_instances", "RequestLimitExceeded"),
        ("s3", "list_buckets", "SlowDown"),
    ],
)
def test_throttling_of_some_calls(emulator: Emulator, home: Any, service: str, operation: str, code: str) -> None:
    emulator.faults.append(Fault.throttle(f"{service}:*", times=2, after=1))
    call = getattr(client(home, service), operation)
    call()
    assert [refused(call)[0] for _ in range(2)] == [code, code]
    call()


def test_retries_of_the_sdk_get_through_a_throttle(emulator: Emulator, home: Any) -> None:
    emulator.faults.append(Fault.throttle("iam:ListUsers", times=1))
    iam = home.client("iam", config=Config(retries={"total_max_attempts": 2, "mode": "standard"}))
    assert iam.list_users()["ResponseMetadata"]["RetryAttempts"] == 1


def test_expired_tokens_and_other_errors(emulator: Emulator, home: Any) -> None:
    emulator.faults += [
        Fault.expire("iam:ListUsers"),
        Fault(kind="error", action="iam:ListRoles", code="ServiceFailure", message="not now", status=500, times=1),
    ]
    assert refused(client(home, "iam").list_users)[0] == "ExpiredToken"
    assert client(home, "iam").list_users()
    assert refused(client(home, "iam").list_roles) == ("ServiceFailure", "not now", 500)


def test_what_moto_lacks_is_said_to_be_missing(home: Any) -> None:
    code, message, status = refused(lambda: client(home, "cloudtrail").list_public_keys())
    assert (code, status) == ("NotImplemented", 501)
    assert "cloudtrail:ListPublicKeys" in message


def test_importing_and_stopping_leave_moto_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")

    def moto_names() -> list[str]:
        with mock_aws():
            iam = boto3.client("iam", region_name="us-east-1")
            iam.create_user(UserName="moto-only")
            iam.create_access_key(UserName="moto-only")
            iam.delete_user(UserName="moto-only")  # as lenient as ever
            iam.create_user(UserName="left")
            return [user["UserName"] for user in iam.list_users()["Users"]]

    assert moto_names() == ["left"]
    with Emulator() as emulator:
        assert client(emulator.session(HOME), "iam").list_users()["Users"] == []
        client(emulator.session(HOME), "iam").create_user(UserName="alice")
    assert moto_names() == ["left"]
    with Emulator() as emulator:
        assert client(emulator.session(HOME), "iam").list_users()["Users"] == []


def test_moto_reset_empties_the_emulator_too(emulator: Emulator, home: Any, clock: Clock) -> None:
    client(home, "iam").create_user(UserName="alice")
    with urlopen(Request(f"{emulator.endpoint}/moto-api/reset", method="POST")) as answer:
        assert answer.status == 200
    assert refused(client(home, "iam").list_users)[0] == "InvalidClientTokenId"
    assert client(emulator.session(HOME), "iam").list_users()["Users"] == []


def test_sessions_of_users_use_their_key(emulator: Emulator, home: Any) -> None:
    iam = client(home, "iam")
    iam.create_user(UserName="alice")
    first, second = (emulator.session(HOME, user="alice").get_credentials().access_key for _ in "12")
    assert first == second
    iam.update_access_key(UserName="alice", AccessKeyId=first, Status="Inactive")
    assert emulator.session(HOME, user="alice").get_credentials().access_key != first
    with pytest.raises(LookupError, match="no IAM user 'bob'"):
        emulator.session(HOME, user="bob")


def test_many_calls_at_once(emulator: Emulator) -> None:
    sessions = [emulator.session(f"{number:012d}", region="eu-west-1") for number in range(1, 9)]
    clients = [(client(one, "iam"), client(one, "sts"), client(one, "ec2")) for one in sessions]

    def work(number: int) -> str:
        iam, sts, ec2 = clients[number % 8]
        iam.create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument=policy(trust("*")))
        iam.attach_role_policy(RoleName=f"role-{number}", PolicyArn="arn:aws:iam::aws:policy/SecurityAudit")
        account: str = sts.get_caller_identity()["Account"]
        sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/role-{number}", RoleSessionName="tester")
        ec2.describe_regions()
        return account

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, range(32)))
    assert done == [f"{number % 8 + 1:012d}" for number in range(32)]
    assert [len(iam.list_roles()["Roles"]) for iam, _, _ in clients] == [4] * 8


def test_identity_center_answers_where_it_is_enabled(emulator: Emulator, home: Any) -> None:
    assert client(home, "sso-admin").list_instances()["Instances"] == []
    enabled = emulator.enable_identity_center(HOME)
    (instance,) = client(home, "sso-admin").list_instances()["Instances"]
    assert instance["InstanceArn"] == enabled.instance_arn
    made = client(home, "sso-admin").create_permission_set(Name="Admin", InstanceArn=instance["InstanceArn"])
    assert made["PermissionSet"]["Name"] == "Admin"
    users = client(home, "identitystore").list_users(IdentityStoreId=instance["IdentityStoreId"])
    assert users["Users"] == []


def test_endpoint_is_known_only_while_it_runs() -> None:
    emulator = Emulator()
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.endpoint
    with emulator:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", emulator.endpoint)
    emulator.stop()


def test_the_launcher_serves_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "trailwarden.demo.emulator", "--account", HOME]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            endpoint = process.stdout.readline().strip()
            exported: dict[str, Any] = {}
            for _ in range(5):
                name, _, value = process.stdout.readline().strip().removeprefix("export ").partition("=")
                exported[name] = value
            assert exported["AWS_ENDPOINT_URL"] == endpoint
            session = boto3.Session(exported["AWS_ACCESS_KEY_ID"], exported["AWS_SECRET_ACCESS_KEY"])
            sts = session.client("sts", endpoint_url=endpoint, region_name=exported["AWS_DEFAULT_REGION"])
            assert sts.get_caller_identity()["Account"] == HOME
        finally:
            os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
