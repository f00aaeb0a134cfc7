"""From the parse of a question to a draft of the search: filters, outcome, order, focus."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Literal

from ..errors import NotUnderstood
from ..model.session import AuthMethod
from .command import Rights, Tool
from .endpoints import READERS as ALERTS
from .grammar import Node, Piece
from .meanings import (
    ASSUME_ROLE,
    CONSOLE_SIGN_IN,
    DIMENSIONS,
    FAILED_SIGN_INS,
    FIELDS,
    KINDS,
    MOST_EVENTS,
    OBJECT_NOUNS,
    PREPOSITIONS,
    SIGN_INS,
    STRUCTURE,
    TAILS,
    Focus,
    Switch,
    caller_type,
    check_name,
    joined,
    kind_of,
    methods_of,
    names_itself,
    not_a_word,
    operations_of,
    operations_on,
)
from .rights import READERS as RIGHTS
from .routes import holder_of, route
from .times import UNITS, TimePart

#: Verbs that can be said of what they are done to: "which keys were used".
_TRANSITIVE = {"verb_use", "verb_assume", "verb_action", "verb_change", "verb_read", "verb_access", "verb_call"}
#: Verbs of which the contrary is a kind of call too.
_NEGATABLE = {"verb_fail", "verb_deny", "verb_succeed"}
#: What is held -> the type of its name.
_HELD = {"KEYS": "KEY", "IPS": "IP"}
#: What people do by habit, not what they did.
_HABIT = {"use", "uses"}
_OPPOSITES: dict[Switch, str] = {
    "failed": "failed and successful",
    "denied": "denied and not denied",
    "read_only": "reads and changes",
}


class Draft:
    """A search as it is read off the parse, part by part. Made for one question; ``read`` is its only way in."""

    def __init__(self) -> None:
        self.fields: dict[str, list[tuple[str, ...]]] = {}
        self.excluded: dict[str, tuple[str, ...]] = {}
        self.switches: dict[Switch, bool] = {}
        self.times: list[TimePart] = []
        self.focus: Focus | None = None
        self.also: list[Focus] = []
        self.newest_first: bool | None = None
        self.limit: int | None = None
        self.tool: Tool = "search"
        self.same = False
        #: What in the words decides about the tool: see ``routes``.
        self.marks: set[str] = set()
        self.method: list[AuthMethod] = []
        #: The key or session that is asked for, and what ``sessions_show`` is called with.
        self.holder: Piece | None = None
        self.session = ""
        #: What the tools of ``iam`` and ``correlate`` are called with.
        self.rights = Rights()
        self.host = ""
        self.alert = ""
        #: How words were read, where that is not plain.
        self.notices: list[str] = []
        #: The roles that were assumed, as sessions know them.
        self.assumed: tuple[str, ...] | None = None
        #: How far the time of the question before is moved.
        self.shift: timedelta | None = None
        self.this_account: Piece | None = None
        self.mfa: Piece | None = None
        #: Names of users and roles, as written and as searched for: for the notices about unknown names.
        self.people: list[tuple[str, tuple[str, ...]]] = []
        self.roles: list[str] = []
        #: Every piece that became a condition.
        self.placed: list[Piece] = []
        self.sign_in = False
        self.console = False
        self._kind_noun = ""
        self._dimension: Piece | None = None
        self._tried = False
        self._act = False
        self._position: Literal["", "last", "first"] = ""

    # ---- what a search is made of

    def add(self, field: str, values: tuple[str, ...]) -> None:
        """All of the events must have one of ``values`` in ``field``."""
        self.fields.setdefault(field, []).append(values)

    def switch(self, name: Switch, value: bool) -> None:
        """Set whether failed, denied or reading calls are meant."""
        if self.switches.setdefault(name, value) != value:
            raise NotUnderstood(
                f"calls cannot be {_OPPOSITES[name]} at once", remedy="ask for one of the two, or leave both out"
            )

    def said(self, notice: str) -> None:
        """Tell with the answer how something was read."""
        self.notices.append(notice)

    def lead(self, focus: Focus) -> None:
        """What the question wants first; what comes later is told besides."""
        if self.focus is None:
            self.focus = focus
        elif focus != self.focus and focus not in self.also:
            self.also.append(focus)

    def exclude(self, field: str, values: tuple[str, ...]) -> None:
        """None of the events may have one of ``values`` in ``field``."""
        self.excluded[field] = (*self.excluded.get(field, ()), *values)

    def place(self, preposition: str, pieces: Sequence[Piece], *, out: bool = False) -> None:
        """Names after a preposition, as a condition or as an exclusion."""
        fields = [self._field(preposition, piece) for piece in pieces]
        if len(set(fields)) > 1:
            named = " and ".join(repr(piece.text) for piece in pieces)
            raise NotUnderstood(
                f"{named} are of different kinds and cannot be joined", remedy="ask for each on its own"
            )
        values = tuple(dict.fromkeys(value for piece in pieces for value in self._values(fields[0], piece)))
        self.placed.extend(pieces)
        if out:
            self.exclude(fields[0], values)
        else:
            self.add(fields[0], values)

    def _field(self, preposition: str, piece: Piece) -> str:
        kind = "ROLE" if piece.type == "ARN" and ":role/" in piece.value.values[0] else piece.type
        field = FIELDS[preposition].get(kind)
        if kind == "WORD" and (field is None or (field == "resource" and not names_itself(piece.text))):
            raise not_a_word(piece)
        if kind in {"SESSION_ID", "PRINCIPAL_ID"}:
            raise NotUnderstood(
                f"calls cannot be searched by {piece.text!r}",
                remedy=f"ask 'Whose session is {piece.text}', and then 'What did that session do'",
            )
        if kind == "INSTANCE" and preposition == "FOR":
            raise NotUnderstood(
                f"'for {piece.text}' can mean calls on the instance, or calls made by it",
                remedy=f"ask 'What happened to {piece.text}' or 'What did {piece.text} do'",
            )
        if field is None:
            raise NotUnderstood(
                f"{f'{preposition.lower()} {piece.text}'.strip()!r} is not understood",
                remedy="say who calls are by, where they are in or from, what they are on or to",
            )
        return field

    def _values(self, field: str, piece: Piece) -> tuple[str, ...]:
        if piece.type in {"ROOT", "KIND_OF_CALLER"}:
            return (caller_type(piece.text),)
        if piece.type == "WORD":
            check_name(piece)
            if field == "user":
                self.people.append((piece.text, (piece.text,)))
            return (piece.text,)
        written: str = piece.value.written or piece.value.values[0]
        if field in {"resource", "text"}:
            return (written,)
        if field == "user" and piece.type == "USER":
            self.people.append((written, piece.value.values))
        if field == "role" and piece.type == "ROLE":
            self.roles.append(piece.value.values[0])
        values: tuple[str, ...] = piece.value.values
        return values

    # ---- the parse

    def read(self, node: Node) -> None:
        """Read a part of the parse.

        Raises:
            NotUnderstood: parts of the question contradict each other, or cannot be joined.
        """
        reader: Callable[[Node], None] | None = getattr(self, f"_read_{node.rule}", None)
        other = RIGHTS.get(node.rule) or ALERTS.get(node.rule)
        if reader:
            reader(node)
        elif other:
            other(self, node)
        elif node.rule in TAILS:
            self.lead(TAILS[node.rule])
        else:
            self._children(node)

    def _children(self, node: Node) -> None:
        for token in node.tokens:
            if token.type not in STRUCTURE:
                raise not_a_word(token)
        for child in node.nodes:
            self.read(child)

    def _read_nothing(self, _: Node) -> None:
        """A word that only completes the sentence."""

    _read_noun_calls = _read_pre_preposition = _read_to_whom = _read_nothing

    def finish(self) -> None:
        """Check what only the whole question shows."""
        if self._kind_noun:
            raise NotUnderstood(
                f"{self._kind_noun!r} alone cannot be searched: trails record calls, not what exists",
                remedy=f"ask who created, changed or deleted it, such as 'Who deleted a {self._kind_noun}'",
            )
        if self.console and not self.sign_in and "sessions" not in self.marks:
            raise NotUnderstood(
                "calls made in the console cannot be told from others",
                remedy="ask for console sign-ins, or leave it out",
            )
        if self.sign_in:
            failing = self.switches.get("failed") or self.switches.get("denied")
            self.add("event", CONSOLE_SIGN_IN if self.console else FAILED_SIGN_INS if failing else SIGN_INS)
        route(self)

    # ---- questions

    def _read_who(self, node: Node) -> None:
        self.lead("who")
        self._children(node)

    def _read_what(self, node: Node) -> None:
        self.lead("actions" if any(node.find("verb_do", "verb_call", "did")) else "events")
        self._children(node)

    def _read_which(self, node: Node) -> None:
        noun = node.child("np")
        if noun and noun.child("noun_failures"):
            self.lead("errors")
        self._children(node)
        self.focus = self.focus or "events"

    def _read_when(self, node: Node) -> None:
        """The one event that tells when; of acts, the last that succeeded."""
        self._children(node)
        first = self._position == "first" or self.newest_first is False or node.pieces[0].type == "FIRST_TIME"
        asked: Focus = "when_first" if first else "when_last"
        self.also = [focus for focus in (self.focus, *self.also) if focus and focus not in {asked, "when_last"}]
        self.focus = asked
        self.newest_first, self.limit = not first, 1
        if self._act and not self._tried and "denied" not in self.switches:
            self.switches.setdefault("failed", False)

    _read_when_noun = _read_when

    def _read_where(self, node: Node) -> None:
        self.lead("where_from")
        self._children(node)

    def _read_how_many(self, node: Node) -> None:
        self._children(node)
        self.lead("count")

    def _read_how_often(self, node: Node) -> None:
        self.lead("count")
        self._children(node)

    def _read_exists(self, node: Node) -> None:
        self.lead("exists")
        verb = node.child("vp")
        for child in node.nodes:
            if verb is None or child.rule not in {"subject", "not", "vp"}:
                self.read(child)
        if verb is not None:
            subject = node.child("subject")
            passive = any(token.type in {"BE", "BEEN"} for token in node.tokens)
            self._predicate(subject, verb, passive=passive, negated=node.child("not") is not None)

    _read_exists_passive = _read_exists

    def _read_lake(self, _: Node) -> None:
        self.tool = "lake_info"

    def _read_accounts_check(self, _: Node) -> None:
        self.tool = "accounts_doctor"

    # ---- who stands behind, whose it is, how people sign in

    def _read_access(self, node: Node) -> None:
        self.lead("roles")
        self.lead("accounts")
        self.marks.add("access")
        self._read_did(node)
        for child in node.nodes:
            if child.rule != "subject":
                self.read(child)

    def _hold(self, pieces: Sequence[Piece]) -> None:
        """Name the key or session that is asked for."""
        named = joined(pieces)
        self.holder = holder_of(named)
        if all(piece.type in {"SESSION_ID", "PRINCIPAL_ID"} for piece in named):
            self.placed.extend(named)
        else:
            self.place("BY", named)

    def _read_whose(self, node: Node) -> None:
        self.lead("who")
        self.marks.add("holder")
        held = node.child("holder")
        pieces = held.pieces if held else node.pieces[-1:]
        for token in node.tokens:
            if token.type in _HELD and pieces[0].type != _HELD[token.type]:
                raise not_a_word(token)
        self._hold(pieces)

    def _read_issued(self, node: Node) -> None:
        for token in node.tokens:
            if token.type == "ACTION" and not token.text.lower().startswith("creat"):
                raise not_a_word(token)
        self._read_whose(node)

    _read_chain = _read_shown = _read_whose

    def _read_auth(self, node: Node) -> None:
        self.marks.add("auth")
        for child in node.nodes:
            if child.rule == "ways":
                for piece in joined(child.pieces):
                    self.method.extend(methods_of(piece))
            elif child.rule not in {"auth_who", "enter", "auth_used"}:
                self.read(child)

    def _read_auth_place(self, node: Node) -> None:
        self.this_account = next((token for token in node.tokens if token.type == "THIS_ACCOUNT"), self.this_account)

    def _read_no_account(self, node: Node) -> None:
        name = node.tokens[-1].text
        raise NotUnderstood(
            f"no connected account has the label {name!r}",
            remedy="give the account's id of 12 digits; `trailwarden accounts list` shows the labels",
        )

    # ---- nouns

    def _outcome(self, token: Piece, *, negated: bool = False) -> None:
        if token.type == "DENIED":
            self.switch("denied", not negated)
        else:
            self.switch("failed", (token.type == "FAILED") != negated)

    def _read_pre(self, node: Node) -> None:
        for token in node.tokens:
            self._outcome(token)

    def _read_not_outcome(self, node: Node) -> None:
        self._outcome(node.tokens[-1], negated=True)

    def _read_np(self, node: Node) -> None:
        self._children(node)
        noun = node.pieces[-1].text.lower()
        if self._position and self.limit is None and not noun.endswith("s") and noun not in {"anything", "activity"}:
            self.limit = 1
            self.lead("when_last" if self._position == "last" else "when_first")

    def _read_pre_reads(self, _: Node) -> None:
        self.switch("read_only", True)

    def _read_pre_changes(self, _: Node) -> None:
        self.switch("read_only", False)

    _read_noun_reads, _read_noun_changes = _read_pre_reads, _read_pre_changes

    def _read_noun_failures(self, _: Node) -> None:
        self.switch("failed", True)

    _read_with_errors = _read_noun_failures

    def _read_noun_denials(self, _: Node) -> None:
        self.switch("denied", True)

    def _read_noun_sign_ins(self, _: Node) -> None:
        self.sign_in = self._act = True

    def _read_noun_sessions(self, _: Node) -> None:
        self.marks.add("sessions")

    def _read_pre_method(self, node: Node) -> None:
        for token in node.tokens:
            if token.type == "METHOD":
                self.method.extend(methods_of(token))

    _read_by_method = _read_provider = _read_pre_method

    def _read_console(self, _: Node) -> None:
        self.console = True

    def _read_noun_nominal(self, node: Node) -> None:
        self._act = True
        self.add("event", operations_of(node.tokens[0].text))

    def _read_noun_dimension(self, node: Node) -> None:
        self._dimension = node.tokens[0]
        if self._dimension.text.lower().startswith("identit"):
            self.marks.add("identities")
        self.lead(DIMENSIONS[self._dimension.type])

    def _read_noun_kind(self, node: Node) -> None:
        self._kind_noun = kind_of(node.tokens[0].text)

    def _read_bare_thing(self, node: Node) -> None:
        self.place("", node.tokens)

    _read_pre_event = _read_pre_service = _read_pre_region = _read_pre_error = _read_noun_event = _read_bare_thing

    def _read_possessor(self, node: Node) -> None:
        self.place("BY", joined(node.pieces))

    _read_pre_root = _read_pre_caller = _read_possessor

    def _read_newest(self, node: Node) -> None:
        self._ordered(node, newest=True)

    def _read_oldest(self, node: Node) -> None:
        self._ordered(node, newest=False)

    def _ordered(self, node: Node, *, newest: bool) -> None:
        self.newest_first = newest
        self._position = "last" if newest else "first"
        if any(token.type == "NUMBER" for token in node.tokens):
            self._read_at_most(node)

    def _read_at_most(self, node: Node) -> None:
        number = next(token for token in node.tokens if token.type == "NUMBER")
        if not 1 <= number.value <= MOST_EVENTS:
            raise NotUnderstood(
                f"{number.text[:20]} events cannot be shown at once", remedy=f"ask for 1 to {MOST_EVENTS:,}"
            )
        self.limit = number.value

    def _read_newest_first(self, _: Node) -> None:
        self.newest_first = True

    def _read_oldest_first(self, _: Node) -> None:
        self.newest_first = False

    # ---- conditions

    def _read_time(self, node: Node) -> None:
        self.times.append(node.tokens[0].value)
        self.placed.extend(node.tokens)

    def _read_after_assuming(self, node: Node) -> None:
        first, *pieces = node.pieces
        self.place("WITH", joined(pieces))
        if first.text.lower().startswith(("after", "once", "having")):
            self.newest_first = False

    def _read_everywhere(self, _: Node) -> None:
        """All accounts are looked at unless some are named; which they are is told besides."""
        if "accounts" not in self.also:
            self.also.append("accounts")

    def _read_no_mfa(self, node: Node) -> None:
        self.marks.add("no_mfa")
        self.mfa = node.tokens[0]

    def _read_shifted(self, node: Node) -> None:
        if self.shift is not None:
            raise NotUnderstood(f"{node.tokens[0].text!r} is a second move of the time", remedy="give one time")
        words = node.tokens[0].text.lower().split()
        unit = next(word for word in words if word in UNITS)
        back = not {"after", "next", "following"} & set(words)
        self.shift = timedelta(seconds=-UNITS[unit] if back else UNITS[unit])

    def _read_phrase(self, node: Node) -> None:
        out = node.child("not") is not None
        preposition, *pieces = node.pieces[out:]
        self.place(preposition.type, joined(pieces), out=out)

    def _read_exception(self, node: Node) -> None:
        first, *pieces = node.pieces
        if pieces[0].type in PREPOSITIONS:
            self.place(pieces[0].type, joined(pieces[1:]), out=True)
            return
        names = joined(pieces)
        kinds = {piece.type for piece in names}
        if first.text.lower() == "without" and kinds == {"WORD"}:
            raise not_a_word(names[0])
        self.place("" if kinds <= set(FIELDS[""]) - {"USER"} else "BY", names, out=True)

    def _read_exception_kind(self, node: Node) -> None:
        """Calls of a kind, left out: the other kind is asked for, or their event names are excluded."""
        inner = Draft()
        for token in node.tokens[1:]:
            inner._outcome(token)
        for child in node.nodes:
            inner.read(child)
        plain = not (inner._kind_noun or inner.focus or inner.limit or inner.excluded)
        if plain and len(inner.switches) == 1 and not inner.fields and not inner.sign_in:
            ((name, value),) = inner.switches.items()
            self.switch(name, not value)
        elif plain and inner.sign_in and not inner.fields and not inner.switches:
            self.exclude("event", CONSOLE_SIGN_IN if inner.console else SIGN_INS)
        elif plain and len(inner.fields) == 1 and not inner.switches and not inner.sign_in:
            ((field, values),) = inner.fields.items()
            self.exclude(field, values[0])
            self.placed.extend(inner.placed)
        else:
            raise NotUnderstood(f"{' '.join(piece.text for piece in node.pieces)!r} cannot be left out")

    def _read_exception_odd(self, node: Node) -> None:
        raise NotUnderstood(f"{' '.join(piece.text for piece in node.pieces)!r} is not understood")

    def _read_grouped(self, node: Node) -> None:
        focus = DIMENSIONS[node.pieces[-1].type]
        if self.focus in {None, "events", "count"}:
            self.also = ["count"] if self.focus == "count" else []
            self.focus = focus
        else:
            self.lead(focus)

    # ---- verbs

    def _read_predicate(self, node: Node) -> None:
        self._clause(node, passive=False)

    _read_subject_predicate = _read_predicate

    def _read_reduced(self, node: Node) -> None:
        """Calls john made; and keys used from somewhere: a participle without a subject is passive."""
        self._clause(node, passive=node.child("subject", "nothing") is None)

    def _read_did(self, node: Node) -> None:
        if (subject := node.child("subject")) is not None:
            self.place("BY", joined(subject.pieces))

    def _clause(self, node: Node, *, passive: bool) -> None:
        auxiliaries = {node.pieces[0].type for node in node.nodes if node.rule == "aux"}
        for child in node.nodes:
            if child.rule == "adverb":
                self.read(child)
        verb = node.child("vp")
        assert verb is not None
        passive = passive or bool(auxiliaries & {"BE", "BEEN", "GET"})
        self._predicate(node.child("subject"), verb, passive=passive, negated=node.child("not") is not None)

    def _read_adverb(self, node: Node) -> None:
        kind = node.tokens[0].type
        if kind == "SUCCESSFULLY":
            self.switch("failed", False)
        else:
            self._position = "first" if kind == "FIRST" else "last"
            self.newest_first, self.limit = kind != "FIRST", 1

    def _predicate(self, subject: Node | None, vp: Node, *, passive: bool, negated: bool) -> None:
        """What a verb says of its subject. ``passive``: the subject is what it was done to."""
        verb = next(node for node in vp.nodes if node.rule.startswith("verb"))
        for child in vp.nodes:
            if child.rule == "adverb":
                self.read(child)
        word = verb.pieces[0].text.lower()
        if negated and verb.rule not in _NEGATABLE:
            raise NotUnderstood(
                f"'not {word}' cannot be searched: only what happened is recorded",
                remedy="leave names out with 'except', or ask for failed or denied calls",
            )
        named = joined(subject.pieces) if subject else []
        done_to = passive and not word.endswith("ing") and verb.rule in _TRANSITIVE
        if named and not done_to:
            self.place("BY", named)
        acted = bool(named) or (passive and verb.rule in _TRANSITIVE)
        self._verb(verb, named if done_to else [], negated=negated, acted=acted)

    def _verb(self, verb: Node, target: list[Piece], *, negated: bool, acted: bool) -> None:
        """One verb, with its objects or what it was done to. ``acted``: who acted is not what is asked for."""
        named = verb.child("things", "operations")
        things = joined(named.pieces) if named else target
        others = [node for node in verb.nodes if node is not named]
        match verb.rule:
            case "verb_sign_in":
                self.sign_in = self._act = True
            case "verb_fail":
                self.switch("failed", not negated)
                self._nested(others)
            case "verb_try":
                self._tried = True
                self._nested(others)
            case "verb_deny":
                self.switch("denied", not negated)
                self._called(things, others)
            case "verb_succeed":
                self.switch("failed", negated)
            case "verb_do" | "verb_call" | "verb_get":
                self._called(things, others)
            case "verb_use":
                self._used(things, others)
                self._mark_use(verb, things)
            case "verb_use_method":
                self._read_pre_method(verb)
                self.marks.add("habit" if self.focus == "who" and verb.pieces[0].text.lower() in _HABIT else "method")
            case "verb_behind":
                self.marks.add("behind")
                self._behind(things, others)
            case "verb_belong" | "verb_own":
                self._belongs(things)
            case "verb_assume":
                self._assumed(things, others)
            case "verb_action" | "verb_change" | "verb_read" | "verb_access":
                self._act = True
                if verb.rule == "verb_change" and not (things or others):
                    self.marks.add("what changed")
                if verb.rule in {"verb_change", "verb_read"}:
                    self.switch("read_only", verb.rule == "verb_read")
                verbs = [token.text for token in verb.tokens if token.type == "ACTION"]
                operations = tuple(dict.fromkeys(name for word in verbs for name in operations_of(word)))
                self._done(operations, verb.child("object"), target, acted=acted)

    def _nested(self, others: list[Node]) -> None:
        for vp in others:
            self._predicate(None, vp, passive=False, negated=False)

    def _called(self, things: list[Piece], others: list[Node]) -> None:
        for piece in things:
            if piece.type not in {"EVENT", "SERVICE"}:
                raise not_a_word(piece)
        if things:
            self.place("", things)
        self._objects(others)

    def _objects(self, nodes: list[Node]) -> None:
        """Nouns after a verb. What is somebody's there is not what he did."""
        for node in nodes:
            if owner := next(node.find("possessor"), None):
                raise not_a_word(owner.pieces[-1])
            self.read(node)

    def _used(self, things: list[Piece], others: list[Node]) -> None:
        if things:
            self.place("WITH", things)
        self._objects(others)

    def _mark_use(self, verb: Node, things: list[Piece]) -> None:
        kinds = {piece.type for piece in things}
        if not things and len(verb.nodes) == 0:
            self.marks.add("roles used")
        elif kinds and kinds <= {"ROLE", "ROOT"}:
            self.marks.add("used")
        elif kinds == {"KEY"} and self.focus == "who" and verb.pieces[0].text.lower() in {"using", *_HABIT}:
            self.holder = holder_of(things)
            self.marks.add("using")

    def _behind(self, things: list[Piece], others: list[Node]) -> None:
        """Whoever is behind an operation made the call; behind anything else stands the session's root."""
        if things and all(piece.type in {"EVENT", "SERVICE"} for piece in things):
            self.place("", things)
        elif things:
            self._hold(things)
        self._objects(others)

    def _belongs(self, things: list[Piece]) -> None:
        """Keys belong to people, and sessions do; what a name before the verb belongs to is asked for its holder."""
        if things:
            self._hold(things)
        people = set(self.fields) & {"user", "session"}
        if not people and not things and self.focus == "who":
            self.holder = holder_of(self.placed)
        self.marks.add("belong" if people else "holder")

    def _assumed(self, roles: list[Piece], others: list[Node]) -> None:
        """Records of attempts that were denied name the role in the message only; the others name its ARN."""
        self._act = True
        self.add("event", ASSUME_ROLE)
        if roles and self._tried:
            self.place("MENTIONING", roles)
        elif roles:
            self.place("TO", roles)
            if "resource" not in self.fields:
                raise not_a_word(roles[0])
            self.marks.add("assumed")
            if all(piece.type in {"ROLE", "ARN", "QUOTED", "WORD"} for piece in roles):
                self.assumed = self.fields["resource"][-1]
            self._by_path_too()
        self._objects(others)

    def _done(self, operations: tuple[str, ...], target: Node | None, subject: list[Piece], *, acted: bool) -> None:
        """A verb that changes, reads or touches something: what its object is narrows the operations."""
        things = list(subject)
        kinds: list[str] = []
        for node in target.nodes if target else []:
            if node.rule == "object_kind":
                kinds.append(OBJECT_NOUNS.get(node.tokens[0].type) or kind_of(node.tokens[0].text))
            elif node.rule == "things":
                things = joined(node.pieces)
            elif node.rule == "possessor":
                self.place("ON", joined(node.pieces))
            elif node.rule not in {"object_any", "conjunction"}:
                self.read(node)
        if not things and not kinds and self._kind_noun:
            kinds, self._kind_noun = [self._kind_noun], ""
        elif not things and target is None and acted and self._dimension and self._dimension.type in OBJECT_NOUNS:
            kinds = [self._object_instead_of_focus(self._dimension)]
        if things:
            self.place("TO", things)
            kinds = list({piece.value.kind or KINDS.get(piece.type, "") for piece in things if piece.type != "WORD"})
            if kinds == ["policy"]:
                self._by_path_too()
        if operations or (kinds and not things):
            self._narrow(operations, kinds, named=bool(things))

    def _narrow(self, operations: tuple[str, ...], kinds: list[str], *, named: bool) -> None:
        """The operations of a verb on resources of these kinds."""
        on = [operations_on(operations or ("*",), kind) if kind else operations for kind in kinds]
        if named:
            self.add("event", on[0] if len(on) == 1 and on[0] else operations)
        elif kinds and not all(on):
            kind = kinds[on.index(())]
            raise NotUnderstood(
                f"no operation is known that does this to a {kind}", remedy="name the operations: Who called …"
            )
        else:
            self.add("event", tuple(dict.fromkeys(name for each in on for name in each)) or operations)

    def _by_path_too(self) -> None:
        """What was named last is recorded as an ARN in requests, which ends in the name after a slash."""
        names = self.fields["resource"].pop()
        forms = ((name,) if "/" in name else (name, f"*/{name}") for name in names)
        self.add("resource", tuple(form for each in forms for form in each))

    def _object_instead_of_focus(self, dimension: Piece) -> str:
        """ "Which users were created": the users are what was created, not who did it."""
        focus = DIMENSIONS[dimension.type]
        self.also = [other for other in self.also if other != focus]
        self.focus = None if self.focus == focus else self.focus
        self._dimension = None
        return OBJECT_NOUNS[dimension.type]

    # ---- follow-ups

    def _read_change_names(self, node: Node) -> None:
        names = joined(node.pieces)
        self.place("" if {piece.type for piece in names} <= set(FIELDS[""]) - {"USER"} else "BY", names)

    def _read_change_only(self, node: Node) -> None:
        for token in node.tokens[1:]:
            self._outcome(token)
        for child in node.nodes:
            self.read(child)
