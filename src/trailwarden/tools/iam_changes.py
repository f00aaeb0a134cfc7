"""What changed in IAM between two snapshots."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from ..errors import TrailwardenError
from ..installation import Installation
from ..model.authorization import AuthorizationSnapshot, Change
from ..model.finding import Coverage, Gap, Source
from ..model.time import Window
from ..tool import tool
from ._iam import Accounts, RefreshIam, judged
from ._iam_needs import AUTHORIZATION_NEEDS

_REMEDY = "every `iam scan` keeps one; --refresh takes one now; compare again when something may have changed"


class PermissionChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a principal can do now that it could not, and the other way round, on some resource and in some context.

    ``administrator`` is set where that changed: True for one that became an administrator.
    """

    principal: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    administrator: bool | None = None


class AccountChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of one account between two snapshots."""

    account: str
    before: datetime
    after: datetime
    changes: tuple[Change, ...]
    permissions: tuple[PermissionChange, ...]


class IamChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The changes, by account."""

    accounts: tuple[AccountChanges, ...]
    coverage: Coverage


@tool(
    effect="read",
    title="Compare snapshots of IAM: what changed, and who can do what now",
    needs=AUTHORIZATION_NEEDS,
    examples=(
        "trailwarden iam changes --last 7d",
        "trailwarden iam changes --from 2026-11-01 --to 2026-11-20 --account 222222222222",
    ),
)
def iam_changes(
    app: Installation, *, account: Accounts = (), window: Window | None = None, refresh: RefreshIam = False
) -> IamChanges:
    """What changed in IAM between the last snapshot before the window and the last one in it.

    Every reading of IAM (iam scan, iam role) keeps a snapshot in the lake. Without a window, the oldest and the
    newest are compared; if the window reaches to now, IAM is read again if it was not within the hour.

    Raises:
        TrailwardenError: an account has no two snapshots to compare.
    """
    from ..lake.iam_snapshots import IamSnapshots, changes  # noqa: PLC0415

    now = app.now()
    if window is None or window.end >= now:
        judged(app, accounts=account, refresh=refresh)
    kept = IamSnapshots(app.lake.root)
    wanted = account or tuple(each.account_id for each in app.state.connections.list() if each.purpose != "respond")
    found: list[AccountChanges] = []
    lacking: list[str] = []
    for each in wanted:
        pair = _pair(kept.list(each), window)
        if pair is None:
            lacking.append(each)
            continue
        before, after = (kept.load(each, at) for at in pair)
        found.append(
            AccountChanges(
                account=each, before=before.taken, after=after.taken, changes=changes(before, after),
                permissions=_moved(before, after),
            )
        )  # fmt: skip
    if not found:
        raise TrailwardenError(
            f"no two snapshots to compare of {', '.join(lacking)}",
            remedy=_REMEDY,
        )
    times = [at for each in found for at in (each.before, each.after)]
    compared = tuple(each.account for each in found)
    source = Source(kind="iam", location="snapshots", accounts=compared, first=min(times), last=max(times))
    gaps = (
        Gap(kind="not_covered", account=each, reason="it has no two snapshots to compare", remedy=_REMEDY)
        for each in lacking
    )
    coverage = Coverage(sources=(source,), accounts=compared, window=window, fresh_until=max(times))
    return IamChanges(accounts=tuple(found), coverage=coverage.with_gaps(gaps))


def _pair(times: Sequence[datetime], window: Window | None) -> tuple[datetime, datetime] | None:
    """Which two of the times, newest first, are compared."""
    if window is None:
        return (times[-1], times[0]) if len(times) > 1 else None
    inside = [at for at in times if window.start <= at < window.end]
    before = [at for at in times if at < window.start]
    if not inside:
        return None
    start = before[0] if before else inside[-1]
    return (start, inside[0]) if start != inside[0] else None


def _moved(before: AuthorizationSnapshot, after: AuthorizationSnapshot) -> tuple[PermissionChange, ...]:
    """Whose permissions are not what they were: by the actions that every layer lets through on something."""
    from ..iam.effective import administrator, permissions_in  # noqa: PLC0415

    could, can = permissions_in(before), permissions_in(after)
    found = []
    for arn in sorted(could.keys() | can.keys()):
        had = frozenset(could[arn].named) if arn in could else frozenset()
        has = frozenset(can[arn].named) if arn in can else frozenset()
        was = arn in could and administrator(could[arn]).answer == "yes"
        now = arn in can and administrator(can[arn]).answer == "yes"
        if had != has or was != now:
            found.append(
                PermissionChange(
                    principal=arn,
                    gained=tuple(sorted(has - had)),
                    lost=tuple(sorted(had - has)),
                    administrator=now if was != now else None,
                )
            )
    return tuple(found)
