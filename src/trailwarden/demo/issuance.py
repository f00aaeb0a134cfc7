"""What CloudTrail records of a credential: who uses it, and how it was issued.

Shapes: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

import base64
from random import Random
from typing import Any, NamedTuple

from .actions import new_uuid
from .people import IamUser
from .records import Single, instant, locale_time, single
from .roles import VENDOR_ACCOUNT, Role


class Timed(NamedTuple):
    """A record and when it is made, in seconds since 1970."""

    seconds: int
    record: Single


def seconds_of(number: float) -> int:
    """So many hours, in seconds."""
    return int(number * 3600)


def role_identity(
    role: Role,
    session_name: str,
    *,
    key: str,
    created: int,
    mfa: bool = False,
    context: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The userIdentity of a role session. ``context`` goes into sessionContext, ``more`` beside it."""
    return {
        "type": "AssumedRole",
        "principalId": role.session_id(session_name),
        "arn": role.session_arn(session_name),
        "accountId": role.account_id,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role.id,
                "arn": role.arn,
                "accountId": role.account_id,
                "userName": role.name,
            },
            "attributes": {"creationDate": instant(created), "mfaAuthenticated": "true" if mfa else "false"},
            **(context or {}),
        },
        **more,
    }


def user_identity(user: IamUser, key: str = "") -> dict[str, Any]:
    """The userIdentity of an IAM user, with its long-lived key if it used one."""
    identity = {
        "type": "IAMUser",
        "principalId": user.id,
        "arn": user.arn,
        "accountId": user.account_id,
        "userName": user.name,
    }
    if key:
        identity["accessKeyId"] = key
    return identity


def assumed(role: Role, session_name: str, key: str, at: int, hours: float = 1) -> dict[str, Any]:
    """The responseElements of an AssumeRole of any kind."""
    return {
        "credentials": {
            "accessKeyId": key,
            "sessionToken": "IQoJb3JpZ2luX2VjEDEMO" + base64.b64encode(key.encode()).decode(),
            "expiration": locale_time(at + seconds_of(hours)),
        },
        "assumedRoleUser": {"assumedRoleId": role.session_id(session_name), "arn": role.session_arn(session_name)},
    }


def role_resource(role: Role) -> dict[str, Any]:
    """A role, as ``resources`` lists it."""
    return {"accountId": role.account_id, "type": "AWS::IAM::Role", "ARN": role.arn}


def assume_role(
    caller_identity: dict[str, Any],
    role: Role,
    session_name: str,
    at: int,
    random: Random,
    *,
    key: str,
    ip: str,
    agent: str,
    region: str,
    request: dict[str, Any] | None = None,
    event_ids: tuple[str, str] = ("<event>", "<event>"),
) -> list[Timed]:
    """An AssumeRole: one record within an account; across accounts one in each, with one sharedEventID.

    The copy in the role's account shows only the caller's account and principalId.
    """
    caller_account = str(caller_identity["accountId"])
    request_id, shared_id = new_uuid(random), new_uuid(random)
    crossing = caller_account != role.account_id

    def copy(identity: dict[str, Any], account_id: str, event_id: str) -> Single:
        return single(
            identity=identity,
            source="sts",
            name="AssumeRole",
            account_id=account_id,
            region=region,
            ip=ip,
            agent=agent,
            request={"roleArn": role.arn, "roleSessionName": session_name, **(request or {})},
            response=assumed(role, session_name, key, at),
            additional={"RequestDetails": {"endpointType": "regional", "awsServingRegion": region}},
            resources=[role_resource(role)],
            read=True,
            event_id=event_id,
            request_id=request_id,
            shared_id=shared_id if crossing else "",
            host=f"sts.{region}.amazonaws.com",
        )

    records: list[Timed] = []
    if caller_account != VENDOR_ACCOUNT:
        records.append(Timed(at, copy(caller_identity, caller_account, event_ids[0])))
    if crossing:
        seen = {"type": "AWSAccount", "principalId": caller_identity["principalId"], "accountId": caller_account}
        records.append(Timed(at, copy(seen, role.account_id, event_ids[1])))
    return records


def issued_by_service(
    role: Role, session_name: str, service: str, random: Random, *, key: str, at: int, region: str, hours: float = 6
) -> Single:
    """An AssumeRole that an AWS service makes to equip a program of the account."""
    return single(
        identity={"type": "AWSService", "invokedBy": service},
        source="sts",
        name="AssumeRole",
        account_id=role.account_id,
        region=region,
        ip=service,
        agent=service,
        request={"roleArn": role.arn, "roleSessionName": session_name, "durationSeconds": seconds_of(hours)},
        response=assumed(role, session_name, key, at, hours),
        resources=[role_resource(role)],
        read=True,
        shared_id=new_uuid(random),
    )
