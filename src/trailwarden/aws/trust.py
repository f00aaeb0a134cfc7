"""The role that a connected account gives to this installation: who may assume it, and what it may do.

Pure: documents in, documents out. Every trust policy made here names exactly one principal, which is this
installation's own, and demands the connection's External ID.

https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from ..errors import UsageError
from ..model.arn import Arn
from .connection import Purpose

_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9*]+")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_SSO_ROLE = re.compile(r"AWSReservedSSO_(?P<permission_set>.+)_[0-9a-f]{16}")
#: Characters of a managed policy, spaces not counted, and managed policies on a role.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
POLICY_LIMIT, ATTACHED_LIMIT = 6144, 10
MAX_SESSION_SECONDS = 3600

PolicyChoice = Literal["ReadOnlyAccess", "SecurityAudit", "ViewOnlyAccess", "least-privilege"]


class ManagedPolicy(msgspec.Struct, frozen=True):
    """An AWS managed policy that a person may choose; ``sufficient`` if every query tool works with it."""

    path: str
    summary: str
    sufficient: bool


MANAGED: Mapping[str, ManagedPolicy] = {
    "ReadOnlyAccess": ManagedPolicy(
        "ReadOnlyAccess", "reads everything, the contents of S3 objects and tables among it; recommended", True
    ),
    "SecurityAudit": ManagedPolicy(
        "SecurityAudit", "reads settings for an audit, IAM and CloudTrail among them, and no contents", True
    ),
    "ViewOnlyAccess": ManagedPolicy(
        "job-function/ViewOnlyAccess",
        "not sufficient: it lists resources but cannot read IAM roles and their policies",
        False,
    ),
}


class TrustedPrincipal(msgspec.Struct, frozen=True):
    """Whom the trust policy names: ``arn``, and where that is a whole account, the pattern that narrows it down.

    ``note`` is what a person should know about it; may be empty.
    """

    arn: str
    only: str | None = None
    note: str = ""

    @property
    def partition(self) -> str:
        """The partition that the principal lives in."""
        return Arn.parse(self.arn).partition


class RoleRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The role to make in an account.

    ``choice`` names the permissions of a ``read`` role; ``needs`` are the IAM actions of ``least-privilege``. A
    ``respond`` role has ``document``, the least policy of the actions that it is to carry out.
    """

    principal: TrustedPrincipal
    external_id: str
    role_name: str = "Trailwarden"
    purpose: Purpose = "read"
    choice: PolicyChoice = "ReadOnlyAccess"
    needs: tuple[str, ...] = ()
    document: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_external_id(self.external_id)
        if not _ROLE_NAME.fullmatch(self.role_name):
            raise UsageError(
                f"not a role name: {self.role_name!r}", remedy="1 to 64 letters, digits and any of + = , . @ - _"
            )
        if self.choice == "least-privilege" and not self.needs:
            raise UsageError("least privilege of nothing", remedy="say which IAM actions the role needs")


def generate_external_id() -> str:
    """A new External ID: 256 random bits, 43 characters."""
    import secrets  # noqa: PLC0415

    return secrets.token_urlsafe(32)


def check_external_id(text: str) -> None:
    """Raise UsageError unless AWS takes it: 2 to 1,224 letters, digits and any of ``_ + = , . @ : / -``."""
    if not _EXTERNAL_ID.fullmatch(text):
        raise UsageError(
            "AWS does not take this External ID",
            remedy="2 to 1,224 letters, digits and any of + = , . @ : / - _, without spaces; one can be generated",
        )


def trusted_principal(caller_arn: str, *, role_arn: str | None = None) -> TrustedPrincipal:
    """Whom to name so that the caller (the ARN of sts:GetCallerIdentity) may assume the role.

    A role session's ARN lacks the role's path: ``role_arn`` gives the full one where it is known (iam:GetRole).
    Roles of Identity Center are made anew with another name when a permission set is assigned again: the account
    is named then, narrowed to the roles of that permission set, which only Identity Center can make.

    Raises:
        UsageError: the root user or a federated user, who cannot assume roles.
    """
    arn = Arn.parse(caller_arn)
    if arn.service == "iam" and arn.kind == "user":
        return TrustedPrincipal(
            str(arn), note="an IAM user has long-lived keys; a role of an instance or of Identity Center is safer"
        )
    if arn.service == "iam" and arn.kind == "role":
        return _trusted_role(arn, path_known=True)
    if arn.service == "sts" and arn.kind == "assumed-role":
        if role_arn is not None:
            return _trusted_role(Arn.parse(role_arn), path_known=True)
        role = Arn(arn.partition, "iam", "", arn.account, f"role/{arn.resource.split('/')[1]}")
        return _trusted_role(role, path_known=False)
    raise UsageError(
        f"{caller_arn} cannot assume roles",
        remedy="run trailwarden as a role (an instance's, Identity Center's) or as an IAM user",
    )


def _trusted_role(role: Arn, *, path_known: bool) -> TrustedPrincipal:
    if sso := _SSO_ROLE.fullmatch(role.name):
        pattern = f"role/aws-reserved/sso.amazonaws.com*/AWSReservedSSO_{sso['permission_set']}_*"
        return TrustedPrincipal(
            str(Arn(role.partition, "iam", "", role.account, "root")),
            only=str(Arn(role.partition, "iam", "", role.account, pattern)),
            note=f"everyone in account {role.account} with the permission set {sso['permission_set']}",
        )
    note = "" if path_known else f"if the role {role.name} has a path, write it into the ARN: role/path/{role.name}"
    return TrustedPrincipal(str(role), note=note)


def trust_policy(principal: TrustedPrincipal, external_id: Any, *, purpose: Purpose = "read") -> dict[str, Any]:
    """The role's trust policy. ``external_id`` is the text, or what stands for it in a template.

    A ``respond`` role also lets a session carry a SourceIdentity: the person who approved.
    """
    narrowed = {"ArnLike": {"aws:PrincipalArn": principal.only}} if principal.only is not None else {}
    statements: list[dict[str, Any]] = [
        {
            "Sid": "AssumeWithExternalId",
            "Effect": "Allow",
            "Principal": {"AWS": principal.arn},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": external_id}, **narrowed},
        }
    ]
    if purpose == "respond":
        statements.append(
            {
                "Sid": "NameTheApprover",
                "Effect": "Allow",
                "Principal": {"AWS": principal.arn},
                "Action": "sts:SetSourceIdentity",
                "Condition": {"StringLike": {"sts:SourceIdentity": "*"}, **narrowed},
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


def managed_policy_arn(choice: str, partition: str) -> str:
    """The ARN of an AWS managed policy in a partition (``AWS::Partition`` stands for it in CloudFormation)."""
    return f"arn:{partition}:iam::aws:policy/{MANAGED[choice].path}"


def least_privilege(needs: Iterable[str]) -> tuple[dict[str, Any], ...]:
    """Policies that allow exactly ``needs`` (IAM actions), a statement for each service, in as few as they fit.

    Raises:
        UsageError: something that is not an IAM action, or more than a role can carry.
    """
    actions = sorted(set(needs))
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise UsageError(f"not an IAM action: {action!r}", remedy="it looks like iam:GetRole")
    packed: list[list[str]] = [[]]
    for action in actions:
        if len(_compact(_allow([*packed[-1], action]))) > POLICY_LIMIT:
            packed.append([])
        packed[-1].append(action)
    if len(packed) > ATTACHED_LIMIT:
        raise UsageError(
            f"{len(actions)} actions need {len(packed)} policies, and a role carries {ATTACHED_LIMIT}",
            remedy="choose ReadOnlyAccess instead",
        )
    return tuple(_allow(part) for part in packed if part)


def policies_of(request: RoleRequest) -> tuple[dict[str, Any], ...]:
    """The customer managed policies of the role: none for a role that only carries an AWS managed one."""
    if request.document is not None:
        return split_policy(request.document)
    return least_privilege(request.needs) if request.choice == "least-privilege" else ()


def split_policy(document: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The statements of a policy in as few managed policies as they fit into.

    Raises:
        UsageError: more than a role can carry.
    """
    packed: list[list[Any]] = [[]]
    for statement in document["Statement"]:
        if packed[-1] and len(_compact({**document, "Statement": [*packed[-1], statement]})) > POLICY_LIMIT:
            packed.append([])
        packed[-1].append(statement)
    if len(packed) > ATTACHED_LIMIT:
        raise UsageError(
            f"it needs {len(packed)} policies; a role carries {ATTACHED_LIMIT}", remedy="choose fewer actions"
        )
    return tuple({**document, "Statement": part} for part in packed)


def managed_of(request: RoleRequest) -> tuple[str, ...]:
    """The AWS managed policies of the role, by the names in MANAGED."""
    return (request.choice,) if request.choice != "least-privilege" and request.document is None else ()


def _allow(actions: list[str]) -> dict[str, Any]:
    services: dict[str, list[str]] = {}
    for action in actions:
        services.setdefault(action.split(":", 1)[0], []).append(action)
    statements: list[dict[str, Any]] = [
        {"Sid": _sid(service), "Effect": "Allow", "Action": names, "Resource": "*"}
        for service, names in services.items()
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _sid(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in text.split("-"))


def _compact(document: Mapping[str, Any]) -> str:
    """As AWS counts it: without white space between the tokens."""
    return msgspec.json.encode(document).decode()
