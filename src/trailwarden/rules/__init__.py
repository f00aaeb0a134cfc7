"""Rules as data: one folder for each analysis, one YAML file for each family. Each is read when it is asked for."""

from collections.abc import Iterator
from importlib import resources
from typing import Any


def documents(folder: str) -> Iterator[tuple[str, Any]]:
    """The files of a folder in order of name: the name without its ending, and the content.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    import yaml  # noqa: PLC0415

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = (each for each in (resources.files(__package__) / folder).iterdir() if each.name.endswith(".yaml"))
    for each in sorted(found, key=lambda file: file.name):
        yield each.name.removesuffix(".yaml"), yaml.load(each.read_bytes(), Loader=loader)  # noqa: S506 - it is a safe one
