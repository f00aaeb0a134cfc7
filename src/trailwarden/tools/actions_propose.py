"""Actions: propose one. Nothing is done before a person approves it."""

from typing import Annotated

from msgspec import Meta

from ..errors import UsageError
from ..installation import Installation
from ..model.proposal import ActionName
from ..model.time import Window
from ..tool import tool
from ._respond import ProposalCard, propose

#: Read permissions of the actions themselves are on the actions: `accounts policy --for respond` lists them.
_NEEDS = ("account:ListRegions", "ec2:DescribeRegions")


@tool(
    effect="propose",
    title="Propose an action; it waits for a person's approval",
    needs=_NEEDS,
    examples=(
        "trailwarden actions propose delete_access_key --arg access_key_id=AKIAIOSFODNN7EXAMPLE --reason 'case 4711'",
        "trailwarden actions propose disable_user --arg user=john --account 222222222222 --reason 'case 4711'",
        "trailwarden actions propose terminate_instances --arg instance_ids=i-0abc123def4567890 --reason 'miner'",
        "trailwarden actions propose block_ip --arg address=203.0.113.7 --reason 'probes the portal' --format json",
    ),
)
def actions_propose(
    app: Installation,
    name: Annotated[ActionName, Meta(description="The action", extra={"argument": True, "metavar": "ACTION"})],
    *,
    arg: Annotated[
        tuple[str, ...],
        Meta(
            description="An argument of the action (repeat); `actions list` names them", extra={"metavar": "NAME=VALUE"}
        ),
    ] = (),
    account: Annotated[
        str | None,
        Meta(description="Account of the target: id or label; needed if several connected ones have such a target"),
    ] = None,
    reason: Annotated[str, Meta(description="Why, in a sentence")],
    evidence: Annotated[
        tuple[str, ...], Meta(description="Id of an event that speaks for it (repeat)", extra={"metavar": "EVENT_ID"})
    ] = (),
    window: Window | None = None,
) -> ProposalCard:
    """Plan an action on one target, with everything that an approver must know, and keep it as a proposal.

    The target is read now; the rules' evidence is looked for in the window (default: the last 7 days). If the same is
    proposed already, that proposal is joined.

    Raises:
        UsageError: no such argument, or the target is in several accounts.
        Refused: a guardrail forbids it, or it would have no effect.
        NotFound: no such target.
    """
    given: dict[str, str] = {}
    for each in arg:
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise UsageError(f"not an argument: {each[:100]!r}", remedy="write it like --arg user=john")
        given[key.strip()] = f"{given[key.strip()]},{value}" if key.strip() in given else value
    return propose(app, name, given, reason=reason, account=account, evidence=evidence, window=window)
