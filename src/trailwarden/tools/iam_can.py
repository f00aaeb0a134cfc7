"""What a principal can do."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..errors import UsageError
from ..installation import Installation
from ..model.finding import Coverage
from ..model.iam_report import IamEvidence
from ..tool import tool
from ._iam import Accounts, DetailsFile, RefreshIam, evidence_of, judged
from ._iam_needs import AUTHORIZATION_NEEDS
from .iam_role import find_principal

ONE_SIDE = "a resource's own policy is not part of this answer: it was not read, or the question names no one resource"
Answer = Literal["yes", "no", "part", "conditional"]


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a principal can do actions on a resource.

    ``part``: on a part of what the pattern names. ``when`` says what must hold where the answer is conditional.
    ``permitted_by`` and ``limited_by`` are the statements; ``blocked_by`` the kinds of policy in the way of a no.
    """

    principal: str
    actions: tuple[str, ...]
    resource: str
    answer: Answer
    when: str = ""
    permitted_by: tuple[IamEvidence, ...] = ()
    limited_by: tuple[IamEvidence, ...] = ()
    blocked_by: tuple[str, ...] = ()


class Permitted(msgspec.Struct, frozen=True, kw_only=True):
    """The answers, and what they rest on."""

    permissions: tuple[Permission, ...]
    coverage: Coverage


@tool(
    effect="read",
    title="Ask what a role or user can do",
    needs=AUTHORIZATION_NEEDS,
    examples=(
        "trailwarden iam can AdminRole s3:GetObject arn:aws:s3:::acme-production-invoices/*",
        "trailwarden iam can DeployRole 'iam:*'",
        "trailwarden iam can DeployRole --on arn:aws:s3:::acme-production-invoices",
    ),
)
def iam_can(
    app: Installation,
    principal: Annotated[
        str, Meta(description="Role or user: its name or ARN", extra={"argument": True, "metavar": "PRINCIPAL"})
    ],
    action: Annotated[
        str | None,
        Meta(description="Action (s3:GetObject, iam:*)", extra={"argument": True, "metavar": "[ACTION]"}),
    ] = None,
    resource: Annotated[
        str, Meta(description="Resource: an ARN, * for any", extra={"argument": True, "metavar": "[RESOURCE]"})
    ] = "*",
    *,
    on: Annotated[
        str | None, Meta(description="List everything that it can do on this resource", extra={"metavar": "ARN"})
    ] = None,
    account: Accounts = (),
    authorization_details: DetailsFile = None,
    refresh: RefreshIam = False,
) -> Permitted:
    """Whether a principal can do an action on a resource, by everything that is known.

    Judged are its policies, boundary and SCPs, and the resource's own policy where that was read.

    Raises:
        UsageError: neither an action nor --on was given.
        TrailwardenError: no such principal.
    """
    from ..iam.answers import actions_on, can  # noqa: PLC0415

    if action is None and on is None:
        raise UsageError("what about it?", remedy="name an action (s3:GetObject), or a resource: its ARN, as on")
    at_hand = judged(app, file=authorization_details, accounts=account, refresh=refresh)
    arn = find_principal(at_hand, principal.strip())
    if arn not in at_hand.permissions:
        raise UsageError(f"{arn} is a group: it does nothing itself", remedy="ask about one of its users")
    permissions = at_hand.permissions[arn]
    notes = []
    if on is not None:
        found = actions_on(permissions, on)
        notes.append(ONE_SIDE)
    else:
        assert action is not None
        decide = at_hand.decide_on(arn, resource)
        found = can(permissions, action, resource, decide=decide)
        notes += [] if decide is not None else [ONE_SIDE]
    permitted = tuple(
        Permission(
            principal=arn,
            actions=each.actions,
            resource=each.resource,
            answer=each.answer,
            when=each.when,
            permitted_by=tuple(map(evidence_of, each.permitted_by)),
            limited_by=tuple(map(evidence_of, each.limited_by)),
            blocked_by=each.blocked_by,
        )
        for each in found
    )
    notes += [f"not known of this principal: {each}" for each in permissions.unknown]
    return Permitted(permissions=permitted, coverage=at_hand.coverage(notes))
