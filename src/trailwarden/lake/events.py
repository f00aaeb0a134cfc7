"""Rows of the lake as Events."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..model.event import Event
from ..model.principal import Principal
from .where import failed

#: What an Event is made of, in the order in which :func:`event_of` takes it.
EVENT_COLUMNS: tuple[str, ...] = (
    "event_id", "event_time", "account_id", "aws_region", "event_source", "event_name", "event_type", "read_only",
    "error_code", "error_message", "source_ip", "user_agent", "user_type", "principal_id", "user_arn",
    "user_account_id", "user_name", "access_key_id", "session_name", "role_arn", "role_name", "mfa", "source_identity",
    "invoked_by", "shared_event_id", "request_parameters", "response_elements", "service_event_details", "resources",
)  # fmt: skip
_RESOURCE_KEYS = ("ARN", "arn", "ARNPrefix", "resourceName", "ResourceName")


def event_of(row: Sequence[Any]) -> Event:
    """The Event of one row of EVENT_COLUMNS."""
    of = dict(zip(EVENT_COLUMNS, row, strict=True))
    went_wrong = failed(
        of["event_source"], of["error_code"], of["error_message"], of["response_elements"], of["service_event_details"]
    )
    in_session = of["session_name"] is not None or of["user_type"] == "AssumedRole"
    return Event(
        event_id=of["event_id"],
        time=aware(of["event_time"]),
        account=of["account_id"],
        region=of["aws_region"],
        source=of["event_source"],
        name=of["event_name"],
        principal=Principal(
            type=of["user_type"],
            arn=of["user_arn"],
            name=(of["role_name"] if in_session else None) or of["user_name"] or of["invoked_by"],
            account=of["user_account_id"],
            id=of["principal_id"],
        ),
        session_name=of["session_name"],
        role_arn=of["role_arn"],
        access_key=of["access_key_id"],
        source_ip=of["source_ip"],
        user_agent=of["user_agent"],
        outcome="failure" if went_wrong else "success",
        error_code=of["error_code"],
        error_message=of["error_message"],
        read_only=of["read_only"],
        request=decoded(of["request_parameters"]),
        response=decoded(of["response_elements"]),
        resources=tuple(dict.fromkeys(resource_names(decoded(of["resources"])))),
        source_identity=of["source_identity"],
        mfa=of["mfa"],
        event_type=of["event_type"],
        shared_event_id=of["shared_event_id"],
    )


def aware(naive: datetime) -> datetime:
    """A time of the lake with its zone."""
    return naive.replace(tzinfo=UTC)


def decoded(text: str | None) -> Any:
    """The value of a JSON column; None if it has none. What no decoder takes (absurd numbers) stays text."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # a number beyond a double, which the standard library reads
        try:
            return json.loads(text)
        except ValueError:
            return text


def resource_names(listed: Any) -> Iterable[str]:
    """ARNs, else names, in a record's resources."""
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict):
            names = (item.get(key) for key in _RESOURCE_KEYS)
            yield from (name for name in names if isinstance(name, str) and name)
