"""Places of addresses: the offline database says what it knows, how old it is, and nothing else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from trailwarden.places import Place, places

PLACES: dict[str, tuple[str, Place | None]] = {
    "ipv4": ("8.8.8.8", Place(country="US", network="GOOGLE")),
    "ipv6": ("2606:4700:0:0::1111", Place(country="US", network="CLOUDFLARENET")),
    "private": ("10.1.2.3", None),
    "shared": ("100.64.0.1", None),
    "documentation": ("203.0.113.7", None),
    "documentation-ipv6": ("2001:db8::1", None),
    "link-local": ("fe80::1", None),
    "service": ("ec2.amazonaws.com", None),
    "internal": ("AWS Internal", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("address", "place"), PLACES.values(), ids=PLACES)
def test_places(address: str, place: Place | None) -> None:
    assert places().of(address) == place


def test_the_database_says_its_date() -> None:
    found = places()
    assert found.date is not None
    assert found.date > date(2024, 1, 1)
    assert found.date.isoformat() in found.note
    assert f"{found.date:%Y%m%d}" in found.source


def test_threads_share_one_database() -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: places(), range(32)))
        found = list(pool.map(lambda at: places().of(("8.8.8.8", "10.0.0.1")[at % 2]), range(200)))
    assert len({id(each) for each in opened}) == 1
    assert set(found[::2]) == {PLACES["ipv4"][1]}
    assert set(found[1::2]) == {None}
