"""Credential groups: what is known of one set of credentials, in a form that can be merged in any order.

A group's key follows from a single userIdentity, so that pieces of it can be found in files that know nothing
of each other:

* a session of a role, of an IAM user, of the root user or of a federated user: account, principalId, creationDate
  (without a creationDate: the access key, if there is one);
* a long-lived key: account, principalId, key;
* a person at IAM Identity Center: identity store, userId, credentialId;
* an AWS service: the account that it acts in, and its name;
* a principal of another account, as that account's neighbour sees it: account and principalId.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from ..model.finding import Evidence
from ..model.time import format_instant
from .reading import (
    IDENTITY_CENTER_SOURCES,
    SIGN_IN,
    Record,
    account_in,
    as_text,
    clean,
    creation,
    is_access_key,
    member,
    session_name_in,
    text,
)
from .uses import SharedCall, Use

GroupKind = Literal[
    "role",
    "user_session",
    "user_key",
    "user_sign_in",  # records of an IAM user that were made without credentials: the sign-in itself
    "user",  # an IAM user, and nothing that tells which credentials
    "root",
    "federated",
    "identity_center",
    "saml",
    "web_identity",
    "service",
    "external",
    "other",
    "none",
]
#: When a value was first seen, and in which event.
Mark = tuple[datetime, str]

CONSOLE = "sessionCredentialFromConsole"
ADDRESS = "sourceIPAddress"
SIGN_IN_NAME = "additionalEventData.UserName"
_USER, _CONTEXT = "userIdentity", "userIdentity.sessionContext"
TYPE, ARN, ACCESS_KEY = f"{_USER}.type", f"{_USER}.arn", f"{_USER}.accessKeyId"
USER_NAME, INVOKED_BY, IDENTITY_PROVIDER = (
    f"{_USER}.userName",
    f"{_USER}.invokedBy",
    f"{_USER}.identityProvider",
)
BEHALF_USER, BEHALF_STORE = f"{_USER}.onBehalfOf.userId", f"{_USER}.onBehalfOf.identityStoreArn"
ISSUED_TO, ISSUED_TO_TYPE = f"{_USER}.inScopeOf.credentialsIssuedTo", f"{_USER}.inScopeOf.issuerType"
SOURCE_IDENTITY, SIGN_IN_SESSION = f"{_CONTEXT}.sourceIdentity", f"{_CONTEXT}.signInSessionArn"
ROLE_DELIVERY, ASSUMED_ROOT = f"{_CONTEXT}.ec2RoleDelivery", f"{_CONTEXT}.assumedRoot"
MFA = f"{_CONTEXT}.attributes.mfaAuthenticated"
ISSUER_TYPE, ISSUER_ARN = f"{_CONTEXT}.sessionIssuer.type", f"{_CONTEXT}.sessionIssuer.arn"
ISSUER_NAME = f"{_CONTEXT}.sessionIssuer.userName"
WEB_PROVIDER = f"{_CONTEXT}.webIdFederationData.federatedProvider"
WEB_SUBJECT = f"{_CONTEXT}.webIdFederationData.attributes"

_OF_USER = tuple(
    (name, f"{_USER}.{name}")
    for name in ("type", "arn", "accessKeyId", "userName", "invokedBy", "identityProvider", "credentialId")
)
_OF_PARTS = (
    ("onBehalfOf", (("userId", BEHALF_USER), ("identityStoreArn", BEHALF_STORE))),
    ("inScopeOf", (("credentialsIssuedTo", ISSUED_TO), ("issuerType", ISSUED_TO_TYPE))),
)
_OF_CONTEXT = (
    ("sourceIdentity", SOURCE_IDENTITY),
    ("signInSessionArn", SIGN_IN_SESSION),
    ("ec2RoleDelivery", ROLE_DELIVERY),
    ("assumedRoot", ASSUMED_ROOT),
)
_OF_ISSUER = (("type", ISSUER_TYPE), ("arn", ISSUER_ARN), ("userName", ISSUER_NAME))


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one credential group; :func:`merge` puts pieces together.

    ``events`` and ``errors`` count the calls without a sharedEventID; those with one are in ``shared``, as
    two of its records may be copies of one call. ``marks`` holds, for each field that matters, the values
    seen and the first record of each. ``direct`` says whether any call was made by the holder itself, not
    by a service for it. All tuples are sorted.
    """

    key: str
    kind: GroupKind
    account: str | None
    principal_id: str | None
    created: datetime | None
    events: int
    errors: int
    first: datetime
    last: datetime
    first_event: str
    last_event: str
    direct: bool
    regions: tuple[str, ...]
    user_agents: tuple[str, ...]
    accounts: tuple[str, ...]
    shared: tuple[SharedCall, ...]
    marks: dict[str, dict[str, Mark]]

    @property
    def session_id(self) -> str:
        """The id of the session that this group is."""
        return session_id_of(self.key)

    @property
    def tokens(self) -> tuple[str, ...]:
        """What an issuance must share with the group to have issued it: the keys, and principalId with time."""
        tokens = [f"key:{key}" for key in self.values(ACCESS_KEY) if is_access_key(key)]
        if self.principal_id is not None and self.created is not None:
            tokens += time_tokens(self.principal_id, self.created)
        if self.kind == "saml":
            tokens.append(f"by:{self.key}")
        return tuple(tokens)

    @property
    def source_ips(self) -> tuple[str, ...]:
        """The addresses that calls came from."""
        return tuple(sorted(self.marks.get(ADDRESS, ())))

    @property
    def shared_ids(self) -> tuple[str, ...]:
        """The sharedEventIDs of its calls: other groups that have one of them hold copies of the same calls."""
        return tuple(dict.fromkeys(call.shared_event_id for call in self.shared))

    @property
    def calls(self) -> int:
        """How many calls it made; copies count once."""
        return self.events + len(self.shared_ids)

    @property
    def failures(self) -> int:
        """How many of them failed."""
        return self.errors + len({call.shared_event_id for call in self.shared if call.failed})

    def values(self, field: str) -> tuple[str, ...]:
        """The values of a field, in the order in which they were first seen."""
        seen = self.marks.get(field)
        return tuple(sorted(seen, key=lambda value: (seen[value], value))) if seen else ()

    def value(self, field: str) -> str | None:
        """The value of a field that was seen first."""
        return next(iter(self.values(field)), None)

    def evidence(self, field: str, value: str | None = None) -> Evidence | None:
        """The record that shows a value of a field (the first one, if none is given)."""
        value = self.value(field) if value is None else value
        mark = self.marks.get(field, {}).get(value) if value is not None else None
        return Evidence(mark[1], field, value) if mark is not None and value is not None else None

    @property
    def session_name(self) -> str | None:
        """The name of a role session."""
        return session_name_in(self.principal_id, self.value(ARN)) if self.kind == "role" else None

    @property
    def role_arn(self) -> str | None:
        """The role of a role session, with its path."""
        arn = self.value(ISSUER_ARN)
        return arn if self.kind == "role" and arn is not None and ":role/" in arn else None


def session_id_of(key: str) -> str:
    """The id of the session whose group has this key."""
    return "ses-" + hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def time_tokens(principal_id: str, *made: datetime) -> list[str]:
    """The tokens that join an issuance to a session by principalId and time of creation; none if it is masked."""
    return [] if "*" in principal_id else [f"at:{principal_id}|{format_instant(instant)}" for instant in made]


class Credentials(NamedTuple):
    """Which credential group a userIdentity belongs to."""

    key: str
    kind: GroupKind
    account: str | None
    principal_id: str | None
    created: datetime | None


def credentials_of(identity: Record, account: str | None, source: str | None) -> Credentials:
    """The credential group of a userIdentity. ``account`` recorded it; ``source`` is needed where it is bare."""
    kind, arn, principal = text(identity, "type"), text(identity, "arn"), text(identity, "principalId")
    own, access_key, created = text(identity, "accountId"), text(identity, "accessKeyId"), creation(identity)
    in_session = arn is not None and ":assumed-role/" in arn
    made = format_instant(created) if created is not None else None

    def found(group: GroupKind, owner: str | None, *parts: str | None, at: datetime | None = None) -> Credentials:
        key = msgspec.json.encode([group, owner, *parts]).decode()
        return Credentials(key, group, owner, principal, at)

    if kind == "AssumedRole" or (in_session and kind != "AWSAccount"):
        owner = own or account_in(arn) or text(member(member(identity, "sessionContext"), "sessionIssuer"), "accountId")
        who = principal or arn
        if created is not None:
            return found("role", owner, who, made, at=created)
        return found("role", owner, who, "key", access_key)
    match kind:
        case "IAMUser":
            owner, who = own or account_in(arn), principal or arn or text(identity, "userName")
            if access_key is not None and (created is None or access_key.startswith("AKIA")):
                temporary = access_key.startswith("ASIA")
                return found("user_session" if temporary else "user_key", owner, who, "key", access_key)
            if created is not None:
                return found("user_session", owner, who, made, at=created)
            return found("user_sign_in" if source == SIGN_IN else "user", owner, who)
        case "Root":
            owner = own or account_in(arn) or account
            principal = principal or owner
            if access_key is not None and (created is None or access_key.startswith("AKIA")):
                return found("root", owner, "key", access_key)
            return found("root", owner, made, at=created)
        case "FederatedUser":
            if created is not None:
                return found("federated", own, principal or arn, made, at=created)
            return found("federated", own, principal or arn, "key", access_key)
        case "SAMLUser":
            return found("saml", account, principal, text(identity, "identityProvider"), text(identity, "userName"))
        case "WebIdentityUser":
            who = principal or text(identity, "userName")
            return found("web_identity", account, who, text(identity, "identityProvider"))
        case "AWSService":
            return found("service", account, text(identity, "invokedBy") or principal or source)
        case "AWSAccount":
            return found("external", own, principal)
    behalf = member(identity, "onBehalfOf")
    user_id, at_sign_in = text(behalf, "userId"), kind == "Unknown" and source in IDENTITY_CENTER_SOURCES
    if kind == "IdentityCenterUser" or user_id is not None or at_sign_in:
        store, credential = text(behalf, "identityStoreArn"), text(identity, "credentialId")
        return found("identity_center", own, store, user_id or principal, credential)
    if kind is None and not any((arn, principal, access_key)):
        return found("none", account, source)
    return found("other", own or account, kind, principal or arn, access_key, made, at=created)


def _values(use: Use) -> Iterable[tuple[str, str]]:
    identity = use.identity
    for name, field in _OF_USER:
        if (value := text(identity, name)) is not None:
            yield field, value
    for part, names in _OF_PARTS:
        inner = member(identity, part)
        for name, field in names if inner else ():
            if (value := text(inner, name)) is not None:
                yield field, value
    context = member(identity, "sessionContext")
    if context:
        for name, field in _OF_CONTEXT:
            if (found := context.get(name)) not in (None, "", {}):
                yield field, as_text(found)
        issuer = member(context, "sessionIssuer")
        for name, field in _OF_ISSUER if issuer else ():
            if (value := text(issuer, name)) is not None:
                yield field, value
        if (mfa := member(context, "attributes").get("mfaAuthenticated")) is not None:
            yield MFA, as_text(mfa)
        web = member(context, "webIdFederationData")
        if web:
            yield from _web(web)
    if use.source_ip is not None:
        yield ADDRESS, use.source_ip
    if use.user_name is not None:
        yield SIGN_IN_NAME, use.user_name
    if use.from_console:
        yield CONSOLE, "true"


def _web(web: dict[str, Any]) -> Iterable[tuple[str, str]]:
    if (provider := text(web, "federatedProvider")) is not None:
        yield WEB_PROVIDER, provider
    for name, value in member(web, "attributes").items():
        if name.endswith(":sub") and isinstance(value, str) and value:
            yield WEB_SUBJECT, clean(value)


def group_of(use: Use) -> Group:
    """The group that a use belongs to, as far as the use alone tells."""
    found = credentials_of(use.identity, use.account, use.event_source)
    mark = (use.first, use.first_event)
    marks: dict[str, dict[str, Mark]] = {}
    for field, value in _values(use):
        marks.setdefault(field, {})[value] = mark
    shared = (
        () if found.kind == "service" else tuple(sorted(use.shared, key=_order))
    )  # a service's calls have no second copy
    return Group(
        key=found.key,
        kind=found.kind,
        account=found.account,
        principal_id=found.principal_id,
        created=found.created,
        events=use.events - len(shared),
        errors=use.errors - sum(call.failed for call in shared),
        first=use.first,
        last=use.last,
        first_event=use.first_event,
        last_event=use.last_event,
        direct=INVOKED_BY not in marks,
        regions=tuple(sorted(set(use.regions))),
        user_agents=tuple(sorted(set(use.user_agents))),
        accounts=(use.account,) if use.account else (),
        shared=shared,
        marks=marks,
    )


def merge(groups: Iterable[Group]) -> Group:
    """One group out of pieces of it, in whatever order and grouping. They must have one key, and be one at least.

    Raises:
        ValueError: no group, or groups of different keys.
    """
    pieces = list(groups)
    if len({piece.key for piece in pieces}) != 1:
        raise ValueError("only pieces of one credential group can be merged")
    if len(pieces) == 1:
        return pieces[0]
    marks: dict[str, dict[str, Mark]] = {}
    for piece in pieces:
        for field, values in piece.marks.items():
            seen = marks.setdefault(field, {})
            for value, mark in values.items():
                known = seen.get(value)
                if known is None or mark < known:
                    seen[value] = mark
    first, first_event = min((piece.first, piece.first_event) for piece in pieces)
    last, last_event = max((piece.last, piece.last_event) for piece in pieces)
    one = pieces[0]
    return Group(
        key=one.key,
        kind=one.kind,
        account=one.account,
        principal_id=min((p.principal_id for p in pieces if p.principal_id is not None), default=None),
        created=one.created,
        events=sum(piece.events for piece in pieces),
        errors=sum(piece.errors for piece in pieces),
        first=first,
        last=last,
        first_event=first_event,
        last_event=last_event,
        direct=any(piece.direct for piece in pieces),
        regions=_union(piece.regions for piece in pieces),
        user_agents=_union(piece.user_agents for piece in pieces),
        accounts=_union(piece.accounts for piece in pieces),
        shared=tuple(sorted({call for piece in pieces for call in piece.shared}, key=_order)),
        marks=marks,
    )


def _order(call: SharedCall) -> tuple[str, str, datetime, bool, str]:
    return call.shared_event_id, call.event_id, call.time, call.failed, call.account or ""


def _union(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({value for part in parts for value in part}))


def placed(groups: Iterable[Group]) -> tuple[Group, ...]:
    """The same groups, with the copies of cross-account calls given to those who made them.

    The target account's copy of a call shows a principal of another account (type ``AWSAccount``). Where
    the caller's own copy, which has the same sharedEventID, is in one of ``groups``, the copy leaves the
    external group, and its account joins the caller's ``accounts``; an external group that nothing is left
    of goes. What is left has its times and accounts from the calls that stay, where all of them are shared;
    its addresses, agents and Regions stay those of all.

    The groups must be whole (merged) before, and must not be merged afterwards. To place one group of many,
    give it together with every group that has one of its ``shared_ids``; what comes back for the others is
    then not to be used.
    """
    whole = list(groups)
    owners: dict[str, tuple[bool, str]] = {}
    for group in whole:
        if group.kind != "external":
            rank = (group.created is None and ACCESS_KEY not in group.marks, group.key)
            for shared_id in group.shared_ids:
                owners[shared_id] = min(rank, owners.get(shared_id, rank))
    gained: dict[str, set[str]] = {}
    for group in whole:
        for call in group.shared if group.kind == "external" else ():
            if call.shared_event_id in owners and call.account is not None:
                gained.setdefault(owners[call.shared_event_id][1], set()).add(call.account)
    result: list[Group] = []
    for group in whole:
        if group.kind == "external":
            left = _without(group, owners)
            result += [left] if left is not None else []
        elif group.key in gained:
            result.append(
                msgspec.structs.replace(group, accounts=tuple(sorted(gained[group.key] | set(group.accounts))))
            )
        else:
            result.append(group)
    return tuple(result)


def _without(group: Group, owners: dict[str, tuple[bool, str]]) -> Group | None:
    kept = tuple(call for call in group.shared if call.shared_event_id not in owners)
    if len(kept) == len(group.shared):
        return group
    if group.events:
        return msgspec.structs.replace(group, shared=kept)
    if not kept:
        return None
    first, first_event = min((call.time, call.event_id) for call in kept)
    last, last_event = max((call.time, call.event_id) for call in kept)
    return msgspec.structs.replace(
        group,
        shared=kept,
        first=first,
        first_event=first_event,
        last=last,
        last_event=last_event,
        accounts=tuple(sorted({call.account for call in kept if call.account is not None})),
    )
