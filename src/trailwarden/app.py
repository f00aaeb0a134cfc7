"""The Python face: an installation with every tool as a method.

from trailwarden import App
from trailwarden.model.event import EventFilter

with App.open() as app:
    page = app.search(EventFilter(user=("john@company.com",)))
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from . import catalog
from .installation import Installation
from .tool import Tool


class App(Installation):
    """An installation; ``app.search(…)``, ``app.ingest(…)``: one method for each tool, with typed results."""

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool, by id."""
        return catalog.tools()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        declared = catalog.tools().get(name)
        if declared is None:
            raise AttributeError(f"{type(self).__name__!r} has no tool or attribute {name!r}")
        return partial(declared.call, self)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *catalog.tools()})
