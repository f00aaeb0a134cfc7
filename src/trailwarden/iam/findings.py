"""What is wrong with a principal, judged on its effective permissions: all policies merged, denies and bounds applied.

Each finding is documented in docs/iam.md under its id, with how it is judged and what it cannot see. A finding occurs
once per principal; its statements and facts are its evidence.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from ..model.authorization import TRACKING_PERIOD, AccessKeyUse, ServiceLastAccess
from ..model.finding import Severity
from ..model.iam_report import EscalationPath, IamEvidence, IamFinding
from ..model.policy import IamGroup, IamPrincipal, IamRole, IamUserEntity
from .catalog import catalog, matching
from .clauses import Clause
from .effective import Administrator, Permissions
from .reach import Reach
from .trust import Entry
from .wide import SHOWN_STATEMENTS, Family, Wide, evidence, evidence_of, families

#: From when on something counts as unused, and from when on a key is old, very old and ancient.
UNUSED_AFTER = timedelta(days=90)
KEY_AGES: tuple[tuple[timedelta, Severity], ...] = (
    (timedelta(days=365), "high"),
    (timedelta(days=180), "medium"),
    (timedelta(days=90), "low"),
)
#: How many actions that change something, and could be limited to resources, make a finding where they are not.
UNRESTRICTED_WRITES = 10
#: Services with fewer actions are not told as held whole: their names are often all listed, and for a reason.
SMALL_SERVICE = 10
#: How many granted actions that change something, and were not used, make a finding.
UNUSED_PERMISSIONS = 20
_SHOWN_NAMES = 6
_LOWER: Mapping[Severity, Severity] = {"critical": "high", "high": "medium", "medium": "low", "low": "info"}


class Rule(msgspec.Struct, frozen=True):
    """A kind of finding: how grave it is where it is certain, what it says, and MITRE ATT&CK's technique."""

    severity: Severity
    title: str
    recommendation: str
    technique: str = ""


#: Every finding of a principal or resource, by its id.
RULES: Mapping[str, Rule] = {
    "iam-administrator": Rule(
        "medium",
        "administrator by name: everything is allowed",
        "Give it the permissions that it uses, and keep administrators few",
        "T1078.004",
    ),
    "iam-shadow-administrator": Rule(
        "high",
        "shadow administrator: no policy says so, and yet it controls IAM",
        "Take away the actions that write permissions, trust or credentials of any role or user",
        "T1078.004",
    ),
    "iam-conditional-administrator": Rule(
        "medium",
        "administrator under conditions",
        "Make sure that the conditions cannot be met by whoever should not be one, or take the actions away",
        "T1078.004",
    ),
    "iam-escalation": Rule(
        "high", "can make itself an administrator", "Break the first step: see what breaks it", "T1548.005"
    ),
    "iam-identity-control": Rule(
        "high",
        "may change who may do what, widely",
        "Limit the actions to the roles, users and policies that it is there to manage",
        "T1098.003",
    ),
    "iam-wildcard-service": Rule(
        "medium",
        "holds whole services on all resources",
        "Name the actions that it needs instead of the service's *, and the resources",
        "T1078.004",
    ),
    "iam-unrestricted-writes": Rule(
        "low",
        "may change any resource of some services",
        "Name the resources: these actions can be limited to them",
        "T1578",
    ),
    "iam-data-exposure": Rule(
        "medium", "may read data widely", "Name the buckets, tables and queues that it reads", "T1530"
    ),
    "iam-secrets-exposure": Rule("medium", "may read secrets widely", "Name the secrets that it needs", "T1555.006"),
    "iam-parameters-exposure": Rule(
        "low", "may read parameters widely", "Name the parameters, or the path that they are under", "T1552"
    ),
    "iam-decrypt-exposure": Rule(
        "low", "may decrypt with any key", "Name the keys, or add a condition on kms:ViaService", "T1530"
    ),
    "iam-credentials-exposure": Rule(
        "medium", "may obtain credentials widely", "Name whose credentials it may obtain", "T1098.001"
    ),
    "iam-resource-exposure": Rule(
        "medium", "may open resources to others", "Leave these actions to those who administer the resources", "T1537"
    ),
    "iam-not-action-allow": Rule(
        "medium",
        "Allow with NotAction: everything else is allowed, new services included",
        "List what is meant under Action, or turn the statement into a Deny",
        "T1078.004",
    ),
    "iam-not-resource-allow": Rule(
        "low",
        "Allow with NotResource: every other resource is allowed, new ones included",
        "List what is meant under Resource, or turn the statement into a Deny",
        "T1078.004",
    ),
    "iam-trust-anyone": Rule(
        "critical",
        "anyone with an AWS account may assume it",
        "Name the principals, or add a condition on aws:PrincipalOrgID",
        "T1199",
    ),
    "iam-trust-not-principal": Rule(
        "critical", "trusts everyone whom it does not list", "Name the principals under Principal", "T1199"
    ),
    "iam-trust-external-account": Rule(
        "medium", "all of an account outside may assume it", "Name the roles of that account that need it", "T1199"
    ),
    "iam-trust-external-principal": Rule(
        "low", "a principal of an account outside may assume it", "Check that it is still needed", "T1199"
    ),
    "iam-trust-without-external-id": Rule(
        "medium",
        "trusts an account outside without an External ID",
        "Agree on an External ID with the third party and require it by sts:ExternalId",
        "T1199",
    ),
    "iam-trust-oidc-without-subject": Rule(
        "high",
        "takes any identity of an identity provider",
        "Add a condition on the token's subject that names the repository, project or service account",
        "T1199",
    ),
    "iam-trust-oidc-without-audience": Rule(
        "low", "takes tokens that were made for others", "Add a condition on the token's audience (aud)", "T1199"
    ),
    "iam-trust-saml-without-audience": Rule(
        "low",
        "takes SAML sign-ins that were made for others",
        "Add a condition that SAML:aud is https://signin.aws.amazon.com/saml",
        "T1199",
    ),
    "iam-trust-deleted-principal": Rule(
        "info", "trusts a user or role that was deleted", "Take the id out of the trust policy"
    ),
    "iam-trust-service-without-source": Rule(
        "info",
        "trusts a service on behalf of any customer",
        "Add a condition on aws:SourceAccount or aws:SourceArn",
        "T1199",
    ),
    "iam-unused-principal": Rule(
        "medium", "is not in use", "Delete it, or deny it everything and wait before you do", "T1078.004"
    ),
    "iam-unused-services": Rule(
        "low", "services that it does not use", "Take the services out of its policies", "T1078.004"
    ),
    "iam-unused-permissions": Rule(
        "low",
        "permissions that the records show no use of",
        "Replace its policies by one of the actions that are in use",
        "T1078.004",
    ),
    "iam-grants-nothing": Rule(
        "info", "statements that grant nothing", "Correct the action's name or the resource, or delete the statement"
    ),
    "iam-no-effective-permissions": Rule(
        "info",
        "nothing is left of its permissions",
        "Delete the policies, or correct what takes everything away",
    ),
    "iam-old-access-key": Rule(
        "medium", "an old access key", "Use a role instead; until then, rotate the key", "T1078.004"
    ),
    "iam-several-access-keys": Rule(
        "low", "several active access keys", "Delete the one that is left over from a rotation", "T1078.004"
    ),
    "iam-unused-access-key": Rule(
        "medium", "an active access key that is not in use", "Make the key inactive, then delete it", "T1078.004"
    ),
    "iam-root-access-key": Rule(
        "critical", "the root user has an active access key", "Delete it: nothing limits what it can do", "T1078.004"
    ),
    "iam-console-without-mfa": Rule(
        "high", "may sign in to the console by password alone", "Register an MFA device for the user", "T1078.004"
    ),
    "iam-inline-policy": Rule(
        "info", "has inline policies", "Prefer managed policies, whose versions and uses can be seen in one place"
    ),
    "iam-unknown-permissions": Rule(
        "info", "not all of its permissions are known", "Read the account again, with the policies that are missing"
    ),
    "iam-public-resource": Rule(
        "high", "the public may use it", "Name the principals, or add a condition on aws:PrincipalOrgID", "T1530"
    ),
    "iam-external-resource": Rule(
        "medium", "an account outside may use it", "Check that it is still needed, and name the roles", "T1199"
    ),
}


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What records show a principal to have used, and the coverage that this rests on, in words.

    ``actions``: IAM actions, each with the ARNs it was used on; None: the records do not tell on which.
    """

    actions: Mapping[str, tuple[str, ...] | None]
    coverage: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the findings of one principal are judged by, at ``now``.

    ``last_access``, ``keys``, ``usage`` and ``console_without_mfa`` are None where that is not known.
    """

    entity: IamPrincipal | IamGroup
    permissions: Permissions
    administrator: Administrator
    now: datetime
    wide: Wide
    paths: tuple[EscalationPath, ...] = ()
    trust: tuple[Entry, ...] = ()
    last_access: tuple[ServiceLastAccess, ...] | None = None
    keys: tuple[AccessKeyUse, ...] | None = None
    usage: Usage | None = None
    console_without_mfa: bool | None = None

    @property
    def account(self) -> str:
        """The principal's account."""
        return self.permissions.principal.account or ""

    @property
    def bounds_known(self) -> bool:
        """Whether the permissions boundary, if there is one, could be read: else permissions may be fewer."""
        boundary = None if isinstance(self.entity, IamGroup) else self.entity.boundary
        return boundary is None or boundary not in self.permissions.unknown

    @property
    def last_used(self) -> datetime | None:
        """When it was last used, as far as is known."""
        if isinstance(self.entity, IamRole):
            return self.entity.last_used
        instants = [each.last for each in self.last_access or ()] + [each.last_used for each in self.keys or ()]
        return max((each for each in instants if each is not None), default=None)


def findings_of(facts: Facts) -> tuple[IamFinding, ...]:
    """The findings of a principal, in the order of docs/iam.md.

    Service-linked roles have none: only their service can assume them, and nobody else can change them.
    """
    if isinstance(facts.entity, IamRole) and facts.entity.service_linked:
        return ()
    given = tuple(permission_findings(facts))
    if not facts.bounds_known:
        given = tuple(_doubted(each) for each in given)
    return (*given, *_trusted(facts), *_kept(facts))


def permission_findings(facts: Facts) -> Iterator[IamFinding]:
    """What follows from the effective permissions. Of an administrator, what every administrator can do is left out."""
    yield from _administrator(facts)
    yield from _escalation(facts)
    if facts.administrator.answer != "yes":
        yield from _wide_findings(facts)
    yield from _pitfalls(facts)
    yield from _nothing(facts)


def finding(
    id_: str,
    *,
    detail: str,
    evidence: Iterable[IamEvidence] = (),
    certain: bool = True,
    severity: Severity | None = None,
) -> IamFinding:
    """A finding of a rule; one that is not certain is a step less grave."""
    rule = RULES[id_]
    grave = severity or rule.severity
    return IamFinding(
        id=id_,
        severity=grave if certain else _LOWER.get(grave, grave),
        title=rule.title,
        detail=detail,
        evidence=tuple(evidence),
        recommendation=rule.recommendation,
        technique=rule.technique,
        certain=certain,
    )


def _doubted(found: IamFinding) -> IamFinding:
    """A finding of permissions that an unread boundary may take away."""
    if not found.certain:
        return found
    return msgspec.structs.replace(
        found,
        certain=False,
        severity=_LOWER.get(found.severity, found.severity),
        detail=f"{found.detail} (if its permissions boundary, which was not read, lets it)",
    )


# --- permissions ----------------------------------------------------------------------------------------------------


def _identity(facts: Facts) -> tuple[Clause, ...]:
    return facts.permissions.layers[0][1]


def _administrator(facts: Facts) -> Iterator[IamFinding]:
    admin = facts.administrator
    if admin.answer == "no":
        return
    refs = {ref for _, refs in admin.by for ref in refs}
    clauses = [each for each in _identity(facts) if each.ref in refs]
    iam = catalog().of_service("iam")
    shown = [evidence(each, iam) for each in clauses[:SHOWN_STATEMENTS]]
    ways = "; ".join(way for way, _ in admin.by)
    if admin.answer == "conditional":
        detail = f"It {ways}, if {admin.when}"
        yield finding("iam-conditional-administrator", detail=detail, evidence=shown, certain=False)
        return
    by_name = any(each.widest.everything and not each.conditions and "*" in each.template.texts for each in clauses)
    yield finding("iam-administrator" if by_name else "iam-shadow-administrator", detail=f"It {ways}", evidence=shown)


def _escalation(facts: Facts) -> Iterator[IamFinding]:
    if not facts.paths:
        return
    path = min(facts.paths, key=lambda each: (not each.certain, len(each.steps), each.id))
    steps = "; then ".join(f"{step.principal} ({step.rule}) becomes {step.to}" for step in path.steps)
    more = f" There are {len(facts.paths)} ways." if len(facts.paths) > 1 else ""
    conditions = f", if {' and '.join(path.conditions)}" if path.conditions else ""
    yield finding(
        "iam-escalation",
        detail=f"{steps}{conditions}.{more}",
        evidence=[step.statement for step in path.steps if step.statement is not None],
        certain=path.certain,
    )


def _wide_findings(facts: Facts) -> Iterator[IamFinding]:
    wide = facts.wide
    if not wide.may:
        return
    for family, mask in _masks():
        hits = wide.sure & mask or wide.may & mask
        if hits:
            yield _family(facts, family, hits, certain=bool(wide.sure & mask))
    services, certain = _whole_services(wide.sure_allowed, wide.sure), True
    if not services:
        services, certain = _whole_services(wide.may_allowed, wide.may), False
    if services:
        bits = 0
        for service in services:
            bits |= catalog().of_service(service)
        yield finding(
            "iam-wildcard-service",
            detail=f"All actions on all resources of {_names(services)}, but for what a Deny takes",
            evidence=evidence_of(_identity(facts), bits, facts.account),
            certain=certain,
        )
    writes = wide.sure & _restrictable_writes()
    if writes.bit_count() >= UNRESTRICTED_WRITES:
        names = tuple(name for name, _ in zip(catalog().members(writes), range(_SHOWN_NAMES + 1), strict=False))
        yield finding(
            "iam-unrestricted-writes",
            detail=f"{_names(names, writes.bit_count())}: on every resource, though they can be limited to some",
            evidence=evidence_of(_identity(facts), writes, facts.account),
        )


def _family(facts: Facts, family: Family, hits: int, *, certain: bool) -> IamFinding:
    names = tuple(catalog().members(hits))
    condition = "" if certain else ", under conditions"
    return finding(
        family.finding,
        detail=f"It may {family.what} on all resources of a type{condition}: {_names(names)}",
        evidence=evidence_of(_identity(facts), hits, facts.account),
        certain=certain,
    )


def _pitfalls(facts: Facts) -> Iterator[IamFinding]:
    for id_, elements in (
        ("iam-not-action-allow", [each for each in _identity(facts) if each.template.negated and _is_wide(each)]),
        ("iam-not-resource-allow", [each for each in _identity(facts) if each.widest.negated]),
    ):
        if not elements:
            continue
        left = [(each, _left(facts.permissions, each)) for each in elements]
        given = [(each, actions) for each, actions in left if actions]
        if given:
            actions = 0
            for _, each_actions in given:
                actions |= each_actions
            yield finding(
                id_,
                detail=f"{actions.bit_count()} known actions are allowed that the policy does not name"
                if id_ == "iam-not-action-allow"
                else f"{actions.bit_count()} known actions are allowed on resources that the policy does not name",
                evidence=[evidence(each) for each, _ in given[:SHOWN_STATEMENTS]],
            )


def _is_wide(clause: Clause) -> bool:
    return clause.widest.everything or clause.widest.negated


def _left(permissions: Permissions, clause: Clause) -> int:
    """The actions that other layers and wide denials leave of a statement."""
    left = clause.actions & permissions.named.known
    for deny in permissions.denies:
        if deny.surest.everything:
            left &= ~deny.actions
    return left


def _nothing(facts: Facts) -> Iterator[IamFinding]:
    identity = _identity(facts)
    inert = [each for each in identity if not _is_aws_managed(each) and not _acting(each.actions, each.widest)]
    if inert:
        policies = {each.ref.source for each in identity}
        working = {each.ref.source for each in identity if each not in inert}
        whole = sorted(str(source) for source in policies - working)
        unknown = sorted(
            {text for each in inert if not each.template.negated for text in each.template.texts if not matching(text)}
        )
        parts = [
            f"Of {_names(whole)} nothing is left" if whole else "",
            f"no such action is known: {_names(unknown)}" if unknown else "",
            "the actions do not act on the resources that are named" if any(each.actions for each in inert) else "",
        ]
        yield finding(
            "iam-grants-nothing",
            detail="; ".join(part for part in parts if part),
            evidence=[evidence(each) for each in inert[:SHOWN_STATEMENTS]],
        )
    permissions = facts.permissions
    limited = len(permissions.layers) > 1 or permissions.denies
    if identity and limited and not facts.wide.may and not permissions.grants and len(inert) < len(identity):
        limits = {ref.source.kind for ref in (each.ref for each in permissions.denies)}
        limits |= {each.ref.source.kind for _, clauses in permissions.layers[1:] for each in clauses}
        yield finding(
            "iam-no-effective-permissions",
            detail=f"Its policies allow something, and {_names(sorted(limits)) or 'the bounds'} take all of it away",
            evidence=[evidence(each) for each in identity[:SHOWN_STATEMENTS]],
        )


def _is_aws_managed(clause: Clause) -> bool:
    return ":iam::aws:policy/" in (clause.ref.source.arn or "")


@lru_cache(maxsize=65536)
def _acting(actions: int, reach: Reach) -> bool:
    """Whether one of the actions can act on something of the reach."""
    if reach.everything or reach.negated:
        return bool(actions)
    return any(actions & catalog().acting_on(each) for each in reach.patterns)


@lru_cache(maxsize=1)
def _masks() -> tuple[tuple[Family, int], ...]:
    return tuple((family, family.mask) for family in families())


@lru_cache(maxsize=1)
def _changing() -> int:
    """The actions that change something."""
    levels = catalog().at_level
    return levels["Permissions management"] | levels["Write"]


@lru_cache(maxsize=1)
def _restrictable_writes() -> int:
    """The actions that change something and act on resources that a policy can name."""
    bits = 0
    for kinds in catalog().kinds("aws").values():
        for actions in kinds.values():
            bits |= actions
    return bits & _changing()


@lru_cache(maxsize=4096)
def _whole_services(allowed: int, left: int) -> tuple[str, ...]:
    """The services of which every action is allowed, and denials leave half, some that change something among them."""
    index = catalog()
    found: list[str] = []
    for service, part in index.by_service(allowed):
        rest, size = part & left, part.bit_count()
        whole = part == index.of_service(service) and size >= SMALL_SERVICE
        if whole and rest & _changing() and 2 * rest.bit_count() >= size:
            found.append(service)
    return tuple(found)


def _names(names: Iterable[str], count: int | None = None) -> str:
    every = list(names)
    total = len(every) if count is None else count
    more = f" and {total - _SHOWN_NAMES} more" if total > _SHOWN_NAMES else ""
    return f"{', '.join(every[:_SHOWN_NAMES])}{more}"


# --- trust ----------------------------------------------------------------------------------------------------------


def _trusted(facts: Facts) -> Iterator[IamFinding]:
    entity = facts.entity
    if not isinstance(entity, IamRole) or not facts.trust:
        return
    found: dict[str, list[tuple[Entry, str, bool]]] = {}
    for entry in facts.trust:
        for concern in entry.concerns:
            found.setdefault(concern.id, []).append((entry, concern.why, concern.certain))
    for id_, entries in found.items():
        yield finding(
            id_,
            detail="; ".join(dict.fromkeys(why for _, why, _ in entries)),
            evidence=[entry.evidence(entity) for entry, _, _ in entries[:SHOWN_STATEMENTS]],
            certain=any(certain for _, _, certain in entries),
        )


# --- use and upkeep -------------------------------------------------------------------------------------------------


def _kept(facts: Facts) -> Iterator[IamFinding]:
    unused = _unused_principal(facts)
    if unused is not None:
        yield unused
    else:
        yield from _unused_services(facts)
        yield from _unused_permissions(facts)
    if facts.keys is not None:
        yield from key_findings(facts.entity.arn, facts.keys, facts.now)
    if facts.console_without_mfa:
        fact = IamEvidence(holder=facts.entity.arn, text="console password: yes, MFA device: none")
        yield finding("iam-console-without-mfa", detail="It has a password and no MFA device", evidence=[fact])
    if facts.entity.inline:
        names = [policy.source.name for policy in facts.entity.inline]
        shown = [IamEvidence(policy=name, holder=facts.entity.arn) for name in names[:SHOWN_STATEMENTS]]
        yield finding("iam-inline-policy", detail=f"Inline: {_names(names)}", evidence=shown)
    if facts.permissions.unknown:
        yield finding(
            "iam-unknown-permissions",
            detail=f"Not read: {_names(facts.permissions.unknown)}",
            evidence=[IamEvidence(policy=each, holder=facts.entity.arn) for each in facts.permissions.unknown],
        )


def _unused_principal(facts: Facts) -> IamFinding | None:
    """A role by RoleLastUsed; a user by the last access of its services and its keys, if both are known."""
    entity, now = facts.entity, facts.now
    if isinstance(entity, IamGroup) or (facts.usage is not None and facts.usage.actions):
        return None
    if isinstance(entity, IamUserEntity) and (facts.last_access is None or facts.keys is None):
        return None
    last, created = facts.last_used, entity.created
    if last is not None:
        if now - last < UNUSED_AFTER:
            return None
        text = f"last used {_day(last)}, {(now - last).days} days ago"
    elif created is not None and now - created >= UNUSED_AFTER:
        kept = f"the last {TRACKING_PERIOD.days} days that AWS keeps"
        text = f"made {_day(created)}, {(now - created).days} days ago, and not used in {kept}"
    else:
        return None
    severity: Severity = "medium" if facts.administrator.answer == "yes" or facts.paths else "low"
    return finding(
        "iam-unused-principal",
        detail=text[0].upper() + text[1:],
        evidence=[IamEvidence(holder=entity.arn, text=text)],
        severity=severity,
    )


def stale_services(facts: Facts) -> tuple[str, ...]:
    """The services that a principal may use and has not, for as long as makes it unused; by name."""
    oldest = facts.now - UNUSED_AFTER
    stale = (
        each.service
        for each in facts.last_access or ()
        if each.tracked_since <= oldest and (each.last is None or each.last < oldest)
    )
    return tuple(sorted(stale))


def _unused_services(facts: Facts) -> Iterator[IamFinding]:
    stale = stale_services(facts)
    if stale:
        yield finding(
            "iam-unused-services",
            detail=f"{len(stale)} of {len(facts.last_access or ())} services that it may use, not in the last "
            f"{UNUSED_AFTER.days} days: {_names(stale)}",
            evidence=[IamEvidence(holder=facts.entity.arn, text=f"service last accessed: {_names(stale)}")],
        )


def _unused_permissions(facts: Facts) -> Iterator[IamFinding]:
    if facts.usage is None:
        return
    granted = facts.permissions.named.known & _changing()
    used = 0
    for action in facts.usage.actions:
        used |= matching(action)
    unused = granted & ~used
    if unused.bit_count() < UNUSED_PERMISSIONS:
        return
    services = [service for service, _ in catalog().by_service(unused)]
    text = (
        f"{unused.bit_count()} of {granted.bit_count()} granted actions that change something were not used; "
        f"{len(facts.usage.actions)} actions of any kind were ({facts.usage.coverage}). Services: {_names(services)}"
    )
    yield finding(
        "iam-unused-permissions",
        detail=text,
        evidence=[IamEvidence(holder=facts.entity.arn, text=facts.usage.coverage)],
    )


def key_findings(arn: str, keys: Iterable[AccessKeyUse], now: datetime) -> Iterator[IamFinding]:
    """What is wrong with the access keys of a user; of the root user, that it has any."""
    active = [each for each in keys if each.active]
    if arn.endswith(":root"):
        if active:
            facts = [IamEvidence(holder=arn, text=_key_text(each, now)) for each in active]
            yield finding("iam-root-access-key", detail=f"{len(active)} active", evidence=facts)
        return
    aged = [(each, now - each.rotated) for each in active if each.rotated is not None]
    old = [(each, age) for each, age in aged if age >= KEY_AGES[-1][0]]
    if old:
        oldest = max(age for _, age in old)
        severity = next(severity for limit, severity in KEY_AGES if oldest >= limit)
        facts = [IamEvidence(holder=arn, text=_key_text(each, now)) for each, _ in old]
        detail = f"Made or made active {oldest.days} days ago"
        yield finding("iam-old-access-key", detail=detail, evidence=facts, severity=severity)
    if len(active) > 1:
        facts = [IamEvidence(holder=arn, text=_key_text(each, now)) for each in active]
        yield finding("iam-several-access-keys", detail=f"{len(active)} active", evidence=facts)
    idle = [
        each
        for each, age in aged
        if age >= UNUSED_AFTER and (each.last_used is None or now - each.last_used >= UNUSED_AFTER)
    ]
    if idle:
        facts = [IamEvidence(holder=arn, text=_key_text(each, now)) for each in idle]
        yield finding("iam-unused-access-key", detail=f"Not in the last {UNUSED_AFTER.days} days", evidence=facts)


def _key_text(key: AccessKeyUse, now: datetime) -> str:
    age = f"{(now - key.rotated).days} days old" if key.rotated else "of unknown age"
    used = f"last used {_day(key.last_used)}" if key.last_used else "never used, or not in the time that AWS keeps"
    return f"access key {key.number}, active, {age}, {used}"


def _day(instant: datetime) -> str:
    return instant.date().isoformat()
