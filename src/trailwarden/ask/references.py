"""Words that refer to the question before or to its answer: "this user", "that key", "it".

What they refer to is what the question before names, and otherwise what its answer told of that kind, if that was
one. Where it could be several things, or nothing, the question is refused: nothing is guessed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..model.event import EventFilter, EventPage
from ..model.session import ChainKind, Session
from .entities import Named
from .grammar import FILLER, Piece
from .meanings import UnknownWord

if TYPE_CHECKING:
    from .interpret import Interpretation

#: A session uses many keys in the console; more than so many are no answer to "that key".
MOST_VALUES = 20
#: Who can be asked for as a user.
_PEOPLE: frozenset[ChainKind] = frozenset(
    ("identity_center_user", "saml_user", "web_identity", "iam_user", "federated_user")
)
#: Word -> the field of what it refers to, and the type that it then has.
_REFERS: Mapping[str, tuple[str, str]] = {
    "THAT_USER": ("user", "USER"), "THAT_KEY": ("access_key", "KEY"), "THAT_ROLE": ("role", "ROLE"),
    "THAT_IP": ("ip", "IP"),
}  # fmt: skip
#: Field -> the type of a name in it.
_TYPES: Mapping[str, str] = {
    "access_key": "KEY", "session": "SESSION", "arn": "ARN", "role": "ROLE", "ip": "IP", "user": "USER",
}  # fmt: skip
REFERENCES = frozenset((*_REFERS, "THAT_SESSION", "IT"))
_NOUNS = {"user": "user", "access_key": "access key", "role": "role", "ip": "address"}


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer told of, where it was one: names that the next question may refer to."""

    user: tuple[str, ...] = ()
    role: tuple[str, ...] = ()
    access_key: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()


def found_in_sessions(sessions: Sequence[Session], total: int) -> Found:
    """What the sessions of an answer have in common. Names with a wildcard in them are left out: logs are hostile."""
    if not sessions or total != len(sessions):
        return Found()
    people = {
        session.root.name if session.root is not None and session.root.kind in _PEOPLE else None for session in sessions
    }
    return Found(
        user=_one(people),
        role=_one({(session.role_arn or "").rpartition("/")[2] or None for session in sessions}),
        access_key=_plain({key for session in sessions for key in session.access_keys}) if len(sessions) == 1 else (),
        ip=_one({address for session in sessions for address in session.source_ips or (None,)}),
    )


def found_in_page(page: EventPage) -> Found:
    """What the events of an answer have in common, by the counts of all that match."""

    def one(facet: str) -> tuple[str, ...]:
        return _one({value.value for value in page.facets.get(facet, ())})

    return Found(user=one("principal"), access_key=one("access_key"), ip=one("source_ip"))


def _one(values: Iterable[str | None]) -> tuple[str, ...]:
    names = set(values)
    return _plain(name for name in names if name) if len(names) == 1 else ()


def _plain(values: Iterable[str]) -> tuple[str, ...]:
    names = tuple(sorted(values))
    return names if len(names) <= MOST_VALUES and not any("*" in name for name in names) else ()


def resolve(pieces: Sequence[Piece], previous: "Interpretation | None") -> tuple[Piece, ...]:
    """The pieces of a question with what they refer to in the place of "this user", "that key", "it".

    Raises:
        NotUnderstood: there is no question before, it named nothing of that kind, or more than one thing.
    """
    return tuple(
        _resolved(piece, previous) if piece.type in REFERENCES else piece for piece in map(_itself(pieces), pieces)
    )


#: What can be said of a principal that the same question names: "What can AdminRole do? Is it over-privileged?"
_SAID_OF_IT = frozenset(("OVER", "RISKY", "UNUSED", "ADMIN"))


def _itself(pieces: Sequence[Piece]) -> Callable[[Piece], Piece]:
    """Turns a word that refers to a principal named earlier in the same question into one that needs no other."""
    kept = [piece for piece in pieces if piece.type != FILLER]
    own: set[int] = set()
    for at, piece in enumerate(kept[:-1]):
        before = kept[:at]
        named = any(each.type in {"ROLE", "USER", "ARN", "RESOURCE", "QUOTED"} for each in before)
        refers = piece.type in {"IT", "THAT_ROLE", "THAT_USER"} and kept[at + 1].type in _SAID_OF_IT
        if refers and named and before[-1].type == "BE":
            own.add(piece.start)
    return lambda piece: Piece("ITSELF", piece.text, piece.start, piece.end) if piece.start in own else piece


def _resolved(piece: Piece, previous: "Interpretation | None") -> Piece:
    if previous is None:
        raise UnknownWord(
            f"{piece.text!r} refers to the question before, and there is none", remedy="name the user, key or role"
        )
    if piece.type in _REFERS:
        field, kind = _REFERS[piece.type]
        values = getattr(previous.where, field) or _principal(previous, field) or getattr(previous.found, field)
        if not values:
            noun = _NOUNS[field]
            raise UnknownWord(
                f"{piece.text!r} refers to a{'n' if noun[0] in 'aeiou' and noun != 'user' else ''} {noun}, and the "
                "question before and its answer name none, or several",
                remedy=f"name the {noun}",
            )
        return _named(piece, kind, values)
    return _thing(piece, previous)


def _thing(piece: Piece, previous: "Interpretation") -> Piece:
    """The one key, session, role, address or user that the question before is about."""
    where: EventFilter = previous.where
    named = {field: values for field in _TYPES if (values := getattr(where, field) or _principal(previous, field))}
    if previous.session and not named:
        if not previous.found.access_key:
            raise UnknownWord(
                f"{piece.text!r} refers to {previous.session!r}, whose access keys are not known, or are too many",
                remedy="name a key, a user or a role",
            )
        return _named(piece, "KEY", previous.found.access_key)
    if piece.type == "THAT_SESSION" and not previous.session:
        named = {field: values for field, values in named.items() if field in {"session", "access_key"}}
        if not named and previous.found.access_key:
            named = {"access_key": previous.found.access_key}
    if len(named) != 1:
        which = " or ".join(repr(value) for values in named.values() for value in values[:2]) or "nothing by name"
        raise UnknownWord(f"{piece.text!r} can refer to {which} in the question before", remedy="name what is meant")
    ((field, values),) = named.items()
    return _named(piece, _TYPES[field], values)


def _principal(previous: "Interpretation", field: str) -> tuple[str, ...]:
    """The role or user that the question before asked IAM about."""
    rights = previous.rights
    return (rights.principal,) if rights.principal and rights.principal_kind == field else ()


def _named(piece: Piece, kind: str, values: tuple[str, ...]) -> Piece:
    noun = {"KEY": "access key"}.get(kind, "")
    return Piece(kind, piece.text, piece.start, piece.end, Named(values, noun))
