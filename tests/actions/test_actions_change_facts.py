"""One account, read: only what reads, every page, and refusals under their names."""

import boto3
import pytest
from actions_kit import ACCOUNT, READ_ONLY, LiveWorld, client, document, snapshot_of

from trailwarden.demo.emulator import Emulator, Fault
from trailwarden.errors import AccessDenied, NotFound, Throttled


@pytest.mark.parametrize(
    "api",
    ["iam:DeleteUser", "iam:AttachUserPolicy", "ec2:TerminateInstances", "wafv2:UpdateIPSet", "iam:Getaway", "iam:"],
)
def test_what_does_not_only_read_is_not_called(api: str, live: LiveWorld) -> None:
    with pytest.raises(ValueError, match="does not only read"):
        live.call(api)
    with pytest.raises(ValueError, match="does not only read"):
        next(live.items(api, "Users"))


def test_an_answer_is_aws_own_without_the_sdks_metadata(admin: boto3.Session, live: LiveWorld) -> None:
    client(admin, "iam").create_user(UserName="john")
    answer = live.call("iam:GetUser", UserName="john")
    assert set(answer) == {"User"}
    assert answer["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/john"


def test_every_page_is_read_where_the_sdk_has_a_paginator(admin: boto3.Session, live: LiveWorld) -> None:
    iam = client(admin, "iam")
    iam.create_user(UserName="john")
    names = [f"policy-{number:03}" for number in range(7)]
    for name in names:
        iam.put_user_policy(UserName="john", PolicyName=name, PolicyDocument=document("s3:ListAllMyBuckets"))
    pages = live.items("iam:ListUserPolicies", "PolicyNames", UserName="john", MaxItems=2)
    assert list(pages) == names


def test_every_page_is_read_where_the_sdk_has_none(admin: boto3.Session, live: LiveWorld) -> None:
    """WAF's lists go on with NextMarker, and its last page has one as well."""
    waf = client(admin, "wafv2")
    names = {f"set-{number}" for number in range(5)}
    for name in names:
        waf.create_ip_set(Name=name, Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=[])
    found = [each["Name"] for each in live.items("wafv2:ListIPSets", "IPSets", Scope="REGIONAL", Limit=2)]
    assert sorted(found) == sorted(names)


def test_a_list_without_entries_is_empty(admin: boto3.Session, live: LiveWorld) -> None:
    client(admin, "iam").create_user(UserName="john")
    credentials = live.items("iam:ListServiceSpecificCredentials", "ServiceSpecificCredentials", UserName="john")
    assert list(credentials) == []
    assert list(live.items("wafv2:ListIPSets", "IPSets", Scope="REGIONAL")) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault.deny("iam:ListAccessKeys"), AccessDenied, id="denied"),
        pytest.param(Fault(kind="throttled", action="iam:ListAccessKeys"), Throttled, id="throttled"),
        pytest.param(None, NotFound, id="no such user"),
    ],
)
def test_a_list_that_cannot_be_read_is_not_empty(
    emulator: Emulator, live: LiveWorld, fault: Fault | None, error: type[Exception]
) -> None:
    if fault is not None:
        emulator.faults.append(fault)
    with pytest.raises(error, match="iam:ListAccessKeys"):
        list(live.items("iam:ListAccessKeys", "AccessKeyMetadata", UserName="nobody"))


def test_a_later_page_that_cannot_be_read_is_told(emulator: Emulator, admin: boto3.Session, live: LiveWorld) -> None:
    iam = client(admin, "iam")
    iam.create_user(UserName="john")
    for number in range(3):
        iam.put_user_policy(UserName="john", PolicyName=f"p{number}", PolicyDocument=document("s3:ListAllMyBuckets"))
    emulator.faults.append(Fault(kind="denied", action="iam:ListUserPolicies", after=1))
    names = live.items("iam:ListUserPolicies", "PolicyNames", UserName="john", MaxItems=2)
    assert [next(names), next(names)] == ["p0", "p1"]
    with pytest.raises(AccessDenied):
        next(names)


def test_every_reading_asks_anew(admin: boto3.Session, live: LiveWorld) -> None:
    iam = client(admin, "iam")
    iam.create_user(UserName="john")
    params = {"UserName": "john"}
    assert list(live.items("iam:ListAttachedUserPolicies", "AttachedPolicies", **params)) == []
    iam.attach_user_policy(UserName="john", PolicyArn=READ_ONLY)
    (found,) = live.items("iam:ListAttachedUserPolicies", "AttachedPolicies", **params)
    assert found["PolicyArn"] == READ_ONLY


def test_who_may_do_what_is_what_was_given(admin: boto3.Session, live: LiveWorld) -> None:
    assert live.authorization() is None
    snapshot = snapshot_of(admin)
    assert LiveWorld(admin, snapshot=snapshot).authorization() is snapshot
