"""An account as response actions see it: what reads it, and what was seen when it was read back."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from .model.authorization import AuthorizationSnapshot
from .model.proposal import Plan, Step, Target


class World(Protocol):
    """One account, as an action reads it. Only Get, List and Describe calls go through it."""

    account: str
    partition: str
    regions: Sequence[str]
    now: datetime

    def call(self, api: str, region: str | None = None, **params: Any) -> Mapping[str, Any]:
        """The answer to one call: ``world.call("iam:GetUser", UserName="john")``. The Region defaults to the home.

        Raises:
            NotFound, AccessDenied, AwsError: as AWS answered.
        """

    def items(self, api: str, key: str, region: str | None = None, **params: Any) -> Iterator[Any]:
        """Every item under ``key`` of a paginated call, all pages:
        ``world.items("iam:ListAccessKeys", "AccessKeyMetadata", UserName="john")``. Raises as ``call``."""

    def authorization(self) -> AuthorizationSnapshot | None:
        """Who may do what in the account, as IAM was last read; None where it was not."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The target read back: whether it is as planned, and what was seen."""

    ok: bool
    detail: str


def target_of(plan: Plan, step: Step) -> Target:
    """The target that a step is about: the one that its parameters name, else the plan's first."""
    named = {value for value in step.call.params.values() if isinstance(value, str)}
    for listed in step.call.params.values():
        if isinstance(listed, list | tuple):
            named |= {value for value in listed if isinstance(value, str)}
    return next((target for target in plan.targets if target.id in named), plan.targets[0])
