"""The incident: what the story says is what the records show, whenever the story is told."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trailwarden.demo.activity import generate
from trailwarden.demo.incident import Story, incident, play
from trailwarden.demo.scenario import Scenario, build_scenario

Record = dict[str, Any]
ANCHOR = datetime(2026, 11, 24, 4, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return build_scenario(anchor=ANCHOR, records=4_000)


@pytest.fixture(scope="module")
def records(scenario: Scenario) -> list[Record]:
    return [json.loads(body) for body in generate(scenario)]


@pytest.fixture(scope="module")
def story(scenario: Scenario) -> Story:
    return incident(scenario)


@pytest.fixture(scope="module")
def by_id(records: list[Record]) -> dict[str, Record]:
    return {record["eventID"]: record for record in records}


def key_of(record: Record) -> str:
    return str(record["userIdentity"].get("accessKeyId", ""))


def when(record: Record) -> datetime:
    return datetime.fromisoformat(record["eventTime"])


def test_the_stolen_key_makes_exactly_47_calls_in_five_minutes(records: list[Record], story: Story) -> None:
    calls = sorted((r for r in records if key_of(r) == story.stolen_key), key=when)
    assert len(calls) == 47
    assert {record["eventID"] for record in calls} == set(story.key_calls)
    assert when(calls[0]) == story.first_call
    assert when(calls[-1]) == story.last_call
    assert story.last_call - story.first_call < timedelta(minutes=5)
    assert {record["sourceIPAddress"] for record in calls} == {"185.220.101.1"}
    assert {record["recipientAccountId"] for record in calls} == {story.account_id}


def test_what_was_refused(by_id: dict[str, Record], story: Story) -> None:
    refused = [by_id[event_id] for event_id in story.key_calls if "errorCode" in by_id[event_id]]
    assert [record["eventID"] for record in refused] == list(story.denied)
    assert {record["errorCode"] for record in refused} == {"AccessDenied", "AccessDeniedException"}
    assert [r["eventName"] for r in refused].count("GetSecretValue") == 4
    attempts = [by_id[event_id] for event_id in story.admin_attempts]
    assert len(attempts) == 3
    for attempt in attempts:
        assert attempt["requestParameters"]["roleArn"] == story.admin_role_arn
        assert attempt["errorCode"] == "AccessDenied"
        assert attempt["responseElements"] is None


def test_the_key_opens_another_account_with_two_records_and_one_shared_id(
    by_id: dict[str, Record], story: Story
) -> None:
    own, theirs = (by_id[event_id] for event_id in story.handover)
    assert own["sharedEventID"] == theirs["sharedEventID"] == story.handover_shared_id
    assert own["requestParameters"]["roleArn"] == theirs["requestParameters"]["roleArn"] == story.deploy_role_arn
    assert own["userIdentity"]["accessKeyId"] == story.stolen_key
    assert theirs["userIdentity"] == {
        "type": "AWSAccount",
        "principalId": own["userIdentity"]["principalId"],
        "accountId": "222222222222",
    }
    assert (own["recipientAccountId"], theirs["recipientAccountId"]) == ("222222222222", "333333333333")


def test_the_chain_leads_from_the_key_to_the_persistence(by_id: dict[str, Record], story: Story) -> None:
    handover, chained = by_id[story.handover[0]], by_id[story.chained]
    assert key_of(chained) == handover["responseElements"]["credentials"]["accessKeyId"]
    assert chained["requestParameters"]["roleArn"] == story.chained_role_arn
    persistence = [by_id[event_id] for event_id in story.persistence]
    assert [r["eventName"] for r in persistence] == [
        "CreateUser",
        "AttachUserPolicy",
        "CreateAccessKey",
        "RunInstances",
    ]
    for record in persistence:
        assert key_of(record) == chained["responseElements"]["credentials"]["accessKeyId"]
        assert record["userIdentity"]["sessionContext"]["attributes"]["creationDate"] == chained["eventTime"]
        assert record["recipientAccountId"] == "333333333333"
        assert record["readOnly"] is False
    assert persistence[0]["responseElements"]["user"]["arn"] == story.backdoor_user_arn
    assert persistence[1]["requestParameters"]["policyArn"] == "arn:aws:iam::aws:policy/AdministratorAccess"
    assert persistence[2]["responseElements"]["accessKey"]["accessKeyId"] == story.backdoor_key
    running = persistence[3]["responseElements"]["instancesSet"]["items"]
    assert [instance["instanceId"] for instance in running] == [story.rogue_instance]
    assert key_of(by_id[story.backdoor_call]) == story.backdoor_key
    for event_id in story.stop_logging:
        assert by_id[event_id]["errorCode"] == "AccessDenied"
        assert "service control policy" in by_id[event_id]["errorMessage"]


def test_the_entrance_is_john_s_account_from_a_strange_address(by_id: dict[str, Record], story: Story) -> None:
    entrance = [by_id[event_id] for event_id in story.sign_in]
    assert [record["eventName"] for record in entrance][-1] == "UserAuthentication"
    assert {record["userIdentity"]["onBehalfOf"]["userId"] for record in entrance} == {story.user_id}
    assert {record["sourceIPAddress"] for record in entrance} == {story.attacker_ip}
    for event_id in story.portal_session:
        record = by_id[event_id]
        assert record["userIdentity"]["principalId"].endswith(":john@company.com")
        assert record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == story.portal_role_arn
        assert "PowerUser" in story.portal_role_arn


def test_everything_from_the_attacker_s_address_is_the_story(records: list[Record], story: Story) -> None:
    told = {
        *story.sign_in,
        *story.portal_session,
        *story.key_calls,
        *story.handover,
        story.chained,
        *story.persistence,
        *story.stop_logging,
        story.backdoor_call,
    }
    seen = {r["eventID"]: r["eventName"] for r in records if r["sourceIPAddress"] == story.attacker_ip}
    assert told <= set(seen)
    assert {seen[event_id] for event_id in set(seen) - told} == {
        "GetRoleCredentials",  # the portal session's, before its first call
        "GetCallerIdentity",  # the deploy session's
        "DescribeStacks",
        "ListUsers",
    }


def test_the_decoys_are_there(by_id: dict[str, Record], story: Story) -> None:
    john = [by_id[event_id] for event_id in story.decoys["john at work"]]
    # The portal calls STS from an address of its own.
    assert {r["sourceIPAddress"] for r in john if r["eventName"] != "AssumeRoleWithSAML"} == {story.usual_ip}
    assert max(when(record) for record in john) > ANCHOR - timedelta(hours=24)
    jane = [by_id[event_id] for event_id in story.decoys["jane travelling"]]
    assert {r["sourceIPAddress"] for r in jane if r["eventName"] != "AssumeRoleWithSAML"} == {story.travel_ip}
    scan = sorted(when(by_id[event_id]) for event_id in story.decoys["compliance scanner"])
    assert len(scan) == 121
    assert scan[-1] - scan[0] <= timedelta(minutes=4, seconds=5)
    namesake = [
        r for r in by_id.values() if str(r["userIdentity"].get("principalId", "")).endswith("john.smith@company.com")
    ]
    assert namesake


def test_the_current_key_of_john_is_in_use_from_home(records: list[Record], story: Story) -> None:
    used = {r["sourceIPAddress"] for r in records if key_of(r) == story.current_key}
    assert used == {story.usual_ip}
    assert story.current_key != story.stolen_key


@settings(max_examples=40, deadline=None)
@given(
    minutes=st.integers(0, 4 * 365 * 24 * 60),
    seed=st.integers(0, 10_000),
)
def test_whenever_it_is_told_it_lies_in_the_last_24_hours(minutes: int, seed: int) -> None:
    anchor = datetime(2025, 9, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    scenario = build_scenario(anchor=anchor, seed=seed, records=1_000)
    told = play(scenario)
    times = [recorded.seconds for recorded in told.records]
    assert times == sorted(times)
    assert scenario.anchor.timestamp() - 86_400 < times[0]
    assert times[-1] < scenario.anchor.timestamp()
    story = told.story
    assert len(story.key_calls) == 47
    assert story.last_call - story.first_call < timedelta(minutes=5)
    assert told == play(scenario)
