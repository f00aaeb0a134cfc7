"""Whether a session is a person's, how well that is known, and what speaks against it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from ..model.finding import Evidence
from ..model.session import ChainKind, ChainStep, Identifier, IdentifierKind, Session, Strength
from .values import (
    ID_KINDS,
    PRINCIPAL_ID,
    USER_ID,
    AliasOf,
    AliasSource,
    Key,
    Match,
    Person,
    evidence_order,
    fold,
    only_claimed,
    own_identifiers,
    weakest,
)


class _Known(msgspec.Struct, frozen=True):
    """A value that means the person: of which identity (None: of none in particular), and how well that is known."""

    identity: str | None
    alias: AliasOf
    strength: Strength


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to take a session."""

    kind: IdentifierKind
    value: str
    identity: str | None
    strength: Strength
    by: str
    source: AliasSource
    evidence: tuple[Evidence, ...]
    through: tuple[ChainStep, ...] = ()


#: Which values of a step name a person, by which kind of identifier. A caller chose the names of the last three.
_STEPS: Mapping[ChainKind, tuple[tuple[IdentifierKind, Callable[[ChainStep], tuple[str, ...]]], ...]] = {
    "identity_center_user": (
        ("identity_center_user", lambda step: _texts(step.name, step.arn, (step.arn or "").rsplit("/", 1)[-1])),
        ("email", lambda step: _texts(step.name)),
        ("session_name", lambda step: _texts(step.name)),
    ),
    "saml_user": (("saml_subject", lambda step: _texts(step.name)),),
    "web_identity": (("oidc_subject", lambda step: _texts(step.name)),),
    "iam_user": (
        ("iam_user", lambda step: _texts(step.arn)),
        ("iam_user_name", lambda step: _texts(step.name)),
    ),
    "federated_user": (("federated_user", lambda step: _texts(step.name)),),
    "role_session": (("session_name", lambda step: _texts(step.name)),),
    "unknown": (("session_name", lambda step: _texts(step.name)),),
}
_CHOSEN_NAMES: frozenset[ChainKind] = frozenset({"federated_user", "role_session", "unknown"})
#: Roots that a proven chain tells apart from anybody else.
_ROOTS: frozenset[ChainKind] = frozenset(
    {
        "identity_center_user",
        "saml_user",
        "web_identity",
        "iam_user",
        "root",
        "ec2_instance",
        "lambda_function",
        "kubernetes_service_account",
    }
)
#: Where these issue a session, the identity provider set its SourceIdentity.
_VOUCHING: frozenset[ChainKind] = frozenset({"identity_center_user", "saml_user", "web_identity"})


def identifiers_of(person: Person) -> tuple[tuple[IdentifierKind, str], ...]:
    """What to ask the records for, each once: (kind, value).

    Values of ``ID_KINDS`` match exactly, all others without regard to case. Sessions that have one of them,
    and sessions with one of those in their chain, are what ``belongs`` wants to see; it takes no others.
    """
    return tuple(sorted({(kind, value) for kind, value in _index(person)}))


def belongs(session: Session, person: Person) -> Match | None:
    """Whether a session is the person's, by its own identifiers or through its chain; None if nothing says so."""
    return _Judge(person).match(session)


def matches(sessions: Iterable[Session], person: Person) -> tuple[Match, ...]:
    """The sessions that are the person's, the latest first."""
    judge = _Judge(person)
    found = [match for session in sessions if (match := judge.match(session)) is not None]
    return tuple(sorted(found, key=lambda match: (match.session.last_seen, match.session.session_id), reverse=True))


def _index(person: Person) -> dict[Key, list[_Known]]:
    index: dict[Key, list[_Known]] = defaultdict(list)
    for identity in person.identities:
        own = AliasOf(kind=identity.kind, value=identity.id, source="directory", detail=identity.by)
        index[identity.kind, fold(identity.kind, identity.id)].append(_Known(identity.id, own, identity.strength))
        for alias in identity.aliases:
            if alias.kind in {"iam_user_name", "principal_id", "saml_subject", "session_name", "oidc_subject"}:
                strength = weakest(identity.strength, alias.strength)
                index[alias.kind, fold(alias.kind, alias.value)].append(_Known(identity.id, alias, strength))
    for name in person.names:
        index[name.kind, fold(name.kind, name.value)].append(_Known(None, name, name.strength))
    return dict(index)


def _texts(*values: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


class _Judge:
    """Matches sessions against one person."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.index = _index(person)
        self.user_ids = {each.id for each in person.identities if each.kind == "identity_center_user"}
        self.unique_ids: dict[str, set[str]] = {
            each.id: {
                alias.value for alias in each.aliases if alias.kind == "principal_id" and alias.source == "directory"
            }
            for each in person.identities
            if each.kind == "iam_user"
        }

    def match(self, session: Session) -> Match | None:
        found = [*self._own(session), *self._through(session)]
        if self._denied(session):
            found = [
                each for each in found if each.strength == "proven" and each.kind in {"source_identity", *ID_KINDS}
            ]
        if self._foreign_user(session) is not None:
            found = [each for found_one in found for each in _without_identity(found_one)]
        judged = [self._against(session, each) for each in found]
        if not judged:
            return None
        return min(judged, key=_rank)

    def _own(self, session: Session) -> Iterator[_Found]:
        """By the session's own identifiers. A session's name proves a person only where Identity Center set it."""
        portal = session.method == "identity_center"
        names = {each.evidence for each in session.identifiers if each.kind == "session_name"}
        for identifier in own_identifiers(session):
            for known in self.index.get((identifier.kind, fold(identifier.kind, identifier.value)), ()):
                if not _in_account(known, session.account):
                    continue
                yield _Found(
                    kind=identifier.kind,
                    value=identifier.value,
                    identity=self._identity(known, identifier, session),
                    strength=weakest(
                        identifier.strength,
                        known.strength,
                        "proven" if portal or identifier.evidence not in names else "claimed",
                    ),
                    by=identifier.evidence.field or identifier.kind,
                    source=known.alias.source,
                    evidence=tuple(dict.fromkeys((identifier.evidence, *known.alias.evidence))),
                )

    def _identity(self, known: _Known, identifier: Identifier, session: Session) -> str | None:
        """Which identity: a name tells it only where Identity Center set it, and one user has it."""
        if identifier.kind in ID_KINDS or identifier.kind in {"iam_user_name", "saml_subject"}:
            return known.identity
        if identifier.strength != "proven" or session.method != "identity_center" or self._foreign_user(session):
            return None
        return self._sole(identifier.value)

    def _of_portal(self, step: ChainStep, name: str) -> str | None:
        return self._sole(name) if step.kind == "identity_center_user" else None

    def _sole(self, name: str) -> str | None:
        folded = fold("email", name)
        having = [
            identity.id
            for identity in self.person.identities
            if identity.kind == "identity_center_user"
            and any(
                alias.kind in {"email", "session_name"} and fold(alias.kind, alias.value) == folded
                for alias in identity.aliases
            )
        ]
        return having[0] if len(having) == 1 else None

    def _through(self, session: Session) -> Iterator[_Found]:
        """By the chain. A name that somebody typed at a sign-in, without more, is a claim of the session's own."""
        link: Strength = "proven"
        typed = only_claimed(session)
        for position, step in enumerate(session.chain):
            link = weakest(link, step.link)
            for kind, value, known in self._of_step(step):
                typed_in = position == 0 and kind not in ID_KINDS and fold(kind, value) in typed
                named = step.kind in _CHOSEN_NAMES and kind != "source_identity"
                chosen: Strength = "claimed" if named or typed_in else "proven"
                evidence = (Evidence(step.event_id, step.by, value),) if step.event_id else session.evidence[:1]
                by_id = kind in ID_KINDS or kind in {"iam_user_name", "saml_subject"}
                yield _Found(
                    kind=kind,
                    value=value,
                    identity=known.identity if by_id else None if typed_in else self._of_portal(step, value),
                    strength=weakest(link, chosen, known.strength),
                    by=step.by,
                    source=known.alias.source,
                    evidence=tuple(dict.fromkeys((*evidence, *known.alias.evidence))),
                    through=session.chain[: position + 1],
                )

    def _of_step(self, step: ChainStep) -> Iterator[tuple[IdentifierKind, str, _Known]]:
        if step.by == "SourceIdentity":
            for known in self.index.get(("source_identity", fold("source_identity", step.name or "")), ()):
                yield "source_identity", step.name or "", known
            return
        user_ids = [text for text in _texts(step.name, (step.arn or "").rsplit("/", 1)[-1]) if USER_ID.fullmatch(text)]
        other = step.kind == "identity_center_user" and user_ids and not self.user_ids & set(user_ids)
        for kind, values in _STEPS.get(step.kind, ()):
            for value in values(step):
                for known in self.index.get((kind, fold(kind, value)), ()):
                    asked = known.alias.source in {"asked", "alias_list"}
                    if _in_account(known, step.account) and (not other or asked):
                        yield kind, value, msgspec.structs.replace(known, identity=None) if other else known

    def _foreign_user(self, session: Session) -> str | None:
        """The Identity Center user that the session acts for, if it is none of the person's."""
        ids = {each.value for each in own_identifiers(session) if each.kind == "identity_center_user"}
        return min(ids) if ids and not ids & self.user_ids else None

    def _denied(self, session: Session) -> bool:
        """Whether the keepers said of the user behind the session, or of a name of its, that it is not the person's."""
        held = {(each.kind, fold(each.kind, each.value)): session.account for each in own_identifiers(session)}
        for step in session.chain:
            for kind, values in _STEPS.get(step.kind, ()):
                held |= {(kind, fold(kind, value)): step.account for value in values(step)}
        for denied in self.person.denied:
            key = (denied.kind, fold(denied.kind, denied.value))
            if key in held and denied.account in {None, held[key]}:
                return True
        return False

    def _against(self, session: Session, found: _Found) -> Match:
        """The match, weakened where the records prove somebody else."""
        strength, identity, notes = found.strength, found.identity, []
        own_id = session.principal_id or ""
        known_ids = self.unique_ids.get(found.identity or "", set())
        if PRINCIPAL_ID.fullmatch(own_id) and known_ids and own_id not in known_ids:
            strength, identity = "claimed", None
            notes.append(f"the session is of {own_id}: an earlier user of the same name")
        foreign = self._foreign_user(session)
        if foreign is not None:
            notes.append(f"the session acts for Identity Center user {foreign}, who is not known to be this person")
            if found.kind == "source_identity":
                strength = "claimed"
        behind = self._proven_other(session, found)
        if behind is not None:
            who = behind.arn or behind.name or behind.kind
            notes.append(f"the records prove that {who} stands behind the session")
            vouched = len(session.chain) == 1 and behind.kind in _VOUCHING
            if found.kind == "source_identity" and not vouched and not _same_local(found.value, behind.name or ""):
                strength = "claimed"
        return Match(
            session=session,
            identity=identity,
            strength=strength,
            by=found.by,
            evidence=found.evidence or session.evidence[:1],
            through=found.through,
            note="; ".join(notes),
        )

    def _proven_other(self, session: Session, found: _Found) -> ChainStep | None:
        """Who stands at the root of a chain that is proven throughout, if that is not who was asked for."""
        root = session.chain[-1] if session.chain else None
        if root is None or root.kind not in _ROOTS or any(step.link != "proven" for step in session.chain):
            return None
        if root.by == "SourceIdentity" or (found.through and found.through[-1] == root):
            return None
        return None if any(True for _ in self._of_step(root)) else root


def _in_account(known: _Known, account: str | None) -> bool:
    return known.alias.account is None or account is None or known.alias.account == account


def _same_local(one: str, other: str) -> bool:
    return fold("email", one).split("@", 1)[0] == fold("email", other).split("@", 1)[0]


def _without_identity(found: _Found) -> Iterator[_Found]:
    """What is left of a reason when the session acts for another user id: the names that were asked for."""
    if found.through and found.through[-1].kind != "identity_center_user":
        yield found
    elif found.source in {"asked", "alias_list"}:
        yield msgspec.structs.replace(found, identity=None)


def _rank(match: Match) -> tuple[bool, bool, bool, str, tuple[tuple[str, ...], ...]]:
    """The best reason first: proven, of a known identity, by the session itself."""
    return (
        match.strength != "proven",
        match.identity is None,
        bool(match.through),
        match.by,
        tuple(sorted(map(evidence_order, match.evidence))),
    )
