"""Trailwarden: what happened in an AWS account, who did it, and how to stop it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import App

__version__ = "0.1.0"
__all__ = ["App", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "App":
        from .app import App  # noqa: PLC0415

        return App
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
