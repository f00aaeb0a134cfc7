"""``trailwarden agent``: a question to the language model that the settings name."""

import os

import click
import msgspec

from .cli_common import SectionedCommand, SectionedOption, finish, opened, output_options, zone_of


def _agent(*, question: tuple[str, ...], model: str | None, format_name: str, tz: str | None, details: bool) -> None:
    with opened(format_name, zone_of(tz, format_name)) as app:
        from ..agent.models import model_in_use, model_named  # noqa: PLC0415

        name = model_named(app.settings.agent, model)
        from ..agent.run import ask_model, limits_of  # noqa: PLC0415
        from ..agent.values import Calling, ToolUse  # noqa: PLC0415
        from . import views_agent  # noqa: F401, PLC0415 - tells how the answer is shown
        from .callers import local_caller  # noqa: PLC0415

        caller = local_caller(app)
        here = msgspec.structs.replace(caller, actor=msgspec.structs.replace(caller.actor, via="command_line"))
        used = model_in_use(app.settings.agent, model, environ=os.environ)
        with app.progress.task(f"Asking {name}") as task:

            def told(call: Calling | ToolUse) -> None:
                task.advance(0, note=f"{call.title}: {call.words}" if isinstance(call, Calling) else " ")

            limits = limits_of(app.settings.agent)
            answer = ask_model(app, " ".join(question), here, model=used, limits=limits, told=told)
        finish(answer, format_name, app, details=details)


agent = SectionedCommand(
    "agent",
    callback=_agent,
    short_help="Ask a language model, which reads and proposes",
    help="Ask the language model that the settings name ([agent] model), which answers from the tools.\n\nEach "
    "sentence has its evidence, which is held against the store; one without is marked. The model may propose an "
    "action on what the question names, and on nothing else; a person decides. What the tools say is sent to whoever "
    "serves the model. docs/agent.md tells the rules.",
    params=[
        click.Argument(["question"], nargs=-1, required=True, metavar="QUESTION"),
        SectionedOption("--model", metavar="PROVIDER:MODEL", help="Another model than the settings name"),
        *output_options(),
    ],
    examples=(
        'trailwarden agent "What did john@company.com do with key AKIAIOSFODNN7EXAMPLE, and what should be done?"',
        'trailwarden agent "Who used 185.220.101.1 since Monday?" --format json',
    ),
)
