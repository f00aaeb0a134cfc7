"""Diagnoses a connection: what is wrong with it, exactly, and what to do about it.

It makes read calls and AssumeRole calls alone; one of them deliberately without the External ID, which the account's
CloudTrail then shows as refused.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from ..errors import (
    AccessDenied,
    AwsError,
    ExpiredCredentials,
    KeyUnavailable,
    NoCredentials,
    TrailwardenError,
    Unreachable,
)
from ..model.time import format_duration
from ..progress import Progress, Silent
from .broker import SESSION_DURATION, AwsSession, Broker, CallerIdentity, session_name
from .checkup import Responding, check_up
from .connection import Connection
from .denied import Refused, explain_denied
from .diagnosis import Cause, Check, Diagnosis, check_of_error, evidence_of
from .errors import CLOCK_REMEDY, aws_errors, is_clock_skew

#: AWS refuses signatures that are more than 5 minutes off; half a minute is said, for it will grow.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
SKEW_LIMIT, SKEW_NOTICED = timedelta(minutes=5), timedelta(seconds=30)
_SHORTEST_SESSION = timedelta(minutes=15)


class CallerExamination(msgspec.Struct, frozen=True, kw_only=True):
    """Who this installation is, with the checks that said so; ``identity`` None if AWS did not say."""

    identity: CallerIdentity | None
    checks: tuple[Check, ...]


def diagnose_all(
    broker: Broker,
    connections: Sequence[Connection],
    needs: Mapping[str, Iterable[str]],
    *,
    now: Callable[[], datetime],
    second_view: AwsSession | None = None,
    progress: Progress | None = None,
    workers: int = 6,
    responding: Responding | None = None,
) -> tuple[Diagnosis, ...]:
    """Diagnose several connections at once; the diagnoses come in the order of ``connections``. As ``diagnose``."""
    caller = examine_caller(broker, now=now)
    with (
        (progress or Silent()).task("Diagnosing", total=len(connections), unit="connections") as task,
        ThreadPoolExecutor(max_workers=workers, thread_name_prefix="doctor") as pool,
    ):

        def one(connection: Connection) -> Diagnosis:
            return diagnose(
                broker, connection, needs, now=now, second_view=second_view, caller=caller, responding=responding
            )

        diagnoses = []
        for diagnosis in pool.map(one, connections):
            diagnoses.append(diagnosis)
            task.advance(1, note=f"{diagnosis.connection}: {diagnosis.status}")
    return tuple(diagnoses)


def diagnose(
    broker: Broker,
    connection: Connection,
    needs: Mapping[str, Iterable[str]],
    *,
    now: Callable[[], datetime],
    second_view: AwsSession | None = None,
    duration: timedelta = SESSION_DURATION,
    caller: CallerExamination | None = None,
    responding: Responding | None = None,
) -> Diagnosis:
    """Everything that can be told about one connection.

    ``needs`` are the IAM actions of each tool, by its title; ``responding`` tells what a respond role lacks.
    ``second_view`` is a session of the asking person's own in the connected account (``broker.own_session(profile)``):
    with it, a refusal is explained exactly. Failures are checks, never exceptions.
    """
    at = now()
    broker.forget(connection)  # what is diagnosed is the present, not a session from before
    known = caller or examine_caller(broker, now=now)
    checks = list(known.checks)
    if known.identity is not None:
        partition = _check_partition(known.identity, connection)
        checks.append(partition)
        if partition.status == "ok":
            session, assumed = _check_assume(broker, connection, known.identity, second_view, duration)
            checks += assumed
            if session is not None:
                checks.append(_check_external_id(broker, connection))
                if connection.purpose == "respond":
                    checks.append(_check_source_identity(broker, connection, known.identity))
                checks += check_up(broker, connection, session, known.identity, needs, responding=responding)
    return Diagnosis(connection=connection, at=at, checks=tuple(checks))


def examine_caller(broker: Broker, *, now: Callable[[], datetime]) -> CallerExamination:
    """Whether AWS knows this installation's own principal, and whether its clock agrees with AWS's."""
    title = "This installation has AWS credentials"
    try:
        own = broker.own()
        with aws_errors("sts:GetCallerIdentity", region=own.default_region):
            answer = own.client("sts").get_caller_identity()
    except AwsError as error:
        response = getattr(error.__cause__, "response", None) or {}
        clock = _check_clock(response, now())
        if is_clock_skew(error) and clock.status != "failed":
            clock = check_of_error(error, "clock", "The clock is right", cause="clock_skew")
        failed = check_of_error(error, "caller", title, cause=_caller_cause(error))
        return CallerExamination(identity=None, checks=(failed, clock) if clock.status != "unknown" else (failed,))
    identity = CallerIdentity(account=answer["Account"], arn=answer["Arn"], user_id=answer["UserId"])
    note = "; it is the root user: make a role for trailwarden" if identity.arn.endswith(":root") else ""
    checks = (
        Check(id="caller", title=title, status="warning" if note else "ok", detail=f"it is {identity.arn}{note}"),
        _check_clock(answer, now()),
    )
    return CallerExamination(identity=identity, checks=checks)


def _caller_cause(error: AwsError) -> Cause:
    if is_clock_skew(error):
        return "clock_skew"
    if isinstance(error, NoCredentials):
        return "credentials_refused" if hasattr(error.__cause__, "response") else "credentials_missing"
    if isinstance(error, ExpiredCredentials):
        expired = "expired" in f"{error.code} {error.message}".lower() or not hasattr(error.__cause__, "response")
        return "credentials_expired" if expired else "credentials_refused"
    return "unreachable" if isinstance(error, Unreachable) else "aws_failed"


def _check_clock(answer: Mapping[str, Any], here: datetime) -> Check:
    """Against the Date header of AWS's answer, an error included."""
    title = "The clock is right"
    header = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if header is None:
        return Check(id="clock", title=title, status="unknown", detail="AWS's answer carried no time")
    there = parsedate_to_datetime(header).astimezone(UTC)
    skew = abs(here - there)
    behind = "behind" if here < there else "ahead of"
    detail = f"this machine's clock is {format_duration(skew)} {behind} AWS's"
    evidence = {"here": here.isoformat(timespec="seconds"), "aws": there.isoformat(timespec="seconds")}
    if skew < SKEW_NOTICED:
        return Check(id="clock", title=title, status="ok", detail="it agrees with AWS's", evidence=evidence)
    return Check(
        id="clock",
        title=title,
        status="failed" if skew >= SKEW_LIMIT else "warning",
        detail=detail,
        remedy=CLOCK_REMEDY,
        cause="clock_skew",
        evidence=evidence,
    )


def _check_partition(identity: CallerIdentity, connection: Connection) -> Check:
    title = "The role is in the partition of the credentials"
    if identity.partition == connection.partition:
        return Check(id="partition", title=title, status="ok", detail=f"both are in {connection.partition}")
    return Check(
        id="partition",
        title=title,
        status="failed",
        detail=f"the role is in {connection.partition}, the credentials are of {identity.partition}; AWS lets nobody "
        "assume a role of another partition",
        remedy=f"use credentials of {connection.partition} (a profile, or another installation), or correct the ARN",
        cause="wrong_partition",
    )


def _check_assume(
    broker: Broker,
    connection: Connection,
    identity: CallerIdentity,
    second_view: AwsSession | None,
    duration: timedelta,
) -> tuple[AwsSession | None, list[Check]]:
    title = "The role can be assumed"
    before: list[Check] = []
    try:
        external_id = broker.connections.external_id(connection)
    except TrailwardenError as error:
        cause: Cause = "key_unavailable" if isinstance(error, KeyUnavailable) else "aws_failed"
        unreadable = Check(
            id="external_id",
            title="The External ID can be read",
            status="failed",
            detail=error.message,
            remedy=error.remedy,
            cause=cause,
        )
        return None, [unreadable]
    for seconds in dict.fromkeys((duration, _SHORTEST_SESSION)):
        try:
            session = broker.assume(connection, duration=seconds, trace="doctor")
        except AccessDenied as error:
            refused = Refused(
                broker=broker,
                connection=connection,
                caller=identity,
                error=error,
                external_id=external_id,
                second_view=second_view,
            )
            return None, [*before, explain_denied(refused)]
        except AwsError as error:
            if "DurationSeconds" in error.message and seconds > _SHORTEST_SESSION:
                before.append(_too_long(error, duration))
                continue
            return None, [*before, check_of_error(error, "assume_role", title, cause=_assume_cause(error))]
        return session, [*before, Check(id="assume_role", title=title, status="ok", detail=f"as {connection.role_arn}")]
    return None, before


def _assume_cause(error: AwsError) -> Cause:
    if error.code == "WrongAccount":
        return "wrong_account"
    cause = _caller_cause(error)
    return "aws_failed" if cause == "credentials_missing" else cause


def _check_source_identity(broker: Broker, connection: Connection, identity: CallerIdentity) -> Check:
    """Whether a session of a ``respond`` role may carry the name of who approved."""
    title = "A session can name the approver (SourceIdentity)"
    try:
        broker.assume(connection, source_identity="trailwarden-doctor", duration=_SHORTEST_SESSION, trace="doctor")
    except AwsError as error:
        denied = msgspec.structs.replace(
            check_of_error(error, "source_identity", title, cause="source_identity"),
            remedy=f"allow sts:SetSourceIdentity to {identity.principal_arn} in the role's trust policy "
            f"(`trailwarden accounts policy {connection.account_id}`), and on the role in that principal's own policy",
        )
        return (
            denied
            if isinstance(error, AccessDenied)
            else check_of_error(error, "source_identity", title, cause=_assume_cause(error), status="unknown")
        )
    return Check(id="source_identity", title=title, status="ok", detail="the trust policy and the own policy allow it")


def _too_long(error: AwsError, duration: timedelta) -> Check:
    return Check(
        id="session_duration",
        title="A session may last long enough",
        status="failed",
        detail=f"the role does not give sessions of {format_duration(duration)}",
        remedy=f"raise the role's MaxSessionDuration to {int(duration.total_seconds())} seconds (IAM > Roles > Edit); "
        "a role that assumes another one gets an hour at most",
        cause="session_duration",
        evidence=evidence_of(error),
    )


def _check_external_id(broker: Broker, connection: Connection) -> Check:
    """Whether the role turns away who comes without the External ID: tried for real."""
    title = "The role demands the External ID"
    request = {"RoleArn": connection.role_arn, "RoleSessionName": session_name("doctor-without-external-id")}
    try:
        broker.call_assume_role(connection, {**request, "DurationSeconds": int(_SHORTEST_SESSION.total_seconds())})
    except AccessDenied as error:
        return Check(
            id="external_id",
            title=title,
            status="ok",
            detail="with it the role can be assumed, without it AWS refuses",
            evidence=evidence_of(error),
        )
    except AwsError as error:
        detail = f"not known: {error.message}"
        return check_of_error(error, "external_id", title, cause="aws_failed", detail=detail, status="unknown")
    return Check(
        id="external_id",
        title=title,
        status="warning",
        detail="the role can be assumed without the External ID: whoever gets this installation to use the role's ARN "
        "gets into the account (the confused deputy)",
        remedy="add the condition StringEquals sts:ExternalId to the trust policy; "
        f"`trailwarden accounts policy {connection.account_id}` prints it",
        cause="external_id_not_demanded",
    )
