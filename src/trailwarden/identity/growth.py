"""From one name to everything that is linked to it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ..errors import UsageError
from ..model.directory import Alias, Directory
from ..model.session import Identifier, IdentifierKind, Session, Strength
from ..model.time import format_instant
from .users import Draft, by_record, known_users, mark_deleted, named_by_id, principal_of, targets_user
from .values import EMAIL, ID_KINDS, AliasOf, AliasSource, Identity, Key, Person, fold, kind_of

_NAME_KINDS: tuple[IdentifierKind, ...] = (
    "session_name",
    "source_identity",
    "saml_subject",
    "federated_user",
    "iam_user_name",
)


def person(
    asked: str,
    directory: Directory,
    aliases: Sequence[Alias] = (),
    seen: Iterable[Identifier] = (),
    *,
    sessions: Iterable[Session] = (),
) -> Person:
    """The person behind a name, as far as directory, records and alias list tell.

    ``seen`` are identifiers out of the records, taken together where they cite one record; ``sessions`` are
    sessions at hand, whose identifiers are taken together. They find users that the directory has no more.
    A name that nobody knows gives a person without identities: sessions may still bear that name.

    Raises:
        UsageError: nothing was asked.
    """
    wanted = asked.strip()
    if not wanted:
        raise UsageError("no person was named", remedy="give an email, a user name, or the ARN of an IAM user")
    at_hand = tuple(sessions)
    drafts = known_users(directory, (*by_record(seen), *(principal_of(each) for each in at_hand)))
    mark_deleted(drafts, at_hand, directory)
    root = named_by_id(wanted, drafts, directory)
    barred: set[str] = set()
    banned: set[Key] = set()
    while True:
        grown = _Growth(
            wanted, root=root, drafts=drafts, aliases=aliases, banned=frozenset(banned), barred=frozenset(barred)
        )
        grown.run()
        more_banned, more_barred = grown.contradicted()
        if not more_banned - banned and not more_barred - barred:
            break
        banned |= more_banned
        barred |= more_barred
    return grown.person(directory)


class _Growth:
    """One walk from the asked name over all links, without what the alias list denies.

    It ends, since each user and each name is taken once. Only proven links are followed onward.
    """

    def __init__(
        self,
        asked: str,
        *,
        root: frozenset[Key],
        drafts: dict[Key, Draft],
        aliases: Sequence[Alias],
        banned: frozenset[Key],
        barred: frozenset[str],
    ) -> None:
        self.asked, self.root, self.drafts = asked, root, drafts
        self.kind = kind_of(asked)
        self.banned, self.barred = banned - root, barred - {fold("email", asked)}
        self.links = sorted((each for each in aliases if not each.denies), key=_alias_order)
        self.denials = sorted((each for each in aliases if each.denies), key=_alias_order)
        self.by_value: dict[tuple[str, str], list[Key]] = defaultdict(list)
        for key, draft in sorted(drafts.items()):
            for kind, value in {key, *((each.kind, fold(each.kind, each.value)) for each in draft.aliases)}:
                self.by_value[kind, value].append(key)
        self.names: dict[str, AliasOf] = {}
        self.loose: list[AliasOf] = []
        self.found: dict[Key, tuple[Strength, str]] = {}
        self.confirmed: dict[Key, set[str]] = defaultdict(set)
        self.notes: set[str] = set()

    def run(self) -> None:
        """Grow until nothing is added."""
        self._take_name(self.asked, "asked", "")
        for key in sorted(self.root):
            self._take(key, "proven", "asked for by its id")
        before: object = None
        while before != (before := self._state()):
            self._follow_names()
            self._follow_aliases()
            self._follow_users()

    def _state(self) -> object:
        return (len(self.names), len(self.loose), dict(self.found))

    def contradicted(self) -> tuple[set[Key], set[str]]:
        """What was reached although the alias list denies it of one of the names that were reached."""
        denied = [each for each in self.denials if fold("email", each.person) in self.names]
        banned = {
            key
            for key in self.found
            if key not in self.root
            and any(targets_user(each.kind, each.value, each.account, self.drafts[key]) for each in denied)
        }
        names = {fold(each.kind, each.value) for each in denied if each.kind == "email"} & self.names.keys()
        for each in self.denials:
            person = fold("email", each.person)
            about_root = any(targets_user(each.kind, each.value, each.account, self.drafts[key]) for key in self.root)
            about_asked = each.kind == "email" and fold("email", each.value) == fold("email", self.asked)
            if person in self.names and (about_root or about_asked):
                names.add(person)
        return banned, names - {fold("email", self.asked)}

    def _take_name(self, name: str, source: AliasSource, detail: str) -> None:
        folded = fold("email", name)
        if folded not in self.names and folded not in self.barred:
            self.names[folded] = AliasOf(
                kind="email" if EMAIL.fullmatch(name) else "session_name", value=name, source=source, detail=detail
            )

    def _take(self, key: Key, strength: Strength, by: str) -> None:
        if key in self.banned or self._proven(key):
            return
        if key not in self.found or strength == "proven":
            self.found[key] = (strength, by)

    def _proven(self, key: Key) -> bool:
        return key in self.found and self.found[key][0] == "proven"

    def _take_loose(self, alias: AliasOf) -> None:
        if alias not in self.loose:
            self.loose.append(alias)

    def _follow_names(self) -> None:
        asked = fold("email", self.asked)
        for key, draft in sorted(self.drafts.items()):
            for alias in draft.aliases:
                value = fold(alias.kind, alias.value)
                if alias.kind == "email" and value in self.names:
                    self._take(key, alias.strength, alias.detail)
                elif alias.kind in {"iam_user_name", "session_name", "saml_subject"} and value == asked:
                    self._take(key, "proven", f"its name is what was asked: {alias.value}")
            if draft.kind in {"saml_subject", "oidc_subject"} and draft.id == fold(draft.kind, self.asked):
                self._take(key, "proven", "its subject is what was asked")

    def _follow_aliases(self) -> None:
        for alias in self.links:
            person = fold("email", alias.person)
            by = f"alias list, by {alias.added_by}" + (f": {alias.reason}" if alias.reason else "")
            bearing = self.by_value.get((alias.kind, fold(alias.kind, alias.value)), ())
            targets = [key for key in bearing if self._means(alias, self.drafts[key])]
            if person in self.names:
                for key in sorted(targets):
                    self._take(key, "proven", by)
                    self.confirmed[key].add(person)
                if alias.kind == "email":
                    self._take_name(alias.value, "alias_list", by)
                elif not targets:
                    self._take_unknown(alias, by)
            elif any(self._proven(key) for key in targets) or self._is_named(alias):
                self._take_name(alias.person, "alias_list", by)

    def _means(self, alias: Alias, draft: Draft) -> bool:
        return targets_user(alias.kind, alias.value, alias.account, draft)

    def _is_named(self, alias: Alias) -> bool:
        if alias.kind == "email":
            return fold("email", alias.value) in self.names
        return fold(alias.kind, alias.value) == fold(alias.kind, self.asked) and alias.account is None

    def _take_unknown(self, alias: Alias, by: str) -> None:
        """A name of the alias list that no known user has: sessions are matched by it alone."""
        kind = msgspec.convert(alias.kind, IdentifierKind)
        self._take_loose(AliasOf(kind=kind, value=alias.value, source="alias_list", account=alias.account, detail=by))

    def _follow_users(self) -> None:
        for key, (strength, _) in sorted(self.found.items()):
            if strength != "proven":
                continue
            draft = self.drafts[key]
            for alias in draft.aliases:
                email = fold("email", alias.value)
                if alias.kind != "email" or alias.strength != "proven" or email in self.names:
                    continue
                cut = any(fold("email", each.person) == email and self._means(each, draft) for each in self.denials)
                sharing = self._people_at(email)
                if len(sharing) > 1:
                    self.notes.add(
                        f"{alias.value} is the address of {len(sharing)} Identity Center users "
                        f"({', '.join(sharing)}): what is known only by the address is not counted here"
                    )
                elif not cut:
                    self._take_name(alias.value, alias.source, f"{alias.detail} ({draft.label})")

    def _people_at(self, email: str) -> list[str]:
        users = (draft for draft in self.drafts.values() if draft.kind == "identity_center_user")
        return sorted(draft.id for draft in users if email in draft.emails("proven"))

    def person(self, directory: Directory) -> Person:
        """The result."""
        shared = self._shared()
        separate = self._separate()
        notes = {*self.notes, *self._perhaps(), *self._unread(directory)}
        for address, ids in shared.items():
            notes.add(
                f"{address} is the address of {len(ids)} Identity Center users ({', '.join(ids)}): they are shown as "
                f"{len(ids)}, and sessions known only by the address are of none of them"
            )
        if separate > 1 and not shared:
            notes.add(f"{self.asked} names {len(self.found)} users, and nothing says that they are one person")
        denied = [each for each in self.denials if fold("email", each.person) in self.names]
        return Person(
            asked=self.asked,
            label=self._label(),
            identities=tuple(self._identity(key) for key in sorted(self.found)),
            names=tuple(self._expanded()),
            denied=tuple(dict.fromkeys(_denied_alias(each) for each in denied)),
            ambiguous=bool(shared) or separate > 1,
            notes=tuple(sorted(notes)),
        )

    def _identity(self, key: Key) -> Identity:
        draft, (strength, by) = self.drafts[key], self.found[key]
        return Identity(
            id=draft.id if draft.kind in ID_KINDS else draft.label,
            kind=draft.kind,
            label=draft.label,
            account=draft.account,
            active=draft.active,
            strength=strength,
            by=by,
            aliases=tuple(draft.aliases),
        )

    def _expanded(self) -> Iterator[AliasOf]:
        """Each name under every kind in which a record may hold it."""
        by_id = self.kind in {"iam_user", "identity_center_user", "principal_id"}
        for folded, name in sorted(self.names.items()):
            if by_id and folded == fold("email", self.asked):
                if self.kind is not None and not self.found:
                    yield msgspec.structs.replace(name, kind=self.kind)
                continue
            kinds = (*(("email",) if name.kind == "email" else ()), *_NAME_KINDS)
            for kind in kinds:
                yield msgspec.structs.replace(name, kind=kind)
        yield from self.loose

    def _label(self) -> str:
        if self.kind in {None, "email"}:
            return self.asked
        emails = [name.value for name in self.names.values() if name.kind == "email"]
        labels = [self.drafts[key].label for key in sorted(self.root)]
        return (emails or labels or [self.asked])[0]

    def _shared(self) -> dict[str, list[str]]:
        """Addresses that several of the Identity Center users have, unless the keepers said that all are one person."""
        shared: dict[str, list[str]] = {}
        for email, name in sorted(self.names.items()):
            users = [
                key
                for key in sorted(self.found)
                if key[0] == "identity_center_user" and email in self.drafts[key].emails("proven")
            ]
            if len(users) > 1 and not all(email in self.confirmed[key] for key in users):
                shared[name.value] = [key[1] for key in users]
        return shared

    def _separate(self) -> int:
        """How many groups of users there are that no address and no alias joins."""
        groups: list[set[str]] = []
        same = {fold("email", each.person): fold("email", each.value) for each in self.links if each.kind == "email"}
        for key, (strength, _) in sorted(self.found.items()):
            if strength != "proven":
                continue
            draft = self.drafts[key]
            tokens = {*draft.emails("proven"), *self.confirmed[key], f"{key[0]} {key[1]}"}
            tokens |= {same[token] for token in tokens if token in same}
            touching = [group for group in groups if group & tokens]
            groups = [group for group in groups if not group & tokens] + [tokens.union(*touching)]
        return len(groups)

    def _perhaps(self) -> Iterator[str]:
        """Users who only share a part of a name: said, never taken."""
        own = {folded.split("@", 1)[0] for folded, name in self.names.items() if name.kind == "email"}
        if self.kind is None:
            own.add(fold("email", self.asked))
        for key in self.found:
            own |= self.drafts[key].names("session_name") if key[0] == "identity_center_user" else set()
        for key, draft in sorted(self.drafts.items()):
            if key in self.found or key in self.banned:
                continue
            if draft.kind == "iam_user" and draft.label.casefold() in own and not draft.emails("proven"):
                where = f"IAM user {draft.label} in account {draft.account}"
            elif draft.kind == "identity_center_user" and self.kind is None and own & _locals(draft):
                where = f"Identity Center user {draft.id} ({', '.join(sorted(draft.emails('proven')))})"
            else:
                continue
            yield f"{where} may be the same person: confirm with `trailwarden identity alias add`"

    def _unread(self, directory: Directory) -> Iterator[str]:
        if not any("identity_store" in account.read for account in directory.accounts):
            yield "no identity store was read: people of IAM Identity Center are known from the records alone"


def _locals(draft: Draft) -> set[str]:
    return {email.split("@", 1)[0] for email in draft.emails("proven")} | draft.names("session_name")


def _alias_order(alias: Alias) -> tuple[str, ...]:
    return (alias.person, alias.kind, alias.value, alias.account or "", format_instant(alias.added))


def _denied_alias(alias: Alias) -> AliasOf:
    return AliasOf(
        kind=msgspec.convert(alias.kind, IdentifierKind),
        value=alias.value,
        source="alias_list",
        account=alias.account,
        detail=alias.reason,
    )
