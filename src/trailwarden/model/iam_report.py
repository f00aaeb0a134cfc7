"""What the analysis of IAM says of principals: escalation paths, findings, a score, and what to change."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from .finding import Severity

PrincipalKind = Literal["role", "user", "group"]


class IamEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What in the account shows a finding: a statement of a policy, or a fact of the principal.

    ``policy`` is the policy's ARN, or its name with the holder's ARN in ``holder``; ``statement`` its index in the
    document, ``sid`` its Sid; ``text`` the part that matters, as written.
    """

    policy: str | None = None
    holder: str | None = None
    statement: int | None = None
    sid: str | None = None
    text: str = ""


class EscalationStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step: ``principal`` uses ``actions`` (as ``rule`` describes) and then acts as ``to``.

    ``statement`` permits it (more may be in ``statements``). ``certain`` is False where a condition, an unknown
    fact (``if_exists``: "a function whose role is X") or a value outside of the policies must hold:
    ``conditions`` names them. ``breaks`` says what would break the step.
    """

    principal: str
    rule: str
    to: str
    actions: tuple[str, ...]
    statement: IamEvidence | None
    statements: tuple[IamEvidence, ...] = ()
    certain: bool = True
    conditions: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()


class EscalationPath(msgspec.Struct, frozen=True, kw_only=True):
    """A way to an administrator, shortest first. ``id`` is stable: the rules and principals in it."""

    id: str
    to: str
    steps: tuple[EscalationStep, ...]
    certain: bool
    conditions: tuple[str, ...] = ()


class IamFinding(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with a principal. ``id`` names the rule (docs/iam.md), ``technique`` MITRE's, if one fits."""

    id: str
    severity: Severity
    title: str
    detail: str = ""
    evidence: tuple[IamEvidence, ...] = ()
    recommendation: str = ""
    technique: str = ""
    certain: bool = True


class ScorePart(msgspec.Struct, frozen=True, kw_only=True):
    """Points of a risk score, and what they are for; ``rule`` is a row of docs/iam.md's table."""

    rule: str
    points: int
    reason: str


class TrustLine(msgspec.Struct, frozen=True, kw_only=True):
    """One way into a role, in plain words. ``concern`` is a finding's id, or empty."""

    who: str
    how: str
    conditions: tuple[str, ...] = ()
    concern: str = ""
    statement: IamEvidence | None = None


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What to change, ranked by ``removes``: the points of the score that it takes away.

    ``before`` and ``after`` are a statement or policy as JSON values; ``breaks`` is what would stop working, as far
    as is known; ``rests_on`` is the coverage that this was judged on.
    """

    id: str
    title: str
    detail: str = ""
    removes: int = 0
    before: Any = None
    after: Any = None
    breaks: tuple[str, ...] = ()
    rests_on: str = ""


class PrincipalReport(msgspec.Struct, frozen=True, kw_only=True):
    """One principal of a scan. ``admin`` is effective: boundaries, denies and SCPs are taken into account."""

    arn: str
    kind: PrincipalKind
    name: str
    admin: bool
    admin_by: tuple[str, ...]
    reaches_admin: bool
    paths: tuple[EscalationPath, ...]
    score: int
    severity: Severity
    findings: tuple[IamFinding, ...]
    score_parts: tuple[ScorePart, ...] = ()
    last_used: datetime | None = None
    tags: Mapping[str, str] = {}
