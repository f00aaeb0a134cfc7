"""The alias list: what the installation's keepers say of people's names, kept in the state database."""

import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal, get_args

import sqlalchemy as sa

from ..errors import UsageError
from ..model.directory import Alias
from ..model.session import IdentifierKind
from .tables import alias as table

Transaction = Callable[[], AbstractContextManager[sa.Connection]]
#: What became of an alias that was added: new, there already, or in place of one that said otherwise.
Added = Literal["added", "unchanged", "replaced"]

_SHOWN = [table.c[field] for field in Alias.__struct_fields__]
_ACCOUNT = re.compile(r"\d{12}")
_LONGEST = {"person": 320, "value": 512, "reason": 1000, "added_by": 320}


class AliasStore:
    """The aliases of one state database; of a person and a name (in an account, or in all) there is one.

    People and emails are compared without regard to case, and kept as written.
    """

    def __init__(self, read: Transaction, write: Transaction) -> None:
        self._read = read
        self._write = write

    def add(self, alias: Alias) -> Added:
        """Keep an alias. One that denies takes the place of one that does not, and the other way round.

        The same again changes nothing; with another reason, the later one is kept.

        Raises:
            UsageError: not an identifier's kind, not an account id, or a text that is empty or too long.
        """
        values = {field: getattr(alias, field) for field in Alias.__struct_fields__}
        for field, longest in _LONGEST.items():
            _check(field, values[field], longest)
        key = _key(alias.person, alias.kind, alias.value, alias.account)
        row = values | key
        with self._write() as database:
            there = database.execute(sa.select(table.c.id, *_SHOWN).where(_matches(key))).mappings().first()
            if there is None:
                database.execute(table.insert().values(id=secrets.token_hex(8), **row))
                return "added"
            if there["denies"] == alias.denies and alias.reason in ("", there["reason"]):
                return "unchanged"
            database.execute(table.update().where(table.c.id == there["id"]).values(**row))
        return "replaced"

    def remove(self, person: str, kind: str, value: str, account: str | None = None) -> Alias:
        """Forget an alias, and give it back.

        Raises:
            UsageError: there is none.
        """
        here = _matches(_key(person, kind, value, account))
        with self._write() as database:
            there = database.execute(sa.select(*_SHOWN).where(here)).mappings().first()
            if there is None:
                where = f" in account {account}" if account is not None else ""
                raise UsageError(
                    f"no alias says anything of {person} and the {kind} {value!r}{where}",
                    remedy="the alias list shows what there is; an alias of one account is removed with that account",
                )
            database.execute(table.delete().where(here))
        return Alias(**there)

    def list(self, person: str | None = None) -> Sequence[Alias]:
        """Every alias, or those of one person; by person, kind, value and account."""
        query = sa.select(*_SHOWN).order_by(
            table.c.person_key, table.c.kind, table.c.value_key, table.c.account_key, table.c.id
        )
        if person is not None:
            query = query.where(table.c.person_key == _folded(person))
        with self._read() as database:
            return tuple(Alias(**row) for row in database.execute(query).mappings())


def _key(person: str, kind: str, value: str, account: str | None) -> dict[str, str]:
    """What two aliases for the same thing have in common."""
    if kind not in get_args(IdentifierKind):
        raise UsageError(f"not a kind of name: {kind!r}", remedy=f"one of {', '.join(get_args(IdentifierKind))}")
    if account is not None and not _ACCOUNT.fullmatch(account):
        raise UsageError(f"not an account id: {account!r}", remedy="it has twelve digits")
    return {
        "person_key": _folded(person),
        "kind": kind,
        "value_key": _folded(value) if kind == "email" else value,
        "account_key": account or "",
    }


def _matches(key: dict[str, str]) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in key.items()))


def _folded(text: str) -> str:
    return text.strip().casefold()


def _check(field: str, text: str, longest: int) -> None:
    """Names come from logs too, where an attacker may have chosen them: one line, and nothing that cannot be seen."""
    if (not text.strip() and field != "reason") or len(text) > longest or not text.isprintable():
        name = field.replace("_", " ")
        raise UsageError(f"not usable as an alias's {name}", remedy=f"at most {longest} characters on one line")
