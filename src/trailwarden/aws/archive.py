"""S3 archives of CloudTrail: which log objects there are, and their bytes.

Keys: ``[prefix/]AWSLogs/[o-<organisation>/]<account>/CloudTrail/<region>/YYYY/MM/DD/<file>.json.gz``. The day is that
of delivery, and "a log file delivered at a specific time can contain records written at any point before that time":
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html
"""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import AccessDenied, AwsError, NotFound, SourceError, UsageError
from ..model.arn import Arn
from ..model.finding import SourceKind
from ..model.time import Window
from ..progress import Progress
from .connection import Connection
from .errors import aws_errors

if TYPE_CHECKING:
    from .broker import Broker

#: How long after its time an event is looked for: AWS delivers within minutes, and in a backlog within hours.
LATE_DELIVERY = timedelta(hours=2)
#: How deep below the given prefix the folder AWSLogs is looked for; what lies deeper is listed whole.
SEARCH_DEPTH = 4
_READ_ATTEMPTS = 3
_LISTERS = 16
_TELL_EVERY = 500
#: Objects that listings may hold in memory together, over all accounts and Regions.
_BUFFERED = 200_000

_KEY = re.compile(
    r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?(?P<account>\d{12})/(?P<kind>CloudTrail[A-Za-z-]*)/(?P<region>[a-z0-9-]+)/"
    r"(?P<year>\d{4})/(?P<month>\d{2})/(?P<day>\d{2})/[^/]+\.json(?:\.gz)?$"
)
_REGION_FOLDER = re.compile(
    r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?\d{12}/CloudTrail(?:-Insight)?/[a-z0-9-]+/(?P<below>.*/)?$"
)
_BELOW_AWSLOGS = re.compile(r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?(?P<rest>.*)$")
_SUFFIXES = (".json", ".json.gz", ".jsonl", ".jsonl.gz")
#: Folders of CloudTrail that hold records. Digests hold none, only the hashes of log files.
_RECORD_FOLDERS = ("CloudTrail", "CloudTrail-Insight")


class LogKey(msgspec.Struct, frozen=True):
    """What the key of a log object tells."""

    account: str
    region: str
    day: date
    kind: str


def parse_key(key: str) -> LogKey | None:
    """What a key tells, if it is laid out as CloudTrail does; None for any other key."""
    found = _KEY.search(key)
    if found is None:
        return None
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None
    return LogKey(found["account"], found["region"], day, found["kind"])


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket[/prefix]``; the ARN of a bucket (``arn:aws:s3:::bucket/prefix``) does too.

    Raises:
        UsageError: neither of the two.
    """
    text = uri.strip()
    rest = Arn.parse(text).resource if text.startswith("arn:") else text.removeprefix("s3://")
    bucket, _, prefix = rest.partition("/")
    if not text.startswith(("s3://", "arn:")) or not re.fullmatch(r"[A-Za-z0-9._:-]{3,255}", bucket):
        raise UsageError(f"not a place in S3: {uri!r}", remedy="write it like s3://bucket or s3://bucket/prefix")
    return bucket, prefix


class S3Object(msgspec.Struct, frozen=True, kw_only=True):
    """One object of an archive (a RecordObject). ``version`` is its ETag, ``day`` the day of its delivery."""

    client: Any
    bucket: str
    key: str
    version: str
    size: int
    location: str
    day: date | None
    source: SourceKind = "archive"

    @property
    def uri(self) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"

    def read(self) -> bytes:
        """The object's bytes as stored, of exactly the version that was listed.

        Raises:
            SourceError: gone, changed since it was listed, refused, or not to be had whole after three attempts.
        """
        for attempt in range(1, _READ_ATTEMPTS + 1):
            try:
                with aws_errors("s3:GetObject"):
                    answer = self.client.get_object(Bucket=self.bucket, Key=self.key, IfMatch=f'"{self.version}"')
                    content: bytes = answer["Body"].read()
            except AwsError as error:
                if error.code in _ARRIVED_DAMAGED and attempt < _READ_ATTEMPTS:
                    continue
                raise _unreadable(error, self.uri, self.bucket) from error
            if len(content) == answer["ContentLength"]:
                return content
        raise SourceError(
            f"{self.uri} arrived cut short {_READ_ATTEMPTS} times",
            remedy="repeat the command when the network is stable",
        )


#: What the SDK raises while a body is being read; its own retries end with the headers.
_ARRIVED_DAMAGED = frozenset(
    {"ResponseStreamingError", "IncompleteReadError", "ReadTimeoutError", "ConnectionClosedError"}
)


class _Listed(msgspec.Struct, frozen=True, gc=False):
    key: str
    etag: str
    size: int
    day: date | None


class _Folder(msgspec.Struct, frozen=True):
    """A prefix to list whole; ``by_day`` where its keys sort by day."""

    prefix: str
    by_day: bool


class _Scope(msgspec.Struct, frozen=True):
    """Which objects are wanted: days (both included), accounts and Regions; None means all."""

    days: tuple[date, date] | None
    accounts: frozenset[str] | None
    regions: frozenset[str] | None

    def wants(self, key: str) -> tuple[bool, date | None]:
        """Whether an object is wanted, and the day of its delivery if its key says so."""
        if not key.endswith(_SUFFIXES) or "CloudTrail-Digest" in key or not self.wants_folder(key):
            return False, None
        log = parse_key(key)
        if log is None:
            return True, None
        return self.days is None or self.days[0] <= log.day <= self.days[1], log.day

    def wants_folder(self, path: str) -> bool:
        """Whether anything in this folder may be wanted, as far as CloudTrail's layout tells."""
        below = _BELOW_AWSLOGS.search(path)
        if below is None:
            return True
        parts = [*str(below["rest"]).split("/"), "", ""]
        account, kind, region = parts[:3]
        return (
            (not account or (account.isdigit() and (self.accounts is None or account in self.accounts)))
            and (not kind or kind in _RECORD_FOLDERS)
            and (not region or self.regions is None or region in self.regions)
        )


def s3_objects(
    client: Any,
    uri: str,
    *,
    window: Window | None = None,
    accounts: Iterable[str] | None = None,
    regions: Iterable[str] | None = None,
    known: Callable[[str, str], bool] | None = None,
    progress: Progress,
) -> Iterator[S3Object]:
    """The log objects under ``uri``, by day, oldest first; what has no day in its key comes last.

    ``client`` is an S3 client with the credentials to read with. ``uri`` may point above or below the folder
    AWSLogs, or at one object. With a ``window`` only the days are listed on which its events may have been
    delivered; ``accounts`` and ``regions`` restrict CloudTrail's own layout, other objects (.json, .json.gz, .jsonl)
    are always taken. Objects for which ``known(uri, version)`` holds are left out. Digests are skipped.
    Needs s3:ListBucket.

    Raises:
        UsageError: not an S3 URI.
        SourceError: no such bucket, listing refused, or nothing at all under the prefix.
        AwsError: the way to S3 failed.
    """
    bucket, prefix = parse_s3_uri(uri)
    location = f"s3://{bucket}/{prefix}".rstrip("/")
    scope = _Scope(
        days=(window.start.date(), (window.end + LATE_DELIVERY).date()) if window is not None else None,
        accounts=frozenset(accounts) if accounts is not None else None,
        regions=frozenset(regions) if regions is not None else None,
    )
    lister = _Lister(client, bucket, scope)
    with progress.task(f"Listing {location}", unit="objects") as task:
        for number, listed in enumerate(lister.objects(prefix)):
            if number % _TELL_EVERY == 0:
                task.advance(min(number, _TELL_EVERY), note=str(listed.day or listed.key))
            found = S3Object(
                client=client,
                bucket=bucket,
                key=listed.key,
                version=listed.etag,
                size=listed.size,
                location=location,
                day=listed.day,
            )
            if known is None or not known(found.uri, found.version):
                yield found


class _Lister:
    """Walks one bucket: folders down to each account and Region, then their keys in order."""

    def __init__(self, client: Any, bucket: str, scope: _Scope) -> None:
        self._client = client
        self._bucket = bucket
        self._scope = scope

    def objects(self, prefix: str) -> Iterator[_Listed]:
        """Every wanted object in the folder ``prefix``, by day; or the one object whose key it is."""
        folder = prefix if not prefix or prefix.endswith("/") else prefix + "/"
        if self._page(folder, MaxKeys=1).get("KeyCount"):
            yield from self._below(folder)
            return
        for entry in self._page(prefix, MaxKeys=1).get("Contents", ()):
            if entry["Key"] == prefix:
                log = parse_key(prefix)
                yield _listed(entry, log.day if log else None)
                return
        raise self._nothing_under(prefix)

    def _below(self, prefix: str) -> Iterator[_Listed]:
        loose: list[_Listed] = []
        with ThreadPoolExecutor(_LISTERS, thread_name_prefix="s3-list") as pool:
            folders = list(self._folders(prefix, loose, pool))
            size = max(50, min(1000, _BUFFERED // max(1, len(folders))))
            listings = [self._keys(folder, size) for folder in folders if folder.by_day]
            # The first page of each is asked for at the same time: a merge would ask for one after the other.
            heads = list(pool.map(lambda listing: next(listing, None), listings))
        for folder in folders:
            if not folder.by_day:
                loose.extend(self._keys(folder, size))
        loose.sort(key=_by_day)
        streams = [chain((head,), rest) for head, rest in zip(heads, listings, strict=True) if head is not None]
        yield from heapq.merge(*streams, loose, key=_by_day)

    def _folders(self, prefix: str, loose: list[_Listed], pool: ThreadPoolExecutor) -> Iterator[_Folder]:
        """The folders to list whole; objects met on the way down are put into ``loose``."""
        if _REGION_FOLDER.search(prefix):
            yield _Folder(prefix, by_day=True)
            return
        level, depth = [prefix], 0
        while level:
            below: list[str] = []
            for children, objects in pool.map(self._children, level):
                loose.extend(objects)
                below.extend(child for child in children if self._scope.wants_folder(child))
            depth += 1
            level = []
            for child in below:
                if _REGION_FOLDER.search(child):
                    yield _Folder(child, by_day=True)
                elif _BELOW_AWSLOGS.search(child) or depth < SEARCH_DEPTH:
                    level.append(child)
                else:
                    yield _Folder(child, by_day=False)

    def _children(self, prefix: str) -> tuple[list[str], list[_Listed]]:
        children: list[str] = []
        objects: list[_Listed] = []
        for page in self._pages(prefix, Delimiter="/"):
            children.extend(entry["Prefix"] for entry in page.get("CommonPrefixes", ()))
            objects.extend(self._wanted(page))
        return children, objects

    def _keys(self, folder: _Folder, size: int) -> Iterator[_Listed]:
        """The wanted objects of a folder; of one that sorts by day only the days that are wanted are listed."""
        days = self._scope.days if folder.by_day else None
        after: dict[str, Any] = {}
        last = ""
        region_folder = _REGION_FOLDER.search(folder.prefix)
        if days is not None and region_folder is not None and not region_folder["below"]:
            after = {"StartAfter": f"{folder.prefix}{days[0]:%Y/%m/%d}"}
            last = f"{folder.prefix}{days[1]:%Y/%m/%d}0"  # "0" sorts after "/": past everything of the last day
        for page in self._pages(folder.prefix, MaxKeys=size, **after):
            entries = page.get("Contents", ())
            yield from self._wanted(page)
            if last and entries and entries[-1]["Key"] >= last:
                return

    def _wanted(self, page: dict[str, Any]) -> Iterator[_Listed]:
        for entry in page.get("Contents", ()):
            wanted, day = self._scope.wants(entry["Key"])
            if wanted and entry["Size"]:
                yield _listed(entry, day)

    def _pages(self, prefix: str, **more: Any) -> Iterator[dict[str, Any]]:
        token: str | None = None
        while True:
            page = self._page(prefix, **more, **({"ContinuationToken": token} if token else {}))
            yield page
            token = page.get("NextContinuationToken")
            if not token:
                return

    def _page(self, prefix: str, **more: Any) -> dict[str, Any]:
        try:
            with aws_errors("s3:ListBucket"):
                answer: dict[str, Any] = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **more)
        except NotFound as error:
            raise SourceError(
                f"there is no bucket {self._bucket!r}",
                remedy="check the name; `trailwarden accounts doctor` shows the buckets that the trails deliver to",
            ) from error
        except AccessDenied as error:
            raise SourceError(
                f"listing s3://{self._bucket}/{prefix} was refused: {error.message}",
                remedy=f"allow s3:ListBucket on arn:aws:s3:::{self._bucket} to the caller, in its own policy and, if "
                "the bucket is another account's, in the bucket policy too",
            ) from error
        return answer

    def _nothing_under(self, prefix: str) -> SourceError:
        """The error for a prefix without objects: it names the nearest folder that there is, and what is in it."""
        where = f"s3://{self._bucket}/{prefix}"
        parts = prefix.rstrip("/").split("/")[:-1] if prefix else []
        for depth in range(len(parts), -1, -1):
            near = "".join(f"{part}/" for part in parts[:depth])
            page = self._page(near, Delimiter="/", MaxKeys=50)
            names = [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
            names += [entry["Key"] for entry in page.get("Contents", ())]
            if names:
                shown = ", ".join(name.removeprefix(near)[:80] for name in names[:8])
                more = ", …" if len(names) > 8 or page.get("IsTruncated") else ""
                return SourceError(
                    f"nothing is under {where}",
                    remedy=f"the nearest that exists is s3://{self._bucket}/{near} with {shown}{more}",
                )
        return SourceError(
            f"the bucket {self._bucket} is empty",
            remedy="check that the trail delivers to this bucket: CloudTrail > Trails > the trail > S3 bucket",
        )


def _listed(entry: dict[str, Any], day: date | None) -> _Listed:
    return _Listed(entry["Key"], str(entry["ETag"]).strip('"'), entry["Size"], day)


def _by_day(listed: _Listed) -> date:
    return listed.day or date.max


def _unreadable(error: AwsError, uri: str, bucket: str) -> SourceError:
    if error.code == "InvalidObjectState":
        return SourceError(
            f"{uri} is in cold storage (Glacier) and cannot be read as it is",
            remedy="restore the objects first (S3 > the objects > Initiate restore), then repeat the command",
        )
    if error.code in {"PreconditionFailed", "412"}:
        return SourceError(f"{uri} changed after it was listed", remedy="repeat the command: it is listed anew")
    if isinstance(error, NotFound):
        return SourceError(
            f"{uri} is gone since it was listed", remedy="see the bucket's lifecycle rules: a rule may delete old logs"
        )
    if "kms" in f"{error.code} {error.message}".lower():
        return SourceError(
            f"{uri} is encrypted with a KMS key that the caller may not use: {error.message}",
            remedy="allow kms:Decrypt on the trail's KMS key to the caller, in its own policy and in the key policy, "
            "and see that the key is enabled",
        )
    if isinstance(error, AccessDenied):
        return SourceError(
            f"reading {uri} was refused: {error.message}",
            remedy=f"allow s3:GetObject on arn:aws:s3:::{bucket}/* to the caller; if the trail encrypts its logs "
            "(SSE-KMS), allow kms:Decrypt on its key as well",
        )
    return SourceError(f"{uri} cannot be read: {error.message}", remedy=error.remedy)


class Trail(msgspec.Struct, frozen=True, kw_only=True):
    """One trail: where it delivers, and what it covers.

    ``logging`` is None where the caller may not see the status; ``data_events`` are not in here.
    """

    name: str
    arn: str
    home_region: str
    bucket: str
    prefix: str | None
    organisation: bool
    multi_region: bool
    log_validation: bool
    kms_key: str | None
    logging: bool | None

    @property
    def uri(self) -> str:
        """Where its log objects are, as ``s3_objects`` takes it."""
        return f"s3://{self.bucket}/{self.prefix}/AWSLogs" if self.prefix else f"s3://{self.bucket}/AWSLogs"


def find_trails(broker: "Broker", connection: Connection) -> Sequence[Trail]:
    """Every trail that records the connected account, whatever its home Region; an organisation's trail too.

    Needs cloudtrail:ListTrails, cloudtrail:DescribeTrails and cloudtrail:GetTrailStatus.

    Raises:
        AwsError: the account cannot be entered, or a list is refused.
    """
    account = connection.account_id
    with aws_errors("cloudtrail:ListTrails", account=account):
        listed = broker.client(connection, "cloudtrail").get_paginator("list_trails").paginate()
        homes: dict[str, list[str]] = {}
        for entry in (trail for page in listed for trail in page["Trails"]):
            homes.setdefault(entry["HomeRegion"], []).append(entry["TrailARN"])
    trails: list[Trail] = []
    for region, arns in homes.items():
        client = broker.client(connection, "cloudtrail", region)
        with aws_errors("cloudtrail:DescribeTrails", account=account, region=region):
            described = client.describe_trails(trailNameList=arns)["trailList"]
        trails.extend(_trail(client, account, region, shape) for shape in described)
    return sorted(trails, key=lambda trail: trail.arn)


def _trail(client: Any, account: str, region: str, shape: dict[str, Any]) -> Trail:
    logging: bool | None
    try:
        with aws_errors("cloudtrail:GetTrailStatus", account=account, region=region):
            logging = client.get_trail_status(Name=shape["TrailARN"])["IsLogging"]
    except AccessDenied:
        logging = None
    return Trail(
        name=shape["Name"],
        arn=shape["TrailARN"],
        home_region=shape["HomeRegion"],
        bucket=shape["S3BucketName"],
        prefix=shape.get("S3KeyPrefix") or None,
        organisation=shape.get("IsOrganizationTrail", False),
        multi_region=shape.get("IsMultiRegionTrail", False),
        log_validation=shape.get("LogFileValidationEnabled", False),
        kms_key=shape.get("KmsKeyId") or None,
        logging=logging,
    )
