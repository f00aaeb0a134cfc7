"""Addresses of the internet in records, and the lists of addresses that an installation's keepers supply."""

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

import msgspec

from ..model.address import parse_address, public_address

__all__ = ["AddressList", "neighbourhood", "public_address", "read_list"]

#: Bad lines of a list that are named one by one.
_NAMED = 3


class AddressList(msgspec.Struct, frozen=True, kw_only=True):
    """A list of networks under its name. ``networks`` maps (version, prefix length) to network addresses as numbers."""

    name: str
    networks: dict[tuple[int, int], frozenset[int]]
    size: int

    def __contains__(self, address: str) -> bool:
        found = parse_address(address)
        if found is None:
            return False
        bits = found.max_prefixlen
        return any(
            int(found) >> (bits - length) << (bits - length) in members
            for (version, length), members in self.networks.items()
            if version == found.version
        )


def read_list(name: str, lines: Iterable[str]) -> tuple[AddressList, tuple[str, ...]]:
    """A list from its lines, and what is wrong with it, in words: one network a line, ``#`` begins a comment.

    A network with host bits set counts as the network that it lies in; a line that is neither is left out and said.
    """
    members: dict[tuple[int, int], set[int]] = defaultdict(set)
    bad: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            bad.append(f"line {number}: {text[:50]!r}")
            continue
        members[network.version, network.prefixlen].add(int(network.network_address))
    networks = {key: frozenset(found) for key, found in members.items()}
    size = sum(len(found) for found in networks.values())
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    said = (f"list {name}: not a network, and left out: {', '.join(bad[:_NAMED])}{more}",) if bad else ()
    return AddressList(name=name, networks=networks, size=size), said


def neighbourhood(address: str) -> str:
    """What counts as one address: an IPv4 address itself, the /64 of an IPv6 address, whose rest devices change daily.

    Raises:
        ValueError: not an address.
    """
    found = ip_address(address)
    return str(ip_network(f"{found}/64", strict=False)) if found.version == 6 else str(found)
