"""Where the key that protects secrets at rest comes from: the environment, a file, KMS, or the home folder."""

import base64
import binascii
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..aws.errors import aws_errors
from ..errors import AwsError, KeyUnavailable
from .secrets import Keyring, KeySource, new_key

_HOW_TO_MAKE = "make one with `openssl rand -base64 32`"
#: Authenticated by KMS with the data key: a key wrapped for something else does not unwrap here.
ENCRYPTION_CONTEXT = {"application": "trailwarden", "purpose": "secrets-at-rest"}


def key_source(
    home: Path,
    environment: Mapping[str, str],
    *,
    kms_key_arn: str | None = None,
    kms: Callable[[], Any] | None = None,
) -> KeySource:
    """The first that is configured: TRAILWARDEN_KEY, TRAILWARDEN_KEY_FILE, the KMS key, else a file in ``home``.

    ``kms`` gives a boto3 KMS client when it is needed.
    """
    if environment.get("TRAILWARDEN_KEY"):
        return GivenKey(environment["TRAILWARDEN_KEY"])
    if environment.get("TRAILWARDEN_KEY_FILE"):
        return FileKey(Path(environment["TRAILWARDEN_KEY_FILE"]), create=False)
    if kms_key_arn is not None and kms is not None:
        return KmsKey(home / "keys" / "state.key.kms", kms_key_arn, kms)
    return FileKey(home / "keys" / "state.key")


class GivenKey:
    """A key that the environment holds, and that this program cannot keep for it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def load(self) -> Keyring:
        """The key."""
        return Keyring(parse_key(self._text, "TRAILWARDEN_KEY"))

    def stage(self, key: bytes | None) -> bytes:
        """Nothing to keep: whoever sets the environment gives the new key and keeps it."""
        if key is None:
            raise KeyUnavailable(
                "the key comes from TRAILWARDEN_KEY, which this program cannot change",
                remedy=f"give the new key ({_HOW_TO_MAKE}); afterwards set TRAILWARDEN_KEY to it",
            )
        return key

    def promote(self) -> None:
        """Whoever sets the environment does it."""

    def __repr__(self) -> str:
        return "GivenKey(TRAILWARDEN_KEY)"


class FileKey:
    """A key in a file that only its owner may read. ``create``: make it where there is none."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self._path = path
        self._staged = path.with_name(path.name + ".next")
        self._create = create

    def load(self) -> Keyring:
        """The key, and the staged one if a rotation is under way or was cut off."""
        if self._create and not self._path.exists():
            write_private(self._path, encode_key(new_key()))
        primary = parse_key(read_private(self._path), str(self._path))
        if self._staged.exists():
            return Keyring(parse_key(read_private(self._staged), str(self._staged)), primary)
        return Keyring(primary)

    def stage(self, key: bytes | None) -> bytes:
        """Beside the present one, with ``.next`` at the end of its name."""
        write_private(self._staged, encode_key(key or new_key()))
        staged = parse_key(read_private(self._staged), str(self._staged))
        if key is not None and staged != key:
            raise KeyUnavailable(
                f"{self._staged} holds another key: an earlier rotation was cut off",
                remedy="rotate once without giving a key, which completes it; then rotate to the new key",
            )
        return staged

    def promote(self) -> None:
        """Replaces the file at one stroke."""
        self._staged.replace(self._path)


class KmsKey:
    """A data key that a KMS key wraps: only the wrapped one is on disk, and KMS opens it.

    https://docs.aws.amazon.com/kms/latest/developerguide/data-keys.html
    """

    def __init__(self, path: Path, kms_key_arn: str, kms: Callable[[], Any]) -> None:
        self._path = path
        self._staged = path.with_name(path.name + ".next")
        self._arn = kms_key_arn
        self._kms = kms

    def load(self) -> Keyring:
        """The data key, unwrapped."""
        if not self._path.exists():
            write_private(self._path, self._generate())
        primary = self._unwrap(self._path)
        return Keyring(self._unwrap(self._staged), primary) if self._staged.exists() else Keyring(primary)

    def stage(self, key: bytes | None) -> bytes:
        """A new data key; KMS makes it, so none can be given."""
        if key is not None:
            raise KeyUnavailable(
                "the key is made and wrapped by KMS", remedy="rotate without giving a key: KMS makes the new one"
            )
        if not self._staged.exists():
            write_private(self._staged, self._generate())
        return self._unwrap(self._staged)

    def promote(self) -> None:
        """Replaces the file at one stroke."""
        self._staged.replace(self._path)

    def _generate(self) -> str:
        wrapped: bytes = self._call(
            "kms:GenerateDataKeyWithoutPlaintext",
            lambda: self._kms().generate_data_key_without_plaintext(
                KeyId=self._arn, KeySpec="AES_256", EncryptionContext=ENCRYPTION_CONTEXT
            ),
        )["CiphertextBlob"]
        return base64.b64encode(wrapped).decode()

    def _unwrap(self, path: Path) -> bytes:
        wrapped = _base64(read_private(path))
        if wrapped is None:
            raise KeyUnavailable(f"{path} holds no wrapped key", remedy="restore it from a backup")
        plaintext: bytes = self._call(
            "kms:Decrypt",
            lambda: self._kms().decrypt(KeyId=self._arn, CiphertextBlob=wrapped, EncryptionContext=ENCRYPTION_CONTEXT),
        )["Plaintext"]
        return plaintext

    def _call(self, operation: str, call: Callable[[], Any]) -> Any:
        try:
            with aws_errors(operation):
                return call()
        except AwsError as error:
            raise KeyUnavailable(
                f"KMS does not give the key of the secrets: {error.message}", remedy=error.remedy
            ) from error


def parse_key(text: str, origin: str) -> bytes:
    """32 bytes from hexadecimal or base64 (also its URL-safe form).

    Raises:
        KeyUnavailable: neither, or of another length; the message names ``origin``, never the key.
    """
    stripped = text.strip()
    decoded: bytes | None = None
    if len(stripped) == 64:
        with suppress(ValueError):
            decoded = bytes.fromhex(stripped)
    if decoded is None:
        decoded = _base64(stripped.replace("-", "+").replace("_", "/"))
    if decoded is None or len(decoded) != 32:
        raise KeyUnavailable(f"{origin} does not hold a key: 32 bytes in base64 or hexadecimal", remedy=_HOW_TO_MAKE)
    return decoded


def encode_key(key: bytes) -> str:
    """A key as ``parse_key`` reads it."""
    return base64.b64encode(key).decode()


def read_private(path: Path) -> str:
    """A file's text, if nobody but its owner can read or change it.

    Raises:
        KeyUnavailable: it is missing, unreadable, not a plain file, or open to others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KeyUnavailable(
            f"the key file {path} cannot be read: {error.strerror}",
            remedy="restore it from a backup; without it the secrets have to be entered again",
        ) from error
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            raise KeyUnavailable(
                f"the key file {path} is open to others (mode {stat.S_IMODE(status.st_mode):04o})",
                remedy=f"chmod 600 {path}; if others could have read it, rotate the key as well",
            )
        return file.read(4096)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all. One that exists stays as it is: of two that
    write at once, the first wins and both then read its key.

    Raises:
        KeyUnavailable: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise KeyUnavailable(
            f"the key file {path} cannot be written: {error.strerror}",
            remedy="make the folder writable, or give the key in TRAILWARDEN_KEY or TRAILWARDEN_KEY_FILE",
        ) from error


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
