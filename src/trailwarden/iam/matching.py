"""Matching of one text against one pattern: wildcards and policy variables as tokens, ARNs by their fields.

Three-valued: a pattern that holds a variable of unknown value may match or not, and the answer is then None.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import re
from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import msgspec

#: True, False, or None for unknown.
Truth: TypeAlias = bool | None


class Wildcard(Enum):
    """``*`` is any text, also none; ``?`` is one character."""

    ANY = "*"
    ONE = "?"


class Variable(msgspec.Struct, frozen=True):
    """``${name, 'default'}``; ``name`` is in lower case, for context keys are case-insensitive."""

    name: str
    default: str | None = None


class Unknown(Enum):
    """The third answer of a context: the key may be there or not, with any value."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
Token: TypeAlias = str | Wildcard | Variable
Tokens: TypeAlias = tuple[Token, ...]
#: What a variable stands for: its value, None if it has none, or UNKNOWN.
Resolve: TypeAlias = Callable[[str], str | Literal[Unknown.UNKNOWN] | None]
Test: TypeAlias = Callable[[str], bool]

_SPECIAL = re.compile(r"\$\{([^}]*)\}|([*?])")
_WILD = re.compile(r"()([*?])")
_VARIABLE = re.compile(r"\s*([^,'\s][^,']*?)\s*(?:,\s*'([^']*)'\s*)?")
_ESCAPES = {"*", "?", "$"}


def tokens_of(text: str, *, wildcards: bool = True, variables: bool = False) -> Tokens:
    """The tokens of a pattern; ``${…}``, or ``*`` and ``?``, are text where they are not asked for."""
    found: list[Token] = []
    position = 0
    for match in (_SPECIAL if variables else _WILD).finditer(text):
        found.append(text[position : match.start()])
        found.append(_token(match, wildcards=wildcards))
        position = match.end()
    found.append(text[position:])
    return joined(found)


def _token(match: re.Match[str], *, wildcards: bool) -> Token:
    inner, wild = match[1], match[2]
    if wild:
        return Wildcard(wild) if wildcards else wild
    if inner in _ESCAPES:
        return inner
    variable = _VARIABLE.fullmatch(inner)
    return Variable(variable[1].lower(), variable[2]) if variable else match[0]


def joined(tokens: Iterable[Token]) -> Tokens:
    """The same tokens with neighbouring texts made one, and no empty text."""
    result: list[Token] = []
    for token in tokens:
        if token == "":
            continue
        if isinstance(token, str) and result and isinstance(result[-1], str):
            result[-1] += token
        else:
            result.append(token)
    return tuple(result)


class Pattern:
    """One pattern of a policy, compiled once. ``fixed`` is its test, or None if it holds variables.

    ``arn``: matched by fields. ``whole``: what is not a complete ARN is matched too, as the Resource element
    allows; the ARN operators do not.
    """

    __slots__ = ("_arn", "_fold", "_whole", "fixed", "text", "tokens")

    def __init__(
        self,
        text: str,
        *,
        wildcards: bool = True,
        variables: bool = False,
        arn: bool = False,
        whole: bool = False,
        ignore_case: bool = False,
    ) -> None:
        self.text = text
        self._fold = ignore_case
        self._arn = arn
        self._whole = whole
        self.tokens = tokens_of(text.lower() if ignore_case else text, wildcards=wildcards, variables=variables)
        variable = any(isinstance(token, Variable) for token in self.tokens)
        self.fixed: Test | None = None if variable else self._compiled(self.tokens)

    def matches(self, value: str, resolve: Resolve) -> Truth:
        """Whether ``value`` is matched; a variable without value matches nothing."""
        if self.fixed is not None:
            return self.fixed(value)
        tokens, certain = self._substituted(resolve)
        if tokens is None:
            return False
        if self._compiled(tokens)(value):
            return True if certain else None
        return False

    def resolvable(self, resolve: Resolve) -> Truth:
        """Whether all its variables have a value."""
        if self.fixed is not None:
            return True
        tokens, certain = self._substituted(resolve)
        return False if tokens is None else True if certain else None

    def _substituted(self, resolve: Resolve) -> tuple[Tokens | None, bool]:
        """The tokens with values for variables (any text for an unknown one), and whether all were known."""
        certain = True
        tokens: list[Token] = []
        for token in self.tokens:
            value = resolve(token.name) if isinstance(token, Variable) else token
            if value is UNKNOWN:
                certain = False
                tokens.append(Wildcard.ANY)
                continue
            if value is None and isinstance(token, Variable):
                value = token.default
            if value is None:
                return None, True
            tokens.append(value.lower() if self._fold and isinstance(value, str) else value)
        # Not joined: in an ARN, a colon inside a value is no separator.
        return tuple(tokens), certain

    def _compiled(self, tokens: Tokens) -> Test:
        if self._arn:
            separable = tuple(isinstance(token, str) for token in self.tokens)
            return _arn_test(tokens, separable, self._whole)
        test = _text_test(joined(tokens))
        return (lambda value: test(value.lower())) if self._fold else test


@lru_cache(maxsize=65536)
def pattern(
    text: str,
    *,
    wildcards: bool = True,
    variables: bool = False,
    arn: bool = False,
    whole: bool = False,
    ignore_case: bool = False,
) -> Pattern:
    """The compiled pattern, from a cache: the same few texts recur through an account's policies."""
    return Pattern(text, wildcards=wildcards, variables=variables, arn=arn, whole=whole, ignore_case=ignore_case)


@lru_cache(maxsize=16384)
def _text_test(tokens: Tokens) -> Test:
    match tokens:
        case ():
            return lambda value: value == ""
        case (str() as text,):
            return lambda value: value == text
        case (Wildcard.ANY,):
            return lambda value: True  # noqa: ARG005
        case (str() as text, Wildcard.ANY):
            return lambda value: value.startswith(text)
        case (Wildcard.ANY, str() as text):
            return lambda value: value.endswith(text)
    return _regex_test(_expression(tokens, "."))


def _regex_test(expression: str) -> Test:
    full = re.compile(expression, re.DOTALL).fullmatch
    return lambda value: full(value) is not None


def _expression(tokens: Tokens, character: str) -> str:
    """A regular expression in time linear in the value: what a ``*`` has skipped is never tried again."""
    segments: list[str] = [""]
    for token in tokens:
        if token is Wildcard.ANY:
            segments.append("")
        elif token is Wildcard.ONE:
            segments[-1] += character
        else:
            segments[-1] += re.escape(str(token))
    first, *rest = segments
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>{character}*?{each})" for each in middle if each) + f"{character}*{last}"


@lru_cache(maxsize=16384)
def _arn_test(tokens: Tokens, separable: tuple[bool, ...], whole: bool) -> Test:
    """A test of a pattern that is an ARN; ``separable`` says in which tokens a colon parts two fields."""
    if tokens and all(token is Wildcard.ANY for token in tokens):
        return lambda value: True  # noqa: ARG005
    if len(tokens) == 1 and not separable[0]:
        return _text_test(tokens)  # one variable, whose value is a whole ARN
    fields = _fields(tokens, separable)
    if len(fields) == 6:
        return _six_fields_test(fields)
    if not whole:
        return lambda value: False  # noqa: ARG005
    as_text = _text_test(joined(tokens))
    if fields[0] != ("arn",):
        return as_text
    # An incomplete ARN means any value of the fields that it lacks.
    completed = _six_fields_test([*fields, *([(Wildcard.ANY,)] * (6 - len(fields)))])
    return lambda value: completed(value) or as_text(value)


def _fields(tokens: Tokens, separable: tuple[bool, ...]) -> list[Tokens]:
    fields: list[list[Token]] = [[]]
    for token, has_colons in zip(tokens, separable, strict=True):
        if not isinstance(token, str) or not has_colons:
            fields[-1].append(token)
            continue
        parts = token.split(":", 6 - len(fields)) if len(fields) < 6 else [token]
        fields[-1].append(parts[0])
        fields.extend([part] for part in parts[1:])
    return [joined(field) for field in fields]


def _six_fields_test(fields: list[Tokens]) -> Test:
    *head, resource = fields
    if any(isinstance(token, str) and ":" in token for field in head for token in field):
        return lambda value: False  # noqa: ARG005
    if all(isinstance(token, str) for field in head for token in field):
        # Without wildcards before it, the last field begins where the text of the others ends.
        text = ":".join("".join(map(str, field)) for field in head) + ":"
        return _text_test(joined([text, *resource]))
    return _regex_test(":".join(_expression(field, "[^:]") for field in head) + ":" + _expression(resource, "."))


def any_matches(patterns: Iterable[Pattern], value: str, resolve: Resolve) -> Truth:
    """Whether at least one pattern matches."""
    result: Truth = False
    for each in patterns:
        truth = each.matches(value, resolve) if each.fixed is None else each.fixed(value)
        if truth:
            return True
        if truth is None:
            result = None
    return result


def none_matches(patterns: Iterable[Pattern], value: str, resolve: Resolve) -> Truth:
    """Whether no pattern matches. A pattern with a variable that has no value makes it False, not True."""
    result: Truth = True
    for each in patterns:
        if each.resolvable(resolve) is False:
            return False
        truth = each.matches(value, resolve)
        if truth:
            return False
        if truth is None or each.resolvable(resolve) is None:
            result = None
    return result


def any_of(truths: Iterable[Truth]) -> Truth:
    """True if one is, else None if one is unknown, else False."""
    result: Truth = False
    for truth in truths:
        if truth:
            return True
        if truth is None:
            result = None
    return result


def all_of(truths: Iterable[Truth]) -> Truth:
    """False if one is, else None if one is unknown, else True."""
    result: Truth = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            result = None
    return result
