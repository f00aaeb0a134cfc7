"""Escalation: how principals climb to an administrator, step by step, and what would stop them.

Rules are data (``rules/escalation``); `rule` is their vocabulary. Each principal's permissions become sets of bits over
all principals, so that a step to any of thousands of roles is found by a few operations on ints; paths are then
searched backwards from the administrators, level by level.

Blind spots: sessions' own policies, roles trusted by name of a session, permissions that only a resource policy gives
(but for role trust), statements of a principal's own that it could first delete, and groups that lead on without making
an administrator.
"""

from .actor import Subject
from .graph import escalations
from .rule import EscalationRule, Existing, escalation_rules

__all__ = ["EscalationRule", "Existing", "Subject", "escalation_rules", "escalations"]
