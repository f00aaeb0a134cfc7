"""The rules of ``rules/signs``: what each says of itself, and its cases. How each is found is in ``signs.py``."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from ..detect import Detection, Family, detection, detections
from ..model.finding import Severity
from ..rules import documents

__all__ = ["Family", "Rule", "SignCase", "SignRule", "every_rule", "rule_of", "sign_rule", "sign_rules"]


class CaseCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls of a case: ``times`` calls of ``event``, a second apart from ``at`` minutes after the window's start."""

    event: str = "s3:ListBuckets"
    at: float = 0
    times: Annotated[int, Meta(ge=1)] = 1
    ip: str | None = "203.0.113.10"
    request: Any = None
    error_code: str | None = None
    principal_type: str = "IAMUser"


class CaseHistory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The history of a case."""

    addresses: tuple[str, ...] = ("203.0.113.10",)
    days: tuple[int, ...] = (40, 50, 60, 50, 40, 50, 60)
    hours: tuple[int, ...] = (10, 12, 9, 11, 10, 12, 9, 11, 10, 12, 9, 11)
    usual: Mapping[str, int] = {}


class SignCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A case of a rule: calls, the history before them (None: there is none), lists by name, administrators, the places
    of addresses (country, network), and what :mod:`trailwarden.session_findings` says of the sessions."""

    calls: tuple[CaseCall, ...] = (CaseCall(),)
    history: CaseHistory | None = CaseHistory()
    lists: Mapping[str, tuple[str, ...]] = {}
    administrators: tuple[str, ...] | None = ()
    places: Mapping[str, tuple[str | None, str | None]] = {}
    findings: tuple[tuple[str, Severity], ...] = ()


class SignRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. ``technique`` is MITRE ATT&CK's, ``weight`` what it adds to the belief that somebody means harm."""

    id: str
    title: str
    technique: str
    severity: Severity
    weight: Annotated[float, Meta(ge=0, lt=1)]
    family: Family
    source: str
    blind_spots: str
    positive: tuple[SignCase, ...]
    negative: tuple[SignCase, ...]


@lru_cache(maxsize=1)
def sign_rules() -> Mapping[str, SignRule]:
    """All rules by id, in the order of their files; read at the first call."""
    found = [msgspec.convert(each, SignRule) for _, content in documents("signs") for each in content["rules"]]
    return {rule.id: rule for rule in found}


def sign_rule(rule: str) -> SignRule | None:
    """The rule of that id; None if ``rules/signs`` has none."""
    return sign_rules().get(rule)


#: A rule of either kind.
Rule: TypeAlias = SignRule | Detection


def every_rule() -> tuple[Rule, ...]:
    """All rules of both kinds."""
    return (*sign_rules().values(), *detections())


def rule_of(rule: str) -> Rule:
    """The rule of that id, of either kind.

    Raises:
        KeyError: there is none.
    """
    found = sign_rule(rule) or detection(rule)
    if found is None:
        raise KeyError(rule)
    return found
