"""The API over real HTTP, in front of the demo organisation."""

import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from api_kit import ADMIN, PEOPLE, Api, calls, settled

from trailwarden.access import SessionLimits, right_for
from trailwarden.faces.api import methods_of
from trailwarden.faces.output import encode
from trailwarden.faces.problems import LARGEST_BODY
from trailwarden.faces.schema import offers
from trailwarden.tools._respond import ledger_of

SHAPE = {"error", "kind", "remedy"}
READ = sorted(each.tool.id for each in offers().values() if right_for(each.tool.id, each.tool.effect) == "read")
ROUTES = [(each.tool.id, method) for each in offers().values() for method in methods_of(each)]
#: What each token reaches: the lesser of its scopes and its person's roles.
REACH = {
    "reader": {"read"},
    "responder": {"read", "propose"},
    "narrow": {"read"},
    "wide": {"read"},
}


def failure(answered: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert answered.status_code == status, answered.text
    assert answered.headers["content-type"] == "application/json"
    body: dict[str, Any] = answered.json()
    assert set(body) - {"suggestions"} == SHAPE
    assert body["kind"] == kind, body
    assert body["error"]
    return body


def proposal(api: Api, reason: str = "case 4711") -> dict[str, Any]:
    """The body of a proposal to delete the stolen key."""
    return {
        "name": "delete_access_key",
        "arg": [f"access_key_id={api.up.story.stolen_key}"],
        "account": api.up.story.account_id,
        "reason": reason,
        "evidence": [api.up.story.denied[0]],
    }


# ---------------------------------------------------------------- answers


def test_every_tool_that_reads_has_a_call_here(api: Api) -> None:
    assert set(calls(api.up)) | {"actions_show"} == set(READ)


@pytest.mark.parametrize("tool", [each for each in READ if each != "actions_show"])
def test_an_answer_is_the_tools_own(api: Api, tool: str) -> None:
    body = calls(api.up)[tool]
    offer = offers()[tool]
    expected = json.loads(encode(api.app.call(offer.tool, **offer.arguments(offer.from_builtins(body), api.app))))
    answered = api.post(tool, body)
    assert answered.status_code == 200, answered.text
    assert answered.headers["content-type"] == "application/json"
    assert settled(answered.json()) == settled(expected)


@pytest.mark.parametrize(
    ("tool", "query"),
    [
        (
            "search",
            "access_key={story.stolen_key}&denied=true&not_event=iam:List*&limit=4&order=oldest&live=never&{span}",
        ),
        ("sessions_list", "user={story.email}&live=never"),
        ("event", "event_id={story.denied[0]}"),
        ("lake_info", ""),
    ],
    ids=["search", "sessions_list", "event", "lake_info"],
)  # fmt: skip
def test_a_query_says_the_same_as_a_body(api: Api, tool: str, query: str) -> None:
    body = calls(api.up)[tool]
    span = urlencode(body.get("window", {}))
    with api.client() as client:
        answered = client.get(f"/api/v1/tools/{tool}?{query.format(story=api.up.story, span=span)}")
    assert answered.status_code == 200, answered.text
    assert answered.json() == api.post(tool, body).json()


def test_pages_follow_each_other_to_the_end(api: Api) -> None:
    story = api.up.story
    whole = api.get("search", access_key=story.stolen_key, limit=1000, live="never").json()
    seen: list[str] = []
    address = f"/api/v1/tools/search?access_key={story.stolen_key}&limit=10&live=never"
    with api.client() as client:
        while address:
            page = client.get(address)
            assert len(page.json()["events"]) <= 10
            seen += [event["event_id"] for event in page.json()["events"]]
            address = page.links["next"]["url"] if "next" in page.links else ""
    assert seen == [event["event_id"] for event in whole["events"]]
    assert len(seen) == whole["total"] > 10


def test_a_cursor_of_another_query_is_refused(api: Api) -> None:
    cursor = api.get("search", access_key=api.up.story.stolen_key, limit=5, live="never").json()["next_cursor"]
    failure(api.get("search", limit=5, cursor=cursor, live="never"), 400, "BadCursor")


def test_answers_are_kept_by_nobody_and_run_nothing(api: Api) -> None:
    for answered in (api.get("lake_info"), api.get("lake_info", who=None), api.get("nothing")):
        assert answered.headers["cache-control"] == "no-store"
        assert answered.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answered.headers["content-security-policy"]
        assert not [name for name in answered.headers if name.startswith("access-control-")]


# ---------------------------------------------------------------- who may


@pytest.mark.parametrize(("tool", "method"), ROUTES, ids=[f"{method} {tool}" for tool, method in ROUTES])
def test_who_may_call_what(api: Api, tool: str, method: str) -> None:
    right = right_for(tool, offers()[tool].tool.effect)
    body = {"surely": "not a parameter"}
    statuses: dict[str | None, int] = {}
    for who in (None, *PEOPLE):
        with api.client(who) as client:
            address = f"/api/v1/tools/{tool}"
            answered = client.get(address, params=body) if method == "GET" else client.post(address, json=body)
        statuses[who] = answered.status_code
        assert set(answered.json()) == SHAPE
    # Whoever may is told that the request is wrong; whoever may not learns nothing of it.
    assert statuses == {None: 401} | {who: 400 if right in REACH[who] else 403 for who in PEOPLE}


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer tw_", "Bearer nothing", "Basic dHdfOng=", "tw_x", "Bearer tw_" + "x" * 43],
)
def test_what_is_no_token_opens_nothing(api: Api, header: str) -> None:
    with api.client(None, Authorization=header) as client:
        answered = client.get("/api/v1/tools/lake_info")
    failure(answered, 401, "NotAuthenticated")
    assert answered.headers["www-authenticate"].startswith("Bearer")


def test_a_revoked_token_opens_nothing(api: Api) -> None:
    tokens, now = api.app.state.tokens, api.app.now()
    text, token = tokens.create("reader@example.com", "short-lived", by=ADMIN, now=now)
    api.tokens["short-lived"] = text
    assert api.get("lake_info", who="short-lived").status_code == 200
    tokens.revoke(token.id, by=ADMIN, now=now)
    failure(api.get("lake_info", who="short-lived"), 401, "NotAuthenticated")


def test_what_a_token_asks_is_in_the_audit_chain_as_its_own(api: Api) -> None:
    assert api.get("search", user="somebody-unheard-of", live="never").status_code == 200
    entry = next(iter(api.app.state.audit.newest()))
    assert json.loads(entry.actor) == {"kind": "token", "name": "reader@example.com", "via": "api"}
    assert json.loads(entry.body)["on_behalf_of"] == "reader@example.com"
    assert "somebody-unheard-of" in entry.body


# ---------------------------------------------------------------- browsers


@pytest.fixture
def browser(api: Api) -> Iterator[httpx.Client]:
    """A browser in which somebody with the roles responder and approver has signed in."""
    state, now = api.app.state, api.app.now()
    person = state.people.get("responder@example.com")
    session, _ = state.sessions.start(person, limits=SessionLimits(), now=now, address="127.0.0.1")
    with httpx.Client(base_url=f"{api.url}/api/v1/tools", cookies={"session": session}, timeout=60) as client:
        yield client
    state.sessions.end(session, now=now)


def test_a_browser_reads_as_its_person(api: Api, browser: httpx.Client) -> None:
    assert browser.get("/lake_info").json() == api.get("lake_info").json()
    entries = browser.get("/audit_list", params={"limit": 1}).json()["entries"]  # an approver reads the audit chain
    assert entries[0]["actor"] == {"kind": "person", "name": "responder@example.com", "via": "console"}
    for tool in ("audit_list", "audit_verify"):
        failure(api.get(tool, who="responder"), 403, "Forbidden")  # which none of their tokens does


def test_a_browser_changes_nothing(api: Api, browser: httpx.Client) -> None:
    before = ledger_of(api.app).list()
    failure(browser.post("/actions_propose", json=proposal(api)), 401, "NotAuthenticated")
    failure(browser.post("/lake_info", json={}), 401, "NotAuthenticated")
    failure(browser.get("/ask", params={"question": f"Delete access key {api.up.story.stolen_key}"}), 403, "Forbidden")
    assert ledger_of(api.app).list() == before


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_elsewhere_reads_nothing_through_a_browser(browser: httpx.Client, site: str) -> None:
    failure(browser.get("/lake_info", headers={"Sec-Fetch-Site": site}), 401, "NotAuthenticated")
    assert browser.get("/lake_info", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


# ---------------------------------------------------------------- proposals


def test_a_token_proposes_and_can_do_no_more(api: Api) -> None:
    answered = api.post("actions_propose", proposal(api), who="responder")
    assert answered.status_code == 200, answered.text
    card = answered.json()
    assert card["state"] == "pending"
    assert card["approvals"] == []
    assert card["proposer"] == {"kind": "token", "name": "responder@example.com", "via": "api"}
    shown = api.get("actions_show", id=card["id"], who="reader").json()
    assert shown | {"joined": card["joined"]} == card
    with api.client("responder") as client:
        for verb in ("approve", "reject", "execute", "decide", "resolve", "verify"):
            for address in (f"/tools/actions_{verb}", f"/proposals/{card['id']}/{verb}", f"/actions/{verb}"):
                tried = client.post(f"/api/v1{address}", json={"id": card["id"], "id_": card["id"]})
                failure(tried, 404, "NotHere")
    assert ledger_of(api.app).get(card["id"]).state == "pending"


@pytest.mark.parametrize(
    ("who", "method"), [("reader", "POST"), ("reader", "GET"), ("wide", "POST"), ("responder", "GET")]
)
def test_words_do_not_propose_for_whoever_may_not(api: Api, who: str, method: str) -> None:
    """`ask` reads, and files what is asked to be done: not for a token that only reads, and never by a GET."""
    before = ledger_of(api.app).list()
    asked = {"question": f"Delete access key {api.up.story.stolen_key}"}
    answered = api.get("ask", who=who, **asked) if method == "GET" else api.post("ask", asked, who=who)
    failure(answered, 403, "Forbidden")
    assert ledger_of(api.app).list() == before


@pytest.mark.parametrize(
    "more",
    [
        {"approver": "responder@example.com"},
        {"approvals": [{"approver": "responder@example.com"}]},
        {"approved": True},
        {"state": "approved"},
        {"proposer": {"kind": "person", "name": "root@example.com", "via": "console"}},
        {"on_behalf_of": "root@example.com"},
        {"actor": "root@example.com"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_body_cannot_name_who_approves_or_who_asks(api: Api, more: dict[str, Any]) -> None:
    failure(api.post("actions_propose", proposal(api) | more, who="responder"), 400, "UsageError")


def test_the_same_request_under_its_key_is_done_once(api: Api) -> None:
    key, body = str(uuid.uuid4()), proposal(api, "case 4712")
    first = api.post("actions_propose", body, who="responder", **{"Idempotency-Key": key})
    again = api.post("actions_propose", body, who="responder", **{"Idempotency-Key": key})
    assert first.status_code == again.status_code == 200, first.text
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = api.post("actions_propose", proposal(api, "other"), who="responder", **{"Idempotency-Key": key})
    failure(other, 409, "Conflict")


def test_a_failure_leaves_the_key_free(api: Api) -> None:
    key = str(uuid.uuid4())
    wrong = proposal(api) | {"evidence": ["no-such-event"]}
    headers = {"Idempotency-Key": key}
    failure(api.post("actions_propose", wrong, who="responder", **headers), 400, "UsageError")
    assert api.post("actions_propose", proposal(api), who="responder", **headers).status_code == 200


@pytest.mark.parametrize(
    "key", ["", "a b", "ä".encode().decode("latin-1"), "x" * 201], ids=["empty", "space", "umlaut", "long"]
)
def test_what_is_no_idempotency_key_is_refused(api: Api, key: str) -> None:
    with api.client("responder") as client:
        headers = [(b"Idempotency-Key", key.encode("latin-1"))]
        answered = client.post("/api/v1/tools/actions_propose", json=proposal(api), headers=headers)
    failure(answered, 400, "UsageError")


# ---------------------------------------------------------------- odd requests

ODD = {
    "cut short": b"{",
    "a list": b"[]",
    "a text": b'"search"',
    "null": b"null",
    "not UTF-8": b'{"question": "\xff"}',
    "half a surrogate pair": b'{"question": "\\ud800"}',
    "very deep": b'{"question": ' + b"[" * 200_000,
    "NaN": b'{"question": NaN}',
    "wrong type": b'{"question": 1}',
    "nothing of what it needs": b"{}",
    "an unknown name": b'{"question": "who", "approver": "me"}',
    "two documents": b'{"question": "who"}{"question": "who"}',
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_an_odd_body_is_refused_in_the_one_shape(api: Api, body: bytes) -> None:
    with api.client(**{"Content-Type": "application/json"}) as client:
        failure(client.post("/api/v1/tools/ask", content=body), 400, "UsageError")


def _large() -> Iterator[bytes]:
    yield b'{"question": "'
    for _ in range(LARGEST_BODY // 1024):
        yield b"x" * 1024
    yield b'"}'


@pytest.mark.parametrize("content", [b"".join(_large()), _large()], ids=["with its length", "chunked"])
def test_a_body_that_is_too_large_is_refused(api: Api, content: bytes | Iterator[bytes]) -> None:
    with api.client(**{"Content-Type": "application/json"}) as client:
        failure(client.post("/api/v1/tools/ask", content=content), 413, "TooLarge")


def test_only_json_is_read(api: Api) -> None:
    with api.client() as client:
        failure(client.post("/api/v1/tools/ask", data={"question": "who"}), 415, "NotJson")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("usr=john", "no parameter 'usr'"),
        ("limit=1&limit=2", "limit is given twice"),
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("denied=perhaps", "denied"),
        ("order=random", "order"),
        ("last=24h&from=2026-11-01", "exclude each other"),
        ("last=soon", "not a duration"),
        ("from=0001-01-01T00:00%2B14:00", "no such time in UTC"),
        ("from=2026-11-02&to=2026-10-01", "ends"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(api: Api, query: str, said: str) -> None:
    with api.client() as client:
        body = failure(client.get(f"/api/v1/tools/search?live=never&{query}"), 400, "UsageError")
    assert said in body["error"]


def test_a_name_that_nothing_has_is_not_found(api: Api) -> None:
    failure(api.get("event", event_id="no-such-event"), 404, "TrailwardenError")


def test_a_question_that_is_not_understood_has_suggestions(api: Api) -> None:
    body = failure(api.post("ask", {"question": "colourless green ideas"}), 422, "NotUnderstood")
    assert body["suggestions"]


@pytest.mark.parametrize("address", ["", "/", "/tools", "/tools/", "/tools/ingest", "/tools/search/", "/tools/%2e%2e"])
def test_an_address_of_nothing_says_so(api: Api, address: str) -> None:
    with api.client() as client:
        failure(client.get(f"/api/v1{address}"), 404, "NotHere")


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("PUT", "/tools/search", "GET, POST"),
        ("DELETE", "/tools/search", "GET, POST"),
        ("OPTIONS", "/tools/search", "GET, POST"),
        ("GET", "/tools/actions_propose", "POST"),
        ("POST", "/openapi.json", "GET"),
    ],
)
def test_a_method_that_is_not_taken_is_said(api: Api, method: str, address: str, allowed: str) -> None:
    with api.client("responder") as client:
        answered = client.request(method, f"/api/v1{address}")
    failure(answered, 405, "WrongMethod")
    assert answered.headers["allow"] == allowed


# ---------------------------------------------------------------- streams


def events(answered: httpx.Response) -> list[tuple[str, Any]]:
    assert answered.status_code == 200, answered.text
    assert answered.headers["content-type"].startswith("text/event-stream")
    found: list[tuple[str, Any]] = []
    for block in answered.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def test_a_stream_tells_progress_and_then_the_answer(api: Api) -> None:
    body = {"account": [api.up.scenario.production.id], "refresh": True}
    got = events(api.post("iam_scan", body, Accept="text/event-stream"))
    assert {name for name, _ in got[:-1]} == {"progress"}
    assert all(set(each) == {"task", "done", "total", "unit", "note"} for _, each in got[:-1])
    name, answer = got[-1]
    assert name == "result"
    assert answer == api.post("iam_scan", body | {"refresh": False}).json()


def test_a_stream_ends_with_the_failure(api: Api) -> None:
    answered = api.get("event", event_id="no-such-event", headers={"Accept": "text/event-stream"})
    [(name, body)] = events(answered)
    assert name == "error"
    assert body["status"] == 404
    assert set(body) == SHAPE | {"status"}


def test_a_request_that_cannot_be_read_fails_before_its_stream(api: Api) -> None:
    failure(api.post("ask", {"query": "who"}, Accept="text/event-stream"), 400, "UsageError")
