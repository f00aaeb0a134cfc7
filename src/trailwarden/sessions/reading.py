"""Reading values out of records whose members may be absent, empty, masked, or of another type.

An empty string, a value of another type and ``HIDDEN_DUE_TO_SECURITY_REASONS`` count as no value.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from ..model.time import parse_event_time

Record = Mapping[str, Any]

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
SIGN_IN = "signin.amazonaws.com"
#: Sources whose records are of people at IAM Identity Center, where userIdentity's type says ``Unknown``.
IDENTITY_CENTER_SOURCES = frozenset({SIGN_IN, "sso.amazonaws.com", "sso-oauth.amazonaws.com"})
#: Sources whose events may fail without an errorCode.
_RESULT_SOURCES = (SIGN_IN, "sso.amazonaws.com")
RESERVED_PATH = "/aws-reserved/sso.amazonaws.com/"
RESERVED_NAME = re.compile(r"AWSReservedSSO_.+_[0-9a-f]{16}")
INSTANCE_ID = re.compile(r"i-[0-9a-f]{8,17}")
EMAIL = re.compile(r"[^@\s:/]+@[^@\s:/]+\.[^@\s:/]+")

_ADDRESS = re.compile(r"(?=.*[.:])(?=.*\d)[0-9A-Fa-f:.]+")
#: Masked and invented keys (``AKIA****``, ``1111``) repeat, and must join nothing.
_KEY = re.compile(r"A[KS]IA[A-Z0-9]{12,124}")
_EMPTY: dict[str, Any] = {}


def member(parent: Record, name: str) -> dict[str, Any]:
    """A member that is an object; empty for anything else."""
    value = parent.get(name)
    return value if isinstance(value, dict) else _EMPTY


def text(parent: Record, name: str) -> str | None:
    """A member that names something, else None."""
    value = parent.get(name)
    if not isinstance(value, str) or not value or value == HIDDEN:
        return None
    return value if value.isascii() else clean(value)


def clean(value: str) -> str:
    """The text, with what UTF-8 cannot hold (half of a surrogate pair) replaced."""
    return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def as_text(value: Any) -> str:
    """Any value as text: a text itself, true and false, else JSON."""
    return clean(value) if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def flag(value: Any) -> bool | None:
    """CloudTrail's ways to write a boolean: true, "true", "Yes"."""
    if isinstance(value, bool):
        return value
    known = {"true": True, "yes": True, "false": False, "no": False}
    return known.get(value.lower()) if isinstance(value, str) else None


@lru_cache(maxsize=65_536)
def _instant(value: str) -> datetime | None:
    try:
        return parse_event_time(value)
    except OverflowError:  # a year that its zone pushes out of range
        return None


def instant(value: Any) -> datetime | None:
    """A time in any of CloudTrail's formats, aware and in UTC; None if it is none."""
    return _instant(value) if isinstance(value, str) else None


def creation(identity: Record) -> datetime | None:
    """When the credentials were made (sessionContext.attributes.creationDate), to the second."""
    made = instant(member(member(identity, "sessionContext"), "attributes").get("creationDate"))
    return made.replace(microsecond=0) if made is not None and made.microsecond else made


@lru_cache(maxsize=65_536)
def is_address(value: str) -> bool:
    """Whether a sourceIPAddress is an address, not a service's name or ``AWS Internal``."""
    return _ADDRESS.fullmatch(value) is not None


def is_access_key(value: str) -> bool:
    """Whether it looks like the id of a real access key, that is: whether one may join on it."""
    return _KEY.fullmatch(value) is not None


def session_name_in(principal_id: str | None, arn: str | None) -> str | None:
    """The name of a role session: after the colon of its principalId, else the last part of its ARN."""
    name = (principal_id or "").partition(":")[2]
    if not name and arn is not None and ":assumed-role/" in arn:
        name = arn.split(":assumed-role/", 1)[1].partition("/")[2]
    return name or None


def account_in(arn: str | None) -> str | None:
    """The account of an ARN."""
    parts = (arn or "").split(":", 5)
    return parts[4] or None if len(parts) == 6 else None


def is_failed(record: Record) -> bool:
    """Whether the call failed: it has an error, or is of a sign-in whose result is ``Failure``."""
    if record.get("errorCode") or record.get("errorMessage"):
        return True
    return record.get("eventSource") in _RESULT_SOURCES and any(
        _says_failure(record.get(name)) for name in ("responseElements", "serviceEventDetails")
    )


def _says_failure(value: Any) -> bool:
    if isinstance(value, dict):
        return any(inner == "Failure" or _says_failure(inner) for inner in value.values())
    return isinstance(value, list) and any(_says_failure(inner) for inner in value)
