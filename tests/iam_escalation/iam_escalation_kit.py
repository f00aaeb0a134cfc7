"""Small accounts for tests, in the shape of GetAccountAuthorizationDetails."""

from collections.abc import Mapping, Sequence
from typing import Any

from trailwarden.iam.escalation import escalations
from trailwarden.model.iam_report import EscalationPath
from trailwarden.model.policy import AccountAuthorization, parse_authorization_details

ACCOUNT = "111111111111"
OTHER = "222222222222"
VERSION = "2012-10-17"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
CREATED = "2026-01-12T08:00:00+00:00"

Document = dict[str, Any]
Detail = dict[str, Any]


def allow(actions: str | Sequence[str], resources: str | Sequence[str] = "*", **condition: Any) -> Document:
    return _statement("Allow", actions, resources, condition)


def deny(actions: str | Sequence[str], resources: str | Sequence[str] = "*", **condition: Any) -> Document:
    return _statement("Deny", actions, resources, condition)


def _statement(effect: str, actions: Any, resources: Any, condition: Mapping[str, Any]) -> Document:
    statement = {"Effect": effect, "Action": actions, "Resource": resources}
    return {**statement, "Condition": dict(condition)} if condition else statement


def document(*statements: Document) -> Document:
    return {"Version": VERSION, "Statement": list(statements)}


def trust(principal: Any, **condition: Any) -> Document:
    statement: Document = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return document({**statement, "Condition": dict(condition)} if condition else statement)


def service(name: str, **condition: Any) -> Document:
    return trust({"Service": name}, **condition)


def role_arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def user_arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:user/{name}"


def policy_arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:policy/{name}"


def group_arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:group/{name}"


NOBODY = service("none.amazonaws.com")


def role(
    name: str,
    *statements: Document,
    trusts: Document = NOBODY,
    attached: Sequence[str] = (),
    boundary: str | None = None,
    profile: bool = False,
    tags: Mapping[str, str] | None = None,
    account: str = ACCOUNT,
) -> Detail:
    """``name`` with its path, without a leading slash."""
    path, _, plain = name.rpartition("/")
    detail = {
        **_principal("Role", name, account, attached=attached, boundary=boundary, tags=tags),
        "RoleName": plain,
        "Path": f"/{path}/" if path else "/",
        "AssumeRolePolicyDocument": trusts,
        "RolePolicyList": _inline(statements),
        "InstanceProfileList": [],
        "RoleLastUsed": {},
    }
    if profile:
        detail["InstanceProfileList"] = [{"Arn": f"arn:aws:iam::{account}:instance-profile/{plain}"}]
    return detail


def user(
    name: str,
    *statements: Document,
    attached: Sequence[str] = (),
    groups: Sequence[str] = (),
    boundary: str | None = None,
    tags: Mapping[str, str] | None = None,
    account: str = ACCOUNT,
) -> Detail:
    return {
        **_principal("User", name, account, attached=attached, boundary=boundary, tags=tags),
        "UserName": name,
        "Path": "/",
        "UserPolicyList": _inline(statements),
        "GroupList": list(groups),
    }


def group(name: str, *statements: Document, attached: Sequence[str] = (), account: str = ACCOUNT) -> Detail:
    return {
        "GroupName": name,
        "GroupId": f"AGPA{name.upper()}",
        "Path": "/",
        "Arn": group_arn(name, account),
        "CreateDate": CREATED,
        "GroupPolicyList": _inline(statements),
        "AttachedManagedPolicies": _attached(attached),
    }


def managed(arn: str, *statements: Document) -> Detail:
    version = {"Document": document(*statements), "VersionId": "v1", "IsDefaultVersion": True, "CreateDate": CREATED}
    return {
        "PolicyName": arn.rpartition("/")[2],
        "PolicyId": f"ANPA{arn.rpartition('/')[2].upper()}",
        "Arn": arn,
        "Path": "/",
        "DefaultVersionId": "v1",
        "CreateDate": CREATED,
        "UpdateDate": CREATED,
        "PolicyVersionList": [version],
    }


def _principal(
    kind: str,
    name: str,
    account: str,
    *,
    attached: Sequence[str],
    boundary: str | None,
    tags: Mapping[str, str] | None,
) -> Detail:
    detail: Detail = {
        "Arn": f"arn:aws:iam::{account}:{kind.lower()}/{name}",
        f"{kind}Id": f"{'AROA' if kind == 'Role' else 'AIDA'}{name.upper()}",
        "CreateDate": CREATED,
        "AttachedManagedPolicies": _attached(attached),
        "Tags": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
    }
    if boundary:
        detail["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": boundary,
        }
    return detail


def _attached(arns: Sequence[str]) -> list[Detail]:
    return [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]


def _inline(statements: Sequence[Document]) -> list[Detail]:
    return [{"PolicyName": "work", "PolicyDocument": document(*statements)}] if statements else []


def account(*details: Detail) -> AccountAuthorization:
    """An account of any mixture of roles, users, groups and managed policies; AdministratorAccess is there as well."""

    def of(key: str) -> list[Detail]:
        return [each for each in details if key in each]

    return parse_authorization_details(
        [
            {
                "UserDetailList": of("UserName"),
                "GroupDetailList": of("GroupId"),
                "RoleDetailList": of("RoleName"),
                "Policies": [managed(ADMINISTRATOR, EVERYTHING), *of("PolicyVersionList")],
                "IsTruncated": False,
            }
        ]
    )


def climb(*details: Detail, **options: Any) -> Mapping[str, tuple[EscalationPath, ...]]:
    return escalations(account(*details), **options)


def first_rules(paths: Sequence[EscalationPath]) -> set[str]:
    return {path.steps[0].rule for path in paths}


def steps(path: EscalationPath) -> list[tuple[str, str, str]]:
    """Principal, rule and target of each step, by their names alone."""
    return [(each.principal.rpartition("/")[2], each.rule, each.to.rpartition("/")[2]) for each in path.steps]
