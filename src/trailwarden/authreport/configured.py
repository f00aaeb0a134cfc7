"""What AWS is set up for, beside when it was last seen."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from ..model.directory import AccountDirectory, Directory, PermissionSet
from .seen import Records, bare_url
from .values import (
    Configured,
    ConfiguredIamUsers,
    ConfiguredInstance,
    ConfiguredPermissionSet,
    ConfiguredProvider,
    ConfiguredRoot,
)

#: Parts of a directory that this report speaks about; see ``AccountDirectory``.
_PARTS = ("iam_users", "access_keys", "root", "saml_providers", "oidc_providers", "identity_center", "identity_store")
#: Parts that only the account of Identity Center has.
_CENTRAL_PARTS = frozenset({"identity_center", "identity_store"})


def configuration(directory: Directory, records: Records, now: datetime) -> Configured:
    """The configuration that was read, each thing with when it was last seen."""
    accounts = sorted(directory.accounts, key=lambda each: each.account)
    central = {part for each in accounts for part in each.read if part in _CENTRAL_PARTS}
    missing = {
        each.account: tuple(part for part in _PARTS if part not in each.read and part not in central)
        for each in accounts
    }
    return Configured(
        saml_providers=tuple(
            ConfiguredProvider(
                name=provider.name,
                arn=provider.arn,
                account=provider.account,
                created=provider.created,
                valid_until=provider.valid_until,
                seen=records.seen(last := records.saml_last(provider), provider.account),
                last_seen=last,
            )
            for each in accounts
            for provider in each.saml_providers
        ),
        oidc_providers=tuple(
            ConfiguredProvider(
                name=provider.url,
                arn=provider.arn,
                account=provider.account,
                created=provider.created,
                client_ids=provider.client_ids,
                seen=records.seen(
                    last := records.oidc.get((provider.account, bare_url(provider.url))), provider.account
                ),
                last_seen=last,
            )
            for each in accounts
            for provider in each.oidc_providers
        ),
        identity_center=tuple(instances(directory, records)),
        permission_sets=tuple(
            ConfiguredPermissionSet(
                name=each.name,
                arn=each.arn,
                accounts=each.accounts,
                seen=records.seen(last := records.permission_sets.get(each.name), *each.accounts),
                last_seen=last,
            )
            for each in all_permission_sets(directory)
        ),
        iam_users=_iam_users(accounts, records, now),
        root_users=tuple(
            ConfiguredRoot(
                account=each.account,
                mfa=each.root.mfa,
                access_keys=each.root.access_keys,
                password_last_used=each.root.password_last_used,
                seen=records.seen(last := records.roots.get(each.account), each.account),
                last_seen=last,
            )
            for each in accounts
            if each.root is not None
        ),
        not_read={account: parts for account, parts in missing.items() if parts},
    )


def all_permission_sets(directory: Directory) -> list[PermissionSet]:
    """The permission sets of all instances, each once."""
    found = {each.arn: each for account in directory.accounts for each in account.permission_sets}
    return [found[arn] for arn in sorted(found)]


def instances(directory: Directory, records: Records) -> Iterator[ConfiguredInstance]:
    """The Identity Center instances. Without onBehalfOf in the records, sessions of its roles show the only one."""
    found = {each.arn: each for account in directory.accounts for each in account.instances}
    read = any("identity_store" in account.read for account in directory.accounts)
    people = Counter(person.identity_store_id for person in directory.people)
    provisioned: dict[str, set[str]] = defaultdict(set)
    for each in all_permission_sets(directory):
        provisioned[each.instance_arn].update(each.accounts)
    for arn in sorted(found):
        instance = found[arn]
        last = records.stores.get(instance.identity_store_id)
        if last is None and len(found) == 1:
            last = max(records.portal.values(), default=None)
        yield ConfiguredInstance(
            arn=arn,
            identity_store_id=instance.identity_store_id,
            owner=instance.owner,
            name=instance.name,
            status=instance.status,
            users=people[instance.identity_store_id] if read else None,
            seen=records.seen(last, instance.owner, *provisioned[arn]),
            last_seen=last,
        )


def _iam_users(accounts: Sequence[AccountDirectory], records: Records, now: datetime) -> ConfiguredIamUsers | None:
    read = [each for each in accounts if "iam_users" in each.read]
    if not read:
        return None
    users = [user for each in read for user in each.iam_users]
    keys = [
        (key, user)
        for each in read
        if "access_keys" in each.read
        for user in each.iam_users
        for key in user.access_keys
        if key.active
    ]
    keys_read = any("access_keys" in each.read for each in read)
    oldest = min((key for key, _ in keys), key=lambda key: (key.created, key.id), default=None)
    return ConfiguredIamUsers(
        accounts=tuple(each.account for each in read),
        total=len(users),
        console_password=sum(1 for user in users if user.console_password),
        console_without_mfa=sum(1 for user in users if user.console_password and user.mfa is False),
        with_mfa=sum(1 for user in users if user.mfa),
        unsaid=sum(1 for user in users if user.console_password is None or user.mfa is None),
        with_active_keys=len({user.arn for _, user in keys}) if keys_read else None,
        active_keys=len(keys) if keys_read else None,
        active_keys_never_used=sum(1 for key, _ in keys if key.last_used is None) if keys_read else None,
        oldest_key_days=(now - oldest.created).days if oldest else None,
        oldest_key=oldest.id if oldest else None,
        seen=sum(1 for user in users if user.arn in records.users),
    )
