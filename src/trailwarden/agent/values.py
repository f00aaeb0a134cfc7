"""What comes of asking a model: sentences with their evidence, what was proposed and refused, and what it took."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import pydantic

from ..faces.mcp import Filed
from ..model.finding import Coverage

T = TypeVar("T")
#: Bounds of what a model may write.
SENTENCES, IDS, FOLLOW_UPS = 60, 12, 5
_Id = Annotated[str, pydantic.Field(min_length=1, max_length=200)]


class DraftSentence(pydantic.BaseModel):
    """One statement, and the ids of the records that show it."""

    model_config = pydantic.ConfigDict(extra="forbid")

    text: str = pydantic.Field(min_length=1, max_length=1000, description="One sentence, plain text")
    evidence: list[_Id] = pydantic.Field(
        default=[], max_length=IDS, description="eventID of CloudTrail records, or ids of alerts, that show it"
    )


class Draft(pydantic.BaseModel):
    """The answer to the question. What was proposed is not said here: it is known."""

    model_config = pydantic.ConfigDict(extra="forbid")

    sentences: list[DraftSentence] = pydantic.Field(
        min_length=1, max_length=SENTENCES, description="The answer, sentence by sentence, each with its evidence"
    )
    follow_ups: list[Annotated[str, pydantic.Field(max_length=300)]] = pydantic.Field(
        default=[], max_length=FOLLOW_UPS, description="Questions that could come next"
    )


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence of the answer. ``evidence`` are ids of events and alerts that are at hand; ``unproven`` if there are
    none: then it is what the model says, and no more."""

    text: str
    evidence: tuple[str, ...]
    unproven: bool


class Calling(msgspec.Struct, frozen=True, kw_only=True):
    """A call that begins: the tool's ``title``, and its arguments in ``words``."""

    tool: str
    title: str
    words: str


class ToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as the model called it, its arguments as they are and in ``words``. ``coverage`` is that of its answer,
    where it has one; ``error`` is why it failed, ``proposal`` what was filed by it, or ``joined``: was open already."""

    tool: str
    title: str
    arguments: dict[str, Any]
    words: str
    coverage: Coverage | None = None
    proposal: str | None = None
    joined: bool = False
    error: str | None = None


class RefusedProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal that the model wanted to file and that the question does not concern."""

    tool: str
    title: str
    arguments: dict[str, Any]
    target: str
    why: str


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What it took: requests to the model, its tokens, and calls of tools."""

    requests: int
    input_tokens: int
    output_tokens: int
    tool_calls: int


EvidenceKind = Literal["event", "alert"]


class ModelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A model's answer, checked. ``cited`` says of each id of the sentences what it is of; ``removed`` are ids that it
    cited and that nothing here has. ``stopped`` says why it did not come to an end, and ``remedy`` what to do about
    that; what it had filed and tried is here all the same. ``coverage`` is that of all tools that answered."""

    question: str
    model: str
    sentences: tuple[Sentence, ...]
    cited: dict[str, EvidenceKind]
    follow_ups: tuple[str, ...]
    proposals: tuple[Filed, ...]
    refused: tuple[RefusedProposal, ...]
    removed: tuple[str, ...]
    notices: tuple[str, ...]
    tools: tuple[ToolUse, ...]
    coverage: Coverage
    usage: Usage
    stopped: str | None = None
    remedy: str = ""

    @property
    def exit_code(self) -> int:
        """1 if it was stopped."""
        return 1 if self.stopped else 0


def together(parts: Iterable[Coverage]) -> Coverage:
    """What several answers looked at, and what they did not. There is no window: each has its own."""
    known = tuple(parts)
    fresh = [each.fresh_until for each in known if each.fresh_until is not None]
    return Coverage(
        sources=_all(each.sources for each in known),
        accounts=tuple(sorted(_all(each.accounts for each in known))),
        regions=tuple(sorted(_all(each.regions for each in known))),
        fresh_until=min(fresh, default=None),
        gaps=_all(each.gaps for each in known),
        notes=_all(each.notes for each in known),
    )


def _all(parts: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(item for part in parts for item in part))
