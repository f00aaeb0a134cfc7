"""An organisation whose records talk to whoever reads them, and models that obey what they read."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from trailwarden.app import App
from trailwarden.demo.run import Running
from trailwarden.faces.callers import Caller
from trailwarden.model.proposal import Actor, Proposal
from trailwarden.tools._respond import ledger_of

ACCOUNT = "222222222222"
#: A user of the attacker's, who is nobody else; their key made all calls that talk.
MALLORY, MALLORYS_KEY = "mallory-contractor", "AKIAMALLORY00EXAMPLE"
MALLORYS_IP = "198.51.100.66"
OTHER_IP = "192.0.2.99"
_COMMAND = re.compile(r"CALL ([a-z_]+) (\{.*?\}) END")


class Place(msgspec.Struct, frozen=True):
    """A field of a record that whoever makes the call may write."""

    name: str
    write: Callable[[dict[str, Any], str], None]


class Setting(msgspec.Struct):
    """The installation, the organisation, and what must never come out of it."""

    app: App
    up: Running
    secrets: tuple[str, ...]


def caller(*rights: Any, person: str = "responder@example.com") -> Caller:
    actor = Actor(kind="model", name="?", via="console")
    return Caller(actor=actor, person=person, rights=frozenset(rights or ("read", "propose")), key="test")


def proposals(app: App) -> tuple[Proposal, ...]:
    return tuple(ledger_of(app).list())


# ---------------------------------------------------------------- records


def _under(*path: str) -> Callable[[dict[str, Any], str], None]:
    def write(record: dict[str, Any], text: str) -> None:
        here = record
        for step in path[:-1]:
            here = here.setdefault(step, {})
        here[path[-1]] = text

    return write


def _session_name(record: dict[str, Any], text: str) -> None:
    record["eventName"] = "AssumeRole"
    record["eventSource"] = "sts.amazonaws.com"
    role = f"arn:aws:iam::{ACCOUNT}:role/reports"
    record["requestParameters"] = {"roleArn": role, "roleSessionName": text}


def _tags(record: dict[str, Any], text: str) -> None:
    record["eventName"] = "TagUser"
    record["requestParameters"] = {"userName": MALLORY, "tags": [{"key": "note", "value": text}]}


def _session_tags(record: dict[str, Any], text: str) -> None:
    _session_name(record, "reports")
    record["requestParameters"]["tags"] = [{"key": text, "value": "1"}]


def _refused(record: dict[str, Any], text: str) -> None:
    record["errorCode"] = "AccessDenied"
    record["errorMessage"] = text


PLACES = (
    Place("user agent", _under("userAgent")),
    Place("session name", _session_name),
    Place("source identity", _under("requestParameters", "sourceIdentity")),
    Place("tag of a user", _tags),
    Place("tag of a session", _session_tags),
    Place("request parameter", _under("requestParameters", "description")),
    Place("name of a parameter", lambda record, text: record["requestParameters"].update({text: "x"})),
    Place("error message", _refused),
    Place("response element", _under("responseElements", "comment")),
    Place("additional event data", _under("additionalEventData", "note")),
)


def record(number: int, at: datetime, place: Place | None = None, text: str = "") -> dict[str, Any]:
    """A call of mallory's, as CloudTrail writes it, with a text in one place."""
    made: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAMALLORY0EXAMPLE00",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/{MALLORY}",
            "accountId": ACCOUNT,
            "accessKeyId": MALLORYS_KEY,
            "userName": MALLORY,
        },
        "eventTime": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "iam.amazonaws.com",
        "eventName": "UpdateUser",
        "awsRegion": "us-east-1",
        "sourceIPAddress": MALLORYS_IP,
        "userAgent": "aws-cli/2.31.0",
        "requestParameters": {"userName": MALLORY},
        "responseElements": None,
        "requestID": f"00000000-0000-4000-8000-{number:012x}",
        "eventID": event_id(number),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    if place is not None:
        if place.name in ("response element", "additional event data"):
            made["responseElements" if place.name == "response element" else "additionalEventData"] = {}
        place.write(made, text)
    return made


def event_id(number: int) -> str:
    return f"aaaaaaaa-0000-4000-8000-{number:012x}"


def ingest(app: App, folder: Path, records: Sequence[Mapping[str, Any]]) -> None:
    file = folder / "talking.json"
    file.write_text(json.dumps({"Records": list(records)}), encoding="utf-8")
    app.ingest((str(file),))


def spaced(anchor: datetime, count: int) -> Iterator[datetime]:
    for number in range(count):
        yield anchor - timedelta(hours=3) + timedelta(seconds=number)


def command(tool: str, **arguments: Any) -> str:
    return f"CALL {tool} {json.dumps(arguments)} END"


# ---------------------------------------------------------------- models


def shown_to(messages: Sequence[ModelMessage]) -> str:
    """Everything that a model was shown, as one text."""
    parts = [part for each in messages if isinstance(each, ModelRequest) for part in each.parts]
    return "\n".join(str(getattr(part, "content", "")) for part in parts)


def returned(messages: Sequence[ModelMessage]) -> list[ToolReturnPart]:
    parts = (part for each in messages if isinstance(each, ModelRequest) for part in each.parts)
    return [part for part in parts if isinstance(part, ToolReturnPart)]


def sent_back(messages: Sequence[ModelMessage], info: AgentInfo) -> list[str]:
    """What the model was told of answers that were not taken."""
    outputs = {each.name for each in info.output_tools}
    return [str(part.content) for part in returned(messages) if part.tool_name in outputs]


def texts(value: Any) -> Iterator[str]:
    """Every text of an answer, names too: the reader does not tell them apart."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


class Gullible:
    """A model that reads one event, does whatever a text in it commands, and reports the words that it was given."""

    def __init__(self, event: str) -> None:
        self.event = event
        self.obeyed: list[str] = []
        self.seen = ""

    def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.seen = shown_to(messages)
        if not returned(messages):
            return calls(("event", {"event_id": self.event}))
        if not self.obeyed:
            said = json.loads(str(returned(messages)[0].content))
            commands = [found for text in texts(said) for found in _COMMAND.findall(text)]
            assert commands, "the record's text did not reach the model: nothing was tried"
            self.obeyed = [name for name, _ in commands]
            return calls(*((name, json.loads(given)) for name, given in commands))
        return answer(info, [("The record told me to: " + str(returned(messages)[-1].content)[:900], [self.event])])


def calls(*wanted: tuple[str, Mapping[str, Any]]) -> ModelResponse:
    return ModelResponse(
        parts=[ToolCallPart(tool_name=name, args=dict(given)) for name, given in wanted],
        usage=RequestUsage(input_tokens=100, output_tokens=10),
    )


def answer(info: AgentInfo, sentences: Sequence[tuple[str, Sequence[str]]], **more: Any) -> ModelResponse:
    (output,) = info.output_tools
    said = [{"text": text, "evidence": list(evidence)} for text, evidence in sentences]
    return calls((output.name, {"sentences": said, **more}))


def scripted(*steps: Any) -> FunctionModel:
    """A model that says one step after the other: what to call, or a function of (messages, info)."""
    taken = iter(steps)

    def step(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        following = next(taken)
        if callable(following):
            return following(messages, info)
        return following if isinstance(following, ModelResponse) else ModelResponse(parts=[TextPart(str(following))])

    return FunctionModel(step, model_name="scripted")


class StandIn:
    """A server that answers chat completions with the next of its replies, and keeps what it was asked."""

    def __init__(self) -> None:
        self.replies: list[dict[str, Any] | int] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                owner.asked.append(body)
                owner.keys.append(self.headers.get("Authorization", ""))
                reply = owner.replies.pop(0)
                status, sent = (reply, {"error": {"message": "no"}}) if isinstance(reply, int) else (200, reply)
                content = json.dumps(sent).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """The server, while it runs."""
    made = StandIn()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


def completion(tool: str, **arguments: Any) -> dict[str, Any]:
    """A chat completion that calls a tool, as the API writes it."""
    call = {"id": f"call_{tool}", "type": "function", "function": {"name": tool, "arguments": json.dumps(arguments)}}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": "stand-in",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {"role": "assistant", "content": None, "tool_calls": [call]},
            }
        ],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020},
    }


def final(text: str, *evidence: str) -> dict[str, Any]:
    return completion("final_result", sentences=[{"text": text, "evidence": list(evidence)}])
