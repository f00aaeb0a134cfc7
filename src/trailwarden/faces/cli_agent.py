"""``trailwarden agent``: a question to the language model that the settings name."""

import os

import click
import msgspec

from ..errors import MissingDependency, SetupError
from .cli_common import SectionedCommand, SectionedOption, finish, opened, output_options, zone_of


def _agent(*, question: tuple[str, ...], model: str | None, format_name: str, tz: str | None, details: bool) -> None:
    with opened(format_name, zone_of(tz, format_name)) as app:
        set_ = app.settings.agent
        name = model or set_.model
        if not name:
            raise SetupError(
                "no language model is set up",
                remedy='[agent] model = "PROVIDER:MODEL" in config.toml; `trailwarden ask` needs none',
            )
        try:
            from ..agent.run import Limits, ask_model  # noqa: PLC0415
        except ImportError as error:
            raise MissingDependency(
                f"the agent needs the package {error.name}", remedy="pip install 'trailwarden[agent]'"
            ) from error
        from ..agent.models import model_of  # noqa: PLC0415
        from . import views_agent  # noqa: F401, PLC0415 - tells how the answer is shown
        from .callers import local_caller  # noqa: PLC0415

        caller = local_caller(app)
        here = msgspec.structs.replace(caller, actor=msgspec.structs.replace(caller.actor, via="command_line"))
        limits = Limits(
            requests=set_.requests, tool_calls=set_.tool_calls, tokens=set_.tokens, seconds=float(set_.seconds)
        )
        # --model may name what the address of the settings does not serve.
        url = set_.url if model is None or model.startswith("openai-chat:") else ""
        used = model_of(name, url=url, environ=os.environ)
        with app.progress.task(f"Asking {name}"):
            answer = ask_model(app, " ".join(question), here, model=used, limits=limits)
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
