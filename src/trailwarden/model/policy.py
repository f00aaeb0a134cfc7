"""IAM policies, and who holds them: documents taken apart once, with every statement traceable to its source.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html and
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote

import msgspec

from ..errors import UsageError
from .arn import Arn
from .time import parse_event_time

Effect = Literal["Allow", "Deny"]
Qualifier = Literal["ForAllValues", "ForAnyValue"]
PolicyKind = Literal[
    "identity_inline",
    "identity_managed",
    "group_inline",
    "group_managed",
    "boundary",
    "session",
    "resource",
    "trust",
    "scp",
    "rcp",
    "vpce",
]
#: The kinds that name principals; in all others a Principal element says nothing.
WITH_PRINCIPALS = frozenset({"resource", "trust", "rcp", "vpce"})
#: The kinds that may leave out Resource: it is then the thing that the policy is attached to.
WITHOUT_RESOURCE = frozenset({"resource", "trust"})
VERSIONS = ("2008-10-17", "2012-10-17")
#: Every condition operator, without qualifier and IfExists.
OPERATORS = (
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
)
#: A path into a policy document: keys, and positions in lists.
Position: TypeAlias = tuple[str | int, ...]

_OPERATOR_NAMES = {name.lower(): name for name in OPERATORS}
_QUALIFIER_NAMES: dict[str, Qualifier] = {"forallvalues": "ForAllValues", "foranyvalue": "ForAnyValue"}
_POLICY_ELEMENTS = {name.lower(): name for name in ("Version", "Id", "Statement")}
_STATEMENT_ELEMENTS = {
    name.lower(): name
    for name in (
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    )
}
_PRINCIPAL_TYPES = {name.lower(): name for name in ("AWS", "Service", "Federated", "CanonicalUser")}


class PolicyError(UsageError):
    """A policy document that AWS would refuse. ``position`` is where: ``Statement[2].Condition.StringEquals``."""

    def __init__(self, reason: str, *, position: Position = (), source: "PolicySource | None" = None) -> None:
        self.reason = reason
        self.position = _written(position)
        where = " ".join(part for part in (str(source) if source else "", self.position) if part)
        super().__init__(
            f"not a valid policy{f' ({where})' if where else ''}: {reason}",
            remedy="compare it with the IAM policy grammar, or validate it in the IAM console",
        )


class PolicySource(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy it is: how it applies (``kind``), its name and ARN, and the ARN of what it is attached to."""

    kind: PolicyKind
    name: str = ""
    arn: str | None = None
    holder: str | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (_KIND_WORDS[self.kind], self.name or self.arn or "") if part)


_KIND_WORDS: dict[PolicyKind, str] = {
    "identity_inline": "inline policy",
    "identity_managed": "managed policy",
    "group_inline": "group's inline policy",
    "group_managed": "group's managed policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "resource": "resource policy",
    "trust": "trust policy",
    "scp": "service control policy",
    "rcp": "resource control policy",
    "vpce": "VPC endpoint policy",
}


class PrincipalPattern(msgspec.Struct, frozen=True):
    """One entry of a Principal element. ``type`` is AWS, Service, Federated, CanonicalUser, or ``*`` (written bare)."""

    type: str
    value: str

    def __str__(self) -> str:
        return self.value if self.type in ("*", "AWS") else f"{self.type}: {self.value}"


class Condition(msgspec.Struct, frozen=True, cache_hash=True):
    """One key under one operator: ``ForAnyValue:StringLikeIfExists`` is taken apart into three fields.

    ``key`` is as written (keys are case-insensitive); ``values`` are texts, ``true`` and ``false`` for booleans.
    """

    operator: str
    key: str
    values: tuple[str, ...]
    qualifier: Qualifier | None = None
    if_exists: bool = False

    @property
    def written(self) -> str:
        """The operator as a policy writes it."""
        return f"{f'{self.qualifier}:' if self.qualifier else ''}{self.operator}{'IfExists' if self.if_exists else ''}"

    def __str__(self) -> str:
        return f"{self.written} {self.key} {', '.join(self.values) or '(no value)'}"


class Statement(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """One statement. None means that the element is absent; ``index`` counts from 0 within the policy."""

    index: int
    effect: Effect
    sid: str | None = None
    principals: tuple[PrincipalPattern, ...] | None = None
    not_principals: tuple[PrincipalPattern, ...] | None = None
    actions: tuple[str, ...] | None = None
    not_actions: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    not_resources: tuple[str, ...] | None = None
    conditions: tuple[Condition, ...] = ()


class StatementRef(msgspec.Struct, frozen=True):
    """Which statement of which policy; ``index`` counts from 0."""

    source: PolicySource
    index: int
    sid: str | None
    effect: Effect

    def __str__(self) -> str:
        return f"{self.source}, statement {self.index + 1}{f' ({self.sid})' if self.sid else ''}"


class Policy(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """One policy document. ``version`` decides whether ``${…}`` are policy variables (only in 2012-10-17)."""

    source: PolicySource
    statements: tuple[Statement, ...]
    version: str = VERSIONS[0]
    id: str | None = None

    @property
    def variables(self) -> bool:
        """Whether ``${…}`` is substituted."""
        return self.version == VERSIONS[1]

    def ref(self, statement: Statement) -> StatementRef:
        """The reference by which an explanation names a statement of this policy."""
        return StatementRef(self.source, statement.index, statement.sid, statement.effect)


def parse_policy(document: Mapping[str, Any] | str, *, source: PolicySource) -> Policy:
    """Take a policy document apart: a mapping, JSON text, or JSON text that is URL-encoded as IAM's API sends it.

    Tolerant where the meaning is plain: one value for a list, one statement for a list, no Version (2008-10-17),
    names of elements and operators in any case, a principal's ARN without its type.

    Raises:
        PolicyError: AWS would refuse it; with the position.
    """
    return _Reader(source).policy(_loaded(document, source))


def _loaded(document: Mapping[str, Any] | str, source: PolicySource) -> Mapping[str, Any]:
    if not isinstance(document, str):
        return document
    text = unquote(document) if document.lstrip()[:3].upper() == "%7B" else document
    try:
        loaded = json.loads(text)
    except json.JSONDecodeError as error:
        raise PolicyError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})", source=source) from None
    except RecursionError:
        raise PolicyError("nested too deeply", source=source) from None
    return loaded  # type: ignore[no-any-return]  # _Reader.elements checks that it is an object


class _Reader(msgspec.Struct, frozen=True):
    source: PolicySource

    def fail(self, reason: str, position: Position) -> PolicyError:
        return PolicyError(reason, position=position, source=self.source)

    def policy(self, document: Mapping[str, Any]) -> Policy:
        elements = self.elements(document, _POLICY_ELEMENTS, ())
        version = elements.get("Version", VERSIONS[0])
        if version not in VERSIONS:
            raise self.fail(f"Version is {version!r}, not one of {', '.join(VERSIONS)}", ("Version",))
        if "Statement" not in elements:
            raise self.fail("Statement is missing", ())
        written = elements["Statement"]
        single = isinstance(written, Mapping)
        if not single and not _is_list(written):
            raise self.fail("Statement is neither an object nor a list of objects", ("Statement",))
        statements = (
            self.statement(index, each, ("Statement",) if single else ("Statement", index))
            for index, each in enumerate((written,) if single else written)
        )
        return Policy(
            source=self.source,
            statements=tuple(statements),
            version=version,
            id=self.text(elements["Id"], ("Id",)) if "Id" in elements else None,
        )

    def statement(self, index: int, written: Any, at: Position) -> Statement:
        elements = self.elements(written, _STATEMENT_ELEMENTS, at)
        if elements.get("Effect") not in ("Allow", "Deny"):
            raise self.fail(f"Effect is {elements.get('Effect')!r}, not Allow or Deny", (*at, "Effect"))
        for name in ("Principal", "Action", "Resource"):
            if name in elements and f"Not{name}" in elements:
                raise self.fail(f"both {name} and Not{name}", at)
        if "Action" not in elements and "NotAction" not in elements:
            raise self.fail("neither Action nor NotAction", at)
        kind = self.source.kind
        if "Resource" not in elements and "NotResource" not in elements and kind not in WITHOUT_RESOURCE:
            raise self.fail("neither Resource nor NotResource", at)

        def texts(name: str) -> tuple[str, ...] | None:
            return self.texts(elements[name], (*at, name)) if name in elements else None

        def principals(name: str) -> tuple[PrincipalPattern, ...] | None:
            return tuple(self.principals(elements[name], (*at, name))) if name in elements else None

        return Statement(
            index=index,
            effect=elements["Effect"],
            sid=self.text(elements["Sid"], (*at, "Sid")) if "Sid" in elements else None,
            principals=principals("Principal"),
            not_principals=principals("NotPrincipal"),
            actions=texts("Action"),
            not_actions=texts("NotAction"),
            resources=texts("Resource"),
            not_resources=texts("NotResource"),
            conditions=tuple(self.conditions(elements.get("Condition", {}), (*at, "Condition"))),
        )

    def principals(self, written: Any, at: Position) -> Iterator[PrincipalPattern]:
        if isinstance(written, str):
            yield PrincipalPattern("*" if written == "*" else "AWS", written)
            return
        for kind, values in self.elements(written, _PRINCIPAL_TYPES, at).items():
            for value in self.texts(values, (*at, kind)):
                yield PrincipalPattern(kind, value)

    def conditions(self, written: Any, at: Position) -> Iterator[Condition]:
        for operator, keys in self.mapping(written, at).items():
            qualifier, base, if_exists = self.operator(operator, (*at, operator))
            for key, values in self.mapping(keys, (*at, operator)).items():
                yield Condition(
                    operator=base,
                    key=key,
                    values=self.scalars(values, (*at, operator, key)),
                    qualifier=qualifier,
                    if_exists=if_exists,
                )

    def operator(self, written: str, at: Position) -> tuple[Qualifier | None, str, bool]:
        head, colon, rest = written.partition(":")
        qualifier = _QUALIFIER_NAMES.get(head.lower()) if colon else None
        name = (rest if colon else written).lower()
        if_exists = name.endswith("ifexists")
        base = _OPERATOR_NAMES.get(name.removesuffix("ifexists"))
        if base is None or (colon and qualifier is None) or (base == "Null" and if_exists):
            raise self.fail(f"unknown condition operator {written!r}", at)
        return qualifier, base, if_exists

    def elements(self, written: Any, names: Mapping[str, str], at: Position) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in self.mapping(written, at).items():
            name = names.get(key.lower())
            if name is None:
                raise self.fail(f"unknown element {key!r}", at)
            if name in found:
                raise self.fail(f"{name} is given twice", at)
            found[name] = value
        return found

    def mapping(self, written: Any, at: Position) -> Mapping[str, Any]:
        if not isinstance(written, Mapping) or not all(isinstance(key, str) for key in written):
            raise self.fail("not an object", at)
        return written

    def text(self, written: Any, at: Position) -> str:
        if not isinstance(written, str):
            raise self.fail("not a text", at)
        return written

    def texts(self, written: Any, at: Position) -> tuple[str, ...]:
        if isinstance(written, str):
            return (written,)
        if not _is_list(written):
            raise self.fail("neither a text nor a list of texts", at)
        return tuple(self.text(each, (*at, index)) for index, each in enumerate(written))

    def scalars(self, written: Any, at: Position) -> tuple[str, ...]:
        values = written if _is_list(written) else (written,)
        return tuple(self.scalar(each, at) for each in values)

    def scalar(self, written: Any, at: Position) -> str:
        if isinstance(written, bool):
            return "true" if written else "false"
        if isinstance(written, str | int | float):
            return str(written)
        raise self.fail("a condition's value is not a text, number or boolean", at)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _written(position: Position) -> str:
    text = ""
    for step in position:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


class ManagedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A managed policy in its default version. ``policy`` is None if AWS's answer holds no readable document."""

    arn: str
    name: str
    id: str | None = None
    path: str = "/"
    policy: Policy | None = None
    default_version: str | None = None
    attachments: int | None = None
    boundary_uses: int | None = None
    created: datetime | None = None
    updated: datetime | None = None

    @property
    def aws_managed(self) -> bool:
        """Whether AWS owns it: no customer can change it."""
        return Arn.parse(self.arn).account == "aws"


class IamGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group. ``attached`` are ARNs of managed policies."""

    arn: str
    name: str
    id: str
    path: str = "/"
    created: datetime | None = None
    inline: tuple[Policy, ...] = ()
    attached: tuple[str, ...] = ()


class IamUserEntity(msgspec.Struct, frozen=True, kw_only=True):
    """A user as far as permissions go. ``groups`` are names; ``attached`` and ``boundary`` ARNs of managed policies."""

    arn: str
    name: str
    id: str
    path: str = "/"
    created: datetime | None = None
    tags: Mapping[str, str] = {}
    inline: tuple[Policy, ...] = ()
    attached: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    boundary: str | None = None


class IamRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role. ``trust`` is None if unreadable; ``last_used`` None: not within the time that AWS tracks (400 days)."""

    arn: str
    name: str
    id: str
    path: str = "/"
    created: datetime | None = None
    tags: Mapping[str, str] = {}
    inline: tuple[Policy, ...] = ()
    attached: tuple[str, ...] = ()
    boundary: str | None = None
    trust: Policy | None = None
    last_used: datetime | None = None
    last_used_region: str | None = None
    instance_profiles: tuple[str, ...] = ()

    @property
    def service_linked(self) -> bool:
        """Whether a service owns it: neither SCPs nor customers reach it."""
        return self.path.startswith("/aws-service-role/")

    @property
    def reserved(self) -> bool:
        """Whether IAM Identity Center owns it: customers cannot change it in IAM."""
        return self.path.startswith("/aws-reserved/")


IamPrincipal: TypeAlias = IamUserEntity | IamRole


class UnreadablePolicy(msgspec.Struct, frozen=True):
    """A document that could not be parsed: what its holder may do is unknown, not nothing."""

    source: PolicySource
    reason: str


class AccountAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    """Users, groups, roles and managed policies of one account, as GetAccountAuthorizationDetails gives them.

    ``users`` and ``roles`` are by ARN, ``groups`` by name, ``policies`` by ARN. ``complete`` is False if the
    pages end before AWS's list does. ``unreadable`` lists documents that are left out.
    """

    account: str | None
    users: Mapping[str, IamUserEntity] = {}
    groups: Mapping[str, IamGroup] = {}
    roles: Mapping[str, IamRole] = {}
    policies: Mapping[str, ManagedPolicy] = {}
    unreadable: tuple[UnreadablePolicy, ...] = ()
    complete: bool = True

    def principals(self) -> Iterator[IamPrincipal]:
        """Users, then roles."""
        yield from self.users.values()
        yield from self.roles.values()

    def groups_of(self, principal: IamPrincipal) -> tuple[IamGroup, ...]:
        """The groups that a user is in and that are known here."""
        names = principal.groups if isinstance(principal, IamUserEntity) else ()
        return tuple(self.groups[name] for name in names if name in self.groups)

    def identity_policies(self, principal: IamPrincipal) -> tuple[Policy, ...]:
        """All of a principal's identity policies: inline, attached, and by group."""
        groups = self.groups_of(principal)
        return (
            *principal.inline,
            *self._attached(principal.attached, "identity_managed", principal.arn),
            *(policy for group in groups for policy in group.inline),
            *(policy for group in groups for policy in self._attached(group.attached, "group_managed", group.arn)),
        )

    def boundary_of(self, principal: IamPrincipal) -> Policy | None:
        """The permissions boundary. None also if its document is missing: see `unknown_to`."""
        arns = (principal.boundary,) if principal.boundary else ()
        return next(iter(self._attached(arns, "boundary", principal.arn)), None)

    def unknown_to(self, principal: IamPrincipal) -> tuple[str, ...]:
        """What of a principal's permissions is not known here: ARNs, group names, unreadable documents."""
        groups = self.groups_of(principal)
        holders = {principal.arn, *(group.arn for group in groups)}
        wanted = [*principal.attached, *(arn for group in groups for arn in group.attached)]
        if principal.boundary:
            wanted.append(principal.boundary)
        names = principal.groups if isinstance(principal, IamUserEntity) else ()
        missing = [arn for arn in wanted if arn not in self.policies or self.policies[arn].policy is None]
        missing += [f"group {name}" for name in names if name not in self.groups]
        missing += [str(each.source) for each in self.unreadable if each.source.holder in holders]
        return tuple(dict.fromkeys(missing))

    def _attached(self, arns: Iterable[str], kind: PolicyKind, holder: str) -> Iterator[Policy]:
        for arn in arns:
            managed = self.policies.get(arn)
            if managed is not None and managed.policy is not None:
                source = PolicySource(kind=kind, name=managed.name, arn=arn, holder=holder)
                yield msgspec.structs.replace(managed.policy, source=source)


def parse_authorization_details(pages: Iterable[Mapping[str, Any]]) -> AccountAuthorization:
    """The pages of one account, as boto3 returns them or as ``aws iam get-account-authorization-details`` prints them.

    Raises:
        UsageError: not such a page, or pages of several accounts.
    """
    reader = _AccountReader()
    for page in pages:
        reader.page(page)
    return reader.account()


_LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


class _AccountReader:
    def __init__(self) -> None:
        self.users: dict[str, IamUserEntity] = {}
        self.groups: dict[str, IamGroup] = {}
        self.roles: dict[str, IamRole] = {}
        self.policies: dict[str, ManagedPolicy] = {}
        self.unreadable: list[UnreadablePolicy] = []
        self.complete = True

    def page(self, page: Mapping[str, Any]) -> None:
        if not isinstance(page, Mapping) or not any(name in page for name in _LISTS):
            raise UsageError(
                "not an answer of iam:GetAccountAuthorizationDetails",
                remedy="make the file by: aws iam get-account-authorization-details > account.json",
            )
        try:
            for detail in page.get("Policies", ()):
                self.policies[detail["Arn"]] = self.managed(detail)
            for detail in page.get("GroupDetailList", ()):
                self.groups[detail["GroupName"]] = self.group(detail)
            for detail in page.get("UserDetailList", ()):
                self.users[detail["Arn"]] = self.user(detail)
            for detail in page.get("RoleDetailList", ()):
                self.roles[detail["Arn"]] = self.role(detail)
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"an entry is not as iam:GetAccountAuthorizationDetails writes it: {error}",
                remedy="make the file by: aws iam get-account-authorization-details > account.json",
            ) from error
        self.complete = not page.get("IsTruncated", False)

    def account(self) -> AccountAuthorization:
        arns = [*self.users, *self.roles, *(group.arn for group in self.groups.values())]
        accounts = {Arn.parse(arn).account for arn in (*arns, *self.policies)} - {"aws"}
        if len(accounts) > 1:
            raise UsageError(
                f"pages of several accounts: {', '.join(sorted(accounts))}", remedy="give the pages of one account"
            )
        return AccountAuthorization(
            account=next(iter(accounts), None),
            users=self.users,
            groups=self.groups,
            roles=self.roles,
            policies=self.policies,
            unreadable=tuple(self.unreadable),
            complete=self.complete,
        )

    def read(self, document: Mapping[str, Any] | str | None, source: PolicySource) -> Policy | None:
        if document is None:
            return None
        try:
            return parse_policy(document, source=source)
        except PolicyError as error:
            self.unreadable.append(UnreadablePolicy(source, error.message))
            return None

    def inline(self, details: Iterable[Mapping[str, Any]], kind: PolicyKind, holder: str) -> tuple[Policy, ...]:
        read = (
            self.read(each["PolicyDocument"], PolicySource(kind=kind, name=each["PolicyName"], holder=holder))
            for each in details
        )
        return tuple(policy for policy in read if policy is not None)

    def managed(self, detail: Mapping[str, Any]) -> ManagedPolicy:
        source = PolicySource(kind="identity_managed", name=detail["PolicyName"], arn=detail["Arn"])
        default = detail.get("DefaultVersionId")
        versions = [
            version
            for version in detail.get("PolicyVersionList", ())
            if version.get("IsDefaultVersion") or version.get("VersionId") == default
        ]
        return ManagedPolicy(
            arn=detail["Arn"],
            name=detail["PolicyName"],
            id=detail.get("PolicyId"),
            path=detail.get("Path", "/"),
            policy=self.read(versions[0].get("Document"), source) if versions else None,
            default_version=default,
            attachments=detail.get("AttachmentCount"),
            boundary_uses=detail.get("PermissionsBoundaryUsageCount"),
            created=_instant(detail.get("CreateDate")),
            updated=_instant(detail.get("UpdateDate")),
        )

    def group(self, detail: Mapping[str, Any]) -> IamGroup:
        return IamGroup(
            arn=detail["Arn"],
            name=detail["GroupName"],
            id=detail["GroupId"],
            path=detail.get("Path", "/"),
            created=_instant(detail.get("CreateDate")),
            inline=self.inline(detail.get("GroupPolicyList", ()), "group_inline", detail["Arn"]),
            attached=_attached_arns(detail),
        )

    def user(self, detail: Mapping[str, Any]) -> IamUserEntity:
        return IamUserEntity(
            arn=detail["Arn"],
            name=detail["UserName"],
            id=detail["UserId"],
            path=detail.get("Path", "/"),
            created=_instant(detail.get("CreateDate")),
            tags=_tags(detail),
            inline=self.inline(detail.get("UserPolicyList", ()), "identity_inline", detail["Arn"]),
            attached=_attached_arns(detail),
            groups=tuple(detail.get("GroupList", ())),
            boundary=_boundary(detail),
        )

    def role(self, detail: Mapping[str, Any]) -> IamRole:
        used = detail.get("RoleLastUsed") or {}
        trust = PolicySource(kind="trust", name=detail["RoleName"], holder=detail["Arn"])
        return IamRole(
            arn=detail["Arn"],
            name=detail["RoleName"],
            id=detail["RoleId"],
            path=detail.get("Path", "/"),
            created=_instant(detail.get("CreateDate")),
            tags=_tags(detail),
            inline=self.inline(detail.get("RolePolicyList", ()), "identity_inline", detail["Arn"]),
            attached=_attached_arns(detail),
            boundary=_boundary(detail),
            trust=self.read(detail.get("AssumeRolePolicyDocument"), trust),
            last_used=_instant(used.get("LastUsedDate")),
            last_used_region=used.get("Region"),
            instance_profiles=tuple(profile["Arn"] for profile in detail.get("InstanceProfileList", ())),
        )


def _attached_arns(detail: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(each["PolicyArn"] for each in detail.get("AttachedManagedPolicies", ()))


def _boundary(detail: Mapping[str, Any]) -> str | None:
    boundary = detail.get("PermissionsBoundary") or {}
    return boundary.get("PermissionsBoundaryArn")


def _tags(detail: Mapping[str, Any]) -> Mapping[str, str]:
    return {tag["Key"]: tag["Value"] for tag in detail.get("Tags", ())}


def _instant(value: datetime | str | None) -> datetime | None:
    if isinstance(value, str):
        return parse_event_time(value)
    return value.astimezone(UTC) if value is not None else None
