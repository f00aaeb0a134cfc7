"""Where a Falcon tenant is, and who this installation is there."""

import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Literal, get_args
from urllib.parse import urlsplit

import msgspec

from ..errors import UsageError

Cloud = Literal["us-1", "us-2", "eu-1", "us-gov-1"]
#: CrowdStrike's clouds: https://www.falconpy.io/Usage/Environment-Configuration.html
CLOUDS: Mapping[Cloud, str] = {
    "us-1": "https://api.crowdstrike.com",
    "us-2": "https://api.us-2.crowdstrike.com",
    "eu-1": "https://api.eu-1.crowdstrike.com",
    "us-gov-1": "https://api.laggar.gcw.crowdstrike.com",
}
#: Wider than what CrowdStrike gives out today; nothing that a header, a form or a terminal would read otherwise.
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,128}")
_SECRET = re.compile(r"[\x21-\x7e]{8,512}")


class FalconConnection(msgspec.Struct, frozen=True, kw_only=True):
    """The API client that this installation uses; its secret is kept apart. ``cloud`` is None for a custom address.

    ``last_status`` is ``ok``, ``scopes`` (at least one is missing) or ``failed``, as of ``last_checked``.
    """

    base_url: str
    client_id: str
    cloud: Cloud | None = None
    created_at: datetime
    last_checked: datetime | None = None
    last_status: str | None = None

    @property
    def source(self) -> str:
        """What tells the alerts of this tenant from those of another."""
        return f"{self.base_url} {self.client_id}"


def base_url_of(cloud: Cloud | None, custom: str | None) -> str:
    """The address of the API: of a cloud by its name, or the one that is given.

    Raises:
        UsageError: neither or both, no cloud's name, not an address, or one that is not encrypted and not this machine.
    """
    if (cloud is None) == (custom is None):
        raise UsageError(
            "Falcon's cloud or its address is needed, and only one of them",
            remedy=f"--cloud {', '.join(CLOUDS)}: the console's address shows which; or --base-url https://…",
        )
    if cloud is not None:
        if cloud not in get_args(Cloud):
            raise UsageError(f"not a Falcon cloud: {cloud!r}", remedy=f"one of {', '.join(CLOUDS)}")
        return CLOUDS[cloud]
    return _checked(custom or "")


def check_client(client_id: str, secret: str) -> str:
    """The id of an API client, without blanks around it.

    Raises:
        UsageError: it cannot be one, or ``secret`` cannot be a secret.
    """
    stripped = client_id.strip()
    if not _CLIENT_ID.fullmatch(stripped):
        raise UsageError(f"not the id of a Falcon API client: {stripped[:80]!r}", remedy="it has 32 hexadecimal digits")
    if not _SECRET.fullmatch(secret):
        raise UsageError(
            "not the secret of a Falcon API client",
            remedy="copy it from the dialog that shows it once, without spaces; else reset it in the console",
        )
    return stripped


def cloud_of(base_url: str) -> Cloud | None:
    """The cloud at this address, None for a custom one."""
    return next((cloud for cloud, url in CLOUDS.items() if url == base_url), None)


def _checked(text: str) -> str:
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    if not host or extra or parts.scheme not in ("https", "http") or len(text) > 300 or not text.strip().isprintable():
        raise UsageError(f"not an address of Falcon's API: {text!r}", remedy="write it like https://api.example.com")
    if parts.scheme == "http" and not _loopback(host):
        raise UsageError(
            f"{text!r} would carry the client's secret unencrypted", remedy="use https; http only to this machine"
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
