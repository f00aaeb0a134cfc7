"""Identifiers of the simulated organisation: shaped like AWS's, derived from a seed, and visibly not real.

Shapes: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
"""

from hashlib import shake_256

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
HEX = "0123456789abcdef"
LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
#: Stands after the prefix of every key and principal id, so that nobody takes one for a real one.
MARK = "DEMO"


def draw(seed: int, alphabet: str, length: int, *what: str) -> str:
    """``length`` characters of ``alphabet`` that depend on the seed and on what they are for, and on nothing else."""
    digest = shake_256("\x1f".join((str(seed), *what)).encode()).digest(length)
    return "".join(alphabet[byte % len(alphabet)] for byte in digest)


def access_key_id(seed: int, *what: str) -> str:
    """A long-lived access key id, 20 characters."""
    return f"AKIA{MARK}{draw(seed, BASE32, 12, 'key', *what)}"


def principal_id(prefix: str, seed: int, *what: str) -> str:
    """A unique id of a user (``AIDA``) or a role (``AROA``), 21 characters."""
    return f"{prefix}{MARK}{draw(seed, BASE32, 13, prefix, *what)}"


def hex_id(prefix: str, seed: int, *what: str, length: int = 17) -> str:
    """A resource id such as ``i-0123456789abcdef0``."""
    return f"{prefix}0{draw(seed, HEX, length - 1, prefix, *what)}"


def uuid(seed: int, *what: str) -> str:
    """A UUID, version 4."""
    digits = draw(seed, HEX, 32, "uuid", *what)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
