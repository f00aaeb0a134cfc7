"""How a terminal shows what a model answered."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from ..agent.values import ModelAnswer
from .output import View
from .render import show, show_coverage
from .terminal import safe


@show.register
def _(answer: ModelAnswer, view: View) -> RenderableType:
    return Group(*_parts(answer, view))


def _parts(answer: ModelAnswer, view: View) -> Iterable[RenderableType]:
    numbers: dict[str, int] = {}
    for sentence in answer.sentences:
        cited = "".join(f"[{numbers.setdefault(each, len(numbers) + 1)}]" for each in sentence.evidence)
        mark = Text(f" {cited}", style="cyan") if cited else Text(" unproven", style="yellow")
        yield Text(safe(sentence.text, cap=2000)) + mark
    if answer.stopped:
        yield Text(f"No answer: {safe(answer.stopped)}", style="bold red")
        yield Text(f"Remedy: {safe(answer.remedy)}")
    if numbers:
        yield Text("\nEvidence", style="bold")
        for identifier, number in numbers.items():
            yield Padding(Text(f"[{number}] {safe(identifier)}"), (0, 0, 0, 2))
    for filed in answer.proposals:
        joined = "joined" if filed.joined else "filed"
        yield Text(f"\nProposal {filed.proposal.id} {joined}: it waits for a person at {filed.link}", style="bold")
        yield show(filed.proposal, view)
    for refused in answer.refused:
        target = f" of {refused.target}" if refused.target else ""
        yield Text(f"\nRefused: {refused.tool}{target}: {refused.why}", style="bold red")
    for notice in answer.notices:
        yield Text(f"Note: {safe(notice)}", style="yellow")
    if answer.follow_ups:
        yield Text("\nNext", style="bold")
        for each in answer.follow_ups:
            yield Padding(Text(safe(each)), (0, 0, 0, 2))
    if view.details:
        yield Text("\nTools", style="bold")
        for use in answer.tools:
            failed = f": {use.error}" if use.error else ""
            yield Padding(Text(f"{use.tool} {safe(str(use.arguments))}{safe(failed)}"), (0, 0, 0, 2))
    if any(use.coverage is not None for use in answer.tools):
        yield show_coverage(answer.coverage, view)
    used = answer.usage
    yield Text(
        f"\n{safe(answer.model)}: {used.requests} requests, {used.input_tokens + used.output_tokens:,} tokens, "
        f"{used.tool_calls} calls of tools",
        style="dim",
    )
