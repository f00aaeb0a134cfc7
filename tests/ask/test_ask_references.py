"""Questions that continue one another across tools: this user, that key, it, the day before, this account."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from ask_kit import LABELS, NAMES, NOW, ask, event, page, session, step

from trailwarden.ask import Found, Interpretation, found_in_page, found_in_sessions, interpret
from trailwarden.errors import NotUnderstood

KEY = "ASIAIOSFODNN7EXAMPLE"


def commands(*questions: str, found: Found | None = None) -> list[str]:
    """Each question as a continuation of the one before; ``found`` is what the first one's answer told."""
    said: list[str] = []
    previous: Interpretation | None = None
    for question in questions:
        asked = ask(question, previous)
        previous = msgspec.structs.replace(asked, found=found) if previous is None and found else asked
        said.append(asked.command.removeprefix("trailwarden "))
    return said


YESTERDAY = "--from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z"
DAY_BEFORE = "--from 2026-11-22T00:00:00Z --to 2026-11-23T00:00:00Z"
CONVERSATIONS = {
    "a key, and what it did": (
        [f"Who is using access key {KEY}?", "What did it do?", "and yesterday?", "the same day before"],
        [
            f"sessions show {KEY}",
            f"search --access-key {KEY}",
            f"search --access-key {KEY} {YESTERDAY}",
            f"search --access-key {KEY} {DAY_BEFORE}",
        ],
    ),
    "that key": (
        [f"Whose key is {KEY}?", "and what did that key do yesterday?", "From where was that key used?"],
        [f"sessions show {KEY}", f"search --access-key {KEY} {YESTERDAY}", f"search --access-key {KEY} {YESTERDAY}"],
    ),
    "a person, and what they did": (
        [
            "Which sessions belong to jane@company.com in the last 7 days?",
            "and what did this user do?",
            "only failures",
        ],
        [
            "identity jane@company.com --last 7d",
            "search --user jane@company.com --last 7d",
            "search --user jane@company.com --failed --last 7d",
        ],
    ),
    "a person, another day": (
        [
            "Which sessions belong to jane in the last 7 days?",
            "what about yesterday",
            "and the day before?",
            "and john@company.com?",
            "and in account dev?",
        ],
        [
            "identity jane@company.com --last 7d",
            f"identity jane@company.com {YESTERDAY}",
            f"identity jane@company.com {DAY_BEFORE}",
            f"identity john@company.com {DAY_BEFORE}",
            f"identity john@company.com --account 222222222222 {DAY_BEFORE}",
        ],
    ),
    "a role, another day and another role": (
        ["Who was behind role AdminRole yesterday between 2pm and 4pm?", "the same day before", "and role deploy?"],
        [
            "sessions list --role AdminRole --from 2026-11-23T14:00:00Z --to 2026-11-23T16:00:00Z",
            "sessions list --role AdminRole --from 2026-11-22T14:00:00Z --to 2026-11-22T16:00:00Z",
            "sessions list --role deploy --from 2026-11-22T14:00:00Z --to 2026-11-22T16:00:00Z",
        ],
    ),
    "a role, a user, an address": (
        ["Who used role AdminRole yesterday?", "and jane?", "and from 203.0.113.7?", "only federated sessions"],
        [
            f"sessions list --role AdminRole {YESTERDAY}",
            f"sessions list --user jane@company.com {YESTERDAY}",
            f"sessions list --user jane@company.com --ip 203.0.113.7 {YESTERDAY}",
            (
                "sessions list --user jane@company.com --ip 203.0.113.7 --method identity_center --method saml "
                f"--method oidc --method federation_token {YESTERDAY}"
            ),
        ],
    ),
    "a key, another time, another key": (
        [f"Who is behind {KEY}", "and AKIAIOSFODNN7EXAMPLE?", "and yesterday?"],
        [
            f"sessions show {KEY}",
            "sessions show AKIAIOSFODNN7EXAMPLE",
            f"sessions list --access-key AKIAIOSFODNN7EXAMPLE {YESTERDAY}",
        ],
    ),
    "a key, then a person": (
        [f"Who is behind {KEY}", "what about jane?"],
        [f"sessions show {KEY}", "identity jane@company.com"],
    ),
    "events, then whose they are": (
        ["calls with key AKIAIOSFODNN7EXAMPLE today", "Whose is it?"],
        [
            "search --access-key AKIAIOSFODNN7EXAMPLE --from 2026-11-24T00:00:00Z --to 2026-11-24T03:42:38Z",
            "sessions show AKIAIOSFODNN7EXAMPLE",
        ],
    ),
    "events, then the person's sessions": (
        ["calls by jane yesterday", "which sessions belong to her?", "Which roles did she use?"],
        [
            f"search --user jane@company.com {YESTERDAY}",
            f"identity jane@company.com {YESTERDAY}",
            f"identity jane@company.com {YESTERDAY}",
        ],
    ),
    "this account": (
        ["calls by jane in account prod", "How do users authenticate in this account?", "and last month?"],
        [
            "search --user jane@company.com --account 111111111111",
            "auth-model --account 111111111111",
            "auth-model --account 111111111111 --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z",
        ],
    ),
    "today as a whole": (
        ["calls by jane today", "the day before", "the day after"],
        [
            "search --user jane@company.com --from 2026-11-24T00:00:00Z --to 2026-11-24T03:42:38Z",
            f"search --user jane@company.com {YESTERDAY}",
            "search --user jane@company.com --from 2026-11-24T00:00:00Z --to 2026-11-24T03:42:38Z",
        ],
    ),
    "a span up to now": (
        ["calls by jane in the last 24 hours", "and the day before?", "the week before"],
        [
            "search --user jane@company.com --last 24h",
            "search --user jane@company.com --from 2026-11-22T03:42:38Z --to 2026-11-23T03:42:38Z",
            "search --user jane@company.com --from 2026-11-15T03:42:38Z --to 2026-11-16T03:42:38Z",
        ],
    ),
    "a whole question with a lead": (
        ["calls by jane yesterday", "and calls by deploy-bot the day before", "then who used 203.0.113.7 today"],
        [
            f"search --user jane@company.com {YESTERDAY}",
            f"search --user deploy-bot {DAY_BEFORE}",
            "search --ip 203.0.113.7 --from 2026-11-24T00:00:00Z --to 2026-11-24T03:42:38Z",
        ],
    ),
}


@pytest.mark.parametrize(("questions", "expected"), CONVERSATIONS.values(), ids=CONVERSATIONS.keys())
def test_a_conversation_carries_over_between_tools(questions: list[str], expected: list[str]) -> None:
    assert commands(*questions) == expected


@pytest.mark.parametrize(
    ("first", "then", "found", "expected"),
    [
        ("Who is using ASIAIOSFODNN7EXAMPLE?", "What did this user do yesterday?", {"user": ("jane@company.com",)},
         f"search --user jane@company.com {YESTERDAY}"),
        ("Who used AdminRole yesterday?", "What did she do the day before?", {"user": ("jane@company.com",)},
         f"search --user jane@company.com {DAY_BEFORE}"),
        ("Whose session is ses-0123456789abcdef?", "what did that session do?", {"access_key": (KEY,)},
         f"search --access-key {KEY}"),
        ("Whose session is ses-0123456789abcdef?", "which calls did it make today", {"access_key": (KEY,)},
         f"search --access-key {KEY} --from 2026-11-24T00:00:00Z --to 2026-11-24T03:42:38Z"),
        ("calls by jane yesterday", "who is behind that key?", {"access_key": (KEY,)},
         f"sessions show {KEY}"),
        ("calls by jane yesterday", "who used this address", {"ip": ("203.0.113.7",)},
         f"search --ip 203.0.113.7 {YESTERDAY}"),
        ("Which sessions belong to jane?", "who used that role", {"role": ("AdminRole",)},
         "sessions list --role AdminRole"),
    ],
)  # fmt: skip
def test_what_the_answer_told_can_be_referred_to(
    first: str, then: str, found: dict[str, tuple[str, ...]], expected: str
) -> None:
    assert commands(first, then, found=Found(**found))[1] == expected


def test_what_a_word_refers_to_is_said() -> None:
    found = ask("What did this user do?", ask("Which sessions belong to jane@company.com?"))

    assert found.notices == ("'this user' is read as jane@company.com",)
    assert ask("How do users authenticate in this account?").notices == (
        "'this account' is read as all accounts that are known here",
    )


def test_a_when_question_about_somebody_looks_at_all_times() -> None:
    found = ask("When did this user last sign in?", ask("calls by jane yesterday"))

    assert (found.where.user, found.window) == (("jane@company.com",), None)


@pytest.mark.parametrize(
    ("first", "then", "named"),
    [
        ("Who used AdminRole yesterday?", "What did this user do?", "'this user' refers to a user"),
        ("Which sessions belong to jane?", "What did that key do?", "refers to an access key"),
        ("calls by jane with key AKIAIOSFODNN7EXAMPLE", "What did it do?", "can refer to"),
        ("Show failed calls today", "What did it do?", "nothing by name"),
        ("Whose session is ses-0123456789abcdef?", "What did it do?", "access keys are not known"),
        ("What is in the lake?", "What did he do?", "refers to a user"),
        ("calls by jane", "and the day before?", "no time that could be moved"),
        ("calls by jane yesterday", "and today the day before", "cannot be asked at once"),
        ("calls by jane yesterday", "the day before and the week before", "second move"),
        ("calls by jane before yesterday", "the day before", "without a beginning"),
        ("calls by jane today", "the day after", "lies in the future"),
        ("Which sessions belong to jane?", "only failures", "about sessions or people"),
        ("Who used AdminRole yesterday?", "only iam:CreateUser calls", "about sessions or people"),
        ("How do users authenticate?", "and jane?", "about sessions or people"),
        ("Whose session is ses-0123456789abcdef?", "and yesterday?", "is one session"),
        ("calls by jane today", "only federated sessions", "cannot be narrowed to sessions"),
    ],
)
def test_what_cannot_be_referred_to_or_continued_is_refused(first: str, then: str, named: str) -> None:
    with pytest.raises(NotUnderstood, match=named):
        ask(then, ask(first))


def test_a_day_is_moved_by_the_clocks_of_the_zone() -> None:
    """In Berlin the clocks went back on 25 October 2026: 14:00 stays 14:00."""
    berlin = ZoneInfo("Europe/Berlin")

    def berlins(question: str, previous: Interpretation | None = None) -> Interpretation:
        return interpret(question, now=NOW, zone=berlin, vocabulary=NAMES, labels=LABELS, previous=previous)

    first = berlins("calls on 25 October between 2pm and 4pm")
    before = berlins("the day before", first)

    assert first.window is not None
    assert before.window is not None
    assert str(first.window) == "2026-10-25T13:00:00Z to 2026-10-25T15:00:00Z"
    assert str(before.window) == "2026-10-24T12:00:00Z to 2026-10-24T14:00:00Z"


def test_a_span_up_to_now_still_moves_with_now_when_somebody_is_referred_to() -> None:
    later = NOW + timedelta(hours=2)
    first = ask("Which sessions belong to jane in the last 7 days?")

    found = interpret("what did she do?", now=later, zone=UTC, vocabulary=NAMES, previous=first)

    assert (found.last, found.window and found.window.end) == (timedelta(days=7), later)


def test_found_in_sessions_is_what_all_of_them_share() -> None:
    jane = step("identity_center_user", "jane@company.com")
    one, other = session(chain=(jane,)), session("ses-00000000000000ff", chain=(jane,), source_ips=("198.51.100.9",))

    assert found_in_sessions([one], 1) == Found(
        user=("jane@company.com",), role=("AdminRole",), access_key=(KEY,), ip=("203.0.113.7",)
    )
    assert found_in_sessions([one, other], 2) == Found(user=("jane@company.com",), role=("AdminRole",))


@pytest.mark.parametrize(
    ("sessions", "total"),
    [
        ([], 0),
        ([session(chain=(step("iam_user", "jane"),))], 7),
        ([session(chain=(step("iam_user", "*"),), access_keys=(), role_arn=None, source_ips=())], 1),
        ([session(chain=(step("aws_service", "ec2.amazonaws.com"),), access_keys=(), role_arn=None, source_ips=())], 1),
        ([session(chain=(), access_keys=(), role_arn=None, source_ips=())], 1),
    ],
    ids=["none", "a part of them", "a wildcard for a name", "no person", "nobody known"],
)
def test_nothing_is_found_in_sessions_that_do_not_tell(sessions: list[object], total: int) -> None:
    assert found_in_sessions(sessions, total) == Found()  # type: ignore[arg-type]


def test_found_in_page_is_what_all_events_share() -> None:
    asked = ask("calls from 203.0.113.7 today")
    answer = page(asked, event(access_key=KEY), event(at=60, access_key=KEY, source_ip="198.51.100.9"))

    assert found_in_page(answer) == Found(user=("jane@company.com",), access_key=(KEY,))


def test_an_interpretation_survives_being_written_down() -> None:
    asked = msgspec.structs.replace(ask("Who used AdminRole today?"), found=Found(user=("jane",)))
    written = msgspec.json.encode(asked, enc_hook=lambda _: "UTC")

    read = msgspec.json.decode(written, type=Interpretation, dec_hook=lambda _, __: UTC)

    assert read == asked
