"""What surrounds the IAM of an account: its organisation's policies, its resources' policies, and what is in use.

Sources: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec

from .finding import Gap
from .policy import AccountAuthorization, Policy, Statement

#: Policies by level of the organisation: the root's first, then each unit's, the account's own last.
Levels: TypeAlias = tuple[tuple[Policy, ...], ...]
#: How far back AWS tells when a service was last used, at the least.
TRACKING_PERIOD = timedelta(days=400)
#: The services whose resource policies are read, by their IAM prefix.
RESOURCE_SERVICES = ("kms", "lambda", "s3", "secretsmanager", "sns", "sqs")


class ServiceLastAccess(msgspec.Struct, frozen=True, kw_only=True):
    """When a principal last tried to use a service that its policies allow; refused attempts count too.

    ``service`` is the IAM prefix (``s3``). ``last`` None: not since ``tracked_since``.
    """

    service: str
    last: datetime | None
    tracked_since: datetime
    region: str | None = None


class AccessKeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """One access key of a user or root user, as the credential report tells of it: without its id.

    ``number`` is 1 or 2. ``rotated`` is when the key was made, or made active again; the report tells it of active
    keys alone. ``last_used`` None: never, or not in the time that AWS keeps. A key that is inactive and was never used
    does not show in the report, and is missing here.
    """

    number: int
    active: bool
    rotated: datetime | None = None
    last_used: datetime | None = None
    last_service: str | None = None
    last_region: str | None = None


class OrganizationPolicies(msgspec.Struct, frozen=True, kw_only=True):
    """What an organisation lets happen in one of its accounts.

    ``path`` are the ids of the root, each organizational unit, and the account; ``scps`` and ``rcps`` have one level
    for each. They are None where the organisation has not enabled that type of policy: nothing is limited then.
    An empty level of an enabled type lets nothing happen.
    """

    id: str
    management_account: str
    account: str
    path: tuple[str, ...]
    scps: Levels | None = None
    rcps: Levels | None = None

    @property
    def binding_scps(self) -> Levels | None:
        """The SCPs that bind principals of the account. None: none do, as in the management account."""
        return None if self.account == self.management_account else self.scps

    @property
    def binding_rcps(self) -> Levels | None:
        """The RCPs that bind resources of the account. None: none do, as in the management account."""
        return None if self.account == self.management_account else self.rcps


class ResourcePolicyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of a resource; ``service`` is the IAM prefix, ``account`` the owner.

    ``restricts_public``, of S3 buckets: whether the bucket's own Block Public Access (RestrictPublicBuckets) keeps the
    public out whatever the policy says; None if that is not known. The account's own setting is not looked at.
    """

    arn: str
    service: str
    account: str
    policy: Policy
    restricts_public: bool | None = None


class AuthorizationSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides who may do what in one account, as it was at ``taken``.

    ``read`` names the parts that were read whole: ``authorization``, ``organization``, ``access_keys``, and
    ``resource_policies.s3`` and so on. What is not in there may be empty because nobody looked; ``gaps`` say why.
    ``organization`` is None also for an account that is known to be in none. ``last_access`` is by the ARN of the
    principals that were asked for, ``access_keys`` by the ARN of users (the root user's ends in ``:root``) that the
    credential report of ``keys_taken`` knows.
    """

    account: str
    taken: datetime
    authorization: AccountAuthorization
    organization: OrganizationPolicies | None = None
    resource_policies: tuple[ResourcePolicyDocument, ...] = ()
    last_access: Mapping[str, tuple[ServiceLastAccess, ...]] = {}
    access_keys: Mapping[str, tuple[AccessKeyUse, ...]] = {}
    keys_taken: datetime | None = None
    read: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()


ChangeKind = Literal[
    "principal_added",
    "principal_removed",
    "principal_replaced",  # the same name, but another user or role
    "policy_created",
    "policy_deleted",
    "policy_attached",
    "policy_detached",
    "policy_edited",
    "trust_changed",
    "boundary_changed",
    "group_joined",
    "group_left",
    "resource_policy_changed",
    "organization_changed",
    "key_created",
    "key_gone",  # deleted or made inactive
    "not_compared",  # unknown on one side
]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between two snapshots.

    ``subject`` is the ARN of what changed: a principal, a group, a managed policy, a resource; for an organisation's
    policies the id of the root, unit or account. ``name`` is the policy, group or key within it, ``before`` and
    ``after`` what changed where that is not a document. ``added`` and ``removed`` are the statements that came and
    went; their order within the policy is no difference.
    """

    kind: ChangeKind
    subject: str
    name: str = ""
    before: str | None = None
    after: str | None = None
    added: tuple[Statement, ...] = ()
    removed: tuple[Statement, ...] = ()
