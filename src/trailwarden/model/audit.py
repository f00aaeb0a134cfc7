"""The audit chain's values: an entry, a signed checkpoint, and what a verification found."""

import hashlib
from typing import Literal

import msgspec

from .proposal import canonical_json


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, as stored: ``at`` in UTC, ``actor`` and ``body`` as canonical JSON, ``prev`` and ``hash`` in hex."""

    seq: int
    at: str
    actor: str
    kind: str
    body: str
    prev: str
    hash: str

    def computed(self) -> str:
        """The hash that the entry's other fields have."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "hash"}
        return hashlib.sha256(canonical_json(fields)).hexdigest()


Fault = Literal[
    "changed",  # the entry's fields do not have the entry's hash
    "missing",  # the entry that should be here is not
    "reordered",  # it does not follow the entry before it
    "unreadable",  # it is no entry at all
    "truncated",  # the chain ends before the checkpoint
    "rewritten",  # the chain is sound in itself, and another than the one that the checkpoint was made of
    "signature",  # the checkpoint is not signed by the key that it must be signed by
]


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """The first place where the chain does not hold."""

    seq: int
    fault: Fault
    detail: str


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A signed statement: at ``at`` the chain's last entry was ``seq`` (0: there was none) with that hash."""

    version: int
    seq: int
    hash: str
    at: str
    public_key: str
    signature: str

    def signed(self) -> bytes:
        """What the signature is of."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "signature"}
        return b"trailwarden audit checkpoint\n" + canonical_json(fields)


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found: ``entries`` held, ``last`` is the hash of the last of them. ``checkpoint`` is the one
    that it was held against; without one, nobody can say that nothing was cut off at the end."""

    entries: int
    last: str
    broken: Broken | None = None
    checkpoint: Checkpoint | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return self.broken is None
