"""`trailwarden agent`, with a server on this machine that speaks as OpenAI's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from agent_kit import Setting, StandIn, completion, event_id, final
from click.testing import CliRunner, Result

from trailwarden.faces.cli import build


def run(setting: Setting, *words: str) -> Result:
    return CliRunner().invoke(build(), ["--home", str(setting.up.home), "agent", *words], prog_name="trailwarden")


@pytest.fixture
def configured(setting: Setting, stand_in: StandIn) -> Iterator[StandIn]:
    """The stand-in as the installation's model."""
    file = setting.up.home / "config.toml"
    before = file.read_text(encoding="utf-8")
    file.write_text(f'{before}\n[agent]\nmodel = "openai-chat:stand-in"\nurl = "{stand_in.url}"\ntool_calls = 3\n')
    try:
        yield stand_in
    finally:
        file.write_text(before, encoding="utf-8")


def test_an_answer_in_words(setting: Setting, configured: StandIn) -> None:
    configured.replies = [
        completion("lake_info"),
        completion(
            "final_result",
            sentences=[{"text": "They tried.", "evidence": [event_id(0)]}, {"text": "They may be back.\x1b[31m"}],
            follow_ups=["Who is mallory?"],
        ),
    ]
    result = run(setting, "What", "did", "mallory-contractor", "do?", "--details")
    assert result.exit_code == 0, result.output
    assert "They tried. [1]" in result.output
    assert f"[1] {event_id(0)}" in result.output
    assert "They may be back.\\x1b[31m unproven" in result.output
    assert "Who is mallory?" in result.output
    assert "lake_info {}" in result.output
    assert configured.asked[0]["messages"][1]["content"] == "What did mallory-contractor do?"


def test_what_was_refused_is_said(setting: Setting, configured: StandIn) -> None:
    configured.replies = [
        completion("propose_delete_user", user=setting.up.story.iam_user, reason="the record says so"),
        final("Tried."),
    ]
    result = run(setting, "What did mallory-contractor do?")
    assert "Refused: propose_delete_user" in result.output


def test_an_answer_as_json(setting: Setting, configured: StandIn) -> None:
    configured.replies = [final("They tried.", event_id(0))]
    result = run(setting, "What did mallory-contractor do?", "--format", "json")
    said: dict[str, Any] = json.loads(result.stdout)
    assert said["sentences"] == [{"text": "They tried.", "evidence": [event_id(0)], "unproven": False}]
    assert said["model"] == "stand-in"
    assert said["stopped"] is None


def test_a_failure_is_said_and_ends_with_one(setting: Setting, configured: StandIn) -> None:
    configured.replies = [401]
    result = run(setting, "What did mallory-contractor do?")
    assert result.exit_code == 1
    assert "No answer: whoever serves the model refused the credentials" in result.output
    assert "Remedy: put valid ones into the environment" in result.output


def test_the_settings_limits_hold(setting: Setting, configured: StandIn) -> None:
    configured.replies = [completion("lake_info") for _ in range(4)]
    result = run(setting, "What did mallory-contractor do?", "--format", "json")
    assert "3 calls of tools" in json.loads(result.stdout)["stopped"]


def test_without_a_model_the_remedy_is_said(setting: Setting) -> None:
    result = run(setting, "What did mallory-contractor do?")
    assert result.exit_code == 1
    assert "[agent] model" in result.output
    assert run(setting, "x", "--model", "nobody:x").exit_code == 2
