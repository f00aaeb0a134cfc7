"""What is written to a terminal, and what to a program."""

import csv
import io
import json
import sys
from collections.abc import Callable

import msgspec
import pytest

from trailwarden.faces.output import View, write

HOSTILE = "\x1b]0;owned\x07\x9b2J\u202eexe"


class Row(msgspec.Struct, frozen=True):
    """A row with what an attacker wrote."""

    user_agent: str


@pytest.mark.parametrize("format_name", ["json", "jsonl", "csv"])
def test_a_terminal_gets_nothing_that_commands_it(
    format_name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    write((Row(HOSTILE), Row("aws-cli/2")), format_name, View())
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)
    assert "owned" in shown
    assert "aws-cli/2" in shown


@pytest.mark.parametrize("format_name", ["json", "jsonl", "csv"])
def test_a_program_gets_what_was_recorded(format_name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write((Row(HOSTILE), Row("aws-cli/2")), format_name, View())
    told = capsys.readouterr().out
    read: dict[str, Callable[[], object]] = {
        "json": lambda: json.loads(told)[0],
        "jsonl": lambda: json.loads(told.splitlines()[0]),
        "csv": lambda: next(csv.DictReader(io.StringIO(told))),
    }
    assert read[format_name]() == {"user_agent": HOSTILE}
