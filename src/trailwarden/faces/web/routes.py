"""How a page declares itself, and what it has at hand while it answers."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from ... import access
from ...access import WebSession
from ...app import App
from ...errors import Forbidden, NotAuthenticated, UsageError
from ...model.finding import Coverage
from ...model.proposal import Actor
from ...progress import Progress
from ..callers import running
from ..output import View, csv_lines, encode, next_page, rows
from .access import Access, Right
from .oidc import Provider
from .security import Cookies, new_token, own_origin, same, sent_token
from .shown import Shown, environment

F = TypeVar("F", bound=Callable[..., Any])
#: What ``?format=`` may ask for, and the type of each.
_IN_ADDRESSES = ":/%#?=@[]!$&'()*+,;"  # as starlette's RedirectResponse
FORMATS = {"json": "application/json", "jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


class NotSignedIn(NotAuthenticated):
    """The page is for people who have signed in."""


class Console(msgspec.Struct, frozen=True):
    """What all requests share."""

    app: App
    access: Access
    cookies: Cookies
    origins: tuple[str, ...]
    provider: Provider | None = None


class Here:
    """One request: whose it is, and how it is answered."""

    def __init__(self, request: Request, console: Console, visitor: WebSession | None) -> None:
        self.request = request
        self.console = console
        self.visitor = visitor
        self._before: str | None = None

    @property
    def session(self) -> WebSession:
        """The person's session; only on routes whose right is not ``anyone``."""
        assert self.visitor is not None
        return self.visitor

    def may(self, right: Right) -> bool:
        """Whether this person has a right: for what a page offers, not for what a route allows."""
        return right == "anyone" or (self.visitor is not None and right in self.visitor.person.rights)

    @property
    def app(self) -> App:
        """The installation, as this person uses it: every tool's call is theirs in the audit chain."""
        return self.acting()

    def acting(self, progress: Progress | None = None) -> App:
        """The same, with progress told to whom it interests."""
        actor = Actor(kind="person", name=self.session.person.login, via="console")
        return self.console.app.acting(actor, may_propose=self.may("propose"), progress=progress)

    @property
    def view(self) -> View:
        """Zone and present."""
        return View(zone=self.console.app.zone, now=self.console.app.now())

    @property
    def format(self) -> str | None:
        """``json``, ``jsonl`` or ``csv`` if ``?format=`` asks for one.

        Raises:
            UsageError: it asks for something else.
        """
        asked = self.request.query_params.get("format")
        if asked not in (None, "", "html", *FORMATS):
            raise UsageError(f"there is no format {asked!r}", remedy=f"one of: {', '.join(FORMATS)}")
        return asked if asked in FORMATS else None

    @property
    def address(self) -> str:
        """The address that the request came from."""
        return self.request.client.host if self.request.client else ""

    @property
    def agent(self) -> str:
        """What the browser says of itself; empty if nothing."""
        return self.request.headers.get("user-agent", "")

    @property
    def partial(self) -> bool:
        """Whether htmx asks for a part of the page."""
        headers = self.request.headers
        whole = headers.get("HX-Boosted") == "true" or headers.get("HX-History-Restore-Request") == "true"
        return headers.get("HX-Request") == "true" and not whole

    @property
    def csrf(self) -> str:
        """The token for this page's forms."""
        if self.visitor is not None:
            return self.visitor.csrf
        if self._before is None:
            self._before = self.console.cookies.before(self.request) or new_token()
        return self._before

    def answer(
        self, template: str, result: Any, *, block: str | None = None, name: str = "answer", **context: Any
    ) -> Response:
        """A result as the page ``template`` shows it (as ``result``), or as the JSON or CSV that ``?format=`` asks for,
        in the command line's form. ``name`` is that of the downloaded file."""
        if self.format is None:
            return self.page(template, block=block, result=result, **context)
        return self.data(result, name=name)

    def data(self, result: Any, *, name: str = "answer") -> Response:
        """A result in the format that ``?format=`` asks for, else as JSON."""
        if self.format in (None, "json"):
            return Response(encode(result), headers={"Content-Type": FORMATS["json"]})
        further = next_page(self.request.url.path, self.request.query_params.multi_items(), result)
        return self.stream(rows(result), name=name, coverage=getattr(result, "coverage", None), further=further)

    def stream(
        self, records: Iterable[Any], *, name: str, coverage: Coverage | None = None, further: str | None = None
    ) -> Response:
        """Records as they come, as a file: CSV if ``?format=`` asks for it, else JSON lines. It says whether it is all:
        by its name, by headers, and in JSON lines by a last line with the ``coverage``. ``further`` is the address of
        the next page."""
        kind = "csv" if self.format == "csv" else "jsonl"
        gaps = len(coverage.gaps) if coverage is not None else 0
        called = f"{name}-partial" if gaps or further else name
        headers = {"Content-Type": FORMATS[kind], "Content-Disposition": f'attachment; filename="{called}.{kind}"'}
        if coverage is not None:
            headers["Trailwarden-Coverage"] = f"partial; gaps={gaps}" if gaps else "complete"
        if further is not None:
            headers["Link"] = f'<{further}>; rel="next"'
        lines = csv_lines(records, self.view) if kind == "csv" else json_lines(records, coverage)
        return StreamingResponse(lines, headers=headers)

    def page(self, template: str, *, block: str | None = None, status: int = 200, **context: Any) -> Response:
        """A page; only its ``block`` where htmx asks for a part."""
        made = environment().get_template(template)
        known = {
            "here": self,
            "visitor": self.visitor,
            "t": Shown(self.view),
            "path": self.request.url.path,
            "query": {name: self.request.query_params.getlist(name) for name in self.request.query_params},
            **context,
        }
        if block is not None and self.partial:
            values = made.new_context(known)
            text = made.environment.concat(made.blocks[block](values))
        else:
            text = made.render(known)
        response = Response(text, status, media_type="text/html", headers={"Vary": "HX-Request"})
        if self.visitor is None and self._before is not None:
            self.console.cookies.set_before(response, self._before)
        return response

    def part(self, template: str, macro: str, *arguments: Any) -> str:
        """What a macro of a template makes of ``arguments``: for what is sent piece by piece."""
        module = environment().get_template(template).make_module({"t": Shown(self.view), "here": self})
        return str(getattr(module, macro)(*arguments))

    def go(self, path: str) -> Response:
        """On to another page, after a form."""
        if self.partial:
            return Response(status_code=204, headers={"HX-Redirect": quote(path, safe=_IN_ADDRESSES)})
        return RedirectResponse(path, 303)


def json_lines(records: Iterable[Any], coverage: Coverage | None = None) -> Iterator[bytes]:
    """JSON, a row a line; the last one says what was looked at, where that is known."""
    for record in records:
        yield encode(record) + b"\n"
    if coverage is not None:
        yield encode({"coverage": coverage}) + b"\n"


def local_path(path: str, otherwise: str = "/") -> str:
    """``path`` if it leads to a page of the console, not elsewhere."""
    inside = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if inside else otherwise


class Pages:
    """The routes of one area. A route without a right cannot be declared."""

    def __init__(self) -> None:
        self.router = APIRouter(default_response_class=Response, include_in_schema=False)

    def get(self, path: str, *, right: Right) -> Callable[[F], F]:
        """A page. The function takes ``here: OnPage`` and the query's parameters, as FastAPI has them."""
        return self._route("GET", path, right)

    def post(self, path: str, *, right: Right) -> Callable[[F], F]:
        """What a form sends. It has come from a page of the console, with the session's token."""
        return self._route("POST", path, right)

    def _route(self, method: str, path: str, right: Right) -> Callable[[F], F]:
        def declare(function: F) -> F:
            guards = [] if right == "anyone" else [Depends(_guard(right))]
            guards += [] if method == "GET" else [Depends(_from_here)]
            held = function if right == "anyone" or inspect.iscoroutinefunction(function) else _bounded(function)
            self.router.add_api_route(path, held, methods=[method], dependencies=guards, openapi_extra={"right": right})
            return function

        return declare


def _bounded(function: Callable[..., Response]) -> Callable[..., Response]:
    """A page of somebody who has signed in: so many at once are made for one person."""

    @wraps(function)
    def made(*, here: Here, **given: Any) -> Response:
        with running(here.console.app, here.session.person.login):
            return function(here=here, **given)

    return made


def _guard(right: access.Right) -> Callable[[Here], None]:
    def guard(here: OnPage) -> None:
        if here.visitor is None:
            raise NotSignedIn("this page needs a login", remedy="sign in")
        try:
            access.check_right(here.visitor.person.rights, right, who=here.visitor.person.login)
        except Forbidden:
            said = f"{here.request.method} {here.request.url.path}"[:200]
            here.app.audit("denied", {"attempt": said, "code": "Forbidden", "why": f"it takes the right {right}"})
            raise

    return guard


def here_of(request: Request) -> Here:
    """The request with its person; the session's use is noted."""
    console: Console = request.app.state.console
    session = console.cookies.session(request)
    return Here(request, console, console.access.visitor(session) if session else None)


OnPage = Annotated[Here, Depends(here_of)]


async def _from_here(here: OnPage) -> None:
    """Refuse what a page elsewhere made the browser send."""
    expected = here.visitor.csrf if here.visitor else here.console.cookies.before(here.request)
    if not own_origin(here.request, here.console.origins) or not same(await sent_token(here.request), expected):
        raise Forbidden(
            "the form was not sent from a page of this session", remedy="open the page again, and send it from there"
        )


class Declared(msgspec.Struct, frozen=True, order=True):
    """A route as the authorisation matrix has it."""

    path: str
    method: str
    right: str


def declared(served: FastAPI) -> tuple[Declared, ...]:
    """Every route with its right, for the authorisation matrix.

    Raises:
        TypeError: a route declares none.
    """
    found: list[Declared] = []
    for route in iter_route_contexts(served.router.routes):
        right = (getattr(route, "openapi_extra", None) or {}).get("right")
        if right is None:
            raise TypeError(f"{route.path} declares no right")
        found += [Declared(route.path or "", method, right) for method in sorted(route.methods or ())]
    return tuple(sorted(found))
