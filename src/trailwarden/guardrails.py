"""What no action may touch, whoever approves it: pure checks, each with the sentence that refuses."""

import ipaddress
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from .errors import UsageError
from .model.arn import Arn, role_of_session

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The widest networks that are ever blocked: a /8 of IPv4 or a /19 of IPv6 is a registry's whole allocation.
WIDEST: Mapping[Literal[4, 6], int] = {4: 16, 6: 32}
_RESERVED_SSO = "AWSReservedSSO_"
_SERVICE_LINKED_PATH = "/aws-service-role/"
#: Networks of examples (RFC 5737, RFC 3849), which are nobody's: blocking them is without effect, and does no harm.
_DOCUMENTATION: tuple[Network, ...] = tuple(
    map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
)


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """What this installation protects.

    ``own`` are the ARNs of its own principal and of the roles that it is connected through. The rest are settings:
    ``principals`` are ARNs or names, ``*`` allowed; ``instances`` instance ids; ``tags`` are ``key`` or ``key=value``
    of what must not be touched; ``addresses`` networks that are one's own; ``revoke_sessions`` whether that action,
    whose iam:PutRolePolicy is as good as administrator access, is wanted here at all.

    ``used_addresses`` are addresses that this installation's roles call from day by day, and so its own;
    ``seen_addresses`` others that the roles called from, which may be those of whoever stole a session.
    """

    own: tuple[str, ...] = ()
    own_access_keys: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    used_addresses: tuple[str, ...] = ()
    seen_addresses: tuple[str, ...] = ()
    revoke_sessions: bool = False

    def principal(self, arn: str, tags: Mapping[str, str] | None = None) -> str | None:
        """Why this user, role or group must not be touched; None if it may."""
        parsed = Arn.parse(arn)
        if parsed.resource == "root":
            return "root cannot be acted on through IAM: sign in as root, or use its central management"
        role = str(role_of_session(parsed))
        if any(_same_principal(role, each) for each in self.own):
            return f"{parsed.name} is how this installation reaches the account"
        if parsed.kind == "role" and _SERVICE_LINKED_PATH in f"/{parsed.resource}":
            return f"{parsed.name} is a service-linked role: it belongs to its service, which can delete it"
        if parsed.kind == "role" and parsed.name.startswith(_RESERVED_SSO):
            return f"{parsed.name} belongs to Identity Center: change the permission set or its assignments there"
        for pattern in self.principals:
            if any(fnmatchcase(value.casefold(), pattern.casefold()) for value in (arn, parsed.name)):
                return f"{parsed.name} is protected by the setting respond.protected_principals ({pattern})"
        return self.tagged(parsed.name, tags or {})

    def instance(self, instance_id: str, tags: Mapping[str, str]) -> str | None:
        """Why this instance must not be touched; None if it may."""
        if instance_id in self.instances:
            return f"{instance_id} is protected by the setting respond.protected_instances"
        return self.tagged(instance_id, tags)

    def tagged(self, name: str, tags: Mapping[str, str]) -> str | None:
        """Why what bears these tags must not be touched; None if it may."""
        for each in self.tags:
            key, equals, value = each.partition("=")
            if key in tags and (not equals or tags[key] == value):
                return f"{name} bears the tag {key}={tags[key]}, which the setting respond.protected_tags protects"
        return None

    def access_key(self, access_key_id: str) -> str | None:
        """Why this access key must not be touched; None if it may."""
        if access_key_id in self.own_access_keys:
            return f"{access_key_id} is the key that this installation itself signs with"
        return None

    def network(self, network: Network, own: Iterable[tuple[Network, str]] = ()) -> str | None:
        """Why this network must not be blocked; None if it may. ``own`` are further networks that are the account's
        own, each with what it is."""
        if network.prefixlen == 0:
            return f"{network} is every address"
        if network.prefixlen < WIDEST[network.version]:
            return f"{network} is wider than /{WIDEST[network.version]}: block what attacked, not its neighbourhood"
        if not network.is_global and not any(within(network, each) for each in _DOCUMENTATION):
            return f"{network} is not a public network: nobody reaches a web ACL from it"
        settings = ((parse_network(each), "the setting respond.own_addresses") for each in self.addresses)
        used = ((parse_network(each), "this installation calls from it day by day") for each in self.used_addresses)
        for mine, what in (*settings, *used, *own):
            if mine.version == network.version and mine.overlaps(network):
                return f"{network} holds {mine}, one's own: {what}"
        return None

    def seen_within(self, network: Network) -> str | None:
        """What gives pause about blocking a network that this installation's roles called from; None if nothing."""
        seen = [each for each in self.seen_addresses if within(parse_network(each), network)]
        if not seen:
            return None
        more = f" and {len(seen) - 1} more of it" if len(seen) > 1 else ""
        return f"our own role was used from {seen[0]}{more}: it may be ours, or a session of the role was stolen"


def parse_network(text: str) -> Network:
    """A network in canonical form; an address is a /32 or a /128, and an IPv4 address within IPv6 (::ffff:) is IPv4.

    Raises:
        UsageError: not an address or network, or a network with bits set below its prefix.
    """
    try:
        network = ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise UsageError(
            f"not an IP address or CIDR network: {text[:64]!r}", remedy="write it like 203.0.113.7 or 203.0.113.0/24"
        ) from error
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.ip_network((mapped, network.prefixlen - 96))
    return network


def within(inner: Network, outer: Network) -> bool:
    """Whether all of ``inner`` lies in ``outer``."""
    return inner.version == outer.version and inner.network_address in outer and inner.broadcast_address in outer


def _same_principal(one: str, other: str) -> bool:
    """Whether two ARNs are one principal; that of a role's session has lost the role's path."""
    left, right = role_of_session(Arn.parse(one)), role_of_session(Arn.parse(other))
    return (left.account, left.kind, left.name) == (right.account, right.kind, right.name)
