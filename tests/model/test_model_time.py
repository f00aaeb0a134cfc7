"""Windows and instants: what people and records write, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.errors import UsageError
from trailwarden.model.time import (
    Window,
    format_duration,
    format_instant,
    parse_duration,
    parse_event_time,
    parse_instant,
    parse_window,
    parse_zone,
)

NOW = datetime(2026, 11, 24, 3, 42, 38, tzinfo=UTC)
BERLIN = parse_zone("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("24h", 86400),
        ("7d", 604800),
        ("2w", 1209600),
        ("90 minutes", 5400),
        ("1d12h", 129600),
        ("1 Day 2 HOURS", 93600),
        ("45s", 45),
    ],
)
def test_durations_read_as_written(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", " ", "24", "h", "-3h", "3 fortnights", "1h x", "1.5h", "999999d", "24h\n;"])
def test_what_is_no_duration_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_duration(text)
    assert "24h" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-11-24T03:00", UTC, "2026-11-24T03:00"),
        ("2026-11-24T03:00", BERLIN, "2026-11-24T02:00"),
        ("2026-07-24T03:00", BERLIN, "2026-07-24T01:00"),
        ("2026-11-24T03:00+05:30", BERLIN, "2026-11-23T21:30"),
        ("2026-11-24T03:00:01.5Z", UTC, "2026-11-24T03:00:01.500"),
        ("2026-11-24 03:00", UTC, "2026-11-24T03:00"),
        ("2026-11-24", BERLIN, "2026-11-23T23:00"),
        ("now", UTC, "2026-11-24T03:42:38"),
        ("today", BERLIN, "2026-11-23T23:00"),
        ("yesterday", UTC, "2026-11-23T00:00"),
        ("24h", UTC, "2026-11-23T03:42:38"),
        ("24h ago", UTC, "2026-11-23T03:42:38"),
    ],
)
def test_instants_are_read_in_the_given_zone(text: str, zone: object, expected: str) -> None:
    assert parse_instant(text, now=NOW, zone=zone) == at(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "soon", "24/11/2026", "2026-13-01", "2026-11-24T25:00", "tomorrow", "1h later"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_instant(text, now=NOW)


@pytest.mark.parametrize(
    ("options", "start", "end"),
    [
        ({"last": "24h"}, "2026-11-23T03:42:38", "2026-11-24T03:42:38"),
        ({"start": "2026-11-20"}, "2026-11-20", "2026-11-24T03:42:38"),
        ({"start": "2026-11-20", "end": "2026-11-21"}, "2026-11-20", "2026-11-22"),
        ({"start": "2026-11-20", "end": "2026-11-21T00:00"}, "2026-11-20", "2026-11-21"),
        ({"end": "2026-11-21T10:00"}, "1970-01-01", "2026-11-21T10:00"),
    ],
)
def test_windows_are_half_open_and_a_bare_end_date_is_included(options: dict[str, Any], start: str, end: str) -> None:
    assert parse_window(now=NOW, **options) == Window(at(start), at(end))


def test_a_bare_end_date_includes_its_day_when_clocks_change() -> None:
    window = parse_window(start="2026-10-25", end="2026-10-25", now=NOW, zone=BERLIN)
    assert window is not None
    assert window.length == timedelta(hours=25)


def test_no_window_asked_is_none() -> None:
    assert parse_window(now=NOW) is None


@pytest.mark.parametrize(
    "options",
    [
        {"last": "24h", "start": "2026-11-20"},
        {"last": "24h", "end": "now"},
        {"start": "2026-11-21", "end": "2026-11-19"},
    ],
)
def test_contradicting_windows_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        parse_window(now=NOW, **options)


def test_windows_need_zones() -> None:
    with pytest.raises(UsageError):
        Window(datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001 - the point of the test


@pytest.mark.parametrize(
    ("name", "hours"),
    [("UTC", 0), ("z", 0), ("+02:00", 2), ("-0500", -5), ("UTC+2", 2), ("GMT-3", -3), ("Europe/Berlin", 1)],
)
def test_zones_by_name_and_offset(name: str, hours: int) -> None:
    assert parse_zone(name).utcoffset(NOW.replace(tzinfo=None)) == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "+99:00", "../etc/passwd", "+01:99"])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        parse_zone(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-11-30T08:43:17Z", "2024-11-30T08:43:17"),
        ("2024-11-30T08:43:17.123Z", "2024-11-30T08:43:17.123"),
        ("2024-11-30 08:43:17.000", "2024-11-30T08:43:17"),
        ("2024-11-30T10:43:17+02:00", "2024-11-30T08:43:17"),
        ("Nov 30, 2024, 8:43:17 PM", "2024-11-30T20:43:17"),
        ("Aug 1, 2023 1:02:03 PM", "2023-08-01T13:02:03"),
        ("Nov 30, 2024, 8:43:17\u202fPM", "2024-11-30T20:43:17"),
    ],
)
def test_event_times_in_every_format_that_records_use(text: str, expected: str) -> None:
    assert parse_event_time(text) == at(expected)


@pytest.mark.parametrize("text", ["", "yesterday", "Foo 1, 2023, 1:02:03 PM", "Feb 31, 2023, 1:02:03 PM", "16:00"])
def test_what_is_no_event_time_is_none(text: str) -> None:
    assert parse_event_time(text) is None


instants = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(instants)
def test_what_is_formatted_parses_back(instant: datetime) -> None:
    assert parse_event_time(format_instant(instant)) == instant
    assert parse_instant(format_instant(instant, BERLIN), now=NOW) == instant


windows = st.tuples(instants, instants).map(lambda ends: Window(min(ends), max(ends)))


@given(windows, st.lists(windows, max_size=5), instants)
def test_subtracting_leaves_exactly_what_no_other_covers(
    window: Window, others: list[Window], instant: datetime
) -> None:
    left = window.subtract(others)
    for probe in (instant, window.start, *(other.end for other in others), *(other.start for other in others)):
        expected = probe in window and not any(probe in other for other in others)
        assert any(probe in piece for piece in left) == expected


@given(windows)
def test_days_cover_the_window(window: Window) -> None:
    days = list(window.days())
    assert days == sorted(set(days))
    if window.start < window.end:
        assert days[0] == window.start.date()
        assert len(days) - 1 == ((window.end - timedelta(microseconds=1)).date() - window.start.date()).days
    else:
        assert days == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (47, "47 s"), (60, "1 min"), (3725, "1 h 2 min"), (90000, "1 d 1 h"), (86400, "1 d")],
)
def test_durations_are_said_in_two_units(seconds: int, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text
