"""Scan every role, user and group: who is an administrator, who can become one, and what else is wrong."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..iam.scan import SubjectReport
from ..installation import Installation
from ..model.finding import Coverage, Severity
from ..model.iam_report import PrincipalKind, PrincipalReport
from ..tool import tool
from ._iam import Accounts, DetailsFile, RefreshIam, judged
from ._iam_needs import AUTHORIZATION_NEEDS

#: From the least grave.
_SEVERITIES: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")


class IamScan(msgspec.Struct, frozen=True, kw_only=True):
    """Principals, the riskiest first; ``total`` counts them all, ``administrators`` those that are one,
    ``reach_administrator`` those that can become one. ``others`` are resources with findings by their policy, and root
    users by their keys.

    ``account`` is set where one account was scanned; every principal's ARN names its own.
    """

    principals: tuple[PrincipalReport, ...]
    others: tuple[SubjectReport, ...]
    total: int
    administrators: int
    reach_administrator: int
    account: str | None
    accounts: tuple[str, ...]
    coverage: Coverage


@tool(
    effect="read",
    title="Scan all roles, users and groups",
    needs=AUTHORIZATION_NEEDS,
    examples=(
        "trailwarden iam scan",
        "trailwarden iam scan --account 222222222222 --kind role --min-severity high",
        "trailwarden iam scan --authorization-details account.json --format json",
    ),
)
def iam_scan(
    app: Installation,
    *,
    account: Accounts = (),
    authorization_details: DetailsFile = None,
    kind: Annotated[tuple[PrincipalKind, ...], Meta(description="Only this kind of principal")] = (),
    min_severity: Annotated[Severity, Meta(description="Leave out principals of less severity")] = "info",
    limit: Annotated[int | None, Meta(ge=1, description="How many principals are shown at most (default: all)")] = None,
    refresh: RefreshIam = False,
) -> IamScan:
    """Judge every principal by its effective permissions: boundaries, denies, SCPs and conditions included.

    Each has a score of 0 to 100, findings with the statement that shows them, and the shortest paths to an
    administrator. docs/iam.md lists the findings and how the score is made.

    Raises:
        SetupError: no account is connected, and no file given.
        UsageError: the file cannot be read, or an account is not connected.
    """
    from ..iam.scan import scan  # noqa: PLC0415

    named = account if authorization_details is None else ()
    shown = {app.state.connections.get(each, purpose="read").account_id for each in named}
    # Others are judged too: a path to an administrator may lead through them.
    at_hand = judged(app, file=authorization_details, refresh=refresh)
    paths = at_hand.paths()
    console_without_mfa = at_hand.console_without_mfa()
    results = [
        scan(
            snapshot,
            paths=paths,
            now=app.now(),
            used=at_hand.usage(snapshot.account),
            known_accounts=at_hand.known_accounts,
            permissions=at_hand.permissions,
            administrators=at_hand.administrators,
            console_without_mfa=console_without_mfa,
        )
        for snapshot in at_hand.snapshots
        if not shown or snapshot.account in shown
    ]
    found = [each for result in results for each in result.principals]
    least = _SEVERITIES.index(min_severity)
    chosen = sorted(
        (each for each in found if (not kind or each.kind in kind) and _SEVERITIES.index(each.severity) >= least),
        key=lambda each: (-each.score, each.arn),
    )
    accounts = tuple(result.account for result in results)
    return IamScan(
        principals=tuple(chosen[:limit]),
        others=tuple(each for result in results for each in result.others) if not kind else (),
        total=len(chosen),
        administrators=sum(each.admin for each in found),
        reach_administrator=sum(each.reaches_admin and not each.admin for each in found),
        account=accounts[0] if len(accounts) == 1 else None,
        accounts=accounts,
        coverage=at_hand.coverage(dict.fromkeys(note for result in results for note in result.notes)),
    )
