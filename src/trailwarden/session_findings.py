"""What stands out in sessions: a table of rules, each with the records that show it.

=======================================  ========  ==========  ====================================================
id                                       severity  technique   one finding for each
=======================================  ========  ==========  ====================================================
instance_credentials_off_instance        high      T1552.005   instance
root_use                                 high      T1078.004   account
root_use_failed                          medium    T1078.004   account
assumed_root_use                         medium    T1078.004   account
sign_in_without_mfa                      high      T1078.004   IAM user
long_lived_key_beside_identity_center    medium    T1098.001   person
source_identity_contradicts_session_name medium    T1036       SourceIdentity, session name and role
issuer_not_in_records                    info      T1606       role (or user, of tokens that are no role's)
=======================================  ========  ==========  ====================================================

Techniques are MITRE ATT&CK's (https://attack.mitre.org/techniques/enterprise/). ``count`` is how many calls
the sessions concerned made; evidence cites records of those sessions. The rules judge nobody: a finding says
what the records show and what else could explain it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address

import msgspec

from .identity import addresses, owners
from .model.address import public_address
from .model.directory import Alias, Directory
from .model.finding import Evidence, Finding, Severity
from .model.session import AuthMethod, Session
from .model.time import format_instant

MOST_EVIDENCE = 10
MOST_NAMED = 5
_SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
#: Methods whose credentials another call issued, in an account of the organisation: that call should be at hand.
_ISSUED: frozenset[AuthMethod] = frozenset(
    {
        "identity_center",
        "saml",
        "oidc",
        "irsa",
        "pod_identity",
        "session_token",
        "federation_token",
        "assumed_root",
        "cross_account",
        "role_chain",
        "unknown",
    }
)
_ISSUED_WITHOUT_ROLE: frozenset[AuthMethod] = frozenset({"session_token", "federation_token", "assumed_root"})


class _Case(msgspec.Struct, frozen=True, kw_only=True):
    """One thing found: the sessions that show it, what is said of it, and the values that a record should hold."""

    sessions: tuple[Session, ...]
    detail: str
    field: str
    value: str
    severity: Severity | None = None


class _Rule(msgspec.Struct, frozen=True):
    """A rule: its stable id, severity, title, ATT&CK technique, and how it is found."""

    id: str
    severity: Severity
    title: str
    technique: str
    find: "Callable[[_World], Iterator[_Case]]"


class _World(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules look at. ``sessions`` are in the order of their ids."""

    sessions: tuple[Session, ...]
    directory: Directory
    aliases: tuple[Alias, ...]
    now: datetime


def session_findings(
    sessions: Iterable[Session], directory: Directory, *, now: datetime, aliases: Sequence[Alias] = ()
) -> tuple[Finding, ...]:
    """Every rule that holds for the sessions, the gravest first. Their order changes nothing."""
    world = _World(
        sessions=tuple(sorted(sessions, key=lambda session: session.session_id)),
        directory=directory,
        aliases=tuple(aliases),
        now=now,
    )
    found = [_finding(rule, case) for rule in _RULES for case in rule.find(world)]
    return tuple(sorted(found, key=lambda each: (_SEVERITIES.index(each.severity), each.id, each.detail)))


def _finding(rule: _Rule, case: _Case) -> Finding:
    evidence = dict.fromkeys(each for session in case.sessions for each in _cited(session, case))
    return Finding(
        id=rule.id,
        severity=case.severity or rule.severity,
        title=rule.title,
        detail=case.detail,
        count=sum(session.events for session in case.sessions),
        evidence=tuple(evidence)[:MOST_EVIDENCE],
        technique=rule.technique,
    )


def _cited(session: Session, case: _Case) -> Iterator[Evidence]:
    """Records of a session: those that hold the field and value in question, else what the session itself cites."""
    own = (*session.evidence, *(each.evidence for each in session.identifiers))
    exact = [each for each in own if each.field.endswith(case.field) and case.value in {"", each.value}]
    if exact:
        yield from exact[:2]
        return
    steps = (Evidence(each.event_id, each.by, each.name or each.arn or "") for each in session.chain if each.event_id)
    yield from tuple(each for each in (*own, *steps) if each.event_id)[:2]


# --- Instance credentials off the instance


def _off_instance(world: _World) -> Iterator[_Case]:
    """An instance's session used from an address that is not the instance's.

    An instance behind NAT, or with an address of its own, calls from one public address at a time (one for
    IPv4, one for IPv6); a new address after a stop comes with new credentials. So: one session with two public
    addresses of one family, or one whose address its neighbours before and after do not have while they share
    another. A NAT gateway with several addresses looks the same if they show in other sessions too: then the
    severity is medium. Blind: use through the instance itself, or through the same NAT.
    """
    instances: dict[tuple[str, str], list[Session]] = defaultdict(list)
    for session in world.sessions:
        if session.method == "instance_profile" and session.session_name:
            instances[session.account or "", session.session_name].append(session)
    for (account, instance), own in sorted(instances.items()):
        yield from _of_instance(account, instance, own)


class _Span(msgspec.Struct):
    """When an address of an instance was seen, in how many of its sessions."""

    first: datetime
    last: datetime
    sessions: int = 0


def _of_instance(account: str, instance: str, sessions: Sequence[Session]) -> Iterator[_Case]:
    public = {session.session_id: _public(session.source_ips) for session in sessions}
    spans: dict[str, _Span] = {}
    for session in sessions:
        for address in public[session.session_id]:
            span = spans.setdefault(address, _Span(session.first_seen, session.last_seen))
            span.first, span.last = min(span.first, session.first_seen), max(span.last, session.last_seen)
            span.sessions += 1
    strange: list[Session] = []
    pooled = True
    for session in sessions:
        own = public[session.session_id]
        elsewhere = {address for address in own if spans[address].sessions > 1}
        if any(len(family) > 1 for family in _families(own)):
            strange.append(session)
            pooled = pooled and own == elsewhere
        elif own and not elsewhere and _between(session, own, spans):
            strange.append(session)
            pooled = False
    if strange:
        seen = sorted(set().union(*(public[session.session_id] for session in strange)))
        shown = Counter(address for session in strange for address in public[session.session_id])
        alone = [address for address in seen if spans[address].sessions == shown[address]]
        new = f"; {_some(alone)} in no other session of it" if alone and len(strange) < len(sessions) else ""
        pool = "; every address shows in several sessions of it, as those of a NAT gateway do" if pooled else ""
        yield _Case(
            sessions=tuple(strange),
            detail=(
                f"credentials of {instance} in account {account or 'unknown'}: {_number(len(strange), 'session')} "
                f"from public addresses {_some(seen)}{new}{pool}"
            ),
            field="sourceIPAddress",
            value="",
            severity="medium" if pooled else None,
        )


def _between(session: Session, own: set[str], spans: Mapping[str, _Span]) -> bool:
    """Whether an address that this session lacks was in use by the instance before it and after it."""
    versions = {_version(address) for address in own}
    return any(
        span.first < session.first_seen and span.last > session.last_seen and _version(address) in versions
        for address, span in spans.items()
        if address not in own
    )


def _public(texts: Iterable[str]) -> set[str]:
    return {address for text in texts if (address := public_address(text)) is not None}


def _version(address: str) -> int:
    return ip_address(address).version


def _families(public: Iterable[str]) -> Iterable[set[str]]:
    families: dict[int, set[str]] = defaultdict(set)
    for address in public:
        families[_version(address)].add(address)
    return families.values()


# --- Root


def _root_use(world: _World) -> Iterator[_Case]:
    for account, own in _by_account(world, "root"):
        used = tuple(session for session in own if session.events > session.errors)
        if used:
            without = sum(1 for session in used if session.mfa is False)
            mfa = f"; {_number(without, 'session')} without MFA" if without else ""
            yield _rooted(used, f"the root user of account {account}", mfa)


def _root_use_failed(world: _World) -> Iterator[_Case]:
    for account, own in _by_account(world, "root"):
        failed = tuple(session for session in own if session.events <= session.errors)
        if failed and len(failed) == len(own):
            yield _rooted(failed, f"the root user of account {account}", "; every call failed")


def _assumed_root_use(world: _World) -> Iterator[_Case]:
    for account, own in _by_account(world, "assumed_root"):
        callers = {session.issuer.arn for session in own if session.issuer and session.issuer.arn}
        by = f"; assumed by {_some(sorted(callers))}" if callers else ""
        yield _rooted(tuple(own), f"AssumeRoot in account {account}", by)


def _by_account(world: _World, method: AuthMethod) -> Iterator[tuple[str, list[Session]]]:
    accounts: dict[str, list[Session]] = defaultdict(list)
    for session in world.sessions:
        if session.method == method:
            accounts[session.account or "unknown"].append(session)
    yield from sorted(accounts.items())


def _rooted(sessions: tuple[Session, ...], who: str, more: str) -> _Case:
    ips = sorted({address for session in sessions for address in session.source_ips})
    origin = f" from {_some(ips)}" if ips else ""
    last = format_instant(max(session.last_seen for session in sessions))
    return _Case(
        sessions=sessions,
        detail=f"{who}: {_number(len(sessions), 'session')}{origin}, the last call {last}{more}",
        field="userIdentity.type",
        value="",
    )


# --- Sign-in without MFA


def _without_mfa(world: _World) -> Iterator[_Case]:
    """IAM users only: of a federated sign-in CloudTrail always says No, since the identity provider asks."""
    users: dict[str, list[Session]] = defaultdict(list)
    for session in world.sessions:
        if session.method == "iam_user_console" and session.mfa is False and session.events > session.errors:
            users[session.principal_arn or session.user_name or session.principal_id or "unknown"].append(session)
    devices = {user.arn: user.mfa for account in world.directory.accounts for user in account.iam_users}
    for user, own in sorted(users.items()):
        has = {True: "; the user has an MFA device", False: "; the user has no MFA device", None: ""}[devices.get(user)]
        ips = sorted({address for session in own for address in session.source_ips})
        yield _Case(
            sessions=tuple(own),
            detail=(f"{user}: {_number(len(own), 'console session')}{f' from {_some(ips)}' if ips else ''}{has}"),
            field="MFAUsed",
            value="",
        )


# --- Long-lived keys beside Identity Center


def _keys_beside_portal(world: _World) -> Iterator[_Case]:
    """A person who comes through Identity Center, and whose IAM user's long-lived key is in use too."""
    owner_of = owners(world.directory, world.aliases)
    ages = {
        key.id: (world.now - key.created).days
        for account in world.directory.accounts
        for user in account.iam_users
        for key in user.access_keys
    }
    keys: dict[str, list[Session]] = defaultdict(list)
    for session in world.sessions:
        if session.method == "iam_user_key" and (person := owner_of.get(session.principal_arn or "")):
            keys[person].append(session)
    portal = _portal_people(world)
    for person, own in sorted(keys.items()):
        beside = portal.get(person)
        if not beside:
            continue
        ids = sorted({key for session in own for key in session.access_keys})
        old = [ages[key] for key in ids if key in ages]
        age = f", the oldest {max(old):,} days old" if old else ""
        users = sorted({session.principal_arn or "" for session in own})
        yield _Case(
            sessions=(*own, beside[0]),
            detail=(
                f"{person} has {_number(len(beside), 'session')} through Identity Center, and keys of "
                f"{_some(users)} are in use: {_some(ids)}{age}"
            ),
            field="accessKeyId",
            value="",
        )


def _portal_people(world: _World) -> dict[str, list[Session]]:
    """Email → sessions through Identity Center, by userId where the records have it, else by the session's name."""
    emails_of: dict[str, set[str]] = defaultdict(set)
    users_of: dict[str, set[str]] = defaultdict(set)
    for user in world.directory.people:
        named = {name.casefold() for name in (*user.emails, user.user_name) if _EMAIL.fullmatch(name)}
        emails_of[user.user_id] |= named
        for name in {user.user_name.casefold(), *named}:
            users_of[name].add(user.user_id)
    found: dict[str, list[Session]] = defaultdict(list)
    for session in world.sessions:
        if session.method != "identity_center" or not (session.on_behalf_of or session.role_arn):
            continue  # a sign-in that led nowhere
        name = (session.session_name or session.user_name or "").casefold()
        own = {name} if _EMAIL.fullmatch(name) else set()
        ids = {session.on_behalf_of.user_id} if session.on_behalf_of else users_of.get(name, set())
        if len(ids) == 1:
            own |= emails_of.get(next(iter(ids)), set())
        for email in own:
            found[email].append(session)
    return found


# --- SourceIdentity against the session name


def _contradictions(world: _World) -> Iterator[_Case]:
    """Both name a user, and not the same one. Names that are no user's (of jobs, tickets, programs) do not count."""
    people = _people_by_name(world)
    found: dict[tuple[str, str, str], list[Session]] = defaultdict(list)
    for session in world.sessions:
        source, name = session.source_identity or "", session.session_name or ""
        if _names_user(source, people) and _names_user(name, people) and not _same_user(source, name, people):
            found[source, name, session.role_arn or ""].append(session)
    for (source, name, role), own in sorted(found.items()):
        yield _Case(
            sessions=tuple(own),
            detail=(
                f"{_number(len(own), 'session')} of {role or 'no role'} named {_quoted(name)} with SourceIdentity "
                f"{_quoted(source)}"
            ),
            field="sourceIdentity",
            value=source,
        )


def _people_by_name(world: _World) -> dict[str, set[str]]:
    """Names of users → who that is: an identity store's user, or an IAM user's address or ARN."""
    people: dict[str, set[str]] = defaultdict(set)
    for user in world.directory.people:
        for name in (user.user_name, *user.emails):
            people[name.casefold()].add(user.user_id)
    for account in world.directory.accounts:
        for iam_user in account.iam_users:
            told = {each.value.casefold() for each in addresses(iam_user) if each.strength == "proven"}
            people[iam_user.name.casefold()] |= {who for email in told for who in people.get(email, {email})}
    return people


def _names_user(text: str, people: Mapping[str, set[str]]) -> bool:
    return bool(_EMAIL.fullmatch(text)) or text.casefold() in people


def _same_user(one: str, other: str, people: Mapping[str, set[str]]) -> bool:
    """Whether two names can be one user's: equal, equal before the @ where one has none, or of one known user."""
    first, second = one.casefold(), other.casefold()
    if first == second or people.get(first, set()) & people.get(second, set()):
        return True
    return ("@" in first) != ("@" in second) and first.split("@", 1)[0] == second.split("@", 1)[0]


# --- No issuer


def _without_issuer(world: _World) -> Iterator[_Case]:
    """Temporary credentials whose issuing call is not at hand: another account's trail, a gap, or a forged record."""
    reach: dict[str, datetime] = {}
    for session in world.sessions:
        for account in session.recorded_in:
            reach[account] = min(session.first_seen, reach.get(account, session.first_seen))
    subjects: dict[tuple[str, str], list[Session]] = defaultdict(list)
    for session in world.sessions:
        issued = session.role_arn is not None or session.method in _ISSUED_WITHOUT_ROLE
        if session.issuer is None and session.method in _ISSUED and issued:
            subject = session.role_arn or session.principal_arn or session.principal_id or "unknown"
            subjects[subject, session.account or ""].append(session)
    for (subject, account), own in sorted(subjects.items()):
        within = sum(1 for each in own if each.created and account in reach and each.created >= reach[account])
        named = Counter(session.session_name for session in own if session.session_name)
        names = f" named {_some([_quoted(name) for name, _ in sorted(named.items())])}" if named else ""
        inside = f"; {within:,} began within the time that the records of account {account} cover" if within else ""
        yield _Case(
            sessions=tuple(own),
            detail=(
                f"{subject}: {_number(len(own), 'session')}{names} whose issuing call is not in the records: "
                f"a coverage gap, or forged{inside}"
            ),
            field="sessionIssuer.arn",
            value="",
        )


# --- In words


def _number(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - MOST_NAMED:,} more" if len(texts) > MOST_NAMED else ""
    return f"{', '.join(texts[:MOST_NAMED])}{more}"


def _quoted(text: str) -> str:
    """Text that a caller chose, made safe to stand in a sentence."""
    plain = "".join(character if character.isprintable() else "�" for character in text)
    return f"'{plain if len(plain) <= 80 else f'{plain[:79]}…'}'"


_RULES: tuple[_Rule, ...] = (
    _Rule(
        "instance_credentials_off_instance",
        "high",
        "Credentials of an instance were used off the instance",
        "T1552.005",
        _off_instance,
    ),
    _Rule("root_use", "high", "The root user was used", "T1078.004", _root_use),
    _Rule("root_use_failed", "medium", "Using the root user failed", "T1078.004", _root_use_failed),
    _Rule("assumed_root_use", "medium", "A root session was assumed centrally", "T1078.004", _assumed_root_use),
    _Rule("sign_in_without_mfa", "high", "Console sign-in without MFA", "T1078.004", _without_mfa),
    _Rule(
        "long_lived_key_beside_identity_center",
        "medium",
        "A long-lived key is used beside Identity Center by the same person",
        "T1098.001",
        _keys_beside_portal,
    ),
    _Rule(
        "source_identity_contradicts_session_name",
        "medium",
        "SourceIdentity and session name say two different users",
        "T1036",
        _contradictions,
    ),
    _Rule(
        "issuer_not_in_records",
        "info",
        "Sessions whose issuing call is not in the records",
        "T1606",
        _without_issuer,
    ),
)
