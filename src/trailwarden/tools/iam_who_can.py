"""Who can do something."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.finding import Coverage
from ..tool import tool
from ._iam import Accounts, DetailsFile, RefreshIam, evidence_of, judged
from ._iam_needs import AUTHORIZATION_NEEDS
from .iam_can import ONE_SIDE, Permission

_INSIDE = "users and roles of the accounts at hand; the resource's own policy may let in others: see it in iam scan"


class WhoCan(msgspec.Struct, frozen=True, kw_only=True):
    """The principals that can do it, those of whom it is certain first."""

    action: str
    resource: str
    principals: tuple[Permission, ...]
    coverage: Coverage


@tool(
    effect="read",
    title="Ask who can do something",
    command="iam who-can",
    needs=AUTHORIZATION_NEEDS,
    examples=(
        "trailwarden iam who-can iam:CreateAccessKey",
        "trailwarden iam who-can s3:GetObject 'arn:aws:s3:::acme-production-invoices/*'",
        "trailwarden iam who-can kms:Decrypt --account 222222222222 --format csv",
    ),
)
def iam_who_can(
    app: Installation,
    action: Annotated[str, Meta(description="Action (s3:GetObject)", extra={"argument": True, "metavar": "ACTION"})],
    resource: Annotated[
        str, Meta(description="Resource: an ARN, * for any", extra={"argument": True, "metavar": "[RESOURCE]"})
    ] = "*",
    *,
    account: Accounts = (),
    authorization_details: DetailsFile = None,
    refresh: RefreshIam = False,
) -> WhoCan:
    """The users and roles that can do an action on a resource, certain answers first.

    Judged are policies, boundaries and SCPs, and the resource's own policy where the question names one resource
    whose policy was read.

    Raises:
        UsageError: not one action.
    """
    from ..iam.answers import by_decision, holders  # noqa: PLC0415
    from ..iam.effective import PermissionIndex  # noqa: PLC0415

    at_hand = judged(app, file=authorization_details, accounts=account, refresh=refresh)
    asked = action.strip()
    whole = at_hand.policy_of(resource)
    if whole is not None:
        deciding = ((arn, at_hand.decide_on(arn, resource)) for arn in at_hand.permissions)
        found = by_decision(asked, ((arn, decide) for arn, decide in deciding if decide is not None))
    else:
        found = holders(PermissionIndex(at_hand.permissions.values()).who_can(asked, resource))
    return WhoCan(
        action=asked,
        resource=resource,
        principals=tuple(
            Permission(
                principal=arn,
                actions=(asked,),
                resource=resource,
                answer=each.answer,
                when=each.when,
                permitted_by=tuple(map(evidence_of, each.permitted_by)),
                limited_by=tuple(map(evidence_of, each.limited_by)),
            )
            for arn, each in found
        ),
        coverage=at_hand.coverage([ONE_SIDE if whole is None else _INSIDE]),
    )
