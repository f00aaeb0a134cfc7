"""What the tools about IAM share: snapshots of accounts, their permissions, what is in use, and the coverage."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from ..errors import SetupError
from ..installation import Installation
from ..model.authorization import AuthorizationSnapshot, OrganizationPolicies, ResourcePolicyDocument
from ..model.event import EventFilter
from ..model.finding import Coverage, Gap, Source
from ..model.iam_report import EscalationPath, IamEvidence
from ..model.policy import IamPrincipal, StatementRef
from ._kept import of_the_lake

if TYPE_CHECKING:
    from ..aws.connection import Connection
    from ..iam import Decision
    from ..iam.answers import Decide
    from ..iam.effective import Administrator, Permissions
    from ..iam.findings import Usage
    from ..lake.iam_snapshots import IamSnapshots

#: How old a kept snapshot may be.
MAX_AGE = timedelta(hours=1)
_JUDGED = "judged"

DetailsFile = Annotated[
    Path | None,
    Meta(
        description="Judge this file instead of connected accounts: what `aws iam get-account-authorization-details` "
        "printed",
        extra={"metavar": "FILE"},
    ),
]
RefreshIam = Annotated[bool, Meta(description="Read IAM from AWS again, even if it was read within the hour")]
Accounts = Annotated[
    tuple[str, ...],
    Meta(description="Only this connected account: its id (repeat for several)", extra={"metavar": "ACCOUNT"}),
]


class _Computed:
    """What follows from snapshots alone, computed once for as long as they are the same."""

    def __init__(self, known: tuple[tuple[str, datetime], ...], snapshots: Sequence[AuthorizationSnapshot]) -> None:
        from ..iam.effective import administrator, permissions_in  # noqa: PLC0415

        self.known = known
        self.permissions: dict[str, Permissions] = {}
        for each in snapshots:
            self.permissions |= permissions_in(each)
        self.administrators: dict[str, Administrator] = {
            arn: administrator(each) for arn, each in self.permissions.items()
        }
        self._paths: Mapping[str, tuple[EscalationPath, ...]] | None = None

    def paths(self, snapshots: Sequence[AuthorizationSnapshot]) -> Mapping[str, tuple[EscalationPath, ...]]:
        """The escalation paths over these snapshots."""
        from ..iam.escalation import Subject, escalations  # noqa: PLC0415

        if self._paths is None:
            subjects = [
                Subject(
                    each, permissions={own.arn: self.permissions[own.arn] for own in each.authorization.principals()}
                )
                for each in snapshots
            ]
            self._paths = escalations(subjects, administrators=self.administrators)
        return self._paths


class Judged:
    """Snapshots of the accounts in question, and everything that is computed of them once."""

    def __init__(
        self,
        app: Installation,
        snapshots: Sequence[AuthorizationSnapshot],
        gaps: Iterable[Gap],
        location: str,
        *,
        file: bool = False,
    ) -> None:
        self._app = app
        self.snapshots = tuple(snapshots)
        self._gaps = tuple(gaps)
        self._location = location
        self._file = file
        self.connected = {each.account_id for each in app.state.connections.list()}
        self.known_accounts = self.connected | {each.account for each in self.snapshots}
        known = tuple((each.account, each.taken) for each in self.snapshots)
        kept = app.kept.get(_JUDGED) if not file else None
        self._computed = kept if kept is not None and kept.known == known else _Computed(known, self.snapshots)
        if not file:
            app.kept[_JUDGED] = self._computed
        self.permissions = self._computed.permissions
        self._entities: dict[str, tuple[AuthorizationSnapshot, IamPrincipal]] = {
            principal.arn: (each, principal) for each in self.snapshots for principal in each.authorization.principals()
        }
        self._resources = {held.arn: held for each in self.snapshots for held in each.resource_policies}
        self.administrators = self._computed.administrators

    def ask_last_access(self, arn: str) -> None:
        """Ask AWS when a user or role last used each service, unless that is known or the account is not connected."""
        from ..aws.authorization import with_last_access  # noqa: PLC0415

        account = arn.split(":")[4]
        known = any(arn in each.last_access for each in self.snapshots)
        if self._file or known or account not in self.connected:
            return
        connection = self._app.state.connections.get(account, purpose="read")
        self.snapshots = tuple(
            with_last_access(self._app.broker, connection, each, (arn,)) if each.account == account else each
            for each in self.snapshots
        )

    def console_without_mfa(self) -> tuple[str, ...] | None:
        """The users who can sign in without MFA, by ARN; None where users were not read."""
        from ._directory import directory_of  # noqa: PLC0415

        accounts = {each.account for each in self.snapshots}
        if self._file or not accounts <= self.connected:
            return None
        directory = directory_of(self._app)
        read = [each for each in directory.accounts if each.account in accounts and "iam_users" in each.read]
        if len(read) < len(accounts):
            return None
        return tuple(
            user.arn for each in read for user in each.iam_users if user.console_password and user.mfa is False
        )

    def paths(self) -> Mapping[str, tuple[EscalationPath, ...]]:
        """The escalation paths of all principals, over all accounts at hand."""
        return self._computed.paths(self.snapshots)

    def decide_on(self, arn: str, resource: str) -> "Decide | None":
        """What decides an action of a principal on a resource whose own policy is at hand; None where it is not."""
        from ..iam import Policies, Request, authorize  # noqa: PLC0415
        from ..iam.effective import principal_of  # noqa: PLC0415

        held = self.policy_of(resource)
        if held is None:
            return None
        snapshot, entity = self._entities[arn]
        ours, theirs = snapshot.organization, self._organization_of(held.account)
        policies = Policies(
            snapshot.authorization.identity_policies(entity),
            snapshot.authorization.boundary_of(entity),
            None,
            held.policy,
            scps=ours.binding_scps if ours else None,
            rcps=theirs.binding_rcps if theirs else None,
            management_account=ours is not None and ours.account == ours.management_account,
        )
        principal = principal_of(entity)

        def decide(action: str) -> "Decision":
            return authorize(
                Request(action, resource, principal, resource_account=held.account, unknown_context=True), policies
            )

        return decide

    def policy_of(self, resource: str) -> ResourcePolicyDocument | None:
        """The policy of one resource, or of the bucket that an object lies in; None where it is not at hand."""
        if "*" in resource or "?" in resource:
            return None
        found = self._resources.get(resource)
        if found is None and resource.startswith("arn:") and ":s3:::" in resource:
            found = self._resources.get(resource.split("/", 1)[0])
        return found

    def _organization_of(self, account: str) -> OrganizationPolicies | None:
        return next((each.organization for each in self.snapshots if each.account == account), None)

    def usage(self, account: str, arn: str | None = None) -> Mapping[str, "Usage"] | None:
        """What the lake shows in use, by ARN; None where it holds no record of the account."""
        from ..iam.findings import Usage  # noqa: PLC0415
        from ..iam.used import action_of  # noqa: PLC0415
        from ..lake.usage import calls_of_principals  # noqa: PLC0415

        where = EventFilter(account=(account,))
        words = _coverage_in_words(self._app, where)
        if words is None:
            return None
        if arn is None:
            recorded = of_the_lake(
                self._app, f"calls in {account}", lambda: calls_of_principals(self._app.lake, where, None)
            )
        else:
            recorded = calls_of_principals(self._app.lake, _of_principal(account, arn), None, resources=True)
        found: dict[str, Usage] = {}
        for principal, calls in recorded.items():
            actions: dict[str, tuple[str, ...] | None] = {}
            for operation, called in calls.items():
                action = action_of(*operation)
                if action is None:
                    continue
                before = actions.get(action, ())
                merged = None if before is None or called.resources is None else (*before, *called.resources)
                actions[action] = tuple(sorted(set(merged))) if merged is not None else None
            found[principal] = Usage(actions=actions, coverage=words)
        return found

    def coverage(self, notes: Iterable[str] = ()) -> Coverage:
        """What was read of IAM, and what was not."""
        gaps = (*self._gaps, *(gap for each in self.snapshots for gap in each.gaps))
        taken = [each.taken for each in self.snapshots]
        accounts = tuple(each.account for each in self.snapshots)
        source = Source(
            kind="iam",
            location=self._location,
            accounts=accounts,
            records=sum(len(each.authorization.users) + len(each.authorization.roles) for each in self.snapshots),
            first=min(taken, default=None),
            last=max(taken, default=None),
        )
        looked = Coverage(sources=(source,), accounts=accounts, fresh_until=min(taken, default=None))
        return looked.with_gaps(gaps, notes)


def judged(
    app: Installation,
    *,
    file: Path | None = None,
    accounts: Sequence[str] = (),
    refresh: bool = False,
) -> Judged:
    """The accounts in question: a file, or the connected accounts, whose snapshots are kept for MAX_AGE.

    Raises:
        UsageError: the file cannot be read, or an account is not connected.
        SetupError: no account is connected, and no file given.
    """
    if file is not None:
        from ..aws.authorization import load_authorization_file  # noqa: PLC0415

        return Judged(app, (load_authorization_file(file),), (), str(file), file=True)
    if accounts:
        connections = [app.state.connections.get(each, purpose="read") for each in accounts]
    else:
        connections = [each for each in app.state.connections.list() if each.purpose != "respond"]
    if not connections:
        raise SetupError(
            "no account is connected, so that there is no IAM to read",
            remedy="connect one (accounts connect), or give a file: aws iam get-account-authorization-details > "
            "account.json, then --authorization-details account.json",
        )
    from ..aws.authorization import read_authorization  # noqa: PLC0415
    from ..lake.iam_snapshots import IamSnapshots  # noqa: PLC0415

    kept = IamSnapshots(app.lake.root)
    now = app.now()
    snapshots: dict[str, AuthorizationSnapshot] = {}
    for each in connections if not refresh else ():
        found = kept.latest(each.account_id, now=now, max_age=MAX_AGE)
        if found is not None:
            snapshots[each.account_id] = found
    gaps: tuple[Gap, ...] = ()
    if stale := [each for each in connections if each.account_id not in snapshots]:
        asked = _with_management(app, kept, stale)
        read, gaps = read_authorization(app.broker, asked, progress=app.progress, now=now)
        for snapshot in read:
            kept.save(snapshot)
            snapshots[snapshot.account] = snapshot
    wanted = {each.account_id for each in connections}
    ordered = [snapshots[account] for account in sorted(snapshots) if account in wanted]
    return Judged(app, ordered, gaps, "GetAccountAuthorizationDetails")


def _with_management(app: Installation, kept: "IamSnapshots", stale: "Sequence[Connection]") -> "list[Connection]":
    """The connections to read, and that of the organisation's management account, through which alone its policies can
    be read; all of them, as long as nobody knows which that is."""
    readable = [each for each in app.state.connections.list() if each.purpose != "respond"]
    named = {each.account_id for each in stale}
    known = [kept.latest(each.account_id, now=app.now()) for each in readable]
    managing = {each.organization.management_account for each in known if each is not None and each.organization}
    return [each for each in readable if not managing or each.account_id in named | managing]


def evidence_of(ref: StatementRef) -> IamEvidence:
    """A statement as evidence."""
    return IamEvidence(
        policy=ref.source.arn or ref.source.name or None, holder=ref.source.holder, statement=ref.index, sid=ref.sid,
        text=str(ref),
    )  # fmt: skip


def _of_principal(account: str, arn: str) -> EventFilter:
    if ":role/" in arn:
        return EventFilter(account=(account,), role=(arn,))
    return EventFilter(account=(account,), arn=(arn,))


def _coverage_in_words(app: Installation, where: EventFilter) -> str | None:
    """``CloudTrail of account … from … to …``; None where the lake holds no record of it."""
    from ..lake.coverage import coverage  # noqa: PLC0415

    looked = coverage(app.lake, where, None, now=app.now())
    firsts = [each.first for each in looked.sources if each.first is not None]
    lasts = [each.last for each in looked.sources if each.last is not None]
    if not firsts or not lasts:
        return None
    return (
        f"CloudTrail of account {', '.join(where.account)} as ingested, from {min(firsts):%Y-%m-%d} to "
        f"{max(lasts):%Y-%m-%d}, {len(looked.regions)} Regions; data events only where a trail records them"
    )
