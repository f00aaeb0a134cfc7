"""What a session of a connected role shows: whose account, who else may enter, what is allowed, what is recorded."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import AwsError
from .broker import AwsSession, Broker, CallerIdentity
from .connection import Connection
from .diagnosis import Cause, Check, Status, check_of_error, evidence_of
from .errors import aws_errors
from .probes import ALTERNATIVES, Permission, probe_all
from .trustcheck import read_trust

#: What a respond role lacks for each action, by the action's title; None where the account's IAM was not read.
Responding = Callable[[Connection], Mapping[str, tuple[str, ...]] | None]


def check_up(
    broker: Broker,
    connection: Connection,
    session: AwsSession,
    caller: CallerIdentity,
    needs: Mapping[str, Iterable[str]],
    *,
    responding: Responding | None = None,
) -> Iterator[Check]:
    """The checks of a role that could be assumed. ``needs`` are the IAM actions of each tool, by its title. A respond
    role is not looked at for what it shows, but for what it may do."""
    yield _check_account(session, connection)
    yield _check_trust(broker, connection, session, caller)
    if connection.purpose == "respond":
        yield from _check_actions(connection, responding(connection) if responding is not None else None)
        return
    yield from _check_permissions(session, connection, needs)
    yield _check_regions(broker, connection)
    yield from _check_trails(session)


def _check_actions(connection: Connection, lacking: Mapping[str, tuple[str, ...]] | None) -> Iterator[Check]:
    """Each action, and whether the role may carry it out."""
    if lacking is None:
        yield Check(
            id="permissions",
            title="What the role may do",
            status="unknown",
            detail="the account's IAM was not read: what the role lacks shows when an action is carried out",
            remedy="connect a read role to the account too: `trailwarden accounts policy`",
            cause="permission_not_visible",
        )
        return
    for title, missing in lacking.items():
        yield Check(
            id="permissions",
            title=f"May carry out: {title}",
            status="warning" if missing else "ok",
            detail=f"lacks {', '.join(missing)}" if missing else "everything that its steps take is allowed",
            remedy=f"`trailwarden accounts policy {connection.account_id} --for respond` prints the least policy, for "
            "the actions that you want (--action)"
            if missing
            else "",
            cause="permission_missing" if missing else None,
        )


def _check_account(session: AwsSession, connection: Connection) -> Check:
    title = "The session is in the right account"
    try:
        identity = session.identity()
    except AwsError as error:
        return check_of_error(error, "account", title, cause="aws_failed")
    evidence = {"arn": identity.arn}
    if identity.account != connection.account_id:
        return Check(
            id="account",
            title=title,
            status="failed",
            detail=f"the role's ARN says {connection.account_id}, the session is in {identity.account}",
            remedy="something between here and AWS answers in its place: check AWS_ENDPOINT_URL and the proxy",
            cause="wrong_account",
            evidence=evidence,
        )
    named = [number for number in re.findall(r"(?<!\d)\d{12}(?!\d)", connection.label) if number != identity.account]
    if named:
        return Check(
            id="account",
            title=title,
            status="warning",
            detail=f"the label names account {named[0]}, the role is in {identity.account}",
            remedy="correct the label, or connect the role of the account that was meant",
            cause="label_mismatch",
            evidence=evidence,
        )
    return Check(id="account", title=title, status="ok", detail=f"account {identity.account}", evidence=evidence)


def _check_trust(broker: Broker, connection: Connection, session: AwsSession, identity: CallerIdentity) -> Check:
    """What the trust policy, read through the role itself, gives to others than this installation."""
    title = "The trust policy lets in this installation alone"
    client = session.client("iam")
    try:
        with aws_errors("iam:GetRole", account=connection.account_id):
            role = client.get_role(RoleName=connection.role_name)["Role"]
    except AwsError as error:
        return check_of_error(error, "trust", title, cause="permission_not_visible", status="unknown")
    reading = read_trust(role["AssumeRolePolicyDocument"], identity, broker.connections.external_id(connection))
    others = [name for statement in reading.statements for name in statement.principals if statement.naming == "nobody"]
    evidence = {"max_session_seconds": str(role.get("MaxSessionDuration", ""))}
    if others:
        evidence["also_trusted"] = ", ".join(others[:10])
    if reading.open_to_anyone:
        names = ", ".join(statement.sid for statement in reading.open_to_anyone)
        return Check(
            id="trust",
            title=title,
            status="failed",
            detail=f"the trust policy names everyone as principal ({names}): any AWS account may try",
            remedy=f"name {identity.principal_arn} alone: `trailwarden accounts policy {connection.account_id}`",
            cause="trust_wildcard",
            evidence=evidence,
        )
    notes = []
    if any(statement.naming == "account" for statement in reading.naming_us):
        notes.append(
            f"it names the whole account {identity.account}: whoever may call sts:AssumeRole there and learns the "
            "External ID can use the role"
        )
    if others:
        notes.append(f"it also lets in {', '.join(others[:3])}" + (" and others" if len(others) > 3 else ""))
    deleted = [name for statement in reading.statements for name in statement.deleted]
    if deleted:
        notes.append(f"{', '.join(deleted[:3])} is a deleted principal and can be taken out")
    return Check(
        id="trust",
        title=title if not others else "The trust policy lets in this installation",
        status="ok",
        detail="; ".join(notes) or "it names this installation's principal and nobody else",
        evidence=evidence,
    )


def _check_permissions(
    session: AwsSession, connection: Connection, needs: Mapping[str, Iterable[str]]
) -> Iterable[Check]:
    wanted = {title: tuple(actions) for title, actions in needs.items()}
    permissions = probe_all(
        session,
        (action for actions in wanted.values() for action in actions),
        simulate_as=connection.role_arn,
        partition=connection.partition,
    )
    return [_check_tool(title, [permissions[a] for a in actions], permissions) for title, actions in wanted.items()]


def _check_tool(title: str, needed: Sequence[Permission], known: Mapping[str, Permission]) -> Check:
    def made_up_for(permission: Permission) -> bool:
        other = known.get(ALTERNATIVES.get(permission.action, ""))
        return other is not None and other.result == "allowed"

    denied = [each.action for each in needed if each.result == "denied" and not made_up_for(each)]
    doubtful = [each.action for each in needed if each.result == "simulated_denied"]
    unknown = [each.action for each in needed if each.result == "unknown"]
    untried = [each.action for each in needed if each.result == "not_probed"]
    parts = (
        ("denied", denied),
        ("denied on all resources at once by the policy simulator, perhaps allowed on some", doubtful),
        ("AWS did not say", unknown),
        ("not probed, for there is no harmless call", untried),
    )
    status: Status = "failed" if denied else "warning" if doubtful else "unknown" if unknown else "ok"
    remedy = ""
    if denied or doubtful:
        remedy = (
            f"attach ReadOnlyAccess or SecurityAudit to the role, or allow {', '.join((*denied, *doubtful))}; "
            "ViewOnlyAccess is not sufficient, it cannot see IAM"
        )
    elif unknown:
        remedy = next((each.error.remedy for each in needed if each.result == "unknown" and each.error), "")
    return Check(
        id="permissions",
        title=f"Allowed: {title}",
        status=status,
        detail="; ".join(f"{what}: {', '.join(actions)}" for what, actions in parts if actions)
        or "everything that it needs is allowed",
        remedy=remedy,
        cause="permission_missing" if denied or doubtful else None,
        evidence={each.action: _shown(each) for each in needed if each.result != "allowed"},
    )


def _shown(permission: Permission) -> str:
    if permission.error is None:
        return permission.result.replace("_", " ")
    evidence = evidence_of(permission.error)
    request = f", request {evidence['request_id']}" if "request_id" in evidence else ""
    return f"{permission.result.replace('_', ' ')} ({permission.error.code}{request})"


def _check_regions(broker: Broker, connection: Connection) -> Check:
    title = "The enabled Regions are known"
    try:
        regions = broker.enabled_regions(connection)
    except AwsError as error:
        return check_of_error(error, "regions", title, cause="regions_not_visible", status="warning")
    return Check(
        id="regions",
        title=title,
        status="ok",
        detail=f"{len(regions.enabled)} enabled, {len(regions.disabled)} not ({regions.source})",
        evidence={"enabled": ", ".join(regions.enabled), "disabled": ", ".join(regions.disabled)},
    )


def _check_trails(session: AwsSession) -> Iterator[Check]:
    """Whether trails record the account. Event history's 90 days are there without any."""
    title = "A trail records the account"
    client = session.client("cloudtrail")
    try:
        with aws_errors("cloudtrail:DescribeTrails", account=session.account, region=session.default_region):
            trails = list(client.describe_trails(includeShadowTrails=True)["trailList"])
        with aws_errors("cloudtrail:ListTrails", account=session.account, region=session.default_region):
            listed = [trail for page in client.get_paginator("list_trails").paginate() for trail in page["Trails"]]
        known = {trail["TrailARN"] for trail in trails}
        for home in sorted({trail["HomeRegion"] for trail in listed if trail["TrailARN"] not in known}):
            with aws_errors("cloudtrail:DescribeTrails", account=session.account, region=home):
                found = session.client("cloudtrail", home).describe_trails(includeShadowTrails=False)["trailList"]
            trails += [trail for trail in found if trail["TrailARN"] not in known]
    except AwsError as error:
        yield check_of_error(error, "trail", title, cause="permission_not_visible", status="unknown")
        return
    if not trails:
        yield Check(
            id="trail",
            title=title,
            status="warning",
            detail="there is no trail: AWS keeps 90 days of management events, and nothing older and no data events",
            remedy="create a multi-Region trail with log file validation (CloudTrail > Trails > Create)",
            cause="no_trail",
        )
    for trail in trails:
        yield _check_trail(session, trail)


def _check_trail(session: AwsSession, trail: Mapping[str, Any]) -> Check:
    title, home = f"The trail {trail['Name']} records", trail["HomeRegion"]
    traits = {
        "arn": trail["TrailARN"],
        "home_region": home,
        "bucket": trail.get("S3BucketName", ""),
        "multi_region": str(trail.get("IsMultiRegionTrail", False)).lower(),
        "organization": str(trail.get("IsOrganizationTrail", False)).lower(),
        "log_file_validation": str(trail.get("LogFileValidationEnabled", False)).lower(),
    }
    try:
        with aws_errors("cloudtrail:GetTrailStatus", account=session.account, region=home):
            status = session.client("cloudtrail", home).get_trail_status(Name=trail["TrailARN"])
    except AwsError as error:
        return check_of_error(error, "trail", title, cause="permission_not_visible", status="unknown")
    delivered = status.get("LatestDeliveryTime")
    if delivered is not None:
        traits["latest_delivery"] = delivered.isoformat(timespec="seconds")

    def found(state: Status, detail: str, remedy: str = "", cause: Cause | None = None) -> Check:
        return Check(id="trail", title=title, status=state, detail=detail, remedy=remedy, cause=cause, evidence=traits)

    if not status.get("IsLogging"):
        stopped = status.get("StopLoggingTime")
        since = f" since {stopped.isoformat(timespec='seconds')}" if stopped is not None else ""
        return found(
            "failed",
            f"logging is stopped{since}: nothing is recorded there",
            "find out who stopped it (event StopLogging), then start it again (cloudtrail:StartLogging)",
            "trail_stopped",
        )
    if status.get("LatestDeliveryError"):
        return found(
            "failed",
            f"it cannot deliver to its bucket: {status['LatestDeliveryError']}",
            "check that the bucket exists and that its policy lets cloudtrail.amazonaws.com write",
            "trail_failing",
        )
    lacks = [
        text
        for flag, text in (
            ("IsMultiRegionTrail", f"it records {home} alone, not every Region"),
            ("LogFileValidationEnabled", "its files cannot be checked for tampering"),
        )
        if not trail.get(flag)
    ]
    if lacks:
        remedy = "make it multi-Region and switch log file validation on (cloudtrail:UpdateTrail)"
        return found("warning", "; ".join(lacks), remedy, "trail_partial")
    whole = " of the whole organisation" if trail.get("IsOrganizationTrail") else ""
    return found("ok", f"every Region{whole}, with log file validation")
