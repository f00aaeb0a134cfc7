"""S3 archives on the strict emulator, over HTTP: what is listed, what is read, and what is said when it is not."""

import gzip
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import msgspec
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.aws.archive import S3Object, Trail, find_trails, parse_key, parse_s3_uri, s3_objects
from trailwarden.demo.emulator import Fault
from trailwarden.errors import SourceError, UsageError
from trailwarden.lake.ingest import ingest
from trailwarden.lake.store import Lake
from trailwarden.model.time import Window
from trailwarden.progress import Silent

ALPHA, BETA = "111111111111", "222222222222"
FRANKFURT, VIRGINIA = "eu-central-1", "us-east-1"
NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class Bucket:
    """A bucket of ALPHA with log objects in it."""

    name = "example-logs"

    def __init__(self, org: Any) -> None:
        self.org = org
        self.client = org.emulator.session(ALPHA).client("s3")
        self.client.create_bucket(Bucket=self.name)
        self.reader = org.broker.client(org.connection(ALPHA), "s3")
        self.calls: list[dict[str, Any]] = []
        # A new session for each test: the client is new as well.
        self.reader.meta.events.register("provide-client-params.s3.ListObjectsV2", self._called)

    def _called(self, params: dict[str, Any], **_: Any) -> None:
        self.calls.append(params)

    def log(
        self, day: date, account: str = ALPHA, region: str = FRANKFURT, *, base: str = "AWSLogs/", n: int = 0
    ) -> str:
        """Put one log object with one record; returns its key."""
        noon = datetime.combine(day, datetime.min.time(), UTC) + 12 * timedelta(hours=1)
        records = self.org.put(account, region, 1, newest=noon, user=f"{base}{n}")
        name = f"{account}_CloudTrail_{region}_{day:%Y%m%d}T1205Z_{n:016}.json.gz"
        key = f"{base}{account}/CloudTrail/{region}/{day:%Y/%m/%d}/{name}"
        return self.put(key, gzip.compress(msgspec.json.encode({"Records": records})))

    def put(self, key: str, body: bytes = b"{}") -> str:
        self.client.put_object(Bucket=self.name, Key=key, Body=body)
        return key

    def keys(self, prefix: str = "", **more: Any) -> list[str]:
        return [found.key for found in self.objects(prefix, **more)]

    def objects(self, prefix: str = "", **more: Any) -> list[S3Object]:
        return list(s3_objects(self.reader, f"s3://{self.name}{prefix}", progress=Silent(), **more))


@pytest.fixture
def bucket(org: Any) -> Bucket:
    return Bucket(org)


def days(first: int, last: int) -> list[date]:
    return [date(2026, 11, day) for day in range(first, last + 1)]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("AWSLogs/111111111111/CloudTrail/us-east-1/2026/11/24/x.json.gz", (ALPHA, VIRGINIA, date(2026, 11, 24))),
        ("p/q/AWSLogs/o-abc123/111111111111/CloudTrail/us-gov-west-1/2026/01/02/x.json.gz",
         (ALPHA, "us-gov-west-1", date(2026, 1, 2))),
        ("AWSLogs/111111111111/CloudTrail-Insight/us-east-1/2026/11/24/x.json", (ALPHA, VIRGINIA, date(2026, 11, 24))),
        ("AWSLogs/111111111111/CloudTrail/us-east-1/2026/13/24/x.json.gz", None),
        ("AWSLogs/111111111111/elasticloadbalancing/us-east-1/2026/11/24/x.log.gz", None),
        ("AWSLogs/11/CloudTrail/us-east-1/2026/11/24/x.json.gz", None),
        ("2026/11/24/x.json.gz", None),
    ],
)  # fmt: skip
def test_what_a_key_tells(key: str, found: tuple[str, str, date] | None) -> None:
    log = parse_key(key)
    assert (log and (log.account, log.region, log.day)) == found


@given(st.text())
def test_any_text_is_a_key_or_not(text: str) -> None:
    parse_key(text)
    parse_key(f"AWSLogs/111111111111/CloudTrail/us-east-1/2026/11/{text}/x.json")


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://logs", ("logs", "")),
        ("s3://logs/", ("logs", "")),
        (" s3://logs/a/b ", ("logs", "a/b")),
        ("arn:aws:s3:::logs/a", ("logs", "a")),
    ],
)
def test_places_in_s3(uri: str, place: tuple[str, str]) -> None:
    assert parse_s3_uri(uri) == place


@pytest.mark.parametrize(
    "uri", ["logs", "s3://", "s3:///a", "https://logs.s3.amazonaws.com/", "s3://b", "arn:aws:iam::1:x"]
)
def test_no_places_in_s3(uri: str) -> None:
    with pytest.raises(UsageError):
        parse_s3_uri(uri)


def test_objects_of_all_accounts_come_day_by_day(bucket: Bucket) -> None:
    made = [
        bucket.log(day, account, region, n=n)
        for account in (ALPHA, BETA)
        for region in (FRANKFURT, VIRGINIA)
        for n, day in enumerate(days(20, 23))
    ]
    found = bucket.objects()
    assert sorted(o.key for o in found) == sorted(made)
    assert [o.day for o in found] == sorted(day for day in days(20, 23) for _ in range(4))
    one = found[0]
    assert (one.uri, one.source, one.location) == (f"s3://{bucket.name}/{one.key}", "archive", f"s3://{bucket.name}")
    body = one.read()
    assert len(body) == one.size
    assert gzip.decompress(body).startswith(b'{"Records":[')


@pytest.mark.parametrize(
    "below",
    [
        "", "/", "/team", "/team/", "/team/AWSLogs", "/team/AWSLogs/o-abc123/", f"/team/AWSLogs/o-abc123/{ALPHA}",
        f"/team/AWSLogs/o-abc123/{ALPHA}/CloudTrail", f"/team/AWSLogs/o-abc123/{ALPHA}/CloudTrail/{FRANKFURT}/",
        f"/team/AWSLogs/o-abc123/{ALPHA}/CloudTrail/{FRANKFURT}/2026",
        f"/team/AWSLogs/o-abc123/{ALPHA}/CloudTrail/{FRANKFURT}/2026/11/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("windowed", [False, True])
def test_a_prefix_may_point_anywhere(bucket: Bucket, below: str, windowed: bool) -> None:
    made = [bucket.log(day, base="team/AWSLogs/o-abc123/") for day in days(20, 24)]
    window = Window(NOW - 3 * DAY, NOW - 2 * DAY) if windowed else None
    assert bucket.keys(below, window=window) == (made[1:3] if windowed else made)


def test_one_day_and_one_object_can_be_named(bucket: Bucket) -> None:
    made = [bucket.log(day) for day in days(20, 22)]
    assert bucket.keys("/" + made[1].rpartition("/")[0]) == [made[1]]
    (one,) = bucket.objects("/" + made[2])
    assert (one.key, one.day) == (made[2], date(2026, 11, 22))
    bucket.put("notes/trail.log", b"{}")
    assert bucket.keys("/notes/trail.log") == ["notes/trail.log"]


def test_a_folder_is_not_mistaken_for_another_that_begins_alike(bucket: Bucket) -> None:
    made = bucket.log(date(2026, 11, 20), base="logs/AWSLogs/")
    bucket.log(date(2026, 11, 20), base="logs-old/AWSLogs/")
    assert bucket.keys("/logs") == [made]


def test_accounts_and_regions_can_be_chosen(bucket: Bucket) -> None:
    made = {
        (account, region): bucket.log(date(2026, 11, 20), account, region)
        for account in (ALPHA, BETA)
        for region in (FRANKFURT, VIRGINIA)
    }
    assert bucket.keys(accounts=[BETA]) == [made[BETA, FRANKFURT], made[BETA, VIRGINIA]]
    assert bucket.keys(accounts=[BETA], regions=[VIRGINIA]) == [made[BETA, VIRGINIA]]
    assert bucket.keys(accounts=[]) == []


def test_digests_and_other_services_are_left_out_and_insights_taken(bucket: Bucket) -> None:
    log = bucket.log(date(2026, 11, 20))
    insight = bucket.put(f"AWSLogs/{ALPHA}/CloudTrail-Insight/{FRANKFURT}/2026/11/20/x.json.gz")
    bucket.put(f"AWSLogs/{ALPHA}/CloudTrail-Digest/{FRANKFURT}/2026/11/20/{ALPHA}_CloudTrail-Digest_x.json.gz")
    bucket.put(f"AWSLogs/{ALPHA}/CloudTrail/")
    bucket.put(f"AWSLogs/{ALPHA}/elasticloadbalancing/{FRANKFURT}/2026/11/20/x.json.gz")
    bucket.put(f"copies/{ALPHA}_CloudTrail-Digest_x.json.gz")
    assert sorted(bucket.keys()) == sorted([log, insight])
    deep = "/a/b/c/d/e/f/g/"
    bucket.put(f"{deep[1:]}AWSLogs/{ALPHA}/CloudTrail-Digest/{FRANKFURT}/2026/11/20/x.json.gz")
    deeper = [bucket.log(day, base=f"{deep[1:]}AWSLogs/", n=n) for n, day in enumerate(days(19, 21))]
    assert bucket.keys("/a") == deeper
    assert bucket.keys("/a", window=Window(NOW - 5 * DAY, NOW - 5 * DAY + DAY / 8)) == [deeper[0]]


def test_objects_of_any_layout_are_taken_by_their_names(bucket: Bucket) -> None:
    for name in ("readme.md", "x/table.csv", "x/y/empty.json"):
        bucket.put(name, b"" if name.endswith("empty.json") else b"{}")
    made = [bucket.put(name) for name in ("a.json", "x/b.jsonl", "x/y/z/v/w/c.json.gz")]
    assert sorted(bucket.keys()) == made


def test_a_window_lists_only_the_days_that_are_needed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trailwarden.aws.archive._BUFFERED", 1)  # pages of 50
    made = [bucket.log(day, n=n) for day in days(1, 20) for n in range(5)]
    bucket.calls.clear()
    window = Window(datetime(2026, 11, 10, 5, tzinfo=UTC), datetime(2026, 11, 11, 5, tzinfo=UTC))
    assert bucket.keys(window=window) == [key for key in made if "/2026/11/10/" in key or "/2026/11/11/" in key]
    listings = [call for call in bucket.calls if "Delimiter" not in call and call["MaxKeys"] > 1]
    assert len(listings) == 1
    assert listings[0]["StartAfter"].endswith("/2026/11/10")


def test_what_happened_just_before_midnight_is_looked_for_on_the_next_day_too(bucket: Bucket) -> None:
    made = [bucket.log(day) for day in days(10, 12)]
    end = datetime(2026, 11, 10, 23, 50, tzinfo=UTC)
    assert bucket.keys(window=Window(end - timedelta(hours=1), end)) == made[:2]


def test_more_objects_than_one_listing_holds(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trailwarden.aws.archive._BUFFERED", 1)  # pages of 50
    made = [bucket.log(day, n=n) for day in days(20, 22) for n in range(18)]
    assert bucket.keys() == made


def test_ingesting_a_second_time_reads_nothing(org: Any, bucket: Bucket, lake: Lake) -> None:
    for n, day in enumerate(days(20, 22)):
        bucket.log(day, n=n)
    first = ingest(lake, bucket.objects(), progress=Silent(), now=NOW, workers=1)
    assert (first.files, first.new) == (3, 3)

    def known(uri: str, version: str) -> bool:
        return bool(lake.manifest.objects_read([(uri, version)]))

    org.emulator.faults.append(Fault.deny("s3:GetObject"))
    assert bucket.objects(known=known) == []
    again = ingest(lake, bucket.objects(), progress=Silent(), now=NOW, workers=1)
    assert (again.new, again.unreadable) == (0, 0)
    org.emulator.faults.clear()
    changed = bucket.objects()[1].key
    bucket.put(changed, b'{"Records":[]}')
    assert bucket.keys(known=known) == [changed]


def test_a_bucket_that_is_not_there(bucket: Bucket) -> None:
    with pytest.raises(SourceError, match="no bucket 'no-such-bucket'") as caught:
        next(s3_objects(bucket.reader, "s3://no-such-bucket/AWSLogs", progress=Silent()))
    assert "check the name" in caught.value.remedy


def test_listing_that_is_refused(org: Any, bucket: Bucket) -> None:
    bucket.log(date(2026, 11, 20))
    org.allow(ALPHA, "s3:GetObject")
    with pytest.raises(SourceError, match="refused") as caught:
        bucket.keys()
    assert f"s3:ListBucket on arn:aws:s3:::{bucket.name}" in caught.value.remedy


@pytest.mark.parametrize(
    ("prefix", "near", "shown"),
    [
        ("/teem/AWSLogs", "s3://example-logs/ with", "team/, top.json"),
        ("/team/AWSLogs/222222222222/CloudTrail", "s3://example-logs/team/AWSLogs/ with", "111111111111/"),
    ],
)
def test_an_empty_prefix_names_the_nearest_that_exists(bucket: Bucket, prefix: str, near: str, shown: str) -> None:
    bucket.log(date(2026, 11, 20), base="team/AWSLogs/")
    bucket.put("top.json")
    with pytest.raises(SourceError, match="nothing is under") as caught:
        bucket.keys(prefix)
    assert near in caught.value.remedy
    assert shown in caught.value.remedy


def test_an_empty_bucket_is_called_empty(bucket: Bucket) -> None:
    for prefix in ("", "/AWSLogs"):
        with pytest.raises(SourceError, match="is empty"):
            bucket.keys(prefix)


def test_days_without_objects_are_no_error(bucket: Bucket) -> None:
    bucket.log(date(2026, 11, 20))
    assert bucket.keys(window=Window(NOW - DAY, NOW)) == []


def test_an_object_that_is_gone_or_changed(bucket: Bucket) -> None:
    bucket.log(date(2026, 11, 20))
    (found,) = bucket.objects()
    bucket.put(found.key, b"other")
    with pytest.raises(SourceError, match="changed after it was listed"):
        found.read()
    bucket.client.delete_object(Bucket=bucket.name, Key=found.key)
    with pytest.raises(SourceError, match="is gone") as caught:
        found.read()
    assert "lifecycle" in caught.value.remedy


@pytest.mark.parametrize(
    ("fault", "said", "remedy"),
    [
        (
            Fault.deny("s3:GetObject"),
            "reading s3://example-logs/.* was refused",
            "allow s3:GetObject on arn:aws:s3:::example-logs/*",
        ),
        (
            Fault(
                kind="error",
                action="s3:GetObject",
                code="AccessDenied",
                status=403,
                message="User: x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:x:1:key/k",
            ),
            "KMS key",
            "allow kms:Decrypt",
        ),
        (Fault(kind="error", action="s3:GetObject", code="KMS.DisabledException", status=400), "KMS key", "enabled"),
        (Fault(kind="error", action="s3:GetObject", code="InvalidObjectState", status=403), "Glacier", "restore"),
        (Fault(kind="error", action="s3:GetObject", code="InternalError", status=500), "cannot be read", "few minutes"),
    ],
)
def test_why_an_object_cannot_be_read(org: Any, bucket: Bucket, fault: Fault, said: str, remedy: str) -> None:
    bucket.log(date(2026, 11, 20))
    (found,) = bucket.objects()
    org.emulator.faults.append(fault)
    with pytest.raises(SourceError, match=said) as caught:
        found.read()
    assert remedy in caught.value.remedy


class Web(BaseHTTPRequestHandler):
    """An S3 that cuts answers short, and one that sends the caller to the bucket's Region."""

    protocol_version = "HTTP/1.1"
    cut = 0
    region = VIRGINIA
    signed: list[str]

    def do_GET(self) -> None:
        scope = self.headers["Authorization"].split("Credential=")[1].split("/")[2]
        type(self).signed.append(scope)
        if scope != self.region:
            self._answer(301, b"<Error><Code>PermanentRedirect</Code></Error>")
        elif type(self).cut:
            type(self).cut -= 1
            self._answer(200, b"hello", short=2)
        else:
            self._answer(200, b"hello")

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def _answer(self, status: int, body: bytes, short: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.send_header("x-amz-bucket-region", self.region)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: len(body) - short])
        self.close_connection = bool(short)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def web() -> Iterator[tuple[type[Web], S3Object]]:
    handler = type("Handler", (Web,), {"signed": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        region_name=VIRGINIA,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="example",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield (
        handler,
        S3Object(client=client, bucket="bucket", key="k", version="e", size=5, location="s3://bucket", day=None),
    )
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_body_that_is_cut_short_is_read_again(web: tuple[type[Web], S3Object]) -> None:
    handler, found = web
    handler.cut = 2
    assert found.read() == b"hello"
    handler.cut = 3
    with pytest.raises(SourceError, match="cannot be read") as caught:
        found.read()
    assert caught.value.remedy


def test_a_bucket_in_another_region_is_found_there(web: tuple[type[Web], S3Object]) -> None:
    handler, found = web
    handler.region = FRANKFURT
    assert found.read() == b"hello"
    assert handler.signed[-1] == FRANKFURT


def test_trails_of_an_account_wherever_they_live(org: Any, bucket: Bucket) -> None:
    session = org.emulator.session(ALPHA)
    session.client("cloudtrail", "us-east-1").create_trail(
        Name="everywhere", S3BucketName=bucket.name, S3KeyPrefix="team", IsMultiRegionTrail=True,
        EnableLogFileValidation=True,
    )  # fmt: skip
    session.client("cloudtrail", "us-east-1").start_logging(Name="everywhere")
    session.client("cloudtrail", FRANKFURT).create_trail(Name="local", S3BucketName=bucket.name)
    local, everywhere = find_trails(org.broker, org.connection(ALPHA))
    assert everywhere == Trail(
        name="everywhere",
        arn=f"arn:aws:cloudtrail:us-east-1:{ALPHA}:trail/everywhere",
        home_region="us-east-1",
        bucket=bucket.name,
        prefix="team",
        organisation=False,
        multi_region=True,
        log_validation=True,
        kms_key=None,
        logging=True,
    )
    assert everywhere.uri == f"s3://{bucket.name}/team/AWSLogs"
    assert (local.home_region, local.uri, local.logging) == (FRANKFURT, f"s3://{bucket.name}/AWSLogs", False)
    assert find_trails(org.broker, org.connection(BETA)) == []
    org.emulator.faults.append(Fault.deny("cloudtrail:GetTrailStatus"))
    assert [trail.logging for trail in find_trails(org.broker, org.connection(ALPHA))] == [None, None]
