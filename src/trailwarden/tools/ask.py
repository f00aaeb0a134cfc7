"""Ask: a plain question, answered by the tool that it stands for."""

import contextlib
import os
from datetime import datetime, timedelta, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from ..identity import matches, person
from ..installation import Installation
from ..model.finding import Coverage, Finding
from ..model.session import SessionFilter
from ..model.time import parse_zone
from ..tool import tool
from ._directory import DIRECTORY_NEEDS, directory_of
from ._sessions import session_index
from .search import SEARCH_NEEDS

if TYPE_CHECKING:
    from ..ask import Answer, Found, Interpretation, Requests

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
    needs=(*SEARCH_NEEDS, *DIRECTORY_NEEDS),
    examples=(
        'trailwarden ask "Show me all API calls by john@company.com in the last 24 hours"',
        'trailwarden ask "Who used 185.220.101.1 since Monday?"',
        'trailwarden ask "When did jane last sign in, and from where?"',
        'trailwarden ask "Who was behind role AdminRole yesterday between 2pm and 4pm?"',
        'trailwarden ask "How do users authenticate to AWS in this account?"',
        'trailwarden ask "What permissions does the AdminRole have? Is it over-privileged?"',
        'trailwarden ask "Find AWS sessions related to the CrowdStrike alert on LAPTOP-7"',
        """trailwarden ask "Delete john's access key AKIAIOSFODNN7EXAMPLE\"""",
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
    """Answer a question about what happened: who, what, when, from where; or propose what is asked to be done.

    The query that the question was understood as is always shown, and can be edited and run. What is not
    understood is said, with the nearest questions that are; nothing is guessed. A question may continue the
    one of the last hour ("and yesterday?", "only failures"). docs/ask.md is the grammar. What is asked to be
    done ("disable john") becomes a proposal, which is shown and waits for a person's approval.

    Raises:
        NotUnderstood: the question is outside the grammar (exit code 2).
    """
    from ..ask import interpret, parse_requests  # noqa: PLC0415
    from ..lake.query import vocabulary  # noqa: PLC0415

    requests = parse_requests(question)
    if requests is not None:
        return _proposed(app, question, requests)
    now = app.now()
    conversation = _conversation(app)
    understood = interpret(
        question,
        now=now,
        zone=app.zone,
        vocabulary=vocabulary(app.lake),
        previous=None if new else _before(conversation, now),
        labels=app.lake.manifest.expected_accounts(),
    )
    understood = _by_chain(app, understood)
    # Remembered before it is answered too: a question whose answer fails can still be continued.
    _remember(conversation, understood, now)
    interpretation = Understood(
        tool=understood.tool, arguments=understood.arguments, words=understood.words, command=understood.command
    )
    result = app.tools[understood.tool].call(app, **understood.call)
    answer, found = _told(app, understood, result, now)
    _remember(conversation, msgspec.structs.replace(understood, found=found), now)
    return Answered(
        question=question,
        interpretation=interpretation,
        summary=answer.summary,
        findings=answer.findings,
        notices=answer.notices,
        result=result,
        coverage=getattr(result, "coverage", Coverage()),
    )


def _proposed(app: Installation, question: str, requests: "Requests") -> Answered:
    """File what is asked to be done, clause by clause; a clause that cannot be proposed is said with its reason.

    Raises:
        Forbidden: whoever asks may not propose.
        TrailwardenError: none of it can be proposed; that of the first clause.
    """
    from ._requests import file_requests  # noqa: PLC0415

    filed = file_requests(app, question, requests)
    count, total = len(filed.proposals), len(requests.requests)
    words = ", ".join(each.action.replace("_", " ") for each in filed.proposals)
    clauses = "" if count == total else f" {count} of {total} clauses;"
    return Answered(
        question=question,
        interpretation=Understood(
            tool="actions_propose",
            arguments={"requests": [[each.action, dict(each.arguments)] for each in requests.requests]},
            words=f"Propose: {'; '.join(each.clause for each in requests.requests)}",
            command="; ".join(filed.commands),
        ),
        summary=f"Proposed:{clauses} {words}. Nothing is done before a person approves it.",
        findings=(),
        notices=tuple(f"not proposed: {each.clause}: {each.why} {each.remedy}".strip() for each in filed.refused),
        result=filed,
        coverage=Coverage(),
    )


def _by_chain(app: Installation, understood: "Interpretation") -> "Interpretation":
    """What somebody did as a role, asked by the keys of the sessions that lead to them: a session's name is free."""
    where = understood.where
    if understood.tool != "search" or not (where.user and where.role):
        return understood
    directory, aliases = directory_of(app), app.state.aliases.list()
    with session_index(app) as index:
        sessions = index.whole(SessionFilter(role=where.role, account=where.account), understood.window)
    own = [
        match
        for each in where.user
        for match in matches(sessions, person(each, directory, aliases, sessions=sessions))
        if match.session.access_keys
    ]
    if not any(match.through for match in own):
        return understood  # the names alone find them
    keys = tuple(sorted({key for match in own for key in match.session.access_keys}))
    count = len({match.session.session_id for match in own})
    proven = "proven" if all(match.strength == "proven" for match in own) else "claimed in part"
    notice = (
        f"{count} session{'s' if count > 1 else ''} of that role lead{'' if count > 1 else 's'} to "
        f"{' or '.join(where.user)} by who issued what to whom ({proven}): their calls are searched by access key"
    )
    return msgspec.structs.replace(
        understood,
        where=msgspec.structs.replace(where, user=(), access_key=keys),
        notices=(*understood.notices, notice),
    )


def _told(app: Installation, understood: "Interpretation", result: Any, now: datetime) -> "tuple[Answer, Found]":
    """The answer in words, and what of it the next question may refer to."""
    from ..ask import (  # noqa: PLC0415
        Answer,
        Found,
        found_in_page,
        found_in_sessions,
        summarize,
        summarize_correlation,
        summarize_iam_can,
        summarize_iam_changes,
        summarize_iam_role,
        summarize_iam_scan,
        summarize_iam_who_can,
        summarize_session,
        summarize_sessions,
    )

    match understood.tool:
        case "search":
            return summarize(understood, result, now=now, zone=app.zone), found_in_page(result)
        case "identity" | "sessions_list":
            answer = summarize_sessions(
                understood, result.sessions, total=result.total, coverage=result.coverage, now=now, zone=app.zone,
                findings=getattr(result, "findings", ()),
            )  # fmt: skip
            return answer, found_in_sessions(result.sessions, result.total)
        case "sessions_show":
            answer = summarize_session(
                understood, result, coverage=result.coverage, now=now, zone=app.zone, others=len(result.others)
            )
            return answer, found_in_sessions((result,), 1)
        case "auth_model":
            summary = " ".join(result.summary)
            return Answer(summary=summary, findings=result.findings, notices=understood.notices), Found()
        case "iam_role":
            answer = summarize_iam_role(
                understood, result, services=result.effective, trust=result.trust,
                recommendations=result.recommendations, coverage=result.coverage,
            )  # fmt: skip
            return answer, Found()
        case "iam_scan":
            answer = summarize_iam_scan(
                understood, result.principals, total=result.total, accounts=result.accounts, coverage=result.coverage
            )
            return answer, Found()
        case "iam_can":
            return summarize_iam_can(understood, result.permissions, coverage=result.coverage), Found()
        case "iam_who_can":
            return summarize_iam_who_can(understood, result.principals, coverage=result.coverage), Found()
        case "iam_changes":
            changed = [
                (
                    each.account, each.before, each.after, len(each.changes),
                    [(moved.principal, moved.administrator) for moved in each.permissions],
                )
                for each in result.accounts
            ]  # fmt: skip
            return summarize_iam_changes(understood, changed, coverage=result.coverage), Found()
        case "correlate_alert" | "correlate_host" | "correlate_recent" | "correlate_session":
            alerts = (result,) if understood.tool == "correlate_alert" else result.alerts
            answer = summarize_correlation(
                understood, alerts, total=getattr(result, "total", len(alerts)), coverage=result.coverage,
                zone=app.zone,
            )  # fmt: skip
            matched = {match.session.session_id: match.session for each in alerts for match in each.matches}
            return answer, found_in_sessions(tuple(matched.values()), len(matched))
        case _:
            return Answer(summary=understood.words, notices=understood.notices), Found()


def _conversation(app: Installation) -> Path:
    """Where the last question is kept: one file on the command line, and one for each who asks through another face."""
    actor = app.actor
    if actor.via in ("command_line", "python"):
        return app.home / "conversation.json"
    who = f"{actor.kind}\n{actor.name}\n{actor.via}\n{app.on_behalf_of or ''}"
    folder = app.home / "conversations"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{sha256(who.encode()).hexdigest()[:32]}.json"


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
