"""Tools as programs call them: from a declaration to the JSON of its parameters, and back to arguments.

Names are the declaration's, without a closing underscore. A filter is an object, or flat in a query (``user``,
``not_user``); a window is ``{"last": "24h"}`` or ``{"from": …, "to": …}``. Unknown names are refused: a misspelt filter
would else match everything.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from .. import catalog
from ..access import right_for
from ..errors import UsageError
from ..installation import Installation
from ..model.event import VALUE_FIELDS, EventFilter
from ..model.time import Window, parse_window
from ..tool import Parameter, Tool
from .callers import PROGRAM_RIGHTS
from .cli import plain_type

S = TypeVar("S", bound=msgspec.Struct)
#: Tools whose right a program can have, and that it is not offered all the same: why.
WITHHELD: Mapping[str, str] = MappingProxyType(
    {
        "audit_export": "it writes a file on the server",
        "export": "its answer has no end that JSON could wait for; search pages by cursor, up to 10,000 events a page",
    }
)
#: Parameters that programs are not offered, and why. Every path of the server's is among them.
WITHHELD_PARAMETERS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("accounts_doctor", "profile"): "it names credentials in the server's own AWS configuration",
        ("audit_verify", "against"): "it is a file of the server",
        ("audit_verify", "export"): "it is a file of the server",
        ("audit_verify", "public_key"): "it belongs to a file of the server",
        ("iam_can", "authorization_details"): "it is a file of the server",
        ("iam_role", "authorization_details"): "it is a file of the server",
        ("iam_scan", "authorization_details"): "it is a file of the server",
        ("iam_who_can", "authorization_details"): "it is a file of the server",
    }
)
_SWITCHES = ("denied", "failed", "read_only")
#: The largest whole number of JSON (RFC 8259, section 6).
_LARGEST = 2**53 - 1
#: Windows that are told in both ways at once, as JSON Schema says it; a null is no text, and tells nothing.
_TOLD_TWICE = {
    "type": "object",
    "required": ["last"],
    "properties": {"last": {"type": "string"}},
    "anyOf": [{"required": [each], "properties": {each: {"type": "string"}}} for each in ("from", "to")],
}
_BOUNDS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")


#: A time or a duration as text.
Told = Annotated[str, Meta(min_length=1)]


class Span(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}
):
    """A window of time: ``last``, or ``from`` and ``to``. Without a zone, times are in the installation's."""

    last: Annotated[Told | None, Meta(description="Up to now, from that long ago: 30m, 24h, 7d, 2w")] = None
    start: Annotated[Told | None, Meta(description="Start, included: 2026-11-24T03:00Z, yesterday, 24h (ago)")] = None
    end: Annotated[Told | None, Meta(description="End, excluded; a date alone includes that day")] = None


def _filter(name: str, doc: str, *more: tuple[str, Any, Any]) -> type[msgspec.Struct]:
    own = [
        (field.name, field.type, field.default)
        for field in msgspec.structs.fields(EventFilter)
        if field.name in (*VALUE_FIELDS, *_SWITCHES)
    ]
    return msgspec.defstruct(
        name, [*own, *more], frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True,
        namespace={"__doc__": doc}, module=__name__,
    )  # fmt: skip


_ABOUT = "values match whole, * is any run of characters; all given fields must hold, of several values any"
_Exclude = _filter("Exclude", f"Events to leave out: {_ABOUT}.")
_Where = _filter("Where", f"Which events: {_ABOUT}.", ("exclude", _Exclude | None, None))


class QueryParameter(msgspec.Struct, frozen=True):
    """A parameter in a query: where its value belongs in the body, its type (to leave it out is to say nothing, so
    that there is no null), and whether it may be repeated."""

    name: str
    place: tuple[str, ...]
    type: Any
    many: bool
    required: bool
    description: str

    def read(self, values: Sequence[str]) -> Any:
        """The value, from its texts.

        Raises:
            UsageError: one too many, or of the wrong type.
        """
        if len(values) > 1 and not self.many:
            raise UsageError(f"{self.name} is given twice", remedy="give it once")
        try:
            return msgspec.convert(values if self.many else values[0], self.type, strict=False)
        except msgspec.ValidationError as error:
            raise UsageError(
                f"{self.name}: {error}", remedy="the parameter's description says what it takes"
            ) from error


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as programs call it. ``request`` is the type of its parameters as JSON."""

    tool: Tool
    parameters: tuple[Parameter, ...]
    request: type[msgspec.Struct]
    query: tuple[QueryParameter, ...]

    def from_json(self, body: bytes) -> msgspec.Struct:
        """The request of a JSON body; nothing is ``{}``.

        Raises:
            UsageError: not JSON, an unknown name, or a value of the wrong type.
        """
        try:
            return msgspec.json.decode(body.strip() or b"{}", type=self.request)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _wrong(error, self.request, self.tool.id) from error

    def from_builtins(self, given: Mapping[str, Any]) -> msgspec.Struct:
        """The request of decoded JSON; raises as :meth:`from_json`."""
        return converted(given, self.request, self.tool.id)

    def from_query(self, pairs: Iterable[tuple[str, str]]) -> msgspec.Struct:
        """The request of a query's names and values.

        Raises:
            UsageError: an unknown name, one value too many, or a value of the wrong type.
        """
        known = {each.name: each for each in self.query}
        given: dict[str, list[str]] = {}
        for name, value in pairs:
            if name not in known:
                raise UsageError(f"{self.tool.id} has no parameter {name[:100]!r}", remedy=_names(known))
            given.setdefault(name, []).append(value)
        body: dict[str, Any] = {}
        for name, values in given.items():
            here = body
            for step in known[name].place[:-1]:
                here = here.setdefault(step, {})
            here[known[name].place[-1]] = known[name].read(values)
        return converted(body, self.request, self.tool.id)

    def arguments(self, request: msgspec.Struct, app: Installation) -> dict[str, Any]:
        """The tool's arguments.

        Raises:
            UsageError: a time that cannot be read, or a window told in two ways.
        """
        return {each.name: _value(getattr(request, each.name), app) for each in self.parameters}


def converted(given: Mapping[str, Any], kind: type[S], name: str) -> S:
    """Decoded JSON as a request of the tool ``name``.

    Raises:
        UsageError: an unknown name, or a value of the wrong type.
    """
    try:
        return msgspec.convert(given, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _wrong(error, kind, name) from error


def _wrong(error: Exception, kind: type[msgspec.Struct], name: str) -> UsageError:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    return UsageError(f"not a request of {name}: {error}", remedy=_names(fields))


def _names(known: Mapping[str, Any]) -> str:
    return f"its parameters: {', '.join(known)}" if known else "it takes no parameters"


def wire(name: str) -> str:
    """A parameter's name in JSON and in queries: ``id`` of ``id_``."""
    return name.rstrip("_")


@cache
def offers() -> Mapping[str, Offer]:
    """Every tool that programs are offered: those whose right a program can have, but for what is withheld."""
    return MappingProxyType(
        {
            each.id: offer(each)
            for each in catalog.tools().values()
            if right_for(each.id, each.effect) in PROGRAM_RIGHTS and each.id not in WITHHELD
        }
    )


def offer(tool: Tool) -> Offer:
    """A tool as programs call it.

    Raises:
        TypeError: a parameter is a path of the server's and is not withheld, or must be given but is.
    """
    parameters = tuple(each for each in tool.parameters if (tool.id, each.name) not in WITHHELD_PARAMETERS)
    if any(each.required for each in tool.parameters if each not in parameters):
        raise TypeError(f"{tool.id} cannot be offered without a parameter that it needs")
    fields: list[Any] = []
    for each in parameters:
        kind = _kind(each)
        fields.append((each.name, kind) if each.required else (each.name, kind, _default(each)))
    named = "".join(word.capitalize() for word in tool.id.split("_"))
    request = msgspec.defstruct(
        f"{named}Request",
        fields,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        rename={each.name: wire(each.name) for each in parameters},
        namespace={"__doc__": f"Parameters of {tool.id}."},
        module=__name__,
    )
    return Offer(
        tool=tool,
        parameters=parameters,
        request=request,
        query=tuple(found for each in parameters for found in _in_query(each)),
    )


def _kind(parameter: Parameter) -> Any:
    """The type of a parameter as JSON has it, with its description."""
    annotation, meta, optional = plain_type(parameter.type)
    if annotation is EventFilter:
        return _Where
    if annotation is Window:
        about = "Only this time: last, or from and to"
        return Annotated[Span | None, Meta(description=about, extra_json_schema={"not": _TOLD_TWICE})]
    item = plain_type(get_args(annotation)[0])[0] if get_origin(annotation) is tuple else annotation
    if isinstance(item, type) and issubclass(item, Path):
        raise TypeError(f"{parameter.name} is a path of the server's: withhold it")
    bounded = _bounded(annotation, meta)
    return Annotated[bounded | None if optional else bounded, Meta(description=_described(meta))]


def _bounded(annotation: Any, meta: Meta | None) -> Any:
    """A type with its bounds: those of a value, where there is one. Numbers are such as every reader of JSON has."""
    bounds = {each: getattr(meta, each) for each in _BOUNDS} if meta is not None else dict.fromkeys(_BOUNDS)
    if annotation is int:
        bounds |= {} if bounds["ge"] is not None or bounds["gt"] is not None else {"ge": -_LARGEST}
        bounds |= {} if bounds["le"] is not None or bounds["lt"] is not None else {"le": _LARGEST}
    return Annotated[annotation, Meta(**bounds)]


def _default(parameter: Parameter) -> Any:
    return _Where() if isinstance(parameter.default, EventFilter) else parameter.default


def _value(value: Any, app: Installation) -> Any:
    if isinstance(value, _Where | _Exclude):
        inner = {field: _value(getattr(value, field), app) for field in value.__struct_fields__}
        return EventFilter(**inner)
    if isinstance(value, Span):
        if value.last is not None and (value.start is not None or value.end is not None):
            raise UsageError("last and from/to exclude each other", remedy="give last, or from and to")
        return parse_window(last=value.last, start=value.start, end=value.end, now=app.now(), zone=app.zone)
    return value


def _in_query(parameter: Parameter) -> Iterable[QueryParameter]:
    name = wire(parameter.name)
    annotation, meta, _ = plain_type(parameter.type)
    if annotation is EventFilter:
        fields = {field.name: field for field in msgspec.structs.fields(EventFilter)}
        for each in (*VALUE_FIELDS, *_SWITCHES):
            kind, meta, _ = plain_type(fields[each].type)
            said = _described(meta)
            yield QueryParameter(each, (name, each), kind, each in VALUE_FIELDS, False, said)
        for each in VALUE_FIELDS:
            said = f"Leave out events that {each} would find"
            yield QueryParameter(
                f"not_{each}", (name, "exclude", each), plain_type(fields[each].type)[0], True, False, said
            )
    elif annotation is Window:
        for field in msgspec.structs.fields(Span):
            said = _described(plain_type(field.type)[1])
            yield QueryParameter(field.encode_name, (name, field.encode_name), Told, False, False, said)
    else:
        many = get_origin(annotation) is tuple
        yield QueryParameter(name, (name,), _bounded(annotation, meta), many, parameter.required, _described(meta))


def _described(meta: Meta | None) -> str:
    return (meta.description if meta else None) or ""


def json_schema(type_: Any) -> dict[str, Any]:
    """The JSON Schema of a type by itself: an object at its root where it is one, others under ``$defs``."""
    schema: dict[str, Any] = tidy(msgspec.json.schema(type_, schema_hook=as_text))
    ref: str | None = schema.pop("$ref", None)
    if ref is None:
        return schema
    named: dict[str, Any] = schema["$defs"]
    root = named[ref.removeprefix("#/$defs/")]
    if ref not in references(named):
        del named[ref.removeprefix("#/$defs/")]
    return {**root, "$defs": named} if named else root


def references(schema: Any) -> frozenset[str]:
    """Every ``$ref`` in a schema."""
    if isinstance(schema, dict):
        own = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
        return frozenset(own).union(*(references(each) for each in schema.values()))
    return frozenset().union(*map(references, schema)) if isinstance(schema, list) else frozenset()


def components(types: Iterable[Any]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """The schemas of several types, and those that they refer to as ``#/components/schemas/…``."""
    roots, named = msgspec.json.schema_components(
        types, schema_hook=as_text, ref_template="#/components/schemas/{name}"
    )
    return tuple(map(tidy, roots)), tidy(named)


def as_text(_: Any) -> dict[str, Any]:
    """The schema of what the JSON encoder writes as its text."""
    return {"type": "string"}


def tidy(schema: Any) -> Any:
    """A schema whose descriptions are on one line a paragraph, as docstrings mean them."""
    if isinstance(schema, dict):
        return {
            key: " ".join(value.split()) if key == "description" and isinstance(value, str) else tidy(value)
            for key, value in schema.items()
        }
    return [tidy(each) for each in schema] if isinstance(schema, list | tuple) else schema
