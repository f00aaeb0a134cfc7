"""Authentication and authorisation of every call, in the words of each protocol."""

from typing import Any

import boto3
import pytest
from emulator_kit import FAR, HOME, allow, assume, client, deny, make_role, make_user, policy, refused, trust

from trailwarden.demo.emulator import Emulator

ROOT = f"arn:aws:iam::{HOME}:root"


def session_with(emulator: Emulator, admin: boto3.Session, *statements: dict[str, Any], **more: Any) -> boto3.Session:
    """A session of a role of the home account with the given statements."""
    return assume(emulator, admin, make_role(admin, "worker", trust(ROOT), policies=policy(*statements), **more))


@pytest.mark.parametrize(
    ("service", "call", "code", "status"),
    [
        ("sts", "get_caller_identity", "InvalidClientTokenId", 403),
        ("iam", "list_users", "InvalidClientTokenId", 403),
        ("cloudtrail", "lookup_events", "UnrecognizedClientException", 400),
        ("ec2", "describe_instances", "AuthFailure", 401),
        ("s3", "list_buckets", "InvalidAccessKeyId", 403),
        ("account", "list_regions", "UnrecognizedClientException", 403),
    ],
)
def test_unknown_keys_are_refused_as_each_protocol_spells_it(
    emulator: Emulator, service: str, call: str, code: str, status: int
) -> None:
    stranger = emulator.session_with("AKIAIOSFODNN7EXAMPLE", "not-a-secret")
    got_code, _, got_status = refused(getattr(client(stranger, service), call))
    assert (got_code, got_status) == (code, status)


def test_wrong_secret_and_wrong_token_are_refused(emulator: Emulator, home: Any) -> None:
    held = home.get_credentials()
    forged = emulator.session_with(held.access_key, "another-secret")
    assert refused(client(forged, "sts").get_caller_identity)[0] == "SignatureDoesNotMatch"
    assert refused(client(forged, "cloudtrail").lookup_events)[0] == "InvalidSignatureException"
    worker = session_with(emulator, home, allow("*")).get_credentials()
    for token in (None, "another-token"):
        stolen = emulator.session_with(worker.access_key, worker.secret_key, token)
        assert refused(client(stolen, "sts").get_caller_identity)[0] == "InvalidClientTokenId"


def test_signatures_of_unusual_requests_are_right(home: Any) -> None:
    s3 = client(home, "s3")
    s3.create_bucket(Bucket="odd-names")
    for key in ("a b/c+d&e=f", "ünïcode/~tilde", "trailing/", "per%20cent"):
        s3.put_object(Bucket="odd-names", Key=key, Body=b"content", Metadata={"my-key": "two  spaces"})
        assert s3.get_object(Bucket="odd-names", Key=key)["Body"].read() == b"content"
    listed = s3.list_objects_v2(Bucket="odd-names", Prefix="a b/", Delimiter="/")
    assert [item["Key"] for item in listed["Contents"]] == ["a b/c+d&e=f"]


def test_inactive_and_deleted_keys_do_not_authenticate(emulator: Emulator, home: Any) -> None:
    make_user(home, "alice", policies=policy(allow("iam:*")))
    iam = client(home, "iam")
    alice = emulator.session(HOME, user="alice")
    key = alice.get_credentials().access_key
    assert client(alice, "iam").list_users()["Users"]
    iam.update_access_key(UserName="alice", AccessKeyId=key, Status="Inactive")
    assert refused(client(alice, "iam").list_users)[0] == "InvalidClientTokenId"
    iam.update_access_key(UserName="alice", AccessKeyId=key, Status="Active")
    assert client(alice, "iam").list_users()["Users"]
    iam.delete_access_key(UserName="alice", AccessKeyId=key)
    assert refused(client(alice, "iam").list_users)[0] == "InvalidClientTokenId"


@pytest.mark.parametrize(
    ("service", "call", "arguments", "code", "status", "action"),
    [
        ("iam", "list_users", {}, "AccessDenied", 403, "iam:ListUsers"),
        ("cloudtrail", "lookup_events", {}, "AccessDeniedException", 400, "cloudtrail:LookupEvents"),
        ("organizations", "describe_organization", {}, "AccessDeniedException", 400, None),
        ("ec2", "describe_instances", {}, "UnauthorizedOperation", 403, "ec2:DescribeInstances"),
        ("s3", "list_buckets", {}, "AccessDenied", 403, "s3:ListAllMyBuckets"),
        ("account", "list_regions", {}, "AccessDeniedException", 403, "account:ListRegions"),
        ("wafv2", "list_ip_sets", {"Scope": "REGIONAL"}, "AccessDeniedException", 400, "wafv2:ListIPSets"),
        ("sso-admin", "list_instances", {}, "AccessDeniedException", 400, "sso:ListInstances"),
    ],
)
def test_denials_are_spelt_as_each_protocol_does(  # noqa: PLR0917 - the columns of its table
    emulator: Emulator,
    home: Any,
    service: str,
    call: str,
    arguments: dict[str, Any],
    code: str,
    status: int,
    action: str | None,
) -> None:
    session = session_with(emulator, home, allow("athena:*"))
    got_code, message, got_status = refused(lambda: getattr(client(session, service), call)(**arguments))
    assert (got_code, got_status) == (code, status)
    assert f"User: arn:aws:sts::{HOME}:assumed-role/worker/tester is not authorized to perform: " in message
    if action is not None:
        assert message.endswith(f"because no identity-based policy allows the {action} action")


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([allow("iam:GetUser")], True),
        ([allow("IAM:get*")], True),
        ([allow("iam:GetUse?")], True),
        ([allow("iam:GetUser", resource=f"arn:aws:iam::{HOME}:user/alice")], True),
        ([allow("iam:GetUser", resource=f"arn:aws:iam::{HOME}:user/Alice")], False),
        ([allow("iam:GetUser", resource=f"arn:aws:iam::{FAR}:user/*")], False),
        ([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], True),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], False),
        ([{"Effect": "Allow", "Action": "iam:*", "NotResource": f"arn:aws:iam::{HOME}:user/alice"}], False),
        ([allow("iam:*"), deny("iam:Get*")], False),
        ([allow("iam:*"), deny("*", Condition={"StringEquals": {"aws:PrincipalAccount": HOME}})], False),
        ([allow("iam:*"), deny("*", Condition={"StringEquals": {"aws:PrincipalAccount": FAR}})], True),
        ([allow("iam:*", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})], False),
        (
            [allow("iam:*"), deny("*", Condition={"DateLessThan": {"aws:TokenIssueTime": "2027-01-01T00:00:00Z"}})],
            False,
        ),
        ([allow("iam:*"), deny("*", Condition={"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}})], True),
    ],
)
def test_identity_policies(emulator: Emulator, home: Any, statements: list[Any], allowed: bool) -> None:
    make_user(home, "alice")
    iam = client(session_with(emulator, home, *statements), "iam")
    if allowed:
        assert iam.get_user(UserName="alice")["User"]["UserName"] == "alice"
    else:
        code, message, _ = refused(lambda: iam.get_user(UserName="alice"))
        assert code == "AccessDenied"
        assert f"iam:GetUser on resource: arn:aws:iam::{HOME}:user/alice" in message


def test_explicit_denial_says_so(emulator: Emulator, home: Any) -> None:
    session = session_with(emulator, home, allow("*"), deny("iam:ListUsers"))
    assert refused(client(session, "iam").list_users)[1].endswith("with an explicit deny in an identity-based policy")


@pytest.mark.parametrize(
    ("name", "can", "cannot"),
    [
        ("ReadOnlyAccess", "iam:list_users", "iam:delete_account_password_policy"),
        ("SecurityAudit", "iam:list_users", "iam:delete_account_password_policy"),
        ("job-function/ViewOnlyAccess", "iam:list_users", "iam:get_account_password_policy"),
        ("AdministratorAccess", "iam:list_users", None),
        ("AWSDenyAll", None, "iam:list_users"),
    ],
)
def test_managed_policies_are_the_real_documents(
    emulator: Emulator, home: Any, name: str, can: str | None, cannot: str | None
) -> None:
    session = session_with(emulator, home, allow("sts:GetCallerIdentity"))
    client(home, "iam").attach_role_policy(RoleName="worker", PolicyArn=f"arn:aws:iam::aws:policy/{name}")
    for call, allowed in ((can, True), (cannot, False)):
        if call is None:
            continue
        service, operation = call.split(":")
        if allowed:
            assert getattr(client(session, service), operation)()
        else:
            assert refused(getattr(client(session, service), operation))[0] == "AccessDenied"


def test_policies_of_groups_and_their_withdrawal_take_effect(emulator: Emulator, home: Any) -> None:
    make_user(home, "alice")
    iam = client(home, "iam")
    alice = client(emulator.session(HOME, user="alice"), "iam")
    assert refused(alice.list_users)[0] == "AccessDenied"
    iam.create_group(GroupName="auditors")
    iam.put_group_policy(GroupName="auditors", PolicyName="p", PolicyDocument=policy(allow("iam:ListUsers")))
    iam.add_user_to_group(GroupName="auditors", UserName="alice")
    assert alice.list_users()["Users"]
    iam.remove_user_from_group(GroupName="auditors", UserName="alice")
    assert refused(alice.list_users)[0] == "AccessDenied"


def test_only_the_default_version_of_a_policy_counts(emulator: Emulator, home: Any) -> None:
    session, iam = session_with(emulator, home, allow("s3:*")), client(home, "iam")
    arn = iam.create_policy(PolicyName="own", PolicyDocument=policy(allow("iam:ListUsers")))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="worker", PolicyArn=arn)
    assert client(session, "iam").list_users()
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("s3:*")), SetAsDefault=True)
    assert refused(client(session, "iam").list_users)[0] == "AccessDenied"


def test_boundaries_hold_users_and_roles_back(emulator: Emulator, home: Any) -> None:
    iam = client(home, "iam")
    narrow = iam.create_policy(PolicyName="narrow", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    session = session_with(emulator, home, allow("*"), PermissionsBoundary=narrow)
    assert client(session, "s3").list_buckets()
    refusal = refused(client(session, "iam").list_users)
    assert refusal[1].endswith("because no permissions boundary allows the iam:ListUsers action")
    make_user(home, "alice", policies=policy(allow("*")), PermissionsBoundary=narrow)
    alice = client(emulator.session(HOME, user="alice"), "iam")
    assert "permissions boundary" in refused(alice.list_users)[1]
    iam.delete_user_permissions_boundary(UserName="alice")
    assert alice.list_users()["Users"]


def test_service_control_policies_bind_members_and_not_the_management_account(emulator: Emulator, home: Any) -> None:
    organizations = client(home, "organizations")
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=root, Name="prod")["OrganizationalUnit"]["Id"]
    created = organizations.create_account(AccountName="prod", Email="prod@example.com")
    member = created["CreateAccountStatus"]["AccountId"]
    organizations.move_account(AccountId=member, SourceParentId=root, DestinationParentId=unit)
    no_trails = organizations.create_policy(
        Name="no-trails", Description="", Type="SERVICE_CONTROL_POLICY", Content=policy(deny("cloudtrail:*"))
    )["Policy"]["PolicySummary"]["Id"]
    inside = client(emulator.session(member), "cloudtrail")
    assert inside.describe_trails()["trailList"] == []
    organizations.attach_policy(PolicyId=no_trails, TargetId=unit)
    code, message, _ = refused(inside.describe_trails)
    assert code == "AccessDeniedException"
    assert message.endswith("with an explicit deny in a service control policy")
    assert client(home, "cloudtrail").describe_trails()["trailList"] == []
    role = f"arn:aws:iam::{member}:role/OrganizationAccountAccessRole"
    assert assume(emulator, home, role)
    organizations.detach_policy(PolicyId=no_trails, TargetId=unit)
    organizations.detach_policy(PolicyId="p-FullAWSAccess", TargetId=unit)
    only_iam = organizations.create_policy(
        Name="only-iam", Description="", Type="SERVICE_CONTROL_POLICY", Content=policy(allow("iam:*"))
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=only_iam, TargetId=unit)
    assert "no service control policy allows" in refused(inside.describe_trails)[1]
    assert client(emulator.session(member), "iam").list_roles()["Roles"]


def test_accounts_do_not_see_each_other(emulator: Emulator, home: Any, far: Any) -> None:
    make_user(home, "alice")
    make_user(far, "bob")
    assert [user["UserName"] for user in client(home, "iam").list_users()["Users"]] == ["alice"]
    assert [user["UserName"] for user in client(far, "iam").list_users()["Users"]] == ["bob"]
    spoofed = home.client("iam")
    spoofed.meta.events.register(
        "before-sign.iam.*", lambda request, **_: request.headers.add_header("x-moto-account-id", FAR)
    )
    assert [user["UserName"] for user in spoofed.list_users()["Users"]] == ["alice"]


def test_buckets_of_another_account_need_their_policy(emulator: Emulator, home: Any, far: Any) -> None:
    theirs = client(far, "s3")
    theirs.create_bucket(Bucket="their-logs")
    theirs.put_object(Bucket="their-logs", Key="AWSLogs/x.json.gz", Body=b"{}")
    role = make_role(home, "reader", trust(ROOT), policies=policy(allow("s3:*")))
    s3 = client(assume(emulator, home, role), "s3")
    assert refused(lambda: s3.list_objects_v2(Bucket="their-logs"))[0] == "AccessDenied"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": role},
        "Action": ["s3:ListBucket", "s3:GetObject"],
        "Resource": ["arn:aws:s3:::their-logs", "arn:aws:s3:::their-logs/*"],
    }
    theirs.put_bucket_policy(Bucket="their-logs", Policy=policy(statement))
    assert s3.list_objects_v2(Bucket="their-logs")["KeyCount"] == 1
    assert s3.get_object(Bucket="their-logs", Key="AWSLogs/x.json.gz")["Body"].read() == b"{}"
    assert refused(lambda: s3.put_object(Bucket="their-logs", Key="x", Body=b""))[0] == "AccessDenied"
    client(home, "iam").put_role_policy(RoleName="reader", PolicyName="inline", PolicyDocument=policy(allow("ec2:*")))
    refusal = refused(lambda: s3.list_objects_v2(Bucket="their-logs"))
    assert "because no identity-based policy allows the s3:ListBucket action" in refusal[1]


def test_resources_of_ec2_and_waf_are_known(emulator: Emulator, home: Any) -> None:
    ec2 = client(home, "ec2")
    one, two = (
        ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"] for _ in "12"
    )
    instance = f"arn:aws:ec2:us-east-1:{HOME}:instance/{one}"
    waf = client(home, "wafv2")
    created = waf.create_ip_set(Name="blocked", Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=[])["Summary"]
    session = session_with(
        emulator, home, allow("ec2:StopInstances", resource=instance), allow("wafv2:GetIPSet", resource=created["ARN"])
    )
    assert client(session, "ec2").stop_instances(InstanceIds=[one])["StoppingInstances"]
    assert refused(lambda: client(session, "ec2").stop_instances(InstanceIds=[one, two]))[0] == "UnauthorizedOperation"
    named = {"Name": "blocked", "Scope": "REGIONAL", "Id": created["Id"]}
    assert client(session, "wafv2").get_ip_set(**named)["LockToken"]
    change = {**named, "Addresses": [], "LockToken": "x"}
    assert refused(lambda: client(session, "wafv2").update_ip_set(**change))[0] == "AccessDeniedException"


def test_condition_on_the_policy_that_is_attached(emulator: Emulator, home: Any) -> None:
    make_user(home, "alice")
    only = {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/AWSDenyAll"}}
    iam = client(session_with(emulator, home, allow("iam:AttachUserPolicy", Condition=only)), "iam")
    iam.attach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AWSDenyAll")
    wider = {"UserName": "alice", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    assert refused(lambda: iam.attach_user_policy(**wider))[0] == "AccessDenied"


def test_lenient_emulator_lets_every_key_and_call_through() -> None:
    with Emulator(strict=False) as lenient:
        stranger = lenient.session_with("AKIAIOSFODNN7EXAMPLE", "not-a-secret")
        assert client(stranger, "iam").list_users()["Users"] == []
        assert client(stranger, "cloudtrail").lookup_events()["Events"] == []
