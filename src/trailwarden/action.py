"""What a response action is: one class, whose fields are its arguments and whose plan is what will be done.

    class DeleteAccessKey(Action, frozen=True, kw_only=True):
        \"\"\"Delete one access key of an IAM user; it is made inactive first.\"\"\"

        name = "delete_access_key"
        access_key_id: Annotated[str, Meta(description="…", pattern="^AKIA…$")]

        def plan(self, world: World, guard: Guard) -> Planned: ...

An action only reads, through the :class:`World` that it is handed. What a plan says is done elsewhere, step by step,
after a person's approval.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from .effects import verify_steps
from .errors import UsageError
from .guardrails import Guard
from .model.proposal import ActionName, BlastItem, Call, Plan, Step
from .world import Verification, World, target_of

__all__ = ["Action", "Need", "Planned", "Refused", "Verification", "World", "steps_of", "target_of"]


class Refused(UsageError):  # noqa: N818 - reads as the outcome it is
    """Not proposed: a guardrail forbids it, or it would not do what is asked; the remedy says what does."""


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One permission that an action takes.

    ``resources`` are ARN patterns with ``{partition}`` and ``{account}`` in them; ``condition`` is IAM's own block;
    ``when`` says when it is needed, if not always.
    """

    action: str
    resources: tuple[str, ...] = ("*",)
    condition: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    when: str = ""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What an action will do, before anybody decided.

    ``arguments`` are the action's, resolved; ``administrator`` whether a target has administrator access (None: not
    known); ``notes`` what a person should know or do beside it, commands among them; ``undo_after`` is when the undo
    is to be proposed by itself.
    """

    plan: Plan
    arguments: Mapping[str, Any]
    blast_radius: tuple[BlastItem, ...] = ()
    administrator: bool | None = None
    notes: tuple[str, ...] = ()
    undo_after: datetime | None = None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A response action; its fields are the arguments. One file each in ``actions/``.

    ``reads`` are the permissions that planning and verification take, ``writes`` those of the steps; ``reversible``
    is whether all of it can be undone.
    """

    name: ClassVar[ActionName]
    title: ClassVar[str]
    reads: ClassVar[tuple[Need, ...]]
    writes: ClassVar[tuple[Need, ...]]
    reversible: ClassVar[bool]
    examples: ClassVar[tuple[str, ...]] = ()

    def plan(self, world: World, guard: Guard) -> Planned:
        """What will be done, resolved to calls, from the target as it is now.

        Raises:
            Refused: a guardrail forbids it, or it would have no effect; the message says which.
            NotFound: no such target.
            AwsError: the target cannot be read.
        """
        raise NotImplementedError  # abstract: each action has its own

    def verify(self, world: World, plan: Plan) -> Verification:
        """Read the target back. As declared here, the effect of every step must be there."""
        return verify_steps(world, plan)


def steps_of(*calls: tuple[Call, str, Call | None]) -> tuple[Step, ...]:
    """Numbered steps from (call, what it does, what undoes it)."""
    return tuple(
        Step(number=number, call=call, does=does, undo=undo) for number, (call, does, undo) in enumerate(calls, 1)
    )
