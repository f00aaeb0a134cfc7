"""Collects the tools: one file each in ``tools/``, named as what it declares."""

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType, ModuleType

from . import tools as tools_package
from .tool import Tool


def collect(package: ModuleType) -> dict[str, Tool]:
    """Every tool of a package, by id.

    Raises:
        TypeError: a file declares no tool of its own name, or two tools have one command.
    """
    found: dict[str, Tool] = {}
    commands: dict[tuple[str, ...], str] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        name = module_info.name
        if name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{name}")
        declared = getattr(getattr(module, name, None), "declaration", None)
        if not isinstance(declared, Tool):
            raise TypeError(f"{package.__name__}.{name} must declare a @tool function named {name}")
        if other := commands.get(declared.command):
            raise TypeError(f"tools {other} and {name} both answer to the command {' '.join(declared.command)!r}")
        commands[declared.command] = name
        found[name] = declared
    return found


@cache
def tools() -> MappingProxyType[str, Tool]:
    """Every tool of Trailwarden, by id."""
    return MappingProxyType(collect(tools_package))
