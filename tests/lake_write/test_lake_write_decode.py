"""A record comes back equal as JSON, whatever its shape; what the columns hold of it is what CloudTrail means."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_write_records import canonical, document, record, role_session

from trailwarden.lake.columns import columns
from trailwarden.lake.decode import Decoded, decode_file, decode_records, restore
from trailwarden.lake.layout import COLUMN_NAMES, COLUMNS

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "cloudtrail"
Json = Any


def rows_of(data: bytes) -> list[dict[str, Any]]:
    pieces: list[Decoded] = list(decode_file(data))
    batch = columns(pieces)
    assert not batch.bad
    assert not any(piece.bad for piece in pieces)
    rows: list[dict[str, Any]] = batch.rows.to_pylist()
    return rows


def row(value: dict[str, Any]) -> dict[str, Any]:
    return rows_of(document([value], separators=(",", ":")))[0]


def same(given: Any, got: Any) -> bool:
    """Equal as JSON: 1 and 1.0, true and 1 are different."""
    return bool(canonical(given) == canonical(got))


texts = st.text(max_size=8)
values: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["", "true", "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
KEYS = [c.origin for c in COLUMNS if not c.origin.startswith("=") and c.name != "event_time"] + [
    "apiVersion", "insightDetails", "sessionCredentialFromConsole", "addendum", "p_log_type", "$text", "eventid",
]  # fmt: skip
identities = st.dictionaries(
    st.sampled_from(["type", "arn", "principalId", "accountId", "userName", "sessionContext", "onBehalfOf"]),
    st.dictionaries(
        st.sampled_from(["sessionIssuer", "attributes", "userName", "arn", "creationDate"]), values, max_size=3
    )
    | values,
    max_size=4,
)
times = st.datetimes(datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2199-01-01")).map(
    lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ")
) | st.sampled_from(
    ["2026-11-03 10:15:00", "2026-11-03T10:15:00.123456789Z", "2026-11-03T10:15:00+02:00", "Aug 1, 2023, 1:02:03 PM"]
)
strange_records = st.builds(
    lambda members, identity, known, time: {**members, **known, **identity, "eventTime": time},
    st.dictionaries(texts, values, max_size=3),
    st.just({}) | st.fixed_dictionaries({"userIdentity": identities}),
    st.dictionaries(st.sampled_from(KEYS), values, max_size=8),
    times,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(strange_records, min_size=1, max_size=3), st.sampled_from([None, 1]), st.booleans())
def test_any_record_comes_back_equal(given: list[dict[str, Any]], indent: int | None, ascii_only: bool) -> None:
    got = [restore(row) for row in rows_of(document(given, indent=indent, ensure_ascii=ascii_only))]
    assert [canonical(value) for value in got] == [canonical(value) for value in given]


@pytest.mark.parametrize(
    "member",
    [
        '"n":1e400', '"n":-1E-400', '"n":1.0', '"n":1.10', '"n":123456789012345678901234567890', '"n":-0',
        '"requestParameters":{"n":1e400,"m":0.10}', '"eventName":null', '"readOnly":"true"', '"readOnly":1',
        '"eventID":"sha256-00000000000000000000000000000000"', '"eventID":null', '"eventID":7', '"eventID":""',
        '"eventName":"\\ud800"', '"requestParameters":{"a":"\\udc00x"}', '"\\ud800":1', '"userIdentity":null',
        '"userIdentity":{"arn":"\\ud800"}', '"responseElements":"text"', '"responseElements":null', '"$text":{"a":1}',
        '"resources":[]', '"additionalEventData":{"UserName":1,"MFAUsed":[]}', '"insightDetails":null',
        '"insightDetails":{"eventName":"X"}', '"insightDetails":{"eventName":"X"},"eventName":"Y"', '"a":{},"":""',
        '"eventName":"\\u0000"', '"a\\u0000b":"\\u0000"', '"userIdentity":{"sessionContext":{"n":1e999}}',
    ],
)  # fmt: skip
def test_what_json_allows_comes_back_equal(member: str) -> None:
    text = f'{{"eventTime":"2026-11-03T10:15:00Z",{member}}}'
    got = restore(rows_of(f'{{"Records":[{text}]}}'.encode())[0])
    assert same(json.loads(text), got)


def test_numbers_too_long_for_python_do_not_stop_anything() -> None:
    digits = "7" * 5000
    text = f'{{"eventTime":"2026-11-03T10:15:00Z","requestParameters":{{"n":{digits}}}}}'
    got = rows_of(f'{{"Records":[{text}]}}'.encode())[0]
    assert got["request_parameters"] == f'{{"n":{digits}}}'
    assert str(restore(got)["requestParameters"]["n"]) == digits


def test_of_a_key_written_twice_the_last_counts() -> None:
    data = b'{"Records":[{"eventTime":"2026-11-03T10:15:00Z","eventName":"A","x":1,"eventName":"B","x":2}]}'
    assert restore(rows_of(data)[0]) == {"eventTime": "2026-11-03T10:15:00Z", "eventName": "B", "x": 2}


def test_databases_can_parse_every_json_column() -> None:
    import duckdb  # noqa: PLC0415

    text = (
        '{"eventTime":"2026-11-03T10:15:00Z","requestParameters":{"a":"\\ud800","b":1},'
        '"\\udfff":{"c":"\\ud801"},"n":1e400}'
    )
    got = rows_of(f'{{"Records":[{text}]}}'.encode())[0]
    assert got["request_parameters"] is None
    for column in COLUMNS:
        if column.type == "json" and got[column.name] is not None:
            assert duckdb.execute("SELECT json_valid(?)", [got[column.name]]).fetchone() == (True,)
    assert same(json.loads(text), restore(got))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real records is not here")
def test_every_real_record_comes_back_equal() -> None:
    count = 0
    for path in sorted(CORPUS.rglob("*.json")):
        data = path.read_bytes()
        timed = [r for r in json.loads(data)["Records"] if r.get("eventTime", "redacted") != "redacted"]
        pieces = list(decode_file(data))
        got = [restore(each) for each in columns(pieces).rows.to_pylist()]
        assert len(got) == len(timed)
        assert all(same(a, b) for a, b in zip(timed, got, strict=True))
        count += len(got)
    assert count > 900


def test_rows_have_the_columns_of_the_layout_in_order() -> None:
    assert tuple(row(record(1))) == COLUMN_NAMES


def test_a_usual_record_needs_no_extra_and_null_is_not_absent() -> None:
    got = row(record(1))
    assert got["extra"] is None
    assert got["response_elements"] == "null"
    assert got["additional_event_data"] is None
    assert (
        row(record(1, apiVersion="2016-11-15", p_source="x"))["extra"] == '{"apiVersion":"2016-11-15","p_source":"x"}'
    )


def moment(time: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-03T{time}")


ROOT = {
    "type": "Root",
    "principalId": "111111111111",
    "arn": "arn:aws:iam::111111111111:root",
    "accountId": "111111111111",
}
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "role session",
        {"userIdentity": role_session()},
        {
            "user_type": "AssumedRole",
            "session_name": "alice@example.com",
            "user_name": None,
            "role_name": "Admin",
            "role_arn": "arn:aws:iam::111111111111:role/team/Admin",
            "issuer_id": "AROAEXAMPLEROLE000001",
            "mfa": True,
            "access_key_id": "ASIAIOSFODNN7EXAMPLE",
            "session_created": moment("10:00:00"),
            "actor": "alice@example.com",
        },
    ),
    (
        "session name from the arn alone, role from the arn",
        {"userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::111111111111:assumed-role/Ops/i-0abc"}},
        {"session_name": "i-0abc", "role_name": "Ops", "role_arn": None, "principal_id": None},
    ),
    (
        "session seen from another account",
        {"userIdentity": {"type": "AWSAccount", "principalId": "AROAEXAMPLE:carol", "accountId": "222222222222"}},
        {"session_name": "carol", "account_id": "111111111111", "user_account_id": "222222222222"},
    ),
    (
        "IAM user",
        {
            "userIdentity": {
                "type": "IAMUser",
                "principalId": "AIDA:x",
                "userName": "bob",
                "arn": "arn:aws:iam::1:user/bob",
            }
        },
        {"session_name": None, "user_name": "bob", "role_name": None, "actor": "bob"},
    ),
    (
        "federated user",
        {
            "userIdentity": {
                "type": "FederatedUser",
                "principalId": "111111111111:dave",
                "accountId": "111111111111",
                "sessionContext": {
                    "sessionIssuer": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/x", "userName": "x"}
                },
            }
        },
        {
            "user_name": "dave",
            "session_name": None,
            "issuer_arn": "arn:aws:iam::1:user/x",
            "role_arn": None,
            "role_name": None,
        },
    ),
    ("root", {"userIdentity": ROOT, "recipientAccountId": ...}, {"account_id": "111111111111", "actor": ROOT["arn"]}),
    (
        "service",
        {"userIdentity": {"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}},
        {"invoked_by": "autoscaling.amazonaws.com", "actor": "autoscaling.amazonaws.com"},
    ),
    ("nobody", {"userIdentity": ...}, {"user_type": None, "actor": "ec2.amazonaws.com"}),
    (
        "empty strings are no values",
        {
            "userIdentity": {"type": "AssumedRole", "arn": "", "accessKeyId": "", "principalId": ""},
            "recipientAccountId": "",
        },
        {"user_arn": None, "access_key_id": None, "session_name": None, "account_id": None, "recipient_account_id": ""},
    ),
    (
        "hidden user name",
        {
            "userIdentity": {"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"},
            "additionalEventData": {"MFAUsed": "No", "LoginTo": "x"},
        },
        {"user_name": None, "mfa": False},
    ),
    (
        "Identity Center sign-in",
        {
            "userIdentity": {
                "type": "IdentityCenterUser",
                "onBehalfOf": {"userId": "u-1", "identityStoreArn": "arn:x"},
            },
            "additionalEventData": {"UserName": "erin@example.com", "MFAUsed": "Yes"},
        },
        {"user_name": "erin@example.com", "mfa": True, "on_behalf_of": "u-1", "actor": "erin@example.com"},
    ),
    (
        "source identity, web identity, the other date format",
        {
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROA:s",
                "identityProvider": "token.actions.githubusercontent.com",
                "sessionContext": {
                    "sourceIdentity": "frank",
                    "attributes": {"creationDate": "Nov 3, 2026, 10:00:00 AM", "mfaAuthenticated": False},
                },
            }
        },
        {
            "source_identity": "frank",
            "mfa": False,
            "session_created": moment("10:00:00"),
            "identity_provider": "token.actions.githubusercontent.com",
        },
    ),
    ("readOnly as text", {"readOnly": "false"}, {"read_only": False, "extra": '{"readOnly":"false"}'}),
    (
        "wrong types",
        {"eventName": 7, "awsRegion": None},
        {"event_name": None, "aws_region": None, "extra": '{"awsRegion":null,"eventName":7}'},
    ),
    ("identity of another shape", {"userIdentity": ["x"]}, {"user_type": None, "user_identity": '["x"]'}),
    ("time with a space", {"eventTime": "2026-11-03 10:15:00"}, {"event_time": moment("10:15:00")}),
    ("time with a zone", {"eventTime": "2026-11-03T10:15:00.5+02:00"}, {"event_time": moment("08:15:00.500")}),
]


@pytest.mark.parametrize(("name", "changes", "expected"), CASES, ids=[case[0] for case in CASES])
def test_columns_mean_what_cloudtrail_means(name: str, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    got = row(record(1, **changes))
    if expected.get("extra"):
        expected = expected | {"extra": json.loads(expected["extra"])}
        got = got | {"extra": json.loads(got["extra"])}
    assert {key: got[key] for key in expected} == expected


def test_a_record_without_an_id_gets_one_of_its_content() -> None:
    bare = record(1, eventID=..., x=1.50)
    shuffled = dict(reversed(bare.items()))
    ids = {row(bare)["event_id"], row(shuffled)["event_id"], rows_of(document([bare], indent=3))[0]["event_id"]}
    assert len(ids) == 1
    assert len(ids.pop()) == len("sha256-") + 32
    assert row(record(1, eventID=..., x=1.51))["event_id"] != row(bare)["event_id"]
    assert "eventID" not in restore(row(bare))


def test_single_records_are_decoded_one_by_one() -> None:
    pieces = list(decode_records([json.dumps(record(1)).encode(), b"{", b"[]", json.dumps(record(2)).encode()]))
    assert [canonical(restore(each)) for each in columns(pieces).rows.to_pylist()] == [
        canonical(record(n)) for n in (1, 2)
    ]
    assert [(bad.place, bad.reason.split(":")[0]) for piece in pieces for bad in piece.bad] == [
        ("record 2", "not JSON"),
        ("record 3", "not JSON"),
    ]
