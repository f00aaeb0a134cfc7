"""What a question names: names, ids and networks as the user wrote them.

A target that only a record names is not the user's. So names are read whole and compared as they are; a word of the
language is a name only in quotes (a user may be called ``failed``), and so is one of fewer than three characters. What
follows a negation in its clause ("leave jane alone", "everybody but jane") is excluded, wherever else it stands.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network

import msgspec

from ..ask.grammar import reserved
from ..ask.names import NOT_NAMES
from ..ask.requests import VERBS
from ..ask.times import TIME_WORDS
from ..errors import UsageError
from ..model.indicator import find_indicators

Network = IPv4Network | IPv6Network
#: Characters of a question, as everywhere.
LONGEST = 1000
#: A name of fewer characters must be in quotes.
_SHORTEST = 3

_CLAUSE = re.compile(r"(?<=[.;!?])\s+|\n+")
#: What follows one of these is excluded.
_EXCEPT = re.compile(
    r"\b(?:not|\w+n't|never|except|excepting|excluding|exclude|ignore|ignoring|leave|leaving|spare|sparing|skip|but|"
    r"unless|excludes|keep|keeping|protect|protecting|avoid|avoiding|refrain|hands off|no|nobody|save|"
    r"other than|apart from|aside from|rather than|instead of|besides|without(?! (?:an? )?mfa))\b|(?<!\w)!(?=\w)",
    re.IGNORECASE,
)
#: The whole clause of one of these is: "jane must not be touched", "jane stays out of this".
_FORBIDS = re.compile(
    r"\b(?:must|should|shall|may|can|is|are|was|were|to|needs?)\s+(?:not|never)\b|\b(?:must|should|sha|ca|is|are)n't\b"
    r"|\b(?:alone|untouched|out of (?:this|it)|off limits|off-limits|exempt|innocent)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\w+=,.@/:*-]+")
_QUOTED = re.compile(r"[\"“”„]([^\"“”„]+)[\"“”]|(?<!\w)['‘]([^'‘’]+)['’](?!\w)|`([^`]+)`")
_ID = re.compile(r"A(?:KIA|SIA|IDA|ROA|GPA)[A-Z0-9]{12,28}|i-(?:[0-9a-f]{17}|[0-9a-f]{8})|ses-[0-9a-f]{16}")
_PREFIXED = re.compile(r"(?:user|role|group)/(?:.*/)?([^/]+)", re.IGNORECASE)
#: Words of such questions that no grammar has.
_MORE_WORDS = frozenset(
    (
        "account", "accounts", "address", "alert", "alerts", "anything", "approve", "audit", "backdoor", "case",
        "compromise", "contain", "damage", "data", "evidence", "exfiltrate", "explain", "finding", "findings",
        "group", "help", "incident", "inside", "investigate", "involved", "key", "keys", "leak", "log", "logs", "mean",
        "means", "owner", "person", "plan", "please", "proposal", "proposals", "record", "records", "remediate",
        "respond", "response", "security", "summarise", "summarize", "summary", "system", "tell", "theft",
        "thing", "threat", "title", "token", "tool", "tools", "turn", "user", "username", "using", "what", "when",
    )
)  # fmt: skip


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, or what was excluded. ``names`` are without regard to case; ``ids`` (of keys, of IAM, of
    instances, of our sessions, and ARNs) exactly."""

    names: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def holds(self, *values: str | None) -> bool:
        """Whether one of these is among them, as a name or as an id."""
        return any(value and (value in self.ids or value.casefold() in self.names) for value in values)

    def covers(self, network: Network) -> bool:
        """Whether a network lies whole within one that is among them."""
        return any(_within(network, each) for each in self.networks)

    def touches(self, network: Network) -> bool:
        """Whether a network has an address in common with one that is among them."""
        return any(network.version == each.version and network.overlaps(each) for each in self.networks)


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A question as it was read: what it names, what it excludes, and the accounts that it names, by id (none: any)."""

    text: str
    written: Written
    excluded: Written
    accounts: frozenset[str]


def read_question(question: str, labels: Mapping[str, str] | None = None) -> Named:
    """What a question names. ``labels`` are the connected accounts' labels, by id.

    Raises:
        UsageError: it is empty, or too long.
    """
    if not question.strip():
        raise UsageError("the question is empty", remedy="ask, for example: What did john do with key AKIA…?")
    if len(question) > LONGEST:
        raise UsageError(
            f"the question has {len(question):,} characters; at most {LONGEST:,} are read",
            remedy="ask for one thing at a time, and name events by their ids instead of pasting them",
        )
    meant: list[str] = []
    excluded: list[str] = []
    for clause in _CLAUSE.split(question.replace("’", "'")):
        cut = _EXCEPT.search(clause)
        at = 0 if _FORBIDS.search(clause) else cut.start() if cut else len(clause)
        meant.append(clause[:at])
        excluded.append(clause[at:])
    return Named(
        text=question,
        written=_written(meant),
        excluded=_written(excluded, every_word=True),
        accounts=_accounts(question, labels or {}),
    )


def network_of(text: str) -> Network | None:
    """A text as a network; None if it is none."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _within(network: Network, other: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(other, IPv4Network) and network.subnet_of(other)
    return isinstance(other, IPv6Network) and network.subnet_of(other)


def _written(parts: Iterable[str], *, every_word: bool = False) -> Written:
    """What parts of a question name; of what is excluded, ``every_word`` may be a name."""
    names: set[str] = set()
    ids: set[str] = set()
    networks: list[Network] = []
    for part in parts:
        for quoted in _QUOTED.finditer(part):
            names.add(next(filter(None, quoted.groups())).strip().casefold())
        for found in find_indicators(part):
            if found.kind in ("ip", "cidr") and (network := network_of(found.value)) is not None:
                networks.append(network)
            elif found.kind == "arn":
                ids.add(found.value)
        for match in _WORD.finditer(part):
            word = match.group().strip(",.:*-")
            if _ID.fullmatch(word):
                ids.add(word)
            elif prefixed := _PREFIXED.fullmatch(word):
                names.add(prefixed[1].casefold())
            elif every_word or _is_name(word.casefold()):
                names.add(word.casefold())
    return Written(names=frozenset(names), ids=frozenset(ids), networks=tuple(networks))


def _is_name(word: str) -> bool:
    ordinary = any(word in words for words in (reserved(), NOT_NAMES, VERBS, TIME_WORDS, _MORE_WORDS))
    return len(word) >= _SHORTEST and not ordinary and not word.startswith("arn:") and not word.isdigit()


def _accounts(question: str, labels: Mapping[str, str]) -> frozenset[str]:
    found = {match.group() for match in re.finditer(r"(?<![\w:.-])\d{12}(?![\w.-]*\w)", question)}
    words = f" {' '.join(_WORD.findall(question.casefold()))} "
    labelled = {account for account, label in labels.items() if label and f" {label.casefold()} " in words}
    return frozenset(found | labelled)
