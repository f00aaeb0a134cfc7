"""Declarations as JSON: what programs are offered, and how their requests are read. No server needed."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import jsonschema_rs
import msgspec
import pytest
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from trailwarden import catalog
from trailwarden.access import SCOPES, right_for
from trailwarden.app import App
from trailwarden.errors import TrailwardenError, UsageError
from trailwarden.faces.api import api_router, methods_of
from trailwarden.faces.callers import PROGRAM_RIGHTS
from trailwarden.faces.cli import plain_type
from trailwarden.faces.openapi import document, examples_of
from trailwarden.faces.problems import STATUS, body_of, headers_of, status_of
from trailwarden.faces.schema import (
    WITHHELD,
    WITHHELD_PARAMETERS,
    Offer,
    converted,
    json_schema,
    offer,
    offers,
    references,
)
from trailwarden.installation import Installation
from trailwarden.model.event import EVERYTHING, VALUE_FIELDS, EventFilter
from trailwarden.model.time import Window
from trailwarden.tool import Tool, tool

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OFFERS = list(offers().values())


class Here:
    """As much of an installation as reading a request takes."""

    zone = UTC

    @staticmethod
    def now() -> datetime:
        return NOW


HERE = cast("Installation", Here())


def arguments(of: str, body: dict[str, Any]) -> dict[str, Any]:
    found = offers()[of]
    return found.arguments(found.from_json(json.dumps(body).encode()), HERE)


# ---------------------------------------------------------------- what is offered


def test_every_tool_that_a_program_may_call_is_offered_or_withheld_for_a_reason() -> None:
    usable = {each.id for each in catalog.tools().values() if right_for(each.id, each.effect) in PROGRAM_RIGHTS}
    assert set(offers()) == usable - set(WITHHELD)
    assert set(WITHHELD) < usable
    known = {(each.id, parameter.name) for each in catalog.tools().values() for parameter in each.parameters}
    assert set(WITHHELD_PARAMETERS) <= known
    assert all(reason for reason in (*WITHHELD.values(), *WITHHELD_PARAMETERS.values()))


def test_nothing_that_sets_up_decides_or_executes_is_offered() -> None:
    assert not PROGRAM_RIGHTS & {"decide", "execute", "administer"}
    assert {each.tool.effect for each in OFFERS} == {"read", "propose"}
    assert set(SCOPES) == {"read", "propose"}


def test_every_route_states_its_right() -> None:
    router = api_router(cast("App", None), cast("Any", None), cast("Any", None))
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) == len(router.routes)
    found = {
        (each.path, method): (each.openapi_extra or {}).get("right") for each in routes for method in each.methods or ()
    }
    for each in OFFERS:
        for method in methods_of(each):
            assert found.pop((f"/api/v1/tools/{each.tool.id}", method)) == right_for(each.tool.id, each.tool.effect)
    assert {path for path, _ in found} == {"/api/v1", "/api/v1/openapi.json", "/api/v1/{rest:path}"}
    assert set(found.values()) == {"anyone"}


def test_a_tool_with_a_path_of_the_servers_cannot_be_offered() -> None:
    @tool(effect="read", title="Read a file")
    def peek(app: Installation, file: Annotated[Path | None, Meta(description="File")] = None) -> str:
        """What a file holds."""
        return str(file)

    declared: Tool = peek.declaration  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="path of the server's"):
        offer(declared)


@pytest.mark.parametrize("each", OFFERS, ids=lambda each: each.tool.id)
def test_names_in_a_query_are_unambiguous(each: Offer) -> None:
    names = [parameter.name for parameter in each.query]
    assert len(set(names)) == len(names)
    fields = {field.encode_name for field in msgspec.structs.fields(each.request)}
    assert {parameter.place[0] for parameter in each.query} == fields


# ---------------------------------------------------------------- requests


def test_a_request_without_anything_is_the_declarations_defaults() -> None:
    defaults = {each.name: each.default for each in catalog.tools()["search"].parameters}
    assert arguments("search", {}) == defaults
    assert defaults["where"] == EVERYTHING


def test_a_filter_and_a_window_arrive_as_the_tools_own() -> None:
    found = arguments(
        "search",
        {
            "where": {"user": ["john"], "denied": True, "exclude": {"event": ["iam:List*"], "read_only": True}},
            "window": {"from": "2026-11-01", "to": "2026-11-02"},
        },
    )
    assert found["where"] == EventFilter(
        user=("john",), denied=True, exclude=EventFilter(event=("iam:List*",), read_only=True)
    )
    assert found["window"] == Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))


def test_a_window_may_be_told_from_its_end() -> None:
    window = arguments("search", {"window": {"last": "24h"}})["window"]
    assert window == Window(datetime(2026, 11, 23, 12, tzinfo=UTC), NOW)
    assert arguments("search", {"window": None})["window"] is None
    assert arguments("search", {"window": {}})["window"] is None


@pytest.mark.parametrize(
    ("window", "taken"),
    [
        (None, True),
        ({}, True),
        ({"last": "24h"}, True),
        ({"from": "2d", "to": "1d"}, True),
        ({"last": "24h", "from": None, "to": None}, True),
        ({"last": None, "from": "2d"}, True),
        ({"last": "24h", "from": "2d"}, False),
        ({"last": "24h", "to": "1d"}, False),
        ({"last": ""}, False),
        ({"to": ""}, False),
    ],
    ids=str,
)
def test_the_schema_of_a_window_says_what_is_taken(window: dict[str, Any] | None, taken: bool) -> None:
    try:
        arguments("search", {"window": window})
    except UsageError:
        assert not taken
    else:
        assert taken
    assert jsonschema_rs.is_valid(json_schema(offers()["search"].request), {"window": window}) is taken


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"wher": {}}, "wher"),
        ({"where": {"usr": ["john"]}}, "usr"),
        ({"where": {"user": "john"}}, "where.user"),
        ({"where": {"user": [1]}}, "where.user"),
        ({"where": {"exclude": {"exclude": {}}}}, "exclude"),
        ({"window": {"last": "24h", "since": "x"}}, "since"),
        ({"limit": 0}, "limit"),
        ({"limit": "10"}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"limit": None}, "limit"),
        ({"live": "sometimes"}, "live"),
    ],
    ids=str,
)
def test_what_a_declaration_does_not_have_is_refused(body: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        arguments("search", body)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **{name: st.lists(st.text(max_size=8), min_size=1, max_size=3) for name in VALUE_FIELDS},
            "denied": st.booleans(),
            "failed": st.booleans(),
        },
    ),
    st.fixed_dictionaries({}, optional={name: st.lists(st.text(max_size=8), min_size=1) for name in VALUE_FIELDS}),
)
def test_a_query_says_what_a_body_says(where: dict[str, Any], exclude: dict[str, Any]) -> None:
    search = offers()["search"]
    pairs = [(name, value) for name, values in where.items() if isinstance(values, list) for value in values]
    pairs += [(name, str(value).lower()) for name, value in where.items() if isinstance(value, bool)]
    pairs += [(f"not_{name}", value) for name, values in exclude.items() for value in values]
    body = {"where": where | ({"exclude": exclude} if exclude else {})}
    asked = search.arguments(search.from_query(pairs), HERE)
    assert asked == search.arguments(search.from_builtins(body), HERE)
    assert asked == arguments("search", body)


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["where", "user", "window", "last", "limit"]), inner)
)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    search = offers()["search"]
    with suppress(UsageError):  # anything else would fail this
        found = search.arguments(search.from_json(body), HERE)
        assert set(found) == {each.name for each in search.parameters}


@pytest.mark.parametrize("value", ["null", "NULL", "None", "", "0x1"])
def test_a_query_knows_no_null_and_no_other_spelling_of_numbers(value: str) -> None:
    for name in ("limit", "denied"):
        with pytest.raises(UsageError, match=name):
            offers()["search"].from_query([(name, value)])


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**63, 10**30])
def test_a_number_that_not_every_reader_of_json_has_is_refused(number: int) -> None:
    for of, name in (("iam_scan", "limit"), ("audit_list", "before")):
        with pytest.raises(UsageError, match=name):
            arguments(of, {name: number})


# ---------------------------------------------------------------- the document


def test_the_document_holds_together() -> None:
    whole = document(offers())
    assert whole["openapi"] == "3.1.0"
    named = whole["components"]["schemas"]
    assert {each.removeprefix("#/components/schemas/") for each in references(whole)} <= set(named)
    for path, operations in whole["paths"].items():
        tool_id = path.removeprefix("/api/v1/tools/")
        assert set(operations) == ({"get", "post"} if offers()[tool_id].tool.effect == "read" else {"post"})
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            assert {"200", "400", "401", "403"} <= set(operation["responses"])
            assert all(each["description"] for each in operation["parameters"])
    ids = [operation["operationId"] for path in whole["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ids)
    assert not {word for path in whole["paths"] for word in ("approve", "execute", "reject", "decide") if word in path}


@pytest.mark.parametrize("each", OFFERS, ids=lambda each: each.tool.id)
def test_examples_are_requests(each: Offer) -> None:
    schema = json_schema(each.request)
    jsonschema_rs.meta.validate(schema)
    found = list(examples_of(each))
    assert found
    for example in found:
        each.arguments(converted(example, each.request, each.tool.id), HERE)
        jsonschema_rs.validate(schema, example)


@pytest.mark.parametrize("each", OFFERS, ids=lambda each: each.tool.id)
def test_every_parameter_is_described(each: Offer) -> None:
    for parameter in each.parameters:
        plain, meta, _ = plain_type(parameter.type)
        assert plain in (EventFilter, Window) or (meta is not None and meta.description)


# ---------------------------------------------------------------- failures


def _kinds(kind: type[TrailwardenError]) -> set[type[TrailwardenError]]:
    return {kind}.union(*map(_kinds, kind.__subclasses__()))


def test_every_kind_of_failure_has_a_status_of_its_own_choice() -> None:
    mapped = tuple(kind for kind, _ in STATUS)
    theirs = {kind for kind in _kinds(TrailwardenError) if kind.__module__ == "trailwarden.errors"}
    assert {kind for kind in theirs if not issubclass(kind, mapped)} == {TrailwardenError}
    earlier: list[type[TrailwardenError]] = []
    for kind, _ in STATUS:  # a kind after one that includes it would never be reached
        assert not issubclass(kind, tuple(earlier)), kind
        earlier.append(kind)


def test_a_failure_is_told_in_one_shape() -> None:
    error = UsageError("wrong", remedy="right")
    assert body_of(error) == {"error": "wrong", "kind": "UsageError", "remedy": "right"}
    assert status_of(error) == 400
    assert headers_of(error) == {}
