"""Things computed from the lake and kept on disk until the lake changes. A cache: deleting it costs time only."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from .store import Lake

T = TypeVar("T")


def kept(lake: "Lake", name: str, kind: type[T], make: Callable[[], T]) -> T:
    """What ``make()`` gives for the lake as it is now, from ``cache/<name>.json`` if it is there and still true."""
    path = lake.root / "cache" / f"{name}.json"
    generation = lake.manifest.generation()
    with suppress(OSError, msgspec.DecodeError):  # without the file, or with a damaged one, it is made again
        known, value = msgspec.json.decode(path.read_bytes(), type=tuple[int, msgspec.Raw])
        if known == generation:
            return msgspec.json.decode(value, type=kind)
    made = make()
    temporary = path.with_name(f"{path.name}.{generation}.tmp")
    with suppress(OSError):  # a cache that cannot be written costs time and nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(msgspec.json.encode((generation, made)))
        temporary.replace(path)
    return made
