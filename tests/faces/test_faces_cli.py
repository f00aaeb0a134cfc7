"""The command line on the demo organisation: the contracts that programs rely on."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from faces_kit import answer, run

from trailwarden.app import App
from trailwarden.demo.run import Running
from trailwarden.faces.output import disarm
from trailwarden.faces.reference import reference
from trailwarden.faces.terminal import safe

ROOT = Path(__file__).parents[2]


def test_search_by_access_key_finds_the_47_calls(up: Running) -> None:
    found = answer("search", "--access-key", up.story.stolen_key)
    assert found["total"] == 47
    assert {event["event_id"] for event in found["events"]} == set(up.story.key_calls)
    assert {event["source_ip"] for event in found["events"]} == {up.story.attacker_ip}
    event = found["events"][0]
    for name in ("time", "account", "region", "source", "name", "session_name", "user_agent", "error_code", "request"):
        assert name in event
    assert {"type", "arn", "name"} <= set(event["principal"])
    assert {event["outcome"] for event in found["events"]} == {"success", "failure"}
    assert {"sources", "accounts", "regions", "window", "fresh_until", "gaps"} <= set(found["coverage"])


def test_pages_follow_each_other_without_gaps_or_repeats(up: Running) -> None:
    seen: list[str] = []
    cursor: list[str] = []
    for _ in range(6):
        page = answer("search", "--access-key", up.story.stolen_key, "--limit", "10", *cursor)
        seen += [event["event_id"] for event in page["events"]]
        if page["next_cursor"] is None:
            break
        cursor = ["--cursor", page["next_cursor"]]
    assert len(seen) == 47
    assert set(seen) == set(up.story.key_calls)


def test_a_denied_filter_and_an_exclusion(up: Running) -> None:
    found = answer("search", "--access-key", up.story.stolen_key, "--denied", "--not-event", "sts:AssumeRole")
    expected = set(up.story.denied) - set(up.story.admin_attempts)
    assert {event["event_id"] for event in found["events"]} == expected


def test_the_raw_record_of_an_event(up: Running) -> None:
    found = answer("event", up.story.admin_attempts[0])
    (record,) = found["records"]
    assert record["eventName"] == "AssumeRole"
    assert record["requestParameters"]["roleArn"] == up.story.admin_role_arn


def test_ask_echoes_its_interpretation_and_answers_in_words(up: Running) -> None:
    found = answer("ask", f"What has access key {up.story.stolen_key} done in the last week?")
    assert found["interpretation"]["tool"] == "search"
    assert found["result"]["total"] == 47
    assert "47 calls" in found["summary"]
    assert found["interpretation"]["command"].startswith("trailwarden search --access-key")
    assert found["coverage"] == found["result"]["coverage"]


def test_a_question_continues_the_one_before_unless_it_is_new(up: Running) -> None:
    answer("ask", f"Show me failed calls by {up.story.email} in the last 24 hours")
    continued = answer("ask", "and", "the", "same", "for", "jane@company.com")
    assert continued["interpretation"]["arguments"]["where"] == {"user": ["jane@company.com"], "failed": True}
    assert run("ask", "--new", "the same for john", "--format", "json").exit_code == 2


def test_later_pages_of_a_relative_window_belong_to_the_first(up: Running) -> None:
    first = answer("search", "--access-key", up.story.stolen_key, "--last", "24h", "--limit", "40")
    second = answer(
        "search",
        "--access-key",
        up.story.stolen_key,
        "--last",
        "24h",
        "--limit",
        "40",
        "--cursor",
        first["next_cursor"],
    )
    ids = [event["event_id"] for event in (*first["events"], *second["events"])]
    assert sorted(ids) == sorted(up.story.key_calls)
    assert second["coverage"]["window"] == first["coverage"]["window"]


def test_a_missing_bucket_is_named(up: Running) -> None:
    result = run("ingest", "s3://no-such-bucket-anywhere", home=up.home)
    assert result.exit_code == 1
    assert "no-such-bucket-anywhere" in result.stderr
    assert "Remedy:" in result.stderr


def test_a_question_that_is_not_understood_is_refused_with_suggestions(up: Running) -> None:
    result = run("ask", "Please paint the fence", "--format", "json", home=up.home)
    assert result.exit_code == 2
    refused = json.loads(result.stdout)
    assert refused["error"]
    assert refused["suggestions"]


def test_a_wrong_cursor_is_a_usage_error_with_a_remedy(up: Running) -> None:
    result = run("search", "--cursor", "nonsense", home=up.home)
    assert result.exit_code == 2
    assert "Remedy:" in result.stderr


def test_ingesting_again_changes_nothing(up: Running) -> None:
    again = answer("ingest", up.archive)
    assert again["new"] == 0
    assert again["duplicates"] == again["records"] > 0


def test_the_doctor_finds_the_connections_usable_and_a_removed_role_not(up: Running) -> None:
    healthy = run("accounts", "doctor", "--format", "json")
    assert healthy.exit_code == 0, healthy.output
    other = "arn:aws:iam::222222222222:role/NoSuchRole"
    waiting = run("accounts", "connect", other, "--external-id", "some-external-id", "--format", "json")
    assert waiting.exit_code == 1
    assert json.loads(waiting.stdout)["accounts"][0]["status"] == "waiting"
    sick = run("accounts", "doctor", other, "--format", "json")
    assert sick.exit_code == 1
    causes = [check["cause"] for check in json.loads(sick.stdout)["diagnoses"][0]["checks"] if check["cause"]]
    assert causes == ["role_missing"]
    assert run("accounts", "remove", other).exit_code == 0


def test_the_policy_names_this_installations_own_principal(up: Running) -> None:
    printed = run("accounts", "policy", "222222222222")
    assert printed.exit_code == 0, printed.output
    document = json.loads(printed.stdout)
    (statement,) = document["TrustPolicy"]["Statement"]
    assert statement["Principal"]["AWS"] == up.scenario.installation_arn
    external_id = up.scenario.connections[1].external_id
    assert statement["Condition"]["StringEquals"]["sts:ExternalId"] == external_id


def test_live_history_is_looked_at_beside_the_archive_and_doubles_nothing(up: Running) -> None:
    archived = answer("search", "--access-key", up.story.stolen_key, "--last", "24h", "--live", "never")
    live = answer("search", "--access-key", up.story.stolen_key, "--last", "24h", "--live", "always")
    assert archived["total"] == live["total"] == 47
    assert "event_history" in {source["kind"] for source in live["coverage"]["sources"]}
    assert [gap for gap in live["coverage"]["gaps"] if gap["kind"] == "not_fresh"] == []
    assert live["coverage"]["fresh_until"] > archived["coverage"]["fresh_until"]


def test_event_history_alone_answers_where_there_is_no_archive(up: Running, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text((up.home / "config.toml").read_text())
    production = up.scenario.connections[1]
    connect = ("accounts", "connect", production.role_arn, "--external-id", production.external_id)
    assert run(*connect, home=tmp_path).exit_code == 0
    search = ("search", "--access-key", up.story.stolen_key, "--last", "24h", "--format", "json")
    unasked = run(*search, "--live", "never", home=tmp_path)
    assert unasked.exit_code == 3
    assert json.loads(unasked.stdout)["total"] == 0
    asked = run(*search, home=tmp_path)
    assert asked.exit_code == 0, asked.output
    found = json.loads(asked.stdout)
    assert {event["event_id"] for event in found["events"]} == set(up.story.key_calls)
    assert {source["kind"] for source in found["coverage"]["sources"]} == {"event_history"}


def test_a_range_that_is_none_is_refused_instead_of_finding_nothing(up: Running) -> None:
    for wrong in ("10.0.0.0/99", "2001:db8::/129", "300.1.1.0/24"):
        result = run("search", "--ip", wrong, home=up.home)
        assert result.exit_code == 2, wrong
        assert "not an address range" in result.stderr


def test_an_empty_quarantine_says_so(tmp_path: Path) -> None:
    assert run("lake", "quarantine", home=tmp_path).stdout.strip() == "None."


def test_csv_and_json_lines_hold_one_event_a_line(up: Running) -> None:
    lines = run("export", "--access-key", up.story.stolen_key, "--format", "jsonl").stdout.splitlines()
    assert {json.loads(line)["event_id"] for line in lines} == set(up.story.key_calls)
    assert len(lines) == 47
    csv_lines = run("search", "--access-key", up.story.stolen_key, "--format", "csv").stdout.splitlines()
    assert csv_lines[0].startswith("event_id,time,account,region")
    assert len(csv_lines) == 48


def test_an_empty_lake_says_so_and_is_incomplete(tmp_path: Path) -> None:
    result = run("search", "--user", "john", home=tmp_path)
    assert result.exit_code == 3
    assert "the lake is empty" in result.stdout


def test_hostile_text_does_not_reach_the_terminal(tmp_path: Path) -> None:
    record = {
        "eventID": "hostile", "eventTime": "2026-11-20T00:00:00Z", "eventName": "GetObject\x1b[2J",
        "eventSource": "s3.amazonaws.com", "userAgent": "=cmd|'/c calc'!A1",
        "userIdentity": {"type": "IAMUser", "userName": "eve\u202e\x1b]0;owned\x07"},
    }  # fmt: skip
    (tmp_path / "records.json").write_text(json.dumps({"Records": [record]}))
    assert run("ingest", str(tmp_path / "records.json"), home=tmp_path / "home").exit_code == 0
    shown = run("search", "--details", home=tmp_path / "home").stdout
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown
    assert "\u202e" not in shown
    assert "\\x1b" in shown
    written = run("search", "--format", "csv", home=tmp_path / "home").stdout
    assert ",'=cmd|" in written or "\"'=cmd|" in written


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_formulas_are_disarmed(cell: str) -> None:
    assert disarm(cell) == f"'{cell}"


def test_safe_text_is_capped() -> None:
    assert safe("a" * 500) == "a" * 299 + "…"


def test_the_reference_is_current() -> None:
    assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == reference(), "make reference renews it"


def test_demo_up_prints_one_line_and_ends_by_sigterm() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "trailwarden", "demo", "up", "--records", "1000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "default"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        assert set(ready) == {"ready", "home", "aws_endpoint", "falcon_endpoint", "console"}
        assert ready["aws_endpoint"].startswith("http://127.0.0.1:")
        command = [sys.executable, "-m", "trailwarden", "search", "--limit", "1", "--format", "json"]
        environment = {**os.environ, "TRAILWARDEN_HOME": ready["home"], "AWS_ENDPOINT_URL": ready["aws_endpoint"]}
        searched = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert searched.returncode in (0, 3), searched.stderr
        assert json.loads(searched.stdout)["total"] > 900
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert not Path(ready["home"]).exists()


def test_the_python_face_has_every_tool(tmp_path: Path) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    with App.open(tmp_path, clock=lambda: now) as app:
        page = app.search()
        assert page.total == 0
        assert "search" in dir(app)
        with pytest.raises(AttributeError):
            app.no_such_tool()
