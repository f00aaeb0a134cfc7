"""The role to make in an account, ready to be pasted."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..aws.connection import Purpose
from ..aws.trust import PolicyChoice, TrustedPrincipal
from ..errors import NoCredentials
from ..installation import Installation
from ..tool import tool


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
    as_: Annotated[Literal["json", "cloudformation", "terraform", "cli"], Meta(description="What to print")] = "json",
    role_name: Annotated[str, Meta(description="Name of the role")] = "Trailwarden",
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
    from ..aws import templates, trust  # noqa: PLC0415

    connection = app.state.connections.get(account) if account else None
    purpose: Purpose = connection.purpose if connection else "read"
    if connection and not external_id:
        external_id = app.state.connections.external_id(connection)
    request = trust.RoleRequest(
        principal=trust.trusted_principal(principal) if principal else _own_principal(app),
        external_id=external_id or trust.generate_external_id(),
        role_name=connection.role_name if connection else role_name,
        purpose=purpose,
        choice=permissions,
        needs=tuple(sorted({need for each in app.tools.values() for need in each.needs})),
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
    if choice is not None:
        notes.append(f"{permissions}: {choice.summary}")
    if connection is None:
        notes.append(
            f"then: trailwarden accounts connect arn:{request.principal.partition}:iam::ACCOUNT_ID:role/"
            f"{request.role_name} --external-id {request.external_id}"
        )
    return RoleDocument(
        text=text,
        principal=request.principal.arn,
        external_id=request.external_id,
        role_arn=connection.role_arn if connection else None,
        notes=tuple(notes),
    )


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
