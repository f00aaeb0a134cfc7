"""What the tests of correlation share: an alert on john's laptop, its host, and sessions, with as little as can be."""

from datetime import UTC, datetime, timedelta
from typing import Any

from trailwarden.model.alert import Alert, Host, SessionMatch
from trailwarden.model.finding import Evidence
from trailwarden.model.session import ChainKind, ChainStep, Identifier, IdentifierKind, Issuer, Session, Strength

#: When the alert happened: a Tuesday, early in the morning.
T0 = datetime(2026, 11, 24, 3, 42, 38, tzinfo=UTC)
PROD, DEV, OTHER = "111111111111", "222222222222", "333333333333"
INSTANCE = "i-0123456789abcdef0"
HOME_IP, OFFICE_IP, ATTACKER_IP = "203.0.113.10", "198.51.100.1", "192.0.2.66"
JOHN = "john@company.com"


def hours(number: float) -> datetime:
    """So many hours after the alert; before it, if negative."""
    return T0 + timedelta(hours=number)


def event_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def alert(**fields: Any) -> Alert:
    """An alert that names nothing, unless ``fields`` do."""
    known: dict[str, Any] = {
        "composite_id": "0123456789abcdef0123456789abcdef:ind:fedcba9876543210fedcba9876543210:1-2-3",
        "time": T0,
        "created": T0 + timedelta(seconds=40),
        "product": "epp",
        "severity": 70,
        "device_id": "fedcba9876543210fedcba9876543210",
    }
    return Alert(**{**known, **fields})


def host(**fields: Any) -> Host:
    """A host of which nothing is known, unless ``fields`` say it."""
    return Host(**{"device_id": "fedcba9876543210fedcba9876543210", **fields})


def identifier(kind: IdentifierKind, value: str, strength: Strength = "proven", event: int = 1) -> Identifier:
    field = {
        "email": "userIdentity.principalId",
        "session_name": "userIdentity.principalId",
        "source_identity": "userIdentity.sessionContext.sourceIdentity",
        "identity_center_user": "userIdentity.onBehalfOf.userId",
        "saml_subject": "responseElements.subject",
        "oidc_subject": "responseElements.subjectFromWebIdentityToken",
        "iam_user": "userIdentity.arn",
        "iam_user_name": "userIdentity.userName",
        "principal_id": "userIdentity.principalId",
        "federated_user": "userIdentity.principalId",
    }[kind]
    return Identifier(kind, value, strength, Evidence(event_id(event), field, value))


def step(kind: ChainKind, name: str | None, **fields: Any) -> ChainStep:
    known: dict[str, Any] = {"arn": None, "account": PROD, "link": "proven", "by": "issued access key"}
    return ChainStep(kind=kind, name=name, **{**known, **fields})


def session(number: int = 1, *, name: str = "work", names: tuple[Identifier, ...] = (), **fields: Any) -> Session:
    """A role session from half an hour after the alert on, of whom nobody knows, unless ``fields`` say otherwise."""
    addresses = fields.get("source_ips", ())
    known: dict[str, Any] = {
        "session_id": f"ses-{number:016x}",
        "account": PROD,
        "method": "role_chain",
        "reason": "AssumeRole by a principal of the same account",
        "principal_id": f"AROAEXAMPLEDEPLOYROLE:{name}",
        "principal_arn": f"arn:aws:sts::{PROD}:assumed-role/Deploy/{name}",
        "role_arn": f"arn:aws:iam::{PROD}:role/Deploy",
        "session_name": name,
        "user_name": None,
        "access_keys": (f"ASIA{number:08}EXAMPLE",),
        "created": hours(0.5),
        "issuer": None,
        "chain": (),
        "strength": "claimed",
        "first_seen": hours(0.5),
        "last_seen": hours(1),
        "regions": ("eu-central-1",),
        "source_ips": (),
        "user_agents": ("aws-cli/2.31.0",),
        "recorded_in": (PROD,),
        "events": 10,
        "errors": 1,
        "source_identity": None,
        "on_behalf_of": None,
        "web_identity": None,
        "saml": None,
        "mfa": None,
        "identifiers": (identifier("session_name", name, "claimed", number * 100), *names),
        "evidence": tuple(
            Evidence(event_id(number * 100 + at), "sourceIPAddress", address) for at, address in enumerate(addresses, 1)
        ),
    }
    return Session(**{**known, **fields})


def portal(number: int = 1, *, name: str = JOHN, **fields: Any) -> Session:
    """A session of an Identity Center role, named ``name`` by AWS."""
    role = "AWSReservedSSO_ReadOnly_0123456789abcdef"
    named = [identifier("session_name", name, event=number * 100)]
    if "@" in name:
        named.append(identifier("email", name, event=number * 100))
    known: dict[str, Any] = {
        "method": "identity_center",
        "principal_id": f"AROAEXAMPLEREADONLY01:{name}",
        "principal_arn": f"arn:aws:sts::{PROD}:assumed-role/{role}/{name}",
        "role_arn": f"arn:aws:iam::{PROD}:role/aws-reserved/sso.amazonaws.com/{role}",
        "strength": "proven",
        "identifiers": tuple(named),
        "chain": (step("identity_center_user", name, by="userIdentity"),),
    }
    return session(number, name=name, **{**known, **fields})


def iam_user(number: int = 1, *, name: str = "john", account: str = PROD, **fields: Any) -> Session:
    """What a long-lived key of an IAM user did."""
    arn = f"arn:aws:iam::{account}:user/{name}"
    known: dict[str, Any] = {
        "account": account,
        "method": "iam_user_key",
        "principal_id": f"AIDAEXAMPLE{number:010}",
        "principal_arn": arn,
        "role_arn": None,
        "session_name": None,
        "user_name": name,
        "access_keys": (f"AKIA{number:09}EXAMPLE",),
        "strength": "proven",
        "identifiers": (
            identifier("iam_user", arn, event=number * 100),
            identifier("iam_user_name", name, event=number * 100),
        ),
        "chain": (step("iam_user", name, arn=arn, account=account, by="userIdentity"),),
    }
    return session(number, **{**known, **fields})


def instance(number: int = 1, *, name: str = INSTANCE, **fields: Any) -> Session:
    """A session of an instance profile."""
    known: dict[str, Any] = {
        "method": "instance_profile",
        "strength": "proven",
        "identifiers": (identifier("session_name", name, event=number * 100),),
        "chain": (step("ec2_instance", name),),
    }
    return session(number, name=name, **{**known, **fields})


def issued_by(source: Session, number: int, **fields: Any) -> Session:
    """A role session that another session opened."""
    issuer = Issuer(
        event_id=event_id(number * 100 + 50),
        event_name="AssumeRole",
        time=source.last_seen,
        kind="role_session",
        name=source.session_name,
        arn=source.principal_arn,
        account=source.account,
        access_key=source.access_keys[0],
        source_ip=None,
        by="issued access key",
        session_id=source.session_id,
    )
    behind = step("role_session", source.session_name, session_id=source.session_id, event_id=issuer.event_id)
    return session(number, **{"issuer": issuer, "chain": (behind, *source.chain), **fields})


def ids(matches: tuple[SessionMatch, ...]) -> list[str]:
    return [match.session.session_id for match in matches]
