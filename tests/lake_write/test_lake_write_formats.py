"""Every shape in which records arrive lands, and what cannot be read is quarantined alone, with place and reason."""

import csv
import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lake_write_records import NOW, contents, document, multiset, read_in, record, role_session, rows, write

from trailwarden.errors import SourceError
from trailwarden.lake import formats
from trailwarden.lake.ingest import ingest
from trailwarden.lake.sources import day_in_name, local_objects
from trailwarden.lake.store import Lake
from trailwarden.progress import Silent

THREE = [record(1), record(2), record(3, responseElements={"é": "ü ✓"}, errorCode="AccessDenied")]


def lines(values: list[Any]) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def lookup(value: dict[str, Any]) -> dict[str, Any]:
    return {"EventId": value["eventID"], "Username": "alice", "CloudTrailEvent": json.dumps(value)}


def table(column: str, delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["eventtime", column, "n"])
    for number, value in enumerate(THREE):
        writer.writerow([value["eventTime"], json.dumps(value, indent=1), number])
    return out.getvalue().encode()


SHAPES: dict[str, tuple[str, bytes]] = {
    "delivered": ("a.json.gz", document(THREE, separators=(",", ":"))),
    "plain": ("a.json", document(THREE)),
    "pretty": ("a.json", document(THREE, indent=4)),
    "ascii escapes off": ("a.json", document(THREE, ensure_ascii=False)),
    "with a byte order mark": ("a.json", b"\xef\xbb\xbf" + document(THREE)),
    "utf-16 of PowerShell": ("a.json", document(THREE, ensure_ascii=False).decode().encode("utf-16")),
    "array": ("a.json", json.dumps(THREE).encode()),
    "lines": ("a.jsonl", lines(THREE)),
    "lines, gzipped": ("a.jsonl.gz", lines(THREE)),
    "lines, windows, with gaps": ("a.jsonl", lines(THREE).replace(b"\n", b"\r\n\r\n")),
    "lines with commas": ("a.jsonl", lines(THREE).replace(b"}\n", b"},\n")),
    "lines of documents": ("a.log", lines([{"Records": THREE[:2]}, {"Records": THREE[2:]}])),
    "lookup-events": (
        "a.json",
        json.dumps({"Events": [lookup(v) for v in THREE], "NextToken": "x"}, indent=4).encode(),
    ),
    "lookup-events, lines": ("a.jsonl", lines([lookup(v) for v in THREE])),
    "lookup-events, array": ("a.json", json.dumps([lookup(v) for v in THREE]).encode()),
    "csv of Athena": ("a.csv", table("CloudTrailEvent")),
    "csv of Splunk": ("a.csv.gz", table("_raw")),
    "tsv": ("a.tsv", table("record", "\t")),
    "splunk json": ("a.json", lines([{"preview": False, "result": {"_raw": json.dumps(v)}} for v in THREE])),
    "cloudwatch logs": ("a.json", json.dumps([{"@timestamp": "x", "@message": json.dumps(v)} for v in THREE]).encode()),
    "opensearch": ("a.json", lines([{"_index": "i", "_source": v} for v in THREE])),
    "opensearch, nested": ("a.json", lines([{"_index": "i", "_source": {"event": v}} for v in THREE])),
    "eventbridge": ("a.json", lines([{"detail-type": "AWS API Call via CloudTrail", "detail": v} for v in THREE])),
    "text in text": ("a.json", lines([{"raw": json.dumps({"message": json.dumps(v)})} for v in THREE])),
    "unknown name": ("records", document(THREE)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_lands(shape: str, tmp_path: Path) -> None:
    name, content = SHAPES[shape]
    path = write(tmp_path, name, content)
    with Lake.open(tmp_path / "lake") as lake:
        report = read_in(lake, path)
        assert (report.files, report.records, report.new, report.quarantined, report.unreadable) == (1, 3, 3, 0, 0)
        assert contents(lake) == multiset(THREE)


def test_a_single_record_lands(tmp_path: Path) -> None:
    path = write(tmp_path, "one.json", json.dumps(THREE[0], indent=2).encode())
    with Lake.open(tmp_path / "lake") as lake:
        assert read_in(lake, path).new == 1
        assert contents(lake) == multiset(THREE[:1])


@pytest.mark.parametrize("size", [1, 40])
def test_all_members_of_a_gzip_are_read(size: int, tmp_path: Path) -> None:
    batches = [[record(10 * n + m) for m in range(size)] for n in range(3)]
    path = tmp_path / "members.jsonl.gz"
    path.write_bytes(b"".join(gzip.compress(lines(batch)) for batch in batches))
    with Lake.open(tmp_path / "lake") as lake:
        read_in(lake, path)
        assert contents(lake).keys() == multiset([r for batch in batches for r in batch]).keys()


def test_members_of_equal_size_are_all_read(tmp_path: Path) -> None:
    members = [lines([record(1)]), lines([record(2)])]
    assert len(members[0]) == len(members[1])
    path = tmp_path / "members.jsonl.gz"
    path.write_bytes(b"".join(map(gzip.compress, members)))
    with Lake.open(tmp_path / "lake") as lake:
        assert read_in(lake, path).new == 2


def quarantined(lake: Lake) -> list[tuple[str, str]]:
    return sorted((q.place, q.reason) for q in lake.manifest.quarantined())


def test_a_bad_record_is_quarantined_alone(tmp_path: Path) -> None:
    odd = [
        record(1),
        "text",
        record(2, eventTime=...),
        record(3, eventTime="yesterday"),
        record(4, eventTime=1730628900),
        record(5, eventTime="2026-02-30T00:00:00Z"),
        record(6, eventTime="0001-01-01T00:00:00+09:00"),
        {"hello": "world"},
        record(7),
    ]
    path = write(tmp_path, "odd.json.gz", document(odd))
    with Lake.open(tmp_path / "lake") as lake:
        report = read_in(lake, path)
        assert (report.records, report.new, report.quarantined, report.unreadable) == (9, 2, 7, 0)
        assert contents(lake) == multiset([record(1), record(7)])
        assert quarantined(lake) == [
            ("record 2", "not a JSON object"),
            ("record 3", "no eventTime"),
            ("record 4", "eventTime is not a time"),
            ("record 5", "eventTime is not text"),
            ("record 6", "eventTime is not a time"),
            ("record 7", "eventTime is not a time"),
            ("record 8", "neither a record (no eventTime) nor a known envelope of records"),
        ]
        assert all(q.uri == path.as_uri() and len(q.snippet) <= formats.SNIPPET for q in lake.manifest.quarantined())


def test_times_that_do_not_exist_are_found_among_good_ones(tmp_path: Path) -> None:
    bad = [record(n, eventTime="2026-11-03T24:61:00Z") for n in (3, 4)]
    with Lake.open(tmp_path / "lake") as lake:
        write(tmp_path, "logs/a.json", document([record(1), record(2)]))
        write(tmp_path, "logs/b.json", document([bad[0], record(5), bad[1]]))
        report = read_in(lake, tmp_path / "logs")
        assert (report.new, report.quarantined) == (3, 2)
        assert [(q.uri[-6:], q.place) for q in lake.manifest.quarantined()] == [
            ("b.json", "record 1"),
            ("b.json", "record 3"),
        ]
        assert contents(lake) == multiset([record(1), record(2), record(5)])


def test_a_bad_line_is_quarantined_alone(tmp_path: Path) -> None:
    content = (
        lines([record(1)])
        + b'{"eventTime": "2026-11-03T10:00:00Z", \n'
        + b'{"a":"\xff","eventTime":"x"}\n'
        + lines([record(2)])
    )
    with Lake.open(tmp_path / "lake") as lake:
        report = read_in(lake, write(tmp_path, "a.jsonl", content))
        assert (report.records, report.new, report.quarantined) == (4, 2, 2)
        assert [place for place, _ in quarantined(lake)] == ["line 2", "line 3"]
        assert quarantined(lake)[1][1] == "not JSON: not UTF-8"


def broken_gzip() -> bytes:
    return gzip.compress(document([record(n) for n in range(200)]))[:-1200]


def damaged_checksum() -> bytes:
    packed = bytearray(gzip.compress(document([record(1)])))
    packed[-6] ^= 0xFF
    return bytes(packed)


@pytest.mark.parametrize(
    ("name", "content", "kept", "reason"),
    [
        ("broken off.json.gz", broken_gzip, "some", "the gzip stream breaks off"),
        ("checksum.json.gz", damaged_checksum, "all", "the gzip stream is damaged"),
        ("trailing.json.gz", lambda: gzip.compress(document([record(1)])) + b"rest", "all", "bytes that are not gzip"),
        ("broken off.json", lambda: document([record(n) for n in range(9)])[:-700], "some", "the JSON is damaged"),
        ("array.json", lambda: json.dumps([record(1), record(2)]).encode()[:-9], "some", "the JSON is damaged"),
        (
            "lines.jsonl.gz",
            lambda: gzip.compress(lines([record(n) for n in range(300)]))[:-1500],
            "some",
            "the gzip stream",
        ),
    ],
)
def test_of_a_truncated_file_the_whole_records_are_kept(
    name: str, content: Callable[[], bytes], kept: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content())
    with Lake.open(tmp_path / "lake") as lake:
        report = read_in(lake, path)
        assert report.new >= 1
        assert report.unreadable == 0
        assert (report.quarantined == 1) if kept == "some" else (report.quarantined <= 1)
        assert lake.manifest.quarantined()[0].reason.startswith(reason)
        assert contents(lake).keys() <= multiset([record(n) for n in range(300)]).keys()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x1f\x8b\x08\x00garbage that is no gzip at all", "the gzip stream"),
        (b"\x1f\x8b\x08", "the gzip stream"),
        (b'{"Records": [', "the JSON is damaged"),
        (b'{"eventTime": "2026-', "the JSON is damaged"),
        (b"hello", "neither JSON"),
        (b"hello, world\nno, log\n", "neither JSON"),
        (b"eventtime,eventname\n2026-11-03T10:00:00Z,RunInstances\n", "neither JSON nor a table"),
        (b"\xff\xfe\x00\xd8", "damaged UTF-16"),
        (b"[" * 100_000, "the JSON is damaged: nested too deeply"),
    ],
)
def test_a_file_without_a_readable_record_is_quarantined_whole(content: bytes, reason: str, tmp_path: Path) -> None:
    write(tmp_path, "logs/a.json", document([record(1)]))
    (tmp_path / "logs/bad.log").write_bytes(content)
    with Lake.open(tmp_path / "lake") as lake:
        report = read_in(lake, tmp_path / "logs")
        assert (report.files, report.records, report.new, report.quarantined, report.unreadable) == (2, 2, 1, 1, 1)
        assert [q.place for q in lake.manifest.quarantined()] == ["file"]
        assert lake.manifest.quarantined()[0].reason.startswith(reason)


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "lake") as lake:
        assert read_in(lake, write(tmp_path, "empty.json", b"\n")).records == 0
        assert read_in(lake, write(tmp_path, "none.json", b'{"Records":[]}')).records == 0
        assert lake.manifest.quarantined() == []


def test_a_decompression_bomb_is_quarantined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_INFLATED", 8 << 20)
    monkeypatch.setattr(formats, "_SMALL", 1 << 20)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b" " * (9 << 20), 9))
    with Lake.open(tmp_path / "lake") as lake:
        assert read_in(lake, path).unreadable == 1
        assert "inflates to more than" in lake.manifest.quarantined()[0].reason


def test_a_bomb_that_lies_about_its_size_is_quarantined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_INFLATED", 8 << 20)
    packed = gzip.compress(b" " * (9 << 20), 9)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(packed[:-4] + (1000).to_bytes(4, "little"))
    with Lake.open(tmp_path / "lake") as lake:
        assert read_in(lake, path).unreadable == 1


def test_digest_files_are_skipped_and_counted(tmp_path: Path) -> None:
    digest = json.dumps({"awsAccountId": "111111111111", "digestS3Object": "k", "logFiles": []}).encode()
    write(tmp_path, "logs/AWSLogs/1/CloudTrail-Digest/eu-central-1/a.json.gz", document([record(1)]))
    write(tmp_path, "logs/renamed.json.gz", digest)
    write(tmp_path, "logs/a.json.gz", document([record(2)]))
    with Lake.open(tmp_path / "lake") as lake:
        report = read_in(lake, tmp_path / "logs")
        assert (report.files, report.digests, report.records, report.unreadable) == (3, 2, 1, 0)
        assert lake.manifest.quarantined() == []


INSIGHT = {
    "eventVersion": "1.08",
    "eventTime": "2026-11-03T10:15:00Z",
    "awsRegion": "eu-central-1",
    "eventID": "a5a5a5a5-0000-4000-8000-000000000001",
    "eventType": "AwsCloudTrailInsight",
    "recipientAccountId": "111111111111",
    "sharedEventID": "5e5e5e5e-0000-4000-8000-000000000001",
    "insightDetails": {
        "state": "Start",
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateUser",
        "insightType": "ApiCallRateInsight",
    },
    "eventCategory": "Insight",
}
NETWORK = {
    "eventVersion": "1.09",
    "userIdentity": {"accountId": "111111111111"},
    "eventTime": "2026-11-03T10:16:00Z",
    "eventSource": "kms.amazonaws.com",
    "eventName": "Decrypt",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "10.0.0.7",
    "eventID": "a5a5a5a5-0000-4000-8000-000000000002",
    "eventType": "AwsVpceEvent",
    "vpcEndpointId": "vpce-0123456789abcdef0",
    "vpcEndpointAccountId": "111111111111",
    "eventCategory": "NetworkActivity",
    "errorCode": "VpceAccessDenied",
}


def test_insight_and_network_events_land_under_the_event_that_they_are_about(tmp_path: Path) -> None:
    named = {**INSIGHT, "eventID": "x", "eventTime": "2026-11-03T10:17:00Z", "eventName": "Own", "eventSource": "own"}
    path = write(tmp_path, "a.json.gz", document([INSIGHT, NETWORK, named]))
    with Lake.open(tmp_path / "lake") as lake:
        assert read_in(lake, path).new == 3
        insight, network, own = rows(lake)
        assert (insight["event_name"], insight["event_source"]) == ("CreateUser", "iam.amazonaws.com")
        assert (insight["user_type"], insight["account_id"], insight["actor"]) == (
            None,
            "111111111111",
            "iam.amazonaws.com",
        )
        assert (network["account_id"], network["vpc_endpoint_id"]) == ("111111111111", "vpce-0123456789abcdef0")
        assert own["event_name"] == "Own"
        assert contents(lake) == multiset([INSIGHT, NETWORK, named])


def test_a_folder_is_read_recursively_without_hidden_and_foreign_files(tmp_path: Path) -> None:
    for name in ("b/x.json.gz", "a.json", ".git/c.json", "b/.hidden.json", "readme.md", "image.png"):
        write(tmp_path, name, b"{}")
    found = list(local_objects(tmp_path))
    assert [Path(each.path).relative_to(tmp_path).as_posix() for each in found] == ["a.json", "b/x.json.gz"]
    assert {each.location for each in found} == {str(tmp_path)}
    assert [each.uri for each in local_objects(tmp_path / "readme.md")] == [(tmp_path / "readme.md").as_uri()]


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        list(local_objects(tmp_path / "absent"))
    with pytest.raises(SourceError, match="no log files"):
        list(local_objects(tmp_path))


def test_a_file_that_vanished_is_quarantined_and_read_when_it_is_back(tmp_path: Path) -> None:
    path = write(tmp_path, "logs/a.json", document([record(1)]))
    content = path.read_bytes()
    given = list(local_objects(tmp_path / "logs"))
    stat = path.stat()
    path.unlink()
    with Lake.open(tmp_path / "lake") as lake:
        gone = ingest(lake, given, progress=Silent(), now=NOW, workers=1, compact=False)
        assert (gone.records, gone.unreadable) == (1, 1)
        assert [(q.place, q.reason[:11]) for q in lake.manifest.quarantined()] == [("file", "cannot read")]
        path.write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert read_in(lake, path).new == 1
        assert lake.manifest.quarantined() == []


@pytest.mark.parametrize(
    ("name", "day"),
    [
        (
            "AWSLogs/1/CloudTrail/eu-central-1/2026/11/03/1_CloudTrail_eu-central-1_20261103T1015Z_abc.json.gz",
            "2026-11-03",
        ),
        ("/data/2026/11/04/x.json", "2026-11-04"),
        ("/data/2026/13/04/x.json", None),
        ("x.json", None),
    ],
)
def test_the_day_in_a_name(name: str, day: str | None) -> None:
    found = day_in_name(name)
    assert (found.isoformat() if found else None) == day


def test_a_role_session_in_every_shape_has_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", document([record(1, userIdentity=role_session("bob", "Ops"))], indent=2))
    with Lake.open(tmp_path / "lake") as lake:
        read_in(lake, path)
        row = rows(lake)[0]
        assert (row["session_name"], row["role_name"], row["actor"]) == ("bob", "Ops", "bob")
        assert row["user_identity"] == json.dumps(role_session("bob", "Ops"), separators=(",", ":"))


@pytest.mark.parametrize("piece", [1, 700, 1 << 20])
def test_lines_are_numbered_right_whatever_way_they_are_read(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trailwarden.lake.decode.PIECE", piece)
    monkeypatch.setattr("trailwarden.lake.decode.CHUNK", 3)
    good = [record(n) for n in range(12)]
    values = [*good[:4], record(90, eventTime="never"), *good[4:8], record(91, new_key=1), *good[8:], "text"]
    with Lake.open(tmp_path / "lake") as lake:
        report = read_in(lake, write(tmp_path, "a.jsonl", lines(values)))
        assert (report.records, report.new, report.quarantined) == (15, 13, 2)
        assert quarantined(lake) == [("line 15", "not a JSON object"), ("line 5", "eventTime is not a time")]
        assert contents(lake) == multiset([*good, record(91, new_key=1)])


def test_of_very_many_bad_records_the_first_are_listed_and_all_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trailwarden.lake.landing.LISTED", 3)
    with Lake.open(tmp_path / "lake") as lake:
        report = read_in(lake, write(tmp_path, "a.json", document(["bad"] * 50)))
        assert (report.records, report.quarantined) == (50, 50)
        assert [place for place, _ in quarantined(lake)] == ["further records", "record 1", "record 2", "record 3"]
