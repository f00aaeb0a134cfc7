"""The shapes in which CloudTrail records arrive, and the way from a file's bytes to single raw records.

CloudTrail delivers ``{"Records": [...]}``, gzipped. Around it grew others: arrays, one record a line, the AWS
CLI's ``lookup-events`` output, EventBridge's and search engines' envelopes, and table exports in which one
column holds the record as text. Whatever cannot be read is a :class:`Bad`, with its place and the reason; it
never stops the rest.

How damage is treated: of a truncated or corrupt gzip stream, and of a JSON document that breaks off, all
complete records before the damage are kept and the rest is one Bad. A file of which nothing can be read
raises :class:`Unreadable`.
"""

import csv
import io
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

#: A file that inflates to more than this is refused whole (a decompression bomb, or something to split first).
MAX_INFLATED = 2 << 30
#: How much of an unreadable record is kept for the person who looks at the quarantine, in characters.
SNIPPET = 200
#: Fields and columns whose text is a whole record, in exports (AWS CLI, Athena, Splunk, OpenSearch, …).
TEXT_FIELDS = ("cloudtrailevent", "record", "raw", "_raw", "message", "@message", "raw_record", "raw_event", "rawevent")
#: Fields whose object is a whole record, or holds one (OpenSearch, Splunk, EventBridge, …).
OBJECT_FIELDS = ("_source", "event", "detail", "result", "record", "raw", "message")
_GZIP = b"\x1f\x8b\x08"
_CHUNK = 1 << 22
_SMALL = 64 << 20
_DEPTH = 6
_SPACED = re.compile(rb'[^\\]":\s|[\[{]\s')
_ARRAY = re.compile(r'\{\s*(?:"[A-Za-z]+"\s*:\s*(?:"[^"\\]*"|[\d.]+|null)\s*,\s*)*"(?:Records|Events)"\s*:\s*\[')


class Unreadable(Exception):  # noqa: N818 - an outcome of reading, handled by who reads
    """Nothing in this file can be read; the message is the reason."""


class Digest(Exception):  # noqa: N818 - an outcome of reading, handled by who reads
    """A digest file: it lists log files and holds no records."""


class NotJson(Exception):  # noqa: N818 - an outcome of parsing, handled by who parses
    """A text is not one JSON value; the message is the reason."""


class Bad(msgspec.Struct, frozen=True):
    """Something that is not a record: ``place`` is its number or line in the file, counted from 1."""

    place: str
    reason: str
    snippet: str


class RawRecord(msgspec.Struct, frozen=True):
    """One record as JSON text, and its place in the file (``record 3``, ``line 7``)."""

    text: bytes
    place: str


def snippet(text: bytes | str) -> str:
    """The start of a text, short enough to show; undecodable bytes are escaped."""
    start = text[:SNIPPET] if isinstance(text, str) else text[: SNIPPET * 4].decode("utf-8", "backslashreplace")
    return start[:SNIPPET].encode("utf-8", "backslashreplace").decode()


def inflate(data: bytes | bytearray) -> tuple[bytes | bytearray, str | None]:
    """Bytes without their gzip, if they had one, and why they are incomplete (None: they are complete).

    libdeflate inflates the usual single-member file. It silently stops after the first of several members,
    so that whatever might have more, is big, or fails, goes the slower way through zlib.

    Raises:
        Unreadable: more than MAX_INFLATED bytes, or not one byte could be inflated.
    """
    if not data.startswith(_GZIP):
        if len(data) > MAX_INFLATED:
            raise Unreadable(f"larger than {MAX_INFLATED >> 30} GiB; split it")
        return data, None
    if data.find(_GZIP, 10) < 0 and len(data) >= 18 and int.from_bytes(data[-4:], "little") <= _SMALL:
        from deflate import DeflateError, gzip_decompress  # noqa: PLC0415

        try:
            return gzip_decompress(data), None
        except DeflateError:
            pass  # zlib below says what is wrong, and gives what can be had
    return _inflate_members(bytes(data))


def _inflate_members(data: bytes) -> tuple[bytes, str | None]:
    pieces: list[bytes] = []
    size, rest, problem = 0, data, None
    while rest and problem is None:
        if not rest.startswith(_GZIP):
            problem = "bytes that are not gzip follow the gzip stream" if rest.strip(b"\0") else None
            break
        start, member = rest, zlib.decompressobj(wbits=31)
        inflated: list[bytes] = []
        try:
            while not member.eof:
                piece = member.decompress(rest, _CHUNK)
                rest = member.unconsumed_tail
                if not piece and not rest and not member.eof:
                    problem = "the gzip stream breaks off"
                    break
                size += len(piece)
                if size > MAX_INFLATED:
                    raise Unreadable(f"inflates to more than {MAX_INFLATED >> 30} GiB; split it")
                inflated.append(piece)
            else:
                rest = member.unused_data
        except zlib.error as error:
            problem = f"the gzip stream is damaged ({error})"
            inflated = _inflate_until_damage(start)
        pieces += inflated
    whole = b"".join(pieces)
    if not whole and problem is not None:
        raise Unreadable(problem)
    return whole, problem


def _inflate_until_damage(data: bytes) -> list[bytes]:
    """What a member holds before its damage: zlib gives nothing of the step that meets it, so steps get small."""
    member = zlib.decompressobj(wbits=31)
    pieces: list[bytes] = []
    position, step, size = 0, 4096, 0
    while position < len(data):
        before = member.copy()
        try:
            pieces.append(member.decompress(data[position : position + step]))
            position += step
            size += len(pieces[-1])
            if size > MAX_INFLATED:
                raise Unreadable(f"inflates to more than {MAX_INFLATED >> 30} GiB; split it")
        except zlib.error:
            if step == 1:
                break
            member, step = before, 1
    return pieces


def to_utf8(data: bytes | bytearray) -> bytes | bytearray:
    """UTF-8 without a byte order mark; UTF-16 with one (as PowerShell redirects write) is converted.

    Raises:
        Unreadable: UTF-16 that is damaged.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return bytes(data).decode("utf-16").encode()
        except UnicodeError as error:
            raise Unreadable(f"damaged UTF-16 ({error})") from None
    return data[3:] if data.startswith(b"\xef\xbb\xbf") else data


def is_spaced(data: bytes | bytearray) -> bool:
    """Whether JSON seems to have white space between its tokens, judged by its start."""
    return _SPACED.search(data, 0, 512) is not None


def is_utf8(data: bytes | bytearray) -> bool:
    """Whether the bytes are UTF-8 throughout; the JSON decoder does not check what it passes over."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def raw_records(text: bytes, problem: str | None = None) -> Iterator[RawRecord | Bad]:
    """Every record of a file in any of the shapes but JSON lines, one by one, without white space between tokens.

    ``problem`` is why ``text``, without white space around it, is known to be incomplete.

    Raises:
        Digest: a digest file.
        Unreadable: no record could be found.
    """
    if not text:
        if problem is not None:
            raise Unreadable(problem)
        return
    if text[:1] in (b"{", b"["):
        yield from _json_records(text, problem)
    elif b"\n" in text:
        yield from _table_records(text, problem)
    else:
        raise Unreadable(problem or "neither JSON nor a table of records")


def _json_records(text: bytes, problem: str | None) -> Iterator[RawRecord | Bad]:
    try:
        whole = parse(text)
    except NotJson as error:
        yield from _salvaged_records(text, problem or f"the JSON is damaged: {error}")
        return
    if text[:1] == b"{" and "digestS3Object" in fields(whole):
        raise Digest
    yield from _unwrap(whole, "", 0)
    if problem is not None:
        yield Bad("end of file", problem, "")


def is_lines(text: bytes) -> bool:
    """Whether the first line is a JSON value of its own, or was meant as one, and others follow."""
    first, separator, _ = text.partition(b"\n") if text[:1] in (b"{", b"[") else (b"", b"", b"")
    first = first.strip().rstrip(b",")
    if not separator or len(first) < 2:
        return False
    try:
        parse(first)
    except NotJson:
        return first.endswith((b"}", b"]"))
    return True


def line_records(lines: bytes, first: int, problem: str | None = None) -> Iterator[RawRecord | Bad]:
    """The records of JSON lines, of which the first has the number ``first``; ``problem``: the last may be cut off."""
    split = lines.split(b"\n")
    for number, line in enumerate(split, first):
        stripped = line.strip().rstrip(b",")
        if not stripped:
            continue
        try:
            value = parse(stripped)
        except NotJson as error:
            if problem is not None and number == first + len(split) - 1:
                yield Bad(f"line {number}", problem, snippet(stripped))
                return
            yield Bad(f"line {number}", f"not JSON: {error}", snippet(stripped))
            continue
        yield from _unwrap(value, f"line {number}", 0)
    if problem is not None:
        yield Bad("end of file", problem, "")


def _salvaged_records(text: bytes, problem: str) -> Iterator[RawRecord | Bad]:
    """The complete records of a document that breaks off; then what was wrong, once."""
    characters = text.decode("utf-8", "surrogateescape")
    opening = _ARRAY.match(characters)
    position = opening.end() if opening else 1
    if not opening and characters[0] == "{":
        raise Unreadable(problem)
    decoder = json.JSONDecoder()
    found = 0
    while True:
        while position < len(characters) and characters[position] in " \t\r\n,":
            position += 1
        try:
            _, end = decoder.raw_decode(characters, position)
        except (ValueError, RecursionError):
            break
        found += 1
        piece = characters[position:end].encode("utf-8", "surrogateescape")
        position = end
        try:
            yield from _unwrap(parse(piece), f"record {found}", 1)
        except NotJson as error:
            yield Bad(f"record {found}", f"not JSON: {error}", snippet(piece))
    if not found:
        raise Unreadable(problem)
    rest = characters[position : position + SNIPPET].encode("utf-8", "surrogateescape")
    yield Bad(f"after record {found}", problem, snippet(rest))


def _table_records(text: bytes, problem: str | None) -> Iterator[RawRecord | Bad]:
    """The records of a CSV or TSV export: the column that holds the record as text, row by row."""
    csv.field_size_limit(1 << 28)
    characters = text.decode("utf-8", "surrogateescape")
    delimiter = max(",\t;", key=characters.partition("\n")[0].count)
    rows = csv.reader(io.StringIO(characters, newline=""), delimiter=delimiter)
    try:
        names = [name.strip().lower() for name in next(rows)]
        column = next((names.index(name) for name in TEXT_FIELDS if name in names), None)
        if column is None:
            known = ", ".join(TEXT_FIELDS[:5])
            raise Unreadable(problem or f"neither JSON nor a table with a column that holds the raw record ({known})")
        for row in rows:
            if not row:
                continue
            place = f"line {rows.line_num}"
            cell = row[column].encode("utf-8", "surrogateescape") if column < len(row) else b""
            try:
                value = parse(cell)
            except NotJson as error:
                yield Bad(place, f"the record's column is not JSON: {error}", snippet(cell))
                continue
            yield from _unwrap(value, place, 1)
    except csv.Error as error:
        yield Bad(f"line {rows.line_num}", f"the table is damaged: {error}", "")
    if problem is not None:
        yield Bad("end of file", problem, "")


def _unwrap(text: bytes, place: str, depth: int) -> Iterator[RawRecord | Bad]:
    """The records in one JSON value: itself, or what its envelope holds."""
    if text[:1] == b"[" and depth < _DEPTH:
        for index, item in enumerate(items(text), 1):
            yield from _unwrap(item, f"{place}, record {index}" if place else f"record {index}", depth + 1)
        return
    place = place or "record 1"
    if text[:1] != b"{":
        yield Bad(place, "not a JSON object", snippet(text))
        return
    keys = fields(text)
    if "eventTime" in keys:
        yield RawRecord(text, place)
    elif (inner := _envelope(keys)) is not None and depth < _DEPTH:
        outermost = inner[:1] == b"[" and place == "record 1" and depth == 0
        yield from _unwrap(inner, "" if outermost else place, depth + 1)
    else:
        record = "eventName" in keys or "eventSource" in keys
        reason = "no eventTime" if record else "neither a record (no eventTime) nor a known envelope of records"
        yield Bad(place, reason, snippet(text))


def _envelope(keys: dict[str, bytes]) -> bytes | None:
    for name in ("Records", "Events"):
        if keys.get(name, b"")[:1] == b"[":
            return keys[name]
    folded = {key.lower(): value for key, value in keys.items()}
    for name in TEXT_FIELDS:
        if folded.get(name, b"")[:1] == b'"':
            try:
                inner = parse(json.loads(folded[name]).encode("utf-8", "surrogatepass"))
            except NotJson:
                continue
            if inner[:1] in (b"{", b"["):
                return inner
    return next((folded[name] for name in OBJECT_FIELDS if folded.get(name, b"")[:1] == b"{"), None)


def parse(text: bytes | bytearray) -> bytes:
    """One JSON value without white space between its tokens; numbers and escapes stay as written.

    Raises:
        NotJson: not one JSON value, not UTF-8, or nested too deeply.
    """
    if not is_utf8(text):
        raise NotJson("not UTF-8")
    try:
        return msgspec.json.format(bytes(text), indent=-1)
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except msgspec.DecodeError as error:
        if b"\\u" not in text:
            raise NotJson(str(error)) from None
        return write_text(_parse_surrogates(text)).encode()


def fields(text: bytes) -> dict[str, bytes]:
    """The members of a JSON object, their values as text. Of a key written twice the last counts.

    Raises:
        NotJson: not an object.
    """
    try:
        return {key: bytes(value) for key, value in msgspec.json.decode(text, type=dict[str, Raw]).items()}
    except msgspec.DecodeError:
        value = _parse_surrogates(text)
        if not isinstance(value, dict):
            raise NotJson("not an object") from None
        return {key: write_text(member).encode() for key, member in value.items()}


def items(text: bytes) -> list[bytes]:
    """The elements of a JSON array, as text."""
    try:
        return [bytes(value) for value in msgspec.json.decode(text, type=list[Raw])]
    except msgspec.DecodeError:
        return [write_text(element).encode() for element in _parse_surrogates(text)]


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _parse_surrogates(text: bytes | bytearray) -> Any:
    """What JSON allows and msgspec refuses: escapes of single surrogates. Numbers stay text."""
    try:
        return json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def write_text(value: Any) -> str:
    """A parsed value as compact JSON in ASCII, its numbers as they were written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{write_text(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write_text, value)) + "]"
    return json.dumps(value)


def canonical_text(text: bytes) -> str:
    """A JSON value with its keys sorted and no white space: equal for every way to write the same record."""
    return write_text(_sorted(_parse_surrogates(text)))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(element) for element in value] if isinstance(value, list) else value
