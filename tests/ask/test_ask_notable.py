from collections.abc import Callable
from datetime import UTC

import pytest
from ask_kit import NOW, ask, event, page

from trailwarden.ask import summarize
from trailwarden.ask.notable import BURST_CALLS, RULES, findings
from trailwarden.model.event import Event
from trailwarden.model.finding import Finding
from trailwarden.model.principal import Principal

ROOT = Principal(type="Root", arn="arn:aws:iam::111111111111:root")
SSO = Principal(type="AssumedRole", name="AWSReservedSSO_Admin_0123456789abcdef")
KEY = "AKIAIOSFODNN7EXAMPLE"


def _found(*events: Event, total: int | None = None) -> dict[str, Finding]:
    return {found.id: found for found in findings(page(ask("show calls"), *events, total=total))}


def _login(at: int, **fields: object) -> Event:
    return event(at=at, source="signin.amazonaws.com", name="ConsoleLogin", **fields)


#: Rule -> events that show it, and events near to them that do not.
CASES: dict[str, tuple[Callable[[], list[Event]], Callable[[], list[Event]]]] = {
    "trail_tampering": (
        lambda: [event(name="StopLogging")],
        lambda: [event(name="StartLogging"), event(name="StopLogging", error_code="AccessDenied")],
    ),
    "persistence": (lambda: [event(name="CreateAccessKey")], lambda: [event(name="ListAccessKeys")]),
    "trail_tampering_attempt": (
        lambda: [event(name="DeleteTrail", error_code="AccessDenied")],
        lambda: [event(name="DeleteTrail")],
    ),
    "persistence_attempt": (
        lambda: [event(name="CreateUser", error_code="EntityAlreadyExists")],
        lambda: [event(name="CreateUser")],
    ),
    "root_use": (lambda: [event(principal=ROOT)], lambda: [event(principal=SSO)]),
    "sign_in_without_mfa": (
        lambda: [_login(1, mfa=False)],
        lambda: [
            _login(1, mfa=True),
            _login(2, mfa=None),
            _login(3, mfa=False, outcome="failure"),
            _login(4, mfa=False, principal=SSO),  # a federated sign-in always says No
        ],
    ),
    "denied_assume_role": (
        lambda: [event(name="AssumeRole", error_code="AccessDenied")],
        lambda: [event(name="AssumeRole"), event(name="AssumeRole", error_code="ValidationError")],
    ),
    "key_from_several_addresses": (
        lambda: [event(at=1, access_key=KEY), event(at=2, access_key=KEY, source_ip="185.220.101.1")],
        lambda: [event(at=1, access_key=KEY), event(at=2, access_key=KEY, source_ip="cloudformation.amazonaws.com")],
    ),
    "probing": (
        lambda: [event(at=n * 60, name=f"List{n % 5}", error_code="AccessDenied") for n in range(10)],
        lambda: [event(at=n * 60, name="ListUsers", error_code="AccessDenied") for n in range(10)],
    ),
    "burst": (
        lambda: [event(at=n * 6) for n in range(BURST_CALLS)],
        lambda: [event(at=n * 20) for n in range(BURST_CALLS)],
    ),
    "failed_sign_ins": (
        lambda: [_login(n, outcome="failure") for n in range(3)],
        lambda: [_login(n, outcome="failure") for n in range(2)],
    ),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_finds_what_it_is_for_and_nothing_near_to_it(rule: object) -> None:
    shown, near = CASES[rule.id]  # type: ignore[attr-defined]
    events = shown()

    found = _found(*events)[rule.id]  # type: ignore[attr-defined]

    assert found.count == len(events)
    assert {evidence.event_id for evidence in found.evidence} <= {each.event_id for each in events}
    assert found.evidence
    assert found.evidence[0].value
    assert rule.id not in _found(*near())  # type: ignore[attr-defined]


def test_the_detail_tells_who_did_what() -> None:
    found = _found(event(at=1, name="CreateUser"), event(at=2, name="CreateUser"), event(at=3, name="CreateAccessKey"))

    assert found["persistence"].detail == "CreateUser by jane@company.com, 2 times; CreateAccessKey by jane@company.com"


def test_a_burst_is_told_with_its_numbers() -> None:
    found = _found(*[event(at=n * 6) for n in range(47)])["burst"]

    assert found.detail == "47 calls within 5 minutes from 203.0.113.7, from 2026-11-24 03:38:02 UTC"
    assert len(found.evidence) == 10


def test_a_page_with_fewer_events_than_match_says_so() -> None:
    found = _found(event(name="StopLogging"), total=1204)["trail_tampering"]

    assert found.detail == "StopLogging by jane@company.com (seen in 1 of 1,204 matching events)"


def test_the_gravest_comes_first_and_goes_with_the_answer() -> None:
    asked = ask("show calls")
    events = [event(at=n * 6, name="StopLogging" if n == 3 else "CreateUser") for n in range(50)]

    answer = summarize(asked, page(asked, *events), now=NOW, zone=UTC)

    assert [found.severity for found in answer.findings] == ["critical", "high", "low"]


def test_every_rule_has_cases() -> None:
    assert set(CASES) == {rule.id for rule in RULES}
