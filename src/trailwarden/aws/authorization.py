"""Who may do what in the connected accounts: IAM, the organisation's policies, the policies of resources, and use.

    snapshots, gaps = read_authorization(broker, state.connections.list(purpose="read"), progress=progress, now=now)

An account that cannot be entered, or does not show its IAM, is a gap; what else it does not show is a gap of its
snapshot. Not looked at: policies of single Lambda versions and aliases, S3 access points, KMS grants, and Block Public
Access of whole accounts. https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
"""

import codecs
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import AccessDenied, AwsError, NotFound, TrailwardenError, UsageError
from ..model.arn import Arn
from ..model.authorization import (
    TRACKING_PERIOD,
    AccessKeyUse,
    AuthorizationSnapshot,
    Levels,
    OrganizationPolicies,
    ResourcePolicyDocument,
    ServiceLastAccess,
)
from ..model.finding import Gap
from ..model.policy import (
    AccountAuthorization,
    Policy,
    PolicyKind,
    PolicySource,
    parse_authorization_details,
    parse_policy,
)
from ..progress import Progress
from .connection import Connection
from .credential_report import ReportedKey, parse_credential_report
from .errors import aws_errors

if TYPE_CHECKING:
    from .broker import AwsSession, Broker

#: The IAM actions that everything here takes. Those of ``organizations`` are needed in the management account (or a
#: delegated administrator) alone, but for DescribeOrganization.
AUTHORIZATION_NEEDS = (
    "iam:GetAccountAuthorizationDetails",
    "iam:GenerateCredentialReport",
    "iam:GetCredentialReport",
    "iam:GenerateServiceLastAccessedDetails",
    "iam:GetServiceLastAccessedDetails",
    "organizations:DescribeOrganization",
    "organizations:ListRoots",
    "organizations:ListParents",
    "organizations:ListPoliciesForTarget",
    "organizations:DescribePolicy",
    "kms:ListKeys",
    "kms:GetKeyPolicy",
    "lambda:ListFunctions",
    "lambda:GetPolicy",
    "s3:ListAllMyBuckets",
    "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock",
    "secretsmanager:ListSecrets",
    "secretsmanager:GetResourcePolicy",
    "sns:ListTopics",
    "sns:GetTopicAttributes",
    "sqs:ListQueues",
    "sqs:GetQueueAttributes",
    "account:ListRegions",
    "ec2:DescribeRegions",
)
#: Accounts that are read at the same time, and calls at the same time in each.
_ACCOUNTS, _CALLS = 8, 8
#: Seconds to wait each time that a report is still in the making.
_REPORT_WAITS = (0.5, 1.0, *(2.0 for _ in range(44)))
#: IAM actions whose API operation has another name.
_METHODS = {
    "s3:ListAllMyBuckets": "list_buckets",
    "s3:GetBucketPublicAccessBlock": "get_public_access_block",
}
_POLICY_TYPES: Mapping[PolicyKind, str] = {"scp": "SERVICE_CONTROL_POLICY", "rcp": "RESOURCE_CONTROL_POLICY"}
_LAST_ACCESSED = "iam:GetServiceLastAccessedDetails"
_NO_ORGANIZATION = "AWSOrganizationsNotInUseException"
_HOW_TO_MAKE = "make the file by: aws iam get-account-authorization-details > account.json"

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def read_authorization(
    broker: "Broker",
    connections: Sequence[Connection],
    *,
    progress: Progress,
    now: datetime,
    deep: Sequence[str] = (),
    regions: Sequence[str] | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> tuple[tuple[AuthorizationSnapshot, ...], tuple[Gap, ...]]:
    """A snapshot of each connected account, by account id, and the accounts that gave none.

    ``deep`` are ARNs of users and roles of which to ask when they last used each service (seconds for each).
    ``regions`` are where resource policies are read; None: in all enabled ones. ``sleep`` (seconds) is for tests.

    Raises:
        UsageError: one of ``deep`` is not an ARN.
    """
    chosen = {connection.account_id: connection for connection in reversed(connections)}
    wanted = [chosen[account] for account in sorted(chosen)]
    principals: dict[str, list[str]] = defaultdict(list)
    for arn in dict.fromkeys(deep):
        principals[Arn.parse(arn).account].append(arn)
    read: dict[str, _Read | Gap] = {}
    pool = ThreadPoolExecutor(_ACCOUNTS, thread_name_prefix="authorization")
    try:
        with progress.task("Reading who may do what", total=len(wanted), unit="accounts") as task:
            jobs = {
                pool.submit(
                    _read_account,
                    broker,
                    connection,
                    now=now,
                    deep=principals.get(connection.account_id, ()),
                    regions=regions,
                    sleep=sleep,
                ): connection
                for connection in wanted
            }
            for job in as_completed(jobs):
                account = jobs[job].account_id
                read[account] = job.result()
                task.advance(1, note=account)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    results = [read[connection.account_id] for connection in wanted]
    snapshots = _with_organizations(broker, chosen, [each for each in results if isinstance(each, _Read)])
    elsewhere = [
        Gap(
            kind="not_covered",
            reason=f"when {arn} last used services was not read: its account is not connected",
            account=account,
            remedy="connect the account: trailwarden accounts connect",
        )
        for account, arns in principals.items()
        if account not in chosen
        for arn in arns
    ]
    return snapshots, (*(each for each in results if isinstance(each, Gap)), *elsewhere)


def with_last_access(
    broker: "Broker",
    connection: Connection,
    snapshot: AuthorizationSnapshot,
    arns: Sequence[str],
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> AuthorizationSnapshot:
    """The snapshot, and when these users and roles of its account last used each service, asked now; what AWS refuses
    is a gap. ``sleep`` (seconds) is for tests."""
    try:
        session = broker.session(connection)
    except TrailwardenError as error:
        return msgspec.structs.replace(snapshot, gaps=(*snapshot.gaps, _gap(error, connection.account_id)))
    with ThreadPoolExecutor(_CALLS, thread_name_prefix="last-access") as pool:
        reader = _Reader(session, pool, connection.account_id, sleep)
        told = reader.each(arns, reader.last_access)
    return msgspec.structs.replace(
        snapshot, last_access={**snapshot.last_access, **told}, gaps=(*snapshot.gaps, *reader.gaps)
    )


class _Membership(msgspec.Struct, frozen=True):
    """The organisation that an account is in; ``id`` None: in none."""

    id: str | None
    management: str | None = None


class _Read(msgspec.Struct, frozen=True):
    """An account as it tells of itself. ``membership`` None: not known."""

    snapshot: AuthorizationSnapshot
    membership: _Membership | None


def _read_account(
    broker: "Broker",
    connection: Connection,
    *,
    now: datetime,
    deep: Sequence[str],
    regions: Sequence[str] | None,
    sleep: Callable[[float], object],
) -> _Read | Gap:
    account = connection.account_id
    try:
        session = broker.session(connection)
    except TrailwardenError as error:
        return _gap(error, account)
    with ThreadPoolExecutor(_CALLS, thread_name_prefix=f"authorization-{account}") as pool:
        reader = _Reader(session, pool, account, sleep)
        refused = reader.begin_report()
        try:
            authorization = reader.authorization()
        except TrailwardenError as error:
            return _gap(error, account)
        reader.read.append("authorization")
        reader.gaps += _unreadable(authorization, account)
        membership = reader.part(None, reader.membership, None)
        keys = reader.part("access_keys", partial(reader.access_keys, refused), None)
        resources = reader.resource_policies(
            connection.partition, lambda: regions if regions is not None else broker.enabled_regions(connection).enabled
        )
        last_access = reader.each(deep, reader.last_access)
    snapshot = AuthorizationSnapshot(
        account=account,
        taken=now,
        authorization=authorization,
        resource_policies=resources,
        last_access=last_access,
        access_keys=keys.by_user if keys is not None else {},
        keys_taken=keys.generated if keys is not None else None,
        read=tuple(reader.read),
        gaps=tuple(reader.gaps),
    )
    return _Read(snapshot, membership)


class _Keys(msgspec.Struct, frozen=True):
    generated: datetime
    by_user: Mapping[str, tuple[AccessKeyUse, ...]]


class _Resource(msgspec.Struct, frozen=True):
    """A resource that may have a policy; ``region`` is where to ask, ``arguments`` are what names it to the API."""

    arn: str
    region: str | None
    arguments: Mapping[str, Any]


class _Place(msgspec.Struct, frozen=True):
    """Where a resource was listed. ``region`` None: the service lists all Regions at once."""

    partition: str
    region: str | None
    account: str


class _Kind(msgspec.Struct, frozen=True, kw_only=True):
    """How one service lists its resources (``listing``, in ``member``) and shows a resource's policy."""

    listing: str
    member: str
    resource: Callable[[Any, _Place], _Resource]
    get: str
    document: Callable[[Any], str | None]
    regional: bool = True


def _queue(url: str, place: _Place) -> _Resource:
    name = url.rsplit("/", 1)[-1]
    return _Resource(
        f"arn:{place.partition}:sqs:{place.region}:{place.account}:{name}",
        place.region,
        {"QueueUrl": url, "AttributeNames": ["Policy"]},
    )


def _bucket(raw: Mapping[str, Any], place: _Place) -> _Resource:
    name = raw["Name"]
    return _Resource(f"arn:{place.partition}:s3:::{name}", raw.get("BucketRegion"), {"Bucket": name})


_KINDS: Mapping[str, _Kind] = {
    "kms": _Kind(
        listing="kms:ListKeys",
        member="Keys",
        resource=lambda raw, at: _Resource(raw["KeyArn"], at.region, {"KeyId": raw["KeyArn"], "PolicyName": "default"}),
        get="kms:GetKeyPolicy",
        document=lambda answer: answer.get("Policy"),
    ),
    "lambda": _Kind(
        listing="lambda:ListFunctions",
        member="Functions",
        resource=lambda raw, at: _Resource(raw["FunctionArn"], at.region, {"FunctionName": raw["FunctionArn"]}),
        get="lambda:GetPolicy",
        document=lambda answer: answer.get("Policy"),
    ),
    "s3": _Kind(
        listing="s3:ListAllMyBuckets",
        member="Buckets",
        resource=_bucket,
        get="s3:GetBucketPolicy",
        document=lambda answer: answer.get("Policy"),
        regional=False,
    ),
    "secretsmanager": _Kind(
        listing="secretsmanager:ListSecrets",
        member="SecretList",
        resource=lambda raw, at: _Resource(raw["ARN"], at.region, {"SecretId": raw["ARN"]}),
        get="secretsmanager:GetResourcePolicy",
        document=lambda answer: answer.get("ResourcePolicy"),
    ),
    "sns": _Kind(
        listing="sns:ListTopics",
        member="Topics",
        resource=lambda raw, at: _Resource(raw["TopicArn"], at.region, {"TopicArn": raw["TopicArn"]}),
        get="sns:GetTopicAttributes",
        document=lambda answer: answer.get("Attributes", {}).get("Policy"),
    ),
    "sqs": _Kind(
        listing="sqs:ListQueues",
        member="QueueUrls",
        resource=_queue,
        get="sqs:GetQueueAttributes",
        document=lambda answer: answer.get("Attributes", {}).get("Policy"),
    ),
}


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

    def authorization(self) -> AccountAuthorization:
        """IAM's users, groups, roles and policies."""
        return parse_authorization_details(self.pages("iam:GetAccountAuthorizationDetails"))

    def membership(self) -> _Membership:
        """The organisation that the account is in."""
        try:
            organization = self.call("organizations:DescribeOrganization")["Organization"]
        except AwsError as error:
            if error.code != _NO_ORGANIZATION:
                raise
            return _Membership(None)
        return _Membership(organization["Id"], organization["MasterAccountId"])

    def begin_report(self) -> AwsError | None:
        """Have a credential report made, if there is none of the last four hours; gives why that was refused."""
        try:
            self.call("iam:GenerateCredentialReport")
        except AwsError as error:
            return error
        return None

    def access_keys(self, refused: AwsError | None) -> _Keys:
        """Access keys by user, from the credential report: also if making one was ``refused`` and there is one."""
        try:
            answer = self._finished(self._report_if_ready, "iam:GetCredentialReport")
        except AwsError as error:
            raise refused or error from error
        users = parse_credential_report(answer["Content"].decode())
        return _Keys(
            generated=answer["GeneratedTime"].astimezone(UTC),
            by_user={
                arn: tuple(_key(number, key) for number, key in enumerate(user.keys, 1) if _exists(key))
                for arn, user in users.items()
            },
        )

    def last_access(self, arn: str) -> tuple[ServiceLastAccess, ...]:
        """When a principal last used each service that its policies allow."""
        job = self.call("iam:GenerateServiceLastAccessedDetails", Arn=arn, Granularity="SERVICE_LEVEL")["JobId"]
        answer = self._finished(lambda: self._job_if_done(job), _LAST_ACCESSED)
        if answer["JobStatus"] != "COMPLETED":
            told = answer.get("Error", {})
            raise AwsError(
                f"{_LAST_ACCESSED} failed in account {self._account}: {told.get('Message', 'no reason given')}",
                remedy="repeat the command in a few minutes",
                code=told.get("Code", answer["JobStatus"]),
                operation=_LAST_ACCESSED,
                account=self._account,
            )
        services = list(answer["ServicesLastAccessed"])
        since = answer["JobCompletionDate"].astimezone(UTC) - TRACKING_PERIOD
        while answer.get("IsTruncated"):
            answer = self.call(_LAST_ACCESSED, JobId=job, Marker=answer["Marker"])
            services += answer["ServicesLastAccessed"]
        return tuple(
            ServiceLastAccess(
                service=each["ServiceNamespace"],
                last=each["LastAuthenticated"].astimezone(UTC) if "LastAuthenticated" in each else None,
                tracked_since=since,
                region=each.get("LastAuthenticatedRegion"),
            )
            for each in sorted(services, key=lambda each: str(each["ServiceNamespace"]))
        )

    def resource_policies(
        self, partition: str, regions: Callable[[], Sequence[str]]
    ) -> tuple[ResourcePolicyDocument, ...]:
        """The policies of all resources of the six services. ``regions`` tells where to look."""
        where = self.part(None, regions, None)
        found: list[ResourcePolicyDocument] = []
        for service in _KINDS:
            if not _KINDS[service].regional:
                places: Sequence[_Place] = (_Place(partition, None, self._account),)
            elif where is not None:
                places = [_Place(partition, region, self._account) for region in where]
            else:
                continue
            found += self.part(f"resource_policies.{service}", partial(self._policies_of, service, places), [])
        return tuple(sorted(found, key=lambda each: each.arn))

    def _policies_of(self, service: str, places: Sequence[_Place]) -> list[ResourcePolicyDocument]:
        kind = _KINDS[service]
        listed = self.each(places, lambda place: self.list(kind.listing, kind.member, region=place.region))
        resources = {
            resource.arn: resource
            for place, answers in listed.items()
            for resource in (kind.resource(raw, place) for raw in answers)
        }
        read = self.each(resources, lambda arn: self._policy_of(kind, resources[arn]))
        policies = {arn: policy for arn, policy in read.items() if policy is not None}
        buckets = policies if service == "s3" else ()
        restricted = self.each(buckets, lambda arn: self._restricts_public(resources[arn]))
        return [
            ResourcePolicyDocument(
                arn=arn, service=service, account=self._account, policy=policy, restricts_public=restricted.get(arn)
            )
            for arn, policy in policies.items()
        ]

    def _policy_of(self, kind: _Kind, resource: _Resource) -> Policy | None:
        try:
            text = kind.document(self.call(kind.get, region=resource.region, **resource.arguments))
        except NotFound:
            return None
        source = PolicySource(kind="resource", name=Arn.parse(resource.arn).name, arn=resource.arn, holder=resource.arn)
        return parse_policy(text, source=source) if text else None

    def _restricts_public(self, bucket: _Resource) -> bool:
        try:
            answer = self.call("s3:GetBucketPublicAccessBlock", region=bucket.region, **bucket.arguments)
        except NotFound:
            return False
        return bool(answer["PublicAccessBlockConfiguration"].get("RestrictPublicBuckets"))

    def organization_policies(
        self, organization: _Membership, accounts: Sequence[str]
    ) -> dict[str, OrganizationPolicies]:
        """What binds each of ``accounts``; as the management account or a delegated administrator may ask.

        Raises:
            AwsError: this account may not ask, or AWS failed.
            PolicyError: a policy cannot be read.
        """
        root = self.list("organizations:ListRoots", "Roots")[0]
        enabled = {each["Type"] for each in root["PolicyTypes"] if each["Status"] == "ENABLED"}
        kinds = [kind for kind, name in _POLICY_TYPES.items() if name in enabled]
        paths = dict(
            zip(accounts, self._pool.map(lambda account: self._path(account, root["Id"]), accounts), strict=True)
        )
        targets = list(dict.fromkeys(target for path in paths.values() for target in path))
        asked = [(kind, target) for kind in kinds for target in targets]
        attached = dict(zip(asked, self._pool.map(lambda each: self._attached(*each), asked), strict=True))
        ids = list(dict.fromkeys(policy["Id"] for policies in attached.values() for policy in policies))
        described = self._pool.map(lambda each: self.call("organizations:DescribePolicy", PolicyId=each), ids)
        content = {each: answer["Policy"]["Content"] for each, answer in zip(ids, described, strict=True)}

        def levels(kind: PolicyKind, path: Sequence[str]) -> Levels | None:
            if kind not in kinds:
                return None
            return tuple(
                tuple(_organization_policy(kind, target, each, content[each["Id"]]) for each in attached[kind, target])
                for target in path
            )

        return {
            account: OrganizationPolicies(
                id=organization.id or "",
                management_account=organization.management or "",
                account=account,
                path=path,
                scps=levels("scp", path),
                rcps=levels("rcp", path),
            )
            for account, path in paths.items()
        }

    def _path(self, account: str, root: str) -> tuple[str, ...]:
        path = [account]
        while path[0] != root:
            path.insert(0, self.list("organizations:ListParents", "Parents", ChildId=path[0])[0]["Id"])
        return tuple(path)

    def _attached(self, kind: PolicyKind, target: str) -> list[Mapping[str, Any]]:
        return self.list("organizations:ListPoliciesForTarget", "Policies", TargetId=target, Filter=_POLICY_TYPES[kind])

    def part(self, name: str | None, call: Callable[[], T], otherwise: T) -> T:
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

    def each(self, items: Iterable[K], call: Callable[[K], T]) -> dict[K, T]:
        """What ``call`` gives for each item, several at a time. What fails is left out; alike failures are one gap."""

        def tried(item: K) -> T | TrailwardenError:
            try:
                return call(item)
            except TrailwardenError as error:
                return error

        asked = list(items)
        results: dict[K, T] = {}
        failures: dict[tuple[str, str], list[TrailwardenError]] = defaultdict(list)
        for item, result in zip(asked, self._pool.map(tried, asked), strict=True):
            if isinstance(result, TrailwardenError):
                code, operation = getattr(result, "code", type(result).__name__), getattr(result, "operation", "")
                failures[operation, code].append(result)
            else:
                results[item] = result
        self.gaps += [_gap(alike[0], self._account, of=len(alike)) for alike in failures.values()]
        return results

    def call(self, action: str, *, region: str | None = None, **arguments: Any) -> Any:
        """One call of an IAM action's operation."""
        client, method = self._method(action, region)
        with aws_errors(action, account=self._account, region=client.meta.region_name):
            return getattr(client, method)(**arguments)

    def pages(self, action: str, *, region: str | None = None, **arguments: Any) -> list[Any]:
        """All answers of an operation that AWS gives in pages; one where it has none."""
        client, method = self._method(action, region)
        if not client.can_paginate(method):
            return [self.call(action, region=region, **arguments)]
        with aws_errors(action, account=self._account, region=client.meta.region_name):
            return list(client.get_paginator(method).paginate(**arguments))

    def list(self, action: str, member: str, *, region: str | None = None, **arguments: Any) -> list[Any]:
        """All items of a list."""
        return [item for page in self.pages(action, region=region, **arguments) for item in page.get(member, ())]

    def _method(self, action: str, region: str | None) -> tuple[Any, str]:
        from botocore import xform_name  # noqa: PLC0415

        service, _, operation = action.partition(":")
        return self._session.client(service, region), _METHODS.get(action) or xform_name(operation)

    def _finished(self, ask: Callable[[], Any], action: str) -> Any:
        """What ``ask`` gives once it is not None: a report in the making takes seconds to minutes."""
        for seconds in _REPORT_WAITS:
            answer = ask()
            if answer is not None:
                return answer
            self._sleep(seconds)
        raise AwsError(
            f"{action} failed in account {self._account}: the report is not ready after "
            f"{sum(_REPORT_WAITS):.0f} seconds",
            remedy="repeat the command in a few minutes",
            code="ReportInProgress",
            operation=action,
            account=self._account,
        )

    def _report_if_ready(self) -> Any:
        try:
            return self.call("iam:GetCredentialReport")
        except AwsError as error:
            if error.code != "ReportInProgress":
                raise
            return None

    def _job_if_done(self, job: str) -> Any:
        answer = self.call(_LAST_ACCESSED, JobId=job)
        return None if answer["JobStatus"] == "IN_PROGRESS" else answer


def load_authorization_file(path: Path) -> AuthorizationSnapshot:
    """The account in a file, as ``aws iam get-account-authorization-details`` prints it, of the time of the file.

    A list of such answers, as pages, is read too; policy documents may be URL-encoded as IAM's API sends them.
    ``read`` is then ``authorization`` alone: nothing is known of the organisation, of resources and of use.

    Raises:
        UsageError: no such file, or it holds something else.
    """
    try:
        raw = path.read_bytes()
        taken = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", remedy="check the path and its permissions; to " + _HOW_TO_MAKE
        ) from error
    try:
        content = msgspec.json.decode(_utf8(raw))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        said = "it is empty" if not raw.strip() else str(error)
        raise UsageError(f"{path} is not JSON: {said}", remedy=_HOW_TO_MAKE) from error
    pages = content if isinstance(content, list) else [content]
    try:
        authorization = parse_authorization_details(pages)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", remedy=error.remedy) from error
    if authorization.account is None:
        raise UsageError(f"{path} names no account: it holds no user, group, role or policy", remedy=_HOW_TO_MAKE)
    gaps = _unreadable(authorization, authorization.account)
    if not authorization.complete:
        gaps.append(
            Gap(
                kind="not_covered",
                reason=f"{path} ends before AWS's list does (IsTruncated): principals and policies are missing",
                account=authorization.account,
                remedy="make it without --max-items and --no-paginate, or put all pages into one list",
            )
        )
    return AuthorizationSnapshot(
        account=authorization.account,
        taken=taken,
        authorization=authorization,
        read=("authorization",) if authorization.complete else (),
        gaps=tuple(gaps),
    )


def _utf8(raw: bytes) -> bytes:
    """The text as UTF-8 without a mark: PowerShell's ``>`` writes UTF-16."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16").encode()
    return raw.removeprefix(codecs.BOM_UTF8)


def _with_organizations(
    broker: "Broker", connections: Mapping[str, Connection], read: Sequence[_Read]
) -> tuple[AuthorizationSnapshot, ...]:
    """The snapshots, with the policies of their organisations: each organisation is asked once."""
    members: dict[str, list[str]] = defaultdict(list)
    organizations: dict[str, _Membership] = {}
    for each in read:
        if each.membership is not None and each.membership.id is not None:
            members[each.membership.id].append(each.snapshot.account)
            organizations[each.membership.id] = each.membership
    known = {
        organization: _ask_organization(broker, connections, organizations[organization], accounts)
        for organization, accounts in members.items()
    }

    def completed(each: _Read) -> AuthorizationSnapshot:
        if each.membership is None:
            return each.snapshot
        read_parts = (*each.snapshot.read, "organization")
        if each.membership.id is None:
            return msgspec.structs.replace(each.snapshot, read=read_parts)
        policies = known[each.membership.id]
        if isinstance(policies, Gap):
            gap = msgspec.structs.replace(policies, account=each.snapshot.account)
            return msgspec.structs.replace(each.snapshot, gaps=(*each.snapshot.gaps, gap))
        return msgspec.structs.replace(each.snapshot, read=read_parts, organization=policies[each.snapshot.account])

    return tuple(completed(each) for each in read)


def _ask_organization(
    broker: "Broker", connections: Mapping[str, Connection], organization: _Membership, accounts: Sequence[str]
) -> dict[str, OrganizationPolicies] | Gap:
    """What binds the accounts, from the first of them that may know: the management account, then any other."""
    failures: list[TrailwardenError] = []
    for account in sorted(accounts, key=lambda account: (account != organization.management, account)):
        with ThreadPoolExecutor(_CALLS, thread_name_prefix=f"organization-{account}") as pool:
            try:
                reader = _Reader(broker.session(connections[account]), pool, account, time.sleep)
                return reader.organization_policies(organization, accounts)
            except TrailwardenError as error:
                failures.append(error)
                if not isinstance(error, AccessDenied):
                    break
    if not isinstance(failures[-1], AccessDenied):
        return _gap(failures[-1], accounts[0])
    gap = _gap(failures[0], accounts[0])
    if organization.management in accounts:
        return gap
    return msgspec.structs.replace(
        gap,
        reason=f"the service control policies of organization {organization.id} are not known: {gap.reason}",
        remedy=f"connect its management account {organization.management}, or a delegated administrator",
    )


def _organization_policy(kind: PolicyKind, target: str, summary: Mapping[str, Any], content: str) -> Policy:
    return parse_policy(
        content, source=PolicySource(kind=kind, name=summary["Name"], arn=summary["Arn"], holder=target)
    )


def _exists(key: ReportedKey) -> bool:
    """Whether there is a key in this place. Of an inactive key the report has no more than that it was used."""
    return key.active or key.rotated is not None or key.last_used is not None


def _key(number: int, key: ReportedKey) -> AccessKeyUse:
    return AccessKeyUse(
        number=number,
        active=key.active,
        rotated=key.rotated,
        last_used=key.last_used,
        last_service=key.last_service,
        last_region=key.last_region,
    )


def _unreadable(authorization: AccountAuthorization, account: str) -> list[Gap]:
    """Documents that were left out, as one gap."""
    left_out = authorization.unreadable
    if not left_out:
        return []
    more = f", and {len(left_out) - 1} more policies" if len(left_out) > 1 else ""
    return [
        Gap(
            kind="failed",
            reason=f"{left_out[0].source} of {left_out[0].source.holder} cannot be read: {left_out[0].reason}{more}",
            account=account,
            remedy="what their holders may do is not known: look at the documents in the IAM console",
        )
    ]


def _gap(error: TrailwardenError, account: str, *, of: int = 1) -> Gap:
    """Why something was not read; ``of`` counts the calls that failed alike."""
    return Gap(
        kind="denied" if isinstance(error, AccessDenied) else "failed",
        reason=error.message if of == 1 else f"{error.message}, and {of - 1} more calls alike",
        account=account,
        remedy=error.remedy,
    )
