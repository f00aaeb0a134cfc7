"""What becomes of a model's answer: evidence is held against the store, limits hold, and rights are the caller's."""

import json
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from agent_cases import QUESTION
from agent_kit import (
    MALLORYS_KEY,
    Setting,
    answer,
    caller,
    calls,
    event_id,
    proposals,
    returned,
    scripted,
    sent_back,
    shown_to,
)
from pydantic_ai.exceptions import ModelHTTPError, UsageLimitExceeded
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel

from trailwarden import catalog
from trailwarden.agent.run import Abandoned, Limits, ask_model, plain
from trailwarden.agent.toolbox import WITHHELD, Toolbox, agent_tools, in_words, parameters_of
from trailwarden.agent.values import Calling, ModelAnswer, ToolUse
from trailwarden.errors import Forbidden, UsageError
from trailwarden.faces.mcp import model_tools
from trailwarden.faces.untrusted import LARGEST, withheld

UNKNOWN = "bbbbbbbb-0000-4000-8000-000000000000"


def asked(setting: Setting, *steps: Any, question: str = QUESTION, **more: Any) -> ModelAnswer:
    return ask_model(setting.app, question, more.pop("who", caller()), model=scripted(*steps), **more)


def says(*sentences: tuple[str, list[str]], **more: Any) -> Any:
    return lambda _, info: answer(info, sentences, **more)


# ---------------------------------------------------------------- the tools


def test_no_tool_of_a_model_approves_executes_or_sets_up() -> None:
    for name, tool in agent_tools().items():
        assert tool.tool.effect in ("read", "propose")
        assert (tool.tool.effect == "propose") is name.startswith("propose_") is (tool.tool.id == "actions_propose")
        for verb in ("approve", "execute", "reject", "decide", "resolve", "confirm", "connect", "undo", "cancel"):
            assert verb not in name
    assert set(WITHHELD) <= set(model_tools())
    assert set(agent_tools()) == set(model_tools()) - set(WITHHELD)


def test_a_model_is_offered_no_parameter_that_asks_anew() -> None:
    for tool in agent_tools().values():
        assert not {"live", "refresh"} & set(parameters_of(tool)["properties"])
        assert "profile" not in parameters_of(tool)["properties"]


@pytest.mark.parametrize(
    ("rights", "reads", "proposes"),
    [(("read",), True, False), (("read", "propose"), True, True), (("read", "decide", "execute"), True, False)],
    ids=["a viewer", "a responder", "an approver"],
)
def test_a_model_has_the_tools_that_its_person_may_use(
    setting: Setting, rights: tuple[str, ...], reads: bool, proposes: bool
) -> None:
    shown: set[str] = set()

    def look(_: Any, info: Any) -> Any:
        shown.update(each.name for each in info.function_tools)
        return answer(info, [("Nothing.", [])])

    asked(setting, look, who=caller(*rights))
    assert ("search" in shown) is reads
    assert any(name.startswith("propose_") for name in shown) is proposes
    effects = {agent_tools()[name].tool.effect for name in shown}
    assert effects <= {"read", "propose"}


def test_whoever_may_not_propose_files_nothing(setting: Setting) -> None:
    box = Toolbox(setting.app, caller("read"), f"Delete key {setting.up.story.stolen_key}", most=5)
    before = proposals(setting.app)
    with pytest.raises(KeyError):
        box.call("propose_delete_access_key", {"access_key_id": setting.up.story.stolen_key, "reason": "x"})
    assert proposals(setting.app) == before


def test_a_model_that_calls_every_tool_changes_nothing(setting: Setting) -> None:
    before, size = proposals(setting.app), len(agent_tools())
    model = TestModel()
    said = ask_model(setting.app, QUESTION, caller(), model=model, limits=Limits(tool_calls=size))
    assert {each.tool for each in said.tools} == set(agent_tools())
    assert said.stopped is None
    assert proposals(setting.app) == before


def test_results_are_marked_and_short(setting: Setting) -> None:
    seen: list[Any] = []

    def keep(messages: Any, info: Any) -> Any:
        seen.extend(returned(messages))
        return answer(info, [("Read.", [])])

    asked(setting, calls(("search", {"limit": 1000})), keep)
    (part,) = seen
    content = json.loads(part.content)
    assert content["untrusted"] is True
    assert content["shortened"]
    assert len(part.content.encode()) <= LARGEST + 10_000


def test_a_model_reads_on_a_persons_behalf(setting: Setting) -> None:
    asked(setting, calls(("lake_info", {})), says(("Read.", [])))
    entries = [(json.loads(each.actor), json.loads(each.body)) for each in setting.app.state.audit.newest()][:2]
    for actor, body in entries:
        assert actor == {"kind": "model", "name": "scripted", "via": "console"}
        assert body["on_behalf_of"] == "responder@example.com"
    assert [body["tool"] for _, body in entries] == ["lake_info", "agent"]
    assert entries[1][1]["arguments"]["question"] == QUESTION


def test_every_call_is_told_before_and_after(setting: Setting) -> None:
    told: list[Calling | ToolUse] = []
    wanted = calls(("search", {"where": {"access_key": [MALLORYS_KEY]}, "limit": 2}), ("event", {"event_id": "none"}))
    said = asked(setting, wanted, says(("Read.", [])), told=told.append)
    assert [type(each) for each in told] == [Calling, ToolUse, Calling, ToolUse]
    assert told[0].words == f"access key {MALLORYS_KEY}, limit 2"
    assert tuple(told[1::2]) == said.tools
    assert said.tools[0].title == "Search CloudTrail"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ""),
        ({"where": {"user": ["john", "jane"], "failed": True}}, "user john or jane, failed"),
        ({"window": {"last": "24h"}, "account": None}, "last 24h"),
        ({"limit": 5, "sampled": False}, "limit 5, sampled: no"),
        ({"where": [{"a": 1}]}, 'where [{"a":1}]'),
        ({"user": "\u202e\x1b[31m"}, "user \\u202e\\x1b[31m"),
        ({"user": "x" * 400}, "user " + "x" * 294 + "…"),
    ],
)
def test_arguments_in_words(given: dict[str, Any], words: str) -> None:
    assert in_words(given) == words


def test_coverage_is_that_of_all_that_answered(setting: Setting) -> None:
    looked = calls(("search", {"limit": 1}), ("lake_info", {}), ("event", {"event_id": "none"}))
    said = asked(setting, looked, says(("Read.", [])))
    parts = [each.coverage for each in said.tools if each.coverage is not None]
    assert parts
    assert said.tools[2].coverage is None
    assert set(said.coverage.gaps) == {gap for part in parts for gap in part.gaps}
    assert set(said.coverage.accounts) == {account for part in parts for account in part.accounts}
    assert said.coverage.fresh_until == min(part.fresh_until for part in parts if part.fresh_until is not None)


def test_a_run_is_ended_from_outside_after_the_call_that_has_begun(setting: Setting) -> None:
    ends: list[Callable[[], object]] = []
    told: list[Calling | ToolUse] = []

    def end_while_calling(each: Calling | ToolUse) -> None:
        told.append(each)
        if isinstance(each, Calling):
            ends[0]()

    with pytest.raises(Abandoned) as raised:
        asked(setting, calls(("lake_info", {})), says(("Late.", [])), told=end_while_calling, on_stop=ends.append)
    assert [type(each) for each in told] == [Calling, ToolUse]
    assert raised.value.remedy


def test_no_call_begins_when_the_run_is_over(setting: Setting) -> None:
    box = Toolbox(setting.app, caller(), QUESTION, most=5)
    box.close()
    with pytest.raises(UsageLimitExceeded):
        box.call("lake_info", {})
    assert box.uses == []


# ---------------------------------------------------------------- evidence


def test_a_sentence_without_evidence_is_unproven(setting: Setting) -> None:
    story = setting.up.story
    said = asked(setting, says((" They tried.", [event_id(0), event_id(0)]), ("They may be back.", [])))
    assert [(each.evidence, each.unproven) for each in said.sentences] == [((event_id(0),), False), ((), True)]
    alert = asked(setting, says(("Falcon saw it.", [setting.up.falcon_story.theft]), ("Denied.", [story.denied[0]])))
    assert [each.unproven for each in alert.sentences] == [False, False]
    assert alert.cited == {setting.up.falcon_story.theft: "alert", story.denied[0]: "event"}


def test_unknown_evidence_is_sent_back_once(setting: Setting) -> None:
    notes: list[str] = []

    def again(messages: Any, info: Any) -> Any:
        notes.extend(sent_back(messages, info))
        return answer(info, [("They tried.", [event_id(0)])])

    said = asked(setting, says(("They tried.", [UNKNOWN, event_id(0)])), again)
    assert len(notes) == 1
    assert UNKNOWN in notes[0]
    assert event_id(0) not in notes[0]
    assert said.removed == ()
    assert said.sentences[0].evidence == (event_id(0),)


def test_evidence_that_stays_unknown_is_removed_and_said(setting: Setting) -> None:
    made_up = says(("They tried.", [UNKNOWN]), ("And more.", [UNKNOWN, event_id(1)]))
    said = asked(setting, made_up, made_up)
    assert said.removed == (UNKNOWN,)
    assert [(each.evidence, each.unproven) for each in said.sentences] == [((), True), ((event_id(1),), False)]
    assert any("removed" in each for each in said.notices)
    assert said.stopped is None


@pytest.mark.parametrize(
    "made_up", ["", "*", "%", "' OR 1=1 --", "a" * 200, MALLORYS_KEY, "../../etc/passwd", "ses-0123456789abcdef"]
)
def test_what_is_no_event_is_no_evidence(setting: Setting, made_up: str) -> None:
    step = says(("They tried.", [made_up]))
    said = asked(setting, step, step, says(("They tried.", [])))
    assert said.sentences[0].evidence == ()
    assert said.sentences[0].unproven


def test_proposals_are_those_that_were_filed_not_those_that_are_told(setting: Setting) -> None:
    said = asked(setting, says(("I have deleted user john, and approved proposal p-1.", [event_id(0)])))
    assert said.proposals == ()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://attacker.example/?q=x", "see https[://]attacker.example/?q=x"),
        ("![x](//attacker.example/?q=x)", "![x] (//attacker.example/?q=x)"),
        ("www.attacker.example", "www[.]attacker.example"),
        ("red \x1b[31m and \u202ereversed", "red \\x1b[31m and \\u202ereversed"),
    ],
)
def test_words_hold_nothing_that_would_be_followed(setting: Setting, text: str, shown: str) -> None:
    said = asked(setting, says((text, []), follow_ups=[text]))
    assert said.sentences[0].text == said.follow_ups[0] == plain(text) == shown


# ---------------------------------------------------------------- limits and failures


def test_calls_of_tools_are_counted_refused_ones_too(setting: Setting) -> None:
    looked = calls(("lake_info", {}), ("search", {"live": "always"}), ("lake_info", {}))
    said = asked(setting, looked, says(("x", [])), limits=Limits(tool_calls=2))
    assert said.stopped is not None
    assert "2 calls of tools" in said.stopped
    assert [each.error is None for each in said.tools] == [True, False]
    assert said.sentences == ()
    assert said.exit_code == 1


@pytest.mark.parametrize(
    ("limits", "why"), [(Limits(tokens=150), "tokens"), (Limits(requests=1), "request")], ids=["tokens", "requests"]
)
def test_what_a_question_takes_is_bounded(setting: Setting, limits: Limits, why: str) -> None:
    looked = calls(("lake_info", {}))
    said = asked(setting, looked, looked, looked, limits=limits)
    assert said.stopped is not None
    assert why in said.stopped


def test_a_model_that_never_answers_is_stopped(setting: Setting) -> None:
    async def silent(_: Any, __: Any) -> Any:
        await anyio.sleep_forever()

    said = ask_model(setting.app, QUESTION, caller(), model=FunctionModel(silent), limits=Limits(seconds=0.01))
    assert said.stopped == "no answer within 0.01 seconds"


def test_what_was_filed_before_a_failure_is_told(setting: Setting) -> None:
    story = setting.up.story
    given = {"access_key_id": story.backdoor_key, "reason": "made by the thief"}

    def fails(_: Any, __: Any) -> Any:
        raise ModelHTTPError(500, "scripted", {"error": "overloaded"})

    said = asked(
        setting, calls(("propose_delete_access_key", given)), fails, question=f"Is {story.backdoor_key} misused?"
    )
    assert said.stopped is not None
    assert "500" in said.stopped
    (filed,) = said.proposals
    assert filed.proposal.target.id == story.backdoor_key
    assert filed.proposal.account == "333333333333"
    assert filed.link.endswith(f"/proposals/{filed.proposal.id}")


def test_a_model_that_talks_out_of_form_is_stopped(setting: Setting) -> None:
    said = asked(setting, "Sure!", "Sure!", "Sure!", "Sure!")
    assert said.stopped is not None
    assert said.stopped.startswith("the model did not answer in the form")
    assert said.remedy


@pytest.mark.parametrize("given", [{"where": {"usr": ["x"]}}, {"where": 7}, {"limit": -1}, {"window": {"last": "x"}}])
def test_a_call_that_cannot_be_read_is_an_answer_with_a_remedy(setting: Setting, given: dict[str, Any]) -> None:
    seen: list[str] = []

    def keep(messages: Any, info: Any) -> Any:
        seen.append(shown_to(messages))
        return answer(info, [("It failed.", [])])

    said = asked(setting, calls(("search", given)), keep)
    assert said.tools[0].error
    assert "remedy" in seen[0]


def test_a_question_must_be_one(setting: Setting) -> None:
    with pytest.raises(UsageError):
        asked(setting, question=" ")
    with pytest.raises(UsageError):
        asked(setting, question="x" * 1001)


def test_whoever_may_not_read_asks_nothing(setting: Setting) -> None:
    with pytest.raises(Forbidden):
        asked(setting, who=caller("administer"))


# ---------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    ("value", "gone"),
    [
        ({"responseElements": {"credentials": {"accessKeyId": "ASIA1", "sessionToken": "IQoJ-secret"}}}, "IQoJ-secret"),
        ({"requestParameters": {"externalId": "x-secret"}}, "x-secret"),
        ({"requestParameters": {"masterUserPassword": "hunter2-secret"}}, "hunter2-secret"),
        ({"requestParameters": {"UserData": "IyEvYmluL3No"}}, "IyEvYmluL3No"),
        ({"a": ["-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"]}, "MIIE"),
        ({"userAgent": f"curl tw_{'x' * 24}"}, "x" * 24),
        ({"note": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqb2huIn0.c2lnbmF0dXJl"}, "c2lnbmF0dXJl"),
        ({"note": "ghp_" + "a1" * 18}, "a1a1"),
    ],
)
def test_what_opens_something_is_withheld(value: Any, gone: str) -> None:
    assert gone not in json.dumps(withheld(value))


def test_what_opens_nothing_stays() -> None:
    value = {
        "accessKeyId": MALLORYS_KEY,
        "password": True,
        "sessionToken": None,
        "eventName": "GetSessionToken",
        "n": 7,
    }
    assert withheld(value) == value


def test_the_withheld_tools_are_tools() -> None:
    assert set(WITHHELD) <= set(catalog.tools())
