"""Apache Spark over the same Parquet files, for those who have a cluster. Needs the package ``pyspark``."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import islice
from typing import Any

from ...errors import LakeError
from ..where import Param
from . import Row, parameters, translate

_BATCH = 2_000


class Spark:
    """A table or view of a SparkSession with the lake's columns, by default the Parquet files under ``events``.

    ``table`` is an identifier that the session knows. Its times must be ``TIMESTAMP_NTZ``, or the session's time
    zone UTC.
    """

    name = "spark"
    reads_files = False

    def __init__(self, session: Any, table: str = "events") -> None:
        self._session = session
        self._table = table

    @classmethod
    def over(cls, session: Any, events: str) -> "Spark":
        """The lake whose folder ``events`` is at this path or URL (``s3a://bucket/lake/events``)."""
        session.conf.set("spark.sql.session.timeZone", "UTC")
        session.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
        session.read.parquet(events).createOrReplaceTempView("events")
        return cls(session)

    def rows(self, sql: str, params: Sequence[Param], files: Sequence[str]) -> list[Row]:
        """All rows. Raises as :class:`Engine` says."""
        return [row for batch in self.batches(sql, params, files) for row in batch]

    def batches(self, sql: str, params: Sequence[Param], files: Sequence[str]) -> Iterator[list[Row]]:  # noqa: ARG002
        """All rows, some thousands at a time. Raises as :class:`Engine` says."""
        # The session exists, so its package does; this one does not depend on it.
        refusal = import_module("pyspark.errors").PySparkException
        try:
            found = self._session.sql(translate(sql, "spark", table=self._table), args=parameters(params))
            rows = found.toLocalIterator()
            while batch := [tuple(row) for row in islice(rows, _BATCH)]:
                yield batch
        except refusal as error:
            raise LakeError(
                f"Spark did not answer: {error}", remedy="check the table's columns and the session"
            ) from error
