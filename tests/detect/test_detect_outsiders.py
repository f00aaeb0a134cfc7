"""Sign-ins that failed are anybody's, and addresses of a role are not one's own for one call."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from detect_kit import event, facts, history
from detect_records import (
    ATTACKER,
    BOB,
    BOBS_KEY,
    JOHN,
    JOHNS_KEY,
    NOW,
    OFFICE,
    PROD,
    everyday,
    iam_user,
    record,
    role_session,
    theft,
)

from trailwarden.app import App
from trailwarden.lake.ingest import land
from trailwarden.model.proposal import Target
from trailwarden.model.time import Window
from trailwarden.places import Place
from trailwarden.signs import AddressList, Amounts, read_list, signs_of
from trailwarden.tools import _evidence, _own
from trailwarden.tools._evidence import Evidenced, evidence_for
from trailwarden.tools._own import own_addresses

WEEK = Window(NOW - timedelta(days=2), NOW)
OWN_ROLE = f"arn:aws:iam::{PROD}:role/Trailwarden"


def sign_in(number: int, when: datetime, arn: str, ip: str, *, result: str = "Failure") -> bytes:
    """A sign-in to the console as a user, as CloudTrail writes it."""
    name = arn.rsplit("/", 1)[-1]
    body: dict[str, Any] = {
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "IAMUser", "principalId": f"AIDA{name.upper()}EXAMPLE", "accountId": PROD, "accessKeyId": "",
            "userName": name, "arn": arn,
        },
        "eventTime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "awsRegion": "us-east-1",
        "sourceIPAddress": ip,
        "userAgent": "Mozilla/5.0",
        "requestParameters": None,
        "responseElements": {"ConsoleLogin": result},
        "additionalEventData": {"MobileVersion": "No", "MFAUsed": "Yes"},
        "eventID": f"77777777-0000-4000-8000-{number:012}",
        "readOnly": False,
        "eventType": "AwsConsoleSignIn",
        "managementEvent": True,
        "recipientAccountId": PROD,
        "eventCategory": "Management",
    }  # fmt: skip
    return json.dumps(body | ({"errorMessage": "Failed authentication"} if result == "Failure" else {})).encode()


def home_with(tmp_path: Path, records: list[bytes]) -> App:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "tor-exits.txt").write_text(f"{ATTACKER}\n")
    app = App.open(tmp_path, clock=lambda: NOW)
    land(app.lake, records, source="files", location="here", now=NOW)
    return app


def evidence(app: App, arn: str) -> Evidenced:
    name = arn.rsplit("/", 1)[-1]
    of = Target(kind="iam_user", id=f"AIDA{name.upper()}EXAMPLE", account=PROD, name=name, arn=arn)
    return evidence_for(app, of, WEEK, live="never")


def ids(found: Evidenced) -> set[str]:
    return {each.id for each in found.signs}


# ---------------------------------------------------------------- sign-ins that failed


@pytest.mark.parametrize(("result", "expected"), [("Failure", False), ("Success", True)])
def test_where_a_sign_in_came_from_counts_if_it_succeeded(tmp_path: Path, result: str, expected: bool) -> None:
    tried = [sign_in(at, NOW - timedelta(hours=5, seconds=-at), BOB, ATTACKER, result=result) for at in range(300)]
    with home_with(tmp_path, [*everyday(), *tried]) as app:
        found = evidence(app, BOB)
    signs = {"origin-listed", "origin-first-address", "amount-unusual-day", "amount-unusual-hour"}
    assert ids(found) & signs == (signs if expected else set())


@pytest.mark.parametrize("sample", [2_000, 10], ids=["read", "counted"])
def test_nobody_is_given_a_history_by_sign_ins_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: int
) -> None:
    monkeypatch.setattr(_evidence, "SAMPLE", sample)
    tried = [sign_in(at, NOW - timedelta(days=6 + at), JOHN, ATTACKER) for at in range(5)]
    with home_with(tmp_path, [*everyday(), *theft(), *tried]) as app:
        assert "origin-first-address" in ids(evidence(app, JOHN))


@pytest.mark.parametrize("sample", [2_000, 30], ids=["read", "counted"])
def test_a_sign_in_that_succeeded_is_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: int) -> None:
    monkeypatch.setattr(_evidence, "SAMPLE", sample)
    before = sign_in(1, NOW - timedelta(days=6), JOHN, ATTACKER, result="Success")
    with home_with(tmp_path, [*everyday(), *theft(), before]) as app:
        assert "origin-first-address" not in ids(evidence(app, JOHN))


@pytest.mark.parametrize("sample", [2_000, 30], ids=["read", "counted"])
def test_amounts_of_the_past_are_not_raised_by_sign_ins_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: int
) -> None:
    monkeypatch.setattr(_evidence, "SAMPLE", sample)
    days = [datetime(2026, 11, day, 10, tzinfo=NOW.tzinfo) for day in range(2, 22)]
    tried = [
        sign_in(1000 * number + at, day + timedelta(seconds=at), JOHN, ATTACKER)
        for number, day in enumerate(days)
        for at in range(80)
    ]
    many = [
        record(500_000 + at, NOW - timedelta(hours=8, seconds=-at), "s3:ListBuckets", iam_user(JOHN, JOHNS_KEY), OFFICE)
        for at in range(100)
    ]
    with home_with(tmp_path, [*everyday(), *tried, *many]) as app:
        assert "amount-unusual-day" in ids(evidence(app, JOHN))


def test_failed_sign_ins_are_no_origin_and_no_amount() -> None:
    places = {"192.0.2.66": Place(country="NL", network="Example")}
    lists: list[AddressList] = [read_list("tor", ["192.0.2.66"])[0]]
    tried = [
        event(at, "signin:ConsoleLogin", seconds=at, source_ip="192.0.2.66", outcome="failure") for at in range(400)
    ]
    before = history(days=Amounts((10,) * 10), hours=Amounts((5,) * 20))
    found = signs_of(facts(*tried, places=places, lists=lists, history=before))
    assert not {each.id for each in found.signs if each.family in ("origin", "amount")}


# ---------------------------------------------------------------- addresses of one's own roles


def calls_of(role: str, key: str, ip: str, *days: int, first: int) -> list[bytes]:
    """Calls of a session of the role, one on each of the days before now."""
    return [
        record(
            first + at, NOW - timedelta(days=day, hours=1), "iam:ListUsers",
            role_session(role, "trailwarden", key, NOW - timedelta(days=day, hours=2)), ip,
        )
        for at, day in enumerate(days)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("days", "own"),
    [
        ((0, 1, 2), True),
        ((0, 14, 28), True),
        ((0, 28), False),
        ((0, 0, 0, 0), False),
        ((1, 2, 40), False),
        ((3,), False),
    ],
    ids=["three-days", "within-thirty", "two-days", "one-day", "too-long-ago", "one-call"],
)
def test_an_address_is_ones_own_that_was_used_on_three_days_of_thirty(
    tmp_path: Path, days: tuple[int, ...], own: bool
) -> None:
    records = calls_of("Trailwarden", "ASIAOWNROLEEXAMPLE01", ATTACKER, *days, first=1)
    records += calls_of("Deploy", "ASIADEPLOYEXAMPLE001", OFFICE, 0, 1, 2, 3, first=100)
    with home_with(tmp_path, records) as app:
        assert own_addresses(app, (OWN_ROLE,)) == (((ATTACKER,), ()) if own else ((), (ATTACKER,)))


def test_a_stolen_session_makes_no_address_ones_own(tmp_path: Path) -> None:
    daily = calls_of("Trailwarden", "ASIAOWNROLEEXAMPLE01", OFFICE, *range(20), first=1)
    stolen = calls_of("Trailwarden", "ASIASTOLENEXAMPLE001", ATTACKER, 0, first=100)
    with home_with(tmp_path, [*daily, *stolen]) as app:
        assert own_addresses(app, (OWN_ROLE,)) == ((OFFICE,), (ATTACKER,))
        assert own_addresses(app, ()) == ((), ())


def test_days_are_counted_for_the_most_used_addresses_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_own, "_COUNTED", 1)
    much = calls_of("Trailwarden", "ASIAOWNROLEEXAMPLE01", OFFICE, *range(20), first=1)
    little = calls_of("Trailwarden", "ASIAOWNROLEEXAMPLE02", ATTACKER, 0, 1, 2, first=100)
    with home_with(tmp_path, [*much, *little]) as app:
        assert own_addresses(app, (OWN_ROLE,)) == ((OFFICE,), (ATTACKER,))


def test_names_of_services_are_no_addresses(tmp_path: Path) -> None:
    records = calls_of("Trailwarden", "ASIAOWNROLEEXAMPLE01", "cloudformation.amazonaws.com", 0, 1, 2, first=1)
    with home_with(tmp_path, records) as app:
        assert own_addresses(app, (OWN_ROLE,)) == ((), ())


def test_calls_of_others_from_there_are_nothing(tmp_path: Path) -> None:
    records = [
        record(at, NOW - timedelta(days=at), "iam:ListUsers", iam_user(BOB, BOBS_KEY), ATTACKER) for at in range(5)
    ]
    with home_with(tmp_path, records) as app:
        assert own_addresses(app, (OWN_ROLE,)) == ((), ())
