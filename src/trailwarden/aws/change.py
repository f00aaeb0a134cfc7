"""The only place that changes an AWS account: one call of an approved plan, exactly as the plan has it.

    Change(session, now=clock).do(step.call)

A call is made once: the SDK does not retry it, so that what came of it is known, or known not to be. Throttling means
that nothing happened, and is waited out here; a refusal is final; time-outs and failures of AWS's side leave it open,
and whoever asked reads the world. Two calls are filled in when they are made: the time in ``revoke_sessions``'
document, and the whole content of an IP set, which UpdateIPSet replaces.
"""

import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..effects import KNOWN, NOW
from ..errors import AwsError, Throttled, UsageError
from ..guardrails import parse_network
from ..model.proposal import Call
from ..model.time import format_instant
from .broker import AwsSession
from .errors import aws_errors
from .facts import snake_case

#: Addresses that an IP set of WAF holds at most.
#: https://docs.aws.amazon.com/waf/latest/developerguide/limits.html
ADDRESS_LIMIT = 10_000
#: How often another writer of the same IP set may come first.
_TRIES = 30
#: Codes that say that a call was turned away before anything was done, and how often it is made then.
_THROTTLED_CODES = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "RequestThrottled"}
)
_THROTTLED_TRIES = 6
#: Where a document has the time of its execution; the same text elsewhere is a customer's own.
_ISSUED_BEFORE = re.compile(rf'("aws:TokenIssueTime"\s*:\s*"){re.escape(NOW)}(?=")')
_DRY_RUN = "DryRunOperation"
_LOCKED = "WAFOptimisticLockException"


class Change:
    """Calls with the credentials of one approved proposal. ``now`` is the clock, ``sleep`` (seconds) is for tests."""

    def __init__(
        self, session: AwsSession, *, now: Callable[[], datetime], sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._session = session
        self._now = now
        self._sleep = sleep

    def do(self, call: Call) -> str | None:
        """Make the call; gives AWS's request id.

        Raises:
            ValueError: no action makes such a call.
            AccessDenied, NotFound, Throttled, AwsError: AWS refused it.
            Unreachable, AwsError: it may have taken effect all the same.
        """
        if call.api not in KNOWN:
            raise ValueError(f"{call.api} is no call of an action")
        if call.api == "wafv2:UpdateIPSet":
            return self._update_ip_set(call)
        params = {name: self._filled(value) for name, value in call.params.items()}
        try:
            return _request_id(self._call(call, params))
        except AwsError as error:
            if call.params.get("DryRun") and error.code == _DRY_RUN:
                return None
            raise

    def _call(self, call: Call, params: Mapping[str, Any], operation: str | None = None) -> Mapping[str, Any]:
        service, _, name = call.api.partition(":")
        client = self._session.once(service, call.region)
        for attempt in range(_THROTTLED_TRIES):
            try:
                return self._once(client, call, params, f"{service}:{operation or name}")
            except Throttled as error:
                if error.code not in _THROTTLED_CODES or attempt == _THROTTLED_TRIES - 1:
                    raise
                self._sleep(random.uniform(0.5, 1.0) * 2**attempt)  # noqa: S311 - no secret
        raise AssertionError("the last try returns or raises")

    def _once(self, client: Any, call: Call, params: Mapping[str, Any], operation: str) -> Mapping[str, Any]:
        with aws_errors(operation, account=self._session.account, region=call.region):
            answer: Mapping[str, Any] = getattr(client, snake_case(operation.partition(":")[2]))(**params)
        return answer

    def _filled(self, value: Any) -> Any:
        if not isinstance(value, str) or not _ISSUED_BEFORE.search(value):
            return value
        # IAM compares whole seconds: the next one, so that no session of this one is spared.
        until = format_instant((self._now() + timedelta(seconds=1)).replace(microsecond=0))
        return _ISSUED_BEFORE.sub(lambda found: f"{found[1]}{until}", value)

    def _update_ip_set(self, call: Call) -> str | None:
        """Read the set, change it, and write it back under the lock of the reading, until nobody came between.

        An IP set is replaced whole: what another writer added meanwhile would be lost without the lock.
        """
        added, removed = call.params.get("AddAddresses", ()), call.params.get("RemoveAddresses", ())
        named = {name: call.params[name] for name in ("Name", "Scope", "Id")}
        for attempt in range(_TRIES):
            read = self._call(call, named, "GetIPSet")
            before: list[str] = read["IPSet"]["Addresses"]
            leaving = {parse_network(each) for each in removed}
            held = {parse_network(each) for each in before}
            after = [each for each in before if parse_network(each) not in leaving]
            after += [each for each in added if parse_network(each) not in held]
            if after == before:
                return _request_id(read)
            if len(after) > ADDRESS_LIMIT:
                raise UsageError(
                    f"the IP set {named['Name']} would have {len(after):,} addresses; {ADDRESS_LIMIT:,} is the most",
                    remedy="take out what is not needed any more, or use another set",
                )
            written = {**named, "Addresses": after, "LockToken": read["LockToken"]}
            if description := read["IPSet"].get("Description"):
                written["Description"] = description  # UpdateIPSet drops one that it is not given
            try:
                return _request_id(self._call(call, written))
            except AwsError as error:
                if error.code != _LOCKED:
                    raise
            # Writers that were refused together come back apart from each other.
            self._sleep(random.uniform(0.0, min(2.0, 0.05 * 2**attempt)))  # noqa: S311 - no secret
        raise AwsError(
            f"others wrote to the IP set {named['Name']} {_TRIES} times in a row; nothing was changed",
            remedy="see who does (wafv2:UpdateIPSet in CloudTrail), and carry it out again",
            code=_LOCKED,
            operation=call.api,
            account=self._session.account,
            region=call.region,
        )


def _request_id(answer: Mapping[str, Any]) -> str | None:
    found: str | None = answer.get("ResponseMetadata", {}).get("RequestId")
    return found
