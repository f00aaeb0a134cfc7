"""A running API over the demo organisation, and those who call it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx
import msgspec
import uvicorn
from starlette.types import ASGIApp

from trailwarden.app import App
from trailwarden.demo.run import Running
from trailwarden.model.proposal import Actor
from trailwarden.model.time import format_instant

ADMIN = Actor(kind="person", name="root@example.com", via="console")
#: Who calls: their login, roles, and the scopes of their token.
PEOPLE = {
    "reader": (("viewer",), ("read",)),
    "responder": (("responder", "approver"), ("read", "propose")),
    "narrow": (("responder", "approver", "admin"), ("read",)),  # the person may much, the token little
    "wide": (("viewer",), ("read", "propose")),  # the token may much, the person little
}


class Api(msgspec.Struct):
    """The address of a running API, tokens by name, the installation behind it, and the organisation."""

    url: str
    tokens: dict[str, str]
    app: App
    up: Running

    def client(self, who: str | None = "reader", **headers: str) -> httpx.Client:
        shown = {"Authorization": f"Bearer {self.tokens[who]}"} if who is not None else {}
        return httpx.Client(base_url=self.url, headers={**shown, **headers}, timeout=120)

    def post(self, tool: str, body: Any = None, *, who: str | None = "reader", **headers: str) -> httpx.Response:
        with self.client(who, **headers) as client:
            return client.post(f"/api/v1/tools/{tool}", json={} if body is None else body)

    def get(self, tool: str, *, who: str | None = "reader", headers: Any = None, **query: Any) -> httpx.Response:
        with self.client(who) as client:
            return client.get(f"/api/v1/tools/{tool}", params=query, headers=headers)


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The address at which an application is served meanwhile. It accepts connections from the start."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def tokens(app: App, now: datetime) -> dict[str, str]:
    """A person and a token of theirs for each name."""
    app.state.people.add("root@example.com", roles=("admin",), by=ADMIN, now=now)
    made: dict[str, str] = {}
    for name, (roles, scopes) in PEOPLE.items():
        app.state.people.add(f"{name}@example.com", roles=roles, by=ADMIN, now=now)
        made[name], _ = app.state.tokens.create(f"{name}@example.com", name, scopes=scopes, by=ADMIN, now=now)
    return made


def calls(up: Running) -> dict[str, dict[str, Any]]:
    """A valid call of every tool that reads and is offered to programs, by id."""
    story, falcon = up.story, up.falcon_story
    span = {"from": format_instant(story.signed_in), "to": format_instant(story.ended)}
    return {
        "accounts_doctor": {"accounts": [up.scenario.connections[0].role_arn]},
        "accounts_list": {},
        "actions_list": {"all": True, "state": ["verified"]},
        "ask": {"question": f"what did {story.email} do in the last 30 days", "new": True},
        "auth_model": {"account": [up.scenario.production.id], "live": "never"},
        "correlate_alert": {"alert": falcon.theft, "live": "never", "min_score": 0.2},
        "correlate_host": {"host": falcon.laptop, "window": {"last": "3d"}, "live": "never"},
        "correlate_recent": {"window": {"last": "7d"}, "limit": 3, "live": "never"},
        "correlate_session": {"session": story.stolen_key, "live": "never"},
        "event": {"event_id": story.denied[0]},
        "falcon_test": {},
        "hunt": {"access_key": story.stolen_key, "window": span, "live": "never"},
        "iam_can": {"principal": story.iam_user_arn, "action": "iam:CreateUser"},
        "iam_changes": {"account": [up.scenario.production.id]},
        "iam_role": {"name": story.admin_role_arn},
        "iam_scan": {"kind": ["role"], "limit": 5},
        "iam_who_can": {"action": "iam:CreateUser", "account": [up.scenario.production.id]},
        "identity": {"who": story.email, "live": "never"},
        "identity_alias_list": {"person": "nobody@example.com"},
        "lake_info": {},
        "lake_quarantine": {},
        "search": {
            "where": {"access_key": [story.stolen_key], "denied": True, "exclude": {"event": ["iam:List*"]}},
            "window": span, "order": "oldest", "limit": 4, "live": "never",
        },
        "sessions_list": {"user": [story.email], "live": "never"},
        "sessions_show": {"session": story.stolen_key, "live": "never"},
    }  # fmt: skip


#: What AWS, and its clock beside this installation's, which stands still, say anew each time.
_ANEW = frozenset({"request_id", "latest_delivery", "aws", "last_status", "last_checked"})


def settled(value: Any) -> Any:
    """An answer without what is said anew each time."""
    if isinstance(value, dict):
        if value.get("id") == "clock":
            return "the clock"
        return {key: settled(each) for key, each in value.items() if key not in _ANEW}
    return [settled(each) for each in value] if isinstance(value, list) else value
