"""Answers about alerts of endpoints in words: which alerts, which AWS sessions match them, and what those did."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Protocol

from ..model.alert import Alert, Host, SessionMatch
from ..model.finding import Coverage
from .answer import Answer
from .answer_rights import notes_of
from .command import any_of, moment_in_words, shorten, when_in_words
from .interpret import Interpretation

_SHOWN = 5
_CALLS = 3


class Correlated(Protocol):
    """One alert and the sessions that it may belong to, the best first."""

    @property
    def alert(self) -> Alert:
        """The alert."""

    @property
    def host(self) -> Host | None:
        """Its host, if it is known."""

    @property
    def matches(self) -> tuple[SessionMatch, ...]:
        """The sessions."""


def summarize_correlation(
    asked: Interpretation, alerts: Sequence[Correlated], *, total: int, coverage: Coverage, zone: tzinfo
) -> Answer:
    """What a correlation says to the question. ``total`` counts the alerts, of which ``alerts`` are at hand.

    Times are told in ``zone``. A match is told as what it may be, with its score, and never as a fact.
    """
    sentences = (*_told(asked, alerts, total, zone), *notes_of(coverage))
    return Answer(summary=" ".join(sentences), notices=asked.notices)


def _told(asked: Interpretation, alerts: Sequence[Correlated], total: int, zone: tzinfo) -> Iterator[str]:
    of = _of(asked)
    when = f" {when_in_words(asked.window, asked.last, zone)}" if asked.window is not None else ""
    if not alerts:
        yield f"No endpoint alert{of}{when} was found."
        return
    matched = [each for each in alerts if each.matches]
    answered = matched if "events" in asked.also else alerts
    yes = ("Yes: " if answered else "Nothing that is known: ") if asked.focus == "exists" else ""
    yield f"{yes}{_counted(total, 'endpoint alert')}{of}{when}."
    if len(alerts) < total:
        yield f"What follows is told of {len(alerts):,} of them."
    if not matched:
        yield "No AWS session matches any of them."
    else:
        yield f"For {len(matched):,} of {len(alerts):,}, AWS sessions match."
    for each in (matched or alerts)[:_SHOWN]:
        yield from _alert(each, zone)
    if (more := len(matched or alerts) - _SHOWN) > 0:
        yield f"{more:,} more are in the result."


def _of(asked: Interpretation) -> str:
    match asked.tool:
        case "correlate_host":
            return f" on host {shorten(asked.host)}"
        case "correlate_alert":
            return f" {shorten(asked.alert, 200)}"
        case "correlate_session":
            return f" that touches {shorten(asked.session)}"
        case _:
            return f" of user {any_of(asked.where.user)}" if asked.where.user else ""


def _alert(each: Correlated, zone: tzinfo) -> Iterator[str]:
    alert = each.alert
    host = alert.hostname or (each.host.hostname if each.host else None)
    parts = [
        f"severity {alert.severity_name or alert.severity}"
        if alert.severity_name or alert.severity is not None
        else "",
        f"on host {shorten(host)}" if host else "",
        f"of user {shorten(alert.user_name or alert.upn or '')}" if alert.user_name or alert.upn else "",
    ]
    name = shorten(alert.name or alert.type or "an unnamed alert", 120)
    said = ", ".join(filter(None, parts))
    yield f"{name} at {moment_in_words(alert.time, zone)}{f' ({said})' if said else ''}:"
    if not each.matches:
        yield "no session matches."
        return
    best = each.matches[0]
    more = f"; {len(each.matches) - 1:,} more match less" if len(each.matches) > 1 else ""
    yield f"it may belong to {_session(best)}, with a score of {best.score:.2f} by {_evidence(best)}{more}."
    if best.against:
        yield f"Against it speaks: {shorten('; '.join(best.against), 200)}."
    calls = best.notable_events
    if not calls:
        yield "No notable call of that session after the alert is known."
        return
    shown = ", ".join(
        f"{shorten(call.event)} at {moment_in_words(call.time, zone)} ({shorten(', '.join(call.reasons), 80)})"
        for call in calls[:_CALLS]
    )
    rest = f", and {len(calls) - _CALLS:,} more" if len(calls) > _CALLS else ""
    yield f"After the alert it made {_counted(len(calls), 'notable call')}: {shown}{rest}."


def _session(match: SessionMatch) -> str:
    session = match.session
    role = shorten((session.role_arn or "").rpartition("/")[2])
    who = f"role {role}" if role else shorten(session.user_name or session.principal_id or "an unnamed principal")
    account = f" in account {shorten(session.account)}" if session.account else ""
    name = f", session name {shorten(session.session_name)}" if session.session_name else ""
    return f"session {shorten(session.session_id)} ({who}{name}{account})"


def _evidence(match: SessionMatch) -> str:
    kinds = tuple(dict.fromkeys(each.kind.replace("_", " ") for each in match.evidence))
    hops = f" over {_counted(match.hops, 'hop')} of AssumeRole" if match.hops else ""
    return f"{' and '.join(shorten(kind) for kind in kinds) or 'no evidence of its own'}{hops}"


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one if number == 1 else f'{one}s'}"
