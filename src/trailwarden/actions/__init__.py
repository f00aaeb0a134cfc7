"""The response actions: one file each, named as what it declares."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import get_args

from ..action import Action
from ..model.proposal import ActionName


def collect(package: str, path: list[str]) -> dict[ActionName, type[Action]]:
    """Every action of a package, by name.

    Raises:
        TypeError: a file does not declare exactly one action, and that of the file's own name.
    """
    found: dict[ActionName, type[Action]] = {}
    for module_info in pkgutil.iter_modules(path):
        file = module_info.name
        if file.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{file}")
        declared = [
            each
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, Action) and each.__module__ == module.__name__
        ]
        names = [getattr(each, "name", None) for each in declared]
        if names != [file] or file not in get_args(ActionName):
            raise TypeError(f"{module.__name__} must declare one Action, with the name {file}; it declares {names}")
        found[declared[0].name] = declared[0]
    return found


@cache
def actions() -> Mapping[ActionName, type[Action]]:
    """Every action, by name."""
    return MappingProxyType(collect(__name__, list(__path__)))
