"""What a tool declaration is: one function, from which every face builds its own form.

    @tool(effect="read", title="Search CloudTrail", needs=("cloudtrail:LookupEvents",))
    def search(app: App, where: EventFilter, window: Window | None = None, limit: Limit = 100) -> EventPage:
        \"\"\"CloudTrail events that match, newest first, with the coverage of the answer.\"\"\"

The signature and the docstring are the schema: parameters carry ``Annotated[..., Meta(description=…)]``.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

F = TypeVar("F", bound=Callable[..., Any])
#: ``read`` looks; ``setup`` changes this installation; ``propose`` files a proposal. No tool changes an AWS account:
#: that takes a person's approval, which is no tool.
Effect = Literal["read", "setup", "propose"]
#: Longest text of an argument that the audit chain keeps.
_KEPT = 1000
#: The largest integer that JSON holds exactly everywhere.
_EXACT = 2**53


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


def shown_arguments(tool: Tool, given: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call as the audit chain keeps them: what was given, as builtins; secrets (``extra`` of their
    Meta says so) by name alone; fractions as text, since the chain holds none."""
    parameters = tool.parameters
    values = {parameter.name: value for parameter, value in zip(parameters, given, strict=False)} | dict(named)
    secret = {each.name for each in parameters if _is_secret(each.type)}
    defaults = {each.name: each.default for each in parameters}
    return {
        name: "…" if name in secret else _builtin(value)
        for name, value in values.items()
        if name not in defaults or value != defaults[name]
    }


def _is_secret(annotation: Any) -> bool:
    extras = [each.extra or {} for each in get_args(annotation) if isinstance(each, Meta)]
    return any(extra.get("secret") for extra in extras)


def _builtin(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        pairs = ((field.name, getattr(value, field.name), field.default) for field in fields)
        return {name: _builtin(each) for name, each, default in pairs if each not in (default, None, ())}
    if isinstance(value, Mapping):
        return {str(key): _builtin(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_builtin(each) for each in value]
    if isinstance(value, str):
        return value[:_KEPT]
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _EXACT):
        return value
    return str(value)[:_KEPT]
