from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from ask_kit import NOW
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.ask.times import find_times
from trailwarden.ask.windows import Reading, read_times
from trailwarden.errors import NotUnderstood
from trailwarden.model.time import Window

BERLIN = ZoneInfo("Europe/Berlin")


def _read(text: str, zone: object = UTC, now: datetime = NOW) -> Reading:
    return read_times(find_times(text), now=now, zone=zone)  # type: ignore[arg-type]


def _said(window: Window | None) -> str:
    assert window is not None
    return f"{window.start:%m-%d %H:%M} {window.end:%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", "11-24 00:00 11-24 03:42"),
        ("yesterday", "11-23 00:00 11-24 00:00"),
        ("the day before yesterday", "11-22 00:00 11-23 00:00"),
        ("this week", "11-23 00:00 11-24 03:42"),
        ("last week", "11-16 00:00 11-23 00:00"),
        ("in the last week", "11-17 03:42 11-24 03:42"),
        ("past week", "11-17 03:42 11-24 03:42"),
        ("last month", "10-01 00:00 11-01 00:00"),
        ("in the past month", "10-25 03:42 11-24 03:42"),
        ("this month", "11-01 00:00 11-24 03:42"),
        ("this year", "01-01 00:00 11-24 03:42"),
        ("this hour", "11-24 03:00 11-24 03:42"),
        ("in the last hour", "11-24 02:42 11-24 03:42"),
        ("over the past two days", "11-22 03:42 11-24 03:42"),
        ("in the last half an hour", "11-24 03:12 11-24 03:42"),
        ("36h", "11-22 15:42 11-24 03:42"),
        ("over the weekend", "11-21 00:00 11-23 00:00"),
        ("on Tuesday", "11-24 00:00 11-24 03:42"),
        ("last Tuesday", "11-17 00:00 11-18 00:00"),
        ("on Wednesday", "11-18 00:00 11-19 00:00"),
        ("since Wednesday", "11-18 00:00 11-24 03:42"),
        ("Monday morning", "11-23 06:00 11-23 12:00"),
        ("yesterday in the evening", "11-23 18:00 11-24 00:00"),
        ("last night", "11-23 18:00 11-24 03:42"),
        ("on 3 November", "11-03 00:00 11-04 00:00"),
        ("on November 3rd", "11-03 00:00 11-04 00:00"),
        ("on the 3rd of November 2026", "11-03 00:00 11-04 00:00"),
        ("on 13/11/2026", "11-13 00:00 11-14 00:00"),
        ("on 3.11.2026", "11-03 00:00 11-04 00:00"),
        ("in November", "11-01 00:00 11-24 03:42"),
        ("in October 2026", "10-01 00:00 11-01 00:00"),
        ("between 2026-11-01 and 2026-11-05", "11-01 00:00 11-06 00:00"),
        ("from 2026-11-01 to 2026-11-05", "11-01 00:00 11-06 00:00"),
        ("2026-11-01 - 2026-11-05", "11-01 00:00 11-06 00:00"),
        ("between Monday and Wednesday", "11-16 00:00 11-19 00:00"),
        ("since 2026-11-20T10:00", "11-20 10:00 11-24 03:42"),
        ("since 2026-11-20 10:00", "11-20 10:00 11-24 03:42"),
        ("since 2026-11-20T10:00+02:00", "11-20 08:00 11-24 03:42"),
        ("at 2026-11-20T10:00Z", "11-20 10:00 11-20 10:01"),
        ("at 3 am", "11-24 03:00 11-24 03:42"),
        ("at 2pm", "11-23 14:00 11-23 15:00"),
        ("at 14:05 yesterday", "11-23 14:05 11-23 14:06"),
        ("around 14:05 yesterday", "11-23 13:50 11-23 14:20"),
        ("around 3pm on Sunday", "11-22 14:30 11-22 15:30"),
        ("yesterday between 2pm and 4pm", "11-23 14:00 11-23 16:00"),
        ("yesterday from 2 to 4 pm", "11-23 14:00 11-23 16:00"),
        ("between 10pm and 2am", "11-23 22:00 11-24 02:00"),
        ("on Friday between 22:00 and 02:00", "11-20 22:00 11-21 02:00"),
        ("from Friday 22:00 to Saturday 02:00", "11-20 22:00 11-21 02:00"),
        ("since 9am", "11-23 09:00 11-24 03:42"),
        ("yesterday after 5pm", "11-23 17:00 11-24 00:00"),
        ("yesterday before noon", "11-23 00:00 11-23 12:00"),
        ("since Monday until yesterday noon", "11-23 00:00 11-23 12:00"),
        ("after 2026-11-03", "11-04 00:00 11-24 03:42"),
        ("from Monday onwards", "11-23 00:00 11-24 03:42"),
        ("from yesterday", "11-23 00:00 11-24 00:00"),
        ("2 days ago", "11-22 00:00 11-23 00:00"),
        ("since 2 hours ago", "11-24 01:42 11-24 03:42"),
        ("10 minutes ago", "11-24 03:32 11-24 03:33"),
        ("between 2 and 3 hours ago", "11-24 00:42 11-24 01:42"),
    ],
)
def test_times_are_read(text: str, expected: str) -> None:
    assert _said(_read(text).window) == expected


def test_before_and_until_reach_back_to_the_beginning() -> None:
    assert str(_read("before yesterday noon").window) == "1970-01-01T00:00:00Z to 2026-11-23T12:00:00Z"
    assert str(_read("before Monday").window) == "1970-01-01T00:00:00Z to 2026-11-23T00:00:00Z"
    assert str(_read("until Monday").window) == "1970-01-01T00:00:00Z to 2026-11-24T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yesterday", "11-22 23:00 11-23 23:00"),
        ("yesterday in UTC", "11-23 00:00 11-24 00:00"),
        ("from 9:00 to 10:30 CET", "11-23 08:00 11-23 09:30"),
        ("yesterday at 2pm UTC+2", "11-23 12:00 11-23 13:00"),
        ("yesterday at 2pm America/New_York", "11-22 19:00 11-22 20:00"),
        ("on 2026-10-25", "10-24 22:00 10-25 23:00"),
        ("on 2026-03-29", "03-28 23:00 03-29 22:00"),
        ("on 2026-10-25 between 2am and 3am", "10-25 00:00 10-25 02:00"),
        ("on 2026-10-25 between 1am and 2:30am", "10-24 23:00 10-25 01:30"),
        ("on 2026-10-25 at 1am", "10-24 23:00 10-25 00:00"),
        ("on 2026-03-29 between 1am and 4am", "03-29 00:00 03-29 02:00"),
    ],
)
def test_times_are_meant_in_the_zone_over_changes_of_the_clocks(text: str, expected: str) -> None:
    assert _said(_read(text, BERLIN).window) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("on 2026-03-29 at 2:30am", "02:30 did not exist on 2026-03-29"),
        ("tonight", "future"),
        ("yesterday and today", "'yesterday' and 'today'"),
        ("since Monday since Tuesday", "two different times"),
        ("since tomorrow", "future"),
        ("this week between 2pm and 4pm", "two different times"),
        ("on 0000-01-01", "not a date"),
        ("on 9999-12-31", "not a date"),
        ("at 24:01", "not a time of day"),
        ("in the last 0 days", "not a span"),
        ("in CST", "US Central or China"),
        ("yesterday today tomorrow", "two different times"),
    ],
)
def test_times_that_cannot_be_are_refused(text: str, named: str) -> None:
    with pytest.raises(NotUnderstood, match=named):
        _read(text, BERLIN)


def test_the_span_up_to_now_is_kept() -> None:
    assert _read("in the last 90 minutes").last == timedelta(minutes=90)
    assert _read("today").last is None
    assert _read("calls by john").window is None


@pytest.mark.parametrize(
    "text", ["last 5 calls", "the last sign-in", "march madness", "may", "second call", "at most 5"]
)
def test_words_that_only_look_like_times_are_none(text: str) -> None:
    assert find_times(text) == ()


@given(
    st.sampled_from(
        ["today", "yesterday", "this week", "last week", "on Friday", "since Monday", "last month", "over the weekend"]
    ),
    st.integers(631152000, 3786912000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_windows_end_by_now_and_begin_at_midnights(text: str, now: datetime, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    window = _read(text, zone, now).window

    assert window is not None
    assert window.start <= window.end <= now
    start = window.start.astimezone(zone)
    assert (start.hour, start.minute) == (0, 0) or start.utcoffset() != (start - timedelta(hours=2)).utcoffset()
    if window.end != now:
        assert window.end.astimezone(zone).minute == 0


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parts = find_times(text)
        read_times(parts, now=NOW, zone=BERLIN)
    except NotUnderstood:
        return
    assert all(text[part.start : part.end] == part.text for part in parts)
