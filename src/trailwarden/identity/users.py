"""What directory and records know of every user, before anybody is asked for."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain as chained

import msgspec

from ..model.directory import Alias, Directory, DirectoryUser, IamUser
from ..model.session import Identifier, IdentifierKind, Session, Strength
from .values import (
    EMAIL,
    AliasOf,
    AliasSource,
    Key,
    fold,
    identifier_order,
    is_workload_subject,
    kind_of,
    own_identifiers,
)

#: Tags of an IAM user that say whose it is, and those that only say who is responsible for it.
EMAIL_TAGS = frozenset(
    {"email", "e-mail", "mail", "emailaddress", "email-address", "email_address", "useremail", "user"}
)
OWNER_TAGS = frozenset({"owner", "owneremail", "owner-email", "owner_email", "contact", "responsible"})


class Draft(msgspec.Struct):
    """An identity in the making."""

    kind: IdentifierKind
    id: str
    label: str
    account: str | None = None
    active: bool | None = None
    in_directory: bool = False
    aliases: list[AliasOf] = msgspec.field(default_factory=list)

    @property
    def key(self) -> Key:
        """What the user is told apart by."""
        return (self.kind, self.id)

    def emails(self, strength: Strength | None = None) -> set[str]:
        """Addresses as they are compared; of this strength only, if one is given."""
        return {
            fold("email", alias.value)
            for alias in self.aliases
            if alias.kind == "email" and strength in {None, alias.strength}
        }

    def names(self, kind: IdentifierKind) -> set[str]:
        """Names of one kind as they are compared."""
        return {fold(kind, alias.value) for alias in self.aliases if alias.kind == kind}

    def add(self, alias: AliasOf) -> None:
        """Take up a name, unless it is known."""
        known = {(each.kind, fold(each.kind, each.value)) for each in self.aliases if each.strength == alias.strength}
        if (alias.kind, fold(alias.kind, alias.value)) not in known:
            self.aliases.append(alias)


def known_users(directory: Directory, groups: Iterable[Sequence[Identifier]]) -> dict[Key, Draft]:
    """Every user of the directory, and those that only the records name; each group is of one principal."""
    drafts: dict[Key, Draft] = {}
    for user in directory.people:
        draft = _of_directory_user(user)
        drafts[draft.key] = draft
    for account in directory.accounts:
        for iam_user in account.iam_users:
            draft = _of_iam_user(iam_user, keys_read="access_keys" in account.read)
            drafts[draft.key] = draft
    for group in sorted(groups, key=lambda each: [identifier_order(one) for one in each]):
        _learn(group, drafts, directory)
    return drafts


def addresses(user: IamUser) -> tuple[AliasOf, ...]:
    """The emails that an IAM user's tags and name give, each with how well that tells whose it is."""
    found: list[AliasOf] = []
    if EMAIL.fullmatch(user.name):
        found.append(email_alias(user.name, "directory", "the IAM user is named by this address"))
    for tag, value in sorted(user.tags.items()):
        address = value.strip()
        if not EMAIL.fullmatch(address):
            continue
        if tag.casefold() in EMAIL_TAGS:
            found.append(email_alias(address, "tag", f"tag {tag} of the IAM user"))
        elif tag.casefold() in OWNER_TAGS:
            detail = f"tag {tag} of the IAM user names who is responsible for it, not who uses it"
            found.append(email_alias(address, "tag", detail, "claimed"))
    return tuple(found)


def owners(directory: Directory, aliases: Sequence[Alias] = ()) -> Mapping[str, str]:
    """IAM user ARN → email of the person whose it is, where tags, name or alias list say exactly one."""
    found: dict[str, str] = {}
    for user in chained.from_iterable(account.iam_users for account in directory.accounts):
        draft = _of_iam_user(user, keys_read=False)
        said = {fold("email", alias.value) for alias in addresses(user) if alias.strength == "proven"}
        told = [alias for alias in aliases if targets_user(alias.kind, alias.value, alias.account, draft)]
        said |= {fold("email", alias.person) for alias in told if not alias.denies}
        said -= {fold("email", alias.person) for alias in told if alias.denies}
        if len(said) == 1:
            found[user.arn] = said.pop()
    return found


def _of_directory_user(user: DirectoryUser) -> Draft:
    label = user.display_name or user.user_name
    draft = Draft("identity_center_user", user.user_id, label, active=user.active, in_directory=True)
    for email in user.emails:
        draft.add(email_alias(email, "directory", f"email in identity store {user.identity_store_id}"))
    detail = f"user name in identity store {user.identity_store_id}; Identity Center names the sessions by it"
    if EMAIL.fullmatch(user.user_name):
        draft.add(email_alias(user.user_name, "directory", detail))
    draft.add(AliasOf(kind="session_name", value=user.user_name, source="directory", detail=detail))
    return draft


def _of_iam_user(user: IamUser, *, keys_read: bool) -> Draft:
    doors = [user.console_password, any(key.active for key in user.access_keys) if keys_read else None]
    active = True if True in doors else None if None in doors else False
    draft = Draft("iam_user", user.arn, user.name, account=user.account, active=active, in_directory=True)
    named = AliasOf(kind="iam_user_name", value=user.name, source="directory", account=user.account)
    unique = AliasOf(kind="principal_id", value=user.id, source="directory", account=user.account)
    for alias in (*addresses(user), named, unique):
        draft.add(alias)
    return draft


def _learn(group: Sequence[Identifier], drafts: dict[Key, Draft], directory: Directory) -> None:
    """Take up what the identifiers of one principal say of each other, if they are of one principal."""
    proven = [each for each in group if each.strength == "proven" and not _from_source_identity(each)]
    by_kind: dict[str, set[str]] = defaultdict(set)
    for each in proven:
        by_kind[each.kind].add(each.value)
    users = [(kind, value) for kind in ("identity_center_user", "iam_user") for value in sorted(by_kind[kind])]
    subjects = [
        (kind, value)
        for kind in ("saml_subject", "oidc_subject")
        for value in sorted(by_kind[kind])
        if not is_workload_subject(value)
    ]
    for kind, value in users or subjects:
        _draft_of(kind, value, drafts, directory)
    principals = users or subjects
    if len(principals) != 1:
        return
    draft = drafts[_canonical(*principals[0])]
    for each in proven:
        if each.kind != draft.kind:
            draft.add(
                AliasOf(
                    kind=each.kind,
                    value=each.value,
                    source="records",
                    account=draft.account if each.kind == "iam_user_name" else None,
                    detail=f"{each.evidence.field} of one session with {draft.id}",
                    evidence=(each.evidence,),
                )
            )


def _draft_of(kind: str, value: str, drafts: dict[Key, Draft], directory: Directory) -> Draft:
    """The draft with this id; a new one if the directory has none, with what its absence there tells."""
    key = _canonical(kind, value)
    if key not in drafts:
        draft = drafts[key] = Draft(key[0], key[1], value)
        if kind == "iam_user":
            draft.account, draft.label = value.split(":")[4], value.rsplit("/", 1)[-1]
            draft.active = False if "iam_users" in parts_read(directory, draft.account) else None
            name = AliasOf(kind="iam_user_name", value=draft.label, source="records", account=draft.account)
            draft.add(name)
            if EMAIL.fullmatch(draft.label):
                draft.add(email_alias(draft.label, "records", "the IAM user is named by this address"))
        elif EMAIL.fullmatch(value):
            draft.add(email_alias(value, "records", "the subject is this address"))
    return drafts[key]


def _canonical(kind: str, value: str) -> Key:
    return (msgspec.convert(kind, IdentifierKind), fold(kind, value))


def parts_read(directory: Directory, account: str | None) -> frozenset[str]:
    """Which parts of an account's directory were read."""
    return frozenset(part for each in directory.accounts if each.account == account for part in each.read)


def email_alias(value: str, source: AliasSource, detail: str, strength: Strength = "proven") -> AliasOf:
    """An address of a user."""
    return AliasOf(kind="email", value=value, source=source, detail=detail, strength=strength)


def _from_source_identity(identifier: Identifier) -> bool:
    return identifier.kind == "source_identity" or "sourceidentity" in identifier.evidence.field.casefold()


def by_record(seen: Iterable[Identifier]) -> Iterator[tuple[Identifier, ...]]:
    """Identifiers that cite one record, together."""
    records: dict[str, set[Identifier]] = defaultdict(set)
    for identifier in seen:
        records[identifier.evidence.event_id].add(identifier)
    for _, group in sorted(records.items()):
        yield tuple(sorted(group, key=identifier_order))


def principal_of(session: Session) -> tuple[Identifier, ...]:
    """The identifiers of a session's principal: Identity Center's own assertion makes nobody a SAML user."""
    own = own_identifiers(session)
    if session.method != "identity_center":
        return own
    return tuple(
        msgspec.structs.replace(each, kind="session_name") if each.kind == "saml_subject" else each for each in own
    )


def mark_deleted(drafts: dict[Key, Draft], sessions: Iterable[Session], directory: Directory) -> None:
    """Users of Identity Center whose identity store was read and has them no more are not active."""
    read = {
        instance.identity_store_id
        for account in directory.accounts
        if "identity_store" in account.read
        for instance in account.instances
    }
    for session in sessions:
        behalf = session.on_behalf_of
        draft = drafts.get(("identity_center_user", behalf.user_id)) if behalf else None
        store = ((behalf.identity_store_arn if behalf else None) or "").rsplit("/", 1)[-1]
        if draft is not None and not draft.in_directory and store in read:
            draft.active = False


def targets_user(kind: str, value: str, account: str | None, draft: Draft) -> bool:
    """Whether an entry of the alias list means this user."""
    if account is not None and draft.account is not None and account != draft.account:
        return False
    same_id = kind == draft.kind and fold(kind, value) == draft.id
    return same_id or (kind in {"iam_user_name", "principal_id"} and fold(kind, value) in draft.names(kind))  # type: ignore[arg-type]


def named_by_id(asked: str, drafts: dict[Key, Draft], directory: Directory) -> frozenset[Key]:
    """The one user that was asked for by its id; empty if by a name."""
    kind = kind_of(asked)
    if kind in {"iam_user", "identity_center_user"}:
        return frozenset({_draft_of(kind, asked, drafts, directory).key})
    if kind == "principal_id":
        return frozenset(draft.key for draft in drafts.values() if asked in draft.names("principal_id"))
    return frozenset()
