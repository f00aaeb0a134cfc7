"""Response: proposals, their approval by people, and their execution. Nothing else changes an account."""

from .approval import ApprovalPolicy, Approver, Denied, Session, confirmation
from .execute import Doer, Execution, execute
from .ledger import Interrupted, Lease, LeaseHeld, LeaseLost, Ledger, OutOfTime, Proposed
from .machine import IllegalMove

__all__ = [
    "ApprovalPolicy",
    "Approver",
    "Denied",
    "Doer",
    "Execution",
    "IllegalMove",
    "Interrupted",
    "Lease",
    "LeaseHeld",
    "LeaseLost",
    "Ledger",
    "OutOfTime",
    "Proposed",
    "Session",
    "confirmation",
    "execute",
]
