"""Plain questions: what was asked, as the call that answers it, and the answer in words."""

from .answer import Answer, summarize
from .answer_alerts import summarize_correlation
from .answer_rights import (
    summarize_iam_can,
    summarize_iam_changes,
    summarize_iam_role,
    summarize_iam_scan,
    summarize_iam_who_can,
)
from .answer_sessions import summarize_session, summarize_sessions
from .entities import Names, Vocabulary
from .interpret import Interpretation, interpret
from .references import Found, found_in_page, found_in_sessions
from .requests import Request, Requests, parse_requests

__all__ = [
    "Answer",
    "Found",
    "Interpretation",
    "Names",
    "Request",
    "Requests",
    "Vocabulary",
    "found_in_page",
    "found_in_sessions",
    "interpret",
    "parse_requests",
    "summarize",
    "summarize_correlation",
    "summarize_iam_can",
    "summarize_iam_changes",
    "summarize_iam_role",
    "summarize_iam_scan",
    "summarize_iam_who_can",
    "summarize_session",
    "summarize_sessions",
]
