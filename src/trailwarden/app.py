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
from .tool import Tool, shown_arguments


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
        return partial(self.call, declared)

    def call(self, tool: Tool, /, *given: Any, **named: Any) -> Any:
        """Call a tool, and write into the audit chain who asked what; raises as the tool does."""
        self.asked(tool, *given, **named)
        return tool.call(self, *given, **named)

    def asked(self, tool: Tool, /, *given: Any, **named: Any) -> None:
        """Write into the audit chain that the tool's question is asked, by who answers it in pieces."""
        kind = {"read": "question", "setup": "setting", "propose": "request"}[tool.effect]
        self.audit(kind, {"tool": tool.id, "arguments": shown_arguments(tool, given, named)})

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *catalog.tools()})
