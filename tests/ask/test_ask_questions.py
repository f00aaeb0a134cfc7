import json
import subprocess
import sys
from datetime import UTC, timedelta
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from ask_kit import LABELS, NAMES, NOW, ask, cases
from hypothesis import given
from hypothesis import strategies as st
from lark.visitors import CollapseAmbiguities

from trailwarden.ask import Interpretation, Names, interpret
from trailwarden.ask.command import RIGHTS_TOOLS, Rights
from trailwarden.ask.draft import Draft
from trailwarden.ask.entities import clean, mask
from trailwarden.ask.grammar import FILLER, START_QUESTION, node_of, parser, phrases, tokenize
from trailwarden.ask.references import resolve
from trailwarden.ask.refusals import PATTERNS
from trailwarden.errors import NotUnderstood
from trailwarden.model.event import EventFilter
from trailwarden.model.time import Window, parse_instant

QUESTIONS = cases("questions.jsonl")
REFUSED = cases("refused.jsonl")


def _window(text: str | None) -> Window | None:
    if text is None:
        return None
    start, end = (parse_instant(part, now=NOW) for part in text.split("/"))
    return Window(start, end)


@pytest.mark.parametrize("case", QUESTIONS, ids=lambda case: case["question"])
def test_a_question_is_understood_exactly(case: dict[str, Any]) -> None:
    found = ask(case["question"])

    assert found.where == msgspec.convert(case["where"], EventFilter)
    assert found.window == _window(case["window"])
    assert (found.focus, list(found.also)) == (case["focus"], case.get("also", []))
    assert (found.order, found.limit) == (case.get("order", "newest"), case.get("limit", 100))
    assert found.tool == case.get("tool", "search")
    assert (list(found.method), found.session) == (case.get("method", []), case.get("session", ""))
    assert found.last == (timedelta(seconds=case["last"]) if "last" in case else None)
    assert found.rights == msgspec.convert(case.get("rights", {}), Rights)
    assert (found.host, found.alert) == (case.get("host", ""), case.get("alert", ""))


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: repr(case["question"][:60]))
def test_a_question_is_refused_naming_what_is_not_understood(case: dict[str, Any]) -> None:
    with pytest.raises(NotUnderstood) as refused:
        ask(case["question"])

    told = f"{refused.value.message} | {refused.value.remedy}"
    assert [name for name in case["names"] if name not in told] == [], told
    assert refused.value.suggestions
    assert all("\x1b" not in part for part in (told, *refused.value.suggestions))


def test_the_data_files_are_as_large_as_promised() -> None:
    assert len({case["question"] for case in QUESTIONS}) >= 660
    assert len({case["question"] for case in REFUSED}) >= 185


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: repr(case["question"][:60]))
def test_every_suggestion_is_understood(case: dict[str, Any]) -> None:
    with pytest.raises(NotUnderstood) as refused:
        ask(case["question"])

    for suggestion in refused.value.suggestions:
        assert ask(suggestion).command.startswith("trailwarden ")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_documented_pattern_is_understood(pattern: str) -> None:
    names = {
        "user": "jane@company.com", "role": "AdminRole", "key": "AKIAIOSFODNN7EXAMPLE", "ip": "203.0.113.7",
        "event": "iam:CreateUser", "region": "eu-central-1", "account": "111111111111",
        "instance": "i-0123456789abcdef0", "service": "s3", "host": "LAPTOP-7", "bucket": "my-logs",
    }  # fmt: skip
    found = ask(pattern.format(**names))

    timeless = (
        found.tool in {"sessions_show", "auth_model", "correlate_session", "correlate_host", *RIGHTS_TOOLS}
        or "Which sessions belong" in pattern
    )
    assert found.window is not None or timeless or "happened to" in pattern or "last sign in" in pattern
    assert all(name in found.command for slot, name in names.items() if f"{{{slot}}}" in pattern)


def test_suggestions_hold_the_names_of_the_question() -> None:
    with pytest.raises(NotUnderstood) as refused:
        ask("gimme whatever jane@company.com got up to in eu-central-1")

    assert "jane@company.com" in refused.value.suggestions[0]


def test_all_derivations_of_a_question_mean_the_same() -> None:
    """The grammar is ambiguous in form here and there, and must not be in meaning."""
    ambiguous = 0
    for case in QUESTIONS:
        masked = mask(clean(case["question"]), NAMES, LABELS)
        pieces = [piece for piece in resolve(tokenize(masked.text, masked.pieces), None) if piece.type != FILLER]
        tree = parser("explicit").parse(pieces, start=START_QUESTION)
        if not any(tree.find_data("_ambig")):
            continue
        ambiguous += 1
        meanings = set()
        for derivation in CollapseAmbiguities().transform(tree):
            draft = Draft()
            draft.read(node_of(derivation))
            draft.finish()
            filters = (draft.fields, draft.excluded, draft.switches)
            told: tuple[Any, ...] = (
                draft.focus, draft.also, draft.limit, draft.newest_first, draft.tool, draft.method, draft.session,
                msgspec.to_builtins(draft.rights), draft.host, draft.alert,
            )  # fmt: skip
            meanings.add(json.dumps([sorted(part.items()) for part in filters] + list(told)))
        assert len(meanings) == 1, case["question"]
    assert ambiguous


def test_no_phrase_of_the_vocabulary_has_two_meanings() -> None:
    listed = [
        tuple(phrase.split())
        for line in (files("trailwarden.ask") / "words.txt").read_text(encoding="utf-8").splitlines()
        if ":" in line and not line.startswith("#")
        for phrase in line.split(":")[1].split(",")
    ]
    assert len(listed) == len(set(listed)) == len(phrases())


def test_a_name_of_the_lake_never_overrides_a_word_of_the_language() -> None:
    """Logs are hostile: a user who names himself after a word of a question must not change what it means."""
    hostile = Names(
        users=dict.fromkeys(("failed", "yesterday", "mfa", "not", "calls", "last", "in", "us", "two"), 1),
        roles=dict.fromkeys(("denied", "today", "by", "since"), 1),
    )
    for question in ("failed calls yesterday", "denied calls in us-east-1 since Monday", "last two calls today"):
        with_names = _outcome(question, hostile)
        assert with_names == _outcome(question, Names())
    with pytest.raises(NotUnderstood, match="MFA"):
        ask("console logins without MFA", names=hostile)


def test_a_name_of_the_lake_never_overrides_how_people_sign_in() -> None:
    words = (
        "sessions",
        "behind",
        "federated",
        "saml",
        "web",
        "it",
        "we",
        "aws",
        "chain",
        "this",
        "owner",
        "he",
        "model",
    )
    hostile = Names(users=dict.fromkeys(words, 1), roles=dict.fromkeys(("mfa", "authenticate", "whose", "key"), 1))
    for question in (
        "list federated sessions", "Who was behind 203.0.113.7 yesterday?", "How do we authenticate to AWS?",
        "show the chain of ASIAIOSFODNN7EXAMPLE", "Whose key is ASIAIOSFODNN7EXAMPLE?", "What is our auth model?",
        "Who signed in without MFA today?", "Do we use SAML or SSO?", "web-identity sessions",
    ):  # fmt: skip
        assert _outcome(question, hostile) == _outcome(question, Names())


def test_a_service_of_the_lake_named_as_a_way_to_sign_in_stays_a_service() -> None:
    lake = Names(sources={"sso.amazonaws.com": 5})

    assert ask("calls to sso today", names=lake).where.source == ("sso.amazonaws.com",)
    assert ask("sso sessions today", names=lake).method == ("identity_center",)
    assert ask("Do we use SSO?", names=lake).method == ("identity_center",)


PIECES = sorted({word for case in (*QUESTIONS, *REFUSED) for word in case["question"].split() if word.isprintable()})


@given(
    st.sampled_from([case["question"] for case in QUESTIONS]).map(str.split),
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from(PIECES), st.booleans()), min_size=1, max_size=3),
    st.sampled_from(
        ["Who is behind ASIAIOSFODNN7EXAMPLE?", "sessions of jane", "calls by john today", "auth model", ""]
    ),
)
def test_any_sentence_is_understood_or_refused(
    words: list[str], changes: list[tuple[int, str, bool]], before: str
) -> None:
    for at, word, replace in changes:
        words[at : at + replace] = [word]
    question = " ".join(words)[:1000]
    try:
        found = ask(question, ask(before) if before else None)
    except NotUnderstood:
        return
    assert found.words
    assert found.command.startswith("trailwarden ")
    assert json.dumps(found.arguments)


def _outcome(question: str, names: Names) -> object:
    try:
        return ask(question, names=names)
    except NotUnderstood as refused:
        return refused.message


def test_a_bare_name_is_the_known_users_of_that_name() -> None:
    assert ask("calls by jane").where.user == ("jane@company.com",)
    assert ask("calls by john").where.user == ("john@company.com", "john")
    assert ask("calls by jane", names=Names()).where.user == ("jane",)
    assert ask("calls by jane").notices == ("'jane' is read as jane@company.com",)


def test_an_unknown_name_is_taken_as_written_with_a_notice() -> None:
    found = ask("calls by jhon@company.com")

    assert found.where.user == ("jhon@company.com",)
    assert "did you mean john@company.com (1,204 events)" in found.notices[0]
    assert ask("calls by jhon@company.com", names=Names()).notices == ()


def test_a_part_of_one_label_is_its_account_and_several_are_none() -> None:
    labels = {"111111111111": "acme-security", "222222222222": "acme-production"}

    def asked(question: str) -> Interpretation:
        return interpret(question, now=NOW, zone=UTC, vocabulary=NAMES, labels=labels)

    for question in ("How do people log in to production?", "calls in account production", "calls in Production"):
        assert asked(question).where.account == ("222222222222",)
        assert "is read as account 222222222222, acme-production" in asked(question).notices[0]
    for question in ("How do people log in to acme?", "calls in account acme", "How do people log in to prod?"):
        with pytest.raises(NotUnderstood, match="no connected account"):
            asked(question)
    assert asked("calls by production").where.user == ("production",)


def test_a_name_that_is_a_user_and_a_role_is_told() -> None:
    both = Names(users={"deploy": 1}, roles={"deploy": 2})

    found = ask("calls by deploy", names=both)

    assert found.where.user == ("deploy",)
    assert "'deploy' is a user and a role" in found.notices[0]
    assert ask("calls by role deploy", names=both).where.role == ("deploy",)


def test_arguments_are_json_and_echo_is_words_and_command() -> None:
    found = ask("Show failed calls by jane in us-east-1 in the last 24 hours except from 203.0.113.0/24")

    assert json.loads(json.dumps(found.arguments)) == {
        "where": {
            "user": ["jane@company.com"],
            "region": ["us-east-1"],
            "failed": True,
            "exclude": {"ip": ["203.0.113.0/24"]},
        },
        "window": {"start": "2026-11-23T03:42:38Z", "end": "2026-11-24T03:42:38Z"},
        "order": "newest",
        "limit": 100,
    }
    assert found.echo.splitlines() == [
        (
            "Failed calls by jane@company.com in us-east-1 except those from 203.0.113.0/24, "
            "in the last 24 hours (2026-11-23 03:42 to 2026-11-24 03:42 UTC)"
        ),
        "trailwarden search --user jane@company.com --region us-east-1 --not-ip 203.0.113.0/24 --failed --last 24h",
    ]
    assert ask("What is in the lake?").command == "trailwarden lake info"
    assert ask("Are the accounts connected?").arguments == {}


def test_the_zone_of_the_asker_is_where_times_are_meant() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    found = interpret("calls yesterday between 2pm and 4pm", now=NOW, zone=berlin, vocabulary=NAMES)

    assert found.window == _window("2026-11-23T13:00:00Z/2026-11-23T15:00:00Z")
    assert found.command.endswith("--tz Europe/Berlin")
    assert "between 2026-11-23 14:00 and 16:00 UTC+01:00" in found.words
    assert interpret("calls yesterday in UTC", now=NOW, zone=berlin, vocabulary=NAMES).zone is UTC


def test_importing_ask_loads_neither_the_parser_nor_the_fuzzy_matcher() -> None:
    heavy = ("lark", "rapidfuzz", "duckdb", "pyarrow", "rich")
    code = f"import sys, trailwarden.ask; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
