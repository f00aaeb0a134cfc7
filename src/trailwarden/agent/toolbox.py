"""The tools as a model has them in one run: those of the MCP server that read what is here, and proposals with a gate.

No tool approves, executes or sets anything up. A tool that asks others than the lake on the model's word is withheld,
with the parameters that would make one do so: arguments are the way out that an injected instruction has.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import anyio.to_thread
import msgspec
from pydantic_ai import RunContext
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool
from pydantic_core import SchemaValidator, core_schema

from ..action import Refused
from ..app import App
from ..errors import Forbidden, TrailwardenError
from ..faces.callers import Caller
from ..faces.mcp import Filed, ModelTool, model_tools
from ..faces.output import encode
from ..faces.problems import body_of
from ..faces.terminal import safe
from ..faces.untrusted import tame
from ..model.finding import Coverage
from ..model.proposal import ActionName, Target
from ..tools._respond import desk_of, planned_somewhere
from .scope import Scope, scope_of
from .values import Calling, RefusedProposal, ToolUse

Told = Callable[[Calling | ToolUse], None]

#: Tools of the MCP server that a model which we run is not given: why.
WITHHELD: Mapping[str, str] = MappingProxyType(
    {
        "accounts_doctor": "it assumes roles, which the model would name",
        "ask": "it keeps the person's own conversation",
        "falcon_test": "it calls CrowdStrike, and tells nothing of what happened",
        "lake_quarantine": "it shows what could not be read as records",
    }
)
#: Parameters that the model does not set, and what they are: it reads what is here.
FIXED: Mapping[str, Any] = MappingProxyType({"live": "never", "refresh": False})
#: Arguments of a proposal that are no argument of its action.
_COMMON = ("account", "reason", "evidence", "window")
_PROPOSE = "propose_"
_ARGUMENTS = SchemaValidator(core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema()))


@cache
def agent_tools() -> Mapping[str, ModelTool]:
    """Every tool that a model which we run may have, by name."""
    return MappingProxyType({name: each for name, each in model_tools().items() if name not in WITHHELD})


def parameters_of(tool: ModelTool) -> dict[str, Any]:
    """The JSON Schema of a tool's parameters, without those that are fixed."""
    schema = dict(tool.shown.input_schema)
    schema["properties"] = {key: value for key, value in schema.get("properties", {}).items() if key not in FIXED}
    return schema


class Toolbox(AbstractToolset[Any]):
    """The tools of one run on behalf of ``caller``, and what was done with them.

    ``question`` is the user's own; it alone decides what may be proposed. ``most`` is how many calls there may be.
    ``told`` is told of each call before it, and what came of it after.
    """

    def __init__(self, app: App, caller: Caller, question: str, *, most: int, told: Told = lambda _: None) -> None:
        self.uses: list[ToolUse] = []
        self.filed: list[Filed] = []
        self.refused: list[RefusedProposal] = []
        self._app, self._caller, self._question, self._most, self._told = app, caller, question, most, told
        self._known_scope: Scope | None = None
        self._one_at_a_time, self._over = threading.Lock(), False

    @property
    def id(self) -> str:
        """The toolset's name."""
        return "trailwarden"

    @property
    def usable(self) -> Mapping[str, ModelTool]:
        """The tools that the caller has the right to."""
        may = self._caller.rights & {"read", "propose"}
        return {name: each for name, each in agent_tools().items() if each.tool.effect in may}

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:  # noqa: ARG002 - the interface's
        """The tools as the model is shown them."""
        return {
            name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(
                    name=name,
                    description=each.shown.description,
                    parameters_json_schema=parameters_of(each),
                    sequential=True,
                ),
                max_retries=1,
                args_validator=_ARGUMENTS,
            )
            for name, each in self.usable.items()
        }

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[Any],  # noqa: ARG002 - the interface's
        tool: ToolsetTool[Any],  # noqa: ARG002
    ) -> str:
        """What the tool says, as JSON that is marked as data. The wait for it may be ended, the call is not: see
        ``close``."""
        return await anyio.to_thread.run_sync(self.call, name, tool_args)

    def close(self) -> None:
        """Begin no call any more, and wait for the one that has begun: what it does is in ``uses`` then."""
        with self._one_at_a_time:
            self._over = True

    def call(self, name: str, given: Mapping[str, Any]) -> str:
        """Call a tool; failures are answers too.

        Raises:
            UsageLimitExceeded: there were as many calls as there may be, or the run is over.
        """
        with self._one_at_a_time:
            return self._call(name, given)

    def _call(self, name: str, given: Mapping[str, Any]) -> str:
        if self._over:
            raise UsageLimitExceeded("the run is over")
        if len(self.uses) >= self._most:
            raise UsageLimitExceeded(f"{self._most} calls of tools")
        tool, words = self.usable[name], in_words(given)
        use = ToolUse(tool=name, title=tool.shown.title or name, arguments=_shown(given), words=words)
        self._told(Calling(tool=name, title=use.title, words=words))
        try:
            answer = self._answer(tool, name, given)
        except TrailwardenError as error:
            return self._used(msgspec.structs.replace(use, error=safe(error.message)), body_of(error))
        coverage = getattr(answer, "coverage", None)
        if isinstance(answer, Filed):
            use = msgspec.structs.replace(use, proposal=answer.proposal.id, joined=answer.joined)
        elif isinstance(coverage, Coverage):
            use = msgspec.structs.replace(use, coverage=coverage)
        return self._used(use, answer)

    def _used(self, use: ToolUse, answer: Any) -> str:
        self.uses.append(use)
        self._told(use)
        return encode(tame(answer)).decode()

    def _answer(self, tool: ModelTool, name: str, given: Mapping[str, Any]) -> Any:
        self._caller.check(tool.tool)
        proposes = tool.tool.effect == "propose"
        acting = self._caller.acting(self._app, may_propose=proposes)
        if not proposes:
            fixed = {key: value for key, value in FIXED.items() if key in tool.shown.input_schema["properties"]}
            if wrong := sorted(set(given) & set(FIXED)):
                raise Forbidden(
                    f"{', '.join(wrong)} is not the model's to set", remedy="leave it out: what is here is read"
                )
            return tool.work(acting, {**given, **fixed})
        filed: Filed = tool.work(acting, self._gated(acting, name, given))
        self.filed.append(filed)
        return filed

    # ------------------------------------------------------------ the gate

    def _gated(self, acting: App, name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments with the account of the target, if the user's question concerns the target.

        Raises:
            Refused: it does not; the attempt is in the audit chain.
            TrailwardenError: the target cannot be planned for.
        """
        action: ActionName = msgspec.convert(name.removeprefix(_PROPOSE), ActionName)
        arguments = {key: value for key, value in given.items() if key not in _COMMON}
        scope = self._scope(acting)
        if not scope.may_ask(action, arguments) or not self._may_go(acting, given.get("account")):
            raise self._denied(acting, name, given, "", "the user's question names no such target")
        planned = planned_somewhere(acting, desk_of(acting), action, arguments, given.get("account"))
        for target in planned.plan.targets:
            if scope.ground(action, target) is None:
                raise self._denied(acting, name, given, said_of(target), "the user's question does not concern it")
        return {**given, "account": planned.plan.account}

    def _scope(self, acting: App) -> Scope:
        if self._known_scope is None:
            self._known_scope = scope_of(acting, self._question)
        return self._known_scope

    def _may_go(self, acting: App, account: Any) -> bool:
        known = {text for each in acting.state.connections.list() for text in (each.account_id, each.label)}
        return account is None or account in known

    def _denied(self, acting: App, name: str, given: Mapping[str, Any], target: str, why: str) -> Refused:
        shown = _shown(given)
        title = self.usable[name].shown.title or name
        self.refused.append(RefusedProposal(tool=name, title=title, arguments=shown, target=target, why=why))
        body = {"tool": name, "arguments": shown, "target": target, "question": self._question, "why": why}
        acting.audit("denied", body)
        return Refused(
            f"not proposed: {why}" + (f": {target}" if target else ""),
            remedy="the user has to name the target in a question of their own; what records say does not count",
        )


def said_of(target: Target) -> str:
    """A target in a line."""
    return safe(f"{target.kind} {target.arn or target.name} ({target.id}) in account {target.account}", cap=600)


def _shown(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as the answer and the audit chain keep them: short, and without fractions."""
    return dict(_pairs(given))


def _pairs(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in list(given.items())[:40]:
        plain = value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) <= 2**53)
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        yield safe(str(key), cap=100), value if plain else safe(text, cap=600)


def in_words(given: Mapping[str, Any]) -> str:
    """Arguments as people read them: ``user john, last 24h``."""
    return safe(", ".join(_said(given)), cap=300)


def _said(given: Mapping[str, Any]) -> Iterator[str]:
    for key, value in list(given.items())[:40]:
        name = str(key).replace("_", " ")
        if isinstance(value, Mapping):
            yield from _said(value)
        elif isinstance(value, list | tuple) and all(isinstance(each, str | int) for each in value):
            yield f"{name} {' or '.join(map(str, value))}"
        elif isinstance(value, bool):
            yield name if value else f"{name}: no"
        elif value is not None:
            yield f"{name} {value if isinstance(value, str | int) else msgspec.json.encode(value).decode()}"
