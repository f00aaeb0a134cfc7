"""Cases as data: read, and made into requests and policies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from trailwarden.iam import Policies, Request

CASES = Path(__file__).parent / "cases"
PRINCIPALS = {
    "user": "arn:aws:iam::111111111111:user/alice",
    "role": "arn:aws:iam::111111111111:role/App",
    "session": "arn:aws:sts::111111111111:assumed-role/App/run-1",
    "root": "arn:aws:iam::111111111111:root",
    "outsider": "arn:aws:iam::222222222222:user/mallory",
    "service": "cloudtrail.amazonaws.com",
    "anonymous": "anonymous",
}
Statement = Mapping[str, Any] | Sequence[Any]


class Case(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One request, the policies, and what is expected; a field that is None is not looked at."""

    id: str
    expect: str
    principal: str = "user"
    action: str = "s3:GetObject"
    target: str = "arn:aws:s3:::data/report.csv"
    account: str = "111111111111"
    context: dict[str, Any] = {}
    unknown: bool | list[str] = False
    version: str = "2012-10-17"
    identity: list[list[Any]] = []
    boundaries: list[list[Any]] | None = None
    session: list[Any] | None = None
    resource: list[Any] | None = None
    scps: list[list[list[Any]]] | None = None
    rcps: list[list[list[Any]]] | None = None
    vpc_endpoints: list[list[Any]] | None = None
    management_account: bool = False
    service_linked: bool = False
    blocked_by: list[str] | None = None
    matched: list[str] | None = None
    unknown_keys: list[str] | None = None
    says: str | None = None

    def request(self) -> Request:
        return Request(
            self.action,
            self.target,
            PRINCIPALS.get(self.principal, self.principal),
            resource_account=self.account,
            context=self.context,
            unknown_context=self.unknown if isinstance(self.unknown, bool) else frozenset(self.unknown),
        )

    def policies(self) -> Policies:
        def read(statements: Sequence[Statement] | None) -> dict[str, Any] | None:
            return None if statements is None else document(statements, version=self.version)

        def several(written: list[list[Any]]) -> list[dict[str, Any]]:
            return [document(statements, version=self.version) for statements in written]

        return Policies(
            several(self.identity),
            None if self.boundaries is None else several(self.boundaries),
            read(self.session),
            read(self.resource),
            scps=None if self.scps is None else [several(level) for level in self.scps],
            rcps=None if self.rcps is None else [several(level) for level in self.rcps],
            vpc_endpoints=None if self.vpc_endpoints is None else several(self.vpc_endpoints),
            management_account=self.management_account,
            service_linked=self.service_linked,
        )


def cases(name: str) -> list[Case]:
    return msgspec.convert(yaml.safe_load((CASES / name).read_text()), list[Case])


def document(statements: Sequence[Statement], *, version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": [statement(each) for each in statements]}


def statement(written: Statement) -> Mapping[str, Any]:
    if isinstance(written, Mapping):
        return written
    effect, action, resource = written
    return {"Effect": effect, "Action": action, "Resource": resource}
