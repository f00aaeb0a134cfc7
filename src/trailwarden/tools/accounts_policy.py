"""The role to make in an account, ready to be pasted."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..aws.connection import Purpose
from ..aws.trust import PolicyChoice, TrustedPrincipal
from ..errors import NoCredentials
from ..installation import Installation
from ..model.proposal import ActionName
from ..tool import tool

if TYPE_CHECKING:
    from ..action import Action

_NAMES: dict[Purpose, str] = {"read": "Trailwarden", "respond": "TrailwardenRespond"}


class RoleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that makes the role, and what to know about it. ``text`` is what to paste."""

    text: str
    principal: str
    external_id: str
    role_arn: str | None
    notes: tuple[str, ...]


@tool(
    effect="read",
    title="Print the trust policy and permissions for an account's role",
    needs=("sts:GetCallerIdentity",),
    examples=(
        "trailwarden accounts policy",
        "trailwarden accounts policy 222222222222 --as terraform --permissions least-privilege > role.tf",
        "trailwarden accounts policy --as cloudformation > role.json",
        "trailwarden accounts policy --for respond --action delete_access_key --action disable_user",
    ),
)
def accounts_policy(
    app: Installation,
    account: Annotated[
        str | None,
        Meta(
            description="Connected account whose External ID to use; a new External ID without it",
            extra={"argument": True, "metavar": "[ACCOUNT]"},
        ),
    ] = None,
    *,
    permissions: Annotated[
        PolicyChoice,
        Meta(
            description="ReadOnlyAccess (recommended); SecurityAudit; ViewOnlyAccess (not sufficient: no IAM "
            "visibility); least-privilege (exactly what the tools need)"
        ),
    ] = "ReadOnlyAccess",
    for_: Annotated[
        Purpose, Meta(description="read: what investigating takes; respond: what carrying out approved actions takes")
    ] = "read",
    action: Annotated[
        tuple[ActionName, ...], Meta(description="With --for respond: only this action (repeat); all without it")
    ] = (),
    as_: Annotated[Literal["json", "cloudformation", "terraform", "cli"], Meta(description="What to print")] = "json",
    role_name: Annotated[
        str | None, Meta(description="Name of the role (default: Trailwarden, or TrailwardenRespond)")
    ] = None,
    external_id: Annotated[str | None, Meta(description="External ID to put into the trust policy")] = None,
    principal: Annotated[
        str | None, Meta(description="ARN of this installation's principal (default: asked of AWS)")
    ] = None,
) -> RoleDocument:
    """The role for an account: who may assume it (this installation alone, with the External ID) and what it may do.

    Raises:
        NoCredentials: this installation has no AWS credentials, so its own principal is unknown.
        UsageError: no such connection, or not an External ID.
    """
    from ..actions import actions  # noqa: PLC0415
    from ..aws import templates, trust  # noqa: PLC0415

    connection = app.state.connections.get(account, purpose=for_) if account else None
    purpose: Purpose = "respond" if action or for_ == "respond" else connection.purpose if connection else "read"
    chosen = [kind for name, kind in actions().items() if name in action or not action]
    if connection and not external_id:
        external_id = app.state.connections.external_id(connection)
    request = trust.RoleRequest(
        principal=trust.trusted_principal(principal) if principal else _own_principal(app),
        external_id=external_id or trust.generate_external_id(),
        role_name=connection.role_name if connection else role_name or _NAMES[purpose],
        purpose=purpose,
        choice=permissions,
        needs=tuple(sorted(_read_needs(app))),
        document=_response_policy(app, chosen, account) if purpose == "respond" else None,
    )
    text = {
        "json": lambda: (
            msgspec.json.format(msgspec.json.encode(templates.as_documents(request)), indent=2).decode() + "\n"
        ),
        "cloudformation": lambda: templates.as_cloudformation(request),
        "terraform": lambda: templates.as_terraform(request),
        "cli": lambda: templates.as_cli(request),
    }[as_]()
    notes = [note for note in (request.principal.note,) if note]
    choice = trust.MANAGED.get(permissions)
    if purpose == "respond":
        notes += _response_notes(chosen)
    elif choice is not None:
        notes.append(f"{permissions}: {choice.summary}")
    if connection is None:
        notes.append(
            f"then: trailwarden accounts connect arn:{request.principal.partition}:iam::ACCOUNT_ID:role/"
            f"{request.role_name} --external-id {request.external_id}"
            + (" --purpose respond" if purpose == "respond" else "")
        )
    return RoleDocument(
        text=text,
        principal=request.principal.arn,
        external_id=request.external_id,
        role_arn=connection.role_arn if connection else None,
        notes=tuple(notes),
    )


def _read_needs(app: Installation) -> set[str]:
    """What the tools read, and what planning an action does."""
    from ..actions import actions  # noqa: PLC0415

    planning = {need.action for kind in actions().values() for need in kind.reads}
    return planning | {need for each in app.tools.values() for need in each.needs}


def _response_policy(app: Installation, chosen: "list[type[Action]]", account: str | None) -> dict[str, Any]:
    from ..aws.session_policy import least_policy  # noqa: PLC0415

    connection = app.state.connections.get(account, purpose="respond") if account else None
    partition = connection.partition if connection else "aws"
    return least_policy(chosen, partition=partition, account=connection.account_id if connection else "*")


def _response_notes(chosen: "list[type[Action]]") -> list[str]:
    """What else the role needs or gets, and what the published sample policy lacks."""
    from ..aws.session_policy import lacking_in_published_sample  # noqa: PLC0415

    notes = [
        f"{name}: the published sample policy lacks {', '.join(lacking)}"
        for name, lacking in lacking_in_published_sample(chosen).items()
    ]
    if any(need.action == "iam:PutRolePolicy" for kind in chosen for need in kind.writes):
        notes.append(
            "iam:PutRolePolicy (revoke_sessions, detach_admin_policies' undo) is as good as administrator access: "
            "leave the action out with --action if you do not want the role to have it"
        )
    notes.append("a session of this role is narrowed to one approved plan's calls and resources, whatever it may do")
    return notes


def _own_principal(app: Installation) -> TrustedPrincipal:
    try:
        return app.broker.own_principal()
    except NoCredentials as error:
        raise NoCredentials(
            error.message,
            remedy=f"{error.remedy}; or name the principal that will have them: --principal ARN",
            code=error.code,
            operation=error.operation,
        ) from error
