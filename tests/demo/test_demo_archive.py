"""The archive: CloudTrail's layout, every record in it, a few twice, and not too many objects."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from trailwarden.demo.activity import generate
from trailwarden.demo.archive import ArchiveReport, write_archive
from trailwarden.demo.scenario import Scenario, build_scenario
from trailwarden.progress import Silent, Task

ANCHOR = datetime(2026, 11, 24, 4, 10, tzinfo=UTC)
KEY = re.compile(
    r"AWSLogs/(?P<organization>o-[a-z0-9]{10,32})/(?P<account>\d{12})/CloudTrail/(?P<region>[a-z]{2}-[a-z]+-\d)/"
    r"(?P<day>\d{4}/\d{2}/\d{2})/(?P=account)_CloudTrail_(?P=region)_(?P<time>\d{8}T\d{4}Z)_[A-Za-z0-9]{16}\.json\.gz"
)


def written(scenario: Scenario) -> tuple[dict[str, bytes], ArchiveReport]:
    objects: dict[str, bytes] = {}

    def put(key: str, body: bytes) -> None:
        assert key not in objects
        objects[key] = body

    return objects, write_archive(scenario, put, progress=Silent())


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return build_scenario(anchor=ANCHOR, records=20_000)


@pytest.fixture(scope="module")
def archive(scenario: Scenario) -> tuple[dict[str, bytes], ArchiveReport]:
    return written(scenario)


@pytest.fixture(scope="module")
def objects(archive: tuple[dict[str, bytes], ArchiveReport]) -> dict[str, bytes]:
    return archive[0]


def test_keys_follow_the_documented_pattern(objects: dict[str, bytes], scenario: Scenario) -> None:
    for key in objects:
        match = KEY.fullmatch(key)
        assert match, key
        assert match["organization"] == scenario.organization_id
        moment = datetime.strptime(match["time"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
        assert f"{moment:%Y/%m/%d}" == match["day"]
        assert moment <= ANCHOR


def test_objects_are_few(archive: tuple[dict[str, bytes], ArchiveReport]) -> None:
    objects, report = archive
    assert 300 < len(objects) <= 1_500
    assert report.objects == len(objects)
    assert report.bytes == sum(map(len, objects.values()))


def test_each_object_holds_records_of_its_account_and_region_from_before_its_time(objects: dict[str, bytes]) -> None:
    for key, body in objects.items():
        match = KEY.fullmatch(key)
        assert match
        delivered = datetime.strptime(match["time"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC) + timedelta(minutes=1)
        records = json.loads(gzip.decompress(body))["Records"]
        assert records
        for record in records:
            assert (record["recipientAccountId"], record["awsRegion"]) == (match["account"], match["region"])
            assert datetime.fromisoformat(record["eventTime"]) <= delivered


def test_every_record_arrives_and_a_few_arrive_twice_in_different_files(
    archive: tuple[dict[str, bytes], ArchiveReport], scenario: Scenario
) -> None:
    objects, report = archive
    arrived: Counter[str] = Counter()
    for body in objects.values():
        ids = [record["eventID"] for record in json.loads(gzip.decompress(body))["Records"]]
        assert len(set(ids)) == len(ids)
        arrived.update(ids)
    assert set(arrived) == {json.loads(body)["eventID"] for body in generate(scenario)}
    twice = [event_id for event_id, times in arrived.items() if times > 1]
    assert 5 < len(twice) < 100
    assert report.duplicates == len(twice)
    assert report.records == arrived.total()


def test_the_same_scenario_gives_the_same_objects() -> None:
    small = build_scenario(anchor=ANCHOR, records=2_000)
    assert written(small) == written(small)


def test_progress_reaches_about_what_it_announced() -> None:
    class Watching:
        def __init__(self) -> None:
            self.announced, self.done = 0.0, 0.0

        @contextmanager
        def _task(self, total: float) -> Iterator[Task]:
            self.announced = total
            yield self

        def task(self, title: str, *, total: float | None = None, unit: str = "") -> AbstractContextManager[Task]:
            return self._task(total or 0)

        def advance(self, amount: float, *, note: str = "") -> None:
            self.done += amount

        def total(self, amount: float) -> None:
            self.announced = amount

    watching = Watching()
    write_archive(build_scenario(anchor=ANCHOR, records=5_000), lambda key, body: None, progress=watching)
    assert watching.announced * 0.9 <= watching.done <= watching.announced * 1.1
