"""The command line that a question is echoed as asks exactly the same."""

import json
import shlex
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ask_kit import NOW, ask, cases
from hypothesis import given
from hypothesis import strategies as st

from trailwarden import catalog
from trailwarden.ask.command import DEFAULT_LIMIT, METHOD_WORDS, SWITCHES, Search, shorten
from trailwarden.faces import cli
from trailwarden.model.event import VALUE_FIELDS, EventFilter
from trailwarden.model.session import AUTH_METHODS
from trailwarden.model.time import EPOCH, Window, parse_window, parse_zone


def parse_back(command: str, now: datetime = NOW) -> Search:
    """The search that a command line asks for, read by the names of EventFilter's fields alone."""
    words = shlex.split(command)
    assert words[:2] == ["trailwarden", "search"]
    options: dict[str, list[str]] = {}
    switches = {pair[not value]: (field, value) for field, pair in SWITCHES.items() for value in (True, False)}
    where: dict[str, Any] = {}
    rest = iter(words[2:])
    for word in rest:
        if word in switches:
            field, value = switches[word]
            where[field] = value
        else:
            option, joined, inline = word.partition("=")
            options.setdefault(option, []).append(inline if joined else next(rest))
    excluded: dict[str, Any] = {}
    for field in VALUE_FIELDS:
        name = field.replace("_", "-")
        where[field] = tuple(options.pop(f"--{name}", ()))
        excluded[field] = tuple(options.pop(f"--not-{name}", ()))
    single = {option: values[0] for option, values in options.items()}
    zone = parse_zone(single.pop("--tz", "UTC"))
    last, start, end = (single.pop(option, None) for option in ("--last", "--from", "--to"))
    exclude = EventFilter(**excluded)
    search = Search(
        where=EventFilter(**where, exclude=None if exclude.empty else exclude),
        window=parse_window(last=last, start=start, end=end, now=now, zone=zone),
        order="oldest" if single.pop("--order", "newest") == "oldest" else "newest",
        limit=int(single.pop("--limit", DEFAULT_LIMIT)),
        zone=zone,
    )
    assert not single
    return search


def same(one: Search, other: Search) -> bool:
    def parts(search: Search) -> tuple[object, ...]:
        return search.where, search.window, search.order, search.limit

    return parts(one) == parts(other)


@pytest.mark.parametrize("case", cases("questions.jsonl"), ids=lambda case: case["question"])
def test_the_echo_of_a_question_asks_the_same(case: dict[str, Any]) -> None:
    found = ask(case["question"])
    if found.tool == "search":
        assert same(parse_back(found.command), found)


values = st.text(min_size=1, max_size=20).filter(lambda text: "\x00" not in text and text.isprintable())
fields = st.dictionaries(st.sampled_from(VALUE_FIELDS), st.tuples(values), max_size=4)
switched = st.dictionaries(st.sampled_from(list(SWITCHES)), st.booleans(), max_size=3)
spans = st.none() | st.integers(1, 10**7).map(lambda seconds: timedelta(seconds=seconds))
windows = st.none() | st.tuples(st.integers(0, 10**15), st.integers(0, 10**15)).map(
    lambda ends: Window(EPOCH + timedelta(microseconds=ends[0]), EPOCH + timedelta(microseconds=sum(ends)))
)
zones = st.sampled_from(
    [UTC, ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=-3, minutes=-30)), timezone(timedelta(hours=2), "X")]
)
filters = st.builds(
    lambda where, excluded, switches: EventFilter(
        **where, **switches, exclude=EventFilter(**excluded) if excluded else None
    ),
    fields, fields, switched,
)  # fmt: skip


@given(filters, spans, windows, zones, st.sampled_from(["newest", "oldest"]))
def test_any_search_is_written_so_that_it_reads_back(
    where: EventFilter, last: timedelta | None, window: Window | None, zone: Any, order: Any
) -> None:
    search = Search(
        where=where,
        window=Window(NOW - last, NOW) if last is not None else window,
        last=last,
        zone=zone,
        order=order,
        limit=len(where.user) + 1,
    )
    back = parse_back(search.command)
    assert same(back, search)
    assert back.zone.utcoffset(NOW) == zone.utcoffset(NOW)
    assert search.words


def test_the_command_line_has_these_options() -> None:
    """The options are those of the program itself."""
    options = {flag for option in cli.filter_options() for flag in (*option.opts, *option.secondary_opts)}
    expected = {f"--{prefix}{field.replace('_', '-')}" for field in VALUE_FIELDS for prefix in ("", "not-")}
    assert expected | {flag for pair in SWITCHES.values() for flag in pair} <= options


def test_values_are_shown_short_and_printable() -> None:
    assert shorten("a" * 100, 10) == "aaaaaaaaa…"
    assert shorten("red\x1b[31m\n") == "red�[31m�"
    assert "\x1b" not in ask("calls by jane").words


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("calls by jane today", "API calls by jane@company.com, between 2026-11-24 00:00 and 03:42 UTC"),
        ("last 5 calls by jane", "API calls by jane@company.com, at any recorded time, at most 5"),
        ("changes before yesterday noon", "Changing calls, before 2026-11-23 12:00 UTC"),
        (
            "denied calls by john or jane on 2026-10-25 in Europe/Berlin oldest first",
            (
                "Denied calls by john@company.com, john or jane@company.com, "
                "between 2026-10-25 00:00 UTC+02:00 and 2026-10-26 00:00 UTC+01:00, oldest first"
            ),
        ),
    ],
)
def test_searches_are_said_in_words(question: str, words: str) -> None:
    assert ask(question).words == words


def session_options(command: str) -> dict[str, list[str]]:
    """The options of a command line about sessions, and under ``""`` what stands without one."""
    read: dict[str, list[str]] = {}
    rest = iter(shlex.split(command)[1:])
    for word in rest:
        if word == "--":
            read.setdefault("", []).extend(rest)
        elif word.startswith("--"):
            option, joined, inline = word.partition("=")
            read.setdefault(option, []).append(inline if joined else next(rest))
        else:
            read.setdefault("", []).append(word)
    return read


@given(
    st.sampled_from(["identity", "sessions_list", "auth_model"]),
    st.lists(values, min_size=1, max_size=2),
    st.lists(values, max_size=2),
    st.lists(st.sampled_from(AUTH_METHODS), max_size=3, unique=True),
    spans,
)
def test_any_call_about_sessions_is_written_so_that_it_reads_back(
    tool: Any, users: list[str], accounts: list[str], methods: list[Any], last: timedelta | None
) -> None:
    asked = Search(
        tool=tool,
        where=EventFilter(user=tuple(users), account=tuple(accounts)),
        method=tuple(methods),
        window=None if last is None else Window(NOW - last, NOW),
        last=last,
        zone=UTC,
    )
    read = session_options(asked.command)
    words = read.pop("")
    window = parse_window(last=read.pop("--last", [None])[0], start=None, end=None, now=NOW, zone=UTC)

    assert window == asked.window == asked.call["window"]
    assert tuple(read.pop("--account", ())) == asked.call.get("account", ())
    if tool == "identity":
        assert words == ["identity", asked.call["who"]]
    elif tool == "sessions_list":
        assert words == ["sessions", "list"]
        assert tuple(read.pop("--user")) == asked.call["user"]
        assert tuple(read.pop("--method", ())) == asked.call.get("method", ())
    else:
        assert words == ["auth-model"]
    assert not read
    assert asked.words


@pytest.mark.parametrize(
    ("who", "command"),
    [
        ("-x", "trailwarden identity --account 111111111111 -- -x"),
        ("alias", "trailwarden identity --account 111111111111 -- alias"),
        ("jane doe", "trailwarden identity 'jane doe' --account 111111111111"),
    ],
)
def test_a_name_is_never_taken_for_an_option_or_a_command(who: str, command: str) -> None:
    assert (
        Search(tool="identity", where=EventFilter(user=(who,), account=("111111111111",)), zone=UTC).command == command
    )


def test_calls_about_sessions_are_the_parameters_of_the_tools() -> None:
    found = ask("sessions of role AdminRole from 203.0.113.7 in eu-central-1 in account prod yesterday")

    assert found.call == {
        "role": ("AdminRole",),
        "ip": ("203.0.113.7",),
        "account": ("111111111111",),
        "region": ("eu-central-1",),
        "window": found.window,
    }
    assert found.arguments["window"] == {"start": "2026-11-23T00:00:00Z", "end": "2026-11-24T00:00:00Z"}
    assert ask("Who is behind ASIAIOSFODNN7EXAMPLE?").call == {"session": "ASIAIOSFODNN7EXAMPLE"}
    assert json.loads(json.dumps(ask("Which sessions belong to jane in account prod?").arguments)) == {
        "who": "jane@company.com",
        "account": ["111111111111"],
        "window": None,
    }
    assert ask("last 5 sessions").call == {"window": None, "limit": 5}
    assert ask("How do users authenticate?").call == {"window": None}


def test_every_question_is_a_call_that_its_tool_takes() -> None:
    tools = catalog.tools()
    asked = {case["question"]: ask(case["question"]) for case in cases("questions.jsonl")}

    for question, found in asked.items():
        taken = {parameter.name: parameter.required for parameter in tools[found.tool].parameters}
        assert set(found.call) <= set(taken), question
        assert {name for name, required in taken.items() if required} <= set(found.call), question
        command = tools[found.tool].command
        assert tuple(shlex.split(found.command)[1 : 1 + len(command)]) == command, question
    assert {found.tool for found in asked.values()} == {
        "search", "identity", "sessions_list", "sessions_show", "auth_model", "lake_info", "accounts_doctor",
        "iam_role", "iam_scan", "iam_can", "iam_who_can", "iam_changes",
        "correlate_host", "correlate_alert", "correlate_session", "correlate_recent",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (
            "Who was behind role AdminRole yesterday between 2pm and 4pm?",
            "Sessions of role AdminRole, between 2026-11-23 14:00 and 16:00 UTC",
        ),
        ("Which sessions belong to jane@company.com?",
         "All that is known of jane@company.com: users, roles and sessions, at any recorded time"),
        ("Whose session is ses-0123456789abcdef?",
         "Whose session ses-0123456789abcdef is, and who issued it to whom"),
        ("Do we use SAML or Identity Center?",
         "How people and workloads authenticate, asked about SAML or Identity Center, at any recorded time"),
        ("Who used root today?", "Sessions by method root user, between 2026-11-24 00:00 and 03:42 UTC"),
    ],
)  # fmt: skip
def test_questions_about_sessions_in_words(question: str, words: str) -> None:
    assert ask(question).words == words


def test_every_method_has_words() -> None:
    assert set(METHOD_WORDS) == set(AUTH_METHODS)
