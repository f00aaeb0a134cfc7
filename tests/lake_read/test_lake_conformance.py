"""One query set, the same answers on every engine; and what can be shown of the engines that are not here."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import lake_read_records as the
import pytest
import sqlglot
from botocore.stub import Stubber
from lake_read_records import NOW, Facts
from sqlglot import exp

from trailwarden.aws.errors import aws_errors
from trailwarden.errors import AccessDenied, LakeError, UsageError
from trailwarden.lake.engines import Engine, Row, numbered, translate
from trailwarden.lake.engines.athena import Athena, statement, table_ddl
from trailwarden.lake.engines.duckdb import DuckDB, Translations, duckdb_of
from trailwarden.lake.engines.spark import Spark
from trailwarden.lake.layout import COLUMN_NAMES
from trailwarden.lake.query import counts, records, search, stream, vocabulary
from trailwarden.lake.store import Lake
from trailwarden.lake.where import Param
from trailwarden.model.event import EventFilter, EventQuery
from trailwarden.model.time import Window

RECORDS = the.random_records(seed=3, count=300)
FACTS = sorted((Facts(each) for each in RECORDS), key=lambda facts: facts.order)
WINDOW = Window(the.START + timedelta(days=3), the.START + timedelta(days=40))
QUERIES: dict[str, EventFilter] = {
    "everything": EventFilter(),
    "names": EventFilter(user=("alice", "O'BRIEN", "zoë", "100%!_"), region=("us-*",)),
    "wildcards": EventFilter(event=("iam:*", "*Obj%ct*"), user_agent=("*boto*", "aws-cli/*")),
    "addresses": EventFilter(ip=("10.0.0.0/9", "2001:db8::/32", "AWS Internal", "192.0.2.7")),
    "excluded": EventFilter(exclude=EventFilter(user=("bob@example.com",), error=("AccessDenied",), read_only=False)),
    "outcome": EventFilter(failed=True, exclude=EventFilter(denied=True)),
    "roles": EventFilter(role=("admin", "arn:aws:iam::222222222222:role/path/Read_Only")),
    "resources": EventFilter(resource=("logs", 'quo"ted', "back\\slash", "a*b")),
    "text": EventFilter(text=("bücket", "back\\slash", "NO: ", "lo*gs")),
    "nothing": EventFilter(access_key=("AKIANOTHING",)),
}


class Recorded:
    """An engine that keeps what it is asked, and lets DuckDB answer."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.reads_files = engine.name, engine.reads_files
        self._engine = engine
        self.asked: dict[str, tuple[Param, ...]] = {}

    def rows(self, sql: str, params: Sequence[Param], files: Sequence[str]) -> list[Row]:
        self.asked[sql] = tuple(params)
        return self._engine.rows(sql, params, files)

    def batches(self, sql: str, params: Sequence[Param], files: Sequence[str]) -> Iterator[list[Row]]:
        self.asked[sql] = tuple(params)
        return self._engine.batches(sql, params, files)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with the.build(tmp_path_factory.mktemp("conformance") / "lake", RECORDS) as lake:
        yield lake


def duckdb_engine(lake: Lake) -> Engine:
    return DuckDB(lake.root)


def spark_engine(lake: Lake) -> Engine:
    session = (
        import_module("pyspark.sql")
        .SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    return Spark.over(session, str(lake.root / "events"))


#: engine -> how it is made, and the package that it needs
ENGINES = {"duckdb": (duckdb_engine, "duckdb"), "spark": (spark_engine, "pyspark")}


def engines() -> Iterator[Any]:
    for name, (make, package) in ENGINES.items():
        missing = find_spec(package) is None
        marks = [pytest.mark.skip(reason=f"the package {package} is not installed")] if missing else []
        yield pytest.param(make, id=f"{name}-not-installed" if missing else name, marks=marks)
    athena = pytest.mark.skip(reason="Athena is a service: its statements and its protocol are tested below")
    yield pytest.param(None, id="athena-not-here", marks=[athena])


@pytest.mark.parametrize("few", [0, 2000])
@pytest.mark.parametrize("window", [None, WINDOW], ids=["any-time", "window"])
@pytest.mark.parametrize("make", list(engines()))
def test_every_engine_gives_the_answers_of_plain_python(
    make: Any, lake: Lake, window: Window | None, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trailwarden.lake.query.FEW", few)
    engine = make(lake)
    for where in QUERIES.values():
        expected = [f for f in FACTS if the.matches(f, where) and (window is None or f.time in window)]
        query = EventQuery(where=where, window=window, order="oldest", limit=1000)
        page = search(lake, query, now=NOW, engine=engine)
        assert the.ids(page.events) == [facts.record["eventID"] for facts in expected]
        assert (page.total, page.failed) == (len(expected), sum(facts.failed for facts in expected))
        assert page.histogram is not None
        assert sum(bucket.count for bucket in page.histogram.buckets) == len(expected)
        assert sum(value.count for value in page.facets["account"]) == len(expected)
        assert the.ids(list(stream(lake, query, engine=engine))) == the.ids(page.events)
        assert sum(each.count for each in counts(lake, query, by="event", engine=engine)) == len(expected)
    (found,) = records(lake, RECORDS[7]["eventID"], engine=engine)
    assert found == RECORDS[7]


@pytest.fixture(scope="module")
def canonical(lake: Lake) -> dict[str, tuple[Param, ...]]:
    """Every statement that the query set makes."""
    engine = Recorded(DuckDB(lake.root))
    with pytest.MonkeyPatch.context() as patch:
        for few in (0, 2000):
            patch.setattr("trailwarden.lake.query.FEW", few)
            for where in QUERIES.values():
                query = EventQuery(where=where, window=WINDOW, limit=20)
                page = search(lake, query, now=NOW, engine=engine)
                if page.next_cursor is not None:
                    search(lake, query, now=NOW, engine=engine, cursor=page.next_cursor)
                list(stream(lake, query, engine=engine))
                counts(lake, query, by="event", engine=engine)
        records(lake, "x", engine=engine)
        (lake.root / "cache" / "vocabulary.json").unlink(missing_ok=True)
        vocabulary(lake, engine=engine)
    assert len(engine.asked) > 50
    return engine.asked


@pytest.mark.parametrize("dialect", ["athena", "spark", "duckdb", "trino"])
def test_every_statement_is_one_of_each_dialect(dialect: str, canonical: dict[str, tuple[Param, ...]]) -> None:
    for sql, params in canonical.items():
        text = translate(sql, dialect, table="lake.events")
        (tree,) = sqlglot.parse(text, read=dialect)
        assert isinstance(tree, exp.Select)
        assert {table.sql() for table in tree.find_all(exp.Table) if table.db} == {"lake.events AS events"}
        assert not list(tree.find_all(exp.Anonymous)), text
        marks = [node for node in tree.walk() if isinstance(node, exp.Placeholder | exp.Parameter)]
        assert len(marks) == len(params)


def test_no_value_is_part_of_a_statement(canonical: dict[str, tuple[Param, ...]]) -> None:
    values = [value for where in QUERIES.values() for name in where.__struct_fields__ for value in _texts(where, name)]
    literals = {"AccessDenied"}
    for sql in canonical:
        assert not [value for value in values if value in sql and value not in literals]


def _texts(where: EventFilter, name: str) -> tuple[str, ...]:
    found = getattr(where, name)
    return found if isinstance(found, tuple) else ()


def test_athena_takes_parameters_as_literals_in_order(canonical: dict[str, tuple[Param, ...]]) -> None:
    for sql, params in canonical.items():
        text, arguments = statement(sql, params, "lake.events")
        assert text.count("?") == len(arguments) + text.count("(?:") + text.count("]?")
        assert arguments == [_athena_literal(value) for value in params]


def _athena_literal(value: Param) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def test_marks_inside_of_literals_are_text() -> None:
    assert numbered("SELECT '?', ':p9', 'it''s ?' WHERE a = ? AND b = ?") == (
        "SELECT '?', ':p9', 'it''s ?' WHERE a = :p1 AND b = :p2"
    )


def client() -> Any:
    return boto3.client(
        "athena", region_name="us-east-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="fake"
    )


def cells(*values: str | None) -> dict[str, Any]:
    return {"Data": [{} if value is None else {"VarCharValue": value} for value in values]}


def result(rows: list[dict[str, Any]], **more: str) -> dict[str, Any]:
    types = (("t", "timestamp"), ("n", "bigint"), ("b", "boolean"), ("v", "varchar"))
    info = [{"Name": name, "Type": type_} for name, type_ in types]
    return {"ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": info}}, **more}


def status(state: str, **more: str) -> dict[str, Any]:
    return {"QueryExecution": {"Status": {"State": state, **more}}}


def test_athena_runs_waits_and_reads_all_pages() -> None:
    athena, slept = client(), list[float]()
    header = cells("t", "n", "b", "v")
    with Stubber(athena) as stub:
        stub.add_response(
            "start_query_execution",
            {"QueryExecutionId": "q-1"},
            {
                "QueryString": "SELECT t, n, b, v FROM lake.events AS events WHERE v = ? AND n = ?",
                "ExecutionParameters": ["'o''brien'", "7"],
                "WorkGroup": "analysts",
                "ResultConfiguration": {"OutputLocation": "s3://bucket/results/"},
            },
        )
        for state in ("QUEUED", "RUNNING", "SUCCEEDED"):
            stub.add_response("get_query_execution", status(state), {"QueryExecutionId": "q-1"})
        first = result([header, cells("2026-11-20 10:00:00.000", "3", "true", "x")], NextToken="more")
        stub.add_response("get_query_results", first, {"QueryExecutionId": "q-1", "MaxResults": 1000})
        second = result([cells(None, None, "false", "")])
        following = {"QueryExecutionId": "q-1", "MaxResults": 1000, "NextToken": "more"}
        stub.add_response("get_query_results", second, following)
        engine = Athena(
            athena, database="lake", workgroup="analysts", output="s3://bucket/results/", sleep=slept.append
        )
        rows = engine.rows("SELECT t, n, b, v FROM events WHERE v = ? AND n = ?", ("o'brien", 7), ())
        stub.assert_no_pending_responses()
    assert rows == [(datetime(2026, 11, 20, 10), 3, True, "x"), (None, None, False, "")]  # noqa: DTZ001 - as the lake's
    assert slept == [0.2, pytest.approx(0.3)]


def test_what_aws_refuses_is_an_error_of_the_tree() -> None:
    def mapped(operation: str) -> Any:
        return aws_errors(operation, account="111111111111", region="us-east-1")

    athena = client()
    with Stubber(athena) as stub:
        stub.add_client_error("start_query_execution", "AccessDeniedException", "not allowed", 400)
        with pytest.raises(AccessDenied) as refused:
            Athena(athena, database="lake", errors=mapped).rows("SELECT 1", (), ())
    assert refused.value.operation == "athena:StartQueryExecution"


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_athena_says_why_it_did_not_answer(state: str) -> None:
    athena = client()
    with Stubber(athena) as stub:
        stub.add_response("start_query_execution", {"QueryExecutionId": "q-1"})
        stub.add_response("get_query_execution", status(state, StateChangeReason="no such table"))
        with pytest.raises(LakeError, match="no such table") as failed:
            Athena(athena, database="lake").rows("SELECT 1", (), ())
    assert "q-1" in failed.value.remedy


def test_athena_is_stopped_when_patience_ends() -> None:
    athena = client()
    with Stubber(athena) as stub:
        stub.add_response("start_query_execution", {"QueryExecutionId": "q-1"})
        for _ in range(3):
            stub.add_response("get_query_execution", status("RUNNING"))
        stub.add_response("stop_query_execution", {}, {"QueryExecutionId": "q-1"})
        with pytest.raises(LakeError, match="stopped"):
            Athena(athena, database="lake", patience=0.5, sleep=lambda _: None).rows("SELECT 1", (), ())
        stub.assert_no_pending_responses()


def test_the_table_in_athena_has_the_lakes_columns() -> None:
    ddl = table_ddl("s3://bucket/lake/events", database="security")
    assert [line.split("`")[1] for line in ddl.splitlines() if line.startswith("  `")] == list(COLUMN_NAMES)
    assert "`event_time` timestamp" in ddl
    assert "`read_only` boolean" in ddl
    assert "'projection.month.range' = '2013-11,NOW'" in ddl
    assert "'s3://bucket/lake/events/month=${month}/'" in ddl
    for bad in (
        {"location": "/tmp/x", "database": "d"},
        {"location": "s3://b'; DROP", "database": "d"},
        {"location": "s3://bucket", "database": "d; DROP"},
        {"location": "s3://bucket", "database": "d", "since": "2026-13"},
    ):
        with pytest.raises(UsageError):
            table_ddl(**bad)


def test_duckdb_reads_nothing_but_the_lake_and_writes_nothing(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    engine = DuckDB(lake.root)
    for sql in (
        f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
        f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        "SET memory_limit = '1GB'",
        "INSTALL httpfs",
        f"ATTACH '{tmp_path}/x.db'",
    ):
        engine._statements._known = {sql: sql}
        with pytest.raises(LakeError):
            engine.rows(sql, (), ())
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_translations_are_kept_and_never_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "cache" / "sql-1.json"
    sql = "SELECT count(*) FROM events WHERE strpos(a, ?) > 0"
    text = Translations(kept)[sql]
    assert "read_parquet" in text.lower()
    assert json.loads(kept.read_bytes()) == {sql: text}
    monkeypatch.setattr("trailwarden.lake.engines.duckdb.translate", None)
    assert Translations(kept)[sql] == text
    monkeypatch.undo()
    for damage in (b"", b"[1]", b'{"x": 1}', b"\xff"):
        kept.write_bytes(damage)
        assert Translations(kept)[sql] == text
    monkeypatch.setattr("trailwarden.lake.engines.duckdb.KEPT_TRANSLATIONS", 2)
    translations = Translations(kept)
    for number in range(4):
        assert translations[f"SELECT {number} FROM events"]
    assert len(json.loads(kept.read_bytes())) == 2


def test_a_needle_search_imports_neither_sqlglot_nor_pyarrow(lake: Lake) -> None:
    query = EventQuery(where=EventFilter(access_key=("AKIA0000000000000000",)), window=None)
    assert search(lake, query, now=NOW).total
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from trailwarden.lake.query import search; from trailwarden.lake.store import Lake\n"
        "from trailwarden.model.event import EventFilter, EventQuery\n"
        "where = EventFilter(access_key=('AKIA0000000000000000',))\n"
        "page = search(Lake.open(Path(sys.argv[1])), EventQuery(where=where, window=None), now=datetime.now(UTC))\n"
        "assert page.total\n"
        "print(sorted({'sqlglot', 'pyarrow', 'boto3', 'numpy', 'pandas', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(lake.root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_part_that_compaction_replaced_is_looked_up_again(tmp_path: Path) -> None:
    with the.build(tmp_path / "lake", [the.record(1), the.record(2)]) as lake:
        query = EventQuery(where=EventFilter(), window=None)
        real = lake.manifest.parts
        stale = [part._replace(path=part.path.replace(".parquet", "-gone.parquet")) for part in real()]
        answers = [stale, stale]

        def parts(*args: Any, **kwargs: Any) -> Any:
            return answers.pop() if answers else real(*args, **kwargs)

        lake.manifest.parts = parts
        assert search(lake, query, now=NOW).total == 2
        answers = [stale] * 4
        with pytest.raises(LakeError, match="gone"):
            search(lake, query, now=NOW)


def test_a_damaged_part_is_an_error_and_not_an_empty_answer(tmp_path: Path) -> None:
    with the.build(tmp_path / "lake", [the.record(1)]) as lake:
        (part,) = lake.manifest.parts()
        (lake.root / part.path).write_bytes(b"PAR1 and then nothing of use PAR1")
        with pytest.raises(LakeError) as failed:
            search(lake, EventQuery(where=EventFilter(), window=None), now=NOW)
        assert failed.value.remedy


@pytest.mark.parametrize("name", ["a [b]*?", "it's", "ünï", "new\nline"])
def test_any_folder_may_hold_a_lake(tmp_path: Path, name: str) -> None:
    with the.build(tmp_path / name / "lake", [the.record(1)]) as lake:
        assert search(lake, EventQuery(where=EventFilter(), window=None), now=NOW).total == 1
    assert duckdb_of(tmp_path / name / "lake") is duckdb_of(tmp_path / name / "lake")


def test_times_are_utc_whatever_the_zone_of_the_window(lake: Lake) -> None:
    zone = ZoneInfo("Pacific/Auckland")
    shifted = Window(WINDOW.start.astimezone(zone), WINDOW.end.astimezone(zone))
    query = EventQuery(where=EventFilter(), window=shifted, limit=1000)
    page = search(lake, query, now=NOW)
    assert page.total == sum(facts.time in WINDOW for facts in FACTS)
    assert {event.time.tzinfo for event in page.events} == {UTC}
