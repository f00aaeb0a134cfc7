"""The scenario: who and what the simulated organisation is made of. Cheap to build; nothing is recorded yet."""

from datetime import UTC, datetime, timedelta

import msgspec

from ..errors import UsageError
from .ids import draw, uuid
from .people import IamUser, Person, iam_users, identity_store_id, roster
from .roles import SSO_REGION, Role, roles
from .workloads import Workload, workloads

REGIONS = ("us-east-1", "us-west-2", "eu-central-1", "eu-west-1")
PERIOD = timedelta(days=30)
#: The IAM user of the management account that this installation is.
INSTALLATION_USER = "trailwarden-installation"


class Account(msgspec.Struct, frozen=True):
    """A member of the organisation. ``unit`` is its organisational unit; empty at the root."""

    id: str
    name: str
    email: str
    unit: str


class Connection(msgspec.Struct, frozen=True):
    """How this installation reaches an account: the role to assume, and the External ID that its trust asks for."""

    account: Account
    role_arn: str
    external_id: str


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """The simulated organisation as of ``anchor``, the present of its story.

    ``records`` is about how many records of everyday activity there are in the 30 days before; the
    incident comes on top of them. Everything follows from ``seed``, ``anchor`` and ``records``.
    """

    seed: int
    anchor: datetime
    records: int
    organization_id: str
    accounts: tuple[Account, ...]
    identity_store_id: str
    instance_arn: str
    people: tuple[Person, ...]
    iam_users: tuple[IamUser, ...]
    roles: tuple[Role, ...]
    workloads: tuple[Workload, ...]
    connections: tuple[Connection, ...]
    responders: tuple[Connection, ...]
    trail_bucket: str = "acme-organization-trail"
    trail_name: str = "organization-trail"
    sso_region: str = SSO_REGION

    @property
    def start(self) -> datetime:
        """The first instant of the recorded period; ``anchor`` is its end."""
        return self.anchor - PERIOD

    @property
    def management(self) -> Account:
        """The management account: security tooling, this installation's principal, the trail's bucket."""
        return self.accounts[0]

    @property
    def production(self) -> Account:
        """The production account."""
        return self.accounts[1]

    @property
    def development(self) -> Account:
        """The development account."""
        return self.accounts[2]

    @property
    def installation_arn(self) -> str:
        """This installation's own principal, an IAM user, named in the connection roles' trust policies."""
        return f"arn:aws:iam::{self.management.id}:user/{INSTALLATION_USER}"

    @property
    def identity_store_arn(self) -> str:
        """The identity store, as ``onBehalfOf`` names it."""
        return f"arn:aws:identitystore::{self.management.id}:identitystore/{self.identity_store_id}"

    @property
    def start_url(self) -> str:
        """Where people sign in."""
        return f"https://{self.identity_store_id}.awsapps.com/start/"

    def person(self, name: str) -> Person:
        """The person of this name."""
        return next(person for person in self.people if person.name == name)

    def iam_user(self, name: str) -> IamUser:
        """The IAM user of this name."""
        return next(user for user in self.iam_users if user.name == name)

    def role(self, account_id: str, name: str) -> Role:
        """The role of this name; of Identity Center's roles the permission set is enough."""
        return next(
            role
            for role in self.roles
            if role.account_id == account_id and (role.name == name or role.name.startswith(f"AWSReservedSSO_{name}_"))
        )


def build_scenario(*, anchor: datetime, seed: int = 7, records: int = 20_000) -> Scenario:
    """The organisation of a seed, as of ``anchor`` (aware; fractions of a second are dropped).

    Raises:
        UsageError: ``anchor`` has no time zone, or fewer than 1,000 records are asked for.
    """
    if anchor.tzinfo is None:
        raise UsageError("the anchor of a scenario needs a time zone", remedy="give it in UTC")
    if records < 1_000:
        raise UsageError(f"{records} records are too few for a scenario", remedy="ask for 1000 or more")
    accounts = (
        Account("111111111111", "acme-security", "aws-security@company.com", ""),
        Account("222222222222", "acme-production", "aws-production@company.com", "Workloads"),
        Account("333333333333", "acme-development", "aws-development@company.com", "Sandbox"),
    )
    ids = (accounts[0].id, accounts[1].id, accounts[2].id)
    external_ids = {account_id: uuid(seed, "external id", account_id) for account_id in ids}
    people = roster(seed, ids)
    installation_arn = f"arn:aws:iam::{ids[0]}:user/{INSTALLATION_USER}"
    return Scenario(
        seed=seed,
        anchor=anchor.astimezone(UTC).replace(microsecond=0),
        records=records,
        organization_id=f"o-{draw(seed, 'abcdefghijklmnopqrstuvwxyz0123456789', 10, 'organization')}",
        accounts=accounts,
        identity_store_id=identity_store_id(seed),
        instance_arn=f"arn:aws:sso:::instance/ssoins-{draw(seed, '0123456789abcdef', 16, 'instance')}",
        people=people,
        iam_users=iam_users(seed, ids, people),
        roles=roles(seed, ids, installation_arn, external_ids),
        workloads=workloads(seed, ids),
        connections=tuple(
            Connection(account, f"arn:aws:iam::{account.id}:role/TrailwardenReadOnly", external_ids[account.id])
            for account in accounts
        ),
        responders=tuple(
            Connection(account, f"arn:aws:iam::{account.id}:role/TrailwardenRespond", external_ids[account.id])
            for account in accounts
        ),
    )
