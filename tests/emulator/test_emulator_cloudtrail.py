"""LookupEvents as CloudTrail answers it, and trails seen from everywhere."""

import json
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from emulator_kit import FAR, HOME, Clock, allow, assume, client, make_role, policy, refused, trust
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trailwarden.demo.emulator import Emulator


def record(clock: Clock, number: int, *, ago: float = 60, **more: Any) -> dict[str, Any]:
    moment = clock.now - timedelta(seconds=ago)
    return {
        "eventVersion": "1.11",
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "iam.amazonaws.com",
        "eventName": "GetUser",
        "awsRegion": "us-east-1",
        "eventID": f"event-{number}",
        "readOnly": True,
        "managementEvent": True,
        "eventCategory": "Management",
        "userIdentity": {
            "type": "IAMUser",
            "userName": "alice",
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "arn": f"arn:aws:iam::{HOME}:user/alice",
        },
        "requestParameters": {"userName": "bob"},
        **more,
    }


@pytest.fixture
def trail(emulator: Emulator, home: Any) -> Any:
    return client(home, "cloudtrail")


@pytest.fixture
def unlimited(clock: Clock) -> Any:
    with Emulator(now=lambda: clock.now, lookup_rate=None) as running:
        yield running


def look(trail: Any, clock: Clock, **arguments: Any) -> Any:
    """One LookupEvents call, after waiting long enough not to be throttled."""
    clock.seconds += 1
    return trail.lookup_events(**arguments)


def ids(answer: Any) -> list[str]:
    return [event["EventId"] for event in answer["Events"]]


def by(key: str, value: str) -> list[dict[str, str]]:
    return [{"AttributeKey": key, "AttributeValue": value}]


def test_the_shape_of_an_event(emulator: Emulator, trail: Any, clock: Clock) -> None:
    raw = json.dumps(record(clock, 1), indent=1).encode()
    assert emulator.put_events(HOME, "us-east-1", [raw]) == 1
    (event,) = trail.lookup_events()["Events"]
    assert event["CloudTrailEvent"] == raw.decode()
    assert event["EventTime"] == clock.now - timedelta(seconds=60)
    assert {name: event[name] for name in event if name not in ("CloudTrailEvent", "EventTime")} == {
        "EventId": "event-1",
        "EventName": "GetUser",
        "ReadOnly": "true",
        "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "EventSource": "iam.amazonaws.com",
        "Username": "alice",
        "Resources": [{"ResourceType": "AWS::IAM::User", "ResourceName": "bob"}],
    }


def test_history_is_of_one_account_and_region(emulator: Emulator, home: Any, far: Any, clock: Clock) -> None:
    emulator.put_events(HOME, "eu-west-1", [record(clock, 1)])
    assert ids(client(home, "cloudtrail", "eu-west-1").lookup_events()) == ["event-1"]
    assert ids(client(home, "cloudtrail", "us-east-1").lookup_events()) == []
    assert ids(client(far, "cloudtrail", "eu-west-1").lookup_events()) == []


def test_newest_first_whatever_the_order_of_arrival(emulator: Emulator, trail: Any, clock: Clock) -> None:
    emulator.put_events(HOME, "us-east-1", [record(clock, n, ago=ago) for n, ago in enumerate((50, 10, 90))])
    emulator.put_events(HOME, "us-east-1", [record(clock, 3, ago=70)])
    assert ids(trail.lookup_events()) == ["event-1", "event-0", "event-3", "event-2"]


SESSION = {"type": "AssumedRole", "principalId": "AROAEXAMPLE:deploy-42", "accessKeyId": "ASIAEXAMPLE"}
ROOT_USER = {"type": "Root", "principalId": HOME, "accountId": HOME}
SERVICE = {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}
FEDERATED = {"type": "FederatedUser", "principalId": f"{HOME}:carol"}


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("EventId", "event-1", {1}),
        ("EventName", "DeleteUser", {2}),
        ("EventName", "deleteuser", set()),
        ("EventName", "Delete", set()),
        ("EventSource", "s3.amazonaws.com", {3}),
        ("ReadOnly", "false", {2}),
        ("ReadOnly", "true", {0, 1, 3, 4, 5}),
        ("Username", "alice", {0, 1, 2}),
        ("Username", "deploy-42", {3}),
        ("Username", "root", {4}),
        ("Username", "carol", {6}),
        ("Username", "Alice", set()),
        ("AccessKeyId", "ASIAEXAMPLE", {3}),
        ("ResourceType", "AWS::S3::Bucket", {3}),
        ("ResourceName", "the-bucket", {3}),
        ("ResourceName", "arn:aws:iam::111111111111:role/x", {5}),
    ],
)
def test_one_attribute_matches_exactly(  # noqa: PLR0917 - the columns of its table
    emulator: Emulator, trail: Any, clock: Clock, key: str, value: str, found: set[int]
) -> None:
    role = [{"type": "AWS::IAM::Role", "ARN": "arn:aws:iam::111111111111:role/x", "accountId": HOME}]
    emulator.put_events(
        HOME,
        "us-east-1",
        [
            record(clock, 0),
            record(clock, 1),
            record(clock, 2, eventName="DeleteUser", readOnly=False),
            record(
                clock,
                3,
                eventSource="s3.amazonaws.com",
                userIdentity=SESSION,
                requestParameters={"bucketName": "the-bucket"},
            ),
            record(clock, 4, userIdentity=ROOT_USER),
            record(clock, 5, userIdentity=SERVICE, resources=role),
            record(clock, 6, userIdentity=FEDERATED, readOnly=None),
        ],
    )
    assert {int(name.removeprefix("event-")) for name in ids(trail.lookup_events(LookupAttributes=by(key, value)))} == (
        found
    )


def test_only_management_events_of_the_last_ninety_days(emulator: Emulator, trail: Any, clock: Clock) -> None:
    day = 86400
    records = [
        record(clock, 0, ago=89.9 * day),
        record(clock, 1, ago=90.1 * day),
        record(clock, 2, managementEvent=False),
        record(clock, 3, eventCategory="Data"),
        record(clock, 4, eventCategory="Insight"),
        record(clock, 5, ago=-60),
    ]
    assert emulator.put_events(HOME, "us-east-1", records) == 3
    assert ids(trail.lookup_events()) == ["event-0"]
    assert ids(trail.lookup_events(StartTime=clock.now - timedelta(days=400))) == ["event-0"]
    assert ids(look(trail, clock, EventCategory="insight")) == []
    clock.advance(61)
    assert ids(look(trail, clock)) == ["event-5", "event-0"]


def test_delivery_takes_its_time(clock: Clock) -> None:
    with Emulator(now=lambda: clock.now, lookup_rate=None, delivery_delay=timedelta(minutes=5)) as slow:
        slow.put_events(HOME, "us-east-1", [record(clock, 0, ago=60), record(clock, 1, ago=400)])
        assert ids(client(slow.session(HOME), "cloudtrail").lookup_events()) == ["event-1"]


def test_both_ends_of_the_time_range_are_included(emulator: Emulator, trail: Any, clock: Clock) -> None:
    emulator.put_events(HOME, "us-east-1", [record(clock, ago, ago=ago) for ago in (10, 20, 30)])
    at = {ago: clock.now - timedelta(seconds=ago) for ago in (10, 20, 30)}
    assert ids(look(trail, clock, StartTime=at[20])) == ["event-10", "event-20"]
    assert ids(look(trail, clock, EndTime=at[20])) == ["event-20", "event-30"]
    assert ids(look(trail, clock, StartTime=at[20], EndTime=at[20])) == ["event-20"]
    clock.seconds += 1
    backwards = refused(lambda: trail.lookup_events(StartTime=at[10], EndTime=at[20]))
    assert backwards[0] == "InvalidTimeRangeException"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"MaxResults": 0}, "InvalidMaxResultsException"),
        ({"LookupAttributes": by("EventName", "a") + by("Username", "b")}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": by("SourceIPAddress", "192.0.2.1")}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": by("eventName", "a")}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": by("EventName", "")}, "InvalidLookupAttributesException"),
        ({"NextToken": "made-up"}, "InvalidNextTokenException"),
        ({"EventCategory": "data"}, "InvalidEventCategoryException"),
    ],
)
def test_what_is_not_allowed_is_refused(trail: Any, arguments: dict[str, Any], code: str) -> None:
    got, _, status = refused(lambda: trail.lookup_events(**arguments))
    assert (got, status) == (code, 400)


def test_a_token_belongs_to_its_parameters(emulator: Emulator, trail: Any, clock: Clock) -> None:
    emulator.put_events(HOME, "us-east-1", [record(clock, number) for number in range(60)])
    first = trail.lookup_events(LookupAttributes=by("Username", "alice"))
    assert len(first["Events"]) == 50
    token = first["NextToken"]
    rest = trail.lookup_events(LookupAttributes=by("Username", "alice"), NextToken=token)
    assert len(rest["Events"]) == 10
    assert "NextToken" not in rest
    for other in (
        {},
        {"LookupAttributes": by("Username", "bob")},
        {"LookupAttributes": by("Username", "alice"), "StartTime": clock.now - timedelta(days=1)},
    ):
        clock.seconds += 1
        assert refused(partial(trail.lookup_events, NextToken=token, **other))[0] == ("InvalidNextTokenException")
    elsewhere = client(emulator.session(FAR), "cloudtrail")
    same = {"LookupAttributes": by("Username", "alice"), "NextToken": token}
    assert refused(lambda: elsewhere.lookup_events(**same))[0] == "InvalidNextTokenException"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.lists(st.integers(0, 40), max_size=40), size=st.integers(1, 50), late=st.integers(0, 5))
def test_pages_give_every_event_once_even_when_others_arrive(
    unlimited: Emulator, clock: Clock, seconds: list[int], size: int, late: int
) -> None:
    unlimited._world.histories.clear()
    unlimited.put_events(HOME, "us-east-1", [record(clock, n, ago=ago) for n, ago in enumerate(seconds)])
    trail = client(unlimited.session(HOME), "cloudtrail")
    token: dict[str, str] = {}
    seen: list[str] = []
    while True:
        page = trail.lookup_events(MaxResults=size, **token)
        seen += ids(page)
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
        unlimited.put_events(HOME, "us-east-1", [record(clock, 1000 + n, ago=0) for n in range(late)])
    assert [name for name in seen if int(name.removeprefix("event-")) < 1000] == [
        f"event-{n}" for n, _ in sorted(enumerate(seconds), key=lambda item: (item[1], -item[0]))
    ]
    assert len(seen) == len(set(seen))


def test_two_requests_a_second_for_each_account_and_region(trail: Any, home: Any, far: Any, clock: Clock) -> None:
    for _ in range(2):
        trail.lookup_events()
    code, message, status = refused(trail.lookup_events)
    assert (code, message, status) == ("ThrottlingException", "Rate exceeded", 400)
    client(home, "cloudtrail", "eu-west-1").lookup_events()
    client(far, "cloudtrail").lookup_events()
    clock.seconds += 0.9
    assert refused(trail.lookup_events)[0] == "ThrottlingException"
    clock.seconds += 0.1
    trail.lookup_events()


def test_many_events_stay_quick(unlimited: Emulator, clock: Clock) -> None:
    template = json.dumps(record(clock, 0, pad="x" * 500))
    records = (
        template.replace("event-0", f"event-{n}").replace("alice", f"u{n % 500}").encode() for n in range(40_000)
    )
    started = time.perf_counter()
    assert unlimited.put_events(HOME, "us-east-1", records) == 40_000
    put = time.perf_counter() - started
    trail = client(unlimited.session(HOME), "cloudtrail")
    trail.lookup_events(LookupAttributes=by("Username", "u7"))
    started = time.perf_counter()
    pages = list(trail.get_paginator("lookup_events").paginate(LookupAttributes=by("Username", "u7")))
    look_up = time.perf_counter() - started
    assert sum(len(page["Events"]) for page in pages) == 80
    assert put < 15, f"{put:.1f} s"
    assert look_up < 3, f"{look_up:.1f} s"


def test_history_ends_with_the_emulator(clock: Clock) -> None:
    with Emulator(now=lambda: clock.now) as first:
        first.put_events(HOME, "us-east-1", [record(clock, 1)])
    with Emulator(now=lambda: clock.now) as second:
        assert ids(client(second.session(HOME), "cloudtrail").lookup_events()) == []


def make_trail(admin: Any, name: str, region: str = "us-east-1", **more: Any) -> str:
    bucket = f"{name}-logs"
    client(admin, "s3").create_bucket(Bucket=bucket)
    cloudtrail = client(admin, "cloudtrail", region)
    arn: str = cloudtrail.create_trail(Name=name, S3BucketName=bucket, **more)["TrailARN"]
    cloudtrail.start_logging(Name=name)
    return arn


def test_multi_region_trails_are_shadows_elsewhere(home: Any) -> None:
    everywhere = make_trail(home, "everywhere", IsMultiRegionTrail=True)
    local = make_trail(home, "local")
    elsewhere = client(home, "cloudtrail", "eu-west-1")
    (shadow,) = elsewhere.describe_trails()["trailList"]
    assert (shadow["TrailARN"], shadow["HomeRegion"]) == (everywhere, "us-east-1")
    assert elsewhere.describe_trails(includeShadowTrails=False)["trailList"] == []
    assert elsewhere.get_trail_status(Name=everywhere)["IsLogging"] is True
    assert elsewhere.get_event_selectors(TrailName=everywhere)["EventSelectors"][0]["IncludeManagementEvents"]
    assert refused(lambda: elsewhere.get_trail_status(Name=local))[0] == "TrailNotFoundException"
    assert refused(lambda: elsewhere.get_trail(Name="everywhere"))[0] == "TrailNotFoundException"
    assert {item["TrailARN"] for item in elsewhere.list_trails()["Trails"]} == {everywhere, local}


def test_organisation_trails_show_in_member_accounts(emulator: Emulator, home: Any) -> None:
    organizations = client(home, "organizations")
    organizations.create_organization(FeatureSet="ALL")
    created = organizations.create_account(AccountName="dev", Email="dev@example.com")
    member = emulator.session(created["CreateAccountStatus"]["AccountId"])
    arn = make_trail(home, "org-trail", IsMultiRegionTrail=True, IsOrganizationTrail=True)
    (seen,) = client(member, "cloudtrail").describe_trails()["trailList"]
    assert (seen["TrailARN"], seen["IsOrganizationTrail"]) == (arn, True)
    assert client(member, "cloudtrail").get_trail_status(Name=arn)["IsLogging"] is True
    assert client(emulator.session(FAR), "cloudtrail").describe_trails()["trailList"] == []


def test_looking_up_needs_the_permission(emulator: Emulator, home: Any) -> None:
    role = make_role(home, "reader", trust(f"arn:aws:iam::{HOME}:root"), policies=policy(allow("s3:*")))
    session = assume(emulator, home, role)
    assert refused(client(session, "cloudtrail").lookup_events)[0] == "AccessDeniedException"
