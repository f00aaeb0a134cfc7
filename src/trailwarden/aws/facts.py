"""One account, as response actions read it: any call that only reads, by its IAM name, with every page of lists.

    facts = AccountFacts(session, account="111111111111", partition="aws", regions=regions, now=now)
facts.call("iam:GetUser", UserName="john")["User"]["UserId"]
list(facts.items("iam:ListAccessKeys", "AccessKeyMetadata", UserName="john"))
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from ..errors import AwsError
from ..model.arn import PARTITIONS
from ..model.authorization import AuthorizationSnapshot
from .broker import AwsSession
from .errors import aws_errors

#: What the operations that only read begin with; no other is called.
_READS = re.compile(r"(Get|List|Describe|Lookup|Simulate)[A-Z]")
#: Tokens of the next page in an answer, and the parameter that asks for it, where the SDK has no paginator.
_NEXT: Sequence[tuple[str, str]] = (("NextMarker", "NextMarker"), ("Marker", "Marker"), ("NextToken", "NextToken"))
#: Pages after which a list is taken for one that never ends.
_MOST_PAGES = 10_000


class AccountFacts:
    """One account to read, as :class:`trailwarden.action.World` describes it. Every call asks AWS anew.

    ``snapshot`` gives who may do what in the account, when that is asked for.
    """

    def __init__(
        self,
        session: AwsSession,
        *,
        account: str,
        partition: str,
        regions: Sequence[str],
        now: datetime,
        snapshot: Callable[[], AuthorizationSnapshot | None] = lambda: None,
    ) -> None:
        self.account = account
        self.partition = partition
        self.regions: Sequence[str] = tuple(regions)
        self.now = now
        self._session = session
        self._snapshot = snapshot

    def call(self, api: str, region: str | None = None, **params: Any) -> Mapping[str, Any]:
        """The answer to one call, without the SDK's own metadata. The Region defaults to the partition's home.

        Raises:
            ValueError: not an operation that only reads.
            NotFound, AccessDenied, AwsError: as AWS answered.
        """
        client, operation, where = self._client(api, region)
        with aws_errors(api, account=self.account, region=where):
            answer = getattr(client, operation)(**params)
        return _bare(answer)

    def items(self, api: str, key: str, region: str | None = None, **params: Any) -> Iterator[Any]:
        """Every item under ``key``, all pages. Raises as ``call``."""
        client, operation, where = self._client(api, region)
        if client.can_paginate(operation):
            pages = iter(client.get_paginator(operation).paginate(**params))
            while True:
                with aws_errors(api, account=self.account, region=where):
                    page = next(pages, None)
                if page is None:
                    return
                yield from page.get(key) or ()
        asked = dict(params)
        for _ in range(_MOST_PAGES):
            with aws_errors(api, account=self.account, region=where):
                page = getattr(client, operation)(**asked)
            yield from page.get(key) or ()
            following = _following(client, operation, page)
            if following is None or following.items() <= asked.items():
                return
            asked |= following
        raise AwsError(
            f"{api} gave {_MOST_PAGES} pages without an end", remedy="repeat the command", code="EndlessList",
            operation=api, account=self.account, region=where,
        )  # fmt: skip

    def authorization(self) -> AuthorizationSnapshot | None:
        """Who may do what in the account, as IAM was last read; None where it was not."""
        return self._snapshot()

    def _client(self, api: str, region: str | None) -> tuple[Any, str, str]:
        service, _, operation = api.partition(":")
        if not _READS.match(operation):
            raise ValueError(f"{api} does not only read")
        where = region or PARTITIONS[self.partition]
        return self._session.client(service, where), snake_case(operation), where


@cache
def snake_case(operation: str) -> str:
    """The SDK's method of an operation: ``ListSSHPublicKeys`` is ``list_ssh_public_keys``."""
    from botocore import xform_name  # noqa: PLC0415

    name: str = xform_name(operation)
    return name


def _following(client: Any, operation: str, page: Mapping[str, Any]) -> dict[str, Any] | None:
    """The parameters that ask for the page after this one."""
    if page.get("IsTruncated") is False:
        return None
    name = client.meta.method_to_api_mapping[operation]
    known = client.meta.service_model.operation_model(name).input_shape.members
    for given, asked in _NEXT:
        if page.get(given) and asked in known:
            return {asked: page[given]}
    return None


def _bare(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
