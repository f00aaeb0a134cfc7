"""Amazon Athena over a table with the lake's columns in S3, for those whose archive outgrows a machine.

The table is the lake's own Parquet files, copied to S3 as they lie (``aws s3 sync <home>/lake/events s3://…``)
and declared by :func:`table_ddl`. The caller passes the boto3 client,
and what maps its errors.
https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from ...errors import LakeError, UsageError
from ..layout import COLUMNS
from ..where import Param
from . import Row, translate

_TYPES = {"text": "string", "json": "string", "time": "timestamp", "bool": "boolean"}
_PAGE = 1000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LITERAL_OR_NAMED = re.compile(r"'(?:[^']|'')*'|:p(\d+)\b")
_CONVERSIONS: Mapping[str, Callable[[str], Any]] = {
    "bigint": int,
    "integer": int,
    "double": float,
    "boolean": lambda text: text == "true",
    "timestamp": datetime.fromisoformat,
}
_LONGEST_PAUSE = 5.0


class Athena:
    """The table ``database.table``, asked through ``client`` (``boto3.client("athena")``).

    ``workgroup`` decides where results go, unless ``output`` (``s3://…``) says so. ``errors`` gives, for an operation
    (``athena:StartQueryExecution``), the context in which it is called and its errors are mapped. ``patience`` is how
    many seconds one statement may take before it is stopped.
    """

    name = "athena"
    reads_files = False

    def __init__(
        self,
        client: Any,
        *,
        database: str,
        table: str = "events",
        workgroup: str = "primary",
        output: str | None = None,
        errors: Callable[[str], AbstractContextManager[object]] = nullcontext,
        patience: float = 1800.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = f"{_identifier(database)}.{_identifier(table)}"
        self._place: dict[str, Any] = {"WorkGroup": workgroup}
        if output is not None:
            self._place["ResultConfiguration"] = {"OutputLocation": output}
        self._errors = errors
        self._patience = patience
        self._sleep = sleep

    def rows(self, sql: str, params: Sequence[Param], files: Sequence[str]) -> list[Row]:
        """All rows. Raises as :class:`Engine` says."""
        return [row for batch in self.batches(sql, params, files) for row in batch]

    def batches(self, sql: str, params: Sequence[Param], files: Sequence[str]) -> Iterator[list[Row]]:  # noqa: ARG002
        """All rows, a page of Athena's results at a time. Raises as :class:`Engine` says."""
        text, arguments = statement(sql, params, self._table)
        given = {"ExecutionParameters": arguments} if arguments else {}
        started = self._call("StartQueryExecution", QueryString=text, **given, **self._place)
        execution: str = started["QueryExecutionId"]
        self._wait(execution)
        page: dict[str, Any] = {"QueryExecutionId": execution, "MaxResults": _PAGE}
        header = True
        while True:
            answer = self._call("GetQueryResults", **page)
            types = [column["Type"] for column in answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
            # The first row of a SELECT's first page repeats the columns' names.
            rows = answer["ResultSet"]["Rows"][1 if header else 0 :]
            header = False
            if rows:
                yield [_row(types, row["Data"]) for row in rows]
            if "NextToken" not in answer:
                return
            page["NextToken"] = answer["NextToken"]

    def _call(self, operation: str, **arguments: Any) -> Any:
        method = getattr(self._client, re.sub(r"(?<=[a-z])([A-Z])", r"_\1", operation).lower())
        with self._errors(f"athena:{operation}"):
            return method(**arguments)

    def _wait(self, execution: str) -> None:
        """Until the execution has ended; the pauses grow, and it is stopped when patience is used up."""
        pause, waited = 0.2, 0.0
        while True:
            status = self._call("GetQueryExecution", QueryExecutionId=execution)["QueryExecution"]["Status"]
            if status["State"] == "SUCCEEDED":
                return
            if status["State"] in ("FAILED", "CANCELLED"):
                reason = status.get("StateChangeReason", "no reason given")
                raise LakeError(
                    f"Athena did not answer ({status['State'].lower()}): {reason}",
                    remedy=f"the query execution {execution} has the details in Athena's console",
                )
            if waited >= self._patience:
                self._call("StopQueryExecution", QueryExecutionId=execution)
                raise LakeError(
                    f"Athena did not answer within {self._patience:.0f} s, and was stopped",
                    remedy="ask for a smaller window, or raise the engine's patience",
                )
            self._sleep(pause)
            waited += pause
            pause = min(pause * 1.5, _LONGEST_PAUSE)


def statement(sql: str, params: Sequence[Param], table: str) -> tuple[str, list[str]]:
    """Canonical SQL as Athena takes it, and its ExecutionParameters: SQL literals, in the order of the ``?``."""
    order: list[int] = []

    def mark(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        order.append(int(match[1]) - 1)
        return "?"

    text = _LITERAL_OR_NAMED.sub(mark, translate(sql, "athena", table=table))
    return text, [_literal(params[position]) for position in order]


def table_ddl(location: str, *, database: str, table: str = "events", since: str = "2013-11") -> str:
    """The statement that declares the lake's files under ``location`` (``s3://bucket/lake/events``) as a table.

    Months are projected from ``since`` to now, so that no partition is ever registered:
    https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html

    Raises:
        UsageError: a location that is not in S3, a name that is no identifier, or a month not like ``2026-11``.
    """
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9!_.()=-]+)*/?", location):
        raise UsageError(f"not a place in S3: {location!r}", remedy="it looks like s3://bucket/lake/events")
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", since):
        raise UsageError(f"not a month: {since!r}", remedy="write it like 2026-11")
    columns = ",\n".join(f"  `{column.name}` {_TYPES[column.type]}" for column in COLUMNS)
    base = location.rstrip("/")
    return (
        f"CREATE EXTERNAL TABLE `{_identifier(database)}`.`{_identifier(table)}` (\n{columns}\n)\n"
        "PARTITIONED BY (`month` string)\n"
        "STORED AS PARQUET\n"
        f"LOCATION '{base}/'\n"
        "TBLPROPERTIES (\n"
        "  'projection.enabled' = 'true',\n"
        "  'projection.month.type' = 'date',\n"
        "  'projection.month.format' = 'yyyy-MM',\n"
        f"  'projection.month.range' = '{since},NOW',\n"
        "  'projection.month.interval' = '1',\n"
        "  'projection.month.interval.unit' = 'MONTHS',\n"
        f"  'storage.location.template' = '{base}/month=${{month}}/'\n"
        ")"
    )


def _identifier(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"not a name of a database or table: {name!r}", remedy="use letters, digits and underscores")
    return name


def _literal(value: Param) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _row(types: Sequence[str], cells: Sequence[Mapping[str, str]]) -> Row:
    return tuple(
        _CONVERSIONS.get(type_, str)(cell["VarCharValue"]) if "VarCharValue" in cell else None
        for type_, cell in zip(types, cells, strict=True)
    )
