"""Who may approve: a person in an interactive, recently authenticated session, and nobody else.

An :class:`Approver` comes out of a session and of nothing else: no request body, tool argument or API call holds one.
"""

import hmac
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Self

import msgspec

from ..errors import UsageError
from ..model.proposal import Actor, ActorKind, Face, Plan, Proposal, canonical_json

#: How a session was authenticated; only an ``interactive`` one is a person at a keyboard.
Method = Literal["interactive", "api_token", "mcp", "model"]
#: The role that may decide.
APPROVER = "approver"
#: How far a session's clock may be ahead of this one's.
SKEW = timedelta(seconds=30)

_KIND: Mapping[str, ActorKind] = {"interactive": "person", "model": "model"}
#: Approvers are sealed with it: what another process, a copy by hand or a deserializer made does not bear the seal.
_SEAL = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who is at the other end, as the face that authenticated them knows it; never read from a request.

    ``authenticated_at`` is when the person last proved who they are, not when the session was last used.
    """

    person: str
    roles: frozenset[str]
    authenticated_at: datetime
    method: Method
    face: Face


class Approver:
    """Somebody who decides. Made by :meth:`from_session` alone."""

    __slots__ = ("_seal", "_session")
    _seal: bytes
    _session: Session

    def __init__(self) -> None:
        raise TypeError("an approver comes from a session: Approver.from_session(session)")

    @classmethod
    def from_session(cls, session: Session) -> Self:
        """Whoever the session belongs to. Whether they may decide is said when they do.

        Raises:
            TypeError: not a session.
        """
        if type(session) is not Session:
            raise TypeError(f"not a session: {type(session).__name__}")
        made = super().__new__(cls)
        object.__setattr__(made, "_session", session)
        object.__setattr__(made, "_seal", _sealed(session))
        return made

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an approver does not change")

    def __reduce__(self) -> str:
        raise TypeError("an approver is not copied or stored")

    @property
    def session(self) -> Session:
        """The session that they decide in."""
        return self._session

    @property
    def actor(self) -> Actor:
        """Who it is, for the history: a token's or a model's session is no person's."""
        session = self._session
        return Actor(kind=_KIND.get(session.method, "token"), name=session.person, via=session.face)

    def __repr__(self) -> str:
        return f"Approver({self._session.person!r}, {self._session.method})"


def genuine(approver: object) -> bool:
    """Whether ``Approver.from_session`` made it, in this process, and nothing changed it since."""
    if type(approver) is not Approver:
        return False
    session, seal = getattr(approver, "_session", None), getattr(approver, "_seal", None)
    return type(session) is Session and isinstance(seal, bytes) and hmac.compare_digest(seal, _sealed(session))


def _sealed(session: Session) -> bytes:
    said = [session.person, sorted(session.roles), session.authenticated_at.isoformat(), session.method, session.face]
    return hmac.digest(_SEAL, canonical_json(said), "sha256")


class ApprovalPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What an approval takes, and how long things hold.

    ``two_for_irreversible`` and ``two_for_administrators`` ask two people for plans that cannot be undone, and for
    targets with administrator access; a target of which that is not known counts as one. Each state that waits has
    its time: ``pending_for`` a decision, ``approved_for`` the beginning, ``executing_for`` the last step.
    """

    two_for_irreversible: bool = False
    two_for_administrators: bool = False
    reauthenticated_within: timedelta = timedelta(minutes=15)
    pending_for: timedelta = timedelta(hours=24)
    approved_for: timedelta = timedelta(hours=1)
    executing_for: timedelta = timedelta(hours=1)

    def approvals_needed(self, plan: Plan, *, administrator: bool | None) -> int:
        """How many people must approve."""
        irreversible = self.two_for_irreversible and bool(plan.irreversible)
        return 2 if irreversible or (self.two_for_administrators and administrator is not False) else 1


Denial = Literal[
    "forged",
    "not_interactive",
    "not_approver",
    "stale_session",
    "wrong_plan",
    "expired",
    "already_approved",
    "own_proposal",
    "unknown_proposer",
    "not_confirmed",
    "not_proposer",
    "no_reason",
]

_DENIALS: Mapping[Denial, tuple[str, str]] = {
    "forged": ("what claims to approve does not come from a session", "approve in the console or on the command line"),
    "not_interactive": (
        "only a person in an interactive session decides; a token, an MCP client or a model does not",
        "sign in yourself, in the console or on the command line",
    ),
    "not_approver": ("{person} does not have the role approver", "ask somebody who does, or whoever gives roles"),
    "stale_session": (
        "{person} authenticated too long ago: a decision asks for no more than {minutes} minutes",
        "authenticate again, then repeat the decision",
    ),
    "wrong_plan": (
        "the plan that was approved is not the plan of this proposal",
        "look at the proposal again, and approve what it shows",
    ),
    "expired": ("the proposal has expired", "propose it again: the target is then read anew"),
    "already_approved": ("{person} has approved it already", "it needs another person"),
    "own_proposal": ("{person} proposed it, and others may approve", "ask another approver: {others}"),
    "unknown_proposer": (
        "it is not known which person {asked} is, who proposed it: it could be {person}",
        "propose it again, as one of the people here",
    ),
    "not_confirmed": (
        "nobody else here may approve, so that there are no four eyes: the target's name must be typed",
        "type exactly what names the target in the proposal",
    ),
    "not_proposer": ("only who proposed it can cancel it", "an approver can reject it"),
    "no_reason": ("a rejection needs a reason", "say in a sentence why not"),
}


class Denied(UsageError):  # noqa: N818 - reads as the outcome it is
    """A decision that was refused; ``code`` says why. The attempt is in the audit chain."""

    def __init__(self, code: Denial, *, person: str = "", minutes: int = 0, others: str = "", asked: str = "") -> None:
        message, remedy = _DENIALS[code]
        words = {"person": person, "minutes": minutes, "others": others, "asked": asked}
        super().__init__(message.format(**words), remedy=remedy.format(**words))
        self.code = code


def check_session(approver: object, *, approvers: Collection[str], policy: ApprovalPolicy, now: datetime) -> Approver:
    """The approver, if they may decide at all. ``approvers`` are the people who have the role at present.

    Raises:
        Denied: forged, not_interactive, not_approver or stale_session.
    """
    if not genuine(approver):
        raise Denied("forged")
    assert isinstance(approver, Approver)
    session = approver.session
    if session.method != "interactive":
        raise Denied("not_interactive")
    if APPROVER not in session.roles or same_person(session.person) not in set(map(same_person, approvers)):
        raise Denied("not_approver", person=session.person)
    age = now - session.authenticated_at
    if age > policy.reauthenticated_within or age < -SKEW:
        minutes = int(policy.reauthenticated_within.total_seconds() // 60)
        raise Denied("stale_session", person=session.person, minutes=minutes)
    return approver


def check_approval(
    proposal: Proposal,
    approver: Approver,
    plan_sha256: str,
    *,
    asked_by: str | None,
    approvers: Collection[str],
    people: Collection[str],
    typed: str,
    now: datetime,
) -> str:
    """Whether this person may approve this pending proposal; gives what the history must say beside it.

    ``asked_by`` is the person behind the proposal, None if nobody is: a rule, or a model that nobody asked. ``people``
    are all who are known: whoever proposed before they were, as the owner of the home did, could be any of them.

    Raises:
        Denied: expired, wrong_plan, already_approved, own_proposal, unknown_proposer or not_confirmed.
    """
    person = approver.session.person
    key = same_person(person)
    others = sorted({each for each in approvers if same_person(each) != key})
    if proposal.expires <= now:
        raise Denied("expired")
    if plan_sha256 != proposal.plan.sha256:
        raise Denied("wrong_plan")
    if any(same_person(each.approver) == key for each in proposal.approvals):
        raise Denied("already_approved", person=person)
    if others:
        if asked_by is not None and same_person(asked_by) == key:
            raise Denied("own_proposal", person=person, others=", ".join(others))
        if asked_by is not None and same_person(asked_by) not in set(map(same_person, people)):
            raise Denied("unknown_proposer", person=person, asked=asked_by)
        return ""
    if typed.strip() != confirmation(proposal.plan):
        raise Denied("not_confirmed")
    return "without four eyes: nobody else here may approve; the target's name was typed"


def confirmation(plan: Plan) -> str:
    """What must be typed where there are no four eyes: the names of the targets, with a space between."""
    return " ".join(target.name for target in plan.targets)


def same_person(name: str) -> str:
    """What two spellings of one login have in common."""
    return name.strip().casefold()


#: The people who have the role approver at present.
Approvers = Callable[[], Collection[str]]
