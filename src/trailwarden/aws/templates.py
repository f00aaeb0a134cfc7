"""A role request, written out for whoever makes the role: policy JSON, AWS CLI, CloudFormation, Terraform.

CloudFormation takes JSON as well as YAML; in it and in Terraform the External ID is a parameter, so that the file
holds no secret and serves many accounts.
"""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from ..model.arn import PARTITIONS
from .trust import MAX_SESSION_SECONDS, RoleRequest, managed_of, managed_policy_arn, policies_of, trust_policy

_DESCRIPTIONS = {
    "read": "Read by Trailwarden: CloudTrail investigations and IAM analysis",
    "respond": "Assumed by Trailwarden to carry out approved response actions",
}


class _Expression(str):
    """Text that goes into HCL as it is: a reference, not a string."""

    __slots__ = ()


def as_documents(request: RoleRequest) -> dict[str, Any]:
    """The documents themselves, for the console: the trust policy, policies to make, AWS managed ones to attach."""
    partition = request.principal.partition
    return {
        "RoleName": request.role_name,
        "MaxSessionDuration": MAX_SESSION_SECONDS,
        "TrustPolicy": trust_policy(request.principal, request.external_id, purpose=request.purpose),
        "ManagedPolicyArns": [managed_policy_arn(choice, partition) for choice in managed_of(request)],
        "Policies": list(policies_of(request)),
    }


def as_cli(request: RoleRequest) -> str:
    """AWS CLI commands, for a POSIX shell with credentials of the account's administrator."""
    partition = request.principal.partition
    name = shlex.quote(request.role_name)
    trust = trust_policy(request.principal, request.external_id, purpose=request.purpose)
    create = (
        f"aws iam create-role --role-name {name} --max-session-duration {MAX_SESSION_SECONDS}",
        f"--description {shlex.quote(_DESCRIPTIONS[request.purpose])}",
        f"--assume-role-policy-document {_inline(trust)}",
    )
    lines = [" ".join(create)]
    for choice in managed_of(request):
        arn = managed_policy_arn(choice, partition)
        lines.append(f"aws iam attach-role-policy --role-name {name} --policy-arn {arn}")
    for number, document in enumerate(policies_of(request), 1):
        policy = shlex.quote(f"{request.role_name}-{number}")
        options = f"--policy-name {policy} --policy-document {_inline(document)}"
        lines.append(f"arn=$(aws iam create-policy --query Policy.Arn --output text {options})")
        lines.append(f'aws iam attach-role-policy --role-name {name} --policy-arn "$arn"')
    return "\n".join(lines) + "\n"


def as_cloudformation(request: RoleRequest) -> str:
    """A CloudFormation template (JSON) for one account or, as a StackSet, for many. It works in every partition."""
    documents = policies_of(request)
    attached: list[Any] = [
        {"Fn::Sub": managed_policy_arn(choice, "${AWS::Partition}")} for choice in managed_of(request)
    ]
    attached += [{"Ref": f"Policy{number}"} for number in range(1, len(documents) + 1)]
    resources: dict[str, Any] = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": {"Ref": "RoleName"},
                "Description": _DESCRIPTIONS[request.purpose],
                "MaxSessionDuration": MAX_SESSION_SECONDS,
                "AssumeRolePolicyDocument": trust_policy(
                    request.principal, {"Ref": "ExternalId"}, purpose=request.purpose
                ),
                "ManagedPolicyArns": attached,
            },
        }
    }
    for number, document in enumerate(documents, 1):
        resources[f"Policy{number}"] = {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "ManagedPolicyName": {"Fn::Sub": f"${{RoleName}}-{number}"},
                "PolicyDocument": document,
            },
        }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _DESCRIPTIONS[request.purpose],
        "Parameters": {
            "RoleName": {
                "Type": "String",
                "Default": request.role_name,
                "AllowedPattern": r"[\w+=,.@-]{1,64}",
                "Description": "Name of the role",
            },
            "ExternalId": {
                "Type": "String",
                "NoEcho": True,
                "MinLength": 2,
                "MaxLength": 1224,
                "AllowedPattern": r"[\w+=,.@:/-]*",
                "Description": "External ID that the installation keeps for this account",
            },
        },
        "Resources": resources,
        "Outputs": {
            "RoleArn": {"Description": "Give this to the installation", "Value": {"Fn::GetAtt": ["Role", "Arn"]}}
        },
    }
    return json.dumps(template, indent=2) + "\n"


def cloudformation_commands(request: RoleRequest, *, file: str, organizational_unit: str | None = None) -> str:
    """The commands that deploy ``file``: as a stack in one account, or as a StackSet to an organizational unit.

    Run the second in the management account, or in a delegated administrator's. IAM is global: one Region suffices.
    """
    stack = f"trailwarden-{request.purpose}"
    if organizational_unit is None:
        deploy = (
            f"aws cloudformation deploy --stack-name {stack} --template-file {shlex.quote(file)}",
            f"--capabilities CAPABILITY_NAMED_IAM --parameter-overrides ExternalId={shlex.quote(request.external_id)}",
        )
        return " ".join(deploy) + "\n"
    escaped = request.external_id.replace(",", "\\,")  # the CLI's shorthand separates by commas
    create = (
        f"aws cloudformation create-stack-set --stack-set-name {stack}",
        f"--template-body {shlex.quote('file://' + file)} --capabilities CAPABILITY_NAMED_IAM",
        "--permission-model SERVICE_MANAGED --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false",
        f"--parameters {shlex.quote('ParameterKey=ExternalId,ParameterValue=' + escaped)}",
    )
    deploy_to = (
        f"aws cloudformation create-stack-instances --stack-set-name {stack}",
        f"--regions {PARTITIONS[request.principal.partition]}",
        f"--deployment-targets {shlex.quote('OrganizationalUnitIds=' + organizational_unit)}",
    )
    return " ".join(create) + "\n" + " ".join(deploy_to) + "\n"


_TERRAFORM_VARIABLE = """\
variable "external_id" {
  description = "External ID that the installation keeps for this account"
  type        = string
  sensitive   = true
}"""
_TERRAFORM_ROLE = """\
resource "aws_iam_role" "trailwarden" {{
  name                 = {name}
  description          = {description}
  max_session_duration = {seconds}
  assume_role_policy   = jsonencode({trust})
}}"""
_TERRAFORM_POLICY = """\
resource "aws_iam_policy" "trailwarden_{number}" {{
  name   = {name}
  policy = jsonencode({document})
}}"""
_TERRAFORM_ATTACHMENT = """\
resource "aws_iam_role_policy_attachment" "{label}" {{
  role       = aws_iam_role.trailwarden.name
  policy_arn = {arn}
}}"""
_TERRAFORM_OUTPUT = """\
output "role_arn" {
  value = aws_iam_role.trailwarden.arn
}"""


def as_terraform(request: RoleRequest) -> str:
    """Terraform configuration (HCL) with the External ID as a sensitive variable. It works in every partition."""
    trust = trust_policy(request.principal, _Expression("var.external_id"), purpose=request.purpose)
    blocks = [_TERRAFORM_VARIABLE]
    if managed_of(request):
        blocks.append('data "aws_partition" "current" {}')
    blocks.append(
        _TERRAFORM_ROLE.format(
            name=_hcl_string(request.role_name),
            description=_hcl_string(_DESCRIPTIONS[request.purpose]),
            seconds=MAX_SESSION_SECONDS,
            trust=_hcl(trust, 1),
        )
    )
    for choice in managed_of(request):
        arn = '"' + managed_policy_arn(choice, "${data.aws_partition.current.partition}") + '"'
        blocks.append(_TERRAFORM_ATTACHMENT.format(label=choice, arn=arn))
    for number, document in enumerate(policies_of(request), 1):
        name = _hcl_string(f"{request.role_name}-{number}")
        label, arn = f"trailwarden_{number}", f"aws_iam_policy.trailwarden_{number}.arn"
        blocks.append(_TERRAFORM_POLICY.format(number=number, name=name, document=_hcl(document, 1)))
        blocks.append(_TERRAFORM_ATTACHMENT.format(label=label, arn=arn))
    return "\n\n".join([*blocks, _TERRAFORM_OUTPUT]) + "\n"


def _inline(document: Mapping[str, Any]) -> str:
    return shlex.quote(json.dumps(document, separators=(",", ":")))


def _hcl(value: Any, depth: int) -> str:
    """A JSON value as an HCL expression."""
    outer, inner = "  " * depth, "  " * (depth + 1)
    if isinstance(value, _Expression):
        return str(value)
    if isinstance(value, str):
        return _hcl_string(value)
    if isinstance(value, Mapping):
        lines = [f"{inner}{_hcl_string(str(key))} = {_hcl(item, depth + 1)}\n" for key, item in value.items()]
        return "{\n" + "".join(lines) + outer + "}"
    if isinstance(value, list):
        lines = [f"{inner}{_hcl(item, depth + 1)},\n" for item in value]
        return "[\n" + "".join(lines) + outer + "]"
    return json.dumps(value)


def _hcl_string(text: str) -> str:
    """Quoted, with nothing left in it that HCL would evaluate: ``${`` and ``%{`` begin templates."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
