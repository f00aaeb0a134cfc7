"""The audit chain: what was asked, proposed, decided, refused, done and set, each entry bound to the one before it.

An entry's hash is SHA-256 over the canonical JSON (RFC 8785) of its other fields, ``prev`` among them, which is the
hash of the entry before. Whoever changes, drops or moves an entry breaks the chain from there on. A chain alone cannot
tell that its end was cut off, or that somebody with the whole database wrote all of it anew: that shows against a
checkpoint, which an export carries, signed with Ed25519, and which is to be kept elsewhere.

An export is JSON Lines: the entries in order, then one line ``{"checkpoint": …}``.
"""

import base64
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from ..errors import TrailwardenError, UsageError
from ..model.audit import Broken, Checkpoint, Entry, Verified
from ..model.proposal import Actor, canonical_json
from ..model.time import format_instant
from .secrets import Place, SecretBox
from .tables import audit as table
from .tables import audit_key as key_table

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Transaction = Callable[[], AbstractContextManager[sa.Connection]]

#: What the first entry follows.
GENESIS = "0" * 64
#: Any number that nothing else of this program takes as a PostgreSQL advisory lock.
_ADVISORY_LOCK = 7_234_881_905_312
_KIND = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)*")
_BATCH = 1000
#: The largest number of an entry that a database can hold.
_MOST = 2**63 - 1
_PREFIX = "ed25519:"
_SHOWN = [table.c[name] for name in ("seq", "at", "actor", "kind", "body", "prev", "hash")]


class ChainBroken(TrailwardenError):  # noqa: N818 - reads as the outcome it is
    """The audit chain does not hold, so that it cannot be vouched for; ``broken`` says where."""

    def __init__(self, broken: Broken) -> None:
        super().__init__(
            f"the audit chain is broken at entry {broken.seq}: {broken.detail}",
            remedy="somebody changed the state database: find out who, and compare it with an earlier export or backup",
        )
        self.broken = broken


class AuditChain:
    """The audit chain of one state database."""

    def __init__(self, read: Transaction, write: Transaction, box: SecretBox) -> None:
        self._read = read
        self._write = write
        self._box = box

    def append(
        self, database: sa.Connection, *, at: datetime, actor: Actor, kind: str, body: Mapping[str, Any]
    ) -> Entry:
        """Add an entry inside the transaction of what it tells of: both are kept, or neither is.

        ``kind`` is like ``proposal.approved``; ``body`` holds no fractions and no secrets.

        Raises:
            ValueError, TypeError: not a kind, or a body without a canonical form.
        """
        if not _KIND.fullmatch(kind) or len(kind) > 64:
            raise ValueError(f"not a kind of audit entry: {kind!r}")
        _lock(database)
        last = database.execute(sa.select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)).first()
        entry = Entry(
            seq=last.seq + 1 if last is not None else 1,
            at=format_instant(at),
            actor=canonical_json(actor).decode(),
            kind=kind,
            body=canonical_json(body).decode(),
            prev=last.hash if last is not None else GENESIS,
            hash="",
        )
        entry = msgspec.structs.replace(entry, hash=entry.computed())
        database.execute(table.insert().values(**msgspec.structs.asdict(entry)))
        return entry

    def record(self, *, at: datetime, actor: Actor, kind: str, body: Mapping[str, Any]) -> Entry:
        """Add an entry in a transaction of its own; raises as :meth:`append`."""
        with self._write() as database:
            return self.append(database, at=at, actor=actor, kind=kind, body=body)

    def entries(self, *, after: int = 0) -> Iterator[Entry]:
        """The entries in order, from the one after ``after``; read in one transaction."""
        with self._read() as database:
            yield from _stored(database, after)

    def newest(self, *, before: int | None = None) -> Iterator[Entry]:
        """The entries from the last one backwards, or from the one before ``before``; read in one transaction."""
        query = sa.select(*_SHOWN).order_by(table.c.seq.desc())
        if before is not None:
            query = query.where(table.c.seq < min(before, _MOST))
        with self._read() as database:
            yield from _read(database, query)

    def verify(self, checkpoint: Checkpoint | None = None) -> Verified:
        """Walk the whole chain, and hold it against a checkpoint of this installation if one is given.

        Raises:
            KeyUnavailable: the signing key, which says whether the checkpoint is ours, cannot be read.
        """
        with self._read() as database:
            found, hashes = _walk(_stored(database), None if checkpoint is None else checkpoint.seq)
        if not found.ok or checkpoint is None:
            return found
        broken = _signature_fault(checkpoint, self.public_key()) or _against(checkpoint, found, hashes)
        return msgspec.structs.replace(found, broken=broken, checkpoint=checkpoint)

    def export(self, path: Path, *, now: datetime) -> Checkpoint:
        """Write the whole chain and a signed checkpoint of it to a new file, readable by its owner alone.

        Raises:
            ChainBroken: it does not hold; nothing is written.
            UsageError: the file is there already, or cannot be written.
            KeyUnavailable: the signing key cannot be read, or not be kept.
        """
        key = self._signing_key(now)
        partial = path.with_name(path.name + ".part")
        try:
            if path.exists():
                raise UsageError(f"{path} is there already", remedy="exports are kept: choose another name")
            checkpoint = self._write_export(partial, key, now)
            partial.replace(path)
        except OSError as error:
            raise UsageError(
                f"the export cannot be written to {path}: {error.strerror}", remedy="choose another place"
            ) from error
        finally:
            partial.unlink(missing_ok=True)
        return checkpoint

    def _write_export(self, partial: Path, key: "Ed25519PrivateKey", now: datetime) -> Checkpoint:
        opened = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(opened, "wb") as file, self._read() as database:  # noqa: PTH123 - a descriptor with its own mode

            def written() -> Iterator[Entry]:
                for entry in _stored(database):
                    file.write(msgspec.json.encode(entry) + b"\n")
                    yield entry

            found, _ = _walk(written(), None)
            if found.broken is not None:
                raise ChainBroken(found.broken)
            unsigned = Checkpoint(
                version=1,
                seq=found.entries,
                hash=found.last,
                at=format_instant(now),
                public_key=_printable(key),
                signature="",
            )
            signature = base64.b64encode(key.sign(unsigned.signed())).decode()
            checkpoint = msgspec.structs.replace(unsigned, signature=signature)
            file.write(msgspec.json.encode({"checkpoint": checkpoint}) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return checkpoint

    def verify_export(self, path: Path) -> Verified:
        """Verify a former export of this installation: the file in itself, that this installation signed it, and that
        the chain of today still begins with it.

        Raises:
            UsageError: the file cannot be read.
            KeyUnavailable: the signing key cannot be read.
        """
        found = verify_export(path, self.public_key())
        if not found.ok:
            return found
        today = self.verify(found.checkpoint)
        return msgspec.structs.replace(found, broken=today.broken)

    def public_key(self, *, now: datetime | None = None) -> str:
        """The public half of the signing key, as ``ed25519:`` and base64: what somebody else verifies an export with.

        It is made if there is none yet and ``now`` is given.

        Raises:
            UsageError: there is none, and ``now`` is not given.
            KeyUnavailable: it cannot be read, or not be kept.
        """
        if now is not None:
            return _printable(self._signing_key(now))
        with self._read() as database:
            key = self._kept_key(database)
        if key is None:
            raise UsageError(
                "this installation has not signed anything yet", remedy="`trailwarden audit export FILE` makes its key"
            )
        return _printable(key)

    def _signing_key(self, now: datetime) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        with self._write() as database:
            _lock(database)
            kept = self._kept_key(database)
            if kept is not None:
                return kept
            made = Ed25519PrivateKey.generate()
            identifier = made.public_key().public_bytes_raw().hex()
            sealed = self._box.seal(made.private_bytes_raw().hex(), _place(identifier))
            database.execute(key_table.insert().values(id=identifier, private_key_encrypted=sealed, created_at=now))
        return made

    def _kept_key(self, database: sa.Connection) -> "Ed25519PrivateKey | None":
        """The key, if there is one. Its public half is computed from it: the column could have been changed."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        query = sa.select(key_table.c.id, key_table.c.private_key_encrypted).order_by(
            key_table.c.created_at, key_table.c.id
        )
        row = database.execute(query).first()
        if row is None:
            return None
        return Ed25519PrivateKey.from_private_bytes(
            bytes.fromhex(self._box.open(row.private_key_encrypted, _place(row.id)))
        )


def verify_export(path: Path, public_key: str) -> Verified:
    """Verify an export by itself, without an installation: the chain, and that ``public_key`` signed its end.

    Raises:
        UsageError: the file cannot be read, or that is not a public key.
    """
    _parse_key(public_key)
    tail: list[Checkpoint] = []
    try:
        with path.open("rb") as file, closing(_exported(file, tail)) as entries:
            found, hashes = _walk(entries, None)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", remedy="check its name and its rights") from error
    except _UnreadableError as error:
        return Verified(entries=error.seq - 1, last="", broken=error.broken)
    if not found.ok:
        return found
    if not tail:
        detail = "the file ends without a checkpoint"
        return msgspec.structs.replace(found, broken=Broken(seq=found.entries + 1, fault="truncated", detail=detail))
    (checkpoint,) = tail
    broken = _signature_fault(checkpoint, public_key)
    if broken is None:
        broken = _against(checkpoint, found, hashes)
    if broken is None and found.entries > checkpoint.seq:
        detail = f"the checkpoint is of {checkpoint.seq} entries, and the file has {found.entries}"
        broken = Broken(seq=checkpoint.seq + 1, fault="rewritten", detail=detail)
    return msgspec.structs.replace(found, broken=broken, checkpoint=checkpoint)


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at the end of an export, to hold a chain against; its signature is checked by whoever does.

    Raises:
        UsageError: the file cannot be read, or has none.
    """
    last = b""
    try:
        with path.open("rb") as file:
            for line in file:
                last = line
        return msgspec.json.decode(last, type=_CheckpointLine).checkpoint
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", remedy="check its name and its rights") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} does not end with a checkpoint", remedy="give a whole export") from error


class _CheckpointLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    checkpoint: Checkpoint


class _UnreadableError(Exception):
    def __init__(self, seq: int, detail: str) -> None:
        super().__init__(detail)
        self.seq = seq
        self.broken = Broken(seq=seq, fault="unreadable", detail=detail)


def _exported(lines: Iterable[bytes], tail: list[Checkpoint]) -> Generator[Entry, None, None]:
    """The entries of an export's lines; the checkpoint, which must be the last line, goes to ``tail``."""
    for number, line in enumerate(lines, 1):
        if tail:
            raise _UnreadableError(number - 1, "something follows the checkpoint")
        try:
            if line.startswith(b'{"checkpoint"'):
                tail.append(msgspec.json.decode(line, type=_CheckpointLine).checkpoint)
            else:
                entry = msgspec.json.decode(line, type=Entry)
                if msgspec.json.encode(entry) + b"\n" != line:  # another reader could take it for something else
                    raise _UnreadableError(number, f"line {number} is not written as an export writes it")
                yield entry
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _UnreadableError(number, f"line {number} is not an entry: {error}") from error


def _stored(database: sa.Connection, after: int = 0) -> Iterator[Entry]:
    """The entries from the one after ``after`` on."""
    query = sa.select(*_SHOWN).order_by(table.c.seq)
    if after:  # without it, numbers below 1 are seen too
        query = query.where(table.c.seq > after)
    return _read(database, query)


def _read(database: sa.Connection, query: sa.Select[Any]) -> Iterator[Entry]:
    """The rows as they are: a value that a changed database holds as another type is kept as text, to be found. Whoever
    stops early leaves no cursor open on the server."""
    with database.execution_options(yield_per=_BATCH).execute(query) as found:
        for row in found.mappings():
            yield Entry(seq=row["seq"], **{name: str(row[name]) for name in row if name != "seq"})


def _walk(entries: Iterable[Entry], wanted: int | None) -> tuple[Verified, Mapping[int, str]]:
    """Check entries in order; gives what was found, and the hash of the entry ``wanted`` (the last one if None)."""
    seq, prev, hashes = 0, GENESIS, {0: GENESIS}
    for entry in entries:
        fault = _fault(entry, seq + 1, prev)
        if fault is not None:
            return Verified(entries=seq, last=prev, broken=fault), hashes
        seq, prev = entry.seq, entry.hash
        if seq == wanted:
            hashes[seq] = prev
    hashes[seq] = prev
    return Verified(entries=seq, last=prev), hashes


def _fault(entry: Entry, expected: int, prev: str) -> Broken | None:
    if entry.seq > expected:
        detail = f"entry {expected} is missing; the next one there is {entry.seq}"
        return Broken(seq=expected, fault="missing", detail=detail)
    if entry.seq < expected:
        return Broken(seq=expected, fault="reordered", detail=f"where entry {expected} should be, {entry.seq} stands")
    if entry.computed() != entry.hash:
        return Broken(seq=expected, fault="changed", detail="its contents do not have the hash that it was given")
    if entry.prev != prev:
        return Broken(seq=expected, fault="reordered", detail="it was not written after the entry before it")
    return None


def _against(checkpoint: Checkpoint, found: Verified, hashes: Mapping[int, str]) -> Broken | None:
    """What a checkpoint says against a chain that is sound in itself."""
    if found.entries < checkpoint.seq:
        detail = f"the checkpoint of {checkpoint.at} is of {checkpoint.seq} entries, and {found.entries} are there"
        return Broken(seq=found.entries + 1, fault="truncated", detail=detail)
    if hashes.get(checkpoint.seq) != checkpoint.hash:
        detail = f"entry {checkpoint.seq}, or one before it, is not the one that the checkpoint of {checkpoint.at} saw"
        return Broken(seq=checkpoint.seq, fault="rewritten", detail=detail)
    return None


def _signature_fault(checkpoint: Checkpoint, public_key: str) -> Broken | None:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    if checkpoint.public_key != public_key:
        detail = f"the checkpoint is signed with {checkpoint.public_key}, not with {public_key}"
        return Broken(seq=checkpoint.seq, fault="signature", detail=detail)
    try:
        signature = base64.b64decode(checkpoint.signature, validate=True)
        Ed25519PublicKey.from_public_bytes(_parse_key(public_key)).verify(signature, checkpoint.signed())
    except (InvalidSignature, ValueError):  # not base64 is a ValueError too
        return Broken(seq=checkpoint.seq, fault="signature", detail="the checkpoint's signature is not of what it says")
    return None


def _printable(key: "Ed25519PrivateKey") -> str:
    return _PREFIX + base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _parse_key(text: str) -> bytes:
    try:
        raw = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raw = b""
    if not text.startswith(_PREFIX) or len(raw) != 32:
        raise UsageError("not a public key of an audit chain", remedy="`trailwarden audit key` of its owner prints it")
    return raw


def _place(identifier: str) -> Place:
    return Place(str(key_table.name), identifier, "private_key_encrypted")


def _lock(database: sa.Connection) -> None:
    """One writer of the chain at a time, until the transaction ends; SQLite has no more than one anyway."""
    if database.dialect.name == "postgresql":
        database.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
