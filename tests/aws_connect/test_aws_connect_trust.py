"""The role that an account gives: whom it trusts, what it allows, and how that is written down."""

import json
import re
import shlex
import string
from typing import Any

import pytest
from aws_connect_kit import EXTERNAL_ID, World
from cfnlint import api as cfnlint  # type: ignore[import-untyped]
from cfnlint.config import ManualArgs  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from trailwarden.actions.disable_user import DisableUser
from trailwarden.aws.diagnosis import Diagnosis
from trailwarden.aws.doctor import diagnose
from trailwarden.aws.session_policy import least_policy
from trailwarden.aws.templates import as_cli, as_cloudformation, as_documents, as_terraform, cloudformation_commands
from trailwarden.aws.trust import (
    MANAGED,
    POLICY_LIMIT,
    PolicyChoice,
    RoleRequest,
    TrustedPrincipal,
    check_external_id,
    generate_external_id,
    least_privilege,
    managed_policy_arn,
    trust_policy,
    trusted_principal,
)
from trailwarden.errors import UsageError

RUNNER = TrustedPrincipal("arn:aws:iam::111111111111:role/runner")
NEEDS = ("iam:ListRoles", "iam:GetRole", "cloudtrail:LookupEvents", "access-analyzer:ListAnalyzers")
REQUEST = RoleRequest(principal=RUNNER, external_id=EXTERNAL_ID)
LEAST = RoleRequest(principal=RUNNER, external_id=EXTERNAL_ID, choice="least-privilege", needs=NEEDS)
RESPOND = RoleRequest(
    principal=RUNNER,
    external_id=EXTERNAL_ID,
    purpose="respond",
    document=least_policy([DisableUser], partition="aws", account="111111111111"),
    role_name="Respond",
)
REQUESTS = pytest.mark.parametrize("request_", [REQUEST, LEAST, RESPOND], ids=["read-only", "least", "respond"])


# ---------------------------------------------------------------- External IDs


def test_generated_external_ids_are_long_random_and_accepted() -> None:
    made = {generate_external_id() for _ in range(100)}
    assert len(made) == 100
    for each in made:
        check_external_id(each)
        assert len(each) == 43
        assert not set(each) - set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize("text", ["ab", "a" * 1224, "o-abc/1:2@x.y=z,+_-"])
def test_external_ids_that_aws_takes(text: str) -> None:
    check_external_id(text)


@pytest.mark.parametrize("text", ["", "a", "a" * 1225, "a b", "a\n", "ab\n", "über", "a'b", 'a"b', "${x}"])
def test_external_ids_that_aws_does_not_take(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_external_id(text)
    assert len(text) < 2 or text not in caught.value.message


# ---------------------------------------------------------------- whom the role trusts


@pytest.mark.parametrize(
    ("caller", "arn", "only"),
    [
        ("arn:aws:iam::111111111111:user/team/jo", "arn:aws:iam::111111111111:user/team/jo", None),
        ("arn:aws:sts::111111111111:assumed-role/runner/i-0abc", "arn:aws:iam::111111111111:role/runner", None),
        ("arn:aws:iam::111111111111:role/path/runner", "arn:aws:iam::111111111111:role/path/runner", None),
        ("arn:aws-cn:sts::111111111111:assumed-role/runner/x", "arn:aws-cn:iam::111111111111:role/runner", None),
        (
            "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Security_Audit_0123456789abcdef/jo@example.com",
            "arn:aws:iam::111111111111:root",
            "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com*/AWSReservedSSO_Security_Audit_*",
        ),
    ],
)
def test_the_principal_behind_the_callers_arn(caller: str, arn: str, only: str | None) -> None:
    principal = trusted_principal(caller)
    assert (principal.arn, principal.only) == (arn, only)


def test_the_full_arn_of_the_role_is_taken_where_it_is_known() -> None:
    caller = "arn:aws:sts::111111111111:assumed-role/runner/x"
    assert "has a path" in trusted_principal(caller).note
    known = trusted_principal(caller, role_arn="arn:aws:iam::111111111111:role/team/runner")
    assert (known.arn, known.note) == ("arn:aws:iam::111111111111:role/team/runner", "")


@pytest.mark.parametrize("caller", ["arn:aws:iam::111111111111:root", "arn:aws:sts::111111111111:federated-user/jo"])
def test_who_cannot_assume_roles(caller: str) -> None:
    with pytest.raises(UsageError, match="cannot assume roles"):
        trusted_principal(caller)


NAME = st.from_regex(r"\A[A-Za-z0-9+=,.@_-]{1,40}\Z")
ACCOUNT = st.from_regex(r"\A[0-9]{12}\Z")
PARTITION = st.sampled_from(["aws", "aws-cn", "aws-us-gov"])
CALLERS = st.one_of(
    st.builds("arn:{}:iam::{}:user/{}".format, PARTITION, ACCOUNT, NAME),
    st.builds("arn:{}:sts::{}:assumed-role/{}/{}".format, PARTITION, ACCOUNT, NAME, NAME),
    st.builds("arn:{}:sts::{}:assumed-role/AWSReservedSSO_{}_0123456789abcdef/x".format, PARTITION, ACCOUNT, NAME),
)
EXTERNAL_IDS = st.from_regex(r"\A[A-Za-z0-9_+=,.@:/-]{2,60}\Z")


@given(CALLERS, EXTERNAL_IDS, st.sampled_from(["read", "respond"]))
def test_one_principal_which_is_ours_and_never_without_the_external_id(
    caller: str, external_id: str, purpose: Any
) -> None:
    account = caller.split(":")[4]
    document = trust_policy(trusted_principal(caller), external_id, purpose=purpose)
    statements = document["Statement"]
    principals = {statement["Principal"]["AWS"] for statement in statements}
    assert all(set(statement["Principal"]) == {"AWS"} for statement in statements)
    assert len(principals) == 1
    (principal,) = principals
    assert principal.split(":")[4] == account
    assert set(re.findall(r"(?<!\d)\d{12}(?!\d)", principal)) <= {account}
    if principal.endswith(":root"):
        only = statements[0]["Condition"]["ArnLike"]["aws:PrincipalArn"]
        assert only.startswith(f"{principal.removesuffix('root')}role/aws-reserved/sso.amazonaws.com*/AWSReservedSSO_")
    assuming = [statement for statement in statements if statement["Action"] == "sts:AssumeRole"]
    assert len(assuming) == 1
    assert assuming[0]["Condition"]["StringEquals"] == {"sts:ExternalId": external_id}
    assert all(statement["Action"] in {"sts:AssumeRole", "sts:SetSourceIdentity"} for statement in statements)


def test_the_trust_policy_word_for_word() -> None:
    assert trust_policy(RUNNER, "an-id") == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AssumeWithExternalId",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::111111111111:role/runner"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": "an-id"}},
            }
        ],
    }


@pytest.mark.parametrize("name", ["", "a" * 65, "with space", "a/b", "${x}", 'a"'])
def test_names_that_no_role_has(name: str) -> None:
    with pytest.raises(UsageError, match="not a role name"):
        RoleRequest(principal=RUNNER, external_id=EXTERNAL_ID, role_name=name)


# ---------------------------------------------------------------- what it allows


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_managed_policies_of_each_partition(partition: str) -> None:
    assert managed_policy_arn("ReadOnlyAccess", partition) == f"arn:{partition}:iam::aws:policy/ReadOnlyAccess"
    assert managed_policy_arn("ViewOnlyAccess", partition).endswith(":policy/job-function/ViewOnlyAccess")
    assert managed_policy_arn("SecurityAudit", partition).endswith(":policy/SecurityAudit")


def test_view_only_access_is_said_to_be_insufficient() -> None:
    assert [name for name, policy in MANAGED.items() if not policy.sufficient] == ["ViewOnlyAccess"]
    assert "cannot read IAM" in MANAGED["ViewOnlyAccess"].summary


def test_least_privilege_by_service_in_order() -> None:
    assert least_privilege([*NEEDS, "iam:GetRole"]) == (
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AccessAnalyzer",
                    "Effect": "Allow",
                    "Action": ["access-analyzer:ListAnalyzers"],
                    "Resource": "*",
                },
                {"Sid": "Cloudtrail", "Effect": "Allow", "Action": ["cloudtrail:LookupEvents"], "Resource": "*"},
                {"Sid": "Iam", "Effect": "Allow", "Action": ["iam:GetRole", "iam:ListRoles"], "Resource": "*"},
            ],
        },
    )


def test_attaching_a_policy_is_allowed_only_for_the_one_that_denies_everything() -> None:
    document = least_policy([DisableUser], partition="aws", account="111111111111")
    (attach,) = (each for each in document["Statement"] if "iam:AttachUserPolicy" in each["Action"])
    assert attach["Condition"] == {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/AWSDenyAll"}}
    assert attach["Resource"] == "arn:aws:iam::111111111111:user/*"


def test_that_condition_holds_for_real(world: World) -> None:
    account = world.account()
    world.role(account, attach=())
    iam = world.admin(account).client("iam")
    document = least_policy([DisableUser], partition="aws", account=account)
    iam.put_role_policy(RoleName="Trailwarden", PolicyName="respond", PolicyDocument=json.dumps(document))
    iam.create_user(UserName="victim")
    session = world.broker.session(world.connect(f"arn:aws:iam::{account}:role/Trailwarden"))
    client = session.client("iam")
    client.attach_user_policy(UserName="victim", PolicyArn="arn:aws:iam::aws:policy/AWSDenyAll")
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.attach_user_policy(UserName="victim", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")


ACTIONS = st.builds(
    "{}:{}".format,
    st.from_regex(r"\A[a-z][a-z0-9-]{1,12}\Z"),
    st.from_regex(r"\A[A-Z][A-Za-z0-9]{1,40}\Z"),
)


@settings(max_examples=30, deadline=None)
@given(st.sets(ACTIONS, min_size=1, max_size=400))
def test_least_privilege_allows_exactly_what_is_needed_within_awss_limit(actions: set[str]) -> None:
    documents = least_privilege(actions)
    allowed = [name for document in documents for statement in document["Statement"] for name in statement["Action"]]
    assert sorted(allowed) == sorted(actions)
    for document in documents:
        text = json.dumps(document)
        assert len(re.sub(r"\s", "", text)) <= POLICY_LIMIT
        sids = [statement["Sid"] for statement in document["Statement"]]
        assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)


def test_what_fits_one_policy_is_not_split() -> None:
    few = [f"iam:GetSomething{number:04}" for number in range(200)]
    assert len(least_privilege(few)) == 1
    assert len(least_privilege([*few, *(f"iam:ListSomething{number:04}" for number in range(300))])) == 2


def test_more_than_a_role_carries() -> None:
    with pytest.raises(UsageError, match="a role carries 10"):
        least_privilege(f"iam:Get{'x' * 60}{number}" for number in range(1200))


@pytest.mark.parametrize("action", ["*", "iam", "iam:", "iam:Get Role", 'iam:"', "iam:${x}", "IAM:GetRole"])
def test_what_is_no_action(action: str) -> None:
    with pytest.raises(UsageError, match="not an IAM action"):
        least_privilege([action])


def test_least_privilege_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="of nothing"):
        RoleRequest(principal=RUNNER, external_id=EXTERNAL_ID, choice="least-privilege")


# ---------------------------------------------------------------- written down


@REQUESTS
def test_cloudformation_passes_its_linter(request_: RoleRequest) -> None:
    found = cfnlint.lint(as_cloudformation(request_), config=ManualArgs(regions=["us-east-1"]))
    assert [str(match) for match in found] == []


@REQUESTS
def test_what_is_committed_holds_no_external_id(request_: RoleRequest) -> None:
    assert EXTERNAL_ID not in as_cloudformation(request_)
    assert EXTERNAL_ID not in as_terraform(request_)


def test_cloudformation_demands_the_external_id_and_works_in_each_partition() -> None:
    template = json.loads(as_cloudformation(LEAST))
    role = template["Resources"]["Role"]["Properties"]
    condition = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    assert condition == {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}}
    assert template["Parameters"]["ExternalId"]["NoEcho"] is True
    assert "Default" not in template["Parameters"]["ExternalId"]
    assert role["ManagedPolicyArns"] == [{"Ref": "Policy1"}]
    managed = json.loads(as_cloudformation(REQUEST))["Resources"]["Role"]["Properties"]["ManagedPolicyArns"]
    assert managed == [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/ReadOnlyAccess"}]


def test_one_account_or_many() -> None:
    request = RoleRequest(principal=RUNNER, external_id="a,b=c")
    one = shlex.split(cloudformation_commands(request, file="my role.json"))
    assert one[:3] == ["aws", "cloudformation", "deploy"]
    assert "ExternalId=a,b=c" in one
    assert "my role.json" in one
    many = cloudformation_commands(request, file="role.json", organizational_unit="ou-ab12-cd34").splitlines()
    create, instances = (shlex.split(line) for line in many)
    assert "ParameterKey=ExternalId,ParameterValue=a\\,b=c" in create
    assert "SERVICE_MANAGED" in create
    assert "OrganizationalUnitIds=ou-ab12-cd34" in instances


def test_terraform_word_for_word() -> None:
    assert (
        as_terraform(REQUEST)
        == """\
variable "external_id" {
  description = "External ID that the installation keeps for this account"
  type        = string
  sensitive   = true
}

data "aws_partition" "current" {}

resource "aws_iam_role" "trailwarden" {
  name                 = "Trailwarden"
  description          = "Read by Trailwarden: CloudTrail investigations and IAM analysis"
  max_session_duration = 3600
  assume_role_policy   = jsonencode({
    "Version" = "2012-10-17"
    "Statement" = [
      {
        "Sid" = "AssumeWithExternalId"
        "Effect" = "Allow"
        "Principal" = {
          "AWS" = "arn:aws:iam::111111111111:role/runner"
        }
        "Action" = "sts:AssumeRole"
        "Condition" = {
          "StringEquals" = {
            "sts:ExternalId" = var.external_id
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "ReadOnlyAccess" {
  role       = aws_iam_role.trailwarden.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/ReadOnlyAccess"
}

output "role_arn" {
  value = aws_iam_role.trailwarden.arn
}
"""
    )


def test_terraform_evaluates_nothing_that_a_name_holds() -> None:
    tricky = TrustedPrincipal('arn:aws:iam::111111111111:role/${file("/etc/passwd")}%{ if true }"\\')
    text = as_terraform(RoleRequest(principal=tricky, external_id=EXTERNAL_ID))
    line = next(line for line in text.splitlines() if '"AWS"' in line)
    escaped = r'"arn:aws:iam::111111111111:role/$${file(\"/etc/passwd\")}%%{ if true }\"\\"'
    assert line.strip() == f'"AWS" = {escaped}'


@REQUESTS
def test_every_resource_of_terraform_has_a_name_of_its_own(request_: RoleRequest) -> None:
    names = re.findall(r'^resource "(\S+)" "(\S+)"', as_terraform(request_), re.MULTILINE)
    assert len(names) == len(set(names))


def run_cli(world: World, account: str, commands: str) -> None:
    """What a person would do with the printed commands, done with boto3."""
    iam, arn = world.admin(account).client("iam"), ""
    for line in commands.splitlines():
        words = shlex.split(line.removeprefix("arn=$(").removesuffix(")") if line.startswith("arn=") else line)
        given = dict(zip(words[3::2], words[4::2], strict=True))
        options: dict[str, Any] = {
            "".join(part.capitalize() for part in name.strip("-").split("-")): value for name, value in given.items()
        }
        if words[2] == "create-role":
            options["MaxSessionDuration"] = int(options["MaxSessionDuration"])
            iam.create_role(**options)
        elif words[2] == "create-policy":
            policy = iam.create_policy(PolicyName=options["PolicyName"], PolicyDocument=options["PolicyDocument"])
            arn = policy["Policy"]["Arn"]
        else:
            iam.attach_role_policy(RoleName=options["RoleName"], PolicyArn=options["PolicyArn"].replace("$arn", arn))


@pytest.mark.parametrize("choice", ["ReadOnlyAccess", "least-privilege"])
def test_a_role_made_by_the_printed_commands_passes_the_doctor(world: World, choice: PolicyChoice) -> None:
    account = world.account()
    own = trusted_principal(world.broker.caller_identity().arn)
    needs = ("iam:GetRole", "iam:ListRoles", "cloudtrail:LookupEvents", "ec2:DescribeRegions")
    request = RoleRequest(principal=own, external_id=EXTERNAL_ID, choice=choice, needs=needs)
    run_cli(world, account, as_cli(request))
    connection = world.connect(f"arn:aws:iam::{account}:role/Trailwarden")
    found: Diagnosis = diagnose(world.broker, connection, {"Tools": needs}, now=world.now)
    bad = {check.id: check.detail for check in found.checks if check.status == "failed" or check.id == "external_id"}
    assert bad == {"external_id": "with it the role can be assumed, without it AWS refuses"}
    documents = as_documents(request)
    iam = world.admin(account).client("iam")
    assert iam.get_role(RoleName="Trailwarden")["Role"]["AssumeRolePolicyDocument"] == documents["TrustPolicy"]


def test_documents_for_the_console() -> None:
    documents = as_documents(RESPOND)
    assert documents["ManagedPolicyArns"] == [], "a role that responds reads nothing beside"
    assert documents["Policies"] == [RESPOND.document]
    assert [statement["Action"] for statement in documents["TrustPolicy"]["Statement"]] == [
        *("sts:AssumeRole", "sts:SetSourceIdentity"),
    ]


def test_no_account_of_anybody_else_is_written_anywhere() -> None:
    for request in (REQUEST, LEAST, RESPOND):
        for text in (as_cli(request), as_cloudformation(request), as_terraform(request)):
            assert set(re.findall(r"(?<!\d)\d{12}(?!\d)", text)) == {"111111111111"}
