"""One look-up in event history: page by page, at the pace that AWS allows.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ..errors import AwsError, Throttled
from ..model.time import Window
from .errors import aws_errors
from .pushdown import Attribute

#: Seconds between requests. AWS: "limited to two per second, per account, per Region".
REQUEST_INTERVAL = 0.5
PAGE_SIZE = 50
_SLOWEST = 8.0
_ATTEMPTS_WHEN_THROTTLED = 12
_ATTEMPTS_WITH_BAD_TOKEN = 3
_SECOND = timedelta(seconds=1)


class Lookup(msgspec.Struct, frozen=True):
    """One look-up: whole seconds of one account and Region, by one attribute or (None) everything."""

    account: str
    region: str
    attribute: Attribute | None
    window: Window


class Page(msgspec.Struct, frozen=True):
    """What one request gave: raw records, by which all of ``[reached, above)`` has been given.

    ``above`` is the page before's ``reached``; both are the same where a page ends within a second.
    """

    lookup: Lookup
    records: tuple[bytes, ...]
    reached: datetime
    above: datetime


class Pacer:
    """Keeps the requests of one account and Region apart, the more the longer AWS refuses them. Of one thread."""

    def __init__(self, *, sleep: Callable[[float], object], monotonic: Callable[[], float]) -> None:
        self._sleep = sleep
        self._monotonic = monotonic
        self._interval = REQUEST_INTERVAL
        self._next = float("-inf")

    def wait(self) -> None:
        """Return when the next request may be sent."""
        now = self._monotonic()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._interval

    def refused(self) -> None:
        """AWS asked to slow down: somebody else uses the same two requests a second."""
        self._interval = min(self._interval * 2, _SLOWEST)
        self._next = max(self._next, self._monotonic() + self._interval)

    def accepted(self) -> None:
        """AWS answered: come back to the full rate step by step."""
        self._interval = max(self._interval * 0.8, REQUEST_INTERVAL)


def whole_seconds(window: Window) -> Window:
    """The window, widened to whole seconds: the resolution of CloudTrail's times and of LookupEvents' parameters."""
    start = window.start.replace(microsecond=0)
    end = window.end.replace(microsecond=0)
    return Window(start, end if end == window.end else end + _SECOND)


def pages(client: Any, lookup: Lookup, pacer: Pacer, stopped: Callable[[], bool]) -> Iterator[Page]:
    """One look-up, page by page, until it is complete or ``stopped()``.

    EndTime is inclusive at AWS, so events of the second at the window's end come as well. A page token that AWS no
    longer takes is left, and the look-up begun again where it had come to.

    Raises:
        AwsError: refused or failed; Throttled when slowing down did not help.
    """
    request: dict[str, Any] = {"StartTime": lookup.window.start, "EndTime": lookup.window.end, "MaxResults": PAGE_SIZE}
    if lookup.attribute is not None:
        key, value = lookup.attribute
        request["LookupAttributes"] = [{"AttributeKey": key, "AttributeValue": value}]
    reached = newest_to_come = lookup.window.end
    in_order = True
    bad_tokens = 0
    while not stopped():
        try:
            answer = _paced(client, request, lookup, pacer, stopped)
        except AwsError as error:
            bad_tokens += 1
            if error.code != "InvalidNextTokenException" or bad_tokens > _ATTEMPTS_WITH_BAD_TOKEN:
                raise
            request = {**request, "EndTime": reached}
            request.pop("NextToken", None)
            newest_to_come = reached
            continue
        if answer is None:
            return
        above, events = reached, answer.get("Events", ())
        times = [event["EventTime"].astimezone(UTC) for event in events]
        # The order is documented, but what is recorded as fetched hangs on it.
        in_order = in_order and all(a >= b for a, b in zip((newest_to_come, *times), times, strict=False))
        if times and in_order:
            newest_to_come = times[-1]
            if times[-1] + _SECOND < reached:
                reached, bad_tokens = times[-1] + _SECOND, 0
        token = answer.get("NextToken")
        if not token:
            reached = lookup.window.start
        yield Page(lookup, tuple(event.get("CloudTrailEvent", "").encode() for event in events), reached, above)
        if not token:
            return
        request = {**request, "NextToken": token}


def _paced(
    client: Any, request: Mapping[str, Any], lookup: Lookup, pacer: Pacer, stopped: Callable[[], bool]
) -> Mapping[str, Any] | None:
    """The answer to one request at the allowed rate; None if stopped while waiting."""
    for attempt in range(1, _ATTEMPTS_WHEN_THROTTLED + 1):
        pacer.wait()
        if stopped():
            return None
        try:
            with aws_errors("cloudtrail:LookupEvents", account=lookup.account, region=lookup.region):
                answer: Mapping[str, Any] = client.lookup_events(**request)
        except Throttled:
            pacer.refused()
            if attempt == _ATTEMPTS_WHEN_THROTTLED:
                raise
        else:
            pacer.accepted()
            return answer
    raise AssertionError("unreachable")
