"""How accounts are configured to be entered: IAM users, root, federation providers, IAM Identity Center.

    directory = read_directory(broker, state.connections.list(purpose="read"), progress=progress, now=now)

What AWS refuses or fails to show becomes a gap, and the rest is read. Where two actions tell the same, one of them is
enough. Passwords, MFA and last uses come from IAM's credential report, which may be four hours old: ``taken`` is then
the report's time. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import AccessDenied, AwsError, NotFound, TrailwardenError
from ..model.arn import Arn
from ..model.directory import (
    AccessKey,
    AccountDirectory,
    Directory,
    DirectoryUser,
    IamUser,
    IdentityCenterInstance,
    OidcProvider,
    PermissionSet,
    RootUser,
    SamlProvider,
)
from ..model.finding import Gap
from ..progress import Progress
from .connection import Connection
from .credential_report import ROOT, ReportedUser, parse_credential_report
from .errors import aws_errors

if TYPE_CHECKING:
    from .broker import AwsSession, Broker

#: The IAM actions that a whole directory takes.
DIRECTORY_NEEDS = (
    "iam:GenerateCredentialReport",
    "iam:GetCredentialReport",
    "iam:GetAccountSummary",
    "iam:ListUsers",
    "iam:GetAccountAuthorizationDetails",
    "iam:ListUserTags",
    "iam:GetLoginProfile",
    "iam:ListMFADevices",
    "iam:ListAccessKeys",
    "iam:GetAccessKeyLastUsed",
    "iam:ListSAMLProviders",
    "iam:ListOpenIDConnectProviders",
    "iam:GetOpenIDConnectProvider",
    "sso:ListInstances",
    "sso:DescribeInstance",
    "sso:ListPermissionSets",
    "sso:DescribePermissionSet",
    "sso:ListAccountsForProvisionedPermissionSet",
    "identitystore:ListUsers",
    "account:ListRegions",
    "ec2:DescribeRegions",
)
#: Accounts that are read at the same time, and calls at the same time in each.
_ACCOUNTS, _CALLS = 8, 8
#: Seconds between the times that a credential report in the making is asked for.
_REPORT_WAITS = (0.5, 0.5, 1.0, *(2.0,) * 44)
#: Signing names that are not the SDK's names.
_SDK_NAMES = {"sso": "sso-admin"}
#: No such parameter, or no such value of it: an older SDK, or a partition that has not got it yet.
_NOT_KNOWN = frozenset({"ParamValidationError", "ValidationException"})

T = TypeVar("T")
R = TypeVar("R")


def read_directory(
    broker: "Broker",
    connections: Sequence[Connection],
    *,
    progress: Progress,
    now: datetime,
    accounts: Collection[str] | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Directory:
    """Read the directory of every connected account, or of those in ``accounts`` only; by account id.

    ``connections`` are all read connections. An instance of Identity Center is listed by every account that sees it;
    its permission sets and people are in the directory of the account that owns it, if that one is connected, and only
    there do ``identity_center`` and ``identity_store`` count as read.
    ``sleep`` (seconds) is for tests.
    """
    chosen = {connection.account_id: connection for connection in reversed(connections)}
    connected = frozenset(chosen)
    wanted = [chosen[account] for account in sorted(chosen) if accounts is None or account in accounts]
    read: dict[str, AccountDirectory | Gap] = {}
    pool = ThreadPoolExecutor(_ACCOUNTS, thread_name_prefix="directory")
    try:
        with progress.task("Reading who can enter", total=len(wanted), unit="accounts") as task:
            jobs = {
                pool.submit(_read_account, broker, connection, connected=connected, now=now, sleep=sleep): connection
                for connection in wanted
            }
            for job in as_completed(jobs):
                account = jobs[job].account_id
                read[account] = job.result()
                task.advance(1, note=account)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    results = [read[connection.account_id] for connection in wanted]
    return Directory(
        accounts=tuple(each for each in results if isinstance(each, AccountDirectory)),
        gaps=tuple(each for each in results if isinstance(each, Gap)),
    )


def _read_account(
    broker: "Broker",
    connection: Connection,
    *,
    connected: frozenset[str],
    now: datetime,
    sleep: Callable[[float], object],
) -> AccountDirectory | Gap:
    try:
        session = broker.session(connection)
    except TrailwardenError as error:
        return _gap(error, connection.account_id)
    with ThreadPoolExecutor(_CALLS, thread_name_prefix=f"directory-{connection.account_id}") as pool:
        reader = _Reader(session, pool, connection.account_id, sleep)
        report = reader.credential_report()
        root = reader.root(report)
        users = reader.iam_users(report)
        saml, oidc = reader.saml_providers(), reader.oidc_providers()
        instances = reader.instances(lambda: broker.enabled_regions(connection).enabled)
        content = reader.content(instances, left_to=connected - {connection.account_id})
    return AccountDirectory(
        account=connection.account_id,
        taken=min(now, report.generated) if report is not None else now,
        read=tuple(reader.read),
        iam_users=users,
        root=root,
        saml_providers=saml,
        oidc_providers=oidc,
        instances=tuple(each.shown for each in instances),
        permission_sets=content.permission_sets,
        people=content.people,
        gaps=tuple(reader.gaps),
    )


class _Report(msgspec.Struct, frozen=True):
    """The credential report, and when AWS made it."""

    generated: datetime
    users: Mapping[str, ReportedUser]

    def line_of(self, user: Mapping[str, Any]) -> ReportedUser | None:
        """The user's line, unless it tells of an earlier user of the same name."""
        line = self.users.get(user["Arn"])
        return line if line is not None and line.created == _utc(user["CreateDate"]).replace(microsecond=0) else None


class _Instance(msgspec.Struct, frozen=True):
    """An instance of Identity Center, and the Region in which its content is read."""

    shown: IdentityCenterInstance
    region: str


class _Content(msgspec.Struct, frozen=True):
    """What is in the instances that this account has to show."""

    permission_sets: tuple[PermissionSet, ...]
    people: tuple[DirectoryUser, ...]


class _Reader:
    """The parts of one account. One thread uses it, and lets ``pool`` make the calls that are many."""

    def __init__(
        self, session: "AwsSession", pool: ThreadPoolExecutor, account: str, sleep: Callable[[float], object]
    ) -> None:
        self._session = session
        self._pool = pool
        self._account = account
        self._sleep = sleep
        self.gaps: list[Gap] = []
        self.read: list[str] = []

    def credential_report(self) -> _Report | None:
        """The report, made now if there is none of the last four hours; None, with a gap, if it cannot be had."""
        try:
            return self._credential_report()
        except TrailwardenError as error:
            self.gaps.append(_gap(error, self._account))
            return None

    def root(self, report: _Report | None) -> RootUser:
        """The root user; without the report not read, for nothing else tells when it last signed in."""
        nothing = RootUser(account=self._account)
        return self._part("root" if report is not None else None, lambda: self._root(report), nothing)

    def iam_users(self, report: _Report | None) -> tuple[IamUser, ...]:
        """IAM users with tags, password, MFA and keys."""
        users = self._part("iam_users", lambda: self._users(report), None)
        if users is None:
            return ()
        none: Mapping[str, tuple[AccessKey, ...]] = {}
        keys = self._part("access_keys", lambda: self._access_keys(users, report), none)
        return tuple(msgspec.structs.replace(user, access_keys=keys.get(user.name, ())) for user in users)

    def saml_providers(self) -> tuple[SamlProvider, ...]:
        """SAML providers in IAM."""
        return self._part("saml_providers", self._saml_providers, ())

    def oidc_providers(self) -> tuple[OidcProvider, ...]:
        """OpenID Connect providers in IAM."""
        return self._part("oidc_providers", self._oidc_providers, ())

    def instances(self, regions: Callable[[], Iterable[str]]) -> tuple[_Instance, ...]:
        """The instances of Identity Center that the account owns or sees. ``regions`` tells the enabled ones."""
        return self._part("identity_center", lambda: self._instances(regions), ())

    def content(self, instances: Sequence[_Instance], *, left_to: Collection[str]) -> _Content:
        """Permission sets and people of the instances, but for those that accounts in ``left_to`` own and show."""
        own = [instance for instance in instances if instance.shown.owner not in left_to]
        known = "identity_center" in self.read and len(own) == len(instances)
        before = len(self.gaps)
        sets = [each for instance in own for each in self._content(instance, self._permission_sets)]
        if "identity_center" in self.read and not (known and len(self.gaps) == before):
            self.read.remove("identity_center")
        before = len(self.gaps)
        people = [each for instance in own for each in self._content(instance, self._people)]
        if known and len(self.gaps) == before:
            self.read.append("identity_store")
        return _Content(tuple(sets), tuple(people))

    def _part(self, name: str | None, call: Callable[[], T], otherwise: T) -> T:
        """What ``call`` gives, or ``otherwise`` with a gap. The part counts as read if no gap came up in it."""
        before = len(self.gaps)
        try:
            value = call()
        except TrailwardenError as error:
            self.gaps.append(_gap(error, self._account))
            value = otherwise
        if name is not None and len(self.gaps) == before:
            self.read.append(name)
        return value

    def _credential_report(self) -> _Report:
        refused: AwsError | None = None
        try:
            self._call("iam:GenerateCredentialReport")
        except AwsError as error:
            refused = error  # somebody else may have had one made in the last four hours
        try:
            answer = self._finished_report()
        except AwsError as error:
            raise refused or error from error
        return _Report(_utc(answer["GeneratedTime"]), parse_credential_report(answer["Content"].decode()))

    def _finished_report(self) -> Any:
        for wait in _REPORT_WAITS:
            try:
                return self._call("iam:GetCredentialReport")
            except AwsError as error:
                if error.code != "ReportInProgress":
                    raise
            self._sleep(wait)
        return self._call("iam:GetCredentialReport")

    def _root(self, report: _Report | None) -> RootUser:
        lines = report.users.values() if report is not None else ()
        line = next((user for user in lines if user.name == ROOT), None)
        try:
            summary = self._call("iam:GetAccountSummary")["SummaryMap"]
        except AwsError:
            if line is None:
                raise
            mfa, keys = line.mfa, any(key.active or key.rotated is not None for key in line.keys)
        else:
            mfa, keys = summary["AccountMFAEnabled"] > 0, summary["AccountAccessKeysPresent"] > 0
        return RootUser(
            account=self._account,
            mfa=mfa,
            access_keys=keys,
            password_last_used=line.password_last_used if line is not None else None,
        )

    def _users(self, report: _Report | None) -> tuple[IamUser, ...]:
        detailed, no_details = self._either("iam:GetAccountAuthorizationDetails", "UserDetailList", Filter=["User"])
        raw, no_list = self._either("iam:ListUsers", "Users")
        if no_list is not None:
            if no_details is not None:
                raise no_list
            if report is None:  # then nothing tells when a password was last used
                self.gaps.append(_gap(no_list, self._account))
            raw = detailed
        names = [user["UserName"] for user in raw]
        known = {user["UserName"]: user.get("Tags", []) for user in detailed}
        untold = [name for name in names if name not in known]
        tags = known | self._each(untold, lambda name: self._list("iam:ListUserTags", "Tags", UserName=name))
        lines = {user["UserName"]: report.line_of(user) if report is not None else None for user in raw}
        unreported = [name for name in names if lines[name] is None]
        passwords = self._each(unreported, self._has_password)
        devices = self._each(unreported, self._has_mfa)

        def user_of(user: Mapping[str, Any]) -> IamUser:
            name, line = user["UserName"], lines[user["UserName"]]
            used = user.get("PasswordLastUsed")
            return IamUser(
                arn=user["Arn"],
                name=name,
                id=user["UserId"],
                account=self._account,
                created=_utc(user["CreateDate"]),
                tags={tag["Key"]: tag["Value"] for tag in tags.get(name, ())},
                console_password=line.console_password if line is not None else passwords.get(name),
                password_last_used=_utc(used) if used else line.password_last_used if line is not None else None,
                mfa=line.mfa if line is not None else devices.get(name),
            )

        return tuple(user_of(user) for user in sorted(raw, key=lambda user: str(user["UserName"])))

    def _has_password(self, name: str) -> bool:
        try:
            self._call("iam:GetLoginProfile", UserName=name)
        except NotFound:
            return False
        return True

    def _has_mfa(self, name: str) -> bool:
        return bool(self._list("iam:ListMFADevices", "MFADevices", UserName=name))

    def _access_keys(self, users: Sequence[IamUser], report: _Report | None) -> Mapping[str, tuple[AccessKey, ...]]:
        listed = self._each(
            [user.name for user in users],
            lambda name: self._list("iam:ListAccessKeys", "AccessKeyMetadata", UserName=name),
        )
        keys = {
            user.name: [
                AccessKey(id=key["AccessKeyId"], active=key["Status"] == "Active", created=_utc(key["CreateDate"]))
                for key in listed.get(user.name, ())
            ]
            for user in users
        }
        told = {
            key.id: _reported(key, report.users[user.arn])
            for user in users
            for key in keys[user.name]
            if report is not None and user.arn in report.users
        }
        asked = self._each(
            [key.id for held in keys.values() for key in held if told.get(key.id) is None], self._last_used
        )
        return {
            name: tuple(told.get(key.id) or msgspec.structs.replace(key, **asked.get(key.id, {})) for key in held)
            for name, held in keys.items()
        }

    def _last_used(self, key: str) -> dict[str, Any]:
        used = self._call("iam:GetAccessKeyLastUsed", AccessKeyId=key)["AccessKeyLastUsed"]
        if "LastUsedDate" not in used:
            return {}
        told = {"last_service": used.get("ServiceName"), "last_region": used.get("Region")}
        return {"last_used": _utc(used["LastUsedDate"])} | {n: v for n, v in told.items() if v not in (None, "N/A")}

    def _saml_providers(self) -> tuple[SamlProvider, ...]:
        return tuple(
            SamlProvider(
                arn=each["Arn"],
                account=self._account,
                created=_maybe_utc(each.get("CreateDate")),
                valid_until=_maybe_utc(each.get("ValidUntil")),
            )
            for each in self._list("iam:ListSAMLProviders", "SAMLProviderList")
        )

    def _oidc_providers(self) -> tuple[OidcProvider, ...]:
        listed = self._list("iam:ListOpenIDConnectProviders", "OpenIDConnectProviderList")
        arns = [each["Arn"] for each in listed]
        details = self._each(arns, lambda arn: self._call("iam:GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn))
        return tuple(
            OidcProvider(
                arn=arn,
                account=self._account,
                url=Arn.parse(arn).resource.partition("/")[2],
                client_ids=tuple(details.get(arn, {}).get("ClientIDList", ())),
                created=_maybe_utc(details.get(arn, {}).get("CreateDate")),
            )
            for arn in arns
        )

    def _instances(self, regions: Callable[[], Iterable[str]]) -> tuple[_Instance, ...]:
        try:
            found = self._list("sso:ListInstances", "Instances", RegionScope="ALL_REGIONS")
        except AwsError as error:
            if error.code not in _NOT_KNOWN:
                raise
            return self._instances_by_region(regions())
        if not all(each.get("PrimaryRegion") for each in found):
            return self._instances_by_region(regions())
        return _distinct(_instance(each, each["PrimaryRegion"]) for each in found)

    def _instances_by_region(self, regions: Iterable[str]) -> tuple[_Instance, ...]:
        """Ask each enabled Region for its own; those that the SDK knows not to have Identity Center are left out."""
        boto = self._session.boto
        lacking = set(boto.get_available_regions("ec2")) - set(boto.get_available_regions("sso-admin"))
        found = self._each(
            [region for region in regions if region not in lacking],
            lambda region: self._list("sso:ListInstances", "Instances", region=region),
        )
        return _distinct(
            _instance(each, each.get("PrimaryRegion") or region)
            for region, instances in found.items()
            for each in instances
        )

    def _content(self, instance: _Instance, read: Callable[[_Instance], tuple[T, ...]]) -> tuple[T, ...]:
        try:
            return read(instance)
        except AwsError as error:
            gap = _gap(error, self._account)
            if instance.shown.owner not in (None, self._account) and isinstance(error, AccessDenied):
                remedy = (
                    f"connect account {instance.shown.owner}, which owns the instance, or its delegated administrator"
                )
                gap = msgspec.structs.replace(gap, remedy=remedy)
            self.gaps.append(gap)
            return ()

    def _permission_sets(self, instance: _Instance) -> tuple[PermissionSet, ...]:
        arn, region = instance.shown.arn, instance.region
        try:
            described = self._call("sso:DescribeInstance", region=region, InstanceArn=arn)
        except AccessDenied:
            described = {}  # only instances of a single account have none, and ListPermissionSets then says so
        if described.get("PermissionSetsEnabled") is False:
            return ()
        sets = self._list("sso:ListPermissionSets", "PermissionSets", region=region, InstanceArn=arn)
        details = self._each(
            sets,
            lambda each: self._call("sso:DescribePermissionSet", region=region, InstanceArn=arn, PermissionSetArn=each)[
                "PermissionSet"
            ],
        )
        accounts = self._each(
            sets,
            lambda each: self._list(
                "sso:ListAccountsForProvisionedPermissionSet",
                "AccountIds",
                region=region,
                InstanceArn=arn,
                PermissionSetArn=each,
            ),
        )
        return tuple(
            PermissionSet(
                arn=each,
                name=detail["Name"],
                instance_arn=arn,
                created=_maybe_utc(detail.get("CreatedDate")),
                session_duration=detail.get("SessionDuration"),
                accounts=tuple(sorted(accounts.get(each, ()))),
            )
            for each, detail in details.items()
        )

    def _people(self, instance: _Instance) -> tuple[DirectoryUser, ...]:
        store = instance.shown.identity_store_id
        users = self._list("identitystore:ListUsers", "Users", region=instance.region, IdentityStoreId=store)
        return tuple(_person(user, store) for user in users)

    def _client(self, service: str, region: str | None) -> Any:
        return self._session.client(_SDK_NAMES.get(service, service), region)

    def _call(self, action: str, *, region: str | None = None, **arguments: Any) -> Any:
        from botocore import xform_name  # noqa: PLC0415

        service, _, operation = action.partition(":")
        client = self._client(service, region)
        with aws_errors(action, account=self._account, region=client.meta.region_name):
            return getattr(client, xform_name(operation))(**arguments)

    def _list(self, action: str, key: str, *, region: str | None = None, **arguments: Any) -> list[Any]:
        """All pages of a list."""
        from botocore import xform_name  # noqa: PLC0415

        service, _, operation = action.partition(":")
        client, method = self._client(service, region), xform_name(operation)
        if not client.can_paginate(method):
            answer = self._call(action, region=region, **arguments)
            return list(answer.get(key, ()))
        with aws_errors(action, account=self._account, region=client.meta.region_name):
            pages = client.get_paginator(method).paginate(**arguments)
            return [item for page in pages for item in page.get(key, ())]

    def _either(self, action: str, key: str, **arguments: Any) -> tuple[list[Any], AwsError | None]:
        """All pages of a list, or why not, where another action may tell the same."""
        try:
            return self._list(action, key, **arguments), None
        except AwsError as error:
            return [], error

    def _each(self, items: Iterable[str], call: Callable[[str], R]) -> dict[str, R]:
        """What ``call`` gives for each item, several at a time. What fails is left out; alike failures are one gap."""

        def tried(item: str) -> R | TrailwardenError:
            try:
                return call(item)
            except TrailwardenError as error:
                return error

        asked = list(items)
        results: dict[str, R] = {}
        failures: dict[tuple[str, str], list[TrailwardenError]] = defaultdict(list)
        for item, result in zip(asked, self._pool.map(tried, asked), strict=True):
            if isinstance(result, TrailwardenError):
                code, operation = getattr(result, "code", type(result).__name__), getattr(result, "operation", "")
                failures[operation, code].append(result)
            else:
                results[item] = result
        self.gaps += [_gap(alike[0], self._account, of=len(alike)) for alike in failures.values()]
        return results


def _reported(key: AccessKey, line: ReportedUser) -> AccessKey | None:
    """The key with its last use from the report, if just one of the report's keys is as old as it is."""
    alike = [each for each in line.keys if each.rotated == key.created.replace(microsecond=0)]
    if len(alike) != 1:
        return None
    told = alike[0]
    return msgspec.structs.replace(
        key, last_used=told.last_used, last_service=told.last_service, last_region=told.last_region
    )


def _instance(raw: Mapping[str, Any], region: str) -> _Instance:
    shown = IdentityCenterInstance(
        arn=raw["InstanceArn"],
        identity_store_id=raw["IdentityStoreId"],
        owner=raw.get("OwnerAccountId"),
        name=raw.get("Name"),
        status=raw.get("Status"),
    )
    return _Instance(shown, region)


def _distinct(instances: Iterable[_Instance]) -> tuple[_Instance, ...]:
    """Each instance once: one that is replicated shows in several Regions."""
    return tuple({each.shown.arn: each for each in instances}.values())


def _person(user: Mapping[str, Any], store: str) -> DirectoryUser:
    emails = sorted(user.get("Emails") or (), key=lambda email: not email.get("Primary"))
    status = user.get("UserStatus")
    return DirectoryUser(
        identity_store_id=store,
        user_id=user["UserId"],
        user_name=user.get("UserName", ""),
        emails=tuple(email["Value"] for email in emails if email.get("Value")),
        display_name=user.get("DisplayName"),
        active=None if status is None else status == "ENABLED",
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _maybe_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def _gap(error: TrailwardenError, account: str, *, of: int = 1) -> Gap:
    """Why something was not read; ``of`` counts the calls that failed alike."""
    return Gap(
        kind="denied" if isinstance(error, AccessDenied) else "failed",
        reason=error.message if of == 1 else f"{error.message}, and {of - 1} more calls alike",
        account=account,
        remedy=error.remedy,
    )
