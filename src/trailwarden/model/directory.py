"""Who can sign in, as AWS is configured: users, providers, and the people of IAM Identity Center."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from .finding import Gap


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """A long-lived key of an IAM user. ``last_used`` None: never, as far as AWS tracks it."""

    id: str
    active: bool
    created: datetime
    last_used: datetime | None = None
    last_service: str | None = None
    last_region: str | None = None


class IamUser(msgspec.Struct, frozen=True, kw_only=True):
    """An IAM user. ``console_password`` and ``mfa`` are None where AWS would not say."""

    arn: str
    name: str
    id: str
    account: str
    created: datetime
    tags: Mapping[str, str] = {}
    console_password: bool | None = None
    password_last_used: datetime | None = None
    mfa: bool | None = None
    access_keys: tuple[AccessKey, ...] = ()


class RootUser(msgspec.Struct, frozen=True, kw_only=True):
    """The root user of an account; None where AWS would not say."""

    account: str
    mfa: bool | None = None
    access_keys: bool | None = None
    password_last_used: datetime | None = None


class SamlProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A SAML provider in IAM."""

    arn: str
    account: str
    created: datetime | None = None
    valid_until: datetime | None = None

    @property
    def name(self) -> str:
        """The provider's name: the last part of its ARN."""
        return self.arn.rsplit("/", 1)[-1]


class OidcProvider(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenID Connect provider in IAM. ``url`` has no scheme, as IAM writes it."""

    arn: str
    account: str
    url: str
    client_ids: tuple[str, ...] = ()
    created: datetime | None = None


class IdentityCenterInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance of IAM Identity Center."""

    arn: str
    identity_store_id: str
    owner: str | None = None
    name: str | None = None
    status: str | None = None


class PermissionSet(msgspec.Struct, frozen=True, kw_only=True):
    """A permission set; ``accounts`` are those that it is provisioned to."""

    arn: str
    name: str
    instance_arn: str
    created: datetime | None = None
    session_duration: str | None = None
    accounts: tuple[str, ...] = ()


class DirectoryUser(msgspec.Struct, frozen=True, kw_only=True):
    """A person in an identity store. ``active`` None: AWS does not say."""

    identity_store_id: str
    user_id: str
    user_name: str
    emails: tuple[str, ...] = ()
    display_name: str | None = None
    active: bool | None = None


class AccountDirectory(msgspec.Struct, frozen=True, kw_only=True):
    """How one account can be entered, as read at ``taken``; ``gaps`` are what AWS refused or failed to show.

    ``read`` names the parts that were read, so that an empty list means that there is none:
    ``iam_users``, ``access_keys``, ``root``, ``saml_providers``, ``oidc_providers``, ``identity_center``,
    ``identity_store``.
    """

    account: str
    taken: datetime
    read: tuple[str, ...] = ()
    iam_users: tuple[IamUser, ...] = ()
    root: RootUser | None = None
    saml_providers: tuple[SamlProvider, ...] = ()
    oidc_providers: tuple[OidcProvider, ...] = ()
    instances: tuple[IdentityCenterInstance, ...] = ()
    permission_sets: tuple[PermissionSet, ...] = ()
    people: tuple[DirectoryUser, ...] = ()
    gaps: tuple[Gap, ...] = ()


class Directory(msgspec.Struct, frozen=True):
    """The accounts' directories together; an account that could not be read at all is in ``gaps``."""

    accounts: tuple[AccountDirectory, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def all_gaps(self) -> tuple[Gap, ...]:
        """Everything that was not read."""
        return (*self.gaps, *(gap for account in self.accounts for gap in account.gaps))

    @property
    def people(self) -> tuple[DirectoryUser, ...]:
        """The people of all identity stores, each once."""
        people = (person for account in self.accounts for person in account.people)
        return tuple({(person.identity_store_id, person.user_id): person for person in people}.values())


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """What the installation's keepers say of a person: that a name is theirs, or that it is not (``denies``).

    ``kind`` is an IdentifierKind of ``model.session``; ``account`` narrows a name to one account.
    """

    person: str
    kind: str
    value: str
    account: str | None = None
    denies: bool = False
    reason: str = ""
    added: datetime
    added_by: str
