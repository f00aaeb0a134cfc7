"""Schemas made short for a model: they say less, and mean the same."""

from typing import Annotated, Any, Literal

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from trailwarden.errors import UsageError
from trailwarden.faces import compact
from trailwarden.faces.mcp import answer_schema, model_tools
from trailwarden.faces.openapi import examples_of
from trailwarden.faces.schema import converted, json_schema, offers, references

TOOLS = model_tools()
SEARCH = offers()["search"]


def keys(schema: Any) -> set[str]:
    """The keywords of a schema and of those inside it, names of properties aside."""
    if isinstance(schema, list):
        return set().union(*map(keys, schema))
    if not isinstance(schema, dict):
        return set()
    inner = [each for key, value in schema.items() for each in (value.values() if key == "properties" else [value])]
    return set(schema).union(*map(keys, inner))


def described(schema: Any) -> dict[str, str]:
    """What is said of each parameter, by the path of its name."""
    found: dict[str, str] = {}
    for name, each in schema.get("properties", {}).items():
        found[name] = each.get("description", "")
        found |= {f"{name}.{inner}": said for inner, said in described(each).items()}
    return found


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_a_tools_schemas_stand_by_themselves(name: str) -> None:
    for schema in (TOOLS[name].shown.input_schema, TOOLS[name].shown.output_schema):
        assert schema is not None
        jsonschema_rs.meta.validate(schema)
        assert schema["type"] == "object"
        assert not references(schema)
        assert not keys(schema) & {"$defs", "title"}


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_every_parameter_is_described_where_it_comes_first(name: str) -> None:
    found = described(TOOLS[name].shown.input_schema)
    for path, said in found.items():
        # An exclusion's fields are the filter's, and are described there.
        assert said or found[path.replace("where.exclude.", "where.")]


@pytest.mark.parametrize("name", sorted(set(TOOLS) & set(offers())))
def test_the_examples_of_a_tool_are_requests_by_its_short_schema(name: str) -> None:
    offer = offers()[name]
    for example in examples_of(offer):
        jsonschema_rs.validate(TOOLS[name].shown.input_schema, example)


@pytest.mark.parametrize("name", sorted(set(TOOLS) & set(offers())))
def test_a_parameter_keeps_its_name_and_what_it_must_be(name: str) -> None:
    whole, short = json_schema(offers()[name].request), TOOLS[name].shown.input_schema
    assert list(short["properties"]) == list(whole["properties"])
    assert short.get("required", []) == whole["required"]
    assert short["additionalProperties"] is False
    for parameter, schema in whole["properties"].items():
        kept = {key: value for key, value in schema.items() if key in ("minimum", "maximum", "enum", "pattern")}
        assert kept.items() <= short["properties"][parameter].items()


VALUE = (
    st.booleans()
    | st.integers(-2, 10_001)
    | st.sampled_from(["newest", "auto", "x"])
    | st.lists(st.text(max_size=3) | st.integers(), max_size=2)
)
FILTER = st.dictionaries(st.sampled_from(["user", "denied", "usr", "ip"]), VALUE, max_size=2)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "where": FILTER | st.builds(lambda where, without: where | {"exclude": without}, FILTER, FILTER),
        "window": st.dictionaries(st.sampled_from(["last", "from", "since"]), VALUE, max_size=2),
        "order": VALUE,
        "limit": VALUE,
        "exhaustive": VALUE,
        "surely": VALUE,
    },
)


@given(ASKED)
def test_the_short_schema_takes_what_the_tool_takes_and_no_more(asked: dict[str, Any]) -> None:
    try:
        converted(asked, SEARCH.request, "search")
        taken = True
    except UsageError:
        taken = False
    assert jsonschema_rs.is_valid(TOOLS["search"].shown.input_schema, asked) is taken


# ---------------------------------------------------------------- by themselves


class Inner(msgspec.Struct, kw_only=True):
    """What is inside."""

    name: Annotated[str, Meta(description="Its name")]
    level: Literal["low", "high"] | None = None


class Outer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is around it."""

    name: Annotated[str, Meta(description="Its name")]
    must: int | None
    count: Annotated[int, Meta(description="How many; 0: all", ge=0)] = 0
    most: int = 5
    whole: bool = False
    inner: Annotated[Inner | None, Meta(description="One inside")] = None
    several: tuple[Inner, ...] = ()
    either: str | int | None = None


def test_parameters_are_short_and_whole() -> None:
    inner = {"type": "object", "properties": {"name": {"type": "string"}, "level": {"enum": ["high", "low"]}}}
    assert compact.parameters(json_schema(Outer)) == {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "must"],
        "properties": {
            "name": {"type": "string", "description": "Its name"},
            "must": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "count": {"type": "integer", "minimum": 0, "default": 0, "description": "How many; 0: all"},
            "most": {"type": "integer", "default": 5},
            "whole": {"type": "boolean"},
            "inner": {**inner, "required": ["name"], "description": "One inside"},
            "several": {
                "type": "array",
                "items": {**inner, "required": ["name"], "description": "What is inside."},
            },
            "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        },
    }


def test_an_answer_is_its_fields_and_their_types() -> None:
    assert compact.answer(answer_schema(Outer)) == {
        "type": "object",
        "required": ["untrusted", "shortened", "result"],
        "properties": {
            "untrusted": {"const": True},
            "shortened": {"type": "array"},
            "result": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "must": {"type": ["integer", "null"]},
                    "count": {"type": "integer"},
                    "most": {"type": "integer"},
                    "whole": {"type": "boolean"},
                    "inner": {"type": ["object", "null"]},
                    "several": {"type": "array"},
                    "either": {"type": ["string", "integer", "null"]},
                },
            },
        },
    }


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (Any, {}),
        (list[int], {"type": "array"}),
        (dict[str, int] | None, {"type": ["object", "null"]}),
        (Literal["a", 1, None], {"type": ["null", "integer", "string"]}),
    ],
    ids=str,
)
def test_an_answer_that_is_no_struct_is_of_its_type(kind: Any, shown: dict[str, Any]) -> None:
    found = compact.answer(answer_schema(kind))["properties"]["result"]
    assert sorted(found.pop("type", [])) == sorted(shown.pop("type", []))
    assert found == shown
