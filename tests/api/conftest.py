from collections.abc import Iterator
from datetime import timedelta

import pytest
from api_kit import Api, serving, tokens
from fastapi import FastAPI
from starlette.requests import Request

from trailwarden.access import SessionLimits, WebSession
from trailwarden.app import App
from trailwarden.demo.run import connect_and_ingest, running
from trailwarden.faces.api import api_router
from trailwarden.faces.callers import KnownCallers
from trailwarden.state.idempotency import AnswerStore


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """The API over the demo organisation, as of the moment at which its story ends."""
    with running(records=1_000, seed=7) as up, App.open(up.home, clock=lambda: up.scenario.anchor) as app:
        connect_and_ingest(up, app)
        with App.open(up.home, clock=lambda: up.scenario.anchor - timedelta(hours=2)) as earlier:
            earlier.iam_scan(limit=1)  # so that there are two readings to compare
        app.accounts_doctor()  # so that each connection has been checked, whoever looks first
        given = tokens(app, app.now())

        def session(request: Request) -> WebSession | None:
            value = request.cookies.get("session")
            return app.state.sessions.find(value, limits=SessionLimits(), now=app.now()) if value else None

        callers = KnownCallers(lambda token: app.state.tokens.use(token, now=app.now()), session)
        served = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        served.include_router(api_router(app, callers, AnswerStore(app.state.write, app.now)))
        with serving(served) as url:
            yield Api(url, given, app, up)
