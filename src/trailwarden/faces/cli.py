"""The command line, built from the tool declarations.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 done but with incomplete coverage, 130 interrupted.
"""

import os
import sys
import types
import typing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import click
import msgspec
from msgspec import Meta

from .. import __version__, catalog
from ..app import App
from ..errors import NotUnderstood, TrailwardenError
from ..model.event import VALUE_FIELDS, EventFilter
from ..model.time import Window, parse_duration, parse_window, parse_zone
from ..settings import HOME_VARIABLE
from ..tool import Parameter, Tool
from .cli_demo import demo

FORMATS = ("table", "json", "jsonl", "csv")
INCOMPLETE = 3
INTERRUPTED = 130
_DEFAULT = ""
GROUP_HELP = {
    "accounts": "Connect AWS accounts, and find out what is wrong with a connection.",
    "correlate": "Endpoint alerts of CrowdStrike Falcon, and the AWS sessions that they may belong to.",
    "falcon": "Connect CrowdStrike Falcon, and find out what is wrong with the connection.",
    "lake": "Look after the lake: what it holds, compaction, retention, integrity.",
    "identity": "Whose credentials these are.",
    "alias": "Names that are one person's, reviewed and kept by hand.",
    "iam": "What roles and users can really do, and how far they can climb.",
    "sessions": "Who used which credentials, and who issued them.",
    "demo": "A simulated organisation with an incident, to try everything on.",
}
_SWITCHES = {
    "denied": ("--denied/--not-denied", "Only calls that were denied access, or only others"),
    "failed": ("--failed/--succeeded", "Only calls that failed, or only those that did not"),
    "read_only": ("--read-only/--changes", "Only reads, or only changes"),
}


class SectionedOption(click.Option):
    """An option that says under which heading the help lists it."""

    def __init__(self, *names: str, section: str = "Options", **settings: Any) -> None:
        super().__init__(names, **settings)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help lists its options under headings, and ends with examples."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section at a time, in the order in which the sections first appear."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Argument):
                continue  # listed by click under a heading of their own
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows, col_max=34)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


@contextmanager
def opened(format_name: str = "table", zone: tzinfo | None = None) -> Iterator[App]:
    """The installation that the command line speaks of, with progress on a terminal; failures end the process."""
    from .terminal import terminal_progress  # noqa: PLC0415

    context = click.get_current_context().find_root()
    debug: bool = context.params.get("debug", False)
    try:
        with App.open(context.params.get("home"), progress=terminal_progress(), zone=zone) as app:
            yield app
    except TrailwardenError as error:
        if debug:
            raise
        report_failure(error, format_name)
        context.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("Interrupted; what was committed stays.", err=True)
        context.exit(INTERRUPTED)


def report_failure(error: TrailwardenError, format_name: str) -> None:
    """Say what failed and the remedy: on standard error in words, or on standard output as JSON where that is asked."""
    from .terminal import safe  # noqa: PLC0415

    suggestions = error.suggestions if isinstance(error, NotUnderstood) else ()
    if format_name in ("json", "jsonl"):
        body: dict[str, Any] = {"error": error.message, "kind": type(error).__name__, "remedy": error.remedy}
        if isinstance(error, NotUnderstood):
            body["suggestions"] = list(suggestions)
        click.echo(msgspec.json.encode(body))
        return
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {safe(error.message, cap=2000)}", err=True)
    if error.remedy:
        click.echo(f"{click.style('Remedy:', bold=True)} {safe(error.remedy, cap=2000)}", err=True)
    if suggestions:
        click.echo("Questions that are understood:", err=True)
        for suggestion in suggestions:
            click.echo(f"  {safe(suggestion)}", err=True)


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


def output_options() -> Iterator[click.Parameter]:
    """The options that every command has."""
    yield SectionedOption(
        "--tz",
        section="Output",
        metavar="ZONE",
        help="Time zone in which times are read and shown: UTC (default), Europe/Berlin, +02:00",
    )
    yield SectionedOption(
        "--format",
        "format_name",
        section="Output",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="How the answer is written",
    )
    yield SectionedOption(
        "--details",
        section="Output",
        is_flag=True,
        help="In tables, show more of each row: request parameters, messages, user agents, ids",
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
        zone = _zone(tz, format_name)
        with opened(format_name, zone) as app:
            result = tool.call(app, **arguments_of(tool, given, app))
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


def _zone(name: str | None, format_name: str) -> tzinfo | None:
    if name is None:
        return None
    try:
        return parse_zone(name)
    except TrailwardenError as error:
        report_failure(error, format_name)
        raise click.exceptions.Exit(error.exit_code) from error


def finish(result: Any, format_name: str, app: App, *, details: bool = False) -> None:
    """Write a result and end with the exit code that it means."""
    from .output import View, write  # noqa: PLC0415

    write(result, format_name, View(zone=app.zone, now=app.now(), details=details))
    code: int = getattr(result, "exit_code", 0)
    coverage = getattr(result, "coverage", None)
    if code == 0 and coverage is not None and not coverage.complete:
        code = INCOMPLETE
    if code:
        click.get_current_context().exit(code)


class ToolGroup(click.Group):
    """Commands in the order in which they were added; ``default`` answers where the first word is none of them."""

    default: click.Command | None = None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default's name before arguments of its own."""
        if self.default is not None and args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name."""
        return self.default if cmd_name == _DEFAULT else super().get_command(ctx, cmd_name)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help of the default, and the commands beside it."""
        if self.default is None:
            super().format_help(ctx, formatter)
            return
        self.default.format_help(ctx, formatter)
        self.format_commands(ctx, formatter)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """As added, not by name."""
        return list(self.commands)


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
    root.add_command(demo)
    root.add_command(completion)
    return root


_ORDER = (
    "ask",
    "search",
    "event",
    "identity",
    "sessions",
    "auth-model",
    "iam",
    "correlate",
    "export",
    "ingest",
    "accounts",
    "falcon",
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
