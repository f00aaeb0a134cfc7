"""Falcon Query Language, as far as the stand-in knows it. What it does not know it refuses.

    expression = term {"," term}             any of the terms
    term       = factor {"+" factor}         all of the factors
    factor     = "(" expression ")" | field ":" ["!"] [">" | ">=" | "<" | "<="] value
    value      = 'text' | number | "[" value {"," value} "]"

Text is compared without regard to case; in it ``*`` is a wildcard and a backslash takes the next character as it is.

https://www.falconpy.io/Usage/Falcon-Query-Language.html
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from ...model.time import parse_event_time

Matcher = Callable[[Mapping[str, Any]], bool]
_TOKEN = re.compile(
    r"(?P<field>[a-z_][a-z0-9_.]*)(?=:)|(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+)|(?P<op>>=|<=|[:!><+,()\[\]])",
    re.DOTALL,
)
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
}


class FqlError(Exception):
    """A filter that is not FQL, or that asks for a field which is not known."""


def parse(text: str, fields: Collection[str]) -> Matcher:
    """What a filter says of an entity; an empty one is true of all.

    Raises:
        FqlError: it is not of this grammar, or a field is not among ``fields``.
    """
    if not text:
        return lambda _: True
    parser = _Parser(text, fields)
    matcher = parser.expression()
    parser.end()
    return matcher


class _Parser:
    def __init__(self, text: str, fields: Collection[str]) -> None:
        self._fields = fields
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise FqlError(f"invalid filter at {position}")
            self._tokens.append((str(match.lastgroup), match.group()))
            position = match.end()
        self._at = 0

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise FqlError(f"invalid filter: {self._tokens[self._at][1]!r} is not expected")

    def expression(self) -> Matcher:
        terms = [self._term()]
        while self._took(","):
            terms.append(self._term())
        return lambda entity: any(term(entity) for term in terms)

    def _term(self) -> Matcher:
        factors = [self._factor()]
        while self._took("+"):
            factors.append(self._factor())
        return lambda entity: all(factor(entity) for factor in factors)

    def _factor(self) -> Matcher:
        if self._took("("):
            inner = self.expression()
            self._need(")")
            return inner
        kind, field = self._next()
        if kind != "field":
            raise FqlError(f"invalid filter: {field!r} is no field")
        if field not in self._fields:
            raise FqlError(f"invalid filter: unknown field {field}")
        self._need(":")
        negated = self._took("!")
        order = next((each for each in _ORDERS if self._took(each)), None)
        wanted = self._values()
        if order is not None and len(wanted) != 1:
            raise FqlError("invalid filter: a comparison has one value")

        def matches(entity: Mapping[str, Any]) -> bool:
            found = value_at(entity, field)
            if order is not None:
                return found is not None and _compared(found, order, wanted[0])
            return any(_equal(found, each) for each in wanted) is not negated

        return matches

    def _values(self) -> list[str | int]:
        if not self._took("["):
            return [self._value()]
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        self._need("]")
        return values

    def _value(self) -> str | int:
        kind, text = self._next()
        if kind == "number":
            return int(text)
        if kind == "text":
            return text[1:-1]
        raise FqlError(f"invalid filter: {text!r} is no value")

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise FqlError("invalid filter: it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _took(self, op: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("op", op):
            self._at += 1
            return True
        return False

    def _need(self, op: str) -> None:
        if not self._took(op):
            raise FqlError(f"invalid filter: {op!r} is missing")


def value_at(entity: Mapping[str, Any], field: str) -> Any:
    """The value of a field; a dot goes into an object."""
    value: Any = entity
    for name in field.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _compared(found: Any, order: str, wanted: str | int) -> bool:
    if isinstance(wanted, int):
        return isinstance(found, int) and _ORDERS[order](found, wanted)
    moments: list[datetime | None] = [parse_event_time(text) for text in (str(found), wanted)]
    if None in moments:
        raise FqlError(f"invalid filter: {wanted!r} is no time")
    return _ORDERS[order](*moments)


def _equal(found: Any, wanted: str | int) -> bool:
    if isinstance(wanted, int):
        return bool(found == wanted)
    if not isinstance(found, str):
        return False
    pattern = "".join(
        ".*" if part == "*" else re.escape(part[-1]) for part in re.findall(r"\\.|\*|[^\\]", wanted, re.DOTALL)
    )
    return re.fullmatch(pattern, found, re.IGNORECASE | re.DOTALL) is not None
