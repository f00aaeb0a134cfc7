"""Snapshots of who may do what, kept beside the records, and what changed between two of them.

::

    <lake>/iam/<account>/20261124T041000.000000Z.json.zst

Each file is readable by its owner alone, and holds the SHA-256 of its content: a damaged one is said to be damaged.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..errors import LakeError, UsageError
from ..model.authorization import (
    AccessKeyUse,
    AuthorizationSnapshot,
    Change,
    ChangeKind,
    Levels,
    OrganizationPolicies,
    ResourcePolicyDocument,
)
from ..model.policy import AccountAuthorization, IamGroup, IamPrincipal, IamRole, IamUserEntity, ManagedPolicy, Policy
from ..model.time import format_instant

_FORMAT = 1
_SUFFIX = ".json.zst"
_NAME = "%Y%m%dT%H%M%S.%fZ"
_ACCOUNT = re.compile(r"[0-9]{12}")

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class _File(msgspec.Struct, frozen=True):
    """What a file holds: ``sha256`` is of the snapshot's JSON, byte by byte."""

    format: int
    sha256: str
    snapshot: msgspec.Raw


class IamSnapshots:
    """The snapshots of a lake; ``lake`` is its folder."""

    def __init__(self, lake: Path) -> None:
        self._root = lake / "iam"

    def save(self, snapshot: AuthorizationSnapshot) -> Path:
        """Keep a snapshot; returns its file. One of the same account and time is replaced, at one stroke.

        Raises:
            UsageError: the snapshot's account is no account id.
            LakeError: it cannot be written.
        """
        import pyarrow as pa  # noqa: PLC0415

        path = self._file(snapshot.account, snapshot.taken)
        content = msgspec.json.encode(snapshot, enc_hook=_as_dict)
        whole = msgspec.json.encode(_File(_FORMAT, hashlib.sha256(content).hexdigest(), msgspec.Raw(content)))
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as compressed:
            compressed.write(whole)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(sink.getvalue())
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise LakeError(
                f"the snapshot {path} cannot be written: {error.strerror}",
                remedy="make the lake's folder writable, and see that the disk is not full",
            ) from error
        return path

    def list(self, account: str) -> tuple[datetime, ...]:
        """The times of an account's snapshots, newest first.

        Raises:
            UsageError: ``account`` is no account id.
            LakeError: the folder cannot be read.
        """
        folder = self._folder(account)
        try:
            names = sorted((entry.name for entry in folder.iterdir()), reverse=True)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise LakeError(
                f"the snapshots in {folder} cannot be read: {error.strerror}", remedy="make the lake's folder readable"
            ) from error
        return tuple(moment for moment in map(_moment, names) if moment is not None)

    def load(self, account: str, at: datetime) -> AuthorizationSnapshot:
        """The snapshot that was taken at exactly this time.

        Raises:
            UsageError: there is none, or ``account`` is no account id.
            LakeError: the file is damaged, or of another version.
        """
        path = self._file(account, at)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            raise UsageError(
                f"there is no snapshot of account {account} of {format_instant(at)}",
                remedy="take one that `list` shows, or make one now",
            ) from None
        except OSError as error:
            raise LakeError(
                f"the snapshot {path} cannot be read: {error.strerror}", remedy="make the lake's folder readable"
            ) from error
        snapshot = _decoded(path, raw)
        if snapshot.account != account:
            raise _damaged(path, f"it is of account {snapshot.account}")
        return snapshot

    def latest(self, account: str, *, now: datetime, max_age: timedelta | None = None) -> AuthorizationSnapshot | None:
        """The newest snapshot of an account; None if there is none, or it is older than ``max_age``.

        Raises:
            As ``load``.
        """
        times = self.list(account)
        if not times or (max_age is not None and now - times[0] > max_age):
            return None
        return self.load(account, times[0])

    def _folder(self, account: str) -> Path:
        if not _ACCOUNT.fullmatch(account):
            raise UsageError(f"not an account id: {account!r}", remedy="an account id has 12 digits")
        return self._root / account

    def _file(self, account: str, at: datetime) -> Path:
        return self._folder(account) / f"{at.astimezone(UTC).strftime(_NAME)}{_SUFFIX}"


def _moment(name: str) -> datetime | None:
    """The time in a file's name; None for other files, such as one that is being written."""
    if not name.endswith(_SUFFIX):
        return None
    try:
        return datetime.strptime(name.removesuffix(_SUFFIX), _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _as_dict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"a snapshot holds no {type(value).__name__}")


def _decoded(path: Path, raw: bytes) -> AuthorizationSnapshot:
    import pyarrow as pa  # noqa: PLC0415

    try:
        with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as stream:
            whole = stream.read()
        file = msgspec.json.decode(whole, type=_File)
    except (OSError, pa.ArrowException, msgspec.DecodeError) as error:
        raise _damaged(path, str(error)) from error
    if file.format != _FORMAT:
        raise LakeError(
            f"the snapshot {path} is of version {file.format}, and this program reads version {_FORMAT}",
            remedy="use the version of Trailwarden that wrote it, or delete the file",
        )
    content = bytes(file.snapshot)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise _damaged(path, "its content is not what was written")
    try:
        return msgspec.json.decode(content, type=AuthorizationSnapshot)
    except msgspec.DecodeError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, reason: str) -> LakeError:
    return LakeError(
        f"the snapshot {path} is damaged: {reason}", remedy="delete the file, or restore it from a backup; then repeat"
    )


def changes(old: AuthorizationSnapshot, new: AuthorizationSnapshot) -> tuple[Change, ...]:
    """What is different in ``new``, by subject: principals, policies, trust, boundaries, groups, keys, resources.

    What was not read on one side, or could not be, is ``not_compared`` and not a change. What all of it lets whom do is
    not said here.

    Raises:
        UsageError: they are of two accounts.
    """
    if old.account != new.account:
        raise UsageError(
            f"snapshots of two accounts, {old.account} and {new.account}, are not compared",
            remedy="give two snapshots of one account",
        )
    found = [
        *_principals(old.authorization, new.authorization),
        *_managed(old.authorization, new.authorization),
        *_unreadable(old.authorization, new.authorization),
        *_resources(old, new),
        *_organizations(old, new),
        *_keys(old, new),
    ]
    return tuple(sorted(found, key=lambda change: (change.subject, change.kind, change.name)))


def _pairs(old: Mapping[K, T], new: Mapping[K, T]) -> Iterator[tuple[K, T | None, T | None]]:
    for key in dict.fromkeys((*old, *new)):
        yield key, old.get(key), new.get(key)


def _holders(authorization: AccountAuthorization) -> dict[str, IamPrincipal | IamGroup]:
    groups = {group.arn: group for group in authorization.groups.values()}
    return {**authorization.users, **authorization.roles, **groups}


def _principals(old: AccountAuthorization, new: AccountAuthorization) -> Iterator[Change]:
    for authorization, side in ((old, "old"), (new, "new")):
        if not authorization.complete:
            yield Change(
                kind="not_compared",
                subject=f"account {authorization.account}",
                name="principals and policies",
                after=f"the {side} snapshot does not have all of them",
            )
    unknown = _unknown_policies(old, new)
    for arn, before, after in _pairs(_holders(old), _holders(new)):
        if before is None or after is None:
            if (old if before is None else new).complete:
                yield Change(kind="principal_added" if before is None else "principal_removed", subject=arn)
            continue
        if before.id != after.id:
            yield Change(kind="principal_replaced", subject=arn, before=before.id, after=after.id)
        yield from _attachments(arn, before.attached, after.attached, "policy_attached", "policy_detached")
        yield from _inline(arn, before.inline, after.inline, unknown)
        if isinstance(before, IamRole) and isinstance(after, IamRole) and (arn, "trust") not in unknown:
            yield from _edited("trust_changed", arn, "", before.trust, after.trust)
        if isinstance(before, IamUserEntity) and isinstance(after, IamUserEntity):
            yield from _attachments(arn, before.groups, after.groups, "group_joined", "group_left")
        bounds = (getattr(before, "boundary", None), getattr(after, "boundary", None))
        if bounds[0] != bounds[1]:
            yield Change(kind="boundary_changed", subject=arn, before=bounds[0], after=bounds[1])


def _attachments(
    arn: str, before: Sequence[str], after: Sequence[str], came: ChangeKind, went: ChangeKind
) -> Iterator[Change]:
    for name in sorted(set(after) - set(before)):
        yield Change(kind=came, subject=arn, name=name)
    for name in sorted(set(before) - set(after)):
        yield Change(kind=went, subject=arn, name=name)


def _inline(
    arn: str, before: Sequence[Policy], after: Sequence[Policy], unknown: frozenset[tuple[str | None, str]]
) -> Iterator[Change]:
    olds = {policy.source.name: policy for policy in before}
    news = {policy.source.name: policy for policy in after}
    for name, was, is_now in _pairs(olds, news):
        if (arn, name) in unknown:
            continue
        kind: ChangeKind = "policy_created" if was is None else "policy_deleted" if is_now is None else "policy_edited"
        yield from _edited(kind, arn, name, was, is_now)


def _managed(old: AccountAuthorization, new: AccountAuthorization) -> Iterator[Change]:
    unknown = _unknown_policies(old, new)
    for arn, before, after in _pairs(old.policies, new.policies):
        if (arn, arn) in unknown:
            continue
        if before is not None and after is not None:
            yield from _edited("policy_edited", arn, after.name, before.policy, after.policy)
            continue
        one = before or after
        if one is None or one.aws_managed:
            continue  # AWS's own are in the answer while they are in use: that they are attached says it
        if (old if before is None else new).complete:
            kind: ChangeKind = "policy_created" if before is None else "policy_deleted"
            yield from _edited(kind, arn, one.name, _document(before), _document(after))


def _document(holder: ManagedPolicy | ResourcePolicyDocument | None) -> Policy | None:
    return holder.policy if holder is not None else None


def _edited(kind: ChangeKind, subject: str, name: str, before: Policy | None, after: Policy | None) -> Iterator[Change]:
    """The change, if the documents differ in more than the order of their statements."""
    olds, news = _statements(before), _statements(after)
    added = tuple(news[key] for key in news if key not in olds)
    removed = tuple(olds[key] for key in olds if key not in news)
    versions = (before.version if before else None, after.version if after else None)
    if added or removed or (before is None) != (after is None):
        yield Change(kind=kind, subject=subject, name=name, added=added, removed=removed)
    elif versions[0] != versions[1]:  # decides whether ${…} is a variable
        yield Change(kind=kind, subject=subject, name=name, before=versions[0], after=versions[1])


def _statements(policy: Policy | None) -> dict[Any, Any]:
    """The statements of a policy, by everything but their place in it."""
    statements = policy.statements if policy is not None else ()
    return {msgspec.structs.replace(statement, index=0): statement for statement in statements}


def _unknown_policies(old: AccountAuthorization, new: AccountAuthorization) -> frozenset[tuple[str | None, str]]:
    """Holder and name of documents that one side could not read. A managed policy holds itself."""
    return frozenset(
        (source.holder, "trust") if source.kind == "trust" else (source.holder or source.arn, source.arn or source.name)
        for authorization in (old, new)
        for source in (each.source for each in authorization.unreadable)
    )


def _unreadable(old: AccountAuthorization, new: AccountAuthorization) -> Iterator[Change]:
    for holder, name in sorted(_unknown_policies(old, new), key=str):
        yield Change(
            kind="not_compared",
            subject=holder or name,
            name=name if holder != name else "",
            after="the document cannot be read",
        )


def _both_read(
    part: str, old: AuthorizationSnapshot, new: AuthorizationSnapshot, compare: Callable[[], Iterable[Change]]
) -> Iterator[Change]:
    """What ``compare`` finds, if both sides have read the part; that they are not compared, if one has."""
    have = [part in snapshot.read for snapshot in (old, new)]
    if all(have):
        yield from compare()
    elif any(have):
        side = "old" if have[1] else "new"
        yield Change(
            kind="not_compared",
            subject=f"account {old.account}",
            name=part,
            after=f"the {side} snapshot has not read it",
        )


def _resources(old: AuthorizationSnapshot, new: AuthorizationSnapshot) -> Iterator[Change]:
    prefix = "resource_policies."
    for part in sorted({part for part in (*old.read, *new.read) if part.startswith(prefix)}):
        yield from _both_read(part, old, new, partial(_of_service, part.removeprefix(prefix), old, new))


def _of_service(service: str, old: AuthorizationSnapshot, new: AuthorizationSnapshot) -> Iterator[Change]:
    olds, news = (
        {each.arn: each for each in snapshot.resource_policies if each.service == service} for snapshot in (old, new)
    )
    for arn, before, after in _pairs(olds, news):
        yield from _edited("resource_policy_changed", arn, "", _document(before), _document(after))
        shut = (before.restricts_public if before else None, after.restricts_public if after else None)
        if before and after and None not in shut and shut[0] != shut[1]:
            yield Change(
                kind="resource_policy_changed",
                subject=arn,
                name="RestrictPublicBuckets",
                before=str(shut[0]).lower(),
                after=str(shut[1]).lower(),
            )


def _organizations(old: AuthorizationSnapshot, new: AuthorizationSnapshot) -> Iterator[Change]:
    def compare() -> Iterator[Change]:
        before, after = old.organization, new.organization
        places = [None if each is None else "/".join((each.id, *each.path)) for each in (before, after)]
        if places[0] != places[1]:
            yield Change(
                kind="organization_changed",
                subject=f"account {old.account}",
                name="place in the organization",
                before=places[0],
                after=places[1],
            )
        olds, news = _attached_at(before), _attached_at(after)
        for (target, name), was, is_now in _pairs(olds, news):
            yield from _edited("organization_changed", target, name, was, is_now)

    return _both_read("organization", old, new, compare)


def _attached_at(organization: OrganizationPolicies | None) -> dict[tuple[str, str], Policy]:
    if organization is None:
        return {}
    levels: list[Levels] = [each for each in (organization.scps, organization.rcps) if each is not None]
    return {
        (target, policy.source.arn or policy.source.name): policy
        for each in levels
        for target, policies in zip(organization.path, each, strict=True)
        for policy in policies
    }


def _keys(old: AuthorizationSnapshot, new: AuthorizationSnapshot) -> Iterator[Change]:
    def compare() -> Iterator[Change]:
        for arn, before, after in _pairs(old.access_keys, new.access_keys):
            olds, news = _active(before), _active(after)
            for moment in sorted(news.keys() - olds.keys()):
                yield Change(kind="key_created", subject=arn, name=str(news[moment].number), after=_written(moment))
            for moment in sorted(olds.keys() - news.keys()):
                yield Change(kind="key_gone", subject=arn, name=str(olds[moment].number), before=_written(moment))

    return _both_read("access_keys", old, new, compare)


def _active(keys: Sequence[AccessKeyUse] | None) -> dict[datetime, AccessKeyUse]:
    """Active keys by their time, which is the only thing that tells one from another."""
    return {key.rotated: key for key in keys or () if key.active and key.rotated is not None}


def _written(moment: datetime) -> str:
    return format_instant(moment)
