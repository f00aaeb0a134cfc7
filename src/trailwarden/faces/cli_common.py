"""What every command of the command line is made of: its options, the installation, and how it ends.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 done but with incomplete coverage, 130 interrupted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from typing import Any

import click
import msgspec

from ..app import App
from ..errors import NotUnderstood, TrailwardenError
from ..installation import operating_user
from ..model.time import parse_zone

FORMATS = ("table", "json", "jsonl", "csv")
INCOMPLETE = 3
INTERRUPTED = 130
_DEFAULT = ""


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
        actor = operating_user("command_line")
        with App.open(context.params.get("home"), progress=terminal_progress(), zone=zone, actor=actor) as app:
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


def zone_of(name: str | None, format_name: str) -> tzinfo | None:
    """The zone of ``--tz``; one that cannot be read ends the command."""
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
