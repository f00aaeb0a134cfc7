"""Questions about what roles and users may do, read off the parse: which tool of ``iam`` answers, called with what."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from ..errors import NotUnderstood
from ..model.finding import Severity
from ..model.iam_report import PrincipalKind
from .actions import KINDS_OF_IDS, action_of, full_name, kind_of_arn, resource_of
from .command import Rights
from .grammar import Node, Piece
from .meanings import Focus, check_name, kind_of, names_itself, not_a_word

if TYPE_CHECKING:
    from .draft import Draft

#: What is said of principals -> what the answer tells first.
_TRAITS: Mapping[str, Focus] = {
    "OVER": "over_privileged", "RISKY": "over_privileged", "TOO_MANY": "over_privileged", "UNUSED": "unused",
    "ADMIN": "administrators", "ADMIN_RIGHTS": "administrators", "ADMIN_KIND": "administrators",
    "BECOME_ADMIN": "can_become",
}  # fmt: skip
#: From this severity on, principals count as over-privileged or risky.
_OVER: Severity = "high"
_KINDS: Mapping[str, PrincipalKind] = {"role": "role", "user": "user", "group": "group"}
#: What may be asked of all principals at once: these words leave the kind open.
_ANY_KIND = {"principal", "principals", "identity", "identities", "people", "person", "persons", "caller", "callers"}
_NOUNS = {"KEYS": "access key", "USERS": "user", "ROLES": "role", "KIND_OF_CALLER": "user", "SIGN_INS": "login profile",
          "LAKE": "object"}  # fmt: skip
_WHOSE = {"role": "role", "user": "user", "group": "group"}


def _ask(draft: "Draft", tool: str, focus: Focus, rights: Rights) -> None:
    draft.marks.add("rights")
    draft.tool = tool  # type: ignore[assignment]
    draft.focus, draft.also = focus, []
    draft.rights = rights


def _principal(draft: "Draft", node: Node | None) -> Rights:
    """The role, user or group that is asked about.

    Raises:
        NotUnderstood: it is none, or it is not said what it is.
    """
    assert node is not None
    (piece,) = node.pieces
    name, kind = name_of(piece), ""
    draft.placed.append(piece)
    match piece.type:
        case "WORD":
            check_name(piece)
            raise NotUnderstood(
                f"{piece.text!r} is not known to be a role or a user",
                remedy=f"say which: role {piece.text}, or user {piece.text}",
            )
        case "ARN":
            kind = kind_of_arn(name) if ":iam:" in name else ""
            if kind not in _WHOSE:
                raise NotUnderstood(
                    f"{piece.text!r} is no role, user or group", remedy="give the role's name or ARN, not a session's"
                )
        case "RESOURCE":
            kind = piece.value.kind
            if kind != "group":
                raise NotUnderstood(f"{piece.text!r} is no role, user or group", remedy="name the role or user")
        case "ROLE" | "USER":
            kind = piece.type.lower()
    if "*" in name:
        raise NotUnderstood(f"{name!r} can be several roles or users", remedy="name one, or scan them all")
    return Rights(principal=name, principal_kind=kind)


def name_of(piece: Piece) -> str:
    """A name as written: what IAM and endpoints call somebody need not be what the lake does."""
    value: str = piece.text if piece.type == "WORD" else piece.value.written or piece.value.values[0]
    return value


def _rest(draft: "Draft", node: Node) -> None:
    """Accounts and times of the question."""
    for child in node.nodes:
        if child.rule == "iam_rest":
            for each in child.nodes:
                draft.read(each)


def _account(draft: "Draft", node: Node) -> None:
    draft.place("IN", node.pieces[-1:])


def _trait(node: Node) -> Focus:
    return next(_TRAITS[piece.type] for piece in node.pieces if piece.type in _TRAITS)


def _permissions(draft: "Draft", node: Node) -> None:
    rights = _principal(draft, node.child("iam_principal"))
    _ask(draft, "iam_role", "permissions", rights)
    draft.also = list(dict.fromkeys(_trait(tail) for tail in node.nodes if tail.rule == "iam_tail"))
    _rest(draft, node)


def _judged(draft: "Draft", node: Node) -> None:
    _ask(draft, "iam_role", _trait(node), _principal(draft, node.child("iam_principal")))
    _rest(draft, node)


def _trust(draft: "Draft", node: Node) -> None:
    _ask(draft, "iam_role", "trust", _principal(draft, node.child("iam_principal")))
    _rest(draft, node)


def _kinds(node: Node | None) -> tuple[PrincipalKind, ...]:
    """The kinds of principals that are asked for; empty is all.

    Raises:
        NotUnderstood: something that is no principal.
    """
    found: list[PrincipalKind] = []
    for piece in node.pieces if node else []:
        word = piece.text.lower()
        if piece.type in {"AND", "OR", "COMMA"}:
            continue
        if word in _ANY_KIND:
            return ()
        kind = next((_KINDS[start] for start in _KINDS if start in word), None)
        if kind is None or (piece.type == "KIND" and kind != "group") or word.startswith("security"):
            raise not_a_word(piece)
        found.append(kind)
    return tuple(dict.fromkeys(found))


def _scan(draft: "Draft", node: Node) -> None:
    focus: Focus = "all"
    kinds = _kinds(node.child("iam_kinds"))
    for piece in node.pieces:
        if piece.type in _TRAITS:
            focus = _TRAITS[piece.type]
        if piece.type == "ADMIN_KIND":
            kinds = ("role",) if "role" in piece.text.lower() else ("user",)
        if piece.type == "SERVICE":
            if piece.value.values != ("iam.amazonaws.com",):
                raise not_a_word(piece)
            draft.placed.append(piece)
    least: Severity = _OVER if focus == "over_privileged" else "info"
    _ask(draft, "iam_scan", focus, Rights(kind=kinds, min_severity=least))
    if any(piece.type in {"HOW_MANY", "BE"} and piece is node.pieces[0] for piece in node.pieces):
        draft.also = ["count" if node.pieces[0].type == "HOW_MANY" else "exists"]
    _rest(draft, node)


def _can(draft: "Draft", node: Node) -> None:
    rights = _principal(draft, node.child("iam_principal"))
    _rest(draft, node)
    _ask(draft, "iam_can", "allowed", _acting(draft, node, rights))


def _on(draft: "Draft", node: Node) -> None:
    rights = _principal(draft, node.child("iam_principal"))
    _rest(draft, node)
    target = node.child("iam_target")
    assert target is not None
    kind, name = _target(draft, target)
    if not kind and target.pieces[0].type == "SERVICE":
        action = f"{_prefix(target.pieces[0])}:*"
        rights = msgspec.structs.replace(rights, action=action)
    else:
        resource = resource_of("", kind, name, _account_of(draft))
        rights = msgspec.structs.replace(rights, resource=resource, on=True)
        _read_as(draft, target, resource)
    _ask(draft, "iam_can", "allowed", rights)


def _who_can(draft: "Draft", node: Node) -> None:
    asked = node.child("iam_asked")
    kinds = _kinds(asked.child("iam_kinds") if asked else None)
    _rest(draft, node)
    action = node.child("iam_action")
    target = action.child("iam_target") if action else None
    verb = action.child("iam_verb") if action else None
    assumed = verb is not None and verb.pieces[0].type == "ASSUMED" and target is not None
    if assumed and target is not None and target.pieces[0].type in {"ROLE", "ARN", "QUOTED"}:
        _ask(draft, "iam_role", "trust", _principal(draft, target))
        return
    rights = _acting(draft, node, Rights(kind=kinds))
    _ask(draft, "iam_who_can", "allowed", rights)
    first = node.pieces[0].type
    if first in {"HOW_MANY", "CAN", "BE"}:
        draft.also = ["count" if first == "HOW_MANY" else "exists"]


def _no_verb(_: "Draft", node: Node) -> None:
    target = next(node.find("iam_target"))
    raise NotUnderstood(
        f"access to {' '.join(piece.text for piece in target.pieces)!r} can mean to read, to write or to delete it",
        remedy="ask who can read it, who can write to it …, or what one role can do on it",
    )


def _acting(draft: "Draft", node: Node, rights: Rights) -> Rights:
    """The action and the resource, with a notice that says how the words were read."""
    action = node.child("iam_action")
    account = _account_of(draft)
    if action is not None and (event := next((p for p in action.tokens if p.type == "EVENT"), None)) is not None:
        draft.placed.append(event)
        name = full_name(event.value.values[0])
        target = action.child("iam_target")
        resource = "*"
        if target is not None:
            kind, named = _target(draft, target)
            resource = resource_of(name, kind, named, account)
            _read_as(draft, target, resource)
        return msgspec.structs.replace(rights, action=name, resource=resource)
    said = action or node
    verb = said.child("iam_verb") or said.child("iam_level")
    assert verb is not None
    nouns = [each for each in said.nodes if each.rule == "iam_noun"]
    target = said.child("iam_target")
    words = " ".join(piece.text for piece in [*verb.pieces[:1], *(p for n in nouns for p in n.pieces),
                                               *(target.pieces if target else ())])  # fmt: skip
    kinds = [_noun(each) for each in nouns]
    on, name = _target(draft, target) if target is not None else ("", "")
    if target is not None and not on and not name.startswith("arn:"):
        on = _prefix(target.pieces[0])  # a service: "stop CloudTrail"
        name = ""
    if kinds and on:
        kinds = _narrowed(kinds[0], on, kinds, words)
    elif len(kinds) > 1:
        kinds = _narrowed(kinds[0], kinds[1], kinds, words)
    found = action_of(verb.pieces[0].text, kinds[0] if kinds else on, words, named=bool(name) and not kinds)
    resource = "*"
    if name:
        resource = resource_of(found, "bucket" if kinds and kinds[0] == "object" else on, name, account)
    draft.said(f"{words!r} is read as {found}" + (f" on {resource}" if resource != "*" else " on any resource"))
    return msgspec.structs.replace(rights, action=found, resource=resource)


def _narrowed(first: str, second: str, kinds: list[str], words: str) -> list[str]:
    """Two kinds as one of the table: objects in a bucket, access keys of a user, a policy attached to a role."""
    if first == "policy":
        return [f"policy/{second}"]
    if (first, second) in {("object", "bucket"), ("access key", "user"), ("login profile", "user")} or first == second:
        return kinds[:1]
    raise NotUnderstood(
        f"which action {words!r} is, is not known", remedy="name the action as IAM does, such as s3:GetObject"
    )


def _noun(node: Node) -> str:
    (piece,) = node.pieces
    if piece.type == "ANYTHING":
        raise NotUnderstood(
            f"{piece.text!r} is no kind of resource", remedy="name it: buckets, secrets, access keys, or the action"
        )
    return _NOUNS.get(piece.type) or kind_of(piece.text)


def _target(draft: "Draft", node: Node) -> tuple[str, str]:
    """The kind and the name of what something is done to; no kind for a service."""
    piece = node.pieces[0]
    draft.placed.append(piece)
    if piece.type == "WORD":
        if len(node.pieces) == 1:
            raise not_a_word(piece)
        check_name(piece)
        if not names_itself(piece.text):
            raise not_a_word(piece)
        return kind_of(node.pieces[1].text), piece.text
    name = name_of(piece)
    match piece.type:
        case "ARN":
            kind = kind_of_arn(name)
        case "SERVICE":
            kind = ""
        case "ROLE" | "USER" | "INSTANCE":
            kind = piece.type.lower()
        case "KEY":
            raise NotUnderstood(
                f"{piece.text!r} is an access key: IAM permits actions on users", remedy="name the user whose key it is"
            )
        case "RESOURCE" | "ID":
            kind = piece.value.kind or next((k for start, k in KINDS_OF_IDS.items() if name.startswith(start)), "")
            if not kind:
                raise not_a_word(piece)
        case _:
            raise not_a_word(piece)
    return kind, name


def _prefix(piece: Piece) -> str:
    """The prefix of a service's actions, by its event source; all but a few are the same."""
    source = str(piece.value.values[0]).removesuffix(".amazonaws.com")
    return {"monitoring": "cloudwatch"}.get(source, source)


def _account_of(draft: "Draft") -> str:
    """The one account that is named, for the ARNs; ``*`` otherwise."""
    groups = draft.fields.get("account", [])
    return groups[0][0] if len(groups) == 1 and len(groups[0]) == 1 else "*"


def _read_as(draft: "Draft", node: Node, resource: str) -> None:
    words = " ".join(piece.text for piece in node.pieces)
    if words != resource:
        draft.said(f"{words!r} is read as {resource}")


def _changed(draft: "Draft", node: Node) -> None:
    became = any(piece.type == "BECAME_ADMIN" for piece in node.pieces)
    _ask(draft, "iam_changes", "administrators" if became else "permissions", Rights())
    _rest(draft, node)


READERS: Mapping[str, Callable[["Draft", Node], None]] = {
    "iam_permissions": _permissions, "iam_judged": _judged, "iam_trust": _trust, "iam_scan": _scan, "iam_can": _can,
    "iam_on": _on, "iam_who_can": _who_can, "iam_no_verb": _no_verb, "iam_changed": _changed, "iam_account": _account,
}  # fmt: skip
