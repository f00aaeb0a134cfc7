"""Who makes a request, and which entries of a Principal element mean them.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Literal

import msgspec

from ..errors import UsageError
from ..model.arn import Arn
from ..model.policy import PrincipalPattern

PrincipalKind = Literal[
    "user",
    "role",
    "role_session",
    "federated_user",
    "federated",
    "root",
    "service",
    "identity_center",
    "anonymous",
]
#: These have no policies of their own and belong to no account: only a resource policy can let them in.
WITHOUT_IDENTITY: frozenset[PrincipalKind] = frozenset({"service", "anonymous", "federated"})
#: These may have a permissions boundary.
WITH_BOUNDARY: frozenset[PrincipalKind] = frozenset({"user", "role", "role_session", "federated_user"})
#: Identity providers that have no ARN.
_PROVIDERS = frozenset(
    {"accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com"}
)
_ACCOUNT = re.compile(r"\d{12}")
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal)")
_UNIQUE_ID = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,}")
_ROOT = re.compile(r"arn:[\w-]+:iam::(\d{12}):root")
#: Type and kind of resource -> kind of principal.
_ARN_KINDS: Mapping[tuple[str, str], PrincipalKind] = {
    ("iam", "user"): "user",
    ("iam", "role"): "role",
    ("sts", "assumed-role"): "role_session",
    ("sts", "federated-user"): "federated_user",
    ("iam", "saml-provider"): "federated",
    ("iam", "oidc-provider"): "federated",
    ("identitystore", "user"): "identity_center",
}


class Grade(IntEnum):
    """How a resource policy means a principal; the greater, the closer.

    ``ACCOUNT`` only hands the decision to the account. ``ISSUER`` names the role of a session (or the user of a
    federated one): the session's boundary and session policy still limit. ``DIRECT`` names the caller or everyone.
    """

    NONE = 0
    ACCOUNT = 1
    ISSUER = 2
    DIRECT = 3


class RequestPrincipal(msgspec.Struct, frozen=True, kw_only=True):
    """The caller.

    ``arn`` is the user's, role's, session's or provider's ARN, the service's name, or ``*`` for anyone unsigned.
    ``issuer`` is the ARN of the role of a session or the user of a federated one. ``id`` is the unique id
    (``AIDA…``, ``AROA…:session``) or the canonical user id. ``tags`` None: not known here.
    """

    arn: str
    kind: PrincipalKind
    account: str | None = None
    id: str | None = None
    name: str | None = None
    session_name: str | None = None
    issuer: str | None = None
    tags: Mapping[str, str] | None = None

    @property
    def service_linked(self) -> bool:
        """Whether it is a service-linked role or a session of one."""
        return ":role/aws-service-role/" in (self.issuer or self.arn)


@lru_cache(maxsize=4096)
def parse_principal(text: str, account: str | None = None) -> RequestPrincipal:
    """The caller that an ARN, an account id, a service's or provider's name, ``anonymous`` or ``*`` means.

    A session's ARN lacks its role's path: ``issuer`` is then the role without path. An account is its root user.

    Raises:
        UsageError: none of these.
    """
    if text in ("*", "anonymous"):
        return RequestPrincipal(arn="*", kind="anonymous")
    if _ACCOUNT.fullmatch(text):
        return RequestPrincipal(arn=f"arn:aws:iam::{text}:root", kind="root", account=text, id=text)
    if text in _PROVIDERS:
        return RequestPrincipal(arn=text, kind="federated", account=account)
    if _SERVICE.fullmatch(text):
        return RequestPrincipal(arn=text, kind="service", account=account)
    arn = Arn.parse(text)
    if arn.resource == "root":
        return RequestPrincipal(arn=text, kind="root", account=arn.account, id=arn.account)
    kind = _ARN_KINDS.get((arn.service, arn.kind))
    if kind is None:
        raise UsageError(f"not a principal: {text!r}", remedy="give the ARN of a user, role or session")
    parts = arn.resource.split("/")
    session = kind == "role_session"
    return RequestPrincipal(
        arn=text,
        kind=kind,
        account=account or arn.account or None,
        name=parts[1] if session else parts[-1],
        session_name=parts[-1] if session else None,
        issuer=_role_of_session(arn, parts[1]) if session else None,
    )


def _role_of_session(session: Arn, name: str) -> str:
    """The role's ARN as far as a session's tells; of Identity Center's roles the path is known but for the Region."""
    path = "aws-reserved/sso.amazonaws.com/" if name.startswith("AWSReservedSSO_") else ""
    return f"arn:{session.partition}:iam::{session.account}:role/{path}{name}"


def grade_of(patterns: Iterable[PrincipalPattern], principal: RequestPrincipal) -> Grade:
    """The closest way in which a Principal element means the caller."""
    return max((_grade(each, principal) for each in patterns), default=Grade.NONE)


def spared(patterns: Iterable[PrincipalPattern], principal: RequestPrincipal) -> bool:
    """Whether a NotPrincipal element lists the caller.

    An account that is listed beside principals of its own does not spare all of the account: AWS asks to list the
    account whenever one of its principals is listed.
    """
    listed = tuple(patterns)
    closest = grade_of(listed, principal)
    if closest is not Grade.ACCOUNT:
        return closest is not Grade.NONE
    return not any(_account_of_arn(each.value) == principal.account for each in listed)


def _grade(entry: PrincipalPattern, principal: RequestPrincipal) -> Grade:
    if entry.value == "*" and entry.type in ("*", "AWS"):
        return Grade.DIRECT
    if entry.type == "AWS":
        return _aws_grade(entry.value, principal)
    if entry.type == "CanonicalUser":
        return Grade.DIRECT if entry.value == principal.id else Grade.NONE
    kind = "service" if entry.type == "Service" else "federated"
    return Grade.DIRECT if principal.kind == kind and entry.value in (principal.arn, "*") else Grade.NONE


def _aws_grade(value: str, principal: RequestPrincipal) -> Grade:
    if principal.kind in WITHOUT_IDENTITY:
        return Grade.NONE
    own = Grade.ISSUER if principal.kind == "role" else Grade.DIRECT
    if value == principal.arn:
        return own
    account = account_named(value)
    if account is not None:
        named = account == principal.account
        return (Grade.DIRECT if principal.kind == "root" else Grade.ACCOUNT) if named else Grade.NONE
    if principal.id is not None and _UNIQUE_ID.fullmatch(value):
        base, _, session = principal.id.partition(":")
        return (Grade.ISSUER if session else own) if value == base else Grade.NONE
    if principal.issuer is not None and _same_entity(value, principal.issuer):
        return Grade.ISSUER
    return Grade.NONE


def account_named(value: str) -> str | None:
    """The account that a Principal entry means as a whole: its id, or the ARN of its root."""
    if _ACCOUNT.fullmatch(value):
        return value
    root = _ROOT.fullmatch(value)
    return root[1] if root else None


def _account_of_arn(value: str) -> str | None:
    """The account of a user, role or session that an entry names; None for accounts and what has none."""
    parts = value.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[5] != "root" else None


def _same_entity(one: str, other: str) -> bool:
    """Whether two ARNs mean the same role or user: names are unique in an account whatever the path."""
    if one == other:
        return True
    left, right = one.split(":", 5), other.split(":", 5)
    if len(left) != 6 or left[:5] != right[:5]:
        return False
    kind, _, path = left[5].partition("/")
    other_kind, _, other_path = right[5].partition("/")
    return kind == other_kind and path.rpartition("/")[2] == other_path.rpartition("/")[2]
