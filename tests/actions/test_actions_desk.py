"""The desk over the emulator: what is planned with fresh reading, and what an undo leaves out and says so."""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from actions_kit import ACCOUNT, ADMINISTRATOR_ACCESS, NOW, REGION, aws_session, carry_out, client, snapshot_of
from actions_roles_kit import user

from trailwarden.action import Planned, Refused
from trailwarden.desk import Desk
from trailwarden.errors import SetupError
from trailwarden.guardrails import Guard
from trailwarden.model.authorization import AuthorizationSnapshot


class Kept:
    """IAM as it was read at first, unless it is asked for anew; ``readable`` is whether that can be done."""

    def __init__(self, admin: boto3.Session) -> None:
        self._admin = admin
        self._kept = snapshot_of(admin)
        self.readable = True

    def __call__(self, account: str, fresh: bool) -> AuthorizationSnapshot | None:
        if not fresh:
            return self._kept
        return snapshot_of(self._admin, account) if self.readable else None


def desk(admin: boto3.Session, snapshots: Kept, *proposals: Any) -> Desk:
    """A desk whose one account is the emulator's, and whose ledger holds these."""
    connection = SimpleNamespace(account_id=ACCOUNT, purpose="read", partition="aws")
    broker = SimpleNamespace(
        session=lambda _: aws_session(admin), enabled_regions=lambda _: SimpleNamespace(enabled=(REGION,))
    )
    ledger = SimpleNamespace(get={each.id: each for each in proposals}.__getitem__)
    return Desk(
        ledger=ledger,  # type: ignore[arg-type]
        state=SimpleNamespace(connections=SimpleNamespace(list=lambda: [connection])),  # type: ignore[arg-type]
        broker=broker,  # type: ignore[arg-type]
        now=lambda: NOW,
        guard=Guard,
        snapshot_of=snapshots,
    )


def proposal(planned: Planned, identifier: str = "one") -> Any:
    """What was planned, as a proposal that was carried out."""
    return SimpleNamespace(
        id=identifier,
        account=ACCOUNT,
        action=planned.plan.action,
        arguments=planned.arguments,
        administrator=planned.administrator,
        plan=planned.plan,
        undoes=None,
        outcomes=[SimpleNamespace(number=each.number, state="done") for each in planned.plan.steps],
    )


# ---------------------------------------------------------------- IAM as it is now


@pytest.mark.parametrize(
    ("action", "argument", "why"),
    [
        ("detach_admin_policies", "principal", "nobody would be left who is an administrator"),
        ("disable_user", "user", "is the last administrator"),
    ],
)
def test_two_proposals_do_not_take_the_last_administrator_away(
    admin: boto3.Session, action: str, argument: str, why: str
) -> None:
    arns = [user(admin, name, ADMINISTRATOR_ACCESS) for name in ("alice", "bob")]
    at = desk(admin, Kept(admin))
    first, second = (proposal(at.plan(action, {argument: arn}, account=ACCOUNT)) for arn in arns)
    assert at._replan(first).plan.sha256 == first.plan.sha256
    carry_out(admin, first.plan)
    with pytest.raises(Refused, match=why):
        at._replan(second)


def test_what_was_known_of_administrators_must_be_known_again(admin: boto3.Session) -> None:
    arn = user(admin, "alice", ADMINISTRATOR_ACCESS)
    user(admin, "bob", ADMINISTRATOR_ACCESS)
    kept = Kept(admin)
    at = desk(admin, kept)
    made = proposal(at.plan("disable_user", {"user": arn}, account=ACCOUNT))
    assert made.administrator is True
    kept.readable = False
    with pytest.raises(SetupError, match="could not be read again"):
        at._replan(made)
    made.administrator = None
    assert at._replan(made).plan.sha256 == made.plan.sha256


# ---------------------------------------------------------------- undoing what is partly gone


@pytest.fixture
def disabled(admin: boto3.Session) -> Any:
    """john, with two keys, disabled."""
    user(admin, "john")
    for _ in range(2):
        client(admin, "iam").create_access_key(UserName="john")
    made = proposal(desk(admin, Kept(admin)).plan("disable_user", {"user": "john"}, account=ACCOUNT))
    carry_out(admin, made.plan)
    return made


def keys(admin: boto3.Session) -> list[str]:
    return sorted(
        each["AccessKeyId"] for each in client(admin, "iam").list_access_keys(UserName="john")["AccessKeyMetadata"]
    )


def test_an_undo_leaves_out_what_is_gone_and_says_so(admin: boto3.Session, disabled: Any) -> None:
    gone, left = keys(admin)
    client(admin, "iam").delete_access_key(UserName="john", AccessKeyId=gone)
    undo = desk(admin, Kept(admin), disabled).undo_plan("one")
    assert [(each.call.api, each.call.params.get("AccessKeyId")) for each in undo.plan.steps] == [
        ("iam:DetachUserPolicy", None),
        ("iam:UpdateAccessKey", left),
    ]
    (note,) = undo.notes
    assert note.startswith("not undone, since what it was done to is gone:")
    assert gone in note
    carry_out(admin, undo.plan)


def test_an_undo_of_a_user_who_is_gone_is_refused(admin: boto3.Session, disabled: Any) -> None:
    iam = client(admin, "iam")
    for key in keys(admin):
        iam.delete_access_key(UserName="john", AccessKeyId=key)
    iam.detach_user_policy(UserName="john", PolicyArn="arn:aws:iam::aws:policy/AWSDenyAll")
    iam.delete_user(UserName="john")
    with pytest.raises(Refused, match="nothing of proposal one is left"):
        desk(admin, Kept(admin), disabled).undo_plan("one")
    user(admin, "john")
    with pytest.raises(Refused, match="the target may be another one now"):
        desk(admin, Kept(admin), disabled).undo_plan("one")
