"""The model on the Ask page: offered where it is set up, heard as it works, its sentences held against the store, and
nothing of it followed, filed by an address, or left running when nobody listens."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import anyio
import anyio.to_thread
import httpx
import msgspec
import pytest
from decisions_kit import csrf
from playwright.sync_api import Page, expect
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from web_kit import EVERYTHING, Served, violations

from trailwarden.agent.run import Abandoned, ask_model
from trailwarden.demo.run import Running
from trailwarden.faces.callers import local_caller
from trailwarden.faces.web import model_answers
from trailwarden.model.proposal import Proposal
from trailwarden.settings import AgentSettings
from trailwarden.tools._respond import ledger_of

#: Each width and each scheme once.
LOOKS = [(1280, "dark"), (390, "light")]
NAME = "openai-chat:stand-in"
UNKNOWN = "cccccccc-0000-4000-8000-000000000000"
HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> [open](javascript:alert(1)) "
    '<a href="https://attacker.example/?q=x">evidence</a> https://attacker.example/ \u202egpj.exe'
)
Step = Callable[[list[ModelMessage], AgentInfo], Any]


class Scripted:
    """A model that takes one step after the other, whoever asks. A step may wait; ``ended`` is set when one was ended
    while it did."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.offered: set[str] = set()
        self.waits, self.go_on, self.ended = threading.Event(), threading.Event(), threading.Event()

    def model(self, *_: Any, **__: Any) -> FunctionModel:
        return FunctionModel(self._step, model_name="stand-in")

    async def _step(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.offered |= {each.name for each in info.function_tools}
        said = self.steps.pop(0)(messages, info)
        return await said if hasattr(said, "__await__") else said

    def held(self, then: Step) -> Step:
        """A step that waits for ``go_on``."""

        async def wait(messages: list[ModelMessage], info: AgentInfo) -> Any:
            self.waits.set()
            try:
                await anyio.to_thread.run_sync(self.go_on.wait, abandon_on_cancel=True)
            except anyio.get_cancelled_exc_class():
                self.ended.set()
                raise
            return then(messages, info)

        return wait


def calls(tool: str, **given: Any) -> Step:
    return lambda _, __: ModelResponse(parts=[ToolCallPart(tool_name=tool, args=given)])


def says(*sentences: tuple[str, list[str]], **more: Any) -> Step:
    def step(_: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        (output,) = info.output_tools
        told = [{"text": text, "evidence": evidence} for text, evidence in sentences]
        return ModelResponse(parts=[ToolCallPart(tool_name=output.name, args={"sentences": told, **more})])

    return step


@pytest.fixture
def settings(console: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets ``[agent]`` of the console."""

    def change(**values: Any) -> None:
        changed = msgspec.structs.replace(console.app.settings, agent=AgentSettings(**values))
        monkeypatch.setattr(console.app, "settings", changed)

    return change


@pytest.fixture
def scripted(settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """The console's model."""
    settings(model=NAME)
    made = Scripted()
    monkeypatch.setattr("trailwarden.agent.models.model_in_use", made.model)
    yield made
    made.go_on.set()


@pytest.fixture
def question(organisation: Running) -> str:
    return f"What did {organisation.story.email} do with key {organisation.story.stolen_key}?"


def proposals(console: Served) -> tuple[Proposal, ...]:
    return tuple(ledger_of(console.app).list())


def streamed(client: httpx.Client, question: str, **more: str) -> list[dict[str, Any]]:
    answer = client.get("/ask/answer", params={"q": question, "by": "model", **more})
    return [json.loads(line) for line in answer.text.splitlines()]


def let(client: httpx.Client, question: str, **more: str) -> httpx.Response:
    return client.post("/ask/model", data={"q": question, "csrf": csrf(client), **more})


def by_model(question: str, **more: str) -> str:
    return "/?" + urlencode({"q": question, "by": "model", **more})


# ---------------------------------------------------------------- whether there is one


def test_without_a_model_the_choice_is_not_shown(console: Served, question: str) -> None:
    with console.client(EVERYTHING) as client:
        assert "Answered by" not in client.get("/").text
        page = client.get("/", params={"q": question, "by": "model"})
        data = client.get("/", params={"q": question, "by": "model", "format": "json"})
        streamed_to = streamed(client, question)[-1]["html"]
    assert page.status_code == httpx.codes.OK
    for said in (page.text, streamed_to):
        assert "No language model is set up" in said
        assert "[agent] model = &#34;PROVIDER:MODEL&#34; in config.toml" in said
    assert "data-answer" not in page.text
    assert data.json()["error"] == "no language model is set up"
    assert data.json()["remedy"]


def test_without_the_extra_it_is_said_what_to_install(
    console: Served, settings: Callable[..., None], question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(model=NAME)
    monkeypatch.setattr("trailwarden.agent.models.find_spec", lambda _: None)
    with console.client(EVERYTHING) as client:
        assert "Answered by" not in client.get("/").text
        assert "Pip install &#39;trailwarden[agent]&#39;" in client.get("/", params={"q": question, "by": "model"}).text


def test_with_one_the_page_offers_both_ways(console: Served, scripted: Scripted, question: str) -> None:
    with console.client(EVERYTHING) as client:
        page = client.get("/", params={"q": question}).text
        assert f"Model: {NAME}" in page
        assert "by=model" not in page.partition("data-answer")[2].partition('"')[2].partition('"')[0]
        assert client.get("/", params={"q": question, "by": "nobody"}).status_code == 422


# ---------------------------------------------------------------- what it answers


def test_calls_are_told_as_they_happen_then_the_answer(
    console: Served, organisation: Running, scripted: Scripted, question: str
) -> None:
    event = organisation.story.key_calls[0]
    scripted.steps = [
        calls("search", where={"access_key": [organisation.story.stolen_key]}, limit=3),
        calls("event", event_id="no-such-event"),
        says(("The key was used.", [event])),
    ]
    with console.client("viewer@company.com") as client:
        pieces = streamed(client, question)
    told = [piece for piece in pieces if "step" not in piece]
    assert [next(iter(piece)) for piece in told] == ["calling", "called", "calling", "called", "html"]
    assert told[0]["calling"]["words"] == f"access key {organisation.story.stolen_key}, limit 3"
    assert told[1]["called"]["said"].startswith(("Complete", "Incomplete"))
    assert told[3]["called"]["failed"] is True
    html = told[-1]["html"]
    assert f'href="/events/{event}" data-record="{event}"' in html
    assert "What it called" in html
    assert '<details class="coverage' in html


def test_the_json_is_the_command_line_s(
    console: Served, organisation: Running, scripted: Scripted, question: str
) -> None:
    story, alert = organisation.story, organisation.falcon_story.theft
    console.app.correlate_recent(live="auto")
    answer = says(
        ("The key was used.", [story.key_calls[0], UNKNOWN]), ("Falcon saw it.", [alert]), ("They may be back.", [])
    )
    scripted.steps = [calls("lake_info"), answer, answer]
    with console.client("viewer@company.com") as client:
        said = client.get("/", params={"q": question, "by": "model", "format": "json"}).json()
    assert [each["unproven"] for each in said["sentences"]] == [False, False, True]
    assert said["cited"] == {story.key_calls[0]: "event", alert: "alert"}
    assert said["removed"] == [UNKNOWN]
    assert [each["tool"] for each in said["tools"]] == ["lake_info"]
    assert {"sources", "gaps"} <= set(said["coverage"])
    assert said["model"] == "stand-in"


def test_marks_and_links(page: Page, organisation: Running, scripted: Scripted, question: str) -> None:
    event, alert = organisation.story.key_calls[0], organisation.falcon_story.theft
    answer = says(
        ("The key was used.", [event]), ("Falcon saw it.", [alert]), ("They may be back.", [UNKNOWN]),
        follow_ups=["Who else used that address?"],
    )  # fmt: skip
    scripted.steps = [calls("lake_info"), answer, answer]
    page.goto(by_model(question))
    told = page.locator(".told li")
    expect(told).to_have_count(3, timeout=30_000)
    expect(told.nth(0)).not_to_contain_text("unproven")
    expect(told.nth(2).get_by_text("unproven")).to_be_visible()
    expect(page.get_by_text("The model cited what is not here")).to_contain_text(UNKNOWN)
    expect(told.nth(1).get_by_role("link")).to_have_attribute("href", f"/alerts/{alert.replace(':', '%3A')}")
    told.nth(0).get_by_role("link").click()
    expect(page.get_by_role("dialog").get_by_text("The record, as CloudTrail wrote it")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Who else used that address?").click()
    expect(page.get_by_label("Your question")).to_have_value("Who else used that address?")
    expect(page.locator("[data-answer]")).to_have_count(0)


def test_hostile_words_stay_words(page: Page, scripted: Scripted, question: str) -> None:
    unknown = "<b>id</b>javascript:alert(1)"
    answer = says((HOSTILE, [unknown]), follow_ups=[HOSTILE[:290]])
    scripted.steps = [calls("search", where={"user": [HOSTILE]}), answer, answer]
    page.goto(by_model(question))
    article = page.locator("article.answer")
    expect(article).to_contain_text("<script>alert(1)</script>", timeout=30_000)
    expect(article).to_contain_text("<b>id</b>javascript")
    expect(article).to_contain_text("\\u202egpj.exe")
    expect(article.locator(".told li.unproven")).to_have_count(1)
    for tag in ("script", "img", "b:text('id')", ".told a"):
        assert article.locator(tag).count() == 0, tag
    addresses = article.locator("[href]").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert [each for each in addresses if not each.startswith("/") or each.startswith("//")] == []
    assert violations(page) == []


def test_history_knows_who_was_asked(console: Served, scripted: Scripted, question: str) -> None:
    scripted.steps = [says(("Nothing.", []))]
    with console.client("approver@company.com") as client:
        streamed(client, question)
        page = client.get("/").text
    assert urlencode({"q": question, "by": "model"}).replace("&", "&amp;") in page


def test_all_that_it_does_is_in_the_audit_chain(console: Served, scripted: Scripted, question: str) -> None:
    scripted.steps = [calls("lake_info"), says(("Read.", []))]
    with console.client("viewer@company.com") as client:
        streamed(client, question)
    newest = [(json.loads(each.actor), json.loads(each.body)) for each in console.app.state.audit.newest()]
    entries = [entry for entry in newest if entry[0]["kind"] == "model"][:2]
    assert [body["tool"] for _, body in entries] == ["lake_info", "agent"]
    for actor, body in entries:
        assert actor == {"kind": "model", "name": "stand-in", "via": "console"}
        assert body["on_behalf_of"] == "viewer@company.com"


# ---------------------------------------------------------------- what it proposes


def wanted(organisation: Running) -> tuple[str, dict[str, Any]]:
    """A question that concerns a key, and a proposal on it."""
    key = organisation.story.backdoor_key
    return f"Is key {key} misused, and what should be done?", {"access_key_id": key, "reason": "made by the thief"}


@pytest.mark.parametrize("query", [{}, {"format": "json"}, {"wait": "true"}], ids=["stream", "json", "wait"])
def test_an_address_lets_it_read_alone(
    console: Served, organisation: Running, scripted: Scripted, query: dict[str, str]
) -> None:
    asked, given = wanted(organisation)
    before = proposals(console)
    scripted.steps = [calls("propose_delete_access_key", **given), says(("Tried.", []))]
    with console.client(EVERYTHING) as client:
        path = "/" if query else "/ask/answer"
        answer = client.get(path, params={"q": asked, "by": "model", **query})
    assert answer.status_code == httpx.codes.OK
    assert "search" in scripted.offered
    assert not any(name.startswith("propose_") for name in scripted.offered)
    assert proposals(console) == before


def test_what_asks_to_act_waits_for_a_form(console: Served, scripted: Scripted) -> None:
    with console.client(EVERYTHING) as client:
        (piece,) = streamed(client, "Disable the user john")
    assert 'action="/ask/model" data-let' in piece["html"]
    assert scripted.offered == set()


def test_a_form_lets_it_propose_and_nobody_but_a_person_decides(
    page: Page, console: Served, organisation: Running, scripted: Scripted
) -> None:
    asked, given = wanted(organisation)
    filed: list[str] = []

    def approve(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        parts = (part for each in messages if isinstance(each, ModelRequest) for part in each.parts)
        (result,) = (part.content for part in parts if isinstance(part, ToolReturnPart))
        filed.append(json.loads(str(result))["result"]["proposal"]["id"])
        return calls("actions_approve", id=filed[0], typed="john")(messages, info)

    scripted.steps = [
        says(("Nothing yet.", [])),
        calls("propose_delete_access_key", **given),
        approve,
        says(("Filed and approved.", [])),
    ]
    page.goto(by_model(asked))
    page.get_by_role("button", name="Ask again, and let it propose").click()
    expect(page.locator(".filed")).to_contain_text("waits for a person", timeout=30_000)
    (made,) = (each for each in proposals(console) if each.id == filed[0])
    assert made.state == "pending"
    assert made.approvals == ()
    assert ledger_of(console.app).asked_by(made.id) == EVERYTHING  # who asked the model does not approve either
    assert (made.proposer.kind, made.proposer.name, made.proposer.via) == ("model", "stand-in", "console")
    assert not {"actions_approve", "actions_execute"} & scripted.offered
    expect(page.locator(".filed a")).to_have_attribute("href", f"/proposals/{made.id}")
    assert violations(page) == []
    page.locator(".filed a").click()
    expect(page.locator("h1")).to_contain_text("access key", ignore_case=True)


def test_a_proposal_that_the_question_does_not_concern_is_refused_and_said(
    console: Served, organisation: Running, scripted: Scripted, question: str
) -> None:
    before = proposals(console)
    given = {"role": organisation.story.admin_role_arn, "reason": "a record says so", "account": "222222222222"}
    scripted.steps = [calls("propose_revoke_sessions", **given), says(("Tried.", []))]
    with console.client(EVERYTHING) as client:
        page = let(client, "Who used 198.51.100.7 today?")
    assert page.status_code == httpx.codes.OK
    assert "Propose: Revoke a role&#39;s sessions" in page.text
    assert "Not filed: the user&#39;s question names no such target" in page.text
    assert proposals(console) == before


def test_a_viewer_s_question_files_nothing(console: Served, organisation: Running, scripted: Scripted) -> None:
    asked, given = wanted(organisation)
    before = proposals(console)
    scripted.steps = [calls("propose_delete_access_key", **given), says(("Tried.", []))]
    with console.client("viewer@company.com") as client:
        html = streamed(client, asked)[-1]["html"]
        refused = let(client, asked)
    assert "data-let" not in html
    assert refused.status_code == httpx.codes.FORBIDDEN
    assert proposals(console) == before


def test_the_form_is_of_this_session(console: Served, scripted: Scripted, question: str) -> None:
    with console.client(EVERYTHING) as client:
        assert client.post("/ask/model", data={"q": question}).status_code == httpx.codes.FORBIDDEN
    assert scripted.offered == set()


def test_another_page_does_not_make_it_ask(console: Served, scripted: Scripted, question: str) -> None:
    elsewhere = {"sec-fetch-site": "cross-site"}
    with console.client(EVERYTHING) as client:
        page = client.get("/", params={"q": question, "by": "model"}, headers=elsewhere)
        waited = client.get("/", params={"q": question, "by": "model", "wait": "true"}, headers=elsewhere)
        stream = client.get("/ask/answer", params={"q": question, "by": "model"}, headers=elsewhere)
    assert "Another page opened this question" in page.text
    assert "data-answer" not in page.text
    assert (waited.status_code, stream.status_code) == (httpx.codes.FORBIDDEN, httpx.codes.FORBIDDEN)
    assert scripted.offered == set()


# ---------------------------------------------------------------- failures, bounds, the end


def completion(tool: str, **given: Any) -> dict[str, Any]:
    """A chat completion that calls a tool, as OpenAI's API writes it."""
    call = {"id": f"call_{tool}", "type": "function", "function": {"name": tool, "arguments": json.dumps(given)}}
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


@contextmanager
def standing_in(*replies: int | dict[str, Any]) -> Iterator[str]:
    """A server that speaks as OpenAI's: each time a completion, or a status. Connections are kept open."""
    left = list(replies)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            reply = left.pop(0)
            refused = {"error": {"message": "no <b>such</b> key"}}
            status, said = (reply, refused) if isinstance(reply, int) else (200, reply)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_questions_one_after_the_other_over_http(
    page: Page, organisation: Running, settings: Callable[..., None], question: str
) -> None:
    said = {"text": "The key was used.", "evidence": [organisation.story.key_calls[0]]}
    answered = (completion("lake_info"), completion("final_result", sentences=[said]))
    with standing_in(*answered, *answered) as url:
        settings(model=NAME, url=url)
        for _ in range(2):
            page.goto(by_model(question))
            expect(page.locator(".told")).to_contain_text("The key was used.", timeout=30_000)
    expect(page.get_by_text("2 requests, 2,040 tokens, 1 tool call.")).to_be_visible()


def test_a_server_that_refuses_is_told_with_the_remedy(
    console: Served, settings: Callable[..., None], question: str
) -> None:
    with standing_in(401) as url, console.client(EVERYTHING) as client:
        settings(model=NAME, url=url)
        html = streamed(client, question)[-1]["html"]
    assert "Whoever serves the model refused the credentials" in html
    assert "OPENAI_API_KEY" in html
    assert "<b>such</b>" not in html


def test_a_model_that_cannot_be_reached_is_told(
    console: Served, settings: Callable[..., None], question: str, free_port: int
) -> None:
    settings(model=NAME, url=f"http://127.0.0.1:{free_port}/v1")
    with console.client(EVERYTHING) as client:
        html = streamed(client, question)[-1]["html"]
    assert "The model cannot be reached" in html
    assert "[agent] url" in html


class Bound(msgspec.Struct, frozen=True):
    """What a question may take, what the model does, and what is then said."""

    limits: dict[str, int]
    steps: tuple[Step, ...]
    said: str


BOUNDS = {
    "calls": Bound({"tool_calls": 1}, (calls("lake_info"), calls("lake_info")), "1 calls of tools"),
    "requests": Bound({"requests": 1}, (calls("lake_info"),), "The limits of one question are used up"),
    "form": Bound({}, (lambda _, __: ModelResponse(parts=[TextPart("Sure!")]),) * 4, "did not answer in the form"),
}


@pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
def test_what_stopped_it_is_said(
    console: Served, settings: Callable[..., None], scripted: Scripted, question: str, bound: Bound
) -> None:
    settings(model=NAME, **bound.limits)
    scripted.steps = list(bound.steps)
    with console.client(EVERYTHING) as client:
        html = streamed(client, question)[-1]["html"]
    assert "No answer" in html
    assert bound.said in html
    assert 'class="remedy"' in html


@pytest.mark.parametrize("asked", ["x" * 1001, "   "], ids=["long", "empty"])
def test_what_is_no_question_is_refused(console: Served, scripted: Scripted, asked: str) -> None:
    with console.client(EVERYTHING) as client:
        assert "could not be answered" in streamed(client, asked)[-1]["html"]
    assert scripted.offered == set()


def test_progress_then_stop(page: Page, scripted: Scripted, question: str) -> None:
    scripted.steps = [calls("search", where={"user": ["john"]}), scripted.held(says(("Late.", [])))]
    page.goto(by_model(question))
    row = page.locator("[data-calls] li")
    expect(row).to_contain_text("user john", timeout=30_000)
    expect(row).to_contain_text("omplete")
    assert scripted.waits.wait(30)
    assert violations(page) == []
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="Stopped")).to_be_focused()
    expect(page.locator("[data-calls] li")).to_contain_text("user john")
    assert scripted.ended.wait(30), "the run went on without anybody"
    assert violations(page) == []


def test_leaving_the_page_ends_the_run(page: Page, scripted: Scripted, question: str) -> None:
    scripted.steps = [scripted.held(says(("Late.", [])))]
    page.goto(by_model(question))
    assert scripted.waits.wait(30)
    page.goto("/audit")
    assert scripted.ended.wait(30), "the run went on without anybody"


def test_a_run_that_was_ended_says_so(console: Served, scripted: Scripted, question: str) -> None:
    scripted.steps = [scripted.held(says(("Late.", [])))]
    with pytest.raises(Abandoned):
        ask_model(console.app, question, local_caller(console.app), model=scripted.model(), on_stop=lambda end: end())


def test_only_so_many_are_asked_at_once(
    console: Served, scripted: Scripted, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_answers, "_FREE", threading.BoundedSemaphore(1))
    scripted.steps = [says(("One.", [])), scripted.held(says(("Two.", []))), says(("Three.", []))]
    with console.client(EVERYTHING) as client:
        assert "One." in streamed(client, question)[-1]["html"]
        first = threading.Thread(target=streamed, args=(client, question))
        first.start()
        assert scripted.waits.wait(30)
        assert "questions are with the model already" in streamed(client, question)[-1]["html"]
        scripted.go_on.set()
        first.join(30)
        assert "Three." in streamed(client, question)[-1]["html"]


# ---------------------------------------------------------------- looks


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
def test_the_answer_is_accessible_and_fits(
    page: Page, organisation: Running, scripted: Scripted, question: str
) -> None:
    events = list(organisation.story.key_calls[:8])
    answer = says(("The key was used from an address that it was never used from before. " * 4, events), (HOSTILE, []))
    scripted.steps = [calls("search", where={"access_key": [organisation.story.stolen_key]}), answer]
    page.goto(by_model(question))
    expect(page.locator(".told")).to_be_visible(timeout=30_000)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
