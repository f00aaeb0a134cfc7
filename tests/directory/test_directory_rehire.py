"""Somebody left the organisation and came back: one email, two Identity Center users, which the records tell apart."""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from directory_kit import ANCHOR

from trailwarden.demo.activity import generate
from trailwarden.demo.scenario import Scenario, build_scenario


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return build_scenario(anchor=ANCHOR, records=12_000)


@pytest.fixture(scope="module")
def sign_ins(scenario: Scenario) -> dict[str, list[dict[str, Any]]]:
    """The records of Identity Center that name rosa's email, by user id."""
    email, found = scenario.person("rosa").email, defaultdict(list)
    for body in generate(scenario):
        if email.encode() not in body:
            continue
        record = json.loads(body)
        if (record.get("additionalEventData") or {}).get("UserName") == email:
            found[record["userIdentity"]["onBehalfOf"]["userId"]].append(record)
    return dict(found)


def times(records: list[dict[str, Any]]) -> list[datetime]:
    return sorted(datetime.fromisoformat(record["eventTime"]).astimezone(UTC) for record in records)


def test_the_email_is_of_two_users_one_after_the_other(
    scenario: Scenario, sign_ins: dict[str, list[dict[str, Any]]]
) -> None:
    rosa = scenario.person("rosa")
    assert rosa.rehire is not None
    assert set(sign_ins) == {rosa.user_id, rosa.rehire.user_id}
    before, after = times(sign_ins[rosa.rehire.user_id]), times(sign_ins[rosa.user_id])
    assert before[-1] < ANCHOR - timedelta(days=rosa.rehire.left)
    assert after[0] > ANCHOR - timedelta(days=rosa.rehire.back + 1)


def test_the_two_have_their_own_homes(scenario: Scenario, sign_ins: dict[str, list[dict[str, Any]]]) -> None:
    rosa = scenario.person("rosa")
    assert rosa.rehire is not None
    homes = {user: {record["sourceIPAddress"] for record in records} for user, records in sign_ins.items()}
    assert homes[rosa.user_id] <= {rosa.home_ip, rosa.place.office_ip}
    assert homes[rosa.rehire.user_id] <= {rosa.rehire.home_ip, rosa.place.office_ip}
    assert rosa.home_ip != rosa.rehire.home_ip


@pytest.mark.parametrize("seed", range(5))
def test_no_two_people_have_one_user_id_or_one_home(seed: int) -> None:
    people = build_scenario(anchor=ANCHOR, seed=seed).people
    former = [person.rehire for person in people if person.rehire is not None]
    users = [person.user_id for person in people if person.user_id] + [each.user_id for each in former]
    homes = [person.home_ip for person in people] + [each.home_ip for each in former]
    assert len(set(users)) == len(users) == 41
    assert len(set(homes)) == len(homes) == 45
