"""What the tests of the scan share: accounts in short, as GetAccountAuthorizationDetails shows them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from trailwarden.iam.findings import Usage
from trailwarden.iam.scan import RoleAnalysis, ScanResult, analyze, scan
from trailwarden.model.authorization import AuthorizationSnapshot
from trailwarden.model.iam_report import EscalationPath, IamFinding, PrincipalReport
from trailwarden.model.policy import parse_authorization_details

Document = dict[str, Any]

ACCOUNT, PARTNER, SISTER = "111111111111", "444444444444", "222222222222"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/subject"
USER = f"arn:aws:iam::{ACCOUNT}:user/subject"
GITHUB = "token.actions.githubusercontent.com"
OWN_ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


MADE, YESTERDAY = ago(300), ago(1)


def document(*statements: Mapping[str, Any]) -> Document:
    return {"Version": "2012-10-17", "Statement": [dict(each) for each in statements]}


def allow(action: str | Sequence[str], resource: str | Sequence[str] = "*", **more: Any) -> Document:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | Sequence[str], resource: str | Sequence[str] = "*", **more: Any) -> Document:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trust(principal: Any, action: str = "sts:AssumeRole", **condition: Any) -> Document:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return {**statement, "Condition": condition} if condition else statement


def inline(policies: Iterable[Document]) -> list[Document]:
    return [{"PolicyName": f"inline-{number}", "PolicyDocument": each} for number, each in enumerate(policies)]


def role(
    *policies: Document,
    name: str = "subject",
    trusts: Sequence[Document] = (),
    attached: Sequence[str] = (),
    boundary: str | None = None,
    made: datetime = MADE,
    used: datetime | None = YESTERDAY,
    path: str = "/",
) -> Document:
    detail: Document = {
        "RoleName": name,
        "RoleId": "AROAEXAMPLE" + name.upper(),
        "Arn": f"arn:aws:iam::{ACCOUNT}:role{path}{name}",
        "Path": path,
        "CreateDate": made.isoformat(),
        "AssumeRolePolicyDocument": document(*(trusts or [trust(OWN_ROOT)])),
        "RolePolicyList": inline(policies),
        "AttachedManagedPolicies": [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in attached],
        "RoleLastUsed": {"LastUsedDate": used.isoformat(), "Region": "eu-west-1"} if used else {},
        "Tags": [],
        "InstanceProfileList": [],
    }
    if boundary:
        detail["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": boundary,
        }
    return detail


def user(
    *policies: Document, name: str = "subject", groups: Sequence[str] = (), attached: Sequence[str] = ()
) -> Document:
    return {
        "UserName": name,
        "UserId": "AIDAEXAMPLE" + name.upper(),
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "Path": "/",
        "CreateDate": ago(500).isoformat(),
        "UserPolicyList": inline(policies),
        "GroupList": list(groups),
        "AttachedManagedPolicies": [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in attached],
        "Tags": [],
    }


def group(*policies: Document, name: str) -> Document:
    return {
        "GroupName": name,
        "GroupId": "AGPAEXAMPLE" + name.upper(),
        "Arn": f"arn:aws:iam::{ACCOUNT}:group/{name}",
        "Path": "/",
        "CreateDate": ago(500).isoformat(),
        "GroupPolicyList": inline(policies),
        "AttachedManagedPolicies": [],
    }


def managed(arn: str, content: Document) -> Document:
    return {
        "PolicyName": arn.rpartition("/")[2],
        "PolicyId": "ANPAEXAMPLE",
        "Arn": arn,
        "Path": "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 1,
        "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": True, "Document": content}],
    }


def customer(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"
ADMINISTRATOR = managed(ADMINISTRATOR_ACCESS, document(allow("*")))


def account(
    *,
    roles: Sequence[Document] = (),
    users: Sequence[Document] = (),
    groups: Sequence[Document] = (),
    policies: Sequence[Document] = (),
    **more: Any,
) -> AuthorizationSnapshot:
    page = {
        "RoleDetailList": list(roles),
        "UserDetailList": list(users),
        "GroupDetailList": list(groups),
        "Policies": list(policies),
    }
    return AuthorizationSnapshot(
        account=ACCOUNT,
        taken=NOW,
        authorization=parse_authorization_details([page]),
        read=more.pop("read", ("authorization",)),
        **more,
    )


def scanned(
    snapshot: AuthorizationSnapshot,
    *,
    paths: Mapping[str, tuple[EscalationPath, ...]] | None = None,
    **more: Any,
) -> ScanResult:
    return scan(snapshot, paths=paths or {}, now=NOW, **more)


def report(snapshot: AuthorizationSnapshot, arn: str = ROLE, **more: Any) -> PrincipalReport:
    found = {each.arn: each for each in scanned(snapshot, **more).principals}
    return found[arn]


def of_role(*statements: Document, **more: Any) -> PrincipalReport:
    """The report of a role with one inline policy of these statements."""
    policies = more.pop("policies", ())
    identity = [document(*statements)] if statements else []
    return report(account(roles=[role(*identity, **more)], policies=policies))


def ids(found: PrincipalReport) -> set[str]:
    """The ids of findings; one that rests on conditions ends in ``?``. Inline policies go without saying here."""
    names = {f"{each.id}{'' if each.certain else '?'}" for each in found.findings}
    return names - {"iam-inline-policy"}


def finding(found: PrincipalReport, id_: str) -> IamFinding:
    return next(each for each in found.findings if each.id == id_)


def analyzed(snapshot: AuthorizationSnapshot, name: str = "subject", **more: Any) -> RoleAnalysis:
    return analyze(snapshot, name, paths=more.pop("paths", {}), now=NOW, **more)


def usage(actions: Mapping[str, tuple[str, ...] | None]) -> Usage:
    return Usage(actions=actions, coverage="CloudTrail of 90 days, all Regions")
