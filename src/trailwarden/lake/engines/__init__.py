"""Engines: who runs the lake's canonical SQL. One protocol, and the way from canonical SQL to an engine's dialect.

Canonical SQL is Trino's dialect over the one table ``events`` (the columns of ``layout.COLUMNS``, and the text
``month``, ``2026-11``, which the files are partitioned by). Values stand as ``?``; literals are written by the
program alone and contain no ``?`` outside of single quotes.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from ...errors import LakeError
from ..where import Param

Row = tuple[Any, ...]

_LITERAL_OR_MARK = re.compile(r"'(?:[^']|'')*'|\?")


class Engine(Protocol):
    """Runs one statement. Times in results are naive and in UTC, JSON columns are text.

    ``files`` are the lake's parts that the statement may see, in the order in which they are worth reading; an
    engine whose ``reads_files`` is False has a table of its own and ignores them.
    """

    name: str
    reads_files: bool

    def rows(self, sql: str, params: Sequence[Param], files: Sequence[str]) -> list[Row]:
        """All rows.

        Raises:
            PartReplaced: a part is gone; the caller reads the manifest again.
            LakeError: the data cannot be read, or the statement failed.
        """

    def batches(self, sql: str, params: Sequence[Param], files: Sequence[str]) -> Iterator[list[Row]]:
        """All rows, some thousands at a time. Raises the same."""


class PartReplaced(LakeError):  # noqa: N818 - an outcome, handled by reading the manifest again
    """A part was replaced by compaction between reading the manifest and reading the part."""


def numbered(sql: str) -> str:
    """Canonical SQL with each ``?`` as ``:p1``, ``:p2``, … so that a dialect may move them."""
    count = 0

    def name(match: re.Match[str]) -> str:
        nonlocal count
        if match[0] != "?":
            return match[0]
        count += 1
        return f":p{count}"

    return _LITERAL_OR_MARK.sub(name, sql)


def translate(sql: str, dialect: str, *, table: str = "events", value: Callable[[int], str] | None = None) -> str:
    """Canonical SQL in another dialect of sqlglot's.

    ``table`` is what stands for ``events``, and ``value(n)`` what stands for the n-th ``?``, counted from 1, both
    written in ``dialect``; by default they are parameters named ``p1``, ``p2``, …
    """
    from sqlglot import exp, parse_one  # noqa: PLC0415

    tree = parse_one(numbered(sql), read="trino")
    source = exp.maybe_parse(table, into=exp.Table, dialect=dialect)

    def replace(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Table) and node.name == "events" and not node.db:
            return exp.alias_(source.copy(), node.alias or "events", table=True)
        if isinstance(node, exp.Placeholder) and value is not None:
            return exp.maybe_parse(value(int(node.name[1:])), dialect=dialect)
        return node

    return tree.transform(replace).sql(dialect=dialect)


def parameters(params: Sequence[Param]) -> dict[str, Param]:
    """The values of ``?`` by the names that :func:`translate` gives them."""
    return {f"p{number}": value for number, value in enumerate(params, 1)}
