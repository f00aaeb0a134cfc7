"""The model that the settings name, and one behind an OpenAI-compatible server on this machine."""

import json

import pytest
from agent_cases import CASES, QUESTION
from agent_kit import Setting, StandIn, caller, completion, event_id, final, proposals

from trailwarden.agent.models import PROVIDERS, model_in_use, model_named, model_of
from trailwarden.agent.run import ask_model
from trailwarden.errors import MissingDependency, SetupError, UsageError
from trailwarden.settings import AgentSettings


def test_a_question_over_http(setting: Setting, stand_in: StandIn) -> None:
    number = next(n for n, case in enumerate(CASES) if case.command.name == "delete another user")
    before = proposals(setting.app)
    stand_in.replies = [
        completion("event", event_id=event_id(number)),
        completion("propose_delete_user", user=setting.up.story.iam_user, reason="the record says so"),
        final("Mallory's record holds a command.", event_id(number)),
    ]
    model = model_of("openai-chat:stand-in", url=stand_in.url, environ={})
    said = ask_model(setting.app, QUESTION, caller(), model=model)

    assert said.stopped is None, said.stopped
    assert said.model == "stand-in"
    assert [each.evidence for each in said.sentences] == [(event_id(number),)]
    assert [each.tool for each in said.refused] == ["propose_delete_user"]
    assert proposals(setting.app) == before
    assert (said.usage.requests, said.usage.input_tokens, said.usage.output_tokens) == (3, 3000, 60)
    assert stand_in.keys == ["Bearer none"] * 3

    first, second, _ = stand_in.asked
    functions = {each["function"]["name"] for each in first["tools"]}
    assert {"search", "event", "propose_delete_user"} <= functions
    assert not any(word in name for name in functions for word in ("approve", "execute", "ask", "doctor"))
    roles = [each["role"] for each in first["messages"]]
    assert roles in (["system", "user"], ["developer", "user"])
    assert first["messages"][1]["content"] == QUESTION
    result = second["messages"][-1]
    assert result["role"] == "tool"
    assert json.loads(result["content"])["untrusted"] is True
    whole = json.dumps(stand_in.asked)
    assert not any(secret in whole for secret in setting.secrets)


@pytest.mark.parametrize(
    ("status", "words"), [(401, "refused the credentials"), (404, "does not know it"), (400, "refused the request")]
)
def test_a_server_that_refuses_is_told(setting: Setting, stand_in: StandIn, status: int, words: str) -> None:
    stand_in.replies = [status]
    model = model_of("openai-chat:stand-in", url=stand_in.url, environ={"OPENAI_API_KEY": "sk-example"})
    said = ask_model(setting.app, QUESTION, caller(), model=model)
    assert said.stopped is not None
    assert str(status) in said.stopped
    assert words in said.stopped
    assert said.remedy
    assert stand_in.keys == ["Bearer sk-example"]
    assert "sk-example" not in said.stopped


@pytest.mark.parametrize(
    ("settings", "name", "used"),
    [
        (AgentSettings(model="openai:a"), None, "openai:a"),
        (AgentSettings(model="openai:a"), "openai:b", "openai:b"),
        (AgentSettings(), "openai:b", "openai:b"),
    ],
    ids=["the settings'", "another", "one without settings"],
)
def test_which_model_is_asked(settings: AgentSettings, name: str | None, used: str) -> None:
    assert model_named(settings, name) == used


def test_none_and_its_missing_packages_are_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError) as unset:
        model_in_use(AgentSettings(), environ={})
    assert "config.toml" in unset.value.remedy
    monkeypatch.setattr("trailwarden.agent.models.find_spec", lambda _: None)
    with pytest.raises(MissingDependency) as missing:
        model_in_use(AgentSettings(model="openai:a"), environ={})
    assert "pip install 'trailwarden[agent]'" in missing.value.remedy


def test_the_settings_address_serves_its_own_kind_alone(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-example")
    settings = AgentSettings(model="openai-chat:a", url=stand_in.url)
    assert model_in_use(settings, "openai-chat:b", environ={}).base_url == f"{stand_in.url}/"
    assert model_in_use(settings, "openai:b", environ={}).base_url == "https://api.openai.com/v1/"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("", ""),
        ("gpt", ""),
        ("openai:", ""),
        ("test:x", ""),
        ("gateway/openai:x", ""),
        ("nobody:x", ""),
        ("anthropic:x", "https://models.example.com/v1"),
        ("openai-chat:x", "http://models.example.com/v1"),
        ("openai-chat:x", "http://10.0.0.1/v1"),
        ("openai-chat:x", "ftp://127.0.0.1/"),
        ("openai-chat:x", "https://user:password@models.example.com/v1"),
        ("openai-chat:x", "models.example.com"),
    ],
)
def test_what_names_no_model_is_refused(name: str, url: str) -> None:
    with pytest.raises(UsageError) as raised:
        model_of(name, url=url, environ={})
    assert raised.value.remedy
    assert "password" not in raised.value.message


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/v1", "http://localhost:1/v1", "http://[::1]:1/v1", "https://m.example/v1"]
)
def test_a_server_is_here_or_behind_tls(url: str) -> None:
    assert model_of("openai-chat:x", url=url, environ={}).model_name == "x"


@pytest.mark.parametrize("provider", ["anthropic", "google", "openai", "openai-chat"])
def test_a_key_comes_from_the_environment_alone(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SetupError) as raised:
        model_of(f"{provider}:x", environ={})
    assert PROVIDERS[provider] in raised.value.remedy
    monkeypatch.setenv(PROVIDERS[provider], "example")
    assert model_of(f"{provider}:x", environ={}).model_name == "x"


def test_bedrock_uses_the_aws_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert model_of("bedrock:anthropic.claude-x", environ={}).model_name == "anthropic.claude-x"
