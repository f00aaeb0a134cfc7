"""Which addresses of records are of the internet."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

#: Addresses that are not of the internet: private, shared (RFC 6598), link-local, loopback, unique local, multicast.
#: Documentation ranges count as public here, unlike in ``ipaddress``.
_INTERNAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
        "::/127",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    )
)


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one within IPv6 (::ffff:) as IPv4; None for a service's name, and what an attacker wrote."""
    try:
        found = ip_address(text.strip())
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


@lru_cache(maxsize=65_536)
def public_address(text: str | None) -> str | None:
    """The address in one way of writing it; None if it is private, no address at all, or a service's name."""
    found = parse_address(text or "")
    if found is None or any(found.version == network.version and found in network for network in _INTERNAL):
        return None
    return str(found)
