"""The organisation trail of the scenario, as CloudTrail lays it down in a bucket.

Key: ``AWSLogs/<organization>/<account>/CloudTrail/<region>/YYYY/MM/DD/<account>_CloudTrail_<region>_<time>Z_<unique>.json.gz``
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
"""  # noqa: E501 - the key in one line

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from random import Random

import msgspec

from ..progress import Progress
from .activity import stream
from .records import Recorded
from .scenario import Scenario

#: How long CloudTrail collects at least before it delivers a file.
_COLLECT = 5 * 60
_UNIQUE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#: One record in so many is delivered a second time, in the next file.
_TWICE = 701


class ArchiveReport(msgspec.Struct, frozen=True):
    """What was written: objects, their bytes, records in them, and how many of these are second copies."""

    objects: int
    bytes: int
    records: int
    duplicates: int


class _Open:
    """A file that still collects records."""

    __slots__ = ("again", "day", "records", "since", "until")

    def __init__(self) -> None:
        self.day = -1
        self.since = self.until = 0
        self.records: list[bytes] = []
        self.again: list[bytes] = []


def write_archive(scenario: Scenario, put: Callable[[str, bytes], None], *, progress: Progress) -> ArchiveReport:
    """Write every record of the scenario through ``put(key, body)``; the same scenario gives the same objects."""
    return archive(scenario, stream(scenario), put, progress=progress)


def archive(
    scenario: Scenario, recorded: Iterable[Recorded], put: Callable[[str, bytes], None], *, progress: Progress
) -> ArchiveReport:
    """As ``write_archive``, for records that are at hand already (of this scenario, in order of delivery).

    CloudTrail delivers every five minutes; here a file collects longer where little happens, so that there
    are at most about 1,500 objects for 20,000 records and 4,000 for a million.
    """
    import deflate  # noqa: PLC0415

    random = Random(f"archive {scenario.seed} {scenario.anchor.isoformat()}")
    end = int(scenario.anchor.timestamp())
    enough = max(24, scenario.records // 3_000)
    files: dict[tuple[str, str], _Open] = {}
    objects = size = records = duplicates = 0

    def deliver(place: tuple[str, str], file: _Open) -> None:
        nonlocal objects, size, records, duplicates
        account_id, region = place
        moment = datetime.fromtimestamp(min(file.until + _COLLECT, end, (file.day + 1) * 86_400 - 1), UTC)
        name = f"{account_id}_CloudTrail_{region}_{moment:%Y%m%dT%H%MZ}_{''.join(random.choices(_UNIQUE, k=16))}"
        again, file.again = file.again, [body for n, body in enumerate(file.records, records) if n % _TWICE == 0]
        content = [*file.records, *again]
        # A trail's files are not in order.
        random.shuffle(content)
        body = deflate.gzip_compress(b'{"Records":[' + b",".join(content) + b"]}", 6)
        put(
            f"AWSLogs/{scenario.organization_id}/{account_id}/CloudTrail/{region}/{moment:%Y/%m/%d}/{name}.json.gz",
            bytes(body),
        )
        objects, size = objects + 1, size + len(body)
        records, duplicates = records + len(content), duplicates + len(again)
        file.records = []

    with progress.task("Writing the organisation trail", total=scenario.records, unit="records") as task:
        latest = 0
        for number, (seconds, account_id, region, body) in enumerate(recorded):
            latest = max(latest, seconds)
            place = account_id, region
            file = files.get(place)
            if file is None:
                file = files[place] = _Open()
            full = len(file.records) >= enough and latest - file.since >= _COLLECT
            if file.records and (full or latest // 86_400 != file.day):
                deliver(place, file)
            if not file.records:
                file.day, file.since = latest // 86_400, latest
            file.until = latest
            file.records.append(body)
            if number % 500 == 499:
                task.advance(500)
        for place, file in sorted(files.items()):
            if file.records:
                deliver(place, file)
    return ArchiveReport(objects, size, records, duplicates)
