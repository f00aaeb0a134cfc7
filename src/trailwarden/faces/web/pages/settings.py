"""Settings: where they begin, what their pages share, and the values of ``config.toml``, which are changed there."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from fastapi import Form
from starlette.responses import Response

from ....access import four_eyes_notice
from ....errors import UsageError
from ....settings import Settings
from ...output import encode
from ..access import Right
from ..routes import Here, OnPage, Pages
from ..shown import link

pages = Pages()
Text = Annotated[str, Form(max_length=20_000)]
#: The pages: address, icon, words, and the right that each takes.
SECTIONS: Sequence[tuple[str, str, str, Right]] = (
    ("/settings/account", "user", "My account", "read"),
    ("/settings/tokens", "key", "API tokens", "read"),
    ("/settings/aws", "link", "AWS", "read"),
    ("/settings/crowdstrike", "satellite-dish", "CrowdStrike", "read"),
    ("/settings/people", "fingerprint-pattern", "People and roles", "administer"),
    ("/settings/rules", "sliders-horizontal", "Approval rules", "read"),
    ("/settings/data", "database", "Records", "read"),
)
#: What is typed before records are removed for good.
REMOVE = "remove"


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A setting: its place in ``config.toml``, what it is now and by default, and the line that sets it."""

    section: str
    name: str
    description: str
    value: Any
    default: Any
    line: str

    @property
    def changed(self) -> bool:
        """Whether it differs from the default."""
        return bool(self.value != self.default)


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an approval takes, and what no action may touch, as ``config.toml`` (``file``) says."""

    values: tuple[Value, ...]
    approvers: tuple[str, ...]
    notes: tuple[str, ...]
    file: str


def values_of(settings: Settings, section: Literal["respond", "console", "lake"]) -> tuple[Value, ...]:
    """Every setting of a section, in its order. Sections that may hold secrets are none of these."""
    group = getattr(settings, section)
    hints = get_type_hints(type(group), include_extras=True)
    defaults = type(group)()
    return tuple(
        Value(
            section=section,
            name=name,
            description=_description(hints[name]),
            value=getattr(group, name),
            default=getattr(defaults, name),
            # JSON's texts, numbers, booleans and arrays of texts are TOML's too.
            line=f"{name} = {encode(getattr(group, name)).decode()}",
        )
        for name in group.__struct_fields__
    )


def _description(hint: Any) -> str:
    assert get_origin(hint) is Annotated
    return next(str(each.description) for each in get_args(hint)[1:] if isinstance(each, msgspec.Meta))


def is_recent(here: Here) -> bool:
    """Whether the person has shown who they are so recently that they may change settings."""
    limit = timedelta(minutes=here.console.app.settings.respond.reauthenticate_minutes)
    shown = here.session.authenticated_at
    return shown is not None and here.console.app.now() - shown <= limit


def confirm_first(here: Here, page: str) -> Response | None:
    """On to the page that asks who it is, unless that was shown recently; it comes back to ``page``."""
    return None if is_recent(here) else here.go(link("/reauthenticate", next=page))


def shown(
    here: Here, template: str, result: Any, *, name: str, block: str | None = None, status: int = 200, **context: Any
) -> Response:
    """A page of the settings, or its data."""
    if here.format is not None:
        return here.data(result, name=name)
    sections = [each for each in SECTIONS if here.may(each[3])]
    recent = is_recent(here)
    return here.page(template, block=block, status=status, result=result, sections=sections, recent=recent, **context)


@pages.get("/settings", right="read")
def settings(here: OnPage) -> Response:
    """On to what this person has come for: an admin to the connections, others to their account."""
    return here.go("/settings/aws" if here.may("administer") else "/settings/account")


@pages.get("/settings/rules", right="read")
def rules(here: OnPage) -> Response:
    """Approval rules and protected resources."""
    app = here.app
    approvers = app.state.people.approvers()
    notice = four_eyes_notice(approvers)
    found = Rules(
        values=values_of(app.settings, "respond"),
        approvers=approvers,
        notes=(notice,) if notice else (),
        file=str(app.home / "config.toml"),
    )
    return shown(here, "settings/rules.html", found, name="rules")


@pages.get("/settings/data", right="read")
def data(here: OnPage) -> Response:
    """What the lake holds, and for how long."""
    return _data(here)


@pages.post("/settings/data/expire", right="administer")
def expire(here: OnPage, days: Annotated[int, Form(ge=1, le=36_500)], typed: Text = "") -> Response:
    """Remove records older than so many days, for good."""
    if (first := confirm_first(here, "/settings/data")) is not None:
        return first
    if typed.strip().casefold() != REMOVE:
        refused = UsageError("nothing was removed", remedy=f"type {REMOVE} to remove records for good")
        return _data(here, refused=refused, days=days, status=400)
    report = here.app.lake_expire(keep=timedelta(days=days))
    if here.format is not None:
        return here.data(report, name="expired")
    return _data(here, expired=report, days=days)


def _data(
    here: Here, *, expired: Any = None, refused: UsageError | None = None, days: int = 400, status: int = 200
) -> Response:
    return shown(
        here,
        "settings/data.html",
        here.app.lake_info(),
        name="lake",
        status=status,
        expired=expired,
        refused=refused,
        days=days,
        word=REMOVE,
        values=values_of(here.console.app.settings, "lake"),
        file=str(here.console.app.home / "config.toml"),
    )
