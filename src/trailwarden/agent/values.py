"""What comes of asking a model: sentences with their evidence, what was proposed and refused, and what it took."""

from typing import Annotated, Any

import msgspec
import pydantic

from ..faces.mcp import Filed

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


class ToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as the model called it; ``error`` is why it failed."""

    tool: str
    arguments: dict[str, Any]
    error: str | None = None


class RefusedProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal that the model wanted to file and that the question does not concern."""

    tool: str
    arguments: dict[str, Any]
    target: str
    why: str


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What it took: requests to the model, its tokens, and calls of tools."""

    requests: int
    input_tokens: int
    output_tokens: int
    tool_calls: int


class ModelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A model's answer, checked. ``removed`` are ids that it cited and that nothing here has; ``stopped`` says why it
    did not come to an end, then what it had filed and tried is here all the same."""

    question: str
    model: str
    sentences: tuple[Sentence, ...]
    follow_ups: tuple[str, ...]
    proposals: tuple[Filed, ...]
    refused: tuple[RefusedProposal, ...]
    removed: tuple[str, ...]
    notices: tuple[str, ...]
    tools: tuple[ToolUse, ...]
    usage: Usage
    stopped: str | None = None

    @property
    def exit_code(self) -> int:
        """1 if it was stopped."""
        return 1 if self.stopped else 0
