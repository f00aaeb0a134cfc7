"""Making the calls of a plan: once each, and an IP set's whole content without losing what others wrote."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from actions_kit import ACCOUNT, ADMINISTRATOR_ACCESS, NOW, REGION, aws_session, client, trust
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trailwarden.aws.change import ADDRESS_LIMIT, Change
from trailwarden.demo.emulator import Emulator, Fault
from trailwarden.errors import AccessDenied, AwsError, NotFound, Throttled, UsageError
from trailwarden.model.proposal import Call

IMAGE = "ami-12c6146b"


def change_of(session: boto3.Session, waits: list[float] | None = None) -> Change:
    held: list[float] = [] if waits is None else waits
    return Change(aws_session(session, ACCOUNT), now=lambda: NOW, sleep=held.append)


def call_of(api: str, **params: Any) -> Call:
    return Call(api=api, params=params, region=REGION)


def attached_to(session: boto3.Session, user: str) -> list[str]:
    return [each["PolicyName"] for each in client(session, "iam").list_attached_user_policies(UserName=user)[
        "AttachedPolicies"
    ]]  # fmt: skip


def make_set(admin: boto3.Session, *addresses: str, description: str = "blocked by hand") -> dict[str, str]:
    """A regional IPv4 set; gives what names it."""
    made = client(admin, "wafv2").create_ip_set(
        Name="blocked", Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=list(addresses), Description=description
    )["Summary"]
    return {"Name": "blocked", "Scope": "REGIONAL", "Id": made["Id"]}


def held_by(admin: boto3.Session, named: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = client(admin, "wafv2").get_ip_set(**named)["IPSet"]
    return found


# --- one call, once -------------------------------------------------------------------------------------------------


def test_a_call_is_made_exactly_and_gives_the_request_id(emulator: Emulator, admin: boto3.Session) -> None:
    client(admin, "iam").create_user(UserName="john")
    attach = call_of("iam:AttachUserPolicy", UserName="john", PolicyArn=ADMINISTRATOR_ACCESS)
    assert change_of(admin).do(attach)
    assert attached_to(admin, "john") == ["AdministratorAccess"]


@pytest.mark.parametrize("api", ["iam:CreateAccessKey", "iam:GetUser", "iam:PassRole", "s3:DeleteBucket", "nonsense"])
def test_no_other_call_is_made(api: str, admin: boto3.Session) -> None:
    with pytest.raises(ValueError, match=api):
        change_of(admin).do(call_of(api, UserName="john"))


def test_a_failure_of_aws_is_not_tried_again(emulator: Emulator, admin: boto3.Session) -> None:
    """Whether it took effect is for whoever asked to read: a second try would hide the first."""
    client(admin, "iam").create_user(UserName="john")
    emulator.faults.append(Fault(kind="error", action="iam:AttachUserPolicy", times=1))
    attach = call_of("iam:AttachUserPolicy", UserName="john", PolicyArn=ADMINISTRATOR_ACCESS)
    waits: list[float] = []
    with pytest.raises(AwsError) as caught:
        change_of(admin, waits).do(attach)
    assert caught.value.code == "InternalFailure"
    assert (waits, attached_to(admin, "john")) == ([], [])


def test_throttling_is_waited_out(emulator: Emulator, admin: boto3.Session) -> None:
    client(admin, "iam").create_user(UserName="john")
    emulator.faults.append(Fault(kind="throttled", action="iam:AttachUserPolicy", times=3))
    waits: list[float] = []
    change_of(admin, waits).do(call_of("iam:AttachUserPolicy", UserName="john", PolicyArn=ADMINISTRATOR_ACCESS))
    assert attached_to(admin, "john") == ["AdministratorAccess"]
    assert len(waits) == 3
    assert waits == sorted(waits), "each wait is longer than the one before"


def test_throttling_without_an_end_is_told(emulator: Emulator, admin: boto3.Session) -> None:
    client(admin, "iam").create_user(UserName="john")
    emulator.faults.append(Fault(kind="throttled", action="iam:AttachUserPolicy"))
    waits: list[float] = []
    with pytest.raises(Throttled):
        change_of(admin, waits).do(call_of("iam:AttachUserPolicy", UserName="john", PolicyArn=ADMINISTRATOR_ACCESS))
    assert len(waits) == 5
    emulator.faults.clear()
    assert attached_to(admin, "john") == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault.deny("iam:AttachUserPolicy"), AccessDenied, id="denied"),
        pytest.param(None, NotFound, id="no such user"),
    ],
)
def test_refusals_are_named(
    emulator: Emulator, admin: boto3.Session, fault: Fault | None, error: type[AwsError]
) -> None:
    if fault is not None:
        emulator.faults.append(fault)
    with pytest.raises(error, match="iam:AttachUserPolicy"):
        change_of(admin).do(call_of("iam:AttachUserPolicy", UserName="nobody", PolicyArn=ADMINISTRATOR_ACCESS))


def test_the_time_of_a_revocation_is_that_of_its_execution(emulator: Emulator, admin: boto3.Session) -> None:
    iam = client(admin, "iam")
    iam.create_role(RoleName="Deploy", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:root"))
    older = {"DateLessThan": {"aws:TokenIssueTime": "{now}"}}
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": older}
    text = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    change_of(admin).do(call_of("iam:PutRolePolicy", RoleName="Deploy", PolicyName="revoked", PolicyDocument=text))
    written = iam.get_role_policy(RoleName="Deploy", PolicyName="revoked")["PolicyDocument"]
    moment = written["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    assert datetime.fromisoformat(moment) == NOW + timedelta(seconds=1), "no session of that second is spared"


def test_a_dry_run_that_would_have_succeeded_succeeds(emulator: Emulator, admin: boto3.Session) -> None:
    ec2 = client(admin, "ec2")
    instance = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    dry = call_of("ec2:TerminateInstances", InstanceIds=[instance], DryRun=True)
    assert change_of(admin).do(dry) is None
    held = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    assert held["State"]["Name"] == "running"
    emulator.faults.append(Fault.deny("ec2:TerminateInstances"))
    with pytest.raises(AccessDenied):
        change_of(admin).do(dry)


# --- IP sets --------------------------------------------------------------------------------------------------------


def test_a_set_keeps_what_it_held_and_its_description(admin: boto3.Session) -> None:
    named = make_set(admin, "198.51.100.0/24")
    change_of(admin).do(call_of("wafv2:UpdateIPSet", **named, AddAddresses=["203.0.113.7/32"]))
    held = held_by(admin, named)
    assert held["Addresses"] == ["198.51.100.0/24", "203.0.113.7/32"]
    assert held["Description"] == "blocked by hand"
    change_of(admin).do(call_of("wafv2:UpdateIPSet", **named, RemoveAddresses=["203.0.113.7/32"]))
    assert held_by(admin, named)["Addresses"] == ["198.51.100.0/24"]


def test_nothing_is_written_where_nothing_changes(emulator: Emulator, admin: boto3.Session) -> None:
    named = make_set(admin, "203.0.113.7/32")
    emulator.faults.append(Fault.deny("wafv2:UpdateIPSet"))
    assert change_of(admin).do(call_of("wafv2:UpdateIPSet", **named, AddAddresses=["203.0.113.7/32"]))
    assert change_of(admin).do(call_of("wafv2:UpdateIPSet", **named, RemoveAddresses=["192.0.2.1/32"]))


def test_a_full_set_is_refused_before_it_is_written(admin: boto3.Session) -> None:
    named = make_set(admin, *numbered(ADDRESS_LIMIT - 1))
    change_of(admin).do(call_of("wafv2:UpdateIPSet", **named, AddAddresses=["203.0.113.7/32"]))
    with pytest.raises(UsageError, match="would have 10,001 addresses"):
        change_of(admin).do(call_of("wafv2:UpdateIPSet", **named, AddAddresses=["203.0.113.8/32"]))
    assert len(held_by(admin, named)["Addresses"]) == ADDRESS_LIMIT


def test_writers_that_come_first_without_an_end_are_told(emulator: Emulator, admin: boto3.Session) -> None:
    named = make_set(admin)
    emulator.faults.append(
        Fault(kind="error", action="wafv2:UpdateIPSet", code="WAFOptimisticLockException", status=400)
    )
    waits: list[float] = []
    with pytest.raises(AwsError, match="30 times in a row; nothing was changed"):
        change_of(admin, waits).do(call_of("wafv2:UpdateIPSet", **named, AddAddresses=["203.0.113.7/32"]))
    assert len(waits) == 30
    assert max(waits) <= 2.0


def test_of_several_writers_of_a_nearly_full_set_none_loses_anything(admin: boto3.Session) -> None:
    """Four writers add to, and take from, a set with nearly 10,000 addresses; the lock is what keeps them apart."""
    before = numbered(ADDRESS_LIMIT - 20)
    named = make_set(admin, *before)
    added = [f"203.0.113.{number}/32" for number in range(16)]
    removed = before[:8]
    writers = [Change(aws_session(admin, ACCOUNT), now=lambda: NOW) for _ in range(4)]

    def work(position: int) -> None:
        for address in added[position::4]:
            writers[position].do(call_of("wafv2:UpdateIPSet", **named, AddAddresses=[address]))
        for address in removed[position::4]:
            writers[position].do(call_of("wafv2:UpdateIPSet", **named, RemoveAddresses=[address]))

    with ThreadPoolExecutor(len(writers)) as pool:
        list(pool.map(work, range(len(writers))))
    assert sorted(held_by(admin, named)["Addresses"]) == sorted({*before, *added} - set(removed))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.booleans(), st.sets(st.integers(0, 9), min_size=1, max_size=3)), min_size=1, max_size=5
    )
)  # fmt: skip
def test_a_set_holds_what_was_added_and_not_taken_out(
    admin: boto3.Session, writes: list[tuple[bool, set[int]]]
) -> None:
    waf = client(admin, "wafv2")
    for each in waf.list_ip_sets(Scope="REGIONAL")["IPSets"]:
        waf.delete_ip_set(Name=each["Name"], Scope="REGIONAL", Id=each["Id"], LockToken=each["LockToken"])
    named = make_set(admin)
    expected: set[str] = set()
    for adds, numbers in writes:
        addresses = {f"203.0.113.{number}/32" for number in numbers}
        expected = expected | addresses if adds else expected - addresses
        asked = {"AddAddresses" if adds else "RemoveAddresses": sorted(addresses)}
        change_of(admin).do(call_of("wafv2:UpdateIPSet", **named, **asked))
    held = held_by(admin, named)["Addresses"]
    assert sorted(held) == sorted(expected)


def numbered(count: int) -> list[str]:
    """So many different addresses."""
    return [f"198.18.{number // 250}.{number % 250}/32" for number in range(count)]
