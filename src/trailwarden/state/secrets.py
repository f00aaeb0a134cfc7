"""Secrets at rest: AES-256-GCM, bound to the place where they are kept.

A sealed secret is ``TWS1 | key id (8) | nonce (12) | ciphertext and tag``. Table, row and column are authenticated
with it: bytes moved to another row do not open. The key id says which key it was without telling anything of it.
"""

import hashlib
import os
from collections.abc import Mapping
from typing import Protocol

import msgspec

from ..errors import KeyUnavailable

_MAGIC = b"TWS1"
_KEY_ID, _NONCE, _KEY = 8, 12, 32
_HEADER = len(_MAGIC) + _KEY_ID


class Keyring:
    """The key that new secrets are sealed with, and every key that old ones may still need."""

    def __init__(self, primary: bytes, *others: bytes) -> None:
        for key in (primary, *others):
            if len(key) != _KEY:
                raise ValueError(f"a key has {_KEY} bytes, not {len(key)}")
        self.primary_id = key_id(primary)
        self._keys: Mapping[bytes, bytes] = {key_id(key): key for key in (*others, primary)}

    def get(self, wanted: bytes) -> bytes | None:
        """The key of that id."""
        return self._keys.get(wanted)

    def __repr__(self) -> str:
        return f"Keyring({self.primary_id.hex()})"


class KeySource(Protocol):
    """Where the keys come from."""

    def load(self) -> Keyring:
        """The keys, a staged one first; a first one is made where the source can keep it.

        Raises:
            KeyUnavailable: there is none, or it cannot be read or trusted.
        """

    def stage(self, key: bytes | None) -> bytes:
        """Keep a new key (``key``, or one made here) beside the present one, and give it back. Staging again after
        a crash gives the key that was staged before.

        Raises:
            KeyUnavailable: this source cannot keep a key and ``key`` is None, or it cannot be written.
        """

    def promote(self) -> None:
        """The staged key becomes the present one; nothing is sealed with the old one any more."""


class Place(msgspec.Struct, frozen=True):
    """Where a secret is kept: it only opens there."""

    table: str
    row: str
    column: str

    def authenticated(self) -> bytes:
        """The place as bytes that no other place shares."""
        return "\0".join((self.table, self.row, self.column)).encode()

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of {self.row}"


class SecretBox:
    """Seals and opens secrets with the keys of a source, which is read when the first secret is."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._keyring: Keyring | None = None

    @property
    def source(self) -> KeySource:
        """Where the keys come from."""
        return self._source

    def keyring(self) -> Keyring:
        """The keys.

        Raises:
            KeyUnavailable: as the source says.
        """
        if self._keyring is None:
            self._keyring = self._source.load()
        return self._keyring

    def seal(self, secret: str, place: Place) -> bytes:
        """``secret``, encrypted for ``place``. Call it inside the transaction that keeps it: the key is read anew, so
        that a rotation elsewhere either finds the secret or has been seen by it.

        Raises:
            KeyUnavailable: there is no key.
        """
        self._keyring = None
        keys = self.keyring()
        return _seal(secret, place, keys.primary_id, keys.get(keys.primary_id) or b"")

    def open(self, sealed: bytes, place: Place) -> str:
        """The secret in ``sealed``, which must have been sealed for ``place``.

        Raises:
            KeyUnavailable: another key sealed it, it belongs elsewhere, or it was changed.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        header, wanted = sealed[:_HEADER], sealed_with(sealed)
        nonce, ciphertext = sealed[_HEADER : _HEADER + _NONCE], sealed[_HEADER + _NONCE :]
        key = self.keyring().get(wanted) if wanted is not None else None
        if wanted is not None and key is None:
            self._keyring = None  # another process may have rotated the key since it was read
            key = self.keyring().get(wanted)
        if wanted is None or len(ciphertext) < 16:
            raise KeyUnavailable(
                f"the secret in {place} is damaged: it is not of the form that trailwarden writes",
                remedy="enter the secret again, and find out what wrote to the state database",
            )
        if key is None:
            raise KeyUnavailable(
                f"the secret in {place} was written with key {wanted.hex()}; "
                f"the key at hand is {self.keyring().primary_id.hex()}",
                remedy="give the key that was in use then (TRAILWARDEN_KEY, TRAILWARDEN_KEY_FILE or the home's "
                "keys/state.key from a backup), or enter the secret again",
            )
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, header + place.authenticated()).decode()
        except InvalidTag:
            raise KeyUnavailable(
                f"the secret in {place} does not authenticate: it was changed, or moved there from another row",
                remedy="somebody or something edited the state database: find out who, then enter the secret again",
            ) from None

    def reload(self) -> None:
        """Read the keys again at the next use."""
        self._keyring = None


def key_id(key: bytes) -> bytes:
    """Eight bytes that tell keys apart and do not give them away."""
    return hashlib.sha256(b"trailwarden key id\0" + key).digest()[:_KEY_ID]


def new_key() -> bytes:
    """A random key."""
    return os.urandom(_KEY)


def sealed_with(sealed: bytes) -> bytes | None:
    """The id of the key that sealed it; None if it is not a sealed secret."""
    return sealed[len(_MAGIC) : _HEADER] if sealed.startswith(_MAGIC) and len(sealed) > _HEADER + _NONCE else None


def reseal(box: SecretBox, sealed: bytes, place: Place, key: bytes) -> bytes:
    """The same secret, sealed with ``key`` instead.

    Raises:
        KeyUnavailable: as ``SecretBox.open``.
    """
    return _seal(box.open(sealed, place), place, key_id(key), key)


def _seal(secret: str, place: Place, identifier: bytes, key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    header, nonce = _MAGIC + identifier, os.urandom(_NONCE)
    return header + nonce + AESGCM(key).encrypt(nonce, secret.encode(), header + place.authenticated())
