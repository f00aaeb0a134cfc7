"""What the tests of questions share: the instant, the names in the lake, events and sessions, and the data files."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from trailwarden.ask import Interpretation, Names, interpret
from trailwarden.model.event import Event, EventPage, EventQuery, FacetValue
from trailwarden.model.finding import Coverage, Source
from trailwarden.model.principal import Principal
from trailwarden.model.session import ChainKind, ChainStep, Issuer, Session

#: A Tuesday, early in the morning.
NOW = datetime(2026, 11, 24, 3, 42, 38, tzinfo=UTC)
NAMES = Names(
    users={"john@company.com": 1204, "jane@company.com": 300, "john": 5, "deploy-bot": 100, "alice": 3},
    roles={"AdminRole": 20, "ReadOnly": 4, "deploy": 3},
    events={"ConsoleLogin": 3, "CreateUser": 1, "AssumeRole": 30, "GetObject": 9},
    sources={"iam.amazonaws.com": 5, "s3.amazonaws.com": 5},
    regions={"us-east-1": 3},
    accounts={"111111111111": 100},
)
COMPLETE = Coverage(
    sources=(Source(kind="files", location="/logs", accounts=("111111111111",)),),
    accounts=("111111111111", "222222222222", "333333333333"),
    regions=("us-east-1", "eu-central-1"),
    fresh_until=NOW - timedelta(minutes=5),
)
LABELS = {"111111111111": "prod", "222222222222": "dev"}


_understood: dict[str, Interpretation] = {}


def ask(question: str, previous: Interpretation | None = None, names: Names = NAMES) -> Interpretation:
    """The question as it is understood at NOW in UTC; what is asked again by another test is read once."""
    plain = previous is None and names is NAMES
    if plain and question in _understood:
        return _understood[question]
    found = interpret(question, now=NOW, zone=UTC, vocabulary=names, previous=previous, labels=LABELS)
    if plain:
        _understood[question] = found
    return found


def cases(name: str) -> list[dict[str, Any]]:
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def event(**fields: Any) -> Event:
    """An event of jane's, unless ``fields`` say otherwise; ``at`` is seconds before NOW."""
    at = fields.pop("at", 0)
    known: dict[str, Any] = {
        "event_id": f"00000000-0000-4000-8000-{at:012}",
        "time": NOW - timedelta(seconds=at),
        "account": "111111111111",
        "region": "us-east-1",
        "source": "iam.amazonaws.com",
        "name": "ListUsers",
        "principal": Principal(type="IAMUser", name="jane@company.com"),
        "source_ip": "203.0.113.7",
        "outcome": "failure" if fields.get("error_code") else "success",
        "resources": (),
    }
    empty = dict.fromkeys(Event.__struct_fields__)
    return Event(**{**empty, **known, **fields})


def page(
    asked: Interpretation,
    *events: Event,
    total: int | None = None,
    coverage: Coverage | None = None,
    **facets: dict[str | None, int],
) -> EventPage:
    """The page that answers ``asked``; facets are counted from the events where they are not given."""
    counted: dict[str, Mapping[str | None, int]] = {
        "event": Counter(f"{(e.source or '').split('.')[0]}:{e.name}" for e in events),
        "principal": Counter(e.session_name or e.principal.name for e in events),
        "source_ip": Counter(e.source_ip for e in events),
        "region": Counter(e.region for e in events),
        "account": Counter(e.account for e in events),
        "error": Counter(e.error_code for e in events),
        "access_key": Counter(e.access_key for e in events),
        "user_agent": Counter(e.user_agent for e in events),
    }
    ordered = sorted(events, key=lambda e: e.time, reverse=True)
    return EventPage(
        events=tuple(ordered),
        total=len(events) if total is None else total,
        failed=sum(e.outcome == "failure" for e in events),
        first=ordered[-1].time if ordered else None,
        last=ordered[0].time if ordered else None,
        next_cursor=None,
        facets={
            name: tuple(FacetValue(value, n) for value, n in Counter(facets.get(name, values)).most_common(10))
            for name, values in counted.items()
        },
        histogram=None,
        query=EventQuery(where=asked.where, window=asked.window, order=asked.order, limit=asked.limit),
        coverage=coverage or COMPLETE,
    )


def step(kind: ChainKind, name: str | None, **fields: Any) -> ChainStep:
    """A step of a chain; proven by an issued key unless ``fields`` say otherwise."""
    known: dict[str, Any] = {"arn": None, "account": "111111111111", "link": "proven", "by": "issued access key"}
    return ChainStep(kind=kind, name=name, **(known | fields))


def issuer(**fields: Any) -> Issuer:
    """The AssumeRole that issued a session's credentials an hour before NOW."""
    known: dict[str, Any] = {
        "event_id": "00000000-0000-4000-8000-00000000000a", "event_name": "AssumeRole",
        "time": NOW - timedelta(hours=1), "kind": "iam_user", "name": "jane", "arn": None, "account": "111111111111",
        "access_key": "AKIAIOSFODNN7EXAMPLE", "source_ip": "203.0.113.7", "by": "issued access key",
    }  # fmt: skip
    return Issuer(**(known | fields))


def session(session_id: str = "ses-0123456789abcdef", **fields: Any) -> Session:
    """A session of AdminRole that was seen for half an hour before NOW."""
    known: dict[str, Any] = {
        "account": "111111111111", "method": "role_chain", "reason": "AssumeRole within the account",
        "principal_id": "AROAIOSFODNN7EXAMPLE:jane", "principal_arn": None,
        "role_arn": "arn:aws:iam::111111111111:role/AdminRole", "session_name": "jane", "user_name": None,
        "access_keys": ("ASIAIOSFODNN7EXAMPLE",), "created": NOW - timedelta(hours=1), "issuer": None, "chain": (),
        "strength": "proven", "first_seen": NOW - timedelta(minutes=30), "last_seen": NOW - timedelta(minutes=5),
        "regions": ("us-east-1",), "source_ips": ("203.0.113.7",), "user_agents": (),
        "recorded_in": ("111111111111",), "events": 10, "errors": 1, "source_identity": None, "on_behalf_of": None,
        "web_identity": None, "saml": None, "mfa": None, "identifiers": (), "evidence": (),
    }  # fmt: skip
    return Session(session_id=session_id, **(known | fields))
