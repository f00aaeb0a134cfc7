"""Ask: a plain question, answered by the tool that it stands for."""

import contextlib
import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from ..installation import Installation
from ..model.event import EventPage
from ..model.finding import Coverage, Finding
from ..model.time import parse_zone
from ..tool import tool
from .search import SEARCH_NEEDS, search

if TYPE_CHECKING:
    from ..ask import Interpretation

#: For how long a question can be continued ("and yesterday?").
CONVERSATION = timedelta(hours=1)


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
    needs=SEARCH_NEEDS,
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
    *,
    new: Annotated[bool, Meta(description="Do not continue the question before, even if this one could")] = False,
) -> Answered:
    """Answer a question about what happened: who, what, when, from where.

    The query that the question was understood as is always shown, and can be edited and run. What is not
    understood is said, with the nearest questions that are; nothing is guessed. A question may continue the
    one of the last hour ("and yesterday?", "only failures"). docs/ask.md is the grammar.

    Raises:
        NotUnderstood: the question is outside the grammar (exit code 2).
    """
    from ..ask import interpret, summarize  # noqa: PLC0415
    from ..lake.query import vocabulary  # noqa: PLC0415

    now = app.now()
    conversation = app.home / "conversation.json"
    understood = interpret(
        question,
        now=now,
        zone=app.zone,
        vocabulary=vocabulary(app.lake),
        previous=None if new else _before(conversation, now),
        labels=app.lake.manifest.expected_accounts(),
    )
    _remember(conversation, understood, now)
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


class _Turn(msgspec.Struct, frozen=True):
    at: datetime
    understood: msgspec.Raw


def _before(conversation: Path, now: datetime) -> "Interpretation | None":
    """The question before, if it is recent and can still be read."""
    from ..ask import Interpretation  # noqa: PLC0415

    with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
        turn = msgspec.json.decode(conversation.read_bytes(), type=_Turn)
        if now - turn.at <= CONVERSATION:
            return msgspec.json.decode(turn.understood, type=Interpretation, dec_hook=lambda _, name: parse_zone(name))
    return None


def _remember(conversation: Path, understood: "Interpretation", now: datetime) -> None:
    from ..ask.command import zone_name  # noqa: PLC0415

    def zone(value: tzinfo) -> str:
        return zone_name(value)

    body = msgspec.Raw(msgspec.json.encode(understood, enc_hook=zone))
    written = conversation.with_suffix(f".{os.getpid()}.tmp")
    written.touch(mode=0o600)
    written.write_bytes(msgspec.json.encode(_Turn(now, body)))
    written.replace(conversation)
