"""The terminal: text that cannot harm it, and progress with rate and time left."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..model.text import UNSEEN
from ..progress import Progress, Silent, Task

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


def safe(text: str, *, cap: int = 300) -> str:
    """Recorded text as a terminal may show it: control characters written out, at most ``cap`` characters.

    Log content is an attacker's: escape sequences, line breaks and text that reorders its surroundings are
    written as ``\\x1b`` or ``\\u202e``; a cut is marked with ``…``.
    """
    shown = UNSEEN.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)
    return shown if len(shown) <= cap else shown[: cap - 1] + "…"


def safe_lines(text: str) -> str:
    """Text of several lines, each of them safe, none cut."""
    return "\n".join(safe(line, cap=len(line) * 10 + 1) for line in text.split("\n"))


def safe_json(text: str) -> str:
    """JSON as a terminal may show it, which is the same JSON: the same characters are written as ``\\u202e``."""
    return "\n".join(UNSEEN.sub(_in_json, line) for line in text.split("\n"))


def _in_json(found: re.Match[str]) -> str:
    units = found.group().encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class _RichTask:
    def __init__(self, progress: "RichProgress", task: "TaskID", unit: str) -> None:
        self._progress, self._task, self._unit = progress, task, unit

    def advance(self, amount: float, *, note: str = "") -> None:
        """Move the bar; a note replaces the text at its end."""
        if note:
            self._progress.update(self._task, advance=amount, note=note)
        else:
            self._progress.advance(self._task, amount)

    def total(self, amount: float) -> None:
        """Set the end of the bar."""
        self._progress.update(self._task, total=amount)


class _TerminalProgress:
    """Bars on standard error, gone when the work is done."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    @contextmanager
    def task(self, title: str, *, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """A bar with what is done, the rate and the time left."""
        from rich import progress as bars  # noqa: PLC0415

        in_bytes = unit == "bytes"
        amount = bars.DownloadColumn() if in_bytes else bars.MofNCompleteColumn()
        speed = (bars.TransferSpeedColumn(),) if in_bytes else ()
        with bars.Progress(
            bars.SpinnerColumn(),
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            amount,
            *speed,
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[note]}", style="dim"),
            console=self._console,
            transient=True,
        ) as shown:
            yield _RichTask(shown, shown.add_task(title, total=total, note=""), unit)


def terminal_progress() -> Progress:
    """Bars where standard error is a terminal, else nothing."""
    if not sys.stderr.isatty():
        return Silent()
    from rich.console import Console  # noqa: PLC0415

    return _TerminalProgress(Console(stderr=True))
