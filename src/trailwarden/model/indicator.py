"""Indicators: the things that an analyst pastes, recognised in any text.

Access key and principal id prefixes:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
"""

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Literal

import msgspec

Kind = Literal["arn", "access_key", "email", "ip", "cidr", "instance_id", "account_id", "event_id", "role_name"]


class Indicator(msgspec.Struct, frozen=True, order=True):
    """One thing found: its kind, its canonical value, and where it stands in the text (``text[start:end]``)."""

    kind: Kind
    value: str
    start: int
    end: int


def _valid_ip(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _valid_cidr(text: str) -> str | None:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return None


def _same(text: str) -> str:
    return text


#: Tried at each place in this order; the first kind that matches and validates takes the text.
_PATTERNS: tuple[tuple[Kind, str, Callable[[str], str | None]], ...] = (
    ("arn", r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(?:\d{12}|aws)?:[^\s\"'<>,;)\]}]*[\w*/+=@-]", _same),
    ("event_id", r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", str.lower),
    ("email", r"[\w.!#$%&'*+/=?^`{|}~-]*\w@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,24}\b", _same),
    ("cidr", r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]*::?[0-9A-Fa-f:.]*)/\d{1,3}(?![\w/])", _valid_cidr),
    ("ip", r"(?<![\w.:/-])\d{1,3}(?:\.\d{1,3}){3}(?![\w/-])(?!\.\d)", _valid_ip),
    ("ip", r"(?<![\w.:])(?=[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:]+(?:\.\d{1,3}){0,3}(?![\w/])", _valid_ip),
    ("access_key", r"(?<![A-Za-z0-9])A(?:KIA|SIA)[A-Z0-9]{12,28}(?![A-Za-z0-9])", _same),
    ("instance_id", r"(?<![A-Za-z0-9-])i-(?:[0-9a-f]{17}|[0-9a-f]{8})(?![A-Za-z0-9-])", _same),
    ("account_id", r"(?<![\w.:/-])(?:\d{12}|\d{4}-\d{4}-\d{4})(?![\w/-])(?!\.\d)", lambda text: text.replace("-", "")),
    ("role_name", r"\bAWSReservedSSO_[\w+=,.@-]+_[0-9a-f]{16}\b|(?<=\brole/)[\w+=,.@-]*[\w+=@]", _same),
)
_ANY = re.compile("|".join(f"(?P<p{n}>{pattern})" for n, (_, pattern, _) in enumerate(_PATTERNS)))
_EACH = tuple(re.compile(pattern) for _, pattern, _ in _PATTERNS)


def find_indicators(text: str) -> tuple[Indicator, ...]:
    """Every indicator in ``text``, in order, none overlapping another.

    Addresses are canonical (``2001:DB8::1`` becomes ``2001:db8::1``; a CIDR loses its host bits); account
    ids lose their hyphens. A role name is recognised only where its shape or a preceding ``role/`` says
    that it is one: a bare word needs an inventory.
    """
    found: list[Indicator] = []
    position = 0
    while match := _ANY.search(text, position):
        position = max(match.start() + 1, position + 1)
        for (kind, _, canonical), pattern in zip(_PATTERNS, _EACH, strict=True):
            at = pattern.match(text, match.start())
            value = canonical(at.group()) if at and at.group() else None
            if at and value is not None:
                found.append(Indicator(kind, value, at.start(), at.end()))
                position = at.end()
                break
    return tuple(found)


def indicator_of(text: str) -> Indicator | None:
    """The indicator that the whole of ``text`` is, or None."""
    stripped = text.strip()
    found = find_indicators(stripped)
    return found[0] if len(found) == 1 and (found[0].start, found[0].end) == (0, len(stripped)) else None
