"""Connect a CrowdStrike Falcon tenant."""

from typing import Annotated

from msgspec import Meta

from ..falcon.connection import Cloud, FalconConnection, base_url_of, check_client, cloud_of
from ..installation import Installation
from ..tool import tool
from ._falcon import FalconReport, read_secret, tested

#: Somebody waits: an address where nobody answers is to be known soon.
ATTEMPTS = 2


@tool(
    effect="setup",
    title="Connect CrowdStrike Falcon",
    examples=(
        "trailwarden falcon connect 0123456789abcdef0123456789abcdef --cloud us-1",
        "trailwarden falcon connect 0123456789abcdef0123456789abcdef --cloud eu-1 --secret-stdin < secret.txt",
        "trailwarden falcon connect 0123456789abcdef0123456789abcdef --base-url https://falcon-proxy.example.com",
    ),
)
def falcon_connect(
    app: Installation,
    client_id: Annotated[
        str, Meta(description="Id of the API client", extra={"argument": True, "metavar": "CLIENT_ID"})
    ],
    *,
    cloud: Annotated[Cloud | None, Meta(description="Cloud that the Falcon console is on")] = None,
    base_url: Annotated[
        str | None, Meta(description="Address of the API instead: https, or http on this machine")
    ] = None,
    secret_stdin: Annotated[bool, Meta(description="Read the client's secret from standard input")] = False,
) -> FalconReport:
    """Connect a Falcon tenant by an API client with the scopes Alerts: read and Hosts: read, and test it.

    The secret is asked for without showing it, or read from standard input or TRAILWARDEN_FALCON_SECRET, and kept
    encrypted. A client that Falcon refuses is not kept; one that lacks a scope is, and the answer says what that costs.
    Connecting again takes the place of the connection before; alerts that were fetched stay in the lake.

    Raises:
        UsageError: not a cloud, an address, an id or a secret.
        ClientRefused: Falcon does not accept the id and secret.
    """
    address = base_url_of(cloud, base_url)
    secret = read_secret(stdin=secret_stdin)
    asked = FalconConnection(
        base_url=address, client_id=check_client(client_id, secret), cloud=cloud_of(address), created_at=app.now()
    )
    report = tested(app, asked, secret, attempts=ATTEMPTS)
    connection = app.state.falcon.connect(client_id, secret, base_url=address, now=app.now())
    app.state.falcon.record_check(connection, report.status, at=app.now())
    return report
