from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from ask_kit import COMPLETE, NOW, ask, event, page

from trailwarden.ask import summarize
from trailwarden.model.event import Event
from trailwarden.model.finding import Coverage, Gap
from trailwarden.model.principal import Principal

JOHN = Principal(type="IAMUser", name="john@company.com")


def _johns(count: int, *, denied: int = 0) -> list[Event]:
    return [
        event(
            at=3600 + number * 30,
            source="s3.amazonaws.com",
            name="GetObject" if number % 4 else "PutObject",
            principal=JOHN,
            source_ip="185.220.101.1" if number < 47 else "203.0.113.7",
            error_code="AccessDenied" if number < denied else None,
        )
        for number in range(count)
    ]


def _said(question: str, *events: Event, **given: object) -> str:
    asked = ask(question)
    return summarize(asked, page(asked, *events, **given), now=NOW, zone=UTC).summary


def test_the_summary_tells_who_did_how_much_from_where_and_how_it_ended() -> None:
    assert _said("Show me all API calls by john@company.com in the last 24 hours", *_johns(60, denied=7)) == (
        "john@company.com made 60 calls in the last 24 hours (2026-11-23 03:42 to 2026-11-24 03:42 UTC). "
        "53 succeeded, 7 failed (AccessDenied 7). "
        "From 2 addresses: 185.220.101.1 (47 calls), 203.0.113.7 (13). "
        "Of 2 operations: s3:GetObject (45 calls), s3:PutObject (15). "
        "The first was at 2026-11-24 02:13:08 UTC, the last at 2026-11-24 02:42:38 UTC. "
        "Events of the last 15 minutes may not have been delivered yet."
    )


@pytest.mark.parametrize(
    ("question", "begins"),
    [
        (
            "Who used 185.220.101.1 yesterday?",
            "There were 4 calls from 185.220.101.1 between {yesterday}. By one caller",
        ),
        ("How many calls did john@company.com make yesterday?", "{john} made 4 calls between {yesterday}. All"),
        ("Did john@company.com delete anything yesterday?", "Yes: {john} made 4 calls named Delete* between"),
        ("Was there anything from 185.220.101.1?", "Yes: there were 4 calls from 185.220.101.1 at any recorded time."),
        (
            "Which IPs did john@company.com use?",
            "{john} made 4 calls at any recorded time. From one address:",
        ),
        (
            "Which Regions did john@company.com use?",
            "{john} made 4 calls at any recorded time. In one Region:",
        ),
        (
            "Which services did john@company.com use?",
            "{john} made 4 calls at any recorded time. Of 1 service: s3",
        ),
        (
            "denied calls yesterday",
            "There were 4 denied calls between {yesterday}. By one caller",
        ),
        ("who last assumed AdminRole yesterday", "There were 4 calls named AssumeRole* on AdminRole between"),
        ("sign-ins by john@company.com", "{john} made 4 sign-ins at any recorded time."),
        (
            "failed sign-ins by john@company.com",
            "{john} made 4 failed sign-in attempts at any recorded time.",
        ),
        ("What did root do?", "The root user made 4 calls at any recorded time."),
        ("What did role AdminRole do?", "Role AdminRole made 4 calls at any recorded time. Of 2 operations:"),
        ("What has AKIAIOSFODNN7EXAMPLE done?", "Access key AKIAIOSFODNN7EXAMPLE made 4 calls at any recorded time."),
    ],
)
def test_what_was_asked_for_is_told_first(question: str, begins: str) -> None:
    yesterday = "2026-11-23 00:00 and 2026-11-24 00:00 UTC"
    assert _said(question, *_johns(4)).startswith(begins.format(yesterday=yesterday, john="john@company.com"))


def test_one_call_is_told_in_the_singular() -> None:
    said = _said("calls in us-east-1 yesterday", event(at=80_000))

    assert said == (
        "There was 1 call in us-east-1 between 2026-11-23 00:00 and 2026-11-24 00:00 UTC. It succeeded. "
        "By one caller: jane@company.com (1 call). From one address: 203.0.113.7 (1 call). "
        "Of one operation: iam:ListUsers (1 call). It was at 2026-11-23 05:29:18 UTC."
    )


def test_when_questions_tell_the_event() -> None:
    login = event(at=3 * 3600, source="signin.amazonaws.com", name="ConsoleLogin", source_ip="185.220.101.1")

    assert _said("When did jane last sign in, and from where?", login, total=12) == (
        "The last successful sign-in by jane@company.com was at 2026-11-24 00:42:38 UTC (3 h ago): ConsoleLogin by "
        "jane@company.com from 185.220.101.1 in us-east-1 in account 111111111111; it succeeded. "
        "It is the last of 12 at any recorded time. From one address: 185.220.101.1 (1 sign-in). "
        "Events of the last 15 minutes may not have been delivered yet."
    )


def test_times_are_told_in_the_zone_of_the_reader() -> None:
    asked = ask("calls by jane yesterday")
    told = summarize(asked, page(asked, event(at=80_000)), now=NOW, zone=ZoneInfo("Europe/Berlin"))

    assert "It was at 2026-11-23 06:29:18 UTC+01:00." in told.summary


def test_nothing_found_says_what_was_looked_at() -> None:
    assert _said("calls by jane yesterday") == (
        "No events match: calls by jane@company.com between 2026-11-23 00:00 and 2026-11-24 00:00 UTC. "
        "This looked at accounts 111111111111, 222222222222, 333333333333 in 2 Regions, up to 2026-11-24 03:37:38 UTC."
    )


def test_not_looked_at_is_not_the_same_as_nothing_found() -> None:
    nothing = Coverage(gaps=(Gap(kind="not_covered", reason="the lake is empty"),))
    said = _said("Did jane sign in yesterday?", coverage=nothing)

    assert said.startswith("Nothing was looked at, so there is no answer to: sign-ins by jane@company.com")
    assert said.endswith("This is not everything: the lake is empty.")


def test_partial_coverage_is_said_in_the_summary() -> None:
    gaps = [Gap(kind="denied", reason=f"account {number} refused it.", account=str(number)) for number in range(5)]

    for events in ([event(at=80_000)], []):
        said = _said("calls yesterday", *events, coverage=COMPLETE.with_gaps(gaps))
        assert said.endswith(
            "This is not everything: account 0 refused it; account 1 refused it; account 2 refused it; and 2 more."
        )


def test_lists_that_are_cut_say_so() -> None:
    many = {f"10.0.0.{number}": 10 for number in range(30)}
    said = _said("Which IPs did jane use yesterday?", event(at=80_000), total=1204, source_ip=many)

    assert "made 1,204 calls" in said
    assert "From 10 or more addresses, most often: 10.0.0.0 (10 calls), " in said


def test_hostile_text_is_made_safe() -> None:
    evil = event(at=80_000, name="List\x1b[31mUsers" + "x" * 500, source_ip="1.2.3.4\u202e")
    said = _said("When was jane last seen?", evil)

    assert "\x1b" not in said
    assert "\u202e" not in said
    assert len(said) < 1000


def test_roles_are_those_that_were_assumed() -> None:
    role = "arn:aws:iam::111111111111:role/AdminRole"
    said = _said("Which roles did jane assume?", event(name="AssumeRole", request={"roleArn": role}), total=3)

    assert f"Roles in the 1 of 3 events on this page: {role} (1)." in said


def test_the_delay_of_delivery_is_told_only_where_the_window_reaches_into_it() -> None:
    assert "15 minutes" not in _said("calls yesterday", event(at=80_000))
    assert "15 minutes" in _said("calls today", event(at=60))


def test_notices_go_with_the_answer() -> None:
    asked = ask("calls by jhon@company.com")
    answer = summarize(asked, page(asked), now=NOW, zone=UTC)

    assert "did you mean john@company.com" in answer.notices[0]
    assert NOW - timedelta(days=1) < NOW
