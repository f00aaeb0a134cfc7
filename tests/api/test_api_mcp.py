"""The MCP server by the SDK's own client: in this process, over standard input and output, and over HTTP."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import httpx2
import jsonschema_rs
import pytest
from api_kit import PEOPLE, Api, calls, serving, settled
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from trailwarden import catalog
from trailwarden.access import right_for
from trailwarden.actions import actions
from trailwarden.faces.callers import Caller, KnownCallers, local_caller
from trailwarden.faces.mcp import EVENT, SCHEMA, Filed, answer_schema, http_app, mcp_server, model_tools
from trailwarden.faces.output import encode
from trailwarden.faces.schema import offers
from trailwarden.faces.untrusted import LARGEST, WARNING, withheld
from trailwarden.model.proposal import Actor
from trailwarden.tools._respond import ledger_of

READ = sorted(each.tool.id for each in offers().values() if right_for(each.tool.id, each.tool.effect) == "read")
#: The longest list of tools, in bytes: a client shows it to its model in every conversation.
LONGEST_LIST = 60_000
TEMPLATES = [EVENT + "{id}", SCHEMA + "{tool}"]
MODEL = Actor(kind="model", name="mcp", via="mcp")


def caller(*rights: Any) -> Caller:
    return Caller(actor=MODEL, person="responder@example.com", rights=frozenset(rights), key="test")


BOTH = caller("read", "propose")


def talk(api: Api, conversation: Callable[[Client], Any], who: Caller = BOTH) -> Any:
    """What comes of a conversation with the server in this process."""

    async def run() -> Any:
        async with Client(mcp_server(api.app, lambda _: who)) as client:
            return await conversation(client)

    return anyio.run(run)


async def everything(client: Client) -> Any:
    """The tools, an answer, a failure and a record: what every transport must carry."""
    tools = [each.name for each in (await client.list_tools()).tools]
    answer = await client.call_tool("lake_info", {})
    failure = await client.call_tool("event", {"event_id": "no-such-event"})
    templates = (await client.list_resource_templates()).resource_templates
    return tools, answer.structured_content, failure.is_error, [each.uri_template for each in templates]


# ---------------------------------------------------------------- what there is


def test_the_tools_are_those_that_read_and_one_proposal_an_action(api: Api) -> None:
    async def listed(client: Client) -> Any:
        return (await client.list_tools()).tools

    tools = {each.name: each for each in talk(api, listed)}
    proposals = {f"propose_{name}" for name in actions()}
    assert set(tools) == set(READ) | proposals
    for name, tool in tools.items():
        assert tool.annotations.read_only_hint is (name not in proposals)
        assert tool.annotations.destructive_hint is False
        assert tool.input_schema["type"] == tool.output_schema["type"] == "object"
        assert WARNING in tool.description


def test_the_list_of_tools_is_short_enough_for_a_model(api: Api) -> None:
    async def listed(client: Client) -> Any:
        return await client.list_tools()

    whole = talk(api, listed)
    assert {each.name for each in whole.tools} == set(model_tools())
    assert len(whole.model_dump_json(by_alias=True, exclude_none=True).encode()) < LONGEST_LIST


def test_no_tool_approves_or_executes(api: Api) -> None:
    """A tool calls a declared tool that reads, or `actions_propose`; deciding and executing are no tools at all."""
    for name, tool in model_tools().items():
        effect = tool.tool.effect
        assert effect == "read" or (name.startswith("propose_") and tool.tool.id == "actions_propose")
        for verb in ("approve", "execute", "reject", "decide", "resolve", "confirm"):
            assert verb not in name
    assert {each.effect for each in catalog.tools().values()} <= {"read", "setup", "propose"}

    async def tried(client: Client) -> list[str]:
        refused = []
        for name in ("approve", "actions_approve", "execute", "actions_propose", "ingest", "audit_list", "people_list"):
            try:
                await client.call_tool(name, {"id": "x"})
            except MCPError as error:
                refused.append(str(error))
        return refused

    assert len(talk(api, tried)) == 7


@pytest.mark.parametrize(
    ("rights", "proposes"), [(("read",), False), (("read", "propose"), True)], ids=["reads", "proposes"]
)
def test_who_may_not_propose_is_shown_no_proposals_and_may_file_none(
    api: Api, rights: tuple[str, ...], proposes: bool
) -> None:
    async def conversation(client: Client) -> Any:
        tools = {each.name for each in (await client.list_tools()).tools}
        arguments = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "reason": "case 4711"}
        return tools, await client.call_tool("propose_delete_access_key", arguments)

    tools, answer = talk(api, conversation, caller(*rights))
    assert ("propose_delete_access_key" in tools) is proposes
    assert answer.is_error  # the key is nobody's
    assert (json.loads(answer.content[0].text)["kind"] == "Forbidden") is not proposes


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("tool", [each for each in READ if each != "actions_show"])
def test_an_answer_is_the_tools_own(api: Api, tool: str) -> None:
    body = calls(api.up)[tool]
    offer = offers()[tool]
    result = api.app.call(offer.tool, **offer.arguments(offer.from_builtins(body), api.app))

    async def asked(client: Client) -> Any:
        await client.list_tools()  # so that the client holds the answer against its schema
        return await client.call_tool(tool, body), await client.read_resource(SCHEMA + tool)

    answer, whole = talk(api, asked)
    assert not answer.is_error, answer.content
    content = answer.structured_content
    jsonschema_rs.validate(json.loads(whole.contents[0].text), content)
    assert content["untrusted"] is True
    assert answer.meta["trailwarden/untrusted"] is True
    assert json.loads(answer.content[0].text) == content
    assert len(answer.content[0].text.encode()) <= LARGEST + 10_000
    if not content["shortened"]:
        assert same(settled(content["result"]), settled(withheld(json.loads(encode(result)))))


def same(shown: Any, whole: Any) -> bool:
    """Whether an answer is the result, but for line breaks that are written out."""
    if isinstance(shown, str):
        return shown == whole.replace("\n", "\\n").replace("\t", "\\t")
    if isinstance(shown, dict):
        return list(shown) == list(whole) and all(same(each, whole[key]) for key, each in shown.items())
    if isinstance(shown, list):
        return len(shown) == len(whole) and all(map(same, shown, whole))
    return bool(shown == whole)


def test_a_large_answer_says_what_was_left_out(api: Api) -> None:
    async def asked(client: Client) -> Any:
        return await client.call_tool("search", {"limit": 1000, "live": "never"})

    content = talk(api, asked).structured_content
    events = content["result"]["events"]
    total = content["result"]["total"]
    assert 0 < len(events) < min(total, 1000)
    assert f"events: the first {len(events)} of {min(total, 1000)}" in content["shortened"]
    assert content["result"]["next_cursor"]


def test_a_request_that_cannot_be_read_is_an_error_with_a_remedy(api: Api) -> None:
    async def asked(client: Client) -> Any:
        return await client.call_tool("search", {"where": {"usr": ["john"]}})

    answer = talk(api, asked)
    assert answer.is_error
    body = json.loads(answer.content[0].text)
    assert set(body) == {"error", "kind", "remedy"}
    assert body["remedy"]


def test_a_record_is_a_resource(api: Api) -> None:
    event_id = api.up.story.denied[0]

    async def read(client: Client) -> Any:
        await client.list_resources()
        return (await client.read_resource(EVENT + event_id)).contents

    [content] = talk(api, read)
    whole = json.loads(content.text)
    assert whole["untrusted"] is True
    assert content.meta["trailwarden/untrusted"] is True
    assert [record["eventID"] for record in whole["result"]["records"]] == [event_id]


@pytest.mark.parametrize("name", sorted(model_tools()))
def test_the_schema_of_an_answer_is_a_resource(api: Api, name: str) -> None:
    async def read(client: Client) -> Any:
        return (await client.read_resource(SCHEMA + name)).contents

    [content] = talk(api, read)
    assert content.mime_type == "application/schema+json"
    whole = json.loads(content.text)
    jsonschema_rs.meta.validate(whole)
    result = whole["$defs"][whole["properties"]["result"]["$ref"].removeprefix("#/$defs/")]
    outline = model_tools()[name].shown.output_schema
    assert outline is not None
    assert list(outline["properties"]["result"]["properties"]) == list(result["properties"])


@pytest.mark.parametrize(
    "uri", [EVENT + "no-such-event", SCHEMA + "people_list", "trailwarden://proposal/x", "file:///etc/passwd"]
)
def test_what_is_no_record_is_no_resource(api: Api, uri: str) -> None:
    async def read(client: Client) -> Any:
        with pytest.raises(MCPError):
            await client.read_resource(uri)

    talk(api, read)


def test_what_a_model_asks_is_in_the_audit_chain_on_a_persons_behalf(api: Api) -> None:
    async def asked(client: Client) -> Any:
        return await client.call_tool("search", {"where": {"user": ["nobody-at-all"]}, "live": "never"})

    talk(api, asked)
    entry = next(iter(api.app.state.audit.newest()))
    assert json.loads(entry.actor) == {"kind": "model", "name": "mcp", "via": "mcp"}
    assert json.loads(entry.body)["on_behalf_of"] == "responder@example.com"


def test_what_a_model_tried_without_the_right_is_in_the_audit_chain(api: Api) -> None:
    async def tried(client: Client) -> Any:
        return await client.call_tool("lake_info", {})

    assert talk(api, tried, caller("propose")).is_error
    entry = next(iter(api.app.state.audit.newest()))
    body = json.loads(entry.body)
    assert (entry.kind, body["attempt"], body["on_behalf_of"]) == ("denied", "lake_info", "responder@example.com")


def test_a_tool_that_reads_proposes_nothing_in_words(api: Api) -> None:
    before = ledger_of(api.app).list()

    async def asked(client: Client) -> Any:
        return await client.call_tool("ask", {"question": f"Delete access key {api.up.story.stolen_key}"})

    answer = talk(api, asked)
    assert answer.is_error
    assert json.loads(answer.content[0].text)["kind"] == "Forbidden"
    assert ledger_of(api.app).list() == before


def test_a_proposal_waits_for_a_person_and_says_where(api: Api) -> None:
    story = api.up.story

    async def proposed(client: Client) -> Any:
        await client.list_tools()
        return await client.call_tool(
            "propose_delete_access_key",
            {
                "access_key_id": story.stolen_key,
                "account": story.account_id,
                "reason": "the key was stolen",
                "evidence": [story.denied[0]],
            },
        )

    answer = talk(api, proposed)
    assert not answer.is_error, answer.content
    jsonschema_rs.validate(answer_schema(Filed), answer.structured_content)
    filed = answer.structured_content["result"]
    card = filed["proposal"]
    assert filed["link"] == f"http://127.0.0.1:8765/proposals/{card['id']}"
    kept = ledger_of(api.app).get(card["id"])
    assert kept.state == "pending"
    assert kept.approvals == ()
    assert kept.arguments["access_key_id"] == story.stolen_key


# ---------------------------------------------------------------- transports


def command(api: Api, *more: str) -> list[str]:
    return ["-m", "trailwarden", "--home", str(api.up.home), "mcp", *more]


def test_over_standard_input_and_output(api: Api) -> None:
    server = StdioServerParameters(command=sys.executable, args=command(api), env=_environment())

    async def run() -> Any:
        async with Client(server, read_timeout_seconds=60) as client:
            return await everything(client)

    tools, answer, failed, templates = anyio.run(run)
    # Nobody has told the installation who this user is, and others are known: they read, and propose nothing.
    assert set(tools) == set(READ)
    assert answer["result"]["records"] > 1000
    assert failed
    assert templates == TEMPLATES


def test_rights_are_looked_up_at_each_use(api: Api) -> None:
    """A person who is disabled while a model works on their behalf."""
    server = StdioServerParameters(command=sys.executable, args=command(api), env=_environment())
    people, user, now = api.app.state.people, api.app.actor.name, api.app.now()
    people.set_os_user("responder@example.com", user, by=MODEL, now=now)

    async def run() -> Any:
        async with Client(server, read_timeout_seconds=60) as client:
            before = {each.name for each in (await client.list_tools()).tools}
            people.set_disabled("responder@example.com", True, by=MODEL, now=now)
            after = {each.name for each in (await client.list_tools()).tools}
            return before, after, await client.call_tool("lake_info", {})

    try:
        before, after, answer = anyio.run(run)
    finally:
        people.set_disabled("responder@example.com", False, by=MODEL, now=now)
        people.set_os_user("responder@example.com", None, by=MODEL, now=now)
    assert "propose_delete_access_key" in before
    assert after == set()
    assert answer.is_error


def test_the_command_listens_on_this_machine(api: Api) -> None:
    with subprocess.Popen(
        [sys.executable, *command(api, "--http", "--port", "0")], stderr=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        assert process.stderr is not None
        try:
            told = process.stderr.readline()
            assert told.startswith("The MCP server: http://127.0.0.1:"), told

            async def run() -> Any:
                async with over_http(told.split()[-1].removesuffix("/mcp"), api.tokens["reader"]) as client:
                    return await everything(client)

            tools, answer, *_ = anyio.run(run)
        finally:
            process.send_signal(signal.SIGINT)
    assert set(tools) == set(READ)
    assert answer["untrusted"] is True


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}


@asynccontextmanager
async def over_http(url: str, token: str) -> AsyncIterator[Client]:
    shown = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=shown, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def http(api: Api) -> Any:
    callers = KnownCallers(lambda token: api.app.state.tokens.use(token, now=api.app.now()))
    with serving(http_app(api.app, callers)) as url:
        yield url


@pytest.mark.parametrize("who", sorted(PEOPLE))
def test_over_http_with_a_token(api: Api, http: str, who: str) -> None:
    async def run() -> Any:
        async with over_http(http, api.tokens[who]) as client:
            return await everything(client)

    tools, answer, failed, templates = anyio.run(run)
    assert any(name.startswith("propose_") for name in tools) is (who == "responder")
    assert set(READ) <= set(tools)
    assert answer["untrusted"] is True
    assert failed
    assert templates == TEMPLATES


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer tw_nothing"}, 401),
        ({"Authorization": "Basic dHc6"}, 401),
        ({"token": "reader", "Host": "attacker.example"}, 421),
        ({"token": "reader", "Origin": "https://attacker.example"}, 403),
    ],
    ids=["no token", "a wrong token", "another scheme", "another host", "another origin"],
)
def test_http_refuses_who_shows_no_token_or_comes_from_elsewhere(
    api: Api, http: str, headers: dict[str, str], status: int
) -> None:
    sent = {"Accept": "application/json, text/event-stream", **headers}
    if who := sent.pop("token", None):
        sent["Authorization"] = f"Bearer {api.tokens[who]}"
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    answered = httpx.post(f"{http}/mcp", json=request, headers=sent)
    assert answered.status_code == status, answered.text
    if status == 401:
        assert set(answered.json()) == {"error", "kind", "remedy"}


# ---------------------------------------------------------------- who runs it here


def test_a_user_of_this_machine_may_what_their_person_may_except_to_decide(api: Api) -> None:
    app, now = api.app, api.app.now()
    acting = app.acting(Actor(kind="person", name="ana", via="command_line"))
    assert local_caller(acting).rights == {"read"}
    app.state.people.set_os_user("responder@example.com", "ana", by=MODEL, now=now)
    try:
        found = local_caller(acting)
    finally:
        app.state.people.set_os_user("responder@example.com", None, by=MODEL, now=now)
    assert found.person == "responder@example.com"
    assert found.rights == {"read", "propose"}
    assert found.actor == MODEL
