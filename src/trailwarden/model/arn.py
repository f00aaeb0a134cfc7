"""Amazon Resource Names, and the partitions that they live in.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

import re

import msgspec

from ..errors import UsageError

#: Partition -> the Region that serves its global services (IAM, STS's global endpoint, CloudFront's trail events).
PARTITIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
_REGION_PREFIX = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
_ACCOUNT = re.compile(r"\d{12}")


class Arn(msgspec.Struct, frozen=True, order=True):
    """One ARN, taken apart: ``arn:partition:service:region:account:resource``.

    ``region`` and ``account`` are empty where the service has none. ``resource`` is everything after the
    fifth colon, as written.
    """

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> "Arn":
        """Take an ARN apart.

        Raises:
            UsageError: not an ARN.
        """
        parts = text.strip().split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
            raise UsageError(
                f"not an ARN: {text!r}", remedy="an ARN looks like arn:aws:iam::123456789012:role/SecurityAudit"
            )
        return cls(*parts[1:])

    @property
    def kind(self) -> str:
        """The resource's type: ``role`` in ``role/path/Name``, ``function`` in ``function:name``; may be empty."""
        head = re.split(r"[/:]", self.resource, maxsplit=1)
        return head[0] if len(head) == 2 else ""

    @property
    def name(self) -> str:
        """The last part of the resource: the role name without its path, or the session name."""
        return re.split(r"[/:]", self.resource)[-1]

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def parse_role_arn(text: str) -> Arn:
    """The ARN of an IAM role, checked as far as can be without asking AWS.

    Raises:
        UsageError: not an ARN, not of IAM, not a role, or with an impossible account id.
    """
    arn = Arn.parse(text)
    if arn.service != "iam" or arn.kind != "role" or not _ACCOUNT.fullmatch(arn.account):
        raise UsageError(
            f"not the ARN of an IAM role: {text!r}",
            remedy="it looks like arn:aws:iam::123456789012:role/Trailwarden; IAM > Roles > the role > ARN shows it",
        )
    if arn.partition not in PARTITIONS:
        raise UsageError(f"unknown partition {arn.partition!r} in {text!r}", remedy=f"known: {', '.join(PARTITIONS)}")
    return arn


def role_of_session(arn: Arn) -> Arn:
    """The role behind an assumed-role session's ARN (its path is not in there); any other ARN as it is."""
    if arn.service == "sts" and arn.kind == "assumed-role":
        return Arn(arn.partition, "iam", "", arn.account, f"role/{arn.resource.split('/')[1]}")
    return arn


def partition_of_region(region: str) -> str:
    """The partition that a Region belongs to."""
    return next((partition for prefix, partition in _REGION_PREFIX.items() if region.startswith(prefix)), "aws")
