"""Commands as they are called: what they print, and the JSON in it."""

import json
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
