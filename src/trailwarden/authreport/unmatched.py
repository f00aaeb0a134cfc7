"""What only one side has: the configuration, or the records."""

from collections.abc import Iterator

from ..model.directory import AccountDirectory, Directory, IamUser
from ..model.session import Session
from ..model.time import format_instant
from .configured import all_permission_sets, instances
from .seen import Records, bare_url, oidc_names, permission_set_of, store_of
from .values import Unmatched


def only_configured(directory: Directory, records: Records) -> Iterator[Unmatched]:
    """What is configured, and not in the records, of accounts that are in them."""
    for each in directory.accounts:
        if each.account not in records.accounts:
            continue
        for saml in each.saml_providers:
            if records.saml_last(saml) is None:
                yield Unmatched(kind="saml_provider", name=saml.name, account=each.account, arn=saml.arn)
        for oidc in each.oidc_providers:
            if records.oidc_last(each.account, oidc.url) is None:
                yield Unmatched(kind="oidc_provider", name=oidc.url, account=each.account, arn=oidc.arn)
        for user in each.iam_users:
            yield from _unused_doors(user, records)
    for instance in instances(directory, records):
        if instance.seen is False:
            yield Unmatched(
                kind="identity_center", name=instance.name or instance.arn, account=instance.owner, arn=instance.arn
            )
    for permission_set in all_permission_sets(directory):
        at_hand = [account for account in permission_set.accounts if account in records.accounts]
        if at_hand and permission_set.name not in records.permission_sets:
            detail = f"provisioned to {len(permission_set.accounts)}, of which records are at hand of {len(at_hand)}"
            yield Unmatched(
                kind="permission_set", name=permission_set.name, account=None, arn=permission_set.arn, detail=detail
            )


def _unused_doors(user: IamUser, records: Records) -> Iterator[Unmatched]:
    keys = [key for key in user.access_keys if key.active]
    if user.arn not in records.users:
        if user.console_password or keys:
            used = user.password_last_used
            told = f"; its password was last used {format_instant(used)}, AWS says" if used else ""
            doors = (["a password"] if user.console_password else []) + ([f"{len(keys)} active key(s)"] if keys else [])
            yield Unmatched(
                kind="iam_user", name=user.name, account=user.account, arn=user.arn, detail=" and ".join(doors) + told
            )
        return
    for key in keys:
        if key.id not in records.keys:
            last = f"last used {format_instant(key.last_used)}" if key.last_used else "never used"
            detail = f"active key of {user.name}; {last}, AWS says"
            yield Unmatched(kind="access_key", name=key.id, account=user.account, arn=user.arn, detail=detail)


def only_seen(directory: Directory, records: Records) -> Iterator[Unmatched]:
    """What is in the records, and not in the configuration, where that was read."""
    known = _Known(directory)
    found: dict[tuple[str, str], Unmatched] = {}
    for session in records.sessions:
        for unmatched in known.lacks(session):
            found.setdefault((unmatched.kind, f"{unmatched.account} {unmatched.arn or unmatched.name}"), unmatched)
    yield from found.values()


class _Known:
    """The directory, made ready to be asked whether it has what a session shows."""

    def __init__(self, directory: Directory) -> None:
        self.accounts = {each.account: each for each in directory.accounts}
        self.saml = {provider.arn for each in directory.accounts for provider in each.saml_providers}
        self.oidc = {
            (each.account, bare_url(provider.url)) for each in directory.accounts for provider in each.oidc_providers
        }
        self.keys = {
            user.arn: {key.id for key in user.access_keys} for each in directory.accounts for user in each.iam_users
        }
        self.stores = {
            instance.identity_store_id: each
            for each in directory.accounts
            if "identity_store" in each.read
            for instance in each.instances
        }
        self.people = {(person.identity_store_id, person.user_id) for person in directory.people}
        sets = all_permission_sets(directory)
        self.permission_sets = {each.name for each in sets}
        self.provisioned = {account for each in sets for account in each.accounts}

    def lacks(self, session: Session) -> Iterator[Unmatched]:
        """What a session shows and the directory, where it was read, does not have."""
        yield from self._providers(session)
        yield from self._user(session)
        yield from self._portal(session)

    def _providers(self, session: Session) -> Iterator[Unmatched]:
        saml, web = session.saml, session.web_identity
        home = self.accounts.get(_account_in(saml.arn)) if saml else None
        if saml and home and "saml_providers" in home.read and saml.arn not in self.saml:
            detail = _taken(home)
            yield Unmatched(kind="saml_provider", name=saml.name, account=home.account, arn=saml.arn, detail=detail)
        own = self.accounts.get(session.account or "")
        if web is None or web.arn is None or own is None or "oidc_providers" not in own.read:
            return
        if not any((own.account, name) in self.oidc for name in oidc_names(session)):
            detail = _taken(own)
            yield Unmatched(kind="oidc_provider", name=web.name, account=own.account, arn=web.arn, detail=detail)

    def _user(self, session: Session) -> Iterator[Unmatched]:
        arn = session.principal_arn or ""
        own = self.accounts.get(_account_in(arn)) if ":user/" in arn else None
        if own is None or "iam_users" not in own.read:
            return
        name = arn.rsplit("/", 1)[-1]
        if arn not in self.keys:
            yield Unmatched(kind="iam_user", name=name, account=own.account, arn=arn, detail=_taken(own))
        elif "access_keys" in own.read:
            for key in session.access_keys:
                if key.startswith("AKIA") and key not in self.keys[arn]:
                    detail = f"a key of {name}, {_taken(own)}"
                    yield Unmatched(kind="access_key", name=key, account=own.account, arn=arn, detail=detail)

    def _portal(self, session: Session) -> Iterator[Unmatched]:
        store = store_of(session)
        home = self.stores.get(store or "")
        if session.on_behalf_of and store and home and (store, session.on_behalf_of.user_id) not in self.people:
            detail = f"signed in as {session.session_name or session.user_name or 'no name'}; {_taken(home)}"
            yield Unmatched(kind="identity_center_user", name=session.on_behalf_of.user_id, account=None, detail=detail)
        name = permission_set_of(session)
        if name and session.account in self.provisioned and name not in self.permission_sets:
            yield Unmatched(kind="permission_set", name=name, account=session.account, arn=session.role_arn)


def _account_in(arn: str | None) -> str:
    parts = (arn or "").split(":")
    return parts[4] if len(parts) > 5 else ""


def _taken(account: AccountDirectory) -> str:
    return f"not in the account as it was read at {format_instant(account.taken)}"


def unmatched_order(unmatched: Unmatched) -> tuple[str, ...]:
    """What these are sorted by."""
    return (unmatched.kind, unmatched.account or "", unmatched.name, unmatched.arn or "")
