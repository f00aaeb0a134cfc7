"""How fast records get into the lake, side by side with other ways, on synthetic records made here.

    python -m bench.ingest --records 200000
    python -m bench.ingest --records 1000000 --skip sqlite

``floor`` is what no pipeline can beat: gunzip and typed decode, thrown away, with as many processes. The lake's
line includes deduplication, the manifest and its fsyncs; compaction is measured on its own line. Peak memory is
of the largest process.
"""

import argparse
import gzip
import importlib.util
import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

START = datetime(2026, 9, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 24, tzinfo=UTC)
REGIONS = ("us-east-1", "eu-central-1", "eu-west-1", "ap-southeast-2")
CALLS = (
    ("sts", "AssumeRole", True), ("s3", "GetBucketAcl", True), ("ec2", "DescribeInstances", True),
    ("ec2", "DescribeNetworkInterfaces", True), ("kms", "Decrypt", True), ("logs", "CreateLogStream", False),
    ("iam", "ListRoles", True), ("lambda", "GetFunction20150331v2", True), ("ssm", "UpdateInstanceInformation", False),
    ("dynamodb", "DescribeTable", True), ("ecr", "BatchGetImage", True), ("secretsmanager", "GetSecretValue", True),
    ("ec2", "RunInstances", False), ("iam", "CreateAccessKey", False), ("s3", "PutBucketPolicy", False),
    ("autoscaling", "DescribeAutoScalingGroups", True), ("cloudwatch", "PutMetricAlarm", False),
)  # fmt: skip
AGENTS = (
    "aws-cli/2.17.0 md/awscrt#0.20.11 ua/2.0 os/linux#5.10.220 md/arch#x86_64 lang/python#3.11.8 cfg/retry#std",
    "Boto3/1.34.100 md/Botocore#1.34.100 ua/2.0 os/linux#6.1.90 md/arch#x86_64 lang/python#3.12.3 Botocore/1.34.100",
    "aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.170.0",
    "[AWSCloudTrail, aws-internal/3 aws-sdk-java/1.12.750 Linux/5.10.219 OpenJDK_64-Bit_Server_VM/25.412]",
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.2 (+https://www.terraform.io) terraform-provider-aws/5.58.0 aws-sdk-go-v2",
)


class Synthesis:
    """Records as an organisation of six accounts writes them: roles with sessions of an hour, users, services."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._sessions: list[dict[str, Any]] = []

    def _hex(self, length: int) -> str:
        return f"{self._random.getrandbits(4 * length):0{length}x}"

    def _uuid(self) -> str:
        text = self._hex(32)
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _session(self, at: datetime) -> dict[str, Any]:
        account = f"{111111111111 * self._random.randint(1, 6):012d}"
        number = self._random.randint(1, 40)
        role, name = f"service-role-{number}", f"person{self._random.randint(1, 400)}@example.com"
        if self._random.random() < 0.5:
            name = f"i-{self._hex(17)}"
        unique = f"AROAEXAMPLE{number:09d}"
        return {
            "type": "AssumedRole",
            "principalId": f"{unique}:{name}",
            "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
            "accountId": account,
            "accessKeyId": f"ASIAEXAMPLE{self._hex(9).upper()}",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": unique,
                    "arn": f"arn:aws:iam::{account}:role/{role}",
                    "accountId": account,
                    "userName": role,
                },
                "webIdFederationData": {},
                "attributes": {"creationDate": f"{at:%Y-%m-%dT%H:%M:%SZ}", "mfaAuthenticated": "false"},
            },
        }

    def record(self, at: datetime) -> dict[str, Any]:
        """One record."""
        pick = self._random
        if len(self._sessions) < 60 or pick.random() < 0.02:
            self._sessions.append(self._session(at))
            if len(self._sessions) > 120:
                self._sessions.pop(pick.randrange(60))
        service, name, read_only = pick.choice(CALLS)
        user = pick.choice(self._sessions)
        arn = f"arn:aws:{service}:eu-central-1:{user['accountId']}:thing/{self._hex(12)}"
        record: dict[str, Any] = {
            "eventVersion": "1.11",
            "userIdentity": user,
            "eventTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": f"{service}.amazonaws.com",
            "eventName": name,
            "awsRegion": pick.choice(REGIONS),
            "sourceIPAddress": f"203.0.{pick.randint(0, 7)}.{pick.randint(1, 254)}",
            "userAgent": pick.choice(AGENTS),
            "requestParameters": {
                "filterSet": {
                    "items": [{"name": "resource-id", "valueSet": {"items": [{"value": f"i-{self._hex(17)}"}]}}]
                },
                "resourceArn": arn,
                "encryptionContext": {"aws:context": self._hex(40), "purpose": "synthetic"},
            },
            "responseElements": None
            if read_only
            else {"requestId": self._uuid(), "result": {"arn": arn, "state": "ok"}},
            "requestID": self._uuid(),
            "eventID": self._uuid(),
            "readOnly": read_only,
            "resources": [{"accountId": user["accountId"], "type": f"AWS::{service.upper()}::Thing", "ARN": arn}],
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": user["accountId"],
            "eventCategory": "Management",
            "tlsDetails": {
                "tlsVersion": "TLSv1.3",
                "cipherSuite": "TLS_AES_128_GCM_SHA256",
                "clientProvidedHostHeader": f"{service}.eu-central-1.amazonaws.com",
            },
        }
        if pick.random() < 0.06:
            record["errorCode"] = "AccessDenied"
            record["errorMessage"] = f"User: {user['arn']} is not authorized to perform: {service}:{name} on {arn}"
        if pick.random() < 0.1:
            record["apiVersion"] = "2016-11-15"
        return record


def generate(folder: Path, records: int, per_file: int) -> tuple[list[Path], int]:
    """Gzipped log files with their usual names, over 60 days; and the size of their content."""
    synthesis, files, raw = Synthesis(7), [], 0
    step = timedelta(days=60) / records
    for start in range(0, records, per_file):
        count = min(per_file, records - start)
        at = START + start * step
        content = json.dumps(
            {"Records": [synthesis.record(at + n * step) for n in range(count)]}, separators=(",", ":")
        ).encode()
        raw += len(content)
        day = folder / f"{at:%Y/%m/%d}"
        day.mkdir(parents=True, exist_ok=True)
        path = day / f"111111111111_CloudTrail_eu-central-1_{at:%Y%m%dT%H%M}Z_{start:016d}.json.gz"
        path.write_bytes(gzip.compress(content, 6))
        files.append(path)
    return files, raw


def floor(files: Iterable[str]) -> None:
    """Gunzip and typed decode, thrown away."""
    from deflate import gzip_decompress  # noqa: PLC0415
    from msgspec import Raw, Struct, defstruct, json  # noqa: PLC0415

    names = (
        "eventID", "eventTime", "awsRegion", "eventSource", "eventName", "eventType", "eventCategory", "eventVersion",
        "errorCode", "errorMessage", "sourceIPAddress", "userAgent", "requestID", "sharedEventID",
        "recipientAccountId", "vpcEndpointId",
    )  # fmt: skip
    nested = ("userIdentity", "requestParameters", "responseElements", "additionalEventData", "resources", "tlsDetails")
    record = defstruct(
        "record",
        [*((name, str | None, None) for name in names), *((name, Raw, Raw()) for name in nested)],
        gc=False,
    )

    class File(Struct, gc=False):
        Records: list[record]  # type: ignore[valid-type]

    decoder = json.Decoder(File)
    for path in files:
        decoder.decode(gzip_decompress(Path(path).read_bytes()))


DUCKDB = """
COPY (
  SELECT r.eventID, CAST(r.eventTime AS TIMESTAMP) AS event_time,
    coalesce(r.recipientAccountId, u.accountId) AS account_id,
    r.* EXCLUDE (eventID, eventTime, userIdentity), to_json(r.userIdentity) AS user_identity,
    u.type AS user_type, u.principalId, u.arn, u.accountId, u.userName, u.accessKeyId,
    CASE WHEN u.type = 'AssumedRole' THEN split_part(u.principalId, ':', 2) END AS session_name,
    u.sessionContext.sessionIssuer.arn AS issuer_arn, u.sessionContext.sessionIssuer.userName AS role_name,
    u.sessionContext.sessionIssuer.principalId AS issuer_id, u.sessionContext.sourceIdentity AS source_identity,
    u.sessionContext.attributes.creationDate AS session_created, u.sessionContext.attributes.mfaAuthenticated AS mfa,
    u.identityProvider, u.invokedBy
  FROM (SELECT r, r.userIdentity AS u FROM (SELECT unnest(Records) AS r FROM read_json($1,
    maximum_object_size = 100000000, columns = {Records: 'STRUCT(eventID VARCHAR, eventTime VARCHAR, awsRegion VARCHAR,
      eventSource VARCHAR, eventName VARCHAR, eventType VARCHAR, eventCategory VARCHAR, eventVersion VARCHAR, readOnly BOOLEAN,
      managementEvent BOOLEAN, errorCode VARCHAR, errorMessage VARCHAR, sourceIPAddress VARCHAR, userAgent VARCHAR,
      requestID VARCHAR, sharedEventID VARCHAR, recipientAccountId VARCHAR, vpcEndpointId VARCHAR, apiVersion VARCHAR,
      requestParameters JSON, responseElements JSON, additionalEventData JSON, serviceEventDetails JSON, resources JSON,
      tlsDetails JSON, userIdentity STRUCT(type VARCHAR, principalId VARCHAR, arn VARCHAR, accountId VARCHAR,
        userName VARCHAR, accessKeyId VARCHAR, identityProvider VARCHAR, invokedBy VARCHAR,
        sessionContext STRUCT(sourceIdentity VARCHAR, webIdFederationData JSON,
          sessionIssuer STRUCT(type VARCHAR, principalId VARCHAR, arn VARCHAR, accountId VARCHAR, userName VARCHAR),
          attributes STRUCT(creationDate VARCHAR, mfaAuthenticated VARCHAR))))[]'}))
  )
) TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 20000)
"""


def with_duckdb(folder: Path, out: Path) -> None:
    """DuckDB alone: the same columns, without order, deduplication, or what it has no column for."""
    import duckdb  # noqa: PLC0415

    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(DUCKDB.replace("{out}", str(out)), [str(folder / "**/*.json.gz")])


def with_polars(files: Iterable[str], out: Path) -> None:
    """Polars: each file decoded by it, nested parts as text, into one Parquet file."""
    import polars  # noqa: PLC0415

    frames = []
    for path in files:
        frame = polars.DataFrame(json.loads(gzip.decompress(Path(path).read_bytes()))["Records"], strict=False)
        frames.append(
            frame.with_columns(
                polars.col(name).struct.json_encode() for name, kind in frame.schema.items() if kind == polars.Struct
            ).drop(name for name, kind in frame.schema.items() if kind == polars.List)
        )
    polars.concat(frames, how="diagonal_relaxed").write_parquet(out, compression="zstd", compression_level=1)


def with_sqlite(files: Iterable[str], out: Path) -> None:
    """json into SQLite with seven indexes."""
    connection = sqlite3.connect(out)
    columns = ("eventID", "eventTime", "eventSource", "eventName", "sourceIPAddress", "recipientAccountId", "arn")
    connection.execute(f"CREATE TABLE event ({', '.join(columns)}, record)")
    for column in columns:
        connection.execute(f"CREATE INDEX by_{column} ON event ({column})")
    for path in files:
        rows = [
            (*(r.get(c) for c in columns[:-1]), r["userIdentity"].get("arn"), json.dumps(r))
            for r in json.loads(gzip.decompress(Path(path).read_bytes()))["Records"]
        ]
        with connection:
            connection.executemany(f"INSERT INTO event VALUES ({','.join('?' * 8)})", rows)
    connection.close()


def into_lake(folder: Path, root: Path, workers: int) -> None:
    """The lake, without compaction."""
    from trailwarden.lake.ingest import ingest  # noqa: PLC0415
    from trailwarden.lake.sources import local_objects  # noqa: PLC0415
    from trailwarden.lake.store import Lake  # noqa: PLC0415
    from trailwarden.progress import Silent  # noqa: PLC0415

    with Lake.open(root) as lake:
        ingest(lake, local_objects(folder), progress=Silent(), now=NOW, workers=workers, compact=False)


def compaction(root: Path) -> None:
    """Compaction of everything that is loose."""
    from trailwarden.lake.compact import compact  # noqa: PLC0415
    from trailwarden.lake.store import Lake  # noqa: PLC0415
    from trailwarden.progress import Silent  # noqa: PLC0415

    with Lake.open(root) as lake:
        compact(lake, progress=Silent(), now=NOW)


def child(arguments: list[str]) -> None:
    """One measurement, in a process of its own."""
    what, folder, out = arguments[0], Path(arguments[1]), Path(arguments[2])
    files = sorted(str(path) for path in folder.rglob("*.json.gz"))
    ways: dict[str, Callable[[], None]] = {
        "floor1": lambda: floor(files),
        "floor2": lambda: _two(folder, out),
        "half": lambda: floor(files[int(arguments[3]) :: 2]),
        "lake1": lambda: into_lake(folder, out, 1),
        "lake2": lambda: into_lake(folder, out, 2),
        "compact": lambda: compaction(out),
        "duckdb": lambda: with_duckdb(folder, out),
        "polars": lambda: with_polars(files, out),
        "sqlite": lambda: with_sqlite(files, out),
    }
    started = time.perf_counter()
    ways[what]()
    seconds = time.perf_counter() - started
    cpu = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    peak = [resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps([seconds, cpu, *peak]))


def _two(folder: Path, out: Path) -> None:
    halves = [
        subprocess.Popen(
            [sys.executable, __file__, "--child", "half", str(folder), str(out), str(n)], stdout=subprocess.DEVNULL
        )
        for n in range(2)
    ]
    for half in halves:
        assert half.wait() == 0


def measure(what: str, folder: Path, out: Path) -> list[float]:
    """Wall seconds, CPU seconds, peak MB of the process itself, peak MB of its largest child."""
    command = [sys.executable, __file__, "--child", what, str(folder), str(out)]
    answer: list[float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer


def size(path: Path) -> int:
    """Bytes of a file, or of all files under a folder."""
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--per-file", type=int, default=550)
    parser.add_argument(
        "--skip", nargs="*", default=[], choices=["duckdb", "polars", "sqlite", "compact", "lake1", "floor1"]
    )
    parser.add_argument("--keep", type=Path, help="make the files here, or use those that are here")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="trailwarden-bench-"))
    try:
        folder = options.keep or base / "logs"
        if not folder.exists():
            generate(folder, options.records, options.per_file)
        gz = size(folder)
        print(f"{options.records:,} records, {gz / 1e6:.0f} MB gz, {os.cpu_count()} cores")
        heads = ("seconds", "k rec/s", "µs CPU", "÷ floor", "peak MB", "worker MB", "÷ gz")
        print(f"{'way':10} " + " ".join(f"{head:>9}" for head in heads))
        floors: dict[str, float] = {}
        for what in ("floor1", "floor2", "lake1", "lake2", "compact", "duckdb", "polars", "sqlite"):
            if what in options.skip or (what == "polars" and importlib.util.find_spec("polars") is None):
                continue
            out = base / ("lake2" if what == "compact" else what)
            seconds, cpu, peak, worker = measure(what, folder, out)
            floors.setdefault(what, seconds)
            base_line = floors.get("floor1" if what in {"floor1", "lake1", "polars", "sqlite"} else "floor2", seconds)
            share = f"{size(out) / gz:.2f}" if out.exists() else ""
            print(
                f"{what:10} {seconds:9.2f} {options.records / seconds / 1e3:9.0f} {cpu / options.records * 1e6:9.1f}"
                f" {base_line / seconds:9.2f} {peak:9.0f} {worker:9.0f} {share:>9}",
                flush=True,
            )
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
