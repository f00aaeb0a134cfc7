"""CloudTrail: LookupEvents, which moto lacks, and trails seen from other Regions and member accounts."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudtrail.models import Trail, cloudtrail_backends

from .call import Answer, Call, Refusal, digest
from .history import ATTRIBUTES
from .world import Caller, World

_REACH = timedelta(days=90)
_PAGE = 50


def lookup_events(world: World, call: Call, caller: Caller) -> Answer:
    """LookupEvents of the caller's account and Region, newest first (CloudTrail API reference)."""
    _throttle(world, call)
    limit = call.get("MaxResults", _PAGE)
    if not isinstance(limit, int) or not 1 <= limit <= _PAGE:
        raise Refusal(
            "InvalidMaxResultsException",
            f"A max results value of {limit} is invalid. Specify max results between 1 and {_PAGE}.",
        )
    attribute = _attribute(call)
    now = world.now()
    start, end = _instant(call.get("StartTime")), _instant(call.get("EndTime"))
    if start is not None and end is not None and start > end:
        raise Refusal("InvalidTimeRangeException", "Start time must be earlier than end time.")
    category = call.get("EventCategory")
    if category not in (None, "insight"):
        raise Refusal("InvalidEventCategoryException", f"{category} is not a valid event category.")
    bound = digest((caller.account, call.region, attribute, call.get("StartTime"), call.get("EndTime"), category))
    after = _position(call.get("NextToken"), bound)
    if category == "insight":
        return call.answer({"Events": []})
    oldest, newest = now - _REACH, now - world.delivery_delay
    with world.lock:
        events, more = world.history(caller.account, call.region).page(
            attribute,
            first=oldest if start is None else max(start, oldest),
            last=newest if end is None else min(end, newest),
            after=after,
            limit=limit,
        )
    result: dict[str, Any] = {"Events": [event.shape() for event in events]}
    if more and events:
        token = json.dumps({"for": bound, "after": events[-1].position})
        result["NextToken"] = base64.urlsafe_b64encode(token.encode()).decode()
    return call.answer(result)


def _throttle(world: World, call: Call) -> None:
    """At most ``lookup_rate`` calls in any second, per account and Region."""
    if world.lookup_rate is None:
        return
    with world.lock:
        moment = world.clock()
        recent = [then for then in world.lookups.get((call.account, call.region), []) if moment - then < 1]
        refused = len(recent) >= world.lookup_rate
        world.lookups[call.account, call.region] = recent if refused else [*recent, moment]
    if refused:
        raise call.refuse("throttled")


def _attribute(call: Call) -> tuple[str, str] | None:
    attributes = call.get("LookupAttributes", [])
    if len(attributes) > 1:
        raise _bad_attribute("You can only use one lookup attribute at a time")
    if not attributes:
        return None
    key, value = attributes[0].get("AttributeKey"), attributes[0].get("AttributeValue")
    if key not in ATTRIBUTES:
        raise _bad_attribute(f"{key} is not a lookup attribute; use one of {', '.join(ATTRIBUTES)}")
    if not isinstance(value, str) or not 1 <= len(value) <= 2000:
        raise _bad_attribute("The attribute value must have between 1 and 2000 characters")
    return key, value


def _bad_attribute(message: str) -> Refusal:
    return Refusal("InvalidLookupAttributesException", message)


def _instant(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    parsed = datetime.fromisoformat(str(value))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _position(token: str | None, bound: str) -> tuple[int, int] | None:
    if token is None:
        return None
    try:
        read = json.loads(base64.urlsafe_b64decode(token.encode()))
        seconds, sequence = map(int, read["after"])
        own = read["for"] == bound
    except (ValueError, KeyError, TypeError):
        own = False
    if not own:
        raise Refusal(
            "InvalidNextTokenException", "Invalid NextToken; it must be used with the parameters that it came for."
        )
    return seconds, sequence


def _visible(world: World, account: str, region: str) -> Iterator[Trail]:
    """Trails that an account sees in a Region: its own here, multi-Region ones, and those of its organisation."""
    for held in list(cloudtrail_backends[account].values()):
        for trail in list(held.trails.values()):
            if trail.region_name == region or trail.is_multi_region:
                yield trail
    organisation = world.organisation_of(account)
    if organisation is not None and (owner := organisation.org.master_account_id) != account:
        for trail in _visible(world, owner, region):
            if trail.is_org_trail:
                yield trail


def _find(world: World, call: Call, caller: Caller, name: str) -> Trail:
    """A trail by name or ARN; another account's only by ARN, unless it is the organisation's."""
    if len(name) < 3:
        raise Refusal("InvalidTrailNameException", "Trail name too short. Minimum allowed length: 3 characters.")
    for trail in _visible(world, caller.account, call.region):
        if name == trail.arn or (name == trail.trail_name and trail.region_name == call.region):
            return trail
    arn = name if name.startswith("arn:") else f"arn:aws:cloudtrail:{call.region}:{caller.account}:trail/{name}"
    raise Refusal("TrailNotFoundException", f"Unknown trail: {arn} for the user: {caller.account}", 400)


def describe_trails(world: World, call: Call, caller: Caller) -> Answer:
    """DescribeTrails, shadow trails included unless told otherwise."""
    shadows, names = call.get("includeShadowTrails", True), call.get("trailNameList", [])
    trails = [
        trail
        for trail in _visible(world, caller.account, call.region)
        if (shadows or (trail.region_name == call.region and trail.account_id == caller.account))
        and (not names or trail.trail_name in names or trail.arn in names)
    ]
    return call.answer({"trailList": [_described(trail) for trail in trails]})


def _described(trail: Trail) -> dict[str, Any]:
    shown = trail.description(include_region=True)
    shown["HasCustomEventSelectors"] = bool(trail.event_selectors or trail.advanced_event_selectors)
    shown["HasInsightSelectors"] = bool(trail.insight_selectors)
    return {name: value for name, value in shown.items() if value is not None}


def list_trails(world: World, call: Call, caller: Caller) -> Answer:
    """ListTrails: the account's trails of every Region."""
    trails = {
        trail.arn: {"TrailARN": trail.arn, "Name": trail.trail_name, "HomeRegion": trail.region_name}
        for region in list(cloudtrail_backends[caller.account])
        for trail in _visible(world, caller.account, region)
    }
    for trail in _visible(world, caller.account, call.region):
        shown = {"TrailARN": trail.arn, "Name": trail.trail_name, "HomeRegion": trail.region_name}
        trails.setdefault(trail.arn, shown)
    return call.answer({"Trails": list(trails.values())})


def get_trail(world: World, call: Call, caller: Caller) -> Answer:
    """GetTrail."""
    return call.answer({"Trail": _described(_find(world, call, caller, call.get("Name", "")))})


def get_trail_status(world: World, call: Call, caller: Caller) -> Answer:
    """GetTrailStatus; a shadow trail answers with the status of the home Region's."""
    return call.answer(_find(world, call, caller, call.get("Name", "")).status.description())


def get_event_selectors(world: World, call: Call, caller: Caller) -> Answer:
    """GetEventSelectors; a trail that never set any has the default: management events, reads and writes."""
    trail = _find(world, call, caller, call.get("TrailName", ""))
    selectors, advanced = trail.get_event_selectors()
    result: dict[str, Any] = {"TrailARN": trail.arn}
    if advanced:
        result["AdvancedEventSelectors"] = advanced
    else:
        default = {
            "ReadWriteType": "All",
            "IncludeManagementEvents": True,
            "DataResources": [],
            "ExcludeManagementEventSources": [],
        }
        result["EventSelectors"] = selectors or [default]
    return call.answer(result)


OPERATIONS = {
    "LookupEvents": lookup_events,
    "DescribeTrails": describe_trails,
    "ListTrails": list_trails,
    "GetTrail": get_trail,
    "GetTrailStatus": get_trail_status,
    "GetEventSelectors": get_event_selectors,
}
