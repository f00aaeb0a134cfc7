"""Connect accounts through their roles."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..errors import TrailwardenError, UsageError
from ..installation import Installation
from ..tool import tool


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """One connection after the attempt. ``status``: ``connected``, or ``waiting`` while the role cannot be assumed."""

    account: str
    role_arn: str
    status: Literal["connected", "waiting"]
    detail: str
    remedy: str


class ConnectReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was connected. ``external_id`` is shown only if it was generated just now: the trust policy needs it."""

    accounts: tuple[Connected, ...]
    external_id: str | None
    next: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """1 where a role could not be assumed though its External ID was given."""
        waiting = any(each.status == "waiting" for each in self.accounts)
        return 1 if waiting and self.external_id is None else 0


@tool(
    effect="setup",
    title="Connect AWS accounts through their roles",
    needs=("sts:GetCallerIdentity",),
    examples=(
        "trailwarden accounts connect arn:aws:iam::222222222222:role/Trailwarden",
        "trailwarden accounts connect arn:aws:iam::222222222222:role/Trailwarden --external-id ID --label production",
        "trailwarden accounts connect $(cat role-arns.txt) --external-id ID",
    ),
)
def accounts_connect(
    app: Installation,
    role_arns: Annotated[
        tuple[str, ...],
        Meta(description="ARNs of roles, one an account", extra={"argument": True, "metavar": "ROLE_ARN..."}),
    ],
    *,
    external_id: Annotated[
        str | None,
        Meta(
            description="External ID that the roles' trust policies ask for; generated if not given",
            extra={"secret": True},
        ),
    ] = None,
    label: Annotated[str, Meta(description="A name for the account, shown beside its id")] = "",
    purpose: Annotated[
        Literal["read", "respond"], Meta(description="read investigates; respond carries out approved actions")
    ] = "read",
) -> ConnectReport:
    """Connect one account or many: keep each role's ARN and External ID, and try to assume it.

    Connecting a role again replaces its External ID. Without --external-id one is generated and shown:
    put it into the trust policy (trailwarden accounts policy prints it whole), then run accounts doctor.
    Only temporary credentials are used, and none are stored.

    Raises:
        UsageError: not a role's ARN, not an External ID, or one label for several accounts.
    """
    from ..aws.trust import generate_external_id  # noqa: PLC0415

    if label and len(role_arns) > 1:
        raise UsageError("one label cannot name several accounts", remedy="connect them one by one, or without a label")
    generated = None if external_id else generate_external_id()
    outcomes = tuple(_connect(app, arn, external_id or generated or "", label, purpose) for arn in role_arns)
    app.expect_accounts()
    accounts = " ".join(each.account for each in outcomes)
    waiting = any(each.status == "waiting" for each in outcomes)
    return ConnectReport(
        accounts=outcomes,
        external_id=generated,
        next=(
            *(
                (f"trailwarden accounts policy {outcomes[0].account}: the trust policy with this External ID",)
                if generated
                else ()
            ),
            *((f"trailwarden accounts doctor {accounts}: what is wrong, exactly",) if waiting else ()),
            *((f'trailwarden ask "Who signed in to account {outcomes[0].account} today?"',) if not waiting else ()),
        ),
    )


def _connect(
    app: Installation, role_arn: str, external_id: str, label: str, purpose: Literal["read", "respond"]
) -> Connected:
    store = app.state.connections
    known = [each for each in store.list() if each.role_arn == role_arn.strip()]
    if known:
        connection = known[0]
        store.set_external_id(connection, external_id)
        if label:
            connection = store.set_label(connection, label)
        app.broker.forget(connection)
    else:
        connection = store.add(role_arn, external_id, label=label, purpose=purpose, now=app.now())
    try:
        app.broker.session(connection)
    except TrailwardenError as error:
        store.record_check(connection, "waiting", at=app.now())
        return Connected(
            account=connection.account_id,
            role_arn=connection.role_arn,
            status="waiting",
            detail=error.message,
            remedy=error.remedy,
        )
    store.record_check(connection, "connected", at=app.now())
    return Connected(
        account=connection.account_id,
        role_arn=connection.role_arn,
        status="connected",
        detail="the role was assumed with the External ID",
        remedy="",
    )
