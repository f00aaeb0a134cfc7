"""What the tests about people share: users of directories, sessions, and aliases, with as little said as can be."""

from datetime import UTC, datetime, timedelta
from typing import Any

from trailwarden.model.directory import (
    AccessKey,
    AccountDirectory,
    Alias,
    Directory,
    DirectoryUser,
    IamUser,
    IdentityCenterInstance,
)
from trailwarden.model.finding import Evidence
from trailwarden.model.session import (
    ChainKind,
    ChainStep,
    Identifier,
    IdentifierKind,
    OnBehalfOf,
    Provider,
    Session,
    Strength,
)

#: A Tuesday, early in the morning.
NOW = datetime(2026, 11, 24, 3, 42, 38, tzinfo=UTC)
PROD, DEV, MANAGEMENT = "111111111111", "222222222222", "999999999999"
JOHN_ID = "9067642ac7-1f2e3d4c-0000-4000-8000-000000000001"
OLD_JOHN_ID = "9067642ac7-1f2e3d4c-0000-4000-8000-000000000002"
JANE_ID = "9067642ac7-1f2e3d4c-0000-4000-8000-000000000003"
STORE = "d-9067642ac7"
STORE_ARN = f"arn:aws:identitystore::{MANAGEMENT}:identitystore/{STORE}"
RESERVED_ROLE = f"arn:aws:iam::{PROD}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_ReadOnly_0123456789abcdef"
ALL_PARTS = (
    "iam_users",
    "access_keys",
    "root",
    "saml_providers",
    "oidc_providers",
    "identity_center",
    "identity_store",
)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def event_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def arn_of(name: str, account: str = PROD) -> str:
    return f"arn:aws:iam::{account}:user/{name}"


def identifier(kind: IdentifierKind, value: str, strength: Strength = "proven", **where: Any) -> Identifier:
    """An identifier out of a record; ``event`` is the record's number, ``field`` where it stands in it."""
    field = {
        "email": "additionalEventData.UserName",
        "session_name": "userIdentity.arn",
        "source_identity": "userIdentity.sessionContext.sourceIdentity",
        "identity_center_user": "userIdentity.onBehalfOf.userId",
        "saml_subject": "responseElements.subject",
        "oidc_subject": "responseElements.subjectFromWebIdentityToken",
        "iam_user": "userIdentity.arn",
        "iam_user_name": "userIdentity.userName",
        "principal_id": "userIdentity.principalId",
        "federated_user": "userIdentity.principalId",
    }[kind]
    return Identifier(
        kind, value, strength, Evidence(event_id(where.get("event", 1)), where.get("field", field), value)
    )


def step(kind: ChainKind, name: str | None = None, **fields: Any) -> ChainStep:
    known: dict[str, Any] = {"arn": None, "account": PROD, "link": "proven", "by": "issued access key"}
    return ChainStep(kind=kind, name=name, **{**known, **fields})


def session(number: int = 1, **fields: Any) -> Session:
    """A session of role Deploy in PROD that nobody is known to stand behind, unless ``fields`` say otherwise."""
    known: dict[str, Any] = {
        "session_id": f"ses-{number:016x}",
        "account": PROD,
        "method": "role_chain",
        "reason": "AssumeRole by a principal of the same account",
        "principal_id": "AROAEXAMPLEDEPLOYROLE:work",
        "principal_arn": f"arn:aws:sts::{PROD}:assumed-role/Deploy/work",
        "role_arn": f"arn:aws:iam::{PROD}:role/Deploy",
        "session_name": "work",
        "user_name": None,
        "access_keys": (f"ASIA{number:08}EXAMPLE",),
        "created": ago(2),
        "issuer": None,
        "chain": (),
        "strength": "claimed",
        "first_seen": ago(2),
        "last_seen": ago(1),
        "regions": ("eu-central-1",),
        "source_ips": ("203.0.113.10",),
        "user_agents": ("aws-cli/2.31.0",),
        "recorded_in": (fields.get("account", PROD),),
        "events": 10,
        "errors": 1,
        "source_identity": None,
        "on_behalf_of": None,
        "web_identity": None,
        "saml": None,
        "mfa": None,
        "identifiers": (),
        "evidence": (
            Evidence(event_id(number * 100), "eventID", event_id(number * 100)),
            Evidence(event_id(number * 100 + 1), "eventID", event_id(number * 100 + 1)),
        ),
    }
    return Session(**{**known, **fields})


def portal_session(number: int = 1, *, name: str, user_id: str | None = None, **fields: Any) -> Session:
    """A session of an Identity Center role, named ``name``; with onBehalfOf if ``user_id`` is given."""
    named = [identifier("session_name", name, event=number)]
    if "@" in name:
        named.append(identifier("email", name, event=number, field="userIdentity.arn"))
    if user_id:
        named.append(identifier("identity_center_user", user_id, event=number))
    known: dict[str, Any] = {
        "method": "identity_center",
        "reason": "the role is one of IAM Identity Center",
        "principal_id": f"AROAEXAMPLEREADONLY01:{name}",
        "principal_arn": f"arn:aws:sts::{PROD}:assumed-role/AWSReservedSSO_ReadOnly_0123456789abcdef/{name}",
        "role_arn": RESERVED_ROLE,
        "session_name": name,
        "strength": "proven",
        "on_behalf_of": OnBehalfOf(user_id, STORE_ARN) if user_id else None,
        "saml": Provider("AWSSSO_0123456789abcdef_DO_NOT_DELETE", None, name),
        "identifiers": tuple(named),
        "chain": (
            step("identity_center_user", name, account=MANAGEMENT, by="onBehalfOf" if user_id else "userIdentity"),
        ),
    }
    return session(number, **{**known, **fields})


def sign_in_attempt(number: int = 1, *, name: str) -> Session:
    """A name typed at the portal, and no more."""
    return session(
        number,
        method="identity_center",
        principal_id=None,
        principal_arn=None,
        role_arn=None,
        session_name=None,
        user_name=name,
        identifiers=(
            identifier("session_name", name, "claimed", event=number, field="additionalEventData.UserName"),
            identifier("email", name, "claimed", event=number),
        ),
        chain=(step("identity_center_user", name, by="userIdentity"),),
    )


def key_session(
    number: int = 1, *, name: str, account: str = PROD, unique: str | None = None, **fields: Any
) -> Session:
    """What an IAM user's long-lived key did."""
    arn = arn_of(name, account)
    known: dict[str, Any] = {
        "account": account,
        "method": "iam_user_key",
        "reason": "a long-lived key of an IAM user",
        "principal_id": unique or unique_id(name),
        "principal_arn": arn,
        "role_arn": None,
        "session_name": None,
        "user_name": name,
        "access_keys": (f"AKIA{number:08}EXAMPLE",),
        "created": None,
        "strength": "proven",
        "identifiers": (
            identifier("iam_user", arn, event=number),
            identifier("iam_user_name", name, event=number),
            identifier("principal_id", unique or unique_id(name), event=number),
        ),
        "chain": (step("iam_user", name, arn=arn, account=account, by="userIdentity"),),
    }
    return session(number, **{**known, **fields})


def unique_id(name: str) -> str:
    return "AIDA" + "".join(letter for letter in name.upper() if letter.isalnum()).ljust(12, "X")[:12] + "EXAMPLE"


def iam_user(name: str, account: str = PROD, **fields: Any) -> IamUser:
    known: dict[str, Any] = {
        "arn": arn_of(name, account),
        "name": name,
        "id": unique_id(name),
        "account": account,
        "created": ago(24 * 500),
    }
    return IamUser(**{**known, **fields})


def access_key(number: int = 1, **fields: Any) -> AccessKey:
    known: dict[str, Any] = {"id": f"AKIA{number:08}EXAMPLE", "active": True, "created": ago(24 * 430)}
    return AccessKey(**{**known, **fields})


def portal_user(user_id: str, name: str, *emails: str, **fields: Any) -> DirectoryUser:
    known: dict[str, Any] = {"identity_store_id": STORE, "user_id": user_id, "user_name": name, "emails": emails}
    return DirectoryUser(**{**known, **fields})


JOHN = portal_user(JOHN_ID, "john@company.com", "john@company.com", display_name="John Miller", active=True)
OLD_JOHN = portal_user(OLD_JOHN_ID, "john.miller", "John@Company.com", active=False)
JANE = portal_user(JANE_ID, "jane", "jane@company.com", active=True)


def directory(*users: IamUser | DirectoryUser, read: tuple[str, ...] = ALL_PARTS, **of_accounts: Any) -> Directory:
    """A directory of PROD, DEV and MANAGEMENT; ``prod``, ``dev`` and ``management`` give further fields of theirs."""
    people = tuple(user for user in users if isinstance(user, DirectoryUser))
    accounts = []
    for label, account in (("prod", PROD), ("dev", DEV), ("management", MANAGEMENT)):
        own = tuple(user for user in users if isinstance(user, IamUser) and user.account == account)
        fields: dict[str, Any] = {"account": account, "taken": ago(1), "read": read, "iam_users": own}
        if label == "management":
            fields["people"] = people
            fields["instances"] = (
                IdentityCenterInstance(
                    arn="arn:aws:sso:::instance/ssoins-0123456789abcdef",
                    identity_store_id=STORE,
                    owner=MANAGEMENT,
                    status="ACTIVE",
                ),
            )
        accounts.append(AccountDirectory(**{**fields, **of_accounts.get(label, {})}))
    return Directory(tuple(accounts))


def alias(person: str, kind: str, value: str, **fields: Any) -> Alias:
    return Alias(person=person, kind=kind, value=value, **{"added": ago(48), "added_by": "keeper", **fields})
