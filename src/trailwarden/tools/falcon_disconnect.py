"""Forget the connection to CrowdStrike Falcon."""

import msgspec

from ..installation import Installation
from ..tool import tool


class Disconnected(msgspec.Struct, frozen=True):
    """What was forgotten, and what remains."""

    base_url: str
    client_id: str
    note: str


@tool(effect="setup", title="Forget the connection to Falcon", examples=("trailwarden falcon disconnect",))
def falcon_disconnect(app: Installation) -> Disconnected:
    """Forget the Falcon connection and its secret. The alerts in the lake stay.

    Raises:
        SetupError: none is connected.
    """
    gone = app.state.falcon.remove()
    return Disconnected(
        gone.base_url, gone.client_id, "The API client still exists in the Falcon console: delete it there."
    )
