"""Plain questions: what was asked, as the call that answers it, and the answer in words."""

from .answer import Answer, summarize
from .answer_sessions import summarize_session, summarize_sessions
from .entities import Names, Vocabulary
from .interpret import Interpretation, interpret
from .references import Found, found_in_page, found_in_sessions

__all__ = [
    "Answer",
    "Found",
    "Interpretation",
    "Names",
    "Vocabulary",
    "found_in_page",
    "found_in_sessions",
    "interpret",
    "summarize",
    "summarize_session",
    "summarize_sessions",
]
