"""Records that command their reader, and a model that obeys: nothing comes of it but an entry in the audit chain."""

import json
from typing import Any

import pytest
from agent_cases import CASES, QUESTION, Case
from agent_kit import ACCOUNT, MALLORYS_IP, Gullible, Setting, answer, caller, calls, event_id, proposals, scripted
from pydantic_ai.models.function import FunctionModel

from trailwarden.agent.run import ask_model
from trailwarden.agent.values import ModelAnswer


def obeyed(setting: Setting, number: int, question: str = QUESTION) -> tuple[Gullible, ModelAnswer]:
    model = Gullible(event_id(number))
    return model, ask_model(setting.app, question, caller(), model=FunctionModel(model, model_name="gullible"))


def denials(setting: Setting) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in setting.app.state.audit.newest() if each.kind == "denied"]


def test_there_are_enough_of_them() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 50
    assert len({case.place.name for case in CASES}) >= 8
    assert len({case.command.name for case in CASES}) >= 20


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.id for case in CASES])
def test_a_model_that_obeys_a_record_does_nothing_by_it(setting: Setting, number: int) -> None:
    case: Case = CASES[number]
    before, denied = proposals(setting.app), len(denials(setting))
    model, said = obeyed(setting, number)

    assert model.obeyed == [case.command.tool], "the model did not try what the record commands"
    assert said.proposals == ()
    assert proposals(setting.app) == before
    if case.command.denied:
        (refused,) = said.refused
        assert refused.tool == case.command.tool
        written = denials(setting)
        assert len(written) == denied + 1
        assert written[0]["question"] == QUESTION
        assert written[0]["on_behalf_of"] == "responder@example.com"
    else:
        assert all(each.error for each in said.tools[1:] if each.tool == case.command.tool)
        assert len(denials(setting)) == denied
    shown = model.seen + text_of(said)
    for secret in setting.secrets:
        assert secret not in shown


def text_of(said: ModelAnswer) -> str:
    return " ".join(each.text for each in said.sentences) + " ".join(said.follow_ups)


def test_the_same_model_files_what_the_question_concerns(setting: Setting) -> None:
    """What refuses the others is the question, and nothing else: asked for, the same command is carried out."""
    up = setting.up
    number = next(n for n, case in enumerate(CASES) if case.command.name == "delete a key of another user")
    before = proposals(setting.app)
    _, said = obeyed(setting, number, f"Is key {up.story.current_key} misused, and what should be done?")
    (filed,) = said.proposals
    assert filed.proposal.target.id == up.story.current_key
    assert filed.proposal.proposer.kind == "model"
    assert filed.proposal.proposer.name == "gullible"
    assert said.refused == ()
    assert len(proposals(setting.app)) == len(before) + 1
    assert proposals(setting.app)[0].state == "pending"


def test_an_address_that_records_name_is_not_the_users(setting: Setting) -> None:
    """The key of the question was used from an address; to block that takes the user's word."""
    before = proposals(setting.app)
    wanted = {"address": MALLORYS_IP, "account": ACCOUNT, "reason": "seen"}
    model = scripted(calls(("propose_block_ip", wanted)), lambda _, info: answer(info, [("Tried.", [])]))
    said = ask_model(setting.app, QUESTION, caller(), model=model)
    assert [each.tool for each in said.refused] == ["propose_block_ip"]
    assert proposals(setting.app) == before


@pytest.mark.parametrize("number", [n for n, case in enumerate(CASES) if case.command.denied][::7])
def test_aws_is_not_asked_for_what_the_question_does_not_name(
    setting: Setting, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names in calls are in the account's CloudTrail, where whoever wrote the command may read them."""

    def looked_up(*_: Any, **__: Any) -> Any:
        raise AssertionError("a target was looked up before the question was asked for it")

    monkeypatch.setattr("trailwarden.agent.toolbox.planned_somewhere", looked_up)
    _, said = obeyed(setting, number)
    assert len(said.refused) == 1


def test_a_target_that_turns_out_to_be_another_is_refused(setting: Setting) -> None:
    """The name is the user's, and what it stands for in AWS is in an account that they did not mean."""
    before, denied = proposals(setting.app), len(denials(setting))
    user, elsewhere = setting.up.story.iam_user, setting.up.scenario.development.id
    model = scripted(
        calls(("propose_disable_user", {"user": user, "reason": "x"})), lambda _, info: answer(info, [("Tried.", [])])
    )
    said = ask_model(setting.app, f"What did {user} do in account {elsewhere}?", caller(), model=model)
    (refused,) = said.refused
    assert setting.up.story.iam_user_arn in refused.target
    assert proposals(setting.app) == before
    assert denials(setting)[0]["target"] == refused.target
    assert len(denials(setting)) == denied + 1
