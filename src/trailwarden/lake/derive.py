"""What the lake derives from a record's ``userIdentity`` and ``additionalEventData``: who acted, as columns.

Source: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
An empty string, a value of another type and ``HIDDEN_DUE_TO_SECURITY_REASONS`` (CloudTrail's stand-in for a
mistyped user name) count as no value; the record itself keeps them.
"""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ..model.time import parse_event_time

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"


class Identity(NamedTuple):
    """The derived columns of one userIdentity, in the order of the layout; times are UTC without a zone."""

    user_type: str | None = None
    principal_id: str | None = None
    user_arn: str | None = None
    user_account_id: str | None = None
    user_name: str | None = None
    access_key_id: str | None = None
    session_name: str | None = None
    role_arn: str | None = None
    role_name: str | None = None
    issuer_arn: str | None = None
    issuer_id: str | None = None
    session_created: datetime | None = None
    mfa: bool | None = None
    source_identity: str | None = None
    on_behalf_of: str | None = None
    identity_provider: str | None = None
    invoked_by: str | None = None


@lru_cache(maxsize=8192)
def identity(raw: bytes | None) -> Identity:
    """The derived columns of a userIdentity's JSON text; None and what is not an object give no values."""
    user = load_object(raw)
    context = _object(user, "sessionContext")
    issuer = _object(context, "sessionIssuer")
    attributes = _object(context, "attributes")
    kind, principal_id, arn = text(user, "type"), text(user, "principalId"), text(user, "arn")
    issuer_arn = text(issuer, "arn")
    role = text(issuer, "type") == "Role" or (issuer_arn is not None and ":role/" in issuer_arn)
    return Identity(
        user_type=kind,
        principal_id=principal_id,
        user_arn=arn,
        user_account_id=text(user, "accountId"),
        user_name=_user_name(user, kind, principal_id),
        access_key_id=text(user, "accessKeyId"),
        session_name=_session_name(kind, principal_id, arn),
        role_arn=issuer_arn if role else None,
        role_name=(text(issuer, "userName") if role else None) or _role_in(arn),
        issuer_arn=issuer_arn,
        issuer_id=text(issuer, "principalId"),
        session_created=instant(attributes.get("creationDate")),
        mfa=flag(attributes.get("mfaAuthenticated")),
        source_identity=text(context, "sourceIdentity"),
        on_behalf_of=text(_object(user, "onBehalfOf"), "userId"),
        identity_provider=text(user, "identityProvider"),
        invoked_by=text(user, "invokedBy"),
    )


def _user_name(user: dict[str, Any], kind: str | None, principal_id: str | None) -> str | None:
    name = text(user, "userName")
    if name is None and kind == "FederatedUser" and principal_id is not None:
        return principal_id.partition(":")[2] or None
    return name


def _session_name(kind: str | None, principal_id: str | None, arn: str | None) -> str | None:
    """The session name of a role session, also as another account sees it (type AWSAccount, id ``AROA…:name``)."""
    in_session = arn is not None and ":assumed-role/" in arn
    if kind != "AssumedRole" and not in_session and not (principal_id or "").startswith("AROA"):
        return None
    after_id = (principal_id or "").partition(":")[2]
    if after_id:
        return after_id
    return arn.rsplit("/", 1)[1] or None if arn is not None and in_session and arn.count("/") >= 2 else None


def _role_in(arn: str | None) -> str | None:
    if arn is None:
        return None
    if ":assumed-role/" in arn:
        return arn.split(":assumed-role/", 1)[1].split("/")[0] or None
    return arn.rsplit("/", 1)[1] or None if ":role/" in arn else None


def load_object(raw: bytes | None) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    if raw is None or raw[:1] != b"{":
        return {}
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError:  # a number beyond a double, which the standard library reads
        value = json.loads(raw, parse_int=float)
    return value if isinstance(value, dict) else {}


def _object(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def text(parent: dict[str, Any], key: str) -> str | None:
    """A member that is a name of something, else None."""
    value = parent.get(key)
    return value if isinstance(value, str) and value and value != HIDDEN else None


def flag(value: Any) -> bool | None:
    """CloudTrail's ways to write a boolean: true, "true", "Yes"."""
    if isinstance(value, bool):
        return value
    return (
        {"true": True, "yes": True, "false": False, "no": False}.get(value.lower()) if isinstance(value, str) else None
    )


def instant(value: Any) -> datetime | None:
    """A time in any of CloudTrail's formats, as UTC without a zone; None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        parsed = parse_event_time(value)
    except OverflowError:  # a year that its zone pushes out of range
        return None
    return parsed.replace(tzinfo=None) if parsed is not None else None
