"""What is asked to be done, in plain words: "Delete john's access key AKIA… and block 185.220.101.1 in WAF".

Each clause must be covered by one form of FORMS, word for word; what is not is refused, and nothing is guessed. A
request proposes; it never acts.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import NotUnderstood
from ..model.proposal import ActionName

#: Words that begin a request; whatever begins with another is a question.
VERBS = frozenset(
    {
        "ban", "block", "cut", "deactivate", "delete", "detach", "disable", "end", "kill", "lock", "propose", "remove",
        "revoke", "stop", "strip", "suspend", "take", "terminate", "unblock",
    }
)  # fmt: skip
LONGEST = 1000
EXAMPLES = (
    "Delete john's access key AKIAIOSFODNN7EXAMPLE",
    "Disable user john and terminate i-0abc123def4567890",
    "Block 185.220.101.1 in WAF",
    "Delete user john in account 222222222222",
    "Detach admin policies from role AdminRole",
    "Revoke the sessions of role AdminRole because its key leaked",
)

_NAME = r"[\w+=,.@/-]+"
_PRINCIPAL = rf"(?P<principal>arn:aws[\w-]*:iam::\d{{12}}:(?:user|role|group)/{_NAME}|{_NAME})"
_USER = rf"(?P<user>arn:aws[\w-]*:iam::\d{{12}}:user/{_NAME}|{_NAME})"
_ROLE = rf"(?P<role>arn:aws[\w-]*:iam::\d{{12}}:role/{_NAME}|{_NAME})"
_INSTANCE = r"i-(?:[0-9a-f]{17}|[0-9a-f]{8})"
_POLITE = re.compile(r"(?:please|can you|could you|now|then|also|propose to|propose)\s+", re.IGNORECASE)
_REASON = re.compile(r"\s+(?:because|since|as|reason:)\s+(?P<reason>.+)$", re.IGNORECASE)
_PLACE = re.compile(r"\s+in\s+(?:the\s+)?account\s+(?P<account>[\w.@-]+(?: [\w.@-]+)??)$", re.IGNORECASE)
_AND = re.compile(
    r"\s*(?:,\s*and|,\s*then|;|\band then\b|\band\b|,)\s+(?=(?:please\s+|then\s+|also\s+)?(\w+))", re.IGNORECASE
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One clause as an action: ``owner`` is the person whose it is said to be, which must prove true. ``person`` is the
    argument that may be a person's address instead of a user's name."""

    clause: str
    action: ActionName
    arguments: Mapping[str, Any]
    account: str | None = None
    owner: str | None = None
    person: str | None = None


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked to be done, clause by clause, and the reason that was given."""

    requests: tuple[Request, ...]
    reason: str


_Made = tuple[ActionName, Mapping[str, Any]]
_Form = tuple[re.Pattern[str], Callable[[Mapping[str, str]], _Made]]


def _form(pattern: str, made: Callable[[Mapping[str, str]], _Made]) -> _Form:
    return re.compile(re.sub(r" ", r"\\s+", pattern), re.IGNORECASE), made


#: Clauses that are understood, and the action that each one is. Tried in order; a clause must match whole.
FORMS: Sequence[_Form] = (
    _form(
        r"(?:delete|remove|revoke|kill|disable|deactivate)(?: the)?(?: (?P<owner>[\w+=.@-]+)'s?)?(?: iam)?(?: access)?"
        r" key (?P<key>[A-Z0-9]{16,128})(?: (?:of|from|for)(?: user)? (?P<owner2>[\w+=.@-]+))?",
        lambda said: ("delete_access_key", {"access_key_id": said["key"]}),
    ),
    _form(
        rf"(?:delete|remove)(?: the)?(?: iam)? user {_USER}",
        lambda said: ("delete_user", {"user": said["user"]}),
    ),
    _form(
        rf"(?:terminate|kill)(?: the)?(?: ec2)?(?: instances?)? (?P<ids>{_INSTANCE}(?:(?:, | and |,| ){_INSTANCE})*)"
        r"(?P<snapshots> (?:with|after) snapshots?)?",
        lambda said: (
            "terminate_instances",
            {
                "instance_ids": tuple(re.findall(_INSTANCE, said["ids"])),
                **({"snapshots": True} if said.get("snapshots") else {}),
            },
        ),
    ),
    _form(
        r"(?:block|ban)(?: the)?(?: (?:ip|ips|address|network|cidr|range))?(?: address)? "
        r"(?P<address>[0-9a-fA-F:.]+(?:/\d{1,3})?)(?: (?:in|with|at|on|by)(?: the| our)?(?: aws)? waf)",
        lambda said: ("block_ip", {"address": said["address"]}),
    ),
    _form(
        r"(?:detach|remove|revoke|take away|strip)(?: the| all)? admin(?:istrator)?(?: (?:policies|policy|access|"
        rf"rights|permissions|privileges)) (?:from|of)(?: the)?(?: iam)?(?: (?P<kind>user|role|group))? {_PRINCIPAL}",
        lambda said: (
            "detach_admin_policies",
            {"principal": f"{said['kind'].lower()}/{said['principal']}" if said.get("kind") else said["principal"]},
        ),
    ),
    _form(
        r"(?:revoke|end|kill|stop)(?: the| all)?(?: active| role)? sessions (?:of|for|from)(?: the)? role "
        rf"{_ROLE}",
        lambda said: ("revoke_sessions", {"role": said["role"]}),
    ),
    _form(
        rf"(?:revoke|end|kill|stop)(?: the)? role {_ROLE}'s? sessions",
        lambda said: ("revoke_sessions", {"role": said["role"]}),
    ),
    _form(
        rf"(?:disable|deactivate|suspend|lock)(?: the)?(?: iam)?(?: user)? {_USER}",
        lambda said: ("disable_user", {"user": said["user"]}),
    ),
)


def parse_requests(text: str) -> Requests | None:
    """What ``text`` asks to be done; None where it is a question.

    Raises:
        NotUnderstood: it asks for something to be done, and a part of it is not understood.
    """
    said = " ".join(text.split()).rstrip(".! ")
    said = _without_politeness(said)
    if said.split(" ", 1)[0].casefold() not in VERBS:
        return None
    if len(said) > LONGEST:
        raise NotUnderstood(f"longer than {LONGEST} characters", suggestions=EXAMPLES)
    reason, account = "", None
    if found := _REASON.search(said):
        reason, said = found["reason"], said[: found.start()]
    if found := _PLACE.search(said):
        account, said = found["account"], said[: found.start()]
    return Requests(requests=tuple(_request(each, account) for each in _clauses(said)), reason=reason)


def _without_politeness(text: str) -> str:
    start = 0
    while found := _POLITE.match(text, start):
        start = found.end()
    return text[start:]


def _clauses(text: str) -> Sequence[str]:
    """The clauses: a conjunction ends one only where the next word is a verb of a request."""
    clauses, start = [], 0
    for found in _AND.finditer(text):
        if found[1].casefold() in VERBS:
            clauses.append(text[start : found.start()])
            start = found.end()
    return [_without_politeness(each.strip()) for each in (*clauses, text[start:])]


def _request(clause: str, account: str | None) -> Request:
    if found := _PLACE.search(clause):
        account, clause = found["account"], clause[: found.start()]
    for pattern, made in FORMS:
        match = pattern.fullmatch(clause)
        if match is None:
            continue
        said = {name: value for name, value in match.groupdict().items() if value is not None}
        action, arguments = made(said)
        owner = said.get("owner") or said.get("owner2")
        person = "user" if action in ("disable_user", "delete_user") else None
        return Request(clause=clause, action=action, arguments=arguments, account=account, owner=owner, person=person)
    raise NotUnderstood(
        f"what is to be done is not understood: {clause[:200]!r}",
        suggestions=EXAMPLES,
        remedy="say one action a clause and name its target whole, as in the examples; `trailwarden actions propose` "
        "takes every argument",
    )
