"""A small evaluator of policy documents, for the emulator alone.

It is deliberately not the product's evaluator: the emulator stands in for AWS, and a mistake shared by both would hide
itself. Wildcards and conditions follow AWS's "IAM JSON policy elements" reference; an operator that it does not know
makes the condition not match.
"""

import fnmatch
import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

Effect = Literal["Allow", "Deny"]
#: Condition keys in lower case → their values.
Context = Mapping[str, tuple[str, ...]]
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Statement:
    """One statement, with its lists normalised."""

    effect: Effect
    action: tuple[str, ...]
    not_action: bool
    resource: tuple[str, ...] | None
    not_resource: bool
    principal: Mapping[str, tuple[str, ...]] | None
    not_principal: bool
    condition: Mapping[str, Mapping[str, tuple[str, ...]]]

    def applies(self, action: str, resource: str, context: Context) -> bool:
        """Whether action, resource and conditions match. Principals are looked at separately."""
        named = _action_pattern(self.action).fullmatch(action.lower()) is not None
        if named == self.not_action:
            return False
        if self.resource is not None:
            found = any(_matches(expand(pattern, context), resource) for pattern in self.resource)
            if found == self.not_resource:
                return False
        return all(
            _holds(operator, key, values, context)
            for operator, keys in self.condition.items()
            for key, values in keys.items()
        )


def _many(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_text(item) for item in value)
    return (_text(value),)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@lru_cache(maxsize=4096)
def read_policy(document: str) -> tuple[Statement, ...]:
    """The statements of a document. Raises ValueError when it is not a JSON policy."""
    parsed = json.loads(document)
    if not isinstance(parsed, dict):
        raise ValueError("a policy is a JSON object")  # noqa: TRY004 - to the caller, both are malformed documents
    statements = parsed.get("Statement", [])
    return tuple(_statement(item) for item in (statements if isinstance(statements, list) else [statements]))


def _statement(item: Mapping[str, Any]) -> Statement:
    principal = item.get("Principal", item.get("NotPrincipal"))
    if isinstance(principal, str):
        principal = {"AWS": principal}
    resource = item.get("Resource", item.get("NotResource"))
    return Statement(
        effect="Deny" if item.get("Effect") == "Deny" else "Allow",
        action=tuple(name.lower() for name in _many(item.get("Action", item.get("NotAction", [])))),
        not_action="NotAction" in item,
        resource=None if resource is None else _many(resource),
        not_resource="NotResource" in item,
        principal=None if principal is None else {kind: _many(names) for kind, names in principal.items()},
        not_principal="NotPrincipal" in item,
        condition={
            operator: {key.lower(): _many(values) for key, values in keys.items()}
            for operator, keys in item.get("Condition", {}).items()
        },
    )


@lru_cache(maxsize=4096)
def _action_pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(_wild(name) for name in names) or r"(?!)", re.DOTALL)


def _wild(pattern: str) -> str:
    return "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_wild(pattern), re.DOTALL)


def _matches(pattern: str, value: str) -> bool:
    return pattern == "*" or _compiled(pattern).fullmatch(value) is not None


def expand(pattern: str, context: Context) -> str:
    """Put policy variables in. An unknown one stays as written, and then matches nothing."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name in ("*", "?", "$"):
            return name
        values = context.get(name.lower(), ())
        return values[0] if len(values) == 1 else found[0]

    return _VARIABLE.sub(value, pattern) if "${" in pattern else pattern


def allows_principal(statement: Statement, names: Sequence[str]) -> str | None:
    """Which of the caller's ``names`` (ARNs, account ids, "*") the statement's principals name; None when none."""
    listed = (statement.principal or {}).get("AWS", ())
    found = next((name for name in names if name in listed), None)
    if statement.not_principal:
        return names[0] if found is None else None
    return found


def verdict(documents: Sequence[str], action: str, resource: str, context: Context) -> Effect | None:
    """Deny when any statement denies, else Allow when any allows, else None (implicitly denied)."""
    result: Effect | None = None
    for document in documents:
        for statement in read_policy(document):
            if statement.effect == "Allow" and result == "Allow":
                continue
            if statement.applies(action, resource, context):
                if statement.effect == "Deny":
                    return "Deny"
                result = "Allow"
    return result


def _holds(operator: str, key: str, wanted: tuple[str, ...], context: Context) -> bool:
    name, if_exists, qualifier = operator, False, ""
    if ":" in name:
        qualifier, name = name.split(":", 1)
    if name.endswith("IfExists"):
        name, if_exists = name.removesuffix("IfExists"), True
    present = context.get(key, ())
    if name == "Null":
        return any((want.lower() == "true") == (not present) for want in wanted)
    if not present:
        return if_exists or qualifier == "ForAllValues" or (name in _NEGATED and qualifier != "ForAnyValue")
    negated = name in _NEGATED
    compare = _OPERATORS.get(_NEGATED.get(name, name))
    if compare is None:
        return False
    expanded = [expand(want, context) for want in wanted]
    hits = [any(compare(value, want) for want in expanded) for value in present]
    if negated:
        hits = [not hit for hit in hits]
    return all(hits) if qualifier == "ForAllValues" or (negated and not qualifier) else any(hits)


def _date(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()


def _in_network(value: str, network: str) -> bool:
    address, block = ipaddress.ip_address(value), ipaddress.ip_network(network, strict=False)
    return address.version == block.version and address in block


def _arn_like(value: str, pattern: str) -> bool:
    values, patterns = value.split(":", 5), pattern.split(":", 5)
    return len(values) == len(patterns) and all(map(_matches, patterns, values))


_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnLike",
    "ArnNotLike": "ArnLike",
}
_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, want: value == want,
    "StringEqualsIgnoreCase": lambda value, want: value.lower() == want.lower(),
    "StringLike": lambda value, want: _matches(want, value),
    "Bool": lambda value, want: value.lower() == want.lower(),
    "BinaryEquals": lambda value, want: value == want,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "IpAddress": _in_network,
    "NumericEquals": lambda value, want: float(value) == float(want),
    "NumericLessThan": lambda value, want: float(value) < float(want),
    "NumericLessThanEquals": lambda value, want: float(value) <= float(want),
    "NumericGreaterThan": lambda value, want: float(value) > float(want),
    "NumericGreaterThanEquals": lambda value, want: float(value) >= float(want),
    "DateEquals": lambda value, want: _date(value) == _date(want),
    "DateLessThan": lambda value, want: _date(value) < _date(want),
    "DateLessThanEquals": lambda value, want: _date(value) <= _date(want),
    "DateGreaterThan": lambda value, want: _date(value) > _date(want),
    "DateGreaterThanEquals": lambda value, want: _date(value) >= _date(want),
}


def action_matches(pattern: str, action: str) -> bool:
    """Whether a wildcard pattern ("iam:List*") names an action, whatever the case."""
    return fnmatch.fnmatchcase(action.lower(), pattern.lower())
