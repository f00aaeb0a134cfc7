import os

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

import on_postgresql

# Time is measured by benchmarks; a loaded machine is no failure of a property.
settings.register_profile("trailwarden", deadline=None)
settings.load_profile("trailwarden")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """End with a folder what its tests share for the session.

    An emulator's state is the process's, and a browser's event loop runs in the main thread: whichever folder comes
    next must find neither. So session-scoped fixtures live as long as one folder's tests follow each other, whatever
    the order is.
    """
    if nextitem is None or nextitem.path.parent == item.path.parent:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    runtestprotocol(item, nextitem=None)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_configure() -> None:
    """Keep state on PostgreSQL where the environment says so."""
    url = os.environ.get(on_postgresql.VARIABLE)
    if url:
        on_postgresql.use(url)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs the home's own database where there is none."""
    if os.environ.get(on_postgresql.VARIABLE):
        elsewhere = pytest.mark.skip(reason="the state is on PostgreSQL, not in the home")
        for item in items:
            if item.get_closest_marker("home_database"):
                item.add_marker(elsewhere)
