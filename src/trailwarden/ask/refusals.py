"""What is said where a question is not understood: the reason, and the nearest questions that are understood."""

import re
from collections.abc import Sequence

import msgspec

from ..errors import NotUnderstood
from .grammar import Piece, Unparsed
from .meanings import UnknownWord

EXAMPLE_KEY = "AKIAIOSFODNN7EXAMPLE"
MOST_SUGGESTIONS = 3

#: Questions that are understood; the names in braces are filled with what the refused question names.
PATTERNS = (
    "Show me all API calls by {user} in the last 24 hours",
    "What has access key {key} done in the last week?",
    "Who used access key {key} this month?",
    "Who used {ip} since Monday?",
    "Was there anything from {ip} in the last 7 days?",
    "Show failed calls in {region} in the last 24 hours",
    "Who deleted anything in {region} this month?",
    "Which users deleted anything in account {account} this month?",
    "When did {user} last sign in, and from where?",
    "How many calls did {user} make in the last 24 hours?",
    "Which IPs did {user} use in the last week?",
    "Which Regions did {user} use in the last week?",
    "What did {user} delete this month?",
    "Was {user} denied in the last 24 hours?",
    "What did role {role} do in the last 24 hours?",
    "Who assumed role {role} in the last week?",
    "Who called {event} this month?",
    "What happened to instance {instance}?",
    "What did instance {instance} do in the last 24 hours?",
    "Which users used {service} in the last 24 hours?",
    "Show failed calls in the last 24 hours",
    "Show denied calls in the last 24 hours",
    "Show sign-ins in the last 24 hours",
    "Who created access keys this month?",
    "Who changed anything in IAM in the last 7 days?",
    "Show root activity this month",
    "Which sessions belong to {user}?",
    "Which roles did {user} use in the last week?",
    "Who was behind role {role} in the last 24 hours?",
    "Who is using access key {key}?",
    "Which sessions came from {ip} in the last 24 hours?",
    "How do users authenticate to account {account}?",
    "How do users authenticate to AWS?",
    "Which identity providers are in use?",
    "Who signed in without MFA in the last 24 hours?",
    "Who used root this month?",
    "What permissions does role {role} have?",
    "Is role {role} over-privileged?",
    "Who can assume role {role}?",
    "Can role {role} create access keys?",
    "Which roles are over-privileged?",
    "Who can become administrator?",
    "Who can create access keys?",
    "Who can read bucket {bucket}?",
    "What changed in IAM in the last 7 days?",
    "Find AWS sessions related to the CrowdStrike alert on host {host}",
    "Which endpoint alerts relate to key {key}?",
    "Show endpoint alerts for user {user} in the last 24 hours",
    "Any endpoint alerts in the last 24 hours?",
)
_SLOTS = {
    "USER": "user", "ROLE": "role", "KEY": "key", "IP": "ip", "EVENT": "event", "REGION": "region",
    "ACCOUNT": "account", "INSTANCE": "instance", "SERVICE": "service",
    "HOST": "host",
}  # fmt: skip


_INSTEAD_OF_NOT = "leave names out with 'except', or ask for failed or denied calls"
_BEFORE_NAMES = frozenset(("BY", "AS", "OF", "FOR", "FROM", "DID", "HAVE", "BE", "EXCEPT", "MENTIONING"))


class Uncovered(NotUnderstood):
    """The grammar does not cover the question."""


class Topic(msgspec.Struct, frozen=True):
    """Something that is asked for and not answered by a search: how it shows, and what is said.

    ``askable`` in other words: what was not understood is said first.
    """

    pattern: re.Pattern[str]
    message: str
    remedy: str
    suggestions: tuple[str, ...] = ()
    askable: bool = False


def _topic(pattern: str, message: str, remedy: str, *suggestions: str, askable: bool = False) -> Topic:
    return Topic(re.compile(pattern, re.IGNORECASE), message, remedy, suggestions, askable)


_POLITE = r"^\W*(?:(?:please|can you|could you|would you|now|hey|hi|hello|kindly|i want you to)\W+)*"
TOPICS = (
    _topic(
        r"\b(?:never|nobody|no one|none|neither|nor)\b",
        "only what happened is recorded, not what did not",
        _INSTEAD_OF_NOT,
    ),
    _topic(
        _POLITE
        + r"(delete|remove|disable|deactivate|terminate|stop|kill|block|ban|detach|revoke|rotate|isolate|quarantine"
        r"|suspend|lock|reset|create|attach|add|update|enable|approve|reject|undo|shut\s+down|unblock|restore)\b",
        "asking only reads: nothing is changed, approved or undone by a question",
        "ask what was done; to stop it, use AWS's own tools: Trailwarden changes nothing in an account",
    ),
    _topic(
        r"\b(?:permissions?|over-?privileged|privileges?|entitlements?|allowed to|trust policy|attached polic(?:y|ies)"
        r"|what can|who can|(?:what|which) (?:kind of )?access(?! keys?)|have access|has access|access to"
        r"|can (?:do|access|assume|delete|create)|can|could|may|administrators?|admins?)\b",
        "what roles and users may do is asked by their permissions, or by an action and what it is done to",
        "ask, for example: What permissions does role deploy have? Who can read bucket my-logs?",
        "What permissions does role {role} have?",
        "Who can create access keys?",
        "Which roles are over-privileged?",
        askable=True,
    ),
    _topic(
        r"\bmfa\b|\bmulti-?factor\b",
        "whether MFA was used cannot be a condition of a search; who signed in to the console without it can be asked",
        "ask who signed in without MFA, or for the sign-ins: those without MFA are told in the answer's notable points",
        "Who signed in without MFA in the last 24 hours?",
        "Show console sign-ins in the last 24 hours",
    ),
    _topic(
        r"\bauthenticat\w*\b|\bauth (?:model|patterns?|methods?)\b|\bfederation\b",
        "how people authenticate can be asked of accounts and times, in plain words",
        "ask, for example: How do users authenticate to AWS?",
        "How do users authenticate to AWS?",
        "Which identity providers are in use?",
    ),
    _topic(
        r"\b(?:crowdstrike|falcon|endpoints?|edr|alerts?|detections?|laptops?|devices?|hosts?)\b",
        "alerts of endpoints are asked for by host, user, session, alert or time",
        "ask, for example: Find AWS sessions related to the CrowdStrike alert on LAPTOP-7",
        "Find AWS sessions related to the CrowdStrike alert on host {host}",
        "Which endpoint alerts relate to key {key}?",
        "Any endpoint alerts in the last 24 hours?",
        askable=True,
    ),
    _topic(
        r"\b(?:recently|lately|just now|a while ago|few (?:days|hours|minutes|weeks))\b",
        "how long ago is not said",
        "say it: in the last 24 hours, since Monday, this month",
    ),
    _topic(
        r"\b(?:suspicious|malicious|weird|strange|unusual|abnormal|anomal\w+|risky|dangerous|compromised|breach\w*|hack\w*)\b",
        "what is suspicious is a judgement, and no condition of a search",
        "name what to look at: a user, a key, an address, denied calls; the answer tells what is notable in it",
    ),
    _topic(
        r"\bwhy\b|\breason\b|\bintent\w*\b",
        "why something was done is not recorded",
        "ask what was done, by whom, when and from where",
    ),
)


def explain(kept: Sequence[Piece], unparsed: Unparsed) -> NotUnderstood:
    """The refusal of a question that the grammar does not cover, naming the words that do not fit."""
    piece, before = unparsed.piece, unparsed.before
    if piece is not None and piece.type == "NOT":
        return NotUnderstood("'not' is not understood here: only what happened is recorded", remedy=_INSTEAD_OF_NOT)
    if unknown := unknown_words(kept):
        return NotUnderstood(
            f"{_listed(unknown)} {'is' if len(unknown) == 1 else 'are'} not understood",
            remedy="leave it out, or put it in quotes if it is a name",
        )
    after = f" after {_shown(before.text)}" if before else " at the start"
    if piece is None:
        return NotUnderstood(f"the question is not complete: something is missing{after}")
    return NotUnderstood(f"{_shown(piece.text)}{after} is not understood", remedy="say it in other words")


def unknown_words(kept: Sequence[Piece]) -> list[str]:
    """The words of a question that have no meaning; those that stand where a name may stand only if all do."""
    words = [(index, piece) for index, piece in enumerate(kept) if piece.type in {"WORD", "SYMBOL"}]
    misplaced = [piece.text for index, piece in words if not index or kept[index - 1].type not in _BEFORE_NAMES]
    return list(dict.fromkeys(misplaced or (piece.text for _, piece in words)))


def _listed(words: Sequence[str]) -> str:
    shown = [_shown(word) for word in words[:5]]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) + (" and more" if len(words) > 5 else "")


def told(text: str, error: NotUnderstood, pieces: Sequence[Piece]) -> NotUnderstood:
    """The refusal as it is told: with what is known of its topic, and the nearest questions that are understood."""
    topic, match = None, None
    if isinstance(error, (UnknownWord, Uncovered)) and all(piece.type != "SYMBOL" for piece in pieces):
        found = ((topic, topic.pattern.search(text)) for topic in TOPICS)
        topic, match = next(((topic, match) for topic, match in found if match), (None, None))
    if topic is None or match is None:
        return NotUnderstood(error.message, remedy=error.remedy, suggestions=nearest(text, pieces))
    word = match.group(match.lastindex or 0)
    first = f"{error.message}; " if topic.askable else ""
    return NotUnderstood(
        f"{first}{word!r}: {topic.message}", remedy=topic.remedy, suggestions=nearest(text, pieces, topic.suggestions)
    )


def nearest(text: str, pieces: Sequence[Piece], extra: Sequence[str] = ()) -> tuple[str, ...]:
    """The questions that are understood and nearest to ``text``, with the names that it holds filled in."""
    from rapidfuzz import fuzz, process, utils  # noqa: PLC0415

    slots: dict[str, str] = {"key": EXAMPLE_KEY} if re.search(r"\bkey\b|\bA(?:KIA|SIA)", text) else {}
    for piece in pieces:
        if (slot := _SLOTS.get(piece.type)) and "*" not in piece.value.values[0]:
            slots[slot] = _value(piece)
        if piece.type == "RESOURCE" and piece.value.kind == "bucket" and "*" not in piece.value.values[0]:
            slots["bucket"] = _value(piece)
    named = {slot for slot in slots if slot != "service"}
    wanted = [pattern for pattern in PATTERNS if _slots_of(pattern) <= set(slots) and (_slots_of(pattern) or not named)]
    filled = {pattern: pattern.format(**slots) for pattern in wanted}
    first = [pattern.format(**slots) for pattern in extra if _slots_of(pattern) <= set(slots)]
    ranked = process.extract(
        text, filled, scorer=fuzz.token_set_ratio, processor=utils.default_process, limit=MOST_SUGGESTIONS
    )
    return tuple(dict.fromkeys((*first, *(question for question, _, _ in ranked))))[:MOST_SUGGESTIONS]


def _slots_of(pattern: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", pattern))


def _value(piece: Piece) -> str:
    value = str(piece.value.values[0])
    if piece.type == "SERVICE":
        return value.removesuffix(".amazonaws.com")
    return value if re.fullmatch(r"[\w.+=,@*:/-]+", value) else f'"{value}"'


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
