"""Which events: an EventFilter as one SQL predicate over the table ``events``.

The predicate is in Trino's dialect, the canonical one of the lake, with ``?`` for every value: no text of a
person or a log ever becomes part of a statement. What each field means:

- ``user``: user_name, session_name or source_identity, in any case; an ARN also as user_arn; ``root`` also as the
  root user.
- ``access_key``, ``arn``, ``account``: exactly. ``ip``: an address in any of its spellings, a CIDR, or else the
  text as recorded (``cloudformation.amazonaws.com``, ``AWS Internal``).
- ``event``: ``CreateUser`` or ``iam:CreateUser``; ``source``: ``iam`` or ``iam.amazonaws.com``; in any case.
- ``role``: role_name in any case; the ARN of a role; or of its sessions, with or without the session's name.
- ``session``, ``error``, ``region``, ``user_agent``, ``principal_type``: in any case.
- ``resource``: exactly an ARN in ``resources``, the part of one after its last ``:`` or ``/``, or a string value
  anywhere in requestParameters or responseElements (never a key).
- ``text``: anywhere in the record's values or its nested JSON, as written or as JSON escapes it.
- ``denied``: the error code is one of DENIED_CODES or ends in one. ``failed``: the record has an error code or an
  error message, or is a sign-in whose result is ``Failure``.
- ``read_only``: a record without readOnly is neither a read nor a change.

Fields hold together (AND), the values of one field are alternatives (OR). In ``exclude`` each field rejects on
its own: excluding user a and ip b leaves out all events of a and all from b. An unknown (NULL) value never
matches, and is therefore never excluded. ``*`` stands for any run of characters in every field.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from json import dumps

import msgspec

from ..errors import UsageError
from ..model.event import DENIED_CODES, VALUE_FIELDS, EventFilter
from ..model.time import Window
from .layout import COLUMNS

#: The longest value of a filter, in characters.
LONGEST_VALUE = 4096
#: What a value of a filter or a parameter of a statement may be.
Param = str | int

_TEXT_COLUMNS = tuple(
    c.name for c in COLUMNS if c.type in ("text", "json") and (c.type == "json" or not c.origin.startswith("="))
)
#: Event sources whose records can tell a failure in their JSON columns alone.
SIGN_IN_SOURCES = ("signin.amazonaws.com", "sso.amazonaws.com")
_SIGN_IN_RESULT = ':\\s*"Failure"'
_ASSUMED = re.compile(r"arn:[^:]*:sts::[^:]*:assumed-role/[^/]+")
_ROLE = re.compile(r"arn:([^:]*):iam::([^:]*):role/(?:.*/)?([^/]+)")
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_CIDR_SHAPE = re.compile(r"[0-9A-Fa-f:.]+/[0-9]+")
_RESOURCE_KEYS = '"(?:ARN|arn|ARNPrefix|resourceName|ResourceName)"'


class Predicate(msgspec.Struct, frozen=True):
    """A condition in SQL and the values of its ``?``, in order. It may be NULL where a column is."""

    sql: str
    params: tuple[Param, ...] = ()


#: Gives the recorded source addresses in which a colon stands; asked only where IPv6 is looked for.
Addresses = Callable[[], Iterable[str]]

ANYTHING = Predicate("TRUE")
NOTHING = Predicate("FALSE")


def every(parts: Iterable[Predicate]) -> Predicate:
    """All of them hold."""
    given = [part for part in parts if part != ANYTHING]
    return _joined(given, " AND ") if given else ANYTHING


def either(parts: Iterable[Predicate]) -> Predicate:
    """At least one of them holds."""
    given = [part for part in parts if part != NOTHING]
    return _joined(given, " OR ") if given else NOTHING


def _joined(parts: Sequence[Predicate], word: str) -> Predicate:
    if len(parts) == 1:
        return parts[0]
    return Predicate(f"({word.join(part.sql for part in parts)})", tuple(p for part in parts for p in part.params))


def _unless(part: Predicate) -> Predicate:
    return Predicate(f"NOT coalesce({part.sql}, FALSE)", part.params)


def within(window: Window) -> Predicate:
    """The events of a window; ``month`` is the partition that the files lie in."""
    start, end = timestamp(window.start), timestamp(window.end)
    return Predicate(
        "month >= ? AND month <= ? AND event_time >= CAST(? AS TIMESTAMP) AND event_time < CAST(? AS TIMESTAMP)",
        (start[:7], end[:7], start, end),
    )


def timestamp(instant: datetime) -> str:
    """An aware instant as the text that every engine casts to the lake's timestamps: UTC, to the microsecond."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def predicate(where: EventFilter, addresses: Addresses) -> Predicate:
    """The condition that the events of ``where`` fulfil.

    Raises:
        UsageError: a value longer than LONGEST_VALUE or with characters that are not Unicode text, or a range of
            addresses that is none.
    """
    parts = _fields(where, addresses)
    if where.exclude is not None:
        parts += [_unless(part) for part in _fields(where.exclude, addresses)]
    return every(parts)


def is_failed() -> Predicate:
    """The call failed, as far as its narrow columns tell; :func:`is_failed_sign_in` has the rest."""
    return Predicate("(coalesce(error_code, '') <> '' OR coalesce(error_message, '') <> '')")


def is_sign_in() -> Predicate:
    """The record is of a service whose records can tell a failure in their JSON columns alone."""
    return Predicate("event_source IN ({})".format(", ".join(f"'{source}'" for source in SIGN_IN_SOURCES)))


def is_failed_sign_in() -> Predicate:
    """A sign-in that failed."""
    columns = ("response_elements", "service_event_details")
    results = " OR ".join(f"coalesce(regexp_like({column}, '{_SIGN_IN_RESULT}'), FALSE)" for column in columns)
    return Predicate(f"({is_sign_in().sql} AND ({results}))")


def failed(
    source: str | None, code: str | None, message: str | None, response: str | None, details: str | None
) -> bool:
    """The same for one record: whether its call failed. ``response`` and ``details`` are JSON text."""
    return bool(code or message) or (
        source in SIGN_IN_SOURCES and any(re.search(_SIGN_IN_RESULT, text) for text in (response, details) if text)
    )


def is_costly(where: EventFilter) -> bool:
    """Whether the filter has to read the wide columns."""
    return any(each is not None and bool(each.text or each.resource) for each in (where, where.exclude))


def _fields(where: EventFilter, addresses: Addresses) -> list[Predicate]:
    parts = []
    for name in VALUE_FIELDS:
        values: tuple[str, ...] = getattr(where, name)
        if values:
            check(name, values)
            parts.append(_ips(values, addresses) if name == "ip" else either(_FIELDS[name](value) for value in values))
    flags = {"denied": is_denied(), "failed": either((is_failed(), is_failed_sign_in()))}
    for name, flag in flags.items():
        wanted: bool | None = getattr(where, name)
        if wanted is not None:
            parts.append(flag if wanted else _unless(flag))
    if where.read_only is not None:
        parts.append(Predicate("read_only = TRUE" if where.read_only else "read_only = FALSE"))
    return parts


def check(name: str, values: Iterable[str]) -> None:
    """Refuse what cannot be searched for.

    Raises:
        UsageError: longer than LONGEST_VALUE, or not Unicode text.
    """
    for value in values:
        if len(value) > LONGEST_VALUE:
            raise UsageError(
                f"a value of {name} has {len(value)} characters", remedy=f"at most {LONGEST_VALUE} are searched for"
            )
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"a value of {name} is not Unicode text: {value!r}", remedy="give it in the terminal's encoding"
            ) from None


def like_pattern(value: str) -> tuple[str, str]:
    """A value with ``*`` as a LIKE pattern, and the ESCAPE clause that it needs, if any."""
    if not re.search(r"[%_!\\]", value):
        return value.replace("*", "%"), ""
    return re.sub(r"([%_!])", r"!\1", value).replace("*", "%"), " ESCAPE '!'"


def _same(column: str, value: str) -> Predicate:
    """The column is the value, exactly."""
    if "*" in value:
        pattern, escape = like_pattern(value)
        return Predicate(f"{column} LIKE ?{escape}", (pattern,))
    return Predicate(f"{column} = ?", (value,))


def _named(column: str, value: str) -> Predicate:
    """The column is the value, in any case."""
    if "*" in value:
        pattern, escape = like_pattern(value)
        return Predicate(f"lower({column}) LIKE lower(?){escape}", (pattern,))
    return Predicate(f"lower({column}) = lower(?)", (value,))


def _user(value: str) -> Predicate:
    parts = [_named(column, value) for column in ("user_name", "session_name", "source_identity")]
    if value.startswith("arn:"):
        parts.append(_same("user_arn", value))
    if value.lower() == "root":
        parts.append(Predicate("user_type = 'Root'"))
    return either(parts)


def _event(value: str) -> Predicate:
    service, colon, name = value.rpartition(":")
    if not colon:
        return _named("event_name", value)
    return every((_source(service), _named("event_name", name)))


def _source(value: str) -> Predicate:
    full = value if "." in value or value.endswith("*") else f"{value}.amazonaws.com"
    return _named("event_source", full)


def _role(value: str) -> Predicate:
    if not value.startswith("arn:"):
        return _named("role_name", value)
    parts = [_same("role_arn", value), every((Predicate("role_name IS NOT NULL"), _same("user_arn", value)))]
    if role := _ROLE.fullmatch(value):
        # A session's ARN has no path; it speaks where the record has no sessionIssuer.
        sessions = f"arn:{role[1]}:sts::{role[2]}:assumed-role/{role[3]}/*"
        parts.append(every((Predicate("role_arn IS NULL"), _same("user_arn", sessions))))
    elif _ASSUMED.fullmatch(value):
        parts.append(_same("user_arn", f"{value}/*"))
    return either(parts)


def _resource(value: str) -> Predicate:
    body = '(?:[^"\\\\]|\\\\.)*'.join(re.escape(_escaped(piece)) for piece in value.split("*"))
    listed = f'{_RESOURCE_KEYS}\\s*:\\s*"(?:[^"]*[:/])?{body}"'
    anywhere = f'(?:^|[:,\\[])\\s*"{body}"\\s*(?:$|[,}}\\]])'
    # strpos is several times cheaper than a regular expression, and leaves it few rows.
    needle = max((_escaped(piece) for piece in value.split("*")), key=len)

    def found(column: str, pattern: str) -> Predicate:
        return Predicate(f"(strpos({column}, ?) > 0 AND regexp_like({column}, ?))", (needle, pattern))

    return either(
        (
            found("resources", listed),
            found("request_parameters", anywhere),
            found("response_elements", anywhere),
        )
    )


def _text(value: str) -> Predicate:
    # Without letters there is no case, and folding whole columns costs as much again as the search.
    folded = value == value.lower() != value.upper()
    if "*" in value:
        pattern, escape = like_pattern(f"*{value}*")
        return either(
            Predicate(f"lower({column}) LIKE ?{escape}" if folded else f"{column} LIKE ?{escape}", (pattern,))
            for column in _TEXT_COLUMNS
        )
    escaped = tuple(dict.fromkeys((value, _escaped(value), dumps(value)[1:-1])))
    return either(
        Predicate(f"strpos({f'lower({column})' if folded else column}, ?) > 0", (spelling,))
        for spelling in escaped
        for column in _TEXT_COLUMNS
    )


def _escaped(value: str) -> str:
    """A value as JSON writes it inside a string."""
    return dumps(value, ensure_ascii=False)[1:-1]


def is_denied() -> Predicate:
    """The call was denied access."""
    return Predicate("regexp_like(error_code, '({})$')".format("|".join(re.escape(code) for code in DENIED_CODES)))


def _ips(values: Iterable[str], addresses: Addresses) -> Predicate:
    parts: list[Predicate] = []
    networks: list[IPv6Network] = []
    for value in values:
        network = _network(value)
        if network is None and _CIDR_SHAPE.fullmatch(value.strip()):
            raise UsageError(
                f"not an address range: {value!r}",
                remedy="a range is an address and the length of its prefix: 203.0.113.0/24 (at most 32), "
                "2001:db8::/32 (at most 128)",
            )
        if isinstance(network, IPv6Network):
            networks.append(network)
        elif network is not None and network.prefixlen < 32:
            parts.append(_v4(network))
        else:
            parts.append(_same("source_ip", str(network.network_address) if network is not None else value))
    if networks:
        # One IPv6 address has many spellings; the few that were recorded are compared outside of SQL.
        spellings = sorted(text for text in addresses() if _in_any(text, networks))
        if spellings:
            marks = ", ".join("?" * len(spellings))
            parts.append(Predicate(f"source_ip IN ({marks})", tuple(spellings)))
    return either(parts)


def _network(value: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(value.strip(), strict=False)
    except ValueError:
        return None


def _in_any(text: str, networks: Iterable[IPv6Network]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return isinstance(address, IPv6Address) and any(address in network for network in networks)


def _v4(network: IPv4Network) -> Predicate:
    """An IPv4 network as a pattern of whole octets: anything that is not an address cannot match it."""
    first, last = network.network_address.packed, network.broadcast_address.packed
    octets = [_octets(low, high) for low, high in zip(first, last, strict=True)]
    whole = network.prefixlen // 8
    parts = [Predicate("regexp_like(source_ip, ?)", (f"^{'[.]'.join(octets)}$",))]
    if whole:
        # The fixed start lets an engine skip files and row groups by their least and greatest value.
        parts.insert(0, Predicate("source_ip LIKE ?", (".".join(map(str, first[:whole])) + ".%",)))
    return every(parts)


def _octets(low: int, high: int) -> str:
    if low == high:
        return str(low)
    return _OCTET if (low, high) == (0, 255) else f"({'|'.join(map(str, range(low, high + 1)))})"


_FIELDS: dict[str, Callable[[str], Predicate]] = {
    "user": _user,
    "access_key": lambda value: _same("access_key_id", value),
    "event": _event,
    "source": _source,
    "role": _role,
    "session": lambda value: _named("session_name", value),
    "arn": lambda value: _same("user_arn", value),
    "error": lambda value: _named("error_code", value),
    "account": lambda value: _same("account_id", value),
    "region": lambda value: _named("aws_region", value),
    "resource": _resource,
    "user_agent": lambda value: _named("user_agent", value),
    "principal_type": lambda value: _named("user_type", value),
    "text": _text,
}
