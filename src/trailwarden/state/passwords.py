"""Passwords at rest: argon2id with the parameters of RFC 9106 for constrained memory, as argon2-cffi recommends."""

import secrets
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from ..access import PASSWORD_MOST

if TYPE_CHECKING:
    from argon2 import PasswordHasher


@cache
def hasher() -> "PasswordHasher":
    """What hashes and verifies."""
    from argon2 import PasswordHasher  # noqa: PLC0415

    return PasswordHasher()


def hash_password(password: str) -> str:
    """The hash of a password that ``access.check_password`` let pass."""
    return hasher().hash(_bytes(password))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether it is the password. Without a stored hash, one that nothing has is verified: it takes as long.

    Raises:
        argon2.exceptions.InvalidHashError: what is stored is no hash.
    """
    from argon2.exceptions import VerifyMismatchError  # noqa: PLC0415

    try:
        right = hasher().verify(stored if stored is not None else _decoy(), _bytes(password))
    except VerifyMismatchError:
        return False
    return right and stored is not None


def outdated(stored: str) -> bool:
    """Whether it was hashed with other parameters than are used now."""
    return hasher().check_needs_rehash(stored)


def _bytes(password: str) -> bytes:
    """In one spelling; cut beyond what a password may have, so that nobody is made to hash megabytes."""
    return unicodedata.normalize("NFKC", password[: PASSWORD_MOST * 4])[: PASSWORD_MOST + 1].encode(
        "utf-8", "surrogatepass"
    )


@cache
def _decoy() -> str:
    return hasher().hash(secrets.token_bytes(32))
