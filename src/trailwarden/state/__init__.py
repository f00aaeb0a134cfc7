"""What this installation keeps: connections, secrets at rest, and the schema that holds them."""

from .store import State

__all__ = ["State"]
