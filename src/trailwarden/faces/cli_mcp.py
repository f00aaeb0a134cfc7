"""``trailwarden mcp``: the MCP server, for a program on this machine."""

import socket

import click

from ..errors import SetupError
from .cli_common import SectionedCommand, SectionedOption, opened


def _mcp(http: bool, port: int) -> None:
    with opened() as app:
        import anyio  # noqa: PLC0415

        from .callers import KnownCallers, local_caller  # noqa: PLC0415
        from .mcp import http_app, serve_stdio  # noqa: PLC0415

        if not http:
            anyio.run(serve_stdio, app, lambda: local_caller(app))
            return
        import uvicorn  # noqa: PLC0415

        served = http_app(app, KnownCallers(lambda token: app.state.tokens.use(token, now=app.now())))
        listener = _listen(port)
        click.echo(f"The MCP server: http://127.0.0.1:{listener.getsockname()[1]}/mcp", err=True)
        config = uvicorn.Config(served, log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    """A socket of this machine alone.

    Raises:
        SetupError: the port cannot be had.
    """
    listener = socket.socket(socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()  # whoever is told the address may connect at once
    except OSError as error:
        listener.close()
        raise SetupError(
            f"cannot listen on 127.0.0.1:{port}: {error.strerror}", remedy="another port: --port"
        ) from error
    return listener


mcp = SectionedCommand(
    "mcp",
    callback=_mcp,
    short_help="Serve the tools to a model (MCP)",
    help="Serve the tools to a model, by the Model Context Protocol.\n\nOver standard input and output, for the "
    "program that starts it; with --http, over streamable HTTP on 127.0.0.1, where each request shows an API token "
    "(tokens create). A model reads, and proposes; no tool approves or executes an action.",
    params=[
        SectionedOption("--http", is_flag=True, help="Listen for streamable HTTP on 127.0.0.1, at /mcp"),
        SectionedOption(
            "--port",
            type=click.IntRange(0, 65535),
            default=8766,
            show_default=True,
            metavar="PORT",
            help="Port for --http; 0: any",
        ),
    ],
    examples=("trailwarden mcp", "trailwarden mcp --http --port 8766"),
)
