"""The window that the times of a question mean together.

Wall-clock times are read in one zone, which the question may name. A day begins at its midnight in that zone, so
that a day on which the clocks change has 23 or 25 hours; of a time that the clocks show twice, a window takes in
both. How each form is read is listed in docs/ask.md.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import msgspec

from ..errors import NotUnderstood
from ..model.time import EPOCH, Window, start_of_day
from .times import (
    PARTS,
    UNITS,
    WEEKDAYS,
    Moment,
    Role,
    TimePart,
    date_of,
    month_number,
    slashed_date,
    span_of,
    unit_of,
)


class Reading(msgspec.Struct, frozen=True):
    """What the times of a question mean: the window (None: none was named), and the zone they are meant in.

    ``last`` is set where the window is that span up to now, ``uncut`` where it would end later than now.
    """

    window: Window | None
    zone: tzinfo
    last: timedelta | None = None
    uncut: datetime | None = None


def read_times(parts: Sequence[TimePart], *, now: datetime, zone: tzinfo) -> Reading:
    """The window that the parts mean together.

    Raises:
        NotUnderstood: two parts contradict each other, or the window lies in the future, is empty, or begins
            at a wall-clock time that the zone's clocks skipped.
    """
    zones = [part for part in parts if part.role == "zone"]
    bounds = [part for part in parts if part.role != "zone"]
    if len(zones) > 1:
        raise _conflict(zones[0], zones[1])
    zone = zones[0].zone or zone if zones else zone
    if not bounds:
        return Reading(None, zone)
    calendar = _Calendar(now, zone)
    if len(bounds) == 1:
        window, last = _alone(bounds[0], calendar)
    elif len(bounds) == 2:
        window, last = _together(bounds[0], bounds[1], calendar), None
    else:
        raise _conflict(bounds[0], bounds[2])
    if window.start > now:
        raise NotUnderstood(
            f"{' '.join(part.text for part in bounds)!r} lies in the future",
            remedy="name a time that has begun; a weekday means the one before today",
        )
    return _until_now(window, zone, now=now, last=last)


def _until_now(window: Window, zone: tzinfo, *, now: datetime, last: timedelta | None = None) -> Reading:
    uncut = window.end if window.end > now else None
    return Reading(Window(window.start, min(window.end, now)), zone, last, uncut)


def moved(window: Window, by: timedelta, *, now: datetime, zone: tzinfo) -> Reading:
    """A window moved by whole days as the zone's clocks show them, or by hours; ``window`` reaches beyond now
    where it was cut there.

    Raises:
        NotUnderstood: it would lie in the future, or reach back before what can be said.
    """
    if window.start == EPOCH:
        raise NotUnderstood("a time without a beginning cannot be moved", remedy="name the time")
    days = not by % timedelta(days=1)

    def move(instant: datetime) -> datetime:
        local = instant.astimezone(zone)
        return (local + by).astimezone(UTC) if days else instant + by

    start, end = move(window.start), move(window.end)
    if start >= now:
        raise NotUnderstood("the time after the one before lies in the future", remedy="name the time")
    return _until_now(Window(start, end), zone, now=now)


def _alone(part: TimePart, calendar: "_Calendar") -> tuple[Window, timedelta | None]:
    if part.last is not None:
        return Window(calendar.now - part.last, calendar.now), part.last
    assert part.first is not None
    if part.second is not None:
        return calendar.between(part.first, part.second, part), None
    return calendar.bounded(part.role, part.first), None


def _together(one: TimePart, other: TimePart, calendar: "_Calendar") -> Window:
    """A day with a time of day, or the two ends of a window; anything else contradicts itself."""
    for day, clock in ((one, other), (other, one)):
        if day.role == "within" and day.first and day.second is None and day.first.day and not day.first.clock:
            if clock.first is None or day.first.part:
                continue
            if clock.first.part and not clock.first.day and clock.second is None:
                return calendar.window(msgspec.structs.replace(day.first, part=clock.first.part))
            if clock.first.only_clock and (clock.second is None or clock.second.only_clock):
                return calendar.on_day(day.first.day, clock)
    for begin, end in ((one, other), (other, one)):
        if begin.role in {"since", "after"} and end.role in {"before", "until"} and begin.first and end.first:
            first, second = calendar.bounded(begin.role, begin.first), calendar.bounded(end.role, end.first)
            return _ordered(first.start, second.end, f"{one.text} {other.text}")
    raise _conflict(one, other)


def _ordered(start: datetime, end: datetime, text: str) -> Window:
    if end <= start:
        raise NotUnderstood(f"{text!r} ends before it starts", remedy="give the earlier time first")
    return Window(start, end)


def _conflict(one: TimePart, other: TimePart) -> NotUnderstood:
    return NotUnderstood(
        f"{one.text!r} and {other.text!r} are two different times", remedy="give one time, or 'between … and …'"
    )


class _Calendar:
    """Moments as windows, at ``now``, in ``zone``. A clock time is the empty window at its instant."""

    def __init__(self, now: datetime, zone: tzinfo) -> None:
        self.now = now
        self.zone = zone
        self.today = now.astimezone(zone).date()

    def midnight(self, day: date) -> datetime:
        return start_of_day(datetime.combine(day, time(12), tzinfo=self.zone), self.zone)

    def at(self, day: date, clock: time, *, end: bool = False) -> datetime:
        """The instant of a wall-clock time; of the two that there are when clocks go back, the one further out."""
        local = datetime.combine(day, clock, tzinfo=self.zone).replace(fold=int(end))
        instant = local.astimezone(UTC)
        if instant.astimezone(self.zone).replace(tzinfo=None) != local.replace(tzinfo=None):
            raise NotUnderstood(
                f"{clock:%H:%M} did not exist on {day} in {self.zone}: the clocks skipped it",
                remedy="give another time, or one in UTC",
            )
        return instant

    def hours(self, day: date, first: int, last: int) -> Window:
        end = self.midnight(day + timedelta(1)) if last == 24 else self.at(day + timedelta(last // 24), time(last % 24))
        return Window(self.at(day, time(first)), end)

    def whole(self, day: date) -> Window:
        return Window(self.midnight(day), self.midnight(day + timedelta(days=1)))

    def window(self, moment: Moment) -> Window:
        """What a moment covers, seen from now."""
        if moment.now:
            return Window(self.now, self.now)
        if moment.instant is not None:
            return Window(moment.instant, moment.instant)
        if moment.ago is not None:
            return Window(self.now - moment.ago, self.now - moment.ago)
        if moment.span:
            return self._span(moment.span)
        if moment.part:
            return self._part(moment)
        if moment.clock is None:
            return self.whole(self.day(moment.day))
        day = self.day(moment.day) if moment.day else self._latest(moment.clock)
        return Window(self.at(day, moment.clock), self.at(day, moment.clock, end=True))

    def _latest(self, clock: time) -> date:
        """The day of the last time that the clocks showed ``clock``."""
        return self.today if self.at(self.today, clock) <= self.now else self.today - timedelta(days=1)

    def _part(self, moment: Moment) -> Window:
        words = moment.part.lower().split()
        day = self.day(moment.day) if moment.day else self.today
        if words[0] in {"overnight", "last"}:
            return self.hours(self.today - timedelta(days=1), 18, 30)
        if words[0] == "tonight":
            return self.hours(self.today, *PARTS["night"])
        return self.hours(day, *PARTS[words[-1]])

    def _span(self, text: str) -> Window:
        words = text.lower().removeprefix("the ").split()
        if words[-1] == "weekend":
            saturday = self.today - timedelta(days=(self.today.weekday() - 5) % 7)
            return Window(self.midnight(saturday), self.midnight(saturday + timedelta(days=2)))
        if words[-1] == "hour":
            start = self.now - timedelta(seconds=self.now.timestamp() % 3600)
            return Window(start, start + timedelta(hours=1))
        if words[-1].isdigit():
            return self._month(date_of(text, int(words[1]), month_number(words[0]), 1))
        if words[-1] == "latest":
            month = month_number(words[0])
            return self._month(date(self.today.year - (month > self.today.month), month, 1))
        back = words[0] != "this"
        if words[-1] == "week":
            monday = self.today - timedelta(days=self.today.weekday() + 7 * back)
            return Window(self.midnight(monday), self.midnight(monday + timedelta(days=7)))
        if words[-1] == "month":
            return self._month((self.today.replace(day=1) - timedelta(days=int(back))).replace(day=1))
        year = self.today.year - back
        return Window(self.midnight(date(year, 1, 1)), self.midnight(date(year + 1, 1, 1)))

    def _month(self, first: date) -> Window:
        return Window(self.midnight(first), self.midnight((first + timedelta(days=32)).replace(day=1)))

    def bounded(self, role: Role, moment: Moment) -> Window:
        """The window that ``since``, ``before``, ``at`` … a moment means."""
        covered = self.window(moment)
        if role in {"since", "after"}:
            return Window(covered.start if role == "since" else covered.end, max(self.now, covered.end))
        if role in {"before", "until"}:
            return Window(EPOCH, covered.start if role == "before" else covered.end)
        return _widened(covered, moment, role)

    def between(self, first: Moment, second: Moment, part: TimePart) -> Window:
        """From the start of one moment to the end of another; a day named for one of them holds for both."""
        if first.only_clock and second.day:
            first = msgspec.structs.replace(first, day=second.day)
        elif second.only_clock and first.day:
            second = msgspec.structs.replace(second, day=first.day)
        elif first.only_clock and second.only_clock:
            assert first.clock is not None
            return self._clocks(self._latest(first.clock), first.clock, second.clock or time(0))
        elif second.day.lower() in WEEKDAYS and first.day.lower() in WEEKDAYS:
            end = self.window(second).end
            day = self.day(second.day)
            back = (day.weekday() - WEEKDAYS.index(first.day.lower())) % 7
            start = self.window(msgspec.structs.replace(first, day=(day - timedelta(days=back)).isoformat())).start
            return _ordered(start, end, part.text)
        if first.day and first.day == second.day and first.clock and second.clock:
            return self._clocks(self.day(first.day), first.clock, second.clock)
        return _ordered(self.window(first).start, self.window(second).end, part.text)

    def _clocks(self, day: date, first: time, second: time) -> Window:
        """Between two clock times; a second one that is not later falls on the next day."""
        end_day = day if second > first else day + timedelta(days=1)
        return _ordered(self.at(day, first), self.at(end_day, second, end=True), f"{first:%H:%M} to {second:%H:%M}")

    def on_day(self, named: str, part: TimePart) -> Window:
        """A time of day on a day that another part of the question names."""
        assert part.first is not None
        assert part.first.clock is not None
        day = self.day(named)
        if part.second is not None:
            return self._clocks(day, part.first.clock, part.second.clock or time(0))
        whole = self.whole(day)
        instant = self.at(day, part.first.clock)
        if part.role in {"since", "after"}:
            return _ordered(instant, whole.end, f"{named} {part.text}")
        if part.role in {"before", "until"}:
            return _ordered(whole.start, self.at(day, part.first.clock, end=True), f"{named} {part.text}")
        return _widened(Window(instant, self.at(day, part.first.clock, end=True)), part.first, part.role)

    def day(self, text: str) -> date:
        """The day that is meant; a weekday or a date without a year is the latest that is not in the future."""
        words = re.sub(r"[,.](?=\s|$)", " ", text.lower()).replace("the ", "").replace(" of ", " ").split()
        if words[-1] in {"today", "yesterday", "tomorrow"}:
            offset = -2 if len(words) > 1 else {"today": 0, "yesterday": -1, "tomorrow": 1}[words[0]]
            return self.today + timedelta(days=offset)
        if words[-1] == "ago":
            return (self.now - span_of(" ".join(words[:-1]))).astimezone(self.zone).date()
        if words[-1] in WEEKDAYS:
            return self._weekday(words)
        return self._date(text, words)

    def _weekday(self, words: list[str]) -> date:
        back = (self.today.weekday() - WEEKDAYS.index(words[-1])) % 7
        if words[0] == "next":
            return self.today + timedelta(days=7 - back)
        return self.today - timedelta(days=back or 7 * (words[0] in {"last", "past"}))

    def _date(self, text: str, words: list[str]) -> date:
        if re.fullmatch(r"\d{4}-\d{1,2}-\d{1,2}", text):
            return date_of(text, *map(int, text.split("-")))
        if re.fullmatch(r"\d{1,2}\.\d{1,2}\.\d{4}", text):
            day, month, year = map(int, text.split("."))
            return date_of(text, year, month, day)
        if re.fullmatch(r"[\d/-]+", text):
            return slashed_date(text)
        month = next(month_number(word) for word in words if word[:3].isalpha())
        numbers = [int(match[0]) for word in words if (match := re.match(r"\d+", word))]
        if len(numbers) == 2:
            return date_of(text, max(numbers), month, min(numbers))
        for year in range(self.today.year, self.today.year - 9, -1):
            try:
                found = date(year, month, numbers[0])
            except ValueError:
                continue
            if found <= self.today:
                return found
        raise NotUnderstood(f"{text!r} is not a date", remedy="write it like 3 November or 2026-11-03")


def _widened(covered: Window, moment: Moment, role: Role) -> Window:
    """A clock time stands for its minute, a whole hour for its hour; ``around`` reaches to both sides."""
    whole_hour = moment.clock is not None and ":" not in moment.text
    if role == "around":
        side = timedelta(minutes=30 if whole_hour else 15)
        return Window(covered.start - side, covered.end + side)
    if moment.ago is not None:
        side = timedelta(seconds=UNITS[unit_of(moment.text.lower().split()[-2])] / 2)
        return Window(covered.start - side, covered.end + side)
    if moment.clock is not None or moment.instant is not None:
        return Window(covered.start, covered.end + timedelta(minutes=60 if whole_hour else 1))
    return covered
