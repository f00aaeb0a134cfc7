"""What a tool declaration is: one function, from which every face builds its own form.

    @tool(effect="read", title="Search CloudTrail", needs=("cloudtrail:LookupEvents",))
    def search(app: App, where: EventFilter, window: Window | None = None, limit: Limit = 100) -> EventPage:
        \"\"\"CloudTrail events that match, newest first, with the coverage of the answer.\"\"\"

The signature and the docstring are the schema: parameters carry ``Annotated[..., Meta(description=…)]``.
"""

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_type_hints

import msgspec

F = TypeVar("F", bound=Callable[..., Any])
#: ``read`` looks; ``setup`` changes this installation (never an AWS account). What changes an account is an action.
Effect = Literal["read", "setup"]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a tool: its type with annotations, and its default (``inspect.Parameter.empty``: required)."""

    name: str
    type: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether the caller must give it."""
        return self.default is inspect.Parameter.empty


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A declared tool.

    ``id`` is the function's and the file's name; ``command`` the words that call it on the command line;
    ``needs`` the IAM actions that a connected role must allow; ``examples`` are command lines.
    """

    id: str
    call: Callable[..., Any]
    command: tuple[str, ...]
    effect: Effect
    title: str
    description: str
    needs: tuple[str, ...]
    examples: tuple[str, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters after ``app``."""
        hints = get_type_hints(self.call, include_extras=True)
        return tuple(
            Parameter(name=name, type=hints[name], default=parameter.default)
            for name, parameter in list(inspect.signature(self.call).parameters.items())[1:]
        )

    @property
    def result(self) -> Any:
        """The type of the result."""
        return get_type_hints(self.call, include_extras=True)["return"]


def tool(
    *,
    effect: Effect,
    title: str,
    command: str | None = None,
    needs: tuple[str, ...] = (),
    examples: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Declare a function as a tool. ``command`` defaults to the function's name with spaces for underscores."""

    def declare(function: F) -> F:
        name = function.__name__
        words = (command if command is not None else name.replace("_", " ")).split()
        declared = Tool(
            id=name,
            call=function,
            command=tuple(words),
            effect=effect,
            title=title,
            description=inspect.getdoc(function) or "",
            needs=needs,
            examples=examples,
        )
        function.declaration = declared  # type: ignore[attr-defined]
        return function

    return declare
