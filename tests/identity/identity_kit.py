"""Records in CloudTrail's shapes, as short as a test can read them."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from trailwarden.model.session import ChainStep, Session
from trailwarden.model.time import format_instant
from trailwarden.sessions import link_sessions

Record = dict[str, Any]
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SECURITY, PRODUCTION, DEVELOPMENT, VENDOR = "111111111111", "222222222222", "333333333333", "444444444444"
STORE = f"arn:aws:identitystore::{SECURITY}:identitystore/d-9967000000"
SSO_PATH = "aws-reserved/sso.amazonaws.com/eu-central-1/"
_numbers = itertools.count(1)


def at(seconds: int) -> str:
    """An instant, so many seconds after the start of the story."""
    return format_instant(START + timedelta(seconds=seconds))


def key(name: str, prefix: str = "ASIA") -> str:
    """The id of an access key, the same for the same name."""
    return f"{prefix}{name.upper().replace('-', ''):0>9}EXAMPLE"


def call(
    identity: Any,
    name: str = "ListBuckets",
    *,
    seconds: int = 60,
    source: str = "s3",
    account: str = PRODUCTION,
    event_id: str = "",
    ip: str = "192.0.2.10",
    **more: Any,
) -> Record:
    """One record. ``source`` is without ``.amazonaws.com``."""
    record: Record = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": at(seconds),
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": ip,
        "userAgent": "aws-cli/2.31.0",
        "requestParameters": None,
        "responseElements": None,
        "eventID": event_id or f"00000000-0000-4000-8000-{next(_numbers):012d}",
        "eventType": "AwsApiCall",
        "recipientAccountId": account,
        **more,
    }
    return {name: value for name, value in record.items() if value is not ...}


def user(name: str = "bob", access_key: str | None = None, *, account: str = PRODUCTION, **more: Any) -> Record:
    """An IAM user."""
    identity = {
        "type": "IAMUser",
        "principalId": f"AIDA{name.upper():0>10}EXAMPLE",
        "arn": f"arn:aws:iam::{account}:user/{name}",
        "accountId": account,
        "userName": name,
        **more,
    }
    return identity if access_key is None else identity | {"accessKeyId": access_key}


def made(seconds: int, mfa: str = "false", **context: Any) -> Record:
    """A sessionContext of temporary credentials that no role stands behind."""
    attributes = {"creationDate": at(seconds), "mfaAuthenticated": mfa}
    return {"sessionContext": {"sessionIssuer": {}, "webIdFederationData": {}, "attributes": attributes, **context}}


def role_id(role: str) -> str:
    """The unique id of a role."""
    return f"AROA{role.upper().replace('_', '')[:10]:0>10}EXAMPLE"


def role_session(
    role: str,
    name: str,
    *,
    created: int | None = 0,
    access_key: str | None = None,
    account: str = PRODUCTION,
    path: str = "",
    context: Record | None = None,
    **more: Any,
) -> Record:
    """A session of a role; without ``created`` it has no sessionContext."""
    identity: Record = {
        "type": "AssumedRole",
        "principalId": f"{role_id(role)}:{name}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
        "accountId": account,
    }
    if access_key is not None:
        identity["accessKeyId"] = access_key
    if created is not None:
        issuer = {
            "type": "Role",
            "principalId": role_id(role),
            "arn": f"arn:aws:iam::{account}:role/{path}{role}",
            "accountId": account,
            "userName": role,
        }
        attributes = {"creationDate": at(created), "mfaAuthenticated": "false"}
        identity["sessionContext"] = {
            "sessionIssuer": issuer,
            "webIdFederationData": {},
            "attributes": attributes,
            **(context or {}),
        }
    return identity | more


def assumed(role: str, name: str, access_key: str | None, account: str = PRODUCTION, **more: Any) -> Record:
    """The responseElements of an AssumeRole of any kind."""
    credentials = {"expiration": "Nov 23, 2026, 10:00:00 AM", "sessionToken": "IQoEXAMPLE"}
    return {
        "credentials": credentials | ({"accessKeyId": access_key} if access_key else {}),
        "assumedRoleUser": {
            "assumedRoleId": f"{role_id(role)}:{name}",
            "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
        },
        **more,
    }


def assume(
    caller: Record,
    role: str,
    name: str,
    *,
    seconds: int = 0,
    access_key: str | None = None,
    account: str = PRODUCTION,
    recorded: str | None = None,
    operation: str = "AssumeRole",
    request: Record | None = None,
    response: Record | None = None,
    **more: Any,
) -> Record:
    """An AssumeRole of any kind, as recorded in the role's account or in ``recorded``."""
    return call(
        caller,
        operation,
        source="sts",
        seconds=seconds,
        account=recorded or account,
        requestParameters={
            "roleArn": f"arn:aws:iam::{account}:role/{role}",
            "roleSessionName": name,
            **(request or {}),
        },
        responseElements=assumed(role, name, access_key, account, **(response or {})),
        **more,
    )


def across(
    caller: Record, role: str, name: str, *, seconds: int, access_key: str, account: str, shared: str
) -> tuple[Record, Record]:
    """The two records of an AssumeRole into another account: the caller's, and the target's."""
    common: Record = {"seconds": seconds, "access_key": access_key, "account": account, "sharedEventID": shared}
    seen = {"type": "AWSAccount", "principalId": caller["principalId"], "accountId": caller["accountId"]}
    return (
        assume(caller, role, name, recorded=caller["accountId"], event_id=f"{shared}-own", **common),
        assume(seen, role, name, event_id=f"{shared}-target", **common),
    )


def service(name: str) -> Record:
    """An AWS service."""
    return {"type": "AWSService", "invokedBy": f"{name}.amazonaws.com"}


def saml_user(subject: str) -> Record:
    """Somebody who presents a SAML assertion."""
    return {
        "type": "SAMLUser",
        "principalId": f"qualifierEXAMPLE=:{subject}",
        "userName": subject,
        "identityProvider": "qualifierEXAMPLE=",
    }


def web_user(subject: str, provider: str) -> Record:
    """Somebody who presents a token."""
    return {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:sts.amazonaws.com:{subject}",
        "userName": subject,
        "identityProvider": provider,
    }


def provider(name: str, account: str = PRODUCTION, kind: str = "saml-provider") -> str:
    """The ARN of an identity provider."""
    return f"arn:aws:iam::{account}:{kind}/{name}"


SSO_PROVIDER = provider("AWSSSO_0123456789abcdef_DO_NOT_DELETE")
GITHUB = provider("token.actions.githubusercontent.com", kind="oidc-provider")
CLUSTER = provider("oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E", kind="oidc-provider")
BEHALF = {"onBehalfOf": {"userId": "93670000-a041-70f0-0000-111122223333", "identityStoreArn": STORE}}


def session_for(records: list[Record], **wanted: Any) -> Session:
    """The one session of these records that has these values."""
    found = [
        session
        for session in link_sessions(records)
        if all(getattr(session, name) == value for name, value in wanted.items())
    ]
    assert len(found) == 1, found
    return found[0]


def steps(session: Session) -> list[tuple[str, str | None, str]]:
    """A chain, in short: kind, name, link."""
    return [(step.kind, step.name, step.link) for step in session.chain]


def step_of(session: Session, kind: str) -> ChainStep:
    """The one step of a kind."""
    (step,) = (step for step in session.chain if step.kind == kind)
    return step


def identifiers(session: Session) -> set[tuple[str, str, str]]:
    """A session's identifiers, in short: kind, value, strength."""
    return {(one.kind, one.value, one.strength) for one in session.identifiers}
