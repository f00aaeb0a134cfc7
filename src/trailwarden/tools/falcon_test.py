"""Test the connection to CrowdStrike Falcon."""

from ..falcon.errors import ClientRefused
from ..installation import Installation
from ..tool import tool
from ._falcon import FalconReport, tested

#: Somebody waits: an address where nobody answers is to be known soon.
ATTEMPTS = 2


@tool(
    effect="read",
    title="Say whether Falcon answers, and which scope is missing",
    examples=("trailwarden falcon test", "trailwarden falcon test --format json"),
)
def falcon_test(app: Installation) -> FalconReport:
    """Test the connected Falcon tenant: the API client, and each scope with what needs it.

    Raises:
        SetupError: none is connected.
        KeyUnavailable: its secret cannot be decrypted.
        ClientRefused: Falcon does not accept the id and secret any more.
    """
    store = app.state.falcon
    connection = store.get()
    try:
        report = tested(app, connection, store.secret(connection), attempts=ATTEMPTS)
    except ClientRefused:
        store.record_check(connection, "failed", at=app.now())
        raise
    store.record_check(connection, report.status, at=app.now())
    return report
