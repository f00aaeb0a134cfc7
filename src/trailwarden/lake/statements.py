"""The statements of a search, in canonical SQL: every value is a parameter, only names and numbers are text."""
# ruff: noqa: S608 - what these statements are put together from are constants of this program

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from ..model.event import Order
from ..model.time import Window
from ..sessions.reading import IDENTITY_CENTER_SOURCES
from . import where as conditions
from .events import EVENT_COLUMNS
from .layout import COLUMN_NAMES
from .where import Param, Predicate, every

_EVENT = ", ".join(EVENT_COLUMNS)
_BARE = "CASE WHEN access_key_id IS NULL AND session_created IS NULL THEN event_source END"
_FROM_CONSOLE = (
    "coalesce(extra LIKE '%sessionCredentialFromConsole%' "
    'AND regexp_like(extra, \'"sessionCredentialFromConsole":\\s*"?true\'), FALSE)'
)
_IS_SIGN_IN = "event_source IN ({})".format(", ".join(f"'{each}'" for each in sorted(IDENTITY_CENTER_SOURCES)))
_SECOND = "date_diff('second', TIMESTAMP '0001-01-01 00:00:00', event_time)"
#: The start of the step in which an event lies, in seconds from BUCKET_ORIGIN; the step's length is the parameter.
_BUCKET = f"{_SECOND} - {_SECOND} % CAST(? AS BIGINT)"
#: A Monday before any event, so that steps of weeks start on Mondays and no count is negative.
BUCKET_ORIGIN = datetime(1, 1, 1, tzinfo=UTC)


class Statement(msgspec.Struct, frozen=True):
    """One statement, the values of its ``?``, and the event times that matter to it (None: any)."""

    sql: str
    params: tuple[Param, ...] = ()
    window: Window | None = None


def some(
    where: Predicate, columns: Sequence[str], *, most: int | None = None, window: Window | None = None
) -> Statement:
    """Rows: the columns, and whether the call failed as far as narrow columns tell; any ``most`` of the matches."""
    limit = "" if most is None else f" LIMIT {most:d}"
    return Statement(
        f"SELECT {', '.join(columns)}, {conditions.is_failed().sql} FROM events WHERE {where.sql}{limit}",
        where.params,
        window,
    )


def totals(where: Predicate) -> Statement:
    """Row: matches, failed, first, last, with a sort key, least and greatest sort key, sign-ins."""
    return Statement(
        f"SELECT count(*), count_if({conditions.is_failed().sql}), min(event_time), max(event_time), count(actor), "
        f"min(actor), max(actor), count_if({conditions.is_sign_in().sql}) FROM events WHERE {where.sql}",
        where.params,
    )


def page(where: Predicate, order: Order, most: int | None, window: Window) -> Statement:
    """Rows of EVENT_COLUMNS, in order of time and id, at most ``most``."""
    direction = "DESC" if order == "newest" else "ASC"
    limit = "" if most is None else f" LIMIT {most:d}"
    return Statement(
        f"SELECT {_EVENT} FROM events WHERE {where.sql} ORDER BY event_time {direction}, event_id {direction}{limit}",
        where.params,
        window,
    )


def one_event(where: Predicate, event_id: str, at: Window) -> Statement:
    """Rows of EVENT_COLUMNS with this id at this instant."""
    matching = every((conditions.within(at), Predicate("event_id = ?", (event_id,)), where))
    return Statement(f"SELECT {_EVENT} FROM events WHERE {matching.sql}", matching.params, at)


def whole_records(event_id: str) -> Statement:
    """Rows of all columns, oldest first."""
    columns = ", ".join(COLUMN_NAMES)
    return Statement(f"SELECT {columns} FROM events WHERE event_id = ? ORDER BY event_time", (event_id,))


def failed_sign_ins(where: Predicate, step: int, window: Window) -> Statement:
    """Rows: bucket, failures that only a JSON column tells."""
    failures = every((conditions.is_failed_sign_in(), Predicate(f"NOT {conditions.is_failed().sql}"), where))
    return Statement(
        f"SELECT bucket, count(*) FROM (SELECT {_BUCKET} AS bucket FROM events WHERE {failures.sql}) AS failing "
        "GROUP BY bucket",
        (step, *failures.params),
        window,
    )


def histogram(where: Predicate, step: int, window: Window) -> Statement:
    """Rows: bucket, matches, failed, oldest first."""
    return Statement(
        f"SELECT bucket, count(*), count_if(is_failed) FROM (SELECT {_BUCKET} AS bucket, {conditions.is_failed().sql} "
        f"AS is_failed FROM events WHERE {where.sql}) AS matching GROUP BY bucket ORDER BY bucket",
        (step, *where.params),
        window,
    )


def frequent(where: Predicate, sets: Sequence[Sequence[str]], *, most: int, window: Window | None) -> Statement:
    """Rows: set, matches, then each column of the sets once.

    Of each of ``sets``, numbered from 0, the ``most`` groups that have the most matches, the most frequent first.
    """
    columns = list(dict.fromkeys(column for each in sets for column in each))
    names = ", ".join(columns)
    grouping_sets = ", ".join("(" + ", ".join(each) + ")" for each in sets)
    # One grouping() a column, weighted: Spark's takes no more than one.
    weights = " + ".join(f"grouping({column}) * {1 << n:d}" for n, column in enumerate(reversed(columns)))
    codes = " ".join(f"WHEN {_grouping(columns, each)} THEN {number}" for number, each in enumerate(sets))
    counted = (
        f"SELECT CASE {weights} {codes} END AS facet, count(*) AS n, {names} FROM events WHERE {where.sql} "
        f"GROUP BY GROUPING SETS ({grouping_sets})"
    )
    ranked = (
        f"SELECT facet, n, {names}, row_number() OVER (PARTITION BY facet ORDER BY n DESC, {names}) AS place "
        f"FROM ({counted}) AS counted"
    )
    return Statement(
        f"SELECT facet, n, {names} FROM ({ranked}) AS ranked WHERE place <= {most:d} ORDER BY facet, place",
        where.params,
        window,
    )


def counts(where: Predicate, columns: Sequence[str], most: int) -> Statement:
    """Rows: the columns, matches, first, last; the most frequent first."""
    names = ", ".join(columns)
    return Statement(
        f"SELECT {names}, count(*) AS n, min(event_time), max(event_time) FROM events WHERE {where.sql} "
        f"GROUP BY {names} ORDER BY n DESC, {names} LIMIT {most:d}",
        where.params,
    )


def colon_addresses(within: Predicate) -> Statement:
    """Rows: the recorded source addresses in which a colon stands."""
    return Statement(
        f"SELECT DISTINCT source_ip FROM events WHERE source_ip LIKE '%:%' AND {within.sql}", within.params
    )


def _grouping(names: Sequence[str], grouped_by: Sequence[str]) -> int:
    """What ``grouping(names…)`` is in a set: a bit for each name that is not in it, the last name's lowest."""
    mask = 0
    for name in names:
        mask = mask << 1 | (name not in grouped_by)
    return mask


def uses() -> Statement:
    """Rows: userIdentity, account, source where the identity is bare, whether from the console, address, then calls,
    failed, first, last, earliest and latest event (time and id as one text), and the Regions and agents.

    Without the records of :func:`sign_in_records`.
    """
    moment = "CAST(event_time AS VARCHAR) || ' ' || coalesce(event_id, '')"
    return Statement(
        f"SELECT user_identity, account_id, bare, console, source_ip, count(*), count_if(is_failed), min(event_time), "
        "max(event_time), min(moment), max(moment), array_agg(DISTINCT aws_region), array_agg(DISTINCT user_agent) "
        f"FROM (SELECT user_identity, account_id, event_time, aws_region, source_ip, user_agent, {_BARE} AS bare, "
        f"{_FROM_CONSOLE} AS console, {moment} AS moment, {conditions.is_failed().sql} AS is_failed FROM events "
        f"WHERE NOT coalesce({_IS_SIGN_IN}, FALSE)) AS calls GROUP BY 1, 2, 3, 4, 5"
    )


def shared_calls() -> Statement:
    """Rows: userIdentity, account, source where the identity is bare, whether from the console, address, then
    sharedEventID, failed, event id and time of each call that has a sharedEventID. Without :func:`sign_in_records`."""
    return Statement(
        f"SELECT user_identity, account_id, {_BARE}, {_FROM_CONSOLE}, source_ip, shared_event_id, "
        f"{conditions.is_failed().sql}, event_id, event_time FROM events "
        f"WHERE coalesce(shared_event_id, '') <> '' AND NOT coalesce({_IS_SIGN_IN}, FALSE)"
    )


def sign_in_records() -> Statement:
    """Rows of all columns: the records of signing in, whose JSON columns say who and with what result."""
    return Statement(f"SELECT {', '.join(COLUMN_NAMES)} FROM events WHERE {_IS_SIGN_IN}")


def issuing_records(names: Sequence[str]) -> Statement:
    """Rows of all columns: the calls of these names, and the records of signing in."""
    marks = ", ".join("?" * len(names))
    return Statement(
        f"SELECT {', '.join(COLUMN_NAMES)} FROM events WHERE event_name IN ({marks}) OR {_IS_SIGN_IN}", tuple(names)
    )


def actions(where: Predicate, window: Window) -> Statement:
    """Rows: userIdentity, account, source where the identity is bare, then source, name, calls, failed."""
    return Statement(
        f"SELECT user_identity, account_id, {_BARE}, event_source, event_name, count(*), "
        f"count_if({conditions.is_failed().sql}) FROM events WHERE {where.sql} GROUP BY 1, 2, 3, 4, 5",
        where.params,
        window,
    )


def calls_of_principals(where: Predicate, window: Window | None, *, resources: bool) -> Statement:
    """Rows: ARN of the role or IAM user, source, name, calls that were not denied, the last of them; if asked for, how
    many of them name no resources, and the distinct JSON texts of those that do."""
    principal = "coalesce(role_arn, CASE WHEN user_type = 'IAMUser' THEN user_arn END)"
    named = ", count_if(resources IS NULL), array_agg(DISTINCT resources)" if resources else ""
    return Statement(
        f"SELECT {principal}, event_source, event_name, count(*), max(event_time){named} FROM events "
        f"WHERE {where.sql} AND {principal} IS NOT NULL AND NOT coalesce({conditions.is_denied().sql}, FALSE) "
        "GROUP BY 1, 2, 3",
        where.params,
        window,
    )
