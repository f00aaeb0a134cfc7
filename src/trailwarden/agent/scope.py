"""Which targets a question concerns: code decides it, from the user's own words, before a model's proposal is planned.

    written    what the user wrote: a user, role, group, key, instance or address, by its name, id or ARN. Every action.
    the same   IAM users, and their keys, that identity mapping holds for the person whom the user wrote, proven and not
               ambiguous. Every action on a user or key. A tag alone makes nobody the same, since whoever may tag writes
               it, unless the user also bears the person's name (``john`` and ``john@company.com``).
    tied       what AWS itself recorded of sessions that are proven to be of what the user wrote (the person, the key,
               the session, the address): the IAM user behind them, their long-lived keys, their roles. Only what ends
               access: disable_user, delete_access_key, revoke_sessions.

Nothing else: not what a role session's name, a SourceIdentity, a tag, a user agent, a request parameter or an alert
says, not an address or an instance that only records name, not an account that the user did not mean. What the user
excludes is never concerned. An address from which more than MOST_SESSIONS sessions came ties nothing: it is shared.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from .. import catalog
from ..app import App
from ..identity import AliasOf, Identity, Person, fold
from ..identity import person as person_of
from ..model.arn import Arn, role_of_session
from ..model.directory import Alias, Directory
from ..model.proposal import ActionName, Target
from ..model.session import Session, SessionFilter
from ..tools._directory import directory_of
from ..tools._sessions import session_index
from ..tools.identity import IdentityReport, PersonSession
from .question import Named, network_of, read_question

#: Sessions of one address beyond which it is nobody's in particular.
MOST_SESSIONS = 20
#: Names of a question that are looked up; what comes after them ties nothing.
MOST_PEOPLE = 8
#: Actions that end access and destroy nothing else.
_ENDING: frozenset[ActionName] = frozenset(("disable_user", "delete_access_key", "revoke_sessions"))
#: A kind and a name; a path is only looked at where it belongs to a whole ARN.
_TYPED = re.compile(r"(?:user|role|group)/[^/]+")
#: The argument of an action that names its target.
_ARGUMENTS: Mapping[ActionName, str] = {
    "terminate_instances": "instance_ids",
    "disable_user": "user",
    "delete_user": "user",
    "delete_access_key": "access_key_id",
    "detach_admin_policies": "principal",
    "block_ip": "address",
    "revoke_sessions": "role",
}


class Ties(msgspec.Struct, frozen=True, kw_only=True):
    """What is tied to the written, each with what it is tied to: ``same`` are ARNs of IAM users, ``same_keys`` their
    access keys; ``users``, ``roles`` (ARNs) and ``keys`` are of sessions."""

    same: Mapping[str, str] = {}
    same_keys: Mapping[str, str] = {}
    users: Mapping[str, str] = {}
    roles: Mapping[str, str] = {}
    keys: Mapping[str, str] = {}

    def named(self, value: str) -> bool:
        """Whether a value is one of them, as an id, an ARN, or the name at an ARN's end."""
        arns = (*self.same, *self.users, *self.roles)
        names = {each.rsplit("/", 1)[-1].casefold() for each in arns}
        return value in {*arns, *self.same_keys, *self.keys} or value.casefold() in names


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a question concerns."""

    named: Named
    ties: Ties

    def may_ask(self, action: ActionName, arguments: Mapping[str, Any]) -> bool:
        """Whether the target that is asked for is one that the question could concern, before anything is looked up.

        AWS is not asked for other names: who reads the account's CloudTrail would read them there.
        """
        value = arguments.get(_ARGUMENTS[action])
        values = value if isinstance(value, list | tuple) else (value,)
        return bool(values) and all(isinstance(each, str) and self._may_name(action, each.strip()) for each in values)

    def _may_name(self, action: ActionName, value: str) -> bool:
        if action == "block_ip":
            network = network_of(value)
            return network is not None and self.named.written.covers(network)
        asked = value
        if _is_arn(value):
            asked = str(role_of_session(Arn.parse(value)))
        elif "/" in value and not _TYPED.fullmatch(value):
            return False
        last = asked.rsplit("/", 1)[-1]
        return self.named.written.holds(value, asked, last) or self.ties.named(asked) or self.ties.named(last)

    def ground(self, action: ActionName, target: Target) -> str | None:
        """Why a target is concerned, in words; None if it is not."""
        if self._excluded(target):
            return None
        written = self._written(target)
        if written is not None:
            return written
        ties = self.ties
        arn, ending = target.arn or "", action in _ENDING
        match target.kind:
            case "access_key":
                return ties.same_keys.get(target.id) or ties.same.get(arn) or ties.keys.get(target.id)
            case "iam_user":
                return ties.same.get(arn) or (ties.users.get(arn) if ending else None)
            case "iam_role":
                return ties.roles.get(arn) if action == "revoke_sessions" else None
            case _:
                return None

    def _written(self, target: Target) -> str | None:
        written = self.named.written
        if target.kind == "ip_address":
            network = network_of(target.name)
            return f"the question names {target.name}" if network is not None and written.covers(network) else None
        if target.kind in ("ec2_instance", "access_key"):
            if target.id in written.ids:
                return f"the question names {target.id}"
            if target.kind == "ec2_instance":
                return None
        if target.arn is not None and target.arn in written.ids:
            return f"the question names {target.arn}"
        if target.kind != "access_key" and target.id in written.ids:
            return f"the question names {target.id}"
        if target.kind == "iam_role" and any(_role_arn(each) == _pathless(target.arn) for each in written.ids):
            return f"the question names a session of {target.name}"
        if target.name.casefold() not in written.names or self.elsewhere(target.account):
            return None
        return f"the question names {target.name}"

    def elsewhere(self, account: str) -> bool:
        """Whether the question names accounts, and not this one."""
        return bool(self.named.accounts) and account not in self.named.accounts

    def _excluded(self, target: Target) -> bool:
        excluded = self.named.excluded
        network = network_of(target.name) if target.kind == "ip_address" else None
        if network is not None and excluded.touches(network):
            return True
        last = (target.arn or "").rsplit("/", 1)[-1]
        owner = target.owner or ""
        return excluded.holds(target.id, target.name, target.arn, last, owner, owner.split("@", 1)[0])


def scope_of(app: App, question: str) -> Scope:
    """What a question concerns, by what is known now.

    Raises:
        UsageError: the question is empty, or too long.
    """
    named = read_question(question, {each.account_id: each.label for each in app.state.connections.list()})
    directory, aliases = directory_of(app), app.state.aliases.list()
    ties = _Ties(named)
    for asked in _people(named, directory, aliases):
        report: IdentityReport = catalog.tools()["identity"].call(app, asked, limit=10_000, live="never")
        ties.of_person(report, asked, directory, aliases)
    with session_index(app) as index:
        for each in sorted(named.written.ids):
            if each.startswith("ses-"):
                found = index.get(each)
                ties.of_sessions(each, () if found is None else (index.chained(found),))
            elif each.startswith(("AKIA", "ASIA")):
                ties.of_sessions(each, index.whole(SessionFilter(access_key=(each,)), None))
        for network in named.written.networks:
            if network.num_addresses == 1:
                address = str(network.network_address)
                sessions = index.whole(SessionFilter(ip=(address,)), None)
                ties.of_sessions(address, sessions if len(sessions) <= MOST_SESSIONS else ())
    return Scope(named=named, ties=ties.made())


def _people(named: Named, directory: Directory, aliases: Sequence[Alias]) -> Iterable[str]:
    """The words that may be somebody's name: addresses and ids, and names that somebody is known to have."""
    arns = [each for each in named.written.ids if _is_arn(each) and Arn.parse(each).service == "iam"]
    words = [*sorted(arns), *sorted(each for each in named.written.ids if each.startswith("AIDA"))]
    words += sorted(each for each in named.written.names if not named.excluded.holds(each))
    known = [each for each in words if "@" in each or person_of(each, directory, aliases).identities]
    return known[:MOST_PEOPLE]


class _Ties:
    """Ties in the making."""

    def __init__(self, named: Named) -> None:
        self.named = named
        self.same: dict[str, str] = {}
        self.same_keys: dict[str, str] = {}
        self.users: dict[str, str] = {}
        self.roles: dict[str, str] = {}
        self.keys: dict[str, str] = {}

    def made(self) -> Ties:
        return Ties(same=self.same, same_keys=self.same_keys, users=self.users, roles=self.roles, keys=self.keys)

    def of_person(self, report: IdentityReport, asked: str, directory: Directory, aliases: Sequence[Alias]) -> None:
        """What is the same person's, if it is one person's."""
        if report.person.ambiguous:
            return
        own = {each.id for each in report.person.identities if is_same(each, report.person, asked, aliases)}
        users = {user.arn: user for account in directory.accounts for user in account.iam_users}
        for each in report.person.identities:
            if each.kind == "iam_user" and each.id in own and self._inside(each.id):
                self.same[each.id] = f"it is {asked}'s, by identity mapping"
                for key in users[each.id].access_keys if each.id in users else ():
                    self.same_keys[key.id] = f"it is a key of {asked}'s user {each.label}, by identity mapping"
        self.of_sessions(asked, [each for each in report.sessions if _theirs(each, own)])

    def of_sessions(self, what: str, sessions: Iterable[Session]) -> None:
        """What AWS recorded of sessions that are of what was written."""
        for each in sessions:
            said = f"session {each.session_id} ties it to {what}, proven"
            root = each.root
            users = [each.principal_arn] if _is_user(each.principal_arn) else []
            if root is not None and root.kind == "iam_user" and each.strength == "proven":
                users.append(root.arn)
            for arn in users:
                if arn and self._inside(arn):
                    self.users.setdefault(arn, said)
            if each.role_arn and self._inside(each.role_arn):
                self.roles.setdefault(each.role_arn, said)
            if each.account is None or not self._elsewhere(each.account):
                self.keys.update({key: said for key in each.access_keys if key.startswith("AKIA")})

    def _inside(self, arn: str) -> bool:
        return _is_arn(arn) and not self._elsewhere(Arn.parse(arn).account)

    def _elsewhere(self, account: str) -> bool:
        return bool(self.named.accounts) and account not in self.named.accounts


def is_same(identity: Identity, person: Person, asked: str, aliases: Sequence[Alias]) -> bool:
    """Whether more than a tag says that a user is the person who was asked for."""
    if identity.strength != "proven":
        return False
    if asked in (identity.id, *(each.value for each in identity.aliases if each.kind == "principal_id")):
        return True
    addresses = {fold("email", each.value) for each in person.names if each.source != "tag"} | {fold("email", asked)}
    label = identity.label.casefold()
    if label in addresses or any(_means(each, identity) for each in aliases if fold("email", each.person) in addresses):
        return True
    return any(_says(each, addresses, label) for each in identity.aliases if each.strength == "proven")


def _says(alias: AliasOf, addresses: set[str], label: str) -> bool:
    value = fold("email", alias.value)
    if value not in addresses or alias.kind not in ("email", "session_name", "iam_user_name", "saml_subject"):
        return False
    return alias.source != "tag" or label == value.split("@", 1)[0]


def _means(alias: Alias, identity: Identity) -> bool:
    """Whether an entry of the alias list is of this user."""
    if alias.denies or alias.account not in (None, identity.account):
        return False
    own = {(identity.kind, fold(identity.kind, identity.id))}
    own |= {(each.kind, fold(each.kind, each.value)) for each in identity.aliases if each.kind != "email"}
    return (alias.kind, fold(alias.kind, alias.value)) in own


def _theirs(session: PersonSession, own: set[str]) -> bool:
    """Whether a session is proven to be the person's, by more than a SourceIdentity, which whoever assumes a role may
    set, and nothing in the records speaks against it."""
    chosen = "sourceidentity" in session.by.casefold().replace("_", "")
    known = session.identity is None or session.identity in own
    return session.strength == "proven" and known and not chosen and not session.note


def _is_arn(text: str) -> bool:
    return text.startswith("arn:") and text.count(":") >= 5 and all(text.split(":", 5)[place] for place in (1, 2, 5))


def _is_user(arn: str | None) -> bool:
    return arn is not None and _is_arn(arn) and Arn.parse(arn).service == "iam" and Arn.parse(arn).kind == "user"


def _role_arn(text: str) -> str | None:
    """The role, without its path, of the ARN of one of its sessions; None for anything else."""
    if not _is_arn(text):
        return None
    arn = Arn.parse(text)
    return str(role_of_session(arn)) if arn.service == "sts" and arn.kind == "assumed-role" else None


def _pathless(arn: str | None) -> str:
    if arn is None or not _is_arn(arn):
        return ""
    parsed = Arn.parse(arn)
    return str(msgspec.structs.replace(parsed, resource=f"role/{parsed.name}"))
