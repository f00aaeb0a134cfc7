"""Detection rules, by the cases in their own files, and the other reasons why a call is notable."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from correlate_kit import PROD, T0, event_id

from trailwarden.detect import Case, Detection, called, detection, detections, notable
from trailwarden.model.event import Event
from trailwarden.model.principal import Principal
from trailwarden.rules import documents

FILES = dict(documents("detections"))


def event(at: int = 0, what: str = "iam:ListUsers", **fields: Any) -> Event:
    """A call that succeeded, ``at`` seconds after the alert."""
    service, name = what.split(":", 1)
    known: dict[str, Any] = {
        "event_id": event_id(at),
        "time": T0 + timedelta(seconds=at),
        "account": PROD,
        "region": "eu-central-1",
        "source": f"{service}.amazonaws.com",
        "name": name,
        "principal": Principal(type="AssumedRole", arn=f"arn:aws:sts::{PROD}:assumed-role/Deploy/work"),
        "access_key": "ASIAIOSFODNN7EXAMPLE",
        "outcome": "failure" if fields.get("error_code") else "success",
        "resources": (),
    }
    return Event(**{**dict.fromkeys(Event.__struct_fields__), **known, **fields})


def of_case(case: Case) -> list[Event]:
    fields: dict[str, Any] = {
        "request": case.request,
        "response": case.response,
        "error_code": case.error_code,
        "mfa": case.mfa,
        "principal": Principal(type=case.principal_type, arn=f"arn:aws:sts::{PROD}:assumed-role/Deploy/work"),
    }
    if case.outcome is not None:
        fields["outcome"] = case.outcome
    numbered = [f"{case.event}{at}" if case.times > 1 else case.event for at in range(case.times)]
    return [event(at, what, **fields) for at, what in enumerate(numbered)]


CASES = {
    f"{rule.id}-{said}-{at}": (rule, case, said == "positive")
    for rule in detections()
    for said, cases in (("positive", rule.positive), ("negative", rule.negative))
    for at, case in enumerate(cases)
}


@pytest.mark.parametrize(("rule", "case", "expected"), CASES.values(), ids=CASES)
def test_a_rule_finds_its_positive_cases_and_no_negative_one(rule: Detection, case: Case, expected: bool) -> None:
    found = [each for each in notable(of_case(case)) if rule.id in each.reasons]
    assert len(found) == (1 if expected else 0)


@pytest.mark.parametrize("rule", detections(), ids=lambda rule: rule.id)
def test_a_rule_says_what_it_must(rule: Detection) -> None:
    assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)+", rule.id)
    assert re.fullmatch(r"T\d{4}(?:\.\d{3})?", rule.technique)
    assert rule.source.startswith("https://")
    assert rule.title
    assert rule.blind_spots
    assert rule.positive
    assert rule.negative
    assert all("*" in name or name.count(":") == 1 for name in rule.events)


def test_there_are_enough_rules_and_their_ids_are_their_files_and_unique() -> None:
    ids = [rule.id for rule in detections()]
    assert len(ids) == len(set(ids)) >= 35
    for name, content in FILES.items():
        assert [rule["id"] for rule in content["rules"] if not rule["id"].startswith(f"{name}-")] == []


def test_a_rule_is_found_by_its_id() -> None:
    rule = detection("cloudtrail-stopped")
    assert rule is not None
    assert rule.severity == "critical"
    assert detection("denied") is None


WRONG = {
    "field-that-is-none": {"until": "tomorrow"},
    "test-that-is-none": {"when": [{"field": "request.a", "test": "matches", "value": ["b"]}]},
    "severity-that-is-none": {"severity": "grave"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_rule_outside_the_vocabulary_is_refused(wrong: dict[str, Any]) -> None:
    good = FILES["cloudtrail"]["rules"][0]
    assert msgspec.convert(good, Detection).id == "cloudtrail-stopped"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**good, **wrong}, Detection)


def level(action: str) -> str | None:
    return {"iam:PassRole": "Permissions management", "sqs:SendMessage": "Write", "sqs:ListQueues": "List"}.get(action)


REASONS: dict[str, tuple[Event, dict[str, Any], tuple[str, ...]]] = {
    "denied": (event(what="sqs:ListQueues", error_code="AccessDenied"), {}, ("denied",)),
    "denied-by-ec2": (event(what="ec2:RunX", error_code="Client.UnauthorizedOperation"), {}, ("denied",)),
    "failed-otherwise": (event(what="sqs:ListQueues", error_code="ThrottlingException"), {}, ()),
    "first-time": (event(what="sqs:ListQueues"), {"known_actions": {"sqs:SendMessage"}}, ("first_time",)),
    "done-before": (event(what="sqs:ListQueues"), {"known_actions": {"sqs:ListQueues"}}, ()),
    "nothing-known-of-before": (event(what="sqs:ListQueues"), {}, ()),
    "known-to-have-done-nothing": (event(what="sqs:ListQueues"), {"known_actions": ()}, ("first_time",)),
    "permissions": (event(what="iam:PassRole"), {"level": level}, ("Permissions management",)),
    "write": (event(what="sqs:SendMessage"), {"level": level}, ("Write",)),
    "write-that-failed": (event(what="sqs:SendMessage", error_code="InternalError"), {"level": level}, ()),
    "list": (event(what="sqs:ListQueues"), {"level": level}, ()),
    "rule-and-denied": (
        event(what="cloudtrail:StopLogging", error_code="AccessDenied"),
        {},
        ("cloudtrail-stop-attempted", "denied"),
    ),
    "nothing-in-it": (event(source=None, name=None), {}, ()),
}


@pytest.mark.parametrize(("one", "known", "reasons"), REASONS.values(), ids=REASONS)
def test_reasons(one: Event, known: dict[str, Any], reasons: tuple[str, ...]) -> None:
    found = notable([one], **known)
    assert [each.reasons for each in found] == ([reasons] if reasons else [])


def test_only_the_first_of_several_calls_is_the_first_time() -> None:
    found = notable([event(2, "sqs:ListQueues"), event(1, "sqs:ListQueues")], known_actions=set())
    assert [each.event_id for each in found] == [event_id(1)]


def test_calls_are_told_in_their_order_and_once() -> None:
    later, earlier = event(9, "cloudtrail:StopLogging"), event(3, "iam:CreateUser")
    found = notable([later, earlier, later])
    assert [(each.event, each.event_id) for each in found] == [
        ("iam:CreateUser", event_id(3)),
        ("cloudtrail:StopLogging", event_id(9)),
    ]
    assert (found[0].time, found[0].account, found[0].error_code) == (earlier.time, PROD, None)


def test_both_records_of_a_cross_account_call_count_once() -> None:
    first = event(1, "sts:AssumeRole", error_code="AccessDenied", shared_event_id="shared")
    second = event(2, "sts:AssumeRole", error_code="AccessDenied", shared_event_id="shared")
    assert [each.event_id for each in notable([second, first])] == [event_id(1)]


SPANS: dict[str, tuple[Callable[[int], int], list[int]]] = {
    "within": (lambda at: at * 20, [0]),
    "too-slow": (lambda at: at * 60, []),
}


@pytest.mark.parametrize(("when", "first"), SPANS.values(), ids=SPANS)
def test_a_burst_is_within_its_span(when: Callable[[int], int], first: list[int]) -> None:
    made = [event(when(at), f"ec2:Describe{at}") for at in range(15)]
    found = [each.event_id for each in notable(made) if "discovery-burst" in each.reasons]
    assert found == [event_id(at) for at in first]


def test_a_burst_is_of_one_caller_and_of_different_operations() -> None:
    callers = [event(at, f"ec2:Describe{at}", access_key=f"ASIA{at % 2:08}EXAMPLE") for at in range(20)]
    same = [event(at, "ec2:DescribeInstances") for at in range(40)]
    assert not notable(callers)
    assert not notable(same)


def test_each_burst_is_told_once() -> None:
    made = [event(block * 3600 + at, f"ec2:Describe{at}") for block in range(2) for at in range(20)]
    found = [each.event_id for each in notable(made) if "discovery-burst" in each.reasons]
    assert found == [event_id(0), event_id(3600)]


@pytest.mark.parametrize("request_", [None, "text", 7, [], [[["x"]]], {"policyDocument": {"Statement": 3}}, {"": {}}])
@pytest.mark.parametrize("what", sorted({name for rule in detections() for name in rule.events if "*" not in name}))
def test_no_shape_of_a_request_breaks_a_rule(what: str, request_: Any) -> None:
    assert all(each.event == what for each in notable([event(what=what, request=request_)]))


def test_what_was_called() -> None:
    assert called(event(what="monitoring:PutMetricAlarm")) == "monitoring:PutMetricAlarm"
