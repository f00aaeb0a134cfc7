"""The commands ``demo`` and ``demo up``: the simulated organisation."""

import click

_RECORDS = click.option(
    "--records",
    type=click.IntRange(1_000, 20_000_000),
    default=20_000,
    show_default=True,
    help="How many background records to simulate; the incident stays the same",
)
_SEED = click.option("--seed", type=int, default=7, show_default=True, help="Another seed, another organisation")


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
        from ..demo.run import tell  # noqa: PLC0415

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

    stay_up(records=records, seed=seed)
