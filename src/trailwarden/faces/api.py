"""The HTTP API: one route a tool, from the declarations, under ``/api/v1``.

``POST /api/v1/tools/{id}`` takes the parameters as JSON; ``GET`` does the same for tools that read, with them in the
query. Answers are the command line's JSON. There is no route that approves or executes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Protocol

import msgspec
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ..access import right_for
from ..app import App
from ..errors import NotAuthenticated, TrailwardenError, UsageError
from ..progress import Progress, Silent
from .callers import AT_ONCE, Caller, Callers, bearer, running
from .openapi import PREFIX, document
from .output import encode, next_page
from .problems import LARGEST_BODY, NotHere, NotJson, TooLarge, WrongMethod, body_of, headers_of, status_of
from .schema import Offer, offers
from .web.stream import Reported, Step

#: After so many seconds without news, a stream says that it is still there.
_HEARTBEAT = 15.0
#: Streams that work at the same time, more than one person's; others wait.
_STREAMS = 2 * AT_ONCE
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]

Handler = Callable[[Request], Awaitable[Response]]


class Replies(Protocol):
    """Where answers are kept by idempotency key."""

    def once(self, caller: str, key: str, digest: str, work: Callable[[], bytes]) -> tuple[bytes, bool]:
        """The answer to a request, and whether it is a former one's.

        Raises:
            Conflict: the key belongs to another request, or to one that is still under way.
        """


def api_router(app: App, callers: Callers, replies: Replies) -> APIRouter:
    """The routes, for an application to include as the last ones. Each declares its right in ``openapi_extra``."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)
    threads = ThreadPoolExecutor(_STREAMS, thread_name_prefix="api-stream")
    described: list[bytes] = []

    async def openapi(_: Request) -> Response:
        if not described:
            described.append(await run_in_threadpool(lambda: msgspec.json.encode(document(offers()))))
        return _json(described[0])

    router.add_api_route("/openapi.json", openapi, methods=["GET"], openapi_extra={"right": "anyone"})
    for offer in offers().values():
        right = right_for(offer.tool.id, offer.tool.effect)
        serve = _Serving(app, callers, replies, threads, offer)
        for method in methods_of(offer):
            router.add_api_route(
                f"/tools/{offer.tool.id}",
                _guarded(serve.get if method == "GET" else serve.post),
                methods=[method],
                openapi_extra={"right": right},
            )
    for rest in ("", "/{rest:path}"):
        router.add_api_route(rest, _guarded(_nothing), methods=_METHODS, openapi_extra={"right": "anyone"})
    return router


def methods_of(offer: Offer) -> tuple[str, ...]:
    """By which methods a tool is called."""
    return ("GET", "POST") if offer.tool.effect == "read" else ("POST",)


async def _nothing(request: Request) -> Response:
    rest: str = request.path_params.get("rest", "")
    there = offers().get(rest.removeprefix("tools/")) if rest.startswith("tools/") else None
    if there is None and rest != "openapi.json":
        raise NotHere("there is nothing at this address", remedy=f"{PREFIX}/openapi.json lists what there is")
    allowed = ", ".join(methods_of(there)) if there is not None else "GET"
    error = WrongMethod(f"this address does not take {request.method}", remedy=f"it takes {allowed}")
    return _failed(error, {"Allow": allowed})


def _guarded(handler: Handler) -> Handler:
    """A handler whose failures are answered in their one shape."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except TrailwardenError as error:
            return _failed(error)

    return answer


class _Serving:
    """One tool over HTTP."""

    def __init__(self, app: App, callers: Callers, replies: Replies, threads: ThreadPoolExecutor, offer: Offer) -> None:
        self.app = app
        self.callers = callers
        self.replies = replies
        self.threads = threads
        self.offer = offer

    async def get(self, request: Request) -> Response:
        """Parameters in the query; for tokens, and for a browser's session."""
        caller = await run_in_threadpool(self._caller, request, browser=True)
        return await run_in_threadpool(self._answer, request, caller, partial(self._of_query, request), None)

    async def post(self, request: Request) -> Response:
        """Parameters as JSON; for tokens alone: a browser could be made to send it."""
        caller = await run_in_threadpool(self._caller, request, browser=False)
        body = await _body(request)
        return await run_in_threadpool(self._answer, request, caller, partial(self.offer.from_json, body), body)

    def _of_query(self, request: Request) -> msgspec.Struct:
        return self.offer.from_query(request.query_params.multi_items())

    def _caller(self, request: Request, *, browser: bool) -> Caller:
        token = bearer(request.headers)
        found = self.callers.of_token(token, face="api") if token is not None else None
        if found is None and browser:
            found = self.callers.of_browser(request)
        if found is None:
            raise NotAuthenticated(
                "this takes an API token", remedy="send it as: Authorization: Bearer tw_…; `tokens create` makes one"
            )
        found.checked(self.app, self.offer.tool)
        return found

    def _answer(
        self, request: Request, caller: Caller, read: Callable[[], msgspec.Struct], body: bytes | None
    ) -> Response:
        given = read()
        arguments = self.offer.arguments(given, self.app)
        key = _idempotency_key(request) if self.offer.tool.effect == "propose" else None

        def work(progress: Progress) -> tuple[bytes, dict[str, str]]:
            def call() -> bytes:
                # A browser can be made to send a GET: it files nothing, whatever is asked.
                acting = caller.acting(self.app, may_propose=request.method == "POST", progress=progress)
                with running(self.app, caller.person):
                    result = acting.call(self.offer.tool, **arguments)
                headers.update(self._next_page(request, result))
                return encode(result)

            headers: dict[str, str] = {}
            if key is None:
                return call(), headers
            digest = sha256(f"{self.offer.tool.id}\n".encode() + (body or b"")).hexdigest()
            answer, former = self.replies.once(caller.key, key, digest, call)
            return answer, headers | ({"Idempotent-Replayed": "true"} if former else {})

        if "text/event-stream" in request.headers.get("accept", ""):
            return StreamingResponse(
                _events(self.threads, work), headers={**_HEADERS, "Content-Type": "text/event-stream"}
            )
        answer, headers = work(Silent())
        return _json(answer, headers=headers)

    def _next_page(self, request: Request, result: Any) -> dict[str, str]:
        """The address of the next page, where there is one and the address says it all."""
        there = next_page(request.url.path, request.query_params.multi_items(), result)
        return {"Link": f'<{there}>; rel="next"'} if there is not None and request.method == "GET" else {}


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise TooLarge("the body is larger than 1 MiB", remedy="send less: parameters are short")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        raise NotJson("the body is not application/json", remedy="send JSON, with Content-Type: application/json")
    return bytes(body)


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= 200 and set(key) <= _KEY_CHARACTERS):
        raise UsageError(
            "not an idempotency key", remedy="up to 200 letters, digits and . _ : - (a UUID, for instance)"
        )
    return key


_KEY_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-")


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    return Response(body, status, headers={**_HEADERS, **headers}, media_type="application/json")


def _failed(error: TrailwardenError, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    return _json(encode(body_of(error)), status_of(error), {**headers_of(error), **headers})


# ---------------------------------------------------------------- streams


async def _events(threads: ThreadPoolExecutor, work: Callable[[Progress], tuple[bytes, Any]]) -> AsyncIterator[bytes]:
    """The progress of some work, then its answer or its failure, as server-sent events. Who waits
    holds no thread: those are what all pages are made in."""
    news: asyncio.Queue[msgspec.Struct | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def tell(latest: msgspec.Struct | None) -> None:
        loop.call_soon_threadsafe(news.put_nowait, latest)

    under_way: Future[tuple[bytes, Any]] = threads.submit(work, Reported(tell))
    under_way.add_done_callback(lambda _: tell(None))
    yield b": working\n\n"
    while True:
        try:
            latest = await asyncio.wait_for(news.get(), _HEARTBEAT)
        except TimeoutError:
            yield b": still working\n\n"
            continue
        pending: dict[str, Step] = {}
        while isinstance(latest, Step):
            pending[latest.task] = latest  # whoever reads slowly gets where it stands, not each step
            if news.empty():
                break
            latest = news.get_nowait()
        for each in pending.values():
            yield _event("progress", encode(each))
        if latest is None:
            break
    try:
        answer, _ = under_way.result()
    except TrailwardenError as error:
        yield _event("error", encode({**body_of(error), "status": status_of(error)}))
    else:
        yield _event("result", answer)


def _event(name: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)
