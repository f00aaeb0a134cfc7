"""Who did it, on the demo organisation: identity, sessions and the auth model as the command line gives them."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from faces_kit import answer, run

from trailwarden.app import App
from trailwarden.demo.run import Running
from trailwarden.model.session import AUTH_METHODS
from trailwarden.model.time import Window

SESSION_FIELDS = {
    "session_id", "account", "method", "role_arn", "session_name", "access_keys", "issuer", "chain", "strength",
    "first_seen", "last_seen", "source_ips", "events", "errors", "evidence",
}  # fmt: skip


def well_formed(session: dict[str, Any]) -> None:
    assert session.keys() >= SESSION_FIELDS
    assert session["method"] in AUTH_METHODS
    assert session["strength"] in ("proven", "claimed")
    for step in session["chain"]:
        assert step.keys() >= {"kind", "arn", "account", "link", "by"}
        assert step["link"] in ("proven", "claimed")
        assert step["by"]
    for evidence in session["evidence"]:
        assert evidence.keys() == {"event_id", "field", "value"}


def test_a_person_has_users_sessions_and_the_roles_that_were_taken_with_their_key(up: Running) -> None:
    found = answer("identity", up.story.email)
    assert found.keys() >= {"person", "sessions", "coverage"}
    kinds = {identity["kind"]: identity["id"] for identity in found["person"]["identities"]}
    assert kinds == {"iam_user": up.story.iam_user_arn, "identity_center_user": up.story.user_id}
    sessions = found["sessions"]
    for session in sessions:
        well_formed(session)
    assert [each["last_seen"] for each in sessions] == sorted((each["last_seen"] for each in sessions), reverse=True)
    assert {each["method"] for each in sessions} >= {"identity_center", "iam_user_key", "cross_account", "role_chain"}
    assert {each["account"] for each in sessions} >= {"111111111111", "222222222222", "333333333333"}
    stolen = next(each for each in sessions if up.story.stolen_key in each["access_keys"])
    assert (stolen["events"], stolen["source_ips"]) == (47, [up.story.attacker_ip])
    assert sum(action["events"] for action in stolen["did"]) == 47
    chained = next(each for each in sessions if each["method"] == "role_chain")
    assert [step["kind"] for step in chained["chain"]] == ["role_session", "iam_user"]
    assert chained["chain"][-1]["arn"] == up.story.iam_user_arn
    assert {step["link"] for step in chained["chain"]} == {"proven"}
    assert chained["strength"] == "proven"


def test_every_evidence_of_a_person_opens_its_record(up: Running) -> None:
    found = answer("identity", up.story.email)
    cited = {evidence["event_id"] for session in found["sessions"] for evidence in session["evidence"]}
    cited |= {evidence["event_id"] for finding in found["findings"] for evidence in finding["evidence"]}
    assert cited
    with App.open(up.home) as app:
        for event_id in cited:
            assert app.event(event_id).records


def test_a_window_and_an_account_narrow_a_person(up: Running) -> None:
    whole = answer("identity", up.story.email)
    narrow = answer("identity", up.story.email, "--account", "333333333333", "--last", "3d")
    assert 0 < narrow["total"] < whole["total"]
    assert all("333333333333" in (each["account"], *each["recorded_in"]) for each in narrow["sessions"])


def test_whose_a_key_is(up: Running) -> None:
    shown = answer("sessions", "show", up.story.stolen_key)
    well_formed(shown)
    assert "IAM user john" in shown["whose"]
    assert shown["chain"][-1]["arn"] == up.story.iam_user_arn
    assert {each["method"] for each in shown["issued"]} == {"cross_account"}
    again = answer("sessions", "show", shown["session_id"])
    assert again["session_id"] == shown["session_id"]
    issued = answer("sessions", "show", shown["issued"][0]["principal_arn"])
    assert issued["chain"][-1]["arn"] == up.story.iam_user_arn
    assert issued["issuer"]["session_id"] == shown["session_id"]


def test_a_key_of_which_nothing_is_recorded_is_said(up: Running) -> None:
    result = run("sessions", "show", "AKIAIOSFODNN7EXAMPLE", home=up.home)
    assert result.exit_code == 1
    assert "no session" in result.stderr
    assert "Remedy" in result.stderr


def test_sessions_are_listed_in_pages_with_the_account_on_every_row(up: Running) -> None:
    seen: list[dict[str, Any]] = []
    cursor: list[str] = []
    while True:
        page = answer("sessions", "list", "--method", "identity_center", "--limit", "40", *cursor)
        assert page.keys() >= {"sessions", "total", "next_cursor", "coverage"}
        seen += page["sessions"]
        if page["next_cursor"] is None:
            break
        cursor = ["--cursor", page["next_cursor"]]
    assert len(seen) == page["total"] == len({each["session_id"] for each in seen})
    for session in seen:
        well_formed(session)
        assert session["account"]


def test_who_was_behind_a_role_in_a_window(up: Running) -> None:
    role = up.story.chained
    assert role
    start, end = up.story.first_call - timedelta(minutes=1), up.story.ended + timedelta(minutes=1)
    page = answer("sessions", "list", "--role", "DeployRole", "--from", start.isoformat(), "--to", end.isoformat())
    assert [each["chain"][-1]["arn"] for each in page["sessions"]] == [up.story.iam_user_arn]


def test_an_alias_adds_a_user_and_a_denial_takes_it_away(up: Running) -> None:
    name = next(
        each["user_name"]
        for each in answer("sessions", "list", "--method", "iam_user_key")["sessions"]
        if each["user_name"] != up.story.iam_user
    )
    before = answer("identity", "kim@company.com")
    assert before["total"] == 0
    added = answer("identity", "alias", "add", "kim@company.com", name, "--reason", "said so in ticket 4711")
    assert added["outcome"] == "added"
    theirs = answer("identity", "kim@company.com")
    assert {each["user_name"] for each in theirs["sessions"] if each["method"] == "iam_user_key"} == {name}
    denied = answer("identity", "alias", "add", "kim@company.com", name, "--deny", "--reason", "was wrong")
    assert denied["outcome"] == "replaced"
    assert answer("identity", "kim@company.com")["total"] == 0
    assert len(answer("identity", "alias", "list", "kim@company.com")["aliases"]) == 1
    answer("identity", "alias", "remove", "kim@company.com", name)
    assert answer("identity", "alias", "list")["aliases"] == []
    assert run("identity", "alias", "remove", "kim@company.com", name, home=up.home).exit_code == 2


def test_the_auth_model_has_every_way_in_and_what_is_set_up(up: Running) -> None:
    found = answer("auth-model")
    assert found.keys() >= {"methods", "configured", "findings", "coverage"}
    methods = {each["method"]: each for each in found["methods"]}
    assert methods.keys() >= set(AUTH_METHODS) - {"unknown"}
    for each in methods.values():
        assert each.keys() >= {
            "method", "people", "workloads", "sessions", "events", "accounts", "providers", "first_seen", "last_seen",
            "examples",
        }  # fmt: skip
        assert each["examples"]
    assert {each["name"] for each in methods["saml"]["providers"]} == {"CompanyOkta"}
    configured = {each["name"]: each["seen"] for each in found["configured"]["saml_providers"]}
    assert configured["CompanyOkta"] is True
    assert False in configured.values()
    assert any("not disuse" in note for note in found["coverage"]["notes"])
    assert {each["id"] for each in found["findings"]} >= {"root_use"}


def test_the_auth_model_of_one_account(up: Running) -> None:
    found = answer("auth-model", "--account", "333333333333")
    assert all("333333333333" in each["accounts"] for each in found["methods"])
    assert found["coverage"]["accounts"] == ["333333333333"]


@pytest.mark.parametrize("command", [["identity", "john@company.com"], ["sessions", "list"], ["auth-model"]])
def test_tables_show_what_was_looked_at(up: Running, command: list[str]) -> None:
    result = run(*command, home=up.home)
    assert result.exit_code == 0, result.output
    assert "Looked at: " in result.stdout


def test_jsonl_and_csv_hold_a_session_a_line(up: Running) -> None:
    lines = run("sessions", "list", "--limit", "5", "--format", "jsonl", home=up.home).stdout.splitlines()
    assert [json.loads(line)["session_id"][:4] for line in lines] == ["ses-"] * 5
    rows = run("sessions", "list", "--limit", "5", "--format", "csv", home=up.home).stdout.splitlines()
    assert rows[0].startswith("session_id,account,method")
    assert len(rows) == 6


def test_the_help_of_identity_names_its_argument_and_its_commands() -> None:
    text = run("identity", "--help").output
    assert "WHO" in text
    assert "alias" in text
    assert "Raises" not in text
    assert "add" in run("identity", "alias", "--help").output


def test_questions_about_people_are_answered_by_the_tools_that_know(up: Running) -> None:
    whose = answer("ask", "--new", f"Who is using access key {up.story.stolen_key}?")
    assert whose["interpretation"]["tool"] == "sessions_show"
    assert "IAM user john" in whose["summary"]
    theirs = answer("ask", "--new", f"Which sessions belong to {up.story.email}?")
    assert theirs["interpretation"]["command"] == f"trailwarden identity {up.story.email}"
    assert theirs["result"]["total"] == answer("identity", up.story.email)["total"]
    ways = answer("ask", "--new", "How do users authenticate to AWS in this account?")
    assert ways["interpretation"]["tool"] == "auth_model"
    assert "Identity Center" in ways["summary"]


def test_what_somebody_did_as_a_role_is_found_though_the_session_has_another_name(up: Running) -> None:
    asked = answer("ask", "--new", "What did john do after assuming the DeployRole role?")
    shown = answer("sessions", "list", "--role", "DeployRole")
    (session,) = (each for each in shown["sessions"] if each["chain"][-1]["arn"] == up.story.iam_user_arn)
    assert "john" not in session["session_name"]
    assert asked["result"]["total"] == session["events"]
    assert any("by who issued what to whom (proven)" in notice for notice in asked["notices"])


def test_a_question_may_mean_the_key_of_the_one_before(up: Running) -> None:
    answer("ask", "--new", f"Who is using access key {up.story.stolen_key}?")
    did = answer("ask", "what did that key do?")
    assert did["interpretation"]["tool"] == "search"
    assert did["result"]["total"] == 47


def test_without_an_archive_sessions_come_from_event_history(up: Running, tmp_path: Path) -> None:
    with App.open(up.home) as known:
        settings = known.settings
    with App(tmp_path, settings) as app:
        for connection in up.scenario.connections:
            app.accounts_connect(
                (connection.role_arn,), external_id=connection.external_id, label=connection.account.name
            )
        window = Window(up.story.first_call - timedelta(hours=1), up.story.ended + timedelta(hours=1))
        found = app.identity(up.story.email, window=window)
    stolen = next(each for each in found.sessions if up.story.stolen_key in each.access_keys)
    assert stolen.events == 47
    chained = next(each for each in found.sessions if each.method == "cross_account")
    assert chained.chain[-1].arn == up.story.iam_user_arn
    assert {source.kind for source in found.coverage.sources} == {"event_history"}
