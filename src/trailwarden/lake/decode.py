"""Records to the lake's columns, and back: whatever was read is given back as equal JSON.

The fast way decodes a whole file of ``{"Records": [...]}`` into typed structs whose nested parts stay raw text.
A file in which anything deviates (an unknown key, a null or a number where text belongs, another shape) goes
record by record, so that one odd record costs only its own file some speed.

What a column cannot hold as it was written goes to ``extra``, a JSON object by top-level key, which on the way
back overrides the columns: keys without a column, values of a wrong type, nulls of text columns, times not
written as ``2026-11-24T03:42:38Z``. JSON columns hold nulls as the text ``null`` and are NULL where the key is
absent. The key ``$text`` in ``extra`` maps JSON text to JSON text, for what databases refuse to parse (escapes
of single surrogates).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from .formats import (
    Bad,
    Digest,
    NotJson,
    RawRecord,
    Unreadable,
    fields,
    inflate,
    is_lines,
    is_spaced,
    is_utf8,
    line_records,
    parse,
    raw_records,
    snippet,
    to_utf8,
)
from .layout import COLUMNS

__all__ = ["Bad", "Decoded", "Digest", "Unreadable", "decode_file", "decode_records", "restore"]

#: An event_id that was derived, for a record without an eventID, starts so.
DERIVED_ID = "sha256-"
#: The key of ``extra`` that holds what databases refuse to parse.
AS_TEXT = "$text"
#: At most so many records, or bytes of text, are held as Python objects at once (more only of a single file).
CHUNK = 4096
CHUNK_BYTES = 16 << 20
#: JSON lines are read in pieces of about so many bytes.
PIECE = 4 << 20
_ABSENT: Any = None
#: The text of an absent key.
NO_JSON = Raw()
_TEXT_KEYS = {c.origin: c.name for c in COLUMNS if c.type == "text" and not c.origin.startswith("=")}
_BOOL_KEYS = {c.origin: c.name for c in COLUMNS if c.type == "bool" and not c.origin.startswith("=")}
_JSON_KEYS = {c.origin: c.name for c in COLUMNS if c.type == "json" and not c.origin.startswith("=")}
#: Keys without a column that CloudTrail is known to write; any other takes its file the slow way.
RARE_KEYS = {
    "apiVersion": "api_version",
    "sessionCredentialFromConsole": "session_credential_from_console",
    "vpcEndpointAccountId": "vpc_endpoint_account_id",
    "addendum": "addendum",
    "eventContext": "event_context",
    "edgeDeviceDetails": "edge_device_details",
    "insightDetails": "insight_details",
    "insightContext": "insight_context",
}
_NAMES = {name: key for keys in (_TEXT_KEYS, _BOOL_KEYS, _JSON_KEYS, RARE_KEYS) for key, name in keys.items()}


class Record(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename={**_NAMES, "event_time": "eventTime"}.get):
    """A record as the fast way reads it; None, or no text at all, is an absent key."""

    event_time: str
    event_id: str = _ABSENT
    aws_region: str = _ABSENT
    event_source: str = _ABSENT
    event_name: str = _ABSENT
    event_type: str = _ABSENT
    event_category: str = _ABSENT
    event_version: str = _ABSENT
    read_only: bool = _ABSENT
    management_event: bool = _ABSENT
    error_code: str = _ABSENT
    error_message: str = _ABSENT
    source_ip: str = _ABSENT
    user_agent: str = _ABSENT
    request_id: str = _ABSENT
    shared_event_id: str = _ABSENT
    recipient_account_id: str = _ABSENT
    vpc_endpoint_id: str = _ABSENT
    user_identity: Raw = NO_JSON
    request_parameters: Raw = NO_JSON
    response_elements: Raw = NO_JSON
    additional_event_data: Raw = NO_JSON
    service_event_details: Raw = NO_JSON
    resources: Raw = NO_JSON
    tls_details: Raw = NO_JSON
    api_version: Raw = NO_JSON
    session_credential_from_console: Raw = NO_JSON
    vpc_endpoint_account_id: Raw = NO_JSON
    addendum: Raw = NO_JSON
    event_context: Raw = NO_JSON
    edge_device_details: Raw = NO_JSON
    insight_details: Raw = NO_JSON
    insight_context: Raw = NO_JSON


class _File(msgspec.Struct, gc=False):
    Records: list[Record]


class Decoded(msgspec.Struct):
    """Records as read: ``extras`` by index in ``records``; without ``places`` they are numbered from ``first``.

    ``size`` is about how many bytes of text they had.
    """

    records: list[Record]
    extras: dict[int, dict[str, bytes]]
    bad: list[Bad]
    size: int = 0
    first: int = 1
    unit: str = "record"
    places: list[str] = msgspec.field(default_factory=list)

    def place(self, index: int) -> str:
        """Where in the file a record stands."""
        return self.places[index] if self.places else f"{self.unit} {self.first + index}"


_FILE = msgspec.json.Decoder(_File)
_RECORD = msgspec.json.Decoder(Record)


def decode_file(data: bytes | bytearray) -> Iterator[Decoded]:
    """The records of a file, gzipped or not, in any known shape, at most CHUNK at once.

    Raises:
        Digest: a digest file.
        Unreadable: nothing in it can be read.
    """
    inflated, problem = inflate(data)
    text = bytes(to_utf8(inflated)).strip()
    sound = is_utf8(text)
    if problem is None and sound:
        try:
            records = _FILE.decode(msgspec.json.format(text, indent=-1) if is_spaced(text) else text).Records
        except (msgspec.DecodeError, RecursionError):
            pass  # the slow way finds out which record, and why
        else:
            for first in range(0, len(records), CHUNK):
                chunk = records[first : first + CHUNK]
                yield Decoded(chunk, {}, [], len(text) * len(chunk) // len(records), first + 1)
            return
    if is_lines(text):
        yield from _decode_lines(text, problem, sound=sound)
    else:
        yield from _chunks(raw_records(text, problem))


def _decode_lines(text: bytes, problem: str | None, *, sound: bool) -> Iterator[Decoded]:
    """JSON lines, piece by piece: the fast way if each line of a piece is a usual record, else line by line."""
    start, line = 0, 1
    while start < len(text):
        end = text.find(b"\n", start + PIECE)
        end = len(text) if end < 0 else end
        piece = text[start:end]
        count = piece.count(b"\n") + 1
        try:
            records = _RECORD.decode_lines(piece) if sound else []
        except (msgspec.DecodeError, RecursionError):
            records = []
        last = end == len(text)
        if len(records) == count and not (last and problem):
            for first in range(0, count, CHUNK):
                chunk = records[first : first + CHUNK]
                yield Decoded(chunk, {}, [], len(piece) * len(chunk) // count, line + first, unit="line")
        else:
            yield from _chunks(line_records(piece, line, problem if last else None))
        start, line = end + 1, line + count


def decode_records(texts: Iterable[bytes]) -> Iterator[Decoded]:
    """Single records' JSON texts, at most CHUNK at once."""

    def numbered() -> Iterator[RawRecord | Bad]:
        for number, text in enumerate(texts, 1):
            try:
                yield RawRecord(parse(text), f"record {number}")
            except NotJson as error:
                yield Bad(f"record {number}", f"not JSON: {error}", snippet(text))

    yield from _chunks(numbered())


def _chunks(raws: Iterable[RawRecord | Bad]) -> Iterator[Decoded]:
    chunk = Decoded([], {}, [])
    for raw in raws:
        if isinstance(raw, Bad):
            chunk.bad.append(raw)
        elif isinstance(outcome := _read(raw), Bad):
            chunk.bad.append(outcome)
        else:
            record, extra = outcome
            if extra:
                chunk.extras[len(chunk.records)] = extra
            chunk.records.append(record)
            chunk.places.append(raw.place)
            chunk.size += len(raw.text)
        if len(chunk.records) + len(chunk.bad) >= CHUNK or chunk.size >= CHUNK_BYTES:
            yield chunk
            chunk = Decoded([], {}, [])
    if chunk.records or chunk.bad:
        yield chunk


def _read(raw: RawRecord) -> tuple[Record, dict[str, bytes]] | Bad:
    """One record: the fast way if it fits, else member by member."""
    try:
        return _RECORD.decode(raw.text), {}
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        members = fields(raw.text)
    except NotJson as error:
        return Bad(raw.place, f"not JSON: {error}", snippet(raw.text))
    event_time = _as_string(members.get("eventTime", b""))
    if event_time is None:
        return Bad(raw.place, "eventTime is not text", snippet(raw.text))
    values: dict[str, Any] = {}
    extra: dict[str, bytes] = {}
    unparsable: dict[str, str] = {}
    for key, value in members.items():
        if key == AS_TEXT or not _is_portable(key, value):
            unparsable[json.dumps(key)] = value.decode()
        elif key in _TEXT_KEYS and (string := _as_string(value)) is not None:
            values[_TEXT_KEYS[key]] = string
        elif key in _BOOL_KEYS:
            values[_BOOL_KEYS[key]] = {b"true": True, b'"true"': True, b"false": False, b'"false"': False}.get(value)
            if value not in (b"true", b"false"):
                extra[key] = value
        elif key in _JSON_KEYS or key in RARE_KEYS:
            values[_JSON_KEYS.get(key) or RARE_KEYS[key]] = Raw(value)
        elif key != "eventTime":
            extra[key] = value
    if unparsable:
        extra[AS_TEXT] = msgspec.json.encode(unparsable)
    return Record(event_time, **values), extra


def _as_string(value: bytes) -> str | None:
    try:
        return msgspec.json.decode(value, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return None


def _is_portable(key: str, value: bytes) -> bool:
    """Whether every database can parse it: single surrogates, legal in JSON, are refused by most."""
    try:
        key.encode()
        msgspec.json.decode(value, type=Raw)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return True


def restore(row: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a row of the lake (column name -> value), equal as JSON to what was read.

    Integers of more digits than Python converts (4300) come as Decimal.
    """
    extra: dict[str, Any] = _loads(row["extra"]) if row["extra"] is not None else {}
    record: dict[str, Any] = {}
    for column in COLUMNS:
        value = row[column.name]
        if value is None or column.origin.startswith("=") or column.origin in extra:
            continue
        if column.type == "json":
            record[column.origin] = _loads(value)
        elif column.type == "time":
            moment = value.astimezone(UTC) if value.tzinfo is not None else value
            record[column.origin] = moment.isoformat(timespec="seconds")[:19] + "Z"
        elif not (
            (column.name == "event_id" and value.startswith(DERIVED_ID))
            or (column.name in {"event_name", "event_source"} and "insightDetails" in extra)
        ):
            record[column.origin] = value
    as_text = extra.pop(AS_TEXT, {})
    return record | extra | {json.loads(key): _loads(text) for key, text in as_text.items()}


def _loads(text: str) -> Any:
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= 4300 else Decimal(digits)
