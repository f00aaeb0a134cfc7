"""What only a person at a terminal can do: approve, reject, settle, and carry out what was approved.

These are no tools: nothing that a program, a token or a model can call leads here.
"""

from typing import Any

import click

from ..app import App
from ..errors import TrailwardenError
from ..model.proposal import Proposal
from .cli_common import SectionedCommand, ToolGroup, finish, opened, output_options, zone_of

_ID = click.Argument(["identifier"], metavar="ID")


def add_commands(actions: ToolGroup) -> None:
    """Add the commands to the group ``actions``."""
    reason = click.Option(["--reason"], required=True, help="Why, in a sentence; it stays in the history")
    actions.add_command(
        SectionedCommand(
            "approve",
            params=[
                _ID,
                click.Option(["--note"], default="", help="What to add to the history"),
                click.Option(["--later"], is_flag=True, help="Only approve; `actions run` carries it out"),
                *output_options(),
            ],
            callback=_approve,
            short_help="Approve a proposal, and carry it out",
            help="Approve a proposal after reading it, and carry it out.\n\nAsks who you are on the terminal. Who "
            "proposed it does not approve it where somebody else may; where nobody else may, the target's name must "
            "be typed. The approval is of exactly the plan that is shown.",
            examples=("trailwarden actions approve 3f9a1c27b604",),
        )
    )
    actions.add_command(
        SectionedCommand(
            "reject",
            params=[_ID, reason, *output_options()],
            callback=_reject,
            short_help="Reject a proposal, or take back an approval",
            help="Reject a proposal, or take back an approval before anything is begun. It wants a reason.",
            examples=("trailwarden actions reject 3f9a1c27b604 --reason 'john is on call, it was him'",),
        )
    )
    actions.add_command(
        SectionedCommand(
            "settle",
            params=[
                _ID,
                click.Option(["--done/--not-done"], required=True, help="What you found at the target"),
                reason,
                *output_options(),
            ],
            callback=_settle,
            short_help="Say what became of a proposal whose outcome is unknown",
            help="Say what became of a proposal whose outcome is unknown, after looking at the target.",
            examples=("trailwarden actions settle 3f9a1c27b604 --done --reason 'the key is gone in the console'",),
        )
    )
    actions.add_command(
        SectionedCommand(
            "run",
            params=[click.Argument(["identifier"], metavar="[ID]", required=False), *output_options()],
            callback=_run,
            short_help="Carry out what was approved, and go on with what was interrupted",
            help="Carry out approved proposals, and go on with those whose process was interrupted; one, or all. The "
            "target is read before a step is tried again, so that nothing is done twice.",
            examples=("trailwarden actions run", "trailwarden actions run 3f9a1c27b604"),
        )
    )


def _approve(*, identifier: str, note: str, later: bool, format_name: str, tz: str | None, details: bool) -> None:
    from ..respond import Approver, confirmation  # noqa: PLC0415
    from ..respond.approval import same_person  # noqa: PLC0415
    from ..tools._respond import card, ledger_of  # noqa: PLC0415
    from .cli_people import authenticate_on_terminal  # noqa: PLC0415

    with opened(format_name, zone_of(tz, format_name)) as app:
        ledger = ledger_of(app)
        proposal = ledger.get(identifier)
        _display(card(app, proposal), app)
        session = authenticate_on_terminal(app)
        typed = ""
        may = {same_person(each) for each in app.state.people.approvers()}
        if may <= {same_person(session.person)}:
            names = confirmation(proposal.plan)
            click.echo("Nobody else here may approve: this runs without four eyes.", err=True)
            typed = click.prompt(f"Type the target's name ({names}) to approve", err=True)
        elif not click.confirm(f"Approve this plan as {session.person}?", err=True):
            click.echo("Nothing was approved.", err=True)
            click.get_current_context().exit(1)
        approver = Approver.from_session(session)
        approved = ledger.approve(identifier, approver, proposal.plan.sha256, typed=typed, note=note)
        if approved.state == "approved" and not later:
            approved = _carry_out(app, identifier)
        _end(approved, format_name, app, details=details)


def _reject(*, identifier: str, reason: str, format_name: str, tz: str | None, details: bool) -> None:
    from ..respond import Approver  # noqa: PLC0415
    from ..tools._respond import ledger_of  # noqa: PLC0415
    from .cli_people import authenticate_on_terminal  # noqa: PLC0415

    with opened(format_name, zone_of(tz, format_name)) as app:
        approver = Approver.from_session(authenticate_on_terminal(app))
        _end(ledger_of(app).reject(identifier, approver, reason), format_name, app, details=details)


def _settle(*, identifier: str, done: bool, reason: str, format_name: str, tz: str | None, details: bool) -> None:
    from ..respond import Approver  # noqa: PLC0415
    from ..tools._respond import ledger_of  # noqa: PLC0415
    from .cli_people import authenticate_on_terminal  # noqa: PLC0415

    with opened(format_name, zone_of(tz, format_name)) as app:
        approver = Approver.from_session(authenticate_on_terminal(app))
        settled = ledger_of(app).settle(identifier, approver, done=done, reason=reason)
        _end(settled, format_name, app, details=details)


def _run(*, identifier: str | None, format_name: str, tz: str | None, details: bool) -> None:
    from ..tools._respond import ledger_of  # noqa: PLC0415

    with opened(format_name, zone_of(tz, format_name)) as app:
        ledger = ledger_of(app)
        ledger.expire_due()
        ready = {each.id for each in ledger.list(states=["approved"])} | {each.proposal.id for each in ledger.resume()}
        wanted = [identifier] if identifier is not None else sorted(ready)
        if not wanted:
            click.echo("Nothing is approved and not carried out, and nothing was interrupted.")
            return
        codes = [_end(_carry_out(app, each), format_name, app, details=details, leave=False) for each in wanted]
        click.get_current_context().exit(max(codes))


def _carry_out(app: App, identifier: str) -> Proposal:
    """Execute, and look at once what the target did since."""
    from ..tools._respond import desk_of, ledger_of, watch  # noqa: PLC0415

    execution = desk_of(app).execute(identifier)
    if execution.successor is not None:
        click.echo(
            f"The target changed since: nothing was done. What it would take now is proposal {execution.successor}.",
            err=True,
        )
    if execution.proposal.state == "verified":
        try:
            seen = watch(app, execution.proposal)
        except TrailwardenError as error:  # it is done all the same; `actions watch` can be repeated
            click.echo(f"What the target did since could not be looked at: {error.message}", err=True)
        else:
            if seen is not None:
                return ledger_of(app).watched(identifier, seen, worker="watch")
    return execution.proposal


def _end(proposal: Proposal, format_name: str, app: App, *, details: bool, leave: bool = True) -> int:
    """Show the proposal; the exit code is 1 where it was carried out and not as planned."""
    from ..tools._respond import card  # noqa: PLC0415

    finish(card(app, proposal), format_name, app, details=details)
    code = 1 if proposal.state in ("failed", "outcome_unknown", "superseded") else 0
    if leave and code:
        click.get_current_context().exit(code)
    return code


def _display(shown: Any, app: App) -> None:
    """Show on standard error what is to be decided, whatever the format of the result is."""
    from .output import View  # noqa: PLC0415
    from .views import console, show  # noqa: PLC0415

    screen = console(stderr=True)
    screen.print(show(shown, View(zone=app.zone, now=app.now(), width=screen.width)))
