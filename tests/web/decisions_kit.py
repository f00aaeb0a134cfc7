"""Consoles without AWS, on a clock that tests drive, and proposals that are filed by hand."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from web_kit import Served, add_people, serving

from trailwarden.app import App
from trailwarden.model.proposal import Actor, Call, Plan, Proposal, Step, Target
from trailwarden.tools._respond import ledger_of

ACCOUNT = "111111111111"
EVERYTHING, APPROVER = "everything@company.com", "approver@company.com"
RESPONDER, VIEWER, ADMIN = "responder@company.com", "viewer@company.com", "admin@company.com"


class Clock:
    """A clock that runs as this one does, so many hours ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@contextmanager
def bare(home: Path, clock: Clock) -> Iterator[Served]:
    """A console with people, and nothing else: no account is connected."""
    with App.open(home, clock=clock) as app:
        add_people(app)
        with serving(app) as served:
            yield served


def plan_for(name: str, *, identifier: str | None = None) -> Plan:
    """Makes a key of a user inactive."""
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"

    def call(status: str) -> Call:
        params = {"UserName": name, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": status}
        return Call(api="iam:UpdateAccessKey", params=params, region="us-east-1", resources=(arn,))

    user = Target(kind="iam_user", id=identifier or f"AIDA{name.upper()}EXAMPLE", account=ACCOUNT, name=name, arn=arn)
    step = Step(number=1, call=call("Inactive"), does="make the key inactive", undo=call("Active"))
    return Plan(action="disable_user", account=ACCOUNT, targets=(user,), steps=(step,), pre_state={"keys": 1})


def filed(app: App, name: str, *, by: str = RESPONDER, reason: str = "case 4711") -> Proposal:
    """A proposal that waits for a decision."""
    actor = Actor(kind="person", name=by, via="console")
    plan = plan_for(name)
    made = ledger_of(app).propose(plan, arguments={"user": name}, reason=reason, by=actor, administrator=False)
    assert not made.joined
    return made.proposal


def csrf(client: httpx.Client) -> str:
    """The token of the session's forms."""
    found = re.search(r'name="csrf" content="([^"]+)"', client.get("/ui").text)
    assert found is not None
    return found[1]


def decide(client: httpx.Client, proposal: Proposal, what: str, **fields: str) -> httpx.Response:
    """Post the form of a decision, with the plan that the page shows unless told otherwise."""
    sent = {"plan_sha256": proposal.plan.sha256} | fields if what == "approve" else fields
    return client.post(f"/proposals/{proposal.id}/{what}", data={"csrf": csrf(client), **sent})
