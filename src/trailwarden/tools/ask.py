"""Ask: a plain question, answered by the tool that it stands for."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.event import EventPage
from ..model.finding import Coverage, Finding
from ..tool import tool
from .search import search


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """What the question was understood as: the tool and its arguments, in words and as a command to edit and run."""

    tool: str
    arguments: dict[str, Any]
    words: str
    command: str


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: in words, with notable points, the result that they rest on, and its coverage."""

    question: str
    interpretation: Understood
    summary: str
    findings: tuple[Finding, ...]
    notices: tuple[str, ...]
    result: Any
    coverage: Coverage


@tool(
    effect="read",
    title="Ask a question in plain words",
    needs=("cloudtrail:LookupEvents", "account:ListRegions", "ec2:DescribeRegions"),
    examples=(
        'trailwarden ask "Show me all API calls by john@company.com in the last 24 hours"',
        'trailwarden ask "Who used 185.220.101.1 since Monday?"',
        'trailwarden ask "When did jane last sign in, and from where?"',
    ),
)
def ask(
    app: Installation,
    question: Annotated[
        str, Meta(description="The question", extra={"argument": True, "words": True, "metavar": "QUESTION"})
    ],
) -> Answered:
    """Answer a question about what happened: who, what, when, from where.

    The query that the question was understood as is always shown, and can be edited and run. What is not
    understood is said, with the nearest questions that are; nothing is guessed. docs/ask.md is the grammar.

    Raises:
        NotUnderstood: the question is outside the grammar (exit code 2).
    """
    from ..ask import interpret, summarize  # noqa: PLC0415
    from ..lake.query import vocabulary  # noqa: PLC0415

    now = app.now()
    understood = interpret(
        question, now=now, zone=app.zone, vocabulary=vocabulary(app.lake), labels=app.lake.manifest.expected_accounts()
    )
    interpretation = Understood(
        tool=understood.tool, arguments=understood.arguments, words=understood.words, command=understood.command
    )
    if understood.tool != "search":
        result = app.tools[understood.tool].call(app)
        return Answered(
            question=question,
            interpretation=interpretation,
            summary=understood.words,
            findings=(),
            notices=understood.notices,
            result=result,
            coverage=Coverage(),
        )
    page: EventPage = search(app, understood.where, understood.window, order=understood.order, limit=understood.limit)
    answer = summarize(understood, page, now=now, zone=app.zone)
    return Answered(
        question=question,
        interpretation=interpretation,
        summary=answer.summary,
        findings=answer.findings,
        notices=answer.notices,
        result=page,
        coverage=page.coverage,
    )
