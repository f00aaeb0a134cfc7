"""Where an address is: its country, and the network (autonomous system) that announces it.

The database comes inside the package geoip2fast (MaxMind's GeoLite2 of the day that :attr:`Places.date` says); nothing
is asked of anybody. Blind spots: it is as old as that day, so that addresses may have moved since; an address of a
VPN, proxy, cloud or satellite is where its operator says; mobile carriers lead whole countries through one city;
networks are known by name, not by number; and what is not in it (private and documentation ranges, much of AWS's own
network) is None, which is no country at all.
"""

import re
import warnings
from datetime import date
from functools import lru_cache
from importlib import resources
from ipaddress import ip_address
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from .errors import SetupError

if TYPE_CHECKING:
    from geoip2fast import GeoIP2Fast

_FILE = "geoip2fast-asn-ipv6.dat.gz"
_COUNTRY = re.compile(r"[A-Z]{2}")
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})$")
_LOADING = Lock()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """``country`` is ISO 3166-1 alpha-2, ``network`` the name of the autonomous system; None: the database has none."""

    country: str | None = None
    network: str | None = None


class Places:
    """The database, loaded. Lookups change nothing in it, so that threads may share it."""

    def __init__(self, database: "GeoIP2Fast") -> None:
        self._database = database
        #: What the database says of itself, ``MAXMIND:GeoLite2-CountryASN-IPv4IPv6-en-20240618``.
        self.source: str = str(database.source_info)
        made = _DATE.search(self.source)
        #: The day of the data; None if the database does not tell.
        self.date: date | None = date(int(made[1]), int(made[2]), int(made[3])) if made else None

    def of(self, address: str) -> Place | None:
        """The place of an address; None if the text is no address, or the database knows nothing of it."""
        try:
            plain = str(ip_address(address))
        except ValueError:
            return None
        found = self._database.lookup(plain)
        if found.is_private:
            return None
        country = found.country_code if _COUNTRY.fullmatch(found.country_code) else None
        network = found.asn_name or None
        return Place(country=country, network=network) if country or network else None

    @property
    def note(self) -> str:
        """How old the data is, in words."""
        day = self.date.isoformat() if self.date else "unknown"
        return (
            f"countries and networks of addresses are of an offline database of {day}; addresses move, and a VPN shows "
            "its own place"
        )


def places() -> Places:
    """The database, loaded at the first call (a quarter of a second, about 100 MB) and shared from then on.

    Raises:
        SetupError: the package's database cannot be read.
    """
    with _LOADING:
        return _load()


@lru_cache(maxsize=1)
def _load() -> Places:
    with warnings.catch_warnings():  # its source has escapes that Python warns of when it is first compiled
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        from geoip2fast.geoip2fast import GeoIP2Fast, GeoIPError  # noqa: PLC0415

    with resources.as_file(resources.files("geoip2fast") / _FILE) as path:
        try:
            return Places(GeoIP2Fast(geoip2fast_data_file=str(path)))
        except GeoIPError as error:
            raise SetupError(
                f"the database of countries and networks cannot be read: {error}", remedy="install geoip2fast again"
            ) from error
