"""Everything about one role."""

from typing import Annotated

from msgspec import Meta

from ..errors import TrailwardenError
from ..iam.scan import RoleAnalysis
from ..installation import Installation
from ..model.finding import Coverage
from ..tool import tool
from ._iam import Accounts, DetailsFile, Judged, RefreshIam, judged
from ._iam_needs import AUTHORIZATION_NEEDS


class RoleReport(RoleAnalysis, frozen=True, kw_only=True):
    """A principal's analysis, and the coverage that it rests on."""

    coverage: Coverage


@tool(
    effect="read",
    title="Analyse one role, user or group",
    needs=AUTHORIZATION_NEEDS,
    examples=(
        "trailwarden iam role AdminRole",
        "trailwarden iam role arn:aws:iam::222222222222:role/DeployRole --format json",
        "trailwarden iam role deploy --authorization-details account.json",
    ),
)
def iam_role(
    app: Installation,
    name: Annotated[
        str, Meta(description="Role, user or group: its name or ARN", extra={"argument": True, "metavar": "NAME|ARN"})
    ],
    *,
    account: Accounts = (),
    authorization_details: DetailsFile = None,
    refresh: RefreshIam = False,
) -> RoleReport:
    """What a principal can really do, who can become it, how far it can climb, and what to change.

    Policies, boundary and trust in plain words; effective permissions by service and access level; findings; a
    risk score whose every point is listed; recommendations ranked by the risk that they remove, among them a
    policy of what CloudTrail shows in use.

    Raises:
        TrailwardenError: no such principal, or several of that name.
        SetupError: no account is connected, and no file given.
    """
    from ..iam.scan import analyze  # noqa: PLC0415

    at_hand = judged(app, file=authorization_details, accounts=account, refresh=refresh)
    arn = find_principal(at_hand, name.strip())
    if ":group/" not in arn:
        at_hand.ask_last_access(arn)
    snapshot = next(each for each in at_hand.snapshots if each.account == arn.split(":")[4])
    found = analyze(
        snapshot,
        arn,
        paths=at_hand.paths(),
        now=app.now(),
        used=at_hand.usage(snapshot.account, arn),
        known_accounts=at_hand.known_accounts,
        permissions=at_hand.permissions,
        administrators=at_hand.administrators,
        console_without_mfa=at_hand.console_without_mfa(),
    )
    return RoleReport(
        **{field: getattr(found, field) for field in RoleAnalysis.__struct_fields__},
        coverage=at_hand.coverage(found.notes),
    )


def find_principal(at_hand: Judged, name: str) -> str:
    """The ARN of a role, user or group, from its ARN or name.

    Raises:
        TrailwardenError: no such principal, or several of that name.
    """
    known = {
        arn: entity.name
        for each in at_hand.snapshots
        for holders in (each.authorization.roles, each.authorization.users, each.authorization.groups)
        for arn, entity in holders.items()
    }
    if name in known:
        return name
    found = [arn for arn, each in known.items() if each.lower() == name.lower()]
    roles = [arn for arn in found if ":role/" in arn]
    if len(found) == 1 or len(roles) == 1:
        return (roles or found)[0]
    if found:
        raise TrailwardenError(f"{len(found)} principals are named {name!r}", remedy=f"give one: {', '.join(found)}")
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(name.rsplit("/", 1)[-1], sorted(set(known.values())), n=3)
    where = ", ".join(each.account for each in at_hand.snapshots)
    raise TrailwardenError(
        f"no role, user or group {name!r} in {where}",
        remedy=f"did you mean {' or '.join(near)}?" if near else "`trailwarden iam scan` lists them all",
    )
