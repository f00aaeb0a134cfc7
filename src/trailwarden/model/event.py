"""CloudTrail events as answers show them, and the filter that chooses them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..errors import UsageError
from .finding import Coverage
from .principal import Principal
from .time import Window

Outcome = Literal["success", "failure"]
Order = Literal["newest", "oldest"]
Values = tuple[str, ...]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One CloudTrail record, the fields that an analyst reads first; ``trailwarden event ID`` gives the whole.

    ``source`` is eventSource (``iam.amazonaws.com``), ``name`` eventName; ``account`` is the account whose
    trail recorded it. ``request`` and ``response`` are requestParameters and responseElements as recorded,
    of any shape. All text is the caller's and not to be trusted.
    """

    event_id: str
    time: datetime
    account: str | None
    region: str | None
    source: str | None
    name: str | None
    principal: Principal
    session_name: str | None
    role_arn: str | None
    access_key: str | None
    source_ip: str | None
    user_agent: str | None
    outcome: Outcome
    error_code: str | None
    error_message: str | None
    read_only: bool | None
    request: Any
    response: Any
    resources: tuple[str, ...]
    source_identity: str | None
    mfa: bool | None
    event_type: str | None
    shared_event_id: str | None


class EventFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which events: all given fields must hold (AND), any value of one field suffices (OR).

    Values match the whole field; ``*`` stands for any run of characters. Names match without regard to
    case; ids, keys and ARNs match exactly. An empty filter matches every event.
    """

    user: Annotated[
        Values,
        Meta(description="User name, email, role session name, SourceIdentity, or ARN of the caller"),
    ] = ()
    access_key: Annotated[Values, Meta(description="Access key id, AKIA… or ASIA…")] = ()
    ip: Annotated[Values, Meta(description="Source IP address, CIDR, or service name")] = ()
    event: Annotated[Values, Meta(description="Event name, or service:EventName (iam:CreateUser, s3:*)")] = ()
    source: Annotated[Values, Meta(description="Event source (iam.amazonaws.com, or iam)")] = ()
    role: Annotated[Values, Meta(description="Role that the caller had assumed: its name or ARN")] = ()
    session: Annotated[Values, Meta(description="Role session name")] = ()
    arn: Annotated[Values, Meta(description="ARN of the caller")] = ()
    error: Annotated[Values, Meta(description="Error code (AccessDenied, NoSuchBucket)")] = ()
    account: Annotated[Values, Meta(description="Account id")] = ()
    region: Annotated[Values, Meta(description="Region (eu-central-1)")] = ()
    resource: Annotated[Values, Meta(description="ARN, name or id of a resource in the record")] = ()
    user_agent: Annotated[Values, Meta(description="User agent (aws-cli/*)")] = ()
    principal_type: Annotated[Values, Meta(description="Type of userIdentity (IAMUser, AssumedRole, Root)")] = ()
    text: Annotated[
        Values,
        Meta(description="Text anywhere in the record; all lower case matches any case, else as written"),
    ] = ()
    denied: Annotated[bool | None, Meta(description="Only calls that were denied access")] = None
    failed: Annotated[bool | None, Meta(description="Only calls that failed, for any reason")] = None
    read_only: Annotated[bool | None, Meta(description="Only reads (true) or only changes (false)")] = None
    exclude: "EventFilter | None" = None

    def __post_init__(self) -> None:
        if self.exclude is not None and self.exclude.exclude is not None:
            raise UsageError("an exclusion cannot have exclusions itself", remedy="give one level of exclude")

    @property
    def empty(self) -> bool:
        """Whether every event matches."""
        return self == EVERYTHING


#: The filter that every event passes.
EVERYTHING = EventFilter()
#: The fields of EventFilter that hold several values, in the order in which faces offer them.
VALUE_FIELDS: tuple[str, ...] = tuple(f.name for f in msgspec.structs.fields(EventFilter) if f.default == ())
#: Error codes that mean "denied access", beside those that end in one of them
#: (``Client.UnauthorizedOperation``, ``AccessDeniedException``).
DENIED_CODES: tuple[str, ...] = (
    "AccessDenied",
    "AccessDeniedException",
    "Client.UnauthorizedOperation",
    "UnauthorizedOperation",
    "Forbidden",
    "AuthorizationError",
    "AuthFailure",
    "NotAuthorized",
    "UnauthorizedException",
    "UnauthorizedAccess",
)


class FacetValue(msgspec.Struct, frozen=True):
    """One value of a facet and how many of the matching events have it."""

    value: str | None
    count: int


class Bucket(msgspec.Struct, frozen=True):
    """Matching events in one step of the histogram; ``failed`` of ``count`` have an error code."""

    start: datetime
    count: int
    failed: int


class Histogram(msgspec.Struct, frozen=True):
    """Counts over time in steps of ``step`` seconds; empty buckets are left out."""

    step: int
    buckets: tuple[Bucket, ...]


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of an answer.

    ``total`` counts all matching events, ``failed`` those of them with an error; ``facets`` has the most
    frequent values of all of them (event, principal, source_ip, region, account, error, access_key,
    user_agent). ``next_cursor`` asks for the next page and is None on the last.
    """

    events: tuple[Event, ...]
    total: int
    failed: int
    first: datetime | None
    last: datetime | None
    next_cursor: str | None
    facets: Mapping[str, tuple[FacetValue, ...]]
    histogram: Histogram | None
    query: "EventQuery"
    coverage: Coverage


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A search as it was understood: what was asked of which window, in which order, how many at most."""

    where: EventFilter
    window: Window | None
    order: Order = "newest"
    limit: int = 100
