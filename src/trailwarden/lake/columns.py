"""Decoded records as an Arrow record batch in the lake's layout."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from ..model.time import parse_event_time
from .decode import DERIVED_ID, NO_JSON, RARE_KEYS, Decoded, Record
from .derive import Identity, flag, identity, load_object, text
from .formats import Bad, canonical_text, snippet
from .layout import COLUMNS, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

_CANONICAL_TIME = r"^[12]\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
_RECORDED = tuple(c for c in COLUMNS if not c.origin.startswith("=") and c.name != "event_time")


class Batch(msgspec.Struct, frozen=True):
    """Columns of several pieces' records: ``counts`` of rows by piece, and those of ``bad`` eventTime by piece."""

    rows: Any
    counts: list[int]
    bad: list[tuple[int, Bad]]


def columns(pieces: Sequence[Decoded]) -> Batch:
    """The records of several files as one record batch, in order; those whose eventTime is not a time are left out."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    records = [record for piece in pieces for record in piece.records]
    counts = [len(piece.records) for piece in pieces]
    starts = list(accumulate(counts, initial=0))
    extras = {
        start + index: dict(extra)
        for piece, start in zip(pieces, starts, strict=False)
        for index, extra in piece.extras.items()
    }
    bad: list[tuple[int, Bad]] = []
    times = _cast_times(pa.array([r.event_time for r in records], pa.string()))
    if times is None:
        records, extras, moments, counts, bad = _parse_times(pieces, extras)
        times = pa.array(moments, pa.timestamp("us"))
    if not records:
        return Batch(
            pa.record_batch([pa.array([], kind) for kind in arrow_schema().types], arrow_schema()), counts, bad
        )
    members = dict(zip(Record.__struct_fields__, zip(*map(astuple, records), strict=True), strict=True))
    made: dict[str, Any] = {"event_time": times}
    for column in _RECORDED:
        values = members[column.name]
        if column.type == "json":
            made[column.name] = _json_column(values)
        else:
            made[column.name] = pa.array(values, pa.bool_() if column.type == "bool" else pa.string())
    _add_identity(made)
    _add_sign_in(made)
    _add_insight(made, members, extras)
    _add_ids(made, members, extras)
    made["extra"] = _extra_column(members, extras)
    made["account_id"] = pc.coalesce(_nonempty(made["recipient_account_id"]), made["user_account_id"])
    made["actor"] = pc.coalesce(
        made["session_name"], made["user_name"], made["role_name"], made["user_arn"], made["invoked_by"],
        _nonempty(made["event_source"]),
    )  # fmt: skip
    return Batch(pa.record_batch([made[column.name] for column in COLUMNS], schema=arrow_schema()), counts, bad)


def _cast_times(written: "pa.Array") -> "pa.Array | None":
    """The times, if every one of them is written the usual way."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if not pc.all(pc.match_substring_regex(written, _CANONICAL_TIME)).as_py():
        return None if len(written) else pa.array([], pa.timestamp("us"))
    try:
        return pc.cast(pc.cast(written, pa.timestamp("us", "UTC")), pa.timestamp("us"))
    except pa.ArrowInvalid:  # a day or an hour that does not exist
        return None


def _parse_times(
    pieces: Sequence[Decoded], extras: dict[int, dict[str, bytes]]
) -> tuple[list[Record], dict[int, dict[str, bytes]], list[datetime], list[int], list[tuple[int, Bad]]]:
    """The records whose eventTime is a time, their extras by the new index, the times, counts by piece; the others."""
    records: list[Record] = []
    kept: dict[int, dict[str, bytes]] = {}
    moments: list[datetime] = []
    counts: list[int] = []
    bad: list[tuple[int, Bad]] = []
    passed = 0
    for number, piece in enumerate(pieces):
        before = len(records)
        for index, record in enumerate(piece.records):
            extra = extras.get(passed + index, {})
            moment = event_time(record.event_time)
            if moment is None:
                bad.append((number, Bad(piece.place(index), "eventTime is not a time", snippet(record.event_time))))
                continue
            if moment.isoformat() + "Z" != record.event_time:
                extra["eventTime"] = msgspec.json.encode(record.event_time)
            if extra:
                kept[len(records)] = extra
            records.append(record)
            moments.append(moment)
        passed += len(piece.records)
        counts.append(len(records) - before)
    return records, kept, moments, counts, bad


def event_time(written: str) -> datetime | None:
    """An eventTime as UTC without a zone; None if it is no time between the years 1000 and 9999."""
    try:
        moment = parse_event_time(written)
    except OverflowError:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment is not None and moment.year >= 1000 else None


def _json_column(raws: Sequence[Any]) -> "pa.Array":
    """Raw JSON as a text column, in one piece: an object for each text would cost more than all the rest."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if raws.count(NO_JSON) == len(raws):
        return pa.nulls(len(raws), pa.string())
    lengths = pa.array(map(len, raws), pa.int32(), size=len(raws))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    present = pc.greater(lengths, 0)
    return pa.StringArray.from_buffers(
        len(raws), offsets.buffers()[1], pa.py_buffer(b"".join(raws)), present.buffers()[1]
    )


def _add_identity(made: dict[str, Any]) -> None:
    """The columns of userIdentity; a session's records share its text, so that each text is read once."""
    import pyarrow as pa  # noqa: PLC0415

    encoded = made["user_identity"].dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    derived = [identity(text.encode()) for text in texts]
    for position, name in enumerate(Identity._fields):
        values = pa.array([who[position] for who in derived], arrow_schema().field(name).type)
        made[name] = values.take(encoded.indices)


def _add_sign_in(made: dict[str, Any]) -> None:
    """The name and MFA of sign-ins, which stand in additionalEventData."""
    import pyarrow.compute as pc  # noqa: PLC0415

    more = made["additional_event_data"]
    if more.null_count == len(more):
        return
    telling = pc.fill_null(pc.match_substring_regex(more, '"(UserName|MFAUsed)"'), False)
    names: dict[int, Any] = {}
    flags: dict[int, Any] = {}
    for index in pc.indices_nonzero(telling).to_pylist():
        members = load_object(more[index].as_py().encode())
        names[index] = text(members, "UserName")
        flags[index] = flag(members.get("MFAUsed"))
    made["user_name"] = _filled(made["user_name"], names)
    made["mfa"] = _filled(made["mfa"], flags)


def _add_insight(made: dict[str, Any], members: dict[str, Any], extras: dict[int, dict[str, bytes]]) -> None:
    """The event that an Insights event is about stands in insightDetails; its own names, if it has any, in extra."""
    for index, raw in enumerate(members["insight_details"]):
        if len(raw):
            details = load_object(bytes(raw))
            for name, key in (("event_name", "eventName"), ("event_source", "eventSource")):
                own = members[name][index]
                if own is None:
                    made[name] = _filled(made[name], {index: text(details, key)})
                else:
                    extras.setdefault(index, {})[key] = msgspec.json.encode(own)


def _filled(column: "pa.Array", values: dict[int, Any]) -> "pa.Array":
    """The column with values put where it has none."""
    import pyarrow as pa  # noqa: PLC0415

    if not values:
        return column
    filled = column.to_pylist()
    for index, value in values.items():
        if filled[index] is None:
            filled[index] = value
    return pa.array(filled, column.type)


def _add_ids(made: dict[str, Any], members: dict[str, Any], extras: dict[int, dict[str, bytes]]) -> None:
    """An id for records without an eventID: of their content, so that the same record has the same."""
    import pyarrow.compute as pc  # noqa: PLC0415

    ids = made["event_id"]
    looks_derived = pc.starts_with(ids, DERIVED_ID)
    if pc.any(looks_derived).as_py():
        for index in pc.indices_nonzero(looks_derived).to_pylist():
            extras.setdefault(index, {})["eventID"] = msgspec.json.encode(members["event_id"][index])
    if ids.null_count:
        absent = [index for index, value in enumerate(members["event_id"]) if value is None]
        made["event_id"] = _filled(ids, {index: _derived_id(members, index, extras.get(index, {})) for index in absent})


def _derived_id(members: dict[str, Any], index: int, extra: dict[str, bytes]) -> str:
    whole: dict[str, bytes] = {}
    for field in msgspec.structs.fields(Record):
        value = members[field.name][index]
        if isinstance(value, msgspec.Raw):
            if len(value):
                whole[field.encode_name] = bytes(value)
        elif value is not None:
            whole[field.encode_name] = msgspec.json.encode(value)
    return DERIVED_ID + hashlib.sha256(canonical_text(_object_text(whole | extra)).encode()).hexdigest()[:32]


def _extra_column(members: dict[str, Any], extras: dict[int, dict[str, bytes]]) -> "pa.Array":
    import pyarrow as pa  # noqa: PLC0415

    rare: dict[int, dict[str, bytes]] = {}
    for key, name in RARE_KEYS.items():
        values = members[name]
        if values.count(NO_JSON) < len(values):
            for index, raw in enumerate(values):
                if len(raw):
                    rare.setdefault(index, {})[key] = bytes(raw)
    made: list[bytes | None] = [None] * len(members["event_time"])
    for index in rare.keys() | extras.keys():
        made[index] = _object_text(rare.get(index, {}) | extras.get(index, {}))
    return pa.array(made, pa.string())


def _object_text(members: dict[str, bytes]) -> bytes:
    return b"{" + b",".join(msgspec.json.encode(key) + b":" + value for key, value in members.items()) + b"}"


def _nonempty(column: "pa.Array") -> "pa.Array":
    import pyarrow.compute as pc  # noqa: PLC0415

    return pc.if_else(pc.equal(column, ""), None, column)
