"""A kept copy of the directory: reading it takes minutes in a large organisation, and it changes seldom."""

import os
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from ..errors import SetupError
from ..model.directory import AccountDirectory, Directory
from ..model.finding import Gap
from ..model.time import format_instant

FILE = "directory.json"
#: An account with gaps is read again after this long at the latest: somebody may have allowed what was missing.
GAPS_AGE = timedelta(minutes=10)
_FORMAT = 1


class _Account(msgspec.Struct, frozen=True):
    """One account's directory, and when it was asked for: ``taken`` is older where AWS gave an older report."""

    read_at: datetime
    directory: AccountDirectory


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    accounts: tuple[_Account, ...] = ()


def kept_directory(
    home: Path,
    read: Callable[[Collection[str]], Directory],
    *,
    accounts: Collection[str],
    now: datetime,
    max_age: timedelta,
) -> Directory:
    """The directory of ``accounts`` (the connected ones), from ``home``/directory.json as far as that is fresh.

    ``read`` is called with the accounts that are not kept, or were read ``max_age`` ago or longer (with gaps:
    GAPS_AGE), and not at all if there are none. An account that cannot be entered now keeps its older copy, whose
    ``taken`` tells its age, and a gap says so.

    Raises:
        SetupError: the copy cannot be written.
    """
    kept = _load(home / FILE)
    fresh = {account for account in accounts if account in kept and _is_fresh(kept[account], now, max_age)}
    stale = sorted(set(accounts) - fresh)
    if not stale:
        return _directory(kept, accounts, ())
    new = read(stale)
    updated = {account: held for account, held in kept.items() if account in set(accounts)}
    updated |= {each.account: _Account(now, each) for each in new.accounts if each.account in set(accounts)}
    _store(home / FILE, updated)
    return _directory(updated, accounts, tuple(_dated(gap, updated) for gap in new.gaps))


def _is_fresh(held: _Account, now: datetime, max_age: timedelta) -> bool:
    allowed = min(max_age, GAPS_AGE) if held.directory.gaps else max_age
    return timedelta(0) <= now - held.read_at < allowed


def _directory(held: Mapping[str, _Account], accounts: Collection[str], gaps: tuple[Gap, ...]) -> Directory:
    present = sorted(set(accounts) & held.keys())
    return Directory(accounts=tuple(held[account].directory for account in present), gaps=gaps)


def _dated(gap: Gap, held: Mapping[str, _Account]) -> Gap:
    """Says of an account that could not be read that an older copy stands in for it."""
    if gap.account is None or gap.account not in held:
        return gap
    taken = format_instant(held[gap.account].directory.taken)
    return msgspec.structs.replace(gap, reason=f"{gap.reason}; what is shown of the account is of {taken}")


def _load(path: Path) -> dict[str, _Account]:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (FileNotFoundError, msgspec.DecodeError):
        return {}  # a copy that is damaged, or of another version, is as good as none: AWS has the original
    except OSError as error:
        raise _unusable(path, error) from error
    return {each.directory.account: each for each in kept.accounts} if kept.format == _FORMAT else {}


def _store(path: Path, accounts: Mapping[str, _Account]) -> None:
    """Replace the copy at one stroke: whoever reads it meanwhile sees the old one or the new one."""
    content = msgspec.json.encode(_Kept(format=_FORMAT, accounts=tuple(accounts[each] for each in sorted(accounts))))
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> SetupError:
    return SetupError(
        f"the kept directory {path} cannot be used: {error.strerror}",
        remedy="make it and its folder readable and writable, and see that the disk is not full",
    )
