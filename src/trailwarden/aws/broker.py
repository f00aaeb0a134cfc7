"""Who this installation is on AWS, and what it may become: temporary sessions of connected roles.

    broker = Broker(state.connections, now=clock)
    broker.client(connection, "cloudtrail", "eu-central-1").lookup_events(...)

Credentials come from AssumeRole alone, are kept in memory, and are renewed before they expire. Everything here may
be called from several threads. ``AWS_ENDPOINT_URL`` and its per-service forms are honoured by the SDK itself.
"""

import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from ..errors import AccessDenied, AwsError, ExpiredCredentials, NoCredentials
from ..model.arn import PARTITIONS, Arn, partition_of_region, role_of_session
from ..model.time import format_instant
from .connection import Connection, Connections
from .errors import CLOCK_REMEDY, aws_errors
from .trust import TrustedPrincipal, trusted_principal

#: How long an assumed session lasts; AWS allows an hour when the caller is itself an assumed role.
SESSION_DURATION = timedelta(hours=1)
#: A session this close to its end is renewed in passing, by the second one every caller waits for the renewal.
_RENEW_EARLY, _RENEW_NOW = timedelta(minutes=5), timedelta(minutes=2)
_REGIONS_STAY_TRUE = timedelta(hours=1)
_NOT_IN_SESSION_NAME = re.compile(r"[^\w+=,.@-]", re.ASCII)


class CallerIdentity(msgspec.Struct, frozen=True):
    """Who signs: as sts:GetCallerIdentity says. ``arn`` of a role session is the session's, not the role's."""

    account: str
    arn: str
    user_id: str

    @property
    def partition(self) -> str:
        """The partition that these credentials belong to."""
        return Arn.parse(self.arn).partition

    @property
    def principal_arn(self) -> str:
        """The ARN without a session's name: the role behind the session, or the user (a role's path is not in it)."""
        return str(role_of_session(Arn.parse(self.arn)))


class EnabledRegions(msgspec.Struct, frozen=True):
    """Regions of an account, each sorted. ``source`` is the IAM action that told them."""

    enabled: tuple[str, ...]
    disabled: tuple[str, ...]
    source: str


class AwsSession:
    """One principal's credentials and its clients, one for each service and Region."""

    def __init__(self, boto: Any, *, account: str | None, default_region: str, settings: "CallSettings") -> None:
        self.boto = boto
        self.account = account
        self.default_region = default_region
        self._settings = settings
        self._clients: dict[tuple[str, str, int], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str | None = None) -> Any:
        """The boto3 client of ``service`` in ``region``; made once, and safe to share between threads.

        Raises:
            AwsError: the SDK's settings are unusable, or the service is not offered there.
        """
        where = region or self.default_region
        with self._lock:  # a boto3 session makes clients one at a time
            if (service, where, 0) not in self._clients:
                with aws_errors(f"{service}:*", account=self.account, region=where):
                    self._clients[service, where, 0] = self.boto.client(
                        service, region_name=where, config=self._settings.config()
                    )
            return self._clients[service, where, 0]

    def once(self, service: str, region: str) -> Any:
        """The client of ``service`` in ``region`` that makes every call once: for calls that change something, where a
        retry of the SDK would hide whether the first try took effect. Raises as ``client``."""
        from botocore.config import Config  # noqa: PLC0415

        with self._lock:
            if (service, region, 1) not in self._clients:
                with aws_errors(f"{service}:*", account=self.account, region=region):
                    # Not "adaptive": after throttling it would hold calls back by itself, beside whoever waits for it.
                    config = self._settings.config().merge(
                        Config(retries={"mode": "standard", "total_max_attempts": 1})
                    )
                    self._clients[service, region, 1] = self.boto.client(service, region_name=region, config=config)
            return self._clients[service, region, 1]

    def identity(self) -> CallerIdentity:
        """Who these credentials are (sts:GetCallerIdentity; always allowed).

        Raises:
            NoCredentials, ExpiredCredentials, Unreachable, AwsError: AWS did not say.
        """
        with aws_errors("sts:GetCallerIdentity", account=self.account, region=self.default_region):
            answer = self.client("sts").get_caller_identity()
        return CallerIdentity(account=answer["Account"], arn=answer["Arn"], user_id=answer["UserId"])


class CallSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How every call is made. ``attempts`` counts the first try too; times are in seconds."""

    attempts: int = 8
    connect_timeout: float = 5
    read_timeout: float = 60
    pool: int = 32

    def config(self) -> Any:
        """The same as botocore's Config."""
        from importlib.metadata import version  # noqa: PLC0415

        from botocore.config import Config  # noqa: PLC0415

        return Config(
            retries={"mode": "adaptive", "total_max_attempts": self.attempts},
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
            max_pool_connections=self.pool,
            user_agent_extra=f"trailwarden/{version('trailwarden')}",
        )


class Broker:
    """Sessions of this installation's own principal and of the roles that it is connected to.

    ``profile``, ``credentials_file`` and ``config_file`` choose the own credentials and then take precedence over
    access keys in the environment; with none of them the SDK's usual chain holds. ``region`` is where STS is called
    if the SDK's configuration names none; ``trace`` ends up in the role session's name.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        now: Callable[[], datetime],
        profile: str | None = None,
        credentials_file: Path | str | None = None,
        config_file: Path | str | None = None,
        region: str | None = None,
        trace: str = "read",
        settings: CallSettings | None = None,
    ) -> None:
        self._connections = connections
        self._now = now
        self._profile = profile
        self._credentials_file = credentials_file
        self._config_file = config_file
        self._region = region
        self._trace = trace
        self._settings = settings or CallSettings()
        self._lock = threading.RLock()
        self._identity_lock = threading.Lock()
        self._own: AwsSession | None = None
        self._identity: CallerIdentity | None = None
        self._sessions: dict[str, AwsSession] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._regions: dict[str, tuple[datetime, EnabledRegions]] = {}
        self._loader: Any = None

    @property
    def connections(self) -> Connections:
        """Where the connections are kept."""
        return self._connections

    def own(self) -> AwsSession:
        """The session of this installation's own principal; it makes no call.

        Raises:
            NoCredentials: the profile that the settings name does not exist.
            AwsError: the SDK's settings are unusable.
        """
        with self._lock:
            if self._own is None:
                self._own = self.own_session(self._profile)
            return self._own

    def own_session(self, profile: str | None) -> AwsSession:
        """A new session of one's own credentials, by ``profile``: a second view for ``doctor``, for instance.

        Raises:
            NoCredentials: no such profile.
            AwsError: the SDK's settings are unusable.
        """
        with aws_errors("sts:GetCallerIdentity"):
            boto = self._boto_session(profile)
            region = boto.region_name or self._region or PARTITIONS["aws"]
        return AwsSession(boto, account=None, default_region=region, settings=self._settings)

    def caller_identity(self) -> CallerIdentity:
        """Who this installation is; asked once.

        Raises:
            NoCredentials, ExpiredCredentials, Unreachable, AwsError: AWS did not say.
        """
        with self._identity_lock:
            if self._identity is None:
                self._identity = self.own().identity()
            return self._identity

    def own_access_key_id(self) -> str:
        """The id of the access key that this installation signs with.

        Raises:
            NoCredentials: it has none.
        """
        with aws_errors("sts:GetCallerIdentity"):
            credentials = self.own().boto.get_credentials()
        if credentials is None:
            raise NoCredentials(
                "this installation has no AWS credentials", remedy="see `trailwarden accounts doctor`",
                code="NoCredentials", operation="sts:GetCallerIdentity",
            )  # fmt: skip
        found: str = credentials.access_key
        return found

    def own_principal(self) -> TrustedPrincipal:
        """Whom a role's trust policy must name to let this installation in.

        A role session does not tell its role's path: iam:GetRole does, where it is allowed.

        Raises:
            UsageError: the root user or a federated user, who cannot assume roles.
            NoCredentials, ExpiredCredentials, Unreachable, AwsError: AWS did not say who this installation is.
        """
        identity = self.caller_identity()
        role = role_of_session(Arn.parse(identity.arn))
        if role.kind != "role":
            return trusted_principal(identity.arn)
        try:
            with aws_errors("iam:GetRole", account=identity.account):
                arn = self.own().client("iam").get_role(RoleName=role.name)["Role"]["Arn"]
        except AwsError:  # the note on the principal then says what is not known
            return trusted_principal(identity.arn)
        return trusted_principal(identity.arn, role_arn=arn)

    def home_region(self, partition: str) -> str:
        """The Region for STS and for what has no Region of its own: the configured one if of that partition."""
        region = self.own().default_region
        return region if partition_of_region(region) == partition else PARTITIONS[partition]

    def session(self, connection: Connection) -> AwsSession:
        """The connected role's session; assumed on first use, then shared and renewed.

        Raises:
            AccessDenied: AWS refused AssumeRole; ``doctor`` tells why.
            NoCredentials, ExpiredCredentials, KeyUnavailable, Unreachable, AwsError: as they say.
        """
        with self._lock:
            if connection.id in self._sessions:
                return self._sessions[connection.id]
            lock = self._locks.setdefault(connection.id, threading.Lock())
        with lock:  # one AssumeRole for a connection, however many ask; other connections do not wait for it
            with self._lock:
                if connection.id in self._sessions:
                    return self._sessions[connection.id]
            session = self.assume(connection)
            with self._lock:
                self._sessions[connection.id] = session
            return session

    def client(self, connection: Connection, service: str, region: str | None = None) -> Any:
        """A boto3 client in the connected account; ``region`` defaults to the partition's home. As ``session``."""
        return self.session(connection).client(service, region)

    def forget(self, connection: Connection) -> None:
        """Drop the cached session: the connection was changed or removed."""
        with self._lock:
            self._sessions.pop(connection.id, None)
            self._regions.pop(connection.id, None)

    def assume(
        self,
        connection: Connection,
        *,
        session_policy: str | None = None,
        source_identity: str | None = None,
        duration: timedelta = SESSION_DURATION,
        trace: str | None = None,
    ) -> AwsSession:
        """A new session of the connected role, not shared with anyone.

        ``session_policy`` (JSON, at most 2,048 characters) narrows what it may do. ``source_identity`` names the
        person behind it in the account's own CloudTrail; the trust policy must then allow sts:SetSourceIdentity.
        ``duration`` is 15 minutes at least, and the role's MaxSessionDuration at most.

        Raises:
            As ``session``.
        """
        request: dict[str, Any] = {
            "RoleArn": connection.role_arn,
            "RoleSessionName": session_name(trace if trace is not None else self._trace),
            "DurationSeconds": int(duration.total_seconds()),
            "ExternalId": self._connections.external_id(connection),
        }
        if session_policy is not None:
            request["Policy"] = session_policy
        if source_identity is not None:
            request["SourceIdentity"] = source_identity
        return self._assumed(connection, request)

    def _assumed(self, connection: Connection, request: dict[str, Any]) -> AwsSession:
        from botocore.credentials import RefreshableCredentials  # noqa: PLC0415

        def renew() -> dict[str, Any]:
            return self.call_assume_role(connection, request)

        first = renew()
        credentials = RefreshableCredentials(
            access_key=first["access_key"],
            secret_key=first["secret_key"],
            token=first["token"],
            expiry_time=datetime.fromisoformat(first["expiry_time"]),
            refresh_using=renew,
            method="assume-role",
            time_fetcher=self._now,
            advisory_timeout=int(_RENEW_EARLY.total_seconds()),
            mandatory_timeout=int(_RENEW_NOW.total_seconds()),
            account_id=connection.account_id,
        )
        return AwsSession(
            self._boto_session(self._profile, credentials),
            account=connection.account_id,
            default_region=self.home_region(connection.partition),
            settings=self._settings,
        )

    def call_assume_role(self, connection: Connection, request: dict[str, Any]) -> dict[str, Any]:
        """One sts:AssumeRole with exactly ``request``, as the SDK wants credentials: keys, token, expiry, account.

        Raises:
            AccessDenied: AWS refused.
            AwsError: AWS gave a session in another account than the role's ARN names, or this machine's clock is wrong.
            NoCredentials, ExpiredCredentials, Unreachable: as they say.
        """
        region = self.home_region(connection.partition)
        with aws_errors("sts:AssumeRole", account=connection.account_id, region=region):
            answer = self.own().client("sts", region).assume_role(**request)
        got = Arn.parse(answer["AssumedRoleUser"]["Arn"]).account
        if got != connection.account_id:
            raise AwsError(
                f"AssumeRole of {connection.role_arn} gave a session in account {got}, not {connection.account_id}",
                remedy="something between here and AWS answers in its place: check AWS_ENDPOINT_URL and the proxy",
                code="WrongAccount",
                operation="sts:AssumeRole",
                account=connection.account_id,
                region=region,
            )
        keys = answer["Credentials"]
        if keys["Expiration"] <= self._now():
            raise AwsError(
                f"AWS gave a session that ends at {format_instant(keys['Expiration'])}; this machine's clock says "
                f"{format_instant(self._now())}",
                remedy=CLOCK_REMEDY,
                code="ExpiredOnArrival",
                operation="sts:AssumeRole",
                account=connection.account_id,
                region=region,
            )
        return {
            "access_key": keys["AccessKeyId"],
            "secret_key": keys["SecretAccessKey"],
            "token": keys["SessionToken"],
            "expiry_time": keys["Expiration"].isoformat(),
            "account_id": got,
        }

    def enabled_regions(self, connection: Connection) -> EnabledRegions:
        """The Regions that are enabled in the account: from account:ListRegions, else ec2:DescribeRegions.

        Asked again after an hour.

        Raises:
            AccessDenied: neither action is allowed.
            AwsError: as ``session``, or AWS did not say.
        """
        with self._lock:
            cached = self._regions.get(connection.id)
        if cached is not None and self._now() - cached[0] < _REGIONS_STAY_TRUE:
            return cached[1]
        session = self.session(connection)
        try:
            regions = _list_regions(session, PARTITIONS[connection.partition])
        except (ExpiredCredentials, NoCredentials):
            raise
        except AwsError as first:
            try:
                regions = _describe_regions(session)
            except AccessDenied as second:
                raise AccessDenied(
                    f"the enabled Regions of account {connection.account_id} are not visible: {second.message}; "
                    f"before that, {first.message}",
                    remedy="allow the role account:ListRegions or ec2:DescribeRegions, or name the Regions (--region)",
                    code=second.code,
                    operation="ec2:DescribeRegions",
                    account=connection.account_id,
                    region=second.region,
                ) from first
        with self._lock:
            self._regions[connection.id] = (self._now(), regions)
        return regions

    def _boto_session(self, profile: str | None, credentials: Any = None) -> Any:
        """A boto3 session with this installation's settings, and ``credentials`` if given instead of the usual chain.

        It shares the parsed service models with the others.
        """
        import boto3  # noqa: PLC0415
        import botocore.session  # noqa: PLC0415

        raw = botocore.session.Session()
        if self._credentials_file is not None:
            raw.set_config_variable("credentials_file", str(self._credentials_file))
        if self._config_file is not None:
            raw.set_config_variable("config_file", str(self._config_file))
        if profile is None and self._credentials_file is not None:
            profile = "default"
        if profile is not None:
            # Only a profile given in this way makes the SDK pass over access keys in the environment.
            raw.set_config_variable("profile", profile)
            raw.get_scoped_config()  # says now, not at the first call, if there is no such profile
        if credentials is not None:
            raw.register_component("credential_provider", _Given(credentials))
        with self._lock:
            if self._loader is None:
                self._loader = raw.get_component("data_loader")
            else:
                raw.register_component("data_loader", self._loader)
        return boto3.Session(botocore_session=raw)


class _Given:
    """What botocore asks for credentials, when they are already there."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Any:
        """The credentials."""
        return self._credentials


def source_identity(person: str) -> str:
    """A person's login as a SourceIdentity: 2-64 of ``[\\w+=,.@-]``; other characters become ``-``."""
    return _NOT_IN_SESSION_NAME.sub("-", person)[:64].ljust(2, "-")


def session_name(trace: str) -> str:
    """A RoleSessionName: ``trailwarden-`` and what the session is for, as AWS allows it (2-64 of ``[\\w+=,.@-]``)."""
    return f"trailwarden-{_NOT_IN_SESSION_NAME.sub('-', trace)}"[:64]


def _list_regions(session: AwsSession, region: str) -> EnabledRegions:
    client = session.client("account", region)
    with aws_errors("account:ListRegions", account=session.account, region=region):
        pages = client.get_paginator("list_regions").paginate()
        status = {entry["RegionName"]: entry["RegionOptStatus"] for page in pages for entry in page["Regions"]}
    return _split(status, {"ENABLED", "ENABLED_BY_DEFAULT"}, "account:ListRegions")


def _describe_regions(session: AwsSession) -> EnabledRegions:
    client = session.client("ec2")
    with aws_errors("ec2:DescribeRegions", account=session.account, region=session.default_region):
        answer = client.describe_regions(AllRegions=True)
    status = {entry["RegionName"]: entry.get("OptInStatus", "opt-in-not-required") for entry in answer["Regions"]}
    return _split(status, {"opted-in", "opt-in-not-required"}, "ec2:DescribeRegions")


def _split(status: dict[str, str], enabled: set[str], source: str) -> EnabledRegions:
    return EnabledRegions(
        enabled=tuple(sorted(name for name, state in status.items() if state in enabled)),
        disabled=tuple(sorted(name for name, state in status.items() if state not in enabled)),
        source=source,
    )
