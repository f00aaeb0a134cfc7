"""From one account's snapshot to what is known of a principal, and from that to its report."""

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from ..model.authorization import AuthorizationSnapshot
from ..model.iam_report import EscalationPath, PrincipalKind, PrincipalReport
from ..model.policy import AccountAuthorization, IamGroup, IamPrincipal, IamRole, IamUserEntity, Policy
from .context import Given
from .effective import Administrator, Permissions, administrator, effective, principal_of
from .findings import Facts, Usage, findings_of
from .principals import RequestPrincipal
from .request import Policies
from .risk import score, severity_of
from .trust import trust_entries
from .wide import wide_of

#: Stands for the name of whoever is in a group: what a policy ties to ``aws:username`` is narrow, whoever it is.
_MEMBER = "any member"


class Account:
    """What the findings of an account's principals are judged by.

    ``permissions`` and ``administrators`` (by ARN) save computing those of users and roles. ``console_without_mfa``:
    the ARNs of users with a password and no MFA device; None: not known. ``known_accounts``: the owner's others.
    """

    def __init__(
        self,
        snapshot: AuthorizationSnapshot,
        *,
        paths: Mapping[str, tuple[EscalationPath, ...]],
        now: datetime,
        used: Mapping[str, Usage] | None = None,
        known_accounts: Collection[str] = (),
        permissions: Mapping[str, Permissions] | None = None,
        administrators: Mapping[str, Administrator] | None = None,
        console_without_mfa: Collection[str] | None = None,
    ) -> None:
        organization = snapshot.organization
        self.snapshot = snapshot
        self.authorization = snapshot.authorization
        self.paths = paths
        self.now = now
        self.used = used or {}
        self.known_accounts = frozenset(known_accounts) | (
            {organization.management_account} if organization is not None else frozenset()
        )
        self.console_without_mfa = console_without_mfa
        self._permissions = permissions or {}
        self._administrators = administrators or {}
        self._scps = (organization.binding_scps if organization else None) or ()
        self._rcps = (organization.binding_rcps if organization else None) or ()
        self._known: Mapping[str, Given] = {"aws:PrincipalOrgID": organization.id} if organization else {}

    def entities(self) -> tuple[IamPrincipal | IamGroup, ...]:
        """Users, roles, then groups."""
        return (*self.authorization.principals(), *self.authorization.groups.values())

    def facts(
        self,
        entity: IamPrincipal | IamGroup,
        *,
        authorization: AccountAuthorization | None = None,
        paths: tuple[EscalationPath, ...] | None = None,
    ) -> Facts:
        """What is known of a principal; ``authorization`` and ``paths`` are those after a change."""
        changed = authorization is not None
        permissions = None if changed else self._permissions.get(entity.arn)
        known = None if changed else self._administrators.get(entity.arn)
        if permissions is None:
            permissions = self._effective(entity, authorization or self.authorization)
        is_user = isinstance(entity, IamUserEntity)
        without_mfa = None if self.console_without_mfa is None else entity.arn in self.console_without_mfa
        return Facts(
            entity=entity,
            permissions=permissions,
            administrator=known or administrator(permissions),
            now=self.now,
            wide=wide_of(permissions),
            paths=self.paths.get(entity.arn, ()) if paths is None else paths,
            trust=trust_entries(entity, self.snapshot.account, self.known_accounts)
            if isinstance(entity, IamRole)
            else (),
            last_access=self.snapshot.last_access.get(entity.arn),
            keys=self.snapshot.access_keys.get(entity.arn) if is_user else None,
            usage=self.used.get(entity.arn),
            console_without_mfa=without_mfa if is_user else None,
        )

    def _effective(self, entity: IamPrincipal | IamGroup, authorization: AccountAuthorization) -> Permissions:
        if isinstance(entity, IamGroup):
            member = IamUserEntity(arn=entity.arn, name=entity.name, id=entity.id, groups=(entity.name,))
            if authorization.groups.get(entity.name) is not entity:
                groups = {**authorization.groups, entity.name: entity}
                authorization = msgspec.structs.replace(authorization, groups=groups)
            caller = RequestPrincipal(arn=entity.arn, kind="user", account=self.snapshot.account, name=_MEMBER)
            return self._of(authorization.identity_policies(member), None, caller, authorization.unknown_to(member))
        return self._of(
            authorization.identity_policies(entity),
            authorization.boundary_of(entity),
            principal_of(entity),
            authorization.unknown_to(entity),
        )

    def _of(
        self,
        identity: tuple[Policy, ...],
        boundary: Policy | None,
        caller: RequestPrincipal,
        unknown: tuple[str, ...],
    ) -> Permissions:
        organization = self.snapshot.organization
        management = organization is not None and organization.management_account == organization.account
        policies = Policies(identity, boundary, scps=self._scps, rcps=self._rcps, management_account=management)
        return effective(policies, principal=caller, known=self._known, unknown=unknown)


def report_of(facts: Facts) -> PrincipalReport:
    """A principal's findings and score."""
    findings = findings_of(facts)
    points, parts = score(findings)
    entity, admin = facts.entity, facts.administrator
    is_admin = admin.answer == "yes" and facts.bounds_known
    refs = [ref for _, refs in admin.by for ref in refs] if is_admin else []
    return PrincipalReport(
        arn=entity.arn,
        kind=kind_of(entity),
        name=entity.name,
        admin=is_admin,
        admin_by=tuple(dict.fromkeys(map(str, refs))),
        reaches_admin=bool(facts.paths),
        paths=facts.paths,
        score=points,
        severity=severity_of(points),
        findings=findings,
        score_parts=parts,
        last_used=facts.last_used,
        tags={} if isinstance(entity, IamGroup) else entity.tags,
    )


def kind_of(entity: IamPrincipal | IamGroup) -> PrincipalKind:
    """Whether it is a role, a user or a group."""
    if isinstance(entity, IamRole):
        return "role"
    return "user" if isinstance(entity, IamUserEntity) else "group"
