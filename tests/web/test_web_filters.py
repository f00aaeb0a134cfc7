"""Searches as addresses, what is typed as a filter, and where the server listens."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from trailwarden.errors import UsageError
from trailwarden.faces.serve import listening
from trailwarden.faces.web.filters import asked, facet_parameter, understood, where_parameters
from trailwarden.faces.web.shown import environment, link
from trailwarden.model.event import VALUE_FIELDS, EventFilter
from trailwarden.model.time import Window
from trailwarden.settings import ConsoleSettings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda text: text.strip() != "")
VALUES = st.dictionaries(st.sampled_from(VALUE_FIELDS), st.lists(TEXT, min_size=1, max_size=3, unique=True).map(tuple))


def test_a_long_word_is_soon_understood() -> None:
    assert understood("Aa" + "A" * 100_000 + "!")[0] != "event"
    assert understood("Aa" + "A" * 100_000) == ("event", "Aa" + "A" * 100_000)


@given(VALUES, VALUES, st.sampled_from([None, True, False]))
def test_a_filter_comes_back_from_its_address(
    wanted: dict[str, tuple[str, ...]], excluded: dict[str, tuple[str, ...]], failed: bool | None
) -> None:
    where = EventFilter(**wanted, failed=failed, exclude=EventFilter(**excluded) if excluded else None)  # type: ignore[arg-type]
    query = QueryParams(urlencode([*where_parameters(where), ("last", "all")]))
    again = asked(query, now=NOW, zone=UTC)
    assert again.where == where
    assert again.window is None
    assert QueryParams(urlencode(again.parameters())) == query


@pytest.mark.parametrize(
    ("query", "window"),
    [
        ("", Window(datetime(2026, 11, 23, 12, tzinfo=UTC), NOW)),
        ("last=all", None),
        ("last=1h", Window(datetime(2026, 11, 24, 11, tzinfo=UTC), NOW)),
        ("from=2026-11-24", Window(datetime(2026, 11, 24, tzinfo=UTC), NOW)),
        (
            "from=2026-11-20&to=2026-11-20",
            Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)),
        ),
    ],
)
def test_windows(query: str, window: Window | None) -> None:
    assert asked(QueryParams(query), now=NOW, zone=UTC).window == window


@pytest.mark.parametrize(
    "query", ["failed=maybe", "last=soon", "last=1h&from=2026-11-24", "from=2026-11-24&to=2026-11-01"]
)
def test_addresses_that_say_nothing_sensible_are_refused(query: str) -> None:
    with pytest.raises(UsageError) as refused:
        asked(QueryParams(query), now=NOW, zone=UTC)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("john@company.com", ("user", "john@company.com")),
        ("AKIAIOSFODNN7EXAMPLE", ("access_key", "AKIAIOSFODNN7EXAMPLE")),
        ("203.0.113.7", ("ip", "203.0.113.7")),
        ("203.0.113.0/24", ("ip", "203.0.113.0/24")),
        ("10.0.*.*", ("ip", "10.0.*.*")),
        ("2001:db8::1", ("ip", "2001:db8::1")),
        ("111111111111", ("account", "111111111111")),
        ("eu-central-1", ("region", "eu-central-1")),
        ("us-gov-west-1", ("region", "us-gov-west-1")),
        ("iam:CreateUser", ("event", "iam:CreateUser")),
        ("s3:*", ("event", "s3:*")),
        ("CreateAccessKey", ("event", "CreateAccessKey")),
        ("iam.amazonaws.com", ("source", "iam.amazonaws.com")),
        ("arn:aws:iam::111111111111:user/john", ("arn", "arn:aws:iam::111111111111:user/john")),
        ("arn:aws:s3:::acme-logs", ("resource", "arn:aws:s3:::acme-logs")),
        ("ip:203.0.113.7", ("ip", "203.0.113.7")),
        ("user-agent: aws-cli/*", ("user_agent", "aws-cli/*")),
        ("-user:deploy", ("not_user", "deploy")),
        ("!10.0.0.1", ("not_ip", "10.0.0.1")),
        ("some words", ("text", "some words")),
        ("session:", None),
        ("  ", None),
        ("-", None),
    ],
)
def test_what_is_typed_is_understood_by_its_form(typed: str, means: tuple[str, str] | None) -> None:
    if means is None:
        with pytest.raises(UsageError):
            understood(typed)
    else:
        assert understood(typed) == means


def test_a_service_that_calls_is_found_by_its_address() -> None:
    assert facet_parameter("principal", "config.amazonaws.com") == ("ip", "config.amazonaws.com")
    assert facet_parameter("principal", "john") == ("user", "john")


def test_links_leave_out_what_is_empty_and_repeat_what_is_several() -> None:
    assert link("/a") == "/a"
    assert link("/a", {"b": ["c", "d"], "e": None, "f": ""}, g=True) == "/a?b=c&b=d&g=true"


@dataclass(frozen=True)
class Row:
    text: str


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "\u202egnp.exe",
        "\x1b[2J",
        "{{ 7 * 7 }}",
        "a\x00b",
    ],
)
def test_templates_escape_and_show_what_logs_hold(hostile: str) -> None:
    template = environment().from_string(
        '<a title="{{ row.text }}">{{ row.text }}|{{ row.text | cap(8) }}</a>{{ row.text | pretty }}'
    )
    text = template.render(row=Row(hostile))
    assert "<script" not in text
    assert "<img" not in text
    assert "49" not in text
    assert not any(unsafe in text for unsafe in "\u202e\x1b\x00")


@pytest.mark.parametrize(
    ("settings", "origins"),
    [
        ({}, ("http://localhost:8765", "http://127.0.0.1:8765")),
        ({"host": "::1", "port": 80}, ("http://localhost:80", "http://[::1]:80")),
        ({"host": "localhost"}, ("http://localhost:8765",)),
        ({"public_url": "http://localhost:9000"}, ("http://localhost:9000",)),
        (
            {"host": "0.0.0.0", "behind_proxy": True, "public_url": "https://Warden.example.com/"},
            ("https://warden.example.com",),
        ),
    ],
)
def test_where_the_console_listens(settings: dict[str, object], origins: tuple[str, ...]) -> None:
    where = listening(ConsoleSettings(**settings))  # type: ignore[arg-type]
    assert where.origins == origins
    assert where.secure == origins[0].startswith("https")


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0"},
        {"host": "192.0.2.1"},
        {"host": "console.internal"},
        {"host": "0.0.0.0", "behind_proxy": True},
        {"host": "0.0.0.0", "behind_proxy": True, "public_url": "http://warden.example.com"},
        {"public_url": "https://warden.example.com/path", "behind_proxy": True},
        {"public_url": "https://user@warden.example.com", "behind_proxy": True},
        {"public_url": "warden.example.com", "behind_proxy": True},
    ],
)
def test_plain_http_is_refused_off_this_machine(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError) as refused:
        listening(ConsoleSettings(**settings))  # type: ignore[arg-type]
    assert refused.value.remedy
