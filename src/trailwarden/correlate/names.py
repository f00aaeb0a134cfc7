"""The names that a session goes by: its own, and those of who stands behind it."""

from collections.abc import Iterator

import msgspec

from ..identity import fold, is_workload_subject
from ..identity.values import ID_KINDS, own_identifiers
from ..model.finding import Evidence
from ..model.session import ChainKind, ChainStep, IdentifierKind, Session, Strength

#: Which kind of name a step of a chain has, where it may be a person's.
_STEPS: dict[ChainKind, IdentifierKind] = {
    "identity_center_user": "session_name",
    "saml_user": "saml_subject",
    "web_identity": "oidc_subject",
    "iam_user": "iam_user_name",
    "federated_user": "federated_user",
    "role_session": "session_name",
    "unknown": "session_name",
}
_CHOSEN: frozenset[ChainKind] = frozenset({"federated_user", "role_session", "unknown"})
#: Callers that have credentials of their own: getting from theirs to what they issued is a hop.
_CALLERS: frozenset[ChainKind] = frozenset(
    {"iam_user", "root", "role_session", "federated_user", "external_principal", "ec2_instance", "lambda_function"}
)
#: Links of an issuing call; all others say who the holder of the credentials is.
_ISSUED = frozenset({"issued access key", "assumedRoleId and creation time", "sharedEventID"})


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """A name of a session, ``hops`` AssumeRole steps behind it; ``folded`` is how it is compared.

    ``local`` is the part before the @; None: it is an id, of which no part means anything. ``strength`` is
    claimed where a caller chose the name, or a link on the way to it is no more than claimed.
    """

    kind: IdentifierKind
    folded: str
    local: str | None
    strength: Strength
    evidence: Evidence
    account: str | None
    hops: int = 0


def names_of(session: Session) -> tuple[Name, ...]:
    """Every name, its own first."""
    return tuple(dict.fromkeys((*_own(session), *_behind(session))))


def _own(session: Session) -> Iterator[Name]:
    there = set()
    for each in own_identifiers(session):
        there.add((each.kind, each.value))
        if each.kind != "oidc_subject" or not is_workload_subject(each.value):
            yield _name(each.kind, each.strength, each.evidence, session.account)
    event_id = next((each.event_id for each in session.evidence), "")
    fields: tuple[tuple[IdentifierKind, str, str | None, Strength], ...] = (
        ("session_name", "userIdentity.principalId", session.session_name, "claimed"),
        ("iam_user_name", "userIdentity.userName", session.user_name, "proven"),
        ("source_identity", "userIdentity.sessionContext.sourceIdentity", session.source_identity, "proven"),
    )
    values = {value for _, value in there}
    for kind, field, value, strength in fields:
        if value and value not in values:
            shown = session.strength if kind == "session_name" and session.method == "identity_center" else strength
            yield _name(kind, shown, Evidence(event_id, field, value), session.account)


def _behind(session: Session) -> Iterator[Name]:
    hops, strength = 0, "proven"
    for step in session.chain:
        hops += step.kind in _CALLERS and (step.by in _ISSUED or step.session_id is not None)
        strength = "claimed" if "claimed" in (strength, step.link) else "proven"
        kind = _kind_of(step)
        if kind is None or not step.name or (kind == "oidc_subject" and is_workload_subject(step.name)):
            continue
        chosen = step.kind in _CHOSEN and step.by != "SourceIdentity"
        yield _name(
            kind,
            "claimed" if chosen or strength == "claimed" else "proven",
            Evidence(step.event_id or "", step.by, step.name),
            step.account,
            hops,
        )


def _kind_of(step: ChainStep) -> IdentifierKind | None:
    return "source_identity" if step.by == "SourceIdentity" else _STEPS.get(step.kind)


def _name(kind: IdentifierKind, strength: Strength, evidence: Evidence, account: str | None, hops: int = 0) -> Name:
    folded = fold(kind, evidence.value)
    return Name(
        kind=kind,
        folded=folded,
        local=None if kind in ID_KINDS else folded.split("@", 1)[0],
        strength=strength,
        evidence=evidence,
        account=account,
        hops=hops,
    )
