"""The raw record of one event."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..errors import TrailwardenError
from ..installation import Installation
from ..tool import tool


class RawEvents(msgspec.Struct, frozen=True):
    """The records of one event id, as CloudTrail wrote them. More than one only where ids were masked or repeated."""

    records: tuple[dict[str, Any], ...]


@tool(
    effect="read",
    title="Show the raw record of an event",
    examples=("trailwarden event 6e882b9d-2af8-4c67-b91f-aeac6a0e5e70",),
)
def event(
    app: Installation,
    event_id: Annotated[
        str, Meta(description="eventID of the record", extra={"argument": True, "metavar": "EVENT_ID"})
    ],
) -> RawEvents:
    """The record as CloudTrail wrote it, whole.

    Raises:
        TrailwardenError: the lake holds no such event.
    """
    from ..lake.query import records  # noqa: PLC0415

    found = records(app.lake, event_id.strip())
    if not found:
        raise TrailwardenError(
            f"the lake holds no event {event_id!r}",
            remedy="search shows the ids of events; records that were not ingested cannot be shown",
        )
    return RawEvents(tuple(found))
