"""Every diagnosis, provoked: against the strict emulator, or by an answer put in AWS's mouth where it cannot."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from aws_connect_kit import (
    EXTERNAL_ID,
    OWN_ACCOUNT,
    READ_ONLY,
    World,
    allowing,
    broker_of,
    trust_document,
    use_session_of,
)

from trailwarden.aws.broker import AwsSession, CallSettings
from trailwarden.aws.connection import Connection
from trailwarden.aws.diagnosis import Check, Diagnosis
from trailwarden.aws.doctor import diagnose, diagnose_all
from trailwarden.demo.emulator import Fault
from trailwarden.errors import KeyUnavailable
from trailwarden.progress import Task

NOTHING: Mapping[str, tuple[str, ...]] = {}


def view_of(world: World, account: str, user: str | None = None) -> AwsSession:
    session = world.admin(account, user=user)
    return AwsSession(session, account=None, default_region="us-east-1", settings=CallSettings(attempts=2))


def examine(world: World, connection: Connection, **more: Any) -> Diagnosis:
    return diagnose(world.broker, connection, more.pop("needs", NOTHING), now=more.pop("now", world.now), **more)


def find(diagnosis: Diagnosis, identifier: str) -> Check:
    return next(check for check in diagnosis.checks if check.id == identifier)


def with_view(world: World, connection: Connection) -> Diagnosis:
    return examine(world, connection, second_view=view_of(world, connection.account_id))


# ---------------------------------------------------------------- this installation's own side


def test_a_right_connection_has_nothing_wrong_but_what_the_account_lacks(world: World) -> None:
    diagnosis = examine(world, world.connected(), needs={"Search": ("cloudtrail:LookupEvents", "iam:ListRoles")})
    assert diagnosis.usable
    assert diagnosis.causes == ("no_trail",)
    assert [check.id for check in diagnosis.checks] == [
        *("caller", "clock", "partition", "assume_role", "external_id", "account"),
        *("trust", "permissions", "regions", "trail"),
    ]
    assert all(check.remedy or check.status == "ok" for check in diagnosis.checks)


def test_no_credentials(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    diagnosis = examine(world, world.connected())
    assert diagnosis.causes == ("credentials_missing",)
    assert "AWS_PROFILE" in find(diagnosis, "caller").remedy


def test_expired_credentials(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    trust = trust_document(f"arn:aws:iam::{OWN_ACCOUNT}:user/trailwarden", None)
    arn = world.role(OWN_ACCOUNT, trust, name="runner", attach=(), allow=("sts:AssumeRole",))
    use_session_of(world, arn, monkeypatch)
    world.broker = broker_of(world.kept, world.now)
    connection = world.connected(trust_document(arn))
    assert examine(world, connection).usable
    world.emulator.expire_sessions(OWN_ACCOUNT)
    diagnosis = examine(world, connection)
    assert diagnosis.causes == ("credentials_expired",)
    assert "sign in again" in find(diagnosis, "caller").remedy


def test_credentials_that_aws_does_not_know(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    diagnosis = examine(world, world.connected())
    assert diagnosis.causes == ("credentials_refused",)
    assert find(diagnosis, "caller").evidence["code"] == "InvalidClientTokenId"


def test_a_secret_that_is_not_the_keys(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    diagnosis = examine(world, world.connected())
    assert diagnosis.causes == ("credentials_refused",)
    assert "secret key does not belong" in find(diagnosis, "caller").remedy


def test_no_way_to_aws(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = world.connected()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    diagnosis = examine(world, connection)
    assert diagnosis.causes == ("unreachable",)
    assert "proxy" in find(diagnosis, "caller").remedy


@pytest.mark.parametrize(("minutes", "status"), [(-11, "failed"), (6, "failed"), (1, "warning"), (0, "ok")])
def test_the_clock_is_compared_with_the_date_of_the_answer(world: World, minutes: int, status: str) -> None:
    diagnosis = examine(world, world.connected(), now=lambda: world.now() + timedelta(minutes=minutes))
    clock = find(diagnosis, "clock")
    assert clock.status == status
    assert (clock.cause == "clock_skew") is (status != "ok")
    if status == "failed":
        assert ("behind" if minutes < 0 else "ahead of") in clock.detail
        assert "timedatectl" in clock.remedy


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        ("SignatureDoesNotMatch", "Signature expired: 20261124T030000Z is now earlier than 20261124T033000Z"),
        ("InvalidSignatureException", "Signature not yet current: 20261124T050000Z is still later than …"),
    ],
)
def test_a_refusal_for_the_clock_is_told_from_a_wrong_secret(world: World, code: str, message: str) -> None:
    world.emulator.faults.append(Fault(kind="error", action="sts:*", code=code, message=message, status=403))
    assert examine(world, world.connected()).causes == ("clock_skew",)


def test_another_partition(world: World) -> None:
    connection = world.connect("arn:aws-us-gov:iam::222222222222:role/Trailwarden")
    diagnosis = examine(world, connection)
    assert diagnosis.causes == ("wrong_partition",)
    assert "aws-us-gov" in find(diagnosis, "partition").remedy


def test_a_key_that_cannot_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(connection: Connection) -> str:
        raise KeyUnavailable("another key wrote it", remedy="give the key")

    connection = world.connected()
    monkeypatch.setattr(world.kept, "external_id", refuse)
    assert examine(world, connection).causes == ("key_unavailable",)


SAID = {
    "with an explicit deny in a service control policy": "scp",
    "because no service control policy allows the sts:AssumeRole action": "scp",
    "with an explicit deny in a resource control policy": "rcp",
    "because no identity-based policy allows the sts:AssumeRole action": "own_policy",
    "with an explicit deny in an identity-based policy": "own_policy",
    "because no permissions boundary allows the sts:AssumeRole action": "own_boundary",
    "because no session policy allows the sts:AssumeRole action": "own_session_policy",
    "because no VPC endpoint policy allows the sts:AssumeRole action": "vpc_endpoint_policy",
}


def test_aws_says_which_policy_refused(world: World) -> None:
    connection = world.connected()
    for said, cause in SAID.items():
        message = f"User: arn:x is not authorized to perform: sts:AssumeRole on resource: {connection.role_arn} {said}"
        fault = Fault(kind="error", action="sts:AssumeRole", code="AccessDenied", message=message, status=403)
        world.emulator.faults[:] = [fault]
        diagnosis = examine(world, connection)
        assert diagnosis.causes == (cause,)
        check = find(diagnosis, "assume_role")
        assert check.evidence["code"] == "AccessDenied"
        assert check.evidence["request_id"]
        assert ("explicitly" in check.detail) is ("explicit deny" in said)


def test_own_policies_do_not_allow_it_found_by_the_simulator(world: World) -> None:
    connection = world.connected()
    allowed = json.dumps(allowing(["iam:SimulatePrincipalPolicy"]))
    iam = world.admin(OWN_ACCOUNT).client("iam")
    iam.put_user_policy(UserName="trailwarden", PolicyName="assume", PolicyDocument=allowed)
    check = find(examine(world, connection), "assume_role")
    assert check.cause == "own_policy"
    assert "simulator" in check.detail
    assert connection.role_arn in check.remedy


def test_own_boundary_does_not_allow_it_found_by_the_simulator(world: World) -> None:
    connection = world.connected()
    iam = world.admin(OWN_ACCOUNT).client("iam")
    document = json.dumps(allowing(["iam:*"]))
    arn = iam.create_policy(PolicyName="boundary", PolicyDocument=document)["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="trailwarden", PermissionsBoundary=arn)
    assert find(examine(world, connection), "assume_role").cause == "own_boundary"


# ---------------------------------------------------------------- the role and its trust policy


def missing_role(world: World) -> Connection:
    return world.connect(f"arn:aws:iam::{world.account()}:role/Trailwarden")


def trust_of_another(world: World) -> Connection:
    return world.connected(trust_document("arn:aws:iam::999999999999:role/somebody"))


def another_external_id(world: World) -> Connection:
    return world.connected(trust_document(external_id="the-id-of-another-connection"))


REFUSED = [
    (missing_role, "role_missing"),
    (trust_of_another, "trust_principal"),
    (another_external_id, "external_id_wrong"),
]


@pytest.mark.parametrize(("make", "cause"), REFUSED)
def test_with_a_second_view_the_cause_is_exact(world: World, make: Any, cause: str) -> None:
    check = find(with_view(world, make(world)), "assume_role")
    assert check.cause == cause
    assert check.status == "failed"
    assert "given credentials" in check.evidence["seen_by"]


def test_without_one_the_three_look_alike_and_that_is_said(world: World) -> None:
    checks = [find(examine(world, make(world)), "assume_role") for make, _ in REFUSED]
    assert {check.cause for check in checks} == {"indistinct"}
    for check in checks:
        assert set(check.evidence["possible"].split(", ")) == {cause for _, cause in REFUSED}
        assert all(part in check.remedy for part in ("(1)", "(2)", "(3)", "--profile"))


def test_what_worked_before_is_ranked_differently(world: World) -> None:
    before = find(examine(world, missing_role(world)), "assume_role").evidence["possible"]
    changed = world.connect(f"arn:aws:iam::{world.account()}:role/Other", last_status="ok")
    after = find(examine(world, changed), "assume_role").evidence["possible"]
    world.connect(f"arn:aws:iam::{world.account()}:role/Trailwarden", last_status="ok")
    elsewhere = find(examine(world, missing_role(world)), "assume_role").evidence["possible"]
    assert before.startswith("trust_principal")
    assert after.startswith("external_id_wrong")
    assert elsewhere.startswith("role_missing")


def test_the_callers_own_account_is_a_second_view(world: World) -> None:
    world.admin(OWN_ACCOUNT).client("iam").attach_user_policy(
        UserName="trailwarden", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )
    connection = world.connect(world.role(OWN_ACCOUNT, trust_document(external_id="another-id")))
    check = find(examine(world, connection), "assume_role")
    assert check.cause == "external_id_wrong"
    assert "own principal" in check.evidence["seen_by"]


def test_another_connection_to_the_account_is_a_second_view(world: World) -> None:
    account = world.account()
    working = world.connect(world.role(account))
    broken = world.connect(world.role(account, trust_document("arn:aws:iam::999999999999:root"), name="Second"))
    check = find(examine(world, broken), "assume_role")
    assert check.cause == "trust_principal"
    assert working.role_arn in check.evidence["seen_by"]
    assert check.evidence["trusted"] == "arn:aws:iam::999999999999:root"


def test_a_second_view_into_another_account_is_no_view(world: World) -> None:
    connection = missing_role(world)
    check = find(examine(world, connection, second_view=view_of(world, "999999999999")), "assume_role")
    assert check.cause == "indistinct"
    assert "are of account 999999999999" in check.detail


def test_a_second_view_that_may_not_look_is_no_view(world: World) -> None:
    connection = another_external_id(world)
    world.admin(connection.account_id).client("iam").create_user(UserName="guest")
    view = view_of(world, connection.account_id, user="guest")
    check = find(examine(world, connection, second_view=view), "assume_role")
    assert check.cause == "indistinct"
    assert "iam:GetRole" in check.detail


def test_a_near_name_is_suggested(world: World) -> None:
    account = world.account()
    world.role(account, name="Trailwarden")
    connection = world.connect(f"arn:aws:iam::{account}:role/Trailwardn")
    check = find(with_view(world, connection), "assume_role")
    assert check.cause == "role_missing"
    assert "did you mean Trailwarden?" in check.remedy


def test_a_forgotten_path(world: World) -> None:
    account = world.account()
    arn = world.role(account, path="/security/")
    check = find(with_view(world, world.connect(f"arn:aws:iam::{account}:role/Trailwarden")), "assume_role")
    assert check.cause == "role_path"
    assert arn in check.remedy


def test_a_principal_that_was_deleted(world: World) -> None:
    check = find(with_view(world, world.connected(trust_document("AROAEXAMPLEID1234567"))), "assume_role")
    assert check.cause == "trust_principal_deleted"
    assert "AROAEXAMPLEID1234567" in check.detail


def test_a_condition_that_is_not_met(world: World) -> None:
    condition = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}, "IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    check = find(with_view(world, world.connected(trust_document(Condition=condition))), "assume_role")
    assert check.cause == "trust_condition"
    assert "IpAddress aws:SourceIp" in check.detail


def test_a_deny_in_the_trust_policy(world: World) -> None:
    document = trust_document()
    deny = {"Sid": "KeepOut", "Effect": "Deny", "Principal": {"AWS": OWN_ACCOUNT}, "Action": "sts:*"}
    document["Statement"].append(deny)
    check = find(with_view(world, world.connected(document)), "assume_role")
    assert check.cause == "trust_denies"
    assert "KeepOut" in check.detail


def test_if_the_trust_policy_is_right_the_refusal_is_on_this_side(world: World) -> None:
    connection = world.connected()
    iam = world.admin(OWN_ACCOUNT).client("iam")
    iam.delete_user_policy(UserName="trailwarden", PolicyName="assume")
    check = find(with_view(world, connection), "assume_role")
    assert check.cause == "own_policy"
    assert "user/trailwarden" in check.remedy


def test_a_respond_role_must_let_a_session_name_the_approver(world: World) -> None:
    both = trust_document(Action=["sts:AssumeRole", "sts:SetSourceIdentity"])
    without = examine(world, world.connect(world.role(world.account()), purpose="respond"))
    assert find(without, "source_identity").cause == "source_identity"
    assert "sts:SetSourceIdentity" in find(without, "source_identity").remedy
    complete = examine(world, world.connect(world.role(world.account(), both), purpose="respond"))
    assert find(complete, "source_identity").status == "ok"
    reading = examine(world, world.connected())
    assert "source_identity" not in [check.id for check in reading.checks]


def respond_role(world: World) -> Connection:
    both = trust_document(Action=["sts:AssumeRole", "sts:SetSourceIdentity"])
    return world.connect(world.role(world.account(), both, attach=(), allow=("iam:GetRole",)), purpose="respond")


def test_of_a_respond_role_each_action_is_told(world: World) -> None:
    lacking = {"Delete access key": (), "Disable IAM user": ("iam:AttachUserPolicy", "iam:UpdateSSHPublicKey")}
    diagnosis = examine(world, respond_role(world), responding=lambda _: lacking)
    may, lacks = (check for check in diagnosis.checks if check.id == "permissions")
    assert (may.title, may.status, may.remedy) == ("May carry out: Delete access key", "ok", "")
    assert (lacks.title, lacks.status) == ("May carry out: Disable IAM user", "warning")
    assert lacks.detail == "lacks iam:AttachUserPolicy, iam:UpdateSSHPublicKey"
    assert "--for respond" in lacks.remedy
    assert diagnosis.causes == ("permission_missing",)
    assert diagnosis.usable
    assert "trail" not in [check.id for check in diagnosis.checks], "it reads nothing"


def test_what_a_respond_role_may_do_is_unknown_where_iam_was_not_read(world: World) -> None:
    diagnosis = examine(world, respond_role(world), responding=lambda _: None)
    (check,) = (check for check in diagnosis.checks if check.id == "permissions")
    assert (check.status, check.cause) == ("unknown", "permission_not_visible")


@pytest.mark.parametrize(
    ("demanded", "hint"),
    [
        (EXTERNAL_ID.upper(), "case"),
        (f'"{EXTERNAL_ID}"', "quotes"),
        (EXTERNAL_ID[:10], "cut off"),
        ("YOUR_EXTERNAL_ID", "placeholder"),
    ],
)
def test_how_the_external_ids_differ_is_said_without_showing_them(world: World, demanded: str, hint: str) -> None:
    diagnosis = with_view(world, world.connected(trust_document(external_id=demanded)))
    check = find(diagnosis, "assume_role")
    assert check.cause == "external_id_wrong"
    assert hint in check.detail
    shown = msgspec.json.encode(diagnosis).decode()
    assert EXTERNAL_ID not in shown
    assert demanded not in shown


def test_a_role_that_does_not_demand_the_external_id(world: World) -> None:
    diagnosis = examine(world, world.connected(trust_document(external_id=None)))
    check = find(diagnosis, "external_id")
    assert check.status == "warning"
    assert check.cause == "external_id_not_demanded"
    assert "confused deputy" in check.detail
    assert diagnosis.usable


def test_a_wildcard_principal(world: World) -> None:
    check = find(examine(world, world.connected(trust_document("*", None))), "trust")
    assert check.status == "failed"
    assert check.cause == "trust_wildcard"


def test_a_whole_account_as_principal_is_noted(world: World) -> None:
    check = find(examine(world, world.connected(trust_document(f"arn:aws:iam::{OWN_ACCOUNT}:root"))), "trust")
    assert check.status == "ok"
    assert f"whole account {OWN_ACCOUNT}" in check.detail


def test_others_who_are_trusted_are_named(world: World) -> None:
    document = trust_document()
    document["Statement"].append(trust_document("arn:aws:iam::999999999999:root", None)["Statement"][0])
    check = find(examine(world, world.connected(document)), "trust")
    assert check.evidence["also_trusted"] == "arn:aws:iam::999999999999:root"


def test_a_trust_policy_that_the_role_may_not_read(world: World) -> None:
    check = find(examine(world, world.connected(attach=(), allow=("cloudtrail:*",))), "trust")
    assert (check.status, check.cause) == ("unknown", "permission_not_visible")


def test_a_session_longer_than_the_role_gives(world: World) -> None:
    diagnosis = examine(world, world.connected(), duration=timedelta(hours=2))
    check = find(diagnosis, "session_duration")
    assert check.cause == "session_duration"
    assert "7200" in check.remedy
    assert diagnosis.usable, "the rest is diagnosed with a shorter session"


@contextmanager
def answers(session: AwsSession, event: str, change: Any) -> Iterator[None]:
    """``change(parsed=…)`` edits what the SDK parsed out of AWS's answer."""

    def hook(parsed: dict[str, Any], **_: Any) -> None:
        change(parsed)

    events = session.boto.events
    events.register(event, hook)
    try:
        yield
    finally:
        events.unregister(event, hook)


def test_a_session_in_another_account_than_the_arn_says(world: World) -> None:
    def swap(parsed: dict[str, Any]) -> None:
        parsed["AssumedRoleUser"]["Arn"] = "arn:aws:sts::999999999999:assumed-role/Trailwarden/x"

    with answers(world.broker.own(), "after-call.sts.AssumeRole", swap):
        diagnosis = examine(world, world.connected())
    assert diagnosis.causes == ("wrong_account",)
    assert "999999999999" in find(diagnosis, "assume_role").detail


def test_a_label_that_names_another_account(world: World) -> None:
    account = world.account()
    connection = world.connect(world.role(account), label="production (999999999999)")
    assert find(examine(world, connection), "account").cause == "label_mismatch"
    assert (
        find(examine(world, world.connect(world.role(account, name="B"), label=f"p {account}")), "account").cause
        is None
    )


# ---------------------------------------------------------------- what the role may do, and what is recorded


def test_each_missing_permission_is_named_by_tool(world: World) -> None:
    connection = world.connected(attach=(), allow=("iam:GetRole", "cloudtrail:LookupEvents"))
    needs = {"Search": ("cloudtrail:LookupEvents",), "Roles": ("iam:GetRole", "iam:ListRoles", "iam:GetPolicy")}
    search, roles = (check for check in examine(world, connection, needs=needs).checks if check.id == "permissions")
    assert search.status == "ok"
    assert roles.status == "failed"
    assert roles.cause == "permission_missing"
    assert set(roles.evidence) == {"iam:ListRoles", "iam:GetPolicy"}
    assert "denied (AccessDenied, request " in roles.evidence["iam:ListRoles"]
    assert "iam:ListRoles" in roles.remedy


def test_view_only_access_is_not_sufficient(world: World) -> None:
    connection = world.connected(attach=("arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",))
    check = find(examine(world, connection, needs={"Role": ("iam:GetRole", "iam:GetRolePolicy")}), "permissions")
    assert check.status == "failed"
    assert "ViewOnlyAccess is not sufficient" in check.remedy


@pytest.mark.parametrize("code", ["403", "AccessDeniedException", "UnauthorizedOperation", "AccessDenied"])
def test_a_denial_is_known_under_each_of_its_names(world: World, code: str) -> None:
    connection = world.connected()
    world.emulator.faults.append(Fault(kind="error", action="cloudtrail:LookupEvents", code=code, status=403))
    check = find(examine(world, connection, needs={"Search": ("cloudtrail:LookupEvents",)}), "permissions")
    assert check.status == "failed"


def test_one_of_two_ways_to_the_regions_is_enough(world: World) -> None:
    connection = world.connected(attach=(), allow=("ec2:DescribeRegions",))
    diagnosis = examine(world, connection, needs={"Search": ("account:ListRegions", "ec2:DescribeRegions")})
    assert find(diagnosis, "permissions").status == "ok"
    assert "ec2:DescribeRegions" in find(diagnosis, "regions").detail


def test_regions_that_may_not_be_seen(world: World) -> None:
    check = find(examine(world, world.connected(attach=(), allow=("iam:GetRole",))), "regions")
    assert check.cause == "regions_not_visible"
    assert "account:ListRegions" in check.remedy


def test_what_was_known_before_is_looked_at_again(world: World) -> None:
    connection = world.connected()
    assert world.broker.enabled_regions(connection)
    world.admin(connection.account_id).client("iam").detach_role_policy(RoleName="Trailwarden", PolicyArn=READ_ONLY)
    assert find(examine(world, connection), "regions").cause == "regions_not_visible"


def test_disabled_regions_are_told(world: World) -> None:
    connection = world.connected()
    world.emulator.enable_region(connection.account_id, "me-south-1")
    check = find(examine(world, connection), "regions")
    assert "me-south-1" in check.evidence["enabled"]
    assert "il-central-1" in check.evidence["disabled"]


def test_what_no_harmless_call_can_tell_is_simulated_or_not_probed(world: World) -> None:
    needs = {"Ingest": ("s3:GetObject",), "Delete": ("iam:DeleteUser",)}
    ingest, delete = (c for c in examine(world, world.connected(), needs=needs).checks if c.id == "permissions")
    assert ingest.evidence == {"s3:GetObject": "simulated allowed"}
    assert (delete.status, delete.evidence) == ("warning", {"iam:DeleteUser": "simulated denied"})
    untold = world.connected(attach=(), allow=("iam:GetRole",))
    check = find(examine(world, untold, needs={"Ingest": ("s3:GetObject",)}), "permissions")
    assert check.evidence == {"s3:GetObject": "not probed"}
    assert "not probed" in check.detail


def test_an_answer_that_says_nothing_is_unknown(world: World) -> None:
    connection = world.connected()
    world.emulator.faults.append(Fault(kind="error", action="cloudtrail:LookupEvents", code="InternalFailure"))
    check = find(examine(world, connection, needs={"Search": ("cloudtrail:LookupEvents",)}), "permissions")
    assert check.status == "unknown"


def make_trail(world: World, account: str, *, region: str = "us-east-1", **more: Any) -> Any:
    session = world.admin(account)
    bucket = f"trail-{account}-{region}"
    session.client("s3", region_name="us-east-1").create_bucket(Bucket=bucket)
    cloudtrail = session.client("cloudtrail", region_name=region)
    cloudtrail.create_trail(Name="main", S3BucketName=bucket, **more)
    cloudtrail.start_logging(Name="main")
    return cloudtrail


def test_a_whole_trail(world: World) -> None:
    connection = world.connected()
    make_trail(world, connection.account_id, IsMultiRegionTrail=True, EnableLogFileValidation=True)
    diagnosis = examine(world, connection)
    assert diagnosis.status == "ok"
    assert find(diagnosis, "trail").evidence["multi_region"] == "true"


def test_a_stopped_trail(world: World) -> None:
    connection = world.connected()
    make_trail(world, connection.account_id, IsMultiRegionTrail=True).stop_logging(Name="main")
    check = find(examine(world, connection), "trail")
    assert (check.status, check.cause) == ("failed", "trail_stopped")
    assert "StopLogging" in check.remedy


def test_a_trail_of_one_region_without_validation(world: World) -> None:
    connection = world.connected()
    make_trail(world, connection.account_id, region="eu-west-1")
    check = find(examine(world, connection), "trail")
    assert (check.status, check.cause) == ("warning", "trail_partial")
    assert "eu-west-1 alone" in check.detail


def test_a_trail_that_cannot_deliver(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = world.connected()
    make_trail(world, connection.account_id, IsMultiRegionTrail=True)
    assume = world.broker.assume

    def assume_and_listen(*args: Any, **more: Any) -> AwsSession:
        session = assume(*args, **more)
        session.boto.events.register(
            "after-call.cloudtrail.GetTrailStatus",
            lambda parsed, **_: parsed.update(LatestDeliveryError="NoSuchBucket"),
        )
        return session

    monkeypatch.setattr(world.broker, "assume", assume_and_listen)
    check = find(examine(world, connection), "trail")
    assert (check.status, check.cause) == ("failed", "trail_failing")
    assert "NoSuchBucket" in check.detail


def test_trails_that_may_not_be_seen_are_not_none(world: World) -> None:
    check = find(examine(world, world.connected(attach=(), allow=("iam:GetRole",))), "trail")
    assert (check.status, check.cause) == ("unknown", "permission_not_visible")


# ---------------------------------------------------------------- many at once


class Heard:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done = 0.0

    @contextmanager
    def task(self, title: str, *, total: float | None = None, unit: str = "") -> Iterator[Task]:
        assert (total, unit) == (3, "connections")
        yield self

    def advance(self, amount: float, *, note: str = "") -> None:
        self.done += amount
        self.notes.append(note)

    def total(self, amount: float) -> None:
        raise AssertionError("known from the start")


def test_many_connections_at_once_in_their_order_with_progress(world: World) -> None:
    connections = [world.connected(), another_external_id(world), world.connected(trust_document(external_id=None))]
    heard = Heard()
    diagnoses = diagnose_all(world.broker, connections, NOTHING, now=world.now, progress=heard)
    assert [each.connection for each in diagnoses] == connections
    assert [each.usable for each in diagnoses] == [True, False, True]
    assert "external_id_not_demanded" in diagnoses[2].causes
    assert heard.done == 3
    assert heard.notes[1].endswith("failed")
