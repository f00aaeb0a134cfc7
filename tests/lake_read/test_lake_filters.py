"""Filters: what each field means, that hostile values are data, and that search equals a plain filter in Python."""

from collections.abc import Iterator
from pathlib import Path

import lake_read_records as the
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_read_records import ADDRESSES, BUCKETS, NAMES, NOW, Facts, Record, record

from trailwarden.errors import UsageError
from trailwarden.lake.query import counts, records, search
from trailwarden.lake.store import Lake
from trailwarden.lake.where import LONGEST_VALUE
from trailwarden.model.event import VALUE_FIELDS, EventFilter, EventPage, EventQuery, Order
from trailwarden.model.time import Window

RECORDS = the.random_records(seed=11, count=600)
FACTS = sorted((Facts(each) for each in RECORDS), key=lambda facts: facts.order)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with the.build(tmp_path_factory.mktemp("filters") / "lake", RECORDS) as lake:
        yield lake


def find(lake: Lake, where: EventFilter, *, window: Window | None = None, limit: int = 1000) -> EventPage:
    query = EventQuery(where=where, window=window, order="oldest", limit=limit)
    return search(lake, query, now=NOW, facets=False, histogram=False)


def found(lake: Lake, **fields: object) -> list[int]:
    return sorted(int(event.event_id[:8]) for event in find(lake, EventFilter(**fields)).events)  # type: ignore[arg-type]


def role_session(name: str, *, role: str = "Admin", issuer: bool = True, **context: object) -> Record:
    arn = {"type": "Role", "userName": role, "arn": f"arn:aws:iam::111111111111:role/team/{role}"}
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{name}",
        "arn": f"arn:aws:sts::111111111111:assumed-role/{role}/{name}",
        "accessKeyId": "ASIAEXAMPLE000000001",
        "sessionContext": ({"sessionIssuer": arn} if issuer else {}) | context,
    }


DANA = record(0)
SAM = record(1, userIdentity=role_session("Sam@Example.com", sourceIdentity="sam"))
ROOT = record(2, userIdentity={"type": "Root", "arn": "arn:aws:iam::111111111111:root"})
CENTER = record(
    3, userIdentity={"type": "IdentityCenterUser"}, additionalEventData={"UserName": "kim"}, eventName="Authentication"
)
BARE = record(
    4, userIdentity=role_session("batch", issuer=False), eventSource="s3.amazonaws.com", eventName="GetObject"
)
SMALL = (DANA, SAM, ROOT, CENTER, BARE)
ODD = (
    record(0, errorCode="NoSuchBucket"),
    record(1, errorCode="AccessDenied"),
    record(2, errorCode="AccessDeniedException"),
    record(3, errorCode="Client.UnauthorizedOperation"),
    record(4, resources=[{"accountId": "111111111111", "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::logs"}]),
    record(5, requestParameters={"bucketName": "logs", "Logs": {"bucketName": 1}}),
    record(6, requestParameters={"deep": [{"key": 'quo"te\\d'}]}),
    record(7, responseElements={"note": "a naïve one"}, tlsDetails={"tlsVersion": "TLS1.3"}),
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with the.build(tmp_path_factory.mktemp("small") / "lake", SMALL) as lake:
        yield lake


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with the.build(tmp_path_factory.mktemp("odd") / "lake", ODD) as lake:
        yield lake


#: (field, value, numbers of the records of SMALL, and of ODD, that it finds)
CASES: list[tuple[str, str, list[int]]] = [
    ("user", "DANA", [0]),
    ("user", "sam@example.com", [1]),
    ("user", "Sam", [1]),
    ("user", "sam*", [1]),
    ("user", "kim", [3]),
    ("user", "root", [2]),
    ("user", "arn:aws:iam::111111111111:user/dana", [0]),
    ("user", "arn:aws:iam::111111111111:user/Dana", []),
    ("user", "da", []),
    ("access_key", "ASIAEXAMPLE000000001", [1, 4]),
    ("access_key", "asiaexample000000001", []),
    ("access_key", "ASIA*", [1, 4]),
    ("ip", "192.0.2.1", [0, 1, 2, 3, 4]),
    ("ip", "192.0.2.0/24", [0, 1, 2, 3, 4]),
    ("ip", "192.0.2.2/31", []),
    ("event", "getobject", [4]),
    ("event", "s3:GetObject", [4]),
    ("event", "s3.amazonaws.com:Get*", [4]),
    ("event", "iam:GetObject", []),
    ("event", "S3:*", [4]),
    ("source", "s3", [4]),
    ("source", "S3.amazonaws.com", [4]),
    ("source", "s*", [4]),
    ("role", "ADMIN", [1, 4]),
    ("role", "arn:aws:iam::111111111111:role/team/Admin", [1, 4]),
    ("role", "arn:aws:iam::111111111111:role/team/admin", []),
    ("role", "arn:aws:iam::222222222222:role/team/Admin", []),
    ("role", "arn:aws:sts::111111111111:assumed-role/Admin", [1, 4]),
    ("role", "arn:aws:sts::111111111111:assumed-role/Admin/batch", [4]),
    ("session", "BATCH", [4]),
    ("arn", "arn:aws:iam::111111111111:root", [2]),
    ("arn", "arn:aws:sts::*:assumed-role/Admin/*", [1, 4]),
    ("account", "111111111111", [0, 1, 2, 3, 4]),
    ("account", "11111111111", []),
    ("region", "US-EAST-1", [0, 1, 2, 3, 4]),
    ("region", "eu-*", []),
    ("user_agent", "AWS-CLI/*", [0, 1, 2, 3, 4]),
    ("principal_type", "assumedrole", [1, 4]),
    ("text", "kim", [3]),
    ("text", "KIM", []),
    ("text", "assumed-role/Admin", [1, 4]),
]
ERROR_CASES: list[tuple[str, str, list[int]]] = [
    ("error", "nosuchbucket", [0]),
    ("error", "Access*", [1, 2]),
    ("error", "*", [0, 1, 2, 3]),
    ("error", "NoSuch_ucket*", []),
    ("error", "NoSuch%*", []),
    ("resource", "arn:aws:s3:::logs", [4]),
    ("resource", "logs", [4, 5]),
    ("resource", "Logs", []),
    ("resource", "lo*", [4, 5]),
    ("resource", "bucketName", []),
    ("resource", "111111111111", []),
    ("resource", 'quo"te\\d', [6]),
    ("text", 'quo"te\\d', [6]),
    ("text", "naïve", [7]),
    ("text", "NAÏVE", []),
    ("text", "na*ve", [7]),
    ("text", "tls1.3", [7]),
]


@pytest.mark.parametrize(("field", "value", "numbers"), CASES)
def test_a_field_finds_what_it_says(field: str, value: str, numbers: list[int], small: Lake) -> None:
    assert found(small, **{field: (value,)}) == numbers
    rest = sorted({0, 1, 2, 3, 4} - set(numbers))
    assert found(small, exclude=EventFilter(**{field: (value,)})) == rest  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "value", "numbers"), ERROR_CASES)
def test_errors_resources_and_text(field: str, value: str, numbers: list[int], odd: Lake) -> None:
    assert found(odd, **{field: (value,)}) == numbers


def test_every_field_of_the_filter_has_cases() -> None:
    assert {field for field, _, _ in (*CASES, *ERROR_CASES)} == set(VALUE_FIELDS)


def test_text_is_found_where_json_escapes_it(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "lake") as lake:
        escaped = b'{"eventTime":"2026-11-20T10:00:00Z","eventID":"1","requestParameters":{"a":"caf\\u00e9 \\u65e5"}}'
        the.land(lake, [escaped], source="files", location="/logs", now=NOW)
        assert [len(find(lake, EventFilter(text=(text,))).events) for text in ("café", "日", "tea")] == [1, 1, 0]


def test_denied_failed_and_read_only_say_the_same_as_the_events(tmp_path: Path) -> None:
    login = {"eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin"}
    records = (
        record(0),
        record(1, errorCode="AccessDenied", errorMessage="no"),
        record(2, errorCode="Server.AccessDenied"),
        record(3, errorCode="AccessDeniedByNobody"),
        record(4, **login, responseElements={"ConsoleLogin": "Failure"}),
        record(5, **login, responseElements={"ConsoleLogin": "Success"}),
        record(6, **login, serviceEventDetails={"CredentialVerification": "Failure"}),
        record(7, **login, errorMessage="Failed authentication"),
        record(8, responseElements={"ConsoleLogin": "Failure"}),
        record(9, errorCode="", readOnly=False),
        {key: value for key, value in record(10).items() if key != "readOnly"},
    )
    with the.build(tmp_path / "lake", records) as lake:
        assert found(lake, denied=True) == [1, 2]
        assert found(lake, denied=False) == [0, 3, 4, 5, 6, 7, 8, 9, 10]
        assert found(lake, failed=True) == [1, 2, 3, 4, 6, 7]
        assert found(lake, failed=False) == [0, 5, 8, 9, 10]
        assert found(lake, read_only=False) == [9]
        assert found(lake, read_only=True) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
        assert found(lake, exclude=EventFilter(read_only=True)) == [9, 10]
        page = find(lake, EventFilter())
        failures = [int(event.event_id[:8]) for event in page.events if event.outcome == "failure"]
        assert failures == found(lake, failed=True)
        assert page.failed == len(failures)


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("10.0.0.1", {"10.0.0.1"}),
        ("10.0.0.0/24", {"10.0.0.1", "10.0.0.200"}),
        ("10.16.0.0/12", {"10.16.5.4", "10.31.255.255"}),
        ("10.0.0.0/15", {"10.0.0.1", "10.0.0.200", "10.0.1.1"}),
        ("0.0.0.0/0", {a for a in ADDRESSES if a[0] == "1" and ":" not in a and a not in ("10.0.0.300", "10.0.0.01")}),
        ("192.0.2.7/32", {"192.0.2.7"}),
        ("255.090.254.5", {"255.090.254.5"}),
        ("AWS Internal", {"AWS Internal"}),
        ("ec2.amazonaws.com", {"ec2.amazonaws.com"}),
        ("2001:0db8:0000::0001", {"2001:db8::1", "2001:DB8:0:0::1"}),
        ("2001:db8::/32", {"2001:db8::1", "2001:DB8:0:0::1", "2001:db8:1::5"}),
        ("::/0", {"2001:db8::1", "2001:DB8:0:0::1", "2001:db8:1::5", "::ffff:10.0.0.1", "fe80::1"}),
        ("2001:db8:ffff::/48", set()),
        ("10.0.*", {"10.0.0.1", "10.0.0.200", "10.0.1.1", "10.0.0.1:443", "10.0.0.300", "10.0.0.01"}),
    ],
)
def test_addresses(value: str, addresses: set[str], lake: Lake) -> None:
    page = find(lake, EventFilter(ip=(value,)))
    assert {event.source_ip for event in page.events} == addresses
    assert page.total == sum(facts.record.get("sourceIPAddress") in addresses for facts in FACTS)


def test_each_excluded_field_excludes_on_its_own(tmp_path: Path) -> None:
    records = (
        record(0),
        record(1, sourceIPAddress="192.0.2.9"),
        record(2, userIdentity=role_session("sam"), sourceIPAddress="192.0.2.9"),
        record(3, userIdentity=role_session("sam")),
    )
    with the.build(tmp_path / "lake", records) as lake:
        assert found(lake, exclude=EventFilter(user=("dana",), ip=("192.0.2.9",))) == [3]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_values_are_data(name: str, lake: Lake) -> None:
    page = find(lake, EventFilter(user=(name,)))
    expected = [facts for facts in FACTS if the.matches(facts, EventFilter(user=(name,)))]
    assert the.ids(page.events) == [facts.record["eventID"] for facts in expected]
    assert expected
    assert records(lake, name) == []


@pytest.mark.parametrize("field", VALUE_FIELDS)
def test_values_that_cannot_be_searched_for_are_refused(field: str, lake: Lake) -> None:
    for value in ("x" * (LONGEST_VALUE + 1), "\udcff"):
        with pytest.raises(UsageError) as refused:
            find(lake, EventFilter(**{field: (value,)}))  # type: ignore[arg-type]
        assert refused.value.remedy
    odd = EventFilter(**{field: ("x" * LONGEST_VALUE, "\0", "((((", "[", "\\")})  # type: ignore[arg-type]
    assert find(lake, odd).total == sum(the.matches(facts, odd) for facts in FACTS)


POOLS: dict[str, tuple[str, ...]] = {
    "user": (*NAMES, "arn:aws:iam::111111111111:user/alice"),
    "access_key": ("AKIA0000000000000000", "ASIA0000000000000001", "akia0000000000000000"),
    "ip": (*ADDRESSES, "10.0.0.0/8", "10.0.0.0/23", "2001:db8::/32", "0.0.0.0/0", "::1"),
    "event": ("CreateUser", "iam:CreateUser", "s3:*", "*:List*", "RUNINSTANCES", "kms.amazonaws.com:decrypt", "x:*"),
    "source": ("iam", "S3.amazonaws.com", "s*", "*", "nothing"),
    "role": (*the.ROLES, "arn:aws:iam::111111111111:role/path/Admin", "arn:aws:sts::222222222222:assumed-role/admin"),
    "session": NAMES,
    "arn": ("arn:aws:iam::111111111111:root", "arn:aws:iam::*:user/*", "arn:aws:sts::*:assumed-role/Admin/alice"),
    "error": ("AccessDenied", "access*", "*", "NoSuchBucket", "%"),
    "account": the.ACCOUNTS,
    "region": ("us-east-1", "EU-*", "nowhere"),
    "resource": (*BUCKETS, "arn:aws:s3:::logs", "ARN", "bucketName", "b"),
    "user_agent": ("aws-cli/2.1", "*boto*", "boto3/1.4%", "%"),
    "principal_type": ("IAMUser", "root", "AWS*"),
    "text": (*NAMES, *BUCKETS, "arn:aws:s3:::", "no: ", "NO: ", '"logs"', "nothing at all", "S3:::Back*slash"),
}


@st.composite
def values(draw: st.DrawFn, field: str) -> str:
    value = draw(st.sampled_from(POOLS[field]))
    how = draw(st.integers(0, 5))
    if how == 0 and len(value) > 2 and "/" not in value:
        at = draw(st.integers(1, len(value) - 1))
        value = draw(st.sampled_from((value[:at] + "*", "*" + value[at:], value[: at - 1] + "*" + value[at:])))
    return value.swapcase() if how == 1 and not value.startswith("arn:") else value


def filters(*, most: int) -> st.SearchStrategy[EventFilter]:
    flag = st.none() | st.booleans()
    value_fields = st.lists(st.sampled_from(VALUE_FIELDS), max_size=most, unique=True).flatmap(
        lambda names: st.fixed_dictionaries(
            {name: st.lists(values(name), min_size=1, max_size=3).map(tuple) for name in names}
        )
    )
    flags = st.fixed_dictionaries({}, optional={"denied": flag, "failed": flag, "read_only": flag})
    return st.builds(lambda a, b: EventFilter(**a, **b), value_fields, flags)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=filters(most=2),
    exclude=st.none() | filters(most=2),
    order=st.sampled_from(("newest", "oldest")),
    few=st.sampled_from((0, 2000)),
)
def test_search_equals_a_plain_filter(
    lake: Lake, where: EventFilter, exclude: EventFilter | None, order: Order, few: int
) -> None:
    asked = msgspec.structs.replace(where, exclude=exclude)
    query = EventQuery(where=asked, window=None, order=order, limit=1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trailwarden.lake.query.FEW", few)
        page = search(lake, query, now=NOW, facets=False, histogram=False)
    expected = [facts for facts in FACTS if the.matches(facts, asked)]
    given_ids = the.ids(page.events)
    assert (given_ids if order == "oldest" else given_ids[::-1]) == [facts.record["eventID"] for facts in expected]
    assert page.total == len(expected)
    assert page.failed == sum(facts.failed for facts in expected)
    assert (page.first, page.last) == ((expected[0].time, expected[-1].time) if expected else (None, None))
    assert page.failed == sum(event.outcome == "failure" for event in page.events)


def test_grouping_counts_each_value(lake: Lake) -> None:
    query = EventQuery(where=EventFilter(region=("us-east-1",)), window=None)
    mine = [facts for facts in FACTS if facts.record.get("awsRegion") == "us-east-1"]
    counted = counts(lake, query, by="session")
    assert {(each.value, each.count, each.first, each.last) for each in counted} == {
        (value, len(times), min(times), max(times))
        for value in {facts.session for facts in mine}
        if (times := [facts.time for facts in mine if facts.session == value])
    }
    assert [each.count for each in counted] == sorted((each.count for each in counted), reverse=True)
    assert counts(lake, query, by="session", most=2) == counted[:2]
    with pytest.raises(UsageError):
        counts(lake, query, by="event_id")  # type: ignore[arg-type]
