"""What the emulator knows beside moto's own backends: credentials, Regions, event histories, faults."""

import functools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from botocore.exceptions import ClientError
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AccessKeyLastUsed, AWSManagedPolicy, IAMBackend, Role, User, iam_backends
from moto.iam.utils import generate_access_key_id_from_account_id, random_alphanumeric
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.organizations.models import organizations_backends
from werkzeug.test import run_wsgi_app

from .call import Answer, Call, Refusal
from .history import EventHistory
from .policies import action_matches

PARTITION = "aws"
_ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
ALLOW_EVERYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
#: Regions that an account must enable first ("Opt-in Regions", AWS Account Management guide).
OPT_IN_REGIONS = frozenset(
    {
        *("af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
        *("ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2"),
        *("il-central-1", "me-central-1", "me-south-1", "mx-central-1"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who signed a call.

    ``kind``: "admin" (the emulator's own administrator, which IAM does not list), "user" or "role" (a session of it).
    ``arn`` is the caller's ARN as GetCallerIdentity shows it; ``owner_arn`` the user's or role's own.
    ``session_policies`` is None when the session has none.
    """

    kind: Literal["admin", "user", "role"]
    account: str
    arn: str
    owner_arn: str
    user_id: str
    name: str
    session_name: str = ""
    issued: datetime | None = None
    mfa: bool | None = None
    source_identity: str | None = None
    session_policies: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Credential:
    """A key with its secret, whom it authenticates, and until when."""

    access_key_id: str
    secret: str
    token: str | None
    caller: Caller
    expires: datetime | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Fault:
    """Calls that fail: of ``action`` (wildcards: "iam:List*"), in an account and Region or in any.

    ``times`` None fails every matching call; ``after`` lets that many through first. A ``code`` of one's own
    (with ``message`` and ``status``) may stand for any other error of the service.
    """

    kind: Literal["denied", "throttled", "expired", "error"] = "denied"
    action: str = "*"
    account: str | None = None
    region: str | None = None
    times: int | None = None
    after: int = 0
    code: str = "InternalFailure"
    message: str | None = None
    status: int = 500

    def matches(self, call: Call) -> bool:
        """Whether the call is one of those that fail."""
        return (
            self.account in (None, call.account)
            and self.region in (None, call.region)
            and action_matches(self.action, call.action)
        )

    @classmethod
    def deny(cls, action: str, *, account: str | None = None, region: str | None = None) -> "Fault":
        """AccessDenied, as the service spells it."""
        return cls(kind="denied", action=action, account=account, region=region)

    @classmethod
    def throttle(cls, action: str, *, times: int = 1, after: int = 0, account: str | None = None) -> "Fault":
        """Throttling of the next ``times`` calls."""
        return cls(kind="throttled", action=action, times=times, after=after, account=account)

    @classmethod
    def expire(cls, action: str = "*", *, times: int = 1, after: int = 0, account: str | None = None) -> "Fault":
        """The caller's token has expired, for the next ``times`` calls."""
        return cls(kind="expired", action=action, times=times, after=after, account=account)


@dataclass(frozen=True)
class IdentityCenter:
    """An enabled instance of IAM Identity Center. ``created`` is in seconds since 1970."""

    account: str
    region: str
    instance_arn: str
    identity_store_id: str
    created: float


@dataclass(frozen=True)
class Root:
    """An account's root user, which came to be with the account: what it has, and when it last signed in."""

    created: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    mfa: bool = False
    access_key: bool = False
    signed_in: datetime | None = None


@dataclass
class CredentialReport:
    """A credential report in CSV, and how often it was asked for."""

    generated: datetime
    content: str
    asked: int = 0


@dataclass
class World:
    """The state of one emulator. It lives as long as moto's backends: both are emptied together."""

    now: Callable[[], datetime]
    clock: Callable[[], float]
    strict: bool
    lookup_rate: float | None
    delivery_delay: timedelta
    faults: list[Fault] = field(default_factory=list)
    credentials: dict[str, Credential] = field(default_factory=dict)
    histories: dict[tuple[str, str], EventHistory] = field(default_factory=dict)
    lookups: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    opted: dict[tuple[str, str], bool] = field(default_factory=dict)
    service_credentials: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    access_reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    credential_reports: dict[str, CredentialReport] = field(default_factory=dict)
    roots: dict[str, Root] = field(default_factory=dict)
    identity_centers: list[IdentityCenter] = field(default_factory=list)
    disabled_people: set[tuple[str, str]] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _fault_calls: Counter[Fault] = field(default_factory=Counter)

    def reset(self) -> None:
        """Empty moto and everything here."""
        empty_moto()
        for held in (self.faults, self.credentials, self.histories, self.lookups, self.opted):
            held.clear()
        for more in (self.service_credentials, self.access_reports, self._fault_calls, self.credential_reports):
            more.clear()
        for other in (self.roots, self.identity_centers, self.disabled_people):
            other.clear()

    def moto(self, call: Call) -> Answer:
        """Let moto answer, in the caller's account."""
        environ = dict(call.environ)
        environ.pop(_ACCOUNT_HEADER, None)  # whose call it is, the signature alone decides
        if call.account:
            environ[_ACCOUNT_HEADER] = call.account
        environ["wsgi.input"].seek(0)
        try:
            body, status, headers = run_wsgi_app(moto_application(), environ, buffered=True)
        except NotImplementedError:
            raise Refusal("NotImplemented", f"The emulator does not implement {call.action}.", 501) from None
        except ClientError as error:  # moto calling boto3 within itself
            raise Refusal(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
        return Answer(int(status.split()[0]), dict(headers), b"".join(body))

    def raise_fault(self, call: Call) -> None:
        """Raise the first fault that this call meets."""
        with self.lock:
            for fault in self.faults:
                if not fault.matches(call):
                    continue
                self._fault_calls[fault] += 1
                past = self._fault_calls[fault] - fault.after
                if past < 1 or (fault.times is not None and past > fault.times):
                    continue
                if fault.kind == "error":
                    raise Refusal(fault.code, fault.message or "An internal error occurred.", fault.status)
                raise call.refuse(fault.kind, fault.message or _denial(self, call, fault))

    def iam(self, account: str) -> IAMBackend:
        """The account's IAM in moto."""
        return iam_backends[account][PARTITION]

    def role_by_arn(self, arn: str) -> Role | None:
        """A role of any account."""
        fields = arn.split(":", 5)
        if len(fields) != 6 or fields[2] != "iam" or not fields[4].isdigit():
            return None
        return next((role for role in list(self.iam(fields[4]).roles.values()) if role.arn == arn), None)

    def role_of(self, caller: Caller) -> Role | None:
        """The role of a session, while it exists."""
        return self.role_by_arn(caller.owner_arn) if caller.kind == "role" else None

    def user_of(self, caller: Caller) -> User | None:
        """The IAM user that calls, while it exists."""
        return self.iam(caller.account).users.get(caller.name) if caller.kind == "user" else None

    def mark_used(self, call: Call, caller: Caller) -> None:
        """Stamp the key's and the role's last use; a refused call is a use too."""
        moment = self.now().astimezone(UTC).replace(tzinfo=None)
        key_id = call.signature.access_key_id if call.signature else ""
        key = self.iam(caller.account).access_keys.get(key_id)
        if key is not None:
            key.last_used = AccessKeyLastUsed(timestamp=moment, service=call.service, region=call.region)
        if (role := self.role_of(caller)) is not None:
            role.last_used, role.last_used_region = moment, call.region

    def region_enabled(self, account: str, region: str) -> bool:
        """Whether the account has the Region enabled."""
        return self.opted.get((account, region), region not in OPT_IN_REGIONS)

    def history(self, account: str, region: str) -> EventHistory:
        """The event history of an account and Region."""
        with self.lock:
            return self.histories.setdefault((account, region), EventHistory())

    def admin(self, account: str) -> Credential:
        """The administrator's credential of an account, made when first asked for."""
        with self.lock:
            for credential in self.credentials.values():
                if credential.caller.kind == "admin" and credential.caller.account == account:
                    return credential
            arn = f"arn:{PARTITION}:iam::{account}:user/emulator-admin"
            user_id = generate_access_key_id_from_account_id(account, "AIDA", 21)
            caller = Caller(
                kind="admin", account=account, arn=arn, owner_arn=arn, user_id=user_id, name="emulator-admin"
            )
            key = generate_access_key_id_from_account_id(account, "AKIA", 20)
            return self.remember(Credential(key, random_alphanumeric(40), None, caller))

    def remember(self, credential: Credential) -> Credential:
        """Let a credential authenticate from now on."""
        with self.lock:
            self.credentials[credential.access_key_id] = credential
        return credential

    def account_of_key(self, access_key_id: str) -> str | None:
        """The account that holds a user's key, active or not."""
        holding = (
            account for account, held in list(iam_backends.items()) if access_key_id in held[PARTITION].access_keys
        )
        return next(holding, None)

    def find_credential(self, access_key_id: str) -> Credential | None:
        """Whom a key authenticates. Inactive and deleted keys of users authenticate nobody."""
        if (known := self.credentials.get(access_key_id)) is not None:
            return known
        for account, by_partition in list(iam_backends.items()):
            backend = by_partition[PARTITION]
            if access_key_id not in backend.access_keys:
                continue
            for user in list(backend.users.values()):
                for key in user.access_keys:
                    if key.access_key_id == access_key_id and key.status == "Active":
                        return Credential(access_key_id, key.secret_access_key, None, caller_of_user(account, user))
        return None

    def organisation_levels(self, account: str) -> Iterator[list[str]]:
        """The service control policies that bind a member account: of the root, of each OU, of the account itself."""
        for backend in list(organizations_backends.values()):
            organisation = backend[PARTITION]
            member = next((item for item in organisation.accounts if item.id == account), None)
            if organisation.org is None or member is None or account == organisation.org.master_account_id:
                continue
            level: Any = member
            while level is not None:
                attached = [item for item in level.attached_policies if item.type == "SERVICE_CONTROL_POLICY"]
                if attached:
                    yield [policy.content for policy in attached]
                level = next((unit for unit in organisation.ou if unit.id == level.parent_id), None)

    def organisation_of(self, account: str) -> Any:
        """moto's organisation that an account belongs to (its management account included), or None."""
        for backend in list(organizations_backends.values()):
            organisation = backend[PARTITION]
            if organisation.org is not None and any(item.id == account for item in organisation.accounts):
                return organisation
        return None


def empty_moto() -> None:
    """Empty every backend of moto in this process."""
    BackendDict.reset()
    organizations_backends.master_accounts.clear()  # moto's own reset leaves it
    reset_model_data()


def _denial(world: World, call: Call, fault: Fault) -> str | None:
    if fault.kind != "denied" or call.signature is None:
        return None
    credential = world.find_credential(call.signature.access_key_id)
    who = credential.caller.arn if credential else "unknown"
    return (
        f"User: {who} is not authorized to perform: {call.action} "
        f"because no identity-based policy allows the {call.action} action"
    )


def caller_of_user(account: str, user: User) -> Caller:
    """An IAM user as a caller."""
    return Caller(kind="user", account=account, arn=user.arn, owner_arn=user.arn, user_id=user.id, name=user.name)


@functools.cache
def moto_application() -> DomainDispatcherApplication:
    """moto's WSGI application; it holds no state of its own, so one serves every emulator of the process."""
    return DomainDispatcherApplication(create_backend_app)


_LOADING = threading.Lock()


@functools.cache
def _aws_policies() -> dict[str, dict[str, Any]]:
    by_arn = {}
    for name, data in json.loads(aws_managed_policies_data).items():
        by_arn[f"arn:{PARTITION}:iam::aws:policy{data.get('Path') or '/'}{name}"] = {"name": name, "data": data}
    return by_arn


def load_aws_policies(backend: IAMBackend, arns: tuple[str, ...] | None = None) -> None:
    """Make AWS-managed policies known to an account: those named, or all.

    moto loads all 1,600 into every account when told to, which costs 0.2 s an account.
    """
    with _LOADING:
        for arn in _aws_policies() if arns is None else arns:
            found = _aws_policies().get(arn)
            if found is None or arn in backend.managed_policies:
                continue
            policy = AWSManagedPolicy.from_data(
                found["name"], account_id=backend.account_id, region_name=backend.region_name, data=found["data"]
            )
            backend.managed_policies[arn] = policy
            backend.aws_managed_policies.append(policy)


def managed_document(backend: IAMBackend, arn: str) -> str | None:
    """The default version of a managed policy, customer's or AWS's."""
    load_aws_policies(backend, (arn,))
    policy = backend.managed_policies.get(arn)
    if policy is None:
        return None
    document: str = next(version.document for version in policy.versions if version.is_default)
    return document
