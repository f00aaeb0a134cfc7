"""Progress of long work, reported to whoever is watching: a terminal, a page, or nobody."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, amount: float, *, note: str = "") -> None:
        """``amount`` more is done, in the unit that the task was opened with; ``note`` replaces the text beside it."""

    def total(self, amount: float) -> None:
        """How much there is in all, once that is known."""


class Progress(Protocol):
    """Where work reports how far it is."""

    def task(self, title: str, *, total: float | None = None, unit: str = "") -> AbstractContextManager[Task]:
        """Open a task; it ends with the ``with`` block. ``unit``: ``bytes``, ``records``, ``requests``, …"""


class _NoTask:
    def advance(self, amount: float, *, note: str = "") -> None:
        """Nobody is watching."""

    def total(self, amount: float) -> None:
        """Nobody is watching."""


class Silent:
    """Nobody is watching."""

    @contextmanager
    def task(self, title: str, *, total: float | None = None, unit: str = "") -> Iterator[Task]:  # noqa: ARG002
        """A task that reports to nobody."""
        yield _NoTask()
