"""Who may do what: people, their roles, sessions and tokens, as values; and how long a wrong login has to wait.

A role gives rights, and a right is all that a face asks for. An admin keeps people and settings, and is no approver: to
decide takes the role approver, which somebody has to give.
"""

import hmac
import ipaddress
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Literal, get_args

import msgspec

from .errors import Forbidden, NotAuthenticated, UsageError
from .model.text import UNSEEN
from .respond.approval import Session, same_person

Role = Literal["viewer", "responder", "approver", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
Scope = Literal["read", "propose"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
Right = Literal[
    "read",  # ask, search, look at sessions, roles, alerts and proposals
    "propose",  # file a proposal, or cancel one's own
    "decide",  # approve, reject, and say what became of an outcome that nobody knows
    "execute",  # have carried out what was approved
    "audit",  # read, verify and export the audit chain
    "administer",  # people, tokens of others, connections, settings
]

#: Which roles have a right.
RIGHTS: Mapping[Right, frozenset[Role]] = MappingProxyType(
    {
        "read": frozenset(ROLES),
        "propose": frozenset({"responder"}),
        "decide": frozenset({"approver"}),
        "execute": frozenset({"responder", "approver"}),
        "audit": frozenset({"approver", "admin"}),
        "administer": frozenset({"admin"}),
    }
)
#: The right that a tool takes, by its effect; and those that take another one than their effect says.
RIGHT_OF_EFFECT: Mapping[str, Right] = MappingProxyType(
    {"read": "read", "setup": "administer", "propose": "propose"},
)
RIGHT_OF_TOOL: Mapping[str, Right] = MappingProxyType(
    {
        "people_list": "administer",
        "accounts_policy": "administer",  # it prints the External ID of a connected account
        "tokens_list": "administer",
        "audit_list": "audit",
        "audit_verify": "audit",
        "audit_export": "audit",
    }
)
#: The most that a token of that scope may do. No scope decides, executes or administers.
_SCOPE_RIGHTS: Mapping[Scope, frozenset[Right]] = MappingProxyType(
    {"read": frozenset({"read"}), "propose": frozenset({"read", "propose"})},
)

TOKEN_PREFIX = "tw_"  # noqa: S105 - what every token begins with
TOKEN_DAYS, TOKEN_MOST_DAYS = 90, 365
#: Characters of a password; the upper bound keeps a login from being made to hash megabytes.
PASSWORD_LEAST, PASSWORD_MOST = 12, 1024
#: What a first person is given: everything, since there is nobody else.
FIRST_ROLES: tuple[Role, ...] = ("responder", "approver", "admin")
_LOGIN_MOST, _NAME_MOST = 320, 200
#: Characters that are kept of what a browser says of itself.
AGENT_MOST = 200
#: By how much an identity provider's clock may differ from this machine's.
CLOCK_SKEW = timedelta(seconds=60)
#: What the ledger takes for an authentication of unknown time: too long ago for any decision.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may sign in. ``password``, ``totp``, ``webauthn`` (how many credentials) and ``oidc`` say by what;
    ``os_user`` is who they are on the command line."""

    id: str
    login: str
    name: str
    roles: tuple[Role, ...]
    disabled: bool = False
    password: bool = False
    totp: bool = False
    webauthn: int = 0
    oidc: str | None = None
    os_user: str | None = None
    created_at: datetime
    last_login: datetime | None = None

    @property
    def rights(self) -> frozenset[Right]:
        """What they may do; nothing if they are disabled."""
        return frozenset() if self.disabled else rights_of(self.roles)


class WebSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session of the console. ``authenticated_at`` is when the person last proved who they are, which using the
    session does not renew, None where an identity provider did not say; ``csrf`` is what its forms must carry."""

    person: Person
    created_at: datetime
    authenticated_at: datetime | None
    last_seen: datetime
    expires: datetime
    csrf: str

    @property
    def session(self) -> Session:
        """As the ledger takes it."""
        return Session(
            person=self.person.login,
            roles=frozenset(self.person.roles),
            authenticated_at=self.authenticated_at or _LONG_AGO,
            method="interactive",
            face="console",
        )


class KeptSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its person and an admin see it. ``id`` names it, and is nothing that a browser could come in with;
    ``agent`` is what the browser says of itself, cut to AGENT_MOST characters."""

    id: str
    created_at: datetime
    authenticated_at: datetime | None
    last_seen: datetime
    expires: datetime
    address: str | None
    agent: str | None


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """An API token without what makes it one: that is shown when it is made, and never again."""

    id: str
    name: str
    person: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires: datetime
    last_used: datetime | None = None
    revoked_at: datetime | None = None


class TokenUse(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was accepted, and whose it is."""

    token: ApiToken
    person: Person

    @property
    def rights(self) -> frozenset[Right]:
        """What the person may do, as far as the token's scopes reach."""
        return self.person.rights & frozenset().union(*(_SCOPE_RIGHTS[scope] for scope in self.token.scopes))

    @property
    def session(self) -> Session:
        """As the ledger takes it: for whoever proposes. It refuses every decision of such a session."""
        return Session(
            person=self.person.login,
            roles=frozenset(self.person.roles),
            authenticated_at=self.token.created_at,
            method="api_token",
            face="api",
        )


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """After how long without use, and after how long in any case, a session ends."""

    idle: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)


class WaitPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """``free`` failures cost nothing; then each doubles the wait, from one second up to ``most``. They are forgotten
    ``forget`` after the last one."""

    free: int
    most: timedelta = timedelta(minutes=15)
    forget: timedelta = timedelta(hours=24)

    def wait(self, failures: int) -> timedelta:
        """How long the next attempt has to wait after so many failures."""
        over = failures - self.free - 1
        if over < 0:
            return timedelta()
        seconds = 2 ** min(over, 20)  # a year would be reached soon, and then an overflow
        return min(timedelta(seconds=seconds), self.most)


#: One login is one person, who mistypes; behind one address there may be an office.
LOGIN_WAIT, ADDRESS_WAIT = WaitPolicy(free=5), WaitPolicy(free=20)


def rights_of(roles: Iterable[Role]) -> frozenset[Right]:
    """The rights that these roles give together."""
    held = frozenset(roles)
    return frozenset(right for right, of in RIGHTS.items() if of & held)


def right_for(tool: str, effect: str) -> Right:
    """The right that a tool of that id and effect takes."""
    return RIGHT_OF_TOOL.get(tool) or RIGHT_OF_EFFECT[effect]


def check_right(rights: Collection[Right], right: Right, *, who: str) -> None:
    """Let pass whoever has the right.

    Raises:
        Forbidden: they have not.
    """
    if right not in rights:
        roles = " or ".join(sorted(RIGHTS[right]))
        raise Forbidden(
            f"{who} may not do this: it takes the right {right}", remedy=f"ask an admin for the role {roles}"
        )


def check_roles(names: Iterable[str]) -> tuple[Role, ...]:
    """Roles by name, each once, in one order.

    Raises:
        UsageError: one of them is none, or there are none at all.
    """
    given = set(names)
    roles = tuple(role for role in ROLES if role in given)
    if len(roles) != len(given) or not roles:
        wrong = ", ".join(sorted(given.difference(ROLES))) or "none"
        raise UsageError(f"not roles: {wrong}", remedy=f"one or several of {', '.join(ROLES)}")
    return roles


def check_scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    """Scopes by name, each once, in one order.

    Raises:
        UsageError: one of them is none, or there are none at all.
    """
    given = set(names)
    scopes = tuple(scope for scope in SCOPES if scope in given)
    if len(scopes) != len(given) or not scopes:
        wrong = ", ".join(sorted(given.difference(SCOPES))) or "none"
        raise UsageError(f"not scopes: {wrong}", remedy=f"{' or '.join(SCOPES)}; no token approves or administers")
    return scopes


def check_login(login: str) -> str:
    """A login as it is kept.

    Raises:
        UsageError: empty, too long, with a space in it, or with characters that cannot be seen.
    """
    text = unicodedata.normalize("NFKC", login).strip()
    unseen = not text.isprintable() or UNSEEN.search(text) or any(map(str.isspace, text))
    if not text or len(text) > _LOGIN_MOST or unseen:
        raise UsageError(
            "not usable as a login", remedy=f"an email address or a name without spaces, at most {_LOGIN_MOST} long"
        )
    return text


def login_key(login: str) -> str:
    """What all spellings of one login have in common: the ledger's own sense of who is the same person."""
    return same_person(unicodedata.normalize("NFKC", login))


def check_name(name: str, *, what: str = "name") -> str:
    """A display name, as it is kept.

    Raises:
        UsageError: empty, too long, or not on one line.
    """
    text = name.strip()
    if not text or len(text) > _NAME_MOST or not text.isprintable() or UNSEEN.search(text):
        raise UsageError(f"not usable as a {what}", remedy=f"at most {_NAME_MOST} characters on one line")
    return text


def check_password(password: str, *, login: str) -> str:
    """A password as it is hashed: in one spelling (NFKC), whichever keyboard it came from.

    Raises:
        UsageError: too short, too long, one character again and again, or made of the login.
    """
    text = unicodedata.normalize("NFKC", password)
    weak = len(set(text)) < 5 or login_key(login) in text.casefold()
    if not PASSWORD_LEAST <= len(text) <= PASSWORD_MOST or weak:
        raise UsageError(
            "not usable as a password",
            remedy=f"at least {PASSWORD_LEAST} characters, without the login in it: a few words do well",
        )
    return text


def totp_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step (RFC 6238, 30 seconds) whose code this is, the present one or a neighbour; else None."""
    import pyotp  # noqa: PLC0415

    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    totp = pyotp.TOTP(secret)
    present = totp.timecode(now)
    steps = (present, present - 1, present + 1)
    return next((step for step in steps if hmac.compare_digest(totp.generate_otp(step), digits)), None)


def vouched_at(auth_time: datetime | None, now: datetime) -> datetime | None:
    """When somebody showed who they are, by what an identity provider says of that; never later than now. None if it
    does not say, or names a time to come."""
    if auth_time is None or auth_time > now + CLOCK_SKEW:
        return None
    return min(auth_time, now)


def why_unconfirmed(auth_time: datetime | None, *, begun: datetime, now: datetime) -> NotAuthenticated | None:
    """Why an identity provider's answer does not show that somebody authenticated since ``begun``; None if it does."""
    if auth_time is None:
        return NotAuthenticated(
            "the identity provider does not say when you signed in there",
            remedy="have it put auth_time into its ID tokens, or confirm with a password",
        )
    if auth_time > now + CLOCK_SKEW:
        return NotAuthenticated(
            "by the identity provider's answer you sign in there in the future",
            remedy="set its clock and this machine's right, or confirm with a password",
        )
    if auth_time < begun - CLOCK_SKEW:
        return NotAuthenticated(
            "the identity provider did not ask you again who you are",
            remedy="sign out there, and confirm again; or have it honour prompt=login and max_age=0",
        )
    return None


def kept_agent(agent: str) -> str | None:
    """What is kept of what a browser says of itself; None if it says nothing."""
    return "".join(filter(str.isprintable, agent)).strip()[:AGENT_MOST] or None


def address_key(address: str) -> str:
    """The part of a network address that one party is likely to hold: an IPv4 address, or an IPv6 /64.

    Raises:
        UsageError: not an address.
    """
    try:
        parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    except ValueError as error:
        raise UsageError("not an IP address", remedy="the face gives the address of who connects") from error
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((int(parsed), 64), strict=False))
        parsed = parsed.ipv4_mapped
    return str(parsed)


def four_eyes_notice(approvers: Collection[str]) -> str:
    """What a face says while not more than one person may approve; empty where there are four eyes."""
    if len(set(map(same_person, approvers))) > 1:
        return ""
    if not approvers:
        return "nobody may approve: no proposal can be carried out until somebody has the role approver"
    return "there are no four eyes: one person may approve, their own proposals too, by typing the target's name"
