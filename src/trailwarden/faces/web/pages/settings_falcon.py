"""CrowdStrike: the Falcon tenant, whose secret is sent once and never shown."""

from typing import Annotated

import msgspec
from fastapi import Form
from starlette.responses import Response

from ....errors import TrailwardenError
from ....falcon.connection import CLOUDS, FalconConnection, base_url_of, check_client, cloud_of
from ....tools._falcon import FalconReport, tested
from ....tools.falcon_connect import ATTEMPTS
from ..routes import Here, OnPage, Pages
from .settings import Text, confirm_first, shown

pages = Pages()
CROWDSTRIKE = "/settings/crowdstrike"
STATUS_KIND = {"ok": "good", "scopes": "medium", "missing": "medium", "failed": "critical"}
STATUS_WORDS = {"ok": "works", "scopes": "lacks a scope", "missing": "missing", "failed": "failed"}


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """The connected tenant; None if there is none. Its secret is not in here."""

    connection: FalconConnection | None


@pages.get(CROWDSTRIKE, right="read")
def crowdstrike(here: OnPage) -> Response:
    """The connection, or the form that makes one."""
    return _page(here)


@pages.get("/settings/crowdstrike/test", right="read")
def test(here: OnPage) -> Response:
    """Whether Falcon answers, and which scope is missing."""
    report: FalconReport = here.app.falcon_test()
    if here.format is not None:
        return here.data(report, name="falcon-test")
    return _page(here, report=report, block="tested")


@pages.post("/settings/crowdstrike/connect", right="administer")
def connect(
    here: OnPage,
    client_id: Text,
    secret: Annotated[str, Form(max_length=600)],
    cloud: Text = "",
    base_url: Text = "",
) -> Response:
    """Test the API client, and keep it if Falcon knows it; the page that answers does not hold the secret."""
    if (first := confirm_first(here, CROWDSTRIKE)) is not None:
        return first
    try:
        report = _connected(here, client_id, secret.strip(), cloud, base_url.strip())
    except TrailwardenError as refused:
        return _page(here, refused=refused, client_id=client_id, cloud=cloud, base_url=base_url, status=400)
    if here.format is not None:
        return here.data(report, name="falcon")
    return _page(here, report=report)


@pages.post("/settings/crowdstrike/disconnect", right="administer")
def disconnect(here: OnPage) -> Response:
    """Forget the tenant and its secret."""
    if (first := confirm_first(here, CROWDSTRIKE)) is not None:
        return first
    here.app.falcon_disconnect()
    return here.go(CROWDSTRIKE)


def _connected(here: Here, client_id: str, secret: str, cloud: str, base_url: str) -> FalconReport:
    """As falcon_connect does, whose secret comes from a terminal.

    Raises:
        UsageError: not a cloud, an address, an id or a secret.
        ClientRefused: Falcon does not accept the id and secret.
    """
    app = here.app
    address = base_url_of(None if base_url else cloud or None, base_url or None)  # type: ignore[arg-type]
    asked = FalconConnection(
        base_url=address, client_id=check_client(client_id, secret), cloud=cloud_of(address), created_at=app.now()
    )
    app.audit("setting", {"tool": "falcon_connect", "arguments": {"client_id": asked.client_id, "base_url": address}})
    report = tested(app, asked, secret, attempts=ATTEMPTS)
    kept = app.state.falcon.connect(asked.client_id, secret, base_url=address, now=app.now())
    app.state.falcon.record_check(kept, report.status, at=app.now())
    return report


def _page(
    here: Here,
    *,
    report: FalconReport | None = None,
    refused: TrailwardenError | None = None,
    block: str | None = None,
    client_id: str = "",
    cloud: str = "",
    base_url: str = "",
    status: int = 200,
) -> Response:
    return shown(
        here,
        "settings/crowdstrike.html",
        Tenant(connection=here.app.state.falcon.find()),
        name="crowdstrike",
        block=block,
        status=status,
        report=report,
        refused=refused,
        clouds=CLOUDS,
        client_id=client_id,
        cloud=cloud,
        base_url=base_url,
        status_kind=STATUS_KIND,
        status_words=STATUS_WORDS,
    )
