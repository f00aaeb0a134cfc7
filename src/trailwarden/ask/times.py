"""Times in questions, as parts of the text. What they mean is read by ``windows``, which knows now and the zone."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Literal

import msgspec

from ..errors import NotUnderstood, UsageError
from ..model.time import parse_duration, parse_zone

Role = Literal["within", "since", "after", "before", "until", "around", "zone"]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_COUNTS = {
    word: count
    for count, word in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 1
    )
} | {"a": 1, "an": 1, "couple of": 2, "a couple of": 2}
#: Seconds in what people call a unit: a month is 30 days and a year is 365.
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2592000, "year": 31536000}
_SHORT_UNITS = {
    "s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "hr": "hour",
    "d": "day", "w": "week",
}  # fmt: skip
#: (first hour, last hour) of the parts of a day; the night goes into the next day.
PARTS = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (18, 30)}
_NAMED_CLOCKS = {"noon": time(12), "midday": time(12), "midnight": time(0)}
#: Abbreviations that mean one offset, taken at their word: CET is +01:00 also in summer.
_ABBREVIATIONS = {
    "CET": 60, "CEST": 120, "MET": 60, "MEST": 120, "EET": 120, "EEST": 180, "WET": 0, "WEST": 60, "BST": 60,
    "MSK": 180, "EST": -300, "EDT": -240, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420,
    "JST": 540, "KST": 540, "SGT": 480, "HKT": 480, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780,
}  # fmt: skip
_AMBIGUOUS_ABBREVIATIONS = {
    "CST": "US Central or China",
    "IST": "India, Ireland or Israel",
    "AST": "Atlantic or Arabia",
}

_QUANTITY = rf"(?:\d{{1,6}}|{'|'.join(sorted(_COUNTS, key=len, reverse=True))}|half an)"
_UNIT = r"(?:seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w|months?|years?)"
_MONTH = rf"(?:{'|'.join(MONTHS)}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.?"
_WEEKDAY = rf"(?:{'|'.join(WEEKDAYS)})"
_CLOCK = (
    r"(?:\d{1,2}(?::\d{2}){0,2}\s?(?:am|pm|a\.m\.|p\.m\.)(?!\w)|\d{1,2}:\d{2}(?::\d{2})?(?![\w:])"
    r"|(?:noon|midday|midnight)\b)"
)
_DAY = (
    r"(?:(?:the\s+)?day before yesterday|today|yesterday|tomorrow"
    rf"|(?:(?:last|past|this|next)\s+)?{_WEEKDAY}\b"
    r"|\d{4}-\d{1,2}-\d{1,2}(?![\d-])|\d{1,2}[/-]\d{1,2}[/-]\d{2,4}(?![\d/-])|\d{1,2}\.\d{1,2}\.\d{4}(?![\d.])"
    rf"|(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?!\w)(?:,?\s*\d{{4}}\b)?"
    rf"|{_MONTH}\s+(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?(?![\w:])(?!\s?[ap]\.?m)(?:,?\s*\d{{4}}(?![\d-]))?"
    rf"|{_QUANTITY}\s*(?:days?|weeks?|months?|years?)\s+ago\b)"
)
_INSTANT = r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|z|[+-]\d{2}:?\d{2})"
_WALL = r"(?P<wd>\d{4}-\d{2}-\d{2})[Tt ](?P<wc>\d{2}:\d{2}(?::\d{2})?)(?:\.\d{1,6})?(?![\w:+-])"
_PART = r"(?:morning|afternoon|evening|night)"
_CALENDAR = (
    r"(?:(?:the\s+)?(?:this|last|previous)\s+(?:week|month|year)\b|(?:the\s+|this\s+|last\s+)?weekend\b"
    rf"|{_MONTH}\s+\d{{4}}\b)"
)
_MOMENT = re.compile(
    rf"(?P<instant>{_INSTANT})|{_WALL}"
    rf"|(?P<d1>{_DAY})(?:\s*,?\s+(?:at\s+)?(?P<c1>{_CLOCK}))"
    rf"|(?P<c2>{_CLOCK})\s*,?\s+(?:on\s+|of\s+)?(?P<d2>{_DAY})"
    rf"|(?P<d3>{_DAY})(?:\s+(?:in\s+the\s+|at\s+)?(?P<p3>{_PART})\b)?"
    rf"|(?P<p4>(?:this\s+{_PART}|tonight|last night|overnight)\b)"
    rf"|(?P<span>{_CALENDAR})|(?P<c5>{_CLOCK})"
    rf"|(?P<ago>{_QUANTITY}\s*(?:seconds?|secs?|minutes?|mins?|hours?|hrs?)\s+ago\b)|(?P<now>now\b)",
    re.IGNORECASE,
)
_MONTH_ALONE = re.compile(rf"({_MONTH})(?!\w)", re.IGNORECASE)
_BARE_HOUR = re.compile(r"\d{1,2}(?![\w:./-])")
_RANGE = re.compile(r"(?:(between)|(?:from|starting|since))\s+", re.IGNORECASE)
_JOIN = re.compile(r"\s*(?:\b(and|to|until|till|through|and until)\b|([-–—]))\s*", re.IGNORECASE)
_EDGE = re.compile(
    r"(?P<since>since|from|starting(?:\s+(?:from|on|at))?|as of)\s+|(?P<after>after|later than)\s+"
    r"|(?P<before>before|earlier than|prior to)\s+|(?P<until>until|till|up to|through|up until)\s+"
    r"|(?P<around>around|about|circa|near)\s+|(?P<within>on|at|in|during|over|of)\s+(?:the\s+)?",
    re.IGNORECASE,
)
_LAST = re.compile(
    r"(?P<lead>(?:in|over|during|within|for|from)\s+)?(?P<the>the\s+|these\s+)?(?P<word>last|past|previous|preceding)\s+"
    rf"(?:(?P<n>{_QUANTITY})[\s-]*)?(?P<unit>{_UNIT})\b(?!\s+ago)",
    re.IGNORECASE,
)
_SHORT_LAST = re.compile(r"(?:\d{1,5}[mhdw])+(?![\w.:/-])", re.IGNORECASE)
_HOURS_AGO_RANGE = re.compile(rf"between\s+(\d{{1,6}})\s+and\s+(\d{{1,6}})\s+({_UNIT})\s+ago\b", re.IGNORECASE)
_ONWARD = re.compile(r"\s+(?:onwards?|on(?!\w))(?!\s+\w)", re.IGNORECASE)
#: "Signed in today" and "signed in this week": the "in" belongs to the verb.
_SIGNED = re.compile(r"\b(?:sign|signed|signs|signing|log|logged|logs|logging)\s$", re.IGNORECASE)
_DAY_PART = re.compile(rf"(?:in|during|at)\s+(?:the\s+)?({_PART})\b", re.IGNORECASE)
_THIS_HOUR = re.compile(r"(?:in\s+|during\s+)?this hour\b", re.IGNORECASE)
_ZONE = re.compile(
    r"(?:\bin\s+|\()?(?:(?P<offset>(?:UTC|GMT)\s?[+-]\s?\d{1,2}(?::?\d{2})?|[+-]\d{2}:\d{2})"
    r"|(?P<iana>[A-Z][A-Za-z_]+/[A-Z][A-Za-z_-]+(?:/[A-Z][A-Za-z_]+)?)"
    rf"|(?P<abbr>UTC|GMT|{'|'.join((*_ABBREVIATIONS, *_AMBIGUOUS_ABBREVIATIONS))})|(?P<local>local time))"
    r"(?![\w/+-])\)?(?:\s+time\b)?"
)
#: Words that belong to times; none of them is taken for a bare name.
TIME_WORDS = frozenset(
    (
        *WEEKDAYS, *MONTHS, *_COUNTS, *PARTS, *_NAMED_CLOCKS, *UNITS, *(f"{unit}s" for unit in UNITS), "today",
        "yesterday", "tomorrow", "tonight", "overnight", "ago", "since", "until", "till", "between", "before", "after",
        "around", "past", "previous", "preceding", "this", "next", "during", "over", "weekend", "am", "pm", "utc",
        "gmt", "starting", "now",
    )
)  # fmt: skip


class TimePart(msgspec.Struct, frozen=True):
    """One part of a question that is about time: how it bounds the window, and by what.

    ``first`` and, for a range, ``second`` are moments as written; ``last`` is a span that ends now.
    """

    text: str
    start: int
    end: int
    role: Role = "within"
    first: "Moment | None" = None
    second: "Moment | None" = None
    last: timedelta | None = None
    zone: tzinfo | None = None


class Moment(msgspec.Struct, frozen=True):
    """A time as written: a day, a clock time, both, a part of a day, a calendar span, or an instant."""

    text: str
    day: str = ""
    clock: time | None = None
    part: str = ""
    span: str = ""
    instant: datetime | None = None
    ago: timedelta | None = None
    now: bool = False

    @property
    def only_clock(self) -> bool:
        """Whether the day has to come from elsewhere."""
        return self.clock is not None and not self.day


def find_times(text: str) -> tuple[TimePart, ...]:
    """Every part of ``text`` that is about time, in order, none overlapping another.

    Raises:
        NotUnderstood: something that has the shape of a time but is none, or that can be read in two ways.
    """
    parts: list[TimePart] = []
    position = 0
    while position < len(text):
        before = text[position - 1] if position else " "
        starts = not before.isalnum() and before not in "_@.:/" and text[position] not in " \ue000"
        part = next(filter(None, (find(text, position) for find in _FINDERS)), None) if starts else None
        if part:
            parts.append(part)
            position = part.end
        else:
            position += 1
    return tuple(parts)


def date_of(text: str, year: int, month: int, day: int) -> date:
    """A date that is written as ``text``.

    Raises:
        NotUnderstood: there is none such.
    """
    try:
        found: date | None = date(year, month, day)
    except ValueError:
        found = None
    if found is None or not 1970 <= year <= 9000:
        raise NotUnderstood(f"{text!r} is not a date", remedy="write it like 3 November or 2026-11-03")
    return found


def slashed_date(text: str) -> date:
    """A date with slashes or hyphens of which only one reading is a date.

    Raises:
        NotUnderstood: both readings are dates, or none is.
    """
    one, two, year_text = re.split(r"[/-]", text)
    first, second, year = int(one), int(two), int(year_text)
    readings = []
    for month, day in ((first, second), (second, first)):
        try:
            readings.append(date(year, month, day))
        except ValueError:  # the other reading may be a date
            continue
    if len(year_text) != 4 or not readings:
        raise NotUnderstood(f"{text!r} is not a date that can be read", remedy="write it like 2026-11-03")
    if readings[0] != readings[-1]:
        raise NotUnderstood(
            f"{text!r} can be {readings[0].day} {MONTHS[readings[0].month - 1].title()} {year} "
            f"or {readings[1].day} {MONTHS[readings[1].month - 1].title()} {year}",
            remedy=f"write {readings[0]} or {readings[1]}",
        )
    return readings[0]


def month_number(name: str) -> int:
    """``nov.`` -> 11."""
    return next(number for number, month in enumerate(MONTHS, 1) if month.startswith(name.strip(".")[:3].lower()))


def unit_of(name: str) -> str:
    """``hrs`` -> ``hour``."""
    return _SHORT_UNITS.get(name.removesuffix("s") or "s") or name.removesuffix("s")


def span_of(text: str) -> timedelta:
    """``24 hours``, ``two weeks``, ``half an hour``, ``90m``."""
    match = re.fullmatch(rf"({_QUANTITY})?[\s-]*({_UNIT})", text.strip(), re.IGNORECASE)
    assert match is not None, text
    count, seconds = (match[1] or "1").lower(), UNITS[unit_of(match[2].lower())]
    amount = seconds // 2 if count == "half an" else int(_COUNTS.get(count, count)) * seconds
    if not 0 < amount <= 100 * UNITS["year"]:
        raise NotUnderstood(f"{text.strip()!r} is not a span of time", remedy="write it like 24 hours or 7 days")
    return timedelta(seconds=amount)


def _clock_of(text: str, half: str = "") -> time:
    """A clock time; ``half`` is the am or pm that the other end of a range gives to a bare hour."""
    lowered = text.lower().strip()
    if lowered in _NAMED_CLOCKS:
        return _NAMED_CLOCKS[lowered]
    match = re.fullmatch(r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s?([ap])?\.?m?\.?", lowered)
    assert match is not None, text
    hour, minute, second = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    half = match[4] or half
    if (half and not 1 <= hour <= 12) or hour > 23 or minute > 59 or second > 59:
        raise NotUnderstood(f"{text!r} is not a time of day", remedy="write it like 14:05 or 2pm")
    return time(hour % 12 + (12 if half == "p" else 0) if half else hour, minute, second)


def _moment(text: str, position: int) -> tuple[Moment, int] | None:
    match = _MOMENT.match(text, position)
    if not match:
        return None
    found = match.groupdict()
    day = next((found[key] for key in ("wd", "d1", "d2", "d3") if found[key]), "")
    clock = next((found[key] for key in ("wc", "c1", "c2", "c5") if found[key]), "")
    part = found["p3"] or found["p4"] or ""
    instant = None
    if found["instant"]:
        try:
            instant = datetime.fromisoformat(found["instant"].upper()).astimezone(UTC)
            date_of(found["instant"], instant.year, instant.month, instant.day)
        except (ValueError, OverflowError):
            raise NotUnderstood(
                f"{found['instant']!r} is not a time", remedy="write it like 2026-11-03T14:00Z"
            ) from None
    moment = Moment(
        text=clock or match.group(),
        day=day,
        clock=_clock_of(clock) if clock else None,
        part=part,
        span=found["span"] or "",
        instant=instant,
        ago=span_of(re.sub(r"\s+ago$", "", found["ago"], flags=re.IGNORECASE)) if found["ago"] else None,
        now=bool(found["now"]),
    )
    if found["ago"]:
        moment = msgspec.structs.replace(moment, text=found["ago"])
    return moment, match.end()


def _find_ago_range(text: str, position: int) -> TimePart | None:
    match = _HOURS_AGO_RANGE.match(text, position)
    if not match:
        return None
    one, other = (span_of(f"{count} {match[3]}") for count in (match[1], match[2]))
    first, second = max(one, other), min(one, other)
    return TimePart(
        match.group(), position, match.end(), "within",
        Moment(match.group(), ago=first), Moment(match.group(), ago=second),
    )  # fmt: skip


def _find_range(text: str, position: int) -> TimePart | None:
    lead = _RANGE.match(text, position)
    found = _range_end(text, lead.end() if lead else position, lead=lead.group().strip().lower() if lead else "")
    if not found:
        return None
    first, second, end = found
    return TimePart(text[position:end], position, end, "within", first, second)


def _range_end(text: str, position: int, *, lead: str) -> tuple[Moment, Moment, int] | None:
    """Two moments with a joint between them; a bare hour takes am, pm or the 24-hour clock from the other."""
    first = _moment(text, position)
    bare = None if first or not lead else _BARE_HOUR.match(text, position)
    if not first and not bare:
        return None
    at = first[1] if first else bare.end() if bare else position
    join = _JOIN.match(text, at)
    if not join or ((join[1] or "").lower() == "and" and lead != "between"):
        return None
    second = _moment(text, join.end())
    bare_second = None if second else _BARE_HOUR.match(text, join.end())
    if second and first:
        return first[0], second[0], second[1]
    if second and bare and second[0].clock is not None:
        half = re.search(r"([ap])\.?m", second[0].text.lower())
        hour = Moment(bare.group(), day=second[0].day, clock=_clock_of(bare.group(), half[1] if half else ""))
        return hour, second[0], second[1]
    if bare_second and first and first[0].clock is not None and ":" in first[0].text:
        hour = Moment(bare_second.group(), clock=_clock_of(bare_second.group()))
        return first[0], hour, bare_second.end()
    if bare_second and (bare or (first and first[0].clock is not None)):
        raise NotUnderstood(
            f"{text[position : bare_second.end()]!r} does not say whether mornings or evenings are meant",
            remedy="write 9:00 to 17:00, or 9am to 5pm",
        )
    return None


def _find_last(text: str, position: int) -> TimePart | None:
    if (match := _LAST.match(text, position)) and not (match["lead"] == "in " and _SIGNED.search(text, 0, position)):
        unit = unit_of(match["unit"].lower())
        calendar = not match["n"] and unit in {"week", "month", "year"} and match["word"].lower() != "past"
        if not match["n"] and match["unit"].lower() not in TIME_WORDS:
            return None
        if calendar and not (match["lead"] and match["the"]):
            return None
        return TimePart(
            match.group(), position, match.end(), last=span_of(f"{match['n'] or ''} {match['unit']}")
        )  # fmt: skip
    if match := _SHORT_LAST.match(text, position):
        try:
            return TimePart(match.group(), position, match.end(), last=parse_duration(match.group()))
        except UsageError as error:
            raise NotUnderstood(error.message, remedy=error.remedy) from None
    return None


def _find_edge(text: str, position: int) -> TimePart | None:
    match = _EDGE.match(text, position)
    if not match:
        return None
    if match.group().lower().startswith("in ") and _SIGNED.search(text, 0, position):
        return None
    role: Role = match.lastgroup  # type: ignore[assignment]
    found = _moment(text, match.end())
    if not found and (month := _MONTH_ALONE.match(text, match.end())):
        found = Moment(month.group(), span=f"{month[1]} latest"), month.end()
    if not found:
        return None
    moment, end = found
    if role == "around" and (moment.day or moment.part or moment.span) and not moment.clock:
        return None
    onward = _ONWARD.match(text, end)
    if onward:
        role, end = "since", onward.end()
    elif match.group().lower().startswith("from") and not moment.clock and not moment.now:
        role = _only_from(moment, text[position:end])
    return TimePart(text[position:end], position, end, role, moment)


def _only_from(moment: Moment, text: str) -> Role:
    """ "Calls from yesterday" are yesterday's; "from Monday" without a "to" is either."""
    if moment.span or moment.part or moment.day.lower() in {"yesterday", "today"}:
        return "within"
    raise NotUnderstood(
        f"{text!r} can mean on that day only, or from then on",
        remedy=f"write 'on {moment.text}' or 'since {moment.text}'",
    )


def _find_day_part(text: str, position: int) -> TimePart | None:
    if match := _DAY_PART.match(text, position):
        return TimePart(match.group(), position, match.end(), "within", Moment(match.group(), part=match[1]))
    if match := _THIS_HOUR.match(text, position):
        return TimePart(match.group(), position, match.end(), "within", Moment(match.group(), span="this hour"))
    return None


def _find_moment(text: str, position: int) -> TimePart | None:
    found = _moment(text, position)
    if not found or found[0].now:
        return None
    return TimePart(text[position : found[1]], position, found[1], "within", found[0])


def _find_zone(text: str, position: int) -> TimePart | None:
    match = _ZONE.match(text, position)
    if not match:
        return None
    name = re.sub(r"\s", "", match["offset"] or match["iana"] or match["abbr"] or "")
    if name in _AMBIGUOUS_ABBREVIATIONS:
        raise NotUnderstood(
            f"{name!r} can be {_AMBIGUOUS_ABBREVIATIONS[name]} time",
            remedy="name the zone, such as America/Chicago, or its offset, such as UTC-6",
        )
    zone: tzinfo | None = None
    if name in _ABBREVIATIONS:
        zone = timezone(timedelta(minutes=_ABBREVIATIONS[name]), name)
    elif name:
        try:
            zone = parse_zone(name)
        except UsageError as error:
            raise NotUnderstood(error.message, remedy=error.remedy) from None
    return TimePart(match.group(), position, match.end(), "zone", zone=zone)


_FINDERS: tuple[Callable[[str, int], TimePart | None], ...] = (
    _find_ago_range, _find_last, _find_range, _find_edge, _find_day_part, _find_zone, _find_moment,
)  # fmt: skip
