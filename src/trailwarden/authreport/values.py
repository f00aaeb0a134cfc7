"""The values of the report."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from ..model.finding import Finding
from ..model.session import AuthMethod

UnmatchedKind = Literal[
    "saml_provider",
    "oidc_provider",
    "identity_center",
    "identity_center_user",
    "permission_set",
    "iam_user",
    "access_key",
]


class ProviderUse(msgspec.Struct, frozen=True, kw_only=True):
    """An identity provider as the records show it; ``arn`` None where no record has it."""

    name: str
    arn: str | None
    sessions: int
    last_seen: datetime


class MfaShare(msgspec.Struct, frozen=True, kw_only=True):
    """Of how many sessions the records tell whether there was MFA, and how many of those had it."""

    known: int
    with_mfa: int


class MethodUse(msgspec.Struct, frozen=True, kw_only=True):
    """One method that was seen.

    ``people`` counts distinct people by the best id that the records give: Identity Center userId, ARN of an
    IAM user, SAML subject, root user of an account. ``workloads`` counts what is no person: roles of
    instances (not the instances), functions, service accounts, subjects of pipelines, AWS services, and IAM
    users that the directory shows without password, MFA and address. The sessions of ``unattributed`` lead to
    neither, as far as the records tell. ``examples`` are ids of events.
    """

    method: AuthMethod
    people: int
    people_sample: tuple[str, ...]
    workloads: int
    workloads_sample: tuple[str, ...]
    unattributed: int
    sessions: int
    events: int
    errors: int
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    providers: tuple[ProviderUse, ...]
    first_seen: datetime
    last_seen: datetime
    mfa: MfaShare
    examples: tuple[str, ...]


class ConfiguredProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A SAML or OpenID Connect provider in IAM. ``seen`` None: the account's records are not at hand."""

    name: str
    arn: str
    account: str
    created: datetime | None = None
    valid_until: datetime | None = None
    client_ids: tuple[str, ...] = ()
    seen: bool | None = None
    last_seen: datetime | None = None


class ConfiguredInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An Identity Center instance; ``users`` None where its identity store was not read."""

    arn: str
    identity_store_id: str
    owner: str | None
    name: str | None
    status: str | None
    users: int | None
    seen: bool | None
    last_seen: datetime | None


class ConfiguredPermissionSet(msgspec.Struct, frozen=True, kw_only=True):
    """A permission set and the accounts it is provisioned to."""

    name: str
    arn: str
    accounts: tuple[str, ...]
    seen: bool | None
    last_seen: datetime | None


class ConfiguredIamUsers(msgspec.Struct, frozen=True, kw_only=True):
    """IAM users of the accounts whose users were read. Counts leave out users of whom AWS would not say.

    ``unsaid`` are those whose password or MFA AWS would not tell. Keys are counted where they were read, None:
    nowhere; ``oldest_key_days`` is the age of the oldest active key in whole days.
    """

    accounts: tuple[str, ...]
    total: int
    console_password: int
    console_without_mfa: int
    with_mfa: int
    unsaid: int
    with_active_keys: int | None
    active_keys: int | None
    active_keys_never_used: int | None
    oldest_key_days: int | None
    oldest_key: str | None
    seen: int


class ConfiguredRoot(msgspec.Struct, frozen=True, kw_only=True):
    """The root user of an account; None where AWS would not say."""

    account: str
    mfa: bool | None
    access_keys: bool | None
    password_last_used: datetime | None
    seen: bool | None
    last_seen: datetime | None


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """What AWS is set up for. ``not_read`` maps an account to the parts of it that are not in here.

    ``iam_users`` is None where no account's users were read.
    """

    saml_providers: tuple[ConfiguredProvider, ...] = ()
    oidc_providers: tuple[ConfiguredProvider, ...] = ()
    identity_center: tuple[ConfiguredInstance, ...] = ()
    permission_sets: tuple[ConfiguredPermissionSet, ...] = ()
    iam_users: ConfiguredIamUsers | None = None
    root_users: tuple[ConfiguredRoot, ...] = ()
    not_read: Mapping[str, tuple[str, ...]] = {}


class Unmatched(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Something that only one side has: the configuration, or the records."""

    kind: UnmatchedKind
    name: str
    account: str | None
    arn: str | None = None
    detail: str = ""


class AuthModel(msgspec.Struct, frozen=True, kw_only=True):
    """How users and workloads authenticate.

    ``unused`` is configured, and not in the records; ``unknown`` is in the records, and not in the
    configuration that was read. ``summary`` says the whole in sentences whose numbers are in here;
    ``notes`` are the limits.
    """

    methods: tuple[MethodUse, ...]
    configured: Configured
    unused: tuple[Unmatched, ...]
    unknown: tuple[Unmatched, ...]
    findings: tuple[Finding, ...]
    summary: tuple[str, ...]
    notes: tuple[str, ...]
