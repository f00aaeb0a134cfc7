"""What the pages of proposals work out: who may decide and why not, how confidence adds up, the form of an action."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from ...access import WebSession
from ...action import Action
from ...model.proposal import ConfidencePart, Proposal
from ...respond import ApprovalPolicy, Approver, Denied, confirmation
from ...respond.approval import check_approval, check_session, same_person

#: Fields of the form beside the action's own arguments.
RESERVED = ("action", "account", "reason", "evidence", "last", "csrf")

_ABBREVIATIONS: Mapping[str, str] = {"id": "ID", "ids": "IDs", "ip": "IP", "ttl": "TTL,"}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a person may decide of a proposal. ``why`` and ``remedy`` say why they may not approve, ``typed`` is what
    they must type where there are no four eyes. ``stale``: they must first show again who they are."""

    approve: bool = False
    reject: bool = False
    stale: bool = False
    typed: str = ""
    why: str = ""
    remedy: str = ""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the confidence: from ``start``, it adds ``gain``, both in percent. All gains add up to the score."""

    part: ConfidencePart
    start: int
    gain: int


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """An argument of an action, as a form asks for it."""

    name: str
    words: str
    description: str
    kind: Literal["text", "number", "choice"]
    required: bool
    value: str
    choices: tuple[tuple[str, str], ...] = ()


def standing(
    proposal: Proposal,
    session: WebSession,
    *,
    asked_by: str | None,
    approvers: Collection[str],
    people: Collection[str],
    policy: ApprovalPolicy,
    now: datetime,
) -> Standing:
    """What the person of this session may decide, by the ledger's own checks; it checks again when they do."""
    others = sorted({each for each in approvers if same_person(each) != same_person(session.person.login)})
    if "decide" not in session.person.rights:
        remedy = f"ask {', '.join(others)}" if others else "somebody needs the role approver: ask an admin"
        return Standing(why="deciding takes the role approver", remedy=remedy)
    approver, stale = Approver.from_session(session.session), False
    try:
        check_session(approver, approvers=approvers, policy=policy, now=now)
    except Denied as refused:
        if refused.code != "stale_session":
            return Standing(why=refused.message, remedy=refused.remedy)
        stale = True
    names = confirmation(proposal.plan)
    try:
        check_approval(
            proposal,
            approver,
            proposal.plan.sha256,
            asked_by=asked_by,
            approvers=approvers,
            people=people,
            typed=names,
            now=now,
        )
    except Denied as refused:
        own = refused.code == "own_proposal"
        why = "you proposed it" if own else refused.message
        return Standing(reject=True, stale=stale, why=why, remedy=refused.remedy)
    return Standing(approve=True, reject=True, stale=stale, typed="" if others else names)


def bars(parts: Iterable[ConfidencePart]) -> tuple[Bar, ...]:
    """The parts one upon the other, as the noisy-OR adds them; percentages are rounded down as the score's is."""
    found: list[Bar] = []
    left, before = 1.0, 0
    for part in parts:
        left *= 1 - part.weight
        after = percent(1 - left)
        found.append(Bar(part=part, start=before, gain=after - before))
        before = after
    return tuple(found)


def percent(score: float) -> int:
    """As people read it: rounded down, never certain."""
    return min(int(round(score, 4) * 100 + 1e-9), 99)


def fields_of(kind: type[Action], given: Mapping[str, str]) -> tuple[Field, ...]:
    """The form of an action, from its declaration; ``given`` are values that are filled in already."""
    declared = msgspec.json.schema(kind)["$defs"][kind.__name__]
    required = frozenset(declared.get("required", ()))
    return tuple(
        _field(name, schema, name in required, given.get(name)) for name, schema in declared["properties"].items()
    )


def _field(name: str, schema: Mapping[str, Any], required: bool, given: str | None) -> Field:
    default = schema.get("default", "")
    kind: Literal["text", "number", "choice"] = "text"
    choices: tuple[tuple[str, str], ...] = ()
    if schema.get("type") == "boolean":
        kind, choices, default = "choice", (("true", "Yes"), ("false", "No")), "true" if default else "false"
    elif "enum" in schema:
        kind, choices = "choice", tuple((str(each), str(each)) for each in schema["enum"])
    elif schema.get("type") == "integer":
        kind = "number"
    if isinstance(default, list | tuple):
        default = ",".join(map(str, default))
    return Field(
        name=name,
        words=_words(name),
        description=schema.get("description", ""),
        kind=kind,
        required=required,
        value=str(default) if given is None else given,
        choices=choices,
    )


def _words(name: str) -> str:
    words = " ".join(_ABBREVIATIONS.get(each, each) for each in name.split("_"))
    return words[:1].upper() + words[1:]
