"""Issuances: the records that show how credentials came to be, and which group they belong to.

A group and an issuance belong together iff they share a token: ``key:<accessKeyId>`` (the issued key),
``at:<principalId>|<time>`` (assumedRoleId, or the user's principalId, and the instant of issuance), or, for
the assertion that a SAML user presents, ``by:<group key of the caller>``.

A sign-in that shows no creationDate (an IAM user's ConsoleLogin, a SwitchRole) is recorded up to two seconds
beside the creationDate of the session that it opens, so that it has the tokens of the neighbouring seconds.

GetRoleCredentials and Federate of IAM Identity Center are not among them: they name neither the issued key nor
the session, and the AssumeRoleWithSAML that Identity Center makes at the same time names both.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from ..model.session import ChainKind
from ..model.time import EPOCH
from .groups import ACCESS_KEY, Credentials, Group, credentials_of, time_tokens
from .reading import (
    SIGN_IN,
    Record,
    account_in,
    clean,
    creation,
    flag,
    instant,
    is_access_key,
    is_address,
    is_failed,
    member,
    session_name_in,
    text,
)
from .uses import identity_of, recorded_in, source_of

STS, EKS_AUTH, IAM = "sts.amazonaws.com", "eks-auth.amazonaws.com", "iam.amazonaws.com"
_NEAR = (-2, -1, 1, 2)
#: Between these, the neighbouring seconds are dates too.
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)

#: What an issuance is.
IssuanceKind = Literal[
    "AssumeRoleForPodIdentity",
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "GetSessionToken",
    "GetFederationToken",
    "SwitchRole",
    "ConsoleLogin",
    "CreateOAuth2Token",
    "CreateAccessKey",
]
#: In which order the issuer of a session is chosen, where records of several kinds belong to it. EKS assumes a
#: pod's role for the node that asked, and the console a role for the person who switched to it.
_ORDER: dict[str, int] = {"AssumeRoleForPodIdentity": 0, "SwitchRole": 2, "ConsoleLogin": 3}
#: They say something of credentials, but did not issue them.
EVIDENCE_ONLY = frozenset({"CreateOAuth2Token", "CreateAccessKey"})


class IssuingCaller(msgspec.Struct, frozen=True, kw_only=True):
    """Who made the issuing call. ``access_key`` is the one used for it."""

    kind: ChainKind
    name: str | None
    arn: str | None
    account: str | None
    access_key: str | None = None


class Issuance(msgspec.Struct, frozen=True, kw_only=True):
    """One issuing record.

    ``caller_key`` is the group key of the caller, None where there is no such group. ``access_key`` and
    ``principal_id`` are those issued, ``fields`` where in the record they stand. ``subject`` and ``provider``
    are of the identity provider; ``service`` is the AWS service that made the call for itself.
    """

    event_id: str
    kind: IssuanceKind
    time: datetime
    account: str | None
    shared_event_id: str | None
    tokens: tuple[str, ...]
    caller_key: str | None
    caller: IssuingCaller
    source_ip: str | None
    access_key: str | None
    principal_id: str | None
    fields: dict[str, str]
    role_arn: str | None = None
    session_name: str | None = None
    source_identity: str | None = None
    provider: str | None = None
    subject: str | None = None
    service: str | None = None
    emails: tuple[str, ...] = ()
    mfa: bool | None = None

    @property
    def external(self) -> bool:
        """Whether this is the target account's copy, which shows of the caller only account and principalId."""
        return self.caller.kind == "external_principal"


class _Issued(NamedTuple):
    """What a kind of record tells of the credentials."""

    access_key: str | None = None
    key_field: str = "responseElements.credentials.accessKeyId"
    principal_id: str | None = None
    principal_field: str = "responseElements.assumedRoleUser.assumedRoleId"
    made: datetime | None = None
    near: bool = False
    more: dict[str, Any] = {}  # noqa: RUF012 - never changed


def _key_in(response: Record) -> str | None:
    return text(member(response, "credentials"), "accessKeyId")


def _assumed(record: Record) -> _Issued:
    request, response = member(record, "requestParameters"), member(record, "responseElements")
    identity, assumed = identity_of(record), member(response, "assumedRoleUser")
    kind = record.get("eventName")
    more: dict[str, Any] = {
        "role_arn": text(request, "roleArn"),
        "session_name": text(request, "roleSessionName"),
        "source_identity": text(response, "sourceIdentity") or text(request, "sourceIdentity"),
    }
    if kind == "AssumeRoleWithSAML":
        more["provider"] = text(request, "principalArn")
        more["subject"] = text(response, "subject") or text(identity, "userName")
        tags = member(request, "principalTags")
        more["emails"] = tuple(
            sorted(clean(value) for name, value in tags.items() if "email" in name.lower() and isinstance(value, str))
        )
    elif kind == "AssumeRoleWithWebIdentity":
        more["provider"] = text(response, "provider") or text(identity, "identityProvider")
        more["subject"] = text(response, "subjectFromWebIdentityToken") or text(identity, "userName")
    elif text(identity, "type") == "AWSService":
        more["service"] = text(identity, "invokedBy")
        tags = {
            tag["key"]: tag.get("value")
            for tag in (request.get("tags") if isinstance(request.get("tags"), list) else None) or ()
            if isinstance(tag, dict) and isinstance(tag.get("key"), str)
        }
        more["subject"] = _service_account(tags, "kubernetes-namespace", "kubernetes-service-account")
    return _Issued(
        access_key=_key_in(response),
        principal_id=text(assumed, "assumedRoleId"),
        made=instant(record.get("eventTime")),
        more=more,
    )


def _service_account(names: Record, namespace: str, account: str) -> str | None:
    space, name = text(names, namespace), text(names, account)
    return f"system:serviceaccount:{space}:{name}" if space and name else None


def _pod(record: Record) -> _Issued:
    response = member(record, "responseElements")
    assumed = member(response, "assumedRoleUser")
    return _Issued(
        access_key=_key_in(response),
        principal_id=text(assumed, "assumeRoleId") or text(assumed, "assumedRoleId"),
        principal_field="responseElements.assumedRoleUser.assumeRoleId",
        made=instant(record.get("eventTime")),
        more={"subject": _service_account(member(response, "subject"), "namespace", "serviceAccount")},
    )


def _root(record: Record) -> _Issued:
    target = text(member(record, "requestParameters"), "targetPrincipal")
    return _Issued(
        access_key=_key_in(member(record, "responseElements")),
        principal_id=account_in(target) or target,
        principal_field="requestParameters.targetPrincipal",
        made=instant(record.get("eventTime")),
    )


def _token(record: Record) -> _Issued:
    identity, request = identity_of(record), member(record, "requestParameters")
    return _Issued(
        access_key=_key_in(member(record, "responseElements")),
        principal_id=text(identity, "principalId"),
        principal_field="userIdentity.principalId",
        made=instant(record.get("eventTime")),
        more={"mfa": True if text(request, "serialNumber") else None},
    )


def _federation(record: Record) -> _Issued:
    response = member(record, "responseElements")
    return _Issued(
        access_key=_key_in(response),
        principal_id=text(member(response, "federatedUser"), "federatedUserId"),
        principal_field="responseElements.federatedUser.federatedUserId",
        made=instant(record.get("eventTime")),
        more={"session_name": text(member(record, "requestParameters"), "name")},
    )


def _login(record: Record) -> _Issued:
    identity, additional = identity_of(record), member(record, "additionalEventData")
    made = creation(identity)
    return _Issued(
        principal_id=text(identity, "principalId")
        or (text(identity, "accountId") if text(identity, "type") == "Root" else None),
        principal_field="userIdentity.principalId",
        made=made or instant(record.get("eventTime")),
        near=made is None,
        more={"mfa": flag(additional.get("MFAUsed")), "provider": text(additional, "SamlProviderArn")},
    )


def _switch(record: Record) -> _Issued:
    identity = identity_of(record)
    made = creation(identity)
    if text(member(record, "additionalEventData"), "SwitchFrom") is None:
        return _Issued()
    return _Issued(
        principal_id=text(identity, "principalId"),
        principal_field="userIdentity.principalId",
        made=made or instant(record.get("eventTime")),
        near=made is None,
    )


def _oauth(record: Record) -> _Issued:
    identity = identity_of(record)
    return _Issued(
        access_key=text(identity, "accessKeyId"),
        key_field=ACCESS_KEY,
        more={"subject": text(member(record, "additionalEventData"), "signInSessionArn")},
    )


def _access_key(record: Record) -> _Issued:
    key = text(member(member(record, "responseElements"), "accessKey"), "accessKeyId")
    return _Issued(access_key=key, key_field="responseElements.accessKey.accessKeyId")


_READERS: dict[tuple[str, str], Callable[[Record], _Issued]] = {
    (STS, "AssumeRole"): _assumed,
    (STS, "AssumeRoleWithSAML"): _assumed,
    (STS, "AssumeRoleWithWebIdentity"): _assumed,
    (STS, "AssumeRoot"): _root,
    (STS, "GetSessionToken"): _token,
    (STS, "GetFederationToken"): _federation,
    (EKS_AUTH, "AssumeRoleForPodIdentity"): _pod,
    (SIGN_IN, "ConsoleLogin"): _login,
    (SIGN_IN, "SwitchRole"): _switch,
    (SIGN_IN, "CreateOAuth2Token"): _oauth,
    (IAM, "CreateAccessKey"): _access_key,
}
#: (eventSource, eventName) of every record that :func:`issuance_of` can make something of.
ISSUING_EVENTS: frozenset[tuple[str, str]] = frozenset(_READERS)

CALLER_KINDS: dict[str, ChainKind] = {
    "IAMUser": "iam_user",
    "Root": "root",
    "AssumedRole": "role_session",
    "FederatedUser": "federated_user",
    "SAMLUser": "saml_user",
    "WebIdentityUser": "web_identity",
    "IdentityCenterUser": "identity_center_user",
    "AWSService": "aws_service",
    "AWSAccount": "external_principal",
}

_ARN_KINDS: dict[str, ChainKind] = {
    ":assumed-role/": "role_session",
    ":user/": "iam_user",
    ":federated-user/": "federated_user",
}


def name_in(arn: str | None) -> str | None:
    """What an ARN names: ``Role/session`` for a role session, else the last part of its path."""
    if arn is None:
        return None
    if ":assumed-role/" in arn:
        return arn.split(":assumed-role/", 1)[1] or None
    return arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1] or None


def kind_of_arn(arn: str) -> ChainKind:
    """What kind of principal an ARN is of."""
    if arn.endswith(":root"):
        return "root"
    return next((kind for part, kind in _ARN_KINDS.items() if part in arn), "unknown")


def _caller(record: Record, found: Credentials) -> tuple[IssuingCaller, str | None]:
    """Who called, and the key of the group that the caller is."""
    identity = identity_of(record)
    source = text(member(record, "additionalEventData"), "SwitchFrom") if record["eventName"] == "SwitchRole" else None
    if source is not None:  # the record's own identity is the new session
        name, account = name_in(source), account_in(source)
        return IssuingCaller(kind=kind_of_arn(source), name=name, arn=source, account=account), None
    arn, principal = text(identity, "arn"), text(identity, "principalId")
    kind = CALLER_KINDS.get(text(identity, "type") or "", "unknown")
    if found.kind == "role":
        kind = "role_session"
    names: dict[ChainKind, str | None] = {
        "role_session": name_in(arn) or session_name_in(principal, None),
        "federated_user": (principal or "").partition(":")[2],
        "aws_service": text(identity, "invokedBy"),
        "external_principal": principal,
        "root": "root",
    }
    caller = IssuingCaller(
        kind=kind,
        name=names.get(kind) or text(identity, "userName") or name_in(arn) or principal,
        arn=arn,
        account=text(identity, "accountId") or found.account,
        access_key=text(identity, "accessKeyId"),
    )
    return caller, found.key


def issuance_of(record: Record) -> Issuance | None:
    """What a record says of credentials that it issued; None if it issued none, or failed."""
    source, name = text(record, "eventSource"), text(record, "eventName")
    reader = _READERS.get((source or "", name or ""))
    if reader is None or is_failed(record):
        return None
    issued = reader(record)
    identity = identity_of(record)
    found = credentials_of(identity, recorded_in(record), source_of(record))
    made = issued.made.replace(microsecond=0) if issued.made is not None else None
    tokens: list[str] = []
    if issued.access_key is not None and is_access_key(issued.access_key):
        tokens.append(f"key:{issued.access_key}")
    if issued.principal_id is not None and made is not None:
        near = issued.near and _FIRST < made < _LAST
        beside = (made + timedelta(seconds=seconds) for seconds in (_NEAR if near else ()))
        tokens += time_tokens(issued.principal_id, made, *beside)
    if found.kind == "saml":
        tokens.append(f"by:{found.key}")
    if not tokens:
        return None
    caller, caller_key = _caller(record, found)
    address = text(record, "sourceIPAddress")
    return Issuance(
        event_id=text(record, "eventID") or "",
        kind=name,  # type: ignore[arg-type]  # a name of the table
        time=instant(record.get("eventTime")) or EPOCH,
        account=recorded_in(record),
        shared_event_id=text(record, "sharedEventID"),
        tokens=tuple(tokens),
        caller_key=caller_key,
        caller=caller,
        source_ip=address if address and is_address(address) else None,
        access_key=issued.access_key,
        principal_id=issued.principal_id,
        fields={"key": issued.key_field, "principal": issued.principal_field},
        **issued.more,
    )


class Joined(NamedTuple):
    """An issuance of a group. ``rank``: 3 by key and time, 2 by key, 1 by time, 0 by the caller.

    ``beside`` is how many seconds lie between the record and the creation of the session.
    """

    issuance: Issuance
    rank: int
    beside: float
    by: str


def joined(group: Group, issuances: Iterable[Issuance]) -> tuple[Joined, ...]:
    """Those of ``issuances`` that belong to the group, the one that issued it first; copies of a call count once.

    An issuance of another principal does not belong, even where it shares a key: masked and invented keys repeat.
    """
    tokens = set(group.tokens)
    best: dict[tuple[str, str], Joined] = {}
    for one in issuances:
        link = _link(group, one, tokens)
        if link is None:
            continue
        call = ("shared", one.shared_event_id) if one.shared_event_id else ("event", one.event_id)
        known = best.get(call)
        if known is None or _fuller(link) < _fuller(known):
            best[call] = link
    return tuple(sorted(best.values(), key=_preference))


def _link(group: Group, one: Issuance, tokens: set[str]) -> Joined | None:
    shared = tokens.intersection(one.tokens)
    if not shared:
        return None
    known, issued = group.principal_id, one.principal_id
    if known is not None and issued is not None and known != issued and group.kind != "saml":
        return None
    by_key = any(token.startswith("key:") for token in shared)
    by_time = any(token.startswith("at:") for token in shared)
    role = group.kind == "role"
    ways = (["issued access key"] if by_key else []) + (
        ["assumedRoleId and creation time" if role else "principalId and creation time"] if by_time else []
    )
    beside = abs((one.time - group.created).total_seconds()) if group.created is not None else 0.0
    return Joined(one, 2 * by_key + by_time, beside, ", ".join(ways) or "userIdentity")


def _preference(link: Joined) -> tuple[int, int, float, datetime, str]:
    order = 4 if link.issuance.kind in EVIDENCE_ONLY else _ORDER.get(link.issuance.kind, 1)
    return order, -link.rank, link.beside, link.issuance.time, link.issuance.event_id


def _fuller(link: Joined) -> tuple[bool, datetime, str]:
    return link.issuance.external, link.issuance.time, link.issuance.event_id
