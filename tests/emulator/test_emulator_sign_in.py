"""How accounts may be entered, as AWS shows it: the credential report, root, Identity Center and its people."""

import csv
import io
from typing import Any

import boto3
import pytest
from emulator_kit import FAR, HOME, START, Clock, allow, assume, client, make_role, make_user, policy, refused, trust

from trailwarden.demo.emulator import Emulator, Root

PASSWORD = "Correct-Horse-7-Battery"


def report_of(session: boto3.Session) -> dict[str, dict[str, str]]:
    """A finished report's lines by user."""
    iam = client(session, "iam")
    iam.generate_credential_report()
    refused(iam.get_credential_report)
    content = iam.get_credential_report()["Content"].decode()
    return {line["user"]: line for line in csv.DictReader(io.StringIO(content))}


def test_a_report_is_made_on_demand_and_takes_a_while(home: boto3.Session, clock: Clock) -> None:
    iam = client(home, "iam")
    assert refused(iam.get_credential_report)[::2] == ("ReportNotPresent", 410)
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert iam.generate_credential_report()["State"] == "INPROGRESS"
    assert refused(iam.get_credential_report)[::2] == ("ReportInProgress", 404)
    got = iam.get_credential_report()
    assert (got["ReportFormat"], got["GeneratedTime"]) == ("text/csv", START)
    clock.advance(4 * 3600 - 1)
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    assert iam.get_credential_report()["GeneratedTime"] == START


def test_a_report_lasts_four_hours(home: boto3.Session, clock: Clock) -> None:
    report_of(home)
    iam = client(home, "iam")
    clock.advance(4 * 3600)
    assert refused(iam.get_credential_report)[::2] == ("ReportExpired", 410)
    assert iam.generate_credential_report()["State"] == "STARTED"


def test_a_report_is_as_of_when_it_was_begun(home: boto3.Session) -> None:
    make_user(home, "early")
    assert set(report_of(home)) == {"<root_account>", "early"}
    make_user(home, "late")
    content = client(home, "iam").get_credential_report()["Content"].decode()
    assert "late" not in content


def test_the_report_tells_passwords_mfa_and_keys(emulator: Emulator, home: boto3.Session) -> None:
    iam = client(home, "iam")
    make_user(home, "person", policies=policy(allow("s3:ListAllMyBuckets")))
    iam.create_login_profile(UserName="person", Password=PASSWORD)
    key = iam.create_access_key(UserName="person")["AccessKey"]
    iam.update_access_key(
        UserName="person",
        AccessKeyId=iam.create_access_key(UserName="person")["AccessKey"]["AccessKeyId"],
        Status="Inactive",
    )
    client(emulator.session_with(key["AccessKeyId"], key["SecretAccessKey"]), "s3").list_buckets()
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName="person")["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(
        UserName="person", SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
    )
    make_user(home, "program")
    lines = report_of(home)
    person, program = lines["person"], lines["program"]
    assert (person["password_enabled"], person["password_last_used"]) == ("true", "no_information")
    assert (program["password_enabled"], program["password_last_used"]) == ("false", "N/A")
    assert (person["mfa_active"], program["mfa_active"]) == ("true", "false")
    assert person["access_key_1_active"] == "true"
    used = ("date", "region", "service")
    assert [person[f"access_key_1_last_used_{what}"] for what in used] == [
        "2026-11-24T12:00:00+00:00",
        "us-east-1",
        "s3",
    ]
    assert (person["access_key_2_active"], person["access_key_2_last_rotated"]) == ("false", "N/A")
    assert program["access_key_1_last_rotated"] == "N/A"


def test_root_is_in_the_report_and_in_the_summary(emulator: Emulator, home: boto3.Session, far: boto3.Session) -> None:
    emulator.set_root(HOME, Root(mfa=True, access_key=True, signed_in=START))
    root = report_of(home)["<root_account>"]
    assert root["arn"] == f"arn:aws:iam::{HOME}:root"
    assert (root["password_enabled"], root["password_last_used"]) == ("not_supported", "2026-11-24T12:00:00+00:00")
    assert (root["mfa_active"], root["access_key_1_active"]) == ("true", "true")
    summaries = [client(session, "iam").get_account_summary()["SummaryMap"] for session in (home, far)]
    assert [(each["AccountMFAEnabled"], each["AccountAccessKeysPresent"]) for each in summaries] == [(1, 1), (0, 0)]
    assert report_of(far)["<root_account>"]["password_last_used"] == "no_information"


@pytest.fixture
def organisation(emulator: Emulator, home: boto3.Session) -> Any:
    """HOME manages an organisation with FAR, and has Identity Center in Frankfurt."""
    organizations = client(home, "organizations")
    organizations.create_organization(FeatureSet="ALL")
    made = organizations.create_account(AccountName="far", Email="far@company.com")["CreateAccountStatus"]
    model = next(item for item in emulator._world.organisation_of(HOME).accounts if item.id == made["AccountId"])
    model.id = FAR
    return emulator.enable_identity_center(HOME, "eu-central-1")


def test_an_instance_shows_in_its_region_and_in_all_of_them_together(organisation: Any, home: boto3.Session) -> None:
    assert client(home, "sso-admin").list_instances()["Instances"] == []
    (shown,) = client(home, "sso-admin", "eu-central-1").list_instances()["Instances"]
    (from_afar,) = client(home, "sso-admin").list_instances(RegionScope="ALL_REGIONS")["Instances"]
    assert shown == from_afar
    assert (shown["InstanceArn"], shown["OwnerAccountId"]) == (organisation.instance_arn, HOME)
    assert shown["PrimaryRegion"] == "eu-central-1"


def test_members_see_the_instance_and_its_people_but_not_its_permission_sets(
    organisation: Any, home: boto3.Session, far: boto3.Session
) -> None:
    arn, store = organisation.instance_arn, organisation.identity_store_id
    people = client(home, "identitystore", "eu-central-1")
    names = {"Name": {"GivenName": "Jane", "FamilyName": "Example"}, "DisplayName": "Jane Example"}
    made = people.create_user(IdentityStoreId=store, UserName="jane@company.com", **names)["UserId"]
    (seen,) = client(far, "sso-admin", "eu-central-1").list_instances()["Instances"]
    assert seen["OwnerAccountId"] == HOME
    member = client(far, "identitystore", "eu-central-1")
    assert [user["UserId"] for user in member.list_users(IdentityStoreId=store)["Users"]] == [made]
    assert member.describe_user(IdentityStoreId=store, UserId=made)["UserName"] == "jane@company.com"
    sets = client(far, "sso-admin", "eu-central-1")
    assert refused(lambda: sets.list_permission_sets(InstanceArn=arn))[0] == "AccessDeniedException"
    refusal = refused(lambda: member.create_user(IdentityStoreId=store, UserName="x", **names))
    assert refusal[0] == "AccessDeniedException"


def test_an_instance_is_not_found_from_another_region_or_by_strangers(
    organisation: Any, home: boto3.Session, emulator: Emulator
) -> None:
    arn, store = organisation.instance_arn, organisation.identity_store_id
    for session, region in ((home, "eu-west-1"), (emulator.session("333333333333"), "eu-central-1")):
        sets, people = client(session, "sso-admin", region), client(session, "identitystore", region)
        for call in (
            lambda sets=sets: sets.list_permission_sets(InstanceArn=arn),
            lambda sets=sets: sets.describe_instance(InstanceArn=arn),
            lambda people=people: people.list_users(IdentityStoreId=store),
        ):
            assert refused(call)[0] == "ResourceNotFoundException"


def test_an_account_has_identity_center_once(organisation: Any, emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="already"):
        emulator.enable_identity_center(HOME, "us-east-1")


def test_only_an_organisations_instance_has_permission_sets(
    organisation: Any, emulator: Emulator, home: boto3.Session, far: boto3.Session
) -> None:
    own = emulator.enable_identity_center(FAR, "eu-central-1").instance_arn
    admin, member = client(home, "sso-admin", "eu-central-1"), client(far, "sso-admin", "eu-central-1")
    assert admin.describe_instance(InstanceArn=organisation.instance_arn)["PermissionSetsEnabled"] is True
    assert member.describe_instance(InstanceArn=own)["PermissionSetsEnabled"] is False
    assert refused(lambda: member.list_permission_sets(InstanceArn=own))[0] == "ValidationException"
    assert len(member.list_instances()["Instances"]) == 2


def test_an_assignment_provisions_the_permission_set(organisation: Any, home: boto3.Session) -> None:
    arn, admin = organisation.instance_arn, client(home, "sso-admin", "eu-central-1")
    made = admin.create_permission_set(Name="Admin", InstanceArn=arn)["PermissionSet"]["PermissionSetArn"]

    def accounts() -> list[str]:
        pages = admin.get_paginator("list_accounts_for_provisioned_permission_set").paginate(
            InstanceArn=arn, PermissionSetArn=made, PaginationConfig={"PageSize": 1}
        )
        return [account for page in pages for account in page["AccountIds"]]

    assert accounts() == []
    for account in (FAR, HOME, FAR):
        admin.create_account_assignment(
            InstanceArn=arn,
            TargetId=account,
            TargetType="AWS_ACCOUNT",
            PermissionSetArn=made,
            PrincipalType="USER",
            PrincipalId="00000000-0000-4000-8000-000000000001",
        )
    assert accounts() == [HOME, FAR]
    unknown = made[:-4] + "none"
    refusal = refused(
        lambda: admin.list_accounts_for_provisioned_permission_set(InstanceArn=arn, PermissionSetArn=unknown)
    )
    assert refusal[0] == "ResourceNotFoundException"


def test_people_come_in_pages_with_their_status(organisation: Any, emulator: Emulator, home: boto3.Session) -> None:
    store, people = organisation.identity_store_id, client(home, "identitystore", "eu-central-1")
    made = [
        people.create_user(
            IdentityStoreId=store,
            UserName=f"person-{number}",
            Name={"GivenName": "A", "FamilyName": "Person"},
            DisplayName="A Person",
            Emails=[{"Value": f"person-{number}@company.com", "Type": "work", "Primary": True}],
        )["UserId"]
        for number in range(5)
    ]
    emulator.disable_person(store, made[3])
    first = people.list_users(IdentityStoreId=store, MaxResults=2)
    assert len(first["Users"]) == 2
    pages = people.get_paginator("list_users").paginate(IdentityStoreId=store, PaginationConfig={"PageSize": 2})
    users = [user for page in pages for user in page["Users"]]
    assert [user["UserId"] for user in users] == made
    assert [user["UserStatus"] for user in users] == ["ENABLED"] * 3 + ["DISABLED", "ENABLED"]
    assert users[0]["Emails"] == [{"Value": "person-0@company.com", "Type": "work", "Primary": True}]
    assert "NickName" not in users[0]
    token = first["NextToken"]
    for call in (
        lambda: people.list_users(IdentityStoreId=store, MaxResults=101),
        lambda: people.list_users(IdentityStoreId=store, NextToken="bm90IG9uZQ=="),
        lambda: client(home, "sso-admin", "eu-central-1").list_instances(NextToken=token),
    ):
        assert refused(call)[0] == "ValidationException"
    gone = refused(lambda: people.describe_user(IdentityStoreId=store, UserId="nobody"))
    assert gone[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("service", "method", "arguments", "action"),
    [
        ("iam", "generate_credential_report", {}, "iam:GenerateCredentialReport"),
        ("iam", "get_credential_report", {}, "iam:GetCredentialReport"),
        ("iam", "get_account_summary", {}, "iam:GetAccountSummary"),
        ("sso-admin", "describe_instance", {"InstanceArn": "arn"}, "sso:DescribeInstance"),
        ("sso-admin", "list_permission_sets", {"InstanceArn": "arn"}, "sso:ListPermissionSets"),
        ("identitystore", "list_users", {"IdentityStoreId": "store"}, "identitystore:ListUsers"),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" in value else "",
)
def test_policies_decide_who_may_look(
    organisation: Any,
    emulator: Emulator,
    home: boto3.Session,
    *,
    service: str,
    method: str,
    arguments: dict[str, str],
    action: str,
) -> None:
    arn = make_role(home, "nobody", trust(f"arn:aws:iam::{HOME}:root"), policies=policy(allow("s3:ListAllMyBuckets")))
    real = {"arn": organisation.instance_arn, "store": organisation.identity_store_id}
    asked = {name: real[value] for name, value in arguments.items()}
    called = getattr(client(assume(emulator, home, arn), service, "eu-central-1"), method)
    code, message, _ = refused(lambda: called(**asked))
    assert code.startswith("AccessDenied")
    assert action in message
