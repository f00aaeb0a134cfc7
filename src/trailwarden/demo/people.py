"""The people of the simulated organisation: names, places, working hours, clients, and how they sign in.

All of them are invented. Office and travel addresses are documentation ranges (RFC 5737); home addresses
only look like those of a household.
"""

from random import Random
from typing import Literal

import msgspec

from .ids import access_key_id, draw, principal_id, uuid

DOMAIN = "company.com"
Client = Literal["console", "cli", "terraform", "login"]
Federation = Literal["identity_center", "saml"]
KeyUse = Literal["key", "console", "session_token", "federation_token"]

_NAMES = (
    "john", "jane", "maria", "ahmed", "li", "sofia", "peter", "anna", "tom", "emma", "david", "laura", "marco",
    "nina", "omar", "priya", "yuki", "carlos", "elena", "felix", "grace", "hugo", "irene", "jonas", "karim",
    "lena", "mateo", "nora", "oscar", "paula", "quentin", "rosa", "sam", "tara", "victor", "wanda", "xavier",
    "yara", "zoe", "john.smith",
)  # fmt: skip
_SAML_NAMES = ("bianca", "diego", "fatima", "ivan")
_TEAMS = ("platform", "backend", "data", "security", "finance", "support")


class Place(msgspec.Struct, frozen=True):
    """Where people work: the zone, the office's shared address, and the Region that they use most."""

    zone: str
    office_ip: str
    region: str
    home_prefixes: tuple[str, ...]


PLACES: tuple[Place, ...] = (
    Place("Europe/Berlin", "203.0.113.10", "eu-central-1", ("91.14", "84.172", "79.240")),
    Place("Europe/London", "203.0.113.42", "eu-west-1", ("81.151", "86.143", "90.198")),
    Place("America/New_York", "198.51.100.20", "us-east-1", ("71.178", "74.96", "108.28")),
    Place("America/Los_Angeles", "198.51.100.77", "us-west-2", ("73.202", "76.102", "98.207")),
)

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15"
_BROWSERS = (
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_CHROME}",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME}",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Edg/142.0.0.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI}",
)
_CLI_HOSTS = (
    "os/macos#25.1.0 md/arch#arm64",
    "os/linux#6.14.0-35-generic md/arch#x86_64",
    "os/windows#11 md/arch#amd64",
    "os/linux#5.15.167.4-microsoft-standard-WSL2 md/arch#x86_64",
)


class Assignment(msgspec.Struct, frozen=True):
    """A permission set that a person may use in an account."""

    account_id: str
    permission_set: str


class Rehire(msgspec.Struct, frozen=True):
    """An earlier time of somebody at the organisation: as another Identity Center user, from another home.

    The user was deleted when they left, ``left`` days before the present of the story; the new one began ``back`` days
    before it.
    """

    user_id: str
    home_ip: str
    left: int
    back: int


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who works at the organisation.

    ``user_id`` is the Identity Center user; it is empty for those who come by SAML federation. ``workday``
    is the local hour at which work starts and how many hours it lasts. ``weight`` is how much this person
    does beside others.
    """

    name: str
    given: str
    family: str
    email: str
    user_id: str
    team: str
    place: Place
    home_ip: str
    browser: str
    command_line: str
    client: Client
    federation: Federation
    assignments: tuple[Assignment, ...]
    workday: tuple[float, float]
    weight: float
    rehire: Rehire | None = None


class IamUser(msgspec.Struct, frozen=True, kw_only=True):
    """An IAM user: whose it is (None for a program), and how its credentials are used.

    ``keys`` are its access keys, oldest first, as (id, age in days when the story starts).
    """

    name: str
    account_id: str
    id: str
    use: KeyUse
    keys: tuple[tuple[str, int], ...]
    owner: str | None
    groups: tuple[str, ...]
    policies: tuple[str, ...]
    mfa: bool
    console: bool
    region: str
    agent: str
    ip: str

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:iam::{self.account_id}:user/{self.name}"


def _assignments(name: str, team: str, accounts: tuple[str, str, str]) -> tuple[Assignment, ...]:
    management, production, development = accounts
    by_team = {
        "platform": ((production, "PowerUser"), (development, "PowerUser"), (development, "AdministratorAccess")),
        "backend": ((production, "ReadOnly"), (development, "PowerUser")),
        "data": ((production, "ReadOnly"), (development, "PowerUser")),
        "security": ((management, "SecurityAudit"), (production, "SecurityAudit"), (development, "SecurityAudit")),
        "finance": ((management, "Billing"), (production, "ReadOnly")),
        "support": ((production, "ReadOnly"),),
    }
    chosen = [Assignment(*pair) for pair in by_team[team]]
    if name == "jane":
        chosen.append(Assignment(management, "AdministratorAccess"))
    return tuple(chosen)


def roster(seed: int, accounts: tuple[str, str, str]) -> tuple[Person, ...]:
    """Everybody: 40 people who sign in by Identity Center, and four by SAML federation.

    ``accounts`` are the ids of management, production and development.
    """
    people: list[Person] = []
    for number, name in enumerate((*_NAMES, *_SAML_NAMES)):
        random = Random(f"person {seed} {name}")
        saml = name in _SAML_NAMES
        team = {"john": "backend", "jane": "security", "john.smith": "support"}.get(name, _TEAMS[number % len(_TEAMS)])
        place = PLACES[0] if name in {"john", "jane"} else random.choices(PLACES, weights=(40, 20, 25, 15))[0]
        clients: tuple[Client, ...] = ("console", "cli", "terraform") if team == "platform" else ("console", "cli")
        client: Client = "login" if name == "anna" else "cli" if name == "john" else random.choice(clients)
        prefix = place.home_prefixes[number % len(place.home_prefixes)]
        given, _, family = name.title().partition(".")
        rehire = (
            Rehire(_user_id(seed, f"{name}, the first time"), f"{prefix}.7.{20 + number}", left=17, back=11)
            if name == "rosa"
            else None
        )
        people.append(
            Person(
                name=name,
                given=given,
                family=family or "Example",
                email=f"{name}@{DOMAIN}",
                user_id="" if saml else _user_id(seed, name),
                team="finance" if saml else team,
                place=place,
                home_ip=f"{prefix}.{11 + number * 5}.{20 + random.randrange(200)}",
                browser=random.choice(_BROWSERS),
                command_line=(
                    f"aws-cli/2.{random.randrange(28, 33)}.{random.randrange(20)} md/awscrt#0.28.4 ua/2.1 "
                    f"{random.choice(_CLI_HOSTS)} lang/python#3.13.9 md/pyimpl#CPython "
                    "cfg/retry-mode#standard md/installer#exe md/prompt#off"
                ),
                client="console" if saml else client,
                federation="saml" if saml else "identity_center",
                assignments=_assignments(name, team, accounts),
                workday=(8.25 + random.random() * 1.5, 7.5 + random.random() * 1.25),
                weight=1.0 if name in {"john", "jane", "rosa"} else random.lognormvariate(0, 0.5),
                rehire=rehire,
            )
        )
    return tuple(people)


def iam_users(seed: int, accounts: tuple[str, str, str], people: tuple[Person, ...]) -> tuple[IamUser, ...]:
    """The IAM users: of people (console, keys), of programs (keys), and john's with a key that nobody uses any more."""
    _, production, development = accounts
    policies = "arn:aws:iam::aws:policy/"
    by_name = {person.name: person for person in people}
    boto = (
        "Boto3/1.40.52 md/Botocore#1.40.52 ua/2.1 os/linux#6.8.0-85-generic md/arch#x86_64 lang/python#3.12.3 "
        "md/pyimpl#CPython m/b,Z,e cfg/retry-mode#legacy Botocore/1.40.52"
    )

    def user(
        name: str,
        account_id: str,
        use: KeyUse,
        ages: tuple[int, ...],
        *,
        owner: bool = True,
        groups: tuple[str, ...] = (),
        attached: tuple[str, ...] = (),
        mfa: bool = False,
        region: str = "us-east-1",
        ip: str = "",
    ) -> IamUser:
        person = by_name.get(name) if owner else None
        return IamUser(
            name=name,
            account_id=account_id,
            id=principal_id("AIDA", seed, account_id, name),
            use=use,
            keys=tuple((access_key_id(seed, account_id, name, str(age)), age) for age in ages),
            owner=person.email if person else None,
            groups=groups,
            policies=attached,
            mfa=mfa,
            console=use == "console" or mfa,
            region=person.place.region if person else region,
            agent=person.command_line if person else boto,
            ip=person.home_ip if person else ip,
        )

    return (
        user("john", production, "key", (412, 96), groups=("developers",)),
        user("maria", production, "console", (), groups=("operators",), mfa=True),
        user("peter", development, "session_token", (233,), groups=("developers",), mfa=True),
        user("laura", production, "key", (150,), groups=("operators",)),
        user(
            "reporting",
            production,
            "federation_token",
            (540,),
            owner=False,
            attached=(
                "arn:aws:iam::aws:policy/AmazonAthenaFullAccess",
                "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
            ),
            ip="198.51.100.130",
        ),
        user(
            "ci-legacy",
            development,
            "key",
            (701,),
            owner=False,
            attached=(f"{policies}PowerUserAccess",),
            ip="198.51.100.131",
        ),
        user(
            "backup-sync",
            production,
            "key",
            (365,),
            owner=False,
            attached=(f"{policies}AmazonS3ReadOnlyAccess",),
            region="eu-west-1",
            ip="198.51.100.132",
        ),
    )


def _user_id(seed: int, name: str) -> str:
    return f"{identity_store_id(seed)[2:]}-{uuid(seed, 'identity center user', name)}"


def identity_store_id(seed: int) -> str:
    """The id of the identity store, ``d-`` and ten characters."""
    return f"d-99{draw(seed, '0123456789abcdef', 8, 'identity store')}"
