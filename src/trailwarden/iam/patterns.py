"""The algebra of wildcard patterns: does one cover another, do they overlap, is anything left after exclusions.

A pattern is a tuple of tokens: literal characters, ``?`` (any one character), ``*`` (any text), and the five colons
that part an ARN's fields. A wildcard of one field does not cross into the next; the last field may hold colons. An ARN
with fewer than six fields stands for one whose missing fields are ``*``
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html). ``*`` alone matches
everything, also what is no ARN.

Everything is decided by one exact procedure, `witness`: a text that every required pattern matches, one of each group,
and no excluded one, found by walking the patterns' automata together. It rests on a fact about these patterns: only
literals tell characters apart, so that where no required pattern and no group asks for a literal, a character that
occurs in no pattern is the hardest to match, and no other need be tried. Groups and excluded patterns are followed as
sets of states, held in the bits of an int; of two sets at one place, the one that matches less of what is excluded and
more of what is wanted stands for both. Patterns made to be slow end in `Undecided`.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import lru_cache


class Wild(Enum):
    """The tokens that are no literal character. ``FIELD`` is a colon between an ARN's fields."""

    ANY = "?"
    STAR = "*"
    FIELD = ":"


Token = str | Wild

_REGEX = {Wild.ANY: "[^:]", Wild.STAR: "[^:]*", Wild.FIELD: ":"}
_LAST_FIELD = {Wild.ANY: ".", Wild.STAR: ".*"}
_WILDCARDS = {"?": Wild.ANY, "*": Wild.STAR}
_ARN_FIELDS = 6
#: How many steps and comparisons one search may take: some hundredths of a second.
_EFFORT = 50_000
_ESCAPE = re.compile(r"\$\{([*?$])\}")


class Undecided(Exception):  # noqa: N818 - reads as the outcome it is
    """Patterns so intricate that the search was given up; whoever asks then takes the careful answer."""


class Pattern:
    """A wildcard pattern; build it with `pattern` or `arn_pattern`. Equal patterns are the same object.

    ``prefix`` is the literal text before the first wildcard, ``suffix`` that after the last; ``literal`` is whether
    there is no wildcard, ``universal`` whether it is ``*``.
    """

    __slots__ = ("_compiled", "_fields", "_text", "literal", "prefix", "suffix", "tokens", "universal")

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens = tokens
        self.prefix = _literal_run(tokens)
        self.literal = len(self.prefix) == len(tokens)
        self.suffix = _literal_run(tuple(reversed(tokens)))[::-1]
        self.universal = tokens == (Wild.STAR,)
        self._compiled: re.Pattern[str] | None = None
        self._fields: tuple[Pattern, ...] | None = None
        self._text: str | None = None

    @property
    def fields(self) -> "tuple[Pattern, ...]":
        """An ARN pattern's six fields as patterns of their own; any other pattern is its only field."""
        if self._fields is None:
            ends = [*(at for at, token in enumerate(self.tokens) if token is Wild.FIELD), len(self.tokens)]
            starts = [0, *(end + 1 for end in ends[:-1])]
            self._fields = tuple(_interned(self.tokens[start:end]) for start, end in zip(starts, ends, strict=True))
        return self._fields

    def matches(self, text: str) -> bool:
        """Whether a text, which holds no wildcards itself, is matched. Case counts."""
        if self.literal:
            return text == self.prefix
        if self.tokens[-1] is Wild.STAR and len(self.prefix) == len(self.tokens) - 1:
            return text.startswith(self.prefix)
        if self._compiled is None:
            self._compiled = re.compile(_expression(self.tokens), re.DOTALL)
        return self._compiled.fullmatch(text) is not None

    def __str__(self) -> str:
        if self._text is None:
            self._text = "".join(
                each.value if isinstance(each, Wild) else f"${{{each}}}" if each in "*?" else each
                for each in self.tokens
            )
        return self._text

    def __repr__(self) -> str:
        return f"Pattern({str(self)!r})"

    def __reduce__(self) -> tuple[object, tuple[tuple[Token, ...]]]:
        return _interned, (self.tokens,)


def pattern(text: str, *, escapes: bool = False) -> Pattern:
    """A pattern over plain text. With ``escapes``, ``${*}``, ``${?}`` and ``${$}`` are the characters themselves."""
    return _interned(_normal(_tokens(text, escapes=escapes)))


@lru_cache(maxsize=65536)
def arn_pattern(text: str, *, escapes: bool = False) -> Pattern:
    """A pattern over ARNs, field by field; ``*`` alone is everything, and what has no colon is no ARN's pattern."""
    return arn_of(Wild.FIELD if each == ":" else each for each in _tokens(text, escapes=escapes))


def arn_of(tokens: Iterable[Token]) -> Pattern:
    """`arn_pattern` of tokens, in which each colon that can part two fields is a `Wild.FIELD`."""
    fields: list[list[Token]] = [[]]
    for token in tokens:
        if token is not Wild.FIELD:
            fields[-1].append(token)
        elif len(fields) < _ARN_FIELDS:
            fields.append([])
        else:
            fields[-1].append(":")
    if len(fields) == 1:
        return _interned(_normal(fields[0]))
    fields += [[Wild.STAR]] * (_ARN_FIELDS - len(fields))
    joined: list[Token] = []
    for field in fields:
        joined += (*_normal(field), Wild.FIELD)
    return _interned(tuple(joined[:-1]))


@lru_cache(maxsize=131072)
def covers(wide: Pattern, narrow: Pattern) -> bool:
    """Whether everything that ``narrow`` matches is matched by ``wide``. False also if that cannot be decided."""
    if wide is narrow or wide.universal:
        return True
    if narrow.universal or not _may_meet(wide, narrow):
        return False
    if len(wide.fields) != len(narrow.fields):
        return False
    if len(wide.fields) > 1:
        return all(covers(one, other) for one, other in zip(wide.fields, narrow.fields, strict=True))
    if wide.tokens[-1:] == (Wild.STAR,) and len(wide.tokens) == len(wide.prefix) + 1:
        return narrow.prefix.startswith(wide.prefix)
    try:
        return witness((narrow,), (wide,)) is None
    except Undecided:
        return False


@lru_cache(maxsize=131072)
def overlaps(one: Pattern, other: Pattern) -> bool:
    """Whether some text is matched by both."""
    if one is other or one.universal or other.universal:
        return True
    if not _may_meet(one, other):
        return False
    if len(one.fields) != len(other.fields):
        return False
    if len(one.fields) > 1:
        return all(overlaps(a, b) for a, b in zip(one.fields, other.fields, strict=True))
    return _Automaton([one.tokens]).meets(other.tokens)


def widest(patterns: Iterable[Pattern]) -> tuple[Pattern, ...]:
    """The patterns without those that another one covers, in their order."""
    kept: list[Pattern] = []
    for each in patterns:
        if not any(covers(wide, each) for wide in kept):
            kept = [old for old in kept if not covers(each, old)]
            kept.append(each)
    return tuple(kept)


def witness(
    required: Sequence[Pattern], excluded: Sequence[Pattern] = (), groups: Sequence[Sequence[Pattern]] = ()
) -> str | None:
    """A text that every required pattern matches, one of each group, and no excluded one; None if there is none.

    With groups, at least one pattern that is not ``*`` must be required.

    Raises:
        Undecided: the search would take too long; patterns as people write them are far from that.
    """
    if any(each.universal for each in excluded):
        return None
    demanded = [each for each in required if not each.universal] or [EVERYTHING]
    if not _compatible(demanded):
        return None
    barred = [each for each in excluded if all(_may_meet(each, one) for one in demanded)]
    literal = next((each for each in demanded if each.literal), None)
    if literal is not None:
        text = literal.prefix
        met = all(each.matches(text) for each in demanded) and not any(each.matches(text) for each in barred)
        return text if met and all(any(each.matches(text) for each in group) for group in groups) else None
    automaton = _Automaton([each.tokens for each in barred])
    for group in groups:
        automaton.require(each.tokens for each in group)
    return _search([each.tokens for each in demanded], automaton)


# --- tokens ---------------------------------------------------------------------------------------------------------


def _tokens(text: str, *, escapes: bool) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    for escape in _ESCAPE.finditer(text) if escapes else ():
        tokens += _plain(text[at : escape.start()])
        tokens.append(escape[1])
        at = escape.end()
    return tokens + _plain(text[at:])


def _plain(text: str) -> list[Token]:
    return [_WILDCARDS.get(char, char) for char in text]


def _normal(tokens: Iterable[Token]) -> tuple[Token, ...]:
    """One form for each run of wildcards: its ``?``, then a single ``*`` if there is any."""
    normal: list[Token] = []
    star = False
    for token in tokens:
        if token is Wild.STAR:
            star = True
            continue
        if star and token is not Wild.ANY:
            normal.append(Wild.STAR)
            star = False
        normal.append(token)
    return (*normal, Wild.STAR) if star else tuple(normal)


@lru_cache(maxsize=131072)
def _interned(tokens: tuple[Token, ...]) -> Pattern:
    return Pattern(tokens)


def _literal_run(tokens: tuple[Token, ...]) -> str:
    run: list[str] = []
    for token in tokens:
        if token is Wild.ANY or token is Wild.STAR:
            break
        run.append(token.value if isinstance(token, Wild) else token)
    return "".join(run)


def _expression(tokens: tuple[Token, ...]) -> str:
    """As a regular expression without backtracking: each text between two ``*`` is sought once, from the left."""
    fields_left = tokens.count(Wild.FIELD)
    parts: list[str] = []
    run: list[str] = []
    star = ""  # the ``*`` that stands before the run
    for token in tokens:
        words = _REGEX if fields_left else _LAST_FIELD
        if token is Wild.FIELD:
            parts += (star, *run, ":")
            run, star = [], ""
            fields_left -= 1
        elif token is Wild.STAR:
            parts += ("(?>", star, "?", *run, ")") if star else run
            run, star = [], words[token]
        else:
            run.append(words[token] if isinstance(token, Wild) else re.escape(token))
    return "".join((*parts, star, *run))


# --- the search -----------------------------------------------------------------------------------------------------


def _may_meet(one: Pattern, other: Pattern) -> bool:
    """False only if the literal ends of two patterns tell them apart."""
    short = min(len(one.prefix), len(other.prefix))
    if one.prefix[:short] != other.prefix[:short]:
        return False
    short = min(len(one.suffix), len(other.suffix))
    return not short or one.suffix[-short:] == other.suffix[-short:]


def _compatible(patterns: Sequence[Pattern]) -> bool:
    return all(_may_meet(one, other) for index, one in enumerate(patterns) for other in patterns[:index])


class _Automaton:
    """Several patterns as one automaton whose set of states is an int; bit ``i`` is the place before token ``i``."""

    def __init__(self, excluded: Iterable[tuple[Token, ...]] = ()) -> None:
        self.any = self.star = self.field = self.final = self._begin = 0
        self.literal: dict[str, int] = {}
        self._next = 1
        #: Of each group of which one must match: all its places, its ends, and the places from which it always will.
        self.groups: list[tuple[int, int, int]] = []
        for tokens in excluded:
            end, _ = self._add(tokens)
            self.final |= end
        self.excluded = self._next - 1

    def _add(self, tokens: tuple[Token, ...]) -> tuple[int, int]:
        """The end of a pattern, and the place from which it matches whatever comes (0 if there is none)."""
        bit = self._next
        self._begin |= bit
        for token in tokens:
            match token:
                case Wild.ANY:
                    self.any |= bit
                case Wild.STAR:
                    self.star |= bit
                case Wild.FIELD:
                    self.field |= bit
                case _:
                    self.literal[token] = self.literal.get(token, 0) | bit
            bit <<= 1
        self._next = bit << 1
        return bit, bit >> 1 if tokens[-1:] == (Wild.STAR,) else 0

    def require(self, patterns: Iterable[tuple[Token, ...]]) -> None:
        """Follow a group of patterns of which one must match."""
        first = self._next
        final = forever = 0
        for tokens in patterns:
            end, always = self._add(tokens)
            final |= end
            forever |= always
        self.groups.append((self._next - first, final, forever))

    @property
    def start(self) -> int:
        """The states before the first character."""
        return self.settled(self.closed(self._begin))

    def settled(self, states: int) -> int:
        """The states with one way to write a group that will match whatever comes."""
        for places, final, forever in self.groups:
            sure = states & forever
            if sure:
                states = (states & ~places) | (sure & -sure) | ((sure & -sure) << 1 & final)
        return states

    def accepts(self, states: int) -> bool:
        """Whether no excluded pattern matches what was read, and one of each group does."""
        return not states & self.final and all(states & final for _, final, _ in self.groups)

    def letters(self, states: int, letter: Token) -> list[Token]:
        """What to read next where the required patterns ask for ``letter``; instead of any, also what helps a group."""
        wanted = states & ~self.excluded if letter is Wild.ANY else 0
        found: list[Token] = [letter]
        if wanted:
            found += (char for char, places in self.literal.items() if places & wanted)
        return found

    def alive(self, states: int) -> bool:
        """Whether each group can still match."""
        return all(states & places for places, _, _ in self.groups)

    def no_better(self, states: int, other: int) -> bool:
        """Whether whatever is accepted from ``states`` is from ``other``."""
        return not (states & ~other) & ~self.excluded and not (other & ~states) & self.excluded

    def closed(self, states: int) -> int:
        """With the places after a ``*`` that may match nothing."""
        return states | (states & self.star) << 1

    def step(self, states: int, letter: Token) -> int:
        """The states after one more character; ``?`` stands for a character that occurs in no pattern."""
        if letter is Wild.FIELD:
            return self.settled(self.closed((states & self.field) << 1))
        taken = self.any if letter is Wild.ANY else self.any | self.literal.get(letter, 0)  # type: ignore[arg-type]
        return self.settled(self.closed((states & taken) << 1 | states & self.star))

    def meets(self, tokens: Iterable[Token]) -> bool:
        """Whether some text of a pattern without fields is matched."""
        states = self.closed(self._begin)
        for token in tokens:
            match token:
                case Wild.STAR:  # any text at all leads from a place to every later one
                    states = (self.final << 1) - (states & -states)
                case Wild.ANY:
                    states = self.closed((states & ~self.star & ~self.final) << 1 | states & self.star)
                case _:
                    states = self.step(states, token)
            if not states:
                return False
        return bool(states & self.final)


_Path = tuple[Token, "_Path"] | None


def _search(required: Sequence[tuple[Token, ...]], automaton: _Automaton) -> str | None:
    ends = tuple(len(tokens) for tokens in required)
    todo: list[tuple[tuple[int, ...], int, _Path]] = [((0,) * len(required), automaton.start, None)]
    seen: dict[tuple[int, ...], list[int]] = {}
    effort = 0
    while todo:
        places, states, path = todo.pop()
        known = seen.setdefault(places, [])
        effort += 1 + len(known)
        if effort > _EFFORT:
            raise Undecided
        if any(automaton.no_better(states, old) for old in known):
            continue
        known[:] = [old for old in known if not automaton.no_better(old, states)]
        known.append(states)
        if places == ends:
            if automaton.accepts(states):
                return _text(path, required, automaton)
            continue
        current = [
            tokens[place] if place < len(tokens) else None for tokens, place in zip(required, places, strict=True)
        ]
        letter = _letter(current)
        if letter is not None:
            moved = tuple(place + (token is not Wild.STAR) for place, token in zip(places, current, strict=True))
            for each in automaton.letters(states, letter):
                after = automaton.step(states, each)
                if automaton.alive(after):
                    todo.append((moved, after, (each, path)))
        for index, token in enumerate(current):
            if token is Wild.STAR:
                skipped = (*places[:index], places[index] + 1, *places[index + 1 :])
                todo.append((skipped, states, path))
    return None


def _letter(current: Sequence[Token | None]) -> Token | None:
    """The character to try next, ``?`` for one that occurs in no pattern; None if the patterns disagree or one ends."""
    letter: Token = Wild.ANY
    for token in current:
        if token is None:
            return None
        if token is Wild.ANY or token is Wild.STAR:
            continue
        if letter is not Wild.ANY and letter != token:
            return None
        letter = token
    if letter is Wild.FIELD and any(token is not Wild.FIELD for token in current):
        return None
    return letter


def _text(path: _Path, required: Sequence[tuple[Token, ...]], excluded: _Automaton) -> str:
    used = {token for tokens in required for token in tokens if isinstance(token, str)} | set(excluded.literal) | {":"}
    fresh = next(char for char in map(chr, range(ord("a"), 0x110000)) if char not in used)
    letters: list[str] = []
    while path is not None:
        token, path = path
        letters.append(fresh if token is Wild.ANY else token.value if isinstance(token, Wild) else token)
    return "".join(reversed(letters))


#: The pattern ``*``.
EVERYTHING = _interned((Wild.STAR,))
