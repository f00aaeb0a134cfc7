"""What the tests of signs share: calls of john, his history, and the cases of the rules' own files."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from trailwarden.model.event import Event
from trailwarden.model.finding import Evidence, Finding
from trailwarden.model.principal import Principal
from trailwarden.model.time import Window
from trailwarden.places import Place
from trailwarden.signs import Amounts, Facts, History, SignCase, read_list

#: The window in question begins here, on a Tuesday.
T0 = datetime(2026, 11, 24, 9, 0, 0, tzinfo=UTC)
PROD = "111111111111"
JOHN = f"arn:aws:iam::{PROD}:user/john"
BEFORE = Window(T0 - timedelta(days=80), T0)
#: A day on which calls of a history may have been.
DAY = date(2026, 10, 1)


def event_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def event(number: int = 0, what: str = "s3:ListBuckets", *, seconds: float | None = None, **fields: Any) -> Event:
    """A call of john that succeeded, ``seconds`` (default: ``number``) after T0."""
    service, name = what.split(":", 1)
    known: dict[str, Any] = {
        "event_id": event_id(number),
        "time": T0 + timedelta(seconds=number if seconds is None else seconds),
        "account": PROD,
        "region": "eu-central-1",
        "source": f"{service}.amazonaws.com",
        "name": name,
        "principal": Principal(type="IAMUser", arn=JOHN, name="john", account=PROD, id="AIDAJOHNEXAMPLE"),
        "access_key": "AKIAIOSFODNN7EXAMPLE",
        "source_ip": "203.0.113.10",
        "outcome": "failure" if fields.get("error_code") else "success",
        "resources": (),
    }
    return Event(**{**dict.fromkeys(Event.__struct_fields__), **known, **fields})


def history(**fields: Any) -> History:
    known: dict[str, Any] = {
        "window": BEFORE,
        "addresses": frozenset({"203.0.113.10"}),
        "days": Amounts((40, 50, 60, 50, 40, 50, 60)),
        "hours": Amounts((10, 12, 9, 11) * 3),
    }
    return History(**{**known, **fields})


def facts(*events: Event, places: Mapping[str, Place] | None = None, **fields: Any) -> Facts:
    known: dict[str, Any] = {"history": history(), "administrators": frozenset()}
    return Facts(events=events, place_of=(places or {}).get, **{**known, **fields})


def facts_of(case: SignCase) -> Facts:
    """What a rule's own case describes."""
    calls: list[Event] = []
    for call in case.calls:
        for at in range(call.times):
            calls.append(
                event(
                    len(calls),
                    call.event,
                    seconds=call.at * 60 + at,
                    source_ip=call.ip,
                    request=call.request,
                    error_code=call.error_code,
                    principal=Principal(type=call.principal_type, arn=JOHN),
                )
            )
    before = case.history
    return Facts(
        events=calls,
        history=None
        if before is None
        else history(
            addresses=frozenset(before.addresses),
            days=Amounts(before.days),
            hours=Amounts(before.hours),
            usual=before.usual,
        ),
        place_of={each: Place(country=where[0], network=where[1]) for each, where in case.places.items()}.get,
        lists=[read_list(name, lines)[0] for name, lines in case.lists.items()],
        administrators=None if case.administrators is None else frozenset(case.administrators),
        findings=[
            Finding(
                id=found,
                severity=severity,
                title="found",
                detail="credentials of i-0123456789abcdef0",
                count=2,
                evidence=(Evidence(event_id(0), "sourceIPAddress", "192.0.2.66"),),
            )
            for found, severity in case.findings
        ],
    )
