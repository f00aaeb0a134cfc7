"""Condition operators: one table, and the rules for absent keys, several values, and set operators.

Every answer is True, False, or None where the key's value is unknown.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from typing import Any, TypeAlias

import msgspec

from ..model.policy import Condition
from .context import Context
from .matching import UNKNOWN, Truth, all_of, any_matches, any_of, none_matches, pattern

#: Does one value of the request satisfy the operator and the policy's values, negation included?
ValueTest: TypeAlias = Callable[[str, Context], Truth]
ConditionTest: TypeAlias = Callable[[Context], Truth]


class Operator(msgspec.Struct, frozen=True):
    """How an operator reads its values (``build``), and whether it asks for none of them instead of one of them."""

    build: Callable[..., ValueTest]
    negated: bool = False


def holds(condition: Condition, context: Context, *, variables: bool) -> Truth:
    """Whether a condition holds; ``variables``: whether the policy's version substitutes ``${…}``."""
    return condition_test(condition, variables)(context)


@lru_cache(maxsize=65536)
def condition_test(condition: Condition, variables: bool) -> ConditionTest:
    """The condition, compiled."""
    if condition.operator == "Null":
        return _null_test(condition)
    spec = OPERATORS[condition.operator]
    test = spec.build(condition.values, negated=spec.negated, variables=variables)
    combine = _COMBINE[condition.qualifier]
    absent = _when_absent(condition, negated=spec.negated)
    key = condition.key

    def decide(context: Context) -> Truth:
        values = context.get(key)
        if values is None:
            return absent
        if values is UNKNOWN:
            return None
        return combine(values, test, context)

    return decide


def _null_test(condition: Condition) -> ConditionTest:
    """``Null: true`` asks for the key's absence, ``false`` for its presence."""
    key = condition.key
    wanted = {value.lower() for value in condition.values}

    def decide(context: Context) -> Truth:
        values = context.get(key)
        if values is UNKNOWN:
            return None
        return ("true" if values is None else "false") in wanted

    return decide


def _when_absent(condition: Condition, *, negated: bool) -> bool:
    """What a condition is without its key: ForAnyValue needs a value, whatever follows it."""
    if condition.qualifier is not None:
        return condition.qualifier == "ForAllValues"
    return negated or condition.if_exists


def _single(values: Sequence[str], test: ValueTest, context: Context) -> Truth:
    """Without a set operator, a key with several values matches nothing."""
    return test(values[0], context) if len(values) == 1 else False


_COMBINE: dict[str | None, Callable[[Sequence[str], ValueTest, Context], Truth]] = {
    None: _single,
    "ForAllValues": lambda values, test, context: all_of(test(value, context) for value in values),
    "ForAnyValue": lambda values, test, context: any_of(test(value, context) for value in values),
}


def _texts(
    values: Sequence[str],
    *,
    negated: bool,
    variables: bool,
    wildcards: bool = False,
    ignore_case: bool = False,
    arn: bool = False,
) -> ValueTest:
    patterns = tuple(
        pattern(value, wildcards=wildcards, variables=variables, ignore_case=ignore_case, arn=arn) for value in values
    )
    decide = none_matches if negated else any_matches
    return lambda value, context: decide(patterns, value, context.resolve)


def _typed(
    values: Sequence[str],
    *,
    negated: bool,
    variables: bool,
    parse: Callable[[str], Any],
    compare: Callable[[Any, Any], bool],
) -> ValueTest:
    """An operator of a type of its own; it has no variables. What is not of the type satisfies nothing."""
    del variables
    wanted = [parse(value) for value in values]

    def test(value: str, context: Context) -> Truth:
        del context
        found = parse(value)
        if found is None or (negated and None in wanted):
            return False
        return negated != any(each is not None and compare(found, each) for each in wanted)

    return test


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


_EPOCH = re.compile(r"-?\d+(\.\d+)?")
_YEAR_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?")


def _date(text: str) -> datetime | None:
    """ISO 8601 down to the year alone, or seconds since 1970; without a zone it is UTC."""
    stripped = text.strip()
    try:
        if match := _YEAR_MONTH.fullmatch(stripped):
            return datetime(int(match[1]), int(match[2] or 1), 1, tzinfo=UTC)
        if _EPOCH.fullmatch(stripped):
            return datetime.fromtimestamp(float(stripped), UTC)
        parsed = datetime.fromisoformat(stripped)
    except (ValueError, OverflowError, OSError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.strip().lower())


def _binary(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=16384)
def _network(text: str) -> _Network | None:
    """An address (as a network of one) or a CIDR block; bits beyond the mask are disregarded."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _within(inner: _Network, outer: _Network) -> bool:
    # subnet_of refuses to compare the two versions, and types the two separately.
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


_number_operator = partial(partial, _typed, parse=_number)
_date_operator = partial(partial, _typed, parse=_date)
_address = partial(_typed, parse=_network, compare=_within)
_arn = partial(_texts, wildcards=True, arn=True)
_any_case = partial(_texts, ignore_case=True)
_like = partial(_texts, wildcards=True)

OPERATORS: dict[str, Operator] = {
    "StringEquals": Operator(_texts),
    "StringNotEquals": Operator(_texts, negated=True),
    "StringEqualsIgnoreCase": Operator(_any_case),
    "StringNotEqualsIgnoreCase": Operator(_any_case, negated=True),
    "StringLike": Operator(_like),
    "StringNotLike": Operator(_like, negated=True),
    "NumericEquals": Operator(_number_operator(compare=operator.eq)),
    "NumericNotEquals": Operator(_number_operator(compare=operator.eq), negated=True),
    "NumericLessThan": Operator(_number_operator(compare=operator.lt)),
    "NumericLessThanEquals": Operator(_number_operator(compare=operator.le)),
    "NumericGreaterThan": Operator(_number_operator(compare=operator.gt)),
    "NumericGreaterThanEquals": Operator(_number_operator(compare=operator.ge)),
    "DateEquals": Operator(_date_operator(compare=operator.eq)),
    "DateNotEquals": Operator(_date_operator(compare=operator.eq), negated=True),
    "DateLessThan": Operator(_date_operator(compare=operator.lt)),
    "DateLessThanEquals": Operator(_date_operator(compare=operator.le)),
    "DateGreaterThan": Operator(_date_operator(compare=operator.gt)),
    "DateGreaterThanEquals": Operator(_date_operator(compare=operator.ge)),
    "Bool": Operator(partial(_typed, parse=_boolean, compare=operator.eq)),
    "BinaryEquals": Operator(partial(_typed, parse=_binary, compare=operator.eq)),
    "IpAddress": Operator(_address),
    "NotIpAddress": Operator(_address, negated=True),
    # AWS documents Equals and Like as the same for ARNs.
    "ArnEquals": Operator(_arn),
    "ArnLike": Operator(_arn),
    "ArnNotEquals": Operator(_arn, negated=True),
    "ArnNotLike": Operator(_arn, negated=True),
}
