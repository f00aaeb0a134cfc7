"""JSON Schemas as short as a model can afford to read: a client puts every tool's into every conversation.

Parameters keep their names, types, bounds and descriptions; answers keep the names and types of their fields. The whole
schema of an answer is a resource of its own.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

_NULL = {"type": "null"}
_NONE: Mapping[str, Any] = MappingProxyType({})
#: JSON's names of Python's types.
_TYPES: Mapping[type, str] = MappingProxyType(
    {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
)


def parameters(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a tool's parameters: without references, titles, and what leaving a parameter out says.

    It allows what ``schema`` does, but for null in place of nothing. Which parameters exclude each other is left to
    words: not every client reads ``not``. What a parameter is, is said where it comes first: an exclusion's fields are
    the filter's.
    """
    short = _short(schema, schema.get("$defs", _NONE), _NONE)
    short.pop("description", None)
    return short


def _short(schema: Mapping[str, Any], named: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, Any]:
    """``said``: the descriptions of the parameters around this one, by name."""
    whole = _resolved(schema, named)
    short = {
        key: value
        for key, value in whole.items()
        if key not in ("$defs", "title", "default", "properties", "items", "anyOf", "not")
        and not (key == "required" and not value)
    }
    if not _is_nothing(whole.get("default")):
        short["default"] = whole["default"]
    if "properties" in whole:
        described = {name: each.get("description", "") for name, each in whole["properties"].items()}
        short["properties"] = {
            name: {
                key: value
                for key, value in _short(each, named, {**said, **described}).items()
                if key != "description" or value != said.get(name)
            }
            for name, each in whole["properties"].items()
        }
    if "items" in whole:
        short["items"] = _short(whole["items"], named, said)
    if "anyOf" in whole:
        short["anyOf"] = [_short(each, named, said) for each in whole["anyOf"]]
    return short


def _is_nothing(default: Any) -> bool:
    """Whether a default says no more than that the parameter may be left out; that it is 0 says more."""
    return default is None or default is False or default in ("", [], {})


def _resolved(schema: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """A schema in place of a reference to it, or of a choice between it and null that says nothing."""
    given = dict(schema)
    if "anyOf" in given and given.get("default", _NULL) is None:
        given["anyOf"] = [each for each in given["anyOf"] if each != _NULL]
        if len(given["anyOf"]) == 1:
            [only] = given.pop("anyOf")
            given = {**only, **given}
    if "$ref" in given:
        found = named[given.pop("$ref").removeprefix("#/$defs/")]
        return _resolved({**found, **given}, named)
    return given


def answer(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an answer, as deep as the types of the fields of ``result``: it allows what ``schema`` does."""
    named = schema.get("$defs", _NONE)
    result = _resolved(schema["properties"]["result"], named)
    fields = {name: _typed(each, named) for name, each in schema["properties"].items()}
    inner = {name: _typed(each, named) for name, each in result.get("properties", _NONE).items()}
    if inner:
        fields["result"]["properties"] = inner
    return {"type": "object", "properties": fields, "required": schema["required"]}


def _typed(schema: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    if "const" in schema:
        return {"const": schema["const"]}
    found = list(dict.fromkeys(_types(schema, named)))
    if not found or "" in found:
        return {}
    return {"type": found[0] if len(found) == 1 else found}


def _types(schema: Mapping[str, Any], named: Mapping[str, Any]) -> Iterator[str]:
    """JSON's types that a schema allows; an empty one stands for any."""
    if "$ref" in schema:
        yield from _types(named[schema["$ref"].removeprefix("#/$defs/")], named)
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _types(each, named)
    elif "enum" in schema:
        yield from (_TYPES[type(value)] for value in schema["enum"])
    else:
        kind = schema.get("type", "")
        yield from kind if isinstance(kind, list) else [kind]
