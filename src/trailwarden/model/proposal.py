"""Response: proposals, the plan that an approval binds to, and what became of them."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from .finding import Evidence

ActionName = Literal[
    "terminate_instances",
    "disable_user",
    "delete_user",
    "delete_access_key",
    "detach_admin_policies",
    "block_ip",
    "revoke_sessions",
]
ACTION_NAMES: tuple[ActionName, ...] = get_args(ActionName)

State = Literal[
    "pending",  # waits for a decision
    "approved",  # enough approvals; not begun
    "executing",
    "succeeded",  # every step done; not read back yet
    "failed",  # a step failed; the steps say which, and what was done before
    "outcome_unknown",  # nobody can know whether a step took effect: a person must look
    "verified",  # the target was read back, and is as planned
    "rejected",
    "expired",
    "superseded",  # the target was not what was approved any more
    "cancelled",  # by the proposer
    "undone",
]

TargetKind = Literal["iam_user", "access_key", "iam_role", "iam_group", "ec2_instance", "ip_address"]
ActorKind = Literal["person", "rule", "model", "token"]
Face = Literal["command_line", "console", "api", "mcp", "python"]


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who did something: a person by their login, a rule, a model, or an API token, and through which face."""

    kind: ActorKind
    name: str
    via: Face


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What an action is done to, as AWS's inventory knows it.

    ``id`` is immutable (AIDA…, AROA…, AKIA…, i-…): a user made anew under the same name is another target.
    ``owner`` is the person behind it, as identity mapping says, None if nobody is known.
    """

    kind: TargetKind
    id: str
    account: str
    name: str
    arn: str | None = None
    region: str | None = None
    owner: str | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One API call, exactly: ``api`` as IAM writes it (``iam:UpdateAccessKey``), ``params`` as the API takes them, and
    the ``resources`` that a session policy must name for it."""

    api: str
    params: Mapping[str, Any]
    region: str
    resources: tuple[str, ...] = ("*",)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a plan: its call, what it does in words, and the call that undoes it (None: nothing does)."""

    number: int
    call: Call
    does: str
    undo: Call | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What will be done, resolved before anybody approves.

    ``pre_state`` is the target as read when the plan was made, everything that the steps rely on; ``export`` what is
    destroyed, whole, so that it can be made again by hand. ``irreversible`` says in words what cannot be undone.
    ``evidence`` are event ids. An approval is of :attr:`sha256`, and of nothing else.
    """

    action: ActionName
    account: str
    targets: tuple[Target, ...]
    steps: tuple[Step, ...]
    pre_state: Mapping[str, Any]
    export: Mapping[str, Any] = {}
    irreversible: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def canonical(self) -> bytes:
        """The plan as canonical JSON (RFC 8785: sorted keys, no spaces, UTF-8); it holds no fractions.

        What counts is the action, account, resolved steps, the targets' immutable ids, the pre-state, and the
        evidence; names and owners are not what is approved.
        """
        body = {
            "account": self.account,
            "action": self.action,
            "evidence": sorted(self.evidence),
            "pre_state": hashlib.sha256(canonical_json(self.pre_state)).hexdigest(),
            "steps": [
                {
                    "api": s.call.api,
                    "params": s.call.params,
                    "region": s.call.region,
                    "resources": list(s.call.resources),
                }
                for s in self.steps
            ],
            "targets": [{"account": t.account, "id": t.id, "kind": t.kind, "region": t.region} for t in self.targets],
        }
        return canonical_json(body)

    @property
    def sha256(self) -> str:
        """What an approval signs."""
        return hashlib.sha256(self.canonical).hexdigest()


def canonical_json(value: Any) -> bytes:
    """RFC 8785 for values without fractions: keys sorted by UTF-16 code units, no spaces, UTF-8.

    Raises:
        TypeError: a float, or an integer that no double holds exactly.
    """
    return _canonical(msgspec.to_builtins(value)).encode()


def _canonical(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if isinstance(value, int) and abs(value) <= 2**53:
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_canonical, value))}]"
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: str(pair[0]).encode("utf-16-be"))
        return f"{{{','.join(f'{_canonical(str(key))}:{_canonical(item)}' for key, item in pairs)}}}"
    raise TypeError(f"no canonical form for {type(value).__name__}")


class BlastItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the action would hit or leave: ``kind`` names what (last_used, sessions, inherited, dependents,
    last_administrator, auto_scaling, own_address, remains, …), ``grave`` whether it should give pause."""

    kind: str
    text: str
    grave: bool = False
    evidence: tuple[Evidence, ...] = ()


class ConfidencePart(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for an action: a rule, its weight in [0, 1], and the records that show it."""

    rule: str
    weight: float
    reason: str
    evidence: tuple[Evidence, ...] = ()


class Confidence(msgspec.Struct, frozen=True, kw_only=True):
    """How sure the evidence makes: ``score`` is the noisy-OR of the parts, ``label`` its band. It approves nothing."""

    score: float
    label: Literal["none", "low", "medium", "high"]
    parts: tuple[ConfidencePart, ...] = ()


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A person's approval of one plan."""

    approver: str
    at: datetime
    plan_sha256: str
    note: str = ""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a proposal's state."""

    at: datetime
    state: State
    actor: Actor
    note: str = ""


StepState = Literal["intended", "done", "already", "failed", "unknown"]


class StepOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a step: ``intended`` is written before the call, the rest after it. ``already``: its effect was
    there when it was read before a retry."""

    number: int
    state: StepState
    at: datetime
    detail: str = ""
    request_id: str | None = None


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of the target after the action: calls that bear its key, name, session or address.

    ``since`` to ``until`` is the time looked at; ``calls`` how many there were, ``refused`` how many of them AWS
    refused. ``complete`` is False where something in that time could not be looked at, and ``note`` says what.
    """

    at: datetime
    since: datetime
    until: datetime
    calls: int
    refused: int
    complete: bool
    note: str = ""
    evidence: tuple[Evidence, ...] = ()


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A proposed action and everything that is known of it.

    ``notes`` are what to know or do beside it; ``undo_after`` is when its undo is to be proposed by itself.
    ``late_evidence`` is that part of ``evidence`` which came after the first approval.
    """

    id: str
    state: State
    action: ActionName
    arguments: Mapping[str, Any]
    account: str
    plan: Plan
    blast_radius: tuple[BlastItem, ...]
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    reason: str
    proposer: Actor
    proposed: datetime
    expires: datetime
    missing_permissions: tuple[str, ...] = ()
    approvals_needed: int = 1
    approvals: tuple[Approval, ...] = ()
    outcomes: tuple[StepOutcome, ...] = ()
    history: tuple[Transition, ...] = ()
    watches: tuple[Watch, ...] = ()
    notes: tuple[str, ...] = ()
    administrator: bool | None = None
    undo_after: datetime | None = None
    undoes: str | None = None
    late_evidence: tuple[Evidence, ...] = ()

    @property
    def undo_due(self) -> datetime | None:
        """When its undo is to be proposed: so long after its last step as ``undo_after`` is after the proposal."""
        if self.undo_after is None or not self.outcomes:
            return None
        return max(each.at for each in self.outcomes) + (self.undo_after - self.proposed)
