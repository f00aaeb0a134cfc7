"""The documentation of questions holds: its examples are understood, its refusals refused, its tables complete."""

import re
from pathlib import Path

import pytest
from ask_kit import ask

from trailwarden.ask.grammar import FILLER, phrases
from trailwarden.ask.notable import RULES
from trailwarden.errors import NotUnderstood

DOCS = Path(__file__).parents[2] / "docs" / "ask.md"
TEXT = DOCS.read_text(encoding="utf-8")


def _rows(heading: str) -> list[list[str]]:
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return rows[2:]


@pytest.mark.parametrize(
    "question", [part for row in _rows("Questions that are understood") for part in re.findall(r"[^?]+\??", row[0])]
)
def test_a_documented_question_is_understood(question: str) -> None:
    assert ask(question.strip()).echo


@pytest.mark.parametrize(
    ("question", "command"),
    [
        (part.strip(), row[1].strip("`"))
        for heading in (
            "Questions about people and sessions",
            "Questions about what roles and users may do",
            "Questions about endpoint alerts",
        )
        for row in _rows(heading)
        for part in re.findall(r"[^?]+\??", row[0])
    ],
)
def test_a_documented_question_goes_to_its_command(question: str, command: str) -> None:
    assert ask(question).command.startswith(f"trailwarden {command}")


@pytest.mark.parametrize(
    "time", [time for row in _rows("Times") for time in re.split(r", (?!in)", row[0]) if "…" not in time]
)
def test_a_documented_time_is_understood(time: str) -> None:
    if time in {"since", "after", "before", "until", "this morning", "from 9:00 to 10:30"}:
        time = {"this morning": "yesterday morning"}.get(time, f"{time} yesterday".replace("10:30 yesterday", "10:30"))
    assert ask(f"calls {time}").window is not None


@pytest.mark.parametrize("example", [example for row in _rows("Follow-ups") for example in row[0].split(" · ")])
def test_a_documented_follow_up_is_understood(example: str) -> None:
    assert ask(example, ask("calls by john in us-east-1 in the last 24 hours")).echo


@pytest.mark.parametrize("refused", ["03/04/2026", "between 2 and 4", "from Monday", "in CST", "in IST"])
def test_a_documented_refusal_is_refused(refused: str) -> None:
    with pytest.raises(NotUnderstood):
        ask(f"calls {refused}")


def test_every_notable_point_is_documented_with_its_severity() -> None:
    documented = [(name, row[1]) for row in _rows("The answer") for name in re.findall(r"`(\w+)`", row[0])]
    assert documented == [(rule.id, rule.severity) for rule in RULES]


def test_the_fillers_are_documented() -> None:
    listed = " ".join(TEXT.split("Fillers, which change nothing: ")[1].split(".")[0].split())
    fillers = {" ".join(phrase) for phrase, terminal in phrases().items() if terminal == FILLER}
    documented = set(listed.split(", "))
    greetings = {"hi", "hey", "hello", "thank you", "thanks", "could you", "would you", "can you"}

    assert documented <= fillers
    assert fillers - documented - greetings == {"all of", "any of", "all the"}


def test_the_echo_in_the_documentation_is_the_echo() -> None:
    assert ask("Show me all API calls by john@company.com in the last 24 hours").echo in TEXT
