"""From an endpoint alert to AWS sessions and back, on the demo organisation."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from faces_kit import answer, run

from trailwarden.app import App
from trailwarden.demo.run import Running


def well_formed(found: dict[str, Any]) -> None:
    assert found.keys() >= {"alert", "host", "matches", "coverage"}
    scores = [match["score"] for match in found["matches"]]
    assert scores == sorted(scores, reverse=True)
    for match in found["matches"]:
        assert match.keys() >= {"session", "score", "evidence", "against", "time_factor", "hops", "notable_events"}
        assert 0 < match["score"] <= 1
        assert match["evidence"]
        for evidence in match["evidence"]:
            assert evidence.keys() == {
                "kind", "weight", "alert_field", "alert_value", "event_id", "event_field", "event_value",
            }  # fmt: skip


def best(found: dict[str, Any], key: str) -> dict[str, Any]:
    return next(match for match in found["matches"] if key in match["session"]["access_keys"])


def test_the_theft_on_the_laptop_leads_to_the_stolen_key_and_what_it_did(up: Running) -> None:
    found = answer("correlate", "alert", up.falcon_story.theft)
    well_formed(found)
    assert found["host"]["hostname"] == up.falcon_story.laptop
    stolen = best(found, up.story.stolen_key)
    assert "alias" in {evidence["kind"] for evidence in stolen["evidence"]}
    assert len(stolen["notable_events"]) > 10
    assert {event["event_id"] for event in stolen["notable_events"]} <= set(up.story.key_calls)
    chained = next(match for match in found["matches"] if match["hops"])
    assert chained["score"] < stolen["score"]
    assert chained["session"]["issuer"]["session_id"] == stolen["session"]["session_id"]


def test_every_piece_of_evidence_opens_its_record(up: Running) -> None:
    found = answer("correlate", "alert", up.falcon_story.theft)
    cited = {evidence["event_id"] for match in found["matches"] for evidence in match["evidence"]}
    assert cited
    with App.open(up.home) as app:
        for event_id in cited:
            assert app.event(event_id).records


def test_an_alert_without_a_device_is_matched_by_user_and_address(up: Running) -> None:
    found = answer("correlate", "alert", up.falcon_story.identity)
    well_formed(found)
    assert found["host"] is None
    top = found["matches"][0]
    assert "user_email" in {evidence["kind"] for evidence in top["evidence"]}
    assert up.story.attacker_ip in top["session"]["source_ips"]


def test_an_alert_on_an_instance_is_matched_with_the_sessions_of_the_instance(up: Running) -> None:
    found = answer("correlate", "alert", up.falcon_story.instance)
    at = datetime.fromisoformat(found["alert"]["time"])
    around = ("--from", (at - timedelta(hours=23)).isoformat(), "--to", (at + timedelta(hours=12)).isoformat())
    sessions = answer("sessions", "list", "--user", up.falcon_story.instance_id, *around)["sessions"]
    own = [match for match in found["matches"] if match["session"]["session_name"] == up.falcon_story.instance_id]
    assert {each["session_id"] for each in sessions} <= {match["session"]["session_id"] for match in own}
    for match in own:
        assert "instance_id" in {evidence["kind"] for evidence in match["evidence"]}
        assert match["session"]["account"] == up.falcon_story.instance_account
        assert match["score"] >= 0.95 * match["time_factor"]


def test_decoys_score_low(up: Running) -> None:
    assert up.falcon_story.decoys
    for what, composite_id in up.falcon_story.decoys.items():
        found = answer("correlate", "alert", composite_id)
        keys = [match for match in found["matches"] if up.story.stolen_key in match["session"]["access_keys"]]
        assert all(match["score"] < 0.3 for match in keys), what
        assert all(match["against"] for match in keys), what


def test_a_host_by_name_and_its_alerts(up: Running) -> None:
    found = answer("correlate", "host", up.falcon_story.laptop.lower(), "--last", "3d")
    assert {host["hostname"] for host in found["hosts"]} == {up.falcon_story.laptop}
    ids = [each["alert"]["composite_id"] for each in found["alerts"]]
    assert ids == [up.falcon_story.theft, up.falcon_story.malware]
    assert run("correlate", "host", "NO-SUCH-HOST", home=up.home).exit_code == 1


def test_the_alerts_of_a_key(up: Running) -> None:
    found = answer("correlate", "session", up.story.stolen_key)
    assert up.story.stolen_key in found["session"]["access_keys"]
    touching = {each["alert"]["composite_id"]: each["matches"][0]["score"] for each in found["alerts"]}
    assert touching[up.falcon_story.theft] >= 0.5
    assert all(len(each["matches"]) == 1 for each in found["alerts"])


def test_recent_alerts_begin_with_what_did_most_in_aws(up: Running) -> None:
    found = answer("correlate", "recent", "--last", "3d")
    assert found.keys() >= {"alerts", "coverage"}
    for each in found["alerts"]:
        well_formed(each)
    first = {each["alert"]["composite_id"] for each in found["alerts"][:3]}
    assert first & {up.falcon_story.theft, up.falcon_story.malware, up.falcon_story.identity}
    mine = answer("correlate", "recent", "--last", "3d", "--user", "john")
    assert 0 < mine["total"] < found["total"]


def test_what_was_fetched_is_answered_from_the_lake_when_falcon_does_not_answer(up: Running) -> None:
    known = answer("correlate", "host", up.falcon_story.laptop, "--from", "3d", "--to", "2h")
    (client,) = up.falcon.tenant.clients.values()
    secret = client.secret
    up.falcon.tenant.clients.clear()
    try:
        again = run("correlate", "alert", up.falcon_story.theft, "--format", "json", home=up.home)
    finally:
        up.falcon.tenant.clients[client.id] = client
    assert secret not in again.output
    assert again.exit_code in (0, 3), again.output
    assert up.falcon_story.theft in {each["alert"]["composite_id"] for each in known["alerts"]}


@pytest.mark.parametrize("command", [("recent", "--last", "3d"), ("host", "LAPTOP-7", "--last", "14d", "--details")])
def test_tables(up: Running, command: tuple[str, ...]) -> None:
    result = run("correlate", *command, home=up.home)
    assert result.exit_code in (0, 3), result.output
    assert "Looked at: " in result.stdout
    assert "LAPTOP-7" in result.stdout
