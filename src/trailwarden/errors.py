"""The exception tree. Every error says what failed and why, and carries the remedy.

    TrailwardenError            exit 1
    ├── UsageError              exit 2: the request itself is wrong
    │   ├── NotUnderstood       a question that the grammar does not cover
    │   └── BadCursor           a paging cursor of another query
    ├── SetupError              this installation lacks something
    │   ├── MissingDependency   an optional package is not installed
    │   ├── KeyUnavailable      the key that protects secrets at rest cannot be read
    │   └── Busy                another process holds what this one needs
    ├── SourceError             something to ingest cannot be read at all
    ├── LakeError               stored data is damaged or of another version
    ├── NotAuthenticated        nobody has shown who they are, or that holds no more
    │   └── LoginLimited        too many failed logins: the next one has to wait
    ├── Forbidden               whoever it is, they lack the right
    └── AwsError                AWS, or the way to it, refused
        ├── NoCredentials       this installation has no AWS credentials
        ├── ExpiredCredentials  the credentials are no longer valid
        ├── AccessDenied        a permission is missing
        ├── Throttled           AWS asked to slow down, and retries ran out
        ├── NotFound            the named thing does not exist
        ├── Unreachable         no connection to the endpoint
        └── RegionDisabled      the Region is not enabled in the account

Expected outcomes (a quarantined file, a partial answer) are values, not exceptions.
"""

from collections.abc import Sequence


class TrailwardenError(Exception):
    """Something failed. ``str(error)`` says what and why; ``remedy`` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(TrailwardenError):
    """The request cannot be carried out as written."""

    exit_code = 2


class NotUnderstood(UsageError):  # noqa: N818 - reads as the outcome it is
    """A question outside the grammar; ``suggestions`` are the nearest questions that are inside it."""

    def __init__(self, message: str, *, suggestions: Sequence[str] = (), remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.suggestions = tuple(suggestions)


class BadCursor(UsageError):  # noqa: N818
    """A paging cursor that does not belong to this query."""


class SetupError(TrailwardenError):
    """The installation lacks something that the request needs."""


class MissingDependency(SetupError):  # noqa: N818
    """An optional package is not installed."""


class KeyUnavailable(SetupError):  # noqa: N818
    """The key that protects secrets at rest cannot be read, or is not the one they were written with."""


class Busy(SetupError):  # noqa: N818
    """Another process holds the lock that this operation needs."""


class SourceError(TrailwardenError):
    """A source of records cannot be read at all (a single bad file or record is quarantined instead)."""


class LakeError(TrailwardenError):
    """The lake's stored data is damaged, or was written by a version that this one cannot read."""


class NotAuthenticated(TrailwardenError):  # noqa: N818
    """Nobody has shown who they are: a wrong login, or a session or token that does not hold any more."""


class LoginLimited(NotAuthenticated):
    """Too many logins failed; ``retry_after`` is in how many seconds the next one is looked at."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many failed logins", remedy=f"wait {retry_after} seconds, then try again")
        self.retry_after = retry_after


class Forbidden(TrailwardenError):  # noqa: N818
    """It is known who asks, and they lack the right."""


class AwsError(TrailwardenError):
    """AWS refused a call, or could not be reached.

    ``code`` is AWS's error code or the SDK's exception name, ``operation`` is ``service:Operation``;
    ``account`` and ``region`` say where, if known.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        code: str = "",
        operation: str = "",
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.operation = operation
        self.account = account
        self.region = region


class NoCredentials(AwsError):  # noqa: N818
    """No AWS credentials were found for this installation's own principal."""


class ExpiredCredentials(AwsError):  # noqa: N818
    """The credentials have expired or are no longer valid."""


class AccessDenied(AwsError):  # noqa: N818
    """A permission is missing, or a policy denies the call."""


class Throttled(AwsError):  # noqa: N818
    """AWS asked to slow down, and the retries were used up."""


class NotFound(AwsError):  # noqa: N818
    """The named thing does not exist."""


class Unreachable(AwsError):  # noqa: N818
    """No connection to the endpoint."""


class RegionDisabled(AwsError):  # noqa: N818
    """The Region is not enabled in the account."""
