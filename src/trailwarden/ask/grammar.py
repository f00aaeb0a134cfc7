"""The grammar: questions as tokens, and the parse of ``grammar.lark``.

A word belongs to the terminal under which ``words.txt`` lists it, the longest listed phrase first; masked names,
ids and times keep the token type that masking gave them. lark is loaded when the first question is asked.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

START_QUESTION, START_FOLLOWUP = "question", "followup"
FILLER = "FILLER"
#: The token types that masking gives, and those that words get which the vocabulary does not list.
MASKS = (
    "USER", "ROLE", "KEY", "IP", "EVENT", "SERVICE", "REGION", "ACCOUNT", "ARN", "INSTANCE", "RESOURCE", "ID",
    "ERROR_CODE", "QUOTED", "AGENT", "SESSION", "SESSION_ID", "PRINCIPAL_ID", "TIME", "WORD",
    "NUMBER", "SYMBOL", "COMMA", "POSSESSIVE",
    "HOST", "ALERT_ID", "ITSELF",
)  # fmt: skip
_TYPEABLE = frozenset(
    ("METHOD", "AUTH_MODEL", "PROVIDERS", "PROVIDER", "FALCON", "SCAN", "ANALYSE", "MAY_VERB", "ADMIN")
)
#: Terminals whose phrases make their words no words of the language: "admin rights" leaves "admin" a name.
_WHOLE = frozenset(
    (
        "TRUST", "ANALYSE", "OVER", "RISKY", "ADMIN", "ADMIN_KIND", "ADMIN_RIGHTS", "BECOME_ADMIN", "BECAME_ADMIN",
        "TOO_MANY", "MAY_VERB", "FALCON", "RELATED", "AFTER", "IMPACT",
    )
)  # fmt: skip
_PIECE = re.compile(r"[^\W_](?:[\w.+=@:/*-]*[\w*])?|[^\s]", re.UNICODE)
_WORD = re.compile(r"[\w*][\w.+=@*-]*")
_PUNCTUATION = frozenset(".?!;:()\"'`-–—…")


class Piece(msgspec.Struct, frozen=True):
    """A part of the question: its token type, its text as written, where it stands, and what masking made of it."""

    type: str
    text: str
    start: int
    end: int
    value: Any = None


class Node(msgspec.Struct, frozen=True):
    """A part of the parse: the rule of the grammar, and what it covers."""

    rule: str
    children: tuple["Node | Piece", ...]

    @property
    def nodes(self) -> list["Node"]:
        """The children that are rules."""
        return [child for child in self.children if isinstance(child, Node)]

    @property
    def tokens(self) -> list[Piece]:
        """The children that are pieces."""
        return [child for child in self.children if isinstance(child, Piece)]

    @property
    def pieces(self) -> list[Piece]:
        """Every piece under it, in order."""
        found: list[Piece] = []
        for child in self.children:
            found.extend(child.pieces if isinstance(child, Node) else (child,))
        return found

    def child(self, *rules: str) -> "Node | None":
        """The first child of one of these rules."""
        return next((node for node in self.nodes if node.rule in rules), None)

    def find(self, *rules: str) -> Iterator["Node"]:
        """Every node of one of these rules, this one included."""
        if self.rule in rules:
            yield self
        for node in self.nodes:
            yield from node.find(*rules)


class Unparsed(msgspec.Struct, frozen=True):
    """Why a question does not parse: the first piece that cannot stand where it stands, None at the end."""

    piece: Piece | None
    before: Piece | None


@cache
def parser(ambiguity: str = "resolve") -> "Lark":
    """The parser of ``grammar.lark``, made once."""
    from lark import Lark  # noqa: PLC0415
    from lark import Token as LarkToken  # noqa: PLC0415
    from lark.lexer import Lexer  # noqa: PLC0415

    class Pieces(Lexer):
        """Hands the pieces over as lark's tokens."""

        def __init__(self, lexer_conf: Any) -> None:
            """All that lark's lexers are configured by is known to the pieces already."""

        def lex(self, pieces: Sequence[Piece]) -> "Iterator[Token]":  # type: ignore[override]
            for index, piece in enumerate(pieces):
                yield LarkToken(piece.type, piece, start_pos=index)

    return Lark(
        f"{_packaged('grammar.lark')}\n%declare {' '.join(sorted({*MASKS, *phrases().values()} - {FILLER}))}\n",
        parser="earley",
        lexer=Pieces,
        start=[START_QUESTION, START_FOLLOWUP],
        ambiguity=ambiguity,
        maybe_placeholders=False,
    )


def _packaged(name: str) -> str:
    from importlib.resources import files  # noqa: PLC0415

    return (files(__package__) / name).read_text(encoding="utf-8")


@cache
def phrases() -> Mapping[tuple[str, ...], str]:
    """Every phrase of ``words.txt``, as its words, and the terminal that lists it."""
    found: dict[tuple[str, ...], str] = {}
    for line in _packaged("words.txt").splitlines():
        terminal, _, listed = line.partition(":")
        if listed and not line.startswith("#"):
            found |= {tuple(phrase.split()): terminal for phrase in listed.split(",")}
    return found


@cache
def reserved() -> frozenset[str]:
    """Every word of the vocabulary: none of them is taken for a name unless it is quoted or typed."""
    return frozenset(
        word for phrase, terminal in phrases().items() for word in phrase if len(phrase) == 1 or terminal not in _WHOLE
    )


@cache
def whole_phrases() -> re.Pattern[str]:
    """The phrases in which a word is no name, though it is one elsewhere: ``admin rights``."""
    listed = sorted(
        (" ".join(phrase) for phrase, terminal in phrases().items() if len(phrase) > 1 and terminal in _WHOLE),
        key=len,
        reverse=True,
    )
    return re.compile(rf"(?<![\w.@-])(?:{'|'.join(map(re.escape, listed))})(?![\w@-])", re.IGNORECASE)


@cache
def typeable() -> frozenset[str]:
    """Words that are names too where a word before them says so: "role web", "table auth", "user falcon"."""
    others = {word for phrase, terminal in phrases().items() if terminal not in _TYPEABLE for word in phrase}
    return reserved() - others


@cache
def _longest() -> int:
    return max(map(len, phrases()))


def tokenize(text: str, masked: Sequence[Piece]) -> tuple[Piece, ...]:
    """``text`` as pieces: the masked ones as they are, the words between them by the vocabulary."""
    pieces: list[Piece] = []
    position = 0
    for mask in masked:
        pieces.extend(_words(text, position, mask.start))
        pieces.append(mask)
        position = mask.end
    return (*pieces, *_words(text, position, len(text)))


def _words(text: str, start: int, end: int) -> Iterator[Piece]:
    found = [(m.group(), m.start(), m.end()) for m in _PIECE.finditer(text, start, end)]
    index = 0
    while index < len(found):
        size, terminal = _phrase_at(found, index)
        first, last = found[index], found[index + size - 1]
        word = text[first[1] : last[2]]
        if terminal or word not in _PUNCTUATION:
            yield Piece(terminal or _kind(word), word, first[1], last[2], int(word) if word.isdecimal() else word)
        index += size


def _phrase_at(found: Sequence[tuple[str, int, int]], index: int) -> tuple[int, str]:
    """The longest phrase of the vocabulary that begins here: how many words it has, and its terminal."""
    for size in range(min(_longest(), len(found) - index), 0, -1):
        terminal = phrases().get(tuple(word.lower() for word, _, _ in found[index : index + size]))
        if terminal:
            return size, terminal
    return 1, ""


def _kind(word: str) -> str:
    if word == ",":
        return "COMMA"
    if word.isdecimal():
        return "NUMBER"
    return "WORD" if _WORD.fullmatch(word) else "SYMBOL"


def parse(pieces: Sequence[Piece], start: str) -> Node | Unparsed:
    """What the grammar makes of ``pieces``, or where the parse stopped."""
    from lark.exceptions import UnexpectedInput, UnexpectedToken  # noqa: PLC0415

    kept = [piece for piece in pieces if piece.type != FILLER]
    try:
        tree: Tree[Token] = parser().parse(kept, start=start)
    except UnexpectedToken as error:
        if error.token.type == "$END":
            return Unparsed(None, kept[-1] if kept else None)
        at = int(error.token.start_pos or 0)
        return Unparsed(kept[at], kept[at - 1] if at else None)
    except UnexpectedInput:
        return Unparsed(None, kept[-1] if kept else None)
    return node_of(tree)


def node_of(tree: "Tree[Token]") -> Node:
    """lark's tree, with the pieces as its leaves."""
    return Node(
        str(tree.data),
        tuple(child.value if hasattr(child, "value") else node_of(child) for child in tree.children),
    )
