"""What the words of a question mean for the search: tables, and the readings of single words.

Which field of the filter a name goes to is decided by the word before it and by what the name is: ``FIELDS``. What
verbs mean stands in ``VERBS``. Whatever has no entry is refused, never left out.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from ..errors import NotUnderstood
from ..model.session import AuthMethod
from .grammar import Piece
from .names import COMMON_OPERATIONS, IRREGULAR_OPERATIONS, MORE_OPERATIONS, NOT_NAMES, RESOURCE_KINDS

Focus = Literal[
    "events", "exists", "count", "who", "when_last", "when_first", "where_from", "actions", "errors", "regions",
    "accounts", "services", "keys", "roles", "agents", "no_mfa",
    "permissions", "over_privileged", "trust", "administrators", "can_become", "unused", "all", "allowed",
]  # fmt: skip

#: Sign-ins to the console, and to Identity Center once all that it asked for was given.
#: https://docs.aws.amazon.com/singlesignon/latest/userguide/understanding-sign-in-events.html
CONSOLE_SIGN_IN = ("ConsoleLogin",)
SIGN_INS = ("ConsoleLogin", "UserAuthentication")
#: Identity Center writes no UserAuthentication for a sign-in that fails: its credential checks show it.
FAILED_SIGN_INS = ("ConsoleLogin", "CredentialVerification")
ASSUME_ROLE = ("AssumeRole*",)
MOST_EVENTS = 1000

_CALLER: Mapping[str, str] = {
    "USER": "user", "WORD": "user", "QUOTED": "user", "ROLE": "role", "KEY": "access_key", "IP": "ip", "ARN": "arn",
    "INSTANCE": "session", "SESSION": "session", "ROOT": "principal_type", "KIND_OF_CALLER": "principal_type",
    "SERVICE": "ip",
}  # fmt: skip
_PLACE: Mapping[str, str] = {"REGION": "region", "ACCOUNT": "account", "SERVICE": "source"}
_TARGET: Mapping[str, str] = {
    "RESOURCE": "resource", "INSTANCE": "resource", "USER": "resource", "ROLE": "resource", "KEY": "resource",
    "ARN": "resource", "QUOTED": "resource", "WORD": "resource", "SERVICE": "source", "EVENT": "event",
    "ACCOUNT": "account",
}  # fmt: skip
_MEANS: Mapping[str, str] = {
    **_PLACE, "KEY": "access_key", "ROLE": "role", "USER": "user", "IP": "ip", "ERROR_CODE": "error",
    "AGENT": "user_agent", "SESSION": "session", "EVENT": "event", "ROOT": "principal_type", "ARN": "arn",
}  # fmt: skip
#: (word before a name) -> what the name is -> the field of EventFilter. ``""`` is no word at all.
FIELDS: Mapping[str, Mapping[str, str]] = {
    "BY": _CALLER,
    "FROM": {**_CALLER, **_PLACE},
    "AS": {key: field for key, field in _CALLER.items() if key not in {"IP", "SERVICE"}},
    "OF": {**_CALLER, "SERVICE": "source", "EVENT": "event", "ACCOUNT": "account", "REGION": "region"},
    "FOR": {key: field for key, field in {**_CALLER, **_PLACE, "EVENT": "event"}.items() if key != "INSTANCE"},
    "IN": {**_PLACE, "RESOURCE": "resource"},
    "ON": {key: field for key, field in _TARGET.items() if key != "EVENT"},
    "TO": _TARGET,
    "AGAINST": _TARGET,
    "WITH": _MEANS,
    "USING": _MEANS,
    "MENTIONING": dict.fromkeys(
        ("USER", "WORD", "QUOTED", "ROLE", "KEY", "IP", "ARN", "INSTANCE", "RESOURCE", "ACCOUNT", "SESSION", "ID"),
        "text",
    ),
    "": {
        **{key: field for key, field in _CALLER.items() if key not in {"WORD", "QUOTED", "INSTANCE", "SERVICE"}},
        **_PLACE,
        "EVENT": "event",
        "RESOURCE": "resource",
        "ERROR_CODE": "error",
        "ID": "text",
        "AGENT": "user_agent",
    },
}
PREPOSITIONS = frozenset(FIELDS) - {""}
#: The fields that say who called.
WHO_FIELDS = ("user", "role", "access_key", "session", "arn", "principal_type")

#: Verb, in the form that the last letters of its other forms leave -> operation names. Tried by longest start.
VERBS: Mapping[str, tuple[str, ...]] = {
    "delet": ("Delete*",), "remov": ("Remove*", "Delete*"), "creat": ("Create*",), "terminat": ("Terminate*",),
    "stop": ("Stop*",), "start": ("Start*",), "launch": ("RunInstances",), "attach": ("Attach*",),
    "detach": ("Detach*",), "updat": ("Update*",), "add": ("Add*",), "disabl": ("Disable*",), "enabl": ("Enable*",),
    "revok": ("Revoke*",), "authoriz": ("Authorize*",), "reboot": ("Reboot*",), "tag": ("Tag*",),
    "untag": ("Untag*",), "register": ("Register*",), "deregister": ("Deregister*",), "cop": ("Copy*",),
    "restor": ("Restore*",), "reset": ("Reset*",), "rotat": ("Rotate*",), "put": ("Put*",),
    "role assumption": ASSUME_ROLE,
}  # fmt: skip
#: What kinds of callers are called -> userIdentity.type.
CALLERS = {
    "iam user": "IAMUser", "role sessions": "AssumedRole", "assumed roles": "AssumedRole",
    "federated user": "FederatedUser", "aws services": "AWSService", "identity center users": "IdentityCenterUser",
    "saml users": "SAMLUser", "root": "Root", "account root": "Root",
}  # fmt: skip
#: How credentials came to be, as it is said -> the methods. Tried by longest start.
METHODS: Mapping[str, tuple[AuthMethod, ...]] = {
    "federat": ("identity_center", "saml", "oidc", "federation_token"), "federation token": ("federation_token",),
    "saml": ("saml",), "sso": ("identity_center",), "identity center": ("identity_center",),
    "iam identity center": ("identity_center",), "oidc": ("oidc", "irsa"), "web identity": ("oidc", "irsa"),
    "irsa": ("irsa",), "kubernetes": ("irsa", "pod_identity"), "pod identity": ("pod_identity",),
    "instance profile": ("instance_profile",), "ec2 instance": ("instance_profile",), "lambda": ("lambda",),
    "cross-account": ("cross_account",), "cross account": ("cross_account",), "chained": ("role_chain",),
    "role chaining": ("role_chain",), "assumed root": ("assumed_root",), "iam user console": ("iam_user_console",),
    "session token": ("session_token",), "long-": ("iam_user_key",), "static": ("iam_user_key",),
}  # fmt: skip
#: Types of callers that are methods -> the methods.
METHODS_OF_CALLERS: Mapping[str, tuple[AuthMethod, ...]] = {
    "Root": ("root",), "IAMUser": ("iam_user_console", "iam_user_key", "session_token"), "SAMLUser": ("saml",),
    "FederatedUser": ("federation_token",), "IdentityCenterUser": ("identity_center",), "AWSService": ("aws_service",),
}  # fmt: skip
#: The sign-ins of which records tell whether MFA was used: Identity Center and SAML ask for it elsewhere.
CONSOLE_METHODS: tuple[AuthMethod, ...] = ("iam_user_console", "root")
#: What is counted or listed -> the focus of the question.
DIMENSIONS: Mapping[str, Focus] = {
    "USERS": "who", "IPS": "where_from", "REGIONS": "regions", "ACCOUNTS": "accounts", "SERVICES": "services",
    "KEYS": "keys", "ROLES": "roles", "AGENTS": "agents", "ERROR_CODES": "errors", "OPERATIONS": "actions",
}  # fmt: skip
#: What is asked besides, at the end of a question.
TAILS: Mapping[str, Focus] = {
    "tail_where": "where_from", "tail_when": "when_last", "tail_who": "who", "tail_count": "count",
    "tail_regions": "regions", "tail_keys": "keys", "tail_errors": "errors",
}  # fmt: skip
#: Tokens that only hold a sentence together: what they mean lies in the rule that they stand in.
STRUCTURE = frozenset(
    (
        "SHOW", "GET_ME", "WHO", "WHAT", "WHICH", "WHEN", "WHERE", "WHOM", "HOW_MANY", "HOW_OFTEN", "COUNT", "THERE",
        "LAST_TIME", "FIRST_TIME", "BE", "DID", "BEEN", "FROM", "COME", "COMMA",
        "HOW", "WHOSE", "WE", "AWS", "STILL", "DO", "USED", "USING", "SESSIONS", "PROVIDERS", "AUTH_MODEL", "CHAIN",
        "BEHIND", "THIS_ACCOUNT", "SIGN_IN", "AUTHENTICATE", "ACCESSED", "CONSOLE", "USERS", "ANYONE", "ACCESS_OF",
        "HAVE", "AND", "THAT", "NOW", "SAME", "BUT", "WHAT_ABOUT", "ONLY",
    )
)  # fmt: skip
#: What a name is -> the kind of resource, where no word before it says so.
KINDS = {"USER": "user", "ROLE": "role", "KEY": "access key", "INSTANCE": "instance"}
#: Nouns of callers that can be what something was done to.
OBJECT_NOUNS = {"USERS": "user", "KIND_OF_CALLER": "user", "ROLES": "role", "KEYS": "access key"}
Switch = Literal["failed", "denied", "read_only"]


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """The names of a list, without what joins them."""
    return [piece for piece in pieces if piece.type not in {"AND", "OR", "COMMA", "POSSESSIVE"}]


def names_itself(text: str) -> bool:
    """Whether a bare word can only be a name: no English word is written so."""
    return any(character in "-_./*" or character.isdigit() for character in text) or text[1:] != text[1:].lower()


def check_name(piece: Piece) -> None:
    """Refuse a word that is no name.

    Raises:
        NotUnderstood: it is an ordinary word, or a single letter.
    """
    if piece.text.lower() in NOT_NAMES or len(piece.text) < 2 or not piece.text[0].isalnum():
        raise not_a_word(piece)


class UnknownWord(NotUnderstood):
    """A word that has no meaning where it stands."""


def not_a_word(piece: Piece) -> UnknownWord:
    """The refusal of a word."""
    return UnknownWord(
        f"{piece.text!r} is not understood here",
        remedy="put a name in quotes or say what it is, such as: user …, role …, bucket …",
    )


def caller_type(text: str) -> str:
    """``IAM users`` -> ``IAMUser``."""
    return next(kind for start, kind in CALLERS.items() if text.lower().startswith(start))


def methods_of(piece: Piece) -> tuple[AuthMethod, ...]:
    """The methods that a word means: a method itself, or callers that have one.

    Raises:
        NotUnderstood: callers that come in by any method.
    """
    if piece.type == "METHOD":
        said = piece.text.lower()
        return METHODS[max((start for start in METHODS if said.startswith(start)), key=len)]
    methods = METHODS_OF_CALLERS.get(caller_type(piece.text))
    if methods is None:
        raise not_a_word(piece)
    return methods


def kind_of(text: str) -> str:
    """``EC2 instances`` -> ``instance``."""
    word = text.lower()
    if word in RESOURCE_KINDS or word == "logging":
        return word
    return word.removesuffix("ies") + "y" if word.endswith("ies") else word.removesuffix("s")


def operations_of(verb: str) -> tuple[str, ...]:
    """The operation names that a verb stands for, in any of its forms."""
    lowered = verb.lower()
    stem = max((start for start in VERBS if lowered.startswith(start)), key=len)
    return VERBS[stem]


def operations_on(operations: tuple[str, ...], kind: str) -> tuple[str, ...]:
    """The same operations, on one kind of resource: ``Delete*`` on buckets is ``DeleteBucket*``.

    Empty if no service has such operations (none is called TerminateUser).
    """
    known = COMMON_OPERATIONS.union(MORE_OPERATIONS.get(kind, ()))
    found: list[str] = []
    for operation in operations:
        irregular = IRREGULAR_OPERATIONS.get((operation, kind))
        if irregular or not operation.endswith("*"):
            found.extend(irregular or (operation,))
        elif operation == "*":
            found.append(f"*{RESOURCE_KINDS[kind].strip('*')}*")
        elif kind == "logging" and operation in known:
            found.append(f"{operation[:-1]}Logging")
        elif operation in known:
            found.append(f"{operation[:-1]}{RESOURCE_KINDS[kind]}")
    return tuple(dict.fromkeys(found))
