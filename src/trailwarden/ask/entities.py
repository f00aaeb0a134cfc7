"""Names and ids in questions, masked before the words are read.

What is found first wins: quoted text, shortened ids, indicators, names that a word before or after them types
("role X", "the X account"), event names, errors, Regions, services, times, and last the names that exist in the
lake. A word of the grammar is never taken for a name, whatever the lake holds: logs are hostile, and a user named
``failed`` must not change what a question means. Quotes or a type word make any word a name.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from ..errors import NotUnderstood
from ..model.indicator import find_indicators
from .grammar import Piece, phrases, reserved, typeable, whole_phrases
from .names import (
    ERROR_CODE,
    EVENT_NAME,
    NOT_NAMES,
    QUALIFIED_EVENT,
    REGION_CODE,
    REGION_NAMES,
    RESOURCE_ID,
    RESOURCE_KINDS,
    SERVICE_NAMES,
)
from .times import TIME_WORDS, TimePart, find_times

LONGEST_QUESTION = 1000
#: What stands in the text where something was found.
MASK = "\ue000"
#: A shortened access key or account id needs so many characters beyond what all of them share.
ENOUGH = 4

_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "\u00a0": " "})
#: Our own ids of sessions, and principal ids of role sessions: the role's unique id and the session's name.
_SESSION_ID = re.compile(r"(?<![\w-])ses-[0-9a-f]{16}(?![\w-])")
_PRINCIPAL_ID = re.compile(r"(?<![A-Za-z0-9])A(?:ROA|IDA)[A-Z0-9]{12,28}(?::[\w+=,.@-]*[\w+=@-])?(?![A-Za-z0-9])")
#: Falcon's composite ids of alerts: the customer's id, the kind, the sensor's id, and what the kind adds.
_ALERT_ID = re.compile(r"(?<![\w:-])[0-9a-fA-F]{32}:[a-z]+:[\w:.|-]*\w(?![\w-])")
_QUOTED = re.compile(r"\"([^\"]*)\"|(?<![\w.])'([^']*)'(?!\w)|`([^`]*)`")
_SHORTENED_KEY = re.compile(r"(?<![A-Za-z0-9])(A(?:KIA|SIA))([A-Z0-9]*)(?:\.{2,}|…|\*)([A-Z0-9]*)(?![A-Za-z0-9])")
_BROKEN_KEY = re.compile(r"(?<![A-Za-z0-9])A(?:KIA|SIA)[A-Z0-9]*(?![A-Za-z0-9])")
_WILD_IP = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){0,2})\.(?:\*|x)(?:\.(?:\*|x))*(?![\w.])")
_BROKEN_IP = re.compile(r"(?<![\w.])\d{1,4}(?:\.\d{1,4}){3,}(?:/\d+)?(?![\w])")
_NAME = r"(?P<name>[\w+=@*-](?:[\w.+=@/*-]*[\w+=@*])?)"
_NAMED = r"(?:(?:named|called|name|id|is)\s+)?"
_FQDN = re.compile(r"(?<![\w.@-])([a-z0-9-]+(?:\.[a-z0-9-]+)?)\.amazonaws\.com(?![\w.-])", re.IGNORECASE)
_ROLE_SHAPE = re.compile(
    r"(?<![\w:./@-])(?:AWSReservedSSO_\w+\*?|AWSServiceRoleFor\w+"
    r"|(?!(?:Create|Delete|Get|Update|Assume|Tag|Untag|Switch|Exit|Renew)Role\b)[A-Z]\w*Role\*?)(?![\w@/-]|\.\w)"
)
_WORD = re.compile(rf"(?<![\w@./:{MASK}-])[\w*](?:[\w.+=@*-]*[\w*])?(?![\w@/])")
#: What stands before the place where something was done: a part of an account's label is enough there.
_PLACED = re.compile(r"\b(?:to|into|in|for)\s+(?:the\s+)?$", re.IGNORECASE)
_POSSESSIVE = re.compile(r"(?<=[\w\ue000\"'`])'s\b|(?<=s)'(?=\s)")
#: Where the name of a service means something else: "CloudTrail events" are any events, "IAM users" are callers.
_NO_SERVICE = re.compile(
    r"\bcloudtrail\s+(?:events?|records?|activity|for)\b|\bsearch\s+cloudtrail\b|\biam\s+(?:users?|roles?)\b"
    r"|\b(?:lambda|sso|ec2\s+instances?)\s+sessions?\b|\b(?:us(?:e|es|ed|ing)|with|via|through|and|or)\s+sso\b"
    r"|\biam\s+identity\s+center\b|\biam\s+permissions?\b",
    re.IGNORECASE,
)
_INDICATOR_TYPES = {
    "arn": "ARN", "access_key": "KEY", "email": "USER", "ip": "IP", "cidr": "IP", "instance_id": "INSTANCE",
    "account_id": "ACCOUNT", "event_id": "ID", "role_name": "ROLE",
}  # fmt: skip
_WITH_SERVICE = (
    "s3 bucket", "ec2 instance", "lambda function", "rds database", "dynamodb table", "sqs queue", "sns topic",
    "iam policy", "iam group", "cloudtrail trail",
)  # fmt: skip
#: Word before a name -> the type that it gives to the name.
_TYPE_WORDS = {
    "user": "USER", "username": "USER", "user name": "USER", "iam user": "USER", "role": "ROLE", "iam role": "ROLE",
    "session": "SESSION", "session name": "SESSION", "role session": "SESSION", "account": "ACCOUNT",
    "aws account": "ACCOUNT", "access key": "KEY", "access key id": "KEY", "key": "KEY", "key id": "KEY",
    "ip": "IP", "ip address": "IP", "address": "IP", "source ip": "IP", "region": "REGION", "aws region": "REGION",
    "event": "EVENT", "event name": "EVENT", "operation": "EVENT", "api operation": "EVENT", "service": "SERVICE",
    "event source": "SERVICE", "error": "ERROR_CODE", "error code": "ERROR_CODE", "user agent": "AGENT",
    "arn": "ARN", "resource": "RESOURCE", "event id": "ID", "kms key": "RESOURCE", "host": "HOST",
    "hostname": "HOST", "host name": "HOST", "host id": "HOST", "laptop": "HOST", "workstation": "HOST",
    "machine": "HOST", "computer": "HOST", "device": "HOST", "device id": "HOST",
} | {
    kind: "RESOURCE"
    for kind in (*RESOURCE_KINDS, *_WITH_SERVICE)
    if kind not in {"user", "role", "access key"}
}  # fmt: skip
#: Ids that no word before them makes anything else.
_SAY_WHAT_THEY_ARE = frozenset(("ARN", "ID", "SESSION_ID", "PRINCIPAL_ID"))
_TYPED = re.compile(
    rf"(?<![\w-])(?P<type>{'|'.join(sorted(map(re.escape, _TYPE_WORDS), key=len, reverse=True))})\s+{_NAMED}"
    rf"(?:{_NAME}|(?P<mask>{MASK}+))",
    re.IGNORECASE,
)
_TYPED_AFTER = re.compile(rf"(?<![\w.@-]){_NAME}\s+(?P<type>role|account)(?![\w-])", re.IGNORECASE)


class Vocabulary(Protocol):
    """The names that exist in the lake, each with the number of its events. ``lake.query.vocabulary`` gives one."""

    @property
    def users(self) -> Mapping[str, int]:
        """User names, emails, session names."""

    @property
    def roles(self) -> Mapping[str, int]:
        """Role names."""

    @property
    def events(self) -> Mapping[str, int]:
        """Event names."""

    @property
    def sources(self) -> Mapping[str, int]:
        """Event sources, whole: ``iam.amazonaws.com``."""

    @property
    def regions(self) -> Mapping[str, int]:
        """Regions."""

    @property
    def accounts(self) -> Mapping[str, int]:
        """Account ids."""


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """A vocabulary as a value; an empty one knows no name, and every question can still be read."""

    users: Mapping[str, int] = {}
    roles: Mapping[str, int] = {}
    events: Mapping[str, int] = {}
    sources: Mapping[str, int] = {}
    regions: Mapping[str, int] = {}
    accounts: Mapping[str, int] = {}


class Named(msgspec.Struct, frozen=True):
    """A name or id as masked: the values that the filter gets, and the kind of resource that a type word named.

    ``written`` is the name itself as written; ``values`` may be the known names that it stands for.
    """

    values: tuple[str, ...]
    kind: str = ""
    written: str = ""


class Masked(msgspec.Struct, frozen=True):
    """A question with everything found in it, in order. ``text[piece.start:piece.end] == piece.text`` for each."""

    text: str
    pieces: tuple[Piece, ...]
    notices: tuple[str, ...] = ()


def clean(question: str) -> str:
    """The question with typographic quotes made plain and spaces made single.

    Raises:
        NotUnderstood: empty, too long, or with characters that do not belong in a question.
    """
    if len(question) > LONGEST_QUESTION:
        raise NotUnderstood(
            f"the question has {len(question):,} characters; at most {LONGEST_QUESTION:,} are read",
            remedy="ask for one thing at a time",
        )
    for character in question:
        if unicodedata.category(character).startswith("C") and character not in "\t\n\r":
            raise NotUnderstood(
                f"the question holds a control or invisible character (U+{ord(character):04X})",
                remedy="type the question instead of pasting it",
            )
    text = " ".join(question.translate(_QUOTES).split())
    if not re.search(r"\w", text):
        raise NotUnderstood("the question is empty", remedy="ask, for example: Show failed calls in the last 24 hours")
    return _expand(text)


def _expand(text: str) -> str:
    """Contractions written out, so that no "not" hides in one."""
    for pattern, whole in _CONTRACTIONS:
        text = pattern.sub(whole, text)
    return text


_CONTRACTIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), whole)
    for pattern, whole in (
        (r"\bcan't\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"\b(\w+)n't\b", r"\1 not"),
        (r"\b(who|what|where|when|there|that|how)'s\b", r"\1 is"),
        (r"\b(who|what|they|we|you)'(?:re|ve)\b", r"\1 have"),
        (r"\bI'd\b", "i would"),
    )
)


def mask(text: str, vocabulary: Vocabulary, labels: Mapping[str, str]) -> Masked:
    """Everything in ``text`` that is a name, an id or a time. ``labels`` maps account ids to their labels.

    Raises:
        NotUnderstood: something that looks like an id but is none, or is cut so short that it could be any.
    """
    return _Masking(text, vocabulary, labels).run()


class _Masking:
    """The steps of masking, each over what the steps before it left."""

    def __init__(self, text: str, vocabulary: Vocabulary, labels: Mapping[str, str]) -> None:
        self.text = text
        self.left = text
        self.vocabulary = vocabulary
        self.labels = {label.lower(): account for account, label in labels.items() if label}
        self.pieces: list[Piece] = []
        self.notices: list[str] = []

    def run(self) -> Masked:
        self._quoted()
        self._each(_ALERT_ID, "ALERT_ID", lambda m: m.group())
        self._each(_PRINCIPAL_ID, "PRINCIPAL_ID", lambda m: m.group())
        self._shortened()
        self._indicators()
        self._each(_SESSION_ID, "SESSION_ID", lambda m: m.group())
        self._each(_FQDN, "SERVICE", lambda m: f"{m[1].lower()}.amazonaws.com")
        self._each(QUALIFIED_EVENT, "EVENT", lambda m: f"{m[1]}:{self._event(m[2]) or m[2]}")
        self._typed_names()
        self._each(_ROLE_SHAPE, "ROLE", lambda m: m.group())
        self._each(EVENT_NAME, "EVENT", lambda m: m.group())
        self._each(ERROR_CODE, "ERROR_CODE", lambda m: m.group())
        self._each(REGION_CODE, "REGION", lambda m: m.group().lower())
        self._each(RESOURCE_ID, "RESOURCE", lambda m: m.group())
        self._aliases(REGION_NAMES, "REGION", lambda code: code)
        self._services()
        self._each(_POSSESSIVE, "POSSESSIVE", lambda _: "")
        for part in find_times(self.left):
            self._add("TIME", part.start, part.end, part)
        self._known_names()
        return Masked(self.text, tuple(sorted(self.pieces, key=lambda piece: piece.start)), tuple(self.notices))

    def _add(self, kind: str, start: int, end: int, value: "Named | TimePart") -> None:
        self.pieces.append(Piece(kind, self.text[start:end], start, end, value))
        self.left = self.left[:start] + MASK * (end - start) + self.left[end:]

    def _each(self, pattern: re.Pattern[str], kind: str, value: Callable[[re.Match[str]], str]) -> None:
        for match in list(pattern.finditer(self.left)):
            if MASK not in match.group():
                self._add(kind, match.start(), match.end(), Named((value(match),)))

    def _quoted(self) -> None:
        for match in list(_QUOTED.finditer(self.left)):
            value = (match[1] or match[2] or match[3] or "").strip()
            if not value:
                raise NotUnderstood("there is nothing between the quotes", remedy="put the name between them")
            whole = find_indicators(value)
            one = whole[0] if len(whole) == 1 and whole[0].end - whole[0].start == len(value) else None
            kind = _INDICATOR_TYPES[one.kind] if one else "QUOTED"
            self._add(kind, match.start(), match.end(), Named((one.value if one else value,)))
        if opened := re.search(r"[\"`]", self.left):
            raise NotUnderstood(f"a quote is opened but not closed: {self.text[opened.start() :][:40]!r}")

    def _shortened(self) -> None:
        for match in list(_SHORTENED_KEY.finditer(self.left)):
            head, tail = match[2], match[3]
            if len(head) >= 16 and not tail and match.group()[-1] != "*":
                continue
            if len(head) + len(tail) < ENOUGH:
                raise NotUnderstood(
                    f"{match.group()!r} could be any access key",
                    remedy="give the whole key, such as AKIAIOSFODNN7EXAMPLE",
                )
            self._add("KEY", match.start(), match.end(), Named((f"{match[1]}{head}*{tail}",), "access key"))
        self._each(_WILD_IP, "IP", lambda m: f"{m[1]}.*")

    def _indicators(self) -> None:
        for found in find_indicators(self.left):
            kind = _INDICATOR_TYPES[found.kind]
            known = {"KEY": "access key", "INSTANCE": "instance"}.get(kind, "")
            self._add(kind, found.start, found.end, Named((found.value,), known))
        if broken := _BROKEN_KEY.search(self.left):
            raise NotUnderstood(
                f"{broken.group()!r} is not an access key",
                remedy=f"give the whole key, or {broken.group()}… for all that begin so",
            )
        if match := _BROKEN_IP.search(self.left):
            raise NotUnderstood(f"{match.group()!r} is not an IP address", remedy="write it like 203.0.113.7")

    def _typed_names(self) -> None:
        position = 0
        while match := _TYPED.search(self.left, position):
            position = match.end("type")
            kind = _TYPE_WORDS[match["type"].lower()]
            if match["mask"]:
                position = self._retype(match, kind)
            elif self._may_be_typed(match["name"], kind, match["type"]):
                start, name = match.start(), match["name"]
                self._add(kind, start, match.end("name"), self._typed(kind, match["type"].lower(), name))
                position = match.end("name")
        position = 0
        while match := _TYPED_AFTER.search(self.left, position):
            position = match.end()
            kind = _TYPE_WORDS[match["type"].lower()]
            if self._may_be_typed(match["name"], kind) and match["name"].lower() != "root":
                self._add(kind, match.start(), match.end("type"), self._typed(kind, "", match["name"]))

    def _may_be_typed(self, name: str, kind: str, before: str = "") -> bool:
        word = name.lower()
        named = typeable() if before and (*before.lower().split(), word) not in phrases() else frozenset()
        if kind in {"EVENT", "SERVICE", "REGION", "ERROR_CODE"}:
            return self._typed_value(kind, name) is not None
        if kind == "KEY" and not re.search(r"\d", name):
            return False
        return not (MASK in name or word in (reserved() - named) | TIME_WORDS | NOT_NAMES or word in SERVICE_NAMES)

    def _typed_value(self, kind: str, name: str) -> str | None:
        """The value of a name of a closed set; None if it is not in it."""
        if kind == "EVENT":
            return self._event(name) or (name if EVENT_NAME.fullmatch(name) or name.endswith("*") else None)
        if kind == "SERVICE":
            return self._source(name)
        if kind == "REGION":
            return name.lower() if REGION_CODE.fullmatch(name) else REGION_NAMES.get(name.lower())
        return name if ERROR_CODE.fullmatch(name) else None

    def _typed(self, kind: str, word: str, name: str) -> Named:
        if kind == "ACCOUNT":
            return Named((self._account(name),))
        if kind == "KEY":
            raise NotUnderstood(f"{name!r} is not an access key", remedy="access keys look like AKIAIOSFODNN7EXAMPLE")
        if kind == "IP":
            raise NotUnderstood(f"{name!r} is not an IP address", remedy="write it like 203.0.113.7 or 203.0.113.0/24")
        if kind in {"ARN", "ID"}:
            raise NotUnderstood(f"{name!r} is not an {'ARN' if kind == 'ARN' else 'event id'}")
        if kind == "AGENT":
            return Named((f"*{name.strip('*')}*",))
        if kind in {"USER", "ROLE"}:
            role = _same_but_case(self.vocabulary.roles, name) or name
            return Named((self._people(name) or (name,)) if kind == "USER" else (role,), kind.lower(), name)
        value = self._typed_value(kind, name) if kind in {"EVENT", "SERVICE", "REGION", "ERROR_CODE"} else name
        return Named((value or name,), _kind(word))

    def _retype(self, match: re.Match[str], kind: str) -> int:
        """A type word before something already masked: it belongs to it, and says what a quoted text or email is."""
        at = match.start("mask")
        index = next(i for i, piece in enumerate(self.pieces) if piece.start == at)
        old = self.pieces[index]
        named: Named = old.value
        fits = (
            old.type in {"QUOTED", "USER", kind}
            or (old.type, kind) == ("ID", "EVENT")
            or (old.type, kind) == ("INSTANCE", "HOST")
            or kind in {"RESOURCE", "IP", "SESSION", "USER", "ROLE"}
        )
        if not fits or (kind == "IP" and old.type not in {"QUOTED", "IP"}):
            raise NotUnderstood(f"{old.text!r} is not what the word {match['type']!r} before it says")
        if kind == "USER" and old.type not in {"QUOTED", "USER", "ARN"}:
            raise NotUnderstood(f"{old.text!r} is not a user's name")
        keeps = old.type in _SAY_WHAT_THEY_ARE or (old.type == "INSTANCE" and kind != "SESSION")
        new = old.type if keeps or (old.type, kind) == ("KEY", "SESSION") else kind
        word = match["type"].lower()
        meant = _kind(word) or {"USER": "user", "ROLE": "role"}.get(kind, named.kind)
        value = Named(named.values, meant, named.written)
        if old.type == "QUOTED" and kind in {"ACCOUNT", "KEY", "IP", "AGENT", "EVENT", "SERVICE", "REGION"}:
            value = self._typed(kind, "", named.values[0])
        start = match.start()
        self.pieces[index] = Piece(new, self.text[start : old.end], start, old.end, value)
        self.left = self.left[:start] + MASK * (old.end - start) + self.left[old.end :]
        return old.end

    def _labelled(self, name: str) -> str | None:
        """The account of that label, or the one account whose label has the name as a part: acme-production."""
        wanted = name.lower()
        if wanted in self.labels:
            return self.labels[wanted]
        parts = {label: account for label, account in self.labels.items() if wanted in re.split(r"[\W_]+", label)}
        if len(parts) != 1:
            return None
        ((label, account),) = parts.items()
        self._note(f"{name!r} is read as account {account}, {label}")
        return account

    def _account(self, name: str) -> str:
        if account := self._labelled(name):
            return account
        if match := re.fullmatch(r"(\d+)(?:\.{2,}|…|\*)?", name):
            follows = self.left[self.left.find(name) + len(name) :][:2]
            if len(match[1]) >= 12 or not (follows.startswith(("…", "..")) or name.endswith("*")):
                raise NotUnderstood(f"{name!r} is not an account id", remedy="account ids have 12 digits")
            if len(match[1]) < ENOUGH:
                raise NotUnderstood(f"{name!r} could be any account", remedy="give all 12 digits")
            return f"{match[1]}*"
        raise NotUnderstood(
            f"no connected account has the label {name!r}",
            remedy="give the account's id of 12 digits; `trailwarden accounts list` shows the labels",
        )

    def _aliases(self, table: Mapping[str, str], kind: str, value: Callable[[str], str]) -> None:
        names = "|".join(sorted(map(re.escape, table), key=len, reverse=True))
        pattern = re.compile(rf"(?<![\w.@/:*-])(?:{names})(?![\w@/*-]|\.\w)", re.IGNORECASE)
        self._each(pattern, kind, lambda m: value(table[m.group().lower()]))

    def _services(self) -> None:
        known = {
            source.split(".", 1)[0]: source.split(".", 1)[0] for source in self.vocabulary.sources if "." in source
        }
        table = {
            name: label
            for name, label in (known | SERVICE_NAMES).items()
            if phrases().get((name,), "METHOD") == "METHOD" and name not in TIME_WORDS | NOT_NAMES and len(name) > 1
        }
        kept = [(m.start(), m.end()) for m in _NO_SERVICE.finditer(self.left)]
        names = "|".join(sorted(map(re.escape, table), key=len, reverse=True))
        pattern = re.compile(rf"(?<![\w.@/:*-])({names})(?:\s+service)?(?![\w@/*-]|\.\w)", re.IGNORECASE)
        for match in list(pattern.finditer(self.left)):
            if not any(start <= match.start() < end for start, end in kept):
                source = f"{table[match[1].lower()]}.amazonaws.com"
                self._add("SERVICE", match.start(), match.end(), Named((source,)))

    def _source(self, name: str) -> str | None:
        label = SERVICE_NAMES.get(name.lower(), name.lower())
        source = f"{label}.amazonaws.com"
        return source if name.lower() in SERVICE_NAMES or source in self.vocabulary.sources else None

    def _event(self, name: str) -> str | None:
        return _same_but_case(self.vocabulary.events, name)

    def _known_names(self) -> None:
        """Words that are names in the lake, or labels of accounts; the rest is left to the grammar."""
        phrases_kept = [(m.start(), m.end()) for m in whole_phrases().finditer(self.left)]
        for match in list(_WORD.finditer(self.left)):
            word = match.group()
            if any(start <= match.start() < end for start, end in phrases_kept):
                continue
            lowered = word.lower()
            if MASK in word or lowered in reserved() | TIME_WORDS | NOT_NAMES or word.isdecimal():
                continue
            kind, values = self._known(word)
            if not kind and _PLACED.search(self.text, 0, match.start()) and (account := self._labelled(word)):
                kind, values = "ACCOUNT", (account,)
            if kind:
                self._add(kind, match.start(), match.end(), Named(values, written=word))

    def _known(self, word: str) -> tuple[str, tuple[str, ...]]:
        if "*" in word:
            return "", ()
        if (event := self._event(word)) and (word == event or len(word) >= 6):
            return "EVENT", (event,)
        people = self._people(word)
        if role := _same_but_case(self.vocabulary.roles, word):
            if not people:
                return "ROLE", (role,)
            self._note(f"{word!r} is a user and a role; the user is meant, write 'role {word}' for the role")
        if people:
            return "USER", people
        if word.lower() in self.labels:
            return "ACCOUNT", (self.labels[word.lower()],)
        return "", ()

    def _people(self, name: str) -> tuple[str, ...]:
        """The users of that name, and those whose email begins with it before the @."""
        wanted = name.lower()
        return tuple(user for user in self.vocabulary.users if wanted in {user.lower(), user.lower().split("@")[0]})

    def _note(self, notice: str) -> None:
        if notice not in self.notices:
            self.notices.append(notice)


def _kind(word: str) -> str:
    """The kind of resource that a type word names: ``S3 bucket`` -> ``bucket``."""
    return next((kind for kind in (word, word.partition(" ")[2]) if kind in RESOURCE_KINDS), "")


def _same_but_case(known: Iterable[str], name: str) -> str | None:
    if name in known:
        return name
    return next((other for other in known if other.lower() == name.lower()), None)


def unknown_name(noun: str, name: str, values: Sequence[str], known: Mapping[str, int]) -> str | None:
    """What to say about a name that the lake does not know: that it is taken as written, and the nearest names."""
    if not known or "*" in name or any(_same_but_case(known, value) for value in values):
        return None
    from rapidfuzz import fuzz, process  # noqa: PLC0415

    near = process.extract(name.lower(), {k: k.lower() for k in known}, scorer=fuzz.WRatio, score_cutoff=80, limit=3)
    said = f"no event in the lake names the {noun} {name!r}, which is taken as written"
    if not near:
        return said
    names = ", ".join(f"{key} ({known[key]:,} event{'' if known[key] == 1 else 's'})" for _, _, key in near)
    return f"{said}; did you mean {names}?"
