"""IAM's conflicts, protected roles, boundaries, pages and reports."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from emulator_kit import FAR, HOME, Clock, allow, assume, client, deny, make_role, make_user, policy, refused, trust

from trailwarden.demo.emulator import Emulator

ROOT = f"arn:aws:iam::{HOME}:root"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture
def iam(home: Any) -> Any:
    return client(home, "iam")


def certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "alice")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


def with_access_key(iam: Any) -> Any:
    key = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    return lambda: iam.delete_access_key(UserName="alice", AccessKeyId=key)


def with_password(iam: Any) -> Any:
    iam.create_login_profile(UserName="alice", Password="example-password")
    return lambda: iam.delete_login_profile(UserName="alice")


def with_mfa(iam: Any) -> Any:
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName="alice")["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(UserName="alice", SerialNumber=serial, AuthenticationCode1="1", AuthenticationCode2="2")

    def take_away() -> None:
        assert refused(lambda: iam.delete_virtual_mfa_device(SerialNumber=serial))[0] == "DeleteConflict"
        iam.deactivate_mfa_device(UserName="alice", SerialNumber=serial)
        iam.delete_virtual_mfa_device(SerialNumber=serial)

    return take_away


def with_group(iam: Any) -> Any:
    iam.create_group(GroupName="team")
    iam.add_user_to_group(GroupName="team", UserName="alice")
    return lambda: iam.remove_user_from_group(GroupName="team", UserName="alice")


def with_inline_policy(iam: Any) -> Any:
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy(allow("s3:*")))
    return lambda: iam.delete_user_policy(UserName="alice", PolicyName="p")


def with_attached_policy(iam: Any) -> Any:
    iam.attach_user_policy(UserName="alice", PolicyArn=READ_ONLY)
    return lambda: iam.detach_user_policy(UserName="alice", PolicyArn=READ_ONLY)


def with_ssh_key(iam: Any) -> Any:
    uploaded = iam.upload_ssh_public_key(UserName="alice", SSHPublicKeyBody="ssh-rsa AAAAB3NzaC1yc2EAAA alice")
    key = uploaded["SSHPublicKey"]["SSHPublicKeyId"]
    return lambda: iam.delete_ssh_public_key(UserName="alice", SSHPublicKeyId=key)


def with_certificate(iam: Any) -> Any:
    uploaded = iam.upload_signing_certificate(UserName="alice", CertificateBody=certificate())
    identifier = uploaded["Certificate"]["CertificateId"]
    return lambda: iam.delete_signing_certificate(UserName="alice", CertificateId=identifier)


def with_service_credential(iam: Any) -> Any:
    created = iam.create_service_specific_credential(UserName="alice", ServiceName="codecommit.amazonaws.com")
    identifier = created["ServiceSpecificCredential"]["ServiceSpecificCredentialId"]
    return lambda: iam.delete_service_specific_credential(UserName="alice", ServiceSpecificCredentialId=identifier)


@pytest.mark.parametrize(
    ("give", "words"),
    [
        (with_access_key, "must delete access keys first"),
        (with_password, "must delete login profile first"),
        (with_mfa, "must delete MFA device first"),
        (with_group, "must remove users from group first"),
        (with_inline_policy, "must delete policies first"),
        (with_attached_policy, "must detach all policies first"),
        (with_ssh_key, "must remove referenced objects first"),
        (with_certificate, "must remove referenced objects first"),
        (with_service_credential, "must remove referenced objects first"),
    ],
)
def test_a_user_is_deleted_only_when_nothing_is_left(home: Any, iam: Any, give: Any, words: str) -> None:
    make_user(home, "alice")
    take_away = give(iam)
    code, message, status = refused(lambda: iam.delete_user(UserName="alice"))
    assert (code, message, status) == ("DeleteConflict", f"Cannot delete entity, {words}.", 409)
    take_away()
    iam.delete_user(UserName="alice")
    assert refused(lambda: iam.get_user(UserName="alice"))[0] == "NoSuchEntity"


def test_service_specific_credentials(home: Any, iam: Any) -> None:
    make_user(home, "alice")
    created = iam.create_service_specific_credential(UserName="alice", ServiceName="cassandra.amazonaws.com")
    held = created["ServiceSpecificCredential"]
    assert held["ServicePassword"]
    named = {"UserName": "alice", "ServiceSpecificCredentialId": held["ServiceSpecificCredentialId"]}
    iam.update_service_specific_credential(**named, Status="Inactive")
    (listed,) = iam.list_service_specific_credentials(UserName="alice")["ServiceSpecificCredentials"]
    assert listed["Status"] == "Inactive"
    assert "ServicePassword" not in listed
    other = {"UserName": "alice", "ServiceName": "codecommit.amazonaws.com"}
    assert iam.list_service_specific_credentials(**other)["ServiceSpecificCredentials"] == []
    iam.delete_service_specific_credential(**named)
    assert refused(lambda: iam.delete_service_specific_credential(**named))[0] == "NoSuchEntity"


LISTS_OF_A_USER = [
    ("list_access_keys", "AccessKeyMetadata"),
    ("list_signing_certificates", "Certificates"),
    ("list_ssh_public_keys", "SSHPublicKeys"),
    ("list_service_specific_credentials", "ServiceSpecificCredentials"),
    ("list_mfa_devices", "MFADevices"),
    ("list_user_policies", "PolicyNames"),
    ("list_attached_user_policies", "AttachedPolicies"),
    ("list_groups_for_user", "Groups"),
]


def give_two_of_each(home: Any, iam: Any) -> None:
    alice = {"UserName": "alice"}
    make_user(home, "alice")
    for name in ("one", "two"):
        with_access_key(iam)
        with_certificate(iam)
        with_ssh_key(iam)
        with_service_credential(iam)
        iam.enable_mfa_device(**alice, SerialNumber=f"GAHT{name}", AuthenticationCode1="1", AuthenticationCode2="2")
        iam.put_user_policy(**alice, PolicyName=name, PolicyDocument=policy(allow("s3:*")))
        iam.create_group(GroupName=name)
        iam.add_user_to_group(**alice, GroupName=name)
    for arn in (READ_ONLY, "arn:aws:iam::aws:policy/PowerUserAccess"):
        iam.attach_user_policy(**alice, PolicyArn=arn)


def test_the_lists_of_a_user_have_pages(home: Any, iam: Any) -> None:
    give_two_of_each(home, iam)
    for operation, key in LISTS_OF_A_USER:
        ask = partial(getattr(iam, operation), UserName="alice")
        whole = ask()
        assert (len(whole[key]), whole["IsTruncated"]) == (2, False), operation
        pages = [ask(MaxItems=1)]
        while pages[-1]["IsTruncated"]:
            pages.append(ask(MaxItems=1, Marker=pages[-1]["Marker"]))
        assert [len(page[key]) for page in pages][:2] == [1, 1], operation
        assert [each for page in pages for each in page[key]] == whole[key]
    assert refused(lambda: iam.list_access_keys(UserName="alice", MaxItems=0))[0] == "ValidationError"
    assert refused(lambda: iam.list_access_keys(UserName="alice", Marker="x"))[0] == "ValidationError"
    assert refused(lambda: iam.list_access_keys(UserName="bob"))[0] == "NoSuchEntity"


def test_the_inline_policies_of_roles_and_groups_have_pages(home: Any, iam: Any) -> None:
    make_role(home, "worker", trust(ROOT))
    iam.create_group(GroupName="team")
    for name in ("one", "two"):
        iam.put_role_policy(RoleName="worker", PolicyName=name, PolicyDocument=policy(allow("s3:*")))
        iam.put_group_policy(GroupName="team", PolicyName=name, PolicyDocument=policy(allow("s3:*")))
    for ask in (partial(iam.list_role_policies, RoleName="worker"), partial(iam.list_group_policies, GroupName="team")):
        first = ask(MaxItems=1)
        assert (first["PolicyNames"], first["IsTruncated"]) == (["one"], True)
        assert ask(Marker=first["Marker"])["PolicyNames"] == ["two"]


def test_policies_in_use_are_not_deleted(home: Any, iam: Any) -> None:
    arn = iam.create_policy(PolicyName="own", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    make_role(home, "worker", trust(ROOT))
    iam.attach_role_policy(RoleName="worker", PolicyArn=arn)
    refusal = refused(lambda: iam.delete_policy(PolicyArn=arn))
    assert refusal == ("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
    iam.detach_role_policy(RoleName="worker", PolicyArn=arn)
    iam.put_role_permissions_boundary(RoleName="worker", PermissionsBoundary=arn)
    assert refused(lambda: iam.delete_policy(PolicyArn=arn))[0] == "DeleteConflict"
    iam.delete_role_permissions_boundary(RoleName="worker")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("s3:*")))
    assert "more than one version" in refused(lambda: iam.delete_policy(PolicyArn=arn))[1]
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)
    assert refused(lambda: iam.delete_policy(PolicyArn=READ_ONLY))[0] == "AccessDenied"


def test_a_group_in_use_is_not_deleted(home: Any, iam: Any) -> None:
    make_user(home, "alice")
    take_away = with_group(iam)
    assert refused(lambda: iam.delete_group(GroupName="team"))[0] == "DeleteConflict"
    take_away()
    iam.delete_group(GroupName="team")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("delete_role", {}),
        ("update_role", {"Description": "x"}),
        ("update_assume_role_policy", {"PolicyDocument": policy(trust(ROOT))}),
        ("put_role_policy", {"PolicyName": "p", "PolicyDocument": policy(allow("*"))}),
        ("attach_role_policy", {"PolicyArn": READ_ONLY}),
        ("detach_role_policy", {"PolicyArn": READ_ONLY}),
        ("put_role_permissions_boundary", {"PermissionsBoundary": READ_ONLY}),
    ],
)
def test_roles_of_aws_are_protected(
    emulator: Emulator, home: Any, iam: Any, operation: str, arguments: dict[str, Any]
) -> None:
    linked = iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")["Role"]["RoleName"]
    sso = "AWSReservedSSO_Admin_0123456789abcdef"
    make_role(home, sso, trust(ROOT), Path="/aws-reserved/sso.amazonaws.com/")
    worker = make_role(home, "worker", trust(ROOT), policies=policy(allow("iam:*")))
    session = client(assume(emulator, home, worker), "iam")
    for name in (linked, sso):
        code, message, status = refused(partial(getattr(session, operation), RoleName=name, **arguments))
        assert (code, status) == ("UnmodifiableEntity", 400)
        assert f"protected role '{name}'" in message


def test_attaching_stops_at_the_quota_and_twice_is_once(home: Any, iam: Any) -> None:
    make_user(home, "alice")
    arns = [
        iam.create_policy(PolicyName=f"p{n}", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"] for n in range(11)
    ]
    for arn in arns[:10]:
        iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    iam.attach_user_policy(UserName="alice", PolicyArn=arns[0])
    assert iam.get_policy(PolicyArn=arns[0])["Policy"]["AttachmentCount"] == 1
    code, message, status = refused(lambda: iam.attach_user_policy(UserName="alice", PolicyArn=arns[10]))
    assert (code, message, status) == ("LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10", 409)
    assert refused(lambda: iam.attach_user_policy(UserName="alice", PolicyArn=READ_ONLY + "x"))[0] in (
        "LimitExceeded",
        "NoSuchEntity",
    )


def test_boundary_of_a_user_is_kept_shown_and_removed(home: Any, iam: Any) -> None:
    narrow = iam.create_policy(PolicyName="narrow", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    created = iam.create_user(UserName="alice", PermissionsBoundary=narrow)["User"]
    assert created["PermissionsBoundary"]["PermissionsBoundaryArn"] == narrow
    assert iam.get_user(UserName="alice")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == narrow
    iam.delete_user_permissions_boundary(UserName="alice")
    assert "PermissionsBoundary" not in iam.get_user(UserName="alice")["User"]
    assert refused(lambda: iam.delete_user_permissions_boundary(UserName="alice"))[0] == "NoSuchEntity"
    iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=narrow)
    (detail,) = iam.get_account_authorization_details(Filter=["User"])["UserDetailList"]
    assert detail["PermissionsBoundary"]["PermissionsBoundaryArn"] == narrow
    missing = {"UserName": "bob", "PermissionsBoundary": "arn:aws:iam::111111111111:policy/none"}
    assert refused(lambda: iam.create_user(**missing))[0] == "NoSuchEntity"


@pytest.mark.parametrize(("kind", "key"), [("users", "Users"), ("roles", "Roles"), ("groups", "Groups")])
def test_lists_come_in_pages(home: Any, iam: Any, kind: str, key: str) -> None:
    names = [f"name-{number:02}" for number in range(7)]
    for name in names:
        if kind == "users":
            iam.create_user(UserName=name)
        elif kind == "groups":
            iam.create_group(GroupName=name)
        else:
            make_role(home, name, trust(ROOT))
    pages = list(iam.get_paginator(f"list_{kind}").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page[key]) for page in pages] == [3, 3, 1]
    assert [item[f"{key[:-1]}Name"] for page in pages for item in page[key]] == names
    assert [page["IsTruncated"] for page in pages] == [True, True, False]
    assert refused(lambda: getattr(iam, f"list_{kind}")(Marker="made-up!"))[0] == "ValidationError"
    assert refused(lambda: getattr(iam, f"list_{kind}")(MaxItems=0))[0] == "ValidationError"


def test_more_than_a_hundred_roles_need_a_second_page(home: Any, iam: Any) -> None:
    for number in range(101):
        iam.create_role(RoleName=f"role-{number:03}", AssumeRolePolicyDocument=policy(trust(ROOT)))
    first = iam.list_roles()
    assert len(first["Roles"]) == 100
    assert first["Roles"][0]["AssumeRolePolicyDocument"] == json.loads(policy(trust(ROOT)))
    assert len(iam.list_roles(Marker=first["Marker"])["Roles"]) == 1


def test_authorization_details_come_whole_in_pages(home: Any, iam: Any) -> None:
    own = iam.create_policy(PolicyName="own", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    for name in ("alice", "bob"):
        make_user(home, name, policies=policy(allow("s3:Get*")))
    iam.create_group(GroupName="team")
    iam.add_user_to_group(GroupName="team", UserName="alice")
    iam.attach_group_policy(GroupName="team", PolicyArn=READ_ONLY)
    make_role(home, "worker", trust(ROOT), policies=policy(allow("*")))
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 2}))
    assert len(pages) == 3
    users = {item["UserName"]: item for page in pages for item in page["UserDetailList"]}
    groups = [item for page in pages for item in page["GroupDetailList"]]
    roles = [item for page in pages for item in page["RoleDetailList"]]
    policies = {item["Arn"]: item for page in pages for item in page["Policies"]}
    assert users["alice"]["GroupList"] == ["team"]
    assert users["bob"]["UserPolicyList"][0]["PolicyDocument"] == json.loads(policy(allow("s3:Get*")))
    assert groups[0]["AttachedManagedPolicies"] == [{"PolicyName": "ReadOnlyAccess", "PolicyArn": READ_ONLY}]
    assert roles[0]["AssumeRolePolicyDocument"] == json.loads(policy(trust(ROOT)))
    assert roles[0]["RolePolicyList"][0]["PolicyDocument"] == json.loads(policy(allow("*")))
    assert {arn: item["PolicyName"] for arn, item in policies.items()} == {own: "own", READ_ONLY: "ReadOnlyAccess"}
    (version,) = [item for item in policies[READ_ONLY]["PolicyVersionList"] if item["IsDefaultVersion"]]
    assert version["Document"]["Statement"]
    (local,) = iam.get_account_authorization_details(Filter=["LocalManagedPolicy"])["Policies"]
    assert local["Arn"] == own


def test_aws_policies_are_known_without_being_attached(iam: Any) -> None:
    assert iam.get_policy(PolicyArn=READ_ONLY)["Policy"]["PolicyName"] == "ReadOnlyAccess"
    version = iam.get_policy(PolicyArn=READ_ONLY)["Policy"]["DefaultVersionId"]
    assert iam.get_policy_version(PolicyArn=READ_ONLY, VersionId=version)["PolicyVersion"]["Document"]["Statement"]
    assert iam.list_policies(Scope="Local")["Policies"] == []
    assert len(iam.list_policies(Scope="AWS", MaxItems=1000)["Policies"]) == 1000


def test_last_use_of_a_key_is_told_to_its_own_account_only(emulator: Emulator, home: Any, far: Any, iam: Any) -> None:
    make_user(home, "alice", policies=policy(allow("iam:ListUsers")))
    alice = emulator.session(HOME, user="alice")
    key = alice.get_credentials().access_key
    before = iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
    assert (before["Region"], before["ServiceName"]) == ("N/A", "N/A")
    client(alice, "iam").list_groups_for_user  # noqa: B018 - naming an operation calls nothing
    assert refused(client(alice, "iam").list_groups)[0] == "AccessDenied"
    client(alice, "iam").list_users()
    client(alice, "iam").get_paginator("list_users")
    assert refused(lambda: client(far, "iam").get_access_key_last_used(AccessKeyId=key))[0] == "AccessDenied"
    used = iam.get_access_key_last_used(AccessKeyId=key)
    assert used["UserName"] == "alice"
    assert (used["AccessKeyLastUsed"]["ServiceName"], used["AccessKeyLastUsed"]["Region"]) == ("iam", "us-east-1")


def test_a_role_session_has_to_name_the_user(emulator: Emulator, home: Any) -> None:
    role = make_role(home, "worker", trust(ROOT), policies=policy(allow("iam:*")))
    session = client(assume(emulator, home, role), "iam")
    code, message, _ = refused(session.get_user)
    assert (code, message) == ("ValidationError", "Must specify userName when calling with non-User credentials")
    make_user(home, "alice", policies=policy(allow("iam:GetUser", resource=f"arn:aws:iam::{HOME}:user/alice")))
    assert client(emulator.session(HOME, user="alice"), "iam").get_user()["User"]["UserName"] == "alice"


def test_last_accessed_services_come_from_event_history(emulator: Emulator, home: Any, iam: Any, clock: Clock) -> None:
    arn = make_user(home, "alice", policies=policy(allow("s3:Get*", "ec2:*")))
    moment = clock.now - timedelta(hours=3)
    event = {
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetBucketAcl",
        "eventID": "1",
        "awsRegion": "eu-west-1",
        "userIdentity": {"type": "IAMUser", "arn": arn, "userName": "alice"},
    }
    emulator.put_events(HOME, "eu-west-1", [event])
    job = iam.generate_service_last_accessed_details(Arn=arn)["JobId"]
    report = iam.get_service_last_accessed_details(JobId=job)
    assert report["JobStatus"] == "COMPLETED"
    services = {item["ServiceNamespace"]: item for item in report["ServicesLastAccessed"]}
    assert set(services) == {"s3", "ec2"}
    assert services["s3"]["LastAuthenticated"] == moment
    assert services["s3"]["LastAuthenticatedRegion"] == "eu-west-1"
    assert "LastAuthenticated" not in services["ec2"]
    assert refused(lambda: iam.get_service_last_accessed_details(JobId="0" * 36))[0] == "NoSuchEntity"


def test_simulation_follows_the_policies(home: Any, iam: Any) -> None:
    narrow = iam.create_policy(PolicyName="narrow", PolicyDocument=policy(allow("s3:*", "iam:*")))["Policy"]["Arn"]
    arn = make_role(
        home,
        "worker",
        trust(ROOT),
        policies=policy(
            allow("s3:*", "ec2:*"),
            deny("s3:Delete*", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}),
        ),
        PermissionsBoundary=narrow,
    )
    actions = ["s3:GetObject", "s3:DeleteObject", "ec2:RunInstances", "iam:ListUsers"]

    def decisions(**more: Any) -> list[str]:
        answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, **more)
        return [item["EvalDecision"] for item in answer["EvaluationResults"]]

    assert decisions() == ["allowed", "allowed", "implicitDeny", "implicitDeny"]
    region = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyValues": ["eu-west-1"], "ContextKeyType": "string"}
    assert decisions(ContextEntries=[region])[1] == "explicitDeny"
    other = {"PolicySourceArn": f"arn:aws:iam::{FAR}:role/worker", "ActionNames": actions}
    assert refused(lambda: iam.simulate_principal_policy(**other))[0] == "NoSuchEntity"
