"""Plain questions: what was asked, as the search that answers it, and the answer in words."""

from .answer import Answer, summarize
from .entities import Names, Vocabulary
from .interpret import Interpretation, interpret

__all__ = ["Answer", "Interpretation", "Names", "Vocabulary", "interpret", "summarize"]
