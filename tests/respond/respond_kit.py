"""A plan in a world of files, people who decide, and a clock that a test sets."""

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from trailwarden.model.finding import Evidence
from trailwarden.model.proposal import Actor, Call, Plan, Proposal, State, Step, Target
from trailwarden.respond import ApprovalPolicy, Approver, Lease, Ledger, Session
from trailwarden.respond.approval import Method
from trailwarden.state import State as Database

NOW = datetime(2026, 11, 24, 9, 0, 0, 250_000, tzinfo=UTC)
ACCOUNT = "111111111111"
LEASE = timedelta(minutes=10)
JANE, OMAR, PRIYA = "jane@example.com", "omar@example.com", "priya@example.com"
RULE = Actor(kind="rule", name="disabled_logging", via="python")
MODEL = Actor(kind="model", name="assistant", via="mcp")
TOKEN = Actor(kind="token", name="pipeline", via="api")
SIGN = Evidence(event_id="11111111-aaaa-4bbb-8ccc-000000000001", field="eventName", value="StopLogging")


def person(name: str) -> Actor:
    return Actor(kind="person", name=name, via="command_line")


def user(name: str = "john", identifier: str = "AIDAJOHNEXAMPLE", *, account: str = ACCOUNT) -> Target:
    arn = f"arn:aws:iam::{account}:user/{name}"
    return Target(kind="iam_user", id=identifier, account=account, name=name, arn=arn)


def plan_for(target: Target | None = None, *, steps: int = 3, **more: Any) -> Plan:
    """Makes so many keys of a user inactive."""
    aim = target or user()

    def call(number: int, status: str) -> Call:
        key = {"UserName": aim.name, "AccessKeyId": f"AKIA{number:04d}EXAMPLE", "Status": status}
        return Call(api="iam:UpdateAccessKey", params=key, region="us-east-1", resources=(aim.arn or "*",))

    return Plan(
        action="disable_user",
        account=aim.account,
        targets=(aim,),
        steps=tuple(
            Step(number=n, call=call(n, "Inactive"), does=f"makes key {n} inactive", undo=call(n, "Active"))
            for n in range(1, steps + 1)
        ),
        **{"pre_state": {"keys": steps}, "evidence": (SIGN.event_id,)} | more,
    )


@dataclass
class Clock:
    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at

    def forward(self, span: timedelta) -> None:
        self.at += span


@dataclass
class Office:
    """A ledger and who may approve in it."""

    state: Database
    clock: Clock = field(default_factory=Clock)
    approvers: Collection[str] = (JANE, OMAR, PRIYA)
    people: Collection[str] = (JANE, OMAR, PRIYA)
    policy: ApprovalPolicy = field(default_factory=ApprovalPolicy)

    @property
    def ledger(self) -> Ledger:
        return Ledger(
            self.state,
            now=self.clock,
            approvers=lambda: self.approvers,
            people=lambda: self.people,
            policy=self.policy,
            lease_for=LEASE,
        )

    def session(self, name: str = OMAR, *, method: Method = "interactive", **more: Any) -> Session:
        said: dict[str, Any] = {
            "roles": frozenset({"approver"}),
            "authenticated_at": self.clock.at,
            "face": "console",
        } | more
        return Session(person=name, method=method, **said)

    def approver(self, name: str = OMAR, **more: Any) -> Approver:
        return Approver.from_session(self.session(name, **more))

    def propose(self, plan: Plan | None = None, *, by: Actor | None = None, **more: Any) -> Proposal:
        said: dict[str, Any] = {
            "arguments": {"user": "john"},
            "reason": "his key is used from a Tor exit",
            "administrator": False,
        }
        return self.ledger.propose(plan or plan_for(), by=by or person(JANE), **said | more).proposal

    def approved(self, plan: Plan | None = None, **more: Any) -> Proposal:
        proposal = self.propose(plan, **more)
        return self.ledger.approve(proposal.id, self.approver(), proposal.plan.sha256)

    def begun(self, plan: Plan | None = None, **more: Any) -> tuple[Proposal, Lease]:
        proposal = self.approved(plan, **more)
        return proposal, self.ledger.begin(proposal.id, "one")

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.state.audit.entries()]

    def last_body(self) -> dict[str, Any]:
        *_, last = self.state.audit.entries()
        return msgspec.json.decode(last.body)

    def whole(self) -> None:
        """The chain holds."""
        verified = self.state.audit.verify()
        assert verified.ok, verified.broken


def reach(office: Office, state: State) -> Proposal:
    """A proposal in that state, brought there by the ledger's own moves."""
    ledger = office.ledger
    if state in ("pending", "cancelled", "rejected", "expired"):
        proposal = office.propose()
        if state == "cancelled":
            ledger.cancel(proposal.id, person(JANE))
        if state == "rejected":
            ledger.reject(proposal.id, office.approver(), "it is his own laptop")
        if state == "expired":
            office.clock.forward(office.policy.pending_for)
            ledger.expire_due()
        return ledger.get(proposal.id)
    if state == "approved":
        return office.approved()
    proposal, lease = office.begun(plan_for(steps=1))
    if state == "executing":
        return ledger.get(proposal.id)
    if state == "superseded":
        return ledger.superseded(lease, "another user bears the name")
    lease = ledger.intend(lease, 1)
    written = {"failed": "failed", "outcome_unknown": "unknown"}.get(state, "done")
    ledger.outcome(lease, 1, written)  # type: ignore[arg-type]
    ended = ledger.finish(lease)
    if state in ("verified", "undone"):
        ended = ledger.verified(proposal.id, ok=True, detail="both keys are inactive", worker="one")
    if state == "undone":
        undo = office.approved(plan_for(steps=1), undoes=proposal.id)
        lease = ledger.intend(ledger.begin(undo.id, "one"), 1)
        ledger.outcome(lease, 1, "done")
        ledger.finish(lease)
        ledger.verified(undo.id, ok=True, detail="the key is active again", worker="one")
        ended = ledger.get(proposal.id)
    return ended


@dataclass
class World:
    """A world in a folder: one file to which every effect adds its line, so that one that happens twice is seen."""

    folder: Path
    plan: Plan
    point: Callable[[str], None] = lambda _: None

    @property
    def path(self) -> Path:
        return self.folder / "effects"

    def effects(self) -> list[int]:
        return [int(line) for line in self.path.read_text().split()] if self.path.exists() else []

    def replan(self) -> Plan:
        return self.plan

    def is_done(self, step: Step) -> bool | None:
        return step.number in self.effects()

    def waits(self) -> Iterable[None]:
        return (None,) * 10

    def do(self, step: Step) -> str | None:
        self.point("before the effect")
        with self.path.open("a") as file:
            file.write(f"{step.number}\n")
            file.flush()
            os.fsync(file.fileno())
        self.point("after the effect")
        return f"request-{step.number}"

    def verify(self) -> tuple[bool, str]:
        left = {step.number for step in self.plan.steps} - set(self.effects())
        return not left, f"{len(left)} keys are active"
