"""How a terminal shows people and tokens."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from ..access import ApiToken, Person
from ..tools._people import PersonSaved
from ..tools.people_list import PeopleList
from ..tools.tokens_create import TokenCreated
from ..tools.tokens_list import TokenList
from ..tools.tokens_revoke import TokenRevoked
from .output import View
from .render import new_table, show
from .terminal import safe


@show.register
def _(found: PeopleList, view: View) -> RenderableType:
    parts: list[RenderableType] = [_people(found.people, view)] if found.people else []
    if not found.people:
        owner = f"; {safe(found.single_user)}, who owns the home folder, is its one user" if found.single_user else ""
        parts.append(Text(f"Nobody was added{owner}.", style="bold"))
    return Group(*parts, *_notes(found.notes))


@show.register
def _(changed: PersonSaved, view: View) -> RenderableType:
    return Group(_people((changed.person,), view), *_notes(changed.notes))


@show.register
def _(made: TokenCreated, view: View) -> RenderableType:
    said = Text("Keep it now, it is not shown again:  ").append(made.secret, style="bold")
    return Group(said, Text(), _tokens((made.token,), view))


@show.register
def _(found: TokenList, view: View) -> RenderableType:
    return _tokens(found.tokens, view) if found.tokens else Text("There are no API tokens.", style="bold")


@show.register
def _(revoked: TokenRevoked, view: View) -> RenderableType:
    return _tokens((revoked.token,), view)


def _people(people: Sequence[Person], view: View) -> RenderableType:
    table = new_table(
        "Login", "Name", "Roles", "Signs in with", "On the command line", f"Last login ({view.zone_name})"
    )
    for each in people:
        table.add_row(
            Text(safe(each.login), style="dim" if each.disabled else "bold"),
            safe(each.name) if each.name != each.login else "",
            Text("disabled", style="red") if each.disabled else ", ".join(each.roles),
            _means(each),
            safe(each.os_user or ""),
            view.time(each.last_login) or "never",
        )
    return table


def _means(person: Person) -> str:
    keys = f"{person.webauthn} security key{'s' if person.webauthn != 1 else ''}" if person.webauthn else ""
    means = ("password" if person.password else "", "code" if person.totp else "", keys, "OIDC" if person.oidc else "")
    return " + ".join(each for each in means if each) or "nothing yet"


def _tokens(tokens: Sequence[ApiToken], view: View) -> RenderableType:
    table = new_table("Id", "Person", "For", "Scopes", f"Holds until ({view.zone_name})", "Last used")
    for each in tokens:
        table.add_row(
            each.id,
            safe(each.person),
            safe(each.name),
            ", ".join(each.scopes),
            _until(each, view),
            view.time(each.last_used) or "never",
        )
    return table


def _until(token: ApiToken, view: View) -> Text:
    if token.revoked_at is not None:
        return Text(f"revoked {view.time(token.revoked_at)}", style="red")
    ended: datetime | None = view.now
    style = "red" if ended is not None and token.expires <= ended else ""
    return Text(f"{'expired ' if style else ''}{view.time(token.expires)}", style=style)


def _notes(notes: Sequence[str]) -> list[RenderableType]:
    return [Text(f"Note: {safe(note)}") for note in notes]
