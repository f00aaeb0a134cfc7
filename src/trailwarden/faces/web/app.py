"""The console: a FastAPI application over an installation.

How to add a page
-----------------
1. A module in ``pages/`` with ``pages = Pages()``; it is found by itself. Each route states its right::

       from ..routes import OnPage, Pages

       pages = Pages()

       @pages.get("/roles", right="read")
       def roles(here: OnPage, account: str = "") -> Response:
           result = here.app.iam_scan(...)                   # tools, as the person, in the audit chain
           return here.answer("roles.html", result, name="roles", account=account)

   Functions are plain ``def``: they run in threads. ``here.answer`` gives the page, or the JSON, JSON lines or CSV that
   ``?format=`` asks for; ``block="rows"`` renders only that block where htmx asks for a part. ``here.page`` is a page
   without data forms, ``here.go(path)`` the way on after a form, ``here.may(right)`` what to offer. Failures are raised
   as the tools do; ``app.py`` shows them with their remedy. A form posts with ``{{ csrf() }}`` in it (htmx sends the
   token by itself).
2. A template that extends ``base.html`` and fills ``title`` and ``content`` (and ``scripts`` for a module of its own).
   Its macros are ``ui``: page heads, tables, chips, badges, cards, drawers, states (empty, loading, partial, failed),
   the coverage footer (on every answer!) and the pager; /ui shows all of them. Filters: ``cap``, ``number``,
   ``duration``, ``pretty``, ``service``. Times: ``ui.when(time)``, ``t.full(time)``, ``t.ago(time)``. Addresses:
   ``link(path, a=…)``. Icons: ``icon("name")``, lucide's names; ``make assets`` after a new one.
3. Styles in ``static/css/app.css`` (tokens at its top); an area of its own gets a file beside it. Behaviour in an ES
   module in ``static/js``, started by an attribute such as ``data-module``. No inline script, style or handler: the
   policy forbids them, and a test fails. Nothing is loaded from elsewhere.
4. Addresses that pages link to each other by, so that a value leads on from anywhere: ``/search?ip=…`` (filters by
   name, see ``filters.py``), ``/events/{event_id}`` (with ``data-record`` it opens beside the page),
   ``/identity?who=…``, ``/sessions/{session_id}``, ``/roles/principal?arn=…``, ``/alerts/{composite_id}``,
   ``/proposals/{id}``.
5. Log content is an attacker's: autoescaping stays on, ``|safe`` is not used, scripts set ``textContent`` only.
"""

import importlib
import os
import pkgutil
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ...app import App
from ...errors import NotUnderstood, TrailwardenError
from ..output import encode
from ..problems import retry_after, status_of
from . import pages as page_modules
from .access import Access
from .oidc import SECRET_VARIABLE, Provider
from .routes import Console, Here, NotSignedIn, Pages, declared, here_of, local_path
from .security import Cookies, Guard
from .shown import link, statics

_WORDS = {
    401: "Not signed in",
    403: "Not allowed",
    400: "That cannot be done as asked",
    404: "Not found",
    405: "Not found",
    413: "Too large",
    422: "That cannot be read",
    429: "Too many attempts",
    500: "Something failed",
    502: "AWS refused, or could not be reached",
    503: "Busy",
}


def create_app(
    app: App, access: Access, *, origins: Sequence[str], secure: bool, routers: Sequence[APIRouter] = ()
) -> FastAPI:
    """The console over ``app``, and beside it ``routers``, whose routes state their right in ``openapi_extra``.

    ``origins`` are its addresses as browsers have them (``https://console.example.com``); ``secure``: they are HTTPS,
    so that cookies are sent over nothing else.

    Raises:
        SetupError: the static files were not made, or an OpenID Connect provider is set up by half.
        TypeError: a route declares no right.
    """
    statics()
    served = FastAPI(title="Trailwarden", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    lowered = tuple(origin.lower().rstrip("/") for origin in origins)
    settings = app.settings.console
    secret = os.environ.get(SECRET_VARIABLE)
    provider = Provider(settings, secret, origin=lowered[0]) if settings.oidc_issuer else None
    cookies = Cookies(secure=secure)
    served.state.console = Console(app=app, access=access, cookies=cookies, origins=lowered, provider=provider)
    for pages in collected():
        served.include_router(pages.router)
    for router in (_files().router, *routers):
        served.include_router(router)
    served.add_exception_handler(TrailwardenError, _failed)
    served.add_exception_handler(HTTPException, _http_failed)
    served.add_exception_handler(RequestValidationError, _not_valid)
    served.add_middleware(Guard, origins=lowered, secure=secure)
    declared(served)
    return served


def collected() -> list[Pages]:
    """The pages of every module in ``pages/``, by the module's name."""
    found: list[Pages] = []
    for module in pkgutil.iter_modules(page_modules.__path__):
        pages = importlib.import_module(f"{page_modules.__name__}.{module.name}").pages
        assert isinstance(pages, Pages)
        found.append(pages)
    return found


def _files() -> Pages:
    files = Pages()

    @files.get("/static/{digest}/{name:path}", right="anyone")
    def static(request: Request, digest: str, name: str) -> Response:
        return statics().response(request, digest, name)

    return files


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, TrailwardenError)
    if isinstance(error, NotSignedIn) and not _wants_data(request):
        return _to_login(request)
    suggestions = error.suggestions if isinstance(error, NotUnderstood) else ()
    kind = type(error).__name__
    said = _say(request, status_of(error), error.message, error.remedy, kind=kind, suggestions=suggestions)
    said.headers.update(retry_after(error))
    return said


def _http_failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        message, remedy = f"there is nothing at {request.url.path}", "go on from the navigation, or correct the address"
    else:
        message, remedy = str(error.detail), ""
    return _say(request, error.status_code, message, remedy, kind="NotFound" if error.status_code == 404 else "Http")


def _not_valid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()[:5])
    return _say(request, 422, f"the request cannot be read: {said}", "correct the named values", kind="UsageError")


def _say(
    request: Request, status: int, message: str, remedy: str, *, kind: str, suggestions: Sequence[str] = ()
) -> Response:
    if _wants_data(request):
        body: dict[str, Any] = {"error": message, "kind": kind, "remedy": remedy}
        if suggestions:
            body["suggestions"] = list(suggestions)
        return Response(encode(body), status, media_type="application/json")
    here = here_of(request)
    words = _WORDS.get(status, "Something failed")
    said = {"heading": words, "message": message, "remedy": remedy, "suggestions": suggestions}
    return here.page("error.html", block="said", status=status, **said)


def _wants_data(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return request.query_params.get("format") in ("json", "jsonl", "csv") or accepted.startswith("application/json")


def _to_login(request: Request) -> Response:
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    here: Here = Here(request, request.app.state.console, None)
    return here.go(link("/login", next=local_path(wanted) if request.method == "GET" else "/"))
