"""IAM's credential report, read with care."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.aws.credential_report import ROOT, ReportedKey, parse_credential_report
from trailwarden.errors import SourceError

COLUMNS = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,"
    "mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,"
    "access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,"
    "access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,"
    "cert_1_last_rotated,cert_2_active,cert_2_last_rotated"
)
ROOT_LINE = (
    "<root_account>,arn:aws:iam::111111111111:root,2019-03-02T08:00:00+00:00,not_supported,2026-01-05T10:11:12+00:00,"
    "not_supported,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
)
MARIA = {
    "user": "maria",
    "arn": "arn:aws:iam::111111111111:user/maria",
    "user_creation_time": "2024-05-06T07:08:09+00:00",
    "password_enabled": "true",
    "password_last_used": "2026-11-01T02:03:04+00:00",
    "mfa_active": "false",
    "access_key_1_active": "true",
    "access_key_1_last_rotated": "2025-01-01T00:00:00+00:00",
    "access_key_1_last_used_date": "2026-11-20T21:00:00+00:00",
    "access_key_1_last_used_region": "eu-central-1",
    "access_key_1_last_used_service": "s3",
    "access_key_2_active": "false",
}


def line(**changed: str) -> str:
    return ",".join({**MARIA, **changed}.get(column, "N/A") for column in COLUMNS.split(","))


def report(*lines: str) -> str:
    return "\n".join((COLUMNS, *lines))


def test_a_user_and_root_are_read_whole() -> None:
    users = parse_credential_report(report(ROOT_LINE, line()))
    root, maria = users["arn:aws:iam::111111111111:root"], users[MARIA["arn"]]
    assert (root.name, root.console_password, root.mfa) == (ROOT, None, True)
    assert root.password_last_used == datetime(2026, 1, 5, 10, 11, 12, tzinfo=UTC)
    assert (maria.console_password, maria.mfa) == (True, False)
    assert maria.created == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert maria.keys == (
        ReportedKey(
            active=True,
            rotated=datetime(2025, 1, 1, tzinfo=UTC),
            last_used=datetime(2026, 11, 20, 21, tzinfo=UTC),
            last_service="s3",
            last_region="eu-central-1",
        ),
        ReportedKey(active=False),
    )


@pytest.mark.parametrize("nothing", ["N/A", "no_information", "not_supported", "", "No_Information"])
def test_what_stands_for_no_value_is_none(nothing: str) -> None:
    (user,) = parse_credential_report(
        report(
            line(
                password_enabled=nothing,
                password_last_used=nothing,
                mfa_active=nothing,
                access_key_1_last_used_date=nothing,
                access_key_1_last_used_service=nothing,
            )
        )
    ).values()
    assert (user.console_password, user.password_last_used, user.mfa) == (None, None, None)
    assert (user.keys[0].last_used, user.keys[0].last_service) == (None, None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(report(line(mfa_active="perhaps")), "perhaps", id="neither true nor false"),
        pytest.param(report(line(password_last_used="yesterday")), "yesterday", id="not a time"),
        pytest.param(report(line(password_last_used="2026-11-01T02:03:04")), "without a zone", id="no zone"),
        pytest.param(report(line(user_creation_time="N/A")), "date of creation", id="no creation"),
        pytest.param(report(ROOT_LINE, "maria"), "line 3", id="a line cut short"),
        pytest.param("user,arn\nmaria,arn:aws:iam::111111111111:user/maria", "no column", id="a column missing"),
    ],
)
def test_another_form_is_an_error_and_not_a_guess(content: str, says: str) -> None:
    with pytest.raises(SourceError, match="credential report") as caught:
        parse_credential_report(content)
    assert says in str(caught.value)


def test_an_account_without_users_has_the_root_line_alone() -> None:
    assert list(parse_credential_report(report(ROOT_LINE))) == ["arn:aws:iam::111111111111:root"]


@given(
    st.integers(min_value=1_300_000_000, max_value=2_200_000_000),
    st.integers(min_value=-14, max_value=14),
    st.sampled_from(["true", "TRUE", "True", "false", "FALSE"]),
)
def test_times_are_in_utc_and_flags_in_any_case(seconds: int, hours: int, flag: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    written = moment + timedelta(hours=hours)
    text = f"{written:%Y-%m-%dT%H:%M:%S}{hours:+03d}:00"
    (user,) = parse_credential_report(report(line(password_last_used=text, password_enabled=flag))).values()
    assert user.password_last_used == moment
    assert user.password_last_used is not None
    assert user.password_last_used.tzinfo == UTC
    assert user.console_password is (flag.lower() == "true")
