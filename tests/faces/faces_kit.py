"""Commands as they are called: what they print, and the JSON in it."""

import json
import os
import pty
import select
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from trailwarden.faces.cli import build


def run(*arguments: str, home: Path | None = None) -> Result:
    """The outcome of a command."""
    words = ["--home", str(home), *arguments] if home else list(arguments)
    return CliRunner().invoke(build(), words, prog_name="trailwarden")


def answer(*arguments: str) -> dict[str, Any]:
    """The JSON of a command that answers, if only in part."""
    result = run(*arguments, "--format", "json")
    assert result.exit_code in (0, 3), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def on_terminal(*arguments: str, answers: Mapping[str, str], seconds: float = 120) -> tuple[int, str]:
    """The exit code and the screen of a command in a terminal of its own, where a person answers what it asks."""
    waiting = dict(answers)
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(COLUMNS="120", TERM="dumb", NO_COLOR="1")
        os.execv(sys.executable, [sys.executable, "-m", "trailwarden", *arguments])
    screen = b""
    unanswered = b""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            read = os.read(terminal, 65536)
        except OSError:  # the command has ended
            break
        if not read:
            break
        screen += read
        unanswered += read
        for prompt in [each for each in waiting if each.encode() in unanswered]:
            os.write(terminal, waiting.pop(prompt).encode() + b"\n")
            unanswered = b""
    else:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), screen.decode(errors="replace")
