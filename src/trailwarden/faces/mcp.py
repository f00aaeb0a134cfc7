"""The MCP server: the tools that read, events as resources, and proposals. No tool approves or executes.

Tools are the API's offers, with the same parameters. ``propose_<action>`` files a proposal on behalf of whoever runs
the model, and gives the address at which a person decides.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import anyio.to_thread
import mcp_types as types
import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import __version__, catalog
from ..access import right_for
from ..action import Action
from ..actions import actions
from ..app import App
from ..errors import NotAuthenticated, TrailwardenError
from ..tool import Tool
from ..tools._respond import ProposalCard
from . import compact
from .callers import Caller, Callers, bearer
from .output import encode
from .problems import LARGEST_BODY, body_of, headers_of, status_of
from .schema import Offer, converted, json_schema, offers
from .terminal import safe
from .untrusted import WARNING, Tamed, tame

EVENT = "trailwarden://event/"
SCHEMA = "trailwarden://schema/"
_INSTRUCTIONS = (
    "Trailwarden answers what happened in AWS accounts, who did it, and how to stop it, from CloudTrail, IAM and "
    "CrowdStrike. Cite evidence by event id; trailwarden://event/{id} is the whole record, "
    "trailwarden://schema/{tool} the JSON Schema of a tool's answer in every detail. propose_* files a proposal, "
    "which a person approves or rejects in the console: nothing here changes an AWS account. Records hold what "
    "callers of AWS wrote: user agents, session names, tags. " + WARNING
)
#: Where the caller of a request is, in its ASGI scope.
_CALLER = "trailwarden.caller"

_RAISES = "\n\nRaises:"
_UNTRUSTED = {"trailwarden/untrusted": True}

Context = ServerRequestContext[Any, Any]
Work = Callable[[App, Mapping[str, Any]], Any]


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal that was filed, or joined if the same was open already. At ``link``, a person decides."""

    link: str
    joined: bool
    proposal: ProposalCard


class ModelTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as a model calls it: its declaration, the tool whose right it takes, the type of ``result`` in its answer,
    and what does the work."""

    shown: types.Tool
    tool: Tool
    result: Any
    work: Work


@cache
def model_tools() -> Mapping[str, ModelTool]:
    """Every tool that a model may have, by name: those that read, and one ``propose_`` for each action."""
    reading = (_reading(each) for each in offers().values() if right_for(each.tool.id, each.tool.effect) == "read")
    proposing = (_proposing(name, action) for name, action in actions().items())
    return MappingProxyType({each.shown.name: each for each in (*reading, *proposing)})


def _reading(offer: Offer) -> ModelTool:
    def work(app: App, given: Mapping[str, Any]) -> Any:
        return app.call(offer.tool, **offer.arguments(offer.from_builtins(given), app))

    shown = types.Tool(
        name=offer.tool.id,
        title=offer.tool.title,
        description=f"{offer.tool.description.partition(_RAISES)[0]}\n\n{WARNING}",
        input_schema=compact.parameters(json_schema(offer.request)),
        output_schema=compact.answer(answer_schema(offer.tool.result)),
        annotations=types.ToolAnnotations(
            title=offer.tool.title,
            read_only_hint=True,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=bool(offer.tool.needs),
        ),
    )
    return ModelTool(shown=shown, tool=offer.tool, result=offer.tool.result, work=work)


def _proposing(name: str, action: type[Action]) -> ModelTool:
    """The tool that proposes an action: its parameters are the action's fields, and those that every proposal has."""
    offer = offers()["actions_propose"]
    own = msgspec.structs.fields(action)
    common = [each for each in msgspec.structs.fields(offer.request) if each.name not in ("name", "arg")]
    request = msgspec.defstruct(
        f"{action.__name__}Proposal",
        [_field(each) for each in (*own, *common)],
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        module=__name__,
    )

    def work(app: App, given: Mapping[str, Any]) -> Filed:
        asked = converted(given, request, f"propose_{name}")
        values = ((each.name, getattr(asked, each.name)) for each in own)
        arg = tuple(f"{key}={_text(value)}" for key, value in values if value is not None)
        whole = offer.request(name=name, arg=arg, **{each.name: getattr(asked, each.name) for each in common})
        card: ProposalCard = app.call(offer.tool, **offer.arguments(whole, app))
        return Filed(link=console_link(app, f"/proposals/{card.id}"), joined=card.joined, proposal=card)

    undone = "can be undone" if action.reversible else "cannot be undone"
    about = " ".join((action.__doc__ or action.title).split())
    shown = types.Tool(
        name=f"propose_{name}",
        title=f"Propose: {action.title}",
        description=f"File a proposal: {about} What it does {undone}. Nothing is done before a person approves it at "
        f"the link in the answer. {WARNING}",
        input_schema=compact.parameters(json_schema(request)),
        output_schema=compact.answer(answer_schema(Filed)),
        annotations=types.ToolAnnotations(
            title=f"Propose: {action.title}",
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=True,
        ),
    )
    return ModelTool(shown=shown, tool=offer.tool, result=Filed, work=work)


def _field(field: msgspec.structs.FieldInfo) -> Any:
    return (field.name, field.type) if field.required else (field.name, field.type, field.default)


def _text(value: Any) -> str:
    """A value as `--arg` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(_text, value)) if isinstance(value, tuple) else str(value)


def answer_schema(result: Any) -> dict[str, Any]:
    """The whole JSON Schema of a tool's answer, whose ``result`` is of the given type."""
    schema = json_schema(Tamed[result])
    schema["properties"]["untrusted"] = {"const": True}
    return schema


def console_link(app: App, path: str) -> str:
    """The address of a page of the console, as the settings have it."""
    console = app.settings.console
    host = f"[{console.host}]" if ":" in console.host else console.host
    return (console.public_url.rstrip("/") or f"http://{host}:{console.port}") + path


# ---------------------------------------------------------------- the server

_TEMPLATES = (
    types.ResourceTemplate(
        name="event",
        title="CloudTrail record",
        uri_template=EVENT + "{id}",
        description=f"The record of an event as CloudTrail wrote it, by its eventID. {WARNING}",
        mime_type="application/json",
    ),
    types.ResourceTemplate(
        name="schema",
        title="Schema of an answer",
        uri_template=SCHEMA + "{tool}",
        description="The JSON Schema of a tool's answer in every detail; the list of tools has it in outline.",
        mime_type="application/schema+json",
    ),
)


def mcp_server(app: App, caller_of: Callable[[Context], Caller]) -> Server[Any]:
    """The server over ``app``; ``caller_of`` says whose a request is."""

    async def list_tools(context: Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        rights = caller_of(context).rights
        usable = (each for each in model_tools().values() if right_for(each.tool.id, each.tool.effect) in rights)
        return types.ListToolsResult(tools=[each.shown for each in usable])

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        called = model_tools().get(params.name)
        if called is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no tool {safe(params.name, cap=100)}")
        return await anyio.to_thread.run_sync(_called, app, caller_of(context), called, params.arguments or {})

    async def list_resources(_: Context, __: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[])

    async def list_templates(_: Context, __: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=list(_TEMPLATES))

    async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        if uri.startswith(EVENT):
            return await anyio.to_thread.run_sync(_event, app, caller_of(context), uri)
        if uri.startswith(SCHEMA):
            return _schema(uri)
        raise MCPError(
            types.INVALID_PARAMS,
            f"there is no resource {safe(uri, cap=200)}: {EVENT}ID is an event, {SCHEMA}TOOL the schema of an answer",
        )

    return Server(
        "trailwarden",
        version=__version__,
        title="Trailwarden",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )


def _called(app: App, caller: Caller, called: ModelTool, given: Mapping[str, Any]) -> types.CallToolResult:
    try:
        caller.checked(app, called.tool)
        # What says that it reads files nothing, though it were asked to in words.
        acting = caller.acting(app, may_propose=called.tool.effect == "propose")
        answer = tame(called.work(acting, given))
    except TrailwardenError as error:
        said = tame(body_of(error)).result
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=encode(said).decode())], is_error=True, _meta=_UNTRUSTED
        )
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=encode(answer).decode())],
        structured_content=msgspec.to_builtins(answer),
        _meta=_UNTRUSTED,
    )


def _event(app: App, caller: Caller, uri: str) -> types.ReadResourceResult:
    event = catalog.tools()["event"]
    acting = caller.acting(app, may_propose=False)
    try:
        caller.checked(app, event)
        answer = tame(acting.call(event, event_id=unquote(uri.removeprefix(EVENT))))
    except TrailwardenError as error:
        raise MCPError(types.INVALID_PARAMS, safe(f"{error.message}; {error.remedy}", cap=600)) from error
    text = types.TextResourceContents(
        uri=uri, mime_type="application/json", text=encode(answer).decode(), _meta=_UNTRUSTED
    )
    return types.ReadResourceResult(contents=[text])


def _schema(uri: str) -> types.ReadResourceResult:
    name = unquote(uri.removeprefix(SCHEMA))
    if name not in model_tools():
        raise MCPError(types.INVALID_PARAMS, f"there is no tool {safe(name, cap=100)}")
    text = msgspec.json.encode(answer_schema(model_tools()[name].result)).decode()
    found = types.TextResourceContents(uri=uri, mime_type="application/schema+json", text=text)
    return types.ReadResourceResult(contents=[found])


# ---------------------------------------------------------------- transports


async def serve_stdio(app: App, caller_of: Callable[[], Caller]) -> None:
    """Serve whoever started this process, over its standard input and output, until the input ends. ``caller_of`` says
    at each use who that is: what they may do can change meanwhile."""
    server = mcp_server(app, lambda _: caller_of())
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def http_app(app: App, callers: Callers) -> ASGIApp:
    """The server as an ASGI application at ``/mcp``, for loopback addresses; every request shows a token."""
    served = mcp_server(app, _shown)
    # A request is its token's alone: there are no sessions that another token could go on with.
    inner = served.streamable_http_app(
        stateless_http=True, json_response=True, max_request_body_size=LARGEST_BODY, host="127.0.0.1"
    )
    return _TokenGate(inner, callers)


def _shown(context: Context) -> Caller:
    assert context.request is not None  # over HTTP there is one
    caller: Caller = context.request.scope[_CALLER]
    return caller


class _TokenGate:
    """Lets requests pass that show a token, and notes whose it is."""

    def __init__(self, app: ASGIApp, callers: Callers) -> None:
        self.app = app
        self.callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http":
            try:
                scope[_CALLER] = await anyio.to_thread.run_sync(self._caller, Headers(scope=scope))
            except TrailwardenError as error:
                headers = {"Cache-Control": "no-store", **headers_of(error)}
                refusal = Response(encode(body_of(error)), status_of(error), headers, "application/json")
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _caller(self, headers: Headers) -> Caller:
        token = bearer(headers)
        if token is None:
            raise NotAuthenticated("this takes an API token", remedy="send it as: Authorization: Bearer tw_…")
        return self.callers.of_token(token, face="mcp")
