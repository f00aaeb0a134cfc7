"""AssumeRole: who may, for how long, and whose session it then is."""

import base64
from functools import partial
from typing import Any

import boto3
import pytest
from emulator_kit import FAR, HOME, Clock, allow, assume, client, deny, make_role, make_user, policy, refused, trust

from trailwarden.demo.emulator import Emulator

ROOT = f"arn:aws:iam::{HOME}:root"
MAY_ASSUME = policy(allow("sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"))


def denied(session: boto3.Session, role_arn: str, **more: Any) -> bool:
    code, message, status = refused(
        lambda: client(session, "sts").assume_role(**{"RoleArn": role_arn, "RoleSessionName": "tester", **more})
    )
    assert (code, status) == ("AccessDenied", 403), (code, message)
    assert "is not authorized to perform: sts:" in message
    assert message.endswith(f"on resource: {role_arn}")
    return True


def test_external_id_must_be_the_one_that_the_trust_policy_asks_for(emulator: Emulator, home: Any, far: Any) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "sesame"}}
    role = make_role(far, "reader", trust(ROOT, Condition=condition))
    assert denied(home, role)
    assert denied(home, role, ExternalId="Sesame")
    answer = client(home, "sts").assume_role(RoleArn=role, RoleSessionName="tester", ExternalId="sesame")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{FAR}:assumed-role/reader/tester"
    role_id = client(far, "iam").get_role(RoleName="reader")["Role"]["RoleId"]
    assert answer["AssumedRoleUser"]["AssumedRoleId"] == f"{role_id}:tester"
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_missing_role_looks_like_a_denied_one(home: Any, far: Any) -> None:
    assert denied(home, f"arn:aws:iam::{FAR}:role/nobody")


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([trust(ROOT)], True),
        ([trust(HOME)], True),
        ([trust(f"arn:aws:iam::{HOME}:user/alice")], True),
        ([trust(f"arn:aws:iam::{HOME}:user/bob")], False),
        ([trust([f"arn:aws:iam::{HOME}:user/bob", f"arn:aws:iam::{HOME}:user/alice"])], True),
        ([trust("*")], True),
        ([trust(f"arn:aws:iam::{FAR}:root")], False),
        ([trust({"Service": "ec2.amazonaws.com"})], False),
        ([trust({"Federated": "arn:aws:iam::222222222222:saml-provider/x"}, action="sts:AssumeRoleWithSAML")], False),
        ([trust(ROOT, action="sts:*")], True),
        ([trust(ROOT, action="sts:AssumeRoleWithSAML")], False),
        ([trust(ROOT), trust(f"arn:aws:iam::{HOME}:user/alice", effect="Deny")], False),
        ([trust(ROOT), trust(f"arn:aws:iam::{HOME}:user/bob", effect="Deny")], True),
        ([trust(ROOT, Condition={"StringLike": {"sts:ExternalId": "x-*"}})], True),
        ([trust(ROOT, Condition={"StringLike": {"sts:ExternalId": "y-*"}})], False),
        ([trust(ROOT, Condition={"StringNotEquals": {"sts:ExternalId": "x-1"}})], False),
        ([trust(ROOT, Condition={"Null": {"sts:ExternalId": "true"}})], False),
        ([trust(ROOT, Condition={"StringEquals": {"sts:RoleSessionName": "tester"}})], True),
        ([trust(ROOT, Condition={"StringEquals": {"sts:RoleSessionName": "${aws:username}"}})], False),
        ([trust(ROOT, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})], False),
        ([trust(ROOT, Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}})], True),
        ([trust("*", Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:user/al*"}})], True),
        ([trust("*", Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:role/al*"}})], False),
        ([trust("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-example"}})], False),
        ([trust(ROOT, Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}})], True),
        ([trust(ROOT, Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})], False),
        ([trust(ROOT, Condition={"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}})], False),
        ([trust(ROOT, Condition={"UnheardOf": {"aws:CurrentTime": "x"}})], False),
    ],
)
def test_trust_policy_decides_across_accounts(
    emulator: Emulator, home: Any, far: Any, statements: list[Any], allowed: bool
) -> None:
    make_user(home, "alice", policies=MAY_ASSUME)
    alice = emulator.session(HOME, user="alice")
    role = make_role(far, "target", *statements)
    if allowed:
        assert assume(emulator, alice, role, ExternalId="x-1")
    else:
        assert denied(alice, role, ExternalId="x-1")


def test_organisation_id_comes_from_the_callers_organisation(emulator: Emulator, home: Any, far: Any) -> None:
    org = client(home, "organizations").create_organization(FeatureSet="ALL")["Organization"]["Id"]
    role = make_role(far, "target", trust("*", Condition={"StringEquals": {"aws:PrincipalOrgID": org}}))
    assert assume(emulator, home, role)
    assert denied(emulator.session("333333333333"), role)


@pytest.mark.parametrize(
    ("identity", "allowed"),
    [
        (None, False),
        (policy(allow("sts:AssumeRole", resource="arn:aws:iam::222222222222:role/target")), True),
        (policy(allow("sts:AssumeRole", resource="arn:aws:iam::222222222222:role/other")), False),
        (policy(allow("STS:assume*")), True),
        (policy(allow("s3:*")), False),
        (policy(allow("sts:*"), deny("sts:AssumeRole", resource="arn:aws:iam::*:role/target")), False),
    ],
)
def test_callers_own_policies_decide_too(
    emulator: Emulator, home: Any, far: Any, identity: str | None, allowed: bool
) -> None:
    make_user(home, "alice", policies=identity)
    alice = emulator.session(HOME, user="alice")
    role = make_role(far, "target", trust(ROOT))
    assert bool(assume(emulator, alice, role)) if allowed else denied(alice, role)


def test_in_the_same_account_being_named_is_enough_but_the_account_is_not(emulator: Emulator, home: Any) -> None:
    make_user(home, "alice")
    alice = emulator.session(HOME, user="alice")
    named = make_role(home, "named", trust(f"arn:aws:iam::{HOME}:user/alice"))
    by_account = make_role(home, "by-account", trust(ROOT))
    assert assume(emulator, alice, named)
    assert denied(alice, by_account)


def test_a_named_role_is_held_back_by_its_boundary_where_a_named_session_is_not(emulator: Emulator, home: Any) -> None:
    iam = client(home, "iam")
    narrow = iam.create_policy(PolicyName="narrow", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    first = make_role(home, "first", trust(ROOT), PermissionsBoundary=narrow)
    session = assume(emulator, home, first)
    by_role = make_role(home, "by-role", trust(first))
    by_session = make_role(home, "by-session", trust(f"arn:aws:sts::{HOME}:assumed-role/first/tester"))
    assert denied(session, by_role)
    assert assume(emulator, session, by_session)


def test_session_of_a_named_role_is_trusted_and_other_roles_are_not(emulator: Emulator, home: Any, far: Any) -> None:
    bridge = make_role(home, "bridge", trust(ROOT), policies=MAY_ASSUME)
    other = make_role(home, "other", trust(ROOT), policies=MAY_ASSUME)
    target = make_role(far, "target", trust(bridge))
    assert assume(emulator, assume(emulator, home, bridge), target)
    assert denied(assume(emulator, home, other), target)


def test_durations(emulator: Emulator, home: Any, far: Any, clock: Clock) -> None:
    role = make_role(far, "target", trust(ROOT), MaxSessionDuration=7200)
    sts = client(home, "sts")

    def error(seconds: int, using: Any = sts) -> tuple[str, str, int]:
        call = {"RoleArn": role, "RoleSessionName": "tester", "DurationSeconds": seconds}
        return refused(lambda: using.assume_role(**call))

    assert error(899)[0] == "ValidationError"
    assert "greater than or equal to 900" in error(899)[1]
    assert "less than or equal to 43200" in error(43201)[1]
    assert error(7201)[1] == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    answer = sts.assume_role(RoleArn=role, RoleSessionName="tester", DurationSeconds=7200)
    assert (answer["Credentials"]["Expiration"] - clock.now).total_seconds() == 7200
    bridge = assume(emulator, home, make_role(home, "bridge", trust(ROOT), policies=MAY_ASSUME))
    assert "role chaining" in error(3601, client(bridge, "sts"))[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"RoleSessionName": "x"},
        {"RoleSessionName": "has space"},
        {"RoleSessionName": "x" * 65},
        {"ExternalId": "x"},
        {"ExternalId": "semi;colon"},
        {"SourceIdentity": "no/slash"},
        {"RoleArn": "arn:aws:iam::222222222222:user/alice"},
        {"RoleArn": "target"},
    ],
)
def test_formats_are_checked_before_trust(home: Any, far: Any, wrong: dict[str, str]) -> None:
    role = make_role(far, "target", trust(ROOT))
    call = {"RoleArn": role, "RoleSessionName": "tester", **wrong}
    assert refused(lambda: client(home, "sts").assume_role(**call))[0] == "ValidationError"


def test_source_identity_needs_its_own_permission_and_cannot_change_in_a_chain(
    emulator: Emulator, home: Any, far: Any
) -> None:
    plain = make_role(far, "plain", trust(ROOT))
    assert denied(home, plain, SourceIdentity="carol")
    both = ["sts:AssumeRole", "sts:SetSourceIdentity"]
    first = make_role(home, "first", trust(ROOT, action=both), policies=MAY_ASSUME)
    second = make_role(far, "second", trust(ROOT, action=both))
    answer = client(home, "sts").assume_role(RoleArn=first, RoleSessionName="tester", SourceIdentity="carol")
    assert answer["SourceIdentity"] == "carol"
    session = assume(emulator, home, first, SourceIdentity="carol")
    chained = client(session, "sts").assume_role(RoleArn=second, RoleSessionName="tester")
    assert chained["SourceIdentity"] == "carol"
    assert denied(session, second, SourceIdentity="mallory")
    assert denied(session, plain)


def test_tags_need_their_own_permission(emulator: Emulator, home: Any, far: Any) -> None:
    tags = [{"Key": "team", "Value": "blue"}]
    assert denied(home, make_role(far, "plain", trust(ROOT)), Tags=tags)
    tagged = make_role(far, "tagged", trust(ROOT, action=["sts:AssumeRole", "sts:TagSession"]))
    assert assume(emulator, home, tagged, Tags=tags)


def test_session_policy_narrows_and_must_be_a_policy(emulator: Emulator, home: Any, far: Any) -> None:
    role = make_role(far, "target", trust(ROOT), policies=policy(allow("iam:*", "s3:*")))
    narrow = policy(allow("iam:ListUsers", "ec2:*"))
    session = assume(emulator, home, role, Policy=narrow)
    assert client(session, "iam").list_users()["Users"] == []
    assert "because no session policy allows the iam:ListRoles action" in refused(client(session, "iam").list_roles)[1]
    assert "no identity-based policy" in refused(client(session, "ec2").describe_instances)[1]
    answer = client(home, "sts").assume_role(RoleArn=role, RoleSessionName="tester", Policy=narrow)
    assert 0 < answer["PackedPolicySize"] <= 100
    for wrong in ("not json", "[]"):
        code = refused(partial(assume, emulator, home, role, Policy=wrong))[0]
        assert code == "MalformedPolicyDocument"
    managed = [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]
    assert client(assume(emulator, home, role, PolicyArns=managed), "iam").list_roles()["Roles"]


def test_mfa_of_a_session_token_satisfies_the_condition(emulator: Emulator, home: Any, far: Any) -> None:
    make_user(home, "alice", policies=MAY_ASSUME)
    role = make_role(far, "target", trust(ROOT, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    alice = emulator.session(HOME, user="alice")
    iam = client(home, "iam")
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName="alice")["VirtualMFADevice"]["SerialNumber"]
    wrong = refused(lambda: client(alice, "sts").get_session_token(SerialNumber=serial, TokenCode="123456"))
    assert wrong[0] == "AccessDenied"
    iam.enable_mfa_device(UserName="alice", SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="1")

    def session(**more: str) -> boto3.Session:
        held = client(alice, "sts").get_session_token(**more)["Credentials"]
        return emulator.session_with(held["AccessKeyId"], held["SecretAccessKey"], held["SessionToken"])

    assert denied(session(), role)
    assert assume(emulator, session(SerialNumber=serial, TokenCode="123456"), role)
    without = refused(lambda: client(session(), "iam").list_users())
    assert without[0] == "AccessDenied"


def test_caller_identity_of_users_roles_and_sessions(emulator: Emulator, home: Any, far: Any) -> None:
    user = make_user(home, "alice", Path="/people/")
    identity = client(emulator.session(HOME, user="alice"), "sts").get_caller_identity()
    user_id = client(home, "iam").get_user(UserName="alice")["User"]["UserId"]
    assert (identity["Arn"], identity["Account"], identity["UserId"]) == (user, HOME, user_id)
    assert user == f"arn:aws:iam::{HOME}:user/people/alice"
    assert user_id.startswith("AIDA")
    role = make_role(far, "target", trust(ROOT), policies=policy(deny("*")), Path="/ops/")
    identity = client(assume(emulator, home, role), "sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{FAR}:assumed-role/target/tester"
    assert identity["Account"] == FAR


def test_key_info_reads_the_account_from_the_key(emulator: Emulator, home: Any, far: Any) -> None:
    make_user(far, "bob")
    bob = emulator.session(FAR, user="bob").get_credentials()
    assert client(home, "sts").get_access_key_info(AccessKeyId=bob.access_key)["Account"] == FAR
    role = make_role(far, "target", trust(ROOT))
    key = client(home, "sts").assume_role(RoleArn=role, RoleSessionName="tester")["Credentials"]["AccessKeyId"]
    assert client(home, "sts").get_access_key_info(AccessKeyId=key)["Account"] == FAR
    client(far, "iam").delete_access_key(UserName="bob", AccessKeyId=bob.access_key)
    assert client(home, "sts").get_access_key_info(AccessKeyId=bob.access_key)["Account"] == FAR
    assert refused(lambda: client(home, "sts").get_access_key_info(AccessKeyId="AKIA0000000000000000"))[0] == (
        "ValidationError"
    )
    own = base64.b32encode(b"\0" * 10).decode()
    assert client(home, "sts").get_access_key_info(AccessKeyId=f"AKIA{own}")["Account"] == "000000000000"


def test_sessions_end(emulator: Emulator, home: Any, far: Any, clock: Clock) -> None:
    role = make_role(far, "target", trust(ROOT), policies=policy(allow("*")))
    session = assume(emulator, home, role)
    clock.advance(3599)
    assert client(session, "sts").get_caller_identity()
    clock.advance(1)
    for service, call, code in (
        ("sts", "get_caller_identity", "ExpiredToken"),
        ("iam", "list_users", "ExpiredToken"),
        ("cloudtrail", "lookup_events", "ExpiredTokenException"),
        ("ec2", "describe_instances", "RequestExpired"),
        ("s3", "list_buckets", "ExpiredToken"),
    ):
        assert refused(getattr(client(session, service), call))[0] == code
    fresh = assume(emulator, home, role)
    emulator.expire_sessions(FAR)
    assert refused(client(fresh, "sts").get_caller_identity)[0] == "ExpiredToken"
