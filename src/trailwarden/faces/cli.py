"""The command line, built from the tool declarations.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 done but with incomplete coverage, 130 interrupted.
"""

import os
import sys
import types
import typing
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import click
import msgspec
from msgspec import Meta

from .. import __version__, catalog
from ..app import App
from ..errors import TrailwardenError
from ..model.event import VALUE_FIELDS, EventFilter
from ..model.time import Window, parse_duration, parse_window
from ..settings import HOME_VARIABLE
from ..tool import Parameter, Tool
from . import cli_actions, cli_people
from .cli_agent import agent
from .cli_common import SectionedCommand, SectionedOption, ToolGroup, finish, opened, output_options, zone_of
from .cli_demo import demo
from .cli_mcp import mcp
from .cli_people import act_as_terminal
from .serve import serve

GROUP_HELP = {
    "actions": "Propose, approve and carry out response actions, and undo them.",
    "audit": "Who asked, proposed, decided and did what, in a chain that shows tampering.",
    "accounts": "Connect AWS accounts, and find out what is wrong with a connection.",
    "correlate": "Endpoint alerts of CrowdStrike Falcon, and the AWS sessions that they may belong to.",
    "falcon": "Connect CrowdStrike Falcon, and find out what is wrong with the connection.",
    "lake": "Look after the lake: what it holds, compaction, retention, integrity.",
    "identity": "Whose credentials these are.",
    "alias": "Names that are one person's, reviewed and kept by hand.",
    "iam": "What roles and users can really do, and how far they can climb.",
    "sessions": "Who used which credentials, and who issued them.",
    "people": "Who may sign in, and what they may do.",
    "tokens": "API tokens.",
    "demo": "A simulated organisation with an incident, to try everything on.",
}
_SWITCHES = {
    "denied": ("--denied/--not-denied", "Only calls that were denied access, or only others"),
    "failed": ("--failed/--succeeded", "Only calls that failed, or only those that did not"),
    "read_only": ("--read-only/--changes", "Only reads, or only changes"),
}


def plain_type(annotation: Any) -> tuple[Any, Meta | None, bool]:
    """An annotation without ``Annotated`` and ``| None``: the type, its Meta, and whether None is allowed."""
    meta, optional = None, False
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *extras = get_args(annotation)
            meta = meta or next((extra for extra in extras if isinstance(extra, Meta)), None)
        elif get_origin(annotation) in (types.UnionType, typing.Union):
            alternatives = [each for each in get_args(annotation) if each is not type(None)]
            optional = len(alternatives) < len(get_args(annotation))
            if len(alternatives) != 1:
                return annotation, meta, optional
            annotation = alternatives[0]
        else:
            return annotation, meta, optional


class DurationType(click.ParamType[timedelta]):
    """A duration such as 24h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse, or fail as click does."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except TrailwardenError as error:
            self.fail(f"{error.message}; {error.remedy}", param, ctx)


def _click_type(annotation: Any, meta: Meta | None) -> Any:
    if get_origin(annotation) is Literal:
        return click.Choice([str(each) for each in get_args(annotation)])
    if annotation is int:
        return click.IntRange(meta.ge if meta else None, meta.le if meta else None)  # type: ignore[arg-type]
    if annotation is Path:
        return click.Path(path_type=Path)
    if annotation is timedelta:
        return DurationType()
    if annotation is float:
        return click.FloatRange(meta.ge if meta else None, meta.le if meta else None)
    if annotation is str:
        return str
    raise TypeError(f"no command-line form for {annotation!r}")


def filter_options() -> Iterator[click.Parameter]:
    """One option a field of EventFilter, and its exclusion."""
    fields = {field.name: field for field in msgspec.structs.fields(EventFilter)}
    for name in VALUE_FIELDS:
        _, meta, _ = plain_type(fields[name].type)
        yield SectionedOption(
            f"--{name.replace('_', '-')}",
            f"where_{name}",
            section="Filters (all must hold; repeat one for alternatives; * is a wildcard)",
            multiple=True,
            metavar="VALUE",
            help=meta.description if meta else None,
            shell_complete=_complete_name,
        )
    for name, (flags, help_text) in _SWITCHES.items():
        yield SectionedOption(
            flags,
            f"where_{name}",
            section="Filters (all must hold; repeat one for alternatives; * is a wildcard)",
            default=None,
            help=help_text,
        )
    for name in VALUE_FIELDS:
        yield SectionedOption(
            f"--not-{name.replace('_', '-')}",
            f"exclude_{name}",
            section="Exclusions",
            multiple=True,
            metavar="VALUE",
            help=f"Leave out events that --{name.replace('_', '-')} VALUE would find",
            shell_complete=_complete_name,
        )


def _complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names that exist in the lake; nothing where there is none."""
    from ..lake.query import vocabulary  # noqa: PLC0415

    kind = (param.name or "").removeprefix("where_").removeprefix("exclude_")
    names = {"user": "users", "role": "roles", "event": "events", "source": "sources", "region": "regions"}
    attribute = {**names, "account": "accounts"}.get(kind)
    if attribute is None:
        return []
    try:
        with App.open(ctx.find_root().params.get("home")) as app:
            known: Sequence[str] = list(getattr(vocabulary(app.lake), attribute))
    except TrailwardenError:  # a completion has nowhere to report to
        return []
    return [name for name in known if name.lower().startswith(incomplete.lower())]


def window_options() -> Iterator[click.Parameter]:
    """The options that give a window of time."""
    section = "Time"
    yield SectionedOption(
        "--last", section=section, metavar="DURATION", help="Up to now, from that long ago: 30m, 24h, 7d, 2w"
    )
    yield SectionedOption(
        "--from",
        "start",
        section=section,
        metavar="TIME",
        help="Start, included: 2026-11-24T03:00, 2026-11-24, yesterday, or 24h (ago)",
    )
    yield SectionedOption(
        "--to", "end", section=section, metavar="TIME", help="End, excluded; a date alone includes that day"
    )


def options_of(parameter: Parameter) -> Iterator[click.Parameter]:
    """The command-line form of one parameter of a tool."""
    annotation, meta, _ = plain_type(parameter.type)
    description = meta.description if meta else None
    flag = f"--{parameter.name.rstrip('_').replace('_', '-')}"
    extra = (meta.extra if meta else None) or {}
    default = None if parameter.required else parameter.default
    if annotation is EventFilter:
        yield from filter_options()
    elif annotation is Window:
        yield from window_options()
    elif get_origin(annotation) is tuple:
        item, _, _ = plain_type(get_args(annotation)[0])
        if extra.get("argument"):
            yield click.Argument(
                [parameter.name], nargs=-1, required=parameter.required, type=_click_type(item, None),
                metavar=extra.get("metavar"), help=description,
            )  # fmt: skip
        else:
            yield SectionedOption(
                flag, parameter.name, multiple=True, type=_click_type(item, None), help=description,
                metavar=extra.get("metavar"), shell_complete=_complete_name if item is str else None,
            )  # fmt: skip
    elif extra.get("words"):
        yield click.Argument([parameter.name], nargs=-1, required=True, metavar=extra.get("metavar"), help=description)
    elif extra.get("argument"):
        yield click.Argument(
            [parameter.name], required=parameter.required, type=_click_type(annotation, meta), default=default,
            metavar=extra.get("metavar"), help=description,
        )  # fmt: skip
    elif annotation is bool:
        flags = f"{flag}/--no-{flag[2:]}" if default else flag
        yield SectionedOption(flags, parameter.name, is_flag=True, default=default, help=description)
    else:
        yield SectionedOption(
            flag, parameter.name, required=parameter.required, default=default,
            show_default=default not in (None, ""), type=_click_type(annotation, meta), help=description,
            metavar=extra.get("metavar"),
        )  # fmt: skip


def arguments_of(tool: Tool, given: dict[str, Any], app: App) -> dict[str, Any]:
    """The tool's arguments from the command line's values.

    Raises:
        UsageError: a time that cannot be read.
    """
    arguments: dict[str, Any] = {}
    for parameter in tool.parameters:
        annotation, _, _ = plain_type(parameter.type)
        if annotation is EventFilter:
            excluded = {name: given[f"exclude_{name}"] for name in VALUE_FIELDS if given[f"exclude_{name}"]}
            arguments[parameter.name] = EventFilter(
                **{name: given[f"where_{name}"] for name in (*VALUE_FIELDS, *_SWITCHES)},
                exclude=EventFilter(**excluded) if excluded else None,
            )
        elif annotation is Window:
            arguments[parameter.name] = parse_window(
                last=given["last"], start=given["start"], end=given["end"], now=app.now(), zone=app.zone
            )
        else:
            value = given[parameter.name]
            if annotation is str and isinstance(value, tuple):  # words of a sentence that was not quoted
                value = " ".join(value)
            if value is not None or not parameter.required:
                arguments[parameter.name] = value
    return arguments


def command_of(tool: Tool) -> click.Command:
    """The command of one tool."""

    def run(format_name: str, tz: str | None, details: bool, **given: Any) -> None:
        zone = zone_of(tz, format_name)
        with opened(format_name, zone) as app:
            act_as_terminal(app, proposes=tool.effect == "propose")
            result = app.call(tool, **arguments_of(tool, given, app))
            finish(result, format_name, app, details=details)

    first_line, _, rest = tool.description.partition("\n\nRaises:")[0].partition("\n")
    parameters = [option for parameter in tool.parameters for option in options_of(parameter)]
    return SectionedCommand(
        tool.command[-1],
        params=[*parameters, *output_options()],
        callback=run,
        short_help=tool.title,
        help=f"{first_line}\n{rest}" if rest else first_line,
        examples=tool.examples,
    )


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    Names of users, roles, events, Regions and accounts are completed from the lake.

    bash: eval "$(trailwarden completion bash)" in ~/.bashrc; zsh and fish alike.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(build(), {}, "trailwarden", "_TRAILWARDEN_COMPLETE").source())


def build() -> click.Group:
    """The whole command line."""
    root = ToolGroup(
        "trailwarden",
        help="What happened in an AWS account, who did it, and how to stop it.",
        params=[
            click.Option(
                ["--home"],
                type=click.Path(file_okay=False, path_type=Path),
                envvar=HOME_VARIABLE,
                help="Folder of the installation: lake, state and keys",
            ),
            click.Option(["--debug"], is_flag=True, help="Show the whole traceback of a failure"),
        ],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    click.version_option(__version__, prog_name="trailwarden")(root)
    for tool in sorted(catalog.tools().values(), key=_place):
        group: click.Group = root
        for word in tool.command[:-1]:
            inner = group.commands.get(word)
            if not isinstance(inner, click.Group):
                inner = ToolGroup(word, help=GROUP_HELP.get(word))
                group.add_command(inner)
            group = inner
        command, beside = command_of(tool), group.commands.get(tool.command[-1])
        if isinstance(beside, ToolGroup):
            beside.default, beside.short_help = command, tool.title
        else:
            group.add_command(command)
    for name, add in (("actions", cli_actions.add_commands), ("people", cli_people.add_commands)):
        named = root.commands[name]
        assert isinstance(named, ToolGroup)
        add(named)
    for command in (agent, serve, mcp, demo, completion):
        root.add_command(command)
    return root


_ORDER = (
    "ask",
    "search",
    "event",
    "identity",
    "hunt",
    "sessions",
    "auth-model",
    "iam",
    "correlate",
    "actions",
    "audit",
    "export",
    "ingest",
    "accounts",
    "falcon",
    "people",
    "tokens",
    "lake",
)


def _place(tool: Tool) -> tuple[int, str, int, tuple[str, ...]]:
    """By the first word; of `identity WHO` and `identity alias add` the longer, which makes the group, first."""
    first = tool.command[0]
    return (_ORDER.index(first) if first in _ORDER else len(_ORDER), first, -len(tool.command), tool.command)


def main() -> None:
    """Run the command line of this process."""
    try:
        build().main(prog_name="trailwarden")
    except BrokenPipeError:
        # The reader (head, less) has enough: point standard output at nothing, so that closing it is silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
