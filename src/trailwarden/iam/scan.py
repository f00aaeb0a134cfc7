"""The scan of an account's principals, and the analysis of one of them. Pure: the present is passed in."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from ..errors import UsageError
from ..model.authorization import RESOURCE_SERVICES, TRACKING_PERIOD, AuthorizationSnapshot
from ..model.iam_report import EscalationPath, IamFinding, PrincipalReport, Recommendation, TrustLine
from ..model.policy import IamGroup, IamPrincipal, IamRole, IamUserEntity, Policy, PolicyKind
from .advise import recommendations
from .effective import Administrator, Permissions
from .exposure import resource_findings
from .findings import Usage, key_findings
from .report import Account, report_of
from .summary import ServiceSummary
from .trust import trust_lines

PolicyHeld = Literal["inline", "attached", "inherited"]


class SubjectReport(msgspec.Struct, frozen=True, kw_only=True):
    """Findings of what is no principal with permissions: a resource by its policy, or the root user by its keys."""

    arn: str
    kind: Literal["resource", "root"]
    findings: tuple[IamFinding, ...]


class ScanResult(msgspec.Struct, frozen=True, kw_only=True):
    """An account's principals, the riskiest first. ``notes`` are limits of what was looked at."""

    account: str
    taken: datetime
    principals: tuple[PrincipalReport, ...]
    others: tuple[SubjectReport, ...] = ()
    notes: tuple[str, ...] = ()


class HeldPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy of a principal, and how it holds it: inline, attached, or inherited by ``group``."""

    name: str
    held: PolicyHeld
    statements: int
    arn: str | None = None
    group: str | None = None
    aws_managed: bool = False


class RoleAnalysis(PrincipalReport, frozen=True, kw_only=True):
    """A principal's report, with all that it rests on.

    ``effective`` is what is left of its permissions, by service and access level; ``boundary`` the ARN of its
    permissions boundary, ``boundary_known`` whether that could be read. ``unknown`` names what of its permissions is
    not known.
    """

    policies: tuple[HeldPolicy, ...] = ()
    boundary: str | None = None
    boundary_known: bool = True
    trust: tuple[TrustLine, ...] = ()
    effective: tuple[ServiceSummary, ...] = ()
    unknown: tuple[str, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    notes: tuple[str, ...] = ()


def scan(
    snapshot: AuthorizationSnapshot,
    *,
    paths: Mapping[str, tuple[EscalationPath, ...]],
    now: datetime,
    used: Mapping[str, Usage] | None = None,
    known_accounts: Collection[str] = (),
    permissions: Mapping[str, Permissions] | None = None,
    administrators: Mapping[str, Administrator] | None = None,
    console_without_mfa: Collection[str] | None = None,
) -> ScanResult:
    """Judge every role, user and group of an account.

    ``paths`` are the escalation paths by ARN. ``used``, by ARN, is what records show in use. ``known_accounts`` are
    the owner's other accounts; the rest is as `report.Account` takes it.
    """
    account = Account(
        snapshot,
        paths=paths,
        now=now,
        used=used,
        known_accounts=known_accounts,
        permissions=permissions,
        administrators=administrators,
        console_without_mfa=console_without_mfa,
    )
    reports = [report_of(account.facts(entity)) for entity in account.entities()]
    return ScanResult(
        account=snapshot.account,
        taken=snapshot.taken,
        principals=tuple(sorted(reports, key=lambda each: (-each.score, each.arn))),
        others=tuple(_others(account)),
        notes=tuple(_notes(account)),
    )


def analyze(
    snapshot: AuthorizationSnapshot,
    name_or_arn: str,
    *,
    paths: Mapping[str, tuple[EscalationPath, ...]],
    now: datetime,
    used: Mapping[str, Usage] | None = None,
    known_accounts: Collection[str] = (),
    permissions: Mapping[str, Permissions] | None = None,
    administrators: Mapping[str, Administrator] | None = None,
    console_without_mfa: Collection[str] | None = None,
) -> RoleAnalysis:
    """Everything about one role, user or group, by its ARN or name; the parameters are those of `scan`.

    Raises:
        UsageError: the account has no such principal, or several of that name.
    """
    account = Account(
        snapshot,
        paths=paths,
        now=now,
        used=used,
        known_accounts=known_accounts,
        permissions=permissions,
        administrators=administrators,
        console_without_mfa=console_without_mfa,
    )
    entity = _named(account, name_or_arn)
    facts = account.facts(entity)
    report = report_of(facts)
    boundary = None if isinstance(entity, IamGroup) else entity.boundary
    return RoleAnalysis(
        **{field: getattr(report, field) for field in report.__struct_fields__},
        policies=tuple(_policies(account, entity)),
        boundary=boundary,
        boundary_known=facts.bounds_known,
        trust=trust_lines(entity, snapshot.account, account.known_accounts) if isinstance(entity, IamRole) else (),
        effective=facts.permissions.summary().services,
        unknown=facts.permissions.unknown,
        recommendations=recommendations(account, facts, report),
        notes=tuple(_notes(account)),
    )


def _named(account: Account, name: str) -> IamPrincipal | IamGroup:
    entities = account.entities()
    found = [each for each in entities if name in (each.arn, each.name)]
    found = found or [each for each in entities if each.name.lower() == name.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"several principals are named {name}: {', '.join(each.arn for each in found)}", remedy="give the ARN"
        )
    near = difflib.get_close_matches(name, [each.name for each in entities], n=3)
    raise UsageError(
        f"account {account.snapshot.account} has no role, user or group {name!r}",
        remedy=f"did you mean {', '.join(near)}?" if near else "list them by: trailwarden iam scan",
    )


def _policies(account: Account, entity: IamPrincipal | IamGroup) -> Iterator[HeldPolicy]:
    if isinstance(entity, IamGroup):
        holder: IamPrincipal = IamUserEntity(arn=entity.arn, name=entity.name, id=entity.id, groups=(entity.name,))
    else:
        holder = entity
    names = {group.arn: group.name for group in account.authorization.groups.values()}
    held: dict[PolicyKind, PolicyHeld] = {
        "identity_inline": "inline",
        "identity_managed": "attached",
        "group_inline": "inherited",
        "group_managed": "inherited",
    }
    own: dict[PolicyKind, PolicyHeld] = {"group_inline": "inline", "group_managed": "attached"}
    for policy in account.authorization.identity_policies(holder):
        is_group = isinstance(entity, IamGroup)
        yield _held(policy, (own if is_group else held)[policy.source.kind], None if is_group else names)


def _held(policy: Policy, held: PolicyHeld, groups: Mapping[str, str] | None) -> HeldPolicy:
    source = policy.source
    return HeldPolicy(
        name=source.name,
        held=held,
        statements=len(policy.statements),
        arn=source.arn,
        group=groups.get(source.holder or "") if groups is not None and held == "inherited" else None,
        aws_managed=":iam::aws:policy/" in (source.arn or ""),
    )


def _others(account: Account) -> Iterator[SubjectReport]:
    snapshot = account.snapshot
    for document in snapshot.resource_policies:
        found = resource_findings(document, known_accounts=account.known_accounts, organization=snapshot.organization)
        if found:
            yield SubjectReport(arn=document.arn, kind="resource", findings=found)
    for arn, keys in snapshot.access_keys.items():
        if arn.endswith(":root"):
            found = tuple(key_findings(arn, keys, account.now))
            if found:
                yield SubjectReport(arn=arn, kind="root", findings=found)


def _notes(account: Account) -> Iterator[str]:
    snapshot = account.snapshot
    yield (
        f"AWS tells when a role or service was last used for {TRACKING_PERIOD.days} days: what is called never used "
        "was not used in that time"
    )
    if "organization" not in snapshot.read:
        yield "service and resource control policies were not read: permissions may be narrower than shown"
    unread = [each for each in RESOURCE_SERVICES if f"resource_policies.{each}" not in snapshot.read]
    if unread:
        yield f"resource policies were not read of: {', '.join(unread)}"
    if "access_keys" not in snapshot.read:
        yield "access keys were not read: nothing is said of their age and use"
    if account.console_without_mfa is None:
        yield "whether users have an MFA device was not read"
    if not snapshot.last_access:
        yield "service last accessed data was not read: nothing is said of unused services"
    if not account.used:
        yield "no records of use were looked at: granted permissions are not compared with those in use"
    if not snapshot.authorization.complete:
        yield "the authorization details end before AWS's list does: principals and policies are missing"
