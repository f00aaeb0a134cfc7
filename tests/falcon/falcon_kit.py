"""A small Falcon tenant, and the client that reads it: what the tests of Falcon share."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from trailwarden.demo.falcon import ApiClient, FalconServer, Tenant
from trailwarden.faces.cli import build
from trailwarden.falcon.client import Falcon, Limits
from trailwarden.falcon.connection import FalconConnection, cloud_of
from trailwarden.model.time import Window
from trailwarden.progress import Progress

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CID, AID = "c1d0" * 8, "a1d0" * 8
CLIENT = ApiClient("0123456789abcdef0123456789abcdef", "Secret-That-Nobody-May-See-4711")
DAY = Window(NOW - timedelta(days=1), NOW)


def moment(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def alert(number: int, at: datetime = NOW - timedelta(hours=6), **fields: Any) -> dict[str, Any]:
    """An ``epp`` alert in the shape of the Alerts v2 API."""
    created = moment(at + timedelta(seconds=9))
    return {
        "composite_id": f"{CID}:ind:{AID}:{number:06d}",
        "cid": CID,
        "agent_id": AID,
        "product": "epp",
        "type": "ldt",
        "name": "SuspiciousThing",
        "severity": 50,
        "severity_name": "Medium",
        "status": "new",
        "tactic": "Execution",
        "tactic_id": "TA0002",
        "timestamp": moment(at),
        "created_timestamp": created,
        "updated_timestamp": created,
        "user_name": "john",
        "device": {"device_id": AID, "hostname": "LAPTOP-7", "external_ip": "203.0.113.10", "local_ip": "10.0.0.7"},
        **fields,
    }


def composite(number: int) -> str:
    return f"{CID}:ind:{AID}:{number:06d}"


def host(device_id: str = AID, hostname: str = "LAPTOP-7", **fields: Any) -> dict[str, Any]:
    """A host in the shape of the Hosts API."""
    return {
        "device_id": device_id,
        "cid": CID,
        "hostname": hostname,
        "platform_name": "Windows",
        "external_ip": "203.0.113.10",
        "local_ip": "10.0.0.7",
        "connection_ip": "10.0.0.7",
        "machine_domain": "COMPANY",
        "last_login_user": "COMPANY\\john",
        "last_seen": moment(NOW - timedelta(minutes=5)),
        **fields,
    }


def tenant(**parts: Any) -> Tenant:
    return Tenant(**{"now": lambda: NOW, "clients": (CLIENT,), **parts})


class Sleeps(list[float]):
    """Stands for sleeping: notes for how long."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def connection_to(base_url: str, client_id: str = CLIENT.id) -> FalconConnection:
    return FalconConnection(base_url=base_url, client_id=client_id, cloud=cloud_of(base_url), created_at=NOW)


@contextmanager
def reading(
    tenant: Tenant,
    *,
    secret: str = CLIENT.secret,
    client_id: str = CLIENT.id,
    sleep: Sleeps | None = None,
    timeout: tuple[float, float] = (10.0, 10.0),
    attempts: int = 3,
    limits: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> Iterator[Falcon]:
    """The real SDK, aimed at the stand-in."""
    with (
        FalconServer(tenant) as server,
        Falcon(
            connection_to(server.endpoint, client_id),
            secret,
            now=lambda: NOW,
            sleep=sleep if sleep is not None else Sleeps(),
            timeout=timeout,
            attempts=attempts,
            limits=Limits(**(limits or {})),
            progress=progress,
        ) as falcon,
    ):
        yield falcon


def run(home: Path, *arguments: str, secret: str = "") -> Result:
    """A ``falcon`` command, into which ``secret`` is piped; whatever it prints, the client's secret is not in it."""
    result = CliRunner().invoke(build(), ["--home", str(home), "falcon", *arguments], input=secret)
    assert CLIENT.secret not in result.output
    assert CLIENT.secret not in repr(result.exception)
    return result
