"""What the lake can and cannot say about a question: its sources, how fresh they are, and what is missing.

An archive or files cover an account from their first to their last record of it, in all Regions alike: a quiet
Region delivers nothing, and that is not a gap. Event history covers, for each Region, the windows that were
fetched whole: of everything, or of an attribute that the filter asks for. Less than the delivery delay at an
edge of the window is no gap, as nothing need have happened in it.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from ..errors import UsageError
from ..model.arn import Arn
from ..model.event import EventFilter
from ..model.finding import Coverage, Gap, Source
from ..model.time import DELIVERY_DELAY, Window
from .kept import kept
from .manifest import Span

if TYPE_CHECKING:
    from .manifest import Manifest
    from .store import Lake

_FILL = "trailwarden ingest PATH-OR-S3-URL reads more records into the lake; a connected account's event history is "
_REMEDY_MISSING = _FILL + "asked by search --live always"
_REMEDY_STALE = _FILL + "asked for the newest by search --live always"
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_MOST_SILENCES = 3


class _Held(msgspec.Struct, frozen=True):
    """What the lake holds, computed once for each of its states: spans by source, account and Region; whole UTC days
    between records of an account from which an archive or files hold none of it; how much is in quarantine."""

    spans: tuple[Span, ...]
    silences: dict[str, tuple[Window, ...]]
    quarantined: int


class _Account(msgspec.Struct, frozen=True):
    """What is known of one account: what holds it, by Region (None: all Regions alike)."""

    account: str
    held: Mapping[str | None, Sequence[Window]]
    fresh_until: datetime | None


def coverage(
    lake: "Lake",
    where: EventFilter,
    window: Window | None,
    *,
    now: datetime,
    history: Mapping[str, Sequence[str]] | None = None,
) -> Coverage:
    """The coverage of an answer from the lake.

    ``history`` names, by account, the Regions that event history was asked of; those that gave records are known
    without it. Accounts and Regions that the filter leaves out are neither looked at nor missed. Without a window
    the question is about what the lake holds, and only accounts that it holds nothing of are gaps.
    """
    manifest = lake.manifest
    held = kept(lake, "coverage", _Held, lambda: _held(manifest))
    spans = [span for span in held.spans if _asked(where, span.account_id, span.aws_region)]
    expected = {a: label for a, label in manifest.expected_accounts().items() if _asked(where, a, None)}
    asked_history = {
        account: tuple(regions) for account, regions in (history or {}).items() if _asked(where, account, None)
    }
    named = dict.fromkeys((*(s.account_id for s in spans if s.account_id), *asked_history))
    accounts = [
        _account(
            manifest, where, account, [s for s in spans if s.account_id == account], asked_history.get(account, ())
        )
        for account in sorted(named)
    ]
    fresh = [a.fresh_until for a in accounts if a.fresh_until is not None]
    gaps = list(_unheld(expected, set(named), window))
    if not spans and not expected and not asked_history:
        gaps.append(_nothing_held(held, where, window))
    if window is not None:
        until = Window(window.start, min(window.end, max(now, window.start)))
        gaps += (gap for account in accounts for gap in _missing(account, until))
    return Coverage(
        sources=_sources(spans),
        accounts=tuple(sorted(named)),
        regions=tuple(
            sorted({s.aws_region for s in spans if s.aws_region} | {r for rs in asked_history.values() for r in rs})
        ),
        window=window,
        fresh_until=min(fresh, default=None),
        gaps=tuple(dict.fromkeys(gaps)),
        notes=(*_notes(held, window, now), *_silences(held, sorted(named), window)),
    )


def _account(
    manifest: "Manifest", where: EventFilter, account: str, spans: Sequence[Span], history: Sequence[str]
) -> _Account:
    held: dict[str | None, list[Window]] = {}
    delivered = [span for span in spans if span.source != "event_history"]
    ends = []
    if delivered:
        whole = Window(min(s.first for s in delivered), max(s.last for s in delivered) + _MICROSECOND)
        held[None] = [whole]
        ends.append(whole.end - _MICROSECOND)
    regions = dict.fromkeys((*history, *(s.aws_region for s in spans if s.source == "event_history")))
    for region in regions:
        held[region] = fetched = _fetched(manifest, where, account, region)
        ends += [window.end for window in fetched[-1:]]
    return _Account(account, held, max(ends, default=None))


def _fetched(manifest: "Manifest", where: EventFilter, account: str, region: str) -> list[Window]:
    """The windows of which event history gave every match: what the values of one field have all in common."""
    best = manifest.fetched(account, region, None)
    for attributes in _attributes(where):
        common: list[Window] | None = None
        for attribute in attributes:
            windows = manifest.fetched(account, region, attribute)
            common = (
                windows
                if common is None
                else [both for one in common for other in windows if (both := one.intersect(other)) is not None]
            )
        best = _joined([*best, *(common or [])])
    return best


def _attributes(where: EventFilter) -> Iterator[Sequence[tuple[str, str]]]:
    """For each field that LookupEvents can look up: the attributes whose union holds its matches.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupAttribute.html
    """
    fields: dict[str, Callable[[str], tuple[str, str]]] = {
        "access_key": lambda value: ("AccessKeyId", value),
        "arn": lambda value: ("Username", _name(value)),
        "user": lambda value: ("Username", _name(value)),
        "session": lambda value: ("Username", value),
        "event": _event_attribute,
        "source": lambda value: ("EventSource", _source(value)),
        "resource": lambda value: ("ResourceName", value),
    }
    for field, attribute in fields.items():
        values: tuple[str, ...] = getattr(where, field)
        if values and not any("*" in value.removesuffix(":*") for value in values):
            yield [attribute(value) for value in values]
    if where.read_only is not None:
        yield [("ReadOnly", str(where.read_only).lower())]


def _event_attribute(value: str) -> tuple[str, str]:
    service, _, name = value.rpartition(":")
    return ("EventSource", _source(service)) if name == "*" else ("EventName", name)


def _source(service: str) -> str:
    lower = service.lower()
    return lower if "." in lower else f"{lower}.amazonaws.com"


def _name(value: str) -> str:
    try:
        return Arn.parse(value).name
    except UsageError:
        return value


def _joined(windows: Iterable[Window]) -> list[Window]:
    joined: list[Window] = []
    for window in sorted(windows):
        if joined and window.start <= joined[-1].end:
            joined[-1] = Window(joined[-1].start, max(joined[-1].end, window.end))
        else:
            joined.append(window)
    return joined


def _missing(account: _Account, asked: Window) -> Iterator[Gap]:
    """The parts of the window that nothing holds, each once; None for the Region where all lack the same."""
    everywhere = list(account.held.get(None, ()))
    regions = [region for region in account.held if region is not None]
    lacking: dict[Window, list[str | None]] = defaultdict(list)
    places: list[str | None] = list(regions) or [None]
    for region in places:
        for missing in asked.subtract(_joined([*everywhere, *(account.held[region] if region is not None else ())])):
            if missing.length > DELIVERY_DELAY:
                lacking[missing].append(region)
    for missing, where in lacking.items():
        alike: list[str | None] = [None]
        for place in alike if len(where) >= len(regions) else where:
            yield _gap(account, missing, place)


def _gap(account: _Account, missing: Window, region: str | None) -> Gap:
    stale = account.fresh_until is not None and missing.end > account.fresh_until
    place = f"account {account.account}" + (f" in {region}" if region else "")
    return Gap(
        kind="not_fresh" if stale else "not_covered",
        reason=(
            f"no source has delivered records of {place} of {missing}"
            if stale
            else f"no source holds {place} from {missing}"
        ),
        account=account.account,
        region=region,
        window=missing,
        remedy=_REMEDY_STALE if stale else _REMEDY_MISSING,
    )


def _unheld(expected: Mapping[str, str], held: set[str], window: Window | None) -> Iterator[Gap]:
    for account, label in expected.items():
        if account not in held:
            shown = f"{account} ({label})" if label else account
            yield Gap(
                kind="not_covered",
                reason=f"the lake holds no records of the connected account {shown}",
                account=account,
                window=window,
                remedy=_REMEDY_MISSING,
            )


def _nothing_held(held: _Held, where: EventFilter, window: Window | None) -> Gap:
    some = bool(held.spans)
    return Gap(
        kind="not_covered",
        reason="the lake holds no records of the accounts and Regions asked for" if some else "the lake is empty",
        account=where.account[0] if some and len(where.account) == 1 and "*" not in where.account[0] else None,
        window=window,
        remedy="read records into it (trailwarden ingest PATH-OR-S3-URL), or connect an account (accounts connect)",
    )


def _sources(spans: Iterable[Span]) -> tuple[Source, ...]:
    grouped: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in spans:
        grouped[span.source, span.location].append(span)
    return tuple(
        Source(
            kind=group[0].source,
            location=group[0].location,
            accounts=tuple(sorted({span.account_id for span in group if span.account_id})),
            records=sum(span.records for span in group),
            first=min(span.first for span in group),
            last=max(span.last for span in group),
        )
        for group in grouped.values()
    )


def _notes(held: _Held, window: Window | None, now: datetime) -> Iterator[str]:
    if window is None or window.end > now - DELIVERY_DELAY:
        minutes = DELIVERY_DELAY // timedelta(minutes=1)
        yield f"CloudTrail delivers events about 5, and up to {minutes}, minutes late: the newest may still be missing"
    if held.quarantined:
        yield f"{held.quarantined:,} records or files could not be read; trailwarden lake quarantine lists them"


def _silences(held: _Held, accounts: Iterable[str], window: Window | None) -> Iterator[str]:
    """The longest silences of accounts inside of the window."""
    silent = [
        (-silence.length.days, f"account {account} has no record from {silence}")
        for account in accounts
        for silence in held.silences.get(account, ())
        if window is None or window.overlaps(silence)
    ]
    for _, text in sorted(silent)[:_MOST_SILENCES]:
        yield f"{text}: nothing happened there, or nothing of it was read"
    if len(silent) > _MOST_SILENCES:
        yield f"{len(silent) - _MOST_SILENCES:,} more silences of whole days, none of them longer"


def _held(manifest: "Manifest") -> _Held:
    days: dict[str, set[date]] = defaultdict(set)
    for span in manifest.daily_spans():
        if span.source != "event_history" and span.account_id:
            days[span.account_id].add(span.first.astimezone(UTC).date())
    silences: dict[str, tuple[Window, ...]] = {}
    for account, recorded in days.items():
        between = (
            Window(_midnight(before) + _DAY, _midnight(after))
            for before, after in pairwise(sorted(recorded))
            if after - before > _DAY
        )
        if found := tuple(between):
            silences[account] = found
    return _Held(tuple(manifest.source_spans()), silences, len(manifest.quarantined()))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _asked(where: EventFilter, account: str, region: str | None) -> bool:
    """Whether the filter lets events of this account and Region through; an unknown Region (None) may be any."""
    left_out = where.exclude or EventFilter()
    if where.account and not any(_matches(value, account) for value in where.account):
        return False
    if any(_matches(value, account) for value in left_out.account):
        return False
    if region is None:
        return True
    if where.region and not any(_matches(value.lower(), region.lower()) for value in where.region):
        return False
    return not any(_matches(value.lower(), region.lower()) for value in left_out.region)


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None
