"""IAM's credential report: what its CSV says of every user's password, MFA and access keys.

The columns: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
It holds no key ids, and of inactive keys no dates.
"""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from ..errors import SourceError

#: The root user's name in the report. It is no name that an IAM user can have.
ROOT = "<root_account>"
#: What stands where there is no value: none (``N/A``), none on record, or none for this kind of user.
_NOTHING = frozenset({"", "n/a", "no_information", "not_supported"})
_REMEDY = "repeat the command; if it happens again, report it with the report's header line"


class ReportedKey(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two places for access keys. ``rotated`` is when the key was made or last changed, if it is active."""

    active: bool
    rotated: datetime | None = None
    last_used: datetime | None = None
    last_service: str | None = None
    last_region: str | None = None


class ReportedUser(msgspec.Struct, frozen=True, kw_only=True):
    """One line. ``console_password`` is None where the report does not say, as for the root user."""

    name: str
    arn: str
    created: datetime
    console_password: bool | None
    password_last_used: datetime | None
    mfa: bool | None
    keys: tuple[ReportedKey, ...]


def parse_credential_report(content: str) -> Mapping[str, ReportedUser]:
    """The report's users by ARN, the root user (named ROOT) among them.

    Raises:
        SourceError: a column is missing, or a value is of another form than AWS documents.
    """
    lines = csv.DictReader(io.StringIO(content, newline=""))
    users: dict[str, ReportedUser] = {}
    for line in lines:
        try:
            user = _user(line)
        except KeyError as error:
            raise SourceError(f"the credential report has no column {error}", remedy=_REMEDY) from error
        except ValueError as error:
            where = f"line {lines.line_num} of the credential report"
            raise SourceError(f"{where} cannot be read: {error}", remedy=_REMEDY) from error
        users[user.arn] = user
    return users


def _user(line: Mapping[str, str | None]) -> ReportedUser:
    created = _instant(line["user_creation_time"])
    arn, name = line["arn"], line["user"]
    if not arn or not name or created is None:
        raise ValueError("a user without a name, an ARN or a date of creation")
    return ReportedUser(
        name=name,
        arn=arn,
        created=created,
        console_password=_flag(line["password_enabled"]),
        password_last_used=_instant(line["password_last_used"]),
        mfa=_flag(line["mfa_active"]),
        keys=tuple(_key(line, f"access_key_{number}_") for number in (1, 2)),
    )


def _key(line: Mapping[str, str | None], prefix: str) -> ReportedKey:
    return ReportedKey(
        active=_flag(line[prefix + "active"]) is True,
        rotated=_instant(line[prefix + "last_rotated"]),
        last_used=_instant(line[prefix + "last_used_date"]),
        last_service=_text(line[prefix + "last_used_service"]),
        last_region=_text(line[prefix + "last_used_region"]),
    )


def _text(value: str | None) -> str | None:
    stripped = (value or "").strip()
    return None if stripped.casefold() in _NOTHING else stripped


def _flag(value: str | None) -> bool | None:
    text = _text(value)
    if text is None:
        return None
    if text.casefold() not in {"true", "false"}:
        raise ValueError(f"neither true nor false: {text[:40]!r}")
    return text.casefold() == "true"


def _instant(value: str | None) -> datetime | None:
    text = _text(value)
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {text[:40]!r}")
    return moment.astimezone(UTC)
