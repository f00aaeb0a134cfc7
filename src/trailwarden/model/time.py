"""Windows and instants: the only parser and the only formatter of times.

Everything inside the program is UTC and every window is half-open, ``[start, end)``. Time zones exist
only where a person writes or reads: the parsers take the zone in which an unmarked time is meant.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ..errors import UsageError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: How late CloudTrail may deliver an event (AWS: "typically within an average of about 5 minutes"; up to 15).
DELIVERY_DELAY = timedelta(minutes=15)
#: How far back event history (LookupEvents) reaches.
HISTORY_REACH = timedelta(days=90)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_UNIT_NAMES = {
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
    "h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "d": "d", "day": "d", "days": "d",
    "w": "w", "week": "w", "weeks": "w",
}  # fmt: skip
_DURATION = re.compile(r"\s*(\d{1,6})\s*([a-z]+)\s*", re.IGNORECASE)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?$", re.IGNORECASE)
_LOCALE = re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4},? \d{1,2}:\d{2}:\d{2}\s[AP]M")


class Window(msgspec.Struct, frozen=True, order=True):
    """A half-open span of time, ``start`` included and ``end`` excluded, both aware and in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise UsageError("a window needs aware times", remedy="give both ends a time zone")
        if self.end < self.start:
            raise UsageError(
                f"the window ends ({format_instant(self.end)}) before it starts ({format_instant(self.start)})",
                remedy="swap the two times",
            )

    @property
    def length(self) -> timedelta:
        """How long the window is."""
        return self.end - self.start

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def overlaps(self, other: "Window") -> bool:
        """Whether any instant is in both."""
        return self.start < other.end and other.start < self.end

    def intersect(self, other: "Window") -> "Window | None":
        """The instants in both, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Window(start, end) if start < end else None

    def subtract(self, others: "list[Window]") -> "list[Window]":
        """What of this window none of ``others`` covers, oldest first."""
        left: list[Window] = []
        cursor = self.start
        for other in sorted(others):
            if other.end <= cursor or other.start >= self.end:
                continue
            if other.start > cursor:
                left.append(Window(cursor, other.start))
            cursor = max(cursor, other.end)
        if cursor < self.end:
            left.append(Window(cursor, self.end))
        return left

    def days(self) -> Iterator[date]:
        """Every UTC day that the window touches, oldest first."""
        if self.start == self.end:
            return
        day, last = self.start.date(), (self.end - timedelta(microseconds=1)).date()
        while day <= last:
            yield day
            day += timedelta(days=1)

    def __str__(self) -> str:
        return f"{format_instant(self.start)} to {format_instant(self.end)}"


def format_instant(instant: datetime, zone: tzinfo = UTC) -> str:
    """``2026-11-24T03:42:38Z``; fractions only where there are some; another zone is written as its offset."""
    local = instant.astimezone(zone)
    text = local.isoformat(timespec="microseconds" if local.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def format_duration(span: timedelta) -> str:
    """The largest two units, as a person says it: ``3 d 4 h``, ``47 s``."""
    seconds = int(span.total_seconds())
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count or (parts and len(parts) < 2 and seconds):
            parts.append(f"{count} {unit}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0 ")) or "0 s"


def parse_duration(text: str) -> timedelta:
    """``24h``, ``7d``, ``90 minutes``, ``1d12h``. Units: s, m, h, d, w.

    Raises:
        UsageError: empty, without a unit, with an unknown unit, or longer than 100 years.
    """
    position, seconds = 0, 0
    while position < len(text):
        match = _DURATION.match(text, position)
        unit = _UNIT_NAMES.get(match[2].lower()) if match else None
        if match is None or unit is None:
            break
        seconds += int(match[1]) * _UNITS[unit]
        position = match.end()
    if not text.strip() or position < len(text) or seconds > 100 * 366 * 86400:
        raise UsageError(f"not a duration: {text!r}", remedy="write it like 30m, 24h, 7d or 2w")
    return timedelta(seconds=seconds)


def parse_zone(name: str) -> tzinfo:
    """An IANA zone (``Europe/Berlin``), ``UTC``, ``Z``, or an offset (``+02:00``, ``UTC+2``).

    Raises:
        UsageError: not a zone.
    """
    if name.upper() in {"UTC", "Z", "GMT"}:
        return UTC
    if match := _OFFSET.fullmatch(name):
        hours, minutes = int(match[2]), int(match[3] or 0)
        if hours <= 14 and minutes < 60:
            sign = -1 if match[1] == "-" else 1
            from datetime import timezone  # noqa: PLC0415 - a rare path

            return timezone(sign * timedelta(hours=hours, minutes=minutes))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"not a time zone: {name!r}", remedy="use an IANA name such as Europe/Berlin, or an offset such as +02:00"
        ) from None


def parse_instant(text: str, *, now: datetime, zone: tzinfo = UTC) -> datetime:
    """An instant as a person writes it, in UTC.

    ISO 8601 with or without seconds, fraction and zone; a date alone is its midnight; ``now``, ``today``,
    ``yesterday``; a duration means that long before ``now`` (``24h``). What has no zone of its own is
    meant in ``zone``.

    Raises:
        UsageError: not a time.
    """
    stripped = text.strip()
    named: dict[str, Callable[[], datetime]] = {
        "now": lambda: now,
        "today": lambda: start_of_day(now, zone),
        "yesterday": lambda: start_of_day(now.astimezone(zone) - timedelta(days=1), zone),
    }
    if stripped.lower() in named:
        return named[stripped.lower()]().astimezone(UTC)
    if _DURATION.match(stripped) and not re.match(r"\d{4}-", stripped):
        return (now - parse_duration(stripped.removesuffix("ago"))).astimezone(UTC)
    try:
        parsed = datetime.fromisoformat(stripped)
    except ValueError:
        raise UsageError(
            f"not a time: {text!r}",
            remedy="write it like 2026-11-24T03:00, 2026-11-24T03:00+01:00, 2026-11-24, or 24h (that long ago)",
        ) from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=zone)
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise UsageError(f"no such time in UTC: {text!r}", remedy="name a time from the years 1 to 9999") from None


def start_of_day(instant: datetime, zone: tzinfo = UTC) -> datetime:
    """Midnight, in ``zone``, of the day on which ``instant`` falls there."""
    return datetime.combine(instant.astimezone(zone).date(), time(), tzinfo=zone).astimezone(UTC)


def parse_window(
    *,
    last: str | None = None,
    start: str | None = None,
    end: str | None = None,
    now: datetime,
    zone: tzinfo = UTC,
) -> Window | None:
    """The window that a person asked for by ``--last``, or by ``--from`` and ``--to``; None if by neither.

    ``--from`` alone reaches to ``now``; ``--to`` alone reaches back to 1970. A date alone as ``end``
    includes that day.

    Raises:
        UsageError: both ways at once, an unreadable time, or an end before its start.
    """
    now = now.replace(microsecond=0)  # CloudTrail's own resolution
    if last is not None:
        if start is not None or end is not None:
            raise UsageError("--last and --from/--to exclude each other", remedy="give one of the two")
        return Window(now - parse_duration(last), now)
    if start is None and end is None:
        return None
    begin = parse_instant(start, now=now, zone=zone) if start is not None else EPOCH
    until = parse_instant(end, now=now, zone=zone) if end is not None else max(now, begin)
    if end is not None and re.fullmatch(r"\d{4}-\d{2}-\d{2}", end.strip()):
        try:
            until = start_of_day(until.astimezone(zone) + timedelta(hours=36), zone)
        except OverflowError:
            raise UsageError(f"no such day in UTC: {end!r}", remedy="name a day from the years 1 to 9999") from None
    return Window(begin, until)


def parse_event_time(text: str) -> datetime | None:
    """An instant as CloudTrail and its exports write it, in UTC; None if it is not one.

    ISO 8601 with ``T`` or a space, with or without fraction and zone (none means UTC), and the locale
    style of STS expirations (``Aug 1, 2023, 1:02:03 PM``).
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        if not _LOCALE.fullmatch(text):
            return None
        cleaned = " ".join(text.replace(",", " ").split())
        try:
            return datetime.strptime(cleaned, "%b %d %Y %I:%M:%S %p").replace(tzinfo=UTC)
        except ValueError:
            return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
