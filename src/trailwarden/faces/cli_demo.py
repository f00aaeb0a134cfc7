"""The commands ``demo`` and ``demo up``: the simulated organisation."""

import shlex
from typing import TYPE_CHECKING

import click

from ..errors import TrailwardenError

if TYPE_CHECKING:
    from ..demo.run import Running

_RECORDS = click.option(
    "--records",
    type=click.IntRange(1_000, 20_000_000),
    default=20_000,
    show_default=True,
    help="How many background records to simulate; the incident stays the same",
)
_SEED = click.option("--seed", type=int, default=7, show_default=True, help="Another seed, another organisation")
#: Exit codes of the story's commands that are no failure: done, and done with incomplete coverage.
_DONE = (0, 3)


@click.group(invoke_without_command=True)
@_RECORDS
@_SEED
@click.pass_context
def demo(ctx: click.Context, records: int, seed: int) -> None:
    """Run the main job on a simulated organisation, and end.

    Starts an AWS emulator on 127.0.0.1 with three accounts, connects them, ingests their organisation
    trail, asks what an analyst would ask about the incident in it, and says how to go on. Everything
    happens in a temporary folder; no AWS account is needed or touched.
    """
    if ctx.invoked_subcommand is None:
        ctx.exit(tell(records=records, seed=seed))


@demo.command()
@_RECORDS
@_SEED
def up(records: int, seed: int) -> None:
    """Keep the simulated organisation up until it is stopped (Ctrl-C or SIGTERM).

    Prints one line of JSON when everything is ready; with TRAILWARDEN_HOME and AWS_ENDPOINT_URL set to
    what it says, every other command works against it.
    """
    from ..demo.run import stay_up  # noqa: PLC0415
    from .serve import in_background  # noqa: PLC0415
    from .terminal import terminal_progress  # noqa: PLC0415

    try:
        stay_up(records=records, seed=seed, progress=terminal_progress(), console=in_background)
    except TrailwardenError as error:
        from .cli_common import report_failure  # noqa: PLC0415

        report_failure(error, "table")
        click.get_current_context().exit(error.exit_code)


def questions(up: "Running") -> tuple[str, ...]:
    """What an analyst asks about the incident."""
    story = up.story
    return (
        f"Show me all API calls by {story.email} in the last 24 hours",
        f"What has access key {story.stolen_key} done in the last week?",
        f"Who used {story.attacker_ip} since yesterday?",
        "When did jane last sign in, and from where?",
        f"Which users created anything in account {up.scenario.development.id} in the last 24 hours?",
        f"Who is using access key {story.stolen_key}?",
        f"What did {story.iam_user} do after assuming the DeployRole role?",
        f"Which sessions belong to {story.email}?",
        "How do users authenticate to AWS in this account?",
    )


def tell(*, records: int, seed: int) -> int:
    """Tell the story: each command as a person would type it, and what it answers. Gives the exit code."""
    from ..demo.run import running  # noqa: PLC0415
    from .terminal import terminal_progress  # noqa: PLC0415

    click.secho("A simulated organisation: three AWS accounts, 40 people, 25 workloads, one incident.", bold=True)
    with running(records=records, seed=seed, progress=terminal_progress()) as organisation:
        click.echo(f"The emulator listens on {organisation.endpoint}; the trail's archive is {organisation.archive}.")
        commands: list[tuple[str, ...]] = [
            (
                "accounts",
                "connect",
                connection.role_arn,
                "--external-id",
                connection.external_id,
                "--label",
                connection.account.name,
            )
            for connection in organisation.scenario.connections
        ]
        commands += [
            ("accounts", "doctor"),
            ("ingest", organisation.archive),
            ("lake", "info"),
            *(("ask", question) for question in questions(organisation)),
            ("search", "--access-key", organisation.story.stolen_key, "--denied", "--limit", "3", "--details"),
        ]
        failed = [command for command in commands if _run(command) not in _DONE]
    click.echo()
    if failed:
        click.secho(f"{len(failed)} of {len(commands)} commands failed.", fg="red", bold=True, err=True)
        return 1
    click.secho("How to go on", bold=True)
    click.echo(
        "  trailwarden demo up              keeps this organisation up; in a second terminal, set what it prints:\n"
        "                                   TRAILWARDEN_HOME (home) and AWS_ENDPOINT_URL (aws_endpoint)\n"
        "  trailwarden accounts policy      with your own AWS credentials: the role for your accounts\n"
        "  trailwarden ingest PATH          your own CloudTrail files\n"
        "  trailwarden --help               everything else"
    )
    return 0


def _run(command: tuple[str, ...]) -> int:
    """Run one command in this process, as if typed; its exit code."""
    from .cli import build  # noqa: PLC0415

    click.secho(f"\n$ trailwarden {shlex.join(command)}", fg="cyan", bold=True)
    try:
        ended = build().main(list(command), prog_name="trailwarden", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return ended if isinstance(ended, int) else 0
