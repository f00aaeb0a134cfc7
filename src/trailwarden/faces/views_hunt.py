"""How a terminal shows signs: each subject with its confidence, and under it what shows it."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..signs import Sign
from ..tools.hunt import Hunted, HuntReport
from .output import View
from .render import SEVERITY_STYLE, counted, show, show_coverage
from .terminal import safe

_LABEL_STYLE = {"high": "bold red", "medium": "yellow", "low": "cyan", "none": "green"}
_EVENTS = 3


@show.register
def _(found: HuntReport, view: View) -> RenderableType:
    parts: list[RenderableType] = []
    for each in found.subjects:
        parts += [_subject(each, view), Text()]
    if not found.subjects:
        parts += [Text("No signs.", style="bold"), Text()]
    quiet = found.principals - len(found.subjects)
    if quiet > 0:
        parts.append(Text(f"{counted(quiet, 'principal')} more, without signs of their own", style="dim"))
    parts += [Text(f"Note: {safe(note, cap=500)}", style="dim") for note in found.notes]
    return Group(*parts, show_coverage(found.coverage, view))


def _subject(found: Hunted, view: View) -> RenderableType:
    head = Text(safe(found.who, cap=300), style="bold")
    head.append(f"  {found.text}", _LABEL_STYLE[found.label])
    head.append(f"  {counted(found.calls, 'call')}", "not bold")
    parts: list[RenderableType] = [head]
    parts.append(_signs(found.signs, view) if found.signs else Padding(Text("No signs."), (0, 0, 0, 2)))
    parts += [Padding(Text(f"Note: {safe(note, cap=500)}", style="dim"), (0, 0, 0, 2)) for note in found.notes]
    return Group(*parts)


def _signs(signs: Sequence[Sign], view: View) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column(overflow="fold")
    for sign in signs:
        said = Text(sign.title, style=SEVERITY_STYLE[sign.severity])
        said.append(f"  {sign.technique}  {sign.id}", "dim")
        said.append(f"\n{safe(sign.reason, cap=1000)}", "default not bold")
        if sign.first is not None and sign.last is not None:
            until = f" to {view.time(sign.last)}" if sign.last != sign.first else ""
            said.append(f"\n{view.time(sign.first)}{until} {view.zone_name}", "dim")
        events = ", ".join(dict.fromkeys(safe(each.event_id) for each in sign.evidence[:_EVENTS]))
        said.append(f"\nevents {events}", "dim")
        grid.add_row(Text(f"{sign.weight:.0%}", style=SEVERITY_STYLE[sign.severity]), said)
    return Padding(grid, (0, 0, 0, 2))
