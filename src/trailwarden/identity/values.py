"""Identities, people and matches: the values, and how names are compared."""

import re
from typing import Literal

import msgspec

from ..model.finding import Evidence
from ..model.session import ChainStep, Identifier, IdentifierKind, Session, Strength

AliasSource = Literal["directory", "tag", "records", "alias_list", "asked"]
Key = tuple[IdentifierKind, str]
#: Kinds whose values are ids: compared exactly. All others are names, compared without regard to case.
ID_KINDS: frozenset[str] = frozenset({"iam_user", "identity_center_user", "principal_id", "oidc_subject"})
#: Subjects of OpenID Connect that stand for programs: GitHub, Kubernetes, GitLab, HCP Terraform, CircleCI.
WORKLOAD_SUBJECTS = ("repo:", "system:serviceaccount:", "project_path:", "organization:", "org/")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
#: https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_User.html
USER_ID = re.compile(r"(?:[0-9a-f]{10}-)?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_IAM_USER_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:user/.+")
PRINCIPAL_ID = re.compile(r"AIDA[A-Z0-9]{12,28}")


class AliasOf(msgspec.Struct, frozen=True, kw_only=True):
    """A name of a person: where it comes from, and how well it is known to be theirs.

    ``proven``: the directory, a record, or the keepers say so. ``claimed``: a tag names the person as
    responsible. ``account`` narrows a name to one account.
    """

    kind: IdentifierKind
    value: str
    source: AliasSource
    strength: Strength = "proven"
    account: str | None = None
    detail: str = ""
    evidence: tuple[Evidence, ...] = ()


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """One user of one directory. ``kind`` says which, ``id`` is unique in it.

    ``identity_center_user``: the userId; ``iam_user``: the ARN; ``saml_subject`` and ``oidc_subject``: the
    subject. ``active`` None: nothing tells. ``strength`` says how well it is known to be the person's, and
    ``by`` how.
    """

    id: str
    kind: IdentifierKind
    label: str
    account: str | None = None
    active: bool | None = None
    strength: Strength = "proven"
    by: str = ""
    aliases: tuple[AliasOf, ...] = ()


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who was asked for. ``ambiguous``: the identities may be of more than one person.

    ``names`` are those that belong to no single identity: what was asked, and the person's addresses.
    ``denied`` is what the alias list says is not theirs.
    """

    asked: str
    label: str
    identities: tuple[Identity, ...] = ()
    names: tuple[AliasOf, ...] = ()
    denied: tuple[AliasOf, ...] = ()
    ambiguous: bool = False
    notes: tuple[str, ...] = ()


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is a person's, and how that is known.

    ``identity`` is the id of one of the person's identities; None where only a name tells. ``through`` are
    the steps of the session's chain that lead to the person; empty where the session itself names them.
    ``note`` says what in the records speaks against it.
    """

    session: Session
    identity: str | None
    strength: Strength
    by: str
    evidence: tuple[Evidence, ...] = ()
    through: tuple[ChainStep, ...] = ()
    note: str = ""


def kind_of(asked: str) -> IdentifierKind | None:
    """What kind of name this is by its shape; None: a plain name."""
    shapes: tuple[tuple[re.Pattern[str], IdentifierKind], ...] = (
        (_IAM_USER_ARN, "iam_user"),
        (USER_ID, "identity_center_user"),
        (PRINCIPAL_ID, "principal_id"),
        (EMAIL, "email"),
    )
    return next((kind for shape, kind in shapes if shape.fullmatch(asked.strip())), None)


def fold(kind: str, value: str) -> str:
    """A value as it is compared: ids as they are, names without regard to case."""
    return value if kind in ID_KINDS else value.strip().casefold()


def is_workload_subject(subject: str) -> bool:
    """Whether an OpenID Connect subject is a program's: a repository, a pipeline, a service account."""
    return subject.startswith(WORKLOAD_SUBJECTS)


def weakest(*strengths: Strength) -> Strength:
    """What remains of several things that must all hold."""
    return "claimed" if "claimed" in strengths else "proven"


def own_identifiers(session: Session) -> tuple[Identifier, ...]:
    """The session's identifiers, onBehalfOf among them even where only its own field holds it."""
    found = list(session.identifiers)
    if session.on_behalf_of and not any(each.kind == "identity_center_user" for each in found):
        event_id = next((each.event_id for each in session.evidence), "")
        user_id = session.on_behalf_of.user_id
        evidence = Evidence(event_id, "userIdentity.onBehalfOf.userId", user_id)
        found.append(Identifier("identity_center_user", user_id, "proven", evidence))
    return tuple(sorted(found, key=identifier_order))


def only_claimed(session: Session) -> frozenset[str]:
    """Names of a session as they are compared, of which nothing but a claim is at hand: such as typed at a sign-in."""
    names: dict[Strength, set[str]] = {"proven": set(), "claimed": set()}
    for each in session.identifiers:
        names[each.strength].add(fold("session_name", each.value))
    return frozenset(names["claimed"] - names["proven"])


def identifier_order(identifier: Identifier) -> tuple[str, ...]:
    """What identifiers are sorted by."""
    return (identifier.kind, identifier.value, identifier.strength, *evidence_order(identifier.evidence))


def evidence_order(evidence: Evidence) -> tuple[str, str, str]:
    """What evidence is sorted by."""
    return (evidence.event_id, evidence.field, evidence.value)
