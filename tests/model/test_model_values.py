"""ARNs, indicators, filters and coverage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.errors import UsageError
from trailwarden.model.arn import Arn, parse_role_arn, partition_of_region, role_of_session
from trailwarden.model.event import EventFilter
from trailwarden.model.finding import Coverage, Gap
from trailwarden.model.indicator import find_indicators, indicator_of


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("arn:aws:iam::111111111111:role/path/to/Admin", "role", "Admin"),
        ("arn:aws:sts::111111111111:assumed-role/Admin/john@company.com", "assumed-role", "john@company.com"),
        ("arn:aws-cn:lambda:cn-north-1:111111111111:function:fn:7", "function", "7"),
        ("arn:aws:s3:::bucket", "", "bucket"),
        ("arn:aws:iam::111111111111:root", "", "root"),
    ],
)
def test_arns_come_apart_and_together(text: str, kind: str, name: str) -> None:
    arn = Arn.parse(text)
    assert (str(arn), arn.kind, arn.name) == (text, kind, name)


@pytest.mark.parametrize(
    "text", ["", "arn", "arn:aws:iam::1", "urn:aws:iam::1:role/x", "arn::iam::1:x", "arn:aws:::1:"]
)
def test_what_is_no_arn_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Arn.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:iam::111111111111:user/john",
        "arn:aws:sts::111111111111:assumed-role/Admin/x",
        "arn:aws:iam::1111:role/Admin",
        "arn:moon:iam::111111111111:role/Admin",
        "Admin",
    ],
)
def test_only_role_arns_connect(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_role_arn(text)
    assert caught.value.remedy


def test_a_session_leads_to_its_role() -> None:
    session = Arn.parse("arn:aws-us-gov:sts::111111111111:assumed-role/Admin/john")
    assert str(role_of_session(session)) == "arn:aws-us-gov:iam::111111111111:role/Admin"
    assert partition_of_region("us-gov-west-1") == "aws-us-gov"
    assert partition_of_region("cn-north-1") == "aws-cn"
    assert partition_of_region("eu-central-1") == "aws"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Who used 185.220.101.1 since Monday?", [("ip", "185.220.101.1")]),
        (
            "john@company.com, jane.doe+x@sub.company.co.uk.",
            [("email", "john@company.com"), ("email", "jane.doe+x@sub.company.co.uk")],
        ),
        (
            "key AKIAIOSFODNN7EXAMPLE (or ASIAIOSFODNN7EXAMPLE)",
            [("access_key", "AKIAIOSFODNN7EXAMPLE"), ("access_key", "ASIAIOSFODNN7EXAMPLE")],
        ),
        (
            "10.1.2.3/8 and 2001:DB8::1 and fe80::/10",
            [("cidr", "10.0.0.0/8"), ("ip", "2001:db8::1"), ("cidr", "fe80::/10")],
        ),
        ("at 12:30:45 on 2026-11-24T03:00:00Z", []),
        ("account 111111111111 or 1111-2222-3333", [("account_id", "111111111111"), ("account_id", "111122223333")]),
        ("role arn:aws:iam::111111111111:role/x/Admin.", [("arn", "arn:aws:iam::111111111111:role/x/Admin")]),
        (
            "i-0abcdef1234567890 i-1234abcd i-xyz",
            [("instance_id", "i-0abcdef1234567890"), ("instance_id", "i-1234abcd")],
        ),
        ("AWSReservedSSO_Admin_0123456789abcdef", [("role_name", "AWSReservedSSO_Admin_0123456789abcdef")]),
        ("role/AdminRole.", [("role_name", "AdminRole")]),
        ("event 6E882B9D-2AF8-4C67-B91F-AEAC6A0E5E70", [("event_id", "6e882b9d-2af8-4c67-b91f-aeac6a0e5e70")]),
        ("version 1.2.3.4.5, v1.2.3.4, 999.1.1.1, 1.2.3.4/33, AKIAshort", []),
    ],
)
def test_indicators_are_recognised_in_text(text: str, found: list[tuple[str, str]]) -> None:
    assert [(indicator.kind, indicator.value) for indicator in find_indicators(text)] == found


@given(st.text(max_size=200))
def test_indicators_never_overlap_and_stand_where_they_say(text: str) -> None:
    end = 0
    for indicator in find_indicators(text):
        assert end <= indicator.start < indicator.end <= len(text)
        end = indicator.end


@given(st.ip_addresses())
def test_every_address_is_recognised(address: object) -> None:
    indicator = indicator_of(f" {address} ")
    assert indicator is not None
    assert (indicator.kind, indicator.value) == ("ip", str(address))


def test_an_exclusion_has_no_exclusion() -> None:
    with pytest.raises(UsageError):
        EventFilter(exclude=EventFilter(exclude=EventFilter(user=("x",))))


def test_an_empty_filter_knows_it() -> None:
    assert EventFilter().empty
    assert not EventFilter(denied=False).empty


def test_gaps_make_coverage_incomplete_and_are_not_repeated() -> None:
    gap = Gap(kind="denied", reason="no", account="111111111111")
    coverage = Coverage().with_gaps([gap, gap], ["note", "note"])
    assert Coverage().complete
    assert not coverage.complete
    assert (coverage.gaps, coverage.notes) == ((gap,), ("note",))
