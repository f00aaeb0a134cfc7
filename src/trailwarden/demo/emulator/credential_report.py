"""IAM's credential report, with the root user's line, its four hours and the wait for it; and the account summary.

Columns and their values: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
"""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from .call import Answer, Call, Refusal
from .world import PARTITION, Caller, CredentialReport, Root, World

_VALID = timedelta(hours=4)
_CERTIFICATES = ("false", "N/A", "false", "N/A")
_COLUMNS = (
    *("user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed"),
    *("password_next_rotation", "mfa_active"),
    *("access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date"),
    *("access_key_1_last_used_region", "access_key_1_last_used_service"),
    *("access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date"),
    *("access_key_2_last_used_region", "access_key_2_last_used_service"),
    *("cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated"),
)


def generate(world: World, call: Call, caller: Caller) -> Answer:
    """GenerateCredentialReport: begins one unless there is one of the last four hours."""
    with world.lock:
        report = world.credential_reports.get(caller.account)
        if report is not None and world.now() - report.generated < _VALID:
            return call.answer({"State": "COMPLETE" if report.asked else "INPROGRESS"})
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([_COLUMNS, *_lines(world, caller.account)])
        world.credential_reports[caller.account] = CredentialReport(world.now(), lines.getvalue())
    return call.answer({"State": "STARTED", "Description": "No report exists. Starting a new report generation task"})


def get(world: World, call: Call, caller: Caller) -> Answer:
    """GetCredentialReport: in progress when first asked for, as AWS takes some seconds to make one."""
    with world.lock:
        report = world.credential_reports.get(caller.account)
        if report is None:
            raise Refusal("ReportNotPresent", "No credential report is present.", 410)
        if world.now() - report.generated >= _VALID:
            raise Refusal("ReportExpired", "The most recent credential report has expired.", 410)
        report.asked += 1
        if report.asked == 1:
            raise Refusal("ReportInProgress", "Credential report is still being generated.", 404)
    shown = {"Content": report.content, "ReportFormat": "text/csv", "GeneratedTime": report.generated}
    return call.answer(shown)


def _lines(world: World, account: str) -> Iterator[tuple[str, ...]]:
    root = world.roots.get(account, Root())
    unused = ("N/A", "N/A", "N/A")
    yield (
        "<root_account>",
        f"arn:{PARTITION}:iam::{account}:root",
        _instant(root.created),
        "not_supported",
        _instant(root.signed_in) if root.signed_in is not None else "no_information",
        "not_supported",
        "not_supported",
        _flag(root.mfa),
        *(_flag(root.access_key), _instant(root.created) if root.access_key else "N/A", *unused),
        *("false", "N/A", *unused),
        *_CERTIFICATES,
    )
    for user in list(world.iam(account).users.values()):
        used = user.password_last_used
        keys = [*user.access_keys[:2], None, None][:2]
        yield (
            user.name,
            user.arn,
            _instant(user.create_date),
            _flag(bool(user.password)),
            ("N/A" if not user.password else _instant(used) if used else "no_information"),
            _instant(user.create_date) if user.password else "N/A",
            "N/A",
            _flag(bool(user.mfa_devices)),
            *_key(keys[0]),
            *_key(keys[1]),
            *_CERTIFICATES,
        )


def _key(key: Any) -> tuple[str, str, str, str, str]:
    """A key's five columns; of an inactive key the report has no date."""
    if key is None:
        return ("false", "N/A", "N/A", "N/A", "N/A")
    used = key.last_used
    active = key.status == "Active"
    return (
        _flag(active),
        _instant(key.create_date) if active else "N/A",
        *((_instant(used.timestamp), used.region, used.service) if used is not None else ("N/A", "N/A", "N/A")),
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _instant(moment: datetime) -> str:
    aware = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def get_account_summary(world: World, call: Call, caller: Caller) -> Answer:
    """GetAccountSummary, with what the account's root user has."""
    root = world.roots.get(caller.account, Root())
    has = {"AccountMFAEnabled": int(root.mfa), "AccountAccessKeysPresent": int(root.access_key)}
    return call.answer({"SummaryMap": {**world.iam(caller.account).account_summary.summary_map, **has}})


OPERATIONS = {
    "GenerateCredentialReport": generate,
    "GetCredentialReport": get,
    "GetAccountSummary": get_account_summary,
}
