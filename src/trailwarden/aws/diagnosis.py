"""What a diagnosis of a connection is, and the causes that it tells apart, each with its remedy."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from ..errors import AwsError
from .connection import Connection

Status = Literal["ok", "warning", "failed", "unknown"]
Cause = Literal[
    "credentials_missing",
    "credentials_expired",
    "credentials_refused",
    "clock_skew",
    "unreachable",
    "wrong_partition",
    "key_unavailable",
    "role_missing",
    "role_path",
    "trust_principal",
    "trust_principal_deleted",
    "trust_condition",
    "trust_denies",
    "trust_wildcard",
    "external_id_wrong",
    "external_id_not_demanded",
    "source_identity",
    "session_duration",
    "scp",
    "rcp",
    "own_policy",
    "own_boundary",
    "own_session_policy",
    "vpc_endpoint_policy",
    "wrong_account",
    "label_mismatch",
    "permission_missing",
    "permission_not_visible",
    "no_trail",
    "trail_stopped",
    "trail_failing",
    "trail_partial",
    "regions_not_visible",
    "indistinct",
    "aws_failed",
]
_WORST: tuple[Status, ...] = ("failed", "warning", "unknown", "ok")


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at. ``cause`` names what is wrong, for programs; None if nothing is.

    ``evidence`` is what was seen: AWS's code, message and request id, the Regions, the actions. Never a secret.
    """

    id: str
    title: str
    status: Status
    detail: str
    remedy: str = ""
    cause: Cause | None = None
    evidence: Mapping[str, str] = {}


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Every check of one connection, in the order in which each makes sense only after the one before."""

    connection: Connection
    at: datetime
    checks: tuple[Check, ...]

    @property
    def status(self) -> Status:
        """The worst of the checks."""
        return next((status for status in _WORST if any(check.status == status for check in self.checks)), "ok")

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What is wrong, in the order of the checks."""
        return tuple(dict.fromkeys(check.cause for check in self.checks if check.cause is not None))

    @property
    def usable(self) -> bool:
        """Whether the role could be assumed."""
        return any(check.id == "assume_role" and check.status == "ok" for check in self.checks)


def evidence_of(error: AwsError) -> dict[str, str]:
    """What AWS said: code, message, request id, HTTP status, as far as there was an answer."""
    response = getattr(error.__cause__, "response", None) or {}
    metadata = response.get("ResponseMetadata", {})
    found = {
        "operation": error.operation,
        "code": error.code,
        "message": error.message,
        "request_id": str(metadata.get("RequestId", "")),
        "http_status": str(metadata.get("HTTPStatusCode", "")),
    }
    return {key: value for key, value in found.items() if value}


def check_of_error(
    error: AwsError, identifier: str, title: str, *, cause: Cause, detail: str = "", status: Status = "failed"
) -> Check:
    """The check that an error decided: what AWS said is its evidence, the error's remedy its own."""
    return Check(
        id=identifier,
        title=title,
        status=status,
        detail=detail or error.message,
        remedy=error.remedy,
        cause=cause,
        evidence=evidence_of(error),
    )
