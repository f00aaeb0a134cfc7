"""Questions about alerts of endpoints, read off the parse: which tool of ``correlate`` answers, called with what."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..errors import NotUnderstood
from .grammar import Node, Piece
from .meanings import check_name, names_itself, not_a_word

if TYPE_CHECKING:
    from .draft import Draft

_COUNTS = {"HOW_MANY": "count", "BE": "exists", "HAVE": "exists"}
_BY_SESSION = {"KEY", "SESSION_ID", "PRINCIPAL_ID", "ARN", "SESSION"}


def _recent(draft: "Draft", node: Node) -> None:
    """Alerts, of all hosts, of one, or of one user."""
    draft.marks.add("endpoints")
    draft.tool, draft.focus = "correlate_recent", "events"
    if (focus := _COUNTS.get(node.pieces[0].type)) is not None:
        draft.focus = "count" if focus == "count" else "exists"
    for child in node.nodes:
        draft.read(child)


def _sessions(draft: "Draft", node: Node) -> None:
    """What AWS records of an alert, of a host's alerts, or of a user's."""
    _recent(draft, node)
    draft.focus = "events"
    if node.pieces[0].type == "DID":
        draft.focus, draft.also = "exists", ["events"]


def _of_session(draft: "Draft", node: Node) -> None:
    """The alerts that one session, key or user has to do with."""
    _recent(draft, node)
    holder = node.child("alert_holder")
    assert holder is not None
    (piece,) = holder.pieces
    if piece.type in {"USER", "WORD"}:
        _user(draft, piece)
    elif piece.type == "HOST":
        _host(draft, piece)
    elif piece.type in _BY_SESSION and not (piece.type == "ARN" and ":assumed-role/" not in _name(piece)):
        if "*" in _name(piece):
            raise NotUnderstood(f"{piece.text!r} can be several sessions", remedy="give the whole key or id")
        draft.placed.append(piece)
        draft.tool, draft.session = "correlate_session", _name(piece)
    else:
        raise NotUnderstood(
            f"alerts are not looked for by {piece.text!r}", remedy="name a session, a key, a host or a user"
        )


def _name(piece: Piece) -> str:
    value: str = piece.text if piece.type == "WORD" else piece.value.written or piece.value.values[0]
    return value


def _host(draft: "Draft", piece: Piece) -> None:
    if draft.host and draft.host != _name(piece):
        raise NotUnderstood(f"{draft.host!r} and {_name(piece)!r} are two hosts", remedy="ask for one at a time")
    if "*" in _name(piece):
        raise NotUnderstood(f"{piece.text!r} can be several hosts", remedy="give the whole hostname")
    draft.placed.append(piece)
    draft.tool, draft.host = "correlate_host", _name(piece)


def _user(draft: "Draft", piece: Piece) -> None:
    """A person by the name that the endpoint knows: as written."""
    if piece.type not in {"USER", "WORD", "QUOTED"}:
        raise not_a_word(piece)
    if piece.type == "WORD":
        check_name(piece)
    draft.placed.append(piece)
    draft.add("user", (_name(piece),))


def _where(draft: "Draft", node: Node) -> None:
    """``on LAPTOP-7``, ``on john's laptop``, ``for john``."""
    draft.marks.add(f"alert {node.tokens[0].type}")
    for child in node.nodes:
        draft.read(child)
    draft.marks.discard(f"alert {node.tokens[0].type}")


def _named(draft: "Draft", node: Node) -> None:
    """A host or a user: hosts are what alerts are on, and what a word before says; users are whom they are of."""
    piece = node.pieces[-1]
    if node.pieces[0].type == "ENDPOINT" or piece.type in {"HOST", "INSTANCE"}:
        _host(draft, piece)
        return
    if piece.type not in {"USER", "WORD", "QUOTED", "ROLE"}:
        raise not_a_word(piece)
    if piece.type == "WORD":
        check_name(piece)
    name = _name(piece)
    on = bool(draft.marks & {"alert ON", "alert FROM", "alert IN"})
    if on and piece.type in {"WORD", "QUOTED"} and names_itself(name) and "@" not in name:
        _host(draft, piece)
    elif not on and piece.type == "USER":
        _user(draft, piece)
    else:
        raise NotUnderstood(
            f"{piece.text!r} can be a host or a user", remedy=f"say which: host {piece.text}, or user {piece.text}"
        )


def _owner(draft: "Draft", node: Node) -> None:
    """``john's laptop``: no hostname is known, and the alerts of the user are meant."""
    (name,) = (child for child in node.nodes if child.rule == "alert_name")
    _user(draft, name.pieces[0])
    draft.said(f"no host is named: the alerts of the user {_name(name.pieces[0])!r} are looked at, on any host")


def _subject(draft: "Draft", node: Node) -> None:
    alert = next((piece for piece in node.tokens if piece.type == "ALERT_ID"), None)
    if alert is not None:
        _alert(draft, alert)
    for child in node.nodes:
        draft.read(child)


def _alert(draft: "Draft", piece: Piece) -> None:
    draft.placed.append(piece)
    draft.tool, draft.alert = "correlate_alert", piece.value.values[0]


def _alert_sessions(draft: "Draft", node: Node) -> None:
    _sessions(draft, node)
    if (alert := next((piece for piece in node.tokens if piece.type == "ALERT_ID"), None)) is not None:
        _alert(draft, alert)


def _here(draft: "Draft", node: Node) -> None:
    _host(draft, node.pieces[-1])


def _nothing(_: "Draft", __: Node) -> None:
    """Words that only say that alerts are meant."""


def _rest(draft: "Draft", node: Node) -> None:
    for child in node.nodes:
        draft.read(child)


READERS: Mapping[str, Callable[["Draft", Node], None]] = {
    "alerts": _recent, "alert_sessions": _alert_sessions, "alert_of_session": _of_session, "alert_subject": _subject,
    "alert_named": _named, "alert_named_here": _here, "alert_owner": _owner, "alert_noun": _nothing,
    "alert_asked": _nothing, "alert_holder": _nothing, "alert_mod": _where, "alert_rest": _rest,
}  # fmt: skip
