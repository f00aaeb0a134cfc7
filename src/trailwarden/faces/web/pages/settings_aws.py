"""AWS: the role to make in an account, connecting accounts through their roles, and what is wrong with a connection."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from fastapi import Depends, Query
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from ....actions import actions
from ....aws.connection import Purpose
from ....aws.trust import MANAGED, PolicyChoice, generate_external_id
from ....errors import TrailwardenError, UsageError
from ....model.arn import parse_role_arn
from ....tools.accounts_connect import ConnectReport
from ....tools.accounts_policy import RoleDocument
from ..routes import Here, OnPage, Pages
from ..shown import link
from .settings import Text, confirm_first, shown

pages = Pages()
AWS = "/settings/aws"
Template = Literal["json", "cloudformation", "terraform", "cli"]
FORMS: Mapping[str, tuple[str, str]] = {
    "json": ("Policies", "json"),
    "cloudformation": ("CloudFormation", "json"),
    "terraform": ("Terraform", "tf"),
    "cli": ("AWS CLI", "sh"),
}
#: What each choice of permissions means, in the words of the console.
CHOICES: Mapping[str, str] = {
    **{name: each.summary for name, each in MANAGED.items()},
    "least-privilege": "exactly the calls that the tools make",
}
#: The badge of each status of a connection, a diagnosis or a check.
STATUS_KIND: Mapping[str, str] = {
    "ok": "good",
    "connected": "good",
    "warning": "medium",
    "waiting": "medium",
    "failed": "critical",
    "unknown": "",
}


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of a role says. ``external_id`` is the one made for this form; ``account`` is a connected role's
    ARN, whose own External ID takes its place."""

    purpose: Purpose = "read"
    permissions: PolicyChoice = "ReadOnlyAccess"
    form: Template = "json"
    actions: tuple[str, ...] = ()
    role_name: str = ""
    principal: str = ""
    external_id: str = ""
    account: str = ""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The document of a role, or why there is none."""

    document: RoleDocument | None = None
    refused: TrailwardenError | None = None


async def _sent(request: Request) -> FormData:
    return await request.form()


Sent = Annotated[FormData, Depends(_sent)]


@pages.get(AWS, right="read")
def aws(here: OnPage) -> Response:
    """The connected accounts."""
    return shown(here, "settings/aws.html", here.app.accounts_list(), name="accounts", status_kind=STATUS_KIND)


@pages.get("/settings/aws/connect", right="administer")
def connect_form(
    here: OnPage,
    *,
    purpose: Purpose = "read",
    permissions: PolicyChoice = "ReadOnlyAccess",
    form: Template = "json",
    action: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """Make a role, then connect it; with an External ID that is made for this form."""
    asked = Role(
        purpose=purpose,
        permissions=permissions,
        form=form,
        actions=_known_actions(action or ()),
        external_id=generate_external_id(),
    )
    return _connect_page(here, asked)


@pages.post("/settings/aws/role", right="administer")
def role(here: OnPage, sent: Sent, download: bool = False) -> Response:
    """The role's document for the choices of the form, on the page or as a file."""
    asked = _asked(sent)
    if not download:
        return _connect_page(here, asked, block="role") if not asked.account else _connection(here, asked)
    made = _made(here, asked)
    if made.refused is not None:
        raise made.refused
    assert made.document is not None
    name = f"{asked.role_name or 'trailwarden'}-{asked.purpose}.{FORMS[asked.form][1]}"
    headers = {"Content-Disposition": f'attachment; filename="{_file_name(name)}"'}
    return Response(made.document.text, media_type="text/plain; charset=utf-8", headers=headers)


@pages.post("/settings/aws/connect", right="administer")
def connect(here: OnPage, sent: Sent) -> Response:
    """Connect the roles, one ARN a line. No login is asked for again: on the way back, the page would have made another
    External ID than the role in AWS has."""
    asked, typed = _asked(sent), str(sent.get("role_arns", ""))
    try:
        report: ConnectReport = here.app.accounts_connect(
            _arns(typed),
            external_id=asked.external_id or None,
            label=str(sent.get("label", "")).strip(),
            purpose=asked.purpose,
        )
    except UsageError as refused:
        return _connect_page(here, asked, typed=typed, refused=refused, status=400)
    return shown(here, "settings/aws_connected.html", report, name="connected", status_kind=STATUS_KIND, asked=asked)


@pages.get("/settings/aws/account", right="read")
def connection(
    here: OnPage, role: str, form: Template = "json", permissions: PolicyChoice = "ReadOnlyAccess"
) -> Response:
    """One connection: its role, the document that makes it, and the way to what is wrong with it."""
    return _connection(here, Role(account=role, form=form, permissions=permissions))


@pages.get("/settings/aws/doctor", right="read")
def doctor(here: OnPage, account: Annotated[list[str] | None, Query()] = None) -> Response:
    """What is wrong with these connections, or with all, and how to mend it."""
    report = here.app.accounts_doctor(tuple(account or ()))
    return shown(here, "settings/aws_doctor.html", report, name="doctor", block="diagnoses", status_kind=STATUS_KIND)


@pages.post("/settings/aws/remove", right="administer")
def remove(here: OnPage, role: Text) -> Response:
    """Forget a connection."""
    if (first := confirm_first(here, link("/settings/aws/account", role=role))) is not None:
        return first
    here.app.accounts_remove(role)
    return here.go(AWS)


def _connection(here: Here, asked: Role) -> Response:
    found = here.app.state.connections.get(asked.account)
    asked = msgspec.structs.replace(asked, account=found.role_arn, purpose=found.purpose)
    listed = next(each for each in here.app.accounts_list().accounts if each.role_arn == found.role_arn)
    made = _made(here, asked) if here.may("administer") else Made()
    return shown(
        here,
        "settings/aws_account.html",
        listed,
        name="account",
        block="role",
        status_kind=STATUS_KIND,
        **_choices(asked, made),
    )


def _connect_page(
    here: Here,
    asked: Role,
    *,
    block: str | None = None,
    typed: str = "",
    refused: UsageError | None = None,
    status: int = 200,
) -> Response:
    made = _made(here, asked)
    if here.format is not None and made.refused is not None:
        raise made.refused
    return shown(
        here,
        "settings/aws_connect.html",
        made.document,
        name="role",
        block=block,
        status=status,
        typed=typed,
        refused=refused,
        **_choices(asked, made),
    )


def _choices(asked: Role, made: Made) -> dict[str, Any]:
    return {
        "asked": asked,
        "made": made,
        "forms": FORMS,
        "choices": CHOICES,
        "known_actions": {name: kind.title for name, kind in actions().items()},
    }


def _made(here: Here, asked: Role) -> Made:
    try:
        return Made(
            document=here.app.accounts_policy(
                asked.account or None,
                permissions=asked.permissions,
                for_=asked.purpose,
                action=asked.actions if asked.purpose == "respond" else (),
                as_=asked.form,
                role_name=asked.role_name or None,
                external_id=None if asked.account else asked.external_id,
                principal=asked.principal or None,
            )
        )
    except TrailwardenError as refused:
        return Made(refused=refused)


def _asked(sent: FormData) -> Role:
    """The choices of a form.

    Raises:
        UsageError: one of them is not among those that are offered.
    """
    given = {name: value.strip() for name, value in sent.items() if isinstance(value, str)}
    values = {name: given[name] for name in Role.__struct_fields__ if given.get(name) and name != "actions"}
    chosen = _known_actions([str(each) for each in sent.getlist("action")])
    try:
        return msgspec.convert({**values, "actions": chosen}, Role)
    except msgspec.ValidationError as error:
        choices = ", ".join((*get_args(Purpose), *CHOICES, *FORMS))
        raise UsageError(f"not a choice of this form: {error}", remedy=f"the choices are {choices}") from error


def _arns(typed: str) -> tuple[str, ...]:
    """The ARNs, each once: all of them are right, or none is connected.

    Raises:
        UsageError: there is none, or one is not a role's.
    """
    arns = tuple(dict.fromkeys(typed.split()))
    if not arns:
        raise UsageError("no role is named", remedy="enter the ARN of each account's role, one a line")
    for arn in arns:
        parse_role_arn(arn)
    return arns


def _known_actions(names: Any) -> tuple[str, ...]:
    unknown = sorted(set(names) - set(actions()))
    if unknown:
        raise UsageError(f"no action {', '.join(unknown)[:200]}", remedy=f"one of: {', '.join(actions())}")
    return tuple(name for name in actions() if name in names)


def _file_name(name: str) -> str:
    return "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "-" for each in name).lower()
