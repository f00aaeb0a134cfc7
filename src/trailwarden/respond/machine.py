"""The life of a proposal: which event leads from which state to which. Everything that is not in the table is illegal.

pending → approved → executing → succeeded → verified
                               → failed
                               → outcome_unknown → verified, or what a person found
rejected, expired, superseded and cancelled end it before anything is done; undone ends it after. What was approved is
pending again if, when it is to begin, whoever approved it may not approve any more.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from ..errors import UsageError
from ..model.proposal import State

Event = Literal[
    "join",  # the same was proposed again: its evidence and reason are added
    "approve_in_part",  # an approval, and more are needed
    "approve",  # the last approval that was needed
    "reject",
    "cancel",
    "expire",
    "begin",
    "unapprove",  # about to begin, somebody who approved it may not approve any more
    "take_over",  # the worker that held the lease is gone
    "supersede",  # read again before the first step, the target was another
    "succeed",
    "fail",
    "lose",  # a step's outcome cannot be known
    "verify",  # read back, the target is as planned
    "contradict",  # read back, the target is not as planned
    "settle_done",  # a person looked: it is done
    "settle_failed",  # a person looked: it is not
    "undo",
]
EVENTS: tuple[Event, ...] = get_args(Event)
STATES: tuple[State, ...] = get_args(State)

TABLE: Mapping[State, Mapping[Event, State]] = {
    "pending": {
        "join": "pending",
        "approve_in_part": "pending",
        "approve": "approved",
        "reject": "rejected",
        "cancel": "cancelled",
        "expire": "expired",
    },
    "approved": {
        "join": "approved",
        "reject": "rejected",
        "cancel": "cancelled",
        "expire": "expired",
        "begin": "executing",
        "unapprove": "pending",
    },
    "executing": {
        "join": "executing",
        "take_over": "executing",
        "supersede": "superseded",
        "succeed": "succeeded",
        "fail": "failed",
        "lose": "outcome_unknown",
    },
    "succeeded": {"verify": "verified", "contradict": "outcome_unknown", "undo": "undone"},
    "failed": {"undo": "undone"},
    "outcome_unknown": {
        "verify": "verified",
        "contradict": "outcome_unknown",
        "settle_done": "succeeded",
        "settle_failed": "failed",
        "undo": "undone",
    },
    "verified": {"undo": "undone"},
    "rejected": {},
    "expired": {},
    "superseded": {},
    "cancelled": {},
    "undone": {},
}

#: States of a proposal that something may still be done about: the same is not proposed twice beside them.
OPEN: frozenset[State] = frozenset({"pending", "approved", "executing"})
#: States in which something was, or may have been, done.
UNDOABLE: frozenset[State] = frozenset(state for state, moves in TABLE.items() if "undo" in moves)


class IllegalMove(UsageError):  # noqa: N818 - reads as the outcome it is
    """An event that a proposal's state does not allow."""

    def __init__(self, proposal: str, state: State, event: str, *, why: str = "") -> None:
        allowed = ", ".join(TABLE[state]) or "nothing"
        super().__init__(
            f"proposal {proposal} is {state}: it cannot {event}" + (f" ({why})" if why else ""),
            remedy=f"from {state}, what can happen is: {allowed}; see `trailwarden actions show {proposal}`",
        )
        self.proposal = proposal
        self.state = state
        self.event = event


def next_state(proposal: str, state: State, event: Event) -> State:
    """The state after ``event``.

    Raises:
        IllegalMove: the table has no such move.
    """
    after = TABLE[state].get(event)
    if after is None:
        raise IllegalMove(proposal, state, event)
    return after
