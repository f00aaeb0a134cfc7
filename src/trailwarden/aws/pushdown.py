"""Which attribute of LookupEvents to look up for a filter, so that as little as possible is fetched and no match lost.

AWS takes one attribute and compares its value exactly and with regard to case; the lake's filter does not. So an
attribute is pushed down by field as this table says, the most selective first; the lake applies the whole filter
afterwards. https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupAttribute.html

    access_key   AccessKeyId    safe: keys match exactly here too
    arn          Username       safe: of an IAM user or a role session, whose name is the ARN's last part
    event        EventName      safe: each spelling that botocore or the lake knows is asked for
                 EventSource    safe: for ``iam:*``; event sources are lower case
    user         Username       may miss: SourceIdentity, Identity Center sign-ins, other capitals; safe for an ARN
    session      Username       may miss: other capitals
    resource     ResourceName   may miss: AWS lists the resources of some events only
    source       EventSource    safe
    read_only    ReadOnly       safe

An event of many (Decrypt, Describe…) yields to user and session. What may miss something is said in the notes, and
is not pushed down where the caller wants all (``exhaustive``). A value with ``*`` cannot be pushed down, nor then
its field. ip, role, error, user_agent, principal_type, text, denied and failed have no attribute.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from ..errors import UsageError
from ..model.arn import Arn
from ..model.event import EventFilter

if TYPE_CHECKING:
    from ..lake.store import Lake

#: An attribute of LookupEvents and its value.
Attribute = tuple[str, str]
#: Values of one field for which one look-up each is cheaper than fetching everything.
MOST_LOOKUPS = 8
#: AWS: AttributeValue has at most 2,000 characters, of which some count twice.
_LONGEST_VALUE = 1000

#: Events of these names are so many that a user's name is the better thing to look up by.
_CHATTY = re.compile(
    r"Assume|BatchGet|Check|Decrypt|Describe|Encrypt|Generate|Get|Head|List|Lookup|Query|Search|Verify"
)


class Pushdown(msgspec.Struct, frozen=True):
    """What to look up: the union of ``attributes`` holds every match, as far as ``notes`` do not say otherwise.

    No attributes: everything must be fetched.
    """

    attributes: tuple[Attribute, ...] = ()
    notes: tuple[str, ...] = ()


Spellings = Callable[[str], tuple[str, ...]]


def pushdown(where: EventFilter, *, spellings: Spellings, exhaustive: bool = False) -> Pushdown:
    """The attributes to look up for a filter; the module's docstring has the table.

    ``spellings`` gives the ways in which an event name is written by AWS, () if it does not know the name.
    """
    events = _events(where.event, spellings)
    chatty = any(key == "EventSource" or _CHATTY.match(value) for key, value in events)
    offers: list[tuple[Sequence[Attribute], str]] = [
        (_each("AccessKeyId", where.access_key), ""),
        (_all_of(_username_of_arn(arn) for arn in where.arn), ""),
        ((), "") if chatty else (events, ""),
        _users(where.user),
        (_each("Username", where.session), _missed("Username", where.session, "in other capitals")),
        (events, ""),
        (
            tuple(attribute for value in where.resource for attribute in _resources(value))
            if _plain(where.resource)
            else (),
            _missed("ResourceName", where.resource, "in events for which CloudTrail lists no resources"),
        ),
        (_all_of(_event_source(source) for source in where.source), ""),
        ((("ReadOnly", "true" if where.read_only else "false"),) if where.read_only is not None else (), ""),
    ]
    for attributes, missed in offers:
        unique = tuple(dict.fromkeys(attributes))
        if 0 < len(unique) <= MOST_LOOKUPS and not (missed and exhaustive):
            return Pushdown(unique, (missed,) if missed else ())
    return Pushdown()


def _missed(key: str, values: Sequence[str], where: str) -> str:
    shown = ", ".join(value[:80] for value in values)
    return (
        f"event history was asked for {key} {shown} exactly as written: events that have it only {where} are found "
        "only where the lake already holds them"
    )


def _plain(values: Sequence[str]) -> bool:
    return all(value and "*" not in value and len(value) <= _LONGEST_VALUE for value in values)


def _each(key: str, values: Sequence[str]) -> Sequence[Attribute]:
    return tuple((key, value) for value in values) if _plain(values) else ()


def _all_of(attributes: Iterable[Attribute | None]) -> Sequence[Attribute]:
    """The attributes, or none where one of the values has none: a part of them would lose matches."""
    found = tuple(attributes)
    return tuple(attribute for attribute in found if attribute) if all(found) else ()


def _username_of_arn(text: str) -> Attribute | None:
    try:
        arn = Arn.parse(text)
    except UsageError:
        return None
    named = (arn.service, arn.kind) in {("iam", "user"), ("sts", "assumed-role")}
    return ("Username", arn.name) if named and _plain((text,)) else None


def _users(values: Sequence[str]) -> tuple[Sequence[Attribute], str]:
    if not _plain(values):
        return (), ""
    attributes: list[Attribute] = []
    names: list[str] = []
    for value in values:
        if value.startswith("arn:"):
            of_arn = _username_of_arn(value)
            if of_arn is None:
                return (), ""
            attributes.append(of_arn)
        else:
            attributes.append(("Username", "root" if value.lower() == "root" else value))
            names.append(value)
    where = "as SourceIdentity, in an Identity Center sign-in, or in other capitals"
    return attributes, _missed("Username", names, where) if names else ""


def _events(values: Sequence[str], spellings: Spellings) -> Sequence[Attribute]:
    attributes: list[Attribute] = []
    for value in values:
        service, _, name = value.rpartition(":")
        if _plain((name,)):
            # A name in lower case is nobody's spelling: asked as it is, it would find nothing and look like an answer.
            written = spellings(name) or ((name,) if name != name.lower() else ())
            attributes.extend(("EventName", spelling) for spelling in written)
        else:
            source = _event_source(service) if service else None
            written = (value,) if source else ()
            attributes.extend((source,) if source else ())
        if not written:
            return ()
    return attributes


def _event_source(text: str) -> Attribute | None:
    if not _plain((text,)):
        return None
    source = text.lower()
    return "EventSource", source if "." in source else f"{source}.amazonaws.com"


def _resources(value: str) -> tuple[Attribute, ...]:
    """CloudTrail names a resource by its ARN or by its name, as its type has it."""
    try:
        name = Arn.parse(value).name
    except UsageError:
        return (("ResourceName", value),)
    return ("ResourceName", value), ("ResourceName", name)


#: Events of the sign-in service, which is no API. Source:
#: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html
SIGN_IN_EVENTS = (
    *("ConsoleLogin", "CheckMfa", "SwitchRole", "ExitRole", "RenewRole", "GetSigninToken", "UserAuthentication"),
    *("CredentialChallenge", "CredentialVerification", "EmailUpdated", "PasswordUpdated"),
    *("PasswordRecoveryRequested", "PasswordRecoveryCompleted"),
)


@cache
def api_names() -> Mapping[str, tuple[str, ...]]:
    """The operations of every AWS API that botocore ships, and SIGN_IN_EVENTS, by lower case: read in a second."""
    import gzip  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    import botocore  # noqa: PLC0415

    found: dict[str, set[str]] = {name.lower(): {name} for name in SIGN_IN_EVENTS}
    for model in Path(botocore.__file__).parent.glob("data/*/*/service-2.json*"):
        raw = gzip.decompress(model.read_bytes()) if model.suffix == ".gz" else model.read_bytes()
        for name in msgspec.json.decode(raw, type=_ServiceModel).operations:
            found.setdefault(name.lower(), set()).add(name)
    return {lower: tuple(sorted(names)) for lower, names in found.items()}


class _ServiceModel(msgspec.Struct):
    operations: dict[str, msgspec.Raw]


def known_spellings(lake: "Lake") -> Spellings:
    """Spellings by the service models of botocore, and by the events that the lake holds."""

    @cache
    def in_lake() -> Mapping[str, set[str]]:
        from ..lake.query import vocabulary  # noqa: PLC0415

        found: dict[str, set[str]] = {}
        for name in vocabulary(lake).events:
            found.setdefault(name.lower(), set()).add(name)
        return found

    def spellings(name: str) -> tuple[str, ...]:
        lower = name.lower()
        return tuple(sorted({*api_names().get(lower, ()), *in_lake().get(lower, ())}))

    return spellings
