from datetime import UTC, timedelta

import msgspec
import pytest
from ask_kit import NAMES, NOW, ask

from trailwarden.ask import interpret
from trailwarden.errors import NotUnderstood
from trailwarden.model.event import EventFilter

FIRST = ask("Show failed calls by jane in us-east-1 in the last 24 hours")


@pytest.mark.parametrize(
    "question", ["and yesterday?", "yesterday?", "what about yesterday?", "the same yesterday", "now yesterday"]
)
def test_a_time_replaces_the_time(question: str) -> None:
    found = ask(question, FIRST)

    assert found.where == FIRST.where
    assert str(found.window) == "2026-11-23T00:00:00Z to 2026-11-24T00:00:00Z"
    assert found.last is None


@pytest.mark.parametrize(
    "question",
    [
        "and john?",
        "the same for john",
        "what about john@company.com",
        "what about john?",
        "now by john",
        "same for john",
    ],
)
def test_a_name_replaces_who(question: str) -> None:
    found = ask(question, FIRST)

    assert set(found.where.user) <= {"john@company.com", "john"}
    assert (found.where.failed, found.where.region) == (True, ("us-east-1",))
    assert found.last == timedelta(hours=24)


def test_another_kind_of_who_replaces_who_too() -> None:
    assert ask("the same for key AKIAIOSFODNN7EXAMPLE", FIRST).where == EventFilter(
        access_key=("AKIAIOSFODNN7EXAMPLE",), failed=True, region=("us-east-1",)
    )
    assert ask("the same for 203.0.113.7", FIRST).where.user == ()
    assert ask("and from 203.0.113.7?", FIRST).where.user == ("jane@company.com",)


@pytest.mark.parametrize(
    ("question", "changed"),
    [
        ("and in eu-central-1?", {"region": ("eu-central-1",)}),
        ("only denials", {"denied": True}),
        ("just denied ones", {"denied": True}),
        ("only changes", {"read_only": False}),
        ("only sign-ins", {"event": ("ConsoleLogin", "CredentialVerification")}),
        ("without GetObject", {"exclude": EventFilter(event=("GetObject",))}),
        ("except from 203.0.113.0/24", {"exclude": EventFilter(ip=("203.0.113.0/24",))}),
        ("and in account prod", {"account": ("111111111111",)}),
        ("only s3:GetObject calls", {"event": ("s3:GetObject",)}),
    ],
)
def test_a_condition_is_added_or_replaced(question: str, changed: dict[str, object]) -> None:
    assert ask(question, FIRST).where == msgspec.structs.replace(FIRST.where, **changed)


def test_exclusions_add_up() -> None:
    once = ask("except from 203.0.113.0/24", FIRST)
    twice = ask("and not from 185.220.101.1", once)

    assert twice.where.exclude == EventFilter(ip=("203.0.113.0/24", "185.220.101.1"))


@pytest.mark.parametrize(
    ("question", "focus"),
    [("and from where?", "where_from"), ("who?", "who"), ("and when?", "when_last"), ("how many?", "count")],
)
def test_what_is_asked_of_the_same_events_changes(question: str, focus: str) -> None:
    found = ask(question, FIRST)

    assert (found.focus, found.where, found.window) == (focus, FIRST.where, FIRST.window)


def test_after_a_when_question_all_events_are_shown_again() -> None:
    when = ask("When did jane last sign in?")
    assert when.limit == 1
    assert ask("and from where?", when).limit == 100


def test_a_span_up_to_now_moves_with_now() -> None:
    later = NOW + timedelta(hours=2)
    found = interpret("the same for john", now=later, zone=UTC, vocabulary=NAMES, previous=FIRST)

    assert found.window is not None
    assert (found.window.end, found.window.length) == (later, timedelta(hours=24))


def test_a_whole_question_is_no_follow_up() -> None:
    assert ask("calls by john", FIRST).where == EventFilter(user=("john@company.com", "john"))
    assert ask("who used 203.0.113.7 since Monday", FIRST).where == EventFilter(ip=("203.0.113.7",))


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("and frobnicate widgets", "'frobnicate'"),
        ("except jane", "left out"),
        ("and 03/04/2026", "4 March 2026"),
        ("not for jane and john", "left out"),
    ],
)
def test_a_follow_up_is_refused_as_any_question(question: str, named: str) -> None:
    with pytest.raises(NotUnderstood, match=named):
        ask(question, FIRST)


def test_only_searches_are_continued() -> None:
    with pytest.raises(NotUnderstood, match="no search"):
        ask("and yesterday?", ask("What is in the lake?"))


def test_failed_sign_ins_are_looked_for_in_their_own_events() -> None:
    all_of_them = ask("sign-ins by jane")
    failed = ask("only failures", all_of_them)

    assert failed.where.event == ("ConsoleLogin", "CredentialVerification")
    assert failed.where.failed is True
