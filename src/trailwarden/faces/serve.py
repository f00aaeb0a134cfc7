"""``trailwarden serve``: the console, by uvicorn."""

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
import msgspec

from ..access import WebSession
from ..app import App
from ..errors import SetupError, UsageError
from ..settings import ConsoleSettings
from .cli_common import SectionedCommand, SectionedOption, opened

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server listens, and how browsers reach it. ``origins`` begins with the address that is printed."""

    host: str
    port: int
    origins: tuple[str, ...]
    behind_proxy: bool

    @property
    def secure(self) -> bool:
        """Whether browsers reach it over HTTPS."""
        return self.origins[0].startswith("https://")


def listening(console: ConsoleSettings) -> Listening:
    """What the settings mean.

    Raises:
        UsageError: passwords and sessions would travel over plain HTTP, or the public address is none.
    """
    loopback = _is_loopback(console.host)
    if not loopback and not console.behind_proxy:
        raise UsageError(
            f"refusing plain HTTP on {console.host}: passwords and sessions could be read on the way",
            remedy="listen on 127.0.0.1, or put a proxy with TLS in front and say so: --behind-proxy --public-url https://…",
        )
    own = tuple(f"http://{name}:{console.port}" for name in _names(console.host))
    if not console.public_url:
        if console.behind_proxy:
            raise UsageError(
                "behind a proxy, the address that browsers use must be known", remedy="give --public-url https://…"
            )
        return Listening(host=console.host, port=console.port, origins=own, behind_proxy=False)
    public = urlsplit(console.public_url)
    if public.path not in ("", "/") or not public.netloc or public.query or "@" in public.netloc:
        raise UsageError(
            f"{console.public_url!r} is not an address of a console",
            remedy="scheme, host and port alone: https://warden.example.com",
        )
    if public.scheme != "https" and not (public.scheme == "http" and _is_loopback(public.hostname or "")):
        raise UsageError(
            f"refusing the public address {console.public_url}: passwords and sessions could be read on the way",
            remedy="use https://",
        )
    origin = f"{public.scheme}://{public.netloc}".lower()
    return Listening(host=console.host, port=console.port, origins=(origin,), behind_proxy=console.behind_proxy)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _names(host: str) -> tuple[str, ...]:
    """The names of this machine's own console; the first is a name, since security keys know no addresses."""
    return "localhost", *(f"[{each}]" if ":" in each else each for each in (host,) if each != "localhost")


def application(app: App, where: Listening) -> "FastAPI":
    """The console and the API over ``app``, for any ASGI server.

    Raises:
        SetupError: the console's files were not made.
    """
    from ..state.idempotency import AnswerStore  # noqa: PLC0415
    from .api import api_router  # noqa: PLC0415
    from .callers import KnownCallers  # noqa: PLC0415
    from .web.access import Access  # noqa: PLC0415
    from .web.app import create_app  # noqa: PLC0415
    from .web.security import Cookies  # noqa: PLC0415

    access, cookies = Access(app, origin=where.origins[0]), Cookies(secure=where.secure)

    def session(request: "Request") -> WebSession | None:
        kept = cookies.session(request)
        return access.visitor(kept) if kept else None

    callers = KnownCallers(lambda text: app.state.tokens.use(text, now=app.now()), session)
    api = api_router(app, callers, AnswerStore(app.state.write, app.now))
    return create_app(app, access, origins=where.origins, secure=where.secure, routers=(api,))


@contextmanager
def in_background(app: App) -> Iterator[str]:
    """The console over ``app`` on a free port of 127.0.0.1, from here to the end of the ``with`` block; gives its
    address.

    Raises:
        SetupError: the console's files were not made.
    """
    import uvicorn  # noqa: PLC0415

    listener = _listen(Listening(host="127.0.0.1", port=0, origins=("",), behind_proxy=False))
    port = listener.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    served = application(app, Listening(host="127.0.0.1", port=port, origins=(origin,), behind_proxy=False))
    server = uvicorn.Server(uvicorn.Config(served, log_level="warning", access_log=False, server_header=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="console", daemon=True)
    thread.start()  # connections wait in the listener until the server takes them
    try:
        yield origin
    finally:
        server.should_exit = True
        thread.join()


def run(app: App, where: Listening) -> None:
    """Serve until SIGINT or SIGTERM; the address is printed before connections are accepted.

    Raises:
        SetupError: the port cannot be had, or the console's files were not made.
    """
    import uvicorn  # noqa: PLC0415

    from .web.security import Forwarded  # noqa: PLC0415

    served = application(app, where)
    config = uvicorn.Config(
        Forwarded(served) if where.behind_proxy else served,
        host=where.host,
        port=where.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    listener = _listen(where)
    first = app.state.people.first_run_link(where.origins[0], by=app.actor, now=app.now()) if _nobody(app) else None
    click.echo(f"The console: {where.origins[0]}")
    if first is not None:
        click.echo(f"Nobody can sign in yet. Within 15 minutes, make the first person at\n  {first}")
    uvicorn.Server(config).run(sockets=[listener])


def _nobody(app: App) -> bool:
    return not app.state.people.list()


def _listen(where: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((where.host.strip("[]"), where.port))
    except OSError as error:
        listener.close()
        raise SetupError(
            f"cannot listen on {where.host}:{where.port}: {error.strerror}",
            remedy="another port: --port, or [console] port in config.toml",
        ) from error
    listener.listen()
    return listener


def _serve(host: str | None, port: int | None, public_url: str | None, behind_proxy: bool | None) -> None:
    with opened() as app:
        asked = {"host": host, "port": port, "public_url": public_url, "behind_proxy": behind_proxy}
        given = {name: value for name, value in asked.items() if value is not None}
        run(app, listening(msgspec.structs.replace(app.settings.console, **given)))


serve = SectionedCommand(
    "serve",
    callback=_serve,
    short_help="Serve the console",
    help="Serve the web console on this machine.\n\nIt listens on 127.0.0.1 and refuses plain HTTP on any other "
    "address, unless a proxy that ends TLS is declared. The first time, it prints a link, good once, at which the "
    "first person is made. The settings are [console] in config.toml.",
    params=[
        SectionedOption("--host", metavar="ADDRESS", help="Address to listen on (default: 127.0.0.1)"),
        SectionedOption("--port", type=click.IntRange(1, 65535), metavar="PORT", help="Port (default: 8765)"),
        SectionedOption("--public-url", metavar="URL", help="Address that browsers use, if it is another one"),
        SectionedOption(
            "--behind-proxy/--no-proxy", default=None, help="A proxy in front ends TLS and sets X-Forwarded-For"
        ),
    ],
    examples=(
        "trailwarden serve",
        "trailwarden serve --host 0.0.0.0 --behind-proxy --public-url https://warden.example.com",
    ),
)
